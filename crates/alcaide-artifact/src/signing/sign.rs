//! The making of a bundle.

use alcaide_seal::dsse::pae;
use alcaide_seal::ecdsa::{self, EcPublicKey, EcSigner};
use alcaide_seal::x509::Certificate;

use super::bundle::{Bundle, Material};
use super::error::SigningError;
use super::statement::{PAYLOAD_TYPE, Statement};
use super::survey::Surveyed;

/// How the bundle says who signed.
#[derive(Clone, Copy, Debug)]
pub enum SignAs<'a> {
    /// By the hint of the key.
    Key,
    /// By a chain of certificates, that of the key first, written as given. A verifier has the root already.
    Chain(&'a [Certificate]),
}

/// Signs what a survey found, with what the survey left out.
///
/// # Errors
/// [`SigningError::LeafMismatch`], [`SigningError::Sign`].
pub fn sign(surveyed: &Surveyed, signer: &dyn EcSigner, sign_as: SignAs<'_>) -> Result<Bundle, SigningError> {
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
    let Surveyed { manifest, links, left_out } = surveyed;
    let payload = Statement::write(manifest, *links, left_out.iter().cloned().collect())?;
    let signature = ecdsa::sign(signer, &pae(PAYLOAD_TYPE, &payload)).map_err(SigningError::Sign)?;
    Ok(Bundle { material, payload, signature: signature.as_der().to_vec() })
}
