//! Computing with constants, as far as a template could hide a name by it.

use std::rc::Rc;

use super::tree::Op;
use super::value::{Const, LIST_MAX, TEXT_MAX, Value, written};

fn text(text: String) -> Option<Const> {
    (text.len() <= TEXT_MAX).then(|| Const::Text(text.into()))
}

fn list(values: Vec<Value>) -> Option<Const> {
    (values.len() <= LIST_MAX).then(|| Const::List(Rc::new(values)))
}

/// `left ~ right`.
pub(crate) fn join(left: &Const, right: &Const) -> Option<Const> {
    text(written(left)? + &written(right)?)
}

/// Arithmetic, and `+`, `*` and `%` of texts and lists.
pub(crate) fn math(op: Op, left: &Const, right: &Const) -> Option<Const> {
    match (op, left, right) {
        (Op::Add, Const::Text(left), Const::Text(right)) => text(format!("{left}{right}")),
        (Op::Add, Const::List(left), Const::List(right)) => {
            list(left.iter().chain(right.iter()).cloned().collect())
        }
        (Op::Mul, Const::Text(left), Const::Int(count)) | (Op::Mul, Const::Int(count), Const::Text(left)) => {
            let count = usize::try_from(*count).unwrap_or(0);
            (left.len().checked_mul(count)? <= TEXT_MAX).then(|| Const::Text(left.repeat(count).into()))
        }
        (Op::Rest, Const::Text(form), argument) => {
            let arguments = match argument {
                Const::List(list) => list
                    .iter()
                    .map(|one| one.known.first().filter(|_| !one.open).cloned())
                    .collect::<Option<Vec<_>>>()?,
                one => vec![one.clone()],
            };
            percent(form, &arguments)
        }
        (_, Const::Int(left), Const::Int(right)) => {
            let value = match op {
                Op::Add => left.checked_add(*right),
                Op::Sub => left.checked_sub(*right),
                Op::Mul => left.checked_mul(*right),
                Op::Floor => left.checked_div_euclid(*right),
                Op::Rest => left.checked_rem_euclid(*right),
                Op::Power => u32::try_from(*right).ok().and_then(|right| left.checked_pow(right)),
                Op::Div => None,
            };
            value.map(Const::Int)
        }
        _ => None,
    }
}

/// `form % arguments`, for what makes letters: `%s`, `%r`, `%c`, `%d`, `%x`.
pub(crate) fn percent(form: &str, arguments: &[Const]) -> Option<Const> {
    let mut out = String::new();
    let mut chars = form.chars();
    let mut arguments = arguments.iter();
    while let Some(one) = chars.next() {
        if one != '%' {
            out.push(one);
            continue;
        }
        match chars.next()? {
            '%' => out.push('%'),
            's' | 'd' | 'i' => out.push_str(&written(arguments.next()?)?),
            'c' => match arguments.next()? {
                Const::Int(code) => out.push(char::from_u32(u32::try_from(*code).ok()?)?),
                other => out.push_str(&written(other)?),
            },
            _ => return None,
        }
        if out.len() > TEXT_MAX {
            return None;
        }
    }
    text(out)
}

/// `form.format(arguments)`, with plain fields alone.
pub(crate) fn braces(form: &str, arguments: &[Const], named: &[(Rc<str>, Const)]) -> Option<Const> {
    let mut out = String::new();
    let mut chars = form.chars().peekable();
    let mut next = 0;
    while let Some(one) = chars.next() {
        match one {
            '{' if chars.peek() == Some(&'{') => {
                chars.next();
                out.push('{');
            }
            '{' => {
                let field: String = chars.by_ref().take_while(|one| *one != '}').collect();
                let (name, shape) = field.split_once(':').unwrap_or((&field, ""));
                let value = if name.is_empty() {
                    next += 1;
                    arguments.get(next - 1)?
                } else if let Ok(index) = name.parse::<usize>() {
                    arguments.get(index)?
                } else {
                    named.iter().find(|(key, _)| **key == *name).map(|(_, value)| value)?
                };
                match (shape, value) {
                    ("c", Const::Int(code)) => out.push(char::from_u32(u32::try_from(*code).ok()?)?),
                    ("" | "s" | "d", value) => out.push_str(&written(value)?),
                    _ => return None,
                }
            }
            '}' => {
                chars.next();
                out.push('}');
            }
            one => out.push(one),
        }
        if out.len() > TEXT_MAX {
            return None;
        }
    }
    text(out)
}

/// `of[by]`.
pub(crate) fn item(of: &Value, by: &Value) -> Value {
    let mut out = Value { known: Vec::new(), open: of.open || by.open, from: of.from | by.from };
    for holder in &of.known {
        for key in &by.known {
            match (holder, key) {
                (Const::List(list), Const::Int(index)) => {
                    match place(list.len(), *index).and_then(|at| list.get(at)) {
                        Some(one) => out = out.or(one.clone()),
                        None => out.open = true,
                    }
                }
                (Const::Text(text), Const::Int(index)) => {
                    let one = place(text.chars().count(), *index).and_then(|at| text.chars().nth(at));
                    match one {
                        Some(one) => out = out.or(Value::text(&one.to_string())),
                        None => out.open = true,
                    }
                }
                (Const::Dict(pairs), key) => {
                    let wanted = written(key);
                    let found = pairs
                        .iter()
                        .find(|(name, _)| wanted.is_some() && name.known.first().and_then(written) == wanted);
                    match found {
                        Some((_, value)) => out = out.or(value.clone()),
                        None => out.open = true,
                    }
                }
                _ => out.open = true,
            }
        }
    }
    if by.open {
        // Whichever element it is.
        for holder in &of.known {
            match holder {
                Const::List(list) => out = list.iter().fold(out, |out, one| out.or(one.clone())),
                Const::Dict(pairs) => out = pairs.iter().fold(out, |out, (_, value)| out.or(value.clone())),
                _ => {}
            }
        }
    }
    out
}

fn place(len: usize, index: i64) -> Option<usize> {
    let len = i64::try_from(len).ok()?;
    let index = if index < 0 { index.checked_add(len)? } else { index };
    usize::try_from(index).ok().filter(|index| (*index as i64) < len)
}

/// `of[start:stop:step]`.
pub(crate) fn slice(of: &Const, bounds: [Option<i64>; 3]) -> Option<Const> {
    match of {
        Const::Text(whole) => {
            let chars: Vec<char> = whole.chars().collect();
            text(places(chars.len(), bounds)?.into_iter().filter_map(|at| chars.get(at)).collect())
        }
        Const::List(all) => {
            list(places(all.len(), bounds)?.into_iter().filter_map(|at| all.get(at)).cloned().collect())
        }
        _ => None,
    }
}

/// Source: Python's `slice.indices`.
fn places(len: usize, [start, stop, step]: [Option<i64>; 3]) -> Option<Vec<usize>> {
    let len = i64::try_from(len).ok()?;
    let step = step.unwrap_or(1);
    if step == 0 {
        return None;
    }
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let bound = |value: Option<i64>, usual: i64| match value {
        None => usual,
        Some(value) => (if value < 0 { value.saturating_add(len) } else { value }).clamp(low, high),
    };
    let (start, stop) =
        if step > 0 { (bound(start, 0), bound(stop, len)) } else { (bound(start, len - 1), bound(stop, -1)) };
    let mut out = Vec::new();
    let mut at = start;
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        out.push(usize::try_from(at).ok()?);
        at = at.checked_add(step)?;
    }
    Some(out)
}

/// A filter or a method that makes one constant of one.
pub(crate) fn simple(name: &str, of: &Const, arguments: &[Const]) -> Option<Const> {
    let argument = |index: usize| arguments.get(index).and_then(written);
    match (name, of) {
        ("reverse", Const::Text(whole)) => text(whole.chars().rev().collect()),
        ("reverse", Const::List(all)) => list(all.iter().rev().cloned().collect()),
        ("lower" | "casefold", Const::Text(whole)) => text(whole.to_lowercase()),
        ("upper", Const::Text(whole)) => text(whole.to_uppercase()),
        ("swapcase", Const::Text(whole)) => text(
            whole
                .chars()
                .map(|one| {
                    if one.is_ascii_uppercase() { one.to_ascii_lowercase() } else { one.to_ascii_uppercase() }
                })
                .collect(),
        ),
        ("capitalize" | "title", Const::Text(whole)) => {
            let mut chars = whole.chars();
            let first = chars.next().map(|one| one.to_ascii_uppercase());
            text(first.into_iter().chain(chars.map(|one| one.to_ascii_lowercase())).collect())
        }
        ("trim" | "strip", Const::Text(whole)) => match argument(0) {
            Some(set) => text(whole.trim_matches(|one| set.contains(one)).to_owned()),
            None => text(whole.trim().to_owned()),
        },
        ("lstrip", Const::Text(whole)) => match argument(0) {
            Some(set) => text(whole.trim_start_matches(|one| set.contains(one)).to_owned()),
            None => text(whole.trim_start().to_owned()),
        },
        ("rstrip", Const::Text(whole)) => match argument(0) {
            Some(set) => text(whole.trim_end_matches(|one| set.contains(one)).to_owned()),
            None => text(whole.trim_end().to_owned()),
        },
        ("replace", Const::Text(whole)) => {
            let (from, to) = (argument(0)?, argument(1)?);
            let most = whole.len().checked_add(1)?.checked_mul(to.len().checked_add(1)?)?;
            (most <= TEXT_MAX * 64).then(|| whole.replace(&from, &to)).and_then(text)
        }
        ("removeprefix", Const::Text(whole)) => {
            text(whole.strip_prefix(argument(0)?.as_str()).unwrap_or(whole).to_owned())
        }
        ("removesuffix", Const::Text(whole)) => {
            text(whole.strip_suffix(argument(0)?.as_str()).unwrap_or(whole).to_owned())
        }
        ("string" | "safe" | "escape" | "e" | "forceescape" | "str", one) => text(written(one)?),
        ("default" | "d", Const::Text(_) | Const::Int(_) | Const::List(_)) => Some(of.clone()),
        ("int", Const::Text(whole)) => whole.trim().parse().ok().map(Const::Int),
        ("int", Const::Bool(one)) => Some(Const::Int(i64::from(*one))),
        ("int" | "abs", Const::Int(number)) => Some(Const::Int(*number)),
        ("length" | "count", Const::Text(whole)) if arguments.is_empty() => {
            i64::try_from(whole.chars().count()).ok().map(Const::Int)
        }
        ("length" | "count", Const::List(all)) => i64::try_from(all.len()).ok().map(Const::Int),
        ("list", Const::Text(whole)) => {
            list(whole.chars().take(LIST_MAX + 1).map(|one| Value::text(&one.to_string())).collect())
        }
        ("list" | "keys", Const::Dict(pairs)) => list(pairs.iter().map(|(key, _)| key.clone()).collect()),
        ("values", Const::Dict(pairs)) => list(pairs.iter().map(|(_, value)| value.clone()).collect()),
        ("list" | "unique" | "sort", Const::List(_)) => Some(of.clone()),
        ("split", Const::Text(whole)) => {
            let parts: Vec<Value> = match argument(0) {
                Some(by) if !by.is_empty() => whole.split(&by).take(LIST_MAX + 1).map(Value::text).collect(),
                _ => whole.split_whitespace().take(LIST_MAX + 1).map(Value::text).collect(),
            };
            list(parts)
        }
        ("format", Const::Text(form)) => percent(form, arguments),
        _ => None,
    }
}

/// `separator.join(all)`, and the filter `join`.
pub(crate) fn joined(all: &Const, separator: &str) -> Option<Const> {
    let mut out = String::new();
    let mut push = |index: usize, one: &Value| -> Option<()> {
        if one.open || one.known.len() != 1 {
            return None;
        }
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(&written(one.known.first()?)?);
        (out.len() <= TEXT_MAX).then_some(())
    };
    match all {
        Const::List(list) => list.iter().enumerate().try_for_each(|(index, one)| push(index, one))?,
        Const::Dict(pairs) => pairs.iter().enumerate().try_for_each(|(index, (key, _))| push(index, key))?,
        Const::Text(text) => text
            .chars()
            .enumerate()
            .try_for_each(|(index, one)| push(index, &Value::text(&one.to_string())))?,
        _ => return None,
    }
    text(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_those_of_python() {
        let of = Const::Text("abcdef".into());
        for (bounds, want) in [
            ([None, None, Some(-1)], "fedcba"),
            ([Some(1), Some(4), None], "bcd"),
            ([Some(-2), None, None], "ef"),
            ([None, None, Some(2)], "ace"),
            ([Some(4), Some(0), Some(-2)], "ec"),
            ([Some(9), Some(99), None], ""),
            ([None, Some(-9), Some(-1)], "fedcba"),
        ] {
            assert_eq!(slice(&of, bounds).as_ref().and_then(written).as_deref(), Some(want), "{bounds:?}");
        }
        assert!(slice(&of, [None, None, Some(0)]).is_none());
    }

    #[test]
    fn formats_make_letters() {
        let made = |one: Option<Const>| one.as_ref().and_then(written);
        assert_eq!(
            made(percent("%c%s%%", &[Const::Int(95), Const::Text("x".into())])).as_deref(),
            Some("_x%")
        );
        assert_eq!(
            made(braces(
                "{1}{0:c}{a}{{",
                &[Const::Int(95), Const::Text("x".into())],
                &[("a".into(), Const::Int(1))]
            ))
            .as_deref(),
            Some("x_1{")
        );
        assert!(percent("%s%s", &[Const::Int(1)]).is_none());
        assert!(math(Op::Mul, &Const::Text("ab".into()), &Const::Int(i64::MAX)).is_none());
    }
}
