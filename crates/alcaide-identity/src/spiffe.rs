//! SPIFFE ids with opaque paths: `spiffe://<trust domain>/agent/agt_…`, `/human/hum_…`, `/workload/wkl_…`.
//!
//! Source: SPIFFE-ID standard, sections 2.1 and 2.2; paths carry ids only, people's names live in the inventory.

use std::fmt;
use std::str::FromStr;

use alcaide_inventory::Actor;

/// Name of a trust domain: 1 to 255 of `a-z`, `0-9`, `.`, `-` and `_`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct TrustDomain(Box<str>);

/// A SPIFFE id or trust domain was not of the form this product uses.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpiffeError {
    /// Not a trust domain name.
    #[error("`{given}` is not a trust domain: 1 to 255 of `a-z`, `0-9`, `.`, `-` and `_`")]
    TrustDomain {
        /// What was given, cut to 80 characters.
        given: String,
    },
    /// Not an id of this trust domain.
    #[error(
        "`{given}` is not an id of this trust domain with the path `/agent/`, `/human/` or `/workload/` and an id"
    )]
    Id {
        /// What was given, cut to 80 characters.
        given: String,
    },
}

impl TrustDomain {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SPIFFE id of someone who can act.
    #[must_use]
    pub fn id_of(&self, actor: Actor) -> String {
        let kind = match actor {
            Actor::Agent(_) => "agent",
            Actor::Human(_) => "human",
            Actor::Workload(_) => "workload",
        };
        format!("spiffe://{}/{kind}/{actor}", self.0)
    }

    /// Reads an id of this trust domain.
    ///
    /// # Errors
    /// [`SpiffeError::Id`] for another trust domain, another path or another spelling.
    pub fn read(&self, text: &str) -> Result<Actor, SpiffeError> {
        let fail = || SpiffeError::Id { given: text.chars().take(80).collect() };
        let path = text
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.strip_prefix(&*self.0))
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(fail)?;
        match path.split_once('/') {
            Some(("agent", id)) => id.parse().map(Actor::Agent).map_err(|_| fail()),
            Some(("human", id)) => id.parse().map(Actor::Human).map_err(|_| fail()),
            Some(("workload", id)) => id.parse().map(Actor::Workload).map_err(|_| fail()),
            _ => Err(fail()),
        }
    }
}

impl FromStr for TrustDomain {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
        if !text.is_empty() && text.len() <= 255 && text.bytes().all(good) {
            Ok(Self(text.into()))
        } else {
            Err(SpiffeError::TrustDomain { given: text.chars().take(80).collect() })
        }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::AgentId;

    use super::*;

    #[test]
    fn ids_are_read_in_one_spelling_of_one_domain() {
        let domain: TrustDomain = "corp.example".parse().unwrap();
        let actor = Actor::Agent(AgentId::from_bits(99));
        let id = domain.id_of(actor);
        assert_eq!(domain.read(&id), Ok(actor));
        for bad in [
            id.replace("corp", "c0rp"),
            id.replace("spiffe", "SPIFFE"),
            id.replace("/agent/", "/human/"),
            format!("{id}/"),
            id.replace("corp.example", "corp.example.evil"),
            "spiffe://corp.example".into(),
        ] {
            assert!(domain.read(&bad).is_err(), "{bad}");
        }
        assert!("Corp".parse::<TrustDomain>().is_err());
        assert!("".parse::<TrustDomain>().is_err());
    }
}
