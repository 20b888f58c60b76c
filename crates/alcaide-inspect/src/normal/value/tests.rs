//! What is a value and what is none, grammar by grammar.

use super::*;

/// The values of a text as they are written, readings of one place with `|` between them.
fn read(text: &str) -> String {
    let mut out = String::new();
    let mut last = 0..0;
    for Found { span, value } in values(text) {
        if !out.is_empty() {
            out.push_str(if span == last { "|" } else { ", " });
        }
        let kind = match &value {
            Value::Email(_) => "email",
            Value::Url(_) => "url",
            Value::Account(_) => "account",
            Value::Number(_) => "number",
            Value::Amount { .. } => "amount",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::DateTime { .. } => "moment",
            Value::Phone(_) => "phone",
        };
        out.push_str(&format!("{kind} {value}"));
        last = span;
    }
    out
}

fn all(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(read(text), *wanted, "{text}");
    }
}

#[test]
fn addresses() {
    all(&[
        ("Mail Ann.Lee+x@Mail.Example.COM.", "email ann.lee+x@mail.example.com"),
        ("<mailto:a@x.com>, 'b@y.org'; (c@z.de)", "email a@x.com, email b@y.org, email c@z.de"),
        ("o'brien@x.com r&d@x.com to=ann@x.com", "email o'brien@x.com, email r&d@x.com, email ann@x.com"),
        ("bounce+ann=x.com@lists.org", "email bounce+ann=x.com@lists.org"),
        ("JOSÉ@exämple.com", "email josé@exämple.com"),
        ("p\u{430}y@x.com", "email p\u{430}y@x.com"),
        ("ann\u{200b}e@x.com", "email ann\u{200b}e@x.com"),
        ("a@b@c.com x@ @y a.@x.com a@x..com a@-x.com", ""),
        ("root@localhost, pip@1.2", "email root@localhost, number 1.2"),
    ]);
    assert_ne!(value("p\u{430}y@x.com"), value("pay@x.com"));
    assert_ne!(value("a@exämple.com"), value("a@xn--exmple-cua.com"));
}

#[test]
fn urls() {
    all(&[
        ("see https://Example.COM:443/A/b?Q=1#F, or not", "url https://example.com/A/b?Q=1#F"),
        ("(http://x.com/a_(b)) [http://x.com/]", "url http://x.com/a_(b), url http://x.com"),
        ("www.x.com/y/, x.com. \"docs.internal/a\"", "url www.x.com/y, url x.com, url docs.internal/a"),
        ("http://u:p@x.com:8080/ ftp://x.com:21/f", "url http://u:p@x.com:8080, url ftp://x.com/f"),
        (
            "http://[2001:DB8::1]:80/a 10.0.0.1:80 127.0.0.1/x",
            "url http://[2001:db8::1]/a, url 10.0.0.1:80, url 127.0.0.1/x",
        ),
        ("localhost:8080/x file:///etc/passwd", "url localhost:8080/x, url file:///etc/passwd"),
        ("report.docx main.rs v1.2/x e.g. and/or a.b", ""),
        ("q=www.x.com/y u=http://x.com", "url www.x.com/y, url http://x.com"),
        ("https://good.com\\@evil.com", "url https://good.com"),
        ("http:// ://x http:///x", ""),
    ]);
    let said = value("www.x.com/y").unwrap();
    assert!(said.covers(&value("https://www.x.com/y").unwrap()));
    assert!(value("http://x.com").unwrap().covers(&value("X.com/").unwrap()));
    assert!(!value("http://x.com").unwrap().covers(&value("https://x.com").unwrap()));
    assert!(!said.covers(&value("https://www.x.com/Y").unwrap()));
    assert!(!said.covers(&value("https://www.x.com/y?z=1").unwrap()));
    assert_eq!(value("https://good.com\\@evil.com"), None);
}

#[test]
fn accounts() {
    // Examples of the registry of ISO 13616, and one digit changed.
    all(&[
        ("GB29 NWBK 6016 1331 9268 19", "account GB29NWBK60161331926819"),
        ("iban: de89370400440532013000.", "account DE89370400440532013000"),
        ("CH93-0076-2011-6238-5295-7", "account CH9300762011623852957"),
        ("NO9386011117947", "account NO9386011117947"),
        ("MT84MALT011000012345MTLCAST001S", "account MT84MALT011000012345MTLCAST001S"),
        ("LC55HEMM000100010012001200023015", "account LC55HEMM000100010012001200023015"),
        ("GB28NWBK60161331926819", ""),
        ("GB29NWBK601613319268190 XX29NWBK60161331926819", ""),
        ("GB29NWBK6016133192681", ""),
    ]);
}

#[test]
fn phones() {
    all(&[
        ("+49 30 123456, +1 (555) 123-4567", "phone +4930123456, phone +15551234567"),
        ("call +44.20.7946.0958!", "phone +442079460958"),
        ("+12345 and +0123456789", "number 12345"),
        ("+1234567890123456", "number 1234567890123456"),
    ]);
}

#[test]
fn numbers() {
    all(&[
        (
            "100, 100.0 -5 +7 .5 0.50 −3",
            "number 100, number 100, number -5, number 7, number 0.5, number 0.5, number -3",
        ),
        ("1,000", "number 1000|number 1"),
        ("1.500", "number 1500|number 1.5"),
        ("1.000,50 1,000.50 1'000 12 345 678", "number 1000.5, number 1000.5, number 1000, number 12345678"),
        (
            "1,234,567 1.234.567,8 1,00,000 1 000,5",
            "number 1234567, number 1234567.8, number 100000, number 1000.5",
        ),
        ("1,2,3 5-10 (42)", "number 1, number 2, number 3, number 5, number 10, number 42"),
        ("0,000 0.001", "number 0, number 0.001"),
        ("007 1.2.3 10.0.0.1 100k 5kg x5 1_000 1e5 0x1F", ""),
        ("٣٤", ""),
        ("2024 budget: 12%", "number 2024, number 12"),
    ]);
    assert_eq!(value("100.00"), value("100"));
    assert_eq!(value("1,000"), None);
    assert_eq!(readings("1,000").len(), 2);
    assert_eq!(value("007"), None);
}

#[test]
fn amounts() {
    all(&[
        (
            "$100 $ 1,50 -$5 $-5 US$ 7",
            "amount USD 100, amount USD 1.5, amount USD -5, amount USD -5, amount USD 7",
        ),
        (
            "100€ 100 EUR 5 euros €1.000",
            "amount EUR 100, amount EUR 100, amount EUR 5, amount EUR 1000|amount EUR 1",
        ),
        (
            "EUR100 eur 7 CHF 1'000.50 50 zł A$9",
            "amount EUR 100, amount EUR 7, amount CHF 1000.5, amount PLN 50, amount AUD 9",
        ),
        ("try 100; TRY 100; 12 dollars", "number 100, amount TRY 100, amount USD 12"),
        ("europe 5, 5 eurasia", "number 5, number 5"),
    ]);
    let said = value("$100").unwrap();
    assert!(said.covers(&value("100.0").unwrap()) && said.covers(&value("100 USD").unwrap()));
    assert!(!said.covers(&value("100 EUR").unwrap()));
    assert!(!value("100").unwrap().covers(&said));
    assert!(Value::Amount { currency: None, number: "5".parse().unwrap() }.covers(&value("5").unwrap()));
}

#[test]
fn dates() {
    all(&[
        ("2024-05-15 2024/5/15 2024.05.15", "date 2024-05-15, date 2024-05-15, date 2024-05-15"),
        ("15.05.2024 15.5.24 15-May-2024", "date 2024-05-15, date 2024-05-15, date 2024-05-15"),
        ("05/15/2024 15/05/2024", "date 2024-05-15, date 2024-05-15"),
        ("05/06/2024", "date 2024-05-06|date 2024-06-05"),
        ("5/15 31/4", "date 15 may, number 31, number 4"),
        ("May 15th, 2024; may 15; 15 May", "date 2024-05-15, date 15 may, date 15 may"),
        ("the 15th of May 2024, Sept. 5, 2. Mai", "date 2024-05-15, date 5 september, date 2 may"),
        ("3. März 2025 und 1. JÄNNER", "date 2025-03-03, date 1 january"),
        (
            "15.05. 29 Feb 2023 29 Feb 2024 30 February",
            "date 15 may|number 15.05, number 29, number 2023, date 2024-02-29, number 30",
        ),
        ("mayor 15, May 2024, 2024-13-01", "number 15, number 2024, number 2024, number 13"),
    ]);
    let said = value("May 15th").unwrap();
    assert!(said.covers(&value("2024-05-15").unwrap()) && said.covers(&value("15.5.2031").unwrap()));
    assert!(!value("2024-05-15").unwrap().covers(&said));
    assert!(!value("2024-05-15").unwrap().covers(&value("2025-05-15").unwrap()));
    assert_eq!(value("05/06/2024"), None);
}

#[test]
fn times() {
    all(&[
        ("10:00 9:05am 10 pm 10:30 p.m.", "time 10:00, time 09:05, time 22:00, time 22:30"),
        ("12am 12pm noon midnight", "time 00:00, time 12:00, time 12:00, time 00:00"),
        (
            "17h 17h30 17 Uhr 10.30 Uhr 23:59:30",
            "time 17:00, time 17:30, time 17:00, time 10:30, time 23:59:30",
        ),
        ("5 o'clock", "time 05:00|time 17:00"),
        (
            "24:00 13pm 10:60 10:0 1:2:3:4",
            "number 24, number 10, number 60, number 10, number 0, number 1, number 2, number 3, number 4",
        ),
    ]);
}

#[test]
fn moments() {
    all(&[
        ("2024-05-15 10:00 2024-05-15T10:00:00Z", "moment 2024-05-15 10:00, moment 2024-05-15 10:00Z"),
        ("2024-05-15T10:00:00.000+02:00", "moment 2024-05-15 10:00+02:00"),
        ("05/06/2024 9:00 am", "moment 2024-05-06 09:00|moment 2024-06-05 09:00"),
        ("2024-05-15 at 10:00, 2024-05-15 10", "date 2024-05-15, time 10:00, date 2024-05-15, number 10"),
    ]);
    let asked = value("2024-05-15T10:00:00+02:00").unwrap();
    let said: Vec<_> = values("on May 15th at 10am").into_iter().map(|found| found.value).collect();
    assert!(!asked.said_by(&said[..1]) && asked.said_by(&said));
    assert!(value("2024-05-15 10:00").unwrap().covers(&asked));
    assert!(!value("2024-05-15T10:00Z").unwrap().covers(&asked));
    assert!(asked.covers(&value("2024-05-15").unwrap()) && asked.covers(&value("10:00").unwrap()));
}

/// Prose, and what comes near a value at its ends.
const PARTS: &[&str] = &[
    " ",
    " ",
    " ",
    "\n",
    ", ",
    "; ",
    "\" ",
    ". ",
    "-",
    "'",
    "@",
    ":",
    "://",
    "/",
    "(",
    ") ",
    "=",
    "é",
    "\u{200b}",
    "\u{a0}",
    "the ",
    "order",
    "see ",
    "invoice",
    "a",
    "DE",
    "de ",
    "USD",
    "usd ",
    "EUR ",
    "$",
    "€",
    "may",
    "May ",
    "Mar ",
    "March ",
    "sept",
    "the 15th",
    "15",
    " 3",
    "noon",
    "Noon ",
    "midnight",
    "mitternacht",
    "10:00",
    "of ",
    "localhost",
    "x.com",
    "www.",
    "ann",
    "+49 30 12345678",
    "89 3704 0044 0532 0130 00",
    "DE89 3704 0044 0532 0130 00",
    "−5",
    "-5",
    ".5",
    "1,000",
    "kr ",
    "zł ",
];

#[test]
fn prose_is_passed_over_without_a_value_in_it() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..60_000 {
        let mut text = String::new();
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(PARTS[(seed >> 33) as usize % PARTS.len()]);
        }
        let mut scan = Scan { text: &text, at: 0, addresses_from: 0 };
        let mut slowly = Vec::new();
        while let Some(c) = after(scan.text, scan.at) {
            if let Some((start, Match { end, values })) = scan.step(c) {
                slowly.extend(values.into_iter().map(|value| Found { span: start..end, value }));
            }
        }
        assert_eq!(values(&text), slowly, "{text:?}");
    }
}
