use proptest::prelude::*;

use super::*;
use crate::numbers::Numbers;

/// A safetensors file in the making.
#[derive(Default)]
pub(crate) struct Made {
    entries: Vec<String>,
    data: Vec<u8>,
}

impl Made {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn tensor(mut self, name: &str, dtype: &str, shape: &[u64], bytes: &[u8]) -> Self {
        let start = self.data.len();
        self.data.extend_from_slice(bytes);
        let end = self.data.len();
        let entry =
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#);
        self.entries.push(entry);
        self
    }

    pub(crate) fn floats(self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, "F32", shape, &bytes)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        file(&format!(r#"{{"__metadata__":{{"format":"pt"}},{}}}"#, self.entries.join(",")), &self.data)
    }
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// A GGUF file of these tensors: name, sides outermost first, type, bytes.
pub(crate) fn gguf(tensors: &[(&str, &[u64], u32, &[u8])]) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    bytes.extend_from_slice(&3_u32.to_le_bytes());
    bytes.extend_from_slice(&(tensors.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&3_u64.to_le_bytes());
    text(&mut bytes, "general.alignment");
    bytes.extend_from_slice(&[4, 0, 0, 0, 64, 0, 0, 0]);
    text(&mut bytes, "tokenizer.ggml.tokens");
    // Two texts.
    bytes.extend_from_slice(&[9, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    text(&mut bytes, "a");
    text(&mut bytes, "bc");
    text(&mut bytes, "nested");
    // One array of three numbers of 16 bits.
    bytes.extend_from_slice(&[9, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&[2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0]);
    let mut at = 0_u64;
    for (name, shape, kind, data) in tensors {
        text(&mut bytes, name);
        bytes.extend_from_slice(&u32::try_from(shape.len()).unwrap().to_le_bytes());
        for side in shape.iter().rev() {
            bytes.extend_from_slice(&side.to_le_bytes());
        }
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&at.to_le_bytes());
        at = (at + data.len()).next_multiple_of(64);
    }
    for (.., data) in tensors {
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        bytes.extend_from_slice(data);
    }
    bytes
}

#[test]
fn both_formats_give_one_order_of_numbers() {
    let values: Vec<f32> = (0_u8..6).map(f32::from).collect();
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let files = [
        Made::new().floats("w", &[2, 3], &values).bytes(),
        gguf(&[("w", &[2, 3], 0, &raw), ("iq", &[1, 256], 19, &[7; 50])]),
    ];
    for file in files {
        let layout = Layout::read(&file).unwrap();
        let tensor = layout.find("w").unwrap();
        assert_eq!((tensor.matrix(), tensor.bytes), (Some((2, 3)), 24));
        let mut out = [0.0; 6];
        Numbers::open(&file, &layout, tensor).unwrap().read(0, &mut out).unwrap();
        assert_eq!(out.as_slice(), values);
        if let Some(other) = layout.find("iq") {
            assert_eq!(
                (other.bytes, other.dtype.width()),
                (50, None),
                "a type that is not read reaches to the end"
            );
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let why =
        |header: &str, data: usize| Layout::read(&file(header, &vec![0; data])).unwrap_err().to_string();
    let one = |rest: &str| format!(r#"{{"w":{{"dtype":"F32",{rest}}}}}"#);
    let cases = [
        (one(r#""shape":[2],"data_offsets":[0,8]"#), 7, "past the end"),
        (one(r#""shape":[2],"data_offsets":[8,0]"#), 8, "past the end"),
        (one(r#""shape":[2],"data_offsets":[18446744073709551615,18446744073709551615]"#), 8, "past the end"),
        (one(r#""shape":[3],"data_offsets":[0,8]"#), 8, "another number of bytes"),
        (one(r#""shape":[4294967296,4294967296],"data_offsets":[0,0]"#), 8, "more numbers"),
        (one(r#""shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]"#), 4, "8 sides"),
        (one(r#""shape":[-1],"data_offsets":[0,4]"#), 4, "not that of a file of tensors"),
        (one(r#""shape":[1],"data_offsets":[0,4],"more":1"#), 4, "not that of a file of tensors"),
        (format!("{}x", one(r#""shape":[1],"data_offsets":[0,4]"#)), 4, "not that of a file of tensors"),
        (r#"{"__metadata__":{"__encryption__":"x"}}"#.to_owned(), 4, "encrypted"),
        (r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#.to_owned(), 4, "twice"),
        (r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#.to_owned(), 4, "shares bytes"),
        (format!(r#"{{"{}":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}"#, "n".repeat(1025)), 4, "1,024 bytes"),
    ];
    for (header, data, expected) in cases {
        let why = why(&header, data);
        assert!(why.contains(expected), "{expected}: {why}");
    }
    assert!(Layout::read(&b"GG".to_vec()).is_err());
    assert!(Layout::read(&u64::MAX.to_le_bytes().to_vec()).is_err());
    let deep = "[".repeat(100_000);
    assert!(why(&deep, 0).contains("not that of"));
}

#[test]
fn gguf_that_cannot_be_is_refused() {
    let good = gguf(&[("w", &[1, 32], 2, &[0; 18])]);
    assert!(Layout::read(&good).is_ok());
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        Layout::read(&file)
    };
    assert!(matches!(with(4, &[0, 0, 0, 3]), Err(LayoutError::Header { .. })), "big-endian");
    assert!(matches!(with(4, &[1, 0, 0, 0]), Err(LayoutError::Header { .. })), "version 1");
    assert!(matches!(with(8, &u64::MAX.to_le_bytes()), Err(LayoutError::TooMuch { .. })));
    assert!(with(16, &u64::MAX.to_le_bytes()).is_err());
    assert!(matches!(with(24, &u64::MAX.to_le_bytes()), Err(LayoutError::TooMuch { .. })));
    // The alignment's value, and the length of the first token.
    assert!(matches!(with(24 + 8 + 17 + 4, &[3, 0, 0, 0]), Err(LayoutError::Header { .. })));
    assert!(matches!(
        with(24 + 8 + 17 + 8 + 8 + 21 + 16, &u64::MAX.to_le_bytes()),
        Err(LayoutError::Short { .. })
    ));
    assert!(Layout::read(&gguf(&[("w", &[2, 16], 2, &[0; 18])])).is_err(), "rows of half a block");
    assert!(Layout::read(&good[..good.len() - 1].to_vec()).is_err());
}

proptest! {
    #[test]
    fn any_change_of_bytes_is_survived(at: usize, byte: u8, cut in 0_usize..80, plain: bool) {
        let mut bytes = if plain {
            Made::new().floats("w", &[2, 3], &[1.0; 6]).tensor("q", "I8", &[2], &[1, 2]).bytes()
        } else {
            gguf(&[("w", &[1, 32], 2, &[0; 18]), ("v", &[2], 0, &[0; 8])])
        };
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut.saturating_sub(40));
        if let Ok(layout) = Layout::read(&bytes) {
            for tensor in layout.tensors() {
                prop_assert!(tensor.start + tensor.bytes <= bytes.len() as u64);
                if let Ok(mut numbers) = Numbers::open(&bytes, &layout, tensor) {
                    let mut seen = 0;
                    prop_assert!(numbers.each(|_, piece| seen += piece.len() as u64).is_ok());
                    prop_assert_eq!(seen, tensor.count());
                }
            }
        }
    }
}
