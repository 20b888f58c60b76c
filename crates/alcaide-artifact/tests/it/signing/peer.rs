//! The reference implementation: what it signs is verified here, what is signed here it verifies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use alcaide_artifact::signing::{Names, Rules, Scheme, SignAs, Trust, sign};
use alcaide_seal::ecdsa::{EcPublicKey, PrivateKey};
use alcaide_seal::sha256;
use alcaide_seal::x509::{Certificate, Roots};

use super::tree::{NOW, Tree, verify};

const MODELS: u64 = 24;
const CURVES: [&str; 3] = ["p256", "p384", "p521"];

/// Numbers that are the same at every run.
struct Numbers {
    seed: u64,
    count: u64,
}

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.count += 1;
        let bytes = [self.seed.to_be_bytes(), self.count.to_be_bytes()].concat();
        u64::try_from(sha256(&bytes).leading_bits128() % u128::from(end)).unwrap()
    }
}

/// Names that sort differently by code points, by parts and by UTF-16, and are all different however they are folded.
fn tree(seed: u64) -> Tree {
    let parts =
        ["a", "a-b", "a b", "a.b", "ünï", "雪", "\u{1f600}", "\u{ff5e}", "z", ".hidden", "model", "x:1:2"];
    let mut numbers = Numbers { seed, count: 0 };
    let mut tree = Tree::default();
    for _ in 0..=numbers.below(9) {
        let mut path = String::new();
        for _ in 0..numbers.below(3) {
            path.push_str(parts[usize::try_from(numbers.below(parts.len() as u64)).unwrap()]);
            // What is a folder is never a file.
            path.push_str(".d/");
        }
        path.push_str(parts[usize::try_from(numbers.below(parts.len() as u64)).unwrap()]);
        let length = [0, 1, 63, 64, 65, 300_000][usize::try_from(numbers.below(6)).unwrap()];
        tree.0.insert(path, (0..length).map(|_| numbers.count.to_le_bytes()[0]).collect());
    }
    tree.0.insert("always".to_owned(), seed.to_be_bytes().to_vec());
    tree
}

#[test]
fn signatures_pass_both_ways() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/peers/venv/bin/python");
    if !python.exists() {
        println!("not judged: the reference of model signing: no peers; `cargo xtask peers` installs them");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let peer = |act: &str| {
        let out = Command::new(&python)
            .arg(root.join("tests/peers/oms.py"))
            .arg(act)
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{act}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let trees: Vec<Tree> = (0..MODELS).map(tree).collect();
    for (number, tree) in trees.iter().enumerate() {
        for (path, bytes) in &tree.0 {
            let place = at("models").join(number.to_string()).join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, bytes).unwrap();
        }
    }
    peer("make");
    peer("sign");

    let read = |path: PathBuf| fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (keys, rules) = (at("keys"), Rules { names: Names::Exact, ..Rules::default() });
    let roots = || Some(Roots::from_pem(&read(keys.join("root.crt"))).unwrap());
    let chain: Vec<Certificate> = ["leaf.crt", "between.crt"]
        .iter()
        .flat_map(|name| Certificate::all_from_pem(&read(keys.join(name))).unwrap())
        .collect();
    let leaf = PrivateKey::from_pem(&read(keys.join("leaf.pem")), None).unwrap();
    fs::create_dir(at("own")).unwrap();
    for (number, tree) in trees.iter().enumerate() {
        let curve = CURVES[number % 3];
        let public = EcPublicKey::from_pem(&read(keys.join(format!("{curve}.pub.pem")))).unwrap();
        let by_key = Trust { keys: vec![public], at: NOW, ..Trust::default() };
        let by_certificate = Trust { roots: roots(), at: NOW, ..Trust::default() };
        for (method, trust) in [("key", by_key), ("certificate", by_certificate)] {
            let bundle = read(at("reference").join(format!("{number}.{method}.sig")));
            let found = verify(tree, &bundle, &trust, &rules);
            assert_eq!(
                found.as_ref().map(|model| model.files().len()),
                Ok(tree.0.len()),
                "{number} {method}"
            );
            assert!(verify(&tree.with("always", b"changed"), &bundle, &trust, &rules).is_err());
            assert!(verify(&tree.with("added", b""), &bundle, &trust, &rules).is_err());
            assert!(verify(&tree.without("always"), &bundle, &trust, &rules).is_err());
        }
        let mut manifest = tree.manifest(Scheme::STANDARD, &rules).unwrap();
        let private = PrivateKey::from_pem(&read(keys.join(format!("{curve}.pem"))), None).unwrap();
        for (method, signer, sign_as) in
            [("key", &private, SignAs::Key), ("certificate", &leaf, SignAs::Chain(&chain))]
        {
            let bundle = sign(&manifest, signer, sign_as).unwrap().to_json().unwrap();
            fs::write(at("own").join(format!("{number}.{method}.sig")), bundle).unwrap();
        }
        // A bundle over another tree, to see that the peer looks.
        manifest = tree.with("always", b"changed").manifest(Scheme::STANDARD, &rules).unwrap();
        let bundle = sign(&manifest, &private, SignAs::Key).unwrap().to_json().unwrap();
        fs::write(at("own").join(format!("{number}.key.wrong")), bundle).unwrap();
    }
    let verdicts: BTreeMap<String, String> = serde_json::from_str(peer("verify").trim()).unwrap();
    assert_eq!(verdicts.len(), 3 * trees.len());
    for (bundle, verdict) in verdicts {
        assert_eq!(verdict == "ok", !bundle.ends_with(".wrong"), "{bundle}: {verdict}");
    }
}
