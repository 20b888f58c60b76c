use std::path::PathBuf;

use super::*;
use crate::random::SystemEntropy;
use crate::random::tests::{Dry, Stuck};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/ecdsa/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn public(name: &str) -> EcPublicKey {
    EcPublicKey::from_pem(&fixture(&format!("{name}.pub.pem"))).unwrap()
}

const NAMES: [(&str, Curve); 3] = [("p256", Curve::P256), ("p384", Curve::P384), ("p521", Curve::P521)];

#[test]
fn signatures_and_hints_of_openssl_are_taken() {
    let message = fixture("message");
    for (name, curve) in NAMES {
        let key = public(name);
        assert_eq!(key.curve(), curve);
        assert!(key.verifies(&message, &fixture(&format!("{name}.sig"))));
        assert!(!key.verifies(b"another", &fixture(&format!("{name}.sig"))));
        assert_eq!(
            key.hint().to_string(),
            String::from_utf8(fixture(&format!("{name}.hint"))).unwrap().trim()
        );
        assert_eq!(key.to_pem().as_bytes(), fixture(&format!("{name}.pub.pem")));
        assert_eq!(EcPublicKey::from_spki(&key.to_spki()).unwrap(), key);
    }
    assert!(!public("p384").verifies(&message, &fixture("p384.sha256.sig")), "the curve decides the hash");
    assert!(public("p384").verifies_by_sha256(&message, &fixture("p384.sha256.sig")));
    assert!(!public("p384").verifies_by_sha256(&message, &fixture("p384.sig")));
}

#[test]
fn private_keys_are_read_in_each_form() {
    let password = SecretText::copy_of("correct");
    for (form, name) in [
        ("p256.sec1.pem", "p256"),
        ("p384.sec1.pem", "p384"),
        ("p521.sec1.pem", "p521"),
        ("p256.pkcs8.pem", "p256"),
        ("p384.pkcs8.pem", "p384"),
        ("p521.pkcs8.pem", "p521"),
        ("p256.aes256-sha256.pem", "p256"),
        ("p384.aes128-sha1.pem", "p384"),
        ("p521.aes192-sha512.pem", "p521"),
    ] {
        let key = PrivateKey::from_pem(&fixture(form), Some(&password))
            .unwrap_or_else(|why| panic!("{form}: {why}"));
        assert_eq!(*key.public_key(), public(name), "{form}");
        let signature = sign(&key, b"text").unwrap();
        assert!(public(name).verifies(b"text", signature.as_der()));
    }
}

#[test]
fn what_is_no_key_of_ours_is_refused_by_name() {
    let wrong = SecretText::copy_of("wrong");
    let read = |name: &str, password: Option<&SecretText>| {
        PrivateKey::from_pem(&fixture(name), password).map(|key| key.public_key().hint()).unwrap_err()
    };
    assert_eq!(read("p256.aes256-sha256.pem", None), EcKeyError::Locked);
    assert_eq!(read("p256.aes256-sha256.pem", Some(&wrong)), EcKeyError::Password);
    assert!(
        matches!(read("p256.scrypt.pem", Some(&wrong)), EcKeyError::Encryption { what } if what.contains("PBKDF2"))
    );
    assert!(
        matches!(read("p256.des3.pem", Some(&wrong)), EcKeyError::Encryption { what } if what.contains("AES-CBC"))
    );
    assert!(matches!(read("p256.old.pem", Some(&wrong)), EcKeyError::Pem(PemError::OldEncryption { .. })));
    assert_eq!(read("k256.sec1.pem", None), EcKeyError::Curve);
    assert_eq!(read("ed25519.pem", None), EcKeyError::Curve);
    assert_eq!(read("rsa.pem", None), EcKeyError::Curve);
    assert!(matches!(read("p256.pub.pem", None), EcKeyError::Kind { wanted: "private key", .. }));
    let twice = [fixture("p256.pkcs8.pem"), fixture("p384.pkcs8.pem")].concat();
    assert_eq!(PrivateKey::from_pem(&twice, None).err(), Some(EcKeyError::Several));

    let public = |name: &str| EcPublicKey::from_pem(&fixture(name)).unwrap_err();
    assert_eq!(public("p256.compressed.pub.pem"), EcKeyError::Damaged);
    assert_eq!(public("p256.explicit.pub.pem"), EcKeyError::Curve);
    assert!(matches!(public("p256.pkcs8.pem"), EcKeyError::Kind { wanted: "public key", .. }));
    assert!(read("rsa.pem", None).help().contains("openssl"));
}

#[test]
fn a_point_off_the_curve_is_no_key() {
    for (name, curve) in NAMES {
        let spki = public(name).to_spki();
        let point = &spki[spki.len() - 1 - 2 * curve.bytes()..];
        assert_eq!(EcPublicKey::from_point(curve, point).unwrap(), public(name));
        let mut off = point.to_vec();
        *off.last_mut().unwrap() ^= 1;
        assert_eq!(EcPublicKey::from_point(curve, &off), Err(EcKeyError::Damaged));
        assert_eq!(EcPublicKey::from_point(curve, &point[1..]), Err(EcKeyError::Damaged));
        assert_eq!(EcPublicKey::from_point(curve, &vec![0; point.len()]), Err(EcKeyError::Damaged));
    }
}

#[test]
fn every_bit_of_a_signature_counts() {
    let message = fixture("message");
    for (name, _) in NAMES {
        let (key, signature) = (public(name), fixture(&format!("{name}.sig")));
        for at in 0..signature.len() * 8 {
            let mut other = signature.clone();
            other[at / 8] ^= 1 << (at % 8);
            assert!(!key.verifies(&message, &other), "{name}, bit {at}");
        }
        assert!(!key.verifies(&message, &[signature.as_slice(), &[0]].concat()));
    }
}

#[test]
fn drawn_keys_sign_and_are_written_and_read() {
    for curve in Curve::ALL {
        let key = PrivateKey::generate(curve, &SystemEntropy::new()).unwrap();
        let again = PrivateKey::from_pem(key.to_pem().unwrap().expose().as_bytes(), None).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert!(key.public_key().verifies(b"x", sign(&again, b"x").unwrap().as_der()));
        assert_eq!(format!("{key:?}"), format!("PrivateKey({:?})", key.public_key()));
        // All bits set are above every order, none set are no key.
        assert_eq!(PrivateKey::generate(curve, &Stuck(0xff)).err(), Some(EcKeyError::Damaged));
        assert_eq!(PrivateKey::generate(curve, &Stuck(0)).err(), Some(EcKeyError::Damaged));
        assert_eq!(PrivateKey::generate(curve, &Dry).err(), Some(EcKeyError::Entropy(EntropyError)));
    }
}

/// A token whose answers are what the test says.
struct Token {
    public: EcPublicKey,
    answer: Result<EcSignature, EcSignError>,
}

impl EcSigner for Token {
    fn public_key(&self) -> &EcPublicKey {
        &self.public
    }

    fn sign_digest(&self, _: &MessageDigest) -> Result<EcSignature, EcSignError> {
        self.answer.clone()
    }
}

#[test]
fn what_a_token_gives_is_checked_before_it_is_given_out() {
    let key = PrivateKey::from_pem(&fixture("p256.pkcs8.pem"), None).unwrap();
    let good = key.sign_digest(&MessageDigest::of(Curve::P256, b"x")).unwrap();
    let token = |answer| Token { public: key.public_key().clone(), answer };
    assert_eq!(sign(&token(Ok(good.clone())), b"x"), Ok(good.clone()));
    assert_eq!(sign(&token(Ok(good)), b"y"), Err(EcSignError::Unfit));
    let refused = EcSignError::Token { why: "the PIN is locked".to_owned() };
    assert_eq!(sign(&token(Err(refused.clone())), b"x"), Err(refused));
}

#[test]
fn keys_are_read_as_tokens_tell_them() {
    for (name, curve) in NAMES {
        let spki = public(name).to_spki();
        let point = &spki[spki.len() - 1 - 2 * curve.bytes()..];
        let parameters = der::write(tag::OID, &[curve.oid()]);
        let wrapped = der::write(tag::OCTET_STRING, &[point]);
        assert_eq!(EcPublicKey::from_token(&parameters, &wrapped).unwrap(), public(name));
        assert_eq!(EcPublicKey::from_token(&parameters, point).unwrap(), public(name));
        assert_eq!(EcPublicKey::from_token(&wrapped, point), Err(EcKeyError::Curve));
        assert_eq!(EcPublicKey::from_token(&parameters, &wrapped[1..]), Err(EcKeyError::Damaged));
    }
}

#[test]
fn a_bare_point_that_looks_wrapped_is_read() {
    // 111 and 94 times the base point, the first whose second byte is the length of all that follows.
    let points = [
        (
            Curve::P256,
            "043fc424067a1f679b0fe2c0ae1093724f6233002be8063cb1cad2cccdb85b089e5bb243009e581be52aedbb47eda98d26cf9fc800f7934c9466aaaef8c6629ecf",
        ),
        (
            Curve::P384,
            "045f1220584a5e3287e86d9a4af0b7c7e5e82a4d262ef7f92a632cf3b163e47ea878b217d6601c4090f28b25bffa0f107965ff5d3ba436b7ca0f1f33b5472f2a267b4472268c10f6a40c0fc60703795c09ab48c514504e741566a513acd1509173",
        ),
    ];
    for (curve, hex) in points {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let point: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        assert_eq!(usize::from(point[1]) + 2, point.len());
        let parameters = der::write(tag::OID, &[curve.oid()]);
        let expected = EcPublicKey::from_point(curve, &point).unwrap();
        assert_eq!(EcPublicKey::from_token(&parameters, &point).unwrap(), expected);
        let wrapped = der::write(tag::OCTET_STRING, &[&point]);
        assert_eq!(EcPublicKey::from_token(&parameters, &wrapped).unwrap(), expected);
    }
}

#[test]
fn numbers_side_by_side_become_der() {
    for (name, curve) in NAMES {
        let signature = fixture(&format!("{name}.sig"));
        let mut inner = Der::new(&signature).nested(tag::SEQUENCE).unwrap();
        let mut fixed = Vec::new();
        for _ in 0..2 {
            let number = inner.value(tag::INTEGER).unwrap();
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            let number = &number[zeros..];
            fixed.extend(std::iter::repeat_n(0, curve.bytes() - number.len()));
            fixed.extend_from_slice(number);
        }
        assert_eq!(EcSignature::from_fixed(curve, &fixed).unwrap().as_der(), signature);
        assert_eq!(
            EcSignature::from_fixed(curve, &fixed[1..]),
            Err(EcSignError::Length { curve, bytes: fixed.len() - 1 })
        );
    }
    assert_eq!(EcSignature::from_fixed(Curve::P256, &[0; 64]).unwrap().as_der(), [0x30, 6, 2, 1, 0, 2, 1, 0]);
}

#[test]
fn a_key_that_asks_for_too_many_iterations_is_refused_before_any() {
    let text = fixture("p256.aes256-sha256.pem");
    let der = pem::blocks(&text).unwrap().remove(0).der;
    let at = der.windows(4).position(|window| window == [2, 2, 8, 0]).unwrap();
    // 2048 iterations become 32,527 of two bytes; four bytes would move every length before them.
    let mut more = der.to_vec();
    more[at + 2] = 0x7f;
    assert_eq!(pkcs8::decrypt(&more, &SecretText::copy_of("correct")).err(), Some(EcKeyError::Password));
    let huge = with_iterations(&[0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(
        pkcs8::decrypt(&huge, &SecretText::copy_of("x")).err(),
        Some(EcKeyError::Encryption { what: "it asks for too many iterations" })
    );
    assert_eq!(
        pkcs8::decrypt(&with_iterations(&[0]), &SecretText::copy_of("x")).err(),
        Some(EcKeyError::Damaged)
    );
}

fn with_iterations(iterations: &[u8]) -> Vec<u8> {
    let oid = |bytes: &[u8]| der::write(tag::OID, &[bytes]);
    let pbes2 = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d]);
    let pbkdf2 = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c]);
    let aes = oid(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a]);
    let parameters = der::write(
        tag::SEQUENCE,
        &[&der::write(tag::OCTET_STRING, &[&[1; 8]]), &der::write(tag::INTEGER, &[iterations])],
    );
    let derivation = der::write(tag::SEQUENCE, &[&pbkdf2, &parameters]);
    let cipher = der::write(tag::SEQUENCE, &[&aes, &der::write(tag::OCTET_STRING, &[&[0; 16]])]);
    let scheme = der::write(tag::SEQUENCE, &[&pbes2, &der::write(tag::SEQUENCE, &[&derivation, &cipher])]);
    der::write(tag::SEQUENCE, &[&scheme, &der::write(tag::OCTET_STRING, &[&[0; 32]])])
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn damaged_keys_are_refused_and_break_nothing(which in 0_usize..5, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let names = ["p256.sec1.pem", "p521.pkcs8.pem", "p256.aes256-sha256.pem", "p384.pub.pem", "rsa.pem"];
            let blocks = pem::blocks(&fixture(names[which])).unwrap();
            let block = blocks.last().unwrap();
            let mut der = block.der.to_vec();
            let at = at.index(der.len());
            der[at] = byte;
            let text = pem::armour(&block.label, &der);
            let _ = EcPublicKey::from_pem(text.as_bytes());
            // A flip in the number of iterations could ask for minutes of work.
            if which != 2 {
                let _ = PrivateKey::from_pem(text.as_bytes(), None);
            }
        }
    }
}
