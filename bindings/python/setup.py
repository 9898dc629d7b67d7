"""Puts libstoq into the wheel if it is there: $STOQ_LIBRARY, or what cargo built in ../../target/release."""

import os
import shutil
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py


def library():
    name = {"darwin": "libstoq.dylib", "win32": "stoq.dll"}.get(sys.platform, "libstoq.so")
    built = Path(__file__).resolve().parents[2] / "target" / "release" / name
    given = os.environ.get("STOQ_LIBRARY")
    path = Path(given) if given else built
    return (path, name) if path.exists() else None


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        found = library()
        if found and not self.editable_mode:
            shutil.copy2(found[0], Path(self.build_lib) / "stoq" / found[1])


class Platform(Distribution):
    def has_ext_modules(self):
        return library() is not None


class PlatformWheel(bdist_wheel):
    """With a library the wheel is one for this platform, for any Python."""

    def get_tag(self):
        python, abi, platform = super().get_tag()
        return ("py3", "none", platform) if library() else (python, abi, platform)


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel}, distclass=Platform)
