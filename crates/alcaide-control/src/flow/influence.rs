//! Whose words can have had a part in an answer: what the task of a call had read of strangers before it.

use alcaide_inventory::id::CallId;
use alcaide_label::Integrity;
use alcaide_store::Transaction;
use serde::{Deserialize, Serialize};

use super::facts::CallFacts;
use super::origins::{SOURCES_MAX, SourceView, source_of};
use super::task::TASK_CALLS_MAX;
use crate::by::{By, Operation};
use crate::calls;
use crate::error::OfficeError;
use crate::office::Office;
use crate::query::Names;
use crate::sql::int;
use crate::view::ActivityFilter;

/// What a task had read of strangers before one of its calls.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Influence {
    /// The calls whose answers strangers can have written, the newest first.
    pub sources: Vec<SourceView>,
    /// Whether there can be more: earlier calls than are looked at, or a label that came with the task.
    pub more: bool,
}

impl Office {
    /// What the task of a call had read of strangers before it; nothing where its label says that it had read none.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`]; else what store and ledger say.
    pub async fn influence(&self, by: &By, call: CallId) -> Result<Option<Influence>, OfficeError> {
        self.allow(by, Operation::SeeActivity).await?;
        let (ledger, plan) = (self.0.ledger.clone(), self.current());
        let read = move |tx: &Transaction<'_>| {
            let found = calls::find(tx, call)?.ok_or_else(|| OfficeError::unknown("call", &call))?;
            let own = CallFacts::of(&ledger, &found.entries)?;
            let untrusted = own.label.is_some_and(|label| label.integrity == Integrity::Untrusted);
            let (Some(task), Some(entry), true) = (found.task, found.entries.first(), untrusted) else {
                return Ok(None);
            };
            let filter = ActivityFilter { task: Some(task), ..ActivityFilter::default() };
            let page = calls::list(tx, &filter, TASK_CALLS_MAX, int(*entry))?;
            let names = Names::of(&plan);
            let mut sources = Vec::new();
            let mut more = page.next.is_some();
            for before in &page.items {
                let facts = CallFacts::of(&ledger, &before.entries)?;
                if facts.reads.is_none_or(|label| label.integrity != Integrity::Untrusted) {
                    continue;
                }
                if sources.len() >= SOURCES_MAX {
                    more = true;
                    break;
                }
                sources.push(source_of(before, &names, facts.reads));
            }
            // Its task was begun by one that had read strangers, or it is forgotten what it read.
            more |= sources.is_empty();
            Ok::<_, OfficeError>(Some(Influence { sources, more }))
        };
        self.0.store.read(read).await
    }
}
