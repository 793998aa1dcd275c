"""Runs a program and does something to it at its n-th call to the system, counted over all of its threads.

`strace -e inject` counts the calls of each thread for itself, so in a program with several threads no number of its names
"the n-th write". This is the same mechanism (ptrace) with one count. Linux on x86-64.
"""

import ctypes
import os
import platform
import signal
import subprocess
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long

TRACEME, CONT_TO_SYSCALL, SETOPTIONS, SYSCALL_INFO, POKEUSER = 0, 24, 0x4200, 0x420E, 6
SYSGOOD, CLONE, FORK, VFORK, EXEC, EXITKILL = 1, 1 << 3, 1 << 1, 1 << 2, 1 << 4, 1 << 20
ENTRY, EXIT = 1, 2
ORIG_RAX, RAX = 15 * 8, 10 * 8
WALL = 0x40000000
O_CREAT = 0o100
SECONDS = 120

# Number of the call on x86-64: its name and where it says what it touches.
BY_FD = {1: "write", 18: "pwrite64", 20: "writev", 44: "sendto", 46: "sendmsg", 74: "fsync", 75: "fdatasync", 77: "ftruncate"}
BY_PATH = {82: ("rename", 0), 83: ("mkdir", 0), 86: ("link", 1), 87: ("unlink", 0), 84: ("rmdir", 0)}
BY_PATH_AT = {258: ("mkdirat", 1), 263: ("unlinkat", 1), 264: ("renameat", 1), 265: ("linkat", 3), 316: ("renameat2", 1)}
OPEN, OPENAT, CONNECT = 2, 257, 42


class Info(ctypes.Structure):
    """`struct ptrace_syscall_info`, as far as an entry has it."""

    _fields_ = [
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
    ]


def why_not():
    """Why nothing can be traced here; nothing if it can."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "tracing is written for Linux on x86-64"
    try:
        seen = []
        trace(["/bin/mkdir", "-p", "/tmp"], {}, "/tmp", lambda call: seen.append(call))
    except OSError as error:
        return f"the system does not let a process be traced: {error}"
    return None if seen else "nothing was seen of a traced process"


def trace(command, environment, folder, act, stderr=subprocess.DEVNULL):
    """Runs `command`; `act` is called at each call that touches `folder` or a socket, before the system carries it out.

    It gets the name of the call and returns nothing, "kill", or the number of an error that the call ends with instead.
    Returns how the program ended: an exit code, or minus the signal.
    """
    child = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, preexec_fn=traceme
    )
    timer = threading.Timer(SECONDS, child.kill)
    timer.start()
    try:
        return follow(child, folder, act)
    finally:
        timer.cancel()


def traceme():
    LIBC.ptrace(TRACEME, 0, None, None)


def ptrace(request, pid, address=0, data=0):
    if LIBC.ptrace(request, pid, address, data) == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def follow(child, folder, act):
    pid, status = os.waitpid(child.pid, WALL)
    if not os.WIFSTOPPED(status):
        raise OSError(f"not traced: status {status}")
    ptrace(SETOPTIONS, pid, 0, SYSGOOD | CLONE | FORK | VFORK | EXEC | EXITKILL)
    ptrace(CONT_TO_SYSCALL, pid)
    known, failing = {pid}, {}
    while True:
        pid, status = os.waitpid(-1, WALL)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if pid == child.pid:
                child.returncode = os.waitstatus_to_exitcode(status)
                return child.returncode
            continue
        deliver = stopped(pid, status, known, failing, folder, act)
        try:
            ptrace(CONT_TO_SYSCALL, pid, 0, deliver)
        except ProcessLookupError:
            pass  # It was killed while we looked.


def stopped(pid, status, known, failing, folder, act):
    """Handles one stop; returns the signal that the thread is to get."""
    reason = os.WSTOPSIG(status)
    new = pid not in known
    known.add(pid)
    if reason == signal.SIGTRAP | 0x80:
        try:
            at_call(pid, failing, folder, act)
        except ProcessLookupError:
            pass
        return 0
    if status >> 16 or (new and reason == signal.SIGSTOP):
        return 0
    return reason


def at_call(pid, failing, folder, act):
    info = Info()
    ptrace(SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
    if info.op == EXIT and pid in failing:
        ptrace(POKEUSER, pid, RAX, -failing.pop(pid))
    if info.op != ENTRY:
        return
    name = touching(pid, info.number, info.arguments, folder)
    wish = act(name) if name else None
    if wish == "kill":
        os.kill(pid, signal.SIGKILL)
    elif wish:
        # No such call: the system does nothing, and at the exit our error is put in place of its own.
        ptrace(POKEUSER, pid, ORIG_RAX, -1)
        failing[pid] = wish


def touching(pid, number, arguments, folder):
    """The name of the call, where it touches the folder (`state write`) or a socket (`socket write`)."""
    if number in BY_FD:
        place = link(f"/proc/{pid}/fd/{ctypes.c_int(arguments[0]).value}")
        if place.startswith(folder):
            return f"state {BY_FD[number]}"
        return f"socket {BY_FD[number]}" if place.startswith("socket:") else None
    if number == CONNECT:
        return "socket connect"
    if number in BY_PATH or number in BY_PATH_AT:
        name, which = (BY_PATH.get(number) or BY_PATH_AT.get(number))
    elif (number == OPEN and arguments[1] & O_CREAT) or (number == OPENAT and arguments[2] & O_CREAT):
        name, which = "create", 0 if number == OPEN else 1
    else:
        return None
    return f"state {name}" if text(pid, arguments[which]).startswith(folder) else None


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def text(pid, address):
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(4096).split(b"\0")[0].decode(errors="replace")
    except (OSError, ValueError, OverflowError):
        return ""
