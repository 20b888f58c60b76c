//! `alcaide demo`: a house of its own, the practice ground behind its gate, and a scripted agent.
//!
//! ```text
//! up::up (the service itself) ⇄ operator's socket: declare, accept, stop, read the record
//!        ⇅ MCP over HTTP, with a token, as any client
//! Agent (a script, no model) → Story → Reader (the ledger's entries of each call) → Page
//! ```
//!
//! Nothing in it is a path of its own: the service is that of `alcaide up`, the agent has no way but the gate, what is
//! printed of a call is read from the ledger, and what changed is read from the practice ground's own file. It leaves
//! out a model on purpose: what an agent wants is the script's, what becomes of it is the gate's.

mod agent;
mod page;
mod record;
mod story;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use alcaide_serve::ListenError;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::cli::{Desk, Exit};
use crate::client::Client;
use crate::commands::serve::{LogFormat, start_log};
use crate::fail::{Failure, START, THERE};
use crate::house::Places;
use crate::up::{self, Started};
use page::Page;
use story::{Answer, Setting, Story};

/// `alcaide demo`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: alcaide demo --answer\nThe agent is a script and no model; the service is that of `alcaide \
    up`. Nothing in it is real, and its folder goes when it ends."
)]
pub(crate) struct Demo {
    /// Address of the gate; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7100")]
    gate: SocketAddr,
    /// Address of the office; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7101")]
    office: SocketAddr,
    /// Answer the question too, as a person of the practice world with a token of their own
    #[arg(long)]
    answer: bool,
    /// End after the story in place of staying up
    #[arg(long)]
    no_wait: bool,
    /// Keep the folder when it ends
    #[arg(long)]
    keep: bool,
}

/// Where the demo has its things.
struct Ground {
    /// All that goes when it ends; the data directory too, unless another was named.
    folder: tempfile::TempDir,
    data: PathBuf,
}

impl Ground {
    /// # Errors
    /// `ALC-CLI-0002` for a named folder that is not empty.
    fn prepare(named: Option<&Path>) -> Result<Self, Failure> {
        let temporary = std::env::temp_dir();
        let folder = tempfile::Builder::new()
            .prefix("alcaide-demo-")
            .tempdir()
            .map_err(|error| Failure::file("make", &temporary, &error))?;
        let data = match named {
            None => folder.path().join("data"),
            Some(dir) => {
                if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
                    return Err(Failure::new(&THERE, "the demo was not begun")
                        .at(dir.display())
                        .why("it begins a house of its own, and this folder is not empty")
                        .fix("leave `--data-dir` and `ALCAIDE_DATA_DIR` out, or name an empty folder"));
                }
                dir.to_owned()
            }
        };
        let ground = Self { folder, data };
        // The practice ground writes here and nowhere else.
        let effects = ground.effects_folder();
        std::fs::create_dir(&effects).map_err(|error| Failure::file("make", &effects, &error))?;
        Ok(ground)
    }

    fn effects_folder(&self) -> PathBuf {
        self.folder.path().join("ground")
    }
}

/// Ends with a signal that asks for the end.
async fn interrupted() {
    let heard = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = heard else {
        // The service listens by itself, and says why it cannot.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

impl Demo {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        // Refusals are what it shows: they are no news for a log.
        start_log(LogFormat::Text, "error")?;
        let ground = Ground::prepare(desk.named())?;
        let page = Page::new(desk.out);
        page.head()?;
        let ended = self.play(desk, &ground, &page).await;
        self.leave(ground, &page, &ended)?;
        ended
    }

    async fn play(&self, desk: &Desk, ground: &Ground, page: &Page) -> Result<Exit, Failure> {
        let asked = up::Up {
            data_dir: ground.data.clone(),
            init: true,
            gate: Some(self.gate),
            office: Some(self.office),
        };
        let (tell, told) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let started = move |started: &Started| {
            // Nobody listens where the story has ended first.
            let _ = tell.send(started.clone());
        };
        let service = up::up(asked, started, async {
            let _ = stopped.await;
        });
        let story = async {
            // Where the service ends before it is up, its own error is what is told.
            let Ok(started) = told.await else { return std::future::pending().await };
            self.story(desk, ground, page, &started).await
        };
        tokio::pin!(service);
        let played = tokio::select! {
            biased;
            // The service hears the signal too, and ends; a story that misses it by then is no failure.
            () = interrupted() => {
                let _ = stop.send(());
                return service.await.map(|()| Exit::Clean).map_err(|error| self.unserved(&error));
            }
            ended = &mut service => return ended.map(|()| Exit::Clean).map_err(|error| self.unserved(&error)),
            played = story => played,
        };
        let stays = played.is_ok() && !self.no_wait;
        if !stays {
            let _ = stop.send(());
        }
        let ended = service.await.map_err(|error| self.unserved(&error));
        let exit = played?;
        ended.map(|()| exit)
    }

    async fn story(
        &self,
        desk: &Desk,
        ground: &Ground,
        page: &Page,
        started: &Started,
    ) -> Result<Exit, Failure> {
        let places = Places::of(&ground.data);
        let client = Client::Socket(places.socket());
        let setting = Setting {
            client: &client,
            places: &places,
            started,
            effects: ground.effects_folder(),
            answer: if self.answer { Answer::Ourselves } else { Answer::Awaited },
        };
        let told = Story::begin(&setting, page).await?.tell().await?;
        if !self.no_wait {
            page.stays(&setting).await?;
        }
        if desk.out.is_json() {
            desk.out.json_line(&told)?;
        }
        Ok(Exit::Clean)
    }

    /// Why the service did not run; a port that is taken is what happens to people.
    fn unserved(&self, error: &anyhow::Error) -> Failure {
        let failure = Failure::house(error);
        let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<ListenError>());
        if !causes.any(|cause| matches!(cause, ListenError::Bind { .. })) {
            return failure;
        }
        let why = failure.parts.first().and_then(|part| part.why.clone()).unwrap_or_default();
        Failure::new(&START, "the demo could not listen").why(why).fix(
            "stop the other process, or take free ports: `alcaide demo --gate 127.0.0.1:0 --office 127.0.0.1:0`",
        )
    }

    fn leave(&self, ground: Ground, page: &Page, ended: &Result<Exit, Failure>) -> Result<(), Failure> {
        let Ground { folder, data } = ground;
        let path = folder.path().to_owned();
        if self.keep {
            let _ = folder.keep();
            return if ended.is_ok() { page.kept(&path, &data) } else { Ok(()) };
        }
        folder.close().map_err(|error| Failure::file("remove", &path, &error))
    }
}
