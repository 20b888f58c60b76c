//! What does a text or the head of a payload hold that does not belong there?

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// What of a program `text` holds; none if nothing that is sure.
///
/// Words alone are not enough: vocabularies, documentation and names hold them, too. Each sign is a call with its
/// punctuation, or several words that together are a command.
pub(super) fn code(text: &[u8]) -> Option<&'static str> {
    let mut classes = false;
    for found in FINDER.as_ref()?.find_overlapping_iter(text) {
        let (_, what) = SIGNS.get(found.pattern().as_usize())?;
        match *what {
            CLASS => classes = true,
            WALK if !classes && !holds(text, b"__class__") => {}
            what => return Some(what),
        }
    }
    None
}

static FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder().ascii_case_insensitive(true).build(SIGNS.iter().map(|(sign, _)| sign)).ok()
});

const IMPORT: &str = "an import by name";
const START: &str = "a call that starts a program";
const DECODE: &str = "a call that runs what it decodes";
const REACH: &str = "Python that imports what reaches outside";
const TEXT: &str = "a call that runs text";
const PAGE: &str = "a script of a page";
const SHELL: &str = "a command of a shell";
const CLASS: &str = "the class of an object";
const WALK: &str = "a walk from an object to all classes";

const SIGNS: &[(&str, &str)] = &[
    ("__import__(", IMPORT),
    ("importlib.import_module(", IMPORT),
    ("os.system(", START),
    ("os.popen(", START),
    ("os.execv", START),
    ("os.spawn", START),
    ("subprocess.popen", START),
    ("subprocess.run(", START),
    ("subprocess.call(", START),
    ("subprocess.check_", START),
    ("subprocess.getoutput", START),
    ("pty.spawn(", START),
    ("commands.getoutput(", START),
    ("runtime.getruntime(", START),
    ("processbuilder(", START),
    ("eval(compile(", DECODE),
    ("exec(compile(", DECODE),
    ("exec(base64", DECODE),
    ("eval(base64", DECODE),
    ("exec(open(", DECODE),
    ("eval(open(", DECODE),
    ("marshal.loads(", DECODE),
    ("pickle.loads(", DECODE),
    ("import os\n", REACH),
    ("import os;", REACH),
    ("import socket;", REACH),
    ("import socket\n", REACH),
    ("import subprocess", REACH),
    ("exec(\"", TEXT),
    ("exec('", TEXT),
    ("eval(\"", TEXT),
    ("eval('", TEXT),
    ("<script", PAGE),
    ("javascript:", PAGE),
    ("/bin/sh -", SHELL),
    ("/bin/bash -", SHELL),
    ("| sh\n", SHELL),
    ("|sh\n", SHELL),
    ("| bash", SHELL),
    ("|bash", SHELL),
    ("powershell -", SHELL),
    ("cmd.exe /c", SHELL),
    ("/dev/tcp/", SHELL),
    ("__class__", CLASS),
    ("__mro__", WALK),
    ("__subclasses__", WALK),
    ("__globals__", WALK),
];

/// Whether `bytes` hold `sign` anywhere.
pub(super) fn holds(bytes: &[u8], sign: &[u8]) -> bool {
    bytes.windows(sign.len().max(1)).any(|window| window == sign)
}

/// Which kind of program `head`, the first bytes of a payload, begins.
pub(super) fn executable(head: &[u8]) -> Option<&'static str> {
    match head {
        // Class, byte order and version must fit as well: four bytes alone occur among numbers.
        [0x7f, b'E', b'L', b'F', 1 | 2, 1 | 2, 1, ..] => Some("an ELF program or library"),
        [b'M', b'Z', ..] => {
            let at = head
                .get(0x3c..0x40)
                .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
                .map(u32::from_le_bytes)?;
            let at = usize::try_from(at).ok()?;
            (head.get(at..)?.starts_with(b"PE\0\0")).then_some("a Windows program or library")
        }
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, 0, 0, 0, _, ..]
        | [0xce | 0xcf, 0xfa, 0xed, 0xfe, _, 0, 0, 0 | 1, ..] => Some("a Mach-O program or library"),
        [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, ..] => Some("a Java class or a Mach-O program"),
        [b'#', b'!', b'/', ..] => Some("a script"),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Some("a WebAssembly module"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_and_words_are_not() {
        for text in [
            "x = __import__('os')",
            "import os; os.getcwd()",
            "exec(base64.b64decode(x))",
            "<SCRIPT>1</script>",
            "curl x | bash",
        ] {
            assert!(code(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "eval",
            "import",
            "evaluation (eval) mode",
            "os",
            "system",
            "Executes the graph",
            "exec",
            "the subprocess pool",
        ] {
            assert!(code(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn programs_are_told_by_more_than_their_first_letters() {
        assert!(executable(b"\x7fELF\x02\x01\x01\0").is_some());
        assert!(executable(b"\x7fELF\x09\x01\x01\0").is_none());
        let mut windows = vec![0; 0x44];
        windows[..2].copy_from_slice(b"MZ");
        assert!(executable(&windows).is_none());
        windows[0x3c] = 0x40;
        windows[0x40..].copy_from_slice(b"PE\0\0");
        assert!(executable(&windows).is_some());
        assert!(executable(b"MZ").is_none());
    }
}
