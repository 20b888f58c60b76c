//! A process of this program that reads what strangers made: it is handed open files, and can do nothing else.
//!
//! Unlike a program that is started in a sandbox, what such a process needs is known to the last call: it reads the
//! descriptors that it was handed, computes, and answers on its socket. So the calls that are *allowed* are listed, and no
//! file, program, socket, signal or executable page can be had by any other.
//!
//! ```text
//! parent                                       reader
//! socketpair, start itself ──────────────────▶ standard input; [`confine`]: limits, Landlock, privileges, calls
//! frame: order, open file  ──────────────────▶ reads
//! frame: answer            ◀──────────────────
//! closes                   ──────────────────▶ ends
//! ```

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::report::{Door, Report};
use crate::{exec, syscalls};

/// What a reader may use up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReaderLimits {
    /// Bytes of private writable memory. Memory that is shared cannot be had at all: the kernel counts it nowhere here.
    pub memory_bytes: u64,
    /// Bytes of addresses, taken up or not: the program itself, and what it sets aside and never writes to.
    pub address_bytes: u64,
    /// Bytes of the stack, which the kernel does not count as memory of its own.
    pub stack_bytes: u64,
    /// Open descriptors: the socket, what is handed over, and one to spare for each of the standard streams.
    pub open_files: u64,
}

impl ReaderLimits {
    /// For readers that keep to 64 MiB: twice that, so that a reader which does not is ended, and the machine is not.
    pub const DEFAULT: Self =
        Self { memory_bytes: 128 << 20, address_bytes: 2 << 30, stack_bytes: 8 << 20, open_files: 16 };
}

/// Gives up, for good, all that a reader does not need; says which doors the kernel leaves open.
///
/// Must be called on the only thread of a process that was started for it, before it is handed anything; `socket` and the
/// standard streams stay open.
///
/// # Errors
/// What every supported kernel can do and this one refused.
pub fn confine(limits: ReaderLimits, socket: BorrowedFd<'_>) -> io::Result<Report> {
    let mut report = Report::default();
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    report.closes(Door::Lifetime, "killed with its starter");
    exec::descriptors(&[socket.as_raw_fd()], None, &mut report);
    let bounds = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, limits.open_files),
        (Resource::Data, limits.memory_bytes),
        (Resource::As, limits.address_bytes),
        (Resource::Stack, limits.stack_bytes),
    ];
    for (resource, bound) in bounds {
        let bound = getrlimit(resource).maximum.map_or(bound, |hard| hard.min(bound));
        setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) })?;
    }
    report.closes(Door::Resources, "bounds on memory, descriptors and files; its starter watches the time");
    exec::privileges(&mut report).map_err(io::Error::other)?;
    files(&mut report).map_err(io::Error::other)?;
    let applied = syscalls::only_reading().and_then(|filter| syscalls::apply(&[filter]));
    let doors = [
        Door::KernelCalls,
        Door::Tcp,
        Door::Udp,
        Door::UnixSockets,
        Door::OtherSockets,
        Door::OtherProcesses,
        Door::Signals,
        Door::SharedMemory,
        Door::Terminal,
        Door::Executable,
        Door::FileMetadata,
        Door::ProcessList,
    ];
    for door in doors {
        match &applied {
            Ok(()) => report.closes(door, "seccomp allows no call for it"),
            Err(why) => report.leaves(door, format!("this kernel has no seccomp filter: {why}")),
        }
    }
    if applied.is_ok() {
        report.closes(Door::OtherFiles, "seccomp allows no call that opens one");
    }
    Ok(report)
}

/// Nothing may be opened, by Landlock; where it is missing, seccomp still stands before it.
fn files(report: &mut Report) -> Result<(), landlock::RulesetError> {
    const KNOWN: ABI = ABI::V6;
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    match rules.restrict_self()?.ruleset {
        RulesetStatus::NotEnforced => report.leaves(Door::OtherFiles, "this kernel has no Landlock"),
        _ => report.closes(Door::OtherFiles, "Landlock grants none"),
    }
    Ok(())
}
