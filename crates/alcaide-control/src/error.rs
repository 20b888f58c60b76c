//! What the office answers when it does not do what was asked: what happened, whose fault it is, what would help.

use alcaide_identity::assertion::AssertionError;
use alcaide_identity::{DpopError, ExchangeError, TokenError};
use alcaide_inventory::declare::DeclareError;
use alcaide_inventory::{Moment, PlanNumber};
use alcaide_ledger::{AppendError, LedgerError, ReadError, ShelfError};
use alcaide_record::EntryError;
use alcaide_seal::EntropyError;
use alcaide_seal::envelope::EnvelopeError;
use alcaide_seal::jws::{KeySetError, SignError};
use alcaide_store::StoreError;
use alcaide_store::rusqlite::{Error as SqlError, ErrorCode};

use crate::by::Operation;
use crate::view::Fault;

/// Why the office did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfficeError {
    /// The roles do not allow it. The attempt is in the record.
    #[error("`{}` is not among what you may do here", operation.as_str())]
    Forbidden {
        /// What was tried.
        operation: Operation,
    },
    /// The declarations break rules; all that were found are listed.
    #[error("the declarations were not applied (faults: {}), the first at `{}`: {}", faults.len(),
        faults.first().map_or("", |one| one.place.as_str()), faults.first().map_or("", |one| one.why.as_str()))]
    Faults {
        /// All of them.
        faults: Vec<Fault>,
    },
    /// Another plan came into force since the caller looked.
    #[error("plan {expected} was expected to be in force, but plan {found} is")]
    Conflict {
        /// What the caller expected.
        expected: PlanNumber,
        /// What is.
        found: PlanNumber,
    },
    /// What a plan declares is not in the store any more.
    #[error("what plan {number} declares is not kept any more")]
    PlanGone {
        /// Which.
        number: PlanNumber,
    },
    /// There is no such thing.
    #[error("there is no {what} `{given}`")]
    Unknown {
        /// What kind of thing.
        what: &'static str,
        /// What was given, cut to 80 characters.
        given: String,
    },
    /// There is one already.
    #[error("{what} `{given}` exists already")]
    Exists {
        /// What kind of thing.
        what: &'static str,
        /// What was given, cut to 80 characters.
        given: String,
    },
    /// A name that more than one thing has.
    #[error("`{given}` is the name of more than one of agent, workload and human")]
    Ambiguous {
        /// What was given, cut to 80 characters.
        given: String,
    },
    /// A secret that upstreams refer to cannot be removed.
    #[error("the secret `{name}` is used by {}", used_by.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "))]
    SecretInUse {
        /// Its name.
        name: String,
        /// The upstreams.
        used_by: Vec<String>,
    },
    /// A secret outside of its bounds.
    #[error("a secret has 1 to 65536 bytes without control characters")]
    SecretForm,
    /// The enrolment token is unknown, used up or too old; which of them is not told.
    #[error("the enrolment token was not accepted")]
    Enrolment,
    /// The proof of possession of an enrolment does not hold.
    #[error("the proof of possession was not accepted: {why}")]
    Proof {
        /// What is wrong.
        why: String,
    },
    /// The actor has as many client credentials as one may have.
    #[error("`{actor}` has {most} client credentials already")]
    TooManyCredentials {
        /// Whose.
        actor: String,
        /// How many one may have.
        most: u32,
    },
    /// The client assertion does not hold.
    #[error("the client was not accepted: {0}")]
    Assertion(#[from] AssertionError),
    /// The client is unknown.
    #[error("the client was not accepted: its credential is not known")]
    Client,
    /// A proof or assertion was used before, or was made before the office could remember it.
    #[error("the proof was used before, or was made before the office started")]
    Replayed,
    /// More proofs than the office remembers are still good.
    #[error("the office has too many proofs to remember")]
    Crowded,
    /// The DPoP proof does not hold.
    #[error("{0}")]
    Dpop(#[from] DpopError),
    /// The actor's tokens must be bound to a key.
    #[error("tokens of `{actor}` must be bound to a key, and no DPoP proof was presented")]
    Unbound {
        /// Whose.
        actor: String,
    },
    /// Someone who may not act now asked for a token, or is in the chain of one.
    #[error("`{actor}` may not act: {why}")]
    Barred {
        /// Who.
        actor: String,
        /// Why not.
        why: &'static str,
    },
    /// The token does not hold.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The token was revoked, or someone in its chain was stopped since.
    #[error("the access token was revoked")]
    Revoked,
    /// The exchange would widen something.
    #[error("{0}")]
    Exchange(#[from] ExchangeError),
    /// What was asked for does not fit the actor.
    #[error("the request was not accepted: {why}")]
    Request {
        /// What is wrong.
        why: &'static str,
    },
    /// The question cannot be answered so.
    #[error("the question `{approval}` was not answered: {why}")]
    Approval {
        /// Which.
        approval: String,
        /// Why not.
        why: &'static str,
    },
    /// The questions of a task cannot be answered together.
    #[error("the questions of task `{task}` were not answered: {why}")]
    Batch {
        /// Which task.
        task: String,
        /// Why not.
        why: &'static str,
    },
    /// A person has said yes as often within the hour as one may.
    #[error("the yes was not taken: this person has said yes {limit} times within an hour{of}; the next is taken after {again}", of = if *grave { " about money, credentials or what cannot be undone" } else { "" })]
    Tired {
        /// The limit.
        limit: u32,
        /// Whether it is the one of grave questions.
        grave: bool,
        /// When the next is taken.
        again: Moment,
    },
    /// A tool does not stand so that it can be accepted or quarantined.
    #[error("nothing was done about the tool `{tool}`: {why}")]
    Tool {
        /// Which.
        tool: String,
        /// Why not.
        why: &'static str,
    },
    /// A model does not stand so that it can be registered, released, quarantined or revoked.
    #[error("nothing was done about the model `{model}`: {why}")]
    Model {
        /// Which.
        model: String,
        /// Why not.
        why: String,
    },
    /// Evidence could not be made.
    #[error("evidence about the model could not be made: {0}")]
    Evidence(#[source] Box<alcaide_artifact::evidence::EvidenceError>),
    /// A text beside the ledger could not be read.
    #[error("{0}")]
    Shelf(#[from] ShelfError),
    /// A list cannot go on from there.
    #[error("the list cannot go on from `{given}`")]
    Cursor {
        /// What was given, cut to 32 characters.
        given: String,
    },
    /// The state was begun already.
    #[error("the office's state was made already")]
    Made,
    /// The state was never begun.
    #[error("the office's state was never made")]
    NotMade,
    /// Store and ledger do not belong together.
    #[error("store and ledger do not belong together: {why}")]
    Diverged {
        /// What does not fit.
        why: String,
    },
    /// The backup could not be made or does not hold.
    #[error("the backup does not hold: {why}")]
    Backup {
        /// What is wrong.
        why: String,
    },
    /// A declaration could not be written.
    #[error("{0}")]
    Declare(#[from] DeclareError),
    /// The ledger did not take the entry; nothing was done.
    #[error("it could not be recorded, so it was not done: {0}")]
    Append(#[from] AppendError),
    /// The ledger could not be read.
    #[error("the ledger could not be read: {0}")]
    LedgerRead(#[from] ReadError),
    /// The ledger failed.
    #[error("the ledger failed: {0}")]
    Ledger(#[from] LedgerError),
    /// An entry of the ledger is not understood.
    #[error("entry {index} of the ledger could not be followed: {source}")]
    Entry {
        /// Which.
        index: u64,
        /// Why.
        #[source]
        source: EntryError,
    },
    /// An entry could not be written.
    #[error("the entry could not be written: {0}")]
    Record(#[from] EntryError),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
    /// A row of the store is not what the office wrote.
    #[error("the store holds a {what} that cannot be read: {why}")]
    Row {
        /// What kind of row.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Sealing failed.
    #[error("the secret could not be sealed: {0}")]
    Seal(#[from] EnvelopeError),
    /// A signature could not be made.
    #[error("the signature could not be made: {0}")]
    Sign(#[source] SignError),
    /// The public keys are more than a set may have.
    #[error("the keys cannot be published: {0}")]
    Keys(#[from] KeySetError),
    /// The source of randomness failed.
    #[error("{0}")]
    Entropy(#[from] EntropyError),
    /// The store does not follow the ledger for the moment.
    #[error("the office does not keep up with the record: {why}")]
    Behind {
        /// What keeps it back.
        why: String,
    },
    /// Others are trying plans and policies already.
    #[error("too many plans and policies are being tried at once")]
    Occupied,
    /// The runtime is going down.
    #[error("the office is shutting down")]
    Stopping,
    /// The link to the console is unknown, used up or too old; which of them is not told.
    #[error("the link to the console was not accepted")]
    Link,
    /// The session of the console is unknown or has ended; which of them is not told.
    #[error("there is no session of the console, or it has ended")]
    Session,
}

/// Whose fault it is that something was not done.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Blame {
    /// The caller may not.
    Forbidden,
    /// The caller is not who it says, or its proof does not hold.
    Unproven,
    /// The request is wrong.
    Caller,
    /// There is no such thing.
    Missing,
    /// The request does not fit what is there now.
    Conflict,
    /// The caller has done as much as one may for now; the same request may pass later.
    Often,
    /// The office is busy; the same request may pass later.
    Busy,
    /// The office, its disk or its settings.
    Office,
}

/// The store was asked too much at once, or a look at it took too long.
macro_rules! too_much {
    () => {
        OfficeError::Store(
            StoreError::Crowded
                | StoreError::Sql(SqlError::SqliteFailure(
                    alcaide_store::rusqlite::ffi::Error { code: ErrorCode::OperationInterrupted, .. },
                    _,
                )),
        )
    };
}

impl OfficeError {
    /// Code of [`OfficeError::Tired`]: what the record has of a yes that was refused.
    pub(crate) const TIRED: &'static str = "ALC-OFFICE-0049";

    /// The stable code that `alcaide explain CODE` expands.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "ALC-OFFICE-0001",
            Self::Faults { .. } => "ALC-OFFICE-0002",
            Self::Conflict { .. } => "ALC-OFFICE-0003",
            Self::Unknown { .. } => "ALC-OFFICE-0004",
            Self::Exists { .. } => "ALC-OFFICE-0005",
            Self::Ambiguous { .. } => "ALC-OFFICE-0006",
            Self::SecretInUse { .. } => "ALC-OFFICE-0007",
            Self::SecretForm => "ALC-OFFICE-0008",
            Self::Enrolment => "ALC-OFFICE-0009",
            Self::Proof { .. } => "ALC-OFFICE-0010",
            Self::TooManyCredentials { .. } => "ALC-OFFICE-0011",
            Self::Assertion(_) | Self::Client => "ALC-OFFICE-0012",
            Self::Replayed => "ALC-OFFICE-0013",
            Self::Crowded => "ALC-OFFICE-0014",
            Self::Dpop(_) => "ALC-OFFICE-0015",
            Self::Unbound { .. } => "ALC-OFFICE-0016",
            Self::Barred { .. } => "ALC-OFFICE-0017",
            Self::Token(_) => "ALC-OFFICE-0018",
            Self::Revoked => "ALC-OFFICE-0019",
            Self::Exchange(_) => "ALC-OFFICE-0020",
            Self::Request { .. } => "ALC-OFFICE-0021",
            Self::Approval { .. } => "ALC-OFFICE-0022",
            Self::Batch { .. } => "ALC-OFFICE-0050",
            Self::Tired { .. } => Self::TIRED,
            Self::Cursor { .. } => "ALC-OFFICE-0023",
            Self::Made => "ALC-OFFICE-0024",
            Self::NotMade => "ALC-OFFICE-0025",
            Self::Diverged { .. } => "ALC-OFFICE-0026",
            Self::Backup { .. } => "ALC-OFFICE-0027",
            Self::Declare(_) => "ALC-OFFICE-0028",
            Self::Append(_) => "ALC-OFFICE-0029",
            Self::LedgerRead(_) | Self::Ledger(_) | Self::Entry { .. } | Self::Record(_) => "ALC-OFFICE-0030",
            Self::Occupied | too_much!() => "ALC-OFFICE-0045",
            Self::Store(_) | Self::Row { .. } => "ALC-OFFICE-0031",
            Self::Seal(_) | Self::Sign(_) | Self::Keys(_) | Self::Entropy(_) => "ALC-OFFICE-0032",
            Self::Stopping => "ALC-OFFICE-0033",
            Self::Tool { .. } => "ALC-OFFICE-0040",
            Self::Model { .. } => "ALC-OFFICE-0051",
            Self::Evidence(_) => "ALC-OFFICE-0052",
            Self::Shelf(_) => "ALC-OFFICE-0041",
            Self::Link => "ALC-OFFICE-0042",
            Self::Session => "ALC-OFFICE-0043",
            Self::Behind { .. } => "ALC-OFFICE-0044",
            Self::PlanGone { .. } => "ALC-OFFICE-0048",
        }
    }

    /// What would help, in one sentence.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Forbidden { operation } => match operation.roles() {
                [] => "do it as the operator of the machine".into(),
                roles => {
                    let roles = roles.iter().map(|role| format!("`{}`", role.as_str())).collect::<Vec<_>>();
                    format!("ask an administrator for one of the roles {}", roles.join(", "))
                }
            },
            Self::Faults { .. } => "mend what is listed and try again; nothing was changed".into(),
            Self::Conflict { found, .. } => format!("look at plan {found} and try again on top of it"),
            Self::Unknown { .. } => "look it up in the list; names are in lower case".into(),
            Self::Exists { .. } => "choose another name, or change what is there".into(),
            Self::Ambiguous { .. } => "give its id in place of its name".into(),
            Self::SecretInUse { .. } => "let those upstreams refer to another secret first".into(),
            Self::SecretForm => "give the secret itself, without line breaks".into(),
            Self::Enrolment => "open a new enrolment; a token works once and for 10 minutes".into(),
            Self::Proof { .. } => "sign the proof anew, with the key that is to be enrolled".into(),
            Self::TooManyCredentials { .. } => "remove one that is no longer used".into(),
            Self::Assertion(_) | Self::Client => {
                "enrol again if the credential was removed; check the clock".into()
            }
            Self::Replayed => "make a new proof with a new `jti` and the present time in `iat`".into(),
            Self::Crowded => "try again in a minute".into(),
            Self::Occupied | too_much!() => "ask for less, or again in a few seconds".into(),
            Self::Dpop(_) => "make a new proof for exactly this request (RFC 9449)".into(),
            Self::Unbound { .. } => "present a DPoP proof of the key that the token is to be bound to".into(),
            Self::Barred { .. } => "ask an administrator or the agent's owner".into(),
            Self::Token(_) | Self::Revoked => "get a new token".into(),
            Self::Exchange(_) => "ask for no more than the subject token has".into(),
            Self::Request { .. } => "see `alcaide explain ALC-OFFICE-0021`".into(),
            Self::Approval { .. } => "ask another approver, or let the agent try again".into(),
            Self::Batch { .. } => "look at the task's questions anew, and answer what is open".into(),
            Self::Tired { .. } => {
                "let another approver answer, or come back after that time; a no is always taken".into()
            }
            Self::Tool { .. } => {
                "look at it with `alcaide tool show`, then name the pin that is offered".into()
            }
            Self::Model { .. } => "look at it with `alcaide model show`".into(),
            Self::Evidence(error) => error.help().into(),
            Self::Shelf(_) => {
                "see to `ledger/shelf` in the data directory, or restore it from a backup".into()
            }
            Self::Cursor { .. } => "begin the list anew".into(),
            Self::Made => "open it in place of making it".into(),
            Self::NotMade => "make it first with `alcaide up --init`".into(),
            Self::Diverged { .. } => "restore store and ledger from the same backup".into(),
            Self::Backup { .. } => "make the backup again, into a new folder".into(),
            Self::Declare(_) => "mend the declaration".into(),
            Self::Append(_) => "see to the ledger's disk, then try again".into(),
            Self::LedgerRead(_) | Self::Ledger(_) | Self::Entry { .. } | Self::Record(_) => {
                "run `alcaide log verify`".into()
            }
            Self::Store(_) | Self::Row { .. } => {
                "see to the data directory's disk; a backup can be restored".into()
            }
            Self::Seal(_) | Self::Sign(_) | Self::Keys(_) | Self::Entropy(_) => {
                "see to the keys in the data directory".into()
            }
            Self::Stopping => "try again when it is up".into(),
            Self::Link | Self::Session => "get a new link with `alcaide console link`".into(),
            Self::PlanGone { .. } => "apply the declarations from where they are kept; `office.keep_days` says how long the office does".into(),
            Self::Behind { .. } => "make room on the data directory's disk; it goes on by itself then".into(),
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Forbidden { .. } => Blame::Forbidden,
            Self::Enrolment
            | Self::Proof { .. }
            | Self::Assertion(_)
            | Self::Client
            | Self::Replayed
            | Self::Dpop(_)
            | Self::Unbound { .. }
            | Self::Barred { .. }
            | Self::Token(_)
            | Self::Revoked
            | Self::Link
            | Self::Session => Blame::Unproven,
            Self::Faults { .. }
            | Self::Ambiguous { .. }
            | Self::SecretForm
            | Self::Exchange(_)
            | Self::Request { .. }
            | Self::Cursor { .. }
            | Self::Declare(_) => Blame::Caller,
            Self::Unknown { .. } | Self::PlanGone { .. } => Blame::Missing,
            Self::Conflict { .. }
            | Self::Exists { .. }
            | Self::SecretInUse { .. }
            | Self::TooManyCredentials { .. }
            | Self::Approval { .. }
            | Self::Batch { .. }
            | Self::Tool { .. }
            | Self::Model { .. }
            | Self::Made
            | Self::NotMade => Blame::Conflict,
            Self::Tired { .. } => Blame::Often,
            Self::Crowded
            | Self::Occupied
            | too_much!()
            | Self::Stopping
            | Self::Behind { .. }
            | Self::Append(AppendError::Busy | AppendError::DiskFull { .. }) => Blame::Busy,
            Self::Diverged { .. }
            | Self::Backup { .. }
            | Self::Append(_)
            | Self::LedgerRead(_)
            | Self::Ledger(_)
            | Self::Entry { .. }
            | Self::Record(_)
            | Self::Shelf(_)
            | Self::Evidence(_)
            | Self::Store(_)
            | Self::Row { .. }
            | Self::Seal(_)
            | Self::Sign(_)
            | Self::Keys(_)
            | Self::Entropy(_) => Blame::Office,
        }
    }

    pub(crate) fn unknown(what: &'static str, given: &impl ToString) -> Self {
        Self::Unknown { what, given: cut(&given.to_string()) }
    }

    pub(crate) fn row(what: &'static str, why: &impl ToString) -> Self {
        Self::Row { what, why: why.to_string() }
    }
}

impl From<alcaide_store::rusqlite::Error> for OfficeError {
    fn from(error: alcaide_store::rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Text from outside as a message may show it.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(80).map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_code_and_help_and_keeps_the_form() {
        let text = "x\ny".repeat(60);
        let all = [
            OfficeError::Forbidden { operation: Operation::Apply },
            OfficeError::Forbidden { operation: Operation::OfficeTokenForOthers },
            OfficeError::Faults { faults: Vec::new() },
            OfficeError::Conflict { expected: PlanNumber(1), found: PlanNumber(2) },
            OfficeError::unknown("agent", &cut(&text)),
            OfficeError::Exists { what: "agent", given: cut(&text) },
            OfficeError::Ambiguous { given: cut(&text) },
            OfficeError::SecretInUse { name: "a".into(), used_by: vec!["b".into(), "c".into()] },
            OfficeError::SecretForm,
            OfficeError::Enrolment,
            OfficeError::Proof { why: "it is old".into() },
            OfficeError::TooManyCredentials { actor: "agt_".into(), most: 16 },
            OfficeError::Client,
            OfficeError::Replayed,
            OfficeError::Crowded,
            OfficeError::Unbound { actor: "agt_".into() },
            OfficeError::Barred { actor: "agt_".into(), why: "it left" },
            OfficeError::Revoked,
            OfficeError::Exchange(ExchangeError::Ended),
            OfficeError::Request { why: "the task is not one of this actor and person" },
            OfficeError::Approval { approval: "apr_".into(), why: "it is too old" },
            OfficeError::Batch { task: "tsk_".into(), why: "none is open" },
            OfficeError::Tired { limit: 40, grave: false, again: Moment::from_secs(1_795_000_000) },
            OfficeError::Tired { limit: 10, grave: true, again: Moment::from_secs(1_795_000_000) },
            OfficeError::Tool { tool: "files/read_file".into(), why: "it is not accepted" },
            OfficeError::Model { model: "small".into(), why: "this version was never registered".into() },
            OfficeError::Evidence(Box::new(alcaide_artifact::evidence::EvidenceError::Term)),
            OfficeError::Shelf(ShelfError::TooLong { bytes: 2_000_000 }),
            OfficeError::Cursor { given: "c".into() },
            OfficeError::Made,
            OfficeError::NotMade,
            OfficeError::Diverged { why: "one is older".into() },
            OfficeError::Backup { why: "a file is missing".into() },
            OfficeError::Append(AppendError::Busy),
            OfficeError::Ledger(LedgerError::Closed),
            OfficeError::Store(StoreError::Stopped),
            OfficeError::Entropy(EntropyError),
            OfficeError::Occupied,
            OfficeError::Store(StoreError::Crowded),
            OfficeError::Stopping,
            OfficeError::Link,
            OfficeError::Session,
            OfficeError::Behind { why: "the disk is full".into() },
            OfficeError::PlanGone { number: PlanNumber(1) },
        ];
        let mut codes = std::collections::BTreeMap::new();
        for error in &all {
            let message = error.to_string();
            assert!(!message.contains('\n') && !message.ends_with('.') && message.len() < 300, "{message}");
            assert!(!message.starts_with(|first: char| first.is_uppercase() && first != 'D'), "{message}");
            assert!(!error.help().is_empty() && !error.help().ends_with('.'), "{message}");
            let number = error.code().strip_prefix("ALC-OFFICE-").unwrap();
            assert!(number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit()));
            // One code means one thing: whoever shares it shares the help.
            let help = codes.entry(error.code()).or_insert_with(|| error.help()).clone();
            assert!(help == error.help() || matches!(error, OfficeError::Forbidden { .. }), "{message}");
        }
        assert_eq!(OfficeError::Append(AppendError::Busy).blame(), Blame::Busy);
        assert_eq!(OfficeError::Append(AppendError::Closed).blame(), Blame::Office);
    }
}
