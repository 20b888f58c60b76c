//! How many questions people get within an hour, whatever an agent does.

use super::*;

const OFTEN: &str = "ALC-GATE-0033";
const HOUR: Duration = Duration::from_secs(3_600);
/// What one agent may ask.
const MOST: usize = 7;

/// What a caller is told who may not ask: when to come again, and the message.
async fn refused(answer: Answer) -> (u64, String) {
    assert_eq!((answer.status, answer.header("alcaide-approval")), (429, ""));
    let wait = answer.header("retry-after").parse().unwrap();
    let json = answer.json().await;
    assert_eq!(json["error"]["code"], OFTEN, "{json}");
    (wait, json["error"]["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn of_two_hundred_forced_asks_people_see_as_many_as_an_hour_has() {
    let server = model();
    let house = asking(&server, ASK, Duration::ZERO).ask_limits(7, 1_000).start().await;
    let token = house.token(BOT).await;
    let first = pending(house.chat(&token, "pay 0").await).await;
    house.pass(Duration::from_secs(60));
    for at in 1..200 {
        let answer = house.chat(&token, &format!("pay {at}")).await;
        if at < MOST {
            pending(answer).await;
        } else {
            let (wait, message) = refused(answer).await;
            assert_eq!(wait, 3_540);
            assert!(message.contains("too many questions in this hour"), "{message}");
        }
    }
    assert_eq!((house.questions().len(), server.arrived()), (MOST, 0));
    // All of it is in the record, with the decision that would have asked, and in the counters.
    let unasked: Vec<_> = house.refusals().await.into_iter().filter(|one| one.code == OFTEN).collect();
    assert_eq!(unasked.iter().map(|one| 1 + one.alike).sum::<u64>(), 193);
    for one in &unasked {
        assert_eq!((one.stage, one.approval), (Stage::Decided, None));
        assert_eq!(one.decided.as_ref().unwrap().decision, DecisionKind::Ask);
    }
    assert!(house.gate.metrics_text().contains("alcaide_gate_refused_total{code=\"ALC-GATE-0033\"} 193\n"));
    // What was asked finds its question, others may ask, and an answer frees no place: the person has been asked.
    assert_eq!(pending(house.chat(&token, "pay 0").await).await, first);
    pending(house.chat(&house.token(HELPER).await, "pay").await).await;
    house.approve(EVA, &house.question(1).await).await;
    assert_eq!(house.chat(&token, "pay 0").await.status, 200);
    refused(house.chat(&token, "pay 0").await).await;
    // A restart resets nothing, with a snapshot or without.
    house.gate.settled().await;
    let snapshot = house.memory.snapshot().unwrap().bytes;
    let task = House::task_of(&house.questions()[0]);
    let house = house.restart(None).await;
    refused(house.chat(&house.token_of(BOT, task), "pay more").await).await;
    let house = house.restart(Some(&snapshot)).await;
    refused(house.chat(&house.token_of(BOT, task), "pay more").await).await;
    // When the first is an hour old, one may be asked.
    house.pass(HOUR - Duration::from_secs(60));
    pending(house.chat(&house.token_of(BOT, task), "pay more").await).await;
    refused(house.chat(&house.token_of(BOT, task), "pay still more").await).await;
}

#[tokio::test]
async fn all_who_act_for_one_person_share_that_persons_hour() {
    let server = model();
    let house = asking(&server, ASK, Duration::ZERO).ask_limits(100, 3).start().await;
    let token = |bits: u128, subject: HumanId| {
        let mut asked = house.asked(bits);
        asked.principal.subject = Actor::Human(subject);
        house.mint(&asked)
    };
    for at in 0..3 {
        let bits = if at % 2 == 0 { BOT } else { HELPER };
        pending(house.chat(&token(bits, BO), &format!("pay {at}")).await).await;
    }
    for bits in [BOT, HELPER] {
        let (_, message) = refused(house.chat(&token(bits, BO), "pay more").await).await;
        assert!(message.contains("questions_per_hour_subject"), "{message}");
    }
    pending(house.chat(&token(BOT, EVA), "pay").await).await;
    // Who acts for nobody else is counted for what it does alone.
    pending(house.chat(&house.token(BOT).await, "pay").await).await;
    assert_eq!(house.questions().len(), 5);
}
