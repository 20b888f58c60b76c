//! Other gates whose word about labels counts: who they are, and how far they are believed.

use alcaide_inventory::Name;
use alcaide_inventory::declare::{Declarations, Named, Peer};
use alcaide_seal::KeySet;
use clap::Subcommand;

use crate::cli::{Desk, Exit};
use crate::fail::{Failure, NO_PEER};

/// `alcaide peer …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the other gates whose word about labels counts
    #[command(after_help = "Example: alcaide peer list")]
    List,
    /// Show one of them, with the names of its keys
    #[command(after_help = "Example: alcaide peer show branch")]
    Show {
        /// Its name
        name: Name,
    },
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let all: Declarations = desk.client()?.get("/api/v1/declarations").await?;
        match self {
            Self::List => {
                let rows: Vec<_> = all.peers.iter().map(row).collect();
                let head =
                    ["PEER", "TRUST DOMAIN", "SERVERS", "CALLERS", "BEST INTEGRITY", "LEAST CONFIDENTIALITY"];
                desk.out.show(&all.peers, || desk.out.table(&head, &rows, "no peers"))?;
            }
            Self::Show { name } => {
                let found = all.peers.iter().find(|peer| peer.name == name);
                let peer =
                    found.ok_or_else(|| Failure::new(&NO_PEER, format!("there is no peer `{name}`")))?;
                desk.out.show(peer, || told(peer))?;
            }
        }
        Ok(Exit::Clean)
    }
}

fn row(peer: &Named<Peer>) -> Vec<String> {
    let Named { name, spec } = peer;
    let [integrity, confidentiality] = words(spec);
    vec![
        name.to_string(),
        spec.trust_domain.clone(),
        names(&spec.servers),
        names(&spec.callers),
        integrity,
        confidentiality,
    ]
}

/// One peer, a fact a line.
fn told(peer: &Named<Peer>) -> String {
    let Named { name, spec } = peer;
    let [integrity, confidentiality] = words(spec);
    let mut text = format!(
        "peer              {name}\ntrust domain      {}\nservers           {}\ncallers           {}\n\
         best integrity    {integrity}\nat least          {confidentiality}\n",
        spec.trust_domain,
        names(&spec.servers),
        names(&spec.callers),
    );
    // What is in force was read before; what cannot be read has no keys.
    let keys = KeySet::from_json(spec.jwks.as_bytes()).unwrap_or_default().to_json();
    let keys: serde_json::Value = serde_json::from_str(&keys).unwrap_or_default();
    for kid in keys
        .get("keys")
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|key| key.get("kid")?.as_str())
    {
        text.push_str(&format!("key               {}\n", crate::fail::shown(kid)));
    }
    text
}

fn names(all: &[Name]) -> String {
    if all.is_empty() {
        return "-".into();
    }
    all.iter().map(Name::as_str).collect::<Vec<_>>().join(" ")
}

fn words(spec: &Peer) -> [String; 2] {
    let word = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|value| value.as_str().map(ToOwned::to_owned)).unwrap_or_default()
    };
    [word(serde_json::to_value(spec.integrity)), word(serde_json::to_value(spec.confidentiality))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_told_with_its_bounds_and_its_keys() {
        let all = Declarations::from_toml("example.toml", include_str!("example.toml")).unwrap();
        let peer = all.peers.first().unwrap();
        assert_eq!(row(peer), ["branch", "branch.example", "branch-stock", "-", "trusted", "internal"]);
        let told = told(peer);
        assert!(told.contains("at least          internal\n"), "{told}");
        // The thumbprint of the key of RFC 7517, appendix A.1.
        assert!(told.ends_with("key               cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s\n"), "{told}");
    }
}
