//! `up`: the service in the foreground. Its log goes to standard error; its addresses, once, to standard output.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::cli::{Desk, Exit};
use crate::client::Client;
use crate::commands::{config, console};
use crate::fail::{Failure, LOGGING, NOT_THERE, THERE};
use crate::house::Places;
use crate::show::{can_ask, note};
use crate::up::{self, Started};

/// `alcaide up`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: alcaide up --init\nThe log goes to standard error; ALCAIDE_LOG filters it (`info`, \
    `alcaide_gateway=debug,warn`)."
)]
pub(crate) struct Up {
    /// Make the data directory; without it, nothing is begun but by a person who says yes
    #[arg(long)]
    init: bool,
    /// Address of the gate, in place of the setting; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    gate: Option<SocketAddr>,
    /// Address of the office, in place of the setting; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    office: Option<SocketAddr>,
    /// Write the addresses to this file as JSON once calls are taken; it is there for no longer than the service
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// Form of the log
    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    log_format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line per event, for people.
    Text,
    /// A JSON object per event.
    Json,
}

/// Where the service can be reached.
#[derive(Serialize)]
struct Addresses {
    gate: String,
    office: String,
    socket: String,
    pid: u32,
}

impl Up {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let places = desk.places()?;
        start_log(self.log_format, "info")?;
        let init = self.decide(&places)?;
        config::read(&places)?;
        if let Some(path) = &self.ready_file {
            clear(path)?;
        }
        let asked = up::Up { data_dir: places.dir().to_owned(), init, gate: self.gate, office: self.office };
        let (out, ready_file) = (desk.out, self.ready_file.clone());
        // A person who begins a house is shown the way into its console; a program is not.
        let greets = init && !out.is_json() && std::io::stdout().is_terminal();
        let (up, is_up) = tokio::sync::oneshot::channel();
        let started = move |started: &Started| {
            let addresses = Addresses {
                gate: started.gate.clone(),
                office: started.office.clone(),
                socket: started.socket.display().to_string(),
                pid: std::process::id(),
            };
            let human = || {
                let Addresses { gate, office, socket, .. } = &addresses;
                format!("gate    {gate}\noffice  {office}\nsocket  {socket}\n")
            };
            let told = out.show(&addresses, human);
            let written = ready_file.as_deref().map_or(Ok(()), |path| write_ready(path, &addresses));
            for failure in [told.err(), written.err()].into_iter().flatten() {
                failure.print(false);
            }
            // Nobody waits for it where the service ended first.
            let _ = up.send(());
        };
        let served = up::up(asked, started, std::future::pending());
        let client = Client::Socket(places.socket());
        let greeted = async {
            if is_up.await.is_ok() && greets {
                console::welcome(&client, |url| {
                    let text = format!("console {url}\n        opens once, within ten minutes\n");
                    if let Err(failure) = out.text(&text) {
                        failure.print(false);
                    }
                })
                .await;
            }
        };
        let (ended, ()) = tokio::join!(served, greeted);
        if let Some(path) = &self.ready_file {
            // Best effort: the end of the service is what counts.
            let _ = std::fs::remove_file(path);
        }
        ended.map(|()| Exit::Clean).map_err(|error| Failure::house(&error))
    }

    /// Whether the data directory is to be made.
    fn decide(&self, places: &Places) -> Result<bool, Failure> {
        let dir = places.dir().display();
        match (places.exists(), self.init) {
            (true, true) => {
                Err(Failure::new(&THERE, "a data directory was not made anew").at(dir).why(THERE.what))
            }
            (true, false) => {
                let other = |error: anyhow::Error| {
                    Failure::new(&NOT_THERE, "the data directory cannot be used").at(dir).why(error).fix(
                        "use the version of this program that made it, or name another folder with `--data-dir`",
                    )
                };
                places.check().map(|()| false).map_err(other)
            }
            (false, true) => Ok(true),
            (false, false) if can_ask() => ask(places).then_some(true).ok_or_else(|| absent(places)),
            (false, false) => Err(absent(places)),
        }
    }
}

fn absent(places: &Places) -> Failure {
    let dir = places.dir().display();
    Failure::new(&NOT_THERE, "there is no data directory")
        .at(dir.to_string())
        .why(NOT_THERE.why)
        .fix(format!("begin one with `alcaide up --init --data-dir {dir}`"))
}

fn ask(places: &Places) -> bool {
    let mut err = std::io::stderr().lock();
    let _ = write!(
        err,
        "There is no data directory at `{}`.\nOne will be made there with new keys and an empty record. \
         Go on? [y/N] ",
        places.dir().display()
    );
    let _ = err.flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Starts the log on standard error; `ALCAIDE_LOG` filters it, `or` where that is not set.
pub(crate) fn start_log(format: LogFormat, or: &str) -> Result<(), Failure> {
    let filter = match std::env::var("ALCAIDE_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text).map_err(|error| {
            Failure::new(&LOGGING, "the log filter is not understood").at("ALCAIDE_LOG").why(error)
        })?,
        _ => EnvFilter::new(or),
    };
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match format {
        LogFormat::Json => base.json().flatten_event(true).try_init(),
        // Without colour, wherever it goes: the log's library is built without it, and must not be asked for it.
        LogFormat::Text => base.try_init(),
    };
    if let Err(error) = set {
        note(&format!("the log was not started: {error}"));
    }
    Ok(())
}

/// Removes a ready file of an earlier run, and finds out whether one can be written, before anything is begun.
fn clear(path: &Path) -> Result<(), Failure> {
    let draft = draft(path);
    std::fs::File::create(&draft).map_err(|error| Failure::file("write", &draft, &error))?;
    std::fs::remove_file(&draft).map_err(|error| Failure::file("write", &draft, &error))?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::file("remove", path, &error))
        }
        _ => Ok(()),
    }
}

/// Whole or not at all: who waits for the file never reads half of it.
fn write_ready(path: &Path, addresses: &Addresses) -> Result<(), Failure> {
    let draft = draft(path);
    let text = serde_json::to_string(addresses).unwrap_or_default();
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(|error| Failure::file("write", path, &error))
}

fn draft(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}
