//! Prints the verdict on files, and ends like the command does: 0 clean, 1 unsafe, 3 inconclusive.
//!
//! With `--explain` before the names, what the pickles in them do.

use std::process::ExitCode;

use alcaide_artifact::{Verdict, decompile, scan};
use alcaide_container::{Fuel, Limits};

fn main() -> ExitCode {
    let mut worst = Verdict::Clean;
    let mut explain = false;
    for name in std::env::args().skip(1) {
        if name == "--explain" {
            explain = true;
            continue;
        }
        let bytes = match std::fs::read(&name) {
            Ok(bytes) => bytes,
            Err(why) => {
                eprintln!("error: {name}: {why}");
                return ExitCode::from(2);
            }
        };
        let fuel = Fuel::new(Limits::for_file(bytes.len() as u64));
        let report = scan(&name, &bytes, &fuel);
        println!("{} {name}", report.verdict.as_str());
        for one in &report.findings {
            println!("  {} {} @{}: {}", one.rating, one.rule, one.place.offset.unwrap_or(0), one.evidence);
        }
        for one in &report.doubts {
            println!("  doubt {} @{}: {}", one.rule, one.place.offset.unwrap_or(0), one.evidence);
        }
        if explain {
            for line in decompile(&bytes, &fuel) {
                println!("  {:>8}  {}", line.offset, line.expression);
            }
        }
        worst = worst.max(report.verdict);
    }
    match worst {
        Verdict::Clean => ExitCode::SUCCESS,
        Verdict::Unsafe => ExitCode::from(1),
        Verdict::Inconclusive => ExitCode::from(3),
    }
}
