//! What the machine itself can do, measured in the same run: syncs of the data directory, signature checks; and what
//! kind of machine it is.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::bench::measure::median;
use crate::step;

/// Bytes written before each sync: about one entry of the ledger.
const WRITE_BYTES: usize = 1_024;
/// Bytes of the file that is written into, in place as the ledger does it.
const FILE_BYTES: u64 = 4 << 20;
/// How long is synced each time.
const TIME: Duration = Duration::from_millis(400);

/// Write and `fdatasync` in a folder, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sync {
    pub(crate) per_s: f64,
    pub(crate) p50_us: f64,
}

/// Measures writes with `fdatasync` below `folder`, in a file whose blocks are there already.
///
/// # Errors
/// When the file cannot be made or written.
pub(crate) fn syncs(folder: &Path) -> Result<Sync> {
    let path = folder.join("sync-probe");
    let file = OpenOptions::new().write(true).create_new(true).open(&path).context("no file for syncs")?;
    let zeros = vec![0_u8; 1 << 20];
    for at in 0..FILE_BYTES >> 20 {
        file.write_all_at(&zeros, at << 20)?;
    }
    file.sync_all()?;
    let entry = [7_u8; WRITE_BYTES];
    let (begun, mut times, mut offset) = (Instant::now(), Vec::new(), 0_u64);
    while begun.elapsed() < TIME {
        let one = Instant::now();
        file.write_all_at(&entry, offset)?;
        file.sync_data()?;
        times.push(one.elapsed().as_secs_f64() * 1e6);
        offset = (offset + WRITE_BYTES as u64) % FILE_BYTES;
    }
    let total = begun.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(Sync { per_s: times.len() as f64 / total, p50_us: median(&times) })
}

/// ES256 tokens that one core verifies in a second, through the product's own code.
///
/// # Errors
/// When the program fails.
pub(crate) fn verifies(program: &Path) -> Result<f64> {
    let said: Value = serde_json::from_str(&step::output(Command::new(program))?)?;
    said.get("verifies_per_s").and_then(Value::as_f64).context("no rate was told")
}

/// The machine, the commit and the day, a line each.
pub(crate) fn machine(root: &Path, data: &Path) -> Vec<String> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    let said = |program: &str, arguments: &[&str]| {
        let mut command = step::command(root, program);
        command.args(arguments);
        step::output(command).map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let dirty = if said("git", &["status", "--porcelain", "--", "crates", "Cargo.lock"]).is_empty() {
        ""
    } else {
        ", with changes that are not committed"
    };
    vec![
        format!(
            "machine: {cores} cores of {}, {} GiB, Linux {}, data directory on {}",
            model.map_or("an unnamed processor", |(_, name)| name.trim()),
            kib.unwrap_or(0) / (1 << 20),
            kernel.trim(),
            said("df", &["--output=fstype", &data.to_string_lossy()])
                .lines()
                .last()
                .unwrap_or("an unknown file system")
        ),
        format!("commit: {}{dirty}", said("git", &["rev-parse", "--short=12", "HEAD"])),
        format!("day: {} (UTC)", said("date", &["-u", "+%F"])),
    ]
}

/// How many processes wanted a core in the last minute: other people's work, besides ours.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}
