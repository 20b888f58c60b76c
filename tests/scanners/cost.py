"""Runs one command and tells as JSON what it cost: `cost.py [--watch] [--limit SECONDS] COMMAND...`.

`wall_s`; `cpu_s` of the command and all that it waited for, by wait4(2); `most_mib`, the largest resident set of any one of them,
likewise (never below this program's own, some 10 MiB, which a process has until it becomes the command). With `--watch` also
`tree_mib`: the largest sum that was seen of the high-water marks of the command and its children while they lived, by a look every
two milliseconds; without it nobody looks, and nothing is disturbed. The command's own output goes nowhere.
"""

import json
import os
import signal
import sys
import threading
import time


def high_water_kib(pid):
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1])
    except (OSError, IndexError):
        pass
    return 0


def children(pid):
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                yield from map(int, file.read().split())
        except OSError:
            pass


def tree_kib(pid, depth=4):
    inner = sum(tree_kib(child, depth - 1) for child in children(pid)) if depth else 0
    return high_water_kib(pid) + inner


def main():
    words = sys.argv[1:]
    watch, limit = False, 600.0
    while words and words[0].startswith("--"):
        word = words.pop(0)
        if word == "--watch":
            watch = True
        elif word == "--limit":
            limit = float(words.pop(0))
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1, 2)]
    began = time.perf_counter()
    pid = os.posix_spawnp(words[0], words, os.environ, file_actions=actions, setpgroup=0)
    ended = threading.Event()
    late = []

    def end():
        if not ended.wait(limit):
            late.append(True)
            os.killpg(pid, signal.SIGKILL)

    guard = threading.Thread(target=end, daemon=True)
    guard.start()
    most_kib = 0
    while True:
        done, status, used = os.wait4(pid, os.WNOHANG if watch else 0)
        if done:
            break
        most_kib = max(most_kib, tree_kib(pid))
        time.sleep(0.002)
    wall = time.perf_counter() - began
    ended.set()
    told = {
        "code": -1 if late else os.waitstatus_to_exitcode(status),
        "late": bool(late),
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "most_mib": used.ru_maxrss / 1024,
    }
    if watch:
        told["tree_mib"] = most_kib / 1024
    print(json.dumps(told))


if __name__ == "__main__":
    main()
