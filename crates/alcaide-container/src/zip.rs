//! Zip files, read twice: by their directories and by the headers in front of the data.
//!
//! A reader that trusts one of the two sees another archive than one that trusts the other, and malicious archives live in
//! between. So every end record in the last 64 KiB is followed, in each way that readers take it ([`end`]); every local
//! header is found that no directory names, in the chain from the first byte as well as between the members; and whatever
//! two places say differently is a [`ZipFlaw`]. Nobody here says how bad that is.
//!
//! A member is offered under each [`Reading`] that some reader would give it: the directory's, the local header's, and in
//! both cases also where a flag claims encryption, which some loaders ignore.
//!
//! Left out: encryption itself, deflate64, PPMd and the other methods of the note that no known writer of models uses
//! ([`Packing::Unread`]); archives over several files.

mod compare;
mod end;
mod flaw;
mod open;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use memchr::memmem::Finder;

pub use flaw::{ZipFlaw, ZipNote};
pub use open::{Content, Reading, crc32};
pub use record::{Attributes, Header, Local};

use crate::fuel::{Fuel, Held};
use crate::input::{Input, ReadError};
use crate::pages::{self, Pages};

/// A zip file, as all readers together see it.
pub struct Zip<'a> {
    input: &'a dyn Input,
    fuel: Fuel,
    members: Vec<ZipMember>,
    flaws: Vec<ZipNote>,
    flaws_left_out: u64,
    gaps: Vec<Range<u64>>,
    records: Vec<Range<u64>>,
    end: Option<u64>,
    _held: Held,
}

/// A member, by whatever names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ZipMember {
    /// What a directory says of it, and what only directories say.
    pub central: Option<(Header, Attributes)>,
    /// What stands in front of its data.
    pub local: Option<Local>,
    /// Which directory names it: 0 is the one that CPython reads.
    pub directory: Option<usize>,
    /// All bytes that it takes: header, data, descriptor.
    pub range: Range<u64>,
    /// Whether bytes of it belong to another member, too.
    pub shared: bool,
}

impl ZipMember {
    /// The header that counts: the directory's where there is one.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        match (&self.central, &self.local) {
            (Some((header, _)), _) => Some(header),
            (None, Some(local)) => Some(&local.header),
            (None, None) => None,
        }
    }

    /// Its name by the header that counts.
    #[must_use]
    pub fn name(&self) -> String {
        self.header().map(|header| header.name.text()).unwrap_or_default()
    }

    /// Whether it is a symbolic link; its bytes are the target.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.central.as_ref().is_some_and(|(_, attributes)| attributes.unix_type() == 0o120_000)
    }
}

/// How many flaws are listed at most; others are counted.
const FLAWS_MAX: usize = 4096;
/// How many directories are read at most.
const DIRECTORIES_MAX: usize = 8;
/// Steps for a header.
const STEPS: u64 = 8;

impl<'a> Zip<'a> {
    /// Reads all records of `input`.
    ///
    /// # Errors
    /// [`ReadError`] if the source fails or the budget is spent. A file that is no zip file at all has no members.
    pub fn read(input: &'a dyn Input, fuel: &Fuel) -> Result<Self, ReadError> {
        let mut zip = Self {
            input,
            fuel: fuel.clone(),
            members: Vec::new(),
            flaws: Vec::new(),
            flaws_left_out: 0,
            gaps: Vec::new(),
            records: Vec::new(),
            end: None,
            _held: fuel.hold(0)?,
        };
        let ends = zip.directories()?;
        let ranges = zip.share();
        zip.orphans(&ranges, ends.first())?;
        zip.compare();
        zip.flaws.sort_by_key(|note| (note.at, note.member));
        Ok(zip)
    }

    /// Its members: first those that CPython lists, in that order.
    #[must_use]
    pub fn members(&self) -> &[ZipMember] {
        &self.members
    }

    /// What is irregular, in the order of the places.
    #[must_use]
    pub fn flaws(&self) -> &[ZipNote] {
        &self.flaws
    }

    /// How many flaws more there are than are listed.
    #[must_use]
    pub const fn flaws_left_out(&self) -> u64 {
        self.flaws_left_out
    }

    /// Bytes that belong to no record: before, between and behind.
    #[must_use]
    pub fn gaps(&self) -> &[Range<u64>] {
        &self.gaps
    }

    /// Directories and end records, which were read whole.
    #[must_use]
    pub fn records(&self) -> &[Range<u64>] {
        &self.records
    }

    /// Where the file ends by its own word; `None` without an end record.
    #[must_use]
    pub const fn end(&self) -> Option<u64> {
        self.end
    }

    fn note(&mut self, at: u64, member: Option<usize>, flaw: ZipFlaw) {
        if self.flaws.len() < FLAWS_MAX {
            self.flaws.push(ZipNote { at, member, flaw });
        } else {
            self.flaws_left_out += 1;
        }
    }

    fn push(&mut self, member: ZipMember) -> Result<(), ReadError> {
        self.fuel.entry(1)?;
        let central = member.central.as_ref().map_or(0, |(header, _)| record::held(header));
        let local = member.local.as_ref().map_or(0, |local| record::held(&local.header));
        self._held.more(size_of::<ZipMember>() as u64 + central + local)?;
        self.members.push(member);
        Ok(())
    }

    /// All entries of all directories.
    fn directories(&mut self) -> Result<Vec<end::End>, ReadError> {
        let ends = end::ends(self.input)?;
        let mut pages = Pages::new(self.input, 64 << 10);
        let mut seen = BTreeSet::new();
        let mut directories = 0;
        for (rank, end) in ends.iter().enumerate() {
            if rank > 0 {
                // One that a member holds belongs to an archive in the archive, unless it reaches to the end of this one.
                let held = self.members.iter().any(|m| m.local.is_some() && m.range.contains(&end.at));
                if held && end.reach != self.input.len() {
                    continue;
                }
                self.note(end.at, None, ZipFlaw::AnotherEnd);
            }
            if end.disks {
                self.note(end.at, None, ZipFlaw::Disks);
            }
            if end.disagrees() || end.elsewhere.is_some() {
                self.note(end.at, None, ZipFlaw::Wide);
            }
            let readings = end.readings(&mut pages)?;
            if rank == 0 {
                self.end = Some(end.reach.min(self.input.len()));
                let there = self.input.len().saturating_sub(end.at).saturating_sub(22);
                let said = end.reach.saturating_sub(end.at).saturating_sub(22);
                if said != there {
                    self.note(end.at, None, ZipFlaw::Comment { said, there });
                }
                if readings.is_empty() {
                    self.note(end.at, None, ZipFlaw::NoDirectory);
                }
            }
            for reading in readings {
                if directories >= DIRECTORIES_MAX {
                    self.note(end.at, None, ZipFlaw::TooManyDirectories);
                    break;
                }
                if seen.contains(&(reading.start, reading.shift)) {
                    continue;
                }
                if directories > 0 {
                    self.note(reading.start, None, ZipFlaw::AnotherDirectory);
                }
                let first = self.members.len();
                self.directory(&reading, directories, &mut seen, &mut pages)?;
                self.locals(first)?;
                directories += 1;
            }
        }
        if ends.is_empty() {
            self.note(self.input.len(), None, ZipFlaw::NoDirectory);
        }
        if ends.len() >= end::ENDS_MAX {
            self.note(self.input.len(), None, ZipFlaw::TooManyDirectories);
        }
        Ok(ends)
    }

    /// The entries of one directory, as far as its length or its count reaches.
    fn directory(
        &mut self,
        reading: &end::Reading,
        directory: usize,
        seen: &mut BTreeSet<(u64, u64)>,
        pages: &mut Pages<'_>,
    ) -> Result<(), ReadError> {
        let (mut at, mut found, mut used) = (reading.start, 0_u64, 0_u64);
        let by_size = reading.start.saturating_add(reading.size);
        while at < reading.limit && (at < by_size || found < reading.count) {
            self.fuel.step(STEPS)?;
            let Some(entry) = record::entry(pages, at)? else { break };
            found += 1;
            let next = entry.next;
            // An entry that another way to read the directory led to before is the same member.
            if seen.insert((at, reading.shift)) {
                self._held.more(64)?;
                let local = entry.local.wrapping_add(reading.shift);
                self.push(ZipMember {
                    central: Some((entry.header, entry.attributes)),
                    local: None,
                    directory: Some(directory),
                    range: local..local,
                    shared: false,
                })?;
            }
            if entry.disk != 0 {
                self.note(at, self.members.len().checked_sub(1), ZipFlaw::Disks);
            }
            at = next;
            used = at - reading.start;
        }
        if found != reading.count {
            self.note(reading.start, None, ZipFlaw::Count { said: reading.count, found });
        }
        if used != reading.size {
            self.note(reading.start, None, ZipFlaw::DirectorySize { said: reading.size, found: used });
        }
        self.records.push(reading.start..at.max(reading.start));
        Ok(())
    }

    /// The local header of each entry from the member number `first` on.
    fn locals(&mut self, first: usize) -> Result<(), ReadError> {
        let mut pages = Pages::new(self.input, 1 << 10);
        for index in first..self.members.len() {
            self.fuel.step(STEPS)?;
            let Some(start) = self.members.get(index).map(|member| member.range.start) else { break };
            let local = record::local(&mut pages, start)?;
            let Some(local) = local else {
                self.note(start, Some(index), ZipFlaw::NoLocal);
                continue;
            };
            self._held.more(record::held(&local.header))?;
            let Some(member) = self.members.get_mut(index) else { break };
            let Some((header, _)) = &member.central else { continue };
            let data_end = local.data.saturating_add(header.packed);
            let mut end = data_end;
            let mut missing = false;
            if local.header.flags & 8 != 0 {
                match record::descriptor(&mut pages, data_end, header)? {
                    Some(found) => {
                        end = data_end.saturating_add(found.len);
                        missing = !found.fits;
                    }
                    None => missing = true,
                }
            }
            member.range = start..end;
            member.local = Some(local);
            if missing {
                self.note(data_end, Some(index), ZipFlaw::Descriptor);
            }
        }
        Ok(())
    }

    /// Marks members that share bytes, and gives back the ranges that are taken, in order and joined.
    fn share(&mut self) -> Vec<Range<u64>> {
        let mut order: Vec<(u64, u64, usize)> = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            if member.local.is_some() {
                order.push((member.range.start, member.range.end, index));
            }
        }
        order.sort_unstable();
        let mut joined: Vec<Range<u64>> = Vec::new();
        let mut last: Option<usize> = None;
        for &(start, end, index) in &order {
            let overlaps = joined.last().is_some_and(|before| start < before.end);
            if overlaps && let Some(with) = last {
                // The same entry under two readings of one directory is one member.
                let twin = self.same_entry(index, with);
                if !twin {
                    self.note(start, Some(index), ZipFlaw::Overlap { with });
                    for shared in [index, with] {
                        if let Some(member) = self.members.get_mut(shared) {
                            member.shared = true;
                        }
                    }
                }
            }
            match joined.last_mut() {
                Some(before) if start <= before.end => {
                    if end > before.end {
                        before.end = end;
                        last = Some(index);
                    }
                }
                _ => {
                    joined.push(start..end);
                    last = Some(index);
                }
            }
        }
        joined
    }

    fn same_entry(&self, one: usize, other: usize) -> bool {
        let place = |index: usize| {
            let member = self.members.get(index)?;
            Some((member.central.as_ref()?.0.at, member.range.start))
        };
        one != other && place(one).is_some() && place(one) == place(other)
    }

    /// Local headers that no directory names: along the chain from the first byte, and in the bytes between.
    fn orphans(&mut self, taken: &[Range<u64>], end: Option<&end::End>) -> Result<(), ReadError> {
        let named: BTreeMap<u64, usize> =
            (self.members.iter().enumerate()).map(|(index, member)| (member.range.start, index)).collect();
        let mut known: BTreeSet<u64> = named.keys().copied().collect();
        self._held.more(64 * known.len() as u64)?;
        let mut pages = Pages::new(self.input, 1 << 10);
        let mut at = 0;
        while let Some(local) = record::local(&mut pages, at)? {
            self.fuel.step(STEPS)?;
            let named = named.get(&at);
            let mut next = local.data.saturating_add(local.header.packed);
            if local.header.flags & 8 != 0 && local.header.packed == 0 {
                // Its length stands behind it: only who reads the directory, or unpacks it, knows where.
                match named.and_then(|&index| self.members.get(index)) {
                    Some(member) => next = member.range.end,
                    None => break,
                }
            } else if local.header.flags & 8 != 0
                && let Some(found) = record::descriptor(&mut pages, next, &local.header)?
            {
                next = next.saturating_add(found.len);
            }
            if named.is_none() && known.insert(at) {
                self.orphan(local, next, true)?;
            }
            at = next;
        }
        self.between(taken, end, &mut known)
    }

    fn orphan(&mut self, local: Local, end: u64, chained: bool) -> Result<(), ReadError> {
        let at = local.header.at;
        self.push(ZipMember {
            central: None,
            range: at..end.max(local.data),
            local: Some(local),
            directory: None,
            shared: false,
        })?;
        self.note(at, self.members.len().checked_sub(1), ZipFlaw::LocalOnly { chained });
        Ok(())
    }

    /// Searches what nothing has taken for local headers, and keeps the rest as gaps.
    fn between(
        &mut self,
        taken: &[Range<u64>],
        end: Option<&end::End>,
        known: &mut BTreeSet<u64>,
    ) -> Result<(), ReadError> {
        let len = self.input.len();
        let mut ranges = taken.to_vec();
        ranges.extend(self.records.iter().cloned());
        ranges.extend(self.members.iter().filter(|member| member.central.is_none()).map(|m| m.range.clone()));
        let mut pages = Pages::new(self.input, 256);
        ranges.extend(end.map(|end| end.range(len)));
        let finder = Finder::new(&record::LOCAL);
        let mut orphans = Vec::new();
        for gap in complement(&mut ranges, len) {
            let mut at = gap.start;
            while let Some(place) = pages::find(self.input, at..gap.end, &finder, &self.fuel)? {
                self.fuel.step(STEPS)?;
                let local = record::local(&mut pages, place)?;
                let Some(local) = local.filter(|local| local.data <= gap.end && known.insert(place)) else {
                    at = place + 4;
                    continue;
                };
                // Without a length it has what is left; what else lies there is found by going on behind its header.
                let open = local.header.packed == 0 && local.header.flags & 8 != 0;
                let end =
                    if open { gap.end } else { local.data.saturating_add(local.header.packed).min(gap.end) };
                at = if open { local.data } else { end };
                orphans.push(place..end);
                self.orphan(local, end, false)?;
            }
        }
        ranges.extend(orphans);
        for gap in complement(&mut ranges, len) {
            let flaw = match gap.start {
                0 => ZipFlaw::Prefix { bytes: gap.end },
                _ => ZipFlaw::Gap { bytes: gap.end - gap.start },
            };
            self.note(gap.start, None, flaw);
            self._held.more(16)?;
            self.gaps.push(gap);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Zip<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Zip")
            .field("members", &self.members)
            .field("flaws", &self.flaws)
            .finish_non_exhaustive()
    }
}

/// What `ranges` leave of the first `len` bytes.
fn complement(ranges: &mut [Range<u64>], len: u64) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut gaps = Vec::new();
    let mut at = 0;
    for range in &*ranges {
        if range.start > at {
            gaps.push(at..range.start.min(len));
        }
        at = at.max(range.end);
        if at >= len {
            break;
        }
    }
    if at < len {
        gaps.push(at..len);
    }
    gaps
}
