//! Judges Core ML models: layers and models whose code lies in a class of the program, and files that they link.
//!
//! Only the ways to those parts are walked; everything else of the model stays opaque.
//!
//! Source: `Model.proto`, `NeuralNetwork.proto`, `CustomModel.proto` and `LinkedModel.proto` of coremltools 9.0.

use alcaide_container::Input;
use alcaide_graph::Fault;
use alcaide_graph::wire::{Event, Holds, Schema, Value, Walker};

use super::{paths, rules};
use crate::coverage::Kind;
use crate::scanner::{Scanner, shown};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Message {
    Model,
    PipelineOf,
    Pipeline,
    Network,
    Layer,
    CustomLayer,
    CustomModel,
    Linked,
    LinkedFile,
    Texts,
}

impl Schema for Message {
    fn field(self, number: u32) -> Option<Holds<Self>> {
        use Message::*;
        Some(match (self, number) {
            (Model, 1 | 10) => Holds::Varint,
            (Model, 200 | 201) => Holds::Message(PipelineOf),
            (Model, 202) => Holds::Message(Pipeline),
            (Model, 303 | 403 | 500) => Holds::Message(Network),
            (Model, 555) => Holds::Message(CustomModel),
            (Model, 556) => Holds::Message(Linked),
            (PipelineOf, 1) => Holds::Message(Pipeline),
            (Pipeline, 1) => Holds::Message(Model),
            (Pipeline, 2) => Holds::Text,
            (Network, 1) => Holds::Message(Layer),
            (Layer, 1..=3) => Holds::Text,
            (Layer, 500) => Holds::Message(CustomLayer),
            (CustomLayer, 10 | 40) | (CustomModel, 1 | 20) => Holds::Text,
            (Linked, 1) => Holds::Message(LinkedFile),
            (LinkedFile, 1 | 2) => Holds::Message(Texts),
            (Texts, 1) => Holds::Text,
            _ => return None,
        })
    }
}

/// Walks the model and judges what it calls and links.
pub(super) fn read(scanner: &mut Scanner, input: &dyn Input) -> Result<(), Fault> {
    let fuel = scanner.fuel().clone();
    let mut walker = Walker::new(input, Message::Model, &fuel);
    let mut covered = 0;
    while let Some(event) = walker.next()? {
        let at = walker.at();
        match event {
            Event::Unknown { bytes, .. } => {
                scanner.cover(covered..bytes.start, Kind::Parsed);
                covered = bytes.end;
            }
            Event::Field { message, number, value: Value::Range(bytes), .. } => {
                let (text, _) = walker.bytes(&bytes, 4_096)?;
                let name = String::from_utf8_lossy(&text).into_owned();
                match (message, number) {
                    (Message::CustomLayer, 10) | (Message::CustomModel, 1) => {
                        let evidence = format!("the class `{}`", shown(&name));
                        scanner.find(&rules::CUSTOM_LAYER, Some(bytes.start), Some("className"), evidence);
                    }
                    (Message::Texts, 1) => {
                        if let Some(why) = paths::leads_outside(&text) {
                            let evidence = format!("the linked model `{}` {why}", shown(&name));
                            scanner.find(
                                &rules::PATH_OUTSIDE,
                                Some(bytes.start),
                                Some("linkedModel"),
                                evidence,
                            );
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        scanner.cover(covered..at.max(covered), Kind::Parsed);
        covered = at.max(covered);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Verdict;
    use crate::model::testing::{field, number, report, rules};

    fn model(rest: Vec<u8>) -> Vec<u8> {
        [number(1, 4), field(2, field(1, "i")), rest].concat()
    }

    #[test]
    fn custom_code_and_links_are_found_also_in_pipelines() {
        let custom = field(500, field(1, [field(1, "n"), field(500, field(10, "MyLayer"))].concat()));
        let seen = report("m.mlmodel", &model(custom.clone()));
        assert_eq!((rules(&seen), seen.parts[0].format.as_ref()), (vec!["custom-layer"], "coreml"));
        let pipeline = field(202, field(1, model(custom)));
        assert_eq!(rules(&report("m.mlmodel", &model(pipeline))), ["custom-layer"]);
        assert_eq!(rules(&report("m", &model(field(555, field(1, "Evil"))))), ["custom-layer"]);
        let linked = |name: &str| model(field(556, field(1, field(1, field(1, name)))));
        assert_eq!(rules(&report("m.mlmodel", &linked("../x"))), ["path-outside"]);
        let plain = report("m.mlmodel", &model(field(300, field(1, "x"))));
        assert_eq!((plain.verdict, plain.findings.len()), (Verdict::Inconclusive, 0));
    }
}
