//! Pickles in bytes that say nothing of being one: in byte strings, behind the end of a stream, in what no reader knows.

use alcaide_container::{Fuel, Input, ReadError};
use alcaide_finding::Rating;

use super::machine::{End, Machine, Manner, Note};
use crate::rules;

/// Bytes looked at in one go, and how much of them is looked at again so that nothing is missed between two.
const CHUNK: usize = 64 * 1024;
const OVERLAP: usize = 256;
/// Opcodes that one try may take, and one within bytes that an earlier try went over.
const TRY_MAX: u64 = 100_000;
const TRY_AGAIN_MAX: u64 = 512;

/// What bytes that are all text are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Text {
    /// A page may quote a pickle of protocol 0; it is one only from its first byte on.
    MayQuote,
    /// What follows a pickle is no page.
    IsSuspect,
}

/// What pickles within `len` bytes from `at` on would call.
///
/// # Errors
/// When the input fails or the fuel is spent.
pub(crate) fn within(
    input: &dyn Input,
    (at, len): (u64, u64),
    text: Text,
    fuel: &Fuel,
    depth: u32,
) -> Result<Vec<Note>, ReadError> {
    let end = at.saturating_add(len).min(input.len());
    let mut notes = Vec::new();
    if end.saturating_sub(at) < SHORTEST {
        return Ok(notes);
    }
    let mut from = at;
    let mut over = at;
    let mut textual = text == Text::MayQuote;
    let mut buffer = vec![0; usize::try_from(end - at).unwrap_or(usize::MAX).min(CHUNK)];
    while from < end {
        let count = usize::try_from(end - from).unwrap_or(usize::MAX).min(CHUNK);
        let Some(into) = buffer.get_mut(..count) else { break };
        let count = input.read_at(from, into)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        fuel.step(1 + count as u64 / 4096)?;
        textual = textual && bytes.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e));
        let mut starts: Vec<_> = protocol_starts(bytes).into_iter().map(|start| (start, true)).collect();
        let named = named_starts(bytes).into_iter().filter(|start| !textual || (from == at && *start == 0));
        starts.extend(named.map(|start| (start, false)));
        starts.sort_unstable();
        starts.dedup();
        for (start, declared) in starts {
            let start = from + start as u64;
            let ops = if start < over { TRY_AGAIN_MAX } else { TRY_MAX };
            let (mut found, reached) = tried(input, start, fuel, ops, depth)?;
            if !declared {
                // The end of a longer name looks like a name that nobody knows.
                found.retain(|note| note.rule.0.id != rules::UNKNOWN_CALLABLE.id);
            }
            over = over.max(reached);
            notes.extend(found);
            if notes.len() > 100 {
                return Ok(notes);
            }
        }
        let next = from + count as u64;
        if next >= end {
            break;
        }
        from = next.saturating_sub(OVERLAP as u64).max(from + 1);
    }
    notes.sort();
    notes.dedup();
    Ok(notes)
}

/// What a pickle at `at` would call, if there is one, and how far it was followed.
///
/// # Errors
/// When the input fails or the fuel is spent.
pub(crate) fn tried(
    input: &dyn Input,
    at: u64,
    fuel: &Fuel,
    ops: u64,
    depth: u32,
) -> Result<(Vec<Note>, u64), ReadError> {
    fuel.step(16)?;
    let mut machine = Machine::new(input, at, fuel, Manner::Strict).at_most(ops).within(depth);
    let end = machine.run()?;
    let reached = match end {
        End::Stop(at) | End::Broken(at) => at,
    };
    let mut notes = machine.notes();
    notes.retain(acts);
    Ok((notes, reached))
}

/// What all pickles in bytes that are pickles one after another would call.
///
/// # Errors
/// When the input fails or the fuel is spent.
pub(crate) fn pickles(
    input: &dyn Input,
    at: u64,
    len: u64,
    fuel: &Fuel,
    depth: u32,
) -> Result<Vec<Note>, ReadError> {
    let end = at.saturating_add(len).min(input.len());
    let window = alcaide_container::Window::new(input, 0, end);
    let mut notes = Vec::new();
    let mut from = at;
    while from < end && notes.len() < 1_000 {
        let mut machine = Machine::new(&window, from, fuel, Manner::Lenient).within(depth);
        let stop = machine.run()?;
        let mut found = machine.notes();
        match stop {
            End::Stop(next) if next > from => {
                notes.append(&mut found);
                from = next;
            }
            _ => {
                // What follows the streams is numbers.
                found.retain(acts);
                notes.append(&mut found);
                break;
            }
        }
    }
    Ok(notes)
}

fn acts(note: &Note) -> bool {
    let vague =
        [&rules::EXTENSION_CODE, &rules::FRAME_STRADDLE, &rules::PICKLE_BOMB, &rules::COMPUTED_CALLABLE];
    note.rule.0.rating >= Rating::Medium && !vague.iter().any(|rule| rule.id == note.rule.0.id)
}

/// Bytes of the shortest pickle that calls something by name.
const SHORTEST: u64 = 8;

fn protocol_starts(bytes: &[u8]) -> Vec<usize> {
    memchr::memchr_iter(0x80, bytes)
        .filter(|at| matches!(bytes.get(at + 1), Some(0..=5)) && bytes.get(at + 2).is_some())
        .collect()
}

/// Places where GLOBAL or INST of protocol 0 may stand: two lines that are names.
fn named_starts(bytes: &[u8]) -> Vec<usize> {
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let mut starts = Vec::new();
    for line in memchr::memchr_iter(b'\n', bytes) {
        let after = bytes.get(line + 1..).unwrap_or_default();
        let second = after.iter().take(128).take_while(|byte| name(byte)).count();
        if second == 0 || after.get(second) != Some(&b'\n') {
            continue;
        }
        let before = bytes.get(line.saturating_sub(128)..line).unwrap_or_default();
        let first = before.iter().rev().take_while(|byte| name(byte)).count();
        let token = line - first;
        for at in token..line.saturating_sub(1) {
            match bytes.get(at) {
                Some(b'c') => starts.push(at),
                Some(b'i') => {
                    let earlier = bytes.get(at.saturating_sub(OVERLAP)..at).unwrap_or_default();
                    starts.extend(memchr::memrchr(b'(', earlier).map(|back| at - (earlier.len() - back)));
                }
                _ => {}
            }
            if starts.len() > 4_096 {
                return starts;
            }
        }
    }
    starts
}
