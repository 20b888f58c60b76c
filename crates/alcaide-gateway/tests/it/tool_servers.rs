//! Tool servers as child processes: what a caller sees of them, and what becomes of one that misbehaves.

use std::time::Duration;

use alcaide_gateway::mcp::stdio::bounds::{JUNK_MAX, LINE_BYTES_MAX, OPEN_MAX, SILENT_MAX};
use alcaide_gateway::mcp::stdio::{Bounds, End, StdioError};
use alcaide_gateway::refusal::Fault;
use alcaide_inventory::declare::Sandbox;
use alcaide_wire::mcp::Revision;
use serde_json::{Value, json};

use crate::tools::{ANA, BEN, Tools, ask, call, fails, npm, odd, odd_with, quick, request, soon, tool};

#[tokio::test]
async fn the_server_of_everything_answers_as_it_would_alone() {
    let tools = Tools::new();
    let plan =
        npm(1, "@modelcontextprotocol/server-everything/dist/index.js", &["stdio"], Sandbox::default());
    let child = tools.child(&plan, ANA).await.unwrap();
    assert_eq!(child.hello().revision, Revision::V2025_11_25);
    let hello: Value = serde_json::from_slice(&child.hello().result).unwrap();
    assert!(hello["serverInfo"]["name"].as_str().is_some() && hello["capabilities"]["tools"].is_object());

    let listed = ask(&child, request(json!(7), "tools/list", json!({}))).await.unwrap();
    let listed = listed.last().unwrap();
    assert_eq!(listed["id"], 7);
    let names: Vec<_> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert!(names.contains(&&json!("echo")), "{names:?}");
    assert_eq!(call(&child, "echo", json!({"message": "hello"})).await.unwrap(), "Echo: hello");

    let long = json!({
        "name": "trigger-long-running-operation", "arguments": {"duration": 0.2, "steps": 3},
        "_meta": {"progressToken": "mine"}
    });
    let all = ask(&child, request(json!("long"), "tools/call", long)).await.unwrap();
    let progress: Vec<_> = all.iter().filter(|told| told["method"] == "notifications/progress").collect();
    assert!(progress.len() >= 2, "{all:?}");
    assert!(progress.iter().all(|told| told["params"]["progressToken"] == "mine"), "{progress:?}");
    assert_eq!(all.last().unwrap()["id"], "long");

    let prompts = ask(&child, request(json!(8), "prompts/list", json!({}))).await.unwrap();
    assert!(!prompts.last().unwrap()["result"]["prompts"].as_array().unwrap().is_empty());
    let unknown = ask(&child, request(json!(9), "no/such", json!({}))).await.unwrap();
    assert_eq!(unknown.last().unwrap()["error"]["code"], -32601);
}

#[tokio::test]
async fn each_generation_is_spoken_as_it_wants() {
    let tools = Tools::new();
    let older =
        tools.child(&odd_with(1, 60_000, &["--revision", "2024-11-05"], Sandbox::default()), ANA).await;
    assert_eq!(older.unwrap().hello().revision, Revision::V2024_11_05);
    let stateless =
        tools.child(&odd_with(2, 60_000, &["--stateless"], Sandbox::default()), ANA).await.unwrap();
    assert_eq!(stateless.hello().revision, Revision::V2026_07_28);
    let hello: Value = serde_json::from_slice(&stateless.hello().result).unwrap();
    assert_eq!(hello["supportedVersions"], json!(["2026-07-28"]));
    let seen: Vec<String> =
        serde_json::from_str(&call(&stateless, "seen", json!({})).await.unwrap()).unwrap();
    assert!(seen[0].contains("\"initialize\"") && seen[0].contains("\"capabilities\":{}"), "{seen:?}");
    assert!(seen[1].contains("server/discover") && seen.len() == 3, "{seen:?}");

    for (bits, options, why) in [
        (3, ["--revision", "2099-01-01"], "revision `2099-01-01`, which is not known"),
        (4, ["--refuse", ""], "`initialize` with error -32601 and `server/discover` with error -32601"),
        (5, ["--die", ""], "it ended (exit status: 4)"),
    ] {
        let error =
            tools.child(&odd_with(bits, 60_000, &options, Sandbox::default()), ANA).await.unwrap_err();
        assert!(matches!(&error, StdioError::Hello { why: told } if told.contains(why)), "{error}");
        assert!(error.nothing_sent() && error.fault() == Fault::Upstream);
    }
    let tools = Tools::with(Bounds { hello: Duration::from_millis(300), ..quick() });
    let mute = tools.child(&odd(&["--mute"]), ANA).await.unwrap_err();
    assert!(mute.to_string().contains("no answer within 300 ms"), "{mute}");
}

#[tokio::test]
async fn ids_and_tokens_are_the_gates_own_inside_and_the_callers_outside() {
    let tools = Tools::new();
    let child = tools.child(&odd(&[]), ANA).await.unwrap();
    let params = json!({"name": "report", "_meta": {"progressToken": "caller's token", "other": 1.5}});
    let all = ask(&child, request(json!("caller's id"), "tools/call", params)).await.unwrap();
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(all[0]["params"], json!({"progressToken": "caller's token", "progress": 1, "total": 2}));
    assert_eq!(all[1]["params"]["data"], "half");
    assert_eq!(all[2]["id"], "caller's id");
    let inner: Value =
        serde_json::from_str(all[2]["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert!(inner.is_i64(), "{inner}");
    assert_eq!(child.lists_changed(), 1);
    assert_eq!((child.counts().dropped, child.counts().junk), (1, 0));

    // Two callers with the same id at once get each their own answer.
    let (one, two) =
        tokio::join!(call(&child, "echo", json!({"who": 1})), call(&child, "echo", json!({"who": 2})));
    assert_eq!((one.unwrap().as_str(), two.unwrap().as_str()), ("{\"who\": 1}", "{\"who\": 2}"));

    // Every other byte arrives as it was; line breaks between tokens are spaces.
    let odd = b"{\"jsonrpc\" : \"2.0\",\n\t\"id\":\"x\", \"method\":\"tools/call\",\r\n\"params\":{\"name\":\"seen\",\"arguments\":{\"n\":1.50,\"t\":\"\\u0061\\n\"}}}";
    let all = ask(&child, odd.as_slice().into()).await.unwrap();
    let seen: Vec<String> =
        serde_json::from_str(all[0]["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    let told = seen.last().unwrap();
    let (before, rest) = told.split_once("\"id\":").unwrap();
    assert_eq!(before, "{\"jsonrpc\" : \"2.0\", \t");
    let tail = ", \"method\":\"tools/call\",  \"params\":{\"name\":\"seen\",\"arguments\":{\"n\":1.50,\"t\":\"\\u0061\\n\"}}}";
    assert!(rest.ends_with(tail) && rest.split_once(',').unwrap().0.parse::<i64>().is_ok(), "{rest}");
}

#[tokio::test]
async fn what_a_server_listens_for_is_told_to_whom_it_concerns() {
    let tools = Tools::new();
    let child = tools.child(&odd(&["--stateless"]), ANA).await.unwrap();
    let mut told = child.ask(request(json!("sub"), "subscriptions/listen", json!({}))).await.unwrap();
    for method in ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"] {
        let note: Value = serde_json::from_slice(&soon(told.next()).await.unwrap().unwrap()).unwrap();
        assert_eq!(note["method"], method);
        assert_eq!(note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "sub");
    }
    drop(told);
    let seen = call(&child, "seen", json!({})).await.unwrap();
    assert!(seen.contains("notifications/cancelled"), "{seen}");
}

#[tokio::test]
async fn a_server_that_asks_is_refused_but_for_ping() {
    let tools = Tools::new();
    let child = tools.child(&odd(&[]), ANA).await.unwrap();
    let answers: Value = serde_json::from_str(&call(&child, "ask", json!({})).await.unwrap()).unwrap();
    assert_eq!(answers[0], json!({"jsonrpc": "2.0", "id": "ping", "result": {}}));
    for refused in &answers.as_array().unwrap()[1..] {
        assert_eq!(refused["error"]["code"], -32601, "{refused}");
    }
    assert_eq!((answers.as_array().unwrap().len(), child.counts().asked), (4, 4));
}

#[tokio::test]
async fn two_agents_never_share_a_process_and_one_agent_keeps_its_own() {
    let tools = Tools::new();
    let plan = odd(&[]);
    let (first, again) = tokio::join!(tools.child(&plan, ANA), tools.child(&plan, ANA));
    let (first, again) = (first.unwrap(), again.unwrap());
    assert!(std::sync::Arc::ptr_eq(&first, &again), "one start at a time");
    let other = tools.child(&plan, BEN).await.unwrap();
    assert_eq!(call(&first, "remember", json!({"word": "mine"})).await.unwrap(), "[\"mine\"]");
    assert_eq!(call(&other, "remember", json!({"word": "yours"})).await.unwrap(), "[\"yours\"]");
    assert_eq!(call(&again, "remember", json!({"word": "too"})).await.unwrap(), "[\"mine\", \"too\"]");
    assert_eq!(tools.pool.live(), 2);
}

#[tokio::test]
async fn a_death_ends_every_open_request_and_the_next_call_starts_anew() {
    let tools = Tools::with(quick());
    let plan = odd(&[]);
    let child = tools.child(&plan, ANA).await.unwrap();
    let mut waiting = child.ask(tool("silent", json!({}))).await.unwrap();
    let died = fails(&child, "die", json!({})).await;
    let how = End::Exited { status: "exit status: 3".into() };
    assert_eq!(died, StdioError::Ended { how: how.clone() });
    assert_eq!(soon(waiting.next()).await, Some(Err(died)));
    assert_eq!(soon(waiting.next()).await, None);
    let gone = fails(&child, "echo", json!({})).await;
    assert_eq!(gone, StdioError::Gone { how: how.clone() });
    assert_eq!(soon(child.ended()).await, how);
    let anew = tools.child(&plan, ANA).await.unwrap();
    assert_eq!(call(&anew, "echo", json!({})).await.unwrap(), "{}");

    // What it said before its end is not lost.
    assert_eq!(call(&anew, "last_words", json!({})).await.unwrap(), "last");
    assert_eq!(soon(anew.ended()).await, End::Exited { status: "exit status: 0".into() });
    let closed = tools.child(&plan, ANA).await.unwrap();
    assert_eq!(fails(&closed, "close", json!({})).await, StdioError::Ended { how: End::Closed });
}

#[tokio::test]
async fn one_that_falls_again_and_again_is_left_alone_for_a_while() {
    let tools = Tools::with(quick());
    let plan = odd(&[]);
    for _ in 0..quick().falls {
        let child = tools.child(&plan, ANA).await.unwrap();
        fails(&child, "die", json!({})).await;
    }
    let given_up = tools.child(&plan, ANA).await.unwrap_err();
    assert!(matches!(given_up, StdioError::GivenUp { falls: 5, .. }), "{given_up}");
    assert!(given_up.retry_after().unwrap() <= quick().give_up && given_up.nothing_sent());
    // What one agent does to its own child is not another's trouble.
    let other = tools.child(&plan, BEN).await.unwrap();
    assert_eq!(call(&other, "echo", json!({})).await.unwrap(), "{}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_cancelled_and_one_that_never_speaks_is_ended() {
    let tools = Tools::with(quick());
    let plan = odd_with(1, 3_000, &[], Sandbox::default());
    let child = tools.child(&plan, ANA).await.unwrap();
    let late = fails(&child, "silent", json!({})).await;
    assert_eq!(late, StdioError::Late { waited: Duration::from_secs(3) });
    let seen = call(&child, "seen", json!({})).await.unwrap();
    assert!(seen.contains("notifications/cancelled") && seen.contains("the wait is over"), "{seen}");
    // Nobody waits any more: the server is told, with the id that it knows.
    let waiting = child.ask(tool("until_cancelled", json!({}))).await.unwrap();
    drop(waiting);
    assert_eq!(call(&child, "echo", json!({})).await.unwrap(), "{}");
    assert_eq!(child.counts().junk, 0, "the late answer is known as such");
    const { assert!(SILENT_MAX == 3) };
    let silent = || fails(&child, "silent", json!({}));
    let (one, two, three) = tokio::join!(silent(), silent(), silent());
    for error in [one, two, three] {
        assert!(matches!(error, StdioError::Late { .. }), "{error}");
    }
    assert_eq!(soon(child.ended()).await, End::Hung);
}

#[tokio::test]
async fn junk_is_dropped_and_counted_until_it_is_too_much() {
    let tools = Tools::with(quick());
    let plan = odd(&[]);
    let child = tools.child(&plan, ANA).await.unwrap();
    assert_eq!(call(&child, "banner", json!({"times": JUNK_MAX - 1})).await.unwrap(), "done");
    assert_eq!(child.counts().junk, u64::from(JUNK_MAX) - 1);
    assert_eq!(call(&child, "twice", json!({})).await.unwrap(), "first");
    assert_eq!(call(&child, "batch", json!({})).await.unwrap(), "alone");
    assert_eq!(child.counts().junk, u64::from(JUNK_MAX) + 1);
    let many = fails(&child, "banner", json!({"times": JUNK_MAX})).await;
    assert!(
        matches!(&many, StdioError::Ended { how: End::Broken { why } } if why.contains("strict JSON")),
        "{many}"
    );

    let child = tools.child(&plan, ANA).await.unwrap();
    let wrong = fails(&child, "other_id", json!({"times": JUNK_MAX})).await;
    assert!(
        matches!(&wrong, StdioError::Ended { how: End::Broken { why } } if why.contains("answer to no")),
        "{wrong}"
    );
    for tool in ["flood", "nag"] {
        let child = tools.child(&plan, BEN).await.unwrap();
        let ended = fails(&child, tool, json!({})).await;
        assert!(matches!(&ended, StdioError::Ended { how: End::Broken { .. } }), "{tool}: {ended}");
        soon(child.ended()).await;
    }
}

#[tokio::test]
async fn lines_are_bounded_both_ways() {
    let tools = Tools::with(quick());
    let plan = odd(&[]);
    let child = tools.child(&plan, ANA).await.unwrap();
    let fits = call(&child, "echo", json!({"long": "x".repeat(1 << 20)})).await.unwrap();
    assert!(fits.len() > 1 << 20);
    let long = child.ask(tool("echo", json!({"long": "x".repeat(LINE_BYTES_MAX)}))).await.unwrap_err();
    assert!(matches!(long, StdioError::Message { .. }) && long.fault() == Fault::Caller, "{long}");
    let fits = ask(&child, tool("long_answer", json!({"bytes": LINE_BYTES_MAX}))).await.unwrap();
    assert_eq!(fits[0]["id"], "caller-1");
    let ended = fails(&child, "long_answer", json!({"bytes": LINE_BYTES_MAX + 1})).await;
    assert!(
        matches!(&ended, StdioError::Ended { how: End::Broken { why } } if why.contains("a line of more than")),
        "{ended}"
    );
}

#[tokio::test]
async fn one_that_does_not_read_is_ended() {
    let tools = Tools::with(Bounds { write: Duration::from_millis(300), ..quick() });
    let child = tools.child(&odd(&[]), ANA).await.unwrap();
    let mut waiting = child.ask(tool("deaf", json!({}))).await.unwrap();
    // More than a pipe holds.
    let mut other = child.ask(tool("echo", json!({"long": "x".repeat(1 << 20)}))).await.unwrap();
    let stuck = Some(Err(StdioError::Ended { how: End::Stuck }));
    assert_eq!((soon(waiting.next()).await, soon(other.next()).await), (stuck.clone(), stuck));
}

#[tokio::test]
async fn open_requests_are_bounded() {
    let tools = Tools::new();
    let child = tools.child(&odd(&[]), ANA).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..OPEN_MAX {
        open.push(child.ask(tool("silent", json!({}))).await.unwrap());
    }
    let full = child.ask(tool("echo", json!({}))).await.unwrap_err();
    assert!(
        matches!(full, StdioError::Full { .. }) && full.nothing_sent() && full.fault() == Fault::Us,
        "{full}"
    );
    open.pop();
    assert_eq!(call(&child, "echo", json!({})).await.unwrap(), "{}");
}

#[tokio::test]
async fn errors_are_counted_and_do_not_block() {
    let tools = Tools::new();
    let child = tools.child(&odd(&[]), ANA).await.unwrap();
    // Far more than a pipe holds.
    assert_eq!(call(&child, "complain", json!({"bytes": 1 << 20})).await.unwrap(), "done");
    drop(tools);
    assert_eq!(soon(child.ended()).await, End::Drained);
    assert_eq!(child.counts().errors_bytes, 1 << 20);
}

#[tokio::test]
async fn a_stop_ends_an_actors_children_at_once_and_nobody_elses() {
    let tools = Tools::new();
    let plan = odd(&[]);
    let (ana, ben) = (tools.child(&plan, ANA).await.unwrap(), tools.child(&plan, BEN).await.unwrap());
    let mut waiting = ana.ask(tool("silent", json!({}))).await.unwrap();
    tools.pool.stop(ANA);
    assert_eq!(soon(waiting.next()).await, Some(Err(StdioError::Ended { how: End::Stopped })));
    assert_eq!(soon(ana.ended()).await, End::Stopped);
    assert_eq!(call(&ben, "echo", json!({})).await.unwrap(), "{}");

    // One that is being started does not come to life.
    let mute = odd_with(2, 60_000, &["--mute"], Sandbox::default());
    let starting = tools.pool.child(&mute, ANA);
    tokio::pin!(starting);
    assert!(begun(&mut starting).await.is_none());
    tools.pool.stop(ANA);
    assert_eq!(soon(starting).await.unwrap_err(), StdioError::Stopped);
}

#[tokio::test]
async fn idle_ones_end_and_room_is_made_for_others() {
    let idle = Duration::from_millis(50);
    let tools = Tools::with(Bounds { idle, ..quick() });
    let child = tools.child(&odd(&[]), ANA).await.unwrap();
    assert_eq!(soon(child.ended()).await, End::Idle);
    drop(tools);

    let tools = Tools::with(Bounds { children: 2, per_server: 1, ..quick() });
    let (one, two) =
        (odd_with(1, 60_000, &[], Sandbox::default()), odd_with(2, 60_000, &[], Sandbox::default()));
    let ana = tools.child(&one, ANA).await.unwrap();
    let ben = tools.child(&one, BEN).await.unwrap();
    assert_eq!(soon(ana.ended()).await, End::Evicted, "one child of each server");
    let busy = ben.ask(tool("silent", json!({}))).await.unwrap();
    let full = tools.child(&one, ANA).await.unwrap_err();
    assert!(matches!(full, StdioError::Full { max: 1, .. }), "{full}");
    let other = tools.child(&two, ANA).await.unwrap();
    assert_eq!(tools.pool.live(), 2);
    let third = tools.child(&odd_with(3, 60_000, &[], Sandbox::default()), ANA).await.unwrap();
    assert_eq!(soon(other.ended()).await, End::Evicted, "two in all");
    assert_eq!(call(&third, "echo", json!({})).await.unwrap(), "{}");
    drop(busy);
}

#[tokio::test]
async fn a_new_declaration_gets_a_new_child_and_the_old_one_finishes_its_work() {
    let tools = Tools::new();
    let old = tools.child(&odd(&[]), ANA).await.unwrap();
    let same = tools.child(&odd(&[]), ANA).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&old, &same), "a plan that says the same changes nothing");
    drop(same);
    let waiting = old.ask(tool("silent", json!({}))).await.unwrap();
    let new = tools.child(&odd(&["--revision", "2025-06-18"]), ANA).await.unwrap();
    assert_eq!(new.hello().revision, Revision::V2025_06_18);
    assert!(old.end().is_none());
    assert_eq!(call(&old, "echo", json!({})).await.unwrap(), "{}");
    // A stop finds it all the same.
    tools.pool.stop(ANA);
    assert_eq!((soon(old.ended()).await, soon(new.ended()).await), (End::Stopped, End::Stopped));
    drop(waiting);
}

#[tokio::test]
async fn a_drained_pool_has_no_processes_and_takes_nothing() {
    let tools = Tools::new();
    let plan = odd(&[]);
    let child = tools.child(&plan, ANA).await.unwrap();
    let about: Value = serde_json::from_str(&call(&child, "about", json!({})).await.unwrap()).unwrap();
    let own = format!("/proc/{}", about["pid"]);
    assert!(std::path::Path::new(&own).exists());
    soon(tools.pool.drain()).await;
    assert!(!std::path::Path::new(&own).exists());
    assert_eq!(child.end(), Some(End::Drained));
    assert_eq!(tools.child(&plan, ANA).await.unwrap_err(), StdioError::Draining);
    assert_eq!(tools.pool.live(), 0);
}

/// Lets a future begin; gives what it gives at once.
async fn begun<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = tokio::task::yield_now() => None,
    }
}
