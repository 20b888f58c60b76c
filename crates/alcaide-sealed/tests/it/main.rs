//! Sealed files from outside: everything that can be done to one, and what its readers then say.

mod container;
mod header;
mod kit;
mod peer;
mod tamper;
mod tensors;
