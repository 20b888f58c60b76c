//! The stages of a passage, in the order in which a call goes through them; those that it did not reach say so.

use alcaide_control::{ApprovalState, Happened, Passage, Step};
use alcaide_inventory::Moment;
use maud::{Markup, html};

use crate::words::{
    badge, facts, id, list, members, money, named, number, somebody, target, took, when, word,
};

/// One stage: whether it was reached, and what is known of it.
struct Stage {
    name: &'static str,
    says: &'static str,
    mark: Mark,
    body: Markup,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Mark {
    Done,
    Stopped,
    Missed,
}

impl Mark {
    const fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Missed => "missed",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Done => "passed",
            Self::Stopped => "ended here",
            Self::Missed => "not reached",
        }
    }
}

/// The stages of a call as a list.
pub(crate) fn show(passage: &Passage, now: Moment) -> Markup {
    html! {
        ol.passage {
            @for stage in stages(passage, now) {
                li class=(stage.mark.class()) {
                    h3 { (stage.name) " " span.quiet { (stage.mark.word()) } }
                    p.quiet { (stage.says) }
                    (stage.body)
                }
            }
        }
    }
}

fn stages(passage: &Passage, now: Moment) -> Vec<Stage> {
    let ended = passage.call.stage.as_ref().map(word);
    let mut passed = true;
    let mut mark = |stage: &str| {
        let mark = match (passed, ended.as_deref() == Some(stage)) {
            (false, _) => Mark::Missed,
            (true, true) => Mark::Stopped,
            (true, false) => Mark::Done,
        };
        passed &= mark == Mark::Done;
        mark
    };
    let mut all = vec![
        Stage {
            name: "Arrived",
            says: "Its head was framed and checked.",
            mark: mark("arrived"),
            body: arrived(passage, now),
        },
        Stage {
            name: "Known",
            says: "The token was verified, and everybody in its chain may act.",
            mark: mark("known"),
            body: known(passage),
        },
        Stage {
            name: "Read",
            says: "The body was parsed strictly and searched.",
            mark: mark("read"),
            body: read(passage),
        },
        Stage {
            name: "Decided",
            says: "Policy was asked.",
            mark: mark("decided"),
            body: decided(passage, now),
        },
        Stage {
            name: "Bound",
            says: "Obligations were met, the bytes to be sent frozen, budgets set aside.",
            mark: mark("bound"),
            body: bound(passage),
        },
    ];
    let sent = passage.steps.iter().any(|step| matches!(step.what, Happened::Intent(_)));
    if !sent {
        let mark = Mark::Missed;
        all.push(Stage {
            name: "Recorded",
            says: "Before anything leaves, the intent is on disk.",
            mark,
            body: html! {},
        });
    }
    for step in &passage.steps {
        match &step.what {
            Happened::Intent(intent) => all.push(Stage {
                name: "Recorded",
                says: "The intent was on disk before a byte left.",
                mark: Mark::Done,
                body: html! {
                    (facts([
                        ("attempt", Some(html! { (intent.attempt.number) " to " (named(&intent.attempt.upstream, &passage.names)) })),
                        ("durability", intent.relaxed.then(|| html! { "relaxed by the route's declaration" })),
                        ("entry", Some(entry(step, now))),
                    ]))
                },
            }),
            Happened::Outcome(outcome) => all.push(Stage {
                name: "Answered",
                says: "How the attempt ended, and what was released to the caller.",
                mark: if word(&outcome.end) == "complete" { Mark::Done } else { Mark::Stopped },
                body: facts([
                    ("end", Some(html! { (word(&outcome.end)) @if let Some(status) = outcome.status { ", HTTP " (status) } })),
                    ("released", Some(html! { (number(outcome.released_bytes)) " bytes" })),
                    ("digest", outcome.digest.as_ref().map(id)),
                    ("found in it", (!outcome.findings.is_empty()).then(|| found(outcome.findings.iter().map(|one| (word(&one.class), one.rule.to_string(), one.count))))),
                    ("took", Some(html! { (took(outcome.duration_us)) })),
                    ("tokens", outcome.usage.as_ref().map(|usage| html! {
                        (usage.input) " in (" (usage.cached_input) " from a cache), " (usage.output) " out, " (money(usage.cost_micros))
                        @if usage.estimated { " · the upstream reported nothing: this is the reservation" }
                    })),
                    ("budgets", (!outcome.settled.is_empty()).then(|| html! { @for one in &outcome.settled { (members(one, &passage.names)) br; } })),
                    ("labels", (!outcome.effects.is_empty()).then(|| html! { @for one in &outcome.effects { (members(one, &passage.names)) br; } })),
                    ("entry", Some(entry(step, now))),
                ]),
            }),
            // Its stage is marked above; what it says stands there.
            _ => {}
        }
    }
    all
}

fn entry(step: &Step, now: Moment) -> Markup {
    html! { a href={ "/log/entries/" (step.index) } { "entry " (step.index) " and its proof" } ", " (when(step.at, now)) }
}

fn arrived(passage: &Passage, now: Moment) -> Markup {
    let refused = passage.steps.iter().find(|step| matches!(step.what, Happened::Refused(_)));
    facts([
        ("first entry", Some(when(passage.call.at, now))),
        ("refusal", refused.map(|step| entry(step, now))),
    ])
}

fn known(passage: &Passage) -> Markup {
    let Some(who) = passage.steps.iter().find_map(|step| match &step.what {
        Happened::Intent(intent) => Some(&intent.who),
        Happened::Refused(refused) => refused.who.as_ref(),
        _ => None,
    }) else {
        return html! { p.quiet { "Nobody was known." } };
    };
    let names = &passage.names;
    facts([
        ("who", Some(somebody(who.actor, names))),
        ("on behalf of", Some(somebody(who.subject, names))),
        (
            "earlier actors",
            (!who.earlier.is_empty())
                .then(|| html! { @for actor in &who.earlier { (somebody(*actor, names)) " " } }),
        ),
        ("unit", Some(named(&who.unit, names))),
        ("task", Some(id(&who.task))),
        ("run", who.run.as_ref().map(id)),
        (
            "token",
            Some(
                html! { (id(&who.token)) @if who.bound { " bound to a key, and the proof held" } @else { " bearer" } },
            ),
        ),
    ])
}

fn read(passage: &Passage) -> Markup {
    let content = passage.steps.iter().find_map(|step| match &step.what {
        Happened::Intent(intent) => Some(&intent.content),
        Happened::Refused(refused) => refused.content.as_ref(),
        _ => None,
    });
    let call = &passage.call;
    let on = target(call);
    let what = call
        .action
        .as_ref()
        .map(|action| html! { (word(action)) @if let Some(on) = &on { " " strong { (on) } } });
    let Some(content) = content else { return facts([("what", what)]) };
    facts([
        ("what", what),
        (
            "size",
            Some(
                html! { (number(content.bytes)) " bytes" @if content.edited { ", edited on the way" } @else { ", not edited" } },
            ),
        ),
        ("digest", Some(html! { "SHA-256 " (id(&content.digest)) })),
        (
            "found",
            Some(if content.findings.is_empty() {
                html! { "nothing" }
            } else {
                found(content.findings.iter().map(|one| (word(&one.class), one.rule.to_string(), one.count)))
            }),
        ),
        (
            "label of the task",
            Some(html! { (word(&content.label.integrity)) ", " (word(&content.label.confidentiality)) }),
        ),
        ("user's words", Some(html! { (word(&content.words)) })),
        (
            "arguments come from",
            (!content.arguments.is_empty()).then(|| html! { (list(content.arguments.iter().map(word))) }),
        ),
    ])
}

fn found(all: impl Iterator<Item = (String, String, u32)>) -> Markup {
    html! { @for (class, rule, count) in all { (badge("warn", &format!("{class} ×{count}"))) " " code { (rule) } " " } }
}

fn decided(passage: &Passage, now: Moment) -> Markup {
    let decided = passage.steps.iter().find_map(|step| match &step.what {
        Happened::Intent(intent) => Some(&intent.decided),
        Happened::Refused(refused) => refused.decided.as_ref(),
        _ => None,
    });
    let names = &passage.names;
    let question = [
        (
            "question",
            passage.approval.as_ref().map(|question| {
                html! {
                    a href={ "/approvals/" (question.id) } { (word(&question.state)) }
                    @if question.state == ApprovalState::Open { ", until " (when(question.expires, now)) }
                }
            }),
        ),
        (
            "answer",
            passage.answer.as_ref().map(|answer| {
                html! {
                    "given by " @match &answer.by { Some(human) => (named(human, names)), None => "the operator" } ", "
                    a href={ "/log/entries/" (answer.index) } { "entry " (answer.index) }
                }
            }),
        ),
    ];
    let Some(decided) = decided else { return facts(question) };
    let decision = word(&decided.decision);
    let class = match decision.as_str() {
        "allow" => "good",
        "ask" => "ask",
        _ => "bad",
    };
    let rest = [
        ("decision", Some(badge(class, &decision))),
        (
            "policies",
            Some(if decided.policies.is_empty() {
                html! { "none permitted it" }
            } else {
                html! {
                    @for policy in &decided.policies {
                        (named(policy, names)) " "
                        // The plan holds no name for what grants and the house's own policies are compiled to.
                        @if !names.contains_key(&policy.to_string()) { span.quiet { "a grant, or a policy of the house" } " " }
                    }
                }
            }),
        ),
        (
            "obligations",
            (!decided.obligations.is_empty()).then(|| html! { (list(decided.obligations.iter().map(word))) }),
        ),
        (
            "in shadow",
            decided
                .shadow
                .as_ref()
                .map(|shadow| html! { "policies in shadow would have said " (word(shadow)) }),
        ),
        ("fullest budget", Some(html! { (decided.budget_used) " % used" })),
        (
            "plan",
            Some(
                html! { a href={ "/plans/" (decided.plan) } { "plan " (decided.plan) } ", SHA-256 " (id(&decided.plan_digest)) },
            ),
        ),
    ];
    facts(rest.into_iter().chain(question))
}

fn bound(passage: &Passage) -> Markup {
    let intent = passage.steps.iter().find_map(|step| match &step.what {
        Happened::Intent(intent) => Some(intent),
        _ => None,
    });
    let Some(intent) = intent else { return html! {} };
    let effects = &intent.effects;
    facts([
        ("exact bytes", Some(html! { "SHA-256 " (id(&intent.content.digest)) })),
        (
            "set aside",
            (!effects.is_empty())
                .then(|| html! { @for effect in effects { (members(effect, &passage.names)) br; } }),
        ),
    ])
}
