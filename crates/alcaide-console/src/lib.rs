//! The office over HTML: how do people look, and how do they decide? Pages drawn on the server.
//!
//! One table ([`routes::ROUTES`]) says every path, who may come and which operation it is; the router is made of it,
//! and tests try each as a stranger, as an under-privileged person, without the form's token and from another site.
//!
//! A request passes so: `serve` has judged host, origin and form; a page then asks `control` whose session the cookie
//! is (`door`), and `control` itself checks the role of every operation. What changes something is a form: it must come
//! from a page of this origin and carry the anti-forgery token of its session. What is shown is typed markup: text is
//! escaped unless a place says otherwise, and no place does.
//!
//! | module | what |
//! |---|---|
//! | [`routes`] | the table |
//! | `door` | sessions, cookies, forms |
//! | `page` | the frame of a page, its headers, its errors |
//! | `words` | values as people read them |
//! | `difference` | two texts line by line |
//! | `pages` | one module per page |
//!
//! Everything works without script; the script renews the list of calls and moves through tables with the arrow keys.
//!
//! Absent on purpose: inline style and script, other origins, files on disk, state of its own.

mod assets;
mod cookie;
mod difference;
mod door;
mod page;
mod pages;
pub mod routes;
mod words;

use std::sync::Arc;

use alcaide_control::{Clock, Office};
use alcaide_serve::{Catalogue, CodeEntry};

/// Says whether the house may be used, and why not.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the console needs of the house.
#[derive(Clone)]
pub struct Console {
    /// The office.
    pub office: Office,
    /// Explains codes.
    pub catalogue: Arc<Catalogue>,
    /// Whether the house may be used.
    pub ready: Ready,
    /// The time, for "how long ago".
    pub clock: Clock,
    /// URL of the gate, to be told to people.
    pub gate: String,
}

/// The router of all pages.
pub fn router(console: Console) -> axum::Router {
    routes::router(console)
}

/// Codes of the console itself, for the catalogue.
pub static TABLE: &[CodeEntry] = &[
    CodeEntry {
        code: "ALC-CONSOLE-0001",
        status: 403,
        title: "form from elsewhere",
        what: "the form did not come from a page of this console",
        why: "another site could send a form in a person's name",
        cure: "open the page here and send its form",
    },
    CodeEntry {
        code: "ALC-CONSOLE-0002",
        status: 403,
        title: "form not of this session",
        what: "the form does not carry the token of this session, or it cannot be read",
        why: "each session's forms carry a token that nobody else can make",
        cure: "load the page again and send its form",
    },
    CodeEntry {
        code: "ALC-CONSOLE-0003",
        status: 409,
        title: "it changed meanwhile",
        what: "what the page showed is no longer what would be changed, so nothing was done",
        why: "a decision is about what was seen",
        cure: "look at it again, then decide",
    },
    CodeEntry {
        code: "ALC-CONSOLE-0004",
        status: 400,
        title: "address not understood",
        what: "a part of the address or of the form has a wrong form",
        why: "what is not clear is not done",
        cure: "go back and follow a link of the page",
    },
];
