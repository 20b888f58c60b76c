//! Keys that a token keeps: an HSM, a smart card, a service, by way of the library that its maker gives (PKCS#11).
//!
//! The library is found at run time, under an absolute path that the operator names: it runs inside this process, with all that the
//! process may do, so nothing is searched for and no relative name is taken. The token signs digests; what is asked of it, and
//! whether its answer fits, is [`alcaide_seal::ecdsa`]'s business. A key is named by its label, and there has to be exactly one.
//!
//! Left out on purpose: making and changing of keys on a token, PINs of the security officer.
//! Source: PKCS#11 3.1 (OASIS), sections 5.1, 5.13 and 6.3.

use std::path::{Path, PathBuf};

use alcaide_seal::SecretText;
use alcaide_seal::ecdsa::{EcKeyError, EcPublicKey, EcSignError, EcSignature, EcSigner, MessageDigest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

/// A private key that stays in its token, with a session that is logged in. It is closed when dropped.
#[derive(Debug)]
pub struct TokenKey {
    session: Session,
    key: ObjectHandle,
    public: EcPublicKey,
}

/// Why a key of a token cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A name that the system would search for.
    #[error("`{}` is no absolute path of a library", at.display())]
    Relative {
        /// What was given.
        at: PathBuf,
    },
    /// Not a library of PKCS#11, or one that does not start.
    #[error("library `{}` cannot be used: {why}", at.display())]
    Library {
        /// Which library.
        at: PathBuf,
        /// What it said.
        why: String,
    },
    /// Not exactly one token of that label.
    #[error("{found} tokens are called `{label}`")]
    Tokens {
        /// What was asked for.
        label: String,
        /// How many there are.
        found: usize,
    },
    /// The PIN is wrong or locked.
    #[error("token `{label}` does not open with this PIN")]
    Pin {
        /// Which token.
        label: String,
    },
    /// This process has it open, so that the PIN cannot be checked.
    #[error("token `{label}` is open in this process already")]
    InUse {
        /// Which token.
        label: String,
    },
    /// Not exactly one key of that label.
    #[error("{found} {what} of an elliptic curve on the token are called `{label}`")]
    Keys {
        /// What was asked for.
        label: String,
        /// Private or public keys.
        what: &'static str,
        /// How many there are.
        found: usize,
    },
    /// A key that cannot be used here.
    #[error("the public half of the token's key cannot be used")]
    Key(#[source] EcKeyError),
    /// The token refused something else.
    #[error("the token refused: {why}")]
    Refused {
        /// What it said.
        why: String,
    },
}

impl TokenError {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Relative { .. } => "give the whole path of the library that the token's maker ships",
            Self::Library { .. } => {
                "see that the library is there, is for this machine, and finds its settings"
            }
            Self::Tokens { .. } => "list tokens by `pkcs11-tool --list-slots` and give one label",
            Self::Pin { .. } => "give the user's PIN; a token locks itself after some wrong ones",
            Self::InUse { .. } => "use one key of a token at a time",
            Self::Keys { .. } => "give both halves of the key one label that no other key has",
            Self::Key(source) => source.help(),
            Self::Refused { .. } => "see what the token's own tools say",
        }
    }
}

impl TokenKey {
    /// Opens the token called `token` by the library at `library`, and the key on it that is called `label`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open(library: &Path, token: &str, label: &str, pin: &SecretText) -> Result<Self, TokenError> {
        if !library.is_absolute() {
            return Err(TokenError::Relative { at: library.to_owned() });
        }
        let cannot = |error: &Error| TokenError::Library { at: library.to_owned(), why: told(error) };
        let context = Pkcs11::new(library).map_err(|error| cannot(&error))?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another key of this process uses the library already.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(cannot(&error)),
        }
        let mut slots = Vec::new();
        for slot in context.get_slots_with_initialized_token().map_err(refused)? {
            if context.get_token_info(slot).map_err(refused)?.label() == token {
                slots.push(slot);
            }
        }
        let [slot] = slots.as_slice() else {
            return Err(TokenError::Tokens { label: token.to_owned(), found: slots.len() });
        };
        let session = context.open_ro_session(*slot).map_err(refused)?;
        match session.login(UserType::User, Some(&AuthPin::from(pin.expose().to_owned()))) {
            Ok(()) => {}
            // Whoever opened it first gave the PIN; this one was not looked at.
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                return Err(TokenError::InUse { label: token.to_owned() });
            }
            Err(Error::Pkcs11(
                RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinLocked,
                _,
            )) => return Err(TokenError::Pin { label: token.to_owned() }),
            Err(error) => return Err(refused(error)),
        }
        let key = only(&session, ObjectClass::PRIVATE_KEY, "private keys", label)?;
        let public = only(&session, ObjectClass::PUBLIC_KEY, "public keys", label)?;
        let told = session
            .get_attributes(public, &[AttributeType::EcParams, AttributeType::EcPoint])
            .map_err(refused)?;
        let (mut parameters, mut point) = (Vec::new(), Vec::new());
        for attribute in told {
            match attribute {
                Attribute::EcParams(bytes) => parameters = bytes,
                Attribute::EcPoint(bytes) => point = bytes,
                _ => {}
            }
        }
        let public = EcPublicKey::from_token(&parameters, &point).map_err(TokenError::Key)?;
        Ok(Self { session, key, public })
    }
}

impl EcSigner for TokenKey {
    fn public_key(&self) -> &EcPublicKey {
        &self.public
    }

    fn sign_digest(&self, digest: &MessageDigest) -> Result<EcSignature, EcSignError> {
        let made = self
            .session
            .sign(&Mechanism::Ecdsa, self.key, digest.as_bytes())
            .map_err(|error| EcSignError::Token { why: told(&error) })?;
        EcSignature::from_fixed(self.public.curve(), &made)
    }
}

fn only(
    session: &Session,
    class: ObjectClass,
    what: &'static str,
    label: &str,
) -> Result<ObjectHandle, TokenError> {
    let wanted = [
        Attribute::Class(class),
        Attribute::KeyType(KeyType::EC),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    let found = session.find_objects(&wanted).map_err(refused)?;
    match found.as_slice() {
        [one] => Ok(*one),
        others => Err(TokenError::Keys { label: label.to_owned(), what, found: others.len() }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made to be given to `map_err`")]
fn refused(error: Error) -> TokenError {
    TokenError::Refused { why: told(&error) }
}

/// What a library says, on one line of sane length.
fn told(error: &Error) -> String {
    error.to_string().chars().take(200).map(|one| if one.is_control() { ' ' } else { one }).collect()
}
