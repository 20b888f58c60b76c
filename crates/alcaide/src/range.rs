//! The practice ground with its pipes and sockets: the engine is `alcaide_range`, here are the bytes.
//!
//! Each change of the world is on the audit's file before the message that made it is answered, so that whoever reads
//! an answer can read the effect.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use alcaide_range::{Answered, Endpoint, Lines, MESSAGE_BYTES_MAX, PATH, Server, Session, World};
use alcaide_seal::random::{SystemEntropy, bits128};
use alcaide_serve::{Body, Checked, HostRule, Limits, Listener, Peer, Problem, Service, collect_limited};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::fail::{Failure, INTERNAL};

/// Bytes read from a pipe at once.
const BITE_BYTES: usize = 16 * 1024;
/// Most bytes of a request: a message, and nothing beside it.
const BODY_BYTES: usize = MESSAGE_BYTES_MAX;

/// Where changes of the world are written down.
#[derive(Debug)]
pub(crate) struct Audit {
    file: Option<(PathBuf, File)>,
    /// How many changes are written.
    written: usize,
}

impl Audit {
    /// Nowhere.
    pub(crate) const fn none() -> Self {
        Self { file: None, written: 0 }
    }

    /// Into a file that is made anew.
    pub(crate) fn into(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| Failure::file("write", path, &error))?;
        Ok(Self { file: Some((path.to_owned(), file)), written: 0 })
    }

    /// Writes the changes that are not written yet.
    fn keep(&mut self, world: &World) -> Result<(), Failure> {
        for effect in world.effects().get(self.written..).unwrap_or_default() {
            if let Some((path, file)) = &mut self.file {
                let line = format!("{}\n", effect.to_json());
                file.write_all(line.as_bytes()).map_err(|error| Failure::file("write", path, &error))?;
            }
            self.written = self.written.saturating_add(1);
        }
        Ok(())
    }
}

/// Speaks over pipes until the input ends.
pub(crate) fn speak(
    input: &mut impl Read,
    output: &mut impl Write,
    mut server: Server,
    mut audit: Audit,
) -> Result<(), Failure> {
    let (mut lines, mut session) = (Lines::default(), Session::default());
    let mut bite = vec![0; BITE_BYTES];
    loop {
        let read = match input.read(&mut bite) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::file("read", Path::new("standard input"), &error)),
        };
        for line in lines.push(bite.get(..read).unwrap_or_default()) {
            let answer = server.answer_line(&mut session, &line);
            audit.keep(server.world())?;
            let Some(answer) = answer else { continue };
            let said = output.write_all(&answer.message).and_then(|()| output.write_all(b"\n"));
            match said.and_then(|()| output.flush()) {
                Ok(()) => {}
                // Nobody listens any more: the end, as when the input ends.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(Failure::file("write to", Path::new("standard output"), &error)),
            }
        }
    }
}

/// Speaks over HTTP on a loopback address until a signal comes; `told` is given the URL once calls are taken.
pub(crate) async fn serve(
    address: SocketAddr,
    server: Server,
    audit: Audit,
    told: impl FnOnce(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let house = |error| Failure::house(&error);
    let listener = Listener::tcp(address).await.map_err(|error| house(error.into()))?;
    let failed = |error: std::io::Error| Failure::new(&INTERNAL, "signals cannot be heard").why(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let limits = Limits::default().with_body_bytes(BODY_BYTES).map_err(|error| house(error.into()))?;
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap_or(address));
    let ground = std::sync::Arc::new(Ground {
        kept: Mutex::new((Endpoint::new(server), audit)),
        limits,
        broken: Mutex::new(None),
        stop: Notify::new(),
    });
    told(&url)?;
    let service = Checked::new(HostRule::loopback(), BODY_BYTES, std::sync::Arc::clone(&ground));
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = ground.stop.notified() => {}
        }
    };
    // What a practice ground cuts off when it ends, nobody misses.
    let _ = alcaide_serve::serve(listener, limits, service, stop).await;
    let broken = ground.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
    broken.map_or(Ok(()), Err)
}

struct Ground {
    /// One world for all callers, and its audit: a change and its line are one step.
    kept: Mutex<(Endpoint, Audit)>,
    limits: Limits,
    /// Why the audit could not be kept.
    broken: Mutex<Option<Failure>>,
    stop: Notify,
}

impl Service for Ground {
    async fn call(&self, request: Request<Incoming>, _: &Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = match collect_limited(body, BODY_BYTES, self.limits.body_idle_timeout()).await {
            Ok(body) => body,
            Err(error) => {
                return Problem::new(error.entry()).detail(error.to_string()).closing().into_response();
            }
        };
        let headers: Vec<(&str, &[u8])> =
            parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let fresh = || bits128(&SystemEntropy::new()).ok().map(|bits| format!("{bits:032x}"));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (endpoint, audit) = &mut *kept;
        let answered = endpoint.answer(parts.method.as_str(), parts.uri.path(), &headers, &body, fresh);
        match audit.keep(endpoint.server().world()) {
            Ok(()) => response(answered),
            Err(failure) => {
                // An effect that nobody can see is worse than an end.
                *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                self.stop.notify_one();
                response(Answered { status: 500, ..Answered::default() })
            }
        }
    }
}

fn response(answered: Answered) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(answered.body)));
    *response.status_mut() =
        StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answered.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = concat!(
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"write_file","arguments":"#,
        r#"{"path":"/notes/a.txt","text":"b"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{}}}}"#
    );

    fn said(input: &str, audit: Audit) -> Vec<serde_json::Value> {
        let mut output = Vec::new();
        speak(&mut input.as_bytes(), &mut output, Server::new(), audit).unwrap();
        let text = String::from_utf8(output).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn an_effect_is_written_before_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("effects.jsonl");
        let answers = said(&format!("{CALL}\n{CALL}\n"), Audit::into(&path).unwrap());
        assert_eq!(answers.len(), 2);
        assert_eq!(
            (&answers[0]["result"]["isError"], &answers[1]["result"]["isError"]),
            (&false.into(), &true.into())
        );
        let effects = std::fs::read_to_string(&path).unwrap();
        assert_eq!(effects.lines().count(), 1);
        let effect: serde_json::Value = serde_json::from_str(&effects).unwrap();
        assert_eq!((&effect["kind"], &effect["path"]), (&"file_written".into(), &"/notes/a.txt".into()));
    }

    #[test]
    fn a_line_too_long_is_answered_and_the_next_is_heard() {
        let long = " ".repeat(MESSAGE_BYTES_MAX + 1);
        let answers = said(&format!("{long}\n\n{CALL}\n"), Audit::none());
        assert_eq!((answers.len(), &answers[0]["error"]["code"]), (2, &(-32600).into()));
        assert_eq!(answers[1]["id"], 7);
    }

    #[test]
    fn an_audit_that_cannot_be_kept_ends_it_without_an_answer() {
        let audit =
            Audit { file: Some(("/dev/full".into(), File::create("/dev/full").unwrap())), written: 0 };
        let mut output = Vec::new();
        let failure =
            speak(&mut format!("{CALL}\n").as_bytes(), &mut output, Server::new(), audit).unwrap_err();
        assert_eq!((failure.exit, output.len()), (3, 0));
    }
}
