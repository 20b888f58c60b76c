use alcaide_container::{Fuel, Limits};
use proptest::prelude::*;

use super::*;
use crate::{Report, Verdict, scan};

/// Writes files, honest or not.
#[derive(Clone)]
struct Writer {
    big: bool,
    version: u32,
    counts: Option<(u64, u64)>,
    pairs: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    data: Vec<u8>,
    align: usize,
}

impl Writer {
    fn new(big: bool, version: u32) -> Self {
        Self {
            big,
            version,
            counts: None,
            pairs: Vec::new(),
            tensors: Vec::new(),
            data: Vec::new(),
            align: 32,
        }
    }

    fn n(&self, value: u64, bytes: usize) -> Vec<u8> {
        let mut raw = value.to_le_bytes()[..bytes].to_vec();
        if self.big {
            raw.reverse();
        }
        raw
    }

    fn count(&self, value: u64) -> Vec<u8> {
        self.n(value, if self.version == 1 { 4 } else { 8 })
    }

    fn text(&self, text: &str) -> Vec<u8> {
        [self.count(text.len() as u64), text.as_bytes().to_vec()].concat()
    }

    fn pair(mut self, key: &str, kind: u32, value: Vec<u8>) -> Self {
        self.pairs.push([self.text(key), self.n(kind.into(), 4), value].concat());
        self
    }

    fn string(self, key: &str, text: &str) -> Self {
        let value = self.text(text);
        self.pair(key, TEXT, value)
    }

    fn tensor(mut self, name: &str, dims: &[u64], kind: u32, offset: u64) -> Self {
        let mut one = [self.text(name), self.n(dims.len() as u64, 4)].concat();
        for side in dims {
            one.extend(self.count(*side));
        }
        one.extend([self.n(kind.into(), 4), self.n(offset, 8)].concat());
        self.tensors.push(one);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let (tensors, pairs) = self.counts.unwrap_or((self.tensors.len() as u64, self.pairs.len() as u64));
        let mut out =
            [b"GGUF".to_vec(), self.n(self.version.into(), 4), self.count(tensors), self.count(pairs)]
                .concat();
        out.extend(self.pairs.concat());
        out.extend(self.tensors.concat());
        out.resize(out.len().next_multiple_of(self.align), 0);
        out.extend(&self.data);
        out
    }
}

fn honest(big: bool, version: u32) -> Writer {
    let writer = Writer::new(big, version);
    let tokens = [
        writer.n(8, 4),
        writer.count(3),
        writer.text("os.system("),
        writer.text("<script>"),
        writer.text(""),
    ]
    .concat();
    let nested = [writer.n(9, 4), writer.count(1), writer.n(0, 4), writer.count(2), vec![1, 2]].concat();
    let mut writer = writer
        .string("general.architecture", "llama")
        .pair("tokenizer.ggml.tokens", ARRAY, tokens)
        .pair("x.nested", ARRAY, nested)
        .pair("x.flag", BOOL, vec![1])
        .string("tokenizer.chat_template", "{% for m in messages %}{{ m['content'] }}{% endfor %}")
        .tensor("a", &[4], 0, 0)
        .tensor("b", &[32, 2], 2, 32);
    writer.data = vec![0x3c; 32 + 36];
    writer.data[16..32].fill(0);
    writer
}

fn judged(bytes: &[u8]) -> Report {
    scan("model.gguf", &bytes, &Fuel::new(Limits::for_file(bytes.len() as u64)))
}

fn rules_of(writer: &Writer) -> Vec<String> {
    let report = judged(&writer.bytes());
    let mut rules: Vec<_> = report.findings.iter().map(|one| one.rule.to_string()).collect();
    rules.dedup();
    rules
}

#[test]
fn honest_files_of_all_versions_and_byte_orders_are_clean() {
    for (big, version) in [(false, 1), (false, 2), (false, 3), (true, 3)] {
        let report = judged(&honest(big, version).bytes());
        assert_eq!(report.verdict, Verdict::Clean, "{big} {version} {report:?}");
        assert_eq!(report.parts[0].coverage.payload, 16 + 36);
    }
}

#[test]
fn each_trick_has_its_rule() {
    let base = || honest(false, 3);
    let with = |change: &dyn Fn(&mut Writer)| {
        let mut writer = base();
        change(&mut writer);
        rules_of(&writer)
    };
    assert_eq!(with(&|w| w.counts = Some((2, 1 << 62))), ["count-too-large"]);
    assert_eq!(with(&|w| w.counts = Some((1 << 61, 5))), ["count-too-large"]);
    assert_eq!(with(&|w| w.data.truncate(40)), ["range-out-of-bounds"]);
    assert_eq!(with(&|w| w.data[20] = 1), ["bytes-between"]);
    assert_eq!(with(&|w| w.data.extend([0; 28 + 32])), ["bytes-after-end"]);
    assert_eq!(with(&|w| w.data.extend([7; 5])), ["bytes-after-end"]);
    assert!(with(&|w| w.data.extend([0; 28])).is_empty(), "padding after the last tensor is usual");
    let more = |writer: Writer| rules_of(&writer);
    let eight = base().n(u64::MAX, 8);
    assert_eq!(more(base().pair("s", TEXT, eight.clone())), ["count-too-large"]);
    assert_eq!(
        more(base().pair("s", ARRAY, [base().n(4, 4), base().n(1 << 60, 8)].concat())),
        ["count-too-large"]
    );
    assert_eq!(
        more(base().pair("s", ARRAY, [base().n(77, 4), base().n(1, 8)].concat())),
        ["structure-broken"]
    );
    assert_eq!(more(base().pair("s", 13, vec![0])), ["structure-broken"]);
    assert_eq!(more(base().pair("s", BOOL, vec![2])), ["structure-broken"]);
    assert_eq!(more(base().string("general.architecture", "gpt")), ["name-twice"]);
    for bad in [0, 3, 1 << 30] {
        assert_eq!(
            more(base().pair("general.alignment", U32, base().n(bad, 4))),
            ["count-too-large"],
            "{bad}"
        );
    }
    assert_eq!(
        more(base().pair("split.no", 2, base().n(3, 2)).pair("split.count", 2, base().n(2, 2))),
        ["structure-broken"]
    );
    assert_eq!(more(base().tensor("c", &[1 << 32, 1 << 32], 0, 64)), ["size-overflow"]);
    assert_eq!(more(base().tensor("c", &[1 << 61, 2], 0, 64)), ["size-overflow"]);
    assert_eq!(more(base().tensor("c", &[1, 1, 1, 1, 1], 0, 64)), ["count-too-large"]);
    assert_eq!(more(base().tensor("a", &[0], 0, 64)), ["name-twice"]);
    assert_eq!(more(base().tensor("c", &[4], 0, 0)), ["ranges-overlap"]);
    assert_eq!(more(base().tensor("c", &[0], 0, 65)), ["structure-broken"]);
    assert_eq!(more(base().tensor("c", &[31], 2, 32)), ["structure-broken", "ranges-overlap"]);
    assert_eq!(more(base().tensor(&"n".repeat(64), &[0], 0, 64)), ["structure-broken"]);
    assert_eq!(more(base().string("general.description", "<script>1</script>")), ["code-in-text"]);
    let mut deep = vec![];
    for _ in 0..100 {
        deep.extend([base().n(9, 4), base().n(1, 8)].concat());
    }
    assert_eq!(more(base().pair("s", ARRAY, deep)), ["structure-broken"]);
}

#[test]
fn every_template_is_judged_whatever_its_name() {
    for key in ["tokenizer.chat_template.tool_use", "tokenizer.chat_template.rag", "general.prompt_template"]
    {
        let report = judged(&honest(false, 3).string(key, "{{ ''.__class__ }}").bytes());
        assert_eq!(report.findings[0].rule.to_string(), "template-reaches-interpreter", "{key}");
    }
    let writer = honest(false, 3);
    let list = [writer.n(8, 4), writer.count(1), writer.text("{{ ''.__class__ }}")].concat();
    assert!(!rules_of(&writer.pair("tokenizer.chat_templates", ARRAY, list)).is_empty());
}

#[test]
fn unknown_types_and_versions_are_in_doubt() {
    let report = judged(&honest(false, 3).tensor("c", &[0], 4, 64).bytes());
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert_eq!(judged(&honest(false, 9).bytes()).verdict, Verdict::Inconclusive);
    assert_eq!(judged(b"tjgg\x01\0\0\0").verdict, Verdict::Inconclusive);
}

proptest! {
    #[test]
    fn any_change_of_bytes_is_survived_and_counted(at: usize, byte: u8, cut in 0_usize..400, big: bool) {
        let mut bytes = honest(big, 3).bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(300)));
        let coverage = judged(&bytes).parts[0].coverage;
        prop_assert_eq!(coverage.parsed + coverage.payload + coverage.opaque, bytes.len() as u64);
    }
}
