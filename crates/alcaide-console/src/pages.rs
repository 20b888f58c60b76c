//! One module per page. Each page says what it shows, whether that is well, and what to do next.

pub(crate) mod activity;
pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod call;
pub(crate) mod enter;
pub(crate) mod log;
pub(crate) mod overview;
pub(crate) mod plans;
pub(crate) mod stages;
pub(crate) mod tools;

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
