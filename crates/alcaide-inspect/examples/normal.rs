//! How fast the normal forms are: `cargo run --release -p alcaide-inspect --example normal`.
//!
//! Two million bytes of each kind: prose, dense lines, another script, and texts made to cost much.

use std::hint::black_box;
use std::time::{Duration, Instant};

use alcaide_inspect::normal::{decodings, exact, loose, occurs, values, words};

const BYTES: usize = 2_000_000;
const BUDGET: usize = 1 << 18;
const ROUNDS: usize = 3;

const KINDS: &[(&str, &str)] = &[
    (
        "prose",
        "The gate lets each call through only when policy allows it, and writes it down before May 15th at 10:00. ",
    ),
    (
        "dense",
        "user=u4812 mail=ana.b@example.org at=2024-05-06T07:08:09Z ip=10.0.0.7:8443 sum=$1,234.56 https://x.com/a?b=%41\n",
    ),
    ("Russian", "Пропуск через шлюз даётся только тогда, когда это разрешено правилами. "),
    ("look-alikes", "pаypаl\u{200b} ＡＢＣ \u{e0041}\u{e0042} "),
    ("base64 of text", "aGVsbG8gd29ybGQhIQ"),
    ("base64 of noise", "/9j4AAQSkZJRgABAQEAYABgAAD2wBDAAMCAgMCAgMDAw"),
    ("base64 in lines", "aGVsbG8gd29ybGQhIGhlbGxvIHdvcmxkISBoZWxsbyB3b3JsZCEgaGVsbG8gd29ybGQh\n"),
    ("base64 words", "aGVsbG8gd29ybGQh "),
    ("hexadecimal", "68656c6c6f20776f726c64"),
    ("percent", "%41"),
    ("references", "&amp;#65; "),
    ("backslashes", "\\u0041\\n"),
    ("ampersands", "&a"),
    ("dots", "a.b/"),
    ("hosts", "x.com:a/"),
    ("at signs", "a@"),
    ("schemes", "a://"),
    ("brackets", "http://x]]]]]]]]]]]]]]]]]]]]]]]]]"),
    ("closing", "]"),
    ("mails", "a@x.com "),
    ("commas", "1,"),
    ("digits", "1 000 "),
    ("apostrophes", "a'a"),
    ("accents", "e\u{301}\u{300}"),
    ("marks", "\u{301}"),
    ("selectors", "\u{fe01}"),
    ("joiners", "\u{200b}\u{200c}"),
];

fn main() {
    println!(
        "{:16} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}  ms for {BYTES} bytes",
        "", "exact", "loose", "decode", "values", "words", "occurs"
    );
    for (name, piece) in KINDS {
        let mut text = piece.repeat(BYTES / piece.len());
        if *name == "closing" {
            text.insert_str(0, "http://x");
        }
        let form = exact(&text);
        let found = values(&form);
        let value: String = form.chars().skip(1).take(4001).collect();
        let took = [
            best(|| drop(black_box(exact(black_box(&text))))),
            best(|| drop(black_box(loose(black_box(&text))))),
            best(|| drop(black_box(decodings(black_box(&text), BUDGET)))),
            best(|| drop(black_box(values(black_box(&text))))),
            best(|| _ = black_box(words(black_box(&form)).count())),
            best(|| _ = black_box(occurs(black_box(&value), &form, &found))),
        ];
        let cells: String = took.iter().map(|took| format!(" {:8.1}", took.as_secs_f64() * 1e3)).collect();
        println!("{name:16}{cells}");
    }
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
