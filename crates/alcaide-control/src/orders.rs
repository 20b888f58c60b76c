//! Orders: what the gates must know at once. Each is durable in the ledger before the call returns; its sequence is
//! its ledger index. Giving one twice does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alcaide_inventory::{Actor, HumanId, Name, OrderId, Plan, RouteId, TokenId};
use alcaide_record::{Entry, Event, Order, OrderKind};
use alcaide_store::rusqlite::OptionalExtension as _;

use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::{Office, detached};
use crate::query::source_orders;
use crate::sql::actor_of;
use crate::view::{HeldSource, OrderView};

impl Office {
    /// Stops an actor: nothing that it holds is good any more. Its owner and sponsor may do it too.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn kill(&self, by: &By, actor: Actor) -> Result<OrderView, OfficeError> {
        if !by.may(Operation::Kill) && !self.answers_for(by, actor).await {
            return Err(self.denied(by, Operation::Kill).await);
        }
        let (own, by) = (self.clone(), by.human());
        detached(async move {
            let _bench = own.0.bench.lock().await;
            let epoch = own.next_epoch(actor).await?;
            own.give(by, OrderKind::Kill { actor, epoch }).await
        })
        .await
    }

    /// An epoch past every one that the actor has had. A store that cannot be written or read, or not in time, keeps
    /// nobody from being stopped: each kill is an entry and raises an epoch by one or to this same sum, so the greatest
    /// epoch at the start and the ledger's size together are past them all.
    async fn next_epoch(&self, actor: Actor) -> Result<u64, OfficeError> {
        // What a gate ordered by itself counts too.
        let known = async {
            match self.catch_up().await {
                Err(error) if !error.may_pass() => return Err(error),
                // While it cannot be written, no token of a newer epoch is issued either.
                _ => {}
            }
            Ok::<_, OfficeError>(self.state_of(actor).await?.epoch.saturating_add(1))
        };
        match tokio::time::timeout(STORE_WAIT, known).await {
            Ok(Err(error)) if !error.may_pass() => Err(error),
            Ok(Ok(epoch)) => Ok(epoch),
            Ok(Err(_)) | Err(_) => {
                let started = self.0.epochs.get().copied().unwrap_or(0);
                Ok(started.saturating_add(self.0.ledger.size().max(1)))
            }
        }
    }

    /// Lets a stopped actor act again, with new tokens.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn unkill(&self, by: &By, actor: Actor) -> Result<OrderView, OfficeError> {
        self.allow(by, Operation::Unkill).await?;
        self.give(by.human(), OrderKind::Unkill { actor }).await
    }

    /// Holds back a route — a server, a service or a model — at all gates: nothing is sent to it, and so nothing comes
    /// from it, until it is released. Giving it twice does no harm.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`]; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn quarantine_source(&self, by: &By, name: &Name) -> Result<OrderView, OfficeError> {
        self.allow(by, Operation::QuarantineSource).await?;
        let route = self.route_of(name)?;
        self.give(by.human(), OrderKind::QuarantineSource { route }).await
    }

    /// Lets a route be used again.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`]; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn release_source(&self, by: &By, name: &Name) -> Result<OrderView, OfficeError> {
        self.allow(by, Operation::ReleaseSource).await?;
        let route = self.route_of(name)?;
        self.give(by.human(), OrderKind::ReleaseSource { route }).await
    }

    /// The routes that are held back, by name, with the orders that said so.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], or what the store says.
    pub async fn quarantined_sources(&self, by: &By) -> Result<Vec<HeldSource>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let plan = self.current();
        let orders = self.0.store.read(source_orders).await?;
        let mut held: BTreeMap<RouteId, OrderView> = BTreeMap::new();
        for order in orders {
            match order.order {
                OrderKind::QuarantineSource { route } => {
                    held.entry(route).or_insert(order);
                }
                OrderKind::ReleaseSource { route } => {
                    held.remove(&route);
                }
                _ => {}
            }
        }
        let named = |route: RouteId| plan.routes.iter().find(|(_, placed)| placed.id == route);
        let mut all: Vec<HeldSource> = held
            .into_iter()
            .map(|(route, order)| HeldSource {
                route,
                name: named(route).map(|(name, _)| name.clone()),
                order,
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn route_of(&self, name: &Name) -> Result<RouteId, OfficeError> {
        let plan = self.current();
        plan.routes.get(name).map(|placed| placed.id).ok_or_else(|| OfficeError::unknown("route", name))
    }

    /// Revokes one token and all that descend from it. The person on whose behalf it is may do it too.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; else what store and ledger say. A token that is not known is revoked all the same.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn revoke(&self, by: &By, token: TokenId) -> Result<OrderView, OfficeError> {
        if !by.may(Operation::Revoke) && !self.is_subject(by, token).await? {
            return Err(self.denied(by, Operation::Revoke).await);
        }
        self.give(by.human(), OrderKind::Revoke { token }).await
    }

    async fn is_subject(&self, by: &By, token: TokenId) -> Result<bool, OfficeError> {
        let Some(human) = by.human() else { return Ok(false) };
        let subject: Option<String> = self
            .0
            .store
            .read(move |tx| {
                let sql = "SELECT subject FROM issued WHERE token = ?1";
                Ok::<_, OfficeError>(tx.query_row(sql, [token.to_string()], |row| row.get(0)).optional()?)
            })
            .await?;
        Ok(subject.and_then(|text| actor_of(&text)) == Some(Actor::Human(human)))
    }

    /// Gives an order: durable when this returns. What cannot be followed now is followed later; the order stands.
    pub(crate) async fn give(&self, by: Option<HumanId>, order: OrderKind) -> Result<OrderView, OfficeError> {
        let id = OrderId::from_bits(self.bits()?);
        let given = Order { by, id, order: order.clone() };
        let own = self.clone();
        detached(async move {
            let at = own.now();
            let leaf = Entry::new(at, Event::Order(given)).to_leaf()?;
            let index = own.0.ledger.append(leaf).await?.index();
            let followed = match tokio::time::timeout(STORE_WAIT, own.catch_up()).await {
                Ok(followed) => followed,
                Err(_) => {
                    let late = Err(OfficeError::Behind { why: "the store does not answer".into() });
                    // Until it has followed, the office issues no token on what it knew before.
                    own.0.lag.told(&late);
                    late
                }
            };
            if let Err(error) = followed {
                tracing::error!(index, code = error.code(), "an order was given but could not be followed");
            }
            Ok(OrderView { index, id, at, by, order })
        })
        .await
    }
}

/// How long an order waits for the store, before it and after it. It stands without.
const STORE_WAIT: Duration = Duration::from_secs(2);

/// The people who answer for an actor.
pub(crate) fn keepers(plan: &Plan, actor: Actor) -> BTreeSet<HumanId> {
    let names = match actor {
        Actor::Human(_) => None,
        Actor::Agent(id) => plan
            .agents
            .values()
            .find(|one| one.id == id)
            .map(|one| (&one.spec.owner, one.spec.sponsor.as_ref())),
        Actor::Workload(id) => {
            plan.workloads.values().find(|one| one.id == id).map(|one| (&one.spec.owner, None))
        }
    };
    let Some((owner, sponsor)) = names else { return BTreeSet::new() };
    [Some(owner), sponsor]
        .into_iter()
        .flatten()
        .filter_map(|name| plan.humans.get(name).map(|placed| placed.id))
        .collect()
}
