//! What a text says, whichever way it is written: normal forms, hidden texts, and values.
//!
//! Two questions are asked of a tool call's argument, and a mistake costs something else in each. *Did the user say
//! this?* Then nothing that merely looks like it may match: [`exact`], [`values`], [`occurs`] and [`Value::covers`].
//! *Does it come from data that somebody else wrote?* Then whatever looks like it, or hides it, must match: [`loose`],
//! [`decodings`], [`words`] and [`appears`]. Each function says for which question it is made.
//!
//! All of it is pure, takes time in proportion to the text, and fails on no text.
//!
//! Absent on purpose: transliteration, translation, number words, time zones by name, relative dates, national
//! telephone numbers, archives and compressed data.

mod chars;
mod decode;
mod exact;
mod loose;
mod signs;
mod value;
mod words;

pub(crate) use decode::unreferenced;
pub use decode::{Also, Decoded, decodings, decodings_also, unescaped};
pub use exact::exact;
pub use loose::{Loose, Signs, blurred, loose};
pub use value::{
    Currency, Date, Decimal, DecimalError, Found, Time, Url, VALUES_MAX, Value, each_value, readings, value,
    values,
};
pub use words::{appears, occurs, words};
