# Two commands do everything: `make demo` and `make test`. Both set up what they need.
# A machine has cargo, a C compiler, make and python3; nothing else is assumed.

CARGO   ?= cargo
PYTHON  ?= python3
CC      ?= cc
PREFIX  ?= /usr/local
THREADS ?= 2

MODEL   := examples/models/phi4_16x16_kappa0.27.onnx
VENV    := build/python
LIBRARY := target/release/libstoq.so

.PHONY: all build demo test campaign python bench model check figures header install clean

all: build

build:
	$(CARGO) build --release

# A C host code's own HMC chain, without and with stoq's update, on the committed model.
demo: build
	$(MAKE) -C examples/01_c_phi4_hmc CC="$(CC)"
	examples/01_c_phi4_hmc/phi4_hmc $(MODEL) --threads $(THREADS)

# Every test: Rust, C, and the model file against onnx.checker and ONNX Runtime.
test: python
	STOQ_PYTHON=$(CURDIR)/$(VENV)/bin/python STOQ_REQUIRE_PYTHON=1 $(CARGO) test --release

# The exactness test with chains eight times longer: errors below 0.5 % for ruined networks too (some ten minutes).
campaign:
	STOQ_EXACTNESS_SCALE=8 $(CARGO) test --release --test exactness networks_give -- --nocapture

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
	target/release/stoq data phi4 --kappa 0.27 --lambda 0.022 --extent 16,16 --configs 65536 --seed 1 -o build/phi4_16x16_kappa0.27.npy
	target/release/stoq train build/phi4_16x16_kappa0.27.npy -o $(MODEL) --steps $(STEPS) --seed 1 --threads $(THREADS)

STEPS ?= 22000

# What the committed model's proposals are worth (some minutes).
check: build
	target/release/stoq check $(MODEL) --levels 5,10,20,40,80 --proposals 4096 --threads $(THREADS) --json docs/results/check.json

# The picture of the README, from chains run now and the check's result. Needs matplotlib in the Python that runs it.
figures: build
	$(PYTHON) docs/figures/chains.py --stoq target/release/stoq --model $(MODEL) --check docs/results/check.json --output docs/figures/chains.svg

# Renews include/stoq.h from src/capi.
header:
	STOQ_UPDATE_HEADER=1 $(CARGO) test --release --test header

install: build
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/bin
	install -m 644 include/stoq.h include/stoq.hpp include/stoq_trainer.hpp $(DESTDIR)$(PREFIX)/include/
	install -m 755 $(LIBRARY) $(DESTDIR)$(PREFIX)/lib/
	install -m 644 target/release/libstoq.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 target/release/stoq $(DESTDIR)$(PREFIX)/bin/
	printf 'prefix=%s\nlibdir=$${prefix}/lib\nName: stoq\nDescription: exactly corrected diffusion-model updates for lattice field theory\nVersion: %s\nCflags: -I$${prefix}/include\nLibs: -L$${libdir} -lstoq\nLibs.private: -lpthread -ldl -lm\n' \
	  "$(PREFIX)" "$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" > $(DESTDIR)$(PREFIX)/lib/pkgconfig/stoq.pc

clean:
	$(CARGO) clean
	rm -rf build
	$(MAKE) -C examples/01_c_phi4_hmc clean
	$(MAKE) -C examples/02_train_while_running clean
