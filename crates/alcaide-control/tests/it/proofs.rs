//! What a stranger, a stopped actor and an old token come to.

use std::time::Duration;

use alcaide_control::{By, ClientCredentials, Granted, OfficeError};
use alcaide_identity::Audience;
use alcaide_record::Event;
use alcaide_seal::{Signer, SystemEntropy};

use crate::house::House;
use crate::tokens::{Client, enrol, read, task};

const OP: By = By::Operator;

async fn held(house: &House, granted: &Granted) -> Result<By, OfficeError> {
    house.office.verify_office(granted.access_token.expose(), None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_or_may_not_act_uses_no_proof_up() {
    let house = House::new().await;
    let strict = enrol(&house, house.agent("strict")).await;
    let thief = Client {
        signer: Signer::generate(&SystemEntropy::new()).unwrap(),
        ..enrol(&house, house.agent("bot")).await
    };
    let stolen = ClientCredentials { dpop: Some(strict.proof(&house, "d")), ..thief.ask(&house, "a") };
    let refused = house.office.token_client_credentials(stolen).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0012");
    // Nor does an actor who was stopped, with assertions that hold.
    let asked = || ClientCredentials { dpop: Some(strict.proof(&house, "d")), ..strict.ask(&house, "a") };
    house.office.kill(&OP, house.agent("strict")).await.unwrap();
    let refused = house.office.token_client_credentials(asked()).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0017");
    house.office.unkill(&OP, house.agent("strict")).await.unwrap();
    house.office.token_client_credentials(asked()).await.unwrap();
    let again = house.office.token_client_credentials(asked()).await;
    assert!(matches!(again, Err(OfficeError::Replayed)), "once it was taken, it works no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_office_token_uses_no_proof_up() {
    let house = House::new().await;
    let eva = enrol(&house, house.human("eva")).await;
    let bound = ClientCredentials { dpop: Some(eva.proof(&house, "1")), ..eva.ask(&house, "a") };
    let bound = house.office.token_client_credentials(bound).await.unwrap();
    let proof = eva.proof(&house, "2");
    assert!(house.office.verify_office("a.b.c", Some(&proof)).await.is_err());
    assert!(house.office.verify_office(bound.access_token.expose(), Some(&proof)).await.is_ok());
    let again = house.office.verify_office(bound.access_token.expose(), Some(&proof)).await;
    assert!(matches!(again, Err(OfficeError::Replayed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_office_token_gives_ends_with_it_at_the_latest() {
    let house = House::new().await;
    let ana = house.human_id("ana");
    let first = house.office.office_token(&OP, ana, Duration::from_secs(300)).await.unwrap();
    let mut newest = first;
    let end = newest.expires;
    for _ in 0..3 {
        house.pass(Duration::from_secs(60));
        let by = held(&house, &newest).await.unwrap();
        let task = house.office.task_token(&by, task(&house, "bot", "ana")).await.unwrap();
        newest = house.office.office_token(&by, ana, Duration::from_secs(900)).await.unwrap();
        assert!(newest.expires <= end && task.expires <= end, "{:?} {:?}", newest.expires, task.expires);
        assert_eq!(read(&house, &newest, Audience::Office).expires, newest.expires);
    }
    house.pass(Duration::from_secs(119));
    let by = held(&house, &newest).await.unwrap();
    house.pass(Duration::from_secs(1));
    for refused in [
        house.office.office_token(&by, ana, Duration::from_secs(900)).await.unwrap_err(),
        house.office.task_token(&by, task(&house, "bot", "ana")).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), "ALC-OFFICE-0020", "{refused}");
    }
    assert_eq!(held(&house, &newest).await.unwrap_err().code(), "ALC-OFFICE-0018");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_office_token_takes_along_what_it_gave() {
    let house = House::new().await;
    let ana = house.human_id("ana");
    let first = house.office.office_token(&OP, ana, Duration::from_secs(300)).await.unwrap();
    let by = held(&house, &first).await.unwrap();
    let size = house.ledger.size();
    let task = house.office.task_token(&by, task(&house, "bot", "ana")).await.unwrap();
    let second = house.office.office_token(&by, ana, Duration::from_secs(300)).await.unwrap();
    for event in house.events(size) {
        let Event::Issued(issued) = event else { panic!("{event:?}") };
        assert_eq!(issued.parent, Some(first.token), "the record says what it descends from");
    }
    let third = held(&house, &second).await.unwrap();
    let third = house.office.office_token(&third, ana, Duration::from_secs(300)).await.unwrap();
    assert_eq!(read(&house, &third, Audience::Office).ancestors, [second.token, first.token]);
    assert_eq!(read(&house, &task, Audience::Gate).ancestors, [first.token], "which gates ask for, too");
    house.office.revoke(&OP, first.token).await.unwrap();
    for gone in [&first, &second, &third] {
        assert!(matches!(held(&house, gone).await, Err(OfficeError::Revoked)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bound_office_token_gives_is_bound_to_the_same_key() {
    let house = House::new().await;
    let ana = enrol(&house, house.human("ana")).await;
    let bound = ClientCredentials { dpop: Some(ana.proof(&house, "1")), ..ana.ask(&house, "a") };
    let bound = house.office.token_client_credentials(bound).await.unwrap();
    let proof = ana.proof(&house, "2");
    let by = house.office.verify_office(bound.access_token.expose(), Some(&proof)).await.unwrap();
    let next = house.office.office_token(&by, house.human_id("ana"), Duration::from_secs(300)).await.unwrap();
    assert!(next.bound);
    assert_eq!(held(&house, &next).await.unwrap_err().code(), "ALC-OFFICE-0016");
    let proof = ana.proof(&house, "3");
    assert!(house.office.verify_office(next.access_token.expose(), Some(&proof)).await.is_ok());
    let task = house.office.task_token(&by, task(&house, "bot", "ana")).await.unwrap();
    assert_eq!(read(&house, &task, Audience::Gate).bound_to.as_deref(), Some(proof.thumbprint()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_office_token_is_not_handed_on_without_end() {
    let house = House::new().await;
    let ana = house.human_id("ana");
    let mut by = OP;
    for _ in 0..=16 {
        let next = house.office.office_token(&by, ana, Duration::from_secs(900)).await.unwrap();
        by = held(&house, &next).await.unwrap();
    }
    let refused = house.office.office_token(&by, ana, Duration::from_secs(900)).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0021");
}
