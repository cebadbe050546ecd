//! What the example prints: what a client must know, a line for each SDK, and commands to paste.

use std::path::Path;

use super::clients::{API, KIOSK, PUBLIC, SECRET, SHOP, WEB};
use super::people::{
    ALICE, CUSTOMERS, CUSTOMERS_PASSWORD, DEMANDED, DENIED, EMPLOYEES, EMPLOYEES_PASSWORD, ENROLLED, LEAKED,
    LEAKED_PASSWORD, LOCKED, NOT_ENROLLED, REDIRECTED,
};
use super::telephone::TELEPHONE;

pub(crate) fn print(domain: &str, authority: &Path, recovery_codes: &[String]) {
    let authority = authority.display();
    for (name, value) in [
        ("SERVER", format!("https://{domain}").as_str()),
        ("DOMAIN", domain),
        ("CA_FILE", &authority.to_string()),
        ("CLIENT_ID", WEB),
        ("CLIENT_SECRET", SECRET),
        ("PUBLIC_CLIENT_ID", PUBLIC),
        ("CUSTOMERS_CLIENT_ID", SHOP),
        ("LIMITED_CLIENT_ID", KIOSK),
        ("API_AUDIENCE", API),
        ("TOKEN_USERNAME", ALICE.email),
        ("CUSTOMER_PASSWORD", CUSTOMERS_PASSWORD),
        ("EMPLOYEE_PASSWORD", EMPLOYEES_PASSWORD),
        ("DENIED_USERNAME", DENIED.email),
        ("REDIRECTED_USERNAME", REDIRECTED.email),
        ("LOCKED_USERNAME", LOCKED.email),
        ("LEAKED_USERNAME", LEAKED.email),
        ("LEAKED_PASSWORD", LEAKED_PASSWORD),
        ("ENROLLED_USERNAME", ENROLLED.email),
        ("ENROLLED_TELEPHONE", TELEPHONE),
        ("RECOVERY_CODES", &recovery_codes.join(" ")),
        ("NOT_ENROLLED_USERNAME", NOT_ENROLLED.email),
        ("DEMANDED_USERNAMES", &DEMANDED.map(|person| person.email).join(" ")),
    ] {
        println!("{name}={value}");
    }
    let recovery_code = recovery_codes.first().map_or("", String::as_str);
    sdks(domain, &authority.to_string(), recovery_code);
    curl(domain, &authority.to_string());
    println!("\nready; Ctrl-C stops it.");
}

/// A login with each SDK, with nothing changed but the domain.
fn sdks(domain: &str, authority: &str, recovery_code: &str) {
    let (email, password) = (ALICE.email, CUSTOMERS_PASSWORD);
    let secret = format!("domain: \"{domain}\", clientId: \"{WEB}\", clientSecret: \"{SECRET}\"");
    let user = format!("username: \"{email}\", password: \"{password}\", realm: \"{CUSTOMERS}\"");
    let scope = "scope: \"openid profile email offline_access\"";
    println!("Python, auth0-python:");
    println!(
        "env REQUESTS_CA_BUNDLE='{authority}' python3 -c 'from auth0.authentication import GetToken; \
         print(GetToken(\"{domain}\", \"{WEB}\", client_secret=\"{SECRET}\")\
         .login(\"{email}\", \"{password}\", realm=\"{CUSTOMERS}\", scope=\"openid profile email offline_access\"))'"
    );
    let node = |title: &str, program: &str| {
        println!("{title}:\nenv NODE_EXTRA_CA_CERTS='{authority}' node --input-type=module -e '{program}'");
    };
    for (title, package) in [("Node, auth0 7", "auth0/legacy"), ("Node, auth0 6", "auth0")] {
        node(
            title,
            &format!(
                "import {{ AuthenticationClient }} from \"{package}\"; \
                 const auth0 = new AuthenticationClient({{ {secret} }}); \
                 console.log((await auth0.oauth.passwordGrant({{ {user}, {scope} }})).data)"
            ),
        );
    }
    node(
        "Node, @auth0/auth0-auth-js",
        &format!(
            "import {{ AuthClient }} from \"@auth0/auth0-auth-js\"; \
             console.log(await new AuthClient({{ {secret} }}).getTokenByPassword({{ {user}, {scope} }}))"
        ),
    );
    let enrolled = format!("username: \"{}\", password: \"{password}\"", ENROLLED.email);
    node(
        "Node, @auth0/auth0-auth-js, with a second factor",
        &format!(
            "import {{ AuthClient, isMfaRequiredError }} from \"@auth0/auth0-auth-js\"; \
             const auth0 = new AuthClient({{ {secret} }}); \
             console.log(await auth0.getTokenByPassword({{ {enrolled} }}).catch((error) => {{ \
             if (!isMfaRequiredError(error)) throw error; \
             return auth0.mfa.verify({{ mfaToken: error.cause.mfa_token, factorType: \"recovery-code\", \
             recoveryCode: \"{recovery_code}\" }}) }}))"
        ),
    );
    println!("A page, auth0-js:");
    println!(
        "new auth0.Authentication({{ domain: \"{domain}\", clientID: \"{PUBLIC}\" }})\
         .login({{ {user}, {scope} }}, (error, tokens) => console.log(error ?? tokens))"
    );
    println!("An app, react-native-auth0:");
    println!(
        "new Auth0({{ domain: \"{domain}\", clientId: \"{PUBLIC}\" }}).auth.passwordRealm({{ {user}, {scope} }}).then(console.log)"
    );
}

/// Commands for a terminal. Each block starts with a line that says what it shows and which answer comes.
fn curl(domain: &str, authority: &str) {
    println!("\nfield() {{ sed -n \"s/.*\\\"$1\\\":\\\"\\([^\\\"]*\\)\\\".*/\\1/p\"; }}");
    let curl = |rest: &str| format!("curl --cacert '{authority}' -isS -w '\\n' {rest}");
    let web = format!("-d client_id={WEB} -d client_secret={SECRET}");
    let token = |form: &str| curl(&format!("{web} {form} https://{domain}/oauth/token"));
    let user = |email: &str, password: &str| format!("-d username={email} --data-urlencode \"password={password}\"");
    let login = |email: &str, password: &str| token(&format!("-d grant_type=password {}", user(email, password)));
    let realm_grant = |realm: &str| {
        let grant = "-d grant_type=http://auth0.com/oauth/grant-type/password-realm";
        token(&format!("{grant} -d realm={realm} {}", user(ALICE.email, EMPLOYEES_PASSWORD)))
    };
    let show = |title: &str, command: &str| println!("\n# {title}\n{command}");

    let with_refresh = token(&format!(
        "-d grant_type=password {} --data-urlencode 'scope=openid profile email offline_access'",
        user(ALICE.email, CUSTOMERS_PASSWORD)
    ));
    show(
        "log alice in, 200",
        &format!(
            "answer=$({with_refresh}); echo \"$answer\"\n\
             access=$(echo \"$answer\" | field access_token); refresh=$(echo \"$answer\" | field refresh_token)"
        ),
    );
    let userinfo = curl(&format!("-H \"Authorization: Bearer $access\" https://{domain}/userinfo"));
    show("her profile, 200", &userinfo);
    show("new tokens, 200", &token("-d grant_type=refresh_token -d \"refresh_token=$refresh\""));
    show("the alice of the other realm, 200", &realm_grant(EMPLOYEES));
    show("whose password is not the customer's, 403 invalid_grant", &realm_grant(CUSTOMERS));
    show("a realm that is not there, 400 invalid_request", &realm_grant("partners"));
    show("a rule denies the login, 403 access_denied", &login(DENIED.email, CUSTOMERS_PASSWORD));
    show("a rule wants the user elsewhere, 403 interaction_required", &login(REDIRECTED.email, CUSTOMERS_PASSWORD));
    show("a password that is known from a leak, 401 password_leaked", &login(LEAKED.email, LEAKED_PASSWORD));
    let factor = |grant: &str, form: &str| {
        let grant = format!("-d grant_type=http://auth0.com/oauth/grant-type/{grant}");
        token(&format!("{grant} -d \"mfa_token=$mfa\" {form}"))
    };
    let open = |email: &str| {
        let login = login(email, CUSTOMERS_PASSWORD);
        format!("answer=$({login}); echo \"$answer\"; mfa=$(echo \"$answer\" | field mfa_token)")
    };
    show("a second factor is open, 403 mfa_required", &open(ENROLLED.email));
    let authenticators = curl(&format!("-H \"Authorization: Bearer $mfa\" https://{domain}/mfa/authenticators"));
    show("her authenticators, 200", &authenticators);
    let challenge = curl(&format!("{web} -d \"mfa_token=$mfa\" -d challenge_type=oob https://{domain}/mfa/challenge"));
    show(
        "a code, which this console prints, 200",
        &format!("answer=$({challenge}); echo \"$answer\"; oob=$(echo \"$answer\" | field oob_code)"),
    );
    let typed = factor("mfa-oob", "-d \"oob_code=$oob\" -d \"binding_code=$code\"");
    show("the tokens, 200", &format!("read -rp 'code: ' code; {typed}"));
    show("a rule demands a second factor of a user who has none, 403 mfa_required", &open(DEMANDED[0].email));
    let app = "-H 'Content-Type: application/json' -d '{\"authenticator_types\":[\"otp\"]}'";
    let associate = curl(&format!("-H \"Authorization: Bearer $mfa\" {app} https://{domain}/mfa/associate"));
    show("the secret for an authenticator app, 200", &associate);
    show("and the tokens, 200", &format!("read -rp 'code: ' code; {}", factor("mfa-otp", "-d \"otp=$code\"")));
    let revoke = curl(&format!("{web} -d \"token=$refresh\" https://{domain}/oauth/revoke"));
    show("log out, 200", &revoke);
    let guess = login(LOCKED.email, "wrong $guess");
    show("11 wrong passwords, 429 too_many_attempts", &format!("for guess in $(seq 11); do {guess}; done"));
}
