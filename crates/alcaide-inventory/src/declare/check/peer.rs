//! Rules for peers: each has a domain of its own, and no server or caller speaks for two.
//!
//! Whether the keys are keys is seen by the plan compiler: words know no cryptography.

use super::{Check, shown};
use crate::declare::{Named, Peer, Route};
use crate::name::Name;

pub(super) fn check(check: &mut Check<'_>, at: usize, peer: &Named<Peer>) {
    let Named { name, spec } = peer;
    let all = check.all;
    let others = || all.peers.iter().take(at).filter(|other| other.name != *name);
    if !is_domain(&spec.trust_domain) {
        let why = format!("`{}` is not a trust domain", shown(&spec.trust_domain));
        check.broken("peer", name, why, "write 1 to 255 of `a-z`, `0-9`, `.`, `-` and `_`");
    }
    if let Some(other) = others().find(|other| other.spec.trust_domain == spec.trust_domain) {
        let why = format!("the peer `{}` has the same trust domain", other.name);
        check.broken("peer", name, why, "declare one peer for each trust domain");
    }
    if spec.jwks.trim().is_empty() || spec.jwks.len() > JWKS_BYTES_MAX {
        let why = "its `jwks` is empty or longer than 64 KiB";
        check.broken("peer", name, why, "write the JWK Set that the peer publishes for label statements");
    }
    if spec.servers.is_empty() && spec.callers.is_empty() {
        let why = "it answers for no server and calls by nobody";
        check.broken("peer", name, why, "name its `servers`, its `callers`, or both");
    }
    for (place, server) in spec.servers.iter().enumerate() {
        let there = all.routes.iter().filter(|one| matches!(one.spec, Route::Mcp(_))).map(|one| &one.name);
        check.exists("peer", name, "its tool server", "route", server, there);
        if spec
            .servers
            .iter()
            .take(place)
            .chain(others().flat_map(|one| &one.spec.servers))
            .any(|one| one == server)
        {
            let why = format!("the tool server `{server}` is named already");
            check.broken("peer", name, why, "name each tool server once, under one peer");
        }
    }
    for (place, caller) in spec.callers.iter().enumerate() {
        let there: Vec<&Name> = (all.agents.iter().map(|one| &one.name))
            .chain(all.workloads.iter().map(|one| &one.name))
            .collect();
        check.exists("peer", name, "its caller", "workload", caller, there.iter().copied());
        if spec
            .callers
            .iter()
            .take(place)
            .chain(others().flat_map(|one| &one.spec.callers))
            .any(|one| one == caller)
        {
            let why = format!("the caller `{caller}` is named already");
            check.broken("peer", name, why, "name each caller once, under one peer");
        }
    }
}

fn is_domain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
    (1..=255).contains(&text.len()) && text.bytes().all(plain)
}

/// Longest key set: some hundred keys.
const JWKS_BYTES_MAX: usize = 64 << 10;
