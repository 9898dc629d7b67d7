"""Compares stoq_abi.f90, stoq_functions.f90 and stoq_tool_functions.f90 with what check_declarations.py read in stoq.h."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "fortran"
#: Integers of Fortran have a sign; those of C that have none go as integers of the same size.
KINDS = {
    "double": "real(c_double)",
    "int32_t": "integer(c_int32_t)",
    "uint32_t": "integer(c_int32_t)",
    "uint64_t": "integer(c_int64_t)",
    "size_t": "integer(c_size_t)",
    "ptrdiff_t": "integer(c_intptr_t)",
}


def lines(name):
    """The statements of a file: comments gone, continued lines joined."""
    text = re.sub(r"!.*", "", (FOLDER / name).read_text(encoding="utf-8"))
    return [" ".join(line.split()) for line in re.sub(r"&\s*\n\s*&?", " ", text).splitlines() if line.strip()]


class Module:
    """What the module declares: constants, structs with their members, functions with their arguments in order."""

    def __init__(self):
        self.constants, self.structs, self.functions = {}, {}, {}
        members = None
        for line in lines("stoq_abi.f90"):
            if found := re.fullmatch(r"integer\(c_int32_t\), parameter :: (\w+) = (-?\d+)", line):
                self.constants[found[1]] = int(found[2])
            elif found := re.fullmatch(r"type, bind\(C\) :: (\w+)", line):
                members = self.structs[found[1]] = []
            elif line.startswith("end type"):
                members = None
            elif members is not None:
                kind, name, length = re.fullmatch(r"(.+?) :: (\w+)(?:\((\d+)\))?(?: = \w+)?", line).groups()
                members.append((name, kind, int(length or 1)))
        head = re.compile(r"(?:(.+) function|subroutine) (\w+)\((.*)\) bind\(C\)")
        for line in lines("stoq_functions.f90") + lines("stoq_tool_functions.f90"):
            if found := head.fullmatch(line):
                names = [name.strip() for name in found[3].split(",") if name.strip()]
                kinds = dict.fromkeys(names, "undeclared")
                self.functions[found[2]] = (found[1] or "none", kinds)
            elif " :: " in line and not line.startswith(("use", "private")):
                kind, declared = line.split(" :: ")
                for name in declared.split(","):
                    array = "(*)" if name.strip().endswith("(*)") else ""
                    kinds[name.strip().removesuffix("(*)")] = kind + array


def words_of(text):
    found = re.findall(r"\w+|\*", text)
    words = [word for word in found if word not in ("const", "struct")]
    return words[0], words.count("*"), "const" in found


def argument(text, header):
    """The ways in which an argument may be declared."""
    base, stars, constant = words_of(text)
    if base in header.callbacks:
        return {"type(c_funptr), value"}
    if stars == 0:
        return {KINDS[header.spelled.get(base, base)] + ", value"}
    if stars == 1 and base == "char" and constant:
        return {"character(kind=c_char), intent(in)(*)"}
    if stars == 1 and base in header.structs:
        return {f"type({base}), intent({'in' if constant else 'inout'})", "type(c_ptr), value"}
    if stars == 2 and base in header.handles:
        return {"type(c_ptr), intent(inout)"}
    return {"type(c_ptr), value"}


def result(text, header):
    base, stars, _ = words_of(text)
    if stars:
        return "type(c_ptr)"
    return "none" if base == "void" else KINDS[header.spelled.get(base, base)]


def compare_functions(header, module, faults):
    for name in sorted(header.texts.keys() | module.functions.keys()):
        if name not in module.functions:
            faults.append(f"function {name} is in stoq.h, not in the module")
            continue
        if name not in header.texts:
            faults.append(f"function {name} is in the module, not in stoq.h")
            continue
        (c_result, c_arguments), (kind, arguments) = header.texts[name], module.functions[name]
        parts = [] if c_arguments == "void" else [part.strip() for part in c_arguments.split(",")]
        names = [re.search(r"\w+$", part)[0] for part in parts]
        if names != list(arguments):
            faults.append(f"function {name}: stoq.h has the arguments {names}, the module {list(arguments)}")
            continue
        if result(c_result, header) != kind:
            faults.append(f"function {name}: stoq.h gives {c_result.strip()}, the module {kind}")
        for part, word in zip(parts, names):
            allowed = argument(part[: -len(word)], header)
            if arguments[word] not in allowed:
                faults.append(f"function {name}: stoq.h has {part}, the module {arguments[word]}")


def compare_structs(header, module, faults):
    for name in sorted(header.bodies.keys() | module.structs.keys()):
        expected = []
        for line in (" ".join(part.split()) for part in header.bodies.get(name, "").split(";") if part.strip()):
            kind, member, length = re.fullmatch(r"(.+?[ *])(\w+)(?:\[(\d+)\])?", line).groups()
            base, stars, _ = words_of(kind)
            kind = "type(c_ptr)" if stars else KINDS.get(header.spelled.get(base, base), base)
            expected.append((member, kind, int(length or 1)))
        if expected != module.structs.get(name, []):
            faults.append(f"struct {name}: stoq.h {expected}, stoq_abi.f90 {module.structs.get(name)}")


def check(header, faults):
    """Adds what differs to `faults`; returns how many functions there are."""
    module = Module()
    # Fortran does not tell STOQ_ABI_VERSION from the function stoq_abi_version.
    constants = {name.replace("STOQ_ABI_VERSION", "STOQ_ABI_NUMBER"): v for name, v in header.constants.items()}
    for name in sorted(constants.keys() | module.constants.keys()):
        found, expected = module.constants.get(name), constants.get(name)
        if found != expected:
            faults.append(f"constant {name}: stoq.h {expected}, stoq_abi.f90 {found}")
    compare_structs(header, module, faults)
    compare_functions(header, module, faults)
    return len(module.functions)
