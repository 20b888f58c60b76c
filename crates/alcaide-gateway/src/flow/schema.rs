//! What a tool's accepted input schema says of its arguments: their names, and values that are no caller's choice.

use std::collections::{BTreeMap, HashSet};

use alcaide_wire::json::{Kind, Value};

/// Deepest part of a schema that is looked into.
const DEPTH_MAX: usize = 16;
/// Most values and names of one argument that are kept.
const FIXED_MAX: usize = 1_024;

/// The arguments of a tool.
#[derive(Clone, Debug, Default)]
pub struct ArgumentSchema {
    /// By name, in its order; the texts that the schema itself fixes: constants, and names of nested members.
    arguments: BTreeMap<Box<str>, HashSet<Box<str>>>,
}

impl ArgumentSchema {
    /// Reads a JSON Schema of an object.
    #[must_use]
    pub fn of(root: Value<'_, '_>) -> Self {
        let mut arguments = BTreeMap::new();
        let properties = root.get("properties").filter(|found| found.kind() == Kind::Object);
        for entry in properties.into_iter().flat_map(Value::entries) {
            let mut fixed = HashSet::new();
            collect(root, entry.value, 0, &mut fixed);
            arguments.insert((*entry.key).into(), fixed);
        }
        Self { arguments }
    }

    /// Place of a name in the order of all; [`u16::MAX`] for one that the schema does not have.
    pub(crate) fn place(&self, name: &str) -> u16 {
        let at = self.arguments.keys().position(|known| **known == *name);
        at.and_then(|at| u16::try_from(at).ok()).unwrap_or(u16::MAX)
    }

    /// Whether the schema fixes this text somewhere in the argument.
    pub(crate) fn fixes(&self, name: &str, text: &str) -> bool {
        self.arguments.get(name).is_some_and(|fixed| fixed.contains(text))
    }
}

/// Takes the constants and member names within a schema, through references to its own definitions.
fn collect<'a>(root: Value<'_, 'a>, schema: Value<'_, 'a>, depth: usize, fixed: &mut HashSet<Box<str>>) {
    if depth > DEPTH_MAX || fixed.len() >= FIXED_MAX || schema.kind() != Kind::Object {
        return;
    }
    let deeper = depth.saturating_add(1);
    for entry in schema.entries() {
        match &*entry.key {
            "const" => {
                fixed.extend(entry.value.as_str().map(|text| Box::from(&*text)));
            }
            "$ref" => {
                let named = entry.value.as_str();
                let target = named.as_deref().and_then(|name| name.strip_prefix('#'));
                if let Some(target) = target.and_then(|pointer| root.pointer(pointer)) {
                    collect(root, target, deeper, fixed);
                }
            }
            "properties" => {
                for member in entry.value.entries() {
                    fixed.insert((*member.key).into());
                    collect(root, member.value, deeper, fixed);
                }
            }
            "items" | "additionalProperties" => collect(root, entry.value, deeper, fixed),
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                for item in entry.value.items() {
                    collect(root, item, deeper, fixed);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use alcaide_wire::json::{Document, Limits};

    use super::*;

    #[test]
    fn constants_and_member_names_are_no_callers_choice() {
        let schema =
            br##"{"properties":{"to":{"type":"string"},"files":{"anyOf":[{"type":"null"},{"type":"array",
            "items":{"$ref":"#/$defs/File"}}]}},"$defs":{"File":{"properties":{"type":{"const":"file"},
            "id":{"enum":["a"]}}},"Loop":{"$ref":"#/$defs/Loop"}}}"##;
        let document = Document::parse(schema, &Limits::default()).unwrap();
        let schema = ArgumentSchema::of(document.root());
        assert!(schema.fixes("files", "file") && schema.fixes("files", "id"));
        assert!(!schema.fixes("files", "a") && !schema.fixes("to", "file"));
        assert_eq!((schema.place("files"), schema.place("to"), schema.place("x")), (0, 1, u16::MAX));
    }

    #[test]
    fn a_schema_that_goes_round_ends() {
        let schema = br##"{"properties":{"a":{"$ref":"#/$defs/L"}},"$defs":{"L":{"properties":{"n":{"$ref":"#/$defs/L"}}}}}"##;
        let document = Document::parse(schema, &Limits::default()).unwrap();
        assert!(ArgumentSchema::of(document.root()).fixes("a", "n"));
    }
}
