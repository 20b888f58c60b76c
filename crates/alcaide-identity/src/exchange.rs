//! Token exchange (RFC 8693): an actor gets a token to act for the subject of another. It only ever shrinks.

use std::time::Duration;

use alcaide_inventory::declare::{Grant, Pattern};
use alcaide_inventory::{Actor, Moment, Principal, TokenId, UnitId};

use crate::token::{Audience, CHAIN_MAX, Credential, TOKEN_LIFE_MAX, TokenRequest, Verified};

/// Why an exchange was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The chain would have too many actors.
    #[error("the chain would have more than {CHAIN_MAX} actors")]
    TooDeep,
    /// More was asked for than the subject token has.
    #[error("`{grant}` is not within the scope of the subject token")]
    Widened {
        /// The first grant that is not.
        grant: String,
    },
    /// The subject token is about to end.
    #[error("the subject token has ended or is about to")]
    Ended,
    /// The actor is in the chain already.
    #[error("`{actor}` is in the chain of the subject token already")]
    Loop {
        /// Who.
        actor: String,
    },
    /// A key-bound subject token was presented without proof of its key.
    #[error("the subject token is bound to a key, and no proof of that key was presented")]
    Unproven,
}

/// Who takes over, and what for.
#[derive(Clone, Debug)]
pub struct Narrowed {
    /// The new actor.
    pub actor: Actor,
    /// The new actor's unit.
    pub unit: UnitId,
    /// The new actor's epoch.
    pub epoch: u64,
    /// Id of the new token.
    pub token: TokenId,
    /// Scope asked for; that of the subject token where `None`.
    pub scope: Option<Vec<Grant>>,
    /// Longest life; cut to what the subject token has left.
    pub life: Duration,
    /// Thumbprint of the new actor's key.
    pub bind_to: Option<String>,
    /// Whether the holder proved the key that the subject token is bound to.
    pub proven: bool,
    /// The credential that asked.
    pub client_id: String,
}

/// What to mint when `to` takes over from the actor of `from`.
///
/// The task, run, subject and attested words stay; the actor becomes the newest of the earlier actors; the new token
/// names the hash and id of its parent, so that revoking or killing anyone in the chain ends it.
///
/// # Errors
/// An [`ExchangeError`] per rule that would be broken.
///
/// Source: RFC 8693, sections 2 and 4.1.
pub fn narrow(from: &Verified<Credential>, to: Narrowed, now: Moment) -> Result<TokenRequest, ExchangeError> {
    let from = from.get();
    if from.bound_to.is_some() && !to.proven {
        return Err(ExchangeError::Unproven);
    }
    let principal = &from.principal;
    let mut earlier = Vec::with_capacity(principal.earlier.len() + 1);
    // A subject that acts on its own stands in `sub` already and is no earlier actor.
    if principal.actor != principal.subject {
        earlier.push(principal.actor);
    }
    earlier.extend_from_slice(&principal.earlier);
    if earlier.len() + 1 >= CHAIN_MAX {
        return Err(ExchangeError::TooDeep);
    }
    if earlier.contains(&to.actor) || principal.actor == to.actor {
        return Err(ExchangeError::Loop { actor: to.actor.to_string() });
    }
    let left = from.expires.since(now);
    let life = to.life.min(left).min(TOKEN_LIFE_MAX);
    if life < Duration::from_secs(1) {
        return Err(ExchangeError::Ended);
    }
    let scope = match (&from.scope, to.scope) {
        (held, None) => held.clone(),
        (None, Some(asked)) => Some(asked),
        (Some(held), Some(asked)) => {
            if let Some(wide) = asked.iter().find(|grant| !held.iter().any(|has| covers(has, grant))) {
                return Err(ExchangeError::Widened { grant: wide.to_string() });
            }
            Some(asked)
        }
    };
    let epoch_of =
        |who: Actor| from.epochs.iter().find(|(known, _)| *known == who).map_or(0, |(_, epoch)| *epoch);
    let mut epochs = vec![to.epoch, epoch_of(principal.subject)];
    epochs.extend(earlier.iter().map(|who| epoch_of(*who)));
    let mut ancestors = Vec::with_capacity(from.ancestors.len() + 1);
    ancestors.push(principal.token);
    ancestors.extend_from_slice(&from.ancestors);
    Ok(TokenRequest {
        principal: Principal {
            subject: principal.subject,
            actor: to.actor,
            earlier,
            unit: to.unit,
            task: principal.task,
            run: principal.run,
            token: to.token,
        },
        audience: Audience::Gate,
        life,
        epochs,
        ancestors,
        parent: Some(from.token_hash),
        bind_to: to.bind_to,
        scope,
        roles: Vec::new(),
        words: from.words,
        client_id: to.client_id,
    })
}

/// Whether `held` includes all that `asked` names.
#[must_use]
pub fn covers(held: &Grant, asked: &Grant) -> bool {
    let within = |has: &Pattern, wants: &Pattern| *has == Pattern::Any || has == wants;
    match (held, asked) {
        (Grant::Model(has), Grant::Model(wants)) => within(has, wants),
        (Grant::Tool(has, has_tool), Grant::Tool(wants, wants_tool)) => {
            within(has, wants) && within(has_tool, wants_tool)
        }
        (Grant::Api(has, has_operation), Grant::Api(wants, wants_operation)) => {
            within(has, wants) && within(has_operation, wants_operation)
        }
        _ => false,
    }
}
