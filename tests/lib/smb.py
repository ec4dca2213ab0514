# SPDX-License-Identifier: GPL-2.0-or-later
"""SMB operations as Explorer sends them, by raw CREATE, SET_INFO and CHANGE_NOTIFY requests.

What smbclient can't do: ask for deletion and close later, delete on close, rename with and without
replacing, hold a file open while somebody else acts, be told of changes.  Names are relative to the
share, with / between the parts.
"""

import struct

from impacket import smb3structs as s
from impacket.smb3 import SessionError
from impacket.smbconnection import SMBConnection

SHARE_ALL = s.FILE_SHARE_READ | s.FILE_SHARE_WRITE | s.FILE_SHARE_DELETE
STATUS_PENDING = 0x103
NON_DIRECTORY = 0x40
DIRECTORY = 0x1
DELETE_ON_CLOSE = 0x1000
BASIC_INFO = 4
NOTIFY_NAMES = 0x157  # what Explorer arms: names, attributes, size, times
ACTIONS = {1: "added", 2: "removed", 3: "modified", 4: "renamed-from", 5: "renamed-to"}

__all__ = ["Session", "SessionError"]


class Session:
    """One connection of one user to one share."""

    def __init__(self, host, port, user, password, share):
        # 2.1 is the last dialect that impacket does not encrypt, so packets can be read here.
        self.connection = SMBConnection(host, host, sess_port=port, timeout=30,
                                        preferredDialect=s.SMB2_DIALECT_21)
        self.connection.login(user, password)
        self.smb = self.connection.getSMBServer()
        self.tree = self.smb.connectTree(share)
        self.waiting = None

    def abandon(self):
        """The client's machine dies: the connection ends without a word."""
        self.connection.getSMBServer().get_socket().close()

    # --- handles ---

    def open(self, name, access=s.FILE_READ_DATA | s.FILE_READ_ATTRIBUTES, share=SHARE_ALL,
             disposition=s.FILE_OPEN, options=NON_DIRECTORY):
        return self.smb.create(self.tree, name, access, share, options, disposition, 0)

    def open_directory(self, name):
        return self.open(name, s.FILE_LIST_DIRECTORY | s.FILE_READ_ATTRIBUTES,
                         options=DIRECTORY)

    def close(self, handle):
        self.smb.close(self.tree, handle)

    def read(self, handle, size=65536):
        return self.smb.read(self.tree, handle, 0, size)

    def write(self, handle, data, offset=0):
        self.smb.write(self.tree, handle, data, offset, len(data))

    def _set(self, handle, info, data):
        self.smb.setInfo(self.tree, handle, data, infoType=s.SMB2_0_INFO_FILE,
                         fileInfoClass=info)

    # --- deleting ---

    def open_for_delete(self, name):
        """CREATE with DELETE and READ_ATTRIBUTES: Explorer's first step of a deletion."""
        return self.open(name, s.DELETE | s.FILE_READ_ATTRIBUTES)

    def set_disposition(self, handle, delete=True):
        self._set(handle, s.SMB2_FILE_DISPOSITION_INFO, struct.pack("<B", delete))

    def delete(self, name):
        """Disposition, then close: the file goes at the close."""
        handle = self.open_for_delete(name)
        self.set_disposition(handle)
        self.close(handle)

    def delete_on_close(self, name):
        """The create option instead of the disposition."""
        self.close(self.open(name, s.DELETE | s.FILE_READ_ATTRIBUTES,
                             options=NON_DIRECTORY | DELETE_ON_CLOSE))

    # --- renaming and moving ---

    def rename_handle(self, handle, target, replace=False):
        raw = target.replace("/", "\\").encode("utf-16le")
        self._set(handle, s.SMB2_FILE_RENAME_INFO,
                  struct.pack("<B7xQL", replace, 0, len(raw)) + raw)

    def rename(self, name, target, replace=False):
        """FileRenameInformation within the share: a rename, or a move into a folder."""
        handle = self.open(name, s.DELETE | s.FILE_READ_ATTRIBUTES | s.SYNCHRONIZE, options=0)
        try:
            self.rename_handle(handle, target, replace)
        finally:
            self.close(handle)

    # --- writing ---

    def create(self, name, data=b"", replace=False):
        """As Explorer copies: create, set the length, write, set the time, close."""
        disposition = s.FILE_OVERWRITE_IF if replace else s.FILE_CREATE
        handle = self.open(name, s.GENERIC_WRITE | s.GENERIC_READ | s.DELETE,
                           s.FILE_SHARE_READ, disposition)
        try:
            if data:
                self._set(handle, s.SMB2_FILE_END_OF_FILE_INFO, struct.pack("<Q", len(data)))
                for offset in range(0, len(data), 65536):
                    self.write(handle, data[offset:offset + 65536], offset)
            when = 133_000_000_000_000_000
            self._set(handle, BASIC_INFO, struct.pack("<QQQQLL", 0, 0, when, 0, 0, 0))
        finally:
            self.close(handle)

    def make_directory(self, name):
        self.close(self.open(name, s.FILE_LIST_DIRECTORY, disposition=s.FILE_CREATE,
                             options=DIRECTORY))

    def set_attributes(self, name, attributes):
        """The DOS attributes, as Properties > Read-only sets them."""
        handle = self.open(name, s.FILE_WRITE_ATTRIBUTES, options=0)
        try:
            self._set(handle, BASIC_INFO, struct.pack("<QQQQLL", 0, 0, 0, 0, attributes, 0))
        finally:
            self.close(handle)

    # --- looking ---

    def names(self, directory):
        entries = self.connection.listPath(self._share_name(), directory + "/*")
        return sorted(e.get_longname() for e in entries if e.get_longname() not in (".", ".."))

    def _share_name(self):
        table = self.smb._Session["TreeConnectTable"]
        return table[self.tree]["ShareName"].rpartition("\\")[2]

    def arm_notify(self, handle):
        """CHANGE_NOTIFY on a directory's handle; returns once the server says that it is armed.

        Where changes wait already, they are the answer, and changes() returns them at once.
        """
        request = s.SMB2ChangeNotify()
        request["OutputBufferLength"] = 65536
        request["FileID"] = s.SMB2_FILEID(handle)
        request["CompletionFilter"] = NOTIFY_NAMES
        packet = self.smb.SMB_PACKET()
        packet["Command"] = s.SMB2_CHANGE_NOTIFY
        packet["TreeID"] = self.tree
        packet["Data"] = request
        number = self.smb.sendSMB(packet)
        answer = self._packet()
        assert answer["Status"] in (0, STATUS_PENDING) and answer["MessageID"] == number, (
            f"CHANGE_NOTIFY was answered with {answer['Status']:#x}")
        self.waiting = answer if answer["Status"] == 0 else None

    def changes(self, timeout=20):
        """What the armed directory reports: [(action, name), ...]."""
        answer = self.waiting or self._packet(timeout)
        self.waiting = None
        assert answer["Status"] == 0, f"CHANGE_NOTIFY ended with {answer['Status']:#x}"
        raw = s.SMB2ChangeNotify_Response(answer["Data"])["Buffer"]
        found, offset = [], 0
        while True:
            following, action, length = struct.unpack_from("<LLL", raw, offset)
            name = raw[offset + 12:offset + 12 + length].decode("utf-16le")
            found.append((ACTIONS.get(action, action), name))
            if following == 0:
                return found
            offset += following

    def _packet(self, timeout=20):
        data = self.smb._NetBIOSSession.recv_packet(timeout)
        return s.SMB2Packet(data.get_trailer())
