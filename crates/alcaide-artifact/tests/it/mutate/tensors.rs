//! Small writers of GGUF and safetensors.

use super::wrap::put;

/// A value of GGUF's metadata.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    U32(u32),
    Bool(bool),
    F32(f32),
    Text(String),
    Texts(Vec<String>),
}

/// A GGUF file in the making.
#[derive(Clone, Debug)]
pub(crate) struct Gguf {
    pub(crate) version: u32,
    pub(crate) alignment: u32,
    pub(crate) values: Vec<(String, Value)>,
    /// Name, sides; all of 32-bit floats.
    pub(crate) tensors: Vec<(String, Vec<u64>)>,
}

impl Gguf {
    pub(crate) fn small(version: u32) -> Self {
        Self {
            version,
            alignment: 32,
            values: vec![
                ("general.architecture".into(), Value::Text("llama".into())),
                ("llama.block_count".into(), Value::U32(1)),
                ("llama.rope.scale".into(), Value::F32(1.0)),
                ("tokenizer.ggml.tokens".into(), Value::Texts(vec!["a".into(), "b".into()])),
                ("tokenizer.ggml.add_bos_token".into(), Value::Bool(true)),
            ],
            tensors: vec![("token_embd.weight".into(), vec![4, 2]), ("output_norm.weight".into(), vec![4])],
        }
    }

    pub(crate) fn with(mut self, key: &str, text: &str) -> Self {
        self.values.push((key.to_owned(), Value::Text(text.to_owned())));
        self
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        // Version 1 counts in 32 bits.
        let wide = if self.version == 1 { 4 } else { 8 };
        let text = |out: &mut Vec<u8>, text: &str| {
            put(out, &[(wide, text.len() as u64)]);
            out.extend(text.as_bytes());
        };
        let mut out = b"GGUF".to_vec();
        let aligned = self.alignment != 32;
        put(&mut out, &[(4, self.version.into()), (wide, self.tensors.len() as u64)]);
        put(&mut out, &[(wide, self.values.len() as u64 + u64::from(aligned))]);
        if aligned {
            text(&mut out, "general.alignment");
            put(&mut out, &[(4, 4), (4, self.alignment.into())]);
        }
        for (key, value) in &self.values {
            text(&mut out, key);
            match value {
                Value::U32(number) => put(&mut out, &[(4, 4), (4, (*number).into())]),
                Value::F32(number) => put(&mut out, &[(4, 6), (4, number.to_bits().into())]),
                Value::Bool(flag) => put(&mut out, &[(4, 7), (1, (*flag).into())]),
                Value::Text(said) => {
                    put(&mut out, &[(4, 8)]);
                    text(&mut out, said);
                }
                Value::Texts(all) => {
                    put(&mut out, &[(4, 9), (4, 8), (wide, all.len() as u64)]);
                    all.iter().for_each(|one| text(&mut out, one));
                }
            }
        }
        let mut place = 0;
        let align = |number: u64| number.next_multiple_of(self.alignment.into());
        let bytes = |sides: &[u64]| 4 * sides.iter().product::<u64>();
        for (name, sides) in &self.tensors {
            text(&mut out, name);
            put(&mut out, &[(4, sides.len() as u64)]);
            sides.iter().for_each(|side| put(&mut out, &[(wide, *side)]));
            put(&mut out, &[(4, 0), (8, place)]);
            place = align(place + bytes(sides));
        }
        for (_, sides) in &self.tensors {
            out.resize(usize::try_from(align(out.len() as u64)).unwrap(), 0);
            out.resize(out.len() + usize::try_from(bytes(sides)).unwrap(), 0x11);
        }
        out.resize(usize::try_from(align(out.len() as u64)).unwrap(), 0);
        out
    }
}

/// A safetensors file of `tensors`: name, type, sides.
pub(crate) fn safetensors(tensors: &[(&str, &str, &[u64])], metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut parts = Vec::new();
    if !metadata.is_empty() {
        let all: serde_json::Map<_, _> =
            metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        parts.push(format!("\"__metadata__\":{}", serde_json::Value::from(all)));
    }
    let mut end = 0;
    for (name, kind, sides) in tensors {
        let size = match *kind {
            "F64" | "I64" => 8,
            "F32" | "I32" => 4,
            "F16" | "BF16" | "I16" => 2,
            _ => 1,
        };
        let start = end;
        end += size * sides.iter().product::<u64>();
        parts.push(format!(
            "\"{name}\":{{\"dtype\":\"{kind}\",\"shape\":{sides:?},\"data_offsets\":[{start},{end}]}}"
        ));
    }
    let mut header = format!("{{{}}}", parts.join(","));
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.resize(out.len() + usize::try_from(end).unwrap(), 0x11);
    out
}
