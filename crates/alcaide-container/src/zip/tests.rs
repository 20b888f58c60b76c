use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::fuel::Limits;
use crate::name::NameFlaw;
use crate::unpack::Packing;

/// A member as it is to be written: each field of each header by itself.
#[derive(Clone)]
struct Made {
    name: Vec<u8>,
    local_name: Vec<u8>,
    data: Vec<u8>,
    method: u16,
    local_method: u16,
    flags: u16,
    local_flags: u16,
    crc: u32,
    local_crc: u32,
    len: u32,
    packed: u32,
    local_packed: u32,
    extra: Vec<u8>,
    external: u32,
    descriptor: Vec<u8>,
    listed: bool,
    /// Another place than where it is.
    place: Option<u32>,
}

fn crc(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

impl Made {
    fn stored(name: &str, data: &[u8]) -> Self {
        let len = u32::try_from(data.len()).unwrap();
        Self {
            name: name.into(),
            local_name: name.into(),
            data: data.to_vec(),
            method: 0,
            local_method: 0,
            flags: 0,
            local_flags: 0,
            crc: crc(data),
            local_crc: crc(data),
            len,
            packed: len,
            local_packed: len,
            extra: Vec::new(),
            external: 0o100_644 << 16,
            descriptor: Vec::new(),
            listed: true,
            place: None,
        }
    }

    fn deflated(name: &str, plain: &[u8]) -> Self {
        let data = deflated(plain);
        let packed = u32::try_from(data.len()).unwrap();
        Self { data, method: 8, local_method: 8, packed, local_packed: packed, ..Self::stored(name, plain) }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

fn put(out: &mut Vec<u8>, numbers: &[(usize, u64)]) {
    for (size, number) in numbers {
        out.extend(&number.to_le_bytes()[..*size]);
    }
}

fn archive(members: &[Made]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let mut count = 0;
    for made in members {
        let at = made.place.map_or(out.len() as u64, u64::from);
        out.extend(b"PK\x03\x04");
        let size = |bytes: &[u8]| bytes.len() as u64;
        put(&mut out, &[(2, 20), (2, made.local_flags.into()), (2, made.local_method.into()), (4, 0)]);
        put(&mut out, &[(4, made.local_crc.into()), (4, made.local_packed.into())]);
        let len = if made.local_flags & 8 != 0 { 0 } else { made.len };
        put(&mut out, &[(4, len.into()), (2, size(&made.local_name)), (2, size(&made.extra))]);
        out.extend(&made.local_name);
        out.extend(&made.extra);
        out.extend(&made.data);
        out.extend(&made.descriptor);
        if !made.listed {
            continue;
        }
        count += 1;
        directory.extend(b"PK\x01\x02");
        put(&mut directory, &[(2, 0x031e), (2, 20), (2, made.flags.into()), (2, made.method.into()), (4, 0)]);
        put(&mut directory, &[(4, made.crc.into()), (4, made.packed.into()), (4, made.len.into())]);
        put(&mut directory, &[(2, size(&made.name)), (2, size(&made.extra)), (2, 0), (2, 0), (2, 0)]);
        put(&mut directory, &[(4, made.external.into()), (4, at)]);
        directory.extend(&made.name);
        directory.extend(&made.extra);
    }
    let start = out.len() as u64;
    out.extend(&directory);
    end(&mut out, count, directory.len() as u64, start, b"");
    out
}

fn end(out: &mut Vec<u8>, count: u64, size: u64, offset: u64, comment: &[u8]) {
    out.extend(b"PK\x05\x06");
    put(out, &[(2, 0), (2, 0), (2, count), (2, count), (4, size), (4, offset), (2, comment.len() as u64)]);
    out.extend(comment);
}

fn fuel() -> Fuel {
    Fuel::new(Limits::for_file(1 << 20))
}

/// What is irregular about it, without places.
fn flaws(bytes: &[u8]) -> Vec<(Option<usize>, ZipFlaw)> {
    let zip = Zip::read(&bytes, &fuel()).unwrap();
    zip.flaws().iter().map(|note| (note.member, note.flaw.clone())).collect()
}

fn content(zip: &Zip<'_>, reading: &Reading) -> Vec<u8> {
    let content = zip.open(reading).unwrap();
    let mut bytes = vec![0; usize::try_from(content.len()).unwrap()];
    let count = content.read_at(0, &mut bytes).unwrap();
    assert_eq!(count, bytes.len());
    bytes
}

fn two() -> Vec<Made> {
    vec![
        Made::stored("a/data.pkl", b"stored bytes"),
        Made::deflated("a/version", &b"deflated bytes".repeat(20)),
    ]
}

#[test]
fn a_plain_archive_has_no_flaw_and_all_its_bytes() {
    let bytes = archive(&two());
    let zip = Zip::read(&bytes, &fuel()).unwrap();
    assert_eq!(zip.flaws(), []);
    assert_eq!(zip.gaps(), []);
    assert_eq!(zip.end(), Some(bytes.len() as u64));
    let names: Vec<_> = zip.members().iter().map(ZipMember::name).collect();
    assert_eq!(names, ["a/data.pkl", "a/version"]);
    let wanted: [&[u8]; 2] = [b"stored bytes", &b"deflated bytes".repeat(20)];
    for (index, wanted) in wanted.iter().enumerate() {
        let readings = zip.readings(index);
        assert_eq!(readings.len(), 1);
        assert_eq!(content(&zip, &readings[0]), *wanted);
        let ended = zip.open(&readings[0]).unwrap();
        if let Content::Packed(packed) = &ended {
            assert!(packed.finish().unwrap().is_plain());
        }
        assert_eq!(crc32(&ended).unwrap(), readings[0].crc.unwrap());
    }
}

#[test]
fn each_contradiction_between_two_headers_has_its_name() {
    type Change = fn(&mut Made);
    let cases: Vec<(Change, ZipFlaw)> = vec![
        (|made| made.local_name = b"a/other.pk".to_vec(), ZipFlaw::Names),
        (|made| made.local_method = 8, ZipFlaw::Method { central: 0, local: 8 }),
        (|made| made.local_flags = 0x800, ZipFlaw::Flags { central: 0, local: 0x800 }),
        (|made| made.local_packed = 11, ZipFlaw::Lengths),
        (|made| made.local_crc = 5, ZipFlaw::Crc { central: crc(b"stored bytes"), local: 5 }),
        (
            |made| {
                made.crc = 0;
                made.local_crc = 0;
            },
            ZipFlaw::CrcZero,
        ),
        (
            |made| {
                made.flags = 1;
                made.local_flags = 1;
            },
            ZipFlaw::Encrypted { strong: false },
        ),
        (|made| made.flags = 0x41, ZipFlaw::Encrypted { strong: true }),
        (|made| made.flags = 0x20, ZipFlaw::Patched),
        (|made| made.flags = 0x2000, ZipFlaw::Masked),
        (|made| made.method = 97, ZipFlaw::MethodUnread { method: 97 }),
        (|made| made.len = 13, ZipFlaw::StoredLength),
        (|made| made.packed = 100_000, ZipFlaw::Cut),
        (|made| made.place = Some(3), ZipFlaw::NoLocal),
        (|made| made.listed = false, ZipFlaw::LocalOnly { chained: true }),
        (|made| made.external = 0o120_777 << 16, ZipFlaw::Link),
        (|made| made.external = 0o020_666 << 16, ZipFlaw::Special { mode: 0o020_000 }),
        (|made| made.name = b"../x".to_vec(), ZipFlaw::Name(NameFlaw::Parent)),
        (|made| made.local_name = b"\\\\x".to_vec(), ZipFlaw::Name(NameFlaw::Backslash)),
        (|made| made.local_flags = 8, ZipFlaw::Descriptor),
        (
            |made| {
                made.extra =
                    [&[0x75, 0x70, 9, 0, 1][..], &crc(b"a/data.pkl").to_le_bytes(), b"evil"].concat();
            },
            ZipFlaw::UnicodeName { fits: true },
        ),
        (
            |made| made.extra = [&[0x75, 0x70, 9, 0, 1][..], &[0; 4], b"evil"].concat(),
            ZipFlaw::UnicodeName { fits: false },
        ),
    ];
    for (change, flaw) in cases {
        let mut members = two();
        change(&mut members[0]);
        let bytes = archive(&members);
        let found = flaws(&bytes);
        assert!(found.iter().any(|(_, found)| *found == flaw), "{flaw:?} in {found:?}");
    }
}

#[test]
fn a_member_under_a_false_flag_of_encryption_is_readable_all_the_same() {
    let members: Vec<_> = two()
        .into_iter()
        .map(|made| {
            made.with(|made| {
                made.flags |= 1;
                made.local_flags |= 1;
            })
        })
        .collect();
    let bytes = archive(&members);
    let zip = Zip::read(&bytes, &fuel()).unwrap();
    let readings: Vec<_> = (0..2).flat_map(|member| zip.readings(member)).collect();
    assert!(readings.iter().all(|reading| reading.ignores_encryption));
    assert_eq!(content(&zip, &readings[0]), b"stored bytes");
    assert_eq!(content(&zip, &readings[1]), b"deflated bytes".repeat(20));
}

#[test]
fn a_member_is_offered_under_the_methods_of_both_headers() {
    let plain = b"a payload".repeat(9);
    let made = Made::deflated("x", &plain).with(|made| {
        made.method = 0;
        made.len = made.packed;
    });
    let bytes = archive(&[made]);
    let zip = Zip::read(&bytes, &fuel()).unwrap();
    let readings = zip.readings(0);
    assert_eq!(readings.len(), 2);
    assert_eq!((&readings[0].packing, &readings[1].packing), (&Packing::Stored, &Packing::Deflate));
    assert_eq!(content(&zip, &readings[0]), deflated(&plain));
    assert_eq!(content(&zip, &readings[1]), plain);
}

#[test]
fn members_that_no_directory_names_are_found_in_the_chain_and_between() {
    let hidden = Made::deflated("hidden", b"payload").with(|made| made.listed = false);
    let mut bytes = archive(&[Made::stored("one", b"1"), hidden.clone(), Made::stored("two", b"2")]);
    let zip = Zip::read(&bytes, &fuel()).unwrap();
    assert_eq!(zip.members().len(), 3);
    assert_eq!(zip.members()[2].name(), "hidden");
    assert_eq!(content(&zip, &zip.readings(2)[0]), b"payload");
    assert_eq!(zip.flaws().len(), 1);
    // Behind the end, and before the beginning, no chain gets there.
    let lone = &archive(&[hidden])[..30 + 6 + 9];
    bytes.extend(lone);
    let mut before = b"#!/bin/sh\n".to_vec();
    before.extend(lone);
    before.extend(&bytes);
    let found = flaws(&before);
    let orphans = found.iter().filter(|(_, flaw)| *flaw == ZipFlaw::LocalOnly { chained: false }).count();
    assert_eq!(orphans, 3, "{found:?}");
    assert!(found.contains(&(None, ZipFlaw::Prefix { bytes: 10 })), "{found:?}");
    assert!(found.contains(&(None, ZipFlaw::Comment { said: 0, there: 45 })), "{found:?}");
}

#[test]
fn bytes_before_behind_and_between_are_told() {
    let mut bytes = archive(&two());
    bytes.splice(0..0, *b"GIF89a");
    bytes.extend(b"tail");
    let zip = Zip::read(&bytes, &fuel()).unwrap();
    assert_eq!(zip.gaps(), [0..6, bytes.len() as u64 - 4..bytes.len() as u64]);
    assert_eq!(content(&zip, &zip.readings(0)[0]), b"stored bytes");
    let found = flaws(&bytes);
    assert!(found.contains(&(None, ZipFlaw::Prefix { bytes: 6 })));
    assert!(found.contains(&(None, ZipFlaw::Gap { bytes: 4 })));
}

#[test]
fn a_second_end_in_the_comment_or_before_opens_its_own_directory() {
    let inner = archive(&[Made::stored("evil", b"payload")]);
    // The comment holds a whole archive; its directory is at its own place when read by its end.
    let mut outer = archive(&two());
    outer.truncate(outer.len() - 22);
    let start = outer.len() as u64;
    let first = archive(&two());
    let size = first.len() as u64 - 22 - directory_start(&first);
    end(&mut outer, 2, size, start - size, &inner);
    let zip = Zip::read(&outer, &fuel()).unwrap();
    let names: Vec<_> = zip.members().iter().map(|member| (member.name(), member.directory)).collect();
    // CPython takes the last mark: the inner archive.
    assert_eq!(names[0], ("evil".to_owned(), Some(0)));
    assert!(names.contains(&("a/data.pkl".to_owned(), Some(1))), "{names:?}");
    let found = flaws(&outer);
    assert!(found.contains(&(None, ZipFlaw::AnotherEnd)), "{found:?}");
    assert!(found.contains(&(None, ZipFlaw::AnotherDirectory)), "{found:?}");
    for index in 0..zip.members().len() {
        assert!(!content(&zip, &zip.readings(index)[0]).is_empty());
    }
}

fn directory_start(archive: &[u8]) -> u64 {
    let end = archive.len() - 22;
    u64::from(u32::from_le_bytes(archive[end + 16..end + 20].try_into().unwrap()))
}

#[test]
fn an_archive_that_is_stored_in_an_archive_is_no_rival() {
    let inner = archive(&two());
    let bytes = archive(&[Made::stored("inner.zip", &inner), Made::stored("x", b"x")]);
    assert_eq!(flaws(&bytes), []);
}

#[test]
fn names_that_clash_are_told() {
    let members: Vec<_> =
        ["data.pkl", "DATA.PKL", "data.pkl"].iter().map(|name| Made::stored(name, b"x")).collect();
    let found = flaws(&archive(&members));
    let wanted = [
        (Some(1), ZipFlaw::Duplicate { first: 0, exact: false }),
        (Some(2), ZipFlaw::Duplicate { first: 0, exact: true }),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn members_that_share_bytes_are_told_and_paid_for() {
    let first = Made::stored("one", &[7; 1000]);
    let again = Made::stored("two", b"x").with(|made| {
        made.place = Some(0);
        made.len = 1000;
        made.packed = 1000;
        made.crc = crc(&[7; 1000]);
    });
    let bytes = archive(&[first, again]);
    let fuel = fuel();
    let zip = Zip::read(&bytes, &fuel).unwrap();
    let found: Vec<_> = zip.flaws().iter().map(|note| note.flaw.clone()).collect();
    assert!(found.contains(&ZipFlaw::Overlap { with: 0 }), "{found:?}");
    let before = fuel.unpackable();
    for index in 0..2 {
        assert_eq!(content(&zip, &zip.readings(index)[0]), [7; 1000]);
    }
    assert_eq!(before - fuel.unpackable(), 2000);
}

#[test]
fn counts_and_sizes_of_the_directory_that_lie_hide_no_entry() {
    for (field, value) in [(10, 1), (12, 60)] {
        let mut bytes = archive(&two());
        let at = bytes.len() - 22 + field;
        bytes[at] = value;
        let zip = Zip::read(&bytes, &fuel()).unwrap();
        assert_eq!(zip.members().iter().filter(|member| member.directory.is_some()).count(), 2, "{field}");
        let found = flaws(&bytes);
        assert!(
            found
                .iter()
                .any(|(_, flaw)| matches!(flaw, ZipFlaw::Count { .. } | ZipFlaw::DirectorySize { .. })),
            "{found:?}"
        );
    }
}

#[test]
fn descriptors_of_all_four_kinds_are_known() {
    let plain = b"with a descriptor";
    let data = deflated(plain);
    for marked in [false, true] {
        for wide in [false, true] {
            let mut descriptor = Vec::new();
            if marked {
                descriptor.extend(b"PK\x07\x08");
            }
            let size = if wide { 8 } else { 4 };
            put(
                &mut descriptor,
                &[(4, crc(plain).into()), (size, data.len() as u64), (size, plain.len() as u64)],
            );
            let made = Made::deflated("x", plain).with(|made| {
                made.flags = 8;
                made.local_flags = 8;
                made.local_crc = 0;
                made.local_packed = 0;
                made.descriptor = descriptor;
            });
            let bytes = archive(&[made, Made::stored("y", b"y")]);
            assert_eq!(flaws(&bytes), [], "{marked} {wide}");
            let zip = Zip::read(&bytes, &fuel()).unwrap();
            assert_eq!(content(&zip, &zip.readings(0)[0]), plain);
        }
    }
}

#[test]
fn wide_records_are_read_and_what_contradicts_them_is_told() {
    let mut bytes = archive(&two());
    let start = directory_start(&bytes);
    bytes.truncate(bytes.len() - 22);
    let wide = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    put(
        &mut bytes,
        &[(8, 44), (2, 45), (2, 45), (4, 0), (4, 0), (8, 2), (8, 2), (8, wide - start), (8, start)],
    );
    bytes.extend(b"PK\x06\x07");
    put(&mut bytes, &[(4, 0), (8, wide), (4, 1)]);
    let plain = {
        let mut bytes = bytes.clone();
        end(&mut bytes, 0xffff, 0xffff_ffff, 0xffff_ffff, b"");
        bytes
    };
    assert_eq!(flaws(&plain), []);
    assert_eq!(Zip::read(&plain, &fuel()).unwrap().members().len(), 2);
    end(&mut bytes, 2, wide - start, 0, b"");
    let found = flaws(&bytes);
    assert!(found.contains(&(None, ZipFlaw::Wide)), "{found:?}");
}

#[test]
fn what_is_no_zip_file_has_no_members() {
    for bytes in [&b""[..], b"PK", b"PK\x05\x06", &[0; 100_000]] {
        let bytes = bytes.to_vec();
        let zip = Zip::read(&bytes, &fuel()).unwrap();
        assert_eq!(zip.members().len(), 0);
        assert!(zip.flaws().iter().any(|note| note.flaw == ZipFlaw::NoDirectory));
    }
}

#[test]
fn entries_are_paid_for() {
    let members: Vec<_> = (0..50).map(|number| Made::stored(&format!("m{number}"), b"")).collect();
    let bytes = archive(&members);
    let fuel = Fuel::new(Limits { entries: 49, ..Limits::for_file(0) });
    assert!(matches!(Zip::read(&bytes, &fuel), Err(ReadError::Exhausted(_))));
}

/// A file that is almost all hole.
struct Sparse {
    len: u64,
    tail: Vec<u8>,
}

impl Input for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let count = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX).min(into.len());
        for (place, byte) in (at..).zip(&mut into[..count]) {
            let tail = place.checked_sub(self.len - self.tail.len() as u64);
            *byte = tail.and_then(|at| self.tail.get(usize::try_from(at).unwrap())).copied().unwrap_or(0);
        }
        Ok(count)
    }
}

#[test]
fn a_huge_hole_in_front_costs_steps_and_ends() {
    let input = Sparse { len: 100 << 30, tail: archive(&two()) };
    let fuel = Fuel::new(Limits { steps: 5_000, ..Limits::for_file(0) });
    assert!(matches!(Zip::read(&input, &fuel), Err(ReadError::Exhausted(_))));
}

proptest! {
    #[test]
    fn any_bytes_and_any_change_of_an_archive_are_read_without_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..10),
        cut in any::<proptest::sample::Index>(),
        noise in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut bytes = archive(&two());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.splice(cut.index(bytes.len())..cut.index(bytes.len()), noise.iter().copied());
        for bytes in [bytes, noise] {
            let fuel = fuel();
            let zip = Zip::read(&bytes, &fuel).unwrap();
            // Gaps and members together are the file.
            let mut ranges: Vec<_> = zip.members().iter().filter(|m| m.local.is_some()).map(|m| m.range.clone()).collect();
            ranges.extend(zip.records().iter().cloned());
            let left = complement(&mut ranges, bytes.len() as u64);
            for gap in zip.gaps() {
                prop_assert!(gap.start < gap.end && gap.end <= bytes.len() as u64);
                prop_assert!(left.iter().any(|left| left.start <= gap.start && gap.end <= left.end));
            }
            crate::probe::zip(&bytes, &fuel);
        }
    }
}
