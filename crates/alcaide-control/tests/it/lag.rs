//! A store that cannot be written: entries go on being recorded, orders can be given, and no token is issued on old
//! knowledge.

use std::sync::Arc;

use alcaide_control::{By, Office, OfficeError, Touch};
use alcaide_inventory::id::TaskId;
use alcaide_record::{Event, OrderKind};
use alcaide_store::StoreError;

use crate::house::{House, chain, declared_with, intent};

const OP: By = By::Operator;

impl House {
    /// Leaves the store `more` pages to grow by, as a full disk would.
    fn room(&self, more: i64) {
        let store = &self.store;
        store
            .transaction(|tx| {
                let pages: i64 = tx.query_row("PRAGMA page_count", [], |row| row.get(0))?;
                tx.query_row(&format!("PRAGMA max_page_count = {}", pages + more), [], |_| Ok(()))?;
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    /// Records more than the store has room for.
    async fn crowd(&self) {
        let plan = self.office.current();
        let who = chain(self.agent("bot"), self.human("rui"), plan.units["finance"].id);
        for call in 1..=400 {
            self.append(intent(call, 1, who.clone(), plan.routes["small"].id)).await;
        }
    }

    fn task(&self) -> alcaide_control::TaskOrder {
        alcaide_control::TaskOrder {
            actor: self.agent("bot"),
            subject: self.human_id("rui"),
            words: None,
            run: None,
            life: std::time::Duration::from_secs(60),
            bind_to: None,
            scope: None,
            task: None::<TaskId>,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_keeps_back_tokens_but_no_order() {
    let house = House::new().await;
    house.office.task_token(&OP, house.task()).await.unwrap();
    let link = house.office.open_link(&OP, house.human_id("rui")).await.unwrap().secret;
    let session = house.office.redeem(&link).await.unwrap().secret;
    house.room(0);
    house.crowd().await;
    let error = house.office.catch_up().await.unwrap_err();
    assert!(matches!(error, OfficeError::Store(_)) && error.may_pass(), "{error}");
    assert!(house.office.behind().unwrap().contains("full"), "{:?}", house.office.behind());
    // What the office knows of orders may be old.
    let refused = house.office.task_token(&OP, house.task()).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0044");
    let refused = house.office.session(&session, Touch::Watching).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0044");
    // Orders go through, and the ledger has them.
    let bot = house.agent("bot");
    let order = house.office.kill(&OP, bot).await.unwrap();
    let [Event::Order(last)] = &house.events(order.index)[..] else { panic!() };
    assert!(matches!(last.order, OrderKind::Kill { actor, epoch: 1 } if actor == bot));
    // With room again everything is followed, and the kill holds in the office too.
    house.room(10_000);
    assert_eq!(house.office.catch_up().await.unwrap(), house.ledger.size());
    assert_eq!(house.office.behind(), None);
    assert!(house.office.session(&session, Touch::Watching).await.is_ok(), "it was not ended meanwhile");
    let refused = house.office.task_token(&OP, house.task()).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0017");
    assert!(house.store.check().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_followed_at_all_is_told_apart() {
    let house = House::new().await;
    let planned = alcaide_record::Planned {
        by: None,
        digest: alcaide_record::Digest([1; 32]),
        number: alcaide_inventory::PlanNumber(9),
        repeats: None,
    };
    house.append(Event::Planned(planned)).await;
    let error = house.office.catch_up().await.unwrap_err();
    assert!(matches!(error, OfficeError::Diverged { .. }) && !error.may_pass(), "{error}");
    // Trying again would not help, so nobody is stopped on what is known here either.
    assert!(house.office.kill(&OP, house.agent("bot")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_the_gate_cannot_use_is_refused_with_the_reason() {
    let house = House::new().await;
    let office: &Office = &house.office;
    office.try_plans_with(Arc::new(|plan| match plan.upstreams.contains_key("odd") {
        true => Err("upstream `odd` cannot be used".into()),
        false => Ok(()),
    }));
    let odd = "[[upstream]]\nname = \"odd\"\nprotocol = \"openai\"\nbase_url = \"http://127.0.0.1:9\"\n[[upstream]]\nname = \"local\"";
    let wanted = declared_with("[[upstream]]\nname = \"local\"", odd);
    let (before, size) = (office.current(), house.ledger.size());
    let preview = office.preview(&OP, wanted.clone()).await.unwrap();
    assert_eq!(preview.faults.len(), 1);
    let OfficeError::Faults { faults } = office.apply(&OP, wanted, None).await.unwrap_err() else { panic!() };
    assert_eq!((faults[0].code.as_str(), faults[0].place.as_str()), ("ALC-DECLARE-0003", "gate"));
    assert_eq!(faults[0].why, "upstream `odd` cannot be used");
    assert_eq!((office.current(), house.ledger.size()), (before, size), "nothing came into force");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opened_an_enrolment_is_in_the_record() {
    let house = House::new().await;
    for (by, told) in [(house.by("rui"), Some(house.human_id("rui"))), (OP, None)] {
        let size = house.ledger.size();
        house.office.enrolment_open(&by, house.agent("bot")).await.unwrap();
        let [Event::Issued(issued)] = &house.events(size)[..] else { panic!() };
        assert_eq!(issued.by, told);
    }
}

/// What a caller is told who applies `wanted` while the store can follow no more.
async fn too_late(house: &House, wanted: alcaide_inventory::declare::Declarations) {
    let (before, size) = (house.office.current(), house.ledger.size());
    let refused = house.office.apply(&OP, wanted, None).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0044", "{refused}");
    assert_eq!((house.office.current(), house.ledger.size()), (before, size), "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_applies_while_the_store_cannot_follow_leave_a_house_that_starts() {
    let house = std::sync::Arc::new(House::new().await);
    // The disk fills between the look at what was followed and the plan's own entry.
    let (weak, runtime) = (Arc::downgrade(&house), tokio::runtime::Handle::current());
    house.office.try_plans_with(Arc::new(move |_| {
        let house = weak.upgrade().filter(|house| house.office.behind().is_none());
        if let Some(house) = house {
            house.room(24);
            runtime.block_on(house.crowd());
        }
        Ok(())
    }));
    let error = house.office.apply(&OP, declared_with("roles = [\"viewer\"]", ""), None).await.unwrap_err();
    assert!(matches!(error, OfficeError::Store(_)) && error.may_pass(), "{error}");
    assert!(matches!(house.events(house.ledger.size() - 1)[..], [Event::Planned(_)]), "it was recorded");
    too_late(&house, declared_with("name = \"eva\"", "name = \"eve\"")).await;
    house.room(10_000);
    assert_eq!(house.office.catch_up().await.unwrap(), house.ledger.size());
    assert_eq!(house.office.current().number, alcaide_inventory::PlanNumber(3));
    let house = Arc::into_inner(house).unwrap().restart(|_| ()).await.unwrap();
    assert_eq!(house.office.current().number, alcaide_inventory::PlanNumber(3));
    assert!(house.office.current().humans.contains_key("eva"), "the second came to nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_could_not_be_read_after_its_entry_comes_into_force_later() {
    let house = House::new().await;
    let sql = |text: &'static str| {
        house.store.transaction(|tx| Ok::<_, StoreError>(tx.execute_batch(text)?)).unwrap();
    };
    sql("CREATE TRIGGER spoil AFTER UPDATE OF entry ON plan \
         BEGIN UPDATE plan SET body = body || ' ' WHERE number = NEW.number; END");
    let wanted = declared_with("roles = [\"viewer\"]", "");
    assert!(house.office.apply(&OP, wanted, None).await.is_err());
    assert_eq!(house.office.current().number, alcaide_inventory::PlanNumber(2));
    sql("DROP TRIGGER spoil; UPDATE plan SET body = rtrim(body)");
    house.office.catch_up().await.unwrap();
    assert_eq!(house.office.current().number, alcaide_inventory::PlanNumber(3));
    assert_eq!(house.plans.borrow().number, alcaide_inventory::PlanNumber(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_waits_for_no_look_at_the_store() {
    let house = House::new().await;
    let bot = house.agent("bot");
    // Epochs may be far past the ledger's size: given again after a restore.
    let order = OrderKind::Kill { actor: bot, epoch: 9_000 };
    let order = alcaide_record::Order { by: None, id: alcaide_inventory::OrderId::from_bits(1), order };
    house.append(Event::Order(order)).await;
    let house = house.restart(|_| ()).await.unwrap();
    // Everybody who may look is looking, and goes on until the kills are over.
    let (done, wait) = std::sync::mpsc::sync_channel::<()>(1);
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let (begun, all) = std::sync::mpsc::sync_channel(alcaide_store::READERS);
    let looks: Vec<_> = (0..alcaide_store::READERS)
        .map(|_| {
            let (store, wait, begun) = (house.store.clone(), Arc::clone(&wait), begun.clone());
            std::thread::spawn(move || {
                store.look(|_| {
                    begun.send(()).unwrap();
                    // An error: nobody holds the other end any more.
                    let _ = wait.lock().unwrap().recv();
                    Ok::<_, StoreError>(())
                })
            })
        })
        .collect();
    for _ in 0..alcaide_store::READERS {
        all.recv().unwrap();
    }
    let kill = tokio::time::timeout(std::time::Duration::from_secs(20), house.office.kill(&OP, bot));
    let order = kill.await.expect("it waits for the store").unwrap();
    let OrderKind::Kill { epoch, .. } = order.order else { panic!() };
    assert!(epoch > 9_000, "it is past the one before: {epoch}");
    assert!(matches!(house.events(order.index)[..], [Event::Order(_)]), "it is on disk");
    assert!(house.office.behind().is_some(), "no token is issued on what was known before");
    drop(done);
    for look in looks {
        look.join().unwrap().unwrap();
    }
    assert_eq!(house.office.catch_up().await.unwrap(), house.ledger.size());
    let next = house.office.kill(&OP, bot).await.unwrap();
    assert!(matches!(next.order, OrderKind::Kill { epoch: later, .. } if later == epoch + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_policies_takes_two_cores_at_most() {
    let house = House::new().await;
    let (now, most) =
        (Arc::new(std::sync::atomic::AtomicUsize::new(0)), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let (seen, highest) = (Arc::clone(&now), Arc::clone(&most));
    let gate = Arc::new(std::sync::Barrier::new(2));
    let pair = Arc::clone(&gate);
    house.office.try_plans_with(Arc::new(move |_| {
        let many = seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        highest.fetch_max(many, std::sync::atomic::Ordering::SeqCst);
        // Two are let in, and none leaves before both are there.
        pair.wait();
        seen.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (office, by) = (house.office.clone(), house.by("vera"));
        let wanted = declared_with("roles = [\"viewer\"]", "");
        tasks.spawn(async move { office.preview(&by, wanted).await.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(most.load(std::sync::atomic::Ordering::SeqCst), 2);
}
