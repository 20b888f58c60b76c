//! How a child and the gate come to one revision of the protocol.
//!
//! The newest revision with a handshake is tried first, because every server of the field answers `initialize`, if
//! only to refuse it. One that refuses is asked `server/discover`, which every stateless server must answer.
//!
//! Source: specification 2025-11-25, "Lifecycle"; 2026-07-28, "Discovery" and "Backward Compatibility".

use std::sync::Arc;
use std::time::Duration;

use alcaide_wire::json::{Document, Limits, NumberRule};
use alcaide_wire::jsonrpc::{self, Id, Message, Outcome};
use alcaide_wire::mcp::{Era, Method, Revision, meta_key};
use bytes::Bytes;
use tokio::time::timeout;

use super::child::Answers;
use super::error::StdioError;
use super::frame;
use super::shared::Shared;

/// What a server said of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hello {
    /// The revision that is spoken from here on.
    pub revision: Revision,
    /// The result of `initialize`, or of `server/discover` for a stateless revision: an object, as it came.
    pub result: Bytes,
}

/// Who the gate says it is, as JSON text.
const SELF: &str = concat!("{\"name\":\"alcaide\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}");

/// Comes to an agreement.
pub(super) async fn hello(shared: &Arc<Shared>, wait: Duration) -> Result<Hello, StdioError> {
    let failed = |why: String| StdioError::Hello { why };
    let agreed = timeout(wait, async {
        let params = format!(
            "{{\"protocolVersion\":\"{}\",\"capabilities\":{{}},\"clientInfo\":{SELF}}}",
            Revision::NEWEST_HANDSHAKE
        );
        match ask(shared, Method::Initialize, &params, wait).await? {
            Answer::Result(result) => {
                let revision = agreed(&result).map_err(failed)?;
                let told = jsonrpc::notification(Method::Initialized.as_str(), None);
                let line = frame::telling(&told.into())?;
                // Nothing else waits in the queue of a child that was just started.
                shared.lines.send(line).await.map_err(|_| failed("it is gone".into()))?;
                Ok(Hello { revision, result })
            }
            Answer::Error(code) => {
                let params = format!(
                    "{{\"_meta\":{{\"{}\":\"{}\",\"{}\":{SELF},\"{}\":{{}}}}}}",
                    meta_key::PROTOCOL_VERSION,
                    Revision::NEWEST_STATELESS,
                    meta_key::CLIENT_INFO,
                    meta_key::CLIENT_CAPABILITIES,
                );
                match ask(shared, Method::Discover, &params, wait).await? {
                    Answer::Result(result) => {
                        let revision = discovered(&result).map_err(failed)?;
                        Ok(Hello { revision, result })
                    }
                    Answer::Error(second) => Err(failed(format!(
                        "it answers `initialize` with error {code} and `server/discover` with error {second}"
                    ))),
                }
            }
        }
    });
    match agreed.await {
        Ok(agreed) => agreed.map_err(|error| match error {
            StdioError::Ended { how } | StdioError::Gone { how } => failed(how.to_string()),
            StdioError::Late { .. } => failed(late(wait)),
            other => other,
        }),
        Err(_) => Err(failed(late(wait))),
    }
}

fn late(wait: Duration) -> String {
    format!("no answer within {} ms", wait.as_millis())
}

enum Answer {
    Result(Bytes),
    Error(i64),
}

async fn ask(
    shared: &Arc<Shared>,
    method: Method,
    params: &str,
    wait: Duration,
) -> Result<Answer, StdioError> {
    let request = Bytes::from(jsonrpc::request(&Id::integer(0), method.as_str(), Some(params)));
    let mut answers = Answers::open(shared, None, &request, (wait, wait)).await?;
    let failed = |why: &str| StdioError::Hello { why: why.into() };
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        let document =
            Document::parse(&answer, &limits()).map_err(|_| failed("its answer cannot be read"))?;
        // What it tells before it has said hello is of no interest.
        if let Ok(Message::Response(response)) = Message::read(&document) {
            return Ok(match response.outcome {
                Outcome::Result(span) => Answer::Result(answer.slice(span)),
                Outcome::Error(error) => Answer::Error(error.code),
            });
        }
    }
    Err(failed("it did not answer"))
}

fn limits() -> Limits {
    Limits { numbers: NumberRule::Rounded, ..Limits::default() }
}

fn agreed(result: &Bytes) -> Result<Revision, String> {
    let document = Document::parse(result, &limits()).map_err(|_| "its answer cannot be read")?;
    let version = document.root().get("protocolVersion").and_then(|version| version.as_str());
    let version = version.ok_or("its answer names no `protocolVersion`")?;
    let known = Revision::parse(&version).filter(|revision| revision.era() == Era::Handshake);
    known.ok_or_else(|| {
        format!("it answers `initialize` with revision `{}`, which is not known", cut(&version))
    })
}

fn discovered(result: &Bytes) -> Result<Revision, String> {
    let document = Document::parse(result, &limits()).map_err(|_| "its answer cannot be read")?;
    let versions =
        document.root().get("supportedVersions").ok_or("its answer lists no `supportedVersions`")?;
    let known = versions.items().filter_map(|version| Revision::parse(&version.as_str()?));
    let newest = known.filter(|revision| revision.era() == Era::Stateless).max();
    newest.ok_or_else(|| "it supports no stateless revision that is known here".into())
}

fn cut(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_taken_only_from_its_own_era() {
        let agreed = |text: &'static str| agreed(&Bytes::from_static(text.as_bytes()));
        assert_eq!(agreed("{\"protocolVersion\":\"2025-06-18\"}"), Ok(Revision::V2025_06_18));
        for wrong in ["{}", "{\"protocolVersion\":\"2026-07-28\"}", "{\"protocolVersion\":\"1999\\u0007\"}"] {
            let why = agreed(wrong).unwrap_err();
            assert!(!why.chars().any(char::is_control), "{why}");
        }
        let found = |text: &'static str| discovered(&Bytes::from_static(text.as_bytes()));
        assert_eq!(
            found("{\"supportedVersions\":[\"2025-11-25\",\"2026-07-28\",\"2099-01-01\"]}"),
            Ok(Revision::V2026_07_28)
        );
        for wrong in ["{}", "{\"supportedVersions\":[\"2025-11-25\"]}", "{\"supportedVersions\":7}"] {
            assert!(found(wrong).is_err(), "{wrong}");
        }
    }
}
