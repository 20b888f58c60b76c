//! What a request may ask for beside its words: how much, and what runs at the provider.

use super::*;

fn hosted(operation: Operation, text: &str) -> Vec<String> {
    request(operation, text).hosted.into_iter().map(|used| used.resource).collect()
}

#[test]
fn a_limit_of_output_is_never_raised() {
    for (members, after) in [
        (r#","max_tokens":8"#, r#"{"max_tokens":8}"#),
        (r#","max_tokens":800"#, r#"{"max_tokens":100}"#),
        (r#","max_tokens":8,"max_completion_tokens":800"#, r#"{"max_tokens":8,"max_completion_tokens":100}"#),
        (
            r#","max_tokens":null,"max_completion_tokens":8"#,
            r#"{"max_tokens":null,"max_completion_tokens":8}"#,
        ),
        ("", r#"{"max_completion_tokens":100}"#),
    ] {
        let text = format!(r#"{{"model":"m","messages":[]{members}}}"#);
        let view = request(Operation::ChatCompletions, &text);
        let mut wanted: serde_json::Value = serde_json::from_str(after).unwrap();
        wanted["model"] = "m".into();
        wanted["messages"] = serde_json::json!([]);
        assert_eq!(edited(&text, view.output_limit().at_most(100)), wanted, "{members}");
    }
}

#[test]
fn what_runs_at_the_provider_is_told_once() {
    let part = r#"{"type":"image_url","image_url":{"url":"https://a.example/i.png"}},"#;
    let text = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":[{}{{"type":"text","text":"x"}}]}}]}}"#,
        part.repeat(5_000)
    );
    assert_eq!(hosted(Operation::ChatCompletions, &text), ["hosted/openai/url"]);
}

#[test]
fn so_many_things_may_run_at_the_provider_and_not_one_more() {
    let text = |count: usize| {
        let tools: Vec<String> = (0..count).map(|at| format!(r#"{{"type":"kind{at}x"}}"#)).collect();
        format!(r#"{{"model":"m","input":"x","tools":[{}]}}"#, tools.join(","))
    };
    assert_eq!(request(Operation::Responses, &text(64)).hosted.len(), 64);
    let one_past = text(65);
    let refused = RequestView::read(Operation::Responses, &document(&one_past)).unwrap_err();
    assert_eq!(refused.to_string(), "it asks for more than 64 things that run or are kept at the provider");
}

#[test]
fn a_member_that_is_not_known_is_a_feature_of_the_provider() {
    use Operation as O;
    for (operation, text) in [
        (
            O::ChatCompletions,
            r#"{"model":"m","messages":[],"models":["other"],"extra":{"a":1},"temperature":1,"top_k":3,"seed":7,"absent":null}"#,
        ),
        (
            O::Responses,
            r#"{"model":"m","input":"x","models":["other"],"extra":0,"max_tool_calls":3,"metadata":{}}"#,
        ),
        (O::Embeddings, r#"{"model":"m","input":"x","models":"other","extra":false,"dimensions":3}"#),
        (
            O::Messages,
            r#"{"model":"m","messages":[],"models":[],"extra":"y","max_tokens":9,"top_k":3,"stop_sequences":[]}"#,
        ),
        (O::CountTokens, r#"{"model":"m","messages":[],"models":{},"extra":1.5,"system":"x"}"#),
    ] {
        let provider = operation.provider().as_str();
        let wanted = ["models", "extra"].map(|member| format!("hosted/{provider}/member.{member}"));
        assert_eq!(hosted(operation, text), wanted, "{operation:?}");
    }
    // What is known is none.
    for (operation, text) in [
        (O::ChatCompletions, super::requests::CHAT),
        (O::Messages, super::requests::MESSAGES),
        (O::Responses, super::requests::RESPONSES),
    ] {
        assert!(!hosted(operation, text).iter().any(|used| used.contains("member.")), "{operation:?}");
    }
}

#[test]
fn long_numbers_are_text() {
    let text = r#"{"model":"m","messages":[{"role":"assistant","content":[
        {"type":"tool_use","id":"t","name":"pay","input":{"pan":4242424242424242,"n":[-4242424242424242,42],
        "same":4.242424242424242e15,"also":4242424242424242.0,"part":4242424242424242.5,"short":123456789012,"long":12345678901234567890}}]}],
        "max_tokens":9}"#;
    let view = request(Operation::Messages, text);
    let numbers: Vec<_> = view.segments.iter().filter(|it| !text[it.span.clone()].starts_with('"')).collect();
    assert_eq!(numbers.len(), 4, "{numbers:?}");
    assert!(numbers.iter().all(|it| it.text == "4242424242424242" && it.part() == Part::ToolArguments));
    let hidden = numbers.iter().map(|it| Splice::text(it.span.clone(), "[card]")).collect();
    let after = edited(text, hidden);
    assert_eq!(after["messages"][0]["content"][0]["input"]["n"], serde_json::json!(["[card]", 42]));
    let tool = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"pan":4242424242424242}}}"#;
    let document = document(tool);
    let view = crate::mcp::CallView::read(&document).unwrap();
    assert!(view.segments.iter().any(|it| it.text == "4242424242424242"));
}
