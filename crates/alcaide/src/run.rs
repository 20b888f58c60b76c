//! `alcaide run`: a program as an agent. Identity and base URLs in its environment, the data directory out of its
//! sight, and as little way out as the kernel allows.
//!
//! The program is prepared first ([`alcaide_sandbox`]): every wall stands, and what is closed is known, before the
//! office is asked for anything. Then the task begins, the [`relay`] listens, and the program gets leave. It never
//! holds a token: what it sends as its key is good at this one relay only, for as long as it runs. When it ends, its
//! tokens are revoked and the exit status is its own.

mod program;
mod relay;
pub(crate) mod task;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use alcaide_inventory::Name;
use alcaide_sandbox::{
    Group, Launcher, Limits, Namespaces, Network, Prepared, Profile, Report, Sandboxed, Signal, Spec, Stdio,
    Stream,
};
use alcaide_seal::SecretText;
use alcaide_seal::digest::Hasher;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Desk, Exit};
use crate::commands::agent::agent_id;
use crate::fail::{Failure, INTERNAL, RUN_SPEC, RUN_START, SECRET_INPUT};
use program::Found;
use relay::Relay;
use task::Task;

/// The hidden command by which this program starts others: `alcaide sandbox-exec`, and nothing else on the line.
pub(crate) const DOOR: &str = "sandbox-exec";
/// Longest words of a user, in bytes.
const WORDS_BYTES_MAX: u64 = 1 << 20;

/// `alcaide run`.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// Name or id of the agent
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// The user's own words, to be attested; `-` reads them from standard input
    #[arg(long, value_name = "TEXT")]
    task: Option<String>,
    /// The person on whose behalf [default: the agent's owner]
    #[arg(long, value_name = "HUMAN")]
    subject: Option<Name>,
    /// A file or folder that the program may read, besides its own installation and the working folder
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<PathBuf>,
    /// A folder that the program may also write in; without any it writes in a folder for temporary files only
    #[arg(long, value_name = "DIR")]
    allow_write: Vec<PathBuf>,
    /// A variable that the program gets: as it is here, or with the value given
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<OsString>,
    /// Let the program reach the whole network, past the gate
    #[arg(long)]
    open_network: bool,
    /// Seconds that each token of the task lives, 5 to 900; it is renewed in time
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(5..=900))]
    life: u64,
    /// Say nothing about what is closed and what is not
    #[arg(long, conflicts_with = "show")]
    quiet: bool,
    /// Only say what would be closed and what not; neither the office nor the program is asked for anything
    #[arg(long)]
    show: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What must come before anything else in `main`: if this process was started to become another program, it does.
pub(crate) fn become_another() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let door = words.next()?;
    if words.next().is_some() {
        return None;
    }
    if door == crate::model::reader::DOOR {
        return Some(crate::model::reader::serve());
    }
    if door != DOOR {
        return None;
    }
    let error = alcaide_sandbox::exec_in_place(sha256);
    // Its parent has been told; this is for whoever typed it.
    let _ = writeln!(std::io::stderr(), "alcaide {DOOR}: {error}");
    Some(ExitCode::from(126))
}

fn sha256(reader: &mut dyn std::io::Read) -> std::io::Result<[u8; 32]> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(*hasher.finish().as_bytes()),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Run {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(&RUN_START, "the program was not started").why(error)
        };
        let words = self.words()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let placeholder = relay::placeholder().map_err(|error| failed(&error))?;
        let scratch =
            tempfile::Builder::new().prefix("alcaide-run-").tempdir().map_err(|error| failed(&error))?;
        let spec = self.spec(desk, address, &placeholder, scratch.path())?;
        let checked = spec.check().map_err(|error| {
            Failure::new(&RUN_SPEC, "the program cannot be run as asked").why(error).fix(RUN_SPEC.cure)
        })?;
        let mut prepared = alcaide_sandbox::prepare(checked, &Launcher::this_program(DOOR), self.stdio())
            .await
            .map_err(|error| failed(&error))?;
        if self.show {
            let report = prepared.report();
            desk.out.show(report, || report.to_string())?;
            return Ok(Exit::Clean);
        }
        if !self.quiet {
            tell(prepared.report());
        }

        let client = desk.client()?;
        let agent = agent_id(&client, &self.agent).await?;
        let mut task = Task::begin(client, agent, self.subject.as_ref(), words, self.life).await?;
        // From here on the task is ended whatever happens.
        let status = async {
            let listener = match prepared.take_listener() {
                // The one outside was for programs without a network namespace.
                Some(inside) => inside,
                None => listener,
            };
            let relay = Relay::new(task.gate(), placeholder, task.token())?;
            let serving = relay.serve(listener).map_err(|error| failed(&error))?;
            let status = tokio::select! {
                status = attend(prepared) => status,
                never = task.renew() => match never {},
            };
            serving.abort();
            status
        }
        .await;
        task.end().await;
        Ok(Exit::Child(code(status?)))
    }

    fn words(&self) -> Result<Option<SecretText>, Failure> {
        let Some("-") = self.task.as_deref() else { return Ok(self.task.clone().map(SecretText::new)) };
        let mut text = String::new();
        let input = Path::new("standard input");
        let read = std::io::stdin().take(WORDS_BYTES_MAX + 1).read_to_string(&mut text);
        let read = read.map_err(|error| Failure::file("read", input, &error))?;
        if u64::try_from(read).unwrap_or(u64::MAX) > WORDS_BYTES_MAX {
            let why = format!("they are longer than {WORDS_BYTES_MAX} bytes");
            return Err(Failure::new(&SECRET_INPUT, "the user's words were not taken")
                .why(why)
                .fix("give fewer words"));
        }
        Ok(Some(SecretText::new(text)))
    }

    /// Whether the program has this terminal; then it stays in its session, and the terminal signals it.
    fn has_terminal(&self) -> bool {
        self.task.as_deref() != Some("-") && std::io::stdin().is_terminal()
    }

    fn stdio(&self) -> Stdio {
        // What was read for the user's words is at its end.
        let stdin =
            if self.show || self.task.as_deref() == Some("-") { Stream::Null } else { Stream::Inherit };
        Stdio { stdin, ..Stdio::INHERIT }
    }

    fn spec(
        &self,
        desk: &Desk,
        relay: SocketAddr,
        placeholder: &SecretText,
        scratch: &Path,
    ) -> Result<Spec, Failure> {
        let wrong = |why: String| Failure::new(&RUN_SPEC, "the program cannot be run as asked").why(why);
        let here =
            std::env::current_dir().map_err(|error| wrong(format!("there is no working folder: {error}")))?;
        let absolute = |path: &PathBuf| here.join(path);
        let mut words = self.command.iter().cloned();
        let command = words.next().ok_or_else(|| wrong("no command was given".into()))?;
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let Found { program, mut read } = program::find(&command, &here, home.as_deref()).map_err(wrong)?;
        // A home, or what lies above it, is never granted by chance: keys and histories lie there.
        if program::may_grant(&here, home.as_deref()) {
            read.push(here.clone());
        }
        read.extend(self.allow_read.iter().map(absolute));
        let mut write: Vec<PathBuf> = self.allow_write.iter().map(absolute).collect();
        write.push(scratch.to_path_buf());
        // Of a remote office there may be no data directory here.
        let hidden: Vec<PathBuf> = desk.places().map(|places| here.join(places.dir())).into_iter().collect();
        if read.iter().chain(&write).all(|path| !here.starts_with(path)) && !self.quiet {
            let _ = writeln!(
                std::io::stderr(),
                "alcaide run: the working folder is not granted; `--allow-read` grants it"
            );
        }
        Ok(Spec {
            args: words.collect(),
            folder: here,
            env: program::environment(&self.env, relay, placeholder.expose(), scratch).map_err(wrong)?,
            read,
            write,
            hidden,
            network: if self.open_network { Network::Open } else { Network::RelayTo(relay) },
            profile: Profile::Wrapped,
            limits: Limits::default(),
            group: if self.has_terminal() { Group::Starter } else { Group::Own },
            namespaces: Namespaces::Try,
            ..Spec::new(program)
        })
    }
}

/// Lets the program run to its end, and passes on what this process is told meanwhile.
async fn attend(prepared: Prepared) -> Result<ExitStatus, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(&RUN_START, "the program was not started").why(error);
    let internal = |error: std::io::Error| Failure::new(&INTERNAL, "the program is out of sight").why(error);
    // Listened to before the program begins: none is lost.
    let listen = |kind: SignalKind| signal(kind).map_err(internal);
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut quit = listen(SignalKind::quit())?;
    let mut first = listen(SignalKind::user_defined1())?;
    let mut second = listen(SignalKind::user_defined2())?;
    let mut child: Sandboxed = prepared.start().await.map_err(|error| failed(&error))?;
    // In a shared session the terminal has told the program already.
    let apart = child.group() == Group::Own;
    loop {
        let told = tokio::select! {
            ended = child.wait() => return ended.map_err(internal),
            _ = terminate.recv() => Signal::TERM,
            _ = hangup.recv() => Signal::HUP,
            _ = interrupt.recv() => Signal::INT,
            _ = quit.recv() => Signal::QUIT,
            _ = first.recv() => Signal::USR1,
            _ = second.recv() => Signal::USR2,
        };
        if apart || !matches!(told, Signal::INT | Signal::QUIT) {
            // A program that has just ended needs no telling.
            let _ = child.signal(told);
        }
    }
}

/// Two lines on standard error: what is closed; what is not, and why.
fn tell(report: &Report) {
    let closed: Vec<_> =
        report.items.iter().filter(|item| item.closed).map(|item| item.what.text()).collect();
    let open: Vec<_> = report.open().map(|item| format!("{} ({})", item.what.text(), item.why)).collect();
    let text =
        format!("alcaide run: closed: {}\nalcaide run: NOT closed: {}\n", closed.join(", "), open.join("; "));
    // Nobody may be reading.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The exit status as a shell tells it: 128 and the signal where one ended the program.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| signal.saturating_add(128)));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_is_what_a_shell_would_say() {
        assert_eq!(
            [0, 7 << 8, 255 << 8, 9, 15].map(|raw| code(ExitStatus::from_raw(raw))),
            [0, 7, 255, 137, 143]
        );
    }

    #[test]
    fn the_digest_is_sha_256() {
        // FIPS 180-4, example of one block.
        let digest = sha256(&mut &b"abc"[..]).unwrap();
        assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
        let long = vec![7; 200 << 10];
        assert_eq!(sha256(&mut &long[..]).unwrap(), *alcaide_seal::digest::sha256(&long).as_bytes());
    }
}
