//! How fast is it? Seals and reads so many MiB in memory, in order and in places, and tells processor time:
//! `cargo run --release -p alcaide-sealed --example sealed -- 1024`.

use std::error::Error;

use alcaide_container::Input;
use alcaide_seal::SystemEntropy;
use alcaide_seal::hpke::{Kem, SecretKey};
use alcaide_sealed::{Header, Identity, Options, Recipient, SegmentBytes, Writer};

fn main() -> Result<(), Box<dyn Error>> {
    let mib: usize = std::env::args().nth(1).map_or(Ok(256), |text| text.parse())?;
    let entropy = SystemEntropy::new();
    let secret = SecretKey::generate(Kem::Hybrid, &entropy)?;
    let piece = vec![0x5a; 1 << 20];
    for kib in [64, 256, 1024, 4096] {
        let segment = SegmentBytes::new(kib * 1024).ok_or("no such segment")?;
        let options = Options { segment, ..Options::default() };
        let room = mib.saturating_mul(1 << 20).saturating_add(mib.saturating_mul(1 << 10));
        // Touched once, so that the system's own work on fresh pages is not counted.
        let mut file = vec![1; room];
        file.clear();
        let begun = processor_ns()?;
        let mut writer = Writer::new(file, options, &[Recipient::Key(secret.public())], &entropy)?;
        for _ in 0..mib {
            writer.push(&piece)?;
        }
        let (file, _) = writer.finish()?;
        let sealed = processor_ns()?;
        let unlocked = Header::read(&file)?.unlock(&Identity::Key(&secret))?;
        let plain = unlocked.open(&file)?;
        let mut into = vec![0; 1 << 20];
        let mut at = 0;
        while at < plain.len() {
            at = at.saturating_add(plain.read_at(at, &mut into)? as u64);
        }
        let read = processor_ns()?;
        let before = plain.segments_opened();
        let mut places = 0_u64;
        for number in 0..1000_u64 {
            let at = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % plain.len().saturating_sub(1 << 16).max(1);
            places =
                places.saturating_add(plain.read_at(at, into.get_mut(..1 << 16).unwrap_or_default())? as u64);
        }
        let ranges = processor_ns()?;
        let rate = |ns: u64| mib as f64 * 1.048_576e6 / 1e9 / (ns.max(1) as f64 / 1e9);
        println!(
            "segment {kib:>4} KiB: seal {:.2} GB/CPU-s, read {:.2} GB/CPU-s, 64 KiB anywhere {:.0} µs CPU, {:.2} segments each ({} bytes in all)",
            rate(sealed.saturating_sub(begun)),
            rate(read.saturating_sub(sealed)),
            ranges.saturating_sub(read) as f64 / 1e6,
            plain.segments_opened().saturating_sub(before) as f64 / 1e3,
            places,
        );
    }
    Ok(())
}

/// Processor time of this thread so far, by the scheduler's account.
fn processor_ns() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().ok_or("no account")?.parse()?)
}
