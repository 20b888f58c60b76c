"""Tries every door and prints what came of it, as JSON: true where it got through, else the reason."""

import ctypes
import json
import os
import resource
import socket
import sys

ask = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
X86 = os.uname().machine == "x86_64"
found = {}


def attempt(name, act):
    try:
        result = act()
        found[name] = True if result is None else result
    except OSError as error:
        found[name] = f"{error.errno}"


def read(path):
    with open(path) as file:
        return file.read()


def write(path):
    with open(path, "w") as file:
        file.write("x")


def call(number, *args):
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(arg) for arg in args]) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def connect(family, address, greet=False):
    with socket.socket(family, socket.SOCK_STREAM) as peer:
        peer.settimeout(10)
        peer.connect(address)
        if greet:
            return peer.recv(64).decode()


def datagram(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"x", address)


def made(family, kind):
    socket.socket(family, kind).close()


def execute(path):
    with open(path, "w") as file:
        file.write("#!/bin/sh\nexit 0\n")
    os.chmod(path, 0o700)
    pid = os.posix_spawn(path, [path], {})
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise OSError(1, "refused")


def typed():
    import fcntl

    null = os.open("/dev/null", os.O_RDWR)
    try:
        fcntl.ioctl(null, 0x5412, b"x")
    finally:
        os.close(null)


def forked():
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os._exit(7)


parent = os.getppid()
attempt("hidden_read", lambda: read(ask["data"] + "/secret"))
attempt("hidden_list", lambda: os.listdir(ask["data"]))
attempt("hidden_write", lambda: write(ask["data"] + "/new"))
attempt("hidden_socket", lambda: connect(socket.AF_UNIX, ask["data"] + "/office.sock"))
attempt("hidden_by_link", lambda: read(ask["work"] + "/link/secret"))
attempt("hidden_by_parent", lambda: read(f"/proc/{parent}/root{ask['data']}/secret"))
attempt("outside_read", lambda: read(ask["outside"] + "/file"))
attempt("outside_write", lambda: write(ask["outside"] + "/new"))
attempt("outside_cut", lambda: os.truncate(ask["outside"] + "/file", 0))
attempt("outside_socket", lambda: connect(socket.AF_UNIX, ask["outside"] + "/sock"))
attempt("outside_stat", lambda: os.stat(ask["outside"] + "/file").st_size)
attempt("abstract_socket", lambda: connect(socket.AF_UNIX, "\0" + ask["abstract"]))
attempt("declared_read", lambda: read(ask["declared"] + "/file"))
attempt("declared_write", lambda: write(ask["declared"] + "/new"))
attempt("work_write", lambda: write(ask["work"] + "/new"))
attempt("work_read", lambda: read(ask["work"] + "/new"))
attempt("work_execute", lambda: execute(ask["work"] + "/tool"))
attempt("shadow", lambda: read("/etc/shadow"))
attempt("relay", lambda: connect(socket.AF_INET, ("127.0.0.1", ask["relay"]), True))
attempt("office", lambda: connect(socket.AF_INET, ("127.0.0.1", ask["office"]), True))
attempt("office_udp", lambda: datagram(("127.0.0.1", ask["office_udp"])))
attempt("packet", lambda: made(17, socket.SOCK_RAW))
attempt("vsock", lambda: made(40, socket.SOCK_STREAM))
attempt("alg", lambda: made(38, 5))
attempt("unix", lambda: made(socket.AF_UNIX, socket.SOCK_STREAM))
attempt("unix_pair", lambda: [end.close() for end in socket.socketpair()] and None)
attempt("unix_pair_datagram", lambda: [e.close() for e in socket.socketpair(type=socket.SOCK_DGRAM)] and None)
attempt("mptcp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close())
attempt("ptrace", lambda: call(101 if X86 else 117, 16, parent, 0, 0))
if X86:
    attempt("ptrace_x32", lambda: call(0x40000000 + 521, 16, parent, 0, 0))
attempt("memory", lambda: call(310 if X86 else 270, parent, 0, 0, 0, 0, 0))
attempt("mount", lambda: call(165 if X86 else 40, 0, 0, 0, 0, 0))
attempt("unshare", lambda: call(272 if X86 else 97, 0x10000000))
attempt("clone_user", lambda: call(56 if X86 else 220, 0x10000000 | 17, 0, 0, 0, 0))
attempt("clone3", lambda: call(435, 0, 0))
attempt("io_uring", lambda: call(425, 1, 0))
attempt("userfaultfd", lambda: call(323 if X86 else 282, 0))
attempt("bpf", lambda: call(321 if X86 else 280, 0, 0, 0))
attempt("keyctl", lambda: call(250 if X86 else 219, 0, 0, 0))
attempt("setsid", lambda: call(112 if X86 else 157))
attempt("typed", typed)
attempt("parent_environ", lambda: read(f"/proc/{parent}/environ") and None)
attempt("parent_cmdline", lambda: read(f"/proc/{parent}/cmdline") and None)
attempt("signal", lambda: os.kill(parent, 0))
attempt("limit", lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE) and None)
attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(os.PRIO_PROCESS, parent)))
attempt("priority_of_all", lambda: os.setpriority(os.PRIO_USER, 0, os.getpriority(os.PRIO_PROCESS, 0)))
attempt("affinity", lambda: os.sched_setaffinity(parent, os.sched_getaffinity(0)))
attempt("own_limit", lambda: resource.prlimit(0, resource.RLIMIT_NOFILE) and None)
attempt("own_priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0)))
attempt("own_affinity", lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)))
attempt("forked", forked)
found["env"] = dict(os.environ)
found["descriptors"] = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1]
status = dict(line.split(":", 1) for line in read("/proc/self/status").splitlines())
found["status"] = {key: status[key].strip() for key in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")}
found["ipc"] = os.readlink("/proc/self/ns/ipc")
found["core"] = resource.getrlimit(resource.RLIMIT_CORE)
found["files"] = resource.getrlimit(resource.RLIMIT_NOFILE)
found["umask"] = os.umask(0)
found["folder"] = os.getcwd()
found["input"] = sys.stdin.read()
print(json.dumps(found))
