//! Which file a command means, what of the file system it needs to start, and which variables it gets.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Most links and interpreters that are followed from a command.
const STEPS_MAX: usize = 32;
/// Longest first line of a script that is read, in bytes; what Linux reads.
const LINE_BYTES_MAX: u64 = 256;
/// Where commands are looked for if no path is set.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Variables that pass from whoever runs the command: language, terminal, where programs and modules lie. Nothing else
/// does, because tokens and keys travel in variables.
const PASSED: &[&str] = &[
    "COLORTERM",
    "FORCE_COLOR",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NODE_PATH",
    "NO_COLOR",
    "PATH",
    "PYTHONPATH",
    "PYTHONUNBUFFERED",
    "SHELL",
    "TERM",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
];

/// A program and what it must be able to read to start.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) program: PathBuf,
    pub(crate) read: Vec<PathBuf>,
}

/// Finds a command as a shell does, and with it the installations that it is started from: of the file itself, of
/// each link on the way to it, and of the interpreter that its first line names.
///
/// # Errors
/// In words, if there is none.
pub(crate) fn find(command: &OsStr, here: &Path, home: Option<&Path>) -> Result<Found, String> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| PATH.into());
    let program = look_up(command, here, &path).ok_or_else(|| {
        format!("there is no program `{}`", command.to_string_lossy().chars().take(200).collect::<String>())
    })?;
    let mut read = Vec::new();
    let mut next = vec![program.clone()];
    let mut steps = 0;
    while let Some(file) = next.pop() {
        steps += 1;
        if steps > STEPS_MAX {
            return Err("the program is a link or script that leads in circles".into());
        }
        read.push(installation(&file, home));
        if let Ok(target) = std::fs::read_link(&file) {
            next.push(file.parent().unwrap_or(Path::new("/")).join(target));
        } else {
            next.extend(interpreter(&file, here, &path));
        }
        // A folder on the way may be a link itself.
        if let Ok(real) = file.canonicalize() {
            read.push(installation(&real, home));
        }
    }
    read.retain(|path| path.exists());
    read.sort();
    read.dedup();
    Ok(Found { program, read })
}

/// Whether a folder may be granted although nobody named it: not `/`, not a home or what lies above one.
pub(crate) fn may_grant(folder: &Path, home: Option<&Path>) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let folder = real(folder);
    folder.parent().is_some() && home.is_none_or(|home| !real(home).starts_with(&folder))
}

/// The variables of a program.
///
/// # Errors
/// In words, if one that was asked for is not set.
pub(crate) fn environment(
    asked: &[OsString],
    relay: SocketAddr,
    placeholder: &str,
    scratch: &Path,
) -> Result<Vec<(OsString, OsString)>, String> {
    let passes =
        |name: &OsStr| PASSED.iter().any(|known| name == *known) || name.as_bytes().starts_with(b"LC_");
    let mut all: Vec<(OsString, OsString)> = std::env::vars_os().filter(|(name, _)| passes(name)).collect();
    let gate = format!("http://{relay}");
    let own = [
        ("ALCAIDE_GATE", gate.clone()),
        ("ALCAIDE_MCP_URL", format!("{gate}/mcp")),
        ("ALCAIDE_TOKEN", placeholder.to_owned()),
        ("ANTHROPIC_API_KEY", placeholder.to_owned()),
        ("ANTHROPIC_AUTH_TOKEN", placeholder.to_owned()),
        ("ANTHROPIC_BASE_URL", format!("{gate}/anthropic")),
        ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ("OPENAI_API_KEY", placeholder.to_owned()),
        ("OPENAI_BASE_URL", format!("{gate}/v1")),
        ("no_proxy", "127.0.0.1,localhost".to_owned()),
    ];
    all.extend(own.map(|(name, value)| (name.into(), value.into())));
    all.push(("TMPDIR".into(), scratch.into()));
    for word in asked {
        let bytes = word.as_bytes();
        let pair = match bytes.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let (name, value) = bytes.split_at(at);
                let value = value.strip_prefix(b"=").unwrap_or_default();
                (OsStr::from_bytes(name).to_owned(), OsStr::from_bytes(value).to_owned())
            }
            None => {
                let shown = || word.to_string_lossy().chars().take(80).collect::<String>();
                let value =
                    std::env::var_os(word).ok_or_else(|| format!("the variable `{}` is not set", shown()))?;
                (word.clone(), value)
            }
        };
        all.retain(|(name, _)| *name != pair.0);
        all.push(pair);
    }
    Ok(all)
}

fn look_up(command: &OsStr, here: &Path, path: &OsStr) -> Option<PathBuf> {
    let executable =
        |file: &PathBuf| file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    if command.as_bytes().contains(&b'/') {
        return Some(here.join(command)).filter(executable);
    }
    if command.is_empty() {
        return None;
    }
    std::env::split_paths(path).map(|folder| here.join(folder).join(command)).find(executable)
}

/// The folder that a program's parts lie in: above `bin` and its like, unless that is a home or the system; else the
/// file alone.
fn installation(file: &Path, home: Option<&Path>) -> PathBuf {
    let folder = file.parent();
    let is_bin = folder
        .and_then(Path::file_name)
        .and_then(OsStr::to_str)
        .is_some_and(|name| matches!(name, "bin" | "sbin" | "libexec" | "shims" | "Scripts"));
    match folder.and_then(Path::parent) {
        Some(prefix) if is_bin && prefix.parent().is_some() && may_grant(prefix, home) => {
            prefix.to_path_buf()
        }
        _ => file.to_path_buf(),
    }
}

/// What the first line of a script names; with `env`, the program that it would find.
fn interpreter(file: &Path, here: &Path, path: &OsStr) -> Vec<PathBuf> {
    let mut line = Vec::new();
    let read = File::open(file).and_then(|file| file.take(LINE_BYTES_MAX).read_to_end(&mut line));
    let Some(line) = read.ok().and_then(|_| line.strip_prefix(b"#!".as_slice())) else { return Vec::new() };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| OsString::from_vec(word.to_vec()));
    let Some(first) = words.next() else { return Vec::new() };
    let mut found = vec![here.join(&first)];
    if Path::new(&first).file_name() == Some(OsStr::new("env")) {
        let named = words.find(|word| !word.as_bytes().starts_with(b"-") && !word.as_bytes().contains(&b'='));
        found.extend(named.and_then(|name| look_up(&name, here, path)));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn script(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_program_brings_its_installation_its_links_and_its_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let real = root.join("versions/3/bin/snake3");
        script(&real, "#!/bin/sh\n");
        std::fs::create_dir_all(root.join("venv/bin")).unwrap();
        symlink(&real, root.join("venv/bin/snake")).unwrap();
        let tool = root.join("work/tool");
        script(&tool, &format!("#!{}/venv/bin/snake -x\nhello", root.display()));

        let found = find(OsStr::new("./tool"), &root.join("work"), None).unwrap();
        assert_eq!(found.program, root.join("work/./tool"));
        for part in ["work/tool", "venv", "versions/3"] {
            assert!(found.read.contains(&root.join(part)), "{part}: {:?}", found.read);
        }
        assert!(!found.read.iter().any(|path| root.starts_with(path)), "{:?}", found.read);

        // Programs that lie in a home are granted alone, not with the home.
        let home = root.join("home");
        script(&home.join("bin/mine"), "#!/usr/bin/env -S sh -e\n");
        let found = find(home.join("bin/mine").as_os_str(), &root, Some(&home)).unwrap();
        assert!(found.read.contains(&home.join("bin/mine")) && !found.read.contains(&home));
        assert!(
            !may_grant(&home, Some(&home))
                && !may_grant(&root, Some(&home))
                && !may_grant(Path::new("/"), None)
        );
        assert!(may_grant(&home.join("project"), Some(&home)));
    }

    #[test]
    fn what_is_no_program_is_said_and_circles_end() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path();
        std::fs::write(here.join("plain"), "text").unwrap();
        script(&here.join("loop"), &format!("#!{}/loop\n", here.display()));
        for none in ["", "no-such-program-at-all", "./plain", "./absent", "/"] {
            assert!(find(OsStr::new(none), here, None).is_err(), "{none}");
        }
        assert!(find(OsStr::new("./loop"), here, None).unwrap_err().contains("circles"));
    }

    #[test]
    fn variables_are_those_that_were_named_and_no_others() {
        let relay = "127.0.0.1:4321".parse().unwrap();
        let asked = ["EXTRA=a=b".into(), "OPENAI_API_KEY=own".into(), "CARGO_MANIFEST_DIR".into()];
        let all = environment(&asked, relay, "key-of-this-run", Path::new("/tmp/x")).unwrap();
        let value = |name: &str| {
            let found: Vec<_> = all.iter().filter(|(known, _)| known == name).collect();
            assert!(found.len() <= 1, "{name} twice");
            found.first().map(|(_, value)| value.to_str().unwrap().to_owned())
        };
        assert_eq!(value("OPENAI_BASE_URL").unwrap(), "http://127.0.0.1:4321/v1");
        assert_eq!(value("ANTHROPIC_BASE_URL").unwrap(), "http://127.0.0.1:4321/anthropic");
        assert_eq!(value("ANTHROPIC_API_KEY").unwrap(), "key-of-this-run");
        assert_eq!(value("TMPDIR").unwrap(), "/tmp/x");
        assert_eq!(value("EXTRA").unwrap(), "a=b");
        assert_eq!(value("OPENAI_API_KEY").unwrap(), "own");
        assert!(value("CARGO_MANIFEST_DIR").is_some() && value("CARGO_PKG_NAME").is_none());
        assert!(environment(&["NOT_SET_AT_ALL".into()], relay, "k", Path::new("/")).is_err());
    }
}
