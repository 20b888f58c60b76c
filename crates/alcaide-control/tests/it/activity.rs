//! What happened, as the follower joins it from the ledger.

use std::time::Duration;

use alcaide_control::{ActivityFilter, By, CallState, Cursor, OfficeError, Paging, UsageBy, UsageFilter};
use alcaide_inventory::id::CallId;
use alcaide_record::{DecisionKind, End, Event, OfficeAct};

use crate::house::{House, chain, intent, outcome, refused};

const OP: By = By::Operator;

fn first(limit: u32) -> Paging {
    Paging { limit: Some(limit), after: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_one_call_are_joined() {
    let house = House::new().await;
    let plan = house.office.current();
    let (unit, route) = (plan.units["finance"].id, plan.routes["small"].id);
    let who = || chain(house.agent("bot"), house.human("ana"), unit);
    // Two attempts, one unfinished call, one refusal of a stranger.
    let one = house.append(intent(1, 1, who(), route)).await;
    let two = house.append(outcome(1, 1, one, End::Unreachable, 0)).await;
    let three = house.append(intent(1, 2, who(), route)).await;
    let four = house.append(outcome(1, 2, three, End::Complete, 10)).await;
    house.append(intent(2, 1, who(), route)).await;
    house.append(Event::Refused(Box::new(refused(3, None, None)))).await;
    house.append(Event::Refused(Box::new(refused(4, Some(who()), None)))).await;
    house.office.catch_up().await.unwrap();
    let call = house.office.call(&OP, CallId::from_bits(1)).await.unwrap();
    assert_eq!((call.state, call.end, call.attempts), (CallState::Ended, Some(End::Complete), 2));
    assert_eq!(call.entries, [one, two, three, four]);
    assert_eq!((call.released_bytes, call.duration_us, call.status), (200, Some(1_500), Some(200)));
    let usage = call.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.cost_micros, usage.cached_input), (10, 4, 14, 2));
    assert_eq!(call.actor_name.as_ref().unwrap().as_str(), "bot");
    assert_eq!(call.subject_name.as_ref().unwrap().as_str(), "ana");
    assert_eq!(call.route_name.as_ref().unwrap().as_str(), "small");
    assert_eq!(call.decision, Some(DecisionKind::Allow));
    let unknown = house.office.call(&OP, CallId::from_bits(2)).await.unwrap();
    assert_eq!(unknown.state, CallState::Unknown, "no outcome is never success");
    let stranger = house.office.call(&OP, CallId::from_bits(3)).await.unwrap();
    assert_eq!(
        (stranger.state, stranger.actor, stranger.code.as_deref()),
        (CallState::Refused, None, Some("ALC-POLICY-0031"))
    );
    let gone = house.office.call(&OP, CallId::from_bits(99)).await.unwrap_err();
    assert_eq!(gone.code(), "ALC-OFFICE-0004");
    let rows = house.office.usage(&OP, UsageFilter::default()).await.unwrap();
    assert_eq!(rows.len(), 2);
    let bot = rows.iter().find(|row| row.name.as_ref().is_some_and(|name| name.as_str() == "bot")).unwrap();
    assert_eq!((bot.requests, bot.refused, bot.input, bot.output, bot.cost_micros), (3, 1, 10, 4, 14));
    let by_route = UsageFilter { by: UsageBy::Route, ..UsageFilter::default() };
    let rows = house.office.usage(&OP, by_route).await.unwrap();
    assert_eq!(rows.iter().find(|row| row.name.is_some()).unwrap().requests, 3);
    let agents = house.office.agents(&OP).await.unwrap();
    assert_eq!(agents[0].name.as_str(), "bot");
    assert_eq!(agents[0].last_call, Some(house.now()));
    assert_eq!((agents[1].name.as_str(), agents[1].sponsor.as_str()), ("helper", "rui"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_go_on_where_they_stopped_whatever_is_added() {
    let house = House::new().await;
    let plan = house.office.current();
    let (unit, route) = (plan.units["finance"].id, plan.routes["small"].id);
    let who = |name: &str| chain(house.agent(name), house.human("ana"), unit);
    for call in 0..25 {
        house.append(intent(call, 1, who(if call % 5 == 0 { "helper" } else { "bot" }), route)).await;
    }
    house.office.catch_up().await.unwrap();
    let all = || ActivityFilter::default();
    let mut seen = Vec::new();
    let mut paging = first(10);
    loop {
        let page = house.office.activity(&OP, all(), paging).await.unwrap();
        assert!(page.items.len() <= 10);
        seen.extend(page.items.iter().map(|call| call.call.bits()));
        // What comes in meanwhile shifts nothing.
        house.append(intent(100 + u128::try_from(seen.len()).unwrap(), 1, who("bot"), route)).await;
        house.office.catch_up().await.unwrap();
        let Some(next) = page.next else { break };
        paging = Paging { limit: Some(10), after: Some(Cursor::from_text(next.as_str())) };
    }
    assert_eq!(seen, (0..25).rev().collect::<Vec<u128>>());
    let helper = ActivityFilter { actor: Some(house.agent("helper")), ..all() };
    assert_eq!(house.office.activity(&OP, helper, first(50)).await.unwrap().items.len(), 5);
    let none = ActivityFilter { until: Some(house.now()), ..all() };
    assert_eq!(house.office.activity(&OP, none, first(50)).await.unwrap().items.len(), 0);
    let ended = ActivityFilter { state: Some(CallState::Ended), ..all() };
    assert_eq!(house.office.activity(&OP, ended, first(50)).await.unwrap().items.len(), 0);
    for bad in ["", "c", "c-1", "7", "c99999999999999999999", "c1'"] {
        let paging = Paging { limit: None, after: Some(Cursor::from_text(bad)) };
        let error = house.office.activity(&OP, all(), paging).await.unwrap_err();
        assert!(matches!(error, OfficeError::Cursor { .. }), "{bad}");
    }
    // Out of bounds the limit is the nearest bound.
    assert_eq!(house.office.activity(&OP, all(), first(0)).await.unwrap().items.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_kept_by_day() {
    let house = House::new().await;
    let plan = house.office.current();
    let (unit, route) = (plan.units["finance"].id, plan.routes["small"].id);
    let who = || chain(house.agent("bot"), house.human("ana"), unit);
    for day in 0..3 {
        let at = house.append(intent(day, 1, who(), route)).await;
        house.append(outcome(day, 1, at, End::Complete, 10)).await;
        house.pass(Duration::from_secs(86_400));
    }
    house.office.catch_up().await.unwrap();
    let all = house.office.usage(&OP, UsageFilter::default()).await.unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.windows(2).all(|pair| pair[0].day.since(pair[1].day) == Duration::from_secs(86_400)));
    let last = UsageFilter { since: Some(all[0].day), ..UsageFilter::default() };
    assert_eq!(house.office.usage(&OP, last).await.unwrap(), all[..1]);
    let before = UsageFilter { until: Some(all[0].day), ..UsageFilter::default() };
    assert_eq!(house.office.usage(&OP, before).await.unwrap(), all[1..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_follower_reads_along_and_stops_with_the_ledger() {
    let house = House::new().await;
    let plan = house.office.current();
    let (unit, route) = (plan.units["finance"].id, plan.routes["small"].id);
    let office = house.office.clone();
    let task = tokio::spawn(async move { office.follow().await });
    for call in 0..600 {
        house.append(intent(call, 1, chain(house.agent("bot"), house.human("ana"), unit), route)).await;
    }
    house.ledger.close().await.unwrap();
    task.await.unwrap().unwrap();
    assert_eq!(house.office.catch_up().await.unwrap(), house.ledger.size());
    let rows = house.office.usage(&OP, UsageFilter::default()).await.unwrap();
    assert_eq!(rows[0].requests, 600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_durable_listed_and_raise_the_epoch() {
    let house = House::new().await;
    let bot = house.agent("bot");
    let before = house.ledger.size();
    let kill = house.office.kill(&house.by("ana"), bot).await.unwrap();
    assert_eq!(kill.index, before);
    assert!(matches!(house.events(before).as_slice(), [Event::Order(order)] if order.id == kill.id));
    house.office.kill(&OP, bot).await.unwrap();
    house.office.unkill(&OP, bot).await.unwrap();
    let listed = house.office.orders(&OP, first(2)).await.unwrap();
    assert_eq!(listed.items.len(), 2);
    let rest = house.office.orders(&OP, Paging { limit: None, after: listed.next }).await.unwrap();
    assert_eq!(rest.items, [kill]);
    assert!(rest.next.is_none());
    let agents = house.office.agents(&OP).await.unwrap();
    assert_eq!((agents[0].epoch, agents[0].killed), (2, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_rests_on_the_published_checkpoint_where_that_covers_it() {
    let house = House::new().await;
    let by = house.by("vera");
    house.ledger.checkpoint_now().await.unwrap();
    let published = house.office.log_checkpoint();
    let covered = house.office.log_proof(&by, 0).await.unwrap();
    assert_eq!(covered.checkpoint, published, "nothing is signed for it");
    let newer = house.append(Event::Office(OfficeAct::Denied { by: None, code: "ALC".into() })).await;
    let proven = house.office.log_proof(&by, newer).await.unwrap();
    assert_eq!(proven.size, newer + 1);
    for past in [newer + 1, u64::MAX] {
        assert_eq!(house.office.log_proof(&by, past).await.unwrap_err().code(), "ALC-OFFICE-0004");
    }
}
