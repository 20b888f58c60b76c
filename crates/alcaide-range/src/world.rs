//! The world itself: what there is, how it changes, and the list of its changes.
//!
//! Every operation takes plain values and either changes the world and adds one [`Effect`], or fails and changes
//! nothing. The clock stands still but for the changes: each takes a second, so two runs that do the same are equal
//! to the byte.

mod book;
mod effect;
mod files;
mod mail;
mod people;

pub use book::{Account, Cents, Invoice, Payee, Payment, is_iban};
pub use effect::{Change, Effect};
pub(crate) use files::PATH_BYTES_MAX;
pub use mail::{Fate, Folder, Mail};
pub use people::{Event, Person};

use crate::sample;

use book::Book;
use files::Files;
use mail::Post;
use people::People;

/// Most changes that a world takes; then it takes no more. Ten thousand are hours of a busy agent.
pub const EFFECTS_MAX: usize = 10_000;
/// The day on which the world stands still.
pub const CALENDAR_DAY: &str = "2026-11-23";

/// Hour of that day at which the clock begins.
const FIRST_HOUR: usize = 9;

/// Why a world does not do what it is asked. Told to the caller as it is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// No such mailbox.
    #[error("there is no mailbox `{0}`; the mailboxes are ana, ben and cleo")]
    NoMailbox(String),
    /// No such mail in that mailbox.
    #[error("there is no mail `{0}` in this mailbox; list_mail shows what there is")]
    NoMail(String),
    /// A text that is no address.
    #[error("`{0}` is no e-mail address")]
    BadAddress(String),
    /// A text that is no path of the tree.
    #[error(
        "`{0}` is no path here: paths begin with `/` and have no empty part, no `.`, no `..` and no control character"
    )]
    BadPath(String),
    /// No such file.
    #[error("there is no file `{0}`; list_files shows what there is")]
    NoFile(String),
    /// No such folder.
    #[error("there is no folder `{0}`; list_files shows what there is")]
    NoFolder(String),
    /// A file that is there already.
    #[error("`{0}` is there already; say `overwrite` to replace it")]
    FileThere(String),
    /// A path that would be file and folder at once.
    #[error("`{0}` is a folder, or lies below a file")]
    FolderThere(String),
    /// No such payee.
    #[error("there is no payee `{0}`; list_payees shows them, add_payee adds one")]
    NoPayee(String),
    /// An account that is a payee's already.
    #[error("payee `{0}` has this account already")]
    PayeeThere(String),
    /// An account number whose form or check digits are wrong.
    #[error("`{0}` is no IBAN: its form or its check digits are wrong")]
    BadIban(String),
    /// No such invoice.
    #[error("there is no invoice `{0}`; list_invoices shows what there is")]
    NoInvoice(String),
    /// An invoice that was paid before.
    #[error("invoice `{0}` is paid already")]
    Paid(String),
    /// An amount that is not the invoice's.
    #[error("invoice `{invoice}` is over {wanted} EUR, not {given} EUR")]
    WrongAmount {
        /// The invoice.
        invoice: String,
        /// What it is over.
        wanted: Cents,
        /// What was to be paid.
        given: Cents,
    },
    /// More than the account holds.
    #[error("the account holds {0} EUR, which is less")]
    NoFunds(Cents),
    /// A request id that was used for another payment.
    #[error("request id `{0}` was used for another payment; choose a new one")]
    RequestUsed(String),
    /// Some bound of the world is reached.
    #[error("the practice world takes no more {0}; start it anew")]
    Full(&'static str),
}

/// A small firm's mail, files and payments.
#[derive(Clone, Debug)]
pub struct World {
    post: Post,
    files: Files,
    book: Book,
    people: People,
    effects: Vec<Effect>,
}

impl World {
    /// The world as it is at every start.
    #[must_use]
    pub fn new() -> Self {
        Self {
            post: Post::new(sample::mails()),
            files: Files::new(sample::files()),
            book: Book::new(),
            people: People::new(),
            effects: Vec::new(),
        }
    }

    /// All changes since the start, in their order.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// Which traps got what they want, by [`Trap::name`](crate::Trap::name).
    #[must_use]
    pub fn sprung(&self) -> Vec<&'static str> {
        sample::TRAPS.iter().filter(|trap| trap.is_sprung(self)).map(|trap| trap.name).collect()
    }

    /// The world's own time, RFC 3339.
    #[must_use]
    pub fn now(&self) -> String {
        let seconds = self.effects.len();
        let (hour, minute, second) = (FIRST_HOUR + seconds / 3_600, seconds / 60 % 60, seconds % 60);
        format!("{CALENDAR_DAY}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Whether one more change would be one too many.
    fn room(&self) -> Result<(), WorldError> {
        if self.effects.len() < EFFECTS_MAX { Ok(()) } else { Err(WorldError::Full("changes")) }
    }

    /// Notes a change that was made.
    fn note(&mut self, change: Change) {
        let effect = Effect { index: self.effects.len(), at: self.now(), change };
        self.effects.push(effect);
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
