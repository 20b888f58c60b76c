//! What a question about a tool call is about: all that reaches the server but what differs in any retry.

use serde_json::{Value, json};

use crate::asks::{EVA, PEOPLE};
use crate::house::*;
use crate::messages::{call, message, session};

#[tokio::test]
async fn a_question_about_a_tool_is_about_all_that_the_server_reads() {
    let server = Puppet::start(|_, _| None).await;
    let ask = "@ask(\"approver\") @reason(\"a person looks at it first\")\n\
               forbid (principal, action in Alcaide::Action::\"call_tool\", resource);";
    let house = server.setup().start().await;
    let token = house.token(HAND).await;
    let id = session(&house, "/mcp/small", &token).await;
    let list = call(2, "tools/list", json!({}));
    send(house.address, message("/mcp/small", &token, &list, &[("mcp-session-id", &id)])).await.text().await;
    let asking = server.setup().policy("ask", ask).plan(&house.master);
    let mut plan = house.plan.clone();
    plan.number = alcaide_inventory::PlanNumber(3);
    plan.policies = asking.policies;
    plan.tools = house.accepted();
    house.gate.adopt(&plan).unwrap();
    let question = async |request: u64, params: Value| {
        let body = call(request, "tools/call", params);
        let answer =
            send(house.address, message("/mcp/small", &token, &body, &[("mcp-session-id", &id)])).await;
        let question = answer.header("alcaide-approval").to_owned();
        assert!(question.starts_with("apr_"), "{}", answer.text().await);
        question
    };
    let plain = json!({ "name": "look", "arguments": { "at": 1 } });
    let with = |key: &str, value: Value| {
        let mut params = plain.clone();
        params[key] = value;
        params
    };
    let first = question(3, plain.clone()).await;
    // A retry has another id and another progress token, and its client may say of itself what it likes.
    assert_eq!(question(4, plain.clone()).await, first);
    let own = json!({ "progressToken": "p", "io.modelcontextprotocol/clientInfo": { "name": "other", "version": "1" } });
    assert_eq!(question(5, with("_meta", own)).await, first);
    // Whoever was told which question it is may name it.
    let named = json!({ "approval_id": first, "alcaide/approval_id": first, "progressToken": 7 });
    assert_eq!(question(5, with("_meta", named)).await, first);
    let others = [
        with("_meta", json!({ "approval_id": 5 })),
        with("_meta", json!({ "approval_id": "PO-7" })),
        with("arguments", json!({ "at": 2 })),
        with("_meta", json!({ "house/amount": 5 })),
        with("_meta", json!({ "house/amount": 6 })),
        with("task", json!({ "ttl": 60 })),
        with("house/amount", json!(5)),
        with("inputResponses", json!({ "agree": { "action": "accept" } })),
    ];
    let mut seen = vec![first];
    for (at, params) in (6..).zip(others) {
        let other = question(at, params.clone()).await;
        assert!(!seen.contains(&other), "{params}");
        seen.push(other);
    }
}

#[tokio::test]
async fn a_question_is_named_to_the_gate_and_to_no_server() {
    let (tell, mut told) = tokio::sync::mpsc::channel(8);
    let server = Puppet::start(move |_, message| {
        if message["method"] == "tools/call" {
            tell.try_send(message.clone()).unwrap();
        }
        None
    });
    let server = server.await;
    let house = server.setup().with(PEOPLE).start().await;
    let token = house.token(HAND).await;
    let id = session(&house, "/mcp/small", &token).await;
    let post = async |body: Value| {
        let answer =
            send(house.address, message("/mcp/small", &token, &body, &[("mcp-session-id", &id)])).await;
        serde_json::from_str::<Value>(&answer.text().await).unwrap()
    };
    post(call(2, "tools/list", json!({}))).await;
    let ask = "@ask(\"approver\") @reason(\"a person looks at it first\")\n\
               forbid (principal, action in Alcaide::Action::\"call_tool\", resource);";
    let asking = server.setup().with(PEOPLE).policy("ask", ask).plan(&house.master);
    let mut plan = house.plan.clone();
    plan.number = alcaide_inventory::PlanNumber(3);
    plan.policies = asking.policies;
    plan.tools = house.accepted();
    house.gate.adopt(&plan).unwrap();
    let look = |meta: Value| {
        call(3, "tools/call", json!({ "name": "look", "arguments": { "at": 1 }, "_meta": meta }))
    };
    let refused = post(look(json!({ "progressToken": 7 }))).await;
    let data = &refused["error"]["data"];
    assert_eq!(data["code"], "ALC-GATE-0022");
    let asked = data["approval_id"].as_str().unwrap().to_owned();
    assert!(data["help"].as_str().unwrap().contains(&asked), "{refused}");
    house.approve(EVA, &house.question(1).await).await;
    let named = json!({ "approval_id": asked, "progressToken": 7, "house/amount": "x", "alcaide/approval_id": asked });
    let refused = post(look(named.clone())).await;
    assert_eq!(refused["error"]["data"]["code"], "ALC-GATE-0022", "another call: {refused}");
    let mut named = named;
    named.as_object_mut().unwrap().remove("house/amount");
    let passed = post(look(named)).await;
    assert_eq!(passed["result"]["content"][0]["text"], "seen", "{passed}");
    let arrived = told.recv().await.unwrap();
    assert_eq!(arrived["params"]["_meta"], json!({ "progressToken": 7 }));
    assert_eq!(arrived["params"]["arguments"], json!({ "at": 1 }));
    assert!(told.try_recv().is_err(), "once");
}
