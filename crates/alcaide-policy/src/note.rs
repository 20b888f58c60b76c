//! Annotations of policies, read once at compile time. The list is closed: a misspelt annotation is a fault,
//! never silently nothing.

use std::sync::Arc;

use cedar_policy_core::fuzzy_match::fuzzy_search;

use crate::fault::Rule;
use crate::outcome::{Approver, Cap, Obligation};

/// What a policy's annotations say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) id: Option<Box<str>>,
    pub(crate) obligations: Vec<Obligation>,
    pub(crate) ask: Vec<Approver>,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) cure: Option<Arc<str>>,
    pub(crate) controls: Vec<Arc<str>>,
}

/// An annotation that breaks a rule.
#[derive(Debug)]
pub(crate) struct NoteFault {
    pub(crate) rule: Rule,
    pub(crate) why: String,
    pub(crate) fix: String,
}

/// All annotations that mean something.
const KNOWN: [&str; 6] = ["id", "obligation", "ask", "reason", "cure", "control"];
/// All verbs of `@obligation`.
const VERBS: [&str; 6] = ["mask", "tokenise", "strip", "block", "cap", "watermark"];
/// Longest `@reason` or `@cure`, in characters: they travel in every refusal.
const TEXT_CHARS_MAX: usize = 400;

impl Notes {
    /// Reads one annotation into the rest.
    pub(crate) fn read(&mut self, key: &str, value: &str, permits: bool) -> Result<(), NoteFault> {
        match key {
            "id" => {
                let good = (1..=63).contains(&value.len())
                    && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
                if !good {
                    return Err(bad(key, value, "1 to 63 of letters, digits, `-`, `_` and `.`"));
                }
                self.id = Some(value.into());
            }
            "reason" => self.reason = Some(text(key, value)?),
            "cure" => self.cure = Some(text(key, value)?),
            "ask" => self.ask = approvers(value)?,
            "control" => self.controls = controls(value)?,
            "obligation" if permits => self.obligations = obligations(value)?,
            "obligation" => {
                return Err(NoteFault {
                    rule: Rule::AnnotationMisplaced,
                    why: "annotation `@obligation` stands on a `forbid`, but only what is let through has obligations"
                        .into(),
                    fix: "put it on a `permit`".into(),
                });
            }
            other => {
                let near = fuzzy_search(other, &KNOWN).unwrap_or_default();
                return Err(NoteFault {
                    rule: Rule::UnknownAnnotation,
                    why: format!("annotation `@{}` is not known", cut(other)),
                    fix: format!("did you mean `@{near}`? known are {}", quoted(&KNOWN)),
                });
            }
        }
        Ok(())
    }
}

fn text(key: &str, value: &str) -> Result<Arc<str>, NoteFault> {
    let chars = value.chars().count();
    if chars == 0 || chars > TEXT_CHARS_MAX || value.chars().any(char::is_control) {
        return Err(bad(key, value, "one line of 1 to 400 characters"));
    }
    Ok(value.into())
}

fn approvers(value: &str) -> Result<Vec<Approver>, NoteFault> {
    let words = Approver::ALL.map(Approver::as_str);
    let mut found = Vec::new();
    for word in value.split(',').map(str::trim) {
        let Some(approver) = Approver::ALL.into_iter().find(|one| one.as_str() == word) else {
            return Err(bad("ask", value, &format!("one or more of {}, with `,` between", quoted(&words))));
        };
        found.push(approver);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn controls(value: &str) -> Result<Vec<Arc<str>>, NoteFault> {
    let mut found = Vec::new();
    for one in value.split(',').map(str::trim) {
        let good = one.split_once(':').is_some_and(|(catalogue, control)| {
            is_word(catalogue)
                && !control.is_empty()
                && control.len() <= 63
                && control
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'(' | b')'))
        });
        if !good {
            return Err(bad(
                "control",
                value,
                "`CATALOGUE:CONTROL`, such as `pci-dss:3.5.1`, with `,` between",
            ));
        }
        found.push(one.into());
    }
    Ok(found)
}

fn obligations(value: &str) -> Result<Vec<Obligation>, NoteFault> {
    let mut found = Vec::new();
    for one in value.split(';').map(str::trim) {
        let Some((verb, rest)) = one.split_once(':') else {
            return Err(bad(
                "obligation",
                value,
                "`VERB:ARGUMENT`, such as `mask:card,personal`, with `;` between",
            ));
        };
        let make: fn(Arc<str>) -> Obligation = match verb {
            "mask" => Obligation::Mask,
            "tokenise" => Obligation::Tokenise,
            "strip" => Obligation::Strip,
            "block" => Obligation::Block,
            "watermark" => Obligation::Watermark,
            "cap" => {
                found.push(cap(rest).ok_or_else(|| {
                    bad("obligation", value, "`cap:output_tokens=N` or `cap:reply_bytes=N`, N from 1")
                })?);
                continue;
            }
            other => {
                let near = fuzzy_search(other, &VERBS).unwrap_or_default();
                return Err(NoteFault {
                    rule: Rule::AnnotationValue,
                    why: format!("obligation `{}` is not known", cut(other)),
                    fix: format!("did you mean `{near}`? known are {}", quoted(&VERBS)),
                });
            }
        };
        for word in rest.split(',').map(str::trim) {
            if !is_word(word) {
                return Err(bad(
                    "obligation",
                    value,
                    &format!("`{verb}:` and one or more lower-case words with `,` between"),
                ));
            }
            found.push(make(word.into()));
        }
    }
    Ok(found)
}

fn cap(rest: &str) -> Option<Obligation> {
    let (what, most) = rest.split_once('=')?;
    let cap = [Cap::OutputTokens, Cap::ReplyBytes].into_iter().find(|cap| cap.as_str() == what.trim())?;
    let most = most.trim().parse::<u64>().ok().filter(|most| *most > 0)?;
    Some(Obligation::Cap(cap, most))
}

fn is_word(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

fn bad(key: &str, value: &str, form: &str) -> NoteFault {
    NoteFault {
        rule: Rule::AnnotationValue,
        why: format!("annotation `@{key}` has the value `{}`", cut(value)),
        fix: format!("write {form}"),
    }
}

fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect()
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Result<Notes, NoteFault> {
        let mut notes = Notes::default();
        notes.read(key, value, true).map(|()| notes)
    }

    #[test]
    fn each_annotation_is_read() {
        let notes = read("obligation", "mask:card,email; cap:output_tokens=500;watermark:green").unwrap();
        let texts: Vec<_> = notes.obligations.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["mask:card", "mask:email", "cap:output_tokens=500", "watermark:green"]);
        assert_eq!(read("ask", "sponsor, owner").unwrap().ask, [Approver::Owner, Approver::Sponsor]);
        assert_eq!(read("control", "pci-dss:3.5.1,gdpr:32(1)").unwrap().controls.len(), 2);
        assert_eq!(read("reason", "because").unwrap().reason.as_deref(), Some("because"));
    }

    #[test]
    fn a_misspelling_gets_a_suggestion() {
        let fault = read("obligaton", "mask:card").unwrap_err();
        assert_eq!(fault.rule, Rule::UnknownAnnotation);
        assert!(fault.fix.contains("`@obligation`?"), "{}", fault.fix);
        let fault = read("obligation", "maks:card").unwrap_err();
        assert!(fault.fix.contains("did you mean `mask`?"), "{}", fault.fix);
    }

    #[test]
    fn values_of_another_form_are_refused() {
        for (key, value) in [
            ("ask", ""),
            ("ask", "boss"),
            ("obligation", "mask"),
            ("obligation", "mask:"),
            ("obligation", "mask:Card"),
            ("obligation", "cap:output_tokens=0"),
            ("obligation", "cap:calls=3"),
            ("control", "3.5.1"),
            ("reason", ""),
            ("cure", "a\nb"),
            ("id", "a/b"),
        ] {
            assert_eq!(read(key, value).unwrap_err().rule, Rule::AnnotationValue, "{key} {value}");
        }
        let mut notes = Notes::default();
        assert_eq!(notes.read("obligation", "mask:card", false).unwrap_err().rule, Rule::AnnotationMisplaced);
    }
}
