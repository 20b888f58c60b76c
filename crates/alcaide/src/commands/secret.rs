//! Upstream secrets. They come in on standard input or from a file, never on the command line, and are never shown.

use std::io::{IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use alcaide_control::{Applied, SecretView};
use alcaide_inventory::Name;
use alcaide_seal::SecretText;
use clap::Subcommand;
use http::Method;
use serde::Serialize;
use serde_json::Value;

use super::plan::confirmed;
use crate::cli::{Desk, Exit};
use crate::fail::{Failure, SECRET_INPUT, WORD};

/// Longest input that is read, in bytes: a secret has at most 65,536, and a line break may follow.
const INPUT_BYTES_MAX: u64 = 65_536 + 3;

/// `alcaide secret …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Seal a secret, or put a new one in its place; one line break at its end is not part of it
    #[command(after_help = "Example: alcaide secret set openai-key < key.txt")]
    Set {
        /// Its name, as declarations of upstreams refer to it
        name: Name,
        /// Read it from a file in place of standard input
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// List the names of secrets, and who uses them
    #[command(after_help = "Example: alcaide secret list")]
    List,
    /// Remove a secret that no upstream refers to
    #[command(after_help = "Example: alcaide secret remove openai-key --yes")]
    Remove {
        /// Its name
        name: Name,
        /// Do it
        #[arg(long)]
        yes: bool,
        /// Only show what would be removed, and whether it may be
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
    },
}

#[derive(Serialize)]
struct NewSecret<'a> {
    value: &'a str,
}

impl Verb {
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let client = desk.client()?;
        match self {
            Self::Set { name, from_file } => {
                let secret = match from_file {
                    Some(path) => {
                        let file = std::fs::File::open(&path)
                            .map_err(|error| Failure::file("read", &path, &error))?;
                        read(file, &path)?
                    }
                    None if std::io::stdin().is_terminal() => {
                        return Err(Failure::new(&SECRET_INPUT, "the secret was not read")
                            .why("standard input is a terminal, which would show it"));
                    }
                    None => read(std::io::stdin(), Path::new("standard input"))?,
                };
                let body = NewSecret { value: secret.expose() };
                let sealed: Value =
                    client.send(Method::PUT, &format!("/api/v1/secrets/{name}"), Some(&body), None).await?;
                desk.out.show(&sealed, || format!("secret `{name}` is sealed\n"))?;
            }
            Self::List => {
                let all: Vec<SecretView> = client.get("/api/v1/secrets").await?;
                desk.out.show(&all, || {
                    let rows: Vec<_> = all.iter().map(row).collect();
                    desk.out.table(
                        &["NAME", "USED BY", "ID"],
                        &rows,
                        "no secrets; seal one with `alcaide secret set`",
                    )
                })?;
            }
            Self::Remove { name, dry_run: true, .. } => {
                let all: Vec<SecretView> = client.get("/api/v1/secrets").await?;
                let found = all.iter().find(|one| one.name == name).ok_or_else(|| {
                    Failure::new(&WORD, format!("there is no secret `{name}`"))
                        .fix("see `alcaide secret list`")
                })?;
                desk.out.show(found, || desk.out.table(&["NAME", "USED BY", "ID"], &[row(found)], ""))?;
                return Ok(Exit::unless(!found.used_by.is_empty()));
            }
            Self::Remove { name, yes, .. } => {
                confirmed(yes, &format!("the secret `{name}` would be removed"))?;
                let path = format!("/api/v1/secrets/{name}");
                let applied: Applied = client.send(Method::DELETE, &path, None::<&Value>, None).await?;
                desk.out.show(&applied, || format!("secret `{name}` is removed\n"))?;
            }
        }
        Ok(Exit::Clean)
    }
}

fn row(secret: &SecretView) -> Vec<String> {
    let users = secret.used_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    vec![secret.name.to_string(), if users.is_empty() { "-".into() } else { users }, secret.id.to_string()]
}

/// Reads a secret; whoever takes it judges its form.
pub(crate) fn read(from: impl Read, place: &Path) -> Result<SecretText, Failure> {
    let mut text = String::new();
    let read = from.take(INPUT_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::file("read", place, &error))?;
    let end =
        text.strip_suffix('\n').map_or(text.len(), |rest| rest.strip_suffix('\r').unwrap_or(rest).len());
    text.truncate(end);
    if text.is_empty() {
        return Err(Failure::new(&SECRET_INPUT, "the secret was not read")
            .at(place.display())
            .why("it is empty"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_is_not_part_of_a_secret() {
        let read =
            |text: &str| read(text.as_bytes(), Path::new("x")).map(|secret| secret.expose().to_owned());
        assert_eq!(read("key\n").unwrap(), "key");
        assert_eq!(read("key\r\n").unwrap(), "key");
        assert_eq!(read("key\n\n").unwrap(), "key\n");
        assert_eq!(read("key").unwrap(), "key");
        for empty in ["", "\n", "\r\n"] {
            assert_eq!(read(empty).unwrap_err().parts[0].code, "ALC-CLI-0015");
        }
    }
}
