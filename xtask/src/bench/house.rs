//! The service under test: the real program over a data directory of its own, spoken to over the office's own socket.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::bench::process::{Program, bound, wait};
use crate::bench::reach;

/// Longest wait for the service to be ready, or for its office to see what the gate has left it.
pub(crate) const READY_WAIT: Duration = Duration::from_secs(60);

/// The running service.
pub(crate) struct House {
    binary: PathBuf,
    folder: PathBuf,
    program: Option<Program>,
    /// Where the gate listens.
    pub(crate) port: u16,
    /// Where the office listens.
    pub(crate) office_port: u16,
}

impl House {
    /// Begins a data directory below `place` with these settings and waits until the service is ready.
    ///
    /// # Errors
    /// When the service does not start; the message holds the end of its log.
    pub(crate) fn begin(binary: &Path, place: &Path, settings: &str) -> Result<Self> {
        let folder = place.join("gate");
        fs::create_dir_all(&folder).context("the folder of the gate cannot be made")?;
        let mut house = Self { binary: binary.to_owned(), folder, program: None, port: 0, office_port: 0 };
        if !settings.is_empty() {
            let data = house.data();
            fs::DirBuilder::new().mode(0o700).create(&data).context("no data directory")?;
            fs::write(data.join("settings.toml"), settings).context("the settings cannot be written")?;
        }
        house.start(true)?;
        Ok(house)
    }

    /// Starts the service on the ports that it had, and waits until it is ready.
    ///
    /// # Errors
    /// As [`House::begin`].
    pub(crate) fn start(&mut self, init: bool) -> Result<()> {
        let ready = self.folder.join("ready.json");
        match fs::remove_file(&ready) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let log = self.folder.join("log");
        let mut command = bound(&self.binary);
        command.args(["up", "--data-dir"]).arg(self.data()).arg("--ready-file").arg(&ready);
        command.args(["--gate", &format!("127.0.0.1:{}", self.port)]);
        command.args(["--office", &format!("127.0.0.1:{}", self.office_port)]);
        command.env("TOKIO_WORKER_THREADS", "2").env("ALCAIDE_LOG", "warn");
        if init {
            command.arg("--init");
        }
        let begun = Instant::now();
        let mut program = Program::start("alcaide", &mut command, &log)?;
        let text = loop {
            if let Ok(text) = fs::read_to_string(&ready) {
                break text;
            }
            if !program.lives() || begun.elapsed() > READY_WAIT {
                let said = fs::read_to_string(&log).unwrap_or_default();
                bail!("the service did not start: {}", last_lines(&said));
            }
            wait(Duration::from_millis(1));
        };
        self.program = Some(program);
        let addresses: Value = serde_json::from_str(&text).context("the ready file is not JSON")?;
        let port = |name: &str| -> Option<u16> {
            addresses.get(name)?.as_str()?.rsplit_once(':')?.1.trim_end_matches('/').parse().ok()
        };
        self.port = port("gate").context("the ready file does not say where the gate is")?;
        self.office_port = port("office").context("the ready file does not say where the office is")?;
        Ok(())
    }

    /// Stops the service in order.
    ///
    /// # Errors
    /// When it does not end in time.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.program.take().map_or(Ok(()), Program::end)
    }

    /// Stops the service as a power cut would.
    pub(crate) fn cut(&mut self) {
        if let Some(program) = self.program.take() {
            program.kill();
        }
    }

    /// The running program.
    ///
    /// # Errors
    /// When it was stopped.
    pub(crate) fn program(&self) -> Result<&Program> {
        self.program.as_ref().context("the service is stopped")
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Seals a credential that upstreams want.
    ///
    /// # Errors
    /// When the office refuses it.
    pub(crate) fn seal(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/api/v1/secrets/{name}");
        self.office("PUT", &path, &json!({ "value": value })).context("the secret was not sealed")?;
        Ok(())
    }

    /// Entries of the ledger that are on disk.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub(crate) fn entries(&self) -> Result<u64> {
        let answer = reach::unix(&self.data().join("office.sock"), "GET", "/metrics", &Value::Null)?;
        let text = String::from_utf8_lossy(&answer.body);
        let count = text.lines().find_map(|line| line.strip_prefix("alcaide_ledger_entries "));
        count
            .and_then(|count| count.trim().parse().ok())
            .context("the counters do not tell the ledger's entries")
    }

    /// What the office answers its operator.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub(crate) fn office(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        reach::unix(&self.data().join("office.sock"), method, path, body)?.json()
    }
}

/// The end of a log, for a message.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
}
