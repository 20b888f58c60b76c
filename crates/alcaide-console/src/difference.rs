//! Two texts line by line: what went, what came, what stayed. A longest common subsequence within a bound; beyond it
//! all of the middle went and all of it came, which is true, only longer.
//!
//! Source: the dynamic programme of Wagner and Fischer (1974), after equal heads and tails are set apart.

use alcaide_control::visible;
use maud::{Markup, html};

/// Most pairs of lines that are compared: a quadratic table stays below 16 MiB.
const PAIRS_MAX: usize = 4_000_000;
/// Most lines of a text that are shown; more is said, not shown.
const LINES_MAX: usize = 5_000;
/// Equal lines that are shown around a change.
const CONTEXT: usize = 3;

/// What became of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Line<'t> {
    /// It is in both.
    Same(&'t str),
    /// It went.
    Gone(&'t str),
    /// It came.
    New(&'t str),
}

/// Compares two texts by line.
pub(crate) fn lines<'t>(before: &'t str, after: &'t str) -> Vec<Line<'t>> {
    let before: Vec<&str> = before.lines().take(LINES_MAX).collect();
    let after: Vec<&str> = after.lines().take(LINES_MAX).collect();
    let head = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let (top, before) = before.split_at(head);
    let after = after.get(head..).unwrap_or_default();
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    let (before, end) = before.split_at(before.len() - tail);
    let (after, _) = after.split_at(after.len() - tail);
    let mut all: Vec<Line<'t>> = top.iter().copied().map(Line::Same).collect();
    middle(before, after, &mut all);
    all.extend(end.iter().copied().map(Line::Same));
    all
}

fn middle<'t>(before: &[&'t str], after: &[&'t str], all: &mut Vec<Line<'t>>) {
    let width = after.len() + 1;
    if before.len().saturating_mul(after.len()) > PAIRS_MAX {
        all.extend(before.iter().copied().map(Line::Gone));
        all.extend(after.iter().copied().map(Line::New));
        return;
    }
    // `longest[row * width + column]`: lines in common of what follows row and column.
    let mut longest = vec![0_u16; (before.len() + 1) * width];
    let at =
        |longest: &[u16], row: usize, column: usize| longest.get(row * width + column).copied().unwrap_or(0);
    for (row, old) in before.iter().enumerate().rev() {
        for (column, new) in after.iter().enumerate().rev() {
            let best = if old == new {
                at(&longest, row + 1, column + 1).saturating_add(1)
            } else {
                at(&longest, row + 1, column).max(at(&longest, row, column + 1))
            };
            if let Some(cell) = longest.get_mut(row * width + column) {
                *cell = best;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    loop {
        match (before.get(row), after.get(column)) {
            (Some(old), Some(new)) if old == new => {
                all.push(Line::Same(old));
                (row, column) = (row + 1, column + 1);
            }
            (Some(old), new)
                if new.is_none() || at(&longest, row + 1, column) >= at(&longest, row, column + 1) =>
            {
                all.push(Line::Gone(old));
                row += 1;
            }
            (_, Some(new)) => {
                all.push(Line::New(new));
                column += 1;
            }
            _ => return,
        }
    }
}

/// The comparison as a table, equal stretches folded; a text is read by screen readers as "gone" and "new" too.
pub(crate) fn table(before: &str, after: &str, names: (&str, &str)) -> Markup {
    let all = lines(before, after);
    let near = near(&all);
    let gone = all.iter().filter(|line| matches!(line, Line::Gone(_))).count();
    let new = all.iter().filter(|line| matches!(line, Line::New(_))).count();
    let cut = before.lines().nth(LINES_MAX).is_some() || after.lines().nth(LINES_MAX).is_some();
    let mut folded = false;
    html! {
        p { "From " (names.0) " to " (names.1) ": " (gone) " lines gone, " (new) " new." }
        @if cut { p.notice { "Only the first " (LINES_MAX) " lines are compared here." } }
        div.scroll tabindex="0" role="region" aria-label="Difference" {
            table.difference {
                thead.unseen { tr { th scope="col" { "What" } th scope="col" { "Line" } } }
                tbody {
                    @for (line, near) in all.iter().zip(&near) {
                        @if *near {
                            ({ folded = false; row(line) })
                        } @else if !folded {
                            ({ folded = true; html! { tr.fold { td { "⋯" } td { } } } })
                        }
                    }
                }
            }
        }
    }
}

fn row(line: &Line<'_>) -> Markup {
    let (class, sign, word, text) = match line {
        Line::Same(text) => ("same", " ", "", text),
        Line::Gone(text) => ("gone", "−", "gone", text),
        Line::New(text) => ("new", "+", "new", text),
    };
    html! {
        tr class=(class) {
            td { span aria-hidden="true" { (sign) } @if !word.is_empty() { span.unseen { (word) } } }
            td { (visible(text)) }
        }
    }
}

/// Which lines are within [`CONTEXT`] of a change.
fn near(all: &[Line<'_>]) -> Vec<bool> {
    let mut near = vec![false; all.len()];
    for (at, line) in all.iter().enumerate() {
        if !matches!(line, Line::Same(_)) {
            let end = at.saturating_add(CONTEXT + 1).min(all.len());
            if let Some(some) = near.get_mut(at.saturating_sub(CONTEXT)..end) {
                some.fill(true);
            }
        }
    }
    near
}

/// JSON with a member a line, as people may see it: what no screen shows is written out.
pub(crate) fn shown(json: &str) -> String {
    visible(&pretty(json)).into_owned()
}

/// JSON with a member a line, as it is compared; what is no JSON stays as it is.
pub(crate) fn pretty(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| json.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept<'t>(all: &[Line<'t>], wanted: fn(&Line<'t>) -> Option<&'t str>) -> Vec<&'t str> {
        all.iter().filter_map(wanted).collect()
    }

    fn old<'t>(line: &Line<'t>) -> Option<&'t str> {
        match line {
            Line::Same(text) | Line::Gone(text) => Some(text),
            Line::New(_) => None,
        }
    }

    fn new<'t>(line: &Line<'t>) -> Option<&'t str> {
        match line {
            Line::Same(text) | Line::New(text) => Some(text),
            Line::Gone(_) => None,
        }
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_back(a in "([ab]\n){0,12}", b in "([ab]\n){0,12}") {
            let all = lines(&a, &b);
            prop_assert_eq!(kept(&all, old), a.lines().collect::<Vec<_>>());
            prop_assert_eq!(kept(&all, new), b.lines().collect::<Vec<_>>());
        }

        #[test]
        fn equal_texts_have_no_difference(a in "([ab]\n){0,12}") {
            prop_assert!(lines(&a, &a).iter().all(|line| matches!(line, Line::Same(_))));
        }
    }

    #[test]
    fn the_least_is_told() {
        let all = lines("a\nb\nc\nd\n", "a\nc\nx\nd\n");
        assert_eq!(all, [Line::Same("a"), Line::Gone("b"), Line::Same("c"), Line::New("x"), Line::Same("d")]);
    }

    #[test]
    fn past_the_bound_it_is_still_true() {
        let text = |word: &str| (0..2_001).map(|n| format!("{word}{n}\n")).collect::<String>();
        let (a, b) = (text("a"), text("b"));
        let all = lines(&a, &b);
        assert_eq!((kept(&all, old).len(), kept(&all, new).len()), (2_001, 2_001));
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(lines(&long, "").len(), LINES_MAX);
        assert!(table(&long, "", ("one", "two")).0.contains("Only the first"));
    }

    #[test]
    fn hostile_lines_stay_text() {
        let shown = table("{}", "<img src=x onerror=alert(1)>", ("one", "two")).0;
        assert!(shown.contains("&lt;img") && !shown.contains("<img"), "{shown}");
        assert_eq!(super::shown("{\"a\":\"x\u{202e}y\u{9b}\"}"), "{\n  \"a\": \"x⟨U+202E⟩y⟨U+009B⟩\"\n}");
        // What is written out is the text, never what is compared: one that imitates the other differs from it.
        let shown = table("pay ana\u{202e}", "pay ana⟨U+202E⟩", ("one", "two")).0;
        assert!(!shown.contains('\u{202e}') && shown.matches("ana⟨U+202E⟩").count() == 2, "{shown}");
        assert!(shown.contains("1 lines gone, 1 new"), "{shown}");
        assert_eq!(pretty("{\"b\":1}"), "{\n  \"b\": 1\n}");
        assert_eq!(pretty("no json"), "no json");
    }

    #[test]
    fn what_is_far_from_a_change_is_folded() {
        let before: String = (0..20).map(|n| format!("{n}\n")).collect();
        let shown = table(&before, &before.replace("10\n", "ten\n"), ("one", "two")).0;
        assert!(shown.contains(">7<") && !shown.contains(">6<") && shown.contains('⋯'), "{shown}");
    }
}
