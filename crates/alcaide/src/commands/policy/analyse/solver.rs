//! The solver: a program of its own that answers one script and ends.
//!
//! It is given nothing but the script: no environment, an empty standard input after it, and its own limit of time. It is
//! killed if it does not keep to that limit.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use alcaide_policy::{Answer, Solve};

use crate::fail::{Failure, NO_SOLVER};

/// The program that is looked for.
const PROGRAM: &str = "cvc5";
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest time that it may take to say which version it is.
const VERSION_WAIT: Duration = Duration::from_secs(10);
/// How long past its own limit it may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// A solver that was found on this machine.
#[derive(Debug)]
pub(super) struct Cvc5 {
    path: PathBuf,
    pub(super) version: String,
    timeout: Duration,
    /// Scripts that it was given.
    pub(super) asked: u64,
}

impl Cvc5 {
    /// The named program, else the first `cvc5` on the path.
    ///
    /// # Errors
    /// `ALC-CLI-0049` where there is none, or it is none.
    pub(super) fn find(named: Option<&Path>, timeout: Duration) -> Result<Self, Failure> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => on_path().ok_or_else(|| {
                Failure::new(&NO_SOLVER, "no solver was found")
                    .why("there is no `cvc5` in a folder that `PATH` names, and `--solver` names none")
            })?,
        };
        let none =
            |why: String| Failure::new(&NO_SOLVER, "the solver cannot be used").at(path.display()).why(why);
        let mut ask = Command::new(&path);
        ask.arg("--version");
        let told = talk(ask, "", VERSION_WAIT).map_err(none)?;
        let version = told.lines().find_map(|line| {
            let rest = line.split_once("cvc5 version ")?.1;
            Some(rest.split_whitespace().next()?.to_owned())
        });
        let version = version.ok_or_else(|| none("it does not say that it is cvc5".into()))?;
        Ok(Self { path, version, timeout, asked: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Solve for Cvc5 {
    fn solve(&mut self, script: &str) -> Result<Answer, String> {
        self.asked = self.asked.saturating_add(1);
        let mut ask = Command::new(&self.path);
        ask.args(["--lang", "smt2", "--quiet"]).arg(format!("--tlimit={}", self.timeout.as_millis()));
        let told = talk(ask, script, self.timeout.saturating_add(GRACE))?;
        let (first, rest) = told.trim_start().split_once('\n').unwrap_or((told.trim(), ""));
        match first.trim() {
            "unsat" => Ok(Answer::Never),
            "sat" => Ok(Answer::Found(rest.to_owned())),
            "unknown" | "" => Ok(Answer::Unknown),
            said if said.contains("interrupted by timeout") => Ok(Answer::Unknown),
            said => Err(format!("the solver said `{}`", said.chars().take(160).collect::<String>())),
        }
    }
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(PROGRAM))
        .find(|file| file.is_file())
}

/// Runs a program on a text, and gives what it wrote to standard output.
fn talk(mut program: Command, text: &str, wait: Duration) -> Result<String, String> {
    let failed = |error: std::io::Error| error.to_string();
    program.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = program.spawn().map_err(failed)?;
    let ended = exchange(&mut child, text, wait);
    // Whatever happened, nothing of it stays behind; one that has ended cannot be killed, and need not be.
    let _ = child.kill();
    child.wait().map_err(failed)?;
    ended
}

fn exchange(child: &mut Child, text: &str, wait: Duration) -> Result<String, String> {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("its input and output could not be had".into());
    };
    let text = text.to_owned();
    let (told, listen) = sync_channel(1);
    // Both end when the child does.
    std::thread::spawn(move || {
        // A program that ends before it has read all says so by what it wrote.
        let _ = input.write_all(text.as_bytes());
    });
    std::thread::spawn(move || {
        let mut answer = Vec::new();
        let read = output.take(ANSWER_BYTES_MAX.saturating_add(1)).read_to_end(&mut answer);
        // Nobody listens any more where the time is up.
        let _ = told.send(read.map(|_| answer));
    });
    match listen.recv_timeout(wait) {
        Ok(Ok(answer)) if u64::try_from(answer.len()).is_ok_and(|len| len <= ANSWER_BYTES_MAX) => {
            String::from_utf8(answer).map_err(|_| "its answer is not text".into())
        }
        Ok(Ok(_)) => Err(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(RecvTimeoutError::Timeout) => Ok("unknown\n".into()),
        Err(RecvTimeoutError::Disconnected) => Err("it ended without an answer".into()),
    }
}
