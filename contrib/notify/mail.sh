#!/bin/sh
# Mails it to the user who runs this, or to $1. In config.toml:
#   notify_command = "/usr/share/doc/oauth2-pop3/notify/mail.sh admin@example.org"
# Mind that the mailbox that needs a person is perhaps the one that this mail would go to.
exec mail -s "oauth2-pop3: $OAUTH2_POP3_ACCOUNT needs you" "${1:-$(id -un)}" <<END
$OAUTH2_POP3_ACCOUNT: $OAUTH2_POP3_REASON

Type on $(uname -n):

  $OAUTH2_POP3_COMMAND
END
