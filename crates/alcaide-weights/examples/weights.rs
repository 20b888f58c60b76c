//! How many megabytes of weights go through in a second of CPU? `cargo run --release -p alcaide-weights --example weights`
//!
//! Weights are made from a seed, 64 million in BF16 (128 MiB), in memory; one thread. Prints one line for each thing that
//! is done: MB of the file for each second of CPU, best of three.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use alcaide_weights::align::Sides;
use alcaide_weights::chips::Key;
use alcaide_weights::layout::Layout;
use alcaide_weights::lineage::{Card, compare};
use alcaide_weights::mark::{Choice, Claim, Message, Original, choose, embed, extract};
use alcaide_weights::numbers::Numbers;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = file();
    let key = Key::new([1; 32]);
    let message = Message::new(&[7; 28])?;
    let carriers = choose(&Layout::read(&file)?, &Choice::Rule);
    let names = BTreeMap::new();
    let claim = Claim { carriers: &carriers, message: Some(&message), names: &names, tests: 1 };
    let card = Card::make(&file, &key)?;
    measure("read as numbers", &file, || {
        let layout = Layout::read(&file)?;
        for tensor in layout.tensors() {
            Numbers::open(&file, &layout, tensor)?.each(|_, piece| {
                black_box(piece);
            })?;
        }
        Ok(())
    })?;
    measure("embed", &file, || {
        embed(&file, &key, &message, &Choice::Rule, None, &mut std::io::sink())?;
        Ok(())
    })?;
    measure("extract, blind", &file, || {
        black_box(extract(&file, &key, &claim, None)?);
        Ok(())
    })?;
    measure("extract, informed, in place", &file, || {
        let original = Original { input: &file, sides: Sides::Neither };
        black_box(extract(&file, &key, &claim, Some(original))?);
        Ok(())
    })?;
    measure("extract, informed, rows re-aligned", &file, || {
        let original = Original { input: &file, sides: Sides::Rows };
        black_box(extract(&file, &key, &claim, Some(original))?);
        Ok(())
    })?;
    measure("card of a base", &file, || {
        black_box(Card::make(&file, &key)?);
        Ok(())
    })?;
    measure("compare with a card", &file, || {
        black_box(compare(&card, &key, &file)?);
        Ok(())
    })
}

/// Eight tensors of 4096 by 2048 in BF16, out of a seed.
fn file() -> Vec<u8> {
    let (tensors, rows, columns) = (8_usize, 4096_usize, 2048_usize);
    let each = rows * columns * 2;
    let entries: Vec<String> = (0..tensors)
        .map(|at| {
            let (start, end) = (at * each, (at + 1) * each);
            format!(
                r#""l.{at}.w":{{"dtype":"BF16","shape":[{rows},{columns}],"data_offsets":[{start},{end}]}}"#
            )
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    let mut state = 1_u64;
    for _ in 0..tensors * rows * columns {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // The sum of four bytes is near enough to Gaussian.
        let sum: i32 = state.to_le_bytes().iter().skip(4).map(|byte| i32::from(*byte)).sum();
        #[expect(clippy::cast_precision_loss, reason = "at most 1,020")]
        let value = (sum - 510) as f32 * 1e-4;
        file.extend_from_slice(
            &value.to_bits().to_be_bytes()[..2].iter().rev().copied().collect::<Vec<u8>>(),
        );
    }
    file
}

fn measure(
    name: &str,
    file: &[u8],
    mut act: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let begun = (Instant::now(), cpu_seconds());
        act()?;
        // Where the system does not say what was used, the clock has to do.
        let spent = match (begun.1, cpu_seconds()) {
            (Some(before), Some(after)) => after - before,
            _ => begun.0.elapsed().as_secs_f64(),
        };
        best = best.min(spent);
    }
    #[expect(clippy::cast_precision_loss, reason = "a size in megabytes")]
    let megabytes = file.len() as f64 / 1e6;
    println!("{name}: {:.0} MB per CPU-second", megabytes / best.max(1e-9));
    Ok(())
}

/// What this thread's process has used, in steps of a nanosecond.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}
