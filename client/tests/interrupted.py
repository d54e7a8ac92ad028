"""A Ctrl-C wherever Python can raise one."""

import dis
import itertools
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

# After these CPython looks for signals, ceval.c: CHECK_EVAL_BREAKER.
LOOKING = {dis.opmap[name] for name in ("CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD", "RESUME")}


def everywhere(of: Callable[[], object]) -> Iterator[int]:
    """Call something again and again, each time interrupted a little later, until it comes to its end.

    Yields:
        after how many such points, in what it calls too, it was interrupted.
    """
    for number in itertools.count(1):
        if not _interrupted(of, number):
            return
        yield number


def _interrupted(of: Callable[[], object], number: int) -> bool:
    left, before = number, dict[FrameType, int]()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            looking = before.get(frame) in LOOKING
            before[frame] = frame.f_code.co_code[frame.f_lasti]
            left -= looking
            if looking and left == 0:
                raise KeyboardInterrupt
        return trace

    traced = sys.gettrace()
    sys.settrace(trace)
    try:
        of()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(traced)
    return left <= 0  # Python itself swallows one in a destructor
