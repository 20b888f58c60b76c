//! Questions of the gate. A decision is about exactly what the page shows: the order names the digest of it.

use alcaide_control::{
    ApprovalState, ApprovalView, Approver, Decisive, Endorsement, Operation, QuestionView, Session,
    visible_line,
};
use alcaide_inventory::{ApprovalId, Moment};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::Console;
use crate::door::{Sent, Visitor};
use crate::page::{Fault, Page, form_token, see_other};
use crate::pages::{After, batch, older, origins, stages};
use crate::words::{badge, facts, far, somebody, target, when, word};

pub(crate) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let page = console.office.approvals(visitor.by(), after.paging()).await?;
    let names = console.office.names(visitor.by()).await?;
    let now = (console.clock)();
    let queue = console.office.queue(visitor.by()).await?;
    let closed: Vec<_> = page.items.iter().filter(|one| !is_open(one, now)).collect();
    let rows = |all: &[&ApprovalView]| {
        html! {
            div.scroll tabindex="0" role="region" aria-label="Questions" {
                table.rows {
                    thead { tr { th scope="col" { "Asked" } th scope="col" { "Who" } th scope="col" { "For" } th scope="col" { "What" } th scope="col" { "State" } th scope="col" { "Until" } } }
                    tbody {
                        @for one in all {
                            tr {
                                td { a href={ "/approvals/" (one.id) } { (far(one.at, now)) } }
                                td { (somebody(one.actor, &names)) }
                                td { (somebody(one.subject, &names)) }
                                td { @if let Some(action) = &one.action { (word(action)) } }
                                td { (state(one, now)) }
                                td { (far(one.expires, now)) }
                            }
                        }
                    }
                }
            }
        }
    };
    let body = html! {
        p.lead { "Where a policy asks, the call waits for a person. Whoever asked, is in the chain, or answers for an agent in it may not say yes." }
        section aria-labelledby="open" {
            h2 #open { "Open" }
            @if queue.tasks.is_empty() { p.empty { "Nothing waits for an answer." } } @else { (batch::queue(&queue, &names, now)) }
        }
        @if !closed.is_empty() { section aria-labelledby="closed" { h2 #closed { "Answered or too old" } (rows(&closed)) } }
        p { a href="/approvers" { "Who answers, how often and how fast" } }
        (older("/approvals", page.next.as_ref(), "questions"))
    };
    Ok(Page::of(&visitor.0, "/approvals", "Approvals", body).after(after.done.as_deref()))
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(approval): Path<String>,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let office = &console.office;
    let QuestionView { approval: question, origins: from, shown } =
        office.question(visitor.by(), id_of(&approval)?).await?;
    let passage = office.passage(visitor.by(), question.call).await?;
    let now = (console.clock)();
    let body = html! {
        p.lead { "The gate held a call back and asks. A yes lets exactly these bytes pass once, within a quarter of an hour; anything else asks again." }
        section class={ "card " (if is_open(&question, now) { "ask" } else { "" }) } {
            h2 { (somebody(question.actor, &passage.names)) " wants to "
                @match &question.action { Some(action) => (word(action)), None => "act" }
                @if let Some(on) = target(&passage.call) { " " strong { (on) } } }
            (facts([
                ("state", Some(state(&question, now))),
                ("on behalf of", Some(somebody(question.subject, &passage.names))),
                ("must say yes", asked(&question)),
                ("have said yes", (!question.yes.is_empty()).then(|| html! { (question.yes.iter().map(|yes| yes.name.as_ref().map_or_else(|| yes.human.to_string(), ToString::to_string)).collect::<Vec<_>>().join(", ")) })),
                ("endorsed", endorsed(&question)),
                ("asked", Some(when(question.at, now))),
                ("can be answered until", Some(when(question.expires, now))),
                ("what is approved", Some(html! { "SHA-256 " code.long { (question.digest) } })),
                ("call", Some(html! { a href={ "/calls/" (question.call) } { "the call in full" } })),
            ]))
            @if let Some(shown) = &shown { (decisive(shown)) }
            @if is_open(&question, now) { (answers(&question, shown.as_ref(), &visitor.0)) }
        }
        (origins::show(from.as_ref(), now))
        section aria-labelledby="passage" { h2 #passage { "What is known of the call" } (stages::show(&passage, now)) }
    };
    Ok(Page::of(&visitor.0, "/approvals", "Question", body).after(after.done.as_deref()))
}

/// Whom the policies ask.
fn asked(question: &ApprovalView) -> Option<Markup> {
    let words = |roles: &[Approver]| roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" and ");
    let mut all: Vec<String> = Vec::new();
    if !question.roles.is_empty() {
        all.push(words(&question.roles));
    }
    if !question.any_of.is_empty() {
        all.push(question.any_of.iter().map(|group| words(group)).collect::<Vec<_>>().join(", or "));
    }
    (!all.is_empty()).then(|| html! { (all.join("; besides ")) })
}

/// Who said of how many of its values that they are right for the task.
fn endorsed(question: &ApprovalView) -> Option<Markup> {
    let said: Vec<String> = question
        .yes
        .iter()
        .filter(|yes| !yes.endorses.is_empty())
        .map(|yes| {
            let who = yes.name.as_ref().map_or_else(|| yes.human.to_string(), ToString::to_string);
            format!("{} of its values, by {who}", yes.endorses.len())
        })
        .collect();
    (!said.is_empty()).then(|| html! { (said.join("; ")) })
}

/// The values that decide what the call does, each with its place.
pub(crate) fn decisive(shown: &Decisive) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Values" {
            table.rows {
                thead { tr { th scope="col" { "What decides what it does" } th scope="col" { "Value" } } }
                tbody {
                    @for one in &shown.values {
                        tr { td { code { (visible_line(&one.pointer)) } } td { code.long { (visible_line(&one.value)) } } }
                    }
                    @if shown.values.is_empty() { tr { td colspan="2" { "Nothing: it has no arguments that decide." } } }
                }
            }
        }
        @if shown.more > 0 { p { (shown.more) " more values are not shown. If that is not what you expect, say no." } }
    }
}

/// Boxes for the values that are right for the task.
fn boxes(shown: &Decisive) -> Markup {
    let numbered = (0_u16..).zip(&shown.values).filter(|(_, one)| one.endorsable);
    let numbered: Vec<_> = numbered.collect();
    html! {
        @if !numbered.is_empty() {
            fieldset {
                legend { "Right for this task" }
                p.quiet { "Tick what may decide further calls of this task without a question. It ends with the task." }
                @for (place, one) in &numbered {
                    label { input type="checkbox" name={ "endorse." (place) } value="yes"; " " code { (visible_line(&one.pointer)) } " " code { (visible_line(&one.value)) } }
                }
            }
        }
    }
}

fn answers(question: &ApprovalView, shown: Option<&Decisive>, session: &Session) -> Markup {
    // An owner, a sponsor or an administrator may answer where the policies name them; the office knows.
    let named =
        question.roles.iter().chain(question.any_of.iter().flatten()).any(|one| *one != Approver::Approver);
    if !session.by.may(Operation::Approve) && !named {
        return html! { p.quiet { "An approver can answer it. Your roles do not." } };
    }
    html! {
        div.answer {
            form method="post" action={ "/approvals/" (question.id) "/approve" } {
                (form_token(session))
                input type="hidden" name="digest" value=(question.digest);
                @if let Some(shown) = shown { (boxes(shown)) }
                button.main type="submit" { "Yes, this call once" }
            }
            form method="post" action={ "/approvals/" (question.id) "/deny" } {
                (form_token(session))
                button.danger type="submit" { "No" }
            }
        }
    }
}

pub(crate) async fn approve(
    State(console): State<Console>,
    Path(approval): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let id = id_of(&approval)?;
    // Whoever may not approve learns nothing about the question, and the attempt is in the record.
    if sent.by().may(Operation::Approve) {
        let question = console.office.approval(sent.by(), id).await?;
        if sent.field("digest")? != question.digest.to_string() {
            return Err(Fault::Stale);
        }
    }
    let digest = sent.field("digest").ok().and_then(|text| text.parse().ok());
    let endorsement = Endorsement::Places(sent.ticked("endorse"));
    console.office.endorse(sent.by(), id, digest, endorsement).await?;
    Ok(see_other(&format!("/approvals/{id}?done=approved")))
}

pub(crate) async fn deny(
    State(console): State<Console>,
    Path(approval): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let id = id_of(&approval)?;
    console.office.deny(sent.by(), id).await?;
    Ok(see_other(&format!("/approvals/{id}?done=denied")))
}

fn id_of(text: &str) -> Result<ApprovalId, Fault> {
    text.parse().map_err(|_| Fault::Address)
}

fn is_open(one: &ApprovalView, now: Moment) -> bool {
    one.state == ApprovalState::Open && now < one.expires
}

fn state(one: &ApprovalView, now: Moment) -> Markup {
    match one.state {
        ApprovalState::Approved => badge("good", "yes"),
        ApprovalState::Denied => badge("bad", "no"),
        ApprovalState::Spent => badge("good", "yes, and used"),
        ApprovalState::Expired => badge("warn", "too old"),
        ApprovalState::Open if now < one.expires => badge("ask", "open"),
        ApprovalState::Open => badge("warn", "too old"),
    }
}
