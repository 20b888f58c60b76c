//! GGUF: typed keys and values, a list of tensors, their bytes; versions 1 to 3, in both byte orders.
//!
//! No number from the file is believed before it is held against what is left of the file. Templates, however many
//! and whatever they are called, go to the template analyser; texts are searched; vocabularies are plain data.
//!
//! Source: `docs/gguf.md` of ggml, and the block layouts of its `ggml-common.h`.

mod types;

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use alcaide_container::{Input, ReadError};

use crate::coverage::Kind;
use crate::cursor::Cursor;
use crate::rules::formats as rules;
use crate::scanner::{Scanner, shown};
use crate::tensors::{Claims, Clash};
use crate::{template, text};

use types::{ARRAY, BOOL, TEXT, U32, layout, width};

const KEY_MAX: u64 = 65_535;
const NAME_MAX: usize = 64;
const DIMS_MAX: u32 = 4;
const TEXT_MAX: usize = 4 << 20;
const NAMES_MAX: usize = 1 << 18;
const NEST_MAX: usize = 8;
const ALIGNMENT: u64 = 32;
const ALIGNMENT_MAX: u64 = 1 << 20;
const CLASHES_MAX: usize = 16;

/// Whether `head` is that of a GGUF file.
pub(crate) fn is_head(head: &[u8]) -> bool {
    head.starts_with(b"GGUF")
}

/// Whether `head` is that of the formats before GGUF, which declare no layout.
pub(crate) fn is_old_head(head: &[u8]) -> bool {
    [b"lmgg", b"fmgg", b"tjgg", b"algg"].iter().any(|magic| head.starts_with(*magic))
}

/// Judges a file.
pub(crate) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    let fuel = scanner.fuel().clone();
    let mut cursor = Cursor::new(input, &fuel, 4, input.len());
    let Some(raw) = cursor.array::<4>()? else {
        scanner.find(&rules::STRUCTURE, Some(0), None, "it ends within its head");
        return Ok(());
    };
    let (little, big) = (u32::from_le_bytes(raw), u32::from_be_bytes(raw));
    let (version, big_endian) = if little & 0xffff == 0 { (big, true) } else { (little, false) };
    if !(1..=3).contains(&version) {
        scanner.doubt(&rules::TYPE_UNKNOWN, Some(4), format!("version {version} of the format"));
        return Ok(());
    }
    let mut walk = Walk {
        scanner,
        cursor,
        big_endian,
        narrow: version == 1,
        alignment: ALIGNMENT,
        split: [None; 2],
        keys: Names::default(),
    };
    match walk.whole() {
        Ok(()) => Ok(()),
        Err(Stop::Read(error)) => Err(error),
        Err(Stop::Found) => Ok(()),
    }
}

/// Why the walk ended early.
enum Stop {
    /// A finding says so.
    Found,
    Read(ReadError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<alcaide_container::Exhausted> for Stop {
    fn from(error: alcaide_container::Exhausted) -> Self {
        Self::Read(error.into())
    }
}

#[derive(Default)]
struct Names(HashSet<u64, BuildHasherDefault<DefaultHasher>>);

impl Names {
    /// Whether it was there already; nothing is known once there are too many.
    fn twice(&mut self, name: &[u8]) -> Option<bool> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        (self.0.len() < NAMES_MAX).then(|| !self.0.insert(hasher.finish()))
    }
}

struct Walk<'a> {
    scanner: &'a mut Scanner,
    cursor: Cursor<'a>,
    big_endian: bool,
    /// Version 1 counts in 32 bits.
    narrow: bool,
    alignment: u64,
    /// Which part of how many.
    split: [Option<u64>; 2],
    keys: Names,
}

impl Walk<'_> {
    fn whole(&mut self) -> Result<(), Stop> {
        let tensors_at = self.cursor.at();
        let tensors = self.count()?;
        let pairs_at = self.cursor.at();
        let pairs = self.count()?;
        let word = if self.narrow { 4 } else { 8 };
        // A name's length, a type, a value of one byte; a name's length, dimensions, a type, an offset.
        self.fits(pairs, word + 4 + 1, pairs_at, "pairs of key and value")?;
        self.fits(tensors, word + 4 + 4 + 8, tensors_at, "tensors")?;
        for _ in 0..pairs {
            self.pair()?;
        }
        if let [Some(number), Some(count)] = self.split
            && number >= count
        {
            self.scanner.find(&rules::STRUCTURE, None, Some("split.no"), format!("part {number} of {count}"));
        }
        let mut claims = Claims::default();
        let mut names = Names::default();
        let mut known = true;
        for _ in 0..tensors {
            known &= self.tensor(&mut claims, &mut names)?;
        }
        let listed = self.cursor.at();
        self.scanner.cover(0..listed, Kind::Parsed);
        self.data(listed, claims, known, tensors)
    }

    fn data(&mut self, listed: u64, claims: Claims, known: bool, tensors: u64) -> Result<(), Stop> {
        let len = listed + self.cursor.left();
        let base = listed.checked_next_multiple_of(self.alignment).unwrap_or(u64::MAX).min(len);
        if tensors == 0 {
            return self.padding(listed, len, &rules::TAIL);
        }
        self.padding(listed, base, &rules::GAP)?;
        if claims.left_out() {
            self.scanner.doubt(
                &crate::rules::OUT_OF_FUEL,
                Some(listed),
                format!("{tensors} tensors out of order"),
            );
            return Ok(());
        }
        if !known {
            return Ok(());
        }
        let data = len - base;
        let (joined, clashes) = claims.judge(0, data, self.alignment, CLASHES_MAX);
        for (start, end) in &joined {
            self.scanner.cover(base + start..base + end, Kind::Payload);
        }
        let last = joined.last().map_or(0, |(_, end)| *end);
        for clash in clashes {
            match clash {
                Clash::Overlap(start, end) => {
                    let evidence = format!("{} bytes belong to two tensors", end - start);
                    self.scanner.find(&rules::OVERLAP, Some(base + start), None, evidence);
                }
                Clash::Gap(start, end) => {
                    let rule = if start >= last { &rules::TAIL } else { &rules::GAP };
                    let evidence = format!("{} bytes of no tensor", end - start);
                    self.scanner.find(rule, Some(base + start), None, evidence);
                }
            }
        }
        let mut from = 0;
        for (start, end) in joined {
            if start.saturating_sub(from) < self.alignment && start <= data {
                self.padding(base + from, base + start, &rules::GAP)?;
            }
            from = end;
        }
        match data.checked_sub(from) {
            Some(rest) if rest < self.alignment => self.padding(base + from, len, &rules::TAIL)?,
            Some(_) => {}
            None => {
                let evidence = format!("a tensor ends {} bytes past the end", from - data);
                self.scanner.find(&rules::OUT_OF_BOUNDS, Some(listed), None, evidence);
            }
        }
        Ok(())
    }

    /// Bytes that must be zeros, fewer than an alignment.
    fn padding(&mut self, start: u64, end: u64, rule: &'static crate::Rule) -> Result<(), Stop> {
        if end.saturating_sub(start) >= self.alignment.max(ALIGNMENT) {
            self.scanner.find(rule, Some(start), None, format!("{} bytes of no tensor", end - start));
            return Ok(());
        }
        let at = self.cursor.at();
        if start < at {
            return Ok(());
        }
        self.cursor.skip(start - at);
        while self.cursor.at() < end {
            match self.cursor.byte()? {
                Some(0) => {}
                Some(_) => {
                    self.scanner.find(rule, Some(self.cursor.at() - 1), None, "padding that is not zero");
                    return Ok(());
                }
                None => break,
            }
        }
        self.scanner.cover(start..end, Kind::Parsed);
        Ok(())
    }

    fn pair(&mut self) -> Result<(), Stop> {
        let at = self.cursor.at();
        let key = self.string(KEY_MAX as usize)?;
        if key.len() as u64 >= KEY_MAX {
            return self.broken(at, "a key is longer than keys may be");
        }
        match self.keys.twice(&key) {
            Some(false) => {}
            Some(true) => {
                let name = shown(&String::from_utf8_lossy(&key));
                self.scanner.find(&rules::TWICE, Some(at), Some(&name), "the file has this key twice");
            }
            None => self.scanner.doubt(&crate::rules::OUT_OF_FUEL, Some(at), "too many keys to compare"),
        }
        let Ok(key) = String::from_utf8(key) else {
            return self.broken(at, "a key is no text");
        };
        let kind = self.u32()?;
        self.value(&key, kind, 0)
    }

    fn value(&mut self, key: &str, kind: u32, depth: usize) -> Result<(), Stop> {
        let at = self.cursor.at();
        match kind {
            TEXT => {
                let text = self.string(TEXT_MAX)?;
                self.judge_text(key, at, &text);
            }
            ARRAY => {
                if depth >= NEST_MAX {
                    return self.broken(at, "arrays are nested too deeply");
                }
                let inner = self.u32()?;
                let count_at = self.cursor.at();
                let count = self.count()?;
                match (inner, width(inner)) {
                    (_, Some(width)) => {
                        self.fits(count, width, count_at, "values of an array")?;
                        if inner == BOOL {
                            self.truths(count)?;
                        } else {
                            self.cursor.skip(count.saturating_mul(width));
                        }
                    }
                    (TEXT | ARRAY, _) => {
                        let least = if self.narrow { 4 } else { 8 };
                        self.fits(count, least, count_at, "values of an array")?;
                        let templates = is_template(key);
                        for _ in 0..count {
                            self.scanner.fuel().step(1)?;
                            if inner == ARRAY {
                                self.value(key, ARRAY, depth + 1)?;
                            } else if templates {
                                self.value(key, TEXT, depth + 1)?;
                            } else {
                                let size = self.length()?;
                                self.cursor.skip(size);
                            }
                        }
                    }
                    _ => return self.broken(at, "an array is of a type that there is not"),
                }
            }
            BOOL => self.truths(1)?,
            _ => {
                let Some(width) = width(kind) else {
                    return self.broken(at, "a value is of a type that there is not");
                };
                let number = match width {
                    1 => self.cursor.byte()?.map(u64::from),
                    2 => self.cursor.array::<2>()?.map(|raw| self.turn(raw)),
                    4 => self.cursor.array::<4>()?.map(|raw| self.turn(raw)),
                    _ => self.cursor.array::<8>()?.map(|raw| self.turn(raw)),
                };
                let Some(number) = number else { return self.broken(at, "it ends within a value") };
                self.setting(key, kind, number, at);
            }
        }
        Ok(())
    }

    fn setting(&mut self, key: &str, kind: u32, number: u64, at: u64) {
        match key {
            "general.alignment" => {
                let good = kind == U32 && number.is_power_of_two() && number <= ALIGNMENT_MAX;
                if good {
                    self.alignment = number;
                } else {
                    let evidence = format!("an alignment of {number}, which is none");
                    self.scanner.find(&rules::COUNT_TOO_LARGE, Some(at), Some(key), evidence);
                }
            }
            "split.no" => self.split[0] = Some(number),
            "split.count" => self.split[1] = Some(number),
            _ => {}
        }
    }

    fn truths(&mut self, count: u64) -> Result<(), Stop> {
        for _ in 0..count {
            let at = self.cursor.at();
            match self.cursor.byte()? {
                Some(0 | 1) => {}
                Some(_) => return self.broken(at, "a truth value is neither of the two"),
                None => return self.broken(at, "it ends within a value"),
            }
        }
        Ok(())
    }

    fn judge_text(&mut self, key: &str, at: u64, text: &[u8]) {
        let Ok(text) = std::str::from_utf8(text) else {
            if is_template(key) {
                self.scanner.doubt(
                    &rules::TEMPLATE_UNCLEAR,
                    Some(at),
                    format!("`{}` is no text", shown(key)),
                );
            }
            return;
        };
        if text.len() >= TEXT_MAX {
            self.scanner.doubt(
                &crate::rules::OPAQUE,
                Some(at),
                format!("`{}` is a text of more than 4 MiB", shown(key)),
            );
        }
        if is_template(key) {
            template::judge(self.scanner, key, Some(at), text);
        } else {
            for (rule, _, evidence) in text::suspicions(text) {
                self.scanner.find(rule, Some(at), Some(key), evidence);
            }
        }
    }

    /// Reads one entry of the list and says whether its size is known.
    fn tensor(&mut self, claims: &mut Claims, names: &mut Names) -> Result<bool, Stop> {
        let at = self.cursor.at();
        let raw = self.string(4096)?;
        let name = shown(&String::from_utf8_lossy(&raw));
        if raw.len() >= NAME_MAX {
            self.scanner.find(
                &rules::STRUCTURE,
                Some(at),
                Some(&name),
                "a tensor's name is longer than readers keep",
            );
        }
        if std::str::from_utf8(&raw).is_err() {
            self.scanner.find(&rules::STRUCTURE, Some(at), Some(&name), "a tensor's name is no UTF-8");
        }
        match names.twice(&raw) {
            Some(false) => {}
            Some(true) => {
                self.scanner.find(&rules::TWICE, Some(at), Some(&name), "two tensors have this name")
            }
            None => self.scanner.doubt(&crate::rules::OUT_OF_FUEL, Some(at), "too many tensors to compare"),
        }
        let dims = self.u32()?;
        if dims > DIMS_MAX {
            let evidence = format!("{dims} dimensions, where readers take {DIMS_MAX}");
            self.scanner.find(&rules::COUNT_TOO_LARGE, Some(at), Some(&name), evidence);
            return Err(Stop::Found);
        }
        let (mut count, mut row, mut fits) = (1_u64, 1, true);
        for index in 0..dims {
            let side = self.count()?;
            if index == 0 {
                row = side;
            }
            match count.checked_mul(side).filter(|count| *count <= i64::MAX as u64) {
                Some(product) => count = product,
                None => fits = false,
            }
        }
        let kind = self.u32()?;
        let offset = match self.cursor.array::<8>()? {
            Some(raw) => self.turn(raw),
            None => return self.broken(at, "it ends within the list of tensors").map(|()| false),
        };
        if !fits {
            self.scanner.find(
                &rules::OVERFLOW,
                Some(at),
                Some(&name),
                "the product of its dimensions does not fit",
            );
            return Ok(false);
        }
        if offset % self.alignment != 0 {
            let evidence = format!("it begins at {offset}, which is no multiple of {}", self.alignment);
            self.scanner.find(&rules::STRUCTURE, Some(at), Some(&name), evidence);
        }
        let Some((block, bytes)) = layout(kind) else {
            self.scanner.doubt(&rules::TYPE_UNKNOWN, Some(at), format!("tensor `{name}` is of type {kind}"));
            return Ok(false);
        };
        if row % block != 0 {
            let evidence = format!("rows of {row} do not fill blocks of {block}");
            self.scanner.find(&rules::STRUCTURE, Some(at), Some(&name), evidence);
        }
        let end = count.div_ceil(block).checked_mul(bytes).and_then(|size| offset.checked_add(size));
        let Some(end) = end else {
            self.scanner.find(&rules::OVERFLOW, Some(at), Some(&name), "its size does not fit");
            return Ok(false);
        };
        // Where the data begins is known only after the list, but it cannot begin before this place.
        if end > self.cursor.left() {
            let evidence =
                format!("bytes {offset} to {end}, of which there are fewer than {}", self.cursor.left());
            self.scanner.find(&rules::OUT_OF_BOUNDS, Some(at), Some(&name), evidence);
            return Ok(false);
        }
        claims.add(offset, end);
        Ok(true)
    }

    /// Refuses a count of things that take at least `least` bytes each.
    fn fits(&mut self, count: u64, least: u64, at: u64, what: &str) -> Result<(), Stop> {
        match count.checked_mul(least) {
            Some(bytes) if bytes <= self.cursor.left() => Ok(()),
            _ => {
                let evidence = format!("{count} {what} in {} bytes", self.cursor.left());
                self.scanner.find(&rules::COUNT_TOO_LARGE, Some(at), None, evidence);
                Err(Stop::Found)
            }
        }
    }

    fn string(&mut self, keep: usize) -> Result<Vec<u8>, Stop> {
        let size = self.length()?;
        match self.cursor.take(size, keep)? {
            Some(bytes) => Ok(bytes),
            None => self.broken(self.cursor.at(), "it ends within a text").map(|()| Vec::new()),
        }
    }

    /// A length of bytes that are there.
    fn length(&mut self) -> Result<u64, Stop> {
        let at = self.cursor.at();
        let size = self.count()?;
        self.fits(size, 1, at, "bytes of text")?;
        Ok(size)
    }

    fn count(&mut self) -> Result<u64, Stop> {
        let at = self.cursor.at();
        let count = if self.narrow {
            self.cursor.array::<4>()?.map(|raw| self.turn(raw))
        } else {
            self.cursor.array::<8>()?.map(|raw| self.turn(raw))
        };
        match count {
            Some(count) => Ok(count),
            None => self.broken(at, "it ends within a number").map(|()| 0),
        }
    }

    fn u32(&mut self) -> Result<u32, Stop> {
        let at = self.cursor.at();
        match self.cursor.array::<4>()? {
            Some(raw) if self.big_endian => Ok(u32::from_be_bytes(raw)),
            Some(raw) => Ok(u32::from_le_bytes(raw)),
            None => self.broken(at, "it ends within a number").map(|()| 0),
        }
    }

    fn turn<const N: usize>(&self, raw: [u8; N]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.big_endian { raw.iter().fold(0, add) } else { raw.iter().rev().fold(0, add) }
    }

    fn broken(&mut self, at: u64, what: &'static str) -> Result<(), Stop> {
        self.scanner.find(&rules::STRUCTURE, Some(at), None, what);
        Err(Stop::Found)
    }
}

/// Keys whose texts are rendered: the default template, named ones, and what other programs call theirs.
fn is_template(key: &str) -> bool {
    key.to_ascii_lowercase().contains("template")
}

#[cfg(test)]
mod tests;
