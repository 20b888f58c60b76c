//! What calling a name does, where it is known.

/// What a call does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Effect {
    /// It removes or changes files.
    Files,
    /// It talks to others.
    Network,
    /// It loads machine code.
    Native,
    /// It makes objects out of bytes, and with them calls.
    Unpickles,
    /// It runs what it is given.
    Runs,
}

impl Effect {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "changes files",
            Self::Network => "opens a connection",
            Self::Native => "loads machine code",
            Self::Unpickles => "unpickles",
            Self::Runs => "runs commands or code",
        }
    }
}

/// What calling `name`, a dotted path from its module on, does.
pub(crate) fn effect(name: &str) -> Option<Effect> {
    let name = name.strip_prefix("six.moves.").unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    // Constants and errors of a module do nothing.
    if last.chars().all(|one| one.is_ascii_uppercase() || one == '_') && last.len() > 3 && last != "CDLL"
        || ["Error", "Exception", "Expired"].iter().any(|end| last.ends_with(end))
    {
        return None;
    }
    // What a module imported is reached through it as well.
    const SHARP: &[&str] =
        &["os", "subprocess", "importlib", "builtins", "pty", "runpy", "commands", "ctypes"];
    let reached = name
        .match_indices('.')
        .filter_map(|(dot, _)| name.get(dot + 1..))
        .find(|rest| rest.split_once('.').is_some_and(|(module, _)| SHARP.contains(&module)));
    let known = |name: &str| {
        TABLE
            .iter()
            .filter(|(path, _)| match path.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *path,
            })
            .map(|(_, effect)| *effect)
            .max()
    };
    known(name).max(reached.and_then(known))
}

/// Names that end with `*` stand for all that begin so.
const TABLE: &[(&str, Effect)] = &[
    ("os.system", Effect::Runs),
    ("os.popen*", Effect::Runs),
    ("os.exec*", Effect::Runs),
    ("os.spawn*", Effect::Runs),
    ("os.posix_spawn*", Effect::Runs),
    ("os.startfile", Effect::Runs),
    ("os.fork*", Effect::Runs),
    ("posix.system", Effect::Runs),
    ("posix.popen", Effect::Runs),
    ("posix.exec*", Effect::Runs),
    ("posix.spawn*", Effect::Runs),
    ("posix.posix_spawn*", Effect::Runs),
    ("nt.system", Effect::Runs),
    ("nt.startfile", Effect::Runs),
    ("nt.exec*", Effect::Runs),
    ("subprocess.*", Effect::Runs),
    ("_posixsubprocess.*", Effect::Runs),
    ("commands.*", Effect::Runs),
    ("popen2.*", Effect::Runs),
    ("pty.spawn", Effect::Runs),
    ("pexpect.*", Effect::Runs),
    ("sh.*", Effect::Runs),
    ("plumbum.*", Effect::Runs),
    ("asyncio.create_subprocess*", Effect::Runs),
    ("asyncio.subprocess.*", Effect::Runs),
    ("distutils.spawn.spawn", Effect::Runs),
    ("multiprocessing.util.spawnv_passfds", Effect::Runs),
    ("builtins.eval", Effect::Runs),
    ("builtins.exec", Effect::Runs),
    ("builtins.execfile", Effect::Runs),
    ("builtins.breakpoint", Effect::Runs),
    ("code.interact", Effect::Runs),
    ("code.Interactive*", Effect::Runs),
    ("codeop.*", Effect::Runs),
    ("runpy.*", Effect::Runs),
    ("imp.load_*", Effect::Runs),
    ("pdb.run*", Effect::Runs),
    ("bdb.*", Effect::Runs),
    ("profile.run*", Effect::Runs),
    ("cProfile.run*", Effect::Runs),
    ("timeit.timeit", Effect::Runs),
    ("timeit.repeat", Effect::Runs),
    ("trace.Trace*", Effect::Runs),
    ("doctest.*", Effect::Runs),
    ("idlelib.*", Effect::Runs),
    ("lib2to3.pgen2.*", Effect::Runs),
    ("pip.*", Effect::Runs),
    ("types.CodeType", Effect::Runs),
    ("types.FunctionType", Effect::Runs),
    ("marshal.load*", Effect::Runs),
    ("pydoc.pipepager", Effect::Runs),
    ("pydoc.tempfilepager", Effect::Runs),
    ("webbrowser.*", Effect::Runs),
    ("numpy.testing._private.utils.runstring", Effect::Runs),
    ("torch.hub.load", Effect::Runs),
    ("fabric.*", Effect::Runs),
    ("invoke.run", Effect::Runs),
    ("pickle.load*", Effect::Unpickles),
    ("pickle.Unpickler", Effect::Unpickles),
    ("_pickle.*", Effect::Unpickles),
    ("cPickle.*", Effect::Unpickles),
    ("pickle5.*", Effect::Unpickles),
    ("dill.load*", Effect::Unpickles),
    ("cloudpickle.load*", Effect::Unpickles),
    ("joblib.load", Effect::Unpickles),
    ("torch.load", Effect::Unpickles),
    ("pandas.read_pickle", Effect::Unpickles),
    ("shelve.open", Effect::Unpickles),
    ("jsonpickle.*", Effect::Unpickles),
    ("yaml.load", Effect::Unpickles),
    ("yaml.unsafe_load*", Effect::Unpickles),
    ("yaml.full_load*", Effect::Unpickles),
    ("socket.*", Effect::Network),
    ("_socket.*", Effect::Network),
    ("ssl.*", Effect::Network),
    ("urllib.request.*", Effect::Network),
    ("urllib.urlopen", Effect::Network),
    ("urllib.urlretrieve", Effect::Network),
    ("urllib2.*", Effect::Network),
    ("urllib3.*", Effect::Network),
    ("requests.*", Effect::Network),
    ("httpx.*", Effect::Network),
    ("aiohttp.*", Effect::Network),
    ("http.client.*", Effect::Network),
    ("ftplib.*", Effect::Network),
    ("smtplib.*", Effect::Network),
    ("poplib.*", Effect::Network),
    ("imaplib.*", Effect::Network),
    ("telnetlib.*", Effect::Network),
    ("paramiko.*", Effect::Network),
    ("websocket.*", Effect::Network),
    ("websockets.*", Effect::Network),
    ("xmlrpc.*", Effect::Network),
    ("wget.download", Effect::Network),
    ("pycurl.*", Effect::Network),
    ("ctypes.CDLL", Effect::Native),
    ("ctypes.PyDLL", Effect::Native),
    ("ctypes.WinDLL", Effect::Native),
    ("ctypes.cdll.*", Effect::Native),
    ("ctypes.windll.*", Effect::Native),
    ("cffi.*", Effect::Native),
    ("torch.ops.load_library", Effect::Native),
    ("torch.classes.load_library", Effect::Native),
    ("torch.utils.cpp_extension.load*", Effect::Native),
    ("tensorflow.load_op_library", Effect::Native),
    ("shutil.rmtree", Effect::Files),
    ("shutil.move", Effect::Files),
    ("shutil.copy*", Effect::Files),
    ("os.remove*", Effect::Files),
    ("os.unlink", Effect::Files),
    ("os.rename*", Effect::Files),
    ("os.replace", Effect::Files),
    ("os.chmod", Effect::Files),
    ("os.chown", Effect::Files),
    ("os.symlink", Effect::Files),
    ("os.link", Effect::Files),
    ("os.truncate", Effect::Files),
    ("os.rmdir", Effect::Files),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_unless_they_say_otherwise() {
        assert_eq!(effect("os.system"), Some(Effect::Runs));
        assert_eq!(effect("subprocess.Popen"), Some(Effect::Runs));
        assert_eq!(effect("os.path.join"), None);
        assert_eq!(effect("os.systematic"), None);
        assert_eq!(effect("subprocess.PIPE"), None);
        assert_eq!(effect("subprocess.TimeoutExpired"), None);
        assert_eq!(effect("ctypes.CDLL"), Some(Effect::Native));
        assert_eq!(effect("torch.load"), Some(Effect::Unpickles));
        assert_eq!(effect("torch.nn.Linear"), None);
        assert_eq!(effect("six.moves.urllib.request.urlopen"), Some(Effect::Network));
    }
}
