//! What the shipped `flow.cedar` asks people about, fact by fact.

use std::sync::LazyLock;

use alcaide_label::{Confidentiality, Integrity, Label};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::{Action, Ask, Compiled, Context, Flow, SoFar};

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
        (Label::CLEAN, Flow { handles: &to, ..good }, "handles"),
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
fn each_bound_asks_from_its_number_on() {
    let compiled = compiled(&[]);
    let good = Flow { in_scope: true, reaches_out: true, ..Flow::default() };
    let repeats = |repeats| Flow { repeats, ..good };
    let targets = |targets| Flow { targets, ..good };
    let bytes = |argument_bytes| Flow { argument_bytes, ..good };
    let calls = |calls| Flow { so_far: SoFar { calls, ..SoFar::default() }, ..good };
    let read = |tainted_bytes, tainted_records| Flow {
        so_far: SoFar { tainted_bytes, tainted_records, ..SoFar::default() },
        ..good
    };
    for (resource, task, within, past, by) in [
        (POST_INVOICE, Label::CLEAN, repeats(4), repeats(5), "loop"),
        (READ_FILE, Label::CLEAN, repeats(99), repeats(100), "loop-read"),
        (READ_FILE, Label::CLEAN, calls(4_999), calls(5_000), "long"),
        (POST_INVOICE, STRANGERS, targets(10), targets(11), "fan-out"),
        (READ_FILE, STRANGERS, read(524_287, 0), read(524_288, 0), "bulk-read"),
        (READ_FILE, STRANGERS, read(0, 999), read(0, 1_000), "bulk-read"),
        (POST_INVOICE, STRANGERS, bytes(32_768), bytes(32_769), "oversize"),
    ] {
        assert_eq!(outcome(&compiled, resource, task, within).0, "allow", "{by}");
        let (word, named) = outcome(&compiled, resource, task, past);
        assert_eq!((word, named), ("ask", vec![format!("default/bounds/{by}")]));
    }
    let (word, named) = outcome(&compiled, READ_FILE, Label::CLEAN, repeats(1_000));
    assert_eq!((word, named), ("refuse", vec!["default/bounds/runaway".to_owned()]));
    // Without strangers' text these are honest work.
    for flow in [targets(500), read(9_999_999, 9_999), bytes(1_000_000)] {
        assert_eq!(outcome(&compiled, POST_INVOICE, Label::CLEAN, flow).0, "allow");
    }
}

#[test]
fn a_declared_policy_named_bounds_has_the_owners_numbers() {
    let own = "@ask(\"owner\") forbid (principal, action in Alcaide::Action::\"call_tool\", resource) \
               when { context.flow.repeats >= 2 };";
    let compiled = compiled(&[("bounds", own)]);
    let repeats = |repeats| Flow { repeats, in_scope: true, ..Flow::default() };
    assert_eq!(outcome(&compiled, READ_FILE, Label::CLEAN, repeats(1)).0, "allow");
    assert_eq!(outcome(&compiled, READ_FILE, Label::CLEAN, repeats(2)).0, "ask");
}

/// What a task can have done before, from little to much.
fn histories() -> impl Strategy<Value = [u32; 7]> {
    let around = |number: u32| select(vec![0, number - 1, number, number * 2]);
    [around(5), around(100), around(5_000), around(11), around(524_288), around(1_000), around(32_769)]
}

fn done(counts: [u32; 7], lists: &Lists, in_scope: bool) -> Flow<'_> {
    let [few, many, calls, targets, bytes, records, arguments] = counts;
    let [unbound, copied, carries, over, leaks, look_alikes, handles] = lists;
    Flow {
        unbound,
        copied,
        carries,
        over,
        leaks,
        look_alikes,
        handles,
        in_scope,
        repeats: few.max(many),
        targets,
        argument_bytes: arguments.into(),
        so_far: SoFar {
            calls,
            effects: calls,
            read_bytes: bytes.into(),
            read_records: records.into(),
            tainted_bytes: bytes.into(),
            tainted_records: records.into(),
        },
        ..Flow::default()
    }
}

proptest! {
    /// More done, more read and one more untrusted label never allow more.
    #[test]
    fn more_done_never_allows_more(
        a in histories(), b in histories(), fact in select(facts()), level in select(LEVELS.to_vec()), read in any::<bool>(),
    ) {
        static COMPILED: LazyLock<Compiled> = LazyLock::new(|| compiled(&[]));
        let (_, lists, in_scope) = fact;
        let resource = if read { READ_FILE } else { POST_INVOICE };
        let of = |counts, integrity| {
            let flow = done(counts, &lists, in_scope);
            strict(outcome(&COMPILED, resource, Label { confidentiality: level, integrity }, flow).0)
        };
        let more: [u32; 7] = std::array::from_fn(|at| a[at].max(b[at]));
        let less: [u32; 7] = std::array::from_fn(|at| a[at].min(b[at]));
        prop_assert!(of(less, Integrity::Trusted) <= of(more, Integrity::Trusted));
        prop_assert!(of(less, Integrity::Untrusted) <= of(more, Integrity::Untrusted));
        prop_assert!(of(more, Integrity::Trusted) <= of(more, Integrity::Untrusted));
    }
}

#[test]
fn a_link_that_leaks_is_refused_and_a_look_alike_is_asked_about() {
    let compiled = compiled(&[]);
    let to = names("to");
    let good = Flow { in_scope: true, reaches_out: true, ..Flow::default() };
    for (flow, expected) in [
        (Flow { leaks: &to, ..good }, ("refuse", vec!["default/outputs/leak".to_owned()])),
        (Flow { look_alikes: &to, ..good }, ("ask", vec!["default/outputs/look-alike".to_owned()])),
    ] {
        for task in [Label::CLEAN, STRANGERS] {
            assert_eq!(outcome(&compiled, POST_INVOICE, task, flow), expected);
        }
        // What only looks within the organisation sends nothing.
        assert_eq!(outcome(&compiled, READ_FILE, STRANGERS, Flow { reaches_out: false, ..flow }).0, "allow");
    }
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

const LEVELS: [Confidentiality; 4] = [
    Confidentiality::Public,
    Confidentiality::Internal,
    Confidentiality::Confidential,
    Confidentiality::Restricted,
];

fn strict(word: &str) -> u8 {
    match word {
        "allow" => 0,
        "ask" => 1,
        _ => 2,
    }
}

type Lists = [Vec<Box<str>>; 7];

/// Everything that a stranger's data can change of a call.
fn facts() -> Vec<(u8, Lists, bool)> {
    let mut all = Vec::new();
    for bits in 0_u16..2048 {
        let names = |bit: u16| if bits & (1 << bit) == 0 { Vec::new() } else { names("to") };
        let level = u8::try_from(bits >> 1 & 3).unwrap();
        all.push((
            level,
            [names(3), names(4), names(5), names(6), names(7), names(8), names(10)],
            bits & 1 << 9 != 0,
        ));
    }
    all
}

#[test]
fn one_more_untrusted_label_never_allows_more() {
    let compiled = compiled(&[]);
    for (level, lists, in_scope) in facts() {
        let [unbound, copied, carries, over, leaks, look_alikes, handles] = &lists;
        let confidentiality = LEVELS[usize::from(level)];
        let with = |integrity, names: [&[Box<str>]; 7]| {
            let [unbound, copied, carries, over, leaks, look_alikes, handles] = names;
            let flow = Flow {
                unbound,
                copied,
                carries,
                over,
                leaks,
                look_alikes,
                handles,
                in_scope,
                ..Flow::default()
            };
            let task = Label { confidentiality, integrity };
            strict(outcome(&compiled, POST_INVOICE, task, flow).0)
        };
        let all: [&[Box<str>]; 7] = [unbound, copied, carries, over, leaks, look_alikes, handles];
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
