//! `completion`: a script that completes commands and options in a shell.

use clap::Args;
use clap_complete::Shell;

use crate::cli::{self, Desk, Exit};
use crate::fail::Failure;

/// `alcaide completion`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example: alcaide completion bash > ~/.local/share/bash-completion/completions/alcaide"
)]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut cli::command(), "alcaide", &mut script);
        desk.out.text(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Clean)
    }
}
