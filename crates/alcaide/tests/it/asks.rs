//! A policy asks for a person: from the refused call to the released answer, with the built program, over a restart.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc;
use std::time::Instant;

use alcaide_testkit::{DEADLINE, ModelServer, Script};
use serde_json::{Value, json};

use crate::house::{House, http, run};

const DECLARED: &str = r#"
schema = 1
[[unit]]
name = "main"
[[human]]
name = "ana"
unit = "main"
roles = ["administrator"]
[[human]]
name = "eva"
unit = "main"
roles = ["approver"]
[[agent]]
name = "bot"
unit = "main"
owner = "ana"
may = ["use:model/*"]
[[upstream]]
name = "local"
protocol = "openai"
base_url = "URL"
[[route]]
name = "small"
kind = "model"
upstreams = [{ upstream = "local" }]
"#;
const POLICY: &str = "@ask(\"approver\") @reason(\"a person looks at it first\")\n\
     forbid (principal, action == Alcaide::Action::\"use_model\", resource);\n";

/// A receiver on loopback that fails once and then takes one message; gives its URL and what it took.
fn receiver() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tell, heard) = mpsc::sync_channel(4);
    std::thread::spawn(move || {
        for status in [503, 204] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = String::new();
            let mut piece = [0; 4096];
            // Each message is one JSON object, and nothing in it ends as the whole does.
            while !text.ends_with("}}") {
                let read = stream.read(&mut piece).unwrap();
                text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            }
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            tell.send(text).unwrap();
        }
    });
    (url, heard)
}

/// The newest question once there are `count`: the office follows the record, a moment behind the gate.
fn newest(house: &House, count: usize) -> Value {
    let begun = Instant::now();
    loop {
        let listed = house.json(&["approval", "list"]);
        let items = listed["items"].as_array().unwrap();
        if items.len() == count {
            return items[0].clone();
        }
        assert!(begun.elapsed() < DEADLINE && items.len() < count, "{listed}");
    }
}

#[test]
fn a_question_is_carried_answered_and_spent() {
    let server = ModelServer::start(Script::says("Paid.")).unwrap();
    let mut house = House::begin();
    let declared = house.put("declared/all.toml", &DECLARED.replace("URL", &server.url("/v1")));
    house.put("declared/ask.cedar", POLICY);
    house.ok(&["apply", declared.parent().unwrap().to_str().unwrap()]);
    // Before the restart, so that the gate knows its task from the first call on.
    let token = house.ok(&["agent", "token", "bot"]).trim().to_owned();
    house.down();
    let (url, heard) = receiver();
    let secret = house.dir().join("chat.secret");
    std::fs::write(&secret, "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = house.dir().join("settings.toml");
    let hook = format!(
        "\n[[webhook]]\nname = \"chat\"\nurl = \"{url}\"\nsecret_file = \"chat.secret\"\nevents = [\"question\"]\n"
    );
    // No call of this test waits: what a waiting one does is the gate's own test.
    let text = std::fs::read_to_string(&settings).unwrap();
    let text = text.replace("approval_wait_ms = 25000", "approval_wait_ms = 0").replace("webhook = []\n", "");
    assert!(text.contains("approval_wait_ms = 0"), "{text}");
    std::fs::write(&settings, text + &hook).unwrap();
    house.up(&[]);

    let call = |house: &House, text: &str| -> (u16, Value) {
        let body = json!({ "model": "small", "messages": [{ "role": "user", "content": text }] });
        let (status, body) = http(&house.gate, "post", "/v1/chat/completions", Some(&token), Some(&body));
        (status, serde_json::from_str(&body).unwrap())
    };
    let (status, refused) = call(&house, "pay invoice 7");
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("ALC-GATE-0022")), "{refused}");
    let one = newest(&house, 1);
    let id = one["id"].as_str().unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains(id), "{refused}");
    assert_eq!(
        [&one["state"], &one["actor_name"], &one["route_name"], &one["action"], &one["roles"]],
        [&json!("open"), &json!("bot"), &json!("small"), &json!("use_model"), &json!(["approver"])]
    );
    // Chat tools are told: the first try failed, the second is the same message.
    let told = [heard.recv_timeout(DEADLINE).unwrap(), heard.recv_timeout(DEADLINE).unwrap()];
    let body = |text: &str| text.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&told[0]), body(&told[1]));
    let message: Value = serde_json::from_str(&body(&told[1])).unwrap();
    assert_eq!((&message["type"], &message["data"]["approval"]), (&json!("question"), &json!(id)));
    assert_eq!(message["data"]["digest"], one["digest"]);
    assert!(!told[1].contains("invoice 7") && !told[1].contains("\"bot\""), "no content, no names");

    // The operator may not say yes in a person's place; a person may.
    house.run(&["approval", "approve", id]).refused(1, "ALC-OFFICE-0001", &["error: "]);
    let person = |house: &House, name: &str, args: &[&str]| {
        let token = house.ok(&["token", "office", name]);
        let url = format!("http://{}", house.office);
        let mut all = args.to_vec();
        all.extend(["--url", &url]);
        run(&all, &[("ALCAIDE_OFFICE_TOKEN", token.trim())], b"")
    };
    let said = person(&house, "ana", &["approval", "approve", id]);
    assert_eq!(said.code, 1, "the owner is no second person: {said:?}");
    // A restart between question and answer, and one between answer and call.
    house.down();
    house.up(&[]);
    let said = person(&house, "eva", &["approval", "approve", id]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with(&format!("question {id} is answered with yes, by order ord_")), "{said:?}");
    let waited = house.ok(&["approval", "wait", id, "--timeout", "0"]);
    assert!(waited.contains("   state: approved\n") && waited.contains("     yes: eva\n"), "{waited}");
    house.down();
    house.up(&[]);
    let (status, other) = call(&house, "pay invoice 8");
    assert_eq!((status, &other["error"]["code"]), (403, &json!("ALC-GATE-0022")), "{other}");
    assert_eq!(server.arrived(), 0);
    let (status, answer) = call(&house, "pay invoice 7");
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &json!("Paid.")), "{answer}");
    assert_eq!(call(&house, "pay invoice 7").0, 403, "once");
    assert_eq!(server.arrived(), 1);

    // Once the newest question is there, so is all that was before it.
    let second = newest(&house, 3)["id"].as_str().unwrap().to_owned();
    let shown = house.ok(&["approval", "show", id]);
    assert!(shown.contains("   state: spent\n"), "{shown}");
    let call_of = house.json(&["approval", "show", id])["call"].as_str().unwrap().to_owned();
    let passed = house.json(&["call", "list", "--state", "ended"]);
    assert_eq!(passed["items"][0]["approval"], id);
    assert_ne!(passed["items"][0]["call"], call_of.as_str(), "the call that asked had gone");
    let said = person(&house, "eva", &["approval", "deny", id]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("was made"), "{said:?}");
    house.ok(&["approval", "deny", &second]);
    let said = house.run(&["approval", "wait", &second]);
    assert_eq!((said.code, said.out.contains("   state: denied\n")), (1, true), "{said:?}");
    let followed = house.ok(&["log", "follow", "--once", "--from", "0"]);
    assert!(followed.contains(&format!("use_model on small, {id} until 20")), "{followed}");
    assert!(followed.contains(&format!(", approved as {id}\n")), "{followed}");
    assert!(house.ok(&["log", "verify"]).starts_with("the record verifies\n"));
    house.down();
}
