//! The messages of ONNX.

use super::items::Kind;
use crate::wire::{Holds, Schema};

/// A message of ONNX.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(missing_docs, reason = "the names are those of the format")]
#[non_exhaustive]
pub enum Message {
    Model,
    Import,
    Entry,
    Training,
    Graph,
    Node,
    Attribute,
    Tensor,
    Segment,
    Sparse,
    Value,
    Type,
    TensorType,
    SequenceType,
    MapType,
    OpaqueType,
    Shape,
    Dim,
    Annotation,
    Function,
    Device,
    NodeDevice,
    Sharding,
    DeviceGroup,
    ShardedDim,
    SimpleShard,
}

impl Schema for Message {
    fn field(self, number: u32) -> Option<Holds<Self>> {
        use Holds::{Bytes, Fixed32, Fixed32s, Fixed64s, Text, Varint, Varints};
        use Message::*;
        Some(match (self, number) {
            (Model, 1 | 5) => Varint,
            (Model, 2 | 3 | 4 | 6) => Text,
            (Model, 7) => Holds::Message(Graph),
            (Model, 8) => Holds::Message(Import),
            (Model, 14) => Holds::Message(Entry),
            (Model, 20) => Holds::Message(Training),
            (Model, 25) => Holds::Message(Function),
            (Model, 26) => Holds::Message(Device),

            (Import, 1) | (Entry, 1 | 2) => Text,
            (Import, 2) => Varint,

            (Training, 1 | 2) => Holds::Message(Graph),
            (Training, 3 | 4) => Holds::Message(Entry),

            (Graph, 1) => Holds::Message(Node),
            (Graph, 2 | 10) => Text,
            (Graph, 5) => Holds::Message(Tensor),
            (Graph, 11..=13) => Holds::Message(Value),
            (Graph, 14) => Holds::Message(Annotation),
            (Graph, 15) => Holds::Message(Sparse),
            (Graph, 16) => Holds::Message(Entry),

            (Node, 1..=4 | 6..=8) => Text,
            (Node, 5) => Holds::Message(Attribute),
            (Node, 9) => Holds::Message(Entry),
            (Node, 10) => Holds::Message(NodeDevice),

            (Attribute, 1 | 4 | 9 | 13 | 21) => Text,
            (Attribute, 2) => Fixed32,
            (Attribute, 3 | 20) => Varint,
            (Attribute, 5 | 10) => Holds::Message(Tensor),
            (Attribute, 6 | 11) => Holds::Message(Graph),
            (Attribute, 7) => Fixed32s,
            (Attribute, 8) => Varints,
            (Attribute, 14 | 15) => Holds::Message(Type),
            (Attribute, 22 | 23) => Holds::Message(Sparse),

            (Tensor, 1 | 5 | 7 | 11) => Varints,
            (Tensor, 2 | 14) => Varint,
            (Tensor, 3) => Holds::Message(Segment),
            (Tensor, 4) => Fixed32s,
            (Tensor, 6 | 9) => Bytes,
            (Tensor, 8 | 12) => Text,
            (Tensor, 10) => Fixed64s,
            (Tensor, 13 | 16) => Holds::Message(Entry),
            (Segment, 1 | 2) => Varint,
            (Sparse, 1 | 2) => Holds::Message(Tensor),
            (Sparse, 3) => Varints,

            (Value, 1 | 3) => Text,
            (Value, 2) => Holds::Message(Type),
            (Value, 4) => Holds::Message(Entry),
            (Type, 1 | 8) => Holds::Message(TensorType),
            (Type, 4 | 9) => Holds::Message(SequenceType),
            (Type, 5) => Holds::Message(MapType),
            (Type, 6) => Text,
            (Type, 7) => Holds::Message(OpaqueType),
            (TensorType, 1) | (MapType, 1) => Varint,
            (TensorType, 2) => Holds::Message(Shape),
            (SequenceType, 1) | (MapType, 2) => Holds::Message(Type),
            (OpaqueType, 1 | 2) => Text,
            (Shape, 1) => Holds::Message(Dim),
            (Dim, 1) => Varint,
            (Dim, 2 | 3) => Text,

            (Annotation, 1) => Text,
            (Annotation, 2) => Holds::Message(Entry),

            (Function, 1 | 4 | 5 | 6 | 8 | 10 | 13) => Text,
            (Function, 7) => Holds::Message(Node),
            (Function, 9) => Holds::Message(Import),
            (Function, 11) => Holds::Message(Attribute),
            (Function, 12) => Holds::Message(Value),
            (Function, 14) => Holds::Message(Entry),
            // Fields of functions in IR version 7: a version and a state.
            (Function, 2 | 3) => Varint,

            (Device, 1 | 3) => Text,
            (Device, 2) => Varint,
            (NodeDevice, 1) => Text,
            (NodeDevice, 2) => Holds::Message(Sharding),
            (NodeDevice, 3) => Varint,
            (Sharding, 1) => Text,
            (Sharding, 2) => Varints,
            (Sharding, 3) => Holds::Message(DeviceGroup),
            (Sharding, 4) => Holds::Message(ShardedDim),
            (DeviceGroup, 1) => Varint,
            (DeviceGroup, 2) => Varints,
            (ShardedDim, 1) => Varint,
            (ShardedDim, 2) => Holds::Message(SimpleShard),
            (SimpleShard, 1 | 3) => Varint,
            (SimpleShard, 2) => Text,
            _ => return None,
        })
    }
}

/// Whether a field that is no message may come only once.
pub(super) fn once(message: Message, number: u32) -> bool {
    matches!(
        (message, number),
        (Message::Model, 1..=6)
            | (Message::Import | Message::Entry, _)
            | (Message::Graph, 2)
            | (Message::Node, 3 | 4 | 7 | 8)
            | (Message::Attribute, 1 | 2 | 3 | 4 | 20 | 21)
            | (Message::Tensor, 2 | 8 | 9 | 14)
            | (Message::Function, 1 | 10)
    )
}

/// How a field of a tensor holds its numbers.
pub(super) fn data(message: Message, number: u32) -> Option<Kind> {
    Some(match (message, number) {
        (Message::Tensor, 4) => Kind::Fixed32,
        (Message::Tensor, 5 | 7 | 11) => Kind::Varint,
        (Message::Tensor, 6) => Kind::Text,
        (Message::Tensor, 9) => Kind::Raw,
        (Message::Tensor, 10) => Kind::Fixed64,
        _ => return None,
    })
}

/// Whether a packed field is a list of numbers.
pub(super) fn numbers(message: Message, number: u32) -> bool {
    matches!(message.field(number), Some(Holds::Varints | Holds::Fixed32s | Holds::Fixed64s))
}
