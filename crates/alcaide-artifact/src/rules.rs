//! The rules: what each finds, how much harm it means, and the words that explain it.

use alcaide_finding::{Rating, RuleId};

/// One rule of the scanner.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Stable id, part of the public vocabulary.
    pub id: RuleId,
    /// How much harm a true finding can do; [`Rating::None`] for doubts.
    pub rating: Rating,
    /// One sentence for people: what it finds and what makes it sure.
    pub description: &'static str,
    /// What to do about it.
    pub cure: &'static str,
}

impl Rule {
    /// Every rule, in the order of the listing.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        [ALL, archive::ALL, formats::ALL, model::ALL].into_iter().flatten().copied()
    }
}

macro_rules! rules {
    ($($name:ident = $id:literal, $rating:ident, $text:literal, $cure:literal;)*) => {
        $(
            #[doc = $text]
            pub(crate) static $name: $crate::rules::Rule = $crate::rules::Rule {
                id: alcaide_finding::RuleId::fixed($id),
                rating: alcaide_finding::Rating::$rating,
                description: $text,
                cure: $cure,
            };
        )*

        /// The rules of this file, in the order of the listing.
        pub(crate) static ALL: &[&$crate::rules::Rule] = &[$(&$name),*];
    };
}

/// Of archives and compressed streams.
pub(crate) mod archive;
/// Of tensor files, chat templates and what lies beside them in a repository.
pub(crate) mod formats;
/// Of graphs, layers and boosters.
pub(crate) mod model;

rules! {
    OPAQUE = "opaque-bytes", None, "bytes that no reader understood", "ask for a format that declares what it holds, or accept this digest by hand";
    OUT_OF_FUEL = "out-of-fuel", None, "the work that a file may cost was spent before its end", "ask why it takes so much work to read; a bomb does";
    UNREADABLE = "unreadable", None, "bytes that could not be had: a broken stream, an unknown packing, a failing source", "fetch the file again and compare its digest";
    DISGUISED = "disguised", Medium, "the bytes are of another format than the name claims", "load nothing by its name; ask the maker why the name hides what it is";
    BROKEN_STREAM = "broken-stream", None, "a pickle that ends early or holds what no unpickler takes", "fetch the file again and compare its digest";
    UNKNOWN_CLASS = "unknown-class", None, "a class of a known library that no pack vouches for", "look at what its constructor and state setter do, then accept this digest or widen the pack";
    UNKNOWN_REFERENCE = "unknown-reference", None, "something is referred to that no pack vouches for; loading does not call it, but whoever uses the model may", "look at what it does, then accept this digest or widen the pack";
    PERSISTENT_ID = "persistent-id", None, "an object that the loader's own code must supply", "load it only with a loader whose `persistent_load` was read";
    STARTS_PROCESS = "starts-process", Critical, "unpickling starts a program or reaches what does", "do not load this file";
    EVALUATES_CODE = "evaluates-code", Critical, "unpickling runs code that the file brings or reaches what does", "do not load this file";
    IMPORTS_MODULE = "imports-module", Critical, "unpickling imports modules by computed names or reaches what does", "do not load this file";
    UNPICKLES_AGAIN = "unpickles-again", Critical, "unpickling starts another, unchecked unpickling or reaches what does", "do not load this file";
    LOADS_NATIVE = "loads-native-code", Critical, "unpickling loads machine code or reaches what does", "do not load this file";
    REACHES_ATTRIBUTE = "reaches-attribute", Critical, "unpickling reaches attributes or calls functions through another function", "do not load this file";
    REACHES_NETWORK = "reaches-network", High, "unpickling opens a connection or reaches what does", "do not load this file";
    WRITES_FILE = "writes-file", High, "unpickling writes, moves or removes files or reaches what does", "do not load this file";
    READS_FILE = "reads-file", High, "unpickling reads files of the machine or reaches what does", "do not load this file";
    CHANGES_ENVIRONMENT = "changes-environment", High, "unpickling reads or changes the state of the process or reaches what does", "do not load this file";
    STOPS_PROCESS = "stops-process", Medium, "unpickling ends, stops or starves the process", "do not load this file";
    UNKNOWN_CALLABLE = "unknown-callable", Medium, "unpickling calls something that no pack vouches for", "read what it does; if it is harmless, accept this digest or widen the pack";
    STANDARD_CALLABLE = "standard-callable", High, "unpickling calls a part of the standard library that models have no use for", "do not load this file";
    COMPUTED_CALLABLE = "computed-callable", High, "what is called or imported has a name that the file computes instead of stating it", "do not load this file";
    DOTTED_NAME = "dotted-name", High, "a name reaches through a module or class to what that has imported", "do not load this file";
    REWIRES = "rewires", High, "unpickling changes a class, a function or a module, or turns an object into another kind", "do not load this file";
    EXTENSION_CODE = "extension-code", Medium, "a callable is named by a number whose meaning only the loading program knows", "ask for a file that states its names";
    FRAME_STRADDLE = "frame-straddle", High, "frames are laid out so that two unpicklers read different bytes", "do not load this file";
    PICKLE_BOMB = "pickle-bomb", Medium, "loading would take far more memory or time than the file has bytes", "do not load this file";
    LATE_PROTO = "late-proto", Low, "a protocol number in the middle of a stream, as no pickler writes it", "ask the maker how this file was written";
    MEMO_OVERWRITE = "memo-overwrite", Low, "a place of the memo is given another value, as no pickler does it", "ask the maker how this file was written";
    ODD_HEADER = "odd-header", Medium, "a header of an array file that is not the plain literal it must be", "do not load this file";
}
