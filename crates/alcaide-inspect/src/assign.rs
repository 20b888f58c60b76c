//! Values given to a key whose name says that they are secret, anchored at `=` or `:`.
//!
//! `DB_PASSWORD=...`, `"apiKey": "..."`, `client_secret => '...'`, `Authorization: Bearer ...`. Only the value is
//! covered. Names decide what is asked of the value: a password has to look like one that a person or generator
//! made, a token has to be long, random and of a token's alphabet. A value that is a token of a known form is left
//! to the rule of that form.

use crate::check::{self, Tally};
use crate::close::Close;
use crate::rules;
use crate::trigger::Triggers;
use crate::view::{Hit, Judged, Reach, View};

/// Bytes of a key that are looked at, from its end.
const KEY_BYTES_MAX: usize = 64;
/// Bytes of quotes, brackets and spaces between the key and its sign.
const GAP_BYTES_MAX: usize = 4;
/// Bytes of a value that are judged; a longer one is hidden to its end.
const VALUE_BYTES_MAX: usize = 160;
/// Bytes of a password from which it counts.
const PASSWORD_BYTES_MIN: usize = 6;
/// Bytes of a token from which it counts.
const TOKEN_BYTES_MIN: usize = 16;
/// Bits a character from which a token counts as random.
const TOKEN_ENTROPY_MIN: f32 = 3.0;

/// Ends of names of passwords: English and, where ASCII spells them, the larger languages of Europe.
const PASSWORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "userpass",
    "dbpass",
    "rootpass",
    "passcode",
    "passwort",
    "kennwort",
    "contrasena",
    "motdepasse",
    "wachtwoord",
    "senha",
];
/// Ends of names of tokens and keys.
const TOKENS: [&str; 16] = [
    "secret",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "accountkey",
    "sharedkey",
    "masterkey",
    "apitoken",
    "token",
    "credential",
    "credentials",
    "authorization",
    "authkey",
];

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Password,
    Token,
    AwsSecret,
}

pub(crate) fn judge(triggers: &Triggers, view: View<'_>, at: usize) -> Judged<Option<Hit>> {
    let Some(kind) = key_kind(view.head(at)) else { return Ok(None) };
    let Some((start, quote)) = value_start(view, at)? else { return Ok(None) };
    if triggers.judge_prefix(view, start)?.is_some() {
        return Ok(None);
    }
    let end = value_end(view, start, quote)?;
    let value = view.slice(start, end);
    if quote.is_none() && is_code(value) {
        return Ok(None);
    }
    let rule = match kind {
        Kind::Password if is_password(value) => &rules::PASSWORD,
        Kind::AwsSecret if is_aws_secret(value) => &rules::AWS_SECRET,
        Kind::AwsSecret | Kind::Token if is_token(value) => &rules::GENERIC,
        _ => return Ok(None),
    };
    let reach = if value.len() + 3 < VALUE_BYTES_MAX {
        Reach::End(end)
    } else {
        Reach::Open(
            end,
            Close::While(if quote == Some(b'\'') {
                in_single
            } else if quote.is_some() {
                in_double
            } else {
                in_bare
            }),
        )
    };
    Ok(Some(Hit { rule, start, reach, note: "", beside: None }))
}

/// What the key before the sign is the name of.
fn key_kind(head: &str) -> Option<Kind> {
    let bytes = head.as_bytes();
    let gap = bytes.iter().rev().take(GAP_BYTES_MAX).take_while(|b| b" \t\"'`]*\\".contains(b)).count();
    let key = bytes.iter().rev().skip(gap).take(KEY_BYTES_MAX);
    // The end of the name, backwards, without what joins its words.
    let mut end = [0_u8; 20];
    let mut len = 0;
    for byte in key
        .take_while(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b))
        .filter(|b| b.is_ascii_alphanumeric())
    {
        let Some(place) = end.get_mut(len) else { break };
        *place = byte.to_ascii_lowercase();
        len += 1;
    }
    let end = end.get(..len)?;
    let ends_with =
        |name: &str| end.len() >= name.len() && name.bytes().rev().eq(end.iter().copied().take(name.len()));
    if ends_with("secretaccesskey") || ends_with("awssecretkey") || ends_with("awssecret") {
        return Some(Kind::AwsSecret);
    }
    if PASSWORDS.iter().any(|name| ends_with(name)) {
        return Some(Kind::Password);
    }
    TOKENS.iter().any(|name| ends_with(name)).then_some(Kind::Token)
}

/// Where the value begins, and its quote.
fn value_start(view: View<'_>, at: usize) -> Judged<Option<(usize, Option<u8>)>> {
    let mut start = at + 1;
    // `==`, `!=`, `::` and `://` give nothing to anything; `:=`, `=>` do.
    if matches!(view.before(at), Some(b'=' | b'!' | b'<' | b'>' | b':')) {
        return Ok(None);
    }
    match (view.byte(at), view.byte(start)?) {
        (Ok(Some(b':')), Some(b':' | b'/')) | (Ok(Some(b'=')), Some(b'=' | b'~')) => return Ok(None),
        (Ok(Some(b':')), Some(b'=')) | (Ok(Some(b'=')), Some(b'>')) => start += 1,
        _ => {}
    }
    start = view.run(start, 8, |byte| matches!(byte, b' ' | b'\t' | b'*'))?;
    let mut quote = None;
    // Quotes of JSON within a string of JSON.
    let slashes = view.run(start, 3, |byte| byte == b'\\')?;
    if slashes > start && matches!(view.byte(slashes)?, Some(b'"' | b'\'')) {
        start = slashes;
    }
    if let Some(mark @ (b'"' | b'\'' | b'`')) = view.byte(start)? {
        quote = Some(mark);
        start += 1;
    }
    for scheme in ["Bearer ", "bearer ", "Basic ", "basic ", "Token ", "token "] {
        if view.starts_with(start, scheme)? {
            start += scheme.len();
            break;
        }
    }
    Ok(Some((start, quote)))
}

/// End of the value, at most [`VALUE_BYTES_MAX`] on, at the end of a character.
fn value_end(view: View<'_>, start: usize, quote: Option<u8>) -> Judged<usize> {
    let (class, around): (fn(u8) -> bool, &[char]) = match quote {
        Some(b'\'') => (in_single, &['\\']),
        Some(_) => (in_double, &['\\']),
        // Brackets and commas at the end are of the text around it.
        None => (in_bare, &[',', ')', ']', '}', '\\']),
    };
    let end = view.run(start, VALUE_BYTES_MAX, class)?;
    let cut = (0..4).find_map(|back| view.head(end - back).get(start..)).unwrap_or_default();
    Ok(start + cut.trim_end_matches(around).len())
}

const fn in_bare(byte: u8) -> bool {
    !(byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'&' | b';'))
}

const fn in_double(byte: u8) -> bool {
    !matches!(byte, b'"' | b'`' | b'\n' | b'\r')
}

const fn in_single(byte: u8) -> bool {
    !matches!(byte, b'\'' | b'\n' | b'\r')
}

/// Whether a value without quotes is an expression: a path, a call, an index, a constant by its name.
fn is_code(value: &str) -> bool {
    let name = value.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
    let screams = value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let is_use = name > 0 && matches!(value.as_bytes().get(name), Some(b'(' | b'['));
    is_use || value.contains("::") || (screams && value.bytes().filter(|b| *b == b'_').count() >= 2)
}

/// Whether a value is long enough and not a word, a path of names, or filler.
fn is_password(value: &str) -> bool {
    if value.len() < PASSWORD_BYTES_MIN || is_filler(value) {
        return false;
    }
    let tally = Tally::of(value);
    if tally.upper + tally.lower == 0 && value.is_ascii() {
        return tally.other == 0;
    }
    let joins = value.bytes().filter(|b| b"._-/\\()[]{}, :".contains(b)).count();
    let strong = usize::try_from(tally.other).unwrap_or(0).saturating_sub(joins);
    tally.digit > 0 || strong > 0
}

fn is_token(value: &str) -> bool {
    let alphabet = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+/=.-~".contains(&b));
    if value.len() < TOKEN_BYTES_MIN || !alphabet || is_filler(value) || value.starts_with(['/', '.']) {
        return false;
    }
    // `Credentials_0`, `API_KEY_2`: a name with a number at its end.
    let name = value.trim_end_matches(|c: char| c.is_ascii_digit());
    if name.ends_with('_') && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_') {
        return false;
    }
    let tally = Tally::of(value);
    tally.digit >= 2 && tally.entropy >= TOKEN_ENTROPY_MIN && !tally.is_filler()
        || tally.digit >= 1 && tally.is_mixed() && tally.entropy >= 3.5
        || value.len() >= 32
            && tally.upper >= 4
            && tally.lower >= 4
            && tally.entropy >= 4.0
            && tally.other <= 2
}

fn is_aws_secret(value: &str) -> bool {
    value.len() == 40
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
        && (Tally::of(value).is_mixed() || check::hex_stretch(value) < 40)
        && !value.ends_with("EXAMPLEKEY")
        && !Tally::of(value).is_filler()
}

/// Whether this stands where a value would: a variable, a template, stars, a word such as `changeme`.
pub(crate) fn is_filler(value: &str) -> bool {
    const WORDS: [&str; 22] = [
        "password",
        "passwd",
        "pass",
        "pwd",
        "secret",
        "token",
        "changeme",
        "example",
        "redacted",
        "hidden",
        "null",
        "none",
        "true",
        "false",
        "string",
        "required",
        "optional",
        "undefined",
        "placeholder",
        "your",
        "user",
        "dummy",
    ];
    let bare = value.trim_matches(|c: char| !c.is_alphanumeric());
    let mut letters = value.chars();
    let first = letters.next();
    value.is_empty()
        || letters.all(|letter| Some(letter) == first)
        || ["{", "${", "$(", "%(", "<", "%{", "[card ", "[email ", "[secret", "[redacted"]
            .iter()
            .any(|open| value.starts_with(open))
        // A conversion of `printf`; a password may begin with the same two letters.
        || value.strip_prefix("%s").is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        || value.strip_prefix('$').is_some_and(|name| {
            name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
        })
        || value.ends_with(['(', '['])
        || value.contains("()")
        || value.contains("env.")
        || value.contains("environ")
        || WORDS.iter().any(|word| bare.eq_ignore_ascii_case(word))
        || bare
            .get(..5)
            .is_some_and(|head| head.eq_ignore_ascii_case("your_") || head.eq_ignore_ascii_case("your-"))
        || value.chars().all(|letter| matches!(letter, '*' | '.' | '•' | 'x' | 'X' | '…' | '#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        let triggers = Triggers::of(crate::token::PREFIXES, [].into());
        (0..text.len()).filter(|at| b":=".contains(&text.as_bytes()[*at])).find_map(|at| {
            let hit = judge(&triggers, View::new(text, true), at).unwrap()?;
            let Reach::End(end) = hit.reach else { unreachable!() };
            text.get(hit.start..end)
        })
    }

    #[test]
    fn values_are_found_and_nothing_beside_them() {
        for (text, want) in [
            ("DB_PASSWORD=hunter2!", "hunter2!"),
            ("\"password\": \"correct horse 9\", \"x\": 1", "correct horse 9"),
            ("password => 'it\"s4fe'", "it\"s4fe"),
            ("senha: Abc123, ok", "Abc123"),
            ("?user=a&pwd=Abc123&x=1", "Abc123"),
            ("Server=h;Password=Abc,123;Database=d", "Abc,123"),
            ("**Password:** Tr0ub4dor", "Tr0ub4dor"),
            ("password: 123456", "123456"),
            ("apiKey := \"q7Zt0LmX2bVn9KcR\"", "q7Zt0LmX2bVn9KcR"),
            ("authorization: Basic dXNlcjpwYXNzd29yZDE=", "dXNlcjpwYXNzd29yZDE="),
            (r#"{\"password\": \"Abc1234\", \"x\": 1}"#, "Abc1234"),
            ("password: Summer_2024", "Summer_2024"),
            ("heslo-password: žluťoučký1", "žluťoučký1"),
        ] {
            assert_eq!(found(text), Some(want), "{text}");
        }
    }

    #[test]
    fn words_and_code_are_not() {
        for text in [
            "password: required",
            "Password: must be long",
            "password = os.environ[\"PW\"]",
            "password=${DB_PASSWORD}",
            "if password == \"abc123\"",
            "password: ********",
            "token = self.tokenizer.encode",
            "max_tokens: 4096",
            "password=getpass()",
            "secret: 2024-05-05",
            "password: $DB_PASS1",
            "api_key: YOUR_API_KEY_1234567",
            "password: changeme",
            "monkey: abc123",
            "password: [secret: password]",
            "password::hash1234",
            "token: 12345",
            "password=certs[0][2]",
            "pub Password: super::super::Win32::UNICODE",
            "Token: MSV1_0_PROTOCOL_MESSAGE_TYPE",
            "credentials: MI_UserCredentials_01",
            "password={password1!r}",
            "secret: /run/secrets/db1/pass2",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
