//! A login takes in the ruling of a rule that was asked about it, and no other.
use std::sync::Arc;
use std::task::{Context, Waker};

use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::ruled::{self, Ruled, Stopped};
use crate::boundary::login_event::EventDraft;
use crate::boundary::login_rule::LoginRule;
use crate::protocol::rules::decisions::Decisions;
use crate::protocol::rules::ruling::{Changes, Ruling};

async fn legal(
    rule: &dyn LoginRule,
    name: &Arc<str>,
    mut login: Login,
    draft: EventDraft,
) -> Result<Option<Grant>, Box<Stopped>> {
    let asked = ruled::ask(rule, &login.event(draft), &mut Context::from_waker(Waker::noop()));
    let ruled = match asked {
        Ok(ruled) => ruled?,
        Err(deciding) => deciding.await?,
    };
    Ok(login.follow(ruled, name).ok().and_then(|_| login.weigh().ok()))
}

fn of_no_rule(login: &mut Login, name: &Arc<str>, ruling: Ruling) {
    let _ = login.follow(ruling, name); //~ expected `Ruled`, found `Ruling`
}

fn made_up(login: &mut Login, name: &Arc<str>, changes: Changes) {
    let _ = login.follow(Ruled(changes), name); //~ cannot initialize a tuple struct which contains private fields
}

fn for_two_logins(logins: [&mut Login; 2], name: &Arc<str>, ruled: Ruled) {
    let [one, other] = logins;
    let _ = one.follow(ruled, name);
    let _ = other.follow(ruled, name); //~ use of moved value: `ruled`
}

fn past_the_rules(login: &mut Login, decisions: Decisions) {
    login.facts.decisions = None; //~ field `facts` of struct `Login` is private
    drop(decisions);
}
