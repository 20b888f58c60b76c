//! What is closed and what is not, door by door, with the reason; as JSON and as text for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A way by which a program reaches what is not its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Door {
    /// The folders that must stay hidden, above all the data directory.
    HiddenFiles,
    /// Content of files outside the declared folders.
    OtherFiles,
    /// Names, sizes and times of files outside the declared folders.
    FileMetadata,
    /// TCP to anything but the relay.
    Tcp,
    /// UDP and raw packets.
    Udp,
    /// Unix sockets: the office, container engines, agents of keys, message buses.
    UnixSockets,
    /// Every other family of sockets.
    OtherSockets,
    /// Memory, environment and descriptors of processes outside.
    OtherProcesses,
    /// Names and command lines of processes outside.
    ProcessList,
    /// Signals to processes outside.
    Signals,
    /// System V and POSIX shared memory, queues and semaphores of others.
    SharedMemory,
    /// Calls by which the kernel is administered or its walls are undone.
    KernelCalls,
    /// Privileges: capabilities, set-user-id programs.
    Privileges,
    /// Typing into the terminal of whoever started it.
    Terminal,
    /// Variables that were not declared.
    Environment,
    /// Open descriptors of whoever started it.
    Descriptors,
    /// Memory, processes, files and core dumps without bound.
    Resources,
    /// Outliving whoever started it.
    Lifetime,
    /// Running another executable than the pinned one.
    Executable,
}

impl Door {
    /// What it is, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::HiddenFiles => "the data directory",
            Self::OtherFiles => "files outside the declared folders",
            Self::FileMetadata => "names and sizes of files outside",
            Self::Tcp => "tcp to anything but the gate",
            Self::Udp => "udp and raw packets",
            Self::UnixSockets => "unix sockets of others",
            Self::OtherSockets => "other kinds of sockets",
            Self::OtherProcesses => "memory and environment of other processes",
            Self::ProcessList => "names and arguments of other processes",
            Self::Signals => "signals to other processes",
            Self::SharedMemory => "shared memory of others",
            Self::KernelCalls => "calls that administer the kernel",
            Self::Privileges => "gaining privileges",
            Self::Terminal => "typing into the terminal",
            Self::Environment => "variables that were not declared",
            Self::Descriptors => "descriptors that were open before",
            Self::Resources => "resources without bound",
            Self::Lifetime => "outliving its starter",
            Self::Executable => "another executable than the pinned one",
        }
    }
}

/// One door.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Item {
    /// Which.
    pub what: Door,
    /// Whether the program can no longer go through it.
    pub closed: bool,
    /// By what it is closed, or why it is not.
    pub why: String,
}

/// All doors, each once, in the order of [`Door`].
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// The doors.
    pub items: Vec<Item>,
}

impl Report {
    /// The item of a door; absent only if the report was made by another version.
    #[must_use]
    pub fn of(&self, what: Door) -> Option<&Item> {
        self.items.iter().find(|item| item.what == what)
    }

    /// Whether a door is known to be closed.
    #[must_use]
    pub fn closed(&self, what: Door) -> bool {
        self.of(what).is_some_and(|item| item.closed)
    }

    /// What is not closed.
    pub fn open(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| !item.closed)
    }

    pub(crate) fn closes(&mut self, what: Door, why: impl Into<String>) {
        self.set(what, true, why.into());
    }

    pub(crate) fn leaves(&mut self, what: Door, why: impl Into<String>) {
        self.set(what, false, why.into());
    }

    fn set(&mut self, what: Door, closed: bool, why: String) {
        let item = Item { what, closed, why };
        match self.items.binary_search_by_key(&what, |item| item.what) {
            Ok(at) => {
                if let Some(there) = self.items.get_mut(at) {
                    *there = item;
                }
            }
            Err(at) => self.items.insert(at, item),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            let state = if item.closed { "closed    " } else { "NOT CLOSED" };
            writeln!(out, "{state}  {}: {}", item.what.text(), item.why)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_has_one_state_and_the_last_word_counts() {
        let mut report = Report::default();
        report.closes(Door::Udp, "a namespace");
        report.leaves(Door::HiddenFiles, "no landlock");
        report.leaves(Door::Udp, "no namespace");
        assert_eq!(
            report.items.iter().map(|item| item.what).collect::<Vec<_>>(),
            [Door::HiddenFiles, Door::Udp]
        );
        assert!(!report.closed(Door::Udp) && !report.closed(Door::Tcp));
        assert_eq!(report.open().count(), 2);
        assert!(report.to_string().starts_with("NOT CLOSED  the data directory: no landlock\n"));
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.contains(r#"{"what":"udp","closed":false,"why":"no namespace"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
