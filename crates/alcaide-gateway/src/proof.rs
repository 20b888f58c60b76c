//! Is the model that a route serves proven? What memory knows of it, against what the plan names, at a time.
//!
//! ```text
//! plan: model, signers ─▶ Served ─┐
//! ledger ─▶ memory: Life ─────────┴▶ ModelNote (record) ─▶ ModelStanding (policy)
//! ```
//! Nothing is decided here: policy is told how the model stands, and the same stands in the record. What counts is looked at anew
//! for each call, since evidence ends and files change without anybody's order.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use alcaide_inventory::declare::{Route, Signer};
use alcaide_inventory::id::{ModelId, RouteId};
use alcaide_inventory::{Moment, Name, Plan};
use alcaide_memory::Memory;
use alcaide_policy::{ModelFiles, ModelScan, ModelSignature, ModelSigner, ModelStanding, ModelVerdict};
use alcaide_record::{
    Digest, FilesSeen, FilesState, Held, HeldSignature, Life, ModelNote, ScanSeen, ScanVerdict,
    SignatureSeen, SignerStanding, Version,
};
use alcaide_seal::Voucher;

use crate::plan::PlanFault;

/// A declared model as calls of its routes see it.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    model: ModelId,
    /// Whether a place of files is declared.
    watched: bool,
    max_age: Option<Duration>,
    /// Keys that may sign.
    keys: BTreeSet<Digest>,
    /// Authorities whose leaves may sign.
    roots: BTreeSet<Digest>,
    /// Keys that do not count any more, whoever vouches for them.
    revoked: BTreeSet<Digest>,
    /// The rules that this program scans by.
    packs: Digest,
}

impl Served {
    /// The declared models by the routes that serve them.
    ///
    /// # Errors
    /// [`PlanFault::Signer`] for a key or certificate that cannot be read.
    pub(crate) fn of(plan: &Plan, packs: Digest) -> Result<HashMap<RouteId, Self>, PlanFault> {
        let mut signers = HashMap::new();
        for (name, placed) in &plan.signers {
            signers.insert(name, Vouches::read(name, &placed.spec)?);
        }
        let mut served = HashMap::new();
        for placed in plan.routes.values() {
            let Route::Model(route) = &placed.spec else { continue };
            let Some(model) = route.serves.as_ref().and_then(|name| plan.models.get(name)) else { continue };
            let mut one = Self {
                model: model.id,
                watched: model.spec.files.is_some(),
                max_age: model.spec.max_age_days.map(|days| Duration::from_secs(u64::from(days) * DAY_S)),
                keys: BTreeSet::new(),
                roots: BTreeSet::new(),
                revoked: BTreeSet::new(),
                packs,
            };
            for vouches in model.spec.signers.iter().filter_map(|name| signers.get(name)) {
                match vouches.by {
                    None => {}
                    Some(By::Key(key)) => {
                        one.keys.insert(key);
                    }
                    Some(By::Root(root)) => {
                        one.roots.insert(root);
                    }
                }
                one.revoked.extend(&vouches.revoked);
            }
            served.insert(placed.id, one);
        }
        Ok(served)
    }

    /// How the model stands at a time.
    pub(crate) fn note(&self, memory: &Memory, now: Moment) -> ModelNote {
        memory.model(self.model, |life| self.of_life(life, now))
    }

    fn of_life(&self, life: &Life, now: Moment) -> ModelNote {
        let released = life.released();
        let spoken_of = life.spoken_of();
        let files = match (self.watched, life.files()) {
            (false, _) => FilesSeen::None,
            // Where no version is known there is nothing that the files could be other than.
            (true, FilesState::Found { version }) if spoken_of.is_none_or(|(known, _)| *known == version) => {
                FilesSeen::Same
            }
            (true, FilesState::Found { .. }) => FilesSeen::Changed,
            (true, _) => FilesSeen::Unread,
        };
        let version = spoken_of.map(|(_, version)| version);
        ModelNote {
            files,
            model: self.model,
            released: released.is_some(),
            scan: self.scan(version, now),
            signature: self.signature(version, now),
            version: spoken_of.map(|(digest, _)| *digest),
        }
    }

    fn scan(&self, version: Option<&Version>, now: Moment) -> ScanSeen {
        let Some((version, scan)) = version.and_then(|version| Some((version, version.scan?))) else {
            return ScanSeen {
                accepted: false,
                age_days: 0,
                current_pack: false,
                in_time: false,
                verdict: None,
            };
        };
        ScanSeen {
            accepted: version.release.is_some_and(|release| release.accepts_doubt),
            age_days: age_days(scan.issued, now),
            current_pack: scan.says.packs == self.packs,
            in_time: self.is_in_time(scan.issued, scan.expires, now),
            verdict: Some(scan.says.verdict),
        }
    }

    /// The signature that counts for most: by somebody trusted before others, in time before ended, newest first.
    fn signature(&self, version: Option<&Version>, now: Moment) -> SignatureSeen {
        let worth = |one: &Held<HeldSignature>| {
            (self.trusts(&one.says), self.is_in_time(one.issued, one.expires, now), one.issued)
        };
        let best = version.and_then(|version| version.signatures.iter().max_by_key(|one| worth(one)));
        let Some(best) = best else {
            return SignatureSeen { age_days: 0, in_time: false, standing: SignerStanding::None };
        };
        let (trusted, in_time, issued) = worth(best);
        let standing = if trusted { SignerStanding::Trusted } else { SignerStanding::Untrusted };
        SignatureSeen { age_days: age_days(issued, now), in_time, standing }
    }

    fn trusts(&self, by: &HeldSignature) -> bool {
        let vouched = match by.root {
            Some(root) => self.roots.contains(&root),
            None => self.keys.contains(&by.key),
        };
        vouched && !self.revoked.contains(&by.key)
    }

    fn is_in_time(&self, issued: Moment, expires: Option<Moment>, now: Moment) -> bool {
        expires.is_none_or(|end| now < end) && self.max_age.is_none_or(|age| now < issued + age)
    }
}

/// What a declared signer vouches for.
struct Vouches {
    /// Nobody where it is revoked.
    by: Option<By>,
    revoked: Vec<Digest>,
}

#[derive(Clone, Copy)]
enum By {
    Key(Digest),
    Root(Digest),
}

impl Vouches {
    fn read(name: &Name, signer: &Signer) -> Result<Self, PlanFault> {
        let wrong = |why: String| PlanFault::Signer { signer: name.clone(), why };
        let voucher = Voucher::from_pem(&signer.pem).map_err(|error| wrong(error.to_string()))?;
        let named = Digest(voucher.name().into_bytes());
        let by = match voucher {
            Voucher::Key(_) => By::Key(named),
            Voucher::Root(_) => By::Root(named),
        };
        let revoked = signer.revoked_keys.iter().filter_map(|text| text.parse().ok()).collect();
        Ok(Self { by: (!signer.revoked).then_some(by), revoked })
    }
}

fn age_days(issued: Moment, now: Moment) -> u32 {
    u32::try_from(now.secs().saturating_sub(issued.secs()) / DAY_S).unwrap_or(u32::MAX)
}

const DAY_S: u64 = 86_400;

/// The same for policies.
#[must_use]
pub const fn standing(note: &ModelNote) -> ModelStanding {
    ModelStanding {
        released: note.released,
        files: match note.files {
            FilesSeen::None => ModelFiles::None,
            FilesSeen::Same => ModelFiles::Same,
            FilesSeen::Changed => ModelFiles::Changed,
            FilesSeen::Unread => ModelFiles::Unread,
        },
        scan: ModelScan {
            verdict: match note.scan.verdict {
                None => ModelVerdict::None,
                Some(ScanVerdict::Clean) => ModelVerdict::Clean,
                Some(ScanVerdict::Inconclusive) => ModelVerdict::Inconclusive,
                Some(ScanVerdict::Unsafe) => ModelVerdict::Unsafe,
            },
            age_days: note.scan.age_days,
            in_time: note.scan.in_time,
            current_pack: note.scan.current_pack,
            accepted: note.scan.accepted,
        },
        signature: ModelSignature {
            signer: match note.signature.standing {
                SignerStanding::None => ModelSigner::None,
                SignerStanding::Trusted => ModelSigner::Trusted,
                SignerStanding::Untrusted => ModelSigner::Untrusted,
            },
            age_days: note.signature.age_days,
            in_time: note.signature.in_time,
        },
    }
}

#[cfg(test)]
mod tests;
