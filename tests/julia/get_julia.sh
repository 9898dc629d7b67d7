#!/usr/bin/env bash
# Julia 1.5.3 for the tests of the Julia binding, on a Debian machine that has no Julia of its own: the packages of
# Debian 11 without their libc, unpacked under PREFIX and installed nowhere. Prints the path of a wrapper to call.
# usage: get_julia.sh PREFIX        (about 80 MB to fetch; a second call reuses PREFIX)
set -euo pipefail
prefix=$(realpath -m "${1:?usage: get_julia.sh PREFIX}")
wrapper="$prefix/julia"
if [ -x "$wrapper" ] && "$wrapper" -e 'exit(0)' >/dev/null 2>&1; then echo "$wrapper"; exit 0; fi

if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null || [ "$(uname -m)" != x86_64 ]; then
  echo "get_julia.sh: works on Debian for x86_64 only; install Julia 1.5 or later (julialang.org)" >&2; exit 1
fi
# The machine's own mirror, in either of the two formats that apt knows.
mirror=$(sed -n 's/^URIs:[[:space:]]*//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | awk 'NR == 1 {print $1}')
[ -n "$mirror" ] || mirror=$(awk '$1 == "deb" && $2 ~ /^http/ {print $2; exit}' /etc/apt/sources.list 2>/dev/null || true)
[ -n "$mirror" ] || { echo "get_julia.sh: no Debian mirror in the configuration of apt" >&2; exit 1; }

apt="$prefix/apt"; root="$prefix/root"
mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial "$root"
: > "$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bullseye main" > "$apt/sources.list"
options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::Lists=$apt/lists"
         -o "Dir::Cache=$apt/cache" -o "Dir::State::status=$apt/status" -o APT::Install-Recommends=false -qq)
apt-get "${options[@]}" update >&2
apt-get "${options[@]}" -y --download-only install julia >&2
for package in "$apt"/cache/archives/*.deb; do
  case $(basename "$package") in            # the C and C++ runtime of the machine serve
    libc6_*|libc-bin*|libc6-*|libgcc-s1*|libstdc++6*|libcrypt1*|gcc-*-base*) ;;
    *) dpkg -x "$package" "$root" ;;
  esac
done
rm -rf "$apt"
libraries="$root/usr/lib/x86_64-linux-gnu"
cat > "$wrapper" <<WRAPPER
#!/bin/sh
export LD_LIBRARY_PATH="$libraries:$libraries/julia:$root/lib/x86_64-linux-gnu:$libraries/openblas-pthread:$libraries/lapack:$libraries/blas\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec "$root/usr/bin/julia" --startup-file=no "\$@"
WRAPPER
chmod +x "$wrapper"
"$wrapper" -e 'println(stderr, "julia ", VERSION)'
echo "$wrapper"
