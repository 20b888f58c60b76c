//! `alcaide up`: the service. Gate, office, the operator's socket, and the tasks between them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alcaide_api::Api;
use alcaide_console::Console;
use alcaide_serve::{Catalogue, Checked, Drain, HostRule, Limits, Listener, Routed, serve};
use anyhow::{Context, Result};
use tokio::sync::watch;

use crate::house::{House, Places};
use crate::settings::Settings;
use crate::webhook::{self, Hook};

/// How often the snapshot of memory is written while calls pass.
const REMEMBER_EVERY: Duration = Duration::from_secs(60);

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
    let gate_listener = Listener::tcp(settings.gate.listen).await?;
    let office_listener = Listener::tcp(settings.office.listen).await?;
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
    let open = |hook| Hook::open(hook, house.places.dir(), &house.places.webhooks());
    let hooks = settings.webhook.iter().map(open).collect::<Result<Vec<_>>>()?;
    let healthy = Arc::new(AtomicBool::new(true));
    let (stop, stopped) = watch::channel(false);

    let api = Api {
        office: house.office.clone(),
        issuer: settings.issuer(),
        gate: format!("http://{}", settings.gate.listen),
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
        Checked::new(names(&settings.gate.names), gate_limits.body_bytes(), house.gate.clone());
    let office_service = |rule| Checked::new(rule, office_limits.body_bytes(), Routed(router.clone()));

    let gate = tokio::spawn(serve(gate_listener, gate_limits, gate_service, until(stopped.clone())));
    let office_rule = console_rule(names(&settings.office.names), &settings.office.names);
    let office = tokio::spawn(serve(
        office_listener,
        office_limits,
        office_service(office_rule),
        until(stopped.clone()),
    ));
    let operator_rule = HostRule::loopback();
    let operator =
        tokio::spawn(serve(socket, office_limits, office_service(operator_rule), until(stopped.clone())));

    // Before anybody is told that it is up: a signal from now on is a wish to drain, not a blow.
    let signals = Signals::listen()?;
    started(&Started {
        gate: format!("http://{}", settings.gate.listen),
        office: format!("http://{}", settings.office.listen),
        socket: house.places.socket(),
    });

    let outcome = tokio::select! {
        () = signals.wait() => Ok(()),
        () = enough => Ok(()),
        ended = tend(&house, hooks) => ended,
    };
    if outcome.is_err() {
        // Without orders or projections the house must not serve: calls in flight end, none begins.
        healthy.store(false, Ordering::Release);
    }
    let _ = stop.send(true);
    for (name, server) in [("gate", gate), ("office", office), ("operator", operator)] {
        let drain: Drain = server.await.with_context(|| format!("the {name} listener"))?;
        if drain.is_clean() {
            tracing::info!(listener = name, calls = drain.calls, "drained");
        } else {
            tracing::warn!(
                listener = name,
                cut_calls = drain.cut_calls,
                panics = drain.panics,
                "drained, not clean"
            );
        }
    }
    house.close().await?;
    outcome
}

/// What goes on beside the listeners: plans go down, orders and projections follow, memory is written.
async fn tend(house: &House, hooks: Vec<Hook>) -> Result<()> {
    let mut plans = house.plans.clone();
    let plans = async {
        while plans.changed().await.is_ok() {
            let plan = plans.borrow_and_update().clone();
            match house.gate.adopt(&plan) {
                Ok(()) => tracing::info!(plan = plan.number.0, "plan in force"),
                // The office compiled it before; if the gate cannot, it keeps the plan that it has and says so.
                Err(error) => {
                    tracing::error!(plan = plan.number.0, %error, "plan not adopted; the former stays")
                }
            }
        }
        anyhow::bail!("the office is gone")
    };
    let remember = async {
        loop {
            tokio::time::sleep(REMEMBER_EVERY).await;
            if let Err(error) = house.remember().await {
                tracing::warn!(%error, "the snapshot of memory was not written");
            }
        }
    };
    tokio::select! {
        ended = plans => ended,
        ended = house.follow() => ended.context("following orders"),
        ended = house.office.follow() => ended.context("following the ledger"),
        () = remember => Ok(()),
        ended = webhook::run(hooks, house.ledger.clone()) => ended,
    }
}

fn ready(house: &House, healthy: &Arc<AtomicBool>, stopped: &watch::Receiver<bool>) -> alcaide_api::Ready {
    let (gate, ledger) = (house.gate.clone(), house.ledger.clone());
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
        gate.plan().map(|_| ()).ok_or_else(|| "no plan is in force".to_owned())
    })
}

fn counters(house: &House) -> alcaide_api::Counters {
    let (gate, ledger) = (house.gate.clone(), house.ledger.clone());
    Arc::new(move || {
        let mut text = gate.metrics_text();
        text.push_str("# HELP alcaide_ledger_entries Entries of the ledger that are on disk.\n# TYPE alcaide_ledger_entries gauge\n");
        text.push_str(&format!("alcaide_ledger_entries {}\n", ledger.size()));
        text
    })
}

/// Pages of the office send forms, which carry an origin: that of the very host that they name; beyond loopback it is
/// that of the TLS proxy before it.
fn console_rule(rule: HostRule, names: &[String]) -> HostRule {
    let rule = rule.same_origin("http").host(Settings::CONSOLE_HOST);
    names.iter().fold(rule, |rule, name| rule.origin(&format!("https://{name}")))
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
