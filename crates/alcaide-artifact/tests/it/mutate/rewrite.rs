//! A pickle that exists, written with other opcodes that mean the same.

use alcaide_artifact::{Arg, Op, ops};

use super::pickles;
use super::random::Random;

/// Kinds of changes, each by itself; the last is all of them.
pub(crate) const CHANGES: &[&str] =
    &["texts", "imports", "memo", "noise", "frames", "protocol", "constants", "all"];

/// `bytes` written with `change`; what lies behind its first stream, or where it is broken, stays as it is.
pub(crate) fn rewrite(bytes: &[u8], change: &str, random: &mut Random) -> Option<Vec<u8>> {
    let read: Vec<Op> = ops(&bytes).map_while(Result::ok).collect();
    let end = usize::try_from(read.last()?.end).ok()?;
    let whole = read.last().is_some_and(|op| op.name == "STOP");
    // Where frames end within opcodes they mean something.
    let on = |one: &str| change == one || change == "all";
    let mut memo = Memo { next: 0, shift: if on("memo") { 1 + random.below(60_000) as u64 } else { 0 } };
    let mut out = Vec::new();
    for op in &read {
        let raw = &bytes[usize::try_from(op.offset).ok()?..usize::try_from(op.end).ok()?];
        match op.name {
            "PROTO" | "FRAME" | "STOP" => {}
            _ => out.extend(one(op, raw, &on, &mut memo, random)),
        }
    }
    if on("noise") {
        out = pickles::noisy(out, random);
    }
    let mut written = if on("frames") {
        pickles::framed(&out, random).concat()
    } else if on("protocol") {
        match random.below(7) {
            6 => out.concat(),
            protocol => [&[0x80, protocol as u8], &out.concat()[..]].concat(),
        }
    } else {
        [&[0x80, 4], &out.concat()[..]].concat()
    };
    if whole {
        written.push(b'.');
    }
    written.extend(&bytes[end..]);
    Some(written)
}

/// Places of the memo, moved all by as much.
struct Memo {
    next: u64,
    shift: u64,
}

fn one(op: &Op, raw: &[u8], on: &dyn Fn(&str) -> bool, memo: &mut Memo, random: &mut Random) -> Vec<Vec<u8>> {
    let long = |code: u8, key: u64| vec![[&[code], &(key as u32).to_le_bytes()[..]].concat()];
    let key = || match &op.arg {
        Arg::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    match op.name {
        "MEMOIZE" => {
            memo.next += 1;
            if memo.shift == 0 && random.once_in(2) {
                vec![raw.to_vec()]
            } else {
                long(b'r', memo.next - 1 + memo.shift)
            }
        }
        "PUT" | "BINPUT" | "LONG_BINPUT" => {
            memo.next += 1;
            key().map_or_else(|| vec![raw.to_vec()], |key| long(b'r', key + memo.shift))
        }
        "GET" | "BINGET" | "LONG_BINGET" => {
            key().map_or_else(|| vec![raw.to_vec()], |key| long(b'j', key + memo.shift))
        }
        "UNICODE" | "BINUNICODE" | "SHORT_BINUNICODE" | "BINUNICODE8" if on("texts") => match &op.arg {
            Arg::Text { head, .. } if head.is_ascii() && head.len() < 200 => {
                vec![pickles::spelled(head, [0, 1, 2, 3, 8][random.below(5)])]
            }
            _ => vec![raw.to_vec()],
        },
        "GLOBAL" if on("imports") => match &op.arg {
            Arg::Pair(module, name) if module.is_ascii() && name.is_ascii() => {
                let form = random.below(9);
                vec![pickles::spelled(module, form), pickles::spelled(name, form), vec![0x93]]
            }
            _ => vec![raw.to_vec()],
        },
        "INST" if on("imports") => vec![raw.to_vec()],
        "EMPTY_TUPLE" if on("constants") => vec![b"(".to_vec(), b"t".to_vec()],
        "EMPTY_LIST" if on("constants") => vec![b"(".to_vec(), b"l".to_vec()],
        "EMPTY_DICT" if on("constants") => vec![b"(".to_vec(), b"d".to_vec()],
        "NEWTRUE" if on("constants") => vec![b"I01\n".to_vec()],
        "NEWFALSE" if on("constants") => vec![b"I00\n".to_vec()],
        "BININT" | "BININT1" | "BININT2" | "INT" if on("constants") => match &op.arg {
            Arg::Int(number) => vec![match random.below(3) {
                0 => format!("I{number}\n").into_bytes(),
                1 => format!("L{number}L\n").into_bytes(),
                _ => [&[0x8a, 8], &number.to_le_bytes()[..]].concat(),
            }],
            _ => vec![raw.to_vec()],
        },
        _ => vec![raw.to_vec()],
    }
}
