//! Grants: the short form of the commonest policies, `use:model/*` or `use:tool/files/read_file`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One segment of a grant: a name, or `*` for any.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Pattern {
    /// Any name.
    Any,
    /// This name.
    Exactly(String),
}

impl Pattern {
    fn read(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::Any),
            _ if text.is_empty() || text.len() > 128 => None,
            _ if text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':')) =>
            {
                Some(Self::Exactly(text.to_owned()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => out.write_str("*"),
            Self::Exactly(name) => out.write_str(name),
        }
    }
}

/// What an agent may use. The office's plan compiler turns each into one Cedar `permit`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Grant {
    /// `use:model/<model>`
    Model(Pattern),
    /// `use:tool/<server>/<tool>`, or `use:tool/<server>` for all of a server's tools.
    Tool(Pattern, Pattern),
    /// `use:api/<service>/<operation>`, or `use:api/<service>` for all operations.
    Api(Pattern, Pattern),
}

/// A grant was not of a known form.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{given}` is not a grant; the forms are `use:model/NAME`, `use:tool/SERVER/TOOL` and `use:api/SERVICE/OPERATION`, `*` for any"
)]
pub struct GrantError {
    /// What was given, cut to 80 characters.
    pub given: String,
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let fail = || GrantError { given: text.chars().take(80).collect() };
        let rest = text.strip_prefix("use:").ok_or_else(fail)?;
        let mut parts = rest.split('/');
        let (kind, first, second) = (parts.next(), parts.next().and_then(Pattern::read), parts.next());
        if parts.next().is_some() {
            return Err(fail());
        }
        let second = match second {
            None => Some(Pattern::Any),
            Some(text) => Pattern::read(text),
        };
        match (kind, first, second) {
            (Some("model"), Some(model), Some(Pattern::Any)) if rest.matches('/').count() == 1 => {
                Ok(Self::Model(model))
            }
            (Some("tool"), Some(server), Some(tool)) => Ok(Self::Tool(server, tool)),
            (Some("api"), Some(service), Some(operation)) => Ok(Self::Api(service, operation)),
            _ => Err(fail()),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(model) => write!(out, "use:model/{model}"),
            Self::Tool(server, tool) => write!(out, "use:tool/{server}/{tool}"),
            Self::Api(service, operation) => write!(out, "use:api/{service}/{operation}"),
        }
    }
}

impl Serialize for Grant {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read_and_written() {
        for text in [
            "use:model/*",
            "use:model/gpt-4o-mini",
            "use:tool/files/read_file",
            "use:tool/files/*",
            "use:api/erp/post",
        ] {
            assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
        }
        assert_eq!("use:tool/files".parse::<Grant>().unwrap().to_string(), "use:tool/files/*");
    }

    #[test]
    fn anything_else_is_refused_with_the_forms() {
        for bad in [
            "",
            "model/*",
            "use:model",
            "use:model/a/b",
            "use:tool/",
            "use:tool/a/b/c",
            "use:peer/x",
            "use:model/a b",
            "use:model/\"x",
        ] {
            let error = bad.parse::<Grant>().unwrap_err();
            assert!(error.to_string().contains("use:tool/SERVER/TOOL"), "{bad}");
        }
    }
}
