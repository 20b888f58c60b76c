//! How is another program run? As a named step: its time printed, its failure told with the way to run it again.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The folder of the root manifest.
///
/// # Errors
/// When this program was built somewhere that has no parent folder, or the folder is gone.
pub(crate) fn workspace_root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = own.parent().context("the folder of xtask has no parent")?;
    root.canonicalize().with_context(|| format!("`{}` cannot be reached", root.display()))
}

/// A command in `root`, without the variables that `cargo run` sets for this program alone: left in place they would
/// look like changed inputs to build scripts, and rebuild what need not be rebuilt.
pub(crate) fn command(root: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || name == "CARGO_CRATE_NAME"
        });
        if own {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs `command` with its output shown as it comes, on standard error, and tells how long it took.
///
/// # Errors
/// When the program cannot be started or ends with anything but zero.
pub(crate) fn run(name: &str, mut command: Command) -> Result<()> {
    let (text, begun) = announce(name, &command);
    let status = command.stdout(Stdio::from(std::io::stderr())).status();
    let status = status.with_context(|| format!("`{text}` could not be started"))?;
    conclude(name, begun, status.success());
    if status.success() { Ok(()) } else { bail!("step `{name}` failed ({status}); to repeat it: {text}") }
}

/// As [`run`], with standard output shown and also handed line by line to `seen`.
///
/// # Errors
/// As [`run`]; also when the output cannot be read.
pub(crate) fn run_watched(name: &str, mut command: Command, mut seen: impl FnMut(&str)) -> Result<()> {
    let (text, begun) = announce(name, &command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("`{text}` could not be started"))?;
    let output = child.stdout.take().context("a piped output is missing")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.with_context(|| format!("the output of `{text}` could not be read"))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        seen(&line);
    }
    let status = child.wait().with_context(|| format!("`{text}` could not be waited for"))?;
    conclude(name, begun, status.success());
    if status.success() { Ok(()) } else { bail!("step `{name}` failed ({status}); to repeat it: {text}") }
}

/// Standard output of `command`, which must end well.
///
/// # Errors
/// When the program cannot be started or fails; the message holds the end of what it said.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let text = shown(&command);
    let output = command.output().with_context(|| format!("`{text}` could not be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n");
        bail!("`{text}` failed ({}): {last}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `command` can be started and ends well; its output is dropped.
pub(crate) fn succeeds(mut command: Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn announce(name: &str, command: &Command) -> (String, Instant) {
    let text = shown(command);
    // What happens goes to standard error: a benchmark's standard output is its result.
    eprintln!("--- {name}: {text}");
    (text, Instant::now())
}

fn conclude(name: &str, begun: Instant, well: bool) {
    let state = if well { "done" } else { "failed" };
    eprintln!("--- {name}: {state} in {:.1} s", begun.elapsed().as_secs_f64());
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_names_itself_and_how_to_repeat_it() {
        let error = run("broken", command(Path::new("."), "false")).unwrap_err();
        assert_eq!(error.to_string(), "step `broken` failed (exit status: 1); to repeat it: false");
    }

    #[test]
    fn watched_output_arrives_by_line_and_a_missing_program_is_named() {
        let mut echo = command(Path::new("."), "printf");
        echo.arg("a\\nb\\n");
        let mut lines = Vec::new();
        run_watched("echo", echo, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["a", "b"]);

        let error = output(command(Path::new("."), "no-such-program")).unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program` could not be started");
    }
}
