//! Messages and headers made to be read in two ways.

use super::*;
use crate::jsonrpc::{Message, MessageError, code};

const VERSION: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");

fn tool_call(name: &str) -> String {
    stateless("tools/call", &format!(",\"name\":{},\"arguments\":{{}}", edit::encode(name)))
}

fn kind(result: Result<Option<Revision>, HeaderMismatch>) -> &'static str {
    match result {
        Ok(_) => "fine",
        Err(HeaderMismatch::Missing { .. }) => "missing",
        Err(HeaderMismatch::Twice { .. }) => "twice",
        Err(HeaderMismatch::Differs { .. }) => "differs",
        Err(HeaderMismatch::Unexpected { .. }) => "unexpected",
        Err(HeaderMismatch::Malformed { .. }) => "malformed",
        Err(HeaderMismatch::UnknownRevision) => "unknown",
    }
}

#[test]
fn methods_are_compared_byte_by_byte() {
    for word in [
        "Tools/Call",
        "tools/call ",
        " tools/call",
        "tools/Call",
        "tools//call",
        "tools/call\\u0000",
        "tools\\u2215call",
    ] {
        assert_eq!(call(&stateless(word, "")).method, Method::Other, "{word}");
    }
    // The same word, written with escapes.
    let view = call(r#"{"jsonrpc":"2.0","id":1,"method":"\u0074ools\/list"}"#);
    assert_eq!(view.method, Method::ToolsList);
}

#[test]
fn keys_that_say_a_name_twice_are_refused_before_any_view() {
    for params in [
        r#","name":"a","name":"b""#,
        r#","name":"a","Name":"b""#,
        r#","name":"a","\u006eame":"b""#,
        r#","name":"a","arguments":{},"Arguments":{}"#,
    ] {
        let text = stateless("tools/call", params);
        assert!(Document::parse(text.as_bytes(), &Limits::default()).is_err(), "{params}");
    }
    // The twin alone is no name.
    let text = stateless("tools/call", r#","Name":"b""#);
    assert_eq!(CallView::read(&document(&text)).unwrap_err(), ViewError::Missing { member: "/params/name" });
    let text = r#"{"jsonrpc":"2.0","id":1,"Method":"tools/call"}"#;
    assert!(matches!(Message::read(&document(text)), Err(MessageError::UnknownMember { .. })));
}

#[test]
fn headers_that_say_something_else_are_refused() {
    let text = tool_call("pay");
    let view = call(&text);
    let method = ("Mcp-Method", "tools/call");
    for (name, wanted) in [
        ("pay", "fine"),
        ("=?base64?cGF5?=", "fine"),
        ("Pay", "differs"),
        ("pay ", "differs"),
        (" pay", "differs"),
        ("\tpay", "differs"),
        ("", "differs"),
        ("pa%79", "differs"),
        ("\"pay\"", "differs"),
        ("=?BASE64?cGF5?=", "differs"),
        ("=?base64?cGF5", "differs"),
        ("=?base64?=", "differs"),
        ("=?base64?cGF5 ?=", "malformed"),
        ("=?base64?cGF5=?=", "malformed"),
        ("=?base64?cGF6?=", "differs"),
        ("=?base64?/w==?=", "malformed"),
        ("=?base64?cGG=?=", "malformed"),
        ("p\u{e4}y", "malformed"),
        ("pay\u{7f}", "malformed"),
        ("pay\n", "malformed"),
    ] {
        assert_eq!(kind(check(&view, &[VERSION, method, ("Mcp-Name", name)])), wanted, "{name}");
    }
    for (headers, wanted) in [
        (vec![VERSION, method], "missing"),
        (vec![VERSION, ("mcp-name", "pay")], "missing"),
        (vec![method, ("mcp-name", "pay")], "missing"),
        (vec![VERSION, ("Mcp-Method", "Tools/Call"), ("Mcp-Name", "pay")], "differs"),
        (vec![VERSION, ("Mcp-Method", "=?base64?dG9vbHMvY2FsbA==?="), ("Mcp-Name", "pay")], "differs"),
        (vec![VERSION, method, ("MCP-NAME", "pay"), ("mcp-name", "pay")], "twice"),
        (vec![VERSION, VERSION, method, ("mcp-name", "pay")], "twice"),
        (vec![("mcp-protocol-version", "2025-11-25"), method, ("mcp-name", "pay")], "differs"),
        (vec![("mcp-protocol-version", "2026-07-28 "), method, ("mcp-name", "pay")], "differs"),
    ] {
        assert_eq!(kind(check(&view, &headers)), wanted, "{headers:?}");
    }
    assert_eq!(check(&view, &[]).unwrap_err().code(), code::HEADER_MISMATCH);
}

#[test]
fn a_name_must_not_come_where_there_is_none() {
    let text = stateless("tools/list", "");
    let headers = [VERSION, ("Mcp-Method", "tools/list"), ("Mcp-Name", "pay")];
    assert_eq!(kind(check(&call(&text), &headers)), "unexpected");
    let text = stateless("vendor/call", ",\"name\":\"a\"");
    let view = call(&text);
    assert_eq!(kind(check(&view, &[VERSION, ("Mcp-Method", "vendor/call"), ("Mcp-Name", "pay")])), "fine");
    assert_eq!(headers_for(&view, None).len(), 2);
}

#[test]
fn eras_are_not_mixed() {
    let bare = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay"}}"#;
    let view = call(bare);
    assert_eq!(view.era, Era::Handshake);
    assert_eq!(kind(check(&view, &[VERSION, ("mcp-method", "tools/call"), ("mcp-name", "pay")])), "differs");
    assert_eq!(check(&view, &[]), Ok(None));
    assert_eq!(check(&view, &[("mcp-protocol-version", "2025-06-18")]), Ok(Some(Revision::V2025_06_18)));
    assert_eq!(kind(check(&view, &[("mcp-protocol-version", "2025-06-19")])), "unknown");
    assert_eq!(kind(check(&view, &[("mcp-name", "harmless")])), "differs");
    let old = tool_call("pay").replace("2026-07-28", "2025-11-25");
    let headers = [("mcp-protocol-version", "2025-11-25"), ("mcp-method", "tools/call"), ("mcp-name", "pay")];
    let refused = check(&call(&old), &headers).unwrap_err();
    assert_eq!(refused.code(), code::UNSUPPORTED_PROTOCOL_VERSION);
    let half = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let error = CallView::read(&document(half)).unwrap_err();
    assert_eq!(error.code(), code::INVALID_PARAMS);
    assert!(matches!(error, ViewError::Missing { .. }));
    // An `initialize` does not become stateless by what it carries besides.
    let text = stateless("initialize", ",\"protocolVersion\":\"2025-11-25\"");
    assert_eq!(call(&text).era, Era::Handshake);
}

#[test]
fn a_request_is_no_notification_and_the_reverse() {
    for text in [
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}"#,
    ] {
        assert!(matches!(CallView::read(&document(text)), Err(ViewError::NotWanted { .. })), "{text}");
    }
}

#[test]
fn parameters_of_another_kind_are_refused() {
    for (method, params) in [
        ("tools/call", ""),
        ("tools/call", ",\"name\":\"\""),
        ("tools/call", ",\"name\":[\"a\"]"),
        ("tools/call", ",\"name\":\"a\",\"arguments\":[]"),
        ("tools/call", ",\"name\":\"a\",\"arguments\":\"{}\""),
        ("tools/call", ",\"name\":\"a\",\"requestState\":{}"),
        ("tools/call", ",\"name\":\"a\",\"inputResponses\":[]"),
        ("resources/read", ",\"uri\":{}"),
        ("tools/list", ",\"cursor\":1"),
    ] {
        let text = stateless(method, params);
        assert!(CallView::read(&document(&text)).is_err(), "{method} {params}");
    }
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":[]}}"#;
    assert!(CallView::read(&document(text)).is_err());
}

#[test]
fn results_that_say_one_thing_and_hold_another_are_refused() {
    let answer = |result: &str| format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{result}}}");
    for (method, result) in [
        (Method::ToolsList, "{}"),
        (Method::ToolsList, r#"{"tools":{}}"#),
        (Method::ToolsList, r#"{"tools":["a"]}"#),
        (Method::ToolsCall, r#"{"content":[],"isError":"no"}"#),
        (Method::ToolsCall, r#"{"resultType":"input_required"}"#),
        (Method::ToolsCall, r#"{"resultType":"input_required","inputRequests":[]}"#),
        (Method::ToolsCall, r#"{"resultType":7}"#),
    ] {
        let text = answer(result);
        assert!(ResultView::read(method, &document(&text)).is_err(), "{result}");
    }
    let text = answer(r#"{"resultType":"Complete","content":[{"type":"text","text":"hidden"}]}"#);
    let view_document = document(&text);
    let view = ResultView::read(Method::ToolsCall, &view_document).unwrap();
    assert_eq!(view.kind, ResultKind::Unknown("Complete".into()));
    assert_eq!(texts(&view.segments, Part::Text), ["hidden"]);
}

#[test]
fn blocks_that_hide_text_beside_their_type_show_it() {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[
        {"type":"image","data":"aaaa","mimeType":"image/png","text":"beside"},
        {"type":"image","data":{"deep":"within"}},
        {"type":"Text","text":"twin"},
        {"type":"resource","resource":{"uri":"u:1","blob":"bbbb","text":"both"}},
        "bare"],"extra":{"key of mine":"extra"}}}"#;
    let document = document(text);
    let view = ResultView::read(Method::ToolsCall, &document).unwrap();
    let all: Vec<_> = view.segments.iter().map(|segment| segment.text.as_ref()).collect();
    for wanted in ["beside", "within", "twin", "both", "bare", "extra", "key of mine", "u:1"] {
        assert!(all.contains(&wanted), "{wanted}");
    }
    let kinds: Vec<_> = view.opaque.iter().map(|part| part.kind).collect();
    assert_eq!(kinds, [OpaqueKind::Image, OpaqueKind::Image, OpaqueKind::Unknown, OpaqueKind::Blob]);
}

#[test]
fn keys_that_a_peer_chose_are_text() {
    let text = stateless("tools/call", r#","name":"a","inputResponses":{"said by key":{"action":"accept"}}"#);
    assert_eq!(texts(&call(&text).segments, Part::Key), ["said by key"]);
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"asked by key":{"method":"roots/list"}}}}"#;
    let document = document(text);
    let view = ResultView::read(Method::ToolsCall, &document).unwrap();
    assert_eq!(texts(&view.segments, Part::Key), ["asked by key"]);
    assert_eq!(view.input_requests[0].method, Method::RootsList);
}

#[test]
fn errors_and_url_elicitations_are_text() {
    let text = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"go there","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x.example","message":"sign in"}]}}}"#;
    let document = document(text);
    let view = ResultView::read(Method::ToolsCall, &document).unwrap();
    assert_eq!(view.kind, ResultKind::Error);
    assert_eq!(view.error.as_ref().unwrap().code, code::URL_ELICITATION_REQUIRED);
    let said = texts(&view.segments, Part::Error);
    assert!(said.contains(&"go there") && said.contains(&"https://x.example") && said.contains(&"sign in"));
}

#[test]
fn schemas_that_misuse_repeated_arguments_are_refused() {
    let of = |schema: &str| ParamHeaders::of(document(schema).root());
    let property = |inner: &str| format!("{{\"properties\":{{\"a\":{inner}}}}}");
    for (schema, wanted) in [
        (r#"{"x-mcp-header":"A","type":"string"}"#.to_owned(), ParamError::Unreachable),
        (property(r#"{"items":{"type":"string","x-mcp-header":"A"}}"#), ParamError::Unreachable),
        (property(r#"{"anyOf":[{"type":"string","x-mcp-header":"A"}]}"#), ParamError::Unreachable),
        (property(r#"{"$defs":{"b":{"type":"string","x-mcp-header":"A"}}}"#), ParamError::Unreachable),
        (property(r#"{"type":"string","x-mcp-header":""}"#), ParamError::Name),
        (property(r#"{"type":"string","x-mcp-header":"a b"}"#), ParamError::Name),
        (property(r#"{"type":"string","x-mcp-header":"a\r\nX: y"}"#), ParamError::Name),
        (property(r#"{"type":"string","x-mcp-header":7}"#), ParamError::Name),
        (property(r#"{"type":"number","x-mcp-header":"A"}"#), ParamError::Type),
        (property(r#"{"x-mcp-header":"A"}"#), ParamError::Type),
        (
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#
                .to_owned(),
            ParamError::Twice,
        ),
    ] {
        assert_eq!(of(&schema), Err(wanted), "{schema}");
    }
    // Data that looks like an annotation is none.
    assert!(of(&property(r#"{"type":"object","default":{"x-mcp-header":"A"}}"#)).unwrap().is_empty());
}

#[test]
fn repeated_arguments_are_present_together_or_absent_together() {
    let schema = r#"{"properties":{"n":{"type":"integer","x-mcp-header":"N"},"o":{"properties":{"b":{"type":"boolean","x-mcp-header":"B"}}}}}"#;
    let params = ParamHeaders::of(document(schema).root()).unwrap();
    let check = |arguments: &str, headers: &[(&str, &str)]| {
        let text = stateless("tools/call", &format!(",\"name\":\"a\",\"arguments\":{arguments}"));
        let given: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        params.check(&document(&text), given)
    };
    assert_eq!(check("{}", &[]), Ok(()));
    assert_eq!(check(r#"{"n":null,"o":{}}"#, &[]), Ok(()));
    for (said, fine) in [
        ("42", true),
        ("42.0", true),
        ("042", true),
        ("=?base64?NDI=?=", true),
        ("42.5", false),
        ("4.2e1", false),
        ("+42", false),
        ("43", false),
        ("42 ", false),
        ("", false),
    ] {
        assert_eq!(check(r#"{"n":42}"#, &[("MCP-PARAM-N", said)]).is_ok(), fine, "{said}");
        assert_eq!(check(r#"{"n":42.0}"#, &[("mcp-param-n", said)]).is_ok(), fine, "{said}");
    }
    assert_eq!(check(r#"{"o":{"b":true}}"#, &[("mcp-param-b", "true")]), Ok(()));
    assert!(check(r#"{"o":{"b":true}}"#, &[("mcp-param-b", "True")]).is_err());
    assert!(matches!(check(r#"{"n":1}"#, &[]), Err(HeaderMismatch::Missing { .. })));
    assert!(matches!(check("{}", &[("mcp-param-n", "1")]), Err(HeaderMismatch::Unexpected { .. })));
    assert!(matches!(check(r#"{"n":[1]}"#, &[("mcp-param-n", "1")]), Err(HeaderMismatch::Unexpected { .. })));
    let twice = [("mcp-param-n", "1"), ("Mcp-Param-N", "1")];
    assert!(matches!(check(r#"{"n":1}"#, &twice), Err(HeaderMismatch::Twice { .. })));
}

#[test]
fn the_examples_of_the_specification_encode_so() {
    for (plain, coded) in [
        ("us-west1", "us-west1"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
    ] {
        assert_eq!(encode_value(plain), coded);
        assert_eq!(decode_value(coded.as_bytes()).unwrap(), plain);
    }
}

#[test]
fn a_pin_tells_what_changed_and_nothing_else() {
    let pin = |text: &str| pin_input(document(text).root());
    let tool =
        r#"{"name":"a","description":"says","inputSchema":{"type":"object","b":1,"a":[1.0,2e3]},"icons":[]}"#;
    let same = "{ \"inputSchema\":{\"a\":[1,2000],\"b\":1.0,\"type\":\"obj\\u0065ct\"},\n\"description\":\"says\",\"name\":\"a\"}";
    assert_eq!(pin(tool), pin(same));
    assert_eq!(
        String::from_utf8(pin(tool)).unwrap(),
        r#"{"description":"says","inputSchema":{"a":[1,2000],"b":1,"type":"object"},"name":"a"}"#
    );
    for (from, to) in [
        ("says", "says\\u200b"),
        ("says", "sa\u{e0041}ys"),
        ("\"b\":1", "\"b\":2"),
        ("[1.0,2e3]", "[2e3,1.0]"),
        ("\"name\":\"a\"", "\"name\":\"a\",\"title\":\"\""),
        ("\"name\":\"a\"", "\"name\":\"a\",\"annotations\":{\"readOnlyHint\":true}"),
    ] {
        assert_ne!(pin(tool), pin(&tool.replacen(from, to, 1)), "{to}");
    }
}

#[test]
fn http_rules() {
    let accept = |value: &str| {
        let accept = Accept::read([value.as_bytes()]);
        (accept.json, accept.sse)
    };
    assert_eq!(accept("application/json, text/event-stream"), (true, true));
    assert_eq!(accept("*/*"), (true, true));
    assert_eq!(accept("application/*;q=0.5"), (true, false));
    assert_eq!(accept("Text/Event-Stream;q=0.0, application/json; q=0"), (false, false));
    assert_eq!(accept("application/jsonp"), (false, false));
    for (value, fine) in [
        ("application/json", true),
        ("Application/JSON; charset=UTF-8", true),
        ("application/json; charset=\"utf-8\"", true),
        ("application/json; charset=utf-16", false),
        ("application/json-patch+json", false),
        ("text/plain", false),
        ("", false),
    ] {
        assert_eq!(is_json(value.as_bytes()), fine, "{value}");
    }
    assert_eq!(session_id(b"abc-1.2"), Some("abc-1.2"));
    let long = [b'a'; 1025];
    for bad in [&b""[..], b"a b", b"a\x7f", b"\xff", &long[..]] {
        assert_eq!(session_id(bad), None);
    }
    assert!(session_id(&long[1..]).is_some());
    assert_eq!(status_of(Revision::V2026_07_28, code::METHOD_NOT_FOUND), 404);
    assert_eq!(status_of(Revision::V2025_11_25, code::METHOD_NOT_FOUND), 200);
    assert_eq!(status_of(Revision::V2026_07_28, code::HEADER_MISMATCH), 400);
    assert_eq!(status_of(Revision::V2025_03_26, code::PARSE_ERROR), 400);
    assert_eq!((HttpFault::Verb.status(), HttpFault::allow(Era::Stateless)), (405, "POST"));
}

#[test]
fn channels_carry_what_their_era_allows() {
    let request = document(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#);
    let request = Message::read(&request).unwrap();
    let notice = document(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#);
    let notice = Message::read(&notice).unwrap();
    let response = document(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let response = Message::read(&response).unwrap();
    let asked = crate::jsonrpc::Id::integer(1);
    let other = crate::jsonrpc::Id::text("1");
    use Era::{Handshake, Stateless};
    for (era, channel, message, fine) in [
        (Stateless, Channel::Post, &response, false),
        (Handshake, Channel::Post, &response, true),
        (Stateless, Channel::Stream(&asked), &request, false),
        (Handshake, Channel::Stream(&asked), &request, true),
        (Stateless, Channel::Stream(&asked), &notice, true),
        (Stateless, Channel::Stream(&other), &response, false),
        (Stateless, Channel::Json(&asked), &response, true),
        (Handshake, Channel::Json(&asked), &notice, false),
        (Handshake, Channel::Get, &notice, true),
        (Handshake, Channel::Get, &response, false),
        (Handshake, Channel::GetResumed, &response, true),
        (Stateless, Channel::Get, &notice, false),
    ] {
        assert_eq!(may_carry(era, channel, message).is_ok(), fine, "{era:?} {channel:?}");
    }
}

#[test]
fn methods_know_their_sides_and_revisions() {
    let all = |method: Method, side: Side| Revision::ALL.map(|revision| method.is_defined(revision, side));
    assert_eq!(all(Method::ToolsCall, Side::Client), [true; 5]);
    assert_eq!(all(Method::ToolsCall, Side::Server), [false; 5]);
    assert_eq!(all(Method::Initialize, Side::Client), [true, true, true, true, false]);
    assert_eq!(all(Method::Discover, Side::Client), [false, false, false, false, true]);
    assert_eq!(all(Method::ElicitationCreate, Side::Server), [false, false, true, true, false]);
    assert_eq!(all(Method::ElicitationComplete, Side::Server), [false, false, false, true, false]);
    assert_eq!(all(Method::Progress, Side::Client), [true, true, true, true, false]);
    assert_eq!(all(Method::Other, Side::Client), [false; 5]);
}

#[test]
fn an_unsupported_version_is_told_as_the_specification_shows() {
    let id = crate::jsonrpc::Id::integer(1);
    let told = unsupported_version(Some(&id), "1900-01-01", &[Revision::V2026_07_28, Revision::V2025_11_25]);
    assert_eq!(
        String::from_utf8(told).unwrap(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28","2025-11-25"],"requested":"1900-01-01"}}}"#
    );
}
