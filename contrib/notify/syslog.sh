#!/bin/sh
# Writes it to the system's log, for whatever watches that.
exec logger -t oauth2-pop3 -p user.err -- "$OAUTH2_POP3_ACCOUNT: $OAUTH2_POP3_REASON; type: $OAUTH2_POP3_COMMAND"
