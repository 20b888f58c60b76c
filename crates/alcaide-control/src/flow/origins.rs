//! Where the arguments of one call come from, and what is wrong with them.

use std::cmp::Reverse;

use alcaide_flow::Decisive;
use alcaide_inventory::id::{CallId, RouteId, ToolId};
use alcaide_inventory::{ApprovalId, Moment, Name, Plan};
use alcaide_label::{Integrity, Label, Provenance};
use alcaide_ledger::Ledger;
use alcaide_record::{FlowNote, WordsGrade};
use alcaide_store::Transaction;
use serde::{Deserialize, Serialize};

use super::facts::{CallFacts, Noted};
use crate::by::{By, Operation};
use crate::calls;
use crate::error::OfficeError;
use crate::office::Office;
use crate::query::Names;
use crate::view::{ApprovalView, CallView};

/// Most calls of one call's sources that are looked up; those beyond are counted.
pub(super) const SOURCES_MAX: usize = 32;
/// How many sources a sentence names.
const TOLD_MAX: usize = 3;
/// Most characters of an argument's name that are shown.
const NAME_CHARS: usize = 200;

/// Where the arguments of a call come from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Origins {
    /// Each argument that was given, the most suspicious first.
    pub arguments: Vec<ArgumentOrigin>,
    /// The calls whose answers they were read from.
    pub sources: Vec<SourceView>,
    /// How many more such calls there were than are looked up.
    pub more_sources: u64,
    /// What holds of the call as a whole, in sentences.
    pub says: Vec<String>,
    /// How sure it is what the user said.
    pub words: WordsGrade,
}

/// One argument.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ArgumentOrigin {
    /// Its name in the tool's accepted schema, a server's own words; none where the schema does not have it or is not
    /// kept any more.
    pub name: Option<String>,
    /// Its place in that schema; none where the schema does not have it.
    pub place: Option<u16>,
    /// Where it comes from.
    pub from: Provenance,
    /// The same in a sentence.
    pub says: String,
    /// What is wrong with it.
    pub wrong: Vec<Wrong>,
}

/// What is wrong with an argument.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It decides what the call does, and neither the user nor a look-up of theirs chose it.
    Unbound,
    /// A number past its cap that the user did not name.
    Over,
    /// It holds an address, a link or an account number that the user did not give.
    Carries,
    /// It has a link to a host that nobody named, which carries what the task has read.
    Leaks,
    /// It has a host that wants to be taken for one that was named.
    LookAlike,
    /// A text that strangers wrote.
    Copied,
    /// A text that strangers wrote, and that the agent has not read: it stood there as a handle.
    Handle,
}

impl Wrong {
    /// The words for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unbound => "decides what the call does, and the user did not choose it",
            Self::Over => "is past its cap, and the user did not name the number",
            Self::Carries => "carries an address, a link or an account number that the user did not give",
            Self::Leaks => "has a link to a host that nobody named, which carries what the task has read",
            Self::LookAlike => "leads to a host that looks like one that was named, and is another one",
            Self::Copied => "is text that strangers wrote",
            Self::Handle => "stood there as a handle: strangers wrote it, and the agent has not read it",
        }
    }
}

/// A call whose answer was read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SourceView {
    /// The call.
    pub call: CallId,
    /// When it was made; none where it is not known any more.
    pub at: Option<Moment>,
    /// The route that answered.
    pub route: Option<RouteId>,
    /// Its name in the plan in force.
    pub route_name: Option<Name>,
    /// The tool that answered.
    pub tool: Option<ToolId>,
    /// Its name in the plan in force, with its server: a server's own words.
    pub tool_name: Option<String>,
    /// What its answer makes of a task that reads it.
    pub label: Option<Label>,
}

/// A question with where the arguments of its call come from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct QuestionView {
    /// The question.
    #[serde(flatten)]
    pub approval: ApprovalView,
    /// Where the arguments come from; absent for what is no call of a tool, and in entries from before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<Origins>,
    /// The values that decide what the call does, for whoever may say yes to it; absent for others, for what is no call of
    /// a tool, and for questions from before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Decisive>,
}

impl ArgumentOrigin {
    /// What to call it: a server's own words, or why there are none.
    #[must_use]
    pub fn title(&self) -> String {
        match (&self.name, self.place) {
            (Some(name), _) => name.chars().take(NAME_CHARS).collect(),
            (None, Some(place)) => {
                format!(
                    "argument {} of a schema that is not kept any more",
                    u32::from(place).saturating_add(1)
                )
            }
            (None, None) => "an argument that the schema does not have".to_owned(),
        }
    }

    /// How much a person should look at it: what is wrong first, then by where it comes from.
    fn suspicion(&self) -> (usize, u8) {
        let from = match self.from {
            Provenance::UserAttested => 0,
            Provenance::Constant => 1,
            Provenance::Resolved => 2,
            Provenance::Made => 3,
            Provenance::Trusted => 4,
            Provenance::Endorsed => 5,
            Provenance::UserAsserted => 6,
            Provenance::Unknown => 7,
            Provenance::Untrusted => 8,
        };
        (self.wrong.len(), from)
    }
}

impl SourceView {
    /// Whether strangers can have written what it answered; a label that is not known counts as theirs.
    #[must_use]
    pub fn is_untrusted(&self) -> bool {
        self.label.is_none_or(|label| label.integrity == Integrity::Untrusted)
    }

    /// What answered: the tool with its server, the route, or nothing that is known.
    #[must_use]
    pub fn what(&self) -> Option<String> {
        self.tool_name.clone().or_else(|| self.route_name.as_ref().map(ToString::to_string))
    }

    fn told(&self) -> String {
        match self.what() {
            Some(what) => format!("the answer of call `{}` to `{what}`", self.call),
            None => format!("the answer of call `{}`", self.call),
        }
    }
}

impl Office {
    /// One question, with where the arguments of its call come from; for whoever may say yes, with the values that decide
    /// what it does.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`]; else what store and ledger say.
    pub async fn question(&self, by: &By, approval: ApprovalId) -> Result<QuestionView, OfficeError> {
        let approval = self.approval(by, approval).await?;
        let origins = self.origins_in(vec![approval.index]).await?;
        let shown = self.shown_to(by, approval.id).await?;
        Ok(QuestionView { approval, origins, shown })
    }

    /// Where the arguments of a call come from, as its newest entry that says so has it.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`]; else what store and ledger say.
    pub async fn origins(&self, by: &By, call: CallId) -> Result<Option<Origins>, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let found = self.0.store.read(move |tx| calls::find(tx, call)).await?;
        let call = found.ok_or_else(|| OfficeError::unknown("call", &call))?;
        self.origins_in(call.entries).await
    }

    /// As the newest of these entries that says so has it.
    async fn origins_in(&self, entries: Vec<u64>) -> Result<Option<Origins>, OfficeError> {
        let (ledger, current) = (self.0.ledger.clone(), self.current());
        let names = Names::of(&current);
        let read = self.0.store.read(move |tx| {
            let Some(noted) = CallFacts::of(&ledger, &entries)?.noted else { return Ok(None) };
            let mut sources = Vec::new();
            for call in noted.note.sources.iter().take(SOURCES_MAX) {
                sources.push(source(tx, &ledger, &names, *call)?);
            }
            Ok::<_, OfficeError>(Some((noted, sources)))
        });
        let Some((noted, sources)) = read.await? else { return Ok(None) };
        let plan = match noted.plan {
            Some(number) if number == current.number => Some((*current).clone()),
            Some(number) => self.load_plan(Some(number)).await?,
            None => None,
        };
        Ok(Some(told(&noted, sources, plan.as_ref())))
    }
}

fn source(
    tx: &Transaction<'_>,
    ledger: &Ledger,
    names: &Names,
    call: CallId,
) -> Result<SourceView, OfficeError> {
    let Some(found) = calls::find(tx, call)? else {
        let (at, route, route_name, tool, tool_name, label) = (None, None, None, None, None, None);
        return Ok(SourceView { call, at, route, route_name, tool, tool_name, label });
    };
    let label = CallFacts::of(ledger, &found.entries)?.reads;
    Ok(source_of(&found, names, label))
}

/// A call as a source.
pub(super) fn source_of(call: &CallView, names: &Names, label: Option<Label>) -> SourceView {
    SourceView {
        call: call.call,
        at: Some(call.at),
        route: call.route,
        route_name: names.name(call.route.map(|id| id.to_string())),
        tool: call.tool,
        tool_name: names.tool(call.tool),
        label,
    }
}

fn told(noted: &Noted, sources: Vec<SourceView>, plan: Option<&Plan>) -> Origins {
    let note = &noted.note;
    let schema = plan.and_then(|plan| {
        let tool = plan.tools.iter().find(|tool| Some(tool.id) == noted.tool)?;
        Some(places(tool.input_schema.as_deref()?))
    });
    let more_sources = u64::try_from(note.sources.len().saturating_sub(sources.len())).unwrap_or(u64::MAX);
    let strangers = strangers(&sources, more_sources);
    let mut arguments: Vec<ArgumentOrigin> = note
        .names
        .iter()
        .enumerate()
        .map(|(at, place)| {
            let place = Some(*place).filter(|place| *place != u16::MAX);
            let name = place.and_then(|place| schema.as_ref()?.get(usize::from(place)).cloned());
            let from = noted.arguments.get(at).copied().unwrap_or_default();
            let wrong = [
                (&note.unbound, Wrong::Unbound),
                (&note.over, Wrong::Over),
                (&note.leaks, Wrong::Leaks),
                (&note.look_alikes, Wrong::LookAlike),
                (&note.carries, Wrong::Carries),
                (&note.copied, Wrong::Copied),
                (&note.handles, Wrong::Handle),
            ];
            let is = |all: &[u16]| all.iter().any(|one| usize::from(*one) == at);
            let wrong = wrong.into_iter().filter(|(all, _)| is(all)).map(|(_, wrong)| wrong).collect();
            ArgumentOrigin { name, place, from, says: says(from, &strangers), wrong }
        })
        .collect();
    // Stable: what is equally suspicious stays in the order in which it was given.
    arguments.sort_by_key(|one| Reverse(one.suspicion()));
    Origins { arguments, sources, more_sources, says: whole(note, noted.words), words: noted.words }
}

/// The names of the arguments in a tool's schema, in the order in which the gate counts them: that of their bytes.
fn places(schema: &str) -> Vec<String> {
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap_or_default();
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    let mut names: Vec<String> = properties.into_iter().flat_map(|all| all.keys().cloned()).collect();
    names.sort_unstable();
    names
}

/// Where an argument comes from, in a sentence.
fn says(from: Provenance, strangers: &str) -> String {
    match from {
        Provenance::UserAttested => "the user said it".into(),
        Provenance::UserAsserted => {
            "it stands in a turn that the agent's own program sent as the user's; nobody signed it".into()
        }
        Provenance::Constant => "the agent used it before it had read anything of strangers".into(),
        Provenance::Trusted => "read from a source that only the organisation writes".into(),
        Provenance::Resolved => "resolved by a look-up that the user's words decided".into(),
        Provenance::Made => "made by this task".into(),
        Provenance::Endorsed => "people who were asked said that it is right for this task".into(),
        Provenance::Untrusted => strangers.to_owned(),
        Provenance::Unknown => "seen nowhere before".into(),
    }
}

/// Whose words an argument of strangers is. The record says which answers the arguments were read from, not which of
/// them gave which argument: where several can have, all are named.
fn strangers(sources: &[SourceView], more: u64) -> String {
    let untrusted: Vec<&SourceView> = sources.iter().filter(|source| source.is_untrusted()).collect();
    // What strangers planted in a trusted store comes back in an answer that is declared trusted.
    let all = if untrusted.is_empty() { sources.iter().collect() } else { untrusted };
    let mut named: Vec<String> = all.iter().take(TOLD_MAX).map(|source| source.told()).collect();
    let rest = u64::try_from(all.len().saturating_sub(TOLD_MAX)).unwrap_or(u64::MAX).saturating_add(more);
    if rest > 0 {
        named.push(format!("that of one of {rest} other calls"));
    }
    if named.is_empty() {
        return "comes from strangers, not from the user".into();
    }
    format!("comes from strangers: {}, not from the user", named.join(", or "))
}

/// What holds of the call as a whole.
fn whole(note: &FlowNote, words: WordsGrade) -> Vec<String> {
    let mut all = Vec::new();
    match words {
        WordsGrade::Attested if note.in_scope => all.push("the user's words ask for this tool".to_owned()),
        WordsGrade::Attested => all.push("the user's words do not ask for this tool".to_owned()),
        WordsGrade::Asserted => {
            all.push(
                "the user's words are known from the agent's own program alone; nobody signed them".into(),
            );
        }
        WordsGrade::None => {
            all.push("what the user wanted is not known: no words of theirs came with the task".into())
        }
    }
    if note.forgotten {
        all.push("some of what the task read is not known any more, so what is not the user's counts as strangers'".into());
    }
    if note.reaches_out {
        all.push("it reaches out of the organisation".into());
    }
    if note.count_over {
        all.push(format!(
            "the task has called this tool {} times before, as often as its owner allows",
            note.calls
        ));
    }
    if note.repeats > 0 {
        all.push(format!("the very same call was made {} times before", note.repeats));
    }
    if note.targets > 1 {
        all.push(format!("with it, calls of this tool will have gone to {} different targets", note.targets));
    }
    if note.so_far.tainted_bytes > 0 {
        all.push(format!(
            "since it read strangers' text the task has read {} records, {} bytes, of what is not public",
            note.so_far.tainted_records, note.so_far.tainted_bytes
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> FlowNote {
        FlowNote {
            names: vec![1, 0, u16::MAX, 2],
            unbound: vec![1],
            carries: vec![3],
            copied: vec![3],
            ..FlowNote::default()
        }
    }

    fn noted() -> Noted {
        let arguments =
            vec![Provenance::UserAttested, Provenance::Untrusted, Provenance::Unknown, Provenance::Untrusted];
        Noted { note: note(), arguments, words: WordsGrade::Attested, plan: None, tool: None }
    }

    fn source(bits: u128, tool: &str, label: Label) -> SourceView {
        SourceView {
            call: CallId::from_bits(bits),
            at: None,
            route: None,
            route_name: None,
            tool: None,
            tool_name: Some(tool.into()),
            label: Some(label),
        }
    }

    #[test]
    fn names_of_arguments_are_counted_as_the_gate_counts_them() {
        let schema = r#"{"properties":{"to":{},"amount":{},"a\u0000b":{}},"type":"object"}"#;
        assert_eq!(places(schema), ["a\0b", "amount", "to"]);
        assert_eq!(places("no json"), [""; 0]);
        assert_eq!(places("[1]"), [""; 0]);
    }

    #[test]
    fn what_is_wrong_stands_first_and_places_mean_arguments_as_given() {
        let told = told(&noted(), vec![source(1, "mail/search", Label::MISSING)], None);
        let seen: Vec<_> = told.arguments.iter().map(|one| (one.place, one.wrong.clone())).collect();
        assert_eq!(
            seen,
            [
                (Some(2), vec![Wrong::Carries, Wrong::Copied]),
                (Some(0), vec![Wrong::Unbound]),
                (None, vec![]),
                (Some(1), vec![]),
            ]
        );
        let titles: Vec<_> = told.arguments.iter().map(ArgumentOrigin::title).collect();
        assert_eq!(titles[0], "argument 3 of a schema that is not kept any more");
        assert_eq!(titles[2], "an argument that the schema does not have");
        assert_eq!(told.arguments[3].says, "the user said it");
        assert_eq!(told.says, ["the user's words do not ask for this tool"]);
    }

    #[test]
    fn strangers_are_named_and_the_trusted_beside_them_are_not() {
        let clean = source(1, "crm/find", Label::CLEAN);
        let mail = source(2, "mail/search", Label::MISSING);
        let one = strangers(&[clean.clone(), mail.clone()], 0);
        let id = mail.call;
        assert_eq!(
            one,
            format!("comes from strangers: the answer of call `{id}` to `mail/search`, not from the user")
        );
        assert!(
            strangers(std::slice::from_ref(&clean), 0).contains("crm/find"),
            "planted, it was read there"
        );
        let many: Vec<SourceView> = (0..5).map(|bits| source(bits, "mail/search", Label::MISSING)).collect();
        let said = strangers(&many, 7);
        assert!(
            said.contains("or that of one of 9 other calls") && said.matches("call `").count() == 3,
            "{said}"
        );
        assert_eq!(strangers(&[], 0), "comes from strangers, not from the user");
        assert!(SourceView { label: None, ..clean }.is_untrusted(), "a missing label is untrusted");
    }
}
