//! Tokens and keys that begin with fixed text.
//!
//! Each entry of [`PREFIXES`] has a beginning, the bytes that must not stand before it, and a rule for what follows.
//! No beginning is the beginning of another. A token of fixed length must end there; one without a fixed length is
//! judged by its first [`PROBE_BYTES`] and then hidden to its end.

use std::borrow::Cow;

use crate::check::{self, Tally};
use crate::close::Close;
use crate::rules::{self, Rule};
use crate::view::{Hit, Judged, View, alnum, url64};
use crate::{jwt, pem};

/// Bytes of a token's body that are judged where its length is not fixed.
const PROBE_BYTES: usize = 64;

/// A fixed beginning of a token.
pub(crate) struct Prefix {
    /// ASCII, three bytes or more.
    pub(crate) literal: &'static str,
    /// Bytes that must not stand before it.
    pub(crate) glue: fn(u8) -> bool,
    /// Judges what follows: the window, where the beginning stands, where the body begins.
    pub(crate) judge: fn(View<'_>, usize, usize) -> Judged<Option<Hit>>,
}

macro_rules! prefixes {
    ($($judge:path, $glue:path: $($literal:literal)*;)*) => {
        /// Every beginning that is looked for.
        pub(crate) static PREFIXES: &[Prefix] =
            &[$($(Prefix { literal: $literal, glue: $glue, judge: $judge }),*),*];
    };
}

prefixes! {
    aws_key_id, alnum: "AKIA" "ASIA" "ABIA" "ACCA";
    github, alnum: "ghp_" "gho_" "ghu_" "ghs_" "ghr_";
    github_fine, alnum: "github_pat_";
    gitlab, alnum: "glpat-" "gldt-" "glrt-" "glptt-" "glcbt-" "glsoat-" "glft-" "glimt-" "glagent-" "gloas-";
    slack, alnum: "xoxb-" "xoxp-" "xoxa-" "xoxr-" "xoxs-" "xoxc-" "xoxd-" "xoxe-" "xoxe." "xapp-";
    slack_hook, alnum: "hooks.slack.com/services/";
    stripe, alnum: "sk_live_" "sk_test_" "rk_live_" "rk_test_" "whsec_";
    sk, url64: "sk-";
    google, alnum: "AIza";
    npm, alnum: "npm_";
    pypi, alnum: "pypi-AgEIcHlwaS5vcmc" "pypi-AgENdGVzdC5weXBpLm9yZw";
    hugging_face, alnum: "hf_";
    sendgrid, alnum: "SG.";
    jwt::judge, alnum: "eyJ";
    pem::judge, never: "-----BEGIN";
}

/// The shape of a value: how long it is, and a note.
pub(crate) fn evidence(value: &str, note: &'static str) -> Cow<'static, str> {
    let count = value.chars().count();
    if note.is_empty() {
        format!("{count} characters").into()
    } else {
        format!("{count} characters, {note}").into()
    }
}

const fn never(_: u8) -> bool {
    false
}

const fn hit(rule: &'static Rule, start: usize, end: usize, note: &'static str) -> Option<Hit> {
    Some(Hit::whole(rule, start, end, note))
}

/// A body of exactly `len` bytes of `class`.
fn exact(view: View<'_>, body: usize, len: usize, class: fn(u8) -> bool) -> Judged<Option<&str>> {
    let end = view.run(body, len + 1, class)?;
    Ok((end - body == len).then(|| view.slice(body, end)))
}

/// A body of at least `min` bytes of `class` that passes `test`, to the end of its run.
fn long(
    view: View<'_>,
    rule: &'static Rule,
    start: usize,
    body: usize,
    (min, class): (usize, fn(u8) -> bool),
    test: fn(&str) -> bool,
) -> Judged<Option<Hit>> {
    let end = view.run(body, PROBE_BYTES, class)?;
    let text = view.slice(body, end);
    if text.len() < min || Tally::of(text).is_filler() || !test(text) {
        return Ok(None);
    }
    if text.len() < PROBE_BYTES {
        return Ok(hit(rule, start, end, ""));
    }
    Ok(Some(Hit::open(rule, start, end, Close::While(class))))
}

fn aws_key_id(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    let end = view.run(body, 17, alnum)?;
    let text = view.slice(body, end);
    let base32 = text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    // `...EXAMPLE` is how the vendor marks the keys of its manuals.
    let is_key = text.len() == 16 && base32 && !text.ends_with("EXAMPLE") && Tally::of(text).distinct >= 6;
    if !is_key {
        return Ok(None);
    }
    let beside = aws_pair(view, end)?.map(|(start, end)| (&rules::AWS_SECRET, start, end));
    Ok(Some(Hit { beside, ..Hit::whole(&rules::AWS_KEY_ID, start, end, "") }))
}

/// The other half of a pair as consoles export it: 40 of base64 right after an access key id.
fn aws_pair(view: View<'_>, from: usize) -> Judged<Option<(usize, usize)>> {
    let start = view.run(from, 4, |byte| byte.is_ascii_whitespace() || b",;:|\"'".contains(&byte))?;
    if start == from {
        return Ok(None);
    }
    let body = exact(view, start, 40, |byte| alnum(byte) || matches!(byte, b'+' | b'/'))?;
    Ok(body.filter(|text| Tally::of(text).is_mixed()).map(|_| (start, start + 40)))
}

fn github(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    let body_text = exact(view, body, 36, alnum)?;
    Ok(body_text
        .filter(|text| check::has_crc_tail(text))
        .and_then(|_| hit(&rules::GITHUB, start, body + 36, "valid check sum")))
}

fn github_fine(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    let class = |byte: u8| alnum(byte) || byte == b'_';
    let Some(text) = exact(view, body, 82, class)? else { return Ok(None) };
    let two_parts = text.bytes().position(|byte| byte == b'_') == Some(22) && Tally::of(text).is_mixed();
    Ok(if two_parts { hit(&rules::GITHUB, start, body + 82, "fine-grained") } else { None })
}

fn gitlab(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    long(view, &rules::GITLAB, start, body, (20, |byte| url64(byte) || byte == b'.'), |text| {
        let tally = Tally::of(text);
        tally.upper + tally.digit >= 2
    })
}

fn slack(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    let class = |byte: u8| alnum(byte) || matches!(byte, b'-' | b'%');
    long(view, &rules::SLACK, start, body, (16, class), |text| Tally::of(text).digit >= 4)
}

fn slack_hook(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    long(view, &rules::SLACK_HOOK, start, body, (30, |byte| alnum(byte) || byte == b'/'), |text| {
        text.split('/').filter(|part| part.len() >= 8).count() >= 3
    })
}

fn stripe(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    long(
        view,
        &rules::STRIPE,
        start,
        body,
        (16, |byte| alnum(byte) || matches!(byte, b'+' | b'/' | b'=')),
        |text| Tally::of(text).is_mixed(),
    )
}

fn sk(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    let rule = if view.starts_with(body, "ant-")? { &rules::ANTHROPIC } else { &rules::OPENAI };
    // Names such as `sk-learn-2024-pipeline` have small letters only, or no long stretch of hexadecimal.
    long(view, rule, start, body, (20, url64), |text| {
        Tally::of(text).is_mixed() || check::hex_stretch(text) >= 24
    })
}

fn google(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    let is_key = exact(view, body, 35, url64)?.is_some_and(|text| Tally::of(text).is_mixed());
    Ok(if is_key { hit(&rules::GOOGLE, start, body + 35, "") } else { None })
}

fn npm(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    let body_text = exact(view, body, 36, alnum)?;
    Ok(body_text
        .filter(|text| check::has_crc_tail(text))
        .and_then(|_| hit(&rules::NPM, start, body + 36, "valid check sum")))
}

fn pypi(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    long(view, &rules::PYPI, start, body, (50, url64), |text| Tally::of(text).is_mixed())
}

fn hugging_face(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    long(view, &rules::HUGGING_FACE, start, body, (30, alnum), |text| {
        let tally = Tally::of(text);
        tally.upper >= 2 && tally.lower >= 2
    })
}

fn sendgrid(view: View<'_>, start: usize, body: usize) -> Judged<Option<Hit>> {
    if exact(view, body, 22, url64)?.is_none() || view.byte(body + 22)? != Some(b'.') {
        return Ok(None);
    }
    let is_key = exact(view, body + 23, 43, url64)?.is_some_and(|text| Tally::of(text).is_mixed());
    Ok(if is_key { hit(&rules::SENDGRID, start, body + 66, "") } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_free_of_each_other() {
        for (at, a) in PREFIXES.iter().enumerate() {
            assert!(a.literal.is_ascii() && a.literal.len() >= 3);
            assert!(!a.literal.as_bytes()[0].is_ascii_digit() && !a.literal.starts_with(['@', ':', '=']));
            for b in &PREFIXES[at + 1..] {
                assert!(!a.literal.starts_with(b.literal) && !b.literal.starts_with(a.literal));
            }
        }
    }
}
