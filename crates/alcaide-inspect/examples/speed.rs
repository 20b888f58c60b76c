//! How fast the engine is: `cargo run --release -p alcaide-inspect --example speed [FILE]`.
//!
//! Without a file it makes its own text: prose with the digits and signs that prose has, and a dense one in which
//! every line holds something to look at.

use std::hint::black_box;
use std::time::{Duration, Instant};

use alcaide_inspect::{Engine, Mask, Redactor};

const PROSE: &str = "The gate lets each call through only when policy allows it, and writes it down before it takes effect. \
    A person who reads the record later can see who asked, on whose behalf, and what was decided; nothing is left to \
    memory. In 2024 some 37 teams tried it: most began with one agent, two tools and a single rule, and found that the \
    rule was wrong. \"We had thought of everything,\" one of them said, \"but the order in which things happen.\" So the \
    order became a type - a step that is skipped does not compile - and the rest followed (slowly, with many questions). ";

const DENSE: &str = "user=u4812 mail=ana.b@example.org card=4242 4242 4242 4242 at=2024-05-06T07:08:09Z id=550e8400-e29b-41d4-a716 \
    password=\"Tr0ub4dor&3\" ip=10.0.0.7:8443 url=postgres://app:s3cr3tpw@db/app sum=1,234.56 sha=9fceb02d0ae598e95dc970b7\n";

const BYTES: usize = 16 << 20;
const ROUNDS: usize = 7;

fn main() -> std::io::Result<()> {
    let engine = Engine::builtin();
    let texts = match std::env::args().nth(1) {
        Some(file) => vec![(file.clone(), std::fs::read_to_string(file)?)],
        None => vec![
            ("prose".to_owned(), PROSE.repeat(BYTES / PROSE.len())),
            ("dense".to_owned(), DENSE.repeat(BYTES / DENSE.len())),
        ],
    };
    for (name, text) in &texts {
        let found = engine.scan(text).len();
        let took = best(|| {
            black_box(engine.scan(black_box(text)));
        });
        println!("{name}: scan {:.0} MB/s, {found} findings", rate(text.len(), took));
        for size in [12, 64, 1024, 16384] {
            let chunks = chunks(text, size);
            let took = best(|| {
                let mut stream = engine.stream();
                for chunk in &chunks {
                    let _ = black_box(stream.push(black_box(chunk)));
                }
                let _ = black_box(stream.finish());
            });
            let each = took.as_nanos() / chunks.len().max(1) as u128;
            println!(
                "{name}: stream, chunks of {size} bytes: {:.0} MB/s, {each} ns a push",
                rate(text.len(), took)
            );
        }
    }
    let head: String = PROSE.chars().take(12 * 32).collect();
    let reply = chunks(&head, 12);
    let took = best(|| {
        for _ in 0..1000 {
            let mut stream = engine.stream();
            for chunk in &reply {
                let _ = black_box(stream.push(black_box(chunk)));
            }
            let _ = black_box(stream.finish());
        }
    });
    println!("reply of {} chunks: stream {} ns", reply.len(), took.as_nanos() / 1000);
    let took = best(|| {
        for _ in 0..1000 {
            let mut redactor = Redactor::new(&engine, Mask::PLACEHOLDERS);
            for chunk in &reply {
                let _ = black_box(redactor.push(black_box(chunk)));
            }
            let _ = black_box(redactor.finish());
        }
    });
    println!("reply of {} chunks: redactor {} ns", reply.len(), took.as_nanos() / 1000);
    Ok(())
}

/// The shortest of some rounds: what the machine can do when it is left alone.
fn best(mut work: impl FnMut()) -> Duration {
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn rate(bytes: usize, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64() / 1e6
}

fn chunks(text: &str, size: usize) -> Vec<&str> {
    let mut rest = text;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(size).max(1).min(rest.len()));
        out.push(chunk);
        rest = after;
    }
    out
}
