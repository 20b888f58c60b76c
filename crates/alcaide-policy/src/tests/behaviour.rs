use std::sync::Arc;

use alcaide_finding::Class;
use alcaide_inventory::declare::Standing;
use alcaide_inventory::{Actor, HumanId, Moment, WorkloadId};
use alcaide_label::{Confidentiality, Integrity, Label, Provenance};

use super::*;
use crate::{
    Action, Approver, CODE_FORBIDDEN, CODE_NOT_PERMITTED, CODE_UNCLEAR, CODE_UNKNOWN, Flow, Outcome, SoFar,
    Verdict,
};

fn word(compiled: &Compiled, ask: &Ask<'_>) -> &'static str {
    decide(compiled, ask).outcome.as_str()
}

fn post(actor: Actor) -> Ask<'static> {
    Ask::alone(actor, Action::CallTool, POST_INVOICE)
}

#[test]
fn it_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Compiled>();
    shared::<Decision>();
}

#[test]
fn a_decision_is_found_again_until_a_count_reaches_what_a_policy_asks_about() {
    let compiled = compiled(&[]);
    let decided = |repeats, read_bytes| {
        let so_far = SoFar { calls: repeats, read_bytes, ..SoFar::default() };
        let flow = Flow { repeats, calls: repeats, so_far, in_scope: true, ..Flow::default() };
        compiled.decide(&with(post(agent(INVOICE_BOT)), Context { flow, ..Context::default() }))
    };
    assert!(Arc::ptr_eq(&decided(0, 0), &decided(3, 1 << 30)));
    assert!(!Arc::ptr_eq(&decided(3, 0), &decided(5, 0)));
    assert_eq!((decided(3, 0).outcome.as_str(), decided(5, 0).outcome.as_str()), ("allow", "ask"));
}

#[test]
fn grants_permit_what_they_name_and_nothing_else() {
    let compiled = compiled(&[]);
    let cases = [
        (agent(INVOICE_BOT), Action::UseModel, GPT, "allow"),
        (agent(INVOICE_BOT), Action::UseModel, SMALL, "allow"),
        (agent(OPS_BOT), Action::UseModel, GPT, "refuse"),
        (agent(OPS_BOT), Action::UseModel, SMALL, "allow"),
        (agent(INVOICE_BOT), Action::CallTool, READ_FILE, "allow"),
        (agent(OPS_BOT), Action::CallTool, READ_FILE, "allow"),
        (agent(OPS_BOT), Action::CallTool, POST_INVOICE, "refuse"),
        (agent(INVOICE_BOT), Action::CallApi, Resource::Operation { service: CRM, name: "read" }, "allow"),
        (agent(INVOICE_BOT), Action::CallApi, Resource::Operation { service: CRM, name: "write" }, "refuse"),
        (
            Actor::Workload(WorkloadId::from_bits(1)),
            Action::CallApi,
            Resource::Operation { service: CRM, name: "write" },
            "allow",
        ),
        (human(ANA), Action::UseModel, GPT, "refuse"),
    ];
    for (actor, action, resource, expected) in cases {
        let ask = Ask::alone(actor, action, resource);
        assert_eq!(word(&compiled, &ask), expected, "{ask:?}");
    }
    let decision = decide(&compiled, &Ask::alone(agent(INVOICE_BOT), Action::UseModel, GPT));
    assert_eq!(names(&decision), ["grant:agent/invoice-bot:use:model/*"]);
    let decision = decide(&compiled, &Ask::alone(agent(OPS_BOT), Action::UseModel, GPT));
    let Outcome::Refuse { code, reason, .. } = decision.outcome else { panic!() };
    assert_eq!(
        (code, &*reason),
        (CODE_NOT_PERMITTED, "no policy says that agent `ops-bot` may use model `gpt`")
    );
}

#[test]
fn a_grant_of_nothing_is_told() {
    let compiled = compiled(&[]);
    let told: Vec<_> = compiled.notices().iter().map(|one| (one.place.as_str(), one.text.as_str())).collect();
    assert!(told.contains(&(
        "agent/ops-bot",
        "grant `use:tool/nowhere/x` names nothing that the plan holds: it gives nothing"
    )));
    assert!(
        told.contains(&(
            "tool/erp/post_invoice",
            "without a Cedar type, and so not in `context.args`: `/rate`"
        ))
    );
}

#[test]
fn who_is_not_active_does_nothing() {
    let compiled_ = compiled(&[]);
    let decision = decide(&compiled_, &Ask::alone(agent(IDLE_BOT), Action::UseModel, GPT));
    assert_eq!(names(&decision), ["default/standing/inactive"]);
    let Outcome::Refuse { code, cure, .. } = &decision.outcome else { panic!() };
    assert_eq!(*code, CODE_FORBIDDEN);
    assert_eq!(cure.as_deref(), Some("an administrator sets its standing to active"));

    let through_idle = Ask {
        earlier: &[Actor::Agent(alcaide_inventory::AgentId::from_bits(IDLE_BOT))],
        ..post(agent(INVOICE_BOT))
    };
    assert_eq!(names(&decide(&compiled_, &through_idle)), ["default/standing/inactive-chain"]);
    let for_stranger = Ask { subject: human(99), ..post(agent(INVOICE_BOT)) };
    assert_eq!(names(&decide(&compiled_, &for_stranger)), ["default/standing/inactive-chain"]);

    let mut plan = plan_of(HOUSE, &[]);
    plan.humans.get_mut("ana").unwrap().spec.standing = Standing::Left;
    let without_ana = Compiled::compile(&plan).unwrap();
    assert_eq!(names(&decide(&without_ana, &post(agent(INVOICE_BOT)))), ["default/standing/owner-gone"]);
}

#[test]
fn tools_that_nobody_accepted_are_not_called() {
    let compiled = compiled(&[]);
    let write = Ask::alone(agent(INVOICE_BOT), Action::CallTool, WRITE_FILE);
    assert_eq!(names(&decide(&compiled, &write)), ["default/tools/unpinned"]);
    let unknown = Resource::UndeclaredTool { server: FILES, name: "format_disk" };
    let ask = Ask::alone(agent(INVOICE_BOT), Action::CallTool, unknown);
    assert_eq!(names(&decide(&compiled, &ask)), ["default/tools/unpinned"]);
    let changed = Context { tool_changed: true, ..Context::default() };
    let ask = with(post(agent(INVOICE_BOT)), changed);
    assert_eq!(names(&decide(&compiled, &ask)), ["default/tools/changed"]);
}

#[test]
fn hosted_tools_are_refused_until_a_policy_permits_them() {
    let search = Resource::Hosted { provider: "openai", tool: "web_search" };
    let ask = Ask::alone(agent(INVOICE_BOT), Action::UseHosted, search);
    assert_eq!(word(&compiled(&[]), &ask), "refuse");
    let permitting = compiled(&[(
        "hosted",
        r#"permit (principal, action == Alcaide::Action::"use_hosted", resource) when { resource.name == "web_search" };"#,
    )]);
    assert_eq!(word(&permitting, &ask), "allow");
    let confidential =
        Label { confidentiality: Confidentiality::Confidential, integrity: Integrity::Trusted };
    let ask = with(ask, Context { task: confidential, ..Context::default() });
    assert_eq!(names(&decide(&permitting, &ask)), ["default/hosted/hosted-confidential"]);
}

#[test]
fn a_session_needs_a_grant_on_the_server() {
    let compiled = compiled(&[]);
    let list = |actor, server| {
        Ask::alone(actor, Action::CallMethod, Resource::Method { server, name: "tools/list" })
    };
    assert_eq!(word(&compiled, &list(agent(INVOICE_BOT), Some(FILES))), "allow");
    assert_eq!(word(&compiled, &list(agent(INVOICE_BOT), None)), "allow");
    assert_eq!(word(&compiled, &list(agent(IDLE_BOT), Some(FILES))), "refuse");
    let odd = Resource::Method { server: Some(FILES), name: "sampling/createMessage" };
    assert_eq!(word(&compiled, &Ask::alone(agent(INVOICE_BOT), Action::CallMethod, odd)), "refuse");
}

#[test]
fn unknown_parties_and_ill_fitting_actions_are_refused() {
    let compiled = compiled(&[("all", "permit (principal, action, resource);")]);
    let asks = [
        Ask::alone(agent(99), Action::UseModel, GPT),
        Ask::alone(agent(INVOICE_BOT), Action::UseModel, Resource::Model(FILES)),
        Ask::alone(agent(INVOICE_BOT), Action::UseModel, READ_FILE),
        Ask::alone(agent(INVOICE_BOT), Action::CallApi, Resource::Operation { service: CRM, name: "gone" }),
        Ask::alone(agent(INVOICE_BOT), Action::Approve, READ_FILE),
    ];
    for ask in asks {
        let Outcome::Refuse { code, .. } = decide(&compiled, &ask).outcome else { panic!("{ask:?}") };
        assert_eq!(code, CODE_UNKNOWN);
    }
}

#[test]
fn arguments_are_typed_and_decide() {
    let compiled = compiled(&[(
        "erp",
        r#"@reason("too much") forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource)
           when { context has args && context.args.amount > 10000 };"#,
    )]);
    let with_args = |args: &'static str| {
        with(post(agent(INVOICE_BOT)), Context { args: Some(args.as_bytes()), ..Context::default() })
    };
    assert_eq!(word(&compiled, &post(agent(INVOICE_BOT))), "allow", "only looked at");
    assert_eq!(word(&compiled, &with_args(r#"{"amount":10000,"to":"x"}"#)), "allow");
    assert_eq!(names(&decide(&compiled, &with_args(r#"{"amount":10001,"to":"x","rate":1.5}"#))), ["erp/1"]);
    for unfit in [r#"{"amount":"10001","to":"x"}"#, "{}", "", r#"{"amount":1,"amount":10001,"to":"x"}"#] {
        let decision = decide(&compiled, &with_args(unfit));
        let Outcome::Refuse { code, .. } = decision.outcome else { panic!("{unfit}") };
        assert_eq!((code, decision.errors.len()), (CODE_UNCLEAR, 1), "{unfit}");
    }
}

#[test]
fn a_forbid_that_asks_becomes_a_question_and_approval_answers_it() {
    let compiled = compiled(&[(
        "four-eyes",
        r#"@id("large") @ask("approver") @reason("a second person looks at invoices")
           forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource);"#,
    )]);
    let for_ana = Ask { subject: human(ANA), ..post(agent(INVOICE_BOT)) };
    let decision = decide(&compiled, &for_ana);
    let Outcome::Ask { roles, any_of, reason } = &decision.outcome else { panic!() };
    assert_eq!(
        (roles.as_slice(), any_of.len(), &**reason),
        (&[Approver::Approver][..], 0, "a second person looks at invoices")
    );
    assert_eq!(names(&decision), ["four-eyes/large"]);

    let approved = |ask: Ask<'static>, by: &'static [HumanId]| {
        with(ask, Context { approvals: by, ..Context::default() })
    };
    const A: HumanId = HumanId::from_bits(ANA);
    const B: HumanId = HumanId::from_bits(BO);
    assert_eq!(word(&compiled, &approved(for_ana, &[B])), "allow");
    assert_eq!(word(&compiled, &approved(for_ana, &[A])), "ask", "ana is no approver");
    let for_bo = Ask { subject: human(BO), ..for_ana };
    assert_eq!(
        word(&compiled, &approved(for_bo, &[B])),
        "ask",
        "nobody approves what is done on their behalf"
    );
    let through_bo = Ask { earlier: &[Actor::Human(B)], ..for_ana };
    assert_eq!(word(&compiled, &approved(through_bo, &[B])), "ask", "nor what they act in");
    assert_eq!(word(&compiled, &for_ana), "ask", "an approval is not remembered");
    // Who has no grant is refused, not asked about.
    assert_eq!(word(&compiled, &approved(post(agent(OPS_BOT)), &[B])), "refuse");
}

#[test]
fn a_permit_that_asks_counts_once_it_is_approved() {
    let compiled = compiled(&[(
        "ask",
        r#"@ask("owner") @obligation("mask:card")
           permit (principal, action == Alcaide::Action::"use_model", resource) when { resource.name == "gpt" };
           @ask("administrator,sponsor")
           permit (principal, action == Alcaide::Action::"use_model", resource) when { resource.name == "gpt" };"#,
    )]);
    let ask = Ask::alone(agent(OPS_BOT), Action::UseModel, GPT);
    let Outcome::Ask { roles, any_of, .. } = decide(&compiled, &ask).outcome else { panic!() };
    assert!(roles.is_empty());
    assert_eq!(any_of, [vec![Approver::Owner], vec![Approver::Sponsor, Approver::Administrator]]);
    const C: HumanId = HumanId::from_bits(CY);
    let approved = with(ask, Context { approvals: &[C], ..Context::default() });
    let Outcome::Allow { obligations } = decide(&compiled, &approved).outcome else { panic!() };
    assert_eq!(obligations.iter().map(ToString::to_string).collect::<Vec<_>>(), ["mask:card"]);
    // A plain permit of another policy needs no approval.
    let plain = Ask::alone(agent(INVOICE_BOT), Action::UseModel, GPT);
    let Outcome::Allow { obligations } = decide(&compiled, &plain).outcome else { panic!() };
    assert!(obligations.is_empty());
}

#[test]
fn obligations_join_and_caps_take_the_lowest() {
    let compiled = compiled(&[(
        "duties",
        r#"@obligation("mask:card,personal;cap:output_tokens=900") @control("pci-dss:3.5.1")
           permit (principal, action == Alcaide::Action::"use_model", resource);
           @obligation("cap:output_tokens=500;mask:card")
           permit (principal, action == Alcaide::Action::"use_model", resource) when { context.findings.contains("card") };"#,
    )]);
    let ask = Ask::alone(human(ANA), Action::UseModel, GPT);
    let texts = |ask: &Ask<'_>| match decide(&compiled, ask).outcome {
        Outcome::Allow { obligations } => obligations.iter().map(ToString::to_string).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(texts(&ask), ["mask:card", "mask:personal", "cap:output_tokens=900"]);
    let carded = with(ask, Context { findings: &[(Class::Card, 2)], ..Context::default() });
    assert_eq!(texts(&carded), ["mask:card", "mask:personal", "cap:output_tokens=500"]);
    let decision = decide(&compiled, &ask);
    assert_eq!(&*decision.determining[0].controls[0], "pci-dss:3.5.1");
    assert_eq!(&*decision.determining[0].place, "policies/duties.cedar:1");
}

#[test]
fn shadow_policies_are_counted_apart() {
    let compiled = compiled(&[(
        "shadow-stop",
        r#"forbid (principal, action == Alcaide::Action::"use_model", resource) when { context.budget_used > 50 };"#,
    )]);
    let ask = Ask::alone(agent(INVOICE_BOT), Action::UseModel, GPT);
    let decision = decide(&compiled, &ask);
    assert_eq!(decision.shadow.as_ref().map(Outcome::as_str), Some("allow"));
    let decision = decide(&compiled, &with(ask, Context { budget_used: 51, ..Context::default() }));
    assert_eq!(decision.outcome.as_str(), "allow");
    assert_eq!(decision.shadow.as_ref().map(Outcome::as_str), Some("refuse"));
    let other = Ask::alone(agent(INVOICE_BOT), Action::CallTool, READ_FILE);
    assert_eq!(decide(&compiled, &other).shadow, None);
}

#[test]
fn an_error_in_a_forbid_refuses_and_in_a_permit_gives_nothing() {
    let text = |effect: &str| {
        format!(
            "{effect} (principal, action == Alcaide::Action::\"use_model\", resource) when {{ context.hops + 9223372036854775807 > 0 }};"
        )
    };
    let one_hop: &[Actor] = &[agent(OPS_BOT)];
    let forbids = compiled(&[("f", &text("forbid"))]);
    let ask = Ask { earlier: one_hop, ..Ask::alone(agent(INVOICE_BOT), Action::UseModel, GPT) };
    let decision = decide(&forbids, &ask);
    let Outcome::Refuse { code, .. } = &decision.outcome else { panic!() };
    assert_eq!((*code, names(&decision)), (CODE_UNCLEAR, vec!["f/1"]));
    assert!(decision.errors[0].to_string().contains("overflow"), "{}", decision.errors[0]);
    let permits = compiled(&[("p", &text("permit"))]);
    let ask = Ask { earlier: one_hop, ..Ask::alone(agent(OPS_BOT), Action::UseModel, GPT) };
    assert_eq!(word(&permits, &ask), "refuse");
    assert_eq!(word(&permits, &Ask { earlier: &[], ..ask }), "allow");
}

#[test]
fn everything_of_the_context_is_seen() {
    let conditions = [
        r#"context has human && context.human.name == "ana""#,
        r#"context.earlier_agents.contains(Alcaide::Agent::"agt_00000000000000000000000002")"#,
        "context.hops == 1 && context.chain_active",
        "!context.task.trusted && context.task.confidentiality == 3",
        r#"context.findings.contains("secret") && context.found.secret == 3 && !context.findings.contains("card")"#,
        r#"context.approved_by.contains(Alcaide::Human::"hum_00000000000000000000000002")"#,
        r#"context.approved_roles.contains("approver") && !context.approved_roles.contains("owner")"#,
        "context.budget_used == 40",
        r#"context.user_words == "attested""#,
        "context.unix_time == 1795000000 && context.hour == 11 && context.weekday == 3",
        r#"context.args_from.untrusted.contains("to") && context.args_from.made.isEmpty()"#,
        "context.uninspected && context.key_bound",
        r#"context.human in Alcaide::Unit::"unt_00000000000000000000000001""#,
    ];
    for condition in conditions {
        let guarded = format!("context has human && {condition}");
        let text = format!(
            "permit (principal, action == Alcaide::Action::\"use_hosted\", resource) when {{ {guarded} }};"
        );
        let compiled = compiled(&[("c", &text)]);
        let bo = [HumanId::from_bits(BO)];
        let full = Context {
            task: Label { confidentiality: Confidentiality::Restricted, integrity: Integrity::Untrusted },
            findings: &[(Class::Secret, 1), (Class::Secret, 2), (Class::Card, 0)],
            approvals: &bo,
            budget_used: 40,
            user_words: crate::UserWords::Attested,
            now: Moment::from_secs(1_795_000_000),
            provenance: &[("to", Provenance::Untrusted), ("amount", Provenance::UserAttested)],
            uninspected: true,
            key_bound: true,
            ..Context::default()
        };
        let hosted = Resource::Hosted { provider: "p", tool: "t" };
        let ask = Ask {
            subject: human(ANA),
            earlier: &[agent(OPS_BOT)],
            ..with(Ask::alone(agent(INVOICE_BOT), Action::UseHosted, hosted), full)
        };
        let said = compiled
            .explain(&ask)
            .considered
            .into_iter()
            .find(|one| &*one.article.policy.cedar_id == "c/1")
            .unwrap();
        assert_eq!(said.verdict, Verdict::Matched, "{condition}");
        let empty = with(ask, Context::default());
        let lone = Ask { subject: ask.actor, earlier: &[], ..empty };
        let said = compiled
            .explain(&lone)
            .considered
            .into_iter()
            .find(|one| &*one.article.policy.cedar_id == "c/1")
            .unwrap();
        assert!(matches!(said.verdict, Verdict::Failed { .. }), "{condition}");
    }
}

#[test]
fn an_explanation_names_the_condition_that_failed() {
    let compiled = compiled(&[(
        "why",
        r#"permit (principal is Alcaide::Agent, action == Alcaide::Action::"use_model", resource)
           when { resource.name == "gpt" && context.budget_used < 10 } unless { context.uninspected };"#,
    )]);
    let of = |ask: &Ask<'_>| {
        let said = compiled.explain(ask);
        said.considered
            .into_iter()
            .find(|one| &*one.article.policy.cedar_id == "why/1")
            .unwrap()
            .verdict
            .to_string()
    };
    let ask = Ask::alone(agent(OPS_BOT), Action::UseModel, GPT);
    assert_eq!(of(&ask), "matched");
    let used = with(ask, Context { budget_used: 10, ..Context::default() });
    assert_eq!(of(&used), "`when` does not hold: `context.budget_used < 10`");
    let opaque = with(ask, Context { uninspected: true, ..Context::default() });
    assert_eq!(of(&opaque), "`unless` holds: `context.uninspected`");
    assert_eq!(of(&Ask { resource: SMALL, ..ask }), "`when` does not hold: `resource.name == \"gpt\"`");
    assert_eq!(
        of(&Ask { actor: human(ANA), subject: human(ANA), ..ask }),
        "is about another principal: agent"
    );
    assert_eq!(
        of(&Ask::alone(agent(OPS_BOT), Action::CallTool, READ_FILE)),
        "is about another action: `use_model`"
    );
}

#[test]
fn policies_about_things_outside_the_plan_may_name_anybody_in_it() {
    // Neither the caller nor the resource leads to `cy`; only the condition does.
    let compiled = compiled(&[(
        "named",
        r#"permit (principal, action == Alcaide::Action::"use_hosted", resource)
           when { Alcaide::Human::"hum_00000000000000000000000003".roles.contains("administrator") };"#,
    )]);
    let hosted = Resource::Hosted { provider: "openai", tool: "web_search" };
    let decision = decide(&compiled, &Ask::alone(agent(INVOICE_BOT), Action::UseHosted, hosted));
    assert_eq!((decision.outcome.as_str(), names(&decision)), ("allow", vec!["named/1"]));
}

#[test]
fn who_can_lists_everybody() {
    let compiled = compiled(&[(
        "ask",
        r#"@ask("approver") permit (principal is Alcaide::Human, action == Alcaide::Action::"use_model", resource);"#,
    )]);
    let said: Vec<_> = compiled
        .who_can(Action::UseModel, GPT)
        .into_iter()
        .map(|who| format!("{} {}", who.label, who.decision.outcome.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            "agent `idle-bot` refuse",
            "agent `invoice-bot` allow",
            "agent `ops-bot` refuse",
            "human `ana` ask",
            "human `bo` ask",
            "human `cy` ask",
            "workload `cron` refuse"
        ]
    );
}

#[test]
fn declared_examples_pass_or_fail() {
    let compiled = compiled(&[(
        "erp",
        r#"@ask("approver") forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource)
           when { context has args && context.args.amount > 10000 };"#,
    )]);
    let report = compiled
        .test(
            "cases.toml",
            r#"
            [[case]]
            name = "small"
            agent = "invoice-bot"
            on_behalf_of = "ana"
            action = "call_tool"
            resource = "erp/post_invoice"
            expect = "allow"
            context = { args = { amount = 5, to = "x" }, findings = { card = 1 }, provenance = { to = "untrusted" } }
            [[case]]
            name = "large"
            agent = "invoice-bot"
            action = "call_tool"
            resource = "erp/post_invoice"
            expect = "ask"
            context = { args = { amount = 20000, to = "x" } }
            [[case]]
            name = "wrong on purpose"
            human = "ana"
            action = "use_model"
            resource = "gpt"
            expect = "allow"
            "#,
        )
        .unwrap();
    assert_eq!(report.results.iter().map(crate::CaseResult::passed).collect::<Vec<_>>(), [true, true, false]);
    assert!(!report.passed());
    assert_eq!(
        report.to_string(),
        "pass  small: allow (by grant:agent/invoice-bot:use:tool/erp/post_invoice)\npass  large: ask (by erp/1)\n\
         FAIL  wrong on purpose: refuse, expected allow\n2 of 3 cases passed\n"
    );
    for (text, expected) in [
        ("[[case]]\nname = 1", "`c.toml` line 2 column 8"),
        ("[[case]]\nname = \"a\"\nwhat = 1", "unknown field `what`"),
        (
            "[[case]]\nname='a'\naction='use_model'\nresource='gpt'\nexpect='allow'",
            "case `a` must name one of `agent`, `workload` and `human`",
        ),
        (
            "[[case]]\nname='a'\nagent='x'\naction='use_model'\nresource='gpt'\nexpect='allow'",
            "case `a` names agent `x`, which the plan does not hold",
        ),
        ("[[case]]\nname='a'\nagent='x'\naction='fly'\nresource='gpt'\nexpect='allow'", "`fly` is no action"),
    ] {
        let error = compiled.test("c.toml", text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
