//! 7z archives.

use alcaide_container::sevenz::{SevenZip, SevenZipFlaw, SevenZipNote};
use alcaide_container::{Input, ReadError};

use super::{Archive, look_between, look_into, rate_link, rate_name, text_of};
use crate::coverage::Kind;
use crate::rules::archive as rules;
use crate::scanner::{Scanner, shown};

struct Open<'o, 'a> {
    archive: &'o SevenZip<'a>,
    names: Vec<String>,
    /// Bytes of the whole archive: members are packed together.
    bytes: u64,
}

impl Archive for Open<'_, '_> {
    fn count(&self) -> usize {
        self.names.len()
    }

    fn name(&self, member: usize) -> Option<&str> {
        let empty = self.archive.members().get(member).is_none_or(|member| member.range.is_empty());
        self.names.get(member).filter(|_| !empty).map(String::as_str)
    }

    fn open(&self, member: usize) -> Result<Box<dyn Input + '_>, ReadError> {
        Ok(Box::new(self.archive.open(member)?))
    }

    fn packed(&self, _member: usize) -> u64 {
        self.bytes
    }
}

pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    let fuel = scanner.fuel().clone();
    let archive = SevenZip::read(input, &fuel)?;
    for note in archive.flaws() {
        rate(scanner, &archive, note);
    }
    let names = archive.members().iter().map(|member| member.name.text()).collect();
    if look_into(scanner, &Open { archive: &archive, names, bytes: input.len() }) {
        let mut from = 0;
        for gap in archive.gaps() {
            scanner.cover(from..gap.start, Kind::Parsed);
            from = gap.end;
        }
        scanner.cover(from..input.len(), Kind::Parsed);
    }
    look_between(scanner, input, archive.gaps());
    Ok(())
}

fn rate(scanner: &mut Scanner, archive: &SevenZip<'_>, note: &SevenZipNote) {
    let member = note.member.and_then(|member| archive.members().get(member));
    let name = member.map(|member| member.name.text()).unwrap_or_default();
    let of =
        |what: &str| if name.is_empty() { what.to_owned() } else { format!("{what}: `{}`", shown(&name)) };
    match &note.flaw {
        SevenZipFlaw::Name(flaw) => rate_name(scanner, note.at, &name, *flaw),
        SevenZipFlaw::Link => match note.member.map(|member| archive.open(member)) {
            Some(Ok(target)) => rate_link(scanner, note.at, &name, &text_of(&target)),
            _ => scanner.doubt(&rules::ODD, Some(note.at), of("a link to nobody knows where")),
        },
        SevenZipFlaw::Special => scanner.find(&rules::SLIP, Some(note.at), None, of("a device or a pipe")),
        SevenZipFlaw::Anti => scanner.find(&rules::SLIP, Some(note.at), None, of("it takes a file away")),
        SevenZipFlaw::Duplicate { exact: true, .. } => {
            scanner.find(&rules::TWO_READINGS, Some(note.at), None, of("two members have one name"))
        }
        SevenZipFlaw::Gap { .. } => {}
        SevenZipFlaw::Encrypted => scanner.doubt(&rules::ODD, Some(note.at), of("it is encrypted")),
        _ => scanner.doubt(&rules::ODD, Some(note.at), of("its records are not as they should be")),
    }
}
