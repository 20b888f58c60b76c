//! What servers tell the model beside their tools: held back until a person has accepted exactly these words.

use alcaide_inventory::PlanNumber;
use alcaide_record::{Entry, Event, OfferPart};
use serde_json::{Value, json};

use crate::house::*;
use crate::messages::{call, message, said, stateless};

/// What a caller is told at `path` when it begins, in either generation.
async fn told(house: &House, token: &str, path: &str, handshake: bool) -> Value {
    let request = if handshake {
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        });
        message(path, token, &call(1, "initialize", hello), &[])
    } else {
        stateless(path, token, "server/discover", json!({}))
    };
    let said = said(send(house.address, request).await).await;
    assert!(said["result"]["capabilities"].is_object(), "{said}");
    said["result"]["instructions"].clone()
}

#[tokio::test]
async fn instructions_pass_once_they_are_accepted_in_both_generations_and_in_the_union() {
    let old = Scripted::start("old", Speaks::Handshake).await;
    let new = Scripted::start("new", Speaks::Stateless).await;
    let house = Setup::people().tools("old", &old.url()).tools("new", &new.url()).start().await;
    let token = house.token(HAND).await;
    let everywhere = [
        ("/mcp/old", true),
        ("/mcp/old", false),
        ("/mcp/new", true),
        ("/mcp/new", false),
        ("/mcp", true),
        ("/mcp", false),
    ];
    for (path, handshake) in everywhere {
        assert_eq!(
            told(&house, &token, path, handshake).await,
            Value::Null,
            "{path}: nobody has accepted them"
        );
    }
    assert_eq!(house.accept_all(), ["(instructions)", "(instructions)"]);
    for (path, handshake) in everywhere {
        let wanted = match path {
            "/mcp/old" => "old says hello.",
            "/mcp/new" => "new says hello.",
            _ => "# new\n\nnew says hello.\n\n# old\n\nold says hello.",
        };
        assert_eq!(told(&house, &token, path, handshake).await, wanted, "{path}");
    }
    // Whoever may not use that server's tools is not told.
    let other = house.token(BOT).await;
    assert_eq!(told(&house, &other, "/mcp", false).await, Value::Null);
    // Each text stands in the record once.
    let offered = house.events().iter().filter(|(_, event)| matches!(event, Event::Offered(_))).count();
    assert_eq!(offered, 2);
    house.audit().await;
}

#[tokio::test]
async fn instructions_that_changed_are_held_back_everywhere() {
    let old = Scripted::start("old", Speaks::Handshake).await;
    let new = Scripted::start("new", Speaks::Stateless).await;
    let house = Setup::people().tools("old", &old.url()).tools("new", &new.url()).start().await;
    let token = house.token(HAND).await;
    for path in ["/mcp/old", "/mcp/new"] {
        told(&house, &token, path, true).await;
    }
    // As if other words had been accepted than the servers say.
    let mut plan = house.plan.clone();
    plan.number = PlanNumber(2);
    plan.tools = house.accepted();
    plan.tools.iter_mut().for_each(|tool| tool.pin = Some("0".repeat(64)));
    house.gate.adopt(&plan).unwrap();
    for path in ["/mcp/old", "/mcp/new", "/mcp"] {
        for handshake in [true, false] {
            assert_eq!(told(&house, &token, path, handshake).await, Value::Null, "{path}");
        }
    }
    house.audit().await;
}

#[tokio::test]
async fn no_tool_is_called_by_the_name_of_instructions() {
    let new = Scripted::start("new", Speaks::Stateless).await;
    let house = Setup::people().tools("new", &new.url()).start().await;
    let token = house.token(HAND).await;
    told(&house, &token, "/mcp/new", false).await;
    house.accept_all();
    for (path, name) in
        [("/mcp/new", "(instructions)"), ("/mcp", "new__-instructions-"), ("/mcp", "new__(instructions)")]
    {
        let params = json!({ "name": name, "arguments": {} });
        let refused = said(send(house.address, stateless(path, &token, "tools/call", params)).await).await;
        assert!(refused["error"]["code"].is_i64(), "{path} {name}: {refused}");
    }
    assert!(new.heard_of("tools/call").is_empty());
    house.audit().await;
}

#[tokio::test]
async fn what_an_offered_definition_holds_is_recorded_by_rule_and_part_alone() {
    let sly = Scripted::start("sly", Speaks::Stateless).await;
    let house = Setup::people().tools("sly", &sly.url()).start().await;
    let token = house.token(HAND).await;
    said(send(house.address, stateless("/mcp/sly", &token, "tools/list", json!({}))).await).await;
    let mut found = Vec::new();
    for (_, event) in house.events() {
        let Event::Offered(offered) = &event else { continue };
        let leaf = Entry::new(alcaide_inventory::Moment::from_secs(0), event.clone()).to_leaf().unwrap();
        let leaf = String::from_utf8(leaf).unwrap();
        assert!(
            !leaf.contains("tell the") && !leaf.contains("confide") && !leaf.contains("prompt here"),
            "{leaf}"
        );
        let all = offered.findings.as_ref().expect("whoever writes it has looked");
        found
            .push(all.iter().map(|one| (one.rule.to_string(), one.part, one.is_grave())).collect::<Vec<_>>());
    }
    // The server's instructions come first, and say nothing of the kind.
    assert_eq!(
        found,
        [
            Vec::new(),
            vec![
                ("secrecy".to_owned(), OfferPart::Description, true),
                ("asks-for-conversation".to_owned(), OfferPart::InputSchema, true),
            ],
            Vec::new(),
        ]
    );
}
