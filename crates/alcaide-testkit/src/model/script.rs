//! What a model server answers: the same words for every protocol, and the ways in which an answer can go wrong.

use std::num::NonZeroUsize;

use crate::gate::Gate;

/// One answer, independent of the protocol in which it is asked for.
#[derive(Clone, Debug)]
pub struct Script {
    /// What the model says; may be empty beside tool calls.
    pub text: String,
    /// Tools that the model wants called, in order.
    pub tool_calls: Vec<ToolCall>,
    /// Where a stream cuts the text (and the arguments of tool calls) into events.
    pub chunks: Cut,
    /// Where a stream cuts the bytes of its events into writes; `None` writes one event at a time.
    pub write_bytes: Option<NonZeroUsize>,
    /// What the model says it used; `None` leaves the figures out, as some servers do.
    pub usage: Option<Usage>,
    /// What goes wrong.
    pub fail: Fail,
}

impl Script {
    /// Says `text`, in a stream word by word, and counts words as tokens.
    #[must_use]
    pub fn says(text: impl Into<String>) -> Self {
        let text = text.into();
        let output = u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX);
        Self {
            text,
            tool_calls: Vec::new(),
            chunks: Cut::Words,
            write_bytes: None,
            usage: Some(Usage { input: 7, output }),
            fail: Fail::None,
        }
    }

    /// Wants one tool called, and says nothing.
    #[must_use]
    pub fn calls(name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self::says("").with_call(name, arguments)
    }

    /// Wants one more tool called.
    #[must_use]
    pub fn with_call(mut self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        let id = format!("call_{}", self.tool_calls.len());
        self.tool_calls.push(ToolCall { id, name: name.into(), arguments: arguments.into() });
        self
    }

    /// Cuts streams otherwise.
    #[must_use]
    pub fn cut(mut self, chunks: Cut) -> Self {
        self.chunks = chunks;
        self
    }

    /// Writes streams in pieces of `bytes`, whatever event they belong to; zero means one event at a time.
    #[must_use]
    pub fn written_in(mut self, bytes: usize) -> Self {
        self.write_bytes = NonZeroUsize::new(bytes);
        self
    }

    /// Claims other figures, or none.
    #[must_use]
    pub fn using(mut self, usage: Option<Usage>) -> Self {
        self.usage = usage;
        self
    }

    /// Goes wrong.
    #[must_use]
    pub fn failing(mut self, fail: Fail) -> Self {
        self.fail = fail;
        self
    }
}

/// A tool that the model wants called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolCall {
    /// The id that the result must name.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// JSON text, sent as it is where the protocol carries text; need not be valid.
    pub arguments: String,
}

/// Tokens, as the server counts them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Usage {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
}

/// Where a text is cut.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cut {
    /// After each space.
    Words,
    /// Into this many pieces of nearly equal numbers of characters; never more than there are characters.
    Pieces(NonZeroUsize),
    /// Into exactly these pieces, which need not add up to the text. Tool calls' arguments stay whole.
    Exactly(Vec<String>),
}

impl Cut {
    /// The pieces of `text`; none for an empty text.
    #[must_use]
    pub fn pieces(&self, text: &str) -> Vec<String> {
        match self {
            Self::Words => text.split_inclusive(' ').map(str::to_owned).collect(),
            Self::Exactly(pieces) => pieces.clone(),
            Self::Pieces(count) => {
                let letters: Vec<char> = text.chars().collect();
                let size = letters.len().div_ceil(count.get()).max(1);
                letters.chunks(size).map(|piece| piece.iter().collect()).collect()
            }
        }
    }

    /// The pieces of a tool call's arguments.
    pub(crate) fn argument_pieces(&self, arguments: &str) -> Vec<String> {
        match self {
            Self::Exactly(_) => vec![arguments.to_owned()],
            Self::Words | Self::Pieces(_) => self.pieces(arguments),
        }
    }
}

/// What goes wrong with an answer.
#[derive(Clone, Debug)]
pub enum Fail {
    /// Nothing.
    None,
    /// An error document of the asked protocol, with this status.
    Status(u16),
    /// The connection breaks after this many bytes of the body, framing not counted.
    DieAfterBytes(u64),
    /// Nothing is ever sent; only the client's leaving ends it.
    NeverAnswer,
    /// Silence until the gate opens: a document is held back whole, a stream after half of its events.
    SilentFor(Gate),
    /// A stream whose last text event is repeated for ever; a document becomes an endless row of spaces.
    EndlessStream,
    /// The `content-length` of a document is not its length. A stream, which has none, is sent as a document.
    LyingContentLength(Lie),
    /// The body is gzip, small as sent, that expands to at least this many bytes of spaces.
    GzipBomb {
        /// Size when expanded.
        expanded_bytes: u64,
    },
}

/// In which direction a length lies, and by how many bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lie {
    /// More is announced than is sent; then the connection ends.
    More(u64),
    /// Less is announced than is sent: these bytes follow the answer on the open connection, where an unwary client
    /// would take them for the next answer.
    Less(&'static [u8]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_text() {
        let text = "one zwölf 三 four";
        for cut in [Cut::Words, Cut::Pieces(NonZeroUsize::MIN), Cut::Pieces(NonZeroUsize::new(5).unwrap())] {
            assert_eq!(cut.pieces(text).concat(), text);
        }
        assert_eq!(Cut::Words.pieces(text).len(), 4);
        assert_eq!(Cut::Pieces(NonZeroUsize::new(100).unwrap()).pieces("abc"), ["a", "b", "c"]);
        assert!(Cut::Words.pieces("").is_empty());
    }
}
