//! What the record says of where data came from, told to people.

use alcaide_control::{
    AgentReport, By, Habit, Paging, REACH_CALLS_MAX, Reach, ReachOf, TASK_CALLS_MAX, Took, Wrong,
};
use alcaide_inventory::PlanNumber;
use alcaide_inventory::id::{AgentId, ApprovalId, CallId, RouteId, TaskId};
use alcaide_label::{Label, Provenance};
use alcaide_record::{
    ActionKind, Approver, Chain, Digest, Effect, Entry, Event, FlowNote, Refused, Target, WordsGrade,
};
use alcaide_seal::digest::HmacKey;
use serde_json::json;

use crate::house::{House, asking, chain, declared_with, intent, outcome, refused};
use crate::tools::{offer, server, text};

const OP: By = By::Operator;

/// A house whose one tool is accepted, with three arguments.
async fn accepted() -> House {
    let house = House::new().await;
    let id = house.office.current().tools[0].id;
    let schema = json!({ "to": {}, "amount": {}, "note": {} });
    let pin = offer(&house, 1, Some(id), &text("read_file", "Reads.", &schema)).await;
    house.office.accept_pin(&house.by("eva"), &server(), "read_file", pin).await.unwrap();
    house
}

impl House {
    fn who(&self) -> alcaide_record::Chain {
        chain(self.agent("helper"), self.human("vera"), self.office.current().units["finance"].id)
    }

    /// A call of the tool that is sent, whose answer makes the task this.
    pub(crate) async fn tool_call(
        &self,
        bits: u128,
        reads: Label,
        change: impl FnOnce(&mut alcaide_record::Intent),
    ) -> u64 {
        let plan = self.office.current();
        let Event::Intent(mut one) = intent(bits, 1, self.who(), plan.routes["files"].id) else { panic!() };
        one.action = ActionKind::CallTool;
        one.target.tool = Some(plan.tools[0].id);
        one.decided.plan = plan.number;
        one.effects = vec![Effect::Join { label: reads, task: one.who.task }];
        change(&mut one);
        let index = self.append(Event::Intent(one)).await;
        self.append(outcome(bits, 1, index, alcaide_record::End::Complete, 0)).await;
        self.office.catch_up().await.unwrap();
        index
    }

    fn question_of(&self, bits: u128, flow: FlowNote, arguments: Vec<Provenance>) -> Refused {
        let plan = self.office.current();
        let target = (plan.routes["files"].id, plan.tools[0].id);
        let expires = self.now() + std::time::Duration::from_secs(900);
        let mut asked = asking(bits, self.who(), (&[Approver::Approver], &[]), target, expires);
        let content = asked.content.as_mut().unwrap();
        content.flow = Some(Box::new(flow));
        content.arguments = arguments;
        content.words = WordsGrade::Attested;
        asked.decided.as_mut().unwrap().plan = plan.number;
        asked
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_says_by_name_where_each_argument_comes_from() {
    let house = accepted().await;
    house.tool_call(1, Label::MISSING, |_| {}).await;
    house.tool_call(2, Label::CLEAN, |_| {}).await;
    let flow = FlowNote {
        // As given: `note`, `to`, one that is none of the schema's.
        names: vec![1, 2, u16::MAX],
        unbound: vec![1],
        copied: vec![0],
        in_scope: true,
        sources: vec![CallId::from_bits(1), CallId::from_bits(2), CallId::from_bits(99)],
        ..FlowNote::default()
    };
    let classes = vec![Provenance::Untrusted, Provenance::Unknown, Provenance::UserAttested];
    let asked = house.question_of(7, flow, classes);
    house.append(Event::Refused(Box::new(asked))).await;
    house.office.catch_up().await.unwrap();

    let question = house.office.question(&house.by("eva"), ApprovalId::from_bits(7)).await.unwrap();
    assert_eq!(question.approval.id, ApprovalId::from_bits(7));
    let origins = question.origins.unwrap();
    let told: Vec<_> =
        origins.arguments.iter().map(|one| (one.title(), one.says.clone(), one.wrong.clone())).collect();
    let id = CallId::from_bits;
    let strangers = format!(
        "comes from strangers: the answer of call `{}` to `files/read_file`, or the answer of call `{}`, not from the user",
        id(1),
        id(99)
    );
    assert_eq!(
        told,
        [
            ("note".into(), strangers, vec![Wrong::Copied]),
            ("to".into(), "seen nowhere before".into(), vec![Wrong::Unbound]),
            ("an argument that the schema does not have".into(), "the user said it".into(), vec![]),
        ]
    );
    assert_eq!(origins.says, ["the user's words ask for this tool"]);
    let labels: Vec<_> =
        origins.sources.iter().map(|one| (one.call, one.label, one.is_untrusted())).collect();
    assert_eq!(
        labels,
        [(id(1), Some(Label::MISSING), true), (id(2), Some(Label::CLEAN), false), (id(99), None, true)]
    );
    // The call says the same, and its JSON comes back as it was.
    assert_eq!(house.office.origins(&OP, id(7)).await.unwrap().as_ref(), Some(&origins));
    let json = serde_json::to_string(&house.office.question(&OP, ApprovalId::from_bits(7)).await.unwrap());
    let back: alcaide_control::QuestionView = serde_json::from_str(&json.unwrap()).unwrap();
    assert_eq!(back.origins, Some(origins));
    // What is no call of a tool says nothing, and nobody without a role is told.
    assert_eq!(house.office.origins(&OP, id(1)).await.unwrap(), None);
    assert_eq!(house.office.origins(&OP, id(98)).await.unwrap_err().code(), "ALC-OFFICE-0004");
    let nobody = By::Human { id: house.human_id("vera"), roles: Vec::new(), token: None };
    assert_eq!(house.office.origins(&nobody, id(7)).await.unwrap_err().code(), "ALC-OFFICE-0001");
    assert_eq!(
        house.office.question(&nobody, ApprovalId::from_bits(7)).await.unwrap_err().code(),
        "ALC-OFFICE-0001"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_those_of_the_plan_that_decided() {
    let house = accepted().await;
    let flow = FlowNote { names: vec![0], ..FlowNote::default() };
    let asked = house.question_of(7, flow.clone(), vec![Provenance::Unknown]);
    house.append(Event::Refused(Box::new(asked))).await;
    // The tool is accepted in another form since.
    let id = house.office.current().tools[0].id;
    let pin = offer(&house, 1, Some(id), &text("read_file", "Reads.", &json!({ "aaa": {} }))).await;
    house.office.accept_pin(&house.by("eva"), &server(), "read_file", pin).await.unwrap();
    let told = house.office.question(&OP, ApprovalId::from_bits(7)).await.unwrap().origins.unwrap();
    assert_eq!(told.arguments[0].title(), "amount");
    // Of a plan that nobody kept, the place stays.
    let mut asked = house.question_of(8, flow, vec![Provenance::Unknown]);
    asked.decided.as_mut().unwrap().plan = PlanNumber(77);
    house.append(Event::Refused(Box::new(asked))).await;
    house.office.catch_up().await.unwrap();
    let told = house.office.question(&OP, ApprovalId::from_bits(8)).await.unwrap().origins.unwrap();
    assert_eq!(told.arguments[0].title(), "argument 1 of a schema that is not kept any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_a_graph_of_what_it_read_and_did() {
    let house = accepted().await;
    let id = CallId::from_bits;
    let task = house.who().task;
    let unknown = house.office.task_flow(&OP, task).await.unwrap_err();
    assert_eq!(unknown.code(), "ALC-OFFICE-0004", "nothing is known of it yet");
    house.tool_call(1, Label::MISSING, |_| {}).await;
    house
        .tool_call(2, Label::CLEAN, |one| {
            one.content.words = WordsGrade::Attested;
            one.content.arguments = vec![Provenance::UserAttested];
            one.content.flow = Some(Box::new(FlowNote { names: vec![0], ..FlowNote::default() }));
            one.effects.push(Effect::Plant { runs: Digest([4; 32]), store: Digest([5; 32]) });
        })
        .await;
    let flow = FlowNote {
        names: vec![0, 1],
        unbound: vec![0],
        sources: vec![id(1), id(2), id(99)],
        ..FlowNote::default()
    };
    let asked = house.question_of(7, flow, vec![Provenance::Untrusted, Provenance::Trusted]);
    house.append(Event::Refused(Box::new(asked))).await;
    house.office.catch_up().await.unwrap();

    let graph = house.office.task_flow(&house.by("vera"), task).await.unwrap();
    let calls: Vec<_> = graph.calls.iter().map(|one| one.call.call).collect();
    assert_eq!(calls, [id(1), id(2), id(7)], "oldest first");
    assert_eq!(
        (graph.words, graph.more, graph.actor),
        (WordsGrade::Attested, false, Some(house.agent("helper")))
    );
    assert_eq!(graph.actor_name.as_ref().unwrap().as_str(), "helper");
    let edges: Vec<_> = graph.edges.iter().map(|one| (one.from, one.to, one.untrusted)).collect();
    assert_eq!(
        edges,
        [
            (None, id(2), false),
            (Some(id(1)), id(7), true),
            (Some(id(2)), id(7), false),
            // What is not known is strangers'.
            (Some(id(99)), id(7), true),
        ]
    );
    let [read, wrote, asks] = &graph.calls[..] else { panic!() };
    assert!(read.reads_strangers() && !read.plants && !wrote.reads_strangers() && wrote.plants);
    assert_eq!((asks.wrong.as_slice(), asks.reads), (&[Wrong::Unbound][..], None), "nothing was sent");
    assert_eq!(asks.from, [Provenance::Trusted, Provenance::Untrusted]);
    assert_eq!(read.what().as_deref(), Some("files/read_file"));
    assert_eq!((read.effect, read.acts), (Some(alcaide_inventory::fact::Effect::Read), false));
    let back: alcaide_control::TaskFlow =
        serde_json::from_str(&serde_json::to_string(&graph).unwrap()).unwrap();
    assert_eq!(back, graph);
    let nobody = By::Human { id: house.human_id("vera"), roles: Vec::new(), token: None };
    assert_eq!(house.office.task_flow(&nobody, task).await.unwrap_err().code(), "ALC-OFFICE-0001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_long_task_the_newest_calls_are_shown() {
    let house = accepted().await;
    let most = u128::from(TASK_CALLS_MAX);
    for bits in 1..=most {
        house.append(intent(bits, 1, house.who(), house.office.current().routes["files"].id)).await;
    }
    house.office.catch_up().await.unwrap();
    let whole = house.office.task_flow(&OP, house.who().task).await.unwrap();
    assert!(!whole.more && whole.calls.len() == usize::try_from(most).unwrap());
    house.append(intent(most + 1, 1, house.who(), house.office.current().routes["files"].id)).await;
    house.office.catch_up().await.unwrap();
    let part = house.office.task_flow(&OP, house.who().task).await.unwrap();
    assert!(part.more && part.calls.len() == whole.calls.len());
    assert_eq!(part.calls[0].call.call, CallId::from_bits(2));
}

/// What the gate writes in place of a name.
fn commitment(text: &str) -> Digest {
    Digest(HmacKey::new(&[7; 32]).mac(text.as_bytes()).into_bytes())
}

fn read_from(sources: &[u128]) -> Option<Box<FlowNote>> {
    let sources = sources.iter().map(|bits| CallId::from_bits(*bits)).collect();
    Some(Box::new(FlowNote { names: vec![0], sources, ..FlowNote::default() }))
}

/// A house in which a task read strangers' text (call 1), paid with an argument from it (2), paid again with one from the
/// answer to that and wrote into a store (3), and was refused a third payment (4); then another task reads the store (9).
async fn touched() -> House {
    let house = House::new().await;
    let more = "effect = \"read\"\n[[tool]]\nserver = \"files\"\nname = \"pay\"\neffect = \"money\"\nstore = \"book\"\n";
    house.office.apply(&OP, declared_with("effect = \"read\"\n", more), None).await.unwrap();
    let pay = house.office.current().tools.iter().find(|tool| tool.spec.name == "pay").unwrap().id;
    let read = house.office.current().tools.iter().find(|tool| tool.spec.name == "read_file").unwrap().id;
    house.tool_call(1, Label::MISSING, |one| one.target.tool = Some(read)).await;
    house.pass(MINUTE);
    house
        .tool_call(2, Label::CLEAN, |one| {
            one.target.tool = Some(pay);
            one.content.flow = read_from(&[1]);
        })
        .await;
    house
        .tool_call(3, Label::CLEAN, |one| {
            one.target.tool = Some(pay);
            one.content.flow = read_from(&[2]);
            one.effects.push(Effect::Plant { runs: Digest([4; 32]), store: commitment("store/book") });
        })
        .await;
    let mut refused = refused(4, Some(house.who()), None);
    refused.target = Some(Target { name: Digest([3; 32]), route: Some(house.files()), tool: Some(pay) });
    house.append(Event::Refused(Box::new(refused))).await;
    // A method of the server that is no read-back, and one that is.
    for (bits, name) in [(8, "files/notifications/message"), (9, "files/session/recall")] {
        house
            .tool_call(bits, Label::MISSING, |one| {
                one.action = ActionKind::CallMethod;
                one.target = Target { name: commitment(name), route: Some(house.files()), tool: None };
                one.who.actor = house.agent("bot");
                one.who.task = TaskId::from_bits(6);
            })
            .await;
    }
    house
}

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

impl House {
    fn files(&self) -> RouteId {
        self.office.current().routes["files"].id
    }

    async fn reach(&self, of: ReachOf) -> Reach {
        self.office.reach(&self.by("vera"), of, None, Paging::default()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_source_touched_is_told_with_who_received_it_and_who_read_it_back() {
    let house = touched().await;
    let id = CallId::from_bits;
    let reach = house.reach(ReachOf::Call(id(1))).await;
    assert_eq!((reach.sources, reach.tasks.len()), (1, 1));
    let task = &reach.tasks[0];
    assert_eq!((task.task, task.by, task.more), (house.who().task, id(1), false));
    let calls: Vec<_> = task.calls.iter().map(|one| (one.flow.call.call, one.took)).collect();
    assert_eq!(calls, [(id(2), Took::Directly), (id(3), Took::Through), (id(4), Took::No)]);
    let [receiver] = &reach.receivers[..] else { panic!("{:?}", reach.receivers) };
    assert_eq!(receiver.tool_name.as_deref(), Some("files/pay"));
    assert_eq!((receiver.calls, receiver.took), (2, 2), "what was refused reached nobody");
    let [store] = &reach.stores[..] else { panic!("{:?}", reach.stores) };
    assert_eq!(
        (store.name.as_deref(), store.written_by.as_slice(), store.more),
        (Some("book"), &[id(3)][..], false)
    );
    let back: Vec<_> = store.read_back.iter().map(|one| (one.call, one.task, one.actor)).collect();
    assert_eq!(back, [(id(9), Some(TaskId::from_bits(6)), Some(house.agent("bot")))]);
    let json: Reach = serde_json::from_str(&serde_json::to_string(&reach).unwrap()).unwrap();
    assert_eq!(json, reach);

    // From the tool and from the agent it is the same task.
    let of = house.office.reach_of_tool(&OP, &server(), "read_file").await.unwrap();
    assert_eq!(house.reach(of).await.tasks, reach.tasks);
    let of_agent = house.reach(ReachOf::Actor(house.agent("helper"))).await;
    assert_eq!((of_agent.sources, of_agent.tasks[0].by, of_agent.tasks[0].calls.len()), (3, id(1), 3));
    // The second payment has nothing to do with what was read after it.
    let later = house.reach(ReachOf::Call(id(3))).await;
    assert_eq!(later.tasks[0].calls.iter().map(|one| one.flow.call.call).collect::<Vec<_>>(), [id(4)]);
    // What was refused brought no answer.
    let none = house.reach(ReachOf::Call(id(4))).await;
    assert_eq!((none.sources, none.tasks.len(), none.receivers.len()), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_are_paged_bounded_by_time_and_for_whoever_may_see_calls() {
    let house = touched().await;
    let of = ReachOf::Actor(house.agent("helper"));
    let since = Some(house.now() - MINUTE / 2);
    let late = house.office.reach(&OP, of, since, Paging::default()).await.unwrap();
    assert_eq!((late.sources, late.tasks[0].by), (2, CallId::from_bits(2)));
    // The newest of its calls was refused; the next page goes on below it.
    let one = Paging { limit: Some(2), after: None };
    let first = house.office.reach(&OP, of, None, one).await.unwrap();
    assert_eq!((first.sources, first.tasks[0].by), (1, CallId::from_bits(3)));
    let rest = Paging { limit: Some(2), after: first.next };
    let second = house.office.reach(&OP, of, None, rest).await.unwrap();
    assert_eq!((second.sources, second.tasks[0].by, second.next), (2, CallId::from_bits(1), None));

    let nobody = By::Human { id: house.human_id("vera"), roles: Vec::new(), token: None };
    let refused = house.office.reach(&nobody, of, None, Paging::default()).await.unwrap_err();
    assert_eq!(refused.code(), "ALC-OFFICE-0001");
    let unknown = ReachOf::Call(CallId::from_bits(77));
    let unknown = house.office.reach(&OP, unknown, None, Paging::default()).await.unwrap_err();
    assert_eq!(unknown.code(), "ALC-OFFICE-0004");
    let undeclared = house.office.reach_of_tool(&OP, &server(), "nothing").await.unwrap_err();
    assert_eq!(undeclared.code(), "ALC-OFFICE-0004");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_bound_tasks_say_that_there_is_more() {
    let house = House::new().await;
    let tool = house.office.current().tools[0].id;
    let each = u128::from(TASK_CALLS_MAX);
    let tasks = u128::try_from(REACH_CALLS_MAX).unwrap() / each + 1;
    let mut written = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let who = Chain { task: TaskId::from_bits(100 + task), ..house.who() };
        for at in 0..each {
            let Event::Intent(mut one) = intent(task * 1_000 + at, 1, who.clone(), house.files()) else {
                panic!()
            };
            one.target.tool = (at == 0).then_some(tool);
            let leaf = Entry::new(house.now(), Event::Intent(one)).to_leaf().unwrap();
            if at == 0 {
                let _ = house.ledger.append(leaf).await.unwrap();
            } else {
                let ledger = house.ledger.clone();
                written.spawn(async move { ledger.append(leaf).await.map(drop) });
            }
        }
    }
    while let Some(done) = written.join_next().await {
        done.unwrap().unwrap();
    }
    house.office.catch_up().await.unwrap();
    let reach = house.reach(ReachOf::Tool(tool)).await;
    let more: Vec<bool> = reach.tasks.iter().map(|task| task.more).collect();
    let mut wanted = vec![false; usize::try_from(tasks).unwrap()];
    *wanted.last_mut().unwrap() = true;
    assert_eq!(more, wanted, "the oldest task is read no further");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_tells_what_rights_were_used_for_and_what_people_always_say() {
    let house = House::new().await;
    let more = "effect = \"read\"\n[[tool]]\nserver = \"files\"\nname = \"pay\"\neffect = \"money\"\n";
    let mut declared = declared_with("effect = \"read\"\n", more);
    let helper = declared.agents.iter_mut().find(|one| one.name.as_str() == "helper").unwrap();
    let grants = ["use:tool/files/read_file", "use:tool/files/pay", "use:model/*"];
    helper.spec.may = grants.iter().map(|grant| grant.parse().unwrap()).collect();
    house.office.apply(&OP, declared, None).await.unwrap();
    let tool = |name: &str| house.office.current().tools.iter().find(|one| one.spec.name == name).unwrap().id;
    let (read, pay) = (tool("read_file"), tool("pay"));
    house.tool_call(1, Label::CLEAN, |one| one.target.tool = Some(read)).await;
    house.pass(MINUTE);
    house.tool_call(2, Label::CLEAN, |one| one.target.tool = Some(read)).await;
    // Three questions about `pay`, all answered with no; two about `read_file`, one with yes.
    for bits in 11..=15 {
        let target = (house.files(), if bits <= 13 { pay } else { read });
        let expires = house.now() + MINUTE;
        let asked = asking(bits, house.who(), (&[Approver::Approver], &[]), target, expires);
        house.append(Event::Refused(Box::new(asked))).await;
        house.office.catch_up().await.unwrap();
        let id = ApprovalId::from_bits(bits);
        match bits {
            11..=13 => drop(house.office.deny(&house.by("eva"), id).await.unwrap()),
            14 => drop(house.office.approve(&house.by("eva"), id).await.unwrap()),
            _ => {}
        }
    }
    house.office.catch_up().await.unwrap();

    let helper = house.office.current().agents["helper"].id;
    let report = house.office.agent_report(&house.by("vera"), helper, None).await.unwrap();
    let grants: Vec<_> = report.grants.iter().map(|one| (one.grant.to_string(), one.calls)).collect();
    let wanted = [("use:tool/files/read_file", 2), ("use:tool/files/pay", 0), ("use:model/*", 0)];
    assert_eq!(grants, wanted.map(|(grant, calls)| (grant.to_owned(), calls)));
    let used: Vec<_> = report.used.iter().map(|one| (one.tool, one.sent, one.refused)).collect();
    assert_eq!(used, [(Some(read), 2, 2), (Some(pay), 0, 3)]);
    assert_eq!(report.used[0].tool_name.as_deref(), Some("files/read_file"));
    let asked: Vec<_> =
        report.asked.iter().map(|one| (one.tool, one.given, one.denied, one.unanswered, one.habit)).collect();
    assert_eq!(asked, [(Some(pay), 0, 3, 0, Some(Habit::AlwaysDenied)), (Some(read), 1, 0, 1, None)]);
    assert!(!report.more);
    let back: AgentReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(back, report);

    let late = house.office.agent_report(&OP, helper, Some(house.now())).await.unwrap();
    assert_eq!(late.grants[0].calls, 1, "the first call is older");
    let nothing =
        house.office.agent_report(&OP, house.office.current().agents["bot"].id, None).await.unwrap();
    assert!(nothing.used.is_empty() && nothing.asked.is_empty() && nothing.grants[0].calls == 0);
    let nobody = By::Human { id: house.human_id("vera"), roles: Vec::new(), token: None };
    assert_eq!(house.office.agent_report(&nobody, helper, None).await.unwrap_err().code(), "ALC-OFFICE-0001");
    let unknown = AgentId::from_bits(77);
    assert_eq!(house.office.agent_report(&OP, unknown, None).await.unwrap_err().code(), "ALC-OFFICE-0004");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_says_whose_words_can_have_had_a_part_in_it() {
    let house = accepted().await;
    let id = CallId::from_bits;
    house.tool_call(1, Label::MISSING, |_| {}).await;
    house.tool_call(2, Label::CLEAN, |_| {}).await;
    let tainted = |one: &mut alcaide_record::Intent| one.content.label = Label::MISSING;
    house.tool_call(3, Label::CLEAN, tainted).await;
    // Of another task.
    house.tool_call(4, Label::MISSING, |one| one.who.task = TaskId::from_bits(9)).await;
    // Its label came with the task.
    house
        .tool_call(5, Label::CLEAN, |one| {
            one.who.task = TaskId::from_bits(10);
            tainted(one);
        })
        .await;
    let influence = house.office.influence(&house.by("vera"), id(3)).await.unwrap().unwrap();
    let sources: Vec<_> = influence.sources.iter().map(|one| (one.call, one.what())).collect();
    assert_eq!((sources, influence.more), (vec![(id(1), Some("files/read_file".into()))], false));
    assert_eq!(
        house.office.influence(&OP, id(2)).await.unwrap(),
        None,
        "the label when it was decided counts"
    );
    let came = house.office.influence(&OP, id(5)).await.unwrap().unwrap();
    assert!(came.sources.is_empty() && came.more);
    assert_eq!(house.office.influence(&OP, id(77)).await.unwrap_err().code(), "ALC-OFFICE-0004");
    let nobody = By::Human { id: house.human_id("vera"), roles: Vec::new(), token: None };
    assert_eq!(house.office.influence(&nobody, id(3)).await.unwrap_err().code(), "ALC-OFFICE-0001");
}
