use proptest::prelude::*;

use super::*;

/// RFC 7515, appendix A.3.1.
const EC: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
/// RFC 8037, appendix A.2.
const OKP: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

#[test]
fn rfc_8037_appendix_a_3_thumbprint() {
    let key: Jwk = OKP.parse().unwrap();
    assert_eq!(key.algorithm(), Algorithm::EdDsa);
    assert_eq!(
        key.to_json(),
        r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
    );
    assert_eq!(key.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn rfc_9449_section_6_1_thumbprint() {
    let key: Jwk = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#
        .parse()
        .unwrap();
    assert_eq!(key.thumbprint().to_string(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

#[test]
fn keys_round_trip_through_json() {
    for json in [EC, OKP] {
        let key: Jwk = json.parse().unwrap();
        assert_eq!(key.to_json().parse::<Jwk>().unwrap(), key);
        assert_eq!(serde_json::to_string(&key).unwrap(), key.to_json());
        let text = key.thumbprint().to_string();
        assert_eq!(text.parse::<Thumbprint>().unwrap(), key.thumbprint());
    }
}

#[test]
fn each_broken_rule_has_its_error() {
    let text = |name| JwkError::Json(JsonError::Kind { name, kind: "text" });
    let cases = [
        (EC.replace("EC", "RSA"), JwkError::Unsupported { kty: "RSA".into(), crv: "P-256".into() }),
        (EC.replace("P-256", "P-384"), JwkError::Unsupported { kty: "EC".into(), crv: "P-384".into() }),
        (OKP.replace("Ed25519", "X25519"), JwkError::Unsupported { kty: "OKP".into(), crv: "X25519".into() }),
        (OKP.replace("OKP", "EC"), JwkError::Unsupported { kty: "EC".into(), crv: "Ed25519".into() }),
        (EC.replace("\"kty\"", "\"kti\""), JwkError::Missing { name: "kty" }),
        (EC.replace("\"crv\"", "\"curve\""), JwkError::Missing { name: "crv" }),
        (EC.replace("\"y\"", "\"z\""), JwkError::Missing { name: "y" }),
        (EC.replace("\"x\":\"f", "\"x\":\""), JwkError::Coordinate { name: "x" }),
        (EC.replace("VEU\"", "VEU=\""), JwkError::Coordinate { name: "x" }),
        // The last character of 43 holds four bits only: `V` sets one of the two that must be zero.
        (EC.replace("VEU\"", "VEV\""), JwkError::Coordinate { name: "x" }),
        (EC.replace("f83O", "f83+"), JwkError::Coordinate { name: "x" }),
        (EC.replace("f83O", "g83O"), JwkError::Point),
        (OKP.replace("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", &"A".repeat(43)), JwkError::Point),
        (EC.replace("\"kty\":\"EC\"", "\"kty\":1"), text("kty")),
        (EC.replace("{\"kty", "{\"d\":\"AA\",\"kty"), JwkError::Private { name: "d" }),
        (EC.replace("{\"kty", "{\"k\":null,\"kty"), JwkError::Private { name: "k" }),
        (EC.replace("{\"kty", "{\"use\":\"enc\",\"kty"), JwkError::Purpose { name: "use" }),
        (EC.replace("{\"kty", "{\"alg\":\"EdDSA\",\"kty"), JwkError::Purpose { name: "alg" }),
        (EC.replace("{\"kty", "{\"key_ops\":[\"sign\"],\"kty"), JwkError::Purpose { name: "key_ops" }),
        (
            EC.replace("{\"kty", "{\"crv\":\"P-256\",\"kty"),
            JsonError::Duplicate { name: "crv".into() }.into(),
        ),
        (format!("{EC} "), JwkError::Missing { name: "none" }),
        (format!("{EC}x"), JsonError::Malformed.into()),
        (
            EC.replace("{\"kty", &format!("{{\"x5c\":\"{}\",\"kty", "a".repeat(17_000))),
            JwkError::TooLong { bytes: 17_000 + EC.len() + 9, max: Jwk::MAX_JSON_BYTES },
        ),
    ];
    for (json, expected) in cases {
        if expected == (JwkError::Missing { name: "none" }) {
            assert!(json.parse::<Jwk>().is_ok());
        } else {
            assert_eq!(json.parse::<Jwk>().unwrap_err(), expected, "{json}");
        }
    }
}

#[test]
fn members_beside_the_key_are_passed_over() {
    let json = EC.replace(
        "{\"kty",
        "{\"kid\":\"1\",\"use\":\"sig\",\"alg\":\"ES256\",\"key_ops\":[\"verify\"],\"x5t\":\"a\",\"n\":[{}],\"kty",
    );
    assert_eq!(json.parse::<Jwk>().unwrap(), EC.parse::<Jwk>().unwrap());
}

#[test]
fn names_of_algorithms_are_a_closed_list() {
    for name in
        ["none", "None", "", "HS256", "RS256", "PS256", "ES384", "ES256K", "es256", "Ed25519", "EDDSA"]
    {
        assert!(Algorithm::from_name(name).is_none(), "{name}");
    }
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Jwk::from_json(&bytes);
    }

    #[test]
    fn one_changed_character_is_another_key_or_none(at in 0..EC.len(), to in b' '..b'~') {
        let mut bytes = EC.as_bytes().to_vec();
        let was = std::mem::replace(&mut bytes[at], to);
        if let Ok(key) = Jwk::from_json(&bytes) {
            prop_assert!(was == to || key == EC.parse().unwrap());
        }
    }
}
