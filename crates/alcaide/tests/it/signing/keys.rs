//! Keys: made, read, in tokens, and what is no key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Desk, ok, said};
use crate::house::run;

const LIBRARIES: [&str; 2] =
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alcaide-seal/src/ecdsa/fixtures");
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_key_is_made_once_and_for_its_owner_alone() {
    let desk = Desk::new();
    for curve in ["p256", "p384", "p521"] {
        let (file, model) = (desk.at(curve), desk.at("model"));
        let told = said(&["model", "keygen", &file, "--curve", curve], &[]);
        assert_eq!(told.code, 0, "{told:?}");
        assert!(told.out.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{}", told.out);
        assert!(!told.err.contains("PRIVATE") && !told.out.contains("PRIVATE"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let public = desk.put(&format!("{curve}.pub"), told.out.as_bytes());
        let before = fs::read(&file).unwrap();
        said(&["model", "keygen", &file], &[]).refused(
            3,
            "ALC-CLI-0008",
            &["error: could not create a file\n"],
        );
        assert_eq!(fs::read(&file).unwrap(), before);
        let signed = said(&["model", "sign", "--key", &file, &model], &[]);
        assert_eq!((signed.code, signed.err.as_str()), (0, ""));
        ok(&["model", "verify", "--key", &public, &model]);
    }
}

#[test]
fn what_is_no_key_signs_nothing_and_says_why() {
    let desk = Desk::new();
    let model = desk.at("model");
    let sign = |key: &str, more: &[&str]| said(&["model", "sign", "--key", key, &model], more);
    let locked = fixture("p256.aes256-sha256.pem");
    for (key, why) in [
        (locked.clone(), "  why: the key is encrypted and no password was given\n"),
        (fixture("rsa.pem"), "  why: the key is none of P-256, P-384 and P-521\n"),
        (fixture("p256.pub.pem"), "  why: no private key was found, but `PUBLIC KEY`\n"),
        (desk.put("text", b"hello"), "  why: "),
        ("pkcs11:token=t;object=k".to_owned(), "  why: no library of the token is named\n"),
        ("pkcs11:token=t;object=k?module-path=/x.so".to_owned(), "  why: no PIN is given\n"),
        ("pkcs11:token=t;object=k;pin-value=1".to_owned(), "  why: it carries the PIN"),
        ("pkcs11:token=t;id=%01".to_owned(), "  why: attribute `id` is not read"),
    ] {
        sign(&key, &[]).refused(2, "ALC-CLI-0061", &[why]);
    }
    sign(&locked, &[]).refused(
        2,
        "ALC-CLI-0061",
        &["  fix: give its passphrase by `--passphrase-file FILE`"],
    );
    sign(&desk.at("none"), &[]).refused(3, "ALC-CLI-0008", &[]);
    sign(&fixture("p256.pkcs8.pem"), &["--pin-file", "x"]).refused(
        2,
        "ALC-CLI-0061",
        &["`--pin-file` is given"],
    );
    assert!(!Path::new(&desk.at("model/model.sig")).exists());

    // The passphrase of the fixtures is in their README.
    let wrong = desk.put("wrong", b"nonsense\n");
    sign(&locked, &["--passphrase-file", &wrong]).refused(
        2,
        "ALC-CLI-0061",
        &["the password does not open the key\n"],
    );
    let right = desk.put("right", b"correct\n");
    assert_eq!(sign(&locked, &["--passphrase-file", &right]).code, 0);
    let args = ["model", "sign", "--key", &locked, &model];
    assert_eq!(run(&args, &[("ALCAIDE_KEY_PASSPHRASE", "correct")], b"").code, 0);
    ok(&["model", "verify", "--key", &fixture("p256.pub.pem"), &model]);
    assert_eq!(sign(&fixture("p384.sec1.pem"), &[]).code, 0);
    ok(&["model", "verify", "--key", &fixture("p384.pub.pem"), &model]);
}

#[test]
fn a_signature_is_written_over_a_signature_alone() {
    let desk = Desk::new();
    desk.key("a");
    let weights = desk.at("model/sub/w.safetensors");
    desk.sign("a", &["--signature", &weights]).refused(
        2,
        "ALC-CLI-0001",
        &["error: the file is there and is no signature of a model\n", &format!("   at: {weights}\n")],
    );
    assert_eq!(fs::read(&weights).unwrap(), b"weights");
    desk.sign("a", &["--other-signature", &weights]).refused(
        2,
        "ALC-CLI-0001",
        &["is no signature of a model\n"],
    );
    desk.sign("a", &["--signature", &desk.at("none/x.sig")]).refused(3, "ALC-CLI-0008", &[]);
    let open = desk.at("a.pem");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let told = desk.sign("a", &[]);
    assert_eq!(told.code, 0);
    assert!(told.err.contains("others may read") && told.err.contains("chmod 600"), "{}", told.err);
}

#[test]
fn a_key_that_a_token_keeps_signs() {
    let Some(library) = LIBRARIES.into_iter().find(|path| Path::new(path).exists()) else {
        println!(
            "not judged: models signed by a token: there is no SoftHSM; `apt-get install softhsm2` installs it"
        );
        return;
    };
    let desk = Desk::new();
    fs::create_dir(desk.at("tokens")).unwrap();
    let settings = format!("directories.tokendir = {}\nobjectstore.backend = file\n", desk.at("tokens"));
    let settings = desk.put("softhsm2.conf", settings.as_bytes());
    let env = [("SOFTHSM2_CONF", settings.as_str())];
    let util = |arguments: &[&str]| {
        let out =
            Command::new(PathBuf::from("/usr/bin/softhsm2-util")).args(arguments).envs(env).output().unwrap();
        assert!(out.status.success(), "{out:?}");
    };
    util(&["--init-token", "--free", "--label", "release", "--pin", "1234", "--so-pin", "5678"]);
    let key = fixture("p384.pkcs8.pem");
    util(&["--import", &key, "--token", "release", "--label", "models 1", "--id", "01", "--pin", "1234"]);
    let (model, pin) = (desk.at("model"), desk.put("pin", b"1234\n"));
    let sign = |uri: &str, more: &[&str], env: &[(&str, &str)]| {
        run(&[&["model", "sign", "--key", uri, &model], more].concat(), env, b"")
    };
    let uri = "pkcs11:token=release;object=models%201";
    let told = sign(uri, &["--pkcs11-module", library, "--pin-file", &pin], &env);
    assert_eq!(told.code, 0, "{told:?}");
    ok(&["model", "verify", "--key", &fixture("p384.pub.pem"), &model]);
    let whole = format!("{uri}?module-path={library}&pin-source=file:{pin}");
    assert_eq!(sign(&whole, &[], &env).code, 0);
    let with_pin = [env[0], ("ALCAIDE_TOKEN_PIN", "1234")];
    assert_eq!(sign(uri, &["--pkcs11-module", library], &with_pin).code, 0);
    let wrong = [env[0], ("ALCAIDE_TOKEN_PIN", "9999")];
    sign(uri, &["--pkcs11-module", library], &wrong).refused(
        3,
        "ALC-CLI-0062",
        &["does not open with this PIN\n"],
    );
    sign("pkcs11:token=release;object=other", &["--pkcs11-module", library], &with_pin).refused(
        3,
        "ALC-CLI-0062",
        &["0 private keys of an elliptic curve on the token are called `other`\n"],
    );
    sign(uri, &["--pkcs11-module", "libsofthsm2.so"], &with_pin).refused(
        3,
        "ALC-CLI-0062",
        &["is no absolute path"],
    );
}
