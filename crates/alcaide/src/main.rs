//! The house itself: how is it all put together, started and spoken to? Settings, wiring, command line.

mod house;
mod settings;
mod up;

fn main() {}
