//! Judges texts that are programs or parameters of a model: TorchScript's code and LightGBM's trees.

use alcaide_container::Input;
use alcaide_graph::{Cursor, Fault};

use super::{content, rules};
use crate::coverage::Kind;
use crate::scanner::{Scanner, shown};

const BYTES_MAX: usize = 64 << 20;

/// Whether `name` is that of code in a TorchScript archive.
pub(super) fn is_torchscript(name: &str) -> bool {
    name.ends_with(".py") && (name.contains("/code/") || name.starts_with("code/"))
}

/// Whether `head` begins LightGBM's text.
pub(super) fn is_lightgbm(head: &[u8]) -> bool {
    (head.starts_with(b"tree\nversion=") || head.starts_with(b"tree\r\nversion="))
        && content::holds(head, b"num_class=")
}

/// Judges code that TorchScript runs itself: calls of operators, classes and numbers; it imports nothing.
pub(super) fn torchscript(scanner: &mut Scanner, input: &dyn Input) -> Result<(), Fault> {
    let Some(text) = whole(scanner, input)? else { return Ok(()) };
    let mut at = 0_u64;
    for line in text.split_inclusive(|one| *one == b'\n') {
        scanner.fuel().step(1)?;
        let here = String::from_utf8_lossy(line);
        let code = here.split('#').next().unwrap_or_default();
        let trimmed = code.trim_start();
        let foreign = ["import ", "from ", "exec(", "eval(", "global ", "lambda ", "async ", "yield ", "@"]
            .iter()
            .any(|word| trimmed.starts_with(word))
            || ["__import__", "__builtins__", "__globals__", "__subclasses__", "os.system", "subprocess."]
                .iter()
                .any(|word| code.contains(word));
        if foreign {
            scanner.find(&rules::SCRIPT_FOREIGN, Some(at), None, shown(here.trim()));
        }
        for (start, _) in code.match_indices("ops.") {
            let boundary = code
                .get(..start)
                .is_none_or(|before| !before.ends_with(|one: char| one.is_alphanumeric() || one == '_'));
            let rest = code.get(start + 4..).unwrap_or_default();
            let space: String = rest.chars().take_while(|one| one.is_alphanumeric() || *one == '_').collect();
            if boundary && !space.is_empty() && !SPACES.contains(&space.as_str()) {
                scanner.find(
                    &rules::SCRIPT_REACH,
                    Some(at),
                    None,
                    format!("operators of `{}`", shown(&space)),
                );
            }
        }
        for name in REACHES {
            if code.contains(name) {
                scanner.find(&rules::SCRIPT_REACH, Some(at), None, format!("a call of `{name}`"));
            }
        }
        at += line.len() as u64;
    }
    scanner.cover(0..input.len(), Kind::Parsed);
    Ok(())
}

/// Name spaces of operators that the library and its companions bring.
const SPACES: &[&str] = &[
    "aten",
    "prim",
    "prims",
    "torch",
    "quantized",
    "torchvision",
    "torchaudio",
    "torch_sparse",
    "torch_scatter",
    "torch_cluster",
    "torch_geometric",
    "_caffe2",
    "sparse",
    "xnnpack",
    "prepacked",
    "mkldnn",
    "static_runtime",
    "fb",
    "fbgemm",
];

/// Operators of the library that open files, and names that are not operators of tensors at all.
const REACHES: &[&str] = &[
    "torch.from_file(",
    "torch.save(",
    "torch.load(",
    "aten.from_file(",
    "aten.save(",
    "torch.ops.load_library",
    "torch._C.",
    "torch.hub.",
    "torch.utils.",
    "torch.package.",
    "torch.distributed.",
    "rpc_async(",
    "rpc_sync(",
];

/// Judges LightGBM's text: every line is a name with a value, a heading or nothing.
pub(super) fn lightgbm(scanner: &mut Scanner, input: &dyn Input) -> Result<(), Fault> {
    let Some(text) = whole(scanner, input)? else { return Ok(()) };
    let mut at = 0_u64;
    for line in text.split_inclusive(|one| *one == b'\n') {
        scanner.fuel().step(1)?;
        let end = at + line.len() as u64;
        let here = line.trim_ascii();
        let plain = std::str::from_utf8(here).is_ok_and(|here| {
            let named = here.split_once('=').or_else(|| here.split_once(':')).is_some_and(|(name, _)| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|one| one.is_ascii_alphanumeric() || matches!(one, b'_' | b'[' | b'-' | b' '))
            });
            !here.contains(|one: char| one.is_control() && one != '\t')
                && (named
                    || here.is_empty()
                    || matches!(
                        here,
                        "tree" | "average_output" | "end of trees" | "end of parameters" | "parameters:"
                    ))
        });
        if plain {
            scanner.cover(at..end, Kind::Parsed);
        }
        if let Some(what) = content::code(here) {
            scanner.find(&rules::CODE_IN_TEXT, Some(at), None, what);
        }
        at = end;
    }
    Ok(())
}

fn whole(scanner: &mut Scanner, input: &dyn Input) -> Result<Option<Vec<u8>>, Fault> {
    let (text, whole) = Cursor::new(input).bytes(&(0..input.len()), BYTES_MAX)?;
    if !whole {
        scanner.doubt(&rules::JSON_BROKEN, None, "a text that is too large to be held");
        return Ok(None);
    }
    if std::str::from_utf8(&text).is_err() {
        scanner.find(&rules::BROKEN, None, None, "a text that is no UTF-8");
        return Ok(None);
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use crate::Verdict;
    use crate::model::testing::{report, rules};

    #[test]
    fn code_of_an_exporter_is_clean_and_other_code_is_not() {
        let plain = "class M(Module):\n  __parameters__ = []\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n    _0 = ops.quantized.linear(x)\n    return torch.relu(x)\n";
        let seen = report("a/code/__torch__.py", plain.as_bytes());
        assert_eq!(
            (seen.verdict, seen.parts[0].format.as_ref()),
            (Verdict::Clean, "torchscript"),
            "{seen:?}"
        );
        for (line, rule) in [
            ("    _0 = ops.evil.run(x)\n", "torchscript-reaching-call"),
            ("    _0 = torch.from_file(\"/etc/passwd\")\n", "torchscript-reaching-call"),
            ("    torch.save(x, \"/tmp/x\")\n", "torchscript-reaching-call"),
            ("import os\n", "torchscript-foreign"),
            ("    _0 = __import__(\"os\")\n", "torchscript-foreign"),
        ] {
            assert_eq!(rules(&report("a/code/m.py", format!("{plain}{line}").as_bytes())), [rule], "{line}");
        }
    }

    #[test]
    fn trees_are_lines_of_names_and_values() {
        let plain = "tree\nversion=v4\nnum_class=1\nfeature_names=a b\n\nTree=0\nleaf_value=0.1 -2\n\nend of trees\n\nparameters:\n[boosting: gbdt]\nend of parameters\npandas_categorical:null\n";
        let seen = report("lgb.txt", plain.as_bytes());
        assert_eq!((seen.verdict, seen.parts[0].format.as_ref()), (Verdict::Clean, "lightgbm"), "{seen:?}");
        let odd = report("lgb.txt", format!("{plain}what is this\n").as_bytes());
        assert_eq!((odd.verdict, odd.parts[0].coverage.opaque), (Verdict::Inconclusive, 13));
    }
}
