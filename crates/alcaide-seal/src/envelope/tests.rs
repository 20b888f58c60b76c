use proptest::prelude::*;

use super::*;
use crate::random::tests::{Counted, Dry};

fn master(byte: u8) -> MasterKey {
    MasterKey::from_bytes(&[byte; 32]).unwrap()
}

fn entropy() -> Counted {
    Counted::from_seed(1)
}

#[test]
fn every_changed_bit_is_noticed_and_told_by_its_place() {
    let key = master(1);
    let sealed = seal(&key, b"upstream/1", b"sk-secret", &entropy()).unwrap();
    assert_eq!(sealed.len(), 9 + OVERHEAD_BYTES);
    assert_eq!(open(&key, b"upstream/1", &sealed).unwrap().expose(), b"sk-secret");
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut bad = sealed.clone();
            bad[at] ^= 1 << bit;
            let error = open(&key, b"upstream/1", &bad).unwrap_err();
            let told = match at {
                0 => matches!(error, EnvelopeError::Version { .. }),
                1..9 => matches!(error, EnvelopeError::WrongKey { given, .. } if given == key.id()),
                9..69 => error == EnvelopeError::KeyAltered,
                _ => error == EnvelopeError::BodyAltered,
            };
            assert!(told, "byte {at}: {error}");
        }
    }
}

#[test]
fn every_cut_and_every_tail_is_refused() {
    let key = master(1);
    let sealed = seal(&key, b"", b"value", &entropy()).unwrap();
    for len in 0..sealed.len() {
        let error = open(&key, b"", &sealed[..len]).unwrap_err();
        if len < OVERHEAD_BYTES {
            assert_eq!(error, EnvelopeError::TooShort { bytes: len });
        } else {
            assert_eq!(error, EnvelopeError::BodyAltered);
        }
    }
    let longer = [sealed.as_slice(), &[0]].concat();
    assert_eq!(open(&key, b"", &longer).unwrap_err(), EnvelopeError::BodyAltered);
}

#[test]
fn a_value_cannot_move_to_another_context_or_envelope() {
    let key = master(1);
    let source = entropy();
    let a = seal(&key, b"a", b"one", &source).unwrap();
    let b = seal(&key, b"a", b"two", &source).unwrap();
    assert_eq!(open(&key, b"b", &a).unwrap_err(), EnvelopeError::BodyAltered);
    let mixed = [&a[..69], &b[69..]].concat();
    assert_eq!(open(&key, b"a", &mixed).unwrap_err(), EnvelopeError::BodyAltered);
}

#[test]
fn the_wrong_key_is_named() {
    let (old, new) = (master(1), master(2));
    let sealed = seal(&old, b"", b"v", &entropy()).unwrap();
    let error = open(&new, b"", &sealed).unwrap_err();
    assert_eq!(error, EnvelopeError::WrongKey { needed: old.id(), given: new.id() });
    let text = format!("envelope is sealed under master key {}, not {}", old.id(), new.id());
    assert_eq!(error.to_string(), text);
    assert_eq!(key_id(&sealed).unwrap(), old.id());
    assert_eq!(old.id().to_string().len(), 16);
    assert_eq!(format!("{old:?}"), format!("MasterKey({})", old.id()));
}

#[test]
fn rewrapping_changes_the_head_and_nothing_else() {
    let (old, new) = (master(1), master(2));
    let source = entropy();
    let sealed = seal(&old, b"ctx", b"value", &source).unwrap();
    let rewrapped = rewrap(&old, &new, &sealed, &source).unwrap();
    assert_eq!(rewrapped[69..], sealed[69..]);
    assert_eq!(open(&new, b"ctx", &rewrapped).unwrap().expose(), b"value");
    assert!(matches!(open(&old, b"ctx", &rewrapped), Err(EnvelopeError::WrongKey { .. })));
    assert!(matches!(rewrap(&new, &old, &sealed, &source), Err(EnvelopeError::WrongKey { .. })));
    let mut bad = sealed;
    bad[30] ^= 1;
    assert_eq!(rewrap(&old, &new, &bad, &source).unwrap_err(), EnvelopeError::KeyAltered);
}

#[test]
fn equal_values_look_different() {
    let key = master(1);
    let source = entropy();
    let a = seal(&key, b"", b"same", &source).unwrap();
    let b = seal(&key, b"", b"same", &source).unwrap();
    assert_ne!(a[9..], b[9..]);
    assert!(!a.windows(4).any(|window| window == b"same"));
}

#[test]
fn limits_hold_one_past_them() {
    let key = master(1);
    let aad = vec![0; MAX_AAD_BYTES + 1];
    assert!(seal(&key, &aad[1..], b"", &entropy()).is_ok());
    let error = seal(&key, &aad, b"", &entropy()).unwrap_err();
    let context = EnvelopeError::TooLong { what: "context", bytes: MAX_AAD_BYTES + 1, max: MAX_AAD_BYTES };
    assert_eq!(error, context);
    let value = vec![0; MAX_PLAINTEXT_BYTES + 1];
    let sealed = seal(&key, b"", &value[1..], &entropy()).unwrap();
    assert_eq!(open(&key, b"", &sealed).unwrap().len(), MAX_PLAINTEXT_BYTES);
    assert!(matches!(seal(&key, b"", &value, &entropy()), Err(EnvelopeError::TooLong { what: "value", .. })));
    let longer = [sealed, vec![0]].concat();
    assert!(matches!(open(&key, b"", &longer), Err(EnvelopeError::TooLong { what: "envelope", .. })));
}

#[test]
fn without_randomness_nothing_is_sealed() {
    assert_eq!(seal(&master(1), b"", b"v", &Dry).unwrap_err(), EnvelopeError::Entropy(EntropyError));
    assert!(MasterKey::generate(&Dry).is_err());
}

#[test]
fn an_envelope_of_version_1_is_still_read() {
    // Written by the first version of this module; must open for ever.
    let sealed = seal(&master(7), b"golden", b"kept", &Counted::from_seed(7)).unwrap();
    let text: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text, GOLDEN_V1);
    let digit = |at: usize| u8::from_str_radix(&GOLDEN_V1[at..at + 2], 16).unwrap();
    let golden: Vec<u8> = (0..GOLDEN_V1.len()).step_by(2).map(digit).collect();
    assert_eq!(open(&master(7), b"golden", &golden).unwrap().expose(), b"kept");
}

const GOLDEN_V1: &str = "012e0b76e526f3a0db080d6d391f36203f77589bdfd412253cf1096bf75a4bafe073e450ca7b508f6bb5d22e4ea6acd50158de02eb6e1afc43549a4a0bc021799e7e8afbd97d8daec26ca98c8a295ae6564c2c1a3875e502547cada538e012a2990768fdde";

proptest! {
    #[test]
    fn any_value_comes_back(
        value in proptest::collection::vec(any::<u8>(), 0..500),
        aad in proptest::collection::vec(any::<u8>(), 0..50),
        key in any::<[u8; 32]>(),
        seed in any::<u32>(),
    ) {
        let master = MasterKey::from_bytes(&key).unwrap();
        let sealed = seal(&master, &aad, &value, &Counted::from_seed(seed.into())).unwrap();
        let opened = open(&master, &aad, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), value.as_slice());
    }

    #[test]
    fn any_bytes_are_judged_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        prop_assert!(open(&master(1), b"", &bytes).is_err());
    }
}
