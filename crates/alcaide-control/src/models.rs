//! Models: versions that were registered, evidence about them, and what may be served.
//!
//! ```text
//! files ─ scan, digest (elsewhere) ─▶ Registration ─ signed ─▶ shelf; its digest ─▶ ledger ─▶ follower: Life ─▶ views
//! person ─ release, quarantine, revoke ─ Life says whether it fits ─▶ order ─▶ ledger ─▶ gate
//! ```
//! Evidence is signed by the house's own key when it is entered, lies on the ledger's shelf, and the record names it by its digest.
//! How a version stands follows from the record alone ([`Life`]); a step that does not fit is refused before it is written.
//!
//! Who registered a version, or entered its newest scan, does not release it; the operator of the machine may do both, since nobody else may be there.

mod follow;
mod view;

use alcaide_artifact::Verdict;
use alcaide_artifact::evidence::{
    self, Claim, EvidenceError, ScanClaim, SignatureClaim, Statement, Subject, Term,
};
use alcaide_artifact::signing::{self, Bundle, Rules, TreePath, Trust};
use alcaide_inventory::declare::{Model, Proof};
use alcaide_inventory::id::{HumanId, ModelId};
use alcaide_inventory::plan::Placed;
use alcaide_inventory::{Moment, Name, Plan};
use alcaide_record::{Digest, Event, FilesState, Life, ModelEvent, OrderKind, Proven, ScanVerdict};
use alcaide_seal::Voucher;
use alcaide_seal::ecdsa::KeyHint;
use alcaide_seal::x509::Roots;
use serde::{Deserialize, Serialize};

pub(crate) use follow::follow;
pub use view::{
    EvidenceView, ModelDetail, ModelView, OnDisk, ReleaseView, ScanView, SignatureView, VersionView,
};

use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::{Office, detached, digest_of};
use crate::plans::blocking;
use crate::view::OrderView;

/// What was found out about the files of a model, where they lie.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The files.
    pub subject: Subject,
    /// What a scan says of them.
    pub scan: ScanClaim,
    /// A bundle of OpenSSF Model Signing over exactly these files, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
}

/// What a registration came to.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Registered {
    /// The model as it stands now.
    pub model: ModelView,
    /// The version.
    pub version: VersionView,
    /// Whether it was registered before, and only its evidence is new.
    pub known: bool,
}

/// A release, a quarantine or a revocation, and how the model stands after it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ModelOrdered {
    /// The order.
    pub order: OrderView,
    /// The model.
    pub model: ModelView,
}

/// Which version is to be released.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The version.
    pub version: Digest,
    /// Whether what its scan could not look into is accepted.
    #[serde(default)]
    pub accept_doubt: bool,
}

impl Office {
    /// All declared models, by name.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], or what the store says.
    pub async fn models(&self, by: &By) -> Result<Vec<ModelView>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let plan = self.current();
        let mut all = Vec::with_capacity(plan.models.len());
        for (name, placed) in &plan.models {
            let life = self.life(placed.id).await?;
            all.push(ModelView::of(&plan, name, placed, &life));
        }
        Ok(all)
    }

    /// One model with its versions, the newest first.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], or what the store says.
    pub async fn model(&self, by: &By, name: &Name) -> Result<ModelDetail, OfficeError> {
        self.allow(by, Operation::See).await?;
        let plan = self.current();
        let placed = declared(&plan, name)?;
        let life = self.life(placed.id).await?;
        Ok(ModelDetail::of(&plan, name, placed, &life))
    }

    /// Evidence that was entered about one model, or about all, newest first; at most 500.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], or what the store says.
    pub async fn evidence(&self, by: &By, model: Option<&Name>) -> Result<Vec<EvidenceView>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let plan = self.current();
        let wanted = model.map(|name| declared(&plan, name)).transpose()?.map(|placed| placed.id);
        let rows = self.0.store.read(move |tx| follow::entered(tx, wanted)).await?;
        Ok(rows.into_iter().map(|row| EvidenceView::of(&plan, row)).collect())
    }

    /// The envelope with this digest, as it lies on the shelf.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`] if no evidence of that digest was entered or it is not there any more;
    /// [`OfficeError::Shelf`], or what the store says.
    pub async fn envelope(&self, by: &By, digest: Digest) -> Result<Vec<u8>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let entered = self.0.store.read(move |tx| follow::is_entered(tx, digest)).await?;
        let unknown = || OfficeError::unknown("evidence", &digest);
        if !entered {
            return Err(unknown());
        }
        let shelf = self.0.ledger.shelf();
        blocking(move || shelf.take(&digest.0.into())).await??.ok_or_else(unknown)
    }

    /// The public key that evidence is verified with, as PEM text. Public.
    #[must_use]
    pub fn evidence_key(&self) -> String {
        use alcaide_seal::ecdsa::EcSigner as _;
        self.0.evidence.public_key().to_pem()
    }

    /// Registers the files of a model with what was found out about them. A version that is known gets new evidence.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`]; [`OfficeError::Model`] if the bundle is not of somebody whom the model
    /// names, or not of these files, or the registry is full; else what shelf, store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn register_model(
        &self,
        by: &By,
        name: &Name,
        registration: Registration,
    ) -> Result<Registered, OfficeError> {
        self.allow(by, Operation::RegisterModel).await?;
        self.enter(by.human(), name.clone(), registration).await
    }

    /// Enters what the house itself found where the files of a model are declared to lie. No face offers this.
    ///
    /// # Errors
    /// As [`Office::register_model`].
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn found_by_house(
        &self,
        name: &Name,
        registration: Registration,
    ) -> Result<Registered, OfficeError> {
        self.enter(None, name.clone(), registration).await
    }

    /// Records what lies where the files of a model are declared to lie. No face offers this.
    ///
    /// # Errors
    /// What ledger and store say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn files_of_model(&self, model: ModelId, state: FilesState) -> Result<(), OfficeError> {
        self.note(Event::Model(ModelEvent::Files { model, state })).await.map(drop)
    }

    /// What the record says of a model. No face offers this.
    ///
    /// # Errors
    /// What the store says.
    pub async fn life_of_model(&self, model: ModelId) -> Result<Life, OfficeError> {
        self.life(model).await
    }

    /// Lets a version be served, in the place of the one before.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`]; [`OfficeError::Model`] if the version is not there, was revoked, is
    /// not scanned or signed as the model requires, or the same person registered it; else what store and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn release_model(
        &self,
        by: &By,
        name: &Name,
        choice: Choice,
    ) -> Result<ModelOrdered, OfficeError> {
        self.allow(by, Operation::ReleaseModel).await?;
        let human = by.human();
        let order = move |model| OrderKind::ReleaseModel {
            accepts_doubt: choice.accept_doubt,
            model,
            version: choice.version,
        };
        let check = move |model: &Model, life: &Life| {
            let Some(version) = life.versions().get(&choice.version) else { return Ok(()) };
            let scanned_by = version.scan.and_then(|scan| scan.by);
            if human.is_some() && (version.by == human || scanned_by == human) {
                let why = "who registered a version, or entered its scan, does not release it; somebody else looks at it";
                return Err(why.to_owned());
            }
            let signed = !model.requires.contains(&Proof::Signature) || !version.signatures.is_empty();
            if signed {
                Ok(())
            } else {
                Err("it requires a signature, and nobody has signed this version".to_owned())
            }
        };
        self.order_model(human, name.clone(), order, check).await
    }

    /// Holds a version back until it was scanned anew and released again.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::Unknown`]; [`OfficeError::Model`] if the version is not there; else what store
    /// and ledger say.
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn quarantine_model(
        &self,
        by: &By,
        name: &Name,
        version: Digest,
    ) -> Result<ModelOrdered, OfficeError> {
        self.allow(by, Operation::QuarantineModel).await?;
        let order = move |model| OrderKind::QuarantineModel { model, version };
        self.order_model(by.human(), name.clone(), order, |_, _| Ok(())).await
    }

    /// Says that a version may never be served again.
    ///
    /// # Errors
    /// As [`Office::quarantine_model`].
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn revoke_model(
        &self,
        by: &By,
        name: &Name,
        version: Digest,
    ) -> Result<ModelOrdered, OfficeError> {
        self.allow(by, Operation::RevokeModel).await?;
        let order = move |model| OrderKind::RevokeModel { model, version };
        self.order_model(by.human(), name.clone(), order, |_, _| Ok(())).await
    }

    async fn order_model(
        &self,
        by: Option<HumanId>,
        name: Name,
        order: impl FnOnce(ModelId) -> OrderKind + Send + 'static,
        check: impl FnOnce(&Model, &Life) -> Result<(), String> + Send + 'static,
    ) -> Result<ModelOrdered, OfficeError> {
        let own = self.clone();
        detached(async move {
            let _registry = own.0.registry.lock().await;
            let plan = own.current();
            let placed = declared(&plan, &name)?;
            let life = own.life(placed.id).await?;
            let wrong = |why: String| OfficeError::Model { model: name.to_string(), why };
            check(&placed.spec, &life).map_err(wrong)?;
            let order = order(placed.id);
            life.clone()
                .obey(placed.id, own.now(), by, &order)
                .map_err(|misstep| wrong(misstep.to_string()))?;
            let order = own.give(by, order).await?;
            let life = own.life(placed.id).await?;
            Ok(ModelOrdered { order, model: ModelView::of(&plan, &name, placed, &life) })
        })
        .await
    }

    async fn enter(
        &self,
        by: Option<HumanId>,
        name: Name,
        registration: Registration,
    ) -> Result<Registered, OfficeError> {
        let own = self.clone();
        detached(async move {
            let _registry = own.0.registry.lock().await;
            let plan = own.current();
            let placed = declared(&plan, &name)?;
            let wrong = |why: String| OfficeError::Model { model: name.to_string(), why };
            let Registration { subject, scan, bundle } = registration;
            let now = own.now();
            let life = own.life(placed.id).await?;
            let version = digest_of(subject.version());
            let known = life.versions().contains_key(&version);
            let registered = ModelEvent::Registered {
                by,
                bytes: scan.bytes(),
                files: scan.files(),
                model: placed.id,
                sha256: digest_of(subject.sha256()),
                version,
            };
            life.clone().know(placed.id, now, &registered).map_err(|misstep| wrong(misstep.to_string()))?;
            let mut claims = vec![Claim::Scan(scan)];
            if let Some(bundle) = bundle {
                // A bundle of many files takes a while to be read.
                let (plan, model, subject) =
                    (std::sync::Arc::clone(&plan), placed.spec.clone(), subject.clone());
                let claim = blocking(move || signature(&plan, &model, &bundle, &subject, now)).await?;
                claims.push(Claim::Signature(claim.map_err(wrong)?));
            }
            // All is signed and on the shelf before the first entry names it.
            let mut entered = Vec::with_capacity(claims.len());
            for claim in claims {
                entered.push(own.vouch(by, placed, &subject, claim, now).await?);
            }
            if !known {
                own.record(Event::Model(registered)).await?;
            }
            for event in entered {
                own.record(Event::Model(event)).await?;
            }
            let life = own.life(placed.id).await?;
            let detail = ModelDetail::of(&plan, &name, placed, &life);
            let found = detail.versions.into_iter().find(|one| one.version == version);
            let found = found.ok_or_else(|| OfficeError::unknown("version", &version))?;
            Ok(Registered { model: detail.model, version: found, known })
        })
        .await
    }

    /// Signs a claim and puts it on the shelf; the entry that names it.
    async fn vouch(
        &self,
        by: Option<HumanId>,
        placed: &Placed<ModelId, Model>,
        subject: &Subject,
        claim: Claim,
        now: Moment,
    ) -> Result<ModelEvent, OfficeError> {
        let days = placed.spec.max_age_days.map(u64::from);
        let expires_at = days.map(|days| now.secs().saturating_add(days.saturating_mul(DAY_S)));
        let proven = proven(&claim);
        let term = Term::new(now.secs(), expires_at)?;
        let statement = Statement::new(subject.clone(), claim, term);
        let (key, shelf) = (std::sync::Arc::clone(&self.0.evidence), self.0.ledger.shelf());
        let put = blocking(move || -> Result<Digest, OfficeError> {
            let envelope = evidence::attest(&statement, &*key)?;
            Ok(digest_of(shelf.put(&envelope.to_json()?)?))
        });
        Ok(ModelEvent::Evidence {
            by,
            envelope: put.await??,
            expires: expires_at.map(Moment::from_secs),
            issued: now,
            model: placed.id,
            proven,
            version: digest_of(subject.version()),
        })
    }

    async fn life(&self, model: ModelId) -> Result<Life, OfficeError> {
        self.0.store.read(move |tx| follow::life(tx, model)).await
    }
}

fn declared<'p>(plan: &'p Plan, name: &Name) -> Result<&'p Placed<ModelId, Model>, OfficeError> {
    plan.models.get(name).ok_or_else(|| OfficeError::unknown("model", name))
}

/// Who signed exactly these files, if the model names whoever did and that key is not revoked.
fn signature(
    plan: &Plan,
    model: &Model,
    bundle: &str,
    subject: &Subject,
    now: Moment,
) -> Result<SignatureClaim, String> {
    let mut trust = Trust { at: now.secs(), ..Trust::default() };
    let mut roots = Vec::new();
    for signer in model.signers.iter().filter_map(|name| plan.signers.get(name)) {
        let signer = &signer.spec;
        let revoked = signer.revoked_keys.iter().filter_map(|text| text.parse().ok()).map(KeyHint);
        trust.revocation.keys.extend(revoked);
        if signer.revoked {
            continue;
        }
        match Voucher::from_pem(&signer.pem).map_err(|error| error.to_string())? {
            Voucher::Key(key) => trust.keys.push(key),
            Voucher::Root(root) => roots.push(*root),
        }
    }
    if !roots.is_empty() {
        trust.roots = Some(Roots::new(roots).map_err(|error| error.to_string())?);
    }
    let rules = rules_of(model.signature.as_deref())?;
    let bundle = Bundle::parse(bundle.as_bytes()).map_err(|error| error.to_string())?;
    let authentic = signing::authenticate(&bundle, &trust, &rules).map_err(|error| error.to_string())?;
    SignatureClaim::of(&authentic, subject).map_err(|error| error.to_string())
}

/// What does not count among the files of a model: where its signature is declared to lie.
///
/// # Errors
/// The words for a path that none can be.
pub fn rules_of(signature: Option<&str>) -> Result<Rules, String> {
    let mut rules = Rules::default();
    if let Some(path) = signature {
        rules.signatures.insert(TreePath::new(path).map_err(|fault| fault.to_string())?);
    }
    Ok(rules)
}

/// What the record says of a claim.
fn proven(claim: &Claim) -> Proven {
    match claim {
        Claim::Scan(scan) => Proven::Scan {
            packs: digest_of(scan.packs().digest),
            verdict: match scan.verdict() {
                Verdict::Clean => ScanVerdict::Clean,
                Verdict::Inconclusive => ScanVerdict::Inconclusive,
                Verdict::Unsafe => ScanVerdict::Unsafe,
            },
        },
        Claim::Signature(signed) => {
            Proven::Signature { key: digest_of(signed.key()), root: signed.root().map(digest_of) }
        }
        // INVARIANT: the office makes claims of these two kinds alone.
        _ => Proven::Scan { packs: Digest::default(), verdict: ScanVerdict::Unsafe },
    }
}

impl From<EvidenceError> for OfficeError {
    fn from(error: EvidenceError) -> Self {
        Self::Evidence(Box::new(error))
    }
}

const DAY_S: u64 = 86_400;
