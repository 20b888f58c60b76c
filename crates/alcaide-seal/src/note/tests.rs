use proptest::prelude::*;

use super::*;
use crate::random::tests::{Counted, Dry};

/// Keys and signatures of the examples in Go's `golang.org/x/mod/sumdb/note`.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_PRIVATE: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_LINE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn keys(texts: &[&str]) -> Vec<NoteVerifier> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn judge(note: &str, trusted: &[NoteVerifier]) -> Result<(String, usize), NoteError> {
    let note = Note::parse(note.as_bytes())?;
    let verified = note.verify(trusted)?;
    Ok((verified.text().to_owned(), verified.signers().len()))
}

fn signer(name: &str, seed: u64) -> NoteSigner {
    NoteSigner::generate(name.parse().unwrap(), &Counted::from_seed(seed)).unwrap()
}

#[test]
fn the_known_notes_verify() {
    let both = format!("{TEXT}\n{PETER_LINE}{ENOCH_LINE}");
    assert_eq!(judge(&both, &keys(&[PETER])).unwrap(), (TEXT.to_owned(), 1));
    assert_eq!(judge(&both, &keys(&[ENOCH])).unwrap(), (TEXT.to_owned(), 1));
    assert_eq!(judge(&both, &keys(&[ENOCH, PETER])).unwrap(), (TEXT.to_owned(), 2));
    let note = Note::parse(both.as_bytes()).unwrap();
    let trusted = keys(&[ENOCH, PETER]);
    let names: Vec<_> =
        note.verify(&trusted).unwrap().signers().iter().map(|key| key.name().as_str()).collect();
    assert_eq!(names, ["PeterNeumann", "EnochRoot"]);
}

#[test]
fn the_known_private_key_gives_the_known_signature() {
    let signer = NoteSigner::from_secret_text(&SecretText::copy_of(PETER_PRIVATE)).unwrap();
    assert_eq!(signer.verifier().to_string(), PETER);
    assert_eq!(signer.to_secret_text().expose(), PETER_PRIVATE);
    assert_eq!(signer.sign(TEXT).unwrap(), format!("{TEXT}\n{PETER_LINE}"));
    assert_eq!(
        signer.cosign(&format!("{TEXT}\n{ENOCH_LINE}")).unwrap(),
        format!("{TEXT}\n{ENOCH_LINE}{PETER_LINE}")
    );
    assert_eq!(format!("{signer:?}"), "NoteSigner(PeterNeumann+c74f20a3)");
}

#[test]
fn unknown_keys_are_passed_over_and_bad_signatures_are_not() {
    let peter = keys(&[PETER]);
    assert_eq!(judge(&format!("{TEXT}\n{ENOCH_LINE}"), &peter), Err(NoteError::Unsigned));
    assert_eq!(judge(&format!("{TEXT}\n{PETER_LINE}"), &[]), Err(NoteError::Unsigned));
    let altered = format!("{}\n{PETER_LINE}", TEXT.replace("answer", "Answer"));
    let bad = Err(NoteError::Signature { name: "PeterNeumann".into() });
    assert_eq!(judge(&altered, &peter), bad);
    // One good signature does not save a note on which a trusted key's is bad.
    let forged = PETER_LINE.replace("ZJku", "ZJkv");
    assert_eq!(judge(&format!("{TEXT}\n{ENOCH_LINE}{forged}"), &keys(&[ENOCH, PETER])), bad);
    assert!(judge(&format!("{TEXT}\n{ENOCH_LINE}{forged}"), &keys(&[ENOCH])).is_ok());
    // Shorter than a signature, but with the key's hash.
    assert_eq!(judge(&format!("{TEXT}\n— PeterNeumann x08go/Y=\n"), &peter), bad);
    // A name or a hash alone is another key.
    let renamed = PETER_LINE.replace("PeterNeumann", "Peter");
    assert_eq!(judge(&format!("{TEXT}\n{renamed}"), &peter), Err(NoteError::Unsigned));
}

#[test]
fn a_key_counts_once() {
    let twice = format!("{TEXT}\n{PETER_LINE}{PETER_LINE}");
    assert_eq!(judge(&twice, &keys(&[PETER])).unwrap().1, 1);
    let ambiguous = NoteError::Ambiguous { name: "PeterNeumann".into() };
    assert_eq!(judge(&twice, &keys(&[PETER, PETER])), Err(ambiguous));
}

#[test]
fn each_broken_form_has_its_error() {
    let parse = |note: &str| Note::parse(note.as_bytes()).map(|_| ()).unwrap_err();
    assert_eq!(parse(""), NoteError::Shape);
    assert_eq!(parse("text\n"), NoteError::Shape);
    assert_eq!(parse("text\n\n"), NoteError::Shape);
    assert_eq!(parse(&format!("text\n{PETER_LINE}")), NoteError::Shape);
    assert_eq!(parse(format!("{TEXT}\n{PETER_LINE}").trim_end()), NoteError::Shape);
    assert_eq!(parse(&format!("a\tb\n\n{PETER_LINE}")), NoteError::Characters);
    assert_eq!(parse(&format!("a\r\n\n{PETER_LINE}")), NoteError::Characters);
    assert_eq!(Note::parse(b"\xff\n\n").map(|_| ()).unwrap_err(), NoteError::Characters);
    for line in [
        "- a AAAAAAA=",
        "— a",
        "— a ",
        "— a AAAA",
        "—  AAAAAAA=",
        "— a+b AAAAAAA=",
        "— a AAAAAA",
        "— a AAAAAA~=",
    ] {
        assert_eq!(parse(&format!("t\n\n{PETER_LINE}{line}\n")), NoteError::Line { line: 2 }, "{line}");
    }
    let most = PETER_LINE.repeat(MAX_SIGNATURES);
    assert!(Note::parse(format!("t\n\n{most}").as_bytes()).is_ok());
    assert_eq!(parse(&format!("t\n\n{most}{PETER_LINE}")), NoteError::TooManySignatures);
    let signer = signer("x", 1);
    assert_eq!(signer.cosign(&format!("t\n\n{most}")), Err(NoteError::TooManySignatures));
    assert_eq!(parse(&"a".repeat(MAX_NOTE_BYTES + 1)), NoteError::TooLong { bytes: MAX_NOTE_BYTES + 1 });
}

#[test]
fn empty_lines_within_the_text_belong_to_it() {
    let signer = signer("log.example/x", 2);
    let note = signer.sign("one\n\ntwo\n").unwrap();
    let trusted = [signer.verifier().clone()];
    assert_eq!(judge(&note, &trusted).unwrap().0, "one\n\ntwo\n");
    assert_eq!(Note::parse(note.as_bytes()).unwrap().unverified_text(), "one\n\ntwo\n");
}

#[test]
fn texts_that_cannot_be_read_back_are_not_signed() {
    let signer = signer("log.example/x", 3);
    assert_eq!(signer.sign("no newline"), Err(NoteError::Shape));
    assert_eq!(signer.sign(""), Err(NoteError::Shape));
    assert_eq!(signer.sign("tab\t\n"), Err(NoteError::Characters));
    assert!(matches!(signer.sign(&"a".repeat(MAX_NOTE_BYTES)), Err(NoteError::TooLong { .. })));
}

#[test]
fn each_broken_key_has_its_error() {
    let parse = |text: &str| text.parse::<NoteVerifier>().unwrap_err();
    assert_eq!(parse("PeterNeumann"), NoteError::Key);
    assert_eq!(parse(&PETER.replace("c74f20a3", "c74f20a4")), NoteError::Key);
    assert_eq!(parse(&PETER.replace("c74f20a3", "C74F20A3")), NoteError::Key);
    assert_eq!(parse(&PETER.replace("c74f20a3", "c74f20a")), NoteError::Key);
    assert_eq!(parse(&PETER.replace("+ARpc", "+AR")), NoteError::Key);
    assert_eq!(parse(&PETER.replace("+ARpc", "+BRpc")), NoteError::Algorithm { algorithm: 5 });
    assert_eq!(parse(&PETER.replace("PeterNeumann", "a b")), NoteError::Name { name: "a b".into() });
    assert_eq!(parse(&PETER.replace("PeterNeumann", "Peter")), NoteError::Key);
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", "a\u{7}b", &"n".repeat(MAX_NAME_BYTES + 1)] {
        assert!(matches!(name.parse::<KeyName>(), Err(NoteError::Name { .. })), "{name}");
    }
    let private = |text: &str| NoteSigner::from_secret_text(&SecretText::copy_of(text)).unwrap_err();
    assert_eq!(private(PETER), NoteError::Key);
    assert_eq!(private(&PETER_PRIVATE.replace("c74f20a3", "c74f20a4")), NoteError::Key);
    let dry = NoteSigner::generate("a".parse().unwrap(), &Dry);
    assert!(matches!(dry, Err(NoteError::Entropy(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_vouched_for_by_its_signers_only(lines in "(\\PC{0,20}\n){1,5}", seed in any::<u32>()) {
        prop_assume!(lines.bytes().all(|b| b >= 0x20 || b == b'\n'));
        let (a, b) = (signer("a", seed.into()), signer("b", u64::from(seed) + 1));
        let note = b.cosign(&a.sign(&lines).unwrap()).unwrap();
        let both = [a.verifier().clone(), b.verifier().clone()];
        prop_assert_eq!(judge(&note, &both).unwrap(), (lines, 2));
        let stranger = [signer("a", u64::from(seed) + 2).verifier().clone()];
        prop_assert_eq!(judge(&note, &stranger), Err(NoteError::Unsigned));
    }

    #[test]
    fn no_changed_bit_keeps_the_signature(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let note = format!("{TEXT}\n{PETER_LINE}");
        let mut bytes = note.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let trusted = keys(&[PETER]);
        prop_assert!(Note::parse(&bytes).and_then(|note| note.verify(&trusted).map(|_| ())).is_err());
    }

    #[test]
    fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Note::parse(&bytes).map(|note| note.verify(&keys(&[PETER])).is_ok());
    }
}
