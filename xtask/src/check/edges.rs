//! May this crate know that one? The arrows of the house: words, engines, rooms, faces, the binary; none turns back.

use crate::check::Breach;
use crate::metadata::Tree;

/// Which in-house crates a crate may depend on, by name without the prefix.
struct Law {
    name: &'static str,
    may_use: &'static [&'static str],
}

/// Breaches of the table below.
pub(super) fn judge(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in tree.members() {
        if law(&package.name).is_none() {
            breaches.push(Breach {
                place: format!("crates/{}/Cargo.toml", package.name),
                what: format!("crate `{}` has no place in the house", package.name),
                cure: "give it a row in `xtask/src/check/edges.rs` and in the table of `docs/ARCHITECTURE.md`",
            });
        }
    }
    for (from, to, dev_only) in tree.pairs() {
        let named_only = NAMED_ONLY.contains(&(from.name.as_str(), to.name.as_str()));
        if is_pure(&from.name) && !dev_only && !named_only && OUTSIDE.contains(&to.name.as_str()) {
            breaches.push(Breach {
                place: format!("crates/{}/Cargo.toml", from.name),
                what: format!("`{}` depends on `{}`, but it may not reach outside", from.name, to.name),
                cure: "take bytes, keys and time as values; leave sockets, files and waiting to a room",
            });
        }
        if !(from.member && to.member) {
            continue;
        }
        let Some(law) = law(&from.name) else { continue };
        let target = short(&to.name);
        let allowed = law.may_use.contains(&target) || dev_only && in_tests(law, target);
        if !allowed {
            breaches.push(Breach {
                place: format!("crates/{}/Cargo.toml", from.name),
                what: format!(
                    "`{}` depends on `{}`, an arrow that the house does not have",
                    from.name, to.name
                ),
                cure: "move what is needed to a crate that both may use, or pass it in as a value",
            });
        }
    }
    breaches
}

/// Whether a package may neither reach outside nor read a clock.
pub(super) fn is_pure(package: &str) -> bool {
    WORDS.contains(&short(package)) || ENGINES.contains(&short(package))
}

/// Tests may use the test kit and the words, and their own crate through the kit; never the other side of the house.
fn in_tests(law: &Law, target: &str) -> bool {
    const APART: [&str; 2] = ["gateway", "control"];
    (target == "testkit" || target == "range" || WORDS.contains(&target))
        && !APART.contains(&target)
        && law.name != target
}

fn law(package: &str) -> Option<&'static Law> {
    let name = short(package);
    HOUSE.iter().find(|law| law.name == name)
}

fn short(package: &str) -> &str {
    package.strip_prefix("alcaide-").unwrap_or(package)
}

/// Types only.
const WORDS: &[&str] = &["inventory", "label", "finding", "record"];

/// Libraries whose purpose is to reach outside.
const OUTSIDE: [&str; 8] = ["axum", "hyper", "hyper-util", "mio", "rusqlite", "rustix", "socket2", "tokio"];

/// Crates that one of the house depends on to name a type of theirs, and for nothing else: what translates policies for a
/// solver writes to a `tokio::io::AsyncWrite`, and is given one that is memory.
const NAMED_ONLY: [(&str, &str); 1] = [("alcaide-policy", "tokio")];

/// Bytes, keys and time come in as values: no socket, no file, no clock.
const ENGINES: &[&str] = &[
    "seal",
    "wire",
    "container",
    "graph",
    "identity",
    "inspect",
    "flow",
    "policy",
    "artifact",
    "sealed",
    "weights",
    "lab",
    "monitor",
    "explain",
    "governance",
];

const HOUSE: &[Law] = &[
    // words
    Law { name: "inventory", may_use: &["label"] },
    Law { name: "label", may_use: &[] },
    Law { name: "finding", may_use: &[] },
    Law { name: "record", may_use: &["inventory", "label", "finding"] },
    // engines: no socket, no file, no clock
    Law { name: "seal", may_use: &[] },
    Law { name: "wire", may_use: &[] },
    Law { name: "container", may_use: &[] },
    Law { name: "graph", may_use: &["container"] },
    Law { name: "identity", may_use: &["inventory", "label", "seal"] },
    Law { name: "inspect", may_use: &["finding", "container", "graph"] },
    Law { name: "flow", may_use: &["inventory", "label", "inspect"] },
    Law { name: "policy", may_use: &["inventory", "label", "finding"] },
    Law { name: "artifact", may_use: &["finding", "seal", "container", "graph"] },
    Law { name: "sealed", may_use: &["seal", "container"] },
    Law { name: "weights", may_use: &["seal", "container"] },
    Law { name: "lab", may_use: &["finding", "graph"] },
    Law { name: "monitor", may_use: &["finding"] },
    Law { name: "explain", may_use: &["graph"] },
    Law { name: "governance", may_use: WORDS },
    // rooms
    Law { name: "ledger", may_use: &["seal"] },
    Law { name: "memory", may_use: &["inventory", "label", "record", "seal", "ledger"] },
    Law { name: "store", may_use: &[] },
    Law { name: "keys", may_use: &["seal"] },
    Law { name: "serve", may_use: &["seal"] },
    Law { name: "sandbox", may_use: &[] },
    Law {
        name: "gateway",
        may_use: &[
            "inventory",
            "label",
            "finding",
            "record",
            "seal",
            "wire",
            "identity",
            "inspect",
            "flow",
            "policy",
            "monitor",
            "explain",
            "ledger",
            "memory",
            "keys",
            "serve",
            "sandbox",
        ],
    },
    Law {
        name: "control",
        may_use: &[
            "inventory",
            "label",
            "finding",
            "record",
            "seal",
            "container",
            "graph",
            "identity",
            "inspect",
            "flow",
            "policy",
            "artifact",
            "sealed",
            "weights",
            "lab",
            "monitor",
            "explain",
            "governance",
            "ledger",
            "store",
            "keys",
        ],
    },
    // faces
    Law { name: "api", may_use: &["inventory", "identity", "control", "serve"] },
    Law { name: "console", may_use: &["inventory", "identity", "control", "serve"] },
    Law {
        name: "alcaide",
        may_use: &[
            "inventory",
            "label",
            "finding",
            "record",
            "seal",
            "wire",
            "container",
            "graph",
            "identity",
            "inspect",
            "flow",
            "policy",
            "artifact",
            "sealed",
            "weights",
            "lab",
            "monitor",
            "explain",
            "governance",
            "ledger",
            "memory",
            "store",
            "keys",
            "serve",
            "sandbox",
            "gateway",
            "control",
            "api",
            "console",
            "range",
        ],
    },
    Law { name: "range", may_use: &["inventory", "label", "finding", "record", "wire"] },
    // for developers
    Law { name: "testkit", may_use: &["inventory", "label", "finding", "record", "seal", "wire"] },
    Law { name: "xtask", may_use: &[] },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::tree;

    fn breaches(edges: &[(&str, &str, bool)]) -> usize {
        let packages: Vec<(&str, Option<&str>)> =
            edges.iter().flat_map(|(from, to, _)| [(*from, None), (*to, None)]).collect();
        judge(&tree(&packages, edges)).len()
    }

    #[test]
    fn arrows_run_one_way() {
        assert_eq!(breaches(&[("alcaide-inventory", "alcaide-label", false)]), 0);
        assert_eq!(breaches(&[("alcaide-label", "alcaide-inventory", false)]), 1);
        assert_eq!(breaches(&[("alcaide-gateway", "alcaide-ledger", false)]), 0);
        assert_eq!(breaches(&[("alcaide-ledger", "alcaide-gateway", false)]), 1);
    }

    #[test]
    fn gateway_and_control_never_know_each_other_not_even_in_tests() {
        for dev_only in [false, true] {
            assert_eq!(breaches(&[("alcaide-gateway", "alcaide-control", dev_only)]), 1);
            assert_eq!(breaches(&[("alcaide-control", "alcaide-gateway", dev_only)]), 1);
        }
    }

    #[test]
    fn the_test_kit_is_for_tests() {
        assert_eq!(breaches(&[("alcaide-gateway", "alcaide-testkit", true)]), 0);
        assert_eq!(breaches(&[("alcaide-gateway", "alcaide-testkit", false)]), 1);
    }

    #[test]
    fn engines_reach_nothing_outside() {
        let packages = [("alcaide-wire", None), ("alcaide-serve", None), ("tokio", Some("registry"))];
        let found = |from, dev_only| judge(&tree(&packages, &[(from, "tokio", dev_only)])).len();
        assert_eq!(
            (found("alcaide-wire", false), found("alcaide-wire", true), found("alcaide-serve", false)),
            (1, 0, 0)
        );
        let packages = [("alcaide-policy", None), ("tokio", Some("registry")), ("hyper", Some("registry"))];
        let edges = [("alcaide-policy", "tokio", false), ("alcaide-policy", "hyper", false)];
        assert_eq!(judge(&tree(&packages, &edges)).len(), 1, "a name of one library opens no other");
    }

    #[test]
    fn a_crate_without_a_row_is_refused() {
        let found = judge(&tree(&[("alcaide-cellar", None)], &[]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "crate `alcaide-cellar` has no place in the house");
    }

    #[test]
    fn no_chain_of_allowed_arrows_comes_back() {
        for law in HOUSE {
            let mut reached: Vec<&str> = law.may_use.to_vec();
            let mut at = 0;
            while at < reached.len() {
                let next = HOUSE.iter().find(|other| other.name == reached[at]).unwrap();
                for target in next.may_use {
                    if !reached.contains(target) {
                        reached.push(target);
                    }
                }
                at += 1;
            }
            assert!(!reached.contains(&law.name), "`{}` can reach itself", law.name);
        }
    }
}
