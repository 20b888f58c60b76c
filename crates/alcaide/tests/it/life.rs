//! From the first minute to a killed agent, with the public client library at the gate.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use alcaide_testkit::{ModelServer, Script, python};
use serde_json::{Value, json};

use crate::house::{House, http, run};

const TEXT: &str = "Paid and filed.";

fn chat(house: &House, token: &str, acts: &str) -> Value {
    let url = format!("http://{}/v1", house.gate);
    let env =
        [("OPENAI_BASE_URL", url.as_str()), ("OPENAI_API_KEY", token), ("MODEL", "small"), ("ACTS", acts)];
    python("openai_client.py", &env).unwrap()
}

/// The example of the declaration format, with a model server of the test behind it.
fn example(house: &House, server: &ModelServer) -> String {
    let said = run(&["declare", "example"], &[], b"");
    assert_eq!(said.code, 0, "{said:?}");
    let text = said.out.replace("https://api.openai.com/v1", &server.url("/v1"));
    assert_ne!(text, said.out);
    house.put("declared/all.toml", &text).parent().unwrap().to_str().unwrap().to_owned()
}

fn furnished(server: &ModelServer) -> (House, String) {
    let house = House::begin();
    for name in ["openai-key", "anthropic-key", "erp-secret"] {
        house.secret(name);
    }
    let folder = example(&house, server);
    (house, folder)
}

#[test]
fn the_first_five_minutes() {
    let house = House::begin();
    let create = ["agent", "create", "invoice-bot", "--owner", "ana", "--may", "use:model/*"];
    house.run(&create).refused(
        1,
        "ALC-CLI-0014",
        &[
            "error: the agent was not declared\n",
            "  why: not declared yet: unit `main`, human `ana`\n",
            "  fix: run `alcaide unit create main` and `alcaide human create ana --unit main --role administrator`, \
             then this again; or add `--create-missing`\n",
        ],
    );
    // What it says to do first can be done.
    house.ok(&["unit", "create", "main"]);
    house.ok(&["human", "create", "ana", "--unit", "main", "--role", "administrator"]);
    let told = house.ok(&create);
    assert!(told.starts_with("agent `invoice-bot` is declared, in plan "), "{told}");
    house.run(&create).refused(
        1,
        "ALC-OFFICE-0005",
        &[
            "error: there is one already\n",
            "  why: agent `invoice-bot` exists already\n",
            "  fix: choose another name",
        ],
    );
    let agents = house.json(&["agent", "list"]);
    assert_eq!(agents[0]["name"], "invoice-bot");
    assert_eq!(agents[0]["may"], json!(["use:model/*"]));
    let followed = house.ok(&["log", "follow", "--once", "--from", "0"]);
    let first = followed.lines().next().unwrap();
    assert!(
        first.trim_start().starts_with("0  20") && first.ends_with("made     the record was begun"),
        "{first}"
    );
    assert!(house.ok(&["log", "verify"]).starts_with("the record verifies\n"));

    let other = House::begin();
    let mut all = create.to_vec();
    all.push("--create-missing");
    let told = other.ok(&all);
    assert!(told.contains("is declared, with unit `main`, human `ana`, in plan "), "{told}");
    assert_eq!(other.json(&["agent", "list"])[0]["owner"], "ana");
}

#[test]
fn a_state_is_begun_once_and_never_by_accident() {
    let mut house = House::none();
    house.run(&["up"]).refused(
        2,
        "ALC-CLI-0003",
        &[
            "error: there is no data directory\n",
            "  why: state is never begun by accident\n",
            "  fix: begin one with `alcaide up --init --data-dir ",
        ],
    );
    assert!(!house.dir().exists());
    // A folder of somebody's that happens to hold what a data directory would: refused, and left as it was.
    std::fs::create_dir_all(house.dir().join("keys")).unwrap();
    std::fs::write(house.dir().join("keys/master.key"), "theirs").unwrap();
    house.run(&["up", "--init", "--gate", "127.0.0.1:0", "--office", "127.0.0.1:0"]).refused(
        2,
        "ALC-CLI-0044",
        &[
            "error: folder not taken as a data directory\n",
            "is not empty: it holds `keys`, and no mark of an earlier `--init`\n",
            "  fix: name an empty or absent folder with `--data-dir`",
        ],
    );
    assert_eq!(std::fs::read(house.dir().join("keys/master.key")).unwrap(), b"theirs");
    std::fs::remove_dir_all(house.dir()).unwrap();
    house.up(&["--init"]);
    assert!(!house.dir().join("unfinished").exists());
    house.down();
    // Others may enter: the next start shuts it.
    let mode = |house: &House| std::fs::metadata(house.dir()).unwrap().permissions().mode() & 0o777;
    std::fs::set_permissions(house.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    house.up(&[]);
    assert_eq!(mode(&house), 0o700);
    house.down();
    house.run(&["up", "--init"]).refused(
        2,
        "ALC-CLI-0002",
        &[
            "error: a data directory was not made anew\n",
            "  fix: start it without `--init`, or name another folder\n",
        ],
    );
    house.run(&["agent", "list"]).refused(
        3,
        "ALC-CLI-0005",
        &["error: the office could not be asked\n", "the service", "  fix: start it with `alcaide up`"],
    );
    std::fs::write(house.dir().join("settings.toml"), "[gate]\nnames = []\nlistn = \"127.0.0.1:1\"\n")
        .unwrap();
    for command in [&["config", "check"][..], &["up"]] {
        house.run(command).refused(
            2,
            "ALC-CLI-0004",
            &[
                "error: the settings are not understood\n",
                "settings.toml:3:1\n",
                "  why: unknown field `listn`",
                "  fix: mend the place that is named",
            ],
        );
    }
}

#[test]
fn the_example_is_applied_calls_pass_and_a_kill_outlives_a_restart() {
    let server = ModelServer::start(Script::says(TEXT)).unwrap();
    let (mut house, folder) = furnished(&server);

    let planned = house.run(&["plan", &folder]);
    assert_eq!(planned.code, 1, "{planned:?}");
    assert!(
        planned.out.contains("+ agent invoice-bot\n") && !planned.out.contains("fault"),
        "{}",
        planned.out
    );
    let dry = house.run(&["apply", &folder, "--dry-run"]);
    assert_eq!((dry.code, &dry.out), (1, &planned.out));
    house.run(&["apply", &folder, "--expect", "99"]).refused(
        1,
        "ALC-OFFICE-0003",
        &[
            "error: another plan is in force\n",
            "  why: plan 99 was expected to be in force, but plan ",
            "  fix: look at plan ",
        ],
    );
    let applied = house.json(&["apply", &folder]);
    let number = applied["number"].as_u64().unwrap();
    // Whoever reads this may call at once: the gate judges by it.
    assert_eq!(applied["adopted"], true, "{applied}");
    assert_eq!(house.ok(&["plan", &folder]), format!("compared with plan {number}\nnothing differs\n"));
    let plans = house.json(&["plans"]);
    assert_eq!(
        (plans["items"][0]["number"].as_u64(), &plans["items"][0]["in_force"]),
        (Some(number), &json!(true))
    );

    // What is exported reads as what was applied.
    let exported = house.file("exported");
    house.ok(&["export", exported.to_str().unwrap()]);
    assert!(house.ok(&["plan", exported.to_str().unwrap()]).ends_with("nothing differs\n"));
    assert!(house.ok(&["export"]).contains("name = \"invoice-bot\""));

    let token = house.ok(&["agent", "token", "invoice-bot", "--subject", "ana", "--task", "pay invoice 7"]);
    assert_eq!(token.lines().count(), 1);
    let token = token.trim().to_owned();
    let seen = chat(&house, &token, "chat,stream");
    assert_eq!(seen["chat"]["text"], TEXT, "{seen}");
    assert_eq!(seen["stream"]["text"], TEXT, "{seen}");
    // The upstream was shown its own secret, and the token nowhere.
    for heard in server.heard() {
        assert_eq!(heard.header("authorization"), Some("Bearer sk-openai-key"));
        assert!(!String::from_utf8_lossy(&heard.raw).contains(&token));
    }

    let calls = house.json(&["call", "list", "--actor", "invoice-bot"]);
    let items = calls["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{calls}");
    for call in items {
        assert_eq!(
            [&call["state"], &call["end"], &call["actor_name"], &call["subject_name"], &call["route_name"]],
            ["ended", "complete", "invoice-bot", "ana", "small"]
        );
    }
    let id = items[0]["call"].as_str().unwrap();
    assert!(house.ok(&["call", "show", id]).contains("came out  complete\n"));
    let shown = house.json(&["log", "show", id]);
    assert_eq!(shown["entries"].as_array().unwrap().len(), 2);
    assert_eq!(shown["entries"][0]["entry"]["event"]["intent"]["call"], id);
    let usage = house.json(&["usage", "--by", "route"]);
    assert_eq!((&usage[0]["name"], &usage[0]["requests"]), (&json!("small"), &json!(2)), "{usage}");
    let followed = house.ok(&["log", "follow", "--once", "--from", "0"]);
    assert!(followed.contains("invoice-bot for ana: use_model on small, allow by "), "{followed}");
    assert!(house.ok(&["log", "verify"]).starts_with("the record verifies\n"));

    house.run(&["agent", "kill", "ana"]).refused(
        1,
        "ALC-CLI-0019",
        &["error: there is no agent `ana`\n", "  fix: see `alcaide agent list`\n"],
    );
    assert!(
        house
            .ok(&["agent", "kill", "invoice-bot"])
            .starts_with("agent `invoice-bot` is stopped, by order ord_")
    );
    let dead = |house: &House, token: &str, why: &str| {
        for act in ["chat", "stream"] {
            let seen = chat(house, token, act);
            assert_eq!(seen[act]["status"], 403, "{seen}");
            assert!(seen[act]["message"].as_str().unwrap().contains(why), "{seen}");
        }
        let asked = json!({ "model": "small", "messages": [{ "role": "user", "content": "hello" }] });
        let (status, body) = http(&house.gate, "post", "/v1/chat/completions", Some(token), Some(&asked));
        assert!(status == 403 && body.contains("ALC-GATE-0004"), "{status} {body}");
    };
    dead(&house, &token, " was stopped; ask the owner; ");
    let arrived = server.arrived();
    house.down();
    house.up(&[]);
    dead(&house, &token, " was stopped; ask the owner; ");
    assert_eq!(server.arrived(), arrived);
    house.run(&["agent", "token", "invoice-bot"]).refused(
        1,
        "ALC-OFFICE-0017",
        &["error: actor is barred\n", " may not act: ", "  fix: ask an administrator or the agent's owner\n"],
    );
    assert_eq!(house.json(&["agent", "list"])[0]["killed"], true);
    house.ok(&["agent", "unkill", "invoice-bot"]);
    dead(&house, &token, " is from before its last stop; ");
    let fresh = house.ok(&["agent", "token", "invoice-bot"]);
    assert_eq!(chat(&house, fresh.trim(), "chat")["chat"]["text"], TEXT);
    assert_eq!(house.json(&["order", "list"])["items"].as_array().unwrap().len(), 2);

    // A plan of the past, without the agent.
    house.run(&["rollback", "1"]).refused(
        2,
        "ALC-CLI-0007",
        &[
            "error: nothing was done\n",
            "  why: plan 1 would be brought into force again\n",
            "  fix: add `--yes`\n",
        ],
    );
    house.down();
    assert!(house.ok(&["log", "verify"]).starts_with("the record verifies\n"));
}

#[test]
fn policies_are_checked_tested_and_asked() {
    let server = ModelServer::start(Script::says(TEXT)).unwrap();
    let (house, folder) = furnished(&server);
    house.ok(&["apply", &folder]);
    let good =
        house.put("good.cedar", "forbid (principal, action == Alcaide::Action::\"use_model\", resource);");
    let bad = house.put("bad.cedar", "permit (principal, action, resource) when { principal.nothing };");
    let said = house.run(&["policy", "check", good.to_str().unwrap()]);
    assert_eq!((said.code, said.out.as_str()), (0, "1 checked, nothing is wrong\n"), "{said:?}");
    let said = house.run(&["policy", "check", good.to_str().unwrap(), bad.to_str().unwrap()]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("bad.cedar:1:") && said.out.contains(" code: ALC-POLICY-0007\n"),
        "{}",
        said.out
    );

    let case = |expect: &str| {
        format!(
            "[[case]]\nname = \"bots may talk\"\nagent = \"invoice-bot\"\naction = \"use_model\"\n\
             resource = \"small\"\nexpect = \"{expect}\"\n"
        )
    };
    let cases = house.put("cases.toml", &case("allow"));
    let tested = house.ok(&["policy", "test", cases.to_str().unwrap()]);
    assert!(
        tested.starts_with("pass  bots may talk: allow (by ") && tested.ends_with("1 of 1 cases passed\n"),
        "{tested}"
    );
    let cases = house.put("cases.toml", &case("refuse"));
    let said = house.run(&["policy", "test", cases.to_str().unwrap()]);
    assert_eq!(said.code, 1);
    assert!(said.out.starts_with("FAIL  bots may talk: allow, expected refuse"), "{}", said.out);
    // The same example against a folder that forbids what the plan in force allows.
    house.put(
        "declared/none.cedar",
        "forbid (principal, action == Alcaide::Action::\"use_model\", resource);",
    );
    let with = ["policy", "test", cases.to_str().unwrap(), "--folder", folder.as_str()];
    assert!(house.ok(&with).starts_with("pass  bots may talk: refuse"));
    let cases = house.put("cases.toml", "[[case]]\nnmae = 1\n");
    house.run(&["policy", "test", cases.to_str().unwrap()]).refused(
        1,
        "ALC-OFFICE-0002",
        &["error: declarations break rules\n", "cases.toml` line 2 column 1", "  fix: mend what is listed"],
    );

    let all = house.json(&["policy", "who-can", "use_model", "small"]);
    let of = |who: &str| {
        let found = all.as_array().unwrap().iter().find(|one| one["who"] == who);
        found.unwrap_or_else(|| panic!("{who}: {all}"))["decision"].clone()
    };
    assert_eq!([of("agent invoice-bot"), of("human vic")], ["allow", "refuse"]);
    house.run(&["policy", "who-can", "use_model", "tiny"]).refused(
        2,
        "ALC-CLI-0013",
        &["error: the plan holds no `tiny` for `use_model`\n", "  fix: name a model, "],
    );
    house.run(&["policy", "who-can", "dance", "small"]).refused(
        2,
        "ALC-CLI-0013",
        &["error: there is no action `dance`\n", "  fix: the actions are use_model, call_tool, "],
    );
}

#[test]
fn secrets_come_in_on_standard_input_and_never_out() {
    let house = House::begin();
    let dir = house.dir();
    let set = ["secret", "set", "openai-key", "--data-dir", dir.to_str().unwrap()];
    let said = run(&set, &[], b"sk-very-secret\n");
    assert_eq!((said.code, said.out.as_str()), (0, "secret `openai-key` is sealed\n"), "{said:?}");
    run(&set, &[], b"").refused(
        2,
        "ALC-CLI-0015",
        &[
            "error: the secret was not read\n",
            "  why: it is empty\n",
            "  fix: pipe it in, or use `--from-file`\n",
        ],
    );
    run(&set, &[], b"two\nlines\n").refused(
        2,
        "ALC-OFFICE-0008",
        &["error: secret has a wrong form\n", "  fix: give the secret itself, without line breaks\n"],
    );
    let listed = house.ok(&["secret", "list", "--json"]);
    assert!(listed.contains("openai-key") && !listed.contains("very-secret"), "{listed}");
    house.run(&["secret", "remove", "openai-key"]).refused(2, "ALC-CLI-0007", &["error: nothing was done\n"]);
    assert!(house.ok(&["secret", "remove", "openai-key", "--dry-run"]).contains("openai-key"));
    house.ok(&["secret", "remove", "openai-key", "--yes"]);
    assert_eq!(house.json(&["secret", "list"]), json!([]));
}

/// Ends a proxy that has nothing more to swallow.
const LAST: &str = "GET /last";

/// The operator's socket, as a proxy that swallows the answers to requests that begin so; as many as there are.
fn swallowing(house: &House, at: &str, mut swallowed: Vec<&'static str>) -> std::thread::JoinHandle<()> {
    let (real, dir) = (house.dir().join("office.sock"), house.file(at));
    std::fs::create_dir(&dir).unwrap();
    std::fs::copy(house.dir().join("format"), dir.join("format")).unwrap();
    let listener = UnixListener::bind(dir.join("office.sock")).unwrap();
    std::thread::spawn(move || {
        while !swallowed.is_empty() {
            let (mut near, _) = listener.accept().unwrap();
            let mut head = vec![0; 16_384];
            let read = near.read(&mut head).unwrap();
            let head = std::str::from_utf8(&head[..read]).unwrap();
            let at = swallowed.iter().position(|begins| head.starts_with(begins));
            let at = at.map(|at| swallowed.remove(at));
            if at == Some(LAST) {
                continue;
            }
            let mut far = UnixStream::connect(&real).unwrap();
            far.write_all(head.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).unwrap();
            let (mut sent, mut more) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let rest = std::thread::spawn(move || std::io::copy(&mut sent, &mut more));
            // Its whole answer: what was asked is done by then.
            let mut answer = Vec::new();
            far.read_to_end(&mut answer).unwrap();
            if at.is_none() {
                near.write_all(&answer).unwrap();
            }
            near.shutdown(std::net::Shutdown::Both).unwrap();
            rest.join().unwrap().unwrap();
        }
    })
}

/// The office has recorded the enrolment and its answer never comes: the key stays and is good.
fn a_lost_answer_costs_no_key(house: &House) {
    const ENROLLED: &str = "POST /api/v1/enrolments ";
    let asked = |key: &Path, at: &str, more: &[&str]| {
        let dir = house.file(at);
        let mut args = vec!["agent", "enrol", "bot", "--key-file", key.to_str().unwrap()];
        args.extend(["--data-dir", dir.to_str().unwrap()]);
        args.extend(more);
        run(&args, &[], b"")
    };
    // The command asks the office itself where it can.
    let (proxy, key) = (swallowing(house, "one", vec![ENROLLED, LAST]), house.file("lost.pem"));
    let said = asked(&key, "one", &["--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let facts: Value = serde_json::from_str(&said.out).unwrap();
    assert!(facts["client_id"].as_str().unwrap().starts_with("crd_") && key.exists(), "{facts}");
    drop(UnixStream::connect(house.file("one/office.sock")).unwrap().write_all(LAST.as_bytes()));
    proxy.join().unwrap();
    // Where it cannot, it keeps the key and says how to go on.
    let key = house.file("kept.pem");
    let proxy = swallowing(house, "two", vec![ENROLLED, "GET /api/v1/actors/"]);
    asked(&key, "two", &[]).refused(
        3,
        "ALC-CLI-0046",
        &[
            "the office could not be asked\n",
            "error: the key is kept",
            "agent enrol bot --resume --key-file ",
        ],
    );
    proxy.join().unwrap();
    let pem = std::fs::read_to_string(&key).unwrap();
    let resumed = ["agent", "enrol", "bot", "--resume", "--key-file", key.to_str().unwrap()];
    let facts = house.json(&resumed);
    assert!(facts["client_id"].as_str().unwrap().starts_with("crd_"), "{facts}");
    assert_eq!(std::fs::read_to_string(&key).unwrap(), pem);
    let id = facts["client_id"].as_str().unwrap();
    house.ok(&["credential", "remove", id, "--yes"]);
    house.run(&resumed).refused(3, "ALC-CLI-0046", &["error: the office does not know the key\n"]);
}

#[test]
fn an_agent_is_enrolled_with_a_key_made_here() {
    let mut house = House::begin();
    house.ok(&["agent", "create", "bot", "--owner", "ana", "--create-missing"]);
    let key = house.file("bot.pem");
    let enrol = ["agent", "enrol", "bot", "--key-file", key.to_str().unwrap()];
    let facts = house.json(&enrol);
    let id = facts["client_id"].as_str().unwrap().to_owned();
    assert_eq!(facts["token_endpoint"], format!("http://{}/oauth/token", house.office));
    let written: Value =
        serde_json::from_str(&std::fs::read_to_string(house.file("bot.pem.json")).unwrap()).unwrap();
    assert_eq!(written, facts);
    let pem = std::fs::read_to_string(&key).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    // A key that is there stays, and nothing is enrolled.
    house.run(&enrol).refused(
        3,
        "ALC-CLI-0008",
        &["error: could not make a file\n", "  fix: name a file that is not there yet"],
    );
    assert_eq!(std::fs::read_to_string(&key).unwrap(), pem);
    let listed = house.json(&["credential", "list", "bot"]);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &json!(id)));
    house.run(&["credential", "remove", &id]).refused(2, "ALC-CLI-0007", &["  fix: add `--yes`\n"]);
    house.ok(&["credential", "remove", &id, "--yes"]);
    assert_eq!(house.json(&["credential", "list", "bot"]), json!([]));
    house.run(&["credential", "remove", &id, "--yes"]).refused(
        1,
        "ALC-OFFICE-0004",
        &["error: no such thing\n", "  why: there is no credential `crd_", "  fix: look it up in the list"],
    );
    a_lost_answer_costs_no_key(&house);
    let token = house.json(&["agent", "token", "bot"]);
    let told = house.ok(&["token", "revoke", token["token"].as_str().unwrap()]);
    assert!(told.contains(" is revoked, by order ord_"), "{told}");
    let seen = chat(&house, token["access_token"].as_str().unwrap(), "chat");
    assert_eq!(seen["chat"]["status"], 403, "{seen}");
    house.down();
}
