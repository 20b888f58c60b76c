//! Where things lie in a sealed file: sizes that are taken, and the arithmetic from places in plaintext to places in the
//! file. Nothing here is secret, and nothing overflows: all bounds together keep every sum below 2^45.

use alcaide_seal::aead::TAG_BYTES;

/// Most bytes of plaintext under one key: 2^40 blocks of AES.
///
/// Source: `docs/decisions/0010-sealed-files.md`, bounds; NIST SP 800-38D, appendix B.
pub const MAX_PLAINTEXT_BYTES: u64 = 1 << 44;
/// Most segments of a file.
pub const MAX_SEGMENTS: u64 = 1 << 32;

/// Plaintext bytes of a whole segment: a power of two from 4 KiB to 16 MiB.
///
/// The default, 256 KiB, fits the second cache of a core, so that a segment is decrypted and copied there; a read of
/// 64 KiB touches one or two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SegmentBytes(u32);

impl SegmentBytes {
    /// The fewest.
    pub const MIN: u32 = 4 * 1024;
    /// The most.
    pub const MAX: u32 = 16 * 1024 * 1024;

    /// That many, if they are taken.
    #[must_use]
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes.is_power_of_two() && bytes >= Self::MIN && bytes <= Self::MAX {
            Some(Self(bytes))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(crate) const fn memory(self) -> usize {
        // INVARIANT: at most 2^24, which every platform with 32 bits or more holds.
        self.0 as usize
    }
}

impl Default for SegmentBytes {
    fn default() -> Self {
        Self(256 * 1024)
    }
}

/// Bytes of a header: a multiple of 4 KiB up to 1 MiB. What readers do not fill is room for those to come.
///
/// The default, 64 KiB, has room for some 50 hybrid keys or 256 others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeaderBytes(u32);

impl HeaderBytes {
    /// The fewest, and the step.
    pub const STEP: u32 = 4 * 1024;
    /// The most.
    pub const MAX: u32 = 1024 * 1024;

    /// That many, if they are taken.
    #[must_use]
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes >= Self::STEP && bytes <= Self::MAX && bytes.is_multiple_of(Self::STEP) {
            Some(Self(bytes))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(crate) const fn memory(self) -> usize {
        // INVARIANT: at most 2^20.
        self.0 as usize
    }
}

impl Default for HeaderBytes {
    fn default() -> Self {
        Self(64 * 1024)
    }
}

/// Places of a file of a certain length; believed only once its last segment has opened as the last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Layout {
    header: u64,
    segment: u64,
    segments: u64,
    plaintext: u64,
}

impl Layout {
    /// The one layout of a file of `file_bytes` bytes, or nothing if there is none: it was cut.
    pub(crate) fn of(header: HeaderBytes, segment: SegmentBytes, file_bytes: u64) -> Option<Self> {
        let (header, segment) = (u64::from(header.get()), u64::from(segment.get()));
        let body = file_bytes.checked_sub(header)?;
        let segments = body.div_ceil(segment + TAG);
        let plaintext = body.checked_sub(segments.checked_mul(TAG)?)?;
        let layout = Self { header, segment, segments, plaintext };
        let whole = segments == 1 || segments > 1 && layout.plain_len(segments - 1) > 0;
        (whole && segments <= MAX_SEGMENTS && plaintext <= MAX_PLAINTEXT_BYTES).then_some(layout)
    }

    /// Plaintext bytes of the file.
    pub(crate) const fn plaintext(&self) -> u64 {
        self.plaintext
    }

    pub(crate) const fn last(&self) -> u64 {
        self.segments - 1
    }

    /// Plaintext bytes of a whole segment.
    pub(crate) const fn segment(&self) -> u64 {
        self.segment
    }

    /// Where in the plaintext a segment begins.
    pub(crate) const fn begins(&self, index: u64) -> u64 {
        index * self.segment
    }

    /// Where in the file a segment lies, and how many bytes it has there with its tag.
    pub(crate) const fn sealed(&self, index: u64) -> (u64, u64) {
        (self.header + index * (self.segment + TAG), self.plain_len(index) + TAG)
    }

    const fn plain_len(&self, index: u64) -> u64 {
        let left = self.plaintext.saturating_sub(index * self.segment);
        if left < self.segment { left } else { self.segment }
    }
}

const TAG: u64 = TAG_BYTES as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(body: u64) -> Option<Layout> {
        let header = HeaderBytes::new(4096)?;
        Layout::of(header, SegmentBytes::new(4096)?, 4096 + body)
    }

    #[test]
    fn a_length_has_one_layout_or_none() {
        for (body, want) in [
            (15, None),
            (16, Some((1, 0))),
            (17, Some((1, 1))),
            (4112, Some((1, 4096))),
            (4113, None),
            (4128, None),
            (4129, Some((2, 4097))),
            (8224, Some((2, 8192))),
            (8225, None),
            (8240, None),
        ] {
            let got = layout(body).map(|layout| (layout.segments, layout.plaintext));
            assert_eq!(got, want, "{body}");
        }
        assert_eq!(layout(0), None);
        assert_eq!(Layout::of(HeaderBytes::default(), SegmentBytes::default(), 4096), None);
    }

    #[test]
    fn bounds_are_taken_and_one_past_them_is_not() {
        let most = MAX_PLAINTEXT_BYTES + MAX_SEGMENTS * TAG;
        assert_eq!(layout(most).map(|layout| layout.segments), Some(MAX_SEGMENTS));
        assert_eq!(layout(most + 17), None);
        let large = SegmentBytes::new(SegmentBytes::MAX).unwrap();
        let segments = MAX_PLAINTEXT_BYTES / u64::from(SegmentBytes::MAX);
        let header = HeaderBytes::new(4096).unwrap();
        let file = 4096 + MAX_PLAINTEXT_BYTES + segments * TAG;
        assert_eq!(Layout::of(header, large, file).map(|layout| layout.segments), Some(segments));
        assert_eq!(Layout::of(header, large, file + 17), None);
        assert_eq!(Layout::of(header, large, u64::MAX), None);
    }

    #[test]
    fn segments_tile_the_file() {
        let layout = layout(8225 + 16).unwrap();
        let mut end = 4096;
        for index in 0..=layout.last() {
            let (at, len) = layout.sealed(index);
            assert_eq!(at, end);
            assert_eq!(layout.begins(index), index * layout.segment());
            end = at + len;
        }
        assert_eq!(end, 4096 + 8225 + 16);
    }

    #[test]
    fn sizes_are_those_of_the_format() {
        for bytes in [0, 1, 2048, 4095, 4097, 6144, 1 << 25, u32::MAX] {
            assert_eq!(SegmentBytes::new(bytes), None, "{bytes}");
        }
        for bytes in [0, 2048, 4097, HeaderBytes::MAX + 4096, u32::MAX] {
            assert_eq!(HeaderBytes::new(bytes), None, "{bytes}");
        }
        assert_eq!(SegmentBytes::new(SegmentBytes::default().get()), Some(SegmentBytes::default()));
        assert_eq!(HeaderBytes::new(HeaderBytes::default().get()), Some(HeaderBytes::default()));
    }
}
