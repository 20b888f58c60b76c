//! Compressed streams: one file each.

use alcaide_container::{Input, Kind as Wrapped, Packed, Packing, ReadError, Window};

use super::bomb;
use crate::coverage::Kind;
use crate::rules::archive as rules;
use crate::scanner::Scanner;
use crate::{pickle, sniff};

/// Ends of names that say how the file is packed.
const ENDS: &[&str] = &[".gz", ".bz2", ".xz", ".lzma", ".zst", ".zz", ".z"];

/// Unpacks `input` and looks into what comes out.
///
/// Two kinds have no mark, only a head that other bytes can have: where nothing comes out of these, they are no stream.
pub(crate) fn read(
    scanner: &mut Scanner,
    kind: Wrapped,
    name: &str,
    input: &dyn Input,
) -> Result<(), ReadError> {
    let packing = match kind {
        Wrapped::Gzip => Packing::Gzip,
        Wrapped::Zlib => Packing::Zlib,
        Wrapped::Bzip2 => Packing::Bzip2,
        Wrapped::Xz => Packing::Xz,
        Wrapped::Lzma => Packing::LzmaAlone,
        Wrapped::Zstandard => Packing::Zstandard,
        other => return Err(ReadError::Unsupported { what: other.as_str().into() }),
    };
    let marked = !matches!(kind, Wrapped::Zlib | Wrapped::Lzma);
    let fuel = scanner.fuel().clone();
    let packed = match Packed::open(input, packing, &fuel) {
        Ok(packed) if marked || !packed.is_empty() => packed,
        Ok(_) => return pickle::unknown(scanner, input),
        Err(ReadError::Exhausted(spent)) => return Err(spent.into()),
        Err(why) if marked => return Err(why),
        Err(_) => return pickle::unknown(scanner, input),
    };
    let inner =
        ENDS.iter().find(|end| sniff::ends(name, end)).and_then(|end| name.get(..name.len() - end.len()));
    bomb(scanner, name, packed.len(), input.len());
    scanner.look(inner.unwrap_or(name), &packed);
    let ending = packed.finish()?;
    let taken = input.len().saturating_sub(ending.packed_left);
    match &ending.broken {
        None => scanner.cover(0..taken, Kind::Parsed),
        Some(why) => scanner.stop(why, None),
    }
    if ending.packed_left > 0 {
        scanner.look("(behind the stream)", &Window::new(input, taken, ending.packed_left));
        scanner.cover(taken..input.len(), Kind::Parsed);
    }
    if !ending.is_plain() {
        scanner.doubt(&rules::ODD, None, "the stream is not what its head and foot say");
    }
    Ok(())
}
