//! A reader of DER: definite lengths in their shortest form, single-byte tags, nothing left over unnoticed.
//!
//! It borrows and never recurses; what it gives is a tag and the bytes of a value. Source: X.690, section 10.

/// Universal tags, and the context tags that certificates and keys use.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const CONTEXT_0: u8 = 0xa0;
    pub(crate) const CONTEXT_3: u8 = 0xa3;
}

/// The bytes are no DER of the kind that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BadDer;

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tag of the next value, if there is one.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value: its tag and its content.
    pub(crate) fn any(&mut self) -> Result<(u8, &'a [u8]), BadDer> {
        let [tag, first, rest @ ..] = self.0 else { return Err(BadDer) };
        if tag & 0x1f == 0x1f {
            return Err(BadDer);
        }
        let (length, rest) = match (*first, rest) {
            (0..=0x7f, _) => (usize::from(*first), rest),
            (0x81, [low, rest @ ..]) if *low >= 0x80 => (usize::from(*low), rest),
            (0x82, [high, low, rest @ ..]) if *high > 0 => (joined(0, *high, *low), rest),
            (0x83, [high, middle, low, rest @ ..]) if *high > 0 => (joined(*high, *middle, *low), rest),
            // Revocation lists are larger than 16 MiB.
            (0x84, [top, high, middle, low, rest @ ..]) if *top > 0 => {
                (usize::from(*top) << 24 | joined(*high, *middle, *low), rest)
            }
            _ => return Err(BadDer),
        };
        let (value, rest) = rest.split_at_checked(length).ok_or(BadDer)?;
        self.0 = rest;
        Ok((*tag, value))
    }

    /// The next value, which must have this tag.
    pub(crate) fn value(&mut self, tag: u8) -> Result<&'a [u8], BadDer> {
        match self.any()? {
            (found, value) if found == tag => Ok(value),
            _ => Err(BadDer),
        }
    }

    /// The next value if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, BadDer> {
        if self.peek() == Some(tag) { self.value(tag).map(Some) } else { Ok(None) }
    }

    /// What is inside the next value, which must have this tag.
    pub(crate) fn nested(&mut self, tag: u8) -> Result<Der<'a>, BadDer> {
        self.value(tag).map(Der)
    }

    /// The content of a bit string of whole bytes.
    pub(crate) fn bytes_of_bits(&mut self) -> Result<&'a [u8], BadDer> {
        match self.value(tag::BIT_STRING)? {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(BadDer),
        }
    }

    /// A non-negative integer that fits.
    pub(crate) fn small(&mut self) -> Result<u32, BadDer> {
        match self.value(tag::INTEGER)? {
            [0] => Ok(0),
            [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => widen(rest),
            rest if rest.first().is_some_and(|first| (1..0x80).contains(first)) => widen(rest),
            _ => Err(BadDer),
        }
    }

    /// Refuses what is left over.
    pub(crate) fn end(&self) -> Result<(), BadDer> {
        if self.0.is_empty() { Ok(()) } else { Err(BadDer) }
    }
}

fn joined(high: u8, middle: u8, low: u8) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

fn widen(bytes: &[u8]) -> Result<u32, BadDer> {
    if bytes.len() > 4 {
        return Err(BadDer);
    }
    Ok(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

/// One value, written.
pub(crate) fn write(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length.to_le_bytes()[0]),
        _ => {
            let bytes = length.to_be_bytes();
            let significant: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | significant.len().to_le_bytes()[0]);
            out.extend_from_slice(&significant);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_read_in_their_shortest_form_only() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 100_000] {
            let body = vec![7; length];
            let written = write(tag::OCTET_STRING, &[&body]);
            let mut der = Der::new(&written);
            assert_eq!(der.value(tag::OCTET_STRING), Ok(body.as_slice()));
            assert!(der.end().is_ok());
        }
        let long_forms: [&[u8]; 7] = [
            &[4, 0x81, 1, 9],
            &[4, 0x82, 0, 1, 9],
            &[4, 0x80, 0, 0],
            &[4, 0x84, 0, 0, 0, 1, 9],
            &[0x1f, 1, 1],
            &[4, 2, 9],
            &[4],
        ];
        for bytes in long_forms {
            assert_eq!(Der::new(bytes).any(), Err(BadDer), "{bytes:?}");
        }
    }

    #[test]
    fn integers_are_read_in_their_shortest_form_only() {
        for (bytes, value) in [
            (&[2, 1, 0][..], Ok(0)),
            (&[2, 1, 5], Ok(5)),
            (&[2, 2, 0, 0x80], Ok(128)),
            (&[2, 3, 1, 0, 0], Ok(65_536)),
            (&[2, 5, 0, 0xff, 0xff, 0xff, 0xff], Ok(u32::MAX)),
            (&[2, 5, 1, 0, 0, 0, 0], Err(BadDer)),
            (&[2, 2, 0, 1], Err(BadDer)),
            (&[2, 1, 0x80], Err(BadDer)),
            (&[2, 0], Err(BadDer)),
        ] {
            assert_eq!(Der::new(bytes).small(), value, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut der = Der::new(&bytes);
            let mut seen = 0;
            while let Ok((_, value)) = der.any() {
                seen += value.len() + 2;
                prop_assert!(seen <= bytes.len());
            }
        }
    }
}
