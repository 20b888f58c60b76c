//! Where a target leads, and which host it wants to be taken for.
//!
//! A host is read as people see it: labels of the form `xn--…` are decoded (RFC 3492, RFC 5891), so that they can be
//! compared with what they look like by the normaliser's loose form.

use crate::normal::{blurred, exact, loose};

/// A target taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Place<'t> {
    /// In small letters; none where none is written.
    pub scheme: Option<String>,
    /// What stands before an `@`.
    pub user: &'t str,
    /// The host in exact form, its labels decoded, without a point at its end; empty where the target names none.
    pub host: String,
    /// What follows host and port: path, query, fragment; for a scheme without a host all of it.
    pub rest: &'t str,
}

/// Takes a target apart as browsers do; nothing where it leads nowhere else: a path, a fragment.
///
/// ```
/// use alcaide_inspect::links::place;
///
/// let found = place("https://bank.example@evil.test/a?b#c").unwrap();
/// assert_eq!((found.user, &*found.host, found.rest), ("bank.example", "evil.test", "/a?b#c"));
/// assert_eq!(place("//b\u{fc}cher.example").unwrap().host, place("http://xn--bcher-kva.example").unwrap().host);
/// assert!(place("/only/a/path").is_none());
/// ```
#[must_use]
pub fn place(target: &str) -> Option<Place<'_>> {
    let scheme_end =
        target.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')).count();
    let (scheme, after) = match target.get(scheme_end..).and_then(|rest| rest.strip_prefix(':')) {
        // `host:8080` has no scheme, nor has `host.example:…`.
        Some(after)
            if is_scheme(target.get(..scheme_end)?) && !after.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            (target.get(..scheme_end).map(str::to_ascii_lowercase), after)
        }
        _ => (None, target),
    };
    let hostless = matches!(
        scheme.as_deref(),
        Some("data" | "javascript" | "vbscript" | "mailto" | "tel" | "sms" | "about" | "blob")
    );
    if hostless {
        return Some(Place { scheme, user: "", host: String::new(), rest: after });
    }
    let slashes = after.len() - after.trim_start_matches('/').len();
    let located = match (&scheme, slashes) {
        // Browsers mend any number of slashes behind a scheme that has a host.
        (Some(scheme), _) if matches!(scheme.as_str(), "http" | "https" | "ws" | "wss" | "ftp") => true,
        (Some(_), 2..) => true,
        (None, 2) => true,
        // A path of this very place has no point before its first slash, or begins with one.
        (None, 0) => after.split(['/', '?', '#']).next()?.trim_matches('.').contains('.'),
        _ => false,
    };
    if !located {
        return None;
    }
    let after = after.get(slashes..)?;
    let cut = after.find(['/', '?', '#', '\\']).unwrap_or(after.len());
    let (authority, rest) = after.split_at_checked(cut)?;
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = if host.starts_with('[') {
        host.split_inclusive(']').next().unwrap_or(host)
    } else {
        host.split(':').next().unwrap_or(host)
    };
    let host = host.trim_end_matches('.');
    if host.is_empty() {
        return None;
    }
    Some(Place { scheme, user, host: shown(host), rest })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains('.')
}

/// The host as people see it.
fn shown(host: &str) -> String {
    // The ideographic full stops part labels, too (RFC 3490, section 3.1).
    let labels = host.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']);
    let shown: Vec<String> = labels
        .map(|label| {
            let puny = label.get(..4).is_some_and(|lead| lead.eq_ignore_ascii_case("xn--"));
            let decoded = if puny { label.get(4..).and_then(punycode) } else { None };
            exact(decoded.as_deref().unwrap_or(label))
        })
        .collect();
    shown.join(".")
}

/// Decodes a label (RFC 3492, section 6.2); nothing for what is none, or longer than a label may be.
fn punycode(encoded: &str) -> Option<String> {
    const BASE: u32 = 36;
    if encoded.len() > 63 || !encoded.is_ascii() {
        return None;
    }
    let (plain, digits) = encoded.rsplit_once('-').unwrap_or(("", encoded));
    let mut out: Vec<char> = plain.chars().collect();
    let (mut code, mut at, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = digits.bytes().peekable();
    while digits.peek().is_some() {
        let (begun, mut weight, mut k) = (at, 1_u32, BASE);
        loop {
            let digit = match digits.next()? {
                byte @ b'a'..=b'z' => byte - b'a',
                byte @ b'A'..=b'Z' => byte - b'A',
                byte @ b'0'..=b'9' => byte - b'0' + 26,
                _ => return None,
            };
            let digit = u32::from(digit);
            at = at.checked_add(digit.checked_mul(weight)?)?;
            let threshold = k.saturating_sub(bias).clamp(1, 26);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            k = k.checked_add(BASE)?;
        }
        let length = u32::try_from(out.len()).ok()?.checked_add(1)?;
        bias = adapted(at - begun, length, begun == 0);
        code = code.checked_add(at / length)?;
        at %= length;
        out.insert(usize::try_from(at).ok()?, char::from_u32(code)?);
        at = at.checked_add(1)?;
    }
    Some(out.into_iter().collect())
}

/// Source: RFC 3492, section 6.1.
const fn adapted(delta: u32, length: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / length;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

/// Whether a host wants to be taken for a declared one, which it is not: it is neither that host nor below it, but looks
/// like it (other scripts, look-alikes within ASCII), is one edit away from it, or has it among its labels. `user` is what
/// stands before the `@`.
///
/// Both hosts are in exact form, as [`place`] gives them.
///
/// ```
/// use alcaide_inspect::links::resembles;
///
/// for host in ["b\u{430}nk.example", "bnak.example", "bank.example.evil.test", "bank-example.test", "my.bamk.example"] {
///     assert!(resembles(host, "", "bank.example"), "{host}");
/// }
/// assert!(resembles("evil.test", "bank.example", "bank.example"));
/// assert!(!resembles("bank.example", "", "bank.example") && !resembles("pay.bank.example", "", "bank.example"));
/// assert!(!resembles("tank-shop.example", "", "bank.example"));
/// ```
#[must_use]
pub fn resembles(host: &str, user: &str, declared: &str) -> bool {
    if declared.is_empty() || belongs(host, declared) || is_number(declared) {
        return false;
    }
    let (wanted, seen) = (loose(declared).text, loose(host).text);
    if !user.is_empty() && within(&parted(&loose(user).text), &parted(&wanted)) {
        return true;
    }
    let labels = declared.split('.').count();
    // One that has but one label is a name within a network: any host may have it as a label.
    if labels < 2 {
        return false;
    }
    let tail = last_labels(&seen, labels);
    if is_below(&seen, &wanted) || blurred(tail) == blurred(&wanted) {
        return true;
    }
    within(&parted(&seen), &parted(&wanted))
        || (wanted.chars().count() >= EDIT_CHARS_MIN && one_edit(tail, &wanted))
}

/// Shortest host for which one edit counts: short names are near many.
const EDIT_CHARS_MIN: usize = 8;

/// Whether a host is the declared one, or below it: both in exact form. An address of numbers has nothing below it.
#[must_use]
pub fn belongs(host: &str, declared: &str) -> bool {
    host == declared || !is_number(declared) && is_below(host, declared)
}

fn is_number(host: &str) -> bool {
    host.starts_with('[')
        || host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

fn is_below(host: &str, declared: &str) -> bool {
    host == declared || host.strip_suffix(declared).is_some_and(|before| before.ends_with('.'))
}

/// The last `count` labels of a host.
fn last_labels(host: &str, count: usize) -> &str {
    let at = host.rmatch_indices('.').nth(count.saturating_sub(1));
    at.and_then(|(at, _)| host.get(at.saturating_add(1)..)).unwrap_or(host)
}

/// The words of a host.
fn parted(host: &str) -> Vec<&str> {
    host.split(['.', '-', '_', ':', '@']).filter(|part| !part.is_empty()).collect()
}

fn within(host: &[&str], wanted: &[&str]) -> bool {
    !wanted.is_empty() && host.windows(wanted.len()).any(|part| part == wanted)
}

/// Whether two texts differ by one letter that is other, more, less, or in the place of its neighbour.
fn one_edit(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    match (a, b) {
        ([], []) => false,
        ([x, y, a @ ..], [z, w, b @ ..]) if x == w && y == z && a == b => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, rest @ ..], b) if rest == b => true,
        (a, [_, rest @ ..]) => a == rest,
        _ => false,
    }
}
