//! How a model stands, by what became of it, what the plan names, and the time.

use alcaide_inventory::declare::{Declarations, Model, Named};
use alcaide_inventory::id::{OrderId, SignerId};
use alcaide_inventory::plan::Placed;
use alcaide_record::{Entry, Event, ModelEvent, Order, OrderKind, Proven};
use alcaide_seal::SystemEntropy;
use alcaide_seal::ecdsa::{Curve, EcSigner as _, PrivateKey};

use super::*;

const MODEL: ModelId = ModelId::from_bits(1);
const ROUTE: RouteId = RouteId::from_bits(2);
const PACKS: Digest = Digest([7; 32]);
const A: Digest = Digest([1; 32]);
const T: u64 = 1_795_000_000;

fn plan(model: &str, signers: &[(&str, &PrivateKey, bool)]) -> Plan {
    let text = format!(
        "schema = 1\n[[upstream]]\nname = \"llm\"\nprotocol = \"openai\"\nbase_url = \"http://127.0.0.1:1\"\n\
         [[route]]\nname = \"small\"\nkind = \"model\"\nupstreams = [{{ upstream = \"llm\" }}]\nserves = \"small\"\n\
         [[model]]\nname = \"small\"\nunit = \"company\"\nowner = \"ana\"\n{model}"
    );
    let read = Declarations::from_toml("house.toml", &text).unwrap();
    let mut plan = Plan::default();
    for Named { name, spec } in read.routes {
        plan.routes.insert(name, Placed { id: ROUTE, spec });
    }
    for Named { name, spec } in read.models {
        let spec: Model = spec;
        plan.models.insert(name, Placed { id: MODEL, spec });
    }
    for (name, key, revoked) in signers {
        let spec = Signer { pem: key.public_key().to_pem(), revoked: *revoked, revoked_keys: Vec::new() };
        plan.signers.insert(name.parse().unwrap(), Placed { id: SignerId::from_bits(1), spec });
    }
    plan
}

fn key() -> PrivateKey {
    PrivateKey::generate(Curve::P256, &SystemEntropy::new()).unwrap()
}

fn hint(key: &PrivateKey) -> Digest {
    Digest(key.public_key().hint().0.into_bytes())
}

struct Told(std::sync::Arc<Memory>, u64);

impl Told {
    fn new() -> Self {
        Self(Memory::empty(), 0)
    }

    fn event(mut self, at: u64, event: Event) -> Self {
        self.0.apply(self.1, &Entry::new(Moment::from_secs(at), event));
        self.1 += 1;
        self
    }

    fn registered(self, version: Digest) -> Self {
        let model = MODEL;
        let event = ModelEvent::Registered { by: None, bytes: 1, files: 1, model, sha256: version, version };
        self.event(T, Event::Model(event))
    }

    fn proven(self, version: Digest, proven: Proven, expires: Option<u64>) -> Self {
        let (envelope, issued, model) = (Digest([9; 32]), Moment::from_secs(T), MODEL);
        let expires = expires.map(Moment::from_secs);
        self.event(
            T,
            Event::Model(ModelEvent::Evidence {
                by: None,
                envelope,
                expires,
                issued,
                model,
                proven,
                version,
            }),
        )
    }

    fn scanned(self, verdict: ScanVerdict) -> Self {
        self.proven(A, Proven::Scan { packs: PACKS, verdict }, None)
    }

    fn ordered(self, order: OrderKind) -> Self {
        self.event(T, Event::Order(Order { by: None, id: OrderId::from_bits(1), order }))
    }

    fn released(self) -> Self {
        self.ordered(OrderKind::ReleaseModel { accepts_doubt: true, model: MODEL, version: A })
    }

    fn files(self, state: FilesState) -> Self {
        self.event(T, Event::Model(ModelEvent::Files { model: MODEL, state }))
    }

    fn seen(&self, plan: &Plan, at: u64) -> ModelNote {
        let served = Served::of(plan, PACKS).unwrap();
        served[&ROUTE].note(&self.0, Moment::from_secs(at))
    }
}

#[test]
fn of_a_model_that_nothing_is_known_of_nothing_is_said() {
    let note = Told::new().seen(&plan("", &[]), T);
    assert_eq!((note.released, note.version, note.scan.verdict), (false, None, None));
    assert_eq!((note.files, note.signature.standing), (FilesSeen::None, SignerStanding::None));
    assert_eq!(standing(&note), ModelStanding::default());
    let watched = Told::new().seen(&plan("files = \"/srv/m\"", &[]), T);
    assert_eq!(watched.files, FilesSeen::Unread, "until they were read");
}

#[test]
fn files_are_compared_with_the_version_that_is_spoken_of() {
    let plan = plan("files = \"/srv/m\"", &[]);
    let released = || Told::new().registered(A).scanned(ScanVerdict::Clean).released();
    let seen = |state| released().files(state).seen(&plan, T).files;
    assert_eq!(seen(FilesState::Found { version: A }), FilesSeen::Same);
    assert_eq!(seen(FilesState::Found { version: Digest([2; 32]) }), FilesSeen::Changed);
    assert_eq!(seen(FilesState::Unreadable), FilesSeen::Unread);
    assert_eq!(seen(FilesState::Reading), FilesSeen::Unread);
    let told = released().files(FilesState::Found { version: A });
    told.0.forget_files();
    assert_eq!(told.seen(&plan, T).files, FilesSeen::Unread, "after a start");
}

#[test]
fn a_scan_counts_for_its_time_and_its_rules() {
    let scanned = Told::new().registered(A).scanned(ScanVerdict::Clean).released();
    let plain = plan("", &[]);
    let scan = scanned.seen(&plain, T + 10 * DAY_S).scan;
    assert_eq!(
        (scan.verdict, scan.age_days, scan.in_time, scan.current_pack),
        (Some(ScanVerdict::Clean), 10, true, true)
    );
    let aged = plan("max_age_days = 10", &[]);
    assert!(scanned.seen(&aged, T + 10 * DAY_S - 1).scan.in_time);
    assert!(!scanned.seen(&aged, T + 10 * DAY_S).scan.in_time);
    let ended = Told::new().registered(A).proven(
        A,
        Proven::Scan { packs: PACKS, verdict: ScanVerdict::Clean },
        Some(T + 5),
    );
    assert!(ended.seen(&plain, T + 4).scan.in_time);
    assert!(!ended.seen(&plain, T + 5).scan.in_time);
    let other = Proven::Scan { packs: Digest([8; 32]), verdict: ScanVerdict::Clean };
    assert!(!Told::new().registered(A).proven(A, other, None).seen(&plain, T).scan.current_pack);
    let doubted = Told::new().registered(A).scanned(ScanVerdict::Inconclusive);
    assert!(!doubted.seen(&plain, T).scan.accepted);
    assert!(doubted.released().seen(&plain, T).scan.accepted);
}

#[test]
fn a_signature_counts_while_its_key_does() {
    let (one, other) = (key(), key());
    let signed = |key: &PrivateKey| Proven::Signature { key: hint(key), root: None };
    let told = || Told::new().registered(A).scanned(ScanVerdict::Clean);
    let by = |signers: &[(&str, &PrivateKey, bool)], told: Told| {
        told.seen(&plan("signers = [\"s\"]", signers), T).signature.standing
    };
    assert_eq!(by(&[("s", &one, false)], told()), SignerStanding::None);
    assert_eq!(by(&[("s", &one, false)], told().proven(A, signed(&one), None)), SignerStanding::Trusted);
    assert_eq!(by(&[("s", &one, true)], told().proven(A, signed(&one), None)), SignerStanding::Untrusted);
    assert_eq!(by(&[("s", &one, false)], told().proven(A, signed(&other), None)), SignerStanding::Untrusted);
    assert_eq!(by(&[("t", &one, false)], told().proven(A, signed(&one), None)), SignerStanding::Untrusted);
    let both = told().proven(A, signed(&one), None).proven(A, signed(&other), None);
    assert_eq!(by(&[("s", &one, false)], both), SignerStanding::Trusted, "the one that counts for most");
    let through = Proven::Signature { key: hint(&one), root: Some(Digest([5; 32])) };
    assert_eq!(by(&[("s", &one, false)], told().proven(A, through, None)), SignerStanding::Untrusted);
}

#[test]
fn a_key_below_an_authority_can_be_revoked_by_itself() {
    let (root, leaf) = (Digest([5; 32]), Digest([6; 32]));
    let mut served = Served {
        model: MODEL,
        watched: false,
        max_age: None,
        keys: BTreeSet::new(),
        roots: BTreeSet::from([root]),
        revoked: BTreeSet::new(),
        packs: PACKS,
    };
    let by = HeldSignature { key: leaf, root: Some(root) };
    assert!(served.trusts(&by));
    served.revoked.insert(leaf);
    assert!(!served.trusts(&by));
}

#[test]
fn what_was_taken_back_is_not_released() {
    let told = || Told::new().registered(A).scanned(ScanVerdict::Clean).released();
    let plan = plan("", &[]);
    assert!(told().seen(&plan, T).released);
    let quarantined = told().ordered(OrderKind::QuarantineModel { model: MODEL, version: A });
    assert!(!quarantined.seen(&plan, T).released);
    assert!(!told().ordered(OrderKind::RevokeModel { model: MODEL, version: A }).seen(&plan, T).released);
}

#[test]
fn a_signer_that_cannot_be_read_is_a_fault_of_the_plan() {
    let mut plan = plan("", &[]);
    let spec = Signer { pem: "x".into(), revoked: false, revoked_keys: Vec::new() };
    plan.signers.insert("s".parse().unwrap(), Placed { id: SignerId::from_bits(1), spec });
    assert!(matches!(Served::of(&plan, PACKS), Err(PlanFault::Signer { .. })));
}
