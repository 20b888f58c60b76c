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
        ("board_post_card", Effect::Outbound),
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
