//! Model files as a stranger would send them, judged through the public face of the crate.

mod assemble;
mod cross;
mod peer;
mod properties;
mod tricks;
