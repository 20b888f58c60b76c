//! Which files of a tree do not count.

use std::collections::BTreeSet;

use alcaide_container::{Input, ReadError};

use super::path::TreePath;
use super::rules::{Defaults, Rules};

/// What OMS leaves out by itself, at the top of a model alone. Source: the specification, section 6.2.
pub(super) const DEFAULTS: [&str; 4] = [GIT, ".gitattributes", ".github", ".gitignore"];
const FOLDERS: [&str; 2] = [GIT, ".github"];
const FILES: [&str; 3] = [GIT, ".gitattributes", ".gitignore"];
const GIT: &str = ".git";

/// Why a path does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ignored {
    /// OMS says so.
    ByDefault,
    /// The rules say so.
    ByRule,
    /// It is one of the signatures.
    Signature,
}

/// Whether `path` does not count, and why.
pub(super) fn ignored(path: &TreePath, rules: &Rules) -> Option<Ignored> {
    if rules.defaults == Defaults::Ignore && is_default(path) {
        return Some(Ignored::ByDefault);
    }
    if rules.signatures.contains(path) {
        return Some(Ignored::Signature);
    }
    rules.ignore.iter().any(|one| path.is_within(one)).then_some(Ignored::ByRule)
}

/// Two of the defaults are folders; the others are files, and a folder of their name is nobody's business but the signer's.
fn is_default(path: &TreePath) -> bool {
    FOLDERS.contains(&path.first_part()) || FILES.contains(&path.as_str())
}

/// Whether a path lies where Git keeps what it made itself: names there are of branches, and sockets of its own are usual.
pub(super) fn is_of_git(path: &TreePath) -> bool {
    path.first_part() == GIT
}

/// Whether a path lies where Git keeps the weights that it checked out elsewhere, each by its digest.
fn is_of_git_lfs(path: &TreePath) -> bool {
    path.as_str().strip_prefix(".git/lfs/objects/").is_some_and(|rest| {
        let name = rest.rsplit('/').next().unwrap_or_default();
        name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// What a signer under these rules says that it left out.
pub(super) fn left_out(rules: &Rules) -> BTreeSet<String> {
    let defaults = DEFAULTS.into_iter().filter(|_| rules.defaults == Defaults::Ignore);
    let named = rules.ignore.iter().chain(&rules.signatures).map(TreePath::as_str);
    defaults.chain(named).map(str::to_owned).collect()
}

/// Whether a bundle may leave out `stated`.
pub(super) fn may_leave_out(stated: &str, rules: &Rules) -> bool {
    if DEFAULTS.contains(&stated) {
        return true;
    }
    let Ok(path) = TreePath::new(stated) else { return false };
    rules.signatures.contains(&path) || rules.ignore.iter().any(|one| path.is_within(one))
}

/// Whether a name ends as those of files that frameworks load as weights.
pub(super) fn named_like_weights(path: &TreePath) -> bool {
    let name = path.as_str().rsplit('/').next().unwrap_or_default().to_lowercase();
    // A name like `model.safetensors.part` or `model-00001.bin.1` is loaded by nobody, but renamed by everybody.
    name.split('.').skip(1).any(|end| ENDS.contains(&end))
}

/// Whether a file that does not count looks like weights, by its name or by the first bytes of formats that hold them. A
/// signature may be called after the weights that it is about, and a branch may be called anything: their bytes alone tell.
pub(super) fn looks_like_weights(
    path: &TreePath,
    why: Ignored,
    input: &dyn Input,
) -> Result<bool, ReadError> {
    if is_of_git_lfs(path) {
        return Ok(false);
    }
    if why != Ignored::Signature
        && !(why == Ignored::ByDefault && is_of_git(path))
        && named_like_weights(path)
    {
        return Ok(true);
    }
    let mut head = [0; 16];
    let count = input.read_at(0, &mut head)?;
    let head = head.get(..count).unwrap_or_default();
    Ok(HEADS.iter().any(|one| head.starts_with(one)) || is_pickle(head) || is_safetensors(head))
}

/// PROTO with a protocol that exists.
fn is_pickle(head: &[u8]) -> bool {
    matches!(head, [0x80, 2..=5, ..])
}

/// A length, then the object of that length.
fn is_safetensors(head: &[u8]) -> bool {
    match head {
        [a, b, c, d, e, f, g, h, b'{', ..] => u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) < 1 << 32,
        _ => false,
    }
}

/// Ends of names that loaders of weights look for.
const ENDS: [&str; 36] = [
    "bin",
    "caffemodel",
    "ckpt",
    "dduf",
    "engine",
    "ggml",
    "ggmf",
    "gguf",
    "h5",
    "hdf5",
    "joblib",
    "keras",
    "llamafile",
    "mar",
    "mlmodel",
    "model",
    "msgpack",
    "nemo",
    "npy",
    "npz",
    "onnx",
    "ort",
    "ot",
    "params",
    "pb",
    "pbtxt",
    "pdparams",
    "pickle",
    "pkl",
    "pt",
    "pte",
    "pth",
    "rds",
    "safetensors",
    "tflite",
    "weights",
];

/// First bytes: GGUF, HDF5, ZIP (torch, npz, keras), NumPy, 7z, TensorRT engine.
const HEADS: [&[u8]; 6] =
    [b"GGUF", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x93NUMPY", b"7z\xbc\xaf\x27\x1c", b"ftrt"];

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).unwrap()
    }

    #[test]
    fn defaults_hold_at_the_top_alone() {
        let rules = Rules::default();
        assert_eq!(ignored(&path(".git/HEAD"), &rules), Some(Ignored::ByDefault));
        assert_eq!(ignored(&path(".gitattributes"), &rules), Some(Ignored::ByDefault));
        for counted in [
            "sub/.git/HEAD",
            ".gitmodules",
            ".cache/x",
            "git",
            ".github2",
            ".gitignore/x",
            ".gitattributes/x",
        ] {
            assert_eq!(ignored(&path(counted), &rules), None, "{counted}");
        }
    }

    #[test]
    fn rules_name_exact_paths_and_what_is_in_them() {
        let rules = Rules {
            ignore: [path("logs")].into(),
            signatures: [path("model.sig")].into(),
            ..Rules::default()
        };
        for (one, expected) in [
            ("logs/a/b", Some(Ignored::ByRule)),
            ("logs", Some(Ignored::ByRule)),
            ("logs2", None),
            ("sub/logs", None),
            ("model.sig", Some(Ignored::Signature)),
            ("model.sig/x", None),
        ] {
            assert_eq!(ignored(&path(one), &rules), expected, "{one}");
        }
        assert!(may_leave_out("logs/a", &rules));
        assert!(may_leave_out(".git", &rules));
        for not in ["", ".", "..", "/", "log", ".git/x", "model.sig/x", "*"] {
            assert!(!may_leave_out(not, &rules), "{not}");
        }
    }

    #[test]
    fn weights_are_told_by_name_and_by_their_first_bytes() {
        let mut safetensors = 300_u64.to_le_bytes().to_vec();
        safetensors.extend_from_slice(b"{\"a\":");
        let by_rule = |path: &TreePath, bytes: &Vec<u8>| looks_like_weights(path, Ignored::ByRule, bytes);
        let heads: [&[u8]; 5] = [b"GGUF\x03", b"PK\x03\x04", b"\x80\x04\x95", &safetensors, b"\x93NUMPY\x01"];
        for head in heads {
            assert!(by_rule(&path("notes.txt"), &head.to_vec()).unwrap(), "{head:?}");
        }
        for name in ["w.bin", "sub/W.SafeTensors", "w.pt.part", "a.gguf"] {
            assert!(by_rule(&path(name), &Vec::new()).unwrap(), "{name}");
        }
        for name in ["bin", "README.md", "x/config.json", "pt"] {
            assert!(!by_rule(&path(name), &b"# text".to_vec()).unwrap(), "{name}");
        }
    }
}
