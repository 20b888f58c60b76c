//! What may be done, and by whom? The office: every authorised operation.
//!
//! Who asks comes in as [`By`], and a table says who may ([`Operation::roles`]); a refused attempt is in the record
//! before it is told. What is declared comes in as a whole ([`Office::apply`]), becomes a numbered plan and goes down
//! a watch channel to the gate; orders ([`Office::kill`] and its like) go down through the ledger. What happened comes
//! up through the ledger: [`Office::follow`] keeps projections of it, and the queries read those.
//!
//! | module | what |
//! |---|---|
//! | [`office`] | what it is made of, how it begins, how it follows |
//! | `by` | who asks, and the table of operations and roles |
//! | [`folder`], [`change`] | a Git folder, differences, small edits |
//! | `plans` | declarations come into force |
//! | [`secrets`] | upstream secrets |
//! | [`enrol`] | client credentials |
//! | [`tokens`] | access tokens |
//! | [`orders`] | kill, revoke, accept, approve |
//! | [`query`] | what happened |
//! | [`log`] | the record itself: entries, tiles, proofs |
//! | [`backup`] | copies, and whether they hold |
//!
//! Ledger and store: what the ledger must not hold is written to the store first and comes into force by the entry;
//! the order of every change, and how a restart converges, is told in [`office`].
//!
//! Absent on purpose: HTTP, sockets, clocks (time comes in as [`Clock`]), the upstreams, and the bodies of calls.

pub mod backup;
pub mod change;
pub mod enrol;
pub mod folder;
pub mod log;
pub mod office;
pub mod orders;
pub mod query;
pub mod secrets;
pub mod tokens;

mod by;
mod error;
mod lag;
mod place;
mod plans;
mod project;
mod replay;
mod schema;
mod sql;
mod view;

pub use backup::{check_backup, orders_since, unpack_backup};
pub use by::{By, Operation};
pub use change::{Edit, Thing, diff};
pub use enrol::enrolment_proof;
pub use error::{Blame, OfficeError};
pub use folder::{FolderError, read_folder};
pub use office::{Clock, Keys, Office, Parts, Trial};
pub use orders::question_digest;
pub use plans::plan_bytes;
pub use schema::MIGRATIONS;
pub use tokens::{ClientCredentials, Exchange, TaskOrder};
pub use view::{
    ActivityFilter, ActorState, AgentView, Applied, ApprovalState, ApprovalView, BackupReport, CallState,
    CallView, Change, CredentialView, Cursor, Enrolment, Fault, Granted, Kind, OrderView, Page, Paging,
    PlanView, Preview, SecretView, UsageBy, UsageFilter, UsageView, What,
};
