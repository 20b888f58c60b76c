//! Tools of the mailboxes.

use serde_json::{Value, json};

use super::{Args, DESTROYS, Done, Field, Form, LOOKS, Need, REACHES_OUT, Tool, ToolError};
use super::{count, list_of, object, text};
use crate::world::{Folder, Mail, World};

/// Most mails of one answer.
const SHOWN_MAX: i64 = 50;
/// Mails of an answer where nothing is said.
const SHOWN: usize = 20;

pub(super) const TOOLS: [Tool; 5] = [
    Tool {
        name: "list_mail",
        title: "List mail",
        description: "Lists the mails of one folder of a mailbox, newest first, without their text.",
        fields: &[
            MAILBOX,
            Field {
                name: "folder",
                need: Need::May,
                form: Form::Word(&Folder::WORDS),
                about: "The folder; the inbox where nothing is said.",
            },
            LIMIT,
        ],
        output: heads,
        hints: LOOKS,
        run: |world, args| {
            let folder = args.text_if("folder").and_then(Folder::parse).unwrap_or(Folder::Inbox);
            Ok(shown(&world.mails(args.text("mailbox")?, folder)?, args))
        },
    },
    Tool {
        name: "read_mail",
        title: "Read a mail",
        description: "Reads one mail of a mailbox, with its text. The text is its author's, and anybody can send a mail.",
        fields: &[MAILBOX, ID],
        output: || {
            object(&[
                ("id", text()),
                ("folder", text()),
                ("from", text()),
                ("to", list_of(text())),
                ("at", text()),
                ("subject", text()),
                ("body", text()),
            ])
        },
        hints: LOOKS,
        run: read,
    },
    Tool {
        name: "search_mail",
        title: "Search mail",
        description: "Finds mails of a mailbox whose sender, subject or text holds some words, newest first. The trash is \
            left out.",
        fields: &[
            MAILBOX,
            Field {
                name: "text",
                need: Need::Must,
                form: Form::Line { least: 2, most: 100 },
                about: "What to look for; case does not count.",
            },
            LIMIT,
        ],
        output: heads,
        hints: LOOKS,
        run: |world, args| Ok(shown(&world.search_mail(args.text("mailbox")?, args.text("text")?)?, args)),
    },
    Tool {
        name: "send_mail",
        title: "Send a mail",
        description: "Sends a mail from a mailbox to one or more addresses, inside the firm or out of it. It cannot be \
            called back.",
        fields: &[
            MAILBOX,
            Field {
                name: "to",
                need: Need::Must,
                form: Form::Lines { most: 10, each: 254 },
                about: "Addresses of the receivers.",
            },
            Field {
                name: "subject",
                need: Need::Must,
                form: Form::Line { least: 1, most: 200 },
                about: "The subject.",
            },
            Field { name: "body", need: Need::Must, form: Form::Text { most: 20_000 }, about: "The text." },
        ],
        output: || object(&[("id", text()), ("to", count())]),
        hints: REACHES_OUT,
        run: |world, args| {
            let to = args.texts("to");
            let id = world.send_mail(args.text("mailbox")?, to, args.text("subject")?, args.text("body")?)?;
            Ok(Done::text(format!("Sent as {id}."), json!({ "id": id, "to": to.len() })))
        },
    },
    Tool {
        name: "delete_mail",
        title: "Delete a mail",
        description: "Moves a mail to the trash; a mail that lies there already is deleted for good.",
        fields: &[MAILBOX, ID],
        output: || {
            object(&[("id", text()), ("fate", json!({ "type": "string", "enum": ["trash", "gone"] }))])
        },
        hints: DESTROYS,
        run: |world, args| {
            let id = args.text("id")?;
            let fate = world.delete_mail(args.text("mailbox")?, id)?.as_str();
            Ok(Done::value(json!({ "id": id, "fate": fate })))
        },
    },
];

const MAILBOX: Field = Field {
    name: "mailbox",
    need: Need::Must,
    form: Form::Word(&["ana", "ben", "cleo"]),
    about: "Whose mailbox.",
};
const ID: Field = Field {
    name: "id",
    need: Need::Must,
    form: Form::Line { least: 1, most: 20 },
    about: "Id of the mail, such as `m-0002`.",
};
const LIMIT: Field = Field {
    name: "limit",
    need: Need::May,
    form: Form::Whole { least: 1, most: SHOWN_MAX },
    about: "Most mails to show; 20 where nothing is said.",
};

fn heads() -> Value {
    let head = object(&[
        ("id", text()),
        ("from", text()),
        ("to", list_of(text())),
        ("at", text()),
        ("subject", text()),
    ]);
    object(&[("mails", list_of(head)), ("left_out", count())])
}

fn shown(mails: &[&Mail], args: &Args) -> Done {
    let limit = args.count("limit", SHOWN);
    let heads: Vec<Value> = mails
        .iter()
        .take(limit)
        .map(|mail| json!({ "id": mail.id, "from": mail.from, "to": mail.to, "at": mail.at, "subject": mail.subject }))
        .collect();
    Done::value(json!({ "mails": heads, "left_out": mails.len().saturating_sub(limit) }))
}

fn read(world: &mut World, args: &Args) -> Result<Done, ToolError> {
    let Mail { id, mailbox: _, folder, from, to, at, subject, body } =
        world.mail(args.text("mailbox")?, args.text("id")?)?;
    let text = format!("From: {from}\nTo: {}\nDate: {at}\nSubject: {subject}\n\n{body}", to.join(", "));
    let value = json!({
        "id": id, "folder": folder.as_str(), "from": from, "to": to, "at": at, "subject": subject, "body": body,
    });
    Ok(Done::text(text, value))
}
