//! Messages of the stdio transport: one a line, of a bounded length (specification 2025-11-25, "Transports", stdio).

use crate::server::MESSAGE_BYTES_MAX;

/// Cuts a stream of bytes into lines; keeps no more than one message.
#[derive(Debug, Default)]
pub struct Lines {
    held: Vec<u8>,
    /// Whether the line under way is too long already.
    over: bool,
}

/// One line of the stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// What should be a message, without its line end.
    Message(Vec<u8>),
    /// A line longer than [`MESSAGE_BYTES_MAX`]; its bytes are gone.
    TooLong,
}

impl Lines {
    /// Takes the next bytes of the stream and gives the lines that end in them. Empty lines are left out.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            if self.over || self.held.len() + part.len() > MESSAGE_BYTES_MAX {
                self.over = true;
                self.held.clear();
            } else {
                self.held.extend_from_slice(part);
            }
            if parts.peek().is_some() {
                let held = std::mem::take(&mut self.held);
                match std::mem::take(&mut self.over) {
                    true => lines.push(Line::TooLong),
                    false if held.trim_ascii().is_empty() => {}
                    false => lines.push(Line::Message(held)),
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn message(text: &[u8]) -> Line {
        Line::Message(text.to_vec())
    }

    #[test]
    fn a_line_may_be_as_long_as_a_message_and_no_longer() {
        let mut lines = Lines::default();
        let most = vec![b'a'; MESSAGE_BYTES_MAX];
        assert!(lines.push(&most).is_empty());
        assert_eq!(lines.push(b"\n"), [message(&most)]);
        assert!(lines.push(&most).is_empty());
        assert!(lines.push(b"a").is_empty());
        assert!(lines.held.is_empty());
        assert!(lines.push(&most).is_empty());
        assert_eq!(lines.push(b"\nnext\n"), [Line::TooLong, message(b"next")]);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_stream_was_cut(
            parts in vec(vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..9), 0..20)
        ) {
            let mut cut = Lines::default();
            let in_parts: Vec<Line> = parts.iter().flat_map(|part| cut.push(part)).collect();
            let whole = Lines::default().push(&parts.concat());
            prop_assert_eq!(in_parts, whole);
        }
    }
}
