//! The tool server, judged by public clients and by the public conformance suite.

use std::collections::BTreeSet;

use alcaide_testkit::{Bearer, ToolServer, conformance, observe_tools, python};
use serde_json::{Value, json};

#[test]
fn public_clients_of_both_generations_see_the_same_server() {
    let server = ToolServer::start().unwrap();
    let seen = observe_tools(&server.url(), None).unwrap();
    let protocols = [
        ("python, handshake", "2025-11-25"),
        ("python, stateless", "2026-07-28"),
        ("node, handshake", "2025-11-25"),
    ];
    for (client, protocol) in protocols {
        let seen = &seen[client];
        assert_eq!(seen["protocol"], protocol, "{client}: {seen}");
        let names = |of: &str, by: &str| -> Vec<&Value> {
            seen["listed"][of][by].as_array().unwrap_or_else(|| panic!("{client}: {seen}")).iter().collect()
        };
        assert_eq!(names("tools", "tools").len(), 15, "{client}");
        assert_eq!((names("prompts", "prompts").len(), names("resources", "resources").len()), (4, 3));
        assert_eq!(seen["reads"][2]["contents"][0]["uri"], "test://template/123/data", "{client}: {seen}");
        assert_eq!(
            seen["prompts"][1]["messages"][0]["content"]["text"],
            "Prompt with arguments: arg1='one', arg2='two'"
        );
        assert!(
            seen["reads"][3]["error"].is_string() && seen["prompts"][4]["error"].is_string(),
            "{client}: {seen}"
        );
    }
    let sum = json!({"blocks": ["42"], "failed": false, "structured": {"sum": 42}});
    assert_eq!(seen["python, handshake"]["calls"][1], sum);
    assert_eq!(seen["python, stateless"]["calls"][1], sum);
    assert_eq!(seen["node, handshake"]["calls"][1]["structuredContent"]["sum"], 42);
    assert_eq!(seen["node, handshake"]["calls"][7]["isError"], true);
    // What is seen does not change by itself, nor by a proxy that changes nothing: so it can be compared.
    let proxy = Bearer::start(server.address(), "a-token").unwrap();
    assert_eq!(seen, observe_tools(&proxy.url("/mcp"), Some("another-token")).unwrap());
    let progress = seen["node, handshake"]["progress"].as_array().unwrap();
    assert_eq!(progress.len(), 3, "{progress:?}");
}

#[test]
fn the_conformance_suite_passes_directly_and_through_the_bearer_proxy() {
    let server = ToolServer::start().unwrap();
    let proxy = Bearer::start(server.address(), "a-token").unwrap();
    let run = |url: &str| {
        let folder = tempfile::tempdir().unwrap();
        conformance(url, folder.path()).unwrap()
    };
    let (direct, proxied) = (run(&server.url()), run(&proxy.url("/mcp")));
    assert_eq!(direct.len(), 32, "{:?}", direct.keys());
    for (scenario, checks) in &direct {
        let bad =
            checks.iter().filter(|(_, statuses)| statuses.iter().any(|s| s == "FAILURE" || s == "WARNING"));
        assert_eq!(bad.collect::<Vec<_>>(), Vec::<(&String, &Vec<String>)>::new(), "{scenario}");
        assert!(checks.values().flatten().any(|status| status == "SUCCESS"), "{scenario}: {checks:?}");
    }
    let names = |of: &std::collections::BTreeMap<String, _>| of.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&direct), names(&proxied));
    assert_eq!(direct, proxied);
}

#[test]
fn the_suite_tells_a_server_that_fails_from_one_that_does_not() {
    // Nothing listens there any more.
    let gone = ToolServer::start().unwrap().url();
    let folder = tempfile::tempdir().unwrap();
    let checks = conformance(&gone, folder.path()).unwrap();
    assert!(checks["tools-list"].values().flatten().any(|status| status == "FAILURE"), "{checks:?}");
    let seen = python("mcp_client.py", &[("MCP_URL", gone.as_str())]).unwrap();
    assert!(seen["error"].is_string(), "{seen}");
}

#[test]
fn the_bearer_proxy_adds_its_token_and_changes_no_byte() {
    use alcaide_testkit::{ModelServer, Script};
    let server = ModelServer::start(Script::says("Hello.")).unwrap();
    let proxy = Bearer::start(server.address(), "a-token").unwrap();
    let url = proxy.url("/v1");
    let env = [
        ("OPENAI_BASE_URL", url.as_str()),
        ("OPENAI_API_KEY", "another"),
        ("MODEL", "m"),
        ("ACTS", "chat,stream"),
    ];
    let seen = python("openai_client.py", &env).unwrap();
    assert_eq!((&seen["chat"]["text"], &seen["stream"]["text"]), (&json!("Hello."), &json!("Hello.")));
    let heard = server.heard();
    assert!(heard.iter().all(|heard| heard.header("authorization") == Some("Bearer a-token")), "{heard:?}");
    assert!(heard.iter().all(|heard| heard.header("host") == Some(&*server.address().to_string())));
    assert!(Bearer::start(server.address(), "a\nb").is_err());
}
