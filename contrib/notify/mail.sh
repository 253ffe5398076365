#!/bin/sh
# Mails it to the user who runs this, or to $1. In config.toml:
#   notify_command = "/usr/local/lib/oauth2-pop3/mail.sh admin@example.org"    # wherever you have put this file
# The mailbox that needs a person may be the very one to which this mail would go: use another address then.
# It is sent by mail(1), or by sendmail if there is no mail(1).
to=${1:-$(id -un)}
subject="oauth2-pop3: $OAUTH2_POP3_ACCOUNT needs you"
text="$OAUTH2_POP3_ACCOUNT: $OAUTH2_POP3_REASON

Type on $(uname -n):

  $OAUTH2_POP3_COMMAND"
if command -v mail >/dev/null; then
    printf '%s\n' "$text" | mail -s "$subject" "$to"
else
    PATH=$PATH:/usr/sbin:/usr/lib
    printf 'To: %s\nSubject: %s\n\n%s\n' "$to" "$subject" "$text" | sendmail -t -i
fi
