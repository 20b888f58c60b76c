//! Which calls the kernel refuses: a list of what no wrapped program needs, with the reason of each.
//!
//! A list of what is refused, not of what is allowed: programs, run-times and C libraries begin to use new calls all
//! the time, and one that is killed for a harmless call is one that is run without any wall. What is refused fails
//! with `EPERM`, or with `ENOSYS` where programs then fall back to a call that can be judged.
//!
//! Source: seccomp(2); numbers from the C library's headers.

use std::collections::BTreeMap;

use nix::libc as c;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition,
    SeccompFilter, SeccompRule as Rule, TargetArch, sock_filter,
};

use crate::spec::{Network, Profile};

/// What decides on the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) network: Network,
    pub(crate) profile: Profile,
    /// Whether a network namespace holds the child.
    pub(crate) isolated: bool,
    /// Whether an IPC namespace holds the child.
    pub(crate) own_memory: bool,
}

/// Refused always.
const REFUSED: &[c::c_long] = &[
    // Looking into and steering other processes.
    c::SYS_ptrace,
    c::SYS_process_vm_readv,
    c::SYS_process_vm_writev,
    c::SYS_process_madvise,
    c::SYS_pidfd_getfd,
    c::SYS_kcmp,
    c::SYS_migrate_pages,
    c::SYS_move_pages,
    // Changing what the file tree is.
    c::SYS_mount,
    c::SYS_umount2,
    c::SYS_pivot_root,
    c::SYS_chroot,
    c::SYS_move_mount,
    c::SYS_open_tree,
    c::SYS_fsopen,
    c::SYS_fsconfig,
    c::SYS_fsmount,
    c::SYS_fspick,
    c::SYS_mount_setattr,
    c::SYS_quotactl,
    c::SYS_swapon,
    c::SYS_swapoff,
    // Opening files without walking to them.
    c::SYS_open_by_handle_at,
    c::SYS_name_to_handle_at,
    // New namespaces give privileges within, and with them most of the kernel's surface.
    c::SYS_unshare,
    c::SYS_setns,
    // Code in the kernel, and faults served from outside it: what exploits are made of.
    c::SYS_bpf,
    c::SYS_perf_event_open,
    c::SYS_userfaultfd,
    c::SYS_init_module,
    c::SYS_finit_module,
    c::SYS_delete_module,
    c::SYS_kexec_load,
    // Keys of the session.
    c::SYS_keyctl,
    c::SYS_add_key,
    c::SYS_request_key,
    // The machine itself.
    c::SYS_reboot,
    c::SYS_syslog,
    c::SYS_acct,
    c::SYS_vhangup,
    c::SYS_sethostname,
    c::SYS_setdomainname,
    c::SYS_settimeofday,
    c::SYS_clock_settime,
    c::SYS_clock_adjtime,
    c::SYS_adjtimex,
    c::SYS_fanotify_init,
    c::SYS_fanotify_mark,
    c::SYS_lookup_dcookie,
];

/// Refused on this processor only: ports, segments and interfaces long dead.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c::c_long] = &[
    c::SYS_kexec_file_load,
    c::SYS_iopl,
    c::SYS_ioperm,
    c::SYS_modify_ldt,
    c::SYS_uselib,
    c::SYS_ustat,
    c::SYS_sysfs,
    c::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c::c_long] = &[];

/// Refused to strangers besides: leaving the group that is ended as a whole; odd personalities; device nodes.
const REFUSED_TO_STRANGERS: &[c::c_long] =
    &[c::SYS_setsid, c::SYS_setpgid, c::SYS_personality, c::SYS_mknodat];

/// Refused where no namespace keeps the memory and queues of others apart.
const SHARED_MEMORY: &[c::c_long] = &[
    c::SYS_shmget,
    c::SYS_shmat,
    c::SYS_shmctl,
    c::SYS_semget,
    c::SYS_semctl,
    c::SYS_semop,
    c::SYS_msgget,
    c::SYS_msgctl,
    c::SYS_msgsnd,
    c::SYS_msgrcv,
    c::SYS_mq_open,
    c::SYS_mq_unlink,
];

/// Calls that steer the process named by their first argument: nothing but itself (0) may be named. No other wall stands
/// before them, and a limit of another process's time ends it as surely as a signal.
const OWN_ONLY: &[c::c_long] = &[
    c::SYS_prlimit64,
    c::SYS_sched_setaffinity,
    c::SYS_sched_setattr,
    c::SYS_sched_setparam,
    c::SYS_sched_setscheduler,
];

/// The same where the first argument says of what kind the second is, and what says that it is one process.
const OWN_ONLY_OF_KIND: &[(c::c_long, c::c_int)] =
    &[(c::SYS_setpriority, PRIO_PROCESS), (c::SYS_ioprio_set, IOPRIO_WHO_PROCESS)];

/// Kind of what `setpriority` names (`sys/resource.h`).
const PRIO_PROCESS: c::c_int = 0;
/// Kind of what `ioprio_set` names (`linux/ioprio.h`).
const IOPRIO_WHO_PROCESS: c::c_int = 1;

/// Answered as if the kernel did not have them: their arguments lie where no filter can look, or their work is done
/// where no filter sees it. Programs fall back to `clone` and to plain reads and writes.
const ABSENT: &[c::c_long] =
    &[c::SYS_clone3, c::SYS_io_uring_setup, c::SYS_io_uring_enter, c::SYS_io_uring_register];

const NAMESPACES: &[c::c_int] = &[
    c::CLONE_NEWUSER,
    c::CLONE_NEWNS,
    c::CLONE_NEWNET,
    c::CLONE_NEWIPC,
    c::CLONE_NEWPID,
    c::CLONE_NEWUTS,
    c::CLONE_NEWCGROUP,
];

/// Puts text into the input of a terminal (`TIOCSTI`), or does as much on a console (`TIOCLINUX`).
const TERMINAL: &[u64] = &[0x5412, 0x541C];

type Rules = BTreeMap<i64, Vec<Rule>>;

/// The filters, in the order in which they are to be applied.
pub(crate) fn filters(case: Case) -> Result<Vec<BpfProgram>, String> {
    let rules = refused(case).map_err(|error| error.to_string())?;
    let mut first = compile(rules, c::EPERM)?;
    other_abi(&mut first);
    let absent = ABSENT.iter().map(|&call| (number(call), Vec::new())).collect();
    Ok(vec![first, compile(absent, c::ENOSYS)?])
}

/// All that a process needs which reads open files, computes, and answers on its socket.
const READING: &[c::c_long] = &[
    c::SYS_read,
    c::SYS_pread64,
    c::SYS_readv,
    c::SYS_preadv,
    c::SYS_lseek,
    c::SYS_fstat,
    c::SYS_write,
    c::SYS_writev,
    c::SYS_close,
    c::SYS_recvmsg,
    c::SYS_recvfrom,
    c::SYS_sendmsg,
    c::SYS_sendto,
    c::SYS_brk,
    c::SYS_munmap,
    c::SYS_mremap,
    c::SYS_madvise,
    c::SYS_futex,
    c::SYS_getrandom,
    c::SYS_clock_gettime,
    c::SYS_sched_yield,
    c::SYS_restart_syscall,
    c::SYS_rt_sigreturn,
    c::SYS_rt_sigprocmask,
    c::SYS_rt_sigaction,
    c::SYS_sigaltstack,
    c::SYS_exit,
    c::SYS_exit_group,
];

/// The filter of a process that only reads: what is not needed is refused; so is memory that may be executed, or that is shared
/// (`MAP_SHARED`, a bit of `MAP_SHARED_VALIDATE` as well): no limit of a process counts that.
pub(crate) fn only_reading() -> Result<BpfProgram, String> {
    let rules = || -> Result<Rules, seccompiler::BackendError> {
        let mut rules: Rules = READING.iter().map(|&call| (number(call), Vec::new())).collect();
        for call in [c::SYS_mmap, c::SYS_mprotect] {
            let not_executable = Condition::new(2, Len::Dword, Op::MaskedEq(word(c::PROT_EXEC)), 0)?;
            let mut conditions = vec![not_executable];
            if call == c::SYS_mmap {
                conditions.push(Condition::new(3, Len::Dword, Op::MaskedEq(word(c::MAP_SHARED)), 0)?);
            }
            rules.insert(number(call), vec![Rule::new(conditions)?]);
        }
        Ok(rules)
    };
    let rules = rules().map_err(|error| error.to_string())?;
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let refuse = SeccompAction::Errno(c::EPERM.unsigned_abs());
    // A call of the other number form of x86-64 matches none of the rules: it is refused as well.
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)
        .and_then(TryInto::try_into)
        .map_err(|error: seccompiler::BackendError| error.to_string())
}

/// Lays the filters on this process for good.
pub(crate) fn apply(filters: &[BpfProgram]) -> Result<(), String> {
    filters.iter().try_for_each(|filter| seccompiler::apply_filter(filter)).map_err(|error| error.to_string())
}

fn refused(case: Case) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    let stranger = case.profile == Profile::Stranger;
    let mut lists = vec![REFUSED, REFUSED_HERE];
    if stranger {
        lists.push(REFUSED_TO_STRANGERS);
    }
    if !case.own_memory {
        lists.push(SHARED_MEMORY);
    }
    for &call in lists.into_iter().flatten() {
        rules.insert(number(call), Vec::new());
    }
    let clone = NAMESPACES
        .iter()
        .map(|&flag| {
            let flag = u64::from(flag.unsigned_abs());
            Rule::new(vec![Condition::new(0, Len::Qword, Op::MaskedEq(flag), flag)?])
        })
        .collect::<Result<_, _>>()?;
    rules.insert(number(c::SYS_clone), clone);
    let terminal = TERMINAL
        .iter()
        .map(|&order| Rule::new(vec![Condition::new(1, Len::Dword, Op::Eq, order)?]))
        .collect::<Result<_, _>>()?;
    rules.insert(number(c::SYS_ioctl), terminal);
    for &call in OWN_ONLY {
        rules.insert(number(call), vec![Rule::new(vec![Condition::new(0, Len::Dword, Op::Ne, 0)?])?]);
    }
    for &(call, process) in OWN_ONLY_OF_KIND {
        let others = Condition::new(0, Len::Dword, Op::Ne, word(process))?;
        let another = Condition::new(1, Len::Dword, Op::Ne, 0)?;
        rules.insert(number(call), vec![Rule::new(vec![others])?, Rule::new(vec![another])?]);
    }
    rules.insert(number(c::SYS_socket), sockets(case)?);
    // A pair of streams is a pipe; a datagram socket, once made, can be pointed at any path.
    let datagram = Condition::new(1, Len::Dword, Op::MaskedEq(0xf), word(c::SOCK_DGRAM))?;
    rules.insert(number(c::SYS_socketpair), vec![Rule::new(vec![datagram])?]);
    if !case.isolated && case.network != Network::Open {
        // A connection opened by its first data is not seen by every kernel's rules on ports.
        for (call, flags) in [(c::SYS_sendto, 3), (c::SYS_sendmsg, 2), (c::SYS_sendmmsg, 3)] {
            let fast = word(c::MSG_FASTOPEN);
            let rule = Rule::new(vec![Condition::new(flags, Len::Dword, Op::MaskedEq(fast), fast)?])?;
            rules.insert(number(call), vec![rule]);
        }
    }
    Ok(rules)
}

/// Which sockets may not be made. Unix sockets never: over them one speaks to the office, to container engines and to
/// agents of keys as the user oneself, and no other rule of the kernel reaches them everywhere.
fn sockets(case: Case) -> Result<Vec<Rule>, seccompiler::BackendError> {
    let family = |op, value: c::c_int| Condition::new(0, Len::Dword, op, word(value));
    if case.network == Network::None && !case.isolated {
        return Ok(Vec::new());
    }
    let mut other = vec![family(Op::Ne, c::AF_INET)?, family(Op::Ne, c::AF_INET6)?];
    if case.isolated || case.network == Network::Open {
        // Only asks which interfaces and routes there are; changing them asks for privilege.
        other.push(family(Op::Ne, c::AF_NETLINK)?);
        return Ok(vec![Rule::new(other)?]);
    }
    // Without a namespace rules on ports must do, and they know plain TCP only.
    let mut rules = vec![Rule::new(other)?];
    for kind in (0..16).filter(|&kind| kind != c::SOCK_STREAM) {
        rules.push(Rule::new(vec![Condition::new(1, Len::Dword, Op::MaskedEq(0xf), word(kind))?])?);
    }
    let protocol = |value| Condition::new(2, Len::Dword, Op::Ne, word(value));
    rules.push(Rule::new(vec![protocol(0)?, protocol(c::IPPROTO_TCP)?])?);
    Ok(rules)
}

fn compile(rules: Rules, errno: c::c_int) -> Result<BpfProgram, String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)
        .and_then(TryInto::try_into)
        .map_err(|error: seccompiler::BackendError| error.to_string())
}

/// The x32 calls of x86-64 go by the same architecture with bit 30 set in their numbers: all of them are refused, or
/// each refused call could be made by its other number. No program of the last decade uses them.
fn other_abi(filter: &mut BpfProgram) {
    if cfg!(target_arch = "x86_64") {
        const LOAD_NUMBER: sock_filter = sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 };
        const IF_BIT_30: sock_filter = sock_filter { code: 0x45, jt: 0, jf: 1, k: 0x4000_0000 };
        const REFUSE: sock_filter = sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | 38 };
        filter.splice(0..0, [LOAD_NUMBER, IF_BIT_30, REFUSE]);
    }
}

/// A number of a call; wider than it is on no supported machine.
fn number(call: c::c_long) -> i64 {
    call
}

fn word(value: c::c_int) -> u64 {
    u64::from(value.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_compiles_within_the_bound_of_the_kernel() {
        let relay = Network::RelayTo("127.0.0.1:9".parse().unwrap());
        for network in [Network::None, Network::Open, relay] {
            for profile in [Profile::Wrapped, Profile::Stranger] {
                for isolated in [false, true] {
                    let case = Case { network, profile, isolated, own_memory: isolated };
                    let filters = filters(case).unwrap();
                    assert_eq!(filters.len(), 2);
                    for filter in filters {
                        assert!(filter.len() < 4_096, "{case:?}: {}", filter.len());
                    }
                }
            }
        }
    }

    /// What the kernel does with a call, by the machine of its filters (`linux/filter.h`).
    fn ruled(filter: &BpfProgram, call: c::c_long, arguments: [u64; 6]) -> u32 {
        let mut data = (call as u32).to_le_bytes().to_vec();
        let arch: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
        data.extend(arch.to_le_bytes());
        data.extend(0_u64.to_le_bytes());
        data.extend(arguments.iter().flat_map(|one| one.to_le_bytes()));
        let (mut at, mut value) = (0, 0_u32);
        loop {
            let sock_filter { code, jt, jf, k } = filter[at];
            let jump = |taken: bool| usize::from(if taken { jt } else { jf });
            at += 1;
            match code {
                0x20 => value = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
                0x54 => value &= k,
                0x05 => at += k as usize,
                0x15 => at += jump(value == k),
                0x25 => at += jump(value > k),
                0x35 => at += jump(value >= k),
                0x45 => at += jump(value & k != 0),
                0x06 => return k,
                other => panic!("{other:x}"),
            }
        }
    }

    #[test]
    fn a_reader_has_private_memory_that_nobody_executes() {
        const ALLOW: u32 = 0x7fff_0000;
        let filter = only_reading().unwrap();
        let map = |protection: c::c_int, flags: c::c_int| {
            let arguments = [0, 4096, word(protection), word(flags), u64::from(u32::MAX), 0];
            ruled(&filter, c::SYS_mmap, arguments) == ALLOW
        };
        let (data, code) = (c::PROT_READ | c::PROT_WRITE, c::PROT_READ | c::PROT_EXEC);
        assert!(map(data, c::MAP_PRIVATE | c::MAP_ANONYMOUS));
        assert!(!map(code, c::MAP_PRIVATE | c::MAP_ANONYMOUS));
        assert!(!map(data, c::MAP_SHARED | c::MAP_ANONYMOUS));
        assert!(!map(data, c::MAP_SHARED_VALIDATE | c::MAP_ANONYMOUS));
        assert!(!map(c::PROT_READ, c::MAP_SHARED));
        assert_eq!(ruled(&filter, c::SYS_read, [0; 6]), ALLOW);
        for call in [c::SYS_openat, c::SYS_socket, c::SYS_memfd_create, c::SYS_execve, c::SYS_clone] {
            assert_ne!(ruled(&filter, call, [0; 6]), ALLOW, "{call}");
        }
    }

    #[test]
    fn a_stranger_is_refused_more() {
        let case = |profile| Case { network: Network::Open, profile, isolated: false, own_memory: true };
        let wrapped = refused(case(Profile::Wrapped)).unwrap();
        let stranger = refused(case(Profile::Stranger)).unwrap();
        assert!(wrapped.keys().all(|call| stranger.contains_key(call)));
        assert!(
            stranger.contains_key(&number(c::SYS_setsid)) && !wrapped.contains_key(&number(c::SYS_setsid))
        );
    }
}
