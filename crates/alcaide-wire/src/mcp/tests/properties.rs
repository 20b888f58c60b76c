//! What holds for every message.

use proptest::prelude::*;

use super::*;
use crate::json::{Kind, Value};
use crate::jsonrpc::Message;

/// Longest string that may be left out as a word of the protocol, quotes included.
const WORD: usize = 130;

/// Every string below the members of the envelope that is longer than a word is a segment or opaque.
pub(super) fn assert_covered(root: Value<'_, '_>, segments: &[Segment<'_>], opaque: &[Opaque]) {
    let within = |span: &std::ops::Range<usize>| {
        segments.iter().any(|segment| segment.span == *span)
            || opaque.iter().any(|part| part.span.start <= span.start && span.end <= part.span.end)
    };
    let mut open: Vec<_> = ["params", "result", "error"].iter().filter_map(|key| root.get(key)).collect();
    while let Some(value) = open.pop() {
        if value.kind() == Kind::String && value.span().len() > WORD {
            assert!(within(&value.span()), "{}", String::from_utf8_lossy(value.raw()));
        }
        for entry in value.entries() {
            assert!(entry.key_span.len() <= WORD || within(&entry.key_span), "{}", entry.key);
        }
        open.extend(value.items());
        open.extend(value.entries().map(|entry| entry.value));
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", Just("x".repeat(140)), "\\PC{0,8}", Just("\u{200b}\u{e0041}".to_owned())]
}

/// JSON whose keys are those that the protocol knows, so that values of every kind meet every member.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        text().prop_map(|text| edit::encode(&text)),
        Just("null".to_owned()),
        Just("true".to_owned()),
        (-9_i32..9).prop_map(|number| number.to_string()),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![
            prop::sample::select(vec![
                "name",
                "uri",
                "arguments",
                "_meta",
                "content",
                "type",
                "text",
                "data",
                "resource",
                "blob",
                "tools",
                "prompts",
                "messages",
                "contents",
                "inputRequests",
                "inputResponses",
                "requestState",
                "resultType",
                "structuredContent",
                "isError",
                "cursor",
                "nextCursor",
                "params",
                "method",
                "description",
                "inputSchema",
                "annotations",
                "completion",
                "values",
                "roots",
                "action",
                "progressToken",
                "io.modelcontextprotocol/protocolVersion",
                "io.modelcontextprotocol/clientCapabilities",
                "instructions",
                "capabilities",
                "message",
                "url",
            ])
            .prop_map(str::to_owned),
            Just("k".repeat(140)),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(key, inner, 0..5).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("{}:{value}", edit::encode(key))).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn method() -> impl Strategy<Value = String> {
    let known = [
        "initialize",
        "server/discover",
        "ping",
        "tools/list",
        "tools/call",
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "subscriptions/listen",
        "completion/complete",
        "logging/setLevel",
        "sampling/createMessage",
        "elicitation/create",
        "roots/list",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/message",
        "notifications/resources/updated",
        "vendor/thing",
    ];
    prop::sample::select(known.to_vec()).prop_map(str::to_owned)
}

fn object() -> impl Strategy<Value = String> {
    json().prop_map(|value| if value.starts_with('{') { value } else { format!("{{\"content\":{value}}}") })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(document) = Document::parse(&bytes, &Limits::default()) {
            let _ = Message::read(&document);
            let _ = CallView::read(&document);
            let _ = ResultView::read(Method::ToolsCall, &document);
            let _ = ParamHeaders::of(document.root());
            let _ = pin_input(document.root());
        }
        let _ = decode_value(&bytes);
        let _ = Accept::read([&bytes[..]]);
        let _ = (is_json(&bytes), session_id(&bytes));
    }

    #[test]
    fn no_text_of_a_call_passes_unseen(method in method(), params in object(), request in any::<bool>()) {
        let id = if request { "\"id\":1," } else { "" };
        let text = format!("{{\"jsonrpc\":\"2.0\",{id}\"method\":\"{method}\",\"params\":{params}}}");
        let document = document(&text);
        if let Ok(view) = CallView::read(&document) {
            assert_covered(document.root(), &view.segments, &view.opaque);
        }
    }

    #[test]
    fn no_text_of_a_result_passes_unseen(method in method(), result in object()) {
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{result}}}");
        let document = document(&text);
        if let Ok(view) = ResultView::read(Method::parse(&method), &document) {
            assert_covered(document.root(), &view.segments, &view.opaque);
        }
    }

    #[test]
    fn header_values_come_back(text in "\\PC{0,20}|[ -~]{0,20}|=\\?base64\\?[a-z]{0,4}\\?=") {
        let coded = encode_value(&text);
        prop_assert!(coded.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
        prop_assert_eq!(coded.trim(), coded.as_ref());
        prop_assert_eq!(decode_value(coded.as_bytes()).unwrap(), text.as_str());
    }

    #[test]
    fn headers_made_from_a_call_agree_with_it_and_with_no_other_name(name in "\\PC{1,20}", other in "\\PC{1,20}") {
        let text = stateless("tools/call", &format!(",\"name\":{}", edit::encode(&name)));
        let mut view = call(&text);
        let made = pairs(&headers_for(&view, None));
        let given = || made.iter().map(|(header, value)| (*header, value.as_slice()));
        prop_assert_eq!(check_headers(&view, given()), Ok(Some(Revision::V2026_07_28)));
        // Renamed: the old headers no longer agree, new ones do, with the view and with the bytes.
        let splice = view.rename(&other).unwrap();
        prop_assert_eq!(check_headers(&view, given()).is_ok(), name == other);
        let edited = apply(&text, vec![splice]);
        let made = pairs(&headers_for(&view, None));
        let given = made.iter().map(|(header, value)| (*header, value.as_slice()));
        prop_assert!(check_headers(&call(&edited), given).is_ok());
        let wanted = text.replacen(&format!(",\"name\":{}", edit::encode(&name)), &format!(",\"name\":{}", edit::encode(&other)), 1);
        prop_assert_eq!(edited, wanted);
    }

    #[test]
    fn meta_is_set_and_removed_and_the_rest_stays(
        params in object(),
        sets in prop::collection::btree_map("[a-e]", prop::option::of(0_u8..9), 0..4),
        had in prop::option::of(prop::collection::btree_map("[a-e]", 10_u8..19, 0..4)),
    ) {
        // Parameters with a `_meta` of our making, or none.
        let mut value: serde_json::Value = serde_json::from_str(&params).unwrap();
        value.as_object_mut().unwrap().remove("_meta");
        if let Some(had) = &had {
            value["_meta"] = serde_json::to_value(had).unwrap();
        }
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vendor/x\",\"params\":{value}}}");
        let held: Vec<_> = sets.iter().map(|(key, set)| (key.as_str(), set.map(|set| set.to_string()))).collect();
        let changes: Vec<_> = held.iter().map(|(key, set)| (*key, set.as_deref())).collect();
        let document = document(&text);
        let Ok(mut view) = CallView::read(&document) else { return Ok(()) };
        let edited = apply(&text, view.set_meta(&document, &changes));
        let after: serde_json::Value = serde_json::from_str(&edited).unwrap();
        let mut wanted = had.clone().unwrap_or_default();
        for (key, set) in &sets {
            match set {
                Some(set) => { wanted.insert(key.clone(), *set); }
                None => { wanted.remove(key); }
            }
        }
        let given = after["params"].get("_meta").cloned().unwrap_or_else(|| serde_json::json!({}));
        prop_assert_eq!(given, serde_json::to_value(&wanted).unwrap());
        let mut rest = after["params"].clone();
        rest.as_object_mut().unwrap().remove("_meta");
        value.as_object_mut().unwrap().remove("_meta");
        prop_assert_eq!(rest, value);
    }

    #[test]
    fn a_pin_does_not_depend_on_order_or_space(value in object()) {
        let tool = format!("{{\"name\":\"a\",\"inputSchema\":{value}}}");
        let parsed: serde_json::Value = serde_json::from_str(&tool).unwrap();
        let other = serde_json::to_string_pretty(&parsed).unwrap();
        let pin = pin_input(document(&tool).root());
        prop_assert_eq!(&pin, &pin_input(document(&other).root()));
        // And it is its own canonical form.
        let text = String::from_utf8(pin.clone()).unwrap();
        prop_assert_eq!(pin, pin_input(document(&text).root()));
    }
}
