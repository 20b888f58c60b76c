//! A careless approver: what they can let pass within an hour is bounded by the record, and can be seen.

use std::time::Duration;

use alcaide_control::{AnswerCount, ApproverView, By, OfficeError, YesLimits};
use alcaide_inventory::id::ApprovalId;
use alcaide_record::{Approver, Event, OfficeAct};

use crate::house::{House, asking, chain};

const HOUR: Duration = Duration::from_secs(3_600);

impl House {
    /// A question for any approver about a call of a declared tool.
    async fn question(&self, bits: u128) -> ApprovalId {
        let plan = self.office.current();
        let who = chain(self.agent("bot"), self.human("vera"), plan.units["finance"].id);
        let target = (plan.routes["files"].id, plan.tools[0].id);
        let expires = self.now() + Duration::from_secs(900);
        let asked = asking(bits, who, (&[Approver::Approver], &[]), target, expires);
        self.append(Event::Refused(Box::new(asked))).await;
        ApprovalId::from_bits(bits)
    }

    /// Somebody says yes to a new question; what the office says where it does not take it.
    async fn says_yes(&self, name: &str, bits: u128) -> Result<(), OfficeError> {
        let id = self.question(bits).await;
        self.pass(Duration::from_secs(10));
        self.office.approve(&self.by(name), id).await.map(drop)
    }

    async fn approver(&self, name: &str) -> ApproverView {
        let all = self.office.approvers(&By::Operator).await.unwrap();
        all.into_iter().find(|one| one.human == self.human_id(name)).unwrap()
    }

    /// The same house with other limits, from its ledger and its store.
    async fn limited(mut self, per_hour: u32, grave_per_hour: u32) -> Self {
        self.keys.yes_limits = YesLimits { per_hour, grave_per_hour };
        self.restart(|_| {}).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_their_yes_of_an_hour_the_office_takes_no_more_and_a_no_still() {
    let house = House::new().await.limited(3, 2).await;
    for bits in 1..=3 {
        house.says_yes("eva", bits).await.unwrap();
    }
    let refused = house.says_yes("eva", 4).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0049");
    let told = refused.to_string();
    assert!(
        told.starts_with("the yes was not taken: this person has said yes 3 times within an hour;"),
        "{told}"
    );
    assert!(refused.help().contains("another approver"));
    // It is in the record, as is everything that counts.
    let acts = house.events(0).into_iter().filter_map(|event| match event {
        Event::Office(OfficeAct::Denied { by, code }) => Some((by, code)),
        _ => None,
    });
    assert_eq!(acts.collect::<Vec<_>>(), [(Some(house.human_id("eva")), "ALC-OFFICE-0049".to_owned())]);
    house.office.deny(&house.by("eva"), ApprovalId::from_bits(4)).await.unwrap();
    house.says_yes("ana", 5).await.unwrap();
    // A restart resets nothing.
    let house = house.limited(3, 2).await;
    assert_eq!(house.says_yes("eva", 6).await.unwrap_err().code(), "ALC-OFFICE-0049");
    let eva = house.approver("eva").await;
    assert_eq!(eva.hour, AnswerCount { yes: 3, no: 1, grave_yes: 0, refused: 2 });
    assert_eq!((eva.day, eva.week), (eva.hour, eva.hour));
    assert_eq!((eva.left.any, eva.left.grave, eva.warning), (0, 0, false));
    assert_eq!((eva.median_ms, eva.fast_percent), (Some(10_000), Some(0)));
    assert_eq!(house.approver("ana").await.left.any, 2);
    // The first yes is an hour old, and one is taken.
    house.pass(HOUR - Duration::from_secs(60));
    house.says_yes("eva", 7).await.unwrap();
    let next = house.question(8).await;
    let refused = house.office.approve(&house.by("eva"), next).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0049");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fewer_yes_are_taken_where_more_is_at_stake_and_who_hardly_looks_is_told() {
    let house = House::new().await.limited(5, 1).await;
    let plan = house.office.current();
    let (route, tool) = (plan.routes["files"].id, plan.tools[0].id);
    assert_eq!(plan.tools[0].spec.name, "read_file");
    // A tool that nobody declared counts as the gravest.
    let unknown = alcaide_inventory::ToolId::from_bits(77);
    let ask = async |bits: u128, tool| {
        let who = chain(house.agent("bot"), house.human("vera"), plan.units["finance"].id);
        let expires = house.now() + Duration::from_secs(900);
        let asked = asking(bits, who, (&[Approver::Approver], &[]), (route, tool), expires);
        house.append(Event::Refused(Box::new(asked))).await;
        house.pass(Duration::from_secs(1));
        house.office.approve(&house.by("eva"), ApprovalId::from_bits(bits)).await.map(drop)
    };
    ask(1, unknown).await.unwrap();
    let refused = ask(2, unknown).await.unwrap_err();
    assert!(refused.to_string().contains("1 times within an hour about money, credentials"), "{refused}");
    for bits in 3..=6 {
        ask(bits, tool).await.unwrap();
    }
    assert!(ask(7, tool).await.is_err());
    let eva = house.approver("eva").await;
    assert_eq!((eva.hour.yes, eva.hour.grave_yes, eva.hour.refused), (5, 1, 2));
    assert_eq!((eva.median_ms, eva.fast_percent, eva.warning), (Some(1_000), Some(100), true));
}
