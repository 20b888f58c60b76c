//! The record: follow it, look at an entry, recompute all of it, prove one entry to somebody else.

mod offline;
mod tell;

pub(crate) use tell::findings as findings_told;

use std::path::PathBuf;

use alcaide_control::CallView;
use alcaide_inventory::Plan;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{Desk, Exit};
use crate::client::{Client, segment};
use crate::fail::{Failure, INTERNAL, WORD};

pub(crate) use offline::said;
pub(crate) use tell::Names;

/// How long the office may hold a request for entries that are not there yet, in milliseconds.
const WAIT_MS: u32 = 25_000;

/// `alcaide log …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show entries as they come, until interrupted; with `--json`, one document per line
    #[command(after_help = "Example: alcaide log follow --from 0")]
    Follow {
        /// First index [default: the newest 20]
        #[arg(long, value_name = "INDEX")]
        from: Option<u64>,
        /// End once all entries that are there have been shown
        #[arg(long)]
        once: bool,
    },
    /// Show one entry, or one call with all its entries
    #[command(after_help = "Example: alcaide log show 17")]
    Show {
        /// Index of an entry, or id of a call
        what: String,
    },
    /// Recompute the whole record from its files: entries, tree, signature; needs no service
    #[command(
        after_help = "Example: alcaide log verify --dir /evidence/ledger --key 'alcaide.local/ledger+…'"
    )]
    Verify {
        /// Folder of a ledger [default: that of the data directory]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Verifier key [default: that of the data directory]
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
    },
    /// Write a proof that an entry is in the log, which anybody with the verifier key can check
    #[command(after_help = "Example: alcaide log prove 17 --out entry-17.json")]
    Prove {
        /// Index of the entry
        index: u64,
        /// New file [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check a proof, with nothing but the proof and the verifier key
    #[command(
        name = "check-proof",
        after_help = "Example: alcaide log check-proof entry-17.json --key 'alcaide.local/ledger+…'"
    )]
    CheckProof {
        /// File that `alcaide log prove` wrote
        file: PathBuf,
        /// Verifier key of the log
        #[arg(long, value_name = "VKEY")]
        key: String,
    },
    /// Print the verifier key of the log (C2SP signed-note)
    #[command(after_help = "Example: alcaide log key > log.vkey")]
    Key,
}

/// Entries in order, and the index of the one that follows.
#[derive(Deserialize)]
pub(crate) struct Entries {
    pub(crate) entries: Vec<Indexed>,
    pub(crate) next: u64,
}

/// An entry and its place.
#[derive(Deserialize, Serialize)]
pub(crate) struct Indexed {
    pub(crate) index: u64,
    pub(crate) entry: Value,
}

#[derive(Deserialize)]
struct Status {
    plan: u64,
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Follow { from, once } => follow(desk, from, once).await,
            Self::Show { what } => show(desk, &what).await,
            Self::Verify { dir, key } => offline::verify(desk, dir, key.as_deref()),
            Self::Prove { index, out } => prove(desk, index, out).await,
            Self::CheckProof { file, key } => offline::check_proof(desk, &file, &key),
            Self::Key => offline::key(desk),
        }
    }
}

async fn follow(desk: &Desk, from: Option<u64>, once: bool) -> Result<Exit, Failure> {
    let client = desk.client()?;
    let mut names = names(&client).await?;
    let mut next = from;
    loop {
        let place = next.map_or_else(|| "limit=20".to_owned(), |from| format!("limit=200&from={from}"));
        let wait = if once || next.is_none() { 0 } else { WAIT_MS };
        let path = format!("/api/v1/log/entries?{place}&wait_ms={wait}");
        let read: Entries = client.get(&path).await?;
        for one in &read.entries {
            if tell::is_plan(&one.entry) {
                names = self::names(&client).await?;
            }
            if desk.out.is_json() {
                desk.out.json_line(one)?;
            } else {
                desk.out.text(&tell::line(one.index, &one.entry, &names))?;
            }
        }
        if once && (read.entries.is_empty() || next.is_none()) {
            return Ok(Exit::Clean);
        }
        next = Some(read.next);
    }
}

async fn show(desk: &Desk, what: &str) -> Result<Exit, Failure> {
    let client = desk.client()?;
    if let Ok(index) = what.parse::<u64>() {
        let found = entry(&client, index).await?;
        desk.out.show(&found, || pretty(&found.entry))?;
        return Ok(Exit::Clean);
    }
    let call: CallView = client.get(&format!("/api/v1/calls/{}", segment(what)?)).await?;
    let mut entries = Vec::with_capacity(call.entries.len());
    for index in &call.entries {
        entries.push(entry(&client, *index).await?);
    }
    let names = names(&client).await?;
    desk.out.show(&json!({ "call": call, "entries": entries }), || {
        let told = |one: &Indexed| tell::line(one.index, &one.entry, &names) + &pretty(&one.entry);
        entries.iter().map(told).collect()
    })?;
    Ok(Exit::Clean)
}

/// The entry at this place.
pub(crate) async fn entry(client: &Client, index: u64) -> Result<Indexed, Failure> {
    let read: Entries = client.get(&format!("/api/v1/log/entries?from={index}&limit=1")).await?;
    let found = read.entries.into_iter().find(|one| one.index == index);
    found.ok_or_else(|| {
        Failure::new(&WORD, format!("there is no entry {index}"))
            .why("indexes begin at 0 and have no gaps")
            .fix("see `alcaide log follow`")
    })
}

async fn prove(desk: &Desk, index: u64, out: Option<PathBuf>) -> Result<Exit, Failure> {
    let proof: Value = desk.client()?.get(&format!("/api/v1/log/proofs/{index}")).await?;
    let text = serde_json::to_string_pretty(&proof)
        .map_err(|error| Failure::new(&INTERNAL, "the proof cannot be written").why(error))?;
    let Some(path) = out else {
        desk.out.show(&proof, || text + "\n")?;
        return Ok(Exit::Clean);
    };
    use std::io::Write as _;
    std::fs::File::create_new(&path)
        .and_then(|mut file| writeln!(file, "{text}"))
        .map_err(|error| Failure::file("write", &path, &error))?;
    desk.out.show(&json!({ "index": index, "file": path.display().to_string() }), || {
        format!("the proof of entry {index} is in `{}`\n", path.display())
    })?;
    Ok(Exit::Clean)
}

/// The names of the plan in force.
pub(crate) async fn names(client: &Client) -> Result<Names, Failure> {
    let Status { plan } = client.get("/api/v1/status").await?;
    let plan: Plan = client.get(&format!("/api/v1/plans/{plan}")).await?;
    Ok(Names::of(&plan))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
