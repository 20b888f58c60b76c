//! Settings: check them, show them, describe them.

use alcaide_identity::spiffe::TrustDomain;
use alcaide_seal::note::KeyName;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::{Desk, Exit};
use crate::fail::{Failure, INTERNAL, SETTINGS};
use crate::house::Places;
use crate::listeners::{read_tls, upstream_client};
use crate::settings::Settings;
use crate::webhook::WebhookSettings;

/// `alcaide config …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Check `settings.toml` of the data directory
    #[command(after_help = "Example: alcaide config check")]
    Check,
    /// Show all settings, with the defaults of those that are not given
    #[command(after_help = "Example: alcaide config show --default")]
    Show {
        /// The defaults alone
        #[arg(long)]
        default: bool,
    },
    /// Print the JSON Schema of the settings
    #[command(after_help = "Example: alcaide config schema > settings.schema.json")]
    Schema,
}

impl Verb {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Check => {
                let places = desk.places()?;
                let file = places.settings();
                let there = file.exists();
                read(&places)?;
                let told = json!({ "file": file.display().to_string(), "there": there, "ok": true });
                desk.out.show(&told, || match there {
                    true => format!("`{}` is in order\n", file.display()),
                    false => format!("`{}` is not there; all settings have their defaults\n", file.display()),
                })?;
            }
            Self::Show { default } => {
                let settings = if default { Settings::default() } else { read(&desk.places()?)? };
                let text = toml::to_string(&settings)
                    .map_err(|error| Failure::new(&INTERNAL, "the settings cannot be written").why(error))?;
                desk.out.show(&settings, || text)?;
            }
            Self::Schema => {
                let text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
                desk.out.text(&(text + "\n"))?;
            }
        }
        Ok(Exit::Clean)
    }
}

/// Reads and checks the settings of a data directory; all defaults if there is no file.
///
/// # Errors
/// `ALC-CLI-0004` with line and column of the first thing that is wrong.
pub(crate) fn read(places: &Places) -> Result<Settings, Failure> {
    let path = places.settings();
    let failed = |error: std::io::Error| Failure::file("read", &path, &error);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let settings: Settings = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        refused("the settings are not understood")
            .at(format!("{}:{line}:{column}", path.display()))
            .why(error.message())
    })?;
    let settings = settings.beside(places.dir());
    check(&settings).map_err(|bad| {
        let failure = refused("a setting is out of its bounds")
            .at(format!("{}: `{}`", path.display(), bad.key))
            .why(bad.why);
        match bad.fix {
            Some(fix) => failure.fix(fix),
            None => failure,
        }
    })?;
    Ok(settings)
}

fn refused(what: &str) -> Failure {
    Failure::new(&SETTINGS, what)
}

/// A value that cannot be used.
struct Bad {
    key: &'static str,
    why: String,
    /// What to do, where it is more than to mend the value.
    fix: Option<String>,
}

impl Bad {
    fn new(key: &'static str, why: impl ToString) -> Self {
        Self { key, why: why.to_string(), fix: None }
    }

    fn cured_by(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// The first value that cannot be used.
fn check(settings: &Settings) -> Result<(), Bad> {
    let listens = [
        ("gate.listen", "gate.tls", settings.gate.listen, &settings.gate.tls),
        ("office.listen", "office.tls", settings.office.listen, &settings.office.tls),
    ];
    for (key, tls_key, addr, tls) in listens {
        match tls {
            None if !addr.ip().is_loopback() => {
                let why =
                    format!("`{addr}` is no loopback address, and plain HTTP is spoken on loopback only");
                let fix =
                    format!("give a certificate and key with `{tls_key}`, or listen on 127.0.0.1 or [::1]");
                return Err(Bad::new(key, why).cured_by(fix));
            }
            None => {}
            Some(files) => {
                read_tls(files).map_err(|error| Bad::new(tls_key, &error).cured_by(error.help()))?;
            }
        }
    }
    if settings.gate.listen == settings.office.listen && settings.gate.listen.port() != 0 {
        return Err(Bad::new("office.listen", "gate and office cannot listen on one address"));
    }
    if let Some(url) = &settings.gate.public_url {
        public(url).map_err(|why| Bad::new("gate.public_url", why))?;
    }
    if settings.gate.upstream_roots.is_some() {
        upstream_client(settings.gate.upstream_roots.as_deref())
            .map_err(|error| Bad::new("gate.upstream_roots", &error).cured_by(error.help()))?;
    }
    if let Some(url) = &settings.telemetry.otlp_url {
        public(url).map_err(|why| Bad::new("telemetry.otlp_url", why))?;
    }
    settings.gate_limits().map_err(|error| Bad::new("gate", error))?;
    settings.approval_wait().map_err(|error| Bad::new("gate.approval_wait_ms", error))?;
    for (key, limit, most) in settings.hourly() {
        if !(1..=most).contains(&limit) {
            return Err(Bad::new(key, format!("`{key}` is {limit}, not 1 to {most}")));
        }
    }
    settings.kept().map_err(|error| Bad::new("office.keep_days", error))?;
    WebhookSettings::check(&settings.webhook).map_err(|error| Bad::new("webhook", error))?;
    let domain: Result<TrustDomain, _> = settings.office.trust_domain.parse();
    domain.map_err(|error| Bad::new("office.trust_domain", error))?;
    let origin: Result<KeyName, _> = settings.ledger.origin.parse();
    origin.map_err(|error| Bad::new("ledger.origin", error))?;
    if let Some(issuer) = &settings.office.issuer {
        let uri: Option<http::Uri> = issuer.parse().ok();
        if !uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        {
            return Err(Bad::new("office.issuer", "it is no `http` or `https` URL"));
        }
    }
    Ok(())
}

/// Whether a URL is scheme, host and port alone, and nothing goes over a network in clear text.
fn public(url: &str) -> Result<(), &'static str> {
    let uri: http::Uri = url.parse().map_err(|_| "it is no URL")?;
    let Some(authority) = uri.authority() else { return Err("it has no host") };
    let loopback = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if loopback => {}
        _ => return Err("it is neither `https` nor `http` on loopback"),
    }
    let bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
    if bare && !authority.as_str().contains('@') {
        Ok(())
    } else {
        Err("it has more than scheme, host and port")
    }
}

/// The JSON Schema (draft 2020-12) of `settings.toml`.
fn schema() -> Value {
    let addr = |default: &str, text: &str| json!({ "type": "string", "default": default, "description": text, "examples": ["127.0.0.1:0", "[::1]:7100"] });
    let tls = |of: &str| {
        let file = |text: &str| json!({ "type": "string", "description": text });
        json!({
            "type": "object", "additionalProperties": false, "required": ["certificate", "key"],
            "description": format!("certificate and key; with them {of} speaks TLS, on any address"),
            "properties": {
                "certificate": file("PEM file of the chain, leaf first; relative paths begin at the data directory"),
                "key": file("PEM file of the leaf's key, which nobody but its owner may read"),
            },
        })
    };
    let names = |text: &str| json!({ "type": "array", "items": { "type": "string" }, "default": [], "description": text });
    let object = |text: &str, properties: Value| json!({ "type": "object", "additionalProperties": false, "description": text, "properties": properties });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "settings of Alcaide",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "gate": object("where agents call", json!({
                "listen": addr("127.0.0.1:7100", "address and port; plain HTTP on loopback only, with `tls` any address"),
                "names": names("host names that callers may use besides the loopback names"),
                "body_bytes": {
                    "type": "integer", "minimum": 1, "default": 16_777_216,
                    "description": "longest body of a request, bytes; whoever raises it can make the gate use more memory",
                },
                "bodies_bytes": {
                    "type": "integer", "minimum": 1_048_576, "default": 268_435_456,
                    "description": "most bytes in memory of all bodies together, beyond the first 64 KiB of each; no less than `body_bytes`",
                },
                "connections": {
                    "type": "integer", "minimum": 1, "default": 4_096,
                    "description": "most connections at one time",
                },
                "calls_per_actor": {
                    "type": "integer", "minimum": 1, "maximum": 65_536, "default": 1_024,
                    "description": "most calls of one agent, workload or person at one time",
                },
                "approval_wait_ms": {
                    "type": "integer", "minimum": 0, "maximum": 600_000, "default": 25_000,
                    "description": "how long a call waits for people to answer, milliseconds; 0 for never",
                },
                "questions_per_hour": {
                    "type": "integer", "minimum": 1, "maximum": 10_000, "default": 30,
                    "description": "most questions to people that one agent asks within an hour; past it what would ask is refused unasked",
                },
                "questions_per_hour_subject": {
                    "type": "integer", "minimum": 1, "maximum": 10_000, "default": 60,
                    "description": "the same for all who act on behalf of one subject together",
                },
                "public_url": {
                    "type": "string", "format": "uri",
                    "description": "what callers call the gate, where that is not its address: scheme, host and port; proofs of possession may name it",
                },
                "upstream_roots": {
                    "type": "string",
                    "description": "PEM file of authorities that upstreams may have their certificates from, beside the public ones",
                },
                "tls": tls("the gate"),
            })),
            "office": object("where people and the command line come", json!({
                "listen": addr("127.0.0.1:7101", "address and port; plain HTTP on loopback only, with `tls` any address"),
                "names": names("host names that callers may use besides the loopback names"),
                "issuer": {
                    "type": "string", "format": "uri",
                    "description": "URL that tokens name as their issuer; `http://` and the address where not given",
                },
                "trust_domain": {
                    "type": "string", "default": "alcaide.local",
                    "description": "trust domain of SPIFFE ids; a change ends every credential",
                },
                "keep_days": {
                    "type": "integer", "minimum": 1, "maximum": 3_650, "default": 400,
                    "description": "days that the store keeps orders, questions and bodies of plans that are out of force; the record keeps everything",
                },
                "yes_per_hour": {
                    "type": "integer", "minimum": 1, "maximum": 10_000, "default": 40,
                    "description": "most yes of one person to questions of the gate within an hour; past it another approver answers, or the same one later",
                },
                "grave_yes_per_hour": {
                    "type": "integer", "minimum": 1, "maximum": 10_000, "default": 10,
                    "description": "the same for questions about money, credentials or what cannot be undone",
                },
                "tls": tls("the office"),
            })),
            "ledger": object("the record", json!({
                "origin": {
                    "type": "string", "default": "alcaide.local/ledger",
                    "description": "first line of its checkpoints; fixed when the ledger is begun",
                },
                "segment_bytes": {
                    "type": "integer", "minimum": 1, "default": 67_108_864,
                    "description": "bytes of one segment file",
                },
            })),
            "webhook": {
                "type": "array", "maxItems": 16, "default": [],
                "description": "other systems that are told what happens",
                "items": object("one of them", json!({
                    "name": { "type": "string", "pattern": "^[a-z0-9-]{1,63}$", "description": "names the file of its place in the record" },
                    "url": { "type": "string", "format": "uri", "description": "`https`, or `http` on loopback" },
                    "secret_file": { "type": "string", "description": "a file that only its owner can read, by its path or its name in the data directory: `whsec_` and the base64 of 24 to 64 random bytes" },
                    "events": {
                        "type": "array", "minItems": 1, "items": { "enum": ["question", "record"] },
                        "description": "`question`: what people are asked; `record`: every entry",
                    },
                    "begin": { "enum": ["now", "start"], "default": "now", "description": "where it begins on its first start" },
                })),
            },
            "telemetry": object("traces for others", json!({
                "otlp_url": {
                    "type": "string", "format": "uri",
                    "description": "collector of OTLP over HTTP: scheme, host and port; nothing is sent where it is not given",
                },
            })),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(value: &Value) -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_schema_has_every_setting_with_its_default_and_no_other() {
        let (schema, default) = (schema(), serde_json::to_value(Settings::default()).unwrap());
        let sections = &schema["properties"];
        assert_eq!(keys(sections), keys(&default));
        assert_eq!(sections["webhook"]["default"], default["webhook"]);
        let hook = "name = \"a\"\nurl = \"https://a\"\nsecret_file = \"s\"\nevents = [\"record\"]\n";
        let hook = serde_json::to_value(toml::from_str::<WebhookSettings>(hook).unwrap()).unwrap();
        assert_eq!(keys(&sections["webhook"]["items"]["properties"]), keys(&hook));
        for section in keys(&default).into_iter().filter(|section| section != "webhook") {
            let described = &sections[&section]["properties"];
            assert_eq!(keys(described), keys(&default[&section]), "{section}");
            assert_eq!(sections[&section]["additionalProperties"], false);
            for key in keys(described) {
                // No default in the schema means that there is none in the settings.
                assert_eq!(described[&key]["default"], default[&section][&key], "{section}.{key}");
            }
        }
    }

    #[test]
    fn a_wrong_key_is_told_with_its_line_and_a_wrong_value_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::of(folder.path());
        let tried = |text: &str| {
            std::fs::write(places.settings(), text).unwrap();
            let failure = read(&places).unwrap_err();
            assert_eq!((failure.exit, failure.parts[0].code.as_str()), (2, "ALC-CLI-0004"), "{text}");
            let part = failure.parts[0].clone();
            format!("{} {}", part.at.unwrap(), part.why.unwrap())
        };
        let told = tried("[gate]\nnames = []\nlistn = \"127.0.0.1:1\"\n");
        assert!(told.contains("settings.toml:3:1 unknown field `listn`"), "{told}");
        assert!(
            tried("[gate]\nlisten = \"0.0.0.0:1\"\n").contains("`gate.listen` `0.0.0.0:1` is no loopback")
        );
        assert!(tried("[office]\nlisten = \"127.0.0.1:7100\"\n").contains("`office.listen` gate and office"));
        assert!(tried("[office]\ntrust_domain = \"Not A Domain\"\n").contains("`office.trust_domain`"));
        assert!(tried("[office]\nissuer = \"x\"\n").contains("`office.issuer`"));
        assert!(tried("[office]\nkeep_days = 0\n").contains("`office.keep_days`"));
        assert!(tried("[office]\nkeep_days = 3651\n").contains("`office.keep_days`"));
        assert!(tried("[ledger]\norigin = \"a b\"\n").contains("`ledger.origin`"));
        assert!(tried("[gate]\napproval_wait_ms = 600001\n").contains("`gate.approval_wait_ms`"));
        for key in [
            "gate.questions_per_hour",
            "gate.questions_per_hour_subject",
            "office.yes_per_hour",
            "office.grave_yes_per_hour",
        ] {
            for wrong in [0, 10_001] {
                assert!(tried(&format!("{key} = {wrong}\n")).contains(&format!("`{key}`")));
            }
        }
        let hook =
            "name = \"a\"\nsecret_file = \"s\"\nevents = [\"record\"]\nurl = \"http://chat.example\"\n";
        assert!(tried(&format!("[[webhook]]\n{hook}")).contains("`webhook` the URL of hook `a` is neither"));
        for url in
            ["gate.example", "http://gate.example", "https://gate.example/v1", "https://a@gate.example"]
        {
            let told = tried(&format!("[gate]\npublic_url = \"{url}\"\n"));
            assert!(told.contains("`gate.public_url`"), "{told}");
        }
        std::fs::write(folder.path().join("roots.pem"), "none").unwrap();
        let told = tried("[gate]\nupstream_roots = \"roots.pem\"\n");
        assert!(told.contains("`gate.upstream_roots`") && told.contains("not PEM"), "{told}");
        assert!(
            tried("[telemetry]\notlp_url = \"http://collector.example\"\n").contains("`telemetry.otlp_url`")
        );
        // With TLS any address will do, once certificate and key can be used.
        let tls = "[gate]\nlisten = \"0.0.0.0:1\"\ntls = { certificate = \"c.pem\", key = \"k.pem\" }\n";
        assert!(tried(tls).contains("`gate.tls` `"), "{}", tried(tls));
        let made = alcaide_testkit::certificate::make(1);
        std::fs::write(folder.path().join("c.pem"), made.chain).unwrap();
        std::fs::write(folder.path().join("k.pem"), made.key).unwrap();
        assert!(tried(tls).contains("can be read by others"));
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(folder.path().join("k.pem"), private).unwrap();
        assert_eq!(read(&places).unwrap().gate_url(), "https://0.0.0.0:1");
        std::fs::remove_file(places.settings()).unwrap();
        assert!(read(&places).is_ok());
    }
}
