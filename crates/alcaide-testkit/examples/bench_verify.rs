//! How many ES256 tokens does one core verify in a second? A physical limit of whatever checks a token per call.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use alcaide_seal::jws::{self, KeySet, Signer};
use alcaide_seal::random::SystemEntropy;
use serde_json::json;

/// How long is verified.
const TIME: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match rate() {
        Ok(rate) => {
            let _ = writeln!(io::stdout(), "{}", json!({ "verifies_per_s": rate }));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rate() -> Result<f64, Box<dyn std::error::Error>> {
    let signer = Signer::generate(&SystemEntropy::new())?;
    let claims =
        json!({ "iss": "http://127.0.0.1:7101", "sub": "a", "aud": "gate", "iat": 1, "exp": 2, "jti": "t" });
    let token = signer.sign("at+jwt", &claims)?;
    let mut keys = KeySet::new();
    keys.insert(signer.public().clone())?;
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < TIME {
        jws::verify(&token, "at+jwt", &keys)?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}
