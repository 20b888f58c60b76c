//! Between typed words and the columns of the store.

use std::fmt::Display;
use std::str::FromStr;

use alcaide_inventory::{Actor, Moment};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::OfficeError;

/// SQLite's integers are signed: what does not fit is the largest that does.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Back from a column; a negative number is none of ours and reads as 0.
pub(crate) fn nat(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn moment(at: Moment) -> i64 {
    int(at.micros())
}

pub(crate) fn text_of(thing: Option<impl Display>) -> Option<String> {
    thing.map(|thing| thing.to_string())
}

pub(crate) fn parsed<T: FromStr>(what: &'static str, text: &str) -> Result<T, OfficeError>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| OfficeError::row(what, &error))
}

pub(crate) fn actor_of(text: &str) -> Option<Actor> {
    match text.split_once('_')?.0 {
        "agt" => text.parse().ok().map(Actor::Agent),
        "hum" => text.parse().ok().map(Actor::Human),
        "wkl" => text.parse().ok().map(Actor::Workload),
        _ => None,
    }
}

pub(crate) fn actor(text: &str) -> Result<Actor, OfficeError> {
    actor_of(text).ok_or_else(|| OfficeError::row("actor", &crate::error::cut(text)))
}

pub(crate) fn to_json(what: &'static str, value: &impl Serialize) -> Result<String, OfficeError> {
    serde_json::to_string(value).map_err(|error| OfficeError::row(what, &error))
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, OfficeError> {
    serde_json::from_str(text).map_err(|error| OfficeError::row(what, &error))
}

/// The word that serde writes for a variant without fields.
pub(crate) fn word(value: &impl Serialize) -> Result<String, OfficeError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(_) => Err(OfficeError::row("word", &"it has fields")),
        Err(error) => Err(OfficeError::row("word", &error)),
    }
}
