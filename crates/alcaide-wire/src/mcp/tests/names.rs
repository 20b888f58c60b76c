//! Names in the union.

use proptest::prelude::*;

use crate::mcp::union::{
    Digest, NAME_BYTES_MAX, Table, UnionError, join, may_be_of, plain, qualify, unqualify,
};

/// Spreads its input; stands in for a cryptographic digest.
fn spread(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0_u8; 32];
    for (at, slot) in out.iter_mut().enumerate() {
        let seed = 0xcbf2_9ce4_8422_2325_u64 ^ (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = bytes.iter().fold(seed, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
        });
        *slot = (hash >> 32) as u8;
    }
    out
}

fn same(_: &[u8]) -> [u8; 32] {
    [7; 32]
}

const SPREAD: Digest = spread;

#[test]
fn plain_names_stay_and_others_get_a_digest() {
    assert_eq!(join("github", "create_issue", SPREAD), "github__create_issue");
    assert_eq!(join("github", "_x", SPREAD), "github___x");
    for (server, tool) in [
        ("a_", "b"),
        ("a__b", "c"),
        ("a", ""),
        ("", "a"),
        ("a", "straße"),
        ("a", "b.c"),
        ("a", "b c"),
        ("a", "tool_xaaaaaaaaaaaaaaaa"),
        ("a", "xaaaaaaaaaaaaaaaa"),
        ("a", &"t".repeat(62)),
        (&"s".repeat(63), "t"),
        (&"s".repeat(200), &"t".repeat(200)),
    ] {
        let name = join(server, tool, SPREAD);
        assert!(name.len() <= NAME_BYTES_MAX, "{name}");
        assert_ne!(name, format!("{server}__{tool}"));
        assert_eq!(name.as_bytes()[name.len() - 18..name.len() - 16], *b"_x");
    }
    assert_eq!(join("a", &"t".repeat(61), SPREAD).len(), 64);
}

#[test]
fn what_reads_alike_is_kept_apart() {
    let twins =
        [("a", "b__c"), ("a__b", "c"), ("a_", "_b"), ("a", "__b"), ("a", "b.c"), ("a", "b-c"), ("a", "b c")];
    let mut table = Table::default();
    let names: Vec<_> = twins.iter().map(|(server, tool)| table.add(server, tool, SPREAD).unwrap()).collect();
    for (name, twin) in names.iter().zip(twins) {
        assert_eq!(table.split(name), Some(twin));
        assert_eq!(table.add(twin.0, twin.1, SPREAD).as_ref(), Ok(name));
    }
    assert_eq!((table.len(), table.split("A__b__c")), (twins.len(), None));
}

#[test]
fn a_digest_that_collides_is_refused_and_nothing_added() {
    let mut table = Table::default();
    table.add("a", "b.", same).unwrap();
    assert!(matches!(table.add("a", "b:", same), Err(UnionError::Collision { .. })));
    assert_eq!(table.len(), 1);
}

#[test]
fn a_server_cannot_take_the_digested_name_of_another() {
    let victim = join("pay.ments", "transfer", SPREAD);
    let (server, tool) = victim.split_once("__").unwrap();
    assert_ne!(join(server, tool, SPREAD), victim);
}

#[test]
fn a_uri_of_the_union_is_the_servers_own_behind_its_name() {
    for own in
        ["file:///a/../b?x#y", "note://one", "alcaide:other/note://one", "{+path}", "no-scheme", "/", "x y"]
    {
        let uri = qualify("my.files_2", own);
        assert_eq!(unqualify(&uri), Some(("my.files_2", own)), "{uri}");
    }
    assert_eq!(qualify("files", "file:///a"), "alcaide:files/file:///a");
    for foreign in
        ["note://one", "alcaide:files", "alcaide:files/", "alcaide:/x", "ALCAIDE:files/x", "", "alcaide:"]
    {
        assert_eq!(unqualify(foreign), None, "{foreign}");
    }
}

#[test]
fn a_plain_name_tells_its_server_and_a_digested_one_who_may_be_it() {
    assert_eq!(plain("github__greet", "github", SPREAD), Some("greet"));
    assert_eq!(plain("a__b__c", "a", SPREAD), Some("b__c"));
    // `a__b` never has plain names: this one is of `a`.
    assert_eq!(plain("a__b__c", "a__b", SPREAD), None);
    for (name, server) in
        [("github__greet", "git"), ("github__", "github"), ("github__a b", "github"), ("x", "x")]
    {
        assert_eq!(plain(name, server, SPREAD), None, "{name}");
        assert!(!may_be_of(name, server), "{name}");
    }
    let digested = join("my.server", "a prompt", SPREAD);
    assert_eq!(plain(&digested, "my.server", SPREAD), None);
    assert!(may_be_of(&digested, "my.server") && !may_be_of(&digested, "my"));
    assert!(!may_be_of(&"x".repeat(1 << 20), "x"));
}

proptest! {
    #[test]
    fn every_name_of_a_union_leads_back(server in "[a-z0-9][a-z0-9._-]{0,62}", item in "\\PC{1,80}") {
        let name = join(&server, &item, SPREAD);
        match plain(&name, &server, SPREAD) {
            Some(found) => prop_assert_eq!(found, item.as_str()),
            None => prop_assert!(may_be_of(&name, &server)),
        }
        let uri = qualify(&server, &item);
        prop_assert_eq!(unqualify(&uri), Some((server.as_str(), item.as_str())));
    }

    #[test]
    fn names_are_short_plain_and_told_apart(pairs in prop::collection::vec(("[a_.x-]{0,6}", "[a_.xé-]{0,30}"), 1..20)) {
        let mut table = Table::default();
        for (server, tool) in &pairs {
            let name = table.add(server, tool, SPREAD).unwrap();
            prop_assert!(name.len() <= NAME_BYTES_MAX);
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
            prop_assert!(plain);
            prop_assert_eq!(table.split(&name), Some((server.as_str(), tool.as_str())));
        }
    }
}
