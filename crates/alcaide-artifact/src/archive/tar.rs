//! Tar archives, old ones of PyTorch among them.

use alcaide_container::tar::{Tar, TarFlaw, TarNote};
use alcaide_container::{Input, ReadError};

use super::{Archive, look_between, look_into, rate_link, rate_name};
use crate::coverage::Kind;
use crate::rules::archive as rules;
use crate::scanner::{Scanner, shown};

struct Open<'a> {
    tar: &'a Tar<'a>,
    names: Vec<String>,
}

impl Archive for Open<'_> {
    fn count(&self) -> usize {
        self.names.len()
    }

    fn name(&self, member: usize) -> Option<&str> {
        let empty = self.tar.members().get(member).is_none_or(|member| member.len == 0);
        self.names.get(member).filter(|_| !empty).map(String::as_str)
    }

    fn open(&self, member: usize) -> Result<Box<dyn Input + '_>, ReadError> {
        Ok(Box::new(self.tar.open(member)?))
    }

    fn packed(&self, member: usize) -> u64 {
        self.tar.members().get(member).map_or(0, |member| member.data.end.saturating_sub(member.data.start))
    }
}

pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    let fuel = scanner.fuel().clone();
    let tar = Tar::read(input, &fuel)?;
    for note in tar.flaws() {
        rate(scanner, &tar, note);
    }
    if tar.flaws_left_out() > 0 {
        scanner.doubt(&rules::ODD, None, format!("{} oddities more", tar.flaws_left_out()));
    }
    let names = tar.members().iter().map(|member| member.name.text()).collect();
    if look_into(scanner, &Open { tar: &tar, names }) {
        let mut from = 0;
        for gap in tar.gaps() {
            scanner.cover(from..gap.start, Kind::Parsed);
            from = gap.end;
        }
        scanner.cover(from..input.len(), Kind::Parsed);
    }
    look_between(scanner, input, tar.gaps());
    Ok(())
}

fn rate(scanner: &mut Scanner, tar: &Tar<'_>, note: &TarNote) {
    let member = note.member.and_then(|member| tar.members().get(member));
    let name = member.map(|member| member.name.text()).unwrap_or_default();
    let of =
        |what: &str| if name.is_empty() { what.to_owned() } else { format!("{what}: `{}`", shown(&name)) };
    match &note.flaw {
        TarFlaw::Name(flaw) => rate_name(scanner, note.at, &name, *flaw),
        TarFlaw::SymbolicLink | TarFlaw::HardLink => {
            let target = member.and_then(|member| member.target.as_ref()).map(|target| target.text());
            // A hard link is named from the root of the archive, a symbolic one from its own folder.
            let from = if note.flaw == TarFlaw::HardLink { "" } else { name.as_str() };
            if let Some(target) = target {
                rate_link(scanner, note.at, from, &target);
            }
        }
        TarFlaw::Special => scanner.find(&rules::SLIP, Some(note.at), None, of("a device or a pipe")),
        TarFlaw::LengthOverridden { .. } => {
            scanner.find(&rules::TWO_READINGS, Some(note.at), None, of("two lengths are given"))
        }
        TarFlaw::Global | TarFlaw::Names | TarFlaw::Another | TarFlaw::Trailing { .. } => {}
        _ => scanner.doubt(&rules::ODD, Some(note.at), of("its records are not as they should be")),
    }
}
