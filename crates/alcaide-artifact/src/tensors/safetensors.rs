//! safetensors: a length, a JSON header that lists tensors, their bytes.
//!
//! The header is walked as a stream: memory does not grow with it. What the reference reader takes without complaint and
//! what has one meaning is not called broken; what it refuses, or takes though it has two meanings, is.
//!
//! Source: the format's README and `safetensors` 0.8, `tensor.rs`.

use alcaide_container::{Input, ReadError};

use crate::coverage::Kind;
use crate::cursor::Cursor;
use crate::json::{Event, Fault, Json};
use crate::rules::formats as rules;
use crate::scanner::{Scanner, shown};
use crate::tensors::{Claims, Clash};
use crate::text;

/// The reference reader refuses longer headers.
const HEADER_MAX: u64 = 100_000_000;
/// Findings of one kind that are worth listing.
const CLASHES_MAX: usize = 16;
const SHAPE_MAX: usize = 64;

/// Whether the head of a file of `len` bytes is that of a safetensors file, whatever it is called.
pub(crate) fn is_head(head: &[u8], len: u64) -> bool {
    let Some((size, rest)) = head.split_first_chunk::<8>() else { return false };
    let size = u64::from_le_bytes(*size);
    let plausible = (2..=HEADER_MAX).contains(&size) && size <= len.saturating_sub(8);
    let text = rest.trim_ascii_start();
    plausible
        && text.first() == Some(&b'{')
        && matches!(text.get(1..).map(<[u8]>::trim_ascii_start), Some([b'"' | b'}', ..]))
}

/// Judges a file.
pub(crate) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    let fuel = scanner.fuel().clone();
    let mut cursor = Cursor::new(input, &fuel, 0, input.len());
    let Some(size) = cursor.array::<8>()? else {
        scanner.find(&rules::STRUCTURE, Some(0), None, "it is too short for a header's length");
        return Ok(());
    };
    let size = u64::from_le_bytes(size);
    let body = input.len() - 8;
    if size > body {
        let evidence = format!("a header of {size} bytes in a file of {}", input.len());
        scanner.find(&rules::COUNT_TOO_LARGE, Some(0), None, evidence);
        return Ok(());
    }
    scanner.cover(0..8, Kind::Parsed);
    if size > HEADER_MAX {
        let evidence = format!("a header of {size} bytes, where readers take {HEADER_MAX}");
        scanner.find(&rules::STRUCTURE, Some(0), None, evidence);
        return Ok(());
    }
    let end = 8 + size;
    let mut header = Header {
        json: Json::new(Cursor::new(input, &fuel, 8, end)),
        data: input.len() - end,
        end,
        claims: Claims::default(),
        payload: true,
        encrypted: false,
        tensors: 0,
    };
    match header.walk(scanner) {
        Ok(()) => {}
        Err(Fault::Read(error)) => return Err(error),
        Err(Fault::Broken { at, what }) => {
            scanner.find(
                &rules::STRUCTURE,
                Some(at),
                None,
                format!("the header is no JSON that readers take: {what}"),
            );
            return Ok(());
        }
    }
    header.finish(scanner)
}

struct Header<'a> {
    json: Json<'a>,
    /// Bytes after the header.
    data: u64,
    /// Where the header ends and the data begins.
    end: u64,
    claims: Claims,
    /// Whether what is claimed is known to be numbers.
    payload: bool,
    encrypted: bool,
    tensors: u64,
}

impl Header<'_> {
    fn walk(&mut self, scanner: &mut Scanner) -> Result<(), Fault> {
        if self.json.cursor.peek()? != Some(b'{') {
            scanner.find(&rules::STRUCTURE, Some(8), None, "the header does not begin with `{`");
        }
        if self.json.next()? != Event::ObjectStart {
            return Err(Fault::Broken { at: 8, what: "it is no object" });
        }
        while self.json.next()? == Event::Name {
            let at = self.json.start();
            let name = shown(self.json.text());
            if self.json.twice() {
                scanner.find(&rules::TWICE, Some(at), Some(&name), "the header lists this name twice");
            }
            if name == "__metadata__" {
                self.metadata(scanner)?;
            } else {
                self.tensor(scanner, &name, at)?;
            }
        }
        let mut other = None;
        while let Some(byte) = self.json.cursor.byte()? {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') && other.is_none() {
                other = Some(self.json.cursor.at() - 1);
            }
        }
        if other.is_some() {
            scanner.find(
                &rules::STRUCTURE,
                other,
                None,
                "something follows the header's object within its length",
            );
        }
        Ok(())
    }

    fn metadata(&mut self, scanner: &mut Scanner) -> Result<(), Fault> {
        if self.json.next()? != Event::ObjectStart {
            let at = Some(self.json.start());
            scanner.find(&rules::STRUCTURE, at, Some("__metadata__"), "it is no object of texts");
            return self.rest(1);
        }
        while self.json.next()? == Event::Name {
            let at = self.json.start();
            let key = shown(self.json.text());
            let pointer = format!("__metadata__/{key}");
            if self.json.twice() {
                scanner.find(&rules::TWICE, Some(at), Some(&pointer), "the metadata has this name twice");
            }
            self.encrypted |= matches!(key.as_str(), "__encryption__" | "__crypto_keys__");
            self.judge_text(scanner, at, &pointer);
            match self.json.next()? {
                Event::String => {
                    let at = self.json.start();
                    self.judge_text(scanner, at, &pointer);
                }
                _ => {
                    let evidence = "a value of the metadata is no text";
                    scanner.find(&rules::STRUCTURE, Some(self.json.start()), Some(&pointer), evidence);
                    self.rest(2)?;
                }
            }
        }
        Ok(())
    }

    fn judge_text(&self, scanner: &mut Scanner, at: u64, pointer: &str) {
        for (rule, _, evidence) in text::suspicions(self.json.text()) {
            scanner.find(rule, Some(at), Some(pointer), evidence);
        }
        if self.json.cut() {
            let evidence = format!("a text of more than {} bytes", Json::TEXT_MAX);
            scanner.doubt(&crate::rules::OPAQUE, Some(at), evidence);
        }
    }

    /// Reads on until only `depth` levels are open.
    fn rest(&mut self, depth: usize) -> Result<(), Fault> {
        while self.json.depth() > depth {
            self.json.next()?;
        }
        Ok(())
    }

    fn tensor(&mut self, scanner: &mut Scanner, name: &str, at: u64) -> Result<(), Fault> {
        self.tensors += 1;
        if self.json.next()? != Event::ObjectStart {
            scanner.find(&rules::STRUCTURE, Some(at), Some(name), "a tensor is no object");
            return self.rest(1);
        }
        let mut entry = Entry::default();
        while self.json.next()? == Event::Name {
            let key_at = self.json.start();
            if self.json.twice() {
                scanner.find(&rules::TWICE, Some(key_at), Some(name), "a tensor has a field twice");
            }
            let key = self.json.text().to_owned();
            let event = self.json.next()?;
            let fits = match (key.as_str(), event) {
                ("dtype", Event::String) => {
                    entry.dtype = Some(shown(self.json.text()));
                    true
                }
                ("shape", Event::ArrayStart) => {
                    self.numbers(SHAPE_MAX)?.map(|shape| entry.shape = Some(shape)).is_some()
                }
                ("data_offsets", Event::ArrayStart) => match self.numbers(3)?.as_deref() {
                    Some([start, end]) => {
                        entry.range = Some((*start, *end));
                        true
                    }
                    _ => false,
                },
                ("dtype" | "shape" | "data_offsets", _) => false,
                _ => {
                    // The reference reader refuses no field that it does not know.
                    scanner.doubt(
                        &rules::TYPE_UNKNOWN,
                        Some(key_at),
                        format!("a tensor has a field `{}`", shown(&key)),
                    );
                    true
                }
            };
            self.rest(2)?;
            if !fits {
                let evidence = format!("`{key}` of a tensor is not what it must be");
                scanner.find(&rules::STRUCTURE, Some(key_at), Some(name), evidence);
            }
        }
        self.judge_entry(scanner, name, at, &entry);
        Ok(())
    }

    /// Whole numbers up to the end of the array, or none if something else is among them or there are too many.
    fn numbers(&mut self, most: usize) -> Result<Option<Vec<u64>>, Fault> {
        let mut numbers = Vec::new();
        let mut good = true;
        loop {
            match self.json.next()? {
                Event::ArrayEnd => return Ok(good.then_some(numbers)),
                Event::Number if numbers.len() < most && !self.json.cut() => match self.json.text().parse() {
                    Ok(number) => numbers.push(number),
                    Err(_) => good = false,
                },
                event => {
                    good = false;
                    if matches!(event, Event::ArrayStart | Event::ObjectStart) {
                        self.rest(3)?;
                    }
                }
            }
        }
    }

    fn judge_entry(&mut self, scanner: &mut Scanner, name: &str, at: u64, entry: &Entry) {
        let (Some(dtype), Some(shape), Some((start, end))) = (&entry.dtype, &entry.shape, entry.range) else {
            scanner.find(&rules::STRUCTURE, Some(at), Some(name), "a tensor lacks its type, shape or place");
            self.payload = false;
            return;
        };
        if start > end || end > self.data {
            let evidence = format!("bytes {start} to {end} of {}", self.data);
            scanner.find(&rules::OUT_OF_BOUNDS, Some(at), Some(name), evidence);
            self.payload = false;
            return;
        }
        self.claims.add(start, end);
        let mut count = 1_u64;
        let mut fits = true;
        for side in shape {
            match count.checked_mul(*side) {
                Some(product) => count = product,
                None => fits = false,
            }
        }
        let Some(bits) = bits(dtype) else {
            scanner.doubt(&rules::TYPE_UNKNOWN, Some(at), format!("tensor `{name}` is of type `{dtype}`"));
            self.payload = false;
            return;
        };
        match count.checked_mul(bits).filter(|_| fits) {
            None => {
                scanner.find(&rules::OVERFLOW, Some(at), Some(name), format!("shape {shape:?} of `{dtype}`"))
            }
            Some(size) if size % 8 != 0 => {
                let evidence = format!("{size} bits of `{dtype}` do not fill whole bytes");
                scanner.find(&rules::STRUCTURE, Some(at), Some(name), evidence);
            }
            Some(size) if size / 8 != end - start => {
                let evidence = format!(
                    "shape {shape:?} of `{dtype}` takes {} bytes, its place has {}",
                    size / 8,
                    end - start
                );
                scanner.find(&rules::STRUCTURE, Some(at), Some(name), evidence);
            }
            Some(_) => {}
        }
    }

    fn finish(self, scanner: &mut Scanner) -> Result<(), ReadError> {
        scanner.cover(8..self.end, Kind::Parsed);
        if self.json.oddities() > 0 {
            scanner.find(
                &rules::STRUCTURE,
                Some(8),
                None,
                "the header has numbers or escapes that JSON does not have",
            );
        }
        if self.encrypted {
            scanner.doubt(&rules::CIPHERTEXT, Some(8), "its metadata says that tensors are encrypted");
        }
        if self.claims.left_out() {
            scanner.doubt(
                &crate::rules::OUT_OF_FUEL,
                Some(8),
                format!("{} tensors out of order", self.tensors),
            );
            return Ok(());
        }
        let (joined, clashes) = self.claims.judge(0, self.data, 1, CLASHES_MAX);
        let last = joined.last().map_or(0, |(_, end)| *end);
        for clash in clashes {
            match clash {
                Clash::Overlap(start, end) => {
                    let evidence = format!("{} bytes belong to two tensors", end - start);
                    scanner.find(&rules::OVERLAP, Some(self.end + start), None, evidence);
                }
                Clash::Gap(start, end) => {
                    let rule = if start >= last { &rules::TAIL } else { &rules::GAP };
                    scanner.find(
                        rule,
                        Some(self.end + start),
                        None,
                        format!("{} bytes of no tensor", end - start),
                    );
                }
            }
        }
        if self.payload && !self.encrypted {
            for (start, end) in joined {
                scanner.cover(self.end + start..self.end + end, Kind::Payload);
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Entry {
    dtype: Option<String>,
    shape: Option<Vec<u64>>,
    range: Option<(u64, u64)>,
}

/// Bits of one number.
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" | "F4_E2M1" | "U4" | "I4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        "C128" => 128,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use alcaide_container::{Fuel, Limits};
    use proptest::prelude::*;

    use crate::{Report, Verdict, scan};

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0x3c);
        bytes
    }

    fn judged(bytes: &[u8]) -> Report {
        scan("model.safetensors", &bytes, &Fuel::new(Limits::for_file(bytes.len() as u64)))
    }

    fn rules_of(report: &Report) -> Vec<String> {
        report.findings.iter().map(|one| one.rule.to_string()).collect()
    }

    #[test]
    fn an_honest_file_is_clean_and_covered() {
        let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"empty":{"dtype":"F16","shape":[0,7],"data_offsets":[16,16]},"s":{"dtype":"F8_E4M3","shape":[],"data_offsets":[16,17]},"h":{"dtype":"F4","shape":[6],"data_offsets":[17,20]}}   "#;
        let report = judged(&file(header, 20));
        assert_eq!(report.verdict, Verdict::Clean, "{report:?}");
        assert_eq!(report.parts[0].coverage.payload, 20);
        assert_eq!(judged(&file("{}", 0)).verdict, Verdict::Clean);
        assert_eq!(
            rules_of(&judged(&[])),
            ["structure-broken"],
            "the reference reader refuses an empty file"
        );
    }

    #[test]
    fn each_trick_has_its_rule() {
        let one = r#""a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}"#;
        for (header, data, rule) in [
            (
                format!("{{{one},\"b\":{{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[4,12]}}}}"),
                12,
                "ranges-overlap",
            ),
            (
                format!("{{{one},\"b\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[9,10]}}}}"),
                10,
                "bytes-between",
            ),
            (format!("{{{one}}}"), 9, "bytes-after-end"),
            (format!("{{{one}}}"), 7, "range-out-of-bounds"),
            (format!("{{{one},{one}}}"), 8, "name-twice"),
            (
                format!("{{{one},\"\\u0061\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}}}"),
                8,
                "name-twice",
            ),
            (format!(" {{{one}}}"), 8, "structure-broken"),
            (format!("{{{one}}}x"), 8, "structure-broken"),
            (format!("{{{one}"), 8, "structure-broken"),
            (r#"{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,8]}}"#.into(), 8, "structure-broken"),
            (r#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}"#.into(), 1, "structure-broken"),
            (r#"{"a":{"dtype":"U8","shape":[8.0],"data_offsets":[0,8]}}"#.into(), 8, "structure-broken"),
            (r#"{"a":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}}"#.into(), 8, "structure-broken"),
            (r#"{"a":{"dtype":"U8","shape":[8],"shape":[8],"data_offsets":[0,8]}}"#.into(), 8, "name-twice"),
            (
                r#"{"a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}"#.into(),
                0,
                "size-overflow",
            ),
            (r#"{"__metadata__":{"x":1}}"#.into(), 0, "structure-broken"),
            (r#"{"__metadata__":[]}"#.into(), 0, "structure-broken"),
            (r#"{"__metadata__":{"x":"<script>1</script>"}}"#.into(), 0, "code-in-text"),
            ("[]".into(), 0, "structure-broken"),
        ] {
            let report = judged(&file(&header, data));
            let rules = rules_of(&report);
            assert!(rules.iter().any(|one| one == rule) && rules.len() <= 3, "{header}: {rules:?}");
        }
        let mut long = file("{}", 0);
        long[0] = 3;
        assert_eq!(rules_of(&judged(&long)), ["count-too-large"]);
        assert_eq!(rules_of(&judged(&[1, 2])), ["structure-broken"]);
    }

    #[test]
    fn what_is_encrypted_or_of_an_unknown_type_is_not_clean() {
        let header =
            r#"{"__metadata__":{"__encryption__":"{}"},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}"#;
        assert_eq!(judged(&file(header, 8)).verdict, Verdict::Inconclusive);
        let header = r#"{"a":{"dtype":"P3","shape":[8],"data_offsets":[0,8]}}"#;
        let report = judged(&file(header, 8));
        assert_eq!((report.verdict, report.parts[0].coverage.opaque), (Verdict::Inconclusive, 8));
    }

    proptest! {
        #[test]
        fn any_change_of_bytes_is_survived_and_counted(at in 0_usize..200, byte: u8, data in 0_usize..40) {
            let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
            let mut bytes = file(header, data);
            let at = at % bytes.len();
            bytes[at] = byte;
            let report = judged(&bytes);
            let coverage = report.parts[0].coverage;
            prop_assert_eq!(coverage.parsed + coverage.payload + coverage.opaque, bytes.len() as u64);
            prop_assert!(data == 16 || report.verdict != Verdict::Clean);
        }
    }
}
