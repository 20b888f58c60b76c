//! Work on long bodies — parsing, searching, hashing — on threads of its own, so that the tasks of other calls go on
//! meanwhile. What is short is done at once: handing it over would take longer.

use std::sync::LazyLock;

use tokio::runtime::RuntimeFlavor;
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

/// The same for work that borrows what is here: another thread takes over the tasks of this one meanwhile.
///
/// # Panics
/// If `work` does.
///
/// # Cancel safety
/// Dropped while it waits for its turn, nothing is done; after that it is done to its end.
pub(crate) async fn worked_here<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes <= AT_ONCE_BYTES {
        return work();
    }
    let _place = PLACES.acquire().await.ok();
    match tokio::runtime::Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        // A runtime of one thread, as tests have it: nobody could take over.
        _ => work(),
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

    /// A runtime with one worker: were the work done on it, the other task would never run.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_while_something_long_is_worked_on_here() {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let told = std::sync::Mutex::new(told);
        let long = tokio::spawn(async move {
            let wait = tokio::spawn(async move { tell.send(()) });
            let wait_max = std::time::Duration::from_secs(20);
            let heard = worked_here(AT_ONCE_BYTES + 1, || told.lock().unwrap().recv_timeout(wait_max));
            (heard.await, wait.await)
        });
        let (heard, sent) = long.await.unwrap();
        assert!(heard.is_ok(), "nobody else ran meanwhile");
        sent.unwrap().unwrap();
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
