//! Keys and certificates as they are named on the command line: files, and keys that tokens keep.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use alcaide_inventory::Moment;
use alcaide_keys::{TokenKey, TokenUri};
use alcaide_seal::ecdsa::{EcPublicKey, EcSigner, PrivateKey};
use alcaide_seal::x509::Certificate;
use alcaide_seal::{SecretBytes, SecretText};
use clap::Args;

use super::leave::read_at_most;
use crate::commands::secret;
use crate::fail::{Failure, MODEL_KEY, MODEL_TOKEN};
use crate::model::refused::said;
use crate::show::note;

/// Files of keys and certificates are not longer than this.
pub(crate) const FILE_BYTES_MAX: u64 = 16 << 20;
const PASSPHRASE: &str = "ALCAIDE_KEY_PASSPHRASE";
const PIN: &str = "ALCAIDE_TOKEN_PIN";

/// Who signs.
#[derive(Args, Debug)]
pub(crate) struct Signing {
    /// The private key: a PEM file on P-256, P-384 or P-521, or the name of a key that a token keeps, such as
    /// `pkcs11:token=release;object=models`
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// Read the passphrase of the key from a file; else it is taken from `ALCAIDE_KEY_PASSPHRASE`
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The token's library, by its whole path; it runs in this process
    #[arg(long, value_name = "LIBRARY")]
    pkcs11_module: Option<PathBuf>,
    /// Read the token's PIN from a file; else it is taken from `ALCAIDE_TOKEN_PIN`
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// Sign by certificate: PEM files with the certificate of the key first, then those between it and its root
    #[arg(long, value_name = "FILE")]
    cert_chain: Vec<PathBuf>,
}

/// A key that signs, wherever it is.
pub(crate) enum Key {
    File(Box<PrivateKey>),
    Token(TokenKey),
}

impl Key {
    pub(crate) fn signer(&self) -> &dyn EcSigner {
        match self {
            Self::File(key) => &**key,
            Self::Token(key) => key,
        }
    }
}

impl Signing {
    /// The key.
    ///
    /// # Errors
    /// If it is none, does not open, or the token refuses.
    pub(crate) fn key(&self) -> Result<Key, Failure> {
        match self.key.to_str().filter(|text| TokenUri::is_meant(text)) {
            Some(text) => self.token(text),
            None => self.file(),
        }
    }

    fn file(&self) -> Result<Key, Failure> {
        for (given, name) in [(&self.pkcs11_module, "--pkcs11-module"), (&self.pin_file, "--pin-file")] {
            if given.is_some() {
                return Err(wrong(&self.key, format!("`{name}` is given and the key is a file"))
                    .fix("name the token's key as `pkcs11:token=TOKEN;object=KEY`"));
            }
        }
        let text = SecretBytes::new(read(&self.key)?);
        if std::fs::metadata(&self.key)
            .is_ok_and(|status| status.is_file() && status.permissions().mode() & 0o077 != 0)
        {
            note(&format!("others may read `{}`; `chmod 600` shuts them out", self.key.display()));
        }
        let passphrase = secret_of(self.passphrase_file.as_deref(), PASSPHRASE)?;
        let key = PrivateKey::from_pem(text.expose(), passphrase.as_ref()).map_err(|error| {
            let fix = match &error {
                alcaide_seal::ecdsa::EcKeyError::Locked => {
                    format!("give its passphrase by `--passphrase-file FILE` or in `{PASSPHRASE}`")
                }
                other => other.help().to_owned(),
            };
            wrong(&self.key, &error).fix(fix)
        })?;
        Ok(Key::File(Box::new(key)))
    }

    fn token(&self, text: &str) -> Result<Key, Failure> {
        let uri: TokenUri = text.parse().map_err(|error| {
            wrong(&self.key, error).fix(
                "write `pkcs11:token=TOKEN;object=KEY`, and give the PIN by `--pin-file FILE` or in `ALCAIDE_TOKEN_PIN`",
            )
        })?;
        let module = self.pkcs11_module.as_deref().or(uri.module()).ok_or_else(|| {
            wrong(&self.key, "no library of the token is named").fix("name it with `--pkcs11-module LIBRARY`")
        })?;
        let pin = secret_of(self.pin_file.as_deref().or(uri.pin_file()), PIN)?.ok_or_else(|| {
            wrong(&self.key, "no PIN is given").fix(format!("give it by `--pin-file FILE` or in `{PIN}`"))
        })?;
        let key = TokenKey::open(module, uri.token(), uri.object(), &pin).map_err(|error| {
            Failure::new(&MODEL_TOKEN, "the token's key cannot be used")
                .at(self.key.display())
                .why(said(&error))
                .fix(error.help())
        })?;
        Ok(Key::Token(key))
    }

    /// The certificates, that of the key first; nothing where the bare key signs.
    ///
    /// # Errors
    /// If they are none, the first is not about `key`, or it is not valid at `now`: a signature that nobody takes is none.
    pub(crate) fn chain(&self, key: &EcPublicKey, now: Moment) -> Result<Option<Vec<Certificate>>, Failure> {
        let Some(first) = self.cert_chain.first() else { return Ok(None) };
        let chain = certificates(&self.cert_chain)?;
        let leaf = chain.first().ok_or_else(|| wrong(first, "it holds no certificate"))?;
        if EcPublicKey::from_spki(leaf.spki()).as_ref() != Ok(key) {
            return Err(wrong(first, "the first certificate is not about the key that signs")
                .fix("give the certificate of the signing key, its own first"));
        }
        if !(leaf.not_before()..=leaf.not_after()).contains(&now.secs()) {
            let (from, to) = (Moment::from_secs(leaf.not_before()), Moment::from_secs(leaf.not_after()));
            return Err(wrong(first, format!("it is valid from {from} to {to}, and not now"))
                .fix("ask your authority for a certificate that is in force"));
        }
        Ok(Some(chain))
    }
}

/// All certificates of some PEM files, in their order.
pub(crate) fn certificates(files: &[PathBuf]) -> Result<Vec<Certificate>, Failure> {
    let mut all = Vec::new();
    for file in files {
        all.extend(Certificate::all_from_pem(&read(file)?).map_err(|error| wrong(file, said(&error)))?);
    }
    Ok(all)
}

/// Reads a file of keys or certificates.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    read_at_most(file, FILE_BYTES_MAX).map_err(|error| Failure::file("read", file, &error))
}

/// A key or certificate that is not taken.
pub(crate) fn wrong(file: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::new(&MODEL_KEY, MODEL_KEY.title).at(file.display()).why(why)
}

fn secret_of(file: Option<&Path>, variable: &str) -> Result<Option<SecretText>, Failure> {
    if let Some(file) = file {
        let opened = std::fs::File::open(file).map_err(|error| Failure::file("read", file, &error))?;
        return secret::read(opened, file).map(Some);
    }
    Ok(std::env::var(variable).ok().filter(|text| !text.is_empty()).map(SecretText::new))
}
