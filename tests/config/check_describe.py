#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is made from the schema is right: JSON Schema, the manual's tables, the reference snippet.

usage: check_describe.py CONFIG-DESCRIBE SOURCE-DIRECTORY
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])


def run(*arguments, check=True):
    done = subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, text=True, timeout=20)
    if check and done.returncode:
        sys.exit(f'{arguments}: {done.returncode}\n{done.stdout}')
    return done


def keys():
    return [line.split('\t') for line in run('keys').stdout.splitlines()]


def references(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == '$ref':
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def check_json():
    schema = json.loads(run('json').stdout)
    for reference in references(schema):
        assert reference.startswith('#/$defs/') and reference[8:] in schema['$defs'], reference
    names = {'a snippet': 'snippet', "the group's command": 'defaults', 'an action': 'action',
             'flagman.yaml': 'settings'}
    for place, key, _ in keys():
        properties = schema['$defs'][names.get(place, place)]['properties']
        assert key in properties, (place, key)
        assert properties[key]['description'], (place, key)
    validate(schema)


def validate(schema):
    """With python3-jsonschema and python3-yaml, where they are: the samples and the goldens fit."""
    try:
        import jsonschema
        import yaml
    except ImportError:
        return
    for path in sorted((ROOT / 'conf.d').glob('*.yaml')):
        if path.name == 'flagman.yaml':
            continue
        for document in yaml.safe_load_all(path.read_text()):
            prune(document)
            jsonschema.validate(document, schema)


def prune(value):
    """Mappings of which all is commented out are null."""
    if isinstance(value, dict):
        for name in [n for n, v in value.items() if v is None and n in ('file', 'labels')]:
            del value[name]
        for inner in value.values():
            prune(inner)
    elif isinstance(value, list):
        for inner in value:
            prune(inner)


def check_man():
    tables = run('man').stdout
    for _, key, _ in keys():
        assert re.search(rf'^\.It Cm {re.escape(key)}(?: |$)', tables, re.M), key
    if not shutil.which('mandoc'):
        return
    page = '.Dd November 21, 2026\n.Dt X 5\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Sh DESCRIPTION\n' + tables
    done = subprocess.run(['mandoc', '-Tlint', '-Wwarning'], input=page, text=True, timeout=20,
                          stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stdout


def uncomment(text):
    return re.sub(r'(?m)^( *)#(?=[a-z])', r'\1', text)


def check_reference():
    """Every key stands in it, with its default, and all of them together make a good snippet."""
    text = (ROOT / 'conf.d/reference.yaml').read_text()
    settings = (ROOT / 'conf.d/flagman.yaml').read_text()
    for place, key, default in keys():
        where = settings if place == 'flagman.yaml' else text
        if place == "the group's command":
            continue
        found = re.findall(rf'(?m)^ *(?:- )?#?{re.escape(key)}:(?: +(.*?))?(?:  *# .*)?$', where)
        assert found, f'{place}: {key} is not in the reference'
        if default:
            assert default in [f.strip() for f in found], (
                f'{place}: {key}: {default} is not {found}')
    with tempfile.TemporaryDirectory() as directory:
        for name, body, verb in (('reference', text, 'check'), ('flagman', settings, 'settings')):
            for kind, content in (('as-is', body), ('whole', uncomment(body))):
                path = pathlib.Path(directory) / f'{name}-{kind}.yaml'
                path.write_text(content)
                done = run(verb, str(path), check=False)
                assert done.returncode == 0, done.stdout


check_json()
check_man()
check_reference()
print('JSON Schema, manual and reference are as the schema says')
