//! `alcaide model sign`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use alcaide_artifact::signing::{Bundle, Scheme, SignAs, Survey, sign};
use clap::Args;
use serde::Serialize;

use super::key::Signing;
use super::leave::{Leave, read_signature, usual_place};
use crate::cli::{Desk, Exit};
use crate::fail::{Failure, USAGE, shown};
use crate::house::now;
use crate::model::digests::absolute;
use crate::model::progress::bytes_told;
use crate::model::refused::refused;
use crate::model::survey::{Way, confirm, walk};

/// `alcaide model sign`.
#[derive(Args, Debug)]
pub(crate) struct Sign {
    /// The model: a folder, or one file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    signing: Signing,
    /// Where the signature goes [default: `model.sig` in a folder; beside a file its name with `.sig`]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// A signature of somebody else that lies in the model: it is not signed over
    #[arg(long, value_name = "FILE")]
    other_signature: Vec<PathBuf>,
    #[command(flatten)]
    leave: Leave,
}

#[derive(Serialize)]
struct Signed<'a> {
    model: &'a str,
    signature: &'a Path,
    files: usize,
    bytes: u64,
    /// SHA-256 over all that was signed: equal for two signatures of the same files.
    manifest: String,
    hash: &'static str,
    /// How signatures name the key.
    key: String,
    curve: &'static str,
    /// Whom the certificate is about, where one vouches for the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
}

impl Sign {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let started = now();
        // All that can be wrong without a look at the files comes first: there may be many.
        let key = self.signing.key()?;
        let signer = key.signer();
        let chain = self.signing.chain(signer.public_key(), started)?;
        let signature = self.signature.clone().unwrap_or_else(|| usual_place(&self.path));
        let mut signatures = vec![signature.clone()];
        signatures.extend(self.other_signature.iter().cloned());
        let rules = self.leave.rules(&self.path, &signatures)?;
        if signature.symlink_metadata().is_ok() {
            be_signature(&signature, "name another file with `--signature`")?;
        }
        for other in &self.other_signature {
            be_signature(other, "name a signature, or leave it out by `--ignore`")?;
        }

        let mut survey = Survey::to_sign(Scheme::STANDARD, &rules);
        let way = Way {
            model: &self.path,
            links: self.leave.links(),
            jobs: self.leave.jobs(),
            now: started,
            cache: None,
        };
        let walked = walk(&mut survey, &way)?;
        confirm(&survey, &way)?;
        let failed = |error| refused(&error, &self.path, self.leave.links());
        let name = name_of(&self.path);
        let surveyed = survey.into_surveyed(&name).map_err(failed)?;
        let manifest = surveyed.manifest();
        let sign_as = chain.as_deref().map_or(SignAs::Key, SignAs::Chain);
        let bundle = sign(&surveyed, signer, sign_as).map_err(failed)?;
        let bytes = bundle.to_json().map_err(failed)?;
        write(&signature, &bytes).map_err(|error| Failure::file("write", &signature, &error))?;

        let public = signer.public_key();
        let signed = Signed {
            model: &name,
            signature: &signature,
            files: manifest.len(),
            bytes: walked.bytes,
            manifest: manifest.digest().to_string(),
            hash: manifest.scheme().hash.name(),
            key: public.hint().to_string(),
            curve: public.curve().name(),
            certificate: chain.as_ref().and_then(|chain| Some(chain.first()?.subject_text())),
        };
        desk.out.show(&signed, || text(&self.path, &signed))?;
        Ok(Exit::Clean)
    }
}

fn text(model: &Path, signed: &Signed<'_>) -> String {
    let mut out = format!(
        "signed {}: {} files, {}\n",
        shown(&model.display().to_string()),
        signed.files,
        bytes_told(signed.bytes)
    );
    out.push_str(&format!("  manifest   {}\n", signed.manifest));
    out.push_str(&format!("  key        {} ({})\n", signed.key, signed.curve));
    if let Some(subject) = &signed.certificate {
        out.push_str(&format!("  by         {}\n", shown(subject)));
    }
    out.push_str(&format!("  signature  {}\n", shown(&signed.signature.display().to_string())));
    out
}

/// What a model is called in its signature; nothing depends on it.
pub(super) fn name_of(model: &Path) -> String {
    let own = model.file_name().map(ToOwned::to_owned);
    let name = own.or_else(|| model.canonicalize().ok()?.file_name().map(ToOwned::to_owned));
    name.and_then(|name| name.into_string().ok()).unwrap_or_else(|| "model".to_owned())
}

/// Refuses a file that is no signature: it is neither written over nor left out of the model.
fn be_signature(place: &Path, fix: &str) -> Result<(), Failure> {
    let bytes = read_signature(place).map_err(|error| Failure::file("read", place, &error))?;
    match Bundle::parse(&bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(&USAGE, "the file is there and is no signature of a model")
            .at(place.display())
            .why(error)
            .fix(fix)),
    }
}

/// Writes the signature whole or not at all.
fn write(place: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let place = absolute(place)?;
    let folder = place.parent().unwrap_or(Path::new("/"));
    let mut draft = tempfile::Builder::new()
        .prefix(".signature-")
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    draft.write_all(bytes)?;
    draft.as_file().sync_all()?;
    draft.persist(&place)?;
    Ok(())
}
