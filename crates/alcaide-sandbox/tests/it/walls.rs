//! Every door, tried from inside.

use alcaide_sandbox::{Door, Namespaces, Network, Profile};

use crate::place::{GREETING, Machine, Place, Tried, text};

/// What is claimed to be closed was not passed; what is not claimed is said.
#[track_caller]
fn judged(tried: &Tried, door: Door, attempts: &[&str]) {
    let item = tried.report.of(door).unwrap_or_else(|| panic!("{door:?} is not reported"));
    assert!(!item.why.is_empty());
    for attempt in attempts {
        if item.closed {
            assert!(!tried.passed(attempt), "{attempt} got through {door:?}: {:?}", tried.found[attempt]);
        } else {
            println!("not judged: {attempt}: {}", item.why);
        }
    }
}

/// What holds for every child on this machine.
#[track_caller]
fn common(place: &Place, tried: &Tried) {
    judged(
        tried,
        Door::HiddenFiles,
        &["hidden_read", "hidden_list", "hidden_write", "hidden_by_link", "hidden_by_parent"],
    );
    judged(
        tried,
        Door::OtherFiles,
        &["outside_read", "outside_write", "outside_cut", "declared_write", "shadow"],
    );
    judged(tried, Door::Udp, &[]);
    assert!(!tried.report.closed(Door::Udp) || !tried.udp_arrived);
    let sockets = ["unix", "hidden_socket", "outside_socket", "abstract_socket", "unix_pair_datagram"];
    judged(tried, Door::UnixSockets, &sockets);
    judged(tried, Door::OtherSockets, &["packet", "vsock", "alg"]);
    judged(tried, Door::OtherProcesses, &["ptrace", "memory", "parent_environ"]);
    // Left open on purpose where `/proc` is granted, on any kernel: then the report must say so of a door that is open.
    let list = tried.report.of(Door::ProcessList).unwrap();
    assert_eq!(list.closed, !tried.passed("parent_cmdline"), "{list:?}: {:?}", tried.found["parent_cmdline"]);
    judged(tried, Door::Signals, &["signal"]);
    judged(tried, Door::Terminal, &["typed"]);
    let calls = [
        "ptrace",
        "memory",
        "mount",
        "unshare",
        "clone_user",
        "clone3",
        "io_uring",
        "userfaultfd",
        "bpf",
        "keyctl",
        "limit",
        "priority",
        "priority_of_all",
        "affinity",
    ];
    judged(tried, Door::KernelCalls, &calls);
    if tried.report.closed(Door::KernelCalls) {
        // Refused by the list, not for want of privilege or for wrong arguments.
        for call in calls.iter().filter(|call| !["clone3", "io_uring"].contains(call)) {
            tried.errno(call, 1);
        }
        tried.errno("clone3", 38);
        tried.errno("io_uring", 38);
        tried.errno("typed", 1);
        if cfg!(target_arch = "x86_64") {
            tried.errno("ptrace_x32", 38);
        }
        assert_eq!(tried.found["status"]["Seccomp"], "2");
    }
    // What a program needs goes on working.
    let own = ["own_limit", "own_priority", "own_affinity"];
    for attempt in
        ["declared_read", "work_write", "work_read", "unix_pair", "outside_stat"].into_iter().chain(own)
    {
        assert!(tried.passed(attempt), "{attempt}: {:?}", tried.found[attempt]);
    }
    assert_eq!(tried.found["forked"], 7);
    assert_eq!(tried.found["input"], "typed in");
    assert_eq!(tried.found["folder"], place.path("work").to_str().unwrap());
    assert_eq!(tried.found["env"], serde_json::json!({ "LC_ALL": "C.UTF-8", "DECLARED": "yes" }));
    assert_eq!(tried.found["descriptors"], serde_json::json!([0, 1, 2]));
    assert_eq!(tried.found["umask"], 0o077);
    assert_eq!(tried.found["core"], serde_json::json!([0, 0]));
    let status = &tried.found["status"];
    for none in ["CapEff", "CapPrm"] {
        assert_eq!(status[none], "0000000000000000");
    }
    assert_eq!(status["NoNewPrivs"], "1");
    // Nothing came of it outside.
    assert!(!place.path("data/new").exists() && !place.path("outside/new").exists());
    if tried.report.closed(Door::OtherFiles) {
        assert_eq!(text(&place.path("outside/file")), "a neighbour's");
    }
}

/// A report that admits more than this machine makes it admit would pass every other test.
#[track_caller]
fn no_excuses(tried: &Tried, with_namespaces: bool) {
    let machine = Machine::ask();
    let must = |door: Door| assert!(tried.report.closed(door), "{:?}", tried.report.of(door));
    must(Door::KernelCalls);
    must(Door::UnixSockets);
    must(Door::Udp);
    if machine.landlock >= 3 {
        must(Door::OtherFiles);
        must(Door::OtherProcesses);
    }
    if machine.landlock >= 6 {
        must(Door::Signals);
    }
    if machine.landlock >= 1 || machine.namespaces && with_namespaces {
        must(Door::HiddenFiles);
    }
    assert_eq!(tried.report.closed(Door::Tcp), machine.namespaces && with_namespaces);
    assert_eq!(tried.served_from_inside, machine.namespaces && with_namespaces);
    let own = std::fs::read_link("/proc/self/ns/ipc").unwrap();
    assert_eq!(tried.found["ipc"] != own.to_str().unwrap(), machine.namespaces && with_namespaces);
    println!("{}", tried.report);
}

#[tokio::test]
async fn a_wrapped_program_has_no_way_out_but_the_relay() {
    let place = Place::new();
    let spec = place.python(Profile::Wrapped, Network::RelayTo(place.relay()), Namespaces::Try);
    let tried = place.attempt(spec).await;
    common(&place, &tried);
    no_excuses(&tried, true);
    judged(&tried, Door::Tcp, &["office"]);
    assert_eq!(tried.found["relay"], GREETING);
    // It may build and run programs of its own, and have sessions.
    assert!(tried.passed("work_execute"), "{:?}", tried.found["work_execute"]);
}

#[tokio::test]
async fn without_namespaces_ports_are_ruled_and_the_report_says_what_that_leaves() {
    let place = Place::new();
    let off = Namespaces::Off("the test wants none".into());
    let spec = place.python(Profile::Wrapped, Network::RelayTo(place.relay()), off);
    let tried = place.attempt(spec).await;
    common(&place, &tried);
    no_excuses(&tried, false);
    assert_eq!(tried.found["relay"], GREETING);
    let why = &tried.report.of(Door::Tcp).unwrap().why;
    assert!(why.contains("the test wants none"), "{why}");
    if Machine::ask().landlock >= 4 {
        assert!(why.contains(&format!("port {} only, but on every host", place.relay().port())), "{why}");
        tried.errno("office", 13);
    }
    tried.errno("mptcp", 1);
    tried.errno("office_udp", 1);
}

#[tokio::test]
async fn a_stranger_has_no_network_no_neighbours_and_bounds() {
    let place = Place::new();
    for namespaces in [Namespaces::Try, Namespaces::Off("the test wants none".into())] {
        let spec = place.python(Profile::Stranger, Network::None, namespaces);
        let tried = place.attempt(spec).await;
        common(&place, &tried);
        judged(&tried, Door::Tcp, &["relay", "office"]);
        assert!(tried.report.closed(Door::Tcp) && tried.report.closed(Door::Udp));
        tried.errno("setsid", 1);
        assert!(!tried.passed("work_execute"));
        assert_eq!(tried.found["files"], serde_json::json!([256, 256]));
        if Machine::ask().landlock >= 1 {
            assert!(tried.report.closed(Door::ProcessList));
        }
    }
}

#[tokio::test]
async fn an_open_network_is_open_and_nothing_else_is() {
    let place = Place::new();
    let tried = place.attempt(place.python(Profile::Wrapped, Network::Open, Namespaces::Try)).await;
    common(&place, &tried);
    assert_eq!(tried.found["office"], GREETING);
    assert!(!tried.report.closed(Door::Tcp) && !tried.report.closed(Door::Udp));
    assert!(tried.report.closed(Door::UnixSockets) && tried.udp_arrived);
}

#[tokio::test]
async fn a_hidden_folder_in_a_declared_one_is_covered_or_nothing_is_started() {
    let place = Place::new();
    let around = |namespaces| {
        let mut spec = place.python(Profile::Wrapped, Network::None, namespaces);
        spec.write.push(place.root.clone());
        spec
    };
    let off = around(Namespaces::Off("the test wants none".into()));
    let refused = crate::place::start(off).await.unwrap_err().to_string();
    assert!(refused.contains("must stay hidden but lies in a declared folder"), "{refused}");
    if !Machine::ask().namespaces {
        println!("not judged: covering a hidden folder: this machine gives no user namespace");
        return;
    }
    let tried = place.attempt(around(Namespaces::Try)).await;
    assert!(tried.passed("outside_read") && tried.passed("outside_write"));
    judged(
        &tried,
        Door::HiddenFiles,
        &["hidden_read", "hidden_list", "hidden_write", "hidden_socket", "hidden_by_link"],
    );
    assert!(tried.report.closed(Door::HiddenFiles) && !place.path("data/new").exists());
}
