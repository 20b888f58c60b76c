//! Bundles of other writers.

use alcaide_artifact::signing::{Bundle, EmptyFiles, Formats, Method, Rules, Scheme, SigningError, Trust};
use alcaide_seal::ecdsa::EcPublicKey;
use alcaide_seal::hash::HashAlgorithm;
use alcaide_seal::x509::{ChainError, Roots};
use proptest::prelude::*;
use serde::Deserialize;

use super::tree::{NOW, Tree, fixtures, verify};

#[derive(Deserialize)]
struct Row {
    bundle: String,
    method: String,
    trust: String,
    accept: bool,
    note: String,
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).unwrap()
}

fn trust(method: &str, file: &str) -> Trust {
    let text = read(file);
    match method {
        "key" => Trust { keys: vec![EcPublicKey::from_pem(&text).unwrap()], at: NOW, ..Trust::default() },
        "certificate" => Trust { roots: Some(Roots::from_pem(&text).unwrap()), at: NOW, ..Trust::default() },
        other => panic!("{other}"),
    }
}

fn model() -> Tree {
    Tree::read(&fixtures().join("model"))
}

/// The model has an empty file, which bundles over shards do not list.
fn with_empty() -> Rules {
    Rules { empty: EmptyFiles::List, ..Rules::default() }
}

#[test]
fn each_row_gets_its_verdict() {
    let tree = model();
    assert_eq!(tree.0.len(), 7);
    let (mut rows, mut refused) = (0, Vec::new());
    for line in String::from_utf8(read("expected.jsonl")).unwrap().lines() {
        let row: Row = serde_json::from_str(line).unwrap();
        let check = |rules: &Rules| verify(&tree, &read(&row.bundle), &trust(&row.method, &row.trust), rules);
        let result = check(&with_empty());
        let shards = row.bundle.contains("shards");
        assert_eq!(check(&Rules::default()).is_ok(), row.accept && !shards, "{}", row.bundle);
        assert_eq!(result.is_ok(), row.accept, "{} ({}): {result:?}", row.bundle, row.note);
        match result {
            Ok(model) => {
                assert_eq!(model.name(), "model");
                assert_eq!(model.signers().len(), 1);
                assert_eq!(model.signers()[0].certificate().is_some(), row.method == "certificate");
                assert_eq!(model.bytes(), tree.0.values().map(|bytes| bytes.len() as u64).sum::<u64>());
            }
            Err(error) => refused.push((row.bundle, error)),
        }
        rows += 1;
    }
    assert_eq!(rows, 17);
    let why = |bundle: &str| &refused.iter().find(|(name, _)| name.contains(bundle)).unwrap().1;
    assert!(matches!(why("py-key-p256"), SigningError::KeyNotTrusted { .. }));
    assert!(matches!(why("py-cert"), SigningError::Chain(ChainError::NoPath { .. })));
    assert!(matches!(why("bad-hint"), SigningError::KeyNotTrusted { .. }));
    assert!(matches!(why("bad-root"), SigningError::RootDigest));
    assert!(matches!(why("bad-cert-expired"), SigningError::Chain(ChainError::Expired { .. })));
    assert!(matches!(why("bad-cert-nosign"), SigningError::Chain(ChainError::KeyUsage { .. })));
}

#[test]
fn schemes_are_read_as_they_are_written() {
    let scheme = |bundle: &str| {
        let trust = trust("key", "keys/p256.pub.pem");
        verify(&model(), &read(bundle), &trust, &with_empty()).unwrap().scheme()
    };
    let shards = Method::Shards { bytes: 1000 };
    assert_eq!(scheme("bundles/py-key-p256.sig"), Scheme::STANDARD);
    assert_eq!(scheme("bundles/spec-blake3.sig").hash, HashAlgorithm::Blake3);
    assert_eq!(scheme("bundles/spec-blake2b.sig").hash, HashAlgorithm::Blake2b);
    assert_eq!(scheme("bundles/spec-shards.sig").method, shards);
    assert_eq!(scheme("bundles/py-shards-quirk.sig").method, shards);
}

#[test]
fn an_expired_leaf_counts_where_a_time_is_proved() {
    let mut trust = trust("certificate", "keys/root.pem");
    // 2025-01-15.
    trust.at = 1_736_899_200;
    assert!(verify(&model(), &read("bundles/bad-cert-expired.sig"), &trust, &Rules::default()).is_ok());
}

#[test]
fn each_file_of_the_model_counts() {
    let tree = model();
    for bundle in ["py-key-p256", "spec-blake3", "spec-blake2b", "spec-shards", "py-shards-quirk"] {
        let trust = trust("key", "keys/p256.pub.pem");
        let bytes = read(&format!("bundles/{bundle}.sig"));
        let check = |tree: &Tree| verify(tree, &bytes, &trust, &with_empty());
        for (path, content) in &tree.0 {
            let mut more = content.clone();
            more.push(0);
            assert!(
                matches!(
                    check(&tree.with(path, &more)),
                    Err(SigningError::Changed { .. } | SigningError::Added { .. })
                ),
                "{bundle} {path}"
            );
            if content.is_empty() {
                continue;
            }
            let mut other = content.clone();
            other[content.len() / 2] ^= 1;
            assert!(
                matches!(check(&tree.with(path, &other)), Err(SigningError::Changed { .. })),
                "{bundle} {path}"
            );
            assert!(
                matches!(check(&tree.with(path, &content[1..])), Err(SigningError::Changed { .. })),
                "{bundle} {path}"
            );
            assert!(
                matches!(check(&tree.without(path)), Err(SigningError::Missing { .. })),
                "{bundle} {path}"
            );
        }
        assert!(matches!(check(&tree.with("new.py", b"1")), Err(SigningError::Added { .. })), "{bundle}");
    }
}

#[test]
fn formats_of_version_0_2_are_taken_only_where_they_are_asked_for() {
    let historical = Rules { formats: Formats::Historical, ..Rules::default() };
    for (bundle, method, trusted) in [
        ("historical/certificate.sig", "certificate", "historical/root.pem"),
        ("historical/key.sig", "key", "historical/key.pub.pem"),
    ] {
        let check = |tree: &Tree, rules: &Rules| verify(tree, &read(bundle), &trust(method, trusted), rules);
        let found = check(&model(), &historical).unwrap();
        assert_eq!((found.files().len(), found.root()), (7, None));
        assert!(matches!(check(&model(), &Rules::default()), Err(SigningError::SignatureWrong)), "{bundle}");
        assert!(matches!(
            check(&model().with("w.bin", b"x"), &historical),
            Err(SigningError::Changed { .. })
        ));
        assert!(matches!(check(&model().with("more", b"x"), &historical), Err(SigningError::Added { .. })));
    }
    let current =
        verify(&model(), &read("bundles/py-cert.sig"), &trust("certificate", "keys/root.pem"), &historical);
    assert!(current.is_ok(), "{current:?}");
}

#[test]
fn a_key_is_not_taken_for_a_certificate_nor_the_other_way_round() {
    let check = |bundle: &str, trust: &Trust| verify(&model(), &read(bundle), trust, &Rules::default());
    let (key, root) = (trust("key", "keys/p256.pub.pem"), trust("certificate", "keys/root.pem"));
    assert_eq!(
        check("bundles/py-key-p256.sig", &root).err(),
        Some(SigningError::MethodNotTrusted { found: "a key" })
    );
    assert_eq!(
        check("bundles/py-cert.sig", &key).err(),
        Some(SigningError::MethodNotTrusted { found: "a certificate" })
    );
}

/// Bundles of all kinds, each with somebody who trusts it.
fn bundles() -> Vec<(Vec<u8>, Trust)> {
    let mut found: Vec<(Vec<u8>, Trust)> =
        ["py-key-p256", "spec-codepoint", "spec-shards", "old-rawbytes", "spec-blake3"]
            .map(|name| (read(&format!("bundles/{name}.sig")), trust("key", "keys/p256.pub.pem")))
            .into();
    found.push((read("bundles/py-cert.sig"), trust("certificate", "keys/root.pem")));
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is changed in a bundle, it is refused or says the same: what a reader passes over may change.
    #[test]
    fn a_mutated_bundle_is_refused_or_says_the_same(
        which in 0_usize..6,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..4),
    ) {
        let (original, trust) = bundles().swap_remove(which);
        let mut bytes = original.clone();
        for (at, byte, act) in edits {
            let at = at.index(bytes.len());
            match act {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        let expected = verify(&model(), &original, &trust, &with_empty()).unwrap();
        if let Ok(found) = verify(&model(), &bytes, &trust, &with_empty()) {
            prop_assert_eq!(found.manifest(), expected.manifest());
            prop_assert_eq!(found.root(), expected.root());
            prop_assert_eq!(found.signers()[0].key(), expected.signers()[0].key());
        }
    }

    #[test]
    fn random_text_is_no_bundle(text in "\\PC{0,80}|[{}\\[\\]\",:a-zA-Z0-9.+/=]{0,200}") {
        prop_assert!(Bundle::parse(text.as_bytes()).is_err());
    }
}
