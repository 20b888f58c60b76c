//! Properties of the normal forms: they hold for every text.

use alcaide_inspect::normal::{
    Value, appears, decodings, exact, loose, occurs, readings, value, values, words,
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
