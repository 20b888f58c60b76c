use crate::Verdict;
use crate::model::testing::{report, rules};

fn schema(node: &str) -> String {
    format!(
        r#"{{"__class__": "Pipeline", "__module__": "sklearn.pipeline", "__loader__": "ObjectNode", "content": {{"steps": [{node}]}}, "protocol": 2, "_skops_version": "0.11"}}"#
    )
}

#[test]
fn estimators_arrays_and_trusted_functions_are_clean() {
    for node in [
        r#"{"__class__": "LinearRegression", "__module__": "sklearn.linear_model._base", "__loader__": "ObjectNode"}"#,
        r#"{"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {}}"#,
        r#"{"__class__": "function", "__module__": "builtins", "__loader__": "FunctionNode", "content": {"module_path": "numpy", "function": "add"}}"#,
        r#"{"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "\"eval\"", "is_json": true}"#,
        r#"{"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "1.npy"}"#,
    ] {
        let report = report("schema.json", schema(node).as_bytes());
        assert_eq!(
            (report.verdict, report.parts[0].format.as_ref()),
            (Verdict::Clean, "skops-schema"),
            "{node} {report:?}"
        );
    }
}

#[test]
fn callables_that_run_are_found_and_strangers_are_doubts() {
    for (node, rule) in [
        (
            r#"{"__class__": "function", "__module__": "builtins", "__loader__": "FunctionNode", "content": {"module_path": "os", "function": "system"}}"#,
            "skops-code",
        ),
        (r#"{"__class__": "system", "__module__": "posix", "__loader__": "FunctionNode"}"#, "skops-code"),
        (
            r#"{"__class__": "LinearRegression", "__module__": "sklearn.linear_model._base", "__loader__": "FunctionNode", "content": {"module_path": "subprocess", "function": "Popen"}}"#,
            "skops-code",
        ),
        (
            r#"{"__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode", "attrs": {}}"#,
            "skops-code",
        ),
        (r#"{"__class__": "eval", "__module__": "builtins", "__loader__": "TypeNode"}"#, "skops-code"),
        (
            r#"{"__class__": "run", "__module__": "somebody.tools", "__loader__": "FunctionNode"}"#,
            "skops-unknown-type",
        ),
        (
            r#"{"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy", "file": "../x.npy"}"#,
            "path-outside",
        ),
        (
            r#"{"__class__": "X", "__class__": "system", "__module__": "os", "__loader__": "ObjectNode"}"#,
            "field-given-twice",
        ),
    ] {
        let report = report("schema.json", schema(node).as_bytes());
        assert!(rules(&report).contains(&rule), "{node}: {:?}", report.findings);
    }
    let own = schema(r#"{"__class__": "MyStep", "__module__": "my_pkg.steps", "__loader__": "ObjectNode"}"#);
    assert_eq!(report("schema.json", own.as_bytes()).verdict, Verdict::Inconclusive);
}
