# make run: the app, with the samples ready. make test: everything CI checks. Both set everything up first.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
# The index of CPU builds of torch that pytorch.org names under "Get Started"; empty: the ordinary index.
TORCH_INDEX ?=

HASH := $(shell cat requirements.txt constraints.txt 2>/dev/null | cksum | cut -d' ' -f1)
DEV_HASH := $(shell cat requirements.txt requirements-dev.txt requirements-onnx.txt requirements-trackers.txt constraints.txt 2>/dev/null | cksum | cut -d' ' -f1)
READY := $(VENV)/ready-$(HASH)
READY_DEV := $(VENV)/ready-dev-$(DEV_HASH)

.PHONY: run demo sample test lint types unit whole bench faults pictures catalogues lock clean

run: $(READY)
	@$(PY) -m core sample newsroom_zh --workspace "$${PEIBI_HOME:-workspace}"
	@$(PY) -m core sample newsroom --workspace "$${PEIBI_HOME:-workspace}"
	PEIBI_HOME="$${PEIBI_HOME:-workspace}" $(PY) -m streamlit run app.py

sample: $(READY)
	$(PY) tools/sample.py newsroom

demo: $(READY)
	@echo "== Demo: 60 sentences, gold + 1x mention replacement, two seeds (docs/recipes/harbour.yaml)"
	$(PY) -m core run docs/recipes/harbour.yaml --workspace workspace

test: lint types unit

lint: $(READY_DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(READY_DEV)
	$(VENV)/bin/pyright --pythonpath $(PY)

unit: $(READY_DEV)
	$(PYTEST)

whole: $(READY_DEV)
	$(PYTEST) --whole

bench: $(READY_DEV)
	@mkdir -p bench/results
	@for file in bench/*.py; do name=$$(basename $$file .py); echo "== $$name"; \
	  $(PY) $$file --json > bench/results/$$name.json || exit 1; done

faults: $(READY_DEV)
	$(PY) tools/faults.py --write

pictures: $(READY_DEV)
	$(PY) tools/pictures.py

catalogues: $(READY_DEV)
	$(PY) tools/catalogues.py

lock: $(READY_DEV)
	$(PY) -m pip freeze --exclude torch | grep -v -e '^nvidia' -e '^triton' -e '^cuda' > constraints.txt

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis

$(READY): requirements.txt constraints.txt | $(PY)
	@echo "== Installing requirements.txt (about 0.6 GB to download, 2 GB on disk; torch is 40 % of it)."
	@echo "   On Linux the ordinary index has torch as a GPU build: about 3 GB more. Without a GPU:"
	@echo "   make run TORCH_INDEX=<index of CPU builds that pytorch.org names>"
	@if [ -n "$(TORCH_INDEX)" ]; then $(PY) -m pip install -q --index-url "$(TORCH_INDEX)" $$(grep '^torch==' requirements.txt); fi
	$(PY) -m pip install -q --disable-pip-version-check -r requirements.txt -c constraints.txt
	@$(PY) -c "import pathlib, site; pathlib.Path(site.getsitepackages()[0], 'peibi.pth').write_text(str(pathlib.Path.cwd()) + '\n')"
	@rm -f $(VENV)/ready-*; touch $@

$(READY_DEV): requirements-dev.txt requirements-onnx.txt requirements-trackers.txt $(READY)
	@echo "== Installing requirements-dev.txt (about 175 MB to download)."
	$(PY) -m pip install -q --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	@touch $@

$(PY):
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "Peibi needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || \
	  { echo "$(PYTHON) lacks the venv module. On Debian and Ubuntu: apt-get install python3-venv, then the same command again."; exit 1; }
	$(PYTHON) -m venv $(VENV)
