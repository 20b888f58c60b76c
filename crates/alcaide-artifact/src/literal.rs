//! Python literals as headers hold them: texts, whole numbers, booleans, tuples, lists and dicts, and nothing else.

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Int(i64),
    Flag(bool),
    Tuple(Vec<Literal>),
    List(Vec<Literal>),
    Dict(Vec<(Literal, Literal)>),
}

/// Containers within containers.
const DEPTH_MAX: u32 = 24;

/// Reads the one literal that `text` is; nothing if it is anything else.
pub(crate) fn parse(text: &str) -> Option<Literal> {
    let mut rest = text;
    let literal = one(&mut rest, 0)?;
    rest.trim_ascii().is_empty().then_some(literal)
}

fn one(rest: &mut &str, depth: u32) -> Option<Literal> {
    if depth > DEPTH_MAX {
        return None;
    }
    *rest = rest.trim_ascii_start();
    let first = rest.chars().next()?;
    match first {
        '\'' | '"' => quoted(rest, first).map(Literal::Text),
        'u' | 'b' if matches!(rest.chars().nth(1), Some('\'' | '"')) => {
            *rest = rest.get(1..)?;
            let quote = rest.chars().next()?;
            quoted(rest, quote).map(Literal::Text)
        }
        '(' => {
            let (items, comma) = items(rest, ')', depth)?;
            // One item in parentheses without a comma is that item.
            match (items.as_slice(), comma) {
                ([only], false) => Some(only.clone()),
                _ => Some(Literal::Tuple(items)),
            }
        }
        '[' => items(rest, ']', depth).map(|(items, _)| Literal::List(items)),
        '{' => dict(rest, depth).map(Literal::Dict),
        'T' => rest.strip_prefix("True").map(|after| *rest = after).map(|()| Literal::Flag(true)),
        'F' => rest.strip_prefix("False").map(|after| *rest = after).map(|()| Literal::Flag(false)),
        '0'..='9' | '-' => {
            let len = rest
                .bytes()
                .enumerate()
                .take_while(|(at, byte)| byte.is_ascii_digit() || (*at == 0 && *byte == b'-'));
            let len = len.count();
            let number = rest.get(..len)?.parse().ok()?;
            *rest = rest.get(len..)?;
            // Python 2 wrote long numbers with an L.
            *rest = rest.strip_prefix('L').unwrap_or(rest);
            Some(Literal::Int(number))
        }
        _ => None,
    }
}

fn quoted(rest: &mut &str, quote: char) -> Option<String> {
    let inner = rest.strip_prefix(quote)?;
    let end = inner.find([quote, '\\', '\n'])?;
    // An escape has no place in a type or a field that this reads.
    let text = inner.get(..end)?.to_owned();
    *rest = inner.get(end..)?.strip_prefix(quote)?;
    Some(text)
}

fn items(rest: &mut &str, close: char, depth: u32) -> Option<(Vec<Literal>, bool)> {
    *rest = rest.get(1..)?;
    let mut out = Vec::new();
    let mut comma = false;
    loop {
        *rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(close) {
            *rest = after;
            return Some((out, comma));
        }
        if !out.is_empty() && !comma {
            return None;
        }
        out.push(one(rest, depth + 1)?);
        *rest = rest.trim_ascii_start();
        comma = rest.starts_with(',');
        if comma {
            *rest = rest.get(1..)?;
        }
    }
}

fn dict(rest: &mut &str, depth: u32) -> Option<Vec<(Literal, Literal)>> {
    *rest = rest.get(1..)?;
    let mut out = Vec::new();
    let mut comma = true;
    loop {
        *rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix('}') {
            *rest = after;
            return Some(out);
        }
        if !comma {
            return None;
        }
        let key = one(rest, depth + 1)?;
        *rest = rest.trim_ascii_start().strip_prefix(':')?;
        out.push((key, one(rest, depth + 1)?));
        *rest = rest.trim_ascii_start();
        comma = rest.starts_with(',');
        if comma {
            *rest = rest.get(1..)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_and_expressions_are_not() {
        let header = parse("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4L), }  \n");
        let Some(Literal::Dict(pairs)) = header else { panic!("{header:?}") };
        assert_eq!(pairs[2].1, Literal::Tuple(vec![Literal::Int(3), Literal::Int(4)]));
        assert_eq!(parse("(1)"), Some(Literal::Int(1)));
        assert_eq!(parse("(1,)"), Some(Literal::Tuple(vec![Literal::Int(1)])));
        assert_eq!(parse("()"), Some(Literal::Tuple(Vec::new())));
        for text in
            ["__import__('os')", "{'a': f()}", "1+1", "(1 2)", "{'a' 1}", "[1", "'a\\n'", "(,)", "1 2", ""]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"(".repeat(100_000)), None);
    }
}
