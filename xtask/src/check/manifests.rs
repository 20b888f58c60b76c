//! Is each manifest in line? Folder and package alike, lints inherited, versions in the root table alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::check::{Breach, shown};
use crate::metadata::Tree;

/// Breaches in the manifests of the workspace's own packages.
///
/// # Errors
/// When a manifest cannot be read.
pub(super) fn judge(root: &Path, tree: &Tree) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    for package in tree.members() {
        let text = fs::read_to_string(&package.manifest)
            .with_context(|| format!("`{}` cannot be read", package.manifest.display()))?;
        let place = shown(root, &package.manifest);
        let table: Table = text.parse().with_context(|| format!("`{place}` is not TOML"))?;
        breaches.extend(judge_manifest(&place, &package.name, &table));
    }
    Ok(breaches)
}

fn judge_manifest(place: &str, package: &str, manifest: &Table) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut breach =
        |what: String, cure: &'static str| breaches.push(Breach { place: place.to_owned(), what, cure });
    let expected = if package == "xtask" {
        "xtask/Cargo.toml".to_owned()
    } else {
        format!("crates/{package}/Cargo.toml")
    };
    if place != expected {
        breach(
            format!("package `{package}` does not live in `{expected}`"),
            "give folder and package the same name",
        );
    }
    if package != "xtask" && package != "alcaide" && !package.starts_with("alcaide-") {
        breach(
            format!("package `{package}` has not the prefix `alcaide-`"),
            "rename the package and its folder",
        );
    }
    let inherits = |section: Option<&Value>| {
        section.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
    };
    if !inherits(manifest.get("lints")) {
        breach(
            format!("`{package}` does not inherit the lints of the workspace"),
            "add `[lints]` with `workspace = true`",
        );
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let entries = manifest.get(section).and_then(Value::as_table).into_iter().flatten();
        for (name, entry) in entries {
            if !inherits(Some(entry)) {
                breach(
                    format!("`{name}` in `{section}` has a version or path of its own"),
                    "write it in the root table and `workspace = true` here",
                );
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(place: &str, package: &str, manifest: &str) -> Vec<String> {
        judge_manifest(place, package, &manifest.parse().unwrap())
            .into_iter()
            .map(|breach| breach.what)
            .collect()
    }

    #[test]
    fn a_manifest_in_line_has_no_breach() {
        let good = "[lints]\nworkspace = true\n[dependencies]\nbytes.workspace = true\n";
        assert!(found("crates/alcaide-wire/Cargo.toml", "alcaide-wire", good).is_empty());
        assert!(found("xtask/Cargo.toml", "xtask", good).is_empty());
    }

    #[test]
    fn each_breach_is_told() {
        let bad = "[dependencies]\nbytes = \"1\"\n[dev-dependencies]\nx = { path = \"../x\" }\n";
        assert_eq!(
            found("crates/wires/Cargo.toml", "wire", bad),
            [
                "package `wire` does not live in `crates/wire/Cargo.toml`",
                "package `wire` has not the prefix `alcaide-`",
                "`wire` does not inherit the lints of the workspace",
                "`bytes` in `dependencies` has a version or path of its own",
                "`x` in `dev-dependencies` has a version or path of its own",
            ]
        );
    }
}
