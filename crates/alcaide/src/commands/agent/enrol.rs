//! `agent enrol`: a key is made here, its possession is proved, and only its public half leaves the machine.
//!
//! An enrolment is used up once. The key goes away again only where the office said no; where its answer is lost, the key
//! stays and `--resume` asks whether it was taken.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use alcaide_control::{CredentialView, enrolment_proof};
use alcaide_inventory::AgentId;
use alcaide_record::Digest;
use alcaide_seal::{SecretText, Signer, SystemEntropy, Thumbprint};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::agent_id;
use crate::cli::{Desk, Exit};
use crate::client::{Client, segment};
use crate::fail::{ENROLMENT, FILE, Failure, INTERNAL, Part};
use crate::house::now;

/// What a program needs besides its key.
#[derive(Deserialize, Serialize)]
struct ClientFile {
    /// `None` for as long as it is not known that the office has the key.
    client_id: Option<String>,
    token_endpoint: String,
    issuer: String,
    kid: String,
    alg: String,
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

/// Whether a key is made, or one that was made is asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    New,
    Kept,
}

pub(super) async fn run(
    desk: &Desk,
    name: &str,
    key_file: Option<PathBuf>,
    key: Key,
) -> Result<Exit, Failure> {
    let key_file = match key_file {
        Some(path) => path,
        None => PathBuf::from(format!("{}.pem", segment(name)?)),
    };
    let client = desk.client()?;
    let id = agent_id(&client, name).await?;
    let facts = match key {
        Key::New => enrol(&client, id, name, &key_file).await?,
        Key::Kept => resume(&client, id, name, &key_file).await?,
    };
    desk.out.show(&facts, || {
        format!(
            "agent `{name}` has the client credential {}\nkey     {}\nclient  {}\n",
            facts.client_id.as_deref().unwrap_or("-"),
            key_file.display(),
            beside(&key_file).display()
        )
    })?;
    Ok(Exit::Clean)
}

async fn enrol(client: &Client, id: AgentId, name: &str, key_file: &Path) -> Result<ClientFile, Failure> {
    let Status { issuer } = client.get("/api/v1/status").await?;
    let signer = Signer::generate(&SystemEntropy::new()).map_err(|error| failed(&error))?;
    let der = signer.to_pkcs8().map_err(|error| failed(&error))?;
    let mut facts = ClientFile {
        client_id: None,
        token_endpoint: format!("{issuer}/oauth/token"),
        issuer: issuer.clone(),
        kid: signer.kid().to_owned(),
        alg: "ES256".into(),
        key_file: key_file.display().to_string(),
    };
    // Both files are there before the office knows the key: a full disk leaves no credential without its key.
    let facts_file = beside(key_file);
    write_new(&facts_file, &text_of(&facts)?)?;
    let discard = |paths: &[&Path]| {
        // Made by this very command; without the enrolment they are of no use.
        for path in paths {
            let _ = std::fs::remove_file(path);
        }
    };
    write_new(key_file, pem(der.expose()).expose().as_bytes()).inspect_err(|_| discard(&[&facts_file]))?;
    let begun = async {
        let opened: Opened = client.post_empty(&format!("/api/v1/actors/{id}/enrolments")).await?;
        let token = SecretText::from(opened.token);
        let proof = enrolment_proof(&signer, &token, &issuer, now()).map_err(|error| failed(&error))?;
        let jwk: Value = serde_json::from_str(&signer.public().to_json()).map_err(|error| failed(&error))?;
        Ok(json!({ "token": token.expose(), "jwk": jwk, "proof": proof }))
    };
    let asked = begun.await.inspect_err(|_: &Failure| discard(&[key_file, &facts_file]))?;
    match client.post::<EnrolledAs>("/api/v1/enrolments", &asked, None).await {
        Ok(enrolled) => facts.client_id = Some(enrolled.client_id),
        // The office says no: nothing knows the key.
        Err(failure) if failure.is_refusal() => {
            discard(&[key_file, &facts_file]);
            return Err(failure);
        }
        // The answer is lost, or says that something failed: the key may be enrolled all the same.
        Err(failure) => match known(client, id, &facts.kid).await {
            Ok(Some(credential)) => facts.client_id = Some(credential),
            _ => return Err(kept(failure, name, key_file)),
        },
    }
    finish(facts, name, key_file)
}

/// Goes on with a key that an earlier command kept.
async fn resume(client: &Client, id: AgentId, name: &str, key_file: &Path) -> Result<ClientFile, Failure> {
    let facts_file = beside(key_file);
    if !key_file.exists() {
        let absent = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Failure::file("read", key_file, &absent).fix("name the kept key with `--key-file`"));
    }
    let text = std::fs::read(&facts_file).map_err(|error| Failure::file("read", &facts_file, &error))?;
    let mut facts: ClientFile = serde_json::from_slice(&text).map_err(|error| {
        Failure::new(&FILE, "the file beside the key is none of `agent enrol`")
            .at(facts_file.display())
            .why(error)
    })?;
    let Some(credential) = known(client, id, &facts.kid).await? else {
        return Err(Failure::new(&ENROLMENT, "the office does not know the key")
            .at(key_file.display())
            .why(format!("no client credential of `{name}` has it"))
            .fix(format!("remove it and the file beside it, then `alcaide agent enrol {name}` again")));
    };
    facts.client_id = Some(credential);
    finish(facts, name, key_file)
}

/// The credential of the agent that has the key, by its id.
async fn known(client: &Client, id: AgentId, kid: &str) -> Result<Option<String>, Failure> {
    let thumbprint: Thumbprint = kid.parse().map_err(|error| failed(&error))?;
    let key = Digest(thumbprint.digest().into_bytes());
    let all: Vec<CredentialView> = client.get(&format!("/api/v1/actors/{id}/credentials")).await?;
    Ok(all.iter().find(|one| one.key == key).map(|one| one.id.to_string()))
}

/// Writes the client id beside the key; until that is done the file there stays as it was.
fn finish(facts: ClientFile, name: &str, key_file: &Path) -> Result<ClientFile, Failure> {
    let facts_file = beside(key_file);
    let mut draft = facts_file.clone().into_os_string();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
    let text = text_of(&facts)?;
    written
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&draft, &facts_file))
        .map_err(|error| kept(Failure::file("write", &facts_file, &error), name, key_file))?;
    Ok(facts)
}

/// What went wrong, and that the key is still there.
fn kept(failure: Failure, name: &str, key_file: &Path) -> Failure {
    let at = key_file.display();
    let more = Part {
        what: "the key is kept: the office may have enrolled it".into(),
        at: Some(at.to_string()),
        why: Some(ENROLMENT.why.into()),
        fix: format!("ask once the office answers: `alcaide agent enrol {name} --resume --key-file {at}`"),
        code: ENROLMENT.code.into(),
    };
    failure.and([more])
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(&INTERNAL, "the key could not be made").why(error)
}

fn text_of(facts: &ClientFile) -> Result<Vec<u8>, Failure> {
    let text = serde_json::to_string_pretty(facts).map_err(|error| failed(&error))?;
    Ok((text + "\n").into_bytes())
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
