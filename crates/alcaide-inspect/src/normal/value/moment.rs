//! Dates and times of day as people and programs write them, in English and German.

use std::fmt;

use super::cursor::Cursor;
use super::{Match, Value};

/// A day of the calendar; of any year where none is said.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Date {
    /// 1000 to 2999.
    pub year: Option<u16>,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31, and no more than the month has.
    pub day: u8,
}

impl Date {
    /// A day that exists.
    #[must_use]
    pub fn new(year: Option<u16>, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_none_or(|y| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
        let days = match month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let year_fits = year.is_none_or(|year| (1000..=2999).contains(&year));
        ((1..=days).contains(&day) && year_fits).then_some(Self { year, month, day })
    }
}

/// `2024-05-15`, or `15 May` where no year was said.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        match year {
            Some(year) => write!(f, "{year:04}-{month:02}-{day:02}"),
            None => write!(f, "{day} {}", name(*month)),
        }
    }
}

/// A time of day.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Time {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl Time {
    /// A time that exists.
    #[must_use]
    pub fn new(hour: u8, minute: u8, second: u8) -> Option<Self> {
        (hour < 24 && minute < 60 && second < 60).then_some(Self { hour, minute, second })
    }
}

/// `10:00`, or `10:00:30` where the seconds are not 0.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)?;
        if self.second == 0 { Ok(()) } else { write!(f, ":{:02}", self.second) }
    }
}

/// A date, a time or both, at a digit or at a letter where a word begins.
pub(super) fn moment(text: &str, at: usize) -> Option<Match> {
    let start = Cursor::new(text, at);
    let digit = start.peek()?.is_ascii_digit();
    let figures = if digit { figures(start) } else { None };
    if let Some(both) = figures.as_ref().and_then(|(end, dates)| with_time(*end, dates)) {
        return Some(both);
    }
    let date = figures.or_else(|| if digit { day_first(start) } else { month_first(start) });
    let time = if digit { time(start) } else { word_time(start) };
    let date = date.filter(|(end, dates)| end.is_end() && !dates.is_empty());
    let time = time.filter(|(end, times)| end.is_end() && !times.is_empty());
    let date = date
        .map(|(end, dates)| Match { end: end.at(), values: dates.into_iter().map(Value::Date).collect() });
    let time = time
        .map(|(end, times)| Match { end: end.at(), values: times.into_iter().map(Value::Time).collect() });
    Match::longer(date, time)
}

/// Whether a month's name or a time's may begin with this letter.
pub(super) fn may_begin(c: char) -> bool {
    matches!(c.to_ascii_lowercase(), 'a' | 'd' | 'f' | 'j' | 'm' | 'n' | 'o' | 's')
}

/// `2024-05-15`, `15.05.2024`, `05/15/2024`, `15.05.`, `5/15`.
fn figures(mut cursor: Cursor<'_>) -> Option<(Cursor<'_>, Vec<Date>)> {
    let (a, a_len) = cursor.small(4)?;
    let joint = cursor.eat_if(|c| matches!(c, '-' | '/' | '.'))?;
    let (b, _) = cursor.small(2)?;
    let mut third = cursor;
    let c = if third.eat(joint) { third.small(4) } else { None };
    let orders = |year: Option<u16>, joint: char| {
        // With points the day comes first; otherwise either may.
        let month_first = if joint == '.' { None } else { date(year, a, b) };
        let day_first = date(year, b, a);
        let mut both: Vec<Date> = month_first.into_iter().chain(day_first).collect();
        both.dedup();
        both
    };
    match c {
        Some((c, c_len)) if a_len == 4 && c_len <= 2 => {
            Some((third, date(Some(a), b, c).into_iter().collect()))
        }
        Some((c, 4)) if a_len <= 2 => Some((third, orders(Some(c), joint))),
        Some((c, 2)) if a_len <= 2 => Some((third, orders(Some(2000 + c), joint))),
        Some(_) => None,
        None if a_len <= 2 && joint == '.' && cursor.peek() == Some('.') => {
            Some((cursor, orders(None, joint)))
        }
        None if a_len <= 2 && joint == '/' => Some((cursor, orders(None, joint))),
        None => None,
    }
}

fn date(year: Option<u16>, month: u16, day: u16) -> Option<Date> {
    Date::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
}

/// `15 May 2024`, `15th of May`, `15. Mai`, `15-May-2024`.
fn day_first(mut cursor: Cursor<'_>) -> Option<(Cursor<'_>, Vec<Date>)> {
    let (day, _) = cursor.small(2)?;
    let _ = ordinal(&mut cursor) || cursor.eat('.');
    let _ = cursor.eat('-') || cursor.space();
    let mut of = cursor;
    if of.text("of") && of.space() {
        cursor = of;
    }
    if !may_begin(cursor.peek()?) {
        return None;
    }
    let month = month(cursor.word()?)?;
    let year = year(&mut cursor);
    Some((cursor, date(year, month, day).into_iter().collect()))
}

/// `May 15`, `May 15th, 2024`, `Sept. 5`.
fn month_first(mut cursor: Cursor<'_>) -> Option<(Cursor<'_>, Vec<Date>)> {
    let month = month(cursor.word()?)?;
    cursor.eat('.');
    if !cursor.space() {
        return None;
    }
    let mut the = cursor;
    if the.text("the") && the.space() {
        cursor = the;
    }
    let (day, _) = cursor.small(2)?;
    ordinal(&mut cursor);
    let year = year(&mut cursor);
    Some((cursor, date(year, month, day).into_iter().collect()))
}

fn ordinal(cursor: &mut Cursor<'_>) -> bool {
    ["st", "nd", "rd", "th"].iter().any(|end| cursor.text(end))
}

/// A year of four digits behind a month or day, taken only where it is whole.
fn year(cursor: &mut Cursor<'_>) -> Option<u16> {
    let mut ahead = *cursor;
    ahead.eat('.');
    ahead.eat(',');
    if !(ahead.eat('-') || ahead.space()) {
        return None;
    }
    let (year, length) = ahead.small(4)?;
    (length == 4 && (1000..=2999).contains(&year) && ahead.is_end()).then(|| {
        *cursor = ahead;
        year
    })
}

fn month(word: &str) -> Option<u16> {
    let at = MONTHS.iter().position(|names| names.iter().any(|name| name.eq_ignore_ascii_case(word)))?;
    u16::try_from(at + 1).ok()
}

fn name(month: u8) -> &'static str {
    let names = usize::from(month).checked_sub(1).and_then(|at| MONTHS.get(at));
    names.and_then(|names| names.first()).copied().unwrap_or_default()
}

/// `10:00`, `10:00:30`, `10:30 pm`, `10am`, `10.30 Uhr`, `17h`, `17h30`, `10 o'clock`.
fn time(start: Cursor<'_>) -> Option<(Cursor<'_>, Vec<Time>)> {
    let mut cursor = start;
    let (hour, _) = cursor.small(2)?;
    let hour = u8::try_from(hour).ok()?;
    let mut parts = cursor;
    let joint = parts.eat_if(|c| matches!(c, ':' | '.' | 'h' | 'H'));
    let minute = joint.and_then(|_| two_digits(&mut parts));
    let mut second = 0;
    if minute.is_some() {
        cursor = parts;
        if joint == Some(':') && parts.eat(':') {
            second = two_digits(&mut parts)?;
            cursor = parts;
            if parts.eat('.') && parts.peek().is_some_and(|c| c.is_ascii_digit()) {
                parts.digits(9)?.bytes().all(|b| b == b'0').then_some(())?;
                cursor = parts;
            }
        }
    }
    let time = |hour| Time::new(hour, minute.unwrap_or(0), second).into_iter().collect::<Vec<_>>();
    let mut ahead = cursor;
    ahead.space();
    match ahead.peek() {
        Some('a' | 'A' | 'p' | 'P') => {
            if let Some(afternoon) = half_day(&mut ahead) {
                let hour = (1..=12).contains(&hour).then_some(hour % 12 + if afternoon { 12 } else { 0 })?;
                return Some((ahead, time(hour)));
            }
        }
        Some('u' | 'U') if ahead.text("uhr") && ahead.is_free() => return Some((ahead, time(hour))),
        Some('o' | 'O')
            if minute.is_none() && (ahead.text("o'clock") || ahead.text("o’clock")) && ahead.is_free() =>
        {
            let both = if hour <= 12 { vec![hour % 12, hour % 12 + 12] } else { vec![hour] };
            return Some((ahead, both.into_iter().flat_map(time).collect()));
        }
        _ => {}
    }
    match (joint, minute) {
        (Some(':'), Some(_)) | (Some('h' | 'H'), Some(_)) => Some((cursor, time(hour))),
        (Some('h' | 'H'), None) => {
            cursor.bump();
            Some((cursor, time(hour)))
        }
        _ => None,
    }
}

fn two_digits(cursor: &mut Cursor<'_>) -> Option<u8> {
    let (value, length) = cursor.small(2)?;
    (length == 2).then(|| u8::try_from(value).ok()).flatten()
}

/// `am` or `pm`: whether it is the second half.
fn half_day(cursor: &mut Cursor<'_>) -> Option<bool> {
    for (text, afternoon) in [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)] {
        let mut ahead = *cursor;
        if ahead.text(text) && ahead.is_free() {
            *cursor = ahead;
            return Some(afternoon);
        }
    }
    None
}

fn word_time(mut cursor: Cursor<'_>) -> Option<(Cursor<'_>, Vec<Time>)> {
    let word = cursor.word()?;
    let (_, hour) = *[("noon", 12), ("midday", 12), ("midnight", 0), ("mitternacht", 0)]
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))?;
    Some((cursor, Time::new(hour, 0, 0).into_iter().collect()))
}

/// The time behind a date of figures: `2024-05-15 10:00`, `2024-05-15T10:00:00+02:00`.
fn with_time(mut cursor: Cursor<'_>, dates: &[Date]) -> Option<Match> {
    let letter = cursor.eat_if(|c| matches!(c, 'T' | 't')).is_some();
    if !letter && !cursor.space() {
        return None;
    }
    let mut colon = cursor;
    colon.small(2)?;
    if dates.iter().any(|date| date.year.is_none()) || !colon.eat(':') {
        return None;
    }
    let (mut cursor, times) = time(cursor)?;
    let offset = offset(&mut cursor);
    if !cursor.is_end() {
        return None;
    }
    let time = *times.first()?;
    let values = dates.iter().map(|date| Value::DateTime { date: *date, time, offset }).collect::<Vec<_>>();
    (!values.is_empty()).then(|| Match { end: cursor.at(), values })
}

/// Minutes ahead of UTC (RFC 3339, section 5.6; the colon may lack).
fn offset(cursor: &mut Cursor<'_>) -> Option<i16> {
    let mut ahead = *cursor;
    if ahead.eat_if(|c| matches!(c, 'Z' | 'z')).is_some() {
        *cursor = ahead;
        return Some(0);
    }
    let sign = match ahead.eat_if(|c| matches!(c, '+' | '-' | '−'))? {
        '+' => 1,
        _ => -1,
    };
    let (mut hour, mut length) = ahead.small(4)?;
    let mut minute = 0;
    if length == 4 {
        (hour, minute) = (hour / 100, hour % 100);
        length = 2;
    } else if ahead.eat(':') {
        minute = u16::from(two_digits(&mut ahead)?);
    }
    if length != 2 || hour > 23 || minute > 59 {
        return None;
    }
    *cursor = ahead;
    Some(sign * i16::try_from(hour * 60 + minute).ok()?)
}

/// The months' names in small letters, the one that is written first.
const MONTHS: [&[&str]; 12] = [
    &["january", "jan", "januar", "jänner", "jÄnner", "jaenner"],
    &["february", "feb", "februar"],
    &["march", "mar", "märz", "mÄrz", "maerz", "mrz"],
    &["april", "apr"],
    &["may", "mai"],
    &["june", "jun", "juni"],
    &["july", "jul", "juli"],
    &["august", "aug"],
    &["september", "sep", "sept"],
    &["october", "oct", "oktober", "okt"],
    &["november", "nov"],
    &["december", "dec", "dezember", "dez"],
];
