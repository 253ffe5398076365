"""Turns our errors into getmail's: one line and the end of this account. Any other error would end getmail itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from getmailcore.exceptions import getmailCredentialError, getmailError, getmailOperationError

from oauth2_pop3.errors import (
    AuthenticationRejected,
    AuthorizationRequired,
    MessageRefused,
    OAuth2Pop3Error,
    TokenNotFound,
    one_line,
)


@contextlib.contextmanager
def errors_of_getmail(refused: Callable[[str], Exception] = getmailOperationError) -> Iterator[None]:
    """Raise getmail's errors, each with one line. refused: the one for a message that cannot be had."""
    try:
        yield
    except (AuthenticationRejected, AuthorizationRequired, TokenNotFound) as error:
        raise getmailCredentialError(str(error)) from None
    except MessageRefused as error:
        raise refused(str(error)) from None
    except OAuth2Pop3Error as error:
        raise getmailOperationError(str(error)) from None
    except getmailError:
        raise
    except Exception as error:
        # A bug in this program or in a plugin. It must not keep getmail from the rc files that come after.
        raise getmailOperationError(one_line(f"unexpected {type(error).__name__}: {error}")) from error
