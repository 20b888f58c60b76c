//! Why a request came to no answer.

use std::fmt;
use std::time::Duration;

use crate::refusal::Fault;

/// How a child ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum End {
    /// The process ended by itself.
    Exited {
        /// Its status, in words.
        status: String,
    },
    /// It closed its output and went on.
    Closed,
    /// It broke the protocol.
    Broken {
        /// How.
        why: String,
    },
    /// It did not read what it was sent.
    Stuck,
    /// It said nothing while one request after the other ran out of time.
    Hung,
    /// Nobody asked it anything for long enough.
    Idle,
    /// Its actor was stopped.
    Stopped,
    /// The house goes down.
    Drained,
    /// Its declaration has changed.
    Replaced,
    /// Its place was needed.
    Evicted,
}

impl End {
    /// Whether it is the server's own doing, so that the next start has to wait.
    #[must_use]
    pub const fn is_fall(&self) -> bool {
        matches!(self, Self::Exited { .. } | Self::Closed | Self::Broken { .. } | Self::Stuck | Self::Hung)
    }

    /// Whether the process is asked to end before it is killed.
    pub(super) const fn is_polite(&self) -> bool {
        matches!(self, Self::Idle | Self::Drained | Self::Replaced | Self::Evicted)
    }
}

impl fmt::Display for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { status } => write!(out, "it ended ({status})"),
            Self::Closed => out.write_str("it closed its output"),
            Self::Broken { why } => write!(out, "it broke the protocol: {why}"),
            Self::Stuck => out.write_str("it did not read its input in time"),
            Self::Hung => out.write_str("it said nothing for several requests in a row"),
            Self::Idle => out.write_str("nobody used it"),
            Self::Stopped => out.write_str("its actor was stopped"),
            Self::Drained => out.write_str("the gate is shutting down"),
            Self::Replaced => out.write_str("its declaration has changed"),
            Self::Evicted => out.write_str("its place was needed"),
        }
    }
}

/// A request came to no answer, or a child could not be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StdioError {
    /// The declaration cannot be carried out on this machine.
    #[error("the tool server cannot be started as declared: {why}")]
    Declared {
        /// What is wrong.
        why: String,
    },
    /// The sandbox or the program did not begin.
    #[error("the tool server was not started: {why}")]
    Start {
        /// What was seen.
        why: String,
    },
    /// The server did not come through the handshake.
    #[error("the tool server did not say hello as it should: {why}")]
    Hello {
        /// What was seen.
        why: String,
    },
    /// The server fell too often.
    #[error("the tool server fell {falls} times within a short while and is left alone for now")]
    GivenUp {
        /// How often.
        falls: usize,
        /// When it will be started again.
        retry_after: Duration,
    },
    /// No further child, or no further request of one.
    #[error("more than {max} {what}")]
    Full {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// The child ended before the request was sent.
    #[error("the tool server is gone: {how}")]
    Gone {
        /// How.
        how: End,
    },
    /// The child ended while the request was open: what came of it is not known.
    #[error("the tool server ended before it answered: {how}")]
    Ended {
        /// How.
        how: End,
    },
    /// No answer, or no further one, in time: what came of it is not known.
    #[error("the tool server did not answer within {} ms", waited.as_millis())]
    Late {
        /// How long it was waited for.
        waited: Duration,
    },
    /// What was to be sent is no message that a server may be sent.
    #[error("this cannot be sent to a tool server: {why}")]
    Message {
        /// What is wrong.
        why: String,
    },
    /// The actor was stopped while its child was being started.
    #[error("the actor was stopped")]
    Stopped,
    /// The pool takes no more requests.
    #[error("the gate is shutting down")]
    Draining,
}

impl StdioError {
    /// Whose doing it was.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Message { .. } | Self::Stopped => Fault::Caller,
            Self::Declared { .. } | Self::Full { .. } | Self::Draining => Fault::Us,
            Self::Gone { how } | Self::Ended { how } => match how {
                End::Stopped => Fault::Caller,
                End::Idle | End::Drained | End::Replaced | End::Evicted => Fault::Us,
                _ => Fault::Upstream,
            },
            Self::Start { .. } | Self::Hello { .. } | Self::GivenUp { .. } | Self::Late { .. } => {
                Fault::Upstream
            }
        }
    }

    /// What a caller may be told; the error's own text is for the log and may name paths.
    #[must_use]
    pub const fn for_caller(&self) -> &'static str {
        match self {
            Self::Declared { .. } | Self::Start { .. } | Self::Hello { .. } => {
                "the tool server cannot be started"
            }
            Self::GivenUp { .. } => "the tool server fell several times and is left alone for now",
            Self::Full { .. } => "too many tool servers or requests of one are open",
            Self::Gone { .. } => "the tool server ended before the request was sent",
            Self::Ended { .. } => "the tool server ended before it answered",
            Self::Late { .. } => "the tool server did not answer in time",
            Self::Message { .. } => "the message is none that a tool server may be sent",
            Self::Stopped => "the actor was stopped",
            Self::Draining => "the gate is shutting down",
        }
    }

    /// Whether no byte of the request can have reached a server, so that it may be asked again.
    #[must_use]
    pub const fn nothing_sent(&self) -> bool {
        !matches!(self, Self::Ended { .. } | Self::Late { .. })
    }

    /// When asking again may help; absent where it will not, or where nobody knows.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::GivenUp { retry_after, .. } => Some(*retry_after),
            Self::Full { .. } | Self::Start { .. } | Self::Hello { .. } | Self::Gone { .. } => {
                Some(Duration::from_secs(1))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_whose_doing_it_was_and_whether_anything_was_sent() {
        let exited = End::Exited { status: "signal: 9".into() };
        let ended = StdioError::Ended { how: exited.clone() };
        assert_eq!(ended.to_string(), "the tool server ended before it answered: it ended (signal: 9)");
        assert_eq!(
            (ended.fault(), ended.nothing_sent(), ended.retry_after()),
            (Fault::Upstream, false, None)
        );
        let gone = StdioError::Gone { how: exited };
        assert!(gone.nothing_sent() && gone.retry_after().is_some());
        let late = StdioError::Late { waited: Duration::from_millis(1_500) };
        assert_eq!(late.to_string(), "the tool server did not answer within 1500 ms");
        assert!(!late.nothing_sent());
        assert_eq!(StdioError::Ended { how: End::Stopped }.fault(), Fault::Caller);
        assert_eq!(StdioError::Gone { how: End::Idle }.fault(), Fault::Us);
        let given_up = StdioError::GivenUp { falls: 5, retry_after: Duration::from_secs(9) };
        assert_eq!(given_up.retry_after(), Some(Duration::from_secs(9)));
    }

    #[test]
    fn only_what_a_server_did_itself_is_a_fall() {
        let own = [End::Closed, End::Stuck, End::Hung, End::Broken { why: String::new() }];
        assert!(own.iter().all(|end| end.is_fall() && !end.is_polite()));
        let ours = [End::Idle, End::Drained, End::Replaced, End::Evicted];
        assert!(ours.iter().all(|end| !end.is_fall() && end.is_polite()));
        assert!(!End::Stopped.is_fall() && !End::Stopped.is_polite());
    }
}
