//! The walk over a model that is signed or verified, with its files hashed on several threads.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use alcaide_artifact::signing::{
    Admitted, Aim, DigestCache, Entry, Kind, Links, Measured, Scheme, SigningError, Stamp, Survey,
};
use alcaide_container::Input as _;
use alcaide_inventory::Moment;

use super::beneath::{Model, Place, WalkError};
use super::progress::Progress;
use super::refused::refused;
use crate::fail::Failure;

/// How a survey is done.
pub(crate) struct Way<'a> {
    /// Where the model is.
    pub(crate) model: &'a Path,
    /// What becomes of links.
    pub(crate) links: Links,
    /// Files that are hashed at a time.
    pub(crate) jobs: usize,
    /// The time before the first look.
    pub(crate) now: Moment,
    /// Digests that were made before.
    pub(crate) cache: Option<&'a DigestCache>,
}

/// What was walked.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Bytes of the files that count.
    pub(crate) bytes: u64,
    /// Digests of all files that have a stamp, for the next time.
    pub(crate) digests: DigestCache,
}

/// A file that waits to be hashed.
struct Job {
    admitted: Admitted,
    place: Place,
    stamp: Option<Stamp>,
}

enum Stopped {
    Walk(WalkError),
    Refused(SigningError),
}

impl From<WalkError> for Stopped {
    fn from(error: WalkError) -> Self {
        Self::Walk(error)
    }
}

impl From<SigningError> for Stopped {
    fn from(error: SigningError) -> Self {
        Self::Refused(error)
    }
}

/// Brings all files of a model into `survey`.
///
/// # Errors
/// What the system or the rules say of the first file that cannot be taken.
pub(crate) fn walk<A: Aim>(survey: &mut Survey<'_, A>, way: &Way<'_>) -> Result<Walked, Failure> {
    let stopped = |stopped| match stopped {
        Stopped::Walk(WalkError { path, error }) => Failure::file("read", &way.model.join(path), &error),
        Stopped::Refused(error) => refused(&error, way.model, way.links),
    };
    let model =
        Model::open(way.model, way.links).map_err(|error| Failure::file("read", way.model, &error))?;
    let mut walked = Walked::default();
    let mut jobs = Vec::new();
    let mut waiting = 0_u64;
    let mut tell = |entry: Entry<Place>| -> Result<(), Stopped> {
        let Some(admitted) = survey.admit(&entry)? else { return Ok(()) };
        let (Kind::File(place) | Kind::Linked(place)) = entry.kind else { return Ok(()) };
        walked.bytes = walked.bytes.saturating_add(place.len());
        let known = way.cache.zip(entry.stamp.as_ref());
        match known
            .and_then(|(cache, stamp)| cache.find(survey.scheme(), admitted.path(), place.len(), stamp))
        {
            Some(measured) => {
                if let Some(stamp) = entry.stamp {
                    walked.digests.keep(&measured, stamp);
                }
                survey.record(measured)?;
            }
            None => {
                waiting = waiting.saturating_add(place.len());
                jobs.push(Job { admitted, place, stamp: entry.stamp });
            }
        }
        Ok(())
    };
    model.walk(way.now, &mut tell).map_err(stopped)?;
    // The largest first, so that no thread is left with one of them at the end.
    jobs.sort_by_key(|job| std::cmp::Reverse(job.place.len()));
    let progress = Progress::bytes(waiting);
    let measured = measure(survey.scheme(), &jobs, way.jobs, &progress);
    progress.end();
    for (job, measured) in jobs.iter().zip(measured.map_err(|error| stopped(error.into()))?) {
        if let Some(stamp) = &job.stamp {
            walked.digests.keep(&measured, stamp.clone());
        }
        survey.record(measured).map_err(|error| stopped(error.into()))?;
    }
    Ok(walked)
}

/// Walks a model that `survey` has measured once more: nothing may have come, gone or changed since the first walk.
///
/// # Errors
/// What the system says, or what changed.
pub(crate) fn confirm<A: Aim>(survey: &Survey<'_, A>, way: &Way<'_>) -> Result<(), Failure> {
    let read = |error| Failure::file("read", way.model, &error);
    let model = Model::open(way.model, way.links).map_err(read)?;
    let mut entries = Vec::new();
    let mut tell = |entry: Entry<Place>| -> Result<(), WalkError> {
        entries.push(entry);
        Ok(())
    };
    model
        .walk(way.now, &mut tell)
        .map_err(|WalkError { path, error }| Failure::file("read", &way.model.join(path), &error))?;
    survey.confirm(entries).map_err(|error| refused(&error, way.model, way.links))
}

/// Hashes all, in their order; the first that fails ends the others.
fn measure(
    scheme: Scheme,
    jobs: &[Job],
    threads: usize,
    progress: &Progress,
) -> Result<Vec<Measured>, SigningError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done: Mutex<BTreeMap<usize, Result<Measured, SigningError>>> = Mutex::default();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { break };
            let measured = job.place.measure(scheme, &job.admitted, progress);
            failed.fetch_or(measured.is_err(), Ordering::Relaxed);
            // A panic while the lock was held can only have left a whole map.
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, measured);
        }
    };
    let threads = threads.min(jobs.len());
    if threads <= 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
    }
    // What a thread that ended left undone is missed by the survey.
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}
