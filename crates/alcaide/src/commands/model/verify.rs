//! `alcaide model verify`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use alcaide_artifact::signing::{
    Agreed, Authentic, Bundle, Changed, Differences, EmptyFiles, Formats, ModelSignature, Rules, Signer,
    SigningError, TreePath, Trust, Unsigned, Verified, agree, authenticate,
};
use alcaide_inventory::Moment;
use clap::Args;
use serde::Serialize;

use super::leave::{Leave, read_signature, usual_place};
use super::trust::Trusted;
use crate::cli::{Desk, Exit};
use crate::fail::{Failure, Part, shown};
use crate::house::now;
use crate::model::digests::Digests;
use crate::model::progress::bytes_told;
use crate::model::refused::{differing, refused, said};
use crate::model::survey::{Way, confirm, walk};

/// `alcaide model verify`.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The model: a folder, or one file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    trusted: Trusted,
    /// A signature; may be given several times [default: `model.sig` in a folder; beside a file its name with `.sig`]
    #[arg(long, value_name = "FILE")]
    signature: Vec<PathBuf>,
    /// Different signers that it takes: with it a signature that does not count is told and passed over; without it
    /// every signature that is given has to hold
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<NonZeroUsize>,
    #[command(flatten)]
    leave: Leave,
    /// Let files pass that nobody signed; they are told
    #[arg(long)]
    allow_unsigned: bool,
    /// Refuse empty files where shards were signed, whose signatures list none
    #[arg(long)]
    refuse_empty: bool,
    /// Take signatures of before version 1.0 of the format, too
    #[arg(long)]
    historical: bool,
    /// Keep digests in a file from one verification to the next: what did not change by device, inode, size and times
    /// is not read again. A key is kept beside it. A disk that rots and whoever writes past the file system are not seen
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
}

/// What is written as JSON, whatever comes out.
#[derive(Serialize)]
struct Told<'a> {
    verified: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    model: Option<ModelTold<'a>>,
    signers: Vec<SignerTold<'a>>,
    /// Signatures that do not count.
    passed_over: Vec<PassedOver<'a>>,
    problems: Vec<Problem>,
    changed: Vec<ChangedTold>,
    missing: Vec<String>,
    added: Vec<String>,
}

#[derive(Serialize)]
struct ModelTold<'a> {
    model: &'a str,
    manifest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    hash: &'static str,
    files: usize,
    bytes: u64,
    /// Files that were not read this time.
    from_cache: usize,
    ignored: Vec<&'a str>,
    unsigned: Vec<&'a str>,
}

#[derive(Serialize)]
struct SignerTold<'a> {
    signature: &'a Path,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateTold>,
}

#[derive(Serialize)]
struct CertificateTold {
    subject: String,
    serial: String,
    not_after: String,
}

#[derive(Serialize)]
struct PassedOver<'a> {
    signature: &'a Path,
    why: String,
}

#[derive(Serialize)]
struct Problem {
    code: String,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    fix: String,
}

#[derive(Serialize)]
struct ChangedTold {
    path: String,
    signed: String,
    found: String,
}

/// A signature that counts, and where it lies.
struct Counted<'a> {
    place: &'a Path,
    authentic: Authentic,
}

/// Everything that was found out on the way, for whatever is told in the end.
#[derive(Default)]
struct Course<'a> {
    places: Vec<&'a Path>,
    signers: Vec<Signer>,
    passed_over: Vec<PassedOver<'a>>,
    differences: Differences,
}

impl Verify {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let started = now();
        let signatures = match self.signature.as_slice() {
            [] => vec![usual_place(&self.path)],
            given => given.to_vec(),
        };
        let trust = self.trusted.trust(started)?;
        let rules = Rules {
            unsigned: if self.allow_unsigned { Unsigned::List } else { Unsigned::Refuse },
            empty: if self.refuse_empty { EmptyFiles::Refuse } else { EmptyFiles::List },
            formats: if self.historical { Formats::Historical } else { Formats::Current },
            ..self.leave.rules(&self.path, &signatures)?
        };
        let mut course = Course::default();
        let ended = self.verify(&signatures, &trust, &rules, started, &mut course);
        match ended {
            Ok(model) => {
                desk.out.show(&told(Ok(&model), &course), || text(&self.path, &model, &course))?;
                Ok(Exit::Clean)
            }
            // What was looked at and refused is a result; what could not be looked at is none.
            Err(failure) if failure.exit == 1 && desk.out.is_json() => {
                desk.out.json_line(&told(Err(&failure), &course))?;
                Ok(Exit::Findings)
            }
            Err(failure) => Err(failure),
        }
    }

    fn verify<'a>(
        &self,
        signatures: &'a [PathBuf],
        trust: &Trust,
        rules: &Rules,
        started: Moment,
        course: &mut Course<'a>,
    ) -> Result<Verified<ModelSignature>, Failure> {
        let agreed = self.signers(signatures, trust, rules, course)?;
        let digests = self.cache.as_deref().map(|file| Digests::open(file, &self.path)).transpose()?;
        let mut survey = agreed.survey(rules);
        let way = Way {
            model: &self.path,
            links: self.leave.links(),
            jobs: self.leave.jobs(),
            now: started,
            cache: digests.as_ref().map(Digests::known),
        };
        let walked = walk(&mut survey, &way)?;
        course.differences = survey.differences();
        if !course.differences.is_empty() {
            return Err(differing(&course.differences, &self.path));
        }
        confirm(&survey, &way)?;
        let model = survey.finish().map_err(|error| refused(&error, &self.path, self.leave.links()))?;
        if let Some(digests) = digests {
            digests.keep(&walked.digests)?;
        }
        Ok(model)
    }

    /// Who signed; nothing is read of the model before that is known.
    fn signers<'a>(
        &self,
        signatures: &'a [PathBuf],
        trust: &Trust,
        rules: &Rules,
        course: &mut Course<'a>,
    ) -> Result<Agreed, Failure> {
        let mut counted = Vec::new();
        let mut broken: Option<Failure> = None;
        for place in signatures {
            let bytes = read_signature(place).map_err(|error| Failure::file("read", place, &error))?;
            let authentic = Bundle::parse(&bytes).and_then(|bundle| authenticate(&bundle, trust, rules));
            match authentic {
                Ok(authentic) => counted.push(Counted { place, authentic }),
                Err(error) => {
                    course.passed_over.push(PassedOver { signature: place, why: said(&error) });
                    broken.get_or_insert_with(|| refused(&error, place, rules.links));
                }
            }
        }
        if self.threshold.is_none()
            && let Some(failure) = broken.take()
        {
            return Err(failure);
        }
        course.places = counted.iter().map(|one| one.place).collect();
        course.signers = counted.iter().map(|one| one.authentic.signer().clone()).collect();
        let authentic = counted.into_iter().map(|one| one.authentic).collect();
        agree(authentic, self.threshold.unwrap_or(NonZeroUsize::MIN)).map_err(|error| {
            let at = match &error {
                SigningError::Disagreement { at } => course.places.get(*at).copied(),
                _ => None,
            };
            let passed_over = course.passed_over.iter().map(|one| Part {
                what: "a signature does not count".into(),
                at: Some(one.signature.display().to_string()),
                why: Some(one.why.clone()),
                fix: "ask its signer for one that holds".into(),
                code: crate::fail::MODEL_SIGNATURE.code.into(),
            });
            refused(&error, at.unwrap_or(&self.path), rules.links).and(passed_over)
        })
    }
}

fn told<'a>(ended: Result<&'a Verified<ModelSignature>, &Failure>, course: &'a Course<'a>) -> Told<'a> {
    let model = ended.ok().map(|model| ModelTold {
        model: model.name(),
        manifest: model.manifest().to_string(),
        root: model.root().map(|root| root.to_string()),
        hash: model.scheme().hash.name(),
        files: model.files().len(),
        bytes: model.bytes(),
        from_cache: model.files().iter().filter(|file| file.cached).count(),
        ignored: model.ignored().iter().map(TreePath::as_str).collect(),
        unsigned: model.unsigned().iter().map(TreePath::as_str).collect(),
    });
    let paths = |paths: &[TreePath]| paths.iter().map(|path| path.as_str().to_owned()).collect();
    Told {
        verified: model.is_some(),
        model,
        signers: course
            .places
            .iter()
            .zip(&course.signers)
            .map(|(place, signer)| signer_told(place, signer))
            .collect(),
        passed_over: course
            .passed_over
            .iter()
            .map(|one| PassedOver { signature: one.signature, why: one.why.clone() })
            .collect(),
        problems: ended
            .err()
            .map_or_else(Vec::new, |failure| failure.parts.iter().map(Problem::of).collect()),
        changed: course.differences.changed.iter().map(ChangedTold::of).collect(),
        missing: paths(&course.differences.missing),
        added: paths(&course.differences.added),
    }
}

fn signer_told<'a>(place: &'a Path, signer: &Signer) -> SignerTold<'a> {
    let certificate = signer.certificate().map(|leaf| CertificateTold {
        subject: leaf.subject_text(),
        serial: leaf.serial().to_string(),
        not_after: Moment::from_secs(leaf.not_after()).to_string(),
    });
    SignerTold { signature: place, key: signer.key().to_string(), certificate }
}

impl Problem {
    fn of(part: &Part) -> Self {
        let Part { what, at, why, fix, code } = part.clone();
        Self { code, what, at, why, fix }
    }
}

impl ChangedTold {
    fn of(one: &Changed) -> Self {
        let (signed, found) = one.told();
        Self { path: one.path.as_str().to_owned(), signed, found }
    }
}

fn text(path: &Path, model: &ModelSignature, course: &Course<'_>) -> String {
    let mut out = format!(
        "verified {}: {} files, {} are what was signed\n",
        shown(&path.display().to_string()),
        model.files().len(),
        bytes_told(model.bytes())
    );
    out.push_str(&format!("  manifest   {}\n", model.manifest()));
    for (place, signer) in course.places.iter().zip(&course.signers) {
        let told = signer_told(place, signer);
        let by = match &told.certificate {
            Some(leaf) => format!("{}, until {}, key {}", shown(&leaf.subject), leaf.not_after, told.key),
            None => format!("key {}", told.key),
        };
        out.push_str(&format!("  signed by  {by} in {}\n", shown(&place.display().to_string())));
    }
    for one in &course.passed_over {
        let place = one.signature.display().to_string();
        out.push_str(&format!("  no count   {}: {}\n", shown(&place), shown(&one.why)));
    }
    let cached = model.files().iter().filter(|file| file.cached).count();
    if cached > 0 {
        out.push_str(&format!("  not read   {cached} files that did not change since they were\n"));
    }
    for (label, paths) in [("ignored ", model.ignored()), ("unsigned", model.unsigned())] {
        for path in paths.iter().take(SHOWN_MAX) {
            out.push_str(&format!("  {label}   {path}\n"));
        }
        if let Some(more) = paths.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
            out.push_str(&format!("  {label}   and {more} more\n"));
        }
    }
    out
}

/// Paths of a kind that are shown to people; JSON has all of them.
const SHOWN_MAX: usize = 20;
