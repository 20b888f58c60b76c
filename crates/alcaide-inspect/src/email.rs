//! E-mail addresses, anchored at `@`.
//!
//! The grammar is the part of RFC 5321, section 4.1.2, that people use: a dot-atom of letters, digits and `_%+-`,
//! at most 64 bytes, and a domain of at most 253 bytes with two or more labels, the last of letters (or `xn--`).
//! Letters of two bytes in UTF-8 (Latin, Greek, Cyrillic, Armenian: RFC 6531) count in both parts. Left out: quoted
//! local parts, address literals, domains without a dot, scripts written without spaces.

use crate::rules;
use crate::view::{Hit, Judged, View};

/// Bytes of a local part (RFC 5321, section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Bytes of a domain (RFC 1035, section 2.3.4, less the root).
const DOMAIN_BYTES_MAX: usize = 253;
/// Bytes of a label.
const LABEL_BYTES_MAX: usize = 63;

/// Endings of file names that look like top levels: `icon@2x.png`.
const FILE_ENDINGS: [&str; 12] =
    ["png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "html", "json", "pdf"];

/// First byte of the run of local characters that ends before `at`, at most 64 bytes back: where an address
/// could begin whose `@` is still to come.
pub(crate) fn reach_back(view: View<'_>, at: usize) -> usize {
    local_run(view.head(at)).min(at)
}

pub(crate) fn judge(view: View<'_>, at: usize) -> Judged<Option<Hit>> {
    let head = view.head(at);
    let run = local_run(head);
    let local = view.slice(run, at);
    if local.is_empty() || local.ends_with('.') {
        return Ok(None);
    }
    // A run that goes on further back is no local part.
    if head.get(..run).and_then(|before| before.chars().next_back()).is_some_and(is_local) {
        return Ok(None);
    }
    let local = local.rsplit("..").next().unwrap_or(local);
    let local = local.trim_start_matches(['.', '-', '+', '%']);
    let Some(end) = domain_end(view, at + 1)? else { return Ok(None) };
    let is_remote = local == "git" && view.byte(end)? == Some(b':');
    if local.is_empty() || is_remote {
        return Ok(None);
    }
    Ok(Some(Hit::whole(&rules::EMAIL, at - local.len(), end, "")))
}

/// Start of the run of local characters at the end of `head`, looking back no further than the longest local part.
fn local_run(head: &str) -> usize {
    let mut start = head.len();
    for letter in head.chars().rev() {
        let next = start - letter.len_utf8();
        if !is_local(letter) || head.len() - next > LOCAL_BYTES_MAX {
            break;
        }
        start = next;
    }
    start
}

/// End of the longest domain that begins at `from`.
fn domain_end(view: View<'_>, from: usize) -> Judged<Option<usize>> {
    let mut end = None;
    let mut label = from;
    let mut labels = 0_u32;
    let mut numbers = 0_u32;
    loop {
        let stop = label_end(view, label)?;
        let text = view.slice(label, stop);
        let name = text.trim_end_matches('-');
        if name.is_empty()
            || name.starts_with('-')
            || text.len() > LABEL_BYTES_MAX
            || stop - from > DOMAIN_BYTES_MAX
        {
            break;
        }
        labels += 1;
        numbers += u32::from(name.bytes().all(|byte| byte.is_ascii_digit()));
        // Two labels of digits make a version or an address of IP: `pkg@1.2.3-beta.rc`.
        if labels > 1 && numbers < 2 && is_top_level(name) {
            end = Some(label + name.len());
        }
        if name.len() < text.len() || view.byte(stop)? != Some(b'.') {
            break;
        }
        label = stop + 1;
    }
    Ok(end)
}

/// End of the label at `from`; looks at most one byte past what a domain may hold.
fn label_end(view: View<'_>, from: usize) -> Judged<usize> {
    let mut at = from;
    while at - from <= LABEL_BYTES_MAX {
        match view.byte(at)? {
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'-' => at += 1,
            // A two-byte letter: text is whole characters, so the second byte is there.
            Some(0xc3..=0xd6) => match view.slice(at, at + 2).chars().next() {
                Some(letter) if letter.is_alphabetic() => at += 2,
                _ => break,
            },
            _ => break,
        }
    }
    Ok(at)
}

fn is_top_level(label: &str) -> bool {
    let letters = label.chars().all(char::is_alphabetic) && label.chars().count() >= 2;
    let punycode = label.len() > 4 && label.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("xn--"));
    (letters || punycode) && !FILE_ENDINGS.iter().any(|ending| label.eq_ignore_ascii_case(ending))
}

fn is_local(letter: char) -> bool {
    match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '%' | '+' | '-' => true,
        '\u{c0}'..='\u{58f}' => letter.is_alphabetic(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Reach;

    fn found(text: &str) -> Option<&str> {
        let at = text.find('@').unwrap();
        let hit = judge(View::new(text, true), at).unwrap()?;
        let Reach::End(end) = hit.reach else { unreachable!() };
        text.get(hit.start..end)
    }

    #[test]
    fn addresses_are_found_whole() {
        for (text, want) in [
            ("mail ana.b+c@sub.example.co.uk.", "ana.b+c@sub.example.co.uk"),
            ("<joão@exemplo.pt>", "joão@exemplo.pt"),
            ("a@müller.de", "a@müller.de"),
            ("to:-x@example.xn--p1ai,", "x@example.xn--p1ai"),
            ("a@b.org- yes", "a@b.org"),
            ("9@163.com", "9@163.com"),
            ("wait..who@example.org", "who@example.org"),
        ] {
            assert_eq!(found(text), Some(want), "{text}");
        }
    }

    #[test]
    fn look_alikes_are_not() {
        for text in [
            "user@localhost",
            "@app.route",
            "lodash@4.17.21",
            "icon@2x.png",
            "root@10.0.0.1",
            "a@b",
            "git@github.com:org/repo",
            "x.@example.org",
            "a@-b.org",
            "npm i @scope/pkg",
            "s@t.x",
            "pkg@1.2.3-beta.rc",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        assert_eq!(found(&long), None);
    }

    #[test]
    fn a_domain_that_may_go_on_waits() {
        for text in ["a@b.com", "a@b", "a@", "a@b.com."] {
            assert_eq!(judge(View::new(text, false), 1).err(), Some(crate::view::NeedMore), "{text}");
        }
        assert!(judge(View::new("a@b.com ", false), 1).unwrap().is_some());
    }
}
