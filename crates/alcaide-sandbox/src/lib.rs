//! What may this child do? What the kernel can hold it to: files, network, calls, limits; and an exact report.
//!
//! A program is not started directly. [`prepare`] starts a [`Launcher`] — this very program under a hidden command —
//! whose only act is [`exec_in_place`]: it takes the [`Spec`] over a socket, lays every restriction on itself, says
//! which doors are closed and which are not ([`Report`]), waits for leave, and becomes the program. No code runs
//! between fork and exec, nothing of the spec stands in an argument list, and there is no `unsafe` of ours.
//!
//! ```text
//! parent                                       child
//! socketpair, spawn launcher ────────────────▶ reads its end as standard input
//! spec, real standard input  ────────────────▶ opens and hashes the executable; session; namespaces; limits;
//!                                              Landlock; capabilities; descriptors; seccomp; death signal
//! report, listener           ◀────────────────
//! leave ─────────────────────────────────────▶ exec (the socket closes) or the reason why not
//! ```
//!
//! The only way out with [`Network::RelayTo`]: in a network namespace of its own the child binds the relay's address
//! and hands the *listening socket* out; a socket stays in the namespace that it was made in, so whoever accepts on
//! it outside serves the inside. Where namespaces cannot be had, Landlock's port rules stand in and the report says
//! what they leave open.
//!
//! What a kernel lacks is never an error and never silent: the report has it as not closed, with the reason. The one
//! exception is a hidden folder below a declared one that cannot be covered: then nothing is started.

pub mod channel;
mod exec;
mod files;
mod namespace;
mod reader;
mod report;
mod spawn;
mod spec;
mod syscalls;

pub use exec::{ExecError, Sha256, exec_in_place};
pub use reader::{ReaderLimits, confine};
pub use report::{Door, Item, Report};
pub use rustix::process::Signal;
pub use spawn::{Launcher, Prepared, Sandboxed, SpawnError, Stdio, Stream, prepare, spawn};
pub use spec::{Checked, Group, Limits, Namespaces, Network, Profile, Spec, SpecError};
