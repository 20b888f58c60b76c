//! Typed ids: `agt_` and 26 characters of Crockford base32 over 128 bits.
//!
//! The bits come in as a value ([`AgentId::from_bits`]): words know no randomness. Text is lower case on the way
//! out and read strictly: one spelling per id, so that ids may be compared as text by anyone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An id was not of the form that its kind has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{given}` is not an id of the form `{prefix}_` and 26 characters of `0-9a-hjkmnp-tv-z`")]
pub struct IdError {
    /// The prefix that was expected, without the underscore.
    pub prefix: &'static str,
    /// What was given, cut to 80 characters.
    pub given: String,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of base32 that 128 bits need.
const ID_CHARS: usize = 26;

/// The digits of `bits`, written over `text`, highest first.
fn write_bits(bits: u128, text: &mut [u8]) {
    let mut rest = bits;
    for place in text.iter_mut().rev() {
        // INVARIANT: `rest & 31` is below 32, the length of the alphabet.
        *place = ALPHABET.get((rest & 31) as usize).copied().unwrap_or(b'0');
        rest >>= 5;
    }
}

fn read_bits(text: &str) -> Option<u128> {
    if text.len() != ID_CHARS {
        return None;
    }
    let mut bits: u128 = 0;
    for (at, byte) in text.bytes().enumerate() {
        let digit = DIGITS.get(usize::from(byte)).copied().filter(|digit| *digit < 32)?;
        // 26 characters hold 130 bits: the first may only use three of its five.
        if at == 0 && digit > 7 {
            return None;
        }
        bits = (bits << 5) | u128::from(digit);
    }
    Some(bits)
}

/// Value of each byte as a digit; 255 where it is none.
const DIGITS: [u8; 256] = digits();

#[expect(clippy::indexing_slicing, reason = "worked out by the compiler, which would say so")]
const fn digits() -> [u8; 256] {
    let mut table = [u8::MAX; 256];
    let mut digit = 0_u8;
    while digit < 32 {
        table[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
}

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(u128);

        impl $name {
            /// What every id of this kind begins with, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id of 128 bits that the caller drew (or derived) for it.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits behind the text.
            #[must_use]
            pub const fn bits(self) -> u128 {
                self.0
            }

            /// Hands its text over without allocating: ids are written by the dozen for each call.
            fn with_text<T>(self, use_it: impl FnOnce(&str) -> T) -> T {
                const CHARS: usize = $prefix.len() + 1 + ID_CHARS;
                let mut text = [b'_'; CHARS];
                let (prefix, rest) = text.split_at_mut($prefix.len());
                prefix.copy_from_slice($prefix.as_bytes());
                if let Some((_, digits)) = rest.split_first_mut() {
                    write_bits(self.0, digits);
                }
                // INVARIANT: prefix and alphabet are ASCII.
                use_it(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.with_text(|text| out.write_str(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(|rest| rest.strip_prefix('_'))
                    .and_then(read_bits)
                    .map(Self)
                    .ok_or_else(|| IdError { prefix: $prefix, given: text.chars().take(80).collect() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.with_text(|text| to.serialize_str(text))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )* };
}

typed_id! {
    /// An AI agent.
    AgentId = "agt";
    /// One question to a human and its answer.
    ApprovalId = "apr";
    /// A declared limit on tokens, money or requests.
    BudgetId = "bud";
    /// One call at the gate.
    CallId = "cal";
    /// A client credential of an agent or workload (a public key it proved possession of).
    CredentialId = "crd";
    /// A person.
    HumanId = "hum";
    /// A declared model, whatever its version.
    ModelId = "mdl";
    /// A sealed order of the office.
    OrderId = "ord";
    /// A gate of another house.
    PeerId = "per";
    /// One policy of the set.
    PolicyId = "pol";
    /// A route: which upstreams answer for a model, a tool server or a service.
    RouteId = "rte";
    /// One run of an agent's program.
    RunId = "run";
    /// A sealed upstream secret.
    SecretId = "sec";
    /// Somebody who signs models.
    SignerId = "sgn";
    /// A task: what labels and budgets attach to (claim `txn`).
    TaskId = "tsk";
    /// One issued token (claim `jti`).
    TokenId = "tok";
    /// A tool of an upstream server.
    ToolId = "tol";
    /// A unit of the organisation.
    UnitId = "unt";
    /// A model provider, tool server, peer or API behind the gate.
    UpstreamId = "ups";
    /// A program that is no agent.
    WorkloadId = "wkl";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bits_are_two_forms_of_one_id() {
        for bits in [0, 1, 31, 32, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            let id = AgentId::from_bits(bits);
            let text = id.to_string();
            assert_eq!(text.len(), 30);
            assert_eq!(text.parse::<AgentId>().unwrap(), id);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let good = AgentId::from_bits(7).to_string();
        for bad in [
            good.to_uppercase(),
            good.replace("agt", "hum"),
            format!("{good}0"),
            good.replacen("agt_0", "agt_8", 1),
            good.replacen("agt_0", "agt_o", 1),
            "agt_".into(),
            String::new(),
        ] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad}");
        }
    }
}
