use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::random::tests::{Counted, Dry, Stuck};

const TYP: &str = "at+jwt";

fn signer(seed: u64) -> Signer {
    Signer::generate(&Counted::from_seed(seed)).unwrap()
}

fn set_of(signer: &Signer) -> KeySet {
    let mut set = KeySet::new();
    set.insert(signer.public().clone()).unwrap();
    set
}

/// A token of any header, signed by the key over what it says.
fn forge(signer: &Signer, header: &str, payload: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = signer.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn golden(compact: &str, key: &str) -> bool {
    let parts = Parts::split(compact).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(parts.signature).unwrap();
    let key: Jwk = key.parse().unwrap();
    key.verifies(parts.signed.as_bytes(), bytes.as_slice().try_into().unwrap())
}

const RFC7515_A3: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const RFC7515_A3_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const RFC8037_A4: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
const RFC8037_A2_KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const RFC9449_4_2: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

#[test]
fn signatures_of_rfc_7515_and_rfc_8037_fit_their_keys_and_no_other() {
    assert!(golden(RFC7515_A3, RFC7515_A3_KEY));
    assert!(golden(RFC8037_A4, RFC8037_A2_KEY));
    assert!(!golden(RFC7515_A3, RFC8037_A2_KEY));
    assert!(!golden(RFC8037_A4, RFC7515_A3_KEY));
    // As tokens they are refused: they have no type.
    let mut set = KeySet::new();
    set.insert(RFC7515_A3_KEY.parse().unwrap()).unwrap();
    assert_eq!(verify(RFC7515_A3, TYP, &set), Err(JwsError::Missing { name: "typ" }));
}

#[test]
fn the_proof_of_rfc_9449_is_taken() {
    let (key, payload) = verify_embedded(RFC9449_4_2, "dpop+jwt").unwrap();
    assert_eq!(key.thumbprint().to_string(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["htu"], "https://server.example.com/token");
}

#[test]
fn a_token_is_verified_by_its_key_only() {
    let (ours, other) = (signer(1), signer(2));
    let token = ours.sign(TYP, &json!({"sub": "a"})).unwrap();
    assert_eq!(verify(&token, TYP, &set_of(&ours)).unwrap(), br#"{"sub":"a"}"#);
    assert_eq!(verify(&token, "application/AT+jwt", &set_of(&ours)).unwrap(), br#"{"sub":"a"}"#);
    assert_eq!(unverified_kid(&token).unwrap(), ours.kid());
    let unknown = JwsError::UnknownKey { kid: ours.kid().into() };
    assert_eq!(verify(&token, TYP, &set_of(&other)), Err(unknown.clone()));
    assert_eq!(verify(&token, TYP, &KeySet::new()), Err(unknown));
    let mut swapped = KeySet::new();
    swapped.insert_named(ours.kid(), other.public().clone()).unwrap();
    assert_eq!(verify(&token, TYP, &swapped), Err(JwsError::Signature));
}

#[test]
fn a_second_library_agrees_both_ways() {
    use jsonwebtoken::{Algorithm as Theirs, DecodingKey, EncodingKey, Header, Validation};
    let ours = signer(3);
    let token = ours.sign(TYP, &json!({"sub": "a"})).unwrap();
    let members: serde_json::Value = serde_json::from_str(&ours.public().to_json()).unwrap();
    let (x, y) = (members["x"].as_str().unwrap(), members["y"].as_str().unwrap());
    let mut validation = Validation::new(Theirs::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let key = DecodingKey::from_ec_components(x, y).unwrap();
    let read = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).unwrap();
    assert_eq!((read.claims["sub"].as_str(), read.header.kid.as_deref()), (Some("a"), Some(ours.kid())));

    let mut header = Header::new(Theirs::ES256);
    header.typ = Some(TYP.into());
    header.kid = Some(ours.kid().into());
    let der = ours.to_pkcs8().unwrap();
    let theirs =
        jsonwebtoken::encode(&header, &json!({"n": 1}), &EncodingKey::from_ec_der(der.expose())).unwrap();
    assert_eq!(verify(&theirs, TYP, &set_of(&ours)).unwrap(), br#"{"n":1}"#);
}

#[test]
fn each_broken_header_has_its_error() {
    let ours = signer(4);
    let set = set_of(&ours);
    let kid = ours.kid();
    let jwk = ours.public().to_json();
    let alg = |alg: &str| JwsError::UnknownAlgorithm { alg: alg.into() };
    let text = |name| JwsError::Header(JsonError::Kind { name, kind: "text" });
    let cases = [
        (format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{kid}"}}"#), alg("none")),
        (format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#), alg("HS256")),
        (format!(r#"{{"alg":"es256","typ":"at+jwt","kid":"{kid}"}}"#), alg("es256")),
        (
            format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#),
            JwsError::AlgorithmMismatch { alg: "EdDSA", key: "ES256" },
        ),
        (format!(r#"{{"typ":"at+jwt","kid":"{kid}"}}"#), JwsError::Missing { name: "alg" }),
        (format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), JwsError::Missing { name: "typ" }),
        (r#"{"alg":"ES256","typ":"at+jwt"}"#.into(), JwsError::Missing { name: "kid" }),
        (format!(r#"{{"alg":["ES256"],"typ":"at+jwt","kid":"{kid}"}}"#), text("alg")),
        (r#"{"alg":"ES256","typ":"at+jwt","kid":1}"#.into(), text("kid")),
        (format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","crit":["exp"]}}"#), JwsError::Critical),
        (format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","crit":[]}}"#), JwsError::Critical),
        (
            format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","b64":false}}"#),
            JwsError::Forbidden { name: "b64" },
        ),
        (
            format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","jwk":{jwk}}}"#),
            JwsError::Forbidden { name: "jwk" },
        ),
        (
            format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#),
            JwsError::Type { typ: "JWT".into(), expected: TYP.into() },
        ),
        (
            format!(r#"{{"alg":"ES256","typ":"x/at+jwt","kid":"{kid}"}}"#),
            JwsError::Type { typ: "x/at+jwt".into(), expected: TYP.into() },
        ),
        (
            format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","\u0061lg":"none"}}"#),
            JsonError::Duplicate { name: "alg".into() }.into(),
        ),
        (
            format!(r#"{{"x":1,"alg":"ES256","typ":"at+jwt","kid":"{kid}","x":2}}"#),
            JsonError::Duplicate { name: "x".into() }.into(),
        ),
        ("[]".into(), JsonError::Malformed.into()),
        (format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}x"#), JsonError::Malformed.into()),
    ];
    for (header, expected) in cases {
        assert_eq!(verify(&forge(&ours, &header, b"{}"), TYP, &set), Err(expected), "{header}");
    }
    // The same way of forging is taken when the header is good, unknown members and all.
    let good = format!(r#"{{"alg":"ES256","x5t":"a","typ":"at+jwt","kid":"{kid}"}}"#);
    assert_eq!(verify(&forge(&ours, &good, b"{}"), TYP, &set).unwrap(), b"{}");
}

#[test]
fn each_broken_shape_has_its_error() {
    let ours = signer(5);
    let set = set_of(&ours);
    let token = ours.sign(TYP, &json!({"a": 1})).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let check =
        |token: &str, expected: JwsError| assert_eq!(verify(token, TYP, &set), Err(expected), "{token}");
    for parts in ["", ".", "a", "a.b", "a.b.c.d", "..", ".b.c", &format!("{token}.")] {
        check(parts, JwsError::Parts);
    }
    check(&format!("{header}=.{payload}.{signature}"), JwsError::Base64 { part: "header" });
    check(&format!("{header} .{payload}.{signature}"), JwsError::Base64 { part: "header" });
    check(&format!("{signed}.{signature}="), JwsError::SignatureLength);
    check(&format!("{signed}."), JwsError::SignatureLength);
    check(&format!("{signed}.{}", &signature[..85]), JwsError::SignatureLength);
    check(&format!("{signed}.{}+", &signature[..85]), JwsError::Base64 { part: "signature" });
    // The last of 86 characters holds two bits: its four low bits must be zero.
    let last = signature.chars().last().unwrap();
    let noncanonical = match last {
        'A' => 'B',
        'Q' => 'R',
        'g' => 'h',
        _ => 'x',
    };
    check(&format!("{signed}.{}{noncanonical}", &signature[..85]), JwsError::Base64 { part: "signature" });
    check(&"a".repeat(MAX_TOKEN_BYTES + 1), JwsError::TooLong { bytes: MAX_TOKEN_BYTES + 1 });
    // A payload that is no base64url but truly signed.
    let signed = format!("{header}.e30=");
    let bytes = ours.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let odd = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
    check(&odd, JwsError::Base64 { part: "payload" });
}

#[test]
fn a_token_signed_in_asn1_is_refused() {
    let ours = signer(6);
    let token = ours.sign(TYP, &json!({})).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let der = ours.to_pkcs8().unwrap();
    let asn1 = &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
    let pair = EcdsaKeyPair::from_pkcs8(asn1, der.expose()).unwrap();
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let other = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(verify(&other, TYP, &set_of(&ours)), Err(JwsError::SignatureLength));
    let zeros = format!("{signed}.{}", "A".repeat(86));
    assert_eq!(verify(&zeros, TYP, &set_of(&ours)), Err(JwsError::Signature));
}

#[test]
fn eddsa_tokens_are_taken_from_keys_that_pin_it() {
    use aws_lc_rs::signature::Ed25519KeyPair;
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let key = Jwk::from_ed25519(pair.public_key().as_ref().try_into().unwrap()).unwrap();
    let mut set = KeySet::new();
    set.insert_named("them", key).unwrap();
    let token = |alg: &str| {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"them"}}"#);
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"));
        let signature = pair.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    assert_eq!(verify(&token("EdDSA"), "jwt", &set).unwrap(), b"{}");
    let mismatch = JwsError::AlgorithmMismatch { alg: "ES256", key: "EdDSA" };
    assert_eq!(verify(&token("ES256"), "jwt", &set), Err(mismatch));
}

#[test]
fn proofs_carry_their_key_and_tokens_are_no_proofs() {
    let ours = signer(7);
    let proof = ours.sign_embedded("dpop+jwt", &json!({"jti": "1"})).unwrap();
    let (key, payload) = verify_embedded(&proof, "dpop+jwt").unwrap();
    assert_eq!((&key, payload.as_slice()), (ours.public(), br#"{"jti":"1"}"#.as_slice()));
    assert_eq!(verify(&proof, "dpop+jwt", &set_of(&ours)), Err(JwsError::Forbidden { name: "jwk" }));
    let token = ours.sign("dpop+jwt", &json!({})).unwrap();
    assert_eq!(verify_embedded(&token, "dpop+jwt").unwrap_err(), JwsError::Missing { name: "jwk" });
    let private = ours.public().to_json().replace("{\"crv", "{\"d\":\"AA\",\"crv");
    let header = format!(r#"{{"alg":"ES256","typ":"dpop+jwt","jwk":{private}}}"#);
    let error = verify_embedded(&forge(&ours, &header, b"{}"), "dpop+jwt").unwrap_err();
    assert_eq!(error, JwsError::EmbeddedKey(JwkError::Private { name: "d" }));
    let header = format!(r#"{{"alg":"ES256","typ":"dpop+jwt","jwk":{}}}"#, ours.public().to_json());
    assert_eq!(
        verify_embedded(&forge(&signer(8), &header, b"{}"), "dpop+jwt").unwrap_err(),
        JwsError::Signature
    );
}

#[test]
fn key_sets_round_trip_and_pass_over_foreign_keys() {
    let (a, b) = (signer(9), signer(10));
    let mut set = set_of(&a);
    set.insert_named("b", b.public().clone()).unwrap();
    let read = KeySet::from_json(set.to_json().as_bytes()).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read.key(a.kid()), Some(a.public()));
    assert_eq!(read.key("b"), Some(b.public()));
    assert_eq!(read.to_json(), set.to_json());
    let mixed = format!(
        r#"{{"keys":[{{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r"}},{{"use":"enc",{0},{1}]}}"#,
        &RFC7515_A3_KEY[1..],
        RFC8037_A2_KEY
    );
    let read = KeySet::from_json(mixed.as_bytes()).unwrap();
    assert_eq!(read.len(), 1);
    assert!(read.key("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").is_some());
    assert!(set.remove("b") && !set.remove("b"));
}

#[test]
fn each_broken_key_set_has_its_error() {
    let error = |json: &str| KeySet::from_json(json.as_bytes()).unwrap_err();
    assert_eq!(error("{}"), KeySetError::NoKeys);
    assert_eq!(error("[]"), KeySetError::Json(JsonError::Malformed));
    assert_eq!(
        error(r#"{"keys":{}}"#),
        KeySetError::Json(JsonError::Kind { name: "keys", kind: "an array" })
    );
    let twice = format!(r#"{{"keys":[{RFC8037_A2_KEY},{RFC8037_A2_KEY}]}}"#);
    assert!(matches!(error(&twice), KeySetError::Duplicate { .. }));
    let broken = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#;
    assert_eq!(error(broken), KeySetError::Key { index: 0, source: JwkError::Coordinate { name: "x" } });
    let empty = RFC8037_A2_KEY.replacen('{', r#"{"kid":"","#, 1);
    assert_eq!(error(&format!(r#"{{"keys":[{empty}]}}"#)), KeySetError::Name { bytes: 0 });
    let many = format!(r#"{{"keys":[{}1]}}"#, "1,".repeat(MAX_KEYS));
    assert_eq!(error(&many), KeySetError::Json(JsonError::TooMany { max: MAX_KEYS }));
    let long = " ".repeat(MAX_KEY_SET_BYTES + 1);
    assert_eq!(error(&long), KeySetError::TooLong { bytes: MAX_KEY_SET_BYTES + 1 });
    let key: Jwk = RFC8037_A2_KEY.parse().unwrap();
    let mut set = KeySet::new();
    for at in 0..MAX_KEYS {
        set.insert_named(&at.to_string(), key.clone()).unwrap();
    }
    assert_eq!(set.insert(key.clone()), Err(KeySetError::Full));
    let long = "k".repeat(MAX_KID_BYTES + 1);
    assert_eq!(set.insert_named(&long, key), Err(KeySetError::Name { bytes: MAX_KID_BYTES + 1 }));
}

#[test]
fn signing_keys_come_from_the_given_randomness_and_survive_pkcs8() {
    assert_eq!(signer(11).kid(), signer(11).kid());
    assert_ne!(signer(11).kid(), signer(12).kid());
    let again = Signer::from_pkcs8(&signer(11).to_pkcs8().unwrap()).unwrap();
    assert_eq!(again.public(), signer(11).public());
    assert_eq!(format!("{again:?}"), format!("Signer({})", again.kid()));
    assert!(matches!(Signer::generate(&Dry), Err(SignError::Entropy(_))));
    // Zero and numbers past the order of the curve are no keys.
    assert!(matches!(Signer::generate(&Stuck(0)), Err(SignError::Key)));
    assert!(matches!(Signer::generate(&Stuck(0xff)), Err(SignError::Key)));
    assert!(matches!(Signer::from_pkcs8(&SecretBytes::copy_of(b"no key")), Err(SignError::Key)));
}

#[test]
fn the_private_key_of_rfc_7515_gives_its_public_key() {
    let d = URL_SAFE_NO_PAD.decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI").unwrap();
    let der = [PKCS8_HEAD.as_slice(), &d].concat();
    let signer = Signer::from_pkcs8(&SecretBytes::new(der)).unwrap();
    assert_eq!(signer.public(), &RFC7515_A3_KEY.parse::<Jwk>().unwrap());
}

#[test]
fn what_cannot_be_verified_is_not_signed() {
    let ours = signer(13);
    for typ in ["", "a b", "a\"b", "a,b", "é", &"t".repeat(65)] {
        assert!(matches!(ours.sign(typ, &json!({})), Err(SignError::Type { .. })), "{typ}");
    }
    let mut longest = 0;
    for fill in 5700..6100 {
        match ours.sign(TYP, &json!({"f": "x".repeat(fill)})) {
            Ok(token) => {
                longest = token.len();
                assert!(verify(&token, TYP, &set_of(&ours)).is_ok());
            }
            Err(error) => {
                assert!(matches!(error, SignError::TooLong { bytes } if bytes > MAX_TOKEN_BYTES));
                break;
            }
        }
    }
    assert!((MAX_TOKEN_BYTES - 4..=MAX_TOKEN_BYTES).contains(&longest), "{longest}");
    let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(matches!(ours.sign(TYP, &unwritable), Err(SignError::Claims(_))));
}

/// How long the verification of a token takes; run by hand with `--ignored --nocapture` in a release build.
#[test]
#[ignore = "a measurement, not a check"]
fn measure() {
    let ours = signer(14);
    let claims = json!({"iss": "https://a.example", "sub": "x".repeat(60), "aud": "y".repeat(60), "exp": 1});
    let token = ours.sign(TYP, &claims).unwrap();
    let proof = ours.sign_embedded("dpop+jwt", &claims).unwrap();
    let set = set_of(&ours);
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        verify(&token, TYP, &set).unwrap();
    }
    println!("verify {:?}", start.elapsed() / 10_000);
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        verify_embedded(&proof, "dpop+jwt").unwrap();
    }
    println!("verify_embedded {:?}", start.elapsed() / 10_000);
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        ours.sign(TYP, &claims).unwrap();
    }
    println!("sign {:?}", start.elapsed() / 10_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_judged_without_panic(text in "\\PC{0,300}") {
        let _ = verify(&text, TYP, &KeySet::new());
        let _ = verify_embedded(&text, TYP);
        let _ = unverified_kid(&text);
    }

    #[test]
    fn no_changed_bit_of_a_token_is_taken(at in any::<prop::sample::Index>(), bit in 0..7_u8) {
        let ours = signer(15);
        let mut bytes = ours.sign(TYP, &json!({"sub": "agt_1"})).unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let token = String::from_utf8(bytes).unwrap();
        prop_assert!(verify(&token, TYP, &set_of(&ours)).is_err());
    }

    #[test]
    fn claims_round_trip(text in "\\PC{0,100}", number in any::<i64>()) {
        let ours = signer(16);
        let claims = json!({"t": text, "n": number});
        let payload = verify(&ours.sign(TYP, &claims).unwrap(), TYP, &set_of(&ours)).unwrap();
        prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&payload).unwrap(), claims);
    }
}
