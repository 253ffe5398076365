#!/bin/sh
# Shows it on the user's desktop. A cron job does not know the session's bus, which is usually this one:
: "${DBUS_SESSION_BUS_ADDRESS:=unix:path=/run/user/$(id -u)/bus}"
export DBUS_SESSION_BUS_ADDRESS
exec notify-send --urgency=critical -- "Sign in again: $OAUTH2_POP3_ACCOUNT" "$OAUTH2_POP3_REASON
$OAUTH2_POP3_COMMAND"
