//! Files with holes: four ways to write where their bytes belong.

use std::ops::Range;

use super::TarMember;
use super::header::{BLOCK, Pax, Runs, decimal};
use crate::bytes;
use crate::fuel::{Fuel, Held};
use crate::input::{Input, ReadError, Window};

/// Runs that a map may have.
const RUNS_MAX: usize = 100_000;
/// Bytes of a map in the data that are read at most.
const MAP_MAX: u64 = 4 << 20;

/// Where the bytes of a sparse file belong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Map {
    /// It stood in the headers.
    Known(Runs),
    /// It stands in front of the data: version 1.0.
    InData,
    /// It could not be read.
    Unread,
}

impl Map {
    /// The map that attributes give or promise.
    pub(super) fn of_pax(pax: &Pax) -> Option<Self> {
        if pax.number("GNU.sparse.major") == Some(1) {
            return Some(Self::InData);
        }
        if let Some(list) = pax.text("GNU.sparse.map") {
            let numbers: Option<Vec<u64>> = list.split(|&byte| byte == b',').map(decimal).collect();
            return Some(numbers.and_then(|numbers| runs(&numbers)).map_or(Self::Unread, Self::Known));
        }
        if pax.runs.is_empty() {
            return None;
        }
        let numbers: Option<Vec<u64>> = pax.runs.iter().map(|number| decimal(number)).collect();
        Some(numbers.and_then(|numbers| runs(&numbers)).map_or(Self::Unread, Self::Known))
    }

    pub(super) fn held(&self) -> u64 {
        match self {
            Self::Known(runs) => runs.len() as u64 * 16,
            Self::InData | Self::Unread => 0,
        }
    }
}

fn runs(numbers: &[u64]) -> Option<Runs> {
    let mut runs = Runs::new();
    for pair in numbers.chunks(2) {
        let [place, len] = pair else { return None };
        runs.push((*place, *len));
    }
    (runs.len() <= RUNS_MAX).then_some(runs)
}

/// What a member holds.
pub struct TarContent<'a> {
    data: Window<&'a dyn Input>,
    len: u64,
    /// Runs in order: where they belong, and where in the data they lie.
    runs: Option<Vec<(Range<u64>, u64)>>,
    fuel: Fuel,
    _held: Option<Held>,
}

/// The bytes of `member`.
pub(super) fn open<'a>(
    input: &'a dyn Input,
    member: &TarMember,
    fuel: &Fuel,
) -> Result<TarContent<'a>, ReadError> {
    let range = &member.data;
    let window = |skip: u64| {
        let start = range.start.saturating_add(skip);
        Window::new(input, start, range.end.saturating_sub(start))
    };
    let unread = || ReadError::Unsupported { what: "a map of holes like this".to_owned() };
    let (runs, skip) = match &member.map {
        None => {
            let data = window(0);
            let len = data.len();
            return Ok(TarContent { data, len, runs: None, fuel: fuel.clone(), _held: None });
        }
        Some(Map::Known(runs)) => (runs.clone(), 0),
        Some(Map::InData) => in_data(&window(0))?.ok_or_else(unread)?,
        Some(Map::Unread) => return Err(unread()),
    };
    let held = fuel.hold(runs.len() as u64 * 24)?;
    fuel.step(runs.len() as u64)?;
    let mut places = Vec::new();
    let (mut last, mut at) = (0, 0_u64);
    for (place, len) in runs {
        let end = place.checked_add(len).filter(|&end| end <= member.len).ok_or_else(unread)?;
        if place < last {
            return Err(unread());
        }
        if len > 0 {
            places.push((place..end, at));
        }
        last = end;
        at = at.saturating_add(len);
    }
    Ok(TarContent {
        data: window(skip),
        len: member.len,
        runs: Some(places),
        fuel: fuel.clone(),
        _held: Some(held),
    })
}

/// The map in front of the data: a count, then place and length of each run, a number a line; and how long it is.
fn in_data(data: &dyn Input) -> Result<Option<(Runs, u64)>, ReadError> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number: Option<u64> = None;
    let mut at = 0;
    let mut left: Option<u64> = None;
    while at < MAP_MAX.min(data.len()) {
        let block = bytes::read(data, at, BLOCK)?;
        at += BLOCK as u64;
        for byte in block {
            match byte {
                b'0'..=b'9' => {
                    let digit = u64::from(byte - b'0');
                    let next =
                        number.unwrap_or(0).checked_mul(10).and_then(|number| number.checked_add(digit));
                    if next.is_none() {
                        return Ok(None);
                    }
                    number = next;
                }
                b'\n' => {
                    let Some(found) = number.take() else { return Ok(None) };
                    match &mut left {
                        None if found > RUNS_MAX as u64 => return Ok(None),
                        None => left = Some(found * 2),
                        Some(left) => {
                            numbers.push(found);
                            *left -= 1;
                        }
                    }
                    if left == Some(0) {
                        return Ok(runs(&numbers).map(|runs| (runs, at)));
                    }
                }
                _ => return Ok(None),
            }
        }
    }
    Ok(None)
}

impl Input for TarContent<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let Some(runs) = &self.runs else { return self.data.read_at(at, into) };
        let count = bytes::size(self.len.saturating_sub(at)).min(into.len());
        let into = into.get_mut(..count).unwrap_or_default();
        // Holes come from nowhere: they are paid for like all that is unpacked.
        self.fuel.unpack(count as u64)?;
        into.fill(0);
        let end = at.saturating_add(count as u64);
        let first = runs.partition_point(|(place, _)| place.end <= at);
        for (place, from) in runs.get(first..).unwrap_or_default() {
            if place.start >= end {
                break;
            }
            let start = place.start.max(at);
            let stop = place.end.min(end);
            let to = into.get_mut(bytes::size(start - at)..bytes::size(stop - at)).unwrap_or_default();
            let want = to.len();
            let from = from.saturating_add(start - place.start);
            let mut got = 0;
            while let Some(room) = to.get_mut(got..)
                && !room.is_empty()
            {
                match self.data.read_at(from.saturating_add(got as u64), room)? {
                    0 => break,
                    more => got += more,
                }
            }
            if got < want {
                let at = start.saturating_add(got as u64);
                return Err(ReadError::Corrupt { what: "sparse", at, why: "its bytes end early".to_owned() });
            }
        }
        Ok(count)
    }
}
