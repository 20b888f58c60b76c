//! Minting and verifying access tokens.

use std::time::Duration;

use alcaide_inventory::declare::{Grant, Role};
use alcaide_inventory::{Actor, Moment, Principal, TokenId};
use alcaide_seal::digest::{Sha256Digest, sha256};
use alcaide_seal::jws::{self, JwsError, KeySet, SignError, Signer};

use crate::claims::{Act, Claims, Confirmation, OfficeRoles};
use crate::spiffe::{SpiffeError, TrustDomain};

/// `typ` of an access token (RFC 9068, section 2.1).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";
/// Longest life of an access token. Minutes, because a stolen bearer token works until it ends or is revoked.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(15 * 60);
/// How far a peer's clock may be off.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);
/// Most actors in one chain, the current one included.
pub const CHAIN_MAX: usize = 8;

/// Whom a token is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Audience {
    /// The gate.
    Gate,
    /// The office.
    Office,
}

impl Audience {
    /// The `aud` claim.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "alcaide:gate",
            Self::Office => "alcaide:office",
        }
    }
}

/// A value that was checked cryptographically. Only this crate makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// All that a verified access token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credential {
    /// Who asks, and for whom.
    pub principal: Principal,
    /// For whom the token is.
    pub audience: Audience,
    /// When it ends.
    pub expires: Moment,
    /// Everyone in the chain with the epoch that the token carries for them: actor, subject, earlier actors.
    pub epochs: Vec<(Actor, u64)>,
    /// Tokens that this one descends from, newest first.
    pub ancestors: Vec<TokenId>,
    /// RFC 7638 thumbprint of the key that it is bound to, base64url.
    pub bound_to: Option<String>,
    /// Grants that it is narrowed to; `None` is all that the actor has.
    pub scope: Option<Vec<Grant>>,
    /// Office roles.
    pub roles: Vec<Role>,
    /// SHA-256 of the sealed form of the user's words that were attested with it.
    pub words: Option<Sha256Digest>,
    /// Who asked for it.
    pub client_id: String,
    /// SHA-256 of the compact token.
    pub token_hash: Sha256Digest,
}

/// Why a token was not taken. What the caller is told is less than what the log is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Signature, form, type or key.
    #[error("the access token was not accepted: {0}")]
    Jws(#[from] JwsError),
    /// Signing failed.
    #[error("the access token could not be signed: {0}")]
    Sign(#[from] SignError),
    /// The payload has not the claims of RFC 9068 and the house.
    #[error("the access token's claims could not be read: {why}")]
    Claims {
        /// What is wrong.
        why: String,
    },
    /// Another issuer.
    #[error("the access token is of another issuer")]
    Issuer,
    /// Meant for somebody else.
    #[error("the access token is meant for another audience than `{wanted}`")]
    Audience {
        /// Who read it.
        wanted: &'static str,
    },
    /// It has ended.
    #[error("the access token has ended")]
    Expired,
    /// It was issued in the future, or lives longer than tokens may.
    #[error("the access token's times cannot be right")]
    Times,
    /// A SPIFFE id within it is not of this trust domain.
    #[error("the access token names someone of another trust domain: {0}")]
    Name(#[from] SpiffeError),
    /// The chain of actors is longer than [`CHAIN_MAX`] or does not fit its epochs.
    #[error("the access token's chain of actors is too long or does not fit its epochs")]
    Chain,
    /// A grant within `scope` could not be read.
    #[error("the access token's scope could not be read")]
    Scope,
    /// A gate token without a task.
    #[error("the access token names no task")]
    Task,
    /// The token asked for would live too long or not at all.
    #[error("a token lives from 1 s to 15 min, not {asked_s} s")]
    Life {
        /// What was asked for, in seconds.
        asked_s: u64,
    },
}

/// What to mint. [`crate::exchange`] makes narrower ones from it.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Who will act, and for whom; its `token` is the new token's id.
    pub principal: Principal,
    /// For whom the token is.
    pub audience: Audience,
    /// How long it lives.
    pub life: Duration,
    /// Epoch of each in the chain: actor, subject, earlier actors.
    pub epochs: Vec<u64>,
    /// Tokens that it descends from.
    pub ancestors: Vec<TokenId>,
    /// Hash of the token that it was exchanged for.
    pub parent: Option<Sha256Digest>,
    /// Thumbprint of the key to bind it to.
    pub bind_to: Option<String>,
    /// Grants to narrow it to.
    pub scope: Option<Vec<Grant>>,
    /// Office roles.
    pub roles: Vec<Role>,
    /// SHA-256 of the sealed form of the user's words that are attested with it.
    pub words: Option<Sha256Digest>,
    /// Who asked for it.
    pub client_id: String,
}

/// A new token.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The compact JWS: a secret of its holder.
    pub compact: String,
    /// When it ends.
    pub expires: Moment,
}

/// Mints tokens.
pub struct Issuer {
    name: String,
    domain: TrustDomain,
    signer: Signer,
}

impl Issuer {
    /// An issuer with its URL (`iss`), trust domain and key.
    #[must_use]
    pub fn new(name: impl Into<String>, domain: TrustDomain, signer: Signer) -> Self {
        Self { name: name.into(), domain, signer }
    }

    /// The issuer's name (`iss`).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The trust domain.
    #[must_use]
    pub const fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The key that signs.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Mints a token.
    ///
    /// # Errors
    /// [`TokenError::Life`] outside of 1 s to [`TOKEN_LIFE_MAX`]; [`TokenError::Chain`] if the chain is too long or the
    /// epochs do not fit it; [`TokenError::Jws`] if signing fails.
    pub fn mint(&self, request: &TokenRequest, now: Moment) -> Result<Minted, TokenError> {
        if request.life > TOKEN_LIFE_MAX || request.life < Duration::from_secs(1) {
            return Err(TokenError::Life { asked_s: request.life.as_secs() });
        }
        let principal = &request.principal;
        let delegated = principal.actor != principal.subject || !principal.earlier.is_empty();
        if principal.earlier.len() >= CHAIN_MAX || request.epochs.len() != 2 + principal.earlier.len() {
            return Err(TokenError::Chain);
        }
        let earlier =
            principal.earlier.iter().rev().fold(None, |inner, actor| {
                Some(Box::new(Act { sub: self.domain.id_of(*actor), act: inner }))
            });
        let expires = Moment::from_secs((now + request.life).secs());
        let claims = Claims {
            iss: self.name.clone(),
            sub: self.domain.id_of(principal.subject),
            aud: request.audience.as_str().to_owned(),
            client_id: request.client_id.clone(),
            iat: now.secs(),
            exp: expires.secs(),
            jti: principal.token,
            txn: Some(principal.task),
            act: delegated.then(|| Act { sub: self.domain.id_of(principal.actor), act: earlier }),
            cnf: request.bind_to.clone().map(|jkt| Confirmation { jkt }),
            scope: request.scope.as_ref().map(|grants| join_scope(grants)),
            alc_epochs: request.epochs.clone(),
            alc_unit: principal.unit,
            alc_run: principal.run,
            alc_parent: request.parent.map(|hash| hash.to_string()),
            alc_ancestors: request.ancestors.clone(),
            alc_roles: (!request.roles.is_empty()).then(|| OfficeRoles(request.roles.clone())),
            alc_words: request.words.map(|hash| hash.to_string()),
        };
        let compact = self.signer.sign(ACCESS_TOKEN_TYP, &claims)?;
        Ok(Minted { compact, expires })
    }
}

fn join_scope(grants: &[Grant]) -> String {
    grants.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Verifies tokens of one issuer for one audience.
#[derive(Clone)]
pub struct Verifier {
    issuer: String,
    domain: TrustDomain,
    audience: Audience,
    keys: KeySet,
}

impl Verifier {
    /// A verifier.
    #[must_use]
    pub fn new(issuer: impl Into<String>, domain: TrustDomain, audience: Audience, keys: KeySet) -> Self {
        Self { issuer: issuer.into(), domain, audience, keys }
    }

    /// Checks signature, type, issuer, audience and times, and reads the chain.
    ///
    /// # Errors
    /// A [`TokenError`] per broken rule.
    ///
    /// Source: RFC 9068, section 4; RFC 8693, section 4.1.
    pub fn verify(&self, compact: &str, now: Moment) -> Result<Verified<Credential>, TokenError> {
        let payload = jws::verify(compact, ACCESS_TOKEN_TYP, &self.keys)?;
        let claims: Claims = serde_json::from_slice(&payload)
            .map_err(|error| TokenError::Claims { why: error.to_string() })?;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != self.audience.as_str() {
            return Err(TokenError::Audience { wanted: self.audience.as_str() });
        }
        let (issued, expires) = (Moment::from_secs(claims.iat), Moment::from_secs(claims.exp));
        if expires <= now {
            return Err(TokenError::Expired);
        }
        if issued > now + CLOCK_SKEW || expires > issued + TOKEN_LIFE_MAX {
            return Err(TokenError::Times);
        }
        self.read(claims, sha256(compact.as_bytes()), expires).map(Verified::new)
    }

    fn read(
        &self,
        claims: Claims,
        token_hash: Sha256Digest,
        expires: Moment,
    ) -> Result<Credential, TokenError> {
        let subject = self.domain.read(&claims.sub)?;
        let mut chain = Vec::new();
        let mut next = claims.act.as_ref();
        while let Some(act) = next {
            if chain.len() == CHAIN_MAX {
                return Err(TokenError::Chain);
            }
            chain.push(self.domain.read(&act.sub)?);
            next = act.act.as_deref();
        }
        let mut chain = chain.into_iter();
        let actor = chain.next().unwrap_or(subject);
        let earlier: Vec<Actor> = chain.collect();
        if claims.alc_epochs.len() != 2 + earlier.len() {
            return Err(TokenError::Chain);
        }
        let everyone = [actor, subject].into_iter().chain(earlier.iter().copied());
        let epochs = everyone.zip(claims.alc_epochs.iter().copied()).collect();
        let scope = match claims.scope.as_deref() {
            None => None,
            Some(text) => Some(
                text.split(' ')
                    .filter(|part| !part.is_empty())
                    .map(str::parse)
                    .collect::<Result<Vec<Grant>, _>>()
                    .map_err(|_| TokenError::Scope)?,
            ),
        };
        let words = match claims.alc_words.as_deref() {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| TokenError::Claims { why: "alc_words".into() })?),
        };
        Ok(Credential {
            principal: Principal {
                subject,
                actor,
                earlier,
                unit: claims.alc_unit,
                task: claims.txn.ok_or(TokenError::Task)?,
                run: claims.alc_run,
                token: claims.jti,
            },
            audience: self.audience,
            expires,
            epochs,
            ancestors: claims.alc_ancestors,
            bound_to: claims.cnf.map(|cnf| cnf.jkt),
            scope,
            roles: claims.alc_roles.unwrap_or_default().0,
            words,
            client_id: claims.client_id,
            token_hash,
        })
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
