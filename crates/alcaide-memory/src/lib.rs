//! What must the gate remember? Reserved and used budgets, labels of tasks, epochs of actors, revoked tokens,
//! proofs that were seen, questions, their answers and how often they are asked: all that a decision depends on beside the plan; bounded.
//!
//! **Memory is journalled.** Every change stands in the ledger entry that causes it (`Effect`, `Settlement`, orders,
//! issued tokens), so that [`Memory`] can be rebuilt: from a [`snapshot`] and the entries after it, or from all
//! entries. Live changes and replayed entries go through the same functions.
//!
//! How data moves: a call *reserves* ([`Memory::reserve`]) before its intent is written, so that calls in flight see
//! each other; the [`Reservation`] is then *journalled* under the intent's ledger index, and *settled* with the
//! outcome. A reservation that is dropped before it was journalled is given back; one that was journalled and never
//! settled stays charged in full: what is unknown is not free.
//!
//! Memory knows how old its orders are ([`Memory::hears`]); without somebody who follows the ledger no credential is
//! good any more.
//!
//! What cannot be rebuilt is untrusted or refused: an unknown task has [`alcaide_label::Label::MISSING`], and proofs of possession made
//! before the gate was ready are not taken.

mod budget;
mod hearing;
mod journal;
mod question;
mod rate;
mod replay;
pub mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use budget::{BudgetAsk, Exhausted, Reservation, period_start};
pub use question::{AskError, Opening, QUESTIONS_MAX, QUESTIONS_OF_ACTOR_MAX, Standing, Taken, question_key};
pub use rate::{AskLimits, Asker, RATE_MAX, RATE_SPAN};
pub use replay::{ReplayError, Seen};
pub use state::{Memory, NotGood};
