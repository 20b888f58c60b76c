//! How fast are plain chat bodies read? `cargo run --release -p alcaide-wire --example json_speed`.
//!
//! Prints MB/s of the strict reader, of the whole request view, and of `serde_json::Value` beside it.

use std::hint::black_box;
use std::time::Instant;

use alcaide_wire::json::{Document, Limits, Tape};
use alcaide_wire::llm::{Operation, RequestView, StreamView};
use alcaide_wire::sse::SseReader;

fn body(turns: usize, words: usize) -> String {
    let text = "The quick brown fox jumps over the lazy dog, and \\\"again\\\".\\n".repeat(words);
    let turn = |number: usize| {
        let role = if number.is_multiple_of(2) { "user" } else { "assistant" };
        format!("{{\"role\":\"{role}\",\"content\":\"{text}\"}}")
    };
    let turns: Vec<String> = (0..turns).map(turn).collect();
    format!(
        "{{\"model\":\"gpt-4o\",\"temperature\":0.7,\"max_tokens\":256,\"stream\":true,\"messages\":[{}]}}",
        turns.join(",")
    )
}

fn measure(name: &str, bytes: usize, mut work: impl FnMut()) {
    let rounds = (200_000_000 / bytes).max(1);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..rounds {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let seconds = best / f64::from(u32::try_from(rounds).unwrap_or(u32::MAX));
    let megabytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1e6;
    println!("{name:<44} {bytes:>8} B {:>10.2} us {:>8.0} MB/s", seconds * 1e6, megabytes / seconds);
}

fn main() {
    let limits = Limits::default();
    for (turns, words) in [(2, 8), (10, 20), (40, 100)] {
        let text = body(turns, words);
        let bytes = text.as_bytes();
        let mut tape = Tape::default();
        measure("json, tape used again", bytes.len(), || {
            if let Ok(document) = Document::parse_into(black_box(bytes), &limits, std::mem::take(&mut tape)) {
                tape = document.into_tape();
            }
        });
        measure("json", bytes.len(), || {
            let _ = black_box(Document::parse(black_box(bytes), &limits));
        });
        measure("json and request view", bytes.len(), || {
            if let Ok(document) = Document::parse(black_box(bytes), &limits) {
                let _ = black_box(RequestView::read(Operation::ChatCompletions, &document));
            }
        });
        measure("serde_json::Value", bytes.len(), || {
            let _ = black_box(serde_json::from_slice::<serde_json::Value>(black_box(bytes)));
        });
    }
    let chunk = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,\"model\":\"gpt-4o\",\
        \"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    let stream = bytes::Bytes::from(chunk.repeat(32));
    let mut events = Vec::new();
    measure("sse, 32 events", stream.len(), || {
        events.clear();
        let _ = SseReader::default().push(black_box(stream.clone()), &mut events);
    });
    measure("sse and stream view, 32 events", stream.len(), || {
        events.clear();
        let _ = SseReader::default().push(black_box(stream.clone()), &mut events);
        let mut view = StreamView::new(Operation::ChatCompletions, false, limits);
        for event in &events {
            let _ = black_box(view.read(event));
        }
    });
}
