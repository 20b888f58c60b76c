//! May they? Cedar: a plan compiled into something that decides in a few microseconds, explains itself, and is
//! validated against the types of the tools that it is about.
//!
//! ```text
//! Plan ── House (entities) ─┬─ schema: one action per typed tool ── strict validation ── faults with places
//!      └─ Sources (policies)┘
//! Compiled::decide(Ask) ── slice (actor, action, resource) ── memory of decisions ── evaluate the rest ── weigh
//! ```
//!
//! - **Policies** are three kinds: files shipped in `default/`, one `permit` per grant (`grant:agent/NAME:GRANT`), and
//!   the plan's own Cedar files. What nothing permits is refused.
//! - **Tools have types.** Each declared tool is an action of its own, `Action::"server/tool"`, a member of the group
//!   `call_tool`; `context.args` of that action is a record made of the tool's accepted JSON Schema. `args` is
//!   optional, because a tool may also only be looked at (is it to be listed?): policies test `context has args`.
//! - **Annotations** carry what Cedar has no words for: `@obligation`, `@ask`, `@reason`, `@cure`, `@control`, `@id`.
//!   The list is closed.
//! - **Speed** comes from deciding once what cannot change while a plan lives, and from remembering decisions under
//!   exactly what was read. Both are checked against Cedar's own authorizer in the tests.
//!
//! Sources: the Cedar policy language (docs.cedarpolicy.com), JSON Schema 2020-12, RFC 6901, RFC 8693, RFC 9449.
//!
//! - **Properties** of the whole set over all calls are proved by a solver, or shown false by a call ([`Analysis`]).
//!
//! Left out: the evidence of models.

mod analyse;
mod args;
mod ask;
mod cache;
mod cases;
mod compile;
mod counts;
mod decide;
mod explain;
mod expr;
mod fault;
mod house;
mod note;
mod outcome;
mod schema;
mod shade;
mod slice;
mod source;

pub use analyse::{Analysis, Answer, Claim, Counterexample, Finding, Proof, Property, Solve};
pub use ask::{
    Action, Ask, Context, Flow, ModelFiles, ModelScan, ModelSignature, ModelSigner, ModelStanding,
    ModelVerdict, Resource, SoFar, UserWords,
};
pub use cases::{CaseContext, CaseError, CaseReport, CaseResult, Described};
pub use compile::{Compiled, check};
pub use explain::{
    Article, Change, Clause, ClauseKind, Considered, Effect, Explanation, Hindsight, Lost, Near, Reading,
    Recorded, Remedy, Seen, Verdict, Who,
};
pub use fault::{Notice, PolicyFault, Report, Rule};
pub use outcome::{
    Approver, CODE_FORBIDDEN, CODE_NOT_PERMITTED, CODE_UNCLEAR, CODE_UNKNOWN, Cap, Decision, EvalError,
    Obligation, Outcome, PolicyRef,
};

#[cfg(test)]
mod tests;
