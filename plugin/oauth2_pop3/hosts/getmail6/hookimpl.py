"""Plugs our retriever type into getmail6. startup.py hands this module to the hooks' manager."""

from __future__ import annotations

from collections.abc import Mapping

from oauth2_pop3_hooks import hookimpl


@hookimpl
def retriever_types() -> Mapping[str, type]:
    """Return our retriever types: oauth2-pop3."""
    from oauth2_pop3.hosts.getmail6.retriever import OAuth2POP3Retriever

    return {"oauth2-pop3": OAuth2POP3Retriever}
