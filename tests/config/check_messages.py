#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every message of the configuration has a golden.

All of them go through wrong(), wrong_at() and warn_of() with a literal format.  This collects the
formats from the source and looks for each in cases/*.err.
"""
import pathlib
import re
import sys

CALL = re.compile(r'\b(?:wrong|wrong_at|warn_of)\(\s*l,\s*[^"]*?,\s*'
                  r'((?:"(?:[^"\\]|\\.)*"\s*(?:PRIo64)?\s*)+)')
PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"')
CONVERSION = re.compile(r'%(?:%|[-0-9.*]*(?:ll|l|z|h)?[a-z])')


def formats(source):
    for path in sorted(source.glob('*.c')):
        text = path.read_text()
        for match in CALL.finditer(text):
            literal = ''.join(PIECE.findall(match.group(1)))
            literal = literal.replace(r'\"', '"').replace(r'\\', '\\')
            yield path.name, text.count('\n', 0, match.start()) + 1, literal
        calls = len(re.findall(r'\breturn !?(?:wrong|wrong_at)\(l', text))
        calls += len(re.findall(r'(?m)^\s+(?:ok = )?(?:wrong|wrong_at|warn_of)\(l', text))
        found = len(CALL.findall(text))
        if path.name != 'problems.c' and calls > found:
            sys.exit(f'{path.name}: {calls} messages, but only {found} have a literal format')


def pattern(fmt):
    parts, last = [], 0
    for match in CONVERSION.finditer(fmt):
        parts.append(re.escape(fmt[last:match.start()]))
        parts.append('%' if match.group() == '%%' else '.*')
        last = match.end()
    parts.append(re.escape(fmt[last:]))
    return re.compile('(?:error|warning): ' + ''.join(parts) + '$', re.M)


def main():
    root = pathlib.Path(sys.argv[1])
    goldens = '\n'.join(p.read_text() for p in (root / 'tests/config/cases').glob('*.err'))
    missing = total = 0
    for name, line, fmt in formats(root / 'src/config'):
        total += 1
        if not pattern(fmt).search(goldens):
            print(f'src/config/{name}:{line}: no golden has: {fmt}')
            missing += 1
    print(f'{total} messages, {missing} without a golden')
    sys.exit(1 if missing or total < 100 else 0)


main()
