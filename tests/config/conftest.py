"""A small valid document, and a place to write others."""

import pytest

SMALL = """\
task: {kind: modular, p: 7}
model: {kind: mlp, width: 8}
optimizer: {kind: adamw}
"""


@pytest.fixture
def small():
    return SMALL


@pytest.fixture
def document(tmp_path):
    """Return a function that writes text or bytes to a YAML file and returns its path."""

    def write(content, name="x.yaml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
