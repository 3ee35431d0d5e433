# SegParity. `make demo` and `make test` set up what they need; setting up is skipped while it is current.
#   make setup BACKENDS=torch     one framework alone; everything then works for it

PYTHON   ?= python3.11
BACKENDS ?= torch paddle mxnet
VENV     ?= .venv

bin    := $(VENV)/bin
comma  := ,
space  := $(subst ,, )
extras := dev,onnx,data-fast,data,report,logging,serve,docs,$(subst $(space),$(comma),$(strip $(BACKENDS)))
peers  := build/bench-peers
# MXNet alone needs an old numpy.
constraints := constraints-$(if $(filter mxnet,$(BACKENDS)),mxnet,numpy2).txt
# Packages that tests ask for a second opinion, without what they would bring: the Cityscapes scripts' viewers, and
# GluonCV's other OpenCV, which would overwrite ours.
witnesses := cityscapesscripts pyquaternion $(if $(filter mxnet,$(BACKENDS)),gluoncv autocfg yacs portalocker scipy)
stamp  := $(VENV)/.set-up-$(subst $(space),-,$(strip $(BACKENDS)))

.PHONY: setup demo test test-slow lint types format parity bench table zoo docs clean

setup: $(stamp)

$(stamp): pyproject.toml constraints.txt $(constraints)
	test -x $(bin)/python || $(PYTHON) -m venv $(VENV)
	$(bin)/python -m pip install --quiet --disable-pip-version-check -c $(constraints) -e ".[$(extras)]"
	$(bin)/python -m pip install --quiet --disable-pip-version-check -c $(constraints) --no-deps $(witnesses)
	rm -f $(VENV)/.set-up-*
	touch $@

demo: setup
	$(bin)/python -m parity_tests.demo --backends "$(BACKENDS)"

# One test file at a time in each of as many processes as there are processors, four at most.
parallel := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup
	$(bin)/python -m pytest $(parallel)

test-slow: setup
	$(bin)/python -m pytest $(parallel) -m slow -o timeout=7200

lint: setup
	$(bin)/ruff check .
	$(bin)/ruff format --check .

types: setup
	$(bin)/mypy

format: setup
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

# The public packages that the backends are measured beside lie in a folder of their own; without them (no network, say)
# the table names them as not measured.
bench: setup $(peers)/.set-up
	$(bin)/python -m benchmarks --peers $(peers) --output report/benchmarks
	$(bin)/python -m benchmarks.pipeline --peers $(peers) --output report/benchmarks

$(peers)/.set-up: benchmarks/requirements.txt | setup
	rm -rf $(peers)
	mkdir -p $(peers)
	-$(bin)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(peers) -r $< && touch $@

parity: setup
	OMP_NUM_THREADS=1 $(bin)/python -m parity_tests report --backends "$(BACKENDS)"

# The tables from what was measured; `make zoo` counts the multiply-adds of new presets first (with PyTorch).
table: setup
	$(bin)/python -m core.zoo README.md docs/zoo.md docs/training.md
	$(bin)/python -m core.data.datasets docs/data_sets.md
	$(bin)/python -m parity_tests.first_hundred --table

zoo: setup
	$(bin)/python -m benchmarks.zoo count
	$(bin)/python -m core.zoo README.md docs/zoo.md docs/training.md
	$(bin)/python -m core.data.datasets docs/data_sets.md
	$(bin)/python -m parity_tests.first_hundred --table

# The site of the documentation, in build/site; a broken link is an error.
docs: setup
	$(bin)/python -m mkdocs build --strict --quiet
	@echo "build/site: $(bin)/python -m http.server -d build/site shows it, with its search"

clean:
	rm -rf $(VENV) build *.egg-info report runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
