use proptest::prelude::*;

use crate::Verdict;
use crate::model::testing::{field, number, report, rules};

fn entry(key: &str, value: &str) -> Vec<u8> {
    [field(1, key), field(2, value)].concat()
}

fn node(operator: &str, domain: &str) -> Vec<u8> {
    [field(1, "x"), field(2, "y"), field(3, "n"), field(4, operator), field(7, domain)].concat()
}

fn model(graph: &[u8]) -> Vec<u8> {
    [number(1, 8), field(2, "maker"), field(7, graph), field(8, [field(1, ""), number(2, 17)].concat())]
        .concat()
}

fn tensor(rest: &[u8]) -> Vec<u8> {
    [number(1, 2), number(1, 2), number(2, 1), field(8, "w"), rest.to_vec()].concat()
}

fn external(location: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut entries = field(13, entry("location", location));
    for (key, value) in more {
        entries.extend(field(13, entry(key, value)));
    }
    tensor(&[entries, number(14, 1)].concat())
}

fn attribute(name: &str, rest: &[u8]) -> Vec<u8> {
    field(5, [field(1, name), rest.to_vec()].concat())
}

fn found(graph: &[u8]) -> Vec<String> {
    rules(&report("m.onnx", &model(graph))).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_plain_model_is_clean_and_all_of_it_is_seen() {
    let graph = [
        field(1, node("MatMul", "")),
        field(1, node("FusedMatMul", "com.microsoft")),
        field(5, tensor(&field(9, [0; 16]))),
    ]
    .concat();
    let report = report("anything", &model(&graph));
    assert_eq!(report.verdict, Verdict::Clean, "{report:?}");
    assert_eq!(report.parts[0].format.as_ref(), "onnx");
    assert_eq!(report.parts[0].coverage.payload, 16);
}

#[test]
fn external_data_must_stay_in_the_folder_wherever_the_tensor_is() {
    let good = external("w.bin", &[("offset", "0"), ("length", "16")]);
    assert!(found(&field(5, &good)).is_empty());
    let bad = external("../w.bin", &[]);
    let inner = [field(1, node("Relu", "")), field(5, &bad)].concat();
    let places = [
        ("initialiser", field(5, &bad)),
        ("constant", field(1, [node("Constant", ""), attribute("value", &field(5, &bad))].concat())),
        ("list of tensors", field(1, [node("Constant", ""), attribute("value", &field(10, &bad))].concat())),
        ("sparse values", field(15, field(1, &bad))),
        ("sparse indices", field(15, field(2, &bad))),
        (
            "sparse attribute",
            field(1, [node("Constant", ""), attribute("value", &field(22, field(1, &bad)))].concat()),
        ),
        ("branch", field(1, [node("If", ""), attribute("then_branch", &field(6, &inner))].concat())),
        ("graphs", field(1, [node("Loop", ""), attribute("bodies", &field(11, &inner))].concat())),
    ];
    for (place, graph) in places {
        assert_eq!(found(&graph), ["path-outside"], "{place}");
    }
    let function = [
        field(1, "F"),
        field(10, "my"),
        field(7, [node("Constant", ""), attribute("value", &field(5, &bad))].concat()),
    ]
    .concat();
    let with_function = [model(&[]), field(25, function)].concat();
    assert_eq!(rules(&report("m.onnx", &with_function)), ["path-outside"]);
    let training = [model(&[]), field(20, field(1, &inner))].concat();
    assert_eq!(rules(&report("m.onnx", &training)), ["path-outside"]);
}

#[test]
fn a_range_of_external_data_must_be_one() {
    for more in [
        &[("offset", "-1")][..],
        &[("offset", "18446744073709551615")],
        &[("offset", "9223372036854775807")],
        &[("length", "15")],
        &[("length", "x")],
        &[("offset", "")],
    ] {
        assert_eq!(found(&field(5, external("w.bin", more))), ["external-range-broken"], "{more:?}");
    }
    assert_eq!(found(&field(5, tensor(&number(14, 1)))), ["external-range-broken"]);
    let twice = [external("w.bin", &[]), field(9, [0; 16])].concat();
    assert_eq!(found(&field(5, twice)), ["field-given-twice"]);
}

#[test]
fn operators_are_judged_by_what_they_reach() {
    for (operator, domain, expected) in [
        ("PyOp", "ai.onnx.contrib", "onnx-script-operator"),
        ("PythonOp", "com.microsoft", "onnx-script-operator"),
        ("py_func", "my.own", "onnx-script-operator"),
        ("AzureTextToText", "com.microsoft.extensions", "onnx-reaching-operator"),
        ("SystemExec", "evil.ops", "onnx-foreign-operator"),
    ] {
        assert_eq!(found(&field(1, node(operator, domain))), [expected], "{operator}");
    }
    let unknown = report("m.onnx", &model(&field(1, node("Novel", "com.microsoft"))));
    assert_eq!(unknown.verdict, Verdict::Inconclusive);
    let function = [field(1, "F"), field(7, node("Relu", "")), field(10, "my.own")].concat();
    let own = [model(&field(1, node("F", "my.own"))), field(25, &function)].concat();
    assert_eq!(report("m.onnx", &own).verdict, Verdict::Clean);
    let other = [model(&field(1, node("G", "my.own"))), field(25, &function)].concat();
    assert_eq!(rules(&report("m.onnx", &other)), ["onnx-foreign-operator"]);
}

#[test]
fn sizes_must_be_true() {
    let sized = |dims: &[u64], rest: Vec<u8>| {
        let dims: Vec<u8> = dims.iter().flat_map(|size| number(1, *size)).collect();
        field(5, [dims, number(2, 1), rest].concat())
    };
    assert_eq!(found(&sized(&[1 << 40, 1 << 40], field(9, [0; 4]))), ["size-overflow"]);
    assert_eq!(found(&sized(&[u64::MAX], field(9, [0; 4]))), ["size-overflow"]);
    assert_eq!(found(&sized(&[3], field(9, [0; 8]))), ["length-mismatch"]);
    assert_eq!(found(&sized(&[1 << 30], Vec::new())), ["length-mismatch"]);
    assert_eq!(found(&sized(&[2], field(4, [0; 12]))), ["length-mismatch"]);
    assert!(found(&sized(&[2], field(4, [0; 8]))).is_empty());
    assert!(found(&sized(&[0], Vec::new())).is_empty());
}

#[test]
fn what_does_not_belong_in_a_model_is_told() {
    let mut library = vec![0; 64];
    library[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    let raw = [number(1, 64), number(2, 2), field(9, &library)].concat();
    assert_eq!(found(&field(5, raw)), ["executable-within"]);
    let meta = [model(&[]), field(14, entry("init", "__import__('os').system('x')"))].concat();
    assert_eq!(rules(&report("m.onnx", &meta)), ["code-in-text"]);
    let twice = field(1, [node("Relu", ""), field(4, "PyOp")].concat());
    assert_eq!(found(&twice), ["onnx-script-operator", "field-given-twice"]);
    let unknown = report("m.onnx", &[model(&[]), field(99, "hidden")].concat());
    assert_eq!((unknown.verdict, unknown.parts[0].coverage.opaque), (Verdict::Inconclusive, 9));
    let cut = model(&field(5, tensor(&field(9, [0; 16]))));
    assert_eq!(rules(&report("m.onnx", &cut[..cut.len() - 3])), ["structure-broken"]);
}

#[test]
fn depth_is_told_once_and_what_is_deep_is_still_judged() {
    let mut graph = field(1, node("PyOp", "x"));
    for _ in 0..60 {
        graph = field(1, [node("If", ""), attribute("then_branch", &field(6, &graph))].concat());
    }
    assert_eq!(found(&graph), ["onnx-script-operator", "nested-too-deep"]);
}

proptest! {
    #[test]
    fn a_changed_model_is_judged_without_a_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let graph = [
            field(1, [node("If", ""), attribute("then_branch", &field(6, field(5, external("w.bin", &[("offset", "0")]))))].concat()),
            field(5, tensor(&field(9, [0; 16]))),
            field(15, field(1, tensor(&field(4, [0; 16])))),
        ].concat();
        let mut bytes = model(&graph);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        report("m.onnx", &bytes);
    }
}
