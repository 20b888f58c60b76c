//! Tools of the directory and the calendars.

use serde_json::{Value, json};

use super::{CHANGING, Done, Field, Form, LOOKS, Need, Tool};
use super::{list_of, object, text};

pub(super) const TOOLS: [Tool; 2] = [
    Tool {
        name: CHANGING,
        title: "Find a person",
        description: "Finds people of the firm by a part of their name, handle, role or address.",
        fields: &[Field {
            name: "text",
            need: Need::Must,
            form: Form::Line { least: 2, most: 100 },
            about: "A part of the name, handle, role or address; case does not count.",
        }],
        output: || {
            let person = object(&[
                ("handle", text()),
                ("name", text()),
                ("role", text()),
                ("address", text()),
                ("telephone", text()),
            ]);
            object(&[("people", list_of(person))])
        },
        hints: LOOKS,
        run: |world, args| {
            let people: Vec<Value> = world
                .people(args.text("text")?)
                .into_iter()
                .map(|one| {
                    json!({
                        "handle": one.handle, "name": one.name, "role": one.role, "address": one.address,
                        "telephone": one.telephone,
                    })
                })
                .collect();
            Ok(Done::value(json!({ "people": people })))
        },
    },
    Tool {
        name: "list_events",
        title: "List events",
        description: "Lists what stands in somebody's calendar. The calendar's own day is 2026-11-23.",
        fields: &[
            Field {
                name: "person",
                need: Need::Must,
                form: Form::Word(&["ana", "ben", "cleo"]),
                about: "Whose calendar.",
            },
            Field {
                name: "day",
                need: Need::May,
                form: Form::Line { least: 10, most: 10 },
                about: "Only this day, `YYYY-MM-DD`.",
            },
        ],
        output: || {
            let event = object(&[("day", text()), ("hours", text()), ("title", text()), ("place", text())]);
            object(&[("events", list_of(event))])
        },
        hints: LOOKS,
        run: |world, args| {
            let events: Vec<Value> = world
                .events(args.text("person")?, args.text_if("day"))?
                .into_iter()
                .map(|one| json!({ "day": one.day, "hours": one.hours, "title": one.title, "place": one.place }))
                .collect();
            Ok(Done::value(json!({ "events": events })))
        },
    },
];
