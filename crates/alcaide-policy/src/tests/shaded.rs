//! Policies that are in shadow for some and bind the rest.

use alcaide_inventory::TaskId;
use alcaide_inventory::declare::{PolicyMode, ShadowOf};

use super::*;
use crate::{Action, Ask, Outcome};

const STOP: &str = "forbid (principal, action == Alcaide::Action::\"use_model\", resource);";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The house with one policy in shadow for these.
fn shaded(cedar: &str, of: ShadowOf) -> Compiled {
    let mut plan = plan_of(HOUSE, &[("stop", cedar)]);
    let policy = plan.policies.get_mut(&name("stop")).unwrap();
    policy.spec.mode = PolicyMode::Shadow;
    policy.spec.shadow = Some(of);
    Compiled::compile(&plan).unwrap()
}

fn agents(names: &[&str]) -> ShadowOf {
    ShadowOf { agents: names.iter().map(|one| name(one)).collect(), ..ShadowOf::default() }
}

fn units(names: &[&str]) -> ShadowOf {
    ShadowOf { units: names.iter().map(|one| name(one)).collect(), ..ShadowOf::default() }
}

/// The outcome, and what it would be with policies in shadow.
fn of(compiled: &Compiled, actor: Actor, task: Option<u128>) -> (&'static str, Option<&'static str>) {
    let task = task.map(TaskId::from_bits);
    let decision = decide(compiled, &Ask { task, ..Ask::alone(actor, Action::UseModel, SMALL) });
    (decision.outcome.as_str(), decision.shadow.as_ref().map(Outcome::as_str))
}

const SHADED: (&str, Option<&str>) = ("allow", Some("refuse"));
const BOUND: (&str, Option<&str>) = ("refuse", None);

#[test]
fn it_binds_all_but_the_agents_and_units_that_are_named() {
    let (invoice, ops) = (agent(INVOICE_BOT), agent(OPS_BOT));
    for (shadow, of_invoice, of_ops) in [
        (agents(&["invoice-bot"]), SHADED, BOUND),
        (agents(&["ops-bot", "invoice-bot"]), SHADED, SHADED),
        (units(&["finance"]), SHADED, BOUND),
        (units(&["org"]), SHADED, SHADED),
        (ShadowOf { units: vec![name("ops")], ..agents(&["invoice-bot"]) }, SHADED, SHADED),
    ] {
        let compiled = shaded(STOP, shadow.clone());
        assert_eq!(
            (of(&compiled, invoice, Some(1)), of(&compiled, ops, Some(1))),
            (of_invoice, of_ops),
            "{shadow:?}"
        );
    }
    let binds_people = shaded(STOP, units(&["org"]));
    assert_eq!(of(&binds_people, human(ANA), Some(1)), BOUND, "a unit means its agents");
}

#[test]
fn a_share_takes_whole_tasks_and_a_larger_one_takes_them_too() {
    let share = |percent| ShadowOf { tasks_percent: Some(percent), ..ShadowOf::default() };
    let (some, more) = (shaded(STOP, share(30)), shaded(STOP, share(60)));
    let bot = agent(INVOICE_BOT);
    let mut count = 0;
    for task in 1..=1000_u128 {
        let first = of(&some, bot, Some(task));
        assert!(first == SHADED || first == BOUND, "{first:?}");
        // The same for every call of the task, whichever agent makes it.
        assert_eq!(of(&some, agent(OPS_BOT), Some(task)), first);
        if first == SHADED {
            count += 1;
            assert_eq!(of(&more, bot, Some(task)), SHADED, "task {task}");
        }
    }
    assert!((260..=340).contains(&count), "{count} of 1000");
    assert_eq!(of(&some, bot, None), BOUND, "what has no task is in no share");
}

#[test]
fn a_share_of_an_agents_tasks_leaves_others_bound() {
    let compiled = shaded(STOP, ShadowOf { tasks_percent: Some(30), ..agents(&["invoice-bot"]) });
    let task = (1..).find(|task| ShadowOf::takes(30, TaskId::from_bits(*task))).unwrap();
    let other = (1..).find(|task| !ShadowOf::takes(30, TaskId::from_bits(*task))).unwrap();
    assert_eq!(of(&compiled, agent(INVOICE_BOT), Some(task)), SHADED);
    assert_eq!(of(&compiled, agent(INVOICE_BOT), Some(other)), BOUND);
    assert_eq!(of(&compiled, agent(OPS_BOT), Some(task)), BOUND);
}

#[test]
fn a_decision_that_reads_the_call_is_remembered_apart_for_each_side() {
    let reads =
        "forbid (principal, action == Alcaide::Action::\"use_model\", resource) when { context.hops == 0 };";
    let compiled = shaded(reads, ShadowOf { tasks_percent: Some(50), ..ShadowOf::default() });
    let side = |wanted| (1..).find(|task| ShadowOf::takes(50, TaskId::from_bits(*task)) == wanted).unwrap();
    let (within, without) = (side(true), side(false));
    for _ in 0..2 {
        assert_eq!(of(&compiled, agent(INVOICE_BOT), Some(within)), SHADED);
        assert_eq!(of(&compiled, agent(INVOICE_BOT), Some(without)), BOUND);
    }
}

#[test]
fn an_explanation_says_for_whom_it_is_in_shadow() {
    let compiled = shaded(STOP, ShadowOf { tasks_percent: Some(30), ..units(&["finance"]) });
    let within = (1..).find(|task| ShadowOf::takes(30, TaskId::from_bits(*task))).unwrap();
    for (task, shadow) in [(Some(TaskId::from_bits(within)), true), (None, false)] {
        let said = compiled.explain(&Ask { task, ..Ask::alone(agent(INVOICE_BOT), Action::UseModel, SMALL) });
        let own = said.considered.iter().find(|one| &*one.article.policy.cedar_id == "stop/1").unwrap();
        assert_eq!(own.article.shadow, shadow);
        assert_eq!(own.article.shadow_of.as_deref(), Some("30 of 100 tasks of units finance"));
    }
}
