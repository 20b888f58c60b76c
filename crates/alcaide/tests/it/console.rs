//! The console: how people come in, what each may do there, what other sites may not; and a person in a real browser.

mod questions;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use alcaide_console::routes::ROUTES;
use alcaide_inventory::declare::Role;
use alcaide_serve::Door;
use alcaide_testkit::{ModelServer, Script, node, python};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use questions::asked;

use crate::house::{House, run};

const DECLARED: &str = "schema = 1\n\
    [[unit]]\nname = \"main\"\n\
    [[human]]\nname = \"ana\"\nunit = \"main\"\nroles = [\"administrator\"]\n\
    [[human]]\nname = \"apo\"\nunit = \"main\"\nroles = [\"approver\"]\n\
    [[human]]\nname = \"pia\"\nunit = \"main\"\nroles = [\"policy_author\"]\n\
    [[human]]\nname = \"aud\"\nunit = \"main\"\nroles = [\"auditor\"]\n\
    [[human]]\nname = \"vic\"\nunit = \"main\"\nroles = [\"viewer\"]\n\
    [[human]]\nname = \"nil\"\nunit = \"main\"\n\
    [[agent]]\nname = \"bot\"\nunit = \"main\"\nowner = \"ana\"\n\
    [[upstream]]\nname = \"files\"\nprotocol = \"mcp\"\ncommand = [\"/bin/true\"]\n\
    [[route]]\nname = \"files\"\nkind = \"mcp\"\nupstream = \"files\"\n\
    [[tool]]\nserver = \"files\"\nname = \"read_file\"\neffect = \"read\"\n";

fn furnished() -> House {
    let house = House::begin();
    let file = house.put("declared/all.toml", DECLARED);
    house.ok(&["apply", file.parent().unwrap().to_str().unwrap()]);
    house
}

/// What a page answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// One request as a browser on a page of this console sends it; a form where `method` is `post`.
pub(crate) fn send(house: &House, method: &str, path: &str, headers: &str, form: &str) -> Answer {
    let origin =
        if method == "post" { format!("origin: http://{}\r\n", house.office) } else { String::new() };
    raw(house, method, path, &format!("{origin}{headers}"), form)
}

/// One request with these headers and no others of its own.
fn raw(house: &House, method: &str, path: &str, headers: &str, form: &str) -> Answer {
    let (kind, body) = match method {
        "post" => ("content-type: application/x-www-form-urlencoded\r\n", form),
        _ => ("", ""),
    };
    let head = format!(
        "{} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{kind}{headers}content-length: {}\r\n\r\n{body}",
        method.to_uppercase(),
        house.office,
        body.len()
    );
    let mut stream = TcpStream::connect(&house.office).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn id(prefix: &str) -> String {
    format!("{prefix}_{}", "0".repeat(26))
}

/// A page's path with something in the place of each parameter.
pub(crate) fn filled(path: &str) -> String {
    path.replace("{call}", &id("cal"))
        .replace("{task}", &id("tsk"))
        .replace("{agent}", "bot")
        .replace("{server}", "desk")
        .replace("{tool}", "some-tool")
        .replace("{model}", "support")
        .replace("{digest}", &"0".repeat(64))
        .replace("{approval}", &id("apr"))
        .replace("{number}", "1")
        .replace("{index}", "0")
}

/// Somebody who came in.
struct Guest {
    cookie: String,
    token: String,
}

impl Guest {
    fn named(house: &House, name: &str) -> Self {
        let link = house.json(&["console", "link", "--human", name, "--force-print"]);
        let url = link["url"].as_str().unwrap();
        let (base, secret) = url.split_once("/enter?link=").unwrap();
        assert_eq!(base, format!("http://alcaide.localhost:{}", house.office.rsplit_once(':').unwrap().1));
        let answer = send(house, "post", "/enter", "", &format!("link={secret}"));
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let mut guest = Self { cookie, token: String::new() };
        // Every page that is for somebody carries the form with which they sign out.
        guest.token = form_token(&guest.get(house, "/agents").body).unwrap_or_default();
        guest
    }

    fn get(&self, house: &House, path: &str) -> Answer {
        send(house, "get", path, &format!("cookie: {}\r\n", self.cookie), "")
    }

    fn post(&self, house: &House, path: &str, fields: &str) -> Answer {
        let form = format!("form_token={}{fields}", self.token);
        send(house, "post", path, &format!("cookie: {}\r\n", self.cookie), &form)
    }

    fn ask(&self, house: &House, method: &str, path: &str, fields: &str) -> Answer {
        if method == "post" { self.post(house, path, fields) } else { self.get(house, path) }
    }
}

fn form_token(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("name=\"form_token\" value=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// A form without which a page would not know what is meant, for whoever may.
fn fields(path: &str) -> &'static str {
    match path {
        "/plans/{number}/rollback" => "&expected=2",
        "/tools/{server}/{tool}/accept" => {
            "&pin=0000000000000000000000000000000000000000000000000000000000000000"
        }
        _ => "",
    }
}

/// The address of the one declared tool below `/tools/`.
fn tool_of(house: &House) -> String {
    let guest = Guest::named(house, "vic");
    let page = guest.get(house, "/tools").body;
    page.split_once("href=\"/tools/").and_then(|(_, rest)| rest.split_once('"')).unwrap().0.to_owned()
}

#[test]
fn each_role_does_in_the_console_what_the_table_says() {
    let house = furnished();
    let tool = tool_of(&house);
    let people = [
        ("vic", Some(Role::Viewer)),
        ("aud", Some(Role::Auditor)),
        ("pia", Some(Role::PolicyAuthor)),
        ("apo", Some(Role::Approver)),
        ("nil", None),
    ];
    let before = house.json(&["export"]);
    for (name, role) in people {
        let guest = Guest::named(&house, name);
        for route in ROUTES.iter().filter(|route| route.door == Door::Known && route.path != "/leave") {
            // An approver may stop the agent, which others are then shown as stopped: tried below.
            if role == Some(Role::Approver) && route.path == "/agents/{agent}/kill" && route.method == "post"
            {
                continue;
            }
            let path = filled(&route.path.replace("{server}/{tool}", &tool));
            let answer = guest.ask(&house, route.method, &path, fields(route.path));
            let operation = route.operation.unwrap();
            let may = role.is_some_and(|role| operation.roles().contains(&role));
            let told = format!("{name}: {} {path}: {}", route.method, answer.status);
            if may {
                assert!(matches!(answer.status, 200 | 303 | 404 | 409), "{told}: {}", answer.body);
            } else if guest.token.is_empty() && route.method == "post" {
                // Who sees no page has no form either.
                assert_eq!(answer.status, 403, "{told}");
            } else {
                assert_eq!(answer.status, 403, "{told}");
                assert!(answer.body.contains("ALC-OFFICE-0001"), "{told}: {}", answer.body);
                assert!(answer.body.contains("What helps: "), "{told}");
            }
        }
    }
    assert_eq!(house.json(&["export"]), before);
    assert_eq!(house.json(&["agent", "list"])[0]["killed"], false);

    let apo = Guest::named(&house, "apo");
    let page = apo.get(&house, "/agents/bot/kill");
    assert!(page.body.contains("Stop it now"), "{}", page.body);
    let done = apo.post(&house, "/agents/bot/kill", "");
    assert_eq!((done.status, done.header("location")), (303, Some("/agents/bot?done=killed")), "{done:?}");
    assert!(apo.get(&house, "/agents/bot?done=killed").body.contains("An order stopped it"));
    assert_eq!(house.json(&["agent", "list"])[0]["killed"], true);
    // An approver does not lift a stop; an administrator does.
    assert_eq!(apo.post(&house, "/agents/bot/unkill", "").status, 403);
    let ana = Guest::named(&house, "ana");
    assert_eq!(ana.post(&house, "/agents/bot/unkill", "").status, 303);
    assert_eq!(house.json(&["agent", "list"])[0]["killed"], false);
    // A pin that the page did not show is not accepted.
    let stale = ana.post(&house, &format!("/tools/{tool}/accept"), fields("/tools/{server}/{tool}/accept"));
    assert!(stale.status == 409 && stale.body.contains("ALC-CONSOLE-0003"), "{stale:?}");
    // A plan that somebody came before with is not gone back over.
    let late = ana.post(&house, "/plans/1/rollback", "&expected=1");
    assert!(late.status == 409 && late.body.contains("ALC-OFFICE-0003"), "{late:?}");
    let denied = house.ok(&["log", "follow", "--once", "--from", "0"]);
    assert!(denied.matches("denied   ALC-OFFICE-0001, to vic").count() >= 5, "{denied}");
}

/// A value as it stands in a form.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_task_is_begun_with_words_that_are_typed() {
    let house = furnished();
    let vic = Guest::named(&house, "vic");
    let page = vic.get(&house, "/agents/bot").body;
    assert!(page.contains("Begin a task for it"), "{page}");
    let words = "Pay <b>7 EUR</b> to Zoë";
    let begun = vic.post(&house, "/agents/bot/task", &format!("&words={}", escaped(words)));
    assert_eq!(begun.status, 200, "{begun:?}");
    assert!(begun.body.contains("Pay &lt;b&gt;7 EUR&lt;/b&gt; to Zoë"), "{begun:?}");
    let (_, rest) = begun.body.split_once("aria-label=\"Credential of the task\">").unwrap();
    let token = rest.split_once('<').unwrap().0;
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let (_, task) = begun.body.split_once("/tasks/").unwrap();
    assert_eq!(claims["txn"].as_str(), task.split_once('"').map(|(task, _)| task), "{claims}");
    // It names words by a digest; the record has the same commitment for the same words only.
    let issued = house.ok(&["log", "follow", "--once", "--from", "0", "--json"]);
    assert!(!issued.contains("Zoë") && !begun.head.contains("Zoë"), "{issued}");
    assert!(claims.to_string().matches("Zoë").count() == 0, "{claims}");
    // Who is not known cannot, and a stopped agent gets none.
    let ana = Guest::named(&house, "ana");
    assert_eq!(ana.post(&house, "/agents/bot/kill", "").status, 303);
    let late = vic.post(&house, "/agents/bot/task", "&words=x");
    assert!(late.status == 409 && late.body.contains("ALC-CONSOLE-0003"), "{late:?}");
    assert!(!vic.get(&house, "/agents/bot").body.contains("Begin a task for it"));
}

#[test]
fn facts_of_a_tool_are_declared_by_a_form() {
    let house = furnished();
    let tool = tool_of(&house);
    let ana = Guest::named(&house, "ana");
    let page = ana.get(&house, &format!("/tools/{tool}/facts")).body;
    assert!(page.contains("It is declared") && page.contains("effect = &quot;read&quot;"), "{page}");
    let plan_of = |page: &str| {
        let (_, rest) = page.split_once("name=\"expected\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let seen = plan_of(&page);
    let send_at = |plan: &str, text: &str| {
        let fields = format!("&declared=yes&expected={plan}&facts={}", escaped(text));
        ana.post(&house, &format!("/tools/{tool}/facts"), &fields)
    };
    let send = |text: &str| send_at(&plan_of(&ana.get(&house, &format!("/tools/{tool}/facts")).body), text);
    let text =
        "schema = 1\r\n[[tool]]\r\nserver = \"files\"\r\nname = \"read_file\"\r\neffect = \"outbound\"\r\n";
    let done = send(text);
    let place = format!("/tools/{tool}?done=declared");
    assert_eq!((done.status, done.header("location")), (303, Some(place.as_str())), "{done:?}");
    let before = house.json(&["export"]);
    assert!(before.to_string().contains("\"effect\":\"outbound\""), "{before}");
    // A page from before writes over nothing.
    let late = send_at(&seen, text);
    assert_eq!(late.status, 409, "{late:?}");
    for wrong in ["effect = \"sideways\"", "schema = 1\n", &text.replace("read_file", "other")] {
        let told = send(wrong);
        assert!(told.status == 400 && told.body.contains("ALC-OFFICE-0002"), "{wrong}: {told:?}");
    }
    assert_eq!(house.json(&["export"]), before);
}

#[test]
fn a_form_from_elsewhere_or_without_its_token_does_nothing() {
    let house = furnished();
    let ana = Guest::named(&house, "ana");
    let other = Guest::named(&house, "apo");
    let before = house.json(&["export"]);
    let cookie = format!("cookie: {}\r\n", ana.cookie);
    let here = format!("origin: http://{}\r\n", house.office);
    let mut tried = 0;
    for route in ROUTES.iter().filter(|route| route.door == Door::Known && route.method == "post") {
        let path = filled(route.path);
        let good = format!("form_token={}{}", ana.token, fields(route.path));
        let foreign = format!("form_token={}", other.token);
        for form in ["", "form_token=", "form_token=0", foreign.as_str(), "a=b", "%"] {
            let answer = raw(&house, "post", &path, &format!("{here}{cookie}"), form);
            assert_eq!(answer.status, 403, "{path} `{form}`: {}", answer.body);
            assert!(answer.body.contains("ALC-CONSOLE-0002"), "{path} `{form}`: {}", answer.body);
        }
        for (origin, code) in [
            ("", "ALC-CONSOLE-0001"),
            ("sec-fetch-site: same-origin\r\n", "ALC-CONSOLE-0001"),
            ("origin: null\r\n", "ALC-SERVE-"),
            ("origin: http://127.0.0.1:1\r\n", "ALC-SERVE-"),
            ("origin: https://evil.example\r\n", "ALC-SERVE-"),
        ] {
            let answer = raw(&house, "post", &path, &format!("{origin}{cookie}"), &good);
            assert_eq!(answer.status, 403, "{path} `{origin}`: {}", answer.body);
            assert!(answer.body.contains(code), "{path} `{origin}`: {}", answer.body);
        }
        for site in ["cross-site", "same-site", "none"] {
            let headers = format!("{here}{cookie}sec-fetch-site: {site}\r\n");
            let answer = raw(&house, "post", &path, &headers, &good);
            assert!(answer.status == 403 && answer.body.contains("ALC-CONSOLE-0001"), "{path} {site}");
        }
        let long = format!("{good}&more={}", "x".repeat(17_000));
        assert_eq!(raw(&house, "post", &path, &format!("{here}{cookie}"), &long).status, 403, "{path}");
        // What changes something is never a look at an address.
        let looked = ana.get(&house, &path);
        assert!(matches!(looked.status, 200 | 404 | 405), "{path}: {}", looked.status);
        tried += 1;
    }
    assert!(tried >= 7, "{tried}");
    assert_eq!(house.json(&["export"]), before);
    assert_eq!(house.json(&["agent", "list"])[0]["killed"], false);
    assert_eq!(ana.get(&house, "/").status, 200);
}

#[test]
fn every_answer_forbids_what_it_does_not_need() {
    let house = furnished();
    let ana = Guest::named(&house, "ana");
    for route in ROUTES.iter().filter(|route| route.method == "get") {
        let path = filled(route.path);
        let answer = ana.get(&house, &path);
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for part in [
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "form-action 'self'",
            "connect-src 'self'",
            "img-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        let kept = answer.header("cache-control").unwrap();
        assert!(
            if path.starts_with("/assets/") { kept.contains("private") } else { kept == "no-store" },
            "{path}: {kept}"
        );
        assert!(
            !answer.body.contains(" style=")
                && !answer.body.contains("<style")
                && !answer.body.contains(" onclick")
        );
    }
}

#[test]
fn a_link_works_once_and_goes_to_no_pipe() {
    let house = House::begin();
    house.run(&["console", "link"]).refused(
        2,
        "ALC-CLI-0040",
        &["error: the link was not printed\n", "  why: whoever reads the link is that person"],
    );
    // Nobody is declared yet: the first administrator is, and that is said.
    assert_eq!(house.json(&["export"])["humans"], Value::Null);
    let said = house.run(&["console", "link", "--human", "ana", "--force-print"]);
    assert_eq!(said.code, 0, "{said:?}");
    let told = "nobody administered the office yet: `ana` is declared as its administrator, in unit `main`, in plan 2\n";
    assert!(said.err.starts_with(told), "{said:?}");
    assert!(said.err.contains("for `ana`, once, until "), "{said:?}");
    let link = house.json(&["console", "link", "--force-print"]);
    assert_eq!(link["human"], "ana");
    house.run(&["console", "link", "--human", "bob", "--force-print"]).refused(1, "ALC-OFFICE-0004", &[]);

    let url = link["url"].as_str().unwrap();
    let (_, secret) = url.split_once("/enter?link=").unwrap();
    // Looking at it, as a preview does, uses nothing up.
    for _ in 0..2 {
        let page = raw(&house, "get", &format!("/enter?link={secret}"), "", "");
        assert!(page.status == 200 && page.body.contains("Open the console"), "{page:?}");
        assert_eq!(page.header("set-cookie"), None);
    }
    // Another site cannot make somebody come in.
    let form = format!("link={secret}");
    assert_eq!(raw(&house, "post", "/enter", "", &form).status, 403);
    assert_eq!(raw(&house, "post", "/enter", "origin: https://evil.example\r\n", &form).status, 403);
    let first = send(&house, "post", "/enter", "", &form);
    let cookie = first.header("set-cookie").unwrap();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict") && cookie.contains("; Path=/;"),
        "{cookie}"
    );
    let again = send(&house, "post", "/enter", "", &form);
    assert!(again.status == 401 && again.body.contains("ALC-OFFICE-0042"), "{again:?}");
    assert_eq!(again.header("set-cookie"), None);
    let followed = house.ok(&["log", "follow", "--once", "--from", "0"]);
    assert!(followed.contains("office   link to the console for ana\n"), "{followed}");
    assert!(followed.contains("office   session of ana\n"), "{followed}");
    assert!(!followed.contains(secret));

    let ana = Guest::named(&house, "ana");
    assert_eq!(ana.get(&house, "/").status, 200);
    let left = ana.post(&house, "/leave", "");
    assert!(left.status == 200 && left.header("set-cookie").unwrap().contains("Max-Age=0"), "{left:?}");
    assert_eq!(ana.get(&house, "/").status, 401);
    // Demoted while signed in: the same session may less at once.
    house.ok(&["human", "create", "eva", "--unit", "main", "--role", "administrator"]);
    let ana = Guest::named(&house, "ana");
    let text = house.ok(&["export"]).replacen("\"administrator\"", "\"viewer\"", 1);
    let file = house.put("declared/all.toml", &text);
    house.ok(&["apply", file.parent().unwrap().to_str().unwrap()]);
    assert_eq!(ana.get(&house, "/plans/1/rollback").status, 200);
    assert_eq!(ana.post(&house, "/plans/1/rollback", "&expected=1").status, 403);
}

#[test]
fn a_first_start_on_a_terminal_shows_the_way_in() {
    let house = House::none();
    let dir = house.dir();
    let command = serde_json::json!([
        crate::house::PROGRAM,
        "up",
        "--init",
        "--gate",
        "127.0.0.1:0",
        "--office",
        "127.0.0.1:0",
        "--data-dir",
        dir
    ]);
    let env = [("COMMAND", &*command.to_string()), ("UNTIL", "within ten minutes"), ("USER", "Ana")];
    let seen = python("terminal.py", &env).unwrap();
    let said = seen["said"].as_str().unwrap();
    assert!(said.contains("`ana` is declared as its administrator, in unit `main`, in plan 2"), "{said}");
    assert!(
        said.contains("console http://alcaide.localhost:") && said.contains("/enter?link=alclnk_"),
        "{said}"
    );
    assert_eq!(seen["status"], 0, "{said}");
}

#[test]
fn a_person_in_a_real_browser_sees_a_call_and_stops_an_agent() {
    if !std::path::Path::new("/usr/bin/chromium").exists() {
        println!(
            "not judged: the console in a browser: there is no Chromium; `cargo xtask peers` installs it, as root"
        );
        return;
    }
    let server = ModelServer::start(Script::says("Paid and filed.")).unwrap();
    let mut house = House::begin();
    for name in ["openai-key", "anthropic-key", "erp-secret"] {
        house.secret(name);
    }
    let said = run(&["declare", "example"], &[], b"");
    let text = said.out.replace("https://api.openai.com/v1", &server.url("/v1"));
    let file = house.put("declared/all.toml", &text);
    house.ok(&["apply", file.parent().unwrap().to_str().unwrap()]);
    asked(&mut house, 77);
    let link = house.json(&["console", "link", "--human", "ana", "--force-print"]);
    let token = house.ok(&["agent", "token", "invoice-bot", "--subject", "ana"]);
    let folder = house.put("browser/keep", "");
    let gate = format!("http://{}", house.gate);
    let shots = std::env::var("ALCAIDE_TEST_SHOTS").unwrap_or_default();
    let env = [
        ("LINK", link["url"].as_str().unwrap()),
        ("GATE", gate.as_str()),
        ("GATE_TOKEN", token.trim()),
        ("MODEL", "small"),
        ("AGENT", "invoice-bot"),
        ("FOLDER", folder.parent().unwrap().to_str().unwrap()),
        ("SHOTS", shots.as_str()),
    ];
    let seen = node("console_visit.cjs", &env).unwrap();
    assert_eq!(
        [&seen["welcome"], &seen["entered"], &seen["left"]],
        ["Welcome", "Overview", "Signed out"],
        "{seen}"
    );
    assert_eq!(seen["cookie"], "", "the script of a page sees the session: {seen}");
    assert_eq!((&seen["called"], &seen["live"]), (&Value::from(200), &Value::from(true)), "{seen}");
    let stages: Vec<_> = seen["stages"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(
        stages,
        [
            "Arrived passed",
            "Known passed",
            "Read passed",
            "Decided passed",
            "Bound passed",
            "Recorded passed",
            "Answered passed"
        ]
    );
    assert_eq!(seen["proof"], "It is in the log");
    let drawn = serde_json::json!([
        "The user's words",
        "call tool · credential · strangers' answer",
        "call tool · credential"
    ]);
    assert_eq!(seen["drawn"], drawn, "{seen}");
    assert_eq!(seen["edges"], serde_json::json!([true, true]), "an arc of the graph is not drawn: {seen}");
    assert_eq!(seen["asks"], "Yes, this one call once");
    assert!(seen["answered"].as_str().unwrap().starts_with("Answered with yes, all of them"), "{seen}");
    assert!(house.ok(&["order", "list"]).contains("endorse 1 of its values"));
    assert_eq!(seen["killed"], "An order stopped it");
    assert!(seen["notice"].as_str().unwrap().starts_with("Stopped. "), "{seen}");
    assert_eq!(seen["wrong"], Value::Array(Vec::new()), "{seen:#}");
    assert_eq!(seen["complaints"], Value::Array(Vec::new()), "{seen:#}");
    let office = format!("http://alcaide.localhost:{}", house.office.rsplit_once(':').unwrap().1);
    assert_eq!(seen["asked"], Value::Array(vec![office.into()]), "{seen}");
    assert_eq!(house.json(&["agent", "list"])[0]["killed"], true);
}
