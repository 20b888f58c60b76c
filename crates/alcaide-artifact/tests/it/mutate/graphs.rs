//! Small writers of ONNX, TensorFlow, Keras, Core ML and TFLite.
//!
//! Field numbers are those of `onnx.proto3`, `graph.proto`, `saved_model.proto`, `meta_graph.proto`, `Model.proto` of Core ML and
//! `schema.fbs` of TFLite.

use super::wrap::{self, Method, ZipShape, varint};

/// A field with a number in it.
pub(crate) fn number(field: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value)].concat()
}

/// A field with bytes in it: text, numbers or a message.
pub(crate) fn field(number: u32, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [varint(u64::from(number) << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A node of ONNX.
pub(crate) fn node(operator: &str, domain: &str) -> Vec<u8> {
    [field(1, "x"), field(2, "y"), field(3, "n"), field(4, operator), field(7, domain)].concat()
}

/// A node of ONNX with one attribute.
pub(crate) fn node_with(operator: &str, attribute: &str, rest: &[u8]) -> Vec<u8> {
    [node(operator, ""), field(5, [field(1, attribute), rest.to_vec()].concat())].concat()
}

/// A graph of ONNX around one node.
pub(crate) fn graph(node: &[u8]) -> Vec<u8> {
    let shape = field(2, [field(1, number(1, 2)), field(1, number(1, 2))].concat());
    let kind = field(1, [number(1, 1), shape].concat());
    let value = |name: &str| [field(1, name), field(2, &kind)].concat();
    [field(1, node), field(2, "g"), field(11, value("x")), field(12, value("y"))].concat()
}

/// A model of ONNX around one node.
pub(crate) fn onnx(node: &[u8]) -> Vec<u8> {
    onnx_of(&graph(node), &[])
}

/// A model of ONNX with more fields of its own.
pub(crate) fn onnx_of(graph: &[u8], rest: &[u8]) -> Vec<u8> {
    let operators = field(8, [field(1, ""), number(2, 17)].concat());
    [number(1, 8), field(2, "maker"), field(7, graph), operators, rest.to_vec()].concat()
}

/// A tensor of ONNX that lies elsewhere.
pub(crate) fn external(location: &str) -> Vec<u8> {
    let entry = field(13, [field(1, "location"), field(2, location)].concat());
    [number(1, 2), number(2, 1), field(8, "w"), entry, number(14, 1)].concat()
}

/// A node of TensorFlow.
pub(crate) fn tf_node(name: &str, operator: &str) -> Vec<u8> {
    [field(1, name), field(2, operator), field(3, "x")].concat()
}

/// A graph of TensorFlow, with functions in its library.
pub(crate) fn tf_graph(nodes: &[Vec<u8>], functions: &[Vec<u8>]) -> Vec<u8> {
    let mut out: Vec<u8> = field(1, [field(1, "x"), field(2, "Placeholder")].concat());
    nodes.iter().for_each(|node| out.extend(field(1, node)));
    if !functions.is_empty() {
        let bodies: Vec<u8> = functions
            .iter()
            .flat_map(|node| {
                let signature = field(1, field(1, "f"));
                field(1, [signature, field(3, node)].concat())
            })
            .collect();
        out.extend(field(2, bodies));
    }
    out.extend(field(4, number(1, 1087)));
    out
}

pub(crate) fn meta_graph(graph: &[u8]) -> Vec<u8> {
    [field(1, field(4, "serve")), field(2, graph)].concat()
}

pub(crate) fn saved_model(graph: &[u8]) -> Vec<u8> {
    [number(1, 1), field(2, meta_graph(graph))].concat()
}

/// A sequential model of Keras 3 with a dense layer and another one.
pub(crate) fn keras_config(layer: &str) -> String {
    format!(
        r#"{{"module": "keras", "class_name": "Sequential", "registered_name": null, "config": {{"name": "s", "layers": [{{"module": "keras.layers", "class_name": "Dense", "config": {{"units": 2}}, "registered_name": null}}, {layer}]}}, "compile_config": null}}"#
    )
}

/// A `.keras` file around that.
pub(crate) fn keras(config: &str) -> Vec<u8> {
    let metadata = br#"{"keras_version": "3.5.0", "date_saved": "2026-01-01@00:00:00"}"#;
    let members: [(&str, &[u8]); 2] = [("metadata.json", metadata), ("config.json", config.as_bytes())];
    wrap::zip(&members, &ZipShape::plain(Method::Stored))
}

/// A network of Core ML with one custom layer.
pub(crate) fn coreml(class: &str) -> Vec<u8> {
    let layer = [field(1, "l"), field(500, field(10, class))].concat();
    [number(1, 4), field(2, field(1, field(1, "x"))), field(500, field(1, layer))].concat()
}

/// A model of TFLite with one operator code and one buffer.
pub(crate) fn tflite(operator: &str) -> Vec<u8> {
    let mut out = vec![0; 8];
    out[4..8].copy_from_slice(b"TFL3");
    let u16s = |values: &[u16]| values.iter().flat_map(|one| one.to_le_bytes()).collect::<Vec<u8>>();
    let u32s =
        |values: &[usize]| values.iter().flat_map(|one| (*one as u32).to_le_bytes()).collect::<Vec<u8>>();
    let set = |out: &mut Vec<u8>, at: usize, value: usize| {
        out[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    };
    out.extend(u16s(&[14, 12, 0, 4, 0, 0, 8, 0]));
    let root = out.len();
    set(&mut out, 0, root);
    out.extend(u32s(&[root - 8, 0, 0]));
    let codes = out.len();
    set(&mut out, root + 4, codes - root - 4);
    out.extend(u32s(&[1, 12]));
    out.extend(u16s(&[8, 8, 0, 4]));
    out.extend(u32s(&[8, 4, operator.len()]));
    out.extend(operator.as_bytes());
    out.extend(vec![0; 4 - operator.len() % 4]);
    let buffers = out.len();
    set(&mut out, root + 8, buffers - root - 8);
    out.extend(u32s(&[1, 12]));
    out.extend(u16s(&[6, 8, 4, 0]));
    out.extend(u32s(&[8, 4, 16]));
    out.extend([1; 16]);
    out
}
