//! Judges Keras configurations: `config.json` of a `.keras` archive, `model_config` of HDF5, metadata of saved models.
//!
//! An object of a configuration names a module and a class, and the loader imports both. Allowed are Keras's own places
//! for layers and what belongs to them; a class of the model's own is a doubt, as only its program can tell; everything
//! else is a finding, whatever its name.

use alcaide_graph::Fault;

use super::json::{Json, NotJson};
use super::python::{Effect, effect, is_within, runs_by_name};
use super::{content, paths, rules};
use crate::rules::Rule;
use crate::scanner::{Scanner, shown};

/// Judges `text`, which lies at `at` of the part that is open and is reached by `within`.
///
/// # Errors
/// [`Fault::Read`] if the budget is spent.
pub(super) fn judge_text(scanner: &mut Scanner, text: &[u8], at: u64, within: &str) -> Result<(), Fault> {
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    match Json::read(text, &scanner.fuel().clone()) {
        Ok(config) => {
            judge(scanner, &config, at, within);
            Ok(())
        }
        Err(NotJson::Deep { at: inner }) => {
            scanner.find(
                &rules::DEEP,
                Some(at + inner as u64),
                Some(within),
                "lists and maps within each other",
            );
            Ok(())
        }
        Err(NotJson::Broken { at: inner, why }) => {
            scanner.doubt(&rules::JSON_BROKEN, Some(at + inner as u64), why);
            Ok(())
        }
        Err(NotJson::Spent(spent)) => Err(spent.into()),
    }
}

/// Judges every object of `config`.
pub(super) fn judge(scanner: &mut Scanner, config: &Json, at: u64, within: &str) {
    let mut judge = Judge { scanner, at, within };
    config.walk(&mut |pointer, value| judge.value(pointer, value));
}

struct Judge<'a> {
    scanner: &'a mut Scanner,
    at: u64,
    within: &'a str,
}

impl Judge<'_> {
    fn find(&mut self, rule: &'static Rule, pointer: &str, evidence: String) {
        let pointer = format!("{}{pointer}", self.within);
        self.scanner.find(rule, Some(self.at), Some(&pointer), evidence);
    }

    fn doubt(&mut self, evidence: String) {
        self.scanner.doubt(&rules::KERAS_CUSTOM, Some(self.at), evidence);
    }

    fn value(&mut self, pointer: &str, value: &Json) {
        match value {
            Json::Map(entries) => {
                if let Some(key) = value.twice() {
                    self.find(&rules::TWICE, pointer, format!("the key `{}`", shown(key)));
                }
                let named =
                    ["class_name", "module", "registered_name"].iter().any(|key| value.at(key).is_some());
                if named {
                    // A key that comes twice may hide one reading behind the other.
                    for class in texts(entries, "class_name") {
                        for module in texts(entries, "module") {
                            self.object(pointer, value, class, module);
                        }
                    }
                }
            }
            Json::Text(text) => self.text(pointer, text),
            _ => {}
        }
    }

    fn object(&mut self, pointer: &str, object: &Json, class: Option<&str>, module: Option<&str>) {
        let config = object.at("config");
        let class = class.unwrap_or_default();
        let bare = class.rsplit(['>', '.']).next().unwrap_or(class);
        match bare {
            "__lambda__" => {
                return self.find(&rules::KERAS_CODE, pointer, "a lambda as compiled code".to_owned());
            }
            "Lambda" => self.lambda(pointer, object),
            "TorchModuleWrapper" => {
                return self.find(&rules::KERAS_CODE, pointer, "a layer that unpickles a module".to_owned());
            }
            "TFSMLayer" | "JaxLayer" | "FlaxLayer" => {
                self.find(
                    &rules::KERAS_GADGET,
                    pointer,
                    format!("layer {bare}, which loads another program"),
                );
            }
            "StringLookup" | "IntegerLookup" | "TextVectorization" | "IndexLookup" | "Hashing"
            | "CategoryEncoding" => {
                self.vocabulary(pointer, config);
            }
            "TFOpLambda" | "SlicingOpLambda" | "ClassMethod" | "InstanceMethod" | "InstanceProperty" => {
                self.operator(pointer, config);
            }
            "TensorFlowOpLayer" => self.node(pointer, config),
            _ => {}
        }
        let function = matches!(class, "function" | "builtin_function_or_method" | "type" | "method");
        let name = match (function, config) {
            (true, Some(Json::Text(name))) => name.as_str(),
            _ => class,
        };
        if class == "__typespec__" {
            // Its module is imported and its name taken from there.
            if let Some(module) = module.filter(|module| !is_within(module, "tensorflow")) {
                self.find(&rules::KERAS_IMPORT, pointer, format!("a type of module `{}`", shown(module)));
            }
            return;
        }
        if class.starts_with("__") && class.ends_with("__") && module.is_none() {
            return;
        }
        let registered = object.text_at("registered_name");
        match module {
            Some(module) if !module.is_empty() => self.import(pointer, module, name, function, registered),
            _ => self.unplaced(pointer, name, function, registered),
        }
    }

    /// An object that names the module it comes from.
    fn import(&mut self, pointer: &str, module: &str, name: &str, function: bool, registered: Option<&str>) {
        let told = format!("`{}` of module `{}`", shown(name), shown(module));
        if let Some(place) = of_keras(module) {
            let allowed = PLACES.contains(&place);
            let gadget = GADGETS.contains(&name)
                || runs_by_name(name)
                || (function
                    && !FUNCTION_PLACES.contains(&place)
                    && name.starts_with(|one: char| one.is_ascii_lowercase()));
            if !allowed || gadget {
                self.find(&rules::KERAS_GADGET, pointer, told);
            }
            return;
        }
        if module == "builtins" || module == "__main__" || module == "__builtin__" {
            match function {
                // This is how a function of the model's own is written: by name alone.
                true if !runs_by_name(name) && !BUILTIN_FUNCTIONS.contains(&name) => self.doubt(told),
                false if module == "builtins" && VALUE_TYPES.contains(&name) => {}
                false if module == "__main__" && !runs_by_name(name) => self.doubt(told),
                _ => self.find(&rules::KERAS_IMPORT, pointer, told),
            }
            return;
        }
        match effect(module) {
            Effect::Runs | Effect::Reaches => self.find(&rules::KERAS_IMPORT, pointer, told),
            Effect::Unknown if runs_by_name(name) => self.find(&rules::KERAS_IMPORT, pointer, told),
            Effect::Unknown => match registered {
                Some(registered) if registered.contains('>') && !function => self.doubt(told),
                _ if NEIGHBOURS.iter().any(|neighbour| is_within(module, neighbour)) => self.doubt(told),
                _ => self.find(&rules::KERAS_GADGET, pointer, told),
            },
        }
    }

    /// An object that names no module: one of Keras, or one that the loading program registered.
    fn unplaced(&mut self, pointer: &str, name: &str, function: bool, registered: Option<&str>) {
        let bare = name.rsplit(['>', '.']).next().unwrap_or(name);
        if GADGETS.contains(&bare) || runs_by_name(bare) {
            self.find(&rules::KERAS_GADGET, pointer, format!("`{}`", shown(name)));
        } else if registered.is_some_and(|registered| registered.contains('>')) || name.contains('>') {
            let registered = registered.unwrap_or(name);
            self.doubt(format!("a class that is registered as `{}`", shown(registered)));
        } else if function {
            self.doubt(format!("a function called `{}`", shown(name)));
        } else if !name.is_empty() && !super::packs::KERAS_CLASSES.has(bare) {
            self.doubt(format!("a class called `{}`", shown(name)));
        }
    }

    fn lambda(&mut self, pointer: &str, object: &Json) {
        let config = object.at("config");
        let mut code = false;
        for key in ["function", "output_shape", "mask"] {
            match config.and_then(|config| config.at(key)) {
                // The older form: code, defaults and closure in a list.
                Some(Json::List(parts)) if matches!(parts.first(), Some(Json::Text(_))) => code = true,
                Some(Json::Text(text)) if marshalled(text) => code = true,
                Some(map @ Json::Map(_)) if map.text_at("class_name") == Some("__lambda__") => code = true,
                _ => {}
            }
        }
        match code {
            true => self.find(&rules::KERAS_CODE, pointer, "a Lambda layer with compiled code".to_owned()),
            false => self.find(&rules::KERAS_LAMBDA, pointer, "a Lambda layer".to_owned()),
        }
    }

    fn vocabulary(&mut self, pointer: &str, config: Option<&Json>) {
        for key in ["vocabulary", "idf_weights", "vocabulary_file"] {
            if let Some(Json::Text(path)) = config.and_then(|config| config.at(key))
                && !path.is_empty()
            {
                self.find(&rules::KERAS_FILE, pointer, format!("{key} from the file `{}`", shown(path)));
            }
        }
    }

    /// A layer that is a call of TensorFlow's interface.
    fn operator(&mut self, pointer: &str, config: Option<&Json>) {
        let Some(name) =
            config.and_then(|config| config.text_at("function").or_else(|| config.text_at("symbol")))
        else {
            return;
        };
        let lower = name.to_ascii_lowercase();
        let raw = name.strip_prefix("raw_ops.").or_else(|| name.strip_prefix("tf.raw_ops."));
        let reaches = [
            "io.",
            "tf.io.",
            "py_func",
            "numpy_function",
            "load_",
            "saved_model",
            "compat.v1.py_func",
            "data.",
            "summary",
            "autograph",
            "config.",
            "distribute",
            "experimental.dtensor",
            "print",
            "debugging",
            "profiler",
            "sysconfig",
            "train.",
            "keras.utils",
            "test.",
        ]
        .iter()
        .any(|bad| lower.starts_with(bad) || lower.contains(&format!(".{bad}")));
        if reaches || raw.is_some_and(super::tensorflow::reaches) {
            self.find(&rules::KERAS_GADGET, pointer, format!("a call of `{}`", shown(name)));
        }
    }

    fn node(&mut self, pointer: &str, config: Option<&Json>) {
        let node = config.and_then(|config| config.at("node_def"));
        let operator = match node {
            Some(Json::Text(text)) => match Json::read(text.as_bytes(), self.scanner.fuel()) {
                Ok(node) => node.text_at("op").map(str::to_owned),
                Err(_) => None,
            },
            Some(node) => node.text_at("op").map(str::to_owned),
            None => None,
        };
        match operator {
            Some(operator) if super::tensorflow::reaches(&operator) => {
                self.find(&rules::KERAS_GADGET, pointer, format!("operator {}", shown(&operator)));
            }
            Some(_) => {}
            None => self.doubt("a layer around an operator that cannot be read".to_owned()),
        }
    }

    fn text(&mut self, pointer: &str, text: &str) {
        if marshalled(text) {
            self.find(&rules::KERAS_CODE, pointer, "compiled Python code in base64".to_owned());
        } else if let Some(what) = content::code(text.as_bytes()) {
            self.find(&rules::CODE_IN_TEXT, pointer, what.to_owned());
        }
        let key = pointer.rsplit('/').next().unwrap_or_default();
        let names_file = matches!(
            key,
            "filepath" | "file_path" | "filename" | "origin" | "cache_dir" | "vocabulary_file" | "path"
        );
        if names_file && (paths::leads_outside(text.as_bytes()).is_some() || paths::scheme(text).is_some()) {
            self.find(&rules::KERAS_FILE, pointer, format!("{key} `{}`", shown(text)));
        }
    }
}

/// Texts of a key, each time that it comes; one nothing if it never does.
fn texts<'a>(entries: &'a [(String, Json)], key: &str) -> Vec<Option<&'a str>> {
    let found: Vec<_> = entries
        .iter()
        .filter(|(name, _)| name == key)
        .map(|(_, value)| match value {
            Json::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .take(8)
        .collect();
    match found.is_empty() {
        true => vec![None],
        false => found,
    }
}

/// The place within Keras that a module is, such as `layers`; empty for Keras itself.
fn of_keras(module: &str) -> Option<&str> {
    let rest = ["tensorflow.python.keras", "tensorflow.keras", "tf_keras", "keras_core", "keras"]
        .iter()
        .find(|root| is_within(module, root))
        .and_then(|root| module.get(root.len()..))?;
    let mut parts = rest
        .trim_start_matches('.')
        .split('.')
        .filter(|part| !matches!(*part, "src" | "api" | "_tf_keras" | "_v2" | "keras"));
    Some(parts.next().unwrap_or_default())
}

/// Whether `text` is base64 of Python's marshalled code: its first byte is the type `code`, with or without a reference.
fn marshalled(text: &str) -> bool {
    let plain: Vec<u8> = text.bytes().filter(|one| !one.is_ascii_whitespace()).take(64).collect();
    let first = match plain.get(..8) {
        Some(first) => first,
        None => return false,
    };
    let long = text.len() >= 24;
    let alphabet = plain
        .iter()
        .all(|one| one.is_ascii_alphanumeric() || matches!(one, b'+' | b'/' | b'=' | b'-' | b'_'));
    // 0xe3 or 0x63, then small counts of arguments: the top bytes of four-byte numbers are nought.
    long && alphabet
        && (first.starts_with(b"4w") || first.starts_with(b"Yw"))
        && matches!(
            first.get(2..6),
            Some([b'A' | b'E' | b'I' | b'M' | b'Q' | b'U', b'A' | b'Q' | b'g' | b'w', b'A', b'A'])
        )
}

/// Places of Keras from which configurations take objects.
const PLACES: &[&str] = &[
    "",
    "activations",
    "constraints",
    "dtype_policies",
    "engine",
    "initializers",
    "layers",
    "legacy",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "quantizers",
    "random",
    "regularizers",
    "schedules",
    "feature_column",
    "premade_models",
];

/// Places of Keras whose functions are plain mathematics.
const FUNCTION_PLACES: &[&str] =
    &["activations", "constraints", "initializers", "losses", "metrics", "ops", "regularizers"];

/// Names within Keras that load files, code or other models.
const GADGETS: &[&str] = &[
    "get_file",
    "load_model",
    "load_weights",
    "load_img",
    "save_model",
    "save_img",
    "model_from_json",
    "model_from_yaml",
    "model_from_config",
    "deserialize",
    "deserialize_keras_object",
    "enable_unsafe_deserialization",
    "func_load",
    "func_dump",
    "import_module",
    "SavedModel",
    "TFSMLayer",
    "text_dataset_from_directory",
    "image_dataset_from_directory",
    "audio_dataset_from_directory",
    "unpack_x_y_sample_weight",
    "plot_model",
    "disable_interactive_logging",
    "custom_object_scope",
    "CustomObjectScope",
    "LambdaCallback",
    "ModelCheckpoint",
    "CSVLogger",
    "TensorBoard",
    "RemoteMonitor",
    "BackupAndRestore",
    "SwapEMAWeights",
    "ExportArchive",
    "FileEditor",
    "KerasFileEditor",
    "run_in_background",
    "save_weights",
    "Popen",
];

/// Types of `builtins` that hold values.
const VALUE_TYPES: &[&str] = &[
    "bool",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "set",
    "slice",
    "str",
    "tuple",
];

/// Functions of `builtins` that a loss or a metric is never called.
const BUILTIN_FUNCTIONS: &[&str] = &[
    "print",
    "help",
    "memoryview",
    "type",
    "super",
    "object",
    "exit",
    "quit",
    "dir",
    "id",
    "iter",
    "next",
    "map",
    "filter",
];

/// Libraries of layers beside Keras; their classes are doubts until a pack knows them.
const NEIGHBOURS: &[&str] = &[
    "keras_hub",
    "keras_nlp",
    "keras_cv",
    "keras_tuner",
    "tensorflow_addons",
    "tensorflow_hub",
    "tensorflow_text",
    "tensorflow_model_optimization",
    "tensorflow_probability",
    "tensorflow_recommenders",
    "tensorflow_decision_forests",
    "qkeras",
    "larq",
    "spektral",
    "kerastuner",
    "autokeras",
    "official",
    "object_detection",
    "ml_dtypes",
    "numpy",
    "tensorflow",
];

#[cfg(test)]
mod tests;
