//! Policies and what they read, in words: texts as they stand, names in the place of ids.

use std::fmt;
use std::sync::Arc;

use cedar_policy_core::ast::{
    Entity, EntityUID, Expr, ExprKind, Literal, PartialValue, UnaryOp, Value, ValueKind, Var,
};

use super::{Clause, ClauseKind};
use crate::args::cedar_string;
use crate::fault::{line_column, one_line};
use crate::house::{House, Placed};
use crate::slice::Judge;
use crate::source::{ActionScope, Condition, Scope, Statute};

/// Something that a condition read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// As it stands in the condition, such as `context.args.amount`, or an id that is named there.
    pub path: String,
    /// The argument that it lies in, where it is one of the call's arguments.
    pub argument: Option<String>,
    /// What was found there.
    pub seen: Seen,
}

/// A value that a policy read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Seen {
    /// Nothing is there.
    Absent,
    /// Something is there, and only that was asked.
    Present,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Long(i64),
    /// A text.
    Text(String),
    /// Somebody or something of the plan, by kind and name.
    Thing(String),
    /// A set, in the order of Cedar.
    Set(Vec<Seen>),
    /// A record.
    Record(Vec<(String, Seen)>),
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => out.write_str("absent"),
            Self::Present => out.write_str("present"),
            Self::Bool(held) => write!(out, "{held}"),
            Self::Long(number) => write!(out, "{number}"),
            Self::Text(text) => out.write_str(&cedar_string(text)),
            Self::Thing(label) => out.write_str(label),
            Self::Set(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(out, "[{}]", items.join(", "))
            }
            Self::Record(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, seen)| format!("{name}: {seen}")).collect();
                write!(out, "{{{}}}", fields.join(", "))
            }
        }
    }
}

/// Reads what conditions read.
pub(super) struct Reader<'a> {
    pub(super) house: &'a House,
    pub(super) placed: &'a Placed,
    pub(super) judge: &'a Judge<'a>,
}

impl Reader<'_> {
    /// Everything that the conditions read, each once, in the order of the text.
    pub(super) fn readings(&self, conditions: &[Condition]) -> Vec<Reading> {
        let mut found: Vec<Reading> = Vec::new();
        for condition in conditions {
            let mut open: Vec<&Expr> = vec![&condition.expr];
            while let Some(expr) = open.pop() {
                let at = open.len();
                match self.reading(expr) {
                    Some(reading) => {
                        let known = found.iter_mut().find(|one| one.path == reading.path);
                        let is_new = known.is_none();
                        if let Some(known) = known.filter(|known| known.seen == Seen::Present) {
                            // What is there says more than that something is.
                            *known = reading;
                        } else if is_new && found.len() < READINGS_MAX {
                            found.push(reading);
                        }
                    }
                    None => open.extend(children(expr)),
                }
                // Children come off in the order of the text.
                open.get_mut(at..).unwrap_or_default().reverse();
            }
        }
        // That something is there says nothing where what is there is told.
        let told: Vec<String> =
            found.iter().filter(|one| one.seen != Seen::Present).map(|one| one.path.clone()).collect();
        let is_told = |path: &str| {
            told.iter().any(|other| {
                other == path || other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
            })
        };
        found.retain(|one| one.seen != Seen::Present || !is_told(&one.path));
        found
    }

    fn reading(&self, expr: &Expr) -> Option<Reading> {
        let reading = |path: Vec<&str>, seen: Seen| {
            let argument = match path.as_slice() {
                ["context", "args", name, ..] => Some((*name).to_owned()),
                _ => None,
            };
            Some(Reading { path: path_text(&path), argument, seen })
        };
        match expr.expr_kind() {
            ExprKind::GetAttr { .. } => {
                let path = path_of(expr)?;
                let seen = self.judge.value(expr).map_or(Seen::Absent, |value| self.seen(&value));
                reading(path, seen)
            }
            ExprKind::HasAttr { expr: of, attr } => {
                let mut path = path_of(of)?;
                path.push(attr);
                let held = self.judge.holds(expr).unwrap_or(false);
                reading(path, if held { Seen::Present } else { Seen::Absent })
            }
            ExprKind::ExtHasAttr { expr: of, attrs } => {
                let mut path = path_of(of)?;
                path.extend(attrs.iter().map(|attr| attr.as_str()));
                let held = self.judge.holds(expr).unwrap_or(false);
                reading(path, if held { Seen::Present } else { Seen::Absent })
            }
            ExprKind::Var(Var::Context) => None,
            ExprKind::Var(var) => {
                let seen = self.judge.value(expr).map_or(Seen::Absent, |value| self.seen(&value));
                reading(vec![var_word(*var)], seen)
            }
            ExprKind::Lit(Literal::EntityUID(uid)) if !uid.is_action() => {
                Some(Reading { path: id_text(uid), argument: None, seen: Seen::Thing(self.label(uid)) })
            }
            _ => None,
        }
    }

    fn seen(&self, value: &Value) -> Seen {
        match value.value_kind() {
            ValueKind::Lit(Literal::Bool(held)) => Seen::Bool(*held),
            ValueKind::Lit(Literal::Long(number)) => Seen::Long(*number),
            ValueKind::Lit(Literal::String(text)) => Seen::Text(text.to_string()),
            ValueKind::Lit(Literal::EntityUID(uid)) => Seen::Thing(self.label(uid)),
            ValueKind::Set(set) => {
                Seen::Set(set.iter().take(ITEMS_MAX).map(|item| self.seen(item)).collect())
            }
            ValueKind::Record(fields) => Seen::Record(
                fields
                    .iter()
                    .take(ITEMS_MAX)
                    .map(|(name, value)| (name.to_string(), self.seen(value)))
                    .collect(),
            ),
            ValueKind::ExtensionValue(_) => Seen::Present,
        }
    }

    fn label(&self, uid: &EntityUID) -> String {
        if *uid == *self.placed.uid { self.placed.label.clone() } else { self.house.label(uid) }
    }
}

/// Most readings of one policy that are kept.
const READINGS_MAX: usize = 32;
/// Most items of a set or record that are kept.
const ITEMS_MAX: usize = 64;

impl House {
    /// What the head of a policy says of its principal or resource, in words.
    pub(super) fn scope_words(&self, scope: &Scope) -> String {
        match scope {
            Scope::Any => "anything".into(),
            Scope::Eq(uid) => self.label(uid),
            Scope::In(uid) => format!("whatever is in {}", self.label(uid)),
            Scope::Is(kind) => kind_word(kind.name().basename().as_ref()),
            Scope::IsIn(kind, uid) => {
                format!("{} in {}", kind_word(kind.name().basename().as_ref()), self.label(uid))
            }
        }
    }

    /// What the head of a policy says of its action, in words.
    pub(super) fn action_words(&self, scope: &ActionScope) -> String {
        let word = |uid: &EntityUID| format!("`{}`", one_line(uid.eid().as_ref()));
        match scope {
            ActionScope::Any => "anything".into(),
            ActionScope::Eq(uid) => word(uid),
            ActionScope::In(uids) => uids.iter().map(word).collect::<Vec<_>>().join(" or "),
        }
    }

    /// Kind and name of somebody or something of the plan.
    pub(super) fn label(&self, uid: &EntityUID) -> String {
        if uid.is_action() {
            return format!("`{}`", one_line(uid.eid().as_ref()));
        }
        let kind = kind_word(uid.entity_type().name().basename().as_ref());
        let Some(entity) = self.resident.get(uid) else {
            return format!("{}, which the plan does not hold", id_text(uid));
        };
        let Some(own) = text_attr(entity, "name") else { return id_text(uid) };
        let on = ["server", "service"].into_iter().find_map(|attr| match entity.get(attr)? {
            PartialValue::Value(value) => match value.value_kind() {
                ValueKind::Lit(Literal::EntityUID(uid)) => text_attr(self.resident.get(&**uid)?, "name"),
                _ => None,
            },
            PartialValue::Residual(_) => None,
        });
        let place = on.map(|on| format!("{on}/")).unwrap_or_default();
        format!("{kind} `{place}{}`", one_line(&own))
    }
}

fn text_attr(entity: &Entity, name: &str) -> Option<String> {
    match entity.get(name)? {
        PartialValue::Value(value) => match value.value_kind() {
            ValueKind::Lit(Literal::String(text)) => Some(text.to_string()),
            _ => None,
        },
        PartialValue::Residual(_) => None,
    }
}

/// The word for an entity type, as labels of the rest of the engine have it.
fn kind_word(name: &str) -> String {
    match name {
        "ApiOperation" => "operation".into(),
        "HostedTool" => "hosted tool".into(),
        other => other.to_lowercase(),
    }
}

/// An id as policies write it, without the namespace.
fn id_text(uid: &EntityUID) -> String {
    let kind = uid.entity_type().name().basename();
    let eid: &str = uid.eid().as_ref();
    format!("{kind}::{}", cedar_string(&one_line(eid)))
}

const fn var_word(var: Var) -> &'static str {
    match var {
        Var::Principal => "principal",
        Var::Action => "action",
        Var::Resource => "resource",
        Var::Context => "context",
    }
}

/// The attributes that lead from a variable to a value.
fn path_of(expr: &Expr) -> Option<Vec<&str>> {
    let mut path = Vec::new();
    let mut open = expr;
    loop {
        match open.expr_kind() {
            ExprKind::GetAttr { expr, attr } => {
                path.push(attr.as_str());
                open = expr;
            }
            ExprKind::Var(var) => {
                path.push(var_word(*var));
                path.reverse();
                return Some(path);
            }
            _ => return None,
        }
    }
}

fn path_text(path: &[&str]) -> String {
    let mut text = String::new();
    for (at, part) in path.iter().enumerate() {
        let plain = !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match (at, plain) {
            (0, _) => text.push_str(part),
            (_, true) => {
                text.push('.');
                text.push_str(part);
            }
            (_, false) => {
                text.push('[');
                text.push_str(&cedar_string(&one_line(part)));
                text.push(']');
            }
        }
    }
    text
}

/// What an expression is made of, in the order of the text.
fn children(expr: &Expr) -> Vec<&Expr> {
    match expr.expr_kind() {
        ExprKind::If { test_expr, then_expr, else_expr } => vec![test_expr, then_expr, else_expr],
        ExprKind::And { left, right } | ExprKind::Or { left, right } => vec![left, right],
        ExprKind::UnaryApp { arg, .. } => vec![arg],
        ExprKind::BinaryApp { arg1, arg2, .. } => vec![arg1, arg2],
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().collect(),
        ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::Is { expr, .. } => vec![expr],
        ExprKind::Set(items) => items.iter().collect(),
        ExprKind::Record(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// The condition as it stands in its file, else as Cedar prints it.
pub(super) fn clause_of(statute: &Statute, expr: &Expr) -> Clause {
    let loc = expr.source_loc();
    let text = loc.and_then(|loc| loc.snippet()).map_or_else(|| expr.to_string(), str::to_owned);
    // An `unless` is a negation that stands where the whole of it stands.
    let inner = match expr.expr_kind() {
        ExprKind::UnaryApp { op: UnaryOp::Not, .. } => text
            .strip_prefix("unless")
            .map(str::trim)
            .and_then(|rest| rest.strip_prefix('{')?.strip_suffix('}'))
            .map(str::to_owned),
        _ => None,
    };
    let kind = if inner.is_some() { ClauseKind::Unless } else { ClauseKind::When };
    let line = statute.file.and(loc).map(|loc| line_column(&loc.src, loc.start()).0);
    Clause { kind, text: one_line(&inner.unwrap_or(text)), line }
}

/// A policy as it stands in its file.
pub(super) fn text_of(statute: &Statute) -> Arc<str> {
    let core: &cedar_policy_core::ast::Policy = statute.policy.as_ref();
    match core.template().loc().and_then(|loc| loc.snippet()) {
        Some(text) => text.into(),
        None => statute.policy.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::ATTRIBUTES;

    #[test]
    fn paths_are_written_as_policies_write_them() {
        assert_eq!(path_text(&["context", "args", "amount"]), "context.args.amount");
        assert_eq!(path_text(&["context", "args", "a b", "2"]), r#"context.args["a b"]["2"]"#);
        assert!(ATTRIBUTES.iter().all(|name| path_text(&["context", name]) == format!("context.{name}")));
    }
}
