//! Currencies: codes of ISO 4217, the signs and the names that people write for them.

use std::fmt;

use super::cursor::Cursor;

/// A currency, by its code in ISO 4217.
///
/// A sign that several currencies share means the one most often meant: `$` is USD, `¥` is JPY. With letters before it
/// (`A$`, `CA$`, `US$`) it means that one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Currency(&'static str);

impl Currency {
    /// The currency of a code, in capitals; none if it is not known here.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        CODES.iter().find(|known| **known == code).map(|code| Self(code))
    }

    /// The code: three capitals.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0
    }

    /// Takes a sign, a code or a name. Codes that are words as well are codes in capitals only.
    pub(super) fn eat(cursor: &mut Cursor<'_>) -> Option<Self> {
        let start = *cursor;
        let first = start.peek()?;
        if !first.is_alphabetic() && !Self::is_sign(first) {
            return None;
        }
        if let Some((_, code)) = SIGNS.iter().find(|(sign, _)| cursor.text(sign)) {
            return Some(Self(code));
        }
        if !first.is_ascii_alphabetic() {
            return None;
        }
        let word = cursor.word().or_else(|| {
            *cursor = start;
            None
        })?;
        let named = NAMES.iter().find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(word)));
        let coded =
            |code: &&&str| **code == word || (code.eq_ignore_ascii_case(word) && !WORDS.contains(code));
        let code = || if word.len() == 3 { CODES.iter().find(coded).copied() } else { None };
        let found = named.map(|(_, code)| *code).or_else(code);
        if found.is_none() {
            *cursor = start;
        }
        found.map(Self)
    }

    /// Whether this is the sign of a currency, letters apart.
    pub(super) fn is_sign(c: char) -> bool {
        (c == '$' || !c.is_ascii()) && !c.is_alphanumeric() && SIGNS.iter().any(|(sign, _)| sign.ends_with(c))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const SIGNS: &[(&str, &str)] = &[
    ("us$", "USD"),
    ("ca$", "CAD"),
    ("c$", "CAD"),
    ("au$", "AUD"),
    ("a$", "AUD"),
    ("nz$", "NZD"),
    ("hk$", "HKD"),
    ("s$", "SGD"),
    ("nt$", "TWD"),
    ("r$", "BRL"),
    ("mx$", "MXN"),
    ("$", "USD"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("¥", "JPY"),
    ("₹", "INR"),
    ("₽", "RUB"),
    ("₩", "KRW"),
    ("₺", "TRY"),
    ("₴", "UAH"),
    ("₫", "VND"),
    ("₪", "ILS"),
    ("₦", "NGN"),
    ("฿", "THB"),
    ("₱", "PHP"),
    ("₿", "XBT"),
    ("zł", "PLN"),
];

const NAMES: &[(&[&str], &str)] = &[
    (&["euro", "euros", "eur"], "EUR"),
    (&["dollar", "dollars", "bucks"], "USD"),
    (&["pound", "pounds", "quid"], "GBP"),
    (&["yen"], "JPY"),
    (&["yuan", "renminbi", "rmb"], "CNY"),
    (&["rupee", "rupees"], "INR"),
    (&["franken", "francs", "sfr"], "CHF"),
    (&["bitcoin", "bitcoins", "btc"], "XBT"),
];

const CODES: &[&str] = &[
    "AED", "ALL", "AMD", "ARS", "AUD", "AZN", "BAM", "BDT", "BGN", "BHD", "BOB", "BRL", "BYN", "CAD", "CHF",
    "CLP", "CNY", "COP", "CRC", "CZK", "DKK", "DOP", "DZD", "EGP", "ETB", "EUR", "GBP", "GEL", "GHS", "GTQ",
    "HKD", "HNL", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KRW", "KWD",
    "KZT", "LBP", "LKR", "MAD", "MDL", "MKD", "MXN", "MYR", "NGN", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN",
    "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TND", "TRY", "TWD",
    "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VND", "XAF", "XBT", "XOF", "ZAR", "ZMW",
];

/// Codes that are words, names or abbreviations of something else.
const WORDS: &[&str] = &["ALL", "BAM", "BOB", "COP", "GEL", "MAD", "PEN", "PHP", "RON", "TRY"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_and_name_has_a_code() {
        assert!(CODES.is_sorted());
        for code in SIGNS.iter().map(|(_, code)| code).chain(NAMES.iter().map(|(_, code)| code)).chain(WORDS)
        {
            assert_eq!(Currency::of(code).map(|currency| currency.code()), Some(*code));
        }
        assert_eq!(Currency::of("eur"), None);
    }
}
