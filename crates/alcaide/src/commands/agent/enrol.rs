//! `agent enrol`: a key is made here, its possession is proved, and only its public half leaves the machine.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use alcaide_control::enrolment_proof;
use alcaide_seal::{SecretText, Signer, SystemEntropy};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::agent_id;
use crate::cli::{Desk, Exit};
use crate::client::segment;
use crate::fail::{Failure, INTERNAL};
use crate::house::now;

/// What a program needs besides its key.
#[derive(Serialize)]
struct ClientFile<'a> {
    client_id: &'a str,
    token_endpoint: String,
    issuer: &'a str,
    kid: &'a str,
    alg: &'static str,
    key_file: String,
}

#[derive(Deserialize)]
struct Opened {
    token: String,
}

#[derive(Deserialize)]
struct EnrolledAs {
    client_id: String,
}

#[derive(Deserialize)]
struct Status {
    issuer: String,
}

pub(super) async fn run(desk: &Desk, name: &str, key_file: Option<PathBuf>) -> Result<Exit, Failure> {
    let key_file = match key_file {
        Some(path) => path,
        None => PathBuf::from(format!("{}.pem", segment(name)?)),
    };
    let client = desk.client()?;
    let id = agent_id(&client, name).await?;
    let Status { issuer } = client.get("/api/v1/status").await?;
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(&INTERNAL, "the key could not be made").why(error);
    let signer = Signer::generate(&SystemEntropy::new()).map_err(|error| failed(&error))?;
    let der = signer.to_pkcs8().map_err(|error| failed(&error))?;
    // Both files are there before the office knows the key: a full disk leaves no credential without its key.
    let facts_file = beside(&key_file);
    write_new(&facts_file, b"")?;
    if let Err(failure) = write_new(&key_file, pem(der.expose()).expose().as_bytes()) {
        let _ = std::fs::remove_file(&facts_file);
        return Err(failure);
    }
    let begun = async {
        let opened: Opened = client.post_empty(&format!("/api/v1/actors/{id}/enrolments")).await?;
        let token = SecretText::from(opened.token);
        let proof = enrolment_proof(&signer, &token, &issuer, now()).map_err(|error| failed(&error))?;
        let jwk: Value = serde_json::from_str(&signer.public().to_json()).map_err(|error| failed(&error))?;
        let asked = json!({ "token": token.expose(), "jwk": jwk, "proof": proof });
        client.post::<EnrolledAs>("/api/v1/enrolments", &asked, None).await
    };
    let enrolled = match begun.await {
        Ok(enrolled) => enrolled,
        Err(failure) => {
            // Made by this very command; without the enrolment they are of no use.
            for path in [&key_file, &facts_file] {
                let _ = std::fs::remove_file(path);
            }
            return Err(failure);
        }
    };
    let facts = ClientFile {
        client_id: &enrolled.client_id,
        token_endpoint: format!("{issuer}/oauth/token"),
        issuer: &issuer,
        kid: signer.kid(),
        alg: "ES256",
        key_file: key_file.display().to_string(),
    };
    let text = serde_json::to_string_pretty(&facts).map_err(|error| failed(&error))?;
    std::fs::write(&facts_file, text + "\n").map_err(|error| Failure::file("write", &facts_file, &error))?;
    desk.out.show(&facts, || {
        format!(
            "agent `{name}` has the client credential {}\nkey     {}\nclient  {}\n",
            facts.client_id,
            key_file.display(),
            facts_file.display()
        )
    })?;
    Ok(Exit::Clean)
}

/// The file of the public facts: the key file's name with `.json` behind it.
fn beside(key_file: &Path) -> PathBuf {
    let mut name = key_file.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::file("make", path, &error).fix("name a file that is not there yet with `--key-file`")
        }
        _ => Failure::file("make", path, &error),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

/// Source: RFC 7468, section 10.
fn pem(der: &[u8]) -> SecretText {
    let body = STANDARD.encode(der);
    let mut text = String::with_capacity(body.len() + 80);
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (at, one) in body.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(one);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_in_lines_of_64_characters() {
        let text = pem(&[7; 100]);
        let lines: Vec<&str> = text.expose().lines().collect();
        assert_eq!(lines.first(), Some(&"-----BEGIN PRIVATE KEY-----"));
        assert_eq!(lines.iter().map(|line| line.len()).collect::<Vec<_>>(), [27, 64, 64, 8, 25]);
    }

    #[test]
    fn a_key_that_is_there_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.pem");
        write_new(&path, b"first").unwrap();
        let failure = write_new(&path, b"second").unwrap_err();
        assert_eq!((failure.exit, failure.parts[0].code.as_str()), (3, "ALC-CLI-0008"));
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
