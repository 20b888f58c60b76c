//! Every operation as somebody who may not: refused, recorded, without effect.

use std::time::Duration;

use alcaide_control::{By, Edit, Kind, OfficeError, Operation, Paging, TaskOrder, Thing};
use alcaide_inventory::PlanNumber;
use alcaide_inventory::declare::{Named, Policy, PolicyMode, Role, Standing};
use alcaide_inventory::id::{ApprovalId, CredentialId, TokenId};
use alcaide_record::{Digest, Event, OfficeAct, OrderKind};
use alcaide_seal::SecretText;

use crate::house::{House, chain, declared, declared_with, refused};

/// Tries an operation as `by`; `None` where the refusal is not about the role.
async fn attempt(house: &House, by: &By, operation: Operation) -> Option<OfficeError> {
    let office = &house.office;
    let name = || "x".parse().unwrap();
    let bot = house.agent("bot");
    let result = match operation {
        Operation::Apply => {
            let faulty = declared_with("owner = \"rui\"\nmay", "owner = \"nobody\"\nmay");
            office.apply(by, faulty, None).await.map(|_| ())
        }
        Operation::ApplyPolicies => {
            let spec = Policy {
                cedar: "permit (".into(),
                file: String::new(),
                mode: PolicyMode::Enforce,
                shadow: None,
            };
            let edit = Edit::Create(Thing::Policy(Named { name: name(), spec }));
            office.edit(by, edit, None).await.map(|_| ())
        }
        Operation::Rollback => office.rollback(by, PlanNumber(1), Some(PlanNumber(77))).await.map(|_| ()),
        Operation::See => office.export(by).await.map(|_| ()),
        Operation::SeeActivity => office.orders(by, Paging::default()).await.map(|_| ()),
        Operation::SecretChange => office.secret_set(by, name(), SecretText::copy_of("")).await.map(|_| ()),
        Operation::Enrol => office.enrolment_open(by, bot).await.map(|_| ()),
        Operation::CredentialRemove => office.credential_remove(by, CredentialId::from_bits(1)).await,
        Operation::Task => {
            let alcaide_inventory::Actor::Agent(agent) = bot else { unreachable!("the bot is an agent") };
            match office.begin_task(by, agent, "x").await {
                // It is no agent of hers: that her role may begin tasks does not make it one.
                Err(OfficeError::Forbidden { operation: Operation::TaskForOthers }) => Ok(()),
                other => other.map(|_| ()),
            }
        }
        Operation::TaskForOthers => {
            let order = TaskOrder {
                actor: bot,
                subject: house.human_id("ana"),
                words: None,
                run: None,
                life: Duration::from_secs(60),
                bind_to: None,
                scope: None,
                task: None,
            };
            office.task_token(by, order).await.map(|_| ())
        }
        Operation::OfficeTokenForOthers => {
            office.office_token(by, house.human_id("ana"), Duration::from_secs(60)).await.map(|_| ())
        }
        Operation::Kill => office.kill(by, bot).await.map(|_| ()),
        Operation::Unkill => office.unkill(by, bot).await.map(|_| ()),
        Operation::Revoke => office.revoke(by, TokenId::from_bits(1)).await.map(|_| ()),
        Operation::AcceptPin => {
            let server = "files".parse().unwrap();
            office.accept_pin(by, &server, "read_file", Digest([1; 32])).await.map(|_| ())
        }
        Operation::QuarantineTool => {
            let server = "files".parse().unwrap();
            office.quarantine_tool(by, &server, "read_file").await.map(|_| ())
        }
        Operation::QuarantineSource => {
            let server = "files".parse().unwrap();
            office.quarantine_source(by, &server).await.map(|_| ())
        }
        Operation::ReleaseSource => {
            let server = "files".parse().unwrap();
            office.release_source(by, &server).await.map(|_| ())
        }
        Operation::RegisterModel => {
            let registration = crate::models::registration(b"{}", alcaide_control::ScanVerdict::Clean);
            office.register_model(by, &name(), registration).await.map(|_| ())
        }
        Operation::ReleaseModel => {
            let choice = alcaide_control::Choice { version: Digest([1; 32]), accept_doubt: false };
            office.release_model(by, &name(), choice).await.map(|_| ())
        }
        Operation::QuarantineModel => office.quarantine_model(by, &name(), Digest([1; 32])).await.map(|_| ()),
        Operation::RevokeModel => office.revoke_model(by, &name(), Digest([1; 32])).await.map(|_| ()),
        Operation::Approve => office.approve(by, ApprovalId::from_bits(1)).await.map(|_| ()),
        Operation::Deny => office.deny(by, ApprovalId::from_bits(1)).await.map(|_| ()),
        Operation::Backup => office.backup(by, house.folder.path()).await.map(|_| ()),
        Operation::OpenLink => office.open_link(by, house.human_id("ana")).await.map(|_| ()),
        other => panic!("{other:?} is not tried"),
    };
    result.err().filter(|error| matches!(error, OfficeError::Forbidden { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_roles_holds_for_every_operation() {
    for role in [Role::Viewer, Role::Approver, Role::PolicyAuthor, Role::Administrator, Role::Auditor] {
        let house = House::new().await;
        // Vera answers for no agent, so only her role counts.
        let by = house.as_role(role);
        for operation in Operation::ALL {
            let before = house.ledger.size();
            let refusal = attempt(&house, &by, operation).await;
            assert_eq!(refusal.is_some(), !operation.roles().contains(&role), "{role:?} {operation:?}");
            if let Some(refusal) = refusal {
                let events = house.events(before);
                let [Event::Office(OfficeAct::Denied { by: who, code })] = events.as_slice() else {
                    panic!("{role:?} {operation:?}: {events:?}")
                };
                assert_eq!((*who, code.as_str()), (by.human(), "ALC-OFFICE-0001"));
                assert!(!refusal.help().is_empty());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_author_applies_policies_and_nothing_else() {
    let house = House::new().await;
    let author = house.by("rui");
    let mut wanted = declared();
    let spec = Policy {
        cedar: "forbid (principal, action, resource) when { false };".into(),
        file: String::new(),
        mode: PolicyMode::Shadow,
        shadow: None,
    };
    wanted.policies.push(Named { name: "p".parse().unwrap(), spec });
    match house.office.apply(&author, wanted.clone(), None).await {
        Ok(applied) => assert_eq!(applied.number, PlanNumber(3)),
        // The compiler may refuse a policy that can never match; the role was accepted.
        Err(error) => assert!(matches!(error, OfficeError::Faults { .. }), "{error}"),
    }
    wanted.agents.pop();
    assert_eq!(house.office.apply(&author, wanted, None).await.unwrap_err().code(), "ALC-OFFICE-0001");
    let edit = Edit::Remove { kind: Kind::Agent, name: "bot".into() };
    assert_eq!(house.office.edit(&author, edit, None).await.unwrap_err().code(), "ALC-OFFICE-0001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_stop_and_enrol_their_own_agents() {
    let house = House::new().await;
    let rui = house.by("rui");
    house.office.enrolment_open(&rui, house.agent("bot")).await.unwrap();
    house.office.kill(&rui, house.agent("bot")).await.unwrap();
    // As sponsor too; but not somebody else's.
    house.office.kill(&rui, house.agent("helper")).await.unwrap();
    assert_eq!(house.office.kill(&rui, house.agent("strict")).await.unwrap_err().code(), "ALC-OFFICE-0001");
    assert_eq!(house.office.unkill(&rui, house.agent("bot")).await.unwrap_err().code(), "ALC-OFFICE-0001");
    // Who has left answers for nobody.
    let mut spec = house.office.current().humans["rui"].spec.clone();
    spec.standing = Standing::Left;
    house.office.human_edit(&By::Operator, "rui".parse().unwrap(), spec, None).await.unwrap();
    assert_eq!(house.office.kill(&rui, house.agent("bot")).await.unwrap_err().code(), "ALC-OFFICE-0001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approver_is_far_from_the_call() {
    let house = House::new().await;
    let unit = house.office.current().units["finance"].id;
    let ask = |bits: u128, actor, subject| {
        let question = refused(bits, Some(chain(actor, subject, unit)), Some(ApprovalId::from_bits(bits)));
        (ApprovalId::from_bits(bits), question)
    };
    // Ana owns `helper`; Rui sponsors it; Eva is the subject of the second.
    let (first, asked) = ask(1, house.agent("helper"), house.human("vera"));
    let digest = alcaide_control::question_digest(&asked).unwrap();
    house.append(Event::Refused(Box::new(asked))).await;
    let (second, asked) = ask(2, house.agent("bot"), house.human("eva"));
    house.append(Event::Refused(Box::new(asked))).await;
    let (third, asked) = ask(3, house.agent("bot"), house.human("vera"));
    house.append(Event::Refused(Box::new(asked))).await;
    house.office.catch_up().await.unwrap();
    let office = &house.office;
    let (ana, eva) = (house.by("ana"), house.by("eva"));
    let near = office.approve(&ana, first).await.unwrap_err();
    assert!(near.to_string().contains("owns or sponsors"), "{near}");
    let near = office.approve(&eva, second).await.unwrap_err();
    assert!(near.to_string().contains("on whose behalf"), "{near}");
    let operator = office.approve(&By::Operator, first).await.unwrap_err();
    assert_eq!(operator.code(), "ALC-OFFICE-0001");
    let order = office.approve(&eva, first).await.unwrap();
    let OrderKind::Approve { approval, digest: signed, expires, .. } = order.order else { panic!() };
    assert_eq!((approval, signed, order.by), (first, digest, Some(house.human_id("eva"))));
    assert_eq!(expires, house.now() + Duration::from_secs(900));
    let twice = office.approve(&eva, first).await.unwrap_err();
    assert!(twice.to_string().contains("answered already"), "{twice}");
    office.deny(&ana, second).await.unwrap();
    house.pass(Duration::from_secs(900));
    let late = office.approve(&eva, third).await.unwrap_err();
    assert!(late.to_string().contains("too old"), "{late}");
    assert_eq!(office.approve(&eva, ApprovalId::from_bits(9)).await.unwrap_err().code(), "ALC-OFFICE-0004");
    let views = office.approvals(&ana, Paging::default()).await.unwrap().items;
    let states: Vec<_> = views.iter().map(|one| serde_json::to_value(one.state).unwrap()).collect();
    // The yes of the first ended with its quarter of an hour; nothing had used it.
    assert_eq!(states, ["expired", "denied", "expired"]);
}
