//! Open questions task by task: repeats folded, one act for all of a task, whole or not at all.

use std::time::Duration;

use alcaide_control::{ApprovalState, By, Decision, Endorsement, OfficeError, Queue};
use alcaide_flow::Decisive as Shown;
use alcaide_inventory::TaskId;
use alcaide_inventory::id::ApprovalId;
use alcaide_record::{Approver, Chain, Decisive, Digest, Event, OrderKind, Refused};
use alcaide_seal::SystemEntropy;
use alcaide_seal::secret::SecretText;
use alcaide_seal::words::WordsKey;

use crate::house::{House, asking, chain};

const TASK: TaskId = TaskId::from_bits(5);

impl House {
    fn on_behalf(&self, task: TaskId) -> Chain {
        let plan = self.office.current();
        Chain { task, ..chain(self.agent("bot"), self.human("vera"), plan.units["finance"].id) }
    }

    /// A question of a task for these people about a call with this value; questions with the same value ask the same.
    async fn opens(&self, bits: u128, (task, value): (TaskId, &str), roles: &[Approver]) -> ApprovalId {
        let plan = self.office.current();
        let target = (plan.routes["files"].id, plan.tools[0].id);
        let expires = self.now() + Duration::from_secs(900);
        let mut asked: Refused = asking(bits, self.on_behalf(task), (roles, &[]), target, expires);
        let mut shown = Shown::default();
        shown.push("/path", value, true);
        let text = SecretText::from(serde_json::to_string(&shown).unwrap());
        let words = WordsKey::derive(&self.keys.master).unwrap();
        let sealed = words.seal(&text, &SystemEntropy::new()).unwrap();
        let values = Digest(self.ledger.shelf().put(&sealed).unwrap().into_bytes());
        let same = Digest([value.len().try_into().unwrap(); 32]);
        asked.question.as_mut().unwrap().decisive = Some(Decisive { same, values });
        self.append(Event::Refused(Box::new(asked))).await;
        self.office.catch_up().await.unwrap();
        ApprovalId::from_bits(bits)
    }

    async fn queue_of(&self, by: &By) -> Queue {
        self.office.queue(by).await.unwrap()
    }

    /// Orders that answer, in order.
    fn answers(&self) -> Vec<OrderKind> {
        let order = |event| match event {
            Event::Order(order) => Some(order.order),
            _ => None,
        };
        self.events(0).into_iter().filter_map(order).collect()
    }
}

const YES: (Decision, Endorsement) = (Decision::Approve, Endorsement::None);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeats_stand_once_and_one_act_answers_all_of_a_task() {
    let house = House::new().await;
    let (eva, vera) = (house.by("eva"), house.by("vera"));
    let any = &[Approver::Approver];
    for bits in 1..=3 {
        house.opens(bits, (TASK, "/etc/passwd"), any).await;
    }
    house.opens(4, (TASK, "/home"), any).await;
    let other = house.opens(5, (TaskId::from_bits(6), "/etc/passwd"), any).await;
    let theirs = house.opens(6, (TASK, "/etc/passwd"), &[Approver::Owner]).await;
    let queue = house.queue_of(&eva).await;
    let folded = |at: usize| -> Vec<(usize, bool)> {
        queue.tasks[at].entries.iter().map(|entry| (entry.questions.len(), entry.own)).collect()
    };
    let counts: Vec<_> = queue.tasks.iter().map(|one| (one.count, one.own)).collect();
    assert_eq!(counts, [(5, 4), (1, 1)], "tasks stay apart");
    assert_eq!(folded(0), [(3, true), (1, true), (1, false)], "so do other values, and other approvers");
    assert_eq!(folded(1), [(1, true)]);
    let shown = queue.tasks[0].entries[0].shown.as_ref().unwrap();
    assert_eq!(shown.values[0].value, "/etc/passwd");
    // Whoever may not answer sees that there are questions, and no value.
    let seen = house.queue_of(&vera).await;
    assert_eq!(seen.tasks.iter().map(|one| one.own).sum::<u64>(), 0);
    assert!(seen.tasks.iter().flat_map(|one| &one.entries).all(|entry| entry.shown.is_none()));
    assert_eq!(house.office.answer_task(&vera, TASK, YES, None).await.unwrap_err().code(), "ALC-OFFICE-0001");
    let digest = Some(queue.tasks[0].digest);
    let all = (Decision::Approve, Endorsement::All);
    let batch = house.office.answer_task(&eva, TASK, all, digest).await.unwrap();
    // One order for each question, and no more.
    assert_eq!(batch.orders.len(), 4);
    let given = house.answers();
    assert_eq!(given.len(), 4);
    for (order, bits) in given.iter().zip(1..) {
        let OrderKind::Approve { approval, endorses, .. } = order else { panic!("{order:?}") };
        assert_eq!((*approval, endorses.as_slice()), (ApprovalId::from_bits(bits), &[0][..]));
        let view = house.office.approval(&eva, *approval).await.unwrap();
        assert_eq!(view.state, ApprovalState::Approved);
    }
    for id in [other, theirs] {
        assert_eq!(house.office.approval(&eva, id).await.unwrap().state, ApprovalState::Open);
    }
    let again = house.office.answer_task(&eva, TASK, YES, None).await.unwrap_err();
    assert_eq!(again.code(), "ALC-OFFICE-0050");
    assert!(again.to_string().ends_with("no question of it is open that this person can answer"), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_answered_whole_as_it_was_shown_or_not_at_all() {
    let house = House::new().await;
    let (eva, ana) = (house.by("eva"), house.by("ana"));
    let any = &[Approver::Approver];
    for bits in 1..=3 {
        house.opens(bits, (TASK, "/home"), any).await;
    }
    let shown = house.queue_of(&eva).await.tasks[0].digest;
    // One has been answered meanwhile: the rest is not what was shown.
    house.office.deny(&ana, ApprovalId::from_bits(2)).await.unwrap();
    for decision in [Decision::Approve, Decision::Deny] {
        let answer = (decision, Endorsement::None);
        let error = house.office.answer_task(&eva, TASK, answer, Some(shown)).await.unwrap_err();
        assert!(error.to_string().ends_with("none is answered"), "{error}");
    }
    // Nor is it where one more has come.
    let shown = house.queue_of(&eva).await.tasks[0].digest;
    house.opens(4, (TASK, "/home"), any).await;
    assert!(house.office.answer_task(&eva, TASK, YES, Some(shown)).await.is_err());
    assert_eq!(house.answers().len(), 1);
    // A guard that takes fewer takes none.
    let mut house = house;
    house.keys.yes_limits.per_hour = 2;
    let house = house.restart(|_| {}).await.unwrap();
    let eva = house.by("eva");
    let shown = house.queue_of(&eva).await.tasks[0].digest;
    let tired = house.office.answer_task(&eva, TASK, YES, Some(shown)).await.unwrap_err();
    assert!(matches!(tired, OfficeError::Tired { limit: 2, .. }), "{tired}");
    assert_eq!(house.answers().len(), 1);
    // A no takes them all, and the operator's too.
    let no = (Decision::Deny, Endorsement::None);
    assert_eq!(house.office.answer_task(&eva, TASK, no.clone(), Some(shown)).await.unwrap().orders.len(), 3);
    house.opens(7, (TASK, "/home"), any).await;
    assert_eq!(
        house.office.answer_task(&By::Operator, TASK, YES, None).await.unwrap_err().code(),
        "ALC-OFFICE-0001"
    );
    assert_eq!(house.office.answer_task(&By::Operator, TASK, no, None).await.unwrap().orders.len(), 1);
    assert!(house.queue_of(&eva).await.tasks.is_empty());
}
