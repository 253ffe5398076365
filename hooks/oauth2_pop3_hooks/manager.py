"""Asks the plugins: ours first, and those of entry points only if ours do not have what is wanted.

This is the only user of pluggy.PluginManager. A scan for entry points costs as much as starting Python four times, so a
look-up by name does not do it if our own plugins know the name.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import cache
from typing import TYPE_CHECKING, Any

import pluggy

from oauth2_pop3.errors import PluginError
from oauth2_pop3_hooks import PROJECT, implementations, specs

if TYPE_CHECKING:
    from oauth2_pop3.dialects import Dialect
    from oauth2_pop3.stores import TokenStore

_OURS = "oauth2-pop3"
_RESULTS: Mapping[str, type] = {"retriever_types": type, "providers": Mapping, "token_stores": type, "dialects": type}
"""What the result of each hook maps a name to."""


_one_at_a_time = RLock()


def _release_in_child() -> None:
    """A process that was forked has none of the threads that may have held the lock."""
    global _one_at_a_time
    _one_at_a_time = RLock()


os.register_at_fork(after_in_child=_release_in_child)


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Send what a plugin prints to standard error, because standard output belongs to the token.

    One thread at a time: two threads that both put sys.stdout back could leave the wrong one in place.
    """
    with _one_at_a_time, redirect_stdout(sys.stderr):
        yield


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(specs)
    manager.register(implementations, _OURS)
    return manager


_ours = cache(_manager)


@cache
def _all() -> pluggy.PluginManager:
    """The built-in plugin and that of every entry point. One that cannot be loaded is named; the others still work."""
    from importlib.metadata import entry_points

    manager = _manager()
    for entry_point in entry_points(group=PROJECT):
        if manager.has_plugin(entry_point.name) or _is_ours(entry_point.name):
            complain(entry_point.name, "cannot be loaded", PluginError("another plugin has that name"))
            continue
        try:
            with _elsewhere():
                manager.register(entry_point.load(), entry_point.name)
            manager.check_pending()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything
            complain(entry_point.name, "cannot be loaded", error)
            if manager.has_plugin(entry_point.name):
                manager.unregister(name=entry_point.name)
    return manager


def _is_ours(plugin: str) -> bool:
    return plugin.split(" ")[0] == _OURS


def complain(plugin: str, what: str, error: BaseException) -> None:
    """Name a plugin that failed, in one line on standard error; the others still run."""
    _say(" ".join(f"oauth2-pop3: the plugin {plugin} {what}: {type(error).__name__}: {error}".split()))


@cache
def _say(line: str) -> None:
    """Say it once in a process: a hook may be called for each account."""
    print(line, file=sys.stderr)  # noqa: T201


def _ask(manager: pluggy.PluginManager, hook: str, **arguments: object) -> list[tuple[str, Any]]:
    """Call a hook of one plugin after the other, ours first. Returns (plugin, result) for each."""
    results = []
    plugins = manager.list_name_plugin()
    for name, plugin in sorted(plugins, key=lambda item: not _is_ours(item[0])):
        others = [other for _, other in plugins if other is not plugin]
        try:
            with _elsewhere():
                results += [(name, result) for result in manager.subset_hook_caller(hook, others)(**arguments)]
        except (Exception, SystemExit) as error:  # a stranger's hook may raise anything; our own errors go on
            if _is_ours(name):
                raise
            complain(name, f"failed in {hook}", error)
    return results


def _merged(manager: pluggy.PluginManager, hook: str) -> dict[str, Any]:
    """All names that a hook knows. If two plugins have the same name, the first one wins."""
    merged: dict[str, Any] = {}
    for plugin, result in _ask(manager, hook):
        if not isinstance(result, Mapping):
            complain(plugin, f"failed in {hook}", TypeError(f"returned {type(result).__name__}, not a mapping"))
            continue
        for name, value in result.items():
            if isinstance(name, str) and isinstance(value, _RESULTS[hook]):
                merged.setdefault(name, value)
            else:
                complain(plugin, f"failed in {hook}", TypeError(f"returned {name!r}: {type(value).__name__}"))
    return merged


def _named(hook: str, kind: str, name: str) -> Any:
    for manager in (_ours, _all):
        found = _merged(manager(), hook)
        if name in found:
            return found[name]
    raise PluginError(
        f"there is no {kind} {name} (known: {', '.join(sorted(found))})",
        hint="Is its plugin installed?",
    )


def retriever_type(name: str, ours: object) -> type | None:
    """The retriever type of that name; None if there is none. ours: the module whose hookimpl gives our own type."""
    for manager in (_ours, _all):
        if not manager().is_registered(ours):
            manager().register(ours, f"{_OURS} for getmail6")
        found: type | None = _merged(manager(), "retriever_types").get(name)
        if found is not None:
            return found
    return None


def token_store(name: str) -> TokenStore:
    """Open the store of that name. Raises PluginError."""
    from oauth2_pop3.stores.guarded import GuardedStore

    return GuardedStore(name, _named("token_stores", "token store", name))


def built_in_providers() -> Mapping[str, Mapping[str, object]]:
    """Only our own rows."""
    return _merged(_ours(), "providers")


def providers() -> Mapping[str, Mapping[str, object]]:
    """Every row, ours and others'."""
    return _merged(_all(), "providers")


def provider_plugin(name: str) -> str:
    """The plugin that has the row of that name, for messages about it."""
    results = _ask(_all(), "providers")
    return next((plugin for plugin, result in results if isinstance(result, Mapping) and name in result), _OURS)


def dialects() -> Mapping[str, type[Dialect]]:
    """Every dialect, ours and others'."""
    return _merged(_all(), "dialects")


def token_refreshed(account: str, expires_at: int) -> None:
    """Tell every plugin."""
    _ask(_all(), "token_refreshed", account=account, expires_at=expires_at)


def authorization_required(account: str, reason: str, command: str) -> None:
    """Tell every plugin."""
    _ask(_all(), "authorization_required", account=account, reason=reason, command=command)
