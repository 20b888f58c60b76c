//! Who works here, and what stands in their calendars. Nothing here changes.

use super::{World, WorldError};
use crate::sample;

/// Somebody who works for the firm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Person {
    /// Handle, and name of the mailbox.
    pub handle: &'static str,
    /// Full name.
    pub name: &'static str,
    /// What the person does.
    pub role: &'static str,
    /// Address.
    pub address: &'static str,
    /// Telephone, of numbers that are given to nobody.
    pub telephone: &'static str,
}

/// One entry of a calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Event {
    /// Whose calendar.
    pub handle: &'static str,
    /// Day, `YYYY-MM-DD`.
    pub day: &'static str,
    /// Hours, `HH:MM-HH:MM`.
    pub hours: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Where.
    pub place: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct People {
    persons: &'static [Person],
    events: &'static [Event],
}

impl People {
    pub(super) const fn new() -> Self {
        Self { persons: &sample::PERSONS, events: &sample::EVENTS }
    }
}

impl World {
    /// People whose name, handle, role or address holds a text; case does not count.
    #[must_use]
    pub fn people(&self, text: &str) -> Vec<&'static Person> {
        let text = text.to_lowercase();
        let holds = |part: &str| part.to_lowercase().contains(&text);
        let found = |person: &&Person| {
            [person.handle, person.name, person.role, person.address].into_iter().any(holds)
        };
        self.people.persons.iter().filter(found).collect()
    }

    /// What stands in somebody's calendar, of all days or of one.
    ///
    /// # Errors
    /// [`WorldError::NoMailbox`] for somebody who does not work here.
    pub fn events(&self, handle: &str, day: Option<&str>) -> Result<Vec<&'static Event>, WorldError> {
        self.address_of(handle)?;
        let wanted = |event: &&Event| event.handle == handle && day.is_none_or(|day| day == event.day);
        Ok(self.people.events.iter().filter(wanted).collect())
    }

    pub(super) fn address_of(&self, handle: &str) -> Result<&'static str, WorldError> {
        let person = self.people.persons.iter().find(|person| person.handle == handle);
        person.map(|person| person.address).ok_or_else(|| WorldError::NoMailbox(handle.to_owned()))
    }

    pub(super) fn person_at(&self, address: &str) -> Option<&'static str> {
        let person = self.people.persons.iter().find(|person| person.address.eq_ignore_ascii_case(address));
        person.map(|person| person.handle)
    }
}
