//! A declaration, resolved to what a child is started with.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use alcaide_inventory::Name;
use alcaide_inventory::declare::{Sandbox, Transport, Upstream};
use alcaide_inventory::id::UpstreamId;
use alcaide_sandbox::{Network, Spec};
use alcaide_seal::digest::Sha256Digest;

use crate::plan::{FIRST_BYTE_TIMEOUT, IDLE_TIMEOUT, PlanFault};

/// Where programs of the system are found; the same for every child.
const PATH: &str = "/usr/bin:/bin";

/// A tool server that is a child process, resolved.
#[derive(Clone, Eq, PartialEq)]
pub struct StdioPlan {
    /// Its id.
    pub id: UpstreamId,
    /// Its name.
    pub name: Name,
    /// Longest wait for a first message that belongs to a request.
    pub first_byte_timeout: Duration,
    /// Longest silence after that.
    pub idle_timeout: Duration,
    program: PathBuf,
    args: Vec<String>,
    sandbox: Sandbox,
    pin: Option<[u8; 32]>,
}

impl fmt::Debug for StdioPlan {
    /// Neither program nor arguments: they may hold what does not belong in logs.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("StdioPlan").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl StdioPlan {
    /// Resolves a declaration; `None` for one that is no child process.
    ///
    /// # Errors
    /// [`PlanFault::Upstream`] for a command that is empty or no absolute path, or a digest that is none.
    pub fn of(name: &Name, id: UpstreamId, spec: &Upstream) -> Result<Option<Self>, PlanFault> {
        let Transport::Stdio { command, sandbox } = &spec.transport else { return Ok(None) };
        let fail = |why: &str| PlanFault::Upstream { upstream: name.clone(), why: why.into() };
        let (program, args) = command.split_first().ok_or_else(|| fail("its command is empty"))?;
        if !Path::new(program).is_absolute() {
            return Err(fail("its program is no absolute path"));
        }
        let pin = sandbox.executable_sha256.as_deref().map(Sha256Digest::from_str).transpose();
        let pin = pin.map_err(|_| fail("`executable_sha256` is no SHA-256 digest"))?;
        let millis = |given: Option<u64>, or: Duration| given.map_or(or, Duration::from_millis);
        Ok(Some(Self {
            id,
            name: name.clone(),
            first_byte_timeout: millis(spec.first_byte_timeout_ms, FIRST_BYTE_TIMEOUT),
            idle_timeout: millis(spec.idle_timeout_ms, IDLE_TIMEOUT),
            program: program.into(),
            args: args.to_vec(),
            sandbox: sandbox.clone(),
            pin: pin.map(Sha256Digest::into_bytes),
        }))
    }

    /// Whether a child may leave files behind, and so needs a place for temporary ones.
    pub(super) fn writes(&self) -> bool {
        !self.sandbox.write.is_empty()
    }

    /// What a child may do: what is declared, and `home`, a folder of its own, if there is one.
    ///
    /// It begins in `/`: a program that looks for its parts in its working folder must not find there what an earlier
    /// call has written.
    pub(super) fn spec(&self, hidden: &[PathBuf], home: Option<&Path>) -> Spec {
        let mut env = vec![("PATH".into(), PATH.into()), ("LANG".into(), "C.UTF-8".into())];
        if let Some(home) = home {
            env.extend(["HOME", "TMPDIR"].map(|name| (name.into(), home.into())));
        }
        let paths = |given: &[String]| given.iter().map(PathBuf::from).collect::<Vec<_>>();
        let mut write = paths(&self.sandbox.write);
        write.extend(home.map(PathBuf::from));
        Spec {
            args: self.args.iter().map(Into::into).collect(),
            env,
            read: paths(&self.sandbox.read),
            write,
            hidden: hidden.to_vec(),
            network: if self.sandbox.network { Network::Open } else { Network::None },
            executable_sha256: self.pin,
            ..Spec::new(&self.program)
        }
    }
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::declare::Protocol;
    use alcaide_sandbox::{Group, Limits, Profile};

    use super::*;

    fn declared(command: &[&str], sandbox: Sandbox) -> Result<Option<StdioPlan>, PlanFault> {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let upstream = Upstream {
            protocol: Protocol::Mcp,
            transport: Transport::Stdio { command, sandbox },
            credential: None,
            first_byte_timeout_ms: Some(700),
            idle_timeout_ms: None,
        };
        StdioPlan::of(&"files".parse().unwrap(), UpstreamId::from_bits(1), &upstream)
    }

    #[test]
    fn nothing_is_granted_that_was_not_declared() {
        let plan = declared(&["/bin/sh", "-c", "x"], Sandbox::default()).unwrap().unwrap();
        let spec = plan.spec(&["/data".into()], None);
        assert_eq!((&spec.read, &spec.write), (&Vec::new(), &Vec::new()));
        assert_eq!((spec.network, spec.profile, spec.group), (Network::None, Profile::Stranger, Group::Own));
        assert_eq!((spec.limits, spec.folder), (Limits::STRANGER, PathBuf::from("/")));
        assert_eq!(spec.hidden, [PathBuf::from("/data")]);
        let names: Vec<_> = spec.env.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["PATH", "LANG"]);
        assert_eq!((plan.first_byte_timeout.as_millis(), plan.idle_timeout), (700, IDLE_TIMEOUT));
        assert!(!plan.writes() && !format!("{plan:?}").contains("/bin/sh"));
    }

    #[test]
    fn what_was_declared_is_granted() {
        let sandbox = Sandbox {
            read: vec!["/srv/a".into()],
            write: vec!["/srv/b".into()],
            network: true,
            executable_sha256: Some("ab".repeat(32)),
        };
        let plan = declared(&["/bin/sh"], sandbox).unwrap().unwrap();
        let spec = plan.spec(&[], Some(Path::new("/tmp/home")));
        assert_eq!(spec.read, [PathBuf::from("/srv/a")]);
        assert_eq!(spec.write, [PathBuf::from("/srv/b"), PathBuf::from("/tmp/home")]);
        assert_eq!((spec.network, spec.executable_sha256), (Network::Open, Some([0xab; 32])));
        assert!(plan.writes() && spec.env.contains(&("HOME".into(), "/tmp/home".into())));
    }

    #[test]
    fn a_command_that_cannot_be_used_stops_the_plan() {
        let fault = |command: &[&str], sandbox| declared(command, sandbox).unwrap_err().to_string();
        assert!(fault(&[], Sandbox::default()).contains("empty"));
        assert!(fault(&["sh"], Sandbox::default()).contains("no absolute path"));
        let sandbox = Sandbox { executable_sha256: Some("AB".into()), ..Sandbox::default() };
        assert!(fault(&["/bin/sh"], sandbox).contains("no SHA-256 digest"));
    }
}
