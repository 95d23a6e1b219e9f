"""Who is let in to the pages: on loopback everybody who calls us by that name; elsewhere nobody without a login.

Loopback      whoever is on this machine
Logins        a name and a password, by HTTP Basic, or the password as a bearer token
SupabaseUsers the users of the Supabase project whose claims name a role
Proxied       whom a proxy in front of us names
"""
