//! Graphs and layers that do harm, wherever a format lets them stand, and ways to write the same message or file.

use super::graphs::{
    external, field, graph, keras, keras_config, meta_graph, node, node_with, number, onnx, onnx_of,
    saved_model, tf_graph, tf_node,
};
use super::random::Random;
use super::seeds::Seed;
use super::settings;
use super::wrap::varint;

/// ONNX: an operator of somebody's own, one that runs Python, and tensors that lie outside, in each place.
pub(crate) fn onnx_seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |name: String, bytes: Vec<u8>| {
        seeds.push(Seed { name: format!("{name}.onnx"), bytes, malicious: true, grave: true })
    };
    for (operator, domain) in
        [("PyOp", "ai.onnx.contrib"), ("PythonOp", "com.microsoft"), ("PyCustomOpDef_x", "ai.onnx.contrib")]
    {
        let bad = node(operator, domain);
        let inner = graph(&bad);
        let function = |node: &[u8]| {
            field(
                25,
                [
                    field(1, "F"),
                    field(4, "x"),
                    field(5, "y"),
                    field(7, node),
                    field(10, "my"),
                    field(9, [field(1, ""), number(2, 17)].concat()),
                ]
                .concat(),
            )
        };
        add(format!("{operator} in the graph"), onnx(&bad));
        add(
            format!("{operator} in a branch"),
            onnx(&node_with("If", "then_branch", &[field(6, &inner), number(20, 5)].concat())),
        );
        add(
            format!("{operator} in a list of graphs"),
            onnx(&node_with("Loop", "bodies", &[field(11, &inner), number(20, 10)].concat())),
        );
        add(format!("{operator} in a function"), onnx_of(&graph(&node("F", "my")), &function(&bad)));
        let deep = (0..4).fold(inner.clone(), |inner, _| {
            graph(&node_with("If", "else_branch", &[field(6, &inner), number(20, 5)].concat()))
        });
        add(format!("{operator} five branches deep"), onnx_of(&deep, &[]));
        add(
            format!("{operator} in a branch of a function"),
            onnx_of(
                &graph(&node("F", "my")),
                &function(&node_with("If", "then_branch", &[field(6, &inner), number(20, 5)].concat())),
            ),
        );
        add(
            format!("{operator} in training"),
            onnx_of(&graph(&node("Relu", "")), &field(20, field(1, &inner))),
        );
    }
    for location in ["../x", "/etc/passwd", "a/../../x", "..\\x", "C:\\x", "./../x", "a//../../../x"] {
        let bad = external(location);
        let relu = |rest: Vec<u8>| onnx_of(&[graph(&node("Relu", "")), rest].concat(), &[]);
        add(format!("{} initialiser", location.replace('/', "|")), relu(field(5, &bad)));
        add(
            format!("{} sparse", location.replace('/', "|")),
            relu(field(15, [field(1, &bad), number(3, 1)].concat())),
        );
        add(
            format!("{} constant", location.replace('/', "|")),
            onnx(&node_with("Constant", "value", &[field(5, &bad), number(20, 4)].concat())),
        );
        add(
            format!("{} constants", location.replace('/', "|")),
            onnx(&node_with("Constant", "value", &[field(10, &bad), number(20, 9)].concat())),
        );
    }
    seeds
}

/// TensorFlow: operators that read, write, call or talk, in the graph and in functions.
pub(crate) fn tensorflow_seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for operator in [
        "ReadFile",
        "WriteFile",
        "PyFunc",
        "EagerPyFunc",
        "PyFuncStateless",
        "MatchingFiles",
        "ImmutableConst",
        "PrintV2",
        "DebugIdentityV3",
    ] {
        // A print goes to a file only where its attribute says so.
        let output = match operator {
            "PrintV2" => {
                field(5, [field(1, "output_stream"), field(2, field(2, "file:///dev/null"))].concat())
            }
            "DebugIdentityV3" => {
                field(5, [field(1, "debug_urls"), field(2, field(1, field(2, "file:///dev/null")))].concat())
            }
            "ImmutableConst" => {
                field(5, [field(1, "memory_region_name"), field(2, field(2, "/etc/passwd"))].concat())
            }
            _ => Vec::new(),
        };
        let bad = [tf_node("bad", operator), output].concat();
        let harmless = tf_node("r", "Relu");
        let call = tf_node("c", "PartitionedCall");
        for (place, graph) in [
            ("graph", tf_graph(std::slice::from_ref(&bad), &[])),
            ("function", tf_graph(&[harmless.clone(), call.clone()], std::slice::from_ref(&bad))),
            (
                "second function",
                tf_graph(&[harmless.clone(), call.clone()], &[harmless.clone(), bad.clone()]),
            ),
        ] {
            seeds.push(Seed::own(&format!("{operator} in {place}/saved_model.pb"), saved_model(&graph)));
            seeds.push(Seed::own(&format!("{operator} in {place}, frozen.pb"), graph.clone()));
            seeds.push(Seed::own(&format!("{operator} in {place}, model.meta"), meta_graph(&graph)));
            let harmless = meta_graph(&tf_graph(std::slice::from_ref(&harmless), &[]));
            let second = [number(1, 1), field(2, harmless), field(2, meta_graph(&graph))].concat();
            seeds.push(Seed::own(&format!("{operator} in second {place}/saved_model.pb"), second));
        }
    }
    seeds
}

/// Layers of Keras that carry code, call or read.
pub(crate) const LAYERS: &[&str] = &[
    r#"{"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}, "registered_name": null}"#,
    r#"{"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}"#,
    r#"{"module": "shutil", "class_name": "function", "config": "rmtree", "registered_name": "function"}"#,
    r#"{"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}"#,
    r#"{"module": "keras.models", "class_name": "function", "config": "load_model", "registered_name": "function"}"#,
    r#"{"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "x"}, "registered_name": null}"#,
    r#"{"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "sm"}, "registered_name": null}"#,
    r#"{"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}, "registered_name": null}"#,
    r#"{"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAAAAAAAAEAAAACAAAAQw==", "defaults": null, "closure": null}}}, "registered_name": null}"#,
    r#"{"module": "keras.layers", "class_name": "Lambda", "config": {"function": ["4wEAAAAAAAAAAAAAAAEAAAACAAAAQw==", null, null], "function_type": "lambda", "module": "__main__"}, "registered_name": null}"#,
    r#"{"class_name": "TFOpLambda", "config": {"name": "t", "function": "io.read_file"}}"#,
    r#"{"module": "os", "class_name": "system", "config": {}, "registered_name": "os>system"}"#,
];

/// Where a layer may stand.
pub(crate) const NESTS: &[&str] = &[
    "sequential",
    "wrapper",
    "bidirectional",
    "functional",
    "initializer",
    "activation",
    "compile",
    "inner model",
    "list",
    "dtype",
];

/// A configuration with `layer` in that place.
pub(crate) fn keras_at(layer: &str, nest: &str) -> String {
    let dense = |rest: &str| {
        format!(
            r#"{{"module": "keras.layers", "class_name": "Dense", "config": {{"units": 2, {rest}}}, "registered_name": null}}"#
        )
    };
    let wrapped = |class: &str| {
        format!(
            r#"{{"module": "keras.layers", "class_name": "{class}", "config": {{"name": "w", "layer": {layer}}}, "registered_name": null}}"#
        )
    };
    match nest {
        "wrapper" => keras_config(&wrapped("TimeDistributed")),
        "bidirectional" => keras_config(&format!(
            r#"{{"module": "keras.layers", "class_name": "Bidirectional", "config": {{"layer": {}, "backward_layer": {layer}}}, "registered_name": null}}"#,
            dense("\"name\": \"d\"")
        )),
        "functional" => format!(
            r#"{{"module": "keras.src.models.functional", "class_name": "Functional", "config": {{"name": "f", "layers": [{layer}], "input_layers": [["i", 0, 0]], "output_layers": [["l", 0, 0]]}}, "registered_name": "Functional"}}"#
        ),
        "initializer" => keras_config(&dense(&format!("\"kernel_initializer\": {layer}"))),
        "activation" => keras_config(&dense(&format!("\"activation\": {layer}"))),
        "compile" => format!(
            r#"{{"module": "keras", "class_name": "Sequential", "config": {{"layers": []}}, "registered_name": null, "compile_config": {{"optimizer": "adam", "loss": {layer}, "metrics": null}}}}"#
        ),
        "inner model" => keras_config(&keras_config(layer)),
        "list" => keras_config(&dense(&format!("\"extra\": [[1, {layer}], null]"))),
        "dtype" => keras_config(&dense(&format!("\"dtype\": {layer}"))),
        _ => keras_config(layer),
    }
}

/// A `.keras` file with its configuration spelled by `change`.
pub(crate) fn keras_file(layer: &str, nest: &str, change: &str, random: &mut Random) -> Vec<u8> {
    keras(&settings::json(&keras_at(layer, nest), change, random))
}

/// Kinds of changes to a message of protocol buffers.
pub(crate) const PROTO_CHANGES: &[&str] = &["plain", "order", "numbers", "unknown", "split", "all"];

/// Which fields of a message are messages, and whether a message has them once.
pub(crate) struct Nested(pub(crate) &'static [(u64, bool, &'static Nested)]);

static LEAF: Nested = Nested(&[]);
static ONNX_ATTRIBUTE: Nested = Nested(&[(5, true, &LEAF)]);
static ONNX_NODE: Nested = Nested(&[(5, false, &ONNX_ATTRIBUTE)]);
static ONNX_GRAPH: Nested = Nested(&[(1, false, &ONNX_NODE), (5, false, &LEAF)]);
pub(crate) static ONNX: Nested = Nested(&[(7, true, &ONNX_GRAPH), (8, false, &LEAF)]);
static TF_FUNCTION: Nested = Nested(&[(1, true, &LEAF), (3, false, &LEAF)]);
static TF_LIBRARY: Nested = Nested(&[(1, false, &TF_FUNCTION)]);
pub(crate) static TF_GRAPH: Nested = Nested(&[(1, false, &LEAF), (2, true, &TF_LIBRARY), (4, true, &LEAF)]);
pub(crate) static TF_META: Nested = Nested(&[(1, true, &LEAF), (2, true, &TF_GRAPH)]);
pub(crate) static TF_SAVED: Nested = Nested(&[(2, false, &TF_META)]);

/// The same message with its fields in another order, longer numbers, unknown fields, or parts of one message apart.
pub(crate) fn respelled(message: &[u8], nested: &Nested, change: &str, random: &mut Random) -> Vec<u8> {
    let on = |one: &str| change == one || change == "all";
    let mut fields = split(message);
    if on("order") {
        // Fields of one number keep their order.
        for at in (1..fields.len()).rev() {
            if fields[at].0 >> 3 != fields[at - 1].0 >> 3 && random.once_in(2) {
                fields.swap(at, at - 1);
            }
        }
    }
    let long = |number: u64, random: &mut Random| {
        let mut out = varint(number);
        if on("numbers") && random.once_in(2) {
            let last = out.len() - 1;
            out[last] |= 0x80;
            let more = 1 + random.below(3);
            out.resize(out.len() + more - 1, 0x80);
            out.push(0);
        }
        out
    };
    let mut out = Vec::new();
    let strange = |random: &mut Random, out: &mut Vec<u8>| {
        if on("unknown") && random.once_in(4) {
            out.extend(field(1_000 + random.below(9_000) as u32, b"note"));
        }
    };
    for (tag, content) in fields {
        strange(random, &mut out);
        if tag & 7 != 2 {
            // Tags of scalars stay short: readers differ in those.
            out.extend(varint(tag));
            out.extend(content);
            continue;
        }
        let below = nested.0.iter().find(|(number, _, _)| *number == tag >> 3);
        let content =
            below.map_or_else(|| content.clone(), |(_, _, below)| respelled(&content, below, change, random));
        let parts = if below.is_some_and(|(_, once, _)| *once) && on("split") {
            let inner = split(&content);
            let cut = random.below(inner.len() + 1);
            let join = |part: &[(u64, Vec<u8>)]| -> Vec<u8> {
                part.iter()
                    .flat_map(|(tag, content)| {
                        let len = if tag & 7 == 2 { varint(content.len() as u64) } else { Vec::new() };
                        [varint(*tag), len, content.clone()].concat()
                    })
                    .collect()
            };
            vec![join(&inner[..cut]), join(&inner[cut..])]
        } else {
            vec![content]
        };
        for part in parts {
            out.extend(varint(tag));
            out.extend(long(part.len() as u64, random));
            out.extend(part);
        }
    }
    strange(random, &mut out);
    out
}

/// Tags and contents of a message that this program wrote.
fn split(message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let number = |at: &mut usize| {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = message[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    };
    let (mut out, mut at) = (Vec::new(), 0);
    while at < message.len() {
        let tag = number(&mut at);
        let start = at;
        let end = match tag & 7 {
            0 => {
                number(&mut at);
                at
            }
            1 => at + 8,
            5 => at + 4,
            _ => {
                let len = usize::try_from(number(&mut at)).unwrap();
                out.push((tag, message[at..at + len].to_vec()));
                at += len;
                continue;
            }
        };
        out.push((tag, message[start..end].to_vec()));
        at = end;
    }
    out
}
