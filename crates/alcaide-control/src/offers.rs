//! What tool servers offer, as the ledger tells it: the follower keeps it, the office reads it.
//!
//! The ledger knows servers by id, tools by a commitment to their name, definitions by their digest. Names and texts are
//! on the shelf.

use alcaide_inventory::Moment;
use alcaide_inventory::id::{RouteId, ToolId};
use alcaide_record::{Digest, Offered};
use alcaide_store::rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::OfficeError;
use crate::sql::{int, moment, nat, parsed, text_of};

/// How many definitions of one tool are remembered; older ones stay in the ledger and on the shelf.
pub(crate) const OFFERS_KEPT: u32 = 20;
/// Most tools that are read at once, those with the newest definitions first: as many as one server may have.
pub(crate) const TOOLS_MAX: u32 = 5_000;

/// The newest definition of a tool that a server offers, and how it came.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    pub(crate) route: RouteId,
    pub(crate) name: Digest,
    pub(crate) pin: Digest,
    pub(crate) tool: Option<ToolId>,
    pub(crate) index: u64,
    pub(crate) at: Moment,
    pub(crate) first: Moment,
    pub(crate) times: u64,
}

/// What was accepted of a tool last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LastAccepted {
    pub(crate) pin: Digest,
    pub(crate) quarantined: bool,
}

pub(crate) fn follow(tx: &Connection, index: u64, at: Moment, offered: &Offered) -> Result<(), OfficeError> {
    let (route, name) = (offered.route.to_string(), offered.name.to_string());
    tx.prepare("INSERT INTO tool_offer (entry, route, name, pin, tool, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            int(index),
            route,
            name,
            offered.pin.to_string(),
            text_of(offered.tool),
            moment(at)
        ])?;
    tx.prepare(
        "INSERT INTO tool_offered (route, name, first, newest, times) VALUES (?1, ?2, ?3, ?4, 1) \
         ON CONFLICT (route, name) DO UPDATE SET newest = excluded.newest, times = times + 1",
    )?
    .execute(params![route, name, moment(at), int(index)])?;
    tx.prepare(
        "DELETE FROM tool_offer WHERE route = ?1 AND name = ?2 AND entry <= (SELECT entry FROM tool_offer \
         WHERE route = ?1 AND name = ?2 ORDER BY entry DESC LIMIT 1 OFFSET ?3)",
    )?
    .execute(params![route, name, OFFERS_KEPT])?;
    Ok(())
}

/// The newest definitions of all tools, or of one server's.
pub(crate) fn newest(tx: &Connection, route: Option<RouteId>) -> Result<Vec<Newest>, OfficeError> {
    let sql = "SELECT o.route, o.name, o.pin, o.tool, o.entry, o.at, f.first, f.times FROM tool_offered f \
               JOIN tool_offer o ON o.entry = f.newest WHERE ?1 IS NULL OR f.route = ?1 \
               ORDER BY f.newest DESC LIMIT ?2";
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query(params![text_of(route), TOOLS_MAX])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |at: usize| row.get::<_, String>(at);
        let tool: Option<String> = row.get(3)?;
        all.push(Newest {
            route: parsed("offer", &text(0)?)?,
            name: parsed("offer", &text(1)?)?,
            pin: parsed("offer", &text(2)?)?,
            tool: tool.map(|tool| parsed("offer", &tool)).transpose()?,
            index: nat(row.get(4)?),
            at: Moment::from_micros(nat(row.get(5)?)),
            first: Moment::from_micros(nat(row.get(6)?)),
            times: nat(row.get(7)?),
        });
    }
    Ok(all)
}

/// The definitions of one tool that are remembered, newest first: entry, time, pin.
pub(crate) fn history(
    tx: &Connection,
    route: RouteId,
    name: Digest,
) -> Result<Vec<(u64, Moment, Digest)>, OfficeError> {
    let sql = "SELECT entry, at, pin FROM tool_offer WHERE route = ?1 AND name = ?2 ORDER BY entry DESC";
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query([route.to_string(), name.to_string()])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let pin: String = row.get(2)?;
        all.push((nat(row.get(0)?), Moment::from_micros(nat(row.get(1)?)), parsed("offer", &pin)?));
    }
    Ok(all)
}

pub(crate) fn last_accepted(tx: &Connection, tool: ToolId) -> Result<Option<LastAccepted>, OfficeError> {
    let sql = "SELECT pin, quarantined FROM tool_pin WHERE tool = ?1";
    let row: Option<(String, bool)> =
        tx.prepare(sql)?.query_row([tool.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    row.map(|(pin, quarantined)| Ok(LastAccepted { pin: parsed("pin", &pin)?, quarantined })).transpose()
}
