//! What a response says, and the edits that a gate may make to it.

use std::borrow::Cow;
use std::ops::Range;

use super::call::{is_blocks, param, sampled};
use super::content::{Opaque, OpaqueKind, Part, Segment};
use super::list::{list_member, list_pointer, relist};
use super::walk::Walker;
use super::{Item, ItemFate, Method, Target, ViewError};
use crate::json::edit::{self, Splice};
use crate::json::{Document, Entry, Kind, Value};
use crate::jsonrpc::{Id, Message, Outcome, RpcError};

/// How far a call has come with this response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ResultKind<'a> {
    /// Done: `resultType` says `complete`, or is absent as in handshake revisions.
    Complete,
    /// The server asks for input first.
    InputRequired,
    /// Something that is not known here; clients must take it for invalid.
    Unknown(Cow<'a, str>),
    /// An error instead of a result.
    Error,
}

/// Who may be given the same result from a cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CacheScope {
    /// Anybody.
    Public,
    /// The same principal alone; assumed where nothing else is said.
    Private,
}

/// A request of the server within a result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InputRequest<'a> {
    /// The key that the answer will bear.
    pub key: Cow<'a, str>,
    /// Bytes of the request.
    pub span: Range<usize>,
    /// What is asked: sampling, elicitation or roots.
    pub method: Method,
}

/// What a server says of itself, in the result of `initialize` or `server/discover`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerWords<'a> {
    /// The revision that `initialize` agreed on.
    pub protocol_version: Option<Target<'a>>,
    /// The revisions that `server/discover` lists.
    pub supported_versions: Vec<Cow<'a, str>>,
    /// Bytes of the capabilities, an object.
    pub capabilities: Option<Range<usize>>,
    /// Bytes of who the server says it is: of `serverInfo`, or of that member of `_meta`.
    pub server_info: Option<Range<usize>>,
    /// What the server tells the model. Untrusted.
    pub instructions: Option<Target<'a>>,
}

/// One response, read. Borrows the text, not the document.
#[derive(Clone, Debug)]
pub struct ResultView<'a> {
    /// The method of the request.
    pub method: Method,
    /// Id of the request.
    pub id: Option<Id<'a>>,
    /// How far the call has come.
    pub kind: ResultKind<'a>,
    /// The error, where there is one.
    pub error: Option<RpcError<'a>>,
    /// Whether a tool says that it failed.
    pub is_error: bool,
    /// Bytes of `_meta`.
    pub meta: Option<Range<usize>>,
    /// Where a list goes on.
    pub next_cursor: Option<Target<'a>>,
    /// How long the result may be kept, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// Who may be given it from a cache.
    pub cache_scope: Option<CacheScope>,
    /// The state that the client is to bring back.
    pub request_state: Option<Target<'a>>,
    /// What the server asks the client for.
    pub input_requests: Vec<InputRequest<'a>>,
    /// What the server says of itself.
    pub server: Option<ServerWords<'a>>,
    /// What a list offers, in its order.
    pub items: Vec<Item<'a>>,
    /// Bytes of a tool's content blocks, a list.
    pub content: Option<Range<usize>>,
    /// Bytes of a tool's structured result.
    pub structured: Option<Range<usize>>,
    /// Everything that carries text, in the order of the body.
    pub segments: Vec<Segment<'a>>,
    /// Parts that cannot be read.
    pub opaque: Vec<Opaque>,
}

impl<'a> ResultView<'a> {
    /// Reads the response to a request of `method`, of the server or of the client.
    ///
    /// # Errors
    /// A [`ViewError`] where it is no response, or lacks what the gate decides on: the list of a list, the
    /// content of a tool's result.
    pub fn read(method: Method, document: &Document<'a>) -> Result<Self, ViewError> {
        let Message::Response(response) = Message::read(document)? else {
            return Err(ViewError::NotWanted { wanted: "a response" });
        };
        let mut view = Self {
            method,
            id: response.id,
            kind: ResultKind::Error,
            error: None,
            is_error: false,
            meta: None,
            next_cursor: None,
            ttl_ms: None,
            cache_scope: None,
            request_state: None,
            input_requests: Vec::new(),
            server: None,
            items: Vec::new(),
            content: None,
            structured: None,
            segments: Vec::new(),
            opaque: Vec::new(),
        };
        let mut at = Walker::default();
        match (response.outcome, document.root().get("result"), document.root().get("error")) {
            (Outcome::Error(error), _, Some(value)) => {
                view.error = Some(error);
                error_members(&mut at, value);
            }
            (_, Some(result), _) => {
                view.read_result(result)?;
                let asks = view.kind == ResultKind::InputRequired;
                if method == Method::SamplingCreateMessage {
                    sampled(&mut at, result);
                } else {
                    at.entries(result, Part::Other, |at, entry| member(at, method, asks, entry));
                }
            }
            _ => return Err(ViewError::NotWanted { wanted: "a response" }),
        }
        view.segments = at.segments;
        view.opaque = at.opaque;
        Ok(view)
    }

    fn read_result(&mut self, result: Value<'_, 'a>) -> Result<(), ViewError> {
        let target = |key: &str| result.get(key).and_then(Target::read);
        let span = |key: &str| result.get(key).map(Value::span);
        self.kind = match result.get("resultType") {
            None => ResultKind::Complete,
            Some(word) => match word.as_str() {
                Some(word) if word == "complete" => ResultKind::Complete,
                Some(word) if word == "input_required" => ResultKind::InputRequired,
                Some(word) => ResultKind::Unknown(word),
                None => {
                    return Err(ViewError::WrongKind { member: "/result/resultType", wanted: "a string" });
                }
            },
        };
        self.meta = span("_meta");
        self.next_cursor = target("nextCursor");
        self.ttl_ms = result.get("ttlMs").and_then(Value::as_count);
        self.cache_scope = match result.get("cacheScope").and_then(Value::as_str).as_deref() {
            Some("public") => Some(CacheScope::Public),
            Some(_) => Some(CacheScope::Private),
            None => None,
        };
        self.request_state = target("requestState");
        if self.kind == ResultKind::InputRequired {
            self.read_asks(result)?;
            return Ok(());
        }
        if let Some(key) = list_member(self.method) {
            let list = result.get(key).ok_or(ViewError::Missing { member: list_pointer(self.method) })?;
            if list.kind() != Kind::Array || list.items().any(|item| item.kind() != Kind::Object) {
                let member = list_pointer(self.method);
                return Err(ViewError::WrongKind { member, wanted: "a list of objects" });
            }
            self.items = list.items().map(Item::read).collect();
        }
        match self.method {
            Method::ToolsCall => {
                self.content = span("content");
                self.structured = span("structuredContent");
                self.is_error = match result.get("isError") {
                    None => false,
                    Some(flag) if flag.is_null() => false,
                    Some(flag) => flag
                        .as_bool()
                        .ok_or(ViewError::WrongKind { member: "/result/isError", wanted: "true or false" })?,
                };
            }
            Method::Initialize | Method::Discover => self.server = Some(server_words(result)),
            _ => {}
        }
        Ok(())
    }

    fn read_asks(&mut self, result: Value<'_, 'a>) -> Result<(), ViewError> {
        let asks = result.get("inputRequests").filter(|asks| !asks.is_null());
        if let Some(asks) = asks {
            if asks.kind() != Kind::Object {
                let member = "/result/inputRequests";
                return Err(ViewError::WrongKind { member, wanted: "an object" });
            }
            self.input_requests = asks
                .entries()
                .map(|entry| InputRequest {
                    key: entry.key,
                    span: entry.value.span(),
                    method: ask_method(entry.value),
                })
                .collect();
        }
        if asks.is_none() && self.request_state.is_none() {
            return Err(ViewError::EmptyAsk);
        }
        Ok(())
    }

    /// The tools, prompts, resources or templates of the list as values, in the order of
    /// [`ResultView::items`]; of a tool, [`super::pin_input`] makes what its pin is the digest of.
    pub fn values<'d>(
        &self,
        document: &'d Document<'a>,
    ) -> impl Iterator<Item = Value<'d, 'a>> + use<'d, 'a> {
        let result = document.root().get("result");
        let list = list_member(self.method).and_then(|key| result?.get(key));
        list.into_iter().flat_map(Value::items)
    }

    /// Makes each item's fate, as `decide` says by its index: keep, rename or take out. All in one go, since
    /// an item that goes must not be edited.
    #[must_use]
    pub fn relist(
        &self,
        document: &Document<'_>,
        mut decide: impl FnMut(usize, &Item<'a>) -> ItemFate,
    ) -> Vec<Splice> {
        let result = document.root().get("result");
        let Some(list) = list_member(self.method).and_then(|key| result?.get(key)) else { return Vec::new() };
        let fates: Vec<_> = self.items.iter().enumerate().map(|(index, item)| decide(index, item)).collect();
        relist(list, &self.items, &fates)
    }

    /// Gives resources other URIs in what a tool, prompt or resource says: contents, links and what is embedded. What is
    /// structured stays as it is.
    #[must_use]
    pub fn readdress(&self, mut to: impl FnMut(&str) -> String) -> Vec<Splice> {
        if !matches!(self.method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead) {
            return Vec::new();
        }
        let uris = self.segments.iter().filter(|one| one.part == Part::Uri);
        uris.map(|one| Splice::text(one.span.clone(), &to(&one.text))).collect()
    }

    /// Takes members out of the result, such as `structuredContent`. Not to be mixed with other edits of the
    /// same members.
    #[must_use]
    pub fn drop_members(&self, document: &Document<'_>, members: &[&str]) -> Vec<Splice> {
        let result = document.root().get("result");
        result.map(|result| edit::remove_members(result, |key| members.contains(&key))).unwrap_or_default()
    }

    /// Gives the client another state to bring back.
    #[must_use]
    pub fn replace_request_state(&self, state: &str) -> Option<Splice> {
        self.request_state.as_ref().map(|given| Splice::text(given.span.clone(), state))
    }
}

fn ask_method(ask: Value<'_, '_>) -> Method {
    match ask.get("method").and_then(Value::as_str).as_deref().map(Method::parse) {
        Some(method @ (Method::SamplingCreateMessage | Method::ElicitationCreate | Method::RootsList)) => {
            method
        }
        _ => Method::Other,
    }
}

fn server_words<'a>(result: Value<'_, 'a>) -> ServerWords<'a> {
    let target = |key: &str| result.get(key).and_then(Target::read);
    let told = result.get("_meta").and_then(|meta| meta.get(super::meta_key::SERVER_INFO));
    ServerWords {
        protocol_version: target("protocolVersion"),
        supported_versions: result
            .get("supportedVersions")
            .into_iter()
            .flat_map(Value::items)
            .filter_map(Value::as_str)
            .collect(),
        capabilities: result.get("capabilities").map(Value::span),
        server_info: result.get("serverInfo").or(told).map(Value::span),
        instructions: target("instructions"),
    }
}

/// One member of a result.
fn member<'a>(at: &mut Walker<'a>, method: Method, asks: bool, entry: Entry<'_, 'a>) {
    let value = entry.value;
    match (method, entry.key.as_ref()) {
        (_, "_meta") => at.meta(value),
        (_, "resultType" | "cacheScope") => at.word(value),
        (_, "ttlMs") => at.free(value, Part::Other),
        (_, "requestState") if asks => at.opaque(value, OpaqueKind::State),
        (_, "inputRequests") if asks => at.entries(value, Part::Other, |at, entry| asked(at, entry)),
        (Method::ToolsCall, "content") => at.content(value, Part::Text),
        (Method::ToolsCall, "structuredContent") => at.free(value, Part::Structured),
        (Method::ToolsCall, "isError") if value.as_bool().is_some() => {}
        (_, "nextCursor") if list_member(method).is_some() => at.opaque(value, OpaqueKind::State),
        (_, key) if list_member(method) == Some(key) => at.definition(value),
        (Method::PromptsGet, "description") => at.text(value, Part::Definition),
        (Method::PromptsGet, "messages") => at.items(value, Part::Text, |at, message| {
            at.entries(message, Part::Text, |at, entry| match entry.key.as_ref() {
                "role" => at.word(entry.value),
                "content" => at.content(entry.value, Part::Text),
                _ => at.other(entry),
            });
        }),
        (Method::ResourcesRead, "contents") => at.items(value, Part::Resource, |at, item| at.resource(item)),
        (Method::CompletionComplete, "completion") => {
            at.entries(value, Part::Completion, |at, entry| match entry.key.as_ref() {
                "values" | "total" | "hasMore" => at.free(entry.value, Part::Completion),
                _ => at.other(entry),
            });
        }
        (Method::Initialize, "protocolVersion") => at.word(value),
        (Method::Initialize | Method::Discover, "capabilities" | "serverInfo" | "supportedVersions") => {
            at.peer(value);
        }
        (Method::Initialize | Method::Discover, "instructions") => at.text(value, Part::Instructions),
        (Method::ElicitationCreate, "action") => at.word(value),
        (Method::ElicitationCreate, "content") if !is_blocks(value) => at.free(value, Part::InputResponse),
        (Method::RootsList, "roots") => at.free(value, Part::Uri),
        _ => at.other(entry),
    }
}

/// A request of the server within a result; its key is the server's choice.
fn asked<'a>(at: &mut Walker<'a>, entry: Entry<'_, 'a>) {
    let method = ask_method(entry.value);
    at.key(&entry);
    at.entries(entry.value, Part::Other, |at, entry| match entry.key.as_ref() {
        "method" => at.word(entry.value),
        "params" if method != Method::Other => {
            at.entries(entry.value, Part::Other, |at, entry| param(at, method, entry));
        }
        _ => at.other(entry),
    });
}

fn error_members<'a>(at: &mut Walker<'a>, error: Value<'_, 'a>) {
    at.entries(error, Part::Error, |at, entry| match entry.key.as_ref() {
        "code" => {}
        "message" | "data" => at.free(entry.value, Part::Error),
        _ => at.other(entry),
    });
}
