//! `kill -9` at each step of a request to the service, after which another process serves the file.

use serde_json::json;

use super::factor_rounds::{Ask, Reply, Service, associate, list, managed, otp, password, recovery, someone};
use super::http::Alone;
use super::process::Folder;
use super::service::{At, FileTime};

/// What follows once a code was shown right.
const REST: [At; 12] = [
    At::BeforeConsume,
    At::AfterConsume,
    At::BeforeRecheck,
    At::AfterRecheck,
    At::BeforeIssue,
    At::AfterIssue,
    At::BeforeBegin,
    At::AfterBegin,
    At::BeforeSettle,
    At::AfterSettle,
    At::BeforeSettlePassword,
    At::AfterSettlePassword,
];

fn steps(own: &[At]) -> Vec<At> {
    let mut all: Vec<At> = own.iter().copied().chain(REST).chain([At::BeforeAnswer]).collect();
    all.sort_by_key(|step| *step as usize);
    all
}

pub fn at_each_step(kills: usize) {
    let folder = Folder::new("factor-service-kills");
    FileTime::beside(&folder.file()).set(0);
    let mut service = Alone::start(&folder.file());
    type Scene = fn(&mut Alone, &str, At);
    let scenes: [(&str, Scene, Vec<At>); 5] = [
        ("a code", code, steps(&[At::BeforeCharge, At::AfterCharge, At::BeforeSpend, At::AfterSpend])),
        ("a recovery code", recovery_code, steps(&[At::BeforeCharge, At::AfterCharge, At::BeforeSwap, At::AfterSwap])),
        ("a first code", first_code, steps(&[At::BeforeSpend, At::AfterSpend, At::BeforeConfirm, At::AfterConfirm])),
        ("an enrolment", enrolment, vec![At::BeforeEnrol, At::AfterEnrol, At::BeforeAnswer]),
        ("a removal", removal, vec![At::BeforeRemove, At::AfterRemove, At::BeforeAnswer]),
    ];
    for (what, scene, steps) in scenes {
        for step in &steps {
            for round in 0..kills {
                let name = format!("{}-{step:?}-{round}", what.replace(' ', "-"));
                scene(&mut service, &name, *step);
            }
        }
        println!(
            "ok: {} kills while {what} was served: nothing counts twice, no factor is lost, each user gets in",
            kills * steps.len()
        );
    }
}

#[track_caller]
fn refused(reply: &Reply, name: &str) {
    assert_eq!((reply.status, reply.text("error").as_str()), (400, "invalid_grant"), "{name}: {reply:?}");
}

/// Whether a step is this one or comes after it.
fn is_past(step: At, done: At) -> bool {
    step as usize >= done as usize
}

/// The user logs in by the code that the app shows now.
#[track_caller]
fn gets_in(service: &mut Alone, name: &str, secret: &str) -> Reply {
    let token = service.open(name);
    let reply = service.one(otp(&token, &service.code(secret)));
    assert_eq!(reply.status, 200, "{name}: {reply:?}");
    reply
}

/// What was shown with this token works now if it was not spent before, and in no case once more.
fn works_once(service: &mut Alone, name: &str, is_spent: bool, ask: impl Fn(&str) -> Ask, token: &str) {
    let again = service.one(ask(token));
    if is_spent {
        refused(&again, name);
    } else {
        assert_eq!(again.status, 200, "{name}: {again:?}");
    }
    let other = service.open(name);
    refused(&service.one(ask(&other)), name);
}

/// How many requests are refused for what they show, before a budget is spent.
fn tried(service: &mut Alone, name: &str, mut asks: impl FnMut(&mut Alone, usize) -> Ask) -> usize {
    for number in 0..20 {
        let ask = asks(service, number);
        let reply = service.one(ask);
        if reply.status == 429 {
            return number;
        }
        refused(&reply, name);
    }
    panic!("{name}: no budget was spent");
}

fn code(service: &mut Alone, name: &str, step: At) {
    let (secret, _) = service.enrol(name);
    // The budgets of the enrolment are whole again.
    service.advance(16 * 60);
    // From an address that has no other login.
    let from = someone();
    let token = service.one(Ask { from, ..password(name, "") }).text("mfa_token");
    let code = service.code(&secret);
    service.kill_at(step as usize, otp(&token, &code));
    works_once(service, name, is_past(step, At::AfterSpend), |token| otp(token, &code), &token);

    // The charges: each that was not settled stays. Of what was shown since, one refusal or two have theirs.
    let is_charged = is_past(step, At::AfterCharge) && !is_past(step, At::AfterSettle);
    let refused = if is_past(step, At::AfterSpend) { 2 } else { 1 };
    let mut other = String::new();
    let codes = tried(service, name, |service, number| {
        if number % 4 == 0 {
            other = service.open(name);
        }
        otp(&other, "0000000")
    });
    assert_eq!(codes, 10 - usize::from(is_charged) - refused, "{name}: codes that are tried until the user is locked");
    // The password's comes back with the whole login alone, of this process or a later one.
    let is_finished = is_past(step, At::AfterSettlePassword) || !is_past(step, At::AfterSpend);
    let passwords = tried(service, name, |_, number| {
        let wrong = password(name, "");
        // The same one again would not count.
        Ask { from, body: wrong.body.replace("correct", &format!("wrong{number}")), ..wrong }
    });
    assert_eq!(passwords, 10 - usize::from(!is_finished), "{name}: passwords that are tried until it is locked");

    service.advance(16 * 60);
    gets_in(service, name, &secret);
    has_one_app(service, name);
}

/// One app, and recovery codes, which are active.
fn has_one_app(service: &mut Alone, name: &str) {
    let token = service.open(name);
    let listed = service.one(list(&token));
    let mut all: Vec<_> = listed.json.as_array().unwrap().iter().map(|one| (&one["type"], &one["active"])).collect();
    all.sort_by_key(|(kind, _)| kind.as_str());
    assert_eq!(all, [(&json!("otp"), &json!(true)), (&json!("recovery-code"), &json!(true))], "{name}: {listed:?}");
}

fn recovery_code(service: &mut Alone, name: &str, step: At) {
    let (secret, codes) = service.enrol(name);
    let token = service.open(name);
    service.kill_at(step as usize, recovery(&token, &codes[0]));
    works_once(service, name, is_past(step, At::AfterSwap), |token| recovery(token, &codes[0]), &token);
    // A lost answer costs one code of eight.
    for code in &codes[1..] {
        let token = service.open(name);
        assert_eq!(service.one(recovery(&token, code)).status, 200, "{name}");
    }
    gets_in(service, name, &secret);
    has_one_app(service, name);
}

fn first_code(service: &mut Alone, name: &str, step: At) {
    let token = service.open(name);
    let secret = service.one(associate(&token)).text("secret");
    let code = service.code(&secret);
    service.kill_at(step as usize, otp(&token, &code));
    works_once(service, name, is_past(step, At::AfterSpend), |token| otp(token, &code), &token);
    // The next code ends the enrolment, or is that of an ordinary login.
    service.advance(30);
    gets_in(service, name, &secret);
    has_one_app(service, name);
}

fn enrolment(service: &mut Alone, name: &str, step: At) {
    let token = service.open(name);
    service.kill_at(step as usize, associate(&token));
    // Its secret may be lost, and the next takes its place.
    let secret = service.one(associate(&token)).text("secret");
    assert_eq!(service.one(otp(&token, &service.code(&secret))).status, 200, "{name}");
    service.advance(30);
    gets_in(service, name, &secret);
    has_one_app(service, name);
}

fn removal(service: &mut Alone, name: &str, step: At) {
    let (secret, _) = service.enrol(name);
    let audience = "https://as.example/mfa/";
    let managing = password(name, &format!("&audience={audience}&scope=read:authenticators+remove:authenticators"));
    let token = service.one(managing).text("mfa_token");
    let bearer = service.one(otp(&token, &service.code(&secret))).text("access_token");
    let listed = service.one(list(&bearer));
    let app = listed.json.as_array().unwrap().iter().find(|one| one["type"] == "otp").unwrap();
    let path = format!("/mfa/authenticators/{}", app["id"].as_str().unwrap().replace('|', "%7C"));
    let remove = || managed("DELETE", &path, &bearer, &json!(null));
    service.advance(30);
    service.kill_at(step as usize, remove());
    if is_past(step, At::AfterRemove) {
        let again = service.one(remove());
        assert_eq!((again.status, again.text("error").as_str()), (400, "invalid_authenticator"), "{name}: {again:?}");
    } else {
        gets_in(service, name, &secret);
        assert_eq!(service.one(remove()).status, 204, "{name}");
    }
    // Nothing is left of it, and the user begins anew.
    assert_eq!(service.one(list(&bearer)).json, json!([]), "{name}");
    let (secret, _) = service.enrol(name);
    gets_in(service, name, &secret);
    has_one_app(service, name);
}
