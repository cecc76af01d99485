# SPDX-License-Identifier: Apache-2.0
"""Runs a program on a terminal of its own and plays with it: on_terminal.py [ROWSxCOLUMNS:]KEYS-OR-SIGNAL PROGRAM ARGS...

The terminal has 24 rows of 80 columns unless said otherwise. Begins when WAIT_FOR has been shown, or the program ended. Prints as JSON what the terminal showed, whether it is as it was before, and how the program ended. The first word is a list,
with commas, of: a key, resize, stop (SIGSTOP by Ctrl-Z, then SIGCONT), tstp (the same by SIGTSTP), term (SIGTERM).
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time


def size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


rows, columns, words = re.fullmatch(r"(?:(\d+)x(\d+):)?(.*)", sys.argv[1], re.S).groups()
acts = words.split(",")
pid, fd = pty.fork()
if pid == 0:
    time.sleep(0.2)  # until the size is set
    os.execvp(sys.argv[2], sys.argv[2:])
size(fd, int(rows or 24), int(columns or 80))
before = termios.tcgetattr(fd)
text = b""


def read(seconds):
    global text
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.05)[0]:
            try:
                text += os.read(fd, 65536)
            except OSError:
                return False
    return True


def wait_for(mark, seconds=15):
    end = time.monotonic() + seconds
    while mark not in text and time.monotonic() < end and read(0.1):
        pass


wait_for(os.environ.get("WAIT_FOR", "q quit").encode())
stopped_clean = None
for act in filter(None, acts):
    if act == "resize":
        size(fd, 10, 100)
        os.kill(pid, signal.SIGWINCH)
    elif act in ("stop", "tstp"):
        if act == "stop":
            os.write(fd, b"\x1a")
        else:
            os.kill(pid, signal.SIGTSTP)
        os.waitpid(pid, os.WUNTRACED)
        read(0.3)
        stopped_clean = text.rstrip().endswith(b"\x1b[?1049l") and termios.tcgetattr(fd) == before
        os.kill(pid, signal.SIGCONT)
        seen = len(text)
        end = time.monotonic() + 10
        while b"\x1b[?1049h" not in text[seen:] and time.monotonic() < end:
            read(0.1)
    elif act == "term":
        os.kill(pid, signal.SIGTERM)
    else:
        os.write(fd, act.encode())
    read(1.5)
after = termios.tcgetattr(fd)  # while the program's last words are still there to be read
read(0.5)
_, status = os.waitpid(pid, 0)
print(
    json.dumps(
        {
            "text": text.decode("utf8", "replace"),
            "restored": after == before,
            "stoppedClean": stopped_clean,
            "code": os.waitstatus_to_exitcode(status),
        }
    )
)
