//! Finds every broken rule of a set of declarations at once: values out of bounds, references that lead nowhere.
//!
//! Each finding says where, why and what would mend it. Policies' Cedar is not read here: the plan compiler does that.

mod model;
mod peer;
mod reach;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::{
    Agent, Budget, BudgetOver, BudgetUnit, Declarations, Human, Named, Operation, Policy, PolicyMode,
    Protocol, Role, Route, SCHEMA_VERSION, ShadowOf, Standing, Tool, Unit, Upstream,
};
use crate::name::Name;

/// One rule that the declarations break.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken {
    /// Where: kind and name, such as `agent/invoice-bot`.
    pub place: String,
    /// What is wrong.
    pub why: String,
    /// What would mend it.
    pub fix: String,
}

/// Longest host (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;
/// Longest word by which a user asks for a tool.
const REQUEST_WORD_BYTES_MAX: usize = 64;
/// Longest name of a tool, in bytes.
pub const TOOL_NAME_BYTES_MAX: usize = 128;
/// Shortest wait that may be declared, in milliseconds: below it no real upstream can answer.
pub const TIMEOUT_MS_MIN: u64 = 100;
/// Longest wait that may be declared, in milliseconds: one hour, so that a dead upstream frees its place some day.
pub const TIMEOUT_MS_MAX: u64 = 3_600_000;

impl Declarations {
    /// Everything that is wrong with the references and values; empty if nothing is.
    #[must_use]
    pub fn check(&self) -> Vec<Broken> {
        let mut check = Check { all: self, found: Vec::new() };
        check.schema();
        check.duplicates();
        check.units();
        check.humans();
        check.agents();
        check.workloads();
        for upstream in &self.upstreams {
            reach::check(&mut check, upstream);
        }
        for route in &self.routes {
            check.route(route);
        }
        for (at, peer) in self.peers.iter().enumerate() {
            peer::check(&mut check, at, peer);
        }
        self.signers.iter().for_each(|signer| model::check_signer(&mut check, signer));
        self.models.iter().for_each(|one| model::check(&mut check, one));
        check.tools();
        for budget in &self.budgets {
            check.budget(budget);
        }
        for policy in &self.policies {
            if policy.spec.cedar.trim().is_empty() {
                check.broken(
                    "policy",
                    &policy.name,
                    "its Cedar text is empty",
                    "write a policy, or remove it",
                );
            }
            check.shadow(policy);
        }
        check.found
    }
}

struct Check<'a> {
    all: &'a Declarations,
    found: Vec<Broken>,
}

impl Check<'_> {
    fn broken(&mut self, kind: &str, name: impl Display, why: impl Into<String>, fix: impl Into<String>) {
        self.found.push(Broken { place: format!("{kind}/{name}"), why: why.into(), fix: fix.into() });
    }

    fn schema(&mut self) {
        if self.all.schema != SCHEMA_VERSION {
            self.found.push(Broken {
                place: "schema".into(),
                why: format!("it is {}, but this program reads {SCHEMA_VERSION}", self.all.schema),
                fix: format!("write `schema = {SCHEMA_VERSION}`"),
            });
        }
    }

    fn duplicates(&mut self) {
        let all = self.all;
        self.twice("unit", all.units.iter().map(|one| &one.name));
        self.twice("human", all.humans.iter().map(|one| &one.name));
        self.twice("agent", all.agents.iter().map(|one| &one.name));
        self.twice("workload", all.workloads.iter().map(|one| &one.name));
        self.twice("upstream", all.upstreams.iter().map(|one| &one.name));
        self.twice("route", all.routes.iter().map(|one| &one.name));
        self.twice("peer", all.peers.iter().map(|one| &one.name));
        self.twice("signer", all.signers.iter().map(|one| &one.name));
        self.twice("model", all.models.iter().map(|one| &one.name));
        self.twice("tool", all.tools.iter().map(|one| format!("{}/{}", one.server, shown(&one.name))));
        self.twice("budget", all.budgets.iter().map(|one| &one.name));
        self.twice("policy", all.policies.iter().map(|one| &one.name));
    }

    fn twice<N: Display + Ord + Clone>(&mut self, kind: &str, names: impl Iterator<Item = N>) {
        let (mut seen, mut told) = (BTreeSet::new(), BTreeSet::new());
        for name in names {
            if !seen.insert(name.clone()) && told.insert(name.clone()) {
                let fix = format!("keep one of them, or give the other `{kind}` another name");
                self.broken(kind, &name, "it is declared more than once", fix);
            }
        }
    }

    fn units(&mut self) {
        let all = self.all;
        let parents: BTreeMap<&Name, Option<&Name>> =
            all.units.iter().map(|unit| (&unit.name, unit.spec.parent.as_ref())).collect();
        for Named { name, spec: Unit { parent } } in &all.units {
            let Some(parent) = parent else { continue };
            if !parents.contains_key(parent) {
                self.missing(
                    "unit",
                    name,
                    "its parent",
                    "unit",
                    parent,
                    all.units.iter().map(|one| &one.name),
                );
                continue;
            }
            // A walk longer than there are units goes in a circle; only those on the circle come back to themselves.
            let mut at = Some(parent);
            for _ in 0..=parents.len() {
                match at {
                    Some(here) if here == name => {
                        let fix = "leave `parent` out of one unit of the circle";
                        self.broken("unit", name, "it is its own ancestor", fix);
                        break;
                    }
                    Some(here) => at = parents.get(here).copied().flatten(),
                    None => break,
                }
            }
        }
    }

    fn humans(&mut self) {
        let all = self.all;
        for Named { name, spec: Human { unit, roles, .. } } in &all.humans {
            self.unit_of("human", name, unit);
            if let Some(twice) =
                roles.iter().enumerate().find(|(at, role)| roles.iter().take(*at).any(|r| r == *role))
            {
                let why = format!("the role `{}` stands there twice", twice.1.as_str());
                self.broken("human", name, why, "name each role once");
            }
        }
        let administers = |human: &Named<Human>| {
            human.spec.standing == Standing::Active && human.spec.roles.contains(&Role::Administrator)
        };
        if !all.humans.is_empty() && !all.humans.iter().any(administers) {
            self.broken(
                "human",
                "*",
                "nobody who is active is an administrator, so nobody could change anything in the office",
                "give one person `roles = [\"administrator\"]`",
            );
        }
    }

    fn agents(&mut self) {
        for Named { name, spec } in &self.all.agents {
            let Agent { unit, owner, sponsor, standing, .. } = spec;
            self.unit_of("agent", name, unit);
            self.keeper("agent", name, "owner", owner, *standing);
            if let Some(sponsor) = sponsor {
                self.keeper("agent", name, "sponsor", sponsor, *standing);
            }
        }
    }

    fn workloads(&mut self) {
        for Named { name, spec } in &self.all.workloads {
            self.unit_of("workload", name, &spec.unit);
            self.keeper("workload", name, "owner", &spec.owner, spec.standing);
        }
    }

    fn unit_of(&mut self, kind: &str, name: &Name, unit: &Name) {
        let all = self.all;
        self.exists(kind, name, "its unit", "unit", unit, all.units.iter().map(|one| &one.name));
    }

    /// Who answers for something that may act must be there to answer.
    fn keeper(&mut self, kind: &str, name: &Name, role: &str, keeper: &Name, standing: Standing) {
        let all = self.all;
        let what = format!("its {role}");
        if !self.exists(kind, name, &what, "human", keeper, all.humans.iter().map(|one| &one.name)) {
            return;
        }
        let active =
            all.humans.iter().any(|human| human.name == *keeper && human.spec.standing == Standing::Active);
        if standing == Standing::Active && !active {
            let fix = format!("name an active `{role}`, or write `standing = \"quarantined\"`");
            self.broken(kind, name, format!("its {role} `{keeper}` is not active"), fix);
        }
    }

    fn exists<'n>(
        &mut self,
        kind: &str,
        name: impl Display,
        what: &str,
        wanted_kind: &str,
        wanted: &Name,
        there: impl Iterator<Item = &'n Name> + Clone,
    ) -> bool {
        let found = there.clone().any(|one| one == wanted);
        if !found {
            self.missing(kind, name, what, wanted_kind, wanted, there);
        }
        found
    }

    fn shadow(&mut self, Named { name, spec }: &Named<Policy>) {
        let Some(of) = &spec.shadow else { return };
        let all = self.all;
        if spec.mode != PolicyMode::Shadow {
            let why = "`shadow` says for whom it is in shadow, but it binds everybody";
            self.broken("policy", name, why, "add `mode = \"shadow\"`, or leave `shadow` out");
        }
        if *of == ShadowOf::default() {
            let why = "`shadow` names neither agents, nor units, nor a share of tasks";
            self.broken("policy", name, why, "leave `shadow` out for everybody, or name them");
        }
        if of.tasks_percent.is_some_and(|percent| !(1..=99).contains(&percent)) {
            let why = "`tasks_percent` must be 1 to 99";
            self.broken("policy", name, why, "leave it out for all tasks; for none, `mode = \"enforce\"`");
        }
        for agent in of.agents.iter().filter(|agent| !all.agents.iter().any(|one| one.name == **agent)) {
            let there = all.agents.iter().map(|one| &one.name);
            self.missing("policy", name, "`shadow`", "agent", agent, there);
        }
        for unit in of.units.iter().filter(|unit| !all.units.iter().any(|one| one.name == **unit)) {
            let there = all.units.iter().map(|one| &one.name);
            self.missing("policy", name, "`shadow`", "unit", unit, there);
        }
    }

    fn missing<'n>(
        &mut self,
        kind: &str,
        name: impl Display,
        what: &str,
        wanted_kind: &str,
        wanted: &Name,
        there: impl Iterator<Item = &'n Name>,
    ) {
        let fix = match super::keys::nearest(wanted.as_str(), there.map(Name::as_str)) {
            Some(near) => format!("write `{near}`, or declare `{wanted_kind}` `{wanted}`"),
            None => format!("declare `{wanted_kind}` `{wanted}`"),
        };
        self.broken(kind, name, format!("{what} `{wanted}` is not declared"), fix);
    }

    fn upstream_of(&mut self, route: &Name, upstream: &Name, fits: &[Protocol]) {
        let all = self.all;
        let names = all.upstreams.iter().map(|one| &one.name);
        if !self.exists("route", route, "its upstream", "upstream", upstream, names) {
            return;
        }
        let found: Option<&Named<Upstream>> = all.upstreams.iter().find(|one| one.name == *upstream);
        if let Some(found) = found
            && !fits.contains(&found.spec.protocol)
        {
            let speaks = word(found.spec.protocol);
            let wants = fits.iter().map(|one| format!("`{}`", word(*one))).collect::<Vec<_>>().join(" or ");
            let why =
                format!("its upstream `{upstream}` speaks `{speaks}`, but this kind of route needs {wants}");
            self.broken("route", route, why, format!("name an upstream of protocol {wants}"));
        }
    }

    fn route(&mut self, route: &Named<Route>) {
        let name = &route.name;
        match &route.spec {
            Route::Model(model) => {
                if model.upstreams.is_empty() {
                    let fix = "write `upstreams = [{ upstream = \"…\" }]`";
                    self.broken("route", name, "it names no upstream", fix);
                }
                for (at, binding) in model.upstreams.iter().enumerate() {
                    self.upstream_of(name, &binding.upstream, &[Protocol::Openai, Protocol::Anthropic]);
                    if model.upstreams.iter().take(at).any(|earlier| earlier == binding) {
                        let why = format!(
                            "its upstream `{}` stands there twice with the same model",
                            binding.upstream
                        );
                        self.broken("route", name, why, "name each upstream and model once");
                    }
                    if binding.model.as_deref().is_some_and(|model| !is_line(model, 256)) {
                        let why =
                            "the upstream's name for the model is empty, too long or has control characters";
                        self.broken("route", name, why, "write 1 to 256 printable characters");
                    }
                }
                if let Some(price) = model.price {
                    let zero =
                        [Some(price.input_micros), Some(price.output_micros), price.cached_input_micros];
                    if zero.contains(&Some(0)) {
                        let fix = "write the price in micro-units per million tokens, or leave `price` out";
                        self.broken("route", name, "a price is 0", fix);
                    }
                }
                if let Some(serves) = &model.serves {
                    let there = self.all.models.iter().map(|one| &one.name);
                    self.exists("route", name, "the model that it serves", "model", serves, there);
                }
                if model.max_output_tokens == Some(0) {
                    let fix = "write at least 1, or leave `max_output_tokens` out";
                    self.broken("route", name, "`max_output_tokens` is 0", fix);
                }
            }
            Route::Mcp(server) => {
                self.upstream_of(name, &server.upstream, &[Protocol::Mcp]);
                if name.as_str().contains("__") {
                    let why = "the name of a tool server must not hold `__`, which separates server and tool";
                    self.broken("route", name, why, "give it another name");
                }
            }
            Route::Service(service) => {
                self.upstream_of(name, &service.upstream, &[Protocol::Http]);
                self.operations(name, &service.operations);
            }
        }
    }

    fn operations(&mut self, route: &Name, operations: &[Operation]) {
        let mut names = BTreeSet::new();
        let mut shapes = BTreeMap::new();
        for operation in operations {
            let place = format!("{route}/{}", operation.name);
            if !names.insert(&operation.name) {
                self.broken(
                    "route",
                    &place,
                    "the operation is declared more than once",
                    "give one another name",
                );
            }
            if !METHODS.contains(&operation.method.as_str()) {
                let why = format!("`{}` is not a method that a service may have", shown(&operation.method));
                self.broken("route", &place, why, format!("write one of {}", METHODS.join(", ")));
            }
            match template_shape(&operation.path) {
                Err(why) => self.broken("route", &place, why, "write a path such as `/invoices/{id}`"),
                Ok(shape) => {
                    if let Some(other) = shapes.insert((operation.method.as_str(), shape), &operation.name) {
                        let why =
                            format!("its method and path match the same requests as operation `{other}`");
                        self.broken("route", &place, why, "remove one of them");
                    }
                }
            }
        }
    }

    fn tools(&mut self) {
        let all = self.all;
        let servers =
            all.routes.iter().filter(|route| matches!(route.spec, Route::Mcp(_))).map(|route| &route.name);
        for Tool { server, name, facts } in &all.tools {
            let place = format!("{server}/{}", shown(name));
            self.exists("tool", &place, "its `mcp` route", "route", server, servers.clone());
            if !is_line(name, TOOL_NAME_BYTES_MAX) {
                let why = "its name is empty, too long or has control characters";
                self.broken("tool", &place, why, "write the tool's own name, 1 to 128 bytes");
            }
            for output in &facts.output {
                if !is_pointer(&output.pointer) {
                    let why = format!("`{}` is not a JSON pointer (RFC 6901)", shown(&output.pointer));
                    self.broken("tool", &place, why, "write `` for the whole result, or `/a/b`");
                }
            }
            for pointer in &facts.handle_output {
                if !is_pointer(pointer) {
                    let why =
                        format!("`{}` in `handle_output` is not a JSON pointer (RFC 6901)", shown(pointer));
                    self.broken("tool", &place, why, "write a place such as `/body` or `/mails/*/body`");
                }
            }
            for name in &facts.takes_handles {
                if facts.control.contains(name) {
                    let why = format!(
                        "`{}` decides what the tool does, so it takes no text of strangers by handle",
                        shown(name)
                    );
                    self.broken("tool", &place, why, "take it out of `takes_handles`");
                } else if !facts.free_text.contains(name) {
                    let why = format!("`{}` in `takes_handles` is not named as free text", shown(name));
                    self.broken("tool", &place, why, "name it in `free_text` too, or take it out");
                }
            }
            for pointer in facts.resolves.iter().chain(&facts.records) {
                if !is_pointer(pointer) {
                    let why = format!("`{}` is not a JSON pointer (RFC 6901)", shown(pointer));
                    self.broken("tool", &place, why, "write a field such as `/id`");
                }
            }
            for host in &facts.hosts {
                let labels =
                    |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
                if host.len() > HOST_BYTES_MAX || !host.split('.').all(labels) {
                    let why = format!("`{}` is no host", shown(host));
                    self.broken(
                        "tool",
                        &place,
                        why,
                        "write a name such as `bank.example`, without scheme and path",
                    );
                }
            }
            for word in &facts.request_words {
                if !is_line(word, REQUEST_WORD_BYTES_MAX) {
                    let why = "one of `request_words` is empty, too long or has control characters";
                    self.broken("tool", &place, why, "write words such as `pay`, 1 to 64 bytes each");
                }
            }
            if facts.idempotency_key.as_deref() == Some("") {
                let fix = "name the argument, or leave `idempotency_key` out";
                self.broken("tool", &place, "`idempotency_key` names no argument", fix);
            }
        }
    }

    fn budget(&mut self, budget: &Named<Budget>) {
        let all = self.all;
        let name = &budget.name;
        match &budget.spec.over {
            BudgetOver::Agent(agent) => {
                let there = all.agents.iter().map(|one| &one.name);
                self.exists("budget", name, "its agent", "agent", agent, there);
            }
            BudgetOver::Owner(owner) => {
                let there = all.humans.iter().map(|one| &one.name);
                self.exists("budget", name, "its owner", "human", owner, there);
            }
            BudgetOver::Unit(unit) => self.unit_of("budget", name, unit),
            BudgetOver::Model(model) => {
                let there =
                    all.routes.iter().filter(|one| matches!(one.spec, Route::Model(_))).map(|one| &one.name);
                self.exists("budget", name, "its model", "route", model, there);
                let unpriced = all.routes.iter().any(|one| {
                    one.name == *model && matches!(&one.spec, Route::Model(route) if route.price.is_none())
                });
                if budget.spec.of == BudgetUnit::MoneyMicros && unpriced {
                    let why = format!("it counts money, but the model `{model}` has no price");
                    self.broken("budget", name, why, "give the route a `price`");
                }
            }
        }
        if budget.spec.limit == 0 {
            let fix = "write at least 1; to forbid all use, write a `forbid` policy";
            self.broken("budget", name, "its limit is 0", fix);
        }
    }
}

/// Methods that an operation may have: those of RFC 9110 and RFC 5789 that reach a resource.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Openai => "openai",
        Protocol::Anthropic => "anthropic",
        Protocol::Mcp => "mcp",
        Protocol::Http => "http",
    }
}

/// Text from outside as a message may show it.
fn shown(text: &str) -> String {
    text.chars().take(80).map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

fn is_line(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

/// Source: RFC 6901, section 3.
fn is_pointer(text: &str) -> bool {
    let escapes_ok = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    (text.is_empty() || text.starts_with('/')) && escapes_ok
}

/// The template with each parameter as `{}`: two templates of one shape match the same paths.
fn template_shape(path: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("its path `{}` {why}", shown(path)));
    if path.len() > 512 {
        return wrong("is longer than 512 bytes");
    }
    let Some(rest) = path.strip_prefix('/') else { return wrong("does not begin with `/`") };
    if rest.is_empty() {
        return Ok("/".into());
    }
    let mut shape = String::with_capacity(path.len());
    let mut parameters = BTreeSet::new();
    for segment in rest.split('/') {
        shape.push('/');
        if let Some(parameter) = segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            if parameter.is_empty() || !parameter.bytes().all(good) {
                return wrong("has a parameter that is no name");
            }
            if !parameters.insert(parameter) {
                return wrong("has the same parameter twice");
            }
            shape.push_str("{}");
            continue;
        }
        // The unreserved characters and sub-delimiters of RFC 3986, section 3.3, less what could be read in two ways.
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
        if segment.is_empty() {
            return wrong("has an empty segment");
        }
        if matches!(segment, "." | "..") {
            return wrong("has a dot segment");
        }
        if !segment.bytes().all(good) {
            return wrong("has a character that a path segment does not take");
        }
        shape.push_str(segment);
    }
    Ok(shape)
}
