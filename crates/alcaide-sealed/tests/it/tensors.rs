//! CryptoTensors files of our own: read back, and refused where the format leaves a gap.

use alcaide_container::{Input, ReadError};
use alcaide_seal::SystemEntropy;
use alcaide_seal::aead::Cipher;
use alcaide_seal::ed25519::Ed25519Secret;
use alcaide_sealed::cryptotensors::{
    CryptoTensorsError, Header, NewTensor, Plan, PolicyStance, TensorKey, Trust, write,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::kit::text;

struct Kit {
    key: TensorKey,
    signer: Ed25519Secret,
}

impl Kit {
    fn new() -> Self {
        let key = TensorKey::new(Cipher::Aes256Gcm, Some("m".to_owned()), &[3; 32]).unwrap();
        Self { key, signer: Ed25519Secret::from_seed(&[4; 32]).unwrap() }
    }

    fn trust<'k>(&'k self, plain: &'k [&'k str]) -> Trust<'k> {
        let policy = PolicyStance::AllowAllOnly;
        Trust { signer: self.signer.public(), key: &self.key, plain, policy }
    }

    /// Two tensors of one byte a number, in chunks of 100.
    fn file(&self) -> Vec<u8> {
        let (a, b) = (text(250), text(64));
        let tensors = [
            NewTensor { name: "a", dtype: "U8", shape: &[250], bytes: &a },
            NewTensor { name: "b", dtype: "F32", shape: &[4, 4], bytes: &b },
        ];
        let plan = Plan { chunk: 100, ..Plan::new(&self.key, &self.signer) };
        let mut file = Vec::new();
        write(&mut file, &plan, &tensors, &SystemEntropy::new()).unwrap();
        file
    }

    /// The same file with its header edited as text and signed again, as somebody could who has the signing key.
    fn resigned(&self, edit: impl Fn(&str) -> String) -> Vec<u8> {
        let file = self.file();
        let (header, data) = split(&file);
        let mut header = edit(header.trim_end());
        if let Some(at) = header.find("\"__signature__\":\"") {
            let end = at + 17 + header[at + 17..].find('"').unwrap();
            let before = if header[..at].ends_with(',') { at - 1 } else { at };
            let unsigned = [&header[..before], &header[end + 1..]].concat();
            let signature = STANDARD.encode(self.signer.sign(unsigned.as_bytes()).unwrap());
            header.replace_range(at + 17..end, &signature);
        }
        joined(&header, data)
    }
}

fn split(file: &[u8]) -> (&str, &[u8]) {
    let size = usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap();
    (std::str::from_utf8(&file[8..8 + size]).unwrap(), &file[8 + size..])
}

fn joined(header: &str, data: &[u8]) -> Vec<u8> {
    [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), data].concat()
}

fn refused(file: &[u8], trust: &Trust<'_>) -> CryptoTensorsError {
    Header::read(&file.to_vec()).and_then(|header| header.verify(trust).map(drop)).unwrap_err()
}

#[test]
fn what_was_written_is_read_anywhere() {
    let kit = Kit::new();
    let file = kit.file();
    let verified = Header::read(&file).unwrap().verify(&kit.trust(&[])).unwrap();
    let tensor = verified.tensor(&file, "a").unwrap();
    assert_eq!(tensor.len(), 250);
    for (at, count) in [(0, 250), (99, 2), (100, 100), (249, 5), (250, 1), (17, 200)] {
        let mut into = vec![0; count];
        let got = tensor.read_at(at as u64, &mut into).unwrap();
        assert_eq!(into[..got], text(250)[at..(at + count).min(250)]);
    }
    assert!(verified.is_encrypted("b"));
    assert!(matches!(verified.tensor(&file, "c"), Err(CryptoTensorsError::Unknown { .. })));
    assert!(matches!(verified.unprotected(&file, "a"), Err(CryptoTensorsError::Unknown { .. })));
}

#[test]
fn only_the_trusted_signer_and_the_right_key_do() {
    let kit = Kit::new();
    let file = kit.file();
    let stranger = Ed25519Secret::from_seed(&[5; 32]).unwrap();
    let trust = Trust { signer: stranger.public(), ..kit.trust(&[]) };
    assert!(matches!(refused(&file, &trust), CryptoTensorsError::Signature));
    let other = TensorKey::new(Cipher::Aes256Gcm, None, &[9; 32]).unwrap();
    let trust = Trust { key: &other, ..kit.trust(&[]) };
    let verified = Header::read(&file).unwrap().verify(&trust).unwrap();
    assert!(matches!(verified.tensor(&file, "a"), Err(CryptoTensorsError::Key { .. })));
    let other = TensorKey::new(Cipher::ChaCha20Poly1305, None, &[3; 32]).unwrap();
    let trust = Trust { key: &other, ..kit.trust(&[]) };
    assert!(matches!(refused(&file, &trust), CryptoTensorsError::Cipher { .. }));
}

#[test]
fn a_changed_chunk_gives_out_nothing() {
    let kit = Kit::new();
    let mut file = kit.file();
    let verified = Header::read(&file).unwrap().verify(&kit.trust(&[])).unwrap();
    let at = file.len() - 64 - 250 + 150;
    file[at] ^= 1;
    let tensor = verified.tensor(&file, "a").unwrap();
    let mut into = [0xee; 250];
    assert_eq!(tensor.read_at(0, &mut into), Ok(100));
    let mut into = [0xee; 100];
    assert!(matches!(tensor.read_at(100, &mut into), Err(ReadError::Corrupt { at: 100, .. })));
    assert_eq!(into, [0xee; 100]);
}

#[test]
fn a_header_has_one_form() {
    let kit = Kit::new();
    let (header, data) = (split(&kit.file()).0.to_owned(), split(&kit.file()).1.to_vec());
    let again = |text: &str| refused(&joined(text, &data), &kit.trust(&[]));
    assert!(matches!(again(&header.replacen("\"a\":{", "\"a\": {", 1)), CryptoTensorsError::NotCanonical));
    assert!(matches!(
        again(&header.replacen("\"a\":{", "\"\\u0061\":{", 1)),
        CryptoTensorsError::NotCanonical
    ));
    assert!(matches!(again(&format!("{}\n", header.trim_end())), CryptoTensorsError::NotCanonical));
    assert!(matches!(again(&format!("{}{{}}", header.trim_end())), CryptoTensorsError::Form { .. }));
    let twice = header.replacen(
        "\"a\":{",
        "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{",
        1,
    );
    assert!(matches!(again(&twice), CryptoTensorsError::Form { .. }));
    let more = header.replacen("\"dtype\":\"U8\"", "\"dtype\":\"U8\",\"x\":1", 1);
    assert!(matches!(again(&more), CryptoTensorsError::Form { .. }));
    for (from, to) in
        [("[250]", "[251]"), ("\"U8\"", "\"U9\""), ("[0,250]", "[1,250]"), ("[250,314]", "[250,310]")]
    {
        let text = header.replacen(from, to, 1);
        assert_ne!(text, header);
        assert!(matches!(again(&text), CryptoTensorsError::Tensor { .. }), "{from}");
    }
    // Another name, the same shape: the signature says no.
    let renamed = header.replacen("\"a\":{\"dtype\"", "\"c\":{\"dtype\"", 1);
    assert!(matches!(again(&renamed), CryptoTensorsError::Signature));
    for len in [0, 7, 8, 100] {
        assert!(Header::read(&kit.file()[..len].to_vec()).is_err());
    }
    let claims = [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat();
    assert!(matches!(Header::read(&claims), Err(CryptoTensorsError::HeaderLength { bytes: u64::MAX, .. })));
}

#[test]
fn what_a_signature_does_not_excuse() {
    let kit = Kit::new();
    let trust = kit.trust(&[]);
    // The edit alone changes nothing: the file is signed well again.
    let same = kit.resigned(str::to_owned);
    assert!(Header::read(&same).unwrap().verify(&trust).is_ok());
    let edited = |from: &str, to: &str| {
        refused(
            &kit.resigned(|text| {
                assert!(text.contains(from), "{from}");
                text.replacen(from, to, 1)
            }),
            &trust,
        )
    };
    assert!(matches!(
        edited(r#"\"version\":\"2\""#, r#"\"version\":\"1\""#),
        CryptoTensorsError::Version { .. }
    ));
    assert!(matches!(
        edited(r#"\"chunk_size\":100"#, r#"\"chunk_size\":0"#),
        CryptoTensorsError::Chunk { found: 0 }
    ));
    assert!(matches!(
        edited(r#"\"chunk_size\":100"#, r#"\"chunk_size\":67108865"#),
        CryptoTensorsError::Chunk { .. }
    ));
    // 250 bytes in chunks of 101 are three as before; in chunks of 200 they are two, with a tag too many.
    assert!(matches!(
        edited(r#"\"chunk_size\":100"#, r#"\"chunk_size\":200"#),
        CryptoTensorsError::Tensor { .. }
    ));
    assert!(matches!(
        edited(r#"\"kty\":\"oct\""#, r#"\"k\":\"AAAA\",\"kty\":\"oct\""#),
        CryptoTensorsError::Form { .. }
    ));
    assert!(matches!(edited(r#"aes256gcm"#, r#"aes128gcm"#), CryptoTensorsError::Cipher { .. }));
    assert!(matches!(edited(r#"\\nallow = true"#, r#"\\nallow = false"#), CryptoTensorsError::Policy));
    assert!(matches!(edited(r#"{\"a\":{"#, r#"{\"z\":{"#), CryptoTensorsError::NotEncrypted { .. }));
    assert!(matches!(
        edited("__policy__", "__policx__"),
        CryptoTensorsError::Missing { field: "__policy__" }
    ));
    assert!(matches!(edited("\"__signature__\"", "\"__tignature__\""), CryptoTensorsError::Missing { .. }));
    let own = kit.resigned(|text| text.replacen(r#"\\nallow = true"#, r#"\\nallow = false"#, 1));
    let stance = Trust { policy: PolicyStance::JudgedElsewhere, ..trust };
    assert!(Header::read(&own).unwrap().verify(&stance).unwrap().policy().unwrap().contains("allow = false"));
}

#[test]
fn a_plain_tensor_is_taken_by_name_alone() {
    let kit = Kit::new();
    // `b` loses its entry: its bytes are taken as they are, and nothing vouches for them.
    let file = kit.resigned(|text| {
        let at = text.find(r#",\"b\":{\"wrapped_key"#).unwrap();
        let end = at + text[at..].find("}}").unwrap();
        [&text[..at], &text[end + 1..]].concat()
    });
    assert!(
        matches!(refused(&file, &kit.trust(&["c"])), CryptoTensorsError::NotEncrypted { name } if name == "b")
    );
    let names = ["b"];
    let verified = Header::read(&file).unwrap().verify(&kit.trust(&names)).unwrap();
    assert!(!verified.is_encrypted("b"));
    assert!(matches!(verified.tensor(&file, "b"), Err(CryptoTensorsError::Unknown { .. })));
    let mut into = [0; 64];
    assert_eq!(verified.unprotected(&file, "b").unwrap().read_at(0, &mut into), Ok(64));
    assert_eq!(into, file[file.len() - 64..]);
}

#[test]
fn writers_refuse_what_readers_would() {
    let kit = Kit::new();
    let plan = Plan::new(&kit.key, &kit.signer);
    let bytes = text(8);
    let none: Vec<u8> = Vec::new();
    let one = NewTensor { name: "a", dtype: "U8", shape: &[8], bytes: &bytes };
    let empty = NewTensor { name: "e", dtype: "U8", shape: &[0], bytes: &none };
    let entropy = SystemEntropy::new();
    let tried = |plan: &Plan<'_>, tensors: &[NewTensor<'_>]| write(&mut Vec::new(), plan, tensors, &entropy);
    assert!(tried(&plan, &[one, empty]).is_ok());
    let second = NewTensor { name: "f", ..empty };
    assert!(matches!(tried(&plan, &[empty, second]), Err(CryptoTensorsError::Tensor { .. })));
    assert!(matches!(tried(&plan, &[one, one]), Err(CryptoTensorsError::Tensor { .. })));
    let named = NewTensor { name: "__metadata__", ..one };
    assert!(matches!(tried(&plan, &[named]), Err(CryptoTensorsError::Tensor { .. })));
    let shape = NewTensor { shape: &[9], ..one };
    assert!(matches!(tried(&plan, &[shape]), Err(CryptoTensorsError::Tensor { .. })));
    let taken = Plan { metadata: &[("__policy__", "x")], ..plan };
    assert!(matches!(tried(&taken, &[one]), Err(CryptoTensorsError::Form { .. })));
    let chunk = Plan { chunk: 0, ..plan };
    assert!(matches!(tried(&chunk, &[one]), Err(CryptoTensorsError::Chunk { found: 0 })));
}

#[test]
fn a_tensor_that_changes_while_it_is_written_ends_the_writing() {
    struct Restless(std::cell::Cell<u8>);
    impl Input for Restless {
        fn len(&self) -> u64 {
            8
        }
        fn read_at(&self, _: u64, into: &mut [u8]) -> Result<usize, ReadError> {
            self.0.set(self.0.get() + 1);
            into.fill(self.0.get());
            Ok(into.len())
        }
    }
    let kit = Kit::new();
    let restless = Restless(std::cell::Cell::new(0));
    let tensor = NewTensor { name: "a", dtype: "U8", shape: &[8], bytes: &restless };
    let mut out = Vec::new();
    let error = write(&mut out, &Plan::new(&kit.key, &kit.signer), &[tensor], &SystemEntropy::new());
    assert!(matches!(error, Err(CryptoTensorsError::Changed { .. })));
    let (_, data) = split(&out);
    assert!(data.is_empty(), "two texts under one nonce");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_headers_never_break_the_reader(bytes in vec(any::<u8>(), 0..200), at in 0_usize..3000, byte: u8) {
        let kit = Kit::new();
        let _ = Header::read(&joined(&String::from_utf8_lossy(&bytes), &[]));
        let mut file = kit.file();
        if let Some(place) = file.get_mut(at) {
            *place = byte;
        }
        let _ = Header::read(&file).and_then(|header| header.verify(&kit.trust(&[])).map(drop));
    }
}
