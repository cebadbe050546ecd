"""requests-oauthlib's LegacyApplicationClient against a running example."""

import os

# The example listens on the loopback address, without TLS.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

from oauthlib.oauth2 import LegacyApplicationClient
from oauthlib.oauth2.rfc6749 import errors
from requests_oauthlib import OAuth2Session

SERVER = os.environ["SERVER"]
CLIENT_ID = os.environ["CLIENT_ID"]
CLIENT_SECRET = os.environ["CLIENT_SECRET"]
PUBLIC_CLIENT_ID = os.environ["PUBLIC_CLIENT_ID"]
USERNAME = os.environ["TOKEN_USERNAME"]
PASSWORD = os.environ["TOKEN_PASSWORD"]


def session(client_id=CLIENT_ID, scope=None):
    return OAuth2Session(client=LegacyApplicationClient(client_id=client_id, scope=scope))


def fetch(oauth, password=PASSWORD, **more):
    return oauth.fetch_token(f"{SERVER}/oauth/token", username=USERNAME, password=password, **more)


def check(what, right, seen):
    assert right, f"{what}: {seen}"
    print("ok", what)


def fails(what, kind, attempt):
    try:
        seen = attempt()
    except kind as error:
        seen = error.error
        check(what, error.error == kind.error, seen)
        return
    raise AssertionError(f"{what}: no {kind.error} but {seen}")


oauth = session()
token = fetch(oauth, client_secret=CLIENT_SECRET)
check("secret in the header", token["token_type"] == "Bearer" and token["scope"] == ["read"], token)

# Only the axum example has an API to call.
if os.environ["EXAMPLE"] == "axum":
    me = oauth.get(f"{SERVER}/api/me")
    check("the session uses its token", me.status_code == 200 and me.json()["client_id"] == CLIENT_ID, me.text)

token = fetch(session(), client_secret=CLIENT_SECRET, include_client_id=True)
check("secret in the body", token["access_token"].startswith("at_"), token)

token = fetch(session(scope=["read", "write"]), client_secret=CLIENT_SECRET)
check("scope", token["scope"] == ["read", "write"], token)

token = fetch(session(PUBLIC_CLIENT_ID))
check("public client, as an empty secret in the header", token["scope"] == ["read"], token)

token = fetch(session(PUBLIC_CLIENT_ID), include_client_id=True)
check("public client, in the body", token["scope"] == ["read"], token)

fails(
    "wrong password",
    errors.InvalidGrantError,
    lambda: fetch(session(), password="wrong", client_secret=CLIENT_SECRET),
)
fails("wrong secret", errors.InvalidClientError, lambda: fetch(session(), client_secret="wrong"))
fails(
    "unknown scope",
    errors.InvalidScopeError,
    lambda: fetch(session(scope=["admin"]), client_secret=CLIENT_SECRET),
)
