//! What does a fuzzer run? Bodies of targets, one for each parser of outside bytes of the scanner.

pub mod bodies;
