//! In and out: a link is redeemed by a person's press of a button, never by a look at it, so that whoever previews
//! links uses none up.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::SET_COOKIE;
use maud::html;
use serde::Deserialize;

use crate::Console;
use crate::cookie::Jar;
use crate::door::{Proof, Sent};
use crate::page::{Fault, Page, see_other};

/// The link that a page was opened with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Link {
    link: String,
}

pub(crate) async fn ask(Query(Link { link }): Query<Link>) -> Page {
    if link.is_empty() {
        return stranger(
            "There is no link in this address, and no session comes with it.",
            "ALC-OFFICE-0043",
        );
    }
    let body = html! {
        p.lead { "This opens the console of Alcaide with the one-time link that you were given." }
        section.card {
            form method="post" action="/enter" {
                input type="hidden" name="link" value=(link);
                button.main type="submit" autofocus { "Open the console" }
            }
            p.quiet { "The link is used up by it. Your session ends after eight hours, after half an hour without use, \
                       or when you sign out. If you did not ask for this link, close this page." }
        }
    };
    Page::for_anyone("Welcome", body)
}

/// What a stranger sees: how to come in, and nothing else.
pub(crate) fn stranger(why: &str, code: &str) -> Page {
    let body = html! {
        p.lead { (why) }
        section.card {
            h2 { "How to come in" }
            p { "On the machine that Alcaide runs on, its operator prints a one-time link:" }
            pre { code { "alcaide console link --human NAME" } }
            p { "Open that link within ten minutes. It works once." }
            p.quiet { a href={ "/problems/" (code) } { (code) } " says more." }
        }
    };
    Page::for_anyone("You are not signed in", body)
}

pub(crate) async fn enter(
    State(console): State<Console>,
    headers: HeaderMap,
    Proof(fields): Proof,
) -> Result<Response, Fault> {
    let link = fields.get("link").ok_or(Fault::Form)?;
    let opened = console.office.redeem(&link.clone().into()).await?;
    let mut response = see_other("/");
    let cookie = Jar::of(&headers).store(opened.secret.expose()).ok_or(Fault::Address)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

pub(crate) async fn leave(
    State(console): State<Console>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Fault> {
    let jar = Jar::of(&headers);
    if let Some(secret) = jar.secret(&headers) {
        console.office.end_session(&secret.to_owned().into()).await?;
    }
    drop(sent);
    let body = html! {
        p.lead { "You are signed out. The session is ended here and in this browser." }
        section.card { p { "To come back, get a new link: " code { "alcaide console link --human NAME" } } }
    };
    let mut response = Page::for_anyone("Signed out", body).into_response();
    if let Some(cookie) = jar.forget() {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}
