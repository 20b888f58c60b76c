//! Signs a model in a folder, or verifies it, with nothing around it: what other implementations of model signing are compared with.
//!
//! ```text
//! oms sign   --key KEY [--chain CHAIN] [--password TEXT] [--signature FILE] [--ignore PATH]... [--jobs N] MODEL
//! oms verify (--key KEY | --roots ROOTS)... [--signature FILE]... [--signers N] [--ignore PATH]... [--unsigned]
//!            [--historical] [--at SECONDS] [--cache FILE] [--jobs N] MODEL
//! ```
//! It exits with 0 only if all went well. Links are refused. The cache is under a key that is the same everywhere: it shows how long
//! a second look takes, and guards nothing.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use alcaide_artifact::signing::{
    Aim, Bundle, DigestCache, Entry, Formats, Kind, Rules, Scheme, SignAs, SigningError, Stamp, Survey,
    TreePath, Trust, Unsigned, agree, authenticate, sign,
};
use alcaide_container::{Input, ReadError};
use alcaide_seal::SecretText;
use alcaide_seal::digest::HmacKey;
use alcaide_seal::ecdsa::{EcPublicKey, PrivateKey};
use alcaide_seal::x509::{Certificate, Roots};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut why: Option<&dyn Error> = Some(error.as_ref());
            while let Some(one) = why {
                eprintln!("{one}");
                why = one.source();
            }
            if let Some(error) = error.downcast_ref::<SigningError>() {
                eprintln!("fix: {}", error.help());
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<String> {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().ok_or("`sign` or `verify`?")?;
    let asked = Asked::read(arguments)?;
    match verb.as_str() {
        "sign" => asked.sign(),
        "verify" => asked.verify(),
        other => Err(format!("`{other}` is neither `sign` nor `verify`").into()),
    }
}

#[derive(Default)]
struct Asked {
    model: PathBuf,
    keys: Vec<PathBuf>,
    chain: Option<PathBuf>,
    roots: Option<PathBuf>,
    password: Option<SecretText>,
    signatures: Vec<PathBuf>,
    signers: Option<NonZeroUsize>,
    jobs: usize,
    at: Option<u64>,
    cache: Option<PathBuf>,
    rules: Rules,
}

impl Asked {
    fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut asked = Self { jobs: 1, ..Self::default() };
        let mut model = None;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--key" => asked.keys.push(value()?.into()),
                "--chain" => asked.chain = Some(value()?.into()),
                "--roots" => asked.roots = Some(value()?.into()),
                "--password" => asked.password = Some(SecretText::new(value()?)),
                "--signature" => asked.signatures.push(value()?.into()),
                "--signers" => asked.signers = Some(value()?.parse()?),
                "--ignore" => {
                    asked.rules.ignore.insert(TreePath::new(&value()?)?);
                }
                "--unsigned" => asked.rules.unsigned = Unsigned::List,
                "--historical" => asked.rules.formats = Formats::Historical,
                "--at" => asked.at = Some(value()?.parse()?),
                "--cache" => asked.cache = Some(value()?.into()),
                "--jobs" => asked.jobs = value()?.parse()?,
                _ if argument.starts_with("--") => return Err(format!("`{argument}` is not known").into()),
                _ => model = Some(PathBuf::from(argument)),
            }
        }
        asked.model = model.ok_or("where is the model?")?;
        if asked.signatures.is_empty() {
            asked.signatures.push(asked.model.join("model.sig"));
        }
        for signature in &asked.signatures {
            if let Ok(within) = signature.strip_prefix(&asked.model) {
                asked.rules.signatures.insert(TreePath::from_bytes(within.as_os_str().as_bytes())?);
            }
        }
        Ok(asked)
    }

    fn sign(&self) -> Outcome<String> {
        let [key] = self.keys.as_slice() else { return Err("one key signs".into()) };
        let key = PrivateKey::from_pem(&fs::read(key)?, self.password.as_ref())?;
        let chain = self
            .chain
            .as_ref()
            .map(|file| Ok::<_, Box<dyn Error>>(Certificate::all_from_pem(&fs::read(file)?)?));
        let chain = chain.transpose()?;
        let mut survey = Survey::to_sign(Scheme::STANDARD, &self.rules);
        self.walk(&mut survey, None)?;
        let name = fs::canonicalize(&self.model)?;
        let name = name.file_name().and_then(|name| name.to_str()).unwrap_or("model");
        let surveyed = survey.into_surveyed(name)?;
        let sign_as = chain.as_deref().map_or(SignAs::Key, SignAs::Chain);
        let bundle = sign(&surveyed, &key, sign_as)?;
        for signature in &self.signatures {
            fs::write(signature, bundle.to_json()?)?;
        }
        let manifest = surveyed.manifest();
        Ok(format!("signed {} files, manifest {}", manifest.len(), manifest.digest()))
    }

    fn verify(&self) -> Outcome<String> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut trust = Trust { at: self.at.unwrap_or_else(now), ..Trust::default() };
        for key in &self.keys {
            trust.keys.push(EcPublicKey::from_pem(&fs::read(key)?)?);
        }
        if let Some(roots) = &self.roots {
            trust.roots = Some(Roots::from_pem(&fs::read(roots)?)?);
        }
        let mut bundles = Vec::new();
        for signature in &self.signatures {
            bundles.push(authenticate(&Bundle::parse(&fs::read(signature)?)?, &trust, &self.rules)?);
        }
        let agreed = agree(bundles, self.signers.unwrap_or(NonZeroUsize::MIN))?;
        let mut survey = agreed.survey(&self.rules);
        let (key, context) = (HmacKey::new(b"example"), fs::canonicalize(&self.model)?);
        let mut cache = match &self.cache {
            Some(file) if file.exists() => {
                Some(DigestCache::open(&fs::read(file)?, &key, context.as_os_str().as_bytes())?)
            }
            Some(_) => Some(DigestCache::new()),
            None => None,
        };
        self.walk(&mut survey, cache.as_mut())?;
        let model = survey.finish()?;
        if let (Some(cache), Some(file)) = (&cache, &self.cache) {
            fs::write(file, cache.seal(&key, context.as_os_str().as_bytes())?)?;
        }
        let from_cache = model.files().iter().filter(|file| file.cached).count();
        Ok(format!(
            "verified {} files, {} bytes, {from_cache} from the cache, manifest {}",
            model.files().len(),
            model.bytes(),
            model.manifest()
        ))
    }

    fn walk<A: Aim>(&self, survey: &mut Survey<'_, A>, mut cache: Option<&mut DigestCache>) -> Outcome<()> {
        let mut found = Vec::new();
        if self.model.is_dir() {
            below(&self.model, &self.model, &mut found)?;
        } else {
            found.push((
                self.model.clone(),
                PathBuf::from(self.model.file_name().ok_or("a file has a name")?),
            ));
        }
        if self.jobs <= 1 || cache.is_some() {
            for (place, name) in found {
                survey.add(&entry(&place, &name)?, cache.as_deref_mut())?;
            }
            return Ok(());
        }
        let mut queue = VecDeque::new();
        for (place, name) in found {
            let entry = entry(&place, &name)?;
            if let (Some(admitted), Kind::File(input)) = (survey.admit(&entry)?, entry.kind) {
                queue.push_back((admitted, input));
            }
        }
        let (scheme, queue, done) = (survey.scheme(), Mutex::new(queue), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                        let Some((admitted, input)) = next else { break };
                        let measured = scheme.measure(admitted.path(), &input);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push(measured);
                    }
                });
            }
        });
        for measured in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
            survey.record(measured?)?;
        }
        Ok(())
    }
}

fn below(root: &Path, folder: &Path, found: &mut Vec<(PathBuf, PathBuf)>) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            below(root, &entry.path(), found)?;
        } else {
            found.push((entry.path(), entry.path().strip_prefix(root)?.to_owned()));
        }
    }
    Ok(())
}

fn entry(place: &Path, name: &Path) -> Outcome<Entry<Opened>> {
    let known = fs::symlink_metadata(place)?;
    let kind = if known.is_symlink() {
        Kind::Link
    } else if known.is_file() {
        Kind::File(Opened { file: File::open(place)?, bytes: known.len() })
    } else {
        Kind::Special
    };
    let stamp = [known.dev(), known.ino(), known.ctime().cast_unsigned(), known.ctime_nsec().cast_unsigned()];
    let stamp: Vec<u8> = stamp.iter().flat_map(|one| one.to_be_bytes()).collect();
    Ok(Entry { path: name.as_os_str().as_bytes().to_vec(), kind, stamp: Some(Stamp::new(&stamp)) })
}

struct Opened {
    file: File,
    bytes: u64,
}

impl Input for Opened {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => return Err(ReadError::Source { at, why: error.to_string() }),
            }
        }
        Ok(filled)
    }
}
