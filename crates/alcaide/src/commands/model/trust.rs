//! Whom a verifier trusts, and whom no longer.

use std::path::{Path, PathBuf};

use alcaide_artifact::signing::Trust;
use alcaide_inventory::Moment;
use alcaide_seal::Sha256Digest;
use alcaide_seal::ecdsa::{EcPublicKey, KeyHint};
use alcaide_seal::x509::{Revocation, Roots, Serial, Unlisted};
use clap::Args;

use super::key::{certificates, read, wrong};
use crate::fail::Failure;
use crate::model::refused::said;

/// Whom a verifier trusts.
#[derive(Args, Debug)]
pub(crate) struct Trusted {
    /// A public key that may sign, as a PEM file; may be given several times
    #[arg(long, value_name = "FILE", required_unless_present = "roots")]
    key: Vec<PathBuf>,
    /// Certificates of authorities, or of signers themselves, that are trusted, as PEM files
    #[arg(long, value_name = "FILE")]
    roots: Vec<PathBuf>,
    /// Keys and certificates that are trusted no more: lines `key HINT` and `serial DIGITS`, `#` begins a comment
    #[arg(long, value_name = "FILE")]
    revoked: Vec<PathBuf>,
    /// Revocation lists of authorities, as PEM or DER; once there is one, every certificate needs one that speaks for it
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// Let certificates pass that no revocation list speaks for
    #[arg(long, requires = "crl")]
    allow_unlisted: bool,
    /// The time at which certificates have to be valid: one that something you trust proves [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
}

impl Trusted {
    /// Reads all of it.
    ///
    /// # Errors
    /// If a file cannot be read or is not of its kind.
    pub(crate) fn trust(&self, now: Moment) -> Result<Trust, Failure> {
        let mut keys = Vec::new();
        for file in &self.key {
            let key = EcPublicKey::from_pem(&read(file)?)
                .map_err(|error| wrong(file, &error).fix("give the public key as PEM text"))?;
            keys.push(key);
        }
        let roots = match self.roots.first() {
            Some(first) => {
                Some(Roots::new(certificates(&self.roots)?).map_err(|error| wrong(first, said(&error)))?)
            }
            None => None,
        };
        let mut revocation = Revocation::default();
        if self.allow_unlisted {
            revocation.unlisted = Unlisted::Allow;
        }
        for file in &self.crl {
            revocation.add_crls(&read(file)?).map_err(|error| wrong(file, said(&error)))?;
        }
        for file in &self.revoked {
            let text = String::from_utf8(read(file)?).map_err(|_| wrong(file, "it is no text"))?;
            revoke(&text, &mut revocation).map_err(|line| unclear(file, line))?;
        }
        Ok(Trust { keys, roots, revocation, at: self.at.unwrap_or(now).secs(), ..Trust::default() })
    }
}

/// Reads lines of what is revoked.
///
/// # Errors
/// The number of the first line that is not understood: a list that is read in part revokes in part.
fn revoke(text: &str, revocation: &mut Revocation) -> Result<(), usize> {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split_once('#').map_or(line, |(line, _)| line).trim();
        if line.is_empty() {
            continue;
        }
        match line.split_once(char::is_whitespace).map(|(kind, value)| (kind, value.trim())) {
            Some(("key", hint)) => {
                let digest: Sha256Digest = hint.parse().map_err(|_| number)?;
                revocation.keys.insert(KeyHint(digest));
            }
            Some(("serial", digits)) => {
                revocation.serials.insert(Serial::from_hex(digits).ok_or(number)?);
            }
            _ => return Err(number),
        }
    }
    Ok(())
}

fn unclear(file: &Path, line: usize) -> Failure {
    wrong(file, format!("line {line} is not understood"))
        .fix("write `key` and the 64 digits that signatures name it by, or `serial` and the digits of a certificate's number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_revoke_and_an_unclear_one_is_an_error() {
        let hint = "ab".repeat(32);
        let mut revocation = Revocation::default();
        revoke(&format!("# gone\n\nkey {hint} # lost\n  serial\t0A:ff\n"), &mut revocation).unwrap();
        assert_eq!(revocation.keys.len(), 1);
        assert_eq!(revocation.keys.first().unwrap().to_string(), hint);
        assert_eq!(revocation.serials.first(), Serial::from_hex("aff").as_ref());
        for wrong in
            ["key", "key abc", &format!("keys {hint}"), "serial xyz", "serial", &format!("Key {hint}")]
        {
            assert_eq!(revoke(&format!("\n{wrong}\n"), &mut Revocation::default()), Err(2), "{wrong}");
        }
    }
}
