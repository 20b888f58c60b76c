//! `alcaide model keygen`.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use alcaide_seal::SystemEntropy;
use alcaide_seal::ecdsa::{Curve, EcSigner as _, PrivateKey};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::{Desk, Exit};
use crate::fail::{Failure, INTERNAL};

/// `alcaide model keygen`.
#[derive(Args, Debug)]
pub(crate) struct Keygen {
    /// Where the private key goes; nothing is ever written over
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The curve
    #[arg(long, value_enum, value_name = "CURVE", default_value_t = On::P256)]
    curve: On,
    /// Write the public key to a file as well
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
}

/// Curves that model signing knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum On {
    P256,
    P384,
    P521,
}

#[derive(Serialize)]
struct Made<'a> {
    file: &'a Path,
    curve: &'static str,
    /// How signatures name the key.
    key: String,
    public_key: String,
}

impl Keygen {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let curve = match self.curve {
            On::P256 => Curve::P256,
            On::P384 => Curve::P384,
            On::P521 => Curve::P521,
        };
        let failed = |why: &dyn std::fmt::Display| Failure::new(&INTERNAL, "no key was made").why(why);
        let key = PrivateKey::generate(curve, &SystemEntropy::new()).map_err(|error| failed(&error))?;
        let text = key.to_pem().map_err(|error| failed(&error))?;
        let public_key = key.public_key().to_pem();
        write(&self.file, text.expose(), 0o600)?;
        if let Some(public) = &self.public {
            write(public, &public_key, 0o644)?;
        }
        let made = Made {
            file: &self.file,
            curve: curve.name(),
            key: key.public_key().hint().to_string(),
            public_key,
        };
        desk.out.show(&made, || made.public_key.clone())?;
        if !desk.out.is_json() {
            crate::show::note(&format!(
                "the private key is in `{}`; above is the public one, which signatures name\n{}",
                made.file.display(),
                made.key
            ));
        }
        Ok(Exit::Clean)
    }
}

/// Writes a new file and brings it to disk.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| Failure::file("create", path, &error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| Failure::file("write", path, &error))
}
