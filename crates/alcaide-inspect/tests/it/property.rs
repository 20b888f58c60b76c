//! Properties: chunking changes nothing, nothing planted survives, what is held is bounded.

use alcaide_inspect::{Engine, Finding, HOLD_BACK_BYTES_MAX, Mask, Redactor, Style, redact};
use proptest::prelude::*;

use crate::plant::{KINDS, Seed, plant};

const MISSES: &[&str] = &[
    "4242 4242 4242 4243",
    "4111 1111",
    "12 34 5678",
    "4242-4242 4242",
    "1234567890123456789012",
    "a@b",
    "x.y@",
    "@z",
    "who@example",
    "ghp_",
    "gh",
    "github_pat_x",
    "eyJ",
    "eyJhbGciOiJIUzI1NiJ9",
    "eyJhbGciOiJIUzI1NiJ9.",
    "sk-",
    "sk-ant-",
    "-----",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "-----BEGIN",
    "postgres://u:",
    "://",
    "a:b@c",
    "password=",
    "password: ",
    "pwd:\"",
    "token=\"",
    "secret => '",
    "Authorization: Bearer ",
    "é",
    "漢字",
    "👩‍👩‍👧",
    "\n",
    "\"",
    "AKIA",
    "AIza",
    "AKIAIOSFODNN7EXAMPLE",
    "hooks.slack.com/services/",
    "SG.",
    ".",
    "..",
    "-",
    "_",
    "@",
    "=",
    ":",
    "'",
    ",",
    "0",
    "4",
    "word",
    "Another",
    "naïve",
    "straße",
    "====",
    "::",
    "x=1",
    "\u{a0}",
    "—",
    "\\n",
    "{\"a\":",
    "}",
];

const GAPS: &[&str] = &[" ", " ", "\n", ", ", ". ", "", "\"", "(", ") ", "，", "; "];

/// A text of planted values, near misses and prose, what was planted, and where to cut.
fn text(seed: u64, parts: usize) -> (String, Vec<String>) {
    let mut seed = Seed(seed);
    let mut out = String::new();
    let mut secrets = Vec::new();
    for _ in 0..parts {
        match seed.below(4) {
            0 => {
                // With room on both sides: what is glued to something else may be something else.
                let kind = seed.below(KINDS);
                let planted = plant(kind, &mut seed);
                out.push_str(" see: ");
                out.push_str(&planted.text);
                out.push_str(" here ");
                secrets.push(planted.secret);
            }
            1 => out.push_str("and so the quick brown fox went on its way, "),
            2 => {
                let len = seed.below(90);
                let run = seed.of("abcXYZ0189-_.=@:/+ ", len);
                out.push_str(&run);
            }
            _ => out.push_str(MISSES[seed.below(MISSES.len())]),
        }
        out.push_str(GAPS[seed.below(GAPS.len())]);
    }
    (out, secrets)
}

fn boundaries(text: &str) -> Vec<usize> {
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect()
}

fn cut<'t>(text: &'t str, cuts: &[usize]) -> Vec<&'t str> {
    let mut from = 0;
    let mut out = Vec::new();
    for to in cuts.iter().copied().chain([text.len()]) {
        out.push(&text[from..to]);
        from = to;
    }
    out
}

/// Streams `chunks`, checks every promise of [`alcaide_inspect::Step`], and returns the findings.
fn stream(engine: &Engine, chunks: &[&str]) -> Vec<Finding> {
    let mut stream = engine.stream();
    let mut all: Vec<Finding> = Vec::new();
    let (mut pushed, mut decided) = (0_u64, 0_u64);
    for (at, chunk) in chunks.iter().enumerate() {
        let step = stream.push(chunk);
        pushed += chunk.len() as u64;
        assert!(step.decided >= decided && step.decided <= pushed, "chunk {at}");
        for finding in &step.findings {
            assert!(finding.span.start >= decided, "a byte of {finding:?} was decided before");
            assert!(finding.span.end <= step.decided);
        }
        match &step.open {
            Some(open) => assert_eq!(open.start, step.decided),
            None => {
                assert!(pushed - step.decided <= HOLD_BACK_BYTES_MAX as u64, "{} held", pushed - step.decided)
            }
        }
        decided = step.decided;
        all.extend(step.findings);
    }
    let step = stream.finish();
    assert_eq!(step.decided, pushed);
    assert!(step.open.is_none() && step.findings.iter().all(|finding| finding.span.start >= decided));
    all.extend(step.findings);
    all
}

fn redact_chunks(redactor: &mut Redactor, chunks: &[&str]) -> String {
    let mut out = String::new();
    let mut at = 0;
    let mut check = |pieces: &[alcaide_inspect::Piece<'_>]| {
        for piece in pieces {
            assert_eq!(piece.source.start, at, "pieces follow each other");
            at = piece.source.end;
            assert!(piece.replaced || piece.text.len() as u64 == piece.source.end - piece.source.start);
        }
    };
    for chunk in chunks {
        let step = redactor.push(chunk);
        check(&step.pieces);
        step.write_to(&mut out);
        assert!(redactor.held_bytes() <= HOLD_BACK_BYTES_MAX);
    }
    let step = redactor.finish();
    check(&step.pieces);
    step.write_to(&mut out);
    assert_eq!(at, chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>());
    out
}

#[test]
fn every_kind_is_found_by_its_rule() {
    let engine = Engine::builtin();
    for kind in 0..KINDS {
        for round in 0..50 {
            let planted = plant(kind, &mut Seed(round * 1000 + kind as u64));
            let text = format!("so {} it is", planted.text);
            let found = engine.scan(&text);
            let hit = found.iter().find(|finding| finding.rule.as_str() == planted.rule);
            let Some(hit) = hit else { panic!("kind {kind} round {round}: {text}\n{found:?}") };
            let value = &text[hit.span.start as usize..hit.span.end as usize];
            assert_eq!(value, planted.secret, "kind {kind}");
            assert!(!hit.evidence.contains(&planted.secret));
        }
    }
}

#[test]
fn every_single_cut_gives_the_same() {
    let engine = Engine::builtin();
    for seed in 0..60 {
        let (text, _) = text(seed, 7);
        let want = engine.scan(&text);
        let whole = redact(&text, &want, Mask::PLACEHOLDERS).0;
        let ends = boundaries(&text);
        for at in &ends {
            let chunks = cut(&text, &[*at]);
            assert_eq!(stream(&engine, &chunks), want, "seed {seed} cut {at}");
        }
        let chunks = cut(&text, &ends);
        assert_eq!(stream(&engine, &chunks), want, "seed {seed}, a character at a time");
        assert_eq!(redact_chunks(&mut Redactor::new(&engine, Mask::PLACEHOLDERS), &chunks), whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn chunking_changes_nothing_and_nothing_survives(
        seed in any::<u64>(),
        parts in 1_usize..24,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        spare in any::<bool>(),
    ) {
        let engine = Engine::builtin();
        let (text, secrets) = text(seed, parts);
        let ends = boundaries(&text);
        let mut cuts: Vec<usize> = cuts.iter().map(|at| ends[at.index(ends.len())]).collect();
        cuts.sort_unstable();
        let chunks = cut(&text, &cuts);

        let want = engine.scan(&text);
        prop_assert_eq!(&stream(&engine, &chunks), &want);
        for pair in want.windows(2) {
            prop_assert!(pair[0].span.end <= pair[1].span.start);
        }

        let mut mask = Mask::PLACEHOLDERS;
        if spare {
            mask = Mask::all(Style::Blank).sparing(alcaide_finding::Class::Secret);
        }
        let (whole, edits) = redact(&text, &want, mask);
        let mut redactor = Redactor::new(&engine, mask);
        let streamed = redact_chunks(&mut redactor, &chunks);
        prop_assert_eq!(&streamed, &whole);
        // The same redactor serves the next text as if it were new.
        prop_assert_eq!(&redact_chunks(&mut redactor, &[&text]), &whole);
        if !spare {
            prop_assert_eq!(edits.len(), want.len());
            for secret in &secrets {
                prop_assert!(!streamed.contains(secret.as_str()), "{} survived in {}", secret, streamed);
            }
        }
    }

    #[test]
    fn noise_near_every_rule_is_cut_safely(text in "[-a-zA-Z0-9@.:=/ _\"'é漢\n]{0,300}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let engine = Engine::builtin();
        let ends = boundaries(&text);
        let mut cuts: Vec<usize> = cuts.iter().map(|at| ends[at.index(ends.len())]).collect();
        cuts.sort_unstable();
        prop_assert_eq!(stream(&engine, &cut(&text, &cuts)), engine.scan(&text));
    }

    #[test]
    fn a_redacted_text_has_nothing_left_to_find(seed in any::<u64>(), kinds in prop::collection::vec(0..KINDS, 1..8)) {
        let engine = Engine::builtin();
        let mut seed = Seed(seed);
        let text: String = kinds.iter().map(|kind| format!("see {} here. ", plant(*kind, &mut seed).text)).collect();
        let (safe, _) = redact(&text, &engine.scan(&text), Mask::PLACEHOLDERS);
        prop_assert_eq!(engine.scan(&safe), vec![], "{}", safe);
    }
}

#[test]
fn a_key_block_without_an_end_is_hidden_as_it_comes() {
    let engine = Engine::builtin();
    let mut redactor = Redactor::new(&engine, Mask::PLACEHOLDERS);
    let mut out = String::new();
    redactor.push("key: -----BEGIN PRIVATE KEY-----\n").write_to(&mut out);
    assert_eq!(out, "key: ", "the opening waits for a body");
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZn\n";
    for _ in 0..1000 {
        redactor.push(line).write_to(&mut out);
        assert!(redactor.held_bytes() <= HOLD_BACK_BYTES_MAX);
    }
    assert_eq!(out, "key: [secret: private-key]", "said once, at the opening");
    redactor.finish().write_to(&mut out);
    assert_eq!(out, "key: [secret: private-key]");
}

#[test]
fn a_value_that_begins_deep_inside_another_and_ends_after_it_is_cut_safely() {
    let engine = Engine::builtin();
    let inner = "a1b2c3 ".repeat(17);
    let before = "some words before it ".repeat(6);
    let text = format!("{before}password='pwd=\"{inner}' and still within\" but not here");
    let want = engine.scan(&text);
    assert_eq!(want.len(), 2, "{want:?}");
    assert_eq!(want[0].span.end, want[1].span.start, "the second is cut to begin where the first ends");
    for size in 1..text.len() {
        let chunks: Vec<&str> =
            text.as_bytes().chunks(size).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
        assert_eq!(stream(&engine, &chunks), want, "chunks of {size}");
    }
}

#[test]
fn prose_is_decided_at_the_end_of_each_word() {
    let engine = Engine::builtin();
    let mut stream = engine.stream();
    let text = "The quick brown fox; jumps (over) the lazy dog: 12 of 345, he said - and so on ";
    let mut pushed = 0;
    for word in text.split_inclusive(' ') {
        pushed += word.len() as u64;
        assert_eq!(stream.push(word).decided, pushed, "after {word:?}");
    }
    let word = "word";
    assert_eq!(stream.push(word).decided, pushed, "it could become an address");
    assert_eq!(stream.push("\n").decided, pushed + 5);
}

#[test]
fn rules_are_listed_once_each() {
    let engine = Engine::builtin();
    let mut ids: Vec<_> = engine.rules().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids.len(), 23);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 23);
    assert!(engine.rules().all(|rule| !rule.description.is_empty() && !rule.description.ends_with('.')));
}
