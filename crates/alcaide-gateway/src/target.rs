//! What a request's target says: the texts of a path and a query, as those who receive it read them.

/// The texts of a path and a query: each segment, each key, each value, with percent escapes undone; in a query `+` is a
/// space. Empty ones are left out.
pub(crate) fn texts(path: &str, query: Option<&str>) -> Vec<String> {
    let segments = path.split('/').map(|segment| decoded(segment, false));
    let pairs = query.into_iter().flat_map(form);
    segments.chain(pairs).filter(|text| !text.is_empty()).collect()
}

/// The keys and values of a form or a query.
pub(crate) fn form(text: &str) -> impl Iterator<Item = String> {
    let words = text.split('&').flat_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        [key, value]
    });
    words.map(|word| decoded(word, true))
}

/// A text with percent escapes undone, and `+` where that is a space; what is no UTF-8 then is replaced.
fn decoded(text: &str, plus: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    loop {
        match rest {
            [] => break,
            [b'%', high, low, tail @ ..] if nibble(*high).is_some() && nibble(*low).is_some() => {
                bytes.push((nibble(*high).unwrap_or(0) << 4) | nibble(*low).unwrap_or(0));
                rest = tail;
            }
            [b'+', tail @ ..] if plus => {
                bytes.push(b' ');
                rest = tail;
            }
            [byte, tail @ ..] => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Longest version of an API in a query.
const VERSION_BYTES_MAX: usize = 32;
/// Most digits of it: a date has eight.
const VERSION_DIGITS_MAX: usize = 12;

/// What of a caller's query goes to a model's provider, with its `?`: the pairs that the protocols know, in the form that
/// they have there. All else stays behind: it decides nothing here, and nobody looks at it.
pub(crate) fn passed_query(query: Option<&str>) -> String {
    let known = |pair: &&str| match pair.split_once('=') {
        // Anthropic's clients.
        Some(("beta", value)) => matches!(value, "true" | "false"),
        // OpenAI's protocol as Azure speaks it.
        Some(("api-version", value)) => {
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            (1..=VERSION_BYTES_MAX).contains(&value.len())
                && value.bytes().all(fine)
                && value.bytes().filter(u8::is_ascii_digit).count() <= VERSION_DIGITS_MAX
        }
        _ => false,
    };
    let passed: Vec<&str> = query.into_iter().flat_map(|query| query.split('&')).filter(known).collect();
    if passed.is_empty() { String::new() } else { format!("?{}", passed.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_looked_at_as_those_who_receive_it_read_it() {
        let read = texts("/a+b/%34%32/", Some("a=1+2&%62=%61%40x%zz&c&=d"));
        assert_eq!(read, ["a+b", "42", "a", "1 2", "b", "a@x%zz", "c", "d"]);
    }
}
