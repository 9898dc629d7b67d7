"""Puts libstoq into the wheel: $STOQ_LIBRARY, or what cargo built in ../../target/release, or builds now."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

SOURCE = Path(__file__).resolve().parents[2]
NAME = {"darwin": "libstoq.dylib", "win32": "stoq.dll"}.get(sys.platform, "libstoq.so")


def built():
    """The library that is there already, or None."""
    given = os.environ.get("STOQ_LIBRARY")
    path = Path(given) if given else SOURCE / "target" / "release" / NAME
    if given and not path.exists():
        raise SystemExit(f"STOQ_LIBRARY = {given} is not there: give the file that libstoq was built to")
    return path if path.exists() else None


def can_build():
    return (SOURCE / "Cargo.toml").exists() and shutil.which("cargo") is not None


def build():
    """Builds the library where `cargo build --release` does; returns it."""
    command = ["cargo", "build", "--release", "--lib", "--target-dir", str(SOURCE / "target")]
    print("there is no " + NAME + " yet: " + " ".join(command), flush=True)
    if subprocess.run(command, cwd=SOURCE).returncode != 0:
        raise SystemExit("cargo could not build libstoq: see above; or set STOQ_LIBRARY to the file of one that is built")
    return built()


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        found = built() or (build() if can_build() else None)
        if found is None:
            print("without libstoq, for there is no cargo to build it: set STOQ_LIBRARY when stoq is imported", flush=True)
        elif not self.editable_mode:
            shutil.copy2(found, Path(self.build_lib) / "stoq" / NAME)


class Platform(Distribution):
    def has_ext_modules(self):
        return built() is not None or can_build()


class PlatformWheel(bdist_wheel):
    """With a library the wheel is one for this platform, for any Python."""

    def get_tag(self):
        python, abi, platform = super().get_tag()
        return ("py3", "none", platform) if self.distribution.has_ext_modules() else (python, abi, platform)


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel}, distclass=Platform)
