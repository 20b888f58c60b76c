//! `settings.toml` in the data directory: one file, every key with its unit, default and reason.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use alcaide_serve::Limits;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::webhook::WebhookSettings;

/// Longest wait for people, in milliseconds: well below the life of a question.
const APPROVAL_WAIT_MAX_MS: u64 = 600_000;

/// All settings. A missing key has its default; an unknown key is refused.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The gate: where agents call.
    pub(crate) gate: GateSettings,
    /// The office: where people and the command line come.
    pub(crate) office: OfficeSettings,
    /// The ledger.
    pub(crate) ledger: LedgerSettings,
    /// Who else is told what happens: `[[webhook]]`.
    pub(crate) webhook: Vec<WebhookSettings>,
}

/// The gate.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GateSettings {
    /// Address and port. Plain HTTP on loopback only. Default 127.0.0.1:7100: nothing is reachable from outside
    /// until someone decides so.
    pub(crate) listen: SocketAddr,
    /// Host names that callers may use besides the loopback names.
    pub(crate) names: Vec<String>,
    /// Longest body of a request, in bytes. Default 16 MiB: a long conversation with a few pictures. Whoever can
    /// raise it can make the gate use more memory.
    pub(crate) body_bytes: usize,
    /// Most connections at one time. Default 4,096.
    pub(crate) connections: usize,
    /// How long a call waits for people to answer, in milliseconds: 0 (never) to 600,000. Default 25,000: below the
    /// 30 seconds after which many clients and proxies give a silent call up. Whoever can raise it keeps calls, and
    /// their bodies, in memory for longer; an answer that comes later is found by the next call.
    pub(crate) approval_wait_ms: u64,
}

/// The office.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OfficeSettings {
    /// Address and port. Default 127.0.0.1:7101.
    pub(crate) listen: SocketAddr,
    /// Host names that callers may use besides the loopback names.
    pub(crate) names: Vec<String>,
    /// URL that tokens name as their issuer; by default `http://` and the address.
    pub(crate) issuer: Option<String>,
    /// Trust domain of SPIFFE ids. Default `alcaide.local`. Cannot be changed without ending every credential.
    pub(crate) trust_domain: String,
}

/// The ledger.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LedgerSettings {
    /// First line of its checkpoints. Default `alcaide.local/ledger`; fixed when the ledger is begun.
    pub(crate) origin: String,
    /// Bytes of one segment. Default 64 MiB.
    pub(crate) segment_bytes: u64,
}

impl Default for GateSettings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7100)),
            names: Vec::new(),
            body_bytes: limits.body_bytes(),
            connections: limits.connections(),
            approval_wait_ms: 25_000,
        }
    }
}

impl Default for OfficeSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7101)),
            names: Vec::new(),
            issuer: None,
            trust_domain: "alcaide.local".into(),
        }
    }
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self { origin: "alcaide.local/ledger".into(), segment_bytes: 64 << 20 }
    }
}

impl Settings {
    /// Reads the file; all defaults if there is none.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("settings file `{}`", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("settings file `{}`", path.display())),
        }
    }

    /// The URL that tokens name as their issuer.
    pub(crate) fn issuer(&self) -> String {
        self.office.issuer.clone().unwrap_or_else(|| format!("http://{}", self.office.listen))
    }

    /// The URL of the console. On loopback it has a name of its own: browsers send a cookie to every port of a host, so
    /// that under `127.0.0.1` or `localhost` any program with a port would get it. Browsers know by themselves that names
    /// below `localhost` are this machine.
    pub(crate) fn console(&self) -> String {
        match self.office.names.first() {
            Some(name) => format!("https://{name}"),
            None => format!("http://{}:{}", Self::CONSOLE_HOST, self.office.listen.port()),
        }
    }

    /// The console's name on this machine.
    pub(crate) const CONSOLE_HOST: &str = "alcaide.localhost";

    /// Limits of the gate's listener.
    pub(crate) fn gate_limits(&self) -> Result<Limits> {
        Ok(Limits::default()
            .with_body_bytes(self.gate.body_bytes)?
            .with_connections(self.gate.connections)?)
    }

    /// How long a call waits for people.
    pub(crate) fn approval_wait(&self) -> Result<Duration> {
        let wait = self.gate.approval_wait_ms;
        anyhow::ensure!(
            wait <= APPROVAL_WAIT_MAX_MS,
            "`gate.approval_wait_ms` is {wait}, at most {APPROVAL_WAIT_MAX_MS}"
        );
        Ok(Duration::from_millis(wait))
    }

    /// How long a stop may take before what is left is cut.
    pub(crate) const DRAIN: Duration = Duration::from_secs(10);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_loopback_and_unknown_keys_are_refused() {
        let settings: Settings = toml::from_str("").unwrap();
        assert!(settings.gate.listen.ip().is_loopback() && settings.office.listen.ip().is_loopback());
        assert!(toml::from_str::<Settings>("[gate]\nlisten = \"127.0.0.1:1\"\n").is_ok());
        assert!(toml::from_str::<Settings>("[gate]\nlistn = \"127.0.0.1:1\"\n").is_err());
        assert!(toml::from_str::<Settings>(&toml::to_string(&Settings::default()).unwrap()).is_ok());
    }

    #[test]
    fn the_console_has_a_name_of_its_own_on_this_machine_and_https_beyond() {
        let mut settings = Settings::default();
        assert_eq!(settings.console(), "http://alcaide.localhost:7101");
        settings.office.names = vec!["office.example".into(), "other.example".into()];
        assert_eq!(settings.console(), "https://office.example");
    }
}
