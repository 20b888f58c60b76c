//! The reference implementation against the command: what either signs, the other verifies.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{ok, said};

const CURVES: [&str; 3] = ["p256", "p384", "p521"];

#[test]
fn signatures_pass_both_ways() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/peers/venv/bin/python");
    if !python.exists() {
        println!("not judged: models signed by the program: no peers; `cargo xtask peers` installs them");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
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
    for number in 0..CURVES.len() {
        // Names that sort one way by code points and the other way by parts of paths.
        for (name, bytes) in
            [("a/b", &b"1"[..]), ("a-b", b"22"), ("ünï/雪.bin", &[7; 70_000]), ("empty", b"")]
        {
            let place = folder.path().join("models").join(number.to_string()).join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, bytes).unwrap();
        }
    }
    peer("make");
    peer("sign");
    fs::create_dir(at("own")).unwrap();
    for (number, curve) in CURVES.iter().enumerate() {
        let model = at(&format!("models/{number}"));
        let changed = format!("{model}/a-b");
        let (public, private) = (at(&format!("keys/{curve}.pub.pem")), at(&format!("keys/{curve}.pem")));
        let (leaf, between, top) = (at("keys/leaf.crt"), at("keys/between.crt"), at("keys/root.crt"));
        for (method, trust) in [("key", ["--key", &public]), ("certificate", ["--roots", &top])] {
            let theirs = at(&format!("reference/{number}.{method}.sig"));
            let args = ["model", "verify", trust[0], trust[1], "--signature", &theirs, &model];
            ok(&args);
            fs::write(&changed, b"23").unwrap();
            said(&args, &[]).refused(1, "ALC-CLI-0064", &["error: `a-b` is not what was signed\n"]);
            fs::write(&changed, b"22").unwrap();
        }
        let ours = |method: &str| at(&format!("own/{number}.{method}"));
        ok(&["model", "sign", "--key", &private, "--signature", &ours("key.sig"), &model]);
        let chain = ["--cert-chain", &leaf, "--cert-chain", &between];
        let args =
            ["model", "sign", "--key", &at("keys/leaf.pem"), "--signature", &ours("certificate.sig"), &model];
        ok(&[&args, chain.as_slice()].concat());
        // Over other bytes, to see that the peer looks.
        fs::write(&changed, b"23").unwrap();
        ok(&["model", "sign", "--key", &private, "--signature", &ours("key.wrong"), &model]);
        fs::write(&changed, b"22").unwrap();
    }
    let verdicts: BTreeMap<String, String> = serde_json::from_str(peer("verify").trim()).unwrap();
    assert_eq!(verdicts.len(), 3 * CURVES.len());
    for (bundle, verdict) in verdicts {
        assert_eq!(verdict == "ok", !bundle.ends_with(".wrong"), "{bundle}: {verdict}");
    }
}
