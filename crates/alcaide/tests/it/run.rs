//! `alcaide run`: real programs as agents, and what they can no longer do.

use std::path::Path;

use alcaide_testkit::{Child, DEADLINE, Ended, Launch, ModelServer, Script, Source, python_program};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::house::{House, PROGRAM, run};

const TEXT: &str = "Paid and filed.";

/// What an agent does that was given a base URL and a key, and would like more.
const AGENT: &str = r#"
import json, os, socket, sys, time
import openai

found = {}
client = openai.OpenAI(max_retries=0, timeout=30)
asked = [{"role": "user", "content": "pay invoice 7"}]

def chat():
    return client.chat.completions.create(model="small", messages=asked).choices[0].message.content

def stream():
    events = client.chat.completions.create(model="small", messages=asked, stream=True)
    return "".join(one.choices[0].delta.content or "" for one in events if one.choices)

def attempt(name, act):
    try:
        found[name] = act()
    except Exception as error:
        found[name] = type(error).__name__

def connect(port):
    socket.create_connection(("127.0.0.1", int(port)), timeout=10).close()
    return "through"

data, gate, office, rounds, pause = sys.argv[1:6]
found["said"] = []
for number in range(int(rounds)):
    if number:
        time.sleep(float(pause))
    found["said"] += [chat(), stream()]
attempt("key", lambda: open(data + "/keys/master.key", "rb").read(1) and "read")
attempt("list", lambda: os.listdir(data) and "listed")
attempt("socket", lambda: socket.socket(socket.AF_UNIX).connect(data + "/office.sock") or "through")
attempt("gate", lambda: connect(gate))
attempt("office", lambda: connect(office))
attempt("other_key", lambda: openai.OpenAI(max_retries=0, api_key="sk-own").models.list() and "through")
found["env"] = sorted(os.environ)
print(json.dumps(found))
"#;

fn furnished() -> (House, ModelServer) {
    let server = ModelServer::start(Script::says(TEXT)).unwrap();
    let house = House::begin();
    for name in ["openai-key", "anthropic-key", "erp-secret"] {
        house.secret(name);
    }
    let said = run(&["declare", "example"], &[], b"");
    let text = said.out.replace("https://api.openai.com/v1", &server.url("/v1"));
    let folder = house.put("declared/all.toml", &text);
    house.ok(&["apply", folder.parent().unwrap().to_str().unwrap()]);
    (house, server)
}

/// Runs the agent; gives what it found, and what was said about it.
fn agent(house: &House, more: &[&str], rounds: [&str; 2]) -> (Value, String) {
    let python = python_program().unwrap();
    let dir = house.dir();
    let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    let (gate, office) = (port(&house.gate), port(&house.office));
    let mut all = vec!["run", "--agent", "invoice-bot"];
    all.extend(more);
    all.extend([
        "--data-dir",
        dir.to_str().unwrap(),
        "--",
        python.to_str().unwrap(),
        "-I",
        "-B",
        "-c",
        AGENT,
    ]);
    all.extend([dir.to_str().unwrap(), &gate, &office]);
    all.extend(rounds);
    let said = run(&all, &[("SECRET_OF_THE_STARTER", "x")], b"");
    assert_eq!(said.code, 0, "{said:?}");
    (serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}")), said.err)
}

/// The report that `--show` prints as JSON: whether each door is closed.
pub(crate) fn shown(house: &House) -> Value {
    let dir = house.dir();
    let all =
        ["run", "--agent", "x", "--show", "--json", "--data-dir", dir.to_str().unwrap(), "--", "/bin/true"];
    let said = run(&all, &[], b"");
    assert_eq!(said.code, 0, "{said:?}");
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let doors = report["items"].as_array().unwrap().iter();
    doors
        .map(|item| (item["what"].as_str().unwrap().to_owned(), item["closed"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn an_agent_reaches_the_gate_and_nothing_else() {
    let (house, server) = furnished();
    let (found, said) = agent(&house, &["--subject", "ana", "--task", "pay invoice 7"], ["1", "0"]);
    assert_eq!(found["said"], json!([TEXT, TEXT]), "{found}");
    for heard in server.heard() {
        assert_eq!(heard.header("authorization"), Some("Bearer sk-openai-key"));
    }
    let doors = shown(&house);
    let closed = |door: &str, attempts: &[&str]| {
        for attempt in attempts {
            if doors[door] == true {
                assert_ne!(found[attempt], "through", "{attempt}: {found}");
                assert_ne!(found[attempt], "read");
                assert_ne!(found[attempt], "listed");
            } else {
                println!("not judged: {attempt}: this kernel cannot close `{door}`");
            }
        }
    };
    closed("hidden_files", &["key", "list"]);
    closed("unix_sockets", &["socket"]);
    closed("tcp", &["gate", "office"]);
    assert_eq!(found["other_key"], "AuthenticationError");
    let env: Vec<_> = found["env"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(!env.contains(&"SECRET_OF_THE_STARTER") && env.contains(&"OPENAI_BASE_URL"), "{env:?}");
    assert!(said.contains("alcaide run: closed: ") && said.contains("alcaide run: NOT closed: "), "{said}");

    let calls = house.json(&["call", "list", "--actor", "invoice-bot"]);
    let calls = calls["items"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call["subject_name"] == "ana" && call["task"] == calls[0]["task"]));
    // The token of the run is dead now.
    let orders = house.json(&["order", "list"]);
    assert_eq!(orders["items"].as_array().unwrap().len(), 1, "{orders}");
}

#[test]
fn the_task_outlives_its_tokens() {
    let (house, _server) = furnished();
    let words = ["--task", "-", "--life", "5", "--quiet"];
    let (found, said) = agent(&house, &words, ["2", "6"]);
    assert_eq!(found["said"], json!([TEXT, TEXT, TEXT, TEXT]), "{found}");
    assert_eq!(said, "");
    let calls = house.json(&["call", "list", "--actor", "invoice-bot"]);
    let calls = calls["items"].as_array().unwrap();
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call["task"] == calls[0]["task"]), "{calls:?}");
    let followed = house.ok(&["log", "follow", "--once", "--from", "0"]);
    let tokens =
        followed.lines().filter(|line| line.contains("token") && line.contains("invoice-bot")).count();
    assert!(tokens >= 2, "{followed}");
}

#[test]
fn the_exit_status_is_the_programs_own() {
    let (house, _server) = furnished();
    let dir = house.dir();
    for (line, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("cat; exit 3", 3)] {
        let all = [
            "run",
            "--agent",
            "invoice-bot",
            "--data-dir",
            dir.to_str().unwrap(),
            "--",
            "/bin/sh",
            "-c",
            line,
        ];
        let said = run(&all, &[], b"typed in");
        assert_eq!(said.code, code, "{said:?}");
        assert_eq!(said.out, if code == 3 { "typed in" } else { "" });
    }
}

/// A program that is run and has said its first line.
fn begin(house: &House, script: &str) -> (Child, String) {
    let launch = Launch::new(PROGRAM)
        .args(["run", "--agent", "invoice-bot", "--quiet", "--data-dir"])
        .arg(house.dir())
        .args(["--", "/bin/sh", "-c", script]);
    let mut child = Child::start(launch).unwrap();
    let line = child.line("its first line", |line| line.starts_with("pid ")).unwrap();
    let pid = line.strip_prefix("pid ").unwrap().to_owned();
    (child, pid)
}

#[test]
fn signals_reach_the_program_and_it_does_not_outlive_its_starter() {
    let (house, _server) = furnished();
    let (mut child, _) = begin(&house, "trap 'exit 9' TERM; echo pid $$; while :; do sleep 0.1; done");
    child.signal(Signal::TERM).unwrap();
    assert_eq!(child.ended().unwrap(), Ended::Code(9), "{:?}", child.lines(Source::Err));

    let (mut child, pid) = begin(&house, "echo pid $$; exec sleep 600");
    let process = Path::new("/proc").join(pid);
    assert!(process.exists());
    child.kill().unwrap();
    let late = std::time::Instant::now() + DEADLINE;
    let runs = || std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while runs() {
        assert!(std::time::Instant::now() < late, "it outlives its starter");
        std::thread::yield_now();
    }
}

#[test]
fn what_cannot_be_run_as_asked_is_refused_before_anything_is_started() {
    let house = House::begin();
    let dir = house.dir();
    let refuse = |more: &[&str], program: &str, why: &str| {
        let mut all = vec!["run", "--agent", "x"];
        all.extend(more);
        all.extend(["--data-dir", dir.to_str().unwrap(), "--", program]);
        run(&all, &[], b"").refused(2, "ALC-CLI-0026", &["error: the program cannot be run as asked\n", why]);
    };
    let keys = dir.join("keys");
    refuse(&["--allow-read", keys.to_str().unwrap()], "/bin/true", "which no child may see\n");
    refuse(&["--allow-write", dir.to_str().unwrap()], "/bin/true", "which no child may see\n");
    refuse(&["--allow-read", "/"], "/bin/true", "  why: `/` cannot be declared");
    refuse(&["--allow-read", "/no/such"], "/bin/true", "  why: `/no/such` cannot be used: ");
    refuse(&["--env", "NOT_SET_AT_ALL"], "/bin/true", "  why: the variable `NOT_SET_AT_ALL` is not set\n");
    refuse(&[], "no-such-program-at-all", "  why: there is no program `no-such-program-at-all`\n");

    let nobody = run(
        &[
            "run",
            "--agent",
            "nobody",
            "--quiet",
            "--data-dir",
            dir.to_str().unwrap(),
            "--",
            "/bin/echo",
            "ran",
        ],
        &[],
        b"",
    );
    nobody.refused(1, "ALC-CLI-0019", &["error: there is no agent `nobody`\n"]);
}

#[test]
fn what_would_be_closed_is_shown_without_an_office() {
    let house = House::none();
    std::fs::create_dir(house.dir()).unwrap();
    let doors = shown(&house);
    assert!(doors.as_object().unwrap().len() >= 19, "{doors}");
    assert_eq!(doors["file_metadata"], false);
    let dir = house.dir();
    let said = run(
        &[
            "run",
            "--agent",
            "x",
            "--show",
            "--open-network",
            "--data-dir",
            dir.to_str().unwrap(),
            "--",
            "/bin/true",
        ],
        &[],
        b"",
    );
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("NOT CLOSED  tcp to anything but the gate: the network is open by declaration\n"),
        "{}",
        said.out
    );
}
