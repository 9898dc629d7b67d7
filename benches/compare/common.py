"""What the comparisons share: building and calling the Rust side, and summaries of times."""

import json
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build():
    """Path of the optimised program of benches/compare/speed.rs."""
    command = ["cargo", "bench", "--no-run", "--quiet", "--bench", "compare_speed", "--message-format=json"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "compare_speed":
            return message["executable"]
    raise RuntimeError("cargo built no compare_speed")


def stoq(program, *arguments):
    """One run of the Rust side: its line of JSON, or None for a command that prints nothing."""
    output = subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output) if output.strip() else None


def summary(seconds):
    """Minimum and median."""
    return min(seconds), statistics.median(seconds)


def load():
    """Load average of the last minute, and the number of cores."""
    return f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores"
