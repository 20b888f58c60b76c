use std::collections::HashMap;
use std::path::PathBuf;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::pem;

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

    fn verified(&self) -> Result<VerifiedLeaf, ChainError> {
        verify_chain(&self.chain(), &self.roots(), &self.revocation(), NOW)
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
        if one.verdict == "roots" {
            let error = Roots::from_pem(one.roots.as_bytes()).unwrap_err();
            assert_eq!(error, CertificateError::Root { subject: "riddle".to_owned() });
            continue;
        }
        let result = one.verified();
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
    assert_eq!(verify(&chain[..=CHAIN_MAX]), Some(ChainError::TooLong { count: CHAIN_MAX + 1 }));
    assert_eq!(verify(&chain[..CHAIN_MAX]), None);
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

#[test]
fn a_path_ends_at_the_root_that_allows_it() {
    let one = case("one of two roots allows it");
    let roots = Certificate::all_from_pem(one.roots.as_bytes()).unwrap();
    assert_eq!(one.verified().unwrap().root(), roots[1].fingerprint());
    let one = case("root that is over beside its renewal");
    let roots = Certificate::all_from_pem(one.roots.as_bytes()).unwrap();
    assert_eq!(one.verified().unwrap().root(), roots[1].fingerprint());
}

#[test]
fn an_error_names_the_certificate_that_it_is_about() {
    let about = |title: &str| case(title).verified().unwrap_err();
    let subject = "inter".to_owned();
    assert_eq!(about("authority that is over"), ChainError::Expired { subject: subject.clone() });
    assert_eq!(
        about("authority of another purpose"),
        ChainError::ExtendedKeyUsage { subject: subject.clone() }
    );
    assert_eq!(about("leaf that is over"), ChainError::Expired { subject: "leaf".to_owned() });
    let one = case("root, authority, leaf");
    let revocation =
        Revocation { serials: [one.chain()[1].serial().clone()].into(), ..Revocation::default() };
    let error = verify_chain(&one.chain(), &one.roots(), &revocation, NOW).unwrap_err();
    assert_eq!(error, ChainError::Revoked { subject });
}

#[test]
fn keys_of_any_algorithm_are_revoked_by_hand() {
    for title in ["root of rsa sha256", "root of ed25519 "] {
        let one = case(title);
        let root = Certificate::all_from_pem(one.roots.as_bytes()).unwrap().remove(0);
        let revocation = Revocation { keys: [root.key_hint()].into(), ..Revocation::default() };
        let result = verify_chain(&one.chain(), &one.roots(), &revocation, NOW);
        assert_eq!(word(&result), "revoked", "{title}");
    }
}

#[test]
fn a_certificate_of_a_chain_has_its_measure() {
    use crate::der::{Der, tag, write};
    let one = case("root, authority, leaf");
    let leaf = one.chain().remove(0);
    // The same leaf with a longer signature: nothing is verified before it is measured.
    let grown = |bytes: usize| {
        let mut parts = Der::new(leaf.der()).nested(tag::SEQUENCE).unwrap();
        let body = write(tag::SEQUENCE, &[parts.value(tag::SEQUENCE).unwrap()]);
        let algorithm = write(tag::SEQUENCE, &[parts.value(tag::SEQUENCE).unwrap()]);
        let signature = write(tag::BIT_STRING, &[&vec![0; bytes]]);
        Certificate::from_der(&write(tag::SEQUENCE, &[&body, &algorithm, &signature])).unwrap()
    };
    let empty = grown(CERTIFICATE_BYTES_MAX / 2).der().len() - CERTIFICATE_BYTES_MAX / 2;
    for (bytes, too_large) in
        [(CERTIFICATE_BYTES_MAX - empty, false), (CERTIFICATE_BYTES_MAX - empty + 1, true)]
    {
        let error = verify_chain(&[grown(bytes)], &one.roots(), &Revocation::default(), NOW).unwrap_err();
        assert_eq!(matches!(error, ChainError::TooLarge { .. }), too_large, "{error}");
    }
}

#[test]
fn names_say_the_same_in_every_encoding() {
    use crate::der::{tag, write};
    let one = case("root, authority, leaf").chain().remove(0);
    assert_eq!(one.subject_parts(), [NamePart { kind: vec![0x55, 4, 3], text: "leaf".to_owned() }]);
    let parts = |encoding: u8, bytes: &[u8]| {
        let pair = write(tag::SEQUENCE, &[&write(tag::OID, &[&[0x55, 4, 3]]), &write(encoding, &[bytes])]);
        let names = write(0x31, &[&pair]);
        certificate::name_parts(crate::der::Der::new(&names)).unwrap().remove(0).text
    };
    for (encoding, bytes) in [
        (0x0c, &b"ab"[..]),
        (0x13, b"ab"),
        (0x16, b"ab"),
        (0x14, b"ab"),
        (0x1e, b"\0a\0b"),
        (0x1c, b"\0\0\0a\0\0\0b"),
    ] {
        assert_eq!(parts(encoding, bytes), "ab", "{encoding:x}");
    }
    assert_eq!(parts(0x1e, b"\0a\0"), "#1e006100");
    assert_eq!(parts(0x02, b"a"), "#0261");
}

#[test]
fn lists_are_read_up_to_their_measure_whatever_holds_them() {
    use crate::der::{tag, write};
    let algorithm = write(tag::SEQUENCE, &[&write(tag::OID, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])]);
    let time = write(tag::UTC_TIME, &[b"250101000000Z"]);
    let issuer = write(tag::SEQUENCE, &[]);
    let number = write(
        tag::SEQUENCE,
        &[&write(tag::OID, &[&[0x55, 0x1d, 20]]), &write(tag::OCTET_STRING, &[&[2, 1, 1]])],
    );
    let extensions = write(tag::CONTEXT_0, &[&write(tag::SEQUENCE, &[&number])]);
    let list = |entries: u32| {
        let entries: Vec<u8> = (0..entries)
            .flat_map(|count| write(tag::SEQUENCE, &[&[2, 5, 1], &count.to_be_bytes(), &time]))
            .collect();
        let entries = write(tag::SEQUENCE, &[&entries]);
        let body =
            write(tag::SEQUENCE, &[&[2, 1, 1], &algorithm, &issuer, &time, &time, &entries, &extensions]);
        write(tag::SEQUENCE, &[&body, &algorithm, &write(tag::BIT_STRING, &[&[0, 1]])])
    };
    for entries in [1, 210_000, 720_000] {
        let mut revocation = Revocation::default();
        let der = list(entries);
        assert!(entries == 1 || der.len() > pem::PEM_BYTES_MAX);
        assert_eq!(revocation.add_crls(&der), Ok(()), "{entries}");
        assert_eq!(revocation.add_crls(pem::armour("X509 CRL", &der).as_bytes()), Ok(()), "{entries}");
    }
    let large = list(CRL_BYTES_MAX as u32 / 24 + 1);
    assert!(large.len() > CRL_BYTES_MAX);
    assert_eq!(Revocation::default().add_crls(&large), Err(CertificateError::Crl { at: 0 }));
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
