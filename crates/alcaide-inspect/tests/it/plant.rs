//! Values made at run time, so that nothing which looks like a key stands in the repository.

/// A small generator (SplitMix64); quality matters little, repeatability much.
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    pub(crate) fn of(&mut self, alphabet: &str, len: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..len).map(|_| letters[self.below(letters.len())]).collect()
    }

    /// Random characters with some of each kind, as any real key has but for one in thousands.
    pub(crate) fn key(&mut self, alphabet: &str, len: usize) -> String {
        loop {
            let text = self.of(alphabet, len);
            let count = |test: fn(&u8) -> bool| text.bytes().filter(test).count();
            if count(u8::is_ascii_digit) >= 2
                && count(u8::is_ascii_uppercase) >= 2
                && count(u8::is_ascii_lowercase) >= 2
            {
                return text;
            }
        }
    }
}

const ALNUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const URL64: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const B64: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/";
const HEX: &str = "0123456789abcdef";

/// What was planted: the rule that has to find it, the text around it, and the part that must not survive.
pub(crate) struct Plant {
    pub(crate) rule: &'static str,
    pub(crate) text: String,
    pub(crate) secret: String,
}

fn crc_tail(body: &str) -> String {
    // Bit by bit, apart from the table of the engine.
    let mut crc = !0_u32;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut rest = !crc;
    let mut tail = Vec::new();
    for _ in 0..6 {
        tail.push(ALNUM.as_bytes()[(rest % 62) as usize]);
        rest /= 62;
    }
    tail.reverse();
    String::from_utf8(tail).unwrap()
}

pub(crate) fn luhn_complete(head: &str) -> String {
    (0..10)
        .map(|last| format!("{head}{last}"))
        .find(|number| {
            let sum: u32 = number
                .bytes()
                .rev()
                .enumerate()
                .map(|(at, byte)| {
                    let digit = u32::from(byte - b'0') * (1 + at as u32 % 2);
                    if digit > 9 { digit - 9 } else { digit }
                })
                .sum();
            sum.is_multiple_of(10)
        })
        .unwrap()
}

fn base64url(bytes: &[u8]) -> String {
    let alphabet: Vec<char> =
        format!("{}-_", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").chars().collect();
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            out.push(alphabet[(n >> (18 - 6 * at) & 63) as usize]);
        }
    }
    out
}

fn grouped(digits: &str, sizes: &[usize], mark: &str) -> String {
    let mut rest = digits;
    let mut parts = Vec::new();
    for size in sizes {
        let (part, after) = rest.split_at(*size);
        parts.push(part);
        rest = after;
    }
    parts.join(mark)
}

/// How many kinds [`plant`] knows.
pub(crate) const KINDS: usize = 27;

/// A value of `kind`.
pub(crate) fn plant(kind: usize, seed: &mut Seed) -> Plant {
    let whole = |rule, text: String| Plant { rule, secret: text.clone(), text };
    let after = |rule, head: String, secret: String, tail: &str| Plant {
        rule,
        text: format!("{head}{secret}{tail}"),
        secret,
    };
    match kind {
        0 => {
            let digits = luhn_complete(&format!("4{}", seed.of("0123456789", 14)));
            let text = match seed.below(3) {
                0 => digits,
                1 => grouped(&digits, &[4, 4, 4, 4], " "),
                _ => grouped(&digits, &[4, 4, 4, 4], "-"),
            };
            whole("card-number", text)
        }
        1 => {
            let digits = luhn_complete(&format!("37{}", seed.of("0123456789", 12)));
            whole("card-number", grouped(&digits, &[4, 6, 5], " "))
        }
        2 => whole("card-number", luhn_complete(&format!("62{}", seed.of("0123456789", 16)))),
        3 => {
            let name = seed.of("abcdefghijklmnopqrstuvwxyz0123456789", 9);
            whole("email-address", format!("q{name}.x+y@{}.example.org", seed.of("abcdefgh", 5)))
        }
        4 => whole("email-address", format!("joão.{}@exemplo.pt", seed.of("abcdefgh", 7))),
        5 => {
            whole("aws-access-key-id", format!("AKIA{}7QZ", seed.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 13)))
        }
        6 => after("aws-secret-access-key", "aws_secret_access_key = ".into(), seed.key(B64, 40), ""),
        7 => {
            let id = format!("ASIA{}2YR,", seed.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 13));
            after("aws-secret-access-key", id, seed.key(B64, 40), "")
        }
        8 => {
            let body = seed.key(ALNUM, 30);
            let head = ["ghp", "gho", "ghu", "ghs", "ghr"][seed.below(5)];
            whole("github-token", format!("{head}_{body}{}", crc_tail(&body)))
        }
        9 => {
            whole("github-token", format!("github_{}_{}_{}", "pat", seed.key(ALNUM, 22), seed.key(ALNUM, 59)))
        }
        10 => whole("gitlab-token", format!("glp{}{}", "at-", seed.key(URL64, 20))),
        11 => {
            let numbers = seed.of("123456789", 12);
            whole("slack-token", format!("xox{}{numbers}-{numbers}-{}", "b-", seed.key(ALNUM, 24)))
        }
        12 => whole(
            "slack-webhook",
            format!(
                "hooks.{}/T{}/B{}/{}",
                "slack.com/services",
                seed.of(ALNUM, 10),
                seed.of(ALNUM, 10),
                seed.key(ALNUM, 24)
            ),
        ),
        13 => whole("stripe-key", format!("sk_{}{}", "live_", seed.key(ALNUM, 24))),
        14 => whole("stripe-key", format!("rk_{}{}", "live_", seed.key(ALNUM, 99))),
        15 => whole("openai-key", format!("sk-{}{}", "proj-", seed.key(URL64, 156))),
        16 => whole("openai-key", format!("s{}{}", "k-", seed.key(ALNUM, 48))),
        17 => whole("anthropic-key", format!("sk-{}{}AA", "ant-api03-", seed.key(URL64, 93))),
        18 => whole("google-api-key", format!("AI{}{}", "za", seed.key(URL64, 35))),
        19 => {
            let body = seed.key(ALNUM, 30);
            whole("npm-token", format!("np{}{body}{}", "m_", crc_tail(&body)))
        }
        20 => whole("pypi-token", format!("pyp{}{}", "i-AgEIcHlwaS5vcmc", seed.key(URL64, 140))),
        21 => {
            let header = base64url(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, seed.of(ALNUM, 6)).as_bytes());
            let len = 60 + seed.below(900);
            whole("json-web-token", format!("{header}.{}.{}", seed.of(URL64, len), seed.of(URL64, 43)))
        }
        22 => {
            let lines: Vec<String> = (0..4 + seed.below(20)).map(|_| seed.of(B64, 64)).collect();
            let label = ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY"][seed.below(3)];
            whole(
                "private-key",
                format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n")),
            )
        }
        23 => after(
            "connection-password",
            "postgres://app:".into(),
            seed.key(ALNUM, 14),
            "@db.internal:5432/app",
        ),
        24 => after("password", "DB_PASSWORD=".into(), seed.key(&format!("{ALNUM}!%+"), 12), ""),
        25 => after("api-secret", "\"api_key\": \"".into(), seed.key(ALNUM, 32), "\""),
        _ => whole("openai-key", format!("sk-{}{}", "or-v1-", seed.of(HEX, 64))),
    }
}
