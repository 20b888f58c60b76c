//! Declarations come into force, whole or not at all.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};

use alcaide_control::{By, Edit, Kind, OfficeError, Paging, Thing, What, plan_bytes};
use alcaide_inventory::PlanNumber;
use alcaide_inventory::declare::{Declarations, Named, Policy, PolicyMode, Standing, Unit};
use alcaide_record::Event;
use alcaide_seal::SecretText;
use alcaide_seal::digest::sha256;

use crate::house::{House, declared, declared_with};

const OP: By = By::Operator;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_numbered_recorded_and_sent_down() {
    let mut house = House::bare().await;
    assert_eq!(house.office.current().number, PlanNumber(1));
    assert!(matches!(house.events(0).as_slice(), [Event::Made(_), Event::Planned(_)]));
    let applied = house.office.apply(&OP, declared(), Some(PlanNumber(1))).await.unwrap();
    assert_eq!(applied.number, PlanNumber(2));
    assert_eq!(applied.changes.len(), 14, "{:?}", applied.changes);
    assert!(house.plans.has_changed().unwrap());
    let plan = house.plans.borrow_and_update().clone();
    assert_eq!(plan.number, PlanNumber(2));
    let events = house.events(2);
    let [Event::Planned(planned)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(planned.number, PlanNumber(2));
    assert_eq!(planned.digest.0, sha256(plan_bytes(&plan).unwrap().as_bytes()).into_bytes());
    let back = house.office.export(&OP).await.unwrap();
    assert_eq!(alcaide_control::diff(&back, &declared()), []);
    let views = house.office.plans(&OP, Paging::default()).await.unwrap();
    assert_eq!(views.items.len(), 2);
    assert!(views.items[0].in_force && views.items[0].number == PlanNumber(2));
    assert_eq!(views.items[0].digest, planned.digest);
    assert_eq!(house.office.plan_at(&OP, PlanNumber(2)).await.unwrap(), *plan);
    // The same again is no plan.
    let again = house.office.apply(&OP, declared(), None).await.unwrap();
    assert_eq!((again.number, again.changes.len()), (PlanNumber(2), 0));
    assert_eq!(house.events(2).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_stay_with_their_names_for_ever() {
    let house = House::new().await;
    let (bot, tool) = (house.agent("bot"), house.office.current().tools[0].id);
    let gone = Edit::Remove { kind: Kind::Agent, name: "bot".into() };
    house.office.edit(&OP, gone, None).await.unwrap();
    assert!(!house.office.current().agents.contains_key("bot"));
    house.office.apply(&OP, declared(), None).await.unwrap();
    assert_eq!(house.agent("bot"), bot);
    assert_eq!(house.office.current().tools[0].id, tool);
    assert_eq!(house.office.current().number, PlanNumber(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_faults_are_told_and_nothing_is_done() {
    let house = House::new().await;
    let mut wanted = declared_with("owner = \"rui\"\nmay", "owner = \"nobody\"\nmay");
    wanted.agents[1].spec.unit = "nowhere".parse().unwrap();
    let size = house.ledger.size();
    let preview = house.office.preview(&OP, wanted.clone()).await.unwrap();
    assert_eq!(preview.faults.len(), 2, "{:?}", preview.faults);
    let error = house.office.apply(&OP, wanted, None).await.unwrap_err();
    assert_eq!(error.code(), "ALC-OFFICE-0002");
    assert!(error.to_string().contains("(faults: 2), the first at `agent/bot`"), "{error}");
    assert!(matches!(&error, OfficeError::Faults { faults } if faults.iter().all(|one| !one.fix.is_empty())));
    assert_eq!((house.ledger.size(), house.office.current().number), (size, PlanNumber(2)));
    // A preview draws no id that is kept.
    let mut fresh = declared();
    fresh.units.push(Named { name: "new".parse().unwrap(), spec: Unit::default() });
    house.office.preview(&OP, fresh).await.unwrap();
    let kept: i64 = house
        .store
        .look(|tx| {
            let sql = "SELECT count(*) FROM name_id WHERE name = 'new'";
            Ok::<_, OfficeError>(tx.query_row(sql, [], |row| row.get(0))?)
        })
        .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cedar_that_is_wrong_stops_the_plan_with_its_place() {
    let house = House::new().await;
    let mut wanted = declared();
    let spec = Policy {
        cedar: "permit (principal, action\n  resource);".into(),
        file: "p.cedar".into(),
        mode: PolicyMode::Enforce,
        shadow: None,
    };
    wanted.policies.push(Named { name: "p".parse().unwrap(), spec });
    let Err(OfficeError::Faults { faults }) = house.office.apply(&OP, wanted, None).await else { panic!() };
    assert!(faults[0].place.starts_with("p.cedar:2:"), "{faults:?}");
    assert!(faults[0].code.starts_with("ALC-POLICY-"));
    assert_eq!(house.office.current().number, PlanNumber(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_applies_on_one_plan_one_wins() {
    let house = House::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..8 {
        let office = house.office.clone();
        tasks.spawn(async move {
            let unit = Named { name: format!("u{at}").parse().unwrap(), spec: Unit::default() };
            office.edit(&OP, Edit::Create(Thing::Unit(unit)), Some(PlanNumber(2))).await
        });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|one| one.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.to_string(), "plan 2 was expected to be in force, but plan 3 is");
    }
    // Without an expectation all of them fit, one after another.
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..8 {
        let office = house.office.clone();
        tasks.spawn(async move {
            let unit = Named { name: format!("v{at}").parse().unwrap(), spec: Unit::default() };
            office.edit(&OP, Edit::Create(Thing::Unit(unit)), None).await.unwrap()
        });
    }
    tasks.join_all().await;
    assert_eq!(house.office.current().number, PlanNumber(11));
    assert_eq!(house.office.current().units.len(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_hangs_up_changes_nothing_about_the_change() {
    let mut house = House::new().await;
    house.plans.borrow_and_update();
    {
        let unit = Named { name: "late".parse().unwrap(), spec: Unit::default() };
        let mut apply = pin!(house.office.edit(&OP, Edit::Create(Thing::Unit(unit)), None));
        let mut context = Context::from_waker(Waker::noop());
        assert!(apply.as_mut().poll(&mut context).is_pending());
    }
    house.plans.changed().await.unwrap();
    assert!(house.office.current().units.contains_key("late"));
    assert_eq!(house.office.plans(&OP, Paging::default()).await.unwrap().items.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollback_is_a_new_number_and_keeps_secrets() {
    let house = House::new().await;
    house.office.secret_set(&OP, "key".parse().unwrap(), SecretText::copy_of("s3cret")).await.unwrap();
    let wanted = declared_with("[[agent]]\nname = \"bot\"", "[[agent]]\nname = \"bot2\"");
    house.office.apply(&OP, wanted, None).await.unwrap();
    let back = house.office.rollback(&OP, PlanNumber(2), Some(PlanNumber(4))).await.unwrap();
    assert_eq!(back.number, PlanNumber(5));
    let plan = house.office.current();
    assert!(plan.agents.contains_key("bot") && !plan.agents.contains_key("bot2"));
    assert!(plan.secrets.contains_key("key"));
    let events = house.events(0);
    assert!(matches!(events.last(), Some(Event::Planned(planned)) if planned.repeats == Some(PlanNumber(2))));
    let unknown = house.office.rollback(&OP, PlanNumber(99), None).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no plan `99`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_takes_agents_out_of_service_in_the_same_plan() {
    let house = House::new().await;
    let mut rui = house.office.current().humans["rui"].spec.clone();
    rui.standing = Standing::Left;
    let applied = house.office.human_edit(&OP, "rui".parse().unwrap(), rui, None).await.unwrap();
    let because: Vec<_> = applied.changes.iter().filter_map(|one| one.because.as_deref()).collect();
    assert_eq!(
        because,
        ["quarantined, because its owner `rui` left", "quarantined, because its sponsor `rui` left"]
    );
    let plan = house.office.current();
    assert_eq!(plan.agents["bot"].spec.standing, Standing::Quarantined);
    assert_eq!(plan.agents["helper"].spec.standing, Standing::Quarantined);
    assert_eq!(plan.agents["strict"].spec.standing, Standing::Active);
    // The folder that still says `active` for the agents changes nothing when it is applied again.
    let folder =
        declared_with("roles = [\"policy_author\"]", "roles = [\"policy_author\"]\nstanding = \"left\"");
    let again = house.office.apply(&OP, folder, None).await.unwrap();
    assert_eq!(again.changes, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_sealed_and_nowhere_in_clear() {
    let house = House::new().await;
    let clear = "sk-very-secret-0123456789";
    let name = || "openai-key".parse().unwrap();
    let needs = declared_with(
        "base_url = \"http://127.0.0.1:9\"",
        "base_url = \"http://127.0.0.1:9\"\ncredential = { kind = \"header\", header = \"authorization\", secret = \"openai-key\" }",
    );
    let Err(OfficeError::Faults { faults }) = house.office.apply(&OP, needs.clone(), None).await else {
        panic!()
    };
    assert_eq!(faults[0].fix, "run `alcaide secret set openai-key` first");
    let before = house.ledger.size();
    let id = house.office.secret_set(&OP, name(), SecretText::copy_of(clear)).await.unwrap();
    assert!(matches!(house.events(before).as_slice(), [Event::Office(_), Event::Planned(_)]));
    house.office.apply(&OP, needs, None).await.unwrap();
    let plan = house.office.current();
    use base64::Engine as _;
    let sealed =
        base64::engine::general_purpose::STANDARD.decode(&plan.secrets["openai-key"].spec.sealed).unwrap();
    let opened =
        alcaide_seal::envelope::open(&house.keys.master, id.to_string().as_bytes(), &sealed).unwrap();
    assert_eq!(opened.expose(), clear.as_bytes());
    assert!(alcaide_seal::envelope::open(&house.keys.master, b"another id", &sealed).is_err());
    let views = house.office.secrets(&OP).await.unwrap();
    assert_eq!((views[0].id, views[0].used_by.len()), (id, 1));
    let kept = house.office.secret_remove(&OP, &name()).await.unwrap_err();
    assert_eq!(kept.to_string(), "the secret `openai-key` is used by `local`");
    house.office.apply(&OP, declared(), None).await.unwrap();
    house.office.secret_remove(&OP, &name()).await.unwrap();
    assert!(house.office.current().secrets.is_empty());
    // Set again it has the id that it had.
    assert_eq!(house.office.secret_set(&OP, name(), SecretText::copy_of("x")).await.unwrap(), id);
    for bad in ["", "a\nb", &"x".repeat(65_537)] {
        let error = house.office.secret_set(&OP, name(), SecretText::copy_of(bad)).await.unwrap_err();
        assert_eq!(error.code(), "ALC-OFFICE-0008");
    }
    for entry in walk(house.folder.path()) {
        let bytes = std::fs::read(&entry).unwrap();
        let found = bytes.windows(clear.len()).any(|window| window == clear.as_bytes());
        assert!(!found, "{}", entry.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(walk(&path)) } else { all.push(path) }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_edits_and_policy_questions_work_on_the_plan_in_force() {
    let house = House::new().await;
    let agent = house.office.current().agents["bot"].spec.clone();
    let made = house.office.agent_create(&OP, "bot2".parse().unwrap(), agent.clone()).await.unwrap();
    assert_eq!(made.changes.len(), 1);
    assert_eq!(made.changes[0].what, What::Added);
    let twice = house.office.agent_create(&OP, "bot2".parse().unwrap(), agent).await.unwrap_err();
    assert_eq!(twice.to_string(), "agent `bot2` exists already");
    let who = house.office.who_can(&OP, alcaide_policy::Action::UseModel, "small").await.unwrap();
    assert!(who.iter().any(|one| one.label.contains("bot2")));
    assert!(house.office.who_can(&OP, alcaide_policy::Action::UseModel, "nothing").await.is_err());
    assert!(!house.office.policy_check(&OP, "x.cedar", "permit (").await.unwrap().is_empty());
    assert_eq!(house.office.resolve_actor("bot2").unwrap(), house.agent("bot2"));
    assert_eq!(house.office.resolve_actor("agent/bot2").unwrap(), house.agent("bot2"));
    assert!(house.office.resolve_actor("human/bot2").is_err());
    assert_eq!(house.office.resolve_actor(&house.agent("bot").to_string()).unwrap(), house.agent("bot"));
    let empty = Declarations::empty();
    assert_eq!(house.office.preview(&OP, empty).await.unwrap().changes.len(), 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_applies_is_told_whether_the_gate_has_taken_it_up() {
    let house = House::new().await;
    let alone = house.office.apply(&OP, declared_with("effect = \"read\"", "effect = \"internal\""), None);
    assert!(!alone.await.unwrap().adopted, "nobody said that there is a gate");
    let (gate, hear) = tokio::sync::watch::channel(None);
    house.office.hear_adopted(hear);
    let mut plans = house.plans.clone();
    let office = house.office.clone();
    let applying = tokio::spawn(async move { office.apply(&OP, declared(), None).await.unwrap() });
    // It is published, and the gate takes it up only now; an older one is not it.
    let number = plans.wait_for(|plan| plan.number.0 == 4).await.unwrap().number;
    gate.send_replace(Some(PlanNumber(number.0 - 1)));
    assert!(!applying.is_finished());
    gate.send_replace(Some(number));
    let applied = applying.await.unwrap();
    assert_eq!((applied.number, applied.adopted), (number, true));
    // Nothing changed: the gate has it already.
    let same = house.office.apply(&OP, declared(), None).await.unwrap();
    assert!(same.changes.is_empty() && same.adopted);
    // A gate that is gone takes nothing up, and nobody waits for it.
    drop(gate);
    let other = declared_with("effect = \"read\"", "effect = \"internal\"");
    assert!(!house.office.apply(&OP, other, None).await.unwrap().adopted);
}
