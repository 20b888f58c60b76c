//! What can be irregular about a zip file.

use crate::name::NameFlaw;

/// A flaw, the place of the record that shows it, and the member that it is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ZipNote {
    /// Where.
    pub at: u64,
    /// Which, counted in [`Zip::members`].
    pub member: Option<usize>,
    /// What.
    pub flaw: ZipFlaw,
}

/// What is irregular about a zip file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ZipFlaw {
    /// There is no record that ends it, or none with a directory.
    NoDirectory,
    /// Another end record that some readers would take.
    AnotherEnd,
    /// Another directory than CPython's, by another end or another way to read the same one.
    AnotherDirectory,
    /// More ends or directories than are followed.
    TooManyDirectories,
    /// The comment is said to be longer or shorter than what follows the end record.
    Comment {
        /// Bytes that are said.
        said: u64,
        /// Bytes that are there.
        there: u64,
    },
    /// Bytes stand in front of the first record.
    Prefix {
        /// How many.
        bytes: u64,
    },
    /// Bytes stand between records, belonging to none.
    Gap {
        /// How many.
        bytes: u64,
    },
    /// Another number of entries than is said.
    Count {
        /// What is said.
        said: u64,
        /// What is there.
        found: u64,
    },
    /// The directory is said to be of another length than its entries have.
    DirectorySize {
        /// What is said.
        said: u64,
        /// What is there.
        found: u64,
    },
    /// The wide end record says something else than the narrow one, or lies elsewhere than its locator says.
    Wide,
    /// It claims to be in several files.
    Disks,
    /// The directory names a member where there is no local header.
    NoLocal,
    /// A local header that no directory names.
    LocalOnly {
        /// Whether a reader that goes from header to header gets there.
        chained: bool,
    },
    /// The two headers have different names.
    Names,
    /// The field for a Unicode name replaces the name by another one.
    UnicodeName {
        /// Whether its checksum fits, so that readers do replace it.
        fits: bool,
    },
    /// The two headers have different flags in what changes the reading.
    Flags {
        /// In the directory.
        central: u16,
        /// In front of the data.
        local: u16,
    },
    /// The two headers have different methods.
    Method {
        /// In the directory.
        central: u16,
        /// In front of the data.
        local: u16,
    },
    /// The two headers have different lengths.
    Lengths,
    /// The two headers have different checksums.
    Crc {
        /// In the directory.
        central: u32,
        /// In front of the data.
        local: u32,
    },
    /// A checksum of zero over bytes that are there.
    CrcZero,
    /// Behind the data stands no descriptor that says what the directory says.
    Descriptor,
    /// A stored member whose packed length is not its length.
    StoredLength,
    /// Flags claim that it is encrypted.
    Encrypted {
        /// By the strong way.
        strong: bool,
    },
    /// Flags claim that it is a patch.
    Patched,
    /// Flags claim that fields of headers are hidden.
    Masked,
    /// A method that is not read here.
    MethodUnread {
        /// Its number.
        method: u16,
    },
    /// Its data would reach past the end of the file.
    Cut,
    /// It shares bytes with another member.
    Overlap {
        /// Which.
        with: usize,
    },
    /// An earlier member has the same name.
    Duplicate {
        /// Which.
        first: usize,
        /// Whether the names are the same byte for byte, or only where case does not count or slashes lean either way.
        exact: bool,
    },
    /// Its name, in one of its headers.
    Name(NameFlaw),
    /// It is a symbolic link.
    Link,
    /// It is a device, a pipe or a socket.
    Special {
        /// The type bits of its mode.
        mode: u32,
    },
}
