//! Keys that wrap other keys, wherever they are kept: the master key in a file, a service, a token.
//!
//! A custodian gets bytes and gives bytes: what it wraps is bound to a context, and comes back for the same context
//! alone. The house's [`MasterKey`] is one, by way of an [`envelope`](crate::envelope).

use crate::envelope::{self, EnvelopeError, MasterKey};
use crate::random::Entropy;
use crate::secret::SecretBytes;

/// Most bytes that a custodian may make of a key of 32 bytes.
pub const MAX_WRAPPED_BYTES: usize = 1024;
/// Most bytes of a custodian's name.
pub const MAX_NAME_BYTES: usize = 256;

/// A custodian refused, or could not be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// The envelope does not open: another key, another context, or altered.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Something outside failed.
    #[error("the custodian of the key failed: {why}")]
    Outside {
        /// Its own words, for the log.
        why: String,
    },
}

/// Whoever can wrap a key and unwrap it again.
pub trait KeyWrap {
    /// What tells this custodian's key apart from others, safe to show: the id of the key, the address of a service.
    fn name(&self) -> String;

    /// Wraps `secret` for `context`; at most [`MAX_WRAPPED_BYTES`] come out.
    ///
    /// # Errors
    /// [`CustodyError`].
    fn wrap_key(&self, context: &[u8], secret: &[u8], entropy: &dyn Entropy)
    -> Result<Vec<u8>, CustodyError>;

    /// Gives back what was wrapped for the same context.
    ///
    /// # Errors
    /// [`CustodyError`]; also where the context is another one.
    fn unwrap_key(&self, context: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CustodyError>;
}

impl<W: KeyWrap + ?Sized> KeyWrap for &W {
    fn name(&self) -> String {
        (**self).name()
    }

    fn wrap_key(
        &self,
        context: &[u8],
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, CustodyError> {
        (**self).wrap_key(context, secret, entropy)
    }

    fn unwrap_key(&self, context: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CustodyError> {
        (**self).unwrap_key(context, wrapped)
    }
}

impl KeyWrap for MasterKey {
    fn name(&self) -> String {
        format!("master-key:{}", self.id())
    }

    fn wrap_key(
        &self,
        context: &[u8],
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, CustodyError> {
        Ok(envelope::seal(self, &bound(context), secret, entropy)?)
    }

    fn unwrap_key(&self, context: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CustodyError> {
        Ok(envelope::open(self, &bound(context), wrapped)?)
    }
}

/// Keeps wrapped keys apart from all else that the master key seals.
fn bound(context: &[u8]) -> Vec<u8> {
    [b"alcaide/v1/wrapped-key\0".as_slice(), context].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::Counted;

    #[test]
    fn the_master_key_wraps_for_a_context() {
        let entropy = Counted::from_seed(1);
        let master = MasterKey::generate(&entropy).unwrap();
        let wrapped = master.wrap_key(b"file 1", &[7; 32], &entropy).unwrap();
        assert!(wrapped.len() <= MAX_WRAPPED_BYTES);
        assert_eq!(master.unwrap_key(b"file 1", &wrapped).unwrap().expose(), [7; 32]);
        assert!(matches!(
            master.unwrap_key(b"file 2", &wrapped),
            Err(CustodyError::Envelope(EnvelopeError::BodyAltered))
        ));
        // An envelope for the same words is no wrapped key.
        let other = envelope::seal(&master, b"file 1", &[7; 32], &entropy).unwrap();
        assert!(master.unwrap_key(b"file 1", &other).is_err());
        let stranger = MasterKey::generate(&entropy).unwrap();
        assert!(matches!(
            stranger.unwrap_key(b"file 1", &wrapped),
            Err(CustodyError::Envelope(EnvelopeError::WrongKey { .. }))
        ));
        assert_ne!(stranger.name(), master.name());
        assert!(master.name().len() <= MAX_NAME_BYTES);
    }
}
