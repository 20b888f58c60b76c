//! Room in memory for the bodies of all calls together.
//!
//! A bound on one body says nothing of a thousand of them. What a body has in memory beyond a small part takes room
//! while it comes, and gives it back when the last who reads it lets go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::body::BodyError;

/// Bytes of a body that take no room: with the most connections of a listener they come to as much as the buffers do.
pub const FREE_BYTES: usize = 64 * 1_024;
/// Room is taken in pieces of so many bytes.
const PIECE: usize = 1_024;

/// Room for bodies; clones share it.
#[derive(Clone, Debug)]
pub struct Room(Arc<Semaphore>);

impl Room {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / PIECE).min(Semaphore::MAX_PERMITS))))
    }

    /// Bytes that are free now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.available_permits().saturating_mul(PIECE)
    }
}

/// Room that one body has taken.
pub(crate) struct Taken<'r> {
    room: &'r Room,
    pieces: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl<'r> Taken<'r> {
    pub(crate) const fn none(room: &'r Room) -> Self {
        Self { room, pieces: 0, permit: None }
    }

    /// Takes room for a body that has come to so many bytes; waits for it, no longer than `wait`.
    ///
    /// # Errors
    /// [`BodyError::NoRoom`].
    pub(crate) async fn grow(&mut self, bytes: usize, wait: Duration) -> Result<(), BodyError> {
        let needed = if bytes > FREE_BYTES { bytes.div_ceil(PIECE) } else { 0 };
        let more = needed.saturating_sub(self.pieces);
        if more == 0 {
            return Ok(());
        }
        let count = u32::try_from(more).map_err(|_| BodyError::NoRoom)?;
        let taken = match Arc::clone(&self.room.0).try_acquire_many_owned(count) {
            Ok(taken) => taken,
            Err(_) => tokio::time::timeout(wait, Arc::clone(&self.room.0).acquire_many_owned(count))
                .await
                .map_err(|_| BodyError::NoRoom)?
                .map_err(|_| BodyError::NoRoom)?,
        };
        self.pieces = needed;
        match &mut self.permit {
            Some(held) => held.merge(taken),
            none => *none = Some(taken),
        }
        Ok(())
    }

    /// The body, with its room.
    pub(crate) fn keep(self, bytes: Bytes) -> Bytes {
        match self.permit {
            None => bytes,
            Some(permit) => Bytes::from_owner(Kept { bytes, _permit: permit }),
        }
    }
}

struct Kept {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{Body, collect_within};

    const LIMIT: usize = 1 << 20;
    const WAIT: Duration = Duration::from_secs(30);

    fn body(bytes: usize) -> Body {
        Body::Full(vec![b'x'; bytes].into())
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_share_their_room_and_one_past_it_waits_and_is_refused() {
        let room = Room::new(2 * LIMIT);
        let first = collect_within(body(LIMIT), LIMIT, WAIT, &room).await.unwrap();
        let second = collect_within(body(LIMIT), LIMIT, WAIT, &room).await.unwrap();
        assert_eq!((first.len(), room.free()), (LIMIT, 0));
        let begun = tokio::time::Instant::now();
        let refused = collect_within(body(FREE_BYTES + 1), LIMIT, WAIT, &room).await;
        assert_eq!((refused, begun.elapsed()), (Err(BodyError::NoRoom), WAIT));
        // Small ones take none.
        assert_eq!(collect_within(body(FREE_BYTES), LIMIT, WAIT, &room).await.unwrap().len(), FREE_BYTES);
        // A part of it holds all of its room; the last who lets go gives it back.
        let part = second.slice(..1);
        drop(second);
        assert_eq!(room.free(), 0);
        let (third, ()) = tokio::join!(collect_within(body(LIMIT), LIMIT, WAIT, &room), async { drop(part) });
        assert_eq!(third.unwrap().len(), LIMIT);
        drop(first);
        assert_eq!(room.free(), 2 * LIMIT);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_gives_its_room_back() {
        let room = Room::new(2 * LIMIT);
        let refused = collect_within(body(LIMIT + 1), LIMIT, WAIT, &room).await;
        assert_eq!(refused, Err(BodyError::TooLarge { limit: LIMIT }));
        assert_eq!(room.free(), 2 * LIMIT);
    }
}
