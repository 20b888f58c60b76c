//! Models: which version may be served, what speaks for it, and what people decide about it.

use alcaide_control::{
    Choice, Digest, ModelDetail, ModelView, OnDisk, Operation, ScanVerdict, Session, SignatureView,
    VersionState, VersionView, visible_line,
};
use alcaide_inventory::{Moment, Name};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::Console;
use crate::door::{Sent, Visitor};
use crate::page::{Fault, Page, form_token, see_other};
use crate::pages::After;
use crate::words::{badge, facts, far, list as row_of, number, word};

pub(crate) async fn list(State(console): State<Console>, visitor: Visitor) -> Result<Page, Fault> {
    let models = console.office.models(visitor.by()).await?;
    let body = html! {
        p.lead { "A declared model is served only in the version that somebody released, and only while its evidence holds. What a route serves that names no model is up to whoever runs it." }
        @if models.is_empty() {
            p.empty { "No model is declared yet. Declare one with a " code { "[[model]]" } " and let a route name it; then " code { "alcaide model register NAME PATH" } " looks into its files." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Models" {
                table.rows {
                    thead { tr {
                        th scope="col" { "Model" } th scope="col" { "State" } th scope="col" { "Released" } th scope="col" { "On disk" }
                        th scope="col" { "Routes" } th scope="col" { "Owner" } th scope="col" { "Versions" }
                    } }
                    tbody {
                        @for model in &models {
                            tr {
                                td { a href={ "/models/" (model.name) } { (model.name) } }
                                td { (standing(model.state)) }
                                td { @match &model.released { Some(version) => (short(version)), None => span.quiet { "none" } } }
                                td { (on_disk(model.on_disk)) }
                                td { @if model.routes.is_empty() { span.quiet { "none" } } @else { (names(&model.routes)) } }
                                td { (model.owner) }
                                td { (model.versions) }
                            }
                        }
                    }
                }
            }
        }
        p { a href="/evidence" { "All evidence" } }
    };
    Ok(Page::of(&visitor.0, "/models", "Models", body))
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(model): Path<String>,
    Query(after): Query<After>,
) -> Result<Page, Fault> {
    let detail = console.office.model(visitor.by(), &name(&model)?).await?;
    let now = (console.clock)();
    let model = &detail.model;
    let body = html! {
        p.lead { "What may be served under this name, and what speaks for it." }
        (card(model))
        (versions(&detail, &visitor.0, now))
        p { a href={ "/evidence?model=" (model.name) } { "Evidence about it" } " · " a href="/models" { "All models" } }
    };
    let title = format!("Model {}", model.name);
    Ok(Page::of(&visitor.0, "/models", title, body).after(after.done.as_deref()))
}

fn card(model: &ModelView) -> Markup {
    let served = model.released.is_some() && matches!(model.on_disk, OnDisk::Elsewhere | OnDisk::Released);
    html! {
        section class={ "card " (if served { "good" } else { "warn" }) } {
            h2 { (headline(model)) }
            (facts([
                ("state", Some(standing(model.state))),
                ("released", model.released.as_ref().map(|version| html! { code.long { (version) } })),
                ("files", model.files.as_ref().map(|path| html! { code { (visible_line(path)) } " – " (on_disk(model.on_disk)) })),
                ("found there", model.found.filter(|found| Some(*found) != model.released).map(|found| html! { code.long { (found) } })),
                ("requires", Some(html! { @if model.requires.is_empty() { span.quiet { "nothing" } } @else { (row_of(model.requires.iter().map(word))) } })),
                ("signers", (!model.signers.is_empty()).then(|| names(&model.signers))),
                ("evidence counts for", Some(html! { @match model.max_age_days { Some(1) => "1 day", Some(days) => { (days) " days" }, None => "as long as nothing speaks against it" } })),
                ("routes", (!model.routes.is_empty()).then(|| names(&model.routes))),
                ("owner", Some(html! { (model.owner) " in " (model.unit) })),
                ("id", Some(html! { code { (model.id) } })),
            ]))
        }
    }
}

fn headline(model: &ModelView) -> &'static str {
    match (model.released.is_some(), model.on_disk) {
        (true, OnDisk::Elsewhere | OnDisk::Released) => "A version is released",
        (true, OnDisk::Reading) => {
            "Its files are being read; nothing is served until they are those that were released"
        }
        (true, OnDisk::Unreadable) => "Its files cannot be read, so nothing is served",
        (true, OnDisk::OtherVersion | OnDisk::Unregistered) => {
            "Its files are not those that were released, so nothing is served"
        }
        (false, _) if model.versions == 0 => "No version is registered, so nothing is served",
        (false, _) => "No version is released, so nothing is served",
    }
}

fn versions(detail: &ModelDetail, session: &Session, now: Moment) -> Markup {
    html! {
        section aria-labelledby="versions" {
            h2 #versions { "Versions" }
            @if detail.versions.is_empty() {
                p.empty { "None yet: " code { "alcaide model register " (detail.model.name) " PATH" } " looks into the files and enters what it finds." }
            }
            @for version in &detail.versions { (one(&detail.model, version, session, now)) }
        }
    }
}

fn one(model: &ModelView, version: &VersionView, session: &Session, now: Moment) -> Markup {
    let by = |who: &Option<Name>| {
        who.as_ref().map_or_else(|| "the operator or the house".to_owned(), ToString::to_string)
    };
    html! {
        section.card {
            h3 { (short(&version.version)) " " (standing(Some(version.state))) }
            (facts([
                ("version", Some(html! { code.long { (version.version) } })),
                ("SHA-256", Some(html! { code.long { (version.sha256) } })),
                ("holds", Some(html! { (number(version.files)) @if version.files == 1 { " file, " } @else { " files, " } (number(version.bytes)) " bytes" })),
                ("registered", Some(html! { (far(version.registered, now)) " by " (by(&version.by)) })),
                ("scan", Some(match &version.scan {
                    Some(scan) => html! { (verdict(scan.verdict)) " " (far(scan.issued, now)) (until(scan.expires, now)) " · " (evidence(&scan.envelope)) },
                    None => html! { span.quiet { "none" } },
                })),
                ("signatures", Some(signatures(&version.signatures, now))),
                ("release", version.release.as_ref().map(|release| html! {
                    (far(release.at, now)) " by " (by(&release.by)) @if release.accepts_doubt { " " (badge("warn", "what the scan could not look into was accepted")) }
                })),
            ]))
            (decisions(model, version, session))
        }
    }
}

fn signatures(all: &[SignatureView], now: Moment) -> Markup {
    html! {
        @if all.is_empty() { span.quiet { "none" } }
        @for signature in all {
            div { "key " (short(&signature.key)) @if let Some(root) = &signature.root { " under root " (short(root)) }
                " " (far(signature.issued, now)) (until(signature.expires, now)) " · " (evidence(&signature.envelope)) }
        }
    }
}

fn decisions(model: &ModelView, version: &VersionView, session: &Session) -> Markup {
    let here = format!("/models/{}", model.name);
    let releasable = matches!(version.state, VersionState::Scanned | VersionState::Signed)
        || version.state == VersionState::Quarantined
            && version.scan.as_ref().is_some_and(|scan| scan.verdict == ScanVerdict::Inconclusive);
    let doubtful = version.scan.as_ref().is_some_and(|scan| scan.verdict == ScanVerdict::Inconclusive);
    let form = |act: &str, class: &str, text: &str, more: Markup| {
        html! {
            form.answer method="post" action={ (here) "/" (act) } {
                (form_token(session))
                input type="hidden" name="version" value=(version.version);
                (more)
                button class=(class) type="submit" { (text) }
            }
        }
    };
    let accepts = html! {
        @if doubtful { label { input type="checkbox" name="accept_doubt" value="yes" required; " I accept what the scan could not look into" } }
    };
    html! {
        @if releasable && session.by.may(Operation::ReleaseModel) { (form("release", "main", "Release this version", accepts)) }
        @if version.state == VersionState::Released && session.by.may(Operation::QuarantineModel) {
            (form("quarantine", "danger", "Hold it back", html! {}))
        }
        @if version.state != VersionState::Revoked && session.by.may(Operation::RevokeModel) {
            (form("revoke", "danger", "Revoke it for good", html! {}))
        }
    }
}

pub(crate) async fn release(
    State(console): State<Console>,
    Path(model): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let accept_doubt = sent.field("accept_doubt").is_ok_and(|value| value == "yes");
    let choice = Choice { version: version(&sent)?, accept_doubt };
    console.office.release_model(sent.by(), &name(&model)?, choice).await?;
    Ok(see_other(&format!("/models/{model}?done=released")))
}

pub(crate) async fn quarantine(
    State(console): State<Console>,
    Path(model): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    console.office.quarantine_model(sent.by(), &name(&model)?, version(&sent)?).await?;
    Ok(see_other(&format!("/models/{model}?done=held-back")))
}

pub(crate) async fn revoke(
    State(console): State<Console>,
    Path(model): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    console.office.revoke_model(sent.by(), &name(&model)?, version(&sent)?).await?;
    Ok(see_other(&format!("/models/{model}?done=revoked")))
}

fn version(sent: &Sent) -> Result<Digest, Fault> {
    sent.field("version")?.parse().map_err(|_| Fault::Address)
}

pub(crate) fn name(model: &str) -> Result<Name, Fault> {
    model.parse().map_err(|_| Fault::Address)
}

pub(crate) fn standing(state: Option<VersionState>) -> Markup {
    let Some(state) = state else { return badge("warn", "not registered") };
    let class = match state {
        VersionState::Released => "good",
        VersionState::Scanned | VersionState::Signed => "warn",
        _ => "bad",
    };
    badge(class, state.as_str())
}

pub(crate) fn verdict(verdict: ScanVerdict) -> Markup {
    let class = match verdict {
        ScanVerdict::Clean => "good",
        ScanVerdict::Inconclusive => "warn",
        ScanVerdict::Unsafe => "bad",
    };
    badge(class, &word(&verdict))
}

fn on_disk(state: OnDisk) -> Markup {
    match state {
        OnDisk::Elsewhere => html! { span.quiet { "served elsewhere" } },
        OnDisk::Released => badge("good", "as released"),
        OnDisk::Reading => badge("warn", "being read"),
        OnDisk::OtherVersion => badge("bad", "another version"),
        OnDisk::Unregistered => badge("bad", "not registered"),
        OnDisk::Unreadable => badge("bad", "cannot be read"),
    }
}

fn until(expires: Option<Moment>, now: Moment) -> Markup {
    html! { @if let Some(end) = expires {
        @if end <= now { " " (badge("bad", "over")) } @else { ", ends " (far(end, now)) }
    } }
}

pub(crate) fn evidence(envelope: &Digest) -> Markup {
    html! { a href={ "/evidence/" (envelope) } { "evidence" } }
}

/// Enough of a digest to tell versions of one model apart; the whole stands on the model's page.
pub(crate) fn short(digest: &Digest) -> Markup {
    let text: String = digest.to_string().chars().take(12).collect();
    html! { code title=(digest) { (text) } }
}

fn names(all: &[Name]) -> Markup {
    html! { (row_of(all.iter().map(ToString::to_string))) }
}
