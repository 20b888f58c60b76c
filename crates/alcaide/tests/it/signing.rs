//! Models signed and verified by the real program: what holds, what does not, and what people are told.

mod fixtures;
mod keys;
mod peer;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::house::{Said, run};

/// A model of three files in a folder of its own, and keys beside it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        desk.put("model/config.json", b"{}");
        desk.put("model/sub/w.safetensors", b"weights");
        desk.put("model/z.txt", b"");
        desk
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        self.at(name)
    }

    /// Makes a key `NAME.pem` with `NAME.pub.pem`, and gives how signatures name it.
    fn key(&self, name: &str) -> String {
        let (file, public) = (self.at(&format!("{name}.pem")), self.at(&format!("{name}.pub.pem")));
        let told = ok(&["model", "keygen", &file, "--public", &public, "--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        told["key"].as_str().unwrap().to_owned()
    }

    fn sign(&self, key: &str, more: &[&str]) -> Said {
        let (key, model) = (self.at(&format!("{key}.pem")), self.at("model"));
        said(&["model", "sign", "--key", &key, &model], more)
    }

    fn verify(&self, key: &str, more: &[&str]) -> Said {
        let (key, model) = (self.at(&format!("{key}.pub.pem")), self.at("model"));
        said(&["model", "verify", "--key", &key, &model], more)
    }

    /// A model that `a` signed.
    fn signed() -> Self {
        let desk = Self::new();
        desk.key("a");
        assert_eq!(desk.sign("a", &[]).code, 0);
        desk
    }
}

fn said(args: &[&str], more: &[&str]) -> Said {
    run(&[args, more].concat(), &[], b"")
}

#[track_caller]
fn ok(args: &[&str]) -> String {
    let told = said(args, &[]);
    assert_eq!(told.code, 0, "{args:?}: {told:?}");
    told.out
}

fn json(told: &Said) -> Value {
    assert_eq!(told.out.lines().count(), 1, "{told:?}");
    serde_json::from_str(&told.out).unwrap()
}

fn artifact(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../alcaide-artifact/tests/oms").join(name)
}

/// A fixture of certificates.
fn own(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signing").join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_model_that_was_signed_verifies_and_it_is_told_by_whom() {
    let desk = Desk::new();
    let hint = desk.key("a");
    let signed = desk.sign("a", &[]);
    assert_eq!(signed.code, 0, "{signed:?}");
    assert!(signed.out.contains(": 3 files, 9 bytes\n"), "{}", signed.out);
    assert!(signed.out.contains(&format!("  key        {hint} (P-256)\n")), "{}", signed.out);
    assert!(signed.out.contains("/model/model.sig\n"), "{}", signed.out);
    let verified = desk.verify("a", &[]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.out.contains("model: 3 files, 9 bytes are what was signed\n"), "{}", verified.out);
    assert!(verified.out.contains(&format!("  signed by  key {hint} in ")), "{}", verified.out);
    let manifest = |text: &str| text.lines().find(|line| line.contains("manifest")).unwrap().to_owned();
    assert_eq!(manifest(&signed.out), manifest(&verified.out));
    let told = json(&desk.verify("a", &["--json"]));
    assert_eq!(
        (&told["verified"], &told["model"], &told["files"], &told["bytes"], &told["from_cache"]),
        (&true.into(), &"model".into(), &3.into(), &9.into(), &0.into())
    );
    assert_eq!(told["signers"][0]["key"], hint);
    assert_eq!(told["ignored"], serde_json::json!(["model.sig"]));
    // A new signature takes the old one's place, and nothing is left beside it.
    desk.put("model/more.txt", b"more");
    assert_eq!(json(&desk.sign("a", &["--json"]))["files"], 4);
    assert_eq!(json(&desk.verify("a", &["--json"]))["files"], 4);
    assert_eq!(fs::read_dir(desk.at("model")).unwrap().count(), 5);
}

#[test]
fn a_model_may_be_one_file() {
    let desk = Desk::new();
    desk.key("a");
    let model = desk.put("one/m.gguf", b"GGUF");
    ok(&["model", "sign", "--key", &desk.at("a.pem"), &model]);
    assert!(Path::new(&desk.at("one/m.gguf.sig")).exists());
    let verify = ["model", "verify", "--key", &desk.at("a.pub.pem"), &model];
    ok(&verify);
    // What lies beside it is another model.
    desk.put("one/other.gguf", b"GGUF");
    ok(&verify);
    desk.put("one/m.gguf", b"GGUX");
    said(&verify, &[]).refused(1, "ALC-CLI-0064", &["error: `m.gguf` is not what was signed\n"]);
    let link = desk.at("one/link.gguf");
    symlink("m.gguf", &link).unwrap();
    // The caller's own link leads where it leads; the name is another one then.
    said(
        &[
            "model",
            "verify",
            "--key",
            &desk.at("a.pub.pem"),
            "--signature",
            &desk.at("one/m.gguf.sig"),
            &link,
        ],
        &[],
    )
    .refused(1, "ALC-CLI-0064", &["`m.gguf` is signed and missing\n"]);
    said(&["model", "sign", "--key", &desk.at("a.pem"), "--signature", &model, &model], &[]).refused(
        2,
        "ALC-CLI-0001",
        &["error: the signature is the model itself\n"],
    );
}

#[test]
fn every_file_that_differs_is_told_with_what_was_expected_and_a_cure() {
    let desk = Desk::signed();
    let weights = desk.at("model/sub/w.safetensors");
    desk.put("model/sub/w.safetensors", b"weighty");
    let told = desk.verify("a", &[]);
    let digest = |text: &str| alcaide_seal::sha256(text.as_bytes()).to_string();
    told.refused(
        1,
        "ALC-CLI-0064",
        &[
            "error: the files are not those that were signed\n",
            "  why: 1 changed, 0 missing, 0 added\n",
            "error: `sub/w.safetensors` is not what was signed\n",
            &format!("   at: {weights}\n"),
            &format!(
                "  why: signed is sha256:{}, found was sha256:{}\n",
                digest("weights"),
                digest("weighty")
            ),
            "  fix: do not use the model; fetch it and its signature again from their source\n",
        ],
    );
    let told = desk.verify("a", &["--json"]);
    assert_eq!((told.code, told.err.as_str()), (1, ""));
    let told = json(&told);
    assert_eq!(told["verified"], false);
    assert_eq!(told["changed"][0]["path"], "sub/w.safetensors");
    assert_eq!(told["changed"][0]["found"], format!("sha256:{}", digest("weighty")));
    assert_eq!(told["problems"][1]["code"], "ALC-CLI-0064");
    assert_eq!(told["files"], Value::Null);

    // Renamed: one is missing, another was added.
    desk.put("model/sub/w.safetensors", b"weights");
    fs::rename(&weights, desk.at("model/sub/v.safetensors")).unwrap();
    desk.verify("a", &[]).refused(
        1,
        "ALC-CLI-0064",
        &[
            "  why: 0 changed, 1 missing, 1 added\n",
            "error: `sub/w.safetensors` is signed and missing\n",
            "error: `sub/v.safetensors` was added after the model was signed\n",
        ],
    );
    fs::remove_file(desk.at("model/sub/v.safetensors")).unwrap();
    desk.verify("a", &[]).refused(1, "ALC-CLI-0064", &["  why: 0 changed, 1 missing, 0 added\n"]);
    desk.put("model/sub/w.safetensors", b"weights");
    assert_eq!(desk.verify("a", &[]).code, 0);
    for index in 0..30 {
        desk.put(&format!("model/new/{index:02}.py"), b"");
    }
    let told = desk.verify("a", &[]);
    told.refused(1, "ALC-CLI-0064", &["30 added; the first 20 are told\n", "`new/19.py` was added"]);
    assert!(!told.err.contains("new/20.py"), "{}", told.err);
    assert_eq!(json(&desk.verify("a", &["--json"]))["added"].as_array().unwrap().len(), 30);
    let told = desk.verify("a", &["--allow-unsigned"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(
        told.out.contains("  unsigned   new/00.py\n") && told.out.contains("and 10 more\n"),
        "{}",
        told.out
    );
    assert_eq!(desk.verify("a", &["--ignore", "new/"]).code, 0);
    assert_eq!(desk.verify("a", &["--ignore", &desk.at("model/new")]).code, 0);
    desk.verify("a", &["--ignore", "ne"]).refused(1, "ALC-CLI-0064", &["30 added"]);
    for elsewhere in ["../model", "/etc", "."] {
        desk.verify("a", &["--ignore", elsewhere]).refused(2, "ALC-CLI-0001", &["none within the model\n"]);
    }
}

#[test]
fn what_is_left_out_is_what_the_verifier_allows() {
    let desk = Desk::new();
    desk.key("a");
    desk.put("model/logs/run.txt", b"1");
    assert_eq!(desk.sign("a", &["--ignore", "logs"]).code, 0);
    desk.verify("a", &[]).refused(
        1,
        "ALC-CLI-0063",
        &["  why: the signer leaves out `logs`, which is not allowed here\n"],
    );
    assert_eq!(desk.verify("a", &["--ignore", "logs"]).code, 0);
    desk.put("model/logs/adapter.bin", b"1");
    desk.verify("a", &["--ignore", "logs"]).refused(
        1,
        "ALC-CLI-0064",
        &["is left out and looks like weights\n"],
    );
    assert_eq!(desk.verify("a", &["--ignore", "logs", "--allow-ignored-weights"]).code, 0);
    desk.sign("a", &["--ignore", "logs"]).refused(
        1,
        "ALC-CLI-0064",
        &["is left out and looks like weights\n"],
    );
}

#[test]
fn somebody_elses_signature_is_none() {
    let desk = Desk::signed();
    let hint = json(&desk.verify("a", &["--json"]))["signers"][0]["key"].as_str().unwrap().to_owned();
    desk.key("b");
    desk.verify("b", &[]).refused(
        1,
        "ALC-CLI-0063",
        &[
            "error: the signature is not believed\n",
            &format!("  why: the bundle names key `{hint}`, which is not trusted here\n"),
            "  fix: give the signer's public key or the root of its authority, if you trust them\n",
        ],
    );
    let told = desk.verify("b", &["--json"]);
    assert_eq!((told.code, &json(&told)["verified"]), (1, &Value::Bool(false)));
    let revoked = desk.put("revoked.txt", format!("# lost\nkey {hint}\n").as_bytes());
    desk.verify("a", &["--revoked", &revoked]).refused(
        1,
        "ALC-CLI-0063",
        &[&format!("  why: key `{hint}` was revoked\n")],
    );
    let unclear = desk.put("unclear.txt", b"key 12\n");
    desk.verify("a", &["--revoked", &unclear]).refused(
        2,
        "ALC-CLI-0061",
        &["  why: line 1 is not understood\n"],
    );
    // A bundle that was changed, and none at all.
    let bundle = fs::read_to_string(desk.at("model/model.sig")).unwrap();
    let mut parsed: Value = serde_json::from_str(&bundle).unwrap();
    parsed["dsseEnvelope"]["payload"] = "e30=".into();
    let forged = desk.put("forged.sig", parsed.to_string().as_bytes());
    desk.verify("a", &["--signature", &forged, "--ignore", "model.sig"]).refused(
        1,
        "ALC-CLI-0063",
        &["  why: the signature fits no trusted key"],
    );
    let broken = desk.put("broken.sig", &bundle.as_bytes()[..50]);
    desk.verify("a", &["--signature", &broken]).refused(
        1,
        "ALC-CLI-0063",
        &["  why: the bundle cannot be read"],
    );
    desk.verify("a", &["--signature", &desk.at("none.sig")]).refused(3, "ALC-CLI-0008", &[]);
    said(&["model", "verify", &desk.at("model")], &[]).refused(2, "ALC-CLI-0001", &["--key"]);
}

#[test]
fn certificates_vouch_for_a_key_as_long_as_they_are_valid() {
    let desk = Desk::new();
    let (leaf, root, model) = (own("leaf.pem"), own("root.crt"), desk.at("model"));
    let sign = |chain: &[&str]| {
        let mut args = vec!["model", "sign", "--key", &leaf, &model];
        for one in chain {
            args.extend(["--cert-chain", one]);
        }
        said(&args, &[])
    };
    let verify = |more: &[&str]| said(&["model", "verify", "--roots", &root, &model], more);
    let told = sign(&[&own("leaf.crt"), &own("between.crt")]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("  by         house release\n"), "{}", told.out);
    let told = verify(&[]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(
        told.out.contains("  signed by  house release, until 2075-01-01T00:00:00Z, key "),
        "{}",
        told.out
    );
    assert_eq!(json(&verify(&["--json"]))["signers"][0]["certificate"]["serial"], "beef");
    verify(&["--at", "2075-01-02T00:00:00Z"]).refused(
        1,
        "ALC-CLI-0063",
        &["expired before the time that is asked about\n"],
    );
    let revoked = desk.put("revoked.txt", b"serial BE:EF\n");
    verify(&["--revoked", &revoked]).refused(1, "ALC-CLI-0063", &["was revoked\n"]);
    said(&["model", "verify", "--roots", &own("leaf.pem"), &model], &[]).refused(2, "ALC-CLI-0061", &[]);

    // What nobody would take is not signed.
    sign(&[&own("expired.crt"), &own("between.crt")]).refused(
        2,
        "ALC-CLI-0061",
        &["  why: it is valid from 2025-01-01T00:00:00Z to 2026-01-01T00:00:00Z, and not now\n"],
    );
    sign(&[&own("between.crt"), &own("leaf.crt")]).refused(
        2,
        "ALC-CLI-0061",
        &["  why: the first certificate is not about the key that signs\n"],
    );
    // Between is missing: signed, and not believed.
    assert_eq!(sign(&[&own("leaf.crt")]).code, 0);
    verify(&[]).refused(1, "ALC-CLI-0063", &["no path leads from `house release` to a trusted root"]);
}

#[test]
fn a_model_without_files_is_not_signed_and_not_verified() {
    let desk = Desk::signed();
    let empty = desk.at("empty");
    fs::create_dir_all(desk.at("empty/.git")).unwrap();
    desk.put("empty/.git/HEAD", b"x");
    said(&["model", "sign", "--key", &desk.at("a.pem"), &empty], &[]).refused(
        1,
        "ALC-CLI-0064",
        &["  why: the model is empty: a signature over no file says nothing\n"],
    );
    assert!(!Path::new(&desk.at("empty/model.sig")).exists());
    let (key, signature) = (desk.at("a.pub.pem"), desk.at("model/model.sig"));
    let verify = ["model", "verify", "--key", &key, "--signature", &signature, &empty];
    // Where it was signed, the signature lay in the model.
    said(&verify, &[]).refused(
        1,
        "ALC-CLI-0063",
        &["  why: the signer leaves out `model.sig`, which is not allowed here\n"],
    );
    said(&verify, &["--ignore", "model.sig"]).refused(
        1,
        "ALC-CLI-0064",
        &["  why: 0 changed, 3 missing, 0 added\n"],
    );
    said(&["model", "sign", "--key", &desk.at("a.pem"), &desk.at("nowhere")], &[]).refused(
        3,
        "ALC-CLI-0008",
        &[],
    );
}

#[test]
fn two_of_three_signers_are_enough_where_two_are_asked_for() {
    let desk = Desk::new();
    let hints = ["a", "b", "c"].map(|name| desk.key(name));
    let places = ["a", "b", "c"].map(|name| desk.at(&format!("model/{name}.sig")));
    for (at, name) in ["a", "b", "c"].iter().enumerate() {
        let mut more = vec!["--signature", places[at].as_str()];
        more.extend(places[..at].iter().flat_map(|other| ["--other-signature", other.as_str()]));
        let told = desk.sign(name, &more);
        assert_eq!(told.code, 0, "{told:?}");
        assert!(told.out.contains(": 3 files"), "{}", told.out);
    }
    let keys = ["b", "c"].map(|name| desk.at(&format!("{name}.pub.pem")));
    let verify = |signatures: &[&str], more: &[&str]| {
        let mut all: Vec<&str> = keys.iter().flat_map(|key| ["--key", key.as_str()]).collect();
        all.extend(signatures.iter().flat_map(|one| ["--signature", *one]));
        all.extend(more);
        desk.verify("a", &all)
    };
    let [a, b, c] = places.each_ref().map(String::as_str);
    let told = verify(&[a, b, c], &["--threshold", "3"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert_eq!(told.out.matches("  signed by  key ").count(), 3);
    let revoked = desk.put("revoked.txt", format!("key {}\n", hints[1]).as_bytes());
    let told = verify(&[a, b, c], &["--threshold", "2", "--revoked", &revoked]);
    assert_eq!(told.code, 0, "{told:?}");
    assert_eq!(told.out.matches("  signed by  key ").count(), 2);
    assert!(told.out.contains("b.sig: key `") && told.out.contains("` was revoked\n"), "{}", told.out);
    verify(&[a, b, c], &["--threshold", "3", "--revoked", &revoked]).refused(
        1,
        "ALC-CLI-0063",
        &["  why: 2 different signers agree, 3 are asked for\n", "error: a signature does not count\n"],
    );
    // Without a number, every signature that is given has to hold.
    verify(&[a, b, c], &["--revoked", &revoked]).refused(1, "ALC-CLI-0063", &["was revoked\n"]);
    // One signer counts once, however many signatures there are.
    let copy = desk.at("copy.sig");
    fs::copy(a, &copy).unwrap();
    verify(&[a, &copy], &["--threshold", "2", "--ignore", "b.sig", "--ignore", "c.sig"]).refused(
        1,
        "ALC-CLI-0063",
        &["  why: 1 different signers agree, 2 are asked for\n"],
    );
    // Signers who mean other files do not agree.
    desk.put("model/z.txt", b"other");
    assert_eq!(desk.sign("c", &["--signature", c, "--other-signature", a, "--other-signature", b]).code, 0);
    desk.put("model/z.txt", b"");
    verify(&[a, b, c], &["--threshold", "2"]).refused(
        1,
        "ALC-CLI-0063",
        &["  why: bundle 2 is about other files than the first one\n", &format!("   at: {c}\n")],
    );
}

#[test]
fn links_count_within_the_model_where_both_sides_follow_them_and_never_out_of_it() {
    let desk = Desk::signed();
    let link = desk.at("model/link");
    desk.put("outside", b"secret");
    symlink("config.json", &link).unwrap();
    desk.sign("a", &[]).refused(
        1,
        "ALC-CLI-0064",
        &["  why: `link` is a symbolic link, and links are not followed here\n"],
    );
    desk.verify("a", &[]).refused(1, "ALC-CLI-0064", &["`link` is a symbolic link"]);
    assert_eq!(desk.sign("a", &["--follow-links"]).code, 0);
    assert_eq!(json(&desk.verify("a", &["--follow-links", "--json"]))["files"], 4);
    desk.verify("a", &[]).refused(1, "ALC-CLI-0064", &["`link` is a symbolic link"]);
    for target in ["../outside", "/etc/passwd", "nothing", "link"] {
        fs::remove_file(&link).unwrap();
        symlink(target, &link).unwrap();
        let why = ["  why: `link` is a link that leads out of the model, to nothing or in a circle\n"];
        desk.sign("a", &["--follow-links"]).refused(1, "ALC-CLI-0064", &why);
        desk.verify("a", &["--follow-links"]).refused(1, "ALC-CLI-0064", &why);
    }
    fs::remove_file(&link).unwrap();
    // A folder that is a link out.
    symlink("..", &link).unwrap();
    desk.sign("a", &["--follow-links"]).refused(1, "ALC-CLI-0064", &["leads out of the model"]);
    fs::remove_file(&link).unwrap();
    // Nobody waits for a pipe.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        desk.at("model/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    desk.verify("a", &[]).refused(1, "ALC-CLI-0064", &["  why: `pipe` is no regular file\n"]);
}

#[test]
fn a_cache_saves_reading_and_says_yes_to_nothing_that_changed() {
    let desk = Desk::signed();
    let (weights, cache) = (desk.at("model/sub/w.safetensors"), desk.at("digests"));
    let verify = || desk.verify("a", &["--cache", &cache, "--json"]);
    let from_cache = || {
        let told = verify();
        assert_eq!(told.code, 0, "{told:?}");
        json(&told)["from_cache"].as_u64().unwrap()
    };
    // What changed just now has no stamp yet.
    let begun = Instant::now();
    while from_cache() < 3 {
        assert!(begun.elapsed() < alcaide_testkit::DEADLINE, "nothing comes from the cache");
    }
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(&format!("{cache}.key"))), (0o600, 0o600));
    let (kept, key) = (fs::read(&cache).unwrap(), fs::read(format!("{cache}.key")).unwrap());

    // Another byte, the same size, the same time of modification.
    let before = fs::metadata(&weights).unwrap();
    fs::write(&weights, b"weighty").unwrap();
    let times = fs::FileTimes::new()
        .set_modified(before.modified().unwrap())
        .set_accessed(before.accessed().unwrap());
    fs::File::options().write(true).open(&weights).unwrap().set_times(times).unwrap();
    let after = fs::metadata(&weights).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
    let told = verify();
    assert_eq!(told.code, 1, "{told:?}");
    assert_eq!(json(&told)["changed"][0]["path"], "sub/w.safetensors");
    // What was refused is not remembered.
    assert_eq!(fs::read(&cache).unwrap(), kept);
    assert_eq!(verify().code, 1);

    // A cache that says what its writer likes is not believed, and costs nothing but time.
    let digest = |text: &str| alcaide_seal::sha256(text.as_bytes()).to_string();
    let forged = String::from_utf8(kept).unwrap().replace(&digest("weights"), &digest("weighty"));
    fs::write(&cache, forged).unwrap();
    let told = verify();
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.err.contains("the cache is not used: the cache of digests was changed"), "{}", told.err);
    fs::write(&cache, b"no cache").unwrap();
    desk.put("model/sub/w.safetensors", b"weights");
    let told = verify();
    assert_eq!((told.code, &json(&told)["from_cache"]), (0, &0.into()));
    // A key that others may read is no key.
    fs::set_permissions(format!("{cache}.key"), fs::Permissions::from_mode(0o644)).unwrap();
    desk.verify("a", &["--cache", &cache]).refused(3, "ALC-KEYS-0005", &[]);
    fs::set_permissions(format!("{cache}.key"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(format!("{cache}.key")).unwrap(), key);
    desk.verify("a", &["--cache", &desk.at("model/digests")]).refused(
        2,
        "ALC-CLI-0001",
        &["error: the cache lies in the model\n"],
    );
    // A cache of another model is none of this one.
    let other = desk.at("other");
    fs::create_dir(&other).unwrap();
    desk.put("other/config.json", b"{}");
    ok(&["model", "sign", "--key", &desk.at("a.pem"), &other]);
    let told = said(&["model", "verify", "--key", &desk.at("a.pub.pem"), "--cache", &cache, &other], &[]);
    assert_eq!(told.code, 0);
    assert!(told.err.contains("belongs to another model"), "{}", told.err);
}
