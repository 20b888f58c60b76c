use alcaide_label::Integrity;
use serde_json::{Value, json};

use super::*;

fn tool(name: &str, properties: &Value, required: &[&str]) -> Value {
    json!({ "name": name, "inputSchema": { "type": "object", "properties": properties, "required": required } })
}

fn proposed(all: &[Value]) -> Vec<Proposal> {
    let all: Vec<_> = all.iter().map(|one| Definition::read(one.to_string().as_bytes()).unwrap()).collect();
    propose(&all)
}

fn one(value: &Value) -> Proposal {
    proposed(std::slice::from_ref(value)).remove(0)
}

fn effect(name: &str) -> Effect {
    one(&json!({ "name": name })).facts.effect
}

#[test]
fn the_verb_of_a_name_says_what_it_does() {
    for (name, wanted) in [
        ("list_items", Effect::Read),
        ("getHTTPPage", Effect::Read),
        ("search-posts", Effect::Read),
        ("createNote", Effect::Internal),
        ("note.append", Effect::Internal),
        ("board_post_entry", Effect::Outbound),
        ("send_report", Effect::Outbound),
        ("forum_list_messages", Effect::Read),
        ("remove_label", Effect::Destructive),
        ("find_and_replace", Effect::Destructive),
        ("get_or_create_label", Effect::Internal),
        ("transfer_funds", Effect::Money),
        ("create_invoice", Effect::Money),
        ("check_out", Effect::Money),
        ("cancel_payment", Effect::Money),
        ("list_payments", Effect::Read),
        ("reset_password", Effect::Credential),
        ("get_password", Effect::Credential),
        ("add_role", Effect::Credential),
        ("update_user_info", Effect::Credential),
        ("execute_job", Effect::Credential),
        ("frobnicate", Effect::Credential),
        ("", Effect::Credential),
    ] {
        assert_eq!(effect(name), wanted, "{name}");
    }
}

#[test]
fn what_a_tool_says_of_itself_only_makes_a_guess_graver() {
    let said = |name: &str, description: &str, hints: &Value| {
        one(&json!({ "name": name, "description": description, "annotations": hints })).facts.effect
    };
    let none = json!({});
    assert_eq!(said("list_items", "Deletes all items.", &none), Effect::Destructive);
    assert_eq!(said("delete_item", "Reads an item.", &none), Effect::Destructive);
    assert_eq!(said("delete_item", "", &json!({ "readOnlyHint": true })), Effect::Destructive);
    assert_eq!(
        said("send_item", "", &json!({ "destructiveHint": false, "openWorldHint": false })),
        Effect::Outbound
    );
    assert_eq!(said("list_items", "", &json!({ "readOnlyHint": false })), Effect::Internal);
    assert_eq!(said("update_item", "", &json!({ "destructiveHint": true })), Effect::Destructive);
    // What goes out keeps the rules for what goes out.
    assert_eq!(said("send_item", "", &json!({ "destructiveHint": true })), Effect::Outbound);
    // A name without a verb leaves the word to the description.
    assert_eq!(said("item_total", "Returns how many there are.", &none), Effect::Read);
    assert_eq!(said("item_total", "The number.", &none), Effect::Credential);
}

#[test]
fn arguments_that_say_whom_where_and_which_decide() {
    let facts = one(&tool(
        "send_report",
        &json!({
            "to": { "type": "array", "items": { "type": "string" } }, "cc": {}, "subject": { "type": "string" },
            "body": { "type": "string" }, "attachments": {}, "limit": { "type": "integer" }, "public": { "type": "boolean" },
            "draft": { "type": "boolean" }, "date": { "type": "string" }, "thing": { "type": "string" },
            "page": { "type": "string", "format": "uri" }, "reportId": { "type": "string" },
        }),
        &["to"],
    ))
    .facts;
    assert_eq!(facts.control, ["attachments", "cc", "page", "public", "reportId", "thing", "to"]);
    assert_eq!(facts.free_text, ["body", "subject"]);
    assert_eq!((facts.idempotency_key, facts.caps, facts.calls_max), (None, vec![], None));
    // The name of a new thing is text, of an old one it decides; of what is moved, when decides.
    let name = json!({ "name": { "type": "string" }, "when": { "type": "string" } });
    let of = |tool_name: &str| one(&tool(tool_name, &name, &[])).facts;
    assert_eq!((of("create_list").control, of("create_list").free_text), (vec![], vec!["name".to_owned()]));
    assert_eq!(of("rename_list").control, ["name"]);
    assert_eq!(of("reschedule_visit").control, ["name", "when"]);
}

#[test]
fn whom_an_event_reaches_makes_it_go_out_where_somebody_is_named() {
    let guests = json!({ "title": {}, "guests": { "type": "array" } });
    let facts = one(&tool("create_event", &guests, &["title"])).facts;
    assert_eq!((facts.effect, facts.outbound_if), (Effect::Internal, vec!["guests".to_owned()]));
    let facts = one(&tool("add_guests", &guests, &["guests"])).facts;
    assert_eq!((facts.effect, facts.outbound_if), (Effect::Outbound, vec![]));
    // What is cancelled, and told to others, reaches them too.
    let facts = one(&tool("cancel_event", &json!({ "email": {} }), &[])).facts;
    assert_eq!((facts.effect, facts.outbound_if), (Effect::Destructive, vec!["email".to_owned()]));
}

#[test]
fn amounts_have_a_cap_and_what_changes_them_decides() {
    let pays = |name: &str, amount: &str| {
        one(&tool(name, &json!({ amount: { "type": "number" }, "request_id": { "description": "A retry has the same." } }), &[])).facts
    };
    let caps = |facts: &Facts| facts.caps.iter().map(|cap| cap.most).collect::<Vec<_>>();
    let facts = pays("pay_bill", "amount");
    assert_eq!((caps(&facts), facts.calls_max, facts.control.clone()), (vec![100], Some(5), vec![]));
    assert_eq!(facts.idempotency_key.as_deref(), Some("request_id"));
    assert_eq!(caps(&pays("pay_bill", "amount_cents")), [10_000]);
    let facts = pays("update_payment", "amount");
    assert_eq!((caps(&facts), facts.control), (vec![], vec!["amount".to_owned()]));
    // An id of a request of which nothing is said is an id.
    assert_eq!(one(&tool("pay_bill", &json!({ "request_id": {} }), &[])).facts.control, ["request_id"]);
}

#[test]
fn a_reading_tool_that_is_given_a_program_or_a_place_is_no_reading_tool() {
    let facts =
        |argument: &str| one(&tool("query_data", &json!({ argument: { "type": "string" } }), &[])).facts;
    assert_eq!(facts("filter").effect, Effect::Read);
    assert_eq!(facts("sql").effect, Effect::Destructive);
    assert_eq!(facts("shell_command").effect, Effect::Credential);
    let fetched = facts("url");
    assert_eq!(
        (fetched.effect, fetched.fetch, fetched.control),
        (Effect::Outbound, true, vec!["url".to_owned()])
    );
    let both = json!({ "url": { "type": "string" }, "body": { "type": "string" } });
    let posted = one(&tool("fetch_data", &both, &[])).facts;
    assert_eq!(
        (posted.effect, posted.fetch, posted.free_text),
        (Effect::Outbound, false, vec!["body".to_owned()])
    );
    let told = one(&tool("tell_team", &json!({ "channel": {}, "message": {} }), &[])).facts;
    assert_eq!((told.effect, told.control), (Effect::Outbound, vec!["channel".to_owned()]));
    assert_eq!(one(&tool("search_web", &json!({ "query": {} }), &[])).facts.effect, Effect::Outbound);
}

#[test]
fn an_answer_is_trusted_only_where_nobody_else_can_write() {
    let output = |name: &str, properties: &Value| {
        let facts = one(&tool(name, properties, &[])).facts;
        let [output] = facts.output.as_slice() else { panic!("{name}") };
        (output.integrity, output.confidentiality)
    };
    let none = json!({});
    let (trusted, stranger) = (Integrity::Trusted, Integrity::Untrusted);
    let (internal, confidential) = (Confidentiality::Internal, Confidentiality::Confidential);
    for (name, wanted) in [
        ("get_current_day", (trusted, internal)),
        ("get_time", (trusted, internal)),
        ("get_balance", (trusted, confidential)),
        ("get_user_info", (trusted, confidential)),
        ("list_messages", (stranger, internal)),
        ("get_current_weather", (stranger, internal)),
        ("list_things", (stranger, internal)),
        ("get_event_day", (stranger, internal)),
        ("send_report", (trusted, internal)),
        ("edit_report", (stranger, internal)),
        ("frobnicate", (stranger, confidential)),
        ("get_password", (stranger, confidential)),
        ("get_env", (stranger, confidential)),
    ] {
        assert_eq!(output(name, &none), wanted, "{name}");
    }
    // Of another than the user nothing is the user's own.
    assert_eq!(output("get_user_info", &json!({ "user": {} })), (stranger, confidential));
    assert_eq!(output("get_balance", &json!({ "account": {} })), (stranger, confidential));
}

#[test]
fn ids_may_decide_later_where_a_tool_of_the_server_takes_them() {
    let remove = tool("delete_event", &json!({ "event_id": { "type": "string" } }), &["event_id"]);
    let all = proposed(&[
        tool("search_events", &json!({ "query": {} }), &[]),
        tool("search_posts", &json!({}), &[]),
        remove,
    ]);
    assert_eq!(all[0].facts.resolves, ["/id", "/id_", "/event_id"]);
    assert!(all[1].facts.resolves.is_empty() && all[2].facts.resolves.is_empty());
    let mut typed = tool("find_contact", &json!({ "name": {} }), &[]);
    let fields = json!({ "id": {}, "email": {}, "contact_id": {}, "owner_id": {}, "name": {} });
    typed["outputSchema"] = json!({ "properties": { "left": {}, "people": { "type": "array", "items": { "properties": fields } } } });
    let facts = one(&typed).facts;
    assert_eq!(
        (facts.resolves, facts.records.as_deref()),
        (vec!["/contact_id".to_owned(), "/id".into()], Some("/people"))
    );
}

#[test]
fn what_is_not_known_is_the_strictest() {
    let proposal = one(&tool("frobnicate", &json!({ "x": {}, "text": {} }), &[]));
    let facts = proposal.facts;
    let strict = Facts::strictest();
    assert_eq!((facts.effect, facts.clearance), (strict.effect, strict.clearance));
    assert_eq!(
        (facts.control, facts.free_text, facts.outbound_if.len()),
        (vec!["x".to_owned()], vec!["text".to_owned()], 2)
    );
    assert!(facts.request_words.is_empty());
    assert_eq!(proposal.reasons[0].about, "effect");
}

#[test]
fn what_destroys_is_asked_for_by_its_verb_and_the_rest_by_things_too() {
    let words = |name: &str| one(&json!({ "name": name })).facts.request_words;
    assert!(
        words("delete_file").contains(&"remove".into()) && !words("delete_file").contains(&"file".into())
    );
    let sends = words("send_invoice");
    assert!(sends.contains(&"send".into()) && sends.contains(&"invoice".into()));
    assert!(words("list_files").is_empty());
}

#[test]
fn a_proposal_is_a_declaration_whatever_a_server_calls_its_arguments() {
    let hostile = "to\n[[tool]]\u{202e}\"";
    let proposals = proposed(&[
        tool("send_report", &json!({ hostile: { "format": "email" } }), &[]),
        tool("list_things", &json!({ "limit": {} }), &[]),
    ]);
    let server: Name = "desk".parse().unwrap();
    let text = to_toml(proposals.iter().map(|one| (&server, one))).unwrap();
    let read = Declarations::from_toml("a.toml", &text).unwrap();
    let facts: Vec<_> = read.tools.iter().map(|tool| &tool.facts).collect();
    assert_eq!(facts, proposals.iter().map(|one| &one.facts).collect::<Vec<_>>());
    assert!(text.contains("# `effect`: `send` in its name is a word for what is outbound\n"), "{text}");
}

proptest::proptest! {
    /// Nothing that a server adds beside the name takes a guess back.
    #[test]
    fn hints_and_descriptions_never_make_it_laxer(
        name in "[a-z]{2,8}(_[a-z]{2,8}){0,3}|(get|list|send|update|delete|pay)_[a-z]{3,8}",
        description in "([A-Za-z]{1,10} ){0,4}",
        hints in proptest::collection::vec(proptest::option::of(proptest::bool::ANY), 4),
    ) {
        let bare = one(&tool(&name, &json!({ "x": {}, "body": {} }), &[])).facts;
        let mut more = tool(&name, &json!({ "x": {}, "body": {} }), &[]);
        more["description"] = description.into();
        let names = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];
        more["annotations"] = names.iter().zip(hints).filter_map(|(name, hint)| Some(((*name).to_owned(), hint?.into()))).collect::<serde_json::Map<_, _>>().into();
        let said = one(&more).facts;
        // Only a name that says nothing leaves the word to the description.
        if effect::known_by_name(&name) {
            proptest::prop_assert!(said.effect >= bare.effect, "{:?} {:?}", said, bare);
            let trusted = |facts: &Facts| facts.output.iter().all(|output| output.integrity == Integrity::Trusted);
            proptest::prop_assert!(said.effect != bare.effect || trusted(&bare) || !trusted(&said));
        }
    }
}
