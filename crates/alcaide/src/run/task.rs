//! The task of a run: its token, renewed before it ends, and revoked when the program has ended.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use alcaide_inventory::{AgentId, Name, RunId, TaskId, TokenId};
use alcaide_seal::SecretText;
use alcaide_seal::random::{SystemEntropy, bits128};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Client;
use crate::fail::{ANSWER, Failure, INTERNAL};

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long the end of a run waits for the office.
const END_MAX: Duration = Duration::from_secs(5);

/// A task that is under way.
pub(crate) struct Task {
    client: Client,
    order: Order,
    gate: String,
    token: watch::Sender<Arc<HeaderValue>>,
    /// Tokens that may still be good, with the time of their end.
    alive: Vec<(TokenId, Instant)>,
    renew_at: Instant,
}

/// What the office is asked for.
#[derive(Serialize)]
struct Order {
    actor: AgentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    words: Option<SecretText>,
    run: RunId,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<TaskId>,
    life_s: u64,
}

/// The user's words go to the office, which attests them; nowhere else.
fn exposed<S: serde::Serializer>(words: &Option<SecretText>, to: S) -> Result<S::Ok, S::Error> {
    words.as_ref().map(SecretText::expose).serialize(to)
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token: TokenId,
    task: TaskId,
    expires_in_s: u64,
}

#[derive(Deserialize)]
struct Status {
    gate: String,
}

impl Task {
    /// Begins a task of a new run.
    ///
    /// # Errors
    /// What the office says.
    pub(crate) async fn begin(
        client: Client,
        actor: AgentId,
        subject: Option<&Name>,
        words: Option<SecretText>,
        life_s: u64,
    ) -> Result<Self, Failure> {
        let Status { gate } = client.get("/api/v1/status").await?;
        let bits = bits128(&SystemEntropy::new())
            .map_err(|error| Failure::new(&INTERNAL, "the system gives no randomness").why(error))?;
        let subject = subject.map(|name| format!("human/{name}"));
        let order = Order { actor, subject, words, run: RunId::from_bits(bits), task: None, life_s };
        let mut task = Self {
            client,
            order,
            gate,
            token: watch::Sender::new(Arc::new(HeaderValue::from_static(""))),
            alive: Vec::new(),
            renew_at: Instant::now(),
        };
        task.ask().await?;
        Ok(task)
    }

    /// Scheme and authority of the gate.
    pub(crate) fn gate(&self) -> &str {
        &self.gate
    }

    /// The token of the hour, as the value of `Authorization`.
    pub(crate) fn token(&self) -> watch::Receiver<Arc<HeaderValue>> {
        self.token.subscribe()
    }

    /// Renews the token whenever two thirds of its life are over, for ever. A token that was renewed is not revoked:
    /// calls that are under way go on with it, and it ends by itself.
    ///
    /// # Cancel safety
    /// May be dropped: at worst a token that nobody uses lives out its minutes.
    pub(crate) async fn renew(&mut self) -> Infallible {
        let mut told = false;
        loop {
            tokio::time::sleep_until(self.renew_at).await;
            match self.ask().await {
                Ok(()) => told = false,
                Err(failure) => {
                    if !told {
                        let why = failure.parts.first().map(|part| part.what.as_str()).unwrap_or_default();
                        // Told once for each time the office is out of reach; the program learns it from the gate.
                        let _ =
                            writeln!(std::io::stderr(), "alcaide run: the token was not renewed yet: {why}");
                        told = true;
                    }
                    sleep(AGAIN).await;
                }
            }
        }
    }

    /// Revokes every token of the run that may still be good.
    pub(crate) async fn end(self) {
        let now = Instant::now();
        for (token, _) in self.alive.iter().filter(|(_, end)| *end > now) {
            let path = format!("/api/v1/tokens/{token}/revoke");
            let revoked = timeout(END_MAX, self.client.post_empty::<Value>(&path)).await;
            if !matches!(revoked, Ok(Ok(_))) {
                // Nothing more can be done from here; the token has minutes to live and nobody holds it.
                let _ = writeln!(
                    std::io::stderr(),
                    "alcaide run: token {token} was not revoked; it ends by itself"
                );
            }
        }
    }

    async fn ask(&mut self) -> Result<(), Failure> {
        let granted: Granted = self.client.post("/api/v1/tasks", &self.order, None).await?;
        let text = SecretText::new(format!("Bearer {}", granted.access_token));
        drop(SecretText::new(granted.access_token));
        let mut value = HeaderValue::from_str(text.expose())
            .map_err(|_| Failure::new(&ANSWER, "the office's token is none").at("POST /api/v1/tasks"))?;
        value.set_sensitive(true);
        self.token.send_replace(Arc::new(value));
        self.order.task = Some(granted.task);
        let now = Instant::now();
        let life = Duration::from_secs(granted.expires_in_s);
        self.renew_at = now + life * 2 / 3;
        self.alive.retain(|(_, end)| *end > now);
        self.alive.push((granted.token, now + life));
        Ok(())
    }
}
