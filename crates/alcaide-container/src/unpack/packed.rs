//! One packed stream as an [`Input`].

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::rc::Rc;

use super::feed::{Fault, Feed};
use super::notes::{Noted, Notes};
use super::{Context, Packing, Recipe, Run};
use crate::bytes;
use crate::fuel::{Fuel, Held};
use crate::input::{Input, ReadError};

/// Packed bytes that read like plain ones.
///
/// **Its length.** If the stream ends within [`KEPT`](Self::KEPT) bytes, [`len`](Input::len) is how many there are. If a
/// longer one is said to have a length, `len` is that until the end was seen; if none is said, it is unpacked once to count.
/// Whatever was said, `len` never hides bytes: a stream that goes on makes it grow while it is read, one that ends early makes
/// it shrink. Who reads up to `len` has seen the end; [`ending`](Self::ending) then tells what is wrong with it.
///
/// **Where it breaks** a read gives the bytes before the fault, and the next read the reason.
pub struct Packed<'a> {
    recipe: Recipe<'a>,
    fuel: Fuel,
    len: Cell<u64>,
    state: RefCell<State<'a>>,
}

struct State<'a> {
    forward: Option<Forward<'a>>,
    /// The first bytes.
    head: Vec<u8>,
    /// Bytes that came out on this way.
    at: u64,
    /// The last two portions of them.
    before: Vec<u8>,
    latest: Vec<u8>,
    ending: Option<Ending>,
    /// Whether the last bytes before a fault were already looked for one by one.
    searched: bool,
    held: Held,
}

struct Forward<'a> {
    read: Box<dyn Read + 'a>,
    feed: Feed<'a>,
    context: Context,
    sum: flate2::Crc,
}

/// How a stream ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Ending {
    /// Bytes that came out.
    pub len: u64,
    /// Bytes that were said to come out.
    pub said: Option<u64>,
    /// The CRC-32 that was said, and the one that is.
    pub checksum: Option<(u32, u32)>,
    /// Packed bytes behind the end of the stream.
    pub packed_left: u64,
    /// Why it ended before its end.
    pub broken: Option<ReadError>,
    /// What is odd about it.
    pub flaws: Vec<Noted>,
}

impl Ending {
    /// Whether all is as it was said.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.broken.is_none()
            && self.flaws.is_empty()
            && self.packed_left == 0
            && self.said.is_none_or(|said| said == self.len)
            && self.checksum.is_none_or(|(said, found)| said == found)
    }
}

impl<'a> Packed<'a> {
    /// How many of the first bytes are kept, so that reading them again costs nothing.
    pub const KEPT: usize = 1 << 20;
    /// More bytes than these for one packed byte, over more than a few megabytes, are no numbers of a model.
    const DENSE: u64 = 200;
    const DENSE_FROM: u64 = 4 << 20;
    /// Bytes that are unpacked at a time; twice as many are kept behind the place.
    const PORTION: usize = 64 << 10;

    /// What all of `input` unpacks to.
    ///
    /// # Errors
    /// [`ReadError`] if it is not read here at all or there is no memory left for it. What is wrong with the stream itself
    /// comes when it is read.
    pub fn open(input: &'a dyn Input, packing: Packing, fuel: &Fuel) -> Result<Self, ReadError> {
        let run = Run { of: Rc::new(input), start: 0, len: input.len() };
        Self::cook(Recipe { packing, runs: vec![run], said: None, crc: None }, fuel)
    }

    /// The stream that `recipe` describes.
    pub(crate) fn cook(recipe: Recipe<'a>, fuel: &Fuel) -> Result<Self, ReadError> {
        if let Packing::Unread { what } = &recipe.packing {
            return Err(ReadError::Unsupported { what: what.clone() });
        }
        let state = State {
            forward: None,
            head: Vec::new(),
            at: 0,
            before: Vec::new(),
            latest: Vec::new(),
            ending: None,
            searched: false,
            held: fuel.hold(2 * Self::PORTION as u64)?,
        };
        let packed = Self {
            len: Cell::new(recipe.said.unwrap_or(0)),
            recipe,
            fuel: fuel.clone(),
            state: RefCell::new(state),
        };
        packed.begin()?;
        Ok(packed)
    }

    /// Unpacks what is kept, and the rest where no length is said.
    fn begin(&self) -> Result<(), ReadError> {
        let state = &mut *self.state.borrow_mut();
        while state.ending.is_none() && (state.at < Self::KEPT as u64 || self.recipe.said.is_none()) {
            let at = state.at;
            match self.portion(state) {
                Ok(()) => {}
                Err(why @ ReadError::Unsupported { .. }) if at == 0 => return Err(why),
                Err(why) => state.ending = Some(self.cut(at, why)),
            }
        }
        self.measure(state);
        Ok(())
    }

    /// The length as far as it is known.
    fn measure(&self, state: &State<'_>) {
        let at = state.at;
        self.len.set(match &state.ending {
            Some(ending) => ending.len,
            None => self.recipe.said.unwrap_or(0).max(at).max(self.len.get()),
        });
    }

    fn cut(&self, len: u64, why: ReadError) -> Ending {
        Ending {
            len,
            said: self.recipe.said,
            checksum: None,
            packed_left: 0,
            broken: Some(why),
            flaws: Vec::new(),
        }
    }

    /// How it ended, if the end was seen.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.state.borrow().ending.clone()
    }

    /// Unpacks up to the end, if that was not done yet, and says how it ended.
    ///
    /// # Errors
    /// [`ReadError`] if the source fails or the budget is spent.
    pub fn finish(&self) -> Result<Ending, ReadError> {
        let state = &mut *self.state.borrow_mut();
        loop {
            if let Some(ending) = &state.ending {
                return Ok(ending.clone());
            }
            let result = self.portion(state);
            self.measure(state);
            result?;
        }
    }

    /// How it is packed.
    #[must_use]
    pub fn packing(&self) -> &Packing {
        &self.recipe.packing
    }

    /// Unpacks one portion more. At the end it keeps how that was; a fault of the stream is an ending, too.
    fn portion(&self, state: &mut State<'a>) -> Result<(), ReadError> {
        let result = self.advance(state);
        if result.is_err() {
            state.back_to_start();
        }
        result
    }

    fn advance(&self, state: &mut State<'a>) -> Result<(), ReadError> {
        let budget = bytes::size(self.fuel.unpackable());
        if budget == 0 {
            self.fuel.unpack(1)?;
        }
        let mut forward = match state.forward.take() {
            Some(forward) => forward,
            None => {
                state.back_to_start();
                self.restart()?
            }
        };
        std::mem::swap(&mut state.before, &mut state.latest);
        state.latest.resize(Self::PORTION, 0);
        let (filled, end) = self.fill(&mut forward, state.at, &mut state.latest, budget);
        let packed: u64 = self.recipe.runs.iter().map(|run| run.len).sum();
        let taken = packed.saturating_sub(forward.feed.left());
        let nothing = state.at > Self::DENSE_FROM && taken.saturating_mul(Self::DENSE) < state.at;
        let price = if nothing { self.recipe.packing.price_of_nothing() } else { 1 };
        self.fuel.unpack((filled as u64).saturating_mul(price))?;
        if let Some(Some(ReadError::Corrupt { .. })) = &end
            && self.recipe.packing.swallows()
            && !state.searched
        {
            drop(forward);
            state.forward = Some(self.again(state.at)?);
            std::mem::swap(&mut state.before, &mut state.latest);
            state.searched = true;
            return self.advance(state);
        }
        state.latest.truncate(filled);
        forward.sum.update(&state.latest);
        if state.at == state.head.len() as u64 && state.head.len() < Self::KEPT {
            let room = Self::KEPT - state.head.len();
            let part = state.latest.get(..filled.min(room)).unwrap_or_default();
            state.held.more(part.len() as u64)?;
            state.head.extend_from_slice(part);
        }
        state.at = state.at.saturating_add(filled as u64);
        match end {
            None => state.forward = Some(forward),
            Some(Some(why @ (ReadError::Exhausted(_) | ReadError::Source { .. }))) if filled == 0 => {
                return Err(why);
            }
            // What came out before the source failed is shown; the next portion fails again.
            Some(Some(ReadError::Exhausted(_) | ReadError::Source { .. })) => state.forward = Some(forward),
            Some(broken) => {
                state.ending = Some(self.end(&forward, state.at, broken));
                if state.at == state.head.len() as u64 {
                    state.before = Vec::new();
                    state.latest = Vec::new();
                }
            }
        }
        Ok(())
    }

    /// Fills a portion as far as the stream and the budget go; the second is the end, and why it is one.
    fn fill(
        &self,
        forward: &mut Forward<'_>,
        at: u64,
        portion: &mut [u8],
        budget: usize,
    ) -> (usize, Option<Option<ReadError>>) {
        let most = portion.len().min(budget);
        let portion = portion.get_mut(..most).unwrap_or_default();
        let mut filled = 0;
        while let Some(room) = portion.get_mut(filled..)
            && !room.is_empty()
        {
            let careful = forward.context.careful.get();
            let room = if careful { room.get_mut(..1).unwrap_or_default() } else { room };
            let most = room.len();
            match forward.read.read(room) {
                Ok(0) => return (filled, Some(None)),
                Ok(count) => filled += count.min(most),
                Err(why) => {
                    let at = at.saturating_add(filled as u64);
                    let why = forward.context.fault.explain(self.recipe.packing.codec(), at, &why);
                    return (filled, Some(Some(why)));
                }
            }
        }
        (filled, None)
    }

    fn end(&self, forward: &Forward<'_>, len: u64, broken: Option<ReadError>) -> Ending {
        let whole = broken.is_none();
        let single = self.recipe.runs.len() == 1;
        let raw = matches!(self.recipe.packing, Packing::Deflate | Packing::Lzma2 { .. } | Packing::Stored);
        Ending {
            len,
            said: self.recipe.said,
            checksum: self.recipe.crc.filter(|_| whole).map(|said| (said, forward.sum.sum())),
            packed_left: if whole && single && raw { forward.feed.left() } else { 0 },
            broken,
            flaws: forward.context.notes.list(),
        }
    }

    fn restart(&self) -> Result<Forward<'a>, ReadError> {
        let context = Context {
            notes: Notes::default(),
            fault: Fault::default(),
            careful: Rc::new(Cell::new(false)),
            fuel: self.fuel.clone(),
        };
        let (read, feed) = self.recipe.start(&context)?;
        Ok(Forward { read, feed, context, sum: flate2::Crc::new() })
    }

    /// At byte `at` again, and careful from there on.
    fn again(&self, at: u64) -> Result<Forward<'a>, ReadError> {
        let mut forward = self.restart()?;
        let mut scratch = vec![0; Self::PORTION];
        let mut place = 0;
        while place < at {
            let want = bytes::size(at - place).min(scratch.len());
            let room = scratch.get_mut(..want).unwrap_or_default();
            let count = forward
                .read
                .read(room)
                .map_err(|why| forward.context.fault.explain(self.recipe.packing.codec(), place, &why))?;
            if count == 0 {
                break;
            }
            self.fuel.unpack(count as u64)?;
            forward.sum.update(room.get(..count).unwrap_or_default());
            place = place.saturating_add(count as u64);
        }
        forward.context.careful.set(true);
        Ok(forward)
    }

    /// Copies what is at hand from `at` on.
    fn copy(state: &State<'_>, at: u64, into: &mut [u8]) -> usize {
        let latest = state.at.saturating_sub(state.latest.len() as u64);
        let before = latest.saturating_sub(state.before.len() as u64);
        for (start, bytes) in [(0, &state.head), (latest, &state.latest), (before, &state.before)] {
            let Some(skip) = at.checked_sub(start) else { continue };
            let there = bytes.get(bytes::size(skip)..).unwrap_or_default();
            let count = there.len().min(into.len());
            if count > 0
                && let (Some(to), Some(from)) = (into.get_mut(..count), there.get(..count))
            {
                to.copy_from_slice(from);
                return count;
            }
        }
        0
    }
}

impl State<'_> {
    /// Forgets where it is; the head and how it ended stay.
    fn back_to_start(&mut self) {
        self.forward = None;
        self.at = 0;
        self.before.clear();
        self.latest.clear();
        self.searched = false;
    }
}

impl Input for Packed<'_> {
    fn len(&self) -> u64 {
        self.len.get()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let state = &mut *self.state.borrow_mut();
        let mut done = 0;
        while let Some(room) = into.get_mut(done..)
            && !room.is_empty()
        {
            let place = at.saturating_add(done as u64);
            let count = Self::copy(state, place, room);
            if count > 0 {
                done += count;
                continue;
            }
            if let Some(ending) = &state.ending
                && place >= ending.len
            {
                match &ending.broken {
                    Some(why) if done == 0 => return Err(why.clone()),
                    _ => break,
                }
            }
            if place < state.at || state.forward.is_none() {
                state.back_to_start();
            }
            let result = self.portion(state);
            self.measure(state);
            match result {
                Ok(()) => {}
                Err(why) if done == 0 => return Err(why),
                Err(_) => break,
            }
        }
        // Who read up to the length that was said shall know whether the stream ends there.
        let said = self.recipe.said == Some(at.saturating_add(done as u64));
        if said && state.ending.is_none() && state.at <= self.len.get() && state.forward.is_some() {
            let _later = self.portion(state);
            self.measure(state);
        }
        Ok(done)
    }
}

impl std::fmt::Debug for Packed<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Packed")
            .field("packing", &self.recipe.packing)
            .field("len", &self.len.get())
            .finish()
    }
}
