//! The tests of forms once more, with the same parameters as JSON.

use tower_password_grant::mount::Profile;

use crate::support::notation::{in_json, profile};

/// These tests run again.
macro_rules! run {
    ($($module:ident: [$($test:ident)+];)+) => {
        $(mod $module {
            $(#[test]
            fn $test() {
                super::in_json(crate::$module::$test);
            })+
        })+
    };
}

/// All tests of these modules run again, but for some that cannot.
macro_rules! again {
    ($($module:ident: [$($test:ident)+] $(but {$($other:ident: $why:literal,)+})?;)+) => {
        run! { $($module: [$($test)+];)+ }

        /// The modules, each with its text and the tests that are named here.
        const MODULES: &[(&str, &[&str])] =
            &[$((include_str!(concat!("../", stringify!($module), ".rs")), &[$(stringify!($test),)+ $($(stringify!($other),)+)?]),)+];
    };
}

again! {
    spec_parameters: [
        only_post_is_answered_te_01
        a_parameter_without_a_value_is_as_if_absent_te_02
        unknown_parameters_are_ignored_te_03
        a_repeated_recognised_parameter_is_refused_te_04
        repetition_is_judged_on_decoded_names_te_05
        the_uri_may_have_a_query_but_grant_parameters_are_read_from_the_body_only_te_07
        credentials_in_the_query_are_refused_te_08
        a_missing_grant_type_is_invalid_and_an_unknown_one_unsupported_te_09_ab_04_er_06
        parameter_names_are_case_sensitive_te_10
        extras_of_the_issuer_never_make_a_member_stand_twice_te_11
        requests_without_tls_are_refused_where_it_is_enforced_te_12
        the_word_of_a_proxy_counts_only_from_the_proxies_te_12_ht_25
    ] but {
        unknown_names_and_resource_may_repeat_but_an_empty_and_a_filled_value_are_a_repeat_te_06: "in JSON no name may stand twice",
    };
    spec_abnf_encoding: [
        client_ids_and_secrets_are_printable_ascii_ab_01
        forbidden_characters_in_names_and_passwords_reach_nobody_ab_02_se_04
        allowed_characters_reach_the_verifier_ab_02
        line_breaks_and_nul_in_any_parameter_reach_no_trait_se_04
        lengths_are_bounded_before_anybody_is_asked_ab_02_ht_14
        an_empty_password_is_a_missing_one_ab_03
        texts_are_form_decoded_and_read_as_utf_8_en_01
        plus_is_a_space_and_hex_has_either_case_en_02
        texts_are_decoded_exactly_once_en_03
        bytes_that_are_not_utf_8_are_an_error_never_replaced_en_04
        broken_escapes_are_an_error_anywhere_en_05
        only_the_ampersand_separates_en_06
        the_first_equals_sign_splits_and_empty_pairs_are_skipped_en_07
        raw_utf_8_bytes_are_taken_as_such_and_other_raw_bytes_refused_en_08_en_04
        nothing_is_normalised_en_09
    ];
    spec_password_grant: [
        username_and_password_are_both_required_pw_01_er_02
        clients_with_credentials_authenticate_first_pw_02
        a_valid_request_gets_a_token_pw_03
        a_wrong_password_is_invalid_grant_without_a_challenge_pw_04_er_04
        every_denial_of_a_user_has_the_same_bytes_pw_05_pw_15
        a_client_without_the_right_to_this_grant_is_refused_before_any_password_is_looked_at_pw_06_er_05
        password_guessing_is_limited_by_default_and_a_lock_ends_by_time_pw_07_ht_21
        a_lock_holds_for_its_account_and_source_only_pw_07
        the_address_is_the_socket_s_and_ipv6_counts_by_network_pw_07_ht_25
        a_request_that_is_dropped_half_way_stays_charged_pw_08
        unknown_names_are_throttled_exactly_like_known_ones_pw_09
        spellings_of_one_account_share_one_budget_pw_10
        a_success_clears_the_failures_of_the_account_pw_11
        the_verifier_gets_the_decoded_texts_unchanged_pw_12
        a_verifier_that_cannot_decide_is_503_and_charges_nothing_pw_16_ht_22
        an_overloaded_verifier_says_when_to_come_back_pw_16_pw_18
        the_grant_can_be_switched_off_pw_17
        realms_have_budgets_of_their_own_pw_07
        a_missing_peer_address_is_a_fault_of_the_host_and_nobody_shares_a_budget_pw_07
        the_verifier_sees_whether_the_account_logged_in_from_the_address_before
    ] but {
        the_budget_is_taken_atomically_before_verification_pw_08: "its requests are made on other threads",
        tokens_can_have_their_own_lifetime_and_scope_ceiling_pw_13: "the profile reads scopes in another way",
        the_verifier_sees_client_realm_scope_address_extensions_and_unknown_fields_pw_12: "in JSON no name may stand twice",
    };
    spec_client_authentication: [
        http_basic_works_for_every_client_that_holds_a_secret_ca_01
        the_header_is_split_at_the_first_colon_and_each_half_is_form_decoded_ca_02
        the_raw_pair_of_a_client_is_refused_ca_03
        a_client_marked_raw_basic_may_send_either_form_and_others_only_the_encoded_one_ca_03
        the_operator_is_warned_of_a_header_that_may_not_be_encoded_ca_03
        the_secret_is_accepted_in_the_body_unless_that_is_switched_off_ca_04
        a_client_can_be_pinned_to_one_place_for_its_secret_ca_04_ca_19
        client_credentials_are_never_read_from_the_uri_ca_05
        a_bare_client_id_is_enough_only_for_public_clients_ca_06_se_03
        two_methods_in_one_request_are_refused_even_when_both_are_right_ca_07
        a_client_id_beside_basic_must_be_the_same_ca_08
        an_empty_client_secret_beside_basic_counts_as_not_sent_ca_09
        authentication_that_is_included_is_checked_even_where_it_is_not_needed_ca_10
        an_assertion_that_nobody_here_takes_is_a_failed_authentication_ca_07_ca_10
        failed_authentication_by_header_is_401_with_a_basic_challenge_ca_11_ca_12_er_03
        an_unknown_client_and_a_wrong_secret_look_the_same_ca_13
        the_scheme_has_any_case_and_any_number_of_spaces_ca_14
        a_basic_value_that_cannot_be_read_fails_as_authentication_ca_15
        more_than_one_authorization_line_is_refused_ca_16
        an_unknown_scheme_is_an_unsupported_method_unless_it_is_ignored_ca_17
        guessing_a_client_secret_is_limited_for_each_source_ca_18
        the_right_secret_clears_the_failures_of_its_client_and_source_ca_18
        a_client_of_a_key_based_method_cannot_use_a_secret_or_nothing_ca_19
        two_secrets_live_side_by_side_and_an_expired_one_fails_like_a_wrong_one_ca_20
        an_empty_secret_identifies_a_public_client_and_nothing_else_ca_22
        parts_shared_by_arc_authenticate_too_ca_01
    ] but {
        a_request_without_any_client_is_401_with_a_challenge_ca_21: "an empty header is none to the profile, so there is no challenge",
    };
    spec_refresh: [
        the_refresh_token_is_required_rf_01
        unknown_expired_revoked_spent_foreign_and_garbage_tokens_get_one_and_the_same_answer_rf_02
        only_the_client_it_was_issued_to_may_use_it_and_it_survives_another_ones_try_rf_03_t62_se_03
        confidential_clients_authenticate_and_a_failed_try_does_not_use_the_token_up_rf_04
        public_clients_name_themselves_rf_05
        a_login_gives_a_refresh_token_and_each_use_gives_the_next_rf_10
        a_spent_token_ends_the_whole_login_and_the_host_is_told_once_rf_11_t55
        a_lost_answer_is_given_again_while_its_successor_is_unused_rf_13_t58_t59
        the_leeway_is_the_clients_or_the_endpoints_and_at_most_a_minute_d_27
        a_refresh_token_ends_when_it_is_idle_and_at_an_end_that_no_rotation_moves_rf_14
        a_client_that_is_not_registered_for_it_is_told_so_rf_16
        who_was_authenticated_and_when_does_not_change_rf_18
        user_name_and_password_are_ignored_rf_19
        an_answer_that_took_longer_than_the_leeway_may_be_lost_too_rf_13_t59
        a_token_with_any_changed_byte_is_unknown_and_ends_nothing_rf_20_t64
    ] but {
        no_chain_of_refreshes_gives_more_than_the_login_gave_t65: "the profile reads scopes in another way",
        of_parallel_uses_without_leeway_exactly_one_succeeds_rf_12_t56: "its requests are made on other threads",
        a_refresh_may_narrow_its_access_token_and_nothing_else_rf_06_rf_07_rf_08: "the profile reads scopes in another way",
        anything_beyond_the_original_grant_is_refused_and_does_not_use_the_token_up_rf_09_bc_07_t65: "the profile reads scopes in another way",
        the_claims_of_subject_and_time_do_not_change_in_jwts_rf_18: "it builds an endpoint of the default profile",
    };
    spec_revocation: [
        a_repeated_token_or_hint_is_refused_and_revokes_nothing_rv_01
        the_client_authenticates_as_at_the_token_endpoint_rv_02
        a_revoked_refresh_token_ends_at_once_with_the_access_tokens_of_its_login_rv_03_rv_06
        an_old_token_of_the_login_revokes_it_as_well_rv_03
        a_revoked_access_token_ends_alone_unless_it_is_said_otherwise_rv_04_rv_07
        what_is_worth_nothing_already_is_revoked_rv_05
        a_wrong_or_unknown_hint_changes_nothing_rv_08
        a_token_of_another_client_is_refused_and_lives_rv_09_d_30_t71
        a_client_may_give_its_tokens_back_whatever_realm_it_is_of_by_now
        a_client_without_the_right_to_refresh_may_give_its_tokens_back
        a_token_that_cannot_be_revoked_is_said_so_rv_10_d_31
        an_endpoint_that_knows_no_tokens_revokes_none_rv_10
        guesses_and_hints_overload_nothing_rv_12
        pages_of_an_allowed_origin_may_revoke_and_no_others
        an_audited_revocation_names_the_login
        a_stranger_whose_budget_is_used_up_cannot_tell_a_foreign_token_from_an_unknown_one_t70
    ] but {
        revocation_is_a_post_of_a_form_with_a_token_rv_01_rv_13: "it expects that JSON is refused",
        the_endpoints_stand_as_leaf_services_at_any_path_of_a_router: "it writes its forms byte by byte",
        where_other_grants_are_forwarded_the_layer_still_serves_its_own_endpoints: "it writes its forms byte by byte",
    };
    spec_introspection: [
        introspection_is_a_post_of_a_form_with_a_token_in_01
        the_caller_authenticates_and_is_no_public_client_in_02_t70
        the_right_to_ask_is_given_to_each_client_in_03_d_32
        a_live_token_is_active_in_04
        whatever_is_not_active_is_told_in_the_same_bytes_in_05_in_06
        audience_and_realm_of_the_caller_count_in_06_t67_t70
        a_wrong_or_unknown_hint_changes_nothing_in_08
        answers_are_not_to_be_kept_unless_the_host_says_how_long_in_10
        nothing_personal_is_told_but_the_subjects_identifier_in_11
        a_token_that_is_bound_to_a_key_shows_it_in_12
        refresh_tokens_are_shown_to_their_own_client_only_in_13_t70
    ] but {
        a_caller_with_a_bearer_token_is_answered_401_with_a_bearer_challenge_in_09_d_32: "the profile refuses bearer tokens in another way",
        each_member_has_its_type_in_07: "the profile reads scopes in another way",
    };
}

run! {
    mounts: [
        axum_router_layer_em_03_ht_26
        axum_around_the_whole_router_in_its_own_type_of_body_em_03_ht_26
        axum_route_service_with_the_leaf_em_03_ht_26
        tonic_beside_a_grpc_service_on_one_port_ht_26_em_03
        plain_hyper_over_http_1_and_http_2_ht_26
        realms_are_chosen_through_each_mount
    ];
}

#[cfg(feature = "tracing")]
run! {
    canary: [
        no_secret_appears_in_events_audit_debug_metrics_and_answers_pw_14
        no_token_appears_in_events_audit_debug_metrics_and_other_answers_pw_14_t69
    ];
}

#[test]
fn no_test_of_a_form_is_forgotten() {
    for (text, named) in MODULES {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let is_marked = |line: &str| line.starts_with("#[tokio::test") || line == "#[test]";
        for pair in lines.windows(2).filter(|pair| is_marked(pair[0])) {
            let name = pair[1].split_once("fn ").unwrap().1.split('(').next().unwrap();
            assert!(named.contains(&name), "{name}");
        }
    }
}

#[test]
#[should_panic(expected = "no request of this test was JSON")]
fn a_test_that_writes_no_json_does_not_count_as_one_that_runs_again() {
    in_json(|| assert_eq!(profile(), Profile::Auth0));
}
