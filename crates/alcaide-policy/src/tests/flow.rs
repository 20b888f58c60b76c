//! What the shipped `flow.cedar` asks people about, fact by fact.

use alcaide_label::{Confidentiality, Integrity, Label};

use super::*;
use crate::{Action, Ask, Compiled, Context, Flow};

const STRANGERS: Label =
    Label { confidentiality: Confidentiality::Internal, integrity: Integrity::Untrusted };

/// A tool that posts invoices (money) and one that writes a file (internal), as the house declares them.
fn outcome(
    compiled: &Compiled,
    resource: Resource<'static>,
    task: Label,
    flow: Flow<'_>,
) -> (&'static str, Vec<String>) {
    let principal = agent(INVOICE_BOT);
    let context = Context { task, flow, args: Some(br#"{"amount":5,"to":"x"}"#), ..Context::default() };
    let ask = Ask {
        actor: principal,
        subject: principal,
        earlier: &[],
        task: None,
        action: Action::CallTool,
        resource,
        context,
    };
    let decision = compiled.decide(&ask);
    let mut named: Vec<String> =
        decision.determining.iter().map(|policy| policy.cedar_id.to_string()).collect();
    named.sort();
    (decision.outcome.as_str(), named)
}

fn names(name: &str) -> Vec<Box<str>> {
    vec![name.into()]
}

#[test]
fn each_fact_by_itself_asks_the_owner() {
    let compiled = compiled(&[]);
    let to = names("to");
    let good = Flow { in_scope: true, reaches_out: true, ..Flow::default() };
    let confidential = Label { confidentiality: Confidentiality::Confidential, ..STRANGERS };
    for (task, flow, by) in [
        (Label::CLEAN, Flow { unbound: &to, ..good }, "unbound"),
        (STRANGERS, Flow { unbound: &to, ..good }, "unbound"),
        (STRANGERS, Flow { in_scope: false, ..good }, "scope"),
        (STRANGERS, Flow { copied: &to, ..good }, "copied"),
        (STRANGERS, Flow { carries: &to, ..good }, "carries"),
        (Label::CLEAN, Flow { over: &to, ..good }, "cap"),
        (Label::CLEAN, Flow { count_over: true, ..good }, "count"),
        (Label { integrity: Integrity::Trusted, ..confidential }, good, "clearance"),
        (confidential, good, "rule-of-two"),
    ] {
        let (word, named) = outcome(&compiled, POST_INVOICE, task, flow);
        assert_eq!(word, "ask", "{by}");
        assert!(named.contains(&format!("default/flow/{by}")), "{by}: {named:?}");
    }
    for task in [Label::CLEAN, STRANGERS] {
        assert_eq!(outcome(&compiled, POST_INVOICE, task, good).0, "allow");
    }
    // Nothing was read of strangers: what the user did not ask for is the agent's own plan.
    assert_eq!(outcome(&compiled, POST_INVOICE, Label::CLEAN, Flow { in_scope: false, ..good }).0, "allow");
}

#[test]
fn a_read_is_never_asked_about_for_where_its_arguments_come_from() {
    let compiled = compiled(&[]);
    let to = names("to");
    let bad = Flow { unbound: &to, copied: &to, carries: &to, ..Flow::default() };
    assert_eq!(outcome(&compiled, READ_FILE, STRANGERS, bad).0, "allow");
}

#[test]
fn a_declared_policy_of_the_same_name_takes_the_place_of_the_shipped_one() {
    let to = names("to");
    let flow = Flow { unbound: &to, ..Flow::default() };
    let compiled =
        compiled(&[("flow", "forbid (principal, action, resource) when { context.flow.forgotten };")]);
    assert_eq!(outcome(&compiled, POST_INVOICE, STRANGERS, flow).0, "allow");
    assert_eq!(outcome(&compiled, POST_INVOICE, STRANGERS, Flow { forgotten: true, ..flow }).0, "refuse");
}

type Lists = [Vec<Box<str>>; 4];

/// Everything that a stranger's data can change of a call.
fn facts() -> Vec<(u8, Lists, bool)> {
    let mut all = Vec::new();
    for bits in 0_u8..=255 {
        let names = |bit: u8| if bits & (1 << bit) == 0 { Vec::new() } else { names("to") };
        all.push((bits >> 1 & 3, [names(3), names(4), names(5), names(6)], bits & 1 << 7 != 0));
    }
    all
}

#[test]
fn one_more_untrusted_label_never_allows_more() {
    let compiled = compiled(&[]);
    let levels = [
        Confidentiality::Public,
        Confidentiality::Internal,
        Confidentiality::Confidential,
        Confidentiality::Restricted,
    ];
    let strict = |word: &str| match word {
        "allow" => 0,
        "ask" => 1,
        _ => 2,
    };
    for (level, lists, in_scope) in facts() {
        let [unbound, copied, carries, over] = &lists;
        let confidentiality = levels[usize::from(level)];
        let with = |integrity, names: [&[Box<str>]; 4]| {
            let [unbound, copied, carries, over] = names;
            let flow = Flow { unbound, copied, carries, over, in_scope, ..Flow::default() };
            let task = Label { confidentiality, integrity };
            strict(outcome(&compiled, POST_INVOICE, task, flow).0)
        };
        let all: [&[Box<str>]; 4] = [unbound, copied, carries, over];
        let clean = with(Integrity::Trusted, all);
        let tainted = with(Integrity::Untrusted, all);
        assert!(tainted >= clean, "{level} {lists:?} {in_scope}");
        // Each list with nothing in it is at most as strict as with something.
        for at in 0..all.len() {
            let mut fewer = all;
            fewer[at] = &[];
            assert!(with(Integrity::Untrusted, fewer) <= tainted, "{level} {lists:?} {in_scope} {at}");
        }
    }
}
