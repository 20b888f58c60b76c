//! Archives and compressed streams: what is inside is judged as files are, what is odd about them is rated here.
//!
//! `container` reads every archive as all its readers together would, and says what is irregular without saying how bad that
//! is. Here each irregularity becomes a finding, where it lets two readers see two archives or writes outside of a folder, or a
//! doubt, where it only keeps somebody from reading. Bytes that belong to no record are looked into like members.

mod sevenz;
mod stream;
mod tar;
mod torch;
mod zip;

use alcaide_container::{Input, Kind as Wrapped, NameFlaw, ReadError, Window};

pub(crate) use stream::read as read_stream;

use crate::coverage::Kind;
use crate::pickle;
use crate::rules::archive as rules;
use crate::scanner::{Scanner, shown};

/// An archive that is open: its members by number, in the order of its directory.
pub(crate) trait Archive {
    /// How many members there are.
    fn count(&self) -> usize;

    /// The name of a member; none for what has no bytes to be looked into.
    fn name(&self, member: usize) -> Option<&str>;

    /// The bytes of a member.
    ///
    /// # Errors
    /// When it cannot be unpacked.
    fn open(&self, member: usize) -> Result<Box<dyn Input + '_>, ReadError>;

    /// How many bytes of the archive it takes.
    fn packed(&self, member: usize) -> u64;
}

/// Bytes below which nothing is a bomb, however well it packs.
const BOMB_BYTES: u64 = 16 << 20;
/// How much smaller honest content is packed at best: deflate ends at 1,032 to 1.
const BOMB_RATIO: u64 = 250;

/// Reads an archive or a stream of this kind.
pub(crate) fn read(
    scanner: &mut Scanner,
    kind: Wrapped,
    name: &str,
    input: &dyn Input,
) -> Result<(), ReadError> {
    match kind {
        Wrapped::Zip => zip::read(scanner, input),
        Wrapped::Tar => tar::read(scanner, input),
        Wrapped::SevenZip => sevenz::read(scanner, input),
        _ => read_stream(scanner, kind, name, input),
    }
}

/// Looks into bytes that nobody knows: an archive may end there, or begin somewhere within.
pub(crate) fn read_unknown(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    if Wrapped::ends_as_zip(input)? {
        return zip::read(scanner, input);
    }
    pickle::unknown(scanner, input)?;
    let fuel = scanner.fuel().clone();
    if let Some((at, _)) = Wrapped::find(input, 1, &fuel)? {
        scanner.look(&format!("(from byte {at})"), &Window::new(input, at, input.len().saturating_sub(at)));
    }
    Ok(())
}

/// Looks for an archive that ends what was read as something else: some loaders ask for that first.
pub(crate) fn read_behind(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    if !Wrapped::ends_as_zip(input)? {
        return Ok(());
    }
    let fuel = scanner.fuel().clone();
    let zip = alcaide_container::zip::Zip::read(input, &fuel)?;
    if let Some(first) = zip.members().iter().find(|member| member.central.is_some()) {
        let evidence = format!("a zip archive ends it, with `{}` in it", shown(&first.name()));
        scanner.find(&rules::TWO_READINGS, Some(first.range.start), None, evidence);
        zip::read(scanner, input)?;
    }
    Ok(())
}

/// Looks into all members of an archive; true if all of them could be opened.
fn look_into(scanner: &mut Scanner, archive: &dyn Archive) -> bool {
    let storages = torch::storages(scanner, archive);
    let mut whole = true;
    for member in 0..archive.count() {
        let Some(name) = archive.name(member) else { continue };
        match archive.open(member) {
            Ok(input) => {
                bomb(scanner, name, input.len(), archive.packed(member));
                if storages.declare(name, input.len()) {
                    let len = input.len();
                    scanner.look_at(name, &*input, "torch-storage", |scanner| {
                        scanner.cover(0..len, Kind::Payload);
                        scanner.search_programs(&*input);
                    });
                } else if storages.is_spare(name) && scanner.is_nameless(name, &*input) {
                    let len = input.len();
                    scanner.look_at(name, &*input, "torch-storage", |scanner| {
                        match pickle::unknown(scanner, &*input) {
                            Ok(()) => scanner.cover(0..len, Kind::Payload),
                            Err(why) => scanner.stop(&why, None),
                        }
                        scanner.search_programs(&*input);
                    });
                } else {
                    scanner.look(name, &*input);
                }
            }
            Err(why) => {
                whole = false;
                scanner.stop(&why, None);
                scanner.doubt(&rules::MEMBER_UNREAD, None, format!("member `{}`", shown(name)));
            }
        }
    }
    storages.missing(scanner);
    whole
}

/// Whether something small becomes something large. Arrays of zeros, as an optimiser begins with, are none.
fn bomb(scanner: &mut Scanner, name: &str, len: u64, packed: u64) {
    let numbers = crate::sniff::ends(name, ".npy") && len < 64 * BOMB_BYTES;
    if !numbers && len >= BOMB_BYTES && len / packed.max(1) >= BOMB_RATIO {
        let evidence = format!("`{}`: {packed} bytes become {len}", shown(name));
        scanner.find(&rules::BOMB, None, None, evidence);
    }
}

/// Looks into bytes that belong to no record of an archive.
fn look_between(scanner: &mut Scanner, input: &dyn Input, gaps: &[std::ops::Range<u64>]) {
    for gap in gaps {
        let len = gap.end.saturating_sub(gap.start);
        let between = Window::new(input, gap.start, len);
        let name = format!("(bytes {} to {})", gap.start, gap.end);
        if is_padding(&between) {
            scanner.cover(gap.clone(), Kind::Parsed);
        } else {
            scanner.look(&name, &between);
            scanner.cover(gap.clone(), Kind::Parsed);
        }
    }
}

/// A few bytes of zeros or spaces: what writers put between records.
fn is_padding(input: &dyn Input) -> bool {
    const MOST: usize = 64 << 10;
    let Some(mut bytes) =
        usize::try_from(input.len()).ok().filter(|len| *len <= MOST).map(|len| vec![0; len])
    else {
        return false;
    };
    matches!(input.read_at(0, &mut bytes), Ok(read) if read == bytes.len())
        && bytes.iter().all(|byte| matches!(byte, 0 | b' '))
}

/// Rates what is wrong with the name of a member.
fn rate_name(scanner: &mut Scanner, at: u64, name: &str, flaw: NameFlaw) {
    let rule = match flaw {
        NameFlaw::Absolute | NameFlaw::Parent | NameFlaw::Drive => &rules::SLIP,
        NameFlaw::Nul => &rules::TWO_READINGS,
        _ => return scanner.doubt(&rules::ODD, Some(at), format!("the name `{}`", shown(name))),
    };
    scanner.find(rule, Some(at), None, format!("a member called `{}`", shown(name)));
}

/// Rates a link from the member `name` to `target`.
fn rate_link(scanner: &mut Scanner, at: u64, name: &str, target: &str) {
    if leaves(name, target) {
        let evidence = format!("`{}` is a link to `{}`", shown(name), shown(target));
        scanner.find(&rules::SLIP, Some(at), None, evidence);
    }
}

/// Whether a link that lies at `name` leads out of the folder that the archive is unpacked into.
fn leaves(name: &str, target: &str) -> bool {
    let slash = |one: char| one == '/' || one == '\\';
    let mut letters = target.chars();
    let drive = letters.next().is_some_and(|one| one.is_ascii_alphabetic()) && letters.next() == Some(':');
    if target.starts_with(slash) || drive {
        return true;
    }
    let parts = |text: &str| text.split(slash).filter(|part| !matches!(*part, "" | ".")).count();
    let mut depth = parts(name).saturating_sub(1);
    for part in target.split(slash).filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            let Some(up) = depth.checked_sub(1) else { return true };
            depth = up;
        } else {
            depth = depth.saturating_add(1);
        }
    }
    false
}

/// The beginning of a member as text: where a link leads.
fn text_of(input: &dyn Input) -> String {
    let mut bytes = [0; 4096];
    let read = input.read_at(0, &mut bytes).unwrap_or(0);
    String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leaves_by_its_steps_and_not_by_its_looks() {
        for (name, target) in [
            ("a", "../x"),
            ("a/b", "../../x"),
            ("a", "/etc/x"),
            ("a", "c:\\x"),
            ("a/b", "..\\..\\x"),
            ("a", "b/../../x"),
        ] {
            assert!(leaves(name, target), "{name} {target}");
        }
        for (name, target) in [("a/b", "../x"), ("a", "b"), ("a/b/c", "../../x"), ("./a/b", ".././x")] {
            assert!(!leaves(name, target), "{name} {target}");
        }
    }
}
