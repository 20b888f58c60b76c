//! No string of a body gets past the walk: a long canary put in the place of any string, in a new member of
//! any object, or as the key of one, turns up in a segment, in an opaque part or in the model.

use serde_json::Value as Json;

use super::*;

/// Longer than any word of a protocol.
fn canary() -> String {
    "canary ".repeat(30)
}

/// Every body that comes of `body` by putting the canary in one place.
fn infected(body: &Json) -> Vec<String> {
    fn places(value: &Json, pointer: &str, found: &mut Vec<(String, bool)>) {
        match value {
            Json::String(_) => found.push((pointer.to_owned(), false)),
            Json::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| places(item, &format!("{pointer}/{index}"), found));
            }
            Json::Object(members) => {
                found.push((pointer.to_owned(), true));
                members.iter().for_each(|(key, value)| places(value, &format!("{pointer}/{key}"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    places(body, "", &mut found);
    let mut bodies = Vec::new();
    for (pointer, object) in found {
        let variants: &[&str] = if object { &["member", "key", "deep"] } else { &["string"] };
        for variant in variants {
            let mut body = body.clone();
            let place = body.pointer_mut(&pointer).unwrap();
            match *variant {
                "member" => place["unheard_of"] = canary().into(),
                "deep" => place["unheard_of"] = serde_json::json!([{"x": [canary()]}]),
                "key" => place[canary()] = 1.into(),
                _ => *place = canary().into(),
            }
            bodies.push(body.to_string());
        }
    }
    bodies
}

fn seen(text: &str, segments: &[Segment<'_>], opaque: &[Opaque], model: Option<&str>) -> bool {
    let at = text.find(&canary()).unwrap();
    segments.iter().any(|it| it.text.contains(&canary()))
        || opaque.iter().any(|it| it.span.contains(&at))
        || model.is_some_and(|model| model.contains(&canary()))
}

#[test]
fn nothing_in_a_request_is_overlooked() {
    for (operation, text) in [
        (Operation::ChatCompletions, requests::CHAT),
        (Operation::Messages, requests::MESSAGES),
        (Operation::Responses, requests::RESPONSES),
        (Operation::Embeddings, r#"{"model":"m","input":["a",["b"]],"encoding_format":"float"}"#),
    ] {
        for body in infected(&serde_json::from_str(text).unwrap()) {
            let view = request(operation, &body);
            assert!(
                seen(&body, &view.segments, &view.opaque, Some(&view.model.name)),
                "{operation:?} {body}"
            );
        }
    }
}

#[test]
fn nothing_in_a_reply_or_stream_is_overlooked() {
    for (operation, stream) in [
        (Operation::ChatCompletions, streams::CHAT),
        (Operation::Messages, streams::MESSAGES),
        (Operation::Responses, streams::RESPONSES),
    ] {
        for event in events(stream) {
            let Ok(body) = serde_json::from_slice::<Json>(event.data().unwrap()) else { continue };
            for body in infected(&body) {
                let event = events(&format!("data: {body}\n\n")).remove(0);
                let mut view = StreamView::new(operation, false, Limits::default());
                let read = view.read(&event).unwrap();
                let found = seen(&body, &read.deltas, &read.opaque, read.model.as_deref());
                assert!(found || read.unknown, "{operation:?} {body}");
                // The same texts in a reply: events are not replies, but nothing of them may be overlooked
                // either.
                let whole = reply(operation, &body);
                assert!(
                    seen(&body, &whole.segments, &whole.opaque, whole.model.as_deref()),
                    "{operation:?} {body}"
                );
            }
        }
    }
}
