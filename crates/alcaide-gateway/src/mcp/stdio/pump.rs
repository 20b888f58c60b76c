//! The task that attends one child: reads, writes, and sees to its end.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use alcaide_sandbox::{Sandboxed, Signal};
use bytes::{Bytes, BytesMut};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::bounds::{GRACE, LINE_BYTES_MAX};
use super::error::End;
use super::shared::Shared;
use crate::worked::worked_here;

/// Room for one reading of a pipe, which holds as much.
const READ_BYTES: usize = 64 << 10;
/// How long a process that closed its pipes has to tell its status.
const STATUS_WAIT: Duration = Duration::from_millis(500);
/// How long a killed process may take to be gone.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// A child's process with its pipes.
pub(super) struct Process {
    pub(super) child: Sandboxed,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
    /// Goes with the process.
    pub(super) home: Option<TempDir>,
}

/// Attends a child until its process is gone.
pub(super) async fn attend(process: Process, mut lines: mpsc::Receiver<Bytes>, shared: Arc<Shared>) {
    let Process { mut child, mut stdin, stdout, stderr, home } = process;
    let attended = Attended(Arc::clone(&shared));
    let mut over = shared.over.subscribe();
    let errors = tokio::spawn(complain(stderr, Arc::clone(&shared)));
    {
        let reading = read(stdout, &shared);
        tokio::pin!(reading);
        let fallen = tokio::select! {
            how = &mut reading => Some(how),
            how = write(&mut stdin, &mut lines, shared.bounds.write) => Some(how),
            ended = child.wait() => {
                // What it said before its end still counts; nobody holds the pipe any more.
                let _ = timeout(GRACE, &mut reading).await;
                Some(exited(&ended))
            }
            () = told_to_end(&mut over) => None,
            () = idle(&shared) => None,
        };
        if let Some(how) = fallen {
            let how = match how {
                // A closed pipe is most often a dead process; its status says more.
                End::Closed => {
                    timeout(STATUS_WAIT, child.wait()).await.map_or(End::Closed, |ended| exited(&ended))
                }
                other => other,
            };
            shared.end(&how);
        }
    }
    let how = shared.desk.lock().over().cloned().unwrap_or(End::Closed);
    drop(stdin);
    if how.is_polite() {
        let _ = timeout(GRACE, child.wait()).await;
    }
    // Nothing to do where it is gone already.
    let _ = child.signal(Signal::KILL);
    let _ = timeout(KILL_WAIT, child.wait()).await;
    drop(child);
    drop(home);
    // What it had to say about its own end; nobody holds the pipe any more.
    let stop = errors.abort_handle();
    let _ = timeout(STATUS_WAIT, errors).await;
    stop.abort();
    tell(&shared, &how);
    drop(attended);
}

/// However the attending ends, a panic included, nobody waits for the child any more.
struct Attended(Arc<Shared>);

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.end(&End::Closed);
        self.0.gone.send_replace(true);
    }
}

/// Reads lines until the output closes, or one is too much.
async fn read(mut output: impl AsyncRead + Unpin, shared: &Shared) -> End {
    let too_long = || End::Broken { why: format!("a line of more than {LINE_BYTES_MAX} bytes") };
    let mut buffer = BytesMut::new();
    let mut searched = 0_usize;
    loop {
        while let Some(at) = buffer.get(searched..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let len = searched.saturating_add(at);
            if len > LINE_BYTES_MAX {
                return too_long();
            }
            let line = buffer.split_to(len.saturating_add(1)).freeze();
            searched = 0;
            let text = line.trim_ascii();
            if !text.is_empty()
                && let Err(how) = worked_here(text.len(), || shared.hear(&line.slice_ref(text))).await
            {
                return how;
            }
        }
        searched = buffer.len();
        if searched > LINE_BYTES_MAX {
            return too_long();
        }
        buffer.reserve(READ_BYTES);
        match output.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return End::Closed,
            Ok(_) => {}
        }
    }
}

/// Writes lines until the input closes, or is not read.
async fn write(input: &mut ChildStdin, lines: &mut mpsc::Receiver<Bytes>, patience: Duration) -> End {
    while let Some(line) = lines.recv().await {
        match timeout(patience, input.write_all(&line)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Closed,
            Err(_) => return End::Stuck,
        }
    }
    End::Closed
}

/// Hears the standard errors, so that the child does not block on them.
async fn complain(mut errors: ChildStderr, shared: Arc<Shared>) {
    let mut buffer = vec![0; 4 << 10];
    while let Ok(read @ 1..) = errors.read(&mut buffer).await {
        shared.complain(buffer.get(..read).unwrap_or_default());
    }
}

async fn told_to_end(over: &mut watch::Receiver<Option<End>>) {
    // Both ends of the channel are ours: it does not close.
    let _ = over.wait_for(Option::is_some).await;
}

/// Ends once nobody has used the child for long enough.
async fn idle(shared: &Shared) {
    loop {
        let next = shared.end_if_idle();
        if shared.over.borrow().is_some() {
            return;
        }
        tokio::time::sleep_until(next).await;
    }
}

fn exited(ended: &std::io::Result<ExitStatus>) -> End {
    let status = match ended {
        Ok(status) => status.to_string(),
        Err(error) => error.kind().to_string(),
    };
    End::Exited { status }
}

fn tell(shared: &Shared, how: &End) {
    use std::sync::atomic::Ordering::Relaxed;
    let tally = &shared.tally;
    let (server, actor) = (shared.server.as_str(), shared.actor);
    let (answered, junk) = (tally.answered.load(Relaxed), tally.junk.load(Relaxed));
    let errors_bytes = tally.errors.load(Relaxed);
    if how.is_fall() {
        warn!(upstream = server, %actor, %how, answered, junk, errors_bytes, "a tool server fell");
    } else {
        info!(upstream = server, %actor, %how, answered, junk, errors_bytes, "a tool server ended");
    }
    let kept: Vec<u8> = shared.errors.lock().iter().copied().collect();
    if !kept.is_empty() {
        // A stranger's words, which may repeat what it was sent: for whoever asks for this level, and escaped.
        debug!(upstream = server, %actor, said = ?String::from_utf8_lossy(&kept), "its standard errors");
    }
}
