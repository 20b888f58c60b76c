//! The tree against known roots and against the definition.

use alcaide_ledger::hash::{empty_root, root_of};
use alcaide_ledger::{Hash, ReadError, leaf_hash, verify_consistency, verify_inclusion};

use crate::house::{create, fill, leaf, open};

/// The leaves and roots of the Certificate Transparency test vectors.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[tokio::test]
async fn the_roots_are_the_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    for (size, root) in (0_u64..).zip(ROOTS) {
        let checkpoint = ledger.checkpoint_now().await.unwrap();
        assert_eq!((checkpoint.size, checkpoint.root.to_string().as_str()), (size, root));
        if let Some(leaf) = LEAVES.get(usize::try_from(size).unwrap()) {
            let _ = ledger.append(leaf.to_vec()).await.unwrap();
        }
    }
    assert_eq!(ledger.root(0).unwrap(), empty_root());
}

#[tokio::test]
async fn proofs_from_tiles_hold_at_every_size() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = create(dir.path());
    fill(&ledger, 0, 600).await;
    ledger.checkpoint_now().await.unwrap();
    ledger.close().await.unwrap();
    let ledger = open(dir.path());
    fill(&ledger, 600, 700).await;
    ledger.checkpoint_now().await.unwrap();
    let leaves: Vec<Hash> = (0..700).map(|i| leaf_hash(&leaf(i))).collect();
    for size in [1_u64, 2, 255, 256, 257, 511, 512, 513, 600, 699, 700] {
        let root = root_of(&leaves[..usize::try_from(size).unwrap()]);
        assert_eq!(ledger.root(size).unwrap(), root);
        for index in [0, 1, 127, 255, 256, 300, 511, 512, 599, 698].into_iter().filter(|index| *index < size)
        {
            let proof = ledger.prove_inclusion(index, size).unwrap();
            let hash = ledger.leaf_hash(index).unwrap();
            assert_eq!(hash, leaves[usize::try_from(index).unwrap()]);
            assert_eq!(verify_inclusion(&hash, index, size, &proof, &root), Ok(()), "{index} {size}");
        }
        for old in [0_u64, 1, 2, 255, 256, 257, 400, 512, 699].into_iter().filter(|old| *old <= size) {
            let proof = ledger.prove_consistency(old, size).unwrap();
            let old_root = root_of(&leaves[..usize::try_from(old).unwrap()]);
            assert_eq!(verify_consistency(old, size, &old_root, &root, &proof), Ok(()), "{old} {size}");
        }
    }
    assert!(matches!(ledger.prove_inclusion(700, 700), Err(ReadError::Beyond { .. })));
    assert!(matches!(ledger.prove_inclusion(0, 701), Err(ReadError::Beyond { .. })));
    assert!(matches!(ledger.prove_consistency(5, 4), Err(ReadError::Beyond { .. })));
    assert!(matches!(ledger.leaf_hash(700), Err(ReadError::Beyond { .. })));
}
