//! A real program under test: started with nothing but what the test gives it, heard line by line, ended by its id.
//!
//! Its environment is empty unless the test fills it. It leads a process group of its own, so that what it starts is
//! ended with it. Waiting blocks the caller and always has [`DEADLINE`](crate::DEADLINE).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::DEADLINE;
use crate::error::KitError;

/// What to start, and with what.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
}

impl Launch {
    /// A program by its path, without arguments, in an empty environment.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), args: Vec::new(), env: Vec::new(), folder: None }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The folder to start in; without it, the test's own.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }
}

/// Which output a line came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// A running program; dropped, it is ended: asked first, then killed, with all that it started.
#[derive(Debug)]
pub struct Child {
    program: PathBuf,
    process: std::process::Child,
    said: Arc<Said>,
}

impl Child {
    /// Starts a program.
    ///
    /// # Errors
    /// [`KitError::Spawn`] when the system cannot.
    pub fn start(launch: Launch) -> Result<Self, KitError> {
        let Launch { program, args, env, folder } = launch;
        let mut command = Command::new(&program);
        command.args(args).env_clear().envs(env).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        let mut process =
            command.spawn().map_err(|source| KitError::Spawn { program: program.clone(), source })?;
        let said = Arc::new(Said::default());
        if let Some(out) = process.stdout.take() {
            said.listen(Source::Out, out);
        }
        if let Some(err) = process.stderr.take() {
            said.listen(Source::Err, err);
        }
        Ok(Self { program, process, said })
    }

    /// Waits for a line, on either output, for which `wanted` says yes; lines already said count. Gives that line.
    ///
    /// # Errors
    /// [`KitError::Ended`] when the program ends without it; [`KitError::Late`].
    pub fn line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String, KitError> {
        self.until(what, |said| {
            said.lines.iter().find(|(_, line)| wanted(line)).map(|(_, line)| line.clone())
        })
    }

    /// Waits for a line that contains `text`; see [`Child::line`].
    ///
    /// # Errors
    /// As [`Child::line`].
    pub fn line_with(&mut self, text: &str) -> Result<String, KitError> {
        self.line(&format!("a line with `{text}`"), |line| line.contains(text))
    }

    /// Waits until `path` exists.
    ///
    /// # Errors
    /// As [`Child::line`].
    pub fn file(&mut self, path: &Path) -> Result<(), KitError> {
        self.until(&format!("the file `{}`", path.display()), |_| path.exists().then_some(()))
    }

    /// Waits until the program has ended by itself and all that it said has been heard.
    ///
    /// # Errors
    /// [`KitError::Late`].
    pub fn ended(&mut self) -> Result<Ended, KitError> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.status()? {
                // What it started may hold the outputs open; then what was heard so far is all there is.
                self.said.wait_closed(GRACE);
                return Ok(ended(status));
            }
            self.still_time(begun, "the end of the program")?;
            drop(self.said.wait(TICK));
        }
    }

    /// Waits for an end with code zero.
    ///
    /// # Errors
    /// [`KitError::Ended`] with the end of what it said, when it ends otherwise; [`KitError::Late`].
    pub fn succeeded(&mut self) -> Result<(), KitError> {
        match self.ended()? {
            Ended::Code(0) => Ok(()),
            other => Err(KitError::Ended {
                program: self.program.clone(),
                status: told(other),
                what: "success".into(),
                said: self.said.tail(),
            }),
        }
    }

    /// Asks the program to end (SIGTERM) and waits for it; kills it after ten seconds. Gives how it ended.
    ///
    /// # Errors
    /// [`KitError::End`] when the system refuses.
    pub fn stop(&mut self) -> Result<Ended, KitError> {
        if self.status()?.is_none() {
            self.signal(Signal::TERM)?;
            let begun = Instant::now();
            while begun.elapsed() < GRACE {
                if self.status()?.is_some() {
                    break;
                }
                drop(self.said.wait(TICK));
            }
        }
        self.kill()
    }

    /// Kills the program and all that it started (SIGKILL): no handler runs, no buffer is flushed.
    ///
    /// # Errors
    /// [`KitError::End`] when the system refuses.
    pub fn kill(&mut self) -> Result<Ended, KitError> {
        let end = |source| KitError::End { program: self.program.clone(), source };
        // The group outlives its leader while anything in it runs; an empty group is no error.
        if let Some(pid) = Pid::from_raw(i32::try_from(self.process.id()).unwrap_or(0)) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        Ok(ended(self.process.wait().map_err(end)?))
    }

    /// Sends a signal to the program alone.
    ///
    /// # Errors
    /// [`KitError::End`] when it is gone.
    pub fn signal(&mut self, signal: Signal) -> Result<(), KitError> {
        let end = |source: std::io::Error| KitError::End { program: self.program.clone(), source };
        let Some(pid) = Pid::from_raw(i32::try_from(self.process.id()).unwrap_or(0)) else {
            return Err(end(std::io::ErrorKind::NotFound.into()));
        };
        kill_process(pid, signal).map_err(|error| end(error.into()))
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The lines that it said so far on one output; of both together, the last 50,000 are kept.
    #[must_use]
    pub fn lines(&self, source: Source) -> Vec<String> {
        let held = self.said.hold();
        held.lines.iter().filter(|(from, _)| *from == source).map(|(_, line)| line.clone()).collect()
    }

    fn until<T>(&mut self, what: &str, hit: impl Fn(&Held) -> Option<T>) -> Result<T, KitError> {
        let begun = Instant::now();
        loop {
            if let Some(value) = hit(&self.said.hold()) {
                return Ok(value);
            }
            if let Some(status) = self.status()? {
                self.said.wait_closed(GRACE);
                // Let go of what was said before the error asks for it again.
                let found = hit(&self.said.hold());
                return found.ok_or_else(|| KitError::Ended {
                    program: self.program.clone(),
                    status: told(ended(status)),
                    what: what.to_owned(),
                    said: self.said.tail(),
                });
            }
            self.still_time(begun, what)?;
            drop(self.said.wait(TICK));
        }
    }

    fn still_time(&self, begun: Instant, what: &str) -> Result<(), KitError> {
        if begun.elapsed() < DEADLINE {
            return Ok(());
        }
        Err(KitError::Late { what: what.to_owned(), seconds: DEADLINE.as_secs(), said: self.said.tail() })
    }

    fn status(&mut self) -> Result<Option<ExitStatus>, KitError> {
        self.process.try_wait().map_err(|source| KitError::End { program: self.program.clone(), source })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A test is over: nobody is left to be told.
        let _ = self.stop();
    }
}

/// What a program said so far, and whether it can say more.
#[derive(Debug, Default)]
struct Said {
    held: Mutex<Held>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    lines: VecDeque<(Source, String)>,
    open: usize,
}

impl Said {
    fn listen(self: &Arc<Self>, source: Source, output: impl Read + Send + 'static) {
        self.hold().open += 1;
        let said = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n') {
                let Ok(line) = line else { break };
                let mut held = said.hold();
                if held.lines.len() >= LINES_MAX {
                    held.lines.pop_front();
                }
                held.lines.push_back((source, String::from_utf8_lossy(&line).into_owned()));
                said.news.notify_all();
            }
            said.hold().open -= 1;
            said.news.notify_all();
        });
    }

    fn hold(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for news, at most `time`: the end of a process and the making of a file send none.
    fn wait(&self, time: Duration) -> MutexGuard<'_, Held> {
        self.news.wait_timeout(self.hold(), time).unwrap_or_else(PoisonError::into_inner).0
    }

    fn wait_closed(&self, time: Duration) {
        let waited = self.news.wait_timeout_while(self.hold(), time, |held| held.open > 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn tail(&self) -> String {
        let held = self.hold();
        let skip = held.lines.len().saturating_sub(TAIL_LINES);
        let lines: Vec<&str> = held.lines.iter().skip(skip).map(|(_, line)| line.as_str()).collect();
        if lines.is_empty() { String::new() } else { format!("; it said:\n{}", lines.join("\n")) }
    }
}

fn ended(status: ExitStatus) -> Ended {
    status.code().map_or_else(|| Ended::Signal(status.signal().unwrap_or(0)), Ended::Code)
}

fn told(ended: Ended) -> String {
    match ended {
        Ended::Code(code) => format!("code {code}"),
        Ended::Signal(signal) => format!("signal {signal}"),
    }
}

/// Lines that are kept, of both outputs together; older ones go.
const LINES_MAX: usize = 50_000;
/// Lines that an error repeats.
const TAIL_LINES: usize = 40;
/// Between asking and killing.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks at what sends no news.
const TICK: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        Child::start(Launch::new("/bin/sh").args(["-c", script]).env("SEEN", "yes")).unwrap()
    }

    #[test]
    fn the_environment_is_what_the_test_gives() {
        let mut child = Child::start(Launch::new("/usr/bin/env").env("ONLY", "this")).unwrap();
        child.succeeded().unwrap();
        assert_eq!(child.lines(Source::Out), ["ONLY=this"]);
    }

    #[test]
    fn a_line_is_waited_for_and_the_end_is_told() {
        let mut child = shell("echo ready on 7; echo low >&2; exit 3");
        assert_eq!(child.line_with("ready").unwrap(), "ready on 7");
        assert_eq!(child.ended().unwrap(), Ended::Code(3));
        assert_eq!(child.lines(Source::Err), ["low"]);
        let error = child.line_with("never").unwrap_err().to_string();
        assert!(error.contains("ended (code 3) before a line with `never`; it said:\n"), "{error}");
    }

    #[test]
    fn asking_comes_before_killing() {
        let mut polite = shell("trap 'exit 5' TERM; tail -f /dev/null & echo up; wait");
        polite.line_with("up").unwrap();
        assert_eq!(polite.stop().unwrap(), Ended::Code(5));
        let mut killed = shell("trap '' TERM; echo up; tail -f /dev/null");
        killed.line_with("up").unwrap();
        assert_eq!(killed.kill().unwrap(), Ended::Signal(9));
    }

    #[test]
    fn dropping_ends_what_the_program_started() {
        // The grandchild holds the outputs open for as long as it lives.
        let mut parent = shell("tail -f /dev/null & echo up; wait");
        parent.line_with("up").unwrap();
        let said = Arc::clone(&parent.said);
        assert_eq!(said.hold().open, 2);
        drop(parent);
        said.wait_closed(GRACE);
        assert_eq!(said.hold().open, 0);
    }
}
