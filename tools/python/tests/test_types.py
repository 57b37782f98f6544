"""The stub says what the part in Rust has, and the package is typed."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import uncsm_index
from uncsm_index import _native

PACKAGE = Path(uncsm_index.__file__).parent


def stubbed():
    """Classes of the stub, with the names and parameters of their methods."""
    tree = ast.parse((PACKAGE / "_native.pyi").read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name != "Error":
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            yield node.name, {method.name: [arg.arg for arg in method.args.args if arg.arg != "self"] for method in methods}


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_the_stub_is_what_is_there():
    stub = dict(stubbed())
    own = {name for name, value in vars(_native).items() if inspect.isclass(value) and name != "Error"}
    assert own == set(stub)
    for name, methods in stub.items():
        there = vars(getattr(_native, name))
        assert {method for method in there if not method.startswith("__")} == {method for method in methods if not method.startswith("__")}, name
        for method, expected in methods.items():
            value = there[method]
            value = value.__func__ if isinstance(value, staticmethod) else value
            text = getattr(value, "__text_signature__", None)
            if text is None:
                assert expected == [] or method.startswith("__"), (name, method)
            else:
                got = [part.strip() for part in text.strip("()").split(",")]
                assert [part for part in got if part and part not in ("$self", "self", "/")] == expected, (name, method)


def test_public_names_are_annotated():
    for name in uncsm_index.__all__:
        value = getattr(uncsm_index, name)
        if not inspect.isclass(value) or value is uncsm_index.Error:
            continue
        for method, function in inspect.getmembers(value, inspect.isroutine):
            if method.startswith("_") or method in vars(object) or getattr(function, "__module__", "").split(".")[0] != "uncsm_index":
                continue
            missing = [p.name for p in inspect.signature(function).parameters.values() if p.annotation is p.empty and p.name not in ("self", "cls")]
            assert missing == [] and inspect.signature(function).return_annotation is not inspect.Signature.empty, (name, method, missing)
            assert function.__doc__, (name, method)
