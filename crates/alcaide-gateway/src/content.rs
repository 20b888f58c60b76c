//! What was found in texts, counted for the record; and what obligations make of it.

use std::borrow::Cow;
use std::ops::Range;

use alcaide_finding::{Class, Finding, RuleId};
use alcaide_inspect::{Engine, Mask, Style};
use alcaide_policy::{Cap, Obligation};
use alcaide_record::FindingCount;
use alcaide_wire::json::{Kind, Value};

/// Counts a finding by its rule.
pub fn count(counts: &mut Vec<FindingCount>, finding: &Finding) {
    match counts.iter_mut().find(|known| known.rule == finding.rule) {
        Some(known) => known.count = known.count.saturating_add(1),
        None => counts.push(FindingCount { class: finding.class, count: 1, rule: finding.rule.clone() }),
    }
}

/// Says of a body that it could not be looked into.
#[must_use]
pub const fn uninspected() -> FindingCount {
    FindingCount { class: Class::Uninspected, count: 1, rule: RuleId::fixed("uninspected") }
}

/// Every string of a JSON value, keys too, and every number as long as a card's, with its bytes within the document.
#[must_use]
pub fn strings<'a>(root: Value<'_, 'a>) -> Vec<(Range<usize>, Cow<'a, str>)> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        match value.kind() {
            Kind::String => {
                if let Some(text) = value.as_str() {
                    found.push((value.span(), text));
                }
            }
            Kind::Array => open.extend(value.items()),
            Kind::Object => {
                for entry in value.entries() {
                    found.push((entry.key_span.clone(), entry.key.clone()));
                    open.push(entry.value);
                }
            }
            Kind::Number => {
                if let Some(digits) = value.long_digits() {
                    found.push((value.span(), digits));
                }
            }
            _ => {}
        }
    }
    found
}

/// What obligations demand of content that is found.
#[derive(Clone, Debug)]
pub struct Demands {
    /// What is hidden: by class, since a placeholder tells the class.
    pub mask: Mask,
    hides: bool,
    block: Vec<Box<str>>,
    /// Most output tokens.
    pub output_tokens: Option<u64>,
    /// Most bytes of a reply.
    pub reply_bytes: Option<u64>,
}

impl Demands {
    /// What these obligations demand. What this gate cannot do (tokenise, watermark) is not passed over: what would
    /// have to be turned into tokens is blocked, and [`Demands::unmet`] names the rest.
    #[must_use]
    pub fn of(obligations: &[Obligation], engine: &Engine) -> Self {
        let mut mask = Mask::all(Style::Placeholder);
        let mut demands =
            Self { mask, hides: false, block: Vec::new(), output_tokens: None, reply_bytes: None };
        let mut hidden: Vec<&str> = Vec::new();
        let lower =
            |known: &mut Option<u64>, most: u64| *known = Some(known.map_or(most, |had| had.min(most)));
        for obligation in obligations {
            match obligation {
                Obligation::Mask(what) | Obligation::Strip(what) => hidden.push(what),
                Obligation::Block(what) | Obligation::Tokenise(what) => demands.block.push((**what).into()),
                Obligation::Cap(Cap::OutputTokens, most) => lower(&mut demands.output_tokens, *most),
                Obligation::Cap(Cap::ReplyBytes, most) => lower(&mut demands.reply_bytes, *most),
                _ => {}
            }
        }
        for class in Class::ALL {
            let named = |what: &&str| {
                *what == "all"
                    || *what == class.as_str()
                    || engine.rules().any(|rule| rule.class == class && rule.id.as_str() == *what)
            };
            if hidden.iter().any(named) {
                demands.hides = true;
            } else {
                mask = mask.sparing(class);
            }
        }
        demands.mask = mask;
        demands
    }

    /// An obligation that this gate cannot meet.
    #[must_use]
    pub fn unmet(obligations: &[Obligation]) -> Option<&Obligation> {
        obligations.iter().find(|obligation| {
            !matches!(
                obligation,
                Obligation::Mask(_)
                    | Obligation::Strip(_)
                    | Obligation::Block(_)
                    | Obligation::Tokenise(_)
                    | Obligation::Cap(..)
            )
        })
    }

    /// Whether a finding must be hidden.
    #[must_use]
    pub const fn hides(&self, finding: &Finding) -> bool {
        self.mask.hides(finding.class)
    }

    /// Whether a finding must not pass at all.
    #[must_use]
    pub fn blocks(&self, finding: &Finding) -> bool {
        let named =
            |what: &str| what == "all" || what == finding.class.as_str() || what == finding.rule.as_str();
        self.block.iter().any(|what| named(what))
    }

    /// Whether what cannot be looked into must not pass.
    #[must_use]
    pub fn blocks_uninspected(&self) -> bool {
        self.block.iter().any(|what| matches!(&**what, "all" | "uninspected"))
    }

    /// Whether nothing is to be hidden or blocked, so that text need not wait for its decision.
    #[must_use]
    pub const fn lets_all(&self) -> bool {
        !self.hides && self.block.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use alcaide_finding::{RuleId, Severity};

    use super::*;

    fn finding(class: Class, rule: &'static str) -> Finding {
        let rule = RuleId::fixed(rule);
        Finding { rule, class, severity: Severity::Grave, span: 0..1, evidence: Cow::Borrowed("") }
    }

    #[test]
    fn obligations_name_classes_rules_or_all() {
        let engine = Engine::builtin();
        let demands =
            Demands::of(&[Obligation::Mask("card".into()), Obligation::Block("secret".into())], &engine);
        assert!(demands.hides(&finding(Class::Card, "card-number")));
        assert!(!demands.hides(&finding(Class::Personal, "email-address")));
        assert!(demands.blocks(&finding(Class::Secret, "jwt")));
        assert!(!demands.lets_all());
        let rule = engine.rules().find(|rule| rule.class == Class::Personal).unwrap().id.as_str();
        assert!(
            Demands::of(&[Obligation::Mask(rule.into())], &engine).hides(&finding(Class::Personal, rule))
        );
        assert!(
            Demands::of(&[Obligation::Mask("all".into())], &engine).hides(&finding(Class::Secret, "jwt"))
        );
        assert!(Demands::of(&[], &engine).lets_all());
    }

    #[test]
    fn what_cannot_be_done_is_not_passed_over() {
        let engine = Engine::builtin();
        let tokens = [Obligation::Tokenise("card".into())];
        assert!(Demands::of(&tokens, &engine).blocks(&finding(Class::Card, "card-number")));
        assert!(Demands::unmet(&tokens).is_none());
        assert!(Demands::unmet(&[Obligation::Watermark("green".into())]).is_some());
    }
}
