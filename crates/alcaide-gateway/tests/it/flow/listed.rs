//! An agent lists the calls that it is about to make: each is judged as it will be, nothing is sent, and the later calls find
//! the questions and their answers.

use alcaide_inventory::id::HumanId;

use super::*;

const ANA: HumanId = HumanId::from_bits(1);
const THEIRS: &str = "XX99EVIL000111";

impl Agent<'_> {
    /// What the gate says to a plan; its error, where it takes none.
    async fn plans_at(&self, path: &str, session: &str, params: Value) -> Value {
        let extra = [("mcp-session-id", session)];
        let list = call(5, "alcaide/plan", params);
        let answer = said(send(self.house.address, message(path, &self.token, &list, &extra)).await).await;
        if answer["error"].is_null() { answer["result"]["calls"].clone() } else { answer["error"].clone() }
    }

    async fn plans(&self, calls: Value) -> Value {
        self.plans_at(SMALL, &self.session, json!({ "calls": calls })).await
    }
}

fn pay(to: &str) -> Value {
    json!({ "name": "pay", "arguments": { "to": to } })
}

fn intents(house: &House) -> usize {
    house.events().into_iter().filter(|(_, event)| matches!(event, Event::Intent(_))).count()
}

#[tokio::test]
async fn a_listed_plan_is_judged_as_its_calls_will_be_and_sends_nothing() {
    let server = firm().await;
    let house = house(&server).await;
    let agent = Agent::of(&house, "pay GB33-OURS-12 for the bill in my mail").await.listing().await;
    agent.calls("read_mail", json!({})).await;
    let before = intents(&house);
    let calls =
        json!([pay("GB33-OURS-12"), pay(THEIRS), { "name": "burn", "arguments": {} }, pay(THEIRS), 7]);
    let told = agent.plans(calls.clone()).await;
    let decisions: Vec<_> = told.as_array().unwrap().iter().map(|one| one["decision"].clone()).collect();
    assert_eq!(decisions, ["allow", "ask", "refuse", "ask", "refuse"], "{told}");
    assert_eq!(told[1]["approval_id"], told[3]["approval_id"], "the same call is the same question");
    assert_eq!(told[1]["code"], ASKED);
    assert!(told[1]["reason"].as_str().unwrap().contains("neither the user nor a look-up"), "{told}");
    assert!(told[2]["code"].as_str().unwrap().starts_with("ALC-POLICY-"), "{told}");
    assert_eq!(told[4]["code"], "ALC-GATE-0016");
    // Nothing has left, one question is open; asked again, it is the same.
    assert_eq!((intents(&house), house.questions().len()), (before, 1));
    assert_eq!(agent.plans(calls).await[1]["approval_id"], told[1]["approval_id"]);
    let asked = house.question(1).await;
    assert_eq!(Value::from(asked.approval.unwrap().to_string()), told[1]["approval_id"]);
    // The call itself finds it, and its answer; a plan uses no answer up.
    assert!(agent.is_asked("pay", json!({ "to": THEIRS })).await);
    house.approve(ANA, &asked).await;
    for _ in 0..2 {
        assert_eq!(agent.plans(json!([pay(THEIRS)])).await[0]["decision"], "allow");
    }
    assert_eq!(intents(&house), before);
    assert!(!agent.is_asked("pay", json!({ "to": THEIRS })).await);
    assert_eq!(agent.plans(json!([pay(THEIRS)])).await[0]["decision"], "ask", "it was used by the call");
    assert!(!agent.is_asked("pay", json!({ "to": "GB33-OURS-12" })).await);
    assert_eq!((intents(&house), house.questions().len()), (before + 2, 2));
    house.audit().await;
}

#[tokio::test]
async fn at_the_union_calls_have_the_unions_names_and_a_plan_has_its_bounds() {
    let server = firm().await;
    let house = house(&server).await;
    let agent = Agent::of(&house, "pay the bill in my mail").await.listing().await;
    agent.calls("read_mail", json!({})).await;
    let union = session(&house, "/mcp", &agent.token).await;
    let call_of = |name: &str| json!({ "name": name, "arguments": { "to": THEIRS } });
    let told =
        agent.plans_at("/mcp", &union, json!({ "calls": [call_of("small__pay"), call_of("pay")] })).await;
    assert_eq!((&told[0]["decision"], &told[1]["decision"]), (&json!("ask"), &json!("refuse")), "{told}");
    let asked = house.question(1).await;
    house.approve(ANA, &asked).await;
    let extra = [("mcp-session-id", union.as_str())];
    let call = call(9, "tools/call", call_of("small__pay"));
    let answer = said(send(house.address, message("/mcp", &agent.token, &call, &extra)).await).await;
    assert!(answer["error"].is_null(), "{answer}");
    let many = |count: usize| json!(vec![pay("anybody"); count]);
    for calls in [json!([]), many(33), json!("pay"), Value::Null] {
        let told = agent.plans(calls).await;
        assert_eq!(told["code"], -32602, "{told}");
        assert!(told["message"].as_str().unwrap().starts_with("a plan "), "{told}");
    }
    assert_eq!(agent.plans(many(32)).await.as_array().unwrap().len(), 32);
    assert_eq!(house.questions().len(), 2);
    house.audit().await;
}
