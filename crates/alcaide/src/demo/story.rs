//! The story, in order: tools that nobody accepted, an allow, what is hidden, a question, a refusal, a trap, a stop.
//!
//! The script says what the agent asks for. It never says what comes of it: that is read from the ledger, from the
//! gate's answers and from the practice ground's list of what changed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use alcaide_control::{Applied, ApprovalState, ApprovalView, OrderView, Page as Part, ToolOrdered, ToolView};
use alcaide_inventory::Name;
use alcaide_inventory::declare::Declarations;
use alcaide_inventory::id::ApprovalId;
use alcaide_keys::Keys;
use alcaide_range::{Launch, declarations};
use alcaide_record::ActionKind;
use alcaide_seal::SecretText;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::agent::{Agent, Said};
use super::page::Page;
use super::record::{Ends, Figures, Passage, Reader};
use crate::client::Client;
use crate::commands::agent::agent_id;
use crate::commands::log::said;
use crate::fail::{ANSWER, Failure, INTERNAL, RECORD};
use crate::house::Places;
use crate::run::task::Task;
use crate::up::Started;

/// The tool server's name at the gate.
const SERVER: &str = "practice";
/// The agent.
const CLERK: &str = "clerk-bot";
/// On whose behalf it works.
pub(super) const ANA: &str = "ana";
/// Who may answer its questions.
pub(super) const BEN: &str = "ben";
/// What ana asked for; the office attests it.
const WORDS: &str = "Go through my mail, and pay invoice INV-2041 to payee-01: 184000 cents.";
/// Seconds that a token lives.
const TOKEN_LIFE_S: u64 = 900;
/// How often is looked for something that follows the ledger by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long that may take.
const FOLLOW_MAX: Duration = Duration::from_secs(10);
/// What a caller is told whose call waits for people.
const ASKED: &str = "ALC-GATE-0022";

/// Who answers the question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// Whoever watches.
    Awaited,
    /// The demo, with a token of the person who is asked.
    Ourselves,
}

/// Where the story plays.
pub(super) struct Setting<'a> {
    /// The operator.
    pub(super) client: &'a Client,
    pub(super) places: &'a Places,
    pub(super) started: &'a Started,
    /// The folder of the file of what changed.
    pub(super) effects: PathBuf,
    pub(super) answer: Answer,
}

impl Setting<'_> {
    fn effects_file(&self) -> PathBuf {
        self.effects.join("effects.jsonl")
    }
}

/// All that was told, as one document.
#[derive(Default, Serialize)]
pub(super) struct Told {
    /// The agent is a script, and no model.
    scripted: bool,
    gate: String,
    office: String,
    data_dir: String,
    tools_before: usize,
    tools_accepted: usize,
    tools_after: usize,
    calls: Vec<Step>,
    /// What changed in the practice world, all of it.
    effects: Vec<Value>,
    figures: Figures,
    verified: Option<Verified>,
}

/// One call of the script.
#[derive(Serialize)]
pub(super) struct Step {
    /// Its name.
    pub(super) step: &'static str,
    pub(super) tool: &'static str,
    pub(super) arguments: Value,
    /// What the agent got.
    pub(super) got: String,
    /// Why it was refused.
    pub(super) why: Option<String>,
    /// What would cure it.
    pub(super) cure: Option<String>,
    #[serde(flatten)]
    pub(super) passage: Passage,
}

/// The ledger, recomputed.
#[derive(Serialize)]
pub(super) struct Verified {
    /// Entries that were read.
    pub(super) entries: u64,
    /// The signed root, base64.
    pub(super) root: String,
}

/// The story while it is told.
pub(super) struct Story<'a> {
    setting: &'a Setting<'a>,
    page: &'a Page,
    reader: Reader<'a>,
    task: Task,
    agent: Agent,
    told: Told,
}

impl<'a> Story<'a> {
    /// Declares the practice world, starts a task and lets the agent shake hands.
    pub(super) async fn begin(setting: &'a Setting<'a>, page: &'a Page) -> Result<Self, Failure> {
        let client = setting.client;
        let internal =
            |what: &str, error: &dyn std::fmt::Display| Failure::new(&INTERNAL, what.to_owned()).why(error);
        let program =
            std::env::current_exe().map_err(|error| internal("this program cannot be found", &error))?;
        let effects = setting.effects_file().display().to_string();
        let command =
            [program.display().to_string(), "range".into(), "--stdio".into(), "--effects".into(), effects];
        let write = [setting.effects.display().to_string()];
        let text = declarations(&Launch::Stdio { command: &command, write: &write });
        let wanted = Declarations::from_toml("practice.toml", &text)
            .map_err(|error| internal("the practice world is not understood", &error))?;
        let applied: Applied = client.post("/api/v1/plans", &wanted, None).await?;
        page.begun(setting, wanted.tools.len(), applied.number.0)?;
        let ana: Name = ANA.parse().map_err(|error| internal("nobody is named", &error))?;
        let actor = agent_id(client, CLERK).await?;
        let words = Some(SecretText::from(WORDS.to_owned()));
        let operator = Client::Socket(setting.places.socket());
        let task = Task::begin(operator, actor, Some(&ana), words, TOKEN_LIFE_S).await?;
        let agent = Agent::meet(&setting.started.gate, SERVER, task.token()).await?;
        let told = Told {
            scripted: true,
            gate: setting.started.gate.clone(),
            office: setting.started.office.clone(),
            data_dir: setting.places.dir().display().to_string(),
            ..Told::default()
        };
        Ok(Self { setting, page, reader: Reader::begin(client).await?, task, agent, told })
    }

    /// Tells it to the end.
    pub(super) async fn tell(mut self) -> Result<Told, Failure> {
        self.tools().await?;
        self.reads().await?;
        self.pays().await?;
        self.refused().await?;
        self.trapped().await?;
        self.stopped().await?;
        self.end().await?;
        Ok(self.told)
    }

    async fn tools(&mut self) -> Result<(), Failure> {
        self.page.title("The agent asks which tools there are")?;
        self.told.tools_before = self.agent.tools().await?.len();
        let new = self.offered().await?;
        let why = "none of them is accepted yet: what a server says of its tools is a stranger's word";
        let text =
            format!("the server offers {}, the agent sees {}; {why}", new.len(), self.told.tools_before);
        self.page.field("tools", &text)?;
        self.page.title("The operator accepts them, each in the form that is offered")?;
        for tool in &new {
            let Some(pin) = tool.offered else { continue };
            let at = format!("/api/v1/tools/{SERVER}/{pin}/accept");
            let _done: ToolOrdered = self.setting.client.post(&at, &json!({ "pin": pin }), None).await?;
            self.told.tools_accepted = self.told.tools_accepted.saturating_add(1);
        }
        let names: Vec<&str> = new.iter().filter_map(|tool| tool.name.as_deref()).collect();
        self.page.field("accepted", &names.join(" "))?;
        self.page.field("by hand", "alcaide tool show practice make_payment, alcaide tool accept …")?;
        // Plans go down a channel of their own: the newest is in force a moment after its number was given.
        let begun = Instant::now();
        loop {
            let offered = self.agent.tools().await?;
            self.told.tools_after = offered.len();
            if offered.iter().any(|name| Some(name.as_str()) == names.last().copied())
                || begun.elapsed() > FOLLOW_MAX
            {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.reader.learn_names().await?;
        self.reader.skip().await?;
        let text = format!("the agent sees {}: those that it may use at all", self.told.tools_after);
        self.page.field("tools", &text)
    }

    /// The declared tools that the server offers, once the office has read of them. Its instructions are offered like a
    /// tool; nobody declared them here.
    async fn offered(&self) -> Result<Vec<ToolView>, Failure> {
        let begun = Instant::now();
        let path = format!("/api/v1/tools?server={SERVER}");
        loop {
            let mut all: Vec<ToolView> = self.setting.client.get(&path).await?;
            all.retain(|tool| tool.id.is_some());
            if !all.is_empty() && all.iter().all(|tool| tool.offered.is_some()) {
                return Ok(all);
            }
            if begun.elapsed() > FOLLOW_MAX {
                return Err(Failure::new(&ANSWER, "the practice ground does not offer its tools").at(path));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn reads(&mut self) -> Result<(), Failure> {
        self.page.title("It looks into the mailbox of the person whose work it does")?;
        self.step("allow", "list_mail", json!({ "mailbox": ANA })).await?;
        self.page.title("It reads an order, with the customer's card number in it")?;
        self.step("redact-card", "read_mail", json!({ "mailbox": ANA, "id": "m-0005" })).await?;
        self.page.title("It reads a file that holds a token")?;
        self.step("redact-secret", "read_file", json!({ "path": "/it/deploy.env" })).await
    }

    async fn refused(&mut self) -> Result<(), Failure> {
        self.page.title("It is curious about somebody else's mail")?;
        self.step("refuse", "read_mail", json!({ "mailbox": BEN, "id": "m-0011" })).await
    }

    async fn trapped(&mut self) -> Result<(), Failure> {
        self.page.title("It reads a forged mail that wants the supplier's money sent elsewhere")?;
        self.step("bait", "read_mail", json!({ "mailbox": ANA, "id": "m-0004" })).await?;
        self.page.title("It believes the mail, and tries to add the new account")?;
        let payee = json!({ "name": "Baltic Timber", "iban": "GB82 WEST 1234 5698 7654 32" });
        let before = self.effects()?.len();
        self.step("trap", "add_payee", payee).await?;
        let more = self.effects()?.len().saturating_sub(before);
        let text = if more == 0 { "none: the mail got nothing".to_owned() } else { more.to_string() };
        self.page.field("effects", &text)
    }

    async fn stopped(&mut self) -> Result<(), Failure> {
        self.page
            .title("The operator stops the agent; it calls once more, with a token that still has time")?;
        let id = agent_id(self.setting.client, CLERK).await?;
        let _given: OrderView = self.setting.client.post_empty(&format!("/api/v1/actors/{id}/kill")).await?;
        self.step("killed", "account_balance", json!({})).await
    }

    /// A payment that a policy has asked about: it waits for a person, and passes once.
    async fn pays(&mut self) -> Result<(), Failure> {
        const TOOL: &str = "make_payment";
        self.page.title("It wants to pay an invoice")?;
        let arguments = json!({
            "payee": "payee-01", "amount_cents": 184_000, "reference": "INV-2041", "invoice": "INV-2041",
            "request_id": "demo-inv-2041",
        });
        let (setting, page) = (self.setting, self.page);
        let (mut said, one) = self.asks(TOOL, &arguments).await?;
        // The gate holds a call for some seconds; then its caller comes again with the same, as any agent would.
        while one.is_some() && said.told("code") == Some(ASKED) {
            let answered =
                question(setting.client, |now| Some(now.id) == one && now.state != ApprovalState::Open);
            let state = tokio::select! {
                _ = self.task.renew() => ApprovalState::Expired,
                state = answered => state?.state,
            };
            if state == ApprovalState::Expired {
                page.field("over", "nobody answered in time: the payment was not made")?;
                break;
            }
            said = self.agent.call(TOOL, &arguments).await?;
        }
        self.ended("ask", TOOL, arguments, &said).await?;
        let effects = self.effects()?;
        self.page.effects(&effects)
    }

    /// A call about which a person is asked while it waits; the question, unless the call ended without one.
    async fn asks(&mut self, tool: &str, arguments: &Value) -> Result<(Said, Option<ApprovalId>), Failure> {
        let setting = self.setting;
        let called = self.agent.call(tool, arguments);
        tokio::pin!(called);
        let one = tokio::select! {
            one = question(setting.client, |_| true) => one?,
            said = &mut called => return Ok((said?, None)),
        };
        self.page.question(setting, &one).await?;
        if setting.answer == Answer::Ourselves {
            approve(setting, &one).await?;
        }
        Ok((called.await?, Some(one.id)))
    }

    async fn step(
        &mut self,
        step: &'static str,
        tool: &'static str,
        arguments: Value,
    ) -> Result<(), Failure> {
        let said = self.agent.call(tool, &arguments).await?;
        self.ended(step, tool, arguments, &said).await
    }

    /// Reads of a call what the ledger has, and tells it.
    async fn ended(
        &mut self,
        step: &'static str,
        tool: &'static str,
        arguments: Value,
        said: &Said,
    ) -> Result<(), Failure> {
        let ends = if said.told("code") == Some(ASKED) { Ends::Open } else { Ends::Surely };
        let passage = self.reader.call(ActionKind::CallTool, ends).await?;
        let cure = said.told("help").map(str::to_owned);
        let why = match said {
            Said::Result(_) => None,
            Said::No { message, .. } => {
                let tail = cure.as_ref().map(|cure| format!("; {cure}")).unwrap_or_default();
                Some(message.strip_suffix(&tail).unwrap_or(message).to_owned())
            }
        };
        let step = Step { step, tool, arguments, got: said.text(), why, cure, passage };
        self.page.step(&step)?;
        self.told.calls.push(step);
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Failure> {
        self.page.title("What is left of it")?;
        // To the last entry, for the figures.
        self.reader.skip().await?;
        let effects = self.effects()?;
        self.page.field("world", &format!("changes: {}", effects.len()))?;
        self.told.effects = effects;
        self.told.figures = self.reader.figures();
        self.page.figures(&self.told.figures)?;
        let verified = verify(self.setting.places)?;
        self.page.verified(&verified)?;
        self.told.verified = Some(verified);
        Ok(())
    }

    /// All that changed in the practice world.
    fn effects(&self) -> Result<Vec<Value>, Failure> {
        let path = self.setting.effects_file();
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?;
        let read = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        read.map_err(|error| Failure::new(&INTERNAL, "an effect was not understood").why(error))
    }
}

/// The newest question that is as wanted; waits for it. A question that is over ends the wait by itself.
async fn question(client: &Client, wanted: impl Fn(&ApprovalView) -> bool) -> Result<ApprovalView, Failure> {
    loop {
        let part: Part<ApprovalView> = client.get("/api/v1/approvals?limit=1").await?;
        if let Some(one) = part.items.into_iter().next().filter(&wanted) {
            return Ok(one);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

/// Says yes in ben's name, with a token of his for the office.
async fn approve(setting: &Setting<'_>, one: &ApprovalView) -> Result<(), Failure> {
    let asked = json!({ "human": format!("human/{BEN}"), "life_s": 60 });
    let Granted { access_token } = setting.client.post("/api/v1/office_tokens", &asked, None).await?;
    let ben = Client::remote(&setting.started.office, Some(access_token))?;
    let _given: OrderView = ben.post_empty(&format!("/api/v1/approvals/{}/approve", one.id)).await?;
    Ok(())
}

fn verify(places: &Places) -> Result<Verified, Failure> {
    let broken = |why: String| {
        Failure::new(&RECORD, "the record does not verify").at(places.ledger().display()).why(why)
    };
    let keys = Keys::open(&places.keys()).map_err(|error| broken(error.to_string()))?;
    let report = alcaide_ledger::verify(&places.ledger(), keys.note.verifier())
        .map_err(|error| broken(said(&error)))?;
    Ok(Verified {
        entries: report.size.saturating_add(report.beyond.unwrap_or(0)),
        root: STANDARD.encode(report.root.as_bytes()),
    })
}
