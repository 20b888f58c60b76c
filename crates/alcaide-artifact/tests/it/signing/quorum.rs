//! Several signers of one model.

use std::num::NonZeroUsize;

use alcaide_artifact::signing::{Authentic, Bundle, Rules, Scheme, SigningError, agree, authenticate};
use alcaide_seal::ecdsa::{EcSigner as _, PrivateKey};
use alcaide_seal::hash::HashAlgorithm;
use alcaide_seal::x509::Roots;

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
        alcaide_artifact::signing::sign(&hashed, &rules, &b, alcaide_artifact::signing::SignAs::Key).unwrap();
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
    let found = agree(bundles.to_vec(), wanted(2));
    let same_key = bundles[0].signer().key() == bundles[1].signer().key();
    assert_eq!(found.is_ok(), !same_key);
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
