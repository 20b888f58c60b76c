//! Policies, looked at before anything comes of them: is a text sound, how do examples come out, who can do what.
//!
//! Each compiles a plan, and whoever has the lowest role may ask: so few do at a time, in turns ([`Office::study`]).

use std::sync::Arc;
use std::time::Duration;

use alcaide_inventory::declare::Declarations;
use alcaide_policy::{Action, CaseReport, Compiled, Who};
use tokio::sync::OwnedSemaphorePermit;

use crate::by::{By, Operation};
use crate::error::OfficeError;
use crate::office::Office;
use crate::plans::{CODE_DECLARED, Wanted, blocking, policy_fault};
use crate::view::Fault;

/// Most previews, checks and tests of policies at a time: each takes a core for as long, and calls need the cores.
pub(crate) const STUDIES_MAX: usize = 2;
/// How long one waits for a turn.
const STUDY_WAIT: Duration = Duration::from_secs(10);

impl Office {
    /// What is wrong with a Cedar text on top of the plan in force.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`].
    pub async fn policy_check(&self, by: &By, file: &str, cedar: &str) -> Result<Vec<Fault>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let (file, cedar, plan) = (file.to_owned(), cedar.to_owned(), self.current());
        let turn = self.study().await?;
        let faults = blocking(move || {
            let _turn = turn;
            alcaide_policy::check(&file, &cedar, &plan)
        });
        let faults = faults.await?;
        Ok(faults.into_iter().map(policy_fault).collect())
    }

    /// Runs declared examples against the plan in force, or against declarations that are not in force yet.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Faults`] for declarations or examples that cannot be read.
    pub async fn policy_test(
        &self,
        by: &By,
        wanted: Option<Declarations>,
        file: &str,
        cases: &str,
    ) -> Result<CaseReport, OfficeError> {
        self.allow(by, Operation::See).await?;
        let base = self.current();
        let plan = match wanted {
            None => Arc::clone(&base),
            Some(declared) => {
                let turn = Some(self.study().await?);
                let wanted = Wanted { turn, ..Wanted::new(declared, by.human()) };
                let drafted = self.draft(&base, wanted).await?;
                if !drafted.faults.is_empty() {
                    return Err(OfficeError::Faults { faults: drafted.faults });
                }
                Arc::new(drafted.plan)
            }
        };
        let (file, cases) = (file.to_owned(), cases.to_owned());
        let place = file.clone();
        let turn = self.study().await?;
        let tested = blocking(move || {
            let _turn = turn;
            let compiled = Compiled::compile(&plan)
                .map_err(|faults| faults.into_iter().map(policy_fault).collect::<Vec<_>>())?;
            compiled.test(&file, &cases).map_err(|error| {
                let fix = "see `alcaide policy test --help` for the form of examples".to_owned();
                vec![Fault { code: CODE_DECLARED.into(), place, why: error.to_string(), fix }]
            })
        });
        tested.await?.map_err(|faults| OfficeError::Faults { faults })
    }

    /// What is decided for everybody in the plan in force, each on their own, about one thing: a model's name,
    /// `server/tool`, `service/operation`.
    ///
    /// # Errors
    /// [`OfficeError::Forbidden`], [`OfficeError::Unknown`] if the plan holds nothing of that name.
    pub async fn who_can(&self, by: &By, action: Action, resource: &str) -> Result<Vec<Who>, OfficeError> {
        self.allow(by, Operation::See).await?;
        let (resource, plan) = (resource.to_owned(), self.current());
        let turn = self.study().await?;
        let found = blocking(move || {
            let _turn = turn;
            let compiled = Compiled::compile(&plan).map_err(|faults| OfficeError::Faults {
                faults: faults.into_iter().map(policy_fault).collect(),
            })?;
            let target = compiled.resource(action, &resource);
            let target =
                target.ok_or_else(|| OfficeError::unknown("resource", &crate::error::cut(&resource)))?;
            Ok(compiled.who_can(action, target))
        });
        found.await?
    }

    /// A turn at compiling plans for those who only look. It is held by the work itself: whoever hangs up frees nothing
    /// before that has ended.
    pub(crate) async fn study(&self) -> Result<OwnedSemaphorePermit, OfficeError> {
        let turn = Arc::clone(&self.0.studies).acquire_owned();
        match tokio::time::timeout(STUDY_WAIT, turn).await {
            Ok(turn) => turn.map_err(|_| OfficeError::Stopping),
            Err(_) => Err(OfficeError::Occupied),
        }
    }
}
