//! ONNX models as a stream of typed items.
//!
//! [`read`] walks a `ModelProto` once and tells its sink of each node, attribute, tensor, import and text as soon as it has
//! been seen whole, from the inside out: a graph in an attribute comes before the node that has the attribute. Nothing is
//! kept but the messages that are open, so memory does not grow with the file. Payloads are told as ranges.
//!
//! Source: `onnx.proto` of ONNX 1.20 (IR version 13), with fields of the same meaning back to IR version 3.

mod items;
mod schema;

use std::ops::Range;

use alcaide_container::{Fuel, Input};

use crate::cursor::Fault;
use crate::wire::{Event, Value, Walker};

pub use items::{Attribute, DataType, Entry, Import, Item, Node, Role, Tensor, Text};
pub use schema::Message;

/// Bytes of a name or a short text that are kept; what is longer is cut, and said to be.
pub const TEXT_MAX: usize = 4_096;
/// Sizes and inputs of one tensor or node that are kept.
pub const LIST_MAX: usize = 256;

/// Messages within messages that protobuf's own parsers follow unless told otherwise.
const COMMON_DEPTH: usize = 100;

/// Tells `sink` of everything in `input`, which is one `ModelProto`.
///
/// # Errors
/// [`Fault`] where the walk ends early; what was told until then stays true. Errors of `sink` come out as they are.
pub fn read(input: &dyn Input, fuel: &Fuel, sink: &mut dyn Sink) -> Result<(), Fault> {
    let mut reader = Reader {
        walker: Walker::new(input, Message::Model, fuel),
        open: vec![Frame::new(0)],
        path: Vec::new(),
        told_deep: false,
        sink,
    };
    reader.run()
}

/// Whoever is told.
pub trait Sink {
    /// Takes one item; `path` holds the names of the nodes, attributes and functions around it, from the outside in.
    ///
    /// # Errors
    /// Any [`Fault`]; it ends the walk.
    fn take(&mut self, path: &[String], item: Item<'_>) -> Result<(), Fault>;
}

struct Reader<'a> {
    walker: Walker<'a, Message>,
    open: Vec<Frame>,
    /// Names of the nodes, attributes and functions that are open, from the outside in.
    path: Vec<String>,
    told_deep: bool,
    sink: &'a mut dyn Sink,
}

/// What has been seen of one open message.
struct Frame {
    start: u64,
    /// Whether it put a name on the path.
    named: bool,
    body: Body,
    /// Scalar fields seen, as bits, for those that may come once.
    seen: u64,
}

enum Body {
    Other,
    Node(Node),
    Attribute(Attribute),
    Tensor(Tensor),
    Entry(Entry),
    Import(Import),
}

impl Frame {
    fn new(start: u64) -> Self {
        Self { start, named: false, body: Body::Other, seen: 0 }
    }
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        let mut covered = 0;
        while let Some(event) = self.walker.next()? {
            let at = self.walker.at();
            match event {
                Event::Enter { message, number, bytes } => {
                    self.structure(covered..bytes.start)?;
                    covered = bytes.start;
                    if self.walker.depth() > COMMON_DEPTH && !self.told_deep {
                        self.told_deep = true;
                        self.sink.take(&self.path, Item::Deep { at: bytes.start })?;
                    }
                    self.enter(message, number, bytes.start);
                }
                Event::Leave { message } => {
                    self.structure(covered..at)?;
                    covered = at;
                    self.leave(message)?;
                }
                Event::Unknown { message, number, bytes } => {
                    self.structure(covered..bytes.start)?;
                    covered = bytes.end;
                    self.sink.take(&self.path, Item::Unknown { message, number, bytes })?;
                }
                Event::Field { message, number, at: tag, value } => {
                    let payload = self.field(message, number, tag, value)?;
                    if let Some(payload) = payload {
                        self.structure(covered..payload.start)?;
                        self.sink.take(&self.path, Item::Payload(payload))?;
                        covered = at;
                    }
                }
            }
        }
        self.structure(covered..self.walker.at())
    }

    fn structure(&mut self, bytes: Range<u64>) -> Result<(), Fault> {
        match bytes.is_empty() {
            true => Ok(()),
            false => self.sink.take(&self.path, Item::Structure(bytes)),
        }
    }

    fn enter(&mut self, message: Message, number: u32, start: u64) {
        let mut frame = Frame::new(start);
        frame.body = match message {
            Message::Node => Body::Node(Node::default()),
            Message::Attribute => Body::Attribute(Attribute::default()),
            Message::Tensor => {
                let role = match self.open.last().map(|frame| &frame.body) {
                    Some(Body::Attribute(_)) => Role::Attribute,
                    _ if number == 5 => Role::Initializer,
                    _ => Role::Sparse,
                };
                Body::Tensor(Tensor { role, start, ..Tensor::default() })
            }
            Message::Entry => {
                let external = matches!(self.open.last().map(|frame| &frame.body), Some(Body::Tensor(_)))
                    && number == 13;
                Body::Entry(Entry { external, ..Entry::default() })
            }
            Message::Import => Body::Import(Import::default()),
            _ => Body::Other,
        };
        self.open.push(frame);
    }

    /// Takes one field in; says which of its bytes are payload.
    fn field(
        &mut self,
        message: Message,
        number: u32,
        tag: u64,
        value: Value,
    ) -> Result<Option<Range<u64>>, Fault> {
        let once = schema::once(message, number);
        let Some(frame) = self.open.last_mut() else { return Ok(None) };
        let bit = 1_u64.checked_shl(number).unwrap_or_default();
        if once && frame.seen & bit != 0 {
            self.sink.take(&self.path, Item::Twice { message, number, at: tag })?;
        }
        let Some(frame) = self.open.last_mut() else { return Ok(None) };
        frame.seen |= bit;
        if let (Body::Tensor(tensor), Some(kind)) = (&mut frame.body, schema::data(message, number)) {
            tensor.take(kind, &value);
            return Ok(match value {
                Value::Range(bytes) => Some(bytes),
                Value::Fixed32(_) => Some(self.walker.at().saturating_sub(4)..self.walker.at()),
                Value::Fixed64(_) => Some(self.walker.at().saturating_sub(8)..self.walker.at()),
                Value::Varint(_) => None,
            });
        }
        match (&mut frame.body, number, value) {
            (Body::Tensor(tensor), 1, Value::Varint(size)) => tensor.size(size),
            (Body::Tensor(tensor), 1, Value::Range(bytes)) => {
                let (packed, whole) = self.walker.bytes(&bytes, 10 * LIST_MAX)?;
                tensor.dims_cut |= !whole;
                for size in varints(&packed) {
                    tensor.size(size);
                }
            }
            (Body::Tensor(tensor), 2, Value::Varint(code)) => tensor.data_type = DataType(code),
            (Body::Tensor(tensor), 14, Value::Varint(place)) => tensor.external |= place == 1,
            (Body::Import(import), 2, Value::Varint(version)) => import.version = version,
            (Body::Attribute(attribute), 20, Value::Varint(kind)) => attribute.kind = kind,
            (Body::Attribute(attribute), 2 | 3, _) => attribute.scalars += 1,
            // Packed numbers of an attribute are numbers, nothing more.
            (_, _, Value::Range(bytes)) if schema::numbers(message, number) => return Ok(Some(bytes)),
            (_, _, Value::Range(bytes)) => return self.text(message, number, bytes),
            _ => {}
        }
        Ok(None)
    }

    fn text(
        &mut self,
        message: Message,
        number: u32,
        bytes: Range<u64>,
    ) -> Result<Option<Range<u64>>, Fault> {
        let (raw, whole) = self.walker.bytes(&bytes, TEXT_MAX)?;
        let text = Text { bytes: bytes.clone(), raw, whole };
        let Some(frame) = self.open.last_mut() else { return Ok(None) };
        match (&mut frame.body, number) {
            (Body::Node(node), 1) if node.inputs.len() < LIST_MAX => node.inputs.push(text.shown()),
            (Body::Node(node), 3) => {
                node.name = text.shown();
                if !frame.named {
                    frame.named = true;
                    self.path.push(node.name.clone());
                }
            }
            (Body::Node(node), 4) => node.operator = text.shown(),
            (Body::Node(node), 7) => node.domain = text.shown(),
            (Body::Attribute(attribute), 1) => {
                attribute.name = text.shown();
                if !frame.named {
                    frame.named = true;
                    self.path.push(attribute.name.clone());
                }
            }
            (Body::Attribute(attribute), 4) => attribute.text = Some(text.clone()),
            (Body::Tensor(tensor), 8) => {
                tensor.name = text.shown();
                if !frame.named {
                    frame.named = true;
                    self.path.push(tensor.name.clone());
                }
            }
            (Body::Entry(entry), 1) => entry.key = text.clone(),
            (Body::Entry(entry), 2) => entry.value = text.clone(),
            (Body::Import(import), 1) => import.domain = text.shown(),
            (Body::Other, 1) if message == Message::Function && !frame.named => {
                frame.named = true;
                self.path.push(text.shown());
            }
            _ => {}
        }
        // A text that is long is a text still; it is payload beyond what was kept.
        let rest = bytes.start.saturating_add(TEXT_MAX as u64)..bytes.end;
        self.sink.take(&self.path, Item::Text { message, number, text: &text })?;
        Ok((!rest.is_empty()).then_some(rest))
    }

    fn leave(&mut self, message: Message) -> Result<(), Fault> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let end = self.walker.at();
        let told = match frame.body {
            Body::Node(node) => {
                self.sink.take(&self.path, Item::Node { node: &node, bytes: frame.start..end })
            }
            Body::Attribute(attribute) => self.sink.take(&self.path, Item::Attribute(&attribute)),
            Body::Tensor(tensor) => self.sink.take(&self.path, Item::Tensor(&tensor)),
            Body::Entry(entry) => {
                if let Some(Frame { body: Body::Tensor(tensor), .. }) =
                    self.open.last_mut().filter(|_| entry.external)
                {
                    tensor.external = true;
                    if tensor.location.len() < LIST_MAX {
                        tensor.location.push((entry.key.shown(), entry.value.shown()));
                    }
                }
                self.sink.take(&self.path, Item::Entry { within: message, entry: &entry })
            }
            Body::Import(import) => self.sink.take(&self.path, Item::Import(&import)),
            Body::Other => Ok(()),
        };
        if frame.named {
            self.path.pop();
        }
        told
    }
}

/// Varints one after another; what is cut off at the end is left out.
fn varints(packed: &[u8]) -> impl Iterator<Item = u64> {
    let mut bytes = packed.iter();
    std::iter::from_fn(move || {
        let (mut value, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = bytes.next()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
    })
}

#[cfg(test)]
mod tests {
    use alcaide_container::Limits;
    use proptest::prelude::*;

    use super::*;

    fn varint(mut value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    }

    fn number(field: u32, value: u64) -> Vec<u8> {
        [varint(u64::from(field) << 3), varint(value)].concat()
    }

    fn bytes(field: u32, content: &[u8]) -> Vec<u8> {
        [varint(u64::from(field) << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
    }

    #[derive(Default)]
    struct Told {
        lines: Vec<String>,
        structure: u64,
        payload: u64,
    }

    impl Sink for Told {
        fn take(&mut self, path: &[String], item: Item<'_>) -> Result<(), Fault> {
            let at = path.join("/");
            match item {
                Item::Node { node, .. } => {
                    self.lines.push(format!("{at}: node {}.{}", node.domain, node.operator))
                }
                Item::Tensor(tensor) => self.lines.push(format!(
                    "{at}: tensor {} {:?} {:?} {:?} {:?}",
                    tensor.name,
                    tensor.role,
                    tensor.dims,
                    tensor.declared_bytes(),
                    tensor.location
                )),
                Item::Attribute(attribute) => self.lines.push(format!("{at}: attribute {}", attribute.name)),
                Item::Import(import) => {
                    self.lines.push(format!("{at}: import {} {}", import.domain, import.version))
                }
                Item::Twice { number, .. } => self.lines.push(format!("{at}: twice {number}")),
                Item::Structure(range) => self.structure += range.end - range.start,
                Item::Payload(range) => self.payload += range.end - range.start,
                _ => {}
            }
            Ok(())
        }
    }

    fn told(model: &[u8]) -> Result<Told, Fault> {
        let mut told = Told::default();
        let fuel = Fuel::new(Limits::for_file(model.len() as u64));
        read(&model, &fuel, &mut told)?;
        Ok(told)
    }

    fn sample() -> Vec<u8> {
        let location = [bytes(1, b"location"), bytes(2, b"w.bin")].concat();
        let far = [number(1, 2), number(1, 3), number(2, 1), bytes(8, b"far"), bytes(13, &location)].concat();
        let near = [bytes(1, b"\x02\x02"), number(2, 1), bytes(8, b"near"), bytes(9, &[0; 16])].concat();
        let inner = [bytes(1, &bytes(4, b"Relu")), bytes(5, &far)].concat();
        let branch = [bytes(1, b"then_branch"), bytes(6, &inner), number(20, 5)].concat();
        let node = [bytes(3, b"choice"), bytes(4, b"If"), bytes(5, &branch), bytes(7, b"")].concat();
        let graph = [bytes(1, &node), bytes(5, &near)].concat();
        [number(1, 8), bytes(7, &graph), bytes(8, &[bytes(1, b"x.y"), number(2, 3)].concat())].concat()
    }

    #[test]
    fn a_model_is_told_from_the_inside_out_with_names_and_every_byte_once() {
        let model = sample();
        let told = told(&model).unwrap();
        assert_eq!(
            told.lines,
            vec![
                "choice/then_branch: node .Relu",
                "choice/then_branch/far: tensor far Initializer [2, 3] Some(24) [(\"location\", \"w.bin\")]",
                "choice/then_branch: attribute then_branch",
                "choice: node .If",
                "near: tensor near Initializer [2, 2] Some(16) []",
                ": import x.y 3",
            ]
        );
        assert_eq!((told.payload, told.structure), (16, model.len() as u64 - 16));
    }

    #[test]
    fn a_name_that_is_given_twice_is_told() {
        let node = [bytes(4, b"Relu"), bytes(4, b"PyOp")].concat();
        let model = bytes(7, &bytes(1, &node));
        assert_eq!(told(&model).unwrap().lines, vec![": twice 4", ": node .PyOp"]);
    }

    #[test]
    fn sizes_past_counting_are_no_number() {
        let tensor =
            |dims: &[u64]| Tensor { dims: dims.to_vec(), data_type: DataType(1), ..Tensor::default() };
        assert_eq!(tensor(&[3, 5]).declared_bytes(), Some(60));
        assert_eq!(tensor(&[]).elements(), Some(1));
        assert_eq!(tensor(&[0, 7]).elements(), Some(0));
        assert_eq!(tensor(&[1 << 33, 1 << 33]).elements(), None);
        assert_eq!(tensor(&[0, 1 << 33, 1 << 33]).elements(), None);
        assert_eq!(tensor(&[u64::MAX]).elements(), None);
        assert_eq!(tensor(&[1 << 62]).declared_bytes(), None);
        let packed = Tensor { dims: vec![3], data_type: DataType(22), ..Tensor::default() };
        assert_eq!(packed.declared_bytes(), Some(2));
    }

    #[test]
    fn a_weight_of_a_gigabyte_is_stepped_over() {
        struct Large(Vec<u8>, u64);
        impl Input for Large {
            fn len(&self) -> u64 {
                self.1
            }
            fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize, alcaide_container::ReadError> {
                assert!(at < 1_000, "payload was read at {at}");
                into.fill(0);
                let from = self.0.get(at as usize..).unwrap_or_default();
                let count = from.len().min(into.len());
                into[..count].copy_from_slice(&from[..count]);
                Ok(into.len())
            }
        }
        let raw = 3_u64 << 30;
        let tensor = [number(2, 2), number(1, raw), vec![9 << 3 | 2], varint(raw)].concat();
        let graph = [vec![5 << 3 | 2], varint(tensor.len() as u64 + raw), tensor].concat();
        let model = [vec![7 << 3 | 2], varint(graph.len() as u64 + raw), graph].concat();
        let len = model.len() as u64 + raw;
        let mut told = Told::default();
        let fuel = Fuel::new(Limits { unpacked_bytes: 0, steps: 100, entries: 0, depth: 0 });
        read(&Large(model, len), &fuel, &mut told).unwrap();
        assert_eq!(told.payload, raw);
        assert_eq!(told.structure, len - raw);
    }

    proptest! {
        #[test]
        fn a_changed_model_is_read_without_a_panic_and_covers_no_byte_twice(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let mut model = sample();
            for (at, byte) in changes {
                let at = at.index(model.len());
                model[at] = byte;
            }
            let mut told = Told::default();
            let fuel = Fuel::new(Limits::for_file(model.len() as u64));
            let ended = read(&model, &fuel, &mut told);
            prop_assert!(told.structure + told.payload <= model.len() as u64);
            prop_assert!(!matches!(ended, Err(Fault::Read(_))));
        }
    }
}
