//! Tests of messages: what is read, what is refused, what is written.

use proptest::prelude::*;

use super::*;
use crate::json::Limits;

fn document(text: &str) -> Document<'_> {
    Document::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn refused(text: &str) -> MessageError {
    Message::read(&document(text)).unwrap_err()
}

#[test]
fn messages_of_each_kind_are_read_with_their_spans() {
    let text = r#"{"jsonrpc":"2.0","id": "a\u0062" ,"method":"m","params":{"x":1}}"#;
    let Message::Request(request) = Message::read(&document(text)).unwrap() else { panic!("no request") };
    assert_eq!(request.id, Id::text("ab"));
    assert_eq!(request.id.raw(), r#""a\u0062""#);
    assert_eq!(&text[request.id_span], r#""a\u0062""#);
    assert_eq!(&text[request.params.unwrap()], r#"{"x":1}"#);
    assert_eq!(&text[request.method_span], "\"m\"");
    let text = r#"{"method":"m","jsonrpc":"2.0"}"#;
    assert!(matches!(Message::read(&document(text)), Ok(Message::Notification(it)) if it.params.is_none()));
    let text = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let Message::Response(response) = Message::read(&document(text)).unwrap() else { panic!("no response") };
    assert_eq!(response.id, Some(Id::integer(7)));
    for id in ["\"id\":null,", ""] {
        let text =
            format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{{\"code\":-1,\"message\":\"no\",\"data\":[1]}}}}");
        let document = document(&text);
        let Message::Response(response) = Message::read(&document).unwrap() else { panic!("no response") };
        assert_eq!(response.id, None);
        let Outcome::Error(error) = response.outcome else { panic!("no error") };
        assert_eq!((error.code, error.message.as_ref()), (-1, "no"));
        assert_eq!(&text[error.data.unwrap()], "[1]");
    }
}

#[test]
fn what_could_be_two_messages_is_none() {
    use MessageError as E;
    let unknown = |member: &str| E::UnknownMember { member: member.to_owned() };
    for (text, wanted) in [
        (r#"[{"jsonrpc":"2.0","method":"m"}]"#, E::Batch),
        ("[]", E::Batch),
        ("7", E::NoObject),
        (r#"{"method":"m"}"#, E::Version),
        (r#"{"jsonrpc":2.0,"method":"m"}"#, E::Version),
        (r#"{"jsonrpc":"2.00","method":"m"}"#, E::Version),
        (r#"{"jsonrpc":"2.0"}"#, E::Nothing),
        (r#"{"jsonrpc":"2.0","id":1}"#, E::Nothing),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#, E::Mixed),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#, E::Mixed),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","result":{}}"#, E::Mixed),
        (r#"{"jsonrpc":"2.0","id":1,"params":{},"result":{}}"#, E::Mixed),
        (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, E::Id),
        (r#"{"jsonrpc":"2.0","id":1.0,"method":"m"}"#, E::Id),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#, E::Id),
        (r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"m"}"#, E::Id),
        (r#"{"jsonrpc":"2.0","id":[1],"method":"m"}"#, E::Id),
        (r#"{"jsonrpc":"2.0","id":true,"method":"m"}"#, E::Id),
        (r#"{"jsonrpc":"2.0","id":{},"result":{}}"#, E::Id),
        (r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, E::NoId),
        (r#"{"jsonrpc":"2.0","result":{}}"#, E::NoId),
        (r#"{"jsonrpc":"2.0","id":1,"result":null}"#, E::Result),
        (r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, E::Result),
        (r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#, E::Error),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}"#, E::Error),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, E::Error),
        (r#"{"jsonrpc":"2.0","method":""}"#, E::Method),
        (r#"{"jsonrpc":"2.0","method":null}"#, E::Method),
        (r#"{"jsonrpc":"2.0","method":["m"]}"#, E::Method),
        (r#"{"jsonrpc":"2.0","method":"m","params":[]}"#, E::Params),
        (r#"{"jsonrpc":"2.0","method":"m","params":null}"#, E::Params),
        (r#"{"jsonrpc":"2.0","Method":"m"}"#, unknown("Method")),
        (r#"{"jsonrpc":"2.0","method":"m","ID":1}"#, unknown("ID")),
        (r#"{"jsonrpc":"2.0","method":"m","_meta":{}}"#, unknown("_meta")),
    ] {
        assert_eq!(refused(text), wanted, "{text}");
    }
}

#[test]
fn limits_hold_at_the_byte() {
    let id =
        |bytes: usize| format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{}\",\"method\":\"m\"}}", "i".repeat(bytes));
    assert!(Message::read(&document(&id(ID_BYTES_MAX - 2))).is_ok());
    assert_eq!(refused(&id(ID_BYTES_MAX - 1)), MessageError::Id);
    let method = |bytes: usize| format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{}\"}}", "m".repeat(bytes));
    assert!(Message::read(&document(&method(METHOD_BYTES_MAX))).is_ok());
    assert_eq!(refused(&method(METHOD_BYTES_MAX + 1)), MessageError::Method);
}

#[test]
fn ids_are_equal_by_what_they_say() {
    assert_ne!(Id::integer(1), Id::text("1"));
    let text = r#"{"jsonrpc":"2.0","id":"\u0061","method":"m"}"#;
    let document = document(text);
    let message = Message::read(&document).unwrap();
    assert_eq!(message.id(), Some(&Id::text("a")));
    assert_eq!(message.id().unwrap().clone().into_owned().raw(), r#""\u0061""#);
}

#[test]
fn texts_codes_and_builders() {
    assert_eq!(MessageError::Batch.to_string(), "several messages in one body");
    assert_eq!(MessageError::Params.code(), code::INVALID_PARAMS);
    assert_eq!(MessageError::Mixed.code(), code::INVALID_REQUEST);
    assert_eq!(
        String::from_utf8(error(None, code::PARSE_ERROR, "a \"b\"", Some("{}"))).unwrap(),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"a \"b\"","data":{}}}"#
    );
}

proptest! {
    #[test]
    fn what_is_built_is_read(said in "\\PC{0,40}", number in any::<i64>(), method in "\\PC{1,20}", code in any::<i64>()) {
        for id in [Id::text(&said), Id::integer(number)] {
            let built = String::from_utf8(request(&id, &method, Some("{}"))).unwrap();
            let document = document(&built);
            let Message::Request(read) = Message::read(&document).unwrap() else { panic!("no request") };
            prop_assert_eq!((&read.id, read.method.as_ref()), (&id, method.as_str()));
            // An id that came goes back byte for byte.
            for built in [result(&read.id, "{}"), error(Some(&read.id), code, &said, None)] {
                let text = String::from_utf8(built).unwrap();
                prop_assert!(text.contains(id.raw()));
                let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
                let message = Message::read(&document).unwrap();
                prop_assert_eq!(message.id(), Some(&id));
            }
        }
        let built = String::from_utf8(notification(&method, None)).unwrap();
        let document = document(&built);
        let is_notification = matches!(Message::read(&document), Ok(Message::Notification(_)));
        prop_assert!(is_notification);
    }
}
