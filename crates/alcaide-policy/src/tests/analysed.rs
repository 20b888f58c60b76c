//! Properties of whole policy sets, proved and broken by a real solver.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use alcaide_inventory::UnitId;

use super::*;
use crate::analyse::{Analysis, Answer, Finding, Proof, Property, Solve};
use crate::source::SHIPPED;
use crate::{Compiled, Rule, schema};

/// The program itself, or nothing where this machine has none.
struct Cvc5;

impl Cvc5 {
    fn here() -> Option<Self> {
        if std::path::Path::new("/usr/bin/cvc5").exists() {
            return Some(Self);
        }
        println!(
            "not judged: properties of policies: there is no cvc5; `cargo xtask peers` installs it, as root"
        );
        None
    }
}

impl Solve for Cvc5 {
    fn solve(&mut self, script: &str) -> Result<Answer, String> {
        let mut child = Command::new("/usr/bin/cvc5")
            .args(["--lang", "smt2", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let script = script.to_owned();
        let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        let _ = writer.join().unwrap();
        child.wait().unwrap();
        match said.split_once('\n') {
            Some(("unsat", _)) => Ok(Answer::Never),
            Some(("sat", model)) => Ok(Answer::Found(model.to_owned())),
            _ => Err(said),
        }
    }
}

/// Says the same to everything.
struct Says(Result<Answer, String>);

impl Solve for Says {
    fn solve(&mut self, _script: &str) -> Result<Answer, String> {
        self.0.clone()
    }
}

fn shipped(name: &str) -> Property {
    let all = Property::shipped().unwrap();
    all.into_iter().find(|one| one.name.ends_with(&format!("/{name}"))).unwrap()
}

fn own(compiled: &Compiled, text: &str) -> Property {
    Property::of_text("own", text, compiled).unwrap().remove(0)
}

fn prove(compiled: &Compiled, property: &Property, solver: &mut (dyn Solve + Send)) -> Finding {
    Analysis::of(compiled).unwrap().prove(property, solver)
}

/// The shipped file without the policy of this id.
fn without(file: &str, id: &str) -> String {
    let (_, text) = SHIPPED.into_iter().find(|(name, _)| *name == file).unwrap();
    let begin = text.find(&format!("@id(\"{id}\")")).unwrap();
    let end = begin + text[begin..].find(";\n").unwrap() + 2;
    format!("{}{}", &text[..begin], &text[end..])
}

#[test]
fn the_shipped_properties_and_what_is_taken_for_granted_are_well_typed() {
    let compiled = compiled(&[]);
    for (name, text) in [
        ("properties", include_str!("../../analysis/properties.cedar")),
        ("world", include_str!("../../analysis/world.cedar")),
    ] {
        let sources = crate::source::Sources::of_text(name, text);
        assert!(sources.faults.is_empty(), "{:?}", sources.faults);
        let (faults, notices) = schema::validate(&sources, &compiled.house);
        assert!(faults.is_empty() && notices.is_empty(), "{faults:?} {notices:?}");
    }
    assert!(Property::shipped().unwrap().len() >= 13);
}

#[test]
fn the_shipped_policies_have_the_shipped_properties_whatever_is_declared() {
    let Some(mut solver) = Cvc5::here() else { return };
    let hosted = "permit (principal is Alcaide::Agent, action == Alcaide::Action::\"use_hosted\", resource);";
    let compiled = compiled(&[("hosted-too", hosted)]);
    for property in Property::shipped().unwrap() {
        let found = prove(&compiled, &property, &mut solver);
        assert!(matches!(found.verdict, Proof::Always), "{found:#?}");
        assert!(found.kinds > 0, "{found:#?}");
    }
}

#[test]
fn no_permit_breaks_what_a_forbid_holds() {
    let Some(mut solver) = Cvc5::here() else { return };
    let compiled = compiled(&[("open", "permit (principal is Alcaide::Agent, action, resource);")]);
    for name in ["unbound-control-argument", "above-clearance", "unaccepted-tool", "inactive"] {
        let found = prove(&compiled, &shipped(name), &mut solver);
        assert!(matches!(found.verdict, Proof::Always), "{found:#?}");
    }
}

#[test]
fn each_forbid_that_is_taken_out_shows_as_a_call() {
    let Some(mut solver) = Cvc5::here() else { return };
    for (id, property) in [
        ("unbound", "unbound-control-argument"),
        ("unbound", "unbound-within"),
        ("scope", "unasked-after-strangers"),
        ("copied", "strangers-text-leaves"),
        ("carries", "strangers-text-leaves"),
        ("handles", "handle-leaves"),
        ("cap", "over-cap"),
        ("clearance", "above-clearance"),
        ("api", "api-after-strangers"),
    ] {
        let flow = without("flow", id);
        let compiled = compiled(&[("flow", &flow)]);
        let found = prove(&compiled, &shipped(property), &mut solver);
        let Proof::Broken(call) = &found.verdict else { panic!("{id}: {found:#?}") };
        assert!(call.permitted_by.iter().any(|one| one.starts_with("grant:")), "{call:#?}");
        assert!(call.principal.contains("(agent `") || call.principal.contains("(workload `"), "{call:#?}");
        assert!(call.context.contains_key("flow") || property == "api-after-strangers", "{call:#?}");
    }
}

#[test]
fn what_another_policy_covers_for_this_plan_alone_is_said_so() {
    let Some(mut solver) = Cvc5::here() else { return };
    // No tool of the house deletes anything, and the one that pays is not cleared for confidential data.
    let flow = without("flow", "rule-of-two");
    let compiled = compiled(&[("flow", &flow)]);
    let found = prove(&compiled, &shipped("rule-of-two"), &mut solver);
    let Proof::ForPlan { but } = &found.verdict else { panic!("{found:#?}") };
    assert!(!but.permitted_by.is_empty(), "{but:#?}");
}

#[test]
fn an_owners_flow_that_asks_about_nothing_is_shown_to_let_calls_through() {
    let Some(mut solver) = Cvc5::here() else { return };
    let compiled =
        compiled(&[("flow", "forbid (principal, action, resource) when { context.flow.forgotten };")]);
    let found = prove(&compiled, &shipped("unbound-control-argument"), &mut solver);
    let Proof::Broken(call) = &found.verdict else { panic!("{found:#?}") };
    assert_eq!(call.permitted_by, ["grant:agent/invoice-bot:use:tool/erp/post_invoice"], "{call:#?}");
    assert!(call.principal.contains("(agent `invoice-bot`)"), "{call:#?}");
    assert!(call.resource.contains("(tool `erp/post_invoice`)"), "{call:#?}");
}

#[test]
fn an_approval_meets_a_claim_of_asking_and_not_one_of_never() {
    let Some(mut solver) = Cvc5::here() else { return };
    let action = "action == Alcaide::Action::\"use_hosted\"";
    let asks = format!("@ask(\"owner\") forbid (principal, {action}, resource);");
    let never = format!("forbid (principal, {action}, resource);");
    let permit = format!("permit (principal is Alcaide::Agent, {action}, resource);");
    let asked = format!("@ask(\"owner\") {permit}");
    for (policy, holds_asked, holds_never) in
        [(&permit, false, false), (&asked, true, false), (&format!("{asked}\n{never}"), true, true)]
    {
        let compiled = compiled(&[("own", policy)]);
        for (text, holds) in [(&asks, holds_asked), (&never, holds_never)] {
            let found = prove(&compiled, &own(&compiled, text), &mut solver);
            assert_eq!(matches!(found.verdict, Proof::Always), holds, "{policy} {found:#?}");
            assert_eq!(matches!(found.verdict, Proof::Broken(_)), !holds, "{policy} {found:#?}");
        }
    }
    // A question on a `forbid` is one that an approval answers.
    let compiled = compiled(&[("own", &format!("{permit}\n{asks}"))]);
    let found = prove(&compiled, &own(&compiled, &asks), &mut solver);
    assert!(matches!(found.verdict, Proof::Always), "{found:#?}");
    let found = prove(&compiled, &own(&compiled, &never), &mut solver);
    assert!(matches!(found.verdict, Proof::Broken(_)), "{found:#?}");
}

#[test]
fn a_permit_that_reads_approvals_is_no_way_round_the_claim() {
    let Some(mut solver) = Cvc5::here() else { return };
    let action = "action == Alcaide::Action::\"use_hosted\"";
    let policy = format!(
        "permit (principal is Alcaide::Agent, {action}, resource) when {{ context.approved_roles.contains(\"approver\") }};"
    );
    let compiled = compiled(&[("own", &policy)]);
    let asks = own(&compiled, &format!("@ask(\"owner\") forbid (principal, {action}, resource);"));
    let found = prove(&compiled, &asks, &mut solver);
    assert!(matches!(found.verdict, Proof::Always), "{found:#?}");
    let never = own(&compiled, &format!("forbid (principal, {action}, resource);"));
    assert!(matches!(prove(&compiled, &never, &mut solver).verdict, Proof::Broken(_)));
}

#[test]
fn who_may_post_an_invoice_is_proved_for_the_people_and_agents_of_the_plan() {
    let Some(mut solver) = Cvc5::here() else { return };
    let finance = UnitId::from_bits(2);
    let text = format!(
        "@ask(\"owner\") forbid (principal, action == Alcaide::Action::\"erp/post_invoice\", resource) \
         unless {{ principal in Alcaide::Unit::\"{finance}\" }};"
    );
    let compiled = compiled(&[]);
    let found = prove(&compiled, &own(&compiled, &text), &mut solver);
    let Proof::ForPlan { but } = &found.verdict else { panic!("{found:#?}") };
    assert!(but.permitted_by.iter().all(|one| one.starts_with("grant:agent/")), "{but:#?}");
    let more = HOUSE.replace("use:tool/nowhere/x", "use:tool/erp/post_invoice");
    let compiled = Compiled::compile(&plan_of(&more, &[])).unwrap();
    let found = prove(&compiled, &own(&compiled, &text), &mut solver);
    let Proof::Broken(call) = &found.verdict else { panic!("{found:#?}") };
    assert!(call.principal.contains("(agent `ops-bot`)"), "{call:#?}");
}

#[test]
fn arguments_are_part_of_the_question() {
    let Some(mut solver) = Cvc5::here() else { return };
    let action = "action == Alcaide::Action::\"erp/post_invoice\"";
    let large = "context has args && context.args.amount > 10000";
    let claim = format!("@ask(\"approver\") forbid (principal, {action}, resource) when {{ {large} }};");
    let bare = compiled(&[]);
    let found = prove(&bare, &own(&bare, &claim), &mut solver);
    let Proof::Broken(call) = &found.verdict else { panic!("{found:#?}") };
    assert!(call.context.get("args").is_some_and(|args| args.contains("amount")), "{call:#?}");
    let held = compiled(&[("large", &claim)]);
    assert!(matches!(prove(&held, &own(&held, &claim), &mut solver).verdict, Proof::Always));
    // In shadow a policy binds nobody.
    let shadow = compiled(&[("shadow-large", &claim)]);
    assert!(matches!(prove(&shadow, &own(&shadow, &claim), &mut solver).verdict, Proof::Broken(_)));
}

#[test]
fn a_forbid_in_shadow_for_some_proves_nothing_and_a_permit_counts() {
    use alcaide_inventory::declare::{PolicyMode, ShadowOf};
    let Some(mut solver) = Cvc5::here() else { return };
    let action = "action == Alcaide::Action::\"use_hosted\"";
    let claim = format!("forbid (principal, {action}, resource);");
    let permit = format!("permit (principal is Alcaide::Agent, {action}, resource);");
    let of = |policies: &[(&str, &str)], shaded: &str| {
        let mut plan = plan_of(HOUSE, policies);
        let policy = plan.policies.get_mut(&shaded.parse::<Name>().unwrap()).unwrap();
        policy.spec.mode = PolicyMode::Shadow;
        policy.spec.shadow = Some(ShadowOf { tasks_percent: Some(1), ..ShadowOf::default() });
        Compiled::compile(&plan).unwrap()
    };
    for (policies, shaded) in [
        (&[("open", permit.as_str()), ("shut", claim.as_str())][..], "shut"),
        (&[("open", permit.as_str())], "open"),
    ] {
        let compiled = of(policies, shaded);
        let found = prove(&compiled, &own(&compiled, &claim), &mut solver);
        assert!(matches!(found.verdict, Proof::Broken(_)), "{shaded}: {found:#?}");
    }
}

#[test]
fn what_a_solver_does_not_say_is_not_made_up() {
    let compiled = compiled(&[("flow", "")]);
    let property = shipped("unbound-control-argument");
    let model = Answer::Found("(\n)\n".into());
    for (said, why) in [
        (Ok(Answer::Unknown), "gave up"),
        (Err("it fell over".to_owned()), "it fell over"),
        (Ok(Answer::Found("tomato".into())), ""),
        (Ok(model), ""),
    ] {
        let found = prove(&compiled, &property, &mut Says(said.clone()));
        let Proof::Open { why: told, kind } = &found.verdict else { panic!("{said:?}: {found:#?}") };
        assert!(told.contains(why), "{told}");
        assert!(kind.starts_with("call_tool") && kind.ends_with(" by Agent to Tool"), "{kind}");
    }
}

#[test]
fn a_text_of_properties_is_held_to_its_form() {
    let compiled = compiled(&[]);
    for (text, rule, line) in [
        ("\npermit (principal, action, resource);", Rule::Property, 2),
        ("// nothing", Rule::Property, 1),
        ("forbid (principal, action, resource) when { principal.tier == 1 };", Rule::UnknownAttribute, 1),
        ("@ask(\"boss\") forbid (principal, action, resource);", Rule::AnnotationValue, 1),
    ] {
        let faults = Property::of_text("own.cedar", text, &compiled).unwrap_err();
        assert_eq!((faults[0].rule, faults[0].line), (rule, line), "{faults:?}");
    }
}
