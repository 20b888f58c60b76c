//! The connections that only read: a few, lent to one look at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::StoreError;

/// How many looks go on at once: several people and the house itself, so that one dear question holds nobody up.
pub const READERS: usize = 4;
/// How long one look may take, and how long one waits for its turn. What takes longer is a question that should be
/// asked of less; whoever asks is told to come again.
pub const LOOK_MAX: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS: std::ffi::c_int = 1_000;

pub(crate) struct Readers {
    idle: Mutex<Vec<Connection>>,
    back: Condvar,
}

impl Readers {
    pub(crate) fn new(connect: impl Fn() -> Result<Connection, StoreError>) -> Result<Self, StoreError> {
        let idle = (0..READERS).map(|_| connect()).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), back: Condvar::new() })
    }

    /// A connection for one look; waits for one for at most `wait`.
    pub(crate) fn lend(&self, wait: Duration) -> Result<Lent<'_>, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut idle, _) = self
            .back
            .wait_timeout_while(idle, wait, |idle| idle.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let connection = idle.pop().ok_or(StoreError::Crowded)?;
        Ok(Lent { of: self, connection: Some(connection) })
    }
}

/// A connection that is given back when it is dropped, after a panic too: a transaction on it is rolled back by then.
pub(crate) struct Lent<'r> {
    of: &'r Readers,
    connection: Option<Connection>,
}

impl Lent<'_> {
    /// From now on and until it is given back, a statement on it is interrupted once `within` is over.
    pub(crate) fn limited(&mut self, within: Duration) -> Result<(), StoreError> {
        let begun = Instant::now();
        Ok(self.progress_handler(STEPS, Some(move || begun.elapsed() > within))?)
    }
}

impl Deref for Lent<'_> {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "INVARIANT: it is there until it is dropped")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a connection that is lent")
    }
}

impl DerefMut for Lent<'_> {
    #[expect(clippy::expect_used, reason = "INVARIANT: it is there until it is dropped")]
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a connection that is lent")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            // Without a handler nothing can be refused here.
            let _ = connection.progress_handler(0, None::<fn() -> bool>);
            self.of.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            self.of.back.notify_one();
        }
    }
}
