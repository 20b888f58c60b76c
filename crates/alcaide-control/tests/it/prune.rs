//! What the store keeps no longer, and what it must keep.

use std::time::Duration;

use alcaide_control::{By, MIGRATIONS, OfficeError, PLANS_KEPT, Paging};
use alcaide_inventory::PlanNumber;
use alcaide_inventory::id::{ApprovalId, CallId, TokenId};
use alcaide_record::{Approver, Event};
use alcaide_store::Store;

use crate::house::{House, KEPT, asking, chain, declared, declared_with};

const OP: By = By::Operator;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl House {
    async fn count(&self, of: &'static str) -> i64 {
        let read = self.store.read(move |tx| {
            let sql = format!("SELECT count(*) FROM {of}");
            Ok::<i64, OfficeError>(tx.query_row(&sql, [], |row| row.get(0))?)
        });
        read.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_decide_nothing_more_goes_and_the_record_keeps_it() {
    let house = House::new().await;
    let plan = house.office.current();
    let target = (plan.routes["files"].id, plan.tools[0].id);
    let who = chain(house.agent("helper"), house.human("vera"), plan.units["finance"].id);
    let asked = asking(1, who, (&[Approver::Approver], &[]), target, house.now() + Duration::from_secs(900));
    house.append(Event::Refused(Box::new(asked))).await;
    house.office.catch_up().await.unwrap();
    house.office.approve(&house.by("eva"), ApprovalId::from_bits(1)).await.unwrap();
    house.office.revoke(&OP, TokenId::from_bits(7)).await.unwrap();
    let begun = house.ledger.size();
    // No token that descends from it can be good after a quarter of an hour; a day is safe.
    house.pass(DAY - Duration::from_secs(1));
    house.office.kill(&OP, house.agent("helper")).await.unwrap();
    assert_eq!(house.count("revoked").await, 1);
    // Ordered again, it counts from then on.
    house.office.revoke(&OP, TokenId::from_bits(7)).await.unwrap();
    house.pass(DAY - Duration::from_secs(1));
    house.office.unkill(&OP, house.agent("helper")).await.unwrap();
    assert_eq!(house.count("revoked").await, 1);
    house.pass(Duration::from_secs(2));
    house.office.kill(&OP, house.agent("helper")).await.unwrap();
    assert_eq!(house.count("revoked").await, 0);
    assert_eq!((house.count("approval").await, house.count("approval_yes").await), (1, 1));
    assert_eq!(house.count("given_order").await, 6);
    house.pass(KEPT);
    house.office.unkill(&OP, house.agent("helper")).await.unwrap();
    assert_eq!((house.count("approval").await, house.count("approval_yes").await), (0, 0));
    // What is exactly as old as it may be is still there.
    assert_eq!(house.office.orders(&OP, Paging::default()).await.unwrap().items.len(), 2);
    // The call stands as it was, without the question; a kill is a state and is not forgotten.
    let passage = house.office.passage(&OP, CallId::from_bits(1)).await.unwrap();
    assert!(passage.approval.is_none() && passage.call.approval.is_some());
    assert!(house.ledger.size() > begun, "nothing of the record goes");
    let orders = house.events(0).into_iter().filter(|event| matches!(event, Event::Order(_))).count();
    assert_eq!(orders, 7);
}

#[tokio::test]
async fn a_store_from_before_knows_when_each_revocation_was_ordered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("office.db");
    let store = Store::create(&path, &MIGRATIONS[..5]).unwrap();
    let filled = store.run(|tx| {
        tx.execute_batch(
            "INSERT INTO given_order (entry, id, at, by, body) VALUES (4, 'ord_1', 77, NULL, '{}');
             INSERT INTO revoked (token, entry) VALUES ('tok_1', 4);",
        )?;
        Ok::<_, OfficeError>(())
    });
    filled.await.unwrap();
    drop(store);
    let store = Store::open(&path, MIGRATIONS).unwrap();
    let at = store
        .read(|tx| Ok::<i64, OfficeError>(tx.query_row("SELECT at FROM revoked", [], |row| row.get(0))?));
    assert_eq!(at.await.unwrap(), 77);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_may_name_the_last_plans_and_those_that_are_not_long_out_of_force() {
    let house = House::new().await;
    let other = || declared_with("effect = \"read\"", "effect = \"internal\"");
    let apply = async |at: u32| {
        let wanted = if at.is_multiple_of(2) { other() } else { declared() };
        house.office.apply(&OP, wanted, None).await.unwrap().number
    };
    let mut number = PlanNumber(1);
    for at in 0..PLANS_KEPT {
        number = apply(at).await;
    }
    assert_eq!(number, PlanNumber(u64::from(PLANS_KEPT) + 2));
    let bare = "plan WHERE body = ''";
    assert_eq!(house.count(bare).await, 0, "they were in force today");
    house.pass(KEPT + DAY);
    number = apply(PLANS_KEPT).await;
    assert_eq!(house.count(bare).await, 3);
    let gone = house.office.rollback(&OP, PlanNumber(3), None).await.unwrap_err();
    assert_eq!(
        (gone.code(), gone.to_string()),
        ("ALC-OFFICE-0048", "what plan 3 declares is not kept any more".into())
    );
    assert_eq!(house.office.plan_at(&OP, PlanNumber(999)).await.unwrap_err().code(), "ALC-OFFICE-0004");
    assert_eq!(house.office.plans(&OP, Paging::default()).await.unwrap().items[0].number, number);
    let back = house.office.rollback(&OP, PlanNumber(4), None).await.unwrap();
    assert_eq!(back.number, PlanNumber(number.0 + 1));
    // It opens with what is left.
    let house = house.restart(|_| {}).await.unwrap();
    assert_eq!(house.office.current().number, back.number);
}
