//! Who does it, and who may: one table from operation to roles.

use alcaide_identity::Credential;
use alcaide_inventory::declare::Role;
use alcaide_inventory::{HumanId, Moment, TokenId};
use alcaide_seal::digest::Sha256Digest;

/// Who asks the office for something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum By {
    /// The operator of the machine, through the socket in the data directory: whoever can write that folder can
    /// change everything in it anyway. The operator is nobody in particular and so approves nothing.
    Operator,
    /// A person whose token was verified.
    Human {
        /// Who.
        id: HumanId,
        /// The roles that count now: those of the token that the plan in force still gives.
        roles: Vec<Role>,
        /// The token that they came with; none where they came by a session of the console.
        token: Option<Box<Held>>,
    },
}

/// The office token that somebody came with. What they get on the strength of it descends from it: it ends with it at
/// the latest, is bound to the same key, and is revoked with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    pub(crate) token: TokenId,
    /// What the token itself descends from, newest first.
    pub(crate) ancestors: Vec<TokenId>,
    pub(crate) hash: Sha256Digest,
    pub(crate) expires: Moment,
    /// Thumbprint of the key that it is bound to.
    pub(crate) bound_to: Option<String>,
}

impl Held {
    pub(crate) fn of(credential: &Credential) -> Self {
        Self {
            token: credential.principal.token,
            ancestors: credential.ancestors.clone(),
            hash: credential.token_hash,
            expires: credential.expires,
            bound_to: credential.bound_to.clone(),
        }
    }
}

impl By {
    /// The person, if it is one.
    #[must_use]
    pub const fn human(&self) -> Option<HumanId> {
        match self {
            Self::Operator => None,
            Self::Human { id, .. } => Some(*id),
        }
    }

    /// The token that they came with, if it was one.
    #[must_use]
    pub fn token(&self) -> Option<&Held> {
        match self {
            Self::Operator => None,
            Self::Human { token, .. } => token.as_deref(),
        }
    }

    /// Whether the table lets them.
    #[must_use]
    pub fn may(&self, operation: Operation) -> bool {
        match self {
            Self::Operator => operation.is_for_operator(),
            Self::Human { roles, .. } => roles.iter().any(|role| operation.roles().contains(role)),
        }
    }
}

/// Everything that the office does for someone.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Bring a whole set of declarations into force.
    Apply,
    /// Bring declarations into force that differ in policies alone.
    ApplyPolicies,
    /// Bring an earlier plan into force again.
    Rollback,
    /// See plans, differences, declarations, agents and credentials' metadata.
    See,
    /// See what was called, by whom, and what it used.
    SeeActivity,
    /// Seal or remove an upstream secret.
    SecretChange,
    /// Open an enrolment for any actor. An agent's owner and sponsor may do it for that agent without the role.
    Enrol,
    /// Remove a client credential.
    CredentialRemove,
    /// Start a task of one's own in the console.
    Task,
    /// Start a task for another person. Each person may start tasks of their own.
    TaskForOthers,
    /// Mint an office token for another person.
    OfficeTokenForOthers,
    /// Stop an actor. An agent's owner and sponsor may do it without the role.
    Kill,
    /// Let a stopped actor act again.
    Unkill,
    /// Revoke a token. The subject of the token may do it without the role.
    Revoke,
    /// Accept a tool as it is now.
    AcceptPin,
    /// Take back that a tool was accepted.
    QuarantineTool,
    /// Hold back a server, a service or a model: nothing is sent to it any more.
    QuarantineSource,
    /// Let what was held back be used again.
    ReleaseSource,
    /// Register the files of a model, with evidence about them.
    RegisterModel,
    /// Let a version of a model be served.
    ReleaseModel,
    /// Hold a version of a model back.
    QuarantineModel,
    /// Say that a version of a model may never be served again.
    RevokeModel,
    /// Answer a question of the gate with yes.
    Approve,
    /// Answer a question of the gate with no.
    Deny,
    /// Copy the office's state.
    Backup,
    /// Open a one-time link with which a person comes to the console.
    OpenLink,
}

impl Operation {
    /// All of them, for tests and for the page that explains roles.
    pub const ALL: [Self; 26] = [
        Self::Apply,
        Self::ApplyPolicies,
        Self::Rollback,
        Self::See,
        Self::SeeActivity,
        Self::SecretChange,
        Self::Enrol,
        Self::CredentialRemove,
        Self::Task,
        Self::TaskForOthers,
        Self::OfficeTokenForOthers,
        Self::Kill,
        Self::Unkill,
        Self::Revoke,
        Self::AcceptPin,
        Self::QuarantineTool,
        Self::QuarantineSource,
        Self::ReleaseSource,
        Self::RegisterModel,
        Self::ReleaseModel,
        Self::QuarantineModel,
        Self::RevokeModel,
        Self::Approve,
        Self::Deny,
        Self::Backup,
        Self::OpenLink,
    ];

    /// The roles that may; any one of them is enough.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        use Role::{Administrator, Approver, Auditor, PolicyAuthor, Viewer};
        match self {
            Self::Apply
            | Self::Rollback
            | Self::SecretChange
            | Self::Enrol
            | Self::CredentialRemove
            | Self::TaskForOthers
            | Self::Unkill
            | Self::ReleaseSource
            | Self::RegisterModel
            | Self::ReleaseModel
            | Self::RevokeModel
            | Self::Revoke
            | Self::Backup
            | Self::OpenLink => &[Administrator],
            Self::ApplyPolicies => &[Administrator, PolicyAuthor],
            Self::Task | Self::See | Self::SeeActivity => {
                &[Viewer, Approver, PolicyAuthor, Administrator, Auditor]
            }
            // A person's token is minted for that person alone; the operator bootstraps.
            Self::OfficeTokenForOthers => &[],
            Self::Kill
            | Self::AcceptPin
            | Self::QuarantineTool
            | Self::QuarantineSource
            | Self::QuarantineModel => &[Administrator, Approver],
            Self::Approve | Self::Deny => &[Approver],
        }
    }

    /// Whether the operator of the machine may: everything but saying yes in a person's place.
    #[must_use]
    pub const fn is_for_operator(self) -> bool {
        !matches!(self, Self::Approve)
    }

    /// The words for a message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply declarations",
            Self::ApplyPolicies => "apply policies",
            Self::Rollback => "roll back to an earlier plan",
            Self::See => "see what is declared",
            Self::SeeActivity => "see what was called",
            Self::SecretChange => "change upstream secrets",
            Self::Enrol => "open an enrolment",
            Self::CredentialRemove => "remove a credential",
            Self::Task => "start a task of one's own",
            Self::TaskForOthers => "start a task for somebody else",
            Self::OfficeTokenForOthers => "mint an office token for somebody else",
            Self::Kill => "stop an actor",
            Self::Unkill => "let a stopped actor act again",
            Self::Revoke => "revoke a token",
            Self::AcceptPin => "accept a tool as it is now",
            Self::QuarantineTool => "quarantine a tool",
            Self::QuarantineSource => "quarantine a source",
            Self::ReleaseSource => "release a source",
            Self::RegisterModel => "register a model",
            Self::ReleaseModel => "release a model",
            Self::QuarantineModel => "quarantine a model",
            Self::RevokeModel => "revoke a model",
            Self::Approve => "approve a call",
            Self::Deny => "deny a call",
            Self::Backup => "make a backup",
            Self::OpenLink => "open a link to the console",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(role: Role) -> By {
        By::Human { id: HumanId::from_bits(1), roles: vec![role], token: None }
    }

    #[test]
    fn the_table_is_what_the_design_says() {
        let by_role = |role| Operation::ALL.into_iter().filter(|op| with(role).may(*op)).collect::<Vec<_>>();
        use Operation::*;
        assert_eq!(by_role(Role::Viewer), [See, SeeActivity, Task]);
        assert_eq!(by_role(Role::Auditor), [See, SeeActivity, Task]);
        assert_eq!(by_role(Role::PolicyAuthor), [ApplyPolicies, See, SeeActivity, Task]);
        assert_eq!(
            by_role(Role::Approver),
            [
                See,
                SeeActivity,
                Task,
                Kill,
                AcceptPin,
                QuarantineTool,
                QuarantineSource,
                QuarantineModel,
                Approve,
                Deny
            ]
        );
        let administrator = by_role(Role::Administrator);
        assert_eq!(administrator.len(), Operation::ALL.len() - 3);
        for never in [OfficeTokenForOthers, Approve, Deny] {
            assert!(!administrator.contains(&never), "{never:?}");
        }
    }

    #[test]
    fn nobody_without_a_role_may_anything_and_the_operator_approves_nothing() {
        let nobody = By::Human { id: HumanId::from_bits(1), roles: Vec::new(), token: None };
        for operation in Operation::ALL {
            assert!(!nobody.may(operation), "{operation:?}");
            assert_eq!(By::Operator.may(operation), operation != Operation::Approve, "{operation:?}");
        }
    }
}
