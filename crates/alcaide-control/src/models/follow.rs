//! What the follower keeps of models: how each stands, and which evidence was entered.

use alcaide_inventory::Moment;
use alcaide_inventory::id::{HumanId, ModelId};
use alcaide_record::{Digest, Entry, Event, Life, ModelEvent, Proven, model_of};
use alcaide_store::rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::OfficeError;
use crate::sql::{from_json, int, moment, nat, parsed, text_of, to_json};

/// Most pieces of evidence that a list shows.
const LISTED_MAX: i64 = 500;

/// Evidence as the store holds it.
pub(crate) struct Entered {
    pub(crate) index: u64,
    pub(crate) at: Moment,
    pub(crate) by: Option<HumanId>,
    pub(crate) model: ModelId,
    pub(crate) version: Digest,
    pub(crate) envelope: Digest,
    pub(crate) expires: Option<Moment>,
    pub(crate) proven: Proven,
}

/// Follows an entry that is about a model.
pub(crate) fn follow(tx: &Connection, index: u64, entry: &Entry) -> Result<(), OfficeError> {
    let Some(model) = model_of(&entry.event) else { return Ok(()) };
    let mut life = life(tx, model)?;
    // A step that does not fit changes nothing; the office writes none, and the entry stays.
    if life.follow(model, entry).is_err() {
        return Ok(());
    }
    let sql = "INSERT OR REPLACE INTO model_life (model, life, entry) VALUES (?1, ?2, ?3)";
    tx.prepare(sql)?.execute(params![model.to_string(), to_json("model", &life)?, int(index)])?;
    if let Event::Model(ModelEvent::Evidence { by, envelope, expires, proven, version, .. }) = &entry.event {
        let sql = "INSERT INTO evidence (entry, model, version, envelope, at, by, expires, proven) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        tx.prepare(sql)?.execute(params![
            int(index),
            model.to_string(),
            version.to_string(),
            envelope.to_string(),
            moment(entry.at),
            text_of(*by),
            expires.map(moment),
            to_json("evidence", proven)?
        ])?;
    }
    Ok(())
}

pub(crate) fn life(tx: &Connection, model: ModelId) -> Result<Life, OfficeError> {
    let sql = "SELECT life FROM model_life WHERE model = ?1";
    let text: Option<String> =
        tx.prepare(sql)?.query_row([model.to_string()], |row| row.get(0)).optional()?;
    text.map_or_else(|| Ok(Life::default()), |text| from_json("model", &text))
}

/// Evidence about one model or all, newest first.
pub(crate) fn entered(tx: &Connection, model: Option<ModelId>) -> Result<Vec<Entered>, OfficeError> {
    let sql = "SELECT entry, at, by, model, version, envelope, expires, proven FROM evidence \
               WHERE ?1 IS NULL OR model = ?1 ORDER BY entry DESC LIMIT ?2";
    let mut select = tx.prepare(sql)?;
    let mut rows = select.query(params![text_of(model), LISTED_MAX])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |at: usize| row.get::<_, String>(at);
        let by: Option<String> = row.get(2)?;
        let expires: Option<i64> = row.get(6)?;
        all.push(Entered {
            index: nat(row.get(0)?),
            at: Moment::from_micros(nat(row.get(1)?)),
            by: by.map(|by| parsed("evidence", &by)).transpose()?,
            model: parsed("evidence", &text(3)?)?,
            version: parsed("evidence", &text(4)?)?,
            envelope: parsed("evidence", &text(5)?)?,
            expires: expires.map(|at| Moment::from_micros(nat(at))),
            proven: from_json("evidence", &text(7)?)?,
        });
    }
    Ok(all)
}

pub(crate) fn is_entered(tx: &Connection, envelope: Digest) -> Result<bool, OfficeError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM evidence WHERE envelope = ?1)";
    Ok(tx.prepare(sql)?.query_row([envelope.to_string()], |row| row.get(0))?)
}
