//! A login whose user the end of the client has reached is no grant, and only a look-up that was asked about it finds an exception.
use std::time::SystemTime;

use crate::boundary::exceptions::SunsetExceptions;
use crate::boundary::ladder::clearance::{Cleared, Lack, Proven, weigh_admission};
use crate::boundary::ladder::exception::{self, LookedUp};
use crate::boundary::ladder::grant::{Grant, Login};
use crate::protocol::client::sunset::judge::Admission;

async fn legal(exceptions: &dyn SunsetExceptions, mut login: Login) -> Option<Grant> {
    if login.awaits_look_up() {
        let found = exception::look_up(exceptions, login.who_is_out()).await.ok()?;
        login.note_look_up(found).ok()?;
    }
    login.weigh().ok()
}

fn by_a_date_that_nobody_found(login: &mut Login, until: Option<SystemTime>) {
    let _ = login.note_look_up(until); //~ expected `LookedUp`, found `Option<SystemTime>`
}

fn found_by_hand(until: SystemTime) {
    let _: LookedUp = LookedUp(Some(until)); //~ cannot initialize a tuple struct which contains private fields
}

fn let_in_by_hand(login: &mut Login) {
    login.proven.admission = Admission::In; //~ field `proven` of struct `Login` is private
}

fn noted_by_hand(proven: &mut Proven) {
    proven.note_exception(true); //~ method `note_exception` is private
}

fn cleared_because_the_plan_lets_it_in(proven: &Proven) {
    let _: Result<Cleared, Lack> = weigh_admission(proven); //~ expected `Result<Cleared, Lack>`, found `Result<(), Lack>`
}

fn one_answer_for_two_logins([mut first, mut second]: [Login; 2], found: LookedUp) {
    let _ = first.note_look_up(found);
    let _ = second.note_look_up(found); //~ use of moved value: `found`
}
