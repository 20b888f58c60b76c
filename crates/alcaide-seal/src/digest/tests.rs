use proptest::prelude::*;

use super::*;

#[test]
fn fips_180_examples() {
    let million = vec![b'a'; 1_000_000];
    let cases: [(&[u8], &str); 4] = [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ];
    for (input, expected) in cases {
        assert_eq!(sha256(input).to_string(), expected);
    }
}

#[test]
fn rfc_4231_cases_1_2_and_6() {
    let cases: [(&[u8], &[u8], &str); 3] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ];
    for (key, message, expected) in cases {
        let code = hmac_sha256(key, message);
        assert_eq!(code.to_string(), expected);
        assert!(HmacKey::new(key).verify(message, &code));
        assert!(!HmacKey::new(key).verify(b"other", &code));
    }
}

#[test]
fn other_spellings_of_a_digest_are_refused() {
    let good = sha256(b"abc").to_string();
    let bad =
        [good.to_uppercase(), good[1..].into(), format!("{good}0"), good.replace('b', "g"), String::new()];
    for bad in bad {
        let error = bad.parse::<Sha256Digest>().unwrap_err();
        assert_eq!(error.to_string(), format!("`{bad}` is not a SHA-256 digest: 64 digits of `0-9a-f`"));
    }
    assert!("é".repeat(32).parse::<Sha256Digest>().is_err());
    assert_eq!("x".repeat(500).parse::<Sha256Digest>().unwrap_err().given.len(), 80);
    assert!(serde_json::from_str::<Sha256Digest>("\"ab\"").is_err());
}

#[test]
fn leaf_and_node_differ_from_each_other_and_from_a_plain_hash() {
    let (left, right) = (sha256(b"l"), sha256(b"r"));
    let joined = [left.as_bytes().as_slice(), right.as_bytes()].concat();
    let node = sha256_node(&left, &right);
    assert_ne!(node, sha256_leaf(&joined));
    assert_ne!(node, sha256(&joined));
    assert_ne!(node, sha256_node(&right, &left));
    // RFC 6962 test data: the leaf hash of the empty entry.
    assert_eq!(
        sha256_leaf(b"").to_string(),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
    assert_eq!(node, sha256(&[&[1_u8][..], &joined].concat()));
}

#[test]
fn equality_and_leading_bits() {
    let digest = sha256(b"abc");
    assert!(digest.same(&digest));
    assert!(!digest.same(&sha256(b"abd")));
    assert_eq!(digest.leading_bits128(), 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223);
}

/// How long the hashes of the tree take; run by hand with `--ignored --nocapture` in a release build.
#[test]
#[ignore = "a measurement, not a check"]
fn measure() {
    let record = [7_u8; 700];
    let start = std::time::Instant::now();
    let mut last = sha256(b"");
    for _ in 0..1_000_000 {
        last = sha256_node(&last, &last);
    }
    println!("node {:?}", start.elapsed() / 1_000_000);
    let start = std::time::Instant::now();
    for _ in 0..1_000_000 {
        last = sha256_leaf(std::hint::black_box(&record));
    }
    println!("leaf of 700 bytes {:?} {last}", start.elapsed() / 1_000_000);
}

proptest! {
    #[test]
    fn pieces_hash_as_the_whole(bytes in proptest::collection::vec(any::<u8>(), 0..3000), cut in any::<usize>()) {
        let (a, b) = bytes.split_at(cut % (bytes.len() + 1));
        let mut hasher = Hasher::new();
        hasher.update(a);
        hasher.update(b);
        prop_assert_eq!(hasher.finish(), sha256(&bytes));
        // Below and above the size that is hashed from the stack.
        prop_assert_eq!(sha256_leaf(&bytes), sha256(&[&[0_u8][..], &bytes].concat()));
    }

    #[test]
    fn text_and_json_round_trip(bytes in any::<[u8; 32]>()) {
        let digest = Sha256Digest::from_bytes(bytes);
        prop_assert_eq!(digest.to_string().parse::<Sha256Digest>().unwrap(), digest);
        let json = serde_json::to_string(&digest).unwrap();
        prop_assert_eq!(serde_json::from_str::<Sha256Digest>(&json).unwrap(), digest);
    }
}
