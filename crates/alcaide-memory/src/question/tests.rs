//! What finds a question, what answers it, and that an answer is used once.

use std::time::Duration;

use alcaide_inventory::id::{AgentId, CallId, OrderId, RouteId, TokenId, ToolId};
use alcaide_label::{Confidentiality, Label};
use alcaide_record::{Entry, Event, Intent};

use super::*;

const NOW: Moment = Moment::from_secs(1_795_000_000);
const LATER: Duration = Duration::from_secs(900);
const ASKING: &str = include_str!("../../../alcaide-record/testdata/asking-v1.json");
const ASKING_DIGEST: &str = include_str!("../../../alcaide-record/testdata/asking-v1.sha256");

type Change = fn(&mut Refused);

/// The question of the record's golden file.
fn asking() -> Refused {
    match Entry::from_leaf(ASKING.trim_end().as_bytes()).unwrap().event {
        Event::Refused(refused) => *refused,
        other => panic!("{other:?}"),
    }
}

fn numbered(bits: u128) -> Refused {
    let mut refused = asking();
    refused.approval = Some(ApprovalId::from_bits(bits));
    refused.question.as_mut().unwrap().expires = NOW + LATER;
    refused
}

fn human(bits: u128) -> HumanId {
    HumanId::from_bits(bits)
}

fn order(order: OrderKind, by: Option<HumanId>) -> Entry {
    Entry::new(NOW, Event::Order(Order { by, id: OrderId::from_bits(1), order }))
}

fn approve(refused: &Refused, by: u128, expires: Moment) -> Entry {
    let digest = question_digest(refused).unwrap();
    order(
        OrderKind::Approve { approval: refused.approval.unwrap(), digest, endorses: vec![], expires },
        Some(human(by)),
    )
}

fn asks(refused: &Refused) -> Entry {
    Entry::new(NOW, Event::Refused(Box::new(refused.clone())))
}

fn spends(approval: ApprovalId) -> Entry {
    let refused = asking();
    Entry::new(
        NOW,
        Event::Intent(Box::new(Intent {
            action: refused.action.unwrap(),
            attempt: alcaide_record::Attempt {
                number: 1,
                upstream: alcaide_inventory::id::UpstreamId::from_bits(1),
            },
            call: refused.call,
            content: refused.content.unwrap(),
            decided: refused.decided.unwrap(),
            effects: vec![Effect::Spend { approval }],
            relaxed: false,
            target: refused.target.unwrap(),
            who: refused.who.unwrap(),
        })),
    )
}

/// Memory that was told these entries, in this order.
fn told(entries: &[Entry]) -> Arc<Memory> {
    let memory = Memory::empty();
    for (index, entry) in entries.iter().enumerate() {
        memory.apply(u64::try_from(index).unwrap(), entry);
    }
    memory
}

const LIMITS: AskLimits = AskLimits { per_actor: crate::rate::RATE_MAX, per_subject: crate::rate::RATE_MAX };

/// Somebody who acts for nobody else, and may ask as much as any.
fn alone(actor: Actor) -> (Asker, AskLimits) {
    (Asker { actor, subject: actor }, LIMITS)
}

fn standing(memory: &Memory, refused: &Refused) -> Standing {
    memory.standing(&question_key(refused).unwrap(), NOW)
}

#[test]
fn a_yes_must_name_the_digest_that_anyone_can_compute() {
    assert_eq!(question_digest(&asking()).unwrap().to_string(), ASKING_DIGEST.trim_end());
}

#[test]
fn all_that_was_asked_about_is_in_the_key_and_nothing_else() {
    let key = question_key(&asking()).unwrap();
    let changed = |change: Change| {
        let mut refused = asking();
        change(&mut refused);
        question_key(&refused).unwrap()
    };
    let others: [(&str, Change); 12] = [
        ("actor", |it| it.who.as_mut().unwrap().actor = Actor::Agent(AgentId::from_bits(99))),
        ("subject", |it| it.who.as_mut().unwrap().subject = Actor::Agent(AgentId::from_bits(99))),
        ("earlier", |it| it.who.as_mut().unwrap().earlier.clear()),
        ("task", |it| it.who.as_mut().unwrap().task = TaskId::from_bits(99)),
        ("action", |it| it.action = Some(ActionKind::ReadResource)),
        ("name", |it| it.target.as_mut().unwrap().name = Digest([99; 32])),
        ("route", |it| it.target.as_mut().unwrap().route = Some(RouteId::from_bits(99))),
        ("tool", |it| it.target.as_mut().unwrap().tool = Some(ToolId::from_bits(99))),
        ("pin", |it| it.question.as_mut().unwrap().pin = None),
        ("matter", |it| it.question.as_mut().unwrap().matter = Digest([99; 32])),
        ("plan", |it| it.decided.as_mut().unwrap().plan_digest = Digest([99; 32])),
        ("label", |it| {
            it.content.as_mut().unwrap().label =
                Label { confidentiality: Confidentiality::Public, ..Label::CLEAN }
        }),
    ];
    let mut seen = vec![key];
    for (what, change) in others {
        let other = changed(change);
        assert!(!seen.contains(&other), "{what}");
        seen.push(other);
    }
    let same: [(&str, Change); 4] = [
        ("call", |it| it.call = CallId::from_bits(99)),
        ("token", |it| it.who.as_mut().unwrap().token = TokenId::from_bits(99)),
        ("id", |it| it.approval = None),
        ("budget", |it| it.decided.as_mut().unwrap().budget_used = 99),
    ];
    for (what, change) in same {
        assert_eq!(changed(change), key, "{what}");
    }
    assert_eq!(question_key(&Refused { question: None, ..asking() }), None);
}

#[test]
fn what_is_no_answer_to_this_question_does_not_count() {
    let asked = numbered(1);
    let approval = ApprovalId::from_bits(1);
    let good = NOW + LATER;
    let open = Standing::Asked { approval, expires: good, yes: vec![] };
    let wrong = OrderKind::Approve { approval, digest: Digest([9; 32]), endorses: vec![], expires: good };
    let right = OrderKind::Approve {
        approval,
        digest: question_digest(&asked).unwrap(),
        endorses: vec![],
        expires: good,
    };
    for (what, answer) in [
        ("another digest", order(wrong, Some(human(1)))),
        ("nobody", order(right.clone(), None)),
        ("too late", Entry { at: good, ..order(right, Some(human(1))) }),
        ("another question", approve(&numbered(2), 1, good)),
    ] {
        assert_eq!(standing(&told(&[asks(&asked), answer]), &asked), open, "{what}");
    }
    // Each person counts once, in whatever order they come, until their yes has ended.
    let soon = NOW + Duration::from_secs(1);
    let entries =
        [asks(&asked), approve(&asked, 8, soon), approve(&asked, 7, good), approve(&asked, 7, good)];
    let memory = told(&entries);
    let both = Standing::Asked { approval, expires: good, yes: vec![human(7), human(8)] };
    assert_eq!(standing(&memory, &asked), both);
    let key = question_key(&asked).unwrap();
    let one = Standing::Asked { approval, expires: good, yes: vec![human(7)] };
    assert_eq!(memory.standing(&key, soon), one);
    assert_eq!(memory.standing(&key, good), Standing::Unasked);
    // A no takes every yes away, as long as the question lives.
    memory.apply(4, &order(OrderKind::Deny { approval }, None));
    assert_eq!(standing(&memory, &asked), Standing::Denied { approval, expires: good });
    assert!(memory.take(approval, &[human(7)], NOW).is_none());
    memory.apply(5, &approve(&asked, 9, good));
    assert_eq!(standing(&memory, &asked), Standing::Denied { approval, expires: good });
    assert_eq!(memory.standing(&key, good), Standing::Unasked);
}

#[test]
fn whoever_was_stopped_has_said_yes_to_nothing() {
    let refused = numbered(1);
    let yes = |by| approve(&refused, by, NOW + LATER);
    let kill = |by| order(OrderKind::Kill { actor: Actor::Human(human(by)), epoch: 1 }, None);
    let unkill = |by| order(OrderKind::Unkill { actor: Actor::Human(human(by)) }, None);
    let said = |entries: &[Entry]| match standing(&told(entries), &refused) {
        Standing::Asked { yes, .. } => yes,
        other => panic!("{other:?}"),
    };
    assert_eq!(said(&[asks(&refused), yes(71), yes(72)]), [human(71), human(72)]);
    assert_eq!(said(&[asks(&refused), yes(71), yes(72), kill(71)]), [human(72)]);
    assert_eq!(said(&[asks(&refused), yes(71), kill(71), unkill(71)]), [], "nor is it given back");
    assert_eq!(said(&[asks(&refused), kill(71), yes(71)]), [], "an answer that was under way");
    assert_eq!(said(&[asks(&refused), yes(71), kill(71), unkill(71), yes(71)]), [human(71)]);
    // The last yes was theirs: the answer is not to be had any more.
    let memory = told(&[asks(&refused), yes(71), kill(71)]);
    assert!(memory.take(refused.approval.unwrap(), &[human(71)], NOW).is_none());
}

#[test]
fn an_answer_is_taken_by_one_call_and_spent_for_good() {
    let asked = numbered(1);
    let approval = ApprovalId::from_bits(1);
    let memory = told(&[asks(&asked), approve(&asked, 7, NOW + LATER)]);
    let threads: Vec<_> = (0..32)
        .map(|_| {
            let memory = Arc::clone(&memory);
            std::thread::spawn(move || memory.take(approval, &[human(7)], NOW))
        })
        .collect();
    let mut taken: Vec<Taken> = threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(taken.len(), 1);
    assert_eq!(standing(&memory, &asked), Standing::Busy(approval));
    // Whoever looks meanwhile is woken when it is given back.
    let mut answers = memory.answers();
    answers.borrow_and_update();
    drop(taken.pop());
    assert!(answers.has_changed().unwrap());
    let reservation = memory.reserve(&[], NOW).unwrap().spending(memory.take(approval, &[human(7)], NOW));
    assert_eq!(reservation.effects(), [Effect::Spend { approval }]);
    let mut reservation = reservation;
    reservation.journalled(2, CallId::from_bits(1), 1);
    drop(reservation);
    assert!(memory.take(approval, &[human(7)], NOW).is_none());
    assert_eq!(standing(&memory, &asked), Standing::Unasked);
    memory.apply(3, &approve(&asked, 8, NOW + LATER));
    assert!(memory.take(approval, &[human(7)], NOW).is_none(), "a later yes does not bring it back");
    // And so it is after a restart, from all entries or from a snapshot.
    let again = told(&[asks(&asked), approve(&asked, 7, NOW + LATER), spends(approval)]);
    assert!(again.take(approval, &[human(7)], NOW).is_none());
    let snapshot = Memory::from_snapshot(&memory.snapshot().unwrap().bytes).unwrap();
    assert!(snapshot.take(approval, &[human(7)], NOW).is_none());
    assert_eq!(standing(&snapshot, &asked), Standing::Unasked);
}

#[test]
fn a_question_has_one_place_until_it_is_written_or_not() {
    let memory = Memory::empty();
    let asked = numbered(1);
    let (key, approval) = (question_key(&asked).unwrap(), ApprovalId::from_bits(1));
    let actor = asked.who.as_ref().unwrap().actor;
    let opening = memory.open(key, approval, alone(actor), NOW).unwrap();
    assert_eq!(standing(&memory, &asked), Standing::Busy(approval));
    assert_eq!(memory.open(key, approval, alone(actor), NOW).unwrap_err(), AskError::Asked);
    drop(opening);
    assert_eq!(standing(&memory, &asked), Standing::Unasked);
    let opening = memory.open(key, approval, alone(actor), NOW).unwrap();
    // The follower may come first: the second note changes nothing.
    memory.apply(0, &asks(&asked));
    memory.apply(1, &approve(&asked, 7, NOW + LATER));
    opening.opened(0, &asked);
    let answered = Standing::Asked { approval, expires: NOW + LATER, yes: vec![human(7)] };
    assert_eq!(standing(&memory, &asked), answered);
    assert_eq!(memory.open(key, ApprovalId::from_bits(2), alone(actor), NOW).unwrap_err(), AskError::Asked);
    assert_eq!(memory.replay_from(), 2);
}

#[test]
fn one_actor_has_its_bound_and_room_is_made_by_time_alone() {
    let memory = Memory::empty();
    let mut asked = numbered(0);
    let actor = asked.who.as_ref().unwrap().actor;
    let ask = |memory: &Arc<Memory>, bits: u128, now| {
        let key = Digest([u8::try_from(bits % 251).unwrap(); 32]);
        memory.open(key, ApprovalId::from_bits(bits), alone(actor), now)
    };
    for bits in 0..QUESTIONS_OF_ACTOR_MAX {
        asked.approval = Some(ApprovalId::from_bits(u128::try_from(bits).unwrap()));
        asked.question.as_mut().unwrap().matter = Digest([u8::try_from(bits).unwrap(); 32]);
        memory.apply(u64::try_from(bits).unwrap(), &asks(&asked));
    }
    assert_eq!(ask(&memory, 200, NOW).unwrap_err(), AskError::ActorFull);
    let other = Actor::Agent(AgentId::from_bits(50));
    assert!(memory.open(Digest([200; 32]), ApprovalId::from_bits(200), alone(other), NOW).is_ok());
    assert!(ask(&memory, 200, NOW + LATER).is_ok());
}

#[test]
fn all_together_have_their_bound_and_no_question_is_forgotten_early() {
    let memory = Memory::empty();
    let mut asked = numbered(0);
    for at in 0..QUESTIONS_MAX {
        let bits = u128::try_from(at).unwrap();
        asked.approval = Some(ApprovalId::from_bits(bits));
        asked.who.as_mut().unwrap().actor = Actor::Agent(AgentId::from_bits(bits));
        memory.apply(u64::try_from(at).unwrap(), &asks(&asked));
    }
    let actor = Actor::Agent(AgentId::from_bits(1 << 64));
    let open = |now| memory.open(Digest([1; 32]), ApprovalId::from_bits(1 << 64), alone(actor), now);
    assert_eq!(open(NOW + LATER - Duration::from_micros(1)).unwrap_err(), AskError::Full);
    assert!(open(NOW + LATER).is_ok());
    assert_eq!(memory.kept_questions().0.len(), 0);
}

#[test]
fn a_snapshot_from_before_there_were_questions_is_read() {
    let memory = told(&[asks(&numbered(1))]);
    let mut old: serde_json::Value = serde_json::from_slice(&memory.snapshot().unwrap().bytes).unwrap();
    old["version"] = 1.into();
    for later in ["questions", "held", "models"] {
        old.as_object_mut().unwrap().remove(later).unwrap();
    }
    let read = Memory::from_snapshot(&serde_json::to_vec(&old).unwrap()).unwrap();
    assert_eq!((read.replay_from(), standing(&read, &numbered(1))), (1, Standing::Unasked));
    old["version"] = 5.into();
    assert!(Memory::from_snapshot(&serde_json::to_vec(&old).unwrap()).is_err());
}

#[test]
fn what_was_asked_within_the_hour_is_counted_after_a_restart_too() {
    let ask = |memory: &Arc<Memory>, limit: u32, now| {
        let who = asking().who.unwrap();
        let limits = AskLimits { per_actor: limit, per_subject: limit };
        let asker = Asker { actor: who.actor, subject: who.subject };
        memory.open(Digest([77; 32]), ApprovalId::from_bits(77), (asker, limits), now).map(drop)
    };
    let mut second = numbered(2);
    second.question.as_mut().unwrap().matter = Digest([2; 32]);
    let memory = told(&[asks(&numbered(1)), asks(&second)]);
    let full = AskError::TooOften { acts: true, limit: 2, again: NOW + crate::rate::RATE_SPAN };
    let again = Memory::from_snapshot(&memory.snapshot().unwrap().bytes).unwrap();
    for memory in [&memory, &again] {
        assert_eq!(ask(memory, 2, NOW), Err(full));
        assert_eq!(ask(memory, 3, NOW), Ok(()));
        assert_eq!(ask(memory, 2, NOW + crate::rate::RATE_SPAN), Ok(()));
    }
    // A place that is taken counts before it is written, and no more once it is given back.
    let memory = Memory::empty();
    let actor = asking().who.unwrap().actor;
    let limits = AskLimits { per_actor: 1, per_subject: 1 };
    let asker = Asker { actor, subject: actor };
    let opening = memory.open(Digest([1; 32]), ApprovalId::from_bits(1), (asker, limits), NOW).unwrap();
    let other = || memory.open(Digest([2; 32]), ApprovalId::from_bits(2), (asker, limits), NOW).map(drop);
    assert!(matches!(other(), Err(AskError::TooOften { .. })));
    drop(opening);
    assert_eq!(other(), Ok(()));
}

/// A yes that endorses these values.
fn endorse(refused: &Refused, by: u128, endorses: &[u16]) -> Entry {
    let digest = question_digest(refused).unwrap();
    let approval = refused.approval.unwrap();
    let kind = OrderKind::Approve { approval, digest, endorses: endorses.to_vec(), expires: NOW + LATER };
    order(kind, Some(human(by)))
}

#[test]
fn what_all_endorsed_whose_yes_passed_is_journalled_with_the_call_and_nothing_else() {
    let mut asked = numbered(1);
    let values = Digest([44; 32]);
    asked.question.as_mut().unwrap().decisive =
        Some(alcaide_record::Decisive { same: Digest([1; 32]), values });
    let (approval, task) = (asked.approval.unwrap(), asked.who.as_ref().unwrap().task);
    let spend = Effect::Spend { approval };
    let entries = [
        asks(&asked),
        endorse(&asked, 7, &[0, 2, 3]),
        endorse(&asked, 8, &[2, 3, 4]),
        approve(&asked, 9, NOW + LATER),
    ];
    let memory = told(&entries);
    let taken = |people: &[HumanId]| {
        memory.take(approval, people, NOW).map(|taken| taken.effects().collect::<Vec<_>>())
    };
    let endorsing = |places: &[u16]| Effect::Endorse { places: places.to_vec(), task, values };
    assert_eq!(taken(&[human(7)]), Some(vec![spend.clone(), endorsing(&[0, 2, 3])]));
    assert_eq!(taken(&[human(7), human(8)]), Some(vec![spend.clone(), endorsing(&[2, 3])]));
    assert_eq!(taken(&[human(7), human(9)]), Some(vec![spend.clone()]), "one of them endorsed nothing");
    assert_eq!(taken(&[human(7), human(10)]), None, "somebody who said nothing");
    assert_eq!(taken(&[]), None);
    // A yes that did not pass endorses nothing; one that is stopped neither.
    assert_eq!(memory.endorsed(task), []);
    memory.apply(4, &order(OrderKind::Kill { actor: Actor::Human(human(7)), epoch: 1 }, None));
    assert_eq!(taken(&[human(7)]), None);
    // The intent carries it: live, from the ledger and from a snapshot alike, for this task alone.
    let mut reservation = memory.reserve(&[], NOW).unwrap().spending(memory.take(approval, &[human(8)], NOW));
    let effects = reservation.effects();
    reservation.journalled(5, CallId::from_bits(1), 1);
    drop(reservation);
    let mut intent = spends(approval);
    if let Event::Intent(intent) = &mut intent.event {
        intent.effects = effects;
    }
    let mut all = entries.to_vec();
    all.push(intent);
    let snapshot = Memory::from_snapshot(&memory.snapshot().unwrap().bytes).unwrap();
    for memory in [&memory, &told(&all), &snapshot] {
        assert_eq!(memory.endorsed(task), [(values, vec![2, 3, 4])]);
        assert_eq!(memory.endorsed(TaskId::from_bits(77)), []);
    }
}
