//! Enrolment: a program proves that it holds a key, and the key becomes a client credential of an actor.
//!
//! A token of 256 random bits, shown once, works once and for 10 minutes; the store keeps its hash only. The proof is
//! a JWS by the new key over the token's hash, so that neither token nor proof is of use without the other.

use std::sync::Arc;
use std::time::Duration;

use alcaide_inventory::{Actor, CredentialId, Moment, TokenId};
use alcaide_ledger::AppendError;
use alcaide_record::{Enrolled, Event, Issued, OfficeAct, TokenKind};
use alcaide_seal::digest::sha256;
use alcaide_seal::random::bytes32;
use alcaide_seal::{Jwk, KeySet, SecretText, Signer, jws};
use alcaide_store::rusqlite::{OptionalExtension as _, params};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::by::{By, Operation};
use crate::error::{OfficeError, cut};
use crate::office::{Office, detached, digest_of};
use crate::sql::{actor, moment, nat, parsed};
use crate::view::{CredentialView, Enrolment};

/// How long an enrolment token is good: long enough to carry it to another window, no longer.
pub const ENROLMENT_LIFE: Duration = Duration::from_secs(10 * 60);
/// `typ` of the proof of possession.
pub const ENROLMENT_TYP: &str = "alcaide-enrolment+jwt";
/// Most client credentials of one actor.
pub const CREDENTIALS_MAX: u32 = 16;

/// What the proof says.
#[derive(Debug, Deserialize, Serialize)]
struct ProofClaims {
    /// The office.
    aud: String,
    /// When it was made, in seconds.
    iat: u64,
    /// SHA-256 of the enrolment token, lower-case hex.
    alc_enrolment: String,
}

/// The proof of possession with which the holder of `signer` enrols.
///
/// # Errors
/// [`OfficeError::Sign`] if signing fails.
pub fn enrolment_proof(
    signer: &Signer,
    token: &SecretText,
    issuer: &str,
    now: Moment,
) -> Result<String, OfficeError> {
    let claims = ProofClaims {
        aud: issuer.to_owned(),
        iat: now.secs(),
        alc_enrolment: sha256(token.expose().as_bytes()).to_string(),
    };
    signer.sign(ENROLMENT_TYP, &claims).map_err(OfficeError::Sign)
}

impl Office {
    /// Opens an enrolment for an actor who may act. An agent's owner and sponsor may do it for that agent.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Barred`], [`OfficeError::TooManyCredentials`]; else what store and
    /// ledger say.
    pub async fn enrolment_open(&self, by: &By, actor: Actor) -> Result<Enrolment, OfficeError> {
        if !by.may(Operation::Enrol) && !self.answers_for(by, actor).await {
            return Err(self.denied(by, Operation::Enrol).await);
        }
        let (state, _) = self.may_act(actor).await?;
        self.room_for_credential(actor).await?;
        let drawn = bytes32(&self.0.entropy)?;
        let token = SecretText::new(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(&drawn[..])));
        let id = TokenId::from_bits(self.bits()?);
        let expires = self.now() + ENROLMENT_LIFE;
        let issued = Issued {
            actor,
            begins: false,
            by: by.human(),
            epoch: state.epoch,
            expires,
            kind: TokenKind::Enrolment,
            parent: None,
            run: None,
            subject: actor,
            task: None,
            token: id,
            words: None,
        };
        self.note(Event::Issued(issued)).await?;
        let (hash, now) = (token.hash().to_string(), moment(self.now()));
        self.0
            .store
            .run(move |tx| {
                tx.execute("DELETE FROM enrolment WHERE expires <= ?1", [now])?;
                tx.execute(
                    "INSERT INTO enrolment (hash, actor, token, expires) VALUES (?1, ?2, ?3, ?4)",
                    params![hash, actor.to_string(), id.to_string(), moment(expires)],
                )?;
                Ok::<_, OfficeError>(())
            })
            .await?;
        Ok(Enrolment { token, id, actor, expires })
    }

    /// Binds `key` to the actor of the enrolment; `proof` is [`enrolment_proof`]. The token is used up by the first
    /// proof that holds.
    ///
    /// # Errors
    /// [`OfficeError::Proof`] if the proof does not hold; [`OfficeError::Enrolment`] if the token is not good;
    /// [`OfficeError::Barred`] if the actor may not act any more; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end once the proof was found good.
    pub async fn enrol(
        &self,
        token: &SecretText,
        key: &Jwk,
        proof: &str,
    ) -> Result<CredentialId, OfficeError> {
        let wrong = |why: String| OfficeError::Proof { why };
        let mut keys = KeySet::new();
        keys.insert(key.clone()).map_err(|error| wrong(error.to_string()))?;
        let payload = jws::verify(proof, ENROLMENT_TYP, &keys).map_err(|error| wrong(error.to_string()))?;
        let claims: ProofClaims =
            serde_json::from_slice(&payload).map_err(|_| wrong("its claims cannot be read".into()))?;
        let now = self.now();
        let made = Moment::from_secs(claims.iat);
        if claims.aud != self.0.issuer.name() {
            return Err(wrong("it is meant for another office".into()));
        }
        if made > now + SKEW || now > made + ENROLMENT_LIFE + SKEW {
            return Err(wrong("it was not made within the last 10 minutes".into()));
        }
        let hash = token.hash();
        if claims.alc_enrolment != hash.to_string() {
            return Err(wrong("it is over another enrolment token".into()));
        }
        let (own, key) = (self.clone(), key.clone());
        detached(async move {
            let _desk = Arc::clone(&own.0.desk).lock_owned().await;
            own.bind(hash.to_string(), key, now).await
        })
        .await
    }

    async fn bind(&self, hash: String, key: Jwk, now: Moment) -> Result<CredentialId, OfficeError> {
        let peek = hash.clone();
        let found: Option<String> = self
            .0
            .store
            .read(move |tx| {
                let sql = "SELECT actor FROM enrolment WHERE hash = ?1 AND expires > ?2 \
                           AND token NOT IN (SELECT token FROM revoked)";
                Ok::<_, OfficeError>(
                    tx.query_row(sql, params![peek, moment(now)], |row| row.get(0)).optional()?,
                )
            })
            .await?;
        let holder = actor(&found.ok_or(OfficeError::Enrolment)?)?;
        self.may_act(holder).await?;
        self.room_for_credential(holder).await?;
        let id = CredentialId::from_bits(self.bits()?);
        let thumbprint = digest_of(*key.thumbprint().digest());
        let jwk = key.to_json();
        self.0
            .store
            .run(move |tx| {
                // Used up and bound in one transaction: two at once with one token are one.
                if tx.execute("DELETE FROM enrolment WHERE hash = ?1", [hash])? != 1 {
                    return Err(OfficeError::Enrolment);
                }
                tx.execute(
                    "INSERT INTO credential (id, actor, key, jwk, enrolled) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![id.to_string(), holder.to_string(), thumbprint.to_string(), jwk, moment(now)],
                )?;
                Ok(())
            })
            .await?;
        let enrolled = Event::Enrolled(Enrolled { actor: holder, credential: id, key: thumbprint });
        match self.record(enrolled).await {
            Ok(_) => Ok(id),
            Err(error) => {
                if matches!(error, OfficeError::Append(AppendError::Busy | AppendError::DiskFull { .. })) {
                    let sql = "DELETE FROM credential WHERE id = ?1 AND entry IS NULL";
                    self.0
                        .store
                        .run(move |tx| Ok::<_, OfficeError>(tx.execute(sql, [id.to_string()])?))
                        .await?;
                }
                Err(error)
            }
        }
    }

    /// Client credentials, of one actor or of all, by id.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], or what the store says.
    pub async fn credentials(&self, by: &By, of: Option<Actor>) -> Result<Vec<CredentialView>, OfficeError> {
        self.allow(by, Operation::See).await?;
        self.0
            .store
            .read(move |tx| {
                let sql = "SELECT id, actor, key, enrolled FROM credential \
                           WHERE entry IS NOT NULL AND (?1 IS NULL OR actor = ?1) ORDER BY id";
                let mut select = tx.prepare(sql)?;
                let mut rows = select.query([of.map(|actor| actor.to_string())])?;
                let mut all = Vec::new();
                while let Some(row) = rows.next()? {
                    let (id, holder, key): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    all.push(CredentialView {
                        id: parsed("credential", &id)?,
                        actor: actor(&holder)?,
                        key: parsed("credential", &key)?,
                        enrolled: Moment::from_micros(nat(row.get(3)?)),
                    });
                }
                Ok::<_, OfficeError>(all)
            })
            .await
    }

    /// Removes a client credential. Tokens that were issued to it live on to their end, minutes away; to stop them at
    /// once, kill the actor.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`]; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end once it is recorded.
    pub async fn credential_remove(&self, by: &By, credential: CredentialId) -> Result<(), OfficeError> {
        self.allow(by, Operation::CredentialRemove).await?;
        if self.credential(credential).await?.is_none() {
            return Err(OfficeError::unknown("credential", &credential));
        }
        let act = OfficeAct::CredentialRemoved { by: by.human(), credential };
        self.record(Event::Office(act)).await.map(|_| ())
    }

    /// Whose a credential is, and its key.
    pub(crate) async fn credential(&self, id: CredentialId) -> Result<Option<(Actor, Jwk)>, OfficeError> {
        let found: Option<(String, String)> = self
            .0
            .store
            .read(move |tx| {
                let sql = "SELECT actor, jwk FROM credential WHERE id = ?1 AND entry IS NOT NULL";
                let row = tx.query_row(sql, [id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)));
                Ok::<_, OfficeError>(row.optional()?)
            })
            .await?;
        let Some((holder, jwk)) = found else { return Ok(None) };
        let key = Jwk::from_json(jwk.as_bytes()).map_err(|error| OfficeError::row("credential", &error))?;
        Ok(Some((actor(&holder)?, key)))
    }

    async fn room_for_credential(&self, actor: Actor) -> Result<(), OfficeError> {
        let count: u32 = self
            .0
            .store
            .read(move |tx| {
                let sql = "SELECT count(*) FROM credential WHERE actor = ?1";
                Ok::<_, OfficeError>(tx.query_row(sql, [actor.to_string()], |row| row.get(0))?)
            })
            .await?;
        if count < CREDENTIALS_MAX {
            Ok(())
        } else {
            Err(OfficeError::TooManyCredentials { actor: cut(&actor.to_string()), most: CREDENTIALS_MAX })
        }
    }

    /// Whether somebody who is active owns or sponsors this agent, or owns this workload.
    pub(crate) async fn answers_for(&self, by: &By, actor: Actor) -> bool {
        let Some(human) = by.human() else { return false };
        if self.may_act(Actor::Human(human)).await.is_err() {
            return false;
        }
        let plan = self.current();
        crate::orders::keepers(&plan, actor).contains(&human)
    }
}

/// What every enrolment token begins with, so that one that leaks is recognised.
const TOKEN_PREFIX: &str = "alcenr_";
/// How far the enrolling machine's clock may be off.
const SKEW: Duration = alcaide_identity::token::CLOCK_SKEW;
