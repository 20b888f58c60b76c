use proptest::prelude::*;

use crate::Verdict;
use crate::model::testing::{field, number, report, rules};

fn attr(key: &str, value: &[u8]) -> Vec<u8> {
    field(5, [field(1, key), field(2, value)].concat())
}

fn node(name: &str, operator: &str, inputs: &[&str], rest: &[u8]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| field(3, input)).collect();
    [field(1, name), field(2, operator), inputs, rest.to_vec()].concat()
}

fn text_const(name: &str, text: &str) -> Vec<u8> {
    let tensor = [number(1, 7), field(2, ""), field(8, text)].concat();
    node(name, "Const", &[], &[attr("dtype", &number(6, 7)), attr("value", &field(8, tensor))].concat())
}

fn saved(graph: &[u8]) -> Vec<u8> {
    let meta = [field(1, field(4, "serve")), field(2, graph)].concat();
    [number(1, 1), field(2, meta)].concat()
}

fn graph(nodes: &[Vec<u8>]) -> Vec<u8> {
    nodes.iter().flat_map(|node| field(1, node)).chain(field(4, number(1, 1087))).collect()
}

fn found(nodes: &[Vec<u8>]) -> Vec<String> {
    rules(&report("saved_model.pb", &saved(&graph(nodes)))).into_iter().map(str::to_owned).collect()
}

#[test]
fn saving_and_restoring_are_part_of_every_model() {
    let nodes = [
        node("x", "Placeholder", &[], &attr("dtype", &number(6, 1))),
        text_const("part", "_temp/part"),
        node("join", "StringJoin", &["saver_filename", "part"], &[]),
        node("save", "SaveV2", &["join", "names"], &[]),
        node("merge", "MergeV2Checkpoints", &["join", "saver_filename"], &[]),
        node("restore", "RestoreV2", &["saver_filename"], &[]),
        node("table", "InitializeTableFromTextFileV2", &["h", "asset"], &[]),
        text_const("words", "/etc/passwd"),
    ];
    let plain = report("anything", &saved(&graph(&nodes)));
    assert_eq!(plain.verdict, Verdict::Clean, "{plain:?}");
    assert_eq!(plain.parts[0].format.as_ref(), "tensorflow-saved-model");
    for (name, format) in [("frozen.pb", "tensorflow-graph"), ("x", "tensorflow-graph")] {
        assert_eq!(report(name, &graph(&nodes)).parts[0].format.as_ref(), format);
    }
    let meta =
        [field(1, field(4, "t")), field(2, graph(&nodes)), field(3, field(1, "save/Const:0"))].concat();
    assert_eq!(report("m", &meta).parts[0].format.as_ref(), "tensorflow-meta-graph");
    assert_eq!(report("m", &meta).verdict, Verdict::Clean);
}

#[test]
fn a_path_in_the_graph_that_leads_outside_is_followed_to_what_takes_it() {
    let nodes = |path: &str| {
        [
            text_const("prefix", path),
            node("a", "Identity", &["prefix:0"], &[]),
            node("b", "StringJoin", &["^control", "a", "b"], &[]),
            node("s", "SaveV2", &["b"], &[]),
        ]
    };
    assert_eq!(found(&nodes("/etc/cron.d/x")), ["path-outside"]);
    assert_eq!(found(&nodes("../x")), ["path-outside"]);
    assert!(found(&nodes("variables/variables")).is_empty());
    let table =
        [text_const("f", "file:///etc/passwd"), node("t", "InitializeTableFromTextFileV2", &["h", "f"], &[])];
    assert_eq!(found(&table), ["path-outside"]);
}

#[test]
fn operators_are_judged_by_what_they_do() {
    for (operator, rule) in [
        ("PyFunc", "tensorflow-python"),
        ("EagerPyFunc", "tensorflow-python"),
        ("PyFuncStateless", "tensorflow-python"),
        ("ReadFile", "tensorflow-file"),
        ("WriteFile", "tensorflow-file"),
        ("MatchingFiles", "tensorflow-file"),
        ("ImmutableConst", "tensorflow-file"),
        ("TFRecordDatasetV2", "tensorflow-file"),
        ("IO>FileRead", "tensorflow-file"),
        ("RpcClient", "tensorflow-network"),
        ("DataServiceDatasetV2", "tensorflow-network"),
        ("Abort", "tensorflow-stops"),
    ] {
        assert_eq!(found(&[node("n", operator, &[], &[])]), [rule], "{operator}");
    }
    let unknown = report("saved_model.pb", &saved(&graph(&[node("n", "SomebodysOp", &[], &[])])));
    assert_eq!(unknown.verdict, Verdict::Inconclusive);
    let twice = node("n", "PyFunc", &[], &field(2, "Relu"));
    assert_eq!(found(&[twice]), ["tensorflow-python", "field-given-twice"]);
}

#[test]
fn attributes_say_where_prints_and_probes_go() {
    let print = |stream: &str| node("p", "PrintV2", &[], &attr("output_stream", &field(2, stream)));
    assert_eq!(found(&[print("file:///tmp/x")]), ["tensorflow-file"]);
    assert!(found(&[print("stderr")]).is_empty());
    let probe = |url: &str| node("d", "DebugIdentityV3", &[], &attr("debug_urls", &field(1, field(2, url))));
    assert_eq!(found(&[probe("file:///tmp")]), ["tensorflow-file"]);
    assert_eq!(found(&[probe("grpc://h:1")]), ["tensorflow-network"]);
    let proto = |source: &str| node("d", "DecodeProtoV2", &[], &attr("descriptor_source", &field(2, source)));
    assert_eq!(found(&[proto("/tmp/x.desc")]), ["tensorflow-file"]);
    assert!(found(&[proto("bytes://abc")]).is_empty());
}

#[test]
fn functions_are_judged_and_their_calls_are_known() {
    let function = |operator: &str| {
        field(1, [field(1, field(1, "inner")), field(3, node("n", operator, &[], &[]))].concat())
    };
    let with = |operator: &str| {
        saved(&[graph(&[node("call", "inner", &[], &[])]), field(2, function(operator))].concat())
    };
    assert_eq!(report("saved_model.pb", &with("Relu")).verdict, Verdict::Clean);
    let bad = report("saved_model.pb", &with("ReadFile"));
    assert_eq!(rules(&bad), ["tensorflow-file"]);
    assert_eq!(bad.findings[0].place.pointer.as_deref(), Some("inner/n"));
}

#[test]
fn assets_sizes_and_metadata_are_judged() {
    let meta = [field(1, field(4, "serve")), field(6, field(2, "../vocab.txt"))].concat();
    let asset = [number(1, 1), field(2, meta)].concat();
    assert_eq!(rules(&report("saved_model.pb", &asset)), ["path-outside"]);
    let tensor = |size: u64, content: &[u8]| {
        let shape = field(2, number(1, size));
        let tensor = [number(1, 1), field(2, shape), field(4, content)].concat();
        node("c", "Const", &[], &attr("value", &field(8, tensor)))
    };
    assert!(found(&[tensor(2, &[0; 8])]).is_empty());
    assert_eq!(found(&[tensor(3, &[0; 8])]), ["length-mismatch"]);
    assert_eq!(found(&[tensor(u64::MAX, &[0; 8])]), ["size-overflow"]);
    let object = |json: &str| {
        field(1, [number(2, 0), field(3, "root"), field(4, "_tf_keras_layer"), field(5, json)].concat())
    };
    let lambda = object(
        r#"{"class_name": "Lambda", "config": {"function": ["4wEAAAAAAAAAAAAAAAEAAAAC", null, null]}}"#,
    );
    let found = report("keras_metadata.pb", &lambda);
    assert!(rules(&found).contains(&"keras-code"), "{found:?}");
    assert_eq!(found.parts[0].format.as_ref(), "keras-metadata");
}

proptest! {
    #[test]
    fn a_changed_model_is_judged_without_a_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let nodes = [text_const("c", "/x"), node("s", "SaveV2", &["c"], &attr("dtypes", &field(1, field(6, [1, 2]))))];
        let mut bytes = saved(&graph(&nodes));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        report("saved_model.pb", &bytes);
    }
}
