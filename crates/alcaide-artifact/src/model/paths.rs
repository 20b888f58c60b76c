//! Does a path that a model names stay in the model's own folder?

/// Why `path` may lead outside of the folder that it is relative to; none if it cannot on any system.
pub(super) fn leads_outside(path: &[u8]) -> Option<&'static str> {
    if path.contains(&0) {
        return Some("holds a zero byte, after which some loaders stop reading");
    }
    let text = String::from_utf8_lossy(path);
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if text.contains('\u{fffd}') || text.chars().any(char::is_control) {
        return Some("holds controls or bytes that are no text");
    }
    if scheme(text).is_some() {
        return Some("is a URL");
    }
    let bytes = text.as_bytes();
    match bytes {
        [b'/' | b'\\', b'/' | b'\\', ..] => return Some("is a share of another machine"),
        [b'/' | b'\\', ..] => return Some("is absolute"),
        [b'~', ..] => return Some("begins in somebody's home"),
        [drive, b':', ..] if drive.is_ascii_alphabetic() => return Some("names a drive"),
        _ => {}
    }
    if dollar_variable(text) || percent_variable(text) {
        return Some("holds a variable of the environment");
    }
    let plain = unescaped(text);
    let folded: String = plain.chars().map(fold).collect();
    if folded.split(['/', '\\']).any(is_up) {
        return Some("goes up out of the folder");
    }
    if plain != text && (folded.starts_with('/') || folded.starts_with('\\')) {
        return Some("is absolute, escaped");
    }
    if text.contains('\\') {
        return Some("is parted by backslashes, which only some systems read as folders");
    }
    if text.contains('*') {
        return Some("holds a pattern or a mark of a runtime, not a name");
    }
    None
}

/// The scheme of a URL, if `text` begins with one.
pub(super) fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let named = scheme.len() > 1
        && scheme.starts_with(|one: char| one.is_ascii_alphabetic())
        && scheme.bytes().all(|one| one.is_ascii_alphanumeric() || matches!(one, b'+' | b'-' | b'.'));
    (named && (rest.starts_with("//") || matches!(scheme, "file" | "data" | "javascript" | "jar")))
        .then_some(scheme)
}

/// A part of a path that means the folder above; Windows drops dots and spaces at the end of a name.
fn is_up(part: &str) -> bool {
    let part = part.trim();
    part.starts_with("..") && part.bytes().all(|one| matches!(one, b'.' | b' '))
}

/// `$NAME`, `${NAME}` or `$(command)`, as shells write what they put in.
fn dollar_variable(text: &str) -> bool {
    text.split('$')
        .skip(1)
        .any(|rest| rest.starts_with(|one: char| one.is_ascii_alphabetic() || matches!(one, '_' | '{' | '(')))
}

/// `%NAME%`, as Windows writes variables.
fn percent_variable(text: &str) -> bool {
    let mut parts = text.split('%').skip(1);
    parts.next().is_some_and(|name| {
        parts.next().is_some()
            && name.len() > 2
            && name.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'_')
    })
}

/// Percent escapes undone, twice at most, for what is escaped two times over.
fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..2 {
        let mut out = Vec::with_capacity(text.len());
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let mut ahead = bytes.clone();
            let digits = (ahead.next().and_then(hex), ahead.next().and_then(hex));
            match (byte, digits) {
                (b'%', (Some(high), Some(low))) => {
                    out.push(high << 4 | low);
                    bytes = ahead;
                }
                _ => out.push(byte),
            }
        }
        let next = String::from_utf8_lossy(&out).into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Look-alikes of dots and strokes that some file systems and libraries fold into them.
fn fold(one: char) -> char {
    match one {
        '\u{ff0e}' | '\u{2024}' | '\u{fe52}' => '.',
        '\u{ff0f}' | '\u{2044}' | '\u{2215}' => '/',
        '\u{ff3c}' | '\u{fe68}' | '\u{2216}' => '\\',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_inside_is_let_be() {
        for path in [
            "weights.bin",
            "sub/weights.bin",
            "model.onnx.data",
            "./a/b",
            "a..b/c",
            "...a",
            "50%",
            "5$",
            "cash$1",
            "100%_a",
            "xy:z",
            "",
            "name with space.bin",
            "größe.bin",
        ] {
            assert_eq!(leads_outside(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn what_leads_outside_is_told() {
        for path in [
            "../x",
            "a/../../x",
            "/etc/passwd",
            "\\x",
            "..\\x",
            "a\\b",
            "C:\\x",
            "c:x",
            "\\\\host\\share",
            "//host/x",
            "file:///etc/passwd",
            "https://example.org/x",
            "s3://b/x",
            "file:/etc/x",
            "~/.ssh/id",
            "%2e%2e/x",
            "%252e%252e%252fx",
            "%2fetc/passwd",
            "..%2fx",
            "a/.. /x",
            ".. ",
            "...../x",
            "\u{ff0e}\u{ff0e}/x",
            "${HOME}/x",
            "$HOME/x",
            "a/$TMPDIR",
            "%APPDATA%/x",
            "*/_MEM_/*",
            "a\u{0}b",
            "a\nb",
            " ../x",
        ] {
            assert!(leads_outside(path.as_bytes()).is_some(), "{path:?}");
        }
        assert!(leads_outside(b"a\xff").is_some());
    }
}
