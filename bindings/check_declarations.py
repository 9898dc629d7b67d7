#!/usr/bin/env python3
"""Compares what the bindings declare with include/stoq.h: constants, structs, callbacks, functions. Here bindings/python,
for ctypes; check_fortran.py has bindings/fortran.

    check_declarations.py [stoq.h]

stoq.h is generated, so that a small parser for its own style is enough; one that meets what it does not know fails.
Needs nothing but Python: the library is not loaded.
"""

import ctypes
import importlib.util
import re
import sys
from pathlib import Path

import check_fortran

BINDINGS = Path(__file__).resolve().parent
NUMBERS = {
    "double": ctypes.c_double,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "ptrdiff_t": ctypes.c_ssize_t,
}


def declarations():
    """_abi.py alone: the package would load the library."""
    spec = importlib.util.spec_from_file_location("_abi", BINDINGS / "python" / "stoq" / "_abi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Header:
    """What stoq.h declares, in the types of ctypes."""

    def __init__(self, text, abi):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
        self.abi, self.numbers = abi, dict(NUMBERS)
        self.constants = {name: int(value) for name, value in re.findall(r"#define (STOQ_\w+) (-?\d+)", text)}
        #: What the bindings that are no Python compare: the words of C, with its own numbers for stoq_status_t and so on.
        self.texts, self.bodies, self.spelled = {}, {}, {}
        text = re.sub(r'^\s*#.*$|extern "C" \{|^\}\s*$', "", text, flags=re.M)
        self.structs, self.callbacks, self.functions, self.handles = {}, {}, {}, set()
        for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", text, flags=re.S):
            self.structs[name] = self.bodies[name] = body
        text = re.sub(r"typedef struct \w+ \{.*?\} \w+;", "", text, flags=re.S)
        statements = [" ".join(part.split()) for part in text.split(";") if part.strip()]
        for statement in statements:
            self.read(statement)
        self.structs = {name: self.members(body) for name, body in self.structs.items()}

    def read(self, statement):
        if found := re.fullmatch(r"typedef struct (\w+) (\w+)", statement):
            self.handles.add(found[1])
        elif found := re.fullmatch(r"typedef (\w+) (\w+)", statement):
            self.numbers[found[2]] = self.numbers[found[1]]
            self.spelled[found[2]] = found[1]
        elif found := re.fullmatch(r"typedef (.+?) ?\(\*(\w+)\)\((.*)\)", statement):
            self.callbacks[found[2]] = self.signature(found[1], found[3])
        elif found := re.fullmatch(r"(.+?[ *])(stoq_\w+)\((.*)\)", statement):
            self.functions[found[2]] = self.signature(found[1], found[3])
            self.texts[found[2]] = found[1], found[3]
        else:
            raise SystemExit(f"stoq.h has a declaration that this script does not know: {statement}")

    def signature(self, result, arguments):
        parts = [] if arguments == "void" else arguments.split(",")
        return self.type(result), [self.type(re.sub(r"\w+$", "", part.strip())) for part in parts]

    def type(self, text):
        words = [word for word in re.findall(r"\w+|\*", text) if word not in ("const", "struct")]
        base, stars = words[0], words.count("*")
        if stars == 1 and base == "char":
            return ctypes.c_char_p
        if stars == 1 and base in self.structs:
            return ctypes.POINTER(self.abi.STRUCTS[base]) if base in self.abi.STRUCTS else None
        if stars:
            known = base in self.handles or base in self.numbers or base in ("void", "char")
            return ctypes.c_void_p if known else f"unknown type {text}"
        if base in self.abi.CALLBACKS:
            return self.abi.CALLBACKS[base]
        return None if base == "void" else self.numbers.get(base, f"unknown type {text}")

    def members(self, body):
        members = []
        for line in (" ".join(part.split()) for part in body.split(";") if part.strip()):
            kind, name, length = re.fullmatch(r"(.+?[ *])(\w+)(?:\[(\d+)\])?", line).groups()
            kind = self.type(kind)
            members.append((name, kind * int(length) if length else kind))
        return members


def compare(what, header, binding, faults):
    for name in sorted(header.keys() | binding.keys()):
        if name not in binding:
            faults.append(f"{what} {name} is in stoq.h, not in the binding")
        elif name not in header:
            faults.append(f"{what} {name} is in the binding, not in stoq.h")
        elif header[name] != binding[name]:
            faults.append(f"{what} {name}: stoq.h {header[name]}, binding {binding[name]}")


def julia_faults(path):
    """Julia's are made from the header by a script of their own, which also compares."""
    spec = importlib.util.spec_from_file_location("declare", BINDINGS / "julia" / "declare.py")
    declare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(declare)
    return declare.faults(declare.Header(path.read_text(encoding="utf-8")), declare.TARGET.read_text(encoding="utf-8"))


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else BINDINGS.parent / "include" / "stoq.h"
    abi, faults = declarations(), []
    header = Header(path.read_text(encoding="utf-8"), abi)
    # A text that the library writes into a buffer is an address, not a text that ctypes converts.
    for name, place in (("stoq_model_metadata", 2), ("stoq_report_json", 1), ("stoq_report_text", 1)):
        result, arguments = header.functions[name]
        header.functions[name] = result, [*arguments[:place], ctypes.c_void_p, *arguments[place + 1 :]]
    compare("constant", header.constants, abi.CONSTANTS, faults)
    compare("struct", header.structs, {name: struct._fields_ for name, struct in abi.STRUCTS.items()}, faults)
    for name, struct in abi.STRUCTS.items():
        # No padding: what C and ctypes lay out cannot differ.
        sizes = sum(ctypes.sizeof(kind) for _, kind in struct._fields_)
        if sizes != ctypes.sizeof(struct):
            faults.append(f"struct {name} has {ctypes.sizeof(struct) - sizes} bytes of padding")
    callbacks = {name: (kind._restype_, list(kind._argtypes_)) for name, kind in abi.CALLBACKS.items()}
    compare("callback", header.callbacks, callbacks, faults)
    compare("function", header.functions, abi.FUNCTIONS, faults)
    if abi.ABI_VERSION != header.constants["STOQ_ABI_VERSION"]:
        faults.append(f"ABI_VERSION = {abi.ABI_VERSION}, stoq.h has {header.constants['STOQ_ABI_VERSION']}")
    in_fortran = check_fortran.check(header, faults)
    faults += julia_faults(path)
    if faults:
        raise SystemExit("\n".join(faults))
    counts = len(header.functions), len(header.constants), len(header.structs), len(header.callbacks)
    print("declarations agree: {} functions, {} constants, {} structs, {} callbacks".format(*counts))
    print(f"declarations of Fortran agree: {in_fortran} functions")
    print("declarations of Julia agree")


main()
