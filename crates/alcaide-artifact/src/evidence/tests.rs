use alcaide_container::{Fuel, Limits};
use alcaide_seal::SystemEntropy;
use alcaide_seal::ecdsa::{Curve, EcPublicKey, EcSigner as _, PrivateKey};
use serde_json::{Value, json};

use super::*;
use crate::signing::{self, Bundle, Rules, SignAs, Surveyed, Trust};
use crate::{Report, Verdict, scan};

const NOW: u64 = 1_795_000_000;

fn key() -> PrivateKey {
    PrivateKey::generate(Curve::P256, &SystemEntropy::new()).unwrap()
}

fn examined(files: &[(&str, &[u8])]) -> (Surveyed, Subject, ScanClaim) {
    let rules = Rules::default();
    let mut examination = Examination::begin(&rules);
    for (path, bytes) in files {
        let input = bytes.to_vec();
        let report: Report = scan(path, &input, &Fuel::new(Limits::for_file(bytes.len() as u64)));
        let seen =
            Seen { bytes: bytes.len() as u64, sha256: alcaide_seal::sha256(bytes), report: Some(&report) };
        examination.add(path.as_bytes(), &seen).unwrap();
    }
    examination.finish("m").unwrap()
}

const CLEAN: &[u8] = br#"{"model_type": "gpt2"}"#;
/// A pickle that would call something of the system; it is only ever read here.
const UNSAFE: &[u8] = b"cos\nsystem\n(S'true'\ntR.";

fn term() -> Term {
    Term::new(NOW, Some(NOW + 100)).unwrap()
}

fn statement(files: &[(&str, &[u8])]) -> Statement {
    let (_, subject, claim) = examined(files);
    Statement::new(subject, Claim::Scan(claim), term())
}

#[test]
fn what_is_attested_is_what_is_verified() {
    let key = key();
    let statement = statement(&[("config.json", CLEAN)]);
    let envelope = attest(&statement, &key).unwrap();
    let read = Envelope::parse(&envelope.to_json().unwrap()).unwrap();
    assert_eq!(read, envelope);
    let keys = [self::key().public_key().clone(), key.public_key().clone()];
    let verified = verify(&read, &keys, NOW).unwrap();
    assert_eq!(*verified, statement);
    assert_eq!(verified.claim().kind(), "scan");
    let Claim::Scan(scan) = verified.claim() else { panic!() };
    assert_eq!((scan.verdict(), scan.files(), scan.bytes()), (Verdict::Clean, 1, CLEAN.len() as u64));
    assert_eq!(*scan.packs(), Packs::own());
    assert_eq!(verified.subject().sha256(), alcaide_seal::sha256(CLEAN), "of one file what `sha256sum` says");
    assert_eq!(read.statement_digest(), envelope.statement_digest());
}

#[test]
fn a_wrong_key_a_changed_byte_and_a_wrong_time_are_each_refused() {
    let key = key();
    let envelope = attest(&statement(&[("config.json", CLEAN)]), &key).unwrap();
    let keys = [key.public_key().clone()];
    let refused = |envelope: &Envelope, keys: &[EcPublicKey], at| verify(envelope, keys, at).unwrap_err();
    assert!(matches!(
        refused(&envelope, &[self::key().public_key().clone()], NOW),
        EvidenceError::KeyNotTrusted { .. }
    ));
    assert!(matches!(refused(&envelope, &[], NOW), EvidenceError::KeyNotTrusted { .. }));
    assert_eq!(refused(&envelope, &keys, NOW - 1), EvidenceError::NotYet { from: NOW });
    assert_eq!(refused(&envelope, &keys, NOW + 100), EvidenceError::Over { until: NOW + 100 });
    let mut text: Value = serde_json::from_slice(&envelope.to_json().unwrap()).unwrap();
    let other = attest(&statement(&[("config.json", UNSAFE)]), &self::key()).unwrap();
    text["payload"] = serde_json::from_slice::<Value>(&other.to_json().unwrap()).unwrap()["payload"].clone();
    let changed = Envelope::parse(text.to_string().as_bytes()).unwrap();
    assert_eq!(refused(&changed, &keys, NOW), EvidenceError::SignatureWrong);
}

#[test]
fn an_envelope_has_one_form() {
    let envelope = attest(&statement(&[("config.json", CLEAN)]), &key()).unwrap();
    let good: Value = serde_json::from_slice(&envelope.to_json().unwrap()).unwrap();
    let parse = |change: &dyn Fn(&mut Value)| {
        let mut text = good.clone();
        change(&mut text);
        Envelope::parse(text.to_string().as_bytes())
    };
    assert!(parse(&|_| {}).is_ok());
    let malformed = |change: &dyn Fn(&mut Value)| {
        assert!(matches!(parse(change), Err(EvidenceError::Malformed { what: "envelope", .. })));
    };
    malformed(&|text| text["signatures"] = json!([]));
    malformed(&|text| text["signatures"] = json!([good["signatures"][0], good["signatures"][0]]));
    malformed(&|text| text["more"] = json!(1));
    malformed(&|text| text["payload"] = json!("*"));
    malformed(&|text| text["signatures"][0]["sig"] = json!("*"));
    assert!(matches!(parse(&|text| text["payloadType"] = json!("x")), Err(EvidenceError::Type { .. })));
    let twice = good.to_string().replacen("{\"payload\":", "{\"payload\":\"\",\"payload\":", 1);
    assert!(matches!(Envelope::parse(twice.as_bytes()), Err(EvidenceError::Malformed { .. })));
    let long = vec![b' '; ENVELOPE_BYTES_MAX + 1];
    assert!(matches!(Envelope::parse(&long), Err(EvidenceError::TooLarge { .. })));
    assert!(matches!(Envelope::parse(&long[1..]), Err(EvidenceError::Malformed { .. })));
}

#[test]
fn a_statement_is_of_one_kind_and_its_report_does_not_contradict_itself() {
    let good: Value = serde_json::from_slice(&statement(&[("config.json", CLEAN)]).write().unwrap()).unwrap();
    let read = |change: &dyn Fn(&mut Value)| {
        let mut text = good.clone();
        change(&mut text);
        Statement::read(text.to_string().as_bytes())
    };
    assert!(read(&|_| {}).is_ok());
    assert!(matches!(read(&|text| text["_type"] = json!("x")), Err(EvidenceError::Type { .. })));
    assert!(matches!(read(&|text| text["predicateType"] = json!("x")), Err(EvidenceError::Type { .. })));
    assert_eq!(read(&|text| text["predicate"]["expires_at"] = json!(NOW)), Err(EvidenceError::Term));
    let malformed = |change: &dyn Fn(&mut Value)| {
        assert!(matches!(read(change), Err(EvidenceError::Malformed { what: "statement", .. })));
    };
    malformed(&|text| text["subject"] = json!([]));
    malformed(&|text| text["subject"][0]["digest"]["sha256"] = json!("00"));
    malformed(&|text| text["predicate"]["more"] = json!(1));
    malformed(&|text| text["predicateType"] = json!("urn:alcaide:evidence:signature:1"));
    // A verdict is what the numbers say.
    malformed(&|text| text["predicate"]["report"]["findings"]["low"] = json!(1));
    malformed(&|text| text["predicate"]["report"]["findings"]["unlisted"] = json!(1));
    malformed(&|text| text["predicate"]["report"]["in_doubt"] = json!(1));
    malformed(&|text| text["predicate"]["report"]["verdict"] = json!("unsafe"));
    malformed(&|text| text["predicate"]["report"]["files"] = json!(0));
}

#[test]
fn the_worst_file_is_the_verdict_and_what_nobody_looked_into_is_never_clean() {
    let (_, _, both) = examined(&[("config.json", CLEAN), ("weights.pkl", UNSAFE)]);
    assert_eq!((both.verdict(), both.files()), (Verdict::Unsafe, 2));
    assert!(both.findings().critical > 0, "{both:?}");
    let rules = Rules::default();
    let mut examination = Examination::begin(&rules);
    let seen = Seen { bytes: 3, sha256: alcaide_seal::sha256(b"abc"), report: None };
    examination.add(b"weights.bin", &seen).unwrap();
    let (_, _, unread) = examination.finish("m").unwrap();
    assert_eq!((unread.verdict(), unread.in_doubt()), (Verdict::Inconclusive, 1));
    assert!(matches!(Examination::begin(&rules).finish("m"), Err(EvidenceError::Files(_))));
}

#[test]
fn a_version_is_its_names_and_bytes() {
    let of = |files: &[(&str, &[u8])]| examined(files).1;
    let one = of(&[("a.json", CLEAN), ("b.json", b"{}")]);
    assert_eq!(one.version(), of(&[("b.json", b"{}"), ("a.json", CLEAN)]).version());
    assert_ne!(one.version(), of(&[("a.json", CLEAN), ("b.json", b"{ }")]).version());
    let renamed = of(&[("a.json", CLEAN), ("c.json", b"{}")]);
    assert_ne!(one.version(), renamed.version());
    assert_eq!(one.sha256(), renamed.sha256(), "the root digest of OMS holds no names");
}

#[test]
fn a_signature_is_evidence_about_exactly_the_files_that_it_lists() {
    let signer = key();
    let (surveyed, subject, _) = examined(&[("config.json", CLEAN), ("more.json", b"{}")]);
    let rules = Rules::default();
    let bundle = signing::sign(&surveyed, &signer, SignAs::Key).unwrap();
    let bundle = Bundle::parse(&bundle.to_json().unwrap()).unwrap();
    let trust = Trust { keys: vec![signer.public_key().clone()], at: NOW, ..Trust::default() };
    let authentic = signing::authenticate(&bundle, &trust, &rules).unwrap();
    let claim = SignatureClaim::of(&authentic, &subject).unwrap();
    assert_eq!((claim.key(), claim.root()), (signer.public_key().hint().0, None));
    let (_, other, _) = examined(&[("config.json", CLEAN)]);
    let error = SignatureClaim::of(&authentic, &other).unwrap_err();
    assert!(matches!(error, EvidenceError::OtherFiles { listed: 2, .. }), "{error}");
    let statement = Statement::new(subject, Claim::Signature(claim), term());
    let envelope = attest(&statement, &signer).unwrap();
    assert_eq!(*verify(&envelope, &[signer.public_key().clone()], NOW).unwrap(), statement);
}

#[test]
fn what_lies_in_the_place_of_the_signature_is_none_of_the_model() {
    let mut rules = Rules::default();
    rules.signatures.insert(signing::TreePath::new("model.sig").unwrap());
    let mut examination = Examination::begin(&rules);
    let input = CLEAN.to_vec();
    let report = scan("config.json", &input, &Fuel::new(Limits::for_file(CLEAN.len() as u64)));
    let seen = Seen { bytes: CLEAN.len() as u64, sha256: alcaide_seal::sha256(CLEAN), report: Some(&report) };
    examination.add(b"config.json", &seen).unwrap();
    let opaque = Seen { bytes: 3, sha256: alcaide_seal::sha256(b"abc"), report: None };
    examination.add(b"model.sig", &opaque).unwrap();
    let (_, subject, claim) = examination.finish("m").unwrap();
    assert_eq!((claim.verdict(), claim.files()), (Verdict::Clean, 1));
    assert_eq!(subject.version(), examined(&[("config.json", CLEAN)]).1.version());
}
