//! What stands in a house, said step by step.

use super::*;

const PEOPLE: &str = r#"
schema = 1
[[unit]]
name = "company"
[[unit]]
name = "finance"
parent = "company"
[[human]]
name = "ana"
unit = "finance"
[[agent]]
name = "bot"
unit = "finance"
owner = "ana"
may = ["use:model/*"]
[[agent]]
name = "helper"
unit = "company"
owner = "ana"
may = ["use:model/*"]
[[agent]]
name = "bare"
unit = "finance"
owner = "ana"
[[agent]]
name = "idle"
unit = "finance"
owner = "ana"
standing = "quarantined"
may = ["use:model/*"]
[[agent]]
name = "strict"
unit = "finance"
owner = "ana"
dpop = "required"
may = ["use:model/*"]
"#;

/// What a house is made of.
pub(crate) struct Setup {
    toml: String,
    policies: Vec<(String, String)>,
    limits: Limits,
    layer: Option<Arc<dyn Layer>>,
    queue: Option<usize>,
    approval_wait: Duration,
    ask_limits: AskLimits,
    origins: Vec<String>,
    unheard: bool,
    roots: Option<String>,
    secret: String,
    label: Option<(Signer, &'static str)>,
}

impl Setup {
    /// People, and nothing behind the gate.
    pub(crate) fn people() -> Self {
        Self {
            toml: PEOPLE.to_owned(),
            policies: Vec::new(),
            limits: Limits::default(),
            layer: None,
            queue: None,
            approval_wait: Duration::ZERO,
            ask_limits: AskLimits { per_actor: 1_000, per_subject: 1_000 },
            origins: Vec::new(),
            unheard: false,
            roots: None,
            secret: KEY.to_owned(),
            label: None,
        }
    }

    /// Models `test-model` and `caller`, both at `server`, in both protocols.
    pub(crate) fn of(server: &ModelServer) -> Self {
        Self::people()
            .upstream("openai", "openai", &server.url("/v1"), "")
            .upstream("anthropic", "anthropic", &server.url(""), "")
            .model("test-model", &["openai", "anthropic"], PRICE)
            .model("caller", &["openai", "anthropic"], PRICE)
    }

    /// One upstream; `extra` is more TOML of its table.
    pub(crate) fn upstream(self, name: &str, protocol: &str, url: &str, extra: &str) -> Self {
        let (header, prefix) =
            if protocol == "anthropic" { ("x-api-key", "") } else { ("authorization", "Bearer ") };
        self.with(&format!(
            "[[upstream]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\nbase_url = \"{url}\"\n\
             credential = {{ kind = \"header\", header = \"{header}\", prefix = \"{prefix}\", secret = \"key\" }}\n{extra}\n"
        ))
    }

    /// One model route.
    pub(crate) fn model(self, name: &str, upstreams: &[&str], extra: &str) -> Self {
        let bindings: Vec<_> = upstreams.iter().map(|one| format!("{{ upstream = \"{one}\" }}")).collect();
        self.with(&format!(
            "[[route]]\nname = \"{name}\"\nkind = \"model\"\nupstreams = [{}]\n{extra}\n",
            bindings.join(", ")
        ))
    }

    /// One budget: `over` such as `{ agent = "bot" }`.
    pub(crate) fn budget(self, name: &str, over: &str, of: &str, limit: u64, per: &str) -> Self {
        self.with(&format!(
            "[[budget]]\nname = \"{name}\"\nover = {over}\nof = \"{of}\"\nlimit = {limit}\nper = \"{per}\"\n"
        ))
    }

    /// One tool server, and an agent who may use every tool.
    pub(crate) fn tools(self, name: &str, url: &str) -> Self {
        let agent =
            "[[agent]]\nname = \"hand\"\nunit = \"finance\"\nowner = \"ana\"\nmay = [\"use:tool/*\"]\n";
        let agent = if self.toml.contains(agent) { "" } else { agent };
        self.with(&format!(
            "{agent}[[upstream]]\nname = \"{name}\"\nprotocol = \"mcp\"\nbase_url = \"{url}\"\n\
             [[route]]\nname = \"{name}\"\nkind = \"mcp\"\nupstream = \"{name}\"\n"
        ))
    }

    /// The owner of the agent who may use every tool takes its user turns for the user's.
    pub(crate) fn trusting_turns(mut self) -> Self {
        let may = "may = [\"use:tool/*\"]\n";
        assert!(self.toml.contains(may));
        self.toml = self.toml.replace(may, &format!("{may}user_turns = \"trusted\"\n"));
        self
    }

    pub(crate) fn with(mut self, toml: &str) -> Self {
        self.toml.push_str(toml);
        self
    }

    pub(crate) fn policy(mut self, name: &str, cedar: &str) -> Self {
        self.policies.push((name.to_owned(), cedar.to_owned()));
        self
    }

    pub(crate) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a call waits for people; in other houses it does not.
    pub(crate) fn approval_wait(mut self, wait: Duration) -> Self {
        self.approval_wait = wait;
        self
    }

    /// How many questions may be asked within an hour; in other houses more than any test asks.
    pub(crate) fn ask_limits(mut self, per_actor: u32, per_subject: u32) -> Self {
        self.ask_limits = AskLimits { per_actor, per_subject };
        self
    }

    pub(crate) fn layer(mut self, layer: impl Layer) -> Self {
        self.layer = Some(Arc::new(layer));
        self
    }

    /// How many entries may wait for the ledger's disk.
    pub(crate) fn queue(mut self, entries: usize) -> Self {
        self.queue = Some(entries);
        self
    }

    /// Nobody follows the ledger, and nobody says so.
    pub(crate) fn unheard(mut self) -> Self {
        self.unheard = true;
        self
    }

    /// Private authorities of upstreams.
    pub(crate) fn roots(mut self, pem: &str) -> Self {
        self.roots = Some(pem.to_owned());
        self
    }

    /// Another name of the gate.
    pub(crate) fn origin(mut self, origin: &str) -> Self {
        self.origins.push(origin.to_owned());
        self
    }

    /// What upstreams are shown.
    pub(crate) fn secret(mut self, secret: &str) -> Self {
        self.secret = secret.to_owned();
        self
    }

    /// What it signs labels with, and in whose name.
    pub(crate) fn labels(mut self, signer: Signer, domain: &'static str) -> Self {
        self.label = Some((signer, domain));
        self
    }

    pub(crate) fn plan(&self, master: &MasterKey) -> Plan {
        let read = Declarations::from_toml("house.toml", &self.toml).unwrap();
        let policies = self.policies.iter().map(|(name, cedar)| Named {
            name: name.parse::<Name>().unwrap(),
            spec: Policy {
                cedar: cedar.clone(),
                file: format!("{name}.cedar"),
                mode: PolicyMode::Enforce,
                shadow: None,
            },
        });
        let id = SecretId::from_bits(1);
        let sealed =
            envelope::seal(master, id.to_string().as_bytes(), self.secret.as_bytes(), &SystemEntropy::new())
                .unwrap();
        let sealed = base64::engine::general_purpose::STANDARD.encode(sealed);
        let secret = Placed { id, spec: SealedSecret { sealed } };
        Plan {
            number: PlanNumber(1),
            made: NOW,
            units: placed(read.units, UnitId::from_bits),
            humans: placed(read.humans, HumanId::from_bits),
            agents: placed(read.agents, AgentId::from_bits),
            upstreams: placed(read.upstreams, UpstreamId::from_bits),
            routes: placed(read.routes, RouteId::from_bits),
            peers: placed(read.peers, PeerId::from_bits),
            budgets: placed(read.budgets, BudgetId::from_bits),
            policies: placed(policies.collect(), PolicyId::from_bits),
            secrets: Kind::from([("key".parse().unwrap(), secret)]),
            ..Plan::default()
        }
    }

    pub(crate) async fn start(self) -> House {
        let entropy = Arc::new(SystemEntropy::new());
        let master = Arc::new(MasterKey::generate(&*entropy).unwrap());
        let plan = self.plan(&master);
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options { segment_bytes: 1 << 20, raise_priority: false, ..Options::default() };
        if let Some(layer) = self.layer {
            options.layer = layer;
        }
        if let Some(entries) = self.queue {
            options.queue_entries = entries;
        }
        let note = Arc::new(NoteSigner::generate(ORIGIN.parse().unwrap(), &*entropy).unwrap());
        let dir = folder.path().join("ledger");
        let ledger = Ledger::create(&dir, &options, Arc::clone(&note), ORIGIN).unwrap();
        let signer = Signer::generate(&*entropy).unwrap();
        let domain: alcaide_identity::spiffe::TrustDomain = "house.test".parse().unwrap();
        let frame = Frame {
            folder,
            options,
            note,
            plan,
            master,
            token_key: signer.public().clone(),
            label: {
                let label =
                    self.label.unwrap_or_else(|| (Signer::generate(&*entropy).unwrap(), "house.test"));
                (Arc::new(label.0.to_pkcs8().unwrap()), label.1.parse().unwrap())
            },
            clock: Clock::at(NOW),
            issuer: Issuer::new(ISSUER, domain, signer),
            ways: Ways {
                limits: self.limits,
                approval_wait: self.approval_wait,
                ask_limits: self.ask_limits,
                origins: self.origins,
                unheard: self.unheard,
                roots: self.roots,
            },
        };
        frame.open(ledger, Memory::empty(), AtomicU64::new(0)).await
    }
}
