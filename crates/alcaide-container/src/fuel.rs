//! One budget for all that is done with one file.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

/// What a budget counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes that came out of decompression.
    UnpackedBytes,
    /// Opcodes, fields, nodes: units of work that are not bytes.
    Steps,
    /// Members of archives.
    Entries,
    /// Containers within containers.
    Depth,
    /// Bytes held at a time: dictionaries, windows, lists of members.
    Memory,
}

impl Resource {
    /// The word for it, as in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnpackedBytes => "unpacked_bytes",
            Self::Steps => "steps",
            Self::Entries => "entries",
            Self::Depth => "depth",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A budget ran out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the budget of {resource} is spent: {limit}")]
pub struct Exhausted {
    /// What ran out.
    pub resource: Resource,
    /// How much of it there was.
    pub limit: u64,
}

/// How much of each resource there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes that may come out of decompression, in all.
    pub unpacked_bytes: u64,
    /// Steps, in all.
    pub steps: u64,
    /// Members of archives, in all.
    pub entries: u64,
    /// Containers within containers at a time.
    pub depth: u64,
}

impl Limits {
    /// Limits for a file of `len` bytes: a fixed part, so that small bombs end soon, and a part that grows with what has
    /// to be read anyway.
    #[must_use]
    pub const fn for_file(len: u64) -> Self {
        Self {
            unpacked_bytes: (128 << 20) + len.saturating_mul(8),
            steps: 4_000_000 + len / 2,
            entries: 100_000,
            depth: 12,
        }
    }
}

/// What is left of a budget. A clone is the same budget.
#[derive(Clone, Debug)]
pub struct Fuel(Rc<Tank>);

#[derive(Debug)]
struct Tank {
    limits: Limits,
    unpacked_bytes: Cell<u64>,
    steps: Cell<u64>,
    entries: Cell<u64>,
    depth: Cell<u64>,
    memory: Cell<u64>,
}

impl Fuel {
    /// Bytes that all readers of one scan may hold at a time. One codec with its largest dictionary and its windows needs
    /// a third of it; what is packed in packed data shares it, so that depth does not multiply memory.
    pub const MEMORY: u64 = 32 << 20;

    /// A full budget.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Rc::new(Tank {
            limits,
            unpacked_bytes: Cell::new(limits.unpacked_bytes),
            steps: Cell::new(limits.steps),
            entries: Cell::new(limits.entries),
            depth: Cell::new(limits.depth),
            memory: Cell::new(Self::MEMORY),
        }))
    }

    /// Pays for bytes that came out of decompression.
    ///
    /// # Errors
    /// [`Exhausted`] if there are not so many left; then there are none left.
    pub fn unpack(&self, bytes: u64) -> Result<(), Exhausted> {
        self.pay(&self.0.unpacked_bytes, bytes, Resource::UnpackedBytes, self.0.limits.unpacked_bytes)
    }

    /// Pays for steps.
    ///
    /// # Errors
    /// [`Exhausted`] if there are not so many left; then there are none left.
    pub fn step(&self, steps: u64) -> Result<(), Exhausted> {
        self.pay(&self.0.steps, steps, Resource::Steps, self.0.limits.steps)
    }

    /// Pays for members of an archive.
    ///
    /// # Errors
    /// [`Exhausted`] if there are not so many left; then there are none left.
    pub fn entry(&self, entries: u64) -> Result<(), Exhausted> {
        self.pay(&self.0.entries, entries, Resource::Entries, self.0.limits.entries)
    }

    /// Goes one container deeper, until the level is dropped.
    ///
    /// # Errors
    /// [`Exhausted`] if that is too deep.
    pub fn enter(&self) -> Result<Level, Exhausted> {
        let left = self.0.depth.get();
        let Some(left) = left.checked_sub(1) else {
            return Err(Exhausted { resource: Resource::Depth, limit: self.0.limits.depth });
        };
        self.0.depth.set(left);
        Ok(Level(self.clone()))
    }

    /// Sets memory aside until what comes back is dropped.
    ///
    /// # Errors
    /// [`Exhausted`] if there is not so much left.
    pub fn hold(&self, bytes: u64) -> Result<Held, Exhausted> {
        let mut held = Held { fuel: self.clone(), bytes: 0 };
        held.more(bytes)?;
        Ok(held)
    }

    /// Bytes that may still come out of decompression.
    #[must_use]
    pub fn unpackable(&self) -> u64 {
        self.0.unpacked_bytes.get()
    }

    fn pay(&self, left: &Cell<u64>, price: u64, resource: Resource, limit: u64) -> Result<(), Exhausted> {
        match left.get().checked_sub(price) {
            Some(rest) => {
                left.set(rest);
                Ok(())
            }
            None => {
                left.set(0);
                Err(Exhausted { resource, limit })
            }
        }
    }
}

/// One container deep; leaving it gives the level back.
#[derive(Debug)]
#[must_use]
pub struct Level(Fuel);

impl Drop for Level {
    fn drop(&mut self) {
        self.0.0.depth.set(self.0.0.depth.get().saturating_add(1));
    }
}

/// Memory set aside; dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub struct Held {
    fuel: Fuel,
    bytes: u64,
}

impl Held {
    /// Sets more aside.
    ///
    /// # Errors
    /// [`Exhausted`] if there is not so much left; then nothing changes.
    pub fn more(&mut self, bytes: u64) -> Result<(), Exhausted> {
        let Some(left) = self.fuel.0.memory.get().checked_sub(bytes) else {
            return Err(Exhausted { resource: Resource::Memory, limit: Fuel::MEMORY });
        };
        self.fuel.0.memory.set(left);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let memory = &self.fuel.0.memory;
        memory.set(memory.get().saturating_add(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_budget_and_what_is_spent_stays_spent() {
        let fuel = Fuel::new(Limits { unpacked_bytes: 10, steps: 3, entries: 1, depth: 1 });
        assert_eq!(fuel.clone().unpack(6), Ok(()));
        assert_eq!(fuel.unpack(5), Err(Exhausted { resource: Resource::UnpackedBytes, limit: 10 }));
        assert_eq!(fuel.unpack(1), Err(Exhausted { resource: Resource::UnpackedBytes, limit: 10 }));
        let level = fuel.enter();
        assert!(level.is_ok());
        assert!(fuel.enter().is_err());
        drop(level);
        assert!(fuel.enter().is_ok());
    }

    #[test]
    fn memory_comes_back_and_what_was_refused_was_not_taken() {
        let fuel = Fuel::new(Limits::for_file(0));
        let mut held = fuel.hold(Fuel::MEMORY - 1).unwrap();
        assert_eq!(fuel.hold(2).unwrap_err().resource, Resource::Memory);
        assert_eq!(held.more(1), Ok(()));
        assert!(fuel.hold(1).is_err());
        drop(held);
        assert!(fuel.hold(Fuel::MEMORY).is_ok());
    }
}
