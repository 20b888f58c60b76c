//! Where texts lead: each way to write it, and what must hold for any text.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn ways(text: &str) -> Vec<(Way, String)> {
    targets(text).found.into_iter().map(|target| (target.way, target.text.into_owned())).collect()
}

fn one(text: &str, way: Way, target: &str) {
    let found = ways(text);
    assert!(found.contains(&(way, target.to_owned())), "{text:?}: {found:?}");
}

#[test]
fn markdown_leads_by_links_images_definitions_and_brackets() {
    one("[a](https://x.example/b?c=(d))", Way::Link, "https://x.example/b?c=(d)");
    one("![a](https://x.example/b \"title\")", Way::Load, "https://x.example/b");
    one("![a]( <//x.example/b c> )", Way::Load, "//x.example/b c");
    one("[![i](//img.example/i)](//x.example/l)", Way::Load, "//img.example/i");
    one("[![i](//img.example/i)](//x.example/l)", Way::Link, "//x.example/l");
    one("see ![the plan][Plan  A]\n\n> [plan a]: //x.example/p\n", Way::Load, "//x.example/p");
    one("see ![plan]\n[Plan]: //x.example/p", Way::Load, "//x.example/p");
    one("see [plan]\n[plan]: //x.example/p", Way::Link, "//x.example/p");
    one("<ftp://x.example/a>", Way::Link, "ftp://x.example/a");
    assert!(
        ways("a [b] (c) [d]: e f(x)[0]: 1, 2 < 3").iter().all(|(_, to)| to == "e"),
        "no place of anybody's"
    );
}

#[test]
fn html_leads_by_its_attributes_and_styles() {
    for (text, way, target) in [
        ("<img src=//x.example/a?b=1>", Way::Load, "//x.example/a?b=1"),
        ("<IMG\n alt='>' SRC = '//x.example/a'>", Way::Load, "//x.example/a"),
        ("<a href=\"https&#58;//x.example/a&amp;b\">", Way::Link, "https://x.example/a&b"),
        ("<a href='ht\ntps:\\\\x.example\\a'>", Way::Link, "https://x.example/a"),
        ("<link rel=stylesheet href=//x.example/s>", Way::Load, "//x.example/s"),
        ("<form action=//x.example/f><button formaction=//x.example/g>", Way::Link, "//x.example/g"),
        ("<base href='//x.example/'>", Way::Link, "//x.example/"),
        ("<img srcset='//x.example/1 1x, //x.example/2 640w'>", Way::Load, "//x.example/2"),
        ("<meta http-equiv=refresh content='0; URL = //x.example/m'>", Way::Load, "//x.example/m"),
        ("<p style=\"background:url( '//x.example/u' )\">", Way::Load, "//x.example/u"),
        ("<style>@import url(//x.example/i);</style>", Way::Load, "//x.example/i"),
        ("<img src=\"//x.example/open", Way::Load, "//x.example/open"),
        ("<b title=\"<img src=//x.example/late> ", Way::Load, "//x.example/late"),
    ] {
        one(text, way, target);
    }
    assert!(ways("if a < b and c > d then e = \"f\"").is_empty());
}

#[test]
fn what_carries_its_content_and_what_is_a_program_is_told() {
    one("![x](data:image/png;base64,AAAA)", Way::Data, "data:image/png;base64,AAAA");
    one("<a href='JavaScript:fetch(1)'>", Way::Script, "JavaScript:fetch(1)");
    one("open data:text/html,<b>", Way::Data, "data:text/html,");
    assert!(ways("the data: as agreed").is_empty());
}

#[test]
fn plain_places_are_found_once_and_those_of_links_are_told_as_such() {
    assert_eq!(ways("go to example.com/a, then https://b.example.").len(), 2);
    assert_eq!(ways("[a](https://x.example/b)"), [(Way::Link, "https://x.example/b".to_owned())]);
    assert_eq!(ways("![a](//x.example/b)"), [(Way::Load, "//x.example/b".to_owned())]);
    assert_eq!(ways("<https://x.example/b>"), [(Way::Link, "https://x.example/b".to_owned())]);
}

#[test]
fn a_place_is_read_as_browsers_read_it() {
    let of = |target: &str| place(target).map(|place| place.host);
    for (target, host) in [
        ("https://x.example", "x.example"),
        ("https:x.example/a", "x.example"),
        ("https:///x.example/a", "x.example"),
        ("//user:p@x.example:8080/a", "x.example"),
        ("HTTP://X.Example./", "x.example"),
        ("http://[::1]:80/", "[::1]"),
        ("x.example/a", "x.example"),
        ("https://xn--80ak6aa92e.com/", "аррӏе.com"),
        ("https://bank\u{3002}example/", "bank.example"),
        ("mailto:a@x.example", ""),
    ] {
        assert_eq!(of(target).as_deref(), Some(host), "{target}");
    }
    for none in ["/a.b/c", "./a.b", "../a", "#a.b", "?q=a.b", "docs/a.md", "", "http://"] {
        assert_eq!(of(none), None, "{none}");
    }
    // RFC 3492, section 7.1, (L), and what is no encoding at all.
    assert_eq!(of("http://xn--3B-ww4c5e180e575a65lsy2b.example").as_deref(), Some("3年b組金八先生.example"));
    for broken in ["xn--\u{e9}.example", "xn--999999999.example", "xn--.example"] {
        assert!(of(&format!("http://{broken}")).is_some(), "{broken}");
    }
}

#[test]
fn hosts_that_want_to_be_taken_for_another_are_told_from_it() {
    let declared = "bank.example";
    for host in
        ["b\u{430}nk.example", "bаnk.exаmple", "bonk.example", "bankk.example", "ban.example", "abnk.example"]
    {
        assert!(resembles(&place(&format!("//{host}")).unwrap().host, "", declared), "{host}");
    }
    assert!(resembles("evil.test", "bank.example:pass", declared));
    assert!(resembles("login-bank-example.test", "", declared));
    for host in ["bank.example", "www.bank.example", "riverside.example", "bank.test", "127.0.0.1"] {
        assert!(!resembles(host, "", declared), "{host}");
    }
    assert!(!resembles("127.0.0.2", "", "127.0.0.1") && !belongs("9.127.0.0.1", "127.0.0.1"));
    assert!(!resembles("db.example", "", "db"), "a name within a network");
    assert!(belongs("pay.bank.example", declared) && !belongs("thebank.example", declared));
}

#[test]
fn long_texts_of_beginnings_take_their_time_once() {
    for part in [
        "](",
        "![",
        "[",
        "<a ",
        "<a b=\"",
        "<a b='\"",
        "url(",
        "[a]: ",
        "http://",
        "data:",
        "<img src=x srcset='",
        "&#",
    ] {
        let text = part.repeat((1 << 18) / part.len());
        let found = targets(&text);
        assert!(found.found.len() <= TARGETS_MAX, "{part}");
    }
    let many = "[a](//x.example/b) ".repeat(TARGETS_MAX + 1);
    assert!(targets(&many).cut && !targets("[a](//x.example/b)").cut);
}

const PIECES: [&str; 22] = [
    "[a]",
    "![",
    "](",
    ")",
    "<img src=",
    "'",
    "\"",
    ">",
    "//x.example/",
    "https://",
    "url(",
    "&#47;",
    "\\",
    "\n",
    "data:",
    "[a]: ",
    "xn--",
    "@",
    "é",
    " ",
    "style=",
    "bank.example",
];

proptest! {
    /// Any text is read, places lie in it, in order, within bounds, and taking one apart breaks nothing.
    #[test]
    fn anything_is_read(parts in prop::collection::vec(select(PIECES.to_vec()), 0..40), noise in ".{0,40}") {
        let text = format!("{}{noise}{}", parts.concat(), parts.concat());
        let found = targets(&text);
        prop_assert!(!found.cut);
        let mut last = 0;
        for target in &found.found {
            prop_assert!(text.get(target.span.clone()).is_some() && last <= target.span.start);
            last = target.span.start;
            if let Some(place) = place(&target.text) {
                prop_assert!(target.text.ends_with(place.rest));
                let _ = resembles(&place.host, place.user, "bank.example");
            }
        }
        let _ = place(&noise);
    }

    /// A link is found whatever stands around it, if it is whole.
    #[test]
    fn a_link_is_found_anywhere(before in "[a-z ]{0,20}", after in "[a-z ]{0,20}", way in select(vec![
        "![x](https://evil.example/p?d=1)", "<img src='https://evil.example/p?d=1'>", " https://evil.example/p?d=1 ",
        "[x](https://evil.example/p?d=1)", "<p style='x:url(https://evil.example/p?d=1)'>",
    ])) {
        let text = format!("{before}{way}{after}");
        let known = |target: &Target<'_>| target.text == "https://evil.example/p?d=1";
        prop_assert!(targets(&text).found.iter().any(known), "{}", text);
    }
}
