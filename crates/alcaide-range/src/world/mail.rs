//! Mailboxes: one inbox, outbox and trash for each of the firm's people.

use super::{Change, World, WorldError};

/// Most mails of all mailboxes together.
const MAILS_MAX: usize = 2_000;

/// One mail as one mailbox holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mail {
    /// Its id, unique in the world.
    pub id: String,
    /// Whose mailbox holds it.
    pub mailbox: String,
    /// Where in the mailbox.
    pub folder: Folder,
    /// Address of the sender.
    pub from: String,
    /// Addresses of the receivers.
    pub to: Vec<String>,
    /// When it was sent, RFC 3339.
    pub at: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

/// Part of a mailbox.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Folder {
    /// What came.
    Inbox,
    /// What was sent.
    Outbox,
    /// What was deleted once.
    Trash,
}

impl Folder {
    /// All of them, by word.
    pub const WORDS: [&str; 3] = ["inbox", "outbox", "trash"];

    /// The folder of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Inbox, Self::Outbox, Self::Trash].into_iter().find(|folder| folder.as_str() == word)
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
            Self::Trash => "trash",
        }
    }
}

/// What became of a deleted mail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It lies in the trash.
    Trash,
    /// It was there already, and is gone.
    Gone,
}

impl Fate {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trash => "trash",
            Self::Gone => "gone",
        }
    }
}

/// All mails, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Post {
    mails: Vec<Mail>,
    /// Number of the next mail.
    next: usize,
}

impl Post {
    pub(super) fn new(mails: Vec<Mail>) -> Self {
        let next = mails.len() + 1;
        Self { mails, next }
    }

    fn take_id(&mut self) -> String {
        let id = format!("m-{:04}", self.next);
        self.next += 1;
        id
    }
}

impl World {
    /// Sends a mail to 1 to 10 addresses; a receiver with a mailbox here has it in the inbox. Gives its id.
    ///
    /// # Errors
    /// [`WorldError::NoMailbox`], [`WorldError::BadAddress`], [`WorldError::Full`].
    pub fn send_mail(
        &mut self,
        mailbox: &str,
        to: &[String],
        subject: &str,
        body: &str,
    ) -> Result<String, WorldError> {
        let from = self.address_of(mailbox)?.to_owned();
        if let Some(bad) = to.iter().find(|address| !is_address(address)) {
            return Err(WorldError::BadAddress(bad.clone()));
        }
        let mut receivers: Vec<String> = Vec::new();
        for address in to {
            if let Some(person) = self.person_at(address)
                && !receivers.iter().any(|known| known == person)
            {
                receivers.push(person.to_owned());
            }
        }
        if self.post.mails.len() + receivers.len() >= MAILS_MAX {
            return Err(WorldError::Full("mail"));
        }
        self.room()?;
        let at = self.now();
        let mail = |id: String, mailbox: &str, folder| Mail {
            id,
            mailbox: mailbox.to_owned(),
            folder,
            from: from.clone(),
            to: to.to_vec(),
            at: at.clone(),
            subject: subject.to_owned(),
            body: body.to_owned(),
        };
        let id = self.post.take_id();
        self.post.mails.push(mail(id.clone(), mailbox, Folder::Outbox));
        for receiver in &receivers {
            let id = self.post.take_id();
            self.post.mails.push(mail(id, receiver, Folder::Inbox));
        }
        self.note(Change::MailSent {
            id: id.clone(),
            from: from.clone(),
            to: to.to_vec(),
            subject: subject.to_owned(),
            body: body.to_owned(),
        });
        Ok(id)
    }

    /// Deletes a mail: from inbox or outbox into the trash, from the trash for good.
    ///
    /// # Errors
    /// [`WorldError::NoMailbox`], [`WorldError::NoMail`], [`WorldError::Full`].
    pub fn delete_mail(&mut self, mailbox: &str, id: &str) -> Result<Fate, WorldError> {
        self.mail(mailbox, id)?;
        self.room()?;
        let mine = |mail: &Mail| mail.mailbox == mailbox && mail.id == id;
        let fate = match self.post.mails.iter_mut().find(|mail| mine(mail)) {
            Some(mail) if mail.folder != Folder::Trash => {
                mail.folder = Folder::Trash;
                Fate::Trash
            }
            _ => {
                self.post.mails.retain(|mail| !mine(mail));
                Fate::Gone
            }
        };
        self.note(Change::MailDeleted { id: id.to_owned(), mailbox: mailbox.to_owned(), fate });
        Ok(fate)
    }

    /// The mails of one folder, newest first.
    ///
    /// # Errors
    /// [`WorldError::NoMailbox`].
    pub fn mails(&self, mailbox: &str, folder: Folder) -> Result<Vec<&Mail>, WorldError> {
        self.address_of(mailbox)?;
        let mine = |mail: &&Mail| mail.mailbox == mailbox && mail.folder == folder;
        Ok(newest_first(self.post.mails.iter().filter(mine).collect()))
    }

    /// One mail.
    ///
    /// # Errors
    /// [`WorldError::NoMailbox`], [`WorldError::NoMail`].
    pub fn mail(&self, mailbox: &str, id: &str) -> Result<&Mail, WorldError> {
        self.address_of(mailbox)?;
        let mine = |mail: &&Mail| mail.mailbox == mailbox && mail.id == id;
        self.post.mails.iter().find(mine).ok_or_else(|| WorldError::NoMail(id.to_owned()))
    }

    /// The mails of a mailbox, but for its trash, that hold a text in sender, subject or body, newest first; case does
    /// not count.
    ///
    /// # Errors
    /// [`WorldError::NoMailbox`].
    pub fn search_mail(&self, mailbox: &str, text: &str) -> Result<Vec<&Mail>, WorldError> {
        self.address_of(mailbox)?;
        let text = text.to_lowercase();
        let holds = |part: &str| part.to_lowercase().contains(&text);
        let found = self.post.mails.iter().filter(|mail| {
            mail.mailbox == mailbox
                && mail.folder != Folder::Trash
                && (holds(&mail.from) || holds(&mail.subject) || holds(&mail.body))
        });
        Ok(newest_first(found.collect()))
    }
}

fn newest_first(mut mails: Vec<&Mail>) -> Vec<&Mail> {
    mails.sort_by(|a, b| (&b.at, &b.id).cmp(&(&a.at, &a.id)));
    mails
}

/// Whether a text is an address as this world takes them: a short local part, `@`, a domain with a dot.
fn is_address(text: &str) -> bool {
    let plain = |part: &str, also: &[u8]| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
    };
    text.split_once('@').is_some_and(|(local, domain)| {
        local.len() <= 64
            && domain.len() <= 253
            && plain(local, b".-_+")
            && domain.contains('.')
            && domain.split('.').all(|label| plain(label, b"-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(address: &str) -> Vec<String> {
        vec![address.to_owned()]
    }

    #[test]
    fn a_mail_is_in_the_outbox_and_in_the_inbox_of_its_receiver() {
        let mut world = World::new();
        let id = world.send_mail("ana", &to("ben@example.com"), "hello", "text").unwrap();
        assert_eq!(world.mails("ana", Folder::Outbox).unwrap()[0].id, id);
        let arrived = world.mails("ben", Folder::Inbox).unwrap()[0];
        assert_eq!((arrived.subject.as_str(), arrived.from.as_str()), ("hello", "ana@example.com"));
        assert_ne!(arrived.id, id);
        let outside = world.send_mail("ana", &to("x@example.org"), "out", "text").unwrap();
        assert_eq!(world.effects().len(), 2);
        assert!(matches!(&world.effects()[1].change, Change::MailSent { id, .. } if *id == outside));
        assert_ne!(world.effects()[0].at, world.effects()[1].at);
    }

    #[test]
    fn deleted_once_is_trash_and_twice_is_gone() {
        let mut world = World::new();
        let id = world.mails("ana", Folder::Inbox).unwrap()[0].id.clone();
        assert_eq!(world.delete_mail("ben", &id), Err(WorldError::NoMail(id.clone())));
        assert_eq!(world.delete_mail("ana", &id), Ok(Fate::Trash));
        assert_eq!(world.mails("ana", Folder::Trash).unwrap().len(), 1);
        assert_eq!(world.delete_mail("ana", &id), Ok(Fate::Gone));
        assert_eq!(world.mail("ana", &id), Err(WorldError::NoMail(id)));
        assert_eq!(world.effects().len(), 2);
    }

    #[test]
    fn what_fails_changes_nothing() {
        let mut world = World::new();
        let before = world.post.mails.clone();
        assert!(world.send_mail("zoe", &to("ben@example.com"), "", "").is_err());
        for bad in ["ben", "ben@", "@example.com", "ben@example", "a b@example.com", "ben@exa..com"] {
            assert_eq!(world.send_mail("ana", &to(bad), "", ""), Err(WorldError::BadAddress(bad.into())));
        }
        assert_eq!((world.post.mails, world.effects.len()), (before, 0));
    }

    #[test]
    fn the_post_is_bounded() {
        let mut world = World::new();
        let full = loop {
            if let Err(full) = world.send_mail("ana", &to("ben@example.com"), "", "") {
                break full;
            }
        };
        assert_eq!(full, WorldError::Full("mail"));
        assert!(world.post.mails.len() <= MAILS_MAX);
    }

    #[test]
    fn search_ignores_case_and_the_trash() {
        let mut world = World::new();
        let found = world.search_mail("ana", "INV-2041").unwrap().len();
        assert!(found > 0);
        assert_eq!(world.search_mail("ana", "inv-2041").unwrap().len(), found);
        let id = world.search_mail("ana", "inv-2041").unwrap()[0].id.clone();
        world.delete_mail("ana", &id).unwrap();
        assert_eq!(world.search_mail("ana", "inv-2041").unwrap().len(), found - 1);
    }
}
