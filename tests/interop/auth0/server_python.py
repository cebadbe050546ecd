"""The part of auth0-server-python for second factors against the example `auth0`, with PyOTP as authenticator app.

The SDK has no call for a login by password: a framework makes one, and hands its `mfa_token` on sealed.
"""

import asyncio
import os
import pathlib
import re
import sys
import time

import httpx
import pyotp
from auth0_server_python.auth_server.server_client import ServerClient
from auth0_server_python.error import (
    MfaChallengeError,
    MfaEnrollmentError,
    MfaListAuthenticatorsError,
    MfaRequiredError,
    MfaVerifyError,
)

from checks import ANSWERS, check, failed

ENV = os.environ
DOMAIN, PASSWORD = ENV["DOMAIN"], ENV["CUSTOMER_PASSWORD"]
CLIENT = {"client_id": ENV["CLIENT_ID"], "client_secret": ENV["CLIENT_SECRET"]}
CONSOLE = pathlib.Path(ENV["CONSOLE"])
ENYA, NORA = ENV["ENROLLED_USERNAME"], ENV["NOT_ENROLLED_USERNAME"]
DAN, DEE, DIRK = ENV["DEMANDED_USERNAMES"].split()
TELEPHONE = "+15555550199"


class Store(dict):
    """Keeps one session."""

    async def set(self, identifier, state, *_, **__):
        self[identifier] = state

    async def get(self, identifier, *_, **__):
        return super().get(identifier)

    async def delete(self, identifier, *_, **__):
        self.pop(identifier, None)


session = Store()
server = ServerClient(domain=DOMAIN, **CLIENT, secret="a secret of the framework, of 32 letters", state_store=session, transaction_store=Store())
mfa = server.mfa


def post(path, **parameters):
    return httpx.post(f"https://{DOMAIN}{path}", json=parameters)


def login(username, **more):
    return post("/oauth/token", grant_type="password", username=username, password=PASSWORD, **CLIENT, **more)


def sealed(token):
    return mfa._encrypt_mfa_token(token, audience="", scope="")


def left_open(username, expected):
    """A login that needs a second factor: its token, as the SDK takes it."""
    answer = login(username, scope="openid offline_access")
    json = answer.json()
    status, code, message = ANSWERS["mfa_required"]
    seen = (answer.status_code, json["error"], json["error_description"], json["mfa_requirements"])
    [(kind, types)] = expected.items()
    check(f"{username}: a factor is open", seen, (status, code, message, {kind: [{"type": one} for one in types]}))
    return sealed(json["mfa_token"])


KINDS = {
    "list": (MfaListAuthenticatorsError, "mfa_list_authenticators_error"),
    "enroll": (MfaEnrollmentError, "mfa_enrollment_error"),
    "challenge": (MfaChallengeError, "mfa_challenge_error"),
    "verify": (MfaVerifyError, "mfa_verify_error"),
}
CALLS = {
    "list": mfa.list_authenticators,
    "enroll": mfa.enroll_authenticator,
    "challenge": mfa.challenge_authenticator,
    "verify": mfa.verify,
}


async def fails(what, answer, call, token, **options):
    """The whole exception that the SDK makes of an answer."""
    _, code, message = ANSWERS[answer]
    kind, own_code = KINDS[call]
    told = {"message": message, "code": own_code, "cause": {"error": code, "error_description": message}}
    error, facts = None, None
    try:
        facts = await CALLS[call]({"mfa_token": token, **options})
    except Exception as raised:
        error, facts = raised, vars(raised)
    check(what, (type(error), str(error), facts), (kind, message, told))


async def logs_in(what, token, **shown):
    tokens = await mfa.verify({"mfa_token": token, **shown})
    seen = (tokens.token_type, tokens.expires_in, bool(tokens.id_token), bool(tokens.refresh_token))
    check(what, seen, ("Bearer", 600, True, True))
    return tokens


async def listed(token):
    """Kind, channel, name, type and state of each authenticator."""
    found = await mfa.list_authenticators({"mfa_token": token})
    return [(one.authenticator_type, one.oob_channel, one.name, one.type, one.active) for one in found]


def printed(pattern):
    """What the console says last of this kind."""
    return re.findall(pattern, CONSOLE.read_text())[-1]


def code_to(telephone):
    return printed(rf"sms to {re.escape(telephone)}: (\d{{6}})")


def device_answers(answer):
    url = printed(r"push to \S+: POST (\S+/)approve or deny")
    check(f"the device says {answer}", httpx.post(url + answer).status_code, 204)


def wrong(code):
    return f"{(int(code) + 1) % 1000000:06}"


def early_in_a_step():
    """No code is too old by the time it arrives."""
    spent = time.time() % 30
    if spent > 20:
        time.sleep(30.1 - spent)


async def app():
    everything = {"enroll": ["otp", "phone", "push-notification"]}
    token = left_open(DAN, everything)
    check("no authenticator", await listed(token), [])
    await fails("nothing to be challenged", "not_enrolled", "challenge", token, factor_type="otp")
    await fails("a telephone number", "phone_number", "enroll", token, factor_type="sms", phone_number="0555")
    await fails("e-mail is not served", "challenge_type", "enroll", token, factor_type="email", email="dan@example.com")
    await fails("an unknown bearer", "bearer", "list", sealed("x"))
    await fails("and it enrols nothing", "bearer", "enroll", sealed("x"), factor_type="otp")

    enrolled = await mfa.enroll_authenticator({"mfa_token": token, "factor_type": "otp"})
    codes = enrolled.recovery_codes
    totp = pyotp.parse_uri(enrolled.barcode_uri)
    seen = (enrolled.authenticator_type, totp.secret, totp.issuer, totp.digits, totp.interval)
    check("an app is enrolled", seen, ("otp", enrolled.secret, "Example Shop", 6, 30))
    check("with recovery codes", (len(codes), {len(code) for code in codes}), (8, {24}))
    kinds = [("otp", None, None, "otp"), ("recovery-code", None, None, "recovery-code")]
    check("it is not active", sorted(await listed(token), key=str), [(*kind, False) for kind in kinds])
    early_in_a_step()
    now = time.time()
    before, code, after = [totp.at(now + seconds) for seconds in (-30, 0, 30)]
    await fails("a wrong code", "otp", "verify", token, otp=wrong(code))
    await fails("the code of the next step", "otp", "verify", token, otp=after)
    await logs_in("the code of the step before", token, otp=before)

    expected = {"challenge": ["otp", "recovery-code"]}
    token = left_open(DAN, expected)
    check("both are active", sorted(await listed(token), key=str), [(*kind, True) for kind in kinds])
    challenge = await mfa.challenge_authenticator({"mfa_token": token, "factor_type": "otp"})
    check("a challenge", (challenge.challenge_type, challenge.oob_code, challenge.binding_method), ("otp", None, None))
    await fails("no telephone", "challenge_type", "challenge", token, factor_type="sms")
    await fails("another's app", "authenticator", "challenge", token, factor_type="otp", authenticator_id="totp|dev_x")
    await fails("no second enrolment by it", "enrolled", "enroll", token, factor_type="otp")
    await fails("a replay", "otp", "verify", token, otp=before)
    await logs_in("the next code", token, otp=code)
    token = left_open(DAN, expected)
    await fails("its replay", "otp", "verify", token, otp=code)

    await fails("a wrong recovery code", "recovery_code", "verify", token, recovery_code="A" * 24)
    answer = await logs_in("a recovery code", token, recovery_code=codes[0])
    successor = answer.recovery_code
    check("has a successor", (len(successor), successor in codes), (24, False))
    token = left_open(DAN, expected)
    await fails("it works once", "recovery_code", "verify", token, recovery_code=codes[0])
    typed = "-".join(successor[at : at + 4] for at in range(0, 24, 4)).lower()
    await logs_in("the successor as a user types it", token, recovery_code=typed)

    token = left_open(DAN, expected)
    for number in range(5):
        await fails(f"guess {number}", "otp", "verify", token, otp=wrong(code))
    await fails("too many codes", "codes", "verify", token, otp=wrong(code))


async def telephone():
    token = left_open(ENYA, {"challenge": ["phone", "recovery-code"]})
    masked = "XXXXXXXX0106"
    phone = ("oob", "sms", masked, "phone", True)
    check("her telephone", phone in await listed(token), True)
    [authenticator] = [one.id for one in await mfa.list_authenticators({"mfa_token": token}) if one.oob_channel]
    options = {"mfa_token": token, "factor_type": "sms", "authenticator_id": authenticator}
    challenge = await mfa.challenge_authenticator(options)
    check("a code is sent", (challenge.challenge_type, challenge.binding_method), ("oob", "prompt"))
    oob_code, code = challenge.oob_code, code_to(ENV["ENROLLED_TELEPHONE"])
    await fails("not twice in 30 seconds", "messages", "challenge", token, factor_type="sms", authenticator_id=authenticator)
    await fails("no code is typed yet", "pending", "verify", token, oob_code=oob_code)
    await fails("a made-up oob_code", "oob_code", "verify", token, oob_code="x", binding_code=code)
    await fails("a wrong code", "binding_code", "verify", token, oob_code=oob_code, binding_code=wrong(code))
    await logs_in("the right one", token, oob_code=oob_code, binding_code=code)
    await fails("works once", "mfa_token", "verify", token, oob_code=oob_code, binding_code=code)
    token = left_open(ENYA, {"challenge": ["phone", "recovery-code"]})
    await fails("nor for another login", "oob_code", "verify", token, oob_code=oob_code, binding_code=code)

    token = left_open(DEE, {"enroll": ["otp", "phone", "push-notification"]})
    options = {"mfa_token": token, "factor_type": "sms", "phone_number": TELEPHONE}
    enrolled = await mfa.enroll_authenticator(options)
    seen = (enrolled.authenticator_type, enrolled.oob_channel, enrolled.binding_method, len(enrolled.recovery_codes))
    check("a telephone is enrolled", seen, ("oob", "sms", "prompt", 8))
    code = code_to(TELEPHONE)
    oob_code = enrolled.oob_code
    await fails("by no wrong code", "binding_code", "verify", token, oob_code=oob_code, binding_code=wrong(code))
    await logs_in("but by the right one", token, oob_code=oob_code, binding_code=code)
    left_open(DEE, {"challenge": ["phone", "recovery-code"]})


async def device():
    token = left_open(DIRK, {"enroll": ["otp", "phone", "push-notification"]})
    enrolled = await mfa.enroll_authenticator({"mfa_token": token, "factor_type": "auth0"})
    seen = (enrolled.authenticator_type, enrolled.oob_channel, enrolled.binding_method, len(enrolled.recovery_codes))
    check("a device is enrolled", seen, ("oob", "auth0", None, 8))
    await fails("it has not answered", "pending", "verify", token, oob_code=enrolled.oob_code)
    await fails("polled too fast", "slow_down", "verify", token, oob_code=enrolled.oob_code)
    device_answers("deny")
    time.sleep(5.1)
    await fails("its user refuses", "rejected", "verify", token, oob_code=enrolled.oob_code)

    token = left_open(DIRK, {"enroll": ["otp", "phone", "push-notification"]})
    enrolled = await mfa.enroll_authenticator({"mfa_token": token, "factor_type": "auth0"})
    await fails("the next one has not answered", "pending", "verify", token, oob_code=enrolled.oob_code)
    device_answers("approve")
    time.sleep(5.1)
    await logs_in("its user agrees", token, oob_code=enrolled.oob_code)
    left_open(DIRK, {"challenge": ["push-notification", "recovery-code"]})


async def refresh():
    """A login of before the enrolment, whose next refresh asks for a second factor."""
    tokens = login(NORA, scope="openid offline_access").json()
    manager = login(NORA, audience=f"https://{DOMAIN}/mfa/", scope="enroll").json()
    await fails("a token that may enrol alone", "bearer_scope", "list", sealed(manager["access_token"]))
    # The SDK drops the `mfa_token` of this answer.
    bearer = {"Authorization": f"Bearer {manager['access_token']}"}
    url = f"https://{DOMAIN}/mfa/associate"
    enrolled = httpx.post(url, json={"authenticator_types": ["otp"]}, headers=bearer).json()
    totp = pyotp.TOTP(enrolled["secret"])
    early_in_a_step()
    now = time.time()
    await logs_in_once(enrolled["mfa_token"], totp.at(now - 30))

    session["_a0_session"] = {"refresh_token": tokens["refresh_token"], "token_sets": [], "domain": DOMAIN}
    for attempt in ("a refresh", "and again"):
        error = None
        try:
            await server.get_access_token()
        except MfaRequiredError as raised:
            error = raised
        types = [one.type for one in error.mfa_requirements.challenge]
        message = ANSWERS["mfa_required"][2]
        seen = (error.code, str(error), types)
        check(f"{attempt} needs a factor", seen, ("mfa_required", message, ["otp", "recovery-code"]))
    tokens = await mfa.verify({"mfa_token": error.mfa_token, "otp": totp.at(now)})
    session["_a0_session"]["refresh_token"] = tokens.refresh_token
    check("and goes on with it", bool(await server.get_access_token()), True)


async def logs_in_once(token, otp):
    tokens = await mfa.verify({"mfa_token": sealed(token), "otp": otp})
    check("an enrolment by an access token", bool(tokens.access_token), True)


async def main():
    for part in (app, telephone, device, refresh):
        await part()


asyncio.run(main())
sys.exit(1 if failed else 0)
