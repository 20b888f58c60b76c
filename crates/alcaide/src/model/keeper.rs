//! The keeper: sees to it that what a declared model's server loads is what was released, and that it was scanned by the rules of
//! today.
//!
//! ```text
//! twice a second: stat of every file ─ changed ─▶ ledger: reading (the gate refuses) ─▶ hash in the background, one model at a time
//!                                                          ledger: found VERSION ◀─┘ ─ registered, scanned by other rules ─▶ scan
//! ```
//! Recorded first: that files are being read stands in the ledger before a byte of them is read, so the gate refuses from then on;
//! the same version lifts it again. Files that did not change since they were hashed are not read again, as long as the house runs.
//! A scan of its own makes evidence for a version that somebody registered, and never registers one; a version that an order holds
//! back is left to people.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alcaide_artifact::signing::{DigestCache, Rules};
use alcaide_control::Office;
use alcaide_control::models::{Registration, rules_of};
use alcaide_inventory::id::ModelId;
use alcaide_inventory::{Name, Plan};
use alcaide_record::{Digest, FilesState, Life};
use alcaide_seal::Sha256Digest;
use anyhow::Result;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::crew::Way;
use super::measure::{self, Measure, MeasureError};

/// How often files are looked at, without opening them: a change is known within half a second, and a stat of a thousand files takes
/// some milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest time that a small file may take to be scanned.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps the declared models until the office is gone.
///
/// # Errors
/// What the ledger says: where nothing can be recorded nothing may be served, and the house ends.
pub(crate) async fn keep(office: Office, mut plans: watch::Receiver<Arc<Plan>>) -> Result<()> {
    let mut keeper =
        Keeper { office, watched: BTreeMap::new(), waiting: VecDeque::new(), tried: BTreeSet::new() };
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut work: Option<JoinHandle<Done>> = None;
    let plan = plans.borrow_and_update().clone();
    keeper.follow(&plan);
    loop {
        if work.is_none() {
            work = keeper.next();
        }
        let done = async {
            match work.as_mut() {
                Some(work) => work.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = done => {
                work = None;
                keeper.done(done?).await?;
            }
            _ = look.tick(), if !keeper.watched.is_empty() => keeper.look().await?,
            changed = plans.changed() => {
                if changed.is_err() {
                    // The office is gone, and the house with it.
                    return std::future::pending().await;
                }
                let plan = plans.borrow_and_update().clone();
                keeper.follow(&plan);
                // What is newly declared is looked at before the next tick.
                keeper.look().await?;
            }
        }
    }
}

struct Keeper {
    office: Office,
    watched: BTreeMap<ModelId, Watched>,
    /// What is to be done in the background, one after the other.
    waiting: VecDeque<Job>,
    /// Versions that were scanned, or tried, since the house was started.
    tried: BTreeSet<(ModelId, Digest)>,
}

/// A model whose files lie on this machine.
struct Watched {
    name: Name,
    place: Place,
    /// What the file system said of its files when they were last read, or begun to be.
    stamp: Option<Sha256Digest>,
    /// Digests of its files, unless somebody is adding to them.
    cache: DigestCache,
}

/// Where a model lies, and what there does not count.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Place {
    root: PathBuf,
    signature: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Job {
    Hash(ModelId),
    Scan(ModelId, Digest),
}

enum Done {
    Hashed {
        model: ModelId,
        place: Place,
        stamp: Option<Sha256Digest>,
        cache: DigestCache,
        measure: Result<Measure, MeasureError>,
    },
    Scanned {
        name: Name,
        version: Digest,
        found: Result<Registration, MeasureError>,
    },
}

impl Keeper {
    /// Takes up what is declared: models that are new or lie elsewhere now are read, those that are gone are let go.
    fn follow(&mut self, plan: &Plan) {
        let mut declared = BTreeMap::new();
        for (name, placed) in &plan.models {
            let Some(files) = &placed.spec.files else { continue };
            let place = Place { root: PathBuf::from(files), signature: placed.spec.signature.clone() };
            declared.insert(placed.id, (name.clone(), place));
        }
        self.watched.retain(|id, known| declared.get(id).is_some_and(|(_, place)| *place == known.place));
        for (id, (name, place)) in declared {
            let new = || Watched { name: name.clone(), place, stamp: None, cache: DigestCache::new() };
            self.watched.entry(id).or_insert_with(new).name = name.clone();
        }
    }

    /// Looks at all files without opening them; what changed is recorded as being read, and read in the background.
    async fn look(&mut self) -> Result<()> {
        let places: Vec<(ModelId, PathBuf)> =
            self.watched.iter().map(|(id, one)| (*id, one.place.root.clone())).collect();
        let looked = tokio::task::spawn_blocking(move || {
            let look = |(id, root): (ModelId, PathBuf)| (id, measure::tree_stamp(&root).ok());
            places.into_iter().map(look).collect::<Vec<_>>()
        });
        for (id, stamp) in looked.await? {
            let Some(watched) = self.watched.get_mut(&id) else { continue };
            // What cannot be listed has a stamp of its own, so that it is told once.
            let stamp = stamp.unwrap_or_else(unlisted);
            if watched.stamp == Some(stamp) {
                continue;
            }
            watched.stamp = Some(stamp);
            self.office.files_of_model(id, FilesState::Reading).await?;
            self.hash(id);
        }
        Ok(())
    }

    /// Has a model read, before any scan: the gate waits for it.
    fn hash(&mut self, model: ModelId) {
        if !self.waiting.contains(&Job::Hash(model)) {
            self.waiting.push_front(Job::Hash(model));
        }
    }

    /// Begins the next piece of work.
    fn next(&mut self) -> Option<JoinHandle<Done>> {
        while let Some(job) = self.waiting.pop_front() {
            let (Job::Hash(model) | Job::Scan(model, _)) = job;
            let Some(watched) = self.watched.get_mut(&model) else { continue };
            let (name, place, stamp) = (watched.name.clone(), watched.place.clone(), watched.stamp);
            return Some(match job {
                Job::Hash(_) => {
                    let mut cache = std::mem::take(&mut watched.cache);
                    tokio::task::spawn_blocking(move || {
                        let measure = measure::version(&place.root, &place.rules(), &mut cache);
                        Done::Hashed { model, place, stamp, cache, measure }
                    })
                }
                Job::Scan(_, version) => tokio::task::spawn_blocking(move || {
                    let way = Way { readers: 1, digests: true, patience: PATIENCE };
                    let found = measure::examine(&place.root, &place.rules(), way);
                    let found = found.map(|(subject, scan)| Registration { subject, scan, bundle: None });
                    Done::Scanned { name, version, found }
                }),
            });
        }
        None
    }

    async fn done(&mut self, done: Done) -> Result<()> {
        match done {
            Done::Hashed { model, place, stamp, cache, measure } => {
                let Some(watched) = self.watched.get_mut(&model).filter(|one| one.place == place) else {
                    return Ok(());
                };
                watched.cache = cache;
                // Changed while it was read: that was recorded, and it is read again.
                let others = measure.as_ref().is_ok_and(|measure| Some(measure.stamp) != stamp);
                if others || watched.stamp != stamp || stamp_now(&place.root).await? != stamp {
                    watched.stamp = stamp_now(&place.root).await?;
                    self.hash(model);
                    return Ok(());
                }
                let state = match measure {
                    Ok(measure) => FilesState::Found { version: Digest(measure.version.into_bytes()) },
                    Err(error) => {
                        tracing::warn!(model = %watched.name, %error, "files of a model cannot be read; the gate refuses it");
                        FilesState::Unreadable
                    }
                };
                self.office.files_of_model(model, state).await?;
                if let FilesState::Found { version } = state {
                    self.scan_again(model, version).await;
                }
            }
            Done::Scanned { name, version, found } => self.scanned(&name, version, found).await,
        }
        Ok(())
    }

    /// Has a version scanned that was scanned by other rules, or too long ago.
    async fn scan_again(&mut self, model: ModelId, version: Digest) {
        if self.tried.contains(&(model, version)) {
            return;
        }
        match self.office.life_of_model(model).await {
            Ok(life) if wants_scan(&life, &version, own_packs(), self.office.time()) => {
                self.tried.insert((model, version));
                self.waiting.push_back(Job::Scan(model, version));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(code = error.code(), %error, "what is known of a model cannot be read")
            }
        }
    }

    async fn scanned(&mut self, name: &Name, version: Digest, found: Result<Registration, MeasureError>) {
        match found {
            // What changed meanwhile is another version, which nobody registered.
            Ok(found) if Digest(found.subject.version().into_bytes()) != version => {}
            Ok(found) => {
                let verdict = found.scan.verdict().as_str();
                match self.office.found_by_house(name, found).await {
                    Ok(_) => {
                        tracing::info!(model = %name, verdict, "model scanned again, by the rules of this program")
                    }
                    Err(error) => {
                        tracing::warn!(model = %name, code = error.code(), %error, "a scan was not entered")
                    }
                }
            }
            Err(error) => tracing::warn!(model = %name, %error, "a model could not be scanned again"),
        }
    }
}

impl Place {
    fn rules(&self) -> Rules {
        rules_of(self.signature.as_deref()).unwrap_or_default()
    }
}

/// Whether a version is registered, not held back by an order, and its scan is missing, over, or by other rules.
fn wants_scan(life: &Life, version: &Digest, packs: Digest, now: alcaide_inventory::Moment) -> bool {
    let Some(one) = life.versions().get(version).filter(|one| !one.held && !one.revoked) else {
        return false;
    };
    one.scan.is_none_or(|scan| scan.says.packs != packs || scan.expires.is_some_and(|end| end <= now))
}

fn own_packs() -> Digest {
    Digest(alcaide_artifact::pack_digest().into_bytes())
}

async fn stamp_now(root: &Path) -> Result<Option<Sha256Digest>> {
    let root = root.to_owned();
    Ok(tokio::task::spawn_blocking(move || measure::tree_stamp(&root).ok().or_else(|| Some(unlisted())))
        .await?)
}

/// Stands for what cannot be listed.
fn unlisted() -> Sha256Digest {
    alcaide_seal::sha256(b"not listed")
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::Moment;
    use alcaide_record::{Entry, Event, ModelEvent, Order, OrderKind, Proven, ScanVerdict};

    use super::*;

    const M: ModelId = ModelId::from_bits(1);
    const V: Digest = Digest([1; 32]);
    const PACKS: Digest = Digest([2; 32]);
    const NOW: Moment = Moment::from_secs(1_000);

    fn life(events: Vec<Event>) -> Life {
        let mut life = Life::default();
        for event in events {
            life.follow(M, &Entry::new(NOW, event)).unwrap();
        }
        life
    }

    fn registered() -> Event {
        Event::Model(ModelEvent::Registered { by: None, bytes: 1, files: 1, model: M, sha256: V, version: V })
    }

    fn scan(packs: Digest, expires: Option<Moment>) -> Event {
        let proven = Proven::Scan { packs, verdict: ScanVerdict::Clean };
        let (envelope, issued) = (Digest([3; 32]), NOW);
        Event::Model(ModelEvent::Evidence {
            by: None,
            envelope,
            expires,
            issued,
            model: M,
            proven,
            version: V,
        })
    }

    #[test]
    fn a_version_is_scanned_again_where_its_scan_does_not_count_any_more() {
        let wants = |events| wants_scan(&life(events), &V, PACKS, NOW);
        assert!(!wants(vec![]), "nobody registered it");
        assert!(wants(vec![registered()]));
        assert!(!wants(vec![registered(), scan(PACKS, None)]));
        assert!(wants(vec![registered(), scan(Digest([9; 32]), None)]));
        assert!(wants(vec![registered(), scan(PACKS, Some(NOW))]));
        let order =
            |order| Event::Order(Order { by: None, id: alcaide_inventory::OrderId::from_bits(1), order });
        let held = order(OrderKind::QuarantineModel { model: M, version: V });
        assert!(!wants(vec![registered(), held]), "an order is for people to take back");
        assert!(!wants(vec![registered(), order(OrderKind::RevokeModel { model: M, version: V })]));
    }
}
