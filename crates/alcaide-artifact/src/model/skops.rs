//! Judges `schema.json` of skops: a tree of nodes that each name a module, a class and the way to load it.
//!
//! Every node counts, and every key of it that names a type: a harmless class may be spelled beside a function that runs.

use super::json::Json;
use super::python::{Effect, effect, is_within, runs_by_name};
use super::{content, packs, paths, rules};
use crate::rules::Rule;
use crate::scanner::{Scanner, shown};

/// Judges every node of `schema`.
pub(super) fn judge(scanner: &mut Scanner, schema: &Json) {
    schema.walk(&mut |pointer, value| {
        if let Json::Map(entries) = value {
            if let Some(key) = value.twice() {
                scanner.find(&rules::TWICE, None, Some(pointer), format!("the key `{}`", shown(key)));
            }
            node(scanner, pointer, value, entries);
        } else if let Json::Text(text) = value
            && let Some(what) = content::code(text.as_bytes())
        {
            scanner.find(&rules::CODE_IN_TEXT, None, Some(pointer), what);
        }
    });
}

fn node(scanner: &mut Scanner, pointer: &str, node: &Json, entries: &[(String, Json)]) {
    let find = |scanner: &mut Scanner, rule: &'static Rule, evidence: String| {
        scanner.find(rule, None, Some(pointer), evidence);
    };
    let loader = node.text_at("__loader__").unwrap_or_default();
    let every = |key: &'static str| {
        entries.iter().filter(move |(found, _)| found == key).filter_map(|(_, value)| match value {
            Json::Text(text) => Some(text.as_str()),
            _ => None,
        })
    };
    // A function node names its function a second time in its content, and it is that which is loaded.
    let mut names: Vec<(String, String)> = Vec::new();
    for module in every("__module__") {
        names.extend(every("__class__").map(|class| (module.to_owned(), class.to_owned())));
    }
    let content = node.at("content");
    let inner = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| content.and_then(|content| content.text_at(key)).or_else(|| node.text_at(key)))
    };
    if let Some(module) = inner(&["module_path", "module"]) {
        let name = inner(&["function", "func", "attrs", "name"]).unwrap_or_default();
        names.push((module.to_owned(), name.to_owned()));
    }
    if loader == "OperatorFuncNode" {
        let class = node.text_at("__class__").unwrap_or_default();
        // Of `operator`, calls and lookups by name reach everything.
        match class {
            "attrgetter" | "itemgetter" => {
                let text = format!("{:?}", node.at("attrs"));
                if text.contains("__") {
                    find(scanner, &rules::SKOPS_CODE, format!("operator.{} of hidden names", shown(class)));
                }
            }
            other => find(scanner, &rules::SKOPS_CODE, format!("operator.{}", shown(other))),
        }
        return;
    }
    if loader == "MethodNode" {
        let name = inner(&["func"]).unwrap_or_default();
        if runs_by_name(name) || name.starts_with("__") {
            find(scanner, &rules::SKOPS_CODE, format!("the method `{}`", shown(name)));
        }
    }
    if loader == "JsonNode"
        && let Some(Json::Text(text)) = content
        && let Some(what) = content::code(text.as_bytes())
    {
        find(scanner, &rules::CODE_IN_TEXT, what.to_owned());
    }
    if let Some(file) = node.text_at("file")
        && let Some(why) = paths::leads_outside(file.as_bytes())
    {
        find(scanner, &rules::PATH_OUTSIDE, format!("member `{}` {why}", shown(file)));
    }
    let function = matches!(loader, "FunctionNode" | "PartialNode" | "MethodNode");
    for (module, name) in names {
        let full = format!("{module}.{name}");
        let told = format!("`{}` by {}", shown(&full), shown(loader));
        if packs::SKOPS_TYPES.has(&full) {
            continue;
        }
        // What kind of thing the function is; which one it is stands in the content.
        let kind = matches!(
            (module.as_str(), name.as_str()),
            ("builtins", "function" | "builtin_function_or_method" | "method") | ("numpy", "ufunc")
        );
        if kind && (function || loader == "MethodNode") {
            continue;
        }
        if module == "builtins" {
            match VALUE_TYPES.contains(&name.as_str()) {
                true => {}
                false => find(scanner, &rules::SKOPS_CODE, told),
            }
            continue;
        }
        match effect(&module) {
            // The loader's own words for partials, methods and operators stand under these modules.
            Effect::Runs if module == "functools" && name == "partial" && loader == "PartialNode" => {}
            Effect::Runs
                if module == "types"
                    && matches!(name.as_str(), "MethodType" | "FunctionType")
                    && loader == "MethodNode" => {}
            Effect::Runs => find(scanner, &rules::SKOPS_CODE, told),
            Effect::Reaches => find(scanner, &rules::SKOPS_CODE, told),
            Effect::Unknown if runs_by_name(&name) => find(scanner, &rules::SKOPS_CODE, told),
            Effect::Unknown if LIBRARIES.iter().any(|library| is_within(&module, library)) => {
                scanner.doubt(&rules::SKOPS_CUSTOM, None, told);
            }
            Effect::Unknown if function => find(scanner, &rules::SKOPS_UNKNOWN, told),
            Effect::Unknown => scanner.doubt(&rules::SKOPS_CUSTOM, None, told),
        }
    }
}

const VALUE_TYPES: &[&str] = &[
    "NoneType",
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
    "type",
];

/// Libraries whose classes are estimators, arrays and distributions.
const LIBRARIES: &[&str] = &[
    "sklearn",
    "numpy",
    "scipy",
    "collections",
    "catboost",
    "lightgbm",
    "xgboost",
    "quantile_forest",
    "sklearn_pandas",
    "imblearn",
    "datetime",
    "decimal",
    "pandas.core.indexes",
    "pandas.core.frame",
    "pandas.core.series",
];

#[cfg(test)]
mod tests;
