//! What a question about a tool call is about: all that reaches the server but what differs in any retry.

use serde_json::{Value, json};

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
    let others = [
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
