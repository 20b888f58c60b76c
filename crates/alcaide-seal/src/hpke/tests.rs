use super::*;
use crate::random::tests::{Counted, Dry};

fn unhex(text: &str) -> Vec<u8> {
    text.trim()
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn point(text: &str) -> Point {
    unhex(text).try_into().unwrap()
}

#[test]
fn the_vector_of_rfc_9180() {
    // Appendix A.1.1: the KEM is that of this suite.
    let ephemeral = point("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736");
    let secret = unhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
    let secret = SecretKey::from_bytes(Kem::X25519, SecretBytes::new(secret)).unwrap();
    let public = unhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
    assert_eq!(secret.public().as_bytes(), public);
    let (shared, encapsulated) = secret.public().encapsulate(&ephemeral).unwrap();
    let want = unhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
    assert_eq!(encapsulated, want);
    let want = unhex("fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc");
    assert_eq!(shared.as_slice(), want);
    assert_eq!(secret.decapsulate(&encapsulated).unwrap().as_slice(), want);
}

#[test]
fn what_another_implementation_sealed_opens() {
    // Lines: KEM, private key, sealed secret; see the neighbouring README.
    let mut seen = 0;
    for line in include_str!("sealed.txt").lines() {
        let mut fields = line.split(' ');
        let mut field = || fields.next().unwrap();
        let kem = if field() == "hybrid" { Kem::Hybrid } else { Kem::X25519 };
        let secret = SecretKey::from_bytes(kem, SecretBytes::new(unhex(field()))).unwrap();
        let sealed = unhex(field());
        assert_eq!(
            secret.open(b"alcaide fixture", &sealed).unwrap().bytes(),
            b"a secret of thirty-two bytes !!!"
        );
        assert_eq!(secret.open(b"alcaide fixturf", &sealed).unwrap_err(), HpkeError::Altered);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn a_secret_opens_for_its_key_and_context_alone() {
    for kem in Kem::ALL {
        let entropy = Counted::from_seed(3);
        let secret = SecretKey::generate(kem, &entropy).unwrap();
        let other = SecretKey::generate(kem, &entropy).unwrap();
        let sealed = secret.public().seal(b"here", &[5; 32], &entropy).unwrap();
        assert_eq!(sealed.len(), kem.overhead_bytes() + 32);
        assert_eq!(secret.open(b"here", &sealed).unwrap().bytes(), [5; 32]);
        assert_eq!(secret.open(b"there", &sealed).unwrap_err(), HpkeError::Altered);
        assert_eq!(other.open(b"here", &sealed).unwrap_err(), HpkeError::Altered);
        // One bit in each byte: a decapsulation costs too much for all eight.
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1 << (at % 8);
            if kem == Kem::X25519 && at == POINT_BYTES - 1 {
                continue; // The topmost bit of a point is not read (RFC 7748, section 5).
            }
            assert_eq!(secret.open(b"here", &altered).unwrap_err(), HpkeError::Altered, "{kem:?} {at}");
        }
        for len in [0, 1, kem.encapsulated_bytes(), kem.overhead_bytes() - 1] {
            assert!(matches!(secret.open(b"here", &sealed[..len]), Err(HpkeError::Length { .. })));
        }
        assert!(matches!(secret.open(b"here", &vec![0; 4096]), Err(HpkeError::Length { .. })));
    }
}

#[test]
fn a_key_comes_back_from_its_bytes() {
    for kem in Kem::ALL {
        let entropy = Counted::from_seed(4);
        let secret = SecretKey::generate(kem, &entropy).unwrap();
        assert_eq!(secret.expose().len(), kem.secret_bytes());
        let again = SecretKey::from_bytes(kem, secret.expose().clone()).unwrap();
        assert_eq!(again.public(), secret.public());
        assert_eq!(secret.public().as_bytes().len(), kem.public_bytes());
        let public = PublicKey::from_bytes(kem, secret.public().as_bytes()).unwrap();
        let sealed = public.seal(b"", b"x", &entropy).unwrap();
        assert_eq!(again.open(b"", &sealed).unwrap().bytes(), b"x");
        assert!(!format!("{secret:?}").contains(&format!("{}", secret.expose().expose()[0])));
    }
}

#[test]
fn a_torn_hybrid_key_is_refused() {
    let secret = SecretKey::generate(Kem::Hybrid, &Counted::from_seed(5)).unwrap();
    for at in [POINT_BYTES + LATTICE_PUBLIC_AT, POINT_BYTES + LATTICE_HASH_AT] {
        let mut bytes = secret.expose().expose().to_vec();
        bytes[at] ^= 1;
        let torn = SecretKey::from_bytes(Kem::Hybrid, SecretBytes::new(bytes));
        assert_eq!(torn.unwrap_err(), HpkeError::Key { what: "private key" });
    }
}

#[test]
fn points_of_small_order_agree_on_nothing() {
    let entropy = Counted::from_seed(6);
    let public = PublicKey::from_bytes(Kem::X25519, &[0; 32]).unwrap();
    assert_eq!(public.seal(b"", b"x", &entropy).unwrap_err(), HpkeError::Key { what: "public key" });
    let secret = SecretKey::generate(Kem::X25519, &entropy).unwrap();
    let sealed = [[0; 32].as_slice(), &[0; 48]].concat();
    assert_eq!(secret.open(b"", &sealed).unwrap_err(), HpkeError::Altered);
}

#[test]
fn a_public_key_that_is_no_lattice_key_is_refused() {
    // Coefficients of all ones are past the modulus (FIPS 203, section 7.2).
    let public = PublicKey::from_bytes(Kem::Hybrid, &[[0xff; 1184].as_slice(), &[9; 32]].concat()).unwrap();
    let error = public.seal(b"", b"x", &Counted::from_seed(7)).unwrap_err();
    assert_eq!(error, HpkeError::Key { what: "public key" });
}

#[test]
fn limits_hold() {
    let entropy = Counted::from_seed(8);
    let secret = SecretKey::generate(Kem::X25519, &entropy).unwrap();
    let public = secret.public();
    assert!(public.seal(&[0; MAX_INFO_BYTES], &[0; MAX_SECRET_BYTES], &entropy).is_ok());
    assert!(matches!(public.seal(&[0; MAX_INFO_BYTES + 1], b"", &entropy), Err(HpkeError::Length { .. })));
    assert!(matches!(public.seal(b"", &[0; MAX_SECRET_BYTES + 1], &entropy), Err(HpkeError::Length { .. })));
    assert!(matches!(PublicKey::from_bytes(Kem::X25519, &[0; 31]), Err(HpkeError::Length { .. })));
    assert!(matches!(
        SecretKey::from_bytes(Kem::Hybrid, SecretBytes::copy_of(&[0; 32])),
        Err(HpkeError::Length { .. })
    ));
    assert_eq!(public.seal(b"", b"", &Dry).unwrap_err(), HpkeError::Entropy(EntropyError));
}
