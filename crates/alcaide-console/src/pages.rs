//! One module per page. Each page says what it shows, whether that is well, and what to do next.

pub(crate) mod activity;
pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod approvers;
pub(crate) mod batch;
pub(crate) mod begin;
pub(crate) mod call;
pub(crate) mod enter;
pub(crate) mod evidence;
pub(crate) mod facts;
pub(crate) mod graph;
pub(crate) mod log;
pub(crate) mod models;
pub(crate) mod origins;
pub(crate) mod overview;
pub(crate) mod peers;
pub(crate) mod plans;
pub(crate) mod reach;
pub(crate) mod report;
pub(crate) mod stages;
pub(crate) mod tasks;
pub(crate) mod tools;

use alcaide_control::{Cursor, Paging};
use maud::{Markup, html};
use serde::Deserialize;

/// What a page is asked for beside its path.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct After {
    /// What was just done.
    pub(crate) done: Option<String>,
    /// Where a list goes on.
    pub(crate) cursor: Option<String>,
}

impl After {
    /// The part of a list that is asked for.
    pub(crate) fn paging(&self) -> Paging {
        Paging { limit: None, after: self.cursor.as_deref().map(Cursor::from_text) }
    }
}

/// The way to the older part of the list at `path`, where there is one.
pub(crate) fn older(path: &str, next: Option<&Cursor>, what: &str) -> Markup {
    html! { @if let Some(next) = next { p { a rel="next" href={ (path) "?cursor=" (next.as_str()) } { "Older " (what) } } } }
}
