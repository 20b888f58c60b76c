//! The parent's side: starts the launcher, sends the spec, hears the report, gives leave, ends the child.
//!
//! Each child has a thread here that started it and waits as long as the child may live: the kernel's death signal
//! follows the *thread* that started a process, and threads of a pool come and go.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

use crate::channel;
use crate::exec::{LEAVE, Order, Told};
use crate::report::Report;
use crate::spec::{Checked, Group, Namespaces};

/// How long a child may take for its restrictions: some milliseconds, and the hash of a large executable.
const READY_MAX: Duration = Duration::from_secs(30);

/// The command whose only act is [`crate::exec_in_place`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Launcher {
    /// The executable.
    pub program: PathBuf,
    /// What comes before nothing else: all that it is given.
    pub args: Vec<OsString>,
}

impl Launcher {
    /// This very executable, even if its file has been replaced since, with one argument.
    #[must_use]
    pub fn this_program(command: &str) -> Self {
        Self { program: "/proc/self/exe".into(), args: vec![command.into()] }
    }
}

/// Where input, output or errors of a child lead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// Nowhere.
    Null,
    /// Where the starter's own leads.
    Inherit,
    /// To a pipe; see [`Sandboxed::stdin`], [`Sandboxed::stdout`], [`Sandboxed::stderr`].
    Piped,
}

impl Stream {
    fn std(self) -> std::process::Stdio {
        match self {
            Self::Null => std::process::Stdio::null(),
            Self::Inherit => std::process::Stdio::inherit(),
            Self::Piped => std::process::Stdio::piped(),
        }
    }
}

/// Input, output and errors of a child.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stdio {
    /// Standard input.
    pub stdin: Stream,
    /// Standard output.
    pub stdout: Stream,
    /// Standard errors.
    pub stderr: Stream,
}

impl Stdio {
    /// All three as the starter's.
    pub const INHERIT: Self =
        Self { stdin: Stream::Inherit, stdout: Stream::Inherit, stderr: Stream::Inherit };
    /// All three as pipes, which somebody must read.
    pub const PIPED: Self = Self { stdin: Stream::Piped, stdout: Stream::Piped, stderr: Stream::Piped };
    /// None.
    pub const NULL: Self = Self { stdin: Stream::Null, stdout: Stream::Null, stderr: Stream::Null };
}

/// Why a child was not started. Nothing of its program has run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// A pipe, socket, thread or process could not be made.
    #[error("a process cannot be made: {0}")]
    System(#[from] io::Error),
    /// The child says why it did not go on.
    #[error("{why}")]
    Refused {
        /// What it says.
        why: String,
    },
    /// The child ended, or broke the protocol, without a word.
    #[error("the launcher ended before the program began: {why}")]
    Silent {
        /// What was seen.
        why: String,
    },
    /// Called outside of an asynchronous run-time.
    #[error("no asynchronous run-time is at hand")]
    NoRuntime,
}

/// A child with every restriction laid, that has not begun its program. Dropping it ends it.
#[derive(Debug)]
pub struct Prepared {
    report: Report,
    listener: Option<TcpListener>,
    held: Sandboxed,
}

impl Prepared {
    /// What is closed and what is not.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// The relay's address as the child sees it, to be served from here; absent where no network namespace holds the
    /// child: then the relay must listen there itself.
    pub fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take()
    }

    /// Gives leave, and waits until the program has begun.
    ///
    /// # Errors
    /// [`SpawnError::Refused`] when it cannot be executed.
    ///
    /// # Cancel safety
    /// A call that is dropped ends the child.
    pub async fn start(mut self) -> Result<Sandboxed, SpawnError> {
        let silent = || SpawnError::Silent { why: "its keeper is gone".into() };
        let leave = self.held.leave.take().ok_or_else(silent)?;
        let began = self.held.began.take().ok_or_else(silent)?;
        // One place in a queue of one that nobody has used yet: never full.
        leave.try_send(()).map_err(|_| silent())?;
        began.await.map_err(|_| silent())??;
        self.held.report = self.report;
        self.held.leave = Some(leave);
        Ok(self.held)
    }
}

/// A running child. Dropping it kills it, with its whole group where it has one of its own.
#[derive(Debug)]
pub struct Sandboxed {
    child: Child,
    pid: Option<Pid>,
    group: Group,
    stdin: Option<ChildStdin>,
    report: Report,
    /// Gives leave; when it is dropped the keeper ends.
    leave: Option<mpsc::SyncSender<()>>,
    began: Option<oneshot::Receiver<Result<(), SpawnError>>>,
}

impl Sandboxed {
    /// What is closed and what is not.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Whose session it belongs to.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.group
    }

    /// The process id; absent once it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The pipe to its input, once, if one was asked for.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// The pipe from its output, once, if one was asked for.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The pipe from its errors, once, if one was asked for.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits until the program ends; then whatever is left of its own group is killed.
    ///
    /// # Errors
    /// When the system cannot tell.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let ended = self.child.wait().await;
        if ended.is_ok() {
            self.kill_rest();
        }
        ended
    }

    /// Sends a signal to the program; to its whole group where it has one of its own. Nothing if it has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = self.pid.filter(|_| self.child.id().is_some()) else { return Ok(()) };
        match self.group {
            Group::Own => kill_process_group(pid, signal)?,
            Group::Starter => kill_process(pid, signal)?,
        }
        Ok(())
    }

    /// Kills the program and what is left of its group.
    fn kill_rest(&mut self) {
        if let (Some(pid), Group::Own) = (self.pid.take(), self.group) {
            // Gone already is what is wanted.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Sandboxed {
    fn drop(&mut self) {
        self.kill_rest();
        let _ = self.child.start_kill();
    }
}

/// Prepares a child and gives it leave at once; for children without a relay.
///
/// # Errors
/// As [`prepare`] and [`Prepared::start`].
///
/// # Cancel safety
/// A call that is dropped ends the child.
pub async fn spawn(spec: Checked, launcher: &Launcher, stdio: Stdio) -> Result<Sandboxed, SpawnError> {
    prepare(spec, launcher, stdio).await?.start().await
}

/// Starts a child up to the point where only its program is wanting.
///
/// Where namespaces can be had by half only, a second child is started that does without; its report says so.
///
/// # Errors
/// [`SpawnError`].
///
/// # Cancel safety
/// A call that is dropped ends the child.
pub async fn prepare(spec: Checked, launcher: &Launcher, stdio: Stdio) -> Result<Prepared, SpawnError> {
    let mut spec = spec.spec().clone();
    let (input, stdin) = open_input(stdio.stdin)?;
    loop {
        let order = Order { spec: spec.clone(), parent: rustix::process::getpid().as_raw_pid() };
        let start = Start { order, launcher: launcher.clone(), input: input.try_clone()?, stdio };
        match start.prepare().await {
            Err(Failure::Halfway(why)) if spec.namespaces == Namespaces::Try => {
                spec.namespaces = Namespaces::Off(why);
            }
            Err(Failure::Halfway(why)) => return Err(SpawnError::Refused { why }),
            Err(Failure::Whole(error)) => return Err(error),
            Ok(mut prepared) => {
                prepared.held.stdin = stdin;
                return Ok(prepared);
            }
        }
    }
}

/// The child's end of its input, and ours if it is a pipe.
fn open_input(input: Stream) -> Result<(OwnedFd, Option<ChildStdin>), SpawnError> {
    Ok(match input {
        Stream::Null => (std::fs::File::open("/dev/null")?.into(), None),
        Stream::Inherit => (io::stdin().as_fd().try_clone_to_owned()?, None),
        Stream::Piped => {
            let (reader, writer) = io::pipe()?;
            let writer = std::process::ChildStdin::from(OwnedFd::from(writer));
            (reader.into(), Some(ChildStdin::from_std(writer)?))
        }
    })
}

/// One try to start a child.
struct Start {
    order: Order,
    launcher: Launcher,
    input: OwnedFd,
    stdio: Stdio,
}

/// How a try failed.
enum Failure {
    /// A second one, without namespaces, may succeed.
    Halfway(String),
    Whole(SpawnError),
}

impl<E: Into<SpawnError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Whole(error.into())
    }
}

/// What the keeper hands over once all restrictions are laid.
struct Ready {
    child: Child,
    report: Report,
    listener: Option<TcpListener>,
}

impl Start {
    async fn prepare(self) -> Result<Prepared, Failure> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| SpawnError::NoRuntime)?;
        let group = self.order.spec.group;
        let (leave, left) = mpsc::sync_channel(1);
        let (ready, readied) = oneshot::channel();
        let (begin, began) = oneshot::channel();
        let keeper = move || {
            let _inside = runtime.enter();
            self.keep(ready, begin, &left);
        };
        std::thread::Builder::new().name("sandbox-keeper".into()).spawn(keeper)?;
        let gone = |_| SpawnError::Silent { why: "its keeper is gone".into() };
        let Ready { child, report, listener } = readied.await.map_err(gone)??;
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let held = Sandboxed {
            child,
            pid,
            group,
            stdin: None,
            report: Report::default(),
            leave: Some(leave),
            began: Some(began),
        };
        Ok(Prepared { report, listener, held })
    }

    /// The keeper: starts the child, hears it, and stays until nobody holds it any more.
    fn keep(
        self,
        ready: oneshot::Sender<Result<Ready, Failure>>,
        begin: oneshot::Sender<Result<(), SpawnError>>,
        left: &mpsc::Receiver<()>,
    ) {
        let control = match self.launch() {
            Ok((control, made)) => {
                // Whoever does not wait any more has dropped the child with it.
                if ready.send(Ok(made)).is_err() {
                    return;
                }
                control
            }
            Err(failure) => {
                let _ = ready.send(Err(failure));
                return;
            }
        };
        if left.recv().is_err() {
            return;
        }
        let _ = begin.send(leave(&control));
        drop(control);
        // Nothing more is ever sent: this ends when the other side is dropped.
        let _ = left.recv();
    }

    fn launch(&self) -> Result<(UnixStream, Ready), Failure> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(READY_MAX))?;
        ours.set_write_timeout(Some(READY_MAX))?;
        let bytes = serde_json::to_vec(&self.order).map_err(io::Error::from)?;
        let mut command = Command::new(&self.launcher.program);
        command
            .args(&self.launcher.args)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(self.stdio.stdout.std())
            .stderr(self.stdio.stderr.std())
            .kill_on_drop(true);
        let child = command.spawn()?;
        // The command holds the child's end of the socket; without this its death would not be seen.
        drop(command);
        let told = channel::send(&ours, &bytes, Some(self.input.as_fd())).and_then(|()| hear(&ours));
        match told {
            Ok(Some((Told::Ready(report), listener))) => {
                Ok((ours, Ready { child, report, listener: listener.map(TcpListener::from) }))
            }
            Ok(Some((Told::Failed { why, retry: true }, _))) => Err(Failure::Halfway(why)),
            Ok(Some((Told::Failed { why, retry: false }, _))) => Err(SpawnError::Refused { why }.into()),
            Ok(None) => Err(SpawnError::Silent { why: "it closed its socket".into() }.into()),
            Err(error) => Err(SpawnError::Silent { why: error.to_string() }.into()),
        }
    }
}

/// Gives leave, and waits until the socket closes, which exec does.
fn leave(control: &UnixStream) -> Result<(), SpawnError> {
    let silent = |error: io::Error| SpawnError::Silent { why: error.to_string() };
    channel::send(control, LEAVE, None).map_err(silent)?;
    match hear(control).map_err(silent)? {
        None => Ok(()),
        Some((Told::Failed { why, .. }, _)) => Err(SpawnError::Refused { why }),
        Some((Told::Ready(_), _)) => Err(SpawnError::Silent { why: "it reported twice".into() }),
    }
}

fn hear(control: &UnixStream) -> io::Result<Option<(Told, Option<OwnedFd>)>> {
    let Some((bytes, descriptor)) = channel::receive(control)? else { return Ok(None) };
    Ok(Some((serde_json::from_slice(&bytes)?, descriptor)))
}
