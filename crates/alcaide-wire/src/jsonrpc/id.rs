//! Ids: what tells one open request from another.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::ID_BYTES_MAX;
use crate::json::edit;
use crate::json::{Kind, Value};

/// An id as it was written and what it says. Equal ids say the same, however they are written; `1` and `"1"`
/// differ.
#[derive(Clone)]
pub struct Id<'a> {
    raw: Cow<'a, str>,
    value: IdValue<'a>,
}

/// What an id says.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum IdValue<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// An integer.
    Integer(i64),
}

impl Id<'static> {
    /// An id that is an integer.
    #[must_use]
    pub fn integer(value: i64) -> Self {
        Self { raw: Cow::Owned(value.to_string()), value: IdValue::Integer(value) }
    }

    /// An id that is a text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { raw: Cow::Owned(edit::encode(text)), value: IdValue::Text(Cow::Owned(text.to_owned())) }
    }
}

impl<'a> Id<'a> {
    /// Reads a string or an integer of at most [`ID_BYTES_MAX`] bytes; progress tokens are of the same kind.
    #[must_use]
    pub fn read(value: Value<'_, 'a>) -> Option<Self> {
        let raw = std::str::from_utf8(value.raw()).ok().filter(|raw| raw.len() <= ID_BYTES_MAX)?;
        let said = match value.kind() {
            Kind::String => IdValue::Text(value.as_str()?),
            _ => IdValue::Integer(value.as_i64()?),
        };
        Some(Self { raw: Cow::Borrowed(raw), value: said })
    }

    /// What it says.
    #[must_use]
    pub const fn value(&self) -> &IdValue<'a> {
        &self.value
    }

    /// The JSON text as it was written.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The same, owned.
    #[must_use]
    pub fn into_owned(self) -> Id<'static> {
        Id {
            raw: Cow::Owned(self.raw.into_owned()),
            value: match self.value {
                IdValue::Text(text) => IdValue::Text(Cow::Owned(text.into_owned())),
                IdValue::Integer(value) => IdValue::Integer(value),
            },
        }
    }
}

impl PartialEq for Id<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Id<'_> {}

impl Hash for Id<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl fmt::Debug for Id<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.raw)
    }
}
