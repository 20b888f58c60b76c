//! A small world to break out into: a data directory, neighbours' files and sockets, an office, a relay.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use alcaide_sandbox::{
    Group, Launcher, Limits, Namespaces, Network, Prepared, Profile, Report, SpawnError, Spec, Stdio, prepare,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) const SECRET: &str = "the master key";
pub(crate) const GREETING: &str = "hello from outside";

pub(crate) struct Place {
    pub(crate) root: PathBuf,
    relay: TcpListener,
    office: TcpListener,
    office_udp: UdpSocket,
    _sockets: Vec<UnixListener>,
    abstract_name: String,
    _folder: tempfile::TempDir,
}

/// What a child tried, and what it was told about itself.
pub(crate) struct Tried {
    pub(crate) report: Report,
    pub(crate) found: Value,
    pub(crate) udp_arrived: bool,
    pub(crate) served_from_inside: bool,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["data", "outside", "declared", "work"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        std::fs::write(root.join("data/secret"), SECRET).unwrap();
        std::fs::write(root.join("outside/file"), "a neighbour's").unwrap();
        std::fs::write(root.join("declared/file"), "shared").unwrap();
        std::os::unix::fs::symlink(root.join("data"), root.join("work/link")).unwrap();
        let abstract_name = format!("alcaide-test-{}", root.file_name().unwrap().to_str().unwrap());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let sockets = vec![
            UnixListener::bind(root.join("data/office.sock")).unwrap(),
            UnixListener::bind(root.join("outside/sock")).unwrap(),
            UnixListener::bind_addr(&address).unwrap(),
        ];
        let office_udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        office_udp.set_nonblocking(true).unwrap();
        Self {
            root,
            relay: greeter(TcpListener::bind("127.0.0.1:0").unwrap()),
            office: greeter(TcpListener::bind("127.0.0.1:0").unwrap()),
            office_udp,
            _sockets: sockets,
            abstract_name,
            _folder: folder,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn relay(&self) -> std::net::SocketAddr {
        self.relay.local_addr().unwrap()
    }

    /// A Python child that may read itself and what is declared.
    pub(crate) fn python(&self, profile: Profile, network: Network, namespaces: Namespaces) -> Spec {
        let program = alcaide_testkit::python_program().unwrap();
        let real = program.canonicalize().unwrap();
        let prefix = |path: &Path| path.ancestors().nth(2).unwrap().to_path_buf();
        Spec {
            read: vec![prefix(&program), prefix(&real), self.path("declared")],
            write: vec![self.path("work")],
            hidden: vec![self.path("data")],
            folder: self.path("work"),
            env: vec![("LC_ALL".into(), "C.UTF-8".into()), ("DECLARED".into(), "yes".into())],
            profile,
            network,
            namespaces,
            limits: if profile == Profile::Stranger { Limits::STRANGER } else { Limits::default() },
            group: Group::Own,
            ..Spec::new(program)
        }
    }

    /// Lets a child try everything.
    pub(crate) async fn attempt(&self, mut spec: Spec) -> Tried {
        let ask = json!({
            "data": self.path("data"), "outside": self.path("outside"), "declared": self.path("declared"),
            "work": self.path("work"), "abstract": self.abstract_name, "relay": self.relay().port(),
            "office": self.office.local_addr().unwrap().port(),
            "office_udp": self.office_udp.local_addr().unwrap().port(),
        });
        spec.args = vec![
            "-I".into(),
            "-B".into(),
            "-c".into(),
            include_str!("probe.py").into(),
            ask.to_string().into(),
        ];
        let mut prepared = start(spec).await.unwrap();
        let inside = prepared.take_listener();
        let served_from_inside = inside.is_some();
        let _inside = inside.map(greeter);
        let mut child = prepared.start().await.unwrap();
        let mut input = child.stdin().unwrap();
        input.write_all(b"typed in").await.unwrap();
        drop(input);
        let (mut out, mut err) = (String::new(), String::new());
        let (mut stdout, mut stderr) = (child.stdout().unwrap(), child.stderr().unwrap());
        let both = async { tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err)) };
        let (read, also) =
            tokio::time::timeout(Duration::from_secs(60), both).await.expect("the child does not end");
        let _ = (read.unwrap(), also.unwrap());
        let ended = child.wait().await.unwrap();
        assert!(ended.success(), "{ended}: {err}");
        let found = serde_json::from_str(&out).unwrap_or_else(|_| panic!("no JSON: {out} {err}"));
        let mut bytes = [0; 8];
        let udp_arrived = self.office_udp.recv(&mut bytes).is_ok();
        Tried { report: child.report().clone(), found, udp_arrived, served_from_inside }
    }
}

impl Tried {
    pub(crate) fn passed(&self, name: &str) -> bool {
        let got = self.found.get(name).unwrap_or_else(|| panic!("`{name}` was not tried"));
        got.as_str().is_none_or(|text| text.parse::<i32>().is_err())
    }

    #[track_caller]
    pub(crate) fn errno(&self, name: &str, errno: i32) {
        assert_eq!(self.found[name], json!(errno.to_string()), "{name}");
    }
}

pub(crate) fn launcher() -> Launcher {
    Launcher { program: env!("CARGO_BIN_EXE_sandbox-exec-for-tests").into(), args: Vec::new() }
}

pub(crate) async fn start(spec: Spec) -> Result<Prepared, SpawnError> {
    prepare(spec.check().unwrap(), &launcher(), Stdio::PIPED).await
}

/// Runs a shell line to its end; gives status, output and errors.
pub(crate) async fn shell(spec: Spec, line: &str) -> (Option<i32>, String, String) {
    let spec = Spec { program: "/bin/sh".into(), args: vec!["-c".into(), line.into()], ..spec };
    let mut child = start(spec).await.unwrap().start().await.unwrap();
    drop(child.stdin());
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (child.stdout().unwrap(), child.stderr().unwrap());
    let (_, _) = tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err));
    (child.wait().await.unwrap().code(), out, err)
}

/// Greets whoever comes, on a thread that ends with the test's process.
fn greeter(listener: TcpListener) -> TcpListener {
    let own = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        for stream in own.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.write_all(GREETING.as_bytes());
        }
    });
    listener
}

/// What this machine can do, found out without the crate under test.
pub(crate) struct Machine {
    pub(crate) namespaces: bool,
    pub(crate) landlock: u32,
}

impl Machine {
    pub(crate) fn ask() -> Self {
        use landlock::{
            ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
            Scope,
        };
        let namespaces = std::process::Command::new("unshare")
            .args(["--user", "--net", "--mount", "--ipc", "--map-current-user", "true"])
            .output()
            .is_ok_and(|output| output.status.success());
        let hard = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let known: BTreeMap<u32, bool> = BTreeMap::from([
            (1, hard().handle_access(AccessFs::from_all(ABI::V1)).is_ok()),
            (3, hard().handle_access(AccessFs::from_all(ABI::V3)).is_ok()),
            (4, hard().handle_access(AccessNet::from_all(ABI::V4)).is_ok()),
            (6, hard().scope(Scope::from_all(ABI::V6)).is_ok()),
        ]);
        let landlock = known.iter().filter(|(_, has)| **has).map(|(abi, _)| *abi).max().unwrap_or(0);
        Self { namespaces, landlock }
    }
}

/// Reads a file as text.
pub(crate) fn text(path: &Path) -> String {
    let mut text = String::new();
    std::fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
    text
}
