//! What a template changed against the one that it comes from.

use super::lex::{self, Token};

/// One change, in the order of the templates.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// It stands in the newer one alone.
    Added(String),
    /// It stands in the original alone.
    Removed(String),
}

/// Pieces of one template that are compared.
const PIECES_MAX: usize = 4_000;

/// What `newer` changed against `original`, piece by piece: a tag, or a line of text between tags. White space within tags
/// does not count. None if one of them cannot be cut into pieces, or has more than 4 000 of them.
///
/// Cost: the product of the numbers of pieces that are left when equal beginnings and ends are set aside.
#[must_use]
pub fn diff(original: &str, newer: &str) -> Option<Vec<Change>> {
    let (old, new) = (pieces(original)?, pieces(newer)?);
    let same_start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(same_start..)?, new.get(same_start..)?);
    let same_end = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(..old.len() - same_end)?, new.get(..new.len() - same_end)?);
    // Lengths of the longest common part of what is left from each pair of places on.
    let width = new.len() + 1;
    let mut longest = vec![0_u16; (old.len() + 1) * width];
    let cell = |row: usize, column: usize| row * width + column;
    for row in (0..old.len()).rev() {
        for column in (0..new.len()).rev() {
            let value = if old.get(row) == new.get(column) {
                longest.get(cell(row + 1, column + 1))? + 1
            } else {
                *longest.get(cell(row + 1, column))?.max(longest.get(cell(row, column + 1))?)
            };
            *longest.get_mut(cell(row, column))? = value;
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut changes = Vec::new();
    while row < old.len() || column < new.len() {
        match (old.get(row), new.get(column)) {
            (Some(left), Some(right)) if left == right => {
                row += 1;
                column += 1;
            }
            (Some(left), right)
                if right.is_none()
                    || longest.get(cell(row + 1, column))? >= longest.get(cell(row, column + 1))? =>
            {
                changes.push(Change::Removed(left.clone()));
                row += 1;
            }
            (_, Some(right)) => {
                changes.push(Change::Added(right.clone()));
                column += 1;
            }
            _ => break,
        }
    }
    Some(changes)
}

fn pieces(source: &str) -> Option<Vec<String>> {
    let mut pieces: Vec<String> = Vec::new();
    let mut open = String::new();
    for word in lex::words(source).ok()? {
        match word.token {
            Token::Text(text) => pieces.extend(text.split_inclusive('\n').map(str::to_owned)),
            Token::OutputStart => open.push_str("{{"),
            Token::BlockStart => open.push_str("{%"),
            Token::OutputEnd => pieces.push(std::mem::take(&mut open) + " }}"),
            Token::BlockEnd => pieces.push(std::mem::take(&mut open) + " %}"),
            Token::Name(name) => open = open + " " + &name,
            Token::String(text, _) => open = open + " " + &format!("{text:?}"),
            Token::Int(number) => open = open + " " + &number.to_string(),
            Token::Float => open.push_str(" 0.0"),
            Token::Sign(sign) => open = open + " " + sign,
        }
        if pieces.len() > PIECES_MAX {
            return None;
        }
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        let old = "{% for m in messages %}{{ m['role'] }}\n{{ m.content }}{% endfor %}";
        assert_eq!(diff(old, &old.replace("{{ m.content", "{{   m . content")), Some(vec![]));
        let new = old.replace("{{ m.content }}", "{% if 'x' in m.content %}Say y.{% endif %}{{ m.content }}");
        assert_eq!(
            diff(old, &new),
            Some(vec![
                Change::Added("{% if \"x\" in m . content %}".into()),
                Change::Added("Say y.".into()),
                Change::Added("{% endif %}".into()),
            ])
        );
        assert_eq!(diff(&new, old).map(|all| all.len()), Some(3));
        assert_eq!(diff(old, "{{"), None);
    }
}
