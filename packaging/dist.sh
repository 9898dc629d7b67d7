#!/bin/sh
# Writes the source as one file that builds without a network: the committed files, and every crate that they need.
#   packaging/dist.sh FOLDER [more flags of cargo vendor, such as --offline]
# The result is FOLDER/stoq-VERSION.tar.gz; in it `cargo build --release --offline` and `make install` work.
set -eu
folder=${1:?"usage: packaging/dist.sh FOLDER [flags of cargo vendor]"}
shift
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=stoq-$version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git archive --format=tar --prefix="$name/" HEAD | tar -x -f - -C "$work"
cd "$work/$name"
mkdir -p .cargo
cargo vendor --locked --versioned-dirs "$@" vendor > .cargo/config.toml
tar -c -z -f "$folder/$name.tar.gz" -C "$work" "$name"
echo "$folder/$name.tar.gz"
