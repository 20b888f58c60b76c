//! Where did it come from? What a task has been told and has read, and where the arguments of its calls come from.
//!
//! How data moves: the user's words become [`Said`]; each answer is taken in by [`Task::step`] before it is released, each
//! call is judged by [`Task::judge`] before it is decided, and taken in once it has left. A [`Judgement`] states facts
//! for policy — which control arguments nobody but a stranger can have named, which texts are copied, what they carry —
//! and decides nothing itself. Decision note 5 tells why.
//!
//! A value that people endorsed ([`Event::Endorsed`]) takes its argument off the unbound ones of that task, where the argument
//! decides and is no free text, and changes nothing else: it makes no look-up resolve and no text the user's.
//!
//! An engine: no socket, no file, no clock, no randomness; the [`Seed`] of its digests comes in as a value. Of what was
//! read it keeps digests of runs of words and of values, never the text. All of it is bounded; what would not fit makes
//! the task *forgotten*, and a forgotten task binds nothing but the user's words.
//!
//! Two forms of the normaliser ([`alcaide_inspect::normal`]): words bind by the exact one, what was read is found by the
//! loose one, so that a mistake asks a question too many.

mod bounds;
mod channels;
mod decisive;
mod judge;
mod said;
mod seen;
mod task;

pub use bounds::{Size, SoFar, TARGETS_MAX};
pub use channels::Channels;
pub use decisive::{
    DECISIVE_BYTES_MAX, DECISIVE_MAX, Decisive, DecisiveValue, ENDORSED_MAX, decides, may_be_endorsed,
};
pub use judge::{Argument, Judgement, Leaf, Origin};
pub use said::{Grade, SAID_BYTES_MAX, Said};
pub use seen::{Seed, digests};
pub use task::{Answer, BOUND_MAX, Event, Field, RUNS_MAX, SOURCES_MAX, Source, SourceNumber, Task, Text};

#[cfg(test)]
mod tests;
