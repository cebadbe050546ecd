"""requests-oauthlib against a server of two realms: the extra parameter `realm`, the realm grant, a login rule."""

import os

import requests
from oauthlib.oauth2.rfc6749 import errors

from common import API_CLIENT, CLIENT_ID, REALM_GRANT, SERVER, USERNAME, check, fails, session

TOKEN_URL = f"{SERVER}/oauth/token"
CUSTOMERS_CLIENT_ID = os.environ["CUSTOMERS_CLIENT_ID"]
BLOCKED = os.environ["BLOCKED_USERNAME"]
PASSWORDS = {"customers": os.environ["CUSTOMER_PASSWORD"], "employees": os.environ["EMPLOYEE_PASSWORD"]}


def fetch(oauth, realm_of_password, username=USERNAME, **more):
    password = PASSWORDS[realm_of_password]
    return oauth.fetch_token(TOKEN_URL, username=username, password=password, include_client_id=True, **more)


def in_realm_grant(client_id=CLIENT_ID):
    """A session whose requests are of the realm grant."""
    oauth = session(client_id)
    oauth._client.grant_type = REALM_GRANT
    return oauth


def holder(token):
    """Subject and realm, as an API is told."""
    told = requests.post(f"{SERVER}/oauth/introspect", data={"token": token["access_token"]}, auth=API_CLIENT).json()
    return told.get("sub"), told.get("realm")


def is_malformed(what, attempt):
    # oauthlib has several exceptions for this code, and raises any of them.
    fails(what, errors.OAuth2Error, attempt, "invalid_request")


def is_of(what, token, realm):
    check(what, holder(token) == (f"{realm}|user:{USERNAME}", realm), holder(token))


is_of("no realm: the default", fetch(session(), "customers"), "customers")
for grant, begin in [("password", session), ("realm grant", in_realm_grant)]:
    for realm in PASSWORDS:
        oauth = begin()
        is_of(f"{grant}: {realm}", fetch(oauth, realm, realm=realm), realm)
        for more in ({}, {"realm": "customers"}, {"realm": "nowhere"}):
            token = oauth.refresh_token(TOKEN_URL, client_id=CLIENT_ID, **more)
            is_of(f"{grant}: {realm}, refreshed with {more}", token, realm)
    fails(
        f"{grant}: the password of another realm",
        errors.InvalidGrantError,
        lambda: fetch(begin(), "customers", realm="employees"),
    )
    for realm in ("employees", "nowhere"):
        is_malformed(
            f"{grant}: the realm {realm}, which the client does not list",
            lambda: fetch(begin(CUSTOMERS_CLIENT_ID), "employees", realm=realm),
        )
fails("no realm: the password of another one", errors.InvalidGrantError, lambda: fetch(session(), "employees"))
is_malformed("realm grant: no realm", lambda: fetch(in_realm_grant(), "customers"))

for realm in PASSWORDS:
    token = fetch(session(), realm, realm=realm)
    check(f"a rule's member of the answer: {realm}", token.get("directory") == realm, token)
fails(
    "a rule that wants the user elsewhere",
    errors.CustomOAuth2Error,
    lambda: fetch(session(), "customers", BLOCKED),
    "interaction_required",
)
