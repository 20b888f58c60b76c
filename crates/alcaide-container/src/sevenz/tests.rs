use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::fuel::Limits;

fn fuel() -> Fuel {
    Fuel::new(Limits::for_file(1 << 20))
}

fn number(out: &mut Vec<u8>, number: u64) {
    // The longest form is a form of every number.
    match u8::try_from(number) {
        Ok(small @ 0..=0x7f) => out.push(small),
        _ => {
            out.push(0xff);
            out.extend(number.to_le_bytes());
        }
    }
}

/// One folder: its packed streams, its coders with their bonds as bytes, its length, and its files.
struct Made {
    packed: Vec<Vec<u8>>,
    /// Count, coders, bonds.
    folder: Vec<u8>,
    lens: Vec<u64>,
    files: Vec<(&'static str, Vec<u8>)>,
}

fn streams(place: u64, packed: &[Vec<u8>], folder: &[u8], lens: &[u64], parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![6];
    number(&mut out, place);
    number(&mut out, packed.len() as u64);
    out.push(9);
    for packed in packed {
        number(&mut out, packed.len() as u64);
    }
    out.extend([0, 7, 0x0b, 1, 0]);
    out.extend(folder);
    out.push(0x0c);
    for len in lens {
        number(&mut out, *len);
    }
    out.push(0);
    if parts.len() != 1 {
        out.extend([8, 0x0d]);
        number(&mut out, parts.len() as u64);
        out.push(9);
        for part in parts.iter().rev().skip(1).rev() {
            number(&mut out, part.len() as u64);
        }
        out.extend([0x0a, 1]);
        for part in parts {
            out.extend(crc32(part).to_le_bytes());
        }
        out.push(0);
    }
    out.push(0);
    out
}

/// An archive of one folder, with an empty folder, an empty file and an anti item behind its files.
fn archive(made: &Made, packed_header: bool) -> Vec<u8> {
    let parts: Vec<_> = made.files.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut header = vec![1, 4];
    header.extend(streams(0, &made.packed, &made.folder, &made.lens, &parts));
    header.push(5);
    let names: Vec<&str> = made.files.iter().map(|(name, _)| *name).chain(["dir", "empty", "anti"]).collect();
    number(&mut header, names.len() as u64);
    let bits = |from: usize, set: &[bool]| {
        let mut bytes = vec![0_u8; (from + set.len()).div_ceil(8)];
        for (at, _) in set.iter().enumerate().filter(|(_, set)| **set) {
            bytes[(from + at) / 8] |= 0x80 >> ((from + at) % 8);
        }
        bytes
    };
    for (kind, bytes) in [
        (0x0e, bits(made.files.len(), &[true; 3])),
        (0x0f, bits(0, &[false, true, false])),
        (0x10, bits(0, &[false, false, true])),
    ] {
        header.push(kind);
        number(&mut header, bytes.len() as u64);
        header.extend(bytes);
    }
    let mut text = vec![0];
    for name in names {
        text.extend(name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    }
    header.push(0x11);
    number(&mut header, text.len() as u64);
    header.extend(text);
    header.extend([0, 0]);
    let mut body = made.packed.concat();
    if packed_header {
        let packed = lzma2(&header);
        let place = body.len() as u64;
        let mut outer = vec![0x17];
        let lens = [header.len() as u64];
        outer.extend(streams(place, std::slice::from_ref(&packed), &LZMA2, &lens, &[header]));
        body.extend(packed);
        header = outer;
    }
    let mut start = Vec::new();
    start.extend((body.len() as u64).to_le_bytes());
    start.extend((header.len() as u64).to_le_bytes());
    start.extend(crc32(&header).to_le_bytes());
    let sum = crc32(&start).to_le_bytes();
    [&MARK[..], &[0, 4], &sum, &start, &body, &header].concat()
}

fn lzma2(bytes: &[u8]) -> Vec<u8> {
    let mut out = lzma_rust2::Lzma2Writer::new(Vec::new(), lzma_rust2::Lzma2Options::with_preset(1));
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// One coder with its properties: LZMA2 with a dictionary of 1 MiB.
const LZMA2: [u8; 5] = [1, 0x21, 0x21, 1, 16];

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![("a.pkl", b"first ".repeat(50)), ("b/c", b"second".to_vec()), ("d", vec![7; 3000])]
}

fn whole() -> Vec<u8> {
    files().into_iter().flat_map(|(_, bytes)| bytes).collect()
}

fn made(packed: Vec<u8>, folder: Vec<u8>, coders: usize) -> Made {
    Made { packed: vec![packed], folder, lens: vec![whole().len() as u64; coders], files: files() }
}

fn content(archive: &SevenZip<'_>, member: usize) -> Vec<u8> {
    let content = archive.open(member).unwrap();
    let mut bytes = vec![0; usize::try_from(content.len()).unwrap()];
    assert_eq!(content.read_at(0, &mut bytes), Ok(bytes.len()));
    bytes
}

#[test]
fn solid_folders_of_every_coder_give_their_files() {
    let coder = |id: &[u8]| [&[1, u8::try_from(id.len()).unwrap()][..], id].concat();
    let delta = {
        let plain = whole();
        let mut out = plain.clone();
        for at in (1..plain.len()).rev() {
            out[at] = plain[at].wrapping_sub(plain[at - 1]);
        }
        out
    };
    // Delta (a stream of its own) over LZMA2: stream 0 of the first coder comes from the second one.
    let chain = [&[2, 0x21, 3, 1, 0][..], &LZMA2[1..], &[0, 1]].concat();
    let cases = [
        made(whole(), coder(&[0]), 1),
        made(lzma2(&whole()), LZMA2.to_vec(), 1),
        made(deflate(&whole()), coder(&[4, 1, 8]), 1),
        made(lzma2(&delta), chain, 2),
    ];
    for (number, made) in cases.iter().enumerate() {
        for packed_header in [false, true] {
            let bytes = archive(made, packed_header);
            let archive = SevenZip::read(&bytes, &fuel()).unwrap();
            let flaws: Vec<_> = archive.flaws().iter().map(|note| note.flaw.clone()).collect();
            assert_eq!(flaws, [SevenZipFlaw::Anti], "{number}");
            let names: Vec<_> = archive.members().iter().map(|member| member.name.text()).collect();
            assert_eq!(names, ["a.pkl", "b/c", "d", "dir", "empty", "anti"]);
            for (member, (_, wanted)) in files().iter().enumerate() {
                assert!(content(&archive, member) == *wanted, "{number} {member}");
                assert_eq!(archive.members()[member].crc, Some(crc32(wanted)));
            }
            assert!(content(&archive, 0) == files()[0].1, "and back");
            let folders: Vec<_> = archive.members().iter().map(|member| member.is_folder).collect();
            assert_eq!(folders, [false, false, false, true, false, true]);
            assert_eq!(archive.gaps(), []);
        }
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let plain = made(whole(), vec![1, 1, 0], 1);
    let aes = made(whole(), vec![1, 4, 6, 0xf1, 7, 1], 1);
    let ppmd = made(whole(), vec![1, 3, 3, 4, 1], 1);
    let flaws = |bytes: &Vec<u8>| -> Vec<SevenZipFlaw> {
        SevenZip::read(bytes, &fuel()).unwrap().flaws().iter().map(|note| note.flaw.clone()).collect()
    };
    assert!(flaws(&archive(&aes, false)).contains(&SevenZipFlaw::Encrypted));
    assert!(flaws(&archive(&ppmd, false)).contains(&SevenZipFlaw::CoderUnread { id: "030401".to_owned() }));
    let sealed = archive(&aes, false);
    let sealed = SevenZip::read(&sealed, &fuel()).unwrap();
    assert!(matches!(sealed.open(0), Err(ReadError::Unsupported { .. })));
    let good = archive(&plain, false);
    let with = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        flaws(&bytes)
    };
    assert!(with(|bytes| bytes[8] ^= 1).contains(&SevenZipFlaw::HeaderChecksum));
    assert!(with(|bytes| *bytes.last_mut().unwrap() ^= 1).contains(&SevenZipFlaw::HeaderChecksum));
    assert!(with(|bytes| bytes.truncate(bytes.len() - 1)).contains(&SevenZipFlaw::Cut));
    assert!(with(|bytes| bytes.extend(b"tail")).contains(&SevenZipFlaw::Gap { bytes: 4 }));
    assert!(with(|bytes| bytes[0] = b'8').contains(&SevenZipFlaw::NoHeader));
    let mut named = plain;
    named.files[0].0 = "..\\x";
    named.files[1].0 = "D";
    let found = flaws(&archive(&named, false));
    assert!(found.contains(&SevenZipFlaw::Name(NameFlaw::Parent)), "{found:?}");
    assert!(found.contains(&SevenZipFlaw::Duplicate { first: 1, exact: false }), "{found:?}");
}

#[test]
fn coders_that_feed_themselves_are_refused() {
    // The second of three coders feeds the first, and itself.
    let folder = vec![3, 0x11, 0, 2, 1, 1, 0, 1, 0, 1, 1, 2, 1, 0, 3];
    let mut made = made(whole(), folder, 3);
    made.packed.push(vec![1]);
    let bytes = archive(&made, false);
    let archive = SevenZip::read(&bytes, &fuel()).unwrap();
    assert_eq!(archive.members().len(), 6);
    assert!(matches!(archive.open(0), Err(ReadError::Unsupported { .. })));
}

proptest! {
    #[test]
    fn any_change_of_an_archive_is_read_without_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        packed_header: bool,
    ) {
        let mut bytes = archive(&made(lzma2(&whole()), LZMA2.to_vec(), 1), packed_header);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let fuel = fuel();
        if let Ok(archive) = SevenZip::read(&bytes, &fuel) {
            for gap in archive.gaps() {
                prop_assert!(gap.start < gap.end && gap.end <= bytes.len() as u64);
            }
        }
        crate::probe::sevenz(&bytes, &fuel);
    }
}
