//! Small writers of archives and compressed streams, with the choices that honest writers have, and some that they do not use.

use std::io::Write as _;

/// How a zip member is packed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    Stored,
    Deflate,
    Bzip2,
    Lzma,
}

/// What may differ between two zip files of the same members.
#[derive(Clone, Debug)]
pub(crate) struct ZipShape {
    pub(crate) method: Method,
    /// Sizes and sum behind the member, zeros in its header.
    pub(crate) descriptor: bool,
    /// Sizes and places in the 64-bit extra field.
    pub(crate) zip64: bool,
    pub(crate) prefix: Vec<u8>,
    /// Whether places count from the beginning of the file, prefix and all.
    pub(crate) counts_prefix: bool,
    pub(crate) comment: Vec<u8>,
    pub(crate) suffix: Vec<u8>,
    /// Another extra field that nobody knows.
    pub(crate) extra: Vec<u8>,
}

impl ZipShape {
    pub(crate) const fn plain(method: Method) -> Self {
        Self {
            method,
            descriptor: false,
            zip64: false,
            prefix: Vec::new(),
            counts_prefix: true,
            comment: Vec::new(),
            suffix: Vec::new(),
            extra: Vec::new(),
        }
    }
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

pub(crate) fn put(out: &mut Vec<u8>, numbers: &[(usize, u64)]) {
    for (size, number) in numbers {
        out.extend(&number.to_le_bytes()[..*size]);
    }
}

/// A zip file of `members`, names and contents.
pub(crate) fn zip(members: &[(&str, &[u8])], shape: &ZipShape) -> Vec<u8> {
    let mut out = shape.prefix.clone();
    let base = if shape.counts_prefix { 0 } else { out.len() as u64 };
    let mut directory = Vec::new();
    for (name, plain) in members {
        let place = out.len() as u64 - base;
        let (code, data) = packed(shape.method, plain);
        let (sum, len, size) = (u64::from(crc32(plain)), plain.len() as u64, data.len() as u64);
        // With LZMA the second bit says that an end mark stands in the stream; we write one.
        let flags = u64::from(shape.descriptor) << 3 | u64::from(shape.method == Method::Lzma) << 1;
        let version = match (shape.method, shape.zip64) {
            (Method::Bzip2, _) => 46,
            (Method::Lzma, _) => 63,
            (_, true) => 45,
            _ => 20,
        };
        let wide = |numbers: &[u64]| {
            let mut extra = shape.extra.clone();
            if shape.zip64 {
                put(&mut extra, &[(2, 1), (2, 8 * numbers.len() as u64)]);
                numbers.iter().for_each(|number| put(&mut extra, &[(8, *number)]));
            }
            extra
        };
        let narrow = |number: u64| if shape.zip64 { u64::from(u32::MAX) } else { number };
        let late = |number: u64| if shape.descriptor { 0 } else { number };
        let extra = wide(&[late(len), late(size)]);
        out.extend(b"PK\x03\x04");
        put(&mut out, &[(2, version), (2, flags), (2, code), (2, 0), (2, 33), (4, late(sum))]);
        put(&mut out, &[(4, if shape.zip64 { narrow(size) } else { late(size) })]);
        put(&mut out, &[(4, if shape.zip64 { narrow(len) } else { late(len) })]);
        put(&mut out, &[(2, name.len() as u64), (2, extra.len() as u64)]);
        out.extend(name.as_bytes());
        out.extend(extra);
        out.extend(&data);
        if shape.descriptor {
            let wide = if shape.zip64 { 8 } else { 4 };
            out.extend(b"PK\x07\x08");
            put(&mut out, &[(4, sum), (wide, size), (wide, len)]);
        }
        let extra = wide(&[len, size, place]);
        directory.extend(b"PK\x01\x02");
        put(&mut directory, &[(2, 0x300 | version), (2, version), (2, flags), (2, code), (2, 0), (2, 33)]);
        put(&mut directory, &[(4, sum), (4, narrow(size)), (4, narrow(len)), (2, name.len() as u64)]);
        put(&mut directory, &[(2, extra.len() as u64), (2, 0), (2, 0), (2, 0), (4, 0o100_644 << 16)]);
        put(&mut directory, &[(4, narrow(place))]);
        directory.extend(name.as_bytes());
        directory.extend(extra);
    }
    let (start, count) = (out.len() as u64 - base, members.len() as u64);
    out.extend(&directory);
    if shape.zip64 {
        let place = out.len() as u64 - base;
        out.extend(b"PK\x06\x06");
        put(&mut out, &[(8, 44), (2, 45), (2, 45), (4, 0), (4, 0), (8, count), (8, count)]);
        put(&mut out, &[(8, directory.len() as u64), (8, start)]);
        out.extend(b"PK\x06\x07");
        put(&mut out, &[(4, 0), (8, place), (4, 1)]);
    }
    out.extend(b"PK\x05\x06");
    put(&mut out, &[(2, 0), (2, 0), (2, count), (2, count), (4, directory.len() as u64), (4, start)]);
    put(&mut out, &[(2, shape.comment.len() as u64)]);
    out.extend(&shape.comment);
    out.extend(&shape.suffix);
    out
}

fn packed(method: Method, plain: &[u8]) -> (u64, Vec<u8>) {
    match method {
        Method::Stored => (0, plain.to_vec()),
        Method::Deflate => {
            let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(plain).unwrap();
            (8, out.finish().unwrap())
        }
        Method::Bzip2 => (12, bzip2(plain)),
        Method::Lzma => {
            let options = lzma_options();
            let mut writer = lzma_rust2::LzmaWriter::new_no_header(
                vec![9, 20, 5, 0, PROPERTIES, 0, 0, 1, 0],
                &options,
                true,
            )
            .unwrap();
            writer.write_all(plain).unwrap();
            (14, writer.finish().unwrap())
        }
    }
}

/// lc 3, lp 0, pb 2 in one byte, as the options below say.
const PROPERTIES: u8 = (2 * 5) * 9 + 3;

fn lzma_options() -> lzma_rust2::LzmaOptions {
    let mut options = lzma_rust2::LzmaOptions::with_preset(1);
    options.dict_size = 1 << 16;
    (options.lc, options.lp, options.pb) = (3, 0, 2);
    options
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

pub(crate) fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

pub(crate) fn bzip2(plain: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

pub(crate) fn zstandard(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}

/// The file format before xz.
pub(crate) fn lzma(plain: &[u8]) -> Vec<u8> {
    let len = Some(plain.len() as u64);
    let mut out = lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &lzma_options(), len).unwrap();
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

fn lzma2(plain: &[u8]) -> Vec<u8> {
    let mut out = lzma_rust2::Lzma2Writer::new(Vec::new(), lzma_rust2::Lzma2Options::with_preset(1));
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

/// One block of LZMA2 with a CRC-32. Source: The .xz File Format 1.2.1.
pub(crate) fn xz(plain: &[u8]) -> Vec<u8> {
    let pad = |bytes: &mut Vec<u8>| bytes.resize(bytes.len().next_multiple_of(4), 0);
    let sealed = |mut bytes: Vec<u8>| {
        let sum = crc32(&bytes);
        put(&mut bytes, &[(4, sum.into())]);
        bytes
    };
    let data = lzma2(plain);
    let mut block = sealed(vec![2, 0, 0x21, 1, 22, 0, 0, 0]);
    block.extend(&data);
    let unpadded = block.len() as u64 + 4;
    pad(&mut block);
    put(&mut block, &[(4, crc32(plain).into())]);
    let mut index = vec![0, 1];
    index.extend(varint(unpadded));
    index.extend(varint(plain.len() as u64));
    pad(&mut index);
    let index = sealed(index);
    let mut back = Vec::new();
    put(&mut back, &[(4, index.len() as u64 / 4 - 1), (2, 0x100)]);
    let sum = crc32(&back).to_le_bytes();
    [&b"\xfd7zXZ\0"[..], &sealed(vec![0, 1]), &block, &index, &sum, &back, b"YZ"].concat()
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, data) in members {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        block[136..147].copy_from_slice(b"00000000000");
        block[156] = b'0';
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend(block);
        out.extend(*data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// One folder, packed with LZMA2 or stored; its header is not packed. Source: 7zFormat.txt of the LZMA SDK.
pub(crate) fn sevenz(members: &[(&str, &[u8])], pack: bool) -> Vec<u8> {
    let number = |out: &mut Vec<u8>, number: u64| match u8::try_from(number) {
        Ok(small @ 0..=0x7f) => out.push(small),
        _ => {
            out.push(0xff);
            out.extend(number.to_le_bytes());
        }
    };
    let whole: Vec<u8> = members.iter().flat_map(|(_, data)| data.iter().copied()).collect();
    let body = if pack { lzma2(&whole) } else { whole.clone() };
    let coder: &[u8] = if pack { &[1, 0x21, 0x21, 1, 22] } else { &[1, 1, 0] };
    let mut header = vec![1, 4, 6];
    number(&mut header, 0);
    header.extend([1, 9]);
    number(&mut header, body.len() as u64);
    header.extend([0, 7, 0x0b, 1, 0]);
    header.extend(coder);
    header.push(0x0c);
    number(&mut header, whole.len() as u64);
    header.extend([0, 8]);
    if members.len() != 1 {
        header.push(0x0d);
        number(&mut header, members.len() as u64);
        header.push(9);
        members[..members.len() - 1].iter().for_each(|(_, data)| number(&mut header, data.len() as u64));
    }
    header.extend([0x0a, 1]);
    members.iter().for_each(|(_, data)| header.extend(crc32(data).to_le_bytes()));
    header.extend([0, 0, 5]);
    number(&mut header, members.len() as u64);
    let mut names = vec![0];
    for (name, _) in members {
        names.extend(name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    }
    header.push(0x11);
    number(&mut header, names.len() as u64);
    header.extend(names);
    header.extend([0, 0]);
    let mut start = Vec::new();
    put(&mut start, &[(8, body.len() as u64), (8, header.len() as u64), (4, crc32(&header).into())]);
    let sum = crc32(&start).to_le_bytes();
    [&b"7z\xbc\xaf\x27\x1c\0\x04"[..], &sum, &start, &body, &header].concat()
}
