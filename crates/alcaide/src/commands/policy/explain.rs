//! `policy explain`: why a call was decided as it was, or would be; and what would change that.
//!
//! ```text
//! --call ID   record: its entries, its plan ──┐
//! --agent …   plan in force, of the office ───┼─ the gate's own engine ── told, as text or JSON
//! --folder F  declarations, no service at all ┘
//! ```
//!
//! What the record says and what was evaluated anew are told apart. Values that inspection finds, and arguments that
//! are declared to be free text, are shown as shapes.

pub(super) mod call;
mod hide;
mod page;
pub(super) mod recall;
mod tell;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use alcaide_control::{OfficeError, plan_apart};
use alcaide_inventory::Plan;
use alcaide_policy::{Action, CaseContext, CaseError, Compiled, Described, PolicyFault};
use alcaide_seal::random::{Entropy, EntropyError};
use clap::Args;

use crate::cli::{Desk, Exit};
use crate::client::Client;
use crate::commands::plan::read;
use crate::fail::{FOLDER, Failure, INTERNAL, Part, USAGE, WORD};
use tell::{Origin, Told};

/// `alcaide policy explain`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// A call of the record, by its id
    #[arg(long, value_name = "CALL", conflicts_with_all = ["caller", "target", "case", "folder", "context"])]
    call: Option<String>,
    /// A file of examples, as `alcaide policy test` runs them; one of them is explained
    #[arg(long, value_name = "FILE", conflicts_with_all = ["caller", "target", "context", "args"])]
    case: Option<PathBuf>,
    /// Which example of the file [default: its only one]
    #[arg(long, value_name = "NAME", requires = "case")]
    name: Option<String>,

    /// The agent that would call
    #[arg(long, value_name = "NAME", group = "caller")]
    agent: Option<String>,
    /// The workload that would call
    #[arg(long, value_name = "NAME", group = "caller")]
    workload: Option<String>,
    /// The person who would call
    #[arg(long, value_name = "HANDLE", group = "caller")]
    human: Option<String>,
    /// The person on whose behalf [default: the caller itself]
    #[arg(long, value_name = "HUMAN", requires = "caller")]
    subject: Option<String>,

    /// The tool to call
    #[arg(long, value_name = "SERVER/TOOL", group = "target")]
    tool: Option<String>,
    /// The model to use
    #[arg(long, value_name = "NAME", group = "target")]
    model: Option<String>,
    /// The operation of a plain API to call
    #[arg(long, value_name = "SERVICE/OPERATION", group = "target")]
    api: Option<String>,
    /// The tool that a model's provider would run
    #[arg(long, value_name = "PROVIDER/TOOL", group = "target")]
    hosted: Option<String>,
    /// Any other action, with `--resource`
    #[arg(long, requires = "resource", conflicts_with_all = ["target", "call", "case"])]
    action: Option<String>,
    /// What that action is done to; with `--call`, the name that the record does not hold
    #[arg(long, value_name = "NAME", conflicts_with_all = ["target", "case"])]
    resource: Option<String>,

    /// The tool's arguments: a JSON object, or `@FILE` with one
    #[arg(long, value_name = "JSON|@FILE")]
    args: Option<String>,
    /// What else the call carries, with the keys of `[case.context]`: a JSON object, or `@FILE` with one
    #[arg(long, value_name = "JSON|@FILE")]
    context: Option<String>,

    /// Declarations to go by, in place of those in force; needs no service
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Take ids and accepted tools from the plan in force: a folder does not hold them
    #[arg(long, requires = "folder")]
    with_office: bool,
    /// The tool's input schema: JSON, or `@FILE` with it [default: the accepted one; with `--folder` alone, what the
    /// arguments look like]
    #[arg(long, value_name = "JSON|@FILE", requires = "folder", requires = "tool")]
    schema: Option<String>,
    /// Go by tools that nobody accepted; with `--folder` alone they count as accepted otherwise
    #[arg(long, requires = "folder", conflicts_with = "with_office")]
    unaccepted: bool,

    /// List policies about other principals, actions and resources, too
    #[arg(long)]
    all: bool,
}

const EXAMPLES: &str = "\
Example: alcaide policy explain --call cal_01jd9z00000000000000000000
  alcaide policy explain --agent invoice-bot --subject ana --model small
  alcaide policy explain --agent invoice-bot --tool erp/post_invoice --args '{\"amount\": 20000, \"to\": \"acme\"}'
  alcaide policy explain --agent invoice-bot --tool files/read_file --folder declarations/
  alcaide policy explain --human ana --model small --context '{\"findings\": {\"card\": 1}, \"budget_used\": 90}'
  alcaide policy explain --case cases.toml --name 'a large invoice needs a second person'
  alcaide policy explain --agent bot --action call_method --resource files/tools/list

Ends with 0 where the call is allowed, with 1 where it is refused or people are asked first, and where what is
evaluated now is not what the record says.";

#[derive(serde::Deserialize)]
struct Status {
    plan: u64,
}

impl Explain {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        if let Some(id) = &self.call {
            return call::explain(desk, &self, id).await;
        }
        let described = self.described()?;
        let (mut plan, origin, mut notes) = match &self.folder {
            None => (plan_in_force(&desk.client()?).await?, Origin::InForce, Vec::new()),
            Some(folder) => self.apart(desk, folder, &described).await?,
        };
        if let Some(schema) = self.schema.as_deref().map(json).transpose()? {
            let tool = plan.tools.iter_mut().find(|tool| is_named(tool, &described.resource));
            if let Some(tool) = tool {
                tool.input_schema = Some(schema);
            }
        }
        let compiled = compile(&plan, &mut notes, origin)?;
        let said = compiled.explain_described(&described).map_err(unknown)?;
        let told = Told::asked(&described, &plan, origin, &compiled, &said, notes, self.all);
        desk.out.show(&told, || told.text(desk.out.colored()))?;
        Ok(Exit::unless(!told.is_allowed()))
    }

    /// The call that the options describe.
    fn described(&self) -> Result<Described, Failure> {
        if let Some(file) = &self.case {
            let text = super::text(file)?;
            return Described::of_case(&file.display().to_string(), &text, self.name.as_deref())
                .map_err(unknown);
        }
        let missing = |what: &str, fix: &str| {
            Failure::new(&USAGE, format!("it is not said {what}"))
                .fix(fix)
                .why("an explanation is about one call")
        };
        let (kind, caller) = match (&self.agent, &self.workload, &self.human) {
            (Some(name), ..) => ("agent", name),
            (_, Some(name), _) => ("workload", name),
            (.., Some(name)) => ("human", name),
            _ => {
                return Err(missing("who calls", "name `--agent`, `--workload` or `--human`; or a `--call`"));
            }
        };
        let known = [
            (&self.tool, Action::CallTool),
            (&self.model, Action::UseModel),
            (&self.api, Action::CallApi),
            (&self.hosted, Action::UseHosted),
        ];
        let (action, resource) =
            match known.into_iter().find_map(|(name, action)| Some((action, name.as_ref()?))) {
                Some(found) => found,
                None => match (&self.action, &self.resource) {
                    (Some(action), Some(resource)) => (super::action_of(action)?, resource),
                    _ => {
                        let fix =
                            "name `--tool`, `--model`, `--api` or `--hosted`; or `--action` and `--resource`";
                        return Err(missing("what is called", fix));
                    }
                },
            };
        let context = match self.context.as_deref().map(json).transpose()? {
            None => CaseContext::default(),
            Some(text) => serde_json::from_str(&text).map_err(|error| {
                Failure::new(&WORD, "the context was not understood").why(error).fix(
                    "give a JSON object with the keys of `[case.context]` in `alcaide policy test --help`",
                )
            })?,
        };
        Ok(Described {
            name: "the call".into(),
            kind,
            caller: caller.clone(),
            on_behalf_of: self.subject.clone(),
            action,
            resource: resource.clone(),
            args: self.args()?,
            context,
        })
    }

    /// The arguments that were given, as they are.
    fn args(&self) -> Result<Option<String>, Failure> {
        let Some(text) = self.args.as_deref().map(json).transpose()? else { return Ok(None) };
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text) {
            Ok(_) => Ok(Some(text)),
            // The message of the reader may show what it read.
            Err(error) => Err(Failure::new(&WORD, "the arguments are no JSON object")
                .at(format!("--args:{}:{}", error.line(), error.column()))
                .why("a tool is called with an object")
                .fix("give an object such as '{\"amount\": 1}', or `@FILE` with one")),
        }
    }

    /// The plan that a folder makes, and what must be said of it.
    async fn apart(
        &self,
        desk: &Desk,
        folder: &Path,
        described: &Described,
    ) -> Result<(Plan, Origin, Vec<String>), Failure> {
        let base = if self.with_office { plan_in_force(&desk.client()?).await? } else { Plan::default() };
        let mut plan = plan_over(&base, folder)?;
        if self.with_office {
            return Ok((plan, Origin::FolderOverInForce, Vec::new()));
        }
        let mut notes = vec![
            "a folder holds no ids: a policy that names somebody or something by id does not find it here; \
             `--with-office` takes the ids of the office"
                .to_owned(),
        ];
        if !self.unaccepted {
            notes.push(
                "a folder does not hold which tools were accepted: here they count as accepted; `--unaccepted` \
                 shows what is decided before"
                    .to_owned(),
            );
            for tool in &mut plan.tools {
                tool.pin = Some("0".repeat(64));
            }
        }
        if described.action == Action::CallTool && self.schema.is_none() {
            let args = described.given_args();
            if let Some(tool) = plan.tools.iter_mut().find(|tool| is_named(tool, &described.resource))
                && let Some(args) = args
            {
                tool.input_schema = Some(hide::schema_like(&args).to_string());
                notes.push(
                    "a folder does not hold the tool's input schema: types are those of the arguments given; \
                     `--schema` gives the schema"
                        .to_owned(),
                );
            }
        }
        Ok((plan, Origin::Folder, notes))
    }
}

/// Gives one number after the other: ids of a folder by itself are names for this one answer, and the same each time.
#[derive(Default)]
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        let next = self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        out.fill(0);
        for (place, byte) in out.iter_mut().rev().zip(next.to_le_bytes()) {
            *place = byte;
        }
        Ok(())
    }
}

/// The plan that a folder makes of another one, from which it has ids and accepted tools.
pub(super) fn plan_over(base: &Plan, folder: &Path) -> Result<Plan, Failure> {
    plan_apart(base, read(folder)?, &Counted::default()).map_err(|error| match error {
        OfficeError::Faults { faults } => Failure::new(&FOLDER, "the declarations break rules")
            .at(folder.display())
            .and(faults.into_iter().map(Part::from)),
        other => Failure::house(&other.into()),
    })
}

/// The plan in force, as the office shows it.
pub(super) async fn plan_in_force(client: &Client) -> Result<Plan, Failure> {
    let Status { plan } = client.get("/api/v1/status").await?;
    client.get(&format!("/api/v1/plans/{plan}")).await
}

/// Compiles a plan to be explained. Where a folder is explained without the schemas of tools, policies about other tools
/// that read arguments do not pass the check; they are told of, and do not keep this call from being explained.
fn compile(plan: &Plan, notes: &mut Vec<String>, origin: Origin) -> Result<Compiled, Failure> {
    let broken = |faults: Vec<PolicyFault>| {
        let part = |fault: PolicyFault| Part {
            at: Some(format!("{}:{}:{}", fault.file, fault.line, fault.column)),
            code: fault.code().to_owned(),
            what: fault.why,
            why: None,
            fix: fault.fix,
        };
        let code = if origin == Origin::InForce { &INTERNAL } else { &FOLDER };
        Failure::new(code, "the policies cannot be compiled").and(faults.into_iter().map(part))
    };
    let faults = match Compiled::compile(plan) {
        Ok(compiled) => return Ok(compiled),
        Err(faults) if origin != Origin::Folder => return Err(broken(faults)),
        Err(faults) => faults,
    };
    let compiled = Compiled::compile_trusted(plan).map_err(broken)?;
    notes.extend(faults.iter().take(FAULTS_MAX).map(|fault| {
        format!(
            "{}:{}: {}; it may be that a tool's schema is missing here",
            fault.file, fault.line, fault.why
        )
    }));
    Ok(compiled)
}

/// Most faults of policies that are noted.
const FAULTS_MAX: usize = 8;

fn is_named(tool: &alcaide_inventory::plan::PlacedTool, name: &str) -> bool {
    name.split_once('/') == Some((tool.spec.server.as_str(), tool.spec.name.as_str()))
}

/// A JSON text that was given, or that a file holds.
fn json(given: &str) -> Result<String, Failure> {
    given.strip_prefix('@').map_or_else(|| Ok(given.to_owned()), |file| super::text(Path::new(file)))
}

fn unknown(error: CaseError) -> Failure {
    match error {
        CaseError::Unknown { kind, given, .. } => {
            Failure::new(&WORD, format!("the plan holds no {kind} `{given}`")).fix(match kind {
                "resource" => "name a model, `server/tool` or `service/operation` of the plan",
                "agent" => "see `alcaide agent list`, or the folder",
                _ => "name one that is declared",
            })
        }
        other => Failure::new(&WORD, "the example was not read").why(other),
    }
}
