//! Entries of the record as lines for people: who did what for whom, and why it was allowed.

use std::collections::HashMap;
use std::fmt::Display;

use alcaide_inventory::Plan;
use alcaide_inventory::plan::Kind;
use alcaide_record::{
    Chain, Entry, Event, FilesState, ModelEvent, ModelNote, OfferFinding, OfficeAct, Proven, Target,
};
use serde_json::Value;

use crate::commands::activity::word;
use crate::commands::order;
use crate::fail::shown;

/// Names of ids, as the plan in force knows them.
pub(crate) struct Names(HashMap<String, String>);

impl Names {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut all = HashMap::new();
        fn add<I: Display, T>(all: &mut HashMap<String, String>, kind: &Kind<I, T>) {
            all.extend(kind.iter().map(|(name, placed)| (placed.id.to_string(), name.to_string())));
        }
        add(&mut all, &plan.units);
        add(&mut all, &plan.humans);
        add(&mut all, &plan.agents);
        add(&mut all, &plan.workloads);
        add(&mut all, &plan.upstreams);
        add(&mut all, &plan.routes);
        add(&mut all, &plan.peers);
        add(&mut all, &plan.signers);
        add(&mut all, &plan.models);
        add(&mut all, &plan.budgets);
        add(&mut all, &plan.policies);
        add(&mut all, &plan.secrets);
        all.extend(
            plan.tools
                .iter()
                .map(|tool| (tool.id.to_string(), format!("{}/{}", tool.spec.server, tool.spec.name))),
        );
        Self(all)
    }

    /// The name of an id, or the id itself.
    pub(crate) fn of_id(&self, id: impl Display) -> String {
        let id = id.to_string();
        self.0.get(&id).cloned().unwrap_or(id)
    }

    fn who(&self, chain: &Chain) -> String {
        let actor = self.of_id(chain.actor);
        if chain.subject == chain.actor {
            actor
        } else {
            format!("{actor} for {}", self.of_id(chain.subject))
        }
    }

    fn target(&self, target: &Target) -> String {
        match (target.tool, target.route) {
            (Some(tool), _) => self.of_id(tool),
            (None, Some(route)) => self.of_id(route),
            (None, None) => "something not declared".into(),
        }
    }

    fn by(&self, by: Option<impl Display>) -> String {
        by.map_or_else(|| "operator".into(), |by| self.of_id(by))
    }
}

/// Whether a plan comes into force with this entry.
pub(super) fn is_plan(entry: &Value) -> bool {
    entry.pointer("/event/planned").is_some()
}

/// One line, ended by a line feed.
pub(super) fn line(index: u64, entry: &Value, names: &Names) -> String {
    match serde_json::from_value::<Entry>(entry.clone()) {
        Ok(read) => format!("{index:>6}  {}  {}\n", read.at, shown(&told(&read.event, names))),
        // An entry of a newer version is still shown.
        Err(_) => format!("{index:>6}  {}\n", shown(&entry.to_string())),
    }
}

fn told(event: &Event, names: &Names) -> String {
    match event {
        Event::Made(_) => "made     the record was begun".into(),
        Event::Planned(one) => {
            let repeats = one.repeats.map(|number| format!(", repeating plan {number}")).unwrap_or_default();
            format!("plan     {} in force, by {}{repeats}", one.number, names.by(one.by))
        }
        Event::Enrolled(one) => {
            format!("enrol    {} has credential {}", names.of_id(one.actor), one.credential)
        }
        Event::Issued(one) => {
            let whom = if one.subject == one.actor {
                names.of_id(one.actor)
            } else {
                format!("{} for {}", names.of_id(one.actor), names.of_id(one.subject))
            };
            let by = match one.by {
                Some(by) => format!(", by {}", names.of_id(by)),
                None => String::new(),
            };
            format!("token    {} {} to {whom}, until {}{by}", word(&one.kind), one.token, one.expires)
        }
        Event::Order(one) => format!("order    {}, by {}", order::told(&one.order), names.by(one.by)),
        Event::Office(OfficeAct::Denied { by, code }) => format!("denied   {code}, to {}", names.by(*by)),
        Event::Office(OfficeAct::CredentialRemoved { by, credential }) => {
            format!("office   credential {credential} removed, by {}", names.by(*by))
        }
        Event::Office(OfficeAct::SecretSet { by, secret }) => {
            format!("office   secret {} sealed, by {}", names.of_id(secret), names.by(*by))
        }
        Event::Office(OfficeAct::LinkOpened { human, .. }) => {
            format!("office   link to the console for {}", names.of_id(human))
        }
        Event::Office(OfficeAct::Restored { entries, orders }) => {
            format!(
                "office   restored from a backup of {entries} entries; {orders} orders from after it follow"
            )
        }
        Event::Office(OfficeAct::SessionOpened { by }) => format!("office   session of {}", names.of_id(by)),
        Event::Office(OfficeAct::SessionEnded { by }) => {
            format!("office   session of {} ended", names.of_id(by))
        }
        Event::Intent(one) => {
            let policies: Vec<String> = one.decided.policies.iter().map(|id| names.of_id(id)).collect();
            let approval = one.decided.approval.map(|id| format!(", approved as {id}")).unwrap_or_default();
            format!(
                "intent   {} {}: {} on {}, {} by {} under plan {}{approval}",
                one.call,
                names.who(&one.who),
                word(&one.action),
                names.target(&one.target),
                word(&one.decided.decision),
                if policies.is_empty() { "no policy".into() } else { policies.join(" ") },
                one.decided.plan
            )
        }
        Event::Outcome(one) => {
            let status = one.status.map(|status| format!(", status {status}")).unwrap_or_default();
            let usage = one.usage.map(|usage| format!(", {}+{} tokens", usage.input, usage.output));
            format!(
                "outcome  {} {}{status}, {} bytes released{}",
                one.call,
                word(&one.end),
                one.released_bytes,
                usage.unwrap_or_default()
            )
        }
        Event::Refused(one) => {
            let who = one.who.as_ref().map_or_else(|| "a stranger".into(), |who| names.who(who));
            let on = one.target.as_ref().map(|target| format!(" on {}", names.target(target)));
            let action = one.action.as_ref().map(|action| format!(": {}", word(action)));
            let (action, on) = (action.unwrap_or_default(), on.unwrap_or_default());
            if let (Some(approval), Some(question)) = (one.approval, &one.question) {
                return format!(
                    "asked    {} {who}{action}{on}, {approval} until {}",
                    one.call, question.expires
                );
            }
            let stands = one.decided.as_ref().and_then(|decided| decided.model.as_deref()).map(standing);
            format!(
                "refused  {} {who}{action}{on}, {} at stage {}{}",
                one.call,
                one.code,
                word(&one.stage),
                stands.unwrap_or_default()
            )
        }
        Event::Model(one) => format!("model    {}", model(one, names)),
        Event::Offered(one) => {
            let tool = one.tool.map_or_else(|| "a tool not declared".into(), |tool| names.of_id(tool));
            let found = one.findings.as_deref().unwrap_or_default();
            let found =
                if found.is_empty() { String::new() } else { format!(", found: {}", findings(found)) };
            format!("offered  {} {tool} of {} as {}{found}", one.call, names.of_id(one.route), one.pin)
        }
        _ => "an event of a newer version".into(),
    }
}

/// What became known of a model.
fn model(event: &ModelEvent, names: &Names) -> String {
    match event {
        ModelEvent::Registered { by, files, model, version, .. } => {
            format!(
                "{} version {version} registered, {files} files, by {}",
                names.of_id(model),
                names.by(*by)
            )
        }
        ModelEvent::Evidence { envelope, model, proven, version, .. } => {
            let says = match proven {
                Proven::Scan { verdict, .. } => format!("scan {}", verdict.as_str()),
                Proven::Signature { key, .. } => format!("signed by key {key}"),
                _ => "evidence of a newer version".to_owned(),
            };
            format!("{} version {version}: {says}, evidence {envelope}", names.of_id(model))
        }
        ModelEvent::Files { model, state } => match state {
            FilesState::Found { version } => format!("{} files are version {version}", names.of_id(model)),
            FilesState::Reading => format!("{} files are being read", names.of_id(model)),
            FilesState::Unreadable => format!("{} files cannot be read", names.of_id(model)),
        },
        _ => "an event of a newer version".into(),
    }
}

/// How a model stood when a call of it was refused.
fn standing(note: &ModelNote) -> String {
    let scan = note.scan.verdict.map_or("none", |verdict| verdict.as_str());
    let old = if note.scan.verdict.is_some() && !note.scan.current_pack { " by other rules" } else { "" };
    let ended = if note.scan.verdict.is_some() && !note.scan.in_time { ", ended" } else { "" };
    format!(
        ", model {}, files {}, scan {scan}{old}{ended}, signer {}",
        if note.released { "released" } else { "not released" },
        word(&note.files),
        word(&note.signature.standing)
    )
}

/// What was found in an offered definition, in one line.
pub(crate) fn findings(all: &[OfferFinding]) -> String {
    let one = |one: &OfferFinding| {
        let times = if one.count > 1 { format!(" ×{}", one.count) } else { String::new() };
        format!("{} ({}) in {}{times}", one.rule, word(&one.severity), one.part.as_str())
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alcaide_inventory::{Moment, PlanNumber};
    use alcaide_record::Planned;
    use serde_json::json;

    #[test]
    fn plans_are_told_and_what_is_not_understood_is_shown_raw() {
        let names = Names::of(&Plan::default());
        let digest = alcaide_record::Digest([7; 32]);
        let planned = Planned { by: None, digest, number: PlanNumber(2), repeats: Some(PlanNumber(1)) };
        let entry = Entry::new(Moment::from_secs(0), Event::Planned(planned));
        let value: Value = serde_json::from_slice(&entry.to_leaf().unwrap()).unwrap();
        assert!(is_plan(&value));
        assert_eq!(
            line(3, &value, &names),
            "     3  1970-01-01T00:00:00Z  plan     2 in force, by operator, repeating plan 1\n"
        );
        assert_eq!(line(4, &json!({ "x": "\u{1b}" }), &names), "     4  {\"x\":\"\\u001b\"}\n");
    }

    #[test]
    fn what_was_found_in_an_offered_tool_is_told_by_rule_and_part() {
        use alcaide_finding::{RuleId, Severity};
        use alcaide_inventory::id::{CallId, RouteId};
        use alcaide_record::{Digest, OfferPart, Offered};

        let told = |findings| {
            let offered = Offered {
                call: CallId::from_bits(1),
                findings,
                name: Digest([1; 32]),
                pin: Digest([2; 32]),
                route: RouteId::from_bits(3),
                tool: None,
            };
            let entry = Entry::new(Moment::from_secs(0), Event::Offered(offered));
            let value: Value = serde_json::from_slice(&entry.to_leaf().unwrap()).unwrap();
            line(3, &value, &Names::of(&Plan::default()))
        };
        let one = |count, severity| OfferFinding {
            count,
            part: OfferPart::Description,
            rule: RuleId::fixed("secrecy"),
            severity,
        };
        let line = told(Some(vec![one(2, Severity::Grave), one(1, Severity::Note)]));
        let end = ", found: secrecy (grave) in description ×2, secrecy (note) in description\n";
        assert!(line.ends_with(end), "{line}");
        assert!(!told(None).contains("found") && !told(Some(Vec::new())).contains("found"));
    }
}
