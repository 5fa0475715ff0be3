# make help lists the targets. Everything runs in .venv; PYTHON and the variables below may be given on the command line.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# Given on the command line: make convert RAW=folder
RAW :=
DATA := datasets/bones
PHANTOMS := datasets/phantoms
SOURCE :=
TRUTH :=
OUT := out/pred.csv
WEIGHTS :=
ARGS :=
# Of make folds: folds of patients, trainings of each, test images that all models vote on.
FOLDS := 5
SEEDS := 1
TEST :=
FOLDS_OUT := out/folds
DEMO := out/demo

# ultralytics: no downloads, no installs, no analytics, safe loading, settings of its own.
CONFIG := $(CURDIR)/.cache/ultralytics
QUIET_YOLO := ULTRALYTICS_SAFE_LOAD=1 YOLO_OFFLINE=1 YOLO_AUTOINSTALL=0 YOLO_CONFIG_DIR="$(CONFIG)"
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 POLARS_MAX_THREADS=1
# An earlier conversion is replaced, an interrupted one goes on.
replace = $(if $(wildcard $(1)/report.json),--overwrite)

.DELETE_ON_ERROR:
.PHONY: help install convert train folds export demo test lint check bench ablation sweep fuzz audit audit-labels page-bench faults train-faults same-bytes lock audit-deps clean corpus hostile many

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

# 1: exactly the files of requirements.lock, by their hashes; 0: the pinned versions from whatever index there is, such as
# builds of torch for another accelerator.
LOCKED := 1

install: $(STAMP) ## set up .venv with pinned packages (does nothing when nothing changed)

$(STAMP): requirements.txt requirements-dev.txt requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is too old: expected Python >= 3.11" >&2; exit 4; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "error: $(PYTHON) has no venv: install python3-venv" >&2; exit 4; }
	@if [ "$$(uname -s)" = Linux ]; then \
		for need in libGL.so.1:libgl1 libglib-2.0.so.0:libglib2.0-0; do \
			$(PYTHON) -c "import ctypes; ctypes.CDLL('$${need%%:*}')" 2>/dev/null || \
				{ echo "error: OpenCV needs $${need%%:*}: install the package $${need##*:}" >&2; exit 4; }; \
		done; \
	fi
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check \
		$(if $(filter 1,$(LOCKED)),--require-hashes -r requirements.lock,-r requirements-dev.txt setuptools)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(PHANTOMS)/report.json: | $(STAMP)
	$(PY) -m yolo_bones.make_phantoms $(PHANTOMS) --patients 20 --test 4 --seed 1 --size 1024 --workers $(CORES)

convert: $(STAMP) $(if $(RAW),,$(PHANTOMS)/report.json) ## RAW=folder: points -> datasets/bones (YOLO, COCO, RLE); without RAW synthetic
	$(PY) -m converters.points_to_yolo "$(or $(RAW),$(PHANTOMS))" $(DATA) $(call replace,$(DATA)) $(ARGS)
	$(PY) -m converters.points_to_coco "$(or $(RAW),$(PHANTOMS))" $(DATA)/coco $(call replace,$(DATA)/coco)
	$(PY) -m converters.points_to_rle "$(or $(RAW),$(PHANTOMS))" $(DATA)/rle $(call replace,$(DATA)/rle)

train: $(STAMP) ## ARGS="epochs=50 imgsz=640 ...": stock `yolo segment train` on datasets/bones
	@test -f $(DATA)/report.json || $(MAKE) --no-print-directory convert ARGS=
	@mkdir -p "$(CONFIG)"
	@test -f "$(CONFIG)/Arial.ttf" || cp "$$($(PY) -c 'import matplotlib; print(matplotlib.get_data_path())')/fonts/ttf/DejaVuSans.ttf" "$(CONFIG)/Arial.ttf"
	@$(QUIET_YOLO) $(BIN)/yolo settings sync=False > /dev/null
	@# Caches are pickles, which the stock command reads before it checks them; an array is read in its image's place.
	@find $(DATA)/images $(DATA)/labels \( -name '*.cache' -o -name '*.npy' \) -delete
	$(QUIET_YOLO) $(BIN)/yolo segment train data=bones.yaml cfg=bones_train.yaml $(ARGS)

folds: $(STAMP) $(if $(RAW),,$(PHANTOMS)/report.json) ## RAW=folder [FOLDS=5 SEEDS=1 TEST=images ARGS="imgsz=640 epochs=50"]: cross-validate, ensemble; goes on when repeated
	$(PY) -m yolo_bones.train_folds "$(or $(RAW),$(PHANTOMS))" --out "$(FOLDS_OUT)" --folds $(FOLDS) --seeds $(SEEDS) \
		$(if $(TEST),--test "$(TEST)") $(ARGS)

export: $(STAMP) $(if $(SOURCE),,$(PHANTOMS)/report.json) ## SOURCE=folder OUT=pred.csv [WEIGHTS=file]: predict and write run lengths
	$(PY) -m yolo_bones.export_rle --source "$(or $(SOURCE),$(PHANTOMS)/test/DCM)" --out "$(OUT)" $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(ARGS)

$(DEMO)/raw/report.json: | $(STAMP)
	@$(MAKE) --no-print-directory demo

demo: $(STAMP) ## synthetic hands -> convert -> shipped weights -> Dice table, overlays and a page in out/demo
	@rm -rf $(DEMO)
	@echo "1/6 synthetic radiographs" >&2
	@$(PY) -m yolo_bones.make_phantoms $(DEMO)/raw --patients 4 --test 4 --seed 2026 --bent 0.5 --workers $(CORES)
	@echo "2/6 points -> YOLO, COCO, RLE" >&2
	@$(PY) -m converters.points_to_yolo $(DEMO)/raw $(DEMO)/bones > $(DEMO)/loss_audit.txt
	@$(PY) -m converters.points_to_coco $(DEMO)/raw $(DEMO)/bones/coco
	@$(PY) -m converters.points_to_rle $(DEMO)/raw $(DEMO)/bones/rle
	@echo "3/6 shipped weights -> run lengths" >&2
	@$(PY) -m yolo_bones.export_rle --source $(DEMO)/raw/test/DCM --out $(DEMO)/submission.csv
	@echo "4/6 overlays" >&2
	@$(PY) -m yolo_bones.draw_rle $(DEMO)/submission.csv --images $(DEMO)/raw/test/DCM --out $(DEMO)/overlays
	@echo "5/6 Dice against the truth" >&2
	@$(PY) -m yolo_bones.evaluate_rle $(DEMO)/submission.csv $(DEMO)/raw/test_truth.csv \
		--images $(DEMO)/raw/test/DCM --json $(DEMO)/scores.json
	@echo "6/6 a page to look at" >&2
	@$(PY) -m yolo_bones.report_rle $(DEMO)/submission.csv --images $(DEMO)/raw/test/DCM --truth $(DEMO)/raw/test_truth.csv \
		--html $(DEMO)/report.html
	@echo "masks: $(DEMO)/submission.csv   scores: $(DEMO)/scores.json   pictures: $(DEMO)/overlays/*.png   page: $(DEMO)/report.html"

# Each takes a gigabyte.
TEST_WORKERS := $(shell [ $(CORES) -lt 8 ] && echo $(CORES) || echo 8)

test: $(STAMP) ## the tests, on up to 8 cores
	$(ONE_THREAD) $(PY) -m pytest -n $(TEST_WORKERS) --dist loadfile

lint: $(STAMP) ## ruff, mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict yolo_bones converters

check: lint test ## ruff, mypy --strict, the tests

bench: $(STAMP) $(VENV)/.bench ## speed against named peers, side by side (8 minutes, 4 GB of temporary files)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PY) tests/bench_post_network.py
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 POLARS_MAX_THREADS=1 $(PY) -m tests.bench_rle

$(VENV)/.bench: requirements-bench.txt $(STAMP)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@

# For each target.
FUZZ_SECONDS := 60

$(VENV)/.fuzz: requirements-fuzz.txt $(STAMP)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-fuzz.txt
	@touch $@

fuzz: $(STAMP) $(VENV)/.fuzz ## FUZZ_SECONDS=60: properties with many examples, then each fuzz target; finds in .cache/fuzz
	YOLO_BONES_EXAMPLES=20000 $(PY) -m pytest tests/test_rle.py
	@mkdir -p .cache/fuzz
	for target in row_text coco_counts csv parquet soft ballot coco_json; do \
		$(PY) tests/fuzz/fuzz_$$target.py -max_total_time=$(FUZZ_SECONDS) -timeout=30 -rss_limit_mb=3000 \
			-print_final_stats=1 -verbosity=0 || exit; \
	done

ablation: $(STAMP) ## what each change to the stock recipe wins: trains 10 small networks (6 hours on one core; goes on when repeated)
	$(PY) -m tests.ablation $(ARGS)

sweep: $(STAMP) $(DEMO)/raw/report.json ## SOURCE=images TRUTH=csv: what each step of looking and merging wins and costs
	$(PY) -m tests.sweep "$(or $(SOURCE),$(DEMO)/raw/test/DCM)" "$(or $(TRUTH),$(DEMO)/raw/test_truth.csv)" $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(ARGS)

audit: audit-labels audit-deps ## both of these: label errors found, vulnerable dependencies

audit-labels: $(STAMP) ## the table of docs/audit.md: planted label errors, found or not (17 minutes)
	@mkdir -p .cache/audit
	$(PY) -m yolo_bones.make_phantoms .cache/audit/full-size --patients 140 --seed 73001 --bent 0.1 --annotator-noise --plant-errors 140 --workers $(CORES)
	$(PY) -m yolo_bones.make_phantoms .cache/audit/half-size --patients 105 --seed 73002 --bent 0.3 --annotator-noise --plant-errors 105 --size 1024 --workers $(CORES)
	$(PY) -m yolo_bones.make_phantoms .cache/audit/wide --patients 70 --seed 73003 --bent 0.5 --annotator-noise --plant-errors 70 --size 1024x832 --domain wide --workers $(CORES)
	$(PY) -m yolo_bones.make_phantoms .cache/audit/bent --patients 100 --seed 73004 --bent 0.6 --annotator-noise --size 1024 --workers $(CORES)
	OMP_NUM_THREADS=1 $(PY) -m tests.measure_audit .cache/audit/full-size .cache/audit/half-size .cache/audit/wide .cache/audit/bent --workers $(CORES)

page-bench: $(STAMP) ## how quick the page is: 300 images of 2048 in Debian's chromium (6 minutes)
	@mkdir -p .cache/page
	$(PY) -m tests.bench_page .cache/page

faults: $(STAMP) ## kill every command that writes, fill its disk, start it eight times ... (3 hours on one core; goes on when repeated)
	$(ONE_THREAD) $(PY) -m tests.faults.kill_many $(ARGS)
	$(ONE_THREAD) $(PY) -m tests.faults.kill_folds
	$(ONE_THREAD) $(PY) -m tests.faults.machine --thorough

train-faults: $(STAMP) ## kill a training 20 times while it writes checkpoints, and resume it (4 minutes)
	$(ONE_THREAD) $(PY) -m tests.faults.kill_training $(ARGS)

same-bytes: $(STAMP) ## every command ten times: hash seed, locale, order of folders, workers, no network (20 minutes)
	$(ONE_THREAD) $(PY) -m tests.faults.same_bytes $(ARGS)

$(VENV)/.tools: requirements-tools.txt | $(STAMP)
	@test -x $(VENV)/tools/bin/python || $(PYTHON) -m venv $(VENV)/tools
	$(VENV)/tools/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-tools.txt
	@touch $@

lock: $(VENV)/.tools ## requirements.lock anew, after requirements*.txt changed
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/tools/bin/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-config --output-file requirements.lock requirements-dev.txt

audit-deps: $(VENV)/.tools ## known vulnerabilities of what requirements.lock installs; needs the index's advisories
	$(VENV)/tools/bin/pip-audit -r requirements.lock --disable-pip --require-hashes --strict --progress-spinner off || \
		{ echo "error: vulnerable, or not audited: 'not found' means that this index gives no advisories" >&2; exit 4; }

# ../shared/badinput, where it is at hand: make corpus SHARED=../shared/badinput
SHARED :=

corpus: $(STAMP) ## bad inputs, each through its command, at 256 and 2048 pixels [SHARED=corpus of others] (an hour on one core)
	$(PY) -m tests.bad_inputs --size 256x208
	$(PY) -m tests.bad_inputs --size 2048x1664 --timeout 180
	@if [ -n "$(SHARED)" ]; then for size in 256 2048; do \
		rm -rf .cache/shared-cases && mkdir -p .cache && \
		$(PY) "$(SHARED)/corpus.py" .cache/shared-cases --size $$size && \
		$(PY) "$(SHARED)/run.py" .cache/shared-cases --project . --python $(PY) --size $$size --timeout 300 || exit; \
	done; fi

hostile: $(STAMP) ## hostile files: each settled within 2 s and 1 GB (3 minutes)
	$(PY) -m tests.hostile $(ARGS)

many: $(STAMP) ## points_to_yolo --dry-run over 100,000 images: under 300 MB and 300 s on one core
	$(PY) -m tests.many_images $(ARGS)

clean: ## remove outputs and caches; .venv, the data in datasets/ and trainings (runs/, FOLDS_OUT) stay
	@if [ -d out ]; then find out -mindepth 1 -maxdepth 1 -not -name "$(word 2,$(subst /, ,$(patsubst ./%,%,$(FOLDS_OUT))))" -exec rm -rf {} +; fi
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
