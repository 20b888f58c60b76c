//! Files of every format, changed byte by byte with some sense of structure, through every parser: no panic, no abort, no hang.
//!
//! 20,000 changed files; 2,000,000 with `ALCAIDE_TIER=hours`. `ALCAIDE_SEED` chooses others. The body that each is given to is that
//! of a fuzz target, which checks the laws of a report as well. A panic names the number of the file: `ALCAIDE_CASE` makes that one,
//! or those of `FROM..TO`, again, and with `ALCAIDE_KEEP=FOLDER` what breaks or takes long is left there.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::random::Random;
use super::wrap::{self, Method, ZipShape};
use super::{busy, hours, keep, seed, seeds};
use crate::bodies::{TARGETS, Target};

/// Changed files in each tier.
const FEW: u64 = 20_000;
const MANY: u64 = 2_000_000;

/// What a file may cost before it is told; a figure of the machine, not a law.
const SLOW: Duration = Duration::from_secs(1);

#[test]
fn changed_files_of_every_format_are_judged_by_every_parser() {
    let seeds = seeds::of_every_format();
    let plain = seeds.iter().map(|(_, bytes)| bytes.clone()).collect();
    let run = Run { seeds: &seeds, plain, base: seed(0x5eed_2026) };
    let count = if hours() { MANY } else { FEW };
    let (mut broken, mut slow, mut by_target) = (Vec::new(), Vec::new(), BTreeMap::<_, u64>::new());
    let mut slowest = (Duration::ZERO, 0, "");
    let case = std::env::var("ALCAIDE_CASE").ok().map(|case| {
        let (from, to) = case.split_once("..").unwrap_or((&case, ""));
        let from = from.parse().expect("ALCAIDE_CASE is a number, or two with dots between");
        from..to.parse().unwrap_or(from + 1)
    });
    for number in case.clone().unwrap_or(0..count) {
        let (target, bytes) = run.make(number);
        let begun = busy();
        let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(&bytes)));
        let took = busy().saturating_sub(begun);
        *by_target.entry(target.name).or_default() += 1;
        if ended.is_err() {
            broken.push(format!("{number} through {}, {} bytes", target.name, bytes.len()));
            assert!(broken.len() < 20, "{broken:#?}");
        }
        if ended.is_err() || took > SLOW {
            keep(target.name, &bytes);
        }
        if took > slowest.0 {
            slowest = (took, number, target.name);
        }
        if took > SLOW {
            slow.push(format!("{number} through {}: {took:?}", target.name));
        }
        if number % 100_000 == 99_999 {
            println!(
                "{} files, {} broken, {} slow, slowest {slowest:?}",
                number + 1,
                broken.len(),
                slow.len()
            );
        }
    }
    println!(
        "{count} changed files: {} broken, {} slower than {SLOW:?}, slowest {slowest:?}",
        broken.len(),
        slow.len()
    );
    println!("{by_target:?}\n{slow:#?}");
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(case.is_some() || by_target.len() == TARGETS.len(), "every target gets some");
}

/// One changed file after another, each from its number alone.
struct Run<'a> {
    seeds: &'a [(&'static str, Vec<u8>)],
    plain: Vec<Vec<u8>>,
    base: u64,
}

impl Run<'_> {
    fn make(&self, number: u64) -> (&'static Target, Vec<u8>) {
        let mut random = Random::new(self.base ^ number.wrapping_mul(0x9e37_79b9));
        let (name, seed) = &self.seeds[random.below(self.seeds.len())];
        let mut bytes = seed.clone();
        for _ in 0..=random.below(6) {
            change(&mut bytes, &self.plain, &mut random);
        }
        bytes.truncate(256 << 10);
        if random.once_in(12) {
            bytes = within(&bytes, &mut random);
        }
        // Mostly to the parser of its format, now and then to any.
        let fit = TARGETS.iter().find(|target| target.name == *name).unwrap();
        let target = if random.once_in(6) { &TARGETS[random.below(TARGETS.len())] } else { fit };
        (target, bytes)
    }
}

/// One change; what comes from elsewhere comes from `others`.
pub(crate) fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    if bytes.is_empty() {
        *bytes = random.bytes(8);
    }
    let len = bytes.len();
    let at = random.below(len);
    let stretch = |random: &mut Random| (1 + random.below(64)).min(len - at);
    match random.below(14) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 | 3 => length_field(bytes, at, random),
        4 => bytes.truncate(at),
        5 => {
            let part = bytes[at..at + stretch(random)].to_vec();
            let to = random.below(len);
            bytes.splice(to..to, part);
        }
        6 => {
            let end = at + stretch(random);
            bytes.drain(at..end);
        }
        7 => {
            let other = &others[random.below(others.len())];
            let from = random.below(other.len());
            let part = other[from..(from + 1 + random.below(128)).min(other.len())].to_vec();
            let end = (at + random.below(32)).min(len);
            bytes.splice(at..end, part);
        }
        8 | 9 => {
            let word = random.pick(WORDS);
            let end = if random.once_in(2) { (at + word.len()).min(len) } else { at };
            bytes.splice(at..end, word.iter().copied());
        }
        10 => decimal(bytes, at, random),
        11 => {
            let part = bytes[at..at + stretch(random)].to_vec();
            let times = 1 << random.below(9);
            bytes.splice(at..at, part.repeat(times).into_iter().take(64 << 10));
        }
        12 => {
            // Two parts change places.
            let to = random.below(len);
            let (low, high) = (at.min(to), at.max(to));
            bytes[low..high].rotate_left(random.below(high - low + 1).min(high - low));
        }
        _ => {
            // All of one seed behind another, from a place on.
            let other = &others[random.below(others.len())];
            bytes.truncate(at);
            bytes.extend(other.iter().take(32 << 10));
        }
    }
}

/// A number of 1 to 8 bytes, of either order or of seven bits a byte, made a little more or less, or a border.
fn length_field(bytes: &mut [u8], at: usize, random: &mut Random) {
    let wide = [1, 2, 4, 8][random.below(4)];
    let Some(place) = bytes.get_mut(at..at + wide) else { return };
    let big = random.once_in(4);
    let mut number = [0; 8];
    number[..wide].copy_from_slice(place);
    if big {
        number[..wide].reverse();
    }
    let old = u64::from_le_bytes(number);
    let len = 8 * wide as u32;
    let all = u64::MAX >> (64 - len);
    let new = match random.below(10) {
        0 => old.wrapping_add(1),
        1 => old.wrapping_sub(1),
        2 => old.wrapping_mul(2),
        3 => old / 2,
        4 => 0,
        5 => all,
        6 => all >> 1,
        7 => 1 << random.below(64),
        8 => old.wrapping_add(random.below(300) as u64),
        _ => old.wrapping_sub(random.below(300) as u64),
    };
    let mut number = new.to_le_bytes();
    if big {
        number[..wide].reverse();
    }
    place.copy_from_slice(&number[..wide]);
}

/// A number in digits near `at`, as texts and the headers of tar have it.
fn decimal(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) else { return };
    let end = bytes[start..]
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .map_or(bytes.len(), |found| start + found);
    let new: &[u8] = random.pick(&[
        b"0",
        b"1",
        b"-1",
        b"7",
        b"99999999999",
        b"18446744073709551615",
        b"9223372036854775808",
        b"1e999",
        b"4294967296",
        b"00",
    ]);
    bytes.splice(start..end, new.iter().copied());
}

/// In an archive or a stream, so that what is unpacked is changed and its sums hold.
fn within(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let name = random.pick(&["a/data.pkl", "config.json", "m.onnx", "m.gguf", "x.npy", "x"]);
    match random.below(8) {
        0 => wrap::gzip(bytes),
        1 => wrap::zlib(bytes),
        2 => wrap::tar(&[(name, bytes)]),
        3 => wrap::sevenz(&[(name, bytes)], true),
        4 => wrap::zstandard(bytes),
        5 => wrap::xz(bytes),
        6 => wrap::zip(&[(name, bytes)], &ZipShape::plain(Method::Deflate)),
        _ => wrap::zip(&[(name, bytes)], &ZipShape::plain(Method::Stored)),
    }
}

/// What means something to one parser or another.
pub(super) const WORDS: &[&[u8]] = &[
    b"\x80\x04",
    b"\x95",
    b"\x93",
    b"\x94",
    b"R",
    b"(",
    b"t",
    b"b",
    b"0",
    b"2",
    b"q\0",
    b"h\0",
    b"cos\nsystem\n",
    b"\x8e\xff\xff\xff\xff\xff\0\0\0",
    b"X\xff\xff\xff\x7f",
    b"\x8b\xff\xff\xff\x7f",
    b"S'\\x41'\n",
    b"V\\ud800\n",
    b"Ijoblib\n",
    b"\x8c\x05numpy",
    b".",
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x07\x08",
    b"../",
    b"/",
    b"..\\",
    b"\0",
    b"7z\xbc\xaf\x27\x1c",
    b"\x1f\x8b\x08\0",
    b"BZh91AY&SY",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"ustar\x0000",
    b"\x78\x9c",
    b"GGUF",
    b"\x03\0\0\0",
    b"\x93NUMPY",
    b"\x89HDF\r\n\x1a\n",
    b"TREE",
    b"SNOD",
    b"HEAP",
    b"OHDR",
    b"OCHK",
    b"FRHP",
    b"BTHD",
    b"TFL3",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u0000",
    b"\\",
    b",",
    b":",
    b"null",
    b"{{",
    b"}}",
    b"{%",
    b"%}",
    b"{#",
    b"#}",
    b"|",
    b"~",
    b"**",
    b"//",
    b"\n",
    b"\t",
    b"- ",
    b"? ",
    b"& ",
    b"*a",
    b"&a ",
    b"!!python/object/apply:",
    b"<<: ",
    b"%TAG ! x\n",
    b"---\n",
    b"...\n",
    b"|\n",
    b">-\n",
    b"#",
    b"lambda: ",
    b"def f(",
    b"f'{",
    b"'''",
    b"\"\"\"",
    b"async ",
    b"await ",
    b"import ",
    b"class A:\n ",
    b"@",
    b":=",
    b"exec(",
    b"__import__('os')",
    b"<!ENTITY a 'b'>",
    b"&a;",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<?",
    b"?>",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\x0b",
    b"\x0c",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xdf\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xc9\0\0\0\x01\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x80",
    b"#!/bin/sh\n",
    b"\x7fELF\x02\x01\x01",
    b"MZ",
];
