//! The practice ground as a process: public clients over both transports, and what they did to the world.

use std::path::PathBuf;

use alcaide_testkit::{Child, Ended, KitError, Launch, Source, node, python};
use serde_json::{Value, json};

use crate::house::{PROGRAM, run};

/// A practice ground on a free port, and the file of its effects.
struct Ground {
    child: Child,
    url: String,
    effects: PathBuf,
    _folder: tempfile::TempDir,
}

impl Ground {
    fn begin(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let effects = folder.path().join("effects.jsonl");
        let launch = Launch::new(PROGRAM)
            .args(["range", "--listen", "127.0.0.1:0", "--json", "--effects"])
            .arg(&effects)
            .args(more);
        let mut child = Child::start(launch).unwrap();
        let line = child.line_with("\"url\"").unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(told["pid"], child.pid());
        let url = told["url"].as_str().unwrap().to_owned();
        Self { child, url, effects, _folder: folder }
    }

    /// Kinds of the effects so far.
    fn kinds(&self) -> Vec<String> {
        kinds(&self.effects)
    }
}

fn kinds(effects: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(effects).unwrap();
    let kind = |line: &str| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
    text.lines().map(kind).collect()
}

/// Every tool once; what changes the world comes first.
fn calls() -> String {
    let mail = json!({ "mailbox": "ana", "to": ["ben@example.com", "jo.weber@example.org"], "subject": "grüße", "body": "a\nb" });
    json!([
        ["send_mail", mail],
        ["delete_mail", { "mailbox": "ana", "id": "m-0006" }],
        ["write_file", { "path": "/notes/new ü.txt", "text": "x" }],
        ["add_payee", { "name": "Neu", "iban": "AT61 1904 3002 3457 3201" }],
        ["make_payment", { "payee": "payee-05", "amount_cents": 12_345, "reference": "r", "request_id": "peer-0001" }],
        ["make_payment", { "payee": "payee-05", "amount_cents": 12_345, "reference": "r", "request_id": "peer-0001" }],
        ["list_mail", { "mailbox": "ben", "folder": "inbox", "limit": 2 }],
        ["read_mail", { "mailbox": "ana", "id": "m-0005" }],
        ["search_mail", { "mailbox": "ana", "text": "inv-2041" }],
        ["list_files", { "folder": "/notes" }],
        ["read_file", { "path": "/it/deploy.env" }],
        ["search_files", { "text": "card" }],
        ["list_invoices", { "status": "all" }],
        ["list_payees", {}],
        ["account_balance", {}],
        ["list_payments", {}],
        ["find_person", { "text": "finance" }],
        ["list_events", { "person": "ben" }],
        ["read_mail", { "mailbox": "ana", "id": "m-9999" }],
        ["read_mail", { "mailbox": "zoe", "id": "m-0001" }],
        ["no_such_tool", {}],
    ])
    .to_string()
}

const CHANGES: [&str; 5] = ["mail_sent", "mail_deleted", "file_written", "payee_added", "paid"];
const OFFERS: &str = r#"[["pay-invoice",{"invoice":"INV-2041"}],["sum-up-inbox",{"mailbox":"ana"}]]"#;

/// What every public client must have understood after [`calls`]. Clients check structured contents against the output
/// schemas by themselves: a mismatch is an error here.
fn judge(seen: &Value, protocol: Option<&str>) {
    assert!(seen.get("error").is_none(), "{seen}");
    assert_eq!(seen["server"], "alcaide-practice-ground");
    if let Some(protocol) = protocol {
        assert_eq!(seen["protocol"], protocol);
    }
    assert_eq!(seen["tools"].as_array().unwrap().len(), 17);
    let calls = seen["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 21);
    for (at, call) in calls[..18].iter().enumerate() {
        assert_eq!(call["failed"], false, "call {at}: {call}");
        assert!(call["structured"].is_object(), "call {at}: {call}");
    }
    assert_eq!(calls[4]["structured"], calls[5]["structured"], "one payment");
    assert_eq!(calls[4]["structured"]["amount"], "123.45");
    assert_eq!(calls[6]["structured"]["mails"][0]["subject"], "grüße");
    assert!(calls[7]["blocks"][0].as_str().unwrap().contains("4111 1111 1111 1111"));
    assert!(calls[9]["blocks"][0].as_str().unwrap().contains("/notes/new ü.txt"));
    assert_eq!(calls[14]["structured"]["balance"], "83999.05");
    for call in &calls[18..20] {
        assert_eq!(call["failed"], true, "{call}");
    }
    assert!(
        calls[20]["message"].as_str().unwrap().contains("there is no tool `no_such_tool`"),
        "{}",
        calls[20]
    );
    let offers = &seen["offers"];
    assert!(offers["resources"].as_object().unwrap().len() >= 10);
    assert!(offers["resources"]["practice://files/readme.md"][0].as_str().unwrap().starts_with("# Harbour"));
    assert_eq!(offers["templates"], json!(["practice://files{/path*}"]));
    assert_eq!(offers["prompts"], json!(["pay-invoice", "sum-up-inbox"]));
    assert!(offers["filled"]["pay-invoice"][0].as_str().unwrap().contains("INV-2041"));
}

/// A client over stdio: it starts the program itself. Gives what it saw, and the effects.
fn over_stdio(
    client: impl Fn(&[(&str, &str)]) -> Result<Value, KitError>,
    mode: Option<&str>,
) -> (Value, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let effects = folder.path().join("effects.jsonl");
    let command = json!([PROGRAM, "range", "--stdio", "--effects", effects]).to_string();
    let calls = calls();
    let mut env = vec![("MCP_COMMAND", command.as_str()), ("MCP_CALLS", &calls), ("MCP_OFFERS", OFFERS)];
    env.extend(mode.map(|mode| ("MCP_MODE", mode)));
    let seen = client(&env).unwrap();
    (seen, kinds(&effects))
}

#[test]
fn the_python_library_uses_it_over_stdio_in_both_generations() {
    for (mode, protocol) in [("auto", "2026-07-28"), ("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")] {
        let (seen, kinds) = over_stdio(|env| python("mcp_client.py", env), Some(mode));
        // A client that adopts a version without asking is told no name.
        if mode == "2026-07-28" && seen["server"].is_null() {
            let mut named = seen.clone();
            named["server"] = "alcaide-practice-ground".into();
            judge(&named, Some(protocol));
        } else {
            judge(&seen, Some(protocol));
        }
        assert_eq!(kinds, CHANGES, "{mode}");
    }
}

#[test]
fn the_python_library_uses_it_over_http_in_both_generations() {
    for (mode, protocol) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let mut ground = Ground::begin(&[]);
        let calls = calls();
        let env = [
            ("MCP_URL", ground.url.as_str()),
            ("MCP_MODE", mode),
            ("MCP_CALLS", &calls),
            ("MCP_OFFERS", OFFERS),
        ];
        judge(&python("mcp_client.py", &env).unwrap(), Some(protocol));
        assert_eq!(ground.kinds(), CHANGES, "{mode}");
        assert_eq!(ground.child.stop().unwrap(), Ended::Code(0), "{:?}", ground.child.lines(Source::Err));
    }
}

#[test]
fn the_typescript_library_uses_it_over_both_transports() {
    let (seen, kinds) = over_stdio(|env| node("mcp_client.cjs", env), None);
    judge(&seen, None);
    assert_eq!(kinds, CHANGES);
    let ground = Ground::begin(&[]);
    let calls = calls();
    let env = [("MCP_URL", ground.url.as_str()), ("MCP_CALLS", &calls), ("MCP_OFFERS", OFFERS)];
    judge(&node("mcp_client.cjs", &env).unwrap(), Some("2025-11-25"));
    assert_eq!(ground.kinds(), CHANGES);
}

#[test]
fn one_world_serves_all_clients_of_a_port_and_each_process_begins_anew() {
    let ground = Ground::begin(&[]);
    let pay = r#"[["make_payment",{"payee":"payee-01","amount_cents":100,"reference":"r"}],["account_balance",{}]]"#;
    let balance = |mode: &str| {
        let env = [("MCP_URL", ground.url.as_str()), ("MCP_MODE", mode), ("MCP_CALLS", pay)];
        python("mcp_client.py", &env).unwrap()["calls"][1]["structured"]["balance_cents"].as_u64().unwrap()
    };
    let first = balance("auto");
    assert_eq!(balance("legacy"), first - 100);
    assert_eq!(ground.kinds(), ["paid", "paid"]);
    assert_eq!(Ground::begin(&[]).kinds(), [""; 0]);
}

#[test]
fn the_endpoint_is_closed_to_web_pages_and_to_bodies_past_the_bound() {
    let ground = Ground::begin(&[]);
    let addr = ground.url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let ask = |headers: &str, body: &str| {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nconnection: close\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // A server that has refused already may not take the rest.
        let _ = stream.write_all(body.as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let pay = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "make_payment", "arguments": { "payee": "payee-01", "amount_cents": 1, "reference": "r" },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    })
    .to_string();
    let fits = "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: make_payment\r\n";
    let own = format!("host: {addr}\r\n{fits}");
    assert_eq!(ask(&format!("{own}origin: https://example.org\r\n"), &pay), "403");
    assert_eq!(ask(&format!("host: rebound.example\r\n{fits}"), &pay), "421");
    assert_eq!(ask(&own, &" ".repeat(256 * 1024 + 1)), "413");
    assert_eq!(ground.kinds(), [""; 0]);
    assert_eq!(ask(&own, &pay), "200");
    assert_eq!(ground.kinds(), ["paid"]);
}

#[test]
fn it_turns_when_it_is_told_to() {
    let ground = Ground::begin(&["--turn-after", "1"]);
    let env = [("MCP_URL", ground.url.as_str()), ("MCP_DESCRIPTIONS", "1")];
    let descriptions = || python("mcp_client.py", &env).unwrap()["descriptions"].clone();
    let (first, second) = (descriptions(), descriptions());
    assert_ne!(first["find_person"], second["find_person"]);
    assert!(second["find_person"].as_str().unwrap().contains("/it/deploy.env"));
    assert_eq!(first["read_file"], second["read_file"]);
}

#[test]
fn it_says_what_it_needs_to_stand_behind_a_gate() {
    let said = run(&["range", "--declarations"], &[], b"");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains(&format!("command = [\"{PROGRAM}\", \"range\", \"--stdio\"]")), "{}", said.out);
    run(&["range"], &[], b"").refused(2, "ALC-CLI-0001", &[]);
    run(&["range", "--stdio", "--listen", "127.0.0.1:0"], &[], b"").refused(2, "ALC-CLI-0001", &[]);
    let public = run(&["range", "--listen", "192.0.2.1:7300"], &[], b"");
    public.refused(3, "ALC-CLI-0016", &["plain HTTP is spoken on loopback only"]);
}
