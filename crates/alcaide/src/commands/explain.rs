//! `explain`: what a code means, and which paths the gate has, offline.

use alcaide_gateway::paths::PATHS;
use clap::Args;
use serde::Serialize;

use crate::cli::{Desk, Exit};
use crate::fail::{CODES, Failure, INTERNAL, NO_CODE};
use crate::up;

/// `alcaide explain`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: alcaide explain ALC-GATE-0001\nThe topic `paths` lists the paths of the gate."
)]
pub(crate) struct Explain {
    /// The code, or the topic `paths`; all codes are listed without it
    code: Option<String>,
}

/// One code, of whatever part of the house.
#[derive(Clone, Debug, Serialize)]
struct Entry {
    code: &'static str,
    title: &'static str,
    what: &'static str,
    why: &'static str,
    fix: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<u8>,
}

impl Explain {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        if self.code.as_deref() == Some("paths") {
            return paths(desk);
        }
        let all = all()?;
        let Some(code) = self.code else {
            desk.out
                .show(&all, || all.iter().map(|one| format!("{}  {}\n", one.code, one.title)).collect())?;
            return Ok(Exit::Clean);
        };
        let found = all.iter().find(|one| one.code.eq_ignore_ascii_case(&code)).ok_or_else(|| {
            let cut: String = code.chars().take(40).collect();
            Failure::new(&NO_CODE, format!("the code `{cut}` is not known")).why(NO_CODE.why)
        })?;
        desk.out.show(found, || found.text())?;
        Ok(Exit::Clean)
    }
}

impl Entry {
    fn text(&self) -> String {
        let http = self.http.map(|status| format!("HTTP: {status}\n"));
        let exit = self.exit.map(|exit| format!("exit: {exit}\n"));
        let end = http.or(exit).unwrap_or_default();
        let Self { code, title, what, why, fix, .. } = self;
        format!("{code}: {title}\n\nwhat: {what}\n why: {why}\n fix: {fix}\n{end}")
    }
}

/// The paths of the gate.
fn paths(desk: &Desk) -> Result<Exit, Failure> {
    let listed: Vec<_> = PATHS
        .iter()
        .map(|one| serde_json::json!({ "method": one.method, "path": one.path, "what": one.what }))
        .collect();
    desk.out.show(&listed, || {
        PATHS.iter().map(|one| format!("{:5} {:38} {}\n", one.method, one.path, one.what)).collect()
    })?;
    Ok(Exit::Clean)
}

fn all() -> Result<Vec<Entry>, Failure> {
    let catalogue = up::catalogue()
        .map_err(|error| Failure::new(&INTERNAL, "the catalogue of codes is not sound").why(error))?;
    let served = catalogue.entries().map(|one| Entry {
        code: one.code,
        title: one.title,
        what: one.what,
        why: one.why,
        fix: one.cure,
        http: Some(one.status),
        exit: None,
    });
    let own = CODES.iter().map(|one| Entry {
        code: one.code,
        title: one.title,
        what: one.what,
        why: one.why,
        fix: one.cure,
        http: None,
        exit: Some(one.exit),
    });
    let mut all: Vec<Entry> = served.chain(own).collect();
    all.sort_by_key(|one| one.code);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_used_twice_in_the_whole_house() {
        let all = all().unwrap();
        assert!(all.len() > CODES.len());
        for pair in all.windows(2) {
            assert_ne!(pair[0].code, pair[1].code);
        }
    }
}
