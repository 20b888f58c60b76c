//! Arrays that joblib writes between the opcodes: the numbers follow the BUILD of their wrapper.
//!
//! Source: `NumpyArrayWrapper.read_array` in `joblib/numpy_pickle.py` of joblib 1.4: with `numpy_array_alignment_bytes`, one byte
//! tells how many bytes of padding follow; an array of objects is a pickle of its own.

use alcaide_container::ReadError;

use super::embedded;
use super::machine::{End, Machine, Manner};
use super::value::{Node, Value};
use crate::numpy;
use crate::rules;

/// Goes past the numbers of an array, if `target` is the wrapper of one; `at` is the byte after BUILD.
pub(crate) fn after_build(
    machine: &mut Machine<'_, '_>,
    target: Value,
    state: Value,
    at: u64,
) -> Result<(), ReadError> {
    if machine.is_strict() || !is_wrapper(machine, target) {
        return Ok(());
    }
    let Some(array) = describe(machine, state) else {
        machine.note(&rules::BROKEN_STREAM, at, "an array whose size nobody can tell".to_owned());
        return Ok(());
    };
    // Whoever loads this as a plain pickle takes the numbers for opcodes.
    let (found, _) = embedded::tried(machine.input, at, machine.fuel(), 4_096, machine.depth + 1)?;
    machine.extend_notes(found);
    if array.objects {
        if machine.depth >= Machine::DEPTH_MAX {
            machine.note(&rules::UNREADABLE, at, "pickles within pickles, too deep".to_owned());
            return Ok(());
        }
        let mut inner =
            Machine::new(machine.input, at, machine.fuel(), Manner::Lenient).within(machine.depth + 1);
        let end = inner.run();
        machine.extend_notes(inner.notes());
        match end? {
            End::Stop(next) | End::Broken(next) => machine.cursor.seek(next),
        }
        return Ok(());
    }
    machine.cursor.seek(at);
    machine.cursor.unframe();
    let padding = if array.padded { machine.cursor.byte()?.unwrap_or(0) } else { 0 };
    let from = machine.cursor.at().saturating_add(u64::from(padding));
    let to = from.saturating_add(array.bytes);
    if to > machine.cursor.len() {
        machine.note(
            &rules::BROKEN_STREAM,
            at,
            format!("an array of {} bytes that are not there", array.bytes),
        );
    }
    machine.payload(at, to.min(machine.cursor.len()));
    machine.cursor.seek(to.min(machine.cursor.len()));
    Ok(())
}

struct Array {
    bytes: u64,
    padded: bool,
    objects: bool,
}

fn is_wrapper(machine: &Machine<'_, '_>, target: Value) -> bool {
    let Value::Node(number) = target else { return false };
    let Some(Node::Call { callee, .. }) = machine.node(number) else { return false };
    machine.global(*callee).is_some_and(|global| {
        global.name == "NumpyArrayWrapper"
            && matches!(
                global.module.as_str(),
                "joblib.numpy_pickle" | "sklearn.externals.joblib.numpy_pickle"
            )
    })
}

fn describe(machine: &mut Machine<'_, '_>, state: Value) -> Option<Array> {
    let Value::Node(number) = state else { return None };
    let Some(Node::Dict(held)) = machine.node(number) else { return None };
    // What is not held, or given twice, may say something else than what is looked at.
    if held.total != held.items.len() as u64 {
        return None;
    }
    let pairs = held.items.clone();
    let mut seen = std::collections::BTreeSet::new();
    let (mut cells, mut cell, mut padded) = (None, None, false);
    for pair in pairs.chunks(2) {
        let [key, value] = pair else { continue };
        let key = machine.text(*key)?;
        if !seen.insert(key.clone()) {
            return None;
        }
        match Some(key.as_str()) {
            Some("shape") => {
                let sides = machine.tuple(*value).filter(|held| held.total == held.items.len() as u64)?;
                cells = sides.items.iter().try_fold(1_u64, |cells, side| match side {
                    Value::Int(side) => cells.checked_mul(u64::try_from(*side).ok()?),
                    _ => None,
                });
            }
            Some("dtype") => cell = size_of(machine, *value),
            Some("numpy_array_alignment_bytes") => padded = matches!(value, Value::Int(_)),
            _ => {}
        }
    }
    let (size, objects) = cell?;
    Some(Array { bytes: cells?.checked_mul(size)?, padded, objects })
}

/// Bytes of one cell of a dtype, and whether it holds objects.
fn size_of(machine: &mut Machine<'_, '_>, dtype: Value) -> Option<(u64, bool)> {
    let Value::Node(number) = dtype else { return None };
    let Some(Node::Call { callee, args, state }) = machine.node(number) else { return None };
    let (callee, args, state) = (*callee, *args, *state);
    machine.global(callee).filter(|global| global.name == "dtype")?;
    let code = machine.tuple(args)?.items.first().copied()?;
    let code = machine.text(code)?;
    let state = machine.tuple(state).map(|held| held.items.clone()).unwrap_or_default();
    // The last number of the state has a bit for cells that hold references.
    let referring = matches!(state.get(7), Some(Value::Int(flags)) if flags & 1 != 0);
    numpy::cell_bytes(&code).map(|size| (size, referring || code.contains('O')))
}
