"""E-mail: messages, and the SMTP client."""
