//! Which arguments decide, which are texts, and which do no harm; where nothing says, they decide.

use alcaide_inventory::fact::{Cap, Effect, Facts};
use serde_json::Value;

use super::words::tokens;
use super::{Read, Reason};
use crate::definition::Definition;

/// The most that an amount may be without a word of the user, in whole units of money: what a small mistake costs.
const CAP: i64 = 100;
/// Calls of one task that may move money.
const CALLS: u32 = 5;

/// What an argument is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// It decides what happens and to whom; the text says why.
    Control(&'static str),
    /// It carries free text.
    Text,
    /// A number that moves money.
    Amount,
    /// It makes a call the same as an earlier one.
    Idempotency,
    /// It does no harm whatever it says.
    Harmless(&'static str),
}

/// Fills in what holds of the arguments, and returns the effect that they make of the name's.
pub(super) fn fill(said: &Definition, read: &mut Read, facts: &mut Facts, reasons: &mut Vec<Reason>) {
    let properties = said.input_schema.as_ref().and_then(|schema| schema.get("properties"));
    let required =
        said.input_schema.as_ref().and_then(|schema| schema.get("required")).and_then(Value::as_array);
    let mut all: Vec<(&str, &Value)> = properties
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, one)| (name.as_str(), one))
        .collect();
    all.sort_by_key(|(name, _)| *name);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let reaches: Vec<&str> =
        all.iter().filter(|(name, one)| reaches_somebody(name, one)).map(|(name, _)| *name).collect();
    if let Some((effect, why)) = graver(&all, &reaches, is_required, read) {
        read.effect = effect;
        reasons.push(Reason::new("effect", why));
    }
    for (name, one) in &all {
        let role = role(name, one, read);
        let why = match &role {
            Role::Control(why) => {
                facts.control.push((*name).into());
                format!("decides: {why}")
            }
            Role::Text => {
                // What is looked for within the house goes nowhere.
                if read.effect.is_consequential() {
                    facts.free_text.push((*name).into());
                }
                if read.effect == Effect::Internal {
                    "is free text, by its name; `takes_handles` may name it where agents need not read what goes there"
                        .into()
                } else {
                    "is free text, by its name".into()
                }
            }
            Role::Amount => {
                let minor = has_word(name, &["cent", "penny", "minor"]);
                let most = if minor { CAP.saturating_mul(100) } else { CAP };
                facts.caps.push(Cap { argument: (*name).into(), most });
                // A cap that many calls can share is none.
                facts.calls_max = Some(CALLS);
                format!(
                    "is an amount: past {most}, or {CALLS} calls of a task, a person is asked, unless the user named it"
                )
            }
            Role::Idempotency => {
                facts.idempotency_key = Some((*name).into());
                "is an idempotency key by its name and its description: check that its server honours it"
                    .into()
            }
            Role::Harmless(why) => format!("decides nothing: {why}"),
        };
        reasons.push(Reason::new(name, why));
    }
    if !read.known {
        // What it does is not known, so what it is given may leave by any argument.
        facts.outbound_if = all.iter().map(|(name, _)| (*name).to_owned()).collect();
    } else if matches!(read.effect, Effect::Internal | Effect::Destructive | Effect::Credential) {
        for name in &reaches {
            facts.outbound_if.push((*name).into());
            reasons.push(Reason::new(name, "where it is given, the call reaches whom it names".into()));
        }
    }
    if read.effect == Effect::Outbound && read.fetches {
        let harmless = |name: &&(&str, &Value)| !facts.control.iter().any(|known| known == name.0);
        facts.fetch =
            all.iter().filter(harmless).all(|(name, one)| matches!(role(name, one, read), Role::Harmless(_)));
        if facts.fetch {
            reasons.push(Reason::new("fetch", "nothing but what its arguments name leaves".into()));
        }
    }
}

/// The effect that the arguments make graver than the name does, and why.
fn graver(
    all: &[(&str, &Value)],
    reaches: &[&str],
    is_required: impl Fn(&str) -> bool,
    read: &mut Read,
) -> Option<(Effect, String)> {
    let has = |words: &[&str]| all.iter().find(|(name, _)| has_word(name, words)).map(|(name, _)| *name);
    if let Some(name) = has(CODE).filter(|_| read.effect < Effect::Credential) {
        return Some((Effect::Credential, format!("`{name}` is a program, and a program can do anything")));
    }
    if read.effect == Effect::Internal {
        let name = reaches.iter().find(|name| is_required(name))?;
        return Some((Effect::Outbound, format!("`{name}` must be given, and names whom the call reaches")));
    }
    if read.effect != Effect::Read {
        return None;
    }
    if let Some(name) = has(&["sql", "statement", "mutation"]) {
        return Some((Effect::Destructive, format!("`{name}` can be a statement that changes data")));
    }
    if let Some((name, _)) = all.iter().find(|(name, one)| has_word(name, PLACES) || is_address(one)) {
        read.fetches = true;
        return Some((
            Effect::Outbound,
            format!("`{name}` names a place, and reading it tells that place so"),
        ));
    }
    // A name can be wrong: who is given a message and somebody to get it sends it.
    let message = has(&["body", "content", "message", "subject"]);
    if let (Some(name), Some(whom)) = (message, reaches.first()) {
        return Some((Effect::Outbound, format!("`{name}` is a message, and `{whom}` names who gets it")));
    }
    let web = read.nouns.iter().any(|noun| WEB.contains(&noun.as_str()));
    web.then(|| (Effect::Outbound, "what is looked for on the net is told to whoever serves it".into()))
}

/// Whether an argument names somebody whom the call reaches.
fn reaches_somebody(name: &str, schema: &Value) -> bool {
    let words = tokens(name);
    let whole = words.iter().any(|word| REACHED.contains(&word.as_str()));
    whole || words.as_slice() == ["to"] || is_format(schema, &["email", "idn-email"])
}

/// What an argument is for, by its name, its type and what the tool does.
pub(super) fn role(name: &str, schema: &Value, read: &Read) -> Role {
    let words = tokens(name);
    let any = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let last = |known: &[&str]| words.last().is_some_and(|word| known.contains(&word.as_str()));
    let whole = |known: &[&str]| known.contains(&words.join("_").as_str());
    let is = |wanted: &str| has_type(schema, wanted);
    let updates = ["update", "change", "edit", "modify", "adjust", "set"].contains(&read.act.as_str());
    let shifts = ["reschedule", "move", "postpone"].contains(&read.act.as_str());
    let creates =
        ["create", "make", "add", "new", "draft", "generate", "schedule"].contains(&read.act.as_str());
    let numeric = is("integer") || is("number");
    if find(schema, "const").is_some() {
        return Role::Harmless("its schema fixes what it says");
    }
    if whole(&["idempotency_key", "idempotency_token", "idempotence_key"])
        || whole(&["request_id", "client_token"]) && speaks_of_twice(schema, read)
    {
        return Role::Idempotency;
    }
    if is_address(schema) || is_format(schema, &["uuid"]) {
        return Role::Control("its format is that of an address or an id");
    }
    if whole(PAGES) || last(&["limit", "offset", "cursor"]) && !any(AMOUNTS) {
        return Role::Harmless("it says how much is shown and how");
    }
    if any(AMOUNTS) && (numeric || is("string")) && read.effect == Effect::Money {
        return if updates { Role::Control("it changes how much is moved") } else { Role::Amount };
    }
    if is("boolean") {
        return if any(WIDENS) {
            Role::Control("it widens what is done or who may see it")
        } else {
            Role::Harmless("it is a yes or no that widens nothing")
        };
    }
    let moment = any(MOMENTS)
        || last(&["at", "on"]) && words.len() > 1
        || is_format(schema, &["date", "date-time", "time"]);
    if moment && !any(WHERE) {
        return if shifts {
            Role::Control("it says when what is moved takes place")
        } else {
            Role::Harmless("it is a time")
        };
    }
    if any(RECIPIENTS) || words.as_slice() == ["to"] || reaches_somebody(name, schema) {
        return Role::Control("it names whom the call reaches");
    }
    if last(&["id"]) || any(WHICH) {
        return Role::Control("it names which thing is meant");
    }
    if any(WHERE) {
        return Role::Control("it names a place");
    }
    if any(POWERS) || any(WIDENS) {
        return Role::Control("it decides who may do what");
    }
    if last(NAMES) {
        let own = creates && matches!(read.effect, Effect::Internal | Effect::Outbound);
        return match (own, last(&["filename", "name"]), read.effect) {
            (true, ..) => Role::Text,
            (_, _, Effect::Read) => Role::Harmless("it says what is looked for"),
            _ => Role::Control("it names which thing is meant"),
        };
    }
    if last(TEXTS) || creates && last(&["location"]) {
        return Role::Text;
    }
    if any(HARMLESS) {
        return Role::Harmless("it is about the form, not about what happens");
    }
    if !read.effect.is_consequential() {
        return Role::Harmless("a reading tool only looks for it");
    }
    Role::Control("nothing says that it does not")
}

/// A server's own word is believed only where a wrong word costs nothing but a second try that its name asks for.
fn speaks_of_twice(schema: &Value, read: &Read) -> bool {
    let said = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let told =
        |text: &str| ["idempoten", "twice", "second call", "retr"].iter().any(|word| text.contains(word));
    told(&said.to_lowercase()) || told(&read.description)
}

fn has_word(name: &str, known: &[&str]) -> bool {
    tokens(name).iter().any(|word| known.contains(&word.as_str()))
}

/// A keyword of a schema, also of what it may be besides `null`.
fn find<'s>(schema: &'s Value, keyword: &str) -> Option<&'s Value> {
    let any = |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten();
    let inner = || {
        any("anyOf")
            .chain(any("oneOf"))
            .find_map(|one| one.get(keyword).or_else(|| one.get("items")?.get(keyword)))
    };
    let items = || schema.get("items").and_then(|items| items.get(keyword));
    schema.get(keyword).or_else(items).or_else(inner)
}

fn has_type(schema: &Value, wanted: &str) -> bool {
    let any = |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten();
    let is = |one: &Value| match one.get("type") {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Array(all)) => {
            all.iter().any(|text| text == wanted) && all.iter().all(|text| text == wanted || text == "null")
        }
        _ => false,
    };
    is(schema) || {
        let mut all = any("anyOf")
            .chain(any("oneOf"))
            .filter(|one| one.get("type").is_none_or(|kind| kind != "null"))
            .peekable();
        all.peek().is_some() && all.all(is)
    }
}

fn is_format(schema: &Value, known: &[&str]) -> bool {
    find(schema, "format").and_then(Value::as_str).is_some_and(|format| known.contains(&format))
}

fn is_address(schema: &Value) -> bool {
    const FORMATS: &[&str] = &[
        "email",
        "hostname",
        "idn-email",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "iri",
        "iri-reference",
        "uri",
        "uri-reference",
        "uri-template",
        "url",
    ];
    is_format(schema, FORMATS)
}

/// Whom a call reaches.
const REACHED: &[&str] = &[
    "assignee",
    "attendee",
    "audience",
    "bcc",
    "cc",
    "channel",
    "collaborator",
    "contact",
    "email",
    "guest",
    "invitee",
    "member",
    "mobile",
    "participant",
    "phone",
    "receiver",
    "recipient",
    "reviewer",
    "room",
    "subscriber",
    "telephone",
    "user",
    "username",
    "webhook",
    "whom",
];
const RECIPIENTS: &[&str] =
    &["account", "beneficiary", "bic", "handle", "iban", "payee", "person", "swift", "who"];
/// Which thing.
const WHICH: &[&str] = &[
    "attachment",
    "branch",
    "calendar",
    "company",
    "contract",
    "database",
    "document",
    "event",
    "file",
    "flight",
    "folder",
    "group",
    "hotel",
    "index",
    "invoice",
    "issue",
    "item",
    "key",
    "mailbox",
    "order",
    "organisation",
    "organization",
    "owner",
    "product",
    "project",
    "repo",
    "repository",
    "resource",
    "restaurant",
    "server",
    "service",
    "sku",
    "status",
    "table",
    "target",
    "team",
    "tenant",
    "thread",
    "ticket",
    "transaction",
    "uuid",
    "vendor",
    "workspace",
];
/// Where.
const WHERE: &[&str] = &[
    "address",
    "bucket",
    "city",
    "country",
    "dest",
    "destination",
    "dir",
    "directory",
    "domain",
    "drive",
    "endpoint",
    "host",
    "hostname",
    "ip",
    "link",
    "path",
    "port",
    "postcode",
    "region",
    "source",
    "street",
    "uri",
    "url",
    "webpage",
    "website",
    "zip",
];
/// Places on the net.
const PLACES: &[&str] =
    &["domain", "endpoint", "host", "hostname", "href", "link", "uri", "url", "webpage", "website"];
const WEB: &[&str] = &["internet", "online", "web"];
/// Who may do what.
const POWERS: &[&str] = &[
    "access",
    "credential",
    "level",
    "passphrase",
    "password",
    "permission",
    "pin",
    "policy",
    "privacy",
    "privilege",
    "right",
    "role",
    "scope",
    "secret",
    "token",
    "visibility",
];
/// Flags and choices that widen.
const WIDENS: &[&str] = &[
    "admin",
    "allow",
    "anonymous",
    "anyone",
    "approve",
    "confirm",
    "enable",
    "everyone",
    "external",
    "force",
    "grant",
    "overwrite",
    "permanent",
    "public",
    "publish",
    "recursive",
    "share",
];
const CODE: &[&str] = &["cmd", "code", "command", "script", "shell"];
/// How much.
const AMOUNTS: &[&str] = &[
    "amount", "bid", "budget", "cent", "cost", "fee", "fund", "money", "payment", "price", "qty", "quantity",
    "share", "sum", "total", "value",
];
/// When.
const MOMENTS: &[&str] = &[
    "date",
    "datetime",
    "day",
    "deadline",
    "due",
    "duration",
    "end",
    "hour",
    "minute",
    "month",
    "start",
    "time",
    "timestamp",
    "until",
    "week",
    "weekday",
    "when",
    "year",
];
/// How a list is shown.
const PAGES: &[&str] = &[
    "ascending",
    "count",
    "cursor",
    "descending",
    "limit",
    "max",
    "max_item",
    "max_result",
    "n",
    "num_result",
    "offset",
    "order_by",
    "page",
    "page_number",
    "page_size",
    "page_token",
    "per_page",
    "size",
    "skip",
    "sort",
    "sort_by",
    "top",
    "top_k",
];
const NAMES: &[&str] = &["name", "filename", "surname", "firstname", "lastname"];
const TEXTS: &[&str] = &[
    "agenda",
    "answer",
    "bio",
    "body",
    "caption",
    "comment",
    "content",
    "description",
    "detail",
    "html",
    "keyword",
    "label",
    "line",
    "markdown",
    "memo",
    "message",
    "motive",
    "note",
    "paragraph",
    "prompt",
    "query",
    "question",
    "reason",
    "reference",
    "remark",
    "reply",
    "sentence",
    "subject",
    "summary",
    "tag",
    "text",
    "title",
    "topic",
];
const HARMLESS: &[&str] = &[
    "color",
    "colour",
    "currency",
    "encoding",
    "font",
    "format",
    "icon",
    "importance",
    "lang",
    "language",
    "locale",
    "priority",
    "timezone",
    "unit",
];
