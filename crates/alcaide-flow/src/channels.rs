//! What the texts of a call would carry out, and to which host.
//!
//! Whoever shows a text, or follows a link in it, tells the host that it leads to whatever stands in the link. A link that was
//! read as it stands tells nothing new: whoever wrote it could not know what the task would read. One that was put together
//! may.

use std::borrow::Cow;
use std::collections::HashSet;

use alcaide_inspect::links::{self, Place, Target};
use alcaide_inspect::normal::{self, Also, Value};
use alcaide_label::{Confidentiality, Integrity, Label};

use crate::bounds::is_tainted;
use crate::judge::{Argument, Leaf};
use crate::said::Grade;
use crate::seen::{RUN_WORDS, cover};
use crate::task::Task;

/// Most bytes that the encodings of one call's arguments are decoded to, to look for links.
const DECODED_BYTES_MAX: usize = 64 * 1024;
/// Most bytes that the encodings of one link are decoded to.
const LINK_BYTES_MAX: usize = 16 * 1024;
/// Most places at which a link is cut to find the part of it that was read.
const CUTS_MAX: usize = 8;
/// Most links of one call that are looked at.
const LINKS_MAX: usize = links::TARGETS_MAX;
/// Fewest letters of a short decoded text that say something.
const HIDDEN_CHARS_MIN: usize = 6;
/// From so many characters on, and with a digit, a word is no word of a language.
const CODE_CHARS_MIN: usize = 6;

/// What a call would carry out, by the names of its arguments.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Channels {
    /// With a link to a host that nobody named, which carries what the task has read of strangers or what is confidential.
    pub leaks: Vec<Box<str>>,
    /// With a host that wants to be taken for one that the user or an owner named.
    pub look_alikes: Vec<Box<str>>,
}

impl Task {
    /// Looks for links in all arguments of a call of a task with this label. `declared` are the hosts that owners named, in
    /// exact form.
    #[must_use]
    pub fn channels(&self, arguments: &[Argument<'_>], label: Label, declared: &[Box<str>]) -> Channels {
        let mut made = Channels::default();
        let (mut room, mut links) = (DECODED_BYTES_MAX, LINKS_MAX);
        let named: HashSet<&str> = self
            .said
            .iter()
            .filter(|said| said.grade() == Grade::Attested)
            .flat_map(|said| said.hosts())
            .chain(declared.iter().map(|host| &**host))
            .collect();
        for argument in arguments {
            let (mut leaks, mut look_alike) = (false, false);
            for text in argument.leaves.iter().filter_map(Leaf::text) {
                let hidden = normal::decodings(text, room);
                room = room.saturating_sub(hidden.texts.iter().map(String::len).sum());
                let texts = std::iter::once(text).chain(hidden.texts.iter().map(String::as_str));
                for found in texts.map(links::targets) {
                    // A call with more links than are looked at is no honest one.
                    let more = found.cut || found.found.len() > links;
                    leaks |= more && is_tainted(label, self.forgotten);
                    for target in found.found.iter().take(links) {
                        let Some(place) = links::place(&target.text) else { continue };
                        let known = named.iter().any(|host| links::belongs(&place.host, host));
                        look_alike |= (!known || !place.user.is_empty())
                            && named.iter().any(|host| links::resembles(&place.host, place.user, host));
                        leaks |= !known && !place.host.is_empty() && self.leaks(target, &place);
                    }
                    links = links.saturating_sub(found.found.len());
                }
            }
            let name = || argument.name.into();
            if leaks {
                made.leaks.push(name());
            }
            if look_alike {
                made.look_alikes.push(name());
            }
        }
        made.leaks.sort_unstable();
        made.look_alikes.sort_unstable();
        made
    }

    /// Whether a link carries what the task has read.
    fn leaks(&self, target: &Target<'_>, place: &Place<'_>) -> bool {
        let Some(new) = self.new_part(&target.text, place.rest) else { return false };
        // The name of a host is not the sender's to choose, but what stands before it is.
        let labels: Vec<&str> = place.host.split('.').collect();
        let below = labels.get(..labels.len().saturating_sub(2)).unwrap_or_default().join(" ");
        let shown = normal::unescaped(&format!("{below} {} {new}", place.user));
        if self.holds_read(&shown) {
            return true;
        }
        let hidden = normal::decodings_also(&shown, LINK_BYTES_MAX, &[Also::Reversal]);
        hidden.cut && self.forgotten
            || hidden.texts.iter().any(|text| self.holds_read(text) || self.is_read(text))
    }

    /// The part of a link's rest that was not read with its host; nothing where all of it was.
    fn new_part<'r>(&self, target: &str, rest: &'r str) -> Option<Cow<'r, str>> {
        let start = target.len().checked_sub(rest.len())?;
        let cuts = rest.char_indices().filter(|(_, c)| matches!(c, '/' | '?' | '#' | '&'));
        let mut cuts: Vec<usize> = cuts.map(|(at, _)| at).take(CUTS_MAX).collect();
        cuts.push(rest.len());
        for cut in cuts.into_iter().rev() {
            let head = target.get(..start.saturating_add(cut))?;
            let loose = normal::loose(head).text;
            let url = normal::values(&loose).into_iter().find(|found| matches!(found.value, Value::Url(_)));
            if url.is_some_and(|found| self.seen_value(&found.value).is_some()) {
                let new = rest.get(cut..).unwrap_or_default();
                return (!new.trim_matches('/').is_empty()).then_some(Cow::Borrowed(new));
            }
        }
        Some(Cow::Borrowed(rest))
    }

    /// Whether a text holds a value or a run of words that was read, or, where it is not known what was, that may have been.
    fn holds_read(&self, text: &str) -> bool {
        let loose = normal::loose(text).text;
        let reach = |value: &Value| matches!(value, Value::Email(_) | Value::Account(_) | Value::Phone(_));
        let values = normal::each_value(&loose).filter(|found| reach(&found.value));
        if values.into_iter().any(|found| self.is_data(self.seed.value(&found.value))) {
            return true;
        }
        let words: Vec<&str> = normal::words(&loose).collect();
        let code = |word: &&&str| {
            word.chars().count() >= CODE_CHARS_MIN && word.bytes().filter(u8::is_ascii_digit).count() >= 2
        };
        if words.iter().filter(code).any(|word| self.covers(std::slice::from_ref(word))) {
            return true;
        }
        words.len() >= RUN_WORDS && self.covers(&words)
    }

    /// Whether a short text that was hidden was read as a whole.
    fn is_read(&self, text: &str) -> bool {
        let loose = normal::loose(text).text;
        let words: Vec<&str> = normal::words(&loose).collect();
        let letters: usize = words.iter().map(|word| word.chars().count()).sum();
        letters >= HIDDEN_CHARS_MIN && words.len() < RUN_WORDS && self.covers(&words)
    }

    /// Whether a run of these words, or all of them where they are few, was read and is not the user's own.
    fn covers(&self, words: &[&str]) -> bool {
        let known = |run| {
            let own = self.said.iter().any(|said| said.grade() == Grade::Attested && said.has_run(run));
            (!own && self.is_data(run)).then_some(())
        };
        cover(self.seed, words, known).covered > 0
    }

    /// Whether what has this digest was read of strangers, or is confidential; or whether nobody knows.
    fn is_data(&self, digest: u64) -> bool {
        if self.forgotten {
            return true;
        }
        let Some((number, _)) = self.seen(digest) else { return false };
        self.source(number).is_none_or(|source| {
            source.label.integrity == Integrity::Untrusted
                || source.label.confidentiality >= Confidentiality::Confidential
        })
    }
}
