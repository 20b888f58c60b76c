//! The words of names: how they are told apart, and what the usual ones mean.

use alcaide_inventory::fact::Effect;

/// The words of a name or the first words of a text, small and in the singular: `getUserInfos` is `get`, `user`, `info`.
pub(super) fn tokens(name: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().take(CHARS_MAX).collect();
    for (at, one) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(at.saturating_add(1));
        let small = |one: Option<&char>| one.is_some_and(|one| one.is_lowercase());
        // A hump, and the last letter of an abbreviation before a word: `HTTPPage`.
        let hump = one.is_uppercase()
            && (small(before) || before.is_some_and(|one| one.is_uppercase()) && small(after));
        if hump || !one.is_alphanumeric() {
            all.extend(finished(&mut word));
        }
        if one.is_alphanumeric() {
            word.extend(one.to_lowercase());
        }
    }
    all.extend(finished(&mut word));
    all
}

fn finished(word: &mut String) -> Option<String> {
    let word = std::mem::take(word);
    (!word.is_empty()).then(|| singular(&word))
}

/// The singular of a noun, and of a verb's third person the verb.
fn singular(word: &str) -> String {
    if word == "people" {
        return "person".into();
    }
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 2) {
        return format!("{stem}y");
    }
    let es = ["sses", "xes", "ches", "shes", "oes", "zzes"];
    if es.iter().any(|end| word.ends_with(end)) {
        return word.strip_suffix("es").unwrap_or(word).to_owned();
    }
    let kept = ["ss", "us", "is", "as"];
    match word.strip_suffix('s') {
        Some(stem) if stem.len() > 2 && !kept.iter().any(|end| word.ends_with(end)) => stem.to_owned(),
        _ => word.to_owned(),
    }
}

/// What a verb does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Verb {
    pub(super) effect: Effect,
    /// Whether the same word is often a noun (`message`, `order`), so that it decides only where it begins a name or no
    /// other verb is there.
    pub(super) noun: bool,
}

/// The verb that a word is.
pub(super) fn verb(word: &str) -> Option<Verb> {
    let of = |effect| Some(Verb { effect, noun: NOUNS_TOO.contains(&word) });
    VERBS.iter().find(|(_, words)| words.contains(&word)).and_then(|(effect, _)| of(*effect))
}

/// How people ask for what a verb does.
pub(super) fn asked(verb: &str) -> Vec<&str> {
    let group = ASKED.iter().find(|group| group.contains(&verb));
    let mut all: Vec<&str> = vec![verb];
    all.extend(group.into_iter().flat_map(|group| group.iter().copied()));
    all
}

/// How people call a thing.
pub(super) fn called(noun: &str) -> Vec<&str> {
    let group = CALLED.iter().find(|group| group.contains(&noun));
    let mut all: Vec<&str> = vec![noun];
    all.extend(group.into_iter().flat_map(|group| group.iter().copied()));
    all
}

/// Most characters of a name that are looked at.
const CHARS_MAX: usize = 200;

const VERBS: [(Effect, &[&str]); 6] = [
    (
        Effect::Read,
        &[
            "access",
            "acquire",
            "determine",
            "discover",
            "display",
            "enumerate",
            "examine",
            "identify",
            "locate",
            "obtain",
            "print",
            "pull",
            "see",
            "watch",
            "analyse",
            "analyze",
            "browse",
            "calculate",
            "check",
            "compare",
            "compute",
            "count",
            "describe",
            "detect",
            "echo",
            "estimate",
            "explain",
            "fetch",
            "find",
            "get",
            "give",
            "has",
            "inspect",
            "is",
            "list",
            "load",
            "look",
            "lookup",
            "parse",
            "peek",
            "preview",
            "provide",
            "query",
            "read",
            "recommend",
            "retrieve",
            "return",
            "scan",
            "search",
            "show",
            "stat",
            "suggest",
            "summarise",
            "summarize",
            "tell",
            "translate",
            "validate",
            "verify",
            "view",
            "weigh",
        ],
    ),
    (
        Effect::Internal,
        &[
            "add",
            "arrange",
            "organise",
            "organize",
            "adjust",
            "annotate",
            "append",
            "archive",
            "assign",
            "attach",
            "change",
            "close",
            "complete",
            "copy",
            "create",
            "disable",
            "download",
            "draft",
            "duplicate",
            "edit",
            "enable",
            "finish",
            "generate",
            "insert",
            "label",
            "log",
            "make",
            "mark",
            "merge",
            "modify",
            "move",
            "note",
            "open",
            "pause",
            "pin",
            "plan",
            "postpone",
            "prepare",
            "record",
            "remember",
            "remind",
            "rename",
            "reopen",
            "reschedule",
            "restore",
            "resume",
            "schedule",
            "set",
            "snooze",
            "star",
            "start",
            "stop",
            "store",
            "tag",
            "toggle",
            "unarchive",
            "undo",
            "update",
        ],
    ),
    (
        Effect::Outbound,
        &[
            "alert",
            "compose",
            "deliver",
            "dispatch",
            "distribute",
            "relay",
            "transmit",
            "announce",
            "broadcast",
            "call",
            "chat",
            "click",
            "comment",
            "contact",
            "dm",
            "email",
            "export",
            "fill",
            "follow",
            "forward",
            "invite",
            "mail",
            "message",
            "navigate",
            "notify",
            "post",
            "press",
            "publish",
            "push",
            "react",
            "release",
            "reply",
            "request",
            "respond",
            "send",
            "share",
            "sms",
            "submit",
            "sync",
            "text",
            "tweet",
            "type",
            "upload",
            "visit",
        ],
    ),
    (
        Effect::Destructive,
        &[
            "deactivate",
            "detach",
            "dismiss",
            "evict",
            "expunge",
            "unlink",
            "ban",
            "block",
            "cancel",
            "clear",
            "delete",
            "destroy",
            "discard",
            "drop",
            "empty",
            "erase",
            "format",
            "kick",
            "kill",
            "overwrite",
            "prune",
            "purge",
            "put",
            "reject",
            "remove",
            "replace",
            "reset",
            "save",
            "terminate",
            "trash",
            "truncate",
            "uninstall",
            "unshare",
            "void",
            "wipe",
            "write",
        ],
    ),
    (
        Effect::Money,
        &[
            "borrow",
            "disburse",
            "exchange",
            "lend",
            "reimburse",
            "remit",
            "repay",
            "settle",
            "swap",
            "bid",
            "bill",
            "book",
            "buy",
            "charge",
            "checkout",
            "deposit",
            "donate",
            "hire",
            "invest",
            "order",
            "pay",
            "purchase",
            "refund",
            "rent",
            "reserve",
            "sell",
            "spend",
            "subscribe",
            "tip",
            "topup",
            "trade",
            "transfer",
            "wire",
            "withdraw",
        ],
    ),
    (
        Effect::Credential,
        &[
            "approve",
            "enroll",
            "lock",
            "onboard",
            "unlock",
            "whitelist",
            "authenticate",
            "authorise",
            "authorize",
            "command",
            "demote",
            "deploy",
            "elevate",
            "eval",
            "evaluate",
            "exec",
            "execute",
            "grant",
            "impersonate",
            "install",
            "invoke",
            "launch",
            "login",
            "promote",
            "register",
            "revoke",
            "rotate",
            "run",
            "script",
            "shell",
            "sign",
            "spawn",
            "sudo",
        ],
    ),
];

const NOUNS_TOO: &[&str] = &[
    "access", "display", "exchange", "lock", "print", "pull", "relay", "swap", "watch", "alert", "archive",
    "bid", "bill", "block", "book", "call", "change", "charge", "chat", "check", "command", "comment",
    "contact", "copy", "count", "deposit", "draft", "echo", "email", "estimate", "export", "format", "has",
    "is", "label", "list", "log", "look", "lookup", "mail", "mark", "message", "move", "note", "open",
    "order", "pin", "plan", "post", "preview", "press", "purchase", "push", "query", "record", "refund",
    "release", "rent", "reply", "request", "return", "run", "scan", "schedule", "script", "search", "set",
    "share", "shell", "sign", "sms", "star", "start", "stat", "stop", "store", "tag", "text", "tip", "trade",
    "transfer", "tweet", "type", "update", "view", "visit", "wire",
];

/// Verbs that people use for one another.
const ASKED: &[&[&str]] = &[
    &[
        "send", "write", "reply", "respond", "forward", "mail", "email", "message", "tell", "notify",
        "inform", "contact", "compose", "dispatch", "deliver", "transmit", "relay",
    ],
    &["invite", "add", "ask to join"],
    &["share", "give access", "send", "show"],
    &["post", "publish", "announce", "upload", "submit", "put up", "write"],
    &["create", "make", "add", "new", "set up", "put", "draft", "generate", "prepare", "write"],
    &["append", "insert", "attach", "add", "write"],
    &["update", "change", "modify", "edit", "adjust", "set", "correct", "fix"],
    &["schedule", "plan", "book", "arrange", "set up", "remind"],
    &["reschedule", "move", "postpone", "shift", "delay", "bring forward"],
    &["cancel", "call off", "delete", "remove"],
    &["delete", "remove", "erase", "purge", "trash", "discard", "clear", "drop", "get rid of"],
    &["write", "save", "store", "put", "replace", "overwrite", "create"],
    &["reserve", "book", "order", "buy", "purchase", "reservation", "booking"],
    &[
        "pay",
        "transfer",
        "remit",
        "settle",
        "reimburse",
        "repay",
        "wire",
        "refund",
        "send",
        "settle",
        "charge",
        "deposit",
        "withdraw",
    ],
    &[
        "get", "fetch", "read", "browse", "load", "open", "visit", "find", "search", "look", "check",
        "summari", "navigate",
    ],
    &["run", "execute", "exec", "eval", "start", "launch", "invoke"],
];

/// Nouns that people use for one another.
const CALLED: &[&[&str]] = &[
    &["event", "meeting", "appointment", "calendar"],
    &["file", "document"],
    &["email", "mail"],
    &["participant", "guest", "attendee", "invite"],
    &["money", "payment", "transaction", "invoice", "bill", "transfer", "refund", "pay"],
    &["webpage", "page", "website", "site", "link", "url"],
    &["message", "dm"],
    &["info", "information", "profile", "detail"],
];
