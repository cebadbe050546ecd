"""What the Python clients share: how a session is made, and how a check is told."""

import os

# The server listens on the loopback address, without TLS.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

from oauthlib.oauth2 import LegacyApplicationClient
from requests_oauthlib import OAuth2Session

SERVER = os.environ["SERVER"]
CLIENT_ID = os.environ["CLIENT_ID"]
API_CLIENT = (os.environ["API_CLIENT_ID"], os.environ["API_CLIENT_SECRET"])
USERNAME = os.environ["TOKEN_USERNAME"]
REALM_GRANT = "http://auth0.com/oauth/grant-type/password-realm"
FACTOR_GRANTS = [f"http://auth0.com/oauth/grant-type/mfa-{name}" for name in ("otp", "oob", "recovery-code")]


def session(client_id=CLIENT_ID, scope=None, **more):
    return OAuth2Session(client=LegacyApplicationClient(client_id=client_id, scope=scope), **more)


def check(what, right, seen):
    assert right, f"{what}: {seen}"
    print("ok", what)


def fails(what, kind, attempt, code=None):
    """The exception that oauthlib has for an error, and its code if that is none of RFC 6749."""
    try:
        seen = attempt()
    except kind as error:
        check(what, error.error == (code or kind.error), error.error)
        return
    raise AssertionError(f"{what}: no {code or kind.error} but {seen}")
