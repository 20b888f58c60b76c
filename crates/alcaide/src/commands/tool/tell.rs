//! A tool in words. All texts of a server are a stranger's: what no screen shows is written out, what is long is cut and
//! said to be, and nothing of it can move the cursor.

use alcaide_control::definition::{FieldChange, Piece, Reach, SchemaChange};
use alcaide_control::tools::{DefinitionView, Shelved};
use alcaide_control::{Definition, Difference, ToolDetail, ToolState, ToolView, visible, visible_line};
use serde_json::Value;

use crate::commands::log::findings_told;
use crate::show::or_dash;

/// Most characters of one text of a server that are shown; all of it is in `--json`.
const TEXT_CHARS: usize = 4_000;
/// Most characters of a value in a line.
const VALUE_CHARS: usize = 160;
/// Most arguments that are shown of a definition.
const ARGUMENTS_MAX: usize = 64;
/// Words in common that are shown beside those that differ.
const CONTEXT_CHARS: usize = 120;

/// `server/tool`, or what stands for it where the name is not known.
pub(super) fn name(view: &ToolView) -> String {
    match (&view.name, view.offered) {
        (Some(name), _) => format!("{}/{name}", view.server),
        (None, Some(pin)) => format!("{}/{pin}", view.server),
        (None, None) => format!("{}/?", view.server),
    }
}

/// A row of the list.
pub(super) fn row(view: &ToolView) -> Vec<String> {
    let effect = if view.id.is_some() { view.effect.as_str() } else { "not declared" };
    vec![
        visible_line(&name(view)).into_owned(),
        view.state.as_str().into(),
        effect.into(),
        findings(view),
        or_dash(view.last_offered),
        or_dash(view.offered.or(view.accepted)),
    ]
}

/// How many findings there are, and how many of them are grave.
fn findings(view: &ToolView) -> String {
    let grave = view.findings.iter().filter(|one| one.is_grave()).count();
    match (view.findings.len(), grave) {
        (0, _) => "-".into(),
        (all, 0) => all.to_string(),
        (all, grave) => format!("{all}, {grave} grave"),
    }
}

/// What is to be done next about tools that wait.
pub(super) fn waiting(all: &[ToolView]) -> String {
    let count = |wanted: ToolState| all.iter().filter(|view| view.state == wanted).count();
    let (new, changed) = (count(ToolState::New), count(ToolState::Changed));
    if new + changed == 0 {
        return String::new();
    }
    let undeclared = all.iter().filter(|view| view.id.is_none()).count();
    let mut text =
        format!("held back until accepted: {new} new, {changed} changed; see `alcaide tool show`\n");
    if undeclared > 0 {
        text.push_str(&format!("not declared: {undeclared}; see `alcaide tool declare --help`\n"));
    }
    text
}

/// A tool in full.
pub(super) fn detail(detail: &ToolDetail, color: bool) -> String {
    let paint = Paint(color);
    let ToolDetail { tool, accepted, offered, difference, lacks, history } = detail;
    let mut out =
        format!("{}\n", paint.bold(&format!("tool {}: {}", visible_line(&name(tool)), tool.state.as_str())));
    let mut field = |label: &str, text: &str| out.push_str(&format!("  {label:<10}{text}\n"));
    field("next", next(tool));
    if let Some(title) = &tool.title {
        field("title", &visible_line(title));
    }
    match &tool.facts {
        None => field("effect", "not declared"),
        Some(facts) => {
            field("effect", facts.effect.as_str());
            for (label, names) in [
                ("control", &facts.control),
                ("free text", &facts.free_text),
                ("by handle", &facts.handle_output),
                ("handles", &facts.takes_handles),
            ] {
                if !names.is_empty() {
                    field(label, &visible_line(&names.join(", ")));
                }
            }
        }
    }
    for (label, view) in [("accepted", accepted), ("offered", offered)] {
        if let Some(DefinitionView { pin, text, .. }) = view {
            field(label, &format!("{pin}{}", lost(*text)));
        }
    }
    if let (Some(first), Some(last)) = (tool.first_offered, tool.last_offered) {
        field("since", &format!("{last}; first {first}, forms so far: {}", tool.forms));
    }
    if history.len() > 1 {
        let indexes: Vec<String> = history.iter().map(|one| one.index.to_string()).collect();
        field("entries", &indexes.join(" "));
    }
    for one in history {
        if let Some(found) = one.findings.as_deref().filter(|found| !found.is_empty()) {
            field("recorded", &visible_line(&format!("entry {}: {}", one.index, findings_told(found))));
        }
    }
    let said = offered.as_ref().or(accepted.as_ref()).and_then(|view| view.definition.as_ref());
    if let Some(said) = said
        && said.hidden > 0
    {
        field("beware", &paint.red(&format!("characters that no screen shows: {}", said.hidden)));
    }
    for one in &tool.findings {
        // The place holds names of the server's.
        let text = visible_line(&format!("{} {} at {}: {}", one.weight(), one.rule, one.place, one.reason))
            .into_owned();
        field("found", &if one.is_grave() { paint.red(&text) } else { text });
    }
    if !lacks.is_empty() {
        field(
            "beware",
            &paint.red(&format!("declared, but no argument of it: {}", visible_line(&lacks.join(", ")))),
        );
    }
    match (difference, said) {
        (Some(difference), _) => differs(&mut out, difference, paint),
        (None, Some(said)) => defines(&mut out, said, paint),
        (None, None) => {}
    }
    out
}

fn next(tool: &ToolView) -> &'static str {
    match (tool.state, tool.id.is_some()) {
        (ToolState::New, false) => "declare it with `alcaide tool declare`, then accept it",
        (ToolState::New | ToolState::Changed, _) => {
            "held back; accept it with `alcaide tool accept` if it is good"
        }
        (ToolState::Quarantined, _) => "held back until it is accepted again",
        (ToolState::Accepted, _) => "nothing; it is offered to those who may use it",
        (ToolState::Declared, _) => "nothing; its server has not offered it yet",
    }
}

const fn lost(text: Shelved) -> &'static str {
    match text {
        Shelved::Whole => "",
        Shelved::Missing => " (its text is missing: restore `ledger/shelf` from a backup)",
        Shelved::Forged => " (its text was changed on disk: restore `ledger/shelf` from a backup)",
        Shelved::Unreadable => " (its text is no definition of a tool)",
    }
}

fn defines(out: &mut String, said: &Definition, paint: Paint) {
    if let Some(description) = &said.description {
        out.push_str(&paint.bold("description\n"));
        indented(out, &visible(&cut(description, TEXT_CHARS)));
    }
    let schema = said.input_schema.as_ref();
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let required = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
    let Some(properties) = properties.filter(|all| !all.is_empty()) else { return };
    out.push_str(&paint.bold("arguments\n"));
    for (name, one) in properties.iter().take(ARGUMENTS_MAX) {
        let must = required.is_some_and(|all| all.iter().any(|one| one == name));
        let kind = one.get("type").map(value).unwrap_or_else(|| "any".into());
        out.push_str(&format!(
            "  {}: {kind}{}\n",
            visible_line(name),
            if must { ", must be given" } else { "" }
        ));
        if let Some(Value::String(words)) = one.get("description") {
            indented(out, &format!("  {}", visible(&cut(words, TEXT_CHARS))));
        }
    }
    if properties.len() > ARGUMENTS_MAX {
        out.push_str(&format!("  … and {} more, see `--json`\n", properties.len() - ARGUMENTS_MAX));
    }
}

fn differs(out: &mut String, difference: &Difference, paint: Paint) {
    if difference.is_empty() {
        out.push_str("the two differ in nothing that people or models read\n");
        return;
    }
    if let Some(title) = &difference.title {
        out.push_str(&paint.bold("title\n"));
        fields(out, std::slice::from_ref(title), paint);
    }
    if !difference.description.is_empty() {
        out.push_str(&paint.bold("description\n"));
        indented(out, &words(&difference.description, paint));
    }
    for (label, all) in [("arguments", &difference.input), ("result", &difference.output)] {
        if !all.is_empty() {
            out.push_str(&paint.bold(&format!("{label}\n")));
            all.iter().for_each(|one| place(out, one, paint));
        }
    }
    if !difference.annotations.is_empty() {
        out.push_str(&paint.bold("hints of the server\n"));
        fields(out, &difference.annotations, paint);
    }
    if difference.cut {
        out.push_str(&paint.red("more differs than is listed: compare the definitions in `--json`\n"));
    }
}

/// Words that are gone in `[-…-]`, new ones in `{+…+}`. Marks stay where there is colour: a text can hold them too.
fn words(pieces: &[Piece], paint: Paint) -> String {
    let last = pieces.len().saturating_sub(1);
    let mut text = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Same(same) => text.push_str(&around(same, at > 0, at < last)),
            Piece::Removed(gone) => {
                text.push_str(&paint.red(&format!("[-{}-]", visible(&cut(gone, TEXT_CHARS)))));
            }
            Piece::Added(new) => {
                text.push_str(&paint.green(&format!("{{+{}+}}", visible(&cut(new, TEXT_CHARS)))));
            }
        }
    }
    text
}

/// Words in common: their beginning and end, where something that differs is beside them.
fn around(same: &str, before: bool, after: bool) -> String {
    let count = same.chars().count();
    let sides = usize::from(before) + usize::from(after);
    if count <= CONTEXT_CHARS.saturating_mul(sides.max(1)) {
        return visible(same).into_owned();
    }
    let head: String = same.chars().take(if before { CONTEXT_CHARS } else { 0 }).collect();
    let skip = count.saturating_sub(if after { CONTEXT_CHARS } else { 0 });
    let tail: String = same.chars().skip(skip).collect();
    format!("{} … {}", visible(&head), visible(&tail))
}

fn place(out: &mut String, one: &SchemaChange, paint: Paint) {
    let path =
        if one.path.is_empty() { "the whole".to_owned() } else { visible_line(&one.path).into_owned() };
    let head = format!("  {:<9} {path}\n", one.reach.as_str());
    out.push_str(&match one.reach {
        Reach::Added | Reach::Widened => paint.green(&head),
        Reach::Removed => paint.red(&head),
        _ => head,
    });
    fields(out, &one.keywords, paint);
}

fn fields(out: &mut String, all: &[FieldChange], paint: Paint) {
    for FieldChange { name, before, after } in all {
        let name = visible_line(name);
        if let Some(before) = before {
            out.push_str(&paint.red(&format!("    - {name}: {}", value(before))));
            out.push('\n');
        }
        if let Some(after) = after {
            out.push_str(&paint.green(&format!("    + {name}: {}", value(after))));
            out.push('\n');
        }
    }
}

/// A value on one line, cut.
fn value(value: &Value) -> String {
    visible_line(&cut(&value.to_string(), VALUE_CHARS)).into_owned()
}

fn cut(text: &str, most: usize) -> String {
    let count = text.chars().count();
    let mut shown: String = text.chars().take(most).collect();
    if count > most {
        shown.push_str(&format!(" … and {} characters more, see `--json`", count - most));
    }
    shown
}

fn indented(out: &mut String, text: &str) {
    for line in text.split('\n') {
        out.push_str("  ");
        out.push_str(line);
        out.push('\n');
    }
}

/// Colour, where it is wanted.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    fn green(self, text: &str) -> String {
        self.with("32", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_server_moves_the_cursor_or_hides() {
        let schema = serde_json::json!({ "properties": { "x\u{1b}": { "type": "\u{7f}", "description": "\u{1b}]0;" } } });
        let said = Definition {
            name: "a".into(),
            title: None,
            description: Some("\u{1b}[31m".into()),
            input_schema: Some(schema),
            output_schema: None,
            annotations: None,
            hidden: 0,
        };
        let mut out = String::new();
        defines(&mut out, &said, Paint(false));
        assert!(!out.contains(|one: char| one.is_control() && one != '\n'), "{out:?}");
    }

    #[test]
    fn what_is_long_is_cut_and_said_to_be_but_never_what_differs_first() {
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("abcde", 4), "abcd … and 1 characters more, see `--json`");
        let same = "x".repeat(3 * CONTEXT_CHARS);
        let pieces = [Piece::Same(same.clone()), Piece::Added("new".into()), Piece::Same(same)];
        let told = words(&pieces, Paint(false));
        let kept = "x".repeat(CONTEXT_CHARS);
        assert_eq!(told, format!(" … {kept}{{+new+}}{kept} … "));
    }

    #[test]
    fn places_say_in_which_direction_they_moved_and_colour_is_only_added() {
        let one = SchemaChange {
            path: "/properties/to".into(),
            reach: Reach::Widened,
            keywords: vec![FieldChange {
                name: "type".into(),
                before: Some("string".into()),
                after: Some(serde_json::json!(["string", "array"])),
            }],
        };
        let told = |color| {
            let mut out = String::new();
            place(&mut out, &one, Paint(color));
            out
        };
        let wanted =
            "  widened   /properties/to\n    - type: \"string\"\n    + type: [\"string\",\"array\"]\n";
        assert_eq!(told(false), wanted);
        let painted = told(true);
        let bare = ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[0m"]
            .iter()
            .fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(bare, wanted);
    }
}
