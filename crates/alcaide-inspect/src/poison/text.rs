//! What a single text of a definition says to whoever obeys it.
//!
//! Searched is the loose form, in which look-alikes and invisible characters are undone, and what the text hides by
//! encoding. A rule is a row of words that stand in this order with few others between them.

use alcaide_finding::Severity;

use crate::normal::{Value, decodings, loose, values};

/// Most bytes of a text that are searched.
const TEXT_BYTES_MAX: usize = 32 << 10;
/// Most bytes that are decoded of a text.
const DECODED_BYTES_MAX: usize = 32 << 10;

type Found = (&'static str, Severity, &'static str);

/// What is found in a text: rule, severity, reason.
pub(super) fn search(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let text = if text.len() > TEXT_BYTES_MAX {
        found.push(("unsearched", Severity::Warning, "it is longer than what is searched of a text"));
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.get(..end).unwrap_or_default()
    } else {
        text
    };
    let folded = loose(text);
    let signs = folded.signs;
    if signs.tags > 0 || signs.bidi > 0 || signs.invisible > 0 {
        let why = "it holds characters that no screen shows, and a model reads them";
        found.push(("hidden-characters", Severity::Grave, why));
    }
    if signs.mixed > 0 || signs.confusable > 0 {
        found.push((
            "look-alike-letters",
            Severity::Warning,
            "letters of one script pass for those of another",
        ));
    }
    if signs.styled > 0 {
        found.push(("styled-letters", Severity::Note, "letters are dressed so that a search passes them by"));
    }
    found.extend(told(&folded.text));
    let decoded = decodings(text, DECODED_BYTES_MAX);
    for hidden in &decoded.texts {
        let hidden = loose(hidden).text;
        let orders = told(&hidden);
        if orders.iter().any(|(rule, severity, _)| {
            *severity == Severity::Grave && !found.iter().any(|(known, ..)| known == rule)
        }) {
            found.push(("encoded-text", Severity::Grave, "it hides orders by encoding them"));
        } else if hidden.split_whitespace().count() > ENCODED_WORDS
            && !folded.text.contains(hidden.trim())
            && is_apart(&hidden, &folded.text)
        {
            found.push(("encoded-text", Severity::Warning, "it hides a text by encoding it"));
        }
    }
    if decoded.cut {
        found.push(("unsearched", Severity::Warning, "it hides more than is decoded of a text"));
    }
    found.dedup();
    found
}

/// Whether a text steers whoever reads it: it says what must be done, and when.
pub(super) fn steers(text: &str) -> bool {
    let folded = loose(text).text;
    let words = words(&folded);
    STEERS.iter().any(|row| stands(&words, row))
}

/// What a text in its loose form says.
fn told(folded: &str) -> Vec<Found> {
    let words = words(folded);
    let mut found: Vec<Found> = Vec::new();
    for (rule, severity, why, rows) in RULES {
        if rows.iter().any(|row| stands(&words, row)) {
            found.push((rule, *severity, why));
        }
    }
    if TAGS.iter().any(|tag| folded.contains(tag)) {
        found.push((
            "orders-in-tags",
            Severity::Grave,
            "it dresses a part of itself as the system's or as an order to the model",
        ));
    }
    let opens = words.iter().any(|word| OPENS.contains(word));
    if opens && words.iter().any(|word| is_secret_place(word)) {
        found.push((
            "reads-secrets",
            Severity::Grave,
            "it names a place where keys are kept, and what to do with it",
        ));
    }
    let sends = [&[SENDS, ALL][..], &[ALL, SENDS], &[ALWAYS, SENDS]];
    if sends.iter().any(|row| stands(&words, row))
        && values(folded).iter().any(|found| matches!(found.value, Value::Email(_) | Value::Url(_)))
    {
        found.push(("sends-elsewhere", Severity::Grave, "it wants things sent to an address that it names"));
    }
    found
}

/// The words of a text in its loose form; what stands within a path or a name stays together.
fn words(folded: &str) -> Vec<&str> {
    let edge = |one: char| !(one.is_alphanumeric() || matches!(one, '/' | '~' | '.' | '_'));
    folded
        .split(|one: char| one.is_whitespace() || matches!(one, ',' | ';' | ':' | '(' | ')' | '`' | '"'))
        .map(|word| word.trim_matches(edge).trim_end_matches('.'))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether the words of a row stand in this order, with at most [`BETWEEN`] others between each two.
fn stands(words: &[&str], row: &[&[&str]]) -> bool {
    let Some((first, rest)) = row.split_first() else { return true };
    let starts = words.iter().enumerate().filter(|(_, word)| first.contains(*word));
    starts.take(STARTS_MAX).any(|(at, _)| {
        let mut at = at;
        rest.iter().all(|wanted| {
            let from = at.saturating_add(1);
            let near = words
                .iter()
                .skip(from)
                .take(BETWEEN.saturating_add(1))
                .position(|word| wanted.contains(word));
            near.inspect(|step| at = from.saturating_add(*step)).is_some()
        })
    })
}

fn is_secret_place(word: &str) -> bool {
    const PARTS: &[&str] = &[
        ".ssh",
        "id_rsa",
        "id_ed25519",
        "/etc/passwd",
        "/etc/shadow",
        ".aws/",
        ".netrc",
        ".npmrc",
        "mcp.json",
        ".kube/",
    ];
    PARTS.iter().any(|part| word.contains(part)) || word.ends_with(".env") || word.ends_with(".pem")
}

/// A text that an escape was undone in is not another text.
fn is_apart(hidden: &str, folded: &str) -> bool {
    let known: std::collections::HashSet<&str> = folded.split_whitespace().collect();
    let (mut all, mut new) = (0_usize, 0_usize);
    for word in hidden.split_whitespace() {
        all = all.saturating_add(1);
        new = new.saturating_add(usize::from(!known.contains(word)));
    }
    new.saturating_mul(2) > all
}

/// Other words between two of a row.
const BETWEEN: usize = 4;
/// Places where a row may begin that are looked at.
const STARTS_MAX: usize = 256;
/// A decoded text of so few words is an example of an id or a path.
const ENCODED_WORDS: usize = 3;

type Row = &'static [&'static [&'static str]];

const NOT: &[&str] = &["not", "never", "don't", "dont", "don’t", "without", "avoid"];
const USER: &[&str] = &[
    "user", "users", "user's", "human", "humans", "person", "people", "anyone", "anybody", "customer", "them",
];
const MUST: &[&str] =
    &["must", "shall", "always", "required", "mandatory", "important", "first", "never", "instead"];
const USING: &[&str] = &[
    "use",
    "using",
    "call",
    "calling",
    "invoke",
    "invoking",
    "run",
    "running",
    "executing",
    "any",
    "each",
    "every",
];
const SENDS: &[&str] =
    &["send", "forward", "bcc", "redirect", "route", "upload", "post", "copy", "transmit", "deliver"];
const ALL: &[&str] = &["all", "every", "each", "any"];
const ALWAYS: &[&str] = &["always", "must", "also"];
const OPENS: &[&str] = &[
    "read", "open", "load", "access", "include", "pass", "provide", "put", "attach", "paste", "copy", "send",
    "fetch", "cat", "submit",
];
const GIVES: &[&str] = &[
    "include",
    "pass",
    "provide",
    "put",
    "attach",
    "paste",
    "copy",
    "send",
    "write",
    "insert",
    "add",
    "submit",
    "give",
    "contain",
    "contains",
    "fill",
    "summarise",
    "summarize",
];
const OF_TALK: &[&str] = &["conversation", "chat", "dialogue", "transcript", "history"];

const STEERS: &[Row] = &[
    &[MUST, USING],
    &[&["before", "after"], USING],
    &[&["instead", "rather"], &["of", "than"]],
    &[USING, MUST],
];

const RULES: &[(&str, Severity, &str, &[Row])] = &[
    (
        "secrecy",
        Severity::Grave,
        "it wants something kept from the user",
        &[
            &[
                NOT,
                &[
                    "tell",
                    "telling",
                    "mention",
                    "mentioning",
                    "inform",
                    "informing",
                    "notify",
                    "notifying",
                    "reveal",
                    "revealing",
                    "disclose",
                    "disclosing",
                    "alert",
                    "alerting",
                ],
                USER,
            ],
            &[&["without"], &["asking", "consent", "approval", "confirmation", "knowledge"], USER],
            &[&["without"], USER, &["knowing", "noticing", "consent", "knowledge", "approval"]],
            &[
                USER,
                &["must", "should", "may", "need", "does", "do"],
                &["not", "never"],
                &["know", "see", "notice", "learn"],
            ],
            &[&["keep"], &["this", "it", "that"], &["secret", "hidden", "quiet"]],
            &[&["hide", "conceal"], &["from"], USER],
            &[NOT, &["tell", "mention", "reveal", "disclose"], &["this", "it", "that", "these"]],
        ],
    ),
    (
        "overrides",
        Severity::Grave,
        "it wants earlier instructions set aside",
        &[&[
            &["ignore", "disregard", "forget", "override", "bypass", "supersede", "supersedes", "overrides"],
            &["previous", "prior", "above", "earlier", "all", "other", "your", "any", "system", "existing"],
            &[
                "instruction",
                "instructions",
                "prompt",
                "prompts",
                "rule",
                "rules",
                "guideline",
                "guidelines",
                "directions",
                "policies",
            ],
        ]],
    ),
    (
        "goes-first",
        Severity::Grave,
        "it wants to be obeyed before or in place of any other tool",
        &[
            &[
                &["before", "prior"],
                USING,
                &["other", "another"],
                &["tool", "tools", "function", "functions"],
            ],
            &[&["instead"], &["of"], &["any", "all", "every"], &["other"], &["tool", "tools"]],
            &[
                &["before", "prior"],
                &["any", "every", "each", "all"],
                &["other"],
                &["tool", "tools", "action", "actions", "step", "request"],
            ],
        ],
    ),
    (
        "asks-for-conversation",
        Severity::Grave,
        "it wants what the model was told or has said",
        &[
            &[GIVES, &["whole", "entire", "full", "complete", "all", "previous", "prior"], OF_TALK],
            &[GIVES, &["system"], &["prompt", "message", "instructions"]],
            &[OF_TALK, &["history", "log", "transcript", "so"], GIVES],
            &[GIVES, &["previous", "prior", "earlier", "all"], &["messages", "prompts", "instructions"]],
        ],
    ),
    (
        "speaks-to-the-model",
        Severity::Warning,
        "it gives the model orders instead of saying what the tool does",
        &[
            &[&["assistant", "agent", "model", "ai", "llm"], &["must", "shall", "should", "has", "needs"]],
            &[
                &["you"],
                &["must", "shall", "are"],
                &["always", "never", "first", "required", "also", "call", "read", "send", "include"],
            ],
            &[&["before"], &["each", "every", "any"], &["use", "call", "request", "invocation"]],
            &[&["always"], &["use", "call", "prefer", "choose"], &["this"], &["tool", "function", "instead"]],
            &[&["do", "does"], &["not"], &["ask", "asking", "confirm"], USER],
        ],
    ),
];

const TAGS: &[&str] = &[
    "<important",
    "</important",
    "<system",
    "</system",
    "<instruction",
    "</instruction",
    "<secret",
    "<assistant",
    "<hidden",
    "<|im_start",
    "<|system",
    "[inst]",
    "[system]",
    "<<sys>>",
];
