//! From a file of tool facts to declared tools. The format is all that is known here, no suite, tool or value.
//!
//! The file is an object of suites, each an object of tools, each an object of the keys below. A key that begins with
//! `_` is a comment, at every level. What the file does not say of a tool is not declared of it, but that a result
//! without `secret` is no more than internal.
//!
//! | key | declared as |
//! |---|---|
//! | `effect` | `effect` |
//! | `bind`, `text`, `outbound_if` | `control`, `free_text`, `outbound_if` |
//! | `output`, `secret` | one `output` of the whole result: integrity, and `confidential` or `internal` |
//! | `resolve` | `resolves`, each field as a pointer |
//! | `scope` | `request_words` |
//! | `cap` | `caps`, rounded down |
//! | `audience`, `fetch` | the same |

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

/// Declared tools of one suite: facts in the form of declarations, by name, without `server` and `name`.
pub(super) type Tools = BTreeMap<String, Map<String, Value>>;

/// Reads all suites of a file of facts.
///
/// # Errors
/// When the text is not of the format; the message names the place.
pub(super) fn translate(text: &str) -> Result<BTreeMap<String, Tools>> {
    let file: Map<String, Value> = serde_json::from_str(text).context("the facts are no JSON object")?;
    let mut suites = BTreeMap::new();
    for (suite, tools) in said(&file) {
        let tools = tools.as_object().with_context(|| format!("`{suite}` is no object of tools"))?;
        let mut declared = Tools::new();
        for (tool, facts) in said(tools) {
            let place = format!("`{suite}/{tool}`");
            let facts = facts.as_object().with_context(|| format!("{place} is no object of facts"))?;
            declared.insert(tool.clone(), one(facts).with_context(|| format!("the facts of {place}"))?);
        }
        suites.insert(suite.clone(), declared);
    }
    Ok(suites)
}

fn said(object: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    object.iter().filter(|(key, _)| !key.starts_with('_'))
}

fn one(facts: &Map<String, Value>) -> Result<Map<String, Value>> {
    let mut declared = Map::new();
    let (mut integrity, mut secret) = ("untrusted", false);
    for (key, value) in said(facts) {
        let wrong = |wanted: &str| format!("`{key}` is not {wanted}");
        let target = match key.as_str() {
            "effect" => {
                value.as_str().with_context(|| wrong("a word"))?;
                "effect"
            }
            "bind" | "text" | "scope" | "outbound_if" => {
                words(value).with_context(|| wrong("a list of words"))?;
                match key.as_str() {
                    "bind" => "control",
                    "text" => "free_text",
                    "scope" => "request_words",
                    _ => "outbound_if",
                }
            }
            "resolve" => {
                let fields = words(value).with_context(|| wrong("a list of fields"))?;
                let pointers: Vec<String> = fields.into_iter().map(pointer).collect();
                declared.insert("resolves".into(), json!(pointers));
                continue;
            }
            "cap" => {
                declared.insert("caps".into(), caps(value).with_context(|| wrong("an object of numbers"))?);
                continue;
            }
            "audience" => {
                let known = matches!(value.as_str(), Some("internal" | "external"));
                known.then_some(()).with_context(|| wrong("`internal` or `external`"))?;
                "audience"
            }
            "fetch" => {
                value.as_bool().with_context(|| wrong("true or false"))?;
                "fetch"
            }
            "output" => {
                integrity = match value.as_str() {
                    Some("trusted") => "trusted",
                    Some("untrusted") => "untrusted",
                    _ => bail!(wrong("`trusted` or `untrusted`")),
                };
                continue;
            }
            "secret" => {
                secret = value.as_bool().with_context(|| wrong("true or false"))?;
                continue;
            }
            other => bail!("`{other}` is no fact that is known"),
        };
        declared.insert(target.into(), value.clone());
    }
    let confidentiality = if secret { "confidential" } else { "internal" };
    let output = json!([{ "pointer": "", "integrity": integrity, "confidentiality": confidentiality }]);
    declared.insert("output".into(), output);
    Ok(declared)
}

fn words(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

/// A field as a JSON pointer (RFC 6901, section 3).
fn pointer(field: &str) -> String {
    format!("/{}", field.replace('~', "~0").replace('/', "~1"))
}

/// A cap is a whole number: of a fraction the next lower one, so that nothing passes that the owner would not let pass.
fn caps(value: &Value) -> Option<Value> {
    let mut caps = Vec::new();
    for (argument, most) in said(value.as_object()?) {
        let most = match most.as_i64() {
            Some(most) => most,
            None => whole(most.as_f64()?)?,
        };
        caps.push(json!({ "argument": argument, "most": most }));
    }
    Some(caps.into())
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be within the range of exact whole numbers")]
fn whole(number: f64) -> Option<i64> {
    let floor = number.floor();
    (floor.abs() < 9e15).then_some(floor as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(facts: &Value) -> Result<Value> {
        let file = json!({ "_about": "x", "s": { "_note": 1, "t": facts } }).to_string();
        let suites = translate(&file)?;
        assert_eq!(suites.keys().collect::<Vec<_>>(), ["s"]);
        assert_eq!(suites["s"].keys().collect::<Vec<_>>(), ["t"]);
        Ok(Value::Object(suites["s"]["t"].clone()))
    }

    #[test]
    fn every_fact_has_its_place_in_a_declaration() {
        let given = json!({
            "effect": "internal", "bind": ["to", "cc"], "text": ["body"], "output": "trusted", "secret": true,
            "resolve": ["id_", "a/b~c"], "scope": ["send"], "cap": { "amount": 500, "n": 2.9, "debt": -2.1 },
            "outbound_if": ["guests"], "audience": "internal", "fetch": true, "_why": "a comment",
        });
        let wanted = json!({
            "effect": "internal", "control": ["to", "cc"], "free_text": ["body"],
            "output": [{ "pointer": "", "integrity": "trusted", "confidentiality": "confidential" }],
            "resolves": ["/id_", "/a~1b~0c"], "request_words": ["send"],
            "caps": [
                { "argument": "amount", "most": 500 }, { "argument": "debt", "most": -3 },
                { "argument": "n", "most": 2 },
            ],
            "outbound_if": ["guests"], "audience": "internal", "fetch": true,
        });
        let mut found = of(&given).unwrap();
        found["caps"].as_array_mut().unwrap().sort_by_key(|cap| cap["argument"].as_str().unwrap().to_owned());
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_not_said_of_a_result_is_untrusted_and_no_secret() {
        let output = json!([{ "pointer": "", "integrity": "untrusted", "confidentiality": "internal" }]);
        assert_eq!(of(&json!({ "effect": "read" })).unwrap(), json!({ "effect": "read", "output": output }));
        assert_eq!(of(&json!({})).unwrap(), json!({ "output": output }));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let wrong = |facts: &Value| format!("{:#}", of(facts).unwrap_err());
        assert_eq!(wrong(&json!({ "binds": [] })), "the facts of `s/t`: `binds` is no fact that is known");
        for (facts, what) in [
            (json!({ "output": "mixed" }), "`output` is not `trusted` or `untrusted`"),
            (json!({ "bind": "to" }), "`bind` is not a list of words"),
            (json!({ "resolve": [1] }), "`resolve` is not a list of fields"),
            (json!({ "cap": { "a": "x" } }), "`cap` is not an object of numbers"),
            (json!({ "cap": { "a": 1e300 } }), "`cap` is not an object of numbers"),
            (json!({ "audience": "all" }), "`audience` is not `internal` or `external`"),
            (json!({ "secret": 1 }), "`secret` is not true or false"),
        ] {
            assert_eq!(wrong(&facts), format!("the facts of `s/t`: {what}"));
        }
        assert_eq!(translate("[]").unwrap_err().to_string(), "the facts are no JSON object");
        assert_eq!(translate("{\"s\": []}").unwrap_err().to_string(), "`s` is no object of tools");
        assert_eq!(translate("{\"s\": {\"t\": 1}}").unwrap_err().to_string(), "`s/t` is no object of facts");
    }

    #[test]
    fn the_facts_of_this_repository_are_understood() {
        let suites = translate(include_str!("../../../tests/defence/agentdojo_owner_visible.json")).unwrap();
        assert!(suites.values().all(|tools| tools.len() > 5));
        assert!(suites.values().flat_map(BTreeMap::values).all(|facts| facts.contains_key("effect")));
    }
}
