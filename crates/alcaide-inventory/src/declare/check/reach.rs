//! Rules for how an upstream is reached: URLs, programs, sandboxes, waits and what is shown to it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Check, TIMEOUT_MS_MAX, TIMEOUT_MS_MIN, is_line, shown, word};
use crate::declare::{CredentialUse, Named, Protocol, Sandbox, Transport, Upstream};
use crate::name::Name;

pub(super) fn check(check: &mut Check<'_>, upstream: &Named<Upstream>) {
    let Named { name, spec } = upstream;
    match &spec.transport {
        Transport::Http { base_url } => url(check, name, "base_url", base_url),
        Transport::Stdio { command, sandbox } => {
            if spec.protocol != Protocol::Mcp {
                let why = format!("it speaks `{}`, which does not run over stdio", word(spec.protocol));
                check.broken("upstream", name, why, "write `base_url` in place of `command`");
            }
            if spec.credential.is_some() {
                let why = "a child process is shown no credential";
                check.broken("upstream", name, why, "remove `credential`");
            }
            program(check, name, command);
            sandbox_of(check, name, sandbox);
        }
    }
    let waits =
        [("first_byte_timeout_ms", spec.first_byte_timeout_ms), ("idle_timeout_ms", spec.idle_timeout_ms)];
    for (key, wait) in waits {
        if wait.is_some_and(|wait| !(TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX).contains(&wait)) {
            let fix = format!("write {TIMEOUT_MS_MIN} to {TIMEOUT_MS_MAX} milliseconds, or leave it out");
            check.broken("upstream", name, format!("`{key}` is out of its bounds"), fix);
        }
    }
    match &spec.credential {
        None => {}
        Some(CredentialUse::Header { header, prefix, .. }) => {
            if !is_token(header) {
                let why = format!("`{}` is not the name of a header", shown(header));
                check.broken("upstream", name, why, "write a name such as `authorization` or `x-api-key`");
            } else if RESERVED_HEADERS.contains(&header.to_ascii_lowercase().as_str()) {
                let why = format!("the header `{}` belongs to the connection", shown(header));
                check.broken("upstream", name, why, "show the credential in another header");
            }
            if prefix.len() > 64 || !prefix.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                let why = "the credential's `prefix` is not short printable ASCII";
                check.broken("upstream", name, why, "write a prefix such as `Bearer `");
            }
        }
        Some(CredentialUse::ClientCredentials { token_url, client_id, scope, .. }) => {
            url(check, name, "token_url", token_url);
            if !is_line(client_id, 256) {
                let why = "`client_id` is empty, too long or has control characters";
                check.broken(
                    "upstream",
                    name,
                    why,
                    "write the id that the upstream's authorisation server gave",
                );
            }
            if scope.len() > 1_024 || scope.chars().any(char::is_control) {
                let why = "`scope` is too long or has control characters";
                check.broken("upstream", name, why, "write scopes separated by single spaces");
            }
        }
    }
}

fn url(check: &mut Check<'_>, name: &Name, key: &str, text: &str) {
    match read_url(text) {
        Err(why) => {
            let why = format!("`{key}` `{}` {why}", shown(text));
            check.broken("upstream", name, why, "write `https://HOST[:PORT][/PATH]`");
        }
        Ok(Reached { plain: true, loopback: false }) => {
            let why = format!("`{key}` `{}` is plain HTTP to a host that is not loopback", shown(text));
            let fix = "write `https://`, or put a TLS proxy on 127.0.0.1 in front of it";
            check.broken("upstream", name, why, fix);
        }
        Ok(_) => {}
    }
}

struct Reached {
    plain: bool,
    loopback: bool,
}

/// Source: RFC 3986, sections 3.1 to 3.3; userinfo, query and fragment are refused.
fn read_url(text: &str) -> Result<Reached, &'static str> {
    if text.len() > 2_048 {
        return Err("is longer than 2,048 bytes");
    }
    let (plain, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return Err("does not begin with `https://` or `http://`"),
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
        None => (rest, ""),
    };
    if authority.contains('@') {
        return Err("holds a user name or password");
    }
    if text.contains(['?', '#']) {
        return Err("holds a query or fragment");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (address, after) = inner.split_once(']').ok_or("has an address without `]`")?;
            let address: Ipv6Addr = address.parse().map_err(|_| "has an address that is not IPv6")?;
            let port = match after {
                "" => None,
                _ => Some(after.strip_prefix(':').ok_or("has something after `]` that is no port")?),
            };
            (Host::V6(address), port)
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            (Host::read(host)?, port)
        }
    };
    if let Some(port) = port {
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || port.parse::<u16>().ok().is_none_or(|port| port == 0) {
            return Err("has a port that is not 1 to 65535");
        }
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if !path.bytes().all(good) {
        return Err("has a character that a path does not take");
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("has a dot segment");
    }
    Ok(Reached { plain, loopback: host.is_loopback() })
}

enum Host {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    Name { local: bool },
}

impl Host {
    fn read(text: &str) -> Result<Self, &'static str> {
        if let Ok(address) = text.parse() {
            return Ok(Self::V4(address));
        }
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let labels_ok =
            text.split('.').all(|label| !label.is_empty() && label.len() <= 63 && label.bytes().all(good));
        // A last label of digits is an address in a form that resolvers read in different ways.
        let last_ok =
            text.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| !byte.is_ascii_digit()));
        let hex =
            text.rsplit('.').next().is_some_and(|last| last.starts_with("0x") || last.starts_with("0X"));
        if labels_ok && last_ok && !hex && text.len() <= 253 {
            Ok(Self::Name { local: text.eq_ignore_ascii_case("localhost") })
        } else {
            Err("has a host that is neither a name nor an address")
        }
    }

    const fn is_loopback(&self) -> bool {
        match self {
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
            Self::Name { local } => *local,
        }
    }
}

fn program(check: &mut Check<'_>, name: &Name, command: &[String]) {
    let Some(program) = command.first() else {
        let fix = "write `command = [\"/path/to/program\", \"argument\"]`";
        check.broken("upstream", name, "`command` is empty", fix);
        return;
    };
    if !is_folder(program) {
        let why = format!("the program `{}` is no absolute path", shown(program));
        check.broken("upstream", name, why, "write the whole path, such as `/usr/bin/python3`");
    }
    if command.iter().any(|part| part.contains('\0')) {
        check.broken("upstream", name, "`command` holds a zero byte", "remove it");
    }
    if command.len() > 256 || command.iter().map(String::len).sum::<usize>() > 65_536 {
        let fix = "put the arguments into a file that the program reads";
        check.broken("upstream", name, "`command` has more than 256 parts or 65,536 bytes", fix);
    }
}

fn sandbox_of(check: &mut Check<'_>, name: &Name, sandbox: &Sandbox) {
    for folder in sandbox.read.iter().chain(&sandbox.write) {
        if !is_folder(folder) {
            let why = format!("the sandbox's folder `{}` is no absolute path", shown(folder));
            check.broken("upstream", name, why, "write the whole path, without `..`");
        }
    }
    if let Some(digest) = &sandbox.executable_sha256 {
        let good = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !good {
            let why = "`executable_sha256` is not 64 lower-case hex digits";
            check.broken("upstream", name, why, "write what `sha256sum` prints for the program");
        }
    }
}

fn is_folder(path: &str) -> bool {
    path.starts_with('/') && !path.contains('\0') && !path.split('/').any(|part| matches!(part, "." | ".."))
}

/// Source: RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(good)
}

/// Headers that the gate itself writes; a credential there would change how the message is framed or routed.
const RESERVED_HEADERS: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
