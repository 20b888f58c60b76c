//! Questions of the gate, from the entry that asks to the one that uses the answer.

use std::time::Duration;

use alcaide_control::{ActivityFilter, ApprovalState, By, CallState, Decision, Paging, UsageBy, UsageFilter};
use alcaide_inventory::Actor;
use alcaide_inventory::declare::Role;
use alcaide_inventory::id::{ApprovalId, HumanId};
use alcaide_record::{Approver, Chain, Digest, Event, Order, OrderKind, Refused};

use crate::house::{House, asking, chain, outcome, spending};

const LIFE: Duration = Duration::from_secs(900);

impl House {
    /// A question about `helper` (owned by Ana, sponsored by Rui) for Vera; gives its id.
    async fn ask(&self, bits: u128, roles: &[Approver], any_of: &[&[Approver]]) -> ApprovalId {
        self.ask_about(bits, self.helper_for(self.human("vera")), roles, any_of).await
    }

    async fn ask_about(
        &self,
        bits: u128,
        who: Chain,
        roles: &[Approver],
        any_of: &[&[Approver]],
    ) -> ApprovalId {
        let asked = self.asked(bits, who, roles, any_of);
        self.append(Event::Refused(Box::new(asked))).await;
        self.office.catch_up().await.unwrap();
        ApprovalId::from_bits(bits)
    }

    fn asked(&self, bits: u128, who: Chain, roles: &[Approver], any_of: &[&[Approver]]) -> Refused {
        let plan = self.office.current();
        let target = (plan.routes["files"].id, plan.tools[0].id);
        asking(bits, who, (roles, any_of), target, self.now() + LIFE)
    }

    fn helper_for(&self, subject: Actor) -> Chain {
        chain(self.agent("helper"), subject, self.office.current().units["finance"].id)
    }

    async fn state(&self, id: ApprovalId) -> ApprovalState {
        self.office.approval(&By::Operator, id).await.unwrap().state
    }

    /// What the office says to a yes; empty where it takes it.
    async fn yes(&self, by: &str, id: ApprovalId) -> String {
        let given = self.office.approve(&self.by(by), id).await;
        given.err().map(|error| error.to_string()).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_answer_one_question() {
    let house = House::new().await;
    let id = house.ask(1, &[Approver::Approver, Approver::Sponsor], &[]).await;
    assert_eq!(house.state(id).await, ApprovalState::Open);
    assert_eq!(house.yes("eva", id).await, "");
    assert_eq!(house.state(id).await, ApprovalState::Open, "the sponsor has not answered");
    assert!(house.yes("eva", id).await.contains("answered already"));
    // Rui has no role that answers questions, but this one asks for the sponsor.
    assert_eq!(house.yes("rui", id).await, "");
    let view = house.office.approval(&By::Operator, id).await.unwrap();
    assert_eq!(view.state, ApprovalState::Approved);
    let names: Vec<_> = view.yes.iter().map(|yes| yes.name.as_ref().unwrap().as_str()).collect();
    assert_eq!(names, ["eva", "rui"]);
    assert_eq!(view.yes[0].expires, house.now() + LIFE);
    let shown = |name: &Option<alcaide_inventory::Name>| name.as_ref().unwrap().to_string();
    assert_eq!((shown(&view.actor_name), shown(&view.subject_name)), ("helper".into(), "vera".into()));
    assert_eq!(
        (shown(&view.route_name), view.tool_name.as_deref()),
        ("files".into(), Some("files/read_file"))
    );
    assert_eq!(view.roles, [Approver::Approver, Approver::Sponsor]);
    let asked = house.asked(1, house.helper_for(house.human("vera")), &view.roles, &[]);
    assert_eq!(view.digest, alcaide_control::question_digest(&asked).unwrap());

    // The intent that uses the answer ends it, for all.
    let who = house.helper_for(house.human("vera"));
    let route = house.office.current().routes["files"].id;
    let intent = house.append(spending(1, id, who, route)).await;
    house.append(outcome(1, 1, intent, alcaide_record::End::Complete, 3)).await;
    house.office.catch_up().await.unwrap();
    let view = house.office.approval(&By::Operator, id).await.unwrap();
    assert_eq!((view.state, view.spent), (ApprovalState::Spent, Some(intent)));
    assert!(house.yes("ana", id).await.contains("was made"));
    let deny = house.office.deny(&house.by("eva"), id).await.unwrap_err();
    assert!(deny.to_string().contains("was made"), "{deny}");
    // The call that waited is one call, that passed; it was not refused.
    let page =
        house.office.activity(&By::Operator, ActivityFilter::default(), Paging::default()).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!((page.items[0].state, page.items[0].code.as_deref()), (CallState::Ended, None));
    assert_eq!(page.items[0].approval, Some(id));
    let filter = UsageFilter { by: UsageBy::Actor, since: None, until: None };
    let usage = house.office.usage(&By::Operator, filter).await.unwrap();
    assert_eq!((usage[0].requests, usage[0].refused), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_to_what_was_shown() {
    let house = House::new().await;
    let eva = house.by("eva");
    let id = house.ask(1, &[Approver::Approver], &[]).await;
    let digest = house.office.approval(&eva, id).await.unwrap().digest;
    for decision in [Decision::Approve, Decision::Deny] {
        let other = Some(Digest([7; 32]));
        let error = house.office.decide(&eva, id, decision, other).await.unwrap_err();
        assert!(error.to_string().ends_with("it is not the one that was shown"), "{error}");
    }
    assert_eq!(house.state(id).await, ApprovalState::Open);
    let given = house.office.decide(&eva, id, Decision::Approve, Some(digest)).await.unwrap();
    assert!(matches!(given.order, OrderKind::Approve { .. }));
    assert_eq!(house.state(id).await, ApprovalState::Approved);
    house.office.decide(&eva, id, Decision::Deny, None).await.unwrap();
    assert_eq!(house.state(id).await, ApprovalState::Denied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_named_may_answer_before_the_office_has_read_the_question() {
    let house = House::new().await;
    let asked = house.asked(1, house.helper_for(house.human("vera")), &[Approver::Sponsor], &[]);
    house.append(Event::Refused(Box::new(asked))).await;
    // Nothing has been followed since.
    assert_eq!(house.yes("rui", ApprovalId::from_bits(1)).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_is_asked_answers() {
    let house = House::new().await;
    // Ana owns `helper` and is an approver and an administrator: a second person is somebody else.
    let id = house.ask(1, &[Approver::Approver], &[]).await;
    assert!(house.yes("ana", id).await.contains("owns or sponsors"));
    // Vera is whom it is for, Rui has no role, and nobody asks for his.
    assert_eq!(house.office.approve(&house.by("rui"), id).await.unwrap_err().code(), "ALC-OFFICE-0001");
    assert_eq!(house.office.approve(&house.by("vera"), id).await.unwrap_err().code(), "ALC-OFFICE-0001");
    assert_eq!(house.office.approve(&By::Operator, id).await.unwrap_err().code(), "ALC-OFFICE-0001");
    // The owner's own yes counts where it is the owner's that is asked for; then not the approver's.
    let id = house.ask(2, &[Approver::Owner], &[]).await;
    assert!(house.yes("eva", id).await.contains("somebody else is asked"));
    assert_eq!(house.yes("ana", id).await, "");
    assert_eq!(house.state(id).await, ApprovalState::Approved);
    // Not where it is on the owner's own behalf, nor where the owner acts in the chain.
    let id = house.ask_about(3, house.helper_for(house.human("ana")), &[Approver::Owner], &[]).await;
    assert!(house.yes("ana", id).await.contains("on whose behalf"));
    let through = Chain { earlier: vec![house.human("ana")], ..house.helper_for(house.human("vera")) };
    let id = house.ask_about(4, through, &[Approver::Owner], &[]).await;
    assert!(house.yes("ana", id).await.contains("whoever asks"));
    // One of two groups is enough.
    let bot = chain(house.agent("bot"), house.human("vera"), house.office.current().units["finance"].id);
    let groups: &[&[Approver]] = &[&[Approver::Owner], &[Approver::Approver, Approver::Administrator]];
    let id = house.ask_about(5, bot, &[], groups).await;
    assert_eq!(house.yes("eva", id).await, "");
    assert_eq!(house.state(id).await, ApprovalState::Open);
    assert_eq!(house.yes("ana", id).await, "");
    assert_eq!(house.state(id).await, ApprovalState::Approved);
    // Who has lost the role since counts no more.
    let id = house.ask(6, &[Approver::Approver], &[]).await;
    assert_eq!((house.yes("eva", id).await.as_str(), house.state(id).await), ("", ApprovalState::Approved));
    let mut spec = house.office.current().humans["eva"].spec.clone();
    spec.roles = vec![Role::Viewer];
    house.office.human_edit(&By::Operator, "eva".parse().unwrap(), spec, None).await.unwrap();
    assert_eq!(house.state(id).await, ApprovalState::Open);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_end_and_orders_that_do_not_fit_count_for_nothing() {
    let house = House::new().await;
    let id = house.ask(1, &[Approver::Approver], &[]).await;
    let digest = house.office.approval(&By::Operator, id).await.unwrap().digest;
    let eva = Some(house.human_id("eva"));
    let expires = house.now() + LIFE;
    let order = |by: Option<HumanId>, digest| {
        let order = OrderKind::Approve { approval: id, digest, endorses: vec![], expires };
        Event::Order(Order {
            by,
            id: alcaide_inventory::OrderId::from_bits(house.ledger.size().into()),
            order,
        })
    };
    house.append(order(eva, Digest([9; 32]))).await;
    house.append(order(None, digest)).await;
    house.office.catch_up().await.unwrap();
    let view = house.office.approval(&By::Operator, id).await.unwrap();
    assert_eq!((view.state, view.yes), (ApprovalState::Open, vec![]));
    house.append(order(eva, digest)).await;
    house.office.catch_up().await.unwrap();
    assert_eq!(house.state(id).await, ApprovalState::Approved);
    // A no may still come, and takes the yes away.
    house.office.deny(&By::Operator, id).await.unwrap();
    assert_eq!(house.state(id).await, ApprovalState::Denied);
    assert!(house.yes("eva", id).await.contains("with no"));

    let id = house.ask(2, &[Approver::Approver], &[]).await;
    house.pass(LIFE - Duration::from_secs(1));
    assert_eq!(house.yes("eva", id).await, "");
    house.pass(LIFE - Duration::from_secs(1));
    assert_eq!(house.state(id).await, ApprovalState::Approved, "a yes outlives its question");
    house.pass(Duration::from_secs(1));
    assert_eq!(house.state(id).await, ApprovalState::Expired);
    let late = house.office.deny(&house.by("eva"), id).await.unwrap_err();
    assert!(late.to_string().contains("too old"), "{late}");
    // Nothing of it is lost over a restart.
    let house = house.restart(|_| {}).await.unwrap();
    assert_eq!(house.state(id).await, ApprovalState::Expired);
    assert_eq!(house.office.approval(&By::Operator, id).await.unwrap().yes.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_yes_of_somebody_who_was_stopped_counts_no_more() {
    let house = House::new().await;
    let id = house.ask(1, &[Approver::Approver], &[]).await;
    assert_eq!(house.yes("eva", id).await, "");
    assert_eq!(house.state(id).await, ApprovalState::Approved);
    house.office.kill(&By::Operator, house.human("eva")).await.unwrap();
    assert_eq!(house.state(id).await, ApprovalState::Open);
    assert!(house.office.approval(&By::Operator, id).await.unwrap().yes.is_empty());
    // Let go again, they have said nothing yet, and may.
    house.office.unkill(&By::Operator, house.human("eva")).await.unwrap();
    assert_eq!(house.state(id).await, ApprovalState::Open);
    assert_eq!(house.yes("eva", id).await, "");
    assert_eq!(house.state(id).await, ApprovalState::Approved);
    assert!(house.yes("eva", id).await.contains("answered already"));
}
