"""What every start of Python runs, through oauth2_pop3.pth (or, from Python 3.15, oauth2_pop3.start).

getmail finds a retriever's class with ``getattr(getmailcore.retrievers, TYPE)`` and has no plugin loader. So a
finder waits for that one module, steps aside, and adds our retriever types to it once it has been loaded.
It imports only sys: it must cost next to nothing in programs other than getmail.
"""

import sys

_HOST_MODULE = "getmailcore.retrievers"


class RetrieverTypesFinder:
    """A meta path finder (PEP 451) that acts once, for getmailcore.retrievers."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> object:
        """Find the module as everybody else does, and add ourselves to the end of its execution."""
        if name != _HOST_MODULE:
            return None
        sys.meta_path.remove(cls)  # type: ignore[arg-type]
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)  # type: ignore[arg-type]
            if spec is not None:
                break
        else:
            return None
        loader = spec.loader
        if loader is not None:
            execute = loader.exec_module

            def exec_module(module: object) -> None:
                execute(module)  # type: ignore[arg-type]
                add_retriever_types(module)

            loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def add_retriever_types(module: object) -> None:
    """Let getmailcore.retrievers find the retriever types of all plugins, by a module's __getattr__ (PEP 562).

    It is called only for names that the module does not have. So a plugin replaces none of getmail's own types, and
    nothing of this package is loaded for accounts that use them.
    """

    def retriever_type(name: str) -> type:
        found = None if name.startswith("_") else _retriever_type(name)
        if found is None:
            raise AttributeError(f"module {_HOST_MODULE!r} has no attribute {name!r}")
        return found

    module.__getattr__ = retriever_type  # type: ignore[attr-defined]


def _retriever_type(name: str) -> type | None:
    """The type of that name. Never raises: getmail has other accounts."""
    try:
        from oauth2_pop3.hosts.getmail6 import hookimpl
        from oauth2_pop3_hooks import manager

        return manager.retriever_type(name, hookimpl)
    except Exception as error:  # noqa: BLE001 - whatever is wrong here, getmail continues with its other accounts
        print(f"oauth2-pop3: its retriever types are not available: {error!r}", file=sys.stderr)  # noqa: T201
        return None


def install() -> None:
    """Wait for getmailcore.retrievers; act at once if it has been loaded already."""
    module = sys.modules.get(_HOST_MODULE)
    if module is not None:
        add_retriever_types(module)
    elif RetrieverTypesFinder not in sys.meta_path:  # type: ignore[comparison-overlap]
        sys.meta_path.insert(0, RetrieverTypesFinder)  # type: ignore[arg-type]
