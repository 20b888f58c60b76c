//! Links and sessions of the console: used twice, too old, left alone, by somebody who is stopped, demoted or gone.

use std::time::Duration;

use alcaide_control::sessions::{LINK_LIFE, SESSION_IDLE, SESSION_LIFE, SESSIONS_MAX};
use alcaide_control::{By, Edit, Kind, Office, OfficeError, Operation, Thing, Touch};
use alcaide_inventory::declare::{Named, Role, Standing};
use alcaide_record::{Event, OfficeAct};
use alcaide_seal::SecretText;

use crate::house::House;

const MINUTE: Duration = Duration::from_secs(60);

async fn link(house: &House, name: &str) -> SecretText {
    house.office.open_link(&By::Operator, house.human_id(name)).await.unwrap().secret
}

async fn opened(house: &House, name: &str) -> SecretText {
    let link = link(house, name).await;
    house.office.redeem(&link).await.unwrap().secret
}

async fn code(office: &Office, session: &SecretText) -> &'static str {
    match office.session(session, Touch::Used).await {
        Ok(_) => "holds",
        Err(error) => error.code(),
    }
}

const ENDED: &str = "ALC-OFFICE-0043";
const NO_LINK: &str = "ALC-OFFICE-0042";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_one_session_and_the_record_says_so() {
    let house = House::new().await;
    let before = house.ledger.size();
    let vera = house.human_id("vera");
    let link = house.office.open_link(&house.by("ana"), vera).await.unwrap();
    assert_eq!((link.human, link.expires), (vera, house.now() + LINK_LIFE));
    let session = house.office.redeem(&link.secret).await.unwrap();
    assert_eq!(session.expires, house.now() + SESSION_LIFE);
    assert_eq!(house.office.redeem(&link.secret).await.unwrap_err().code(), NO_LINK);
    let held = house.office.session(&session.secret, Touch::Used).await.unwrap();
    assert_eq!(held.by, By::Human { id: vera, roles: vec![Role::Viewer], token: None });
    assert_eq!(held.name.as_str(), "vera");
    let by = Some(house.human_id("ana"));
    assert_eq!(
        house.events(before),
        [
            Event::Office(OfficeAct::LinkOpened { by, human: vera }),
            Event::Office(OfficeAct::SessionOpened { by: vera })
        ]
    );
    // Two at once with one link are one.
    let link = self::link(&house, "vera").await;
    let both = tokio::join!(house.office.redeem(&link), house.office.redeem(&link));
    assert_eq!(usize::from(both.0.is_ok()) + usize::from(both.1.is_ok()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_secret_is_on_disk() {
    let house = House::new().await;
    let first = link(&house, "vera").await;
    let session = house.office.redeem(&first).await.unwrap().secret;
    let second = link(&house, "vera").await;
    for event in house.events(0) {
        let text = serde_json::to_string(&event).unwrap();
        assert!(!text.contains("alclnk_") && !text.contains("alcses_"), "{text}");
    }
    let rows: Vec<String> = house
        .store
        .read(|tx| {
            let mut select =
                tx.prepare("SELECT hash FROM console_link UNION SELECT hash FROM console_session")?;
            let rows = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok::<_, alcaide_store::StoreError>(rows)
        })
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows.contains(&session.hash().to_string()) && rows.contains(&second.hash().to_string()));
    assert!(!rows.iter().any(|row| row.contains(session.expose()) || row.contains(second.expose())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_ends_with_its_time_with_a_newer_one_and_is_not_guessed() {
    let house = House::new().await;
    let old = link(&house, "vera").await;
    house.pass(LINK_LIFE);
    assert_eq!(house.office.redeem(&old).await.unwrap_err().code(), NO_LINK);
    let first = link(&house, "vera").await;
    let second = link(&house, "vera").await;
    assert_eq!(house.office.redeem(&first).await.unwrap_err().code(), NO_LINK);
    house.office.redeem(&second).await.unwrap();
    for guess in ["", "alclnk_", "x", &"y".repeat(129), &second.hash().to_string()] {
        assert_eq!(house.office.redeem(&SecretText::copy_of(guess)).await.unwrap_err().code(), NO_LINK);
        assert_eq!(code(&house.office, &SecretText::copy_of(guess)).await, ENDED);
    }
    // A link is no session, and a session no link.
    let link = link(&house, "vera").await;
    assert_eq!(code(&house.office, &link).await, ENDED);
    let session = house.office.redeem(&link).await.unwrap().secret;
    assert_eq!(house.office.redeem(&session).await.unwrap_err().code(), NO_LINK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_after_its_time_and_when_it_is_left_alone() {
    let house = House::new().await;
    let session = opened(&house, "vera").await;
    house.pass(SESSION_IDLE - Duration::from_micros(1));
    // What a page asks for by itself keeps nothing alive.
    house.office.session(&session, Touch::Watching).await.unwrap();
    house.pass(Duration::from_micros(1));
    assert_eq!(code(&house.office, &session).await, ENDED);

    let session = opened(&house, "vera").await;
    let mut lived = Duration::ZERO;
    while lived + 20 * MINUTE < SESSION_LIFE {
        house.pass(20 * MINUTE);
        lived += 20 * MINUTE;
        assert_eq!(code(&house.office, &session).await, "holds", "{lived:?}");
    }
    house.pass(SESSION_LIFE - lived);
    assert_eq!(code(&house.office, &session).await, ENDED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_those_of_the_plan_in_force() {
    let house = House::new().await;
    let session = opened(&house, "eva").await;
    let may = async |operation| house.office.session(&session, Touch::Used).await.unwrap().by.may(operation);
    assert!(may(Operation::Approve).await && !may(Operation::Apply).await);
    let mut spec = house.office.current().humans["eva"].spec.clone();
    spec.roles = vec![Role::Viewer];
    house.office.human_edit(&By::Operator, "eva".parse().unwrap(), spec, None).await.unwrap();
    assert!(!may(Operation::Approve).await && may(Operation::See).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_stopped_or_leaves_has_no_session_even_when_back() {
    let house = House::new().await;
    let office = &house.office;
    let eva = house.human("eva");
    let (session, link) = (opened(&house, "eva").await, link(&house, "eva").await);
    office.kill(&By::Operator, eva).await.unwrap();
    assert_eq!(code(office, &session).await, ENDED);
    assert_eq!(
        office.open_link(&By::Operator, house.human_id("eva")).await.unwrap_err().code(),
        "ALC-OFFICE-0017"
    );
    office.unkill(&By::Operator, eva).await.unwrap();
    assert_eq!(code(office, &session).await, ENDED);
    assert_eq!(office.redeem(&link).await.unwrap_err().code(), NO_LINK);

    let (session, link) = (opened(&house, "eva").await, self::link(&house, "eva").await);
    for standing in [Standing::Left, Standing::Active] {
        let mut spec = office.current().humans["eva"].spec.clone();
        spec.standing = standing;
        office.human_edit(&By::Operator, "eva".parse().unwrap(), spec, None).await.unwrap();
    }
    // Nobody asked while she was away, and still it is over.
    assert_eq!(code(office, &session).await, ENDED);
    assert_eq!(office.redeem(&link).await.unwrap_err().code(), NO_LINK);

    let session = opened(&house, "eva").await;
    let spec = office.current().humans["eva"].spec.clone();
    office.edit(&By::Operator, Edit::Remove { kind: Kind::Human, name: "eva".into() }, None).await.unwrap();
    assert_eq!(code(office, &session).await, ENDED);
    let back = Edit::Create(Thing::Human(Named { name: "eva".parse().unwrap(), spec }));
    office.edit(&By::Operator, back, None).await.unwrap();
    assert_eq!(code(office, &session).await, ENDED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_it_and_a_restart_does_not() {
    let house = House::new().await;
    let (one, two) = (opened(&house, "vera").await, opened(&house, "vera").await);
    let house = house.restart(|_| {}).await.unwrap();
    assert_eq!(code(&house.office, &one).await, "holds");
    let before = house.ledger.size();
    house.office.end_session(&one).await.unwrap();
    let by = house.human_id("vera");
    assert_eq!(house.events(before), [Event::Office(OfficeAct::SessionEnded { by })]);
    assert_eq!(code(&house.office, &one).await, ENDED);
    assert_eq!(house.office.end_session(&one).await.unwrap_err().code(), ENDED);
    assert_eq!(code(&house.office, &two).await, "holds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_too_many_ends_the_one_that_was_not_used_for_longest() {
    let house = House::new().await;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS_MAX {
        sessions.push(opened(&house, "vera").await);
        house.pass(MINUTE);
    }
    // The first is used, the second is not.
    assert_eq!(code(&house.office, &sessions[0]).await, "holds");
    let other = opened(&house, "eva").await;
    opened(&house, "vera").await;
    assert_eq!(code(&house.office, &sessions[1]).await, ENDED);
    for session in [&sessions[0], &sessions[2], &other] {
        assert_eq!(code(&house.office, session).await, "holds");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_token_is_of_its_session_alone() {
    let house = House::new().await;
    let (one, two) = (opened(&house, "vera").await, opened(&house, "vera").await);
    let one = house.office.session(&one, Touch::Used).await.unwrap().form;
    let two = house.office.session(&two, Touch::Used).await.unwrap().form;
    assert!(one.holds(one.as_str()) && two.holds(two.as_str()));
    let longer = format!("{}0", one.as_str());
    for bad in [two.as_str(), "", "x", &one.as_str()[1..], &longer] {
        assert!(!one.holds(bad), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_for_the_moment_signs_nobody_out() {
    let house = House::new().await;
    let link = house.office.open_link(&By::Operator, house.human_id("vera")).await.unwrap().secret;
    let session = house.office.redeem(&link).await.unwrap().secret;
    let sql = |text: &'static str| {
        let work = |tx: &alcaide_store::Transaction<'_>| {
            tx.execute_batch(text)?;
            Ok::<_, alcaide_store::StoreError>(())
        };
        house.store.transaction(work).unwrap();
    };
    sql("ALTER TABLE actor_state RENAME TO gone");
    let error = house.office.session(&session, Touch::Watching).await.unwrap_err();
    assert!(matches!(error, OfficeError::Store(_)), "{error}");
    sql("ALTER TABLE gone RENAME TO actor_state");
    house.office.session(&session, Touch::Watching).await.unwrap();
    // One of before a stop is ended, whatever the store says later.
    house.office.kill(&By::Operator, house.human("vera")).await.unwrap();
    house.office.unkill(&By::Operator, house.human("vera")).await.unwrap();
    assert!(matches!(house.office.session(&session, Touch::Watching).await, Err(OfficeError::Session)));
}
