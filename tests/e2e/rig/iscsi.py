"""The least that an initiator can be: one login request, to see the status that a target answers with (RFC 7143 sections 11.12 and 11.13).

    python3 -m rig.iscsi SERVER INITIATOR TARGET    prints the status, 0x0202 for example
"""

import socket
import struct
import sys

LOGIN_REQUEST = 0x43  # immediate
SECURITY_TO_OPERATIONAL = 0x81  # T, CSG 0 (security), NSG 1 (operational)


def login_status(server, initiator, target, port=3260):
    keys = f"InitiatorName={initiator}\0TargetName={target}\0SessionType=Normal\0AuthMethod=CHAP,None\0".encode()
    isid = bytes.fromhex("00023d00ffff")
    header = struct.pack(">BBBBI6sHIHHII16x", LOGIN_REQUEST, SECURITY_TO_OPERATIONAL, 0, 0, len(keys), isid, 0, 1, 0, 0, 1, 0)
    with socket.create_connection((server, port), timeout=10) as connection:
        connection.sendall(header + keys + b"\0" * (-len(keys) % 4))
        answer = b""
        while len(answer) < 48:
            piece = connection.recv(48 - len(answer))
            if not piece:
                raise ConnectionError("the target closed without a login response")
            answer += piece
    return answer[36] << 8 | answer[37]


if __name__ == "__main__":
    print(f"{login_status(*sys.argv[1:4]):#06x}")
