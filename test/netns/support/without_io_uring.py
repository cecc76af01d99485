# SPDX-License-Identifier: Apache-2.0
"""Runs a program to which the kernel refuses io_uring, as a container's seccomp profile does.

usage: without_io_uring.py PROGRAM ARGUMENT...
"""
import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP = 425  # the same on every architecture, as all system calls since Linux 5.1
EPERM = 1
filters = [
    struct.pack("HBBI", 0x20, 0, 0, 0),  # load the number of the system call
    struct.pack("HBBI", 0x15, 0, 1, IO_URING_SETUP),
    struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | EPERM),  # SECCOMP_RET_ERRNO
    struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
program = Program(len(filters), b"".join(filters))
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
    PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)
):
    sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
