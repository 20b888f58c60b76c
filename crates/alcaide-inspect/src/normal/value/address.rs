//! E-mail addresses and URLs in running text.
//!
//! Both are looked for once in each run of characters that a host, a scheme or a local part may consist of, so a run
//! is read once however many words it has.

use super::super::chars::{before, is_glue};
use super::super::exact::exact;
use super::{Match, Value};

/// A Uniform Resource Locator, normalised: RFC 3986, section 6.2.2.1 (case) and 6.2.3 (scheme), nothing that could
/// join two resources.
///
/// Two URLs are equal where all of it is; [`Value::covers`] is the comparison that lets a scheme lack.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Url {
    /// In small letters; none where none was written.
    pub scheme: Option<String>,
    /// Authority, path, query and fragment: the host in exact form, without the scheme's own port; a path without slashes
    /// at its end where nothing follows it; all else as it was written.
    pub rest: String,
}

/// The run of characters at a place: where it ends, and what was found in it.
pub(super) struct Run {
    pub(super) end: usize,
    /// Where the value begins: not before the place, and perhaps after it.
    pub(super) found: Option<(usize, Match)>,
}

/// Looks at the run of characters that begins at `at`.
pub(super) fn address(text: &str, at: usize) -> Run {
    let end = run_end(text, at);
    let rest = text.get(end..).unwrap_or_default();
    let run = text.get(at..end).unwrap_or_default();
    if rest.starts_with('@') {
        return email(text, at, end);
    }
    if rest.starts_with("://") {
        let scheme = run.len() - run.trim_end_matches(is_scheme).len();
        let scheme = run.get(run.len() - scheme..).unwrap_or_default();
        let scheme = scheme.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let start = end - scheme.len();
        let found = if scheme.is_empty() { None } else { located(text, scheme, end + 3) };
        return Run {
            end: found.as_ref().map_or(end + 3, |found| found.end),
            found: found.map(|found| (start, found)),
        };
    }
    let start = at + run.rfind('=').map_or(0, |eq| eq + 1);
    if !run.contains('.') && end - start != "localhost".len() {
        return Run { end, found: None };
    }
    let found = bare(text, start);
    Run { end, found: found.map(|found| (start, found)) }
}

/// Longest run of what words, hosts and local parts are made of; marks that a local part may hold join two words.
fn run_end(text: &str, at: usize) -> usize {
    let mut end = at;
    let mut last_is_glue = false;
    let mut chars = text.get(at..).unwrap_or_default().chars().peekable();
    while let Some(c) = chars.next() {
        let glue = is_glue(c);
        let joint = match c {
            '.' | '-' | '+' | '%' => true,
            '\'' | '!' | '&' | '#' | '$' | '*' | '~' | '^' | '=' => {
                last_is_glue && chars.peek().is_some_and(|c| is_glue(*c))
            }
            _ => false,
        };
        if !glue && !joint {
            break;
        }
        last_is_glue = glue;
        end += c.len_utf8();
    }
    end
}

fn is_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

/// An address whose local part is the run `at..end`, behind which an `@` stands.
fn email(text: &str, at: usize, end: usize) -> Run {
    let run = text.get(at..end).unwrap_or_default();
    let local = local_part(run);
    let start = end - local.len();
    let tail = text.get(end + 1..).unwrap_or_default();
    let length = tail.find(|c: char| !(is_glue(c) || matches!(c, '.' | '-'))).unwrap_or(tail.len());
    let domain = tail.get(..length).unwrap_or_default().trim_end_matches(['.', '-']);
    let stop = end + 1 + domain.len();
    let again = tail.get(length..).is_some_and(|rest| rest.starts_with('@'));
    if local.is_empty() || local.ends_with('.') || again || !is_domain(domain) {
        return Run { end: (end + 1 + length).max(end + 1), found: None };
    }
    let value = Value::Email(format!("{}@{}", exact(local), exact(domain)));
    Run { end: stop, found: Some((start, Match::one(stop, value))) }
}

/// The local part at the end of a run. `to=ann@x.com` says what the address is for; `bounce+ann=x.com@y.org` is one
/// address.
fn local_part(run: &str) -> &str {
    let mut local = run;
    loop {
        local = local.trim_start_matches(['.', '-', '+', '%']);
        match local.split_once('=') {
            Some((key, rest)) if key.chars().all(char::is_alphabetic) => local = rest,
            _ => return local,
        }
    }
}

/// Labels, none empty, the last one no number.
fn is_domain(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    !domain.is_empty()
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
        && !last.bytes().all(|b| b.is_ascii_digit())
}

/// A URL whose authority begins at `at`, behind its scheme.
fn located(text: &str, scheme: &str, at: usize) -> Option<Match> {
    let tail = text.get(at..)?;
    let scheme = scheme.to_ascii_lowercase();
    if tail.starts_with(['/', '?', '#']) && scheme != "file" {
        return None;
    }
    let length = tail.find(|c| !is_url(c)).unwrap_or(tail.len());
    let whole = trimmed(tail.get(..length)?);
    let cut = whole.find(['/', '?', '#']).unwrap_or(whole.len());
    let (authority, path) = whole.split_at_checked(cut)?;
    if authority.is_empty() && path.is_empty() {
        return None;
    }
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let default = match scheme.as_str() {
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        "ftp" => "21",
        _ => "",
    };
    let mut rest = String::with_capacity(whole.len());
    if user.len() + host.len() < authority.len() {
        rest.push_str(user);
        rest.push('@');
    }
    match split_port(host) {
        Some((host, port)) => {
            rest.push_str(&exact(host));
            if !port.is_empty() && port != default {
                rest.push(':');
                rest.push_str(port);
            }
        }
        None => rest.push_str(host),
    }
    let path = closed(&rest, path).to_owned();
    rest.push_str(&path);
    let scheme = Some(scheme);
    Some(Match::one(at + whole.len(), Value::Url(Url { scheme, rest })))
}

/// A URL without a scheme whose host begins at `at`. Whether the host can be one is known before its path is read.
fn bare(text: &str, at: usize) -> Option<Match> {
    let tail = text.get(at..)?;
    let length = tail.find(|c: char| !(is_glue(c) || matches!(c, '.' | '-'))).unwrap_or(tail.len());
    let host = tail.get(..length)?;
    let kind = Host::of(host)?;
    let mut end = length;
    let digits = tail
        .get(end..)?
        .strip_prefix(':')
        .map_or(0, |rest| rest.bytes().take(6).take_while(u8::is_ascii_digit).count());
    let port = if (1..=5).contains(&digits) { tail.get(end..=end + digits)? } else { "" };
    end += port.len();
    let path = tail.get(end..)?;
    let path = if path.starts_with(['/', '?', '#']) { path } else { "" };
    let path = trimmed(path.get(..path.find(|c| !is_url(c)).unwrap_or(path.len()))?);
    let kept = closed(if port.is_empty() { host } else { port }, path);
    if port.is_empty() && path.is_empty() {
        end = trimmed(host).len();
    }
    let host = host.get(..end.min(length))?;
    let says = match kind {
        Host::Known => true,
        Host::Named => kept.len() > 1,
        Host::Address => kept.len() > 1 || !port.is_empty(),
    };
    let rest = format!("{}{port}{kept}", exact(host));
    says.then(|| Match::one(at + end + path.len(), Value::Url(Url { scheme: None, rest })))
}

/// A path behind `authority` without the slashes at its end, unless something follows them, or the rest would end in
/// what belongs to a sentence.
fn closed<'p>(authority: &str, path: &'p str) -> &'p str {
    let short = path.trim_end_matches('/');
    let end = if short.is_empty() { authority } else { short };
    if end.is_empty() || path.contains(['?', '#']) || end.ends_with(MARKS) || end.ends_with([')', ']', '-']) {
        path
    } else {
        short
    }
}

/// What a host without a scheme looks like.
enum Host {
    /// Ends as hosts do, or begins with `www.`.
    Known,
    /// Names with points between them: a host where a path follows.
    Named,
    /// Four numbers, or `localhost`: a host where a path or port follows.
    Address,
}

impl Host {
    fn of(host: &str) -> Option<Self> {
        let host = host.trim_end_matches(['.', '-']);
        if host.eq_ignore_ascii_case("localhost") {
            return Some(Self::Address);
        }
        let (before, last) = host.rsplit_once('.')?;
        let label = |label: &str| (1..=3).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_digit());
        if label(last) && host.split('.').count() == 4 && host.split('.').all(label) {
            return Some(Self::Address);
        }
        if !is_domain(host) || last.chars().nth(1).is_none() {
            return None;
        }
        let www = before.get(..4).is_some_and(|www| www.eq_ignore_ascii_case("www."));
        let known = TLDS.iter().any(|tld| last.eq_ignore_ascii_case(tld));
        Some(if www || known { Self::Known } else { Self::Named })
    }
}

/// Host and port, empty where none is written; nothing where there is no host, or it is no port.
fn split_port(host: &str) -> Option<(&str, &str)> {
    let name = if host.starts_with('[') { host.find(']')? + 1 } else { host.find(':').unwrap_or(host.len()) };
    let (host, port) = host.split_at_checked(name).filter(|(host, _)| !host.is_empty())?;
    if port.is_empty() {
        return Some((host, ""));
    }
    port.strip_prefix(':').filter(|port| is_port(port)).map(|port| (host, port))
}

fn is_port(port: &str) -> bool {
    port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
}

/// Characters of a URL: those of RFC 3986, and letters, marks and unseen characters of all scripts, as browsers take
/// them.
fn is_url(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric()
            || matches!(
                c,
                '-' | '.'
                    | '_'
                    | '~'
                    | ':'
                    | '/'
                    | '?'
                    | '#'
                    | '['
                    | ']'
                    | '@'
                    | '!'
                    | '$'
                    | '&'
                    | '\''
                    | '('
                    | ')'
                    | '*'
                    | '+'
                    | ','
                    | ';'
                    | '='
                    | '%'
            );
    }
    is_glue(c)
}

/// A URL without the punctuation of the sentence around it.
fn trimmed(url: &str) -> &str {
    let mut open = url.bytes().filter(|b| *b == b'(').count();
    let mut close = url.bytes().filter(|b| *b == b')').count();
    let bracket = url.find('[').unwrap_or(url.len());
    let mut end = url;
    while let Some(c) = end.chars().next_back() {
        match c {
            c if MARKS.contains(&c) => {}
            ']' if end.len() <= bracket => {}
            ')' if close > open => close -= 1,
            '(' => open = open.saturating_sub(1),
            _ => break,
        }
        end = end.get(..end.len() - c.len_utf8()).unwrap_or_default();
    }
    end
}

/// Whether a run may begin at `at`: nothing of a run stands before.
pub(super) fn may_begin(text: &str, at: usize) -> bool {
    !before(text, at).is_some_and(|c| is_glue(c) || matches!(c, '@'))
}

/// What ends a sentence, not a URL.
const MARKS: &[char] = &['.', ',', ';', ':', '!', '?', '\'', '[', '*'];

/// Ends of hosts that need no scheme to be known as such; those that are also ends of files are left out.
const TLDS: &[&str] = &[
    "com",
    "org",
    "net",
    "edu",
    "gov",
    "mil",
    "int",
    "info",
    "biz",
    "io",
    "co",
    "ai",
    "app",
    "dev",
    "me",
    "tv",
    "xyz",
    "online",
    "site",
    "shop",
    "cloud",
    "tech",
    "blog",
    "news",
    "uk",
    "de",
    "fr",
    "es",
    "it",
    "nl",
    "ch",
    "at",
    "be",
    "eu",
    "us",
    "ca",
    "au",
    "jp",
    "cn",
    "in",
    "br",
    "ru",
    "se",
    "dk",
    "fi",
    "ie",
    "pt",
    "cz",
    "gr",
    "mx",
    "kr",
    "nz",
    "za",
    "tr",
    "ua",
    "example",
    "test",
    "invalid",
    "local",
    "localhost",
];
