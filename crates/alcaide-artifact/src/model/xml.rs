//! Judges models that are XML: PMML and OpenVINO, and any other document that claims to be one.
//!
//! A pull scanner over the bytes: tags, attributes, text, comments, sections and instructions, with a stack of names of its
//! own. It resolves nothing; that a document asks for resolution is the finding.

use alcaide_container::Input;
use alcaide_graph::{Cursor, Fault};

use super::{content, paths, rules};
use crate::coverage::Kind;
use crate::scanner::{Scanner, shown};

/// Elements within each other; parsers in use stop at a few hundred.
const DEPTH_MAX: usize = 512;
const NAME_MAX: usize = 1_024;
const TEXT_MAX: usize = 64 << 10;

/// Walks the document and judges each part of it.
pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), Fault> {
    let mut head = [0; 4];
    let count = input.read_at(0, &mut head)?;
    if matches!(head.get(..count), Some([0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'<', ..] | [b'<', 0, ..]))
    {
        scanner.find(
            &rules::BROKEN,
            Some(0),
            None,
            "text in a wide encoding, which hides it from most readers",
        );
        return Ok(());
    }
    let mut reader =
        Reader { scanner, cursor: Cursor::new(input), open: Vec::new(), told_deep: false, elements: 0 };
    reader.run()?;
    let end = reader.cursor.at();
    if !reader.open.is_empty() || reader.elements == 0 {
        return Err(Fault::Malformed { at: end, why: "the document ends within an element" });
    }
    scanner.cover(0..end, Kind::Parsed);
    Ok(())
}

struct Reader<'a> {
    scanner: &'a mut Scanner,
    cursor: Cursor<'a>,
    open: Vec<String>,
    told_deep: bool,
    elements: u64,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            self.scanner.fuel().step(1)?;
            let at = self.cursor.at();
            let text = self.until(b"<", TEXT_MAX)?;
            let outside = self.open.is_empty() && self.elements > 0;
            if outside && text.iter().any(|one| !one.is_ascii_whitespace()) {
                return Err(Fault::Malformed { at, why: "text after the document" });
            }
            self.text(at, &text);
            let at = self.cursor.at();
            match self.cursor.next_byte()? {
                None => return Ok(()),
                Some(b'!') => self.declaration(at)?,
                Some(b'?') => self.instruction(at)?,
                Some(b'/') => {
                    let tag = self.until(b">", NAME_MAX)?;
                    let name = String::from_utf8_lossy(&tag).trim().to_owned();
                    if self.open.pop().is_none_or(|open| open != name) {
                        return Err(Fault::Malformed { at, why: "an element ends that is not open" });
                    }
                }
                Some(first) => self.element(at, first)?,
            }
        }
    }

    /// Bytes up to `stop`, which is taken, too; at the end of the input, what is left. Beyond `max` bytes are passed over.
    fn until(&mut self, stop: &[u8], max: usize) -> Result<Vec<u8>, Fault> {
        let mut taken = Vec::new();
        let mut last = Vec::with_capacity(stop.len());
        let mut passed = 0_u32;
        while let Some(byte) = self.cursor.next_byte()? {
            passed += 1;
            if passed >= 64 {
                // Long text is work, too.
                self.scanner.fuel().step(1)?;
                passed = 0;
            }
            if last.len() == stop.len() {
                last.remove(0);
            }
            last.push(byte);
            if taken.len() < max {
                taken.push(byte);
            }
            if last == stop {
                taken.truncate(taken.len().saturating_sub(match taken.ends_with(stop) {
                    true => stop.len(),
                    false => 0,
                }));
                return Ok(taken);
            }
        }
        Ok(taken)
    }

    fn text(&mut self, at: u64, text: &[u8]) {
        if let Some(what) = content::code(text) {
            self.find_script(at, what);
        }
    }

    fn find_script(&mut self, at: u64, what: &'static str) {
        let pointer = self.open.join("/");
        self.scanner.find(&rules::CODE_IN_TEXT, Some(at), Some(&pointer), what);
    }

    fn declaration(&mut self, at: u64) -> Result<(), Fault> {
        let mut start = Vec::new();
        while start.len() < 7 {
            match self.cursor.peek()? {
                Some(b'>') | None => break,
                Some(byte) => start.push(byte),
            }
            self.cursor.seek(self.cursor.at() + 1);
            if start == b"--" {
                let comment = self.until(b"-->", TEXT_MAX)?;
                self.text(at, &comment);
                return Ok(());
            }
            if start == b"[CDATA[" {
                let text = self.until(b"]]>", TEXT_MAX)?;
                self.text(at, &text);
                return Ok(());
            }
        }
        if !start.eq_ignore_ascii_case(b"DOCTYPE") {
            return Err(Fault::Malformed { at, why: "a declaration that there is not" });
        }
        self.document_type(at)
    }

    /// A document type up to its end, with its declarations in square brackets.
    fn document_type(&mut self, at: u64) -> Result<(), Fault> {
        let mut all = Vec::new();
        let (mut depth, mut quote) = (0_u32, None);
        let mut ended = false;
        while let Some(byte) = self.cursor.next_byte()? {
            self.scanner.fuel().step(1)?;
            match (quote, byte) {
                (Some(open), byte) if open == byte => quote = None,
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'[') => depth += 1,
                (None, b']') => depth = depth.saturating_sub(1),
                (None, b'>') if depth == 0 => ended = true,
                _ => {}
            }
            if ended {
                break;
            }
            if all.len() < TEXT_MAX {
                all.push(byte);
            }
        }
        let upper = all.to_ascii_uppercase();
        let has = |word: &[u8]| upper.windows(word.len()).any(|window| window == word);
        let what = match () {
            () if has(b"<!ENTITY") && (has(b"SYSTEM") || has(b"PUBLIC")) => "an entity from outside",
            () if has(b"<!ENTITY") => "entities of its own",
            () if has(b"SYSTEM") || has(b"PUBLIC") => "a type from outside",
            () => "a document type",
        };
        self.scanner.find(&rules::XML_ENTITY, Some(at), Some("DOCTYPE"), what);
        match ended {
            true => Ok(()),
            false => Err(Fault::Malformed { at, why: "a document type without an end" }),
        }
    }

    fn instruction(&mut self, at: u64) -> Result<(), Fault> {
        let text = self.until(b"?>", TEXT_MAX)?;
        let lower = text.to_ascii_lowercase();
        if lower.starts_with(b"xml-stylesheet") {
            self.scanner.find(&rules::XML_INCLUDE, Some(at), None, "a style sheet");
        } else if lower.starts_with(b"php") || lower.starts_with(b"=") {
            self.scanner.find(&rules::XML_SCRIPT, Some(at), None, "an instruction for a program");
        } else if lower.starts_with(b"xml ") {
            let ascii = [&b"utf-8"[..], b"us-ascii", b"ascii", b"iso-8859-1", b"latin1", b"windows-1252"];
            let named = lower.windows(9).position(|window| window == b"encoding=");
            if let Some(named) = named {
                let value: Vec<u8> = lower
                    .iter()
                    .skip(named + 10)
                    .take_while(|one| !matches!(one, b'"' | b'\''))
                    .copied()
                    .collect();
                if !ascii.contains(&value.as_slice()) {
                    let shown = shown(&String::from_utf8_lossy(&value));
                    self.scanner.find(
                        &rules::BROKEN,
                        Some(at),
                        None,
                        format!("the encoding `{shown}`, which hides text"),
                    );
                }
            }
        }
        Ok(())
    }

    fn element(&mut self, at: u64, first: u8) -> Result<(), Fault> {
        self.elements += 1;
        let mut name = vec![first];
        loop {
            match self.cursor.peek()? {
                Some(byte) if !byte.is_ascii_whitespace() && !matches!(byte, b'>' | b'/' | b'=' | b'<') => {
                    if name.len() < NAME_MAX {
                        name.push(byte);
                    }
                    self.cursor.seek(self.cursor.at() + 1);
                }
                _ => break,
            }
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        let mut attributes: Vec<(String, Vec<u8>)> = Vec::new();
        let closed = loop {
            self.scanner.fuel().step(1)?;
            match self.cursor.next_byte()? {
                Some(byte) if byte.is_ascii_whitespace() => {}
                Some(b'>') => break false,
                Some(b'/') => {
                    if self.cursor.next_byte()? != Some(b'>') {
                        return Err(Fault::Malformed { at, why: "a stroke within a tag" });
                    }
                    break true;
                }
                None | Some(b'<' | b'=' | b'"' | b'\'') => {
                    return Err(Fault::Malformed { at, why: "a tag without an end" });
                }
                Some(byte) => {
                    let mut key = vec![byte];
                    key.extend(self.until(b"=", NAME_MAX)?);
                    let quote = loop {
                        match self.cursor.next_byte()? {
                            Some(byte) if byte.is_ascii_whitespace() => {}
                            Some(quote @ (b'"' | b'\'')) => break quote,
                            _ => return Err(Fault::Malformed { at, why: "an attribute without a value" }),
                        }
                    };
                    let value = self.until(&[quote], TEXT_MAX)?;
                    let key = String::from_utf8_lossy(&key).trim().to_owned();
                    if key.is_empty()
                        || key.contains(|one: char| one.is_whitespace() || one == '<' || one == '>')
                    {
                        return Err(Fault::Malformed { at, why: "an attribute without a name" });
                    }
                    if attributes.len() < 256 {
                        attributes.push((key, value));
                    }
                }
            }
        };
        self.judge(at, &name, &attributes);
        if !closed {
            if self.open.len() >= DEPTH_MAX {
                if !self.told_deep {
                    self.told_deep = true;
                    self.scanner.find(&rules::DEEP, Some(at), None, "elements within each other");
                }
                return Err(Fault::Malformed { at, why: "elements are nested too deep" });
            }
            self.open.push(name);
        }
        Ok(())
    }

    fn judge(&mut self, at: u64, name: &str, attributes: &[(String, Vec<u8>)]) {
        let bare = name.rsplit(':').next().unwrap_or(name).to_ascii_lowercase();
        let pointer = format!("{}/{}", self.open.join("/"), shown(name));
        let value = |key: &str| {
            attributes
                .iter()
                .find(|(found, _)| found.eq_ignore_ascii_case(key))
                .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let of_inclusion = attributes.iter().any(|(key, value)| {
            key.starts_with("xmlns") && value.windows(8).any(|part| part.eq_ignore_ascii_case(b"XInclude"))
        });
        if (bare == "include" && (name.contains(':') || value("href").is_some())) || of_inclusion {
            let href = value("href").unwrap_or_default();
            self.scanner.find(
                &rules::XML_INCLUDE,
                Some(at),
                Some(&pointer),
                format!("includes `{}`", shown(&href)),
            );
        }
        if matches!(bare.as_str(), "script" | "stylesheet" | "transform" | "foreignobject") {
            self.scanner.find(&rules::XML_SCRIPT, Some(at), Some(&pointer), "an element for programs");
        }
        for (key, value) in attributes {
            let text = String::from_utf8_lossy(value);
            let lower_key = key.to_ascii_lowercase();
            let local = lower_key.rsplit(':').next().unwrap_or(&lower_key);
            if let Some(what) = content::code(value) {
                self.scanner.find(&rules::CODE_IN_TEXT, Some(at), Some(&pointer), what);
            }
            let lower = text.to_ascii_lowercase();
            let library =
                [".so", ".dll", ".dylib"].iter().any(|end| lower.ends_with(end)) || lower.contains(".so.");
            if library {
                self.scanner.find(
                    &rules::XML_LIBRARY,
                    Some(at),
                    Some(&pointer),
                    format!("{} `{}`", shown(key), shown(&text)),
                );
            }
            let names_file = matches!(
                local,
                "path"
                    | "file"
                    | "filename"
                    | "library"
                    | "lib"
                    | "extension"
                    | "weights"
                    | "weights_path"
                    | "bin"
                    | "schemalocation"
                    | "href"
                    | "src"
                    | "location"
            );
            let outward = names_file
                && local != "schemalocation"
                && local != "href"
                && paths::leads_outside(value).is_some();
            if outward && !library {
                let why = paths::leads_outside(value).unwrap_or_default();
                self.scanner.find(
                    &rules::PATH_OUTSIDE,
                    Some(at),
                    Some(&pointer),
                    format!("{} `{}` {why}", shown(key), shown(&text)),
                );
            }
            if local == "schemalocation"
                && lower
                    .split_ascii_whitespace()
                    .any(|part| part.starts_with("file:") || part.starts_with("\\\\"))
            {
                self.scanner.find(
                    &rules::XML_INCLUDE,
                    Some(at),
                    Some(&pointer),
                    format!("a schema at `{}`", shown(&text)),
                );
            }
        }
        if bare == "layer" {
            let kind = value("type").unwrap_or_default();
            let set = value("version").unwrap_or_default();
            if matches!(kind.to_ascii_lowercase().as_str(), "custom" | "extension" | "python" | "customlayer")
                || set.eq_ignore_ascii_case("extension")
            {
                let evidence = format!("a layer of type `{}` from `{}`", shown(&kind), shown(&set));
                self.scanner.find(&rules::CUSTOM_LAYER, Some(at), Some(&pointer), evidence);
            } else if !set.is_empty() && !set.starts_with("opset") && set != "experimental" {
                self.scanner.doubt(
                    &rules::ONNX_UNKNOWN,
                    Some(at),
                    format!("a layer of the set `{}`", shown(&set)),
                );
            }
        }
        if bare == "extension" {
            // What a vendor adds: its name and value may be anything, and some consumers run it.
            let text =
                format!("{} {}", value("name").unwrap_or_default(), value("extender").unwrap_or_default())
                    .to_ascii_lowercase();
            if [
                "script",
                "python",
                "javascript",
                "groovy",
                "java",
                "exec",
                "command",
                "shell",
                "eval",
                "class",
            ]
            .iter()
            .any(|word| text.split(|one: char| !one.is_ascii_alphanumeric()).any(|part| part == *word))
            {
                self.scanner.find(
                    &rules::XML_SCRIPT,
                    Some(at),
                    Some(&pointer),
                    format!("an extension `{}`", shown(&text)),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
