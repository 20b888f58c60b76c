//! The bodies of the fuzz targets of the scanner: plain functions over bytes, which the tests of `alcaide-artifact` run as well.
//!
//! A body panics if a law of the scanner is broken, and does nothing else: coverage sums to the size of each part, and what was set
//! aside of the memory is given back.

use alcaide_artifact::{Verdict, decompile, ops, scan, signing::Bundle};
use alcaide_container::{Fuel, Limits, probe};

/// A parser that is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of the file with its entry.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident as $file:literal;)*) => {
        $(
            /// Scans the bytes under the name that leads to this parser.
            pub fn $name(bytes: &[u8]) {
                let _verdict = judge($file, bytes);
            }
        )*

        /// Every target, by name.
        pub const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: $name },)*
            Target { name: "pickle_opcodes", run: pickle_opcodes },
            Target { name: "container_zip", run: container_zip },
            Target { name: "container_tar", run: container_tar },
            Target { name: "container_sevenz", run: container_sevenz },
            Target { name: "container_streams", run: container_streams },
            Target { name: "signature_bundle", run: signature_bundle },
        ];
    };
}

targets! {
    pickle as "model.pkl";
    torch as "pytorch_model.bin";
    numpy as "array.npy";
    safetensors as "model.safetensors";
    gguf as "model.gguf";
    onnx as "model.onnx";
    tensorflow as "saved_model.pb";
    tensorflow_meta as "model.meta";
    keras as "model.keras";
    keras_config as "config.json";
    keras_metadata as "keras_metadata.pb";
    skops as "schema.json";
    booster as "model.json";
    xml as "model.xml";
    hdf5 as "model.h5";
    coreml as "model.mlmodel";
    tflite as "model.tflite";
    msgpack as "flax_model.msgpack";
    torchscript as "archive/code/__torch__/m.py";
    lightgbm as "model.txt";
    json as "tokenizer_config.json";
    notebook as "train.ipynb";
    yaml as "config.yaml";
    template as "chat_template.jinja";
    python as "modeling_x.py";
    site as "site.pth";
    shell as "install.sh";
    modelfile as "Modelfile";
    requirements as "requirements.txt";
    attributes as ".gitattributes";
    page as "README.md";
    archive as "bundle.zip";
    joblib as "model.joblib";
    nameless as "blob";
}

/// As opcodes, and written down as expressions.
pub fn pickle_opcodes(bytes: &[u8]) {
    assert!(ops(&bytes).count() <= bytes.len() + 1);
    let _lines = decompile(&bytes, &small(bytes));
}

/// As a zip file.
pub fn container_zip(bytes: &[u8]) {
    container(bytes, probe::zip);
}

/// As a tar archive.
pub fn container_tar(bytes: &[u8]) {
    container(bytes, probe::tar);
}

/// As a 7z archive.
pub fn container_sevenz(bytes: &[u8]) {
    container(bytes, probe::sevenz);
}

/// As a compressed stream of every kind.
pub fn container_streams(bytes: &[u8]) {
    container(bytes, probe::streams);
}

/// As a bundle of OpenSSF Model Signing.
pub fn signature_bundle(bytes: &[u8]) {
    let _bundle = Bundle::parse(bytes);
}

/// Scans bytes of that name under the budget of a fuzzer, and checks what holds for every report.
pub fn judge(name: &str, bytes: &[u8]) -> Verdict {
    let fuel = small(bytes);
    let report = scan(name, &bytes, &fuel);
    for part in &report.parts {
        let sum = part.coverage.parsed + part.coverage.payload + part.coverage.opaque;
        assert_eq!(sum, part.bytes, "coverage of {:?}", part.member);
    }
    assert!(fuel.hold(Fuel::MEMORY).is_ok(), "memory was not given back");
    report.verdict
}

fn container(bytes: &[u8], read: fn(&[u8], &Fuel)) {
    let fuel = small(bytes);
    read(bytes, &fuel);
    assert!(fuel.hold(Fuel::MEMORY).is_ok(), "memory was not given back");
}

/// The budget of a file of that size, but for unpacking: a fuzzer would spend its days on bombs.
fn small(bytes: &[u8]) -> Fuel {
    Fuel::new(Limits { unpacked_bytes: 4 << 20, ..Limits::for_file(bytes.len() as u64) })
}
