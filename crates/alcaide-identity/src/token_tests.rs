//! Tokens that are taken, tokens that are not, and chains that only shrink.

use std::time::Duration;

use alcaide_inventory::declare::Grant;
use alcaide_inventory::{Actor, AgentId, HumanId, Moment, Principal, RunId, TaskId, TokenId, UnitId};
use alcaide_seal::jws::KeySet;
use alcaide_seal::random::SystemEntropy;

use super::*;
use crate::cache::TokenCache;
use crate::exchange::{ExchangeError, Narrowed, narrow};

const NOW: Moment = Moment::from_secs(1_795_000_000);
const ISSUER: &str = "https://alcaide.example";

fn agent(bits: u128) -> Actor {
    Actor::Agent(AgentId::from_bits(bits))
}

fn human() -> Actor {
    Actor::Human(HumanId::from_bits(1))
}

fn house() -> (Issuer, Verifier) {
    let signer = Signer::generate(&SystemEntropy::new()).unwrap();
    let mut keys = KeySet::new();
    keys.insert(signer.public().clone()).unwrap();
    let domain: TrustDomain = "corp.example".parse().unwrap();
    let verifier = Verifier::new(ISSUER, domain.clone(), Audience::Gate, keys);
    (Issuer::new(ISSUER, domain, signer), verifier)
}

fn request(actor: Actor, subject: Actor) -> TokenRequest {
    TokenRequest {
        principal: Principal {
            subject,
            actor,
            earlier: vec![],
            unit: UnitId::from_bits(2),
            task: TaskId::from_bits(3),
            run: Some(RunId::from_bits(4)),
            token: TokenId::from_bits(5),
        },
        audience: Audience::Gate,
        life: Duration::from_secs(300),
        epochs: vec![7, 8],
        ancestors: vec![],
        parent: None,
        bind_to: None,
        scope: None,
        roles: vec![],
        words: None,
        client_id: "run".into(),
    }
}

#[test]
fn what_was_minted_is_what_is_verified() {
    let (issuer, verifier) = house();
    let wanted = request(agent(1), human());
    let minted = issuer.mint(&wanted, NOW).unwrap();
    let held = verifier.verify(&minted.compact, NOW).unwrap().into_inner();
    assert_eq!(held.principal, wanted.principal);
    assert_eq!(held.epochs, vec![(agent(1), 7), (human(), 8)]);
    assert_eq!(held.expires, NOW + Duration::from_secs(300));
    assert_eq!(minted.expires, held.expires);
}

#[test]
fn another_house_audience_or_time_is_refused() {
    let (issuer, verifier) = house();
    let (other, _) = house();
    let wanted = request(agent(1), human());
    let minted = issuer.mint(&wanted, NOW).unwrap();
    let foreign = other.mint(&wanted, NOW).unwrap();
    assert!(matches!(verifier.verify(&foreign.compact, NOW), Err(TokenError::Jws(_))));
    let late = NOW + Duration::from_secs(300);
    assert!(matches!(verifier.verify(&minted.compact, late), Err(TokenError::Expired)));
    let early = NOW - Duration::from_secs(31);
    assert!(matches!(verifier.verify(&minted.compact, early), Err(TokenError::Times)));
    let office = TokenRequest { audience: Audience::Office, ..wanted };
    let office = issuer.mint(&office, NOW).unwrap();
    assert!(matches!(verifier.verify(&office.compact, NOW), Err(TokenError::Audience { .. })));
}

#[test]
fn a_token_lives_minutes() {
    let (issuer, _) = house();
    for life in [Duration::ZERO, Duration::from_secs(15 * 60 + 1)] {
        let wanted = TokenRequest { life, ..request(agent(1), human()) };
        assert!(matches!(issuer.mint(&wanted, NOW), Err(TokenError::Life { .. })), "{life:?}");
    }
}

#[test]
fn a_changed_byte_is_refused() {
    let (issuer, verifier) = house();
    let compact = issuer.mint(&request(agent(1), human()), NOW).unwrap().compact;
    for at in 0..compact.len() {
        let mut bytes = compact.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verifier.verify(&changed, NOW).is_err(), "byte {at}");
    }
}

fn to(actor: Actor) -> Narrowed {
    Narrowed {
        actor,
        unit: UnitId::from_bits(2),
        epoch: 1,
        token: TokenId::from_bits(50),
        scope: None,
        life: Duration::from_secs(600),
        bind_to: None,
        proven: false,
        client_id: "child".into(),
    }
}

#[test]
fn a_chain_is_read_outermost_first_and_names_its_parents() {
    let (issuer, verifier) = house();
    let first = issuer.mint(&request(agent(1), human()), NOW).unwrap();
    let held = verifier.verify(&first.compact, NOW).unwrap();
    let second = narrow(&held, to(agent(2)), NOW).unwrap();
    let compact = issuer.mint(&second, NOW).unwrap().compact;
    let held = verifier.verify(&compact, NOW).unwrap();
    let third = narrow(&held, Narrowed { token: TokenId::from_bits(51), ..to(agent(3)) }, NOW).unwrap();
    let compact = issuer.mint(&third, NOW).unwrap().compact;
    let held = verifier.verify(&compact, NOW).unwrap().into_inner();
    assert_eq!(held.principal.actor, agent(3));
    assert_eq!(held.principal.subject, human());
    assert_eq!(held.principal.earlier, vec![agent(2), agent(1)]);
    assert_eq!(held.ancestors, vec![TokenId::from_bits(50), TokenId::from_bits(5)]);
    assert_eq!(held.epochs, vec![(agent(3), 1), (human(), 8), (agent(2), 1), (agent(1), 7)]);
    assert_eq!(held.principal.task, TaskId::from_bits(3));
}

#[test]
fn an_exchange_only_shrinks() {
    let (issuer, verifier) = house();
    let scope =
        |texts: &[&str]| Some(texts.iter().map(|text| text.parse::<Grant>().unwrap()).collect::<Vec<_>>());
    let narrow_scope = TokenRequest { scope: scope(&["use:tool/files/*"]), ..request(agent(1), human()) };
    let minted = issuer.mint(&narrow_scope, NOW).unwrap();
    let held = verifier.verify(&minted.compact, NOW).unwrap();
    let later = NOW + Duration::from_secs(200);
    let kept = narrow(&held, to(agent(2)), later).unwrap();
    assert_eq!(kept.life, Duration::from_secs(100), "no longer than the parent");
    assert_eq!(kept.scope, scope(&["use:tool/files/*"]));
    let less = Narrowed { scope: scope(&["use:tool/files/read_file"]), ..to(agent(2)) };
    assert!(narrow(&held, less, NOW).is_ok());
    let more = Narrowed { scope: scope(&["use:model/*"]), ..to(agent(2)) };
    assert!(matches!(narrow(&held, more, NOW), Err(ExchangeError::Widened { .. })));
    assert!(matches!(narrow(&held, to(agent(1)), NOW), Err(ExchangeError::Loop { .. })));
}

#[test]
fn a_bound_token_is_not_exchanged_without_its_key() {
    let (issuer, verifier) = house();
    let bound = TokenRequest { bind_to: Some("thumb".into()), ..request(agent(1), human()) };
    let held = verifier.verify(&issuer.mint(&bound, NOW).unwrap().compact, NOW).unwrap();
    assert_eq!(narrow(&held, to(agent(2)), NOW).unwrap_err(), ExchangeError::Unproven);
    assert!(narrow(&held, Narrowed { proven: true, ..to(agent(2)) }, NOW).is_ok());
}

#[test]
fn a_chain_has_an_end() {
    let (issuer, verifier) = house();
    let mut compact = issuer.mint(&request(agent(1), human()), NOW).unwrap().compact;
    let mut depth = 1;
    let refused = loop {
        let held = verifier.verify(&compact, NOW).unwrap();
        match narrow(&held, Narrowed { token: TokenId::from_bits(100 + depth), ..to(agent(1 + depth)) }, NOW)
        {
            Ok(next) => compact = issuer.mint(&next, NOW).unwrap().compact,
            Err(error) => break error,
        }
        depth += 1;
    };
    assert_eq!(refused, ExchangeError::TooDeep);
    assert!(usize::try_from(depth).unwrap() <= CHAIN_MAX);
}

#[test]
fn the_cache_never_outlives_the_token() {
    let (issuer, verifier) = house();
    let cache = TokenCache::default();
    let minted = issuer
        .mint(&TokenRequest { life: Duration::from_secs(20), ..request(agent(1), human()) }, NOW)
        .unwrap();
    assert!(cache.verify(&verifier, &minted.compact, NOW).is_ok());
    assert!(cache.verify(&verifier, &minted.compact, NOW + Duration::from_secs(19)).is_ok());
    let late = NOW + Duration::from_secs(20);
    assert!(matches!(cache.verify(&verifier, &minted.compact, late), Err(TokenError::Expired)));
}
