//! The one that readers talk to: it keeps places, findings, coverage and the budget, and computes the verdict.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use alcaide_container::{Fuel, Input, ReadError, Resource};
use alcaide_finding::{FileFinding, Place, Rating};

use crate::coverage::{Kind, Map};
use crate::report::{Doubt, Part, Report, Verdict};
use crate::rules::{self, Rule};
use crate::sniff::Format;
use crate::tensors::{gguf, safetensors};
use crate::{archive, embedded, model, numpy, pickle, repository, torch};

/// Bytes of a member that cost as much as one step of a reader: what is unpacked is paid for besides.
const MEMBER_BYTES_PER_STEP: u64 = 64;

/// Judges `input`, which is said to be called `name`.
pub fn scan(name: &str, input: &dyn Input, fuel: &Fuel) -> Report {
    let mut scanner = Scanner::new(fuel.clone());
    scanner.look(name, input);
    scanner.finish()
}

/// Keeps what readers say of one file.
#[derive(Debug)]
pub struct Scanner {
    fuel: Fuel,
    findings: BTreeSet<FileFinding>,
    doubts: BTreeSet<Doubt>,
    parts: Vec<Part>,
    findings_left_out: u64,
    parts_left_out: u64,
    left_out_opaque: bool,
    /// Parts that are open, the innermost last.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    member: Vec<String>,
    map: Map,
    /// Where it stands in `parts`, if it is listed.
    listed: Option<usize>,
}

impl Scanner {
    /// Findings that are listed at most; others are counted.
    pub const FINDINGS_MAX: usize = 1_000;
    /// Parts that are listed at most; others are counted, and what stays opaque in them still counts.
    pub const PARTS_MAX: usize = 1_000;

    fn new(fuel: Fuel) -> Self {
        Self {
            fuel,
            findings: BTreeSet::new(),
            doubts: BTreeSet::new(),
            parts: Vec::new(),
            findings_left_out: 0,
            parts_left_out: 0,
            left_out_opaque: false,
            open: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(fuel: &Fuel) -> Self {
        Self::new(fuel.clone())
    }

    /// The budget that everything is paid from.
    pub fn fuel(&self) -> &Fuel {
        &self.fuel
    }

    /// Looks into `input`: the file itself, or a member called `name` of the part that is open.
    pub fn look(&mut self, name: &str, input: &dyn Input) {
        let format = Format::of(self, &head_of(input), name, input);
        self.look_at(name, input, format.as_str(), |scanner| {
            if let Some(what) = format.disguise(name, input.len()) {
                scanner.find(
                    &rules::DISGUISED,
                    Some(0),
                    None,
                    format!("{what}, but called `{}`", shown(name)),
                );
            }
            if let Err(why) = scanner.read(format, name, input) {
                scanner.stop(&why, None);
            }
            if format.may_hide_programs() {
                if format != Format::Unknown
                    && let Err(why) = archive::read_behind(scanner, input)
                {
                    scanner.stop(&why, None);
                }
                scanner.search_programs(input);
            }
        });
    }

    /// Whether `input` looks like nothing that is known.
    pub(crate) fn is_nameless(&self, name: &str, input: &dyn Input) -> bool {
        Format::of(self, &head_of(input), name, input) == Format::Unknown
    }

    /// Looks for programs in all bytes of the part that is open.
    pub(crate) fn search_programs(&mut self, input: &dyn Input) {
        if let Err(why) = embedded::search(self, input) {
            self.stop(&why, None);
        }
    }

    /// Looks into `input` as `read` does it.
    pub(crate) fn look_at(
        &mut self,
        name: &str,
        input: &dyn Input,
        format: &'static str,
        read: impl FnOnce(&mut Self),
    ) {
        let level = match self.fuel.enter() {
            Ok(level) => level,
            Err(spent) => return self.stop(&spent.into(), None),
        };
        // Members may share their bytes, and each is read as if it had them alone.
        if !self.open.is_empty()
            && let Err(spent) = self.fuel.step(input.len() / MEMBER_BYTES_PER_STEP)
        {
            return self.stop(&spent.into(), None);
        }
        let mut member = self.open.last().map(|open| open.member.clone()).unwrap_or_default();
        if !self.open.is_empty() {
            member.push(shown(name));
        }
        let listed = (self.parts.len() < Self::PARTS_MAX).then_some(self.parts.len());
        match listed {
            Some(_) => self.parts.push(Part {
                member: member.clone(),
                format: format.into(),
                bytes: input.len(),
                coverage: crate::Coverage::default(),
            }),
            None => self.parts_left_out += 1,
        }
        self.open.push(Open { member, map: Map::new(input.len()), listed });
        read(self);
        self.close();
        drop(level);
    }

    /// Reports what is wrong with the part that is open, at `offset` of its bytes and `pointer` in what they mean.
    pub fn find(
        &mut self,
        rule: &'static Rule,
        offset: Option<u64>,
        pointer: Option<&str>,
        evidence: impl Into<Cow<'static, str>>,
    ) {
        if self.findings.len() >= Self::FINDINGS_MAX {
            self.findings_left_out += 1;
            return;
        }
        let place = self.place(offset, pointer);
        self.findings.insert(FileFinding {
            rating: rule.rating,
            rule: rule.id.clone(),
            place,
            evidence: cut(evidence.into()),
        });
    }

    /// Says what nobody can tell about the part that is open.
    pub fn doubt(
        &mut self,
        rule: &'static Rule,
        offset: Option<u64>,
        evidence: impl Into<Cow<'static, str>>,
    ) {
        if self.doubts.len() >= Self::FINDINGS_MAX {
            return;
        }
        let place = self.place(offset, None);
        self.doubts.insert(Doubt { rule: rule.id.clone(), place, evidence: cut(evidence.into()) });
    }

    /// Says that bytes of the part that is open were read as `kind`.
    pub fn cover(&mut self, range: Range<u64>, kind: Kind) {
        if let Some(open) = self.open.last_mut() {
            open.map.cover(range, kind);
        }
    }

    /// Runs of bytes of the part that is open that nobody looked into, the first `max` of them.
    pub(crate) fn uncovered(&self, max: usize) -> Vec<Range<u64>> {
        self.open.last().map(|open| open.map.gaps().take(max).collect()).unwrap_or_default()
    }

    /// Says that reading the part that is open ended early: its bytes stay opaque from there on.
    pub fn stop(&mut self, why: &ReadError, offset: Option<u64>) {
        let rule = match why {
            ReadError::Exhausted(spent) => {
                // Budgets of bytes, members and depth grow with the file: what outgrows them was made for it.
                if matches!(spent.resource, Resource::UnpackedBytes | Resource::Entries | Resource::Depth) {
                    self.find(&rules::archive::BOMB, offset, None, why.to_string());
                }
                &rules::OUT_OF_FUEL
            }
            _ => &rules::UNREADABLE,
        };
        self.doubt(rule, offset, why.to_string());
    }

    fn read(&mut self, format: Format, name: &str, input: &dyn Input) -> Result<(), ReadError> {
        match format {
            Format::Archive(kind) => archive::read(self, kind, name, input),
            Format::Pickle => pickle::read(self, input),
            Format::TorchLegacy => torch::read_legacy(self, input),
            Format::Npy => numpy::read(self, input),
            Format::Safetensors => safetensors::read(self, input),
            Format::Gguf => gguf::read(self, input),
            Format::OldGgml => {
                self.doubt(&rules::OPAQUE, Some(0), "a format from before GGUF, which declares no layout");
                Ok(())
            }
            Format::Model(model) => model::read(self, model, name, input),
            Format::Beside(kind) => repository::read(self, kind, name, input),
            Format::Unknown => archive::read_unknown(self, input),
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let coverage = open.map.sum();
        if let Some(at) = open.map.first_opaque() {
            self.left_out_opaque |= open.listed.is_none();
            if self.doubts.len() < Self::FINDINGS_MAX {
                let place = Place { member: open.member, offset: Some(at), pointer: None };
                let evidence = format!(
                    "{} of {} bytes",
                    coverage.opaque,
                    coverage.opaque + coverage.parsed + coverage.payload
                );
                self.doubts.insert(Doubt {
                    rule: rules::OPAQUE.id.clone(),
                    place,
                    evidence: evidence.into(),
                });
            }
        }
        if let Some(part) = open.listed.and_then(|at| self.parts.get_mut(at)) {
            part.coverage = coverage;
        }
    }

    fn place(&self, offset: Option<u64>, pointer: Option<&str>) -> Place {
        let member = self.open.last().map(|open| open.member.clone()).unwrap_or_default();
        Place { member, offset, pointer: pointer.map(shown) }
    }

    fn finish(self) -> Report {
        let mut findings: Vec<_> = self.findings.into_iter().collect();
        findings.sort_by(|a, b| {
            b.rating.cmp(&a.rating).then_with(|| a.place.cmp(&b.place)).then_with(|| a.cmp(b))
        });
        let harmful = findings.iter().any(|one| one.rating > Rating::None) || self.findings_left_out > 0;
        let opaque = self.left_out_opaque || self.parts.iter().any(|part| part.coverage.opaque > 0);
        let verdict = if harmful {
            Verdict::Unsafe
        } else if opaque || !self.doubts.is_empty() {
            Verdict::Inconclusive
        } else {
            Verdict::Clean
        };
        Report {
            verdict,
            findings,
            doubts: self.doubts.into_iter().collect(),
            parts: self.parts,
            findings_left_out: self.findings_left_out,
            parts_left_out: self.parts_left_out,
        }
    }
}

/// The first bytes, by which a format is told.
fn head_of(input: &dyn Input) -> Vec<u8> {
    let mut head = vec![0; 4096];
    let count = input.read_at(0, &mut head).unwrap_or(0);
    head.truncate(count);
    head
}

/// A name from a file as it may be shown: controls and what turns or hides text written out, cut to 200 characters.
pub(crate) fn shown(name: &str) -> String {
    let mut out = String::new();
    for (count, one) in name.chars().enumerate() {
        if count == 200 {
            out.push('…');
            break;
        }
        if one.is_control()
            || matches!(one, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        {
            out.extend(one.escape_unicode());
        } else {
            out.push(one);
        }
    }
    out
}

fn cut(evidence: Cow<'static, str>) -> Cow<'static, str> {
    match evidence {
        Cow::Borrowed(fixed) => Cow::Borrowed(fixed),
        Cow::Owned(text) => Cow::Owned(text.chars().take(400).collect()),
    }
}

#[cfg(test)]
mod tests {
    use alcaide_container::{Fuel, Limits};

    use super::*;

    #[test]
    fn what_no_reader_understood_is_never_clean_but_what_is_empty_is() {
        let fuel = Fuel::new(Limits::for_file(5));
        let report = scan("weights.bin", &b"\x93\x94\x95\x96\x97".to_vec(), &fuel);
        assert_eq!(report.verdict, Verdict::Inconclusive);
        assert_eq!(report.parts[0].coverage.opaque, 5);
        assert_eq!(report.doubts[0].rule, rules::OPAQUE.id);
        assert_eq!(scan("empty", &Vec::new(), &fuel).verdict, Verdict::Clean);
    }
}
