//! PEM blocks of private keys (RFC 7468, and the older forms with headers), anchored at `-----BEGIN`.
//!
//! A mention of the first line alone is no key: some stretch of the body, or of an encryption header, has to come
//! within [`PROBE_BYTES_MAX`]. Certificates and public keys are no secrets and are left alone.

use crate::close::{Close, Pem};
use crate::rules;
use crate::view::{Hit, Judged, View, base64};

/// Bytes of a label such as ` RSA PRIVATE KEY`.
const LABEL_BYTES_MAX: usize = 48;
/// Bytes after the first line in which a stretch of base64 has to begin and go on for [`STRETCH_BYTES`].
const PROBE_BYTES_MAX: usize = 240;
/// Length of that stretch; longer than the words of prose.
const STRETCH_BYTES: usize = 20;

pub(crate) fn judge(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    let end = view.run(body, LABEL_BYTES_MAX, |byte| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
    })?;
    if !view.slice(body, end).contains("PRIVATE KEY") || !view.starts_with(end, "-----")? {
        return Ok(None);
    }
    let from = end + 5;
    let mut stretch = 0;
    for at in from..from + PROBE_BYTES_MAX {
        match view.byte(at)? {
            Some(byte) if base64(byte) => stretch += 1,
            Some(_) => stretch = 0,
            None => break,
        }
        if stretch == STRETCH_BYTES {
            let close = Close::Pem(Pem::default());
            return Ok(Some(Hit::open(&rules::PRIVATE_KEY, start, from, close)));
        }
    }
    Ok(None)
}
