"""The words that mean something in a fetchmailrc: every option, and what kind of word it takes."""

from __future__ import annotations

FLAGS_OF_A_SERVER = frozenset({"uidl", "checkalias", "dns", "tracepolls"})
_STRINGS_OF_A_SERVER = (
    "via",
    "principal",
    "esmtpname",
    "esmtppassword",
    "qvirtual",
    "interface",
    "monitor",
    "plugin",
    "plugout",
)
_NUMBERS_OF_A_SERVER = ("port", "interval", "timeout")
OPTIONS_OF_A_SERVER = FLAGS_OF_A_SERVER.union(
    _STRINGS_OF_A_SERVER,
    _NUMBERS_OF_A_SERVER,
    ("aka", "localdomains", "protocol", "service", "authenticate", "envelope", "bad-header"),
)
NEGATABLE_OF_A_SERVER = FLAGS_OF_A_SERVER | {"envelope"}
"""What may follow `no`."""

FLAGS_OF_A_USER = frozenset(
    {
        "keep",
        "flush",
        "limitflush",
        "fetchall",
        "rewrite",
        "forcecr",
        "stripcr",
        "pass8bits",
        "dropstatus",
        "dropdelivered",
        "mimedecode",
        "idle",
        "ssl",
        "sslcertck",
    }
)
_STRINGS_OF_A_USER = (
    "password",
    "smtpaddress",
    "smtpname",
    "mda",
    "bsmtp",
    "preconnect",
    "postconnect",
    "sslkey",
    "sslcert",
    "sslproto",
    "sslcertfile",
    "sslcertpath",
    "sslcommonname",
    "sslfingerprint",
    "properties",
)
_LISTS_OF_A_USER = ("folder", "smtphost", "fetchdomains")
_NUMBERS_OF_A_USER = ("limit", "warnings", "fetchlimit", "fetchsizelimit", "fastuidl", "batchlimit", "expunge")
OPTIONS_OF_A_USER = FLAGS_OF_A_USER.union(
    _STRINGS_OF_A_USER, _LISTS_OF_A_USER, _NUMBERS_OF_A_USER, ("to", "is", "antispam", "lmtp")
)

TAKES_ONE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*FLAGS_OF_A_SERVER, *FLAGS_OF_A_USER, "lmtp"), ()),
    **dict.fromkeys((*_STRINGS_OF_A_SERVER, *_STRINGS_OF_A_USER), ("string",)),
    **dict.fromkeys((*_NUMBERS_OF_A_SERVER, *_NUMBERS_OF_A_USER), ("number",)),
    "service": ("string", "number"),
    "protocol": ("protocol-name", "sdps", "kpop"),
    "authenticate": ("auth-type",),
    "bad-header": ("accept", "reject"),
}
"""The kinds of the one word that an option takes; () if it takes none."""
TAKES_SEVERAL = {**dict.fromkeys(("aka", "localdomains", *_LISTS_OF_A_USER), "string"), "antispam": "number"}
"""The kind of the words of an option that takes one or more."""
SECRETS = frozenset({"password", "esmtppassword"})
PASSWORD_WORDS = frozenset({"password", "pass"})

GLOBAL_FLAGS = ("bouncemail", "spambounce", "softbounce", "syslog", "invisible", "showdots")
"""What may follow `set`, and `set no`."""
GLOBAL_STRINGS = ("logfile", "idfile", "pidfile", "postmaster", "properties")
KEYWORDS = OPTIONS_OF_A_SERVER.union(
    OPTIONS_OF_A_USER,
    GLOBAL_FLAGS,
    GLOBAL_STRINGS,
    ("set", "daemon", "defaults", "poll", "skip", "user", "accept", "reject", "sdps", "kpop"),
    ("here", "there", "no"),
)
NOISE = frozenset({"with", "and", "has", "wants", "options"})
"""Words that fetchmail skips."""
SYNONYMS = {
    "server": "poll",
    "local": "localdomains",
    "proto": "protocol",
    "preauth": "authenticate",
    "preauthenticate": "authenticate",
    "auth": "authenticate",
    "username": "user",
    "pass": "password",
    "folders": "folder",
    "smtp": "smtphost",
    "pre": "preconnect",
    "post": "postconnect",
    "pass8": "pass8bits",
    "mimedec": "mimedecode",
}
PROTOCOLS = frozenset({"auto", "pop2", "pop3", "imap", "apop", "rpop", "etrn", "odmr"})
AUTH_TYPES = {
    "any": "any",
    "gssapi": "gssapi",
    "kerberos4": "kerberos_v4",
    "kerberos_v4": "kerberos_v4",
    "kerberos5": "kerberos_v5",
    "kerberos_v5": "kerberos_v5",
    "kerberos": "kerberos_v4",
    "ssh": "ssh",
    "implicit": "ssh",
    "external": "external",
    "otp": "otp",
    "opie": "otp",
    "cram": "cram-md5",
    "cram-md5": "cram-md5",
    "msn": "msn",
    "ntlm": "ntlm",
}
"""The values of `auth`, and the name of each."""
