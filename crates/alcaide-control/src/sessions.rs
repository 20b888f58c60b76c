//! How people come to the console: a one-time link, then a session.
//!
//! The operator (or an administrator) opens a link for a person; the link goes to that person by hand and is shown
//! once. Redeeming it uses it up and opens a session. Both are 256 random bits; the store keeps their SHA-256 only.
//! A session says who it is, never what they may do: the roles are those of the plan in force at each request, and
//! somebody who was stopped, is quarantined or has left has no session any more, whatever comes later.
//!
//! **Order.** A link is in the record before it works. When it is redeemed it is first used up, then the session is in
//! the record, then it works: a crash between loses a link and opens nothing.

use std::time::Duration;

use alcaide_inventory::declare::{Role, Standing};
use alcaide_inventory::{Actor, HumanId, Moment, Name};
use alcaide_record::{Event, OfficeAct};
use alcaide_seal::SecretText;
use alcaide_seal::digest::{HmacKey, Sha256Digest};
use alcaide_seal::random::bytes32;
use alcaide_store::rusqlite::{Connection, OptionalExtension as _, params};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::{Office, detached};
use crate::sql::{actor_of, int, moment, nat};

/// How long a link is good: long enough to carry it to a browser, no longer.
pub const LINK_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long a session lives at most: a working day. Whoever found an open browser has it no longer than that.
pub const SESSION_LIFE: Duration = Duration::from_secs(8 * 60 * 60);
/// How long a session lives without a request that a person made.
pub const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);
/// Most sessions of one person; one more ends the one that was not used for longest.
pub const SESSIONS_MAX: u32 = 16;
/// The time of use is written only when it is older than this: looking at pages is no load on the disk.
const SEEN_EVERY: Duration = Duration::from_secs(60);
/// Longest secret that is looked at, in bytes.
const SECRET_BYTES_MAX: usize = 128;
/// What a form token is a code over.
const FORM: &[u8] = b"alcaide console form 1";
/// What every link and session begins with, so that one that leaks is recognised.
const LINK_PREFIX: &str = "alclnk_";
const SESSION_PREFIX: &str = "alcses_";

/// A one-time link's secret. Shown once.
#[derive(Debug)]
pub struct ConsoleLink {
    /// The secret.
    pub secret: SecretText,
    /// Whom it lets in.
    pub human: HumanId,
    /// Good until.
    pub expires: Moment,
}

/// A session that was just opened. Its secret goes into the browser's cookie and nowhere else.
#[derive(Debug)]
pub struct Opened {
    /// The secret.
    pub secret: SecretText,
    /// Ends at the latest then.
    pub expires: Moment,
}

/// Whether a request counts as use: what a page asks for by itself does not keep a session alive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Touch {
    /// A person did it.
    Used,
    /// A page did it by itself.
    Watching,
}

/// A session that holds now.
#[derive(Debug)]
pub struct Session {
    /// Who, with the roles that the plan in force gives.
    pub by: By,
    /// The person's handle.
    pub name: Name,
    /// Those roles.
    pub roles: Vec<Role>,
    /// Ends at the latest then.
    pub expires: Moment,
    /// What a form of this session carries.
    pub form: FormToken,
}

/// The anti-forgery token of a session's forms: HMAC-SHA-256 under the session's secret, so that only who holds the
/// session can make it and the secret does not show from it.
#[derive(Debug)]
pub struct FormToken {
    key: HmacKey,
    text: String,
}

impl FormToken {
    fn of(secret: &SecretText) -> Self {
        let key = HmacKey::new(secret.expose().as_bytes());
        let text = key.mac(FORM).to_string();
        Self { key, text }
    }

    /// The text that a form carries.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a form that came back carries it; compared in constant time.
    #[must_use]
    pub fn holds(&self, given: &str) -> bool {
        given.parse::<Sha256Digest>().is_ok_and(|code| self.key.verify(FORM, &code))
    }
}

impl Office {
    /// Opens a one-time link for a person who may act. A new link takes the place of the one before.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Barred`]; else what store and ledger say.
    pub async fn open_link(&self, by: &By, human: HumanId) -> Result<ConsoleLink, OfficeError> {
        self.allow(by, Operation::OpenLink).await?;
        self.may_act(Actor::Human(human)).await?;
        let secret = self.drawn(LINK_PREFIX)?;
        self.note(Event::Office(OfficeAct::LinkOpened { by: by.human(), human })).await?;
        let (hash, now) = (secret.hash().to_string(), self.now());
        let expires = now + LINK_LIFE;
        self.0
            .store
            .run(move |tx| {
                let gone = "DELETE FROM console_link WHERE expires <= ?1 OR human = ?2";
                tx.execute(gone, params![moment(now), human.to_string()])?;
                let sql = "INSERT INTO console_link (hash, human, expires) VALUES (?1, ?2, ?3)";
                tx.execute(sql, params![hash, human.to_string(), moment(expires)])?;
                Ok::<_, OfficeError>(())
            })
            .await?;
        Ok(ConsoleLink { secret, human, expires })
    }

    /// Uses a link up and opens a session.
    ///
    /// # Errors
    /// [`OfficeError::Link`] if the link is unknown, used up or too old; [`OfficeError::Barred`] if the person may not
    /// act any more; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped; the link is used up then.
    pub async fn redeem(&self, link: &SecretText) -> Result<Opened, OfficeError> {
        let hash = hash_of(link).ok_or(OfficeError::Link)?;
        let own = self.clone();
        detached(async move {
            own.keeps_up()?;
            let now = own.now();
            let found: Option<(String, i64)> = own
                .0
                .store
                .run(move |tx| {
                    // Looked up and used up in one transaction: two at once with one link are one.
                    let sql = "DELETE FROM console_link WHERE hash = ?1 RETURNING human, expires";
                    let row = tx.query_row(sql, [hash], |row| Ok((row.get(0)?, row.get(1)?)));
                    Ok::<_, OfficeError>(row.optional()?)
                })
                .await?;
            let (human, until) = found.ok_or(OfficeError::Link)?;
            let Some(Actor::Human(human)) = actor_of(&human).filter(|_| now.micros() < nat(until)) else {
                return Err(OfficeError::Link);
            };
            let (state, _) = own.may_act(Actor::Human(human)).await?;
            let secret = own.drawn(SESSION_PREFIX)?;
            own.note(Event::Office(OfficeAct::SessionOpened { by: human })).await?;
            let (hash, expires) = (secret.hash().to_string(), now + SESSION_LIFE);
            own.0.store.run(move |tx| begin(tx, &hash, human, state.epoch, now, expires)).await?;
            Ok(Opened { secret, expires })
        })
        .await
    }

    /// Who holds a session.
    ///
    /// # Errors
    /// [`OfficeError::Session`] if it is unknown or has ended, or its holder may not act any more;
    /// [`OfficeError::Behind`]; else what the store says.
    pub async fn session(&self, secret: &SecretText, touch: Touch) -> Result<Session, OfficeError> {
        let hash = hash_of(secret).ok_or(OfficeError::Session)?;
        // Who was stopped is not known then; the session is neither believed nor ended.
        self.keeps_up()?;
        let wanted = hash.clone();
        type Row = (String, i64, i64, i64);
        let found: Option<Row> = self
            .0
            .store
            .read(move |tx| {
                let sql = "SELECT human, epoch, seen, expires FROM console_session WHERE hash = ?1";
                let row = tx
                    .query_row(sql, [wanted], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
                Ok::<_, OfficeError>(row.optional()?)
            })
            .await?;
        let (human, epoch, seen, expires) = found.ok_or(OfficeError::Session)?;
        let Some(Actor::Human(id)) = actor_of(&human) else { return Err(OfficeError::Session) };
        let (seen, expires) = (Moment::from_micros(nat(seen)), Moment::from_micros(nat(expires)));
        let now = self.now();
        let lives = now < expires && now.since(seen) < SESSION_IDLE;
        let may = lives
            && match self.may_act(Actor::Human(id)).await {
                Ok((state, _)) => nat(epoch) >= state.epoch,
                Err(OfficeError::Barred { .. }) => false,
                // Not known for the moment: that ends no session.
                Err(error) => return Err(error),
            };
        let plan = self.current();
        let placed = plan.humans.iter().find(|(_, one)| one.id == id);
        let Some((name, _)) = placed.filter(|_| may) else {
            self.drop_session(hash).await?;
            return Err(OfficeError::Session);
        };
        if touch == Touch::Used && now.since(seen) >= SEEN_EVERY {
            let sql = "UPDATE console_session SET seen = ?2 WHERE hash = ?1";
            let wrote = self
                .0
                .store
                .run(move |tx| Ok::<_, OfficeError>(tx.execute(sql, params![hash, moment(now)])?));
            wrote.await?;
        }
        let roles = self.roles_of(id);
        let by = By::Human { id, roles: roles.clone(), token: None };
        Ok(Session { by, name: name.clone(), roles, expires, form: FormToken::of(secret) })
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`OfficeError::Session`] if there is none; else what store and ledger say.
    pub async fn end_session(&self, secret: &SecretText) -> Result<(), OfficeError> {
        let session = self.session(secret, Touch::Watching).await?;
        if let Some(hash) = hash_of(secret) {
            self.drop_session(hash).await?;
        }
        if let Some(by) = session.by.human() {
            self.note(Event::Office(OfficeAct::SessionEnded { by })).await?;
        }
        Ok(())
    }

    /// Forgets links and sessions of everybody who is not active in the plan in force, so that somebody who comes back
    /// comes by a new link.
    pub(crate) async fn forget_the_gone(&self) -> Result<(), OfficeError> {
        let plan = self.current();
        self.0
            .store
            .run(move |tx| {
                for human in holders(tx)? {
                    let active = plan
                        .humans
                        .values()
                        .any(|one| one.id == human && one.spec.standing == Standing::Active);
                    if !active {
                        forget(tx, human)?;
                    }
                }
                Ok::<_, OfficeError>(())
            })
            .await
    }

    async fn drop_session(&self, hash: String) -> Result<(), OfficeError> {
        let sql = "DELETE FROM console_session WHERE hash = ?1";
        self.0.store.run(move |tx| Ok::<_, OfficeError>(tx.execute(sql, [hash])?)).await.map(|_| ())
    }

    fn drawn(&self, prefix: &str) -> Result<SecretText, OfficeError> {
        let drawn = bytes32(&self.0.entropy)?;
        Ok(SecretText::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(&drawn[..]))))
    }
}

/// Forgets a person's links and sessions.
pub(crate) fn forget(tx: &Connection, human: HumanId) -> Result<(), OfficeError> {
    let human = human.to_string();
    tx.execute("DELETE FROM console_session WHERE human = ?1", [&human])?;
    tx.execute("DELETE FROM console_link WHERE human = ?1", [&human])?;
    Ok(())
}

/// Everybody who holds a link or a session.
fn holders(tx: &Connection) -> Result<Vec<HumanId>, OfficeError> {
    let sql = "SELECT human FROM console_session UNION SELECT human FROM console_link";
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let human: String = row.get(0)?;
        if let Some(Actor::Human(id)) = actor_of(&human) {
            all.push(id);
        }
    }
    Ok(all)
}

fn begin(
    tx: &Connection,
    hash: &str,
    human: HumanId,
    epoch: u64,
    now: Moment,
    expires: Moment,
) -> Result<(), OfficeError> {
    let idle = moment(now - SESSION_IDLE);
    tx.execute("DELETE FROM console_session WHERE expires <= ?1 OR seen <= ?2", params![moment(now), idle])?;
    // One place is made for the new one.
    let crowd = "DELETE FROM console_session WHERE human = ?1 AND hash NOT IN \
                 (SELECT hash FROM console_session WHERE human = ?1 ORDER BY seen DESC, hash LIMIT ?2)";
    tx.execute(crowd, params![human.to_string(), SESSIONS_MAX - 1])?;
    let sql = "INSERT INTO console_session (hash, human, epoch, opened, seen, expires) \
               VALUES (?1, ?2, ?3, ?4, ?4, ?5)";
    tx.execute(sql, params![hash, human.to_string(), int(epoch), moment(now), moment(expires)])?;
    Ok(())
}

/// The hash by which a secret is kept; `None` for what is none by its length.
fn hash_of(secret: &SecretText) -> Option<String> {
    let text = secret.expose();
    (text.len() <= SECRET_BYTES_MAX && !text.is_empty()).then(|| secret.hash().to_string())
}
