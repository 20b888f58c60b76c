//! What the plan itself says of callers and resources, as conditions on a call: a closed list of both.

use cedar_policy_core::ast::{Entity, EntityType, EntityUID, Literal, PartialValue, Value, ValueKind};

use crate::args::cedar_string;
use crate::house::House;

/// Longest condition, in bytes: more is not worth a solver's time.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Types of resources of which a plan may hold only some: others become entities when they are asked about.
const OPEN: [&str; 5] =
    ["Alcaide::HostedTool", "Alcaide::Method", "Alcaide::Prompt", "Alcaide::Resource", "Alcaide::Peer"];

/// A `forbid` of everything but calls by somebody of the plan to something of the plan; `None` if it grows too long.
pub(super) fn facts(house: &House, principal: &str, action: &EntityUID, resource: &str) -> Option<String> {
    let principals = closed(house, "principal", principal, |_| true)?;
    let resources = if OPEN.contains(&resource) {
        None
    } else {
        let own = house.tools.values().find(|tool| *tool.action == *action).map(|tool| &tool.uid);
        let undeclared = *action == *house.undeclared_action;
        let of_action = |uid: &EntityUID| own.is_none_or(|own| **own == *uid);
        if undeclared { Some(UNDECLARED.to_owned()) } else { closed(house, "resource", resource, of_action) }
    };
    let text = match resources {
        Some(resources) => format!("({principals}) && ({resources})"),
        None if OPEN.contains(&resource) => principals,
        None => return None,
    };
    (text.len() <= TEXT_BYTES_MAX)
        .then(|| format!("forbid (principal, action, resource) unless {{ {text} }};"))
}

/// What holds of every tool that a server offers and no plan declares ([`crate::Resource::UndeclaredTool`]).
const UNDECLARED: &str = "!resource.pinned && resource.effect == \"credential\" && resource.audience == \"external\" && \
     resource.clearance == 0 && !resource.fetch && resource.control.isEmpty() && resource.free_text.isEmpty()";

fn kind(uid: &EntityUID) -> String {
    let kind: &EntityType = uid.entity_type();
    kind.to_string()
}

/// `variable` is one of these entities of the plan, and has its attributes and groups.
fn closed(
    house: &House,
    variable: &str,
    wanted: &str,
    chosen: impl Fn(&EntityUID) -> bool,
) -> Option<String> {
    let above = match wanted {
        "Alcaide::Agent" | "Alcaide::Human" | "Alcaide::Workload" => "Alcaide::Unit",
        "Alcaide::Tool" => "Alcaide::Server",
        "Alcaide::ApiOperation" => "Alcaide::Service",
        _ => "",
    };
    let mut groups: Vec<&EntityUID> = house.resident.keys().filter(|uid| kind(uid) == above).collect();
    groups.sort();
    let mut entities: Vec<_> =
        house.resident.values().filter(|one| kind(one.uid()) == wanted && chosen(one.uid())).collect();
    entities.sort_by(|a, b| a.uid().cmp(b.uid()));
    let mut text = String::from("false");
    for entity in entities {
        text.push_str(" || (");
        text.push_str(&format!("{variable} == {}", entity.uid()));
        describe(house, &mut text, variable, entity, 0);
        for group in &groups {
            let not = if entity.is_descendant_of(group) { "" } else { "!" };
            text.push_str(&format!(" && {not}({variable} in {group})"));
        }
        text.push(')');
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
    }
    Some(text)
}

/// The attributes of an entity, and of those that they name.
fn describe(house: &House, text: &mut String, path: &str, entity: &Entity, depth: u8) {
    for (name, value) in entity.attrs() {
        let PartialValue::Value(value) = value else { continue };
        let at = format!("{path}.{name}");
        text.push_str(" && ");
        match literal(value) {
            Some(literal) if literal == "[]" => text.push_str(&format!("{at}.isEmpty()")),
            Some(literal) => text.push_str(&format!("{at} == {literal}")),
            None => text.push_str("true"),
        }
        if let ValueKind::Lit(Literal::EntityUID(uid)) = &value.value
            && depth == 0
            && let Some(next) = house.resident.get(&**uid)
        {
            describe(house, text, &at, next, 1);
        }
    }
}

/// A value as an expression.
fn literal(value: &Value) -> Option<String> {
    match &value.value {
        ValueKind::Lit(Literal::Bool(held)) => Some(held.to_string()),
        ValueKind::Lit(Literal::Long(number)) => Some(number.to_string()),
        ValueKind::Lit(Literal::String(said)) => Some(cedar_string(said)),
        ValueKind::Lit(Literal::EntityUID(uid)) => Some(uid.to_string()),
        ValueKind::Set(set) => {
            let items: Option<Vec<String>> = set.iter().map(literal).collect();
            items.map(|items| format!("[{}]", items.join(", ")))
        }
        _ => None,
    }
}
