//! One list of tools from many servers: names that tell the server, within what models and clients take.
//!
//! A name is `server__tool` where that is at most 64 letters, digits, `_` and `-` and the two parts can be
//! told apart again; else it is what fits of both and 80 bits of a digest. The two kinds never meet: a plain
//! name that looks like a digested one is digested itself. So two pairs have the same name only if their
//! digests collide, and then the [`Table`] refuses the second. Prompts are named by the same rule in a table of their own.
//!
//! A resource has no name but a URI, and two servers may offer the same one. In a union it is `alcaide:SERVER/URI`: the
//! server stands before the first `/`, the rest is the server's own URI or template, byte by byte. Without an authority it
//! is opaque to readers of URLs (RFC 3986, section 3; WHATWG URL, "opaque path"), so that nobody resolves dots within it.

use std::collections::HashMap;

/// Longest name, in bytes: what the APIs of model providers take.
pub const NAME_BYTES_MAX: usize = 64;
/// Most tools of one table: what a model could ever be offered, many times over.
pub const TOOLS_MAX: usize = 100_000;

const BETWEEN: &str = "__";
/// Letters of the digest: 80 bits in base32 without padding.
const DIGEST_LETTERS: usize = 16;
/// What stands before the digest: no plain name has it before so many letters at its end.
const MARK: &str = "_x";
const SERVER_BYTES_MAX: usize = 20;

/// A collision-resistant digest, such as SHA-256; this crate has no cryptography of its own.
pub type Digest = fn(&[u8]) -> [u8; 32];

/// The name of a tool in the union: at most [`NAME_BYTES_MAX`] bytes of `A-Z a-z 0-9 _ -`.
#[must_use]
pub fn join(server: &str, tool: &str, digest: Digest) -> String {
    let plain_server = is_plain(server) && !server.contains(BETWEEN) && !server.ends_with('_');
    let bytes = server.len() + BETWEEN.len() + tool.len();
    if plain_server && is_plain(tool) && bytes <= NAME_BYTES_MAX && !looks_digested(tool) {
        return [server, BETWEEN, tool].concat();
    }
    // The length keeps `("ab", "c")` and `("a", "bc")` apart.
    let mut input = Vec::with_capacity(16 + server.len() + tool.len());
    input.extend_from_slice(server.len().to_string().as_bytes());
    input.push(b':');
    input.extend_from_slice(server.as_bytes());
    input.extend_from_slice(tool.as_bytes());
    let mut name = String::with_capacity(NAME_BYTES_MAX);
    push_fitting(&mut name, server, SERVER_BYTES_MAX);
    name.push_str(BETWEEN);
    push_fitting(&mut name, tool, NAME_BYTES_MAX - MARK.len() - DIGEST_LETTERS);
    name.push_str(MARK);
    push_base32(&mut name, &digest(&input));
    name
}

/// The tool or prompt of `server` that a plain name stands for; none if the name is another server's, or has a digest.
#[must_use]
pub fn plain<'n>(name: &'n str, server: &str, digest: Digest) -> Option<&'n str> {
    let item = name.strip_prefix(server)?.strip_prefix(BETWEEN)?;
    (join(server, item, digest) == name).then_some(item)
}

/// Whether a name has a digest and may be that of something of `server`: only who knows all names of that server can say
/// of what, by [`join`].
#[must_use]
pub fn may_be_of(name: &str, server: &str) -> bool {
    let mut fitting = String::new();
    push_fitting(&mut fitting, server, SERVER_BYTES_MAX);
    let rest = name.strip_prefix(&fitting).and_then(|rest| rest.strip_prefix(BETWEEN));
    name.len() <= NAME_BYTES_MAX && rest.is_some_and(looks_digested)
}

const SCHEME: &str = "alcaide:";

/// The URI or template of a server's resource in the union.
#[must_use]
pub fn qualify(server: &str, uri: &str) -> String {
    [SCHEME, server, "/", uri].concat()
}

/// The server and its own URI or template; none if it is no URI of a union.
#[must_use]
pub fn unqualify(uri: &str) -> Option<(&str, &str)> {
    uri.strip_prefix(SCHEME)?.split_once('/').filter(|(server, own)| !server.is_empty() && !own.is_empty())
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_plain_byte)
}

const fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn looks_digested(tool: &str) -> bool {
    let Some(at) = tool.len().checked_sub(DIGEST_LETTERS) else { return false };
    let Some((head, tail)) = tool.split_at_checked(at) else { return false };
    // A tool called like the mark itself begins right after the separator, which ends in `_` too.
    (head.ends_with(MARK) || head == "x") && tail.bytes().all(|byte| BASE32.contains(&byte))
}

/// Appends what of `text` fits, other letters as `-`, until the name has `bytes_max` bytes.
fn push_fitting(name: &mut String, text: &str, bytes_max: usize) {
    let fitting = text.chars().map(|letter| {
        let plain = u8::try_from(letter).is_ok_and(is_plain_byte);
        if plain { letter } else { '-' }
    });
    name.extend(fitting.take(bytes_max.saturating_sub(name.len())));
}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn push_base32(name: &mut String, digest: &[u8; 32]) {
    let mut group = 0_u32;
    let mut bits = 0_u32;
    for byte in digest.iter().take(DIGEST_LETTERS * 5 / 8) {
        group = (group << 8 | u32::from(*byte)) & 0xffff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let index = usize::try_from((group >> bits) & 31).unwrap_or(0);
            name.push(char::from(BASE32.get(index).copied().unwrap_or(b'a')));
        }
    }
}

/// A union that cannot be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnionError {
    /// Another tool has the name already.
    #[error("two tools have the name `{name}` in the union")]
    Collision {
        /// The name.
        name: String,
    },
    /// More than [`TOOLS_MAX`] tools.
    #[error("more than {TOOLS_MAX} tools in one union")]
    TooMany,
}

/// Which server and tool each name of a union stands for.
#[derive(Clone, Debug, Default)]
pub struct Table(HashMap<String, (Box<str>, Box<str>)>);

impl Table {
    /// Adds a tool and tells its name; a tool that is there already has the same name again.
    ///
    /// # Errors
    /// [`UnionError::Collision`] or [`UnionError::TooMany`]; nothing is added then.
    pub fn add(&mut self, server: &str, tool: &str, digest: Digest) -> Result<String, UnionError> {
        let name = join(server, tool, digest);
        match self.split(&name) {
            Some((known, of)) if known == server && of == tool => Ok(name),
            Some(_) => Err(UnionError::Collision { name }),
            None if self.0.len() >= TOOLS_MAX => Err(UnionError::TooMany),
            None => {
                self.0.insert(name.clone(), (server.into(), tool.into()));
                Ok(name)
            }
        }
    }

    /// The server and the tool that a name stands for, compared byte by byte.
    #[must_use]
    pub fn split(&self, name: &str) -> Option<(&str, &str)> {
        self.0.get(name).map(|(server, tool)| (server.as_ref(), tool.as_ref()))
    }

    /// How many tools there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
