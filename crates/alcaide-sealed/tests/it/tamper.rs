//! Everything that somebody who can write to the store, but has no key, can do to a file: each is refused.

use alcaide_container::{Input, ReadError};
use alcaide_sealed::{Header, Identity};

use crate::kit::{ALICE, HEADER, SEGMENT, TAG, opened, sealed, text};

/// Sealed bytes of a whole segment.
const WHOLE: usize = SEGMENT + TAG;

#[test]
fn every_bit_of_the_header_counts() {
    let file = sealed(b"x", 20);
    for bit in 0..HEADER * 8 {
        let mut altered = file.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        // The topmost bit of the encapsulated point is not read by X25519, but the MAC is over it.
        assert!(opened(&altered).is_err(), "bit {bit}");
    }
}

#[test]
fn every_bit_of_segments_and_tags_counts() {
    let file = sealed(&text(SEGMENT + 9), 21);
    let unlocked = Header::read(&file).unwrap().unlock(&Identity::Key(&ALICE)).unwrap();
    let body = file.len() - HEADER;
    // All bits of both tags and of the last segment; of the long one each byte, with a bit that wanders.
    let bits = (0..body).flat_map(|at| {
        match at {
            at if at < SEGMENT => at % 8..at % 8 + 1,
            _ => 0..8,
        }
        .map(move |bit| (at, bit))
    });
    for (at, bit) in bits {
        let mut altered = file.clone();
        altered[HEADER + at] ^= 1 << bit;
        let Ok(plain) = unlocked.open(&altered) else {
            assert!(at >= WHOLE, "the last segment alone is read at the start");
            continue;
        };
        assert!(at < WHOLE);
        let mut into = vec![0xee; SEGMENT];
        let refused = plain.read_at(0, &mut into).unwrap_err();
        assert!(matches!(refused, ReadError::Corrupt { at: 0, .. }), "{refused}");
        assert!(into.iter().all(|byte| *byte == 0xee), "something came out at {at}.{bit}");
        // The good segment is still read.
        assert_eq!(plain.read_at(SEGMENT as u64, &mut into), Ok(9));
    }
}

#[test]
fn every_truncation_is_refused() {
    let file = sealed(&text(2 * SEGMENT + 9), 22);
    let edges = [HEADER, HEADER + TAG, HEADER + WHOLE, HEADER + 2 * WHOLE, file.len()];
    let near = edges.iter().flat_map(|edge| edge.saturating_sub(20)..edge + 20);
    for len in (0..file.len()).step_by(61).chain(near).filter(|len| *len < file.len()) {
        assert!(opened(&file[..len]).is_err(), "{len}");
    }
}

#[test]
fn nothing_can_be_added() {
    for len in [0, 5, SEGMENT, 2 * SEGMENT] {
        let file = sealed(&text(len), 23);
        for more in [1, TAG - 1, TAG, TAG + 1, WHOLE] {
            let longer = [file.clone(), vec![0; more]].concat();
            assert!(opened(&longer).is_err(), "{len} and {more}");
        }
        let doubled = [&file, &file[HEADER..]].concat();
        assert!(opened(&doubled).is_err());
    }
}

#[test]
fn segments_cannot_be_moved() {
    let file = sealed(&text(4 * SEGMENT), 24);
    let segment = |index: usize| &file[HEADER + index * WHOLE..][..WHOLE];
    let arranged = |order: &[usize]| {
        let mut other = file[..HEADER].to_vec();
        for index in order {
            other.extend_from_slice(segment(*index));
        }
        opened(&other)
    };
    assert!(arranged(&[0, 1, 2, 3]).is_ok());
    for order in [
        &[1, 0, 2, 3][..], // swapped
        &[0, 2, 1, 3],
        &[0, 1, 3, 2],
        &[0, 0, 2, 3],    // one in the place of another
        &[0, 1, 1, 2, 3], // twice
        &[0, 1, 2, 3, 3],
        &[1, 2, 3], // dropped
        &[0, 2, 3],
        &[0, 1, 2], // the end dropped
        &[3],
        &[],
    ] {
        assert!(arranged(order).is_err(), "{order:?}");
    }
}

#[test]
fn a_reordered_file_gives_out_what_is_in_place_and_nothing_else() {
    let file = sealed(&text(4 * SEGMENT), 25);
    let mut other = file.clone();
    other[HEADER + WHOLE..HEADER + 2 * WHOLE].copy_from_slice(&file[HEADER + 2 * WHOLE..HEADER + 3 * WHOLE]);
    let unlocked = Header::read(&other).unwrap().unlock(&Identity::Key(&ALICE)).unwrap();
    let plain = unlocked.open(&other).unwrap();
    let mut into = vec![0; 3 * SEGMENT];
    assert_eq!(plain.read_at(0, &mut into), Ok(SEGMENT));
    assert_eq!(into[..SEGMENT], text(4 * SEGMENT)[..SEGMENT]);
    assert!(matches!(plain.read_at(SEGMENT as u64, &mut into), Err(ReadError::Corrupt { .. })));
}

#[test]
fn segments_and_headers_of_another_file_are_refused() {
    let (one, other) = (sealed(&text(3 * SEGMENT), 26), sealed(&text(3 * SEGMENT), 27));
    for index in 0..3 {
        let mut spliced = one.clone();
        let at = HEADER + index * WHOLE..HEADER + (index + 1) * WHOLE;
        spliced[at.clone()].copy_from_slice(&other[at]);
        assert!(opened(&spliced).is_err(), "segment {index}");
    }
    // A whole header that Alice can unlock, before segments of hers.
    let swapped = [&other[..HEADER], &one[HEADER..]].concat();
    let refused = opened(&swapped).unwrap_err();
    assert_eq!(refused, "the end of the sealed file does not open: it was cut, added to or altered");
}
