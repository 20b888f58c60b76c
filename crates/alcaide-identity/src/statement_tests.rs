//! Statements that are taken, statements that are not.

use alcaide_seal::random::SystemEntropy;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: Moment = Moment::from_secs(1_795_000_000);

fn domain(text: &str) -> TrustDomain {
    text.parse().unwrap()
}

fn signer() -> Signer {
    Signer::generate(&SystemEntropy::new()).unwrap()
}

fn keys(of: &Signer) -> KeySet {
    let mut keys = KeySet::new();
    keys.insert(of.public().clone()).unwrap();
    keys
}

fn statement() -> Statement {
    Statement {
        issuer: domain("theirs.example"),
        audience: domain("ours.example"),
        covers: Covers::Result { answers: sha256(b"request") },
        content: sha256(b"content"),
        task: sha256(b"task"),
        label: Label { confidentiality: Confidentiality::Internal, integrity: Integrity::Trusted },
        kinds: vec!["personal".into()],
        sources: vec![sha256(b"source")],
        id: sha256(b"id"),
        issued: NOW,
        expires: NOW + STATEMENT_LIFE,
    }
}

fn taken(compact: &str, keys: &KeySet, now: Moment) -> Result<Statement, StatementError> {
    verify(compact, keys, &domain("theirs.example"), &domain("ours.example"), now).map(Verified::into_inner)
}

/// The claims of a statement as the wire has them, to be changed.
fn claims(of: &Statement, signer: &Signer) -> Value {
    let signed = of.sign(signer).unwrap();
    serde_json::from_slice(&jws::unverified_payload(&signed.compact).unwrap()).unwrap()
}

#[test]
fn what_is_said_is_what_is_read() {
    let signer = signer();
    for covers in [Covers::Params, Covers::Result { answers: sha256(b"x") }] {
        let said = Statement { covers, ..statement() };
        let signed = said.sign(&signer).unwrap();
        assert_eq!(signed.digest, digest(&signed.compact));
        assert_eq!(claimed_issuer(&signed.compact).unwrap(), said.issuer);
        assert_eq!(taken(&signed.compact, &keys(&signer), NOW).unwrap(), said);
    }
}

#[test]
fn each_rule_is_broken_by_one_change() {
    let signer = signer();
    let known = keys(&signer);
    let read = |said: &Statement, now| taken(&said.sign(&signer).unwrap().compact, &known, now);
    let good = statement();
    let other = Statement { issuer: domain("others.example"), ..good.clone() };
    assert!(matches!(read(&other, NOW), Err(StatementError::Issuer)));
    let other = Statement { audience: domain("theirs.example"), ..good.clone() };
    assert!(matches!(read(&other, NOW), Err(StatementError::Audience)));
    assert!(read(&good, good.expires + Duration::ZERO).is_err_and(|e| matches!(e, StatementError::Times)));
    assert!(read(&good, Moment::from_secs(good.expires.secs() - 1)).is_ok());
    let early = Moment::from_secs(NOW.secs() - CLOCK_SKEW.as_secs());
    assert!(read(&good, early).is_ok());
    let early = Moment::from_secs(early.secs() - 1);
    assert!(read(&good, early).is_err_and(|e| matches!(e, StatementError::Times)));
    let long = Statement { expires: NOW + STATEMENT_LIFE_MAX + Duration::from_secs(1), ..good.clone() };
    assert!(matches!(long.sign(&signer), Err(StatementError::Times)));

    let strange = Signer::generate(&SystemEntropy::new()).unwrap();
    let forged = good.sign(&strange).unwrap().compact;
    let unknown = taken(&forged, &known, NOW);
    assert!(matches!(unknown, Err(StatementError::Jws(JwsError::UnknownKey { .. }))));
    let (said, _) = forged.rsplit_once('.').unwrap();
    let (_, signature) = good
        .sign(&signer)
        .unwrap()
        .compact
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let mut renamed = KeySet::new();
    renamed.insert_named(strange.kid(), signer.public().clone()).unwrap();
    let swapped = taken(&format!("{said}.{signature}"), &renamed, NOW);
    assert!(matches!(swapped, Err(StatementError::Jws(JwsError::Signature))));
}

#[test]
fn a_token_of_another_kind_is_no_statement() {
    let signer = signer();
    let claims = claims(&statement(), &signer);
    for typ in ["at+jwt", "JWT", "dpop+jwt", "alcaide-label"] {
        let compact = signer.sign(typ, &claims).unwrap();
        let refused = taken(&compact, &keys(&signer), NOW);
        assert!(matches!(refused, Err(StatementError::Jws(JwsError::Type { .. }))), "{typ}");
    }
}

#[test]
fn a_claim_more_or_less_is_another_version() {
    let signer = signer();
    let known = keys(&signer);
    let good = claims(&statement(), &signer);
    let read = |claims: &Value| taken(&signer.sign(STATEMENT_TYP, claims).unwrap(), &known, NOW);
    assert!(read(&good).is_ok());
    for key in [
        "v",
        "iss",
        "aud",
        "iat",
        "exp",
        "jti",
        "task",
        "of",
        "content",
        "re",
        "integrity",
        "confidentiality",
    ] {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(key);
        assert!(matches!(read(&less), Err(StatementError::Claims { .. })), "without {key}");
    }
    for (key, value) in [
        ("v", json!(2)),
        ("more", json!(1)),
        ("of", json!("params")),
        ("integrity", json!("certified")),
        ("confidentiality", json!(0)),
        ("iss", json!("spiffe://theirs.example")),
        ("aud", json!(["ours.example"])),
        ("kinds", json!(["Personal"])),
        ("kinds", json!([""])),
        ("kinds", json!(["a".repeat(33)])),
        ("kinds", json!(vec!["a"; KINDS_MAX + 1])),
        ("sources", json!(vec!["00".repeat(32); SOURCES_MAX + 1])),
        ("content", json!("00")),
    ] {
        let mut odd = good.clone();
        odd.as_object_mut().unwrap().insert(key.into(), value.clone());
        assert!(matches!(read(&odd), Err(StatementError::Claims { .. })), "{key} = {value}");
    }
}

#[test]
fn a_full_statement_fits_a_token_and_one_more_does_not() {
    let signer = signer();
    let mut full = Statement {
        kinds: vec!["a".repeat(KIND_BYTES_MAX).into(); KINDS_MAX],
        sources: vec![sha256(b"s"); SOURCES_MAX],
        issuer: domain(&"i".repeat(255)),
        audience: domain("ours.example"),
        ..statement()
    };
    assert!(full.sign(&signer).is_ok());
    full.sources.push(sha256(b"one more"));
    assert!(matches!(full.sign(&signer), Err(StatementError::Claims { .. })));
}

#[test]
fn a_claim_twice_is_refused() {
    let text = String::from_utf8(serde_json::to_vec(&claims(&statement(), &signer())).unwrap()).unwrap();
    assert!(Statement::read(text.as_bytes()).is_ok());
    let twice = text.replacen('{', "{\"integrity\":\"trusted\",", 1);
    assert!(matches!(Statement::read(twice.as_bytes()), Err(StatementError::Claims { .. })));
}

#[test]
fn the_probe_takes_seeds_and_their_cuts() {
    let signer = signer();
    let compact = statement().sign(&signer).unwrap().compact;
    assert!(probe(compact.as_bytes()));
    assert!(probe(&jws::unverified_payload(&compact).unwrap()));
    for at in 0..compact.len() {
        let _ = probe(compact.as_bytes().get(..at).unwrap());
    }
}

proptest! {
    #[test]
    fn any_statement_comes_back_as_it_was(
        integrity in prop_oneof![Just(Integrity::Trusted), Just(Integrity::Untrusted)],
        confidentiality in prop_oneof![
            Just(Confidentiality::Public), Just(Confidentiality::Internal),
            Just(Confidentiality::Confidential), Just(Confidentiality::Restricted)
        ],
        kinds in vec("[a-z_]{1,32}", 0..KINDS_MAX),
        sources in vec(any::<[u8; 32]>(), 0..SOURCES_MAX),
        answers in proptest::option::of(any::<[u8; 32]>()),
        life in 1_u64..=600,
    ) {
        let said = Statement {
            label: Label { confidentiality, integrity },
            kinds: kinds.into_iter().map(Into::into).collect(),
            sources: sources.into_iter().map(Sha256Digest::from_bytes).collect(),
            covers: answers.map_or(Covers::Params, |b| Covers::Result { answers: Sha256Digest::from_bytes(b) }),
            expires: NOW + Duration::from_secs(life),
            ..statement()
        };
        let signer = signer();
        prop_assert_eq!(taken(&said.sign(&signer).unwrap().compact, &keys(&signer), NOW).unwrap(), said);
    }

    #[test]
    fn bytes_from_outside_never_panic(bytes in vec(any::<u8>(), 0..512), text in "\\PC{0,200}") {
        let _ = probe(&bytes);
        let _ = probe(text.as_bytes());
    }

    #[test]
    fn one_byte_changed_is_no_statement(at in 0_usize..2_000, with in "[A-Za-z0-9_-]") {
        let signer = signer();
        let compact = statement().sign(&signer).unwrap().compact;
        let at = at % compact.len();
        let mut changed = compact.clone().into_bytes();
        changed[at] = with.as_bytes()[0];
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(changed != compact);
        prop_assert!(taken(&changed, &keys(&signer), NOW).is_err());
    }
}
