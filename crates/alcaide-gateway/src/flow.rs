//! What the gate knows of where a task's data came from: the states of [`alcaide_flow`], one for each task, bounded.
//!
//! A call: [`Flows::hear`] opens the user's words that its credential names, once; [`Flows::judge`] says where its arguments
//! come from, before it is decided on; [`Flows::called`] takes it in once its intent is on disk. An answer:
//! [`Flows::answered`], before anything of it is released. None of it is journalled: what is lost makes a task forgotten,
//! which is stricter (decision note 5).

mod endorsed;
mod kept;
mod note;
mod planted;
mod read;
mod schema;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alcaide_flow::{Answer, Channels, Event, Field, Grade, Judgement, Said, Seed, Source, Task, Text};
use alcaide_identity::Credential;
use alcaide_inspect::normal;
use alcaide_inventory::fact::Facts;
use alcaide_inventory::id::{CallId, RouteId, TaskId, ToolId};
use alcaide_label::{Integrity, Label, Provenance};
use alcaide_ledger::{SHELF_TEXT_BYTES_MAX, Shelf};
use alcaide_memory::Memory;
use alcaide_record::{Digest, FlowNote, WordsGrade};
use alcaide_seal::digest::sha256;
use alcaide_seal::envelope::EnvelopeError;
use alcaide_seal::words::WordsKey;
use alcaide_wire::json::{Document, Limits, Value};

use kept::{Kept, Table, Unread, lock};
use note::note;
use planted::Planted;
pub use schema::ArgumentSchema;

use crate::mcp::handle::PutBack;
use crate::mcp::plan::ToolPlan;

/// Most different words that one task is heard to say.
const HEARD_MAX: usize = 64;
/// Longest wait until an order of the office that issued a token is heard of here.
const ISSUE_WAIT: Duration = Duration::from_millis(500);
/// Longest answer that is taken in at once; a longer one beside its release.
const AT_ONCE_BYTES_MAX: usize = 4 << 10;
/// Most bytes of answers that wait to be taken in; past it none waits.
const UNREAD_BYTES_MAX: usize = 16 << 20;
/// Most bytes that one answer's encoded parts are decoded to.
const DECODED_BYTES_MAX: usize = 1 << 20;

/// The states of all tasks, and what lies in stores that is strangers'.
pub(crate) struct Flows {
    seed: Seed,
    key: WordsKey,
    strictest: Arc<Facts>,
    table: Mutex<Table>,
    /// Digests and values that the tasks of the table keep.
    weight: AtomicUsize,
    /// Bytes of answers that their tasks have not taken in.
    unread_bytes: AtomicUsize,
    planted: Mutex<HashMap<Digest, Planted>>,
}

/// Most digests that one call is told to have written.
const WRITTEN_MAX: usize = SHELF_TEXT_BYTES_MAX / 8;
/// What lies on the shelf in the place of more: no whole number of digests.
const EVERYTHING: &[u8] = b"*";
/// A call of a tool as it was judged.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    pub(crate) channels: Channels,
    pub(crate) note: FlowNote,
    pub(crate) grade: WordsGrade,
    /// What it writes that strangers may have had a part in, as bytes for the shelf; and where to.
    pub(crate) plants: Option<(Vec<u8>, Digest)>,
    store: Digest,
    tool: Option<ToolId>,
    facts: Arc<Facts>,
    schema: Option<Arc<ArgumentSchema>>,
    /// What its answer makes of the task.
    reads: Label,
}

impl Judged {
    /// Whether its answer carries a mark of the task.
    pub(crate) fn marks(&self) -> bool {
        self.facts.canary
    }

    /// Places of its answer whose texts are given by handle, as pointers; none where all of it is given as it is.
    pub(crate) fn handled(&self) -> &[String] {
        &self.facts.handle_output
    }

    /// Where each argument comes from, as policies see it.
    pub(crate) fn provenance(&self) -> Vec<(&str, Provenance)> {
        self.judgement.origins.iter().map(|origin| (&*origin.name, origin.from)).collect()
    }

    /// The facts, as policies see them.
    pub(crate) fn facts(&self) -> alcaide_policy::Flow<'_> {
        let made = &self.judgement;
        alcaide_policy::Flow {
            unbound: &made.unbound,
            copied: &made.copied,
            carries: &made.carries,
            leaks: &self.channels.leaks,
            look_alikes: &self.channels.look_alikes,
            handles: &made.handles,
            over: &made.over,
            in_scope: made.in_scope,
            reaches_out: made.reaches_out,
            own_words: made.own_words,
            named: made.named,
            calls: made.calls,
            count_over: self.note.count_over,
            repeats: made.repeats,
            targets: made.targets,
            argument_bytes: made.argument_bytes,
            so_far: {
                let done = made.so_far;
                alcaide_policy::SoFar {
                    calls: done.calls,
                    effects: done.effects,
                    read_bytes: done.read_bytes,
                    read_records: done.read_records,
                    tainted_bytes: done.tainted_bytes,
                    tainted_records: done.tainted_records,
                }
            },
            forgotten: made.forgotten,
        }
    }
}

/// A call that is to be judged.
pub(crate) struct Asked<'a> {
    pub(crate) task: TaskId,
    /// The task's label now.
    pub(crate) label: Label,
    /// What is declared of the tool; nothing where its definition is not the accepted one.
    pub(crate) tool: Option<&'a ToolPlan>,
    /// What its answer makes of the task.
    pub(crate) reads: Label,
    /// The bytes of its arguments.
    pub(crate) arguments: &'a [u8],
    /// Handles that were put back into them.
    pub(crate) handles: Option<&'a PutBack>,
    /// Hosts that owners named.
    pub(crate) hosts: &'a [Box<str>],
    /// The store that it writes to and reads from.
    pub(crate) store: Digest,
}

/// An answer before it is released.
pub(crate) struct Answered<'a> {
    pub(crate) task: TaskId,
    pub(crate) call: CallId,
    pub(crate) route: RouteId,
    /// How the call was judged, where it was one of a tool.
    pub(crate) judged: Option<&'a Arc<Judged>>,
    /// Everything that carries text, with its bytes.
    pub(crate) texts: &'a [(Range<usize>, &'a str)],
    /// A tool's structured result.
    pub(crate) structured: Option<Value<'a, 'a>>,
    /// What it has been said to be beside what is declared; strangers' text, where nothing was said and no tool was called.
    pub(crate) stated: Option<Label>,
}

impl Flows {
    /// Nothing is known of any task; what lies in stores is what memory was told and the shelf holds.
    ///
    /// # Errors
    /// [`EnvelopeError`] if the library of cryptography failed.
    pub(crate) fn new(key: WordsKey, memory: &Memory, shelf: &Shelf) -> Result<Self, EnvelopeError> {
        let mut planted: HashMap<Digest, Planted> = HashMap::new();
        for (store, texts) in memory.planted() {
            let mut known = Planted::Known(HashSet::new());
            for text in texts.iter().flatten() {
                match shelf.take(&text.0.into()) {
                    Ok(Some(bytes)) => known.add(&bytes),
                    _ => known = Planted::All,
                }
            }
            planted.insert(store, if texts.is_some() { known } else { Planted::All });
        }
        Ok(Self {
            seed: Seed::new(key.seed()?),
            key,
            strictest: Arc::new(Facts::strictest()),
            table: Mutex::default(),
            weight: AtomicUsize::new(0),
            unread_bytes: AtomicUsize::new(0),
            planted: Mutex::new(planted),
        })
    }

    fn planted(&self) -> MutexGuard<'_, HashMap<Digest, Planted>> {
        self.planted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task has read something that is not known here.
    pub(crate) fn forget(&self, task: TaskId) {
        let kept = self.kept(task, Label::MISSING);
        self.step(&kept, Event::Forgot);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while holding the lock leaves states that are at worst too strict.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a task; a task whose state is not here and that has read something is forgotten.
    fn kept(&self, task: TaskId, label: Label) -> Arc<Mutex<Kept>> {
        let mut table = self.table();
        table.uses = table.uses.saturating_add(1);
        let used = table.uses;
        if let Some(kept) = table.tasks.get(&task) {
            let kept = Arc::clone(kept);
            drop(table);
            lock(&kept).used = used;
            return kept;
        }
        table.make_room(&self.weight);
        let new = Task::new(self.seed);
        let new = if label.integrity == Integrity::Untrusted { new.step(Event::Forgot) } else { new };
        let kept = Arc::new(Mutex::new(Kept::new(new, used)));
        table.tasks.insert(task, Arc::clone(&kept));
        kept
    }

    fn step(&self, kept: &Mutex<Kept>, event: Event<'_>) {
        let mut held = self.open(kept);
        self.change(&mut held, |task| task.step(event));
    }

    /// The state of a task that has taken in all that was answered so far.
    fn open<'k>(&self, kept: &'k Mutex<Kept>) -> MutexGuard<'k, Kept> {
        let mut held = lock(kept);
        while let Some(unread) = held.unread.pop_front() {
            self.unread_bytes.fetch_sub(unread.bytes(), Ordering::Relaxed);
            self.change(&mut held, |task| self.take_in(task, &unread));
        }
        held
    }

    fn change(&self, held: &mut Kept, step: impl FnOnce(Task) -> Task) {
        // A step that never came back has left nothing: what it knew is lost, and the task is forgotten.
        let task = step(held.task.take().unwrap_or_else(|| self.lost()));
        let (before, now) = (held.weight, task.weight());
        held.weight = now;
        held.task = Some(task);
        if held.left {
            return;
        }
        self.weight.fetch_add(now.saturating_sub(before), Ordering::Relaxed);
        self.weight.fetch_sub(before.saturating_sub(now), Ordering::Relaxed);
    }

    /// A task of which nothing is known any more.
    fn lost(&self) -> Task {
        Task::new(self.seed).step(Event::Forgot)
    }

    /// Waits until memory knows the task, which another thread tells it, and opens the words that the credential names, and
    /// what people endorsed in the task. Words that cannot be opened are not there, which is stricter.
    pub(crate) async fn hear(&self, memory: &Memory, shelf: Shelf, credential: &Credential) {
        let task = credential.principal.task;
        if !memory.knows(task) {
            let mut issues = memory.issues();
            let known = async {
                loop {
                    issues.borrow_and_update();
                    if memory.knows(task) || issues.changed().await.is_err() {
                        return;
                    }
                }
            };
            // Out of time, it is judged as a task of which nothing is known.
            let _ = tokio::time::timeout(ISSUE_WAIT, known).await;
        }
        self.hear_endorsed(memory, &shelf, task).await;
        let Some(words) = credential.words else { return };
        let kept = self.kept(task, memory.label(task));
        if lock(&kept).heard.contains(&words) {
            return;
        }
        let taken = tokio::task::spawn_blocking(move || shelf.take(&words)).await;
        let opened = match taken {
            Ok(Ok(Some(sealed))) => self.key.open(&sealed).map_err(|error| error.to_string()),
            Ok(Ok(None)) => Err("they are not on the shelf".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match opened {
            Ok(text) => {
                let said = Said::new(Grade::Attested, text.expose(), self.seed);
                let mut held = lock(&kept);
                if held.heard.contains(&words) {
                    return;
                }
                held.heard.push(words);
                drop(held);
                self.step(&kept, Event::Said(said));
            }
            Err(why) => tracing::warn!(%task, why, "the user's words cannot be opened"),
        }
    }

    /// User turns of an agent whose owner trusts them. Only those count that came before the task had read anything of
    /// strangers: what comes after it may be theirs. Each is heard once.
    pub(crate) fn asserted<'t>(&self, memory: &Memory, task: TaskId, turns: impl Iterator<Item = &'t str>) {
        let label = memory.label(task);
        if label.integrity == Integrity::Untrusted {
            return;
        }
        let kept = self.kept(task, label);
        for turn in turns {
            let digest = sha256(turn.as_bytes());
            let mut held = lock(&kept);
            if held.heard.len() >= HEARD_MAX || held.heard.contains(&digest) {
                continue;
            }
            held.heard.push(digest);
            drop(held);
            self.step(&kept, Event::Said(Said::new(Grade::Asserted, turn, self.seed)));
        }
    }

    /// Says where the arguments of a call come from. What is no JSON object has been refused before.
    pub(crate) fn judge(&self, asked: &Asked<'_>) -> Judged {
        let facts = asked.tool.map_or(&self.strictest, |tool| &tool.facts);
        let schema = asked.tool.map(|tool| &*tool.schema);
        let tool = asked.tool.map(|tool| tool.id);
        let kept = self.kept(asked.task, asked.label);
        let tainted = asked.label.integrity == Integrity::Untrusted;
        let writes = facts.effect.is_consequential() && tainted;
        let back = asked.handles.map(|back| &*back.arguments).unwrap_or_default();
        let judged = with_arguments(asked.arguments, (schema, back), |arguments| {
            let held = self.open(&kept);
            let lost;
            let task = match &held.task {
                Some(task) => task,
                None => {
                    lost = self.lost();
                    &lost
                }
            };
            let written = if writes {
                task.writes(facts, arguments)
            } else {
                // A text that the agent has not read is strangers' wherever it goes, whatever the task has read.
                let handed: Vec<_> = arguments.iter().filter(|argument| argument.handle).cloned().collect();
                if handed.is_empty() { Vec::new() } else { task.writes(facts, &handed) }
            };
            let channels = task.channels(arguments, asked.label, asked.hosts);
            (task.judge(tool, facts, arguments, asked.label), channels, task.grade(), written)
        });
        let (judgement, channels, grade, written) = judged;
        let plants = (!written.is_empty()).then(|| {
            // More than the shelf takes is told as everything.
            let bytes = if written.len() > WRITTEN_MAX {
                EVERYTHING.to_vec()
            } else {
                written.iter().flat_map(|digest| digest.to_be_bytes()).collect()
            };
            (bytes, asked.store)
        });
        let handed = asked.handles.map(|back| &*back.calls).unwrap_or_default();
        let note = note((&judgement, &channels), (schema, handed), &kept);
        let grade = match grade {
            Some(Grade::Attested) => WordsGrade::Attested,
            Some(Grade::Asserted) => WordsGrade::Asserted,
            None => WordsGrade::None,
        };
        Judged {
            judgement,
            channels,
            note,
            grade,
            plants,
            store: asked.store,
            tool,
            facts: Arc::clone(facts),
            schema: asked.tool.map(|tool| Arc::clone(&tool.schema)),
            reads: asked.reads,
        }
    }

    /// A call that was judged has left.
    pub(crate) fn called(&self, task: TaskId, label: Label, judged: &Judged, arguments: &[u8]) {
        let kept = self.kept(task, label);
        // Read as they were judged, so that the same call is known again.
        let handles = &*judged.judgement.handles;
        with_arguments(arguments, (judged.schema.as_deref(), handles), |arguments| {
            self.step(&kept, Event::Called { tool: judged.tool, facts: &judged.facts, arguments, label });
        });
        if let Some((written, store)) = &judged.plants {
            self.planted().entry(*store).or_insert_with(|| Planted::Known(HashSet::new())).add(written);
        }
    }

    /// Whether a text holds what a task that had read strangers' text wrote into the store.
    fn is_planted(&self, store: Digest, text: &str) -> bool {
        match self.planted().get(&store) {
            None => false,
            Some(Planted::All) => true,
            Some(Planted::Known(known)) if known.is_empty() => false,
            Some(Planted::Known(known)) => {
                alcaide_flow::digests(self.seed, text).iter().any(|digest| known.contains(digest))
            }
        }
    }

    /// An answer is about to be released. Says what label it has beyond what was declared, if it has: it holds what a task
    /// that had read strangers' text wrote there. A long one is read beside its release, but before anything is judged or
    /// said of its task again.
    #[must_use]
    pub(crate) fn answered(self: &Arc<Self>, memory: &Memory, answered: &Answered<'_>) -> Option<Label> {
        let kept = self.kept(answered.task, memory.label(answered.task));
        let judged = answered.judged;
        let stated = answered.stated.unwrap_or(Label::CLEAN);
        let label = match (judged, answered.stated) {
            (Some(judged), _) => judged.reads.join(stated),
            (None, Some(stated)) => stated,
            (None, None) => Label::MISSING,
        };
        let declared = labels(judged.map(|judged| &**judged), label, answered.structured);
        let label_of = |span: &Range<usize>| declared(span).join(stated);
        let mut texts: Vec<(Box<str>, Label)> =
            answered.texts.iter().map(|(span, text)| (Box::from(*text), label_of(span))).collect();
        let raised = judged.is_some_and(|judged| self.raise(judged.store, &mut texts));
        let resolves = match (judged, answered.structured) {
            (Some(judged), Some(structured)) => {
                read::record(&judged.facts, structured, &judged.judgement.said)
                    .map(|record| read::resolved(&judged.facts, record))
                    .unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let source = Source {
            call: answered.call,
            route: Some(answered.route),
            tool: judged.and_then(|judged| judged.tool),
            label,
        };
        let resolves = resolves.into_iter().map(|text| text.into_owned().into_boxed_str()).collect();
        let size = read::size(judged.map(|judged| &*judged.facts), answered);
        self.put_off(kept, Unread { source, texts, resolves, judged: judged.map(Arc::clone), size });
        raised.then_some(Label { integrity: Integrity::Untrusted, ..label })
    }

    /// Labels as strangers' what a task that had read strangers' text wrote into this store, however it is encoded; whether
    /// there was such.
    fn raise(&self, store: Digest, texts: &mut [(Box<str>, Label)]) -> bool {
        if !self.planted().contains_key(&store) {
            return false;
        }
        let (mut raised, mut budget) = (false, DECODED_BYTES_MAX);
        for (text, label) in texts.iter_mut().filter(|(_, label)| label.integrity == Integrity::Trusted) {
            let hidden = normal::decodings(text, budget).texts;
            budget = budget.saturating_sub(hidden.iter().map(String::len).sum());
            let all = std::iter::once(&**text).chain(hidden.iter().map(String::as_str));
            if all.into_iter().any(|text| self.is_planted(store, text)) {
                label.integrity = Integrity::Untrusted;
                raised = true;
            }
        }
        raised
    }

    /// Keeps an answer for who looks at its task next; a long one is read at once, on another thread.
    fn put_off(self: &Arc<Self>, kept: Arc<Mutex<Kept>>, unread: Unread) {
        let bytes = unread.bytes();
        lock(&kept).unread.push_back(unread);
        let before = self.unread_bytes.fetch_add(bytes, Ordering::Relaxed);
        let beside = bytes > AT_ONCE_BYTES_MAX && before.saturating_add(bytes) < UNREAD_BYTES_MAX;
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if beside => {
                let flows = Arc::clone(self);
                runtime.spawn_blocking(move || drop(flows.open(&kept)));
            }
            _ => drop(self.open(&kept)),
        }
    }

    /// Takes an answer in.
    fn take_in(&self, task: Task, unread: &Unread) -> Task {
        let mut decoded: Vec<(String, Label)> = Vec::new();
        let (mut budget, mut cut) = (DECODED_BYTES_MAX, false);
        for (text, label) in &unread.texts {
            let hidden = normal::decodings(text, budget);
            cut |= hidden.cut;
            budget = budget.saturating_sub(hidden.texts.iter().map(String::len).sum());
            decoded.extend(hidden.texts.into_iter().map(|text| (text, *label)));
        }
        let texts: Vec<Text<'_>> = unread
            .texts
            .iter()
            .map(|(text, label)| Text { text, label: *label })
            .chain(decoded.iter().map(|(text, label)| Text { text, label: *label }))
            .collect();
        let fields: Vec<Field<'_>> = unread.resolves.iter().map(|text| Field { text }).collect();
        let judged = unread.judged.as_deref();
        let task = task.step(Event::Answered(Answer {
            source: unread.source,
            texts: &texts,
            resolves: &fields,
            facts: judged.map(|judged| &*judged.facts),
            judged: judged.map(|judged| &judged.judgement),
            size: unread.size,
        }));
        if cut && unread.source.label.integrity == Integrity::Untrusted {
            // Some of what strangers hide in it is not known here.
            return task.step(Event::Forgot);
        }
        task
    }
}

/// The labels of places in an answer: declared ones where they lie in its structured result.
fn labels(
    judged: Option<&Judged>,
    label: Label,
    structured: Option<Value<'_, '_>>,
) -> impl Fn(&Range<usize>) -> Label {
    let parts = match (judged, structured) {
        (Some(judged), Some(structured)) => read::parts(&judged.facts, structured),
        _ => Vec::new(),
    };
    let whole = judged.and_then(|judged| whole_label(&judged.facts)).unwrap_or(label);
    let structured = structured.map(Value::span);
    move |span| {
        let within = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
        if !structured.as_ref().is_some_and(within) {
            return label;
        }
        parts.iter().rev().find(|(outer, _)| within(outer)).map_or(whole, |(_, label)| *label)
    }
}

/// The label of the whole result, where one is declared.
fn whole_label(facts: &Facts) -> Option<Label> {
    let whole = facts.output.iter().find(|fact| fact.pointer.is_empty())?;
    Some(Label { confidentiality: whole.confidentiality, integrity: whole.integrity })
}

/// Limits for what is a part of a message that was parsed as a whole: whatever an operator let in is looked at.
pub(crate) fn within(bytes: &[u8]) -> Limits {
    Limits { bytes: bytes.len(), ..Limits::default() }
}

fn with_arguments<T>(
    bytes: &[u8],
    (schema, handles): (Option<&ArgumentSchema>, &[Box<str>]),
    then: impl FnOnce(&[alcaide_flow::Argument<'_>]) -> T,
) -> T {
    let document = Document::parse(bytes, &within(bytes));
    let Ok(document) = &document else { return then(&[]) };
    let names: Vec<String> = document.root().entries().map(|entry| entry.key.into_owned()).collect();
    then(&read::arguments(document.root(), (schema, handles), &names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_longer_than_the_default_limit_are_looked_at() {
        let text = "x".repeat(1 << 20);
        let count = Limits::default().bytes / text.len() + 1;
        let members: Vec<String> = (0..count).map(|at| format!("\"m{at}\":\"{text}\"")).collect();
        let json = format!("{{{}}}", members.join(","));
        assert!(Document::parse(json.as_bytes(), &Limits::default()).is_err());
        assert_eq!(with_arguments(json.as_bytes(), (None, &[]), |arguments| arguments.len()), count);
    }
}
