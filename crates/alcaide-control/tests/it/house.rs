//! An office in a temporary folder, with a real store, a real ledger and a clock that is set by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alcaide_control::{By, Clock, Keys, MIGRATIONS, Office, OfficeError, Parts, YesLimits};
use alcaide_inventory::declare::{Declarations, Role};
use alcaide_inventory::id::*;
use alcaide_inventory::{Actor, Moment, Plan, PlanNumber};
use alcaide_label::Label;
use alcaide_ledger::{Ledger, Options};
use alcaide_record::*;
use alcaide_seal::digest::HmacKey;
use alcaide_seal::ecdsa::{Curve, PrivateKey};
use alcaide_seal::note::NoteSigner;
use alcaide_seal::{MasterKey, SecretBytes, Signer, SystemEntropy};
use alcaide_store::Store;
use tokio::sync::watch;

pub(crate) const ISSUER: &str = "https://office.test";
/// How long the store keeps what is kept for people.
pub(crate) const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
pub(crate) const ORIGIN: &str = "office.test/ledger";
pub(crate) const START: u64 = 1_800_000_000;

pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) office: Office,
    pub(crate) ledger: Ledger,
    pub(crate) store: Store,
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    pub(crate) keys: KeyRing,
    now: Arc<AtomicU64>,
}

/// Keys as a restart finds them again.
pub(crate) struct KeyRing {
    pub(crate) token: SecretBytes,
    pub(crate) master: Arc<MasterKey>,
    pub(crate) note: Arc<NoteSigner>,
    pub(crate) evidence: Arc<PrivateKey>,
    /// How often people say yes: more than any test does, but where one says otherwise and starts again.
    pub(crate) yes_limits: YesLimits,
}

impl KeyRing {
    pub(crate) fn new() -> Self {
        let entropy = SystemEntropy::new();
        Self {
            token: Signer::generate(&entropy).unwrap().to_pkcs8().unwrap(),
            master: Arc::new(MasterKey::generate(&entropy).unwrap()),
            note: Arc::new(NoteSigner::generate(ORIGIN.parse().unwrap(), &entropy).unwrap()),
            evidence: Arc::new(PrivateKey::generate(Curve::P256, &entropy).unwrap()),
            yes_limits: YesLimits { per_hour: 1_000, grave_per_hour: 1_000 },
        }
    }

    pub(crate) fn parts(
        &self,
        store: Store,
        ledger: Ledger,
        ledger_dir: PathBuf,
        clock: Clock,
    ) -> (Parts, watch::Receiver<Arc<Plan>>) {
        let (plans, seen) = watch::channel(Arc::new(Plan::default()));
        let keys = Keys {
            tokens: Signer::from_pkcs8(&self.token).unwrap(),
            also_valid: Vec::new(),
            labels: Vec::new(),
            master: Arc::clone(&self.master),
            words: HmacKey::new(&[7; 32]),
            evidence: Arc::clone(&self.evidence),
        };
        let parts = Parts {
            store,
            ledger,
            ledger_dir,
            keys,
            clock,
            entropy: Arc::new(SystemEntropy::new()),
            issuer: ISSUER.to_owned(),
            trust_domain: "office.test".parse().unwrap(),
            plans,
            kept: KEPT,
            yes_limits: self.yes_limits,
        };
        (parts, seen)
    }
}

pub(crate) fn clock_of(now: &Arc<AtomicU64>) -> Clock {
    let now = Arc::clone(now);
    Arc::new(move || Moment::from_micros(now.load(Ordering::SeqCst)))
}

impl House {
    /// A new office in which nothing is declared.
    pub(crate) async fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyRing::new();
        let store = Store::create(&folder.path().join("office.db"), MIGRATIONS).unwrap();
        let dir = folder.path().join("ledger");
        let ledger = Ledger::create(&dir, &options(), Arc::clone(&keys.note), ORIGIN).unwrap();
        let now = Arc::new(AtomicU64::new(START * 1_000_000));
        let (parts, plans) = keys.parts(store.clone(), ledger.clone(), dir, clock_of(&now));
        let office = Office::create(parts).await.unwrap();
        Self { folder, office, ledger, store, plans, keys, now }
    }

    /// A new office with the declarations of [`DECLARED`].
    pub(crate) async fn new() -> Self {
        let house = Self::bare().await;
        house.office.apply(&By::Operator, declared(), None).await.unwrap();
        house
    }

    /// Closes everything and opens it again, as after a restart; `between` may change what lies on disk.
    pub(crate) async fn restart(self, between: impl FnOnce(&Store)) -> Result<Self, OfficeError> {
        let Self { folder, office, ledger, store, plans, keys, now } = self;
        drop((office, plans));
        ledger.close().await.unwrap();
        between(&store);
        drop((ledger, store));
        let store = Store::open(&folder.path().join("office.db"), MIGRATIONS).unwrap();
        let dir = folder.path().join("ledger");
        let ledger = Ledger::open(&dir, &options(), Arc::clone(&keys.note), ORIGIN).unwrap();
        let (parts, plans) = keys.parts(store.clone(), ledger.clone(), dir, clock_of(&now));
        let office = Office::open(parts).await?;
        Ok(Self { folder, office, ledger, store, plans, keys, now })
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::from_micros(self.now.load(Ordering::SeqCst))
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.now.fetch_add(u64::try_from(time.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn agent(&self, name: &str) -> Actor {
        Actor::Agent(self.office.current().agents[name].id)
    }

    pub(crate) fn human_id(&self, name: &str) -> HumanId {
        self.office.current().humans[name].id
    }

    pub(crate) fn human(&self, name: &str) -> Actor {
        Actor::Human(self.human_id(name))
    }

    /// Someone with the roles that the plan gives.
    pub(crate) fn by(&self, name: &str) -> By {
        let placed = &self.office.current().humans[name];
        By::Human { id: placed.id, roles: placed.spec.roles.clone(), token: None }
    }

    pub(crate) fn as_role(&self, role: Role) -> By {
        By::Human { id: self.human_id("vera"), roles: vec![role], token: None }
    }

    /// Every event in the ledger from `index` on.
    pub(crate) fn events(&self, index: u64) -> Vec<Event> {
        let mut all = Vec::new();
        let size = self.ledger.size();
        for at in index..size {
            all.push(Entry::from_leaf(&self.ledger.read(at).unwrap()).unwrap().event);
        }
        all
    }

    pub(crate) async fn append(&self, event: Event) -> u64 {
        let leaf = Entry::new(self.now(), event).to_leaf().unwrap();
        self.ledger.append(leaf).await.unwrap().index()
    }
}

pub(crate) fn options() -> Options {
    Options { segment_bytes: 1 << 20, ..Options::default() }
}

pub(crate) const DECLARED: &str = r#"
schema = 1
[[unit]]
name = "company"
[[unit]]
name = "finance"
parent = "company"
[[human]]
name = "ana"
unit = "finance"
roles = ["administrator", "approver"]
[[human]]
name = "rui"
unit = "finance"
roles = ["policy_author"]
[[human]]
name = "vera"
unit = "company"
roles = ["viewer"]
[[human]]
name = "eva"
unit = "company"
roles = ["approver"]
[[agent]]
name = "bot"
unit = "finance"
owner = "rui"
may = ["use:model/*"]
[[agent]]
name = "helper"
unit = "finance"
owner = "ana"
sponsor = "rui"
[[agent]]
name = "strict"
unit = "finance"
owner = "ana"
dpop = "required"
[[upstream]]
name = "local"
protocol = "openai"
base_url = "http://127.0.0.1:9"
[[upstream]]
name = "files"
protocol = "mcp"
command = ["/bin/true"]
[[route]]
name = "small"
kind = "model"
upstreams = [{ upstream = "local" }]
[[route]]
name = "files"
kind = "mcp"
upstream = "files"
[[tool]]
server = "files"
name = "read_file"
effect = "read"
"#;

pub(crate) fn declared() -> Declarations {
    Declarations::from_toml("declared.toml", DECLARED).unwrap()
}

/// [`DECLARED`] with one piece of text replaced.
pub(crate) fn declared_with(from: &str, to: &str) -> Declarations {
    assert!(DECLARED.contains(from), "{from}");
    Declarations::from_toml("declared.toml", &DECLARED.replacen(from, to, 1)).unwrap()
}

pub(crate) fn chain(actor: Actor, subject: Actor, unit: UnitId) -> Chain {
    Chain {
        actor,
        bound: false,
        earlier: Vec::new(),
        run: None,
        subject,
        task: TaskId::from_bits(5),
        token: TokenId::from_bits(6),
        unit,
    }
}

fn content() -> Content {
    Content {
        arguments: Vec::new(),
        bytes: 12,
        claim: None,
        digest: Digest([7; 32]),
        edited: false,
        findings: Vec::new(),
        flow: None,
        label: Label::CLEAN,
        words: WordsGrade::None,
    }
}

fn decided(decision: DecisionKind) -> Decided {
    Decided {
        approval: None,
        budget_used: 0,
        decision,
        model: None,
        obligations: Vec::new(),
        plan: PlanNumber(2),
        plan_digest: Digest([1; 32]),
        policies: vec![PolicyId::from_bits(10)],
        shadow: None,
    }
}

pub(crate) fn intent(call: u128, attempt: u32, who: Chain, route: RouteId) -> Event {
    Event::Intent(Box::new(Intent {
        action: ActionKind::UseModel,
        attempt: Attempt { number: attempt, upstream: UpstreamId::from_bits(13) },
        call: CallId::from_bits(call),
        content: content(),
        decided: decided(DecisionKind::Allow),
        effects: Vec::new(),
        relaxed: false,
        target: Target { name: Digest([3; 32]), route: Some(route), tool: None },
        who,
    }))
}

pub(crate) fn outcome(call: u128, attempt: u32, intent: u64, end: End, tokens: u64) -> Event {
    Event::Outcome(Box::new(Outcome {
        attempt,
        call: CallId::from_bits(call),
        claim: None,
        digest: None,
        duration_us: 1_500,
        effects: Vec::new(),
        end,
        findings: Vec::new(),
        intent,
        released_bytes: 100,
        settled: Vec::new(),
        status: Some(200),
        usage: Some(Usage { cached_input: 1, cost_micros: 7, estimated: false, input: tokens, output: 2 }),
    }))
}

pub(crate) fn refused(call: u128, who: Option<Chain>, approval: Option<ApprovalId>) -> Refused {
    Refused {
        action: Some(ActionKind::CallTool),
        alike: 0,
        approval,
        call: CallId::from_bits(call),
        code: "ALC-POLICY-0031".into(),
        content: Some(content()),
        decided: Some(decided(if approval.is_some() { DecisionKind::Ask } else { DecisionKind::Refuse })),
        question: None,
        stage: Stage::Decided,
        target: None,
        who,
    }
}

/// The entry that asks `roles`, and one of `any_of`, about a call of tool traffic on a route.
pub(crate) fn asking(
    bits: u128,
    who: Chain,
    (roles, any_of): (&[Approver], &[&[Approver]]),
    target: (RouteId, ToolId),
    expires: Moment,
) -> Refused {
    Refused {
        question: Some(Question {
            any_of: any_of.iter().map(|group| group.to_vec()).collect(),
            decisive: None,
            expires,
            matter: Digest([2; 32]),
            pin: None,
            roles: roles.to_vec(),
        }),
        target: Some(Target { name: Digest([3; 32]), route: Some(target.0), tool: Some(target.1) }),
        code: "ALC-GATE-0022".into(),
        ..refused(bits, Some(who), Some(ApprovalId::from_bits(bits)))
    }
}

/// The intent that uses an answer up.
pub(crate) fn spending(call: u128, approval: ApprovalId, who: Chain, route: RouteId) -> Event {
    let Event::Intent(mut intent) = intent(call, 1, who, route) else { unreachable!() };
    intent.effects = vec![Effect::Spend { approval }];
    intent.decided.approval = Some(approval);
    Event::Intent(intent)
}
