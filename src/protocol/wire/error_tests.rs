use super::*;

fn denial() -> RuleRefusal {
    RuleRefusal::denied("hours".into(), ErrorText::new("not on Sundays", 200).unwrap())
}

#[test]
fn all_denials_of_a_user_share_one_face_pw_05() {
    for reason in [
        Reason::UnknownUser,
        Reason::WrongPassword,
        Reason::UnusableHash,
        Reason::Disabled,
        Reason::Locked,
        Reason::PasswordExpired,
        Reason::Unverified,
        Reason::Custom,
    ] {
        assert_eq!(reason.face(), Face::Denied);
    }
    assert_eq!(TokenError::of_rule(denial(), false).face(), Face::Denied);
}

#[test]
fn all_refusals_at_a_refresh_share_one_face() {
    for reason in Reason::ALL.iter().copied().filter(|reason| reason.face() == Face::Denied) {
        assert_eq!(TokenError::new(reason).at_refresh().face(), Reason::UnknownRefreshToken.face());
    }
    assert_eq!(TokenError::of_rule(denial(), false).at_refresh().face(), Face::RefreshToken);
    let failed = TokenError::new(Reason::VerifierFailed).at_refresh();
    assert_eq!(failed.face(), Face::Unavailable);
    // What is said aloud at a login is said at a refresh: the token is still good.
    assert_eq!(TokenError::of_rule(denial(), true).at_refresh().face(), Face::RuleDenied);
}

#[test]
fn what_says_more_than_a_wrong_password_is_no_plain_denial() {
    assert!(TokenError::new(Reason::Locked).is_plain_denial());
    assert!(TokenError::new(Reason::AccountThrottled).into_plain_denial().is_plain_denial());
    let code = HostCode::new("company_locked", "").unwrap();
    assert!(!TokenError::new(Reason::Custom).with_host_code(code).is_plain_denial());
    let mut error = TokenError::new(Reason::Locked);
    error.details().members.set("until", "Monday").unwrap();
    assert!(!error.is_plain_denial());
    assert!(!TokenError::new(Reason::UnknownRefreshToken).is_plain_denial());
    assert!(TokenError::of_rule(denial(), false).is_plain_denial());
    assert!(!TokenError::of_rule(denial(), true).is_plain_denial());
    for other in [RuleRefusal::interaction_required, RuleRefusal::failed] {
        assert!(!TokenError::of_rule(other("terms".into()), false).is_plain_denial());
    }
}

#[test]
fn reasons_have_distinct_names() {
    let names: std::collections::HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(names.len(), Reason::ALL.len());
}
