//! All children: at most one for each server and actor, bounded in number, started again when they fall.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use alcaide_inventory::Actor;
use alcaide_inventory::id::UpstreamId;
use alcaide_sandbox::{Launcher, Stdio};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tracing::info;

use super::bounds::{Bounds, PLACES_MAX, QUEUE_MAX};
use super::child::Child;
use super::error::{End, StdioError};
use super::falls::{Falls, Start};
use super::hello::hello;
use super::plan::StdioPlan;
use super::pump::{Process, attend};
use super::shared::Shared;

/// Children of an earlier declaration that may finish their requests at one place; an older one is cut.
const FORMER_MAX: usize = 4;

type Key = (UpstreamId, Actor);

/// The pool. Dropping it ends every child.
#[derive(Debug)]
pub struct Children {
    launcher: Launcher,
    hidden: Vec<PathBuf>,
    bounds: Bounds,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    by_key: HashMap<Key, Arc<Place>>,
    draining: bool,
}

/// Where one actor's child of one server lives, or lived.
#[derive(Debug, Default)]
struct Place {
    /// Held by whoever starts a child here; the others wait.
    turn: tokio::sync::Mutex<()>,
    starting: AtomicBool,
    lodgers: Mutex<Lodgers>,
    falls: Arc<Mutex<Falls>>,
    /// Counts the stops of the actor.
    stops: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Lodgers {
    child: Option<Arc<Child>>,
    /// Of earlier declarations, oldest first.
    former: Vec<Weak<Child>>,
}

impl Children {
    /// An empty pool. `launcher` is the way into the sandbox; `hidden` are folders that no child may see into, above
    /// all the data directory.
    #[must_use]
    pub fn new(launcher: Launcher, hidden: Vec<PathBuf>) -> Self {
        Self::with_bounds(launcher, hidden, Bounds::default())
    }

    /// The same with other bounds.
    #[must_use]
    pub fn with_bounds(launcher: Launcher, hidden: Vec<PathBuf>, bounds: Bounds) -> Self {
        Self { launcher, hidden, bounds, places: Mutex::default() }
    }

    /// The actor's child of a server; started, with its handshake, if there is none. Others who ask for the same one
    /// meanwhile wait for it. A child of another declaration than `plan` finishes its requests and gets no new ones.
    ///
    /// After a fall this waits for the pause that is due, at most [`Bounds::pause_max`].
    ///
    /// # Errors
    /// [`StdioError`]; nothing was sent.
    ///
    /// # Cancel safety
    /// A call that is dropped while it starts a child ends that child.
    pub async fn child(&self, plan: &Arc<StdioPlan>, actor: Actor) -> Result<Arc<Child>, StdioError> {
        let place = self.place((plan.id, actor))?;
        if let Some(child) = place.live(plan) {
            return Ok(child);
        }
        let mut stops = place.stops.subscribe();
        let started = async {
            let _turn = place.turn.lock().await;
            match place.live(plan) {
                Some(child) => Ok(child),
                None => self.start(&place, plan, actor).await,
            }
        };
        let started = tokio::select! {
            biased;
            _ = stops.changed() => None,
            started = started => Some(started?),
        };
        match started {
            // A stop that came while the child took its place may not have seen it there.
            Some(child) if !stops.has_changed().unwrap_or(true) => Ok(child),
            started => {
                if let Some(child) = started {
                    child.shared.end(&End::Stopped);
                }
                let draining = self.places.lock().draining;
                Err(if draining { StdioError::Draining } else { StdioError::Stopped })
            }
        }
    }

    /// Ends an actor's children, at once and with their open requests; a start under way is given up.
    pub fn stop(&self, actor: Actor) {
        let places: Vec<_> = {
            let places = self.places.lock();
            places
                .by_key
                .iter()
                .filter(|((_, of), _)| *of == actor)
                .map(|(_, place)| Arc::clone(place))
                .collect()
        };
        for place in places {
            place.end(&End::Stopped);
        }
    }

    /// Takes no more requests, ends every child and waits until all processes are gone: some seconds at most.
    ///
    /// # Cancel safety
    /// The children end also if this is dropped.
    pub async fn drain(&self) {
        let places: Vec<_> = {
            let mut places = self.places.lock();
            places.draining = true;
            places.by_key.drain().map(|(_, place)| place).collect()
        };
        let children: Vec<_> = places.iter().flat_map(|place| place.end(&End::Drained)).collect();
        for child in children {
            child.ended().await;
        }
    }

    /// How many children live.
    #[must_use]
    pub fn live(&self) -> usize {
        self.places.lock().by_key.values().map(|place| place.count()).sum()
    }

    fn place(&self, key: Key) -> Result<Arc<Place>, StdioError> {
        let mut places = self.places.lock();
        if places.draining {
            return Err(StdioError::Draining);
        }
        if let Some(place) = places.by_key.get(&key) {
            return Ok(Arc::clone(place));
        }
        if places.by_key.len() >= PLACES_MAX {
            let now = Instant::now();
            places.by_key.retain(|_, place| !place.is_vacant(&self.bounds, now));
            if places.by_key.len() >= PLACES_MAX {
                return Err(StdioError::Full { what: "actors use tool servers", max: PLACES_MAX });
            }
        }
        Ok(Arc::clone(places.by_key.entry(key).or_default()))
    }

    async fn start(
        &self,
        place: &Arc<Place>,
        plan: &Arc<StdioPlan>,
        actor: Actor,
    ) -> Result<Arc<Child>, StdioError> {
        let due = place.falls.lock().start(&self.bounds, Instant::now());
        match due {
            Start::Now => {}
            Start::In(pause) => sleep(pause).await,
            Start::GivenUp(retry_after) => {
                return Err(StdioError::GivenUp { falls: self.bounds.falls, retry_after });
            }
        }
        let _starting = self.admit(place, plan.id)?;
        let child = Arc::new(self.launch(place, plan, actor).await?);
        place.lodgers.lock().child = Some(Arc::clone(&child));
        Ok(child)
    }

    /// Finds room for one more child: whoever has been without work for longest makes it.
    fn admit<'a>(&self, place: &'a Place, server: UpstreamId) -> Result<Starting<'a>, StdioError> {
        let places = self.places.lock();
        if places.draining {
            return Err(StdioError::Draining);
        }
        let of = |only: Option<UpstreamId>| {
            places.by_key.iter().filter(move |((id, _), _)| only.is_none_or(|only| only == *id))
        };
        let bounds = [
            (Some(server), self.bounds.per_server, "children of one tool server"),
            (None, self.bounds.children, "children of all tool servers"),
        ];
        for (only, max, what) in bounds {
            let live: usize = of(only).map(|(_, place)| place.count()).sum();
            if live < max {
                continue;
            }
            let idle = of(only).filter_map(|(_, place)| place.idle_since()).min_by_key(|(since, _)| *since);
            let (_, child) = idle.ok_or(StdioError::Full { what, max })?;
            child.shared.end(&End::Evicted);
        }
        place.starting.store(true, Ordering::Relaxed);
        Ok(Starting(place))
    }

    async fn launch(&self, place: &Place, plan: &Arc<StdioPlan>, actor: Actor) -> Result<Child, StdioError> {
        let declared = |error: &dyn std::fmt::Display| StdioError::Declared { why: error.to_string() };
        let own = std::fs::Permissions::from_mode(0o700);
        let home = || tempfile::Builder::new().prefix("alcaide-tool-").permissions(own).tempdir();
        let home = plan.writes().then(home).transpose().map_err(|error| declared(&error))?;
        let spec = plan.spec(&self.hidden, home.as_ref().map(tempfile::TempDir::path));
        let checked = spec.check().map_err(|error| declared(&error))?;
        let begun = alcaide_sandbox::spawn(checked, &self.launcher, Stdio::PIPED).await;
        let fell = |why: String| {
            place.falls.lock().note(&self.bounds, Instant::now());
            StdioError::Start { why }
        };
        let mut child = begun.map_err(|error| fell(error.to_string()))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin(), child.stdout(), child.stderr())
        else {
            return Err(fell("it has no pipes".into()));
        };
        let report = child.report().clone();
        let (lines, queue) = mpsc::channel(QUEUE_MAX);
        let who = (plan.name.clone(), actor);
        let shared = Arc::new(Shared::new(who, self.bounds, Arc::clone(&place.falls), lines));
        let process = Process { child, stdin, stdout, stderr, home };
        tokio::spawn(attend(process, queue, Arc::clone(&shared)));
        let begun = Begun(Some(&shared));
        let said = hello(&shared, self.bounds.hello).await;
        let said = said.inspect_err(|error| shared.end(&End::Broken { why: error.to_string() }))?;
        begun.done();
        let open = report.open().count();
        info!(upstream = plan.name.as_str(), %actor, revision = %said.revision, doors_open = open, "a tool server runs");
        Ok(Child::new(Arc::clone(&shared), Arc::clone(plan), said, report))
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for place in self.places.get_mut().by_key.values() {
            place.end(&End::Drained);
        }
    }
}

/// A child that has not said hello: dropped, it ends.
struct Begun<'a>(Option<&'a Shared>);

impl Begun<'_> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            shared.end(&End::Stopped);
        }
    }
}

/// Counts as a child until it is one.
struct Starting<'a>(&'a Place);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.starting.store(false, Ordering::Relaxed);
    }
}

impl Place {
    /// The child here, if it lives and is of this declaration.
    fn live(&self, plan: &Arc<StdioPlan>) -> Option<Arc<Child>> {
        let mut lodgers = self.lodgers.lock();
        let child = lodgers.child.as_ref()?;
        if !child.shared.desk.lock().touch(Instant::now()) {
            lodgers.child = None;
            return None;
        }
        if Arc::ptr_eq(&child.plan, plan) || child.plan == *plan {
            return Some(Arc::clone(child));
        }
        let former = lodgers.child.take()?;
        lodgers.former.retain(|child| child.strong_count() > 0);
        lodgers.former.push(Arc::downgrade(&former));
        if lodgers.former.len() > FORMER_MAX
            && let Some(oldest) = lodgers.former.remove(0).upgrade()
        {
            oldest.shared.end(&End::Replaced);
        }
        None
    }

    /// Ends whoever lives here, and whoever is about to.
    fn end(&self, how: &End) -> Vec<Arc<Child>> {
        // First, so that a child that takes its place meanwhile is seen by one side or the other.
        self.stops.send_modify(|stops| *stops = stops.wrapping_add(1));
        let (child, former) = {
            let mut lodgers = self.lodgers.lock();
            (lodgers.child.take(), std::mem::take(&mut lodgers.former))
        };
        let children: Vec<_> = child.into_iter().chain(former.iter().filter_map(Weak::upgrade)).collect();
        for child in &children {
            child.shared.end(how);
        }
        children
    }

    fn count(&self) -> usize {
        let lodgers = self.lodgers.lock();
        let lives = |child: &Arc<Child>| child.end().is_none();
        let former = lodgers.former.iter().filter_map(Weak::upgrade).filter(lives).count();
        let now = lodgers.child.as_ref().is_some_and(lives) || self.starting.load(Ordering::Relaxed);
        former.saturating_add(usize::from(now))
    }

    fn idle_since(&self) -> Option<(Instant, Arc<Child>)> {
        let lodgers = self.lodgers.lock();
        let child = lodgers.child.as_ref().filter(|child| child.end().is_none())?;
        let since = child.shared.desk.lock().idle_since()?;
        Some((since, Arc::clone(child)))
    }

    /// Whether nobody lives here, is about to, or is remembered to have fallen.
    fn is_vacant(self: &Arc<Self>, bounds: &Bounds, now: Instant) -> bool {
        // Whoever is about to start a child holds the place.
        Arc::strong_count(self) == 1 && self.count() == 0 && self.falls.lock().is_quiet(bounds, now)
    }
}
