//! Access tokens: who gets one, for what, for how long. Every token is in the record, durable, before it is handed out;
//! somebody who is stopped, quarantined or gone gets none.
//!
//! A person's client credential yields tokens for the office, an agent's or workload's tokens for the gate.
//!
//! **Tasks.** Labels and budgets attach to the task of a token. An actor that starts by itself always gets the same
//! task (until a kill ends it): it cannot shed what it has read by asking for another token. A fresh task is begun by
//! [`Office::task_token`], which a person or the operator asks for, never the agent.

use std::time::Duration;

use alcaide_identity::assertion::{self, AssertionError, claimed_credential};
use alcaide_identity::token::TOKEN_LIFE_MAX;
use alcaide_identity::{
    Audience, Credential, DpopProof, DpopRequest, ExchangeError, Narrowed, TokenError, TokenRequest,
    Verified, narrow,
};
use alcaide_inventory::declare::{DpopRule, Grant, Role};
use alcaide_inventory::{
    Actor, AgentId, CredentialId, HumanId, Moment, Principal, RunId, TaskId, TokenId, UnitId,
};
use alcaide_record::{Event, Issued, TokenKind};
use alcaide_seal::digest::{Sha256Digest, sha256};
use alcaide_seal::words::WORDS_BYTES_MAX;
use alcaide_seal::{Jwk, KeySet, SecretText};
use alcaide_store::rusqlite::{OptionalExtension as _, params};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::by::{By, Held, Operation};
use crate::error::OfficeError;
use crate::office::{Office, digest_of};
use crate::orders::keepers;
use crate::view::{ActorState, Granted};

/// Life of a token that a program gets by its client credential: long enough not to ask at every call, short enough
/// that one that leaks is soon worth nothing.
pub const GATE_TOKEN_LIFE: Duration = Duration::from_secs(10 * 60);
/// Life of a token for the office.
pub const OFFICE_TOKEN_LIFE: Duration = TOKEN_LIFE_MAX;

/// Most words that are remembered as sealed.
const ATTESTED_MAX: usize = 1_024;

/// A DPoP proof that holds. It is used up by whoever shows it once it is known who that is, and works once.
#[derive(Clone, Debug)]
pub struct Proof {
    thumbprint: String,
    id: Sha256Digest,
    forget: Moment,
}

impl Proof {
    /// Thumbprint of its key (RFC 7638), base64url.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }
}

/// A program asks with its client credential (RFC 6749, section 4.4; RFC 7523).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// `client_assertion`.
    pub assertion: String,
    /// What [`Office::dpop`] gave for the proof beside the request; the token is then bound to its key.
    pub dpop: Option<Proof>,
    /// Grants to narrow the token to.
    pub scope: Option<Vec<Grant>>,
}

/// An actor asks for a token to act for the subject of another (RFC 8693).
#[derive(Debug)]
pub struct Exchange {
    /// `subject_token`: an access token for the gate.
    pub subject_token: SecretText,
    /// Thumbprint of the key that the holder of the subject token proved, where that token is bound.
    pub subject_proof: Option<String>,
    /// The new actor's `client_assertion`.
    pub assertion: String,
    /// What [`Office::dpop`] gave for the new actor's proof.
    pub dpop: Option<Proof>,
    /// Grants to narrow to; those of the subject token where `None`.
    pub scope: Option<Vec<Grant>>,
    /// Longest life; cut to what the subject token has left.
    pub life: Option<Duration>,
}

/// A launcher asks for an agent's token for one task of a person.
#[derive(Debug)]
pub struct TaskOrder {
    /// The agent or workload that will act.
    pub actor: Actor,
    /// On whose behalf.
    pub subject: HumanId,
    /// What that person asked for, in their own words: attested, because the launcher is not the agent.
    pub words: Option<SecretText>,
    /// The run of the agent's program.
    pub run: Option<RunId>,
    /// Life of the token, 1 s to 15 min.
    pub life: Duration,
    /// Thumbprint of the key to bind the token to.
    pub bind_to: Option<String>,
    /// Grants to narrow the token to.
    pub scope: Option<Vec<Grant>>,
    /// A task of the same actor and person to go on with, for a fresh token; a new task where `None`.
    pub task: Option<TaskId>,
}

impl Office {
    /// Public keys that the office's tokens are verified with.
    ///
    /// # Errors
    /// [`OfficeError::Keys`] if there are more than a set may have.
    pub fn jwks(&self) -> Result<KeySet, OfficeError> {
        key_set(&self.0.public)
    }

    /// Public keys that other gates verify this house's statements about labels with.
    ///
    /// # Errors
    /// As [`Office::jwks`].
    pub fn label_jwks(&self) -> Result<KeySet, OfficeError> {
        key_set(&self.0.labels)
    }

    /// Checks a DPoP proof of a request to the office, which has no access token yet or carries `access_token`. It is
    /// not used up by that: a stranger's proof holds as well, and takes no room.
    ///
    /// # Errors
    /// [`OfficeError::Dpop`].
    pub fn dpop(
        &self,
        proof: &str,
        method: &str,
        url: &str,
        access_token: Option<&str>,
    ) -> Result<Proof, OfficeError> {
        let now = self.now();
        let request = DpopRequest { method, url, access_token, bound_to: None, not_before: self.0.started };
        let DpopProof { thumbprint, id, forget } = DpopProof::verify(proof, &request, now)?;
        Ok(Proof { thumbprint, id, forget })
    }

    /// Uses a proof up, once it is known whose it is.
    fn use_up(&self, actor: Actor, proof: Option<&Proof>) -> Result<(), OfficeError> {
        let (Some(proof), now) = (proof, self.now()) else { return Ok(()) };
        // Its time was compared with the office's start already.
        self.0.replay.take(actor, proof.id, now, proof.forget, now)
    }

    /// A token for whoever holds the key of a client credential.
    ///
    /// # Errors
    /// [`OfficeError::Client`], [`OfficeError::Assertion`], [`OfficeError::Replayed`] if the assertion is not good;
    /// [`OfficeError::Barred`] if the actor may not act; [`OfficeError::Unbound`] if its tokens must be bound; else
    /// what store and ledger say.
    pub async fn token_client_credentials(&self, asked: ClientCredentials) -> Result<Granted, OfficeError> {
        let Client { credential, actor, state, unit } =
            self.client(&asked.assertion, asked.dpop.as_ref()).await?;
        let bind_to = asked.dpop.map(|proof| proof.thumbprint);
        self.bound_if_required(actor, bind_to.as_deref())?;
        let token = TokenId::from_bits(self.bits()?);
        let (audience, life, roles, task) = match actor {
            Actor::Human(id) => {
                if asked.scope.is_some() {
                    return Err(OfficeError::Request { why: "a token for the office has no scope" });
                }
                let task = TaskId::from_bits(self.bits()?);
                (Audience::Office, OFFICE_TOKEN_LIFE, self.roles_of(id), task)
            }
            _ => (Audience::Gate, GATE_TOKEN_LIFE, Vec::new(), own_task(actor, state)),
        };
        let request = TokenRequest {
            principal: Principal { subject: actor, actor, earlier: Vec::new(), unit, task, run: None, token },
            audience,
            life,
            epochs: vec![state.epoch, state.epoch],
            ancestors: Vec::new(),
            parent: None,
            bind_to,
            scope: asked.scope,
            roles,
            words: None,
            client_id: credential.to_string(),
        };
        self.grant(request, None, (TaskOf::Before, None)).await
    }

    /// A token with which another actor acts for the subject of the one presented. It only ever shrinks.
    ///
    /// # Errors
    /// As [`Office::token_client_credentials`] for the new actor; [`OfficeError::Token`], [`OfficeError::Revoked`] and
    /// [`OfficeError::Barred`] for the subject token and everybody in its chain; [`OfficeError::Exchange`].
    ///
    /// Source: RFC 8693, sections 2 and 4.
    pub async fn token_exchange(&self, asked: Exchange) -> Result<Granted, OfficeError> {
        let Client { credential, actor, state, unit } =
            self.client(&asked.assertion, asked.dpop.as_ref()).await?;
        let bind_to = asked.dpop.map(|proof| proof.thumbprint);
        if let Actor::Human(_) = actor {
            return Err(OfficeError::Request { why: "only agents and workloads exchange tokens" });
        }
        let now = self.now();
        let from = self.0.gate.verify(asked.subject_token.expose(), now)?;
        self.still_good(&from).await?;
        self.bound_if_required(actor, bind_to.as_deref())?;
        let proven = match &from.get().bound_to {
            None => true,
            Some(key) => [&asked.subject_proof, &bind_to].into_iter().flatten().any(|proved| proved == key),
        };
        let parent = from.get().principal.token;
        let narrowed = Narrowed {
            actor,
            unit,
            epoch: state.epoch,
            token: TokenId::from_bits(self.bits()?),
            scope: asked.scope,
            life: asked.life.unwrap_or(GATE_TOKEN_LIFE),
            bind_to,
            proven,
            client_id: credential.to_string(),
        };
        let request = narrow(&from, narrowed, now)?;
        self.grant(request, Some(parent), (TaskOf::Before, None)).await
    }

    /// A token for an agent's task on behalf of a person, for the launcher that starts the agent's program.
    ///
    /// A person starts tasks of their own, with agents that they own or sponsor or that are of their unit;
    /// administrators and the operator start them for others too. Who comes with an office token gets one that descends
    /// from it and ends with it at the latest.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Barred`] if agent or person may not act; [`OfficeError::Unbound`];
    /// [`OfficeError::Request`] if the actor is a person or the task is another's; [`OfficeError::Token`] for a life
    /// out of bounds; else what store and ledger say.
    pub async fn task_token(&self, by: &By, order: TaskOrder) -> Result<Granted, OfficeError> {
        let subject = Actor::Human(order.subject);
        if let Actor::Human(_) = order.actor {
            return Err(OfficeError::Request { why: "a task is done by an agent or a workload" });
        }
        let (subject_state, subject_unit) = self.may_act(subject).await?;
        let (state, unit) = self.may_act(order.actor).await?;
        if !by.may(Operation::TaskForOthers) {
            let near = subject_unit == unit || keepers(&self.current(), order.actor).contains(&order.subject);
            if by.human() != Some(order.subject) || !near {
                return Err(self.denied(by, Operation::TaskForOthers).await);
            }
        }
        let Lineage { parent, hash, ancestors, bind_to, life } =
            self.lineage(by, order.bind_to, order.life)?;
        self.bound_if_required(order.actor, bind_to.as_deref())?;
        let (task, of) = match order.task {
            None => (TaskId::from_bits(self.bits()?), TaskOf::New),
            Some(task) => {
                self.is_task_of(task, order.actor, subject).await?;
                (task, TaskOf::Before)
            }
        };
        let commitment = order.words.as_ref().map(|words| self.0.words.mac(words.expose().as_bytes()));
        let words = match order.words {
            Some(words) => Some(self.attest(words).await?),
            None => None,
        };
        let request = TokenRequest {
            principal: Principal {
                subject,
                actor: order.actor,
                earlier: Vec::new(),
                unit,
                task,
                run: order.run,
                token: TokenId::from_bits(self.bits()?),
            },
            audience: Audience::Gate,
            life,
            epochs: vec![state.epoch, subject_state.epoch],
            ancestors,
            parent: hash,
            bind_to,
            scope: order.scope,
            roles: Vec::new(),
            words,
            client_id: by.human().map_or_else(|| "operator".to_owned(), |human| human.to_string()),
        };
        self.grant(request, parent, (of, commitment)).await
    }

    /// A token for one task that a person begins in the console, where they typed what they want in their own words: these are
    /// attested. It lives as long as a task's token can; the agent's program is given it by hand.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Request`] if nobody is behind it, and as [`Office::task_token`].
    pub async fn begin_task(&self, by: &By, agent: AgentId, words: &str) -> Result<Granted, OfficeError> {
        self.allow(by, Operation::Task).await?;
        let nobody = OfficeError::Request { why: "a task is begun on a person's behalf" };
        let order = TaskOrder {
            actor: Actor::Agent(agent),
            subject: by.human().ok_or(nobody)?,
            words: (!words.is_empty()).then(|| SecretText::copy_of(words)),
            run: None,
            life: TOKEN_LIFE_MAX,
            bind_to: None,
            scope: None,
            task: None,
        };
        self.task_token(by, order).await
    }

    /// Puts a person's words on the shelf, sealed for the gate; durable when it returns. The same words are sealed once, as
    /// long as they are remembered: a task's tokens are renewed every few minutes.
    async fn attest(&self, words: SecretText) -> Result<Sha256Digest, OfficeError> {
        if words.expose().len() > WORDS_BYTES_MAX {
            return Err(OfficeError::Request { why: "the words are longer than 64 KiB" });
        }
        let known = self.0.words.mac(words.expose().as_bytes());
        let mut attested = self.0.attested.lock().await;
        if let Some((_, digest)) = attested.iter().find(|(mac, _)| *mac == known) {
            return Ok(*digest);
        }
        let sealed = self.0.words_key.seal(&words, &*self.0.entropy)?;
        let shelf = self.0.ledger.shelf();
        let put = tokio::task::spawn_blocking(move || shelf.put(&sealed));
        let digest = put.await.map_err(|_| OfficeError::Stopping)??;
        if attested.len() >= ATTESTED_MAX {
            attested.pop_front();
        }
        attested.push_back((known, digest));
        Ok(digest)
    }

    /// A token for the office with all roles of a person. The operator may have one for anybody, to begin with; a
    /// person for themselves, one that descends from the token that they came with and ends with it at the latest: to
    /// hand on, never to go on for longer.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Barred`], [`OfficeError::Token`] for a life out of bounds,
    /// [`OfficeError::Exchange`] if nothing is left of the token that they came with, [`OfficeError::Request`] if it
    /// descends from too many; else what store and ledger say.
    pub async fn office_token(
        &self,
        by: &By,
        human: HumanId,
        life: Duration,
    ) -> Result<Granted, OfficeError> {
        if !by.may(Operation::OfficeTokenForOthers) && by.human() != Some(human) {
            return Err(self.denied(by, Operation::OfficeTokenForOthers).await);
        }
        let actor = Actor::Human(human);
        let (state, unit) = self.may_act(actor).await?;
        let Lineage { parent, hash, ancestors, bind_to, life } = self.lineage(by, None, life)?;
        let request = TokenRequest {
            principal: Principal {
                subject: actor,
                actor,
                earlier: Vec::new(),
                unit,
                task: TaskId::from_bits(self.bits()?),
                run: None,
                token: TokenId::from_bits(self.bits()?),
            },
            audience: Audience::Office,
            life,
            epochs: vec![state.epoch, state.epoch],
            ancestors,
            parent: hash,
            bind_to,
            scope: None,
            roles: self.roles_of(human),
            words: None,
            client_id: by.human().map_or_else(|| "operator".to_owned(), |human| human.to_string()),
        };
        self.grant(request, parent, (TaskOf::Before, None)).await
    }

    /// Who holds an office token, with the roles that count now: those of the token that the plan in force still
    /// gives. `dpop` is what [`Office::dpop`] gave for the proof beside the request, if there was one; it is used up.
    ///
    /// # Errors
    /// [`OfficeError::Token`], [`OfficeError::Revoked`], [`OfficeError::Barred`], [`OfficeError::Unbound`],
    /// [`OfficeError::Replayed`], [`OfficeError::Crowded`].
    pub async fn verify_office(&self, token: &str, dpop: Option<&Proof>) -> Result<By, OfficeError> {
        let verified = self.0.office.verify(token, self.now())?;
        self.still_good(&verified).await?;
        let credential = verified.get();
        let Actor::Human(id) = credential.principal.actor else {
            return Err(OfficeError::Token(TokenError::Chain));
        };
        if credential.bound_to.is_some() && credential.bound_to.as_deref() != dpop.map(Proof::thumbprint) {
            return Err(OfficeError::Unbound { actor: id.to_string() });
        }
        self.use_up(Actor::Human(id), dpop)?;
        let now = self.roles_of(id);
        let roles = credential.roles.iter().copied().filter(|role| now.contains(role)).collect();
        Ok(By::Human { id, roles, token: Some(Box::new(Held::of(credential))) })
    }

    /// Who holds the key of the credential that an assertion is of, if they may act. Only then assertion and proof are
    /// used up.
    async fn client(&self, compact: &str, dpop: Option<&Proof>) -> Result<Client, OfficeError> {
        let claimed = claimed_credential(compact).ok_or(OfficeError::Client)?;
        let (actor, key) = self.credential(claimed).await?.ok_or(OfficeError::Client)?;
        let now = self.now();
        let proof = assertion::verify(compact, claimed, &key, self.0.issuer.name(), now)?.into_inner();
        let Some(issued) = issued_at(compact) else {
            let why = "`iat` is missing, so that a replay could not be seen".to_owned();
            return Err(AssertionError::Claims { why }.into());
        };
        let (state, unit) = self.may_act(actor).await?;
        self.0.replay.take(actor, proof.id, issued, proof.forget, now)?;
        self.use_up(actor, dpop)?;
        Ok(Client { credential: claimed, actor, state, unit })
    }

    /// What a token has from the one that somebody came with who asks for it; from none, what was asked for.
    fn lineage(&self, by: &By, bind_to: Option<String>, life: Duration) -> Result<Lineage, OfficeError> {
        let Some(held) = by.token() else {
            return Ok(Lineage { parent: None, hash: None, ancestors: Vec::new(), bind_to, life });
        };
        let left = held.expires.since(self.now());
        if left < Duration::from_secs(1) {
            return Err(ExchangeError::Ended.into());
        }
        if held.ancestors.len() >= ANCESTORS_MAX {
            return Err(OfficeError::Request { why: "the token that asks descends from too many others" });
        }
        let mut ancestors = Vec::with_capacity(held.ancestors.len().saturating_add(1));
        ancestors.push(held.token);
        ancestors.extend_from_slice(&held.ancestors);
        Ok(Lineage {
            parent: Some(held.token),
            hash: Some(held.hash),
            ancestors,
            bind_to: bind_to.or_else(|| held.bound_to.clone()),
            life: life.min(left),
        })
    }

    /// Whether everybody in the chain may still act and nothing was revoked since.
    async fn still_good(&self, verified: &Verified<Credential>) -> Result<(), OfficeError> {
        let credential = verified.get();
        for (actor, epoch) in &credential.epochs {
            let (state, _) = self.may_act(*actor).await?;
            if *epoch < state.epoch {
                return Err(OfficeError::Revoked);
            }
        }
        let mut tokens = vec![credential.principal.token.to_string()];
        tokens.extend(credential.ancestors.iter().map(TokenId::to_string));
        let revoked = self
            .0
            .store
            .read(move |tx| {
                let mut select = tx.prepare("SELECT 1 FROM revoked WHERE token = ?1")?;
                for token in &tokens {
                    if select.exists([token])? {
                        return Ok::<_, OfficeError>(true);
                    }
                }
                Ok(false)
            })
            .await?;
        if revoked { Err(OfficeError::Revoked) } else { Ok(()) }
    }

    pub(crate) fn roles_of(&self, human: HumanId) -> Vec<Role> {
        let plan = self.current();
        plan.humans.values().find(|one| one.id == human).map(|one| one.spec.roles.clone()).unwrap_or_default()
    }

    fn bound_if_required(&self, actor: Actor, key: Option<&str>) -> Result<(), OfficeError> {
        let Actor::Agent(id) = actor else { return Ok(()) };
        let required = self.current().agent(id).is_some_and(|(_, agent)| agent.dpop == DpopRule::Required);
        if required && key.is_none() {
            Err(OfficeError::Unbound { actor: actor.to_string() })
        } else {
            Ok(())
        }
    }

    async fn is_task_of(&self, task: TaskId, actor: Actor, subject: Actor) -> Result<(), OfficeError> {
        // The token that began it may not have been followed yet.
        self.catch_up().await?;
        let known: Option<i64> = self
            .0
            .store
            .read(move |tx| {
                let sql = "SELECT entry FROM issued WHERE task = ?1 AND actor = ?2 AND subject = ?3 LIMIT 1";
                let found = params![task.to_string(), actor.to_string(), subject.to_string()];
                Ok::<_, OfficeError>(tx.query_row(sql, found, |row| row.get(0)).optional()?)
            })
            .await?;
        known.map(|_| ()).ok_or(OfficeError::Request { why: "the task is not one of this actor and person" })
    }

    /// Mints, records, hands out: in this order, so that no token works that is not in the record.
    async fn grant(
        &self,
        request: TokenRequest,
        parent: Option<TokenId>,
        (task, words): (TaskOf, Option<Sha256Digest>),
    ) -> Result<Granted, OfficeError> {
        let now = self.now();
        let minted = self.0.issuer.mint(&request, now)?;
        let access_token = SecretText::new(minted.compact);
        let principal = &request.principal;
        let issued = Issued {
            actor: principal.actor,
            begins: task == TaskOf::New,
            by: None,
            epoch: request.epochs.first().copied().unwrap_or(0),
            expires: minted.expires,
            kind: match request.audience {
                Audience::Gate => TokenKind::Gate,
                Audience::Office => TokenKind::Office,
            },
            parent,
            run: principal.run,
            subject: principal.subject,
            task: Some(principal.task),
            token: principal.token,
            words: words.map(digest_of),
        };
        self.note(Event::Issued(issued)).await?;
        Ok(Granted {
            access_token,
            token: principal.token,
            expires: minted.expires,
            expires_in_s: minted.expires.since(now).as_secs(),
            task: principal.task,
            bound: request.bind_to.is_some(),
            scope: request.scope,
        })
    }
}

/// A program that proved its key and may act.
struct Client {
    credential: CredentialId,
    actor: Actor,
    state: ActorState,
    unit: UnitId,
}

/// Whether the task of a token began with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum TaskOf {
    New,
    /// It may have been there before.
    Before,
}

/// What a new token has from the one before it.
struct Lineage {
    parent: Option<TokenId>,
    hash: Option<Sha256Digest>,
    ancestors: Vec<TokenId>,
    bind_to: Option<String>,
    life: Duration,
}

/// Most tokens that an office token descends from: who hands one on has no need of more.
const ANCESTORS_MAX: usize = 16;

/// The set of these keys by their thumbprints.
pub(crate) fn key_set(keys: &[Jwk]) -> Result<KeySet, OfficeError> {
    let mut set = KeySet::new();
    for key in keys {
        set.insert(key.clone())?;
    }
    Ok(set)
}

/// The task of an actor that starts by itself.
fn own_task(actor: Actor, state: ActorState) -> TaskId {
    TaskId::from_bits(
        sha256(format!("alcaide own task\n{actor}\n{}", state.epoch).as_bytes()).leading_bits128(),
    )
}

/// `iat` of a token whose signature was verified.
fn issued_at(compact: &str) -> Option<Moment> {
    #[derive(Deserialize)]
    struct Issued {
        iat: u64,
    }
    let payload = URL_SAFE_NO_PAD.decode(compact.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Issued>(&payload).ok().map(|read| Moment::from_secs(read.iat))
}
