//! The document of an explanation as text for people.

use std::fmt::Write as _;

use super::tell::{Origin, Part, PolicyTold, RecordTold, RemedyTold, Told, WhoTold};
use crate::fail::shown;

impl Told {
    /// For people.
    pub(super) fn text(&self, color: bool) -> String {
        let mut page = Page { text: String::new(), color };
        self.head(&mut page);
        for (part, title) in [
            (Part::Decided, "decided by"),
            (Part::Matched, "matched too, without deciding"),
            (Part::Unknown, "cannot be told wholly"),
            (Part::NotApplied, "looked at, and did not apply"),
            (Part::Elsewhere, "about something else"),
        ] {
            let mut of = self.policies.iter().filter(|one| one.part == part).peekable();
            if of.peek().is_some() {
                page.title(title);
                of.for_each(|one| one.write(&mut page));
            }
        }
        let listed = self.policies.iter().filter(|one| one.part == Part::Elsewhere).count();
        if self.elsewhere > listed {
            page.line(&format!(
                "\n{} more are about another principal, action or resource; `--all` lists them",
                self.elsewhere
            ));
        }
        if !self.remedies.is_empty() {
            page.title("what would change it");
            for (at, one) in self.remedies.iter().enumerate() {
                one.write(at, &mut page);
            }
        }
        if !self.notes.is_empty() {
            page.title("note");
            self.notes.iter().for_each(|note| page.line(&format!("  - {note}")));
        }
        page.text
    }

    fn head(&self, page: &mut Page) {
        let WhoTold { actor, subject, earlier } = &self.who;
        let mut who = actor.clone();
        if subject != actor {
            let _ = write!(who, ", on behalf of {subject}");
        }
        if !earlier.is_empty() {
            let _ = write!(who, ", through {}", earlier.join(", "));
        }
        if let Some(record) = &self.record {
            page.fact("call", &format!("{}, {}", record.call, record.at));
        }
        page.fact("who", &who);
        let on = self.resource.as_deref().unwrap_or("something whose name is not recorded");
        match &self.action {
            Some(action) => page.fact("what", &format!("{action} {on}")),
            None => page.fact("what", "not known: the call ended before it was read"),
        }
        let plan = self.plan.number.map(|number| number.to_string()).unwrap_or_default();
        page.fact(
            "plan",
            &match self.plan.origin {
                Origin::Record => format!("{plan}, by the record"),
                Origin::InForce => format!("{plan}, in force"),
                Origin::Folder => "of the folder, by itself".to_owned(),
                Origin::FolderOverInForce => {
                    "of the folder, with ids and accepted tools of the office".to_owned()
                }
            },
        );
        if let Some(record) = &self.record {
            record.write(page);
        }
        let Some(decision) = &self.decision else { return };
        let label = if self.record.is_some() { "evaluated" } else { "decision" };
        let agrees = match self.agrees {
            Some(true) => ": as recorded",
            Some(false) => ": NOT AS RECORDED",
            None => "",
        };
        let code = decision.code.map(|code| format!(" ({code})")).unwrap_or_default();
        let outcome = page.bold(decision.outcome);
        page.raw_fact(label, &format!("{outcome}{code}{agrees}"));
        let list = |items: &[&'static str]| items.join(" and ");
        if let Some(reason) = &decision.reason {
            page.fact("reason", reason);
        }
        if !decision.roles.is_empty() {
            page.fact("asks", &list(&decision.roles));
        }
        if !decision.any_of.is_empty() {
            let groups: Vec<String> = decision.any_of.iter().map(|group| list(group)).collect();
            page.fact("asks", &format!("one of: {}", groups.join("; ")));
        }
        if !decision.obligations.is_empty() {
            page.fact("obliges", &decision.obligations.join(", "));
        }
        if let Some(cure) = &decision.cure {
            page.fact("cure", cure);
        }
        if let Some(shadow) = decision.shadow {
            page.fact("shadow", &format!("{shadow}, with the policies in shadow counted in"));
        }
    }
}

impl RecordTold {
    fn write(&self, page: &mut Page) {
        let code = self.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let decision = self.decision.as_deref().unwrap_or("the policies were not asked");
        let stage =
            self.stage.as_ref().map(|stage| format!(", ended at stage `{stage}`")).unwrap_or_default();
        let entry = self.entry.map(|entry| format!(", entry {entry}")).unwrap_or_default();
        let decision = page.bold(decision);
        page.raw_fact("recorded", &format!("{decision}{code}{stage}{entry}"));
        if let Some(approval) = &self.approval {
            let by = if self.approved_by.is_empty() {
                String::new()
            } else {
                format!(", yes by {}", self.approved_by.join(", "))
            };
            page.fact("question", &format!("{approval}{by}"));
        }
        if !self.obligations.is_empty() {
            page.fact("obliged", &self.obligations.join(", "));
        }
        if let Some(shadow) = &self.shadow {
            page.fact("shadow", &format!("{shadow}, recorded"));
        }
        if !self.context.is_empty() {
            let known: Vec<String> =
                self.context.iter().map(|(name, value)| format!("{name} {value}")).collect();
            page.fact("known", &known.join(", "));
        }
        if !self.lost.is_empty() {
            page.fact("not known", &format!("{}: the record does not hold it", self.lost.join(", ")));
        }
    }
}

impl PolicyTold {
    fn write(&self, page: &mut Page) {
        let shadow = match (self.shadow, &self.shadow_of) {
            (true, None) => ", in shadow".to_owned(),
            (true, Some(whom)) => format!(", in shadow: it is for {}", shown(whom)),
            (false, Some(whom)) => format!(", binds here: in shadow for {}", shown(whom)),
            (false, None) => String::new(),
        };
        let place = if self.place == self.id { String::new() } else { format!("  {}", self.place) };
        let id = page.bold(&self.id);
        page.raw(&format!("  {id}  {}{shadow}{}\n", self.effect, shown(&place)));
        let brief = matches!(self.part, Part::NotApplied | Part::Elsewhere);
        let line = self.condition.as_ref().and_then(|condition| condition.line);
        let line = line.map(|line| format!(" (line {line})")).unwrap_or_default();
        page.line(&format!("      {}{line}", self.why));
        for one in &self.values {
            let value = if one.value.is_null() { "absent".to_owned() } else { one.value.to_string() };
            page.line(&format!("      {} = {value}", one.path));
        }
        if !brief {
            for line in self.cedar.lines() {
                page.line(&format!("    | {line}"));
            }
        }
    }
}

impl RemedyTold {
    fn write(&self, at: usize, page: &mut Page) {
        let number = at.saturating_add(1);
        for (line, how) in self.how.iter().enumerate() {
            let lead = if line == 0 { format!("{number}.") } else { "  ".to_owned() };
            page.line(&format!("  {lead} {how}"));
        }
        let obliges = if self.obligations.is_empty() {
            String::new()
        } else {
            format!(", obliged to {}", self.obligations.join(", "))
        };
        page.line(&format!("     then: {}{obliges}", self.then));
    }
}

/// Text for a terminal: each line cleaned of what a terminal would obey.
struct Page {
    text: String,
    color: bool,
}

impl Page {
    fn bold(&self, text: &str) -> String {
        if self.color { format!("\u{1b}[1m{}\u{1b}[0m", shown(text)) } else { shown(text) }
    }

    fn title(&mut self, text: &str) {
        let title = self.bold(text);
        self.raw(&format!("\n{title}\n"));
    }

    fn fact(&mut self, label: &str, value: &str) {
        let value = shown(value);
        self.raw_fact(label, &value);
    }

    fn raw_fact(&mut self, label: &str, value: &str) {
        self.raw(&format!("{label:9}  {value}\n"));
    }

    fn line(&mut self, text: &str) {
        let (breaks, rest) = text.split_at(text.len().saturating_sub(text.trim_start_matches('\n').len()));
        self.text.push_str(breaks);
        let rest = shown(rest);
        self.raw(rest.trim_end());
        self.raw("\n");
    }

    /// What was cleaned before.
    fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }
}
