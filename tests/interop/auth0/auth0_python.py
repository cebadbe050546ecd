"""auth0-python, which sends JSON and always the realm grant, against the example `auth0`."""

import os
import sys
import time

from auth0.authentication import GetToken, RevokeToken, Users
from auth0.authentication.exceptions import Auth0Error, RateLimitError
from auth0.authentication.token_verifier import AsymmetricSignatureVerifier, TokenVerifier

from checks import ANSWERS, check, failed

ENV = os.environ
DOMAIN, SECRET = ENV["DOMAIN"], ENV["CLIENT_SECRET"]
ALICE = ENV["TOKEN_USERNAME"]
PASSWORDS = {"customers": ENV["CUSTOMER_PASSWORD"], "employees": ENV["EMPLOYEE_PASSWORD"]}
SUBJECTS = {"customers": "auth0|1", "employees": "ad|1"}
API, NOBODY = ENV["API_AUDIENCE"], "https://elsewhere.example.com/"
EVERYTHING = "openid profile email offline_access"

web = GetToken(DOMAIN, ENV["CLIENT_ID"], client_secret=SECRET)
shop = GetToken(DOMAIN, ENV["CUSTOMERS_CLIENT_ID"], client_secret=SECRET)
kiosk = GetToken(DOMAIN, ENV["LIMITED_CLIENT_ID"], client_secret=SECRET)
app = GetToken(DOMAIN, ENV["PUBLIC_CLIENT_ID"])


def fails(what, answer, attempt):
    """The whole exception that the SDK makes of an answer."""
    status, code, message = ANSWERS[answer]
    told = {"status_code": status, "error_code": code, "message": message, "content": None}
    kind = RateLimitError if status == 429 else Auth0Error
    error, facts = None, None
    try:
        facts = attempt()
    except Auth0Error as raised:
        error = raised
        facts = {name: value for name, value in vars(error).items() if name not in ("headers", "reset_at")}
    check(what, (type(error), str(error), facts), (kind, f"{status}: {message}", told))
    return error


def login(realm="customers", username=ALICE, password=None, client=web, **more):
    return client.login(username, password or PASSWORDS[realm], realm=realm, **more)


def profile(tokens):
    return Users(DOMAIN).userinfo(tokens["access_token"])


for realm, name in [("customers", "Alice, a customer"), ("employees", "Alice, an employee")]:
    tokens = login(realm, scope=EVERYTHING)
    check(f"{realm}: a login", (tokens["token_type"], tokens["expires_in"]), ("Bearer", 600))
    told = {"sub": SUBJECTS[realm], "email": ALICE, "name": name}
    check(f"{realm}: userinfo", profile(tokens), told)
    check(f"{realm}: the public client", profile(login(realm, client=app)), told)
fails("no realm", "no_realm", lambda: web.login(ALICE, PASSWORDS["customers"]))
fails("no name", "no_username", lambda: login(username=""))
fails("no password", "no_password", lambda: web.login(ALICE, "", realm="customers"))

fails("a wrong password", "wrong", lambda: login(password="wrong"))
fails("an unknown name", "wrong", lambda: login(username="nobody@example.com"))
fails("the password of the other realm", "wrong", lambda: login(password=PASSWORDS["employees"]))
for what, realm in [("unknown", "partners"), ("overlong", "x" * 300), ("unprintable", "cust\0mers")]:
    fails(f"an {what} realm", "realm", lambda: login(realm, password="x"))
fails("a foreign realm", "realm", lambda: login("employees", client=shop))
fails("a client without the realm grant", "realm_grant", lambda: login(client=kiosk))
fails("a client without refresh tokens", "refresh_grant", lambda: kiosk.refresh_token("rt_x"))
fails("a wrong secret", "client", lambda: login(client=GetToken(DOMAIN, ENV["CLIENT_ID"], client_secret="wrong")))
fails("no secret", "client", lambda: login(client=GetToken(DOMAIN, ENV["CLIENT_ID"])))
fails("an unknown client", "client", lambda: login(client=GetToken(DOMAIN, "nobody", client_secret=SECRET)))

fails("a rule denies", "denied", lambda: login(username=ENV["DENIED_USERNAME"]))
fails("a rule redirects", "redirected", lambda: login(username=ENV["REDIRECTED_USERNAME"]))
fails("a leaked password", "leaked", lambda: login(username=ENV["LEAKED_USERNAME"], password=ENV["LEAKED_PASSWORD"]))

# The user is known at one address. Guesses from another one lock the account there, and there only.
LOCKED, HOME, ELSEWHERE = ENV["LOCKED_USERNAME"], "198.51.100.4", "203.0.113.7"
login(username=LOCKED, forwarded_for=HOME)
for number in range(10):
    fails(f"guess {number}", "wrong", lambda: login(username=LOCKED, password=f"x{number}", forwarded_for=ELSEWHERE))
for what, password in [("a guess", "x"), ("the right password", None)]:
    error = fails(f"locked: {what}", "locked", lambda: login(username=LOCKED, password=password, forwarded_for=ELSEWHERE))
    wait = int(error.headers["retry-after"])
    check("the wait", (0 < wait <= 900, abs(time.time() + wait - error.reset_at) < 3), (True, True))
    limits = [error.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")]
    check("its headers", limits, ["10", "0", str(error.reset_at)])
check("not locked at home", "access_token" in login(username=LOCKED, forwarded_for=HOME), True)

signatures = AsymmetricSignatureVerifier(f"https://{DOMAIN}/.well-known/jwks.json")
verifier = TokenVerifier(signature_verifier=signatures, issuer=f"https://{DOMAIN}/", audience=ENV["CLIENT_ID"])


def claims(tokens):
    told = verifier.verify(tokens["id_token"])
    return {name: told.get(name) for name in ("sub", "email", "name")}


tokens = [login(scope=EVERYTHING)]
for number in range(2):
    tokens.append(web.refresh_token(tokens[-1]["refresh_token"]))
    check(f"refresh {number}", profile(tokens[-1])["sub"], SUBJECTS["customers"])
for what, one in [("login", tokens[0]), ("refresh", tokens[2])]:
    told = {"sub": SUBJECTS["customers"], "email": ALICE, "name": "Alice, a customer"}
    check(f"the ID token of a {what}", claims(one), told)
fails("a replay", "refresh_token", lambda: web.refresh_token(tokens[0]["refresh_token"]))
fails("which ended the login", "refresh_token", lambda: web.refresh_token(tokens[2]["refresh_token"]))
fails("an unknown refresh token", "refresh_token", lambda: web.refresh_token("rt_x"))

tokens = login(scope=EVERYTHING)
revoke = RevokeToken(DOMAIN, ENV["CLIENT_ID"], client_secret=SECRET).revoke_refresh_token
check("a log-out", revoke(tokens["refresh_token"]), "")
check("and again", revoke(tokens["refresh_token"]), "")
fails("after it", "refresh_token", lambda: web.refresh_token(tokens["refresh_token"]))

tokens = login(scope="openid")
check("no refresh token, for it was not asked for", "refresh_token" in tokens, False)
check("a profile of one scope", profile(tokens), {"sub": SUBJECTS["customers"]})
tokens = login(scope="email read:nothing")
check("an unknown scope is dropped", tokens["scope"], "email")
check("no ID token without openid", "id_token" in tokens, False)


def audience(tokens):
    return signatures.verify_signature(tokens["access_token"])["aud"]


tokens = login(scope="openid offline_access read:orders", audience=API)
check("the audience of an API", audience(tokens), API)
check("userinfo with its token", profile(tokens), {"sub": SUBJECTS["customers"]})
check("and after a refresh", audience(web.refresh_token(tokens["refresh_token"])), API)
fails("the audience of nobody", "audience", lambda: login(audience=NOBODY))
check("of a client without a list", profile(login(client=app, audience=NOBODY))["email"], ALICE)

try:
    Users(DOMAIN).userinfo("nonsense")
except Auth0Error as error:
    check("userinfo without a token", (error.status_code, error.error_code), (401, "invalid_token"))
sys.exit(1 if failed else 0)
