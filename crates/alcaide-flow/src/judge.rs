//! What is to be said of a call before anybody decides on it.

use std::borrow::Cow;
use std::sync::Arc;

use alcaide_inspect::normal::{self, Decimal, Value};
use alcaide_inventory::fact::{Effect, Facts};
use alcaide_inventory::id::ToolId;
use alcaide_label::{Integrity, Label, Provenance};

use crate::bounds::{self, SoFar};
use crate::decisive::{decides, endorsed_form, may_be_endorsed};
use crate::said::{Grade, Said};
use crate::seen::{Cover, RUN_WORDS, cover, digests};
use crate::task::{SourceNumber, Task, alike};

/// A value within an argument, however deep it lies.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Leaf<'a> {
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// A number, as its digits stand in the call.
    Number(&'a str),
    /// `true` or `false`.
    Flag(bool),
    /// A value that the tool's own schema fixes (`const`).
    Fixed,
}

impl Leaf<'_> {
    /// What it says; nothing for what says nothing.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(digits) => Some(digits),
            Self::Flag(true) => Some("true"),
            Self::Flag(false) => Some("false"),
            Self::Fixed => None,
        }
    }
}

/// An argument of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Argument<'a> {
    /// Its name at the top level.
    pub name: &'a str,
    /// The values in it, `null`s left out.
    pub leaves: Vec<Leaf<'a>>,
    /// Whether a text in it stood there as a handle: strangers wrote it, and the agent has not read it.
    pub handle: bool,
}

impl Argument<'_> {
    /// Whether it says nothing: absent, `null`, an empty text, an empty list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves.iter().all(|leaf| leaf.text().is_none_or(|text| text.trim().is_empty()))
    }
}

/// Where an argument comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The argument.
    pub name: Box<str>,
    /// The worst of its values' provenance.
    pub from: Provenance,
    /// Where the value was read, if it was.
    pub source: Option<SourceNumber>,
}

/// Facts about a call, for policy and for people.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Judgement {
    /// Each argument, in the order of names.
    pub origins: Vec<Origin>,
    /// Control arguments that neither the user's attested words, nor a bound look-up, nor the task itself gave.
    pub unbound: Vec<Box<str>>,
    /// Free texts that a stranger wrote.
    pub copied: Vec<Box<str>>,
    /// Free texts with an address, a link or an account number that the user did not give.
    pub carries: Vec<Box<str>>,
    /// Arguments with a text that stood there as a handle.
    pub handles: Vec<Box<str>>,
    /// Numbers past their cap that the user did not name.
    pub over: Vec<Box<str>>,
    /// Whether the user's attested words ask for such a tool.
    pub in_scope: bool,
    /// Whether the call reaches out of the organisation.
    pub reaches_out: bool,
    /// Whether all free texts are the user's own words.
    pub own_words: bool,
    /// Whether all arguments but the copied texts are bound, and the user's attested words name one of them: the user has
    /// said where to.
    pub named: bool,
    /// Whether every argument is bound and one is there: what it finds may resolve.
    pub look_up_bound: bool,
    /// The values that the user's attested words name, in exact form: what a look-up is for.
    pub said: Vec<Box<str>>,
    /// Calls of the same tool that the task made before.
    pub calls: u32,
    /// The most that its owner lets one task make.
    pub calls_max: Option<u32>,
    /// Calls with the very same arguments that it made before.
    pub repeats: u32,
    /// What the task has done and read before.
    pub so_far: SoFar,
    /// For a call with an effect: the most different values that one of its control arguments will have been given in the
    /// task.
    pub targets: u32,
    /// Bytes of what the arguments say.
    pub argument_bytes: u64,
    /// Whether the task had read text of strangers, or nobody knows.
    pub tainted: bool,
    /// Whether something that the task has read is not known.
    pub forgotten: bool,
}

impl Task {
    /// Judges a call of a task that has this label. Without facts the strictest hold.
    #[must_use]
    pub fn judge(
        &self,
        tool: Option<ToolId>,
        facts: &Facts,
        arguments: &[Argument<'_>],
        label: Label,
    ) -> Judgement {
        let clean = label.integrity == Integrity::Trusted && !self.forgotten;
        let mut sorted: Vec<&Argument<'_>> = arguments.iter().collect();
        sorted.sort_by_key(|argument| argument.name);
        let named = |names: &[String], name: &str| names.iter().any(|known| known == name);
        let mut made = Judgement {
            in_scope: self.said().any(|said| said.asks_for(&facts.request_words)),
            reaches_out: matches!(facts.effect, Effect::Outbound | Effect::Money),
            own_words: true,
            look_up_bound: false,
            calls: self.calls.get(&tool).copied().unwrap_or(0),
            calls_max: facts.calls_max,
            repeats: self.alike.get(&alike(self.seed, tool, arguments)).copied().unwrap_or(0),
            so_far: self.so_far,
            targets: self.targets.with(self.seed, tool, facts, arguments),
            argument_bytes: bounds::bytes(arguments),
            tainted: bounds::is_tainted(label, self.forgotten),
            forgotten: self.forgotten,
            ..Judgement::default()
        };
        let (mut all_bound, mut some, mut rest_bound, mut user) = (true, false, true, false);
        for argument in sorted {
            let name = argument.name;
            let (mut origin, mut bound) = self.origin(argument, clean, may_be_endorsed(facts, name));
            let mut copied = false;
            if argument.handle {
                // Whatever else the same words would be: here they are what strangers wrote.
                origin.from = Provenance::Untrusted;
                bound = false;
                made.handles.push(name.into());
            }
            // What people endorsed is bound for this call; it is no ground to bind more on.
            let own = bound && origin.from != Provenance::Endorsed;
            if !argument.is_empty() {
                some = true;
                all_bound &= own;
                made.reaches_out |= named(&facts.outbound_if, name);
            }
            if !bound && decides(facts, name) {
                made.unbound.push(name.into());
            }
            if named(&facts.free_text, name) {
                made.own_words &= argument.is_empty() || origin.from == Provenance::UserAttested;
                if argument.handle || self.is_copied(argument, clean) {
                    copied = true;
                    made.copied.push(name.into());
                }
                if (!clean || argument.handle) && self.carries(argument) {
                    made.carries.push(name.into());
                }
            }
            if facts.caps.iter().any(|cap| cap.argument == name && self.is_over(argument, cap.most)) {
                made.over.push(name.into());
            }
            if !copied {
                rest_bound &= own;
                user |= origin.from == Provenance::UserAttested && !argument.is_empty();
            }
            if origin.from == Provenance::UserAttested {
                let texts = argument.leaves.iter().filter_map(Leaf::text).map(normal::exact);
                made.said.extend(texts.filter(|text| !text.is_empty()).map(String::into_boxed_str));
            }
            made.origins.push(origin);
        }
        made.named = rest_bound && user;
        made.look_up_bound = some && all_bound;
        made
    }

    /// What of a call's free texts is not the user's own, as digests: what strangers may have had a part in, where the task
    /// has read them. An owner who names no free texts leaves every argument to be one.
    #[must_use]
    pub fn writes(&self, facts: &Facts, arguments: &[Argument<'_>]) -> Vec<u64> {
        let mut written: Vec<u64> = arguments
            .iter()
            .filter(|argument| {
                facts.free_text.is_empty() || facts.free_text.iter().any(|name| name == argument.name)
            })
            .flat_map(|argument| argument.leaves.iter().filter_map(Leaf::text))
            .filter(|text| !self.said().any(|said| said.names(text)))
            .flat_map(|text| digests(self.seed, text))
            .filter(|digest| !self.said().any(|said| said.has_run(*digest)))
            .collect();
        written.sort_unstable();
        written.dedup();
        written
    }

    /// The user's attested words.
    fn said(&self) -> impl Iterator<Item = &Arc<Said>> {
        self.said.iter().filter(|said| said.grade() == Grade::Attested)
    }

    /// Where an argument comes from, as bad as the worst value in it; and whether all of its values are bound.
    fn origin(&self, argument: &Argument<'_>, clean: bool, endorsable: bool) -> (Origin, bool) {
        let mut worst: Option<(Provenance, Option<SourceNumber>)> = None;
        let mut bound = true;
        for leaf in &argument.leaves {
            let Some(mut from) = self.origin_of(leaf, clean) else { continue };
            if endorsable && !is_bound(from.0, clean) && self.is_endorsed(leaf) {
                from.0 = Provenance::Endorsed;
            }
            bound &= is_bound(from.0, clean);
            if worst.is_none_or(|worst| weight(from.0) > weight(worst.0)) {
                worst = Some(from);
            }
        }
        // What says nothing is nobody's choice.
        let (from, source) = worst.unwrap_or((Provenance::Constant, None));
        (Origin { name: argument.name.into(), from, source }, bound)
    }

    /// Whether people endorsed this very value. What is no more than yes or no has no identity by which it would be known.
    fn is_endorsed(&self, leaf: &Leaf<'_>) -> bool {
        let text = match leaf {
            Leaf::Text(text) => &**text,
            Leaf::Number(digits) => digits,
            Leaf::Flag(_) | Leaf::Fixed => return false,
        };
        !self.endorsed.is_empty() && endorsed_form(text).is_some_and(|form| self.endorsed.contains(&form))
    }

    /// Where a value comes from; nothing where it says nothing.
    fn origin_of(&self, leaf: &Leaf<'_>, clean: bool) -> Option<(Provenance, Option<SourceNumber>)> {
        let text = match leaf {
            Leaf::Text(text) if text.trim().is_empty() => return None,
            Leaf::Text(text) => &**text,
            Leaf::Number(digits) => digits,
            Leaf::Fixed => return None,
            Leaf::Flag(_) if clean => return Some((Provenance::Constant, None)),
            Leaf::Flag(_) => return Some((Provenance::Unknown, None)),
        };
        Some(self.origin_of_text(text, clean))
    }

    fn origin_of_text(&self, text: &str, clean: bool) -> (Provenance, Option<SourceNumber>) {
        if self.said().any(|said| said.names(text)) {
            return (Provenance::UserAttested, None);
        }
        if let Some(bound) = self.bound.get(&normal::exact(text)) {
            return (bound.from, bound.source);
        }
        // Words of a lower grade are subtracted where strangers said them too.
        let seen = self.seen_as(text);
        if !seen.is_some_and(|(_, untrusted)| untrusted)
            && self.said.iter().any(|said| said.grade() == Grade::Asserted && said.names(text))
        {
            return (Provenance::UserAsserted, None);
        }
        match seen {
            Some((source, true)) => (Provenance::Untrusted, Some(source)),
            Some((source, false)) => (Provenance::Trusted, Some(source)),
            None if clean => (Provenance::Constant, None),
            None => (Provenance::Unknown, None),
        }
    }

    /// Where a whole text was read: as a value, or word for word.
    fn seen_as(&self, text: &str) -> Option<(SourceNumber, bool)> {
        let loose = normal::loose(text).text;
        let as_value = normal::value(&loose).and_then(|value| self.seen_value(&value));
        if as_value.is_some_and(|(_, untrusted)| untrusted) {
            return as_value;
        }
        let words: Vec<&str> = normal::words(&loose).collect();
        let (mut trusted, mut untrusted) = (None, None);
        let whole = |cover: &Cover<SourceNumber>| cover.words > 0 && cover.covered == cover.words;
        let of = |wanted: bool| {
            cover(self.seed, &words, |run| {
                self.seen(run).filter(|(_, stranger)| *stranger || !wanted).map(|(number, _)| number)
            })
        };
        let strangers = of(true);
        if whole(&strangers) {
            untrusted = strangers.source;
        } else {
            let all = of(false);
            if whole(&all) {
                // Put together of both: a stranger had a part in it.
                if strangers.covered > 0 {
                    untrusted = strangers.source;
                } else {
                    trusted = all.source;
                }
            }
        }
        untrusted.map(|number| (number, true)).or(trusted.map(|number| (number, false))).or(as_value)
    }

    /// Whether a free text is a stranger's: of four words or more, and more than half of it word for word what was read,
    /// without what the user said.
    fn is_copied(&self, argument: &Argument<'_>, clean: bool) -> bool {
        if clean {
            return false;
        }
        argument.leaves.iter().filter_map(Leaf::text).any(|text| {
            let loose = normal::loose(text).text;
            let words: Vec<&str> = normal::words(&loose).collect();
            if words.len() < RUN_WORDS {
                return false;
            }
            if self.said().any(|said| said.names(text)) {
                return false;
            }
            if self.forgotten {
                return true;
            }
            let found = cover(self.seed, &words, |run| {
                let own = self.said().any(|said| said.has_run(run));
                self.seen(run).filter(|(_, stranger)| *stranger && !own).map(|(number, _)| number)
            });
            found.covered.saturating_mul(2) > found.words
        })
    }

    /// Whether a free text carries something by which it reaches somebody, or that leads somewhere, that the user did not
    /// name.
    fn carries(&self, argument: &Argument<'_>) -> bool {
        argument.leaves.iter().filter_map(Leaf::text).any(|text| {
            let exact = normal::exact(text);
            // Account numbers of the field have other forms than the standard's, and wrong check digits.
            let account =
                |word: &&str| word.len() >= 10 && word.bytes().filter(u8::is_ascii_digit).count() >= 8;
            let accounts = normal::words(&exact);
            if accounts.filter(account).any(|word| !self.said().any(|said| said.names(word))) {
                return true;
            }
            normal::values(&exact).iter().any(|found| {
                matches!(found.value, Value::Email(_) | Value::Url(_) | Value::Account(_))
                    && exact
                        .get(found.span.clone())
                        .is_none_or(|text| !self.said().any(|said| said.names(text)))
            })
        })
    }

    fn is_over(&self, argument: &Argument<'_>, most: i64) -> bool {
        argument.leaves.iter().any(|leaf| {
            let Some(text) = leaf.text() else { return false };
            // What is no number cannot be compared: it is over. Past 2^53 a cap is exact to one part in 2^53.
            let under = worth(text).is_some_and(|number| number <= most as f64);
            !under && !self.said().any(|said| said.names(text))
        })
    }
}

/// The number that a text is, whatever it counts; of several readings the greatest.
fn worth(text: &str) -> Option<f64> {
    let number = |decimal: &Decimal| decimal.to_string().parse::<f64>().ok();
    let mut greatest: Option<f64> = None;
    for reading in normal::readings(text) {
        let (Value::Number(decimal) | Value::Amount { number: decimal, .. }) = reading else { return None };
        let read = number(&decimal)?;
        greatest = Some(greatest.map_or(read, |known| known.max(read)));
    }
    greatest.or_else(|| text.parse::<Decimal>().ok().as_ref().and_then(number))
}

/// Whether something of this provenance is bound; what the agent used before, and what was read from the organisation's own
/// sources, decides only where no stranger can have chosen among it.
const fn is_bound(from: Provenance, clean: bool) -> bool {
    match from {
        Provenance::UserAttested | Provenance::Resolved | Provenance::Made | Provenance::Endorsed => true,
        Provenance::Constant | Provenance::Trusted => clean,
        Provenance::UserAsserted | Provenance::Untrusted | Provenance::Unknown => false,
    }
}

/// From the surest to the least sure.
const fn weight(from: Provenance) -> u8 {
    match from {
        Provenance::UserAttested => 0,
        Provenance::Constant => 1,
        Provenance::Made => 2,
        Provenance::Resolved => 3,
        Provenance::Trusted => 4,
        Provenance::Endorsed => 5,
        Provenance::UserAsserted => 6,
        Provenance::Unknown => 7,
        Provenance::Untrusted => 8,
    }
}
