//! Beginning a task: a person types what they want, and gets the credential with which an agent's program may do it.

use alcaide_control::{AgentView, Operation, Session};
use alcaide_inventory::declare::Standing;
use axum::extract::{Path, State};
use maud::{Markup, html};

use super::agents::agent;
use crate::Console;
use crate::door::Sent;
use crate::page::{Fault, Page, form_token};
use crate::words::{facts, when};

/// Longest words that the form takes, in UTF-16 units, as browsers count: each takes at most nine bytes of a form when escaped.
const WORDS_MAX: usize = 1_700;

/// The form on an agent's page.
pub(crate) fn form(agent: &AgentView, session: &Session) -> Markup {
    html! {
        @if acts(agent) && session.by.may(Operation::Task) {
            section.card {
                h2 { "Begin a task for it" }
                p { "Words that you type here are yours, signed by this office: whom you name, the agent may reach; what a stranger's text names, it may not without being asked about." }
                form.answer method="post" action={ "/agents/" (agent.name) "/task" } {
                    (form_token(session))
                    label for="words" { "What it shall do, in your own words" }
                    textarea #words name="words" rows="4" required maxlength=(WORDS_MAX) autocomplete="off" {}
                    button.main type="submit" { "Begin the task" }
                }
            }
        }
    }
}

/// Whether it may act: the form is shown for no other.
fn acts(agent: &AgentView) -> bool {
    !agent.killed && agent.standing == Standing::Active
}

pub(crate) async fn begin(
    State(console): State<Console>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<Page, Fault> {
    let agent = agent(&console, &sent.session, &name).await?;
    if sent.by().may(Operation::Task) && !acts(&agent) {
        return Err(Fault::Stale);
    }
    let words = sent.field("words").unwrap_or_default().replace("\r\n", "\n");
    let granted = console.office.begin_task(sent.by(), agent.id, words.trim()).await?;
    let now = (console.clock)();
    let body = html! {
        p.lead { "A task of yours for " strong { (agent.name) } " has begun. Its credential stands here once and nowhere else." }
        section.card.warn {
            h2 { "Give it to the agent's program" }
            p { "Whoever holds it acts as this agent, for you, in this task. Programs take it as their key: in " code { "OPENAI_API_KEY" } ", " code { "ANTHROPIC_API_KEY" } " or a header " code { "Authorization: Bearer" } "." }
            textarea readonly rows="8" spellcheck="false" aria-label="Credential of the task" { (granted.access_token.expose()) }
            (facts([
                ("good until", Some(when(granted.expires, now))),
                ("task", Some(html! { a href={ "/tasks/" (granted.task) } { code { (granted.task) } } })),
            ]))
            p.quiet { "For a longer task " code { "alcaide run --agent " (agent.name) " --task WORDS -- PROGRAM" } " renews it by itself." }
        }
        section aria-labelledby="words" {
            h2 #words { "Your words" }
            pre { code { (words.trim()) } }
        }
        p { a href={ "/agents/" (agent.name) } { "Back to the agent" } }
    };
    Ok(Page::of(&sent.session, "/agents", "A task has begun", body))
}
