//! Webhooks: other systems are told what the record says, as JSON, signed. A chat tool carries a question to people
//! with it; a log store tails the whole record.
//!
//! Each hook follows the ledger on its own and keeps how far it has come in a file (`D/webhook/NAME`), moved on only
//! after the receiver has said 2xx: every message is delivered at least once, in order. The ledger is the queue, so
//! that a receiver that is away for a week costs no memory and misses nothing. What is sent is what the ledger holds:
//! ids, enums, digests, times; no name, no content.
//!
//! Signed after Standard Webhooks (specification 1.0.0, symmetric signatures): `webhook-id`, `webhook-timestamp` in Unix
//! seconds, and `webhook-signature: v1,` with the base64 of HMAC-SHA-256 over `id.timestamp.body` under the secret.
//! Redirects are not followed and answers are not read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alcaide_inventory::Moment;
use alcaide_ledger::Ledger;
use alcaide_ledger::follow::Follower;
use alcaide_record::{Approver, Digest, Entry, Event, Refused};
use alcaide_seal::digest::HmacKey;
use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod epoch;

pub(crate) use epoch::epoch;

/// Most hooks: each follows the ledger on its own.
const HOOKS_MAX: usize = 16;
/// Most entries in one message of the record; each has at most 64 KiB.
const BATCH_ENTRIES_MAX: usize = 64;
/// Longest wait for the answer of a receiver.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// Wait before the second try; it doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two tries: a receiver that comes back is told within five minutes.
const BACKOFF_MOST: Duration = Duration::from_secs(300);
/// Bytes of a secret, as Standard Webhooks wants them.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// What a secret begins with when it is written down.
const SECRET_PREFIX: &str = "whsec_";

/// One `[[webhook]]` of the settings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookSettings {
    /// Names the file that says how far it has come: 1 to 63 of `a-z`, `0-9`, `-`.
    pub(crate) name: String,
    /// Where to: `https`, or `http` on loopback.
    pub(crate) url: String,
    /// A file that only its owner can read, by its path or its name in the data directory, with `whsec_` and the base64 of 24 to 64 random bytes. Whoever can read it
    /// can pretend to be this house.
    pub(crate) secret_file: PathBuf,
    /// What is told.
    pub(crate) events: Vec<Topic>,
    /// Where it begins on its first start. Default `now`.
    #[serde(default)]
    pub(crate) begin: Begin,
}

/// What a hook tells.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Topic {
    /// Every question to people, alone in its message.
    Question,
    /// Every entry of the record, several in a message when they come fast.
    Record,
}

/// Where a hook begins.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Begin {
    /// With what happens from its first start on.
    #[default]
    Now,
    /// With the first entry of the record.
    Start,
}

impl WebhookSettings {
    /// The first thing that cannot be used.
    pub(crate) fn check(all: &[Self]) -> Result<()> {
        ensure!(all.len() <= HOOKS_MAX, "there are {} hooks, at most {HOOKS_MAX}", all.len());
        for (at, one) in all.iter().enumerate() {
            let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            ensure!(
                (1..=63).contains(&one.name.len()) && one.name.bytes().all(good),
                "`{}` is no name of 1 to 63 of `a-z`, `0-9`, `-`",
                one.name.chars().take(80).collect::<String>()
            );
            ensure!(!one.events.is_empty(), "hook `{}` tells nothing: `events` is empty", one.name);
            ensure!(
                !all.iter().take(at).any(|other| other.name == one.name),
                "two hooks are called `{}`",
                one.name
            );
            one.uri()?;
        }
        Ok(())
    }

    fn uri(&self) -> Result<Uri> {
        let wrong = |why: &str| anyhow::anyhow!("the URL of hook `{}` {why}", self.name);
        let uri: Uri = self.url.parse().map_err(|_| wrong("is none"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("has no scheme or host"));
        };
        let loopback = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
        if authority.as_str().contains('@') {
            return Err(wrong("carries credentials, which do not belong there"));
        }
        if scheme == "https" || (scheme == "http" && loopback) {
            return Ok(uri);
        }
        Err(wrong("is neither `https` nor `http` on loopback"))
    }
}

/// One hook, ready to run.
pub(crate) struct Hook {
    name: String,
    uri: Uri,
    key: HmacKey,
    events: Vec<Topic>,
    /// Index of the entry that it begins with on its first start.
    from: u64,
    cursor: PathBuf,
    /// Entries of the record when it was opened: a cursor beyond them is of another record.
    size: u64,
    /// Which history of the record it tells.
    epoch: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    first_backoff: Duration,
}

impl Hook {
    /// Reads the secret of a hook; `data` is the data directory, `dir` where cursors lie. `now` is the size of the record
    /// before anybody is served: what a hook is told from now on begins there, however late its task is run. `epoch` is
    /// what [`epoch`] says.
    ///
    /// # Errors
    /// A URL or secret that cannot be used.
    pub(crate) fn open(
        settings: &WebhookSettings,
        data: &Path,
        dir: &Path,
        now: u64,
        epoch: &str,
    ) -> Result<Self> {
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            name: settings.name.clone(),
            uri: settings.uri()?,
            key: secret(&data.join(&settings.secret_file))
                .with_context(|| format!("the secret of webhook `{}`", settings.name))?,
            events: settings.events.clone(),
            from: match settings.begin {
                Begin::Now => now,
                Begin::Start => 0,
            },
            cursor: dir.join(&settings.name),
            size: now,
            epoch: epoch.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(https),
            first_backoff: BACKOFF_FIRST,
        })
    }

    /// Tells what happens until the ledger is closed.
    ///
    /// # Errors
    /// The ledger cannot be read, or the cursor not be written.
    ///
    /// # Cancel safety
    /// Dropped at any point, it goes on from the last message that was taken; that one may be sent once more.
    pub(crate) async fn run(self, ledger: Ledger) -> Result<()> {
        let from = match self.read_cursor().await? {
            Some(from) if from <= self.size => from,
            cursor => {
                if let Some(cursor) = cursor {
                    let (hook, size) = (&self.name, self.size);
                    tracing::warn!(hook, cursor, size, "it had come further than the record: it begins anew");
                }
                self.write_cursor(self.from).await?;
                self.from
            }
        };
        let mut follower = ledger.follow(from);
        loop {
            let batch = next(&mut follower).await?;
            let Some((last, _)) = batch.last() else { return Ok(()) };
            let next = last.saturating_add(1);
            for message in self.messages(&batch)? {
                self.deliver(&message).await;
            }
            self.write_cursor(next).await?;
        }
    }

    fn messages(&self, batch: &[(u64, Vec<u8>)]) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        if self.events.contains(&Topic::Record) {
            messages.extend(Message::of_record(batch, &self.epoch)?);
        }
        if self.events.contains(&Topic::Question) {
            for (index, leaf) in batch {
                messages.extend(Message::of_question(*index, leaf)?);
            }
        }
        Ok(messages)
    }

    /// Sends a message until it is taken.
    async fn deliver(&self, message: &Message) {
        let mut wait = self.first_backoff;
        loop {
            match self.send(message).await {
                Ok(()) => return,
                Err(why) => {
                    let retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(hook = self.name, message = message.id, why, retry_ms, "not taken");
                }
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(BACKOFF_MOST);
        }
    }

    async fn send(&self, message: &Message) -> Result<(), String> {
        let request = self.request(message, crate::house::now()).map_err(|error| error.to_string())?;
        let answered = tokio::time::timeout(ANSWER_WAIT, self.client.request(request)).await;
        let answer = answered.map_err(|_| "no answer in time".to_owned())?;
        let status = answer.map_err(|error| error.to_string())?.status();
        if status.is_success() { Ok(()) } else { Err(format!("status {}", status.as_u16())) }
    }

    fn request(&self, message: &Message, now: Moment) -> Result<Request<Full<Bytes>>, http::Error> {
        let (id, at) = (&message.id, now.secs());
        let mut signed = format!("{id}.{at}.").into_bytes();
        signed.extend_from_slice(&message.body);
        let signature = format!("v1,{}", STANDARD.encode(self.key.mac(&signed).as_bytes()));
        Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("alcaide/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signature)
            .body(Full::new(message.body.clone()))
    }

    async fn read_cursor(&self) -> Result<Option<u64>> {
        match tokio::fs::read_to_string(&self.cursor).await {
            Ok(text) => {
                let at = text.trim_end().parse();
                at.map(Some).with_context(|| format!("`{}` is no place in the record", self.cursor.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("`{}`", self.cursor.display())),
        }
    }

    async fn write_cursor(&self, next: u64) -> Result<()> {
        // Not synced: what a crash of the machine takes back is told once more.
        let draft = self.cursor.with_extension("draft");
        let written = async {
            if let Some(dir) = self.cursor.parent() {
                tokio::fs::create_dir_all(dir).await?;
            }
            tokio::fs::write(&draft, format!("{next}\n")).await?;
            tokio::fs::rename(&draft, &self.cursor).await
        };
        written.await.with_context(|| format!("`{}`", self.cursor.display()))
    }
}

/// Runs all hooks, for ever. One that cannot go on says so and leaves the others alone: calls do not depend on them, and
/// the next start tells what was missed.
pub(crate) async fn run(hooks: Vec<Hook>, ledger: Ledger) -> Result<()> {
    let mut running = tokio::task::JoinSet::new();
    for hook in hooks {
        let name = hook.name.clone();
        let telling = hook.run(ledger.clone());
        running.spawn(async move { (name, telling.await) });
    }
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok((hook, Ok(()))) => tracing::info!(hook, "all is told"),
            Ok((hook, Err(error))) => {
                tracing::error!(hook, error = format!("{error:#}"), "a webhook has ended")
            }
            Err(error) => tracing::error!(%error, "a webhook has ended"),
        }
    }
    std::future::pending().await
}

/// The next entry, and those that are there already; nothing once the ledger is closed.
async fn next(follower: &mut Follower) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut batch = Vec::new();
    batch.extend(follower.next().await?);
    while !batch.is_empty() && batch.len() < BATCH_ENTRIES_MAX {
        // Cancel safe: what is not there yet stays to come.
        match tokio::time::timeout(Duration::ZERO, follower.next()).await {
            Ok(entry) => match entry? {
                Some(entry) => batch.push(entry),
                None => break,
            },
            Err(_) => break,
        }
    }
    Ok(batch)
}

/// What is sent, and the id by which a receiver knows it again.
struct Message {
    id: String,
    body: Bytes,
}

#[derive(Serialize)]
struct Envelope<D> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: D,
}

#[derive(Serialize)]
struct Line<'a> {
    index: u64,
    entry: &'a RawValue,
}

#[derive(Serialize)]
struct Entries<'a> {
    /// Indexes of one epoch are of one history.
    epoch: &'a str,
    entries: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Asked<'a> {
    index: u64,
    approval: String,
    /// What a yes names: SHA-256 of the `refused` object of the entry.
    digest: Digest,
    expires: String,
    roles: &'a [Approver],
    any_of: &'a [Vec<Approver>],
    entry: &'a RawValue,
}

impl Message {
    fn of_record(batch: &[(u64, Vec<u8>)], epoch: &str) -> Result<Option<Self>> {
        let (Some((first, leaf)), Some((last, _))) = (batch.first(), batch.last()) else { return Ok(None) };
        let entries = batch
            .iter()
            .map(|(index, leaf)| Ok(Line { index: *index, entry: serde_json::from_slice(leaf)? }))
            .collect::<Result<_>>()?;
        let timestamp = Entry::from_leaf(leaf)?.at.to_string();
        let id = format!("record-{epoch}-{first}-{last}");
        Self::new(id, "record", timestamp, Entries { epoch, entries }).map(Some)
    }

    fn of_question(index: u64, leaf: &[u8]) -> Result<Option<Self>> {
        let entry = Entry::from_leaf(leaf)?;
        let Event::Refused(refused) = &entry.event else { return Ok(None) };
        let Refused { approval: Some(approval), question: Some(question), .. } = &**refused else {
            return Ok(None);
        };
        let asked = Asked {
            index,
            approval: approval.to_string(),
            digest: alcaide_control::question_digest(refused)?,
            expires: question.expires.to_string(),
            roles: &question.roles,
            any_of: &question.any_of,
            entry: serde_json::from_slice(leaf)?,
        };
        Self::new(approval.to_string(), "question", entry.at.to_string(), asked).map(Some)
    }

    fn new(id: String, kind: &'static str, timestamp: String, data: impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(&Envelope { kind, timestamp, data })?;
        Ok(Self { id, body: body.into() })
    }
}

/// The key in a secret's file.
fn secret(path: &Path) -> Result<HmacKey> {
    use std::os::unix::fs::PermissionsExt as _;
    let place = || format!("`{}`", path.display());
    let mode = std::fs::metadata(path).with_context(place)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{} can be read by others than its owner: `chmod 600` it", place());
    }
    let text = std::fs::read_to_string(path).with_context(place)?;
    let encoded = text.trim().strip_prefix(SECRET_PREFIX);
    let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
    match bytes {
        Some(bytes) if SECRET_BYTES.contains(&bytes.len()) => Ok(HmacKey::new(&bytes)),
        _ => bail!(
            "{} is not `{SECRET_PREFIX}` and the base64 of {} to {} bytes",
            place(),
            SECRET_BYTES.start(),
            SECRET_BYTES.end()
        ),
    }
}

#[cfg(test)]
mod tests;
