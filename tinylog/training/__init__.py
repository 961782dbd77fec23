"""The only place for scipy and fasttext; nothing else imports it."""
