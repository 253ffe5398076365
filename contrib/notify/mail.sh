#!/bin/sh
# Mails it to the user who runs this, or to $1. In config.toml:
#   notify_command = "/usr/share/doc/oauth2-pop3/notify/mail.sh admin@example.org"
# Mind that the mailbox that needs a person is perhaps the one that this mail would go to.
# It goes by mail(1), or by sendmail where that is all there is.
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
