use std::io::Write;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::fuel::{Limits, Resource};

const PLAIN: &[u8] = include_bytes!("../fixtures/plain.txt");

pub(crate) fn fuel() -> Fuel {
    Fuel::new(Limits::for_file(1 << 20))
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zlibbed(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn bzipped(bytes: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn lzma2(bytes: &[u8]) -> Vec<u8> {
    let mut out = lzma_rust2::Lzma2Writer::new(Vec::new(), lzma_rust2::Lzma2Options::with_preset(1));
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn all(input: &dyn Input) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let mut part = [0; 1000];
    loop {
        match input.read_at(bytes.len() as u64, &mut part)? {
            0 => return Ok(bytes),
            count => bytes.extend_from_slice(&part[..count]),
        }
    }
}

/// Bytes that no codec makes small.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

fn recipe(packed: &[u8], packing: Packing, said: Option<u64>, crc: Option<u32>) -> Recipe<'_> {
    let run = Run { of: Rc::new(packed.to_vec()), start: 0, len: packed.len() as u64 };
    Recipe { packing, runs: vec![run], said, crc }
}

#[test]
fn each_codec_gives_back_what_was_packed_and_nothing_to_complain_about() {
    let noise = noise(3 << 20);
    for plain in [&b""[..], b"x", PLAIN, &noise] {
        let cases = [
            (Packing::Deflate, deflated(plain)),
            (Packing::Zlib, zlibbed(plain)),
            (Packing::Gzip, gzipped(plain)),
            (Packing::Bzip2, bzipped(plain)),
            (Packing::Lzma2 { dictionary: 1 << 20 }, lzma2(plain)),
            (Packing::Stored, plain.to_vec()),
        ];
        for (packing, packed) in cases {
            let input =
                Packed::open(&packed, packing.clone(), &Fuel::new(Limits::for_file(8 << 20))).unwrap();
            assert_eq!(input.len(), plain.len() as u64, "{packing:?}");
            assert!(all(&input).unwrap() == plain, "{packing:?} of {}", plain.len());
            let ending = input.finish().unwrap();
            assert!(ending.is_plain(), "{packing:?}: {ending:?}");
        }
    }
    let packed = zstandard(PLAIN);
    let fuel = fuel();
    let input = Packed::open(&packed, Packing::Zstandard, &fuel).unwrap();
    assert_eq!(all(&input).unwrap(), PLAIN);
    assert_eq!(input.finish().unwrap().broken, None);
}

#[test]
fn files_that_another_implementation_wrote_are_read() {
    let unread = |kind| vec![StreamFlaw::ChecksumUnread { kind }];
    let cases: [(&[u8], Packing, Vec<StreamFlaw>); 7] = [
        (include_bytes!("../fixtures/crc32.xz"), Packing::Xz, vec![]),
        (include_bytes!("../fixtures/crc64.xz"), Packing::Xz, vec![]),
        (include_bytes!("../fixtures/sha256.xz"), Packing::Xz, unread("sha256")),
        (include_bytes!("../fixtures/delta.xz"), Packing::Xz, vec![]),
        (include_bytes!("../fixtures/x86.xz"), Packing::Xz, vec![StreamFlaw::Dictionary { said: 64 << 20 }]),
        (include_bytes!("../fixtures/joined.xz"), Packing::Xz, vec![StreamFlaw::Another]),
        (include_bytes!("../fixtures/alone.lzma"), Packing::LzmaAlone, vec![]),
    ];
    for (packed, packing, flaws) in cases {
        let input = Packed::open(&packed, packing.clone(), &fuel()).unwrap();
        assert_eq!(all(&input).unwrap(), PLAIN, "{packing:?}");
        let ending = input.finish().unwrap();
        let found: Vec<_> = ending.flaws.iter().map(|(_, flaw)| flaw.clone()).collect();
        assert_eq!(found, flaws, "{packing:?}");
        assert_eq!(ending.broken, None);
    }
}

#[test]
fn a_gzip_file_of_several_members_is_joined_and_every_wrong_number_is_told() {
    let mut packed = gzipped(b"one, ");
    let second = packed.len() as u64;
    packed.extend(gzipped(b"two"));
    let end = packed.len();
    packed.extend(b"rest");
    packed[end - 8] ^= 1;
    packed[end - 4] = 9;
    let input = Packed::open(&packed, Packing::Gzip, &fuel()).unwrap();
    assert_eq!(all(&input).unwrap(), b"one, two");
    let flaws = input.finish().unwrap().flaws;
    assert_eq!(flaws[0], (second, StreamFlaw::Another));
    assert!(matches!(flaws[1], (at, StreamFlaw::Checksum { .. }) if at == end as u64 - 8));
    assert_eq!(flaws[2], (end as u64 - 4, StreamFlaw::Length { said: 9, found: 3 }));
    assert_eq!(flaws[3], (end as u64, StreamFlaw::Trailing { bytes: 4, zeros: false }));
    assert_eq!(flaws.len(), 4);
}

#[test]
fn the_head_of_a_gzip_file_is_read() {
    let mut packed = flate2::GzBuilder::new()
        .filename("name.pkl")
        .comment("why")
        .extra(vec![1; 5])
        .write(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"x").unwrap();
    let packed = packed.finish().unwrap();
    let head = gzip_head(&packed, &fuel()).unwrap();
    let wanted =
        GzipHead { name: Some(b"name.pkl".to_vec()), comment: Some(b"why".to_vec()), extra_bytes: 5 };
    assert_eq!(head, wanted);
    let input = Packed::open(&packed, Packing::Gzip, &fuel()).unwrap();
    assert_eq!(all(&input).unwrap(), b"x");
    for end in 0..packed.len() - 9 {
        let part = packed[..end].to_vec();
        let input = Packed::open(&part, Packing::Gzip, &fuel()).unwrap();
        assert!(input.finish().unwrap().broken.is_some(), "{end}");
    }
}

#[test]
fn wrong_checksums_and_frames_are_told_and_the_bytes_still_come() {
    let mut zlib = zlibbed(PLAIN);
    let end = zlib.len();
    zlib[end - 1] ^= 1;
    let mut xz = include_bytes!("../fixtures/crc64.xz").to_vec();
    let foot = xz.len() - 12;
    let index = foot - 12;
    xz[index - 1] ^= 1;
    xz[foot + 4] ^= 1;
    xz[8] ^= 1;
    for (packed, packing, flaws) in [(zlib, Packing::Zlib, 1), (xz, Packing::Xz, 3)] {
        let input = Packed::open(&packed, packing, &fuel()).unwrap();
        assert_eq!(all(&input).unwrap(), PLAIN);
        let ending = input.finish().unwrap();
        assert_eq!(ending.flaws.len(), flaws, "{:?}", ending.flaws);
        assert!(!ending.is_plain());
    }
}

#[test]
fn a_length_that_was_lied_about_hides_nothing() {
    let noise = noise(3 << 20);
    let crc = {
        let mut sum = flate2::Crc::new();
        sum.update(&noise);
        sum.sum()
    };
    let packed = deflated(&noise);
    for said in [0, 100, 2 << 20, (2 << 20) + 7, 3 << 20, u64::MAX] {
        let fuel = Fuel::new(Limits::for_file(8 << 20));
        let input = Packed::cook(recipe(&packed, Packing::Deflate, Some(said), Some(crc)), &fuel).unwrap();
        assert_eq!(input.len(), said.max(1 << 20));
        assert!(all(&input).unwrap() == noise, "{said}");
        assert_eq!(input.len(), 3 << 20);
        let ending = input.ending().unwrap();
        assert_eq!((ending.said, ending.len), (Some(said), 3 << 20));
        assert_eq!(ending.is_plain(), said == 3 << 20);
        assert_eq!(ending.checksum, Some((crc, crc)));
    }
}

#[test]
fn bytes_before_a_fault_are_shown_by_every_codec() {
    let cases: [(Packing, Vec<u8>, usize); 5] = [
        (Packing::Deflate, deflated(PLAIN), 1),
        (Packing::Gzip, gzipped(PLAIN), 1),
        (Packing::Zlib, zlibbed(PLAIN), 1),
        (Packing::Xz, include_bytes!("../fixtures/crc32.xz").to_vec(), 1),
        (Packing::LzmaAlone, include_bytes!("../fixtures/alone.lzma").to_vec(), 1),
    ];
    for (packing, mut packed, least) in cases {
        let cut = packed.len() * 2 / 3;
        packed.truncate(cut);
        for broken in [false, true] {
            if broken {
                packed.extend([0xff; 40]);
            }
            let input = Packed::open(&packed, packing.clone(), &fuel()).unwrap();
            let len = usize::try_from(input.len()).unwrap();
            assert!(len >= least && len < PLAIN.len() + 300, "{packing:?} {broken} {len}");
            let mut into = vec![0; PLAIN.len() * 2];
            assert_eq!(input.read_at(0, &mut into), Ok(len), "{packing:?} {broken}");
            let sound = len.min(PLAIN.len() / 8);
            assert!(into[..sound] == PLAIN[..sound], "{packing:?} {broken}");
            assert!(input.read_at(input.len(), &mut into).is_err());
            assert!(input.ending().unwrap().broken.is_some());
        }
    }
}

#[test]
fn going_back_costs_fuel_and_the_first_bytes_do_not() {
    let noise = noise(4 << 20);
    let packed = deflated(&noise);
    let fuel = Fuel::new(Limits::for_file(64 << 20));
    let input = Packed::cook(recipe(&packed, Packing::Deflate, Some(4 << 20), None), &fuel).unwrap();
    let mut into = [0; 4096];
    assert_eq!(input.read_at(3 << 20, &mut into), Ok(4096));
    assert!(into[..] == noise[3 << 20..(3 << 20) + 4096]);
    let left = fuel.unpackable();
    assert_eq!(input.read_at(100, &mut into), Ok(4096));
    assert_eq!(input.read_at((3 << 20) - 50, &mut into), Ok(4096));
    assert!(into[..] == noise[(3 << 20) - 50..(3 << 20) + 4046]);
    assert_eq!(fuel.unpackable(), left, "what is at hand is free");
    assert_eq!(input.read_at(2 << 20, &mut into), Ok(4096));
    assert!(into[..] == noise[2 << 20..(2 << 20) + 4096]);
    assert!(left - fuel.unpackable() >= 2 << 20);
}

#[test]
fn a_bomb_ends_with_the_budget_and_its_first_bytes_can_be_read() {
    let packed = bzipped(&vec![0; 32 << 20]);
    let limits = Limits { unpacked_bytes: 5 << 20, ..Limits::for_file(0) };
    let fuel = Fuel::new(limits);
    let input = Packed::open(&packed, Packing::Bzip2, &fuel).unwrap();
    assert_eq!(fuel.unpackable(), 0);
    // What comes of nothing costs more, from four megabytes on.
    assert!((4 << 20..5 << 20).contains(&input.len()), "{}", input.len());
    let mut into = [1; 4096];
    assert_eq!(input.read_at(1000, &mut into), Ok(4096));
    assert_eq!(into, [0; 4096]);
    let spent = input.read_at(2 << 20, &mut into).unwrap_err();
    assert!(matches!(spent, ReadError::Exhausted(spent) if spent.resource == Resource::UnpackedBytes));
    assert_eq!(input.read_at(1000, &mut into), Ok(4096), "and again after that");
}

#[test]
fn packed_bytes_that_unpack_to_nothing_cost_steps() {
    // Empty stored blocks of deflate.
    let packed = [0, 0, 0, 0xff, 0xff].repeat(200_000);
    let fuel = Fuel::new(Limits { steps: 1_000, ..Limits::for_file(0) });
    let input = Packed::open(&packed, Packing::Deflate, &fuel).unwrap();
    assert!(matches!(input.ending().unwrap().broken, Some(ReadError::Exhausted(_))));
    assert_eq!(fuel.step(1).unwrap_err().resource, Resource::Steps);
}

#[test]
fn a_dictionary_beyond_the_bound_is_not_kept_and_a_match_beyond_it_is_unsupported() {
    // The same noise again behind nine mebibytes of zeros.
    let noise = noise(64 << 10);
    let plain = [&noise[..], &vec![0; 9 << 20], &noise].concat();
    let mut options = lzma_rust2::Lzma2Options::with_preset(1);
    options.lzma_options.dict_size = 16 << 20;
    let mut out = lzma_rust2::Lzma2Writer::new(Vec::new(), options);
    out.write_all(&plain).unwrap();
    let packed = out.finish().unwrap();
    assert!(packed.len() < 100 << 10, "the writer found no match");
    let fuel = Fuel::new(Limits::for_file(64 << 20));
    let input = Packed::open(&packed, Packing::Lzma2 { dictionary: 16 << 20 }, &fuel);
    let broken = input.unwrap().ending().unwrap().broken;
    assert!(matches!(broken, Some(ReadError::Unsupported { .. })), "{broken:?}");
    // And with all of it kept for a smaller one.
    let small = lzma2(PLAIN);
    let input = Packed::open(&small, Packing::Lzma2 { dictionary: u32::MAX }, &fuel).unwrap();
    assert_eq!(all(&input).unwrap(), PLAIN);
}

#[test]
fn memory_is_shared_by_all_that_is_open() {
    let packed = lzma2(&noise(2 << 20));
    let fuel = Fuel::new(Limits::for_file(64 << 20));
    let mut open = Vec::new();
    let refused = loop {
        let recipe = recipe(&packed, Packing::Lzma2 { dictionary: 8 << 20 }, Some(4 << 20), None);
        match Packed::cook(recipe, &fuel) {
            Ok(input) => match input.ending().and_then(|ending| ending.broken) {
                Some(why) => break why,
                None => open.push(input),
            },
            Err(why) => break why,
        }
        assert!(open.len() < 10);
    };
    assert!(matches!(refused, ReadError::Exhausted(spent) if spent.resource == Resource::Memory));
    assert!(!open.is_empty());
    drop(open);
    assert!(fuel.hold(Fuel::MEMORY).is_ok());
}

fn packings() -> impl Strategy<Value = Packing> {
    prop_oneof![
        Just(Packing::Deflate),
        Just(Packing::Zlib),
        Just(Packing::Gzip),
        Just(Packing::Bzip2),
        Just(Packing::Xz),
        Just(Packing::LzmaAlone),
        Just(Packing::ZipLzma { marked: true }),
        Just(Packing::Lzma2 { dictionary: 1 << 16 }),
        Just(Packing::Zstandard),
        Just(Packing::Branch { machine: 4 }),
    ]
}

fn valid(packing: &Packing) -> Vec<u8> {
    match packing {
        Packing::Deflate => deflated(PLAIN),
        Packing::Zlib => zlibbed(PLAIN),
        Packing::Gzip => gzipped(PLAIN),
        Packing::Bzip2 => bzipped(PLAIN),
        Packing::Xz => include_bytes!("../fixtures/delta.xz").to_vec(),
        Packing::LzmaAlone => include_bytes!("../fixtures/alone.lzma").to_vec(),
        Packing::ZipLzma { .. } => {
            let alone = include_bytes!("../fixtures/alone.lzma");
            [&[9, 4, 5, 0], &alone[..5], &alone[13..]].concat()
        }
        Packing::Lzma2 { .. } => lzma2(PLAIN),
        Packing::Zstandard => zstandard(PLAIN),
        _ => PLAIN.to_vec(),
    }
}

proptest! {
    #[test]
    fn broken_streams_never_panic_nor_exceed_the_budget(
        packing in packings(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<proptest::sample::Index>(),
        said in proptest::option::of(0_u64..10_000),
        budget in 0_u64..20_000,
        places in proptest::collection::vec((0_u64..10_000, 1_usize..3_000), 1..6),
    ) {
        let mut packed = valid(&packing);
        for (at, byte) in changes {
            let at = at.index(packed.len());
            packed[at] = byte;
        }
        packed.truncate(cut.index(packed.len()) + 1);
        let fuel = Fuel::new(Limits { unpacked_bytes: budget, ..Limits::for_file(0) });
        if let Ok(input) = Packed::cook(recipe(&packed, packing, said, Some(1)), &fuel) {
            let mut seen = vec![None; 30_000];
            for (at, count) in places {
                let mut into = vec![0; count];
                let Ok(got) = input.read_at(at, &mut into) else { continue };
                for (at, &byte) in (at..).zip(&into[..got]) {
                    // The same place always reads the same.
                    let known = &mut seen[usize::try_from(at).unwrap()];
                    prop_assert!(known.is_none_or(|known| known == byte));
                    *known = Some(byte);
                }
            }
            let _ending = input.finish();
        }
        drop(fuel.hold(Fuel::MEMORY));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn reads_at_any_place_give_what_the_whole_gives(
        places in proptest::collection::vec((0_usize..1_400_000, 1_usize..200_000), 1..12),
    ) {
        let noise = noise(1_400_000);
        let packed = deflated(&noise);
        let fuel = Fuel::new(Limits::for_file(64 << 20));
        let input = Packed::cook(recipe(&packed, Packing::Deflate, Some(1_400_000), None), &fuel).unwrap();
        for (at, count) in places {
            let mut into = vec![0; count];
            let got = input.read_at(at as u64, &mut into).unwrap();
            prop_assert_eq!(got, count.min(noise.len() - at));
            prop_assert!(into[..got] == noise[at..at + got]);
        }
    }
}
