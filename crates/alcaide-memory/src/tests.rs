//! Budgets in flight, replay from entries, snapshots at any point.

use std::sync::Arc;

use alcaide_inventory::declare::Period;
use alcaide_inventory::id::{
    AgentId, BudgetId, CallId, PolicyId, RouteId, RunId, TaskId, TokenId, UnitId, UpstreamId,
};
use alcaide_inventory::{Actor, Moment, PlanNumber};
use alcaide_label::{Confidentiality, Integrity, Label};
use alcaide_record::{
    ActionKind, Attempt, Chain, Content, Decided, DecisionKind, Digest, Effect, End, Entry, Event, Intent,
    Issued, Order, OrderKind, Outcome, Settlement, Target, TokenKind, WordsGrade,
};
use proptest::prelude::*;

use super::*;
use crate::budget::COUNTERS_MAX;
use crate::state::TASKS_MAX;

const NOW: Moment = Moment::from_secs(1_795_000_000);
const BUDGET: BudgetId = BudgetId::from_bits(1);

fn ask(amount: u64, limit: u64) -> BudgetAsk {
    BudgetAsk { budget: BUDGET, name: "daily".parse().unwrap(), limit, period: Period::Day, amount }
}

fn agent() -> Actor {
    Actor::Agent(AgentId::from_bits(1))
}

fn intent(call: u128, effects: Vec<Effect>) -> Entry {
    let id = CallId::from_bits(call);
    Entry::new(
        NOW,
        Event::Intent(Box::new(Intent {
            action: ActionKind::UseModel,
            attempt: Attempt { number: 1, upstream: UpstreamId::from_bits(1) },
            call: id,
            content: Content {
                arguments: vec![],
                bytes: 0,
                claim: None,
                digest: Digest::default(),
                edited: false,
                findings: vec![],
                flow: None,
                label: Label::CLEAN,
                words: WordsGrade::None,
            },
            decided: Decided {
                approval: None,
                budget_used: 0,
                decision: DecisionKind::Allow,
                model: None,
                obligations: vec![],
                plan: PlanNumber(1),
                plan_digest: Digest::default(),
                policies: vec![PolicyId::from_bits(1)],
                shadow: None,
            },
            effects,
            relaxed: false,
            target: Target { name: Digest::default(), route: None, tool: None },
            who: Chain {
                actor: agent(),
                bound: false,
                earlier: vec![],
                run: None,
                subject: agent(),
                task: TaskId::from_bits(1),
                token: TokenId::from_bits(1),
                unit: UnitId::from_bits(1),
            },
        })),
    )
}

fn outcome(call: u128, settled: Vec<Settlement>, effects: Vec<Effect>) -> Entry {
    Entry::new(
        NOW,
        Event::Outcome(Box::new(Outcome {
            attempt: 1,
            call: CallId::from_bits(call),
            claim: None,
            digest: None,
            duration_us: 1,
            effects,
            end: End::Complete,
            findings: vec![],
            intent: 0,
            released_bytes: 0,
            settled,
            status: Some(200),
            usage: None,
        })),
    )
}

fn issued(task: u128, run: Option<u128>, words: bool) -> Entry {
    Entry::new(
        NOW,
        Event::Issued(Issued {
            actor: agent(),
            begins: true,
            by: None,
            epoch: 0,
            expires: NOW,
            kind: TokenKind::Gate,
            parent: None,
            run: run.map(RunId::from_bits),
            subject: agent(),
            task: Some(TaskId::from_bits(task)),
            token: TokenId::from_bits(task),
            words: words.then(Digest::default),
        }),
    )
}

const UNTRUSTED: Label =
    Label { confidentiality: Confidentiality::Internal, integrity: Integrity::Untrusted };

#[test]
fn a_dropped_reservation_gives_back_and_a_journalled_one_stays() {
    let memory = Memory::empty();
    drop(memory.reserve(&[ask(60, 100)], NOW).unwrap());
    let mut held = memory.reserve(&[ask(60, 100)], NOW).unwrap();
    let full = memory.reserve(&[ask(60, 100)], NOW).err().unwrap();
    assert_eq!((full.left, full.limit, full.asked), (40, 100, 60));
    assert_eq!(full.again, Some(Moment::from_secs(1_795_046_400)));
    held.journalled(0, CallId::from_bits(1), 1);
    drop(held);
    assert!(memory.reserve(&[ask(60, 100)], NOW).is_err(), "unknown is not free");
    assert!(memory.reserve(&[ask(40, 100)], NOW).is_ok());
}

#[test]
fn all_budgets_or_none() {
    let memory = Memory::empty();
    let other = BudgetAsk { budget: BudgetId::from_bits(2), ..ask(5, 4) };
    assert!(memory.reserve(&[ask(60, 100), other], NOW).is_err());
    assert_eq!(memory.taken(BUDGET, period_start(Period::Day, NOW)), (0, 0));
}

#[test]
fn sixty_four_in_flight_never_pass_the_limit() {
    let memory = Memory::empty();
    let mut threads = Vec::new();
    for at in 0..64_u64 {
        let memory = Arc::clone(&memory);
        threads.push(std::thread::spawn(move || {
            let mut passed = 0_u64;
            for round in 0..50_u64 {
                if let Ok(mut held) = memory.reserve(&[ask(7, 1_000)], NOW) {
                    let index = (at * 50 + round) * 2;
                    let call = CallId::from_bits(u128::from(index));
                    held.journalled(index, call, 1);
                    let settled = held.settlement(|_| 3);
                    held.settle(index + 1, &settled);
                    passed += 3;
                }
            }
            passed
        }));
    }
    let passed: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let (used, reserved) = memory.taken(BUDGET, period_start(Period::Day, NOW));
    assert_eq!((used, reserved), (passed, 0));
    assert!(used <= 1_000, "{used}");
    assert!(used > 990, "the budget can be used up: {used}");
}

#[test]
fn a_new_period_begins_anew() {
    let memory = Memory::empty();
    let mut held = memory.reserve(&[ask(100, 100)], NOW).unwrap();
    held.journalled(0, CallId::from_bits(1), 1);
    assert!(memory.reserve(&[ask(1, 100)], NOW).is_err());
    let tomorrow = NOW + std::time::Duration::from_secs(24 * 60 * 60);
    assert!(memory.reserve(&[ask(100, 100)], tomorrow).is_ok());
}

#[test]
fn a_kill_ends_every_token_from_before_it() {
    let memory = Memory::empty();
    let order = |order| {
        Entry::new(NOW, Event::Order(Order { by: None, id: alcaide_inventory::OrderId::from_bits(1), order }))
    };
    let token = TokenId::from_bits(5);
    assert_eq!(memory.is_good(&[(agent(), 0)], token, &[]), Ok(()));
    memory.apply(0, &order(OrderKind::Kill { actor: agent(), epoch: 1 }));
    assert_eq!(memory.is_good(&[(agent(), 0)], token, &[]), Err(NotGood::Killed(agent())));
    assert_eq!(memory.is_good(&[(agent(), 1)], token, &[]), Err(NotGood::Killed(agent())));
    memory.apply(1, &order(OrderKind::Unkill { actor: agent() }));
    assert_eq!(memory.is_good(&[(agent(), 0)], token, &[]), Err(NotGood::OldEpoch(agent())));
    assert_eq!(memory.is_good(&[(agent(), 1)], token, &[]), Ok(()));
    memory.apply(2, &order(OrderKind::Revoke { token }));
    assert_eq!(memory.is_good(&[(agent(), 1)], token, &[]), Err(NotGood::Revoked));
    assert_eq!(memory.is_good(&[(agent(), 1)], TokenId::from_bits(6), &[token]), Err(NotGood::Revoked));
    assert_eq!(memory.is_good(&[(agent(), 1)], TokenId::from_bits(6), &[]), Ok(()));
}

#[test]
fn a_quarantined_route_is_held_until_it_is_released_and_over_a_snapshot() {
    let (memory, route) = (Memory::empty(), RouteId::from_bits(7));
    let order = |order| {
        Entry::new(NOW, Event::Order(Order { by: None, id: alcaide_inventory::OrderId::from_bits(1), order }))
    };
    assert!(!memory.is_held(route));
    memory.apply(0, &order(OrderKind::QuarantineSource { route }));
    memory.apply(1, &order(OrderKind::QuarantineSource { route: RouteId::from_bits(8) }));
    memory.apply(2, &order(OrderKind::ReleaseSource { route: RouteId::from_bits(8) }));
    let again = Memory::from_snapshot(&memory.snapshot().unwrap().bytes).unwrap();
    for memory in [memory, again] {
        assert!(memory.is_held(route) && !memory.is_held(RouteId::from_bits(8)));
        memory.apply(3, &order(OrderKind::ReleaseSource { route }));
        assert!(!memory.is_held(route));
    }
}

#[test]
fn what_became_of_a_model_is_known_over_a_snapshot_but_not_what_lay_on_disk() {
    use alcaide_inventory::ModelId;
    use alcaide_record::{FilesState, ModelEvent, Proven, ScanVerdict, VersionState};
    let (memory, model, version) = (Memory::empty(), ModelId::from_bits(7), Digest([1; 32]));
    let registered = ModelEvent::Registered { by: None, bytes: 1, files: 1, model, sha256: version, version };
    let proven = Proven::Scan { packs: Digest([2; 32]), verdict: ScanVerdict::Clean };
    let evidence = ModelEvent::Evidence {
        by: None,
        envelope: Digest([3; 32]),
        expires: None,
        issued: NOW,
        model,
        proven,
        version,
    };
    let files = ModelEvent::Files { model, state: FilesState::Found { version } };
    for (index, event) in [registered, evidence, files].into_iter().enumerate() {
        memory.apply(index as u64, &Entry::new(NOW, Event::Model(event)));
    }
    let order = OrderKind::ReleaseModel { accepts_doubt: false, model, version };
    let order = Order { by: None, id: alcaide_inventory::OrderId::from_bits(1), order };
    memory.apply(3, &Entry::new(NOW, Event::Order(order)));
    let again = Memory::from_snapshot(&memory.snapshot().unwrap().bytes).unwrap();
    for memory in [memory, again] {
        let (state, files) = memory.model(model, |life| (life.state(&version), life.files()));
        assert_eq!((state, files), (Some(VersionState::Released), FilesState::Found { version }));
        memory.forget_files();
        assert_eq!(memory.model(model, alcaide_record::Life::files), FilesState::Reading);
        assert_eq!(memory.model(ModelId::from_bits(8), |life| life.state(&version)), None);
    }
}

#[test]
fn a_new_task_of_a_tainted_run_is_tainted_unless_attested() {
    let memory = Memory::empty();
    memory.apply(0, &issued(1, Some(9), false));
    assert_eq!(memory.label(TaskId::from_bits(1)), Label::CLEAN);
    memory.apply(1, &outcome(1, vec![], vec![Effect::Join { label: UNTRUSTED, task: TaskId::from_bits(1) }]));
    memory.apply(2, &issued(2, Some(9), false));
    assert_eq!(memory.label(TaskId::from_bits(2)), UNTRUSTED);
    memory.apply(3, &issued(3, Some(9), true));
    assert_eq!(memory.label(TaskId::from_bits(3)), Label::CLEAN);
    assert_eq!(memory.label(TaskId::from_bits(4)), Label::MISSING, "an unknown task is untrusted");
    memory.apply(4, &issued(1, Some(9), true));
    assert_eq!(memory.label(TaskId::from_bits(1)), UNTRUSTED, "a second token never cleans a task");
}

#[test]
fn a_proof_works_once() {
    let memory = Memory::empty();
    let forget = NOW + std::time::Duration::from_secs(60);
    assert_eq!(memory.first_time([1; 32], forget, NOW), Ok(()));
    assert_eq!(memory.first_time([1; 32], forget, NOW), Err(ReplayError::Replayed));
    assert_eq!(memory.first_time([2; 32], forget, NOW), Ok(()));
}

#[test]
fn counters_of_periods_that_are_over_go_away() {
    let memory = Memory::empty();
    let ask = |budget: u128, period| BudgetAsk {
        budget: BudgetId::from_bits(budget),
        name: "daily".parse().unwrap(),
        limit: 10,
        period,
        amount: 1,
    };
    let mut index = 0;
    for minute in 0..20_000_u64 {
        let now = NOW + std::time::Duration::from_secs(60 * minute);
        let asks = [ask(1, Period::Minute), ask(2, Period::Total)];
        let Ok(mut held) = memory.reserve(&asks[..if minute < 10 { 2 } else { 1 }], now) else { panic!() };
        let call = CallId::from_bits(u128::from(minute));
        held.journalled(index, call, 1);
        index += 1;
        // Of every other call it is never known how it ended.
        if minute % 2 == 0 {
            let settled = held.settlement(|_| 1);
            held.settle(index, &settled);
            index += 1;
        }
    }
    let state = memory.state();
    assert!(state.budgets.len() <= 1_024, "{}", state.budgets.len());
    assert!(state.open.len() <= 1_024, "{}", state.open.len());
    let total = &state.budgets[&(BudgetId::from_bits(2), Moment::from_secs(0))];
    assert_eq!(total.taken(), 10, "what counts for ever is kept");
}

#[test]
fn replayed_counters_go_away_too_and_no_more_than_the_bound_are_kept() {
    let memory = Memory::empty();
    let reserve = |budget, at: Moment| Effect::Reserve {
        amount: 1,
        budget: BudgetId::from_bits(budget),
        period: period_start(Period::Minute, at),
    };
    for minute in 0..70_000_u64 {
        let at = NOW + std::time::Duration::from_secs(60 * minute);
        let entry = Entry { at, ..intent(u128::from(minute), vec![reserve(1, at)]) };
        memory.apply(minute, &entry);
    }
    // The entry does not say how long the period is: it may be one of thirty days, of 43,200 minutes.
    assert!(memory.state().budgets.len() < 50_000, "{}", memory.state().budgets.len());
    let now = NOW + std::time::Duration::from_secs(60 * 70_000);
    let all: Vec<_> = (2..=COUNTERS_MAX as u128 + 2).map(|budget| reserve(budget, now)).collect();
    memory.apply(70_000, &Entry { at: now, ..intent(u128::MAX, all) });
    let more = |budget: u128| BudgetAsk {
        budget: BudgetId::from_bits(budget),
        period: Period::Minute,
        ..ask(1, 100)
    };
    assert!(memory.reserve(&[more(9_999_999)], now).is_err(), "there is no room for another");
    assert!(memory.reserve(&[more(2)], now).is_ok(), "those that are there go on");
}

#[test]
fn a_task_that_was_forgotten_does_not_come_back_clean() {
    let memory = Memory::empty();
    let mut index = 0;
    let mut apply = |entry: &Entry| {
        memory.apply(index, entry);
        index += 1;
    };
    let again = |task: u128| {
        let Event::Issued(issued) = issued(task, None, false).event else { panic!() };
        Entry::new(NOW, Event::Issued(Issued { begins: false, ..issued }))
    };
    let (tainted, own) = (TaskId::from_bits(1), TaskId::from_bits(2));
    apply(&issued(1, Some(9), false));
    apply(&again(2));
    assert_eq!(memory.label(own), Label::CLEAN, "nothing was forgotten yet, so it is new");
    apply(&outcome(1, vec![], vec![Effect::Join { label: UNTRUSTED, task: tainted }]));
    for task in 0..TASKS_MAX as u128 {
        apply(&issued(1_000 + task, None, false));
    }
    assert_eq!(memory.label(tainted), Label::MISSING, "it is forgotten");
    for task in [1, 2] {
        apply(&again(task));
        assert_eq!(memory.label(TaskId::from_bits(task)), Label::MISSING);
    }
    // What begins now is known to be new, unless its run had read something.
    apply(&issued(500, None, false));
    assert_eq!(memory.label(TaskId::from_bits(500)), Label::CLEAN);
    apply(&issued(501, Some(9), false));
    assert_eq!(memory.label(TaskId::from_bits(501)), UNTRUSTED);
    let restored = Memory::from_snapshot(&memory.snapshot().unwrap().bytes).unwrap();
    restored.apply(index, &again(3));
    assert_eq!(restored.label(TaskId::from_bits(3)), Label::MISSING, "a restart forgets none of that");
}

#[test]
fn entries_in_order_are_counted_and_others_are_set_aside() {
    let mut applied = crate::state::Applied::default();
    for (index, is_new) in [(0, true), (0, false), (2, true), (2, false), (1, true), (1, false), (3, true)] {
        assert_eq!(applied.note(index), is_new, "{index}");
    }
    assert_eq!((applied.below, applied.beyond.len()), (4, 0));
}

#[derive(Clone, Debug)]
enum Act {
    Reserve(u64),
    Settle(usize, u64),
    Taint(u128),
}

proptest! {
    /// Live state, full replay, and replay from a snapshot taken anywhere agree on what the ledger says.
    #[test]
    fn replay_from_any_snapshot_is_the_same(
        acts in proptest::collection::vec(
            prop_oneof![
                (1..50_u64).prop_map(Act::Reserve),
                (0..8_usize, 0..60_u64).prop_map(|(at, used)| Act::Settle(at, used)),
                (1..4_u128).prop_map(Act::Taint),
            ],
            1..60,
        ),
        cut in 0..60_usize,
    ) {
        let live = Memory::empty();
        let mut entries: Vec<Entry> = Vec::new();
        let mut open = Vec::new();
        let mut snapshot = live.snapshot().unwrap();
        for (at, act) in acts.into_iter().enumerate() {
            let index = entries.len() as u64;
            match act {
                Act::Reserve(amount) => {
                    if let Ok(mut held) = live.reserve(&[ask(amount, 500)], NOW) {
                        let call = u128::from(index);
                        entries.push(intent(call, held.effects()));
                        held.journalled(index, CallId::from_bits(call), 1);
                        open.push((call, held));
                    }
                }
                Act::Settle(pick, used) => {
                    if !open.is_empty() {
                        let (call, held) = open.swap_remove(pick % open.len());
                        let settled = held.settlement(|_| used);
                        entries.push(outcome(call, settled.clone(), vec![]));
                        held.settle(index, &settled);
                    }
                }
                Act::Taint(task) => {
                    let entry = outcome(u128::MAX, vec![], vec![Effect::Join { label: UNTRUSTED, task: TaskId::from_bits(task) }]);
                    live.apply(index, &entry);
                    entries.push(entry);
                }
            }
            if at == cut {
                snapshot = live.snapshot().unwrap();
            }
        }
        let replayed = Memory::empty();
        let restored = Memory::from_snapshot(&snapshot.bytes).unwrap();
        prop_assert!(restored.replay_from() <= snapshot.needs);
        for (index, entry) in entries.iter().enumerate() {
            replayed.apply(index as u64, entry);
            restored.apply(index as u64, entry);
        }
        let start = period_start(Period::Day, NOW);
        prop_assert_eq!(replayed.taken(BUDGET, start), live.taken(BUDGET, start));
        prop_assert_eq!(restored.taken(BUDGET, start), live.taken(BUDGET, start));
        for task in 1..4 {
            prop_assert_eq!(restored.label(TaskId::from_bits(task)), live.label(TaskId::from_bits(task)));
        }
        prop_assert_eq!(restored.replay_from(), entries.len() as u64);
    }
}
