//! The walls around tool servers: what is declared and nothing else. What this kernel cannot close is printed.

use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use alcaide_gateway::mcp::stdio::{Child, StdioError};
use alcaide_gateway::refusal::Fault;
use alcaide_inventory::declare::Sandbox;
use alcaide_sandbox::Door;
use alcaide_seal::digest::sha256;
use serde_json::{Value, json};

use crate::tools::{ANA, Tools, ask, call, npm, odd_with, plan, request};

/// `not judged` where the report admits that a door is open.
fn closed(child: &Child, door: Door) -> bool {
    let item = child.report().of(door).unwrap();
    if !item.closed {
        println!("not judged: {}: {}", door.text(), item.why);
    }
    item.closed
}

async fn read(child: &Arc<Child>, path: &str) -> (bool, String) {
    let params = json!({"name": "read_text_file", "arguments": {"path": path}});
    let all = ask(child, request(json!(1), "tools/call", params)).await.unwrap();
    let result = &all.last().unwrap()["result"];
    (result["isError"] == true, result["content"][0]["text"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_file_server_reads_its_folder_and_the_sandbox_refuses_the_rest() {
    let tools = Tools::new();
    // Its own rule would let it have all of the root: what refuses is the sandbox.
    let sandbox = Sandbox { read: vec![tools.path("inside")], ..Sandbox::default() };
    let module = "@modelcontextprotocol/server-filesystem/dist/index.js";
    let plan = npm(1, module, &[&tools.path("")], sandbox);
    let child = tools.child(&plan, ANA).await.unwrap();
    assert_eq!(read(&child, &tools.path("inside/note.txt")).await, (false, "a note".to_owned()));
    if !closed(&child, Door::OtherFiles) || !closed(&child, Door::HiddenFiles) {
        return;
    }
    for path in ["outside/other.txt", "inside/../outside/other.txt", "inside/link.txt"] {
        let (failed, said) = read(&child, &tools.path(path)).await;
        assert!(failed && said.contains("EACCES"), "{path}: {said}");
    }
    // An empty mount lies over the data directory where the kernel gives one.
    for path in ["data/master.key", "inside/key.txt", "inside/../data/master.key"] {
        let (failed, said) = read(&child, &tools.path(path)).await;
        assert!(failed && !said.contains("the master key"), "{path}: {said}");
    }
    let params =
        json!({"name": "write_file", "arguments": {"path": tools.path("inside/new.txt"), "content": "x"}});
    let all = ask(&child, request(json!(1), "tools/call", params)).await.unwrap();
    assert_eq!(all.last().unwrap()["result"]["isError"], true, "{all:?}");
    assert!(!tools.root.join("inside/new.txt").exists(), "it was declared to be read only");
}

#[tokio::test]
async fn the_data_directory_is_out_of_sight_whatever_is_declared() {
    let tools = Tools::new();
    let (data, root) = (tools.path("data"), tools.path("inside/.."));
    let within = Sandbox { read: vec![data.clone()], ..Sandbox::default() };
    let error = tools.child(&odd_with(1, 60_000, &[], within), ANA).await.unwrap_err();
    assert!(matches!(&error, StdioError::Declared { why } if why.contains("no child may see")), "{error}");
    assert_eq!((error.fault(), error.nothing_sent()), (Fault::Us, true));

    let around = Sandbox { read: vec![root.clone()], write: vec![root], ..Sandbox::default() };
    match tools.child(&odd_with(2, 60_000, &[], around), ANA).await {
        // A kernel that cannot cover it does not start the child.
        Err(error) => assert!(matches!(error, StdioError::Start { .. }), "{error}"),
        Ok(child) => {
            assert!(closed(&child, Door::HiddenFiles));
            for path in ["data/master.key", "inside/key.txt"] {
                let got = call(&child, "read", json!({"path": tools.path(path)})).await.unwrap();
                assert!(got.starts_with("errno "), "{path}: {got}");
            }
            let got = call(&child, "write", json!({"path": tools.path("data/new")})).await.unwrap();
            assert!(got.starts_with("errno ") && !tools.root.join("data/new").exists(), "{got}");
            let got = call(&child, "write", json!({"path": tools.path("outside/new")})).await.unwrap();
            assert_eq!((got.as_str(), tools.root.join("outside/new").exists()), ("7", true));
        }
    }
}

#[tokio::test]
async fn without_a_declared_network_nothing_is_reached() {
    let tools = Tools::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"from outside"));
        }
    });
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let _office = UnixListener::bind(tools.root.join("inside/office.sock")).unwrap();
    let sandbox = |network| Sandbox { read: vec![tools.path("inside")], network, ..Sandbox::default() };
    let apart = tools.child(&odd_with(1, 60_000, &[], sandbox(false)), ANA).await.unwrap();
    let udp_port = json!({"port": udp.local_addr().unwrap().port()});
    if closed(&apart, Door::Tcp) {
        let got = call(&apart, "connect", json!({"port": port})).await.unwrap();
        assert!(got.starts_with("errno "), "{got}");
    }
    if closed(&apart, Door::Udp) {
        call(&apart, "resolve", udp_port.clone()).await.unwrap();
        assert!(udp.recv(&mut [0; 8]).is_err(), "a datagram got out");
    }
    let open = tools.child(&odd_with(2, 60_000, &[], sandbox(true)), ANA).await.unwrap();
    assert_eq!(call(&open, "connect", json!({"port": port})).await.unwrap(), "from outside");
    let socket = json!({"path": tools.path("inside/office.sock")});
    for child in [&apart, &open] {
        if closed(child, Door::UnixSockets) {
            let got = call(child, "office", socket.clone()).await.unwrap();
            assert!(got.starts_with("errno "), "{got}");
        }
    }
}

#[tokio::test]
async fn its_environment_is_clean_and_its_own_folder_goes_with_it() {
    let tools = Tools::new();
    let bare = tools.child(&odd_with(1, 60_000, &[], Sandbox::default()), ANA).await.unwrap();
    let about: Value = serde_json::from_str(&call(&bare, "about", json!({})).await.unwrap()).unwrap();
    let mut env = about["env"].clone();
    // Python adds this one by itself.
    env.as_object_mut().unwrap().remove("LC_CTYPE");
    assert_eq!(env, json!({"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}));
    assert_eq!(about["folder"], "/");

    let writes = Sandbox { write: vec![tools.path("inside")], ..Sandbox::default() };
    let child = tools.child(&odd_with(2, 60_000, &[], writes), ANA).await.unwrap();
    let about: Value = serde_json::from_str(&call(&child, "about", json!({})).await.unwrap()).unwrap();
    let home = std::path::PathBuf::from(about["env"]["HOME"].as_str().unwrap());
    assert_eq!(about["env"]["TMPDIR"], about["env"]["HOME"]);
    assert_eq!(std::fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
    let got = call(&child, "write", json!({"path": home.join("x")})).await.unwrap();
    assert_eq!((got.as_str(), home.join("x").exists()), ("7", true));
    tools.pool.drain().await;
    assert!(!home.exists());
}

#[tokio::test]
async fn only_the_pinned_executable_is_run() {
    let tools = Tools::new();
    let script = tools.root.join("outside/server");
    let text = "#!/bin/sh\nread line\necho '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}}'\nread line\nread line\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let pinned =
        Sandbox { executable_sha256: Some(sha256(text.as_bytes()).to_string()), ..Sandbox::default() };
    let plan = plan(1, 60_000, vec![script.to_str().unwrap().to_owned()], pinned);
    let child = tools.child(&plan, ANA).await.unwrap();
    assert!(closed(&child, Door::Executable));
    tools.pool.stop(ANA);
    child.ended().await;
    std::fs::write(&script, text.replace("2025-11-25", "2025-06-18")).unwrap();
    let error = tools.child(&plan, ANA).await.unwrap_err();
    assert!(matches!(&error, StdioError::Start { why } if why.contains("is pinned")), "{error}");
    assert!(!error.for_caller().contains('/') && error.to_string().contains("server"));
}
