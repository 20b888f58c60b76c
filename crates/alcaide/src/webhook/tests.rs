//! A receiver that fails, a restart, and a signature that other code checks.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;

use alcaide_ledger::Options;
use alcaide_record::{Made, OfficeAct};
use alcaide_seal::note::NoteSigner;
use alcaide_seal::random::SystemEntropy;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

const ORIGIN: &str = "hook.test/ledger";
/// Base64 of the 24 bytes `0123456789abcdefghijklmn`.
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";
const DEADLINE: Duration = Duration::from_secs(20);

/// Verifies a message as the specification says, without a line of this house: exits with 0 if it holds.
const VERIFY: &str = r"
import base64, hashlib, hmac, sys
secret, id, at, signature, body = sys.argv[1:]
key = base64.b64decode(secret)
mac = hmac.new(key, f'{id}.{at}.{body}'.encode(), hashlib.sha256).digest()
sys.exit(0 if signature == 'v1,' + base64.b64encode(mac).decode() else 1)
";

#[derive(Clone, Debug)]
struct Heard {
    head: String,
    body: String,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn verifies(&self, body: &str) -> bool {
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let args = ["-c", VERIFY, SECRET, id, at, self.header("webhook-signature"), body];
        Command::new("python3").args(args).status().unwrap().success()
    }
}

/// A receiver that answers with each of `statuses` in turn, then with 204, and tells what it heard.
async fn receiver(statuses: Vec<u16>) -> (String, mpsc::Receiver<Heard>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tell, heard) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut statuses = statuses.into_iter();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let one = loop {
                stream.read_buf(&mut bytes).await.unwrap();
                let text = String::from_utf8(bytes.clone()).unwrap();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() == length.parse::<usize>().unwrap() {
                    break Heard { head: head.to_owned(), body: body.to_owned() };
                }
            };
            let status = statuses.next().unwrap_or(204);
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            if tell.send(one).await.is_err() {
                return;
            }
        }
    });
    (url, heard)
}

async fn hear(heard: &mut mpsc::Receiver<Heard>) -> Heard {
    tokio::time::timeout(DEADLINE, heard.recv()).await.expect("a message in time").unwrap()
}

struct Place {
    folder: tempfile::TempDir,
    ledger: Ledger,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let note = NoteSigner::generate(ORIGIN.parse().unwrap(), &SystemEntropy::new()).unwrap();
        let options = Options { segment_bytes: 1 << 20, raise_priority: false, ..Options::default() };
        let ledger = Ledger::create(&folder.path().join("ledger"), &options, Arc::new(note), ORIGIN).unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, format!("{SECRET_PREFIX}{SECRET}\n")).unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self { folder, ledger }
    }

    fn settings(&self, url: &str, events: &[Topic], begin: Begin) -> WebhookSettings {
        WebhookSettings {
            name: "chat".into(),
            url: url.into(),
            secret_file: "secret".into(),
            events: events.to_vec(),
            begin,
        }
    }

    fn hook(&self, settings: &WebhookSettings) -> Hook {
        let (dir, size) = (self.folder.path().join("webhook"), self.ledger.size());
        let epoch = epoch(&dir, size, &SystemEntropy::new()).unwrap();
        let hook = Hook::open(settings, self.folder.path(), &dir, size, &epoch);
        let hook = hook.unwrap();
        Hook { first_backoff: Duration::from_millis(1), ..hook }
    }

    async fn append(&self, event: Event) -> u64 {
        let leaf = Entry::new(Moment::from_secs(1_795_000_000), event).to_leaf().unwrap();
        self.ledger.append(leaf).await.unwrap().index()
    }

    async fn made(&self) -> u64 {
        self.append(Event::Made(Made { origin: Digest::default(), token_key: Digest::default() })).await
    }

    async fn asked(&self) -> u64 {
        let leaf = include_str!("../../../alcaide-record/testdata/asking-v1.json");
        self.append(Entry::from_leaf(leaf.trim_end().as_bytes()).unwrap().event).await
    }

    fn cursor(&self) -> Option<u64> {
        let text = std::fs::read_to_string(self.folder.path().join("webhook/chat")).ok()?;
        Some(text.trim_end().parse().unwrap())
    }

    async fn until_cursor(&self, at: u64) {
        let waited = async {
            while self.cursor() != Some(at) {
                tokio::task::yield_now().await;
            }
        };
        let came = tokio::time::timeout(DEADLINE, waited).await.is_ok();
        assert!(came, "the cursor is {:?}, not {at}", self.cursor());
    }
}

#[tokio::test]
async fn a_question_is_told_until_it_is_taken_and_signed_each_time() {
    let place = Place::new();
    place.asked().await;
    let (url, mut heard) = receiver(vec![500, 302]).await;
    let settings = place.settings(&url, &[Topic::Question], Begin::Now);
    let hook = place.hook(&settings);
    // What was before its first start is not told; what comes before its task is run is.
    place.made().await;
    let index = place.asked().await;
    let running = tokio::spawn(hook.run(place.ledger.clone()));
    let tries = [hear(&mut heard).await, hear(&mut heard).await, hear(&mut heard).await];
    for one in &tries {
        assert!(one.head.starts_with("POST /hook HTTP/1.1\r\n"), "{}", one.head);
        assert!(one.verifies(&one.body));
        assert!(!one.verifies(&one.body.replacen("apr_", "apr-", 1)));
        assert_eq!((one.header("webhook-id"), &one.body), (tries[0].header("webhook-id"), &tries[0].body));
    }
    let json = tries[2].json();
    assert_eq!((&json["type"], &json["data"]["index"]), (&"question".into(), &index.into()));
    assert_eq!(json["data"]["approval"], tries[2].header("webhook-id"));
    let digest = include_str!("../../../alcaide-record/testdata/asking-v1.sha256").trim_end();
    assert_eq!(json["data"]["digest"], digest);
    assert_eq!(json["data"]["roles"], serde_json::json!(["approver"]));
    assert_eq!(json["data"]["expires"], "2026-11-18T11:21:40Z");
    let leaf = String::from_utf8(place.ledger.read(index).unwrap()).unwrap();
    assert!(tries[2].body.contains(&leaf), "the entry stands there byte for byte");
    place.until_cursor(index + 1).await;
    running.abort();
}

#[tokio::test]
async fn the_whole_record_goes_on_where_it_was_after_a_restart() {
    let place = Place::new();
    for _ in 0..3 {
        place.made().await;
    }
    let (url, mut heard) = receiver(Vec::new()).await;
    let settings = place.settings(&url, &[Topic::Record], Begin::Start);
    let running = tokio::spawn(place.hook(&settings).run(place.ledger.clone()));
    let indexes = |one: &Heard| -> Vec<u64> {
        let json = one.json();
        let entries = json["data"]["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["index"].as_u64().unwrap()).collect()
    };
    let epoch = std::fs::read_to_string(place.folder.path().join("webhook/epoch.id")).unwrap();
    let epoch = epoch.trim_end();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let one = hear(&mut heard).await;
        assert!(one.verifies(&one.body));
        seen.extend(indexes(&one));
    }
    assert_eq!(seen, [0, 1, 2]);
    place.until_cursor(3).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    // Nobody is told meanwhile; nothing is missed, nothing told twice.
    place.append(Event::Office(OfficeAct::Denied { by: None, code: "ALC-OFFICE-0001".into() })).await;
    let running = tokio::spawn(place.hook(&settings).run(place.ledger.clone()));
    let one = hear(&mut heard).await;
    assert_eq!((indexes(&one), one.header("webhook-id")), (vec![3], format!("record-{epoch}-3-3").as_str()));
    assert_eq!(
        one.json()["data"]["entries"][0]["entry"]["event"]["office"]["denied"]["code"],
        "ALC-OFFICE-0001"
    );
    place.until_cursor(4).await;
    place.ledger.close().await.unwrap();
    tokio::time::timeout(DEADLINE, running).await.expect("it ends with the ledger").unwrap().unwrap();
}

#[tokio::test]
async fn an_index_that_is_used_again_is_told_under_another_id() {
    let told = async |place: &Place, count: u64| {
        for _ in place.ledger.size()..count {
            place.made().await;
        }
        let (url, mut heard) = receiver(Vec::new()).await;
        let running = tokio::spawn(
            place.hook(&place.settings(&url, &[Topic::Record], Begin::Start)).run(place.ledger.clone()),
        );
        let one = hear(&mut heard).await;
        place.until_cursor(count).await;
        running.abort();
        let epoch = one.json()["data"]["epoch"].as_str().unwrap().to_owned();
        assert!(one.header("webhook-id").starts_with(&format!("record-{epoch}-")), "{}", one.head);
        epoch
    };
    let place = Place::new();
    let first = told(&place, 2).await;
    assert_eq!(told(&place, 3).await, first, "a restart goes on in the same epoch");
    // Restored from a backup: its record has fewer entries, and no folder of cursors.
    let restored = Place::new();
    let second = told(&restored, 2).await;
    assert_ne!(second, first);
    // An older record put back by hand under newer cursors.
    let older = Place::new();
    older.made().await;
    let dir = older.folder.path().join("webhook");
    std::fs::create_dir(&dir).unwrap();
    for file in ["chat", "epoch.id"] {
        std::fs::copy(place.folder.path().join("webhook").join(file), dir.join(file)).unwrap();
    }
    assert_eq!(older.cursor(), Some(3));
    assert_ne!(told(&older, 2).await, first);
    std::fs::write(dir.join("epoch.id"), "no epoch").unwrap();
    assert!(epoch(&dir, 2, &SystemEntropy::new()).is_err());
}

#[tokio::test]
async fn a_long_past_comes_in_bounded_messages() {
    let place = Place::new();
    for _ in 0..BATCH_ENTRIES_MAX + 1 {
        place.made().await;
    }
    let (url, mut heard) = receiver(Vec::new()).await;
    let settings = place.settings(&url, &[Topic::Record], Begin::Start);
    let running = tokio::spawn(place.hook(&settings).run(place.ledger.clone()));
    let first = hear(&mut heard).await;
    assert!(first.json()["data"]["entries"].as_array().unwrap().len() <= BATCH_ENTRIES_MAX);
    place.until_cursor(u64::try_from(BATCH_ENTRIES_MAX + 1).unwrap()).await;
    running.abort();
}

#[test]
fn settings_that_would_leak_or_cannot_work_are_refused() {
    let good = WebhookSettings {
        name: "chat".into(),
        url: "https://chat.example/hook".into(),
        secret_file: "secret".into(),
        events: vec![Topic::Question],
        begin: Begin::Now,
    };
    assert!(WebhookSettings::check(std::slice::from_ref(&good)).is_ok());
    for url in ["http://chat.example/", "https://user:word@chat.example/", "ftp://localhost/", "chat", ""] {
        let one = WebhookSettings { url: url.into(), ..good.clone() };
        assert!(WebhookSettings::check(&[one]).is_err(), "{url}");
    }
    for name in ["", "..", "a/b", "Chat", &"a".repeat(64)] {
        let one = WebhookSettings { name: name.into(), ..good.clone() };
        assert!(WebhookSettings::check(&[one]).is_err(), "{name}");
    }
    assert!(WebhookSettings::check(&[WebhookSettings { events: vec![], ..good.clone() }]).is_err());
    assert!(WebhookSettings::check(&[good.clone(), good.clone()]).is_err());
    let many = |count: usize| -> Vec<_> {
        (0..count).map(|at| WebhookSettings { name: format!("hook-{at}"), ..good.clone() }).collect()
    };
    assert!(WebhookSettings::check(&many(HOOKS_MAX)).is_ok());
    assert!(WebhookSettings::check(&many(HOOKS_MAX + 1)).is_err());

    let place = Place::new();
    let settings = place.settings("https://chat.example/", &[Topic::Question], Begin::Now);
    let dir = place.folder.path();
    assert!(Hook::open(&settings, dir, dir, 0, "0").is_ok());
    for bad in ["", SECRET, "whsec_", "whsec_c2hvcnQ=", "whsec_!"] {
        std::fs::write(dir.join("secret"), bad).unwrap();
        assert!(Hook::open(&settings, dir, dir, 0, "0").is_err(), "{bad}");
    }
    std::fs::write(dir.join("secret"), format!("{SECRET_PREFIX}{SECRET}")).unwrap();
    std::fs::set_permissions(dir.join("secret"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let told = format!("{:#}", Hook::open(&settings, dir, dir, 0, "0").err().unwrap());
    assert!(told.contains("can be read by others"), "{told}");
}
