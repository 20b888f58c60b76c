//! What calling a name does, where it is known: the lines of the table of effects that hold for programs.

use crate::packs;
use crate::rules;

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
        || name.len() > PATH_MAX
    {
        return None;
    }
    let reached = tail(name);
    let known = |path: &str| packs::effect_in_code(path).and_then(|rule| of_rule(rule.id.as_str()));
    known(name).max(reached.and_then(known))
}

/// The part of a path that begins at a module of Python itself which another module imported.
pub(crate) fn tail(name: &str) -> Option<&str> {
    const SHARP: &[&str] = &[
        "os",
        "subprocess",
        "importlib",
        "builtins",
        "pty",
        "runpy",
        "commands",
        "ctypes",
        "pickle",
        "marshal",
    ];
    name.match_indices('.')
        .take(16)
        .filter_map(|(dot, _)| name.get(dot + 1..))
        .find(|rest| rest.split_once('.').is_some_and(|(module, _)| SHARP.contains(&module)))
}

/// Longer paths are no names of anything.
const PATH_MAX: usize = 200;

fn of_rule(id: &str) -> Option<Effect> {
    const RULES: [(&rules::Rule, Effect); 7] = [
        (&rules::STARTS_PROCESS, Effect::Runs),
        (&rules::EVALUATES_CODE, Effect::Runs),
        (&rules::IMPORTS_MODULE, Effect::Runs),
        (&rules::UNPICKLES_AGAIN, Effect::Unpickles),
        (&rules::LOADS_NATIVE, Effect::Native),
        (&rules::REACHES_NETWORK, Effect::Network),
        (&rules::WRITES_FILE, Effect::Files),
    ];
    RULES.iter().find(|(rule, _)| rule.id.as_str() == id).map(|(_, effect)| *effect)
}

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
        assert_eq!(effect("ctypes.cdll.LoadLibrary"), Some(Effect::Native));
        assert_eq!(effect("torch.load"), Some(Effect::Unpickles));
        assert_eq!(effect("torch.nn.Linear"), None);
        assert_eq!(effect("six.moves.urllib.request.urlopen"), Some(Effect::Network));
    }

    #[test]
    fn what_no_model_needs_is_known_in_programs_and_what_it_needs_is_let_be() {
        for name in [
            "numpy.testing._private.utils.runstring",
            "numpy.f2py.crackfortran.myeval",
            "torch.utils.collect_env.run",
            "torch.jit.unsupported_tensor_ops.execWrapper",
            "torch.fx.graph_module._forward_from_src",
            "pandas.eval",
            "numexpr.evaluate",
            "idlelib.pyshell.ModifiedInterpreter",
            "torch.serialization.os.system",
        ] {
            assert_eq!(effect(name), Some(Effect::Runs), "{name}");
        }
        for name in [
            "torch.jit.script",
            "torch.fx.wrap",
            "functools.wraps",
            "contextlib.contextmanager",
            "importlib.util.find_spec",
            "os.environ.get",
            "os.makedirs",
            "logging.getLogger",
            "inspect.signature",
            "hydra.main",
            "transformers.AutoModel.from_pretrained",
            "torch.distributed.is_initialized",
            "typing.get_type_hints",
            "warnings.filterwarnings",
            "sys.path.append",
            "numpy.testing.assert_allclose",
            "re.compile",
        ] {
            assert_eq!(effect(name), None, "{name}");
        }
    }
}
