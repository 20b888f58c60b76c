//! The office itself: what it is made of, how it begins, how it follows the ledger.
//!
//! **Order of every change.** What the ledger may not hold (names, Cedar text, keys, sealed secrets) goes into the
//! store first, in a row that is not in force; then the entry is appended and durable; then the follower, which reads
//! the entry back, puts the row into force and moves its own index on, in one transaction. What the ledger can say in
//! full (orders, tokens) goes there first and alone. A crash between any two steps leaves either nothing in force or
//! an entry that the follower finds at the next start: [`Office::open`] follows to the end before it returns. Rows
//! that never got their entry are removed then.
//!
//! Changes run in tasks of their own, so that a caller who hangs up in the middle changes nothing about them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use alcaide_identity::spiffe::TrustDomain;
use alcaide_identity::{Audience, Issuer, Verifier};
use alcaide_inventory::declare::{Declarations, Standing};
use alcaide_inventory::{Actor, Moment, Plan, PlanNumber, UnitId};
use alcaide_ledger::Ledger;
use alcaide_record::{Digest, Entry, Event, Made, OfficeAct};
use alcaide_seal::digest::{HmacKey, Sha256Digest, sha256};
use alcaide_seal::ecdsa::PrivateKey;
use alcaide_seal::random::bits128;
use alcaide_seal::words::WordsKey;
use alcaide_seal::{Entropy, Jwk, MasterKey, Signer};
use alcaide_store::Store;
use alcaide_store::rusqlite::OptionalExtension as _;
use tokio::sync::{Mutex, Semaphore, watch};

use crate::approvals::YesLimits;
use crate::by::{By, Operation};
use crate::error::{OfficeError, cut};
use crate::lag::Lag;
use crate::plans::Wanted;
use crate::project;
use crate::prune;
use crate::replay::Replay;
use crate::sql::{actor_of, from_json, int, nat};
use crate::studies::STUDIES_MAX;
use crate::tokens::key_set;
use crate::view::ActorState;

/// Tells the time; brought in, because the office reads no clock of its own.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// Says whether a plan could be put to use by whoever judges calls by it; what is wrong, for people.
pub type Trial = Arc<dyn Fn(&Plan) -> Result<(), String> + Send + Sync>;

/// The keys that the office uses.
pub struct Keys {
    /// Signs tokens.
    pub tokens: Signer,
    /// Public keys whose tokens are still good besides those of `tokens`: the ones before the last rotation.
    pub also_valid: Vec<Jwk>,
    /// Public keys that the gate's statements about labels are verified with.
    pub labels: Vec<Jwk>,
    /// Seals upstream secrets.
    pub master: Arc<MasterKey>,
    /// Makes commitments to the users' words.
    pub words: HmacKey,
    /// Signs evidence about models.
    pub evidence: Arc<PrivateKey>,
}

/// All that an office is made of.
pub struct Parts {
    /// Where it is kept; made or opened with [`crate::MIGRATIONS`].
    pub store: Store,
    /// Where it is proven.
    pub ledger: Ledger,
    /// The ledger's folder, for backups.
    pub ledger_dir: PathBuf,
    /// The keys.
    pub keys: Keys,
    /// The time.
    pub clock: Clock,
    /// Randomness for ids and enrolment tokens.
    pub entropy: Arc<dyn Entropy>,
    /// The issuer's URL (`iss`), which is also the audience of client assertions.
    pub issuer: String,
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// Where plans go down to the gate.
    pub plans: watch::Sender<Arc<Plan>>,
    /// How long the store keeps orders, questions and bodies of plans that are out of force.
    pub kept: Duration,
    /// How often one person says yes within an hour.
    pub yes_limits: YesLimits,
}

/// Longest wait for the gate to take up a plan: compiling a large one takes a second.
const ADOPTION_WAIT: Duration = Duration::from_secs(5);

/// The newest plan that the gate judges by, as whoever puts the two together tells it.
pub type Adopted = watch::Receiver<Option<PlanNumber>>;

/// The office. Clones share it.
#[derive(Clone)]
pub struct Office(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) ledger_dir: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) issuer: Issuer,
    pub(crate) gate: Verifier,
    pub(crate) office: Verifier,
    pub(crate) public: Vec<Jwk>,
    pub(crate) labels: Vec<Jwk>,
    pub(crate) master: Arc<MasterKey>,
    pub(crate) words: HmacKey,
    pub(crate) evidence: Arc<PrivateKey>,
    pub(crate) words_key: WordsKey,
    /// Words that were sealed last, by their commitment.
    pub(crate) attested: Mutex<VecDeque<(Sha256Digest, Sha256Digest)>>,
    pub(crate) plans: watch::Sender<Arc<Plan>>,
    pub(crate) kept: Duration,
    pub(crate) yes_limits: YesLimits,
    pub(crate) replay: Replay,
    pub(crate) started: Moment,
    /// Held by whoever changes what is declared or enrolled, or copies it: one after another.
    pub(crate) desk: Arc<Mutex<()>>,
    /// Held by whoever gives an order that depends on the ones before; never for long, so that a kill waits for
    /// nothing.
    pub(crate) bench: Mutex<()>,
    /// Held by whoever enters or orders something about a model: what depends on what is known of it.
    pub(crate) registry: Mutex<()>,
    /// Held by whoever follows the ledger: the plan that was last brought wholly into force, links and sessions of those
    /// who are gone from it forgotten.
    following: Mutex<Option<PlanNumber>>,
    pub(crate) lag: Lag,
    /// The greatest epoch of anybody when the office was opened.
    pub(crate) epochs: OnceLock<u64>,
    /// Held by whoever makes something of policies that nobody has to wait for.
    pub(crate) studies: Arc<Semaphore>,
    pub(crate) trial: OnceLock<Trial>,
    pub(crate) adopted: OnceLock<Adopted>,
}

impl Office {
    /// Begins the state: the ledger's first entry and plan 1, in which nothing is declared.
    ///
    /// Begun and not finished (a crash), it may be called again.
    ///
    /// # Errors
    /// [`OfficeError::Made`] if there is a plan in force already; else what store and ledger say.
    pub async fn create(parts: Parts) -> Result<Self, OfficeError> {
        let office = Self::with(parts)?;
        office.catch_up().await?;
        if office.load_current().await?.is_some() {
            return Err(OfficeError::Made);
        }
        if office.0.ledger.size() == 0 {
            let note = office.0.ledger.checkpoint_now().await?.note;
            let origin = note.lines().next().unwrap_or_default();
            let key = office.0.public.first().map(|key| *key.thumbprint().digest());
            let made = Made {
                origin: digest_of(sha256(origin.as_bytes())),
                token_key: digest_of(key.unwrap_or_else(|| sha256(b""))),
            };
            office.record(Event::Made(made)).await?;
        }
        let desk = office.desk().await?;
        office.commit(desk, None, Wanted::first(Declarations::empty())).await?;
        Ok(office)
    }

    /// Opens the state, follows the ledger to its end and sends the plan in force down. Never begins a state.
    ///
    /// # Errors
    /// [`OfficeError::NotMade`] if it was never begun; [`OfficeError::Diverged`] if store and ledger do not belong
    /// together; else what they say.
    pub async fn open(parts: Parts) -> Result<Self, OfficeError> {
        let office = Self::with(parts)?;
        let size = office.0.ledger.size();
        let next = office.0.store.read(|tx| project::next(tx)).await?;
        if next > size {
            let why = format!("the store has followed {next} entries, but the ledger has {size}");
            return Err(OfficeError::Diverged { why });
        }
        office.catch_up().await?;
        office
            .0
            .store
            .run(|tx| {
                tx.execute("DELETE FROM plan WHERE entry IS NULL", [])?;
                tx.execute("DELETE FROM credential WHERE entry IS NULL", [])?;
                Ok::<_, OfficeError>(())
            })
            .await?;
        if office.0.following.lock().await.is_none() {
            return Err(OfficeError::NotMade);
        }
        let greatest = "SELECT coalesce(max(epoch), 0) FROM actor_state";
        let read = office
            .0
            .store
            .read(move |tx| Ok::<_, OfficeError>(nat(tx.query_row(greatest, [], |row| row.get(0))?)));
        // An error means that it was set already, and nothing else sets it.
        let _ = office.0.epochs.set(read.await?);
        office.converge().await?;
        Ok(office)
    }

    fn with(parts: Parts) -> Result<Self, OfficeError> {
        let Parts {
            store,
            ledger,
            ledger_dir,
            keys,
            clock,
            entropy,
            issuer,
            trust_domain,
            plans,
            kept,
            yes_limits,
        } = parts;
        let Keys { tokens, also_valid, labels, master, words, evidence } = keys;
        let mut public = vec![tokens.public().clone()];
        public.extend(also_valid);
        let keys = key_set(&public)?;
        let verifier = |audience| Verifier::new(issuer.clone(), trust_domain.clone(), audience, keys.clone());
        let started = clock();
        Ok(Self(Arc::new(Inner {
            gate: verifier(Audience::Gate),
            office: verifier(Audience::Office),
            issuer: Issuer::new(issuer.clone(), trust_domain.clone(), tokens),
            store,
            ledger,
            ledger_dir,
            clock,
            entropy,
            public,
            labels,
            words_key: WordsKey::derive(&master)?,
            attested: Mutex::new(VecDeque::new()),
            master,
            words,
            evidence,
            plans,
            kept,
            yes_limits,
            replay: Replay::since(started),
            started,
            desk: Arc::new(Mutex::new(())),
            bench: Mutex::new(()),
            registry: Mutex::new(()),
            following: Mutex::new(None),
            lag: Lag::default(),
            epochs: OnceLock::new(),
            studies: Arc::new(Semaphore::new(STUDIES_MAX)),
            trial: OnceLock::new(),
            adopted: OnceLock::new(),
        })))
    }

    /// From now on a plan comes into force only if `trial` finds that it can be used; given once, later calls change
    /// nothing. The office knows nothing of who tries it.
    pub fn try_plans_with(&self, trial: Trial) {
        // An error means that there is one already.
        let _ = self.0.trial.set(trial);
    }

    /// From now on whoever brings a plan into force is told whether the gate has taken it up; given once, later calls
    /// change nothing. The office knows nothing of who takes it up.
    pub fn hear_adopted(&self, adopted: Adopted) {
        // An error means that there is one already.
        let _ = self.0.adopted.set(adopted);
    }

    /// Whether the gate judges by plan `number` or a newer one; waits [`ADOPTION_WAIT`] for it at most.
    pub(crate) async fn is_adopted(&self, number: PlanNumber) -> bool {
        let Some(adopted) = self.0.adopted.get() else { return false };
        let mut adopted = adopted.clone();
        let there = adopted.wait_for(|newest| newest.is_some_and(|newest| newest >= number));
        matches!(tokio::time::timeout(ADOPTION_WAIT, there).await, Ok(Ok(_)))
    }

    /// Follows the ledger until it is closed. Run it as one task; without it only what this office itself records is
    /// followed.
    ///
    /// # Errors
    /// What store and ledger say; then the projections stand still and the office should be opened again.
    ///
    /// # Cancel safety
    /// Cancel safe: an entry is followed wholly or not at all.
    pub async fn follow(&self) -> Result<(), OfficeError> {
        loop {
            let next = self.catch_up().await?;
            // The entry is read again by `catch_up`; here it only says that there is one.
            if self.0.ledger.follow(next).next().await?.is_none() {
                return Ok(());
            }
            // Entries come in crowds: waiting a little makes one transaction of many, and leaves the disk to the ledger.
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
    }

    /// Follows what is in the ledger now; returns the index of the first entry that was not followed.
    ///
    /// # Errors
    /// [`OfficeError::Entry`] for an entry of a newer version, [`OfficeError::Diverged`] for one that refers to what
    /// the store does not hold; else what store and ledger say.
    pub async fn catch_up(&self) -> Result<u64, OfficeError> {
        let followed = self.catch_up_now().await;
        self.0.lag.told(&followed);
        followed
    }

    async fn catch_up_now(&self) -> Result<u64, OfficeError> {
        let mut in_force = self.0.following.lock().await;
        let target = self.0.ledger.size();
        let mut next = self.0.store.read(|tx| project::next(tx)).await?;
        let mut reader = self.0.ledger.follow(next);
        while next < target {
            let mut batch = Vec::new();
            while next < target && u64::try_from(batch.len()).unwrap_or(u64::MAX) < FOLLOW_BATCH {
                let Some((index, leaf)) = reader.next().await? else { return Err(OfficeError::Stopping) };
                batch.push((index, leaf));
                next = index.saturating_add(1);
            }
            // Entries are read where the store is written: that is no work for the threads that serve.
            let kept = self.0.kept;
            self.0.store.run(move |tx| follow_batch(tx, &batch, kept)).await?;
        }
        // Asked each time, not only after an entry that brings a plan: what failed after such an entry was followed must
        // not leave the former plan in force.
        let newest = self.0.store.read(newest_plan).await?;
        if newest != *in_force
            && let Some(plan) = self.load_current().await?
        {
            let number = plan.number;
            self.0.plans.send_replace(Arc::new(plan));
            self.forget_the_gone().await?;
            *in_force = Some(number);
        }
        Ok(next)
    }

    /// The plan in force.
    #[must_use]
    pub fn current(&self) -> Arc<Plan> {
        Arc::clone(&self.0.plans.borrow())
    }

    /// The actor that people mean by a text: an id, or the name of an agent, workload or human in the plan in force.
    /// `agent/NAME`, `workload/NAME` and `human/NAME` say which of them.
    ///
    /// # Errors
    /// [`OfficeError::Unknown`] and [`OfficeError::Ambiguous`].
    pub fn resolve_actor(&self, text: &str) -> Result<Actor, OfficeError> {
        let plan = self.current();
        if let Some(actor) = actor_of(text) {
            return standing_of(&plan, actor)
                .map(|_| actor)
                .ok_or_else(|| OfficeError::unknown("actor", &text));
        }
        let (kind, name) = text.split_once('/').unwrap_or(("", text));
        let wanted = |this: &str| kind.is_empty() || kind == this;
        let found = [
            plan.agents.get(name).filter(|_| wanted("agent")).map(|one| Actor::Agent(one.id)),
            plan.workloads.get(name).filter(|_| wanted("workload")).map(|one| Actor::Workload(one.id)),
            plan.humans.get(name).filter(|_| wanted("human")).map(|one| Actor::Human(one.id)),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(actor), None) => Ok(actor),
            (Some(_), Some(_)) => Err(OfficeError::Ambiguous { given: cut(text) }),
            (None, _) => Err(OfficeError::unknown("actor", &cut(text))),
        }
    }

    /// What time it is for the office.
    #[must_use]
    pub fn time(&self) -> Moment {
        self.now()
    }

    pub(crate) fn now(&self) -> Moment {
        (self.0.clock)()
    }

    pub(crate) fn bits(&self) -> Result<u128, OfficeError> {
        Ok(bits128(&self.0.entropy)?)
    }

    /// Lets pass who may; a refused attempt is in the record before it is told.
    pub(crate) async fn allow(&self, by: &By, operation: Operation) -> Result<(), OfficeError> {
        if by.may(operation) { Ok(()) } else { Err(self.denied(by, operation).await) }
    }

    pub(crate) async fn denied(&self, by: &By, operation: Operation) -> OfficeError {
        let refusal = OfficeError::Forbidden { operation };
        let act = OfficeAct::Denied { by: by.human(), code: refusal.code().to_owned() };
        match self.record(Event::Office(act)).await {
            Ok(_) => refusal,
            // Refused in any case; what could not be recorded weighs more.
            Err(error) => error,
        }
    }

    /// Appends an event, durable when this returns, and follows it. Runs to its end even if dropped.
    pub(crate) async fn record(&self, event: Event) -> Result<u64, OfficeError> {
        let leaf = Entry::new(self.now(), event).to_leaf()?;
        let own = self.clone();
        detached(async move {
            let index = own.0.ledger.append(leaf).await?.index();
            own.catch_up().await?;
            Ok(index)
        })
        .await
    }

    /// Appends an event, durable when this returns, and leaves it to the follower: for what nothing waits for.
    pub(crate) async fn note(&self, event: Event) -> Result<u64, OfficeError> {
        let leaf = Entry::new(self.now(), event).to_leaf()?;
        Ok(self.0.ledger.append(leaf).await?.index())
    }

    pub(crate) async fn load_current(&self) -> Result<Option<Plan>, OfficeError> {
        self.load_plan(None).await
    }

    /// A plan that is or was in force, the newest where no number is given; believed only with the digest that the
    /// ledger holds, so that whoever changes the store changes no plan.
    pub(crate) async fn load_plan(&self, number: Option<PlanNumber>) -> Result<Option<Plan>, OfficeError> {
        let sql = "SELECT body, entry FROM plan WHERE entry IS NOT NULL AND (?1 IS NULL OR number = ?1) \
                   ORDER BY entry DESC LIMIT 1";
        let number = number.map(|number| int(number.0));
        let ledger = self.0.ledger.clone();
        self.0
            .store
            .read(move |tx| {
                let row = tx.query_row(sql, [number], |row| Ok((row.get(0)?, row.get(1)?)));
                let Some((body, entry)): Option<(String, i64)> = row.optional()? else { return Ok(None) };
                if body.is_empty() {
                    // It is not kept any more.
                    return Ok(None);
                }
                let index = nat(entry);
                let recorded = Entry::from_leaf(&ledger.read(index)?);
                let recorded = recorded.map_err(|source| OfficeError::Entry { index, source })?;
                let digest = digest_of(sha256(body.as_bytes()));
                match recorded.event {
                    Event::Planned(planned) if planned.digest == digest => from_json("plan", &body).map(Some),
                    _ => {
                        let why =
                            format!("a plan in the store has not the digest that entry {index} recorded");
                        Err(OfficeError::Diverged { why })
                    }
                }
            })
            .await
    }

    /// Epoch of an actor, and whether an order stopped it.
    pub(crate) async fn state_of(&self, actor: Actor) -> Result<ActorState, OfficeError> {
        let key = actor.to_string();
        let found: Option<(i64, bool)> = self
            .0
            .store
            .read(move |tx| {
                let mut select = tx.prepare("SELECT epoch, killed FROM actor_state WHERE actor = ?1")?;
                Ok::<_, OfficeError>(
                    select.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?,
                )
            })
            .await?;
        Ok(found.map_or_else(ActorState::default, |(epoch, killed)| ActorState { epoch: nat(epoch), killed }))
    }

    /// State and unit of an actor who may act now.
    pub(crate) async fn may_act(&self, actor: Actor) -> Result<(ActorState, UnitId), OfficeError> {
        let barred = |why| OfficeError::Barred { actor: actor.to_string(), why };
        self.keeps_up()?;
        let plan = self.current();
        let (standing, unit) = standing_of(&plan, actor).ok_or_else(|| barred("it is not declared"))?;
        match standing {
            Standing::Active => {}
            Standing::Quarantined => return Err(barred("it is quarantined")),
            Standing::Left => return Err(barred("it left")),
        }
        let state = self.state_of(actor).await?;
        if state.killed {
            return Err(barred("an order stopped it"));
        }
        Ok((state, unit))
    }
}

impl std::fmt::Debug for Office {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Office").field("plan", &self.current().number).finish_non_exhaustive()
    }
}

/// Number of the plan that was recorded last.
fn newest_plan(tx: &alcaide_store::Transaction<'_>) -> Result<Option<PlanNumber>, OfficeError> {
    let sql = "SELECT number FROM plan WHERE entry IS NOT NULL ORDER BY entry DESC LIMIT 1";
    let number: Option<i64> = tx.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(number.map(|number| PlanNumber(nat(number))))
}

fn follow_batch(
    tx: &alcaide_store::Transaction<'_>,
    batch: &[(u64, Vec<u8>)],
    kept: Duration,
) -> Result<(), OfficeError> {
    let mut next = project::next(tx)?;
    let mut following = project::Following::within(tx)?;
    let mut added = None;
    for (index, leaf) in batch {
        // What was followed before is passed over.
        if *index != next {
            continue;
        }
        let entry = Entry::from_leaf(leaf).map_err(|source| OfficeError::Entry { index: *index, source })?;
        following.follow(*index, &entry)?;
        if prune::adds(&entry.event) {
            added = Some(entry.at);
        }
        next = index.saturating_add(1);
    }
    following.finish()?;
    if let Some(at) = added {
        prune::prune(tx, at, kept)?;
    }
    project::moved(tx, next)
}

/// Runs work in a task of its own: it ends even if nobody waits for it any more.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, OfficeError>> + Send + 'static,
) -> Result<T, OfficeError> {
    tokio::spawn(work).await.unwrap_or(Err(OfficeError::Stopping))
}

pub(crate) const fn digest_of(digest: Sha256Digest) -> Digest {
    Digest(digest.into_bytes())
}

/// Standing and unit of an actor in a plan.
pub(crate) fn standing_of(plan: &Plan, actor: Actor) -> Option<(Standing, UnitId)> {
    let (standing, unit) = match actor {
        Actor::Agent(id) => {
            plan.agents.values().find(|one| one.id == id).map(|one| (one.spec.standing, &one.spec.unit))
        }
        Actor::Human(id) => {
            plan.humans.values().find(|one| one.id == id).map(|one| (one.spec.standing, &one.spec.unit))
        }
        Actor::Workload(id) => {
            plan.workloads.values().find(|one| one.id == id).map(|one| (one.spec.standing, &one.spec.unit))
        }
    }?;
    Some((standing, plan.units.get(unit)?.id))
}

/// Most entries that are followed in one transaction.
const FOLLOW_BATCH: u64 = 2_048;

/// How long the follower lets entries gather. What people see is older by so much; what the office does itself follows at
/// once.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);
