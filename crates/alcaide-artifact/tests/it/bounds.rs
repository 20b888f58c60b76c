//! What a file may cost: huge files are read once and in little memory, and bombs end by their fuel.
//!
//! Reading is counted by the input, memory by the kernel where a test has a process of its own; a clock is looked at only in optimised builds, where a verdict on a small
//! file has to come within a second.

use std::cell::Cell;
use std::time::Duration;

use alcaide_artifact::{Report, Verdict, scan};
use alcaide_container::{Fuel, Input, Limits, ReadError};

use crate::assemble::Asm;
use crate::mutate::wrap::{self, Method, ZipShape, put};
use crate::mutate::{busy, hours, seeds, tensors};

/// Some bytes at some places, and zeros between them: a sparse file.
struct Sparse {
    len: u64,
    parts: Vec<(u64, Vec<u8>)>,
    read: Cell<u64>,
}

impl Sparse {
    fn new(len: u64, parts: Vec<(u64, Vec<u8>)>) -> Self {
        Self { len, parts, read: Cell::new(0) }
    }
}

impl Input for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let count = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX).min(into.len());
        self.read.set(self.read.get() + count as u64);
        into[..count].fill(0);
        for (start, bytes) in &self.parts {
            let from = at.max(*start);
            let to = (at + count as u64).min(start + bytes.len() as u64);
            if from < to {
                let bytes = &bytes[(from - start) as usize..(to - start) as usize];
                into[(from - at) as usize..(to - at) as usize].copy_from_slice(bytes);
            }
        }
        Ok(count)
    }
}

/// Past what 32 bits count; 100 GiB with `ALCAIDE_TIER=hours`.
fn huge() -> u64 {
    if hours() { 100 << 30 } else { 4200 << 20 }
}

/// The most that a scan may take of a process's memory, whatever it scans.
const MEMORY_MAX: u64 = 64 << 20;

/// Runs `scan` and says by how much the process grew meanwhile at most; nothing where other tests share the process.
fn growth<T>(scan: impl FnOnce() -> T) -> (T, Option<u64>) {
    let field = |name: &str| -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    };
    // The peak begins anew.
    let alone = std::env::var_os("NEXTEST").is_some() && std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = field("VmRSS:");
    let done = scan();
    let grown = field("VmHWM:").zip(before).map(|(peak, before)| peak.saturating_sub(before));
    (done, grown.filter(|_| alone))
}

/// The report on a huge file, which is read `passes` times at most.
fn judge_huge(name: &str, file: &Sparse, passes: u64) -> Report {
    let fuel = Fuel::new(Limits::for_file(file.len));
    let (report, grown) = growth(|| scan(name, file, &fuel));
    println!(
        "{name}: {:?}, {} of {} bytes read, {grown:?} bytes of memory",
        report.verdict,
        file.read.get(),
        file.len
    );
    assert!(
        file.read.get() <= file.len * passes + (256 << 20),
        "{name}: {} of {} bytes were read",
        file.read.get(),
        file.len
    );
    assert!(fuel.hold(Fuel::MEMORY).is_ok(), "{name}: memory was not given back");
    assert!(grown.is_none_or(|grown| grown <= MEMORY_MAX), "{name}: {grown:?}");
    report
}

#[test]
fn a_sparse_gguf_is_read_once_and_in_little_memory() {
    // A count that no file of that size can have; the rest is searched for programs, once.
    let mut gguf = b"GGUF\x03\0\0\0".to_vec();
    put(&mut gguf, &[(8, 0), (8, u64::MAX >> 3)]);
    let report = judge_huge("model.gguf", &Sparse::new(huge(), vec![(0, gguf)]), 1);
    assert_eq!(report.verdict, Verdict::Unsafe, "{:?}", report.doubts);
}

#[test]
fn a_sparse_safetensors_is_read_once_and_in_little_memory() {
    let len = huge();
    let declared = len - 8 - 128;
    let mut header =
        format!("{{\"w\":{{\"dtype\":\"U8\",\"shape\":[{declared}],\"data_offsets\":[0,{declared}]}}}}")
            .into_bytes();
    header.resize(128, b' ');
    let bytes = [&128_u64.to_le_bytes()[..], &header].concat();
    let report = judge_huge("model.safetensors", &Sparse::new(len, vec![(0, bytes)]), 1);
    assert_eq!(report.verdict, Verdict::Clean, "{:?} {:?}", report.findings, report.doubts);
    assert_eq!(report.parts[0].coverage.payload, declared);
    // A header as long as the file is held by nobody.
    let len = 600 << 20;
    let header = (len - 8_u64).to_le_bytes().to_vec();
    let report = judge_huge("model.safetensors", &Sparse::new(len, vec![(0, header)]), 2);
    assert_eq!(report.verdict, Verdict::Unsafe, "{:?}", report.doubts);
}

#[test]
fn a_hole_before_an_archive_is_never_clean() {
    let small = wrap::zip(
        &[("m/data.pkl", b"\x80\x02}."), ("m/data/0", &[0; 64])],
        &ZipShape { zip64: true, ..ZipShape::plain(Method::Stored) },
    );
    let len = 64 << 20;
    let file = Sparse::new(len, vec![(len - small.len() as u64, small)]);
    let report = judge_huge("model.pt", &file, 10);
    assert_ne!(report.verdict, Verdict::Clean);
}

#[test]
fn zeros_under_any_name_are_never_clean() {
    for name in [
        "model.onnx",
        "model.pkl",
        "model.npy",
        "model.h5",
        "config.json",
        "model.7z",
        "model.tar",
        "a.yaml",
        "a.py",
    ] {
        let report = judge_huge(name, &Sparse::new(24 << 20, Vec::new()), 6);
        assert_ne!(report.verdict, Verdict::Clean, "{name}");
    }
}

/// Files that would take far more than they have bytes of whoever opens them.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let zeros = vec![0; 40 << 20];
    let mut nested = wrap::zip(&[("zeros", &zeros[..1 << 20])], &ZipShape::plain(Method::Deflate));
    for level in 0..4 {
        let names: Vec<String> = (0..16).map(|number| format!("{level}{number}.zip")).collect();
        let members: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), nested.as_slice())).collect();
        nested = wrap::zip(&members, &ZipShape::plain(Method::Deflate));
    }
    let mut onion = zeros[..1 << 20].to_vec();
    for _ in 0..40 {
        onion = wrap::gzip(&onion);
    }
    let mut laughs = Asm::proto(2).op(b']').put(0);
    for level in 1..40_u8 {
        laughs = laughs.op(b'0').op(b']').put(level).op(b'(');
        for _ in 0..10 {
            laughs = laughs.get(level - 1);
        }
        laughs = laughs.op(b'e');
    }
    let mut doubled = Asm::proto(2).op(b')');
    for _ in 0..5_000 {
        doubled = doubled.op(b'2').op(0x86);
    }
    let mut tuples = Asm::proto(2).op(b'N');
    for _ in 0..200_000 {
        tuples = tuples.op(0x85);
    }
    let mut calls = Asm::proto(2);
    for _ in 0..50_000 {
        calls = calls.global("collections", "OrderedDict").op(b')').op(b'R').op(b'0');
    }
    let mut yaml = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..60 {
        let alias = format!("*a{}", level - 1);
        yaml += &format!("a{level}: &a{level} [{}]\n", vec![alias; 9].join(","));
    }
    let mut anchors = String::new();
    for number in 0..20_000 {
        anchors += &format!("k{number}: &a{number} {}\nr{number}: *a{number}\n", "w".repeat(200));
    }
    let mut protobuf = Vec::new();
    for _ in 0..3_000 {
        let mut outer = vec![0x32];
        outer.extend(wrap::varint(protobuf.len() as u64));
        outer.extend(&protobuf);
        protobuf = outer;
        if protobuf.len() > 200_000 {
            break;
        }
    }
    let onnx = [b"\x08\x08\x3a".to_vec(), wrap::varint(protobuf.len() as u64), protobuf].concat();
    let many: Vec<String> = (0..60_000).map(|number| format!("f{number}")).collect();
    let members: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let overlapping = overlapping_zip();
    vec![
        ("bomb.zip", nested),
        ("bomb.gz", wrap::gzip(&zeros)),
        ("onion.gz", onion),
        ("bomb.xz", wrap::xz(&zeros)),
        ("bomb.bz2", wrap::bzip2(&zeros)),
        ("bomb.zst", wrap::zstandard(&zeros)),
        ("bomb.tar.gz", wrap::gzip(&wrap::tar(&[("a", &zeros[..16 << 20]), ("b", &zeros[..16 << 20])]))),
        ("bomb.7z", wrap::sevenz(&[("a", &zeros)], true)),
        ("overlapping.zip", overlapping),
        ("shared.zip", shared_zip()),
        ("many.zip", wrap::zip(&members, &ZipShape::plain(Method::Stored))),
        ("laughs.pkl", laughs.stop()),
        ("dots.pkl", (0..20).fold(Asm::proto(4), |asm, _| asm.stack_global("torch", &"a.b ".repeat(60)).op(b'0')).op(b'N').stop()),
        ("doubled.pkl", doubled.stop()),
        ("tuples.pkl", tuples.stop()),
        ("calls.pkl", calls.op(b'N').stop()),
        ("long.pkl", Asm::proto(1).raw("L").raw("9".repeat(2_000_000)).raw("L\n").stop()),
        ("deep.json", [b"[".repeat(400_000), b"]".repeat(400_000)].concat()),
        ("wide.json", format!("{{{}}}", (0..60_000).map(|number| format!("\"k{number}\":[{number}]")).collect::<Vec<_>>().join(",")).into_bytes()),
        ("deep.yaml", (0..20_000).map(|depth| format!("{}a:\n", " ".repeat(depth % 200))).collect::<String>().into_bytes()),
        ("flow.yaml", [b"[".repeat(300_000), b"]".repeat(300_000)].concat()),
        ("laughs.yaml", yaml.into_bytes()),
        ("anchors.yaml", anchors.into_bytes()),
        ("model.onnx", onnx),
        ("loops.jinja", format!("{}x{}", "{% for a in range(99) %}".repeat(400), "{% endfor %}".repeat(400)).into_bytes()),
        ("doubling.jinja", ["{% set a = 'x' %}", &"{% set a = a ~ a %}".repeat(20_000)].concat().into_bytes()),
        ("macros.jinja", (0..3_000).map(|number| format!("{{% macro m{number}() %}}{{{{ m{}() }}}}{{{{ m{}() }}}}{{% endmacro %}}", number + 1, number + 1)).collect::<String>().into_bytes()),
        ("deep.jinja", format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)).into_bytes()),
        ("deep.py", format!("x = {}1{}", "(".repeat(100_000), ")".repeat(100_000)).into_bytes()),
        ("lambdas.py", format!("f = {}1\n", "lambda: ".repeat(20_000)).into_bytes()),
        ("calls.py", (0..4_000).map(|number| format!("def f{number}():\n    f{}(); f{}()\n", number + 1, number + 1)).chain(["f0()\n".to_owned()]).collect::<String>().into_bytes()),
        ("loops.py", format!("x = [[{}] {}]\n", "a", "for a in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10) ".repeat(30)).into_bytes()),
        ("listed.py", ["x = []\n".to_owned(), "x = [x]\n".repeat(100_000)].concat().into_bytes()),
        ("growing.py", (0..12).map(|level| format!("x = [{}]\n", if level == 0 { "1," } else { "x," }.repeat(100))).collect::<String>().into_bytes()),
        ("products.py", "x = [1, 2, 3, 4, 5, 6, 7, 8]\n".chars().chain("x = [[x, x] for a in x]\n".repeat(60).chars()).collect::<String>().into_bytes()),
        ("texts.py", ["x = 'x' * 1000000\n".to_owned(), (0..20_000).map(|number| format!("x{number} = x\n")).collect()].concat().into_bytes()),
        ("bodies.py", (0..40).map(|depth| format!("{}def f{depth}(a):\n", " ".repeat(depth))).chain([format!("{}x = 1\n", " ".repeat(40)), "y = 'y' * 1000000\n".to_owned()]).collect::<String>().into_bytes()),
        ("values.jinja", ["{% set x = [1] %}".to_owned(), "{% set x = [x, x, x, x, x, x, x, x] %}".repeat(200)].concat().into_bytes()),
        ("listed.jinja", ["{% set x = [1] %}".to_owned(), "{% set x = [x] %}".repeat(50_000)].concat().into_bytes()),
        ("texts.jinja", ["{% set x = 'x' * 100000 %}".to_owned(), (0..5_000).map(|number| format!("{{% set x{number} = x %}}")).collect()].concat().into_bytes()),
        ("entities.pmml", b"<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]><PMML>&c;</PMML>".to_vec()),
        ("deep.xml", [&b"<?xml version='1.0'?>"[..], &b"<a>".repeat(100_000)].concat()),
        ("deep.msgpack", b"\x91".repeat(200_000)),
        ("model.gguf", nested_gguf()),
        ("template.gguf", tensors::Gguf::small(3).with("tokenizer.chat_template", &"{% if a %}".repeat(50_000)).write()),
    ]
}

/// Central records that all point to one local member of a megabyte.
fn overlapping_zip() -> Vec<u8> {
    let one = wrap::zip(&[("a", &vec![0; 8 << 20])], &ZipShape::plain(Method::Deflate));
    let end = one.len() - 22;
    let start = u32::from_le_bytes(one[end + 16..end + 20].try_into().unwrap()) as usize;
    let record = &one[start..end];
    let count = 5_000;
    let mut out = one[..start].to_vec();
    (0..count).for_each(|_| out.extend(record));
    out.extend(b"PK\x05\x06");
    put(
        &mut out,
        &[
            (2, 0),
            (2, 0),
            (2, count),
            (2, count),
            (4, record.len() as u64 * count),
            (4, start as u64),
            (2, 0),
        ],
    );
    out
}

/// Forty records for one stored member, in which there are forty for one, and so on: nothing is unpacked.
fn shared_zip() -> Vec<u8> {
    let mut inner = vec![b'x'; 60_000];
    for level in 0..4 {
        let one = wrap::zip(&[(&format!("{level}.zip"), &inner)], &ZipShape::plain(Method::Stored));
        let end = one.len() - 22;
        let start = u32::from_le_bytes(one[end + 16..end + 20].try_into().unwrap()) as usize;
        let mut out = one[..start].to_vec();
        (0..40).for_each(|_| out.extend(&one[start..end]));
        out.extend(b"PK\x05\x06");
        let size = (end - start) as u64 * 40;
        put(&mut out, &[(2, 0), (2, 0), (2, 40), (2, 40), (4, size), (4, start as u64), (2, 0)]);
        inner = out;
    }
    inner
}

/// Arrays within arrays within arrays.
fn nested_gguf() -> Vec<u8> {
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    put(&mut out, &[(8, 0), (8, 1), (8, 1)]);
    out.push(b'k');
    put(&mut out, &[(4, 9)]);
    for _ in 0..100_000 {
        put(&mut out, &[(4, 9), (8, 1)]);
    }
    out
}

/// What a bomb is written in.
fn language(name: &str) -> &'static str {
    let end = name.rsplit('.').next().unwrap_or_default();
    match end {
        "zip" | "gz" | "xz" | "bz2" | "zst" | "7z" => "archive",
        "py" | "jinja" => "code",
        _ => "data",
    }
}

#[test]
fn bombs_of_archives_end_by_their_fuel_and_soon() {
    end_soon("archive");
}

#[test]
fn bombs_of_code_end_by_their_fuel_and_soon() {
    end_soon("code");
}

#[test]
fn bombs_of_data_end_by_their_fuel_and_soon() {
    end_soon("data");
}

fn end_soon(of: &str) {
    let corpus =
        seeds::corpus().into_iter().filter(|seed| seed.name.contains("bomb") || seed.name.contains("huge"));
    let corpus: Vec<_> = corpus.map(|seed| (seed.file().to_owned(), seed.bytes)).collect();
    assert!(corpus.len() >= 3, "{}", corpus.len());
    let own = bombs().into_iter().map(|(name, bytes)| (name.to_owned(), bytes));
    let mut late = Vec::new();
    for (name, bytes) in corpus.into_iter().chain(own).filter(|(name, _)| language(name) == of) {
        let fuel = Fuel::new(Limits::for_file(bytes.len() as u64));
        let begun = busy();
        let (report, grown) = growth(|| scan(&name, &bytes, &fuel));
        let took = busy().saturating_sub(begun);
        println!(
            "{name}: {} bytes, {:?} in {took:?}, {grown:?} bytes of memory",
            bytes.len(),
            report.verdict
        );
        assert!(grown.is_none_or(|grown| grown <= MEMORY_MAX), "{name}: {grown:?}");
        let harmless = [
            "calls.pkl",
            "wide.json",
            "anchors.yaml",
            "many.zip",
            "tuples.pkl",
            "calls.py",
            "deep.yaml",
            "bodies.py",
            "listed.jinja",
            "values.jinja",
            "texts.jinja",
        ];
        if !harmless.contains(&name.as_str()) {
            assert_ne!(report.verdict, Verdict::Clean, "{name}: {:?}", report.parts.first());
        }
        assert!(fuel.hold(Fuel::MEMORY).is_ok(), "{name}: memory was not given back");
        if took > Duration::from_secs(1) {
            late.push(format!("{name}: {took:?}"));
        }
    }
    println!("later than a second: {late:?}");
    // Debug builds are slower by as much as they check.
    assert!(cfg!(debug_assertions) || late.is_empty(), "{late:?}");
}
