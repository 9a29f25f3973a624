"""The house: arrows run one way, nothing private is borrowed, files stay readable, no pickle."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import palate
from palate.core.registry import FOLDERS

ROOT = Path(palate.__file__).parent
ROOMS = (  # each imports from itself and from those before it
    *("core", "data", "nn", "text", "features", "recommenders"),
    *("pipeline", "evaluation", "tuning", "testing", "cli"),
)
DOOR = "palate.__main__"  # where `python -m palate` looks: it opens the last room, and is none
ENTRIES_OF_THE_ROOT = 15
LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 50
LINES_OF_A_HELPER = 80
SECTIONS = "palate.evaluation.report"  # a file there is a part of the page

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources():
    """module → its code, parsed."""
    return {name_of(path): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}


def package_of(module):
    return module.rpartition(".")[0]


def is_folder(module, modules):
    return any(package_of(other) == module for other in modules)


def imports(tree, modules):
    """(module, name or "") of all of palate that `tree` imports, by a string or for types too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner, "") if inner in modules else (node.module, alias.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = re.fullmatch(r"(palate(?:\.\w+)+)(?::(\w+))?", node.value)
            if named and named[1] in modules and not is_folder(named[1], modules):
                yield named[1], named[2] or ""


def arrows(trees):
    """module → {(module, name)} within palate; the public names load on first use, by no arrow."""
    return {
        module: {
            (target, name)
            for target, name in imports(tree, trees)
            if target.startswith("palate.") and target != module
        }
        for module, tree in trees.items()
        if module != "palate"
    }


def room_of(module):
    return module.split(".")[1]


def wrong_arrows(trees):
    for module, targets in arrows(trees).items():
        allowed = ROOMS if module == DOOR else ROOMS[: ROOMS.index(room_of(module)) + 1]
        yield from (f"{module} → {to}" for to, _ in targets if room_of(to) not in allowed)


def borrowed(trees):
    """Private modules used outside their folder's room, and private names outside their module."""
    for module, targets in arrows(trees).items():
        for target, name in targets:
            foreign = room_of(module) != room_of(target)
            private = name.startswith("_") or (
                foreign and any(part.startswith("_") for part in target.split("."))
            )
            if private:
                yield f"{module} → {target} {name}"


def test_rooms_import_from_rooms_below_only():
    rooms = {room_of(module) for module in sources() if module not in ("palate", DOOR)}
    assert rooms == set(ROOMS)
    assert not sorted(wrong_arrows(sources()))


def test_there_is_no_circle():
    graph = {module: {to for to, _ in targets} for module, targets in arrows(sources()).items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which shows the circle


def test_no_folder_hides_a_file():
    files = {path.with_suffix("") for path in ROOT.rglob("*.py")}
    assert not sorted(str(path) for path in files if path.is_dir())


def test_nothing_private_is_borrowed():
    assert not sorted(borrowed(sources()))


def long_functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            if node.end_lineno - first.lineno + 1 > LINES_OF_A_FUNCTION:
                yield node.name


def lonely_helpers(trees, lines):
    """Short files of one importer, which are part of that file; components stand by themselves."""
    importers = {}
    for module, targets in arrows(trees).items():
        for target, _ in targets if module != DOOR else ():
            importers.setdefault(target, set()).add(module)
    public = set(re.findall(r'"(palate[.\w]+)"', (ROOT / "__init__.py").read_text()))
    for module, users in importers.items():
        component = package_of(module) in {*FOLDERS.values(), SECTIONS} or module in public
        if len(users) == 1 and lines[module] < LINES_OF_A_HELPER and not component:
            yield f"{module} ({lines[module]} lines) of {users.pop()}"


def test_sizes():
    lines = {name_of(path): len(path.read_text().splitlines()) for path in ROOT.rglob("*.py")}
    entries = [entry for entry in ROOT.iterdir() if entry.name != "__pycache__"]
    assert len(entries) <= ENTRIES_OF_THE_ROOT
    assert not {module: n for module, n in lines.items() if n > LINES_OF_A_FILE}
    found = {module: list(long_functions(tree)) for module, tree in sources().items()}
    assert not {module: names for module, names in found.items() if names}
    assert not sorted(lonely_helpers(sources(), lines))


def dangers(tree):
    """Ways to run what a file says: pickles, and code made from text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in FORBIDDEN_MODULES:
            yield node.module
        elif isinstance(node, ast.Call):
            yield from dangerous_calls(node)


def dangerous_calls(call):
    called = ast.unparse(call.func)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if called in FORBIDDEN_CALLS:
        yield called
    if "allow_pickle" in given:
        yield "allow_pickle"
    if called in ("np.load", "pd.read_pickle"):
        yield called
    if called == "torch.load" and given.get("weights_only") != "True":
        yield called


def test_nothing_that_is_read_can_run():
    found = {module: list(dangers(tree)) for module, tree in sources().items()}
    assert not {module: names for module, names in found.items() if names}


def test_these_tests_see_what_they_forbid():
    def trees(**modules):
        bare = {name.replace("__", "."): ast.parse(code) for name, code in modules.items()}
        known = ("palate.data.read", "palate.core.ids", "palate.features.encoders._text")
        return {**{name: ast.parse("") for name in known}, **bare}

    late = "def late():\n    from palate.features.encoders import _text"
    assert list(wrong_arrows(trees(palate__core__ids=late)))
    assert list(wrong_arrows(trees(palate__core__ids='find("palate.data.read:read")')))
    typed = "if TYPE_CHECKING:\n    from palate.data.read import read"
    assert list(wrong_arrows(trees(palate__core__ids=typed)))
    assert list(borrowed(trees(palate__data__read="from palate.core.ids import _secret")))
    assert list(borrowed(trees(palate__pipeline__x="import palate.features.encoders._text")))
    assert not list(
        borrowed(trees(palate__features__users="import palate.features.encoders._text"))
    )
    assert list(
        long_functions(ast.parse("def long():\n" + "    x = 1\n" * (LINES_OF_A_FUNCTION + 1)))
    )
    bad = "import pickle\nfrom joblib import load\neval('1')\ntorch.load(f, weights_only=safe)"
    assert list(dangers(ast.parse(bad))) == ["pickle", "joblib", "eval", "torch.load"]
    good = "re.compile('x'); model.eval(); torch.load(f, weights_only=True)"
    assert not list(dangers(ast.parse(good)))
