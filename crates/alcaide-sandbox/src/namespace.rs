//! A user, mount and IPC namespace of its own, and a network namespace with loopback only.
//!
//! Source: user_namespaces(7), network_namespaces(7), mount_namespaces(7), rtnetlink(7).

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use nix::sched::CloneFlags;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// What a try to enter namespaces came to.
pub(crate) enum Entered {
    /// All of them.
    Inside,
    /// None, and nothing is changed; why.
    Outside(String),
    /// Some of it: this process cannot go on, a fresh one without namespaces can; why.
    Halfway(String),
}

/// Enters the namespaces; `network` says whether the network's too.
pub(crate) fn enter(network: bool) -> Entered {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
    flags.set(CloneFlags::CLONE_NEWNET, network);
    if let Err(error) = nix::sched::unshare(flags) {
        return Entered::Outside(format!("the kernel gives no user namespace ({})", error.desc()));
    }
    // The same user and group as before, and nobody else: no file changes its owner by this.
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ];
    for (name, text) in maps {
        if let Err(error) = fs::write(Path::new("/proc/self").join(name), text) {
            return Entered::Halfway(format!("`{name}` of a user namespace cannot be set ({error})"));
        }
    }
    if let Err(error) = mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE) {
        return Entered::Halfway(format!("mounts cannot be made private ({error})"));
    }
    Entered::Inside
}

/// Lays an empty, unreadable mount over a folder; in this mount namespace only.
pub(crate) fn cover(folder: &Path) -> io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("tmpfs", folder, "tmpfs", flags, c"size=4k,mode=000")?)
}

/// A `/dev/shm` of its own, of at most 256 MiB; nothing if there is none to replace.
pub(crate) fn shared_memory() -> io::Result<Option<PathBuf>> {
    let folder = Path::new("/dev/shm");
    if !folder.is_dir() {
        return Ok(None);
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", folder, "tmpfs", flags, c"size=256m,mode=1777")?;
    Ok(Some(folder.to_path_buf()))
}

/// Raises loopback and binds `relay` on it: in a fresh namespace every port is free.
pub(crate) fn loopback(relay: SocketAddr) -> io::Result<TcpListener> {
    raise_loopback()?;
    TcpListener::bind(relay)
}

/// `RTM_NEWLINK` that sets `IFF_UP` on the interface with index 1, which in every network namespace is loopback.
fn raise_loopback() -> io::Result<()> {
    const REQUEST: [u8; 32] = {
        let mut bytes = [0; 32];
        bytes[0] = 32; // length of the message, native order: see below
        bytes[4] = 16; // RTM_NEWLINK
        bytes[6] = 5; // NLM_F_REQUEST and NLM_F_ACK
        bytes[8] = 1; // sequence
        bytes[20] = 1; // interface index
        bytes[24] = 1; // flags: IFF_UP
        bytes[28] = 1; // of which are to be changed
        bytes
    };
    // Netlink speaks the byte order of the machine; both that are supported are little endian.
    const { assert!(cfg!(target_endian = "little")) };
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::sendto(&socket, &REQUEST, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 128];
    let (got, _) = rustix::net::recv(&socket, &mut answer, RecvFlags::empty())?;
    let code = answer.get(..got).and_then(|answer| answer.get(16..20)).and_then(|code| code.try_into().ok());
    match code.map(i32::from_le_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
