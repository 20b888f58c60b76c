//! What calling a tool does, by its name; what else is said may only make it graver.

use alcaide_inventory::fact::Effect;

use super::words::{tokens, verb};
use super::{Read, Reason};
use crate::definition::Definition;

/// What is guessed of a tool from its name.
pub(super) fn guess(said: &Definition, reasons: &mut Vec<Reason>) -> Read {
    let words = tokens(&said.name);
    let mut found = by_name(&words);
    let mut because = found
        .as_ref()
        .map(|(word, effect)| format!("`{word}` in its name is a word for what is {}", effect.as_str()));
    let description = said.description.as_deref().unwrap_or_default();
    // The first word of what a tool says of itself is its verb, by custom.
    let first = tokens(description).into_iter().next();
    let told = first.as_deref().and_then(verb).filter(|told| !told.noun || found.is_none());
    if let (Some(word), Some(told)) = (first, told)
        && found.as_ref().is_none_or(|(_, effect)| told.effect > *effect)
    {
        because = Some(format!(
            "its description begins with `{word}`, a word for what is {}",
            told.effect.as_str()
        ));
        found = Some((word, told.effect));
    }
    let known = found.is_some();
    let (act, mut effect) = found.unwrap_or((String::new(), Effect::Credential));
    let mut because = because.unwrap_or_else(|| {
        "no word of its name or its description says what it does, so it is the gravest".into()
    });
    let nouns: Vec<String> =
        words.iter().filter(|word| **word != act && !IDLE.contains(&word.as_str())).cloned().collect();
    let about = |wanted: &[&str]| nouns.iter().find(|noun| wanted.contains(&noun.as_str()));
    let mut raise = |to: Effect, why: String| {
        if to > effect {
            effect = to;
            because = why;
        }
    };
    let writes = known && verb(&act).is_none_or(|verb| verb.effect.is_consequential());
    if let Some(noun) = about(SECRETS) {
        raise(Effect::Credential, format!("it has to do with `{noun}`, which gives access"));
    }
    if writes {
        if let Some(noun) = about(MONEY) {
            raise(Effect::Money, format!("`{act}` with `{noun}` moves money or commits to"));
        }
        if let Some(noun) = about(RIGHTS) {
            raise(
                Effect::Credential,
                format!("`{act}` with `{noun}` changes who may do what, or who somebody is"),
            );
        }
        let person = words.iter().position(|word| word == "user" || word == "member");
        let informed = person.is_some_and(|at| {
            let next = words.get(at.saturating_add(1)).map(String::as_str);
            next.is_none_or(|next| IDENTITY.contains(&next)) && MAKES_USERS.contains(&act.as_str())
        });
        if informed {
            raise(Effect::Credential, format!("`{act}` with a user changes who somebody is"));
        }
    }
    let hint = |name: &str| said.annotations.as_ref().and_then(|hints| hints.get(name)?.as_bool());
    if hint("readOnlyHint") == Some(false) {
        raise(Effect::Internal, "its server says that it does not only read".into());
    }
    if hint("destructiveHint") == Some(true)
        && hint("readOnlyHint") != Some(true)
        && effect == Effect::Internal
    {
        effect = Effect::Destructive;
        because = "its server says that it destroys".into();
    }
    reasons.push(Reason::new("effect", because));
    Read {
        looks: known && verb(&act).is_none_or(|verb| verb.effect == Effect::Read),
        act,
        effect,
        nouns,
        known,
        fetches: false,
        description: description.to_lowercase(),
    }
}

/// The verb of a name, and what it does: of several that are joined by *and*, the gravest.
fn by_name(words: &[String]) -> Option<(String, Effect)> {
    let two: Vec<&str> = words.iter().take(2).map(String::as_str).collect();
    match two.as_slice() {
        ["check", "out" | "in"] => return Some(("checkout".into(), Effect::Money)),
        ["log" | "sign", "in" | "out" | "up"] => return Some(("login".into(), Effect::Credential)),
        ["set", "up"] => return Some(("create".into(), Effect::Internal)),
        _ => {}
    }
    let parts = words.split(|word| ["and", "or", "then"].contains(&word.as_str()));
    let found = parts.filter_map(|part| {
        let verbs = || part.iter().filter_map(|word| Some((word, verb(word)?)));
        let first = part.first().and_then(|word| Some((word, verb(word)?)));
        let plain = || verbs().find(|(_, verb)| !verb.noun);
        // A name ends with a thing: where a verb is before it, its last word is none.
        let before = part.len().saturating_sub(1);
        let earlier = || verbs().filter(|(word, _)| part.iter().take(before).any(|one| one == *word));
        let gravest = || earlier().max_by_key(|(_, verb)| verb.effect);
        first.or_else(plain).or_else(gravest).or_else(|| verbs().next())
    });
    let (word, verb) = found.max_by_key(|(_, verb)| verb.effect)?;
    Some((word.clone(), verb.effect))
}

/// Whether a name has a verb by itself.
#[cfg(test)]
pub(super) fn known_by_name(name: &str) -> bool {
    by_name(&tokens(name)).is_some()
}

/// Words that say nothing of what a tool is about.
const IDLE: &[&str] = &[
    "a",
    "all",
    "an",
    "and",
    "at",
    "by",
    "current",
    "for",
    "from",
    "in",
    "latest",
    "most",
    "my",
    "new",
    "of",
    "on",
    "or",
    "recent",
    "scheduled",
    "the",
    "then",
    "to",
    "with",
    "tool",
    "by",
];
const MONEY: &[&str] = &[
    "bank",
    "beneficiary",
    "bill",
    "billing",
    "budget",
    "card",
    "charge",
    "fund",
    "funding",
    "invoice",
    "money",
    "order",
    "payee",
    "payment",
    "payout",
    "purchase",
    "refund",
    "salary",
    "subscription",
    "transaction",
    "transfer",
    "wallet",
];
/// What opens something: also who only reads it has it.
const SECRETS: &[&str] = &[
    "password",
    "passphrase",
    "secret",
    "credential",
    "apikey",
    "keypair",
    "mfa",
    "otp",
    "passcode",
    "pin_code",
];
const RIGHTS: &[&str] = &[
    "access",
    "account",
    "acl",
    "admin",
    "certificate",
    "identity",
    "key",
    "passport",
    "permission",
    "policy",
    "privilege",
    "profile",
    "role",
    "token",
];
const IDENTITY: &[&str] =
    &["info", "information", "detail", "data", "name", "email", "address", "profile", "record"];
const MAKES_USERS: &[&str] = &[
    "create", "update", "set", "edit", "change", "modify", "reset", "enable", "disable", "delete", "adjust",
];
