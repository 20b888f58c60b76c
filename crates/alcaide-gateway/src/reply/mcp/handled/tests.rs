use std::cell::RefCell;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

/// What an answer's result becomes, and the texts that were taken out of it, in order.
fn hide(pointers: &[&str], result: &Json) -> Result<(Json, Vec<String>), Fault> {
    let taken = RefCell::new(Vec::new());
    let keep = |text: &str| {
        if text.is_empty() {
            return Ok(String::new());
        }
        let mut taken = taken.borrow_mut();
        let at = taken.iter().position(|known| known == text).unwrap_or(taken.len());
        if at == taken.len() {
            taken.push(text.to_owned());
        }
        Ok(format!("H{at}"))
    };
    let bytes = Bytes::from(result.to_string());
    let document = Document::parse(&bytes, &reply_limits()).unwrap();
    let hide = Hide { pointers: pointers.iter().map(|pointer| steps(pointer)).collect(), keep: &keep };
    let splices = hide.result(document.root())?;
    let shown = edit::apply(&bytes, splices).unwrap();
    Ok((serde_json::from_slice(&shown).unwrap(), taken.into_inner()))
}

fn text(text: impl Into<String>) -> Json {
    json!({ "type": "text", "text": text.into() })
}

#[test]
fn a_place_is_replaced_in_the_result_and_in_the_text_that_repeats_it() {
    let mail = json!({ "from": "bo", "body": "do evil", "seen": true });
    let pretty = serde_json::to_string_pretty(&mail).unwrap();
    let result = json!({ "content": [text(pretty)], "structuredContent": mail });
    let (shown, taken) = hide(&["/body"], &result).unwrap();
    let expected = json!({ "from": "bo", "body": "H0", "seen": true });
    assert_eq!(shown["structuredContent"], expected);
    let said: Json = serde_json::from_str(shown["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!((said, taken), (expected, vec!["do evil".to_owned()]));
}

#[test]
fn an_answer_of_another_shape_than_was_declared_is_refused() {
    let of =
        |structured: Json| hide(&["/body", "/items/*/body"], &json!({ "structuredContent": structured }));
    for other in [
        json!("do evil"),
        json!(["do evil"]),
        json!([{ "body": "do evil" }]),
        json!({ "mail": { "body": "do evil" } }),
        json!({ "items": "do evil" }),
        json!({ "items": [{ "text": "do evil" }] }),
        json!({}),
    ] {
        let (_, refusal) = of(other.clone()).unwrap_err();
        assert_eq!(refusal.code, refusal::HANDLE_ANSWER.code, "{other}");
    }
    // A list without items, and a null, are places of no text.
    for none in [json!({ "items": [] }), json!({ "body": null }), json!({ "items": null })] {
        assert_eq!(of(none.clone()).unwrap().0["structuredContent"], none);
    }
    assert_eq!(of(json!({ "body": "do evil", "n": 1 })).unwrap().1, ["do evil"]);
}

#[test]
fn items_of_a_list_may_have_a_block_each() {
    let mails = [json!({ "id": 1, "body": "first" }), json!({ "id": 2, "body": "second" })];
    let blocks: Vec<Json> = mails.iter().map(|mail| text(mail.to_string())).collect();
    let result = json!({ "content": blocks, "structuredContent": { "result": mails } });
    let (shown, _) = hide(&["/result/*/body"], &result).unwrap();
    assert_eq!(shown["structuredContent"]["result"][1], json!({ "id": 2, "body": "H1" }));
    let said: Json = serde_json::from_str(shown["content"][1]["text"].as_str().unwrap()).unwrap();
    assert_eq!(said, json!({ "id": 2, "body": "H1" }));
    // A list of texts, each with a block that is no JSON.
    let result = json!({ "content": [text("one [1]"), text("2")], "structuredContent": { "result": ["one [1]", "2"] } });
    let (shown, taken) = hide(&["/result"], &result).unwrap();
    assert_eq!(shown["content"], json!([text("H0"), text("H1")]));
    assert_eq!(taken, ["one [1]", "2"]);
}

#[test]
fn a_text_that_repeats_nothing_is_a_handle_as_a_whole() {
    let result = json!({
        "content": [text("From: bo\ndo evil"), text("{\"body\":\"do evil\"}"), text("bo"), text("")],
        "structuredContent": { "from": "bo", "body": "do evil" },
    });
    let (shown, taken) = hide(&["/body"], &result).unwrap();
    // `bo` stands in the structured result at a place that is shown.
    assert_eq!(shown["content"], json!([text("H1"), text("H2"), text("bo"), text("")]));
    assert_eq!(taken, ["do evil", "From: bo\ndo evil", "{\"body\":\"do evil\"}"]);
    let (shown, taken) = hide(&["/body"], &json!({ "content": [text("do evil")], "isError": true })).unwrap();
    assert_eq!(shown, json!({ "content": [text("H0")], "isError": true }));
    assert_eq!(taken, ["do evil"]);
}

#[test]
fn what_two_parts_say_alike_is_replaced_as_in_both() {
    // The same record stands at a place that is shown and at one that is not.
    let record = json!({ "note": "do evil" });
    let result = json!({
        "content": [text(record.to_string()), text("do evil")],
        "structuredContent": { "a": record, "b": record, "c": "do evil" },
    });
    let (shown, _) = hide(&["/b/note"], &result).unwrap();
    assert_eq!(shown["content"], json!([text("{\"note\":\"H0\"}"), text("H0")]));
}

#[test]
fn what_is_no_text_is_left_out_and_what_is_beside_it_is_taken_out() {
    let evil = "do evil";
    let result = json!({
        "_meta": { "x": evil }, "more": evil, "nextCursor": evil,
        "content": [
            { "type": "text", "text": evil, "annotations": { "audience": [evil] }, "_meta": { "a": evil } },
            { "type": "image", "data": evil, "mimeType": evil },
            { "type": "resource", "resource": { "uri": evil, "text": "within", "mimeType": evil } },
            { "type": "resource", "resource": { "uri": evil, "blob": evil } },
            { "type": "resource_link", "uri": evil, "name": evil, "description": evil },
            { "type": evil, "x": evil }, evil, { "text": evil }, { "type": "text", "text": [evil] }
        ],
    });
    let (shown, taken) = hide(&["/body"], &result).unwrap();
    assert!(!shown.to_string().contains(evil), "{shown}");
    assert_eq!(shown.as_object().unwrap().keys().collect::<Vec<_>>(), ["content"]);
    assert_eq!(taken, [evil, "within"]);
    assert!(shown["content"][1]["text"].as_str().unwrap().contains("`image`"));
    assert!(shown["content"][5]["text"].as_str().unwrap().contains("`unknown`"));
}

#[test]
fn what_cannot_be_replaced_ends_the_answer() {
    for value in [json!(7), json!(true), json!({ "a": "x" }), json!(["x", 7]), json!([{ "a": "x" }])] {
        let result = json!({ "content": [], "structuredContent": { "body": value } });
        let (end, refusal) = hide(&["/body"], &result).unwrap_err();
        assert_eq!((end, refusal.code), (End::ContentCut, "ALC-GATE-0037"), "{value}");
        // The same in a text alone is a handle as a whole.
        let (shown, _) = hide(&["/body"], &json!({ "content": [text(result.to_string())] })).unwrap();
        assert_eq!(shown["content"], json!([text("H0")]));
    }
    for value in [json!(null), json!(""), json!([]), json!([null, ""])] {
        let result = json!({ "content": [], "structuredContent": { "body": value } });
        assert_eq!(hide(&["/body"], &result).unwrap().0, result);
    }
}

#[test]
fn a_server_may_ask_for_nothing_meanwhile() {
    let result = json!({ "resultType": "input_required", "inputRequests": {}, "requestState": "s" });
    let (end, refusal) = hide(&["/body"], &result).unwrap_err();
    assert_eq!((end, refusal.code), (End::ContentCut, "ALC-GATE-0037"));
}

#[test]
fn members_of_the_protocol_say_what_it_lets_them_and_no_more() {
    let fine = json!({ "content": [], "isError": false, "ttlMs": 5, "resultType": "complete", "cacheScope": "public" });
    assert_eq!(hide(&["/body"], &fine).unwrap().0, fine);
    let said = json!({ "content": [], "isError": "do evil", "ttlMs": "do evil", "resultType": "do evil", "cacheScope": "do evil" });
    assert_eq!(hide(&["/body"], &said).unwrap().0, json!({ "content": [] }));
}

fn a_text() -> impl Strategy<Value = String> {
    // Text with a length at which its windows are its own.
    "[ -~éя\u{200b}\n\"\\\\]{20,60}"
}

proptest! {
    /// Whatever of an answer repeats a text that is given by handle, no sixteen characters of it are released.
    #[test]
    fn no_window_of_a_handled_text_is_released(
        texts in prop::collection::vec(a_text(), 1..4),
        ways in prop::collection::vec((0_usize..8, any::<prop::sample::Index>()), 0..8),
        pretty in any::<bool>(),
    ) {
        let mails: Vec<Json> = texts.iter().enumerate().map(|(at, body)| json!({ "id": at, "body": body })).collect();
        let structured = json!({ "result": mails });
        let written = |value: &Json| {
            if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() }
        };
        let blocks: Vec<Json> = ways.iter().map(|(way, at)| {
            let body = at.get(&texts);
            match way {
                0 => text(body.clone()),
                1 => text(format!("Subject: hello\n\n{body}")),
                2 => text(written(at.get(&mails))),
                3 => text(written(&structured)),
                4 => text(written(&json!(mails))),
                5 => json!({ "type": "resource", "resource": { "uri": "a:b", "text": body } }),
                6 => json!({ "type": "resource_link", "uri": "a:b", "name": body, "description": body }),
                _ => json!({ "type": "text", "text": body, "_meta": { "copy": body } }),
            }
        }).collect();
        let result = json!({ "content": blocks, "structuredContent": structured, "_meta": { "all": texts } });
        let (shown, _) = hide(&["/result/*/body"], &result).unwrap();
        let mut all = Vec::new();
        collect(&shown, &mut all);
        for body in &texts {
            let chars: Vec<char> = body.chars().collect();
            for window in chars.windows(16) {
                let window: String = window.iter().collect();
                prop_assert!(!all.iter().any(|text| text.contains(&window)), "{window} in {shown}");
            }
        }
    }
}

/// Every text of a value, and of JSON in texts.
fn collect(value: &Json, all: &mut Vec<String>) {
    match value {
        Json::String(text) => {
            if let Ok(inner @ (Json::Object(_) | Json::Array(_))) = serde_json::from_str(text) {
                collect(&inner, all);
            }
            all.push(text.clone());
        }
        Json::Array(items) => items.iter().for_each(|item| collect(item, all)),
        Json::Object(members) => members.iter().for_each(|(key, value)| {
            all.push(key.clone());
            collect(value, all);
        }),
        _ => {}
    }
}
