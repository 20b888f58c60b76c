//! The header of a 7z archive: streams, folders of coders, files (`7zFormat.txt` of the LZMA SDK).

use crate::bytes::{Cursor, size};
use crate::name::Name;

/// Coders of one folder, at most; writers use four.
const CODERS_MAX: u64 = 8;
/// Files, folders and streams, at most each: what is read of them is held in memory.
const COUNT_MAX: u64 = 100_000;
/// Streams into one coder, at most.
const STREAMS_MAX: u64 = 8;

/// One step of unpacking.
#[derive(Clone, Debug)]
pub(super) struct Coder {
    pub(super) id: Vec<u8>,
    pub(super) properties: Vec<u8>,
    /// Streams that go in; one comes out.
    pub(super) inputs: usize,
    pub(super) len: u64,
}

/// Coders that belong together, and how they are joined.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    pub(super) coders: Vec<Coder>,
    /// Which coder's output goes into which stream, counted over all coders.
    pub(super) bonds: Vec<(usize, usize)>,
    /// Which streams come from the file, in the order of the packed streams.
    pub(super) packed: Vec<usize>,
    pub(super) first_packed: usize,
    pub(super) crc: Option<u32>,
    /// The files in it: length, and checksum if there is one.
    pub(super) parts: Vec<(u64, Option<u32>)>,
}

/// Where packed streams lie and how they are unpacked.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    /// Place behind the first header, and length.
    pub(super) packed: Vec<(u64, u64)>,
    pub(super) folders: Vec<Folder>,
}

/// What is said of a file beside its bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) name: Name,
    pub(super) empty: bool,
    /// An empty stream that is a file; else it is a folder.
    pub(super) empty_file: bool,
    pub(super) anti: bool,
    pub(super) attributes: u32,
}

/// What a header is.
pub(super) enum Header {
    /// It is packed itself.
    Packed(Streams),
    /// It is this.
    Plain(Streams, Vec<File>),
}

pub(super) fn read(bytes: &[u8]) -> Option<Header> {
    let mut cursor = Cursor::new(bytes);
    match cursor.u8()? {
        0x17 => Some(Header::Packed(streams(&mut cursor)?)),
        0x01 => {
            let (mut main, mut files) = (Streams::default(), Vec::new());
            loop {
                match cursor.u8()? {
                    0 => return Some(Header::Plain(main, files)),
                    2 => loop {
                        if cursor.u8()? == 0 {
                            break;
                        }
                        let len = number(&mut cursor)?;
                        cursor.take(size(len))?;
                    },
                    3 => drop(streams(&mut cursor)?),
                    4 => main = streams(&mut cursor)?,
                    5 => files = self::files(&mut cursor)?,
                    _ => return None,
                }
            }
        }
        _ => None,
    }
}

/// A number whose first byte says by its leading ones how many follow.
fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    let first = cursor.u8()?;
    let mut value = 0_u64;
    for place in 0..8_u32 {
        let mask = 0x80_u8 >> place;
        if first & mask == 0 {
            let high = u64::from(first & mask.wrapping_sub(1));
            return Some(value | high << (8 * place));
        }
        value |= u64::from(cursor.u8()?) << (8 * place);
    }
    Some(value)
}

/// A count of things that are listed.
fn count(cursor: &mut Cursor<'_>) -> Option<usize> {
    let count = number(cursor)?;
    (count <= COUNT_MAX).then_some(size(count))
}

fn bits(cursor: &mut Cursor<'_>, count: usize) -> Option<Vec<bool>> {
    let bytes = cursor.take(count.div_ceil(8))?;
    let all = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0));
    Some(all.take(count).collect())
}

/// Bits of which a byte may say that all are set.
fn some_bits(cursor: &mut Cursor<'_>, count: usize) -> Option<Vec<bool>> {
    match cursor.u8()? {
        0 => bits(cursor, count),
        _ => Some(vec![true; count]),
    }
}

fn digests(cursor: &mut Cursor<'_>, count: usize) -> Option<Vec<Option<u32>>> {
    let defined = some_bits(cursor, count)?;
    let mut sums = Vec::new();
    for defined in defined {
        sums.push(if defined { Some(cursor.u32()?) } else { None });
    }
    Some(sums)
}

fn streams(cursor: &mut Cursor<'_>) -> Option<Streams> {
    let mut streams = Streams::default();
    loop {
        match cursor.u8()? {
            0 => break,
            6 => packed(cursor, &mut streams)?,
            7 => folders(cursor, &mut streams)?,
            8 => {
                parts(cursor, &mut streams)?;
                continue;
            }
            _ => return None,
        }
    }
    for folder in &mut streams.folders {
        if folder.parts.is_empty() {
            folder.parts.push((folder.len()?, folder.crc));
        }
        folder.parts.retain(|&(len, _)| len != u64::MAX);
    }
    Some(streams)
}

fn packed(cursor: &mut Cursor<'_>, streams: &mut Streams) -> Option<()> {
    let mut place = number(cursor)?;
    let count = count(cursor)?;
    loop {
        match cursor.u8()? {
            0 => return Some(()),
            9 => {
                for _ in 0..count {
                    let len = number(cursor)?;
                    streams.packed.push((place, len));
                    place = place.checked_add(len)?;
                }
            }
            0x0a => drop(digests(cursor, count)?),
            _ => return None,
        }
    }
}

fn folders(cursor: &mut Cursor<'_>, streams: &mut Streams) -> Option<()> {
    if cursor.u8()? != 0x0b {
        return None;
    }
    let count = count(cursor)?;
    if cursor.u8()? != 0 {
        return None;
    }
    let mut first_packed = 0;
    for _ in 0..count {
        let mut folder = folder(cursor)?;
        folder.first_packed = first_packed;
        first_packed += folder.packed.len();
        streams.folders.push(folder);
    }
    if cursor.u8()? != 0x0c {
        return None;
    }
    for folder in &mut streams.folders {
        for coder in &mut folder.coders {
            coder.len = number(cursor)?;
        }
    }
    loop {
        match cursor.u8()? {
            0 => return Some(()),
            0x0a => {
                let sums = digests(cursor, count)?;
                for (folder, sum) in streams.folders.iter_mut().zip(sums) {
                    folder.crc = sum;
                }
            }
            _ => return None,
        }
    }
}

fn folder(cursor: &mut Cursor<'_>) -> Option<Folder> {
    let mut folder = Folder::default();
    let coders = number(cursor)?;
    if coders == 0 || coders > CODERS_MAX {
        return None;
    }
    let mut inputs = 0_usize;
    for _ in 0..coders {
        let flags = cursor.u8()?;
        let id = cursor.take(usize::from(flags & 0x0f))?.to_vec();
        let (mut ins, mut outs) = (1, 1);
        if flags & 0x10 != 0 {
            ins = number(cursor)?;
            outs = number(cursor)?;
        }
        // No coder in use has several outputs, and the bit on top was never given a meaning.
        if outs != 1 || ins == 0 || ins > STREAMS_MAX || flags & 0xc0 != 0 {
            return None;
        }
        let properties = match flags & 0x20 {
            0 => Vec::new(),
            _ => {
                let len = number(cursor)?;
                cursor.take(size(len))?.to_vec()
            }
        };
        inputs += size(ins);
        folder.coders.push(Coder { id, properties, inputs: size(ins), len: 0 });
    }
    let bonds = folder.coders.len() - 1;
    for _ in 0..bonds {
        folder.bonds.push((size(number(cursor)?), size(number(cursor)?)));
    }
    match inputs.checked_sub(bonds)? {
        0 => return None,
        1 => {
            let free = (0..inputs).find(|input| !folder.bonds.iter().any(|(bound, _)| bound == input))?;
            folder.packed.push(free);
        }
        several => {
            for _ in 0..several {
                folder.packed.push(size(number(cursor)?));
            }
        }
    }
    Some(folder)
}

impl Folder {
    /// The coder whose output is the folder's.
    pub(super) fn main(&self) -> Option<usize> {
        (0..self.coders.len()).find(|coder| !self.bonds.iter().any(|(_, output)| output == coder))
    }

    pub(super) fn len(&self) -> Option<u64> {
        Some(self.coders.get(self.main()?)?.len)
    }
}

fn parts(cursor: &mut Cursor<'_>, streams: &mut Streams) -> Option<()> {
    let mut counts: Vec<usize> = vec![1; streams.folders.len()];
    let mut id = cursor.u8()?;
    if id == 0x0d {
        for place in &mut counts {
            *place = count(cursor)?;
        }
        let all = counts.iter().map(|&count| count as u64).sum::<u64>();
        if all > COUNT_MAX {
            return None;
        }
        id = cursor.u8()?;
    }
    let sized = id == 9;
    for (folder, &count) in streams.folders.iter_mut().zip(&counts) {
        // A mark for none, so that a folder without files is not taken for one with a single one.
        if count == 0 {
            folder.parts.push((u64::MAX, None));
            continue;
        }
        let mut left = folder.len()?;
        for _ in 1..count {
            let len = if sized { number(cursor)? } else { return None };
            left = left.checked_sub(len)?;
            folder.parts.push((len, None));
        }
        folder.parts.push((left, if count == 1 { folder.crc } else { None }));
    }
    if sized {
        id = cursor.u8()?;
    }
    if id == 0x0a {
        // Only those whose checksum the folder's own does not already say.
        let open = |folder: &Folder, count: usize| !(count == 1 && folder.crc.is_some());
        let wanted: usize = streams
            .folders
            .iter()
            .zip(&counts)
            .filter(|(folder, count)| open(folder, **count))
            .map(|(_, n)| n)
            .sum();
        let mut sums = digests(cursor, wanted)?.into_iter();
        for (folder, &count) in streams.folders.iter_mut().zip(&counts) {
            if count > 0 && open(folder, count) {
                for (_, crc) in &mut folder.parts {
                    *crc = sums.next()?;
                }
            }
        }
        id = cursor.u8()?;
    }
    (id == 0).then_some(())
}

fn files(cursor: &mut Cursor<'_>) -> Option<Vec<File>> {
    let count = count(cursor)?;
    let mut files = vec![File::default(); count];
    loop {
        let kind = cursor.u8()?;
        if kind == 0 {
            return Some(files);
        }
        let len = number(cursor)?;
        let mut body = Cursor::new(cursor.take(size(len))?);
        match kind {
            0x0e => {
                for (file, bit) in files.iter_mut().zip(bits(&mut body, count)?) {
                    file.empty = bit;
                }
            }
            0x0f | 0x10 => {
                let empty = files.iter().filter(|file| file.empty).count();
                let set = bits(&mut body, empty)?;
                for (file, bit) in files.iter_mut().filter(|file| file.empty).zip(set) {
                    match kind {
                        0x0f => file.empty_file = bit,
                        _ => file.anti = bit,
                    }
                }
            }
            0x11 => {
                if body.u8()? != 0 {
                    return None;
                }
                for file in &mut files {
                    let mut units = Vec::new();
                    loop {
                        match body.u16()? {
                            0 => break,
                            unit => units.push(unit),
                        }
                    }
                    file.name = Name::new(String::from_utf16_lossy(&units).as_bytes());
                }
            }
            0x15 => {
                let defined = some_bits(&mut body, count)?;
                if body.u8()? != 0 {
                    return None;
                }
                for (file, _) in files.iter_mut().zip(defined).filter(|(_, defined)| *defined) {
                    file.attributes = body.u32()?;
                }
            }
            _ => {}
        }
    }
}
