"""Writes the reference of all public names, from their docstrings, as pages that need no network.

usage: python docs/reference.py FOLDER
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import palate

MODULES = (
    "palate",
    "palate.core.component",
    "palate.core.errors",
    "palate.core.histories",
    "palate.core.registry",
    "palate.core.settings",
    "palate.core.types",
    "palate.data.samples",
    "palate.pipeline.config",
    "palate.testing",
    "palate.text.history",
    "palate.text.template",
)
TEMPLATES = Path(__file__).parent / "templates"
INTERNAL = {"check_learnt", "model_config"}  # methods that only palate itself calls


class AsWritten(str):
    """A type as it stands in the source: shown so, and evaluated by nobody."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def missing(pages: dict[str, str]) -> list[str]:
    """The public names that the page of palate does not show with their docstring."""
    page = pages["palate"]
    gone = []
    for name in palate.__all__:
        value = getattr(palate, name)
        section = page.partition(f'<section id="{name}">')[2].partition("</section>")[0]
        described = 'class="docstring"' in section and (
            inspect.isclass(value) or "param" in section
        )
        if name != "__version__" and not described:
            gone.append(name)
    return gone


def pages() -> dict[str, str]:
    """Module → its page, and "index"."""
    import pdoc.doc
    from pdoc import extract, render

    pdoc.doc.safe_eval_type = lambda text, *_: AsWritten(text) if isinstance(text, str) else text
    render.configure(
        docformat="markdown",
        template_directory=TEMPLATES,
        show_source=False,
        search=False,
        footer_text=f"palate {palate.__version__}",
    )
    render.env.globals["internal"] = INTERNAL
    for name in palate.__all__:  # which load on first use: pdoc shows what is there
        getattr(palate, name)
    modules: dict[str, Any] = {name: pdoc.doc.Module(extract.load_module(name)) for name in MODULES}
    for module in modules.values():
        for member in module.flattened_own_members:
            if isinstance(member, pdoc.doc.Class):
                member.is_made = is_made(member.obj)
    found = {name: render.html_module(module, modules) for name, module in modules.items()}
    return {**found, "index": render.html_index(modules)}


def is_made(cls: type[Any]) -> bool:
    """Whether people make objects of a class: no protocol, no error."""
    return not (getattr(cls, "_is_protocol", False) or issubclass(cls, BaseException))


def main() -> None:
    """Writes the pages; ends with an error if one of the public names is not in them."""
    folder = Path(sys.argv[1])
    found = pages()
    if gone := missing(found):
        sys.exit(f"without signature or docstring: {', '.join(gone)}")
    for name, page in found.items():
        path = folder / (name.replace(".", "/") + ".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, "utf-8")
    print(f"{folder / 'palate.html'}: {len(palate.__all__) - 1} names")


if __name__ == "__main__":
    main()
