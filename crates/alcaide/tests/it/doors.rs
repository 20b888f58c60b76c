//! Who comes in: strangers nowhere, people with few roles no further than those say.

use std::collections::BTreeMap;

use alcaide_api::routes::ROUTES;
use alcaide_serve::Door;
use serde_json::{Value, json};

use crate::console;
use crate::house::{House, http, run};

const DECLARED: &str = "schema = 1\n\
    [[unit]]\nname = \"main\"\n\
    [[human]]\nname = \"ana\"\nunit = \"main\"\nroles = [\"administrator\"]\n\
    [[human]]\nname = \"vic\"\nunit = \"main\"\nroles = [\"viewer\"]\n\
    [[agent]]\nname = \"bot\"\nunit = \"main\"\nowner = \"ana\"\n\
    [[upstream]]\nname = \"desk\"\nprotocol = \"mcp\"\nbase_url = \"http://127.0.0.1:9/mcp\"\n\
    [[route]]\nname = \"desk\"\nkind = \"mcp\"\nupstream = \"desk\"\n\
    [[tool]]\nserver = \"desk\"\nname = \"some-key\"\n";

fn furnished() -> House {
    let house = House::begin();
    let file = house.put("declared/all.toml", DECLARED);
    house.ok(&["apply", file.parent().unwrap().to_str().unwrap()]);
    house
}

/// An id of a thing that is not there.
fn id(prefix: &str) -> String {
    format!("{prefix}_{}", "0".repeat(26))
}

/// The path with something in the place of each parameter.
fn filled(path: &str) -> String {
    path.replace("{actor}", "bot")
        .replace("{credential}", &id("crd"))
        .replace("{token}", &id("tok"))
        .replace("{approval}", &id("apr"))
        .replace("{call}", &id("cal"))
        .replace("{task}", &id("tsk"))
        .replace("{digest}", &"0".repeat(64))
        .replace("{number}", "1")
        .replace("{index}", "0")
        .replace("{name}", "some-key")
        .replace("{server}", "desk")
}

#[test]
fn a_stranger_is_told_nothing_but_that() {
    let house = furnished();
    let mut tried = 0;
    for route in ROUTES.iter().filter(|route| route.door == Door::Known) {
        let path = filled(route.path);
        assert!(!path.contains('{'), "{path}");
        for (token, code) in
            [(None, "ALC-OFFICE-0012"), (Some("eyJhbGciOiJub25lIn0.e30."), "ALC-OFFICE-0018")]
        {
            let (status, body) = http(&house.office, route.method, &path, token, None);
            assert_eq!(status, 401, "{} {path}: {body}", route.method);
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(problem["code"], code, "{} {path}", route.method);
            for member in ["type", "title", "detail", "help"] {
                assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{path}: {problem}");
            }
        }
        tried += 1;
    }
    assert!(tried > 25, "{tried}");
    let mut pages = 0;
    for route in alcaide_console::routes::ROUTES {
        if route.door != Door::Known {
            continue;
        }
        let path = console::filled(route.path);
        assert!(!path.contains('{'), "{path}");
        // Neither a session that nobody has nor an office token opens a page.
        for more in ["", "cookie: alcaide_console_PORT=alcses_x\r\n", "authorization: Bearer alcses_x\r\n"] {
            let port = house.office.rsplit_once(':').unwrap().1;
            let answer =
                console::send(&house, route.method, &path, &more.replace("PORT", port), "form_token=x");
            assert_eq!(answer.status, 401, "{} {path}: {}", route.method, answer.body);
            assert!(answer.body.contains("You are not signed in"), "{path}: {}", answer.body);
            assert!(
                !answer.body.contains("bot<") && !answer.body.contains("vic<"),
                "{path}: {}",
                answer.body
            );
        }
        pages += 1;
    }
    assert!(pages > 20, "{pages}");
    for path in ["/v1/chat/completions", "/v1/models", "/anthropic/v1/messages", "/mcp/files", "/api/erp/x"] {
        for method in ["post", "get"] {
            let (status, body) = http(&house.gate, method, path, None, Some(&json!({ "model": "small" })));
            assert_eq!(status, 401, "{method} {path}: {body}");
            assert!(body.contains("ALC-GATE-0001"), "{method} {path}: {body}");
        }
    }
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/.well-known/jwks.json", 200),
        ("/.well-known/alcaide-label-jwks.json", 200),
        ("/log/checkpoint", 200),
    ] {
        assert_eq!(http(&house.office, "get", path, None, None).0, status, "{path}");
    }
}

/// Every known route, with whether a viewer may use it and what a good request holds.
fn table() -> BTreeMap<(&'static str, &'static str), (bool, Option<Value>)> {
    let declared = json!({ "schema": 1 });
    let unit = json!({ "create": { "unit": { "name": "other" } } });
    let cases = json!({ "file": "c.toml", "cases": "" });
    let cedar = json!({ "file": "p.cedar", "cedar": "" });
    let task = json!({ "actor": "bot", "subject": "ana" });
    let office = json!({ "human": "ana" });
    let digest = "0".repeat(64);
    let version = json!({ "version": digest });
    let registration = json!({
        "subject": { "name": "m", "digest": { "alcaide-manifest-1": digest, "sha256": digest } },
        "scan": {
            "verdict": "clean",
            "findings": { "critical": 0, "high": 0, "medium": 0, "low": 0, "unlisted": 0 },
            "in_doubt": 0,
            "files": 1,
            "bytes": 1,
            "packs": { "version": "1", "digest": digest, "program": "1" },
        },
    });
    BTreeMap::from([
        (("get", "/metrics"), (true, None)),
        (("get", "/api/v1/status"), (true, None)),
        (("get", "/api/v1/declarations"), (true, None)),
        (("get", "/api/v1/plans"), (true, None)),
        (("post", "/api/v1/plans"), (false, Some(declared.clone()))),
        (("post", "/api/v1/plans/preview"), (true, Some(declared))),
        (("get", "/api/v1/plans/{number}"), (true, None)),
        (("post", "/api/v1/plans/{number}/rollback"), (false, None)),
        (("post", "/api/v1/edits"), (false, Some(unit))),
        (("post", "/api/v1/policies/check"), (true, Some(cedar))),
        (("post", "/api/v1/policies/test"), (true, Some(cases))),
        (("get", "/api/v1/secrets"), (true, None)),
        (("put", "/api/v1/secrets/{name}"), (false, Some(json!({ "value": "x" })))),
        (("delete", "/api/v1/secrets/{name}"), (false, None)),
        (("get", "/api/v1/agents"), (true, None)),
        (("post", "/api/v1/actors/{actor}/kill"), (false, None)),
        (("post", "/api/v1/actors/{actor}/unkill"), (false, None)),
        (("get", "/api/v1/actors/{actor}/credentials"), (true, None)),
        (("post", "/api/v1/actors/{actor}/enrolments"), (false, None)),
        (("delete", "/api/v1/credentials/{credential}"), (false, None)),
        (("post", "/api/v1/tasks"), (false, Some(task))),
        (("post", "/api/v1/office_tokens"), (false, Some(office.clone()))),
        (("post", "/api/v1/console_links"), (false, Some(office.clone()))),
        (("post", "/api/v1/tokens/{token}/revoke"), (false, None)),
        (("get", "/api/v1/tools"), (true, None)),
        (("get", "/api/v1/tools/{server}/{name}"), (true, None)),
        (("post", "/api/v1/tools/{server}/{name}/accept"), (false, Some(json!({ "pin": "0".repeat(64) })))),
        (("post", "/api/v1/tools/{server}/{name}/quarantine"), (false, None)),
        (("get", "/api/v1/sources/quarantined"), (true, None)),
        (("post", "/api/v1/sources/{name}/quarantine"), (false, None)),
        (("post", "/api/v1/sources/{name}/release"), (false, None)),
        (("get", "/api/v1/models"), (true, None)),
        (("get", "/api/v1/models/{name}"), (true, None)),
        (("post", "/api/v1/models/{name}/versions"), (false, Some(registration))),
        (("post", "/api/v1/models/{name}/release"), (false, Some(version.clone()))),
        (("post", "/api/v1/models/{name}/quarantine"), (false, Some(version.clone()))),
        (("post", "/api/v1/models/{name}/revoke"), (false, Some(version))),
        (("get", "/api/v1/evidence"), (true, None)),
        (("get", "/api/v1/evidence/{digest}"), (true, None)),
        (("get", "/api/v1/evidence_key"), (true, None)),
        (("get", "/api/v1/calls"), (true, None)),
        (("get", "/api/v1/calls/{call}"), (true, None)),
        (("get", "/api/v1/calls/{call}/reach"), (true, None)),
        (("get", "/api/v1/tools/{server}/{name}/reach"), (true, None)),
        (("get", "/api/v1/actors/{actor}/reach"), (true, None)),
        (("get", "/api/v1/actors/{actor}/report"), (true, None)),
        (("get", "/api/v1/calls/{call}/influence"), (true, None)),
        (("get", "/api/v1/tasks/{task}/flow"), (true, None)),
        (("get", "/api/v1/usage"), (true, None)),
        (("get", "/api/v1/orders"), (true, None)),
        (("get", "/api/v1/approvers"), (true, None)),
        (("get", "/api/v1/approval_queue"), (true, None)),
        (("post", "/api/v1/tasks/{task}/approvals"), (false, Some(json!({ "decision": "approve" })))),
        (("get", "/api/v1/approvals"), (true, None)),
        (("get", "/api/v1/approvals/{approval}"), (true, None)),
        (("post", "/api/v1/approvals/{approval}"), (false, Some(json!({ "decision": "approve" })))),
        (("post", "/api/v1/approvals/{approval}/approve"), (false, None)),
        (("post", "/api/v1/approvals/{approval}/deny"), (false, None)),
        (("get", "/api/v1/log/entries"), (true, None)),
        (("get", "/api/v1/log/proofs/{index}"), (true, None)),
    ])
}

#[test]
fn a_viewer_looks_and_changes_nothing() {
    let house = furnished();
    let token = house.ok(&["token", "office", "vic"]);
    let before = house.json(&["export"]);
    let mut table = table();
    for route in ROUTES.iter().filter(|route| route.door == Door::Known) {
        let key = (route.method, route.path);
        let (may, body) = table.remove(&key).unwrap_or_else(|| panic!("{key:?} is not in the table"));
        let path = filled(route.path);
        let (status, text) = http(&house.office, route.method, &path, Some(token.trim()), body.as_ref());
        if may {
            // What is not there is told to whoever may look.
            let absent = ["cal", "apr", "tsk"].iter().any(|kind| path.contains(&id(kind)))
                || ["{digest}", "models/{name}"].iter().any(|part| route.path.contains(part));
            assert!(status == 200 || status == 404 && absent, "{key:?}: {status} {text}");
        } else {
            assert_eq!(status, 403, "{key:?}: {text}");
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(problem["code"], "ALC-OFFICE-0001", "{key:?}");
            assert!(!problem["help"].as_str().unwrap().is_empty(), "{key:?}");
        }
    }
    assert!(table.is_empty(), "no such routes: {table:?}");
    assert_eq!(house.json(&["export"]), before);
    let listed = house.json(&["agent", "list"]);
    assert_eq!(listed[0]["killed"], false);

    // The same over the command line, at the office's URL.
    let url = format!("http://{}", house.office);
    let env = [("ALCAIDE_OFFICE_TOKEN", token.trim())];
    let at = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--url", url.as_str()]);
        run(&all, &env, b"")
    };
    let said = at(&["agent", "list", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap(), listed);
    at(&["agent", "kill", "bot"]).refused(
        1,
        "ALC-OFFICE-0001",
        &[
            "error: not allowed\n",
            "  why: `stop an actor` is not among what you may do here\n",
            "  fix: ask an administrator for one of the roles ",
        ],
    );
    run(&["agent", "list", "--url", &url], &[], b"").refused(
        2,
        "ALC-CLI-0018",
        &["error: the remote office was not asked\n", "  why: `ALCAIDE_OFFICE_TOKEN` is not set\n"],
    );
    // Each attempt is in the record.
    let denied = house.ok(&["log", "follow", "--once", "--from", "0"]);
    assert!(denied.matches("denied   ALC-OFFICE-0001, to vic\n").count() >= 10, "{denied}");
}

#[test]
fn the_operator_approves_nothing() {
    let house = furnished();
    house.run(&["approval", "approve", &id("apr")]).refused(
        1,
        "ALC-OFFICE-0001",
        &[
            "error: not allowed\n",
            "  why: `approve a call` is not among",
            "  fix: ask an administrator for one of the roles `approver`\n",
        ],
    );
    assert_eq!(house.json(&["approval", "list"])["items"], json!([]));
}

/// One request with a body that need not be JSON, as the operator of the command line would never send it.
fn raw(house: &House, token: &str, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(&house.office).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{kind}authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        house.office,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Whoever sends too much may find the other side gone.
    let _ = stream.write_all(body);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: no JSON: {answer}")))
}

#[test]
fn what_cannot_be_read_is_answered_with_code_place_and_cure() {
    let house = furnished();
    let token = house.ok(&["token", "office", "ana"]);
    let token = token.trim();
    let json = "content-type: application/json\r\n";
    let said = |problem: &Value, code: &str, places: &[&str]| {
        assert_eq!(problem["code"], code, "{problem}");
        for place in places {
            assert!(problem["detail"].as_str().unwrap().contains(place), "{place}: {problem}");
        }
        assert!(problem["help"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    };
    for (body, places) in [
        (&b"{"[..], &["body, line 1, column 1"][..]),
        (b"{\n  \"human\": 7 }", &["body, line 2", "invalid type"]),
        (b"{\"man\": \"ana\"}", &["body, line 1", "unknown field `man`"]),
        (b"", &["body, line 1, column 0"]),
    ] {
        let (status, problem) = raw(&house, token, "/api/v1/office_tokens", json, body);
        assert_eq!(status, 400, "{problem}");
        said(&problem, "ALC-OFFICE-0021", places);
    }
    let (status, problem) = raw(&house, token, "/api/v1/office_tokens", "", b"{\"human\": \"ana\"}");
    assert_eq!(status, 415);
    said(&problem, "ALC-OFFICE-0047", &["content-type"]);
    let (status, problem) = raw(&house, token, "/oauth/token", json, b"{}");
    assert_eq!((status, problem["error"].as_str()), (415, Some("invalid_request")), "{problem}");
    // More than what was read of a request until now, and less than a folder of declarations may be.
    let long = format!("{{\"human\": \"{}\"}}", "a".repeat(3 << 20));
    let (status, problem) = raw(&house, token, "/api/v1/office_tokens", json, long.as_bytes());
    assert_eq!(status, 404, "it was read: {}", problem["code"]);
    for (path, status, code, place) in [
        ("/api/v1/plans/seven", 400, "ALC-OFFICE-0021", "path"),
        ("/api/v1/tools/No%20Name/read", 400, "ALC-OFFICE-0021", "path"),
        ("/api/v1/calls?limit=many", 400, "ALC-OFFICE-0021", "query"),
        ("/api/v1/calls?of=bot", 400, "ALC-OFFICE-0021", "query"),
        ("/api/v1/log/proofs/99999", 404, "ALC-OFFICE-0004", "99999"),
        ("/api/v1/log/proofs/-1", 400, "ALC-OFFICE-0021", "path"),
    ] {
        let (found, body) = http(&house.office, "get", path, Some(token), None);
        assert_eq!(found, status, "{path}: {body}");
        said(&serde_json::from_str(&body).unwrap(), code, &[place]);
    }
}
