//! What does cargo know of the locked tree? Packages, their sources and licences, and who depends on whom.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::step;

/// The locked tree, as resolved for the one platform that is built.
#[derive(Debug)]
pub(crate) struct Tree {
    /// By package id.
    pub(crate) packages: BTreeMap<String, Package>,
    /// Direct dependencies between packages.
    pub(crate) edges: Vec<Edge>,
}

/// A package of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression; absent where the package names a file or nothing.
    pub(crate) licence: Option<String>,
    /// Where it came from; absent for packages of this workspace.
    pub(crate) source: Option<String>,
    pub(crate) manifest: PathBuf,
    /// Whether it is a member of this workspace.
    pub(crate) member: bool,
}

/// `from` depends on `to`, both package ids.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Whether only tests, benchmarks and examples do.
    pub(crate) dev_only: bool,
}

impl Tree {
    /// Asks cargo, which fails when `Cargo.lock` is not in line with the manifests.
    ///
    /// # Errors
    /// When cargo fails or its answer is not of format 1.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut command = step::command(root, "cargo");
        command.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM]);
        Self::parse(&step::output(command)?)
    }

    fn parse(text: &str) -> Result<Self> {
        let all: Value = serde_json::from_str(text).context("cargo metadata is not JSON")?;
        let members: Vec<&str> = list(&all, "workspace_members")?.iter().filter_map(Value::as_str).collect();
        let mut packages = BTreeMap::new();
        for package in list(&all, "packages")? {
            let id = word(package, "id")?;
            packages.insert(
                id.to_owned(),
                Package {
                    name: word(package, "name")?.to_owned(),
                    version: word(package, "version")?.to_owned(),
                    licence: package.get("license").and_then(Value::as_str).map(str::to_owned),
                    source: package.get("source").and_then(Value::as_str).map(str::to_owned),
                    manifest: word(package, "manifest_path")?.into(),
                    member: members.contains(&id),
                },
            );
        }
        let mut edges = Vec::new();
        let resolve = all.get("resolve").context("cargo metadata has no `resolve`")?;
        for node in list(resolve, "nodes")? {
            for dependency in list(node, "deps")? {
                let kinds = list(dependency, "dep_kinds")?;
                edges.push(Edge {
                    from: word(node, "id")?.to_owned(),
                    to: word(dependency, "pkg")?.to_owned(),
                    dev_only: kinds
                        .iter()
                        .all(|kind| kind.get("kind").and_then(Value::as_str) == Some("dev")),
                });
            }
        }
        Ok(Self { packages, edges })
    }

    /// Edges as packages instead of ids.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Package, &Package, bool)> {
        self.edges.iter().filter_map(|edge| {
            Some((self.packages.get(&edge.from)?, self.packages.get(&edge.to)?, edge.dev_only))
        })
    }

    /// Packages of this workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.member)
    }
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value.get(name).and_then(Value::as_array).with_context(|| format!("cargo metadata has no list `{name}`"))
}

fn word<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value.get(name).and_then(Value::as_str).with_context(|| format!("cargo metadata has no text `{name}`"))
}

/// The platform that is built and tested.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tree of `(name, source)` packages and `(from, to, dev only)` edges, for the tests of the checks.
    pub(crate) fn tree(packages: &[(&str, Option<&str>)], edges: &[(&str, &str, bool)]) -> Tree {
        Tree {
            packages: packages
                .iter()
                .map(|(name, source)| {
                    let package = Package {
                        name: (*name).into(),
                        version: "1.0.0".into(),
                        licence: Some("MIT OR Apache-2.0".into()),
                        source: source.map(Into::into),
                        manifest: format!("/p/crates/{name}/Cargo.toml").into(),
                        member: source.is_none(),
                    };
                    ((*name).into(), package)
                })
                .collect(),
            edges: edges
                .iter()
                .map(|(from, to, dev_only)| Edge {
                    from: (*from).into(),
                    to: (*to).into(),
                    dev_only: *dev_only,
                })
                .collect(),
        }
    }

    #[test]
    fn packages_and_edges_are_read() {
        let text = r#"{"packages":[
            {"id":"a","name":"a","version":"0.1.0","license":null,"source":null,"manifest_path":"/p/a/Cargo.toml"},
            {"id":"b","name":"b","version":"1.0.0","license":"MIT","source":"registry","manifest_path":"/r/b"}],
            "workspace_members":["a"],
            "resolve":{"nodes":[{"id":"a","deps":[{"pkg":"b","dep_kinds":[{"kind":"dev"},{"kind":null}]}]}]}}"#;
        let tree = Tree::parse(text).unwrap();
        assert_eq!(tree.members().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["a"]);
        let (from, to, dev_only) = tree.pairs().next().unwrap();
        assert_eq!((from.name.as_str(), to.name.as_str(), dev_only), ("a", "b", false));
        assert!(Tree::parse("{}").unwrap_err().to_string().contains("workspace_members"));
    }
}
