//! The shipped policies about models: which standing is refused by which, and what an owner can put in their place.

use super::*;
use crate::{
    Action, ModelFiles, ModelScan, ModelSignature, ModelSigner, ModelStanding, ModelVerdict, Outcome,
};

/// The house, whose model `gpt` says that it serves `support`, which requires what is named.
fn house(requires: &str, policies: &[(&str, &str)]) -> Compiled {
    let text = HOUSE.replacen(
        "name = \"gpt\"\nkind = \"model\"\n",
        &format!(
            "name = \"gpt\"\nkind = \"model\"\nserves = \"support\"\n[[model]]\nname = \"support\"\nunit = \"ops\"\n\
             owner = \"cy\"\nrequires = [{requires}]\n"
        ),
        1,
    );
    // The model's table must not swallow the rest of the route's.
    let text = text.replacen("upstreams = [{ upstream = \"llm\" }]\n", "", 1);
    let text = text.replacen(
        "serves = \"support\"\n",
        "serves = \"support\"\nupstreams = [{ upstream = \"llm\" }]\n",
        1,
    );
    let mut plan = plan_of(&text, policies);
    let read = Declarations::from_toml("m.toml", &text).unwrap();
    plan.models = placed(read.models, alcaide_inventory::ModelId::from_bits);
    Compiled::compile(&plan).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

const ALL: &str = "\"scan\", \"current_pack\", \"signature\"";

fn good() -> ModelStanding {
    ModelStanding {
        released: true,
        files: ModelFiles::Same,
        scan: ModelScan {
            verdict: ModelVerdict::Clean,
            age_days: 3,
            in_time: true,
            current_pack: true,
            accepted: false,
        },
        signature: ModelSignature { signer: ModelSigner::Trusted, age_days: 3, in_time: true },
    }
}

fn refused(compiled: &Compiled, model: ModelStanding) -> Vec<String> {
    let context = Context { model, ..Context::default() };
    let ask = with(Ask::alone(agent(INVOICE_BOT), Action::UseModel, GPT), context);
    let decision = decide(compiled, &ask);
    if matches!(decision.outcome, Outcome::Allow { .. }) {
        return Vec::new();
    }
    let Outcome::Refuse { reason, cure, .. } = &decision.outcome else { panic!("{decision:?}") };
    assert!(!reason.is_empty() && cure.is_some(), "{decision:?}");
    names(&decision).into_iter().map(|id| id.trim_start_matches("default/models/").to_owned()).collect()
}

#[test]
fn each_thing_that_is_missing_has_its_own_reason() {
    let compiled = house(ALL, &[]);
    assert!(refused(&compiled, good()).is_empty());
    let with = |change: fn(&mut ModelStanding)| {
        let mut model = good();
        change(&mut model);
        refused(&compiled, model)
    };
    assert_eq!(with(|model| model.released = false), ["unreleased"]);
    assert_eq!(with(|model| model.files = ModelFiles::Changed), ["files-changed"]);
    assert_eq!(with(|model| model.files = ModelFiles::Unread), ["files-unread"]);
    assert!(with(|model| model.files = ModelFiles::None).is_empty(), "it is served elsewhere");
    assert_eq!(with(|model| model.scan = ModelScan::default()), ["unscanned"]);
    assert_eq!(with(|model| model.scan.verdict = ModelVerdict::Unsafe), ["unsafe"]);
    assert_eq!(with(|model| model.scan.verdict = ModelVerdict::Inconclusive), ["inconclusive"]);
    assert!(
        with(|model| (model.scan.verdict, model.scan.accepted) = (ModelVerdict::Inconclusive, true))
            .is_empty()
    );
    assert_eq!(with(|model| model.scan.current_pack = false), ["scan-outdated"]);
    assert_eq!(with(|model| model.scan.in_time = false), ["scan-expired"]);
    assert_eq!(with(|model| model.signature = ModelSignature::default()), ["unsigned"]);
    assert_eq!(with(|model| model.signature.signer = ModelSigner::Untrusted), ["untrusted-signer"]);
    assert_eq!(with(|model| model.signature.in_time = false), ["signature-expired"]);
}

#[test]
fn a_model_needs_what_it_requires_and_a_route_that_serves_none_needs_nothing() {
    let scan_only = house("\"scan\"", &[]);
    let bare = ModelStanding {
        scan: ModelScan { current_pack: false, ..good().scan },
        signature: ModelSignature::default(),
        ..good()
    };
    assert!(refused(&scan_only, bare).is_empty());
    let nothing = house("", &[]);
    let unscanned = ModelStanding { scan: ModelScan::default(), ..bare };
    assert!(refused(&nothing, unscanned).is_empty());
    assert_eq!(refused(&nothing, ModelStanding { released: false, ..unscanned }), ["unreleased"]);
    let found = ModelScan { verdict: ModelVerdict::Unsafe, ..ModelScan::default() };
    assert_eq!(
        refused(&nothing, ModelStanding { scan: found, ..unscanned }),
        ["unsafe"],
        "whatever is required"
    );
    let ask = Ask::alone(agent(INVOICE_BOT), Action::UseModel, SMALL);
    assert!(matches!(decide(&scan_only, &ask).outcome, Outcome::Allow { .. }));
}

#[test]
fn an_owner_puts_a_rule_of_their_own_in_the_place_of_the_shipped_one() {
    let own = "@reason(\"older than a month\")\nforbid (principal, action == Alcaide::Action::\"use_model\", resource)\n\
               when { resource.registered && context.model.scan.age_days > 30 };";
    let compiled = house(ALL, &[("models", own)]);
    assert!(passes(&compiled, ModelStanding { released: false, ..good() }));
    let old = ModelStanding { scan: ModelScan { age_days: 31, ..good().scan }, ..good() };
    assert!(!passes(&compiled, old));
}

/// Whether the call passes.
fn passes(compiled: &Compiled, model: ModelStanding) -> bool {
    let context = Context { model, ..Context::default() };
    let ask = with(Ask::alone(agent(INVOICE_BOT), Action::UseModel, GPT), context);
    matches!(decide(compiled, &ask).outcome, Outcome::Allow { .. })
}
