//! Several signers of one model.

use std::num::NonZeroUsize;

use alcaide_artifact::signing::{
    Authentic, Bundle, KnownSigner, Rules, Scheme, SigningError, Trust, agree, authenticate,
};
use alcaide_seal::ecdsa::{EcPublicKey, EcSigner as _, KeyHint, PrivateKey};
use alcaide_seal::hash::HashAlgorithm;
use alcaide_seal::x509::{Certificate, Roots};

use super::tree::{Tree, bundle_of, compare, fixtures, new_key, trusting};

fn tree() -> Tree {
    Tree::of(&[("config.json", b"{}"), ("w", b"weights")])
}

fn all(bundles: &[Bundle], keys: &[&PrivateKey], rules: &Rules) -> Vec<Authentic> {
    bundles.iter().map(|bundle| authenticate(bundle, &trusting(keys), rules).unwrap()).collect()
}

fn wanted(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

#[test]
fn different_keys_count_and_one_key_counts_once() {
    let (a, b, c) = (new_key(), new_key(), new_key());
    let rules = Rules::default();
    let keys = [&a, &b, &c];
    let bundles: Vec<Bundle> = [&a, &b, &a, &c].map(|key| bundle_of(&tree(), &rules, key)).into();
    let agreed = agree(all(&bundles, &keys, &rules), wanted(3)).unwrap();
    let model = compare(&agreed, &rules, &tree().entries(), None).unwrap();
    assert_eq!(model.signers().len(), 4);
    assert_eq!(model.signers()[1].key(), b.public_key().hint());
    let error = |bundles: &[Bundle], count| agree(all(bundles, &keys, &rules), wanted(count)).unwrap_err();
    assert_eq!(error(&bundles, 4), SigningError::TooFewSigners { found: 3, wanted: 4 });
    assert_eq!(
        error(&[bundles[0].clone(), bundles[2].clone()], 2),
        SigningError::TooFewSigners { found: 1, wanted: 2 }
    );
    assert_eq!(error(&[], 1), SigningError::TooFewSigners { found: 0, wanted: 1 });
}

#[test]
fn all_bundles_are_about_the_same_files() {
    let (a, b) = (new_key(), new_key());
    let rules = Rules::default();
    let keys = [&a, &b];
    let error = |other: Bundle, count| {
        let bundles = [bundle_of(&tree(), &rules, &a), other];
        agree(all(&bundles, &keys, &rules), wanted(count)).unwrap_err()
    };
    let changed = bundle_of(&tree().with("w", b"others"), &rules, &b);
    assert_eq!(error(changed.clone(), 2), SigningError::Disagreement { at: 1 });
    assert_eq!(error(changed, 1), SigningError::Disagreement { at: 1 });
    let hashed = tree().manifest(Scheme { hash: HashAlgorithm::Blake3, ..Scheme::STANDARD }, &rules).unwrap();
    let hashed =
        alcaide_artifact::signing::sign(&hashed, &b, alcaide_artifact::signing::SignAs::Key).unwrap();
    assert_eq!(error(hashed, 2), SigningError::Disagreement { at: 1 });
}

#[test]
fn a_key_and_a_certificate_agree_though_their_lines_are_in_another_order() {
    let folder = fixtures();
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let rules = Rules::default();
    let mut trust = trusting(&[]);
    trust.keys = vec![alcaide_seal::ecdsa::EcPublicKey::from_pem(&read("keys/p256.pub.pem")).unwrap()];
    trust.roots = Some(Roots::from_pem(&read("keys/root.pem")).unwrap());
    let bundles = ["bundles/spec-codepoint.sig", "bundles/py-cert.sig"]
        .map(|name| authenticate(&Bundle::parse(&read(name)).unwrap(), &trust, &rules).unwrap());
    assert_eq!(bundles[0].manifest().digest(), bundles[1].manifest().digest());
    let twice = |at: usize| vec![bundles[at].clone(), bundles[at].clone()];
    assert_eq!(
        agree(twice(1), wanted(2)).unwrap_err(),
        SigningError::TooFewSigners { found: 1, wanted: 2 },
        "one certificate twice"
    );
    // The certificate is about that very key.
    assert_eq!(bundles[0].signer().key(), bundles[1].signer().key());
    assert!(agree(bundles.to_vec(), wanted(1)).is_ok());
    assert_eq!(
        agree(bundles.to_vec(), wanted(2)).unwrap_err(),
        SigningError::TooFewSigners { found: 1, wanted: 2 }
    );
}

/// Bundles of `tests/oms/signers`, believed by whoever `trust` says.
fn signed_by(titles: &[&str], trust: &Trust) -> Vec<Authentic> {
    let read = |title: &&str| std::fs::read(fixtures().join(format!("signers/{title}.sig"))).unwrap();
    let verified = |bytes: Vec<u8>| authenticate(&Bundle::parse(&bytes).unwrap(), trust, &Rules::default());
    titles.iter().map(read).map(|bytes| verified(bytes).unwrap()).collect()
}

fn pem_of(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join("signers").join(name)).unwrap()
}

fn under_roots() -> Trust {
    Trust { roots: Some(Roots::from_pem(&pem_of("roots.pem")).unwrap()), ..trusting(&[]) }
}

fn count(bundles: Vec<Authentic>) -> usize {
    match agree(bundles, wanted(99)).unwrap_err() {
        SigningError::TooFewSigners { found, .. } => found,
        other => panic!("{other}"),
    }
}

#[test]
fn one_person_with_several_certificates_counts_once() {
    let trust = under_roots();
    for other in ["alice-renewed", "alice-printable", "alice-wide"] {
        assert_eq!(count(signed_by(&["alice-old", other], &trust)), 1, "{other}");
        assert_eq!(count(signed_by(&["alice-old", "bob", other], &trust)), 2, "{other}");
    }
    // Pinned certificates have no root in common, or none at all.
    let mut pins = [pem_of("alice-old.pem"), pem_of("alice-renewed.pem"), pem_of("bob.pem")].concat();
    let pinned = Trust { roots: Some(Roots::from_pem(&pins).unwrap()), ..trusting(&[]) };
    assert_eq!(count(signed_by(&["alice-old", "alice-renewed", "bob"], &pinned)), 2);
    pins.extend(pem_of("roots.pem"));
    let both = Trust { roots: Some(Roots::from_pem(&pins).unwrap()), ..trusting(&[]) };
    assert_eq!(count(signed_by(&["alice-old", "alice-renewed", "alice-wide"], &both)), 1);
}

#[test]
fn signers_whom_the_verifier_names_are_counted_by_their_names() {
    let key = EcPublicKey::from_pem(&pem_of("alice-key.pub.pem")).unwrap();
    let all = ["alice-old", "alice-key", "bob"];
    let unnamed = Trust { keys: vec![key.clone()], ..under_roots() };
    assert_eq!(count(signed_by(&all, &unnamed)), 3, "nobody says that the key is Alice's");
    let certificate = |name: &str| Certificate::all_from_pem(&pem_of(name)).unwrap();
    let alice = KnownSigner {
        name: "alice".to_owned(),
        keys: [key.hint()].into(),
        certificates: certificate("alice-renewed.pem"),
    };
    let bob = KnownSigner {
        name: "bob".to_owned(),
        certificates: certificate("bob.pem"),
        ..KnownSigner::default()
    };
    let named = |signers: &[&KnownSigner]| Trust {
        keys: vec![key.clone()],
        signers: signers.iter().copied().cloned().collect(),
        ..under_roots()
    };
    let found = signed_by(&all, &named(&[&alice, &bob]));
    let names: Vec<Vec<&str>> = found.iter().map(|one| one.signer().names().collect()).collect();
    assert_eq!(names, [["alice"], ["alice"], ["bob"]]);
    assert_eq!(count(found), 2);
    // One whom nobody named does not sign.
    let bytes = std::fs::read(fixtures().join("signers/bob.sig")).unwrap();
    let error =
        authenticate(&Bundle::parse(&bytes).unwrap(), &named(&[&alice]), &Rules::default()).unwrap_err();
    assert!(matches!(error, SigningError::SignerUnknown { .. }), "{error}");
    // Two of one name on their certificates whom the verifier tells apart by their keys are two.
    let hint = |name: &str| certificate(name)[0].key_hint();
    let by_key = |name: &str, file: &str| KnownSigner {
        name: name.to_owned(),
        keys: [hint(file)].into(),
        certificates: Vec::new(),
    };
    let (first, second) = (by_key("ann", "alice-old.pem"), by_key("ada", "alice-renewed.pem"));
    assert_eq!(count(signed_by(&["alice-old", "alice-renewed"], &named(&[&first, &second]))), 2);
}

#[test]
fn whoever_is_the_same_as_two_others_makes_them_one() {
    let key = EcPublicKey::from_pem(&pem_of("alice-key.pub.pem")).unwrap();
    let certificate = |name: &str| Certificate::all_from_pem(&pem_of(name)).unwrap();
    let known = |name: &str, keys: &[KeyHint], certificates: Vec<Certificate>| KnownSigner {
        name: name.to_owned(),
        keys: keys.iter().copied().collect(),
        certificates,
    };
    // The key is in both hands; the certificates are not.
    let signers = vec![
        known("alice", &[key.hint()], certificate("alice-old.pem")),
        known("bob", &[key.hint()], certificate("bob.pem")),
    ];
    let trust = Trust { keys: vec![key], signers, ..under_roots() };
    assert_eq!(count(signed_by(&["alice-old", "bob"], &trust)), 2);
    for order in [
        ["alice-old", "bob", "alice-key"],
        ["alice-key", "bob", "alice-old"],
        ["bob", "alice-key", "alice-old"],
    ] {
        assert_eq!(count(signed_by(&order, &trust)), 1, "{order:?}");
    }
}

#[test]
fn a_revoked_key_is_no_signer() {
    let key = new_key();
    let rules = Rules::default();
    let mut trust = trusting(&[&key]);
    let hint = key.public_key().hint();
    trust.revocation.keys = [hint].into();
    let bundle = bundle_of(&tree(), &rules, &key);
    assert_eq!(
        authenticate(&bundle, &trust, &rules).unwrap_err(),
        SigningError::KeyRevoked { hint: hint.to_string() }
    );
}
