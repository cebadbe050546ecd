#!/usr/bin/env python3
"""Verifies a JWT access token (RFC 9068) with PyJWT, as a resource server would, or an ID token, as a client would.

Usage: verify_jwt.py [--id-token] --jwks URL_OR_FILE --issuer ISSUER --audience AUDIENCE [TOKEN]

Without TOKEN, the token is read from standard input. Prints header and claims as JSON and exits with 0 if the token is
good; prints the reason and exits with 1 if it is not. Needs `pip install "pyjwt[crypto]"`.
"""

import argparse
import json
import sys
import urllib.request

import jwt

ALGORITHMS = {"ES256", "EdDSA", "RS256"}
# The types of each kind of token, and what it says.
ACCESS_TOKEN = (("at+jwt", "application/at+jwt"), ["iss", "exp", "aud", "sub", "client_id", "iat", "jti", "auth_time"])
ID_TOKEN = (("jwt",), ["iss", "exp", "aud", "sub", "iat", "auth_time"])
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def read_jwks(source):
    if not source.startswith(("http://", "https://")):
        with open(source, encoding="utf-8") as file:
            return json.load(file)
    with urllib.request.urlopen(source, timeout=10) as response:
        media_type = response.headers.get_content_type()
        if media_type not in ("application/jwk-set+json", "application/json"):
            raise ValueError(f"the JWKS document is {media_type}")
        return json.load(response)


def verify(token, kind, jwks, issuer, audience):
    types, required = kind
    for key in jwks["keys"]:
        if PRIVATE & key.keys() or key["kty"] == "oct":
            raise ValueError("the JWKS document holds a private or symmetric key")
    header = jwt.get_unverified_header(token)
    if header.get("typ", "").lower() not in types:
        raise ValueError(f"typ is {header.get('typ')!r}")
    if header["alg"] not in ALGORITHMS:
        raise ValueError(f"alg is {header['alg']!r}")
    if {"jku", "jwk", "x5u", "x5c", "crit"} & header.keys():
        raise ValueError("the header has members that choose a key")
    [key] = [key for key in jwks["keys"] if key["kid"] == header["kid"]]
    if (key["use"], key["alg"]) != ("sig", header["alg"]):
        raise ValueError("the published key is for something else")
    claims = jwt.decode(
        token,
        jwt.PyJWK(key).key,
        algorithms=[key["alg"]],
        issuer=issuer,
        audience=audience,
        leeway=0,
        options={"require": required},
    )
    for name in ("iat", "exp", "auth_time"):
        if type(claims[name]) is not int:
            raise ValueError(f"{name} is no whole number")
    for name in {"sub", "client_id", "jti"} & set(required):
        if type(claims[name]) is not str or not claims[name]:
            raise ValueError(f"{name} is no text")
    if not claims["auth_time"] <= claims["iat"] < claims["exp"]:
        raise ValueError("auth_time, iat and exp are not in order")
    return {"header": header, "claims": claims}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jwks", required=True)
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", required=True)
    parser.add_argument("--id-token", action="store_true")
    parser.add_argument("token", nargs="?")
    args = parser.parse_args()
    token = args.token or sys.stdin.read().strip()
    try:
        kind = ID_TOKEN if args.id_token else ACCESS_TOKEN
        verified = verify(token, kind, read_jwks(args.jwks), args.issuer, args.audience)
    except (jwt.PyJWTError, OSError, ValueError, KeyError, TypeError) as error:
        print(f"refused: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(verified))
    return 0


if __name__ == "__main__":
    sys.exit(main())
