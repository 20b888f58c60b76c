//! What people are shown of a call that they are asked about: the values that decide what it does, sealed on the ledger's
//! shelf, opened for those who may answer; and which of them a yes endorses.

use std::collections::BTreeSet;

use alcaide_flow::Decisive;
use alcaide_inventory::ApprovalId;
use alcaide_record::Digest;
use serde::{Deserialize, Serialize};

use super::Kept;
use crate::by::By;
use crate::error::OfficeError;
use crate::office::Office;

/// Which values a person says are right for the task, with a yes.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Endorsement {
    /// None: this call once.
    #[default]
    None,
    /// All that can be endorsed.
    All,
    /// Those that stand at these JSON pointers within the arguments.
    At(Vec<String>),
    /// Those at these places in the list that was shown.
    Places(Vec<u16>),
}

impl Endorsement {
    /// Whether it endorses nothing.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        match self {
            Self::None => true,
            Self::All => false,
            Self::At(pointers) => pointers.is_empty(),
            Self::Places(places) => places.is_empty(),
        }
    }

    /// The places that are endorsed, each once, in order; what cannot be endorsed is told.
    fn places(&self, shown: &Decisive) -> Result<Vec<u16>, &'static str> {
        let mut places = BTreeSet::new();
        let all = || {
            let numbered = (0_u16..).zip(&shown.values);
            numbered
                .filter(|(_, value)| value.endorsable)
                .map(|(place, value)| (place, value.pointer.as_str()))
        };
        match self {
            Self::None => {}
            Self::All => places.extend(all().map(|(place, _)| place)),
            Self::At(pointers) => {
                for pointer in pointers {
                    let before = places.len();
                    let here: Vec<u16> = all()
                        .filter(|(_, known)| *known == pointer.as_str())
                        .map(|(place, _)| place)
                        .collect();
                    places.extend(&here);
                    if here.is_empty() && places.len() == before {
                        return Err("no value that can be endorsed stands there");
                    }
                }
            }
            Self::Places(given) => {
                for place in given {
                    if !all().any(|(known, _)| known == *place) {
                        return Err("no value that can be endorsed stands there");
                    }
                    places.insert(*place);
                }
            }
        }
        if places.is_empty() && !self.is_none() {
            return Err("it has no value that can be endorsed");
        }
        Ok(places.into_iter().collect())
    }
}

impl Office {
    /// The values of a call that people are asked about, for whoever may say yes to it; nothing for everybody else, and
    /// where there are none.
    pub(crate) async fn shown_to(
        &self,
        by: &By,
        approval: ApprovalId,
    ) -> Result<Option<Decisive>, OfficeError> {
        let Some(human) = by.human() else { return Ok(None) };
        let Some(kept) = self.kept(approval).await? else { return Ok(None) };
        if kept.bars(&self.current(), human).is_some() {
            return Ok(None);
        }
        self.opened(&kept).await
    }

    pub(super) async fn opened(&self, kept: &Kept) -> Result<Option<Decisive>, OfficeError> {
        let Some(decisive) = kept.question.as_ref().and_then(|question| question.decisive) else {
            return Ok(None);
        };
        self.open_values(decisive.values).await
    }

    async fn open_values(&self, values: Digest) -> Result<Option<Decisive>, OfficeError> {
        let shelf = self.0.ledger.shelf();
        let taken = tokio::task::spawn_blocking(move || shelf.take(&values.0.into()));
        let Some(sealed) = taken.await.map_err(|_| OfficeError::Stopping)?? else { return Ok(None) };
        let text = self.0.words_key.open(&sealed)?;
        Ok(Some(crate::sql::from_json("values of a question", text.expose())?))
    }

    /// The places that a yes endorses.
    pub(super) async fn endorsed(
        &self,
        kept: &Kept,
        endorsement: &Endorsement,
    ) -> Result<Vec<u16>, OfficeError> {
        if endorsement.is_none() {
            return Ok(Vec::new());
        }
        let wrong = |why| OfficeError::Approval { approval: kept.id.to_string(), why };
        let shown = self.opened(kept).await?.ok_or_else(|| wrong("nothing of it can be endorsed"))?;
        endorsement.places(&shown).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_shown_and_can_be_endorsed_is() {
        let mut shown = Decisive::default();
        shown.push("/to", "ana@example.com", true);
        shown.push("/note", "hello", false);
        shown.push("/cc", "bo@example.com", true);
        shown.push("/cc", "cy@example.com", true);
        let at = |pointers: &[&str]| {
            Endorsement::At(pointers.iter().map(|one| (*one).to_owned()).collect()).places(&shown)
        };
        assert_eq!(Endorsement::None.places(&shown), Ok(vec![]));
        assert_eq!(Endorsement::All.places(&shown), Ok(vec![0, 2, 3]));
        assert_eq!(at(&["/cc", "/to", "/cc"]), Ok(vec![0, 2, 3]));
        assert_eq!(Endorsement::Places(vec![3, 0, 3]).places(&shown), Ok(vec![0, 3]));
        let nothing_there = Err("no value that can be endorsed stands there");
        assert_eq!(at(&["/to", "/note"]), nothing_there);
        assert_eq!(at(&["/other"]), nothing_there);
        assert_eq!(Endorsement::Places(vec![1]).places(&shown), nothing_there);
        assert_eq!(Endorsement::Places(vec![9]).places(&shown), nothing_there);
        let none = Err("it has no value that can be endorsed");
        assert_eq!(Endorsement::All.places(&Decisive::default()), none);
    }
}
