"""A socket that hears nothing any more: its kernel drops each packet unseen, without a word to the sender."""

import ctypes
import socket
import struct
import sys
from typing import Any

# https://docs.kernel.org/networking/filter.html: one instruction, which keeps 0 bytes of a packet.
SO_ATTACH_FILTER = 26
RETURN_CONSTANT = 0x06


def drop_packets(silenced: Any) -> None:
    """Drop what comes for a socket, listening or connected, from now on: no data, no acknowledgement, no end.

    Raises:
        OSError: it is closed, or this is not Linux.
    """
    if sys.platform != "linux":
        raise OSError(f"{sys.platform} cannot drop a socket's packets: Linux does")
    program = ctypes.create_string_buffer(struct.pack("HBBI", RETURN_CONSTANT, 0, 0, 0))
    silenced.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))
