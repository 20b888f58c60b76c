//! Properties of the normal forms: they hold for every text.

use alcaide_inspect::normal::{
    Decimal, VALUES_MAX, Value, appears, decodings, each_value, exact, loose, occurs, readings, value,
    values, words,
};
use proptest::prelude::*;

/// Texts of what the grammars and tables look for, and of anything.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(str::to_owned),
        2 => "[0-9]{1,6}",
        1 => "\\PC{0,6}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const PIECES: &[&str] = &[
    " ",
    " ",
    ".",
    ",",
    "-",
    "/",
    ":",
    "@",
    "'",
    "+",
    "=",
    "%",
    "&",
    "\\",
    "(",
    ")",
    "\n",
    "\u{a0}",
    "\u{200b}",
    "\u{301}",
    "\u{e0041}",
    "\u{fe0f}",
    "a",
    "x",
    "é",
    "ß",
    "İ",
    "ς",
    "а",
    "І",
    "ﬁ",
    "Ａ",
    "한",
    "ᄒ",
    "ᅡ",
    "漢",
    "1",
    "0",
    "00",
    "15",
    "05",
    "2024",
    "100",
    "000",
    "1,000",
    "$",
    "€",
    "EUR",
    "usd",
    "zł",
    "May",
    "15th",
    "of",
    "märz",
    "am",
    " pm",
    "uhr",
    "noon",
    "T10:00",
    "Z",
    "ann",
    "ann@x.com",
    "x.com",
    "www.",
    "http://",
    "file:///",
    "localhost",
    ":80",
    "#",
    "?",
    "[",
    "]",
    "DE89 3704 0044 0532 0130 00",
    "+49 30 123456",
    "aGVsbG8gd29ybGQ=",
    "68656c6c6f20",
    "%41",
    "&#65;",
    "&amp;",
    "\\u0041",
    "=41",
    "\u{202e}",
    "１",
    "٣",
    "“",
    "—",
    "mailto:",
    "o'clock",
];

/// Ways to hide a text, each by its standard.
fn hide(text: &str, way: usize) -> String {
    let each = |write: &dyn Fn(u8) -> String| text.bytes().map(write).collect::<String>();
    match way {
        0 => base64(text, b"+/", true),
        1 => base64(text, b"-_", false),
        2 => {
            let whole = base64(text, b"+/", true);
            let lines: Vec<&str> =
                whole.as_bytes().chunks(60).filter_map(|line| std::str::from_utf8(line).ok()).collect();
            lines.join("\r\n  ")
        }
        3 => each(&|b| format!("{b:02x}")),
        4 => each(&|b| format!("{b:02X} ")),
        5 => each(&|b| format!("%{b:02X}")),
        6 => each(&|b| format!("={b:02X}")),
        7 => text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
        8 => text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect(),
        9 => text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
        10 => text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect(),
        11 => {
            let tag = |c: char| if c.is_ascii() { char::from_u32(u32::from(c) + 0xe0000) } else { Some(c) };
            text.chars().filter_map(tag).collect()
        }
        _ => text.replace(' ', "\\\n    \\ "),
    }
}

const WAYS: usize = 13;

fn base64(text: &str, last: &[u8; 2], padded: bool) -> String {
    let letters: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*last).collect();
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits =
            three.iter().fold(0_usize, |bits, b| bits << 8 | usize::from(*b)) << (8 * (3 - three.len()));
        for at in 0..4 {
            if at <= three.len() {
                out.push(char::from(letters[bits >> (18 - 6 * at) & 63]));
            } else if padded {
                out.push('=');
            }
        }
    }
    out
}

#[test]
fn the_encoders_of_these_tests_are_right() {
    // RFC 4648, section 10.
    assert_eq!(base64("foobar", b"+/", true), "Zm9vYmFy");
    assert_eq!(base64("fooba", b"+/", true), "Zm9vYmE=");
    assert_eq!(base64("foob", b"+/", false), "Zm9vYg");
}

#[test]
fn values_are_bounded_and_nothing_occurs_behind_them() {
    let text = "1 a ".repeat(VALUES_MAX + 10) + "end";
    let found = values(&text);
    assert_eq!(found.len(), VALUES_MAX);
    assert_eq!(each_value(&text).count(), VALUES_MAX + 10);
    assert!(!occurs("end", &text, &found));
    assert!(occurs("end", &text, &each_value(&text).collect::<Vec<_>>()[..10]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_hidden_is_found(secret in "[a-z]{4,9} [a-z]{4,9}@[a-z]{3,6}\\.com", ways in prop::collection::vec(0..WAYS, 1..=3)) {
        let hidden = ways.iter().fold(secret.clone(), |text, way| hide(&text, *way));
        for text in [hidden.clone(), format!("see {hidden} now"), format!("<a b=\"{hidden}\">")] {
            let decoded = decodings(&text, 1 << 16);
            let secret = loose(&secret).text;
            let found = appears(&secret, &loose(&text).text)
                || decoded.texts.iter().any(|text| appears(&secret, &loose(text).text));
            prop_assert!(found, "{ways:?}: {text}: {decoded:?}");
        }
    }

    #[test]
    fn a_look_alike_is_found_and_never_bound(word in "[a-z]{2,8}", at in 0_usize..8, with in prop::sample::select(ALIKE)) {
        let (letter, alike) = with;
        let at = at % (word.len() + 1);
        let (head, tail) = word.split_at(at);
        let (honest, false_one) = (format!("{head}{letter}{tail}"), format!("{head}{alike}{tail}"));
        prop_assert_eq!(loose(&honest).text, loose(&false_one).text);
        prop_assert_ne!(exact(&honest), exact(&false_one));
        let said = exact(&format!("ask {honest} now"));
        prop_assert!(occurs(&exact(&honest), &said, &values(&said)));
        prop_assert!(!occurs(&exact(&false_one), &said, &values(&said)));
        prop_assert_ne!(value(&format!("{honest}@x.com")), value(&format!("{false_one}@x.com")));
    }

    #[test]
    fn occurs_is_what_its_words_say(value in "[ab]{1,2}(@[ab])?", text in "([ab]{1,2}[. @]){0,8}") {
        let found = values(&text);
        let glue = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let slow = (0..=text.len().saturating_sub(value.len())).any(|at| {
            let end = at + value.len();
            text.get(at..end) == Some(value.as_str())
                && !glue(text[..at].chars().next_back())
                && !glue(text[end..].chars().next())
                && !found.iter().any(|f| f.span.start < end && at < f.span.end && (at > f.span.start || end < f.span.end))
        });
        prop_assert_eq!(occurs(&value, &text, &found), slow);
    }
}

/// Letters and what is taken for them.
const ALIKE: &[(&str, &str)] = &[
    ("a", "а"),
    ("c", "с"),
    ("e", "е"),
    ("o", "ο"),
    ("p", "р"),
    ("x", "х"),
    ("i", "і"),
    ("h", "Н"),
    ("k", "К"),
    ("a", "ａ"),
    ("b", "𝐛"),
    ("s", "ſ"),
    ("e", "e\u{323}"),
    ("g", "ɡ"),
    ("l", "l\u{200b}"),
    ("", "\u{2060}"),
    ("", "\u{202e}"),
    ("ss", "ß"),
    ("fi", "ﬁ"),
    ("z", "\u{e007a}"),
    ("d", "ԁ"),
    ("n", "ɴ"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_form_of_a_form_is_itself(text in text()) {
        let once = exact(&text);
        prop_assert_eq!(exact(&once), once);
        let once = loose(&text).text;
        prop_assert_eq!(loose(&once).text, once);
    }

    #[test]
    fn what_is_exactly_the_same_is_loosely_the_same_for_ascii(text in "[ -~\n]{0,40}") {
        prop_assert_eq!(exact(&text), loose(&text).text);
        prop_assert!(loose(&text).signs.is_clean());
    }

    #[test]
    fn spans_are_in_order_and_on_characters(text in text()) {
        let found = values(&text);
        let mut last = 0..0;
        for found in &found {
            prop_assert!(text.get(found.span.clone()).is_some_and(|piece| !piece.is_empty()));
            prop_assert!(found.span == last || found.span.start >= last.end, "{:?} after {last:?}", found.span);
            last = found.span.clone();
        }
    }

    #[test]
    fn a_value_is_found_in_its_own_writing(text in text()) {
        for found in values(&text) {
            let written = found.value.to_string();
            prop_assert!(readings(&written).contains(&found.value), "{:?} as {written:?}", found.value);
        }
    }

    #[test]
    fn a_whole_text_that_is_a_value_is_found(text in text()) {
        if let Some(value) = value(&text) {
            prop_assert!(values(&text).iter().any(|found| found.value == value));
            prop_assert!(value.covers(&value) && value.said_by([&value]));
        }
    }

    #[test]
    fn nothing_fails_on_any_text(text in text(), other in text()) {
        let found = values(&text);
        let _ = occurs(&other, &text, &found);
        let _ = appears(&other, &text);
        let budget = 4096;
        let decoded = decodings(&text, budget);
        prop_assert!(decoded.texts.iter().map(String::len).sum::<usize>() <= budget);
        prop_assert_eq!(decodings(&text, budget), decoded);
    }

    #[test]
    fn what_occurs_appears(value in text(), text in text()) {
        let (a, b) = (exact(&value), exact(&text));
        if occurs(&a, &b, &values(&b)) {
            prop_assert!(b.contains(&a));
        }
    }

    #[test]
    fn words_are_runs_of_the_text_in_order(text in text()) {
        let form = loose(&text).text;
        let mut rest = form.as_str();
        for word in words(&form) {
            let at = rest.find(word);
            prop_assert!(at.is_some() && !word.contains(' '), "{word:?}");
            rest = &rest[at.unwrap_or(0) + word.len()..];
        }
    }

    #[test]
    fn decimals_are_ordered_as_numbers(a in -10_000_i32..10_000, b in -10_000_i32..10_000, shift in 0_u32..6) {
        let decimal = |value: i32, shift: u32| format!("{value}e-{shift}").parse::<Decimal>();
        let (left, right) = (decimal(a, shift), decimal(b, 2));
        let wanted = (i64::from(a) * 100).cmp(&(i64::from(b) * 10_i64.pow(shift)));
        prop_assert_eq!(left.unwrap().cmp(&right.unwrap()), wanted);
    }

    #[test]
    fn equal_readings_are_equal_values(whole in 1_u32..999, thousand in 0_u32..=999) {
        let plain = format!("{whole}{thousand:03}");
        let number = value(&plain);
        prop_assert!(matches!(number, Some(Value::Number(_))));
        for joint in [",", ".", "'", " ", "\u{a0}"] {
            let written = format!("{whole}{joint}{thousand:03}");
            prop_assert!(readings(&written).contains(number.as_ref().unwrap()), "{written}");
        }
    }
}
