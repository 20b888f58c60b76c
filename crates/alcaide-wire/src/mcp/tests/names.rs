//! Names in the union.

use proptest::prelude::*;

use crate::mcp::union::{Digest, NAME_BYTES_MAX, Table, UnionError, join};

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

proptest! {
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
