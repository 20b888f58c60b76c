//! What the strict JSON reader takes says the same to the readers of other languages: Python's, JavaScript's, and one that
//! looks members up as Go's `encoding/json` does, whatever their case.

use alcaide_testkit::{node, python};
use alcaide_wire::json::{Document, Kind, Limits, Value};
use base64::Engine as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Texts that are tried; most are taken by nobody.
const TEXTS: usize = 6_000;

/// What a value says: numbers as the bits of a double, strings as UTF-16 code units, members sorted.
fn told(value: Value<'_, '_>) -> String {
    let text = |text: &str| text.encode_utf16().map(|unit| format!("{unit:04x}")).collect::<String>();
    match value.kind() {
        Kind::Null => "null".into(),
        Kind::Bool => value.as_bool().unwrap().to_string(),
        Kind::Number => {
            let number: f64 = std::str::from_utf8(value.raw()).unwrap().parse().unwrap();
            format!("{:016x}", number.to_bits())
        }
        Kind::String => format!("'{}'", text(&value.as_str().unwrap())),
        Kind::Array => format!("[{}]", value.items().map(told).collect::<Vec<_>>().join(",")),
        Kind::Object => {
            let mut members: Vec<_> =
                value.entries().map(|entry| format!("{}:{}", text(&entry.key), told(entry.value))).collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// A key as Go compares it: case does not count.
fn folded(key: &str) -> String {
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Whether a reader that takes the last member whose key is equal but for case finds the one that was written.
fn is_plain_to_go(value: Value<'_, '_>) -> bool {
    let keys: Vec<String> = value.entries().map(|entry| folded(&entry.key)).collect();
    let unique = keys.iter().collect::<std::collections::BTreeSet<_>>().len() == keys.len();
    unique && value.entries().all(|entry| is_plain_to_go(entry.value)) && value.items().all(is_plain_to_go)
}

/// Texts near JSON: values written with twins, odd escapes, odd numbers and broken bytes.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("name".to_owned()),
        Just("Name".to_owned()),
        Just("\\u006eame".to_owned()),
        Just("to\u{212a}en".to_owned()),
        Just("__proto__".to_owned()),
        Just("\\ud83d\\ude00".to_owned()),
        Just("\\ud800".to_owned()),
        Just("\u{fffd}\u{2028}".to_owned()),
        Just("10".to_owned()),
        "[a-zA-Z]{0,2}",
        "\\PC{0,3}".prop_filter("quotes end a string", |text| !text.contains(['"', '\\'])),
    ];
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        (any::<i32>(), 0_u32..1_000_000).prop_map(|(whole, part)| format!("{whole}.{part}")),
        Just("-0".to_owned()),
        Just("1e400".to_owned()),
        Just("9007199254740993".to_owned()),
        Just("0.1000000000000000055511151231257827".to_owned()),
        Just("NaN".to_owned()),
        Just("01".to_owned()),
    ];
    let string = word.prop_map(|word| format!("\"{word}\""));
    let plain = prop_oneof![Just("null".to_owned()), Just("true".to_owned()), number, string.clone()];
    let value = plain.prop_recursive(4, 24, 4, move |inner| {
        let member = (string.clone(), inner.clone()).prop_map(|(key, value)| format!("{key}:{value}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            proptest::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    });
    let damage = prop_oneof![
        8 => Just(None),
        1 => (any::<proptest::sample::Index>(), any::<u8>()).prop_map(Some),
    ];
    (value, damage).prop_map(|(text, damage)| {
        let mut bytes = text.into_bytes();
        if let Some((at, byte)) = damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

#[test]
fn what_is_taken_says_the_same_to_readers_of_other_languages() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[17; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = texts();
    let all = (0..TEXTS).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let mut taken: Vec<(Vec<u8>, String)> = Vec::new();
    for text in all {
        if let Ok(document) = Document::parse(&text, &Limits::default()) {
            assert!(is_plain_to_go(document.root()), "{}", String::from_utf8_lossy(&text));
            let said = told(document.root());
            taken.push((text, said));
        }
    }
    assert!(taken.len() > TEXTS / 10, "{} were taken", taken.len());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("texts");
    let lines: Vec<_> =
        taken.iter().map(|(text, _)| base64::engine::general_purpose::STANDARD.encode(text)).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let env = [("FILE", file.to_str().unwrap())];
    for (reader, read) in [
        ("python", python("json_reader.py", &env).unwrap()),
        ("node", node("json_reader.cjs", &env).unwrap()),
    ] {
        let read = read.as_array().unwrap();
        assert_eq!(read.len(), taken.len(), "{reader}");
        for ((text, said), theirs) in taken.iter().zip(read) {
            assert_eq!(theirs.as_str(), Some(said.as_str()), "{reader}: {}", String::from_utf8_lossy(text));
        }
    }
}
