"""Finds libstoq, checks its ABI, and calls it."""

import ctypes
import ctypes.util
import enum
import os
import sys
import threading
from pathlib import Path

from . import _abi


def _enum(name, prefix, *extra):
    """The constants of stoq.h that begin with `prefix` as an enumeration without it."""
    chosen = {key[len(prefix):]: value for key, value in _abi.CONSTANTS.items() if key.startswith(prefix)}
    chosen.update({key[len("STOQ_"):]: _abi.CONSTANTS[key] for key in extra})
    return enum.IntEnum(name, chosen, module="stoq")


_STATUSES = [
    "STOQ_OK", "STOQ_INVALID_ARGUMENT", "STOQ_SHAPE_MISMATCH", "STOQ_NOT_FINITE", "STOQ_MODEL_FILE",
    "STOQ_CHAIN_STATE", "STOQ_CALLBACK_STOPPED", "STOQ_WRONG_ORDER", "STOQ_IO", "STOQ_OUT_OF_MEMORY",
    "STOQ_INTERNAL", "STOQ_RUNTIME_MISSING", "STOQ_DEVICE_UNAVAILABLE",
]  # fmt: skip

Status = _enum("Status", "-", *_STATUSES)
Scheme = _enum("Scheme", "STOQ_SCHEME_")
Engine = _enum("Engine", "STOQ_ENGINE_")
Output = _enum("Output", "STOQ_OUTPUT_")
Time = _enum("Time", "STOQ_TIME_")
Channels = _enum("Channels", "STOQ_CHANNELS_")
Steps = _enum("Steps", "STOQ_STEPS_")
Kernel = _enum("Kernel", "STOQ_KERNEL_")
Drift = _enum("Drift", "STOQ_DRIFT_")
Integrator = _enum("Integrator", "-", "STOQ_LEAPFROG", "STOQ_OMELYAN")
Grid = _enum("Grid", "STOQ_GRID_")
Method = _enum("Method", "STOQ_METHOD_")
Ending = _enum("Ending", "STOQ_ENDING_")
Correction = _enum("Correction", "STOQ_CORRECTION_")
Trace = _enum("Trace", "STOQ_TRACE_")
Coordinates = _enum("Coordinates", "STOQ_COORDINATES_")
Symmetry = _enum("Symmetry", "STOQ_SYMMETRY_")
FieldKind = _enum("FieldKind", "STOQ_FIELD_")
StatisticsMethod = _enum("StatisticsMethod", "STOQ_STATISTICS_")
TwoSample = _enum("TwoSample", "STOQ_TWO_SAMPLE_")
Size = _enum("Size", "STOQ_SIZE_")


class Error(Exception):
    """A call that failed: `status` is a Status, the text the sentence of stoq_last_error()."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = Status(status) if status in Status._value2member_map_ else status

    def __reduce__(self):
        return Error, (int(self.status), self.args[0])


class LibraryError(ImportError):
    """libstoq is not there, or has another ABI."""


class Reject(Exception):
    """A callback raises this to reject the move, as if S were infinite. It never leaves the library."""


def _names():
    if sys.platform == "darwin":
        return ["libstoq.dylib"]
    if os.name == "nt":
        return ["stoq.dll"]
    return [f"libstoq.so.{_abi.ABI_VERSION}", "libstoq.so"]


def _find():
    """Loads the first of: $STOQ_LIBRARY, beside this package, ../../target/release, the system's."""
    given = os.environ.get("STOQ_LIBRARY")
    if given:
        try:
            return ctypes.CDLL(given)
        except OSError as error:
            message = f"STOQ_LIBRARY = {given} cannot be loaded ({error}): give the file libstoq was built to"
            raise LibraryError(message) from error
    package = Path(__file__).resolve().parent
    folders = [package, package.parents[2] / "target" / "release"] if len(package.parents) > 2 else [package]
    tried = []
    for path in [folder / name for folder in folders for name in _names()]:
        if not path.exists():
            tried.append(f"{path}: is not there")
            continue
        try:
            return ctypes.CDLL(str(path))
        except OSError as error:
            tried.append(f"{path}: {error}")
    found = ctypes.util.find_library("stoq")
    for name in ([found] if found else []) + _names():
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            tried.append(f"{name}: {error}")
    raise LibraryError(
        "the library libstoq was not found. Build it (cargo build --release) and set STOQ_LIBRARY to the file, or "
        "install it (make install). Tried:\n  " + "\n  ".join(tried)
    )


def _load():
    library = _find()
    try:
        version = library.stoq_abi_version
    except AttributeError as error:
        raise LibraryError(f"{library._name} is no libstoq: it has no stoq_abi_version()") from error
    version.restype = ctypes.c_uint32
    if version() != _abi.ABI_VERSION:
        raise LibraryError(
            f"{library._name} has C ABI {version()}, this package needs {_abi.ABI_VERSION}: use the library and the "
            "package of one version"
        )
    for name, (result, arguments) in _abi.FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


library = _load()

# What a callback raised on this thread, on its way through the library: callbacks run on the thread that called.
_pending = threading.local()
_RAISED = -0x570C


def call(function, *arguments):
    """Calls a function of the library. Raises what a callback raised, or an Error."""
    _pending.exception = None
    status = function(*arguments)
    if status == 0:
        return
    exception, _pending.exception = getattr(_pending, "exception", None), None
    if status == Status.CALLBACK_STOPPED and exception is not None:
        if library.stoq_last_callback_code() == _RAISED:
            raise exception
    raise Error(status, library.stoq_last_error().decode("utf-8", "replace"))


def guarded(callback):
    """`callback` with its exceptions kept for `call`: none may pass through the library."""

    def run(*arguments):
        try:
            callback(*arguments)
            return 0
        except Reject:
            return 1
        except BaseException as exception:  # KeyboardInterrupt too
            _pending.exception = exception
            return _RAISED

    return run


class Handle:
    """An owned handle: cannot be copied, is given back once, by close(), `with`, or the garbage collector."""

    _free = None  # name of the function that frees it

    def _make(self, function, *arguments):
        self._address = None
        address = ctypes.c_void_p()
        call(function, *arguments, ctypes.byref(address))
        self._address = address
        self._release = getattr(library, self._free)

    @property
    def handle(self):
        """The handle for functions of stoq.h; stays with this object."""
        if getattr(self, "_address", None) is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._address

    def close(self):
        """Gives the handle back. What was made from it goes on."""
        address, self._address = getattr(self, "_address", None), None
        if address is not None:
            self._release(address)

    __del__ = close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __reduce__(self):
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")

    def __copy__(self):
        return self.__reduce__()

    def __deepcopy__(self, _):
        return self.__reduce__()


def options(struct, initialiser, given):
    """A C struct of options with defaults, and what the caller gave by name."""
    filled = struct()
    call(initialiser, ctypes.byref(filled))
    known = [name for name, _ in struct._fields_ if name not in ("struct_size", "reserved")]
    for name, value in given.items():
        if name not in known:
            raise TypeError(f"there is no option {name!r}: expected one of {', '.join(known)}")
        kind = dict(struct._fields_)[name]
        if kind in (ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int32):
            value = value.__index__()
            # ctypes would keep the low bits of what does not fit, without a word.
            if kind(value).value != value:
                raise ValueError(f"{name} = {value}: expected a number of {8 * ctypes.sizeof(kind)} bits")
        setattr(filled, name, value)
    return filled


def version():
    """The version of the library, such as "0.1.0"."""
    return library.stoq_version().decode()
