//! Errors that the gate tells in the words of each protocol, so that clients of the provider understand them.
//!
//! Sources: OpenAI API reference, "Error codes", event `error` of responses; Anthropic API reference,
//! "Errors".

use bytes::Bytes;

use super::{Operation, Provider};
use crate::json::edit::encode_into;
use crate::sse::Frame;

/// The body of an error with an HTTP status, in the provider's shape.
///
/// `code` is the stable code of the rule (`ALC-POLICY-0031`), `record` the id under which the refusal was
/// recorded. OpenAI: `{"error":{"message","type","param","code"}}`; Anthropic:
/// `{"type":"error","error":{"type","message"}}` with the code beside the message. Both have the record as a
/// member of the error, as their clients allow.
#[must_use]
pub fn error_body(
    operation: Operation,
    status: u16,
    code: &str,
    message: &str,
    record: Option<&str>,
) -> Vec<u8> {
    body(operation.provider(), status, code, message, record).into_bytes()
}

fn body(provider: Provider, status: u16, code: &str, message: &str, record: Option<&str>) -> String {
    let mut out = String::with_capacity(160 + message.len());
    match provider {
        Provider::OpenAi => {
            out.push_str("{\"error\":{\"message\":");
            encode_into(message, &mut out);
            out.push_str(",\"type\":");
            encode_into(openai_type(status), &mut out);
            out.push_str(",\"param\":null");
        }
        Provider::Anthropic => {
            out.push_str("{\"type\":\"error\",\"error\":{\"type\":");
            encode_into(anthropic_type(status), &mut out);
            out.push_str(",\"message\":");
            encode_into(message, &mut out);
        }
    }
    tail(&mut out, code, record);
    out.push_str("}}");
    out
}

fn tail(out: &mut String, code: &str, record: Option<&str>) {
    out.push_str(",\"code\":");
    encode_into(code, out);
    if let Some(record) = record {
        out.push_str(",\"record\":");
        encode_into(record, out);
    }
}

/// The same error in mid-stream, as the last event. `sequence` is the number of the event in a responses
/// stream ([`super::StreamView::next_sequence`]); other protocols do not number theirs. No end marker follows
/// it: clients take the error for the end, and the stream did not end well.
#[must_use]
pub fn error_event(
    operation: Operation,
    status: u16,
    code: &str,
    message: &str,
    record: Option<&str>,
    sequence: u64,
) -> Bytes {
    match operation {
        Operation::Responses => {
            let mut out = String::from("{\"type\":\"error\",\"message\":");
            encode_into(message, &mut out);
            out.push_str(",\"param\":null");
            tail(&mut out, code, record);
            out.push_str(",\"sequence_number\":");
            out.push_str(&sequence.to_string());
            out.push('}');
            Frame::named("error", out.as_bytes()).write()
        }
        _ => {
            let provider = operation.provider();
            let out = body(provider, status, code, message, record);
            match provider {
                Provider::OpenAi => Frame::unnamed(out.as_bytes()).write(),
                Provider::Anthropic => Frame::named("error", out.as_bytes()).write(),
            }
        }
    }
}

/// Bytes that keep a stream open and mean nothing: a comment, which every reader skips.
#[must_use]
pub const fn ping(operation: Operation) -> &'static [u8] {
    match operation.provider() {
        Provider::OpenAi | Provider::Anthropic => b": keep-alive\n\n",
    }
}

const fn openai_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

const fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
