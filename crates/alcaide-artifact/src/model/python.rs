//! What may a callable of a Python module do? By the first name of the module.

/// What a module's callables can do to whoever calls them with arguments of a file's choice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// Run commands or code.
    Runs,
    /// Read or write files, or talk to other machines.
    Reaches,
    /// The module is not known to do either.
    Unknown,
}

/// The effect of a module by its dotted name.
pub(super) fn effect(module: &str) -> Effect {
    let module = module.trim_start_matches('.');
    let top = module.split('.').next().unwrap_or_default();
    if RUNS.contains(&top) || RUNS_WITHIN.iter().any(|within| is_within(module, within)) {
        Effect::Runs
    } else if REACHES.contains(&top) {
        Effect::Reaches
    } else {
        Effect::Unknown
    }
}

/// Whether `module` is `within` or a part of it.
pub(super) fn is_within(module: &str, within: &str) -> bool {
    module.strip_prefix(within).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Functions of `builtins` and their like that run or reach, also when they are named without their module.
pub(super) fn runs_by_name(name: &str) -> bool {
    matches!(
        name.rsplit('.').next().unwrap_or(name),
        "eval"
            | "exec"
            | "execfile"
            | "compile"
            | "__import__"
            | "import_module"
            | "getattr"
            | "setattr"
            | "delattr"
            | "globals"
            | "locals"
            | "vars"
            | "breakpoint"
            | "input"
            | "open"
            | "system"
            | "popen"
            | "Popen"
            | "check_output"
            | "check_call"
            | "getoutput"
            | "getstatusoutput"
            | "spawn"
            | "execv"
            | "execve"
            | "run_path"
            | "run_module"
            | "runstring"
    )
}

const RUNS: &[&str] = &[
    "IPython",
    "__builtin__",
    "__builtins__",
    "__main__",
    "_aix_support",
    "_bootsubprocess",
    "_ctypes",
    "_imp",
    "_operator",
    "_osx_support",
    "_pickle",
    "_posixsubprocess",
    "_pyrepl",
    "_thread",
    "_winapi",
    "_xxsubinterpreters",
    "aiohttp",
    "antigravity",
    "ast",
    "asyncio",
    "asyncore",
    "atexit",
    "bdb",
    "builtins",
    "cPickle",
    "cProfile",
    "cffi",
    "cgitb",
    "click",
    "cloudpickle",
    "cmd",
    "code",
    "codeop",
    "commands",
    "compileall",
    "concurrent",
    "copyreg",
    "ctypes",
    "cython",
    "Cython",
    "dill",
    "distutils",
    "docker",
    "doctest",
    "ensurepip",
    "execnet",
    "fabric",
    "fire",
    "functools",
    "gc",
    "hydra",
    "idlelib",
    "imp",
    "importlib",
    "inspect",
    "invoke",
    "jinja2",
    "joblib",
    "lib2to3",
    "mako",
    "marshal",
    "mlflow",
    "modulefinder",
    "multiprocess",
    "multiprocessing",
    "nt",
    "numba",
    "omegaconf",
    "operator",
    "os",
    "paramiko",
    "pdb",
    "pexpect",
    "pickle",
    "pickletools",
    "pip",
    "pipes",
    "pkg_resources",
    "pkgutil",
    "platform",
    "plumbum",
    "popen2",
    "posix",
    "posixpath",
    "profile",
    "pstats",
    "psutil",
    "pty",
    "py_compile",
    "pyclbr",
    "pydoc",
    "pytest",
    "pyximport",
    "ray",
    "rlcompleter",
    "runpy",
    "sched",
    "setuptools",
    "sh",
    "shelve",
    "shlex",
    "signal",
    "site",
    "sitecustomize",
    "sqlalchemy",
    "subprocess",
    "symtable",
    "sympy",
    "sys",
    "sysconfig",
    "test",
    "threading",
    "timeit",
    "tkinter",
    "torch",
    "trace",
    "traceback",
    "turtle",
    "turtledemo",
    "types",
    "typing_extensions",
    "unittest",
    "uuid",
    "venv",
    "weakref",
    "webbrowser",
    "wheel",
    "win32api",
    "winreg",
    "wsgiref",
    "xmlrpc",
    "yaml",
    "zipapp",
    "zipimport",
];

const RUNS_WITHIN: &[&str] = &[
    "numpy.distutils",
    "numpy.f2py",
    "numpy.testing",
    "numpy.ctypeslib",
    "numpy.lib.npyio",
    "numpy.loads",
    "numpy.load",
    "numpy.core._methods",
    "pandas.eval",
    "pandas.io",
    "pandas.core.computation",
    "scipy._lib._bunch",
    "scipy.weave",
    "sklearn.externals",
    "sklearn.datasets",
    "sklearn.utils._testing",
    "tensorflow.python.framework.load_library",
    "tensorflow.python.ops.script_ops",
    "tensorflow.python.lib.io",
    "tensorflow.python.platform",
    "jax._src.lib",
    "transformers.dynamic_module_utils",
    "logging.config",
];

const REACHES: &[&str] = &[
    "_io",
    "_socket",
    "_sqlite3",
    "boto3",
    "botocore",
    "bz2",
    "codecs",
    "configparser",
    "csv",
    "curses",
    "dbm",
    "fileinput",
    "fsspec",
    "ftplib",
    "gcsfs",
    "genericpath",
    "getpass",
    "glob",
    "google",
    "gzip",
    "h5py",
    "http",
    "httplib",
    "httplib2",
    "httpx",
    "huggingface_hub",
    "imaplib",
    "io",
    "linecache",
    "logging",
    "lzma",
    "mailbox",
    "mmap",
    "netrc",
    "nntplib",
    "ntpath",
    "pathlib",
    "poplib",
    "pymongo",
    "redis",
    "requests",
    "resource",
    "s3fs",
    "select",
    "selectors",
    "shutil",
    "smtpd",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "syslog",
    "tarfile",
    "telnetlib",
    "tempfile",
    "tokenize",
    "tracemalloc",
    "transformers",
    "urllib",
    "urllib2",
    "urllib3",
    "wget",
    "xml",
    "zipfile",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_judged_by_its_first_name_or_a_part_that_is_known() {
        for module in
            ["os", "os.path", "subprocess", "numpy.testing._private.utils", "torch.utils.collect_env", ".os"]
        {
            assert_eq!(effect(module), Effect::Runs, "{module}");
        }
        assert_eq!(effect("shutil"), Effect::Reaches);
        for module in ["numpy.testings", "numpy", "osmosis", "sklearn.linear_model._base", ""] {
            assert_eq!(effect(module), Effect::Unknown, "{module}");
        }
    }
}
