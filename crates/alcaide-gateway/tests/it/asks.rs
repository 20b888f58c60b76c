//! A policy asks for a person's yes: the call waits or comes again, and passes once, as it was shown.

mod ends;
mod hour;

use std::sync::Arc;
use std::time::Duration;

use alcaide_inventory::Actor;
use alcaide_inventory::id::{ApprovalId, HumanId, OrderId, TaskId};
use alcaide_label::Label;
use alcaide_memory::Memory;
use alcaide_record::{
    Approver, DecisionKind, Digest, Effect, End, Event, Issued, Order, OrderKind, Refused, Stage, TokenKind,
};
use alcaide_seal::digest::sha256;
use alcaide_testkit::{DEADLINE, Fail, ModelServer, Script};
use http::Request;
use http_body_util::Full;
use tokio::io::AsyncWriteExt as _;

use crate::house::*;

pub(crate) const PEOPLE: &str = r#"
[[human]]
name = "eva"
unit = "company"
roles = ["approver"]
[[human]]
name = "bo"
unit = "company"
roles = ["administrator"]
"#;
pub(crate) const EVA: HumanId = HumanId::from_bits(2);
pub(crate) const BO: HumanId = HumanId::from_bits(3);
const ASK: &str = r#"@ask("approver") @reason("a person looks at it first")
    forbid (principal, action == Alcaide::Action::"use_model", resource);"#;
const TWO: &str = r#"@ask("approver,administrator") @reason("two people look at it first")
    forbid (principal, action == Alcaide::Action::"use_model", resource);"#;
/// Longer than any test: a call that waits as long as this would not pass the test.
const WAIT: Duration = Duration::from_secs(600);
const LIFE: Duration = Duration::from_secs(900);

const NEEDED: &str = "ALC-GATE-0022";
const DENIED: &str = "ALC-GATE-0026";
const OVER: &str = "ALC-GATE-0027";

fn asking(server: &ModelServer, cedar: &str, wait: Duration) -> Setup {
    Setup::of(server).with(PEOPLE).policy("ask", cedar).approval_wait(wait)
}

fn model() -> ModelServer {
    ModelServer::start(Script::says("done")).unwrap()
}

impl House {
    /// The entries that ask, in order.
    pub(crate) fn questions(&self) -> Vec<Refused> {
        let asks = |(_, event)| match event {
            Event::Refused(refused) if refused.question.is_some() => Some(*refused),
            _ => None,
        };
        self.events().into_iter().filter_map(asks).collect()
    }

    /// The `count`-th question, from 1; waits for it.
    pub(crate) async fn question(&self, count: usize) -> Refused {
        self.until("the question", || self.questions().len() >= count).await;
        self.questions().remove(count - 1)
    }

    async fn say(&self, by: HumanId, order: OrderKind) {
        let order = Order { by: Some(by), id: OrderId::from_bits(1), order };
        let index = self.append(Event::Order(order)).await;
        self.until("the answer", || self.memory.replay_from() > index).await;
    }

    /// An order as the office gives it.
    pub(crate) async fn approve(&self, by: HumanId, asked: &Refused) {
        self.endorse(by, asked, &[]).await;
    }

    /// The same with values that are right for the task.
    pub(crate) async fn endorse(&self, by: HumanId, asked: &Refused, places: &[u16]) {
        let digest = Digest(*sha256(&serde_json::to_vec(asked).unwrap()).as_bytes());
        let expires = self.clock.now() + LIFE;
        let endorses = places.to_vec();
        let approval = asked.approval.unwrap();
        self.say(by, OrderKind::Approve { approval, digest, endorses, expires }).await;
    }

    pub(crate) async fn deny(&self, asked: &Refused) {
        self.say(EVA, OrderKind::Deny { approval: asked.approval.unwrap() }).await;
    }

    /// A new token for a task that there is already.
    fn token_of(&self, bits: u128, task: TaskId) -> String {
        let mut asked = self.asked(bits);
        asked.principal.task = task;
        self.mint(&asked)
    }

    fn task_of(asked: &Refused) -> TaskId {
        asked.who.as_ref().unwrap().task
    }
}

/// A call that is told to come again, and with which question.
async fn pending(answer: Answer) -> ApprovalId {
    assert_eq!((answer.status, answer.header("retry-after")), (403, "5"));
    let id: ApprovalId = answer.header("alcaide-approval").parse().unwrap();
    let json = answer.json().await;
    assert_eq!(json["error"]["code"], NEEDED, "{json}");
    let message = json["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("a person looks at it first; ") && message.contains(&id.to_string()),
        "{message}"
    );
    id
}

#[tokio::test]
async fn a_waiting_call_goes_on_when_a_person_says_yes() {
    let server = model();
    let house = asking(&server, ASK, WAIT).start().await;
    let token = house.token(BOT).await;
    let (answer, asked) = tokio::join!(house.chat(&token, "pay"), async {
        let asked = house.question(1).await;
        assert_eq!(server.arrived(), 0);
        house.approve(EVA, &asked).await;
        asked
    });
    assert_eq!(answer.status, 200);
    answer.text().await;
    let question = asked.question.as_ref().unwrap();
    assert_eq!((question.roles.as_slice(), question.any_of.len()), (&[Approver::Approver][..], 0));
    assert_eq!((question.expires, question.pin), (NOW + LIFE, None));
    assert_eq!((asked.code.as_str(), asked.stage), (NEEDED, Stage::Decided));
    assert_eq!(asked.decided.as_ref().unwrap().decision, DecisionKind::Ask);
    let calls = house.audit().await;
    let [(intent, outcome)] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((intent.call, outcome.end), (asked.call, End::Complete));
    assert_eq!((intent.decided.approval, intent.decided.decision), (asked.approval, DecisionKind::Allow));
    let approval = asked.approval.unwrap();
    assert_eq!(intent.effects, [Effect::Spend { approval }]);
    assert_eq!((server.arrived(), house.refusals().await.len()), (1, 1));
}

#[tokio::test]
async fn a_call_that_does_not_wait_comes_again_and_passes_exactly_once() {
    let server = model();
    let house = asking(&server, ASK, Duration::ZERO).start().await;
    let token = house.token(BOT).await;
    let id = pending(house.chat(&token, "pay").await).await;
    let asked = house.question(1).await;
    assert_eq!(asked.approval, Some(id));
    // Another token of the same task, another call id: the same question.
    let renewed = house.token_of(BOT, House::task_of(&asked));
    assert_eq!(pending(house.chat(&renewed, "pay").await).await, id);
    house.approve(EVA, &asked).await;
    assert_eq!(house.chat(&renewed, "pay").await.status, 200);
    let other = pending(house.chat(&token, "pay").await).await;
    assert_ne!(other, id);
    assert_eq!((server.arrived(), house.questions().len()), (1, 2));
    let calls = house.audit().await;
    assert_eq!((calls.len(), calls[0].0.decided.approval), (1, Some(id)));
}

#[tokio::test]
async fn a_yes_is_for_what_was_shown_and_for_nothing_else() {
    let server = model();
    let house = asking(&server, ASK, Duration::ZERO).start().await;
    let token = house.token(BOT).await;
    let id = pending(house.chat(&token, "pay 10").await).await;
    let asked = house.question(1).await;
    house.approve(EVA, &asked).await;
    let task = House::task_of(&asked);
    let spaced = chat("pay 10").replacen("{", "{ ", 1);
    let others = [
        house.chat(&token, "pay 11").await,
        house.post(CHAT, &token, spaced).await,
        house.post(&format!("{CHAT}?beta=true"), &token, chat("pay 10")).await,
        house.chat(&house.token(BOT).await, "pay 10").await,
        house.chat(&house.token_of(HELPER, task), "pay 10").await,
    ];
    let mut seen = vec![id];
    for other in others {
        let other = pending(other).await;
        assert!(!seen.contains(&other));
        seen.push(other);
    }
    // On somebody's behalf it is another call as well.
    let mut behalf = house.asked(BOT);
    behalf.principal.task = task;
    behalf.principal.subject = Actor::Human(BO);
    assert!(!seen.contains(&pending(house.chat(&house.mint(&behalf), "pay 10").await).await));
    assert_eq!(server.arrived(), 0);
    // Under another plan it is judged and asked anew, though the policies say the same.
    let mut plan = house.plan.clone();
    plan.number.0 += 1;
    house.gate.adopt(&plan).unwrap();
    assert!(!seen.contains(&pending(house.chat(&token, "pay 10").await).await));
    house.gate.adopt(&house.plan).unwrap();
    assert_eq!(house.chat(&token, "pay 10").await.status, 200);
    assert_eq!(server.arrived(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_have_one_effect() {
    for wait in [Duration::ZERO, WAIT] {
        let server = model();
        let house = Arc::new(asking(&server, ASK, wait).start().await);
        let token = house.token(BOT).await;
        let call = || {
            let (house, token) = (Arc::clone(&house), token.clone());
            tokio::spawn(async move {
                let answer = house.chat(&token, "pay").await;
                let status = answer.status;
                answer.text().await;
                status
            })
        };
        let asked = if wait.is_zero() {
            pending(house.chat(&token, "pay").await).await;
            let asked = house.question(1).await;
            house.approve(EVA, &asked).await;
            None
        } else {
            Some(())
        };
        let calls: Vec<_> = (0..32).map(|_| call()).collect();
        if asked.is_some() {
            // They wait for the one question that the first of them has asked.
            house.approve(EVA, &house.question(1).await).await;
            // Whoever came only after the answer was used asks once more, and is told no.
            let mut denied = 1;
            let over = async {
                while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
                    if let Some(second) = house.questions().get(denied) {
                        house.deny(second).await;
                        denied += 1;
                    }
                    tokio::task::yield_now().await;
                }
            };
            assert!(tokio::time::timeout(DEADLINE, over).await.is_ok(), "all calls come to an end");
            assert!(house.questions().len() <= 2);
        }
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(tokio::time::timeout(DEADLINE, call).await.unwrap().unwrap());
        }
        let passed = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!((passed, statuses.iter().filter(|status| **status == 403).count()), (1, 31), "{wait:?}");
        assert_eq!((server.arrived(), house.audit().await.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_restart_between_ask_and_answer_changes_nothing() {
    let server = model();
    let house = asking(&server, ASK, Duration::ZERO).start().await;
    let token = house.token(BOT).await;
    let id = pending(house.chat(&token, "pay").await).await;
    let asked = house.question(1).await;
    let house = house.restart(None).await;
    assert_eq!(pending(house.chat(&token, "pay").await).await, id);
    house.gate.settled().await;
    let snapshot = house.memory.snapshot().unwrap().bytes;
    house.approve(EVA, &asked).await;
    // The answer is in the ledger alone, the question in the snapshot.
    let house = house.restart(Some(&snapshot)).await;
    assert_eq!(house.chat(&token, "pay").await.status, 200);
    assert_eq!(server.arrived(), 1);
    // And that it is used up is known after the next.
    let house = house.restart(None).await;
    assert_ne!(pending(house.chat(&token, "pay").await).await, id);
    assert_eq!((server.arrived(), house.questions().len()), (1, 2));
    let fresh = Memory::empty();
    alcaide_gateway::orders::rebuild(&house.ledger, &fresh).unwrap();
    assert!(fresh.take(id, &[EVA], NOW).is_none());
}

#[tokio::test]
async fn the_policies_decide_whether_those_who_said_yes_suffice() {
    let server = model();
    let house = asking(&server, TWO, WAIT).start().await;
    let token = house.token(BOT).await;
    let (answer, ()) = tokio::join!(house.chat(&token, "pay"), async {
        let asked = house.question(1).await;
        assert_eq!(asked.question.as_ref().unwrap().roles, [Approver::Administrator, Approver::Approver]);
        house.approve(EVA, &asked).await;
        house.approve(EVA, &asked).await;
        assert_eq!(server.arrived(), 0);
        house.approve(BO, &asked).await;
    });
    assert_eq!((answer.status, server.arrived()), (200, 1));

    // One alone does not, nor does somebody who acts in the chain, on whose behalf it is, or without the role.
    let house = asking(&server, TWO, Duration::ZERO).start().await;
    let token = house.token(BOT).await;
    house.chat(&token, "pay").await.text().await;
    house.approve(EVA, &house.question(1).await).await;
    assert_eq!(house.chat(&token, "pay").await.code().await, NEEDED);
    let house = asking(&server, ASK, Duration::ZERO).start().await;
    let earlier = |behalf: &mut alcaide_identity::TokenRequest| {
        behalf.principal.earlier = vec![Actor::Human(EVA)];
        behalf.epochs.push(0);
    };
    let subject = |behalf: &mut alcaide_identity::TokenRequest| behalf.principal.subject = Actor::Human(EVA);
    let near: [&dyn Fn(&mut alcaide_identity::TokenRequest); 2] = [&subject, &earlier];
    for (at, change) in near.into_iter().enumerate() {
        let mut request = house.asked(BOT);
        change(&mut request);
        let token = house.mint(&request);
        let id = pending(house.chat(&token, "pay").await).await;
        house.approve(EVA, &house.question(at + 1).await).await;
        assert_eq!(pending(house.chat(&token, "pay").await).await, id);
    }
    assert_eq!(server.arrived(), 1);
}

#[tokio::test]
async fn an_approved_call_is_tried_once() {
    let (first, second) = (ModelServer::start(Script::says("").failing(Fail::Status(503))).unwrap(), model());
    let house = Setup::people()
        .upstream("first", "openai", &first.url("/v1"), "")
        .upstream("second", "openai", &second.url("/v1"), "")
        .model("test-model", &["first", "second"], PRICE)
        .with(PEOPLE)
        .policy("ask", ASK)
        .start()
        .await;
    let token = house.token(BOT).await;
    pending(house.chat(&token, "pay").await).await;
    house.approve(EVA, &house.question(1).await).await;
    assert_eq!(house.chat(&token, "pay").await.status, 503);
    assert_eq!((first.arrived(), second.arrived(), house.audit().await.len()), (1, 0, 1));
}

#[tokio::test]
async fn an_answer_is_given_back_when_the_call_comes_to_nothing() {
    let server = model();
    let house = asking(&server, ASK, Duration::ZERO)
        .budget("calls", r#"{ agent = "helper" }"#, "requests", 1, "minute")
        .start()
        .await;
    let token = house.token(HELPER).await;
    pending(house.chat(&token, "first").await).await;
    pending(house.chat(&token, "second").await).await;
    house.approve(EVA, &house.question(1).await).await;
    house.approve(EVA, &house.question(2).await).await;
    assert_eq!(house.chat(&token, "first").await.status, 200);
    house.gate.settled().await;
    assert_eq!(house.chat(&token, "second").await.status, 429);
    house.pass(Duration::from_secs(60));
    assert_eq!(house.chat(&token, "second").await.status, 200);
    assert_eq!((server.arrived(), house.questions().len()), (2, 2));
}

#[tokio::test]
async fn every_protocol_says_which_question() {
    let server = model();
    let api = Blunt::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false).await;
    let house = asking(&server, "@ask(\"approver\") @reason(\"a person looks at it first\") \
                                 forbid (principal, action, resource);", Duration::ZERO)
        .upstream("erp", "http", api.url().trim_end_matches("/v1"), "")
        .with(
            "[[route]]\nname = \"erp\"\nkind = \"service\"\nupstream = \"erp\"\n\
             [[route.operations]]\nname = \"post\"\nmethod = \"POST\"\npath = \"/invoices\"\neffect = \"money\"\n",
        )
        .policy("erp", "permit (principal, action == Alcaide::Action::\"call_api\", resource);")
        .start()
        .await;
    let token = house.token(BOT).await;
    let answer = house
        .post(
            "/v1/messages",
            &token,
            r#"{"model":"test-model","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#,
        )
        .await;
    let id = answer.header("alcaide-approval").to_owned();
    let json = answer.json().await;
    assert_eq!((&json["type"], &json["error"]["code"]), (&"error".into(), &NEEDED.into()));
    assert!(json["error"]["message"].as_str().unwrap().contains(&id) && id.starts_with("apr_"), "{json}");
    let post = |amount: u32| {
        Request::post("/api/erp/invoices")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Full::new(format!("{{\"amount\":{amount}}}").into()))
            .unwrap()
    };
    let answer = send(house.address, post(1)).await;
    assert_eq!((answer.status, answer.header("content-type")), (403, "application/problem+json"));
    let id = answer.header("alcaide-approval").to_owned();
    let json = answer.json().await;
    assert_eq!((&json["approval"], &json["code"]), (&id.into(), &NEEDED.into()));
    house.approve(EVA, &house.question(2).await).await;
    assert_eq!(send(house.address, post(2)).await.status, 403);
    assert_eq!(send(house.address, post(1)).await.status, 200);
    assert_eq!(api.asked(), 1);
}

#[tokio::test]
async fn past_its_bound_an_actor_asks_no_more() {
    let server = model();
    let house = asking(&server, ASK, Duration::ZERO).start().await;
    let token = house.token(BOT).await;
    for at in 0..alcaide_memory::QUESTIONS_OF_ACTOR_MAX {
        pending(house.chat(&token, &format!("pay {at}")).await).await;
    }
    let full = house.chat(&token, "pay more").await;
    assert_eq!((full.status, full.header("retry-after")), (503, "5"));
    assert_eq!(full.code().await, "ALC-GATE-0028");
    // Others still may, and what was asked can still be answered.
    pending(house.chat(&house.token(HELPER).await, "pay").await).await;
    house.approve(EVA, &house.question(1).await).await;
    assert_eq!(house.chat(&token, "pay 0").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_their_bound_calls_do_not_wait() {
    /// As many as wait at one time.
    const SEATS: usize = 128;
    let server = model();
    let house = Arc::new(asking(&server, ASK, WAIT).start().await);
    let token = house.token(BOT).await;
    let call = |_| {
        let (house, token) = (Arc::clone(&house), token.clone());
        tokio::spawn(async move { house.chat(&token, "pay").await.code().await })
    };
    let calls: Vec<_> = (0..=SEATS).map(call).collect();
    let over = || calls.iter().filter(|call| call.is_finished()).count();
    house.until("the one that finds no seat", || over() >= 1).await;
    house.deny(&house.question(1).await).await;
    let mut codes = Vec::new();
    for call in calls {
        codes.push(tokio::time::timeout(DEADLINE, call).await.unwrap().unwrap());
    }
    codes.sort();
    let (told, waited) = codes.split_at(1);
    assert_eq!((told, waited.len()), (&[NEEDED.to_owned()][..], SEATS));
    assert!(waited.iter().all(|code| code == DENIED), "{waited:?}");
    assert_eq!((server.arrived(), house.questions().len()), (0, 1));
}
