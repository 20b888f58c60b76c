use super::*;
use crate::{Rule, check};

fn first(text: &str) -> (Rule, String, String, usize, usize) {
    let faults = check("p.cedar", text, &plan_of(HOUSE, &[]));
    let fault = faults.into_iter().next().unwrap_or_else(|| panic!("no fault in {text}"));
    (fault.rule, fault.why, fault.fix, fault.line, fault.column)
}

#[test]
fn good_texts_have_no_fault() {
    for text in [
        "permit (principal, action, resource);",
        r#"permit (principal == Alcaide::Agent::"agt_00000000000000000000000001", action in Alcaide::Action::"call_tool", resource)
           when { resource.effect == "read" };"#,
        r#"forbid (principal, action == Alcaide::Action::"erp/post_invoice", resource)
           when { context has args.tags && context.args.tags.contains("x") && context.args.to like "*@example.org" };"#,
        r#"forbid (principal, action in Alcaide::Action::"call_tool", resource)
           when { resource.control.containsAny(context.args_from.untrusted) };"#,
        r#"@id("a") @ask("owner") @reason("r") @cure("c") @control("x:1") permit (principal, action, resource);"#,
    ] {
        let faults = check("p.cedar", text, &plan_of(HOUSE, &[]));
        assert!(faults.is_empty(), "{text}: {faults:#?}");
    }
}

#[test]
fn each_rule_is_found_at_its_place_with_a_cure() {
    let cases = [
        ("permit (principal, action resource);", Rule::Syntax, (1, 27)),
        ("permit (principal == ?principal, action, resource);", Rule::Template, (1, 1)),
        ("\n@resaon(\"x\")\npermit (principal, action, resource);", Rule::UnknownAnnotation, (2, 1)),
        ("@ask(\"boss\") permit (principal, action, resource);", Rule::AnnotationValue, (1, 1)),
        (
            "@obligation(\"mask:card\") forbid (principal, action, resource);",
            Rule::AnnotationMisplaced,
            (1, 1),
        ),
        ("permit (principal, action, resource) when { context.hour < \"a\" };", Rule::Type, (1, 60)),
        (
            "permit (principal is Alcaide::Agent, action, resource)\nwhen { principal.tier == 3 };",
            Rule::UnknownAttribute,
            (2, 8),
        ),
        ("permit (principal is Alcaide::Agnet, action, resource);", Rule::UnknownEntityType, (1, 22)),
        (
            "permit (principal, action == Alcaide::Action::\"use_modl\", resource);",
            Rule::UnknownAction,
            (1, 30),
        ),
        (
            "permit (principal, action == Alcaide::Action::\"erp/post_invoise\", resource);",
            Rule::UnknownAction,
            (1, 30),
        ),
        (
            "permit (principal, action == Alcaide::Action::\"call_tool\", resource);",
            Rule::GroupAction,
            (1, 1),
        ),
        (
            "permit (principal, action == Alcaide::Action::\"erp/post_invoice\", resource) when { context.args.amount > 1 };",
            Rule::Unguarded,
            (1, 84),
        ),
        (
            "permit (principal, action in Alcaide::Action::\"call_tool\", resource) when { context has args && context.args.amonut > 1 };",
            Rule::UnknownAttribute,
            (1, 97),
        ),
        (
            "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") permit (principal, action, resource);",
            Rule::DuplicateId,
            (2, 1),
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .map(|(text, rule, place)| (text, (*rule, *place), first(text)))
        .filter(|(_, expected, (rule, _, _, line, column))| *expected != (*rule, (*line, *column)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (text, ..) in cases {
        let (_, why, fix, ..) = first(text);
        assert!(
            !fix.is_empty() && !why.is_empty() && !why.contains('\n') && !fix.contains('\n'),
            "{text}: {fix}"
        );
        assert!(!why.contains("policy0") && !why.ends_with('.'), "{why}");
    }
}

#[test]
fn misspellings_come_with_what_was_meant() {
    let (_, why, fix, ..) = first("permit (principal is Alcaide::Agnet, action, resource);");
    assert!(why.contains("Agnet") && fix.contains("Agent"), "{why} / {fix}");
    let (_, why, ..) =
        first("permit (principal is Alcaide::Agent, action, resource) when { principal.tier == 3 };");
    assert_eq!(why, "attribute `tier` on entity type `Agent` not found");
    let (_, _, fix, ..) = first("permit (principal, action == Alcaide::Action::\"use_modl\", resource);");
    assert!(fix.contains("use_model"), "{fix}");
    let (_, _, fix, ..) =
        first("permit (principal, action == Alcaide::Action::\"erp/post_invoise\", resource);");
    assert!(fix.contains("`Alcaide::Action::\"erp/post_invoice\"`?"), "{fix}");
}

#[test]
fn no_name_of_a_set_or_file_gets_it_past_the_check() {
    let mut plan =
        plan_of(HOUSE, &[("default", "permit (principal, action, resource) when { context.hour < \"a\" };")]);
    plan.policies.get_mut("default").unwrap().spec.file = "default/standing.cedar".into();
    assert_eq!(Compiled::compile(&plan).unwrap_err()[0].rule, Rule::Type);
    assert!(Compiled::compile_trusted(&plan).is_ok());
}

#[test]
fn a_plan_that_does_not_hold_together_is_refused() {
    let mut plan = plan_of(HOUSE, &[]);
    plan.humans.remove("ana");
    let faults = Compiled::compile(&plan).unwrap_err();
    assert_eq!(faults[0].rule, Rule::Plan);
    assert_eq!(faults[0].why, "agent `invoice-bot` names human `ana`, which the plan does not hold");
    let long = " ".repeat(crate::source::FILE_BYTES_MAX + 1);
    assert_eq!(check("p.cedar", &long, &Plan::default())[0].rule, Rule::TooLarge);
}

#[test]
fn faults_of_all_files_come_at_once_and_stop_the_load() {
    let plan = plan_of(HOUSE, &[("a", "permit (x);"), ("b", "@nope permit (principal, action, resource);")]);
    let faults = Compiled::compile(&plan).unwrap_err();
    let files: Vec<_> = faults.iter().map(|fault| (fault.set.as_str(), fault.file.as_str())).collect();
    assert!(
        files.contains(&("a", "policies/a.cedar")) && files.contains(&("b", "policies/b.cedar")),
        "{files:?}"
    );
}

#[test]
fn shipped_policies_are_valid_and_the_schema_is_whole() {
    let plan = plan_of(HOUSE, &[]);
    for (name, text) in crate::source::SHIPPED {
        let faults = check(name, text, &plan);
        assert!(faults.is_empty(), "{faults:#?}");
    }
    let compiled = compiled(&[]);
    let text = compiled.schema_text();
    assert!(text.contains("action \"erp/post_invoice\" in [call_tool]"), "{text}");
    let (schema, _) = cedar_policy::Schema::from_cedarschema_str(&text).unwrap();
    // The entities that House makes are the ones that the schema declares.
    let made = compiled.house.entities.iter().map(|one| cedar_policy::Entity::from(one.clone()));
    cedar_policy::Entities::from_entities(made, Some(&schema)).unwrap();
}

#[test]
fn a_policy_that_can_never_match_is_told() {
    let compiled = compiled(&[("never", r#"permit (principal is Alcaide::Unit, action, resource);"#)]);
    let told = compiled.notices().iter().any(|one| one.text.contains("can never match"));
    assert!(told, "{:?}", compiled.notices());
}
