//! `policy analyse`: properties of the whole policy set, proved for every call or shown false by one.
//!
//! ```text
//! plan in force, or a folder ── Compiled ──┐
//! shipped properties, --property FILE ─────┼─ Analysis ── cvc5, a script at a time ── proved / a call / not decided
//! ```

mod solver;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use alcaide_inventory::Plan;
use alcaide_policy::{Analysis, Claim, Compiled, Counterexample, Finding, PolicyFault, Proof, Property};
use clap::Args;
use serde::Serialize;

use super::explain::{plan_in_force, plan_over};
use crate::cli::{Desk, Exit};
use crate::fail::{FOLDER, Failure, INTERNAL, Part, WORD, shown};
use crate::show::note;
use solver::Cvc5;

/// `alcaide policy analyse`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Analyse {
    /// Declarations to analyse, in place of those in force; needs no service
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Take ids and accepted tools from the plan in force: a folder does not hold them
    #[arg(long, requires = "folder")]
    with_office: bool,
    /// Cedar files of properties besides the shipped ones
    #[arg(long = "property", value_name = "FILE")]
    properties: Vec<PathBuf>,
    /// Only properties whose names end so
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The solver [default: the first `cvc5` that `PATH` names]
    #[arg(long, value_name = "PATH")]
    solver: Option<PathBuf>,
    /// Longest time for one kind of call, in seconds: 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout_s: u64,
}

const EXAMPLES: &str = "\
Example: alcaide policy analyse
  alcaide policy analyse --folder declarations/ --property properties.cedar
  alcaide policy analyse --only finance-posts --timeout-s 120

A property is a Cedar `forbid`, and the policy set must be at least as strict: with `@ask` no such call is let through
without an approval, without it none at all:
  @id(\"finance-posts\")
  @ask(\"owner\")
  forbid (principal, action == Alcaide::Action::\"erp/post_invoice\", resource)
  unless { principal in Alcaide::Unit::\"unt_01jd9z00000000000000000000\" };

Ends with 0 where everything is proved, with 1 where a call breaks a property, with 2 where something is not decided,
and with 3 where there is no solver.";

/// How all of it came out.
#[derive(Serialize)]
struct Analysed {
    plan: u64,
    policies: usize,
    solver: String,
    solver_version: String,
    /// Scripts that it answered.
    questions: u64,
    properties: Vec<Told>,
}

/// One property.
#[derive(Serialize)]
struct Told {
    property: String,
    /// `unapproved` or `never`.
    claim: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    /// `proved`, `counterexample` or `undecided`.
    verdict: &'static str,
    /// `always`, or `plan` where it holds for what the plan holds and not for whatever might be declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    kinds: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<Call>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// A call that is let through.
#[derive(Serialize)]
struct Call {
    principal: String,
    action: String,
    resource: String,
    context: BTreeMap<String, String>,
    entities: BTreeMap<String, BTreeMap<String, String>>,
    permitted_by: Vec<String>,
}

impl Analyse {
    pub(crate) async fn run(&self, desk: &Desk) -> Result<Exit, Failure> {
        let plan = self.plan(desk).await?;
        let compiled = self.compile(&plan)?;
        let properties = self.chosen(&compiled)?;
        let mut solver = Cvc5::find(self.solver.as_deref(), Duration::from_secs(self.timeout_s))?;
        let analysis = Analysis::of(&compiled)
            .map_err(|why| Failure::new(&INTERNAL, "the plan cannot be analysed").why(why))?;
        // The command does nothing else, so that it may wait for the solver where it stands.
        let told: Vec<Told> =
            properties.iter().map(|property| Told::of(analysis.prove(property, &mut solver))).collect();
        let all = Analysed {
            plan: plan.number.0,
            policies: compiled.policy_count(),
            solver: solver.path().display().to_string(),
            solver_version: solver.version.clone(),
            questions: solver.asked,
            properties: told,
        };
        desk.out.show(&all, || all.text())?;
        Ok(all.exit())
    }

    async fn plan(&self, desk: &Desk) -> Result<Plan, Failure> {
        let Some(folder) = &self.folder else { return plan_in_force(&desk.client()?).await };
        if self.with_office {
            return plan_over(&plan_in_force(&desk.client()?).await?, folder);
        }
        note(
            "note: a folder holds no ids, no accepted tools and no input schemas: policies that name ids or read `args` \
             are analysed with `--with-office`; here every tool counts as accepted",
        );
        let mut plan = plan_over(&Plan::default(), folder)?;
        for tool in &mut plan.tools {
            tool.pin = Some("0".repeat(64));
        }
        Ok(plan)
    }

    /// A folder by itself holds no schemas of tools, so policies that read arguments do not pass the check: they are told of, and
    /// what is asked of them comes out as not decided.
    fn compile(&self, plan: &Plan) -> Result<Compiled, Failure> {
        let broken = |faults: Vec<PolicyFault>| {
            let code = if self.folder.is_some() { &FOLDER } else { &INTERNAL };
            Failure::new(code, "the policies cannot be compiled").and(faults.into_iter().map(part))
        };
        match Compiled::compile(plan) {
            Err(faults) if self.folder.is_some() && !self.with_office => {
                let compiled = Compiled::compile_trusted(plan).map_err(broken)?;
                for fault in faults.iter().take(FAULTS_MAX) {
                    let place = format!("{}:{}: {}", fault.file, fault.line, fault.why);
                    note(&format!("note: {}; it may be that a tool's schema is missing here", shown(&place)));
                }
                Ok(compiled)
            }
            other => other.map_err(broken),
        }
    }

    fn chosen(&self, compiled: &Compiled) -> Result<Vec<Property>, Failure> {
        let wrong = |faults: Vec<PolicyFault>| {
            Failure::new(&FOLDER, "the properties cannot be read").and(faults.into_iter().map(part))
        };
        let mut all = Property::shipped().map_err(wrong)?;
        for path in &self.properties {
            let file = path.display().to_string();
            all.extend(Property::of_text(&file, &super::text(path)?, compiled).map_err(wrong)?);
        }
        if !self.only.is_empty() {
            all.retain(|one| {
                self.only.iter().any(|name| one.name == *name || one.name.ends_with(&format!("/{name}")))
            });
        }
        if all.is_empty() {
            let known = "names are those that the command prints without `--only`";
            return Err(Failure::new(&WORD, "no property has such a name").fix(known));
        }
        Ok(all)
    }
}

/// Most faults of policies that are noted.
const FAULTS_MAX: usize = 8;

fn part(fault: PolicyFault) -> Part {
    Part {
        at: Some(format!("{}:{}:{}", fault.file, fault.line, fault.column)),
        code: fault.code().to_owned(),
        what: fault.why,
        why: None,
        fix: fault.fix,
    }
}

impl Told {
    fn of(finding: Finding) -> Self {
        let mut told = Self {
            property: finding.property,
            claim: match finding.claim {
                Claim::Unapproved => "unapproved",
                Claim::Never => "never",
            },
            about: finding.about,
            verdict: "proved",
            scope: None,
            kinds: finding.kinds,
            call: None,
            kind: None,
            why: None,
        };
        match finding.verdict {
            Proof::Always => told.scope = Some("always"),
            Proof::ForPlan { but } => {
                told.scope = Some("plan");
                told.call = Some(Call::of(*but));
            }
            Proof::Broken(call) => {
                told.verdict = "counterexample";
                told.call = Some(Call::of(*call));
            }
            Proof::Open { kind, why } => {
                told.verdict = "undecided";
                told.kind = Some(kind);
                told.why = Some(why);
            }
        }
        told
    }

    fn text(&self) -> String {
        let scope = match self.scope {
            Some("plan") => " for the callers and resources of this plan",
            _ => "",
        };
        let mut text = format!(
            "{:<14}  {}{scope} ({} kinds of calls)\n",
            self.verdict,
            shown(&self.property),
            self.kinds
        );
        let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<12}  {}\n", shown(value)));
        if self.verdict == "proved" {
            if let Some(call) = &self.call {
                line("but with", &format!("{} {} {}", call.principal, call.action, call.resource));
            }
            return text;
        }
        if let Some(about) = &self.about {
            line("about", about);
        }
        let claim = match self.claim {
            "never" => "never let through",
            _ => "not let through without an approval",
        };
        line("claim", claim);
        if let (Some(kind), Some(why)) = (&self.kind, &self.why) {
            line("kind", kind);
            line("why", why);
        }
        let Some(call) = &self.call else { return text };
        line("principal", &call.principal);
        line("action", &call.action);
        line("resource", &call.resource);
        for (name, value) in &call.context {
            line("context", &format!("{name} = {value}"));
        }
        for (uid, attributes) in &call.entities {
            for (name, value) in attributes {
                line("entity", &format!("{uid} {name} = {value}"));
            }
        }
        line("permitted by", &call.permitted_by.join(", "));
        text
    }
}

impl Call {
    fn of(call: Counterexample) -> Self {
        let Counterexample { principal, action, resource, context, entities, permitted_by } = call;
        Self { principal, action, resource, context, entities, permitted_by }
    }
}

impl Analysed {
    fn text(&self) -> String {
        let mut text: String = self.properties.iter().map(Told::text).collect();
        let count = |word: &str| self.properties.iter().filter(|one| one.verdict == word).count();
        text.push_str(&format!(
            "{} proved, {} with a counterexample, {} not decided: plan {}, {} policies, cvc5 {}, {} questions\n",
            count("proved"),
            count("counterexample"),
            count("undecided"),
            self.plan,
            self.policies,
            shown(&self.solver_version),
            self.questions
        ));
        text
    }

    fn exit(&self) -> Exit {
        let any = |word: &str| self.properties.iter().any(|one| one.verdict == word);
        match () {
            () if any("counterexample") => Exit::Findings,
            () if any("undecided") => Exit::Undecided,
            () => Exit::Clean,
        }
    }
}
