//! The house: a data directory, and the rooms within it put together.
//!
//! ```text
//! D/format           version of this layout
//! D/unfinished       only while `--init` makes it, see `begin.rs`
//! D/settings.toml    settings
//! D/keys/            master key, and sealed under it the keys that sign tokens and checkpoints
//! D/ledger/          segments, tiles, checkpoint
//! D/office.db        declarations and projections (SQLite)
//! D/memory.snapshot  what the gate remembers, as of some ledger index; authenticated
//! D/webhook/NAME     how far a webhook has come in the record; `epoch.id` says which history it is
//! D/office.sock      the operator's own way in, mode 0600
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alcaide_control::{Keys as OfficeKeys, MIGRATIONS, Office, Parts};
use alcaide_gateway::broker::Broker;
use alcaide_gateway::labels::LabelKeys;
use alcaide_gateway::mcp::stdio::Children;
use alcaide_gateway::{Gate, GateParts, orders};
use alcaide_identity::spiffe::TrustDomain;
use alcaide_identity::{Audience, Verifier};
use alcaide_inventory::{Moment, Plan, PlanNumber};
use alcaide_keys::Keys;
use alcaide_ledger::{Ledger, Options};
use alcaide_memory::Memory;
use alcaide_record::{Digest, Entry, Event, OfficeAct};
use alcaide_sandbox::Launcher;
use alcaide_seal::derive::{Purpose, SubKey};
use alcaide_seal::digest::HmacKey;
use alcaide_seal::random::SystemEntropy;
use alcaide_seal::words::WordsKey;
use alcaide_seal::{Entropy, KeySet, MasterKey, Signer};
use alcaide_store::Store;
use anyhow::{Context, Result, bail};
use tokio::sync::watch;

use crate::begin::{self, Begun};
use crate::listeners::upstream_client;
use crate::settings::Settings;
use crate::snapshot;
use crate::telemetry::Exported;

/// Version of the layout of a data directory.
pub(crate) const FORMAT: &str = "alcaide data directory, version 1\n";

/// Longest wait for the snapshot at a stop. A supervisor gives 30 s in all; the drain takes 10.
const REMEMBER_WAIT: Duration = Duration::from_secs(5);

/// Where things are in a data directory.
#[derive(Clone, Debug)]
pub(crate) struct Places(PathBuf);

impl Places {
    /// The layout below `dir`.
    pub(crate) fn of(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.0.join("format")
    }

    pub(crate) fn unfinished(&self) -> PathBuf {
        self.0.join("unfinished")
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.0.join("settings.toml")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("office.db")
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.0.join("memory.snapshot")
    }

    pub(crate) fn webhooks(&self) -> PathBuf {
        self.0.join("webhook")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("office.sock")
    }

    /// Whether there is a finished data directory.
    pub(crate) fn exists(&self) -> bool {
        self.format().exists()
    }

    /// Refuses a directory of another version, or none.
    pub(crate) fn check(&self) -> Result<()> {
        match std::fs::read_to_string(self.format()) {
            Ok(text) if text == FORMAT => Ok(()),
            Ok(text) => bail!(
                "`{}` is of another version ({}); this program reads version 1",
                self.0.display(),
                text.trim().chars().take(60).collect::<String>()
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "there is no data directory at `{}`; `alcaide up --init --data-dir {}` makes one",
                self.0.display(),
                self.0.display()
            ),
            Err(error) => Err(error).with_context(|| format!("data directory `{}`", self.0.display())),
        }
    }
}

/// The clock of the machine.
pub(crate) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// All rooms, put together.
pub(crate) struct House {
    pub(crate) places: Places,
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger,
    pub(crate) office: Office,
    pub(crate) gate: Gate,
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    /// The newest plan that the gate has taken up.
    pub(crate) adopted: watch::Sender<Option<PlanNumber>>,
    pub(crate) exported: Arc<Exported>,
    memory: Arc<Memory>,
    clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    snapshot_key: Arc<SubKey>,
    /// Ledger index from which the gate follows what others write.
    follow_from: u64,
}

impl House {
    /// Makes a data directory that keeps `kept` as its settings. What a crash leaves unfinished is not taken for one, and is made anew.
    pub(crate) async fn create(places: Places, settings: Settings, kept: &Settings) -> Result<Self> {
        if places.exists() {
            bail!("`{}` is a data directory already; start it without `--init`", places.dir().display());
        }
        let begun = Begun::at(&places, &settings)?;
        let entropy = SystemEntropy::new();
        let keys = Keys::create(&places.keys(), settings.ledger.origin.parse()?, &entropy)?;
        let Keys { master, token, note, .. } = keys;
        let ledger = Ledger::create(&places.ledger(), &options(&settings), note, &settings.ledger.origin)?;
        let store = Store::create(&places.store(), MIGRATIONS)?;
        if !places.settings().exists() {
            std::fs::write(places.settings(), toml::to_string(kept)?)?;
        }
        let house = Self::put_together(places, settings, (master, token), ledger, store, Begin::New).await?;
        begun.finish()?;
        Ok(house)
    }

    /// Opens a data directory; never makes one.
    pub(crate) async fn open(places: Places, settings: Settings) -> Result<Self> {
        places.check()?;
        begin::tighten(places.dir())?;
        begin::settle(&places)?;
        Self::open_unfinished(places, settings).await
    }

    /// Opens a data directory that was just filled from a backup, takes what was ordered after the backup into its record,
    /// and finishes it: before that it is none.
    pub(crate) async fn finish_restored(
        places: Places,
        settings: Settings,
        entries: u64,
        orders: Vec<Event>,
    ) -> Result<()> {
        let house = Self::open_unfinished(places, settings).await?;
        let done = house.replay(entries, orders).await;
        let places = house.places.clone();
        house.close().await?;
        done?;
        begin::finish(&places)?;
        Ok(())
    }

    async fn replay(&self, entries: u64, orders: Vec<Event>) -> Result<()> {
        let count = u64::try_from(orders.len()).unwrap_or(u64::MAX);
        let restored = Event::Office(OfficeAct::Restored { entries, orders: count });
        for event in std::iter::once(restored).chain(orders) {
            let _receipt = self.ledger.append(Entry::new(now(), event).to_leaf()?).await?;
        }
        self.office.catch_up().await?;
        Ok(())
    }

    async fn open_unfinished(places: Places, settings: Settings) -> Result<Self> {
        let Keys { master, token, note, .. } = Keys::open(&places.keys())?;
        let ledger = Ledger::open(&places.ledger(), &options(&settings), note, &settings.ledger.origin)?;
        let store = Store::open(&places.store(), MIGRATIONS)?;
        Self::put_together(places, settings, (master, token), ledger, store, Begin::There).await
    }

    async fn put_together(
        places: Places,
        settings: Settings,
        (master, token): (MasterKey, Signer),
        ledger: Ledger,
        store: Store,
        begin: Begin,
    ) -> Result<Self> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
        let clock: Arc<dyn Fn() -> Moment + Send + Sync> = Arc::new(now);
        let trust_domain: TrustDomain = settings.office.trust_domain.parse()?;
        let issuer = settings.issuer();
        let commitments = SubKey::derive(&master, Purpose::Commitments)?;
        let label = alcaide_keys::label_key(&places.keys(), &master, &*entropy)?;
        let evidence = alcaide_keys::evidence_key(&places.keys(), &master, &*entropy)?;
        let snapshot_key = Arc::new(SubKey::derive(&master, Purpose::SnapshotMac)?);
        let mut trusted = KeySet::new();
        trusted.insert(token.public().clone())?;
        let master = Arc::new(master);
        let (sender, plans) = watch::channel(Arc::new(Plan::default()));
        let parts = Parts {
            store,
            ledger: ledger.clone(),
            ledger_dir: places.ledger(),
            keys: OfficeKeys {
                tokens: token,
                also_valid: Vec::new(),
                labels: vec![label.public().clone()],
                master: Arc::clone(&master),
                words: HmacKey::new(commitments.expose()),
                evidence: Arc::new(evidence),
            },
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            issuer: issuer.clone(),
            trust_domain: trust_domain.clone(),
            plans: sender,
            kept: settings.kept()?,
            yes_limits: settings.yes_limits()?,
        };
        let office = match begin {
            Begin::New => Office::create(parts).await?,
            Begin::There => Office::open(parts).await?,
        };
        // Orders and labels come before the listener: a restart never resurrects a killed agent.
        let memory = match begin {
            Begin::New => Memory::empty(),
            Begin::There => restore(&places.snapshot(), &snapshot_key, &ledger).await,
        };
        orders::rebuild(&ledger, &memory)?;
        let follow_from = ledger.size();
        let gate = Gate::new(GateParts {
            ledger: ledger.clone(),
            memory: Arc::clone(&memory),
            labels: (
                LabelKeys { signer: label, domain: trust_domain.clone() },
                HmacKey::new(SubKey::derive(&master, Purpose::Pseudonyms)?.expose()),
            ),
            verifier: Verifier::new(issuer, trust_domain, Audience::Gate, trusted),
            children: Children::new(
                Launcher::this_program(crate::run::DOOR),
                vec![places.dir().to_path_buf()],
            ),
            sessions: SubKey::derive(&master, Purpose::Sessions)?.to_master()?,
            words: WordsKey::derive(&master)?,
            broker: Broker::new(master),
            commitments: HmacKey::new(commitments.expose()),
            clock: Arc::clone(&clock),
            entropy,
            client: upstream_client(settings.gate.upstream_roots.as_deref())?,
            limits: settings.gate_limits()?,
            origins: settings.gate_origins(),
            approval_wait: settings.approval_wait()?,
            ask_limits: settings.ask_limits()?,
            packs: Digest(alcaide_artifact::pack_digest().into_bytes()),
        })?;
        let trial = gate.clone();
        office.try_plans_with(Arc::new(move |plan| trial.try_plan(plan).map_err(|fault| fault.to_string())));
        let plan = plans.borrow().clone();
        let (adopted, hear) = watch::channel(None);
        office.hear_adopted(hear);
        match gate.adopt(&plan) {
            Ok(()) => drop(adopted.send_replace(Some(plan.number))),
            // The gate lets nothing through and `/readyz` says why; the office is there, so that it can be mended.
            Err(error) => {
                tracing::error!(plan = plan.number.0, %error, "the plan in force cannot be used by the gate");
            }
        }
        Ok(Self {
            places,
            settings,
            ledger,
            office,
            gate,
            plans,
            adopted,
            exported: Arc::default(),
            memory,
            clock,
            snapshot_key,
            follow_from,
        })
    }

    /// Follows what others write into the ledger: orders, issued tokens. The work is a task of its own: nothing else that
    /// the house does holds an order up.
    pub(crate) fn follow(&self) -> impl Future<Output = Result<()>> + Send + 'static {
        let (memory, clock, gate) = (Arc::clone(&self.memory), Arc::clone(&self.clock), self.gate.clone());
        let (ledger, from) = (self.ledger.clone(), self.follow_from);
        async move {
            let heard = |entry: &Entry| gate.heard(entry);
            Ok(orders::follow(ledger, memory, clock, from, heard).await?)
        }
    }

    /// Writes the snapshot of memory; only once all that it rests on is on disk and in the tree.
    pub(crate) fn remember(&self) -> impl Future<Output = Result<()>> + Send + 'static {
        let (memory, gate, ledger) = (Arc::clone(&self.memory), self.gate.clone(), self.ledger.clone());
        let (key, path) = (Arc::clone(&self.snapshot_key), self.places.snapshot());
        async move {
            gate.settled().await;
            let snapshot = tokio::task::spawn_blocking(move || memory.snapshot()).await??;
            if snapshot.needs > ledger.size() {
                return Ok(());
            }
            if snapshot.needs > ledger.integrated() {
                ledger.checkpoint_now().await?;
            }
            let write = move || -> Result<()> {
                let root = ledger.root(snapshot.needs)?;
                snapshot::write(&path, &key, &snapshot, &root)
            };
            tokio::task::spawn_blocking(write).await?
        }
    }

    /// Closes the ledger; what was accepted is on disk then. A snapshot that cannot be written, or not in time, keeps
    /// nothing from being closed: the next start reads the ledger in its place.
    pub(crate) async fn close(self) -> Result<()> {
        self.gate.drain().await;
        match tokio::time::timeout(REMEMBER_WAIT, self.remember()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the snapshot of memory was not written"),
            Err(_) => tracing::warn!("the snapshot of memory was not written in time"),
        }
        self.ledger.close().await?;
        Ok(())
    }
}

/// Whether the state is to be begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Begin {
    New,
    There,
}

fn options(settings: &Settings) -> Options {
    Options { segment_bytes: settings.ledger.segment_bytes, ..Options::default() }
}

/// Memory from its snapshot; empty, to be replayed whole, if there is none that can be trusted or that is of this ledger.
async fn restore(path: &Path, key: &SubKey, ledger: &Ledger) -> Arc<Memory> {
    match snapshot::read(path, key, ledger).await {
        Ok(Some(memory)) => memory,
        Ok(None) => Memory::empty(),
        Err(why) => {
            tracing::warn!(why, "the snapshot of memory is ignored; the whole ledger is replayed");
            Memory::empty()
        }
    }
}
