//! Which protobuf is this? It has no mark, so the numbers and kinds of its first fields must tell.

use std::ops::Range;

use alcaide_container::{Fuel, Input, Window};
use alcaide_graph::wire::{Event, Holds, Schema, Value, Walker};

use super::Model;

/// A message of which nothing is known: whatever has a length is a range.
#[derive(Clone, Copy, Debug)]
struct Any;

impl Schema for Any {
    fn field(self, _: u32) -> Option<Holds<Self>> {
        Some(Holds::Bytes)
    }
}

/// The first fields of a message: numbers of those without a length, ranges of the others.
struct Fields {
    plain: Vec<u32>,
    ranges: Vec<(u32, Range<u64>)>,
    /// Whether the wire format held for all of them.
    sound: bool,
}

const FIELDS_MAX: usize = 64;

fn fields(input: &dyn Input, fuel: &Fuel) -> Fields {
    let mut walker = Walker::new(input, Any, fuel);
    let mut seen = Fields { plain: Vec::new(), ranges: Vec::new(), sound: true };
    for _ in 0..FIELDS_MAX {
        match walker.next() {
            Ok(Some(Event::Field { number, value: Value::Range(bytes), .. })) => {
                seen.ranges.push((number, bytes));
            }
            Ok(Some(Event::Unknown { number, .. } | Event::Field { number, .. })) => seen.plain.push(number),
            Ok(Some(Event::Enter { .. } | Event::Leave { .. }) | None) => break,
            Err(_) => {
                seen.sound = false;
                break;
            }
        }
    }
    seen
}

/// What the message `input` is, if its first fields are those of a model.
pub(super) fn guess(input: &dyn Input, name: &str, fuel: &Fuel) -> Option<Model> {
    let top = fields(input, fuel);
    let lower = name.to_ascii_lowercase();
    let named = |suffix: &str| lower.ends_with(suffix);
    if top.ranges.is_empty() && top.plain.is_empty() {
        return None;
    }
    let within = |at: u32| {
        let (_, range) = top.ranges.iter().find(|(number, _)| *number == at)?;
        Some(fields(&Window::new(input, range.start, range.end - range.start), fuel))
    };
    let all_in = |numbers: &[u32]| {
        top.plain.iter().chain(top.ranges.iter().map(|(number, _)| number)).all(|one| numbers.contains(one))
    };
    let is_graph = |graph: &Fields| {
        graph.sound
            && graph.plain.is_empty()
            && graph.ranges.iter().all(|(number, _)| matches!(number, 1 | 2 | 5 | 10..=16))
    };
    let onnx_top = all_in(&[1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26]);
    let onnx_head = top.plain.contains(&1) || top.ranges.iter().any(|(number, _)| *number == 8);
    if named(".onnx") && (onnx_head || within(7).is_some()) {
        return Some(Model::Onnx);
    }
    if top.sound && onnx_top && onnx_head && within(7).is_some_and(|graph| is_graph(&graph)) {
        return Some(Model::Onnx);
    }
    let last = lower.rsplit(['/', '\\']).next().unwrap_or(&lower);
    if last == "saved_model.pb" {
        return Some(Model::TfSaved);
    }
    // One kind of model after the version and the description, by a number of its own from 200 up.
    let core = top.plain.first() == Some(&1)
        && top.ranges.iter().any(|(number, _)| *number == 2)
        && top.ranges.iter().any(|(number, _)| is_coreml_kind(*number))
        && top.ranges.iter().all(|(number, _)| *number == 2 || *number >= 200);
    if top.sound && core {
        return Some(Model::CoreMl);
    }
    let starts = |number: u32| top.ranges.first().is_some_and(|(first, _)| *first == number);
    let text = |range: &Range<u64>, max: u64| {
        let len = range.end - range.start;
        let mut bytes = vec![0; usize::try_from(len.min(max)).unwrap_or_default()];
        let count = input.read_at(range.start, &mut bytes).unwrap_or_default();
        bytes.truncate(count);
        (len <= max).then_some(bytes)
    };
    // A node of TensorFlow: a name, then the name of an operator. Loaders skip fields that they do not know, so a file that is named
    // for them may have others.
    let lenient = named(".pb") || named(".meta");
    let is_node = |range: &Range<u64>| {
        let node = fields(&Window::new(input, range.start, range.end - range.start), fuel);
        let of = |at: u32| node.ranges.iter().find(|(number, _)| *number == at).map(|(_, inner)| inner);
        let operator =
            of(2).and_then(|inner| text(&(inner.start + range.start..inner.end + range.start), 200));
        node.sound
            && (lenient || node.ranges.iter().all(|(number, _)| (1..=7).contains(number)))
            && operator.is_some_and(|operator| {
                !operator.is_empty()
                    && operator
                        .iter()
                        .all(|one| one.is_ascii_alphanumeric() || matches!(one, b'_' | b'>' | b'.'))
                    && !operator.iter().all(u8::is_ascii_digit)
            })
    };
    if last == "keras_metadata.pb" || is_keras_metadata(input, &top) {
        return Some(Model::KerasMetadata);
    }
    let saved = top.plain.iter().all(|number| *number == 1)
        && !top.ranges.is_empty()
        && top.ranges.iter().all(|(number, _)| *number == 2)
        && within(2).is_some_and(|graph| {
            graph.sound
                && !graph.ranges.is_empty()
                && graph.plain.is_empty()
                && graph.ranges.iter().all(|(number, _)| (1..=7).contains(number))
        });
    if top.sound && saved && top.plain.contains(&1) {
        return Some(Model::TfSaved);
    }
    let graph = top.sound && all_in(&[1, 2, 3, 4, 5]);
    let mut nodes = top.ranges.iter().filter(|(number, _)| *number == 1).map(|(_, range)| range);
    let lenient_graph = top.sound && named(".pb");
    if (graph || lenient_graph) && nodes.any(is_node) {
        return Some(Model::TfGraph);
    }
    let meta = top.sound
        && (named(".meta") || top.plain.is_empty() && all_in(&[1, 2, 3, 4, 5, 6, 7]))
        && top.ranges.iter().any(|(number, range)| {
            *number == 2 && {
                let window = Window::new(input, range.start, range.end - range.start);
                let nodes = fields(&window, fuel);
                let mut nodes = nodes.ranges.iter().filter(|(number, _)| *number == 1);
                nodes.any(|(_, inner)| is_node(&(inner.start + range.start..inner.end + range.start)))
            }
        });
    if meta
        || (top.sound
            && named(".meta")
            && starts(1)
            && top.plain.is_empty()
            && all_in(&[1, 2, 3, 4, 5, 6, 7]))
    {
        return Some(Model::TfMetaGraph);
    }
    // A graph that holds functions alone.
    (graph && named(".pb")).then_some(Model::TfGraph)
}

/// Fields of a Core ML model that hold what it computes. Source: `Model.proto` of coremltools 9.0.
const fn is_coreml_kind(number: u32) -> bool {
    matches!(number, 200..=202 | 300..=304 | 400..=404 | 500..=502 | 555 | 556 | 560 | 600..=610 | 900 | 2000..=2010 | 3000)
}

/// Whether the message is Keras's metadata beside a saved model: objects whose identifier says so.
fn is_keras_metadata(input: &dyn Input, top: &Fields) -> bool {
    let Some((1, range)) = top.ranges.first() else { return false };
    let mut head = [0; 512];
    let count = input.read_at(range.start, &mut head).unwrap_or_default();
    let sign = b"_tf_keras_";
    top.sound
        && top.plain.is_empty()
        && top.ranges.iter().all(|(number, _)| *number == 1)
        && head.get(..count).is_some_and(|head| head.windows(sign.len()).any(|window| window == sign))
}
