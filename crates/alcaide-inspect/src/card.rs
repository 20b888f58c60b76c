//! Payment card numbers, anchored at the first digit.
//!
//! A number has 13 to 19 digits, in one piece or in groups as cards print them, parted by single spaces or single
//! hyphens, one kind throughout. It passes the Luhn check, begins with a range of an issuer that has that length,
//! and is no part of something longer: no letter or digit touches it, it is no fraction, no group of four digits
//! goes before it in the same manner (but for the year of a date), nor the head of an IBAN. After it may come a
//! check value of up to three digits, or four that read as month and year; parted by a space also one other number
//! (an amount), but not two more groups of four.

use std::borrow::Cow;

use crate::check;
use crate::rules;
use crate::view::{Hit, Judged, View};

/// Groups in which cards are printed, by number of digits.
const LAYOUTS: [&[usize]; 9] = [
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[6, 13],
    &[4, 4, 4, 3],
    &[4, 4, 4, 2],
    &[4, 4, 4, 1],
    &[4, 4, 5],
];
const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
const GROUPS_MAX: usize = 5;

/// Digits read so far and where they end.
struct Number {
    digits: [u8; DIGITS_MAX],
    len: usize,
}

impl Number {
    fn add(&mut self, text: &str) -> bool {
        for byte in text.bytes() {
            let Some(place) = self.digits.get_mut(self.len) else { return false };
            *place = byte.wrapping_sub(b'0');
            self.len += 1;
        }
        true
    }

    fn is_card(&self, len: usize) -> bool {
        let Some(digits) = self.digits.get(..len) else { return false };
        let first6 = digits.iter().take(6).fold(0, |sum, digit| sum * 10 + u32::from(*digit));
        check::is_issued(first6, len) && check::luhn(digits)
    }
}

pub(crate) fn judge(view: View<'_>, at: usize) -> Judged<Option<Hit>> {
    if view.before(at).is_some_and(|byte| is_word(byte) || byte >= 0x80) && !after_wide_letter(view, at) {
        return Ok(None);
    }
    let mut number = Number { digits: [0; DIGITS_MAX], len: 0 };
    let first = view.run(at, DIGITS_MAX + 1, |byte| byte.is_ascii_digit())?;
    let first_len = first - at;
    if first_len > DIGITS_MAX || !number.add(view.slice(at, first)) {
        return Ok(None);
    }
    if first_len >= DIGITS_MIN {
        let fits = number.is_card(first_len) && !is_fraction(view, at) && ends_well(view, first)?;
        return Ok(fits.then(|| hit(at, first)));
    }
    if first_len != 4 && first_len != 6 {
        return Ok(None);
    }
    let Some(mark @ (b' ' | b'-')) = view.byte(first)? else { return Ok(None) };
    if is_fraction(view, at) || follows_a_group(view, at, mark) {
        return Ok(None);
    }
    grouped(view, at, first, mark, number)
}

/// Reads group after group and takes the longest layout that fits.
fn grouped(view: View<'_>, at: usize, first: usize, mark: u8, mut number: Number) -> Judged<Option<Hit>> {
    let mut sizes = [first - at, 0, 0, 0, 0];
    let mut ends = [first, 0, 0, 0, 0];
    let mut groups = 1;
    while groups < GROUPS_MAX
        && is_beginning(sizes.get(..groups))
        && view.byte(stop(&ends, groups))? == Some(mark)
    {
        let from = stop(&ends, groups) + 1;
        let end = view.run(from, DIGITS_MAX + 1, |byte| byte.is_ascii_digit())?;
        if end == from || !number.add(view.slice(from, end)) {
            break;
        }
        if let (Some(size), Some(place)) = (sizes.get_mut(groups), ends.get_mut(groups)) {
            (*size, *place) = (end - from, end);
        }
        groups += 1;
    }
    for layout in LAYOUTS {
        if sizes.get(..layout.len()) != Some(layout) {
            continue;
        }
        let end = stop(&ends, layout.len());
        if number.is_card(layout.iter().sum()) && ends_well(view, end)? && nothing_follows(view, end, mark)? {
            return Ok(Some(hit(at, end)));
        }
    }
    Ok(None)
}

fn stop(ends: &[usize], groups: usize) -> usize {
    ends.get(groups.saturating_sub(1)).copied().unwrap_or_default()
}

/// Whether some layout begins with these groups and goes on.
fn is_beginning(sizes: Option<&[usize]>) -> bool {
    sizes.is_some_and(|sizes| {
        LAYOUTS.iter().any(|layout| layout.len() > sizes.len() && layout.starts_with(sizes))
    })
}

const fn hit(start: usize, end: usize) -> Hit {
    Hit::whole(&rules::CARD, start, end, "")
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether what ends before `at` is no letter after all: a full stop of Chinese, a dash, a wide space.
fn after_wide_letter(view: View<'_>, at: usize) -> bool {
    // Scripts that are written without spaces put numbers right after letters.
    view.head(at)
        .chars()
        .next_back()
        .is_some_and(|letter| !letter.is_ascii() && (!letter.is_alphanumeric() || letter >= '\u{2e80}'))
}

/// Whether the digits are the fraction of a number: `1.4111`. After a comma they are not: where it parts fields and items
/// of a list, a card follows a number.
fn is_fraction(view: View<'_>, at: usize) -> bool {
    view.before(at) == Some(b'.')
        && at.checked_sub(1).and_then(|dot| view.before(dot)).is_some_and(|byte| byte.is_ascii_digit())
}

/// Whether nothing is glued to the end.
fn ends_well(view: View<'_>, end: usize) -> Judged<bool> {
    Ok(!view.byte(end)?.is_some_and(is_word))
}

/// Whether the group before, parted by the same mark, is part of a longer number or the head of an IBAN.
fn follows_a_group(view: View<'_>, at: usize, mark: u8) -> bool {
    if view.before(at) != Some(mark) {
        return false;
    }
    let before = view.head(at.saturating_sub(1));
    let mut back = before.bytes().rev();
    let digits = back.by_ref().take(5).take_while(u8::is_ascii_digit).count();
    let rest = before.get(..before.len().saturating_sub(digits)).unwrap_or_default();
    let letters = rest.bytes().rev().take(3).take_while(u8::is_ascii_uppercase).count();
    // A year that ends a date is no part of a number, unless a number goes before it as well.
    let group = before.get(rest.len()..).unwrap_or_default();
    let is_year = mark == b' ' && (group.starts_with("19") || group.starts_with("20"));
    let alone = !rest.strip_suffix(' ').is_some_and(|text| text.ends_with(|c: char| c.is_ascii_digit()));
    (digits == 4 && !(is_year && alone)) || (digits == 2 && letters == 2)
}

/// Whether what follows, parted by the same mark, leaves the number whole.
fn nothing_follows(view: View<'_>, end: usize, mark: u8) -> Judged<bool> {
    if view.byte(end)? != Some(mark) {
        return Ok(true);
    }
    let from = end + 1;
    let stop = view.run(from, 5, |byte| byte.is_ascii_digit())?;
    let group = view.slice(from, stop);
    if group.len() <= 3 || (group.len() == 4 && is_month_and_year(group)) {
        return Ok(true);
    }
    if mark != b' ' || group.len() != 4 {
        return Ok(mark == b' ');
    }
    // One number after a space is an amount or a year; two groups of four go on with the number.
    if view.byte(stop)? != Some(mark) {
        return Ok(true);
    }
    Ok(view.run(stop + 1, 4, |byte| byte.is_ascii_digit())? - stop <= 4)
}

/// Whether four digits are a date of expiry: `0927`.
fn is_month_and_year(group: &str) -> bool {
    group.get(..2).and_then(|month| month.parse::<u8>().ok()).is_some_and(|month| (1..=12).contains(&month))
}

/// The shape of a card number: how many digits, and the last four.
pub(crate) fn evidence(value: &str) -> Cow<'static, str> {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    format!("{digits} digits, ends {}", last_four(value)).into()
}

/// The last four digits, the most that may be shown (PCI DSS 4.0.1, requirement 3.4.1).
pub(crate) fn last_four(value: &str) -> String {
    let mut last: Vec<char> = value.chars().rev().filter(char::is_ascii_digit).take(4).collect();
    last.reverse();
    last.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Reach;

    fn found(text: &str) -> Option<&str> {
        (0..text.len()).filter(|at| text.as_bytes()[*at].is_ascii_digit()).find_map(|at| {
            let hit = judge(View::new(text, true), at).unwrap()?;
            let Reach::End(end) = hit.reach else { unreachable!() };
            text.get(hit.start..end)
        })
    }

    #[test]
    fn every_layout_is_found() {
        for number in [
            "4242424242424242",
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "3782 822463 10005",
            "3056 930902 5904",
            "4222222222222",
            "6011 1111 1111 1117",
            "3566 0020 2036 0505",
        ] {
            for text in [
                number.to_owned(),
                format!("pay {number}."),
                format!("({number})"),
                format!("卡号{number}，"),
                // Comma-separated fields and items of a list.
                format!("2026-11-27,{number},12"),
                format!("[7,{number}]"),
            ] {
                assert_eq!(found(&text), Some(number), "{text}");
            }
        }
        assert_eq!(found("2 4242 4242 4242 4242 123"), Some("4242 4242 4242 4242"));
        for text in
            ["4242 4242 4242 4242 1227", "4242 4242 4242 4242 9500 EUR", "on 12 May 2024 4242 4242 4242 4242"]
        {
            assert_eq!(found(text), Some("4242 4242 4242 4242"), "{text}");
        }
    }

    #[test]
    fn parts_of_something_longer_are_not() {
        for text in [
            "4242424242424243",
            "142424242424242424242",
            "x4242424242424242",
            "4242424242424242x",
            "1.4242424242424242",
            "4242-4242 4242-4242",
            "4242  4242 4242 4242",
            "9999 4242 4242 4242 4242",
            "4242 4242 4242 4242 9999 9999",
            "4242-4242-4242-4242-9999",
            "PT50 2024 4242 4242 4242 4242",
            "PT50 4242 4242 4242 4242 1",
            "42 42 42 42 42 42 42 42",
            "1700000000000",
            "1700000000000000",
            "490154203237518",
            "8935101234567890126",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn evidence_shows_the_last_four_only() {
        assert_eq!(evidence("4242-4242-4242-1234"), "16 digits, ends 1234");
    }
}
