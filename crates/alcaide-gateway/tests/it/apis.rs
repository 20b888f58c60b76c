//! Plain APIs: what of a call is looked at, which operation it is, and what the record says of it.

use alcaide_seal::digest::Hasher;
use alcaide_testkit::{ModelServer, Script};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::house::*;

const CARD: &str = "4242 4242 4242 4242";
const BLOCKED: (u16, &str) = (403, "ALC-GATE-0021");

fn server() -> ModelServer {
    ModelServer::start(Script::says("fine")).unwrap()
}

/// A service at `url` whose calls are permitted under these obligations.
fn setup(url: &str, obligation: &str) -> Setup {
    let demand = if obligation.is_empty() { String::new() } else { format!("@obligation(\"{obligation}\")") };
    Setup::people()
        .upstream("erp", "http", url, "")
        .with(
            "[[route]]\nname = \"erp\"\nkind = \"service\"\nupstream = \"erp\"\noperations = [\n\
             { name = \"one\", method = \"GET\", path = \"/invoices/{id}\", effect = \"read\" },\n\
             { name = \"export\", method = \"GET\", path = \"/invoices/export\", effect = \"read\" },\n\
             { name = \"drop\", method = \"DELETE\", path = \"/invoices/{id}\", effect = \"destructive\" },\n\
             { name = \"lines\", method = \"GET\", path = \"/{kind}/all/lines\", effect = \"read\" },\n\
             { name = \"line\", method = \"GET\", path = \"/invoices/{id}/lines\", effect = \"read\" },\n\
             { name = \"pay\", method = \"POST\", path = \"/invoices\", effect = \"money\" }]\n",
        )
        .policy(
            "erp",
            &format!("{demand} permit (principal, action == Alcaide::Action::\"call_api\", resource);"),
        )
        // What these tests are about is not where data came from.
        .policy("flow", "")
}

fn request(token: &str, method: &str, path: &str, kind: &str, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(format!("/api/erp{path}"));
    request = request.header("authorization", format!("Bearer {token}"));
    if !kind.is_empty() {
        request = request.header("content-type", kind);
    }
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

/// Status and code of an answer; no code where it is the upstream's own.
async fn told(house: &House, request: Request<Full<Bytes>>) -> (u16, String) {
    let answer = send(house.address, request).await;
    let status = answer.status;
    let said: serde_json::Value = serde_json::from_str(&answer.text().await).unwrap_or_default();
    (status, said["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_body_that_cannot_be_looked_into_passes_only_where_nothing_is_demanded() {
    let server = server();
    let house = setup(&server.url("/erp"), "block:card").start().await;
    let token = house.token(BOT).await;
    let pay = |kind: &'static str, body: String| request(&token, "POST", "/invoices", kind, &body);
    let twice = r#"{"amount":1,"amount":2}"#.to_owned();
    let card = format!(r#"{{"pan":"{CARD}"}}"#);
    let escaped = r#"{"pan":"\u0034242 4242 4242 4242"}"#.to_owned();
    for (kind, body) in [
        ("", "{}".to_owned()),
        ("", twice.clone()),
        ("", card.clone()),
        ("application/octet-stream", "x".to_owned()),
        ("text/plain; charset=utf-16", "x".to_owned()),
        ("text/plain", format!("pay with {CARD}")),
        ("text/plain", escaped.clone()),
        ("text/plain", twice.clone()),
        ("text/json", card.clone()),
        ("application/merge-patch+json", card.clone()),
        ("application/json", card.clone()),
        ("application/json", r#"{"pan":4242424242424242}"#.to_owned()),
        ("application/x-www-form-urlencoded", "a=b&pan=4242+4242+4242+%34242".to_owned()),
    ] {
        let (status, code) = told(&house, pay(kind, body.clone())).await;
        assert_eq!((status, code.as_str()), BLOCKED, "{kind}: {body}");
    }
    for kind in ["application/json", "application/merge-patch+json", "text/json"] {
        let (status, code) = told(&house, pay(kind, twice.clone())).await;
        assert_eq!((status, code.as_str()), (400, "ALC-GATE-0014"), "{kind}");
    }
    assert_eq!(server.arrived(), 0);
    for (kind, body) in [
        ("text/plain", "an ordinary word"),
        ("text/plain; charset=UTF-8", "[an ordinary word"),
        ("application/json", "{}"),
        ("application/x-www-form-urlencoded", "a=b"),
    ] {
        let (_, code) = told(&house, pay(kind, body.to_owned())).await;
        let uninspected = body.starts_with('[');
        assert_eq!(code, if uninspected { BLOCKED.1 } else { "" }, "{kind}: {body}");
        if !uninspected {
            let heard = server.heard().pop().unwrap();
            assert_eq!((heard.header("content-type"), &heard.body[..]), (Some(kind), body.as_bytes()));
        }
    }
}

#[tokio::test]
async fn a_body_without_a_type_goes_out_without_one() {
    let server = server();
    let house = setup(&server.url("/erp"), "").start().await;
    let token = house.token(BOT).await;
    assert_eq!(told(&house, request(&token, "POST", "/invoices", "", "x")).await.1, "");
    let heard = server.heard().pop().unwrap();
    assert_eq!((heard.header("content-type"), &heard.body[..]), (None, &b"x"[..]));
    assert_eq!(house.audit().await.len(), 1);
}

#[tokio::test]
async fn path_and_query_are_looked_at() {
    let server = server();
    let house = setup(&server.url("/erp"), "block:card").start().await;
    let token = house.token(BOT).await;
    for path in [
        "/invoices/4242424242424242",
        "/invoices/4242%204242%204242%204242",
        "/invoices/17?card=4242424242424242",
        "/invoices/17?card=4242+4242+4242+4242",
        "/invoices/17?4242424242424242",
        "/invoices/17?4242424242424242=1",
    ] {
        let (status, code) = told(&house, request(&token, "GET", path, "", "")).await;
        assert_eq!((status, code.as_str()), BLOCKED, "{path}");
    }
    assert_eq!(server.arrived(), 0);
    assert_eq!(told(&house, request(&token, "GET", "/invoices/17?card=none", "", "")).await.1, "");
    assert_eq!(server.heard().pop().unwrap().target, "/erp/invoices/17?card=none");
}

#[tokio::test]
async fn the_operation_that_is_decided_on_is_the_one_that_runs() {
    let server = server();
    let forbid = |name: &str| {
        format!(
            "forbid (principal, action, resource) when {{ resource has name && resource.name == \"{name}\" }};"
        )
    };
    let house = setup(&server.url("/erp"), "")
        .policy("no-export", &forbid("export"))
        .policy("no-lines", &forbid("line"))
        .start()
        .await;
    let token = house.token(BOT).await;
    let get = |path: &'static str| request(&token, "GET", path, "", "");
    // The literal wins over the parameter, whichever is declared first; of two, the one that is literal earlier.
    assert_eq!(told(&house, get("/invoices/export")).await.0, 403);
    assert_eq!(told(&house, get("/invoices/all/lines")).await.0, 403);
    assert_eq!(told(&house, get("/orders/all/lines")).await.1, "");
    // What the upstream would read as `export` is never `{id}`.
    assert_eq!(told(&house, get("/invoices/%65xport")).await.0, 400);
    assert_eq!(told(&house, get("/invoices/17")).await.1, "");
    assert_eq!(told(&house, get("/invoices/1%207")).await.1, "");
    assert_eq!(server.arrived(), 3);
}

#[tokio::test]
async fn the_digest_of_an_intent_is_over_the_whole_request() {
    let server = server();
    let house = setup(&server.url("/erp"), "").start().await;
    let token = house.token(BOT).await;
    let drop = |path: &'static str| {
        let mut request = request(&token, "DELETE", path, "", "");
        request.headers_mut().insert("if-match", "\"7\"".parse().unwrap());
        request
    };
    for path in ["/invoices/17", "/invoices/18", "/invoices/18?all=1", "/invoices/17"] {
        told(&house, drop(path)).await;
    }
    told(&house, request(&token, "DELETE", "/invoices/17", "", "")).await;
    let digests: Vec<_> = house.audit().await.into_iter().map(|(intent, _)| intent.content.digest).collect();
    let [first, second, third, again, bare] = digests.as_slice() else { panic!("{digests:?}") };
    assert_eq!(first, again);
    let mut distinct = vec![first, second, third, bare];
    distinct.sort_by_key(|digest| digest.0);
    distinct.dedup();
    assert_eq!(distinct.len(), 4);
    // As ARCHITECTURE says it: each part after its length in eight bytes.
    let mut hasher = Hasher::new();
    for part in
        ["http-request-1", "DELETE", "/invoices/17", "accept", "application/json", "if-match", "\"7\"", ""]
    {
        hasher.update(&u64::try_from(part.len()).unwrap().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    assert_eq!(first.0, *hasher.finish().as_bytes());
}

#[tokio::test]
async fn what_is_not_inspected_is_blocked_where_that_is_demanded() {
    let server = server();
    let house = setup(&server.url("/erp"), "block:uninspected").start().await;
    let token = house.token(BOT).await;
    let (status, code) =
        told(&house, request(&token, "POST", "/invoices", "application/octet-stream", "x")).await;
    assert_eq!((status, code.as_str()), BLOCKED);
    assert_eq!(server.arrived(), 0);
    assert_eq!(told(&house, request(&token, "POST", "/invoices", "text/plain", "x")).await.1, "");
}

#[tokio::test]
async fn a_card_in_an_answer_is_masked_also_as_a_number() {
    let body = r#"{"pan":4242424242424242,"cents":[42,4.242424242424242e15]}"#;
    let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let blunt =
        Blunt::start(format!("HTTP/1.1 200 OK\r\n{head}connection: close\r\n\r\n{body}"), false).await;
    let house = setup(blunt.url().trim_end_matches("/v1"), "mask:card").start().await;
    let token = house.token(BOT).await;
    let answer = send(house.address, request(&token, "POST", "/invoices", "application/json", "{}")).await;
    let card = "[card ending 4242]";
    assert_eq!(answer.json().await, serde_json::json!({"pan": card, "cents": [42, card]}));
}
