#!/usr/bin/env python3
"""Makes bindings/julia/src/declarations.jl from include/stoq.h, or checks that the two agree.

    declare.py [--write] [stoq.h]

Without --write: names every declaration of the file that differs from what the header says, and fails if there is
one. stoq.h is generated, so that a small parser for its own style is enough; one that meets what it does not know
fails. Types keep their names in C; `T *` is Ptr{T}, `const char *` Cstring. Needs nothing but Python.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "src" / "declarations.jl"
NUMBERS = {
    "double": "Cdouble",
    "int32_t": "Int32",
    "uint32_t": "UInt32",
    "uint64_t": "UInt64",
    "size_t": "Csize_t",
    "ptrdiff_t": "Cptrdiff_t",
    "void": "Cvoid",
}
# Julia's enumeration for the constants that begin with a prefix; first match.
ENUMERATIONS = {
    "STOQ_AS_IN_FILE": "AsInFile",
    "STOQ_SCHEME_": "Scheme",
    "STOQ_ENGINE_": "Engine",
    "STOQ_OUTPUT_": "NetworkOutput",
    "STOQ_TIME_": "NetworkTime",
    "STOQ_CHANNELS_": "ChannelOrder",
    "STOQ_STEPS_": "Steps",
    "STOQ_KERNEL_": "Kernel",
    "STOQ_DRIFT_": "Drift",
    "STOQ_LEAPFROG": "Integrator",
    "STOQ_OMELYAN": "Integrator",
    "STOQ_GRID_": "Grid",
    "STOQ_REJECTED": "Outcome",
    "STOQ_ACCEPTED": "Outcome",
    "STOQ_SIZE_": "NetworkSize",
    "STOQ_METHOD_": "GeneratorMethod",
    "STOQ_ENDING_": "Ending",
    "STOQ_CORRECTION_": "Correction",
    "STOQ_TRACE_": "Trace",
    "STOQ_COORDINATES_": "Coordinates",
    "STOQ_SYMMETRY_": "Symmetry",
    "STOQ_FIELD_": "FieldKind",
    "STOQ_STATISTICS_": "StatisticsMethod",
    "STOQ_TWO_SAMPLE_": "TwoSample",
    "STOQ_": "Status",
}
HEAD = """\
# What include/stoq.h declares, for ccall. Made from it by `python3 bindings/julia/declare.py --write`; edit neither.
"""
WIDTH = 110


class Header:
    """What stoq.h declares, as Julia writes it: name -> text, in the order of the header."""

    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
        self.constants = {name: int(value) for name, value in re.findall(r"#define (STOQ_\w+) (-?\d+)", text)}
        text = re.sub(r'^\s*#.*$|extern "C" \{|^\}\s*$', "", text, flags=re.M)
        self.aliases, self.handles, self.callbacks, self.functions = {}, {}, {}, {}
        bodies = {name: body for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", text, flags=re.S)}
        self.known = set(NUMBERS) | set(bodies) | {"char"}
        text = re.sub(r"typedef struct \w+ \{.*?\} \w+;", "", text, flags=re.S)
        for statement in (" ".join(part.split()) for part in text.split(";") if part.strip()):
            self.read(statement)
        self.structs = {name: self.struct(name, body) for name, body in bodies.items()}

    def read(self, statement):
        if found := re.fullmatch(r"typedef struct (\w+) (\w+)", statement):
            self.known.add(found[2])
            self.handles[found[2]] = f"abstract type {found[2]} end"
        elif found := re.fullmatch(r"typedef (\w+) (\w+)", statement):
            self.known.add(found[2])
            self.aliases[found[2]] = f"const {found[2]} = {NUMBERS[found[1]]}"
        elif found := re.fullmatch(r"typedef (.+?) ?\(\*(\w+)\)\((.*)\)", statement):
            self.known.add(found[2])
            self.callbacks[found[2]] = self.signature(found[2], found[3], found[1])
        elif found := re.fullmatch(r"(.+?[ *])(stoq_\w+)\((.*)\)", statement):
            self.functions[found[2]] = self.signature(found[2], found[3], found[1])
        else:
            raise SystemExit(f"stoq.h has a declaration that this script does not know: {statement}")

    def type(self, text):
        constant = "const" in text
        words = [word for word in re.findall(r"\w+|\*", text) if word not in ("const", "struct")]
        base, stars = words[0], words.count("*")
        if base not in self.known:
            raise SystemExit(f"stoq.h has a type that this script does not know: {text}")
        if base == "char":
            return {1: "Cstring" if constant else "Ptr{UInt8}", 2: "Ptr{Cstring}"}[stars]
        return "Ptr{" * stars + NUMBERS.get(base, base) + "}" * stars

    def signature(self, name, arguments, result):
        split = [] if arguments == "void" else [re.fullmatch(r"(.*?)(\w+)", part.strip()) for part in arguments.split(",")]
        parts = [f"{part[2]}::{self.type(part[1])}" for part in split]
        result = self.type(result)
        line = f"{name}({', '.join(parts)})::{result}"
        if len(line) <= WIDTH:
            return line
        lines = [""]
        for part in parts:
            if len(lines[-1]) + len(part) > WIDTH - 6:
                lines.append("")
            lines[-1] += f"{part}, "
        inner = "\n        ".join(line.rstrip() for line in lines).rstrip(",")
        return f"{name}(\n        {inner}\n    )::{result}"

    def struct(self, name, body):
        lines = []
        for line in (" ".join(part.split()) for part in body.split(";") if part.strip()):
            kind, member, length = re.fullmatch(r"(.+?[ *])(\w+)(?:\[(\d+)\])?", line).groups()
            kind = self.type(kind)
            lines.append(f"    {member}::" + (f"NTuple{{{length}, {kind}}}" if length else kind))
        return "\n".join([f"struct {name}", *lines, "end"])

    def enumerations(self):
        found = {}
        for name, value in self.constants.items():
            if name != "STOQ_ABI_VERSION":
                group = next(group for prefix, group in ENUMERATIONS.items() if name.startswith(prefix))
                found.setdefault(group, []).append(f"    {name} = {value}")
        return {name: "\n".join([f"@enum {name}::Int32 begin", *lines, "end"]) for name, lines in found.items()}

    def declarations(self):
        """name -> text of everything, in the order of the file; and the two blocks of macros."""
        single = {"ABI_VERSION": f"const ABI_VERSION = UInt32({self.constants['STOQ_ABI_VERSION']})"}
        single.update(self.enumerations())
        for part in (self.aliases, self.handles, self.structs):
            single.update(part)
        return single

    def text(self):
        blocks = [HEAD.rstrip()]
        for part in ({"": self.declarations()["ABI_VERSION"]}, self.enumerations()):
            blocks.extend(part.values())
        blocks += ["\n".join(self.aliases.values()), "\n".join(self.handles.values())]
        blocks.extend(self.structs.values())
        for macro, part in (("callbacks", self.callbacks), ("functions", self.functions)):
            blocks.append("\n".join([f"@{macro} begin", *("    " + text for text in part.values()), "end"]))
        return "\n\n".join(blocks) + "\n"


def faults(header, text):
    """Names of declarations of the header that are not in the text of the binding; and lines that are too many."""
    found, rest = [], text
    everything = {**header.declarations(), **header.callbacks, **header.functions}
    for name, declaration in everything.items():
        pattern = r"(?<![^\s])" + re.escape(declaration) + r"(?![^\s])"
        rest, count = re.subn(pattern, "", rest, count=1)
        if not count:
            found.append(f"{name}: not as in stoq.h, which has\n{declaration}")
    left = [line for line in rest.splitlines() if line.strip() and not line.startswith(("#", "@callbacks", "@functions"))]
    left = [line for line in left if line != "end"]
    return found + [f"not in stoq.h: {line}" for line in left]


def main():
    arguments = sys.argv[1:]
    write = "--write" in arguments
    paths = [Path(argument) for argument in arguments if argument != "--write"]
    header = Header((paths[0] if paths else HERE.parents[1] / "include" / "stoq.h").read_text(encoding="utf-8"))
    if write:
        TARGET.write_text(header.text(), encoding="utf-8")
        return
    found = faults(header, TARGET.read_text(encoding="utf-8"))
    if found:
        raise SystemExit("\n".join(found) + "\nrenew it by bindings/julia/declare.py --write")
    counts = len(header.functions), len(header.constants), len(header.structs), len(header.callbacks)
    print("Julia: declarations agree: {} functions, {} constants, {} structs, {} callbacks".format(*counts))


if __name__ == "__main__":
    main()
