#!/bin/sh
# Writes it to the system's log, for a program that watches the log.
exec logger -t oauth2-pop3 -p user.err -- "$OAUTH2_POP3_ACCOUNT: $OAUTH2_POP3_REASON; type: $OAUTH2_POP3_COMMAND"
