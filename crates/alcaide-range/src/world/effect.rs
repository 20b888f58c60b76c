//! What changed: one entry a change, with all of it.

use serde_json::{Value, json};

use super::{Cents, Fate};

/// One change of the world.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Effect {
    /// Its place among all changes, from 0.
    pub index: usize,
    /// The world's time before it, RFC 3339.
    pub at: String,
    /// What changed.
    pub change: Change,
}

/// What changed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A mail left, and arrived where the receiver has a mailbox here.
    MailSent {
        /// The mail in the sender's outbox.
        id: String,
        /// Address of the sender.
        from: String,
        /// Addresses of the receivers.
        to: Vec<String>,
        /// Its subject.
        subject: String,
        /// Its text.
        body: String,
    },
    /// A mail was taken out of a folder.
    MailDeleted {
        /// The mail.
        id: String,
        /// Whose it was.
        mailbox: String,
        /// What became of it.
        fate: Fate,
    },
    /// A file was written.
    FileWritten {
        /// Its path.
        path: String,
        /// Its text.
        text: String,
        /// Whether another was there before.
        replaced: bool,
    },
    /// Somebody can be paid who could not be before.
    PayeeAdded {
        /// The payee.
        id: String,
        /// Its name.
        name: String,
        /// Its account.
        iban: String,
    },
    /// Money left the account.
    Paid {
        /// The payment.
        id: String,
        /// To whom.
        payee: String,
        /// To which account.
        iban: String,
        /// How much.
        amount: Cents,
        /// What it is for, in words.
        reference: String,
        /// The invoice that it settled.
        invoice: Option<String>,
    },
}

impl Effect {
    /// The change as one JSON object: `index`, `at`, `kind` and what belongs to the kind.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut value = match &self.change {
            Change::MailSent { id, from, to, subject, body } => {
                json!({ "kind": "mail_sent", "id": id, "from": from, "to": to, "subject": subject, "body": body })
            }
            Change::MailDeleted { id, mailbox, fate } => {
                json!({ "kind": "mail_deleted", "id": id, "mailbox": mailbox, "fate": fate.as_str() })
            }
            Change::FileWritten { path, text, replaced } => {
                json!({ "kind": "file_written", "path": path, "text": text, "replaced": replaced })
            }
            Change::PayeeAdded { id, name, iban } => {
                json!({ "kind": "payee_added", "id": id, "name": name, "iban": iban })
            }
            Change::Paid { id, payee, iban, amount, reference, invoice } => json!({
                "kind": "paid", "id": id, "payee": payee, "iban": iban, "amount_cents": amount.0,
                "reference": reference, "invoice": invoice,
            }),
        };
        if let Some(object) = value.as_object_mut() {
            object.insert("index".into(), self.index.into());
            object.insert("at".into(), self.at.clone().into());
        }
        value
    }
}
