use proptest::prelude::*;

use super::edit::{self, Splice};
use super::*;

fn parse(text: &str) -> Result<Document<'_>, JsonError> {
    Document::parse(text.as_bytes(), &Limits::default())
}

fn refusal(bytes: &[u8]) -> JsonError {
    Document::parse(bytes, &Limits::default()).expect_err(&String::from_utf8_lossy(bytes))
}

/// Variant, offset and pointer of a refusal.
fn told(text: &str) -> (String, usize, String) {
    let error = refusal(text.as_bytes());
    let variant = format!("{error:?}").split(['(', ' ']).next().unwrap().to_owned();
    let place = error.place().cloned().unwrap();
    (variant, place.offset, place.pointer)
}

fn place(variant: &str, offset: usize, pointer: &str) -> (String, usize, String) {
    (variant.into(), offset, pointer.into())
}

#[test]
fn a_cursor_reads_what_is_there() {
    let text =
        r#" {"a": [1, -2, 3.5, "x\ny", null, true], "b/c": {"~": {}}, "k\u0065y": 18446744073709551615} "#;
    let document = parse(text).unwrap();
    let root = document.root();
    assert_eq!((root.kind(), root.len()), (Kind::Object, 3));
    let list = root.get("a").unwrap();
    assert_eq!(
        list.items().map(Value::kind).collect::<Vec<_>>(),
        [Kind::Number, Kind::Number, Kind::Number, Kind::String, Kind::Null, Kind::Bool]
    );
    assert_eq!(list.at(0).unwrap().as_u64(), Some(1));
    assert_eq!((list.at(1).unwrap().as_i64(), list.at(1).unwrap().as_u64()), (Some(-2), None));
    assert_eq!((list.at(2).unwrap().as_f64(), list.at(2).unwrap().as_i64()), (Some(3.5), None));
    assert_eq!(list.at(3).unwrap().as_str().unwrap(), "x\ny");
    assert_eq!(list.at(3).unwrap().raw(), br#""x\ny""#);
    assert_eq!(list.at(5).unwrap().as_bool(), Some(true));
    assert!(list.at(4).unwrap().is_null() && list.at(6).is_none());
    assert_eq!(root.get("key").unwrap().as_u64(), Some(u64::MAX));
    assert_eq!(root.get("key").unwrap().as_f64(), None);
    assert_eq!(root.entries().map(|entry| entry.key.into_owned()).collect::<Vec<_>>(), ["a", "b/c", "key"]);
    assert_eq!(
        document.pointer("/b~1c/~0").unwrap().span(),
        text.find("{}").unwrap()..text.find("{}").unwrap() + 2
    );
    assert_eq!(document.pointer("/a/3").unwrap().as_str().unwrap(), "x\ny");
    assert_eq!(document.pointer("").unwrap().span(), 1..text.len() - 1);
    for wrong in ["/a/03", "/a/-", "/a/+1", "a", "/a/9", "/b~2c", "/b~1c/~0/x"] {
        assert!(document.pointer(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn counts_are_whole_however_written() {
    let document = parse("[16, 16.0, 1.6e1, -1, 1.5, 1e300, -0, -0.0]").unwrap();
    let counts: Vec<_> = document.root().items().map(Value::as_count).collect();
    assert_eq!(counts, [Some(16), Some(16), Some(16), None, None, None, Some(0), Some(0)]);
}

#[test]
fn each_refusal_names_rule_byte_and_pointer() {
    for (text, variant, offset, pointer) in [
        ("", "Ended", 0, ""),
        (" ", "Ended", 1, ""),
        ("{\"a\":", "Ended", 5, "/a"),
        ("{\"a\":[1,{\"b\":tru", "Ended", 16, "/a/1/b"),
        ("{\"a\" 1}", "Unexpected", 5, "/a"),
        ("[1,]", "Unexpected", 3, "/1"),
        ("{\"a\":1,}", "Unexpected", 7, "/a"),
        ("[NaN]", "Unexpected", 1, "/0"),
        ("[-Infinity]", "MalformedNumber", 2, "/0"),
        ("[01]", "MalformedNumber", 3, "/0"),
        ("[1.]", "MalformedNumber", 3, "/0"),
        ("[1e+]", "MalformedNumber", 4, "/0"),
        ("[.5]", "Unexpected", 1, "/0"),
        ("[+5]", "Unexpected", 1, "/0"),
        ("[-]", "MalformedNumber", 2, "/0"),
        ("[1] 2", "Trailing", 4, ""),
        ("{}\0", "Trailing", 2, ""),
        ("[{\"x\":{\"a\":1,\"\\u0061\":2}}]", "DuplicateKey", 13, "/0/x/a"),
        ("{\"Role\":1,\"role\":2}", "CaseKey", 10, "/role"),
        ("{\"\u{17f}\":1,\"S\":2}", "CaseKey", 8, "/S"),
        ("{\"k\":1,\"\u{212a}\":2}", "CaseKey", 7, "/\u{212a}"),
        ("{\"\u{b5}\":1,\"\\u03bc\":2}", "CaseKey", 8, "/\u{3bc}"),
        ("[\"\\ud800\"]", "LoneSurrogate", 2, "/0"),
        ("[\"\\udc00\\ud800\"]", "LoneSurrogate", 2, "/0"),
        ("[\"\\ud800\\u0041\"]", "LoneSurrogate", 2, "/0"),
        ("[\"\\x41\"]", "BadEscape", 2, "/0"),
        ("[\"\\u12g4\"]", "BadEscape", 2, "/0"),
        ("[\"\\u+123\"]", "BadEscape", 2, "/0"),
        ("[\"\\u12", "Ended", 6, "/0"),
        ("[\"a\nb\"]", "ControlCharacter", 3, "/0"),
        ("[\"12345678\u{1}\"]", "ControlCharacter", 10, "/0"),
        ("[18446744073709551616]", "IntegerRange", 1, "/0"),
        ("[-9223372036854775809]", "IntegerRange", 1, "/0"),
        ("{\"a\":1e999}", "InexactNumber", 5, "/a"),
        ("{\"a\":0.12345678901234567890123}", "InexactNumber", 5, "/a"),
        ("['a']", "Unexpected", 1, "/0"),
        ("[1}", "Unexpected", 2, "/1"),
        ("// x\n1", "Unexpected", 0, ""),
    ] {
        assert_eq!(told(text), place(variant, offset, pointer), "{text}");
    }
    assert!(matches!(refusal(b"\xef\xbb\xbf{}"), JsonError::Bom(_)));
    let JsonError::NotUtf8(at) = refusal(b"{\"a\":[\"x\xff\"]}") else { panic!() };
    assert_eq!((at.offset, at.pointer.as_str()), (8, "/a/0"));
    assert!(matches!(refusal(b"\"\xed\xa0\x80\""), JsonError::NotUtf8(_)));
}

#[test]
fn a_message_shows_the_place_and_no_more_than_that() {
    assert_eq!(refusal(b"{\"a\":[01]}").to_string(), "malformed number at byte 8 (`/a/0`)");
    let long = format!("{{\"{}\\n`\":[01]}}", "k".repeat(500));
    let message = refusal(long.as_bytes()).to_string();
    assert!(message.len() < 200 && message.ends_with("…`)"), "{message}");
    assert_eq!(refusal(b"{\"\\n`\":x}").to_string(), "unexpected byte at byte 7 (`/??`)");
}

#[test]
fn equal_keys_are_found_in_large_objects() {
    let mut members: Vec<String> = (0..500).map(|n| format!("\"key{n}\":{n}")).collect();
    assert!(parse(&format!("{{{}}}", members.join(","))).is_ok());
    members.push("\"KEY77\":0".into());
    assert!(matches!(refusal(format!("{{{}}}", members.join(",")).as_bytes()), JsonError::CaseKey(_)));
    members.pop();
    members.insert(3, "\"\\u006bey77\":0".into());
    let JsonError::DuplicateKey(at) = refusal(format!("{{{}}}", members.join(",")).as_bytes()) else {
        panic!()
    };
    assert_eq!(at.pointer, "/key77");
}

#[test]
fn one_past_each_limit_is_refused() {
    let tight = Limits { bytes: 20, depth: 3, nodes: 6, string_bytes: 4, ..Limits::default() };
    let read = |text: &str| Document::parse(text.as_bytes(), &tight).map(|_| ());
    assert_eq!(read(&" ".repeat(18).replacen("  ", "[]", 1)), Ok(()));
    assert_eq!(read(&format!("[]{}", " ".repeat(19))), Err(JsonError::TooManyBytes { given: 21, limit: 20 }));
    assert!(read("[[[]]]").is_ok());
    assert!(
        matches!(read("[[[[]]]]"), Err(JsonError::TooDeep(at)) if at.offset == 3 && at.pointer == "/0/0/0")
    );
    assert!(read("[1,2,3,4,5]").is_ok());
    assert!(matches!(read("[1,2,3,4,5,6]"), Err(JsonError::TooManyNodes(at)) if at.pointer == "/5"));
    assert!(read("\"1234\"").is_ok());
    assert!(matches!(read("\"12345\""), Err(JsonError::StringTooLong(_))));
    assert!(matches!(read("{\"12345\":1}"), Err(JsonError::StringTooLong(_))));
}

#[test]
fn the_limits_of_the_house_hold() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&nested(DEPTH_MAX)).is_ok());
    assert!(matches!(parse(&nested(DEPTH_MAX + 1)), Err(JsonError::TooDeep(_))));
    let boundless = Limits { depth: usize::MAX, ..Limits::default() };
    assert!(Document::parse(nested(DEPTH_CEILING).as_bytes(), &boundless).is_ok());
    assert!(Document::parse(nested(DEPTH_CEILING + 1).as_bytes(), &boundless).is_err());
    let many = |values: usize| format!("[{}]", vec!["1"; values].join(","));
    assert!(parse(&many(NODES_MAX - 1)).is_ok());
    assert!(matches!(parse(&many(NODES_MAX)), Err(JsonError::TooManyNodes(_))));
    let string = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    assert!(parse(&string(STRING_BYTES_MAX)).is_ok());
    assert!(matches!(parse(&string(STRING_BYTES_MAX + 1)), Err(JsonError::StringTooLong(_))));
    let spaced = |bytes: usize| format!("[]{}", " ".repeat(bytes - 2));
    assert!(parse(&spaced(BYTES_MAX)).is_ok());
    assert!(matches!(parse(&spaced(BYTES_MAX + 1)), Err(JsonError::TooManyBytes { .. })));
}

#[test]
fn numbers_may_be_rounded_where_the_caller_says_so() {
    let limits = Limits { numbers: NumberRule::Rounded, ..Limits::default() };
    let read = |text: &'static str| Document::parse(text.as_bytes(), &limits).map(|it| it.root().as_f64());
    assert_eq!(read("0.12345678901234567890123").unwrap(), Some(0.123_456_789_012_345_68));
    assert_eq!(read("18446744073709551616").unwrap(), Some(18_446_744_073_709_551_616.0));
    assert!(matches!(read("1e999"), Err(JsonError::InexactNumber(_))));
}

#[test]
fn a_tape_serves_one_text_after_another() {
    let limits = Limits::default();
    let first = Document::parse(b"[1,2,{\"a\":3}]", &limits).unwrap();
    let second = Document::parse_into(b"{\"b\":true}", &limits, first.into_tape()).unwrap();
    assert_eq!(second.root().get("b").unwrap().as_bool(), Some(true));
    assert_eq!(second.nodes(), 3);
}

#[test]
fn edits_touch_nothing_else() {
    let text = "{ \"a\" : \"one\",  \"b\":[1 , 2,3], \"c\":{} , \"d\":null }";
    let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
    let document = parse(text).unwrap();
    let root = document.root();
    let apply =
        |splices: Vec<Splice>| String::from_utf8(edit::apply(&bytes, splices).unwrap().to_vec()).unwrap();
    assert_eq!(edit::apply(&bytes, Vec::new()).unwrap().as_ptr(), bytes.as_ptr());
    let a = root.get("a").unwrap().span();
    assert_eq!(
        apply(vec![Splice::text(a, "q\"\\\n\u{1}é")]),
        text.replace("\"one\"", "\"q\\\"\\\\\\n\\u0001é\"")
    );
    assert_eq!(
        apply(vec![edit::remove_member(root, "a").unwrap()]),
        "{ \"b\":[1 , 2,3], \"c\":{} , \"d\":null }"
    );
    assert_eq!(
        apply(vec![edit::remove_member(root, "d").unwrap()]),
        "{ \"a\" : \"one\",  \"b\":[1 , 2,3], \"c\":{} }"
    );
    assert_eq!(apply(edit::remove_members(root, |key| key != "b")), "{ \"b\":[1 , 2,3] }");
    assert_eq!(apply(edit::remove_members(root, |_| true)), "{  }");
    let list = root.get("b").unwrap();
    assert_eq!(apply(edit::remove_items(list, |index| index != 1)), text.replace("1 , 2,3", "2"));
    assert_eq!(
        apply(vec![edit::insert_member(root, "z", "9").unwrap()]),
        text.replacen("{ ", "{\"z\":9, ", 1)
    );
    let empty = root.get("c").unwrap();
    assert_eq!(apply(vec![edit::insert_member(empty, "z", "9").unwrap()]), text.replace("{}", "{\"z\":9}"));
    assert_eq!(apply(vec![edit::set_member(root, "d", "[]").unwrap()]), text.replace("null", "[]"));
    assert!(edit::remove_member(root, "x").is_none() && edit::insert_member(list, "x", "1").is_none());
    let overlap = vec![Splice::new(3..6, "x"), Splice::new(5..7, "y")];
    assert_eq!(edit::apply(&bytes, overlap), Err(edit::EditError::Overlap { at: 5 }));
    let outside = edit::apply(&bytes, vec![Splice::new(3..999, "x")]).unwrap_err();
    assert_eq!(
        outside.to_string(),
        format!("edit of bytes 3 to 999 is outside the text of {} bytes", text.len())
    );
}

/// Texts that are nearly JSON.
fn near_json() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d", "\\ude00", "\\u0041", "\"a\"", "\"A\"", "1", "-", "0",
            ".", "e", "9223372036854775808", "true", "false", "null", " ", "\n", "\"\\u0061\"", "é", "1e400", "0.1",
        ]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..3),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Into::into),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            proptest::collection::btree_map("[a-z\\\\\"é\n/~]{0,6}", inner, 0..18)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Equal, but for the last digit: `serde_json` without its feature `float_roundtrip` may miss it.
fn near(ours: Option<f64>, theirs: Option<f64>) -> bool {
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return false };
    (ours - theirs).abs() <= ours.abs() * 1e-15 || ours == theirs
}

/// Whether the two readers saw the same.
fn agree(ours: Value<'_, '_>, theirs: &serde_json::Value) -> bool {
    match theirs {
        serde_json::Value::Null => ours.is_null(),
        serde_json::Value::Bool(it) => ours.as_bool() == Some(*it),
        serde_json::Value::Number(it) if ours.raw() == b"-0" => {
            it.as_f64() == Some(0.0) && ours.as_i64() == Some(0)
        }
        serde_json::Value::Number(it) => {
            ours.as_i64() == it.as_i64()
                && ours.as_u64() == it.as_u64()
                && (it.as_i64().is_some() || it.as_u64().is_some() || near(ours.as_f64(), it.as_f64()))
        }
        serde_json::Value::String(it) => ours.as_str().as_deref() == Some(it) && ours.is_str(it),
        serde_json::Value::Array(items) => {
            ours.kind() == Kind::Array
                && ours.len() == items.len()
                && ours.items().zip(items).all(|(ours, theirs)| agree(ours, theirs))
        }
        serde_json::Value::Object(members) => {
            ours.kind() == Kind::Object
                && ours.len() == members.len()
                && members.iter().all(|(key, theirs)| ours.get(key).is_some_and(|ours| agree(ours, theirs)))
                // First key wins, last key wins and readers without case see one and the same member.
                && ours.entries().all(|entry| {
                    let alike = |other: &Entry<'_, '_>| other.key.to_lowercase() == entry.key.to_lowercase();
                    ours.entries().filter(alike).count() == 1
                })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_accepted_means_the_same_to_others(bytes in near_json()) {
        if let Ok(document) = Document::parse(&bytes, &Limits::default()) {
            let theirs: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert!(agree(document.root(), &theirs));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = Document::parse(&bytes, &Limits::default()) {
            prop_assert!(error.place().is_none_or(|place| place.offset <= bytes.len()));
        }
    }

    #[test]
    fn what_others_write_is_read_alike(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        match parse(&text) {
            Ok(document) => prop_assert!(agree(document.root(), &value), "{}", text),
            Err(error) => prop_assert!(matches!(error, JsonError::CaseKey(_)), "{error}: {}", text),
        }
    }

    #[test]
    fn a_cut_text_is_refused(value in json(), cut in any::<proptest::sample::Index>()) {
        let text = serde_json::to_vec(&serde_json::json!([value])).unwrap();
        prop_assert!(Document::parse(&text[..cut.index(text.len())], &Limits::default()).is_err());
    }

    #[test]
    fn a_string_written_is_a_string_read(text in any::<String>()) {
        let written = edit::encode(&text);
        prop_assert_eq!(parse(&written).unwrap().root().as_str().unwrap(), text.as_str());
        prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }

    #[test]
    fn a_pointer_finds_each_member(value in json()) {
        let text = serde_json::to_string(&value).unwrap();
        if let Ok(document) = parse(&text) {
            for entry in document.root().entries() {
                let mut pointer = String::new();
                super::parse::push_part(&mut pointer, &entry.key);
                prop_assert_eq!(document.pointer(&pointer).unwrap().span(), entry.value.span());
                prop_assert!(value.pointer(&pointer).is_some());
            }
        }
    }

    #[test]
    fn members_removed_leave_the_others(value in json(), keep in any::<u32>()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let Ok(document) = parse(&text) else { return Ok(()) };
        let keys: Vec<String> = document.root().entries().map(|entry| entry.key.into_owned()).collect();
        let unwanted = |key: &str| keys.iter().position(|it| it == key).is_some_and(|at| keep >> (at % 32) & 1 == 0);
        let bytes = bytes::Bytes::copy_from_slice(text.as_bytes());
        let edited = edit::apply(&bytes, edit::remove_members(document.root(), unwanted)).unwrap();
        let after = Document::parse(&edited, &Limits::default()).unwrap();
        let mut wanted = value.clone();
        if let Some(members) = wanted.as_object_mut() {
            members.retain(|key, _| !unwanted(key));
        }
        prop_assert!(agree(after.root(), &wanted));
    }
}
