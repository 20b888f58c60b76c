//! The crew: as many readers as there are processors, each looking at one file at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alcaide_artifact::{Report, Verdict};
use alcaide_sandbox::{Door, Report as Walls, channel};
use alcaide_seal::digest::Sha256Digest;

use super::reader::{Answer, DOOR, Order};
use super::tree::{Found, Opened};

/// What became of one file.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) bytes: Option<u64>,
    /// As the process says that parsed the file: for reports, and never for a signature.
    pub(crate) sha256: Option<Sha256Digest>,
    /// What a reader says of it.
    pub(crate) report: Option<Report>,
    /// Why nothing, or nothing certain, can be said of it.
    pub(crate) why_not: Option<String>,
}

impl Looked {
    fn not(why: impl Into<String>) -> Self {
        Self { bytes: None, sha256: None, report: None, why_not: Some(why.into()) }
    }

    /// Whether something could not be looked into, whatever else was found.
    pub(crate) fn is_doubtful(&self) -> bool {
        let in_doubt = |report: &Report| {
            !report.doubts.is_empty() || report.parts.iter().any(|part| part.coverage.opaque > 0)
        };
        self.why_not.is_some() || self.report.as_ref().is_none_or(in_doubt)
    }

    /// What it comes to: a file that could not be looked at is never clean.
    pub(crate) fn verdict(&self) -> Verdict {
        match (&self.report, &self.why_not) {
            (Some(report), None) => report.verdict,
            (Some(report), Some(_)) => report.verdict.max(Verdict::Inconclusive),
            (None, _) => Verdict::Inconclusive,
        }
    }
}

/// How a crew works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// Readers at a time.
    pub(crate) readers: usize,
    /// Whether digests are wanted.
    pub(crate) digests: bool,
    /// Longest time that a small file may take; larger ones have more.
    pub(crate) patience: Duration,
}

impl Way {
    /// How long a file may take that takes up so many bytes: holes cost nothing to read, and nobody is waited for all day.
    fn patience_for(self, taken: u64) -> Duration {
        let megabytes = u32::try_from(taken >> 20).unwrap_or(u32::MAX);
        self.patience.saturating_add(PATIENCE_PER_MEGABYTE.saturating_mul(megabytes)).min(PATIENCE_MAX)
    }
}

/// A megabyte takes a hundredth of a second even on a slow disk.
const PATIENCE_PER_MEGABYTE: Duration = Duration::from_millis(10);
/// Longest time that any file may take: a terabyte at the speed above takes three hours, and is looked at in parts.
const PATIENCE_MAX: Duration = Duration::from_secs(60 * 60);

/// Looks at all files; `told` is called with the number of each as it is done, in no order.
///
/// # Errors
/// When a reader cannot be started at all: nothing can be said of any file then.
pub(crate) fn look(files: &[Found], way: Way, told: &(dyn Fn(usize) + Sync)) -> io::Result<Vec<Looked>> {
    let next = AtomicUsize::new(0);
    let begun = AtomicBool::new(false);
    let done: Mutex<BTreeMap<usize, Looked>> = Mutex::default();
    let work = || -> io::Result<()> {
        let mut reader = None;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(at) else { return Ok(()) };
            let looked = match one(file, way, &mut reader, &begun) {
                // Where readers stood before, one that does not is the trouble of one file.
                Err(error) if begun.load(Ordering::Relaxed) => {
                    Looked::not(format!("no reader could be started for it: {error}"))
                }
                other => other?,
            };
            // A panic while the lock was held can only have left a whole map.
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(at, looked);
            told(at);
        }
    };
    let readers = way.readers.min(files.len()).max(1);
    if readers == 1 {
        work()?;
    } else {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..readers).map(|_| scope.spawn(work)).collect();
            all.into_iter().try_for_each(|one| {
                one.join().unwrap_or_else(|_| Err(io::Error::other("a thread of the crew ended")))
            })
        })?;
    }
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(done.into_values().collect())
}

fn one(file: &Found, way: Way, reader: &mut Option<Reader>, begun: &AtomicBool) -> io::Result<Looked> {
    if let Some(why) = file.unreadable {
        return Ok(Looked::not(why));
    }
    let opened = match Opened::open(&file.path) {
        Ok(opened) => opened,
        Err(error) => return Ok(Looked::not(error.to_string())),
    };
    let at_hand = match reader.take() {
        Some(at_hand) => at_hand,
        None => Reader::start()?,
    };
    begun.store(true, Ordering::Relaxed);
    let order = Order { name: file.name.clone(), bytes: opened.bytes, digest: way.digests };
    let mut looked = match at_hand.ask(&order, &opened.file, way.patience_for(opened.taken)) {
        Ok((Answer { sha256, unreadable, report }, at_hand)) => {
            let looked =
                Looked { bytes: Some(opened.bytes), sha256, report: Some(report), why_not: unreadable };
            // A file that was odd may have had its reader do as it likes: the next file has another one.
            if looked.verdict() == Verdict::Clean && !looked.is_doubtful() {
                *reader = Some(at_hand);
            }
            looked
        }
        Err(why) => Looked { bytes: Some(opened.bytes), ..Looked::not(why) },
    };
    match opened.is_unchanged() {
        Ok(true) => {}
        Ok(false) => looked = Looked::not("it was changed while it was read"),
        Err(error) => looked = Looked::not(error.to_string()),
    }
    Ok(looked)
}

/// A reader that waits for an order. Dropping it ends it.
#[derive(Debug)]
struct Reader {
    child: Child,
    socket: UnixStream,
}

impl Reader {
    /// Starts a reader, and hears that its walls stand.
    fn start() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new("/proc/self/exe")
            .arg(DOOR)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let reader = Self { child, socket: ours };
        reader.socket.set_read_timeout(Some(START_MAX))?;
        let Some((walls, _)) = channel::receive(&reader.socket)? else {
            return Err(io::Error::other("the reader ended before it began"));
        };
        let walls: Walls = serde_json::from_slice(&walls)?;
        // Files of strangers are read behind these, or not at all.
        match NEEDED.iter().find(|door| !walls.closed(**door)) {
            None => Ok(reader),
            Some(door) => {
                let why = walls.of(*door).map_or("it is not known to be closed", |item| item.why.as_str());
                Err(io::Error::other(format!("{}: {why}", door.text())))
            }
        }
    }

    /// Has one file looked at, and gives the reader back; one that fails is gone.
    fn ask(self, order: &Order, file: &File, patience: Duration) -> Result<(Answer, Self), String> {
        let words = |error: &dyn std::fmt::Display| format!("its reader could not be asked: {error}");
        let bytes = serde_json::to_vec(order).map_err(|error| words(&error))?;
        let begin = Instant::now();
        self.socket.set_write_timeout(Some(patience)).map_err(|error| words(&error))?;
        channel::send(&self.socket, &bytes, Some(file.as_fd())).map_err(|error| words(&error))?;
        // One time for the whole answer, however many reads it takes.
        let mut go_on = || match patience.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
            Some(left) => self.socket.set_read_timeout(Some(left)),
            None => Err(io::ErrorKind::TimedOut.into()),
        };
        match channel::receive_while(&self.socket, &mut go_on) {
            Ok(Some((answer, _))) => match serde_json::from_slice(&answer) {
                Ok(answer) => Ok((answer, self)),
                Err(error) => Err(format!("its reader's answer is not understood: {error}")),
            },
            Ok(None) => Err("its reader ended without an answer".to_owned()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(format!("its reader had no answer after {} s", patience.as_secs()))
            }
            Err(error) => Err(format!("its reader ended: {error}")),
        }
    }
}

/// What must be closed to a reader; the rest depends on these.
const NEEDED: [Door; 6] =
    [Door::KernelCalls, Door::OtherFiles, Door::Tcp, Door::Resources, Door::Descriptors, Door::Privileges];

/// How long a reader may take to begin, on a machine that is busy.
const START_MAX: Duration = Duration::from_secs(30);

impl Drop for Reader {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is waited for, so that no dead process is left.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_what_is_there_to_read_and_ends() {
        let way = Way { readers: 1, digests: true, patience: Duration::from_secs(60) };
        assert_eq!(way.patience_for(0), Duration::from_secs(60));
        assert_eq!(way.patience_for(1 << 30), Duration::from_millis(60_000 + 10_240));
        assert_eq!(way.patience_for(u64::MAX), PATIENCE_MAX);
    }

    /// A reader that is not this program: it says what it is told to.
    fn pretender(script: &str) -> Reader {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .unwrap();
        Reader { child, socket: ours }
    }

    #[test]
    fn an_answer_that_trickles_in_does_not_renew_its_time() {
        // Heads of endless frames: every read has a byte at once.
        let reader = pretender("printf '\\377\\377\\377\\000\\000'; while printf x; do sleep 0.01; done");
        let order = Order { name: "model".to_owned(), bytes: 0, digest: false };
        let file = tempfile::tempfile().unwrap();
        let why = reader.ask(&order, &file, Duration::from_millis(300)).unwrap_err();
        assert_eq!(why, "its reader had no answer after 0 s");
    }
}
