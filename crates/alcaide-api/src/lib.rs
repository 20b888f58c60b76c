//! The office over JSON: how do programs reach it? Management API, OAuth endpoints, health, the log.
//!
//! One table ([`routes::ROUTES`]) says every path, who may come and what it does; the router is made of it, the
//! OpenAPI document too, and tests try each as a stranger and as an under-privileged user.
//!
//! Who asks: over the socket in the data directory it is the operator (the kernel says whose process it is); over
//! TCP it is whoever the access token says. Every operation checks roles itself, in `control`.

mod activity;
mod auth;
mod declarations;
mod enrolment;
mod extract;
mod flow;
mod health;
mod log;
mod models;
mod oauth;
mod people;
mod problem;
pub mod routes;
mod tools;

use std::sync::Arc;

use alcaide_control::Office;
use alcaide_serve::Catalogue;

pub use problem::TABLE;

/// Says whether the house may be used, and why not.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;
/// Gives the counters of the house as Prometheus text.
pub type Counters = Arc<dyn Fn() -> String + Send + Sync>;

/// What the faces need of the house.
#[derive(Clone)]
pub struct Api {
    /// The office.
    pub office: Office,
    /// URL of the issuer, which is the office's own.
    pub issuer: String,
    /// URL of the gate.
    pub gate: String,
    /// URL of the console.
    pub console: String,
    /// Explains codes.
    pub catalogue: Arc<Catalogue>,
    /// Whether the house may be used.
    pub ready: Ready,
    /// Counters.
    pub counters: Counters,
    /// User id whose processes are the operator's.
    pub operator_uid: u32,
}

/// The router of all paths.
pub fn router(api: Api) -> axum::Router {
    routes::router(api)
}
