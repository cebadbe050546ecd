"""requests-oauthlib against a running example: login, refresh, the API, introspection, revocation."""

import os
import time

import requests
from oauthlib.oauth2.rfc6749 import errors

from common import API_CLIENT, CLIENT_ID, FACTOR_GRANTS, REALM_GRANT, SERVER, USERNAME, check, fails, session

CLIENT_SECRET = os.environ["CLIENT_SECRET"]
PUBLIC_CLIENT_ID = os.environ["PUBLIC_CLIENT_ID"]
PASSWORD = os.environ["TOKEN_PASSWORD"]

# Only the axum example has an API to call, realms, and second factors.
HAS_API = os.environ["EXAMPLE"] == "axum"
SUBJECT = "employees:alice" if HAS_API else "user:alice"
GRANTS = {"password", "refresh_token"}
if HAS_API:
    GRANTS.update([REALM_GRANT, *FACTOR_GRANTS])


def fetch(oauth, password=PASSWORD, **more):
    return oauth.fetch_token(f"{SERVER}/oauth/token", username=USERNAME, password=password, **more)


oauth = session()
token = fetch(oauth, client_secret=CLIENT_SECRET)
check("secret in the header", token["token_type"] == "Bearer" and token["scope"] == ["read"], token)

if HAS_API:
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

metadata = requests.get(f"{SERVER}/.well-known/oauth-authorization-server").json()
check("the metadata is the server's own", metadata["issuer"] == SERVER, metadata)
TOKEN_URL = metadata["token_endpoint"]
grants = metadata["grant_types_supported"]
check("the metadata names the grants", set(grants) == GRANTS, grants)


def introspect(token, auth=API_CLIENT):
    answer = requests.post(metadata["introspection_endpoint"], data={"token": token}, auth=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


def is_active(token):
    return introspect(token["access_token"])["active"]


def revoke(token, kind, credentials):
    form = {"token": token[kind], "token_type_hint": kind}
    form |= credentials.get("data", {})
    return requests.post(metadata["revocation_endpoint"], data=form, auth=credentials.get("auth"))


def opens_the_api(oauth):
    return oauth.get(f"{SERVER}/api/me").status_code == 200


# How each client authenticates: at the login, at the refresh, and at the revocation.
HEADER = {"auth": (CLIENT_ID, CLIENT_SECRET)}
BODY = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
PUBLIC = {"client_id": PUBLIC_CLIENT_ID}
SECRET = {"client_secret": CLIENT_SECRET}
clients = [
    ("secret in the header", CLIENT_ID, SECRET, HEADER, HEADER),
    ("secret in the body", CLIENT_ID, SECRET | {"include_client_id": True}, BODY, {"data": BODY}),
    ("public client", PUBLIC_CLIENT_ID, {"include_client_id": True}, PUBLIC, {"data": PUBLIC}),
]
for what, client_id, at_login, at_refresh, at_revocation in clients:
    oauth = session(client_id)
    first = fetch(oauth, **at_login)
    check(f"{what}: a refresh token", first["refresh_token"].startswith("rt_"), first)
    second = oauth.refresh_token(TOKEN_URL, **at_refresh)
    check(f"{what}: refreshed", second["refresh_token"] != first["refresh_token"], second)
    again = oauth.refresh_token(TOKEN_URL, refresh_token=first["refresh_token"], **at_refresh)
    check(f"{what}: the same again after a lost answer", again["refresh_token"] == second["refresh_token"], again)
    third = oauth.refresh_token(TOKEN_URL, **at_refresh)
    told = introspect(third["access_token"])
    right = told["active"] and (told["client_id"], told["sub"], told["scope"]) == (client_id, SUBJECT, "read")
    check(f"{what}: introspection shows the token", right, told)
    told = introspect(third["access_token"], HEADER["auth"])
    check(f"{what}: and nothing to a client without the right", told == {"active": False}, told)
    if HAS_API:
        check(f"{what}: the API takes the refreshed token", opens_the_api(oauth), third)

    fails(
        f"{what}: a replayed token",
        errors.InvalidGrantError,
        lambda: oauth.refresh_token(TOKEN_URL, refresh_token=first["refresh_token"], **at_refresh),
    )
    fails(
        f"{what}: the newest token after it",
        errors.InvalidGrantError,
        lambda: oauth.refresh_token(TOKEN_URL, refresh_token=third["refresh_token"], **at_refresh),
    )
    check(f"{what}: the access token after it", not is_active(third), third)
    if HAS_API:
        check(f"{what}: the API refuses it", not opens_the_api(session(client_id, token=third)), third)
    fails(
        f"{what}: no token at all",
        errors.InvalidGrantError,
        lambda: oauth.refresh_token(TOKEN_URL, refresh_token="rt_wrong", **at_refresh),
    )

    oauth = session(client_id)
    token = fetch(oauth, **at_login)
    answer = revoke(token, "access_token", at_revocation)
    check(f"{what}: revokes an access token", answer.status_code == 200, answer.text)
    check(f"{what}: which is the end of it", not is_active(token), token)
    token = oauth.refresh_token(TOKEN_URL, **at_refresh)
    check(f"{what}: but not of the login", is_active(token), token)
    answer = revoke(token, "refresh_token", at_revocation)
    check(f"{what}: revokes a refresh token", answer.status_code == 200, answer.text)
    check(f"{what}: and its access token with it", not is_active(token), token)
    fails(f"{what}: a revoked token", errors.InvalidGrantError, lambda: oauth.refresh_token(TOKEN_URL, **at_refresh))
    answer = revoke(token, "refresh_token", at_revocation)
    check(f"{what}: revoking once more is no error", answer.status_code == 200, answer.text)

    # The session refreshes by itself what it takes for expired, before the request that needs it.
    kept = []
    oauth = session(
        client_id,
        auto_refresh_url=TOKEN_URL,
        auto_refresh_kwargs=PUBLIC if client_id == PUBLIC_CLIENT_ID else BODY,
        token_updater=kept.append,
    )
    old = fetch(oauth, **at_login)
    for turn in ("first", "second"):
        oauth.token = oauth.token | {"expires_at": time.time() - 1}
        answer = oauth.get(f"{SERVER}/api/me")
        right = bool(kept) and oauth.access_token == kept[-1]["access_token"] != old["access_token"]
        check(f"{what}: {turn} auto-refresh", right and is_active(kept[-1]), kept)
        if HAS_API:
            check(f"{what}: {turn} request after it", answer.status_code == 200, answer.text)
    check(f"{what}: each auto-refresh is told", len({token["refresh_token"] for token in [old, *kept]}) == 3, kept)

oauth = session()
token = fetch(oauth, client_secret=CLIENT_SECRET)
fails(
    "a refresh token of another client",
    errors.InvalidGrantError,
    lambda: session(PUBLIC_CLIENT_ID).refresh_token(TOKEN_URL, refresh_token=token["refresh_token"], **PUBLIC),
)
fails(
    "a refresh with a wrong secret",
    errors.InvalidClientError,
    lambda: oauth.refresh_token(TOKEN_URL, auth=(CLIENT_ID, "wrong")),
)
check("neither ends the login", is_active(oauth.refresh_token(TOKEN_URL, **HEADER)), token)
answer = revoke(token, "refresh_token", {"auth": (CLIENT_ID, "wrong")})
right = (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
check("a revocation with a wrong secret", right, answer.text)
