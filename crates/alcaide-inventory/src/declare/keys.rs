//! The keys that each table of the format takes. A misspelt key in any table is refused with its line and the nearest
//! known key, so that a misspelt limit never silently means "none".
//!
//! `deny_unknown_fields` of serde does not work below `flatten`, so the tables are walked here before serde reads
//! them. A test keeps this list and the structs in step: every key that serde writes must be known here.

use std::fmt::Write as _;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// An unknown or impossible key, and where.
pub(super) struct WrongKey {
    pub(super) span: Range<usize>,
    pub(super) why: String,
}

enum Inner {
    /// Anything without keys of its own.
    Value,
    /// A table, or an array of them.
    Of(&'static Shape),
    /// A table, or an array of them, whose keys depend on the value of `kind`.
    Kinds(&'static [(&'static str, &'static Shape)]),
}

struct Shape {
    keys: &'static [(&'static str, Inner)],
    /// Keys that cannot stand in one table, because the second would be ignored.
    apart: &'static [(&'static str, &'static str)],
}

use Inner::{Kinds, Of, Value};

const fn shape(keys: &'static [(&'static str, Inner)]) -> Shape {
    Shape { keys, apart: &[] }
}

static TOP: Shape = shape(&[
    ("schema", Value),
    ("unit", Of(&UNIT)),
    ("human", Of(&HUMAN)),
    ("agent", Of(&AGENT)),
    ("workload", Of(&WORKLOAD)),
    ("upstream", Of(&UPSTREAM)),
    ("route", Kinds(&[("model", &MODEL), ("mcp", &MCP), ("service", &SERVICE)])),
    ("peer", Of(&PEER)),
    ("signer", Of(&SIGNER)),
    ("model", Of(&PROVEN_MODEL)),
    ("tool", Of(&TOOL)),
    ("budget", Of(&BUDGET)),
    ("policy", Of(&POLICY)),
]);
static UNIT: Shape = shape(&[("name", Value), ("parent", Value)]);
static HUMAN: Shape = shape(&[("name", Value), ("unit", Value), ("roles", Value), ("standing", Value)]);
static AGENT: Shape = shape(&[
    ("name", Value),
    ("unit", Value),
    ("owner", Value),
    ("sponsor", Value),
    ("may", Value),
    ("dpop", Value),
    ("standing", Value),
    ("user_turns", Value),
]);
static WORKLOAD: Shape =
    shape(&[("name", Value), ("unit", Value), ("owner", Value), ("may", Value), ("standing", Value)]);
static UPSTREAM: Shape = Shape {
    keys: &[
        ("name", Value),
        ("protocol", Value),
        ("base_url", Value),
        ("command", Value),
        ("sandbox", Of(&SANDBOX)),
        ("credential", Kinds(&[("header", &HEADER), ("client_credentials", &CLIENT_CREDENTIALS)])),
        ("first_byte_timeout_ms", Value),
        ("idle_timeout_ms", Value),
    ],
    apart: &[("base_url", "command"), ("base_url", "sandbox")],
};
static SANDBOX: Shape =
    shape(&[("read", Value), ("write", Value), ("network", Value), ("executable_sha256", Value)]);
static HEADER: Shape = shape(&[("kind", Value), ("header", Value), ("prefix", Value), ("secret", Value)]);
static CLIENT_CREDENTIALS: Shape = shape(&[
    ("kind", Value),
    ("token_url", Value),
    ("client_id", Value),
    ("secret", Value),
    ("scope", Value),
]);
static MODEL: Shape = shape(&[
    ("name", Value),
    ("kind", Value),
    ("upstreams", Of(&BINDING)),
    ("price", Of(&PRICE)),
    ("max_output_tokens", Value),
    ("durability", Value),
    ("serves", Value),
]);
static BINDING: Shape = shape(&[("upstream", Value), ("model", Value)]);
static PRICE: Shape =
    shape(&[("input_micros", Value), ("output_micros", Value), ("cached_input_micros", Value)]);
static MCP: Shape = shape(&[("name", Value), ("kind", Value), ("upstream", Value), ("durability", Value)]);
static SERVICE: Shape = shape(&[
    ("name", Value),
    ("kind", Value),
    ("upstream", Value),
    ("operations", Of(&OPERATION)),
    ("durability", Value),
]);
static OPERATION: Shape = shape(&[("name", Value), ("method", Value), ("path", Value), ("effect", Value)]);
static PEER: Shape = shape(&[
    ("name", Value),
    ("trust_domain", Value),
    ("jwks", Value),
    ("servers", Value),
    ("callers", Value),
    ("integrity", Value),
    ("confidentiality", Value),
]);
static SIGNER: Shape = shape(&[("name", Value), ("pem", Value), ("revoked", Value), ("revoked_keys", Value)]);
static PROVEN_MODEL: Shape = shape(&[
    ("name", Value),
    ("unit", Value),
    ("owner", Value),
    ("files", Value),
    ("signature", Value),
    ("signers", Value),
    ("requires", Value),
    ("max_age_days", Value),
]);
static TOOL: Shape = shape(&[
    ("server", Value),
    ("name", Value),
    ("effect", Value),
    ("control", Value),
    ("free_text", Value),
    ("output", Of(&OUTPUT)),
    ("idempotency_key", Value),
    ("clearance", Value),
    ("outbound_if", Value),
    ("audience", Value),
    ("hosts", Value),
    ("fetch", Value),
    ("request_words", Value),
    ("resolves", Value),
    ("records", Value),
    ("caps", Of(&CAP)),
    ("calls_max", Value),
    ("canary", Value),
    ("store", Value),
    ("handle_output", Value),
    ("takes_handles", Value),
]);
static CAP: Shape = shape(&[("argument", Value), ("most", Value)]);
static OUTPUT: Shape = shape(&[("pointer", Value), ("integrity", Value), ("confidentiality", Value)]);
static BUDGET: Shape =
    shape(&[("name", Value), ("over", Of(&OVER)), ("of", Value), ("limit", Value), ("per", Value)]);
static OVER: Shape = shape(&[("agent", Value), ("owner", Value), ("unit", Value), ("model", Value)]);
static POLICY: Shape =
    shape(&[("name", Value), ("cedar", Value), ("file", Value), ("mode", Value), ("shadow", Of(&SHADOW))]);
static SHADOW: Shape = shape(&[("agents", Value), ("units", Value), ("tasks_percent", Value)]);

/// The first key of the file, in the order of its lines, that its table does not take.
pub(super) fn check(file: &DeTable<'_>) -> Result<(), WrongKey> {
    let mut wrong = Vec::new();
    walk(file, &TOP, "the file", &mut wrong);
    wrong.into_iter().min_by_key(|one| one.span.start).map_or(Ok(()), Err)
}

fn walk(table: &DeTable<'_>, shape: &'static Shape, place: &str, wrong: &mut Vec<WrongKey>) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        let Some((_, inner)) = shape.keys.iter().find(|(known, _)| *known == name) else {
            wrong.push(WrongKey { span: key.span(), why: unknown(name, shape, place) });
            continue;
        };
        if let Some((first, _)) =
            shape.apart.iter().find(|(first, second)| *second == name && table.contains_key(*first))
        {
            let why = format!("`{name}` cannot stand beside `{first}` in {place}; remove one of them");
            wrong.push(WrongKey { span: key.span(), why });
        }
        within(value.get_ref(), inner, name, wrong);
    }
}

fn within(value: &DeValue<'_>, inner: &Inner, key: &str, wrong: &mut Vec<WrongKey>) {
    match value {
        DeValue::Array(items) => {
            for item in items {
                within(item.get_ref(), inner, key, wrong);
            }
        }
        DeValue::Table(table) => match inner {
            // Where a plain value is wanted, serde says so.
            Value => {}
            Of(shape) => walk(table, shape, &format!("`{key}`"), wrong),
            Kinds(kinds) => {
                let kind = table.get("kind").and_then(|kind| match kind.get_ref() {
                    DeValue::String(text) => Some(text.as_ref()),
                    _ => None,
                });
                // A missing or unknown kind is told by serde.
                if let Some((kind, shape)) = kinds.iter().find(|(known, _)| Some(*known) == kind) {
                    walk(table, shape, &format!("`{key}` of kind `{kind}`"), wrong);
                }
            }
        },
        _ => {}
    }
}

fn unknown(name: &str, shape: &'static Shape, place: &str) -> String {
    let shown: String =
        name.chars().take(80).map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect();
    let mut why = format!("unknown key `{shown}` in {place}");
    let known = shape.keys.iter().map(|(known, _)| *known);
    // Writing into a text cannot fail.
    let _ = match nearest(name, known.clone()) {
        Some(near) => write!(why, "; did you mean `{near}`?"),
        None => {
            write!(why, "; it takes {}", known.map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "))
        }
    };
    why
}

/// The candidate that `given` was most likely meant to be: at most one edit in three characters away.
pub(super) fn nearest<'c>(given: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let given: Vec<char> = given.chars().take(64).collect();
    let allowed = (given.len() / 3).max(1);
    candidates
        .filter(|candidate| candidate.len() <= 64)
        .map(|candidate| (edits(&given, candidate), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, changes and swaps of neighbours that turn one text into the other (optimal string
/// alignment); quadratic in at most 64 characters.
fn edits(given: &[char], other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous: Option<char> = None;
    for (row, a) in given.iter().enumerate() {
        let mut this = Vec::with_capacity(other.len() + 1);
        this.push(row + 1);
        for (column, b) in other.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&last, column) + usize::from(a != b))
                .min(at(&last, column + 1) + 1)
                .min(at(&this, column) + 1);
            let swapped = column > 0 && previous == Some(*b) && other.get(column - 1) == Some(a);
            if swapped {
                cost = cost.min(at(&before, column - 1) + 1);
            }
            this.push(cost);
        }
        before = std::mem::replace(&mut last, this);
        previous = Some(*a);
    }
    last.last().copied().unwrap_or(0)
}
