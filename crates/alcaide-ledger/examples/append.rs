//! Measures durable appends beside bare `fdatasync`.
//!
//! `cargo run --release -p alcaide-ledger --example append -- [folder] [seconds per figure]`

use std::error::Error;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alcaide_ledger::{Ledger, NoteError, Options, SignNote};

const ORIGIN: &str = "bench.example/ledger";

/// Signs nothing: the signature costs a fraction of a millisecond each second.
struct Unsigned;

impl SignNote for Unsigned {
    fn sign_note(&self, text: &str) -> Result<String, NoteError> {
        Ok(text.to_owned())
    }

    fn open_own_note(&self, note: &str) -> Result<String, NoteError> {
        Ok(note.to_owned())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let base = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let time = Duration::from_secs(seconds);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for writers in [1_u32, 16, 64] {
        let dir = tempfile::tempdir_in(&base)?;
        let bare = bare(&dir.path().join("bare"), time / 3)?;
        let took = runtime.block_on(appends(&dir.path().join("ledger"), writers, time))?;
        let rate = |took: &[Duration], time: Duration| took.len() as f64 / time.as_secs_f64();
        println!(
            "{writers:>3} writers: {:>7.0} records/s, p50 {:>6} us, p99 {:>6} us \
             | bare fdatasync {:>6.0}/s, p50 {:>5} us, p99 {:>6} us",
            rate(&took, time),
            at(&took, 50),
            at(&took, 99),
            rate(&bare, time / 3),
            at(&bare, 50),
            at(&bare, 99),
        );
    }
    let dir = tempfile::tempdir_in(&base)?;
    runtime.block_on(opening(&dir.path().join("ledger")))
}

/// Opens 100,000 entries after a stop that has lost the mark, so that all of them are hashed again.
async fn opening(dir: &Path) -> Result<(), Box<dyn Error>> {
    let ledger = Ledger::create(dir, &Options::default(), Unsigned, ORIGIN)?;
    for _ in 0..100 {
        let mut last = None;
        for _ in 0..1000 {
            last = Some(ledger.enqueue(vec![b'x'; 700])?);
        }
        if let Some(last) = last {
            let _ = last.await?;
        }
    }
    ledger.close().await?;
    std::fs::remove_file(dir.join("integrated"))?;
    let start = Instant::now();
    let ledger = Ledger::open(dir, &Options::default(), Unsigned, ORIGIN)?;
    println!("opening {} entries, hashing all again: {:?}", ledger.size(), start.elapsed());
    ledger.close().await?;
    let start = Instant::now();
    let ledger = Ledger::open(dir, &Options::default(), Unsigned, ORIGIN)?;
    println!("opening {} entries from the mark: {:?}", ledger.size(), start.elapsed());
    Ok(())
}

async fn appends(dir: &Path, writers: u32, time: Duration) -> Result<Vec<Duration>, Box<dyn Error>> {
    let ledger = Ledger::create(dir, &Options::default(), Unsigned, ORIGIN)?;
    let end = Instant::now() + time;
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                while Instant::now() < end {
                    let start = Instant::now();
                    if ledger.append(vec![b'x'; 700]).await.is_err() {
                        break;
                    }
                    took.push(start.elapsed());
                }
                took
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await?);
    }
    ledger.close().await?;
    all.sort_unstable();
    Ok(all)
}

/// One write of 720 bytes and one sync at a time, into a preallocated file.
fn bare(path: &Path, time: Duration) -> Result<Vec<Duration>, Box<dyn Error>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 64 << 20)?;
    file.sync_all()?;
    let end = Instant::now() + time;
    let mut took = Vec::new();
    let mut offset = 0;
    while Instant::now() < end {
        let start = Instant::now();
        file.write_all_at(&[b'x'; 720], offset)?;
        rustix::fs::fdatasync(&file)?;
        took.push(start.elapsed());
        offset += 720;
    }
    took.sort_unstable();
    Ok(took)
}

fn at(sorted: &[Duration], percent: usize) -> u128 {
    sorted.get(sorted.len() * percent / 100).map_or(0, Duration::as_micros)
}
