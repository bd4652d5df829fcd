PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test check format clean

app: .venv/app-ready  ## install what is missing and start the dashboard on 127.0.0.1
	@$(BIN)/streamlit run app.py

test: .venv/test-ready  ## install what is missing and run every test
	@command -v chromium google-chrome chromium-browser >/dev/null || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && apt-get install -y -q chromium; } || \
		echo "No Chromium here and no way to install one: the browser tests will say that they are skipped."
	$(BIN)/ruff check .
	$(BIN)/mypy tlcore
	$(BIN)/python -m pytest -n 2

check: .venv/test-ready  ## format, lint, types and the fast tests, in under a minute
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy tlcore
	$(BIN)/python -m pytest -n 2 -m "not slow"

format: .venv/test-ready
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Transfer Lab needs Python 3.11 or newer.")'
	$(PYTHON) -m venv .venv

.venv/app-ready: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/test-ready: requirements-dev.txt .venv/app-ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
