//! The demo, as anybody starts it: the story that it tells, and that it tells no other.

use alcaide_testkit::{Child, Ended, Launch, Source};
use serde_json::{Value, json};

use crate::house::{PROGRAM, Said, run};

const PORTS: [&str; 4] = ["--gate", "127.0.0.1:0", "--office", "127.0.0.1:0"];

/// Runs the demo to the end of its story, with a folder for temporary files that is empty afterwards.
fn demo(more: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let mut args = vec!["demo", "--no-wait", "--answer"];
    args.extend(PORTS);
    args.extend(more);
    let said = run(&args, &[("TMPDIR", folder.path().to_str().unwrap())], b"");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
    said
}

fn step<'a>(told: &'a Value, name: &str) -> &'a Value {
    let calls = told["calls"].as_array().unwrap();
    calls.iter().find(|call| call["step"] == name).unwrap_or_else(|| panic!("no step `{name}`: {told}"))
}

fn kinds(call: &Value) -> Vec<&str> {
    call["entries"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
}

#[test]
fn the_story_is_what_the_gate_makes_of_it() {
    let said = demo(&["--json"]);
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    let told: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told["scripted"], true);
    assert_eq!(
        [&told["tools_before"], &told["tools_accepted"], &told["tools_after"]],
        [&json!(0), &json!(17), &json!(15)]
    );
    for call in told["calls"].as_array().unwrap() {
        assert_eq!([&call["who"], &call["on_behalf_of"]], [&json!("clerk-bot"), &json!("ana")], "{call}");
        assert!(!call["entries"].as_array().unwrap().is_empty(), "{call}");
    }

    for name in ["allow", "redact-card", "redact-secret", "bait"] {
        let call = step(&told, name);
        assert_eq!((&call["decision"], kinds(call)), (&json!("allow"), vec!["intent", "outcome"]), "{call}");
        assert!(call["policies"].as_array().unwrap().contains(&json!("a grant")), "{call}");
    }
    let card = step(&told, "redact-card");
    let found = card["found"].as_array().unwrap();
    assert!(found.iter().any(|one| one["class"] == "card"), "{card}");
    let got = card["got"].as_str().unwrap();
    assert!(got.contains("[card ending 1111]") && !got.contains("4111 1111"), "{got}");
    let secret = step(&told, "redact-secret")["got"].as_str().unwrap();
    assert!(secret.contains("[secret: github-token]") && !secret.contains("PracticeGroundOnly"), "{secret}");

    let paid = step(&told, "ask");
    assert_eq!(kinds(paid), ["question", "yes of ben", "intent", "outcome"], "{paid}");
    assert!(paid["policies"].as_array().unwrap().contains(&json!("a grant")), "{paid}");
    let effects = told["effects"].as_array().unwrap();
    assert_eq!(effects.len(), 1, "one payment, and nothing that a trap wants: {told}");
    assert_eq!(
        [&effects[0]["kind"], &effects[0]["iban"], &effects[0]["amount_cents"]],
        [&json!("paid"), &json!("NL91ABNA0417164300"), &json!(184_000)]
    );

    for (name, policy, why, cure) in [
        ("refuse", "practice-mail", "this is another one", "name that person's mailbox"),
        ("trap", "practice-money", "changed by people after a call", "by hand"),
    ] {
        let call = step(&told, name);
        assert_eq!((&call["decision"], kinds(call)), (&json!("refuse"), vec!["refusal"]), "{call}");
        assert_eq!(call["policies"], json!([policy]), "{call}");
        assert!(call["why"].as_str().unwrap().contains(why), "{call}");
        assert!(call["cure"].as_str().unwrap().contains(cure), "{call}");
    }
    let killed = step(&told, "killed");
    assert_eq!(kinds(killed), ["stop of the operator", "refusal"], "{killed}");
    assert_eq!((&killed["stage"], &killed["decision"]), (&json!("known"), &Value::Null), "{killed}");

    let figures = &told["figures"];
    assert_eq!(figures["intents"], figures["outcomes"]);
    assert_eq!(
        [&figures["passed"], &figures["refused"], &figures["questions"]],
        [&json!(5), &json!(3), &json!(1)]
    );
    assert!(told["verified"]["entries"].as_u64().unwrap() > 40, "{told}");
}

#[test]
fn it_reads_well_without_colour_and_within_a_hundred_columns() {
    let said = demo(&[]);
    assert_eq!(said.err, "", "{said:?}");
    for part in [
        "The agent is a script, not a model",
        "  decision  allow, by a grant",
        "  decision  allow, and mask, by ",
        "[card ending 1111]",
        "  answer    given by the demo itself, with ben's own token\n",
        "  decision  ask, then allow, by ",
        "  effect    paid: 1840.00 euros to payee-01 (NL91ABNA0417164300) for INV-2041\n",
        "  cure      ask accounts payable to add the payee by hand\n",
        "  effects   none: the mail got nothing\n",
        "  world     changes: 1\n",
        "  ledger    verifies: ",
    ] {
        assert!(said.out.contains(part), "no `{part}` in:\n{}", said.out);
    }
    assert!(!said.out.contains('\u{1b}'));
    for line in said.out.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn with_colour_it_says_the_same() {
    // Whoever asks the log's library for colour that it was built without is ended by it.
    let said = demo(&["--color", "always"]);
    assert!(said.out.contains("\u{1b}[1m") && said.out.contains("\u{1b}[31mrefuse"), "{}", said.out);
    assert_eq!(said.err, "", "{said:?}");
}

#[test]
fn a_person_answers_and_the_house_stays_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch::new(PROGRAM).arg("demo").args(PORTS).env("TMPDIR", folder.path());
    let mut child = Child::start(launch).unwrap();
    let told = child.line_with("a policy asks ben first: question apr_").unwrap();
    let id = told.rsplit(' ').next().unwrap().to_owned();
    let told = child.line_with(" console link --human ben --data-dir ").unwrap();
    let dir = told.rsplit(' ').next().unwrap().to_owned();
    let url = child.line_with("--url http://").unwrap().trim().strip_prefix("--url ").unwrap().to_owned();
    let token = run(&["token", "office", "ben", "--data-dir", &dir], &[], b"");
    let env = [("ALCAIDE_OFFICE_TOKEN", token.out.trim())];
    let said = run(&["approval", "approve", &id, "--url", &url], &env, b"");
    assert_eq!(said.code, 0, "{said:?}");
    child.line_with("decision  ask, then allow").unwrap();
    child.line_with("The house stays up until Ctrl-C.").unwrap();
    // The link itself goes to a terminal only.
    child.line_with(&format!("{PROGRAM} console link --human ana --data-dir {dir}")).unwrap();
    let verified = run(&["log", "verify", "--data-dir", &dir], &[], b"");
    assert!(verified.out.starts_with("the record verifies\n"), "{verified:?}");
    assert_eq!(child.stop().unwrap(), Ended::Code(0), "{:?}", child.lines(Source::Err));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
}

#[test]
fn it_can_be_stopped_while_it_waits_for_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch::new(PROGRAM).arg("demo").args(PORTS).env("TMPDIR", folder.path());
    let mut child = Child::start(launch).unwrap();
    child.line_with("a policy asks ben first").unwrap();
    assert_eq!(child.stop().unwrap(), Ended::Code(0), "{:?}", child.lines(Source::Err));
    assert_eq!(child.lines(Source::Err), [""; 0]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
}

#[test]
fn it_begins_in_an_empty_folder_only_and_says_what_to_do_about_a_taken_port() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "x").unwrap();
    let dir = folder.path().to_str().unwrap();
    let mut args = vec!["demo", "--no-wait", "--data-dir", dir];
    args.extend(PORTS);
    let said = run(&args, &[], b"");
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    assert!(said.err.contains("this folder is not empty") && said.err.contains("ALC-CLI-0002"), "{said:?}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = run(&["demo", "--no-wait", "--gate", &address, "--office", "127.0.0.1:0"], &[], b"");
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("ALC-CLI-0016") && said.err.contains("--gate 127.0.0.1:0"), "{said:?}");
}
