//! Work on long bodies — parsing, searching, hashing — on threads of its own, so that the tasks of other calls go on
//! meanwhile. What is short is done at once: handing it over would take longer.

use std::sync::LazyLock;

use tokio::sync::Semaphore;

/// Bytes up to which a body is worked on at once: about a millisecond.
pub(crate) const AT_ONCE_BYTES: usize = 256 << 10;

/// As many at one time as there are processors; others wait for their turn.
static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));

/// Does `work` on so many bytes.
///
/// # Panics
/// If `work` does.
///
/// # Cancel safety
/// Dropped while it waits for its turn, nothing is done; after that the work goes on, and what it gives is dropped.
pub(crate) async fn worked<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= AT_ONCE_BYTES {
        return work();
    }
    // It is never closed.
    let place = PLACES.acquire().await.ok();
    match tokio::task::spawn_blocking(move || (work(), place)).await {
        Ok((done, _)) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_work_is_done_elsewhere_and_short_work_here() {
        let here = std::thread::current().id();
        let there = |bytes| worked(bytes, || std::thread::current().id());
        assert_eq!(there(AT_ONCE_BYTES).await, here);
        assert_ne!(there(AT_ONCE_BYTES + 1).await, here);
    }

    #[tokio::test]
    async fn only_so_much_is_done_at_one_time() {
        let all = PLACES.acquire_many(u32::try_from(PLACES.available_permits()).unwrap()).await.unwrap();
        let waits = worked(AT_ONCE_BYTES + 1, || ());
        tokio::pin!(waits);
        tokio::select! {
            biased;
            () = &mut waits => panic!("it did not wait for its turn"),
            () = tokio::task::yield_now() => {}
        }
        drop(all);
        waits.await;
    }
}
