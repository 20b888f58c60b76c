//! Declarations and plans: show what would change, bring it into force, go back, write it out.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use alcaide_control::{Applied, Change, FolderError, Page, PlanView, What, read_folder};
use alcaide_control::{Fault, Preview as Previewed};
use alcaide_inventory::Plan;
use alcaide_inventory::declare::{Declarations, Named, Policy, PolicyMode};
use alcaide_inventory::plan::Kind;
use clap::Args;
use serde_json::Value;

use crate::cli::{Desk, Exit};
use crate::client::{Client, query_value};
use crate::fail::{CONFIRM, FILE, FOLDER, Failure, INTERNAL, Part, shown};
use crate::show::or_dash;

/// `alcaide plan`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: alcaide plan declarations/\nEnds with 1 if anything would change or keeps it from \
    being applied."
)]
pub(crate) struct Preview {
    /// Folder with `*.toml` and `*.cedar`
    folder: PathBuf,
}

/// `alcaide apply`.
#[derive(Args, Debug)]
#[command(after_help = "Example: alcaide apply declarations/ --expect 7")]
pub(crate) struct Apply {
    /// Folder with `*.toml` and `*.cedar`
    folder: PathBuf,
    /// Only if this plan is in force
    #[arg(long, value_name = "PLAN")]
    expect: Option<u64>,
    /// Only show what would change, as `alcaide plan` does
    #[arg(long)]
    dry_run: bool,
}

/// A part of a list.
#[derive(Args, Debug)]
pub(crate) struct Paged {
    /// How many, 1 to 200
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: Option<u32>,
    /// Where an earlier part said that the list goes on
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Paged {
    /// The query, with what comes before it.
    pub(crate) fn query(&self, before: &[(&str, Option<String>)]) -> String {
        let own = [("limit", self.limit.map(|limit| limit.to_string())), ("cursor", self.cursor.clone())];
        let mut text = String::new();
        for (name, value) in before.iter().chain(&own) {
            if let Some(value) = value {
                text.push(if text.is_empty() { '?' } else { '&' });
                text.push_str(name);
                text.push('=');
                text.push_str(&query_value(value));
            }
        }
        text
    }

    /// The line below a table that says how the list goes on.
    pub(crate) fn rest<T>(page: &Page<T>) -> String {
        let more = |next: &alcaide_control::Cursor| format!("more with --cursor {}\n", next.as_str());
        page.next.as_ref().map(more).unwrap_or_default()
    }
}

/// `alcaide plans`.
#[derive(Args, Debug)]
#[command(after_help = "Example: alcaide plans --limit 10")]
pub(crate) struct List {
    #[command(flatten)]
    paged: Paged,
}

/// `alcaide rollback`.
#[derive(Args, Debug)]
#[command(after_help = "Example: alcaide rollback 6 --yes")]
pub(crate) struct Rollback {
    /// Number of the plan
    number: u64,
    /// Only if this plan is in force
    #[arg(long, value_name = "PLAN")]
    expect: Option<u64>,
    /// Do it
    #[arg(long)]
    yes: bool,
    /// Only show what would change
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// `alcaide export`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: alcaide export declarations/\nWith `--json`, and without a folder, one JSON document."
)]
pub(crate) struct Export {
    /// New or empty folder, or `-` for standard output
    #[arg(default_value = "-")]
    folder: PathBuf,
}

impl Preview {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let wanted = read(&self.folder)?;
        preview(desk, &desk.client()?, &wanted).await
    }
}

impl Apply {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let wanted = read(&self.folder)?;
        let client = desk.client()?;
        if self.dry_run {
            return preview(desk, &client, &wanted).await;
        }
        let applied: Applied = client.post("/api/v1/plans", &wanted, self.expect).await?;
        show_applied(desk, &applied)
    }
}

impl List {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let path = format!("/api/v1/plans{}", self.paged.query(&[]));
        let page: Page<PlanView> = desk.client()?.get(&path).await?;
        desk.out.show(&page, || {
            let row = |plan: &PlanView| {
                vec![
                    plan.number.to_string(),
                    if plan.in_force { "in force".into() } else { "-".into() },
                    plan.made.to_string(),
                    plan.by.map_or_else(|| "operator".into(), |by| by.to_string()),
                    or_dash(plan.repeats),
                    plan.index.to_string(),
                    plan.digest.to_string().chars().take(16).collect(),
                ]
            };
            let rows: Vec<_> = page.items.iter().map(row).collect();
            let head = ["PLAN", "", "MADE", "BY", "REPEATS", "ENTRY", "DIGEST"];
            desk.out.table(&head, &rows, "no plans") + &Paged::rest(&page)
        })?;
        Ok(Exit::Clean)
    }
}

impl Rollback {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let client = desk.client()?;
        if self.dry_run {
            let plan: Plan = client.get(&format!("/api/v1/plans/{}", self.number)).await?;
            return preview(desk, &client, &declared(plan)).await;
        }
        confirmed(self.yes, &format!("plan {} would be brought into force again", self.number))?;
        let path = format!("/api/v1/plans/{}/rollback", self.number);
        let applied: Applied = client.post(&path, &Value::Null, self.expect).await?;
        show_applied(desk, &applied)
    }
}

impl Export {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let all: Declarations = desk.client()?.get("/api/v1/declarations").await?;
        let text = |all: &Declarations| {
            all.to_toml()
                .map_err(|error| Failure::new(&INTERNAL, "the declarations cannot be written").why(error))
        };
        if self.folder.as_os_str() == "-" {
            let toml = text(&all)?;
            desk.out.show(&all, || toml)?;
            return Ok(Exit::Clean);
        }
        let (rest, cedar) = apart(all);
        let mut files = vec![(PathBuf::from("declarations.toml"), text(&rest)?)];
        files.extend(cedar);
        write_folder(&self.folder, &files)?;
        let names: Vec<String> =
            files.iter().map(|(name, _)| self.folder.join(name).display().to_string()).collect();
        desk.out.show(&names, || names.join("\n") + "\n")?;
        Ok(Exit::Clean)
    }
}

/// Refuses to go on without `--yes`.
///
/// # Errors
/// `ALC-CLI-0007`.
pub(crate) fn confirmed(yes: bool, what: &str) -> Result<(), Failure> {
    if yes { Ok(()) } else { Err(Failure::new(&CONFIRM, "nothing was done").why(what)) }
}

/// Reads a folder; everything that is wrong with it is told at once.
pub(crate) fn read(folder: &Path) -> Result<Declarations, Failure> {
    read_folder(folder).map_err(|wrong| {
        let part = |error: &FolderError| match error {
            FolderError::File { .. } => part(error, FILE.cure, FILE.code),
            _ => part(error, "mend the file that is named", FOLDER.code),
        };
        let only_files = wrong.iter().all(|error| matches!(error, FolderError::File { .. }));
        let code = if only_files { &FILE } else { &FOLDER };
        let count = wrong.len();
        let many = if count == 1 { "1 thing is".to_owned() } else { format!("{count} things are") };
        Failure::new(code, "the folder was not read")
            .at(folder.display())
            .why(format!("{many} wrong with it; nothing was changed"))
            .and(wrong.iter().map(part))
    })
}

fn part(error: &FolderError, fix: &str, code: &str) -> Part {
    Part { what: error.to_string(), at: None, why: None, fix: fix.into(), code: code.into() }
}

async fn preview(desk: &Desk, client: &Client, wanted: &Declarations) -> Result<Exit, Failure> {
    let seen: Previewed = client.post("/api/v1/plans/preview", wanted, None).await?;
    desk.out.show(&seen, || {
        let mut text = format!("compared with plan {}\n", seen.base);
        text.push_str(&changes(&seen.changes));
        faults(&mut text, &seen.faults);
        text
    })?;
    Ok(Exit::unless(!seen.changes.is_empty() || !seen.faults.is_empty()))
}

fn show_applied(desk: &Desk, applied: &Applied) -> Result<Exit, Failure> {
    desk.out.show(applied, || {
        let later =
            if applied.adopted { "" } else { "; the gate has not taken it up yet, see `alcaide doctor`" };
        format!("{}plan {} is in force{later}\n", changes(&applied.changes), applied.number)
    })?;
    Ok(Exit::Clean)
}

pub(crate) fn changes(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let (sign, fields) = match &change.what {
            What::Added => ('+', String::new()),
            What::Removed => ('-', String::new()),
            What::Changed { fields } => ('~', format!(": {}", fields.join(", "))),
        };
        let because = change.because.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        // INVARIANT: writing into a String does not fail.
        let _ = writeln!(
            text,
            "{sign} {} {}",
            change.kind.as_str(),
            shown(&format!("{}{fields}{because}", change.name))
        );
    }
    if changes.is_empty() { "nothing differs\n".into() } else { text }
}

/// What keeps declarations or policies from coming into force.
pub(crate) fn faults(text: &mut String, faults: &[Fault]) {
    for fault in faults {
        // INVARIANT: writing into a String does not fail.
        let _ = writeln!(
            text,
            "fault: {}\n   at: {}\n  fix: {}\n code: {}",
            shown(&fault.why),
            shown(&fault.place),
            shown(&fault.fix),
            fault.code
        );
    }
}

/// What a plan declares, without what the office added.
fn declared(plan: Plan) -> Declarations {
    fn named<I, T>(kind: Kind<I, T>) -> Vec<Named<T>> {
        kind.into_iter().map(|(name, placed)| Named { name, spec: placed.spec }).collect()
    }
    Declarations {
        units: named(plan.units),
        humans: named(plan.humans),
        agents: named(plan.agents),
        workloads: named(plan.workloads),
        upstreams: named(plan.upstreams),
        routes: named(plan.routes),
        peers: named(plan.peers),
        signers: named(plan.signers),
        models: named(plan.models),
        tools: plan.tools.into_iter().map(|tool| tool.spec).collect(),
        budgets: named(plan.budgets),
        policies: named(plan.policies),
        ..Declarations::empty()
    }
}

/// Cedar texts that came from files of their own go there again, if reading the folder would name them the same.
fn apart(mut all: Declarations) -> (Declarations, Vec<(PathBuf, String)>) {
    let mut files = Vec::new();
    let mut kept = Vec::new();
    for mut policy in std::mem::take(&mut all.policies) {
        let path = format!("{}.cedar", policy.name.as_str().replace('.', "/"));
        let plain = policy.name.as_str().split('.').all(|part| !part.is_empty());
        if !plain || policy.spec.file != path || policy.spec.cedar.trim().is_empty() {
            kept.push(policy);
            continue;
        }
        files.push((PathBuf::from(path), std::mem::take(&mut policy.spec.cedar)));
        if policy.spec.mode != PolicyMode::Enforce {
            let Policy { mode, shadow, .. } = policy.spec;
            let spec = Policy { cedar: String::new(), file: String::new(), mode, shadow };
            kept.push(Named { name: policy.name, spec });
        }
    }
    all.policies = kept;
    (all, files)
}

fn write_folder(folder: &Path, files: &[(PathBuf, String)]) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| Failure::file("write", &path, &error)
    };
    match std::fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(Failure::new(&FILE, "the folder was not written")
                    .at(folder.display())
                    .why("it is not empty, and what is in it could be taken for declared")
                    .fix("name a new or empty folder"));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::file("read", folder, &error)),
    }
    for (name, text) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed(parent))?;
        let mut file = std::fs::File::create_new(&path).map_err(failed(&path))?;
        file.write_all(text.as_bytes()).map_err(failed(&path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "schema = 1\n\
        [[unit]]\nname = \"main\"\n\
        [[policy]]\nname = \"in-line\"\ncedar = \"forbid (principal, action, resource);\"\n\
        [[policy]]\nname = \"a.b\"\ncedar = \"\"\nmode = \"shadow\"\nshadow = { units = [\"main\"], tasks_percent = 5 }\n";

    #[test]
    fn an_exported_folder_reads_as_what_was_exported() {
        let first = tempfile::tempdir().unwrap();
        std::fs::write(first.path().join("x.toml"), TOML).unwrap();
        std::fs::create_dir(first.path().join("a")).unwrap();
        std::fs::write(first.path().join("a/b.cedar"), "permit (principal, action, resource);").unwrap();
        std::fs::write(first.path().join("c.cedar"), "permit (principal, action, resource);\n").unwrap();
        let all = read_folder(first.path()).unwrap();
        let second = tempfile::tempdir().unwrap();
        let (rest, mut files) = apart(all.clone());
        assert_eq!(files.len(), 2);
        files.push(("declarations.toml".into(), rest.to_toml().unwrap()));
        write_folder(second.path(), &files).unwrap();
        let again = read_folder(second.path()).unwrap();
        assert_eq!(alcaide_control::diff(&all, &again), []);
        let failure = write_folder(second.path(), &files).unwrap_err();
        assert_eq!(failure.parts[0].fix, "name a new or empty folder");
    }

    #[test]
    fn changes_are_told_with_sign_fields_and_reason() {
        let change = |name: &str, what| Change {
            kind: alcaide_control::Kind::Agent,
            name: name.into(),
            what,
            because: (name == "c").then(|| "its owner left".to_owned()),
        };
        let all = [
            change("a", What::Added),
            change("b", What::Removed),
            change("c", What::Changed { fields: vec!["standing".into()] }),
        ];
        let hostile = change("pay\u{202e}\n+ agent x", What::Added);
        assert_eq!(changes(&[hostile]), "+ agent pay⟨U+202E⟩⟨U+000A⟩+ agent x\n");
        assert_eq!(changes(&all), "+ agent a\n- agent b\n~ agent c: standing (its owner left)\n");
    }

    #[test]
    fn queries_are_joined() {
        let paged = Paged { limit: Some(3), cursor: Some("a b".into()) };
        assert_eq!(paged.query(&[("x", None), ("y", Some("1".into()))]), "?y=1&limit=3&cursor=a%20b");
        assert_eq!(Paged { limit: None, cursor: None }.query(&[]), "");
    }
}
