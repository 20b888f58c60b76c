//! `settings.toml` in the data directory: one file, every key with its unit, default and reason.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alcaide_control::{YES_MAX, YesLimits};
use alcaide_memory::{AskLimits, RATE_MAX};
use alcaide_serve::Limits;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::webhook::WebhookSettings;

/// Most days of `office.keep_days`: ten years.
const KEEP_DAYS_MAX: u32 = 3_650;
/// Longest wait for people, in milliseconds: well below the life of a question.
const APPROVAL_WAIT_MAX_MS: u64 = 600_000;
/// Most yes of one person within an hour, where nothing else is said: one in a minute and a half.
const YES_PER_HOUR: u32 = 40;
/// Most of them to questions about money, credentials or what cannot be undone, where nothing else is said.
const GRAVE_YES_PER_HOUR: u32 = 10;
/// Most questions that one agent asks within an hour, where nothing else is said: one in two minutes.
const QUESTIONS_PER_HOUR: u32 = 30;
/// Most questions on behalf of one subject, by all who act for it, where nothing else is said.
const QUESTIONS_PER_HOUR_SUBJECT: u32 = 60;

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
    /// Traces for others.
    pub(crate) telemetry: TelemetrySettings,
}

/// Traces for others.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TelemetrySettings {
    /// URL of an OTLP/HTTP collector, without `/v1/traces`; by default there is none and nothing is sent.
    pub(crate) otlp_url: Option<String>,
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
    /// Most bytes in memory of all bodies together, beyond the first 64 KiB of each: 1 MiB to 64 GiB, no less than
    /// `body_bytes`. Default 256 MiB. Whoever can raise it can make the gate use more memory; whoever can lower it can
    /// have long calls refused.
    pub(crate) bodies_bytes: usize,
    /// Most connections at one time. Default 4,096.
    pub(crate) connections: usize,
    /// Most calls of one agent, workload or person at one time: 1 to 65,536. Default 1,024: one that runs wild leaves
    /// three quarters of the connections to others.
    pub(crate) calls_per_actor: usize,
    /// How long a call waits for people to answer, in milliseconds: 0 (never) to 600,000. Default 25,000: below the
    /// 30 seconds after which many clients and proxies give a silent call up. Whoever can raise it keeps calls, and
    /// their bodies, in memory for longer; an answer that comes later is found by the next call.
    pub(crate) approval_wait_ms: u64,
    /// Most questions to people that one agent asks within an hour: 1 to 10,000. Default 30, one in two minutes: who is
    /// asked more often stops looking. Past it what would ask is refused unasked. Whoever can raise it can tire those
    /// who answer; whoever can lower it can have calls refused that a person would have let pass.
    pub(crate) questions_per_hour: u32,
    /// The same for all who act on behalf of one subject together. Default 60.
    pub(crate) questions_per_hour_subject: u32,
    /// What callers call the gate, where that is not its address: `https://gate.example`. Proofs of possession may name
    /// it, and `Host` too.
    pub(crate) public_url: Option<String>,
    /// PEM file of authorities that upstreams may have their certificates from, beside the public ones.
    pub(crate) upstream_roots: Option<PathBuf>,
    /// Certificate and key; with them the gate speaks TLS, on any address.
    pub(crate) tls: Option<TlsFiles>,
}

/// A certificate and its key, as PEM files; relative paths begin at the data directory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsFiles {
    /// The chain, leaf first.
    pub(crate) certificate: PathBuf,
    /// The key of the leaf; a file that nobody but its owner may read.
    pub(crate) key: PathBuf,
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
    /// Days that the store keeps orders, questions and bodies of plans that are out of force. Default 400.
    pub(crate) keep_days: u32,
    /// Most yes of one person to questions of the gate within an hour: 1 to 10,000. Default 40. Past it another approver
    /// answers, or the same one later; a no is always taken. Whoever can raise it can let a careless approver wave more
    /// through; whoever can lower it can have calls wait.
    pub(crate) yes_per_hour: u32,
    /// The same for questions about money, credentials or what cannot be undone. Default 10.
    pub(crate) grave_yes_per_hour: u32,
    /// Certificate and key; with them the office speaks TLS, on any address.
    pub(crate) tls: Option<TlsFiles>,
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
            bodies_bytes: limits.bodies_bytes(),
            connections: limits.connections(),
            calls_per_actor: limits.calls_per_actor(),
            approval_wait_ms: 25_000,
            questions_per_hour: QUESTIONS_PER_HOUR,
            questions_per_hour_subject: QUESTIONS_PER_HOUR_SUBJECT,
            public_url: None,
            upstream_roots: None,
            tls: None,
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
            keep_days: 400,
            yes_per_hour: YES_PER_HOUR,
            grave_yes_per_hour: GRAVE_YES_PER_HOUR,
            tls: None,
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
        let here = path.parent().unwrap_or(Path::new(""));
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str::<Self>(&text)
                .map(|settings| settings.beside(here))
                .with_context(|| format!("settings file `{}`", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("settings file `{}`", path.display())),
        }
    }

    /// Files that they name, by their path or below the data directory.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let tls = [&self.gate.tls, &self.office.tls].into_iter().flatten();
        let pairs = tls.flat_map(|tls| [&tls.certificate, &tls.key]);
        let secrets = self.webhook.iter().map(|hook| &hook.secret_file);
        pairs.chain(&self.gate.upstream_roots).chain(secrets).map(PathBuf::as_path)
    }

    /// The same, with relative paths below `folder`: that of the settings file.
    pub(crate) fn beside(mut self, folder: &Path) -> Self {
        for tls in [&mut self.gate.tls, &mut self.office.tls].into_iter().flatten() {
            tls.certificate = folder.join(&tls.certificate);
            tls.key = folder.join(&tls.key);
        }
        if let Some(roots) = &mut self.gate.upstream_roots {
            *roots = folder.join(&*roots);
        }
        self
    }

    /// The URL that tokens name as their issuer.
    pub(crate) fn issuer(&self) -> String {
        self.office.issuer.clone().unwrap_or_else(|| self.office_url())
    }

    /// Where the office listens, as a URL.
    pub(crate) fn office_url(&self) -> String {
        format!("{}://{}", self.office_scheme(), self.office.listen)
    }

    /// How the office is spoken to.
    pub(crate) const fn office_scheme(&self) -> &'static str {
        scheme(self.office.tls.as_ref())
    }

    /// How the gate is spoken to.
    pub(crate) const fn gate_scheme(&self) -> &'static str {
        scheme(self.gate.tls.as_ref())
    }

    /// Where the gate listens, as a URL.
    pub(crate) fn gate_url(&self) -> String {
        format!("{}://{}", scheme(self.gate.tls.as_ref()), self.gate.listen)
    }

    /// All that callers may call the gate, scheme and authority each: what proofs of possession name.
    pub(crate) fn gate_origins(&self) -> Vec<String> {
        let scheme = scheme(self.gate.tls.as_ref());
        let port = self.gate.listen.port();
        let named = self.gate.names.iter().map(|name| {
            if has_port(name) { format!("{scheme}://{name}") } else { format!("{scheme}://{name}:{port}") }
        });
        let public = self.gate.public_url.iter().map(|url| url.trim_end_matches('/').to_owned());
        public.chain([self.gate_url()]).chain(named).collect()
    }

    /// Names that `Host` may have at the gate besides the loopback names.
    pub(crate) fn gate_hosts(&self) -> Vec<String> {
        let public = self.gate.public_url.as_deref().and_then(|url| url.split_once("://"));
        let public = public.map(|(_, authority)| authority.trim_end_matches('/').to_owned());
        self.gate.names.iter().cloned().chain(public).collect()
    }

    /// The URL of the console. On loopback it has a name of its own: browsers send a cookie to every port of a host, so
    /// that under `127.0.0.1` or `localhost` any program with a port would get it. Browsers know by themselves that names
    /// below `localhost` are this machine.
    pub(crate) fn console(&self) -> String {
        let (own, port) = (self.office.tls.as_ref(), self.office.listen.port());
        match self.office.names.first() {
            // Without a certificate of its own a proxy stands before it, at the usual port.
            Some(name) if own.is_none() || has_port(name) => format!("https://{name}"),
            Some(name) => format!("https://{name}:{port}"),
            None => format!("{}://{}:{port}", self.office_scheme(), Self::CONSOLE_HOST),
        }
    }

    /// The console's name on this machine.
    pub(crate) const CONSOLE_HOST: &str = "alcaide.localhost";

    /// Limits of the gate's listener.
    pub(crate) fn gate_limits(&self) -> Result<Limits> {
        let (one, all) = (self.gate.body_bytes, self.gate.bodies_bytes);
        anyhow::ensure!(all >= one, "`gate.bodies_bytes` is {all}, less than `gate.body_bytes` with {one}");
        Ok(Limits::default()
            .with_body_bytes(one)?
            .with_bodies_bytes(all)?
            .with_connections(self.gate.connections)?
            .with_calls_per_actor(self.gate.calls_per_actor)?)
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

    /// How many questions to people may be asked within an hour.
    pub(crate) fn ask_limits(&self) -> Result<AskLimits> {
        let [per_actor, per_subject, ..] = self.limits_per_hour()?;
        Ok(AskLimits { per_actor, per_subject })
    }

    /// How often one person says yes within an hour.
    pub(crate) fn yes_limits(&self) -> Result<YesLimits> {
        let [.., per_hour, grave_per_hour] = self.limits_per_hour()?;
        Ok(YesLimits { per_hour, grave_per_hour })
    }

    fn limits_per_hour(&self) -> Result<[u32; 4]> {
        let hourly = self.hourly();
        for (key, limit, most) in hourly {
            anyhow::ensure!((1..=most).contains(&limit), "`{key}` is {limit}, not 1 to {most}");
        }
        Ok(hourly.map(|(_, limit, _)| limit))
    }

    /// The limits of questions and answers in an hour, with their keys and the highest that each may be.
    pub(crate) const fn hourly(&self) -> [(&'static str, u32, u32); 4] {
        let (gate, office) = (&self.gate, &self.office);
        [
            ("gate.questions_per_hour", gate.questions_per_hour, RATE_MAX),
            ("gate.questions_per_hour_subject", gate.questions_per_hour_subject, RATE_MAX),
            ("office.yes_per_hour", office.yes_per_hour, YES_MAX),
            ("office.grave_yes_per_hour", office.grave_yes_per_hour, YES_MAX),
        ]
    }

    /// How long the store keeps what is kept for people.
    pub(crate) fn kept(&self) -> Result<Duration> {
        let days = self.office.keep_days;
        anyhow::ensure!(
            (1..=KEEP_DAYS_MAX).contains(&days),
            "`office.keep_days` is {days}, not 1 to {KEEP_DAYS_MAX}"
        );
        Ok(Duration::from_secs(u64::from(days) * 24 * 60 * 60))
    }

    /// How long a stop may take before what is left is cut.
    pub(crate) const DRAIN: Duration = Duration::from_secs(10);
}

/// How a listener is spoken to.
const fn scheme(tls: Option<&TlsFiles>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

/// Whether a name ends in a port.
fn has_port(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
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
        settings.office.tls = Some(TlsFiles { certificate: "c.pem".into(), key: "k.pem".into() });
        assert_eq!(settings.console(), "https://office.example:7101");
        settings.office.names = vec!["office.example:8443".into()];
        assert_eq!(settings.console(), "https://office.example:8443");
        settings.office.names.clear();
        assert_eq!(settings.console(), "https://alcaide.localhost:7101");
    }

    #[test]
    fn the_gate_knows_all_its_names() {
        let text = "[gate]\nlisten = \"127.0.0.1:7100\"\nnames = [\"gate.lan\", \"gate.lan:8443\"]\n\
                    public_url = \"https://gate.example/\"\n";
        let settings: Settings = toml::from_str(text).unwrap();
        let origins =
            ["https://gate.example", "http://127.0.0.1:7100", "http://gate.lan:7100", "http://gate.lan:8443"];
        assert_eq!(settings.gate_origins(), origins);
        assert_eq!(settings.gate_hosts(), ["gate.lan", "gate.lan:8443", "gate.example"]);
    }
}
