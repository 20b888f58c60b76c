//! The tables. Text ids are the typed ids as written; moments are microseconds; `entry` is a ledger index.
//!
//! Two kinds of table. **Own**: `name_id`, `plan`, `tool_schema`, `enrolment`, `credential`, `console_link`,
//! `console_session` hold what the ledger must not (names, keys, Cedar text, hashes of secrets); a row whose `entry` is
//! absent is not in force. **Projections**: all others are made from the ledger by the follower alone and could be made
//! again from its beginning.

use alcaide_store::Migration;

/// Migrations of the office's store, for `Store::create` and `Store::open`.
pub const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, sql: FIRST },
    Migration { number: 2, sql: TOOL_OFFERS },
    Migration { number: 3, sql: APPROVALS },
    Migration { number: 4, sql: CONSOLE },
    Migration { number: 5, sql: LEAN_CALLS },
    Migration { number: 6, sql: PRUNED },
    Migration { number: 7, sql: ENDORSED },
    Migration { number: 8, sql: ANSWERS },
    Migration { number: 9, sql: MODELS },
];

const FIRST: &str = "
CREATE TABLE follower (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL CHECK (next >= 0)) STRICT;
INSERT INTO follower (one, next) VALUES (1, 0);

CREATE TABLE name_id (
    kind TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL UNIQUE, PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE plan (
    number INTEGER PRIMARY KEY CHECK (number > 0), made INTEGER NOT NULL, by TEXT, digest TEXT NOT NULL,
    repeats INTEGER, body TEXT NOT NULL, entry INTEGER UNIQUE
) STRICT;

CREATE TABLE tool_schema (
    tool TEXT NOT NULL, pin TEXT NOT NULL, input_schema TEXT NOT NULL, PRIMARY KEY (tool, pin)
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment (
    hash TEXT PRIMARY KEY, actor TEXT NOT NULL, token TEXT NOT NULL UNIQUE, expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE credential (
    id TEXT PRIMARY KEY, actor TEXT NOT NULL, key TEXT NOT NULL, jwk TEXT NOT NULL, enrolled INTEGER NOT NULL,
    entry INTEGER UNIQUE
) STRICT, WITHOUT ROWID;
CREATE INDEX credential_actor ON credential (actor);

CREATE TABLE tool_pin (tool TEXT PRIMARY KEY, pin TEXT NOT NULL, entry INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE actor_state (
    actor TEXT PRIMARY KEY, epoch INTEGER NOT NULL, killed INTEGER NOT NULL, entry INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE issued (
    token TEXT PRIMARY KEY, kind TEXT NOT NULL, actor TEXT NOT NULL, subject TEXT NOT NULL, task TEXT,
    expires INTEGER NOT NULL, entry INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX issued_task ON issued (task);
CREATE INDEX issued_expires ON issued (expires);

CREATE TABLE revoked (token TEXT PRIMARY KEY, entry INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE given_order (
    entry INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, by TEXT, body TEXT NOT NULL
) STRICT;

CREATE TABLE approval (
    entry INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, call TEXT NOT NULL, at INTEGER NOT NULL, chain TEXT NOT NULL,
    action TEXT, digest TEXT NOT NULL, expires INTEGER NOT NULL, state TEXT NOT NULL
) STRICT;

CREATE TABLE call (
    entry INTEGER PRIMARY KEY, call TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, actor TEXT, subject TEXT, unit TEXT,
    task TEXT, run TEXT, route TEXT, tool TEXT, state TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX call_actor ON call (actor, entry);
CREATE INDEX call_subject ON call (subject, entry);
CREATE INDEX call_task ON call (task, entry);
CREATE INDEX call_route ON call (route, entry);
CREATE INDEX call_at ON call (at);

CREATE TABLE usage_day (
    day INTEGER NOT NULL, actor TEXT NOT NULL, subject TEXT NOT NULL, unit TEXT NOT NULL, route TEXT NOT NULL,
    requests INTEGER NOT NULL, refused INTEGER NOT NULL, input INTEGER NOT NULL, cached_input INTEGER NOT NULL,
    output INTEGER NOT NULL, cost_micros INTEGER NOT NULL,
    PRIMARY KEY (day, actor, subject, unit, route)
) STRICT, WITHOUT ROWID;
";

/// What tool servers offer. `tool_offered` has a row per tool, `tool_offer` its newest definitions, bounded in number. A
/// quarantined tool keeps what was accepted last, so that it can be compared and policies keep their types.
const TOOL_OFFERS: &str = "
CREATE TABLE tool_offer (
    entry INTEGER PRIMARY KEY, route TEXT NOT NULL, name TEXT NOT NULL, pin TEXT NOT NULL, tool TEXT,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX tool_offer_name ON tool_offer (route, name, entry);

CREATE TABLE tool_offered (
    route TEXT NOT NULL, name TEXT NOT NULL, first INTEGER NOT NULL, newest INTEGER NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (route, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tool_offered_newest ON tool_offered (newest);

ALTER TABLE tool_pin ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0;
";

/// What is asked, of whom, who has said yes, and by which entry the answer was used up.
const APPROVALS: &str = "
ALTER TABLE approval ADD COLUMN question TEXT;
ALTER TABLE approval ADD COLUMN target TEXT;
ALTER TABLE approval ADD COLUMN spent INTEGER;

CREATE TABLE approval_yes (
    approval TEXT NOT NULL, human TEXT NOT NULL, at INTEGER NOT NULL, expires INTEGER NOT NULL, entry INTEGER NOT NULL,
    PRIMARY KEY (approval, human)
) STRICT, WITHOUT ROWID;
";

/// What a yes endorses: places in the list of values that its question has on the shelf.
const ENDORSED: &str = "
ALTER TABLE approval_yes ADD COLUMN endorses TEXT NOT NULL DEFAULT '[]';
";

/// Who answered what when, and whose yes the office refused because there were too many; from before, what orders say.
const ANSWERS: &str = "
CREATE TABLE answer (
    entry INTEGER PRIMARY KEY, approval TEXT NOT NULL, human TEXT NOT NULL, at INTEGER NOT NULL, yes INTEGER NOT NULL
) STRICT;
CREATE INDEX answer_human ON answer (human, at);
CREATE INDEX answer_at ON answer (at);
CREATE INDEX answer_approval ON answer (approval);
INSERT INTO answer SELECT entry, coalesce(json_extract(body, '$.approve.approval'), json_extract(body, '$.deny.approval')),
    by, at, json_extract(body, '$.approve') IS NOT NULL FROM given_order
    WHERE by IS NOT NULL AND (json_extract(body, '$.approve') IS NOT NULL OR json_extract(body, '$.deny') IS NOT NULL);
CREATE TABLE answer_refused (entry INTEGER PRIMARY KEY, human TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE INDEX answer_refused_at ON answer_refused (at);
";

/// Links and sessions of the console: hashes only.
const CONSOLE: &str = "
CREATE TABLE console_link (
    hash TEXT PRIMARY KEY, human TEXT NOT NULL UNIQUE, expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE console_session (
    hash TEXT PRIMARY KEY, human TEXT NOT NULL, epoch INTEGER NOT NULL, opened INTEGER NOT NULL,
    seen INTEGER NOT NULL, expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX console_session_human ON console_session (human);
";

/// Calls in less room: ids stand once, in `term`; a call's row holds their numbers, and as JSON only what has no column.
const LEAN_CALLS: &str = "
CREATE TABLE term (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO term (text)
    SELECT actor FROM call WHERE actor IS NOT NULL UNION SELECT subject FROM call WHERE subject IS NOT NULL
    UNION SELECT unit FROM call WHERE unit IS NOT NULL UNION SELECT task FROM call WHERE task IS NOT NULL
    UNION SELECT run FROM call WHERE run IS NOT NULL UNION SELECT route FROM call WHERE route IS NOT NULL
    UNION SELECT tool FROM call WHERE tool IS NOT NULL;

ALTER TABLE call RENAME TO call_before;
CREATE TABLE call (
    entry INTEGER PRIMARY KEY, call TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, actor INTEGER, subject INTEGER,
    unit INTEGER, task INTEGER, run INTEGER, route INTEGER, tool INTEGER, state TEXT NOT NULL, rest TEXT NOT NULL
) STRICT;
INSERT INTO call SELECT entry, call, at,
    (SELECT id FROM term WHERE text = actor), (SELECT id FROM term WHERE text = subject),
    (SELECT id FROM term WHERE text = unit), (SELECT id FROM term WHERE text = task),
    (SELECT id FROM term WHERE text = run), (SELECT id FROM term WHERE text = route),
    (SELECT id FROM term WHERE text = tool), state,
    json_remove(body, '$.call', '$.state', '$.at', '$.actor', '$.actor_name', '$.subject', '$.subject_name', '$.unit',
        '$.task', '$.run', '$.route', '$.route_name', '$.tool', '$.tool_name')
    FROM call_before ORDER BY entry;
DROP TABLE call_before;
CREATE INDEX call_actor ON call (actor);
CREATE INDEX call_subject ON call (subject);
CREATE INDEX call_task ON call (task);
CREATE INDEX call_route ON call (route);
CREATE INDEX call_at ON call (at);
CREATE INDEX call_not_ended ON call (state) WHERE state <> 'ended';
";

/// When a revocation was ordered, and what is looked for by age (`prune.rs`). Nothing is pruned yet, so that every
/// revocation has its order. A plan whose body is empty is not kept any more.
const PRUNED: &str = "
ALTER TABLE revoked ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE revoked SET at = coalesce((SELECT at FROM given_order WHERE given_order.entry = revoked.entry), 0);
CREATE INDEX revoked_at ON revoked (at);
CREATE INDEX given_order_at ON given_order (at);
CREATE INDEX approval_at ON approval (at);
";

/// How models stand, as JSON of the record's own fold, and which evidence was entered about them.
const MODELS: &str = "
CREATE TABLE model_life (model TEXT PRIMARY KEY, life TEXT NOT NULL, entry INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE evidence (
    entry INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, envelope TEXT NOT NULL, at INTEGER NOT NULL,
    by TEXT, expires INTEGER, proven TEXT NOT NULL
) STRICT;
CREATE INDEX evidence_model ON evidence (model);
CREATE INDEX evidence_envelope ON evidence (envelope);
";
