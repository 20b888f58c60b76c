//! How results are shown: one JSON document, or a table for people. Standard output only; a broken pipe is no error.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::fail::{Failure, INTERNAL, shown};

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to colour what goes to a stream.
    pub(crate) fn on(self, stream: &impl std::io::IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    json: bool,
    color: bool,
}

impl Out {
    pub(crate) fn new(json: bool, color: Color) -> Self {
        Self { json, color: color.on(&std::io::stdout()) }
    }

    /// Whether results are wanted as JSON.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Whether what goes to standard output is coloured.
    pub(crate) const fn colored(self) -> bool {
        self.color
    }

    /// Shows `value` as JSON where that is wanted, else the text that `human` makes.
    pub(crate) fn show(self, value: &impl Serialize, human: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { self.json_line(value) } else { self.text(&human()) }
    }

    /// One JSON document on one line.
    pub(crate) fn json_line(self, value: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string(value)
            .map_err(|error| Failure::new(&INTERNAL, "the result cannot be written as JSON").why(error))?;
        text.push('\n');
        self.text(&text)
    }

    /// Text as it is.
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::silent()),
            Err(error) => Err(Failure::file("write to", std::path::Path::new("standard output"), &error)),
        }
    }

    /// A table with aligned columns; `empty` where there are no rows.
    pub(crate) fn table(self, head: &[&str], rows: &[Vec<String>], empty: &str) -> String {
        if rows.is_empty() {
            return format!("{empty}\n");
        }
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(head.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for (cell, width) in cells.zip(&widths) {
                text.push_str(&format!("{cell:width$}  "));
            }
            let mut text = text.trim_end().to_owned();
            text.push('\n');
            text
        };
        let titles = line(&mut head.iter().copied());
        let mut text = if self.color { format!("\u{1b}[1m{}\u{1b}[0m\n", titles.trim_end()) } else { titles };
        for row in &rows {
            text.push_str(&line(&mut row.iter().map(String::as_str)));
        }
        text
    }
}

/// A value, or `-` where there is none.
pub(crate) fn or_dash<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// Something for people beside the results, on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether a person sits there who can be asked.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cleaned() {
        let out = Out { json: false, color: false };
        let rows = [vec!["a".into(), "long one".into()], vec!["bb\u{1b}".into(), "x".into()]];
        assert_eq!(
            out.table(&["n", "what"], &rows, "none"),
            "n           what\na           long one\nbb⟨U+001B⟩  x\n"
        );
        assert_eq!(out.table(&["n"], &[], "none"), "none\n");
    }

    #[test]
    fn colour_is_told_by_the_flag_first() {
        assert!(Color::Always.on(&std::io::stdout()));
        assert!(!Color::Never.on(&std::io::stdout()));
    }
}
