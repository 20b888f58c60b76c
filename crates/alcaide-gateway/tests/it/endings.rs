//! However a call ends, its outcome is written and says so.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use alcaide_ledger::fault::FaultLayer;
use alcaide_ledger::layer::{Layer, SegmentFile, SystemLayer};
use alcaide_record::{End, Event};
use alcaide_testkit::{Fail, Gate as Latch, Lie, ModelServer, Script};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::house::*;

fn failing(fail: Fail) -> ModelServer {
    ModelServer::start(Script::says("one two three four five six").failing(fail)).unwrap()
}

#[tokio::test]
async fn a_caller_that_leaves_in_mid_stream_ends_the_call_upstream() {
    let server = failing(Fail::SilentFor(Latch::closed()));
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    for count in 1..=4 {
        let mut answer = house.post(CHAT, &token, chat_stream("hi")).await;
        let first = answer.piece().await.unwrap();
        assert!(!first.is_empty());
        let begun = std::time::Instant::now();
        drop(answer);
        server.until_abandoned(count).await.unwrap();
        let took = begun.elapsed();
        eprintln!("the upstream saw the hang-up after {took:?}");
        assert!(took <= std::time::Duration::from_secs(1), "the bar is a second");
        let outcome = house.outcomes(usize::try_from(count).unwrap()).await.pop().unwrap();
        assert_eq!(outcome.end, End::CallerGone);
        assert!(outcome.released_bytes >= first.len() as u64);
        assert!(outcome.usage.unwrap().estimated);
    }
    house.audit().await;
}

#[tokio::test]
async fn a_caller_that_leaves_a_stream_that_never_ends_stops_it() {
    let server = failing(Fail::EndlessStream);
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let mut answer = house.post(CHAT, &token, chat_stream("hi")).await;
    for _ in 0..20 {
        answer.piece().await.unwrap();
    }
    drop(answer);
    server.until_abandoned(1).await.unwrap();
    assert_eq!(house.outcome().await.end, End::CallerGone);
    house.audit().await;
}

/// Sends a request and gives the open connection back.
async fn begin(house: &House, token: &str) -> TcpStream {
    let body = chat("hi");
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        house.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_ends_the_call_upstream() {
    let server = failing(Fail::NeverAnswer);
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let stream = begin(&house, &token).await;
    server.until_arrived(1).await.unwrap();
    drop(stream);
    server.until_abandoned(1).await.unwrap();
    let outcome = house.outcome().await;
    assert_eq!((outcome.end, outcome.released_bytes, outcome.status), (End::CallerGone, 0, None));
    house.audit().await;
}

/// A disk whose syncs wait while it is held.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<(Mutex<(bool, u64)>, Condvar)>);

impl Held {
    pub(crate) fn hold(&self) {
        self.0.0.lock().unwrap().0 = true;
    }

    pub(crate) fn free(&self) {
        self.0.0.lock().unwrap().0 = false;
        self.0.1.notify_all();
    }

    /// Syncs that wait now.
    pub(crate) fn waiting(&self) -> u64 {
        self.0.0.lock().unwrap().1
    }
}

impl Layer for Held {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(HeldFile(SystemLayer.create(path, bytes)?, self.clone())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(HeldFile(SystemLayer.open(path)?, self.clone())))
    }
}

struct HeldFile(Box<dyn SegmentFile>, Held);

impl SegmentFile for HeldFile {
    fn append(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.append(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let (state, freed) = &*self.1.0;
        let mut state = state.lock().unwrap();
        state.1 += 1;
        while state.0 {
            state = freed.wait(state).unwrap();
        }
        state.1 -= 1;
        drop(state);
        self.0.sync()
    }
}

#[tokio::test]
async fn a_caller_that_leaves_while_the_intent_is_written_sends_nothing() {
    let server = failing(Fail::None);
    let disk = Held::default();
    let house = Setup::of(&server)
        .layer(disk.clone())
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 100, "day")
        .start()
        .await;
    let token = house.token(BOT).await;
    disk.hold();
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(begin(&house, &token).await);
    }
    house.until("reservations", || house.taken("calls").1 == 8).await;
    house.until("a sync", || disk.waiting() == 1).await;
    assert_eq!(server.arrived(), 0, "nothing leaves before the intent is on disk");
    drop(streams);
    // The gate sees the hang-ups before the disk is done: a call of another connection goes behind them.
    let other = house.token_unissued(HELPER);
    let answer = tokio::spawn(send(house.address, post(CHAT, &other, "{")));
    assert_eq!(answer.await.unwrap().status, 400);
    disk.free();
    let outcomes = house.outcomes(8).await;
    assert!(outcomes.iter().all(|outcome| outcome.end == End::Withdrawn), "{outcomes:#?}");
    assert_eq!(server.arrived(), 0);
    assert_eq!(house.audit().await.len(), 8);
    assert_eq!(house.taken("calls"), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_given_up_at_any_moment_leave_no_intent_without_outcome() {
    let server = failing(Fail::None);
    let house =
        Setup::of(&server).budget("calls", r#"{ agent = "bot" }"#, "requests", 10_000, "day").start().await;
    let token = house.token(BOT).await;
    for round in 0..200 {
        let stream = begin(&house, &token).await;
        for _ in 0..(round % 40) {
            tokio::task::yield_now().await;
        }
        drop(stream);
    }
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    // Those whose connection was not even looked at may still come; in the end every intent has its outcome.
    let settled = || {
        let mut open = 0_i64;
        for (_, event) in house.events() {
            open += match event {
                Event::Intent(_) => 1,
                Event::Outcome(_) => -1,
                _ => 0,
            };
        }
        open == 0 && house.taken("calls").1 == 0
    };
    house.until("an outcome for each intent", settled).await;
    let calls = house.audit().await;
    let gone = calls.iter().filter(|(_, outcome)| outcome.end != End::Complete).count();
    eprintln!("{gone} of {} calls were given up in time", calls.len());
    let sent = calls.iter().filter(|(_, outcome)| outcome.end != End::Withdrawn).count() as u64;
    assert!(server.arrived() <= sent, "what was withdrawn was not sent");
}

#[tokio::test]
async fn a_ledger_that_fails_lets_nothing_through() {
    let server = failing(Fail::None);
    let disk = FaultLayer::new();
    let house = Setup::of(&server)
        .layer(disk.clone())
        .budget("calls", r#"{ agent = "bot" }"#, "requests", 100, "day")
        .start()
        .await;
    let token = house.token(BOT).await;
    assert_eq!(house.chat(&token, "hi").await.status, 200);
    house.gate.settled().await;
    disk.fail_sync_after(0);
    for _ in 0..3 {
        let answer = house.chat(&token, "hi").await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
        assert_eq!(answer.code().await, "ALC-GATE-0030");
    }
    assert_eq!(server.arrived(), 1);
    assert_eq!(house.taken("calls"), (1, 0));
}

#[tokio::test]
async fn an_upstream_that_dies_in_mid_stream_is_told_as_an_error() {
    let whole = {
        let server = failing(Fail::None);
        send(server.address(), post(CHAT, "x", chat_stream("hi"))).await.text().await.len() as u64
    };
    let server = failing(Fail::None);
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let mut count = 0;
    // The last 14 bytes are the end mark.
    for at in [0, 1, 50, whole / 2, whole - 20, whole - 15, whole - 3] {
        server.play(Script::says("one two three four five six").failing(Fail::DieAfterBytes(at)));
        let stream = house.post(CHAT, &token, chat_stream("hi")).await.text().await;
        assert!(stream.contains("ALC-GATE-0042") && !stream.contains("[DONE]"), "{at}: {stream}");
        count += 1;
        let outcome = house.outcomes(count).await.pop().unwrap();
        assert_eq!((outcome.end, outcome.released_bytes), (End::UpstreamBroken, stream.len() as u64), "{at}");
    }
    house.audit().await;
}

#[tokio::test]
async fn lengths_that_lie_are_found_out() {
    let server = failing(Fail::LyingContentLength(Lie::More(100)));
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    let answer = house.chat(&token, "hi").await;
    assert_eq!((answer.status, answer.code().await.as_str()), (502, "ALC-GATE-0042"));
    let outcome = house.outcome().await;
    assert_eq!((outcome.end, outcome.released_bytes), (End::UpstreamBroken, 0));
    // Bytes behind an answer never become the answer to somebody else.
    let poison =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"poison\":1}\n";
    server.play(Script::says("one").failing(Fail::LyingContentLength(Lie::Less(poison))));
    for _ in 0..5 {
        let answer = house.chat(&token, "hi").await;
        assert_eq!(answer.status, 200);
        let text = answer.text().await;
        assert!(!text.contains("poison") && text.contains("one"), "{text}");
    }
    house.audit().await;
}

#[tokio::test]
async fn compressed_answers_are_not_unpacked() {
    let server = failing(Fail::GzipBomb { expanded_bytes: 64 << 20 });
    let house = Setup::of(&server).start().await;
    let token = house.token(BOT).await;
    for (count, body) in [(1, chat("hi")), (2, chat_stream("hi"))] {
        let answer = house.post(CHAT, &token, body).await;
        assert!(!answer.headers.contains_key("content-encoding"));
        let text = answer.text().await;
        assert!(text.contains("ALC-GATE-0042") && text.len() < 1_000, "{text}");
        let outcome = house.outcomes(count).await.pop().unwrap();
        assert_eq!(outcome.end, End::UpstreamBroken);
    }
    house.audit().await;
}

#[tokio::test]
async fn an_answer_without_end_is_cut_at_its_limit() {
    let server = failing(Fail::EndlessStream);
    let cap = "@obligation(\"cap:reply_bytes=20000\")\npermit (principal, action == Alcaide::Action::\"use_model\", resource);";
    let house = Setup::of(&server).policy("cap", cap).start().await;
    let token = house.token(BARE).await;
    let stream = house.post(CHAT, &token, chat_stream("hi")).await.text().await;
    assert!(stream.contains("ALC-GATE-0042"));
    assert!(stream.len() < 200_000, "{}", stream.len());
    assert_eq!(house.outcome().await.end, End::TooLong);
    let answer = house.chat(&token, "hi").await;
    assert_eq!((answer.status, answer.code().await.as_str()), (502, "ALC-GATE-0042"));
    assert_eq!(house.outcomes(2).await[1].end, End::TooLong);
    server.until_abandoned(2).await.unwrap();
    house.audit().await;
}

#[tokio::test]
async fn an_upstream_that_is_too_slow_is_given_up() {
    let server = failing(Fail::NeverAnswer);
    let setup = |server: &ModelServer, extra: &str| {
        Setup::people().upstream("slow", "openai", &server.url("/v1"), extra).model(
            "test-model",
            &["slow"],
            PRICE,
        )
    };
    let house = setup(&server, "first_byte_timeout_ms = 40").start().await;
    let token = house.token(BOT).await;
    let answer = house.chat(&token, "hi").await;
    assert_eq!((answer.status, answer.code().await.as_str()), (504, "ALC-GATE-0041"));
    assert_eq!(house.outcome().await.end, End::UpstreamTimeout);
    server.until_abandoned(1).await.unwrap();
    house.audit().await;

    let server = failing(Fail::SilentFor(Latch::closed()));
    let house = setup(&server, "idle_timeout_ms = 40").start().await;
    let token = house.token(BOT).await;
    let stream = house.post(CHAT, &token, chat_stream("hi")).await.text().await;
    assert!(stream.contains("ALC-GATE-0041"), "{stream}");
    assert_eq!(house.outcome().await.end, End::UpstreamTimeout);
    house.audit().await;

    // Silence within a document.
    let blunt =
        Blunt::start("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{", true)
            .await;
    let house = Setup::people()
        .upstream("slow", "openai", &blunt.url(), "idle_timeout_ms = 40")
        .model("test-model", &["slow"], PRICE)
        .start()
        .await;
    let token = house.token(BOT).await;
    assert_eq!(house.chat(&token, "hi").await.code().await, "ALC-GATE-0041");
    assert_eq!(house.outcome().await.end, End::UpstreamTimeout);
}

#[tokio::test]
async fn a_kill_ends_a_document_that_is_half_there() {
    let blunt =
        Blunt::start("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{", true)
            .await;
    let house = blunt.setup().start().await;
    let token = house.token(BOT).await;
    let (answer, ()) = tokio::join!(house.chat(&token, "hi"), async {
        house.until("the call", || blunt.asked() == 1).await;
        house.kill(BOT, 1).await;
    });
    assert_eq!(answer.code().await, "ALC-GATE-0004");
    assert_eq!(house.outcome().await.end, End::Killed);
}

#[tokio::test]
async fn answers_that_are_none_are_not_passed_on() {
    for says in [
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1,",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"a\":1,\"a\":2}",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
        "garbage\r\n\r\n",
    ] {
        let blunt = Blunt::start(says, false).await;
        let house = blunt.setup().start().await;
        let token = house.token(BOT).await;
        let answer = house.chat(&token, "hi").await;
        assert_eq!((answer.status, answer.code().await.as_str()), (502, "ALC-GATE-0042"), "{says}");
        assert_eq!(house.outcome().await.end, End::UpstreamBroken, "{says}");
        house.audit().await;
    }
    for text in ["data: {\"a\":1,\"a\":2}\n\n", "data: nothing\n\n", "data: []\n\n", "data: [DONE]"] {
        let blunt = Blunt::events(text, false).await;
        let house = blunt.setup().start().await;
        let token = house.token(BOT).await;
        let stream = house.post(CHAT, &token, chat_stream("hi")).await.text().await;
        assert!(stream.contains("ALC-GATE-0042") && !stream.contains("\"a\":2"), "{text:?}: {stream}");
        assert_eq!(house.outcome().await.end, End::UpstreamBroken, "{text:?}");
    }
}

#[tokio::test]
async fn nothing_is_believed_after_the_end_of_a_stream() {
    let chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"fine\"}}]}\n\n";
    let text = format!("{chunk}data: [DONE]\n\n{}", chunk.replace("fine", "more"));
    let blunt = Blunt::events(&text, true).await;
    let house = blunt.setup().start().await;
    let token = house.token(BOT).await;
    let stream = house.post(CHAT, &token, chat_stream("hi")).await.text().await;
    assert_eq!(stream, format!("{chunk}data: [DONE]\n\n"));
    assert_eq!(house.outcome().await.end, End::Complete);
}

#[tokio::test]
async fn who_leaves_a_stream_before_its_last_word_on_usage_is_charged_what_was_set_aside() {
    // `message_start` tells one token of output; what was made after it is not known.
    let start = r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"x","content":[],"usage":{"input_tokens":7,"output_tokens":1}}}"#;
    let last = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":30}}"#;
    let start = format!("event: message_start\ndata: {start}\n\n");
    let last = format!("event: message_delta\ndata: {last}\n\n");
    for (text, output, estimated) in [(start.clone(), 100, true), (start + &last, 30, false)] {
        let blunt = Blunt::events(&text, true).await;
        let url = blunt.url().replace("/v1", "");
        let house = Setup::people()
            .upstream("blunt", "anthropic", &url, "")
            .model("test-model", &["blunt"], PRICE)
            .budget("tokens", r#"{ agent = "bot" }"#, "tokens", 1_000, "day")
            .start()
            .await;
        let token = house.token(BOT).await;
        let body = r#"{"model":"test-model","max_tokens":100,"messages":[],"stream":true}"#;
        let mut answer = house.post("/v1/messages", &token, body).await;
        let mut heard = 0;
        while heard < text.len() {
            heard += answer.piece().await.unwrap().len();
        }
        drop(answer);
        let outcome = house.outcome().await;
        let usage = outcome.usage.unwrap();
        assert_eq!((outcome.end, usage.input, usage.output), (End::CallerGone, 7, output));
        assert_eq!(usage.estimated, estimated);
        house.audit().await;
        assert_eq!(house.taken("tokens"), (7 + output, 0));
    }
}
