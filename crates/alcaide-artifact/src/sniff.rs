//! What is this? By its bytes; the name is a claim.

use alcaide_container::{Input, Kind as Wrapped};

use crate::model::{self, Model};
use crate::scanner::Scanner;
use crate::tensors::{gguf, safetensors};
use crate::{numpy, pickle, repository, torch};

/// What a part looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// An archive or a compressed stream.
    Archive(Wrapped),
    /// One pickle or several.
    Pickle,
    /// PyTorch's sequence of pickles and numbers.
    TorchLegacy,
    /// A NumPy array file.
    Npy,
    Safetensors,
    Gguf,
    /// GGML and its kin before GGUF.
    OldGgml,
    /// Something that declares what it computes.
    Model(Model),
    /// What lies beside weights in a repository.
    Beside(repository::Kind),
    Unknown,
}

impl Format {
    /// The word for it in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Archive(kind) => kind.as_str(),
            Self::Pickle => "pickle",
            Self::TorchLegacy => "torch-legacy",
            Self::Npy => "npy",
            Self::Safetensors => "safetensors",
            Self::Gguf => "gguf",
            Self::OldGgml => "ggml",
            Self::Model(model) => model.as_str(),
            Self::Beside(kind) => kind.as_str(),
            Self::Unknown => "unknown",
        }
    }

    /// What a part that begins with `head` looks like. Marks come first, then what can only be told by reading on; the name breaks
    /// ties, and makes a pickle of what claims to be one and looks like nothing else.
    pub(crate) fn of(scanner: &Scanner, head: &[u8], name: &str, input: &dyn Input) -> Self {
        let len = input.len();
        if head.starts_with(numpy::MAGIC) {
            return Self::Npy;
        }
        if torch::looks_like(head) {
            return Self::TorchLegacy;
        }
        if gguf::is_head(head) {
            return Self::Gguf;
        }
        if gguf::is_old_head(head) {
            return Self::OldGgml;
        }
        if safetensors::is_head(head, len) {
            return Self::Safetensors;
        }
        if let Some(kind) = Wrapped::of(head) {
            return Self::Archive(kind);
        }
        if pickle::looks_like(head) {
            return Self::Pickle;
        }
        if let Some(model) = model::guess(scanner, head, name, input) {
            return Self::Model(model);
        }
        if ends(name, ".safetensors") {
            return Self::Safetensors;
        }
        if !head.is_empty() && PICKLE_NAMES.contains(&extension(name).as_str()) {
            return Self::Pickle;
        }
        match repository::Kind::of(head, name) {
            Some(kind) => Self::Beside(kind),
            None if is_word(head, len) => Self::Beside(repository::Kind::Text),
            None => Self::Unknown,
        }
    }

    /// Whether its bytes are searched for programs: texts cannot be any, and what opens its members has them searched.
    pub(crate) const fn may_hide_programs(self) -> bool {
        !matches!(self, Self::Beside(_) | Self::Archive(_))
    }

    /// What it is, where that is something else than what the name of `len` bytes of it promises.
    pub(crate) fn disguise(self, name: &str, len: u64) -> Option<&'static str> {
        let extension = extension(name);
        let claims = |suffix: &str| extension == suffix && len > 0;
        match self {
            Self::Pickle | Self::TorchLegacy => {
                HARMLESS_NAMES.contains(&extension.as_str()).then_some("it is a pickle")
            }
            Self::Archive(Wrapped::SevenZip) if LOADED_NAMES.contains(&extension.as_str()) => {
                Some("it is a 7z archive, which no loader opens")
            }
            Self::Gguf | Self::OldGgml => None,
            _ if claims("gguf") => Some("it is no GGUF"),
            Self::Beside(_) | Self::Model(_) if claims("npy") => Some("it is no array file"),
            Self::Beside(_) | Self::Model(_) => None,
            _ => ["json", "yaml", "yml", "md", "py", "jinja"]
                .iter()
                .any(|suffix| claims(suffix))
                .then_some("it is no text"),
        }
    }
}

/// Whether this is a word or a number and nothing else, such as the version that stands in many archives.
fn is_word(head: &[u8], len: u64) -> bool {
    let plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b' ' | b'\n' | b'\r');
    (1..=64).contains(&len) && head.len() as u64 == len && head.iter().all(plain)
}

/// Whether a name ends so, in whatever case.
pub(crate) fn ends(name: &str, suffix: &str) -> bool {
    name.len()
        .checked_sub(suffix.len())
        .and_then(|at| name.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// Extensions of what loaders of models open by themselves.
const LOADED_NAMES: &[&str] = &[
    "pt",
    "pth",
    "bin",
    "ckpt",
    "pkl",
    "pickle",
    "joblib",
    "npy",
    "npz",
    "onnx",
    "h5",
    "keras",
    "safetensors",
];

/// Extensions that say that this is a pickle and nothing else.
const PICKLE_NAMES: &[&str] = &["pkl", "pickle", "pck", "dill", "cloudpickle"];

/// Extensions of formats that run nothing, or that are no pickle in any case.
const HARMLESS_NAMES: &[&str] = &[
    "safetensors",
    "gguf",
    "ggml",
    "onnx",
    "json",
    "jsonl",
    "txt",
    "md",
    "csv",
    "tsv",
    "yaml",
    "yml",
    "toml",
    "xml",
    "pmml",
    "h5",
    "hdf5",
    "keras",
    "tflite",
    "pb",
    "npy",
    "npz",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "webp",
    "wav",
    "mp3",
    "mp4",
    "pdf",
    "html",
    "zip",
    "tar",
    "gz",
    "tgz",
    "bz2",
    "xz",
    "7z",
    "parquet",
    "arrow",
    "msgpack",
    "proto",
    "jinja",
    "model_card",
    "lock",
    "cfg",
    "ini",
    "mlmodel",
    "skops",
    "nemo",
    "mar",
    "so",
    "dll",
    "py",
    "ipynb",
];

fn extension(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    last.rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use alcaide_container::{Fuel, Limits};

    use super::*;

    fn of(bytes: &[u8], name: &str) -> Format {
        Format::of(
            &Scanner::for_tests(&Fuel::new(Limits::for_file(bytes.len() as u64))),
            bytes,
            name,
            &bytes.to_vec(),
        )
    }

    #[test]
    fn bytes_decide_and_the_name_is_a_claim() {
        let pickle = of(b"\x80\x04N.", "a.safetensors");
        assert_eq!(pickle, Format::Pickle);
        assert!(pickle.disguise("a.safetensors", 4).is_some());
        assert!(pickle.disguise("pytorch_model.bin", 4).is_none());
        assert_eq!(of(b"cos\nsystem\n(S'x'\ntR.", "notes"), Format::Pickle);
        assert_eq!(of(b"(dp0\nS'a'\np1\nI1\ns.", "weights"), Format::Pickle);
        for text in [
            &b"# A model\nIt is good.\n"[..],
            b"Version 2\nlicence\n",
            b"[package]\nname = 'x'\n",
            b"",
            b"\x00\x00\x00\x00\x00\x00\x00\x00",
            b"In the beginning\nwas a file\n",
            b"(a, b)\n",
            b"]\n",
        ] {
            let found = of(text, "README");
            assert!(matches!(found, Format::Unknown | Format::Beside(_)), "{found:?}");
        }
        assert_eq!(of(b"\x93NUMPY\x01\x00", "a.pkl"), Format::Npy);
        assert_eq!(of(b"7z\xbc\xaf\x27\x1c", "a.pt"), Format::Archive(Wrapped::SevenZip));
    }
}
