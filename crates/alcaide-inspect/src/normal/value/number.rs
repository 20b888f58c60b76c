//! Numbers and amounts of money as people write them.

use super::cursor::Cursor;
use super::decimal::Decimal;
use super::{Currency, Match, Value};
use crate::normal::chars::{before, is_glue, is_space};

/// What stands at a digit: the readings of the figure, or how far to go past something that is none.
pub(super) enum Figure {
    Read(usize, Vec<Decimal>),
    Other(usize),
}

/// A number or an amount that begins at `at`: at a digit, a sign, a point, a currency sign or a code.
pub(super) fn number(text: &str, at: usize) -> Option<Match> {
    let mut cursor = Cursor::new(text, at);
    let mut negative = sign(text, &mut cursor);
    let ahead = Currency::eat(&mut cursor);
    if ahead.is_some() {
        cursor.eat_if(is_space);
        negative = negative || sign(text, &mut cursor);
    }
    // `v1.2`, `a.5`: a point behind a word begins no number, and parts none from it.
    let behind_word = |at| before(text, at).is_some_and(|c| is_glue(c) || matches!(c, '.' | ')'));
    let begins = match cursor.peek()? {
        '.' => !behind_word(at),
        c => c.is_ascii_digit() && !(before(text, at) == Some('.') && behind_word(at - 1)),
    };
    if !begins {
        return None;
    }
    let Figure::Read(end, readings) = figure(text, cursor.at()) else { return None };
    let mut cursor = Cursor::new(text, end);
    let mut end = end;
    let mut currency = ahead;
    if ahead.is_none() {
        cursor.eat_if(is_space);
        currency = Currency::eat(&mut cursor).filter(|_| cursor.is_free());
        if currency.is_some() {
            end = cursor.at();
        }
    }
    let cursor = Cursor::new(text, end);
    if !cursor.is_free() {
        return None;
    }
    let values = readings.into_iter().map(|number| {
        let number = if negative { number.negated() } else { number };
        match currency {
            None => Value::Number(number),
            currency => Value::Amount { currency, number },
        }
    });
    Some(Match { end, values: values.collect() })
}

/// Whether a currency and then a number may stand at `at`: a short word, a sign of one, a space, and a digit or sign.
pub(super) fn may_begin(text: &str, at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    let word = rest.chars().take(WORD_MAX + 1).take_while(|c| c.is_alphabetic()).count();
    let mut rest = rest.chars().skip(word).peekable();
    let sign = rest.next_if(|c| Currency::is_sign(*c)).is_some();
    if word > WORD_MAX || (word == 0 && !sign) {
        return false;
    }
    rest.next_if(|c| is_space(*c));
    rest.peek().is_some_and(|c| c.is_ascii_digit() || matches!(c, '-' | '−' | '+' | '.'))
}

/// A sign that belongs to the number behind it: nothing that could be a term or a word stands before it.
fn sign(text: &str, cursor: &mut Cursor<'_>) -> bool {
    let alone = !before(text, cursor.at()).is_some_and(|c| is_glue(c) || matches!(c, '-' | ')' | '.' | '/'));
    match cursor.peek() {
        Some('-' | '−') if alone => {
            cursor.bump();
            true
        }
        Some('+') if alone => {
            cursor.bump();
            false
        }
        _ => false,
    }
}

/// The figure at `at`, with all ways to read its points, commas and spaces.
pub(super) fn figure(text: &str, at: usize) -> Figure {
    let mut cursor = Cursor::new(text, at);
    // Behind `1,` a list goes on: had it been a number, it would have been read with it.
    let in_list = at.checked_sub(1).is_some_and(|comma| {
        before(text, at) == Some(',') && before(text, comma).is_some_and(|c| c.is_ascii_digit())
    });
    let mut alone = cursor;
    if let Some(digits) = alone.digits(DIGITS_MAX)
        && (in_list || !alone.second().is_some_and(|c| c.is_ascii_digit()))
    {
        let number = if is_plain(digits) { Decimal::new(false, digits, "") } else { None };
        return number.map_or(Figure::Other(alone.at()), |number| Figure::Read(alone.at(), vec![number]));
    }
    let mut groups: Vec<&str> = Vec::new();
    let mut joints: Vec<char> = Vec::new();
    if cursor.peek() == Some('.') {
        cursor.bump();
        groups.push("0");
        joints.push('.');
    }
    loop {
        let Some(digits) = cursor.digits(DIGITS_MAX) else { return Figure::Other(cursor.at()) };
        groups.push(digits);
        let Some(joint) = cursor.peek() else { break };
        let next_is_digit = cursor.second().is_some_and(|c| c.is_ascii_digit());
        let joint = match joint {
            '.' | ',' if next_is_digit => joint,
            '\'' | '’' if next_is_digit => '\'',
            c if is_space(c) && next_is_digit && may_go_on(&cursor, &groups, &joints) => ' ',
            _ => break,
        };
        // A short group between two commas is one of a list; so much is seen without reading all of it.
        let listed = groups.len() > 1
            && joint == ','
            && joints.last() == Some(&',')
            && digits.len() != 3
            && digits.len() != 2;
        if groups.len() == GROUPS_MAX || listed {
            return first_of_list(at, &groups, &joints).unwrap_or(Figure::Other(cursor.at()));
        }
        joints.push(joint);
        cursor.bump();
    }
    let readings = read(&groups, &joints);
    if readings.is_empty() {
        return first_of_list(at, &groups, &joints).unwrap_or(Figure::Other(cursor.at()));
    }
    Figure::Read(cursor.at(), readings)
}

/// Whether a space may part thousands here: three digits follow, and all before were parted so.
fn may_go_on(cursor: &Cursor<'_>, groups: &[&str], joints: &[char]) -> bool {
    let mut ahead = *cursor;
    ahead.bump();
    let three = ahead.digits(3).is_some_and(|digits| digits.len() == 3);
    let first = groups.first().is_some_and(|first| first.len() <= 3 && !first.starts_with('0'));
    three && first && joints.iter().all(|joint| *joint == ' ') && ahead.is_free()
}

/// `1,2,3` is a list: its first number, where each part is one.
fn first_of_list(at: usize, groups: &[&str], joints: &[char]) -> Option<Figure> {
    let first = groups.first()?;
    let plain = joints.iter().all(|joint| *joint == ',') && groups.iter().all(|group| is_plain(group));
    if !plain {
        return None;
    }
    Some(Figure::Read(at + first.len(), vec![Decimal::new(false, first, "")?]))
}

fn is_plain(group: &str) -> bool {
    group == "0" || !group.starts_with('0')
}

/// All readings of digit groups with what joins them.
fn read(groups: &[&str], joints: &[char]) -> Vec<Decimal> {
    let Some((first, rest)) = groups.split_first() else { return Vec::new() };
    if !is_plain(first) {
        return Vec::new();
    }
    let Some((last_joint, joints_before)) = joints.split_last() else {
        return Decimal::new(false, first, "").into_iter().collect();
    };
    let Some((last, middle)) = rest.split_last() else { return Vec::new() };
    let mut readings = Vec::new();
    // All joints part thousands.
    let uniform = joints_before.iter().all(|joint| joint == last_joint);
    if uniform && are_thousands(first, rest, *last_joint) {
        readings.extend(Decimal::new(false, &groups.concat(), ""));
    }
    // The last joint is the decimal one, the others part thousands.
    if matches!(last_joint, '.' | ',') {
        let whole = match joints_before.split_first() {
            None => middle.is_empty(),
            Some((joint, others)) => {
                joint != last_joint
                    && others.iter().all(|other| other == joint)
                    && are_thousands(first, middle, *joint)
            }
        };
        if whole {
            let (whole, _) = groups.split_at(groups.len() - 1);
            readings.extend(Decimal::new(false, &whole.concat(), last));
        }
    }
    readings.dedup();
    readings
}

/// Whether these groups are thousands: three digits each, or two but in the last, as in India.
fn are_thousands(first: &str, rest: &[&str], joint: char) -> bool {
    let Some((last, middle)) = rest.split_last() else { return false };
    if first == "0" || first.len() > 3 || last.len() != 3 {
        return false;
    }
    let western = middle.iter().all(|group| group.len() == 3);
    let indian =
        joint == ',' && first.len() <= 2 && !middle.is_empty() && middle.iter().all(|group| group.len() == 2);
    western || indian
}

/// Digits in a row: what is longer is no number that anybody means.
const DIGITS_MAX: usize = 64;

/// Letters of the longest name of a currency.
const WORD_MAX: usize = 8;

/// Groups of one figure.
const GROUPS_MAX: usize = 12;
