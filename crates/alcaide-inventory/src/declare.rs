//! The declaration format: a folder of TOML, one array of tables per noun, beside `*.cedar` policies.
//!
//! Every file begins with `schema = 1`. Things refer to each other by [`Name`]; ids are given by the office when a
//! thing is first applied. Unknown keys are refused, so that a misspelt limit never silently means "none".
//!
//! A [`Declarations`] is one folder read whole; [`Declarations::check`] finds every broken reference at once.

mod check;
mod grant;
mod keys;
mod model;
mod peer;
mod spec;

use serde::{Deserialize, Serialize};

pub use check::{Broken, TIMEOUT_MS_MAX, TIMEOUT_MS_MIN, TOOL_NAME_BYTES_MAX};
pub use grant::{Grant, GrantError, Pattern};
pub use model::{Model, Proof, Signer};
pub use peer::Peer;
pub use spec::{
    Agent, Binding, Budget, BudgetOver, BudgetUnit, CredentialUse, DpopRule, Durability, Human, McpServer,
    ModelRoute, Operation, Period, Policy, PolicyMode, Price, Protocol, Role, Route, Sandbox, Service,
    ShadowOf, Standing, Tool, Transport, Unit, Upstream, UserTurns, Workload,
};

use crate::name::Name;

/// The only version of the format.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything declared, from one file or a whole folder.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Declarations {
    /// Version of the format; must be [`SCHEMA_VERSION`].
    pub schema: u32,
    /// Units of the organisation.
    #[serde(default, rename = "unit", skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<Named<Unit>>,
    /// People, by handle; their real names live in the office's erasable store.
    #[serde(default, rename = "human", skip_serializing_if = "Vec::is_empty")]
    pub humans: Vec<Named<Human>>,
    /// AI agents.
    #[serde(default, rename = "agent", skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Named<Agent>>,
    /// Programs that are no agents.
    #[serde(default, rename = "workload", skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<Named<Workload>>,
    /// Model providers, tool servers and APIs behind the gate.
    #[serde(default, rename = "upstream", skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<Named<Upstream>>,
    /// What callers may ask for by name, and which upstreams answer.
    #[serde(default, rename = "route", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Named<Route>>,
    /// Other gates whose word about labels counts for something.
    #[serde(default, rename = "peer", skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<Named<Peer>>,
    /// Who signs models.
    #[serde(default, rename = "signer", skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Named<Signer>>,
    /// Models that have to be proven before they are served.
    #[serde(default, rename = "model", skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Named<Model>>,
    /// Facts about tools.
    #[serde(default, rename = "tool", skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Limits on tokens, money and requests.
    #[serde(default, rename = "budget", skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Named<Budget>>,
    /// Cedar policies; filled from `*.cedar` files when a folder is read, or given in line.
    #[serde(default, rename = "policy", skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Named<Policy>>,
}

/// A thing and its name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Named<T> {
    /// Unique within its kind.
    pub name: Name,
    /// The rest of the table.
    #[serde(flatten)]
    pub spec: T,
}

impl Declarations {
    /// Nothing declared, in the current version.
    #[must_use]
    pub fn empty() -> Self {
        Self { schema: SCHEMA_VERSION, ..Self::default() }
    }

    /// Reads one TOML file.
    ///
    /// # Errors
    /// [`DeclareError::Syntax`] with line and column of the first thing that is wrong;
    /// [`DeclareError::Version`] for another `schema`.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, DeclareError> {
        let syntax = |span: Option<std::ops::Range<usize>>, why: &str| {
            let at = span.map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or(text);
            let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
            DeclareError::Syntax { file: file.to_owned(), line, column, why: one_line(why) }
        };
        let tables = toml::de::DeTable::parse(text).map_err(|error| syntax(error.span(), error.message()))?;
        keys::check(tables.get_ref()).map_err(|wrong| syntax(Some(wrong.span), &wrong.why))?;
        let read: Self = toml::from_str(text).map_err(|error| syntax(error.span(), error.message()))?;
        if read.schema == SCHEMA_VERSION {
            Ok(read)
        } else {
            Err(DeclareError::Version { file: file.to_owned(), given: read.schema })
        }
    }

    /// Adds what another file of the same folder declares.
    pub fn merge(&mut self, other: Self) {
        self.units.extend(other.units);
        self.humans.extend(other.humans);
        self.agents.extend(other.agents);
        self.workloads.extend(other.workloads);
        self.upstreams.extend(other.upstreams);
        self.routes.extend(other.routes);
        self.peers.extend(other.peers);
        self.signers.extend(other.signers);
        self.models.extend(other.models);
        self.tools.extend(other.tools);
        self.budgets.extend(other.budgets);
        self.policies.extend(other.policies);
    }

    /// The folder as one TOML text, things in the order of their names.
    ///
    /// # Errors
    /// [`DeclareError::Write`] if a value has no form in TOML.
    pub fn to_toml(&self) -> Result<String, DeclareError> {
        toml::to_string_pretty(self)
            .map_err(|error| DeclareError::Write { why: one_line(&error.to_string()) })
    }
}

/// A declaration file could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// Not TOML, an unknown key, or a value that its key does not take.
    #[error("`{file}` line {line} column {column}: {why}")]
    Syntax {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// The file is of another version of the format.
    #[error("`{file}` has schema {given}, but this program reads schema {SCHEMA_VERSION}")]
    Version {
        /// The file.
        file: String,
        /// The version it says.
        given: u32,
    },
    /// The declarations could not be written.
    #[error("the declarations could not be written: {why}")]
    Write {
        /// What is wrong.
        why: String,
    },
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
