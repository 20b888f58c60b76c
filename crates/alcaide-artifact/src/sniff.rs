//! What is this? By its bytes; the name is a claim.

use crate::{numpy, pickle, torch};

/// What a part looks like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub(crate) enum Format {
    /// One pickle or several.
    Pickle,
    /// PyTorch's sequence of pickles and numbers.
    TorchLegacy,
    /// A NumPy array file.
    Npy,
    Unknown,
}

impl Format {
    /// The word for it in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pickle => "pickle",
            Self::TorchLegacy => "torch-legacy",
            Self::Npy => "npy",
            Self::Unknown => "unknown",
        }
    }

    /// What a part that begins with `head` looks like. The name decides nothing that the bytes can decide: it only makes a
    /// pickle of what claims to be one and begins with an opcode.
    pub(crate) fn of(head: &[u8], name: &str) -> Self {
        if head.starts_with(numpy::MAGIC) {
            return Self::Npy;
        }
        if torch::looks_like(head) {
            return Self::TorchLegacy;
        }
        if pickle::looks_like(head) || (!head.is_empty() && PICKLE_NAMES.contains(&extension(name).as_str()))
        {
            return Self::Pickle;
        }
        Self::Unknown
    }

    /// Whether a file of this format may bear this name: a pickle that is called tensors or text is no mistake.
    pub(crate) fn agrees_with(self, name: &str) -> bool {
        let extension = extension(name);
        match self {
            Self::Pickle | Self::TorchLegacy => !HARMLESS_NAMES.contains(&extension.as_str()),
            Self::Npy | Self::Unknown => true,
        }
    }
}

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
    use super::*;

    #[test]
    fn bytes_decide_and_the_name_is_a_claim() {
        assert_eq!(Format::of(b"\x80\x04N.", "a.safetensors"), Format::Pickle);
        assert!(!Format::Pickle.agrees_with("a.safetensors"));
        assert!(Format::Pickle.agrees_with("pytorch_model.bin"));
        assert_eq!(Format::of(b"cos\nsystem\n(S'x'\ntR.", "notes"), Format::Pickle);
        assert_eq!(Format::of(b"(dp0\nS'a'\np1\nI1\ns.", "weights"), Format::Pickle);
        for text in [
            &b"# A model\nIt is good.\n"[..],
            b"{\"a\": 1}",
            b"Version 2\nlicence\n",
            b"[package]\nname = 'x'\n",
            b"",
            b"\x00\x00\x00\x00\x00\x00\x00\x00",
            b"In the beginning\nwas a file\n",
            b"(a, b)\n",
            b"]\n",
        ] {
            assert_eq!(Format::of(text, "README"), Format::Unknown, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(Format::of(b"\x93NUMPY\x01\x00", "a.pkl"), Format::Npy);
    }
}
