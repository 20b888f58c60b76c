//! Who may vouch for something, as people write it down: one public key, or one authority whose leaves sign.

use crate::digest::Sha256Digest;
use crate::ecdsa::{EcKeyError, EcPublicKey};
use crate::x509::{Certificate, CertificateError};

/// Somebody whose signature counts.
#[derive(Clone, Debug)]
pub enum Voucher {
    /// A key, trusted by itself.
    Key(EcPublicKey),
    /// An authority, trusted through its certificate.
    Root(Box<Certificate>),
}

/// Why a text names nobody who could vouch.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VoucherError {
    /// The key.
    #[error(transparent)]
    Key(#[from] EcKeyError),
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// More than one certificate where one is meant.
    #[error("the text holds several certificates")]
    Several,
}

impl Voucher {
    /// Reads PEM text with one `PUBLIC KEY` or one `CERTIFICATE`.
    ///
    /// # Errors
    /// [`VoucherError`].
    pub fn from_pem(text: &str) -> Result<Self, VoucherError> {
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Ok(Self::Key(EcPublicKey::from_pem(text.as_bytes())?));
        }
        let mut all = Certificate::all_from_pem(text.as_bytes())?.into_iter();
        match (all.next(), all.next()) {
            (Some(root), None) => Ok(Self::Root(Box::new(root))),
            _ => Err(VoucherError::Several),
        }
    }

    /// What it is named by: SHA-256 of the key's PEM text, or of the certificate.
    #[must_use]
    pub fn name(&self) -> Sha256Digest {
        match self {
            Self::Key(key) => key.hint().0,
            Self::Root(root) => root.fingerprint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecdsa::{Curve, EcSigner as _, PrivateKey};
    use crate::random::SystemEntropy;

    #[test]
    fn one_key_is_read_and_nothing_else() {
        let key = PrivateKey::generate(Curve::P384, &SystemEntropy::new()).unwrap();
        let pem = key.public_key().to_pem();
        let Ok(Voucher::Key(read)) = Voucher::from_pem(&pem) else { panic!("no key") };
        assert_eq!(read, *key.public_key());
        assert_eq!(Voucher::from_pem(&pem).unwrap().name(), key.public_key().hint().0);
        for wrong in
            ["", "x", &pem.repeat(2), "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"]
        {
            assert!(Voucher::from_pem(wrong).is_err(), "{wrong}");
        }
    }
}
