use crate::Verdict;
use crate::model::testing::{report, rules};

fn config(layer: &str) -> String {
    format!(
        r#"{{"module": "keras", "class_name": "Sequential", "registered_name": null, "config": {{"name": "s", "layers": [
            {{"module": "keras.layers", "class_name": "Dense", "config": {{"units": 2, "activation": "relu", "dtype": {{"module": "keras", "class_name": "DTypePolicy", "config": {{"name": "float32"}}, "registered_name": null}}}}, "registered_name": null}},
            {layer}]}}, "compile_config": {{"optimizer": "adam", "loss": "mse"}}}}"#
    )
}

fn judged(layer: &str) -> (Verdict, Vec<String>) {
    let report = report("config.json", config(layer).as_bytes());
    assert_eq!(report.parts[0].format.as_ref(), "keras-config");
    (report.verdict, rules(&report).into_iter().map(str::to_owned).collect())
}

#[test]
fn layers_of_keras_are_clean() {
    for layer in [
        r#"{"module": "keras.layers", "class_name": "Add", "config": {"name": "a"}, "registered_name": null}"#,
        r#"{"module": "keras.src.ops.numpy", "class_name": "Add", "config": {"name": "a"}, "registered_name": "Add"}"#,
        r#"{"module": "tensorflow.keras.layers", "class_name": "Conv2D", "config": {}, "registered_name": null}"#,
        r#"{"class_name": "Dense", "config": {"activation": {"module": "keras.activations", "class_name": "function", "config": "relu", "registered_name": "relu"}}}"#,
        r#"{"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": ["a", "/etc/passwd", "eval"]}, "registered_name": null}"#,
        r#"{"class_name": "__tensor__", "config": {"value": [1.0], "dtype": "float32"}}"#,
    ] {
        assert_eq!(judged(layer), (Verdict::Clean, Vec::new()), "{layer}");
    }
}

#[test]
fn classes_of_the_models_own_are_doubts() {
    for layer in [
        r#"{"module": null, "class_name": "MyNorm", "config": {"eps": 1e-05}, "registered_name": "my_pkg>MyNorm"}"#,
        r#"{"module": "my_pkg.layers", "class_name": "MyNorm", "config": {}, "registered_name": "my_pkg>MyNorm"}"#,
        r#"{"module": "builtins", "class_name": "function", "config": "my_loss", "registered_name": "function"}"#,
        r#"{"module": "keras_hub.layers", "class_name": "TransformerEncoder", "config": {}, "registered_name": null}"#,
        r#"{"class_name": "Unheard", "config": {}}"#,
    ] {
        assert_eq!(judged(layer), (Verdict::Inconclusive, Vec::new()), "{layer}");
    }
}

#[test]
fn what_runs_reaches_or_loads_is_found() {
    let code = "4wEAAAAAAAAAAAAAAAEAAAACAAAAQw==";
    for (layer, expected) in [
        (r#"{"module": "subprocess", "class_name": "Popen", "config": {}, "registered_name": null}"#.to_owned(), "keras-import"),
        (r#"{"module": "subprocess", "class_name": "Popen", "config": {}, "registered_name": "a>Popen"}"#.to_owned(), "keras-import"),
        (r#"{"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}"#.to_owned(), "keras-import"),
        (r#"{"module": "shutil", "class_name": "function", "config": "rmtree", "registered_name": "function"}"#.to_owned(), "keras-import"),
        (r#"{"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}"#.to_owned(), "keras-gadget"),
        (r#"{"module": "keras.models", "class_name": "function", "config": "load_model", "registered_name": "function"}"#.to_owned(), "keras-gadget"),
        (r#"{"module": "keras.src.saving.saving_lib", "class_name": "Thing", "config": {}, "registered_name": null}"#.to_owned(), "keras-gadget"),
        (r#"{"module": "somebodys_pkg", "class_name": "Run", "config": {}, "registered_name": null}"#.to_owned(), "keras-gadget"),
        (r#"{"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "x"}, "registered_name": null}"#.to_owned(), "keras-code"),
        (r#"{"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "sm"}, "registered_name": null}"#.to_owned(), "keras-gadget"),
        (r#"{"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "file:///etc/passwd"}, "registered_name": null}"#.to_owned(), "keras-file"),
        (r#"{"class_name": "__typespec__", "module": "os", "config": {}, "registered_name": null}"#.to_owned(), "keras-import"),
        (r#"{"class_name": "TFOpLambda", "config": {"name": "t", "function": "io.read_file"}}"#.to_owned(), "keras-gadget"),
        (r#"{"class_name": "TFOpLambda", "config": {"name": "t", "function": "raw_ops.WriteFile"}}"#.to_owned(), "keras-gadget"),
        (r#"{"class_name": "TensorFlowOpLayer", "config": {"node_def": "{\"name\": \"n\", \"op\": \"ReadFile\"}"}}"#.to_owned(), "keras-gadget"),
        (format!(r#"{{"class_name": "Lambda", "config": {{"function": ["{code}", null, null], "function_type": "lambda", "module": "__main__"}}}}"#), "keras-code"),
        (format!(r#"{{"module": "keras.layers", "class_name": "Dense", "config": {{"note": "{code}"}}, "registered_name": null}}"#), "keras-code"),
        (r#"{"module": "keras.layers", "class_name": "Lambda", "config": {"function": "f", "function_type": "function"}, "registered_name": null}"#.to_owned(), "keras-lambda"),
        (r#"{"module": "keras.layers", "module": "os", "class_name": "system", "config": {}, "registered_name": null}"#.to_owned(), "keras-import"),
    ] {
        let (verdict, found) = judged(&layer);
        assert_eq!(verdict, Verdict::Unsafe, "{layer}");
        assert!(found.iter().any(|rule| rule == expected), "{layer}: {found:?}");
    }
}

#[test]
fn lists_within_lists_end() {
    let deep = format!(r#"{{"class_name": "Sequential", "config": {}"#, "[".repeat(5_000));
    let report = report("config.json", deep.as_bytes());
    assert_ne!(report.verdict, Verdict::Clean);
}
