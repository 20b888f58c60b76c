//! What joining can do, and what pseudonyms say.

use alcaide_inventory::id::{AgentId, WorkloadId};
use alcaide_inventory::plan::Placed;
use alcaide_label::{Confidentiality, Integrity};
use alcaide_seal::random::SystemEntropy;
use alcaide_wire::json::{Document, Limits};
use proptest::prelude::*;

use super::*;

const NOW: Moment = Moment::from_secs(1_795_000_000);

fn gate(domain: &str) -> Labels {
    let signer = Signer::generate(&SystemEntropy::new()).unwrap();
    Labels::new(LabelKeys { signer, domain: domain.parse().unwrap() }, HmacKey::new(&[3; 32]))
}

fn as_peer(of: &Labels, bound: Label) -> Arc<PeerPlan> {
    let mut keys = KeySet::new();
    keys.insert(of.keys.signer.public().clone()).unwrap();
    let name = "peer".parse().unwrap();
    Arc::new(PeerPlan { id: PeerId::from_bits(1), name, bound, domain: of.keys.domain.clone(), keys })
}

fn any_label() -> impl Strategy<Value = Label> {
    let integrity = prop_oneof![Just(Integrity::Trusted), Just(Integrity::Untrusted)];
    let levels = prop_oneof![
        Just(Confidentiality::Public),
        Just(Confidentiality::Internal),
        Just(Confidentiality::Confidential),
        Just(Confidentiality::Restricted)
    ];
    (integrity, levels).prop_map(|(integrity, confidentiality)| Label { confidentiality, integrity })
}

fn parsed<T>(text: &str, then: impl FnOnce(Value<'_, '_>) -> T) -> T {
    then(Document::parse(text.as_bytes(), &Limits::default()).unwrap().root())
}

proptest! {
    #[test]
    fn no_answer_is_better_than_its_statement_or_its_owner_says(said in any_label(), bound in any_label()) {
        let (ours, theirs) = (gate("ours.test"), gate("theirs.test"));
        let (them, us) = (as_peer(&theirs, bound), as_peer(&ours, Label::MISSING));
        let of = (CallId::from_bits(1), TaskId::from_bits(2));
        let (signed, stated) = ours.state(&them, of, Label::CLEAN, ("tools/call", None), NOW).unwrap();
        let heard = {
            let peers = Peers { all: vec![us], ..Peers::default() };
            let read = theirs.read(&peers, &signed.compact, NOW).unwrap().1;
            Answerable { audience: read.issuer, answers: signed.digest, task: read.task }
        };
        let result = r#"{"content":[]}"#;
        let told = parsed(result, |result| {
            theirs.reply(&heard, of.0, (said, Vec::new(), signed.digest), result, NOW).unwrap()
        });
        let with = format!(r#"{{"content":[],"_meta":{{"{META_KEY}":"{}"}}}}"#, told.compact);
        let (claim, label) = parsed(&with, |result| ours.answer(&them, Some(&stated), Some(result), NOW));
        prop_assert_eq!(claim.fate, ClaimFate::Accepted);
        prop_assert_eq!(claim.label, Some(said));
        prop_assert_eq!(label, said.join(bound));
        for before in [Label::CLEAN, Label::MISSING, said, bound] {
            prop_assert_eq!(before.join(label).join(before), before.join(label));
        }
        // Without what it was asked with, it answers nothing.
        let (claim, label) = parsed(&with, |result| ours.answer(&them, None, Some(result), NOW));
        prop_assert_eq!((claim.fate, label), (ClaimFate::Request, Label::MISSING));
    }
}

#[test]
fn a_task_has_another_name_for_each_audience() {
    let ours = gate("ours.test");
    let (one, other) = ("one.test".parse().unwrap(), "other.test".parse().unwrap());
    let task = TaskId::from_bits(9);
    assert_eq!(ours.pseudonym(&one, task), ours.pseudonym(&one, task));
    assert_ne!(ours.pseudonym(&one, task), ours.pseudonym(&other, task));
    assert_ne!(ours.pseudonym(&one, task), ours.pseudonym(&one, TaskId::from_bits(10)));
}

#[test]
fn keys_that_are_none_make_a_plan_unusable() {
    let spec = |jwks: &str| alcaide_inventory::declare::Peer {
        trust_domain: "theirs.test".into(),
        jwks: jwks.into(),
        servers: vec!["small".parse().unwrap()],
        callers: vec!["both".parse().unwrap()],
        integrity: Integrity::Trusted,
        confidentiality: Confidentiality::Public,
    };
    let plan = |jwks: &str| {
        let mut plan = Plan::default();
        plan.peers.insert("branch".parse().unwrap(), Placed { id: PeerId::from_bits(1), spec: spec(jwks) });
        plan
    };
    for bad in ["", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#] {
        let fault = Peers::of(&plan(bad)).unwrap_err();
        assert!(fault.to_string().starts_with("peer `branch` cannot be used: "), "{fault}");
    }
    let mut keys = KeySet::new();
    keys.insert(gate("x").keys.signer.public().clone()).unwrap();
    let peers = Peers::of(&plan(&keys.to_json())).unwrap();
    assert!(peers.of_server(&"small".parse().unwrap()).is_some());
    assert!(peers.of_server(&"other".parse().unwrap()).is_none());
    // Nobody of that name is declared here.
    assert!(peers.of_caller(Actor::Agent(AgentId::from_bits(1))).is_none());
    assert!(peers.of_caller(Actor::Workload(WorkloadId::from_bits(1))).is_none());
}
