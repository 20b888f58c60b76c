//! What are these bytes? By the bytes alone; names are claims.

use memchr::memmem::Finder;

use crate::bytes;
use crate::fuel::Fuel;
use crate::input::{Input, ReadError};
use crate::pages;
use crate::tar;

/// A kind of container or of compressed stream.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Kind {
    /// A zip file.
    Zip,
    /// A tar archive.
    Tar,
    /// gzip.
    Gzip,
    /// zlib.
    Zlib,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// The file format before xz.
    Lzma,
    /// Zstandard.
    Zstandard,
    /// LZ4 in frames, which is known and not read.
    Lz4,
    /// 7z.
    SevenZip,
}

/// Marks at the beginning.
const MARKS: [(Kind, &[u8]); 12] = [
    (Kind::Zip, b"PK\x03\x04"),
    (Kind::Zip, b"PK\x05\x06"),
    (Kind::Zip, b"PK\x07\x08PK\x03\x04"),
    (Kind::Zip, b"PK00PK\x03\x04"),
    (Kind::SevenZip, b"7z\xbc\xaf\x27\x1c"),
    (Kind::Gzip, b"\x1f\x8b\x08"),
    (Kind::Xz, b"\xfd7zXZ\0"),
    (Kind::Zstandard, b"\x28\xb5\x2f\xfd"),
    (Kind::Lz4, b"\x04\x22\x4d\x18"),
    (Kind::Lz4, b"\x02\x21\x4c\x18"),
    (Kind::Bzip2, b"BZh"),
    (Kind::Zstandard, b"\x50\x2a\x4d\x18"),
];

/// Marks that are long enough to be looked for anywhere.
const ANYWHERE: [(Kind, &[u8]); 4] = [
    (Kind::Zip, b"PK\x03\x04"),
    (Kind::SevenZip, b"7z\xbc\xaf\x27\x1c"),
    (Kind::Xz, b"\xfd7zXZ\0"),
    (Kind::Gzip, b"\x1f\x8b\x08\0\0\0\0\0"),
];

impl Kind {
    /// The word for it, as in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Tar => "tar",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Zstandard => "zstd",
            Self::Lz4 => "lz4",
            Self::SevenZip => "7z",
        }
    }

    /// What begins with `head`: at least 512 bytes of it, where there are so many.
    ///
    /// zlib and the old LZMA have no mark, only heads that other bytes can have, too: whoever unpacks them learns.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        if let Some((kind, _)) = MARKS.iter().find(|(_, mark)| head.starts_with(mark)) {
            let bzip2 = head.get(3).is_some_and(u8::is_ascii_digit)
                && matches!(head.get(4..10), Some(b"1AY&SY" | b"\x17\x72\x45\x38\x50\x90"));
            return (*kind != Self::Bzip2 || bzip2).then_some(*kind);
        }
        if tar::is_header(head) {
            return Some(Self::Tar);
        }
        if is_lzma(head) {
            return Some(Self::Lzma);
        }
        if let [0x78, flags, first, ..] = head
            && (0x7800 | u16::from(*flags)) % 31 == 0
            && flags & 0x20 == 0
            // The type of the first block: the fourth does not exist.
            && first & 6 != 6
        {
            return Some(Self::Zlib);
        }
        None
    }

    /// Whether a zip file ends where `input` ends, whatever it begins with.
    ///
    /// # Errors
    /// [`ReadError`] if the source fails.
    pub fn ends_as_zip(input: &dyn Input) -> Result<bool, ReadError> {
        const TAIL: u64 = 22 + 65_535;
        let start = input.len().saturating_sub(TAIL);
        let tail = bytes::read(input, start, bytes::size(TAIL))?;
        Ok(memchr::memmem::rfind(&tail, b"PK\x05\x06").is_some_and(|at| tail.len() - at >= 22))
    }

    /// The first place from `from` on where an archive begins: after a program that unpacks itself, or behind another file.
    ///
    /// # Errors
    /// [`ReadError`] if the source fails or the budget is spent.
    pub fn find(input: &dyn Input, from: u64, fuel: &Fuel) -> Result<Option<(u64, Self)>, ReadError> {
        let mut first: Option<(u64, Self)> = None;
        for (kind, mark) in ANYWHERE {
            let end = first.map_or(input.len(), |(at, _)| at);
            if let Some(at) = pages::find(input, from..end, &Finder::new(mark), fuel)? {
                first = Some((at, kind));
            }
        }
        Ok(first)
    }
}

/// Properties that writers use, a dictionary that is a power of two or one and a half, a length that is unknown or small.
fn is_lzma(head: &[u8]) -> bool {
    let mut cursor = bytes::Cursor::new(head);
    let (Some(properties), Some(dictionary), Some(len)) = (cursor.u8(), cursor.u32(), cursor.u64()) else {
        return false;
    };
    let round =
        |size: u32| size.is_power_of_two() || (size.is_multiple_of(3) && (size / 3).is_power_of_two());
    properties < 225
        && dictionary >= 4096
        && (round(dictionary) || dictionary == u32::MAX)
        && (len == u64::MAX || len >> 38 == 0)
        // The range coder begins with a zero.
        && cursor.u8() == Some(0)
        && !cursor.rest().iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuel::Limits;

    #[test]
    fn each_kind_is_known_by_its_bytes() {
        let zlib = [0x78, 0x9c, 0x4b];
        let cases: [(&[u8], Option<Kind>); 12] = [
            (include_bytes!("fixtures/crc64.xz"), Some(Kind::Xz)),
            (include_bytes!("fixtures/alone.lzma"), Some(Kind::Lzma)),
            (include_bytes!("fixtures/plain.txt"), None),
            (&zlib, Some(Kind::Zlib)),
            (b"x\x9d", None),
            (b"BZh91AY&SY", Some(Kind::Bzip2)),
            (b"BZhello, world", None),
            (b"\x1f\x8b\x08", Some(Kind::Gzip)),
            (b"PK\x03\x04", Some(Kind::Zip)),
            (b"\x28\xb5\x2f\xfd", Some(Kind::Zstandard)),
            (b"\x04\x22\x4d\x18", Some(Kind::Lz4)),
            (&[0; 512], None),
        ];
        for (bytes, kind) in cases {
            assert_eq!(Kind::of(bytes), kind, "{:?}", bytes.get(..8));
        }
    }

    #[test]
    fn an_archive_behind_something_else_is_found() {
        let fuel = Fuel::new(Limits::for_file(1 << 20));
        let mut bytes = vec![b'x'; 300_000];
        assert_eq!(Kind::find(&bytes, 0, &fuel), Ok(None));
        bytes.extend(b"7z\xbc\xaf\x27\x1c");
        // Over the border of two stretches.
        bytes.splice(262_142..262_146, *b"PK\x03\x04");
        assert_eq!(Kind::find(&bytes, 0, &fuel), Ok(Some((262_142, Kind::Zip))));
        assert_eq!(Kind::find(&bytes, 262_143, &fuel), Ok(Some((300_000, Kind::SevenZip))));
        assert_eq!(Kind::ends_as_zip(&bytes), Ok(false));
        bytes.extend(b"PK\x05\x06");
        assert_eq!(Kind::ends_as_zip(&bytes), Ok(false));
        bytes.extend([0; 18]);
        assert_eq!(Kind::ends_as_zip(&bytes), Ok(true));
    }
}
