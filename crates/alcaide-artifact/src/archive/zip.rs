//! Zip files, under each reading that some reader would give them.

use alcaide_container::zip::{Reading, Zip, ZipFlaw, ZipNote};
use alcaide_container::{Input, ReadError};

use super::{Archive, look_between, look_into, rate_link, rate_name, text_of};
use crate::coverage::Kind;
use crate::rules::archive as rules;
use crate::scanner::{Scanner, shown};

struct Open<'a> {
    zip: &'a Zip<'a>,
    /// A member may be here twice, once for each way to read it.
    entries: Vec<(String, Reading)>,
}

impl Archive for Open<'_> {
    fn count(&self) -> usize {
        self.entries.len()
    }

    fn name(&self, member: usize) -> Option<&str> {
        self.entries
            .get(member)
            .filter(|(name, reading)| !(name.ends_with('/') && reading.packed == 0))
            .map(|(name, _)| name.as_str())
    }

    fn open(&self, member: usize) -> Result<Box<dyn Input + '_>, ReadError> {
        let gone = || ReadError::Unsupported { what: "a member that is not there".into() };
        let (_, reading) = self.entries.get(member).ok_or_else(gone)?;
        Ok(Box::new(self.zip.open(reading)?))
    }

    fn packed(&self, member: usize) -> u64 {
        self.entries.get(member).map_or(0, |(_, reading)| reading.packed)
    }
}

pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    let fuel = scanner.fuel().clone();
    let zip = Zip::read(input, &fuel)?;
    for note in zip.flaws() {
        rate(scanner, &zip, note);
    }
    if zip.flaws_left_out() > 0 {
        scanner.doubt(&rules::ODD, None, format!("{} oddities more", zip.flaws_left_out()));
    }
    let mut entries = Vec::new();
    for (number, member) in zip.members().iter().enumerate() {
        for reading in zip.readings(number) {
            let name = match (&member.local, reading.by_local) {
                (Some(local), true) => local.header.name.text(),
                _ => member.name(),
            };
            if member.is_link()
                && let Ok(content) = zip.open(&reading)
            {
                rate_link(scanner, member.range.start, &name, &text_of(&content));
            }
            entries.push((name, reading));
        }
    }
    let whole = look_into(scanner, &Open { zip: &zip, entries });
    for record in zip.records() {
        scanner.cover(record.clone(), Kind::Parsed);
    }
    // Behind the directory stand the records that end the archive, and its comment.
    let behind = zip.records().iter().map(|record| record.end).max();
    if let (Some(behind), Some(end)) = (behind, zip.end()) {
        scanner.cover(behind..end, Kind::Parsed);
    }
    if whole {
        for member in zip.members() {
            scanner.cover(member.range.clone(), Kind::Parsed);
        }
    }
    look_between(scanner, input, zip.gaps());
    Ok(())
}

fn rate(scanner: &mut Scanner, zip: &Zip<'_>, note: &ZipNote) {
    let member = note.member.and_then(|member| zip.members().get(member));
    let name = member.map(|member| member.name()).unwrap_or_default();
    let of =
        |what: &str| if name.is_empty() { what.to_owned() } else { format!("{what}: `{}`", shown(&name)) };
    let at = Some(note.at);
    let differ = |scanner: &mut Scanner, what: &str| scanner.find(&rules::TWO_READINGS, at, None, of(what));
    let odd = |scanner: &mut Scanner, what: &str| scanner.doubt(&rules::ODD, at, of(what));
    match &note.flaw {
        ZipFlaw::Name(flaw) => rate_name(scanner, note.at, &name, *flaw),
        ZipFlaw::Names => differ(scanner, "the directory and the member's header have different names"),
        ZipFlaw::UnicodeName { fits: true } => differ(scanner, "a field replaces the name by another one"),
        ZipFlaw::AnotherDirectory => differ(scanner, "there is another directory"),
        ZipFlaw::LocalOnly { .. } => differ(scanner, "a member that the directory does not name"),
        ZipFlaw::Method { .. } => {
            differ(scanner, "the directory and the member's header have different methods")
        }
        ZipFlaw::Duplicate { exact: true, .. } => differ(scanner, "two members have one name"),
        ZipFlaw::Overlap { .. } => scanner.find(&rules::BOMB, at, None, of("members share their bytes")),
        ZipFlaw::Special { .. } => scanner.find(&rules::SLIP, at, None, of("a device, a pipe or a socket")),
        // What is between the records is looked into; a link is rated by where it leads.
        ZipFlaw::Gap { .. } | ZipFlaw::Link => {}
        ZipFlaw::Encrypted { .. } => odd(scanner, "flags claim that it is encrypted"),
        ZipFlaw::Patched | ZipFlaw::Masked => odd(scanner, "flags claim what no loader reads"),
        ZipFlaw::Crc { .. } | ZipFlaw::CrcZero => odd(scanner, "its checksum is not one"),
        ZipFlaw::Prefix { .. } => odd(scanner, "bytes stand in front of the archive"),
        ZipFlaw::AnotherEnd => odd(scanner, "there is another end record"),
        ZipFlaw::Cut | ZipFlaw::NoDirectory | ZipFlaw::NoLocal => odd(scanner, "a part of it is not there"),
        _ => odd(scanner, "its records disagree"),
    }
}
