//! The door for tests.
fn main() {}
