//! Why a model was not signed, or its signature not believed, as people read it.

use std::error::Error;
use std::path::Path;

use alcaide_artifact::signing::{Concern, Differences, Links, SigningError, TreePath};
use alcaide_seal::ecdsa::EcSignError;

use crate::fail::{
    CliCode, FILE, Failure, INTERNAL, MODEL_FILES, MODEL_KEY, MODEL_SIGNATURE, MODEL_TOKEN, Part,
};

/// Differences that are told one by one; their number is told of all.
const TOLD_MAX: usize = 20;

/// What the engine says of `at`, a signature or a model.
pub(crate) fn refused(error: &SigningError, at: &Path, links: Links) -> Failure {
    let (code, what): (&CliCode, _) = match error.concern() {
        Concern::Signature => (&MODEL_SIGNATURE, "the signature is not believed"),
        Concern::Files => (&MODEL_FILES, "the model is not taken as it is"),
        Concern::Reading => (&FILE, "a file of the model could not be read"),
        Concern::Key if matches!(error, SigningError::Sign(EcSignError::Token { .. })) => {
            (&MODEL_TOKEN, MODEL_TOKEN.title)
        }
        Concern::Key => (&MODEL_KEY, "the key did not sign"),
        Concern::Program => (&INTERNAL, "the model was walked wrongly"),
    };
    let mut why = said(error);
    let mut fix = error.help();
    if let SigningError::Link { path } = error
        && links == Links::Follow
    {
        why = format!("`{path}` is a link that leads out of the model, to nothing or in a circle");
        fix = "put the file in the place of the link";
    }
    Failure::new(code, what).at(at.display()).why(why).fix(fix)
}

/// An error with all that it comes from.
pub(crate) fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Every file that is not as it was signed: which, what was expected, and what cures it.
pub(crate) fn differing(found: &Differences, model: &Path) -> Failure {
    let mut parts = Vec::new();
    let mut part = |path: &TreePath, what: &str, why: String, fix: &str| {
        parts.push(Part {
            what: format!("`{path}` {what}"),
            at: Some(model.join(path.as_str()).display().to_string()),
            why: Some(why),
            fix: fix.into(),
            code: MODEL_FILES.code.into(),
        });
    };
    for one in &found.changed {
        let (signed, found) = one.told();
        part(&one.path, "is not what was signed", format!("signed is {signed}, found was {found}"), FETCH);
    }
    for path in &found.missing {
        part(
            path,
            "is signed and missing",
            "a model without one of its files is another model".into(),
            FETCH,
        );
    }
    for path in &found.added {
        part(
            path,
            "was added after the model was signed",
            "nobody signed it".into(),
            "remove it, or have the model signed again; `--ignore PATH` leaves out what the model does not need",
        );
    }
    let count = parts.len();
    let mut why = format!(
        "{} changed, {} missing, {} added",
        found.changed.len(),
        found.missing.len(),
        found.added.len()
    );
    if count > TOLD_MAX {
        why.push_str(&format!("; the first {TOLD_MAX} are told"));
    }
    parts.truncate(TOLD_MAX);
    Failure::new(&MODEL_FILES, "the files are not those that were signed")
        .at(model.display())
        .why(why)
        .and(parts)
}

const FETCH: &str = "do not use the model; fetch it and its signature again from their source";
