//! How children begin and end; the pinned executable; limits.

use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use alcaide_sandbox::{Door, Limits, SpawnError, Spec};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use crate::place::{Place, launcher, shell, start};

fn stub(place: &Place, name: &str, text: &str) -> std::path::PathBuf {
    let path = place.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn first_bytes(path: &std::path::Path) -> [u8; 32] {
    std::fs::read(path).unwrap()[..32].try_into().unwrap()
}

/// Ends when the last process that holds the other end of `pipe` is gone.
async fn all_gone(mut pipe: impl tokio::io::AsyncRead + Unpin) {
    let mut rest = Vec::new();
    let read = pipe.read_to_end(&mut rest);
    tokio::time::timeout(Duration::from_secs(60), read).await.expect("somebody lives on").unwrap();
}

#[tokio::test]
async fn a_pinned_executable_runs_only_as_it_was() {
    let place = Place::new();
    let script = stub(&place, "tool", "#!/bin/sh\n# a tool of somebody else\necho pinned: $0 $1\n");
    let spec =
        |digest| Spec { executable_sha256: Some(digest), args: vec!["x".into()], ..Spec::new(&script) };
    let pinned = first_bytes(&script);
    let mut child = start(spec(pinned)).await.unwrap().start().await.unwrap();
    let mut out = String::new();
    child.stdout().unwrap().read_to_string(&mut out).await.unwrap();
    assert!(out.starts_with("pinned: /proc/self/fd/") && out.ends_with(" x\n"), "{out}");
    assert!(child.report().closed(Door::Executable));

    std::fs::write(&script, "#!/bin/sh\n# a tool of somebody ELSE\necho changed\n").unwrap();
    let refused = start(spec(pinned)).await.unwrap_err().to_string();
    assert!(refused.contains("is pinned") && refused.contains("tool"), "{refused}");

    // A real program, by its descriptor, finds its own name.
    let shell = Spec { executable_sha256: Some(first_bytes("/bin/sh".as_ref())), ..Spec::new("/bin/sh") };
    let mut child = start(Spec { args: vec!["-c".into(), "echo $0".into()], ..shell })
        .await
        .unwrap()
        .start()
        .await
        .unwrap();
    let mut out = String::new();
    child.stdout().unwrap().read_to_string(&mut out).await.unwrap();
    assert_eq!(out, "/bin/sh\n");

    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o777)).unwrap();
    let prepared = start(spec(first_bytes(&script))).await.unwrap();
    assert!(!prepared.report().closed(Door::Executable));
}

#[tokio::test]
async fn what_cannot_be_executed_is_told_and_status_is_kept() {
    let place = Place::new();
    let broken = stub(&place, "broken", "#!/no/such/interpreter\n");
    let error = start(Spec::new(&broken)).await.unwrap().start().await.unwrap_err();
    assert!(
        matches!(&error, SpawnError::Refused { why } if why.contains("broken` cannot be executed")),
        "{error}"
    );
    let (status, out, err) = shell(Spec::new("/bin/sh"), "echo out; echo err >&2; exit 7").await;
    assert_eq!((status, out.as_str(), err.as_str()), (Some(7), "out\n", "err\n"));
    assert!(matches!(
        alcaide_sandbox::prepare(
            Spec::new("/bin/sh").check().unwrap(),
            &alcaide_sandbox::Launcher { program: "/bin/true".into(), args: Vec::new() },
            alcaide_sandbox::Stdio::NULL
        )
        .await,
        Err(SpawnError::Silent { .. })
    ));
}

#[tokio::test]
async fn descriptors_left_open_by_whoever_started_it_are_closed() {
    let leaked = std::fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(leaked.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    let held = format!("{}", std::os::fd::AsRawFd::as_raw_fd(&leaked));
    let list = "for fd in /proc/$$/fd/*; do echo ${fd##*/}; done";
    let (_, out, _) = shell(Spec::new("/bin/sh"), list).await;
    assert!(out.starts_with("0\n1\n2\n"), "{out}");
    assert!(!out.lines().any(|fd| fd == held), "{out}: {held} is open");
    // A command that is started without any of this has it.
    let plain = std::process::Command::new("/bin/sh").args(["-c", list]).output().unwrap();
    assert!(String::from_utf8(plain.stdout).unwrap().lines().any(|fd| fd == held));
}

#[tokio::test]
async fn a_stranger_dies_with_all_that_it_started_when_it_is_dropped() {
    let mut child = start(Spec {
        args: vec!["-c".into(), "sleep 600 & trap '' TERM; echo up; wait; sleep 600".into()],
        ..Spec::new("/bin/sh")
    })
    .await
    .unwrap()
    .start()
    .await
    .unwrap();
    let mut lines = BufReader::new(child.stdout().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("up"));
    drop(child);
    all_gone(lines.into_inner()).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_in_its_group_ends_with_it() {
    let spec = Spec { args: vec!["-c".into(), "sleep 600 & exit 3".into()], ..Spec::new("/bin/sh") };
    let mut child = start(spec).await.unwrap().start().await.unwrap();
    let stdout = child.stdout().unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(3));
    all_gone(stdout).await;
}

#[tokio::test]
async fn without_leave_nothing_of_the_program_runs() {
    let place = Place::new();
    let mark = place.path("work/mark");
    let spec = Spec {
        args: vec!["-c".into(), format!("touch {}", mark.display()).into()],
        write: vec![place.path("work")],
        ..Spec::new("/bin/sh")
    };
    let prepared = start(spec.clone()).await.unwrap();
    assert!(prepared.report().items.len() >= 19, "{}", prepared.report());
    drop(prepared);
    assert!(!mark.exists());
    let mut child = start(spec).await.unwrap().start().await.unwrap();
    assert!(child.wait().await.unwrap().success());
    assert!(mark.exists());
}

#[tokio::test]
async fn limits_hold() {
    let place = Place::new();
    let spec = |limits| Spec {
        limits,
        write: vec![place.path("work")],
        folder: place.path("work"),
        ..Spec::new("/bin/sh")
    };
    let small = spec(Limits { file_bytes: Some(4096), ..Limits::STRANGER });
    let (status, ..) = shell(small, "head -c 8192 /dev/zero > big").await;
    assert_ne!(status, Some(0));
    assert_eq!(std::fs::metadata(place.path("work/big")).unwrap().len(), 4096);
    let hungry = Limits { memory_bytes: Some(32 << 20), ..Limits::STRANGER };
    let (status, ..) = shell(spec(hungry), "x=$(head -c 100000000 /dev/zero | tr '\\0' x); exit 0").await;
    assert_ne!(status, Some(0));
    let (status, ..) =
        shell(spec(Limits { cpu_s: Some(1), ..Limits::STRANGER }), "while :; do :; done").await;
    assert_ne!(status, Some(0));
}

#[test]
fn the_command_says_that_it_is_not_for_people() {
    let output = std::process::Command::new(launcher().program).output().unwrap();
    assert_eq!(output.status.code(), Some(126));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("never by hand"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_outlives_the_thread_that_asked_for_it() {
    // The kernel's signal on a parent's death follows the thread that started the child.
    let handle = tokio::runtime::Handle::current();
    let asked = std::thread::spawn(move || {
        handle.block_on(async {
            let spec = Spec { args: vec!["-c".into(), "read x; echo $x".into()], ..Spec::new("/bin/sh") };
            start(spec).await.unwrap().start().await.unwrap()
        })
    });
    let mut child = tokio::task::spawn_blocking(move || asked.join().unwrap()).await.unwrap();
    let mut input = child.stdin().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut input, b"alive\n").await.unwrap();
    let mut out = String::new();
    child.stdout().unwrap().read_to_string(&mut out).await.unwrap();
    assert_eq!(out, "alive\n");
}
