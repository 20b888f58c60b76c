use proptest::prelude::*;

use super::*;
use crate::fuel::Limits;

fn fuel() -> Fuel {
    Fuel::new(Limits::for_file(1 << 20))
}

/// A header with `kind`, and its data padded to blocks.
fn member(name: &str, kind: u8, data: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    change(&mut block);
    sum(&mut block);
    block.extend(data);
    block.resize(block.len().div_ceil(512) * 512, 0);
    block
}

fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

fn file(name: &str, data: &[u8]) -> Vec<u8> {
    member(name, b'0', data, |_| {})
}

fn link(name: &str, kind: u8, target: &str) -> Vec<u8> {
    member(name, kind, b"", |block| block[157..157 + target.len()].copy_from_slice(target.as_bytes()))
}

fn pax(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = String::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut len = rest.len() + 1;
        while format!("{len}{rest}").len() != len {
            len += 1;
        }
        data += &format!("{len}{rest}");
    }
    member("attributes", kind, data.as_bytes(), |_| {})
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = members.concat();
    bytes.extend([0; 1024]);
    bytes
}

fn flaws(bytes: &[u8]) -> Vec<(Option<usize>, TarFlaw)> {
    let tar = Tar::read(&bytes, &fuel()).unwrap();
    tar.flaws().iter().map(|note| (note.member, note.flaw.clone())).collect()
}

fn content(tar: &Tar<'_>, member: usize) -> Vec<u8> {
    let content = tar.open(member).unwrap();
    let mut bytes = vec![1; usize::try_from(content.len()).unwrap()];
    assert_eq!(content.read_at(0, &mut bytes), Ok(bytes.len()));
    bytes
}

#[test]
fn plain_members_have_their_bytes_and_no_flaw() {
    let mut bytes =
        archive(&[file("a/one", b"first"), member("a/", b'5', b"", |_| {}), file("a/two", &[7; 1000])]);
    let tar = Tar::read(&bytes, &fuel()).unwrap();
    assert_eq!(tar.flaws(), []);
    assert_eq!(tar.gaps(), []);
    assert_eq!(tar.end(), bytes.len() as u64);
    let kinds: Vec<_> = tar.members().iter().map(|member| (member.name.text(), member.kind)).collect();
    let wanted = [("a/one", Kind::File), ("a/", Kind::Folder), ("a/two", Kind::File)];
    assert_eq!(kinds, wanted.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(content(&tar, 0), b"first");
    assert_eq!(content(&tar, 2), [7; 1000]);
    // Writers fill up to ten kibibytes.
    bytes.resize(10_240, 0);
    assert_eq!(flaws(&bytes), []);
}

#[test]
fn names_come_from_every_place_that_has_them() {
    let long = "d/".repeat(80) + "name";
    let prefixed = member("name", b'0', b"", |block| block[345..348].copy_from_slice(b"dir"));
    let old = member("v7", 0, b"x", |block| block[257..265].fill(0));
    let bytes = archive(&[
        member("././@LongLink", b'L', (long.clone() + "\0").as_bytes(), |_| {}),
        file(&long[..99], b"1"),
        pax(b'x', &[("path", "pax/na\u{ef}ve"), ("linkpath", "else")]),
        link("pax/na", b'2', "where"),
        prefixed,
        old,
    ]);
    let tar = Tar::read(&bytes, &fuel()).unwrap();
    let names: Vec<_> = tar.members().iter().map(|member| member.name.text()).collect();
    assert_eq!(names, [&long, "pax/na\u{ef}ve", "dir/name", "v7"]);
    assert_eq!(tar.members()[1].target.as_ref().unwrap().text(), "else");
    assert_eq!(tar.members()[0].short_name.as_ref().unwrap().text(), long[..99]);
    assert_eq!(content(&tar, 3), b"x");
    assert_eq!(flaws(&bytes), [(Some(1), TarFlaw::SymbolicLink)]);
}

#[test]
fn each_irregularity_has_its_name() {
    let name = |flaw| TarFlaw::Name(flaw);
    let cases: Vec<(Vec<Vec<u8>>, TarFlaw)> = vec![
        (vec![file("/etc/x", b"")], name(NameFlaw::Absolute)),
        (vec![file("a/../../x", b"")], name(NameFlaw::Parent)),
        (vec![link("x", b'2', "../../y")], name(NameFlaw::Parent)),
        (vec![link("x", b'1', "y")], TarFlaw::HardLink),
        (vec![member("x", b'3', b"", |_| {})], TarFlaw::Special),
        (vec![member("x", b'Z', b"", |_| {})], TarFlaw::UnknownType { byte: b'Z' }),
        (vec![member("x", b'0', b"", |block| block[100..107].copy_from_slice(b"0004755"))], TarFlaw::SetId),
        (vec![member("x", b'2', b"data", |_| {})], TarFlaw::DataOfNone),
        (vec![pax(b'g', &[("comment", "x")]), file("x", b"")], TarFlaw::Global),
        (vec![pax(b'x', &[("path", "evil")]), file("good", b"")], TarFlaw::Names),
        (vec![member("p", b'x', b"99 path=x\n", |_| {}), file("x", b"")], TarFlaw::BadRecord),
        (
            vec![pax(b'x', &[("size", "2")]), file("x", b"four")],
            TarFlaw::LengthOverridden { header: 4, record: 2 },
        ),
        (vec![file("x", b""), file("X", b"")], TarFlaw::Duplicate { first: 0, exact: false }),
        (vec![file("x", b""), file("x", b"")], TarFlaw::Duplicate { first: 0, exact: true }),
        (
            vec![file("x", b""), member("y", b'0', b"", |block| block[124] = b'9')],
            TarFlaw::BadNumber { field: "size" },
        ),
        (vec![file("x", b""), vec![9; 512]], TarFlaw::NotAHeader),
    ];
    for (members, flaw) in cases {
        let found = flaws(&archive(&members));
        assert!(found.iter().any(|(_, found)| *found == flaw), "{flaw:?} in {found:?}");
    }
}

#[test]
fn what_stands_behind_the_end_is_told_and_read() {
    let mut bytes = archive(&[file("one", b"1")]);
    let end = bytes.len() as u64;
    bytes.extend(archive(&[file("two", b"2")]));
    let tar = Tar::read(&bytes, &fuel()).unwrap();
    assert_eq!(tar.members().len(), 2);
    assert_eq!(tar.flaws(), [TarNote { at: end, member: None, flaw: TarFlaw::Another }]);
    let behind = bytes.len() as u64;
    bytes.extend(b"tail");
    let tar = Tar::read(&bytes, &fuel()).unwrap();
    assert!(tar.flaws().iter().any(|note| note.flaw == TarFlaw::Trailing { bytes: 4 }));
    assert_eq!(tar.gaps(), std::slice::from_ref(&(behind..behind + 4)));
    let cut = file("one", &[1; 600])[..700].to_vec();
    let found = flaws(&cut);
    assert!(found.contains(&(Some(0), TarFlaw::Cut)) && found.contains(&(None, TarFlaw::NoEnd)), "{found:?}");
}

#[test]
fn members_behind_a_broken_header_are_found() {
    let mut broken = file("two", b"2");
    broken[0] = b'T';
    let bytes = archive(&[file("one", b"1"), broken, file("three", b"3")]);
    let tar = Tar::read(&bytes, &fuel()).unwrap();
    let names: Vec<_> = tar.members().iter().map(|member| member.name.text()).collect();
    assert_eq!(names, ["one", "three"]);
    assert_eq!(tar.gaps(), std::slice::from_ref(&(1024..2048)));
}

#[test]
fn sparse_files_of_every_form_are_filled_up() {
    let wanted = [&[0; 10][..], b"abc", &[0; 20], b"de", &[0; 5]].concat();
    let runs = "10,3,33,2";
    let old = member("old", b'S', b"abcde", |block| {
        let mut at = 386;
        for number in [10, 3, 33, 2] {
            block[at..at + 11].copy_from_slice(format!("{number:011o}").as_bytes());
            at += 12;
        }
        block[483..494].copy_from_slice(format!("{:011o}", 40).as_bytes());
        block[257..265].copy_from_slice(b"ustar  \0");
    });
    let zero = pax(
        b'x',
        &[
            ("GNU.sparse.size", "40"),
            ("GNU.sparse.offset", "10"),
            ("GNU.sparse.numbytes", "3"),
            ("GNU.sparse.offset", "33"),
            ("GNU.sparse.numbytes", "2"),
        ],
    );
    let one = pax(b'x', &[("GNU.sparse.size", "40"), ("GNU.sparse.map", runs), ("GNU.sparse.name", "real")]);
    let two =
        pax(b'x', &[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "40")]);
    let mut in_data = b"2\n10\n3\n33\n2\n".to_vec();
    in_data.resize(512, 0);
    in_data.extend(b"abcde");
    // Zeros fill the block of the map; readers stop at the last number.
    let bytes =
        archive(&[old, zero, file("z", b"abcde"), one, file("o", b"abcde"), two, file("t", &in_data)]);
    let tar = Tar::read(&bytes, &fuel()).unwrap();
    assert_eq!(tar.members().len(), 4);
    assert_eq!(tar.members()[2].name.text(), "real");
    for member in 0..4 {
        assert!(content(&tar, member) == wanted, "{member}");
        let mut part = [1; 7];
        assert_eq!(tar.open(member).unwrap().read_at(30, &mut part), Ok(7));
        assert_eq!(part, wanted[30..37]);
    }
    // Holes are paid for, and runs beyond the length or out of order are refused.
    let huge = pax(b'x', &[("GNU.sparse.size", "99999999999999"), ("GNU.sparse.map", "0,1")]);
    let wrong = pax(b'x', &[("GNU.sparse.size", "4"), ("GNU.sparse.map", "3,2")]);
    let bytes = archive(&[huge, file("h", b"x"), wrong, file("w", b"xy")]);
    let fuel = Fuel::new(Limits { unpacked_bytes: 100, ..Limits::for_file(0) });
    let tar = Tar::read(&bytes, &fuel).unwrap();
    let content = tar.open(0).unwrap();
    assert!(matches!(content.read_at(0, &mut [0; 1000]), Err(ReadError::Exhausted(_))));
    assert!(matches!(tar.open(1), Err(ReadError::Unsupported { .. })));
}

#[test]
fn large_numbers_and_signed_sums_are_read() {
    let big = member("big", b'0', b"", |block| {
        block[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    });
    let bytes = [big, vec![0; 1024]].concat();
    assert_eq!(Tar::read(&bytes, &fuel()).unwrap().members()[0].data, 512..515);
    let mut signed = file("\u{e9}", b"");
    signed[148..156].fill(b' ');
    let sum: i32 = signed.iter().map(|&byte| i32::from(byte.cast_signed())).sum();
    signed[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    assert_eq!(Tar::read(&archive(&[signed]), &fuel()).unwrap().members().len(), 1);
}

#[test]
fn what_is_no_archive_has_no_members_and_entries_are_paid_for() {
    let bytes = vec![7; 5000];
    let tar = Tar::read(&bytes, &fuel()).unwrap();
    assert_eq!((tar.members().len(), tar.gaps()), (0, std::slice::from_ref(&(0..5000))));
    let bytes = archive(&vec![file("x", b""); 20]);
    let fuel = Fuel::new(Limits { entries: 19, ..Limits::for_file(0) });
    assert!(matches!(Tar::read(&bytes, &fuel), Err(ReadError::Exhausted(_))));
}

proptest! {
    #[test]
    fn any_change_of_an_archive_is_read_without_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), any::<bool>()), 0..8),
        cut in any::<proptest::sample::Index>(),
    ) {
        let sparse = pax(b'x', &[("GNU.sparse.size", "40"), ("GNU.sparse.map", "10,3,33,2")]);
        let mut bytes =
            archive(&[file("a", b"one"), sparse, file("b", b"abcde"), member("c", b'S', b"", |_| {}), link("d", b'1', "a")]);
        for (at, byte, mend) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if mend && let Some(block) = bytes.chunks_mut(512).nth(at / 512) {
                sum(block);
            }
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let fuel = fuel();
        let tar = Tar::read(&bytes, &fuel).unwrap();
        for member in tar.members() {
            prop_assert!(member.data.start <= member.data.end && member.data.end <= bytes.len() as u64);
        }
        for gap in tar.gaps() {
            prop_assert!(gap.start <= gap.end && gap.end <= bytes.len() as u64);
        }
        crate::probe::tar(&bytes, &fuel);
    }
}
