//! The story as people read it: at most 100 columns, coloured on a terminal only, nothing where JSON is wanted.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::path::Path;

use alcaide_control::ApprovalView;
use serde_json::Value;

use super::record::Figures;
use super::story::{ANA, Answer, BEN, Setting, Step, Verified};
use crate::commands::console;
use crate::fail::{Failure, shown};
use crate::show::{Out, note};

/// Columns of a line.
const COLUMNS: usize = 100;
/// Where the text of a line begins.
const MARGIN: usize = 12;
/// How what stands in the place of something hidden begins.
const HIDDEN: [&str; 3] = ["[card ending", "[secret: ", "[email address]"];
/// What stands at the end of a text that is cut.
const CUT: &str = " …";
/// Most lines of what the agent got.
const GOT_LINES: usize = 3;

/// Where the story is written.
pub(super) struct Page {
    out: Out,
    /// How many titles were written.
    titles: Cell<u32>,
}

/// What a word means.
#[derive(Clone, Copy)]
enum Paint {
    Plain,
    Bold,
    Good,
    Careful,
    Bad,
}

impl Page {
    pub(super) const fn new(out: Out) -> Self {
        Self { out, titles: Cell::new(0) }
    }

    /// What it is, and what it is not.
    pub(super) fn head(&self) -> Result<(), Failure> {
        self.text(&format!(
            "{}\n{}\n{}\n",
            self.paint(Paint::Bold, "A small firm's mail, files and payments, behind a gate of their own."),
            "The agent is a script, not a model: what it wants is written down, what becomes of it is not.",
            "Gate, office, record and tool server are those of `alcaide up`; nothing in them is real.",
        ))
    }

    pub(super) fn begun(&self, setting: &Setting<'_>, tools: usize, plan: u64) -> Result<(), Failure> {
        self.text("\n")?;
        self.field("gate", &setting.started.gate)?;
        self.field("office", &setting.started.office)?;
        self.field("data", &setting.places.dir().display().to_string())?;
        self.field("declared", &format!("people, agents, {tools} tools, policies: plan {plan}"))
    }

    /// What comes next.
    pub(super) fn title(&self, text: &str) -> Result<(), Failure> {
        self.titles.set(self.titles.get().saturating_add(1));
        self.text(&format!("\n{}\n", self.paint(Paint::Bold, &format!("{}. {text}", self.titles.get()))))
    }

    /// One labelled text.
    pub(super) fn field(&self, label: &str, text: &str) -> Result<(), Failure> {
        self.painted(label, text, Paint::Plain, usize::MAX)
    }

    /// One call: who, for whom, what, how it was decided and why, and where it stands in the ledger.
    pub(super) fn step(&self, step: &Step) -> Result<(), Failure> {
        let passage = &step.passage;
        let who = passage.who.as_deref().unwrap_or("nobody known");
        let whom = passage.on_behalf_of.as_deref().unwrap_or("nobody known");
        self.field("who", &format!("{who}, for {whom}"))?;
        self.field("what", format!("{} {}", step.tool, arguments(&step.arguments)).trim_end())?;
        let (decision, paint) = decision(step);
        self.painted("decision", &decision, paint, usize::MAX)?;
        if let Some(why) = &step.why {
            self.field("why", why)?;
        }
        if let Some(cure) = &step.cure {
            self.field("cure", cure)?;
        }
        if !passage.found.is_empty() {
            let found: Vec<String> =
                passage.found.iter().map(|one| format!("{} × {}", one.count, one.rule)).collect();
            let hidden = if hides(&step.got) { "; the agent got a placeholder" } else { "" };
            self.field("found", &format!("{}{hidden}", found.join(", ")))?;
        }
        if !step.got.is_empty() {
            self.painted("agent got", &excerpt(&summary(&step.got)), Paint::Plain, GOT_LINES)?;
        }
        let entries: Vec<String> =
            passage.entries.iter().map(|one| format!("{} {}", one.kind, one.index)).collect();
        self.field("ledger", &entries.join(", "))
    }

    /// A person is asked; how to answer, where nobody does it for them.
    pub(super) async fn question(&self, setting: &Setting<'_>, one: &ApprovalView) -> Result<(), Failure> {
        self.painted("waits", &format!("a policy asks {BEN} first: question {}", one.id), Paint::Careful, 4)?;
        if setting.answer == Answer::Ourselves {
            return self.field("answer", &format!("given by the demo itself, with {BEN}'s own token"));
        }
        let (program, id) = (program(), one.id);
        let dir = setting.places.dir().display();
        let office = &setting.started.office;
        let console = match self.link(setting, BEN).await? {
            Some(url) => url,
            None => format!("{program} console link --human {BEN} --data-dir {dir}"),
        };
        let text = format!(
            "  answer as {BEN} in the console:\n\n{console}\n\n  or in another terminal:\n\n\
             export ALCAIDE_OFFICE_TOKEN=$({program} token office {BEN} --data-dir {dir})\n\
             {program} approval approve {id} \\\n  --url {office}\n\n",
        );
        if self.out.is_json() {
            note(&text);
            return Ok(());
        }
        self.text(&text)
    }

    /// A link to the console, where it goes to a terminal: whoever reads it is that person.
    async fn link(&self, setting: &Setting<'_>, whom: &str) -> Result<Option<String>, Failure> {
        if self.out.is_json() || !std::io::stdout().is_terminal() {
            return Ok(None);
        }
        Ok(Some(console::open(setting.client, whom.parse().ok()).await?.url))
    }

    /// What changed in the practice world.
    pub(super) fn effects(&self, effects: &[Value]) -> Result<(), Failure> {
        for effect in effects {
            let part = |name: &str| effect.get(name).map(plain).unwrap_or_default();
            let cents = effect.get("amount_cents").and_then(Value::as_u64).unwrap_or_default();
            let (euros, rest) = (cents / 100, cents % 100);
            let (kind, payee, iban) = (part("kind"), part("payee"), part("iban"));
            let text =
                format!("{kind}: {euros}.{rest:02} euros to {payee} ({iban}) for {}", part("reference"));
            self.field("effect", &text)?;
        }
        self.field("effects", &format!("{} in all", effects.len()))
    }

    pub(super) fn figures(&self, figures: &Figures) -> Result<(), Failure> {
        let Figures { passed, refused, questions, intents, outcomes } = figures;
        self.field(
            "calls",
            &format!(
                "{passed} passed, {refused} refused, {questions} asked about; {intents} intents, {outcomes} outcomes"
            ),
        )
    }

    pub(super) fn verified(&self, verified: &Verified) -> Result<(), Failure> {
        let text = format!("verifies: {} entries, root {}", verified.entries, verified.root);
        self.painted("ledger", &text, Paint::Good, usize::MAX)
    }

    /// The house stays; where to look around in it.
    pub(super) async fn stays(&self, setting: &Setting<'_>) -> Result<(), Failure> {
        if self.out.is_json() {
            return Ok(());
        }
        let dir = setting.places.dir().display();
        let program = program();
        let console = match self.link(setting, ANA).await? {
            Some(url) => format!("{url}\n            opens once, within ten minutes, as {ANA}"),
            None => format!("{program} console link --human {ANA} --data-dir {dir}"),
        };
        self.text(&format!(
            "\n{}\n  console   {console}\n  record    {program} log follow --from 0 --data-dir {dir}\n",
            self.paint(Paint::Bold, "The house stays up until Ctrl-C.")
        ))
    }

    pub(super) fn kept(&self, folder: &Path, data: &Path) -> Result<(), Failure> {
        let text =
            format!("{}; go on with: {} up --data-dir {}", folder.display(), program(), data.display());
        self.field("kept", &text)
    }

    fn painted(&self, label: &str, text: &str, paint: Paint, lines_max: usize) -> Result<(), Failure> {
        let mut told = String::new();
        let columns = COLUMNS.saturating_sub(MARGIN);
        let room = if lines_max == usize::MAX { 0 } else { CUT.chars().count() };
        let lines = wrapped(&shown(text), columns.saturating_sub(room));
        let cut = lines.len() > lines_max;
        for (at, line) in lines.iter().take(lines_max).enumerate() {
            let label = if at == 0 { label } else { "" };
            let more = if cut && at.saturating_add(1) == lines_max { CUT } else { "" };
            told.push_str(&format!("  {label:<9} {}{more}\n", self.paint(paint, line)));
        }
        self.text(&told)
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            _ if !self.out.colored() => return text.to_owned(),
            Paint::Plain => return text.to_owned(),
            Paint::Bold => "1",
            Paint::Good => "32",
            Paint::Careful => "33",
            Paint::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    fn text(&self, text: &str) -> Result<(), Failure> {
        if self.out.is_json() { Ok(()) } else { self.out.text(text) }
    }
}

/// This program, as it was called.
fn program() -> String {
    std::env::args_os().next().map_or_else(|| "alcaide".into(), |name| shown(&name.to_string_lossy()))
}

/// How a call was decided, in words, and how that is painted.
fn decision(step: &Step) -> (String, Paint) {
    let passage = &step.passage;
    let by = match passage.policies.as_slice() {
        [] => String::new(),
        policies => format!(", by {}", policies.join(" and ")),
    };
    let plan = passage.plan.map(|plan| format!(", plan {plan}")).unwrap_or_default();
    let code = passage.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    let asked = passage.entries.iter().any(|one| one.kind == "question");
    let (word, paint) = match (step.why.is_some(), asked) {
        (true, _) if passage.code.is_none() => ("ask", Paint::Careful),
        (true, _) => ("refuse", Paint::Bad),
        (false, true) => ("ask, then allow", Paint::Good),
        (false, false) if passage.masks() => ("allow, and mask", Paint::Careful),
        (false, false) => ("allow", Paint::Good),
    };
    (format!("{word}{code}{by}{plan}"), paint)
}

/// Arguments of a call on one line.
fn arguments(arguments: &Value) -> String {
    let Some(members) = arguments.as_object() else { return String::new() };
    members.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect::<Vec<_>>().join(" ")
}

/// A value without the quotes of a string.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The part of a text that matters: around what was hidden in it, or its beginning.
fn excerpt(text: &str) -> String {
    let text = text.replace("\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let before = COLUMNS;
    match text.char_indices().position(|(at, _)| text.get(at..).is_some_and(begins_hidden)) {
        Some(hidden) if hidden > before => {
            let from = hidden.saturating_sub(before);
            let cut: String = text.chars().skip(from).collect();
            let (_, rest) = cut.split_once(' ').unwrap_or(("", &cut));
            format!("… {rest}")
        }
        _ => text,
    }
}

/// Whether something hidden was in a text.
fn hides(text: &str) -> bool {
    HIDDEN.iter().any(|placeholder| text.contains(placeholder))
}

fn begins_hidden(text: &str) -> bool {
    HIDDEN.iter().any(|placeholder| text.starts_with(placeholder))
}

/// A text in words: of a JSON object its members, and of lists within it how long they are.
fn summary(text: &str) -> String {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return text.to_owned() };
    let told = members.iter().map(|(name, value)| match value {
        Value::Array(items) => format!("{name}: {}", items.len()),
        other => format!("{name}={}", plain(other)),
    });
    told.collect::<Vec<_>>().join(" ")
}

/// Lines of at most `columns` characters, broken at spaces; a longer word stands alone, uncut.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let long = line.chars().count().saturating_add(1).saturating_add(word.chars().count());
        if !line.is_empty() && long > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a verylongword b", 4), ["a", "verylongword", "b"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn what_was_hidden_is_in_the_excerpt() {
        let text = format!("{} my card [card ending 1111], good until", "word ".repeat(60));
        let cut = excerpt(&text);
        assert!(cut.starts_with("… word") && cut.contains("[card ending 1111]"), "{cut}");
        assert!(cut.find("[card").unwrap() < 2 * COLUMNS);
        assert_eq!(excerpt("short\n text"), "short text");
    }

    #[test]
    fn lists_are_counted_and_texts_are_left_alone() {
        assert_eq!(summary(r#"{"mails":[1,2]}"#), "mails: 2");
        assert_eq!(summary(r#"{"a":"x","n":3}"#), "a=x n=3");
        assert_eq!(summary("From: x"), "From: x");
    }
}
