//! Cut off between any two steps, the office comes up whole.

use std::sync::Arc;

use alcaide_control::{By, MIGRATIONS, Office, OfficeError, UsageFilter};
use alcaide_inventory::id::OrderId;
use alcaide_inventory::{Plan, PlanNumber};
use alcaide_ledger::Ledger;
use alcaide_record::{Digest, End, Event, Order, OrderKind};
use alcaide_store::{Store, StoreError};

use crate::house::{
    House, KeyRing, ORIGIN, chain, clock_of, declared, declared_with, intent, options, outcome,
};

const OP: By = By::Operator;

fn sql(store: &Store, text: &str) {
    store.transaction(|tx| Ok::<_, StoreError>(tx.execute_batch(text)?)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_is_begun_once_and_never_by_opening() {
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyRing::new();
    let store = Store::create(&folder.path().join("office.db"), MIGRATIONS).unwrap();
    let dir = folder.path().join("ledger");
    let ledger = Ledger::create(&dir, &options(), Arc::clone(&keys.note), ORIGIN).unwrap();
    let now = Arc::new(std::sync::atomic::AtomicU64::new(1_800_000_000_000_000));
    let parts = || keys.parts(store.clone(), ledger.clone(), dir.clone(), clock_of(&now)).0;
    assert!(matches!(Office::open(parts()).await, Err(OfficeError::NotMade)));
    assert_eq!(ledger.size(), 0);
    Office::create(parts()).await.unwrap();
    assert!(matches!(Office::create(parts()).await, Err(OfficeError::Made)));
    assert_eq!(Office::open(parts()).await.unwrap().current().number, PlanNumber(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_finds_everything_again() {
    let house = House::new().await;
    house.office.kill(&OP, house.agent("bot")).await.unwrap();
    let (plan, size) = (house.office.current(), house.ledger.size());
    let house = house.restart(|_| ()).await.unwrap();
    assert_eq!(*house.office.current(), *plan);
    assert_eq!(house.plans.borrow().number, plan.number);
    assert_eq!(house.ledger.size(), size, "opening adds nothing");
    let agents = house.office.agents(&OP).await.unwrap();
    assert!(agents[0].killed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_was_recorded_but_not_followed_comes_into_force() {
    let house = House::new().await;
    let index = house.ledger.size() - 1;
    let back = format!("UPDATE plan SET entry = NULL WHERE number = 2; UPDATE follower SET next = {index}");
    let house = house.restart(|store| sql(store, &back)).await.unwrap();
    assert_eq!(house.office.current().number, PlanNumber(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_was_never_recorded_never_was() {
    let house = House::new().await;
    let size = house.ledger.size();
    let pending = "INSERT INTO plan (number, made, digest, body) VALUES (3, 0, 'x', '{}')";
    let house = house.restart(|store| sql(store, pending)).await.unwrap();
    assert_eq!((house.office.current().number, house.ledger.size()), (PlanNumber(2), size));
    let applied = house.office.apply(&OP, declared_with("roles = [\"viewer\"]", ""), None).await.unwrap();
    assert_eq!(applied.number, PlanNumber(3), "its number is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_tool_whose_plan_was_cut_off_gets_it() {
    let house = House::new().await;
    let tool = house.office.current().tools[0].id;
    let pin = Digest([4; 32]);
    let order = Order { by: None, id: OrderId::from_bits(1), order: OrderKind::AcceptPin { pin, tool } };
    house.append(Event::Order(order)).await;
    let house = house.restart(|_| ()).await.unwrap();
    assert_eq!(house.office.current().number, PlanNumber(3));
    assert_eq!(house.office.current().tools[0].pin, Some(pin.to_string()));
    assert_eq!(house.plans.borrow().number, PlanNumber(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_again_changes_nothing() {
    let house = House::new().await;
    let plan = house.office.current();
    let who = chain(house.agent("bot"), house.human("ana"), plan.units["finance"].id);
    let at = house.append(intent(1, 1, who, plan.routes["small"].id)).await;
    house.append(outcome(1, 1, at, End::Complete, 10)).await;
    house.office.catch_up().await.unwrap();
    let before = house.office.usage(&OP, UsageFilter::default()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let office = house.office.clone();
        tasks.spawn(async move { office.catch_up().await.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(house.office.usage(&OP, UsageFilter::default()).await.unwrap(), before);
    let house = house.restart(|_| ()).await.unwrap();
    assert_eq!(house.office.usage(&OP, UsageFilter::default()).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_older_than_the_ledgers_plans_is_refused() {
    let house = House::new().await;
    let back = "DELETE FROM plan WHERE number = 2; UPDATE follower SET next = 2";
    let error = house.restart(|store| sql(store, back)).await.err().unwrap();
    assert_eq!(error.code(), "ALC-OFFICE-0026");
    assert!(error.to_string().contains("brings plan 2 into force, which the store does not hold"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_was_changed_in_the_store_is_refused() {
    let house = House::new().await;
    let index = house.ledger.size() - 1;
    let back = format!(
        "UPDATE plan SET entry = NULL, digest = '{}' WHERE number = 2; UPDATE follower SET next = {index}",
        Digest([0; 32])
    );
    let error = house.restart(|store| sql(store, &back)).await.err().unwrap();
    assert_eq!(error.code(), "ALC-OFFICE-0026");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_was_changed_in_the_store_is_refused() {
    let house = House::new().await;
    let forged =
        "UPDATE plan SET body = replace(body, '\"owner\":\"rui\"', '\"owner\":\"eva\"') WHERE number = 2";
    let error = house.restart(|store| sql(store, forged)).await.err().unwrap();
    assert_eq!(error.code(), "ALC-OFFICE-0026");
    assert!(error.to_string().contains("digest"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_ahead_of_the_ledger_is_refused() {
    let house = House::new().await;
    let error = house.restart(|store| sql(store, "UPDATE follower SET next = 999")).await.err().unwrap();
    assert_eq!(error.code(), "ALC-OFFICE-0026");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_fails_closed_when_the_ledger_is_gone() {
    let house = House::bare().await;
    house.ledger.close().await.unwrap();
    let error = house.office.apply(&OP, declared(), None).await.unwrap_err();
    assert_eq!(error.code(), "ALC-OFFICE-0029");
    let plan: Arc<Plan> = house.office.current();
    assert_eq!(plan.number, PlanNumber(1));
    assert!(
        house
            .office
            .kill(&OP, alcaide_inventory::Actor::Agent(alcaide_inventory::AgentId::from_bits(1)))
            .await
            .is_err()
    );
}
