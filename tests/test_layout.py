"""The layout of the house: arrows run one way, files and functions stay small, no pickle."""

import ast
from pathlib import Path

import pytest

import palate

ROOT = Path(palate.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

GROUND_FLOOR = (
    *(
        "_visible",
        "errors",
        "optional",
        "component",
        "_files",
        "columns",
        "_ids",
        "types",
        "histories",
    ),
    *("progress", "registry", "_paths", "_settings"),
)
STAGES = (
    "data",
    "text",
    "encoders",
    "representation",
    "fusion",
    "selection",
    "recommenders",
    "rerankers",
)
ABOVE = (
    *("scale", "_promises", "testing", "_features", "_arrivals", "_requests", "_plan", "_shown"),
    *("_tree", "_received", "artefact", "reasons", "pipeline"),
    *("evaluation", "bench", "_spoken", "config", "_student_check", "distillation"),
    *("console", "preview", "demo", "_options", "_app", "_commands", "cli"),
)
ORDER = (*GROUND_FLOOR, *STAGES, *ABOVE)

LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 50

FORBIDDEN_MODULES = frozenset(
    ["pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"]
)
FORBIDDEN_CALLS = frozenset(["eval", "exec", "compile", "__import__"])


def ids(path):
    return str(path.relative_to(ROOT))


def room_of(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def for_types_only(tree):
    """The nodes inside `if TYPE_CHECKING`: nothing there runs."""
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            inside.update(id(child) for child in ast.walk(node))
    return inside


def imported_modules(tree):
    skipped = for_types_only(tree)
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "palate":
                yield from (f"palate.{alias.name}" for alias in node.names)
            else:
                yield node.module


def rooms_imported(source):
    names = imported_modules(ast.parse(source))
    inside = {name.split(".")[1] for name in names if name.startswith("palate.")}
    return inside - {"__version__"}


def wrong_arrows(room, source):
    allowed = {room, *ORDER[: ORDER.index(room)]}
    return sorted(rooms_imported(source) - allowed)


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_imports_run_from_left_to_right(path):
    room = room_of(path)
    if room == "__init__":
        assert not rooms_imported(path.read_text()), "`import palate` loads nothing"
        return
    assert room in ORDER, f"say in this test where {room} stands in the flow"
    assert not wrong_arrows(room, path.read_text())


def test_the_arrow_test_sees_wrong_arrows():
    assert wrong_arrows("fusion", "from palate.selection.variance import Variance") == ["selection"]
    assert wrong_arrows("data", "def late():\n    from palate import pipeline") == ["pipeline"]
    assert wrong_arrows("types", "import palate.histories") == ["histories"]
    lazy = "if TYPE_CHECKING:\n    from palate.pipeline import Pipeline"
    assert not wrong_arrows("artefact", lazy)
    assert not wrong_arrows("fusion", "from palate.representation._rows import unit_rows")


def test_stages_are_those_of_the_registry():
    from palate import registry

    assert set(registry.STAGES) <= set(STAGES)
    assert [stage for stage in STAGES if stage in registry.STAGES] == list(registry.STAGES)


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= LINES_OF_A_FILE


def long_functions(source):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, kinds) and node.end_lineno - node.lineno >= LINES_OF_A_FUNCTION:
            yield node.name


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_functions_are_short(path):
    assert not list(long_functions(path.read_text()))


def test_the_length_test_sees_long_functions():
    body = "    x = 1\n" * LINES_OF_A_FUNCTION
    assert list(long_functions(f"def long():\n{body}")) == ["long"]
    assert not list(long_functions(f"def short():\n{body[: -len('    x = 1') - 1]}"))


def dangers(source):
    """Ways to run what a file says: pickles, and code made from text."""
    tree = ast.parse(source)
    for name in imported_modules(tree):
        if name.partition(".")[0] in FORBIDDEN_MODULES:
            yield name
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            yield node.func.id
        if any(keyword.arg == "allow_pickle" for keyword in node.keywords):
            yield "allow_pickle"
        called = ast.unparse(node.func)
        if called in ("torch.load", "np.load", "pd.read_pickle") and not reads_tensors_only(node):
            yield called


def reads_tensors_only(call):
    """Whether torch refuses all that is no tensor, which it must be told so in writing."""
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    return ast.unparse(call.func) == "torch.load" and given.get("weights_only") == "True"


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_nothing_that_is_read_can_run(path):
    assert not list(dangers(path.read_text()))


def test_the_danger_test_sees_dangers():
    assert list(dangers("import pickle\nfrom joblib import load\neval('1')")) == [
        "pickle",
        "joblib",
        "eval",
    ]
    assert list(dangers("np.load(f, allow_pickle=False)")) == ["allow_pickle", "np.load"]
    assert list(dangers("torch.load(f)")) == ["torch.load"]
    assert list(dangers("torch.load(f, weights_only=safe)")) == ["torch.load"]
    assert not list(dangers("re.compile('x'); model.eval(); torch.load(f, weights_only=True)"))
