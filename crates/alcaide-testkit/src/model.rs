//! A model server: a real HTTP/1.1 server on loopback that answers by script and remembers every request exactly.
//!
//! It runs on a thread of its own, so tests may block or be asynchronous as they like. Which [`Script`] a request gets
//! is decided in this order: the script named by its header `x-script`, the one named by its `model`, the next one
//! in the queue, the one that the server was started with. A named script may be used any number of times.
//!
//! A request is recorded before its answer begins. Bytes are those that came over the socket: as long as clients do
//! not send a request before the answer to the last, which none of those under test does, they are exactly its own.

mod answer;
mod anthropic;
mod openai;
mod play;
pub(crate) mod script;
mod tally;
mod tap;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::sync::watch;

use self::answer::{Api, Dialect, answer};
use self::play::{Never, Play};
use self::script::{Fail, Script};
use self::tally::{Stay, Tally};
use self::tap::{Tap, Tape};
use crate::error::KitError;

/// A running model server; ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    book: Arc<Book>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// A request as it came over the socket.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Every byte of it: head, and body with whatever framing it had.
    pub raw: Bytes,
    /// The head's bytes, up to and with the empty line.
    pub head: Bytes,
    /// The body, without framing.
    pub body: Bytes,
    /// Whether the whole body came; otherwise the client left or sent more than [`BODY_MAX`] bytes.
    pub complete: bool,
    /// The method.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// The headers, parsed.
    pub headers: HeaderMap,
}

impl Heard {
    /// A header's value; `None` when it is missing or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl ModelServer {
    /// Starts a server on a free port that plays `script` whenever nothing else is asked for.
    ///
    /// # Errors
    /// [`KitError::Start`] when the system gives no port or thread.
    pub fn start(script: Script) -> Result<Self, KitError> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), script, Arc::default())
    }

    /// Starts a server on `address`, where one may have been before, adding to `counter` for each request.
    ///
    /// # Errors
    /// [`KitError::Start`] when the address is taken, or the system gives no thread.
    pub fn start_at(address: SocketAddr, script: Script, counter: Arc<AtomicU64>) -> Result<Self, KitError> {
        let start = |what| move |source| KitError::Start { what, source };
        let listener = TcpListener::bind(address).map_err(start("listener"))?;
        listener.set_nonblocking(true).map_err(start("listener"))?;
        let address = listener.local_addr().map_err(start("listener"))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(start("runtime"))?;
        let book = Arc::new(Book::new(script, counter));
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new()
            .name("model-server".into())
            .spawn({
                let book = Arc::clone(&book);
                move || {
                    let ended = runtime.block_on(accept(listener, book, stopped));
                    // Dropping the runtime drops every connection.
                    drop(runtime);
                    if let Err(error) = ended {
                        eprintln!("model server at {address} ended: {error}");
                    }
                }
            })
            .map_err(start("thread"))?;
        Ok(Self { address, book, stop, thread: Some(thread) })
    }

    /// Gives the next requests without a named script these ones, in this order, once each.
    pub fn queue(&self, scripts: impl IntoIterator<Item = Script>) {
        self.book.hold().queue.extend(scripts);
    }

    /// Plays `script` for every request whose header `x-script` or whose `model` is `name`.
    pub fn name(&self, name: impl Into<String>, script: Script) {
        self.book.hold().named.insert(name.into(), script);
    }

    /// Plays `script` from now on when nothing else is asked for.
    pub fn play(&self, script: Script) {
        self.book.hold().default = script;
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL, with `path` behind it: `""` or `"/v1"`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The last [`HEARD_MAX`] requests, oldest first.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.book.hold().heard.iter().cloned().collect()
    }

    /// Requests that arrived since the start, kept or not.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.book.tally.now().arrived
    }

    /// Answers that were handed over whole, or broken off because the script said so.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.book.tally.now().answered
    }

    /// Requests whose client left before the end of the answer.
    #[must_use]
    pub fn abandoned(&self) -> u64 {
        self.book.tally.now().abandoned
    }

    /// The counter of requests, which outlives the server and may be shared with others.
    #[must_use]
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.book.counter)
    }

    /// Waits until `count` requests have arrived since the start.
    ///
    /// # Errors
    /// [`KitError::Late`] after [`DEADLINE`](crate::DEADLINE).
    ///
    /// # Cancel safety
    /// Safe: a wait that is dropped changes nothing.
    pub async fn until_arrived(&self, count: u64) -> Result<(), KitError> {
        self.book.tally.until(&format!("arrival of {count} requests"), |counts| counts.arrived >= count).await
    }

    /// Waits until `count` answers have been handed over since the start.
    ///
    /// # Errors
    /// As [`ModelServer::until_arrived`].
    ///
    /// # Cancel safety
    /// Safe: a wait that is dropped changes nothing.
    pub async fn until_answered(&self, count: u64) -> Result<(), KitError> {
        self.book.tally.until(&format!("{count} answers"), |counts| counts.answered >= count).await
    }

    /// Waits until the clients of `count` requests have left before the end of their answers.
    ///
    /// # Errors
    /// As [`ModelServer::until_arrived`].
    ///
    /// # Cancel safety
    /// Safe: a wait that is dropped changes nothing.
    pub async fn until_abandoned(&self, count: u64) -> Result<(), KitError> {
        self.book
            .tally
            .until(&format!("leaving of {count} clients"), |counts| counts.abandoned >= count)
            .await
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A server that panicked has said so on standard error already.
            let _ = thread.join();
        }
    }
}

/// One server-sent event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    /// Whether the stream could go on with it for ever.
    pub(crate) repeatable: bool,
}

impl Event {
    pub(crate) fn raw(text: impl Into<Bytes>) -> Self {
        Self { bytes: text.into(), repeatable: false }
    }

    pub(crate) fn unnamed(data: &Value) -> Self {
        Self::raw(format!("data: {data}\n\n"))
    }

    pub(crate) fn named(name: &str, data: &Value) -> Self {
        Self::raw(format!("event: {name}\ndata: {data}\n\n"))
    }

    pub(crate) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }
}

/// What the server knows and remembers.
#[derive(Debug)]
struct Book {
    pages: Mutex<Pages>,
    tally: Tally,
    counter: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Pages {
    default: Script,
    named: HashMap<String, Script>,
    queue: VecDeque<Script>,
    heard: VecDeque<Heard>,
}

impl Book {
    fn new(default: Script, counter: Arc<AtomicU64>) -> Self {
        let pages = Pages { default, named: HashMap::new(), queue: VecDeque::new(), heard: VecDeque::new() };
        Self { pages: Mutex::new(pages), tally: Tally::new(), counter }
    }

    fn hold(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request and gives the script for it, with the names of the models there are.
    fn note(&self, heard: Heard, request: Option<&Value>, scripted: bool) -> (Script, Vec<String>) {
        let mut pages = self.hold();
        let asked = heard.header("x-script").map(str::to_owned);
        let model = request.and_then(|request| request.get("model")).and_then(Value::as_str);
        let named = asked.as_deref().into_iter().chain(model).find_map(|name| pages.named.get(name)).cloned();
        // A look at the list of models takes nothing from the queue.
        let script = named
            .or_else(|| if scripted { pages.queue.pop_front() } else { None })
            .unwrap_or_else(|| pages.default.clone());
        let mut names: Vec<String> = pages.named.keys().cloned().collect();
        names.sort();
        names.insert(0, MODEL.to_owned());
        if pages.heard.len() >= HEARD_MAX {
            pages.heard.pop_front();
        }
        pages.heard.push_back(heard);
        drop(pages);
        self.counter.fetch_add(1, Ordering::SeqCst);
        self.tally.add(|counts| counts.arrived += 1);
        (script, names)
    }
}

async fn accept(
    listener: TcpListener,
    book: Arc<Book>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        stream.set_nodelay(true)?;
        let book = Arc::clone(&book);
        tokio::spawn(async move {
            let tape = Tape::default();
            let tap = TokioIo::new(Tap::new(stream, tape.clone()));
            let service = service_fn(move |request| serve(Arc::clone(&book), tape.clone(), request));
            let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(tap, service);
            // A client that leaves and a script that breaks off are not errors of this server.
            let _ = connection.await;
        });
    }
}

async fn serve(book: Arc<Book>, tape: Tape, request: Request<Incoming>) -> Result<Response<Play>, Never> {
    let stay = Stay::begin(&book.tally);
    let (parts, body) = request.into_parts();
    let collected = Limited::new(body, BODY_MAX).collect().await;
    let complete = collected.is_ok();
    let body = collected.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let raw = tape.take();
    let head_bytes = raw.windows(4).position(|window| window == b"\r\n\r\n").map_or(raw.len(), |at| at + 4);
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    let api = Api::of(&parts.method, parts.uri.path());
    let anthropic = api == Some(Api::Messages) || parts.headers.contains_key("anthropic-version");
    let dialect = if anthropic { Dialect::Anthropic } else { Dialect::OpenAi };
    let heard = Heard {
        head: raw.slice(..head_bytes),
        raw,
        body,
        complete,
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
    };
    let listed = matches!(api, Some(Api::Models | Api::Model(_)));
    let (script, names) = book.note(heard, json.as_ref(), !listed);
    match &script.fail {
        Fail::NeverAnswer => std::future::pending::<()>().await,
        Fail::SilentFor(gate)
            if json.as_ref().and_then(|json| json.get("stream")) != Some(&Value::Bool(true)) =>
        {
            gate.passed().await;
        }
        _ => {}
    }
    Ok(answer(api.as_ref(), dialect, json.as_ref(), &script, &names, &tape, stay))
}

/// When everything was made, in seconds since 1970: always the same, so that answers are.
const CREATED: u64 = 1_700_000_000;
/// The model that is always listed; any other name is answered too.
const MODEL: &str = "test-model";
/// Requests that are kept; older ones go, their count stays.
pub const HEARD_MAX: usize = 10_000;
/// Longest body of a request that is kept: 64 MiB.
pub const BODY_MAX: usize = 64 << 20;
