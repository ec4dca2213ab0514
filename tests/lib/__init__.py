# SPDX-License-Identifier: GPL-2.0-or-later
"""What the integration tests are written with.

instance.Instance   flagmand with everything it starts, in a directory of its own
smbd.Smbd           a real smbd on loopback
smb.Session         SMB operations as Explorer sends them
people              the users and groups of a test session
processes           who descends from whom; ending all of it
waiting             wait_for(): conditions, never sleeps
"""
