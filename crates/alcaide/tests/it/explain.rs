//! Why a call was decided so, asked of the built program: of a folder alone, of the plan in force, and of the record.

use std::time::Instant;

use alcaide_testkit::DEADLINE;
use serde_json::{Value, json};

use crate::house::{House, Said, http, run};

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
may = ["use:tool/erp/post_invoice", "use:model/small"]
[[agent]]
name = "other"
unit = "main"
owner = "ana"
[[upstream]]
name = "local"
protocol = "openai"
base_url = "http://127.0.0.1:1/v1"
[[route]]
name = "small"
kind = "model"
upstreams = [{ upstream = "local" }]
[[route]]
name = "erp"
kind = "mcp"
upstream = "desk"
[[route]]
name = "crm"
kind = "service"
upstream = "plain"
operations = [{ name = "read", method = "GET", path = "/a", effect = "read" }]
[[upstream]]
name = "desk"
protocol = "mcp"
base_url = "http://127.0.0.1:1/mcp"
[[upstream]]
name = "plain"
protocol = "http"
base_url = "http://127.0.0.1:1"
[[tool]]
server = "erp"
name = "post_invoice"
effect = "money"
control = ["amount"]
free_text = ["note"]
"#;
const POLICIES: &str = r#"@id("large")
@ask("approver")
@reason("a large invoice needs a second person")
forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource)
when { context has args && context.args.amount > 10000 };

@id("cards")
@reason("no card goes into an invoice")
@cure("leave the card out")
forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource)
when { context has args && context.args.note like "*card*" && context.args.to == "acme" };

@id("masked")
@obligation("mask:card")
permit (principal is Alcaide::Agent, action == Alcaide::Action::"use_model", resource)
unless { context.budget_used > 90 };
"#;

/// A folder of declarations, in a house that was never begun.
fn declared() -> (House, String) {
    let house = House::none();
    house.put("declared/all.toml", DECLARED);
    let folder = house.put("declared/rules.cedar", POLICIES);
    let folder = folder.parent().unwrap().to_str().unwrap().to_owned();
    (house, folder)
}

fn explain(folder: &str, more: &[&str]) -> Said {
    let mut args = vec!["policy", "explain", "--folder", folder];
    args.extend(more);
    run(&args, &[], b"")
}

fn told(said: &Said, exit: i32) -> Value {
    assert_eq!(said.code, exit, "{said:?}");
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

fn policy<'t>(told: &'t Value, id: &str) -> &'t Value {
    let all = told["policies"].as_array().unwrap();
    all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("no `{id}`: {told}"))
}

#[test]
fn a_folder_is_explained_without_any_service() {
    let (house, folder) = declared();
    let invoice = ["--agent", "bot", "--tool", "erp/post_invoice", "--args"];
    let large = r#"{"amount": 20000, "to": "acme", "note": "as agreed"}"#;
    let said = explain(&folder, &[&invoice[..], &[large]].concat());
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
    for part in [
        "who        agent `bot`\nwhat       call_tool tool `erp/post_invoice`\nplan       of the folder, by itself\n",
        "decision   ask\nreason     a large invoice needs a second person\nasks       approver\n",
        "decided by\n  rules/large  forbid  rules.cedar:1\n      matched\n      context.args.amount = 20000\n",
        "    | @reason(\"a large invoice needs a second person\")\n",
        "matched too, without deciding\n  grant:agent/bot:use:tool/erp/post_invoice  permit\n",
        "  rules/cards  forbid  rules.cedar:7\n      `when` does not hold: `context.args.note like \"*card*\"` (line 11)\n",
        // Free text is told by its length alone.
        "      context.args.note = \"[text of 9 characters]\"\n",
        "  default/standing/inactive  forbid",
        "      principal.standing = \"active\"\n",
        "  1. yes of approver: human `eva`\n     then: allow\n",
        "more are about another principal, action or resource; `--all` lists them\n",
        "here they count as accepted",
    ] {
        assert!(said.out.contains(part), "no `{part}` in:\n{}", said.out);
    }
    assert!(!said.out.contains("as agreed") && !said.out.contains('\u{1b}'), "{}", said.out);
    let said = explain(&folder, &[&invoice[..], &[large, "--color", "always"]].concat());
    assert!(said.out.contains("\u{1b}[1mask\u{1b}[0m"), "{}", said.out);

    let small = r#"{"amount": 9, "to": "4111 1111 1111 1111", "note": "card"}"#;
    let said = explain(&folder, &[&invoice[..], &[small, "--json"]].concat());
    let read = told(&said, 0);
    assert_eq!(read["decision"]["outcome"], "allow");
    assert_eq!(
        (&read["record"], &read["agrees"], &read["remedies"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    let cards = policy(&read, "rules/cards");
    assert_eq!(
        cards["condition"],
        json!({ "clause": "when", "text": "context.args.to == \"acme\"", "line": 11 })
    );
    assert_eq!(cards["values"], json!([{ "path": "context.args.to", "value": "[card ending 1111]" }]));
    assert_eq!(cards["annotations"]["cure"], "leave the card out");
    assert!(!said.out.contains("4111 1111"), "{}", said.out);
    // The same where the arguments come from a file.
    let file = house.put("args.json", small);
    let at = format!("@{}", file.display());
    assert_eq!(told(&explain(&folder, &[&invoice[..], &[&at, "--json"]].concat()), 0), read);
}

#[test]
fn what_is_not_permitted_says_what_would_be() {
    let (house, folder) = declared();
    let said = explain(&folder, &["--agent", "other", "--api", "crm/read", "--json"]);
    let read = told(&said, 1);
    assert_eq!(
        (&read["decision"]["code"], &read["decision"]["outcome"]),
        (&json!("ALC-POLICY-0032"), &json!("refuse"))
    );
    assert_eq!(
        read["remedies"],
        json!([{ "change": "permitted", "how": ["the grant `use:api/crm/read` is given"], "then": "allow", "obligations": [] }])
    );
    // A tool that nobody accepted: first that, then a grant.
    let tool = ["--agent", "other", "--tool", "erp/post_invoice", "--unaccepted", "--json"];
    let read = told(&explain(&folder, &tool), 1);
    assert_eq!(read["decision"]["cure"], "its owner reviews and accepts the tool");
    assert_eq!(policy(&read, "default/tools/unpinned")["part"], "decided");
    assert_eq!(
        policy(&read, "default/tools/unpinned")["values"],
        json!([{ "path": "resource.pinned", "value": false }])
    );
    let steps: Vec<_> =
        read["remedies"].as_array().unwrap().iter().map(|one| one["change"].clone()).collect();
    assert_eq!(steps, ["without", "permitted"]);
    // The budget is nearly used up: a condition stands in the way, and its value is told.
    let model = ["--agent", "bot", "--model", "small", "--context", r#"{"budget_used": 95}"#, "--json"];
    let read = told(&explain(&folder, &model), 0);
    let masked = policy(&read, "rules/masked");
    assert_eq!((&masked["part"], &masked["condition"]["clause"]), (&json!("not_applied"), &json!("unless")));
    assert_eq!(masked["values"], json!([{ "path": "context.budget_used", "value": 95 }]));
    assert_eq!(read["decision"]["obligations"], json!([]));
    let read = told(&explain(&folder, &["--agent", "bot", "--model", "small", "--json"]), 0);
    assert_eq!(read["decision"]["obligations"], json!(["mask:card"]));

    // An example of `policy test` is explained by its name.
    let cases = house.put(
        "cases.toml",
        "[[case]]\nname = \"a\"\nagent = \"bot\"\naction = \"use_model\"\nresource = \"small\"\nexpect = \"allow\"\n\
         [[case]]\nname = \"b\"\nhuman = \"eva\"\naction = \"use_model\"\nresource = \"small\"\nexpect = \"allow\"\n",
    );
    let case = ["--case", cases.to_str().unwrap(), "--name"];
    assert_eq!(
        told(&explain(&folder, &[&case[..], &["a", "--json"]].concat()), 0)["who"]["actor"],
        "agent `bot`"
    );
    assert_eq!(
        told(&explain(&folder, &[&case[..], &["b", "--json"]].concat()), 1)["who"]["actor"],
        "human `eva`"
    );
    explain(&folder, &[&case[..], &["c"]].concat()).refused(
        2,
        "ALC-CLI-0013",
        &["holds 2 cases, and not exactly one called `c`"],
    );
}

#[test]
fn what_cannot_be_explained_is_told_with_its_cure() {
    let (house, folder) = declared();
    let with = |more: &[&str]| explain(&folder, more);
    with(&["--model", "small"]).refused(2, "ALC-CLI-0001", &["error: it is not said who calls\n"]);
    with(&["--agent", "bot"]).refused(2, "ALC-CLI-0001", &["error: it is not said what is called\n"]);
    with(&["--agent", "nobody", "--model", "small"]).refused(
        2,
        "ALC-CLI-0013",
        &["error: the plan holds no agent `nobody`\n"],
    );
    with(&["--agent", "bot", "--model", "tiny"]).refused(2, "ALC-CLI-0013", &["no resource `tiny`"]);
    with(&["--agent", "bot", "--action", "dance", "--resource", "x"]).refused(
        2,
        "ALC-CLI-0013",
        &["`dance`"],
    );
    // What was given as arguments is not said again.
    let said = with(&["--agent", "bot", "--tool", "erp/post_invoice", "--args", "{\"amount\": sk-secret}"]);
    said.refused(2, "ALC-CLI-0013", &["error: the arguments are no JSON object\n", "   at: --args:1:12\n"]);
    assert!(!said.err.contains("sk-secret"), "{}", said.err);
    let context = ["--agent", "bot", "--model", "small", "--context", r#"{"budget": 3}"#];
    with(&context).refused(2, "ALC-CLI-0013", &["unknown field `budget`"]);
    house.put("declared/all.toml", &DECLARED.replace("owner = \"ana\"", "owner = \"zoe\""));
    with(&["--agent", "bot", "--model", "small"]).refused(
        1,
        "ALC-CLI-0009",
        &["error: the declarations break rules\n", "zoe"],
    );
    // Without a folder it is the office that knows.
    house.run(&["policy", "explain", "--agent", "bot", "--model", "small"]).refused(3, "ALC-CLI-0005", &[]);
    house.run(&["policy", "explain", "--call", "a/b"]).refused(2, "ALC-CLI-0013", &[]);
}

/// The demo's story, its house up again, and the calls of the story by step.
fn practised() -> (House, Value) {
    let mut house = House::none();
    let dir = house.dir();
    let args =
        ["demo", "--no-wait", "--answer", "--json", "--gate", "127.0.0.1:0", "--office", "127.0.0.1:0"];
    let said = run(&[&args[..], &["--data-dir", dir.to_str().unwrap()]].concat(), &[], b"");
    assert_eq!(said.code, 0, "{said:?}");
    house.up(&[]);
    (house, serde_json::from_str(&said.out).unwrap())
}

#[test]
fn recorded_calls_are_explained_by_the_record_and_again_by_the_engine() {
    let (house, story) = practised();
    let call = |step: &str| -> String {
        let calls = story["calls"].as_array().unwrap();
        let found = calls.iter().find(|call| call["step"] == step).unwrap();
        let entries = found["entries"].as_array().unwrap();
        let index = entries.iter().find(|one| one["kind"] == "intent" || one["kind"] == "refusal").unwrap();
        let entry = house.json(&["log", "show", &index["index"].to_string()]);
        let event = &entry["entry"]["event"];
        ["intent", "refused"].iter().find_map(|kind| event[kind]["call"].as_str()).unwrap().to_owned()
    };
    let explained = |step: &str, exit: i32, more: &[&str]| -> Value {
        let id = call(step);
        told(&house.run(&[&["policy", "explain", "--call", &id, "--json"][..], more].concat()), exit)
    };
    let grant = "grant:agent/clerk-bot:use:tool/practice/read_mail";

    // Allowed, under an obligation, as recorded.
    let read = explained("redact-card", 0, &[]);
    assert_eq!((&read["agrees"], &read["plan"]["origin"]), (&json!(true), &json!("record")), "{read}");
    assert_eq!([&read["record"]["decision"], &read["decision"]["outcome"]], ["allow", "allow"]);
    assert_eq!(
        (&read["who"]["actor"], &read["who"]["subject"]),
        (&json!("agent `clerk-bot`"), &json!("human `ana`"))
    );
    assert_eq!(policy(&read, "practice-reading/masked-mail")["part"], "decided");
    assert_eq!(read["record"]["lost"], json!(["args", "uninspected", "tool_changed"]));
    // Nobody says what the arguments were, and whether the tool had changed stands in no entry: the record decides.
    let changed = policy(&read, "default/tools/changed");
    assert_eq!(changed["part"], "not_applied");
    assert!(changed["why"].as_str().unwrap().starts_with("did not match, by the record: "), "{changed}");

    // Refused by a policy that read arguments, which are not recorded.
    let read = explained("refuse", 1, &[]);
    assert_eq!(read["agrees"], true, "{read}");
    let mailbox = policy(&read, "practice-mail/own-mailbox");
    assert_eq!(mailbox["part"], "decided");
    assert!(mailbox["why"].as_str().unwrap().starts_with("matched, by the record: "), "{mailbox}");
    assert!(mailbox["cedar"].as_str().unwrap().starts_with("@id(\"own-mailbox\")"), "{mailbox}");
    assert_eq!(policy(&read, grant)["part"], "matched");
    assert_eq!(read["remedies"][0]["then"], "allow", "{read}");
    // With the arguments at hand it is evaluated whole; with others it is told that they cannot be those.
    let read = explained("refuse", 1, &["--args", r#"{"mailbox": "ben", "id": "m-0011"}"#]);
    assert_eq!(read["agrees"], true, "{read}");
    let values = &policy(&read, "practice-mail/own-mailbox")["values"];
    assert!(
        values.as_array().unwrap().contains(&json!({ "path": "context.args.mailbox", "value": "ben" })),
        "{values}"
    );
    assert!(
        values.as_array().unwrap().contains(&json!({ "path": "context.human.name", "value": "ana" })),
        "{values}"
    );
    let read = explained("refuse", 1, &["--args", r#"{"mailbox": "ana", "id": "m-0011"}"#]);
    assert_eq!((&read["agrees"], &read["decision"]["outcome"]), (&json!(false), &json!("allow")), "{read}");

    // Asked first, answered, let through: who said yes stands there.
    let read = explained("ask", 0, &[]);
    assert_eq!(read["agrees"], true, "{read}");
    assert_eq!(read["record"]["approved_by"], json!(["human `ben`"]));
    assert_eq!(policy(&read, "practice-money/payment")["part"], "decided");

    // Stopped before the policies were asked.
    let read = explained("killed", 1, &[]);
    assert_eq!(
        (&read["record"]["decision"], &read["decision"], &read["record"]["stage"]),
        (&Value::Null, &Value::Null, &json!("known"))
    );
    assert!(read["notes"][0].as_str().unwrap().contains("before the policies were asked"), "{read}");

    let said = house.run(&["policy", "explain", "--call", &call("trap")]);
    assert_eq!(said.code, 1, "{said:?}");
    for part in [
        "who        agent `clerk-bot`, on behalf of human `ana`\nwhat       call_tool tool `practice/add_payee`\n",
        ", by the record\nrecorded   refuse (ALC-POLICY-0031), ended at stage `decided`",
        "evaluated  refuse (ALC-POLICY-0031): as recorded\n",
        "cure       ask accounts payable to add the payee by hand\n",
        "decided by\n  practice-money/payee  forbid  ",
        "  1. `practice-money/payee` does not match any more: ask accounts payable to add the payee by hand\n     then: ask\n",
        "not known  args, uninspected, tool_changed: the record does not hold it\n",
    ] {
        assert!(said.out.contains(part), "no `{part}` in:\n{}", said.out);
    }

    // All of it is decided anew from the record alone, and other policies show what they would have changed.
    let replayed = told(&house.run(&["policy", "replay", "--json"]), 0);
    let count = |of: &Value, name: &str| of[name].as_u64().unwrap_or(0);
    assert_eq!(count(&replayed, "differ"), 0, "{replayed}");
    assert!(count(&replayed, "same") >= 8, "{replayed}");
    let all = ["same", "differ", "untold"].iter().map(|name| count(&replayed, name)).sum::<u64>();
    assert_eq!(count(&replayed, "decisions"), all);
    let folder = tempfile::tempdir().unwrap();
    let declared = house.run(&["range", "--declarations"]).out;
    let lax = declared.replace("@ask(\"approver\")", "@cure(\"not at all\")");
    assert_ne!(declared, lax);
    std::fs::write(folder.path().join("practice.toml"), lax).unwrap();
    let folder = folder.path().to_str().unwrap();
    let changed = told(&house.run(&["policy", "replay", "--json", "--folder", folder]), 0);
    assert_eq!(
        count(&changed, "differ"),
        count(&changed["changes"], "ask -> refuse") + count(&changed["changes"], "allow -> refuse"),
        "{changed}"
    );
    assert!(changed["calls"].to_string().contains("practice-money/payment"), "{changed}");

    // A method's name is in no entry in clear: the record is told, the rest once it is named.
    let calls = house.json(&["call", "list", "--limit", "200"]);
    let listed = calls["items"].as_array().unwrap();
    let method = listed.iter().find(|one| one["action"] == "list").unwrap_or_else(|| panic!("{calls}"));
    let id = method["call"].as_str().unwrap();
    let read = told(&house.run(&["policy", "explain", "--call", id, "--json"]), 0);
    assert_eq!((&read["decision"], &read["agrees"]), (&Value::Null, &Value::Null), "{read}");
    assert_eq!(policy(&read, "default/methods/session")["part"], "decided");
    let named = ["policy", "explain", "--call", id, "--resource", "practice/tools/list", "--json"];
    let read = told(&house.run(&named), 0);
    assert_eq!(
        (&read["agrees"], &read["resource"]),
        (&json!(true), &json!("method `tools/list` of server `practice`"))
    );
    let named = ["policy", "explain", "--call", id, "--resource", "nowhere/tools/list"];
    house.run(&named).refused(2, "ALC-CLI-0013", &["holds no `nowhere/tools/list`"]);
    house.run(&["policy", "explain", "--call", "cal_00000000000000000000000001"]).refused(
        1,
        "ALC-OFFICE-0004",
        &[],
    );

    // The plan in force, and a folder over it: ids and accepted tools are the office's.
    let tool =
        ["policy", "explain", "--agent", "clerk-bot", "--subject", "ana", "--tool", "practice/list_mail"];
    let args = ["--args", r#"{"mailbox": "ana"}"#, "--json"];
    let read = told(&house.run(&[&tool[..], &args].concat()), 0);
    assert_eq!(read["plan"]["origin"], "in_force");
    let folder = house.file("exported");
    let folder = folder.to_str().unwrap();
    house.ok(&["export", folder]);
    let over = told(&house.run(&[&tool[..], &args, &["--folder", folder, "--with-office"]].concat()), 0);
    assert_eq!(over["plan"]["origin"], "folder_over_in_force");
    assert_eq!((&over["decision"], &over["policies"]), (&read["decision"], &read["policies"]));
}

#[test]
fn an_operation_is_told_by_name_where_the_record_fits_no_other() {
    let (mut house, folder) = declared();
    house.up(&["--init"]);
    house.ok(&["apply", &folder]);
    let token = house.ok(&["agent", "token", "other"]).trim().to_owned();
    let begun = Instant::now();
    // The gate takes the plan up a moment after it is in force, and the office follows the record a moment behind it.
    let id = loop {
        let (status, said) = http(&house.gate, "get", "/api/crm/a", Some(&token), None);
        assert_eq!(status, 403, "{said}");
        let listed = house.json(&["call", "list"]);
        let mut items = listed["items"].as_array().unwrap().iter();
        if let Some(found) = items.find(|one| one["code"] == "ALC-POLICY-0032") {
            break found["call"].as_str().unwrap().to_owned();
        }
        assert!(begun.elapsed() < DEADLINE, "{listed}");
    };
    let read = told(&house.run(&["policy", "explain", "--call", &id, "--json"]), 1);
    assert_eq!(
        (&read["agrees"], &read["resource"]),
        (&json!(true), &json!("operation `crm/read`")),
        "{read}"
    );
    assert_eq!(read["record"]["code"], "ALC-POLICY-0032");
    assert_eq!(read["remedies"][0]["how"], json!(["the grant `use:api/crm/read` is given"]));
    house.run(&["policy", "explain", "--call", &id, "--resource", "crm/write"]).refused(
        2,
        "ALC-CLI-0013",
        &["holds no `crm/write`"],
    );
}
