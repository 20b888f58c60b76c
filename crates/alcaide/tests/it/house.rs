//! A data directory of its own, the service over it, and the command line against both.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use alcaide_testkit::{Child, Ended, Launch, Source};
use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_alcaide");

/// A data directory; what runs over it ends before it goes.
pub(crate) struct House {
    running: Option<Child>,
    /// From the start of the program to its first `/readyz` of 200, at the last start.
    pub(crate) ready_after: Option<std::time::Duration>,
    begun: Option<std::time::Instant>,
    pub(crate) gate: String,
    pub(crate) office: String,
    folder: tempfile::TempDir,
    /// Name of the data directory.
    name: &'static str,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl House {
    /// A new house, running.
    pub(crate) fn begin() -> Self {
        let mut house = Self::none();
        house.up(&["--init"]);
        house
    }

    /// A house that was never begun.
    pub(crate) fn none() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            running: None,
            ready_after: None,
            begun: None,
            gate: "127.0.0.1:0".into(),
            office: "127.0.0.1:0".into(),
            folder,
            name: "data",
        }
    }

    /// The data directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    /// Settings of a house that was never begun.
    pub(crate) fn settings(&self, text: &str) {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().mode(0o700).create(self.dir()).unwrap();
        std::fs::write(self.dir().join("settings.toml"), text).unwrap();
    }

    /// A file beside the data directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the data directory.
    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Starts the service; again on the ports of its first run, because its tokens name them.
    pub(crate) fn up(&mut self, more: &[&str]) {
        self.start(more);
        assert_eq!(http(&self.office, "get", "/readyz", None, None).0, 200);
        self.ready_after = self.begun.map(|begun| begun.elapsed());
        self.until_it_hears();
    }

    /// The same where its settings name a certificate.
    pub(crate) fn up_over_tls(&mut self, more: &[&str]) {
        self.start(more);
        self.until_it_hears();
    }

    fn start(&mut self, more: &[&str]) {
        let ready = self.file("ready.json");
        assert!(!ready.exists());
        let launch = Launch::new(PROGRAM)
            .args(["up", "--gate", &self.gate, "--office", &self.office, "--json"])
            .arg("--ready-file")
            .arg(&ready)
            .arg("--data-dir")
            .arg(self.dir())
            .args(more);
        let begun = std::time::Instant::now();
        let mut child = Child::start(launch).unwrap();
        child.file(&ready).unwrap();
        let told: Value = serde_json::from_str(&std::fs::read_to_string(&ready).unwrap()).unwrap();
        assert_eq!(told["pid"], child.pid());
        let address = |key: &str| told[key].as_str().unwrap().split_once("://").unwrap().1.to_owned();
        (self.gate, self.office) = (address("gate"), address("office"));
        self.begun = Some(begun);
        self.running = Some(child);
    }

    /// Whoever is told that it is up may ask it to end.
    fn until_it_hears(&mut self) {
        let pid = self.service().pid();
        let begun = std::time::Instant::now();
        while !hears_term(pid) {
            assert!(begun.elapsed() < alcaide_testkit::DEADLINE, "it never listens for signals");
            std::thread::yield_now();
        }
    }

    /// Asks the service to end; it ends clean.
    pub(crate) fn down(&mut self) {
        let mut child = self.running.take().unwrap();
        let ended = child.stop().unwrap();
        assert_eq!(ended, Ended::Code(0), "{:?}", child.lines(Source::Err));
        // Who waits for the next start does not find the last one.
        assert!(!self.file("ready.json").exists());
    }

    /// Kills the service: no handler runs, nothing is flushed.
    pub(crate) fn kill(&mut self) {
        let mut child = self.running.take().unwrap();
        assert_eq!(child.kill().unwrap(), Ended::Signal(9));
        // What it would have removed itself.
        std::fs::remove_file(self.file("ready.json")).unwrap();
    }

    /// The service ended by itself.
    pub(crate) fn forget(&mut self) {
        self.running = None;
    }

    /// Another folder is the data directory from now on.
    pub(crate) fn move_to(&mut self, name: &'static str) {
        self.name = name;
    }

    /// The process of the service.
    pub(crate) fn service(&mut self) -> &mut Child {
        self.running.as_mut().unwrap()
    }

    /// Runs a command over this data directory.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let dir = self.dir();
        let mut all = args.to_vec();
        all.extend(["--data-dir", dir.to_str().unwrap()]);
        run(&all, &[], b"")
    }

    /// Runs a command that ends clean; gives what it said.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said.out
    }

    /// Runs a command that ends clean, with `--json`; gives its one document.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        let out = self.ok(&all);
        assert_eq!(out.lines().count(), 1, "{args:?}: {out}");
        serde_json::from_str(&out).unwrap()
    }

    /// Seals a secret.
    pub(crate) fn secret(&self, name: &str) {
        let file = self.put("secret.txt", &format!("sk-{name}\n"));
        self.ok(&["secret", "set", name, "--from-file", file.to_str().unwrap()]);
        std::fs::remove_file(file).unwrap();
    }
}

/// Runs a command with nothing in its environment but what is given, and `input` on its standard input.
pub(crate) fn run(args: &[&str], env: &[(&str, &str)], input: &[u8]) -> Said {
    let mut child = Command::new(PROGRAM)
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    /// Asserts on an error as people read it: exit status, nothing on standard output, and each line.
    #[track_caller]
    pub(crate) fn refused(&self, exit: i32, code: &str, lines: &[&str]) {
        assert_eq!(self.code, exit, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert!(self.err.contains(&format!(" code: {code}\n")), "no {code}: {}", self.err);
        for line in lines {
            assert!(self.err.contains(line), "no `{line}` in:\n{}", self.err);
        }
        assert!(self.err.contains("  fix: "), "{}", self.err);
    }
}

/// One HTTP request; gives status and body.
pub(crate) fn http(
    addr: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let body = body.map(Value::to_string).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let head = format!(
        "{} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n{kind}{authorization}content-length: {}\r\n\r\n",
        method.to_uppercase(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Whether a process catches SIGTERM: bit 14 of the mask that Linux shows.
fn hears_term(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 14) != 0
}

/// The one segment file of a ledger.
pub(crate) fn segment(dir: &Path) -> PathBuf {
    let mut found: Vec<_> = std::fs::read_dir(dir.join("ledger/segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    found.sort();
    found.remove(0)
}
