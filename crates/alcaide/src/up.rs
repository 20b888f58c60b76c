//! `alcaide up`: the service. Gate, office, the operator's socket, and the tasks between them.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alcaide_api::Api;
use alcaide_console::Console;
use alcaide_seal::random::SystemEntropy;
use alcaide_serve::{Catalogue, Checked, HostRule, Limits, Listener, Routed, serve};
use anyhow::Result;
use tokio::sync::watch;

use crate::house::{House, Places, now};
use crate::listeners::{self, Listeners};
use crate::settings::Settings;
use crate::tend::tend;
use crate::webhook::{self, Hook};

/// What `up` is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    /// The data directory.
    pub(crate) data_dir: PathBuf,
    /// Whether to make it.
    pub(crate) init: bool,
    /// Address of the gate, in place of the setting.
    pub(crate) gate: Option<std::net::SocketAddr>,
    /// Address of the office, in place of the setting.
    pub(crate) office: Option<std::net::SocketAddr>,
}

/// All codes of the house.
pub(crate) fn catalogue() -> Result<Catalogue> {
    Ok(Catalogue::new(&[
        alcaide_serve::codes::TABLE,
        alcaide_gateway::refusal::TABLE,
        alcaide_api::TABLE,
        alcaide_console::TABLE,
    ])?)
}

/// Runs the service until a signal comes or `stop` is over; `started` is told the addresses once both listeners are
/// bound.
pub(crate) async fn up(up: Up, started: impl FnOnce(&Started), stop: impl Future<Output = ()>) -> Result<()> {
    let places = Places::of(&up.data_dir);
    let mut settings = Settings::read(&places.settings())?;
    // What is given for this start alone is not written down.
    let kept = settings.clone();
    if let Some(gate) = up.gate {
        settings.gate.listen = gate;
    }
    if let Some(office) = up.office {
        settings.office.listen = office;
    }
    // Bound before anything is opened: a taken port changes nothing. Port 0 takes a free one.
    let gate_listener = listeners::bind(settings.gate.listen, settings.gate.tls.as_ref()).await?;
    let office_listener = listeners::bind(settings.office.listen, settings.office.tls.as_ref()).await?;
    if let Some(addr) = gate_listener.local_addr() {
        settings.gate.listen = addr;
    }
    if let Some(addr) = office_listener.local_addr() {
        settings.office.listen = addr;
    }
    let house = if up.init {
        House::create(places, settings, &kept).await?
    } else {
        House::open(places, settings).await?
    };
    run(house, gate_listener, office_listener, started, stop).await
}

/// Where the service can be reached.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    /// URL of the gate.
    pub(crate) gate: String,
    /// URL of the office.
    pub(crate) office: String,
    /// The operator's socket.
    pub(crate) socket: PathBuf,
}

async fn run(
    house: House,
    gate_listener: Listener,
    office_listener: Listener,
    started: impl FnOnce(&Started),
    enough: impl Future<Output = ()>,
) -> Result<()> {
    let settings = house.settings.clone();
    let socket = Listener::unix(&house.places.socket())?;
    let gate_limits = settings.gate_limits()?.with_drain_timeout(Settings::DRAIN)?;
    let office_limits = Limits::default().with_drain_timeout(Settings::DRAIN)?;
    let size = house.ledger.size();
    let (dir, cursors) = (house.places.dir(), house.places.webhooks());
    let epoch = match settings.webhook.is_empty() {
        true => String::new(),
        false => webhook::epoch(&cursors, size, &SystemEntropy::new())?,
    };
    let open = |hook| Hook::open(hook, dir, &cursors, size, &epoch);
    let hooks = settings.webhook.iter().map(open).collect::<Result<Vec<_>>>()?;
    let healthy = Arc::new(AtomicBool::new(true));
    let (stop, stopped) = watch::channel(false);

    let api = Api {
        office: house.office.clone(),
        issuer: settings.issuer(),
        gate: settings.gate.public_url.clone().unwrap_or_else(|| settings.gate_url()),
        console: settings.console(),
        catalogue: Arc::new(catalogue()?),
        ready: ready(&house, &healthy, &stopped),
        counters: counters(&house),
        operator_uid: rustix::process::geteuid().as_raw(),
    };
    let console = Console {
        office: house.office.clone(),
        catalogue: Arc::clone(&api.catalogue),
        ready: Arc::clone(&api.ready),
        clock: Arc::new(crate::house::now),
        gate: api.gate.clone(),
    };
    let router = alcaide_api::router(api).merge(alcaide_console::router(console));
    let names = |names: &[String]| names.iter().fold(HostRule::loopback(), |rule, name| rule.host(name));
    let gate_service =
        // A page of the gate's own origin is none of anybody else's: clients of tool servers send it.
        Checked::new(names(&settings.gate_hosts()).same_origin(settings.gate_scheme()), gate_limits.body_bytes(), house.gate.clone());
    let office_service = |rule| Checked::new(rule, office_limits.body_bytes(), Routed(router.clone()));

    let mut serving = Listeners::default();
    serving.spawn("gate", serve(gate_listener, gate_limits, gate_service, until(stopped.clone())));
    let office_rule = console_rule(names(&settings.office.names), &settings);
    serving.spawn(
        "office",
        serve(office_listener, office_limits, office_service(office_rule), until(stopped.clone())),
    );
    let operator_rule = HostRule::loopback();
    serving.spawn(
        "operator",
        serve(socket, office_limits, office_service(operator_rule), until(stopped.clone())),
    );

    // Before anybody is told that it is up: a signal from now on is a wish to drain, not a blow.
    let signals = Signals::listen()?;
    started(&Started {
        gate: settings.gate_url(),
        office: settings.office_url(),
        socket: house.places.socket(),
    });

    let (outcome, drained) = {
        let mut tending = pin!(tend(&house, hooks));
        let mut tended = false;
        let outcome = tokio::select! {
            () = signals.wait() => Ok(()),
            () = enough => Ok(()),
            ended = &mut tending => {
                tended = true;
                ended
            }
            ended = serving.ended() => Err(ended),
        };
        if outcome.is_err() {
            healthy.store(false, Ordering::Release);
        }
        let _ = stop.send(true);
        // While calls in flight end, orders still reach them; where nobody reads orders any more they are cut.
        let mut draining = pin!(serving.drained());
        let drained = tokio::select! {
            drained = &mut draining => drained,
            ended = &mut tending, if !tended => {
                if let Err(error) = ended {
                    tracing::error!(error = format!("{error:#}"), "a part of the house ended while it drained");
                }
                draining.await
            }
        };
        (outcome, drained)
    };
    let closed = house.close().await;
    outcome.and(drained).and(closed)
}

fn ready(house: &House, healthy: &Arc<AtomicBool>, stopped: &watch::Receiver<bool>) -> alcaide_api::Ready {
    let (gate, office, ledger) = (house.gate.clone(), house.office.clone(), house.ledger.clone());
    let (healthy, stopped) = (Arc::clone(healthy), stopped.clone());
    Arc::new(move || {
        if *stopped.borrow() {
            return Err("shutting down".into());
        }
        if !healthy.load(Ordering::Acquire) {
            return Err("a task of the house has ended".into());
        }
        if let Some(cause) = ledger.failure() {
            return Err(format!("the ledger has failed: {cause}"));
        }
        if let Some(why) = office.behind() {
            return Err(format!("the office does not keep up with the record: {why}"));
        }
        gate.health()
    })
}

/// Counters of all rooms; label sets are fixed.
fn counters(house: &House) -> alcaide_api::Counters {
    let (gate, office, ledger) = (house.gate.clone(), house.office.clone(), house.ledger.clone());
    let (exported, plans) = (Arc::clone(&house.exported), house.plans.clone());
    Arc::new(move || {
        use std::fmt::Write as _;
        let mut text = gate.metrics_text();
        let (entries, bytes) = ledger.waiting();
        let judged_by = gate.plan().map_or(0, |plan| plan.number.0);
        let untiled = ledger.size().saturating_sub(ledger.integrated());
        let age = gate.memory().orders_age(now()).as_secs();
        let gauges = [
            ("alcaide_ledger_entries", "Entries of the ledger that are on disk.", ledger.size()),
            ("alcaide_ledger_queue_entries", "Entries that wait to be written.", count(entries)),
            ("alcaide_ledger_queue_bytes", "Bytes that wait to be written.", count(bytes)),
            ("alcaide_ledger_tree_lag_entries", "Entries that are in no tile yet.", untiled),
            (
                "alcaide_office_lag_entries",
                "Entries that the office has not followed yet.",
                office.unfollowed(),
            ),
            (
                "alcaide_gate_owed_outcomes",
                "Outcomes that wait for room on the ledger's disk; no call passes meanwhile.",
                count(gate.owed()),
            ),
            ("alcaide_orders_age_seconds", "Age of the newest moment at which no order was missing.", age),
            (
                "alcaide_office_plan",
                "Number of the plan that the office has in force.",
                plans.borrow().number.0,
            ),
            ("alcaide_gate_plan", "Number of the plan that the gate judges by.", judged_by),
        ];
        for (name, help, value) in gauges {
            // INVARIANT: writing into a String does not fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
        let name = "alcaide_telemetry_spans_total";
        let _ = write!(text, "# HELP {name} Spans, by what became of them.\n# TYPE {name} counter\n");
        for (result, value) in [("sent", exported.sent()), ("dropped", exported.dropped())] {
            let _ = writeln!(text, "{name}{{result=\"{result}\"}} {value}");
        }
        text
    })
}

/// Pages of the office send forms, which carry an origin: that of the very host that they name; under another name it
/// may be that of a TLS proxy before it.
fn console_rule(rule: HostRule, settings: &Settings) -> HostRule {
    let rule = rule.same_origin(settings.office_scheme()).host(Settings::CONSOLE_HOST);
    settings.office.names.iter().fold(rule, |rule, name| rule.origin(&format!("https://{name}")))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the service.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Signals that ask the service to end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens from now on.
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!("told to stop"),
            _ = self.interrupt.recv() => tracing::info!("interrupted"),
        }
    }
}
