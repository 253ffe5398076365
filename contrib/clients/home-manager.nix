# home-manager: its passwordCommand is what the programs that it configures run. Not tried.
# First: oauth2-pop3 login you@gmail.com --also imap,smtp
{ pkgs, ... }:
{
  accounts.email.accounts.google = {
    primary = true;
    address = "you@gmail.com";
    userName = "you@gmail.com";
    realName = "You";
    flavor = "gmail.com";
    # One sign-in serves IMAP and SMTP, so one command without --for is enough for both.
    passwordCommand = "oauth2-pop3 token you@gmail.com";
    msmtp = {
      enable = true;
      extraConfig.auth = "xoauth2";
    };
    mbsync = {
      enable = true;
      create = "maildir";
      extraConfig.account.AuthMechs = "XOAUTH2";
    };
  };
  programs.msmtp.enable = true;
  programs.mbsync = {
    enable = true;
    # mbsync with Cyrus SASL's plugin for XOAUTH2
    package = pkgs.isync.override { withCyrusSaslXoauth2 = true; };
  };
}
