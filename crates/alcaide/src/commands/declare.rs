//! `declare example`: the declaration format, shown by an example that holds every kind.

use clap::Subcommand;
use serde_json::json;

use crate::cli::{Desk, Exit};
use crate::fail::Failure;

/// One of each kind, with comments.
const EXAMPLE: &str = include_str!("example.toml");

/// `alcaide declare …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print an example that holds every kind of thing, with comments
    #[command(after_help = "Example: alcaide declare example > declarations/all.toml")]
    Example,
}

impl Verb {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let Self::Example = self;
        desk.out.show(&json!({ "toml": EXAMPLE }), || EXAMPLE.to_owned())?;
        Ok(Exit::Clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alcaide_inventory::declare::Declarations;

    #[test]
    fn the_example_is_sound_and_holds_every_kind() {
        let all = Declarations::from_toml("example.toml", EXAMPLE).unwrap();
        assert_eq!(all.check(), []);
        let Declarations {
            schema: _,
            units,
            humans,
            agents,
            workloads,
            upstreams,
            routes,
            peers,
            signers,
            models,
            tools,
            budgets,
            policies,
        } = &all;
        let counts = [
            units.len(),
            humans.len(),
            agents.len(),
            workloads.len(),
            upstreams.len(),
            routes.len(),
            peers.len(),
            signers.len(),
            models.len(),
            tools.len(),
            budgets.len(),
            policies.len(),
        ];
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        // Every variant of what has variants.
        let text = serde_json::to_string(&all).unwrap();
        for word in [
            r#""kind":"model""#,
            r#""kind":"mcp""#,
            r#""kind":"service""#,
            r#""kind":"header""#,
            r#""kind":"client_credentials""#,
            r#""base_url""#,
            r#""command""#,
            r#""over":{"agent""#,
            r#""over":{"owner""#,
            r#""over":{"unit""#,
            r#""over":{"model""#,
            r#""mode":"shadow""#,
            r#""shadow":{"units""#,
            r#""tasks_percent":90"#,
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
