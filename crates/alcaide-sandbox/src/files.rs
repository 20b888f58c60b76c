//! Landlock: which files may be opened, which ports connected to, who may be signalled.
//!
//! Whatever is not named is refused. The folders are judged by what was opened, not by what was asked for.
//!
//! Source: Linux `Documentation/userspace-api/landlock.rst`; ABI 1 (files), 4 (TCP), 5 (device ioctl), 6 (scopes).

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use crate::spec::{Network, Profile, Spec, shown};

/// What is readable for everyone: programs, libraries, certificates, names. Deliberately not all of `/etc`, where
/// private keys and password hashes lie, and not `/home`, `/root`, `/var`, `/run`, `/opt`, `/srv`, `/mnt`.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/inputrc",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
];

/// Of the kernel's process files a wrapped program sees all, a stranger only these and itself.
const PROCESS_FILES: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/proc/uptime",
    "/proc/version",
];

/// Devices without memory of their own.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
const TERMINALS: &[&str] = &["/dev/tty", "/dev/pts", "/dev/ptmx"];

/// The rights that are known to this program; what later kernels add is left as it was.
const KNOWN: ABI = ABI::V6;

/// What the kernel can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Able {
    pub(crate) files: bool,
    pub(crate) truncate: bool,
    pub(crate) devices: bool,
    pub(crate) tcp: bool,
    pub(crate) scopes: bool,
}

impl Able {
    /// Asks the kernel.
    pub(crate) fn ask() -> Self {
        let hard = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        Self {
            files: hard().handle_access(AccessFs::from_all(ABI::V1)).is_ok(),
            truncate: hard().handle_access(AccessFs::from_all(ABI::V3)).is_ok(),
            devices: hard().handle_access(AccessFs::from_all(ABI::V5)).is_ok(),
            tcp: hard().handle_access(AccessNet::from_all(ABI::V4)).is_ok(),
            scopes: hard().scope(Scope::from_all(ABI::V6)).is_ok(),
        }
    }
}

/// A folder could not be granted, or the rules could not be laid.
#[derive(Debug)]
pub(crate) enum FilesError {
    /// A declared path could not be opened.
    Path(PathBuf, String),
    /// A declared path turned out to be in a hidden one.
    Hidden(PathBuf),
    /// A hidden folder lies in one that is granted.
    Exposed(PathBuf),
    /// The kernel refused.
    Rules(String),
}

impl From<RulesetError> for FilesError {
    fn from(error: RulesetError) -> Self {
        Self::Rules(error.to_string())
    }
}

/// Everything that is to be granted, opened and judged, before any rule is laid.
pub(crate) struct Grants {
    rules: Vec<(PathFd, BitFlags<AccessFs>)>,
}

impl Grants {
    /// Opens what the spec declares. `covered` are hidden folders that nothing can look into any more, so that they
    /// may lie in a granted one; `scratch` is writable too.
    pub(crate) fn open(spec: &Spec, covered: &[PathBuf], scratch: Option<&Path>) -> Result<Self, FilesError> {
        let mut grants = Self { rules: Vec::new() };
        let readable = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
        let mut writable =
            AccessFs::from_all(KNOWN) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
        if spec.profile == Profile::Stranger {
            writable &= !(AccessFs::Execute | AccessFs::MakeSock);
        }
        let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir | AccessFs::IoctlDev;
        let judge = |path: &Path| judge(path, spec, covered);
        for path in SYSTEM {
            grants.system(path, readable, judge)?;
        }
        match spec.profile {
            Profile::Wrapped => {
                grants.system("/proc", AccessFs::ReadFile | AccessFs::ReadDir, judge)?;
                // A process may name itself (`/proc/self/comm`); other files there ask for privilege or ownership.
                for path in TERMINALS {
                    grants.system(path, device, judge)?;
                }
            }
            Profile::Stranger => {
                for path in PROCESS_FILES.iter().copied().chain(["/proc/self"]) {
                    grants.system(path, AccessFs::ReadFile | AccessFs::ReadDir, judge)?;
                }
            }
        }
        for path in DEVICES {
            grants.system(path, device, judge)?;
        }
        let program = std::slice::from_ref(&spec.program);
        for path in program.iter().chain(&spec.read) {
            grants.declared(path, readable, judge)?;
        }
        for path in spec.write.iter().map(PathBuf::as_path).chain(scratch) {
            grants.declared(path, writable | AccessFs::ReadFile | AccessFs::ReadDir, judge)?;
        }
        Ok(grants)
    }

    /// Lays the rules on this process for good; gives whether the kernel enforces any of them.
    pub(crate) fn enforce(self, spec: &Spec, ports: bool) -> Result<bool, FilesError> {
        let mut rules =
            Ruleset::default().handle_access(AccessFs::from_all(KNOWN))?.scope(Scope::from_all(KNOWN))?;
        if ports {
            rules = rules.handle_access(AccessNet::from_all(ABI::V4))?;
        }
        let mut rules: RulesetCreated = rules.create()?;
        for (path, access) in self.rules {
            rules = rules.add_rule(PathBeneath::new(path, access))?;
        }
        if ports && let Network::RelayTo(relay) = spec.network {
            rules = rules.add_rule(NetPort::new(relay.port(), AccessNet::ConnectTcp))?;
        }
        // This forbids gaining privileges by executing too.
        Ok(rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
    }

    fn system(
        &mut self,
        path: &str,
        access: BitFlags<AccessFs>,
        judge: impl Fn(&Path) -> Result<(), FilesError>,
    ) -> Result<(), FilesError> {
        // What this system does not have, nobody misses.
        let Ok(opened) = PathFd::new(path) else { return Ok(()) };
        self.keep(opened, Path::new(path), access, judge)
    }

    fn declared(
        &mut self,
        path: &Path,
        access: BitFlags<AccessFs>,
        judge: impl Fn(&Path) -> Result<(), FilesError>,
    ) -> Result<(), FilesError> {
        let opened = PathFd::new(path).map_err(|error| FilesError::Path(path.into(), error.to_string()))?;
        self.keep(opened, path, access, judge)
    }

    fn keep(
        &mut self,
        opened: PathFd,
        asked: &Path,
        access: BitFlags<AccessFs>,
        judge: impl Fn(&Path) -> Result<(), FilesError>,
    ) -> Result<(), FilesError> {
        let failed = |error: String| FilesError::Path(asked.into(), error);
        let own = format!("/proc/self/fd/{}", opened.as_fd().as_raw_fd());
        let real = std::fs::read_link(own).map_err(|error| failed(error.to_string()))?;
        judge(&real)?;
        let stat = rustix::fs::fstat(&opened).map_err(|error| failed(error.to_string()))?;
        let is_folder = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
        let access = if is_folder { access } else { access & AccessFs::from_file(KNOWN) };
        self.rules.push((opened, access));
        Ok(())
    }
}

/// Whether a path that was opened may be granted.
fn judge(real: &Path, spec: &Spec, covered: &[PathBuf]) -> Result<(), FilesError> {
    for hidden in &spec.hidden {
        if real.starts_with(hidden) {
            return Err(FilesError::Hidden(real.into()));
        }
        if hidden.starts_with(real) && !covered.contains(hidden) {
            return Err(FilesError::Exposed(hidden.clone()));
        }
    }
    Ok(())
}

impl std::fmt::Display for FilesError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path, why) => write!(out, "`{}` cannot be granted: {why}", shown(path)),
            Self::Hidden(path) => write!(out, "`{}` lies in a hidden folder", shown(path)),
            Self::Exposed(path) => write!(
                out,
                "`{}` must stay hidden but lies in a declared folder, and this kernel gives no namespace to cover it; declare the neighbouring folders instead",
                shown(path)
            ),
            Self::Rules(why) => write!(out, "the rules on files cannot be laid: {why}"),
        }
    }
}
