use super::*;

fn judge(build: http::request::Builder) -> Result<(), Refusal> {
    let rule =
        HostRule::loopback().host("gate.example:7100").host("any.example").origin("https://console.example");
    check_request(&build.body(()).unwrap().into_parts().0, &rule)
}

fn get(path: &str) -> http::request::Builder {
    Request::get(path).header("host", "localhost:7100")
}

fn headers(pairs: &[(&str, &str)]) -> Result<(), Refusal> {
    judge(pairs.iter().fold(get("/a"), |request, (name, value)| request.header(*name, *value)))
}

#[test]
fn a_plain_request_passes() {
    assert_eq!(judge(get("/v1/chat/completions?a=%2f..&b=//")), Ok(()));
    let usual = [("content-length", "5"), ("connection", "keep-alive"), ("accept", "a"), ("accept", "b")];
    assert_eq!(headers(&usual), Ok(()));
    assert_eq!(headers(&[("transfer-encoding", "chunked"), ("expect", "100-Continue")]), Ok(()));
    assert_eq!(headers(&[("content-encoding", "identity")]), Ok(()));
    for path in ["/a/.b", "/a..b", "/...", "/a%20b~", "/.well-known/x", "/", "/a/"] {
        assert_eq!(judge(get(path)), Ok(()), "{path}");
    }
}

#[test]
fn a_path_that_two_readers_could_take_differently_is_refused() {
    for path in [
        "//a",
        "/a//b",
        "/a/",
        "/./a",
        "/a/.",
        "/..",
        "/a/../b",
        "/a/..;x/b",
        "/a/.;/b",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/%65xport",
        "/a%41",
        "/a%4f",
        "/a%5A",
        "/a%7a",
        "/a%39",
        "/a%2Db",
        "/a%5fb",
        "/a%7Eb",
        "/a%2e%2e/b",
        "/%2E",
        "/a%00",
        "/a%0d%0a",
        "/a%7f",
        "/a%",
        "/a%4",
        "/a%zz",
        "/a\\b",
        "/é",
    ] {
        let Ok(request) = get(path).body(()) else { continue };
        let got = check_request(&request.into_parts().0, &HostRule::loopback());
        if path == "/a/" {
            assert_eq!(got, Ok(()));
        } else {
            assert!(matches!(got, Err(Refusal::TargetBad { .. })), "{path}: {got:?}");
        }
    }
}

#[test]
fn other_forms_of_target_and_methods_are_refused() {
    assert_eq!(judge(get("http://localhost:7100/a")), Err(Refusal::TargetForm));
    assert_eq!(judge(get("http://evil.example/a")), Err(Refusal::TargetForm));
    assert_eq!(judge(Request::options("*").header("host", "localhost")), Err(Refusal::TargetForm));
    for method in [Method::TRACE, Method::CONNECT] {
        assert_eq!(judge(get("/").method(method.clone())), Err(Refusal::MethodRefused { method }));
    }
}

#[test]
fn only_known_hosts_are_served() {
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:80",
        "[::1]:7100",
        "[::1]",
        "gate.example:7100",
        "any.example:9",
        "Any.Example",
    ] {
        assert_eq!(judge(Request::get("/").header("host", host)), Ok(()), "{host}");
    }
    for host in
        ["evil.example", "gate.example:7101", "gate.example", "localhost.evil.example", "127.0.0.2", "[::2]"]
    {
        let got = judge(Request::get("/").header("host", host));
        assert_eq!(got, Err(Refusal::HostUnknown { host: host.to_owned() }));
    }
    for host in [
        "",
        "a b",
        "a@localhost",
        "localhost:x",
        "localhost:",
        "localhost:70000",
        "localhost/",
        "::1",
        "[::1]x",
    ] {
        assert_eq!(judge(Request::get("/").header("host", host)), Err(Refusal::HostMissing), "{host}");
    }
    assert_eq!(judge(Request::get("/")), Err(Refusal::HostMissing));
    assert_eq!(headers(&[("host", "localhost:7100")]), Err(Refusal::HostMissing));
}

#[test]
fn only_known_origins_may_call() {
    assert_eq!(headers(&[("origin", "https://console.example")]), Ok(()));
    for origin in [
        "null",
        "http://console.example",
        "https://console.example:1",
        "https://evil.example",
        "http://localhost:7100",
        "",
    ] {
        assert!(matches!(headers(&[("origin", origin)]), Err(Refusal::OriginRefused { .. })), "{origin}");
    }
    let rule = HostRule::loopback().same_origin("http");
    for (origin, ok) in
        [("http://localhost:7100", true), ("https://localhost:7100", false), ("http://localhost", false)]
    {
        let parts = get("/").header("origin", origin).body(()).unwrap().into_parts().0;
        assert_eq!(check_request(&parts, &rule).is_ok(), ok, "{origin}");
    }
}

#[test]
fn unclear_framing_is_refused() {
    assert_eq!(
        headers(&[("content-length", "5"), ("transfer-encoding", "chunked")]),
        Err(Refusal::FramingBoth)
    );
    assert_eq!(headers(&[("content-length", "5"), ("content-length", "5")]), Err(Refusal::ContentLength));
    assert_eq!(headers(&[("content-length", "+5")]), Err(Refusal::ContentLength));
    assert_eq!(headers(&[("transfer-encoding", "gzip, chunked")]), Err(Refusal::TransferEncoding));
}

#[test]
fn a_header_with_one_value_comes_once() {
    for name in [
        "authorization",
        "x-api-key",
        "content-type",
        "mcp-method",
        "mcp-session-id",
        "mcp-anything",
        "cookie",
    ] {
        let got = headers(&[(name, "a"), (name, "a")]);
        assert_eq!(got, Err(Refusal::HeaderRepeated { name: name.parse().unwrap() }));
        let named = headers(&[("connection", &format!("close, {name}"))]);
        assert_eq!(named, Err(Refusal::ConnectionNames { name: name.to_owned() }));
    }
    assert!(SINGLE.is_sorted());
}

#[test]
fn unknown_expectations_and_codings_are_refused() {
    assert_eq!(headers(&[("expect", "200-ok")]), Err(Refusal::ExpectUnknown));
    assert_eq!(
        headers(&[("content-encoding", "gzip")]),
        Err(Refusal::CodingUnsupported { coding: "gzip".into() })
    );
}

#[test]
fn a_body_one_past_the_limit_is_refused_by_its_length() {
    let parts = |n: &str| get("/").header("content-length", n).body(()).unwrap().into_parts().0;
    assert_eq!(check_length(&parts("10"), 10), Ok(()));
    for past in ["11", "99999999999999999999999"] {
        assert_eq!(check_length(&parts(past), 10), Err(Refusal::BodyTooLarge { limit: 10 }));
    }
}

#[test]
fn hop_by_hop_headers_go_and_others_stay() {
    let mut map = HeaderMap::new();
    for (name, value) in [
        ("connection", "keep-alive, X-One"),
        ("connection", "x-two,  "),
        ("x-one", "1"),
        ("x-one", "2"),
        ("x-two", "1"),
        ("x-three", "1"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("keep-alive", "5"),
        ("proxy-authorization", "x"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("trailer", "x"),
    ] {
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_static(value));
    }
    hop_by_hop(&mut map);
    let mut left: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["content-length", "x-three"]);
}

#[test]
fn a_refusal_shows_what_was_sent_cut_and_says_what_to_do() {
    let refusal = judge(Request::get("/").header("host", "e".repeat(200))).unwrap_err();
    assert!(refusal.to_string().len() < 120);
    assert_eq!(refusal.entry().code, "ALC-SERVE-0008");
    assert_eq!(refusal.entry().status, 421);
    assert!(!refusal.help().is_empty());
}
