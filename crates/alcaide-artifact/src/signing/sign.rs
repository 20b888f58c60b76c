//! The making of a bundle.

use std::collections::BTreeSet;

use alcaide_seal::dsse::pae;
use alcaide_seal::ecdsa::{self, EcPublicKey, EcSigner};
use alcaide_seal::x509::Certificate;

use super::bundle::{Bundle, Material};
use super::error::SigningError;
use super::ignore::DEFAULTS;
use super::manifest::Manifest;
use super::rules::{Links, Rules};
use super::statement::{PAYLOAD_TYPE, Statement};

/// How the bundle says who signed.
#[derive(Clone, Copy, Debug)]
pub enum SignAs<'a> {
    /// By the hint of the key.
    Key,
    /// By a chain of certificates, that of the key first, written as given. A verifier has the root already.
    Chain(&'a [Certificate]),
}

/// Signs what a survey under the same rules found.
///
/// # Errors
/// [`SigningError::LeafMismatch`], [`SigningError::Sign`].
pub fn sign(
    manifest: &Manifest,
    rules: &Rules,
    signer: &dyn EcSigner,
    sign_as: SignAs<'_>,
) -> Result<Bundle, SigningError> {
    let key = signer.public_key();
    let material = match sign_as {
        SignAs::Key => Material::Key { hint: Some(key.hint().to_string()), raw: None },
        SignAs::Chain(chain) => {
            let leaf = chain.first().ok_or(SigningError::LeafMismatch)?;
            if EcPublicKey::from_spki(leaf.spki()).as_ref() != Ok(key) {
                return Err(SigningError::LeafMismatch);
            }
            Material::Chain(chain.to_vec())
        }
    };
    let left_out: BTreeSet<&str> = DEFAULTS
        .into_iter()
        .chain(rules.ignore.iter().chain(&rules.signatures).map(super::path::TreePath::as_str))
        .collect();
    let payload = Statement::write(
        manifest,
        rules.links == Links::Follow,
        left_out.into_iter().map(str::to_owned).collect(),
    )?;
    let signature = ecdsa::sign(signer, &pae(PAYLOAD_TYPE, &payload)).map_err(SigningError::Sign)?;
    Ok(Bundle { material, payload, signature: signature.as_der().to_vec() })
}
