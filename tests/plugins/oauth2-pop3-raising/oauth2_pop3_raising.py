"""A plugin that loads, and raises in every hook."""

from oauth2_pop3_hooks import hookimpl


@hookimpl
def providers() -> dict[str, dict[str, object]]:
    raise RuntimeError("nothing to offer\nin two lines")


@hookimpl
def token_stores() -> dict[str, type]:
    raise RuntimeError("no store")


@hookimpl
def retriever_types() -> dict[str, type]:
    raise RuntimeError("no type")


@hookimpl
def token_refreshed(account: str) -> None:
    raise RuntimeError("not interested")
