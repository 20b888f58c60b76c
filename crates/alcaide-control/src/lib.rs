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
//! | [`orders`] | kill, revoke |
//! | `approvals` | questions of the gate, and people's answers |
//! | [`flow`] | where the arguments of calls come from, what a task read and did, what a source touched, what an agent's rights are used for |
//! | [`tools`], `offers` | what tool servers offer, what was accepted of it |
//! | [`models`] | versions of models, evidence about them, release and revocation |
//! | [`definition`] | how two definitions of a tool differ |
//! | [`propose`] | facts of a tool, guessed from its definition |
//! | `visible` | a stranger's text as people may see it |
//! | [`sessions`] | how people come to the console |
//! | [`query`], [`passage`], [`survey`] | what happened, one call in full, how it all stands |
//! | `prune` | what the store keeps no longer |
//! | [`log`] | the record itself: entries, tiles, proofs |
//! | [`backup`] | copies, and whether they hold |
//!
//! Ledger and store: what the ledger must not hold is written to the store first and comes into force by the entry;
//! the order of every change, and how a restart converges, is told in [`office`].
//!
//! Absent on purpose: HTTP, sockets, clocks (time comes in as [`Clock`]), the upstreams, and the bodies of calls.

pub mod backup;
pub mod change;
pub mod definition;
pub mod enrol;
pub mod flow;
pub mod folder;
pub mod log;
pub mod models;
pub mod office;
pub mod orders;
pub mod passage;
pub mod propose;
pub mod query;
pub mod secrets;
pub mod sessions;
pub mod survey;
pub mod tokens;
pub mod tools;

mod approvals;
mod by;
mod calls;
mod error;
mod lag;
mod offers;
mod place;
mod plans;
mod project;
mod prune;
mod replay;
mod schema;
mod sql;
mod studies;
mod view;
mod visible;

pub use alcaide_flow::{Decisive, DecisiveValue};
pub use alcaide_inspect::poison::{self, ToolFinding};
pub use alcaide_record::{Approver, Digest, Proven, ScanVerdict, VersionState};
pub use approvals::{
    APPROVAL_LIFE, AnswerCount, ApproverView, Batch, Decision, Endorsement, FoldedQuestions, Queue,
    TaskQuestions, YES_MAX, YES_SPAN, YesLeft, YesLimits, question_digest,
};
pub use backup::{check_backup, orders_since, unpack_backup};
pub use by::{By, Held, Operation};
pub use change::{Edit, Thing, diff};
pub use definition::{Definition, Difference};
pub use enrol::enrolment_proof;
pub use error::{Blame, OfficeError};
pub use flow::{
    AgentReport, ArgumentOrigin, Asked, FlowCall, FlowEdge, GrantUse, Habit, Influence, Origins,
    QuestionView, REACH_CALLS_MAX, Reach, ReachCall, ReachOf, ReachStore, ReachTask, ReadBack, Receiver,
    SourceView, TASK_CALLS_MAX, TaskFlow, Took, Use, Wrong,
};
pub use folder::{FolderError, read_folder};
pub use models::{
    Choice, EvidenceView, ModelDetail, ModelOrdered, ModelView, OnDisk, Registered, Registration,
    ReleaseView, ScanView, SignatureView, VersionView,
};
pub use office::{Adopted, Clock, Keys, Office, Parts, Trial};
pub use passage::{Happened, Passage, Step};
pub use place::plan_apart;
pub use plans::plan_bytes;
pub use prune::PLANS_KEPT;
pub use schema::MIGRATIONS;
pub use sessions::{ConsoleLink, FormToken, Opened, Session, Touch};
pub use survey::{PlanDifference, Survey};
pub use tokens::{ClientCredentials, Exchange, Proof, TaskOrder};
pub use tools::{DefinitionView, ToolDetail, ToolFilter, ToolOrdered, ToolState, ToolView};
pub use view::{
    ActivityFilter, ActorState, AgentView, Applied, ApprovalState, ApprovalView, BackupReport, CallState,
    CallView, Change, CredentialView, Cursor, Enrolment, Fault, Granted, HeldSource, Kind, OrderView, Page,
    Paging, PlanView, Preview, SecretView, UsageBy, UsageFilter, UsageView, What, YesView,
};
pub use visible::{is_hidden, visible, visible_line};
