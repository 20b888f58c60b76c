//! What the house does when a part of it, its disk or its network is not as it should be: with the real program.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use alcaide_testkit::{Child, DEADLINE, Ended, Launch, ModelServer, Script, Source, certificate, python};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde_json::{Value, json};

use crate::house::{House, PROGRAM, http, run};

/// One agent, one model.
fn declared(house: &House, server: &ModelServer) -> String {
    let text = format!(
        "schema = 1\n[[unit]]\nname = \"main\"\n[[human]]\nname = \"ana\"\nunit = \"main\"\nroles = [\"administrator\"]\n\
         [[agent]]\nname = \"bot\"\nunit = \"main\"\nowner = \"ana\"\nmay = [\"use:model/*\"]\n\
         [[agent]]\nname = \"rogue\"\nunit = \"main\"\nowner = \"ana\"\nmay = [\"use:model/*\"]\n\
         [[upstream]]\nname = \"local\"\nprotocol = \"openai\"\nbase_url = \"{}\"\n\
         [[route]]\nname = \"small\"\nkind = \"model\"\nupstreams = [{{ upstream = \"local\" }}]\n",
        server.url("/v1")
    );
    house.put("declared/all.toml", &text).parent().unwrap().to_str().unwrap().to_owned()
}

const TOKEN: [&str; 6] = ["--subject", "ana", "--task", "pay invoice 7", "--life", "900"];

fn chat(gate: &str, token: &str) -> (u16, String) {
    let body = json!({ "model": "small", "messages": [{ "role": "user", "content": "hi" }] });
    http(gate, "post", "/v1/chat/completions", Some(token), Some(&body))
}

/// Asks again and again until the answer is as wanted.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "{what} did not come");
        std::thread::yield_now();
    }
}

/// Shuts a listening socket of another process down, as a defect might.
fn break_listener(pid: u32, addr: &str) {
    let pidfd = pidfd_open(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), PidfdFlags::empty()).unwrap();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let number: i32 = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
        let Ok(held): Result<OwnedFd, _> = pidfd_getfd(pidfd.as_fd(), number, PidfdGetfdFlags::empty())
        else {
            continue;
        };
        let socket = TcpListener::from(held);
        let listens = rustix::net::sockopt::socket_acceptconn(&socket).unwrap_or(false);
        if listens && socket.local_addr().is_ok_and(|found| found.to_string() == addr) {
            TcpStream::from(OwnedFd::from(socket)).shutdown(Shutdown::Both).unwrap();
            return;
        }
    }
    panic!("nobody listens on {addr}");
}

#[test]
fn a_listener_that_breaks_ends_the_house_with_a_clear_word() {
    for name in ["gate", "office"] {
        let mut house = House::begin();
        let addr = if name == "gate" { house.gate.clone() } else { house.office.clone() };
        let pid = house.service().pid();
        break_listener(pid, &addr);
        assert_eq!(house.service().ended().unwrap(), Ended::Code(4));
        let said = house.service().lines(Source::Err).join("\n");
        assert!(said.contains(&format!("the {name} listener ended by itself")), "{said}");
        assert!(said.contains("code: ALC-CLI-0017"), "{said}");
        // Nothing was lost by it.
        house.forget();
        house.up(&[]);
        assert!(house.ok(&["log", "verify"]).starts_with("the record verifies\n"));
        house.down();
    }
}

/// A house on a small file system of its own, in a mount namespace that ends with it.
struct Small {
    child: Child,
    dir: String,
    gate: String,
    office: String,
}

impl Small {
    /// Nothing where this machine lets nobody make one.
    fn begin(house: &House) -> Option<Self> {
        let able = std::process::Command::new("unshare").args(["-Urm", "true"]).status();
        if !able.is_ok_and(|status| status.success()) {
            println!("not judged: a full disk under the whole program (no user namespaces here)");
            return None;
        }
        let (mount, ready) = (house.file("small"), house.file("small-ready.json"));
        std::fs::create_dir(&mount).unwrap();
        let settings = house.put("small.toml", "[ledger]\nsegment_bytes = 524288\n");
        let script = "mount -t tmpfs -o size=8m,mode=0700 tmpfs \"$1\" && cp \"$2\" \"$1/settings.toml\" && \
                      exec \"$0\" up --init --gate 127.0.0.1:0 --office 127.0.0.1:0 --ready-file \"$3\" --data-dir \"$1\"";
        let launch = Launch::new("/usr/bin/env")
            .args(["unshare", "-Urm", "sh", "-c", script, PROGRAM])
            .args([&mount, &settings, &ready])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let mut child = Child::start(launch).unwrap();
        child.file(&ready).unwrap();
        let told: Value = serde_json::from_str(&std::fs::read_to_string(&ready).unwrap()).unwrap();
        let address = |key: &str| told[key].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        // Its mounts are seen through its own root.
        let dir = format!("/proc/{}/root{}", child.pid(), mount.display());
        Some(Self { dir, gate: address("gate"), office: address("office"), child })
    }

    fn ok(&self, args: &[&str]) -> String {
        let mut all = args.to_vec();
        all.extend(["--data-dir", &self.dir]);
        let said = run(&all, &[], b"");
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said.out
    }

    fn ready(&self) -> (u16, String) {
        http(&self.office, "get", "/readyz", None, None)
    }

    /// Takes all the room that is left.
    fn fill(&self) -> std::path::PathBuf {
        use std::io::Write as _;
        let path = Path::new(&self.dir).join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
        path
    }
}

#[test]
fn a_full_disk_keeps_back_what_needs_it_and_nothing_else() {
    let server = ModelServer::start(Script::says("Paid and filed.")).unwrap();
    let house = House::none();
    let Some(mut small) = Small::begin(&house) else { return };
    small.ok(&["apply", &declared(&house, &server)]);
    let token = |name: &str| {
        let mut all = vec!["agent", "token", name];
        all.extend(TOKEN);
        small.ok(&all).trim().to_owned()
    };
    let (bot, rogue) = (token("bot"), token("rogue"));
    assert_eq!((chat(&small.gate, &bot).0, chat(&small.gate, &rogue).0), (200, 200));

    let ballast = small.fill();
    // The segment has room, the store has none: the gate goes on, and says that the office does not.
    until("the office's word", || {
        assert_eq!(chat(&small.gate, &bot).0, 200);
        small.ready().0 == 503
    });
    let (_, why) = small.ready();
    assert!(why.contains("the office does not keep up with the record"), "{why}");
    // A kill goes through and holds.
    small.ok(&["agent", "kill", "rogue"]);
    assert_eq!(chat(&small.gate, &rogue).0, 403);
    // No token is issued on old knowledge.
    let mut asked = vec!["agent", "token", "bot", "--data-dir", &small.dir];
    asked.extend(TOKEN);
    run(&asked, &[], b"").refused(3, "ALC-OFFICE-0044", &["  fix: make room on the data directory's disk"]);
    // Once the segment is full as well, nothing passes and nothing is sent.
    let mut last = (200, String::new());
    until("the end of the room", || {
        last = chat(&small.gate, &bot);
        last.0 != 200
    });
    assert!(last.0 == 503 && last.1.contains("ALC-GATE-0030"), "{last:?}");
    let arrived = server.arrived();
    assert_eq!((chat(&small.gate, &bot).0, server.arrived()), (503, arrived));

    std::fs::remove_file(ballast).unwrap();
    until("readiness", || small.ready().0 == 200);
    assert_eq!((chat(&small.gate, &bot).0, chat(&small.gate, &rogue).0), (200, 403));
    let agents: Value = serde_json::from_str(&small.ok(&["agent", "list", "--json"])).unwrap();
    let killed: Vec<_> =
        agents.as_array().unwrap().iter().map(|one| (&one["name"], &one["killed"])).collect();
    assert_eq!(killed, [(&json!("bot"), &json!(false)), (&json!("rogue"), &json!(true))]);
    assert!(small.ok(&["log", "verify"]).starts_with("the record verifies\n"));
    assert_eq!(small.child.stop().unwrap(), Ended::Code(0), "{:?}", small.child.lines(Source::Err));
}

#[test]
fn gate_and_office_speak_tls_with_the_certificate_of_the_settings() {
    let mut house = House::none();
    let (made, other) = (certificate::make(1), certificate::make(2));
    let tls = "tls = { certificate = \"cert.pem\", key = \"key.pem\" }\n";
    house.settings(&format!("[gate]\n{tls}[office]\n{tls}"));
    let put = |name: &str, text: &str| {
        let path = house.dir().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    put("cert.pem", &made.chain);
    put("key.pem", &made.key);
    house.up_over_tls(&["--init"]);
    assert!(house.ok(&["config", "check"]).contains("is in order"));
    assert!(house.ok(&["config", "show"]).contains("key.pem"));
    let ca = house.put("ca.pem", &made.chain);
    let stranger = house.put("stranger.pem", &other.chain);
    let urls = format!(
        "https://{}/readyz https://{}/.well-known/jwks.json https://{}/v1/models",
        house.office, house.office, house.gate
    );
    let ask = |ca: &Path| {
        let env = [("URLS", urls.as_str()), ("CA", ca.to_str().unwrap()), ("BEARER", "")];
        python("tls_client.py", &env).unwrap()
    };
    assert_eq!(ask(&ca), json!([200, 200, 401]));
    assert_eq!(
        ask(&stranger),
        json!(["SSLCertVerificationError", "SSLCertVerificationError", "SSLCertVerificationError"])
    );
    // Plain HTTP gets no answer there.
    let mut plain = TcpStream::connect(&house.office).unwrap();
    std::io::Write::write_all(&mut plain, b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
    // The issuer is the office, as it is reached.
    let status = house.json(&["log", "key"]);
    assert!(status["key"].is_string());
    house.down();
    // A key that others can read keeps the house from starting.
    std::fs::set_permissions(house.dir().join("key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    house.run(&["up"]).refused(
        2,
        "ALC-CLI-0004",
        &["`gate.tls`", "can be read by others", "  fix: `chmod 600 "],
    );
}

#[test]
fn a_backup_is_restored_and_what_was_killed_since_stays_dead() {
    let server = ModelServer::start(Script::says("Paid and filed.")).unwrap();
    let mut house = House::begin();
    house.ok(&["apply", &declared(&house, &server)]);
    let token = |house: &House, name: &str| {
        let mut all = vec!["agent", "token", name];
        all.extend(TOKEN);
        house.ok(&all).trim().to_owned()
    };
    let (bot, rogue) = (token(&house, "bot"), token(&house, "rogue"));
    assert_eq!(chat(&house.gate, &rogue).0, 200);
    house.down();
    let copy = house.file("copy");
    let copy = copy.to_str().unwrap();
    house.ok(&["backup", copy]);
    // Life goes on after the backup: a kill, a plan, a call.
    house.up(&[]);
    house.ok(&["agent", "kill", "rogue"]);
    assert_eq!(chat(&house.gate, &bot).0, 200);
    house.down();

    let old = house.dir();
    let keys = old.join("keys");
    let restore = |house: &House, target: &str, more: &[&str]| {
        let target = house.file(target);
        let mut all =
            vec!["restore", copy, "--keys", keys.to_str().unwrap(), "--data-dir", target.to_str().unwrap()];
        all.extend(more);
        run(&all, &[], b"")
    };
    let ledger = old.join("ledger");
    // Never over anything.
    house.put("full/file", "mine");
    restore(&house, "full", &[]).refused(2, "ALC-CLI-0043", &["error: the data directory is not empty\n"]);
    assert_eq!(std::fs::read_to_string(house.file("full/file")).unwrap(), "mine");
    // With the keys of another house, with a ledger of another, or with one that is not whole: nothing is left behind.
    let mut other = House::begin();
    other.down();
    let (foreign, target) = (other.dir().join("ledger"), house.file("foreign"));
    let said = restore(&house, "foreign", &["--ledger", foreign.to_str().unwrap()]);
    said.refused(4, "ALC-OFFICE-0027", &["does not verify"]);
    assert!(!target.exists());
    let said = run(
        &[
            "restore",
            copy,
            "--keys",
            other.dir().join("keys").to_str().unwrap(),
            "--data-dir",
            target.to_str().unwrap(),
        ],
        &[],
        b"",
    );
    assert_eq!((said.code, target.exists()), (4, false), "{said:?}");

    let said = restore(&house, "restored", &["--ledger", ledger.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("1 later orders hold again; it verifies"), "{said:?}");
    house.move_to("restored");
    house.up(&[]);
    assert_eq!((chat(&house.gate, &bot).0, chat(&house.gate, &rogue).0), (200, 403));
    let agents = house.json(&["agent", "list"]);
    let killed: Vec<_> = agents.as_array().unwrap().iter().map(|one| &one["killed"]).collect();
    assert_eq!(killed, [&json!(false), &json!(true)]);
    let followed = house.ok(&["log", "follow", "--once", "--from", "0"]);
    assert!(followed.contains("restored from a backup of "), "{followed}");
    assert!(house.ok(&["log", "verify"]).starts_with("the record verifies\n"));
    house.down();
    // Without the newer ledger it says what it does not know.
    let said = restore(&house, "poor", &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("kill again whom you know"), "{said:?}");
}

#[test]
fn the_doctor_and_readiness_agree() {
    let mut house = House::begin();
    // Some other thing may be wrong with this machine.
    let told: Value = serde_json::from_str(&house.run(&["doctor", "--json"]).out).unwrap();
    let checks = told["checks"].as_array().unwrap();
    let service = checks.iter().find(|check| check["name"] == "service").unwrap();
    assert_eq!((&service["state"], &service["found"]), (&json!("ok"), &json!("ready")));
    assert!(house.ok(&["explain", "paths"]).contains("POST  /v1/chat/completions"));
    house.down();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn a_ledger_put_back_from_an_older_copy_is_not_held_to_the_newer_snapshot() {
    let mut house = House::begin();
    let server = ModelServer::start(Script::says("paid")).unwrap();
    house.ok(&["apply", &declared(&house, &server)]);
    house.down();
    // A copy of the files, as a backup of the machine makes one.
    let (dir, apart) = (house.dir(), house.file("apart"));
    copy(&dir, &apart);
    house.up(&[]);
    for _ in 0..20 {
        house.ok(&["agent", "kill", "rogue"]);
        house.ok(&["agent", "unkill", "rogue"]);
    }
    house.down();
    // All of it comes back but the snapshot, which stays.
    let snapshot = std::fs::read(dir.join("memory.snapshot")).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    copy(&apart, &dir);
    std::fs::write(dir.join("memory.snapshot"), snapshot).unwrap();
    house.up(&[]);
    let args = [&["agent", "token", "bot"][..], &TOKEN].concat();
    let token = house.ok(&args).trim().to_owned();
    assert_eq!(chat(&house.gate, &token).0, 200);
    house.ok(&["agent", "kill", "bot"]);
    until("the order", || chat(&house.gate, &token).0 == 403);
}
