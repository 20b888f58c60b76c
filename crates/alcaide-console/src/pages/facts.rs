//! What a tool's owner declares about it: the declaration as text, with what the program proposes, and one button.

use alcaide_control::propose::{Proposal, Reason, propose, to_toml};
use alcaide_control::{
    Edit, Fault as Wrong, OfficeError, Operation, Session, Thing, ToolDetail, visible_line,
};
use alcaide_inventory::declare::{Declarations, Tool};
use alcaide_inventory::fact::Facts;
use alcaide_inventory::{Name, PlanNumber};
use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};

use super::tools::{address, find, name, name_of};
use crate::Console;
use crate::door::{Sent, Visitor};
use crate::page::{Fault, Page, form_token, see_other};

/// What the text is called where it is not understood.
const FILE: &str = "declaration";

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path((server, tool)): Path<(String, String)>,
) -> Result<Page, Fault> {
    let detail = find(&console, &visitor.0, &server, &tool).await?;
    let own = detail.tool.name.clone().unwrap_or_default();
    let server = name(&server)?;
    let proposed = proposal(&detail);
    let facts = detail.tool.facts.clone().or_else(|| proposed.as_ref().map(|one| one.facts.clone()));
    let text = written(&server, &own, facts.unwrap_or_default())?;
    let title = format!("Facts of {}", name_of(&detail.tool));
    let plan = console.office.current().number;
    Ok(Page::of(&visitor.0, "/tools", title, body(&visitor.0, &detail, &text, (plan, proposed.as_ref()))))
}

/// What the program would declare of it, from what its server offers.
fn proposal(detail: &ToolDetail) -> Option<Proposal> {
    let definition = detail.offered.as_ref().or(detail.accepted.as_ref())?.definition.clone()?;
    propose(&[definition]).pop()
}

fn written(server: &Name, tool: &str, facts: Facts) -> Result<String, Fault> {
    let proposal = Proposal { name: tool.to_owned(), facts, reasons: Vec::new() };
    Ok(to_toml([(server, &proposal)]).map_err(OfficeError::from)?)
}

fn body(
    session: &Session,
    detail: &ToolDetail,
    text: &str,
    (plan, proposed): (PlanNumber, Option<&Proposal>),
) -> Markup {
    let declared = detail.tool.facts.is_some();
    let here = address(&detail.tool);
    let may = session.by.may(Operation::Apply);
    html! {
        p.lead { "What its owner says of this tool: what a call does, which arguments decide, which carry text, and how far its answers are trusted. Policies go by it; what is not said counts as the strictest." }
        section class={ "card " (if declared { "good" } else { "warn" }) } {
            h2 { @if declared { "It is declared" } @else { "Nobody has declared it yet" } }
            p { @if declared { "The text below is what is in force. What is changed comes into force as a plan of its own, for the next call." }
                @else { "The text below is proposed from its name, its schema and its hints. Read it line by line before you declare it." } }
        }
        @if let Some(proposed) = proposed { (reasons(&proposed.reasons)) }
        section aria-labelledby="text" {
            h2 #text { "The declaration" }
            @if may {
                form.answer method="post" action={ (here) "/facts" } {
                    (form_token(session))
                    input type="hidden" name="declared" value=(if declared { "yes" } else { "no" });
                    input type="hidden" name="expected" value=(plan);
                    label for="facts" { "In the form of " code { "alcaide declare example" } }
                    textarea #facts name="facts" rows="18" spellcheck="false" autocomplete="off" { (text) }
                    button.main type="submit" { @if declared { "Put this in its place" } @else { "Declare it" } }
                    a.button data-cancel href=(here) { "Leave it as it is" }
                }
            } @else {
                pre { code { (text) } }
                p.quiet { "An administrator can change it." }
            }
        }
    }
}

fn reasons(all: &[Reason]) -> Markup {
    html! {
        @if !all.is_empty() {
            section aria-labelledby="reasons" {
                h2 #reasons { "Why it is proposed so" }
                ul { @for one in all { li { code { (visible_line(&one.about)) } ": " (visible_line(&one.because)) } } }
            }
        }
    }
}

pub(crate) async fn declare(
    State(console): State<Console>,
    Path((server, tool)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let detail = find(&console, &sent.session, &server, &tool).await?;
    let (server, own) = (name(&server)?, detail.tool.name.clone().unwrap_or_default());
    // Whoever may not is told so by the office, which records it, whatever the form says.
    let declared = match sent.by().may(Operation::Apply) {
        true => read(sent.field("facts")?, &server, &own)?,
        false => Tool { server, name: own, facts: Facts::default() },
    };
    // What somebody declared since the page was shown is not written over: the plan must be the one that was seen.
    let expected = sent.field("expected").unwrap_or_default().parse().ok().map(PlanNumber);
    if sent.by().may(Operation::Apply) && expected.is_none() {
        return Err(Fault::Address);
    }
    let edit = match sent.field("declared").unwrap_or_default() {
        "yes" => Edit::Replace(Thing::Tool(declared)),
        _ => Edit::Create(Thing::Tool(declared)),
    };
    console.office.edit(sent.by(), edit, expected).await?;
    Ok(see_other(&format!("{}?done=declared", address(&detail.tool))))
}

/// Exactly one tool, the one that the page is about.
fn read(text: &str, server: &Name, tool: &str) -> Result<Tool, Fault> {
    let wrong = |place: String, why: String, fix: &str| {
        let one = Wrong { code: "ALC-DECLARE".into(), place, why, fix: fix.into() };
        Fault::Office(OfficeError::Faults { faults: vec![one] })
    };
    let form = "see `alcaide declare example` for the form";
    // A browser ends the lines of a field with CR LF.
    let text = text.replace("\r\n", "\n");
    let all =
        Declarations::from_toml(FILE, &text).map_err(|error| wrong(FILE.into(), error.to_string(), form))?;
    let only = Declarations { tools: all.tools.clone(), ..Declarations::empty() };
    match all.tools.as_slice() {
        [one] if all == only && one.server == *server && one.name == tool => Ok(one.clone()),
        _ => Err(wrong(
            FILE.into(),
            format!("it does not declare `{server}/{}` and nothing else", visible_line(tool)),
            "leave `server` and `name` as they are, and declare one tool",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_declares_this_tool_and_nothing_else() {
        let server: Name = "mail".parse().unwrap();
        let text = written(&server, "send", Facts::default()).unwrap();
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(read(&crlf, &server, "send").unwrap().facts, Facts::default());
        let other: Name = "bank".parse().unwrap();
        for (text, server, tool) in [
            (text.clone(), &other, "send"),
            (text.clone(), &server, "sent"),
            (format!("{text}{}", text.trim_start_matches("schema = 1\n")), &server, "send"),
            (format!("{text}[[unit]]\nname = \"a\"\n"), &server, "send"),
            ("schema = 1\n".to_owned(), &server, "send"),
            ("schema = 1\n[[tool]".to_owned(), &server, "send"),
        ] {
            let told = read(&text, server, tool).unwrap_err();
            assert!(matches!(told, Fault::Office(OfficeError::Faults { .. })), "{text}: {told:?}");
        }
    }
}
