//! Account numbers (IBAN, ISO 13616) and international telephone numbers (ITU-T E.164).

use super::cursor::Cursor;
use super::{Match, Value};
use crate::normal::chars::is_space;

/// An IBAN that begins at `at`: of a country that has them, of its length, with right check digits.
///
/// Groups may be parted by single spaces or hyphens.
pub(super) fn account(text: &str, at: usize) -> Option<Match> {
    let mut head = text.get(at..)?.bytes();
    if !(head.next()?.is_ascii_alphabetic() && head.next()?.is_ascii_alphabetic()) {
        return None;
    }
    // Spelled-out words end here.
    if head.next()?.is_ascii_alphabetic() {
        return None;
    }
    let mut number = text.get(at..at + 2)?.to_ascii_uppercase();
    let mut cursor = Cursor::new(text, at + 2);
    let length = COUNTRIES.iter().find(|(country, _)| *country == number).map(|(_, length)| *length)?;
    while number.len() < length {
        if number.len() >= 4 {
            cursor.eat_if(|c| is_space(c) || c == '-');
        }
        let wanted = |c: char| if number.len() < 4 { c.is_ascii_digit() } else { c.is_ascii_alphanumeric() };
        let next = cursor.eat_if(wanted)?;
        number.push(next.to_ascii_uppercase());
    }
    (cursor.is_free() && is_checked(&number)).then(|| Match::one(cursor.at(), Value::Account(number)))
}

/// ISO/IEC 7064, MOD 97-10, with the first four characters moved to the end.
fn is_checked(number: &str) -> bool {
    let (head, tail) = number.split_at_checked(4).unwrap_or((number, ""));
    let rest = tail.chars().chain(head.chars()).filter_map(|c| c.to_digit(36)).fold(0, |rest, digit| {
        let shift = if digit < 10 { 10 } else { 100 };
        (rest * shift + digit) % 97
    });
    rest == 1
}

/// A number with `+` and 7 to 15 digits that begins at `at`; groups may be parted by single spaces, `-`, `.`, `/` and
/// one pair of parentheses.
pub(super) fn phone(text: &str, at: usize) -> Option<Match> {
    let mut cursor = Cursor::new(text, at);
    let mut number = String::from("+");
    if !cursor.eat('+') || !cursor.peek().is_some_and(|c| matches!(c, '1'..='9')) {
        return None;
    }
    let mut end = cursor.at();
    loop {
        while let Some(digit) = cursor.eat_if(|c| c.is_ascii_digit()) {
            number.push(digit);
            if number.len() > 16 {
                return None;
            }
        }
        if !cursor.is_free() {
            return None;
        }
        end = end.max(cursor.at());
        // What parts two groups: at most a space, a parenthesis or hyphen, and a space.
        cursor.eat_if(is_space);
        cursor.eat_if(|c| matches!(c, '(' | ')' | '-' | '.' | '/' | '‐' | '‑' | '–'));
        cursor.eat_if(is_space);
        if !cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
            break;
        }
    }
    (number.len() >= 8).then(|| Match::one(end, Value::Phone(number)))
}

/// The countries of the registry of ISO 13616 with the lengths of their numbers.
const COUNTRIES: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];
