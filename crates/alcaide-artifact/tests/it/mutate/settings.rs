//! Settings that name something to call or to fetch, in JSON and YAML, and ways to write the same.

use serde_json::Value;

use super::random::Random;

/// File, text: what a loader would follow to code of somebody's own, or out of the folder.
pub(crate) const JSON: &[(&str, &str)] = &[
    (
        "config.json",
        r#"{"model_type":"x","auto_map":{"AutoModel":"someone/other--modeling_x.X","AutoConfig":"configuration_x.C"}}"#,
    ),
    (
        "config.json",
        r#"{"architectures":["X"],"auto_map":{"AutoModelForCausalLM":"modeling_x.X"},"hidden":4}"#,
    ),
    (
        "tokenizer_config.json",
        r#"{"tokenizer_class":"X","auto_map":{"AutoTokenizer":["a.B",null]},"model_max_length":1}"#,
    ),
    ("tokenizer_config.json", r#"{"bos_token":"<s>","chat_template":"{{ ''.__class__.__mro__ }}"}"#),
    (
        "tokenizer_config.json",
        r#"{"chat_template":[{"name":"default","template":"a"},{"name":"rag","template":"{{ cycler.__init__.__globals__ }}"}]}"#,
    ),
    (
        "processor_config.json",
        r#"{"chat_template":{"x":"{{ lipsum.__globals__['os'] }}"},"processor_class":"P"}"#,
    ),
    ("adapter_config.json", r#"{"peft_type":"LORA","base_model_name_or_path":"../../x","r":8}"#),
    (
        "adapter_config.json",
        r#"{"auto_mapping":{"parent_library":"os.system","base_model_class":"X"},"r":1}"#,
    ),
    ("modules.json", r#"[{"idx":0,"name":"0","type":"subprocess.Popen","path":""}]"#),
    ("modules.json", r#"[{"idx":0,"type":"sentence_transformers.models.Pooling","path":"../../../x"}]"#),
    (
        "model.safetensors.index.json",
        r#"{"metadata":{},"weight_map":{"a":"../../x.safetensors","b":"y.safetensors"}}"#,
    ),
    ("conf.json", r#"{"model":{"_target_":"builtins.eval","_args_":["1"]}}"#),
    ("state.json", r#"{"py/reduce":[{"py/function":"os.system"},{"py/tuple":["true"]}]}"#),
];

/// A JSON text with its members in another order, other white space and other escapes.
pub(crate) fn json(text: &str, change: &str, random: &mut Random) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    let mut out = String::new();
    if change == "mark" {
        out.push('\u{feff}');
    }
    write(&value, change, random, &mut out);
    if change == "twice" && out.starts_with('{') {
        // The last one holds for most readers, the first for some.
        let name = value.as_object().and_then(|all| all.keys().next()).cloned().unwrap_or_default();
        return if random.once_in(2) {
            format!("{{{name:?}: null, {}", &out[1..])
        } else {
            format!("{}, {name:?}: null}}", &out[..out.len() - 1])
        };
    }
    out
}

/// Kinds of changes to JSON.
pub(crate) const JSON_CHANGES: &[&str] = &["order", "space", "escapes", "twice", "mark", "nested", "all"];

fn write(value: &Value, change: &str, random: &mut Random, out: &mut String) {
    let on = |one: &str| change == one || change == "all";
    let space = |random: &mut Random, out: &mut String| {
        if on("space") {
            (0..random.below(3)).for_each(|_| out.push_str(random.pick(&[" ", "\n", "\t", "\r\n"])));
        }
    };
    match value {
        Value::Object(all) => {
            let mut all: Vec<_> = all.iter().collect();
            if on("order") {
                random.shuffle(&mut all);
            }
            out.push('{');
            for (count, (key, value)) in all.into_iter().enumerate() {
                if count > 0 {
                    out.push(',');
                }
                space(random, out);
                quoted(key, on("escapes"), random, out);
                space(random, out);
                out.push(':');
                space(random, out);
                write(value, change, random, out);
            }
            space(random, out);
            out.push('}');
        }
        Value::Array(all) => {
            out.push('[');
            for (count, value) in all.iter().enumerate() {
                if count > 0 {
                    out.push(',');
                }
                space(random, out);
                write(value, change, random, out);
            }
            out.push(']');
        }
        Value::String(text) => quoted(text, on("escapes"), random, out),
        other => out.push_str(&other.to_string()),
    }
}

fn quoted(text: &str, escapes: bool, random: &mut Random, out: &mut String) {
    out.push('"');
    for one in text.chars() {
        let plain = one >= ' ' && !matches!(one, '"' | '\\');
        if plain && !(escapes && random.once_in(3)) {
            out.push(one);
            continue;
        }
        if one == '/' && random.once_in(2) {
            out.push_str("\\/");
            continue;
        }
        let upper = random.once_in(2);
        for unit in one.encode_utf16(&mut [0; 2]) {
            out.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
        }
    }
    out.push('"');
}

/// What a YAML loader would make or call, with the words of a tag.
pub(crate) const TAGS: &[(&str, &str)] = &[
    ("object/apply:os.system", "['true']"),
    ("object/apply:subprocess.check_output", "[['true']]"),
    ("object/new:os.system", "['true']"),
    ("object:evil.Thing", "{a: 1}"),
    ("name:os.system", "''"),
    ("module:antigravity", "''"),
    ("object/apply:builtins.eval", "['1']"),
];

/// What a framework that builds objects from settings would call.
pub(crate) const TARGETS: &[&str] =
    &["os.system", "subprocess.run", "builtins.exec", "torch.hub.load", "pickle.loads", "runpy.run_path"];

/// Kinds of changes to YAML.
pub(crate) const YAML_CHANGES: &[&str] =
    &["plain", "%TAG", "verbatim", "escaped", "flow", "anchored", "documents", "deep", "lines", "bang"];

/// A file with a tag in it.
pub(crate) fn tagged((tag, content): (&str, &str), change: &str, random: &mut Random) -> String {
    let key = random.pick(&["model", "a b", "\"q\"", "'s'", "x-y"]);
    match change {
        "%TAG" => {
            let handle = random.pick(&["!p!", "!", "!py2!", "!!"]);
            let prefix = if handle == "!!" {
                "tag:yaml.org,2002:python/"
            } else {
                random.pick(&["tag:yaml.org,2002:python/", "tag:yaml.org,2002:py"])
            };
            let rest = if prefix.ends_with("py") { format!("thon/{tag}") } else { tag.to_owned() };
            format!("%YAML 1.1\n%TAG {handle} {prefix}\n---\n{key}: {handle}{rest} {content}\n")
        }
        "verbatim" => format!("{key}: !<tag:yaml.org,2002:python/{tag}> {content}\n"),
        "escaped" => {
            let mut out = String::new();
            for byte in format!("python/{tag}").bytes() {
                if random.once_in(3) {
                    out += &format!("%{byte:02x}");
                } else {
                    out.push(byte as char);
                }
            }
            format!("{key}: !!{out} {content}\n")
        }
        "flow" => format!("{{a: [1, {{b: !!python/{tag} {content}}}], c: d}}\n"),
        "anchored" => match random.below(3) {
            0 => format!("a: &a !!python/{tag} {content}\nb: *a\n"),
            1 => format!("a: !!python/{tag} &a {content}\nb: {{<<: *a}}\n"),
            _ => format!("base: &b\n  x: !!python/{tag} {content}\nc:\n  <<: *b\n"),
        },
        "documents" => format!("a: 1\n---\nb: 2\n...\n---\n{key}: !!python/{tag} {content}\n"),
        "deep" => {
            let depth = 2 + random.below(12);
            let mut out = String::new();
            for level in 0..depth {
                out += &format!("{}k{level}:\n", "  ".repeat(level));
            }
            format!("{out}{}- !!python/{tag} {content}\n", "  ".repeat(depth))
        }
        "lines" => match random.below(4) {
            0 => format!("{key}:\r\n  !!python/{tag}\r\n  {content}\r\n"),
            1 => format!("? a\n: !!python/{tag}\n  {content}\n"),
            2 => format!("# a\n\n{key}: # b\n  !!python/{tag} # c\n  {content}\n"),
            _ => format!("? !!python/{tag} {content}\n: b\n"),
        },
        "bang" => format!("\u{feff}--- !!python/{tag}\n{content}\n"),
        _ => format!("{key}: !!python/{tag} {content}\n"),
    }
}

/// A file that names a target to call.
pub(crate) fn targeted(target: &str, change: &str, random: &mut Random) -> String {
    let escaped = |random: &mut Random| -> String {
        target
            .bytes()
            .map(|byte| if random.once_in(2) { format!("\\x{byte:02x}") } else { (byte as char).to_string() })
            .collect()
    };
    match change {
        "escaped" => format!("model:\n  _target_: \"{}\"\n  a: 1\n", escaped(random)),
        "flow" => match random.below(3) {
            0 => format!("model: {{a: 1, _target_: {target}}}\n"),
            1 => format!("[{{\"_target_\": '{target}'}}]\n"),
            _ => format!("{{\"model\": {{\"_target_\":\"{target}\", \"x\": [1]}}}}\n"),
        },
        "anchored" => match random.below(3) {
            0 => format!("t: &t {target}\nmodel:\n  _target_: *t\n"),
            1 => format!("base: &b\n  _target_: {target}\nmodel:\n  <<: *b\n  a: 1\n"),
            _ => format!("k: &k _target_\nmodel:\n  *k : {target}\n"),
        },
        "documents" => format!("a: 1\n---\nmodel:\n  _target_: {target}\n"),
        "deep" => {
            let depth = 2 + random.below(12);
            let mut out = String::new();
            for level in 0..depth {
                out += &format!("{}k{level}:\n", "  ".repeat(level));
            }
            format!("{out}{}- _target_: {target}\n", "  ".repeat(depth))
        }
        "lines" => match random.below(5) {
            0 => format!("model:\n  _target_: >-\n    {target}\n"),
            1 => format!("model:\n  _target_: |-\n    {target}\n"),
            2 => format!("model:\n  ? _target_\n  : {target}\n"),
            3 => format!("model:\n  _target_:\n    {target}\n"),
            _ => format!("model:\r\n  '_target_' :   '{target}' # x\r\n"),
        },
        "%TAG" => format!("%YAML 1.2\n---\nmodel:\n  !!str _target_: !!str {target}\n"),
        "verbatim" => format!("model:\n  _target_: !<tag:yaml.org,2002:str> {target}\n"),
        "bang" => format!("\u{feff}model:\n  _target_: ! {target}\n"),
        _ => format!("model:\n  _target_: {target}\n  _args_: ['true']\n"),
    }
}
