//! Explanations: what was read, what would change the answer, and what is said of a call that is only half known.

use alcaide_finding::Class;
use alcaide_inventory::{HumanId, PolicyId};

use super::{
    ANA, BO, GPT, IDLE_BOT, INVOICE_BOT, OPS_BOT, POST_INVOICE, READ_FILE, WRITE_FILE, agent, compiled,
    decide, human, names, with,
};
use crate::{
    Action, Ask, Change, ClauseKind, Compiled, Considered, Context, Explanation, Hindsight, Lost, Outcome,
    Recorded, Resource, Seen, Verdict,
};

const LARGE: &str = r#"@id("large") @ask("approver") @reason("a large invoice needs a second person")
forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource)
when { context has args && context.args.amount > 10000 };
@id("night")
forbid (principal is Alcaide::Agent, action, resource)
when { context.hour < 6 }
unless { context.found.card == 0 || principal.owner.name == "bo" };"#;

fn invoice<'a>(args: &'a str) -> Ask<'a> {
    let ask = Ask::alone(agent(INVOICE_BOT), Action::CallTool, POST_INVOICE);
    with(ask, Context { args: Some(args.as_bytes()), ..Context::default() })
}

fn of<'e>(said: &'e Explanation, id: &str) -> &'e Considered {
    let found = said.considered.iter().find(|one| &*one.article.policy.cedar_id == id);
    found.unwrap_or_else(|| panic!("{id}"))
}

fn readings(one: &Considered) -> Vec<String> {
    one.readings.iter().map(|reading| format!("{} = {}", reading.path, reading.seen)).collect()
}

#[test]
fn the_values_that_decided_are_told() {
    let compiled = compiled(&[("erp", LARGE)]);
    let said = compiled.explain(&invoice(r#"{"amount":20000,"to":"x"}"#));
    assert_eq!(said.what, "agent `invoice-bot` may call tool `erp/post_invoice`");
    let large = of(&said, "erp/large");
    assert_eq!(large.verdict, Verdict::Matched);
    assert_eq!(readings(large), ["context.args.amount = 20000"]);
    assert_eq!(large.readings[0].argument.as_deref(), Some("amount"));
    assert_eq!(&*large.article.policy.place, "policies/erp.cedar:1");
    assert!(large.article.text.starts_with("@id(\"large\") @ask"), "{}", large.article.text);
    assert!(large.article.text.ends_with("> 10000 };"), "{}", large.article.text);
    let notes: Vec<&str> = large.article.notes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(notes, ["ask", "id", "reason"]);
    // An `unless` is told as it stands, with its line, and with everything in it that could have been otherwise.
    let night = of(&said, "erp/night");
    let Verdict::Failed { clause } = &night.verdict else { panic!("{:?}", night.verdict) };
    assert_eq!((clause.kind, clause.line), (ClauseKind::Unless, Some(7)));
    assert_eq!(clause.text, "context.found.card == 0 || principal.owner.name == \"bo\"");
    assert_eq!(readings(night), ["context.found.card = 0", "principal.owner.name = \"ana\""]);
    // Things are told by name, not by id, also in the heads of policies.
    let other = of(&said, "grant:agent/invoice-bot:use:tool/files/*");
    assert_eq!(other.verdict, Verdict::OtherResource { wants: "whatever is in server `files`".into() });
    let other = of(&said, "grant:agent/ops-bot:use:model/small");
    assert_eq!(other.verdict, Verdict::OtherAction { wants: "`use_model`".into() });
    let gone = compiled.explain(&Ask { actor: human(ANA), subject: human(ANA), ..invoice("{}") });
    let wants = "agent".to_owned();
    assert_eq!(of(&gone, "default/standing/owner-gone").verdict, Verdict::OtherPrincipal { wants });
}

#[test]
fn what_is_there_is_told_once_and_what_is_not_as_absent() {
    let compiled = compiled(&[("erp", LARGE)]);
    let said = compiled.explain(&Ask::alone(agent(INVOICE_BOT), Action::CallTool, POST_INVOICE));
    let large = of(&said, "erp/large");
    assert_eq!(large.readings.len(), 1);
    assert_eq!((large.readings[0].path.as_str(), &large.readings[0].seen), ("context.args", &Seen::Absent));
    let list = Resource::Method { server: Some(super::FILES), name: "tools/list" };
    let said = compiled.explain(&Ask::alone(agent(INVOICE_BOT), Action::CallMethod, list));
    let session = of(&said, "default/methods/session");
    assert_eq!(session.verdict, Verdict::Matched);
    let told = readings(session);
    assert!(told.contains(&"resource.server = server `files`".to_owned()), "{told:?}");
    assert!(told.contains(&"resource.name = \"tools/list\"".to_owned()), "{told:?}");
    assert!(told.iter().any(|one| one.starts_with("principal.servers = [server `")), "{told:?}");
}

#[test]
fn arguments_that_do_not_fit_make_every_policy_that_reads_them_fail_as_at_the_gate() {
    let compiled = compiled(&[(
        "late",
        r#"forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource)
           when { context.hour == 23 && context has args && context.args.amount > 1 };"#,
    )]);
    let ask = invoice(r#"{"amount":"many","to":"x"}"#);
    let decision = decide(&compiled, &ask);
    assert_eq!(names(&decision), ["late/1"]);
    let said = compiled.explain(&ask);
    assert_eq!(said.decision, decision);
    // Not the hour, which does not hold either: the gate looks at the arguments first.
    assert!(
        matches!(&of(&said, "late/1").verdict, Verdict::Erred { .. }),
        "{:?}",
        of(&said, "late/1").verdict
    );
    assert_eq!(said.unfit, Some((1, 16)));
    assert_eq!(compiled.explain(&invoice(r#"{"amount":2,"to":"x"}"#)).unfit, None);
}

#[test]
fn what_would_change_the_answer_is_found_by_deciding_again() {
    let steps = |said: &Explanation| -> Vec<String> {
        let mut told = Vec::new();
        for one in &said.remedies {
            let what = match &one.change {
                Change::Without { policies } => {
                    let named = policies.iter().map(|(policy, cure)| {
                        format!("{}{}", policy.cedar_id, if cure.is_some() { "!" } else { "" })
                    });
                    format!("without {}", named.collect::<Vec<_>>().join(" "))
                }
                Change::Permitted { grant, near } => {
                    let near: Vec<_> = near.iter().map(|one| one.policy.cedar_id.to_string()).collect();
                    format!("permitted by {grant:?} {}", near.join(" "))
                }
                Change::Approved { roles, any_of } => format!("approved by {roles:?} {any_of:?}"),
            };
            told.push(format!("{what}: {}", one.then.as_str()));
        }
        told
    };
    let compiled = compiled(&[
        ("erp", LARGE),
        (
            "own",
            r#"permit (principal, action == Alcaide::Action::"use_model", resource) when { context.hops > 0 };"#,
        ),
        (
            "two",
            r#"@ask("owner,administrator") permit (principal, action in Alcaide::Action::"call_tool", resource);"#,
        ),
    ]);
    // A tool that nobody accepted, which asks two people once it is.
    let said = compiled.explain(&Ask::alone(agent(OPS_BOT), Action::CallTool, WRITE_FILE));
    assert_eq!(
        steps(&said),
        [
            "without default/tools/unpinned!: ask",
            r#"approved by [(Owner, ["human `cy`"]), (Administrator, ["human `cy`"])] []: allow"#,
        ]
    );
    // Nothing permits it; a grant would, and so would a policy that looks at the chain.
    let said = compiled.explain(&Ask::alone(human(BO), Action::UseModel, GPT));
    assert_eq!(steps(&said), ["permitted by None own/1: allow"]);
    let said = compiled.explain(&Ask::alone(agent(OPS_BOT), Action::UseModel, GPT));
    assert_eq!(steps(&said), [r#"permitted by Some("use:model/gpt") own/1: allow"#]);
    let said = compiled.explain(&Ask::alone(agent(IDLE_BOT), Action::CallTool, POST_INVOICE));
    assert!(steps(&said)[0].starts_with("without default/standing/inactive!: ask"), "{:?}", steps(&said));
    // Whoever is asked and whoever acts are not the same person.
    let said = compiled.explain(&invoice(r#"{"amount":20000,"to":"x"}"#));
    assert_eq!(steps(&said), [r#"approved by [(Approver, ["human `bo`", "human `cy`"])] []: allow"#]);
    let own = Ask { subject: human(BO), ..invoice(r#"{"amount":20000,"to":"x"}"#) };
    assert_eq!(steps(&compiled.explain(&own)), [r#"approved by [(Approver, ["human `cy`"])] []: allow"#]);
    // What passes needs nothing.
    assert!(compiled.explain(&invoice(r#"{"amount":1,"to":"x"}"#)).remedies.is_empty());
}

/// Explains a call of which the arguments are not known, under what the record says of it.
fn after(compiled: &Compiled, decision: &str, policies: &[PolicyId]) -> Explanation {
    let ask = Ask::alone(agent(INVOICE_BOT), Action::CallTool, POST_INVOICE);
    let lost = [Lost::Args, Lost::ToolChanged];
    compiled.explain_after(&ask, &Hindsight { lost: &lost, recorded: Some(Recorded { decision, policies }) })
}

#[test]
fn of_a_past_call_nothing_is_made_up() {
    let compiled = compiled(&[("erp", LARGE)]);
    let lost = [Lost::Args, Lost::ToolChanged];
    let ask = Ask::alone(agent(INVOICE_BOT), Action::CallTool, POST_INVOICE);
    let said = compiled.explain_after(&ask, &Hindsight { lost: &lost, recorded: None });
    let large = of(&said, "erp/large");
    let Verdict::Unknown { clause, lost, recorded } = &large.verdict else { panic!("{:?}", large.verdict) };
    assert_eq!(
        (clause.text.as_str(), lost.as_slice(), *recorded),
        ("context has args", ["args"].as_slice(), None)
    );
    assert!(matches!(&of(&said, "default/tools/changed").verdict, Verdict::Unknown { recorded: None, .. }));
    // A value that nobody knows is not shown.
    assert_eq!((readings(large).len(), readings(of(&said, "default/tools/changed")).len()), (0, 0));
    // What is known is judged as ever.
    assert!(matches!(&of(&said, "erp/night").verdict, Verdict::Failed { .. }));

    // The record says that it was asked, by a policy of that file: only one of them asks.
    let declared = of(&said, "erp/large").article.policy.id;
    let grant = of(&said, "grant:agent/invoice-bot:use:tool/erp/post_invoice").article.policy.id;
    let said = after(&compiled, "ask", &[declared]);
    assert!(matches!(&of(&said, "erp/large").verdict, Verdict::Unknown { recorded: Some(true), .. }));
    // It would have refused, so it did not match.
    assert!(matches!(
        &of(&said, "default/tools/changed").verdict,
        Verdict::Unknown { recorded: Some(false), .. }
    ));
    assert_eq!((said.decision.outcome.as_str(), names(&said.decision)), ("ask", vec!["erp/large"]));
    let said = after(&compiled, "allow", &[grant]);
    assert!(matches!(&of(&said, "erp/large").verdict, Verdict::Unknown { recorded: Some(false), .. }));
    assert_eq!(said.decision.outcome, Outcome::Allow { obligations: Vec::new() });
    // Refused by another: whether it would have asked besides cannot be told.
    let changed = of(&said, "default/tools/changed").article.policy.id;
    let said = after(&compiled, "refuse", &[changed]);
    assert!(matches!(&of(&said, "erp/large").verdict, Verdict::Unknown { recorded: None, .. }));
    assert!(matches!(
        &of(&said, "default/tools/changed").verdict,
        Verdict::Unknown { recorded: Some(true), .. }
    ));
    assert_eq!(names(&said.decision), ["default/tools/changed"]);
}

#[test]
fn a_name_that_several_policies_share_leaves_a_doubt() {
    let twice = r#"@id("a") @ask("approver") forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource)
        when { context has args && context.args.amount > 10 };
        @id("b") @ask("owner") forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource)
        when { context has args && context.args.to == "x" };"#;
    let compiled = compiled(&[("erp", twice)]);
    let id = compiled.articles().iter().find(|one| &*one.policy.cedar_id == "erp/a").unwrap().policy.id;
    let said = after(&compiled, "ask", &[id]);
    for id in ["erp/a", "erp/b"] {
        assert!(matches!(&of(&said, id).verdict, Verdict::Unknown { recorded: None, .. }), "{id}");
    }
    assert_eq!(said.decision.outcome.as_str(), "ask");
}

#[test]
fn an_explanation_decides_as_the_gate_does() {
    let compiled = compiled(&[
        ("erp", LARGE),
        (
            "mask",
            r#"@obligation("mask:card") permit (principal, action == Alcaide::Action::"use_model", resource);"#,
        ),
        ("shadow", r#"forbid (principal, action, resource) when { context.found.card > 0 };"#),
    ]);
    let bo = [HumanId::from_bits(BO)];
    for actor in [agent(INVOICE_BOT), agent(OPS_BOT), agent(IDLE_BOT), human(ANA), human(9)] {
        for (action, resource) in
            [(Action::UseModel, GPT), (Action::CallTool, READ_FILE), (Action::CallTool, POST_INVOICE)]
        {
            for args in [None, Some(&br#"{"amount":20000,"to":"x"}"#[..]), Some(b"[]")] {
                for approvals in [&[][..], &bo] {
                    let context =
                        Context { args, approvals, findings: &[(Class::Card, 1)], ..Context::default() };
                    let ask = with(Ask::alone(actor, action, resource), context);
                    let said = compiled.explain(&ask);
                    assert_eq!(said.decision, decide(&compiled, &ask));
                    // With everything known, weighing what was read comes to the same.
                    let nothing = Hindsight { lost: &[Lost::Uninspected], recorded: None };
                    assert_eq!(compiled.explain_after(&ask, &nothing).decision, said.decision);
                    let allowed = matches!(said.decision.outcome, Outcome::Allow { .. });
                    assert_eq!(said.remedies.is_empty(), allowed || said.considered.is_empty());
                }
            }
        }
    }
}
