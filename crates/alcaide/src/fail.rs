//! What the command line says when it does not do what was asked: what happened, where, why, what to do, and a code.
//!
//! Codes of the command line itself stand in [`CODES`]; those of the office come with its problem documents and are
//! passed on. A code has one exit status: 0 done and clean, 1 done with findings or refusal, 2 wrong usage or
//! settings, 3 outside failure, 4 our fault.

use std::fmt;
use std::path::Path;

use alcaide_control::{Blame, Fault, OfficeError, visible_line};
use alcaide_keys::KeysError;
use alcaide_ledger::LedgerError;
use serde::Deserialize;

use crate::begin::BeginError;
use crate::listeners::TlsFilesError;

/// What one code of the command line means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CliCode {
    pub(crate) code: &'static str,
    /// Exit status of a command that ends with it.
    pub(crate) exit: u8,
    pub(crate) title: &'static str,
    pub(crate) what: &'static str,
    pub(crate) why: &'static str,
    pub(crate) cure: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $exit:literal, $title:literal, $what:literal, $why:literal, $cure:literal;)*) => {
        $(pub(crate) static $name: CliCode = CliCode {
            code: $code, exit: $exit, title: $title, what: $what, why: $why, cure: $cure,
        };)*
        /// All codes of the command line.
        pub(crate) static CODES: &[&CliCode] = &[$(&$name),*];
    };
}

codes! {
    USAGE = "ALC-CLI-0001", 2, "usage not understood", "a command, option or value is not known", "what is not clear is not done", "see `--help` of the command";
    THERE = "ALC-CLI-0002", 2, "data directory is there already", "`--init` was given for a finished data directory", "state is never begun twice", "start it without `--init`, or name another folder";
    NOT_THERE = "ALC-CLI-0003", 2, "no data directory", "there is no finished data directory, or it is of another version", "state is never begun by accident", "begin it with `alcaide up --init`";
    SETTINGS = "ALC-CLI-0004", 2, "settings not accepted", "the settings file is not understood, or a value is out of its bounds", "an unknown key is refused, so that a misspelt limit never means none", "mend the place that is named; `alcaide config show --default` shows every key";
    UNREACHABLE = "ALC-CLI-0005", 3, "office not reachable", "nobody answers at the office's socket or URL", "the office runs within `alcaide up`", "start it with `alcaide up`, or name its place with `--data-dir` or `--url`";
    ANSWER = "ALC-CLI-0006", 3, "answer not understood", "what answered did not answer as an office of this version does", "another program or version may listen there", "compare `alcaide --version` with that of the service";
    CONFIRM = "ALC-CLI-0007", 2, "not confirmed", "the command takes something away and was not confirmed", "what cannot simply be undone is asked for twice", "add `--yes`";
    FILE = "ALC-CLI-0008", 3, "file could not be read or written", "the system refused to read or write a file", "see what the system said", "check path, permissions and free space";
    FOLDER = "ALC-CLI-0009", 1, "declarations cannot be read", "a file of the folder is not of the declaration format", "a folder is read whole or not at all", "mend the place that is named; `alcaide declare example` shows the format";
    RECORD = "ALC-CLI-0010", 1, "the record does not verify", "an entry, a hash or the signature of the ledger is not what it must be", "the record was damaged or changed after it was written, or the key is another log's", "keep a copy of the folder as evidence, then restore it from a backup";
    PROOF = "ALC-CLI-0011", 1, "the proof does not hold", "the entry, the path or the signed checkpoint do not fit each other", "the proof was changed, or is of another log", "get the proof again with `alcaide log prove`";
    LOG_KEY = "ALC-CLI-0012", 2, "no verifier key", "the key of the log was not given or not understood", "a record proves nothing without a key that is trusted beforehand", "give `--key` with what `alcaide log key` printed on the machine of the log";
    WORD = "ALC-CLI-0013", 2, "name or id not of the right form", "a name, id, grant or number breaks the rule for its kind", "names are lower case: `a-z`, `0-9`, `-`, `_` and `.`", "look it up in the list";
    FIRST = "ALC-CLI-0014", 1, "something must be declared first", "an agent needs a unit and a living owner", "every agent has somebody who answers for it", "run the commands that are listed, or add `--create-missing`";
    SECRET_INPUT = "ALC-CLI-0015", 2, "secret not given", "no secret came in on standard input or from a file", "a secret on a command line would be seen by others and kept in the shell's history", "pipe it in, or use `--from-file`";
    START = "ALC-CLI-0016", 3, "the service could not start", "an address, socket or folder could not be had", "another process may hold it", "stop the other process, or choose another place";
    INTERNAL = "ALC-CLI-0017", 4, "the service failed", "something that should hold did not", "this is a fault of the program or its disk", "keep the message and see `alcaide doctor`";
    REMOTE = "ALC-CLI-0018", 2, "remote office not accepted", "the URL or token of a remote office is missing or unsafe", "a token sent in clear text over a network is stolen", "use `https://`, or `http://` on loopback, and set `ALCAIDE_OFFICE_TOKEN`";
    NO_AGENT = "ALC-CLI-0019", 1, "no such agent", "the plan in force has no agent of that name or id", "agents are named, other actors are not stopped by mistake", "see `alcaide agent list`";
    LOGGING = "ALC-CLI-0020", 2, "log filter not understood", "`ALCAIDE_LOG` is no list of filters", "a misspelt filter would silence the log", "write a level such as `info`, or `alcaide_gateway=debug,info`";
    NO_CODE = "ALC-CLI-0021", 2, "unknown code", "no code of that name is known", "codes are `ALC-AREA-NNNN`", "see the list that `alcaide explain` prints";
    IN_USE = "ALC-CLI-0022", 3, "data directory is in use", "another process holds the ledger", "one process writes a ledger", "stop the service first";
    LEDGER = "ALC-CLI-0023", 3, "the ledger cannot be opened", "the ledger is missing, damaged or of another format", "what was acknowledged must be readable before anything new is written", "run `alcaide log verify`, then restore from a backup";
    STORE = "ALC-CLI-0024", 3, "the store cannot be opened", "the database of the office is missing, damaged or newer than this program", "see what it said", "restore `office.db` from a backup, or use the newer program";
    CASES = "ALC-CLI-0025", 1, "policy examples failed", "an example came out otherwise than declared", "the policies in force decide otherwise", "mend the policy or the example";
    RUN_SPEC = "ALC-CLI-0026", 2, "program cannot be run as asked", "the program, a folder or a variable is not what it must be", "what is granted to a program is named exactly, and never the data directory", "mend what is named; `alcaide run --show` tells what a program would be held to";
    RUN_START = "ALC-CLI-0027", 3, "program was not started", "a process, folder or port could not be had, or a hidden folder could not be kept hidden", "a program is held to all that was asked, or not started", "see what the system said; `alcaide run --show` tells what this kernel can do";
    RUN_RELAY = "ALC-CLI-0028", 1, "call refused by the relay of the run", "a request to the relay of `alcaide run` did not carry the key of the run, or the gate did not answer", "each run has a key of its own, good at its own relay only", "use the key and the base URL that stand in the environment of the program";
    LINK_PIPE = "ALC-CLI-0040", 2, "link not printed", "a link to the console was asked for where standard output is no terminal", "whoever reads the link is that person: it does not go to a file or a pipe by mistake", "run it on a terminal, or add `--force-print`";
    LINK_WHOM = "ALC-CLI-0041", 2, "no person named", "it is not clear whom the link is for", "a link lets one person in", "name the person with `--human`";
    TLS_FILES = "ALC-CLI-0042", 2, "certificate or key not accepted", "a certificate or key file of the settings cannot be read or used, or others may read the key", "a listener without its own key would be anybody's", "mend the file that is named; `alcaide config check` tries it";
    RESTORE = "ALC-CLI-0043", 2, "backup not restored", "the data directory holds something already, or what was restored does not hold", "a restore never writes over anything, and what it made is no data directory until all of it was checked", "name an empty folder with `--data-dir`; see what was wrong with the backup";
    NOT_EMPTY = "ALC-CLI-0044", 2, "folder not taken as a data directory", "the folder holds something, and neither `format` nor the mark `unfinished` says that this program made it", "what `--init` did not begin itself it never removes", "name an empty or absent folder with `--data-dir`; of an older version's `--init` that did not end, remove the leavings by hand";
    OPEN = "ALC-CLI-0045", 2, "data directory is open to others", "others may enter the data directory, and the system does not let this user shut it", "whoever may enter could put keys and record of their own in the place of those that are there", "name a folder that belongs to the service's user with `--data-dir`, one below the shared folder for example";
    ENROLMENT = "ALC-CLI-0046", 3, "enrolment not known to be done", "the office's answer to an enrolment was lost or said that something failed, or the office has no such key", "an enrolment is used up once, and its entry may be in the record although the answer is not here", "ask again with `alcaide agent enrol NAME --resume --key-file FILE`";
    NO_SOLVER = "ALC-CLI-0049", 3, "no solver", "properties of policies are proved by cvc5, and there is none on this machine", "a proof is only as good as the program that searched for the counterexample, so none is made up", "install it, for example `apt-get install cvc5`, or name it with `--solver PATH`";
    MODEL_READER = "ALC-CLI-0050", 3, "no reader of model files", "the process that reads model files could not be started, or could not give up what it does not need", "files of strangers are parsed by a process that can do nothing else, or not at all", "see what the system said; `alcaide doctor` tells what this kernel can do";
    NO_MODEL = "ALC-CLI-0051", 1, "no such model or version", "the plan in force has no model of that name, or no such version of it is registered", "what nobody declared and registered cannot be released", "see `alcaide model list`; declare a `[[model]]`, then `alcaide model register`";
    MODEL_UNTOLD = "ALC-CLI-0052", 1, "nothing can be said of the model", "a file of it could not be read, hashed or listed", "a version is all of its files, or none", "make the files readable and plain; `alcaide model scan` says which cannot be looked into";
    EVIDENCE = "ALC-CLI-0053", 1, "evidence does not hold", "the envelope or its key cannot be read, its signature does not fit, or it does not count at that time", "what cannot be verified proves nothing", "ask the house that made it for its own copy and key: `alcaide evidence export`, `alcaide evidence key`";
    NO_PEER = "ALC-CLI-0060", 1, "no such peer", "the plan in force has no peer of that name", "another gate counts for nothing until it is declared", "see `alcaide peer list`";
    MODEL_KEY = "ALC-CLI-0061", 2, "key or certificate not accepted", "a key, a certificate, a revocation list or the name of a key is not what it must be, or does not open", "nothing is signed by half a key, and nobody is trusted by mistake", "mend what is named; `alcaide model keygen` makes a key";
    MODEL_TOKEN = "ALC-CLI-0062", 3, "token did not sign", "a PKCS#11 token or its library refused", "a key in a token is used by its own library alone", "see what the token's own tools say";
    MODEL_SIGNATURE = "ALC-CLI-0063", 1, "signature not believed", "a signature is damaged, of somebody who is not trusted, expired, revoked, or of fewer signers than are asked for", "a signature that is not clear is none", "do not use the model; ask the signer, or whoever named the keys";
    MODEL_FILES = "ALC-CLI-0064", 1, "files not signed, or not those that were signed", "a file is changed, missing, added, a link or under a name that cannot be signed", "a signature counts for every file of a model or for none", "do not use the model; fetch it and its signature again from their source";
}

/// One thing that went wrong, in the form that people read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    pub(crate) what: String,
    pub(crate) at: Option<String>,
    pub(crate) why: Option<String>,
    pub(crate) fix: String,
    pub(crate) code: String,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit status.
    pub(crate) exit: u8,
    /// First what went wrong as a whole, then each thing apart.
    pub(crate) parts: Vec<Part>,
}

impl Failure {
    /// A failure with a code of the command line.
    pub(crate) fn new(code: &'static CliCode, what: impl Into<String>) -> Self {
        let part =
            Part { what: what.into(), at: None, why: None, fix: code.cure.into(), code: code.code.into() };
        Self { exit: code.exit, parts: vec![part] }
    }

    /// A file that the system refused.
    pub(crate) fn file(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(&FILE, format!("could not {verb} a file")).at(path.display()).why(error)
    }

    /// The reader of standard output is gone: no error, nothing is said.
    pub(crate) const fn silent() -> Self {
        Self { exit: 0, parts: Vec::new() }
    }

    pub(crate) fn at(mut self, at: impl fmt::Display) -> Self {
        if let Some(part) = self.parts.first_mut() {
            part.at = Some(at.to_string());
        }
        self
    }

    pub(crate) fn why(mut self, why: impl fmt::Display) -> Self {
        if let Some(part) = self.parts.first_mut() {
            part.why = Some(why.to_string());
        }
        self
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        if let Some(part) = self.parts.first_mut() {
            part.fix = fix.into();
        }
        self
    }

    pub(crate) fn and(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.parts.extend(parts);
        self
    }

    /// A problem document of the office (RFC 9457).
    pub(crate) fn problem(asked: &str, status: u16, problem: Problem) -> Self {
        let exit = match status {
            400 | 405 | 413 | 415 => 2,
            401..=499 if status != 429 => 1,
            429 | 502 | 503 | 504 => 3,
            _ => 4,
        };
        let first = Part {
            what: problem.title,
            at: Some(asked.to_owned()),
            why: problem.detail,
            fix: problem.help.unwrap_or_else(|| format!("see `alcaide explain {}`", problem.code)),
            code: problem.code,
        };
        let mut parts = vec![first];
        parts.extend(problem.faults.into_iter().map(Part::from));
        Self { exit, parts }
    }

    /// An error of the rooms, as the service or an offline command meets it.
    pub(crate) fn house(error: &anyhow::Error) -> Self {
        let said = |error: &dyn std::error::Error| {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text.push_str(": ");
                    text.push_str(&cause_text);
                }
                source = cause.source();
            }
            text
        };
        for cause in error.chain() {
            if let Some(found) = cause.downcast_ref::<KeysError>() {
                let fix = found.help();
                let part = Part {
                    what: "the keys could not be opened".into(),
                    at: None,
                    why: Some(said(found)),
                    fix,
                    code: found.code().into(),
                };
                return Self { exit: 3, parts: vec![part] };
            }
            if let Some(found) = cause.downcast_ref::<OfficeError>() {
                let exit = if found.blame() == Blame::Office { 4 } else { 1 };
                let part = Part {
                    what: "the office could not do it".into(),
                    at: None,
                    why: Some(said(found)),
                    fix: found.help(),
                    code: found.code().into(),
                };
                return Self { exit, parts: vec![part] };
            }
            if let Some(found) = cause.downcast_ref::<alcaide_serve::ListenError>() {
                return Self::new(&START, "the service could not listen").why(said(found)).fix(found.help());
            }
            if let Some(found) = cause.downcast_ref::<TlsFilesError>() {
                return Self::new(&TLS_FILES, TLS_FILES.title).why(found).fix(found.help());
            }
            if let Some(found) = cause.downcast_ref::<BeginError>() {
                let code = match found {
                    BeginError::NotEmpty { .. } => &NOT_EMPTY,
                    BeginError::Beginning { .. } => &IN_USE,
                    BeginError::Open { .. } => &OPEN,
                    BeginError::Io { .. } => &FILE,
                };
                return Self::new(code, code.title).why(found);
            }
            if let Some(found) = cause.downcast_ref::<LedgerError>() {
                let code = if matches!(found, LedgerError::InUse { .. }) { &IN_USE } else { &LEDGER };
                return Self::new(code, code.title).why(said(found));
            }
            if let Some(found) = cause.downcast_ref::<alcaide_store::StoreError>() {
                return Self::new(&STORE, STORE.title).why(said(found));
            }
        }
        Self::new(&INTERNAL, "the service failed").why(format!("{error:#}"))
    }

    /// Whether the other side looked at what was asked and said no, so that nothing was done.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self.exit, 1 | 2)
    }

    /// What went wrong, in one line, for a list of many.
    pub(crate) fn told(&self) -> String {
        let said = |part: &Part| format!("{} ({})", part.why.as_ref().unwrap_or(&part.what), part.code);
        self.parts.iter().map(said).collect::<Vec<_>>().join("; ")
    }

    /// Writes it to standard error; what cannot be written there is lost.
    pub(crate) fn print(&self, color: bool) {
        use std::io::Write as _;
        let mut text = String::new();
        for part in &self.parts {
            part.write(&mut text, color);
        }
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

impl Part {
    fn write(&self, out: &mut String, color: bool) {
        let (on, off) = if color { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        let mut line = |label: &str, text: &str| {
            out.push_str(label);
            out.push_str(": ");
            out.push_str(&shown(text));
            out.push('\n');
        };
        line(&format!("{on}error{off}"), &self.what);
        if let Some(at) = &self.at {
            line("   at", at);
        }
        if let Some(why) = &self.why {
            line("  why", why);
        }
        line("  fix", &self.fix);
        line(" code", &self.code);
    }
}

impl From<Fault> for Part {
    fn from(fault: Fault) -> Self {
        Self { what: fault.why, at: Some(fault.place), why: None, fix: fault.fix, code: fault.code }
    }
}

/// A problem document, as far as it is shown.
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    title: String,
    code: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    help: Option<String>,
    #[serde(default)]
    faults: Vec<Fault>,
}

/// Text from outside as a terminal may show it: one line, cut to a sane length, with all that no
/// screen shows written out.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 2_000;
    let kept: String = text.chars().take(CHARS_MAX).collect();
    visible_line(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_whole() {
        for pair in CODES.windows(2) {
            assert!(pair[0].code < pair[1].code, "{}", pair[1].code);
        }
        for code in CODES {
            assert!((1..=4).contains(&code.exit), "{}", code.code);
            for text in [code.title, code.what, code.why, code.cure] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", code.code);
            }
        }
    }

    #[test]
    fn what_no_screen_shows_does_not_reach_a_terminal() {
        let mut text = String::new();
        let what = "a\u{1b}[2Jb\nc\u{202e}".to_owned();
        Part { what, fix: "f".into(), code: "C".into(), ..Part::default() }.write(&mut text, false);
        assert_eq!(text, "error: a⟨U+001B⟩[2Jb⟨U+000A⟩c⟨U+202E⟩\n  fix: f\n code: C\n");
    }

    #[test]
    fn problems_keep_their_code_and_have_an_exit_status() {
        let exit = |status| {
            let problem: Problem = serde_json::from_str(r#"{"title":"t","code":"ALC-OFFICE-0001"}"#).unwrap();
            let failure = Failure::problem("GET /", status, problem);
            assert_eq!(failure.parts[0].code, "ALC-OFFICE-0001");
            assert_eq!(failure.parts[0].fix, "see `alcaide explain ALC-OFFICE-0001`");
            failure.exit
        };
        assert_eq!([400, 401, 403, 404, 409, 422, 429, 500, 503].map(exit), [2, 1, 1, 1, 1, 1, 3, 4, 3]);
    }
}
