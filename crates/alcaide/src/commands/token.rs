//! Access tokens: make one dead before its end, get one for the office.

use alcaide_control::OrderView;
use alcaide_inventory::Name;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::{Desk, Exit};
use crate::client::segment;
use crate::fail::Failure;

/// `alcaide token …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print a person's token for the office, for the console, the API or `ALCAIDE_OFFICE_TOKEN`
    #[command(after_help = "Example: alcaide token office ana")]
    Office {
        /// Handle of the person
        human: Name,
        /// Seconds that the token lives, 1 to 900
        #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=900))]
        life: u64,
    },
    /// Make a token, and all that were exchanged for it, dead at once
    #[command(after_help = "Example: alcaide token revoke tok_01jd9z0000000000000000000")]
    Revoke {
        /// Id of the token
        id: String,
    },
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Office { human, life } => {
                let asked = json!({ "human": format!("human/{human}"), "life_s": life });
                let token: Value = desk.client()?.post("/api/v1/office_tokens", &asked, None).await?;
                desk.out.show(&token, || {
                    let text = token.get("access_token").and_then(Value::as_str).unwrap_or_default();
                    format!("{text}\n")
                })?;
            }
            Self::Revoke { id } => {
                let path = format!("/api/v1/tokens/{}/revoke", segment(&id)?);
                let given: OrderView = desk.client()?.post_empty(&path).await?;
                desk.out.show(&given, || {
                    format!("token {id} is revoked, by order {} (entry {})\n", given.id, given.index)
                })?;
            }
        }
        Ok(Exit::Clean)
    }
}
