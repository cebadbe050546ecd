//! Commands to paste into another terminal. Each block starts with a line that says what it shows and which answer comes.

use std::net::SocketAddr;

use super::PASSWORD;
use super::service::{CLOSE, DISABLE, OPERATOR_CREDENTIAL, SET_PASSWORD};

/// The commands for a token endpoint and the user service that it asks.
pub(crate) struct Commands {
    endpoint: String,
    service: String,
}

fn show(title: &str, command: &str) {
    println!("\n# {title}");
    println!("{command}");
}

/// A command whose answer is shown and whose refresh token is kept.
fn kept(command: &str) -> String {
    format!("answer=$({command}); echo \"$answer\"; refresh=$(echo \"$answer\" | field refresh_token)")
}

impl Commands {
    /// Says where both listen, and begins with a helper of the commands.
    pub(crate) fn begin(endpoint: SocketAddr, service: SocketAddr) -> Self {
        println!("listening on http://{endpoint}");
        println!("the users are owned by the service at http://{service}");
        println!("\nfield() {{ sed -n \"s/.*\\\"$1\\\":\\\"\\([^\\\"]*\\)\\\".*/\\1/p\"; }}");
        Self { endpoint: format!("http://{endpoint}/oauth/token"), service: format!("http://{service}") }
    }

    fn login(&self, name: &str, password: &str) -> String {
        format!(
            "curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=password --data-urlencode 'username={name}' \
             --data-urlencode 'password={password}' {}",
            self.endpoint
        )
    }

    fn refresh(&self) -> String {
        let form = "-d client_id=demo-cli -d grant_type=refresh_token -d \"refresh_token=$refresh\"";
        format!("curl -isS -w '\\n' {form} {}", self.endpoint)
    }

    fn operate(&self, path: &str, question: &str) -> String {
        format!(
            "curl -isS -w '\\n' -H 'Authorization: Bearer {OPERATOR_CREDENTIAL}' -H 'Content-Type: application/json' \
             -d '{question}' {}{path}",
            self.service
        )
    }

    fn close(&self) {
        show("the service closes for maintenance, 200", &self.operate(CLOSE, "{}"));
    }

    fn nobody_can_tell(&self, name: &str) {
        show(
            &format!("now nobody can tell whether the password of {name} is right, 503 temporarily_unavailable"),
            &self.login(name, PASSWORD),
        );
    }

    /// The service decides on each login and on each refresh.
    pub(crate) fn asking(&self) {
        show("log alice in: the service is asked, 200", &kept(&self.login("alice", PASSWORD)));
        show("the same in a spelling that the service takes for hers, 200", &self.login(" ALICE", PASSWORD));
        show("a wrong password, 400 invalid_grant", &self.login("alice", "wrong"));
        show("at a refresh the service is asked again, 200", &kept(&self.refresh()));
        show(
            "an operator of the service gives her another password, 200",
            &self.operate(SET_PASSWORD, "{\"id\":\"17\",\"password\":\"another horse\"}"),
        );
        show("which ends her login at its next refresh, 400 invalid_grant", &self.refresh());
        show("log bob in, 200", &kept(&self.login("bob", PASSWORD)));
        show("the operator disables him, 200", &self.operate(DISABLE, "{\"id\":\"18\"}"));
        show("which ends his login at its next refresh, too, 400 invalid_grant", &self.refresh());
        show("his right password gets the answer of a wrong one, 400 invalid_grant", &self.login("bob", PASSWORD));
        self.close();
        self.nobody_can_tell("alice");
        println!("\nCtrl-C stops it.");
    }

    /// The users move out of the service.
    pub(crate) fn moving(&self) {
        show("log alice in: she moves into the file, 200", &self.login("alice", PASSWORD));
        show("a wrong password, 400 invalid_grant", &self.login("alice", "wrong"));
        self.close();
        show("alice logs in without it, 200", &kept(&self.login("alice", PASSWORD)));
        show("and stays logged in, 200", &self.refresh());
        self.nobody_can_tell("bob");
        println!("\nCtrl-C stops it.");
    }
}
