//! Client credentials: which keys an agent is known by.

use alcaide_control::CredentialView;
use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::agent::agent_id;
use super::plan::confirmed;
use crate::cli::{Desk, Exit};
use crate::client::segment;
use crate::fail::Failure;

/// `alcaide credential …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the client credentials of an agent
    #[command(after_help = "Example: alcaide credential list invoice-bot")]
    List {
        /// Name or id of the agent
        agent: String,
    },
    /// Remove a client credential; tokens issued to it live on to their end, minutes away
    #[command(after_help = "Example: alcaide credential remove crd_01jd9z0000000000000000000 --yes")]
    Remove {
        /// Id of the credential
        id: String,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::List { agent } => {
                let client = desk.client()?;
                let id = agent_id(&client, &agent).await?;
                let all: Vec<CredentialView> =
                    client.get(&format!("/api/v1/actors/{id}/credentials")).await?;
                desk.out.show(&all, || {
                    let row = |one: &CredentialView| {
                        vec![one.id.to_string(), one.enrolled.to_string(), one.key.to_string()]
                    };
                    let rows: Vec<_> = all.iter().map(row).collect();
                    desk.out.table(
                        &["CLIENT ID", "ENROLLED", "KEY"],
                        &rows,
                        "no credentials; see `alcaide agent enrol`",
                    )
                })?;
            }
            Self::Remove { id, yes } => {
                let path = format!("/api/v1/credentials/{}", segment(&id)?);
                confirmed(yes, &format!("the credential `{id}` would be removed"))?;
                let _: Value = desk.client()?.send(Method::DELETE, &path, None::<&Value>, None).await?;
                desk.out.show(&json!({ "removed": id }), || format!("credential {id} is removed\n"))?;
            }
        }
        Ok(Exit::Clean)
    }
}
