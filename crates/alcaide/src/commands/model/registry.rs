//! `alcaide model register`, `list`, `show`, `release`, `quarantine`, `revoke`: versions of declared models, and what may be served.

use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alcaide_artifact::signing::BUNDLE_BYTES_MAX;
use alcaide_control::models::rules_of;
use alcaide_control::{
    Choice, Digest, ModelDetail, ModelOrdered, ModelView, Registered, Registration, VersionView,
};
use alcaide_inventory::Name;
use alcaide_inventory::declare::Declarations;
use clap::Args;
use serde::Serialize;

use crate::cli::{Desk, Exit};
use crate::client::Client;
use crate::commands::plan::confirmed;
use crate::fail::{Failure, MODEL_UNTOLD, NO_MODEL, WORD};
use crate::model::crew::Way;
use crate::model::measure;
use crate::show::or_dash;

/// Longest time that a small file may take, as for `alcaide model scan`.
const PATIENCE: Duration = Duration::from_secs(60);

/// `alcaide model register`.
#[derive(Args, Debug)]
pub(crate) struct Register {
    /// The declared model
    name: Name,
    /// Its file or folder [default: where its files are declared to lie]
    path: Option<PathBuf>,
    /// A bundle of OpenSSF Model Signing over exactly these files [default: the declared `signature` within the folder, if it is there]
    #[arg(long, value_name = "BUNDLE")]
    signature: Option<PathBuf>,
    /// Readers at a time [default: as many as there are processors]
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
}

/// `alcaide model release`.
#[derive(Args, Debug)]
pub(crate) struct Release {
    /// The declared model
    name: Name,
    /// The version: 64 hex digits, or the first of them [default: the one that was registered last]
    version: Option<String>,
    /// Accept, for this version, what its scan could not look into
    #[arg(long)]
    accept_doubt: bool,
}

/// `alcaide model quarantine` and `revoke`.
#[derive(Args, Debug)]
pub(crate) struct TakeBack {
    /// The declared model
    name: Name,
    /// The version: 64 hex digits, or the first of them [default: the released one, else the one that was registered last]
    version: Option<String>,
    /// Do it
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Which {
    version: Digest,
}

impl Register {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let client = desk.client()?;
        let all: Declarations = client.get("/api/v1/declarations").await?;
        let declared = all.models.into_iter().find(|model| model.name == self.name);
        let spec = declared.ok_or_else(|| no_model(&self.name))?.spec;
        let files = || spec.files.as_ref().map(PathBuf::from);
        let path = self.path.clone().or_else(files).ok_or_else(|| {
            Failure::new(&WORD, format!("it is not declared where the files of `{}` lie", self.name))
                .fix("name the file or folder: `alcaide model register NAME PATH`")
        })?;
        let bundle = self.bundle(&path, spec.signature.as_deref())?;
        let unsaid = |why: &dyn std::fmt::Display| {
            Failure::new(&MODEL_UNTOLD, format!("nothing can be said of the model `{}`", self.name))
                .at(path.display())
                .why(why)
                .fix(MODEL_UNTOLD.cure)
        };
        let rules = rules_of(spec.signature.as_deref()).map_err(|why| unsaid(&why))?;
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let readers = self.jobs.unwrap_or(processors).get();
        let way = Way { readers, digests: true, patience: PATIENCE };
        let (subject, scan) = measure::examine(&path, &rules, way).map_err(|error| unsaid(&error))?;
        let registration = Registration { subject, scan, bundle };
        let at = format!("/api/v1/models/{}/versions", self.name);
        let done: Registered = client.post(&at, &registration, None).await?;
        desk.out.show(&done, || {
            let known =
                if done.known { "was registered before; its evidence is new" } else { "is registered" };
            let next = match done.version.state {
                alcaide_control::VersionState::Scanned | alcaide_control::VersionState::Signed => {
                    format!(
                        "release it: alcaide model release {} {}\n",
                        self.name,
                        short(&done.version.version)
                    )
                }
                alcaide_control::VersionState::Quarantined => {
                    format!("see what was found: alcaide model scan {}\n", path.display())
                }
                _ => String::new(),
            };
            format!(
                "version {} of `{}` {known}\n{}{next}",
                done.version.version,
                self.name,
                told(&done.version)
            )
        })?;
        let verdict = done.version.scan.as_ref().map(|scan| scan.verdict);
        Ok(match verdict {
            Some(alcaide_control::ScanVerdict::Clean) => Exit::Clean,
            Some(alcaide_control::ScanVerdict::Unsafe) => Exit::Findings,
            _ => Exit::Inconclusive,
        })
    }

    /// The bundle that is named, or that lies where it is declared to.
    fn bundle(&self, path: &Path, declared: Option<&str>) -> Result<Option<String>, Failure> {
        let at = match (&self.signature, declared.map(|within| path.join(within))) {
            (Some(given), _) => given.clone(),
            (None, Some(there)) if there.exists() => there,
            _ => return Ok(None),
        };
        let failed = |error: &std::io::Error| Failure::file("read", &at, error);
        let file = std::fs::File::open(&at).map_err(|error| failed(&error))?;
        let mut text = String::new();
        let most = u64::try_from(BUNDLE_BYTES_MAX).unwrap_or(u64::MAX);
        file.take(most).read_to_string(&mut text).map_err(|error| failed(&error))?;
        Ok(Some(text))
    }
}

pub(crate) async fn list(desk: &Desk) -> Result<Exit, Failure> {
    let all: Vec<ModelView> = desk.client()?.get("/api/v1/models").await?;
    desk.out.show(&all, || {
        let rows: Vec<_> = all.iter().map(row).collect();
        let head = ["MODEL", "STATE", "RELEASED", "ON DISK", "VERSIONS", "SERVED BY", "REQUIRES"];
        desk.out.table(&head, &rows, "no models; declare a `[[model]]`, see `alcaide declare example`")
    })?;
    Ok(Exit::Clean)
}

pub(crate) async fn show(desk: &Desk, name: &Name) -> Result<Exit, Failure> {
    let detail = detail(&desk.client()?, name).await?;
    desk.out.show(&detail, || {
        let one = &detail.model;
        let mut text = format!(
            "model      {}\nowner      {}\nfiles      {}\non disk    {}\nrequires   {}\nsigners    {}\nserved by  {}\n",
            one.name,
            one.owner,
            or_dash(one.files.as_ref()),
            on_disk(one),
            joined(one.requires.iter().map(|proof| proof.as_str())),
            joined(&one.signers),
            joined(&one.routes),
        );
        if detail.versions.is_empty() {
            text.push_str(&format!("no version is registered: alcaide model register {}\n", one.name));
        }
        for version in &detail.versions {
            text.push_str(&format!("\nversion    {}\n{}", version.version, told(version)));
        }
        text
    })?;
    Ok(Exit::Clean)
}

impl Release {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let client = desk.client()?;
        let detail = detail(&client, &self.name).await?;
        let newest = detail.versions.first().map(|one| one.version);
        let version = chosen(&detail, self.version.as_deref(), newest)?;
        let choice = Choice { version, accept_doubt: self.accept_doubt };
        let at = format!("/api/v1/models/{}/release", self.name);
        let done: ModelOrdered = client.post(&at, &choice, None).await?;
        desk.out.show(&done, || {
            format!("version {version} of `{}` is released, by order {}\n", self.name, done.order.id)
        })?;
        Ok(Exit::Clean)
    }
}

impl TakeBack {
    pub(crate) async fn run(self, desk: &Desk, verb: &str, past: &str) -> Result<Exit, Failure> {
        let client = desk.client()?;
        let detail = detail(&client, &self.name).await?;
        let version = chosen(&detail, self.version.as_deref(), detail.model.version)?;
        confirmed(self.yes, &format!("version {version} of `{}` would be {past}", self.name))?;
        let at = format!("/api/v1/models/{}/{verb}", self.name);
        let done: ModelOrdered = client.post(&at, &Which { version }, None).await?;
        desk.out.show(&done, || {
            format!("version {version} of `{}` is {past}, by order {}\n", self.name, done.order.id)
        })?;
        Ok(Exit::Clean)
    }
}

async fn detail(client: &Client, name: &Name) -> Result<ModelDetail, Failure> {
    client.get(&format!("/api/v1/models/{name}")).await
}

/// The one version that begins with what was given.
fn chosen(detail: &ModelDetail, given: Option<&str>, else_this: Option<Digest>) -> Result<Digest, Failure> {
    let name = &detail.model.name;
    let Some(given) = given else {
        return else_this.ok_or_else(|| {
            Failure::new(&NO_MODEL, format!("no version of `{name}` is registered"))
                .fix(format!("register its files: `alcaide model register {name}`"))
        });
    };
    let fits = |one: &&VersionView| one.version.to_string().starts_with(given);
    let mut found = detail.versions.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.version),
        (Some(_), Some(_)) => Err(Failure::new(&WORD, format!("several versions of `{name}` begin so"))),
        (None, _) => Err(Failure::new(&NO_MODEL, format!("no version of `{name}` begins so"))
            .fix(format!("see `alcaide model show {name}`"))),
    }
}

fn no_model(name: &Name) -> Failure {
    Failure::new(&NO_MODEL, format!("there is no model `{name}`")).fix(NO_MODEL.cure)
}

fn row(one: &ModelView) -> Vec<String> {
    vec![
        one.name.to_string(),
        or_dash(one.state.map(alcaide_control::VersionState::as_str)),
        or_dash(one.released.as_ref().map(short)),
        on_disk(one),
        one.versions.to_string(),
        joined(&one.routes),
        joined(one.requires.iter().map(|proof| proof.as_str())),
    ]
}

fn on_disk(one: &ModelView) -> String {
    let words = one.on_disk.as_str().replace('_', " ");
    one.found.as_ref().map_or(words.clone(), |found| format!("{words} ({})", short(found)))
}

/// A version, a fact a line.
fn told(one: &VersionView) -> String {
    let by = |by: Option<&Name>| by.map_or("the operator or the house".to_owned(), Name::to_string);
    let mut text = format!(
        "state      {}\nsha256     {}\nfiles      {} with {} bytes\nregistered {} by {}\n",
        one.state.as_str(),
        one.sha256,
        one.files,
        one.bytes,
        one.registered,
        by(one.by.as_ref())
    );
    match &one.scan {
        None => text.push_str("scan       none\n"),
        Some(scan) => {
            let until = scan.expires.map(|end| format!(", until {end}")).unwrap_or_default();
            text.push_str(&format!(
                "scan       {} of {}{until}, evidence {}\n",
                scan.verdict.as_str(),
                scan.issued,
                scan.envelope
            ));
        }
    }
    for signature in &one.signatures {
        text.push_str(&format!(
            "signed     by key {} as of {}, evidence {}\n",
            signature.key, signature.issued, signature.envelope
        ));
    }
    if let Some(release) = &one.release {
        let doubt = if release.accepts_doubt { ", with what was in doubt" } else { "" };
        text.push_str(&format!("released   {} by {}{doubt}\n", release.at, by(release.by.as_ref())));
    }
    text
}

fn short(version: &Digest) -> String {
    version.to_string().chars().take(12).collect()
}

fn joined(all: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let words: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}
