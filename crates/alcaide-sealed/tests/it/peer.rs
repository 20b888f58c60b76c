//! Other implementations: PyPI `cryptotensors` for its own format, PyPI `cryptography` for HPKE, both ways.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use alcaide_container::Input;
use alcaide_seal::aead::Cipher;
use alcaide_seal::ed25519::{Ed25519Public, Ed25519Secret};
use alcaide_seal::hpke::{Kem, PublicKey, SecretKey};
use alcaide_seal::{Entropy as _, SystemEntropy};
use alcaide_sealed::cryptotensors::{
    CryptoTensorsError, Header, NewTensor, Plan, PolicyStance, TensorKey, Trust, write,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::kit::text;

const NAMES: [(&str, Cipher); 3] = [
    ("aes256gcm", Cipher::Aes256Gcm),
    ("aes128gcm", Cipher::Aes128Gcm),
    ("chacha20poly1305", Cipher::ChaCha20Poly1305),
];

fn python() -> Option<(PathBuf, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/peers/venv/bin/python");
    if !python.exists() {
        println!(
            "not judged: sealed files by other implementations: no peers; `cargo xtask peers` installs them"
        );
        return None;
    }
    Some((python, root.join("tests/peers/sealed.py")))
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn all(input: &dyn Input) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(input.len()).unwrap()];
    let mut done = 0;
    while done < bytes.len() {
        let got = input.read_at(done as u64, &mut bytes[done..]).unwrap();
        assert!(got > 0);
        done += got;
    }
    bytes
}

#[test]
fn files_of_the_peer_are_read_and_no_changed_one_is() {
    let Some((python, script)) = python() else { return };
    let output = Command::new(python).arg(script).arg("write").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut files = 0;
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let algorithm = case["master"]["alg"].as_str().unwrap();
        let cipher = NAMES.iter().find(|(name, _)| *name == algorithm).unwrap().1;
        let key = TensorKey::new(cipher, None, &decoded(&case["master"]["k"])).unwrap();
        let signer = decoded(&case["signer"]["x"]).try_into().unwrap();
        let signer = Ed25519Public::from_bytes(&signer).unwrap();
        let trust = Trust { signer: &signer, key: &key, plain: &[], policy: PolicyStance::AllowAllOnly };
        let file = decoded(&case["file"]);
        let verified = Header::read(&file).unwrap().verify(&trust).unwrap();
        let inside = case["tensors"].as_object().unwrap();
        assert_eq!(verified.tensors().len(), inside.len());
        for (name, bytes) in inside {
            assert_eq!(all(&verified.tensor(&file, name).unwrap()), decoded(bytes), "{name}");
        }
        // One bit of each part: what was read above is not read any more, or not as the same.
        let header = usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap();
        for at in (8..8 + header).step_by(7) {
            let mut altered = file.clone();
            altered[at] ^= 1;
            let read = Header::read(&altered).and_then(|header| header.verify(&trust).map(drop));
            assert!(read.is_err(), "bit at {at}");
        }
        for (name, _) in verified.tensors().filter(|(_, info)| info.bytes() > 0) {
            let at = verified.tensors().find(|(other, _)| *other == name).unwrap().1.data_offsets.1;
            let mut altered = file.clone();
            altered[8 + header + usize::try_from(at).unwrap() - 1] ^= 0x80;
            assert!(matches!(verified.tensor(&altered, name), Err(CryptoTensorsError::Read(_))));
        }
        files += 1;
    }
    assert_eq!(files, 36);
}

#[test]
fn files_of_ours_are_read_by_the_peer() {
    let Some((python, script)) = python() else { return };
    let entropy = SystemEntropy::new();
    let mut lines = Vec::new();
    let mut wanted = Vec::new();
    for number in 0..36_usize {
        let (algorithm, cipher) = NAMES[number % 3];
        let mut master = vec![0; cipher.key_bytes()];
        entropy.fill(&mut master).unwrap();
        let mut seed = [0; 32];
        entropy.fill(&mut seed).unwrap();
        let signer = Ed25519Secret::from_seed(&seed).unwrap();
        let key = TensorKey::new(cipher, Some("master".to_owned()), &master).unwrap();
        let count = 1 + number % 5;
        let names: Vec<String> = (0..count)
            .map(|at| format!("{} {at}", ["layer.0", "gänge", "q\"\\", "\u{1}\n", "\u{1f600}"][at]))
            .collect();
        let shapes: Vec<Vec<u64>> = (0..count)
            .map(|at| match (number + at) % 4 {
                0 => vec![],
                // An empty one, where it is the first.
                1 => vec![(number * 37 * at.min(1)) as u64],
                2 => vec![3, number as u64 + 1, 5],
                _ => vec![1, 1, 70 * at as u64 + 1],
            })
            .collect();
        let bytes: Vec<Vec<u8>> =
            shapes.iter().map(|shape| text(2 * shape.iter().product::<u64>() as usize)).collect();
        let tensors: Vec<NewTensor<'_>> = (0..count)
            .map(|at| NewTensor { name: &names[at], dtype: "BF16", shape: &shapes[at], bytes: &bytes[at] })
            .collect();
        let plan = Plan {
            signer_id: Some("signer"),
            chunk: [1000, 4096, 65_537, 2 * 1024 * 1024][number % 4],
            metadata: if number % 2 == 0 { &[("format", "pt"), ("A", "ü\n")] } else { &[] },
            ..Plan::new(&key, &signer)
        };
        let mut file = Vec::new();
        write(&mut file, &plan, &tensors, &entropy).unwrap();
        let master = json!({"kty": "oct", "alg": algorithm, "kid": "master", "k": STANDARD.encode(&master)});
        let public = STANDARD.encode(signer.public().as_bytes());
        let signer =
            json!({"kty": "okp", "alg": "ed25519", "kid": "signer", "x": public, "d": STANDARD.encode(seed)});
        lines.push(json!({"file": STANDARD.encode(&file), "master": master, "signer": signer}).to_string());
        let inside = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
            let value = json!({"dtype": "BF16", "shape": tensor.shape, "data": STANDARD.encode(bytes)});
            (tensor.name.to_owned(), value)
        });
        wanted.push(Value::Object(inside.collect()));
    }
    let mut child = Command::new(python)
        .arg(script)
        .arg("read")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all((lines.join("\n") + "\n").as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let found: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(found.len(), wanted.len());
    for (number, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        assert_eq!(found, wanted, "file {number}");
    }
}

#[test]
fn hpke_is_that_of_another_implementation() {
    let Some((python, script)) = python() else { return };
    let entropy = SystemEntropy::new();
    let mut child = Command::new(python)
        .arg(script)
        .arg("hpke")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut ask = |question: Value| -> Value {
        writeln!(stdin, "{question}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    for (kem, name) in [(Kem::X25519, "x25519"), (Kem::Hybrid, "hybrid")] {
        for _ in 0..8 {
            let secret = SecretKey::generate(kem, &entropy).unwrap();
            let answer = ask(json!({"kem": name, "public": STANDARD.encode(secret.public().as_bytes())}));
            assert_eq!(secret.open(b"info", &decoded(&answer["sealed"])).unwrap().bytes(), b"to alcaide");
            let theirs = PublicKey::from_bytes(kem, &decoded(&answer["public"])).unwrap();
            let sealed = theirs.seal(b"info", b"to python", &entropy).unwrap();
            let answer = ask(json!({"kem": name, "sealed": STANDARD.encode(sealed)}));
            assert_eq!(decoded(&answer["opened"]), b"to python");
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}
