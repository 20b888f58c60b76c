//! What can go wrong with a peer, told so that the test's own output says what to do.

use std::path::PathBuf;

/// A peer could not be started, or did not do what was waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// The system gave no port, thread or runtime.
    #[error("the {what} could not be started")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("`{}` could not be started", program.display())]
    Spawn {
        /// The program's path.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A program could not be signalled or waited for.
    #[error("`{}` could not be ended", program.display())]
    End {
        /// The program's path.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The deadline passed.
    #[error("{what} did not happen within {seconds} s{said}")]
    Late {
        /// What was waited for.
        what: String,
        /// The deadline, in seconds.
        seconds: u64,
        /// The end of what a program said until then; empty where there is none.
        said: String,
    },
    /// A program ended while something was waited for, or with a status that was not wanted.
    #[error("`{}` ended ({status}) before {what}{said}", program.display())]
    Ended {
        /// The program's path.
        program: PathBuf,
        /// Exit status in words.
        status: String,
        /// What was waited for.
        what: String,
        /// The end of what it said.
        said: String,
    },
    /// A server or gate that was waited for is gone.
    #[error("{what} is gone")]
    Gone {
        /// What was waited for.
        what: &'static str,
    },
    /// The public clients and servers are not installed.
    #[error("`{}` is missing: run `cargo xtask peers`", path.display())]
    NoPeers {
        /// What was looked for.
        path: PathBuf,
    },
    /// A peer's script ended well, but its last line is not one JSON value.
    #[error("the last line of `{script}` is not JSON: `{line}`")]
    NotJson {
        /// The script's file name.
        script: String,
        /// The line, cut.
        line: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}
