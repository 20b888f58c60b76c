//! Texts of strangers that agents hand on without reading them: what each handle stands for, per task, in bounded memory.
//!
//! An answer: [`Handles::keep`] takes a text and gives the placeholder that goes to the caller in its place. A call:
//! [`Handles::text`] gives it back, to the task that it was kept for and to no other. Nothing of it is recorded or kept on
//! disk: a restart loses all of it, and a handle without its text is refused (decision note 7).
//!
//! When there is no room: a text or a task past its bound is refused, and with it the answer; past the bound of all tasks
//! together the texts of those that were not used for longest are lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alcaide_inspect::placeholder::{ID_BYTES, Kind, Placeholder};
use alcaide_inventory::id::{CallId, TaskId};
use alcaide_seal::digest::HmacKey;

/// Bytes of an id that stand for the text; the rest shows that this gate gave it in this task.
const TEXT_ID_BYTES: usize = 9;
/// What a text costs beside its bytes.
const OVERHEAD_BYTES: usize = 512;

/// Most bytes that are kept.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Of one text.
    text: usize,
    /// Of one task.
    task: usize,
    /// Of all together.
    all: usize,
}

const BOUNDS: Bounds = Bounds { text: 256 << 10, task: 4 << 20, all: 64 << 20 };

/// What handles stand for.
pub(crate) struct Handles {
    table: Mutex<Table>,
    bounds: Bounds,
}

#[derive(Default)]
struct Table {
    tasks: HashMap<TaskId, OfTask>,
    bytes: usize,
    /// Counts uses, so that it is known what was not used for longest.
    uses: u64,
}

#[derive(Default)]
struct OfTask {
    texts: HashMap<[u8; ID_BYTES], Held>,
    bytes: usize,
    used: u64,
}

/// A text behind a handle.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) text: Arc<str>,
    /// The call that answered it first.
    pub(crate) call: CallId,
}

/// There is no room for a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Full {
    /// It is longer than one may be.
    Text,
    /// The task has as much as one may.
    Task,
}

/// There is no text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lost {
    /// The handle is none of this gate's in this task.
    Foreign,
    /// It was given in this task, and its text is gone.
    Gone,
}

impl Handles {
    pub(crate) fn new() -> Self {
        Self { table: Mutex::default(), bounds: BOUNDS }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while holding the lock leaves at worst a wrong sum of bytes.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a text of a task and gives what stands for it: for the same text of the same task always the same.
    ///
    /// # Errors
    /// There is no room for it.
    pub(crate) fn keep(
        &self,
        key: &HmacKey,
        task: TaskId,
        call: CallId,
        text: &str,
    ) -> Result<Placeholder, Full> {
        if text.len() > self.bounds.text {
            return Err(Full::Text);
        }
        let id = id_of(key, task, text);
        let placeholder = Placeholder::new(Kind::Handle, id);
        let cost = text.len().saturating_add(OVERHEAD_BYTES);
        let mut table = self.table();
        table.uses = table.uses.saturating_add(1);
        let used = table.uses;
        let of_task = table.tasks.entry(task).or_default();
        of_task.used = used;
        match of_task.texts.get(&id) {
            Some(held) if *held.text == *text => return Ok(placeholder),
            // Two texts of one task with one digest of 72 bits: the second has no handle.
            Some(_) => return Err(Full::Task),
            None if of_task.bytes.saturating_add(cost) > self.bounds.task => return Err(Full::Task),
            None => {}
        }
        of_task.bytes = of_task.bytes.saturating_add(cost);
        of_task.texts.insert(id, Held { text: text.into(), call });
        table.bytes = table.bytes.saturating_add(cost);
        table.make_room(self.bounds.all, task);
        Ok(placeholder)
    }

    /// The text that a handle stands for in this task.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn text(&self, key: &HmacKey, task: TaskId, handle: &Placeholder) -> Result<Held, Lost> {
        let mut table = self.table();
        table.uses = table.uses.saturating_add(1);
        let used = table.uses;
        let held = table.tasks.get_mut(&task).and_then(|of_task| {
            of_task.used = used;
            of_task.texts.get(handle.id()).cloned()
        });
        drop(table);
        held.filter(|_| handle.kind() == Kind::Handle).ok_or_else(|| {
            let (text, seal) = handle.id().split_at(TEXT_ID_BYTES);
            let given = seal_of(key, task, text).is_some_and(|own| own == *seal);
            if given { Lost::Gone } else { Lost::Foreign }
        })
    }
}

impl Table {
    /// Loses the texts of tasks that were not used for longest, but for one.
    fn make_room(&mut self, all: usize, spared: TaskId) {
        while self.bytes > all {
            let others = self.tasks.iter().filter(|(task, _)| **task != spared);
            let Some(oldest) = others.min_by_key(|(_, of_task)| of_task.used).map(|(task, _)| *task) else {
                return;
            };
            if let Some(gone) = self.tasks.remove(&oldest) {
                self.bytes = self.bytes.saturating_sub(gone.bytes);
            }
        }
    }
}

/// The id of a text in a task: a keyed digest of it, and what shows that this gate gave it.
fn id_of(key: &HmacKey, task: TaskId, text: &str) -> [u8; ID_BYTES] {
    let mut message = format!("handle/{task}/").into_bytes();
    message.extend_from_slice(text.as_bytes());
    let digest = key.mac(&message);
    let own = digest.as_bytes().get(..TEXT_ID_BYTES).unwrap_or_default();
    let seal = seal_of(key, task, own).unwrap_or_default();
    let mut id = [0; ID_BYTES];
    for (place, byte) in id.iter_mut().zip(own.iter().chain(&seal)) {
        *place = *byte;
    }
    id
}

fn seal_of(key: &HmacKey, task: TaskId, own: &[u8]) -> Option<[u8; ID_BYTES - TEXT_ID_BYTES]> {
    let mut message = format!("handle-seal/{task}/").into_bytes();
    message.extend_from_slice(own);
    key.mac(&message).as_bytes().first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallId = CallId::from_bits(9);

    fn task(bits: u128) -> TaskId {
        TaskId::from_bits(bits)
    }

    fn handles(text: usize, task: usize, all: usize) -> (Handles, HmacKey) {
        (Handles { table: Mutex::default(), bounds: Bounds { text, task, all } }, HmacKey::new(b"key"))
    }

    #[test]
    fn a_text_comes_back_to_its_own_task_alone() {
        let (handles, key) = handles(100, 10_000, 100_000);
        let one = handles.keep(&key, task(1), CALL, "a text").unwrap();
        assert_eq!(&*handles.text(&key, task(1), &one).unwrap().text, "a text");
        assert_eq!(handles.text(&key, task(2), &one).unwrap_err(), Lost::Foreign);
        // The same text again is the same handle; in another task it is another.
        assert_eq!(handles.keep(&key, task(1), CallId::from_bits(8), "a text").unwrap(), one);
        assert_eq!(handles.text(&key, task(1), &one).unwrap().call, CALL);
        assert_ne!(handles.keep(&key, task(2), CALL, "a text").unwrap(), one);
        assert_ne!(handles.keep(&key, task(1), CALL, "a texT").unwrap(), one);
    }

    #[test]
    fn a_handle_that_was_made_up_is_told_from_one_whose_text_is_gone() {
        let (handles, key) = handles(100, 10_000, 100_000);
        let one = handles.keep(&key, task(1), CALL, "a text").unwrap();
        for at in 0..ID_BYTES {
            let mut id = *one.id();
            id[at] ^= 1;
            let forged = Placeholder::new(Kind::Handle, id);
            assert_eq!(handles.text(&key, task(1), &forged).unwrap_err(), Lost::Foreign, "{at}");
        }
        // As after a restart: the key is the same, the texts are not there.
        let anew = Handles::new();
        assert_eq!(anew.text(&key, task(1), &one).unwrap_err(), Lost::Gone);
        assert_eq!(anew.text(&HmacKey::new(b"other"), task(1), &one).unwrap_err(), Lost::Foreign);
    }

    #[test]
    fn each_bound_holds_one_past_it() {
        let (handles, key) = handles(10, 2 * (10 + OVERHEAD_BYTES), 3 * (10 + OVERHEAD_BYTES));
        let keep = |bits, text: &str| handles.keep(&key, task(bits), CALL, text);
        assert!(keep(1, "0123456789").is_ok());
        assert_eq!(keep(1, "0123456789+").unwrap_err(), Full::Text);
        let first = keep(1, "0123456789").unwrap();
        assert!(keep(1, "9876543210").is_ok());
        assert_eq!(keep(1, "x").unwrap_err(), Full::Task);
        // What is there already needs no room.
        assert_eq!(keep(1, "0123456789").unwrap(), first);
        let second = keep(2, "0123456789").unwrap();
        // Of all together three have room; the task that was used longest ago loses its texts.
        assert!(handles.text(&key, task(1), &first).is_ok());
        let third = keep(3, "0123456789").unwrap();
        assert_eq!(handles.text(&key, task(2), &second).unwrap_err(), Lost::Gone);
        assert!(handles.text(&key, task(1), &first).is_ok() && handles.text(&key, task(3), &third).is_ok());
        assert_eq!(handles.table().bytes, 3 * (10 + OVERHEAD_BYTES));
    }
}
