//! Questions of the gate at the console: what people see before they answer, and that the answer is about it.

use alcaide_control::{Decisive as Shown, DecisiveValue};
use alcaide_inventory::id::{ApprovalId, CallId, TaskId, TokenId};
use alcaide_inventory::{Actor, AgentId, HumanId, Moment, PlanNumber, UnitId, UpstreamId};
use alcaide_label::{Label, Provenance};
use alcaide_ledger::{Ledger, Options};
use alcaide_record::{
    ActionKind, Approver, Attempt, Chain, Content, Decided, DecisionKind, Decisive, Digest, Effect, Entry,
    Event, FlowNote, Intent, Question, Refused, Stage, Target, WordsGrade,
};
use alcaide_seal::random::SystemEntropy;
use alcaide_seal::secret::SecretText;
use alcaide_seal::words::WordsKey;
use serde_json::Value;

use super::{Guest, furnished};
use crate::house::House;

/// What decides what the call of a question does.
const THEIRS: &str = "XX99EVIL000111";

/// What a call carries; its two arguments are strangers' and the user's.
fn content(flow: Option<FlowNote>) -> Content {
    Content {
        arguments: vec![Provenance::Untrusted, Provenance::UserAttested],
        bytes: 12,
        claim: None,
        digest: Digest([7; 32]),
        edited: false,
        findings: Vec::new(),
        flow: flow.map(Box::new),
        label: Label::MISSING,
        words: WordsGrade::Attested,
    }
}

/// A call whose answer strangers can have written, before the question.
fn mail_read(approval: u128, who: Chain) -> Intent {
    Intent {
        action: ActionKind::CallTool,
        attempt: Attempt { number: 1, upstream: UpstreamId::from_bits(6) },
        call: CallId::from_bits(approval + 1_000),
        content: content(None),
        decided: Decided {
            approval: None,
            budget_used: 0,
            decision: DecisionKind::Allow,
            model: None,
            obligations: Vec::new(),
            plan: PlanNumber(2),
            plan_digest: Digest([1; 32]),
            policies: Vec::new(),
            shadow: None,
        },
        effects: vec![Effect::Join { label: Label::MISSING, task: who.task }],
        relaxed: false,
        target: Target { name: Digest([3; 32]), route: None, tool: None },
        who,
    }
}

/// Puts a question into the record as the gate does, after a call that read strangers, while the service is down.
pub(super) fn asked(house: &mut House, approval: u128) -> String {
    house.down();
    let dir = house.dir();
    let keys = alcaide_keys::Keys::open(&dir.join("keys")).unwrap();
    let words = WordsKey::derive(&keys.master).unwrap();
    let options = Options { segment_bytes: 64 << 20, ..Options::default() };
    let ledger = Ledger::open(&dir.join("ledger"), &options, keys.note, "alcaide.local/ledger").unwrap();
    let who = Chain {
        actor: Actor::Agent(AgentId::from_bits(1)),
        bound: false,
        earlier: Vec::new(),
        run: None,
        subject: Actor::Human(HumanId::from_bits(2)),
        task: TaskId::from_bits(3),
        token: TokenId::from_bits(4),
        unit: UnitId::from_bits(5),
    };
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Moment::from_micros(u64::try_from(since.as_micros()).unwrap());
    let value = |pointer: &str, value: &str, endorsable| DecisiveValue {
        endorsable,
        pointer: pointer.into(),
        value: value.into(),
    };
    let shown = Shown { more: 0, values: vec![value("/to", THEIRS, true), value("/urgent", "true", false)] };
    let text = SecretText::from(serde_json::to_string(&shown).unwrap());
    let sealed = words.seal(&text, &SystemEntropy::new()).unwrap();
    let values = Digest(ledger.shelf().put(&sealed).unwrap().into_bytes());
    let question = Question {
        any_of: Vec::new(),
        decisive: Some(Decisive { same: Digest([8; 32]), values }),
        expires: now + std::time::Duration::from_secs(900),
        matter: Digest([7; 32]),
        pin: None,
        roles: vec![Approver::Approver],
    };
    let refused = Refused {
        action: Some(ActionKind::CallTool),
        alike: 0,
        approval: Some(ApprovalId::from_bits(approval)),
        call: CallId::from_bits(approval),
        code: "ALC-POLICY-0034".into(),
        content: Some(content(Some(FlowNote {
            names: vec![0, u16::MAX],
            unbound: vec![0],
            copied: vec![1],
            sources: vec![CallId::from_bits(approval + 1_000)],
            ..FlowNote::default()
        }))),
        decided: None,
        question: Some(question),
        stage: Stage::Decided,
        target: None,
        who: Some(who),
    };
    let read = Event::Intent(Box::new(mail_read(approval, refused.who.clone().unwrap())));
    let leaves =
        [read, Event::Refused(Box::new(refused))].map(|event| Entry::new(now, event).to_leaf().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for leaf in leaves {
            let _ = ledger.append(leaf).await.unwrap();
        }
        ledger.close().await.unwrap();
    });
    house.up(&[]);
    ApprovalId::from_bits(approval).to_string()
}

#[test]
fn a_question_is_answered_by_an_approver_about_what_was_shown() {
    let mut house = furnished();
    let first = asked(&mut house, 77);
    let second = asked(&mut house, 78);
    let ana = Guest::named(&house, "ana");
    let page = ana.get(&house, &format!("/approvals/{first}"));
    assert!(
        page.status == 200 && page.body.contains("An approver can answer it. Your roles do not."),
        "{page:?}"
    );
    let apo = Guest::named(&house, "apo");
    assert!(apo.get(&house, "/").body.contains("<strong>2</strong> questions"));
    assert!(apo.get(&house, "/approvals").body.contains(&first));
    let page = apo.get(&house, &format!("/approvals/{first}")).body;
    for part in [
        "argument 1 of a schema that is not kept any more",
        "an argument that the schema does not have",
        "comes from strangers: the answer of call",
        "decides what the call does, and the user did not choose it",
        "is text that strangers wrote",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    let shown = house.ok(&["approval", "show", &first]);
    assert!(
        shown.contains("comes from strangers: the answer of call") && shown.contains("the user said it"),
        "{shown}"
    );
    let json = house.json(&["approval", "show", &first]);
    assert_eq!(json["origins"]["arguments"][0]["from"], "untrusted", "{json}");
    let task = TaskId::from_bits(3).to_string();
    let graph = house.json(&["task", "flow", &task]);
    assert_eq!(
        (graph["calls"].as_array().unwrap().len(), &graph["edges"][1]["untrusted"]),
        (4, &Value::Bool(true)),
        "{graph}"
    );
    assert!(house.ok(&["task", "flow", &task]).contains("the user's words: attested"));
    let drawn = apo.get(&house, &format!("/tasks/{task}")).body;
    assert!(drawn.contains("<svg class=\"flow\"") && drawn.contains("class=\"edge strange\""), "{drawn}");
    let read = CallId::from_bits(1_077).to_string();
    let reach = house.json(&["flow", "from", "--call", &read]);
    assert_eq!(reach["tasks"][0]["calls"][0]["took"], "directly", "{reach}");
    let told = house.ok(&["flow", "from", "--call", &read]);
    assert!(told.contains("1 calls of the source, read by 1 tasks") && told.contains("directly"), "{told}");
    let touched = apo.get(&house, &format!("/calls/{read}/reach")).body;
    assert!(touched.contains("read from it") && touched.contains(&task), "{touched}");
    let stops = house.ok(&["flow", "from", "--tool", "files/read_file", "--since", "7d"]);
    assert!(stops.contains("alcaide tool quarantine files read_file"), "{stops}");
    house.run(&["flow", "from", "--tool", "read_file"]).refused(
        2,
        "ALC-CLI-0001",
        &["fix: write `SERVER/TOOL`"],
    );
    let report = house.json(&["agent", "report", "bot", "--since", "1d"]);
    assert_eq!((&report["name"], &report["used"]), (&Value::from("bot"), &serde_json::json!([])), "{report}");
    assert!(house.ok(&["agent", "report", "bot"]).contains("it called nothing"));
    assert!(apo.get(&house, "/agents/bot").body.contains("What its rights were used for"));
    let asked_call = apo.get(&house, &format!("/calls/{}", CallId::from_bits(77))).body;
    assert!(asked_call.contains("Influenced by untrusted sources"), "{asked_call}");
    let (_, rest) = page.split_once("name=\"digest\" value=\"").unwrap();
    let digest = &rest[..64];
    // Another digest than the page showed is another question.
    let other =
        apo.post(&house, &format!("/approvals/{first}/approve"), &format!("&digest={}", "0".repeat(64)));
    assert!(other.status == 409 && other.body.contains("ALC-CONSOLE-0003"), "{other:?}");
    assert_eq!(
        ana.post(&house, &format!("/approvals/{first}/approve"), &format!("&digest={digest}")).status,
        403
    );
    // What decides is shown to whoever may answer, and to nobody else.
    assert!(page.contains("<code>/to</code>") && page.contains(THEIRS), "{page}");
    assert!(page.contains("name=\"endorse.0\"") && !page.contains("name=\"endorse.1\""), "{page}");
    for other in ["ana", "vic"] {
        let page = Guest::named(&house, other).get(&house, &format!("/approvals/{first}")).body;
        assert!(page.contains("What is known of the call") && !page.contains(THEIRS), "{page}");
    }
    assert!(!shown.contains(THEIRS) && json.get("shown").is_none(), "{json}");
    let wrong =
        apo.post(&house, &format!("/approvals/{first}/approve"), &format!("&digest={digest}&endorse.1=yes"));
    assert!(wrong.status == 409 && wrong.body.contains("ALC-OFFICE-0022"), "{wrong:?}");
    let yes =
        apo.post(&house, &format!("/approvals/{first}/approve"), &format!("&digest={digest}&endorse.0=yes"));
    assert_eq!(yes.status, 303, "{yes:?}");
    let twice = apo.post(&house, &format!("/approvals/{first}/approve"), &format!("&digest={digest}"));
    assert!(twice.status == 409 && twice.body.contains("ALC-OFFICE-0022"), "{twice:?}");
    assert_eq!(apo.post(&house, &format!("/approvals/{second}/deny"), "").status, 303);
    assert!(house.ok(&["order", "list"]).contains("endorse 1 of its values"));
    assert!(house.ok(&["approval", "show", &first]).contains("apo (endorses 1 of its values)"));
    let page = apo.get(&house, &format!("/approvals/{first}")).body;
    assert!(page.contains("1 of its values, by apo"), "{page}");
    let list = house.json(&["approval", "list"]);
    assert_eq!(list["items"][1]["yes"][0]["endorses"], serde_json::json!([0]), "{list}");
    let states: Vec<_> = list["items"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["denied", "approved"]);
    let page = apo.get(&house, &format!("/calls/{}", CallId::from_bits(77))).body;
    assert!(page.contains("given by <span") && page.contains("apo"), "{page}");
}

#[test]
fn all_of_a_task_is_answered_in_one_act_about_what_was_shown() {
    let mut house = furnished();
    let ids: Vec<String> = (77..80).map(|approval| asked(&mut house, approval)).collect();
    let task = TaskId::from_bits(3).to_string();
    let [apo, ana, vic] = ["apo", "ana", "vic"].map(|name| Guest::named(&house, name));
    let page = apo.get(&house, "/approvals").body;
    assert!(page.contains("3 times the same") && page.contains("Answer all 3 at once"), "{page}");
    let path = format!("/tasks/{task}/approvals");
    let page = apo.get(&house, &path).body;
    for part in ["3 times the same", THEIRS, "Yes, these 3 calls once each", "No to all 3", "endorse.0"] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    assert!(ids.iter().all(|id| page.contains(&format!("/approvals/{id}"))), "every call is listed: {page}");
    for other in [&ana, &vic] {
        let page = other.get(&house, &path).body;
        assert!(page.contains("None of them is yours") && !page.contains(THEIRS), "{page}");
    }
    let (_, rest) = page.split_once("name=\"digest\" value=\"").unwrap();
    let digest = &rest[..64];
    let approve = format!("{path}/approve");
    // Without what was shown, about something else, or as somebody else, nothing is answered.
    assert_eq!(apo.post(&house, &approve, "").status, 409);
    let other = apo.post(&house, &approve, &format!("&digest={}", "0".repeat(64)));
    assert!(other.status == 409 && other.body.contains("ALC-OFFICE-0050"), "{other:?}");
    assert_eq!(ana.post(&house, &approve, &format!("&digest={digest}")).status, 403);
    let queue = house.json(&["approval", "queue"]);
    assert_eq!((&queue["tasks"][0]["count"], &queue["tasks"][0]["own"]), (&Value::from(3), &Value::from(0)));
    assert!(!queue.to_string().contains(THEIRS), "{queue}");
    assert!(house.ok(&["approval", "queue"]).contains("3 open, 0 of them yours"));
    let yes = apo.post(&house, &approve, &format!("&digest={digest}"));
    assert_eq!(yes.status, 303, "{yes:?}");
    let list = house.json(&["approval", "list"]);
    let states: Vec<_> = list["items"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["approved", "approved", "approved"]);
    let again = apo.post(&house, &approve, &format!("&digest={digest}"));
    assert!(again.status == 409 && again.body.contains("ALC-OFFICE-0050"), "{again:?}");
    let table = apo.get(&house, "/approvers").body;
    assert!(table.contains("3 yes, 0 no, 3 grave, 0 refused"), "{table}");
    let told = house.json(&["approval", "approvers"]);
    assert_eq!((&told[0]["name"], &told[0]["hour"]["yes"]), (&Value::from("apo"), &Value::from(3)), "{told}");
    assert!(house.ok(&["approval", "approvers"]).contains("3/0/3/0"));
    // The operator says no to what is open, all of it.
    asked(&mut house, 90);
    let no = house.ok(&["approval", "deny", "--task", &task]);
    assert!(no.starts_with("1 questions of the task are answered with no:\n- deny apr_"), "{no}");
    house.run(&["approval", "deny", "--task", &task]).refused(1, "ALC-OFFICE-0050", &[]);
    house.run(&["approval", "approve", "--task", &task]).refused(1, "ALC-OFFICE-0001", &[]);
}
