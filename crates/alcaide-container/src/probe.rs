//! Each parser as a plain function over bytes, for tests and the fuzzer: it never panics and keeps nothing.

use crate::fuel::Fuel;
use crate::input::Input;
use crate::sevenz::SevenZip;
use crate::sniff::Kind;
use crate::tar::Tar;
use crate::unpack::{Packed, Packing, gzip_head};
use crate::zip::Zip;

/// All of these.
pub fn all(bytes: &[u8], fuel: &Fuel) {
    zip(bytes, fuel);
    tar(bytes, fuel);
    sevenz(bytes, fuel);
    streams(bytes, fuel);
    let _kind = Kind::of(bytes);
    let _place = Kind::find(&bytes, 0, fuel);
}

/// As a zip file.
pub fn zip(bytes: &[u8], fuel: &Fuel) {
    let Ok(zip) = Zip::read(&bytes, fuel) else { return };
    for member in 0..zip.members().len() {
        for reading in zip.readings(member) {
            if let Ok(content) = zip.open(&reading) {
                drain(&content);
            }
        }
    }
}

/// As a tar archive.
pub fn tar(bytes: &[u8], fuel: &Fuel) {
    let Ok(tar) = Tar::read(&bytes, fuel) else { return };
    for member in 0..tar.members().len() {
        if let Ok(content) = tar.open(member) {
            drain(&content);
        }
    }
}

/// As a 7z archive.
pub fn sevenz(bytes: &[u8], fuel: &Fuel) {
    let Ok(archive) = SevenZip::read(&bytes, fuel) else { return };
    for member in 0..archive.members().len() {
        if let Ok(content) = archive.open(member) {
            drain(&content);
        }
    }
}

/// As a compressed stream of every kind.
pub fn streams(bytes: &[u8], fuel: &Fuel) {
    let packings = [
        Packing::Deflate,
        Packing::Zlib,
        Packing::Gzip,
        Packing::Bzip2,
        Packing::Xz,
        Packing::LzmaAlone,
        Packing::ZipLzma { marked: true },
        Packing::Lzma2 { dictionary: 1 << 20 },
        Packing::Zstandard,
        Packing::Delta { distance: 3 },
        Packing::Branch { machine: 4 },
    ];
    for packing in packings {
        if let Ok(packed) = Packed::open(&bytes, packing, fuel) {
            drain(&packed);
            let _ending = packed.finish();
        }
    }
    let _head = gzip_head(&bytes, fuel);
}

/// Reads to the end, or as far as it goes.
fn drain(input: &dyn Input) {
    let (mut part, mut at) = ([0; 4096], 0_u64);
    while let Ok(count @ 1..) = input.read_at(at, &mut part) {
        at = at.saturating_add(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuel::Limits;

    proptest! {
        #[test]
        fn any_bytes_behind_any_mark_are_read_without_panic_and_within_the_budget(
            mark in proptest::sample::select(vec![
                &b""[..], b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b\x08\0", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd",
                b"\x5d\0\0\x80\0", b"\x78\x9c",
            ]),
            noise in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let bytes = [mark, &noise].concat();
            let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::for_file(0) };
            let fuel = Fuel::new(limits);
            all(&bytes, &fuel);
            prop_assert!(fuel.hold(Fuel::MEMORY).is_ok(), "memory was not given back");
        }
    }
}
