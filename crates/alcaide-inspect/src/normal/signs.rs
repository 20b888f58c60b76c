//! What is odd about a text's characters. A sign raises suspicion; it proves nothing.

use unicode_normalization::char::is_combining_mark;

use super::chars::{is_bidi, is_invisible, is_tag};
use super::loose::{Case, Folder, is_mixed, looks_ascii};

/// What was odd about a text: how many characters or words of each kind.
///
/// What ordinary text needs is no sign: joiners and variation selectors of emoji, joiners in scripts that write with
/// them, marks of direction beside letters that run from right to left, a byte order mark at the start, the three
/// flags that are written in tag characters.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Signs {
    /// Characters that a reader does not see, but for those below.
    pub invisible: u32,
    /// Embeddings, overrides and isolates of direction.
    pub bidi: u32,
    /// Tag characters: they hide ASCII.
    pub tags: u32,
    /// Words of letters that no writing system has together (UTS 39, section 5).
    pub mixed: u32,
    /// Words of three letters or more of another script that look like ASCII throughout, where no other word of the
    /// text is of that kind of script: a text of that language would have some.
    pub confusable: u32,
    /// Letters in mathematical, circled or squared dress.
    pub styled: u32,
}

impl Signs {
    /// The signs of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut signs = Self::default();
        if text.is_ascii() {
            signs.invisible = count(text.bytes().filter(|b| is_invisible(char::from(*b))).count());
            return signs;
        }
        signs.count_characters(text);
        signs.count_words(text);
        signs
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }

    fn count_characters(&mut self, text: &str) {
        let rtl = text.chars().any(is_rtl);
        let mut last = None;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c.is_ascii() && !is_invisible(c) {
                last = Some(c);
                continue;
            }
            if c == '\u{1f3f4}' {
                let flag =
                    FLAGS.iter().find(|flag| text.get(at..).is_some_and(|rest| rest.starts_with(**flag)));
                for _ in 1..flag.map_or(0, |flag| flag.chars().count()) {
                    chars.next();
                }
            } else if is_bidi(c) {
                self.bidi = self.bidi.saturating_add(1);
            } else if is_tag(c) {
                self.tags = self.tags.saturating_add(1);
            } else if is_invisible(c) {
                let next = chars.peek().map(|(_, c)| *c);
                let fine = match c {
                    '\u{feff}' => at == 0,
                    '\u{fe0e}' | '\u{fe0f}' => last.is_some_and(is_emoji_base),
                    '\u{200c}' | '\u{200d}' => {
                        last.is_some_and(joins)
                            || (c == '\u{200d}' && last.is_some_and(is_emoji) && next.is_some_and(is_emoji))
                    }
                    '\u{200e}' | '\u{200f}' | '\u{61c}' => rtl,
                    _ => false,
                };
                self.invisible = self.invisible.saturating_add(u32::from(!fine));
            } else if is_styled(c) {
                self.styled = self.styled.saturating_add(1);
            }
            last = Some(c);
        }
    }

    fn count_words(&mut self, text: &str) {
        let (mut alike, mut foreign) = (0_u32, false);
        let mut folder = Folder::new(Case::Fold);
        for word in text.split(|c: char| !(c.is_alphabetic() || is_combining_mark(c) || is_invisible(c))) {
            if word.is_ascii() {
                continue;
            }
            if is_mixed(word) {
                self.mixed = self.mixed.saturating_add(1);
            } else if word.chars().any(|c| c.is_ascii_alphabetic()) || !word.chars().all(|c| !is_latin(c)) {
                // Latin throughout: accents are no sign.
            } else if looks_ascii(word, &mut folder) {
                alike =
                    alike.saturating_add(u32::from(word.chars().filter(|c| c.is_alphabetic()).count() >= 3));
            } else {
                foreign = true;
            }
        }
        if !foreign {
            self.confusable = alike;
        }
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// Latin letters and letter-like symbols beyond ASCII.
fn is_latin(c: char) -> bool {
    matches!(c, '\u{aa}' | '\u{ba}' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}'
        | '\u{a720}'..='\u{a7ff}' | '\u{ff21}'..='\u{ff5a}' | '\u{250}'..='\u{2b8}' | '\u{1d00}'..='\u{1dbf}'
        | '\u{2100}'..='\u{218f}' | '\u{24b6}'..='\u{24e9}' | '\u{1d400}'..='\u{1d7ff}' | '\u{fb00}'..='\u{fb06}'
        | '\u{1f130}'..='\u{1f189}')
}

/// Letters of blocks that run from right to left.
fn is_rtl(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}')
        && c.is_alphabetic()
}

/// Letters and marks of scripts that write with joiners: Arabic, Syriac, those of India and their neighbours.
fn joins(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{109f}' | '\u{1780}'..='\u{18af}' | '\u{1b00}'..='\u{1b7f}')
        && !is_invisible(c)
}

fn is_emoji(c: char) -> bool {
    matches!(c, '\u{fe0f}' | '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// What a variation selector of emoji may follow.
fn is_emoji_base(c: char) -> bool {
    matches!(
        c,
        '0'..='9' | '#' | '*' | '©' | '®' | '‼' | '⁉' | '\u{2122}' | '\u{2139}' | '〰' | '〽' | '㊗' | '㊙'
    ) || (is_emoji(c) && c != '\u{fe0f}')
}

/// Mathematical, circled and squared letters and digits.
fn is_styled(c: char) -> bool {
    matches!(c, '\u{1d400}'..='\u{1d7ff}' | '\u{24b6}'..='\u{24e9}' | '\u{1f110}'..='\u{1f169}'
        | '\u{1f172}'..='\u{1f17d}' | '\u{1f180}'..='\u{1f189}')
}

/// England, Scotland and Wales: the only sequences of tags that Unicode recommends.
const FLAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_of_the_world_is_clean() {
        for text in [
            "Straße, café, naïve — “quoted”…",
            "\u{feff}Привет, мир: а у нас сор",
            "میخواهم \u{200e}2\u{200f} کتاب می\u{200c}خواهم",
            "שלום\u{200f} עולם",
            "क्\u{200d}ष हिन्दी",
            "❤️ 👨\u{200d}👩\u{200d}👧 1️⃣ 🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f} ok",
            "東京タワー Tシャツ 한국어 中文ABC",
            "Ελληνικά και english",
            "5 µm, 20 °C, ½, №5",
        ] {
            assert!(Signs::of(text).is_clean(), "{text:?} {:?}", Signs::of(text));
        }
    }

    #[test]
    fn each_sign_is_counted() {
        assert_eq!(Signs::of("a\u{200b}b\u{ad}\u{0}").invisible, 3);
        assert_eq!(Signs::of("a\0b").invisible, 1);
        assert_eq!(Signs::of("x\u{fe0f}y 👍\u{fe0f}\u{fe0f}").invisible, 2);
        assert_eq!(Signs::of("pay \u{202e}lap").bidi, 1);
        assert_eq!(Signs::of("hi\u{e0041}\u{e0042}").tags, 2);
        assert_eq!(Signs::of("🏴\u{e0067}\u{e0062}\u{e0041}").tags, 3);
        assert_eq!(Signs::of("pаypаl gооgle").mixed, 2);
        assert_eq!(Signs::of("visit ассоре now").confusable, 1);
        assert_eq!(Signs::of("𝓹𝓪𝔂 Ⓑ").styled, 4);
    }
}
