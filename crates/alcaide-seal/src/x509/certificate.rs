//! One certificate, read: what it says of itself. Nothing here believes it.

use std::fmt;

use crate::der::{BadDer, Der, tag};
use crate::digest::{Sha256Digest, hex_digit, hex_value, sha256};
use crate::ecdsa::KeyHint;
use crate::pem;

use super::{CERTIFICATES_MAX, CertificateError};

/// A certificate of version 3.
#[derive(Clone, Eq, PartialEq)]
pub struct Certificate {
    der: Vec<u8>,
    serial: Serial,
    /// The serial number as it is written.
    serial_value: Vec<u8>,
    /// Subject and SubjectPublicKeyInfo, each with its tag and length.
    subject: Vec<u8>,
    /// Issuer without them.
    issuer: Vec<u8>,
    spki: Vec<u8>,
    common_name: Option<String>,
    not_before: u64,
    not_after: u64,
    authority: bool,
    path_length: Option<u32>,
    key_usage: Option<KeyUsage>,
    /// Whether the extended usage allows the signing of code; nothing if there is none.
    signs_code: Option<bool>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct KeyUsage {
    digital_signature: bool,
    certificate_signing: bool,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// [`CertificateError::Damaged`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        read(der).map_err(|BadDer| CertificateError::Damaged { at: 0 })
    }

    /// Reads PEM text with any number of `CERTIFICATE`, in their order.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn all_from_pem(text: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let blocks: Vec<_> =
            pem::blocks(text)?.into_iter().filter(|block| block.label == "CERTIFICATE").collect();
        match blocks.len() {
            0 => return Err(CertificateError::Kind { wanted: "certificate" }),
            count if count > CERTIFICATES_MAX => {
                return Err(CertificateError::TooMany { count, max: CERTIFICATES_MAX });
            }
            _ => {}
        }
        blocks
            .iter()
            .enumerate()
            .map(|(at, block)| read(&block.der).map_err(|BadDer| CertificateError::Damaged { at }))
            .collect()
    }

    /// The DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the DER.
    #[must_use]
    pub fn fingerprint(&self) -> Sha256Digest {
        sha256(&self.der)
    }

    /// The serial number.
    #[must_use]
    pub const fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The name it is about, as DER.
    #[must_use]
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The key it is about, as SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// First second of its validity, since 1970.
    #[must_use]
    pub const fn not_before(&self) -> u64 {
        self.not_before
    }

    /// Last second of its validity, since 1970.
    #[must_use]
    pub const fn not_after(&self) -> u64 {
        self.not_after
    }

    /// Its common name as it may be shown, or its serial number.
    #[must_use]
    pub fn subject_text(&self) -> String {
        match &self.common_name {
            Some(name) => crate::cut(name),
            None => format!("serial {}", self.serial),
        }
    }

    /// The name it is about, part by part in their order, each with its text as it is meant: the same characters are the same text
    /// in whichever way they are encoded.
    #[must_use]
    pub fn subject_parts(&self) -> Vec<NamePart> {
        name_parts(Der::new(self.subject_value())).unwrap_or_default()
    }

    /// How bundles would name its key, whatever the algorithm is.
    #[must_use]
    pub fn key_hint(&self) -> KeyHint {
        KeyHint::of_spki(&self.spki)
    }

    /// The serial number without tag and length.
    pub(super) fn serial_value(&self) -> &[u8] {
        &self.serial_value
    }

    /// Issuer without tag and length.
    pub(super) fn issuer_value(&self) -> &[u8] {
        &self.issuer
    }

    /// Most authorities between it and a leaf, if it says.
    pub(super) const fn path_length(&self) -> Option<u32> {
        self.path_length
    }

    /// Subject without tag and length.
    pub(super) fn subject_value(&self) -> &[u8] {
        Der::new(&self.subject).value(tag::SEQUENCE).unwrap_or_default()
    }

    /// Whether basic constraints make it an authority.
    pub(super) const fn is_authority(&self) -> bool {
        self.authority
    }

    /// Whether it may sign certificates, as far as key usage says.
    pub(super) const fn may_issue(&self) -> bool {
        match self.key_usage {
            Some(usage) => usage.certificate_signing,
            None => true,
        }
    }

    /// Whether its key may sign: key usage names it, or there is none and the purpose is the signing of code.
    pub(super) const fn may_sign(&self) -> bool {
        match (self.key_usage, self.signs_code) {
            (Some(usage), _) => usage.digital_signature,
            (None, Some(signs)) => signs,
            (None, None) => false,
        }
    }

    /// Whether extended usage, if there is any, allows the signing of code.
    pub(super) fn may_sign_code(&self) -> bool {
        self.signs_code != Some(false)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Certificate({} {})", self.subject_text(), self.serial)
    }
}

/// One attribute of a name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NamePart {
    /// What it is: the content of an OBJECT IDENTIFIER.
    pub kind: Vec<u8>,
    /// Its characters.
    pub text: String,
}

/// A serial number, as the bytes of its INTEGER without leading zeros; as text lower-case hexadecimal digits.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Serial(Box<[u8]>);

impl Serial {
    /// Reads hexadecimal digits in either case, with or without colons: as OpenSSL prints it.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut nibbles = Vec::new();
        for digit in text.bytes().filter(|byte| *byte != b':') {
            nibbles.push(hex_value(digit.to_ascii_lowercase())?);
        }
        if nibbles.is_empty() || nibbles.len() > 2 * SERIAL_BYTES_MAX {
            return None;
        }
        if nibbles.len() % 2 == 1 {
            nibbles.insert(0, 0);
        }
        let bytes: Vec<u8> = nibbles
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |sum: u8, nibble| sum << 4 | nibble))
            .collect();
        Some(Self::from_bytes(&bytes))
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self(bytes.get(zeros..).unwrap_or_default().into())
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str("00");
        }
        for byte in &self.0 {
            write!(out, "{}{}", char::from(hex_digit(byte >> 4)), char::from(hex_digit(byte & 15)))?;
        }
        Ok(())
    }
}

/// Purposes under which models may be signed: codeSigning, anyExtendedKeyUsage.
pub(super) const SIGNING_PURPOSES: [&[usize]; 2] = [&[1, 3, 6, 1, 5, 5, 7, 3, 3], &[2, 5, 29, 37, 0]];

/// codeSigning.
pub(super) const CODE_SIGNING_DER: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
const SIGNING_PURPOSES_DER: [&[u8]; 2] = [CODE_SIGNING_DER, &[0x55, 0x1d, 0x25, 0x00]];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// The longest serial number that RFC 5280 knows is 20 bytes.
const SERIAL_BYTES_MAX: usize = 64;

/// Source: RFC 5280, section 4.1.
fn read(bytes: &[u8]) -> Result<Certificate, BadDer> {
    let mut outer = Der::new(bytes);
    let mut certificate = outer.nested(tag::SEQUENCE)?;
    outer.end()?;
    let mut body = certificate.nested(tag::SEQUENCE)?;
    if body.nested(tag::CONTEXT_0)?.small()? != 2 {
        return Err(BadDer);
    }
    let serial = body.value(tag::INTEGER)?;
    if serial.is_empty() || serial.len() > SERIAL_BYTES_MAX {
        return Err(BadDer);
    }
    body.value(tag::SEQUENCE)?;
    let issuer = body.value(tag::SEQUENCE)?;
    let mut validity = body.nested(tag::SEQUENCE)?;
    let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
    validity.end()?;
    let subject = body.value(tag::SEQUENCE)?;
    let spki = body.value(tag::SEQUENCE)?;
    let mut read = Certificate {
        der: bytes.to_vec(),
        serial: Serial::from_bytes(serial),
        serial_value: serial.to_vec(),
        subject: crate::der::write(tag::SEQUENCE, &[subject]),
        issuer: issuer.to_vec(),
        spki: crate::der::write(tag::SEQUENCE, &[spki]),
        common_name: common_name(Der::new(subject))?,
        not_before,
        not_after,
        authority: false,
        path_length: None,
        key_usage: None,
        signs_code: None,
    };
    if !body.is_empty() {
        extensions(&mut read, body.nested(tag::CONTEXT_3)?)?;
        body.end()?;
    }
    Ok(read)
}

fn extensions(read: &mut Certificate, mut outer: Der<'_>) -> Result<(), BadDer> {
    let mut list = outer.nested(tag::SEQUENCE)?;
    outer.end()?;
    let mut constraints = None;
    while !list.is_empty() {
        let mut extension = list.nested(tag::SEQUENCE)?;
        let id = extension.value(tag::OID)?;
        extension.optional(tag::BOOLEAN)?;
        let value = Der::new(extension.value(tag::OCTET_STRING)?);
        extension.end()?;
        match id {
            KEY_USAGE => once(&mut read.key_usage, key_usage(value)?)?,
            EXTENDED_KEY_USAGE => once(&mut read.signs_code, signs_code(value)?)?,
            BASIC_CONSTRAINTS => once(&mut constraints, authority(value)?)?,
            _ => {}
        }
    }
    (read.authority, read.path_length) = constraints.unwrap_or_default();
    Ok(())
}

/// An extension that is there twice could be read as either.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), BadDer> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadDer),
    }
}

fn key_usage(mut value: Der<'_>) -> Result<KeyUsage, BadDer> {
    let bits = value.value(tag::BIT_STRING)?;
    value.end()?;
    let [unused @ 0..=7, bits @ ..] = bits else { return Err(BadDer) };
    if bits.is_empty() && *unused != 0 {
        return Err(BadDer);
    }
    // Bit 0 is the highest one of the first byte.
    let first = bits.first().copied().unwrap_or_default();
    Ok(KeyUsage { digital_signature: first & 0x80 != 0, certificate_signing: first & 0x04 != 0 })
}

fn signs_code(mut value: Der<'_>) -> Result<bool, BadDer> {
    let mut purposes = value.nested(tag::SEQUENCE)?;
    value.end()?;
    let mut found = false;
    while !purposes.is_empty() {
        found |= SIGNING_PURPOSES_DER.contains(&purposes.value(tag::OID)?);
    }
    Ok(found)
}

/// Whether it is an authority, and how many may come below it.
///
/// Source: RFC 5280, section 4.2.1.9.
fn authority(mut value: Der<'_>) -> Result<(bool, Option<u32>), BadDer> {
    let mut constraints = value.nested(tag::SEQUENCE)?;
    value.end()?;
    let authority = match constraints.optional(tag::BOOLEAN)? {
        None | Some([0]) => false,
        Some([0xff]) => true,
        Some(_) => return Err(BadDer),
    };
    let length = if constraints.is_empty() { None } else { Some(constraints.small()?) };
    constraints.end()?;
    Ok((authority, length))
}

/// Source: RFC 5280, section 4.1.2.4.
pub(super) fn name_parts(mut names: Der<'_>) -> Result<Vec<NamePart>, BadDer> {
    let mut parts = Vec::new();
    while !names.is_empty() {
        let mut set = Der::new(names.any()?.1);
        while !set.is_empty() {
            let mut pair = set.nested(tag::SEQUENCE)?;
            let (kind, (encoding, text)) = (pair.value(tag::OID)?, pair.any()?);
            parts.push(NamePart { kind: kind.to_vec(), text: text_of(encoding, text) });
        }
    }
    Ok(parts)
}

/// The characters of a string of a name. What is none, or damaged, is told byte for byte with its tag.
fn text_of(encoding: u8, bytes: &[u8]) -> String {
    let wide = |width: usize| -> Option<String> {
        let units = bytes.chunks_exact(width);
        if !units.remainder().is_empty() {
            return None;
        }
        units
            .map(|unit| unit.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)))
            .map(char::from_u32)
            .collect()
    };
    let text = match encoding {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString.
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a => std::str::from_utf8(bytes).ok().map(str::to_owned),
        // TeletexString, which everybody writes as Latin-1.
        0x14 => Some(bytes.iter().copied().map(char::from).collect()),
        // UniversalString, BMPString.
        0x1c => wide(4),
        0x1e => wide(2),
        _ => None,
    };
    text.unwrap_or_else(|| {
        bytes.iter().fold(format!("#{encoding:02x}"), |sum, byte| sum + &format!("{byte:02x}"))
    })
}

fn common_name(mut names: Der<'_>) -> Result<Option<String>, BadDer> {
    let mut found = None;
    while !names.is_empty() {
        let mut set = Der::new(names.any()?.1);
        while !set.is_empty() {
            let mut pair = set.nested(tag::SEQUENCE)?;
            let (id, (_, text)) = (pair.value(tag::OID)?, pair.any()?);
            if id == COMMON_NAME {
                found = Some(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    Ok(found)
}

/// Seconds since 1970; what is before counts as 1970.
///
/// Source: RFC 5280, section 4.1.2.5.
pub(super) fn time(from: &mut Der<'_>) -> Result<u64, BadDer> {
    let (kind, text) = from.any()?;
    let (year, rest) = match (kind, text) {
        (tag::UTC_TIME, [a, b, rest @ ..]) => {
            let year = two(*a, *b)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (tag::GENERALIZED_TIME, [a, b, c, d, rest @ ..]) => (two(*a, *b)? * 100 + two(*c, *d)?, rest),
        _ => return Err(BadDer),
    };
    let [mo1, mo2, d1, d2, h1, h2, m1, m2, s1, s2, b'Z'] = rest else { return Err(BadDer) };
    let (month, day) = (two(*mo1, *mo2)?, two(*d1, *d2)?);
    let (hour, minute, second) = (two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?);
    if !(1..=12).contains(&month)
        || day < 1
        || day > days_of(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return Err(BadDer);
    }
    // Days since 1970 by counting in years that begin with March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    let seconds = (days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second;
    Ok(u64::try_from(seconds).unwrap_or(0))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn two(high: u8, low: u8) -> Result<i64, BadDer> {
    if high.is_ascii_digit() && low.is_ascii_digit() {
        Ok(i64::from(high - b'0') * 10 + i64::from(low - b'0'))
    } else {
        Err(BadDer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        let read = |kind: u8, text: &str| time(&mut Der::new(&crate::der::write(kind, &[text.as_bytes()])));
        assert_eq!(read(tag::UTC_TIME, "700101000000Z"), Ok(0));
        assert_eq!(read(tag::UTC_TIME, "000301000000Z"), Ok(951_868_800));
        assert_eq!(read(tag::UTC_TIME, "491231235959Z"), Ok(2_524_607_999));
        assert_eq!(read(tag::UTC_TIME, "500101000000Z"), Ok(0));
        assert_eq!(read(tag::GENERALIZED_TIME, "20240229120000Z"), Ok(1_709_208_000));
        assert_eq!(read(tag::GENERALIZED_TIME, "99991231235959Z"), Ok(253_402_300_799));
        assert_eq!(read(tag::GENERALIZED_TIME, "00000101000000Z"), Ok(0));
        for wrong in
            ["20230229120000Z", "20241301000000Z", "20240101240000Z", "20240101000000", "2024010100000xZ"]
        {
            assert_eq!(read(tag::GENERALIZED_TIME, wrong), Err(BadDer), "{wrong}");
        }
    }

    #[test]
    fn serial_numbers_are_read_as_they_are_printed() {
        let serial = Serial::from_hex("07:19:FC:56").unwrap();
        assert_eq!(serial.to_string(), "0719fc56");
        assert_eq!(Serial::from_hex("719fc56"), Some(serial.clone()));
        assert_eq!(Serial::from_hex("000719fc56"), Some(serial));
        assert_eq!(Serial::from_hex("x"), None);
        assert_eq!(Serial::from_hex(""), None);
        assert_eq!(Serial::from_hex("0").unwrap().to_string(), "00");
    }
}
