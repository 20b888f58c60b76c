//! Names of keys that tokens keep, as PKCS#11 URIs: `pkcs11:token=release;object=models?module-path=/usr/lib/library.so`.
//!
//! A name that is not understood whole is refused: what is left out of it would name another key. A PIN in it is refused, too,
//! since command lines are seen by others. Left out: `id`, `serial` and all else that a token may be told by.
//! Source: RFC 7512, section 2.3.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The name of a private key on a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenUri {
    token: String,
    object: String,
    module: Option<PathBuf>,
    pin: Option<PathBuf>,
}

/// Why a name of a key is not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenUriError {
    /// Another scheme.
    #[error("it does not begin with `pkcs11:`")]
    Scheme,
    /// No equals sign, or a wrong escape.
    #[error("`{given}` is no attribute")]
    Attribute {
        /// What was given.
        given: String,
    },
    /// An attribute that is not read.
    #[error("attribute `{name}` is not read, and without it another key could be meant")]
    Unknown {
        /// Which one.
        name: String,
    },
    /// The same attribute twice.
    #[error("attribute `{name}` is there twice")]
    Twice {
        /// Which one.
        name: String,
    },
    /// The label of the token or of the key is missing.
    #[error("attribute `{name}` is missing")]
    Missing {
        /// Which one.
        name: &'static str,
    },
    /// Something else than a private key.
    #[error("it names no private key, but something of type `{given}`")]
    Type {
        /// Which type.
        given: String,
    },
    /// The PIN itself.
    #[error("it carries the PIN, which others would see on the command line")]
    Pin,
}

impl TokenUri {
    /// Whether a text means to be such a name.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }

    /// Label of the token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Label of the key.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The library, if it is named.
    #[must_use]
    pub fn module(&self) -> Option<&Path> {
        self.module.as_deref()
    }

    /// The file that the PIN is in, if it is named.
    #[must_use]
    pub fn pin_file(&self) -> Option<&Path> {
        self.pin.as_deref()
    }
}

impl FromStr for TokenUri {
    type Err = TokenUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !Self::is_meant(text) {
            return Err(TokenUriError::Scheme);
        }
        let rest = text.get(SCHEME.len()..).unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut token, mut object, mut kind, mut module, mut pin) = (None, None, None, None, None);
        let parts = path.split(';').map(|one| (one, true)).chain(query.split('&').map(|one| (one, false)));
        for (part, in_path) in parts.filter(|(part, _)| !part.is_empty()) {
            let wrong = || TokenUriError::Attribute { given: cut(part) };
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let place = match (name, in_path) {
                ("token", true) => &mut token,
                ("object", true) => &mut object,
                ("type", true) => &mut kind,
                ("module-path", false) => &mut module,
                ("pin-source", false) => &mut pin,
                ("pin-value", _) => return Err(TokenUriError::Pin),
                _ => return Err(TokenUriError::Unknown { name: cut(name) }),
            };
            let value = decoded(value).ok_or_else(wrong)?;
            if place.replace(value).is_some() {
                return Err(TokenUriError::Twice { name: cut(name) });
            }
        }
        if let Some(given) = kind.filter(|kind| kind != "private") {
            return Err(TokenUriError::Type { given: cut(&given) });
        }
        // A file may be named by a URI of its own.
        let file = |text: String| PathBuf::from(text.strip_prefix("file:").unwrap_or(&text));
        Ok(Self {
            token: token.ok_or(TokenUriError::Missing { name: "token" })?,
            object: object.ok_or(TokenUriError::Missing { name: "object" })?,
            module: module.map(PathBuf::from),
            pin: pin.map(file),
        })
    }
}

/// Undoes percent escapes.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return String::from_utf8(bytes).ok(),
            [b'%', high, low, rest @ ..] => {
                let digit =
                    |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(high)? << 4 | digit(low)?);
                rest
            }
            [b'%', ..] => return None,
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).map(|one| if one.is_control() { ' ' } else { one }).collect()
}

const SCHEME: &str = "pkcs11:";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_named_by_two_labels() {
        let uri: TokenUri = "pkcs11:token=My%20token;object=k%3b1;type=private?module-path=/lib/x.so&pin-source=file:/run/pin"
            .parse()
            .unwrap();
        assert_eq!((uri.token(), uri.object()), ("My token", "k;1"));
        assert_eq!(
            (uri.module(), uri.pin_file()),
            (Some(Path::new("/lib/x.so")), Some(Path::new("/run/pin")))
        );
        let short: TokenUri = "PKCS11:object=a;token=b".parse().unwrap();
        assert_eq!((short.token(), short.object(), short.module(), short.pin_file()), ("b", "a", None, None));
    }

    #[test]
    fn what_is_not_understood_whole_is_refused() {
        let error = |text: &str| text.parse::<TokenUri>().unwrap_err();
        assert_eq!(error("token=a;object=b"), TokenUriError::Scheme);
        assert_eq!(error("pkcs11:token=a"), TokenUriError::Missing { name: "object" });
        assert_eq!(error("pkcs11:object=a"), TokenUriError::Missing { name: "token" });
        for name in ["id", "serial", "slot-id", "Token", "module-path"] {
            assert_eq!(
                error(&format!("pkcs11:token=a;object=b;{name}=1")),
                TokenUriError::Unknown { name: name.to_owned() }
            );
        }
        assert_eq!(
            error("pkcs11:token=a;object=b?token=c"),
            TokenUriError::Unknown { name: "token".to_owned() }
        );
        for text in ["pkcs11:token=a;object=b?pin-value=1234", "pkcs11:token=a;object=b;pin-value=1234"] {
            assert_eq!(error(text), TokenUriError::Pin);
        }
        assert_eq!(
            error("pkcs11:token=a;token=b;object=c"),
            TokenUriError::Twice { name: "token".to_owned() }
        );
        assert_eq!(
            error("pkcs11:token=a;object=b;type=cert"),
            TokenUriError::Type { given: "cert".to_owned() }
        );
        for part in ["token", "token=%2", "token=%zz", "token=%ff"] {
            assert_eq!(
                error(&format!("pkcs11:object=b;{part}")),
                TokenUriError::Attribute { given: part.to_owned() }
            );
        }
    }

    proptest! {
        #[test]
        fn any_label_comes_through_its_escapes(label in "\\PC{1,20}") {
            let escaped: String = label.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let uri: TokenUri = format!("pkcs11:token={escaped};object=x").parse().unwrap();
            prop_assert_eq!(uri.token(), label);
        }

        #[test]
        fn no_text_is_a_panic(text in "pkcs11:[a-z%;?&=0-9é-]{0,60}") {
            let _ = text.parse::<TokenUri>();
        }
    }
}
