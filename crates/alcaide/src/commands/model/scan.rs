//! `alcaide model scan`.

use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use alcaide_artifact::{Rule, Verdict};
use alcaide_finding::sarif::{self, SarifResult, SarifRule};
use alcaide_finding::{Place, Rating};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::{Desk, Exit};
use crate::fail::{Failure, INTERNAL, MODEL_READER, shown};
use crate::model::crew::{self, Looked, Way};
use crate::model::progress::Progress;
use crate::model::tree::{self, Found};

/// Longest time that a small file may take: far more than its fuel lasts on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Findings and doubts of one file that are shown to people; JSON has all of them.
const SHOWN_MAX: usize = 20;

/// `alcaide model scan`.
#[derive(Args, Debug)]
pub(crate) struct Scan {
    /// A file, or a folder whose files are all looked at; `-` reads one file from standard input
    #[arg(value_name = "PATH", required = true)]
    path: PathBuf,
    /// How results are written
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "quiet")]
    format: Option<Form>,
    /// Write nothing: only the exit status tells
    #[arg(long)]
    quiet: bool,
    /// Compute no digests of the files
    #[arg(long)]
    no_digest: bool,
    /// Least rating of a finding that makes the exit status 1; what is found below it is still told
    #[arg(long, value_enum, value_name = "RATING", default_value_t = Least::Low)]
    fail_on: Least,
    /// Readers at a time [default: as many as there are processors]
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
    /// What standard input is said to be called
    #[arg(long, value_name = "NAME", default_value = "model")]
    stdin_name: String,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// A SARIF 2.1.0 log
    Sarif,
}

/// Ratings that a scan can fail on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Least {
    Low,
    Medium,
    High,
    Critical,
}

impl Least {
    const fn rating(self) -> Rating {
        match self {
            Self::Low => Rating::Low,
            Self::Medium => Rating::Medium,
            Self::High => Rating::High,
            Self::Critical => Rating::Critical,
        }
    }
}

/// What is written: no times, no absolute paths, so that the same files give the same bytes.
#[derive(Serialize)]
struct Told<'a> {
    scanner: Scanner,
    verdict: Verdict,
    files: Vec<FileTold<'a>>,
}

#[derive(Serialize)]
struct Scanner {
    name: &'static str,
    version: &'static str,
    /// Version of the packs of names and effects: another one may judge the same bytes otherwise.
    packs: &'static str,
}

#[derive(Serialize)]
struct FileTold<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    verdict: Verdict,
    /// Why it could not be looked at, or not to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a alcaide_artifact::Report>,
}

impl Scan {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let spooled = if self.path.as_os_str() == "-" { Some(self.spool()?) } else { None };
        let files = match &spooled {
            Some(spooled) => vec![Found {
                path: spooled.path().to_owned(),
                name: self.stdin_name.clone(),
                unreadable: None,
            }],
            None => tree::walk(&self.path).map_err(|error| Failure::file("read", &self.path, &error))?,
        };
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let way = Way {
            readers: self.jobs.unwrap_or(processors).get(),
            digests: !self.no_digest,
            patience: PATIENCE,
        };
        let progress = Progress::files(files.len(), self.quiet);
        let looked = crew::look(&files, way, &|_| progress.add(1)).map_err(|error| {
            Failure::new(&MODEL_READER, "no reader could be started").why(error).fix(MODEL_READER.cure)
        })?;
        progress.end();
        let verdict = looked.iter().map(Looked::verdict).max().unwrap_or(Verdict::Clean);
        let form = match self.format {
            Some(form) => form,
            None if desk.out.is_json() => Form::Json,
            None => Form::Text,
        };
        match form {
            _ if self.quiet => {}
            Form::Json => desk.out.json_line(&told(verdict, &files, &looked))?,
            Form::Sarif => {
                let log = sarif_of(&files, &looked);
                let text = serde_json::to_string_pretty(&log)
                    .map_err(|error| Failure::new(&INTERNAL, "the log cannot be written").why(error))?;
                desk.out.text(&format!("{text}\n"))?;
            }
            Form::Text => desk.out.text(&text(verdict, &files, &looked))?,
        }
        Ok(self.exit(&looked))
    }

    fn exit(&self, looked: &[Looked]) -> Exit {
        let least = self.fail_on.rating();
        let worst = looked
            .iter()
            .filter_map(|one| one.report.as_ref())
            .flat_map(|report| report.findings.iter().map(|finding| finding.rating))
            .max();
        let left_out =
            looked.iter().filter_map(|one| one.report.as_ref()).any(|one| one.findings_left_out > 0);
        match () {
            () if worst.is_some_and(|worst| worst >= least) || left_out => Exit::Findings,
            () if looked.iter().any(|one| one.is_doubtful()) => Exit::Inconclusive,
            () => Exit::Clean,
        }
    }

    /// Standard input in a file without a name that others could open.
    fn spool(&self) -> Result<tempfile::NamedTempFile, Failure> {
        let failed =
            |error: &std::io::Error| Failure::file("keep", std::path::Path::new("standard input"), error);
        let mut spool = tempfile::NamedTempFile::new().map_err(|error| failed(&error))?;
        let mut input = std::io::stdin().lock();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    spool.write_all(buffer.get(..read).unwrap_or_default()).map_err(|error| failed(&error))?
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        spool.flush().map_err(|error| failed(&error))?;
        Ok(spool)
    }
}

fn told<'a>(verdict: Verdict, files: &'a [Found], looked: &'a [Looked]) -> Told<'a> {
    let files = files.iter().zip(looked).map(|(file, one)| FileTold {
        path: &file.name,
        bytes: one.bytes,
        sha256: one.sha256.map(|digest| digest.to_string()),
        verdict: one.verdict(),
        unreadable: one.why_not.as_deref(),
        report: one.report.as_ref(),
    });
    let scanner = Scanner {
        name: "alcaide",
        version: env!("CARGO_PKG_VERSION"),
        packs: alcaide_artifact::PACK_VERSION,
    };
    Told { scanner, verdict, files: files.collect() }
}

fn sarif_of<'a>(files: &'a [Found], looked: &'a [Looked]) -> impl Serialize + use<'a> {
    let rules: Vec<_> = Rule::all()
        .map(|rule| SarifRule {
            id: rule.id.as_str(),
            description: rule.description,
            help: rule.cure,
            rating: rule.rating,
        })
        .collect();
    let results: Vec<_> = files
        .iter()
        .zip(looked)
        .filter_map(|(file, one)| Some((file, one.report.as_ref()?)))
        .flat_map(|(file, report)| {
            report.findings.iter().map(|finding| SarifResult { file: &file.name, finding })
        })
        .collect();
    sarif::log("alcaide", env!("CARGO_PKG_VERSION"), &rules, &results)
}

/// For people: the files that are not clean, worst first, and one line that sums up.
fn text(verdict: Verdict, files: &[Found], looked: &[Looked]) -> String {
    let mut out = String::new();
    let mut all: Vec<_> = files.iter().zip(looked).collect();
    all.sort_by_key(|(_, one)| std::cmp::Reverse(one.verdict()));
    for (file, one) in all.iter().filter(|(_, one)| one.verdict() != Verdict::Clean) {
        out.push_str(&format!("{}: {}\n", shown(&file.name), one.verdict().as_str()));
        if let Some(why) = &one.why_not {
            out.push_str(&format!("  {}\n", shown(why)));
        }
        let Some(report) = &one.report else { continue };
        for finding in report.findings.iter().take(SHOWN_MAX) {
            out.push_str(&format!(
                "  {:8} {}{}: {}\n",
                finding.rating.as_str(),
                finding.rule,
                place(&finding.place),
                shown(&finding.evidence)
            ));
        }
        let hidden = report.findings.len().saturating_sub(SHOWN_MAX) as u64;
        if hidden.saturating_add(report.findings_left_out) > 0 {
            out.push_str(&format!(
                "  and {} findings more\n",
                hidden.saturating_add(report.findings_left_out)
            ));
        }
        // What was found decides; what else is in doubt is of interest only where nothing was.
        if one.verdict() == Verdict::Inconclusive {
            for doubt in report.doubts.iter().take(SHOWN_MAX) {
                let at = place(&doubt.place);
                out.push_str(&format!("  doubt    {}{at}: {}\n", doubt.rule, shown(&doubt.evidence)));
            }
        }
    }
    let count = |verdict| looked.iter().filter(|one| one.verdict() == verdict).count();
    out.push_str(&format!(
        "{}: {} files, {} unsafe, {} inconclusive, {} clean\n",
        verdict.as_str(),
        looked.len(),
        count(Verdict::Unsafe),
        count(Verdict::Inconclusive),
        count(Verdict::Clean)
    ));
    out
}

fn place(place: &Place) -> String {
    let mut out = String::new();
    for member in &place.member {
        out.push_str(" in ");
        out.push_str(&shown(member));
    }
    if let Some(pointer) = &place.pointer {
        out.push_str(&format!(" at {}", shown(pointer)));
    }
    if let Some(offset) = place.offset {
        out.push_str(&format!(" at byte {offset}"));
    }
    out
}
