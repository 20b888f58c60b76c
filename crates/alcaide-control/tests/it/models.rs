//! Versions of models: registered, proven, released, taken back; what the record and the store say of each.

use alcaide_artifact::evidence::{self, Claim, Envelope, Examination, ScanClaim, Seen, Subject};
use alcaide_artifact::signing::{self, Rules, SignAs, Surveyed};
use alcaide_control::{By, Choice, OnDisk, Registration, ScanVerdict, VersionState};
use alcaide_inventory::Name;
use alcaide_inventory::declare::{Declarations, Named, Role, Signer};
use alcaide_record::{Digest, Event, FilesState, ModelEvent, OrderKind};
use alcaide_seal::SystemEntropy;
use alcaide_seal::ecdsa::{Curve, EcPublicKey, EcSigner as _, PrivateKey};

use crate::house::{House, declared};

fn files(bytes: &[u8]) -> (Surveyed, Subject) {
    let rules = Rules::default();
    let mut examination = Examination::begin(&rules);
    let sha256 = alcaide_seal::sha256(bytes);
    let seen = Seen { bytes: bytes.len() as u64, sha256, report: None };
    examination.add(b"config.json", &seen).unwrap();
    let (surveyed, subject, _) = examination.finish("small").unwrap();
    (surveyed, subject)
}

/// What somebody found out about a model of one file with these bytes.
pub(crate) fn registration(bytes: &[u8], verdict: ScanVerdict) -> Registration {
    let (low, in_doubt) = match verdict {
        ScanVerdict::Clean => (0, 0),
        ScanVerdict::Inconclusive => (0, 1),
        ScanVerdict::Unsafe => (1, 0),
    };
    let packs = serde_json::to_value(evidence::Packs::own()).unwrap();
    let scan = serde_json::json!({
        "verdict": verdict.as_str(), "in_doubt": in_doubt, "files": 1, "bytes": bytes.len(), "packs": packs,
        "findings": { "critical": 0, "high": 0, "medium": 0, "low": low, "unlisted": 0 },
    });
    let scan: ScanClaim = serde_json::from_value(scan).unwrap();
    Registration { subject: files(bytes).1, scan, bundle: None }
}

fn name() -> Name {
    "small".parse().unwrap()
}

/// A house with the model `small`, which needs what `model` says.
async fn house(model: &str, signers: &[(&str, &PrivateKey)]) -> House {
    let house = House::new().await;
    let mut all = declared();
    for (name, key) in signers {
        let spec = Signer { pem: key.public_key().to_pem(), revoked: false, revoked_keys: Vec::new() };
        all.signers.push(Named { name: name.parse().unwrap(), spec });
    }
    let text =
        format!("schema = 1\n[[model]]\nname = \"small\"\nunit = \"finance\"\nowner = \"ana\"\n{model}");
    all.merge(Declarations::from_toml("m.toml", &text).unwrap());
    house.office.apply(&By::Operator, all, None).await.unwrap();
    house
}

fn version(bytes: &[u8]) -> Digest {
    Digest(files(bytes).1.version().into_bytes())
}

fn choice(bytes: &[u8]) -> Choice {
    Choice { version: version(bytes), accept_doubt: false }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_goes_its_way_and_each_step_stands_in_the_record() {
    let house = house("max_age_days = 30", &[]).await;
    let office = &house.office;
    let empty = office.model(&By::Operator, &name()).await.unwrap();
    assert_eq!((empty.model.state, empty.model.on_disk), (None, OnDisk::Elsewhere));
    let before = house.ledger.size();
    let done =
        office.register_model(&By::Operator, &name(), registration(b"{}", ScanVerdict::Clean)).await.unwrap();
    assert!(!done.known);
    assert_eq!(done.version.state, VersionState::Scanned);
    let events = house.events(before);
    let [
        Event::Model(ModelEvent::Registered { version: one, .. }),
        Event::Model(ModelEvent::Evidence { envelope, version: other, .. }),
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!((*one, *other), (version(b"{}"), version(b"{}")));
    // The envelope lies on the shelf, whole, and verifies with the key that is given out.
    let bytes = office.envelope(&By::Operator, *envelope).await.unwrap();
    let key = EcPublicKey::from_pem(office.evidence_key().as_bytes()).unwrap();
    let now = house.now().secs();
    let parsed = Envelope::parse(&bytes).unwrap();
    let statement = evidence::verify(&parsed, std::slice::from_ref(&key), now).unwrap();
    assert!(matches!(statement.claim(), Claim::Scan(_)));
    assert_eq!(statement.term().expires_at(), Some(now + 30 * 86_400));
    let released = office.release_model(&By::Operator, &name(), choice(b"{}")).await.unwrap();
    assert!(matches!(released.order.order, OrderKind::ReleaseModel { accepts_doubt: false, .. }));
    assert_eq!(
        (released.model.state, released.model.released),
        (Some(VersionState::Released), Some(version(b"{}")))
    );
    let again = office
        .register_model(&By::Operator, &name(), registration(b"{}", ScanVerdict::Unsafe))
        .await
        .unwrap();
    assert!(again.known);
    assert_eq!(again.version.state, VersionState::Quarantined, "what is found counts at once");
    let revoked = office.revoke_model(&By::Operator, &name(), version(b"{}")).await.unwrap();
    assert_eq!((revoked.model.state, revoked.model.released), (Some(VersionState::Revoked), None));
    let error = office.release_model(&By::Operator, &name(), choice(b"{}")).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("revoked")), ("ALC-OFFICE-0051", true), "{error}");
    let listed = office.evidence(&By::Operator, Some(&name())).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed[0].entry > listed[1].entry);
    assert_eq!(office.models(&By::Operator).await.unwrap().len(), 1);
    // All of it is there after a restart.
    let house = house.restart(|_| ()).await.unwrap();
    let there = house.office.model(&By::Operator, &name()).await.unwrap();
    assert_eq!(there.model.state, Some(VersionState::Revoked));
    assert_eq!(house.office.evidence(&By::Operator, None).await.unwrap(), listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_and_writes_nothing() {
    let house = house("", &[]).await;
    let office = &house.office;
    let refused =
        async |choice: Choice| office.release_model(&By::Operator, &name(), choice).await.unwrap_err();
    let before = house.ledger.size();
    assert!(refused(choice(b"{}")).await.to_string().contains("never registered"));
    assert_eq!(house.ledger.size(), before);
    office.register_model(&By::Operator, &name(), registration(b"{}", ScanVerdict::Unsafe)).await.unwrap();
    assert!(refused(choice(b"{}")).await.to_string().contains("found something"));
    office
        .register_model(&By::Operator, &name(), registration(b"{ }", ScanVerdict::Inconclusive))
        .await
        .unwrap();
    assert!(refused(choice(b"{ }")).await.to_string().contains("could not look"));
    let accepting = Choice { accept_doubt: true, ..choice(b"{ }") };
    assert!(office.release_model(&By::Operator, &name(), accepting).await.is_ok());
    let held = office.quarantine_model(&By::Operator, &name(), version(b"{ }")).await.unwrap();
    assert_eq!(held.model.state, Some(VersionState::Quarantined));
    assert!(refused(accepting).await.to_string().contains("quarantined"));
    let nobody = "nobody".parse().unwrap();
    assert_eq!(office.model(&By::Operator, &nobody).await.unwrap_err().code(), "ALC-OFFICE-0004");
    assert!(office.envelope(&By::Operator, Digest([9; 32])).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_registered_a_version_does_not_release_it() {
    let house = house("", &[]).await;
    let office = &house.office;
    let ana = house.by("ana");
    office.register_model(&ana, &name(), registration(b"{}", ScanVerdict::Clean)).await.unwrap();
    let error = office.release_model(&ana, &name(), choice(b"{}")).await.unwrap_err();
    assert!(error.to_string().contains("somebody else"), "{error}");
    let other = house.as_role(Role::Administrator);
    // Nor does who entered the scan that speaks for it.
    office.register_model(&other, &name(), registration(b"{}", ScanVerdict::Clean)).await.unwrap();
    let error = office.release_model(&other, &name(), choice(b"{}")).await.unwrap_err();
    assert!(error.to_string().contains("somebody else"), "{error}");
    office.register_model(&By::Operator, &name(), registration(b"{}", ScanVerdict::Clean)).await.unwrap();
    assert!(office.release_model(&other, &name(), choice(b"{}")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_counts_if_the_model_names_whoever_signed_exactly_these_files() {
    let entropy = SystemEntropy::new();
    let [signer, stranger] = [(); 2].map(|()| PrivateKey::generate(Curve::P256, &entropy).unwrap());
    let house =
        house("signers = [\"studio\"]\nrequires = [\"scan\", \"signature\"]", &[("studio", &signer)]).await;
    let office = &house.office;
    let bundle = |bytes: &[u8], key: &PrivateKey| {
        let bundle = signing::sign(&files(bytes).0, key, SignAs::Key).unwrap();
        Some(String::from_utf8(bundle.to_json().unwrap()).unwrap())
    };
    let with = |bundle| Registration { bundle, ..registration(b"{}", ScanVerdict::Clean) };
    let before = house.ledger.size();
    for wrong in [bundle(b"{}", &stranger), bundle(b"{ }", &signer), Some("{}".to_owned())] {
        let error = office.register_model(&By::Operator, &name(), with(wrong)).await.unwrap_err();
        assert_eq!(error.code(), "ALC-OFFICE-0051", "{error}");
    }
    assert_eq!(house.ledger.size(), before, "nothing of a registration that is refused is entered");
    office.register_model(&By::Operator, &name(), with(None)).await.unwrap();
    let error = office.release_model(&By::Operator, &name(), choice(b"{}")).await.unwrap_err();
    assert!(error.to_string().contains("requires a signature"), "{error}");
    let done = office.register_model(&By::Operator, &name(), with(bundle(b"{}", &signer))).await.unwrap();
    assert_eq!(done.version.state, VersionState::Signed);
    assert_eq!(done.version.signatures[0].key.to_string(), signer.public_key().hint().to_string());
    assert!(office.release_model(&By::Operator, &name(), choice(b"{}")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_on_disk_is_told() {
    let house = house("files = \"/srv/models/small\"", &[]).await;
    let office = &house.office;
    let model = office.current().models["small"].id;
    let seen = async || {
        office.catch_up().await.unwrap();
        office.model(&By::Operator, &name()).await.unwrap().model.on_disk
    };
    assert_eq!(seen().await, OnDisk::Reading);
    let found = FilesState::Found { version: version(b"{}") };
    office.files_of_model(model, found).await.unwrap();
    assert_eq!(seen().await, OnDisk::Unregistered);
    office.found_by_house(&name(), registration(b"{}", ScanVerdict::Clean)).await.unwrap();
    assert_eq!(seen().await, OnDisk::OtherVersion);
    office.release_model(&By::Operator, &name(), choice(b"{}")).await.unwrap();
    assert_eq!(seen().await, OnDisk::Released);
    office.files_of_model(model, FilesState::Unreadable).await.unwrap();
    assert_eq!(seen().await, OnDisk::Unreadable);
}
