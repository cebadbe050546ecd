#!/usr/bin/env bash
# curl against a running example, over HTTP/1.1 and HTTP/2.
set -euo pipefail

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# check WHAT STATUS TEXT-IN-THE-BODY CURL-ARGUMENTS...
check() {
    local what=$1 status=$2 text=$3 got
    shift 3
    got=$(curl -sS -o "$answer" -w '%{http_code}' "$@" "$SERVER/oauth/token")
    if [ "$got" != "$status" ] || ! grep -qF "$text" "$answer"; then
        echo "FAILED $what: $got $(cat "$answer")"
        exit 1
    fi
    echo "ok $what"
}

login=(-d grant_type=password -d "username=$TOKEN_USERNAME" --data-urlencode "password=$TOKEN_PASSWORD")
wrong=(-d grant_type=password -d "username=$TOKEN_USERNAME" -d password=wrong)
for version in --http1.1 --http2-prior-knowledge; do
    check "$version: secret in the header" 200 '"access_token":"at_' "$version" -u "$CLIENT_ID:$CLIENT_SECRET" "${login[@]}"
    check "$version: secret in the body" 200 '"access_token":"at_' "$version" \
        -d "client_id=$CLIENT_ID" -d "client_secret=$CLIENT_SECRET" "${login[@]}"
    check "$version: public client" 200 '"scope":"read"' "$version" -d "client_id=$PUBLIC_CLIENT_ID" "${login[@]}"
    check "$version: scope with a raw space" 200 '"scope":"read write"' "$version" \
        -u "$CLIENT_ID:$CLIENT_SECRET" "${login[@]}" -d 'scope=read write'
    check "$version: wrong password" 400 '"error":"invalid_grant"' "$version" -u "$CLIENT_ID:$CLIENT_SECRET" "${wrong[@]}"
    check "$version: wrong secret" 401 '"error":"invalid_client"' "$version" -u "$CLIENT_ID:wrong" "${login[@]}"
    check "$version: unknown scope" 400 '"error":"invalid_scope"' "$version" \
        -d "client_id=$PUBLIC_CLIENT_ID" "${login[@]}" -d scope=admin
done
# Answered before the body is read: curl 7.88 takes the end of such an HTTP/2 stream for an error now and then.
check "--http1.1: multipart" 400 '"error":"invalid_request"' --http1.1 -F grant_type=password
