//! The flow of a grant gets the answer of a login by finishing it, which settles its charge.
use crate::boundary::ladder::charge::UsedCharge;
use crate::boundary::ladder::terms::Terms;
use crate::boundary::ladder::user::{Answer, VerifiedUser};
use crate::conductor::login::finish::Decided;
use crate::conductor::login::rungs::Rungs;
use crate::conductor::trail::Trail;
use crate::protocol::wire::error::Reason;

fn legal(rungs: &Rungs, terms: Terms, answer: Answer<VerifiedUser>, charge: UsedCharge, trail: &mut Trail) {
    let decided = Decided { answer, failure: Reason::VerifierFailed, charge, owner: None, case: None };
    drop(rungs.finish(terms, decided, trail));
}

fn without_its_charge(rungs: &Rungs, terms: Terms, answer: Answer<VerifiedUser>, trail: &mut Trail) {
    let failure = Reason::VerifierFailed;
    drop(rungs.finish(terms, Decided { answer, failure, owner: None, case: None }, trail)); //~ missing field `charge`
}

fn past_the_ladder(rungs: &Rungs) {
    let _ = &rungs.parts; //~ field `parts` of struct `Rungs` is private
}

fn settled_twice(rungs: &Rungs, terms: [Terms; 2], decided: Decided, trail: &mut Trail) {
    let [one, other] = terms;
    drop(rungs.finish(one, decided, trail));
    drop(rungs.finish(other, decided, trail)); //~ use of moved value: `decided`
}
