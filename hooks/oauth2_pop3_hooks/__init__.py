"""How things are plugged into oauth2-pop3: a tutorial for plugin authors.

A plugin is a module with functions marked `hookimpl`, named as the specifications in specs.py, in a distribution
that announces it as an entry point in the group ``oauth2_pop3``::

    # pyproject.toml
    [project.entry-points.oauth2_pop3]
    example = "oauth2_pop3_example"

    # oauth2_pop3_example.py
    from oauth2_pop3_hooks import hookimpl

    @hookimpl
    def providers():
        return {"example": {
            "issuer": "https://auth.example.org", "scope": "mail offline_access",
            "pop3_host": "pop.example.org", "domains": ["example.org"],
        }}

    @hookimpl
    def token_refreshed(account, expires_at):
        print(account, "is good until", expires_at)

After ``pip install`` `oauth2-pop3 providers` lists it and `oauth2-pop3 login you@example.org` uses it. An
implementation takes as many of its specification's arguments as it needs. One that raises is named in one line on
standard error, and the others go on. The built-in providers, store and dialects come through the same hooks:
implementations.py is the longest example. The retriever type is in oauth2_pop3/hosts/getmail6/hookimpl.py.
"""

from pluggy import HookimplMarker, HookspecMarker

PROJECT = "oauth2_pop3"
"""The name of the hooks, and of the entry-point group."""

hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)
