//! Declarations come into force: difference, faults, plan, entry, swap.

use std::collections::BTreeMap;
use std::sync::Arc;

use alcaide_inventory::declare::{Agent, Declarations, Human, Named};
use alcaide_inventory::{HumanId, Name, Plan, PlanNumber, ToolId};
use alcaide_ledger::AppendError;
use alcaide_policy::Compiled;
use alcaide_record::{Digest, Event, Planned};
use alcaide_seal::digest::sha256;
use alcaide_store::Transaction;
use alcaide_store::rusqlite::params;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};

use crate::by::{By, Operation};
use crate::change::{self, Edit, Thing};
use crate::error::OfficeError;
use crate::office::{Office, detached, digest_of};
use crate::place::{Accepted, Ids, Rest, declarations_of, plan_of};
use crate::project;
use crate::query;
use crate::sql::{int, moment, parsed, text_of};
use crate::view::{Applied, Change, Fault, Kind, Page, Paging, PlanView, Preview};

/// Code of a fault in the declarations themselves.
pub(crate) const CODE_DECLARED: &str = "ALC-DECLARE-0001";
/// Code of an upstream that refers to a secret that nobody has sealed.
const CODE_NO_SECRET: &str = "ALC-DECLARE-0002";
/// Code of a plan that the gate cannot use.
const CODE_UNUSABLE: &str = "ALC-DECLARE-0003";

/// What is to come into force.
pub(crate) struct Wanted {
    pub(crate) declared: Declarations,
    /// Secrets in place of those of the current plan.
    pub(crate) secrets: Option<
        alcaide_inventory::plan::Kind<alcaide_inventory::SecretId, alcaide_inventory::plan::SealedSecret>,
    >,
    /// Ids that were drawn for secrets.
    pub(crate) ids: Ids,
    /// Tools accepted in another form than the store says, to see what would come of it.
    pub(crate) accepted: BTreeMap<ToolId, Accepted>,
    /// What changed beside the declarations, for the answer.
    pub(crate) besides: Vec<Change>,
    pub(crate) repeats: Option<PlanNumber>,
    pub(crate) by: Option<HumanId>,
    /// A plan is made even if nothing differs: the first one.
    pub(crate) always: bool,
    /// The turn of somebody who only looks, held until it is compiled.
    pub(crate) turn: Option<OwnedSemaphorePermit>,
}

impl Wanted {
    pub(crate) fn new(declared: Declarations, by: Option<HumanId>) -> Self {
        Self {
            declared,
            secrets: None,
            ids: Ids::default(),
            accepted: BTreeMap::new(),
            besides: Vec::new(),
            repeats: None,
            by,
            always: false,
            turn: None,
        }
    }

    pub(crate) fn first(declared: Declarations) -> Self {
        Self { always: true, ..Self::new(declared, None) }
    }
}

/// A plan that could come into force, or why not.
pub(crate) struct Drafted {
    pub(crate) plan: Plan,
    ids: Ids,
    changes: Vec<Change>,
    pub(crate) faults: Vec<Fault>,
    differs: bool,
}

impl Office {
    /// What an apply would do, and all that keeps it from being done. Changes nothing.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; faults of the declarations stand in the preview.
    pub async fn preview(&self, by: &By, wanted: Declarations) -> Result<Preview, OfficeError> {
        self.allow(by, Operation::See).await?;
        let base = self.current();
        let turn = self.study().await?;
        let wanted = Wanted { turn: Some(turn), ..Wanted::new(wanted, by.human()) };
        let drafted = self.draft(&base, wanted).await?;
        Ok(Preview { base: base.number, changes: drafted.changes, faults: drafted.faults })
    }

    /// Brings declarations into force, whole or not at all. With `expected`, only on top of that plan.
    ///
    /// Agents of people who are no longer active are quarantined in the same plan, and the changes say so. If nothing
    /// differs, the plan in force stays.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Conflict`], [`OfficeError::Faults`]; else what store and ledger say,
    /// and then nothing is in force that was not before.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn apply(
        &self,
        by: &By,
        wanted: Declarations,
        expected: Option<PlanNumber>,
    ) -> Result<Applied, OfficeError> {
        if !by.may(Operation::ApplyPolicies) {
            return Err(self.denied(by, Operation::Apply).await);
        }
        if !by.may(Operation::Apply) {
            // Who may change policies alone is let in only if nothing else differs.
            let mut settled = wanted.clone();
            let current = declarations_of(&self.current());
            change::settle(&current, &mut settled);
            if change::diff(&current, &settled).iter().any(|one| one.kind != Kind::Policy) {
                return Err(self.denied(by, Operation::Apply).await);
            }
            // Between this look and the commit another plan may come into force: then it is a conflict.
            let base = expected.unwrap_or(self.current().number);
            let by = by.human();
            return self.change(Some(base), move |_| Ok(Wanted::new(wanted, by))).await;
        }
        let by = by.human();
        self.change(expected, move |_| Ok(Wanted::new(wanted, by))).await
    }

    /// Brings the declarations of an earlier plan into force again, under a new number. Secrets and accepted tools stay
    /// as they are now.
    ///
    /// # Errors
    /// As [`Office::apply`], and [`OfficeError::Unknown`] if there is no such plan.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn rollback(
        &self,
        by: &By,
        to: PlanNumber,
        expected: Option<PlanNumber>,
    ) -> Result<Applied, OfficeError> {
        self.allow(by, Operation::Rollback).await?;
        let (declared, by) = (declarations_of(&self.load(to).await?), by.human());
        let wanted = Wanted { repeats: Some(to), ..Wanted::new(declared, by) };
        self.change(expected, move |_| Ok(wanted)).await
    }

    /// One small change on top of what is declared.
    ///
    /// # Errors
    /// As [`Office::apply`], and [`OfficeError::Exists`] or [`OfficeError::Unknown`] if the edit does not fit.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn edit(
        &self,
        by: &By,
        edit: Edit,
        expected: Option<PlanNumber>,
    ) -> Result<Applied, OfficeError> {
        let kind = match &edit {
            Edit::Create(thing) | Edit::Replace(thing) => match thing {
                Thing::Policy(_) => Kind::Policy,
                _ => Kind::Agent,
            },
            Edit::Remove { kind, .. } => *kind,
        };
        let operation = if kind == Kind::Policy { Operation::ApplyPolicies } else { Operation::Apply };
        self.allow(by, operation).await?;
        let by = by.human();
        self.change(expected, move |plan| Ok(Wanted::new(edit.on(declarations_of(plan))?, by))).await
    }

    /// Adds an agent.
    ///
    /// # Errors
    /// As [`Office::edit`].
    pub async fn agent_create(&self, by: &By, name: Name, spec: Agent) -> Result<Applied, OfficeError> {
        self.edit(by, Edit::Create(Thing::Agent(Named { name, spec })), None).await
    }

    /// Puts another declaration in the place of an agent's.
    ///
    /// # Errors
    /// As [`Office::edit`].
    pub async fn agent_edit(
        &self,
        by: &By,
        name: Name,
        spec: Agent,
        expected: Option<PlanNumber>,
    ) -> Result<Applied, OfficeError> {
        self.edit(by, Edit::Replace(Thing::Agent(Named { name, spec })), expected).await
    }

    /// Adds a person.
    ///
    /// # Errors
    /// As [`Office::edit`].
    pub async fn human_create(&self, by: &By, name: Name, spec: Human) -> Result<Applied, OfficeError> {
        self.edit(by, Edit::Create(Thing::Human(Named { name, spec })), None).await
    }

    /// Puts another declaration in the place of a person's.
    ///
    /// # Errors
    /// As [`Office::edit`].
    pub async fn human_edit(
        &self,
        by: &By,
        name: Name,
        spec: Human,
        expected: Option<PlanNumber>,
    ) -> Result<Applied, OfficeError> {
        self.edit(by, Edit::Replace(Thing::Human(Named { name, spec })), expected).await
    }

    /// The declarations in force; Cedar text included.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`].
    pub async fn export(&self, by: &By) -> Result<Declarations, OfficeError> {
        self.allow(by, Operation::See).await?;
        Ok(declarations_of(&self.current()))
    }

    /// All plans that were ever in force, newest first.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Cursor`], or what the store says.
    pub async fn plans(&self, by: &By, paging: Paging) -> Result<Page<PlanView>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let (limit, before) = query::window(&paging)?;
        let current = self.current().number;
        self.0.store.read(move |tx| plans_page(tx, current, limit, before)).await
    }

    /// A plan of the past or present, whole.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], or what the store says.
    pub async fn plan_at(&self, by: &By, number: PlanNumber) -> Result<Plan, OfficeError> {
        self.allow(by, Operation::See).await?;
        self.load(number).await
    }

    async fn load(&self, number: PlanNumber) -> Result<Plan, OfficeError> {
        if let Some(plan) = self.load_plan(Some(number)).await? {
            return Ok(plan);
        }
        let there = self.0.store.read(move |tx| {
            let sql = "SELECT 1 FROM plan WHERE number = ?1 AND entry IS NOT NULL";
            Ok::<_, OfficeError>(tx.prepare(sql)?.exists([int(number.0)])?)
        });
        if there.await? {
            Err(OfficeError::PlanGone { number })
        } else {
            Err(OfficeError::unknown("plan", &number))
        }
    }

    /// Makes the plan that would be next, finds all faults.
    pub(crate) async fn draft(&self, base: &Arc<Plan>, wanted: Wanted) -> Result<Drafted, OfficeError> {
        let read = |tx: &Transaction<'_>| Ok::<_, OfficeError>((Ids::load(tx)?, accepted(tx)?));
        let (ids, accepted) = self.0.store.read(read).await?;
        let (base, entropy, made) = (Arc::clone(base), Arc::clone(&self.0.entropy), self.now());
        let trial = self.0.trial.get().cloned();
        let mut wanted = wanted;
        let turn = wanted.turn.take();
        blocking(move || {
            let _turn = turn;
            let mut drafted = drafted(&base, wanted, ids, accepted, &*entropy, made)?;
            // Last, because it is the dearest, and because whatever is told here has no place in a file.
            if let (true, true, Some(trial)) = (drafted.faults.is_empty(), drafted.differs, trial)
                && let Err(why) = trial(&drafted.plan)
            {
                drafted.faults.push(unusable(why));
            }
            Ok(drafted)
        })
        .await?
    }

    /// The desk, and with it the plan that the next one goes on from: a plan that was recorded and not followed yet is in
    /// force first.
    pub(crate) async fn desk(&self) -> Result<OwnedMutexGuard<()>, OfficeError> {
        let desk = Arc::clone(&self.0.desk).lock_owned().await;
        self.caught_up().await?;
        Ok(desk)
    }

    /// Brings a change of the plan in force into force; whoever calls has checked the role. Runs to its end even if
    /// dropped.
    pub(crate) async fn change(
        &self,
        expected: Option<PlanNumber>,
        wanted: impl FnOnce(&Plan) -> Result<Wanted, OfficeError> + Send + 'static,
    ) -> Result<Applied, OfficeError> {
        let own = self.clone();
        detached(async move {
            let desk = own.desk().await?;
            let wanted = wanted(&own.current())?;
            own.commit(desk, expected, wanted).await
        })
        .await
    }

    /// Brings a new plan into force, and waits for the gate to take it up, within bounds. Whoever calls has checked the role
    /// and holds the desk.
    pub(crate) async fn commit(
        &self,
        desk: OwnedMutexGuard<()>,
        expected: Option<PlanNumber>,
        wanted: Wanted,
    ) -> Result<Applied, OfficeError> {
        let own = self.clone();
        detached(async move {
            let mut applied = own.committed(desk, expected, wanted).await?;
            // The desk is free meanwhile.
            applied.adopted = own.is_adopted(applied.number).await;
            Ok(applied)
        })
        .await
    }

    async fn committed(
        &self,
        desk: OwnedMutexGuard<()>,
        expected: Option<PlanNumber>,
        wanted: Wanted,
    ) -> Result<Applied, OfficeError> {
        let own = self.clone();
        detached(async move {
            let _desk = desk;
            // What was ordered since the desk was taken is part of this plan.
            let followed = own.caught_up().await?;
            let base = own.current();
            if let Some(expected) = expected
                && expected != base.number
            {
                return Err(OfficeError::Conflict { expected, found: base.number });
            }
            let (by, repeats, always) = (wanted.by, wanted.repeats, wanted.always);
            let drafted = own.draft(&base, wanted).await?;
            if !drafted.faults.is_empty() {
                return Err(OfficeError::Faults { faults: drafted.faults });
            }
            if !drafted.differs && !always {
                return Ok(Applied { number: base.number, changes: Vec::new(), adopted: false });
            }
            let number = drafted.plan.number;
            let planned = own.keep(drafted.plan, drafted.ids, (by, repeats), followed).await?;
            match own.record(Event::Planned(planned)).await {
                Ok(_) => Ok(Applied { number, changes: drafted.changes, adopted: false }),
                Err(error) => {
                    // Certainly not written: the row goes. Else the follower decides when the ledger is open again.
                    if matches!(
                        error,
                        OfficeError::Append(
                            AppendError::Busy | AppendError::DiskFull { .. } | AppendError::TooLong { .. }
                        )
                    ) {
                        let sql = "DELETE FROM plan WHERE number = ?1 AND entry IS NULL";
                        let gone = own
                            .0
                            .store
                            .run(move |tx| Ok::<_, OfficeError>(tx.execute(sql, [int(number.0)])?));
                        gone.await?;
                    }
                    Err(error)
                }
            }
        })
        .await
    }

    /// Writes the plan's row, not in force yet. Rows that never got their entry go, and only those: whoever holds the desk
    /// has followed all entries of plans, which are below `followed`.
    async fn keep(
        &self,
        plan: Plan,
        ids: Ids,
        (by, repeats): (Option<HumanId>, Option<PlanNumber>),
        followed: u64,
    ) -> Result<Planned, OfficeError> {
        let body = plan_bytes(&plan)?;
        let digest = digest_of(sha256(body.as_bytes()));
        let (number, made) = (plan.number, plan.made);
        self.0
            .store
            .run(move |tx| {
                if project::next(tx)? < followed {
                    return Err(OfficeError::Behind { why: "entries were not followed".into() });
                }
                ids.save(tx)?;
                tx.execute("DELETE FROM plan WHERE entry IS NULL", [])?;
                tx.execute(
                    "INSERT INTO plan (number, made, by, digest, repeats, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        int(number.0),
                        moment(made),
                        text_of(by),
                        digest.to_string(),
                        repeats.map(|number| int(number.0)),
                        body,
                    ],
                )?;
                Ok::<_, OfficeError>(Planned { by, digest, number, repeats })
            })
            .await
    }

    /// Makes a plan if accepted tools are not in the one in force: an order whose plan was cut off by a crash.
    pub(crate) async fn converge(&self) -> Result<(), OfficeError> {
        match self.change(None, |plan| Ok(Wanted::new(declarations_of(plan), None))).await {
            Ok(_) => Ok(()),
            Err(OfficeError::Faults { faults }) => {
                // The plan in force was sound when it was made; a newer program may be stricter. It stays in force.
                tracing::warn!(faults = faults.len(), "the plan in force breaks rules of this program");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The bytes of a plan that its digest is over: its JSON as serde writes it, members in the order of the type's fields
/// and things in the order of their names, so that one plan has one form.
///
/// # Errors
/// [`OfficeError::Row`] if a value has no form in JSON.
pub fn plan_bytes(plan: &Plan) -> Result<String, OfficeError> {
    crate::sql::to_json("plan", plan)
}

fn drafted(
    base: &Plan,
    mut wanted: Wanted,
    mut ids: Ids,
    mut accepted: BTreeMap<ToolId, Accepted>,
    entropy: &dyn alcaide_seal::Entropy,
    made: alcaide_inventory::Moment,
) -> Result<Drafted, OfficeError> {
    let current = declarations_of(base);
    let told = change::settle(&current, &mut wanted.declared);
    let mut changes = change::diff(&current, &wanted.declared);
    change::explain(&mut changes, &told);
    changes.extend(wanted.besides);
    accepted.extend(wanted.accepted);
    let rest = Rest { secrets: wanted.secrets.unwrap_or_else(|| base.secrets.clone()), accepted };
    let mut faults: Vec<Fault> = wanted.declared.check().into_iter().map(broken).collect();
    missing_secrets(&wanted.declared, &rest, &mut faults);
    ids.adopt(wanted.ids);
    let number = PlanNumber(base.number.0.saturating_add(1));
    let plan = plan_of(&wanted.declared, number, made, &rest, &mut ids, entropy)?;
    let differs = !changes.is_empty() || plan.secrets != base.secrets || plan.tools != base.tools;
    // Cedar is read only once all references hold: else each broken one would be told twice.
    if faults.is_empty()
        && (differs || wanted.always)
        && let Err(found) = Compiled::compile(&plan)
    {
        faults.extend(found.into_iter().map(policy_fault));
    }
    Ok(Drafted { plan, ids, changes, faults, differs })
}

fn accepted(tx: &Transaction<'_>) -> Result<BTreeMap<ToolId, Accepted>, OfficeError> {
    let sql = "SELECT p.tool, p.pin, p.quarantined, s.input_schema FROM tool_pin p \
               LEFT JOIN tool_schema s ON s.tool = p.tool AND s.pin = p.pin";
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let tool: String = row.get(0)?;
        let pin = if row.get(2)? { None } else { Some(row.get(1)?) };
        all.insert(parsed("tool", &tool)?, Accepted { pin, input_schema: row.get(3)? });
    }
    Ok(all)
}

fn missing_secrets(declared: &Declarations, rest: &Rest, faults: &mut Vec<Fault>) {
    for upstream in &declared.upstreams {
        let Some(secret) = secret_of(&upstream.spec) else { continue };
        if !rest.secrets.contains_key(secret) {
            faults.push(Fault {
                code: CODE_NO_SECRET.into(),
                place: format!("upstream/{}", upstream.name),
                why: format!("its secret `{secret}` was not sealed"),
                fix: format!("run `alcaide secret set {secret}` first"),
            });
        }
    }
}

/// The secret that an upstream is shown.
pub(crate) fn secret_of(upstream: &alcaide_inventory::declare::Upstream) -> Option<&Name> {
    use alcaide_inventory::declare::CredentialUse;
    upstream.credential.as_ref().map(|credential| match credential {
        CredentialUse::Header { secret, .. } | CredentialUse::ClientCredentials { secret, .. } => secret,
    })
}

pub(crate) fn broken(one: alcaide_inventory::declare::Broken) -> Fault {
    Fault { code: CODE_DECLARED.into(), place: one.place, why: one.why, fix: one.fix }
}

fn unusable(why: String) -> Fault {
    let fix = "mend what it names; the plan in force stays".into();
    Fault { code: CODE_UNUSABLE.into(), place: "gate".into(), why, fix }
}

pub(crate) fn policy_fault(one: alcaide_policy::PolicyFault) -> Fault {
    let place = format!("{}:{}:{}", one.file, one.line, one.column);
    Fault { code: one.code().to_owned(), place, why: one.why, fix: one.fix }
}

fn plans_page(
    tx: &Transaction<'_>,
    current: PlanNumber,
    limit: u32,
    before: i64,
) -> Result<Page<PlanView>, OfficeError> {
    let sql = "SELECT number, made, by, digest, repeats, entry FROM plan \
               WHERE entry IS NOT NULL AND number < ?1 ORDER BY number DESC LIMIT ?2";
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query(params![before, i64::from(limit) + 1])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let number = PlanNumber(crate::sql::nat(row.get(0)?));
        let (by, digest): (Option<String>, String) = (row.get(2)?, row.get(3)?);
        items.push(PlanView {
            number,
            made: alcaide_inventory::Moment::from_micros(crate::sql::nat(row.get(1)?)),
            by: by.map(|by| parsed("plan", &by)).transpose()?,
            digest: parsed::<Digest>("plan", &digest)?,
            repeats: row.get::<_, Option<i64>>(4)?.map(|number| PlanNumber(crate::sql::nat(number))),
            index: crate::sql::nat(row.get(5)?),
            in_force: number == current,
        });
    }
    Ok(query::page(items, limit, |plan| plan.number.0))
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, OfficeError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| OfficeError::Stopping)
}
