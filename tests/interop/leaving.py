"""requests-oauthlib on the way to the end of the grant: a brownout, an end, and an end with a user who is excepted."""

import os
from email.utils import formatdate

import requests
from oauthlib.oauth2.rfc6749 import errors

from common import SERVER, USERNAME, check, fails, session

TOKEN_URL = f"{SERVER}/oauth/token"
GUIDE = os.environ["GUIDE"]
PASSWORDS = {"customers": os.environ["CUSTOMER_PASSWORD"], "employees": os.environ["EMPLOYEE_PASSWORD"]}
NOT_ALLOWED = "the client may not use this grant type"


def date(name):
    return formatdate(int(os.environ[name]), usegmt=True)


class Stored:
    """A session, and the refresh token that its application stored: `fetch_token` empties the session before it asks."""

    def __init__(self, name, realm):
        self.session, self.realm = session(os.environ[f"{name}_CLIENT_ID"]), realm
        self.token = self.login()["refresh_token"]

    def login(self, password=None):
        form = {"username": USERNAME, "password": password or PASSWORDS[self.realm], "realm": self.realm}
        return self.session.fetch_token(TOKEN_URL, include_client_id=True, **form)

    def refreshes(self, what):
        new = self.session.refresh_token(TOKEN_URL, refresh_token=self.token, client_id=self.session.client_id)
        check(f"{what}: the stored token refreshes", new["refresh_token"] != self.token, new)
        self.token = new["refresh_token"]


def refused(what, stored, password, description, end):
    """All that the library tells of a refusal. It shows the headers to a hook alone."""
    seen = []
    stored.session.register_compliance_hook("access_token_response", lambda answer: seen.append(answer) or answer)
    try:
        token = stored.login(password)
    except errors.UnauthorizedClientError as error:
        told = (error.error, error.description, error.uri)
        check(f"{what}: code, description and guide", told == ("unauthorized_client", description, GUIDE), told)
        check(f"{what}: in the text of the exception", str(error) == f"(unauthorized_client) {description}", str(error))
    else:
        raise AssertionError(f"{what}: {token}")
    [answer] = seen
    check(f"{what}: the end in the headers", answer.headers["sunset"] == date(end), answer.headers)
    check(f"{what}: the guide in the headers", f'<{GUIDE}>; rel="sunset"' in answer.headers["link"], answer.headers)
    told = (answer.status_code, "retry-after" in answer.headers)
    check(f"{what}: nothing that is tried again", told == (400, False), told)


rehearsing, ended = Stored("REHEARSING", "customers"), Stored("ENDED", "customers")
last_users = {realm: Stored("LAST_USERS", realm) for realm in PASSWORDS}
answer = requests.post(f"{SERVER}/leave")
check("the plans are registered", answer.status_code == 200, answer.text)

until = f"{NOT_ALLOWED} until {date('BROWNOUT_END')}"
for what, stored, description, end in [
    ("brownout", rehearsing, until, "END_TO_COME"),
    ("end", ended, NOT_ALLOWED, "END"),
]:
    for name, password in [("right", None), ("wrong", "wrong")]:
        refused(f"{what}, {name} password", stored, password, description, end)
        stored.refreshes(f"{what}, {name} password")

LEFT = "one user is left"
for realm, stored in last_users.items():
    fails(f"{LEFT}: a wrong password, {realm}", errors.InvalidGrantError, lambda: stored.login("wrong"))
refused(f"{LEFT}, not this one", last_users["employees"], None, NOT_ALLOWED, "END")
last_users["employees"].refreshes(f"{LEFT}, not this one")
last_users["customers"].refreshes(f"{LEFT}: this one")
token = last_users["customers"].login()
check(f"{LEFT}: this one logs in", token["scope"] == ["read"], token)
