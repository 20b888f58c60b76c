//! Texts that have fooled JSON readers, each with what must become of it.

use alcaide_wire::json::{Document, JsonError, Limits};

/// What becomes of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// Read: every reader takes it alike.
    Taken,
    /// Refused.
    Refused,
}

use Fate::{Refused, Taken};

/// Written for this crate, after the classes of the known studies of parser differences.
const CORPUS: &[(Fate, &[u8], &str)] = &[
    (Taken, b"0", "a bare zero"),
    (Taken, b"-0", "minus zero"),
    (Taken, b"\"\"", "an empty string"),
    (Taken, b"null", "a bare word"),
    (Taken, b" \t\r\n[ ] \n", "space of all four kinds"),
    (Taken, b"{\"\":{\"\":0}}", "empty keys in different objects"),
    (Taken, b"{\"a\":{\"A\":1},\"b\":{\"a\":1}}", "keys alike in different objects"),
    (Taken, b"[\"\\u0000\"]", "an escaped NUL"),
    (Taken, b"[\"\\uD834\\uDD1E\"]", "a pair of surrogates"),
    (Taken, b"[\"\x7f\"]", "a delete character"),
    (Taken, "[\"\u{2028}\u{ffff}\u{10ffff}\"]".as_bytes(), "line separator and noncharacters"),
    (Taken, b"[1E+2,1e-2,0e0,123.456e78]", "exponents"),
    (Taken, b"[-9223372036854775808,18446744073709551615]", "the ends of 64 bits"),
    (Taken, b"[1.7976931348623157e308,5e-324]", "the ends of doubles"),
    (Taken, b"{\"__proto__\":1,\"constructor\":2}", "keys that mean something to one language"),
    (Refused, b"", "nothing"),
    (Refused, b"\xef\xbb\xbf{}", "a byte order mark"),
    (Refused, b"\xfe\xff\x00[\x00]", "utf-16"),
    (Refused, b"[\x00]", "a NUL outside strings"),
    (Refused, b"[1]\x00", "a NUL at the end"),
    (Refused, b"[\xc2\xa01]", "a space that is none"),
    (Refused, b"[\x0c1]", "a form feed as space"),
    (Refused, b"{\"a\":1}{\"a\":2}", "two texts"),
    (Refused, b"{\"a\":1}\n{\"a\":2}", "lines of texts"),
    (Refused, b"{\"a\":1,\"a\":2}", "a key twice"),
    (Refused, b"{\"a\":1,\"\\u0061\":2}", "a key twice, once escaped"),
    (Refused, b"{\"a\\/b\":1,\"a/b\":2}", "a key twice, with an escaped slash"),
    (Refused, b"{\"role\":\"user\",\"Role\":\"system\"}", "keys that differ in case"),
    (Refused, b"{\"\\u0041\":1,\"a\":2}", "keys that differ in case, one escaped"),
    (Refused, "{\"tools\":1,\"tool\u{17f}\":2}".as_bytes(), "a long s"),
    (Refused, "{\"key\":1,\"\u{212a}ey\":2}".as_bytes(), "a Kelvin sign"),
    (Refused, b"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", "a key twice, once as surrogates"),
    (Refused, b"{\"a\\u0000\":1,\"a\\u0000\":2}", "a key with NUL twice"),
    (Refused, b"[\"\\uD800\"]", "a high surrogate alone"),
    (Refused, b"[\"\\uDFFF\"]", "a low surrogate alone"),
    (Refused, b"[\"\\uDD1E\\uD834\"]", "surrogates in the wrong order"),
    (Refused, b"[\"\\uD800\\uD800\"]", "two high surrogates"),
    (Refused, b"[\"\\uD800\\n\"]", "a high surrogate before another escape"),
    (Refused, b"{\"\\ud800\":1}", "a lone surrogate in a key"),
    (Refused, b"[\"\xed\xa0\x80\"]", "a surrogate as bytes"),
    (Refused, b"[\"\xc0\xaf\"]", "an overlong slash"),
    (Refused, b"[\"\xf4\x90\x80\x80\"]", "beyond Unicode"),
    (Refused, b"[\"\xe2\x82\"]", "a character cut short"),
    (Refused, b"[\"a\tb\"]", "a raw tab"),
    (Refused, b"[\"a\x1fb\"]", "a raw separator"),
    (Refused, b"[\"\\a\"]", "an escape of C"),
    (Refused, b"[\"\\x00\"]", "an escape of JavaScript"),
    (Refused, b"[\"\\U0001F600\"]", "an escape of Python"),
    (Refused, b"[\"\\u00G0\"]", "bad hex"),
    (Refused, b"[\"\\\"]", "an escape that swallows the end"),
    (Refused, b"['a']", "single quotes"),
    (Refused, b"{a:1}", "a bare key"),
    (Refused, b"{1:1}", "a number as key"),
    (Refused, b"[1,]", "a comma at the end"),
    (Refused, b"{\"a\":1,}", "a comma at the end of an object"),
    (Refused, b"[,1]", "a comma at the start"),
    (Refused, b"[1,,2]", "two commas"),
    (Refused, b"[1 2]", "no comma"),
    (Refused, b"{\"a\":}", "no value"),
    (Refused, b"{\"a\"}", "no colon"),
    (Refused, b"{\"a\"::1}", "two colons"),
    (Refused, b"[1}", "the wrong bracket"),
    (Refused, b"[[]", "a bracket too few"),
    (Refused, b"[]]", "a bracket too many"),
    (Refused, b"/* x */[]", "a comment"),
    (Refused, b"[]//x", "a comment at the end"),
    (Refused, b"#x\n[]", "a comment of shells"),
    (Refused, b"[NaN]", "no number"),
    (Refused, b"[Infinity]", "infinity"),
    (Refused, b"[-Infinity]", "infinity below"),
    (Refused, b"[+1]", "a plus"),
    (Refused, b"[.1]", "no whole part"),
    (Refused, b"[1.]", "no fraction"),
    (Refused, b"[-]", "a sign alone"),
    (Refused, b"[--1]", "two signs"),
    (Refused, b"[01]", "octal"),
    (Refused, b"[-01]", "negative octal"),
    (Refused, b"[0x1F]", "hex"),
    (Refused, b"[1_000]", "digits in groups"),
    (Refused, b"[1e]", "no exponent"),
    (Refused, b"[1e+]", "a sign for exponent"),
    (Refused, b"[1.0e1.0]", "a fraction for exponent"),
    (Refused, "[\u{ff11}]".as_bytes(), "a wide digit"),
    (Refused, b"[1e309]", "a number beyond doubles"),
    (Refused, b"[1e-325]", "a number that vanishes"),
    (Refused, b"[18446744073709551616]", "an integer beyond 64 bits"),
    (Refused, b"[100000000000000000000000000000000]", "an integer far beyond"),
    (Refused, b"[9007199254740993.0]", "a decimal between two doubles"),
    (Refused, b"[0.1000000000000000055511151231257827]", "more digits than doubles have"),
    (Refused, b"[True]", "a word of Python"),
    (Refused, b"[nul]", "half a word"),
    (Refused, b"[nulll]", "more than a word"),
    (Refused, b"[undefined]", "a word of JavaScript"),
];

#[test]
fn each_text_meets_its_fate() {
    for (fate, text, what) in CORPUS {
        let read = Document::parse(text, &Limits::default());
        assert_eq!(if read.is_ok() { Taken } else { Refused }, *fate, "{what}: {read:?}");
    }
}

#[test]
fn what_is_taken_is_taken_by_another_reader_too() {
    for (_, text, what) in CORPUS.iter().filter(|(fate, ..)| *fate == Taken) {
        assert!(serde_json::from_slice::<serde_json::Value>(text).is_ok(), "{what}");
    }
}

#[test]
fn nesting_without_end_is_refused_at_the_limit() {
    for opening in ["[", "{\"a\":", "[{\"a\":"] {
        let text = opening.repeat(100_000);
        assert!(matches!(Document::parse(text.as_bytes(), &Limits::default()), Err(JsonError::TooDeep(_))));
    }
}

#[test]
fn keys_made_to_collide_cost_no_more_than_others() {
    // Equal hashes in any number are sorted by their text; 20 000 members must not take the square of steps.
    let members: Vec<String> = (0..20_000).map(|number| format!("\"{number:05}\":0")).collect();
    let text = format!("{{{}}}", members.join(","));
    assert_eq!(Document::parse(text.as_bytes(), &Limits::default()).map(|it| it.nodes()).ok(), Some(40_001));
}
