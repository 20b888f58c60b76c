//! What is measured, and by whom: large files, signatures, cold starts, bombs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::bench::process::wait;
use crate::bench::table;
use crate::models::cost::{Cost, Costs, Meter, Watch};
use crate::models::{Extent, corpus};
use crate::step;

/// How the program is called in tables.
pub(crate) const OURS: &str = "alcaide";
/// Other people's scanners.
pub(crate) const SCANNERS: [&str; 4] = ["modelscan", "picklescan", "modelaudit", "fickling"];
/// The reference of model signing.
pub(crate) const REFERENCE: &str = "model_signing";
/// What the machine can do.
pub(crate) const OPENSSL: &str = "openssl dgst -sha256";

pub(crate) const SCAN_WEIGHTS: &str = "scan and SHA-256 of safetensors";
pub(crate) const SCAN_PLAIN: &str = "scan of safetensors without digest";
pub(crate) const SCAN_TORCH: &str = "scan and SHA-256 of a torch archive";
pub(crate) const SIGN: &str = "sign";
pub(crate) const VERIFY: &str = "verify";
pub(crate) const AGAIN: &str = "verify again, by the cache";
pub(crate) const PARTS_ONE: &str = "sign eight files, one at a time";
pub(crate) const PARTS_ALL: &str = "sign eight files, on all cores";
pub(crate) const SMALL: &str = "scan of a small file, started anew";

/// Longer than the program takes a change for too new.
const STAMP_AGE: Duration = Duration::from_secs(3);

/// What is run.
pub(crate) struct Tools<'a> {
    pub(crate) root: &'a Path,
    /// The program under measurement.
    pub(crate) program: PathBuf,
    /// Python with other people's scanners.
    pub(crate) scanners: Option<PathBuf>,
    /// Python with the reference of model signing.
    pub(crate) signing: Option<PathBuf>,
    /// A folder of the bench's own.
    pub(crate) place: &'a Path,
}

impl Tools<'_> {
    /// Has files made, of `size`, in the folder `act`.
    pub(crate) fn make(&self, act: &str, size: u32) -> Result<()> {
        let mut command = step::command(self.root, "python3");
        command
            .arg(self.root.join("tests/scanners/make.py"))
            .arg(act)
            .arg(self.place.join(act))
            .arg(size.to_string());
        step::output(command).map(drop)
    }

    fn ours(&self, words: &[&str], path: &Path) -> Vec<OsString> {
        let mut all = vec![self.program.clone().into_os_string()];
        all.extend(words.iter().map(OsString::from));
        all.push(path.into());
        all
    }

    /// The command line of a scanner over one file, if that is installed.
    fn theirs(&self, who: &str, path: &Path) -> Option<Vec<OsString>> {
        let words: &[&str] = match who {
            "modelscan" => &["-p"],
            "picklescan" => &["-p"],
            "modelaudit" => &["scan", "--no-cache", "--quiet", "--format", "json"],
            "fickling" => &["--check-safety"],
            _ => return None,
        };
        let program = self.scanners.as_ref()?.parent()?.join(who);
        let mut all = vec![program.into_os_string()];
        all.extend(words.iter().map(OsString::from));
        all.push(path.into());
        Some(all)
    }
}

/// One thing that somebody does.
struct Task {
    what: &'static str,
    who: &'static str,
    words: Vec<OsString>,
    /// Whether it has to end with 0: of others' scanners nobody knows what they make of random weights.
    clean: bool,
    /// Done once before it is measured, and after nothing else was: what it needs is made by that.
    prepared: bool,
}

/// Everything that is measured in rounds.
pub(crate) fn measure(
    tools: &Tools<'_>,
    meter: &Meter,
    extent: Extent,
    notes: &mut Vec<String>,
) -> Result<Costs> {
    let large = tools.place.join("large");
    let weights = large.join("weights.safetensors");
    let mut tasks = scans(tools, &weights, &large.join("weights.pt"));
    tasks.extend(signatures(tools, &weights, &large.join("parts"))?);
    let mut costs = Costs::default();
    // A file that was linked just now has no stamp that a cache could go by.
    wait(STAMP_AGE);
    for task in tasks.iter().filter(|task| task.prepared) {
        task.run(meter, notes)?;
    }
    for round in 0..extent.rounds {
        eprintln!("--- round {} of {}", round + 1, extent.rounds);
        let mut order: Vec<&Task> = tasks.iter().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for task in order {
            if let Some(cost) = task.run(meter, notes)? {
                costs.add(task.what, task.who, cost);
            }
        }
    }
    eprintln!("--- starts");
    let small = tools.root.join("tests/models/visible/benign/torch_state_dict.pt");
    for round in 0..extent.small {
        costs.add(SMALL, OURS, meter.run(Watch::No, &tools.ours(&["model", "scan", "--quiet"], &small))?);
        if round < extent.rounds {
            for who in SCANNERS {
                if let Some(words) = tools.theirs(who, &small) {
                    costs.add(SMALL, who, meter.run(Watch::No, &words)?);
                }
            }
        }
    }
    Ok(costs)
}

fn scans(tools: &Tools<'_>, weights: &Path, torch: &Path) -> Vec<Task> {
    let mut tasks = Vec::new();
    let mut add = |what, who, words, clean| tasks.push(Task { what, who, words, clean, prepared: false });
    for (what, path) in [(SCAN_WEIGHTS, weights), (SCAN_TORCH, torch)] {
        add(what, OURS, tools.ours(&["model", "scan", "--quiet"], path), true);
        // The two that read weights at all.
        for who in ["modelscan", "modelaudit"] {
            if let Some(words) = tools.theirs(who, path) {
                add(what, who, words, false);
            }
        }
    }
    add(SCAN_PLAIN, OURS, tools.ours(&["model", "scan", "--quiet", "--no-digest"], weights), true);
    if Path::new("/usr/bin/openssl").exists() {
        let words = ["openssl", "dgst", "-sha256"].map(OsString::from).into_iter().chain([weights.into()]);
        add(SCAN_WEIGHTS, OPENSSL, words.collect(), true);
    }
    tasks
}

fn signatures(tools: &Tools<'_>, weights: &Path, parts: &Path) -> Result<Vec<Task>> {
    let at = |name: &str| tools.place.join(name);
    let model = at("model");
    fs::create_dir(&model).context("the folder of a model cannot be made")?;
    fs::hard_link(weights, model.join("weights.safetensors")).context("the weights cannot be linked")?;
    let (key, public) = (at("key.pem"), at("key.pub.pem"));
    let mut keygen = step::command(tools.root, &tools.program.to_string_lossy());
    keygen.args(["model", "keygen", "--public"]).arg(&public).arg(&key);
    step::output(keygen)?;
    let [ours, theirs, sharded, cache] =
        ["ours.sig", "theirs.sig", "parts.sig", "digests"].map(|name| at(name).display().to_string());
    let (key, public) = (key.display().to_string(), public.display().to_string());
    let mut tasks = Vec::new();
    let mut add = |what, who, words, prepared| tasks.push(Task { what, who, words, clean: true, prepared });
    let sign = |signature: &str, jobs: &str, model: &Path| {
        tools.ours(&["model", "sign", "--key", &key, "--signature", signature, "--jobs", jobs], model)
    };
    add(SIGN, OURS, sign(&ours, "1", &model), true);
    let verify = ["model", "verify", "--key", &public, "--signature", &ours];
    add(VERIFY, OURS, tools.ours(&verify, &model), false);
    add(AGAIN, OURS, tools.ours(&[verify.as_slice(), &["--cache", &cache]].concat(), &model), true);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).to_string();
    add(PARTS_ONE, OURS, sign(&sharded, "1", parts), false);
    add(PARTS_ALL, OURS, sign(&sharded, &cores, parts), false);
    if let Some(python) = &tools.signing {
        let words = |words: &[&str]| {
            let mut all = vec![python.clone().into_os_string()];
            all.extend(["-m", "model_signing"].iter().chain(words).map(OsString::from));
            all.push(model.clone().into());
            all
        };
        add(SIGN, REFERENCE, words(&["sign", "key", "--private_key", &key, "--signature", &theirs]), true);
        add(
            VERIFY,
            REFERENCE,
            words(&["verify", "key", "--public_key", &public, "--signature", &theirs]),
            false,
        );
    }
    Ok(tasks)
}

impl Task {
    /// Nothing where somebody else's program does not do it; that is told once.
    fn run(&self, meter: &Meter, notes: &mut Vec<String>) -> Result<Option<Cost>> {
        let cost = meter.run(Watch::No, &self.words)?;
        if (cost.code == 0 || !self.clean) && !cost.late {
            return Ok(Some(cost));
        }
        let told = if cost.late { "took too long".to_owned() } else { format!("ended with {}", cost.code) };
        if self.who == OURS {
            bail!("`{}` by the program {told}", self.what);
        }
        let note = format!("{} by {}, which {told}", self.what, self.who);
        if !notes.contains(&note) {
            notes.push(note);
        }
        Ok(None)
    }
}

/// What a bomb did.
#[derive(Clone, Debug)]
pub(crate) struct Bomb {
    pub(crate) name: String,
    pub(crate) verdict: String,
    pub(crate) cost: Cost,
    /// Whether it is the file that is mostly a hole.
    pub(crate) hole: bool,
}

impl Bomb {
    /// The largest that was seen, of one process or of all.
    pub(crate) fn mib(&self) -> f64 {
        self.cost.tree_mib.unwrap_or_default().max(self.cost.most_mib)
    }

    pub(crate) fn told(&self) -> Value {
        json!({
            "name": self.name,
            "verdict": self.verdict,
            "wall_s": self.cost.wall_s,
            "cpu_s": self.cost.cpu_s,
            "tree_mib": self.cost.tree_mib,
            "most_mib": self.cost.most_mib,
        })
    }
}

/// Has the program look at every bomb, those of the corpus first.
pub(crate) fn bombs(tools: &Tools<'_>, meter: &Meter) -> Result<Vec<Bomb>> {
    let mut paths: Vec<(String, PathBuf)> = corpus::files(tools.root)?
        .into_iter()
        .filter(|file| file.class == "dos")
        .map(|file| (file.name, file.path))
        .collect();
    let folder = tools.place.join("bombs");
    let mut own = Vec::new();
    for entry in fs::read_dir(&folder).context("the bombs cannot be listed")? {
        let entry = entry?;
        own.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    own.sort();
    paths.extend(own);
    let mut bombs = Vec::new();
    for (name, path) in paths {
        let hole = name.starts_with("sparse-");
        // A hole has no bytes to hash; all that is read of it is.
        let words: &[&str] =
            if hole { &["model", "scan", "--quiet", "--no-digest"] } else { &["model", "scan", "--quiet"] };
        let cost = meter.run(Watch::Yes, &tools.ours(words, &path))?;
        let verdict = match (cost.late, cost.code) {
            (true, _) => "none: too long",
            (_, 0) => "clean",
            (_, 1) => "unsafe",
            (_, 3) => "inconclusive",
            _ => "none: it failed",
        };
        bombs.push(Bomb { name, verdict: verdict.to_owned(), cost, hole });
    }
    Ok(bombs)
}

pub(crate) fn bombs_table(bombs: &[Bomb]) -> String {
    let rows = bombs.iter().map(|bomb| {
        [
            bomb.name.clone(),
            bomb.verdict.clone(),
            format!("{:.2}", bomb.cost.wall_s),
            format!("{:.2}", bomb.cost.cpu_s),
            format!("{:.0}", bomb.mib()),
        ]
    });
    table::lines(&["file", "verdict", "wall s", "CPU s", "memory of all processes MiB"], rows)
}
