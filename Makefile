# Two commands do everything: `make demo` and `make test`. Both set up what they need.
# A machine has cargo, a C compiler, make and python3; nothing else is assumed.

CARGO   ?= cargo
PYTHON  ?= python3
CC      ?= cc
PREFIX  ?= /usr/local
THREADS ?= 2
# Where cargo puts what it builds.
TARGET  := $(abspath $(or $(CARGO_TARGET_DIR),target))/release

MODEL   := examples/models/phi4_16x16_kappa0.27.onnx
VENV    := build/python

.PHONY: all build demo test missing tools hdf5 campaign valgrind tsan lint docs python julia bench model check figures header install \
  install-files install-fortran dist clean

all: build

# Programs ask for the library by the number of its C ABI (build.rs), also where it was built.
build:
	$(CARGO) build --release
	ln -sf $(SHARED) $(TARGET)/$(NAMED)

# A C host code's own HMC chain, without and with stoq's update, on the committed model.
demo: build
	$(MAKE) -C examples/01_c_phi4_hmc CC="$(CC)" STOQ_INCLUDE=$(CURDIR)/include STOQ_LIB=$(TARGET)
	examples/01_c_phi4_hmc/phi4_hmc $(MODEL) --threads $(THREADS)

# Every test: Rust, C, and the model file against onnx.checker and ONNX Runtime. What was skipped for want of a tool is named at
# the end.
test: python julia missing
	@mkdir -p build && : > $(SKIPPED)
	STOQ_PYTHON=$(CURDIR)/$(VENV)/bin/python STOQ_REQUIRE_PYTHON=1 STOQ_SKIPPED=$(SKIPPED) $(REQUIRED) $(CARGO) test --release
	$(if $(HDF5),$(MAKE) hdf5)
	@sort -u $(SKIPPED) $(if $(HDF5),| grep -v "feature hdf5") | awk 'NR == 1 { print "not passed, but skipped:" } 1'

SKIPPED := $(CURDIR)/build/skipped.txt

# What only some tests need. Those that lack their tool are skipped and say so; nothing is installed unasked.
TOOLS    := gfortran cmake pkg-config mpicc mpirun
HDF5     := $(shell pkg-config --exists hdf5 2>/dev/null && echo yes)
MISSING  := $(strip $(foreach tool,$(TOOLS),$(if $(shell command -v $(tool) 2>/dev/null),,$(tool))) $(if $(HDF5),,libhdf5))
REQUIRED := $(if $(filter gfortran,$(MISSING)),,STOQ_REQUIRE_FORTRAN=1) \
  $(if $(filter cmake pkg-config,$(MISSING)),,STOQ_REQUIRE_PACKAGING=1) $(if $(filter mpi%,$(MISSING)),,STOQ_REQUIRE_MPI=1)

missing:
	@test -z "$(MISSING)" || echo "not here, so that their tests are skipped: $(MISSING) (on Debian, as root: make tools)"

tools:
	@test -z "$(MISSING)" || { apt-get update && \
	  apt-get install -y $(patsubst mpicc,libopenmpi-dev,$(patsubst mpirun,openmpi-bin,$(MISSING:libhdf5=libhdf5-dev))); }

# Configurations in HDF5 files. In a folder of its own: the libraries of the other tests and of `make install` do not need libhdf5.
hdf5:
	$(CARGO) test --release --no-default-features --features cli,hdf5 --target-dir build/hdf5 --test hdf5

# What a change must leave without a word.
lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --release --all-targets -- -D warnings

# The C and C++ tests under valgrind, in place of the compiler's sanitizers (some minutes).
valgrind:
	STOQ_VALGRIND=1 $(CARGO) test --release --test c_abi --test cpp_abi

# Chains on many threads under ThreadSanitizer: a library of its own with the standard library in it, both built with the
# compiler's unstable option, for the C program that shares a model and an action between threads. Needs the source of the
# standard library (rustup component add rust-src); without it every lock inside the standard library looks like a race.
TSAN_TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
tsan:
	@test -d "$$(rustc --print sysroot)/lib/rustlib/src/rust/library/std" || \
	  { echo "the source of Rust's standard library is needed: rustup component add rust-src" >&2; exit 1; }
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread" $(CARGO) build --release --lib --no-default-features \
	  -Zbuild-std=std,panic_unwind --target $(TSAN_TARGET) --target-dir build/tsan
	ln -sf $(SHARED) build/tsan/$(TSAN_TARGET)/release/$(NAMED)
	STOQ_TSAN_LIBRARY=$(CURDIR)/build/tsan/$(TSAN_TARGET)/release $(CARGO) test --release --test c_abi races

# The reference of the C header and the guide, as HTML in build/docs.
docs:
	$(PYTHON) docs/build.py build/docs

# The exactness test with chains eight times longer: errors below 0.5 % for ruined networks too (some ten minutes).
campaign:
	STOQ_EXACTNESS_SCALE=8 $(CARGO) test --release --test exactness networks_give -- --nocapture

# Julia for the tests of its binding: the user's, else one under build/julia where that can be had (Debian); else they are
# reported as skipped.
julia:
	@command -v julia >/dev/null || tests/julia/get_julia.sh build/julia >/dev/null || \
	  echo "no julia: the tests of the Julia binding are skipped (STOQ_REQUIRE_JULIA=1 would make them fail)" >&2

# Python packages for the tests of the model file; the library itself needs none.
python: $(VENV)/ready

$(VENV)/ready: tests/python/requirements.txt
	$(PYTHON) -m venv $(VENV) || { echo "python3 with the venv module is needed for the tests (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/python/requirements.txt
	touch $@

bench: build
	$(CARGO) bench --bench network

# The committed model, from nothing, by the committed commands and seed (about a quarter of an hour on two cores).
model: build
	mkdir -p build
	$(TARGET)/stoq data phi4 --kappa 0.27 --lambda 0.022 --extent 16,16 --configs 65536 --seed 1 -o build/phi4_16x16_kappa0.27.npy
	$(TARGET)/stoq train build/phi4_16x16_kappa0.27.npy -o $(MODEL) --steps $(STEPS) --seed 1 --threads $(THREADS)

STEPS ?= 22000

# What the committed model's proposals are worth (some minutes).
check: build
	$(TARGET)/stoq check $(MODEL) --levels 5,10,20,40,80 --proposals 4096 --threads $(THREADS) --json docs/results/check.json

# The picture of the README, from chains run now and the check's result. Needs matplotlib in the Python that runs it.
figures: build
	$(PYTHON) docs/figures/chains.py --stoq $(TARGET)/stoq --model $(MODEL) --check docs/results/check.json --output docs/figures/chains.svg

# Renews include/stoq.h from src/capi.
header:
	STOQ_UPDATE_HEADER=1 $(CARGO) test --release --test header

# Header, both libraries, the command line, and what pkg-config and CMake ask for. DESTDIR is for packagers.
install: build
	$(MAKE) install-files

# The same of libraries that are there already, in the folder BUILT.
BUILT   ?= $(TARGET)
LIBDIR  ?= $(PREFIX)/lib
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
ABI     := $(shell sed -n 's/^.define STOQ_ABI_VERSION //p' include/stoq.h)
CONFIG   = $(DESTDIR)$(LIBDIR)/cmake/stoq
FILL     = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@ABI@|$(ABI)|'
ifeq ($(shell uname -s),Darwin)
SHARED := libstoq.dylib
NAMED  := libstoq.$(ABI).dylib
else
SHARED := libstoq.so
NAMED  := libstoq.so.$(ABI)
endif

install-files:
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/pkgconfig $(CONFIG)
	install -m 644 $(wildcard include/*.h include/*.hpp) $(DESTDIR)$(PREFIX)/include/
	install -m 755 $(BUILT)/$(SHARED) $(DESTDIR)$(LIBDIR)/$(NAMED)
	ln -sf $(NAMED) $(DESTDIR)$(LIBDIR)/$(SHARED)
	install -m 644 $(BUILT)/libstoq.a $(DESTDIR)$(LIBDIR)/
	test ! -x $(BUILT)/stoq || install -m 755 $(BUILT)/stoq $(DESTDIR)$(PREFIX)/bin/
	$(FILL) packaging/stoq.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/stoq.pc
	$(FILL) packaging/stoqConfig.cmake.in > $(CONFIG)/stoqConfig.cmake
	$(FILL) packaging/stoqConfigVersion.cmake.in > $(CONFIG)/stoqConfigVersion.cmake
	install -m 644 packaging/stoqTargets.cmake $(CONFIG)/

# The Fortran module, next to them. Module files belong to the compiler FC that wrote them.
install-fortran:
	$(MAKE) -C bindings/fortran install PREFIX=$(PREFIX) BUILD=$(CURDIR)/build/fortran

# The source with every crate that it needs, in one file: it builds without a network.
dist:
	packaging/dist.sh build/dist

clean:
	$(CARGO) clean
	rm -rf build
	$(MAKE) -C bindings/fortran clean
	$(MAKE) -C examples/01_c_phi4_hmc clean
	$(MAKE) -C examples/02_train_while_running clean
	$(MAKE) -C examples/03_cpp_phi4 clean
	$(MAKE) -C examples/04_fortran_phi4 clean
	$(MAKE) -C examples/06_c_u1 clean
	$(MAKE) -C examples/08_c_mpi_phi4 clean
	$(MAKE) -C examples/09_c_propose_resolve clean
