//! Nothing of what this product writes can be changed, added or taken away.

use alcaide_artifact::signing::{Bundle, Names, Rules, SigningError};
use proptest::prelude::*;

use super::tree::{Tree, bundle_of, new_key, trusting, verify};

fn small() -> Tree {
    Tree::of(&[
        ("config.json", b"{}"),
        ("a/b", b"1"),
        ("a-b", b"2"),
        ("ünï/雪.bin", b"weights"),
        ("empty", b""),
    ])
}

#[test]
fn every_bit_of_a_bundle_counts() {
    let (tree, key, rules) = (small(), new_key(), Rules::default());
    let bundle = bundle_of(&tree, &rules, &key).to_json().unwrap();
    let trust = trusting(&[&key]);
    assert!(verify(&tree, &bundle, &trust, &rules).is_ok());
    // The member `keyid` is empty, and every reader passes over its value.
    for at in 0..bundle.len() * 8 {
        let mut other = bundle.clone();
        other[at / 8] ^= 1 << (at % 8);
        assert!(
            verify(&tree, &other, &trust, &rules).is_err(),
            "bit {at}: {}",
            String::from_utf8_lossy(&other[at / 8 - 20..(at / 8 + 20).min(bundle.len())])
        );
    }
}

#[test]
fn every_bit_of_a_tree_counts() {
    let (tree, key, rules) = (small(), new_key(), Rules::default());
    let bundle = bundle_of(&tree, &rules, &key).to_json().unwrap();
    let trust = trusting(&[&key]);
    for (path, bytes) in &tree.0 {
        for at in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[at / 8] ^= 1 << (at % 8);
            let result = verify(&tree.with(path, &other), &bundle, &trust, &rules);
            assert!(matches!(result, Err(SigningError::Changed { .. })), "{path} {at}");
        }
        assert!(matches!(
            verify(&tree.without(path), &bundle, &trust, &rules),
            Err(SigningError::Missing { .. })
        ));
    }
}

#[test]
fn a_bundle_is_read_as_it_was_written() {
    let bundle = bundle_of(&small(), &Rules::default(), &new_key());
    let json = bundle.to_json().unwrap();
    assert_eq!(Bundle::parse(&json).unwrap().to_json().unwrap(), json);
    let text = String::from_utf8(json).unwrap();
    assert!(text.contains("\"tlogEntries\":[]") && text.contains("\"keyid\":\"\""), "{text}");
}

#[test]
fn what_a_bundle_has_beside_its_format_is_refused() {
    let (tree, key, rules) = (small(), new_key(), Rules::default());
    let json: serde_json::Value =
        serde_json::from_slice(&bundle_of(&tree, &rules, &key).to_json().unwrap()).unwrap();
    let error = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut other = json.clone();
        change(&mut other);
        verify(&tree, &serde_json::to_vec(&other).unwrap(), &trusting(&[&key]), &rules).unwrap_err()
    };
    let malformed = |error: SigningError| matches!(error, SigningError::BundleMalformed { .. });
    assert!(malformed(error(&|json| json["extra"] = 1.into())));
    assert!(malformed(error(&|json| json["verificationMaterial"]["extra"] = 1.into())));
    assert!(malformed(error(&|json| json["dsseEnvelope"]["extra"] = 1.into())));
    assert!(malformed(error(&|json| json["messageSignature"] = 1.into())));
    assert!(malformed(error(&|json| {
        json.as_object_mut().unwrap().remove("dsseEnvelope");
    })));
    assert!(malformed(error(&|json| {
        json["verificationMaterial"].as_object_mut().unwrap().remove("publicKey");
    })));
    assert!(malformed(error(&|json| {
        json["verificationMaterial"]["x509CertificateChain"] = serde_json::json!({"certificates": []});
    })));
    assert_eq!(
        error(&|json| json["verificationMaterial"]["certificate"] = serde_json::json!({"rawBytes": ""})),
        SigningError::Sigstore
    );
    assert!(matches!(error(&|json| json["mediaType"] = "x".into()), SigningError::MediaType { .. }));
    assert!(matches!(
        error(&|json| json["dsseEnvelope"]["payloadType"] = "x".into()),
        SigningError::PayloadType { .. }
    ));
    assert_eq!(
        error(&|json| json["dsseEnvelope"]["signatures"] = serde_json::json!([])),
        SigningError::SignatureCount { count: 0 }
    );
    assert_eq!(
        error(&|json| {
            let one = json["dsseEnvelope"]["signatures"][0].clone();
            json["dsseEnvelope"]["signatures"].as_array_mut().unwrap().push(one);
        }),
        SigningError::SignatureCount { count: 2 }
    );
    let twice = serde_json::to_string(&json).unwrap().replacen('{', "{\"mediaType\":\"x\",", 1);
    assert!(malformed(verify(&tree, twice.as_bytes(), &trusting(&[&key]), &rules).unwrap_err()));
}

#[test]
fn what_a_bundle_repeats_is_counted_and_not_kept() {
    let (tree, key, rules) = (small(), new_key(), Rules::default());
    let text = String::from_utf8(bundle_of(&tree, &rules, &key).to_json().unwrap()).unwrap();
    let many = |place: &str, one: &str, count: usize| {
        let list = vec![one; count].join(",");
        text.replacen(place, &format!("{place}{list},"), 1)
    };
    let signatures = many("\"signatures\":[", r#"{"sig":"AA=="}"#, 100_000);
    assert_eq!(
        Bundle::parse(signatures.as_bytes()).unwrap_err(),
        SigningError::SignatureCount { count: 100_001 }
    );
    let chain = |certificates: &str| {
        let start = text.find("\"publicKey\":").unwrap();
        let end = start + text[start..].find('}').unwrap() + 1;
        let chain = format!("\"x509CertificateChain\":{{\"certificates\":[{certificates}]}}");
        Bundle::parse([&text[..start], &chain, &text[end..]].concat().as_bytes()).unwrap_err()
    };
    let one = r#"{"rawBytes":"AA=="}"#;
    assert_eq!(chain(one), SigningError::CertificateMalformed { at: 0 });
    let long = SigningError::BundleMalformed { why: "its chain is longer than is read".to_owned() };
    assert_eq!(chain(&[one; 9].join(",")), long);
    // One that is too large is not even decoded.
    let large = format!("{{\"rawBytes\":\"{}\"}}", "?".repeat(30_000));
    assert_eq!(chain(&large), SigningError::CertificateMalformed { at: 0 });
}

#[test]
fn a_bundle_has_its_measure() {
    let text = bundle_of(&small(), &Rules::default(), &new_key()).to_json().unwrap();
    assert!(Bundle::parse_within(&text, text.len()).is_ok());
    let max = text.len() - 1;
    assert_eq!(
        Bundle::parse_within(&text, max).unwrap_err(),
        SigningError::BundleTooLarge { bytes: text.len(), max }
    );
    let padded = [text, vec![b' '; alcaide_artifact::signing::BUNDLE_BYTES_MAX]].concat();
    assert!(matches!(Bundle::parse(&padded), Err(SigningError::BundleTooLarge { .. })));
    assert!(Bundle::parse_within(&padded, usize::MAX).is_ok());
}

fn paths() -> impl Strategy<Value = String> {
    "[a-cA-C.\\-_é雪 :]{1,3}(/[a-c.\\-ü]{1,2}){0,2}"
}

proptest! {
    /// Any tree that can be signed verifies, in every order of its entries, and no other tree does.
    #[test]
    fn a_signed_tree_verifies_in_any_order_and_no_other_does(
        files in proptest::collection::btree_map(paths(), proptest::collection::vec(any::<u8>(), 0..9), 1..8),
        at in any::<prop::sample::Index>(),
        rotate in 0_usize..8,
    ) {
        let (tree, key, rules) = (Tree(files), new_key(), Rules { names: Names::Exact, ..Rules::default() });
        let Ok(manifest) = tree.manifest(alcaide_artifact::signing::Scheme::STANDARD, &rules) else { return Ok(()) };
        let bundle = alcaide_artifact::signing::sign(&manifest, &key, alcaide_artifact::signing::SignAs::Key).unwrap();
        let trust = trusting(&[&key]);
        let agreed = super::tree::agreed(&bundle, &trust, &rules).unwrap();
        let mut entries = tree.entries();
        let by = rotate % entries.len();
        entries.rotate_left(by);
        prop_assert!(super::tree::compare(&agreed, &rules, &entries, None).is_ok());
        let json = bundle.to_json().unwrap();
        let (path, bytes) = tree.0.iter().nth(at.index(tree.0.len())).unwrap();
        prop_assert!(verify(&tree.without(path), &json, &trust, &rules).is_err());
        prop_assert!(verify(&tree.with(path, &[bytes.as_slice(), &[0]].concat()), &json, &trust, &rules).is_err());
        prop_assert!(verify(&tree.with("zz", b""), &json, &trust, &rules).is_err());
    }
}
