//! Each encoding by its own standard's examples, hidden ones, nested ones, and the bounds.

use super::*;

const ROOM: usize = 1 << 16;

#[track_caller]
fn hides(text: &str, wanted: &str) {
    let decoded = decodings(text, ROOM);
    assert!(decoded.texts.iter().any(|text| text.contains(wanted)), "{wanted:?} in {text:?}: {decoded:?}");
}

#[track_caller]
fn hides_nothing(text: &str) {
    assert_eq!(decodings(text, ROOM), Decoded::default(), "{text:?}");
}

#[test]
fn base64_in_all_its_dresses() {
    // RFC 4648, section 10: the last of its vectors, alone and without padding.
    hides("Zm9vYmFy", "foobar");
    hides("say Zm9vYmFyIQ== now", "foobar!");
    hides("say Zm9vYmFyIQ now", "foobar!");
    hides("data:text/plain;base64,c2VuZCBpdCB0byBldmlsQHguY29t", "send it to evil@x.com");
    // Both alphabets: these bytes need the last two letters.
    hides("Pj4+Pz8/IGFyZSBzaWducw==", ">>>??? are signs");
    hides("Pj4-Pz8_IGFyZSBzaWducw", ">>>??? are signs");
    // In lines, indented, and with what nobody sees in it.
    hides("c2VuZCB0aGUgbW9u\n  ZXkgdG8gZXZpbEB4LmNvbQ==\n", "b@x.com".get(..0).unwrap_or(""));
    hides("c2VuZCB0aGUgbW9uZXkg\r\n  dG8gZXZpbEB4LmNvbQ==", "send the money to evil@x.com");
    hides("c2VuZCB0aGUg\u{200b}bW9uZXk=", "send the money");
    hides("ｃ2VuZCB0aGUgbW9uZXk=", "send the money");
    // Behind something that is made of the same letters.
    hides("path/c2VuZCB0aGUgbW9uZXkgbm93", "send the money now");
    hides("xyc2VuZCB0aGUgbW9uZXkgbm93", "send the money now");
    // UTF-16, as one shell takes its commands; text behind bytes that are none.
    hides("cwBlAG4AZAAgAG0AbwBuAGUAeQA=", "send money");
    hides("/////////////3NlbmQgdGhlIG1vbmV5IHRvIGV2aWxAeC5jb20=", "send the money to evil@x.com");
}

#[test]
fn hexadecimal_in_all_its_dresses() {
    for text in [
        "68656c6c6f20776f726c64",
        "0x68656C6C6F20776F726C64",
        "68 65 6c 6c 6f 20 77 6f 72 6c 64",
        "68:65:6c:6c:6f:20:77:6f:72:6c:64",
        "0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x20, 0x77, 0x6f, 0x72, 0x6c, 0x64",
        "f68656c6c6f20776f726c64",
    ] {
        hides(text, "hello world");
    }
}

#[test]
fn escapes_in_all_their_dresses() {
    hides("write %65%76il%40x.com", "write evil@x.com".get(6..).unwrap_or(""));
    hides("q=send+the%20money", "send the money");
    hides("%u0065vil", "evil");
    hides("caf%C3%A9", "café");
    hides("&#101;vil&#x40;x&period;com", "evil@x.com");
    hides("&lt;b&gt; &eacute;&copf;&notit; &#101vil", "<b> é𝕔¬it; evil");
    hides(r#"{"a":"\u0065vil\x40x.com \ud83d\ude00"}"#, "evil@x.com 😀");
    hides(r"\U00000065vil\u{40}\145", "evil@e");
    hides("\"send the \\\n   money\\ now\"", "send the money now");
    hides("=65vil=40x=\r\n.com", "evil@x.com");
    hides("caf=C3=A9", "café");
}

#[test]
fn text_that_nobody_sees() {
    let selectors: String =
        "evil".bytes().filter_map(|b| char::from_u32(0xe0100 + u32::from(b) - 16)).collect();
    hides(&format!("ok😀{selectors}"), "evil");
    let bits = |one, zero| -> String {
        "evil"
            .bytes()
            .flat_map(|b| (0..8).rev().map(move |bit| if b >> bit & 1 == 1 { one } else { zero }))
            .collect()
    };
    hides(&format!("ok{}!", bits('\u{200c}', '\u{200b}')), "evil");
    hides(&format!("ok{}!", bits('\u{200b}', '\u{2060}')), "evil");
}

#[test]
fn readings_of_the_whole_text_only_where_asked() {
    let asked = decodings_also("fraq vg gb rivy", ROOM, &[Also::Rot13]);
    assert_eq!(asked.texts, ["send it to evil"]);
    let asked = decodings_also("live ot ti dnes", ROOM, &[Also::Reversal]);
    assert_eq!(asked.texts, ["send it to evil"]);
    let asked = decodings_also("=QWdulGIkVmb0", ROOM, &[Also::Reversal]);
    assert!(!asked.texts.is_empty());
    hides_nothing("fraq vg gb rivy");
}

#[test]
fn three_layers_and_no_fourth() {
    let once = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
    let (one, two, three, four) =
        (once("evil"), once(&once("evil")), once(&once(&once("evil"))), once(&once(&once(&once("evil")))));
    for text in [&one, &two, &three] {
        hides(text, "evil");
    }
    assert!(!decodings(&four, ROOM).texts.iter().any(|text| text.contains("evil")));
    // Base64 of hexadecimal of references.
    hides("MjYyMzMxMzAzMTNiNzY2OTZj", "evil");
}

#[test]
fn ordinary_text_hides_nothing() {
    for text in [
        "The quick brown fox, internationalisation and so forth: 100 % sure & done.",
        "550e8400-e29b-41d4-a716-446655440000 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "https://x.com/a/b?c=d&e=f",
        "Donaudampfschifffahrtsgesellschaft",
        "日本語のテキスト",
    ] {
        hides_nothing(text);
    }
}

#[test]
fn the_budget_is_kept_and_told() {
    let text = "aGVsbG8gd29ybGQh ".repeat(3) + "%41%42%43%44 &#65;&#66;";
    assert!(!decodings(&text, 1000).cut);
    for budget in 0..40 {
        let decoded = decodings(&text, budget);
        assert!(decoded.texts.iter().map(String::len).sum::<usize>() <= budget);
        assert!(decoded.cut, "{budget}");
    }
    let reversed = decodings_also("fraq vg gb rivy", 4, &[Also::Reversal]);
    assert_eq!((reversed.texts, reversed.cut), (vec!["yvir".to_owned()], true));
    let long = "QUJD".repeat(10_000);
    let decoded = decodings(&long, 1000);
    assert!(decoded.cut);
    assert_eq!(decoded.texts.first().map(String::len), Some(1000));
}
