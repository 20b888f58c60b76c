//! Who is asking? Verifies and mints credentials: access tokens (RFC 9068) with delegation (RFC 8693), proofs of
//! possession (RFC 9449), client assertions (RFC 7523), and what gates say to each other of labels ([`statement`]).
//!
//! Delegation is read literally: `sub` is the principal on whose behalf, `act` the current actor, nested `act` the
//! earlier ones; only the outermost actor is authorised, inner ones are history. Each exchange only ever shrinks:
//! lifetime, scope, audience; and it names the hash of its parent token, so that a chain cannot be spliced.
//!
//! How data moves: `compact text → [token::Verifier] → Verified<Credential>`; nothing else makes a
//! [`Verified`]. Whether the credential is still good *now* (epoch, revocation) is asked of memory at every call
//! and is not this crate's; [`Credential::epochs`] says what to ask.
//!
//! An engine: no socket, no file, no clock. Keys, time and random bits come in as values.

pub mod assertion;
pub mod cache;
pub mod claims;
pub mod dpop;
pub mod exchange;
pub mod spiffe;
pub mod statement;
pub mod token;

pub use cache::TokenCache;
pub use claims::{Act, Claims, Confirmation, OfficeRoles};
pub use dpop::{DpopError, DpopProof, DpopRequest};
pub use exchange::{ExchangeError, Narrowed, narrow};
pub use token::{Audience, Credential, Issuer, Minted, TokenError, TokenRequest, Verified, Verifier};
