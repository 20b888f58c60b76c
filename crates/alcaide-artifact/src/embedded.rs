//! Is there a program in these bytes? Headers of executables, looked for everywhere and believed only when they hold.
//!
//! Weights are random: four bytes that look like a magic come by chance in every few gigabytes. So the fields behind a
//! magic must fit, too, and what is searched for is long enough. Sources: the ELF specification 1.2, Microsoft's PE format,
//! Mach-O's `loader.h`, the Dalvik executable format, the Java virtual machine specification 4.1, the WebAssembly core
//! specification 5.5.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use alcaide_container::{Input, ReadError};

use crate::rules::formats as rules;
use crate::scanner::Scanner;

/// Bytes that are searched at a time: few enough to be searched, and hashed, out of the near cache that they were read into.
const CHUNK: usize = 64 << 10;
/// Bytes behind a magic that are looked at.
const HEAD: usize = 64;
/// Findings of one part.
const FOUND_MAX: usize = 16;

const MAGICS: &[&[u8]] = &[
    b"\x7fELF",
    b"PE\0\0",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"dex\n03",
    b"\0asm\x01\0\0\0",
    b"#!/bin/",
    b"#!/usr/bin/",
];

static SEARCH: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(MAGICS).ok());

/// Looks through all of `input`.
pub(crate) fn search(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    let Some(search) = SEARCH.as_ref() else { return Ok(()) };
    let len = input.len();
    let mut buffer = vec![0; usize::try_from(len).unwrap_or(CHUNK).min(CHUNK)];
    let mut base = 0;
    let mut found = 0;
    while base < len {
        let count = input.read_at(base, &mut buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        scanner.fuel().step(1 + count as u64 / 4096)?;
        let last = base + count as u64 >= len;
        // What begins in the last bytes of a buffer is looked at again in the next one.
        let end = if last { count } else { count.saturating_sub(HEAD) };
        for hit in search.find_iter(bytes) {
            if hit.start() >= end {
                break;
            }
            let at = base + hit.start() as u64;
            let head = bytes.get(hit.start()..).unwrap_or_default();
            let head = head.get(..HEAD.min(head.len())).unwrap_or_default();
            if let Some(what) = program(head, at == 0) {
                scanner.find(&rules::EXECUTABLE, Some(at), None, what);
                found += 1;
                if found >= FOUND_MAX {
                    return Ok(());
                }
            }
        }
        base += end.max(1) as u64;
    }
    Ok(())
}

/// What program begins so; scripts count only where the file begins.
fn program(head: &[u8], first: bool) -> Option<&'static str> {
    let byte = |at: usize| head.get(at).copied();
    let half = |at: usize| Some(u16::from_le_bytes([byte(at)?, byte(at + 1)?]));
    let word = |at: usize| Some(u32::from_le_bytes([byte(at)?, byte(at + 1)?, byte(at + 2)?, byte(at + 3)?]));
    if head.starts_with(b"\x7fELF") {
        let (wide, big) = (byte(4)? == 2, byte(5)? == 2);
        let marked = matches!(byte(4)?, 1 | 2) && matches!(byte(5)?, 1 | 2) && byte(6)? == 1;
        // Where a file begins so, its identification is no chance, whatever follows.
        if first && marked {
            return Some("an ELF executable or library");
        }
        let turned = |at: usize| half(at).map(|value| if big { value.swap_bytes() } else { value });
        let kind = turned(16)?;
        let version = word(20).map(|value| if big { value.swap_bytes() } else { value })?;
        let size = turned(if wide { 52 } else { 40 })?;
        let fits = marked && (1..=4).contains(&kind) && version == 1 && size == if wide { 64 } else { 52 };
        return fits.then_some("an ELF executable or library");
    }
    if head.starts_with(b"PE\0\0") {
        let machine = matches!(half(4)?, 0x14c | 0x8664 | 0x1c0 | 0x1c4 | 0xaa64 | 0x200 | 0x5064 | 0x6264);
        let sections = (1..=96).contains(&half(6)?);
        let fits = matches!((half(20)?, half(24)?), (0x60..=0xff, 0x10b) | (0x70..=0x1ff, 0x20b));
        return (machine && sections && fits).then_some("a Windows executable or library");
    }
    if head.starts_with(b"\xcf\xfa\xed\xfe") || head.starts_with(b"\xce\xfa\xed\xfe") {
        let machine = matches!(word(4)? & 0x00ff_ffff, 7 | 12 | 18);
        let fits = (1..=12).contains(&word(12)?)
            && (1..10_000).contains(&word(16)?)
            && (1..1 << 24).contains(&word(20)?);
        return (machine && fits).then_some("a Mach-O executable or library");
    }
    if head.starts_with(b"\xca\xfe\xba\xbe") {
        let high = word(4)?.swap_bytes();
        if (1..20).contains(&high)
            && matches!(word(8)?.swap_bytes() & 0x00ff_ffff, 7 | 12 | 18)
            && word(24)?.swap_bytes() < 32
        {
            return Some("a Mach-O executable for several machines");
        }
        let major = half(6)?.swap_bytes();
        let pool = half(8)?.swap_bytes();
        // The pool begins with a constant of a kind that there is.
        let fits = (45..=75).contains(&major)
            && pool > 1
            && half(4)?.swap_bytes() <= 3
            && matches!(byte(10)?, 1..=20);
        return fits.then_some("a Java class");
    }
    if head.starts_with(b"dex\n03") {
        return (byte(6)?.is_ascii_digit() && byte(7)? == 0 && word(36)? == 0x70 && word(40)? == 0x1234_5678)
            .then_some("an Android executable");
    }
    if head.starts_with(b"\0asm\x01\0\0\0") {
        return (byte(8)? <= 13).then_some("a WebAssembly module");
    }
    if first && head.starts_with(b"#!/") {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return line.iter().all(|byte| (32..127).contains(byte) || *byte == b'\r').then_some("a script");
    }
    None
}

#[cfg(test)]
mod tests {
    use alcaide_container::{Fuel, Limits};

    use super::*;

    fn found(bytes: &[u8]) -> Vec<u64> {
        let report = crate::scan("weights.bin", &bytes, &Fuel::new(Limits::for_file(bytes.len() as u64)));
        let hits = report.findings.iter().filter(|one| one.rule == rules::EXECUTABLE.id);
        hits.filter_map(|one| one.place.offset).collect()
    }

    fn elf(wide: bool, big: bool) -> Vec<u8> {
        let mut head = vec![0; 64];
        head[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1 + u8::from(wide), 1 + u8::from(big), 1]);
        let mut put = |at: usize, value: u16| {
            head[at..at + 2].copy_from_slice(&if big { value.to_be_bytes() } else { value.to_le_bytes() });
        };
        put(16, 3);
        put(if big { 22 } else { 20 }, 1);
        put(if wide { 52 } else { 40 }, if wide { 64 } else { 52 });
        head
    }

    fn pe() -> Vec<u8> {
        let mut head = b"PE\0\0\x64\x86\x03\0".to_vec();
        head.resize(20, 7);
        head.extend([0xf0, 0, 0x22, 0, 0x0b, 2]);
        head
    }

    fn others() -> [Vec<u8>; 5] {
        let mut mach = b"\xcf\xfa\xed\xfe\x0c\0\0\x01\0\0\0\0\x02\0\0\0\x10\0\0\0\0\x04\0\0".to_vec();
        mach.resize(40, 0);
        let mut fat = b"\xca\xfe\xba\xbe\0\0\0\x02\x01\0\0\x07".to_vec();
        fat.resize(40, 0);
        let java = b"\xca\xfe\xba\xbe\0\0\0\x34\0\x10\x0a\0\0\0".to_vec();
        let mut dex = b"dex\n035\0".to_vec();
        dex.resize(36, 9);
        dex.extend([0x70, 0, 0, 0, 0x78, 0x56, 0x34, 0x12]);
        let wasm = b"\0asm\x01\0\0\0\x01\x04".to_vec();
        [mach, fat, java, dex, wasm]
    }

    #[test]
    fn each_kind_is_found_at_the_start_and_in_the_midst_and_over_the_edge_of_a_buffer() {
        let kinds = [elf(true, false), elf(false, false), elf(true, true), elf(false, true), pe()];
        for kind in kinds.into_iter().chain(others()) {
            for at in [0, 12_345, CHUNK - 3, CHUNK - HEAD, CHUNK - HEAD + 1, CHUNK] {
                let mut bytes = vec![0x3c; at];
                bytes.extend(&kind);
                bytes.extend([0x3c; 100]);
                assert_eq!(found(&bytes), [at as u64], "{:?}", &kind[..8]);
            }
        }
        assert_eq!(found(b"#!/bin/sh\n\x00\x01"), [0]);
        assert!(found(b"\x01#!/bin/sh\n").is_empty(), "a script within is only text");
    }

    #[test]
    fn a_magic_alone_is_chance() {
        let mut bytes = Vec::new();
        for magic in MAGICS {
            bytes.extend([0x9d; 70]);
            bytes.extend(*magic);
        }
        bytes.extend([0x9d; 70]);
        assert!(found(&bytes).is_empty());
        let mut state = 1_u64;
        let random: Vec<u8> = (0..4 << 20)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        assert!(found(&random).is_empty());
    }
}
