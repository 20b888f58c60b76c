//! The table of states: which step leads where, and which is refused.

use alcaide_inventory::id::OrderId;

use super::*;
use crate::office::Order;

const M: ModelId = ModelId::from_bits(1);
const A: Digest = Digest([1; 32]);
const B: Digest = Digest([2; 32]);

fn registered(version: Digest) -> Event {
    Event::Model(ModelEvent::Registered { by: None, bytes: 1, files: 1, model: M, sha256: version, version })
}

fn proven(version: Digest, proven: Proven) -> Event {
    let envelope = Digest([9; 32]);
    let issued = Moment::from_secs(1);
    Event::Model(ModelEvent::Evidence {
        by: None,
        envelope,
        expires: None,
        issued,
        model: M,
        proven,
        version,
    })
}

fn scan(version: Digest, verdict: ScanVerdict) -> Event {
    proven(version, Proven::Scan { packs: Digest([7; 32]), verdict })
}

fn signature(version: Digest, key: u8) -> Event {
    proven(version, Proven::Signature { key: Digest([key; 32]), root: None })
}

fn order(order: OrderKind) -> Event {
    Event::Order(Order { by: None, id: OrderId::from_bits(1), order })
}

fn release(version: Digest, accepts_doubt: bool) -> Event {
    order(OrderKind::ReleaseModel { accepts_doubt, model: M, version })
}

fn quarantine(version: Digest) -> Event {
    order(OrderKind::QuarantineModel { model: M, version })
}

fn revoke(version: Digest) -> Event {
    order(OrderKind::RevokeModel { model: M, version })
}

/// The life after these steps, of which all but the last fit.
fn lived(steps: &[Event]) -> (Life, Result<bool, Misstep>) {
    let mut life = Life::default();
    let mut last = Ok(true);
    for (at, event) in steps.iter().enumerate() {
        assert!(last.is_ok(), "step {} does not fit: {last:?}", at.saturating_sub(1));
        last = life.follow(M, &Entry::new(Moment::from_secs(at as u64), event.clone()));
    }
    (life, last)
}

#[test]
fn each_sequence_of_steps_ends_in_its_state() {
    use ScanVerdict::{Clean, Inconclusive, Unsafe};
    use VersionState::{Quarantined, Released, Revoked, Scanned, Signed};
    let table: &[(&[Event], VersionState)] = &[
        (&[registered(A)], Quarantined),
        (&[registered(A), scan(A, Clean)], Scanned),
        (&[registered(A), scan(A, Inconclusive)], Quarantined),
        (&[registered(A), scan(A, Unsafe)], Quarantined),
        (&[registered(A), signature(A, 1)], Quarantined),
        (&[registered(A), scan(A, Unsafe), signature(A, 1)], Quarantined),
        (&[registered(A), scan(A, Clean), signature(A, 1)], Signed),
        (&[registered(A), scan(A, Clean), release(A, false)], Released),
        (&[registered(A), scan(A, Inconclusive), release(A, true)], Released),
        (&[registered(A), scan(A, Clean), release(A, false), scan(A, Unsafe)], Quarantined),
        (&[registered(A), scan(A, Clean), release(A, false), scan(A, Inconclusive)], Quarantined),
        (&[registered(A), scan(A, Clean), release(A, false), scan(A, Unsafe), scan(A, Clean)], Scanned),
        (&[registered(A), scan(A, Clean), release(A, false), scan(A, Clean)], Released),
        (&[registered(A), scan(A, Inconclusive), release(A, true), scan(A, Inconclusive)], Quarantined),
        (&[registered(A), scan(A, Clean), release(A, false), quarantine(A)], Quarantined),
        (&[registered(A), scan(A, Clean), release(A, false), quarantine(A), scan(A, Clean)], Scanned),
        (&[registered(A), scan(A, Clean), release(A, false), revoke(A)], Revoked),
        (&[registered(A), revoke(A), scan(A, Clean)], Revoked),
        (&[registered(A), scan(A, Clean), registered(A)], Scanned),
        (
            &[
                registered(A),
                scan(A, Clean),
                release(A, false),
                registered(B),
                scan(B, Clean),
                release(B, false),
            ],
            Scanned,
        ),
        (&[registered(A), scan(A, Clean), release(A, false), registered(B), revoke(B)], Released),
    ];
    for (at, (steps, state)) in table.iter().enumerate() {
        let (life, last) = lived(steps);
        assert!(last.is_ok(), "row {at}: {last:?}");
        assert_eq!(life.state(&A), Some(*state), "row {at}");
        assert_eq!(life.released() == Some(A), matches!(state, Released), "row {at}");
    }
    assert_eq!(Life::default().state(&A), None);
}

#[test]
fn no_later_state_is_reached_without_the_earlier() {
    use ScanVerdict::{Clean, Inconclusive, Unsafe};
    let table: &[(&[Event], Misstep)] = &[
        (&[scan(A, Clean)], Misstep::Unregistered),
        (&[signature(A, 1)], Misstep::Unregistered),
        (&[release(A, false)], Misstep::Unregistered),
        (&[quarantine(A)], Misstep::Unregistered),
        (&[revoke(A)], Misstep::Unregistered),
        (&[registered(A), release(A, true)], Misstep::Unscanned),
        (&[registered(A), signature(A, 1), release(A, true)], Misstep::Unscanned),
        (&[registered(A), scan(A, Unsafe), release(A, true)], Misstep::Unsafe),
        (&[registered(A), scan(A, Inconclusive), release(A, false)], Misstep::Inconclusive),
        (&[registered(A), scan(A, Clean), quarantine(A), release(A, false)], Misstep::Held),
        (&[registered(A), scan(A, Clean), revoke(A), release(A, false)], Misstep::Revoked),
        (&[registered(A), scan(A, Clean), registered(B), release(B, false)], Misstep::Unscanned),
    ];
    for (at, (steps, misstep)) in table.iter().enumerate() {
        let (before, _) = lived(&steps[..steps.len() - 1]);
        let (after, last) = lived(steps);
        assert_eq!(last, Err(*misstep), "row {at}");
        assert_eq!(before, after, "row {at}: a step that does not fit changes nothing");
    }
}

#[test]
fn another_models_entries_are_passed_over() {
    let mut life = Life::default();
    let entry = Entry::new(Moment::from_secs(1), registered(A));
    assert_eq!(life.follow(ModelId::from_bits(2), &entry), Ok(false));
    assert_eq!(life, Life::default());
    assert_eq!(model_of(&entry.event), Some(M));
    assert_eq!(model_of(&revoke(A)), Some(M));
}

#[test]
fn only_so_many_versions_are_remembered_and_a_revoked_one_is_never_forgotten() {
    let mut life = Life::default();
    let digest = |at: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(at as u64).to_be_bytes());
        Digest(bytes)
    };
    let mut step = |event: Event, at: usize| life.follow(M, &Entry::new(Moment::from_secs(at as u64), event));
    for at in 0..VERSIONS_MAX {
        step(registered(digest(at)), at).unwrap();
    }
    step(revoke(digest(0)), VERSIONS_MAX).unwrap();
    step(registered(digest(VERSIONS_MAX)), VERSIONS_MAX).unwrap();
    for at in 2..=VERSIONS_MAX {
        step(revoke(digest(at)), VERSIONS_MAX).unwrap();
    }
    assert_eq!(step(registered(digest(9_999)), 9_999), Err(Misstep::Full));
    assert_eq!(life.versions().len(), VERSIONS_MAX);
    assert_eq!(life.state(&digest(0)), Some(VersionState::Revoked));
    assert_eq!(life.state(&digest(1)), None, "the oldest that could go went");
    let mut many = Life::default();
    many.follow(M, &Entry::new(Moment::from_secs(1), registered(A))).unwrap();
    for key in 0..=SIGNATURES_MAX as u8 {
        many.follow(M, &Entry::new(Moment::from_secs(1), signature(A, key))).unwrap();
    }
    let keys: Vec<u8> = many.versions()[&A].signatures.iter().map(|one| one.says.key.0[0]).collect();
    assert_eq!(keys, (1..=SIGNATURES_MAX as u8).collect::<Vec<_>>());
}

#[test]
fn files_are_what_was_last_seen_until_the_house_starts_anew() {
    let files = |state| Event::Model(ModelEvent::Files { model: M, state });
    let (mut life, _) = lived(&[registered(A), files(FilesState::Found { version: A })]);
    assert_eq!(life.files(), FilesState::Found { version: A });
    life.forget_files();
    assert_eq!(life.files(), FilesState::Reading);
    assert_eq!(lived(&[files(FilesState::Unreadable)]).0.files(), FilesState::Unreadable);
}

#[test]
fn a_life_is_kept_whole() {
    let (life, _) = lived(&[registered(A), scan(A, ScanVerdict::Clean), signature(A, 3), release(A, false)]);
    let text = serde_json::to_string(&life).unwrap();
    assert_eq!(serde_json::from_str::<Life>(&text).unwrap(), life);
    assert_eq!(life.spoken_of().map(|(digest, _)| *digest), Some(A));
}
