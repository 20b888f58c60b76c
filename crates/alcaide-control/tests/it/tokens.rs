//! Enrolment and tokens: who gets one, and who does not.

use std::time::Duration;

use alcaide_control::{
    By, ClientCredentials, Exchange, Granted, OfficeError, Proof, TaskOrder, enrolment_proof,
};
use alcaide_identity::{Audience, Credential, Verifier};
use alcaide_inventory::declare::{Grant, Role, Standing};
use alcaide_inventory::{Actor, CredentialId, HumanId, TokenId};
use alcaide_record::{Event, TokenKind};
use alcaide_seal::words::WordsKey;
use alcaide_seal::{SecretText, Signer, SystemEntropy};
use serde_json::json;

use crate::house::{House, ISSUER};

const OP: By = By::Operator;

pub(crate) struct Client {
    pub(crate) signer: Signer,
    pub(crate) id: CredentialId,
}

pub(crate) async fn enrol(house: &House, actor: Actor) -> Client {
    let signer = Signer::generate(&SystemEntropy::new()).unwrap();
    let opened = house.office.enrolment_open(&OP, actor).await.unwrap();
    let proof = enrolment_proof(&signer, &opened.token, ISSUER, house.now()).unwrap();
    let id = house.office.enrol(&opened.token, signer.public(), &proof).await.unwrap();
    Client { signer, id }
}

impl Client {
    /// A proof of this client's key for a token request.
    pub(crate) fn proof(&self, house: &House, jti: &str) -> Proof {
        let url = "https://office.test/oauth/token";
        let claims = json!({"jti": jti, "htm": "POST", "htu": url, "iat": house.now().secs()});
        let proof = self.signer.sign_embedded("dpop+jwt", &claims).unwrap();
        house.office.dpop(&proof, "POST", url, None).unwrap()
    }

    pub(crate) fn assertion(&self, house: &House, jti: &str) -> String {
        let now = house.now().secs();
        let id = self.id.to_string();
        let claims = json!({"iss": id, "sub": id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti});
        self.signer.sign("JWT", &claims).unwrap()
    }

    pub(crate) fn ask(&self, house: &House, jti: &str) -> ClientCredentials {
        ClientCredentials { assertion: self.assertion(house, jti), dpop: None, scope: None }
    }

    pub(crate) async fn token(&self, house: &House, jti: &str) -> Result<Granted, OfficeError> {
        house.office.token_client_credentials(self.ask(house, jti)).await
    }

    pub(crate) fn exchange(&self, house: &House, jti: &str, subject: &Granted) -> Exchange {
        Exchange {
            subject_token: subject.access_token.clone(),
            subject_proof: None,
            assertion: self.assertion(house, jti),
            dpop: None,
            scope: None,
            life: None,
        }
    }
}

pub(crate) fn read(house: &House, granted: &Granted, audience: Audience) -> Credential {
    let domain = "office.test".parse().unwrap();
    let verifier = Verifier::new(ISSUER, domain, audience, house.office.jwks().unwrap());
    verifier.verify(granted.access_token.expose(), house.now()).unwrap().into_inner()
}

pub(crate) fn task(house: &House, actor: &str, subject: &str) -> TaskOrder {
    TaskOrder {
        actor: house.agent(actor),
        subject: house.human_id(subject),
        words: None,
        run: None,
        life: Duration::from_secs(300),
        bind_to: None,
        scope: None,
        task: None,
    }
}

/// Who somebody is and which roles count.
fn who(by: &By) -> (HumanId, Vec<Role>) {
    match by {
        By::Human { id, roles, .. } => (*id, roles.clone()),
        By::Operator => panic!("the operator is no person"),
    }
}

fn grants(text: &str) -> Option<Vec<Grant>> {
    Some(vec![text.parse().unwrap()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolment_works_once_and_for_ten_minutes() {
    let house = House::new().await;
    let signer = Signer::generate(&SystemEntropy::new()).unwrap();
    let opened = house.office.enrolment_open(&OP, house.agent("bot")).await.unwrap();
    assert!(opened.token.expose().starts_with("alcenr_"));
    let proof = enrolment_proof(&signer, &opened.token, ISSUER, house.now()).unwrap();
    let office = &house.office;
    // Another key, another token, another office, an old proof: none of them, and the token is still good.
    let thief = Signer::generate(&SystemEntropy::new()).unwrap();
    assert_eq!(
        office.enrol(&opened.token, thief.public(), &proof).await.unwrap_err().code(),
        "ALC-OFFICE-0010"
    );
    let other = enrolment_proof(&signer, &SecretText::copy_of("alcenr_x"), ISSUER, house.now()).unwrap();
    assert_eq!(
        office.enrol(&opened.token, signer.public(), &other).await.unwrap_err().code(),
        "ALC-OFFICE-0010"
    );
    let other = enrolment_proof(&signer, &opened.token, "https://other.test", house.now()).unwrap();
    assert_eq!(
        office.enrol(&opened.token, signer.public(), &other).await.unwrap_err().code(),
        "ALC-OFFICE-0010"
    );
    let guess = SecretText::copy_of("alcenr_guess");
    let over_guess = enrolment_proof(&signer, &guess, ISSUER, house.now()).unwrap();
    assert!(matches!(office.enrol(&guess, signer.public(), &over_guess).await, Err(OfficeError::Enrolment)));
    let before = house.ledger.size();
    let id = office.enrol(&opened.token, signer.public(), &proof).await.unwrap();
    assert!(matches!(house.events(before).as_slice(), [Event::Enrolled(one)] if one.credential == id));
    assert!(matches!(
        office.enrol(&opened.token, signer.public(), &proof).await,
        Err(OfficeError::Enrolment)
    ));
    let late = office.enrolment_open(&OP, house.agent("bot")).await.unwrap();
    house.pass(Duration::from_secs(600));
    let proof = enrolment_proof(&signer, &late.token, ISSUER, house.now()).unwrap();
    assert!(matches!(office.enrol(&late.token, signer.public(), &proof).await, Err(OfficeError::Enrolment)));
    let undone = office.enrolment_open(&OP, house.agent("bot")).await.unwrap();
    office.revoke(&OP, undone.id).await.unwrap();
    let proof = enrolment_proof(&signer, &undone.token, ISSUER, house.now()).unwrap();
    assert!(matches!(
        office.enrol(&undone.token, signer.public(), &proof).await,
        Err(OfficeError::Enrolment)
    ));
    let listed = office.credentials(&OP, Some(house.agent("bot"))).await.unwrap();
    assert_eq!((listed.len(), listed[0].id), (1, id));
    // The store holds the hash, never the token.
    let opened = office.enrolment_open(&OP, house.agent("bot")).await.unwrap();
    let hash: String = house
        .store
        .look(|tx| {
            Ok::<_, OfficeError>(tx.query_row(
                "SELECT hash FROM enrolment WHERE token = ?1",
                [opened.id.to_string()],
                |row| row.get(0),
            )?)
        })
        .unwrap();
    assert_eq!(hash, opened.token.hash().to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_programs_with_one_enrolment_token_one_enrols() {
    let house = House::new().await;
    let opened = house.office.enrolment_open(&OP, house.agent("bot")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (office, token, now) = (house.office.clone(), opened.token.clone(), house.now());
        tasks.spawn(async move {
            let signer = Signer::generate(&SystemEntropy::new()).unwrap();
            let proof = enrolment_proof(&signer, &token, ISSUER, now).unwrap();
            office.enrol(&token, signer.public(), &proof).await.is_ok()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|ok| *ok).count(), 1);
    assert_eq!(house.office.credentials(&OP, None).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_have_a_bound_and_can_be_removed() {
    let house = House::new().await;
    let mut last = None;
    for _ in 0..16 {
        last = Some(enrol(&house, house.agent("bot")).await);
    }
    let full = house.office.enrolment_open(&OP, house.agent("bot")).await.unwrap_err();
    assert_eq!(full.code(), "ALC-OFFICE-0011");
    let client = last.unwrap();
    client.token(&house, "a").await.unwrap();
    house.office.credential_remove(&OP, client.id).await.unwrap();
    assert!(matches!(client.token(&house, "b").await, Err(OfficeError::Client)));
    assert_eq!(house.office.credentials(&OP, None).await.unwrap().len(), 15);
    let gone = house.office.credential_remove(&OP, client.id).await.unwrap_err();
    assert_eq!(gone.code(), "ALC-OFFICE-0004");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_a_token_that_the_gate_believes_and_the_record_knows() {
    let house = House::new().await;
    let client = enrol(&house, house.agent("bot")).await;
    let before = house.ledger.size();
    let granted = client.token(&house, "one").await.unwrap();
    let credential = read(&house, &granted, Audience::Gate);
    assert_eq!(credential.principal.actor, house.agent("bot"));
    assert_eq!(credential.principal.subject, house.agent("bot"));
    assert_eq!(credential.client_id, client.id.to_string());
    assert_eq!((granted.expires_in_s, granted.bound), (600, false));
    let events = house.events(before);
    let [Event::Issued(issued)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (issued.token, issued.kind, issued.task),
        (granted.token, TokenKind::Gate, Some(granted.task))
    );
    // Asking again sheds no task.
    let again = client.token(&house, "two").await.unwrap();
    assert_eq!(again.task, granted.task);
    assert_ne!(again.token, granted.token);
    // Each assertion works once; one made before the start, or without a time, never.
    assert!(matches!(client.token(&house, "one").await, Err(OfficeError::Replayed)));
    let id = client.id.to_string();
    let now = house.now().secs();
    for (iat, code) in [(Some(now - 1), "ALC-OFFICE-0013"), (None, "ALC-OFFICE-0012")] {
        let mut claims = json!({"iss": id, "sub": id, "aud": ISSUER, "exp": now + 60, "jti": "x"});
        if let Some(iat) = iat {
            claims["iat"] = json!(iat);
        }
        let assertion = client.signer.sign("JWT", &claims).unwrap();
        let asked = ClientCredentials { assertion, dpop: None, scope: None };
        assert_eq!(house.office.token_client_credentials(asked).await.unwrap_err().code(), code);
    }
    // Somebody else's key under this credential's id.
    let thief = Client { signer: Signer::generate(&SystemEntropy::new()).unwrap(), id: client.id };
    assert_eq!(thief.token(&house, "t").await.unwrap_err().code(), "ALC-OFFICE-0012");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_stopped_quarantined_or_gone_gets_nothing() {
    let house = House::new().await;
    let bot = enrol(&house, house.agent("bot")).await;
    let first = bot.token(&house, "a").await.unwrap();
    house.office.kill(&OP, house.agent("bot")).await.unwrap();
    let stopped = bot.token(&house, "b").await.unwrap_err();
    assert!(stopped.to_string().ends_with("may not act: an order stopped it"), "{stopped}");
    assert!(house.office.task_token(&OP, task(&house, "bot", "ana")).await.is_err());
    assert!(house.office.enrolment_open(&OP, house.agent("bot")).await.is_err());
    house.office.unkill(&OP, house.agent("bot")).await.unwrap();
    let after = bot.token(&house, "c").await.unwrap();
    let epochs = read(&house, &after, Audience::Gate).epochs;
    assert!(epochs.iter().all(|(_, epoch)| *epoch == 1), "{epochs:?}");
    assert_ne!(after.task, first.task, "after a kill a new task begins");
    let mut spec = house.office.current().agents["bot"].spec.clone();
    for (standing, why) in [(Standing::Quarantined, "it is quarantined"), (Standing::Left, "it left")] {
        spec.standing = standing;
        house.office.agent_edit(&OP, "bot".parse().unwrap(), spec.clone(), None).await.unwrap();
        let barred = bot.token(&house, why).await.unwrap_err();
        assert!(barred.to_string().ends_with(why), "{barred}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_tokens_need_a_proof_that_works_once() {
    let house = House::new().await;
    let strict = enrol(&house, house.agent("strict")).await;
    assert_eq!(strict.token(&house, "a").await.unwrap_err().code(), "ALC-OFFICE-0016");
    assert_eq!(
        house.office.task_token(&OP, task(&house, "strict", "ana")).await.unwrap_err().code(),
        "ALC-OFFICE-0016"
    );
    let url = "https://office.test/oauth/token";
    let claims = json!({"jti": "d1", "htm": "POST", "htu": url, "iat": house.now().secs()});
    let proof = strict.signer.sign_embedded("dpop+jwt", &claims).unwrap();
    let held = house.office.dpop(&proof, "POST", url, None).unwrap();
    let thumbprint = held.thumbprint().to_owned();
    assert_eq!(thumbprint, strict.signer.thumbprint().to_string());
    assert!(house.office.dpop(&proof, "GET", url, None).is_err());
    let asked = ClientCredentials { dpop: Some(held), ..strict.ask(&house, "b") };
    let granted = house.office.token_client_credentials(asked).await.unwrap();
    let again = house.office.dpop(&proof, "POST", url, None).unwrap();
    let asked = ClientCredentials { dpop: Some(again), ..strict.ask(&house, "b2") };
    let again = house.office.token_client_credentials(asked).await;
    assert!(matches!(again, Err(OfficeError::Replayed)));
    assert!(granted.bound);
    assert_eq!(read(&house, &granted, Audience::Gate).bound_to, Some(thumbprint.clone()));
    // A bound token is exchanged only by who proves its key.
    let helper = enrol(&house, house.agent("helper")).await;
    let unproven = house.office.token_exchange(helper.exchange(&house, "e1", &granted)).await.unwrap_err();
    assert_eq!(unproven.code(), "ALC-OFFICE-0020");
    let proven = Exchange { subject_proof: Some(thumbprint), ..helper.exchange(&house, "e2", &granted) };
    house.office.token_exchange(proven).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_only_shrinks_and_dies_with_its_chain() {
    let house = House::new().await;
    let helper = enrol(&house, house.agent("helper")).await;
    let order = TaskOrder {
        scope: grants("use:model/*"),
        words: Some(SecretText::copy_of("pay the invoice")),
        ..task(&house, "bot", "ana")
    };
    let first = house.office.task_token(&OP, order).await.unwrap();
    let granted = house.office.token_exchange(helper.exchange(&house, "a", &first)).await.unwrap();
    let credential = read(&house, &granted, Audience::Gate);
    assert_eq!(credential.principal.subject, house.human("ana"));
    assert_eq!(credential.principal.actor, house.agent("helper"));
    assert_eq!(credential.principal.earlier, [house.agent("bot")]);
    assert_eq!(
        (credential.principal.task, credential.ancestors.as_slice()),
        (first.task, &[first.token][..])
    );
    assert!(granted.expires <= first.expires);
    assert!(credential.words.is_some());
    let wide = Exchange { scope: grants("use:tool/files"), ..helper.exchange(&house, "b", &first) };
    assert_eq!(house.office.token_exchange(wide).await.unwrap_err().code(), "ALC-OFFICE-0020");
    // Revoked: neither it nor what descends from it is exchanged again.
    let strict = enrol(&house, house.agent("strict")).await;
    let bound = |jti: &str, from: &Granted| Exchange {
        dpop: Some(strict.proof(&house, jti)),
        ..strict.exchange(&house, jti, from)
    };
    house.office.token_exchange(bound("c", &granted)).await.unwrap();
    house.office.revoke(&OP, first.token).await.unwrap();
    assert!(matches!(house.office.token_exchange(bound("d", &granted)).await, Err(OfficeError::Revoked)));
    // Stopped and let go again: what was issued before stays dead.
    let second = house.office.task_token(&OP, task(&house, "bot", "ana")).await.unwrap();
    house.office.kill(&OP, house.agent("bot")).await.unwrap();
    let dead = house.office.token_exchange(helper.exchange(&house, "e", &second)).await;
    assert!(matches!(dead, Err(OfficeError::Barred { .. })));
    house.office.unkill(&OP, house.agent("bot")).await.unwrap();
    let dead = house.office.token_exchange(helper.exchange(&house, "f", &second)).await;
    assert!(matches!(dead, Err(OfficeError::Revoked)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_started_for_oneself_or_by_an_administrator() {
    let house = House::new().await;
    // Rui is of the agent's unit; Vera is of another and answers for nobody.
    house.office.task_token(&house.by("rui"), task(&house, "bot", "rui")).await.unwrap();
    let far = house.office.task_token(&house.by("vera"), task(&house, "bot", "vera")).await.unwrap_err();
    assert_eq!(far.code(), "ALC-OFFICE-0001");
    let other = house.office.task_token(&house.by("rui"), task(&house, "bot", "ana")).await.unwrap_err();
    assert_eq!(other.code(), "ALC-OFFICE-0001");
    house.office.task_token(&house.by("ana"), task(&house, "bot", "vera")).await.unwrap();
    // A fresh token for a task that goes on; never for another actor's or person's.
    let begun = house.office.task_token(&OP, task(&house, "bot", "ana")).await.unwrap();
    let next = TaskOrder { task: Some(begun.task), ..task(&house, "bot", "ana") };
    assert_eq!(house.office.task_token(&OP, next).await.unwrap().task, begun.task);
    for (actor, subject) in [("helper", "ana"), ("bot", "rui")] {
        let theft = TaskOrder { task: Some(begun.task), ..task(&house, actor, subject) };
        assert_eq!(house.office.task_token(&OP, theft).await.unwrap_err().code(), "ALC-OFFICE-0021");
    }
    let human = TaskOrder { actor: house.human("ana"), ..task(&house, "bot", "ana") };
    assert_eq!(house.office.task_token(&OP, human).await.unwrap_err().code(), "ALC-OFFICE-0021");
    let long = TaskOrder { life: Duration::from_secs(901), ..task(&house, "bot", "ana") };
    assert_eq!(house.office.task_token(&OP, long).await.unwrap_err().code(), "ALC-OFFICE-0018");
    // The words lie on the shelf, sealed for the gate; token and record tell nothing that could be guessed at.
    let words = "wire 100 to Bob";
    let spoken = TaskOrder { words: Some(SecretText::copy_of(words)), ..task(&house, "bot", "ana") };
    let granted = house.office.task_token(&OP, spoken).await.unwrap();
    let plain = alcaide_seal::sha256(words.as_bytes());
    let named = read(&house, &granted, Audience::Gate).words.unwrap();
    assert_ne!(named, plain);
    let sealed = house.ledger.shelf().take(&named).unwrap().unwrap();
    assert_eq!(WordsKey::derive(&house.keys.master).unwrap().open(&sealed).unwrap().expose(), words);
    let events = house.events(house.ledger.size() - 1);
    let [Event::Issued(issued)] = events.as_slice() else { panic!("{events:?}") };
    assert!(issued.words.is_some_and(|words| words.0 != plain.into_bytes()));
    // The next token of the task names the same sealed words.
    let again = TaskOrder {
        words: Some(SecretText::copy_of(words)),
        task: Some(granted.task),
        ..task(&house, "bot", "ana")
    };
    let again = house.office.task_token(&OP, again).await.unwrap();
    assert_eq!(read(&house, &again, Audience::Gate).words, Some(named));
    let long = SecretText::copy_of(&"x".repeat(64 * 1024 + 1));
    let long = TaskOrder { words: Some(long), ..task(&house, "bot", "ana") };
    assert_eq!(house.office.task_token(&OP, long).await.unwrap_err().code(), "ALC-OFFICE-0021");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn office_tokens_carry_the_roles_that_count_now() {
    let house = House::new().await;
    let ana = house.human_id("ana");
    let life = Duration::from_secs(900);
    let granted = house.office.office_token(&OP, ana, life).await.unwrap();
    let by = house.office.verify_office(granted.access_token.expose(), None).await.unwrap();
    assert_eq!(who(&by), (ana, vec![Role::Administrator, Role::Approver]));
    assert_eq!(who(&by), who(&house.by("ana")));
    // For oneself, not for others.
    house.office.office_token(&by, ana, life).await.unwrap();
    assert_eq!(
        house.office.office_token(&by, house.human_id("vera"), life).await.unwrap_err().code(),
        "ALC-OFFICE-0001"
    );
    // A role that is taken away is gone at once; one that is given needs a new token.
    let mut spec = house.office.current().humans["ana"].spec.clone();
    spec.roles = vec![Role::Administrator, Role::Auditor];
    house.office.human_edit(&OP, "ana".parse().unwrap(), spec, None).await.unwrap();
    let now = house.office.verify_office(granted.access_token.expose(), None).await.unwrap();
    assert_eq!(who(&now), (ana, vec![Role::Administrator]));
    // A gate token opens no office, nor does a forged or ended one.
    let gate = house.office.task_token(&OP, task(&house, "bot", "ana")).await.unwrap();
    assert_eq!(
        house.office.verify_office(gate.access_token.expose(), None).await.unwrap_err().code(),
        "ALC-OFFICE-0018"
    );
    let forged = granted.access_token.expose().replace('.', "..");
    assert!(house.office.verify_office(&forged, None).await.is_err());
    house.office.revoke(&OP, granted.token).await.unwrap();
    assert!(matches!(
        house.office.verify_office(granted.access_token.expose(), None).await,
        Err(OfficeError::Revoked)
    ));
    let last = house.office.office_token(&OP, ana, life).await.unwrap();
    house.pass(life);
    assert_eq!(
        house.office.verify_office(last.access_token.expose(), None).await.unwrap_err().code(),
        "ALC-OFFICE-0018"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_enrols_a_key_and_gets_office_tokens_with_it() {
    let house = House::new().await;
    let eva = enrol(&house, house.human("eva")).await;
    let granted = eva.token(&house, "a").await.unwrap();
    let by = house.office.verify_office(granted.access_token.expose(), None).await.unwrap();
    assert_eq!(who(&by), who(&house.by("eva")));
    let scoped = ClientCredentials { scope: grants("use:model/*"), ..eva.ask(&house, "b") };
    assert_eq!(house.office.token_client_credentials(scoped).await.unwrap_err().code(), "ALC-OFFICE-0021");
    // Bound to a key, it works with a proof of that key only.
    let bound = ClientCredentials { dpop: Some(eva.proof(&house, "p1")), ..eva.ask(&house, "c") };
    let bound = house.office.token_client_credentials(bound).await.unwrap();
    let token = bound.access_token.expose();
    assert_eq!(house.office.verify_office(token, None).await.unwrap_err().code(), "ALC-OFFICE-0016");
    let other = Client { signer: Signer::generate(&SystemEntropy::new()).unwrap(), id: eva.id };
    assert!(house.office.verify_office(token, Some(&other.proof(&house, "p2"))).await.is_err());
    assert!(house.office.verify_office(token, Some(&eva.proof(&house, "p2"))).await.is_ok());
    let again = house.office.verify_office(token, Some(&eva.proof(&house, "p2"))).await;
    assert!(matches!(again, Err(OfficeError::Replayed)));
    let exchanged = house.office.token_exchange(eva.exchange(&house, "d", &granted)).await.unwrap_err();
    assert_eq!(exchanged.code(), "ALC-OFFICE-0021");
    assert_ne!(granted.token, TokenId::from_bits(0));
}
