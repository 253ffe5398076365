"""The built-in dialects pass the same contract test as those of plugins."""

from __future__ import annotations

from oauth2_pop3.dialects import Dialect
from oauth2_pop3.dialects.contract import DialectContract
from oauth2_pop3.dialects.fetchmailrc import FetchmailRc
from oauth2_pop3.dialects.getmailrc import GetmailRc
from oauth2_pop3.dialects.mpoprc import MpopRc


class TestGetmailRc(DialectContract):
    def make(self) -> Dialect:
        return GetmailRc()

    examples = (
        (
            b"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.gmail.com\nusername = a@gmail.com\n"
            b"password = hunter2\n[destination]\ntype = Maildir\npath = ~/Maildir/\n"
        ),
    )
    refused = (b"type = x\n", b"[retriever]\ntype = x\n")


class TestFetchmailRc(DialectContract):
    def make(self) -> Dialect:
        return FetchmailRc()

    examples = (
        b'poll pop.gmail.com proto pop3 user "ann@gmail.com" password "hunter2" ssl\n',
        b"defaults proto pop3 ssl\npoll pop.gmail.com user ann@gmail.com there password hunter2 keep",
    )
    refused = (b"pol x\n", b"poll x port y\n")


class TestMpopRc(DialectContract):
    def make(self) -> Dialect:
        return MpopRc()

    examples = (b"account a\nhost pop.gmail.com\nuser ann@gmail.com\npassword hunter2\ntls on\ntls_starttls off\n",)
    refused = (b"host x\n", b"account a\nport 0\n")
