//! What the headers of one member, and the members of one archive, say differently.

use super::record::Header;
use super::{Zip, ZipFlaw};
use crate::name::duplicates;

const ENCRYPTED: u16 = 0x0001;
const PATCHED: u16 = 0x0020;
const STRONG: u16 = 0x0040;
const MASKED: u16 = 0x2000;
/// Flags that change how a member is read.
const MATTERS: u16 = ENCRYPTED | 0x0008 | PATCHED | STRONG | 0x0800 | MASKED;

impl Zip<'_> {
    pub(super) fn compare(&mut self) {
        let len = self.input.len();
        let mut notes: Vec<(u64, Option<usize>, ZipFlaw)> = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            let first = notes.len();
            // The same flaw in both headers of a member is one.
            let mut note = |at: u64, flaw: ZipFlaw| {
                let own = notes.get(first..).unwrap_or_default();
                if !own.iter().any(|(_, _, known)| *known == flaw) {
                    notes.push((at, Some(index), flaw));
                }
            };
            let central = member.central.as_ref().map(|(header, _)| header);
            let local = member.local.as_ref().map(|local| &local.header);
            for header in [central, local].into_iter().flatten() {
                alone(header, &mut note);
            }
            if let (Some(central), Some(local)) = (central, local) {
                pair(central, local, &mut note);
            }
            if let (Some(local), Some(range)) = (&member.local, member.header().map(|header| header.packed))
                && local.data.saturating_add(range) > len
            {
                note(local.header.at, ZipFlaw::Cut);
            }
            if let Some((header, attributes)) = &member.central {
                match attributes.unix_type() {
                    0 | 0o100_000 | 0o040_000 => {}
                    0o120_000 => note(header.at, ZipFlaw::Link),
                    mode => note(header.at, ZipFlaw::Special { mode }),
                }
            }
        }
        // Names are compared within a directory: the same file named by two directories is one file.
        let main: Vec<_> = (self.members.iter().enumerate())
            .filter(|(_, member)| member.directory.is_none_or(|directory| directory == 0))
            .filter_map(|(index, member)| Some((index, member.header()?)))
            .collect();
        for (later, first, exact) in duplicates(main.iter().map(|(_, header)| &header.name)) {
            if let (Some((later, header)), Some((first, _))) = (main.get(later), main.get(first)) {
                notes.push((header.at, Some(*later), ZipFlaw::Duplicate { first: *first, exact }));
            }
        }
        for (at, member, flaw) in notes {
            self.note(at, member, flaw);
        }
    }
}

/// What one header says that is irregular by itself.
fn alone(header: &Header, note: &mut impl FnMut(u64, ZipFlaw)) {
    let flags = header.flags;
    for flaw in header.name.flaws() {
        note(header.at, ZipFlaw::Name(flaw));
    }
    if let Some((name, fits)) = &header.unicode {
        if *name != header.name || !fits {
            note(header.at, ZipFlaw::UnicodeName { fits: *fits });
        }
        for flaw in name.flaws() {
            note(header.at, ZipFlaw::Name(flaw));
        }
    }
    if flags & (ENCRYPTED | STRONG) != 0 || header.aes.is_some() {
        note(header.at, ZipFlaw::Encrypted { strong: flags & STRONG != 0 });
    }
    if flags & PATCHED != 0 {
        note(header.at, ZipFlaw::Patched);
    }
    if flags & MASKED != 0 {
        note(header.at, ZipFlaw::Masked);
    }
    if !matches!(header.method, 0 | 8 | 12 | 14 | 93) {
        note(header.at, ZipFlaw::MethodUnread { method: header.method });
    }
    let unknown = flags & 8 != 0 && header.packed == 0;
    if header.method == 0 && header.packed != header.len && !unknown && flags & ENCRYPTED == 0 {
        note(header.at, ZipFlaw::StoredLength);
    }
    // The checksum of no bytes is zero; of some bytes it hardly is.
    if header.crc == 0 && header.len > 0 && flags & 8 == 0 {
        note(header.at, ZipFlaw::CrcZero);
    }
}

/// What two headers of one member say differently.
fn pair(central: &Header, local: &Header, note: &mut impl FnMut(u64, ZipFlaw)) {
    let at = local.at;
    if central.name != local.name {
        note(at, ZipFlaw::Names);
    }
    if (central.flags ^ local.flags) & MATTERS != 0 {
        note(at, ZipFlaw::Flags { central: central.flags, local: local.flags });
    }
    if central.method != local.method {
        note(at, ZipFlaw::Method { central: central.method, local: local.method });
    }
    // With a descriptor the local header may leave out what it says.
    let left_out = |said: u64| local.flags & 8 != 0 && (said == 0 || said == 0xffff_ffff);
    let differs = |central: u64, local: u64| central != local && !left_out(local);
    if differs(central.packed, local.packed) || differs(central.len, local.len) {
        note(at, ZipFlaw::Lengths);
    }
    if differs(central.crc.into(), local.crc.into()) {
        note(at, ZipFlaw::Crc { central: central.crc, local: local.crc });
    }
    if central.crc == 0 && central.len > 0 && local.flags & 8 != 0 {
        note(central.at, ZipFlaw::CrcZero);
    }
}
