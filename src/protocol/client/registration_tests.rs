use std::time::{Duration, SystemTime, UNIX_EPOCH};

use every_option::with_every_option;
use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::protocol::client::builder::ClientBuilder;
use crate::protocol::client::error::ClientError;
use crate::protocol::client::registered::{ClientAuthentication, SECOND_FACTOR};
use crate::protocol::client::sunset::end::Sunset;
use crate::protocol::millis;
use crate::protocol::secret::secrets::SecretDigest;

#[allow(clippy::duplicate_mod, reason = "ring 0 names no room, and the room may not be built")]
#[path = "../../testing/every_option.rs"]
mod every_option;

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// A client with every option that there is.
fn full() -> Client {
    let sunset =
        Sunset::at(at(7_777)).deprecated_since(at(5_000)).with_link("https://docs.example/move?a=1#b").unwrap();
    let client = Client::confidential("full client", &SecretDigest::of("first"));
    with_every_option(client, (&SecretDigest::of("second"), at(9_999)), sunset)
        .access_token_lifetime(Duration::new(77, 3))
        .refresh_token_leeway(Duration::from_nanos(1))
        .build()
        .unwrap()
}

/// The text of this JSON, as this version would write it.
fn sealed(json: &str) -> String {
    format!("{VERSION}.{}.{json}", checksum(json))
}

fn refusal(text: &str) -> RegistrationError {
    Client::from_text(text).unwrap_err()
}

#[test]
fn a_client_is_read_as_it_was_written_with_every_option() {
    let unset = Client::public("full client").build().unwrap();
    for (set, default) in full().fields().iter().zip(unset.fields()).skip(1) {
        assert_ne!(*set, default, "every option is set, so that none can be left out unseen");
    }
    let others = [
        unset,
        Client::with_method("a", "private_key_jwt").build().unwrap(),
        Client::confidential("b", &SecretDigest::of("s")).build().unwrap(),
        Client::confidential("c", &SecretDigest::of("s"))
            .authenticate_by(ClientAuthentication::SecretBasic)
            .realms(["staff", "a b"])
            .refresh_token_leeway(Duration::ZERO)
            .sunset(Sunset::at(at(0)))
            .build()
            .unwrap(),
        // Before 1970, and in the year 10,000.
        Client::public("d").sunset(Sunset::at(UNIX_EPOCH - Duration::from_millis(1_500))).build().unwrap(),
        Client::public("e").sunset(Sunset::at(at(253_402_300_800_000))).build().unwrap(),
        full(),
    ];
    for client in others {
        let text = client.to_text();
        let found = Client::from_text(&text).unwrap();
        assert_eq!(found.fields(), client.fields(), "{text}");
        assert_eq!(found.to_text(), text);
    }
}

/// The texts of the first release. They may be added to, but none may be changed: applications have stored them.
#[test]
fn a_text_of_this_version_means_the_same_for_ever() {
    let plain = r#"1.412f278778cd9bfe.{"id":"cli","authentication":"none"}"#;
    assert_eq!(Client::public("cli").build().unwrap().to_text(), plain);
    assert_eq!(full().to_text(), FULL);
    assert_eq!(Client::from_text(FULL).unwrap().fields(), full().fields());
}

const FULL: &str = concat!(
    r#"1.0ea3335ec98eedec.{"id":"full client","authentication":"secret_post","#,
    r#""secrets":[{"digest":"p5N7ZLjKpY8Dchu2us9ceMsjX-vg5wsbhM2ZVBRhoI4"},"#,
    r#"{"digest":"FjZ6rLZ6SgF8jairlWgsyzkIY3gPcRTdoKDgxVZEx8Q","expires":9999}],"#,
    r#""raw_basic":true,"trust_end_user_address":true,"#,
    r#""grants":["password","refresh_token","urn:example:ticket"],"scopes":"read write","default_scope":"read","#,
    r#""origins":["https://app.example"],"realm":"staff","#,
    r#""access_token_lifetime":{"secs":77,"nanos":3},"#,
    r#""refresh_token_lifetime":{"secs":88,"nanos":0},"#,
    r#""refresh_token_idle_lifetime":{"secs":66,"nanos":0},"#,
    r#""refresh_token_leeway":{"secs":0,"nanos":1},"reuse_refresh_tokens":true,"introspection":true,"#,
    r#""audiences":["https://api.example"],"allowed_audiences":["https://orders.example"],"#,
    r#""sunset":{"end":7777,"deprecated":5000,"link":"https://docs.example/move?a=1#b"}}"#,
);

/// A plan with every step that there is.
fn stepped(end: SystemTime) -> Sunset {
    let before = |millis: u64| end - Duration::from_millis(millis);
    let after = |millis: u64| end + Duration::from_millis(millis);
    let sunset = Sunset::at(end).deprecated_since(at(0)).with_link("https://docs.example").unwrap();
    let sunset = sunset.brownout(before(5_000), Duration::from_secs(1)).unwrap();
    let sunset = sunset.brownout(before(9_000), Duration::from_millis(1_001)).unwrap().ramp_from(before(3)).unwrap();
    let sunset = sunset.except("z \"z\"\n", after(7)).unwrap().except("a", before(2)).unwrap();
    sunset.look_up_exceptions(after(9)).unwrap().end_families_at(after(11)).unwrap()
}

#[test]
fn the_steps_of_an_end_are_in_the_text_and_mean_the_same_for_ever() {
    let client = Client::public("app").sunset(stepped(at(20_000))).build().unwrap();
    let text = concat!(
        r#"{"id":"app","authentication":"none","sunset":{"end":20000,"deprecated":0,"link":"https://docs.example","#,
        r#""brownouts":[[11000,12001],[15000,16000]],"ramp":19997,"exceptions":{"a":19998,"z \"z\"\n":20007},"#,
        r#""look_up":20009,"families":20011}}"#,
    );
    assert_eq!(client.to_text(), sealed(text));
    assert_eq!(Client::from_text(&client.to_text()).unwrap().fields(), client.fields());
    // Rounded down to what the text keeps when they are given, so that they cannot become wrong by being kept.
    let nanos = Duration::from_nanos(999_999);
    let odd = Client::public("app").sunset(stepped(at(20_000) + nanos)).build().unwrap();
    assert_eq!(odd.to_text(), client.to_text());
    let moved = client.sunset().unwrap().move_to(at(20_001)).unwrap();
    assert_ne!(client.to_builder().sunset(moved).build().unwrap().to_text(), client.to_text());
    let gone = client.to_builder().remove_sunset().build().unwrap();
    assert_eq!(gone.to_text(), sealed(r#"{"id":"app","authentication":"none"}"#));
}

#[test]
fn steps_that_nobody_could_plan_are_refused_with_their_reason() {
    let windows = (0..65).map(|at| format!("[{},{}]", at * 1_000, (at + 1) * 1_000)).collect::<Vec<_>>().join(",");
    let users = (0..101).map(|user| format!("\"user-{user}\":100001")).collect::<Vec<_>>().join(",");
    for (more, error) in [
        (r#","brownouts":[[11000,11999]]"#, ClientError::Brownout),
        (r#","brownouts":[[11000,10000]]"#, ClientError::Brownout),
        (r#","brownouts":[[-1,10000]]"#, ClientError::Brownout),
        (r#","brownouts":[[99000,100001]]"#, ClientError::BrownoutAfterEnd),
        (r#","brownouts":[[11000,12001],[12000,16000]]"#, ClientError::BrownoutsOverlap),
        (&format!(r#","brownouts":[{windows}]"#), ClientError::TooManyBrownouts),
        (r#","ramp":100000"#, ClientError::RampAfterEnd),
        (r#","exceptions":{"":100001}"#, ClientError::ExceptionSubject),
        (r#","exceptions":{"kim":100000}"#, ClientError::ExceptionTooEarly),
        (&format!(r#","exceptions":{{{users}}}"#), ClientError::TooManyExceptions),
        (r#","look_up":100000"#, ClientError::ExceptionTooEarly),
        (r#","families":99999"#, ClientError::FamiliesEndEarly),
    ] {
        let text = sealed(&format!(r#"{{"id":"a","authentication":"none","sunset":{{"end":100000{more}}}}}"#));
        assert_eq!(refusal(&text), RegistrationError::Refused(error), "{text}");
    }
}

/// The text of the same client, as it was written before clients could ask for audiences.
#[test]
fn a_text_from_before_clients_could_ask_for_audiences_is_read_with_none() {
    let (_, json) = FULL.split_once(".{").unwrap();
    let json = format!("{{{json}").replace(r#","allowed_audiences":["https://orders.example"]"#, "");
    let older = format!("1.0db8b03f40b1a868.{json}");
    let client = Client::from_text(&older).unwrap();
    assert_eq!((client.allowed_audiences().count(), client.to_text()), (0, older));
    let newer = client.to_builder().allow_audience("https://orders.example").build().unwrap();
    assert_eq!(newer.fields(), full().fields());
    let unfit = sealed(r#"{"id":"a","authentication":"none","allowed_audiences":["a\nb"]}"#);
    assert_eq!(refusal(&unfit), RegistrationError::Refused(ClientError::Audience));
}

#[test]
fn one_realm_is_written_as_before_there_were_lists_and_several_are_a_list() {
    let client = |realms: &[&str]| Client::public("a").realms(realms).build().unwrap();
    let one = sealed(r#"{"id":"a","authentication":"none","realm":"staff"}"#);
    assert_eq!(client(&["staff"]).to_text(), one);
    assert_eq!(Client::from_text(&one).unwrap().realms().collect::<Vec<_>>(), ["staff"]);
    let two = sealed(r#"{"id":"a","authentication":"none","realms":["staff","customers"]}"#);
    assert_eq!(client(&["staff", "customers"]).to_text(), two);
    assert_eq!(Client::from_text(&two).unwrap().realms().collect::<Vec<_>>(), ["staff", "customers"]);
}

#[test]
fn a_registration_from_before_realms_had_rules_is_read_as_it_was_written() {
    let grant = "http://auth0.com/oauth/grant-type/password-realm";
    for more in [r#""realm":"""#, r#""realm":"a|b""#, r#""realm":"a\nb""#, &format!(r#""grants":["{grant}"]"#)] {
        let text = sealed(&format!(r#"{{"id":"a","authentication":"none",{more}}}"#));
        assert_eq!(Client::from_text(&text).unwrap().to_text(), text);
    }
    let odd = sealed(r#"{"id":"a","authentication":"none","realm":"a|b"}"#);
    assert_eq!(Client::from_text(&odd).unwrap().default_realm(), Some("a|b"));
}

#[test]
fn instants_are_rounded_down_to_milliseconds() {
    let end = at(1_000) + Duration::from_nanos(1_999_999);
    let client = Client::public("a").sunset(Sunset::at(end)).build().unwrap();
    let found = Client::from_text(&client.to_text()).unwrap();
    assert_eq!(found.sunset().unwrap().end(), at(1_001));
}

#[test]
fn a_text_holds_digests_and_no_secret_and_is_one_line() {
    let digest = SecretDigest::of("a secret");
    let client = Client::confidential("a", &digest).kept_realms(&["a\nb".to_owned()]).build().unwrap();
    let text = client.to_text();
    assert!(text.contains("mEylFiIAc0xZIUjxggtxBX8JhXPROGZrSGY-TjDNjTo"), "{text}");
    assert!(!text.contains("a secret") && !text.contains('\n'), "{text}");
}

#[test]
fn what_a_later_version_wrote_is_refused_as_such_and_not_half_understood() {
    let text = full().to_text();
    for later in [
        text.replacen('1', "2", 1),
        text.replacen('1', "10", 1),
        "2.".to_owned(),
        "3.whatever it is then".to_owned(),
        sealed(r#"{"id":"a","authentication":"none","only_on_mondays":true}"#),
        sealed(r#"{"id":"a","authentication":"none","sunset":{"end":7,"unless":"paid"}}"#),
        sealed(r#"{"id":"a","authentication":"moon"}"#),
        sealed(r#"{"name":"a"}"#),
    ] {
        assert_eq!(refusal(&later), RegistrationError::Later, "{later}");
    }
    assert_eq!(RegistrationError::Later.to_string(), "the registration of a client was written by a later version");
}

#[test]
fn what_nobody_wrote_is_damaged_and_what_cannot_be_registered_is_refused_with_its_reason() {
    let json = r#"{"id":"a","authentication":"none"}"#;
    assert!(Client::from_text(&sealed(json)).is_ok());
    for damaged in ["", "1", "1.", "1..", "0.", "-1.", json, &format!("1.{json}"), &sealed("{"), &sealed("")] {
        assert_eq!(refusal(damaged), RegistrationError::Damaged, "{damaged}");
    }
    let short = sealed(r#"{"id":"a","authentication":"secret","secrets":[{"digest":"AAAA"}]}"#);
    assert_eq!(refusal(&short), RegistrationError::Damaged);
    for (json, error) in [
        (r#"{"id":"","authentication":"none"}"#, ClientError::Id),
        (r#"{"id":"a","authentication":"secret"}"#, ClientError::Authentication),
        (r#"{"id":"a","authentication":"none","origins":["https://*.example"]}"#, ClientError::Origin),
        (r#"{"id":"a","authentication":"none","sunset":{"end":7,"link":"no uri"}}"#, ClientError::Link),
        (
            r#"{"id":"a","authentication":"none","sunset":{"end":7777,"deprecated":9000}}"#,
            ClientError::SunsetBeforeDeprecation,
        ),
    ] {
        assert_eq!(refusal(&sealed(json)), RegistrationError::Refused(error), "{json}");
    }
    let refused = format!("{:?}", RegistrationError::Refused(ClientError::Origin));
    assert!(refused.starts_with("the registration of a client is refused: an origin is a scheme"), "{refused}");
}

/// The builder with an option, if it is there.
fn set<T>(client: ClientBuilder, value: Option<T>, set: fn(ClientBuilder, T) -> ClientBuilder) -> ClientBuilder {
    match value {
        Some(value) => set(client, value),
        None => client,
    }
}

fn turn_on(client: ClientBuilder, is_on: bool, turn_on: fn(ClientBuilder) -> ClientBuilder) -> ClientBuilder {
    if is_on { turn_on(client) } else { client }
}

/// Whole milliseconds from long before 1970 to far ahead.
fn instants() -> impl Strategy<Value = SystemTime> {
    (-4_000_000_000_000_i64..400_000_000_000_000).prop_map(|millis| millis::instant(millis).unwrap())
}

fn lifetimes() -> impl Strategy<Value = Duration> {
    (1..u64::MAX, 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

/// Distances from the end in milliseconds: of brownouts with their length, of the ramp, of exceptions, of the look-up, of families.
type Steps = (Vec<(u32, u32)>, Option<u32>, Vec<(String, u32)>, Option<u32>, Option<u32>);

fn steps() -> impl Strategy<Value = Steps> {
    let distance = || 1..u32::MAX;
    let brownouts = vec((distance(), distance()), 0..5);
    (brownouts, of(distance()), vec(("\\PC{1,9}", distance()), 0..4), of(distance()), of(distance()))
}

/// The plan with those of the steps that fit.
fn with_steps(mut sunset: Sunset, (brownouts, ramp, exceptions, look_up, families): &Steps) -> Sunset {
    let (end, millis) = (sunset.end(), |millis: &u32| Duration::from_millis(u64::from(*millis)));
    for (before, length) in brownouts {
        sunset = sunset.clone().brownout(end - millis(before), millis(length)).unwrap_or(sunset);
    }
    if let Some(before) = ramp {
        sunset = sunset.ramp_from(end - millis(before)).unwrap();
    }
    for (subject, after) in exceptions {
        sunset = sunset.except(subject, end + millis(after)).unwrap();
    }
    if let Some(after) = look_up {
        sunset = sunset.look_up_exceptions(end + millis(after)).unwrap();
    }
    match families {
        Some(after) => sunset.end_families_at(end + millis(after)).unwrap(),
        None => sunset,
    }
}

prop_compose! {
    /// Any client that can be registered.
    fn clients()(
        id in "[ -~]{1,40}",
        method in of("\\PC{0,12}"),
        secrets in vec((any::<[u8; 32]>(), of(instants())), 0..3),
        by in 0..3_usize,
        switches in any::<[bool; 4]>(),
        grants in vec("\\PC{0,20}", 0..4),
        scopes in vec("[!#-\\[\\]-~]{1,9}", 0..4),
        has_default in any::<bool>(),
        origins in vec("https://[a-z]{1,9}\\.example", 0..3),
        texts in (btree_set("[ -{}~é]{1,12}", 0..4), vec("\\PC{0,12}", 0..3)),
        lifetimes in (of(lifetimes()), of(lifetimes()), of(lifetimes())),
        leeway in of((0..60_u64, 0..1_000_000_000_u32)),
        sunset in of((instants(), any::<u64>(), any::<bool>())),
        steps in steps(),
    ) -> Client {
        let is_secret = !secrets.is_empty() && method.is_none();
        let mut client = match method {
            Some(method) => Client::with_method(&id, &method),
            None => Client::public(&id),
        };
        if is_secret {
            use ClientAuthentication::{Secret, SecretBasic, SecretPost};
            client = client.authenticate_by([Secret, SecretBasic, SecretPost][by].clone());
            for (digest, expires) in secrets {
                client = client.secret(&SecretDigest::from_bytes(digest), expires);
            }
            let [address, reuse, introspect, _] = switches;
            client = turn_on(client, address, ClientBuilder::trust_end_user_address);
            client = turn_on(client, reuse, ClientBuilder::reuse_refresh_tokens);
            client = turn_on(client, introspect, ClientBuilder::allow_introspection);
        }
        client = turn_on(client, switches[3], ClientBuilder::raw_basic);
        client = grants.iter().fold(client, |client, grant| client.allow_grant(grant));
        client = origins.iter().fold(client, |client, origin| client.allow_origin(origin));
        if let Some(first) = scopes.first() {
            client = client.scopes(&scopes.join(" "));
            client = set(client, Some(first.as_str()).filter(|_| has_default), ClientBuilder::default_scope);
        }
        let (realms, audiences) = texts;
        client = set(client, Some(realms).filter(|realms| !realms.is_empty()), ClientBuilder::realms);
        let named = audiences.iter().filter(|name| !name.is_empty());
        client = named.fold(client, |client, name| client.allow_audience(name));
        client = audiences.into_iter().fold(client, ClientBuilder::resource_server);
        client = set(client, lifetimes.0, ClientBuilder::access_token_lifetime);
        client = set(client, lifetimes.1, ClientBuilder::refresh_token_lifetime);
        client = set(client, lifetimes.2, ClientBuilder::refresh_token_idle_lifetime);
        let leeway = leeway.map(|(seconds, nanos)| Duration::new(seconds, nanos));
        client = set(client, leeway, ClientBuilder::refresh_token_leeway);
        if let Some((end, before, has_link)) = sunset {
            let since = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let deprecated = UNIX_EPOCH + Duration::from_secs(before.checked_rem(since).unwrap_or(0));
            let sunset = with_steps(Sunset::at(end).deprecated_since(deprecated), &steps);
            client = client.sunset(if has_link { sunset.with_link("https://docs.example").unwrap() } else { sunset });
        }
        client.build().unwrap()
    }
}

proptest! {
    #[test]
    fn any_client_is_read_as_it_was_written(client in clients()) {
        let text = client.to_text();
        let found = Client::from_text(&text).unwrap();
        prop_assert_eq!(found.fields(), client.fields(), "{}", text);
        prop_assert_eq!(found.to_text(), text);
    }

    #[test]
    fn a_text_with_another_byte_is_an_error_or_the_same_client(client in clients(), at: prop::sample::Index, byte: u8) {
        let mut bytes = client.to_text().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // What is no UTF-8 is no text.
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(found) = Client::from_text(&text)
        {
            prop_assert_eq!(found.fields(), client.fields(), "{}", text);
        }
    }

    #[test]
    fn a_text_that_was_cut_off_or_added_to_is_damaged(client in clients(), at: prop::sample::Index, more in "\\PC{1,9}") {
        let text = client.to_text();
        let (at, _) = text.char_indices().nth(at.index(text.chars().count())).unwrap();
        prop_assert_eq!(refusal(&text[..at]), RegistrationError::Damaged);
        prop_assert_eq!(refusal(&format!("{text}{more}")), RegistrationError::Damaged);
    }

    #[test]
    fn a_later_version_of_any_client_is_refused_as_such(client in clients(), version in 2..u32::MAX) {
        let text = client.to_text();
        let (_, rest) = text.split_once('.').unwrap();
        prop_assert_eq!(refusal(&format!("{version}.{rest}")), RegistrationError::Later);
    }

    #[test]
    fn any_text_is_an_error_and_no_panic(text in "\\PC{0,60}") {
        prop_assert!(Client::from_text(&text).is_err());
    }
}

#[test]
fn the_grants_of_a_second_factor_are_each_in_the_text() {
    let client = Client::public("app").allow_second_factor().remove_grant(SECOND_FACTOR[1]).build().unwrap();
    let read = Client::from_text(&client.to_text()).unwrap();
    let allowed = SECOND_FACTOR.map(|grant| read.allows_grant(grant));
    assert_eq!(allowed, [true, false, true]);
}
