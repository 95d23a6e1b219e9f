"""Who may see the pages.  On loopback no login is needed; every other address needs one of these.

Loopback       anybody on this machine
Logins         a name and a password, by HTTP Basic, or the password as a bearer token
SupabaseUsers  users of the Supabase project whose claims name a role
Proxied        the user that a proxy in front of the server names in a header
"""
