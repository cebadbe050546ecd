#!/usr/bin/env bash
# curl against a running example, over HTTP/1.1 and HTTP/2.
set -euo pipefail

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# check WHAT STATUS TEXT-IN-THE-BODY PATH CURL-ARGUMENTS...
check() {
    local what=$1 status=$2 text=$3 path=$4 got
    shift 4
    got=$(curl -sS -o "$answer" -w '%{http_code}' "$@" "$SERVER$path")
    if [ "$got" != "$status" ] || { [ -n "$text" ] && ! grep -qF -- "$text" "$answer"; }; then
        echo "FAILED $what: $got $(cat "$answer")"
        exit 1
    fi
    echo "ok $what"
}

# claim WHAT TEST...: what else must be true.
claim() {
    local what=$1
    shift
    if ! test "$@"; then
        echo "FAILED $what: $(cat "$answer")"
        exit 1
    fi
    echo "ok $what"
}

# member NAME: a text of the last answer.
member() {
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$answer"
}

token=/oauth/token
service=(-u "$CLIENT_ID:$CLIENT_SECRET")
public=(-d "client_id=$PUBLIC_CLIENT_ID")
api=(-u "$API_CLIENT_ID:$API_CLIENT_SECRET")
login=(-d grant_type=password -d "username=$TOKEN_USERNAME" --data-urlencode "password=$TOKEN_PASSWORD")
wrong=(-d grant_type=password -d "username=$TOKEN_USERNAME" -d password=wrong)
refresh=(-d grant_type=refresh_token -d)

# live_on CURL-ARGUMENTS...: the life of a client's tokens after the login, first to a revocation, then to a replay.
live_on() {
    local what=$1 first second access
    shift
    check "$what: login" 200 '"refresh_token":"rt_' $token "$@" "${login[@]}"
    first=$(member refresh_token)
    check "$what: refresh" 200 '"refresh_token":"rt_' $token "$@" "${refresh[@]}" "refresh_token=$first"
    second=$(member refresh_token)
    access=$(member access_token)
    claim "$what: another refresh token" "$first" != "$second"
    check "$what: the same again after a lost answer" 200 "\"$second\"" $token "$@" "${refresh[@]}" "refresh_token=$first"
    check "$what: introspection" 200 '"active":true' /oauth/introspect "${version[@]}" "${api[@]}" -d "token=$access"
    check "$what: revocation" 200 '' /oauth/revoke "$@" -d "token=$second" -d token_type_hint=refresh_token
    claim "$what: without a body" ! -s "$answer"
    check "$what: a revoked token" 400 '"error":"invalid_grant"' $token "$@" "${refresh[@]}" "refresh_token=$second"
    check "$what: introspection after the revocation" 200 '{"active":false}' /oauth/introspect \
        "${version[@]}" "${api[@]}" -d "token=$access"

    check "$what: another login" 200 '"refresh_token":"rt_' $token "$@" "${login[@]}"
    first=$(member refresh_token)
    check "$what: a first refresh" 200 '"access_token":"at_' $token "$@" "${refresh[@]}" "refresh_token=$first"
    second=$(member refresh_token)
    check "$what: a second refresh" 200 '"access_token":"at_' $token "$@" "${refresh[@]}" "refresh_token=$second"
    second=$(member refresh_token)
    check "$what: a replay" 400 '"error":"invalid_grant"' $token "$@" "${refresh[@]}" "refresh_token=$first"
    check "$what: the newest token after it" 400 '"error":"invalid_grant"' $token "$@" "${refresh[@]}" "refresh_token=$second"
}

for protocol in --http1.1 --http2-prior-knowledge; do
    version=("$protocol")
    check "$protocol: secret in the header" 200 '"access_token":"at_' $token "$protocol" "${service[@]}" "${login[@]}"
    check "$protocol: secret in the body" 200 '"access_token":"at_' $token "$protocol" \
        -d "client_id=$CLIENT_ID" -d "client_secret=$CLIENT_SECRET" "${login[@]}"
    check "$protocol: public client" 200 '"scope":"read"' $token "$protocol" "${public[@]}" "${login[@]}"
    check "$protocol: scope with a raw space" 200 '"scope":"read write"' $token "$protocol" \
        "${service[@]}" "${login[@]}" -d 'scope=read write'
    check "$protocol: wrong password" 400 '"error":"invalid_grant"' $token "$protocol" "${service[@]}" "${wrong[@]}"
    check "$protocol: wrong secret" 401 '"error":"invalid_client"' $token "$protocol" -u "$CLIENT_ID:wrong" "${login[@]}"
    check "$protocol: unknown scope" 400 '"error":"invalid_scope"' $token "$protocol" \
        "${public[@]}" "${login[@]}" -d scope=admin

    live_on "$protocol, secret in the header" "$protocol" "${service[@]}"
    live_on "$protocol, public client" "$protocol" "${public[@]}"
    check "$protocol: wrong secret at the revocation" 401 '"error":"invalid_client"' /oauth/revoke "$protocol" \
        -u "$CLIENT_ID:wrong" -d token=rt_x
    check "$protocol: introspection by a public client" 400 '"error":"invalid_client"' /oauth/introspect "$protocol" \
        "${public[@]}" -d token=rt_x
    check "$protocol: metadata" 200 "\"issuer\":\"$SERVER\"" /.well-known/oauth-authorization-server "$protocol"
    claim "$protocol: where to revoke" "$(member revocation_endpoint)" = "$SERVER/oauth/revoke"
    claim "$protocol: where to ask" "$(member introspection_endpoint)" = "$SERVER/oauth/introspect"
done
# Answered before the body is read: curl 7.88 takes the end of such an HTTP/2 stream for an error now and then.
check "--http1.1: multipart" 400 '"error":"invalid_request"' $token --http1.1 -F grant_type=password
