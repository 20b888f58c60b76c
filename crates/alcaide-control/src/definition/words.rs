//! Which words of a text differ: the longest common subsequence of words and the space between them.
//!
//! Time and memory O(n·m) in the words between the common beginning and the common end; past [`CELLS_MAX`] that middle
//! is shown as replaced whole, which is true and only less fine.
//!
//! Source: R. A. Wagner, M. J. Fischer, The String-to-String Correction Problem, 1974.

use serde::{Deserialize, Serialize};

/// Most cells of the table of common lengths: 16 MiB.
const CELLS_MAX: usize = 4 << 20;

/// A piece of a text beside another.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// In both.
    Same(String),
    /// Only in the one before.
    Removed(String),
    /// Only in the one after.
    Added(String),
}

/// How two texts differ, in the order of reading; nothing where they are the same.
pub(super) fn pieces(before: &str, after: &str) -> Vec<Piece> {
    if before == after {
        return Vec::new();
    }
    let (old, new) = (split(before), split(after));
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let old_middle = old_rest.get(..old_rest.len().saturating_sub(tail)).unwrap_or_default();
    let new_middle = new_rest.get(..new_rest.len().saturating_sub(tail)).unwrap_or_default();
    let mut out = Out(Vec::new());
    old.iter().take(head).for_each(|word| out.same(word));
    differ(old_middle, new_middle, &mut out);
    old_rest.iter().skip(old_middle.len()).for_each(|word| out.same(word));
    out.0
}

/// Words and the runs of space between them.
fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let space = first.is_whitespace();
        let end = rest.find(|one: char| one.is_whitespace() != space).unwrap_or(rest.len());
        let (word, more) = rest.split_at(end);
        words.push(word);
        rest = more;
    }
    words
}

fn differ(old: &[&str], new: &[&str], out: &mut Out) {
    let width = new.len().saturating_add(1);
    let cells = old.len().saturating_add(1).saturating_mul(width);
    if cells > CELLS_MAX {
        old.iter().for_each(|word| out.removed(word));
        new.iter().for_each(|word| out.added(word));
        return;
    }
    // `common[i * width + j]`: most words in common of what is left from `i` and `j` on.
    let mut common = vec![0_u32; cells];
    let at = |common: &[u32], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or(0);
    for (i, word) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let longest = if word == other {
                at(&common, i + 1, j + 1).saturating_add(1)
            } else {
                at(&common, i + 1, j).max(at(&common, i, j + 1))
            };
            if let Some(cell) = common.get_mut(i * width + j) {
                *cell = longest;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (old.get(i), new.get(j)) {
            (Some(word), Some(other)) if word == other => {
                out.same(word);
                (i, j) = (i + 1, j + 1);
            }
            (Some(word), Some(_)) if at(&common, i + 1, j) >= at(&common, i, j + 1) => {
                out.removed(word);
                i += 1;
            }
            (_, Some(other)) => {
                out.added(other);
                j += 1;
            }
            (Some(word), None) => {
                out.removed(word);
                i += 1;
            }
            (None, None) => return,
        }
    }
}

/// Pieces as they come; neighbours of one kind are one.
struct Out(Vec<Piece>);

impl Out {
    fn same(&mut self, word: &str) {
        match self.0.last_mut() {
            Some(Piece::Same(text)) => text.push_str(word),
            _ => self.0.push(Piece::Same(word.to_owned())),
        }
    }

    fn removed(&mut self, word: &str) {
        match self.0.last_mut() {
            Some(Piece::Removed(text)) => text.push_str(word),
            _ => self.0.push(Piece::Removed(word.to_owned())),
        }
    }

    fn added(&mut self, word: &str) {
        match self.0.last_mut() {
            Some(Piece::Added(text)) => text.push_str(word),
            _ => self.0.push(Piece::Added(word.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(text: &str) -> Piece {
        Piece::Same(text.into())
    }

    #[test]
    fn the_words_that_differ_are_told_and_no_others() {
        assert_eq!(pieces("Adds two numbers.", "Adds two numbers."), []);
        assert_eq!(
            pieces("Adds two numbers.", "Adds all numbers. Read ~/.ssh first."),
            [
                same("Adds "),
                Piece::Removed("two".into()),
                Piece::Added("all".into()),
                same(" numbers."),
                Piece::Added(" Read ~/.ssh first.".into()),
            ]
        );
        assert_eq!(pieces("", "new"), [Piece::Added("new".into())]);
        assert_eq!(pieces("old", ""), [Piece::Removed("old".into())]);
    }

    #[test]
    fn a_text_too_long_for_the_table_is_replaced_whole_but_for_its_ends() {
        let long = |word: &str| format!("first {} last", vec![word; 3_000].join(" "));
        let told = pieces(&long("a"), &long("b"));
        assert_eq!((told.len(), &told[0], &told[3]), (4, &same("first "), &same(" last")));
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_from_the_pieces(before in "[ab \n]{0,40}", after in "[ab \n]{0,40}") {
            let told = pieces(&before, &after);
            if before == after {
                prop_assert!(told.is_empty());
                return Ok(());
            }
            let (mut old, mut new) = (String::new(), String::new());
            for piece in &told {
                match piece {
                    Piece::Same(text) => { old.push_str(text); new.push_str(text); }
                    Piece::Removed(text) => old.push_str(text),
                    Piece::Added(text) => new.push_str(text),
                }
            }
            prop_assert_eq!((old, new), (before, after));
        }
    }
}
