//! Saying no: one stable code per broken rule, what the caller is told and what the log is told apart.

use std::borrow::Cow;
use std::time::Duration;

use alcaide_inventory::id::ApprovalId;
use alcaide_record::Stage;
use alcaide_serve::CodeEntry;
use http::StatusCode;

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $title:literal, $what:literal, $why:literal, $cure:literal;)*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $title, ".")]
            pub const $name: CodeEntry = CodeEntry {
                code: $code, status: $status, title: $title, what: $what, why: $why, cure: $cure,
            };
        )*

        /// All of them, for the catalogue.
        pub static TABLE: &[CodeEntry] = &[$($name),*];
    };
}

codes! {
    NO_CREDENTIAL = "ALC-GATE-0001", 401, "no credential",
        "the call carries no access token",
        "who is not known is not let in",
        "send `Authorization: Bearer TOKEN`; `alcaide run --agent NAME -- PROGRAM` does it for any program";
    BAD_CREDENTIAL = "ALC-GATE-0002", 401, "credential not accepted",
        "the access token is malformed, of another issuer or audience, or has ended",
        "a credential is good only from this house's issuer, for this gate, until it ends",
        "get a new token; they live minutes";
    TWO_CREDENTIALS = "ALC-GATE-0003", 400, "contradicting credentials",
        "the call carries more than one credential, and they differ",
        "two readers may take different ones, one for the check and one for the effect",
        "send the access token in one header only";
    STOPPED = "ALC-GATE-0004", 403, "stopped by order",
        "someone in the chain of this credential was stopped, or the token was revoked",
        "a stop holds for every token from before it, at once",
        "ask the owner; after `alcaide agent unkill` a new token is needed";
    UNKNOWN_ACTOR = "ALC-GATE-0005", 403, "actor not in the plan",
        "the plan in force does not know this actor, or it is not active",
        "only what is declared may act",
        "ask the owner whether the agent is declared and active";
    PROOF_NEEDED = "ALC-GATE-0006", 401, "proof of possession needed",
        "the token is bound to a key, or the agent is declared with `dpop = \"required\"`, and no proof came with the call",
        "a key-bound token without its key may have been stolen (RFC 9449, section 7.1)",
        "send the token as `Authorization: DPoP TOKEN` with a `DPoP` header (RFC 9449)";
    BAD_PROOF = "ALC-GATE-0007", 401, "proof of possession not accepted",
        "the DPoP proof does not fit this call, or was used before",
        "a proof is good for one call only, so that a copied one is worth nothing",
        "make a new proof for each call, with its method, URL and token";
    NOT_FOUND = "ALC-GATE-0010", 404, "nothing here",
        "the path is not one of the gate's",
        "the gate serves only the paths of the protocols that it reads",
        "see `alcaide explain paths` or the API reference for the gate's paths";
    METHOD = "ALC-GATE-0011", 405, "method not allowed",
        "the path does not take this method",
        "the gate lets through what it can read, nothing else",
        "use the method that the protocol names";
    BODY_TOO_LARGE = "ALC-GATE-0012", 413, "body too large",
        "the body is longer than the gate takes",
        "a bound on memory",
        "send less, or raise `gate.body_bytes`";
    BODY_BROKEN = "ALC-GATE-0013", 400, "body broken off",
        "the body ended before its declared length, or stood still for too long",
        "what is not whole cannot be judged",
        "send the whole body";
    NOT_JSON = "ALC-GATE-0014", 400, "not strict JSON",
        "the body is not JSON that every reader understands alike",
        "what was authorised must be what the upstream reads, whatever reader it uses",
        "send UTF-8 JSON without a byte order mark, duplicate keys, keys equal but for case, or numbers beyond 64 bits";
    CONTENT_TYPE = "ALC-GATE-0015", 415, "content type not accepted",
        "this path takes JSON only, without content encoding",
        "what cannot be read cannot be judged",
        "send `content-type: application/json` and no `content-encoding`";
    NOT_UNDERSTOOD = "ALC-GATE-0016", 400, "request not understood",
        "the JSON is not a request of this protocol",
        "what cannot be read cannot be judged",
        "compare it with the protocol's reference";
    UNKNOWN_MODEL = "ALC-GATE-0017", 404, "unknown model",
        "no route of the plan is called so, or the protocol of its upstream is another one",
        "only declared models can be reached",
        "`GET /v1/models` lists the models that this agent may use";
    NOT_ACCEPTABLE = "ALC-GATE-0018", 406, "answer not acceptable",
        "the client does not take the kinds of answer that this path gives",
        "a tool server answers with one message or a stream of them",
        "send `accept: application/json, text/event-stream`; `text/event-stream` for a GET";
    SESSION = "ALC-GATE-0019", 404, "session not known",
        "the session is not one of this caller, task and server",
        "a session is sealed for whom it was opened; another task begins its own",
        "open a session with `initialize`";
    BUDGET = "ALC-GATE-0020", 429, "budget used up",
        "a budget over this agent, its owner, its unit or the model has not enough left",
        "a budget counts calls in flight in full, so that parallel calls cannot pass it together",
        "wait for the next period, lower the call's maximum of output tokens, or ask for a higher limit";
    HEADER_MISMATCH = "ALC-GATE-0023", 400, "headers and body disagree",
        "a header that repeats a part of the body says something else, or the session does",
        "two readers may take different ones, one for the check and one for the effect",
        "send headers that agree with the body; public client libraries do";
    UNANSWERED = "ALC-GATE-0024", 400, "nothing was asked",
        "the message answers a request that no server made in this session, or that was answered before",
        "an answer passes once, to whoever asked",
        "answer the requests that come on the session's streams";
    CONTENT_BLOCKED = "ALC-GATE-0021", 403, "content may not pass",
        "a policy blocks content of a class that was found",
        "what must not leave is stopped here",
        "remove it from the request";
    APPROVAL_NEEDED = "ALC-GATE-0022", 403, "a human must approve",
        "a policy asks for a person's yes before this call",
        "some calls are a person's to decide",
        "let the people who are named answer with `alcaide approval` or in the console, then send the same call again";
    APPROVAL_DENIED = "ALC-GATE-0026", 403, "a human said no",
        "a person was asked about exactly this call and denied it",
        "an answer holds for as long as its question lives",
        "do something else, or ask the person why; another call is another question";
    APPROVAL_OVER = "ALC-GATE-0027", 403, "the question is over",
        "the question to a person ended while the call waited: nobody answered in time, its one use was taken, or what it was asked under has changed",
        "an approval is good for one call, as it was shown, under the plan and the label of its task at that time",
        "send the call again; it is judged anew, and asked about where the policies want it";
    ASKING_FULL = "ALC-GATE-0028", 503, "too many questions",
        "this actor, or all together, have as many questions open as the gate keeps",
        "a question is never forgotten early, so there is a bound on how many there are",
        "let the open questions be answered, or wait until they end";
    TOO_MANY_CALLS = "ALC-GATE-0025", 429, "too many calls at once",
        "this actor has as many calls in flight as one may",
        "one agent that runs wild takes no connection and no memory from others",
        "wait for calls to end, or raise `gate.calls_per_actor`";
    BODY_NO_ROOM = "ALC-GATE-0029", 503, "no room for the body",
        "the bodies of other calls have taken all the memory that there is for them",
        "a bound on the memory of all calls together",
        "try again in a moment, send less, or raise `gate.bodies_bytes`";
    ASKED_OFTEN = "ALC-GATE-0033", 429, "too many questions in this hour",
        "a policy would ask a person, but people were asked as often within the hour as they may be for this agent, or for its subject",
        "who is asked too often says yes without looking",
        "wait, start tasks with the user's words, declare the tools' facts, or raise `gate.questions_per_hour`";
    LEDGER = "ALC-GATE-0030", 503, "the record cannot be written",
        "the ledger is full, busy or failed; without a durable record nothing passes",
        "nothing passes without a durable record of it",
        "see `alcaide doctor`; the call may be sent again later";
    NOT_READY = "ALC-GATE-0031", 503, "not ready",
        "no plan is in force yet, or the gate is shutting down",
        "without a plan there is no policy, and without policy nothing passes",
        "try again in a moment";
    NO_SECRET = "ALC-GATE-0032", 503, "no credential for the upstream",
        "the secret that the upstream's declaration names is not set or cannot be opened",
        "the caller's credential is never passed on in place of the upstream's",
        "`alcaide secret set NAME`";
    QUARANTINED = "ALC-GATE-0034", 403, "quarantined",
        "an order of the office holds back the server, service or model that the call goes to",
        "what comes from there is not trusted for now, and nothing is sent to it",
        "do without it, or ask an administrator to release it: `alcaide flow release NAME`";
    HANDLE_LOST = "ALC-GATE-0035", 403, "handle not known",
        "the call carries a handle that this gate did not give in this task, or whose text is gone",
        "a handle is good in its own task alone, and its text lies in memory: a restart or want of room loses it",
        "read again what the handle stood for, and send the new handle exactly as it was given";
    HANDLE_MISPLACED = "ALC-GATE-0036", 403, "handle where none is taken",
        "the call carries a handle in a place that is not declared to take one",
        "a handle stands for a text of strangers; it goes only where the owner of a tool said that such a text may go, and decides nothing",
        "put it into a free-text argument that the tool's `takes_handles` names, by itself or within a sentence, or leave it out";
    HANDLE_ANSWER = "ALC-GATE-0037", 502, "answer cannot be given by handle",
        "the answer has something other than text at a place whose text is given by handle",
        "what cannot be replaced would be read, so nothing of the answer is released",
        "the call had its effect; let the owner point `handle_output` at fields that hold texts, or lists of them";
    ORDERS_OLD = "ALC-GATE-0038", 503, "orders not known",
        "the gate has not heard of the newest orders for too long, or does not hear of them any more",
        "a kill may have been given that it does not know; then nothing passes that a kill would stop",
        "try again in a moment; if it lasts, see `alcaide doctor` and start the service again";
    PLAN_OLD = "ALC-GATE-0039", 503, "plan too old",
        "the office has not confirmed the gate's plan for 24 hours",
        "what was declared since then is not known to the gate",
        "see `alcaide doctor`: the office does not keep up, or its newest plan cannot be used by the gate";
    UNREACHABLE = "ALC-GATE-0040", 502, "upstream not reachable",
        "no upstream of the route took the connection",
        "every attempt is recorded with its end",
        "see whether the upstream runs; nothing was sent";
    UPSTREAM_TIMEOUT = "ALC-GATE-0041", 504, "upstream too slow",
        "the upstream did not answer within its declared time",
        "a bound on waiting",
        "raise `first_byte_timeout_ms` of the upstream, or try again";
    UPSTREAM_BROKEN = "ALC-GATE-0042", 502, "upstream broke its protocol",
        "the upstream's answer ended too soon, was too long, compressed, or not of its protocol",
        "what cannot be read cannot be released",
        "see the log of the upstream";
    REPLY_BLOCKED = "ALC-GATE-0043", 502, "answer may not pass",
        "a policy blocks content of a class that was found in the answer",
        "what must not come in is stopped here",
        "the call had its effect; the answer is withheld";
    HANDLES_FULL = "ALC-GATE-0044", 503, "no room for handles",
        "a text that is to be given by handle is longer than one may be, or the task has as many as are kept",
        "what is not kept cannot be handed on, and what is not replaced would be read",
        "the call had its effect; ask for fewer or shorter texts at a time, or go on in a new task";
}

/// Whose doing it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The caller's.
    Caller,
    /// The upstream's.
    Upstream,
    /// Ours.
    Us,
}

/// A call that does not pass.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Which rule.
    pub code: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// What the caller is told.
    pub detail: Cow<'static, str>,
    /// What would cure it.
    pub help: Cow<'static, str>,
    /// What the log is told besides; never sent.
    pub internal: Option<Box<str>>,
    /// When a retry may help.
    pub retry_after: Option<Duration>,
    /// Apart, because few refusals have one and all are handed on by value.
    approval: Option<Box<ApprovalId>>,
    /// How far the call had come.
    pub stage: Stage,
}

impl Refusal {
    /// A refusal with the code's own texts.
    #[must_use]
    pub fn of(code: CodeEntry, stage: Stage) -> Self {
        Self {
            code: code.code,
            status: StatusCode::from_u16(code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            detail: Cow::Borrowed(code.what),
            help: Cow::Borrowed(code.cure),
            internal: None,
            retry_after: matches!(code.status, 429 | 503).then_some(Duration::from_secs(1)),
            approval: None,
            stage,
        }
    }

    /// The same with another text for the caller.
    #[must_use]
    pub fn saying(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same with another cure.
    #[must_use]
    pub fn cured_by(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = help.into();
        self
    }

    /// The same with a text for the log alone.
    #[must_use]
    pub fn because(mut self, internal: impl Into<String>) -> Self {
        self.internal = Some(internal.into().into_boxed_str());
        self
    }

    /// The same with a hint when to come back.
    #[must_use]
    pub const fn retry_in(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// The same about a question.
    #[must_use]
    pub fn about(mut self, approval: impl Into<Option<ApprovalId>>) -> Self {
        self.approval = approval.into().map(Box::new);
        self
    }

    /// The question that the call waits for, or that was answered with no.
    #[must_use]
    pub fn approval(&self) -> Option<ApprovalId> {
        self.approval.as_deref().copied()
    }

    /// Whose doing it was.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self.status.as_u16() {
            502 | 504 => Fault::Upstream,
            500..=599 => Fault::Us,
            _ => Fault::Caller,
        }
    }
}

#[cfg(test)]
mod tests {
    use alcaide_serve::Catalogue;

    use super::*;

    #[test]
    fn codes_are_unique_and_whole() {
        assert_eq!(Catalogue::new(&[TABLE]).unwrap().entries().count(), TABLE.len());
    }

    #[test]
    fn a_refusal_says_whose_doing_it_was() {
        assert_eq!(Refusal::of(NO_CREDENTIAL, Stage::Arrived).fault(), Fault::Caller);
        assert_eq!(Refusal::of(UNREACHABLE, Stage::Bound).fault(), Fault::Upstream);
        assert_eq!(Refusal::of(LEDGER, Stage::Bound).fault(), Fault::Us);
    }
}
