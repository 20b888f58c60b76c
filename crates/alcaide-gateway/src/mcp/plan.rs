//! Tool servers and their tools, as the plan has them.

use std::collections::HashMap;
use std::sync::Arc;

use alcaide_inventory::declare::Route;
use alcaide_inventory::fact::{Effect, Facts};
use alcaide_inventory::id::{RouteId, ToolId};
use alcaide_inventory::plan::PlacedTool;
use alcaide_inventory::{Name, Plan};
use alcaide_label::{Integrity, Label};
use alcaide_record::Digest;
use alcaide_seal::digest::sha256;
use alcaide_wire::json::{Document, Limits};
use alcaide_wire::mcp::{ParamHeaders, union};

use crate::flow::ArgumentSchema;
use crate::labels::{PeerPlan, Peers};
use crate::upstream::UpstreamPlan;

/// A tool that is declared.
#[derive(Clone, Debug)]
pub struct ToolPlan {
    /// Its id.
    pub id: ToolId,
    /// Digest of the definition that was accepted, if one was.
    pub pin: Option<Digest>,
    /// What a call does.
    pub effect: Effect,
    /// What reading its result makes of a task: the join over all that is declared of its parts. Who can write what is
    /// given by handle does not count, since the task does not read it.
    pub label: Label,
    /// Arguments that headers repeat, by the schema that was accepted.
    pub headers: ParamHeaders,
    /// All that is declared of it.
    pub facts: Arc<Facts>,
    /// What the accepted schema says of its arguments.
    pub schema: Arc<ArgumentSchema>,
}

/// A tool server.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// What callers call it.
    pub name: Name,
    /// The route.
    pub route: RouteId,
    /// Where it is.
    pub upstream: Arc<UpstreamPlan>,
    /// The other gate that answers for it.
    pub peer: Option<Arc<PeerPlan>>,
    tools: HashMap<Box<str>, ToolPlan>,
}

impl ServerPlan {
    /// The declared tool of this name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&ToolPlan> {
        self.tools.get(name)
    }

    /// Names of its declared tools.
    pub(crate) fn tool_names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(AsRef::as_ref)
    }

    /// What each of its declared tools does.
    pub(crate) fn effects(&self) -> impl Iterator<Item = (ToolId, Effect)> {
        self.tools.values().map(|tool| (tool.id, tool.effect))
    }
}

/// The tools of all servers under one name each.
#[derive(Clone, Debug, Default)]
pub struct Union(HashMap<String, (Arc<ServerPlan>, Box<str>)>);

impl Union {
    /// The declared tools of all servers. Of two that would have one name, the later is left out and said so.
    pub(crate) fn of(servers: &HashMap<Box<str>, Arc<ServerPlan>>) -> Self {
        let mut table = union::Table::default();
        let mut names = HashMap::new();
        let mut sorted: Vec<&Arc<ServerPlan>> = servers.values().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        for server in sorted {
            let mut tools: Vec<&str> = server.tools.keys().map(AsRef::as_ref).collect();
            tools.retain(|tool| *tool != super::instructions::NAME);
            tools.sort_unstable();
            for tool in tools {
                match table.add(server.name.as_str(), tool, digest) {
                    Ok(name) => {
                        names.insert(name, (Arc::clone(server), tool.into()));
                    }
                    Err(error) => tracing::warn!(server = %server.name, %error, "a tool is not in the union"),
                }
            }
        }
        Self(names)
    }

    /// The server and the tool that a name stands for.
    #[must_use]
    pub fn split(&self, name: &str) -> Option<(&Arc<ServerPlan>, &str)> {
        self.0.get(name).map(|(server, tool)| (server, tool.as_ref()))
    }

    /// The name of a server's tool or prompt.
    #[must_use]
    pub fn name(server: &ServerPlan, own: &str) -> String {
        union::join(server.name.as_str(), own, digest)
    }
}

/// What names in the union are told apart by.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    *sha256(bytes).as_bytes()
}

/// All servers of a plan, by name.
pub(crate) fn servers(
    plan: &Plan,
    upstreams: &HashMap<Name, Arc<UpstreamPlan>>,
    peers: &Peers,
) -> HashMap<Box<str>, Arc<ServerPlan>> {
    let mut servers = HashMap::new();
    for (name, placed) in &plan.routes {
        let Route::Mcp(server) = &placed.spec else { continue };
        let Some(upstream) = upstreams.get(&server.upstream) else { continue };
        let own = plan.tools.iter().filter(|tool| tool.spec.server == *name);
        let peer = peers.of_server(name);
        let bound = peer.map(|peer| peer.bound);
        let made = ServerPlan {
            name: name.clone(),
            route: placed.id,
            upstream: Arc::clone(upstream),
            peer: peer.map(Arc::clone),
            tools: own.map(|tool| (tool.spec.name.as_str().into(), planned(tool, bound))).collect(),
        };
        servers.insert(name.as_str().into(), Arc::new(made));
    }
    servers
}

fn planned(tool: &PlacedTool, bound: Option<Label>) -> ToolPlan {
    let document = tool
        .input_schema
        .as_deref()
        .and_then(|schema| Document::parse(schema.as_bytes(), &Limits::default()).ok());
    let headers = document.as_ref().and_then(|document| ParamHeaders::of(document.root()).ok());
    let schema = document.as_ref().map(|document| ArgumentSchema::of(document.root())).unwrap_or_default();
    ToolPlan {
        id: tool.id,
        pin: tool.pin.as_deref().and_then(|pin| pin.parse().ok()),
        effect: tool.spec.facts.effect,
        label: label_within(&tool.spec.facts, bound),
        headers: headers.unwrap_or_default(),
        facts: Arc::new(tool.spec.facts.clone()),
        schema: Arc::new(schema),
    }
}

/// The label that a result has at least. Of a peer's server it is known in full with the peer's word for it alone: until
/// then it is as good as the peer's owner allows and what is declared of the tool.
fn label_within(facts: &Facts, bound: Option<Label>) -> Label {
    match bound {
        None => label_of(facts),
        Some(bound) if facts.output.is_empty() => bound,
        Some(bound) => label_of(facts).join(bound),
    }
}

/// What is said of no part of the result is missing.
fn label_of(facts: &Facts) -> Label {
    let whole = facts.output.iter().any(|part| part.pointer.is_empty());
    let start = if whole { Label::CLEAN } else { Label::MISSING };
    facts.output.iter().fold(start, |label, part| {
        let read = if facts.is_handled(&part.pointer) { Integrity::Trusted } else { part.integrity };
        label.join(Label { confidentiality: part.confidentiality, integrity: read })
    })
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::fact::OutputFact;
    use alcaide_label::Confidentiality;

    use super::*;

    #[test]
    fn a_result_is_as_bad_as_its_worst_part_and_as_what_is_not_declared() {
        assert_eq!(label_of(&Facts::default()), Label::MISSING);
        let part = |pointer: &str, integrity, confidentiality| OutputFact {
            pointer: pointer.into(),
            integrity,
            confidentiality,
        };
        let trusted = part("", Integrity::Trusted, Confidentiality::Internal);
        let facts = Facts { output: vec![trusted.clone()], ..Facts::default() };
        let internal = Label { integrity: Integrity::Trusted, confidentiality: Confidentiality::Internal };
        assert_eq!(label_of(&facts), internal);
        let mail = part("/body", Integrity::Untrusted, Confidentiality::Public);
        let facts = Facts { output: vec![trusted, mail.clone()], ..Facts::default() };
        assert_eq!(label_of(&facts), Label { integrity: Integrity::Untrusted, ..internal });
        assert_eq!(label_of(&Facts { output: vec![mail.clone()], ..Facts::default() }), Label::MISSING);
        // What is given by handle is not read; how confidential it is counts all the same.
        let handled = vec!["/body".to_owned()];
        let secret = OutputFact { confidentiality: Confidentiality::Restricted, ..mail.clone() };
        let facts =
            Facts { handle_output: handled.clone(), output: vec![secret, facts.output[0].clone()], ..facts };
        let restricted = Label { confidentiality: Confidentiality::Restricted, ..internal };
        assert_eq!(label_of(&facts), restricted);
        // Without a word of the rest, the rest is strangers'.
        let facts = Facts { output: vec![mail], handle_output: handled, ..Facts::default() };
        assert_eq!(label_of(&facts), Label::MISSING);
    }
}
