//! What the record says of where a call's arguments come from: never a value.

use std::sync::Mutex;

use alcaide_flow::{Channels, Judgement};
use alcaide_inventory::id::CallId;
use alcaide_record::{FlowNote, SoFar};

use super::ArgumentSchema;
use super::kept::{Kept, lock};

/// What the record says of a judgement: places, classes and calls.
pub(super) fn note(
    (made, channels): (&Judgement, &Channels),
    (schema, handed): (Option<&ArgumentSchema>, &[CallId]),
    kept: &Mutex<Kept>,
) -> FlowNote {
    let places = |names: &[Box<str>]| {
        let found =
            names.iter().filter_map(|name| made.origins.iter().position(|origin| origin.name == *name));
        found.filter_map(|at| u16::try_from(at).ok()).collect::<Vec<u16>>()
    };
    let held = lock(kept);
    let mut sources: Vec<CallId> = made
        .origins
        .iter()
        .filter_map(|origin| Some(held.task.as_ref()?.source(origin.source?)?.call))
        .chain(handed.iter().copied())
        .collect();
    sources.sort_unstable();
    sources.dedup();
    let done = made.so_far;
    FlowNote {
        argument_bytes: made.argument_bytes,
        calls: made.calls,
        carries: places(&made.carries),
        copied: places(&made.copied),
        count_over: made.calls_max.is_some_and(|most| made.calls >= most),
        forgotten: made.forgotten,
        handles: places(&made.handles),
        in_scope: made.in_scope,
        leaks: places(&channels.leaks),
        look_alikes: places(&channels.look_alikes),
        names: made
            .origins
            .iter()
            .map(|origin| schema.map_or(u16::MAX, |schema| schema.place(&origin.name)))
            .collect(),
        over: places(&made.over),
        named: made.named,
        own_words: made.own_words,
        reaches_out: made.reaches_out,
        repeats: made.repeats,
        so_far: SoFar {
            calls: done.calls,
            effects: done.effects,
            read_bytes: done.read_bytes,
            read_records: done.read_records,
            tainted_bytes: done.tainted_bytes,
            tainted_records: done.tainted_records,
        },
        sources,
        targets: made.targets,
        unbound: places(&made.unbound),
    }
}
