//! What do these numbers carry, and where do they come from? Marks in weights and the descent of models, as statistics
//! with a null hypothesis and a bound.
//!
//! A file comes in as an [`Input`](alcaide_container::Input). [`layout`] says which tensors it has and believes no number of its header before
//! it was held against the file; [`numbers`] makes `f32` of any part of one, dequantised. [`chips`] turns a key into signs and sums
//! weights under them; all statistics are made of such sums, and their null hypothesis is that the key was drawn without
//! knowledge of the file, never that weights are distributed somehow. [`mark`] puts a keyed message into a new file and finds it again;
//! [`align`] undoes permuted and scaled neurons where the original is at hand; [`lineage`] makes cards of a base and says
//! whether a candidate descends from it. [`tail`] has the bounds.
//!
//! Left out on purpose: proof. A report says how improbable its finding is for an unrelated file, and on what that rests.
//!
//! Source: `docs/decisions/0011-weights.md`.

pub mod align;
pub mod chips;
pub mod layout;
pub mod lineage;
pub mod mark;
pub mod numbers;
pub mod tail;

#[cfg(test)]
mod noise;

/// A name from a file as an error may show it: at most 80 characters, control characters replaced.
fn cut(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
