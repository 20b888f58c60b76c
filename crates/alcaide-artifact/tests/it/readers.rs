//! The reference readers of tensor files are peers: what they accept with tensors in it is not called broken here, and what they reject
//! is not called clean.
//!
//! 400 changed files for each, ten times as many with `ALCAIDE_TIER=hours`, over one Python process a reader. Where the scanner is
//! stricter on purpose, the rule stands in a list with its reason.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use alcaide_artifact::{Report, Verdict};

use crate::mutate::random::Random;
use crate::mutate::{bytes, graphs, hours, judge, seed, seeds, tensors};

/// A reader, what its files are called, and rules that are stricter than it with the reason.
struct Peer {
    reader: &'static str,
    file: &'static str,
    seeds: Vec<Vec<u8>>,
    stricter: &'static [(&'static str, &'static str)],
    /// Beginnings of refusals that concern more than structure.
    lenient: &'static [(&'static str, &'static str)],
}

/// Rules that say that the structure does not hold.
const BROKEN: &[&str] = &[
    "structure-broken",
    "count-too-large",
    "range-out-of-bounds",
    "size-overflow",
    "ranges-overlap",
    "length-mismatch",
    "odd-header",
];

fn compare(peer: &Peer) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/peers/venv/bin/python");
    if !python.exists() {
        println!(
            "not judged: the reference reader `{}`: no peers; `cargo xtask peers` installs them",
            peer.reader
        );
        return;
    }
    let mut random = Random::new(seed(31));
    let count = if hours() { 4_000 } else { 400 };
    let mut files = peer.seeds.clone();
    while files.len() < count {
        let mut file = peer.seeds[random.below(peer.seeds.len())].clone();
        if random.once_in(3) {
            // One bit alone: the structure often holds.
            let at = random.below(file.len());
            file[at] ^= 1 << random.below(8);
        } else {
            for _ in 0..=random.below(2) {
                bytes::change(&mut file, &peer.seeds, &mut random);
            }
        }
        file.truncate(64 << 10);
        files.push(file);
    }
    let place = tempfile::tempdir().unwrap();
    let mut child = Command::new(python)
        .arg("-I")
        .arg(root.join("tests/peers/model_readers.py"))
        .arg(peer.reader)
        .env("TMPDIR", place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut asks = child.stdin.take().unwrap();
    let lines: Vec<String> = files
        .iter()
        .map(|file| file.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
        .collect();
    let writer =
        std::thread::spawn(move || lines.iter().for_each(|line| asks.write_all(line.as_bytes()).unwrap()));
    let answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut wrong, mut sums) = (Vec::new(), BTreeMap::<_, u64>::new());
    let mut heard = 0;
    for (answer, file) in answers.zip(&files) {
        let answer = answer.unwrap();
        heard += 1;
        let report = judge(peer.file, file);
        let (word, rest) = answer.split_once(' ').unwrap();
        let verdict = report.verdict.as_str();
        *sums.entry((word.to_owned(), verdict)).or_default() += 1;
        let broken = broken(&report, peer);
        let tensors = rest.parse::<u64>().unwrap_or_default();
        let waived = peer.lenient.iter().any(|(start, _)| rest.starts_with(start));
        if word == "accepts" && tensors > 0 && !broken.is_empty()
            || word == "rejects" && !waived && report.verdict == Verdict::Clean
        {
            wrong.push(format!(
                "{answer}: {verdict} {broken:?}\n  {}",
                file.escape_ascii().to_string().chars().take(700).collect::<String>()
            ));
        }
    }
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(heard, files.len(), "the reader fell");
    println!("{}: {sums:?}", peer.reader);
    assert!(
        wrong.is_empty(),
        "{} of {heard}:\n{}",
        wrong.len(),
        wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n")
    );
    let accepted: u64 = sums.iter().filter(|((word, _), _)| word == "accepts").map(|(_, count)| count).sum();
    assert!(accepted >= 20 && accepted < heard as u64 - 20, "{accepted} of {heard} say little");
}

fn broken(report: &Report, peer: &Peer) -> Vec<String> {
    report
        .findings
        .iter()
        .filter(|one| BROKEN.contains(&one.rule.as_str()))
        .map(|one| format!("{}: {}", one.rule, one.evidence))
        .filter(|told| !peer.stricter.iter().any(|(start, _)| told.starts_with(start)))
        .collect()
}

#[test]
fn safetensors_agrees() {
    compare(&Peer {
        reader: "safetensors",
        file: "model.safetensors",
        seeds: vec![
            tensors::safetensors(&[("a", "F32", &[2, 2]), ("b", "I8", &[3])], &[("format", "pt")]),
            tensors::safetensors(
                &[("a.weight", "BF16", &[4]), ("a.bias", "F16", &[1, 1, 2]), ("c", "BOOL", &[0])],
                &[],
            ),
            tensors::safetensors(&[("x", "I64", &[])], &[("a", "b"), ("c", "d")]),
            tensors::safetensors(
                &[("x", "U8", &[40, 10])],
                &[("note", "a text of which each letter may be another one")],
            ),
        ],
        stricter: &[],
        lenient: &[],
    });
}

#[test]
fn numpy_agrees() {
    let data = [7; 64];
    compare(&Peer {
        reader: "numpy",
        file: "array.npy",
        seeds: vec![
            seeds::numpy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", &data[..16]),
            seeds::numpy(b"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", &data[..6]),
            seeds::numpy(
                b"{'descr': [('a', '<i2'), ('b', '<f8', (2,))], 'fortran_order': False, 'shape': (2,), }",
                &data[..36],
            ),
            seeds::numpy(b"{'descr': '<U3', 'fortran_order': False, 'shape': (), }", &[0; 12]),
        ],
        stricter: &[],
        lenient: &[],
    });
}

#[test]
fn gguf_agrees() {
    compare(&Peer {
        reader: "gguf",
        file: "model.gguf",
        seeds: vec![
            tensors::Gguf::small(3).write(),
            tensors::Gguf::small(2).write(),
            tensors::Gguf { alignment: 64, ..tensors::Gguf::small(3) }.with("general.name", "x").write(),
        ],
        stricter: &[(
            "ranges-overlap",
            "the reader takes each tensor from where it is said to be, whoever else is there",
        )],
        lenient: &[(
            "ValueError: cannot mmap an empty file",
            "an empty file holds nothing that could be wrong",
        )],
    });
}

#[test]
fn onnx_agrees() {
    let tensor = |rest: &[u8]| {
        graphs::field(
            5,
            [
                graphs::number(1, 2),
                graphs::number(1, 2),
                graphs::number(2, 1),
                graphs::field(8, "w"),
                rest.to_vec(),
            ]
            .concat(),
        )
    };
    let graph =
        |rest: Vec<u8>| graphs::onnx_of(&[graphs::graph(&graphs::node("Relu", "")), rest].concat(), &[]);
    compare(&Peer {
        reader: "onnx",
        file: "model.onnx",
        seeds: vec![
            graph(tensor(&graphs::field(9, [0; 16]))),
            graph(tensor(&graphs::field(4, [1; 16]))),
            graph([tensor(&graphs::field(9, [0; 16])), tensor(&graphs::field(9, [0; 16]))].concat()),
        ],
        stricter: &[(
            "length-mismatch",
            "the reader keeps what a tensor declares and what it has, and compares the two only when it is used",
        )],
        lenient: &[],
    });
}
