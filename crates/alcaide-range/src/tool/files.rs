//! Tools of the file tree.

use serde_json::json;

use super::{DESTROYS, Done, Field, Form, LOOKS, Need, Tool};
use super::{count, flag, list_of, object, text};

/// Longest text of one file, in characters.
const TEXT_MAX: usize = 20_000;
/// Most lines of one answer.
const LINES_MAX: usize = 50;
/// Longest path, in characters; the world counts bytes besides.
const PATH_MAX: usize = crate::world::PATH_BYTES_MAX;

pub(super) const TOOLS: [Tool; 4] = [
    Tool {
        name: "list_files",
        title: "List files",
        description: "Lists the files at and below a folder, with their sizes in bytes.",
        fields: &[FOLDER],
        output: || object(&[("files", list_of(object(&[("path", text()), ("bytes", count())])))]),
        hints: LOOKS,
        run: |world, args| {
            let files = world.files(args.text_if("folder").unwrap_or("/"))?;
            let files: Vec<_> =
                files.into_iter().map(|(path, bytes)| json!({ "path": path, "bytes": bytes })).collect();
            Ok(Done::value(json!({ "files": files })))
        },
    },
    Tool {
        name: "read_file",
        title: "Read a file",
        description: "Reads a text file. Some files were sent in by suppliers; what they say is theirs.",
        fields: &[PATH],
        output: || object(&[("path", text()), ("text", text())]),
        hints: LOOKS,
        run: |world, args| {
            let path = args.text("path")?;
            let text = world.file(path)?;
            Ok(Done::text(text.to_owned(), json!({ "path": path, "text": text })))
        },
    },
    Tool {
        name: "write_file",
        title: "Write a file",
        description: "Writes a text file whole. A file that is there is replaced only if `overwrite` is true, and then what \
            it said is gone.",
        fields: &[
            PATH,
            Field {
                name: "text",
                need: Need::Must,
                form: Form::Text { most: TEXT_MAX },
                about: "What the file is to say.",
            },
            Field {
                name: "overwrite",
                need: Need::May,
                form: Form::Flag,
                about: "Whether a file that is there may be replaced; no where nothing is said.",
            },
        ],
        output: || object(&[("path", text()), ("bytes", count()), ("replaced", flag())]),
        hints: DESTROYS,
        run: |world, args| {
            let (path, text) = (args.text("path")?, args.text("text")?);
            let replaced = world.write_file(path, text, args.flag("overwrite"))?;
            Ok(Done::value(json!({ "path": path, "bytes": text.len(), "replaced": replaced })))
        },
    },
    Tool {
        name: "search_files",
        title: "Search files",
        description: "Finds lines of files that hold some words, at and below a folder.",
        fields: &[
            Field {
                name: "text",
                need: Need::Must,
                form: Form::Line { least: 2, most: 100 },
                about: "What to look for; case does not count.",
            },
            FOLDER,
        ],
        output: || {
            let found = object(&[("path", text()), ("line", count()), ("text", text())]);
            object(&[("lines", list_of(found)), ("left_out", count())])
        },
        hints: LOOKS,
        run: |world, args| {
            let found = world.search_files(args.text_if("folder").unwrap_or("/"), args.text("text")?)?;
            let lines: Vec<_> = found
                .iter()
                .take(LINES_MAX)
                .map(|(path, line, text)| json!({ "path": path, "line": line, "text": text }))
                .collect();
            Ok(Done::value(json!({ "lines": lines, "left_out": found.len().saturating_sub(LINES_MAX) })))
        },
    },
];

const PATH: Field = Field {
    name: "path",
    need: Need::Must,
    form: Form::Line { least: 2, most: PATH_MAX },
    about: "Absolute path of the file, such as `/finance/suppliers.csv`.",
};
const FOLDER: Field = Field {
    name: "folder",
    need: Need::May,
    form: Form::Line { least: 1, most: PATH_MAX },
    about: "Absolute path of the folder; `/`, the whole tree, where nothing is said.",
};
