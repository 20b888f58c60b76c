//! Is everything in the locked tree welcome? Bans, licences, sources and the budget, as `deny.toml` states them.
//!
//! The file is cargo-deny's own; this reads the part of it that needs nothing but `cargo metadata`, so that the law
//! holds on machines without that tool.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::check::Breach;
use crate::metadata::Tree;
use crate::spdx;

/// Breaches of `deny.toml` and of the budget.
///
/// # Errors
/// When `deny.toml` or `Cargo.lock` cannot be read, or does not say what is needed.
pub(super) fn judge(root: &Path, tree: &Tree) -> Result<Vec<Breach>> {
    let text = fs::read_to_string(root.join("deny.toml")).context("`deny.toml` cannot be read")?;
    let law = Law::parse(&text)?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("`Cargo.lock` cannot be read")?;
    let mut breaches = judge_tree(&law, tree);
    breaches.extend(judge_budget(lock.lines().filter(|line| *line == "[[package]]").count()));
    Ok(breaches)
}

#[derive(Debug)]
struct Law {
    licences: Vec<String>,
    registries: Vec<String>,
    bans: Vec<Ban>,
}

#[derive(Debug)]
struct Ban {
    name: String,
    /// Packages that may depend on it directly all the same.
    wrappers: Vec<String>,
}

impl Law {
    fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse().context("`deny.toml` is not TOML")?;
        let mut bans = Vec::new();
        for ban in array(&table, "bans", "deny")? {
            let Some(name) = ban.get("crate").and_then(Value::as_str) else {
                bail!("a ban in `deny.toml` has no `crate`: {ban}")
            };
            if name.contains(['@', ':', '=', ' ']) {
                bail!("the ban of `{name}` in `deny.toml` names a version; name the crate alone")
            }
            bans.push(Ban { name: name.to_owned(), wrappers: words(ban.get("wrappers")) });
        }
        let licences = words(table.get("licenses").and_then(|section| section.get("allow")));
        let registries = words(table.get("sources").and_then(|section| section.get("allow-registry")));
        if licences.is_empty() || registries.is_empty() {
            bail!("`deny.toml` must list `licenses.allow` and `sources.allow-registry`")
        }
        Ok(Self { licences, registries, bans })
    }
}

fn judge_tree(law: &Law, tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in tree.packages.values().filter(|package| !package.member) {
        let named = format!("{} {}", package.name, package.version);
        let licensed = package.licence.as_ref().is_some_and(|expression| {
            spdx::satisfied(expression, &|name| law.licences.iter().any(|allowed| allowed == name))
        });
        if !licensed {
            let stated = package.licence.as_deref().unwrap_or("none stated");
            breaches.push(Breach {
                place: "Cargo.lock".into(),
                what: format!("`{named}` has a licence that is not allowed: {stated}"),
                cure: "do without it; or, if the licence is as free as the others, add it to `deny.toml`",
            });
        }
        let from_registry = package.source.as_deref().is_some_and(|source| {
            source
                .strip_prefix("registry+")
                .is_some_and(|url| law.registries.iter().any(|allowed| allowed == url))
        });
        if !from_registry {
            let source = package.source.as_deref().unwrap_or("a folder");
            breaches.push(Breach {
                place: "Cargo.lock".into(),
                what: format!("`{named}` comes from {source}"),
                cure: "take a published version from the registry that `deny.toml` allows",
            });
        }
    }
    for ban in &law.bans {
        let parents = tree.pairs().filter(|(_, to, dev_only)| to.name == ban.name && !dev_only);
        for (from, to, _) in parents.filter(|(from, _, _)| !ban.wrappers.contains(&from.name)) {
            let place =
                if from.member { format!("crates/{}/Cargo.toml", from.name) } else { "Cargo.lock".into() };
            breaches.push(Breach {
                place,
                what: format!("`{}` depends on `{}`, which `deny.toml` bans there", from.name, to.name),
                cure: "use the crate of this house that wraps it, or another library",
            });
        }
    }
    breaches
}

fn judge_budget(locked: usize) -> Option<Breach> {
    (locked > LOCKED_MAX).then(|| Breach {
        place: "Cargo.lock".into(),
        what: format!("{locked} packages are locked, {LOCKED_MAX} is the budget"),
        cure: "drop a dependency or its features; going over needs a note in `docs/decisions`",
    })
}

fn array<'a>(table: &'a Table, section: &str, name: &str) -> Result<&'a Vec<Value>> {
    table
        .get(section)
        .and_then(|section| section.get(name))
        .and_then(Value::as_array)
        .with_context(|| format!("`deny.toml` has no list `{section}.{name}`"))
}

fn words(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Packages in the locked tree, the workspace's own included.
const LOCKED_MAX: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::tree;

    const LAW: &str = r#"
        [licenses]
        allow = ["MIT"]
        [bans]
        deny = [{ crate = "sql", wrappers = ["alcaide-store"] }, { crate = "openssl" }]
        [sources]
        allow-registry = ["https://registry"]
    "#;
    const HERE: Option<&str> = Some("registry+https://registry");

    fn found(packages: &[(&str, Option<&str>)], edges: &[(&str, &str, bool)]) -> Vec<String> {
        let breaches = judge_tree(&Law::parse(LAW).unwrap(), &tree(packages, edges));
        breaches.into_iter().map(|breach| breach.what).collect()
    }

    #[test]
    fn a_banned_crate_is_for_its_wrappers_and_for_tests() {
        let packages = [("alcaide-store", None), ("alcaide-wire", None), ("sql", HERE)];
        assert!(
            found(&packages, &[("alcaide-store", "sql", false), ("alcaide-wire", "sql", true)]).is_empty()
        );
        assert_eq!(
            found(&packages, &[("alcaide-wire", "sql", false)]),
            ["`alcaide-wire` depends on `sql`, which `deny.toml` bans there"]
        );
        let packages = [("curl", HERE), ("openssl", HERE)];
        assert_eq!(found(&packages, &[("curl", "openssl", false)]).len(), 1);
    }

    #[test]
    fn sources_and_licences_outside_the_list_are_refused() {
        assert_eq!(
            found(&[("a", Some("git+https://elsewhere"))], &[]),
            ["`a 1.0.0` comes from git+https://elsewhere"]
        );
        let mut given = tree(&[("a", HERE), ("b", HERE)], &[]);
        given.packages.get_mut("a").unwrap().licence = Some("GPL-3.0-only".into());
        given.packages.get_mut("b").unwrap().licence = None;
        let breaches = judge_tree(&Law::parse(LAW).unwrap(), &given);
        assert_eq!(breaches.len(), 2);
        assert_eq!(breaches[0].what, "`a 1.0.0` has a licence that is not allowed: GPL-3.0-only");
    }

    #[test]
    fn the_budget_is_held_to_the_package() {
        assert_eq!(judge_budget(LOCKED_MAX), None);
        assert!(judge_budget(LOCKED_MAX + 1).is_some());
    }

    #[test]
    fn a_ban_that_cannot_be_enforced_is_an_error() {
        let bad = LAW.replace("\"openssl\"", "\"openssl@1\"");
        assert!(Law::parse(&bad).unwrap_err().to_string().contains("names a version"));
        assert!(Law::parse("[bans]\ndeny = []").is_err());
    }
}
