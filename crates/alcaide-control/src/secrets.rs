//! Upstream secrets: sealed when they come in, opened by the gate's broker only. They travel in the plan, so that a
//! gate has the secrets of exactly the upstreams that it knows.

use alcaide_inventory::plan::{Placed, SealedSecret};
use alcaide_inventory::{Name, SecretId};
use alcaide_record::{Event, OfficeAct};
use alcaide_seal::{SecretText, envelope};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::Office;
use crate::place::{Ids, declarations_of};
use crate::plans::{Wanted, secret_of};
use crate::view::{Applied, Change, Kind, SecretView, What};

/// Longest secret, in bytes: a private key in PEM with its chain fits.
pub const SECRET_BYTES_MAX: usize = 65_536;

impl Office {
    /// Seals a secret under a name, new or in place of the one before, and brings it into force in a new plan. The
    /// record says that it was done, never what was sealed; it says so before the plan that holds it is made.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`]; [`OfficeError::SecretForm`] if it is empty, longer than [`SECRET_BYTES_MAX`] or has
    /// line breaks or other control characters; else as [`Office::apply`].
    ///
    /// # Cancel safety
    /// Runs to its end once the record was asked; before that nothing is done.
    pub async fn secret_set(&self, by: &By, name: Name, secret: SecretText) -> Result<SecretId, OfficeError> {
        self.allow(by, Operation::SecretChange).await?;
        let text = secret.expose();
        if text.is_empty() || text.len() > SECRET_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(OfficeError::SecretForm);
        }
        let (own, by) = (self.clone(), by.human());
        crate::office::detached(async move {
            let desk = own.desk().await?;
            let plan = own.current();
            let mut ids = own.0.store.read(Ids::load).await?;
            let id = ids.of(Kind::Secret, name.as_str(), SecretId::from_bits, &*own.0.entropy)?;
            let aad = id.to_string();
            let sealed =
                envelope::seal(&own.0.master, aad.as_bytes(), secret.expose().as_bytes(), &*own.0.entropy)?;
            drop(secret);
            own.record(Event::Office(OfficeAct::SecretSet { by, secret: id })).await?;
            let mut secrets = plan.secrets.clone();
            let spec = SealedSecret { sealed: STANDARD.encode(sealed) };
            let before = secrets.insert(name.clone(), Placed { id, spec });
            let what = match before {
                None => What::Added,
                Some(_) => What::Changed { fields: vec!["sealed".into()] },
            };
            let besides = vec![Change { kind: Kind::Secret, name: name.to_string(), what, because: None }];
            let declared = declarations_of(&plan);
            let wanted = Wanted { secrets: Some(secrets), ids, besides, ..Wanted::new(declared, by) };
            own.commit(desk, None, wanted).await?;
            Ok(id)
        })
        .await
    }

    /// The sealed secrets, without what they seal.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`].
    pub async fn secrets(&self, by: &By) -> Result<Vec<SecretView>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let plan = self.current();
        let view = |(name, placed): (&Name, &Placed<SecretId, SealedSecret>)| SecretView {
            id: placed.id,
            name: name.clone(),
            used_by: users(&plan, name),
        };
        Ok(plan.secrets.iter().map(view).collect())
    }

    /// Takes a secret out of the plan. Its name keeps its id, so that the record stays readable.
    ///
    /// Earlier plans in the store still hold the sealed form: change the secret at the upstream too.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`], [`OfficeError::SecretInUse`]; else as [`Office::apply`].
    ///
    /// # Cancel safety
    /// Runs to its end even if dropped.
    pub async fn secret_remove(&self, by: &By, name: &Name) -> Result<Applied, OfficeError> {
        self.allow(by, Operation::SecretChange).await?;
        let (name, by) = (name.clone(), by.human());
        self.change(None, move |plan| {
            let mut secrets = plan.secrets.clone();
            if secrets.remove(&name).is_none() {
                return Err(OfficeError::unknown("secret", &name));
            }
            let used_by: Vec<String> = users(plan, &name).iter().map(Name::to_string).collect();
            if !used_by.is_empty() {
                return Err(OfficeError::SecretInUse { name: name.to_string(), used_by });
            }
            let change =
                Change { kind: Kind::Secret, name: name.to_string(), what: What::Removed, because: None };
            let declared = declarations_of(plan);
            Ok(Wanted { secrets: Some(secrets), besides: vec![change], ..Wanted::new(declared, by) })
        })
        .await
    }
}

fn users(plan: &alcaide_inventory::Plan, secret: &Name) -> Vec<Name> {
    let refers = |placed: &alcaide_inventory::declare::Upstream| secret_of(placed) == Some(secret);
    plan.upstreams.iter().filter(|(_, one)| refers(&one.spec)).map(|(name, _)| name.clone()).collect()
}
