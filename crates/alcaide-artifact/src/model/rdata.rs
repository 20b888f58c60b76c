//! Judges objects that R has saved (`.rds`, `.RData`): promises and functions in them, which R evaluates and calls.
//!
//! The serialization is a sequence of items, each with a number that says what it is and how many follow it; only how many
//! are still to come must be known. Compiled code of functions is not followed.
//!
//! Source: "R Internals", section 1.8 "Serialization Formats", and `serialize.c` of R 4.3; CVE-2024-27322.

use alcaide_container::Input;
use alcaide_graph::{Cursor, Fault};

use super::rules;
use crate::coverage::Kind;
use crate::scanner::{Scanner, shown};

/// Whether `head` begins as such a file does, in the form that R writes by itself.
pub(super) fn is_rdata(head: &[u8]) -> bool {
    let body = head.strip_prefix(b"RDX3\n").or(head.strip_prefix(b"RDX2\n")).unwrap_or(head);
    matches!(body, [b'X', b'\n', 0, 0, 0, 2 | 3, ..])
}

/// Walks the items and judges each.
pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), Fault> {
    let mut reader = Reader { cursor: Cursor::new(input), functions: false, symbol: false };
    let first = reader.cursor.array::<1>()?;
    reader.cursor.seek(if first == *b"R" { 7 } else { 2 });
    let version = reader.number()?;
    reader.number()?;
    reader.number()?;
    if version == 3 {
        let len = reader.length()?;
        reader.skip(len)?;
    }
    // Items that are still to come.
    let mut left = 1_u64;
    let mut covered = 0;
    while left > 0 {
        scanner.fuel().step(1)?;
        let at = reader.cursor.at();
        match reader.item(scanner, at)? {
            Item::Holds(more) => left = (left - 1).saturating_add(more),
            Item::Numbers(bytes, more) => {
                let start = reader.cursor.at();
                reader.skip(bytes)?;
                scanner.cover(covered..start, Kind::Parsed);
                scanner.cover(start..start.saturating_add(bytes), Kind::Payload);
                covered = start.saturating_add(bytes);
                left = (left - 1).saturating_add(more);
            }
            Item::Compiled => {
                scanner.cover(covered..at, Kind::Parsed);
                scanner.doubt(&rules::R_FUNCTION, Some(at), "a function in compiled form");
                return Ok(());
            }
        }
    }
    scanner.cover(covered..reader.cursor.at(), Kind::Parsed);
    if reader.functions {
        scanner.doubt(&rules::R_FUNCTION, None, "functions, which whoever uses the object calls");
    }
    Ok(())
}

enum Item {
    /// So many items follow that belong to it.
    Holds(u64),
    /// So many bytes of numbers follow, and then so many items.
    Numbers(u64, u64),
    Compiled,
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    functions: bool,
    /// Whether the next text is the name of a symbol.
    symbol: bool,
}

impl Reader<'_> {
    fn item(&mut self, scanner: &mut Scanner, at: u64) -> Result<Item, Fault> {
        let flags = self.number()?.cast_unsigned();
        let attributes = u64::from(flags & 0x200 != 0);
        let tag = u64::from(flags & 0x400 != 0);
        let symbol = std::mem::take(&mut self.symbol);
        Ok(match flags & 0xff {
            // Nothing, and environments that every R has.
            0 | 241 | 242 | 251..=254 => Item::Holds(0),
            1 => {
                self.symbol = true;
                Item::Holds(1)
            }
            kind @ (2 | 3 | 5 | 6 | 17) => {
                if kind == 5 {
                    scanner.find(&rules::R_PROMISE, Some(at), None, "a promise with its expression");
                }
                self.functions |= kind == 3;
                Item::Holds(attributes + tag + 2)
            }
            4 => {
                self.number()?;
                Item::Holds(4)
            }
            7 | 8 => {
                let len = self.length()?;
                let name = self.text(len)?;
                self.named(scanner, at, &name);
                Item::Holds(0)
            }
            9 => {
                let len = self.number()?;
                let name = self.text(u64::try_from(len).unwrap_or(0))?;
                if symbol {
                    self.named(scanner, at, &name);
                }
                Item::Holds(0)
            }
            10 | 13 => Item::Numbers(self.length()?.saturating_mul(4), attributes),
            14 => Item::Numbers(self.length()?.saturating_mul(8), attributes),
            15 => Item::Numbers(self.length()?.saturating_mul(16), attributes),
            24 => Item::Numbers(self.length()?, attributes),
            16 | 19 | 20 => {
                let count = self.length()?;
                if count.saturating_mul(4) > self.cursor.left() {
                    return Err(Fault::Malformed { at, why: "more items than there are bytes" });
                }
                Item::Holds(count.saturating_add(attributes))
            }
            21 | 239 | 240 | 243 | 244 => Item::Compiled,
            22 => Item::Holds(2 + attributes),
            23 | 25 => Item::Holds(attributes),
            238 => Item::Holds(3),
            247 | 249 | 250 => {
                self.number()?;
                let count = self.length()?;
                if count.saturating_mul(4) > self.cursor.left() {
                    return Err(Fault::Malformed { at, why: "more names than there are bytes" });
                }
                Item::Holds(count)
            }
            255 => {
                if flags >> 8 == 0 {
                    self.number()?;
                }
                Item::Holds(0)
            }
            _ => return Err(Fault::Malformed { at, why: "an item of a kind that there is not" }),
        })
    }

    /// Names of functions of R that start programs, fetch, or load machine code.
    fn named(&self, scanner: &mut Scanner, at: u64, name: &str) {
        const ACTS: &[&str] = &[
            "system",
            "system2",
            "shell",
            "shell.exec",
            "pipe",
            "download.file",
            "url",
            "socketConnection",
            "dyn.load",
            "unlink",
            "file.remove",
            "Sys.setenv",
            "install.packages",
        ];
        if ACTS.contains(&name) {
            scanner.find(&rules::R_CALL, Some(at), None, format!("the function `{}`", shown(name)));
        }
    }

    fn number(&mut self) -> Result<i32, Fault> {
        Ok(i32::from_be_bytes(self.cursor.array()?))
    }

    fn length(&mut self) -> Result<u64, Fault> {
        let at = self.cursor.at();
        match self.number()? {
            -1 => {
                let (high, low) = (self.number()?, self.number()?);
                Ok(u64::from(high.cast_unsigned()) << 32 | u64::from(low.cast_unsigned()))
            }
            length => {
                u64::try_from(length).map_err(|_| Fault::Malformed { at, why: "a length below nought" })
            }
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Fault> {
        if bytes > self.cursor.left() {
            return Err(Fault::Malformed { at: self.cursor.at(), why: "an item reaches past the file" });
        }
        self.cursor.seek(self.cursor.at().saturating_add(bytes));
        Ok(())
    }

    fn text(&mut self, len: u64) -> Result<String, Fault> {
        let start = self.cursor.at();
        self.skip(len)?;
        let (bytes, _) = self.cursor.bytes(&(start..start.saturating_add(len)), 256)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::Verdict;
    use crate::model::testing::{report, rules};

    const HEAD: &[u8] = b"X\n\0\0\0\x03\0\x04\x03\0\0\x03\x05\0\0\0\0\x05UTF-8";

    fn word(number: u32) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn text(text: &str) -> Vec<u8> {
        [word(0x0004_0009), word(text.len() as u32), text.as_bytes().to_vec()].concat()
    }

    fn symbol(name: &str) -> Vec<u8> {
        [word(1), text(name)].concat()
    }

    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        [HEAD.to_vec(), parts.concat()].concat()
    }

    #[test]
    fn numbers_and_texts_are_clean() {
        let reals = [word(14), word(2), vec![0; 16]].concat();
        let list = file(&[
            word(0x213),
            word(2),
            reals,
            word(16),
            word(1),
            text("system"),
            word(0x402),
            symbol("names"),
            word(16),
            word(1),
            text("a"),
            word(254),
        ]);
        let seen = report("model.rds", &list);
        assert_eq!((seen.verdict, seen.parts[0].format.as_ref()), (Verdict::Clean, "r-data"), "{seen:?}");
        assert_eq!(seen.parts[0].coverage.payload, 16);
        assert_eq!(report("m.RData", &[b"RDX3\n".to_vec(), list].concat()).verdict, Verdict::Clean);
    }

    #[test]
    fn promises_and_what_calls_programs_are_found() {
        let call = [word(6), symbol("system"), word(2), word(16), word(1), text("true"), word(254)].concat();
        let promise = file(&[word(5), word(254), call.clone()]);
        assert_eq!(rules(&report("model.rds", &promise)), ["r-promise", "r-call"]);
        assert_eq!(rules(&report("model.rds", &file(&[call]))), ["r-call"]);
        let function = file(&[word(0x403), word(253), word(254), symbol("x")]);
        // Environment, formals, body.
        let seen = report("model.rds", &function);
        assert_eq!(seen.verdict, Verdict::Inconclusive, "{seen:?}");
        assert_eq!(
            rules(&report("model.rds", &file(&[word(19), word(u32::MAX >> 1)]))),
            ["structure-broken"]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            report("x.rds", &[HEAD, &bytes].concat());
        }
    }
}
