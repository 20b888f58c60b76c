//! What ends a question, a wait or an answer: a no, the time, a change, a caller that leaves.

use super::*;

#[tokio::test]
async fn a_no_holds_as_long_as_its_question() {
    let server = model();
    let house = asking(&server, ASK, WAIT).start().await;
    let token = house.token(BOT).await;
    let (answer, asked) = tokio::join!(house.chat(&token, "pay"), async {
        let asked = house.question(1).await;
        house.deny(&asked).await;
        asked
    });
    assert_eq!(answer.header("alcaide-approval"), asked.approval.unwrap().to_string());
    assert_eq!((answer.status, answer.header("retry-after")), (403, ""));
    assert_eq!(answer.code().await, DENIED);
    // A yes that comes after it counts for nothing.
    house.approve(EVA, &asked).await;
    assert_eq!(house.chat(&token, "pay").await.code().await, DENIED);
    assert_eq!(house.questions().len(), 1);
    let last = house.refusals().await.pop().unwrap();
    assert_eq!((last.approval, last.question.is_some()), (asked.approval, false));
    // Then it may be asked again.
    house.pass(LIFE);
    let renewed = house.token_of(BOT, House::task_of(&asked));
    let (answer, ()) = tokio::join!(house.chat(&renewed, "pay"), async {
        let again = house.question(2).await;
        house.approve(EVA, &again).await;
    });
    assert_eq!((answer.status, server.arrived()), (200, 1));
}

#[tokio::test]
async fn questions_and_answers_end() {
    let server = model();
    let house = asking(&server, ASK, Duration::ZERO).start().await;
    let token = house.token(BOT).await;
    let first = pending(house.chat(&token, "pay").await).await;
    let asked = house.question(1).await;
    let task = House::task_of(&asked);
    house.pass(LIFE);
    // Too late: it counts for nothing, and the call asks anew.
    house.approve(EVA, &asked).await;
    let second = pending(house.chat(&house.token_of(BOT, task), "pay").await).await;
    assert_ne!(second, first);
    house.approve(EVA, &house.question(2).await).await;
    // The answer outlives the question, but not its own end.
    house.pass(LIFE);
    let third = pending(house.chat(&house.token_of(BOT, task), "pay").await).await;
    assert!(![first, second].contains(&third));
    house.pass(LIFE - Duration::from_secs(1));
    house.approve(EVA, &house.question(3).await).await;
    house.pass(LIFE - Duration::from_secs(1));
    assert_eq!(house.chat(&house.token_of(BOT, task), "pay").await.status, 200);
    assert_eq!(server.arrived(), 1);
}

#[tokio::test]
async fn what_changes_while_a_call_waits_ends_it() {
    let server = model();
    // Stopped by an order.
    let house = asking(&server, ASK, WAIT).start().await;
    let token = house.token(BOT).await;
    let (answer, ()) = tokio::join!(house.chat(&token, "pay"), async {
        house.question(1).await;
        house.kill(BOT, 1).await;
    });
    assert_eq!((answer.status, answer.code().await.as_str()), (403, "ALC-GATE-0004"));
    // A yes does not bring it back.
    house.approve(EVA, &house.question(1).await).await;
    assert_eq!(house.chat(&token, "pay").await.code().await, "ALC-GATE-0004");

    // Another plan.
    let house = asking(&server, ASK, WAIT).start().await;
    let token = house.token(BOT).await;
    let (answer, ()) = tokio::join!(house.chat(&token, "pay"), async {
        house.question(1).await;
        let mut plan = house.plan.clone();
        plan.number.0 += 1;
        house.gate.adopt(&plan).unwrap();
    });
    assert_eq!((answer.status, answer.code().await.as_str()), (403, OVER));

    // The end of the token.
    let house = asking(&server, ASK, WAIT).start().await;
    let token = house.token(BOT).await;
    let (answer, ()) = tokio::join!(house.chat(&token, "pay"), async {
        house.question(1).await;
        house.clock.advance(Duration::from_secs(300));
    });
    assert_eq!((answer.status, answer.code().await.as_str()), (403, OVER));

    // What the task has read: it is less sure than it was.
    let house = asking(&server, ASK, WAIT).start().await;
    let token = house.token(BOT).await;
    let (answer, ()) = tokio::join!(house.chat(&token, "pay"), async {
        let asked = house.question(1).await;
        let label = Label::MISSING;
        let outcome = alcaide_record::Outcome {
            attempt: 1,
            call: alcaide_inventory::id::CallId::from_bits(77),
            claim: None,
            digest: None,
            duration_us: 1,
            effects: vec![Effect::Join { label, task: House::task_of(&asked) }],
            end: End::Complete,
            findings: vec![],
            intent: 0,
            released_bytes: 0,
            settled: vec![],
            status: None,
            usage: None,
        };
        // Straight into memory: the follower leaves outcomes to the gate that wrote them.
        house.memory.apply(u64::MAX, &alcaide_record::Entry::new(NOW, Event::Outcome(Box::new(outcome))));
    });
    assert_eq!((answer.status, answer.code().await.as_str()), (403, OVER));
    assert_eq!(server.arrived(), 0);
}

#[tokio::test]
async fn a_task_that_becomes_known_meanwhile_does_not_end_the_wait() {
    let server = model();
    let house = asking(&server, ASK, WAIT).start().await;
    let request = house.asked(BOT);
    let (task, token) = (request.principal.task, house.mint(&request));
    let (answer, ()) = tokio::join!(house.chat(&token, "pay"), async {
        let asked = house.question(1).await;
        assert_eq!(asked.content.as_ref().unwrap().label, Label::MISSING);
        // The entry of the office that says so may come to the gate after the first call.
        let issued = Issued {
            actor: agent(BOT),
            begins: true,
            by: None,
            epoch: 0,
            expires: NOW + LIFE,
            kind: TokenKind::Gate,
            parent: None,
            run: None,
            subject: agent(BOT),
            task: Some(task),
            token: request.principal.token,
            words: None,
        };
        house.append(Event::Issued(issued)).await;
        house.until("a clean task", || house.memory.label(task) == Label::CLEAN).await;
        house.approve(EVA, &asked).await;
    });
    assert_eq!((answer.status, server.arrived()), (200, 1));
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_its_question_open() {
    let server = model();
    let house = asking(&server, ASK, WAIT).start().await;
    let token = house.token(BOT).await;
    let body = chat("pay");
    let mut stream = tokio::net::TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        house.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let asked = house.question(1).await;
    drop(stream);
    // The record says that the call ended, and with which question.
    let ended = || {
        house.events().iter().any(|(_, event)| {
        matches!(event, Event::Refused(one) if one.question.is_none() && one.approval == asked.approval)
    })
    };
    house.until("the end of the call", ended).await;
    house.approve(EVA, &asked).await;
    assert_eq!(server.arrived(), 0);
    assert_eq!(house.chat(&token, "pay").await.status, 200);
    assert_eq!((server.arrived(), house.questions().len()), (1, 1));
}
