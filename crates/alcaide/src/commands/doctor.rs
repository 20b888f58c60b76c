//! `doctor`: what is wrong with the data directory and the machine, each with its cure.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use alcaide_keys::Keys;
use clap::Args;
use serde::Serialize;

use super::config;
use crate::cli::{Desk, Exit};
use crate::fail::Failure;
use crate::house::Places;
use crate::settings::Settings;

/// Free space below which the ledger is in danger: 1 GiB, some ten million entries.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// No machine's clock is before 2026: this program did not exist.
const BEFORE_US: Duration = Duration::from_secs(1_767_225_600);
/// How far the clock may be behind what was written last.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// Longest wait for a word of the running service.
const ASK_WAIT: Duration = Duration::from_secs(5);
/// Longest answer of it that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// `alcaide doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Example: alcaide doctor\nEnds with 1 if anything is wrong.")]
pub(crate) struct Doctor {}

/// What was looked at, and how it is.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// How it is.
    found: String,
    /// What would cure it; nothing where nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Wrong,
    /// This machine does not let it be seen.
    Unknown,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), fix: None }
    }

    fn wrong(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, state: State::Wrong, found: found.into(), fix: Some(fix.into()) }
    }

    fn unknown(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Unknown, found: found.into(), fix: None }
    }
}

impl Doctor {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let places = desk.places()?;
        let mut all = Vec::new();
        let there = folder(&mut all, &places);
        let settings = settings(&mut all, &places);
        if there {
            all.push(format_of(&places));
            record(&mut all, &places);
        }
        all.push(space(&places));
        let served = UnixStream::connect(places.socket()).is_ok();
        for (name, addr) in [("gate port", settings.gate.listen), ("office port", settings.office.listen)] {
            all.push(port(name, addr, served));
        }
        if served {
            all.push(service(&places.socket()));
        }
        all.push(clock(&places));
        all.push(namespaces(Path::new("/proc/sys")));
        all.push(landlock(Path::new("/sys/kernel/security/lsm")));
        let wrong = all.iter().filter(|check| check.state == State::Wrong).count();
        desk.out.show(&serde_json::json!({ "checks": all, "wrong": wrong }), || {
            let mut text: String = all.iter().map(line).collect();
            text.push_str(&match wrong {
                0 => "nothing is wrong\n".to_owned(),
                1 => "1 thing is wrong\n".to_owned(),
                many => format!("{many} things are wrong\n"),
            });
            text
        })?;
        Ok(Exit::unless(wrong > 0))
    }
}

fn line(check: &Check) -> String {
    let word = match check.state {
        State::Ok => "ok",
        State::Wrong => "WRONG",
        State::Unknown => "unknown",
    };
    let fix = check.fix.as_ref().map(|fix| format!("         fix: {fix}\n")).unwrap_or_default();
    format!("{word:7}  {}: {}\n{fix}", check.name, check.found)
}

/// Mode and owner of the folder and of what is secret in it; whether there is a folder at all.
fn folder(all: &mut Vec<Check>, places: &Places) -> bool {
    const NAME: &str = "data directory";
    let dir = places.dir();
    let shown = dir.display();
    if !places.exists() {
        let fix = format!("begin one with `alcaide up --init --data-dir {shown}`");
        all.push(Check::wrong(NAME, format!("there is none at `{shown}`"), fix));
        return false;
    }
    let us = rustix::process::geteuid().as_raw();
    let mut sound = true;
    for path in [dir.to_owned(), places.keys(), places.store(), places.snapshot(), places.ledger()] {
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        let (path_shown, mode) = (path.display(), meta.mode() & 0o777);
        // Only the way in must be shut: what lies behind a folder of mode 0700 is shut with it.
        let strict = path == dir || path == places.keys();
        if strict && mode & 0o077 != 0 {
            sound = false;
            let fix = format!("`chmod go-rwx {path_shown}`, and replace what others may have read");
            all.push(Check::wrong(
                NAME,
                format!("`{path_shown}` has mode {mode:04o}: others may enter"),
                fix,
            ));
        }
        if meta.uid() != us {
            sound = false;
            let fix = format!("run as user {}, or `chown -R {us} {path_shown}`", meta.uid());
            all.push(Check::wrong(NAME, format!("`{path_shown}` belongs to user {}", meta.uid()), fix));
        }
    }
    if sound {
        all.push(Check::ok(NAME, format!("`{shown}`")));
    }
    true
}

fn settings(all: &mut Vec<Check>, places: &Places) -> Settings {
    const NAME: &str = "settings";
    match config::read(places) {
        Ok(settings) => {
            all.push(Check::ok(NAME, "understood"));
            settings
        }
        Err(failure) => {
            let part = failure.parts.first().cloned().unwrap_or_default();
            let found = format!("{}: {}", part.at.unwrap_or_default(), part.why.unwrap_or(part.what));
            all.push(Check::wrong(NAME, found, part.fix));
            Settings::default()
        }
    }
}

fn format_of(places: &Places) -> Check {
    match places.check() {
        Ok(()) => Check::ok("format", "version 1"),
        Err(error) => {
            Check::wrong("format", error.to_string(), "use the version of this program that made it")
        }
    }
}

/// Keys, and the ledger under them.
fn record(all: &mut Vec<Check>, places: &Places) {
    let keys = match Keys::open(&places.keys()) {
        Ok(keys) => keys,
        Err(error) => {
            all.push(Check::wrong("keys", super::log::said(&error), error.help()));
            return;
        }
    };
    all.push(Check::ok("keys", "open"));
    match alcaide_ledger::verify(&places.ledger(), keys.note.verifier()) {
        Ok(report) => all.push(Check::ok("ledger", format!("{} entries verify", report.size))),
        Err(error) => {
            let fix = "keep a copy as evidence, then restore it from a backup; see `alcaide log verify`";
            all.push(Check::wrong("ledger", super::log::said(&error), fix));
        }
    }
}

fn space(places: &Places) -> Check {
    let existing = places.dir().ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let Ok(stat) = rustix::fs::statvfs(existing) else {
        return Check::unknown("disk", "the system does not say how much is free");
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} MiB free", free >> 20);
    if free < FREE_BYTES_MIN {
        Check::wrong(
            "disk",
            found,
            "make at least 1 GiB free: without space nothing is recorded, and nothing passes",
        )
    } else {
        Check::ok("disk", found)
    }
}

fn port(name: &'static str, addr: SocketAddr, served: bool) -> Check {
    match TcpListener::bind(addr) {
        Ok(_) => Check::ok(name, format!("{addr} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            if served {
                Check::ok(name, format!("{addr} is in use, and the service runs"))
            } else {
                let fix = "stop that process, or set another `listen` in the settings";
                Check::wrong(name, format!("{addr} is held by another process"), fix)
            }
        }
        Err(error) => Check::wrong(name, format!("{addr}: {error}"), "set another `listen` in the settings"),
    }
}

/// What the running service says of itself: whether it keeps up, and whether the gate judges by the newest plan.
fn service(socket: &Path) -> Check {
    const NAME: &str = "service";
    let asked = ask_ready(socket).map_err(|error| format!("it does not answer: {error}"));
    match asked.as_deref().map(|answer| (answer.starts_with("HTTP/1.1 200 "), said_of(answer))) {
        Ok((true, _)) => Check::ok(NAME, "ready"),
        Ok((false, said)) => Check::wrong(
            NAME,
            said,
            "see the log of the service; what is named here keeps calls back or makes them old",
        ),
        Err(why) => Check::wrong(NAME, why.clone(), "see the log of the service, and start it again"),
    }
}

/// The body of an answer, as one line.
fn said_of(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    crate::fail::shown(body.trim())
}

fn ask_ready(socket: &Path) -> std::io::Result<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ASK_WAIT))?;
    stream.set_write_timeout(Some(ASK_WAIT))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

fn clock(places: &Places) -> Check {
    const FIX: &str = "set the clock; tokens and the record rest on it";
    let now = SystemTime::now();
    if now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() < BEFORE_US {
        return Check::wrong("clock", "it stands before 2026", FIX);
    }
    let last = std::fs::metadata(places.ledger().join("checkpoint")).and_then(|meta| meta.modified());
    match last {
        Ok(last) if last > now + CLOCK_SLACK => {
            Check::wrong("clock", "it is behind the time at which the record was last written", FIX)
        }
        _ => Check::ok("clock", "plausible"),
    }
}

/// Whether an unprivileged process may make user namespaces; sandboxes of tool servers need one.
fn namespaces(sys: &Path) -> Check {
    const NAME: &str = "user namespaces";
    const WHY: &str = "tool servers as child processes cannot be shut in fully";
    let read = |name: &str| {
        std::fs::read_to_string(sys.join(name)).ok().and_then(|text| text.trim().parse::<u64>().ok())
    };
    let Some(most) = read("user/max_user_namespaces") else {
        return Check::unknown(NAME, "the system does not say whether they may be made");
    };
    if most == 0 {
        return Check::wrong(
            NAME,
            format!("none may be made: {WHY}"),
            "`sysctl user.max_user_namespaces=1024`",
        );
    }
    if read("kernel/unprivileged_userns_clone") == Some(0) {
        let fix = "`sysctl kernel.unprivileged_userns_clone=1`";
        return Check::wrong(NAME, format!("only root may make them: {WHY}"), fix);
    }
    if read("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        let fix = "give the program an AppArmor profile with `userns`";
        return Check::wrong(NAME, format!("AppArmor restricts them: {WHY}"), fix);
    }
    Check::ok(NAME, "may be made")
}

fn landlock(list: &Path) -> Check {
    const NAME: &str = "landlock";
    match std::fs::read_to_string(list) {
        Err(_) => Check::unknown(NAME, "the system does not list its security modules"),
        Ok(text) if text.trim().split(',').any(|name| name == "landlock") => Check::ok(NAME, "in force"),
        Ok(_) => Check::wrong(
            NAME,
            "the kernel does not run it: child processes see more files than declared",
            "boot with `lsm=landlock,…` on a kernel of 5.13 or later",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_switch_of_namespaces_is_seen() {
        let sys = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = sys.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let state = || namespaces(sys.path()).state;
        assert_eq!(state(), State::Unknown);
        put("user/max_user_namespaces", "0\n");
        assert_eq!(state(), State::Wrong);
        put("user/max_user_namespaces", "100\n");
        assert_eq!(state(), State::Ok);
        put("kernel/apparmor_restrict_unprivileged_userns", "1\n");
        assert_eq!(state(), State::Wrong);
        put("kernel/unprivileged_userns_clone", "0\n");
        assert!(namespaces(sys.path()).found.contains("only root"));
    }

    #[test]
    fn landlock_is_read_from_the_list_of_modules() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("lsm");
        assert_eq!(landlock(&list).state, State::Unknown);
        std::fs::write(&list, "capability,landlocked,yama").unwrap();
        assert_eq!(landlock(&list).state, State::Wrong);
        std::fs::write(&list, "capability,landlock,yama\n").unwrap();
        assert_eq!(landlock(&list).state, State::Ok);
    }

    #[test]
    fn a_port_that_another_holds_is_wrong_unless_it_is_ours() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = held.local_addr().unwrap();
        assert_eq!(port("gate port", addr, false).state, State::Wrong);
        assert_eq!(port("gate port", addr, true).state, State::Ok);
        drop(held);
        assert_eq!(port("gate port", addr, false).state, State::Ok);
    }
}
