//! The child's side: lays every restriction on itself, reports, waits for leave, becomes the program.
//!
//! Runs on one thread, in a process that was made for it; the order of the steps matters and is commented.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _};
use std::net::TcpListener;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};

use crate::channel;
use crate::files::{Able, FilesError, Grants};
use crate::namespace::{self, Entered};
use crate::report::{Door, Report};
use crate::spec::{Group, Limits, Namespaces, Network, Profile, Spec, shown};
use crate::syscalls::{self, Case};

/// Computes SHA-256 over all that a reader gives: passed in, because cryptography has one place in the house.
pub type Sha256 = fn(&mut dyn Read) -> io::Result<[u8; 32]>;

/// What the parent sends.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    pub(crate) spec: Spec,
    /// Who started it; another parent means that it is gone.
    pub(crate) parent: i32,
}

/// What the child answers.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Told {
    /// All is laid; with the relay's listener where there is one.
    Ready(Report),
    /// It cannot go on. `retry` says that a fresh process without namespaces may.
    Failed { why: String, retry: bool },
}

/// Leave to become the program.
pub(crate) const LEAVE: &[u8] = b"go";

/// Why a child did not become its program. Its parent has been told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// Standard input is not the socket of a parent.
    #[error("this command is started by the program itself, never by hand: {0}")]
    Parent(#[source] io::Error),
    /// The parent's order cannot be read.
    #[error("the order cannot be read: {0}")]
    Order(String),
    /// A namespace was entered by half.
    #[error("{0}")]
    Halfway(String),
    /// The executable is not the one that was pinned.
    #[error("`{path}` has the digest {found}, but {pinned} is pinned")]
    Digest {
        /// The executable.
        path: String,
        /// Its SHA-256, in hex.
        found: String,
        /// The pinned one.
        pinned: String,
    },
    /// A folder cannot be granted, or must not be.
    #[error("{0}")]
    Files(String),
    /// A restriction that every supported kernel has could not be laid.
    #[error("{step} failed: {why}")]
    Step {
        /// Which.
        step: &'static str,
        /// What the system says.
        why: String,
    },
    /// The parent gave no leave: it wanted the report only, or is gone.
    #[error("no leave was given")]
    NoLeave,
    /// The program cannot be executed.
    #[error("`{path}` cannot be executed: {why}")]
    Exec {
        /// The program.
        path: String,
        /// What the system says.
        why: String,
    },
}

/// Takes an order from standard input, lays its restrictions on this process and becomes its program.
///
/// Must be called first thing in `main`, before any thread is started and any descriptor opened.
///
/// # Errors
/// [`ExecError`]; there is no other return. The parent is told the same.
pub fn exec_in_place(sha256: Sha256) -> ExecError {
    let control = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(own) => UnixStream::from(own),
        Err(error) => return ExecError::Parent(error),
    };
    match become_program(&control, sha256) {
        Ok(never) => match never {},
        Err(error) => {
            let retry = matches!(error, ExecError::Halfway(_));
            let told = Told::Failed { why: error.to_string(), retry };
            // Whoever does not listen any more needs not be told.
            let _ = tell(&control, &told, None);
            error
        }
    }
}

fn become_program(control: &UnixStream, sha256: Sha256) -> Result<Infallible, ExecError> {
    let order = |why: String| ExecError::Order(why);
    let (bytes, input) = channel::receive(control)
        .map_err(ExecError::Parent)?
        .ok_or_else(|| ExecError::Parent(io::ErrorKind::UnexpectedEof.into()))?;
    let Order { spec, parent } = serde_json::from_slice(&bytes).map_err(|error| order(error.to_string()))?;
    let input: OwnedFd = input.ok_or_else(|| order("it came without a standard input".into()))?;
    rustix::stdio::dup2_stdin(&input).map_err(|error| order(error.to_string()))?;
    drop(input);

    let mut report = Report::default();
    // Opened and hashed before anything could keep this process from it.
    let program = Program::open(&spec, sha256, &mut report)?;
    session(&spec, &mut report)?;
    // Namespaces come before Landlock, which forbids mounts, and before capabilities are dropped.
    let inside = Inside::enter(&spec, &mut report)?;
    let processes = inside.entered || rustix::process::getuid().is_root();
    limits(&spec.limits, inside.entered, processes, &mut report)?;
    let enforced = files(&spec, &inside, &mut report)?;
    privileges(&mut report)?;
    let listener = inside.listener.as_ref().map(std::os::fd::AsRawFd::as_raw_fd);
    descriptors(&[control.as_raw_fd(), program.file.as_raw_fd()], listener, &mut report);
    lifetime(parent, &spec, &mut report)?;
    report.closes(Door::Environment, format!("{} declared variables, none inherited", spec.env.len()));
    calls(&spec, &inside, &mut report)?;
    network(&spec, &inside, enforced, &mut report);

    tell(control, &Told::Ready(report), inside.listener.as_ref()).map_err(|_| ExecError::NoLeave)?;
    drop(inside.listener);
    match channel::receive(control) {
        Ok(Some((leave, _))) if leave == LEAVE => Err(program.become_it(&spec)),
        _ => Err(ExecError::NoLeave),
    }
}

fn tell(control: &UnixStream, told: &Told, listener: Option<&TcpListener>) -> io::Result<()> {
    let bytes = serde_json::to_vec(told)?;
    channel::send(control, &bytes, listener.map(std::os::fd::AsFd::as_fd))
}

fn step(step: &'static str, error: impl std::fmt::Display) -> ExecError {
    ExecError::Step { step, why: error.to_string() }
}

/// The executable, opened.
struct Program {
    file: File,
    pinned: bool,
    script: bool,
}

impl Program {
    fn open(spec: &Spec, sha256: Sha256, report: &mut Report) -> Result<Self, ExecError> {
        let failed =
            |error: io::Error| ExecError::Exec { path: shown(&spec.program), why: error.to_string() };
        let mut file = File::open(&spec.program).map_err(failed)?;
        let status = file.metadata().map_err(failed)?;
        if !status.is_file() {
            return Err(failed(io::Error::other("it is not a file")));
        }
        let mut script = [0; 2];
        let script = file.read(&mut script).map_err(failed)? == 2 && &script == b"#!";
        let Some(pinned) = spec.executable_sha256 else {
            report.leaves(Door::Executable, "no digest is pinned");
            return Ok(Self { file, pinned: false, script });
        };
        file.rewind().map_err(failed)?;
        let found = sha256(&mut file).map_err(failed)?;
        if found != pinned {
            return Err(ExecError::Digest {
                path: shown(&spec.program),
                found: hex(found),
                pinned: hex(pinned),
            });
        }
        let own = spec
            .write
            .iter()
            .any(|folder| spec.program.canonicalize().is_ok_and(|path| path.starts_with(folder)));
        if own || status.mode() & 0o022 != 0 {
            report.leaves(
                Door::Executable,
                "the pinned digest is right, but others than its owner can write to the file",
            );
        } else if script {
            report.closes(
                Door::Executable,
                "the script has the pinned digest; its interpreter and what it loads are not pinned",
            );
        } else {
            report.closes(Door::Executable, "the file that was hashed is the one executed; libraries and scripts that it loads are not pinned");
        }
        Ok(Self { file, pinned: true, script })
    }

    /// Returns only on failure.
    fn become_it(self, spec: &Spec) -> ExecError {
        let failed = |why: String| ExecError::Exec { path: shown(&spec.program), why };
        let mut command = if self.pinned {
            // The interpreter of a script opens it by this name, after exec: its descriptor must survive.
            if self.script
                && let Err(error) = rustix::io::fcntl_setfd(&self.file, rustix::io::FdFlags::empty())
            {
                return failed(error.to_string());
            }
            let mut command = Command::new(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
            command.arg0(&spec.program);
            command
        } else {
            Command::new(&spec.program)
        };
        command.args(&spec.args).current_dir(&spec.folder).env_clear();
        command.envs(spec.env.iter().map(|(name, value)| (name, value)));
        failed(command.exec().to_string())
    }
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn session(spec: &Spec, report: &mut Report) -> Result<(), ExecError> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    match spec.group {
        Group::Own => {
            rustix::process::setsid().map_err(|error| step("a session of its own", error))?;
            report.closes(Door::Terminal, "a session of its own, without a terminal");
        }
        Group::Starter => report
            .closes(Door::Terminal, "the terminal is shared, but the calls that type into it are refused"),
    }
    Ok(())
}

/// What the namespaces came to.
struct Inside {
    entered: bool,
    why_not: String,
    covered: Vec<PathBuf>,
    scratch: Option<PathBuf>,
    listener: Option<TcpListener>,
}

impl Inside {
    fn enter(spec: &Spec, report: &mut Report) -> Result<Self, ExecError> {
        let mut inside = Self {
            entered: false,
            why_not: String::new(),
            covered: Vec::new(),
            scratch: None,
            listener: None,
        };
        match &spec.namespaces {
            Namespaces::Off(why) => inside.why_not.clone_from(why),
            Namespaces::Try => match namespace::enter(spec.network != Network::Open) {
                Entered::Inside => inside.entered = true,
                Entered::Outside(why) => inside.why_not = why,
                Entered::Halfway(why) => return Err(ExecError::Halfway(why)),
            },
        }
        if !inside.entered {
            report.closes(Door::SharedMemory, "its calls are refused, for want of a namespace");
            return Ok(inside);
        }
        let halfway = |what: &str, error: io::Error| ExecError::Halfway(format!("{what} ({error})"));
        for hidden in &spec.hidden {
            namespace::cover(hidden).map_err(|error| halfway("a hidden folder cannot be covered", error))?;
            inside.covered.push(hidden.clone());
        }
        inside.scratch =
            namespace::shared_memory().map_err(|error| halfway("`/dev/shm` cannot be replaced", error))?;
        if let Network::RelayTo(relay) = spec.network {
            let listener =
                namespace::loopback(relay).map_err(|error| halfway("loopback cannot be raised", error))?;
            inside.listener = Some(listener);
        }
        report.closes(Door::SharedMemory, "an IPC namespace and a `/dev/shm` of its own");
        Ok(inside)
    }
}

fn limits(limits: &Limits, entered: bool, counted: bool, report: &mut Report) -> Result<(), ExecError> {
    let bounds = [
        ("core dumps", Resource::Core, Some(0)),
        ("open files", Resource::Nofile, limits.open_files),
        ("bytes of a file", Resource::Fsize, limits.file_bytes),
        ("bytes of memory", Resource::Data, limits.memory_bytes),
        ("bytes of addresses", Resource::As, limits.address_bytes),
        ("seconds of processor", Resource::Cpu, limits.cpu_s),
        // Outside of a namespace the kernel counts all processes of the user, whoever started them; and none of root's.
        ("processes", Resource::Nproc, limits.processes.filter(|_| entered && counted)),
    ];
    let mut missing = Vec::new();
    let mut said = Vec::new();
    for (name, resource, bound) in bounds {
        let Some(bound) = bound else {
            missing.push(name);
            continue;
        };
        let bound = getrlimit(resource).maximum.map_or(bound, |hard| hard.min(bound));
        setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) })
            .map_err(|error| step("a limit on resources", error))?;
        said.push(format!("{name} {bound}"));
    }
    // Processor time is declared rarely and on purpose; without the others a child can fill the machine.
    missing.retain(|name| *name != "seconds of processor");
    if missing.is_empty() {
        report.closes(Door::Resources, format!("at most: {}", said.join(", ")));
    } else {
        let why = format!("no bound on {}; at most: {}", missing.join(", "), said.join(", "));
        report.leaves(Door::Resources, why);
    }
    Ok(())
}

fn files(spec: &Spec, inside: &Inside, report: &mut Report) -> Result<Enforced, ExecError> {
    let able = Able::ask();
    let refused = |error: FilesError| ExecError::Files(error.to_string());
    // In a namespace a wrapped program may serve itself on loopback; a stranger has no business there.
    let ports =
        able.tcp && spec.network != Network::Open && (!inside.entered || spec.profile == Profile::Stranger);
    let covered = |hidden: &PathBuf| inside.covered.contains(hidden);
    let all_covered = spec.hidden.iter().all(covered);
    let enforced = if able.files {
        let grants = Grants::open(spec, &inside.covered, inside.scratch.as_deref()).map_err(refused)?;
        grants.enforce(spec, ports).map_err(refused)?
    } else {
        false
    };
    match (enforced, all_covered) {
        (true, true) if !spec.hidden.is_empty() => {
            report.closes(Door::HiddenFiles, "no rule grants it, and an empty mount lies over it")
        }
        (true, _) => report.closes(Door::HiddenFiles, "no rule of Landlock grants it"),
        (false, true) => report.closes(Door::HiddenFiles, "an empty mount lies over it"),
        (false, false) => report.leaves(
            Door::HiddenFiles,
            format!("neither Landlock nor a mount namespace can be had: {}", inside.why_not),
        ),
    }
    let proc = if spec.profile == Profile::Wrapped { "`/proc`, " } else { "" };
    match (enforced, able.truncate, able.devices) {
        (false, ..) => report.leaves(Door::OtherFiles, "this kernel has no Landlock"),
        (true, false, _) => report.leaves(Door::OtherFiles, "read and write by Landlock, but this kernel cannot keep files from being cut short (Linux 6.2 can)"),
        (true, true, false) => report.closes(Door::OtherFiles, format!("Landlock grants the declared folders, the system's programs and libraries, {proc}terminals and plain devices; orders to open devices are not judged (Linux 6.10 can)")),
        (true, true, true) => report.closes(Door::OtherFiles, format!("Landlock grants the declared folders, the system's programs and libraries, {proc}and plain devices")),
    }
    report.leaves(
        Door::FileMetadata,
        "no kernel's Landlock judges `stat`; a path that is guessed can be seen to exist",
    );
    match (inside.entered, enforced) {
        (_, true) => report.closes(Door::OtherProcesses, "Landlock, and the calls are refused"),
        (true, false) => report.closes(Door::OtherProcesses, "another user namespace, and the calls are refused"),
        (false, false) => report.leaves(Door::OtherProcesses, "the calls are refused, but `/proc` shows environment and descriptors of the same user's processes"),
    }
    if enforced && spec.profile == Profile::Stranger {
        report
            .closes(Door::ProcessList, "only its own folder of `/proc` is granted; children of it see none");
    } else {
        report.leaves(Door::ProcessList, "`/proc` is readable, as run-times need it");
    }
    if able.scopes && enforced {
        report.closes(Door::Signals, "Landlock");
    } else {
        report
            .leaves(Door::Signals, "processes of the same user can be signalled (Linux 6.12 can forbid it)");
    }
    Ok(Enforced { ports: ports && enforced })
}

struct Enforced {
    ports: bool,
}

pub(crate) fn privileges(report: &mut Report) -> Result<(), ExecError> {
    let failed = |error| step("giving up privileges", error);
    // Where this process may not change these, it has no capability to lose either.
    let secure = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    let _ = rustix::thread::set_capabilities_secure_bits(secure);
    for bit in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if rustix::thread::remove_capability_from_bounding_set(one).is_err() {
            break;
        }
    }
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
    .map_err(failed)?;
    rustix::thread::set_no_new_privs(true).map_err(failed)?;
    let left = rustix::thread::capabilities(None).map_err(failed)?;
    if left.effective.is_empty() && left.permitted.is_empty() {
        report.closes(Door::Privileges, "no capabilities, and executing gives none back");
        Ok(())
    } else {
        Err(step("giving up privileges", "capabilities are left"))
    }
}

/// Closes all that is open but the standard streams, `keep` and the listener.
pub(crate) fn descriptors(keep: &[RawFd], listener: Option<RawFd>, report: &mut Report) {
    let Ok(list) = fs::read_dir("/proc/self/fd") else {
        report.leaves(Door::Descriptors, "`/proc` is not there to tell which are open");
        return;
    };
    let open: Vec<RawFd> =
        list.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // The listing is closed by now; its own number among them closes nothing.
    let foreign = |fd: &RawFd| *fd > 2 && !keep.contains(fd) && Some(*fd) != listener;
    for fd in open.into_iter().filter(foreign) {
        let _ = nix::unistd::close(fd);
    }
    report.closes(Door::Descriptors, "all are closed but input, output and errors");
}

fn lifetime(parent: i32, spec: &Spec, report: &mut Report) -> Result<(), ExecError> {
    // After every change of credentials: they clear it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| step("the signal on the parent's death", error))?;
    if rustix::process::getppid().map(rustix::process::Pid::as_raw_pid) != Some(parent) {
        return Err(ExecError::NoLeave);
    }
    let why = match spec.group {
        Group::Own => {
            "the program is killed with its starter; what it started ends with it unless the starter is killed outright, and then has no way out"
        }
        Group::Starter => {
            "the program is killed with its starter; what it started may go on, but without a way out"
        }
    };
    report.leaves(Door::Lifetime, why);
    Ok(())
}

fn calls(spec: &Spec, inside: &Inside, report: &mut Report) -> Result<(), ExecError> {
    let case = Case {
        network: spec.network,
        profile: spec.profile,
        isolated: inside.entered && spec.network != Network::Open,
        own_memory: inside.entered,
    };
    let applied = syscalls::filters(case).and_then(|filters| syscalls::apply(&filters));
    match applied {
        Ok(()) => {
            report.closes(Door::KernelCalls, "seccomp refuses them");
            report.closes(Door::UnixSockets, "seccomp refuses to make any");
            report.closes(Door::OtherSockets, "seccomp refuses to make any");
        }
        Err(why) => {
            let why = format!("this kernel has no seccomp filter: {why}");
            for door in [Door::KernelCalls, Door::UnixSockets, Door::OtherSockets] {
                report.leaves(door, &*why);
            }
            if spec.group == Group::Starter {
                report.leaves(Door::Terminal, &*why);
            }
            if !inside.entered {
                report.leaves(Door::SharedMemory, &*why);
            }
        }
    }
    Ok(())
}

fn network(spec: &Spec, inside: &Inside, enforced: Enforced, report: &mut Report) {
    let filtered = report.closed(Door::KernelCalls);
    match (spec.network, inside.entered) {
        (Network::Open, _) => {
            report.leaves(Door::Tcp, "the network is open by declaration");
            report.leaves(Door::Udp, "the network is open by declaration");
        }
        (_, true) => {
            report.closes(Door::Tcp, "a network namespace with nothing but loopback of its own");
            report.closes(Door::Udp, "a network namespace with nothing but loopback of its own");
        }
        (Network::None, false) if filtered || enforced.ports => {
            report.closes(
                Door::Tcp,
                if filtered { "seccomp refuses to make any socket" } else { "Landlock grants no port" },
            );
            if filtered {
                report.closes(Door::Udp, "seccomp refuses to make any socket");
            } else {
                report.leaves(Door::Udp, &*inside.why_not);
            }
        }
        (Network::None, false) => {
            report.leaves(Door::Tcp, &*inside.why_not);
            report.leaves(Door::Udp, &*inside.why_not);
        }
        (Network::RelayTo(relay), false) => {
            let why = if enforced.ports {
                format!("Landlock grants port {} only, but on every host: {}", relay.port(), inside.why_not)
            } else {
                format!("this kernel has no rules on ports (Linux 6.7 has): {}", inside.why_not)
            };
            report.leaves(Door::Tcp, why);
            if filtered {
                report.closes(Door::Udp, "seccomp refuses every socket but plain TCP");
            } else {
                report.leaves(Door::Udp, &*inside.why_not);
            }
        }
    }
}
