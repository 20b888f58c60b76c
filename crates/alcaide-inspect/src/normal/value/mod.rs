//! Values in a text: addresses, accounts, numbers, amounts, dates, times, telephone numbers.
//!
//! A text is read once from left to right. Where a word or a figure begins, each grammar tries; the longest match wins,
//! and all that its figures can mean is given. No grammar looks further than it takes, but for a bounded way.

mod account;
mod address;
mod currency;
mod cursor;
mod decimal;
mod moment;
mod number;

use std::fmt;
use std::ops::Range;

use super::chars::{after, before, is_glue, is_space};
pub use address::Url;
pub use currency::Currency;
pub use decimal::{Decimal, DecimalError};
pub use moment::{Date, Time};

/// What a piece of text means, in a form that is equal where the meaning is.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Value {
    /// An e-mail address: local part and domain in exact form. A domain in another script is never its look-alike, nor
    /// its own form in ASCII (`xn--`).
    Email(String),
    /// A URL, with a scheme or without.
    Url(Url),
    /// An IBAN with right check digits, in capitals, without spaces.
    Account(String),
    /// A number without a currency. Figures that begin with a needless zero are names, not numbers.
    Number(Decimal),
    /// An amount of money.
    Amount {
        /// None where an amount was meant but no currency said; the scanner always says one.
        currency: Option<Currency>,
        /// How much.
        number: Decimal,
    },
    /// A day.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A day and a time, written as one.
    DateTime {
        /// The day, with its year.
        date: Date,
        /// The time of day.
        time: Time,
        /// Minutes ahead of UTC; none where the text says nothing.
        offset: Option<i16>,
    },
    /// An international telephone number: `+` and digits.
    Phone(String),
}

/// A value and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// Bytes of the text, on character boundaries.
    pub span: Range<usize>,
    /// One reading.
    pub value: Value,
}

/// The values of a running text, in order.
///
/// Spans do not overlap, but a figure that can be read in several ways (`1,000`, `05/06/2024`) gives each reading with
/// the same span. Of several grammars the one that takes most text wins. For the values of somebody's words give the
/// text as it was written: paths of URLs keep their case. At most [`VALUES_MAX`] are given. For [`occurs`](super::occurs) give the exact form.
///
/// ```
/// use alcaide_inspect::normal::values;
///
/// let found: Vec<_> = values("pay $1.50 to Ann@X.com by May 15th").into_iter().map(|f| f.value.to_string()).collect();
/// assert_eq!(found, ["USD 1.5", "ann@x.com", "15 may"]);
/// ```
#[must_use]
pub fn values(text: &str) -> Vec<Found> {
    each_value(text).take(VALUES_MAX).collect()
}

/// The values of a running text as [`values`] gives them, but one after the other and without a bound on their number.
pub fn each_value(text: &str) -> impl Iterator<Item = Found> + '_ {
    let mut scan = Scan { text, at: 0, addresses_from: 0 };
    std::iter::from_fn(move || scan.next()).flat_map(|(start, Match { end, values })| {
        values.into_iter().map(move |value| Found { span: start..end, value })
    })
}

/// Values that [`values`] gives at most. Who gets so many has not been told all: for somebody else's text go through
/// [`each_value`].
pub const VALUES_MAX: usize = 1 << 16;

/// All readings of a text that is one value as a whole; none if it is not.
#[must_use]
pub fn readings(text: &str) -> Vec<Value> {
    let text = text.trim_matches(is_space);
    let mut scan = Scan { text, at: 0, addresses_from: 0 };
    match scan.next() {
        Some((0, Match { end, values })) if end == text.len() => values,
        _ => Vec::new(),
    }
}

/// The value that a text is as a whole, if there is one way to read it: for the argument of a call.
///
/// ```
/// use alcaide_inspect::normal::value;
///
/// assert_eq!(value("100.00"), value("100"));
/// assert_eq!(value("1.50 EUR"), value("€1,50"));
/// assert_eq!(value("05/06/2024"), None);
/// assert_eq!(value("see 100"), None);
/// ```
#[must_use]
pub fn value(text: &str) -> Option<Value> {
    let mut readings = readings(text);
    if readings.len() == 1 { readings.pop() } else { None }
}

impl Value {
    /// Whether saying `self` says `asked`: they are equal, or `asked` leaves out or fills in what nobody needs to say.
    ///
    /// A URL covers itself with a scheme more or less (`http` and `https` differ where both are given), an amount its
    /// number, a date without a year that day in any year, a date with time its date and its time, a time
    /// without offset itself with any. A number does not cover an amount: somebody else would choose the currency.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Url(said), Self::Url(asked)) => {
                said.rest == asked.rest
                    && (said.scheme == asked.scheme || said.scheme.is_none() || asked.scheme.is_none())
            }
            (Self::Amount { number, .. }, Self::Number(asked)) => number == asked,
            (Self::Amount { currency, number }, Self::Amount { currency: other, number: asked }) => {
                number == asked && (currency == other || other.is_none())
            }
            (Self::Date(said), Self::Date(asked)) => same_day(*said, *asked),
            (Self::DateTime { date, .. }, Self::Date(asked)) => date == asked,
            (Self::DateTime { time, .. }, Self::Time(asked)) => time == asked,
            (
                Self::DateTime { date, time, offset },
                Self::DateTime { date: asked_date, time: asked_time, offset: asked_offset },
            ) => date == asked_date && time == asked_time && (offset.is_none() || offset == asked_offset),
            _ => self == asked,
        }
    }

    /// Whether those values together say this one: one covers it, or a date and a time among them cover its two parts.
    pub fn said_by<'v>(&self, said: impl IntoIterator<Item = &'v Self>) -> bool {
        let (mut day, mut hour) = (false, false);
        for said in said {
            if said.covers(self) {
                return true;
            }
            if let Self::DateTime { date, time, .. } = self {
                day |= said.covers(&Self::Date(*date));
                hour |= said.covers(&Self::Time(*time));
            }
        }
        day && hour
    }
}

fn same_day(said: Date, asked: Date) -> bool {
    said.month == asked.month && said.day == asked.day && (said.year.is_none() || said.year == asked.year)
}

/// A form that is read as the same value again.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(text) | Self::Account(text) | Self::Phone(text) => f.write_str(text),
            Self::Url(Url { scheme: Some(scheme), rest }) => write!(f, "{scheme}://{rest}"),
            Self::Url(Url { scheme: None, rest }) => f.write_str(rest),
            Self::Number(number) | Self::Amount { currency: None, number } => number.fmt(f),
            Self::Amount { currency: Some(currency), number } => write!(f, "{currency} {number}"),
            Self::Date(date) => date.fmt(f),
            Self::Time(time) => time.fmt(f),
            Self::DateTime { date, time, offset } => {
                write!(f, "{date} {time}")?;
                match offset {
                    None => Ok(()),
                    Some(0) => f.write_str("Z"),
                    Some(offset) => {
                        let sign = if *offset < 0 { '-' } else { '+' };
                        write!(f, "{sign}{:02}:{:02}", offset.unsigned_abs() / 60, offset.unsigned_abs() % 60)
                    }
                }
            }
        }
    }
}

/// What a grammar took: where it ends, and its readings, of which there is at least one.
struct Match {
    end: usize,
    values: Vec<Value>,
}

impl Match {
    fn one(end: usize, value: Value) -> Self {
        Self { end, values: vec![value] }
    }

    /// The one that goes further; of two that go as far, the readings of both.
    fn longer(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(mut a), Some(b)) if a.end == b.end => {
                a.values.extend(
                    b.values.into_iter().filter(|value| !a.values.contains(value)).collect::<Vec<_>>(),
                );
                Some(a)
            }
            (Some(a), Some(b)) => Some(if a.end > b.end { a } else { b }),
            (a, b) => a.or(b),
        }
    }
}

/// A reader of a text that stops at each value.
struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// No address begins before this byte: its run has been read.
    addresses_from: usize,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<(usize, Match)> {
        loop {
            self.at = past_prose(self.text, self.at);
            let c = after(self.text, self.at)?;
            if let Some(found) = self.step(c) {
                return Some(found);
            }
        }
    }

    /// The value that is found where the scan stands, at `c`; where there is none, it moves on.
    fn step(&mut self, c: char) -> Option<(usize, Match)> {
        let start = self.at;
        let free = !before(self.text, start).is_some_and(is_glue);
        if (is_glue(c) || matches!(c, '.' | '-' | '+' | '%'))
            && start >= self.addresses_from
            && address::may_begin(self.text, start)
        {
            let run = address::address(self.text, start);
            self.addresses_from = run.end.max(start + c.len_utf8());
            if let Some((at, found)) = run.found {
                // What stands before the address in its run is a word like others.
                self.at = found.end;
                self.addresses_from = found.end;
                return Some((at, found));
            }
        }
        if free && let Some(found) = self.figure(c, start) {
            self.at = found.end;
            return Some((start, found));
        }
        self.at = self.past(c, start);
        None
    }

    /// What the grammars of figures and names find at `start`.
    fn figure(&self, c: char, start: usize) -> Option<Match> {
        let text = self.text;
        if c.is_ascii_digit() {
            return Match::longer(moment::moment(text, start), number::number(text, start));
        }
        if c == '+' {
            return Match::longer(account::phone(text, start), number::number(text, start));
        }
        if matches!(c, '-' | '−' | '.') {
            return number::number(text, start);
        }
        let mut found = None;
        if c.is_alphabetic() {
            found = account::account(text, start);
            if moment::may_begin(c) {
                found = Match::longer(found, moment::moment(text, start));
            }
        }
        if number::may_begin(text, start) {
            found = Match::longer(found, number::number(text, start));
        }
        found
    }

    /// Where to look on: after the word, or after all of a figure that is no number, so that no part of it is one.
    fn past(&self, c: char, start: usize) -> usize {
        let mut at = start + c.len_utf8();
        if !is_glue(c) {
            return at;
        }
        if c.is_ascii_digit()
            && let number::Figure::Other(end) = number::figure(self.text, start)
        {
            at = at.max(end);
        }
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.find(|c| !is_glue(c)).unwrap_or(rest.len())
    }
}

/// Where to look on behind white space and words that begin no value, whatever follows: most of a text is those.
///
/// A word of ASCII letters alone that white space, a comma or a quotation mark ends is no part of an address. It begins a
/// date or a time only as one of [`WORDS_OF_TIME`], and an amount only before a space and a figure.
fn past_prose(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from;
    while let Some(first) = bytes.get(at) {
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let letters = bytes.get(at..).unwrap_or_default();
        let length = letters.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, rest) = letters.split_at_checked(length).unwrap_or_default();
        let figure_may_follow =
            |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.') || !b.is_ascii();
        let ends = match rest {
            [] => true,
            [b',' | b';' | b'"', ..] => true,
            [space, rest @ ..] => space.is_ascii_whitespace() && !rest.first().is_some_and(figure_may_follow),
        };
        let of_time = |word: &[u8; 3]| WORDS_OF_TIME.iter().any(|time| word.eq_ignore_ascii_case(*time));
        if length == 0 || !ends || word.first_chunk().is_some_and(of_time) {
            break;
        }
        at += length;
    }
    at
}

/// How names of months and of times of day begin.
const WORDS_OF_TIME: [&[u8; 3]; 21] = [
    b"jan", b"jae", b"feb", b"mar", b"mae", b"mrz", b"apr", b"may", b"mai", b"jun", b"jul", b"aug", b"sep",
    b"oct", b"okt", b"nov", b"dec", b"dez", b"noo", b"mid", b"mit",
];

#[cfg(test)]
mod tests;
