//! Commands to paste into another terminal. Each block starts with a line that says what it shows and which answer comes.

use std::net::SocketAddr;

use super::{API_SECRET, CUSTOMERS, CUSTOMERS_PASSWORD, EMPLOYEES, PASSWORD, SERVICE_SECRET, STEP_UP};

/// Shows the code that an authenticator app shows (RFC 6238).
const TOTP: &str = r#"totp() { python3 -c 'import base64, hmac, struct, sys, time
mac = hmac.digest(base64.b32decode(sys.argv[1]), struct.pack(">Q", int(time.time()) // 30), "sha1")
start = mac[19] & 15
print("%06d" % ((struct.unpack(">I", mac[start:start + 4])[0] & 0x7fffffff) % 1000000))' "$1"; }"#;

/// Prints a block: its title, then the commands.
fn show(title: &str, commands: &[String]) {
    println!("\n# {title}");
    for command in commands {
        println!("{command}");
    }
}

fn curl(rest: &str) -> String {
    format!("curl -isS -w '\\n' {rest}")
}

/// Runs a command, shows its answer, and keeps members of it in variables.
fn keep(command: &str, variables: &[(&str, &str)]) -> [String; 2] {
    let kept: Vec<String> =
        variables.iter().map(|(variable, member)| format!("{variable}=$(echo \"$answer\" | field {member})")).collect();
    [format!("answer=$({command}); echo \"$answer\""), kept.join("; ")]
}

fn password(username: &str, password: &str) -> String {
    format!("-d grant_type=password {}", user(username, password))
}

fn user(username: &str, password: &str) -> String {
    format!("-d username={username} --data-urlencode 'password={password}'")
}

/// The password grant, for a user of a realm.
fn in_realm(realm: &str, username: &str, its_password: &str) -> String {
    format!("{} -d realm={realm}", password(username, its_password))
}

/// The grant type that some libraries send as soon as there is a realm.
fn realm_grant(username: &str, password: &str) -> String {
    format!("-d grant_type=http://auth0.com/oauth/grant-type/password-realm {}", user(username, password))
}

/// The grant of a factor, for the login that waits for one.
fn factor_grant(grant: &str, parameter: &str, value: &str) -> String {
    let grant = format!("-d grant_type=http://auth0.com/oauth/grant-type/{grant}");
    format!("{grant} -d \"mfa_token=$mfa\" -d \"{parameter}={value}\"")
}

/// The commands for a server at an address.
pub(crate) struct Commands {
    server: String,
}

impl Commands {
    /// Says where the server listens and what else there is to know, and begins with a helper of the commands.
    pub(crate) fn begin(address: SocketAddr, note: &str) -> Self {
        println!("listening on http://{address}");
        println!("{note}");
        println!("\nfield() {{ sed -n \"s/.*\\\"$1\\\":\\[*\\\"\\([^\\\"]*\\)\\\".*/\\1/p\"; }}");
        Self { server: format!("http://{address}") }
    }

    /// A request of the confidential client to the token endpoint.
    fn service(&self, form: &str) -> String {
        curl(&format!("-u demo-service:{SERVICE_SECRET} {form} {}/oauth/token", self.server))
    }

    /// A request of the public client to the token endpoint.
    fn cli(&self, form: &str) -> String {
        curl(&format!("-d client_id=demo-cli {form} {}/oauth/token", self.server))
    }

    pub(crate) fn login(&self) {
        let login = self.service(&format!("{} -d 'scope=read write'", password("alice", PASSWORD)));
        show("log alice in: an access token and a refresh token, 200", &{
            keep(&login, &[("access", "access_token"), ("first", "refresh_token")])
        });
        let login = self.cli(&password("alice", PASSWORD));
        show("the same for a client without a secret, which gets the scope read only, 200", &{
            keep(&login, &[("reader", "access_token")])
        });
    }

    /// The guarded routes.
    pub(crate) fn api(&self) {
        let me = format!("{}/api/me", self.server);
        let note = format!("-X PUT -d 'buy milk' {}/api/note", self.server);
        show("the token opens the API, 200", &[curl(&format!("-H \"Authorization: Bearer $access\" {me}"))]);
        show(
            "and the route that needs the scope write, 200",
            &[curl(&format!("-H \"Authorization: Bearer $access\" {note}"))],
        );
        show(
            "which a token without that scope does not open, 403 insufficient_scope",
            &[curl(&format!("-H \"Authorization: Bearer $reader\" {note}"))],
        );
    }

    /// The guarded gRPC service. Five zeros are a message without content.
    pub(crate) fn grpc(&self) {
        let curl = "curl -isS --http2-prior-knowledge -X POST -H 'Content-Type: application/grpc' -H 'TE: trailers'";
        let method = format!("{}/demo.Account/WhoAmI", self.server);
        show("the gRPC service wants a token, grpc-status 16", &[format!("{curl} {method}")]);
        show(
            "and takes this one, grpc-status 0",
            &[format!(
                "printf '\\0\\0\\0\\0\\0' | {curl} -H \"Authorization: Bearer $access\" --data-binary @- {method} | cat -v; echo"
            )],
        );
    }

    pub(crate) fn refresh(&self) {
        let refresh =
            |variable: &str| self.service(&format!("-d grant_type=refresh_token -d \"refresh_token=${variable}\""));
        show(
            "refresh: new tokens, without the password, 200",
            &keep(&refresh("first"), &[("second", "refresh_token")]),
        );
        show("and again, with the new refresh token, 200", &{
            keep(&refresh("second"), &[("third", "refresh_token"), ("access", "access_token")])
        });
        show("a thief presents the first one, 400 invalid_grant", &[refresh("first")]);
        show("which ended the whole login: the newest is worth nothing, 400 invalid_grant", &[refresh("third")]);
    }

    /// The guarded route after the login ended.
    pub(crate) fn api_is_closed(&self) {
        show(
            "and the access token neither, 401 invalid_token",
            &[curl(&format!("-H \"Authorization: Bearer $access\" {}/api/me", self.server))],
        );
    }

    pub(crate) fn revoke(&self) {
        let login = self.service(&password("alice", PASSWORD));
        let introspect =
            || curl(&format!("-u demo-api:{API_SECRET} -d \"token=$access\" {}/oauth/introspect", self.server));
        show("log in once more, 200", &keep(&login, &[("access", "access_token"), ("refresh", "refresh_token")]));
        show("the API asks what the access token stands for, 200", &[introspect()]);
        show(
            "log out: revoke the refresh token, and with it all tokens of the login, 200",
            &[curl(&format!("-u demo-service:{SERVICE_SECRET} -d \"token=$refresh\" {}/oauth/revoke", self.server))],
        );
        show("the API asks again, and the token is not active any more, 200", &[introspect()]);
        show(
            "what clients find out by themselves, 200",
            &[curl(&format!("{}/.well-known/oauth-authorization-server", self.server))],
        );
    }

    pub(crate) fn failures(&self) {
        let alice = password("alice", PASSWORD);
        show("a wrong password, 400 invalid_grant", &[self.service(&password("alice", "wrong"))]);
        show(
            "a wrong client secret, 401 invalid_client",
            &[curl(&format!("-u demo-service:wrong {alice} {}/oauth/token", self.server))],
        );
        show(
            "a scope that the client is not registered for, 400 invalid_scope",
            &[self.cli(&format!("{alice} -d scope=admin"))],
        );
        let guess = self.cli("-d grant_type=password -d username=bob -d password=guess$n");
        show(
            "ten guesses at bob's password are answered, the eleventh is one too many, 429 too_many_attempts",
            &[format!("for n in 1 2 3 4 5 6 7 8 9 10 11; do {guess}; done")],
        );
    }

    /// Two directories of users. Without a realm it was that of the employees.
    pub(crate) fn realms(&self) {
        let request = |title: &str, form: String| show(title, &[self.service(&form)]);
        let customer = realm_grant("alice", CUSTOMERS_PASSWORD);
        request(
            "bob of the customers is somebody else, and not locked, 200",
            in_realm(CUSTOMERS, "bob", CUSTOMERS_PASSWORD),
        );
        request(
            "the password of the employee alice is not that of the customer alice, 400 invalid_grant",
            in_realm(CUSTOMERS, "alice", PASSWORD),
        );
        request(
            "some libraries name a realm by a grant type of its own, 200",
            format!("{customer} -d realm={CUSTOMERS}"),
        );
        request("which asks for the realm, 400 invalid_request", customer);
        request("a realm that the client does not list, 400 invalid_request", in_realm("suppliers", "alice", PASSWORD));
    }

    /// What login rules do.
    pub(crate) fn rules(&self) {
        let me = || curl(&format!("-H \"Authorization: Bearer $access\" {}/api/me", self.server));
        let alice = |realm: &str, password: &str| {
            let login = self.service(&format!("{} -d 'scope=read write'", in_realm(realm, "alice", password)));
            keep(&login, &[("access", "access_token")])
        };
        show("rules take the scope write away from a customer, and make the token short, 200", &{
            alice(CUSTOMERS, CUSTOMERS_PASSWORD)
        });
        show("the API sees what each rule was given, and so what the one before it did, 200", &[me()]);
        show("an employee gets what was asked for, 200", &alice(EMPLOYEES, PASSWORD));
        show("and by a rule a claim with the department, 200", &[me()]);
        let dave = self.service(&in_realm(EMPLOYEES, "dave", PASSWORD));
        show("a rule refuses dave, which looks like a wrong password, 400 invalid_grant", &[dave]);
        let carol = self.service(&in_realm(CUSTOMERS, "carol", CUSTOMERS_PASSWORD));
        show("carol has to accept the new terms first, 400 interaction_required", &[carol]);
        show("the operator sees which rule it was, and why, 200", &[curl(&format!("{}/demo/trail", self.server))]);
    }

    /// From a route that takes a second factor to the first one, a login with it, and back.
    pub(crate) fn second_factor(&self) {
        let bearer = |token: &str, arguments: &str, path: &str| {
            curl(&format!("-H \"Authorization: Bearer ${token}\"{arguments} \"{}{path}\"", self.server))
        };
        let frank = password("frank", PASSWORD);
        show("log frank in, who has no second factor, 200", &{
            keep(&self.cli(&frank), &[("access", "access_token"), ("refresh", "refresh_token")])
        });
        show(
            "a route takes one, and the password was all, 401 insufficient_user_authentication",
            &[bearer("access", "", "/api/account")],
        );
        let refresh = self.cli(&format!("-H '{STEP_UP}: 1' -d grant_type=refresh_token -d \"refresh_token=$refresh\""));
        show(
            "so the client asks for a stronger login, without the password, 403 mfa_required",
            &keep(&refresh, &[("mfa", "mfa_token")]),
        );
        show("frank enrols an authenticator app: the secret and recovery codes are shown this once, 200", &{
            let enrol = bearer("mfa", " -d authenticator_types=otp", "/mfa/associate");
            keep(&enrol, &[("secret", "secret"), ("recovery", "recovery_codes")])
        });
        let code = self.cli(&factor_grant("mfa-otp", "otp", "$code"));
        show("the first code of the app makes it active, and logs in, 200", &{
            let [ask, kept] = keep(&code, &[("access", "access_token")]);
            [TOTP.to_owned(), "code=$(totp $secret)".to_owned(), ask, kept]
        });
        show("which opens the route, 200", &[bearer("access", "", "/api/account")]);

        let audience = format!("-d audience={}/mfa/", self.server);
        let manage = format!("{frank} {audience} -d 'scope=read:authenticators remove:authenticators'");
        show(
            "from now on the password is not enough, here for a token that manages factors, 403 mfa_required",
            &keep(&self.cli(&manage), &[("mfa", "mfa_token")]),
        );
        show("a code that was used is as good as a wrong one, 400 invalid_grant", &[code]);
        let recover = self.cli(&factor_grant("mfa-recovery-code", "recovery_code", "$recovery"));
        show("a recovery code logs in, and the answer has the next one, 200", &{
            keep(&recover, &[("manage", "access_token")])
        });
        show("which factors frank has, 200", &{
            let [ask, _] = keep(&bearer("manage", "", "/mfa/authenticators"), &[]);
            let id = r#"id=$(echo "$answer" | sed -n 's/.*"id":"totp|\([^"]*\)".*/totp%7C\1/p')"#;
            [ask, id.to_owned()]
        });
        show("the telephone is lost: remove the app, 204", &{
            [bearer("manage", " -X DELETE", "/mfa/authenticators/$id")]
        });
        show("and the password is enough again, 200", &[self.cli(&frank)]);
    }

    /// Which users still need the grant, and a rehearsal of its end for the public client.
    pub(crate) fn leaving(&self) {
        let brownout = |arguments: &str| curl(&format!("{arguments} {}/demo/brownout", self.server));
        let login = || self.cli(&password("alice", PASSWORD));
        show("each answer to a client with an end date announces it: Deprecation, Sunset, Link, 200", &[login()]);
        show("the operator rehearses the end for a minute, 204", &[brownout("-X POST")]);
        show("and the client is told until when, and what to read, 400 unauthorized_client", &[login()]);
        show("other clients go on, 200", &[self.service(&password("alice", PASSWORD))]);
        show("the operator takes it back, 204", &[brownout("-X DELETE")]);
        show("and the client logs in again, 200", &[login()]);
        show("who still logs in by password, 200", &[curl(&format!("{}/demo/usage", self.server))]);
    }

    /// What is there after a restart.
    pub(crate) fn restart(&self) {
        let login = self.service(&password("alice", PASSWORD));
        let refresh = self.service("-d grant_type=refresh_token -d \"refresh_token=$kept\"");
        show(
            "log in for what comes next, 200",
            &keep(&login, &[("access", "access_token"), ("kept", "refresh_token")]),
        );
        show(
            "after a restart (Ctrl-C, then the same command again): the access token is as good as before, 200",
            &[curl(&format!("-H \"Authorization: Bearer $access\" {}/api/me", self.server))],
        );
        show("after a restart: the login goes on, 200", &keep(&refresh, &[("kept", "refresh_token")]));
        let guess = self.cli("-d grant_type=password -d username=bob -d password=guess");
        show("after a restart: bob is still locked, 429 too_many_attempts", &[guess]);
    }

    pub(crate) fn end(&self) {
        println!("\nCtrl-C stops it.");
    }
}
