//! A program under measurement: started by the benchmark, ended by its own id, its cost read from `/proc`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Longest wait for a program to end by itself.
const END_WAIT: Duration = Duration::from_secs(20);

/// A running program; ended when dropped.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    child: Child,
}

impl Program {
    /// Starts `command` as made by [`bound`], its output in `log`.
    ///
    /// # Errors
    /// When the log cannot be made or the program not be started.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("`{}` cannot be made", log.display()))?;
        let err = out.try_clone().context("the log cannot be shared")?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().with_context(|| format!("`{name}` could not be started"))?;
        Ok(Self { name, child })
    }

    /// Starts `command` and reads from its first line where it listens; it lives as long as its standard input.
    ///
    /// # Errors
    /// When the program cannot be started or says something else.
    pub(crate) fn start_told(name: &'static str, command: &mut Command) -> Result<(Self, u16)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().with_context(|| format!("`{name}` could not be started"))?;
        let mut program = Self { name, child };
        let output = program.child.stdout.take().context("a piped output is missing")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).with_context(|| format!("`{name}` could not be read"))?;
        let port = line.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port = port.with_context(|| format!("`{name}` did not say where it listens, but `{line}`"))?;
        Ok((program, port))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// When it did not end in time; it is killed then.
    pub(crate) fn end(mut self) -> Result<()> {
        signal(self.pid(), "TERM");
        let begun = Instant::now();
        while self.lives() {
            if begun.elapsed() > END_WAIT {
                bail!("`{}` did not end within {} s", self.name, END_WAIT.as_secs());
            }
            wait(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends it without a word, as a power cut would.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What its process tree has used of the processors since it began, in seconds.
    pub(crate) fn cpu_s(&self) -> f64 {
        let ticks: u64 =
            tree(self.pid()).iter().filter_map(|pid| read_stat(*pid)).map(|stat| stat.ticks).sum();
        // INVARIANT: ticks of a run are far below 2^52. USER_HZ is 100 on every Linux that Rust is built for.
        ticks as f64 / 100.0
    }

    /// Proportional set size of its process tree, in MiB (`Pss` of `smaps_rollup`).
    pub(crate) fn pss_mib(&self) -> f64 {
        let kib: u64 = tree(self.pid()).iter().filter_map(|pid| read_pss(*pid)).sum();
        kib as f64 / 1024.0
    }

    /// Does `work` and gives with it the largest proportional set size that was seen meanwhile, in MiB.
    pub(crate) fn watched<T>(&self, work: impl FnOnce() -> T) -> (T, f64) {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut most = 0.0_f64;
                while !done.load(Ordering::Acquire) {
                    wait(Duration::from_millis(100));
                    most = most.max(self.pss_mib());
                }
                most
            });
            let worked = work();
            done.store(true, Ordering::Release);
            (worked, watcher.join().unwrap_or(f64::NAN))
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.lives() {
            return;
        }
        for pid in tree(self.pid()) {
            signal(pid, "TERM");
        }
        let begun = Instant::now();
        while self.lives() && begun.elapsed() < Duration::from_secs(3) {
            wait(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command for `program` that is told to end when this process does, where the system has a tool for it.
pub(crate) fn bound(program: &Path) -> Command {
    let tool = Path::new("/usr/bin/setpriv");
    if !tool.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(tool);
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

/// Sends a signal to a process that this program started.
fn signal(pid: u32, name: &str) {
    let mut command = Command::new("kill");
    command.args([format!("-{name}"), pid.to_string()]);
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// A process and all that descend from it.
fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok())) {
        if let Some(stat) = read_stat(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let (mut found, mut next) = (Vec::new(), vec![root]);
    while let Some(pid) = next.pop() {
        found.push(pid);
        next.extend(children.remove(&pid).unwrap_or_default());
    }
    found
}

/// What is needed of `/proc/PID/stat` (proc_pid_stat(5)).
#[derive(Debug, Eq, PartialEq)]
struct Stat {
    parent: u32,
    /// `utime` and `stime`.
    ticks: u64,
}

fn read_stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in parentheses may itself hold spaces and parentheses: what counts comes after the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let user: u64 = fields.get(11)?.parse().ok()?;
    let system: u64 = fields.get(12)?.parse().ok()?;
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks: user.saturating_add(system) })
}

fn read_pss(pid: u32) -> Option<u64> {
    parse_pss(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
}

fn parse_pss(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("Pss:"))?.split_whitespace().next()?.parse().ok()
}

/// Waits a little for something that another program does and nobody tells.
pub(crate) fn wait(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "what another program does can only be looked at again")]
    std::thread::sleep(time);
}

/// A folder of the benchmark's own, removed when dropped.
pub(crate) struct Place(std::path::PathBuf);

impl Place {
    /// Makes the folder anew.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new(path: std::path::PathBuf) -> Result<Self> {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("`{}` cannot be removed", path.display()));
            }
            _ => {}
        }
        fs::create_dir_all(&path).with_context(|| format!("`{}` cannot be made", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_past_hostile_names() {
        let text = "12 (a) S 9 (b)) S 7 1 1 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(text), Some(Stat { parent: 7, ticks: 300 }));
        assert_eq!(parse_stat("12 (cut"), None);
        assert_eq!(parse_pss("Rss:  10 kB\nPss:   2048 kB\nPss_Dirty: 1 kB\n"), Some(2048));
        assert_eq!(parse_pss("Rss:  10 kB\n"), None);
    }

    #[test]
    fn a_program_is_found_in_proc_and_ended_by_its_own_id() {
        let place =
            Place::new(std::env::temp_dir().join(format!("alcaide-program-{}", std::process::id()))).unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        let mut program = Program::start("sleep", &mut command, &place.path().join("log")).unwrap();
        assert!(program.lives());
        assert!(tree(std::process::id()).contains(&program.pid()));
        program.end().unwrap();
    }
}
