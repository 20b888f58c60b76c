//! Keys in a real token of PKCS#11: SoftHSM, started by each test over a folder of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect must fail"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use alcaide_keys::{TokenError, TokenKey};
use alcaide_seal::SecretText;
use alcaide_seal::ecdsa::{self, EcSigner as _};

const LIBRARIES: [&str; 2] =
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];

/// A process has one environment, and the library reads it once.
#[test]
#[ignore = "run by the test below, with the settings of a token in its environment"]
fn a_token_signs() {
    let library = std::env::var("ALCAIDE_TEST_TOKEN").unwrap();
    let library = Path::new(&library);
    let pin = SecretText::copy_of("1234");
    for (label, message) in [("key256", "a"), ("key384", "b"), ("key521", "c")] {
        let key = TokenKey::open(library, "test", label, &pin).unwrap();
        let signature = ecdsa::sign(&key, message.as_bytes()).unwrap();
        assert!(key.public_key().verifies(message.as_bytes(), signature.as_der()));
        let expected =
            std::fs::read(Path::new(&std::env::var("ALCAIDE_TEST_KEYS").unwrap()).join(label)).unwrap();
        assert_eq!(key.public_key().to_pem().into_bytes(), expected);
        println!("signed by {label}");
    }
    let error = |token, label, pin: &str| {
        TokenKey::open(library, token, label, &SecretText::copy_of(pin)).unwrap_err()
    };
    // While a key is open the token would take any PIN for the one that opened it.
    let open = TokenKey::open(library, "test", "key256", &pin).unwrap();
    for pin in ["9999", "1234"] {
        assert!(matches!(error("test", "key384", pin), TokenError::InUse { .. }));
    }
    drop(open);
    assert!(matches!(error("other", "key256", "1234"), TokenError::Tokens { found: 0, .. }));
    assert!(matches!(error("test", "none", "1234"), TokenError::Keys { found: 0, what: "private keys", .. }));
    assert!(matches!(error("test", "key256", "9999"), TokenError::Pin { .. }));
}

#[test]
fn keys_of_a_token_sign_what_their_public_halves_verify() {
    let Some(library) = LIBRARIES.into_iter().find(|path| Path::new(path).exists()) else {
        println!("not judged: keys in a token: there is no SoftHSM; `apt-get install softhsm2` installs it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("tokens")).unwrap();
    let settings = format!("directories.tokendir = {}\nobjectstore.backend = file\n", at("tokens").display());
    std::fs::write(at("softhsm2.conf"), settings).unwrap();
    let run = |program: &Path, arguments: &[&str]| {
        let out = Command::new(program)
            .args(arguments)
            .env("SOFTHSM2_CONF", at("softhsm2.conf"))
            .env("ALCAIDE_TEST_TOKEN", library)
            .env("ALCAIDE_TEST_KEYS", folder.path())
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{}: {said}", program.display());
        said
    };
    let util = PathBuf::from("/usr/bin/softhsm2-util");
    run(&util, &["--init-token", "--free", "--label", "test", "--pin", "1234", "--so-pin", "5678"]);
    for (id, label, fixture) in [("01", "key256", "p256"), ("02", "key384", "p384"), ("03", "key521", "p521")]
    {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../alcaide-seal/src/ecdsa/fixtures");
        let key = fixtures.join(format!("{fixture}.pkcs8.pem"));
        run(
            &util,
            &[
                "--import",
                key.to_str().unwrap(),
                "--token",
                "test",
                "--label",
                label,
                "--id",
                id,
                "--pin",
                "1234",
            ],
        );
        std::fs::copy(fixtures.join(format!("{fixture}.pub.pem")), at(label)).unwrap();
    }
    let said =
        run(&std::env::current_exe().unwrap(), &["--ignored", "--exact", "a_token_signs", "--nocapture"]);
    assert_eq!(said.matches("signed by key").count(), 3, "{said}");
}

#[test]
fn a_library_is_named_by_its_whole_path_and_is_one() {
    let pin = SecretText::copy_of("1234");
    let error = |path: &str| TokenKey::open(Path::new(path), "t", "k", &pin).unwrap_err();
    assert!(matches!(error("libsofthsm2.so"), TokenError::Relative { .. }));
    assert!(matches!(error("/nonexistent/library.so"), TokenError::Library { .. }));
    assert!(matches!(error("/dev/null"), TokenError::Library { .. }));
    assert!(error("libsofthsm2.so").help().contains("whole path"));
}
