use std::collections::HashMap;
use std::path::PathBuf;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// 2026-07-01.
const NOW: u64 = 1_782_864_000;

#[derive(Deserialize)]
struct Case {
    case: String,
    chain: String,
    roots: String,
    crls: String,
    unlisted: String,
    serial: String,
    verdict: String,
}

impl Case {
    fn chain(&self) -> Vec<Certificate> {
        Certificate::all_from_pem(self.chain.as_bytes()).unwrap()
    }

    fn roots(&self) -> Roots {
        Roots::from_pem(self.roots.as_bytes()).unwrap()
    }

    fn revocation(&self) -> Revocation {
        let mut revocation = Revocation::default();
        if !self.crls.is_empty() {
            revocation.add_crls(self.crls.as_bytes()).unwrap();
        }
        if self.unlisted == "allow" {
            revocation.unlisted = Unlisted::Allow;
        }
        revocation
    }
}

fn cases() -> Vec<Case> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/x509/fixtures/cases.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn case(title: &str) -> Case {
    cases().into_iter().find(|one| one.case == title).unwrap_or_else(|| panic!("no case `{title}`"))
}

fn word(result: &Result<VerifiedLeaf, ChainError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(ChainError::NoPath { .. }) => "no-path",
        Err(ChainError::Expired { .. }) => "expired",
        Err(ChainError::NotYetValid { .. }) => "not-yet",
        Err(ChainError::RootNotValid { .. }) => "root-not-valid",
        Err(ChainError::NotAuthority { .. }) => "not-authority",
        Err(ChainError::AuthorityAsLeaf { .. }) => "authority-as-leaf",
        Err(ChainError::PathLength { .. }) => "path-length",
        Err(ChainError::NameConstraints { .. }) => "name-constraints",
        Err(ChainError::KeyUsage { .. }) => "key-usage",
        Err(ChainError::ExtendedKeyUsage { .. }) => "extended-key-usage",
        Err(ChainError::Revoked { .. }) => "revoked",
        Err(ChainError::RevocationUnknown { .. }) => "revocation-unknown",
        Err(ChainError::LeafKey { .. }) => "leaf-key",
        Err(ChainError::NotRead { .. }) => "not-read",
        Err(_) => "other",
    }
}

#[test]
fn each_chain_gets_its_verdict() {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut wrong = Vec::new();
    for one in cases() {
        let result = verify_chain(&one.chain(), &one.roots(), &one.revocation(), NOW);
        if word(&result) != one.verdict {
            wrong.push(format!("{}: {} in place of {} ({result:?})", one.case, word(&result), one.verdict));
        }
        if let Err(error) = &result {
            assert!(!error.help().is_empty() && !error.to_string().contains("Error"));
        }
        *seen.entry(one.verdict).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(seen.len(), 15, "{seen:?}");
}

#[test]
fn time_is_what_the_caller_says() {
    let one = case("leaf that is over");
    let at = |time| word(&verify_chain(&one.chain(), &one.roots(), &Revocation::default(), time)).to_owned();
    let (begin, end) = (one.chain()[0].not_before(), one.chain()[0].not_after());
    assert_eq!(at(begin), "ok");
    assert_eq!(at(end), "ok");
    assert_eq!(at(begin - 1), "not-yet");
    assert_eq!(at(end + 1), "expired");
}

#[test]
fn serials_and_keys_are_revoked_by_hand() {
    let one = case("root, authority, leaf");
    let (chain, roots) = (one.chain(), one.roots());
    let word_of = |revocation: &Revocation| word(&verify_chain(&chain, &roots, revocation, NOW));
    for certificate in &chain {
        let serials = Revocation { serials: [certificate.serial().clone()].into(), ..Revocation::default() };
        assert_eq!(word_of(&serials), "revoked");
        let hint = EcPublicKey::from_spki(certificate.spki()).unwrap().hint();
        let keys = Revocation { keys: [hint].into(), ..Revocation::default() };
        assert_eq!(word_of(&keys), "revoked");
    }
    assert_eq!(Serial::from_hex(&one.serial).as_ref(), Some(chain[0].serial()));
    let root = Certificate::all_from_pem(one.roots.as_bytes()).unwrap().remove(0);
    let roots_serial = Revocation { serials: [root.serial().clone()].into(), ..Revocation::default() };
    assert_eq!(word_of(&roots_serial), "revoked");
    let other = Revocation { serials: [Serial::from_hex("01").unwrap()].into(), ..Revocation::default() };
    assert_eq!(word_of(&other), "ok");
}

#[test]
fn what_was_verified_is_told() {
    let one = case("root, authority, leaf");
    let leaf = verify_chain(&one.chain(), &one.roots(), &Revocation::default(), NOW).unwrap();
    assert_eq!(leaf.leaf(), &one.chain()[0]);
    assert_eq!(leaf.leaf().subject_text(), "leaf");
    assert_eq!(leaf.key().to_spki(), leaf.leaf().spki());
    let root = Certificate::all_from_pem(one.roots.as_bytes()).unwrap().remove(0);
    assert_eq!(leaf.root(), root.fingerprint());
}

#[test]
fn limits_and_empty_sets_are_refused() {
    let one = case("root, authority, leaf");
    let chain: Vec<_> = one.chain().into_iter().cycle().take(CERTIFICATES_MAX + 1).collect();
    let roots = one.roots();
    let verify = |chain: &[Certificate]| verify_chain(chain, &roots, &Revocation::default(), NOW).err();
    assert_eq!(verify(&chain), Some(ChainError::TooLong { count: CERTIFICATES_MAX + 1 }));
    assert_eq!(verify(&chain[..CERTIFICATES_MAX]), None);
    assert_eq!(verify(&[]), Some(ChainError::Empty));
    assert!(matches!(Roots::new(Vec::new()), Err(CertificateError::Kind { .. })));
    assert!(matches!(Roots::new(chain), Err(CertificateError::TooMany { .. })));
    let many = one.chain.repeat(CERTIFICATES_MAX);
    assert!(matches!(Certificate::all_from_pem(many.as_bytes()), Err(CertificateError::TooMany { .. })));
    let mut revocation = Revocation::default();
    assert!(matches!(revocation.add_crls(one.chain.as_bytes()), Err(CertificateError::Kind { .. })));
    assert_eq!(revocation.add_crls(b"0"), Err(CertificateError::Crl { at: 0 }));
    let lists = case("lists that name nobody");
    let many = lists.crls.repeat(CRLS_MAX);
    assert!(matches!(revocation.add_crls(many.as_bytes()), Err(CertificateError::TooMany { .. })));
}

proptest! {
    /// No byte of the certificates on the path can change; those of the root are compared whole elsewhere.
    #[test]
    fn a_changed_certificate_is_not_trusted(which in 0_usize..2, at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let one = case("root, authority, leaf");
        let mut ders: Vec<Vec<u8>> = one.chain().iter().map(|one| one.der().to_vec()).collect();
        let at = at.index(ders[which].len());
        ders[which][at] ^= flip;
        let read: Result<Vec<_>, _> = ders.iter().map(|der| Certificate::from_der(der)).collect();
        if let Ok(chain) = read {
            prop_assert!(verify_chain(&chain, &one.roots(), &Revocation::default(), NOW).is_err());
        }
    }

    #[test]
    fn random_bytes_are_no_certificate_and_no_list(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Certificate::from_der(&bytes).is_err());
        prop_assert!(Revocation::default().add_crls(&bytes).is_err());
    }
}
