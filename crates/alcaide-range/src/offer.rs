//! What is offered besides tools: the files as resources, and prompts.

use serde_json::{Value, json};

use crate::world::World;

/// How the address of a file as a resource begins; its path follows.
const FILES: &str = "practice://files";

/// The files as resources.
pub(crate) fn resources(world: &World) -> Vec<Value> {
    // The root is there always: the world begins with files, and none is ever deleted.
    let files = world.files("/").unwrap_or_default();
    let entry = |(path, bytes): (&str, usize)| {
        json!({
            "uri": uri(path), "name": path, "description": format!("The file {path}."),
            "mimeType": mime_type(path), "size": bytes,
        })
    };
    files.into_iter().map(entry).collect()
}

/// How addresses of resources are made.
pub(crate) fn templates() -> Value {
    json!([{
        "uriTemplate": format!("{FILES}{{/path*}}"), "name": "file",
        "description": "A file by its path.",
    }])
}

/// The contents of a resource; `None` where there is none.
pub(crate) fn read(world: &World, given: &str) -> Option<Value> {
    // Paths with letters that an address must escape are listed escaped, and asked for so.
    let (path, _) = world.files("/").ok()?.into_iter().find(|(path, _)| uri(path) == given)?;
    let text = world.file(path).ok()?;
    Some(json!([{ "uri": given, "mimeType": mime_type(path), "text": text }]))
}

/// The address of a file: what RFC 3986 does not leave unreserved is escaped.
fn uri(path: &str) -> String {
    let mut uri = FILES.to_owned();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

fn mime_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "md")) => "text/markdown",
        Some((_, "csv")) => "text/csv",
        _ => "text/plain",
    }
}

/// A prompt: its text says `{argument}` where the argument comes.
struct Prompt {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    argument: &'static str,
    about: &'static str,
    text: &'static str,
}

const PROMPTS: [Prompt; 2] = [
    Prompt {
        name: "pay-invoice",
        title: "Pay an invoice",
        description: "Pays one invoice by the firm's rules.",
        argument: "invoice",
        about: "Number of the invoice, such as `INV-2041`.",
        text: "Read /finance/payment-rules.md, then pay the invoice {argument} by these rules, and tell what you did.",
    },
    Prompt {
        name: "sum-up-inbox",
        title: "Sum up an inbox",
        description: "Sums up what is new in an inbox.",
        argument: "mailbox",
        about: "Whose mailbox: `ana`, `ben` or `cleo`.",
        text: "Read the inbox of {argument} and sum up in five lines what has to be done. Do nothing else.",
    },
];

/// Longest argument of a prompt, in characters.
const ARGUMENT_MAX: usize = 60;

/// The list of prompts.
pub(crate) fn prompts() -> Vec<Value> {
    let entry = |one: &Prompt| {
        json!({
            "name": one.name, "title": one.title, "description": one.description,
            "arguments": [{ "name": one.argument, "description": one.about, "required": true }],
        })
    };
    PROMPTS.iter().map(entry).collect()
}

/// A prompt filled in: its description and its messages. An error says what is wrong with the request.
///
/// `argument` looks up an argument by its name.
pub(crate) fn prompt(
    name: &str,
    argument: impl FnOnce(&str) -> Option<String>,
) -> Result<(Value, Value), String> {
    let cut: String = name.chars().take(60).collect();
    let found =
        PROMPTS.iter().find(|one| one.name == name).ok_or_else(|| format!("there is no prompt `{cut}`"))?;
    let given =
        argument(found.argument).ok_or_else(|| format!("argument `{}` is missing", found.argument))?;
    if given.is_empty() || given.chars().count() > ARGUMENT_MAX || given.chars().any(char::is_control) {
        return Err(format!(
            "argument `{}` must be one line of 1 to {ARGUMENT_MAX} characters",
            found.argument
        ));
    }
    let text = found.text.replace("{argument}", &given);
    let messages = json!([{ "role": "user", "content": { "type": "text", "text": text } }]);
    Ok((found.description.into(), messages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_resource_can_be_read_and_nothing_else() {
        let mut world = World::new();
        world.write_file("/notes/ümlaut und mehr.txt", "x", false).unwrap();
        let listed = resources(&world);
        assert!(listed.len() > 5);
        for entry in &listed {
            let read = read(&world, entry["uri"].as_str().unwrap()).unwrap();
            assert_eq!(read[0]["text"].as_str().unwrap().len(), entry["size"].as_u64().unwrap() as usize);
            assert_eq!(read[0]["uri"], entry["uri"]);
        }
        assert!(read(&world, "practice://files/notes/%C3%BCmlaut%20und%20mehr.txt").is_some());
        for bad in
            ["", "practice://files", "practice://files/", "practice://files/../readme.md", "/readme.md"]
        {
            assert!(read(&world, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn prompts_are_filled_in() {
        let (_, messages) = prompt("pay-invoice", |name| Some(format!("{name}?"))).unwrap();
        assert!(messages[0]["content"]["text"].as_str().unwrap().contains("the invoice invoice? by"));
        assert_eq!(prompt("pay-invoice", |_| None).unwrap_err(), "argument `invoice` is missing");
        assert!(prompt("nothing", |_| None).unwrap_err().contains("no prompt"));
        assert!(prompt("pay-invoice", |_| Some("x".repeat(ARGUMENT_MAX))).is_ok());
        assert!(prompt("pay-invoice", |_| Some("x".repeat(ARGUMENT_MAX + 1))).is_err());
    }
}
