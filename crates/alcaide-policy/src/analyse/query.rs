//! One question to the solver: the translation writes a script, the solver answers it.
//!
//! The translation's own trait is asynchronous, but a script in memory is never waited for: every step is ready when it
//! is first polled.

use cedar_policy_symcc::SmtLibScript as _;
use cedar_policy_symcc::err::{Error, SolverError};
use cedar_policy_symcc::solver::{Decision, DecisionWithModel, Solver};
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet, Env, ResetMode, disjoint_asserts};
use futures_util::FutureExt as _;

use super::{Answer, Solve};
use crate::fault::one_line;

/// How one question ended.
pub(super) enum Asked {
    /// No call is allowed by both sets.
    Never,
    /// Such a call was found.
    Found(Box<Env>),
    /// Nothing is known.
    Open(String),
}

/// Asks for a call that both sets allow.
pub(super) fn disjoint(
    allowed: &CompiledPolicySet,
    wanted: &CompiledPolicySet,
    solver: &mut (dyn Solve + Send),
) -> Asked {
    let scribe = Scribe { script: Vec::new(), solver };
    let mut compiler = match CedarSymCompiler::new(scribe) {
        // Every question is a script of its own.
        Ok(made) => made.with_reset_mode(ResetMode::Comment),
        Err(error) => return Asked::Open(one_line(&error.to_string())),
    };
    let asserts = disjoint_asserts(allowed, wanted);
    match compiler.check_sat(&asserts).now_or_never() {
        Some(Ok(None)) => Asked::Never,
        Some(Ok(Some(found))) => Asked::Found(Box::new(found)),
        Some(Err(Error::SolverUnknown)) => Asked::Open("the solver gave up within its time".into()),
        Some(Err(Error::ModelInvalid { .. })) => {
            Asked::Open("the solver's example breaks its own question".into())
        }
        Some(Err(error)) => Asked::Open(one_line(&error.to_string())),
        None => Asked::Open("the translation waited for something".into()),
    }
}

/// Collects the script and has it answered whole.
struct Scribe<'a> {
    script: Vec<u8>,
    solver: &'a mut (dyn Solve + Send),
}

impl Scribe<'_> {
    fn answer(&mut self, with_model: bool) -> Result<DecisionWithModel, SolverError> {
        self.script.extend_from_slice(b"(check-sat)\n");
        if with_model {
            self.script.extend_from_slice(b"(get-model)\n");
        }
        let script = String::from_utf8(std::mem::take(&mut self.script))
            .map_err(|error| SolverError::Solver(error.to_string()))?;
        match self.solver.solve(&script).map_err(SolverError::Solver)? {
            Answer::Never => Ok(DecisionWithModel::Unsat),
            Answer::Found(model) => Ok(DecisionWithModel::Sat { model }),
            Answer::Unknown => Ok(DecisionWithModel::Unknown),
        }
    }
}

impl Solver for Scribe<'_> {
    fn smtlib_input(&mut self) -> &mut (dyn tokio::io::AsyncWrite + Unpin + Send) {
        &mut self.script
    }

    async fn enable_models(&mut self) -> Result<(), SolverError> {
        self.script.set_option("produce-models", "true").await.map_err(Into::into)
    }

    async fn check_sat(&mut self) -> Result<Decision, SolverError> {
        self.answer(false).map(|answer| match answer {
            DecisionWithModel::Sat { .. } => Decision::Sat,
            DecisionWithModel::Unsat => Decision::Unsat,
            DecisionWithModel::Unknown => Decision::Unknown,
        })
    }

    async fn check_sat_with_model(&mut self) -> Result<DecisionWithModel, SolverError> {
        self.answer(true)
    }
}
