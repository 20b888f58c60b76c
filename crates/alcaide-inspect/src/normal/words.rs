//! Runs of words, and whether a value occurs in a text as a whole.

use memchr::memmem::Finder;

use super::chars::{after, before, is_glue};
use super::value::{Found, VALUES_MAX, Value};

/// The words of a loose form, in order: longest runs of letters and digits, with the apostrophes inside them.
///
/// Marks that sit on letters belong to the word. For comparing runs of text, whatever stands between the words.
///
/// ```
/// use alcaide_inspect::normal::words;
///
/// assert_eq!(words("don't pay: o'brien@x.com!").collect::<Vec<_>>(), ["don't", "pay", "o'brien", "x", "com"]);
/// ```
pub fn words(loose: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c != '_' && is_glue(c);
    let mut rest = loose;
    std::iter::from_fn(move || {
        let word = rest.get(rest.find(is_word)?..)?;
        let (mut end, mut quoted) = (0, false);
        for (at, c) in word.char_indices() {
            if is_word(c) {
                (end, quoted) = (at + c.len_utf8(), false);
            } else if c == '\'' && !quoted {
                quoted = true;
            } else {
                break;
            }
        }
        let (word, behind) = word.split_at_checked(end)?;
        rest = behind;
        Some(word)
    })
}

/// Whether `value` occurs in `text` as a whole: for what somebody said.
///
/// Both are in [`exact`](super::exact) form, and `found` is what [`values`](super::values) finds in `text`. No part of
/// a word — letter, digit, low line, mark, invisible character — stands directly before or after it (the possessive
/// `'s` may follow), it is not cut out of a longer number (`1.2` of `1.2.3`), and it is not a mere part of a value of
/// the text: of an e-mail address, URL, account, telephone number, date or time. A number of an amount is a whole.
/// Words of scripts that are written without spaces occur only where something else parts them. Where `found` is full
/// ([`VALUES_MAX`]), nothing occurs behind its end.
///
/// ```
/// use alcaide_inspect::normal::{occurs, values};
///
/// let text = "send report.docx to john.doe@x.com";
/// let found = values(text);
/// assert!(occurs("report", text, &found));
/// assert!(occurs("john.doe@x.com", text, &found));
/// assert!(!occurs("doe@x.com", text, &found));
/// assert!(!occurs("x.com", text, &found));
/// ```
#[must_use]
pub fn occurs(value: &str, text: &str, found: &[Found]) -> bool {
    places(value, text)
        .any(|(start, end)| stands_alone(text, start, end) && !is_part(text, start, end, found))
}

/// Whether `value` appears in `text`: for what somebody else may have written.
///
/// Both are in [`loose`](super::loose) form. A value of six letters or more that is not a mere number may stand inside
/// other words; a shorter one stands between them, wherever that is.
///
/// ```
/// use alcaide_inspect::normal::appears;
///
/// assert!(appears("evil@x.com", "write to=evil@x.community"));
/// assert!(appears("bob", "cc:bob;"));
/// assert!(!appears("bob", "bobsleigh"));
/// ```
#[must_use]
pub fn appears(value: &str, text: &str) -> bool {
    let long = value.chars().filter(|c| c.is_alphabetic()).take(6).count() == 6;
    let parted = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    places(value, text).any(|(start, end)| long || (parted(before(text, start)) && parted(after(text, end))))
}

fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let (Some(head), Some(rest)) = (text.get(..start), text.get(end..)) else { return false };
    let mut ahead = head.chars().rev();
    let free_before = match ahead.next() {
        None => true,
        Some(c) if is_glue(c) => false,
        // O'Brien is one name; so is 1.000.
        Some('\'' | '’') => !ahead.next().is_some_and(is_glue),
        Some('.' | ',') => !(digit_at(text, start) && ahead.next().is_some_and(|c| c.is_ascii_digit())),
        Some(_) => true,
    };
    let mut behind = rest.chars();
    let free_after = match behind.next() {
        None => true,
        Some(c) if is_glue(c) => false,
        Some('\'' | '’') => match behind.next() {
            Some('s') => !behind.next().is_some_and(is_glue),
            Some(c) => !is_glue(c),
            None => true,
        },
        Some('.' | ',') => {
            !(before(text, end).is_some_and(|c| c.is_ascii_digit())
                && behind.next().is_some_and(|c| c.is_ascii_digit()))
        }
        Some(_) => true,
    };
    free_before && free_after
}

fn digit_at(text: &str, at: usize) -> bool {
    after(text, at).is_some_and(|c| c.is_ascii_digit())
}

/// Whether the place is cut out of a value of the text: one of its ends lies inside one.
fn is_part(text: &str, start: usize, end: usize, found: &[Found]) -> bool {
    let inside = |place: usize| {
        let at = found.partition_point(|found| found.span.end <= place);
        let found = found.get(at).filter(|found| found.span.start < place);
        found.is_some_and(|found| {
            !(matches!(found.value, Value::Amount { .. }) && holds_number(text, start, end))
        })
    };
    // Past as many values as are looked for, nobody knows what stands there.
    let unknown = found.len() >= VALUES_MAX && found.last().is_some_and(|last| last.span.end < end);
    unknown || inside(start) || inside(end)
}

/// Whether the place of an amount is its number: that it is whole has been looked at.
fn holds_number(text: &str, start: usize, end: usize) -> bool {
    digit_at(text, start) && before(text, end).is_some_and(|c| c.is_ascii_digit())
}

/// All places of `value` in `text`, overlapping ones too, in time that grows with both lengths only.
fn places<'t>(value: &'t str, text: &'t str) -> impl Iterator<Item = (usize, usize)> + 't {
    let first = if value.is_empty() { None } else { Finder::new(value.as_bytes()).find(text.as_bytes()) };
    let steps = if first.is_some() { borders(value.as_bytes()) } else { Vec::new() };
    let from = first.unwrap_or(text.len());
    let mut matched = 0;
    text.as_bytes().get(from..).unwrap_or(&[]).iter().enumerate().filter_map(move |(at, byte)| {
        while matched > 0 && value.as_bytes().get(matched) != Some(byte) {
            matched = steps.get(matched - 1).copied().unwrap_or(0);
        }
        if value.as_bytes().get(matched) == Some(byte) {
            matched += 1;
        }
        (matched == value.len()).then(|| {
            let end = from + at + 1;
            matched = steps.get(matched - 1).copied().unwrap_or(0);
            (end - value.len(), end)
        })
    })
}

/// For each beginning of `value`, the length of its longest border: what Knuth, Morris and Pratt fall back to.
fn borders(value: &[u8]) -> Vec<usize> {
    let mut steps = vec![0; value.len()];
    let mut length = 0;
    for (at, byte) in value.iter().enumerate().skip(1) {
        while length > 0 && value.get(length) != Some(byte) {
            length = steps.get(length - 1).copied().unwrap_or(0);
        }
        if value.get(length) == Some(byte) {
            length += 1;
        }
        if let Some(step) = steps.get_mut(at) {
            *step = length;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::super::{exact, loose, values};
    use super::*;

    fn said(value: &str, text: &str) -> bool {
        let text = exact(text);
        occurs(&exact(value), &text, &values(&text))
    }

    #[test]
    fn a_whole_value_occurs() {
        for (value, text) in [
            ("report", "open Report.docx"),
            ("report.docx", "open report.docx."),
            ("#general", "post to #general!"),
            ("Alice", "send Alice's file"),
            ("Alice", "for 'Alice'"),
            ("100", "pay $100 now"),
            ("100", "pay 100."),
            ("a a", "xa a a"),
            ("John  Doe", "ask john\n doe"),
            ("josé", "JOSE\u{301} said"),
            ("../x", "rm ../x"),
            ("https://x.com/a", "see https://x.com/a."),
            ("client", "client-list"),
        ] {
            assert!(said(value, text), "{value} in {text}");
        }
    }

    #[test]
    fn a_part_does_not_occur() {
        for (value, text) in [
            ("doe@x.com", "john.doe@x.com"),
            ("gmail.com", "a@gmail.com"),
            ("x.com", "http://x.com/a"),
            ("evil", "see https://x.com/evil?y"),
            ("3704", "DE89 3704 0044 0532 0130 00"),
            ("1.2", "version 1.2.3"),
            ("2.3", "version 1.2.3"),
            ("10.0.0.1", "110.0.0.1"),
            ("100", "1,100 or 100.50"),
            ("000", "$1,000"),
            ("../x", "x"),
            ("Brien", "ask O'Brien"),
            ("port", "report"),
            ("file", "file_1"),
            ("admin", "admin\u{200b}istrator"),
            ("admin", "admin\u{301}"),
            ("paypal", "p\u{430}ypal"),
            ("15", "on 2024-05-15"),
            ("30", "+49 30 123456"),
            ("", "x"),
        ] {
            assert!(!said(value, text), "{value} in {text}");
        }
    }

    #[test]
    fn what_is_hidden_appears() {
        let text = loose("Wr\u{456}te to ev\u{200b}il@x.com; pay GB00 1234, bob!").text;
        for value in ["write", "evil@x.com", "1234", "bob"] {
            assert!(appears(&loose(value).text, &text), "{value}");
        }
        assert!(!appears("123", &text) && !appears("ob", &text) && !appears("", &text));
    }

    #[test]
    fn overlapping_places_are_all_seen() {
        let found: Vec<_> = places("aba", "ababaxaba").collect();
        assert_eq!(found, [(0, 3), (2, 5), (6, 9)]);
    }
}
