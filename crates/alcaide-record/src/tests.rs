//! Every kind of event, compared with an independent sorter of JSON members.

use std::collections::BTreeMap;

use alcaide_finding::{Class, RuleId, Severity};
use alcaide_inventory::id::{
    AgentId, ApprovalId, BudgetId, CallId, CredentialId, HumanId, OrderId, PolicyId, RouteId, RunId,
    SecretId, TaskId, TokenId, ToolId, UnitId, UpstreamId,
};
use alcaide_inventory::{Actor, Moment, PlanNumber};
use alcaide_label::{Label, Provenance};

use super::*;

fn sorted(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            let inner: Vec<_> = members
                .iter()
                .map(|(key, value)| {
                    format!("{}:{}", serde_json::Value::String((*key).clone()), sorted(value))
                })
                .collect();
            format!("{{{}}}", inner.join(","))
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn agent() -> Actor {
    Actor::Agent(AgentId::from_bits(1))
}

fn chain() -> Chain {
    Chain {
        actor: agent(),
        bound: false,
        earlier: vec![Actor::Human(HumanId::from_bits(3))],
        run: Some(RunId::from_bits(4)),
        subject: Actor::Human(HumanId::from_bits(3)),
        task: TaskId::from_bits(5),
        token: TokenId::from_bits(6),
        unit: UnitId::from_bits(7),
    }
}

fn content() -> Content {
    Content {
        arguments: vec![Provenance::UserAttested, Provenance::Unknown],
        bytes: 12,
        claim: None,
        digest: Digest([7; 32]),
        edited: true,
        findings: vec![FindingCount { class: Class::Card, count: 2, rule: RuleId::fixed("card-number") }],
        flow: None,
        label: Label::MISSING,
        words: WordsGrade::Asserted,
    }
}

fn decided() -> Decided {
    Decided {
        approval: Some(ApprovalId::from_bits(9)),
        budget_used: 12,
        decision: DecisionKind::Allow,
        model: None,
        obligations: vec![ObligationKind::Mask],
        plan: PlanNumber(3),
        plan_digest: Digest([1; 32]),
        policies: vec![PolicyId::from_bits(10)],
        shadow: Some(DecisionKind::Refuse),
    }
}

fn model_note() -> ModelNote {
    ModelNote {
        files: FilesSeen::Same,
        model: alcaide_inventory::ModelId::from_bits(16),
        released: true,
        scan: ScanSeen {
            accepted: false,
            age_days: 3,
            current_pack: true,
            in_time: true,
            verdict: Some(ScanVerdict::Clean),
        },
        signature: SignatureSeen { age_days: 0, in_time: false, standing: SignerStanding::None },
        version: Some(Digest([8; 32])),
    }
}

fn target() -> Target {
    Target { name: Digest([3; 32]), route: Some(RouteId::from_bits(11)), tool: Some(ToolId::from_bits(12)) }
}

fn asking() -> Refused {
    Refused {
        action: Some(ActionKind::CallTool),
        alike: 0,
        approval: Some(ApprovalId::from_bits(9)),
        call: CallId::from_bits(14),
        code: "ALC-GATE-0022".into(),
        content: Some(content()),
        decided: Some(Decided { approval: None, decision: DecisionKind::Ask, ..decided() }),
        question: Some(Question {
            any_of: vec![vec![Approver::Owner], vec![Approver::Administrator, Approver::Sponsor]],
            decisive: None,
            expires: Moment::from_secs(1_795_000_900),
            matter: Digest([2; 32]),
            pin: Some(Digest([6; 32])),
            roles: vec![Approver::Approver],
        }),
        stage: Stage::Decided,
        target: Some(target()),
        who: Some(chain()),
    }
}

fn decisive(question: Question) -> Question {
    let decisive = Some(Decisive { same: Digest([7; 32]), values: Digest([8; 32]) });
    Question { decisive, ..question }
}

fn all_kinds() -> Vec<Event> {
    let order =
        |order| Event::Order(Order { by: Some(HumanId::from_bits(1)), id: OrderId::from_bits(2), order });
    let approval = ApprovalId::from_bits(9);
    vec![
        Event::Intent(Box::new(Intent {
            action: ActionKind::CallTool,
            attempt: Attempt { number: 1, upstream: UpstreamId::from_bits(13) },
            call: CallId::from_bits(14),
            content: content(),
            decided: Decided { model: Some(Box::new(model_note())), ..decided() },
            effects: vec![
                Effect::Join { label: Label::CLEAN, task: TaskId::from_bits(5) },
                Effect::Reserve { amount: 9, budget: BudgetId::from_bits(15), period: Moment::from_secs(60) },
                Effect::Spend { approval },
                Effect::Endorse { places: vec![0], task: TaskId::from_bits(5), values: Digest([4; 32]) },
            ],
            relaxed: false,
            target: target(),
            who: chain(),
        })),
        Event::Outcome(Box::new(Outcome {
            attempt: 1,
            call: CallId::from_bits(14),
            claim: None,
            digest: Some(Digest([4; 32])),
            duration_us: 77,
            effects: vec![],
            end: End::Complete,
            findings: vec![],
            intent: 41,
            released_bytes: 100,
            settled: vec![Settlement {
                budget: BudgetId::from_bits(15),
                period: Moment::from_secs(60),
                reserved: 9,
                used: 4,
            }],
            status: Some(200),
            usage: Some(Usage { cached_input: 1, cost_micros: 2, estimated: false, input: 3, output: 4 }),
        })),
        Event::Refused(Box::new(Refused {
            action: Some(ActionKind::UseModel),
            alike: 0,
            approval: Some(approval),
            call: CallId::from_bits(14),
            code: "ALC-POLICY-0031".into(),
            content: Some(content()),
            decided: Some(decided()),
            question: None,
            stage: Stage::Decided,
            target: Some(target()),
            who: Some(chain()),
        })),
        Event::Planned(Planned {
            by: None,
            digest: Digest([5; 32]),
            number: PlanNumber(2),
            repeats: Some(PlanNumber(1)),
        }),
        Event::Offered(Offered {
            call: CallId::from_bits(14),
            findings: Some(vec![OfferFinding {
                count: 2,
                part: OfferPart::InputSchema,
                rule: RuleId::fixed("secrecy"),
                severity: Severity::Grave,
            }]),
            name: Digest([3; 32]),
            pin: Digest([2; 32]),
            route: RouteId::from_bits(11),
            tool: Some(ToolId::from_bits(12)),
        }),
        Event::Model(ModelEvent::Registered {
            by: None,
            bytes: 7,
            files: 2,
            model: alcaide_inventory::ModelId::from_bits(16),
            sha256: Digest([1; 32]),
            version: Digest([2; 32]),
        }),
        Event::Model(ModelEvent::Evidence {
            by: Some(HumanId::from_bits(1)),
            envelope: Digest([3; 32]),
            expires: Some(Moment::from_secs(9)),
            issued: Moment::from_secs(8),
            model: alcaide_inventory::ModelId::from_bits(16),
            proven: Proven::Scan { packs: Digest([4; 32]), verdict: ScanVerdict::Inconclusive },
            version: Digest([2; 32]),
        }),
        Event::Model(ModelEvent::Evidence {
            by: None,
            envelope: Digest([3; 32]),
            expires: None,
            issued: Moment::from_secs(8),
            model: alcaide_inventory::ModelId::from_bits(16),
            proven: Proven::Signature { key: Digest([5; 32]), root: Some(Digest([6; 32])) },
            version: Digest([2; 32]),
        }),
        Event::Model(ModelEvent::Files {
            model: alcaide_inventory::ModelId::from_bits(16),
            state: FilesState::Found { version: Digest([2; 32]) },
        }),
        Event::Made(Made { origin: Digest([6; 32]), token_key: Digest([7; 32]) }),
        Event::Enrolled(Enrolled {
            actor: agent(),
            credential: CredentialId::from_bits(1),
            key: Digest([8; 32]),
        }),
        Event::Issued(Issued {
            actor: agent(),
            begins: false,
            by: None,
            epoch: 2,
            expires: Moment::from_secs(9),
            kind: TokenKind::Gate,
            parent: Some(TokenId::from_bits(1)),
            run: None,
            subject: agent(),
            task: Some(TaskId::from_bits(5)),
            token: TokenId::from_bits(6),
            words: Some(Digest([9; 32])),
        }),
        Event::Refused(Box::new(asking())),
        order(OrderKind::AcceptPin { pin: Digest([1; 32]), tool: ToolId::from_bits(12) }),
        order(OrderKind::Approve {
            approval,
            digest: Digest([1; 32]),
            endorses: vec![],
            expires: Moment::from_secs(9),
        }),
        order(OrderKind::Approve {
            approval,
            digest: Digest([1; 32]),
            endorses: vec![0, 3],
            expires: Moment::from_secs(9),
        }),
        Event::Refused(Box::new(Refused { question: asking().question.map(decisive), ..asking() })),
        order(OrderKind::Deny { approval }),
        order(OrderKind::Kill { actor: agent(), epoch: 3 }),
        order(OrderKind::Quarantine { tool: ToolId::from_bits(12) }),
        order(OrderKind::ReleaseModel {
            accepts_doubt: true,
            model: alcaide_inventory::ModelId::from_bits(16),
            version: Digest([2; 32]),
        }),
        order(OrderKind::QuarantineModel {
            model: alcaide_inventory::ModelId::from_bits(16),
            version: Digest([2; 32]),
        }),
        order(OrderKind::RevokeModel {
            model: alcaide_inventory::ModelId::from_bits(16),
            version: Digest([2; 32]),
        }),
        order(OrderKind::Revoke { token: TokenId::from_bits(6) }),
        order(OrderKind::Unkill { actor: agent() }),
        Event::Office(OfficeAct::CredentialRemoved { by: None, credential: CredentialId::from_bits(1) }),
        Event::Office(OfficeAct::LinkOpened { by: None, human: HumanId::from_bits(1) }),
        Event::Office(OfficeAct::SessionEnded { by: HumanId::from_bits(1) }),
        Event::Office(OfficeAct::Restored { entries: 7, orders: 1 }),
        Event::Office(OfficeAct::SessionOpened { by: HumanId::from_bits(1) }),
        Event::Office(OfficeAct::SecretSet { by: None, secret: SecretId::from_bits(1) }),
        Event::Office(OfficeAct::Denied { by: None, code: "ALC-OFFICE-0001".into() }),
    ]
}

#[test]
fn every_event_is_canonical_and_reads_back() {
    for event in all_kinds() {
        let entry = Entry::new(Moment::from_secs(1_795_000_000), event);
        let leaf = entry.to_leaf().unwrap();
        let again: serde_json::Value = serde_json::from_slice(&leaf).unwrap();
        assert_eq!(String::from_utf8(leaf.clone()).unwrap(), sorted(&again));
        assert_eq!(Entry::from_leaf(&leaf).unwrap(), entry);
    }
}

#[test]
fn another_version_is_refused() {
    let entry = Entry { v: 2, ..Entry::new(Moment::from_secs(1), all_kinds().remove(4)) };
    let error = Entry::from_leaf(&entry.to_leaf().unwrap()).unwrap_err();
    assert!(error.to_string().contains("its version is 2"), "{error}");
}

#[test]
fn an_unknown_member_is_refused() {
    let entry = Entry::new(Moment::from_secs(1), all_kinds().remove(4));
    let text = String::from_utf8(entry.to_leaf().unwrap()).unwrap();
    let more = text.replacen("{\"at\"", "{\"name\":\"ana\",\"at\"", 1);
    assert!(Entry::from_leaf(more.as_bytes()).is_err());
}

#[test]
fn a_leaf_past_its_length_is_refused() {
    let mut events = all_kinds();
    if let Some(Event::Intent(intent)) = events.get_mut(0) {
        intent.content.arguments = vec![Provenance::Unknown; 7_000];
    }
    let entry = Entry::new(Moment::from_secs(1), events.remove(0));
    assert!(matches!(entry.to_leaf(), Err(EntryError::TooLong { .. })));
}

/// An entry as it was written before questions had a form: it is read as it was, and says the same again.
const WITHOUT_QUESTION: &str = include_str!("../testdata/refused-v1.json");
/// An entry that asks.
const ASKING: &str = include_str!("../testdata/asking-v1.json");

#[test]
fn entries_from_before_there_were_questions_are_still_read() {
    let entry = Entry::from_leaf(WITHOUT_QUESTION.trim_end().as_bytes()).unwrap();
    let Event::Refused(refused) = &entry.event else { panic!("{entry:?}") };
    assert_eq!((refused.approval, &refused.question), (Some(ApprovalId::from_bits(9)), &None));
    // Its digest, and with it every answer to it, stays what it was.
    assert_eq!(String::from_utf8(entry.to_leaf().unwrap()).unwrap(), WITHOUT_QUESTION.trim_end());
}

#[test]
fn a_question_is_written_as_its_golden_says() {
    let entry = Entry::new(Moment::from_secs(1_795_000_000), Event::Refused(Box::new(asking())));
    assert_eq!(String::from_utf8(entry.to_leaf().unwrap()).unwrap(), ASKING.trim_end());
    assert_eq!(Entry::from_leaf(ASKING.trim_end().as_bytes()).unwrap(), entry);
}

#[test]
fn what_was_offered_before_findings_were_kept_is_read_and_is_the_same_bytes() {
    let leaf = br#"{"at":1000000,"event":{"offered":{"call":"CALL","name":"NAME","pin":"PIN","route":"ROUTE","tool":null}},"v":1}"#;
    let ids = [
        ("CALL", CallId::from_bits(14).to_string()),
        ("NAME", Digest([3; 32]).to_string()),
        ("PIN", Digest([2; 32]).to_string()),
        ("ROUTE", RouteId::from_bits(11).to_string()),
    ];
    let mut text = String::from_utf8(leaf.to_vec()).unwrap();
    for (word, id) in ids {
        text = text.replace(word, &id);
    }
    let entry = Entry::from_leaf(text.as_bytes()).unwrap();
    let Event::Offered(offered) = &entry.event else { panic!("{entry:?}") };
    assert_eq!(offered.findings, None);
    assert_eq!(String::from_utf8(entry.to_leaf().unwrap()).unwrap(), text);
    // That nothing was found is another thing than that nobody looked.
    let looked = text.replace(r#""name""#, r#""findings":[],"name""#);
    let entry = Entry::from_leaf(looked.as_bytes()).unwrap();
    let Event::Offered(offered) = &entry.event else { panic!("{entry:?}") };
    assert_eq!(offered.findings.as_deref(), Some(&[][..]));
    assert_eq!(String::from_utf8(entry.to_leaf().unwrap()).unwrap(), looked);
}

#[test]
fn a_pointer_into_a_definition_says_the_part_and_no_more() {
    for (pointer, part) in [
        ("/inputSchema/properties/secret~1name/description", OfferPart::InputSchema),
        ("/description", OfferPart::Description),
        ("/name", OfferPart::Name),
        ("/title", OfferPart::Title),
        ("/outputSchema", OfferPart::OutputSchema),
        ("/annotations/x", OfferPart::Annotations),
        ("", OfferPart::Definition),
        ("/other", OfferPart::Definition),
    ] {
        assert_eq!(OfferPart::of_pointer(pointer), part, "{pointer}");
        assert_eq!(serde_json::to_value(part).unwrap(), part.as_str());
    }
}
