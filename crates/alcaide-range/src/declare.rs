//! What an office has to know to put the practice ground behind its gate: people, agents, facts of every tool, and
//! policies that let through, mask, ask and refuse.

use alcaide_wire::json::edit::encode;

/// The declarations as one TOML file, with the program at a usual place.
pub const DECLARATIONS: &str = include_str!("../sample/practice.toml");

/// How the server is reached.
#[derive(Clone, Copy, Debug)]
pub enum Launch<'a> {
    /// As a child process.
    Stdio {
        /// Program, by its absolute path, and arguments.
        command: &'a [String],
        /// Folders that it may write in, by their absolute paths.
        write: &'a [String],
    },
    /// Over HTTP.
    Http {
        /// Its address, with [`crate::PATH`].
        url: &'a str,
    },
}

/// The declarations with the server reached as given.
#[must_use]
pub fn declarations(launch: &Launch<'_>) -> String {
    const BEGIN: &str = "# server:begin\n";
    const END: &str = "# server:end\n";
    let mut text = String::with_capacity(DECLARATIONS.len() + 256);
    let (before, rest) = DECLARATIONS.split_once(BEGIN).unwrap_or((DECLARATIONS, ""));
    let (_, after) = rest.split_once(END).unwrap_or_default();
    text.push_str(before);
    text.push_str("[[upstream]]\nname = \"practice-server\"\nprotocol = \"mcp\"\n");
    match launch {
        Launch::Stdio { command, write } => {
            text.push_str(&format!("command = {}\n", list(command)));
            if !write.is_empty() {
                text.push_str(&format!("sandbox = {{ write = {} }}\n", list(write)));
            }
        }
        Launch::Http { url } => text.push_str(&format!("base_url = {}\n", encode(url))),
    }
    text.push_str(after);
    text
}

/// Strings of JSON are strings of TOML too.
fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| encode(item)).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alcaide_inventory::declare::{Declarations, Transport};

    fn read(text: &str) -> Declarations {
        let read = Declarations::from_toml("practice.toml", text).unwrap();
        assert_eq!(read.check(), []);
        read
    }

    #[test]
    fn there_are_facts_of_every_tool_and_of_no_other() {
        let declared: Vec<String> = read(DECLARATIONS).tools.into_iter().map(|tool| tool.name).collect();
        assert_eq!(declared, crate::tool_names());
    }

    #[test]
    fn arguments_that_facts_name_are_arguments_of_the_tool() {
        let listed = crate::tool::list(alcaide_wire::mcp::Revision::V2026_07_28, false);
        for (tool, entry) in read(DECLARATIONS).tools.into_iter().zip(listed) {
            let facts = tool.facts;
            let named = facts.control.iter().chain(&facts.free_text).chain(&facts.idempotency_key);
            for name in named {
                assert!(
                    entry["inputSchema"]["properties"].get(name).is_some(),
                    "{} has no `{name}`",
                    tool.name
                );
            }
            let read_only = entry["annotations"]["readOnlyHint"] == true;
            assert_eq!(facts.effect.is_consequential(), !read_only, "{}", tool.name);
        }
    }

    #[test]
    fn the_server_is_reached_as_given() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let command = words(&["/opt/a b/\"alcaide\"", "range", "--stdio"]);
        let write = words(&["/var/tmp/effects"]);
        let all = read(&declarations(&Launch::Stdio { command: &command, write: &write }));
        let Transport::Stdio { command: read_command, sandbox } = &all.upstreams[0].spec.transport else {
            panic!()
        };
        assert_eq!((read_command, &sandbox.write), (&command, &write));
        assert_eq!(all.upstreams.len(), 1);
        let all = read(&declarations(&Launch::Http { url: "http://127.0.0.1:7000/mcp" }));
        let Transport::Http { base_url } = &all.upstreams[0].spec.transport else { panic!() };
        assert_eq!(base_url, "http://127.0.0.1:7000/mcp");
        assert_eq!(all.routes.len(), 1);
    }
}
