//! What differs between two JSON Schemas, place by place.
//!
//! Both are laid out as places (JSON pointers into the schema) with the keywords that stand there; keywords that hold
//! schemas lead to places of their own, and `required` is told at the property that it is about. Then each place is
//! compared, and each keyword says in which direction it moved.
//!
//! Source: JSON Schema 2020-12, core and validation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::{CHANGES_MAX, FieldChange};

/// Most places of one schema that are looked at.
const PLACES_MAX: usize = 4_096;
/// Most bytes of all pointers of one schema.
const POINTERS_BYTES_MAX: usize = 4 << 20;

/// In which direction a place of a schema moved.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Only words for people and models differ.
    Reworded,
    /// Takes less than before.
    Narrowed,
    /// Differs in a way that is neither.
    Other,
    /// Takes more than before.
    Widened,
    /// Was there before.
    Removed,
    /// Was not there before.
    Added,
}

impl Reach {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reworded => "reworded",
            Self::Narrowed => "narrowed",
            Self::Other => "changed",
            Self::Widened => "widened",
            Self::Removed => "removed",
            Self::Added => "added",
        }
    }
}

/// One place of a schema that differs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SchemaChange {
    /// JSON pointer into the schema (RFC 6901).
    pub path: String,
    /// In which direction; of several, the one that weighs most: wider over other over narrower over words.
    pub reach: Reach,
    /// The keywords that differ; for what was added or removed, all.
    pub keywords: Vec<FieldChange>,
}

/// All places that differ, in the order of their pointers.
pub(super) fn changes(before: Option<&Value>, after: Option<&Value>, cut: &mut bool) -> Vec<SchemaChange> {
    if before == after {
        return Vec::new();
    }
    let (old, new) = (Places::of(before, cut), Places::of(after, cut));
    let mut paths: Vec<&String> = old.all.keys().collect();
    paths.extend(new.all.keys().filter(|path| !old.all.contains_key(*path)));
    paths.sort();
    let mut changes = Vec::new();
    for path in paths {
        let change = match (old.all.get(path), new.all.get(path)) {
            (Some(was), Some(is)) => compared(path, was, is),
            (Some(was), None) if !new.lacks_parent(was) => Some(whole(path, was, Reach::Removed)),
            (None, Some(is)) if !old.lacks_parent(is) => Some(whole(path, is, Reach::Added)),
            // Told with the place above, which came or went as a whole.
            _ => None,
        };
        let Some(change) = change else { continue };
        if changes.len() == CHANGES_MAX {
            *cut = true;
            break;
        }
        changes.push(change);
    }
    changes
}

struct Place {
    parent: Option<String>,
    keywords: BTreeMap<String, Value>,
}

struct Places {
    all: BTreeMap<String, Place>,
    bytes: usize,
    full: bool,
}

impl Places {
    fn of(schema: Option<&Value>, cut: &mut bool) -> Self {
        let mut places = Self { all: BTreeMap::new(), bytes: 0, full: false };
        if let Some(schema) = schema {
            places.walk(schema, String::new(), None, false);
        }
        *cut |= places.full;
        places
    }

    /// Whether the place above is missing here, so that the whole of it came or went.
    fn lacks_parent(&self, place: &Place) -> bool {
        place.parent.as_ref().is_some_and(|parent| !self.all.contains_key(parent))
    }

    fn walk(&mut self, schema: &Value, path: String, parent: Option<String>, required: bool) {
        self.bytes = self.bytes.saturating_add(path.len());
        if self.all.len() >= PLACES_MAX || self.bytes > POINTERS_BYTES_MAX {
            self.full = true;
            return;
        }
        let mut keywords = BTreeMap::new();
        let mut below: Vec<(String, &Value, bool)> = Vec::new();
        match schema {
            Value::Object(object) => {
                let demanded: Vec<&str> = match object.get("required") {
                    Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
                    _ => Vec::new(),
                };
                for (keyword, value) in object {
                    let place = |name: &str| format!("{path}/{}/{}", escaped(keyword), escaped(name));
                    match (keyword.as_str(), value) {
                        ("properties", Value::Object(all)) => {
                            let demanded = |name: &str| demanded.contains(&name);
                            below.extend(all.iter().map(|(name, one)| (place(name), one, demanded(name))));
                        }
                        (word, Value::Object(all)) if NAMED.contains(&word) => {
                            below.extend(all.iter().map(|(name, one)| (place(name), one, false)));
                        }
                        (word, Value::Array(all)) if LISTED.contains(&word) => {
                            below.extend(
                                all.iter().enumerate().map(|(at, one)| (place(&at.to_string()), one, false)),
                            );
                        }
                        (word, Value::Object(_)) if SINGLE.contains(&word) => {
                            below.push((format!("{path}/{}", escaped(keyword)), value, false));
                        }
                        ("required", Value::Array(names)) => {
                            // Names that are no properties stay here: nobody else tells of them.
                            let known = object.get("properties").and_then(Value::as_object);
                            let known = |name: &Value| {
                                name.as_str()
                                    .is_some_and(|name| known.is_some_and(|all| all.contains_key(name)))
                            };
                            let others: Vec<Value> =
                                names.iter().filter(|name| !known(name)).cloned().collect();
                            if !others.is_empty() {
                                keywords.insert("required".to_owned(), Value::Array(others));
                            }
                        }
                        _ => {
                            keywords.insert(keyword.clone(), value.clone());
                        }
                    }
                }
            }
            // `true` takes everything, `false` nothing; what is neither is shown as it is.
            other => {
                keywords.insert("schema".to_owned(), other.clone());
            }
        }
        if required {
            // No keyword of a schema begins so: it is told of the property.
            keywords.insert(REQUIRED.to_owned(), Value::Bool(true));
        }
        self.all.insert(path.clone(), Place { parent, keywords });
        for (place, schema, required) in below {
            self.walk(schema, place, Some(path.clone()), required);
        }
    }
}

fn compared(path: &str, was: &Place, is: &Place) -> Option<SchemaChange> {
    let mut names: Vec<&String> = was.keywords.keys().collect();
    names.extend(is.keywords.keys().filter(|name| !was.keywords.contains_key(*name)));
    names.sort();
    let mut keywords = Vec::new();
    let mut reach = Reach::Reworded;
    for name in names {
        let (before, after) = (was.keywords.get(name), is.keywords.get(name));
        if before == after {
            continue;
        }
        let Some(moved) = direction(name, before, after) else { continue };
        reach = reach.max(moved);
        keywords.push(FieldChange { name: name.clone(), before: before.cloned(), after: after.cloned() });
    }
    (!keywords.is_empty()).then(|| SchemaChange { path: path.to_owned(), reach, keywords })
}

fn whole(path: &str, place: &Place, reach: Reach) -> SchemaChange {
    let keywords = place.keywords.iter().map(|(name, value)| {
        let value = Some(value.clone());
        let (before, after) = if reach == Reach::Added { (None, value) } else { (value, None) };
        FieldChange { name: name.clone(), before, after }
    });
    SchemaChange { path: path.to_owned(), reach, keywords: keywords.collect() }
}

/// In which direction a keyword moved that differs; `None` if it says the same in other words.
fn direction(keyword: &str, before: Option<&Value>, after: Option<&Value>) -> Option<Reach> {
    Some(match keyword {
        "title" | "description" | "default" | "examples" | "$comment" => Reach::Reworded,
        "type" => return sets(kinds(before), kinds(after), |set, one| kind_within(one, set)),
        "enum" => {
            let list =
                |value: Option<&Value>| value.map(|value| value.as_array().cloned().unwrap_or_default());
            return sets(list(before), list(after), |set, one| set.contains(one));
        }
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" | "minContains" => {
            bound(before, after, |was, is| is < was)
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" | "maxContains" => {
            bound(before, after, |was, is| is > was)
        }
        "additionalProperties" | "unevaluatedProperties" | "items" | "additionalItems" | "schema" => {
            let takes = |value: Option<&Value>| match value {
                None => Some(true),
                Some(value) => value.as_bool(),
            };
            match (takes(before), takes(after)) {
                (Some(was), Some(is)) if was == is => return None,
                (Some(false), Some(true)) => Reach::Widened,
                (Some(true), Some(false)) => Reach::Narrowed,
                _ => Reach::Other,
            }
        }
        "uniqueItems" => match (is_true(before), is_true(after)) {
            (true, false) => Reach::Widened,
            (false, true) => Reach::Narrowed,
            _ => return None,
        },
        REQUIRED | "required" | "pattern" | "format" | "const" | "multipleOf" | "contentEncoding"
        | "contentMediaType" | "dependentRequired" => match (before, after) {
            (Some(_), None) => Reach::Widened,
            (None, Some(_)) => Reach::Narrowed,
            _ => Reach::Other,
        },
        _ => Reach::Other,
    })
}

fn is_true(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool) == Some(true)
}

/// Absent takes everything.
fn bound(before: Option<&Value>, after: Option<&Value>, wider: fn(f64, f64) -> bool) -> Reach {
    let number = |value: &Value| value.as_number().and_then(Number::as_f64);
    match (before, after) {
        (Some(_), None) => Reach::Widened,
        (None, _) => Reach::Narrowed,
        (Some(was), Some(is)) => match (number(was), number(is)) {
            (Some(was), Some(is)) if wider(was, is) => Reach::Widened,
            (Some(_), Some(_)) => Reach::Narrowed,
            _ => Reach::Other,
        },
    }
}

fn kinds(value: Option<&Value>) -> Option<Vec<Value>> {
    value.map(|value| match value {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    })
}

/// Every integer is a number.
fn kind_within(one: &Value, set: &[Value]) -> bool {
    set.contains(one) || one == "integer" && set.iter().any(|other| other == "number")
}

/// Absent is the set of everything.
fn sets(
    before: Option<Vec<Value>>,
    after: Option<Vec<Value>>,
    holds: impl Fn(&[Value], &Value) -> bool,
) -> Option<Reach> {
    Some(match (before, after) {
        (None, None) => return None,
        (Some(_), None) => Reach::Widened,
        (None, Some(_)) => Reach::Narrowed,
        (Some(was), Some(is)) => {
            let wider = was.iter().all(|one| holds(&is, one));
            let narrower = is.iter().all(|one| holds(&was, one));
            match (wider, narrower) {
                (true, true) => return None,
                (true, false) => Reach::Widened,
                (false, true) => Reach::Narrowed,
                (false, false) => Reach::Other,
            }
        }
    })
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The word at a property that must be given.
const REQUIRED: &str = "must be given";
/// Keywords that hold schemas by name.
const NAMED: [&str; 4] = ["patternProperties", "$defs", "definitions", "dependentSchemas"];
/// Keywords that hold a list of schemas.
const LISTED: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords that hold one schema.
const SINGLE: [&str; 11] = [
    "items",
    "additionalProperties",
    "additionalItems",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn told(before: &Value, after: &Value) -> Vec<(String, Reach)> {
        let mut cut = false;
        let all = changes(Some(before), Some(after), &mut cut);
        assert!(!cut);
        all.into_iter().map(|one| (one.path, one.reach)).collect()
    }

    fn object(properties: &Value, required: &Value) -> Value {
        json!({ "type": "object", "properties": properties, "required": required })
    }

    #[test]
    fn arguments_that_come_go_and_change_are_told_at_their_place() {
        let before = object(
            &json!({ "to": { "type": "string" }, "cc": { "type": "string" }, "n": { "type": "integer" } }),
            &json!(["to"]),
        );
        let after = object(
            &json!({
                "to": { "type": "string", "description": "Whom." },
                "bcc": { "type": "object", "properties": { "list": { "type": "array" } } },
                "n": { "type": "number" },
            }),
            &json!(["to", "bcc"]),
        );
        assert_eq!(
            told(&before, &after),
            [
                ("/properties/bcc".into(), Reach::Added),
                ("/properties/cc".into(), Reach::Removed),
                ("/properties/n".into(), Reach::Widened),
                ("/properties/to".into(), Reach::Reworded),
            ],
            "what came as a whole is told once"
        );
        let mut cut = false;
        let added = changes(Some(&before), Some(&after), &mut cut).remove(0);
        let names: Vec<_> = added.keywords.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["must be given", "type"]);
    }

    #[test]
    fn each_keyword_says_in_which_direction_it_moved() {
        let cases = [
            (json!({ "type": "string" }), json!({ "type": ["string", "null"] }), Some(Reach::Widened)),
            (json!({ "type": ["string", "null"] }), json!({ "type": "null" }), Some(Reach::Narrowed)),
            (json!({ "type": "string" }), json!({ "type": "array" }), Some(Reach::Other)),
            (json!({ "type": ["string", "null"] }), json!({ "type": ["null", "string"] }), None),
            (json!({ "type": "number" }), json!({ "type": "integer" }), Some(Reach::Narrowed)),
            (json!({ "enum": ["a"] }), json!({ "enum": ["b", "a"] }), Some(Reach::Widened)),
            (json!({ "enum": ["a"] }), json!({}), Some(Reach::Widened)),
            (json!({}), json!({ "enum": ["a"] }), Some(Reach::Narrowed)),
            (json!({ "maximum": 10 }), json!({ "maximum": 11 }), Some(Reach::Widened)),
            (json!({ "maximum": 10 }), json!({ "maximum": 9 }), Some(Reach::Narrowed)),
            (json!({ "maximum": 10 }), json!({ "maximum": "x" }), Some(Reach::Other)),
            (json!({ "minLength": 3 }), json!({ "minLength": 0 }), Some(Reach::Widened)),
            (json!({ "minLength": 3 }), json!({}), Some(Reach::Widened)),
            (json!({}), json!({ "minLength": 3 }), Some(Reach::Narrowed)),
            (json!({ "pattern": "a" }), json!({ "pattern": "b" }), Some(Reach::Other)),
            (json!({ "pattern": "a" }), json!({}), Some(Reach::Widened)),
            (json!({ "additionalProperties": false }), json!({}), Some(Reach::Widened)),
            (json!({}), json!({ "additionalProperties": true }), None),
            (json!({}), json!({ "additionalProperties": false }), Some(Reach::Narrowed)),
            (json!({ "uniqueItems": true }), json!({ "uniqueItems": false }), Some(Reach::Widened)),
            (json!({ "description": "a" }), json!({ "description": "b" }), Some(Reach::Reworded)),
            (
                json!({ "description": "a", "type": "string" }),
                json!({ "description": "b" }),
                Some(Reach::Widened),
            ),
            (json!({ "x-more": 1 }), json!({ "x-more": 2 }), Some(Reach::Other)),
            (json!(true), json!(false), Some(Reach::Narrowed)),
        ];
        for (before, after, wanted) in cases {
            let found = told(&before, &after).first().map(|(_, reach)| *reach);
            assert_eq!(found, wanted, "{before} to {after}");
        }
    }

    #[test]
    fn what_must_be_given_is_told_at_the_property() {
        let properties = json!({ "a": {}, "b": {} });
        let told = told(&object(&properties, &json!(["a", "x"])), &object(&properties, &json!(["b"])));
        assert_eq!(
            told,
            [
                (String::new(), Reach::Widened),
                ("/properties/a".into(), Reach::Widened),
                ("/properties/b".into(), Reach::Narrowed),
            ]
        );
    }

    #[test]
    fn names_with_slashes_stay_apart_and_every_keyword_with_schemas_is_entered() {
        let with = |kind: &str| {
            let one = json!({ "type": kind });
            json!({
                "properties": { "a/b": one, "a": { "properties": { "b": one } } },
                "$defs": { "d": one }, "anyOf": [one], "items": one, "additionalProperties": one,
            })
        };
        let paths: Vec<_> = told(&with("string"), &with("array")).into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [
                "/$defs/d",
                "/additionalProperties",
                "/anyOf/0",
                "/items",
                "/properties/a/properties/b",
                "/properties/a~1b"
            ]
        );
    }

    #[test]
    fn a_schema_that_comes_or_goes_is_told_at_its_root() {
        let mut cut = false;
        let schema = object(&json!({ "a": {} }), &json!([]));
        let came = changes(None, Some(&schema), &mut cut);
        assert_eq!((came.len(), came[0].path.as_str(), came[0].reach), (1, "", Reach::Added));
        let went = changes(Some(&schema), None, &mut cut);
        assert_eq!((went.len(), went[0].reach), (1, Reach::Removed));
        assert!(!cut);
    }

    #[test]
    fn past_its_bounds_the_list_says_that_it_is_cut() {
        let many = |count: usize| {
            let all: serde_json::Map<_, _> = (0..count).map(|at| (format!("p{at}"), json!({}))).collect();
            object(&Value::Object(all), &json!([]))
        };
        let none = many(0);
        for (count, listed, cut_wanted) in [
            (CHANGES_MAX, CHANGES_MAX, false),
            (CHANGES_MAX + 1, CHANGES_MAX, true),
            (PLACES_MAX, CHANGES_MAX, true),
        ] {
            let mut cut = false;
            assert_eq!(changes(Some(&none), Some(&many(count)), &mut cut).len(), listed);
            assert_eq!(cut, cut_wanted, "{count}");
        }
        let long = |end: &str| object(&json!({ "n".repeat(POINTERS_BYTES_MAX) + end: {} }), &json!([]));
        let mut cut = false;
        changes(Some(&long("a")), Some(&long("b")), &mut cut);
        assert!(cut);
    }

    proptest! {
        #[test]
        fn one_more_argument_is_always_told(names in proptest::collection::btree_set("[a-c/~.]{1,3}", 1..6), at in any::<prop::sample::Index>()) {
            let names: Vec<String> = names.into_iter().collect();
            let left_out = at.get(&names).clone();
            let all = |skip: Option<&String>| {
                let kept = names.iter().filter(|name| Some(*name) != skip);
                object(&Value::Object(kept.map(|name| (name.clone(), json!({}))).collect()), &json!([]))
            };
            let told = told(&all(Some(&left_out)), &all(None));
            prop_assert_eq!(told, vec![(format!("/properties/{}", escaped(&left_out)), Reach::Added)]);
        }
    }
}
