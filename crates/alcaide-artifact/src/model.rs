//! Readers of graphs, layers and boosters: everything that declares what it computes.
//!
//! [`guess`] says what bytes without a mark of their own look like; [`read`] gives them to their reader. Formats with a
//! mark in their head are told by [`by_head`].

mod content;
mod coreml;
mod documents;
mod hdf5;
mod json;
mod keras;
mod msgpack;
mod onnx;
mod packs;
mod paths;
mod protobuf;
mod python;
mod rdata;
mod script;
mod skops;
mod tensorflow;
mod tflite;
mod xml;

use alcaide_container::{Input, ReadError};
use alcaide_graph::Fault;

use self::documents::Document;
use self::tensorflow::Root;
use crate::rules::model as rules;
use crate::scanner::Scanner;

/// What a model is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Model {
    Onnx,
    TfSaved,
    TfGraph,
    TfMetaGraph,
    KerasMetadata,
    KerasConfig,
    Skops,
    BoosterJson,
    Xml,
    Hdf5,
    CoreMl,
    TfLite,
    Msgpack,
    TorchScript,
    LightGbm,
    RData,
}

impl Model {
    /// The word for it in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::TfSaved => "tensorflow-saved-model",
            Self::TfGraph => "tensorflow-graph",
            Self::TfMetaGraph => "tensorflow-meta-graph",
            Self::KerasMetadata => "keras-metadata",
            Self::KerasConfig => "keras-config",
            Self::Skops => "skops-schema",
            Self::BoosterJson => "booster-json",
            Self::Xml => "xml",
            Self::Hdf5 => "hdf5",
            Self::CoreMl => "coreml",
            Self::TfLite => "tflite",
            Self::Msgpack => "msgpack",
            Self::TorchScript => "torchscript",
            Self::LightGbm => "lightgbm",
            Self::RData => "r-data",
        }
    }
}

/// What `input` looks like, by more of its bytes than its head; the name breaks ties.
pub(crate) fn guess(scanner: &Scanner, head: &[u8], name: &str, input: &dyn Input) -> Option<Model> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let first = text.iter().position(|one| !one.is_ascii_whitespace()).and_then(|at| text.get(at..));
    let lower = name.to_ascii_lowercase();
    let claims_xml = [".xml", ".pmml"].iter().any(|end| lower.ends_with(end));
    let wide = matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'<', ..] | [b'<', 0, ..]);
    let marked = first.is_some_and(|first| {
        [&b"<?xml"[..], b"<!DOCTYPE", b"<!--", b"<PMML", b"<net"].iter().any(|mark| first.starts_with(mark))
            && !first.get(..14).is_some_and(|start| start.eq_ignore_ascii_case(b"<!doctype html"))
    });
    if marked || (claims_xml && (wide || first.is_some_and(|first| first.starts_with(b"<")))) {
        return Some(Model::Xml);
    }
    if hdf5::is_hdf5(head, input) {
        return Some(Model::Hdf5);
    }
    if tflite::is_tflite(head) {
        return Some(Model::TfLite);
    }
    if rdata::is_rdata(head) {
        return Some(Model::RData);
    }
    if script::is_torchscript(name) {
        return Some(Model::TorchScript);
    }
    if script::is_lightgbm(head) {
        return Some(Model::LightGbm);
    }
    if let Some(document) = documents::guess(head, name, input, scanner) {
        return Some(match document {
            Document::Keras => Model::KerasConfig,
            Document::Skops => Model::Skops,
            Document::Booster => Model::BoosterJson,
        });
    }
    if let Some(model) = protobuf::guess(input, name, scanner.fuel()) {
        return Some(model);
    }
    msgpack::is_msgpack(head, name, input, scanner.fuel()).then_some(Model::Msgpack)
}

/// Whether an operator of TensorFlow reaches beyond what it computes.
pub(crate) fn operator_reaches(operator: &str) -> bool {
    tensorflow::reaches(operator)
}

/// Reads `input` as `model`.
///
/// # Errors
/// [`ReadError`] if the bytes cannot be had or the budget is spent.
pub(crate) fn read(
    scanner: &mut Scanner,
    model: Model,
    _name: &str,
    input: &dyn Input,
) -> Result<(), ReadError> {
    let ended = match model {
        Model::Onnx => onnx::read(scanner, input),
        Model::TfSaved => tensorflow::read(scanner, Root::SavedModel, input),
        Model::TfGraph => tensorflow::read(scanner, Root::Graph, input),
        Model::TfMetaGraph => tensorflow::read(scanner, Root::MetaGraph, input),
        Model::KerasMetadata => tensorflow::read(scanner, Root::KerasMetadata, input),
        Model::KerasConfig => documents::read(scanner, Document::Keras, input),
        Model::Skops => documents::read(scanner, Document::Skops, input),
        Model::BoosterJson => documents::read(scanner, Document::Booster, input),
        Model::Xml => xml::read(scanner, input),
        Model::Hdf5 => hdf5::read(scanner, input),
        Model::CoreMl => coreml::read(scanner, input),
        Model::TfLite => tflite::read(scanner, input),
        Model::Msgpack => msgpack::read(scanner, input),
        Model::TorchScript => script::torchscript(scanner, input),
        Model::LightGbm => script::lightgbm(scanner, input),
        Model::RData => rdata::read(scanner, input),
    };
    match ended {
        Ok(()) => Ok(()),
        Err(Fault::Malformed { at, why }) => {
            scanner.find(&rules::BROKEN, Some(at), None, why);
            Ok(())
        }
        Err(Fault::Read(why)) => Err(why),
        Err(other) => {
            scanner.find(&rules::BROKEN, None, None, other.to_string());
            Ok(())
        }
    }
}

#[cfg(test)]
mod testing;
