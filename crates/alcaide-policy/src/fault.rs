//! What is wrong with a policy text: at which place, why, and what would mend it.

use std::fmt;

/// Which rule a policy text breaks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Rule {
    /// The text is not Cedar.
    Syntax,
    /// Templates have no place in a policy set.
    Template,
    /// An annotation that nobody reads.
    UnknownAnnotation,
    /// An annotation whose value has not the form it must have.
    AnnotationValue,
    /// An annotation that has no meaning on a policy of this effect.
    AnnotationMisplaced,
    /// An expression has a type that its place does not take.
    Type,
    /// An attribute that the schema does not declare.
    UnknownAttribute,
    /// An entity type that the schema does not declare.
    UnknownEntityType,
    /// An action that the schema does not declare.
    UnknownAction,
    /// `==` with a group of actions, which no call ever equals.
    GroupAction,
    /// An optional attribute is read without a test that it is there.
    Unguarded,
    /// A policy that can never match.
    Impossible,
    /// Two policies have one id.
    DuplicateId,
    /// The plan itself does not hold together.
    Plan,
    /// More or longer policies than the limits allow.
    TooLarge,
    /// A text of properties holds what is none.
    Property,
}

impl Rule {
    /// The stable code that `alcaide explain CODE` expands.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Syntax => "ALC-POLICY-0001",
            Self::Template => "ALC-POLICY-0002",
            Self::UnknownAnnotation => "ALC-POLICY-0003",
            Self::AnnotationValue => "ALC-POLICY-0004",
            Self::AnnotationMisplaced => "ALC-POLICY-0005",
            Self::Type => "ALC-POLICY-0006",
            Self::UnknownAttribute => "ALC-POLICY-0007",
            Self::UnknownEntityType => "ALC-POLICY-0008",
            Self::UnknownAction => "ALC-POLICY-0009",
            Self::GroupAction => "ALC-POLICY-0010",
            Self::Unguarded => "ALC-POLICY-0011",
            Self::Impossible => "ALC-POLICY-0012",
            Self::DuplicateId => "ALC-POLICY-0013",
            Self::Plan => "ALC-POLICY-0014",
            Self::TooLarge => "ALC-POLICY-0015",
            Self::Property => "ALC-POLICY-0016",
        }
    }
}

/// One thing that is wrong with a policy set.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{file}` line {line} column {column}: {why}")]
pub struct PolicyFault {
    /// Which rule it breaks.
    pub rule: Rule,
    /// Name of the policy set, cut to 80 characters.
    pub set: String,
    /// File, or the name of the policy where it came from no file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
    /// What would mend it.
    pub fix: String,
}

impl PolicyFault {
    /// The stable code that `alcaide explain CODE` expands.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.rule.code()
    }

    /// The five lines that the command line prints.
    #[must_use]
    pub fn report(&self) -> Report<'_> {
        Report(self)
    }
}

/// A fault as what, where, why, fix and code.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(&'a PolicyFault);

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PolicyFault { set, file, line, column, why, fix, .. } = self.0;
        writeln!(out, "error: policy set `{set}` was not loaded")?;
        writeln!(out, "   at: {file}:{line}:{column}")?;
        writeln!(out, "  why: {why}")?;
        writeln!(out, "  fix: {fix}")?;
        writeln!(out, " code: {}", self.0.code())
    }
}

/// Something that does not stop the load but that somebody should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    /// What it is about, such as `agent/invoice-bot` or `tool/files/read_file`.
    pub place: String,
    /// What is to be known.
    pub text: String,
}

/// Line and column, both from 1, of a byte offset.
pub(crate) fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    let before = text.get(..at).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()).saturating_add(1);
    (line, column)
}

/// The text on one line, cut to 300 characters.
pub(crate) fn one_line(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_prints_what_where_why_fix_and_code() {
        let fault = PolicyFault {
            rule: Rule::UnknownAttribute,
            set: "production".into(),
            file: "policies/tools.cedar".into(),
            line: 14,
            column: 9,
            why: "attribute `tier` is not declared on entity type `Agent`".into(),
            fix: "declare `tier` in the schema, or test `principal has tier` first".into(),
        };
        assert_eq!(
            fault.report().to_string(),
            "error: policy set `production` was not loaded\n   at: policies/tools.cedar:14:9\n  \
             why: attribute `tier` is not declared on entity type `Agent`\n  \
             fix: declare `tier` in the schema, or test `principal has tier` first\n code: ALC-POLICY-0007\n"
        );
    }

    #[test]
    fn offsets_become_lines_and_columns() {
        let text = "ab\ncäd\n";
        assert_eq!(line_column(text, 0), (1, 1));
        assert_eq!(line_column(text, 3), (2, 1));
        assert_eq!(line_column(text, 5), (2, 2), "inside a character counts as its begin");
        assert_eq!(line_column(text, 6), (2, 3));
        assert_eq!(line_column(text, 999), (3, 1));
    }
}
