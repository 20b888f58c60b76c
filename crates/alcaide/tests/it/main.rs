//! The real program: its commands, its service, its texts.

mod doors;
mod house;
mod life;
mod offline;
mod record;
