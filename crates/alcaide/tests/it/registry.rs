//! The serve gate: a model is used while it is proven, and every way in which it is not has its own refusal and its own line in the
//! record. The real program, a real model server behind it, real files, real signatures.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use alcaide_artifact::evidence::{Examination, Seen};
use alcaide_artifact::signing::{self, Rules, SignAs, TreePath};
use alcaide_seal::SystemEntropy;
use alcaide_seal::ecdsa::{Curve, EcSigner as _, PrivateKey};
use alcaide_testkit::{DEADLINE, ModelServer, Script};
use serde_json::{Value, json};

use crate::house::{House, http};

const CONFIG: &str = "{\"model_type\": \"gpt2\"}";

struct Ground {
    house: House,
    server: ModelServer,
    signer: PrivateKey,
    token: String,
}

impl Ground {
    /// A local model `small` whose files are watched and that needs all there is, a model `remote` that lies elsewhere and needs a
    /// scan, and a route `hosted` that says nothing of what it serves.
    fn new() -> Self {
        let server = ModelServer::start(Script::says("fine")).unwrap();
        let house = House::begin();
        house.put("models/small/config.json", CONFIG);
        let signer = PrivateKey::generate(Curve::P256, &SystemEntropy::new()).unwrap();
        let mut ground = Self { house, server, signer, token: String::new() };
        ground.declare("");
        ground.token = ground.house.ok(&["agent", "token", "bot"]).trim().to_owned();
        ground
    }

    fn declare(&self, signer: &str) {
        let (url, files) = (self.server.url("/v1"), self.house.file("models/small"));
        let (pem, files) = (self.signer.public_key().to_pem(), files.to_str().unwrap());
        let text = format!(
            "schema = 1\n[[unit]]\nname = \"main\"\n[[human]]\nname = \"ana\"\nunit = \"main\"\nroles = [\"administrator\"]\n\
             [[agent]]\nname = \"bot\"\nunit = \"main\"\nowner = \"ana\"\nmay = [\"use:model/*\"]\n\
             [[upstream]]\nname = \"local\"\nprotocol = \"openai\"\nbase_url = \"{url}\"\n\
             [[route]]\nname = \"hosted\"\nkind = \"model\"\nupstreams = [{{ upstream = \"local\" }}]\n\
             [[route]]\nname = \"small\"\nkind = \"model\"\nupstreams = [{{ upstream = \"local\" }}]\nserves = \"small\"\n\
             [[route]]\nname = \"remote\"\nkind = \"model\"\nupstreams = [{{ upstream = \"local\" }}]\nserves = \"remote\"\n\
             [[signer]]\nname = \"studio\"\npem = '''\n{pem}'''\n{signer}\n\
             [[model]]\nname = \"small\"\nunit = \"main\"\nowner = \"ana\"\nfiles = \"{files}\"\nsignature = \"model.sig\"\n\
             signers = [\"studio\"]\nrequires = [\"scan\", \"current_pack\", \"signature\"]\n\
             [[model]]\nname = \"remote\"\nunit = \"main\"\nowner = \"ana\"\n"
        );
        let file = self.house.put("declared/all.toml", &text);
        self.house.ok(&["apply", file.parent().unwrap().to_str().unwrap()]);
    }

    fn call(&self, model: &str) -> (u16, String) {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] });
        http(&self.house.gate, "post", "/v1/chat/completions", Some(&self.token), Some(&body))
    }

    /// Calls until the answer is this one: what the record says reaches the gate without anybody's waiting for it.
    #[track_caller]
    fn until(&self, model: &str, status: u16, says: &str) {
        let begun = Instant::now();
        loop {
            let (found, said) = self.call(model);
            if found == status && said.contains(says) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{found} is not {status} with `{says}`: {said}");
            std::thread::yield_now();
        }
    }

    /// Signs what lies in the folder of `small`, as its studio would.
    fn sign(&self, key: &PrivateKey) -> std::path::PathBuf {
        let mut rules = Rules::default();
        rules.signatures.insert(TreePath::new("model.sig").unwrap());
        let mut examination = Examination::begin(&rules);
        let bytes = std::fs::read(self.house.file("models/small/config.json")).unwrap();
        let seen = Seen { bytes: bytes.len() as u64, sha256: alcaide_seal::sha256(&bytes), report: None };
        examination.add(b"config.json", &seen).unwrap();
        let (surveyed, ..) = examination.finish("small").unwrap();
        let bundle = signing::sign(&surveyed, key, SignAs::Key).unwrap();
        let path = self.house.file("bundle.json");
        std::fs::write(&path, bundle.to_json().unwrap()).unwrap();
        path
    }

    /// Asks the office as the operator.
    fn operator(&self, path: &str, body: &Value) -> (u16, String) {
        let mut socket = UnixStream::connect(self.house.dir().join("office.sock")).unwrap();
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), rest.to_owned())
    }

    fn log(&self) -> String {
        self.house.ok(&["log", "follow", "--once", "--from", "0"])
    }
}

#[test]
fn a_local_model_is_used_while_its_files_are_those_that_were_scanned_signed_and_released() {
    let mut ground = Ground::new();
    let small = ground.house.file("models/small");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    // Where nobody says what a route serves, nothing is asked of it.
    assert_eq!(ground.call("hosted").0, 200);
    ground.until("small", 403, "nobody has scanned the model");

    ground.house.ok(&["model", "register", "small"]);
    ground.until("small", 403, "nobody has signed the model");
    // A stranger's signature is not entered at all.
    let stranger = PrivateKey::generate(Curve::P256, &SystemEntropy::new()).unwrap();
    let bundle = path(&ground.sign(&stranger));
    ground.house.run(&["model", "register", "small", "--signature", &bundle]).refused(
        1,
        "ALC-OFFICE-0051",
        &["nothing was done about the model"],
    );
    let bundle = path(&ground.sign(&ground.signer));
    let done = ground.house.json(&["model", "register", "small", "--signature", &bundle]);
    assert_eq!((&done["version"]["state"], &done["known"]), (&json!("signed"), &json!(true)));
    ground.until("small", 403, "no version of the model is released");
    ground.house.ok(&["model", "release", "small"]);
    ground.until("small", 200, "fine");

    // Other bytes in the file, after all of that.
    std::fs::write(small.join("config.json"), "{\"model_type\": \"gptX\"}").unwrap();
    ground.until("small", 403, "are not those of the released version");
    std::fs::write(small.join("config.json"), CONFIG).unwrap();
    ground.until("small", 200, "fine");
    // A file more; the signature in its place is none of them.
    std::fs::copy(&bundle, small.join("model.sig")).unwrap();
    ground.house.ok(&["model", "register", "small"]);
    ground.until("small", 200, "fine");
    std::fs::write(small.join("tool.py"), "x = 1\n").unwrap();
    ground.until("small", 403, "are not those of the released version");
    std::fs::remove_file(small.join("tool.py")).unwrap();
    ground.until("small", 200, "fine");
    // Nothing there any more.
    std::fs::rename(&small, ground.house.file("models/away")).unwrap();
    ground.until("small", 403, "are being read, or cannot be read");
    std::fs::rename(ground.house.file("models/away"), &small).unwrap();
    ground.until("small", 200, "fine");

    // The studio's key is revoked: what it signed counts no more, from the next call on.
    ground.declare("revoked = true");
    ground.until("small", 403, "is not trusted for it");
    ground.declare("");
    ground.until("small", 200, "fine");

    // After a start the files are read before the model is used, and nothing has to be done again.
    ground.house.down();
    ground.house.up(&[]);
    ground.until("small", 200, "fine");

    // The record says why.
    let log = ground.log();
    for line in [
        "ALC-POLICY-0031 at stage decided, model not released, files same, scan none, signer none",
        "scan clean, signer none",
        "model released, files changed, scan clean, signer trusted",
        "files unread",
        "model released, files same, scan clean, signer untrusted",
        "small files are being read",
        "small files cannot be read",
        "order    release version ",
    ] {
        assert!(log.contains(line), "no `{line}` in:\n{log}");
    }
    let shown = ground.house.json(&["model", "show", "small"]);
    assert_eq!(shown["model"]["on_disk"], "released");
    let listed = ground.house.ok(&["model", "list"]);
    assert!(listed.contains("small") && listed.contains("released"), "{listed}");
    assert!(ground.house.ok(&["log", "verify"]).starts_with("the record verifies\n"));
}

#[test]
fn a_model_elsewhere_is_used_while_its_evidence_counts() {
    let ground = Ground::new();
    let put = |name: &str, text: &str| {
        let path = ground.house.put(name, text);
        path.parent().unwrap().to_str().unwrap().to_owned()
    };
    ground.until("remote", 403, "nobody has scanned the model");
    // What would start a program when it is loaded; here it is only read.
    let bad = put("bad/weights.pkl", "cos\nsystem\n(S'true'\ntR.");
    let said = ground.house.run(&["model", "register", "remote", &bad, "--json"]);
    assert_eq!(said.code, 1, "{said:?}");
    ground.until("remote", 403, "a scan of the model found something");
    ground.house.run(&["model", "release", "remote"]).refused(1, "ALC-OFFICE-0051", &["found something"]);
    // What nobody could look into is released only by whoever accepts that.
    let doubtful = put("doubtful/weights.bin", "");
    std::fs::write(ground.house.file("doubtful/weights.bin"), [7, 1, 9, 200, 3, 77]).unwrap();
    let said = ground.house.run(&["model", "register", "remote", &doubtful, "--json"]);
    assert_eq!(said.code, 3, "{said:?}");
    ground.until("remote", 403, "could not look into all of the model");
    ground.house.run(&["model", "release", "remote"]).refused(1, "ALC-OFFICE-0051", &["could not look"]);
    ground.house.ok(&["model", "release", "remote", "--accept-doubt"]);
    ground.until("remote", 200, "fine");

    let good = put("good/config.json", CONFIG);
    let done = ground.house.json(&["model", "register", "remote", &good]);
    let version = done["version"]["version"].as_str().unwrap().to_owned();
    ground.house.ok(&["model", "release", "remote", &version[..16]]);
    ground.until("remote", 200, "fine");
    ground.house.run(&["model", "quarantine", "remote"]).refused(
        2,
        "ALC-CLI-0007",
        &["would be quarantined"],
    );
    ground.house.ok(&["model", "quarantine", "remote", "--yes"]);
    ground.until("remote", 403, "no version of the model is released");
    ground.house.run(&["model", "release", "remote", &version]).refused(
        1,
        "ALC-OFFICE-0051",
        &["quarantined"],
    );
    ground.house.ok(&["model", "register", "remote", &good]);
    ground.house.ok(&["model", "release", "remote", &version]);
    ground.until("remote", 200, "fine");

    // Evidence is exported, and verified without an office.
    let listed = ground.house.json(&["evidence", "list", "--model", "remote"]);
    let digest = listed[0]["envelope"].as_str().unwrap();
    let (envelope, key) = (ground.house.file("scan.json"), ground.house.file("evidence.pem"));
    let (envelope, key) = (envelope.to_str().unwrap(), key.to_str().unwrap());
    ground.house.ok(&["evidence", "export", digest, "--out", envelope]);
    std::fs::write(key, ground.house.ok(&["evidence", "key"])).unwrap();
    let judged = ground.house.json(&["evidence", "verify", envelope, "--key", key]);
    assert_eq!(
        (&judged[0]["holds"], &judged[0]["statement"]["report"]["verdict"]),
        (&json!(true), &json!("clean"))
    );
    let bytes = std::fs::read(envelope).unwrap();
    assert_eq!(alcaide_seal::sha256(&bytes).to_string(), digest);
    let other = ground.signer.public_key().to_pem();
    std::fs::write(key, other).unwrap();
    let said = ground.house.run(&["evidence", "verify", envelope, "--key", key]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("does not hold"), "{said:?}");

    // The same files, scanned by the rules of another program: what it says counts no more here.
    let report = &judged[0]["statement"];
    let mut scan = report["report"].clone();
    scan["packs"]["digest"] = json!("00".repeat(32));
    let subject = json!({
        "name": report["name"],
        "digest": { "sha256": report["sha256"], "alcaide-manifest-1": report["version"] },
    });
    let body = json!({ "subject": subject, "scan": scan });
    let (status, said) = ground.operator("/api/v1/models/remote/versions", &body);
    assert_eq!(status, 200, "{said}");
    ground.until("remote", 403, "scanned by other rules than this program has");
    ground.house.ok(&["model", "register", "remote", &good]);
    ground.until("remote", 200, "fine");

    ground.house.ok(&["model", "revoke", "remote", &version, "--yes"]);
    ground.until("remote", 403, "no version of the model is released");
    ground.house.run(&["model", "release", "remote", &version]).refused(1, "ALC-OFFICE-0051", &["revoked"]);
    let log = ground.log();
    for line in ["scan unsafe", "scan inconclusive", "scan clean by other rules", "order    revoke version "]
    {
        assert!(log.contains(line), "no `{line}` in:\n{log}");
    }
}

#[test]
fn models_are_told_to_whoever_has_none_and_wrong_names_are_refused() {
    let house = House::begin();
    assert!(house.ok(&["model", "list"]).starts_with("no models; declare a `[[model]]`"));
    assert!(house.ok(&["evidence", "list"]).starts_with("no evidence; register"));
    house.run(&["model", "show", "nobody"]).refused(1, "ALC-OFFICE-0004", &["`nobody`"]);
    house.run(&["model", "register", "nobody", "."]).refused(
        1,
        "ALC-CLI-0051",
        &["there is no model `nobody`"],
    );
    let none = "0".repeat(64);
    house.run(&["evidence", "show", &none]).refused(1, "ALC-OFFICE-0004", &["no evidence"]);
    let file = house.put("no.json", "{}");
    let (file, key) = (file.to_str().unwrap(), house.put("key.pem", &house.ok(&["evidence", "key"])));
    let said = house.run(&["evidence", "verify", file, "--key", key.to_str().unwrap()]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("the envelope cannot be read"), "{said:?}");
}
