//! Pickles: programs for a small machine that may call whatever can be imported. They are run without making anything.
//!
//! A [`machine`] follows the opcodes over symbolic values; [`judge`] says what each call means, by the packs; [`embedded`] finds
//! pickles where none is declared. One file may hold several streams; each is judged, and what follows the last is looked
//! through. Where two unpicklers would read different bytes, both readings are judged.
//!
//! Sources: `Lib/pickle.py`, `Lib/pickletools.py` and `Modules/_pickle.c` of CPython 3.11; PEP 307, PEP 3154, PEP 574.

mod contain;
mod cursor;
pub(crate) mod embedded;
mod getters;
mod import;
mod joblib;
mod judge;
mod machine;
mod nodes;
mod op;
mod print;
mod text;
mod value;

use alcaide_container::{Fuel, Input, ReadError};

pub use op::{Arg, Encoding, Op, OpError, ops};

use embedded::Text;
pub(crate) use machine::{End, Storage};
use machine::{Machine, Manner, Note};

use crate::coverage::Kind;
use crate::scanner::Scanner;

/// One line of what a pickle does: the place of the opcode, and the expression.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// First byte of the opcode that does it.
    pub offset: u64,
    /// Such as `os.system("…")`; texts from the file are cut, controls written out.
    pub expression: String,
}

/// What the pickles in `input` call, in order: at most ten thousand lines for each.
pub fn decompile(input: &dyn Input, fuel: &Fuel) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < input.len() {
        let mut machine = Machine::new(input, at, fuel, Manner::Lenient).explaining();
        let end = machine.run();
        let done = machine.lines.take().unwrap_or_default();
        lines.extend(done.into_iter().map(|(offset, expression)| Line { offset, expression }));
        match end {
            Ok(End::Stop(next)) => at = next,
            _ => break,
        }
    }
    lines
}

/// What one stream was.
pub(crate) struct Stream {
    pub(crate) end: End,
    pub(crate) storages: Vec<Storage>,
}

/// Judges pickles one after another, and looks through what is left.
pub(crate) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    all(scanner, input, 0)
}

/// Judges what follows other things: more pickles, or bytes that nobody knows.
pub(crate) fn more(scanner: &mut Scanner, input: &dyn Input, at: u64) -> Result<(), ReadError> {
    if begins(input, at, scanner.fuel())? { all(scanner, input, at) } else { rest(scanner, input, at) }
}

fn all(scanner: &mut Scanner, input: &dyn Input, from: u64) -> Result<(), ReadError> {
    let mut at = from;
    loop {
        let stream = stream(scanner, input, at)?;
        let end = match stream.end {
            End::Stop(end) => end,
            End::Broken(end) => return rest(scanner, input, end),
        };
        at = end;
        if at >= input.len() {
            return Ok(());
        }
        if !begins(input, at, scanner.fuel())? {
            return rest(scanner, input, at);
        }
    }
}

/// Judges the stream that begins at `at`.
pub(crate) fn stream(scanner: &mut Scanner, input: &dyn Input, at: u64) -> Result<Stream, ReadError> {
    let fuel = scanner.fuel().clone();
    let mut machine = Machine::new(input, at, &fuel, Manner::Lenient);
    let end = machine.run();
    tell(scanner, machine.notes());
    for (from, to) in std::mem::take(&mut machine.payloads) {
        scanner.cover(from..to, Kind::Payload);
    }
    if let Some((at, border)) = machine.straddle() {
        scanner.find(
            &crate::rules::FRAME_STRADDLE,
            Some(at),
            None,
            format!("a frame ends at byte {border}, within what is read at {at}"),
        );
        let mut other = Machine::new(input, machine.begun(), &fuel, Manner::Lenient).dropping();
        let outcome = other.run();
        tell(scanner, other.notes());
        outcome?;
    }
    let storages = std::mem::take(&mut machine.storages);
    let end = end?;
    let (End::Stop(to) | End::Broken(to)) = end;
    scanner.cover(at..to, Kind::Parsed);
    Ok(Stream { end, storages })
}

/// The storages that a pickle refers to, whatever else it does; none if it cannot be read.
pub(crate) fn storages(input: &dyn Input, fuel: &Fuel) -> Vec<Storage> {
    let mut machine = Machine::new(input, 0, fuel, Manner::Lenient).within(Machine::DEPTH_MAX);
    // What is wrong with it is told where it is judged.
    let _ = machine.run();
    std::mem::take(&mut machine.storages)
}

/// Whether a pickle begins at `at`: one that a strict unpickler follows to its end, or far enough.
fn begins(input: &dyn Input, at: u64, fuel: &Fuel) -> Result<bool, ReadError> {
    let mut head = [0; 2];
    let count = input.read_at(at, &mut head)?;
    if count == 2 && head[0] == 0x80 && head[1] <= 5 {
        return Ok(true);
    }
    let mut machine = Machine::new(input, at, fuel, Manner::Strict).at_most(4_096);
    Ok(match machine.run()? {
        End::Stop(end) => end > at + 1,
        End::Broken(_) => machine.count() >= 4_096,
    })
}

/// Looks for pickles in what follows other things; the bytes stay opaque.
pub(crate) fn rest(scanner: &mut Scanner, input: &dyn Input, at: u64) -> Result<(), ReadError> {
    search(scanner, input, at, Text::IsSuspect)
}

/// Looks for pickles in what no reader knows; the bytes stay opaque.
pub(crate) fn unknown(scanner: &mut Scanner, input: &dyn Input) -> Result<(), ReadError> {
    search(scanner, input, 0, Text::MayQuote)
}

fn search(scanner: &mut Scanner, input: &dyn Input, at: u64, text: Text) -> Result<(), ReadError> {
    let fuel = scanner.fuel().clone();
    let notes = embedded::within(input, (at, input.len().saturating_sub(at)), text, &fuel, 1)?;
    tell(scanner, notes);
    Ok(())
}

/// Whether bytes are a pickle by their first kilobytes: a protocol number, or opcodes that a strict unpickler follows.
pub(crate) fn looks_like(head: &[u8]) -> bool {
    if let [0x80, 0..=5, ..] = head {
        return true;
    }
    // Text of other formats may begin with opcodes; it does not go on with them.
    let fuel = Fuel::new(alcaide_container::Limits { unpacked_bytes: 0, steps: 4_096, entries: 0, depth: 1 });
    let mut machine = Machine::new(&head, 0, &fuel, Manner::Strict).within(Machine::DEPTH_MAX);
    match machine.run() {
        Ok(End::Stop(end)) => end > 1,
        // It goes on beyond the head.
        Ok(End::Broken(_)) => machine.truncated() && machine.count() >= 3,
        Err(_) => true,
    }
}

fn tell(scanner: &mut Scanner, notes: Vec<Note>) {
    for note in notes {
        let rule = note.rule.0;
        if rule.rating > alcaide_finding::Rating::None {
            scanner.find(rule, Some(note.at), None, note.evidence);
        } else {
            scanner.doubt(rule, Some(note.at), note.evidence);
        }
    }
}
