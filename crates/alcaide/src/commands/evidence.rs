//! Evidence about models: list, show, export; verify without an office.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use alcaide_artifact::evidence::{self, Claim, ENVELOPE_BYTES_MAX, Envelope, EvidenceError, Statement};
use alcaide_control::{EvidenceView, Proven};
use alcaide_inventory::{Moment, Name};
use alcaide_seal::ecdsa::EcPublicKey;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::{Desk, Exit};
use crate::client::{Client, query_value, segment};
use crate::fail::{EVIDENCE, Failure, INTERNAL};
use crate::show::or_dash;

/// `alcaide evidence …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List evidence that was entered, newest first
    #[command(after_help = "Example: alcaide evidence list --model support")]
    List {
        /// About one model only
        #[arg(long, value_name = "NAME")]
        model: Option<Name>,
    },
    /// Show what a piece of evidence says
    #[command(after_help = "Example: alcaide evidence show 4be1…")]
    Show {
        /// SHA-256 of its envelope, as `evidence list` prints it
        digest: String,
    },
    /// Write an envelope as a file, for whoever verifies it elsewhere
    #[command(after_help = "Example: alcaide evidence export 4be1… --out scan.json")]
    Export {
        /// SHA-256 of its envelope
        digest: String,
        /// Where to [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Verify envelopes with a public key: no office is asked
    #[command(
        after_help = "Example: alcaide evidence verify scan.json --key evidence.pem\nThe key is what `alcaide evidence key` printed \
        where the evidence was made. Exit status: 0 all hold, 1 one does not."
    )]
    Verify(Verify),
    /// Print the public key that this house's evidence is verified with
    #[command(after_help = "Example: alcaide evidence key > evidence.pem")]
    Key,
}

/// `alcaide evidence verify`.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The envelopes
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// PEM text of a public key whose evidence is believed; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// When it must count, in seconds since 1970 [default: now]
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct Key {
    public_key: String,
}

/// What an envelope says, for people and for JSON.
#[derive(Serialize)]
struct Told {
    kind: &'static str,
    name: String,
    sha256: String,
    version: String,
    issued_at: Moment,
    expires_at: Option<Moment>,
    report: Value,
}

#[derive(Serialize)]
struct Judged {
    file: String,
    holds: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<Told>,
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::List { model } => list(desk, model.as_ref()).await,
            Self::Show { digest } => {
                let envelope = fetched(&desk.client()?, &digest).await?;
                let told = Told::of(&envelope.unverified().map_err(|error| wrong(&digest, &error))?)?;
                desk.out.show(&told, || told.text())?;
                Ok(Exit::Clean)
            }
            Self::Export { digest, out } => {
                let envelope = fetched(&desk.client()?, &digest).await?;
                let bytes = envelope.to_json().map_err(|error| wrong(&digest, &error))?;
                match out {
                    Some(path) => {
                        std::fs::write(&path, &bytes)
                            .map_err(|error| Failure::file("write", &path, &error))?;
                    }
                    None => desk.out.text(&format!("{}\n", String::from_utf8_lossy(&bytes)))?,
                }
                Ok(Exit::Clean)
            }
            Self::Verify(verify) => verify.run(desk),
            Self::Key => {
                let key: Key = desk.client()?.get("/api/v1/evidence_key").await?;
                desk.out.show(&key, || key.public_key.clone())?;
                Ok(Exit::Clean)
            }
        }
    }
}

async fn list(desk: &Desk, model: Option<&Name>) -> Result<Exit, Failure> {
    let about = model.map(|name| format!("?model={}", query_value(name.as_str()))).unwrap_or_default();
    let all: Vec<EvidenceView> = desk.client()?.get(&format!("/api/v1/evidence{about}")).await?;
    desk.out.show(&all, || {
        let rows: Vec<_> = all.iter().map(row).collect();
        let head = ["EVIDENCE", "ENTERED", "MODEL", "KIND", "SAYS", "VERSION", "UNTIL"];
        desk.out.table(&head, &rows, "no evidence; register a model's files with `alcaide model register`")
    })?;
    Ok(Exit::Clean)
}

fn row(one: &EvidenceView) -> Vec<String> {
    let (kind, says) = match &one.proven {
        Proven::Scan { verdict, .. } => ("scan", verdict.as_str().to_owned()),
        Proven::Signature { key, .. } => ("signature", format!("key {}", short(&key.to_string()))),
        _ => ("-", "-".to_owned()),
    };
    vec![
        one.envelope.to_string(),
        one.at.to_string(),
        or_dash(one.model.as_ref()),
        kind.to_owned(),
        says,
        short(&one.version.to_string()),
        or_dash(one.expires),
    ]
}

fn short(text: &str) -> String {
    text.chars().take(12).collect()
}

async fn fetched(client: &Client, digest: &str) -> Result<Envelope, Failure> {
    let text: Value = client.get(&format!("/api/v1/evidence/{}", segment(digest)?)).await?;
    Envelope::parse(text.to_string().as_bytes()).map_err(|error| wrong(digest, &error))
}

fn wrong(at: &str, error: &EvidenceError) -> Failure {
    Failure::new(&EVIDENCE, "the evidence does not hold").at(at).why(error).fix(error.help())
}

impl Verify {
    fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let mut keys = Vec::with_capacity(self.key.len());
        for path in &self.key {
            let text = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
            let key = EcPublicKey::from_pem(&text).map_err(|error| {
                Failure::new(&EVIDENCE, "the key is none").at(path.display()).why(&error).fix(error.help())
            })?;
            keys.push(key);
        }
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let at = self.at.unwrap_or_else(now);
        let mut judged = Vec::with_capacity(self.files.len());
        for path in &self.files {
            let file = path.display().to_string();
            judged.push(match read(path)?.and_then(|envelope| evidence::verify(&envelope, &keys, at)) {
                Ok(statement) => {
                    Judged { file, holds: true, why: None, statement: Some(Told::of(&statement)?) }
                }
                Err(error) => Judged {
                    file,
                    holds: false,
                    why: Some(format!("{error}; {}", error.help())),
                    statement: None,
                },
            });
        }
        let all_hold = judged.iter().all(|one| one.holds);
        desk.out.show(&judged, || judged.iter().map(Judged::text).collect())?;
        Ok(Exit::unless(!all_hold))
    }
}

/// Reads an envelope; what cannot be read at all is a failure of its own.
fn read(path: &Path) -> Result<Result<Envelope, EvidenceError>, Failure> {
    let failed = |error: &std::io::Error| Failure::file("read", path, error);
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let most = u64::try_from(ENVELOPE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(2);
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    Ok(Envelope::parse(bytes.trim_ascii_end()))
}

impl Judged {
    fn text(&self) -> String {
        match (&self.statement, &self.why) {
            (Some(told), _) => format!("{}: holds\n{}", self.file, told.text()),
            (None, why) => {
                format!("{}: does not hold\n  {}\n", self.file, why.as_deref().unwrap_or_default())
            }
        }
    }
}

impl Told {
    fn of(statement: &Statement) -> Result<Self, Failure> {
        let report = match statement.claim() {
            Claim::Scan(scan) => serde_json::to_value(scan),
            Claim::Signature(signature) => serde_json::to_value(signature),
            _ => Ok(Value::Null),
        };
        let (subject, term) = (statement.subject(), statement.term());
        Ok(Self {
            kind: statement.claim().kind(),
            name: subject.name().to_owned(),
            sha256: subject.sha256().to_string(),
            version: subject.version().to_string(),
            issued_at: Moment::from_secs(term.issued_at()),
            expires_at: term.expires_at().map(Moment::from_secs),
            report: report
                .map_err(|error| Failure::new(&INTERNAL, "the report cannot be written").why(error))?,
        })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "kind       {}\nmodel      {}\nsha256     {}\nversion    {}\nissued     {}\nuntil      {}\n",
            self.kind,
            crate::fail::shown(&self.name),
            self.sha256,
            self.version,
            self.issued_at,
            or_dash(self.expires_at)
        );
        if let Value::Object(report) = &self.report {
            for (name, value) in report {
                let value = value.as_str().map_or_else(|| value.to_string(), crate::fail::shown);
                text.push_str(&format!("{name:10} {value}\n"));
            }
        }
        text
    }
}
