//! What a server offers: tools, prompts, resources and templates, and which of it a gate lets through.

use std::ops::Range;

use super::{Method, Target};
use crate::json::Value;
use crate::json::edit::{self, Splice};

/// What a server says a tool does. Not verified by anything.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Hints {
    /// It changes nothing.
    pub read_only: Option<bool>,
    /// It may destroy.
    pub destructive: Option<bool>,
    /// Once more does nothing more.
    pub idempotent: Option<bool>,
    /// It reaches beyond what the server holds.
    pub open_world: Option<bool>,
}

/// One tool, prompt, resource or template of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item<'a> {
    /// Bytes of the whole.
    pub span: Range<usize>,
    /// Its name.
    pub name: Option<Target<'a>>,
    /// Where a resource is (`uri`), or how that is made (`uriTemplate`).
    pub uri: Option<Target<'a>>,
    /// What people see.
    pub title: Option<Target<'a>>,
    /// What the model sees.
    pub description: Option<Target<'a>>,
    /// Bytes of a tool's `inputSchema`.
    pub input_schema: Option<Range<usize>>,
    /// Bytes of a tool's `outputSchema`.
    pub output_schema: Option<Range<usize>>,
    /// Bytes of the annotations.
    pub annotations: Option<Range<usize>>,
    /// What the annotations of a tool say.
    pub hints: Hints,
}

/// What becomes of an item.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ItemFate {
    /// It stays as it is.
    Keep,
    /// It gets another name.
    Rename(String),
    /// It gets another URI or template.
    Readdress(String),
    /// It is taken out.
    Drop,
}

impl<'a> Item<'a> {
    pub(super) fn read(value: Value<'_, 'a>) -> Self {
        let target = |key: &str| value.get(key).and_then(Target::read);
        let span = |key: &str| value.get(key).map(Value::span);
        let hint = |key: &str| value.get("annotations").and_then(|it| it.get(key)).and_then(Value::as_bool);
        Self {
            span: value.span(),
            name: target("name"),
            uri: target("uri").or_else(|| target("uriTemplate")),
            title: target("title"),
            description: target("description"),
            input_schema: span("inputSchema"),
            output_schema: span("outputSchema"),
            annotations: span("annotations"),
            hints: Hints {
                read_only: hint("readOnlyHint"),
                destructive: hint("destructiveHint"),
                idempotent: hint("idempotentHint"),
                open_world: hint("openWorldHint"),
            },
        }
    }

    /// Gives it another name.
    #[must_use]
    pub fn rename(&self, name: &str) -> Option<Splice> {
        self.name.as_ref().map(|given| Splice::text(given.span.clone(), name))
    }

    /// Gives it another URI or template.
    #[must_use]
    pub fn readdress(&self, uri: &str) -> Option<Splice> {
        self.uri.as_ref().map(|given| Splice::text(given.span.clone(), uri))
    }
}

/// The member of a result that holds the list of a method; none where it lists nothing.
#[must_use]
pub const fn list_member(method: Method) -> Option<&'static str> {
    match method {
        Method::ToolsList => Some("tools"),
        Method::PromptsList => Some("prompts"),
        Method::ResourcesList => Some("resources"),
        Method::ResourcesTemplatesList => Some("resourceTemplates"),
        _ => None,
    }
}

/// JSON pointer of that member.
pub(super) const fn list_pointer(method: Method) -> &'static str {
    match method {
        Method::ToolsList => "/result/tools",
        Method::PromptsList => "/result/prompts",
        Method::ResourcesList => "/result/resources",
        Method::ResourcesTemplatesList => "/result/resourceTemplates",
        _ => "/result",
    }
}

/// The splices that make each item's fate; items without a name or URI that should get one are taken out.
pub(super) fn relist(list: Value<'_, '_>, items: &[Item<'_>], fates: &[ItemFate]) -> Vec<Splice> {
    let mut splices = Vec::new();
    let mut dropped = vec![false; items.len()];
    for ((item, fate), gone) in items.iter().zip(fates).zip(&mut dropped) {
        match fate {
            ItemFate::Keep => {}
            ItemFate::Drop => *gone = true,
            ItemFate::Rename(to) | ItemFate::Readdress(to) => {
                let splice =
                    if matches!(fate, ItemFate::Rename(_)) { item.rename(to) } else { item.readdress(to) };
                match splice {
                    Some(splice) => splices.push(splice),
                    None => *gone = true,
                }
            }
        }
    }
    splices.extend(edit::remove_items(list, |index| dropped.get(index).copied().unwrap_or(true)));
    splices
}
