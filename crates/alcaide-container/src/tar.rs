//! Tar archives of every kind in use, walked and never unpacked.
//!
//! One pass over the headers, block by block: v7, ustar (POSIX.1-1988), pax (POSIX.1-2001) and GNU's long names and sparse
//! files. Readers differ in what they do with a wrong checksum, bytes behind the end and archives joined together; each of
//! those is a [`TarFlaw`], and the walk goes on where any of them would.
//!
//! The bytes of a sparse file are given with its holes as zeros, as every reader that knows it does.

mod header;
mod sparse;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;

pub use header::Kind;
pub use sparse::TarContent;

use crate::bytes;
use crate::fuel::{Fuel, Held};
use crate::input::{Input, ReadError};
use crate::name::{Name, NameFlaw, duplicates};
use crate::pages::Pages;
use header::{BLOCK, Block, Pax};
use sparse::Map;

pub(crate) use header::is_header;

/// A tar archive.
pub struct Tar<'a> {
    input: &'a dyn Input,
    fuel: Fuel,
    members: Vec<TarMember>,
    flaws: Vec<TarNote>,
    flaws_left_out: u64,
    gaps: Vec<Range<u64>>,
    end: u64,
    held: Held,
}

/// A member of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TarMember {
    /// Its name, by the last record that gives one.
    pub name: Name,
    /// The name in its own header, where a record before it gives another.
    pub short_name: Option<Name>,
    /// What it is.
    pub kind: Kind,
    /// Where a link leads.
    pub target: Option<Name>,
    /// Permissions and the bits above them.
    pub mode: u32,
    /// Where its header lies.
    pub at: u64,
    /// Its bytes in the archive.
    pub data: Range<u64>,
    /// How many bytes it has, holes included.
    pub len: u64,
    /// The places of its bytes if it has holes.
    map: Option<Map>,
}

/// A flaw, the place of the header that shows it, and the member that it is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TarNote {
    /// Where.
    pub at: u64,
    /// Which, counted in [`Tar::members`].
    pub member: Option<usize>,
    /// What.
    pub flaw: TarFlaw,
}

/// What is irregular about a tar archive.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TarFlaw {
    /// A block that is no header stands where one should; some readers stop, some search on.
    NotAHeader,
    /// A field of a header is no number.
    BadNumber {
        /// Which.
        field: &'static str,
    },
    /// A record of attributes cannot be read, or is longer than is read.
    BadRecord,
    /// The length in a record of attributes is another than in the header.
    LengthOverridden {
        /// In the header.
        header: u64,
        /// In the record.
        record: u64,
    },
    /// Attributes for all members that follow.
    Global,
    /// Its data would reach past the end of the file.
    Cut,
    /// There are no two blocks of zeros at the end.
    NoEnd,
    /// Bytes stand behind the end.
    Trailing {
        /// How many.
        bytes: u64,
    },
    /// Another archive begins behind the end; its members are listed, too.
    Another,
    /// Its name or its target, by [`NameFlaw`].
    Name(NameFlaw),
    /// An earlier member has the same name.
    Duplicate {
        /// Which.
        first: usize,
        /// Whether byte for byte, or only where case does not count or slashes lean either way.
        exact: bool,
    },
    /// The header gives another name than the records before it.
    Names,
    /// A symbolic link.
    SymbolicLink,
    /// A hard link.
    HardLink,
    /// A device or a pipe.
    Special,
    /// A type that is not known.
    UnknownType {
        /// The byte.
        byte: u8,
    },
    /// It is to run as its owner or group.
    SetId,
    /// A sparse file whose map cannot be read.
    BadMap,
    /// It is a link or a folder and has data.
    DataOfNone,
}

const FLAWS_MAX: usize = 4096;
const STEPS: u64 = 8;

/// What is known of the next member before its header.
#[derive(Default)]
struct Ahead {
    pax: Pax,
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
}

impl<'a> Tar<'a> {
    /// Walks the headers of `input`.
    ///
    /// # Errors
    /// [`ReadError`] if the source fails or the budget is spent. What is no tar archive has no members.
    pub fn read(input: &'a dyn Input, fuel: &Fuel) -> Result<Self, ReadError> {
        let mut tar = Self {
            input,
            fuel: fuel.clone(),
            members: Vec::new(),
            flaws: Vec::new(),
            flaws_left_out: 0,
            gaps: Vec::new(),
            end: 0,
            held: fuel.hold(0)?,
        };
        tar.walk()?;
        let clashes = duplicates(tar.members.iter().map(|member| &member.name));
        for (later, first, exact) in clashes {
            let at = tar.members.get(later).map_or(0, |member| member.at);
            tar.note(at, Some(later), TarFlaw::Duplicate { first, exact });
        }
        tar.flaws.sort_by_key(|note| (note.at, note.member));
        Ok(tar)
    }

    /// Its members, in order.
    #[must_use]
    pub fn members(&self) -> &[TarMember] {
        &self.members
    }

    /// What is irregular, in the order of the places.
    #[must_use]
    pub fn flaws(&self) -> &[TarNote] {
        &self.flaws
    }

    /// How many flaws more there are than are listed.
    #[must_use]
    pub const fn flaws_left_out(&self) -> u64 {
        self.flaws_left_out
    }

    /// Bytes that belong to no header, no member and no padding.
    #[must_use]
    pub fn gaps(&self) -> &[Range<u64>] {
        &self.gaps
    }

    /// Where the archive ends: behind its blocks of zeros, or where reading stopped.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The bytes of member number `member`.
    ///
    /// # Errors
    /// [`ReadError`] if its map of holes cannot be read, or there is no such member.
    pub fn open(&self, member: usize) -> Result<TarContent<'a>, ReadError> {
        let unsupported = |what: &str| ReadError::Unsupported { what: what.to_owned() };
        let member = self.members.get(member).ok_or_else(|| unsupported("a member that is not there"))?;
        sparse::open(self.input, member, &self.fuel)
    }

    fn note(&mut self, at: u64, member: Option<usize>, flaw: TarFlaw) {
        if self.flaws.len() < FLAWS_MAX {
            self.flaws.push(TarNote { at, member, flaw });
        } else {
            self.flaws_left_out += 1;
        }
    }

    fn walk(&mut self) -> Result<(), ReadError> {
        let len = self.input.len();
        let mut pages = Pages::new(self.input, 16 << 10);
        let mut global = Pax::default();
        let mut ahead = Ahead::default();
        let mut at = 0;
        let mut zeros = 0_u64;
        let mut lost: Option<u64> = None;
        while let Some(block) = pages.get(at, BLOCK)? {
            self.fuel.step(STEPS)?;
            if block.iter().all(|&byte| byte == 0) {
                zeros += 1;
                at += BLOCK as u64;
                if let Some(start) = lost.take() {
                    self.gaps.push(start..at - BLOCK as u64);
                }
                if zeros == 2 {
                    self.end = at;
                    at = self.behind(at)?;
                    if at >= len {
                        return Ok(());
                    }
                    zeros = 0;
                }
                continue;
            }
            let Some(header) = Block::read(block) else {
                if lost.is_none() {
                    if self.members.is_empty() && self.end == 0 {
                        // Not an archive at all: nothing to search on for.
                        self.note(at, None, TarFlaw::NotAHeader);
                        self.gaps.push(at..len);
                        return Ok(());
                    }
                    self.note(at, None, TarFlaw::NotAHeader);
                    self.held.more(16)?;
                    lost = Some(at);
                }
                at += BLOCK as u64;
                continue;
            };
            zeros = 0;
            if let Some(start) = lost.take() {
                self.gaps.push(start..at);
            }
            at = self.header(&header, at, &mut global, &mut ahead, &mut pages)?;
        }
        if let Some(start) = lost {
            self.gaps.push(start..len);
        }
        if zeros < 2 {
            self.note(at.min(len), None, TarFlaw::NoEnd);
        }
        self.end = self.end.max(at.min(len));
        Ok(())
    }

    /// Where another archive begins behind the end at `at`, or the end of the file.
    fn behind(&mut self, at: u64) -> Result<u64, ReadError> {
        let len = self.input.len();
        let mut pages = Pages::new(self.input, 64 << 10);
        let mut place = at;
        while let Some(block) = pages.get(place, BLOCK)? {
            self.fuel.step(1)?;
            if block.iter().any(|&byte| byte != 0) {
                break;
            }
            place += BLOCK as u64;
        }
        let rest = bytes::read(self.input, place, BLOCK)?;
        if rest.iter().all(|&byte| byte == 0) && len.saturating_sub(place) <= BLOCK as u64 {
            self.end = len;
            return Ok(len);
        }
        if is_header(&rest) {
            self.note(place, None, TarFlaw::Another);
            return Ok(place);
        }
        self.end = place;
        self.note(place, None, TarFlaw::Trailing { bytes: len - place });
        self.held.more(16)?;
        self.gaps.push(place..len);
        Ok(len)
    }

    /// One header; gives back where the next one is.
    fn header(
        &mut self,
        header: &Block,
        at: u64,
        global: &mut Pax,
        ahead: &mut Ahead,
        pages: &mut Pages<'_>,
    ) -> Result<u64, ReadError> {
        let len = self.input.len();
        let mut data = at.saturating_add(BLOCK as u64);
        let Some(mut size) = header.size else {
            self.note(at, None, TarFlaw::BadNumber { field: "size" });
            return Ok(data);
        };
        match header.kind {
            b'x' | b'X' | b'g' => {
                match header::pax(self.input, data, size)? {
                    Some(found) if header.kind == b'g' => {
                        self.note(at, None, TarFlaw::Global);
                        global.extend(found);
                    }
                    Some(found) => ahead.pax.extend(found),
                    None => self.note(at, None, TarFlaw::BadRecord),
                }
                return Ok(after(data, size));
            }
            b'L' | b'K' => {
                let text = header::long(self.input, data, size)?;
                match text {
                    Some(text) if header.kind == b'L' => ahead.name = Some(text),
                    Some(text) => ahead.target = Some(text),
                    None => self.note(at, None, TarFlaw::BadRecord),
                }
                return Ok(after(data, size));
            }
            _ => {}
        }
        let index = self.members.len();
        let ahead = std::mem::take(ahead);
        let mut pax = global.clone();
        pax.extend(ahead.pax);
        if let Some(record) = pax.number("size")
            && record != size
        {
            self.note(at, Some(index), TarFlaw::LengthOverridden { header: size, record });
            size = record;
        }
        let kind = Kind::of(header.kind, &header.name);
        // Links and folders have no data, whatever their header says; but most readers skip what is said.
        let empty = matches!(kind, Kind::HardLink | Kind::SymbolicLink | Kind::Special | Kind::Folder);
        if empty && size > 0 {
            self.note(at, Some(index), TarFlaw::DataOfNone);
        }
        let mut map = None;
        let mut whole = size;
        if header.kind == b'S' {
            let (old, more) = header.old_map(pages, data)?;
            data = data.saturating_add(more.saturating_mul(BLOCK as u64));
            whole = header.real_size.unwrap_or(size);
            map = old.map(Map::Known);
            if map.is_none() {
                self.note(at, Some(index), TarFlaw::BadMap);
                map = Some(Map::Unread);
            }
        } else if let Some(found) = Map::of_pax(&pax) {
            whole =
                pax.number("GNU.sparse.realsize").or_else(|| pax.number("GNU.sparse.size")).unwrap_or(size);
            if matches!(found, Map::Unread) {
                self.note(at, Some(index), TarFlaw::BadMap);
            }
            map = Some(found);
        }
        let short = Name::new(&header.name);
        let long = (pax.text("GNU.sparse.name").map(<[u8]>::to_vec))
            .or_else(|| pax.text("path").map(<[u8]>::to_vec))
            .or(ahead.name);
        let name = long.as_deref().map_or_else(|| short.clone(), Name::new);
        let short_name = (name != short).then_some(short);
        let linkpath = pax.text("linkpath").map(<[u8]>::to_vec).or(ahead.target);
        let target = matches!(kind, Kind::HardLink | Kind::SymbolicLink)
            .then(|| Name::new(linkpath.as_deref().unwrap_or(&header.target)));
        self.irregular(header, at, &name, short_name.as_ref(), target.as_ref(), kind);
        let end = data.saturating_add(size);
        if end > len {
            self.note(at, Some(index), TarFlaw::Cut);
        }
        let held = name.held() + target.as_ref().map_or(0, Name::held) + map.as_ref().map_or(0, Map::held);
        self.fuel.entry(1)?;
        self.held.more(size_of::<TarMember>() as u64 + held)?;
        self.members.push(TarMember {
            name,
            short_name,
            kind,
            target,
            mode: header.mode,
            at,
            data: data.min(len)..end.min(len),
            len: whole,
            map,
        });
        Ok(after(data, size))
    }

    fn irregular(
        &mut self,
        header: &Block,
        at: u64,
        name: &Name,
        short: Option<&Name>,
        target: Option<&Name>,
        kind: Kind,
    ) {
        let index = Some(self.members.len());
        let names = [Some(name), short, target].into_iter().flatten();
        let known: BTreeSet<NameFlaw> = names.flat_map(Name::flaws).collect();
        for flaw in known {
            self.note(at, index, TarFlaw::Name(flaw));
        }
        // A short name is the beginning of the long one, or a stand-in that the writer made of its end.
        if let Some(short) = short {
            let base = |name: &Name| name.bytes().rsplit(|&byte| byte == b'/').next().map(<[u8]>::to_vec);
            let cut = name.bytes().starts_with(short.bytes());
            let stand_in = base(name).zip(base(short)).is_some_and(|(long, short)| long.starts_with(&short));
            if !cut && !stand_in {
                self.note(at, index, TarFlaw::Names);
            }
        }
        match kind {
            Kind::SymbolicLink => self.note(at, index, TarFlaw::SymbolicLink),
            Kind::HardLink => self.note(at, index, TarFlaw::HardLink),
            Kind::Special => self.note(at, index, TarFlaw::Special),
            Kind::Unknown => self.note(at, index, TarFlaw::UnknownType { byte: header.kind }),
            Kind::File | Kind::Folder => {}
        }
        if header.mode & 0o6000 != 0 {
            self.note(at, index, TarFlaw::SetId);
        }
    }
}

impl std::fmt::Debug for Tar<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Tar")
            .field("members", &self.members)
            .field("flaws", &self.flaws)
            .finish_non_exhaustive()
    }
}

/// Where the block behind `size` bytes at `data` begins.
const fn after(data: u64, size: u64) -> u64 {
    data.saturating_add(size.saturating_add(BLOCK as u64 - 1) / BLOCK as u64 * BLOCK as u64)
}
