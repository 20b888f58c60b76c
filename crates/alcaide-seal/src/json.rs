//! One JSON object, read strictly: no member twice, a bounded number of members, nothing after it.
//!
//! Values stay raw, so that members nobody asked for cost nothing; nested objects are read by a second call.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON text was not one clean object.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It is no JSON object, or something follows it.
    #[error("not one JSON object")]
    Malformed,
    /// A member stands twice: readers would differ in which one counts.
    #[error("member `{name}` stands twice")]
    Duplicate {
        /// The member, cut to 80 characters.
        name: String,
    },
    /// More members than any honest sender has.
    #[error("more than {max} members")]
    TooMany {
        /// How many are read.
        max: usize,
    },
    /// A member has a value of the wrong kind.
    #[error("member `{name}` is not {kind}")]
    Kind {
        /// The member.
        name: &'static str,
        /// What it should have been.
        kind: &'static str,
    },
}

/// Members of one object in their order.
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads `bytes` as one object of at most `max` members.
    pub(crate) fn parse(bytes: &'a [u8], max: usize) -> Result<Self, JsonError> {
        let All(members) = serde_json::from_slice(bytes).map_err(|_| JsonError::Malformed)?;
        if members.len() > max {
            return Err(JsonError::TooMany { max });
        }
        for (at, (name, _)) in members.iter().enumerate() {
            if members.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(JsonError::Duplicate { name: crate::cut(name) });
            }
        }
        Ok(Self(members))
    }

    /// The raw value of a member.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find_map(|(have, value)| (have == name).then_some(*value))
    }

    /// A member that must be text if it is there.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, JsonError> {
        self.raw(name).map(|raw| text(raw).ok_or(JsonError::Kind { name, kind: "text" })).transpose()
    }
}

/// The raw values of a JSON array of at most `max` items.
pub(crate) fn items<'a>(
    raw: &'a RawValue,
    max: usize,
    name: &'static str,
) -> Result<Vec<&'a RawValue>, JsonError> {
    let all: Vec<&'a RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| JsonError::Kind { name, kind: "an array" })?;
    if all.len() > max { Err(JsonError::TooMany { max }) } else { Ok(all) }
}

/// The value as text, or nothing if it is of another kind.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

/// More members than this are counted, not kept.
const KEPT_MEMBERS: usize = 64;

struct All<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for All<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = All<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<All<'de>, A::Error> {
                let mut members = Vec::with_capacity(4);
                while let Some(Text(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                    if members.len() > KEPT_MEMBERS {
                        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        break;
                    }
                }
                Ok(All(members))
            }
        }
        from.deserialize_map(Reader)
    }
}

/// Text that is borrowed from the input where it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text")
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Text<'de>, E> {
                Err(E::custom("not text"))
            }
        }
        from.deserialize_str(Reader).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_clean_object_is_read() {
        let members = Members::parse(br#" {"a":"x","b":{"a":1,"a":2},"c\u0041":"\n"} "#, 3).unwrap();
        assert_eq!(members.text("a").unwrap().unwrap(), "x");
        assert_eq!(members.raw("b").unwrap().get(), r#"{"a":1,"a":2}"#);
        assert_eq!(members.text("cA").unwrap().unwrap(), "\n");
        assert!(members.raw("d").is_none());
        assert_eq!(members.text("b"), Err(JsonError::Kind { name: "b", kind: "text" }));
    }

    #[test]
    fn twice_is_refused_in_any_spelling() {
        for twice in [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"\u0061":3}"#] {
            let error = Members::parse(twice.as_bytes(), 8).err().unwrap();
            assert_eq!(error, JsonError::Duplicate { name: "a".into() });
        }
    }

    #[test]
    fn counts_are_bounded() {
        for count in [9_usize, 64, 65, 200] {
            let body: Vec<String> = (0..count).map(|at| format!("\"m{at}\":{at}")).collect();
            let json = format!("{{{}}}", body.join(","));
            assert_eq!(Members::parse(json.as_bytes(), 8).err(), Some(JsonError::TooMany { max: 8 }));
        }
        let raw: &RawValue = serde_json::from_str("[1,2,3]").unwrap();
        assert_eq!(items(raw, 3, "keys").unwrap().len(), 3);
        assert_eq!(items(raw, 2, "keys").err(), Some(JsonError::TooMany { max: 2 }));
    }

    #[test]
    fn other_json_and_no_json_are_refused() {
        for bad in
            ["", "[]", "1", "null", "{", "{}x", "{} {}", "\u{feff}{}", "{a:1}", "{'a':1}", "{\"a\":1,}"]
        {
            assert_eq!(Members::parse(bad.as_bytes(), 8).err(), Some(JsonError::Malformed), "{bad}");
        }
        assert_eq!(Members::parse(b"{\"\xff\":1}", 8).err(), Some(JsonError::Malformed));
    }
}
