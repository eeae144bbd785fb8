//! The plan for the FAPI 2.0 Security Profile (Final), with `private_key_jwt` and `DPoP`: pushed requests, client assertions,
//! and tokens that are bound to a key.
mod assertions;
mod dpop;
mod pushed;
mod requests;
mod tokens;

use super::rp::{Asked, Auth, Rp};
use super::scene::{Made, Scene};
use super::{Plan, Row, rows};
use assertions::*;
use dpop::*;
use pushed::*;
use requests::*;
use std::sync::Arc;
use tokens::*;

const SIGNED: &str = "no reader's data is told by a claims parameter, which is not supported";

fn requests() -> Vec<Row> {
    rows![
        "fapi2-security-profile-final-discovery-end-point-verification": "code, PAR, S256, iss parameter, private_key_jwt" => (at once discovery);
        "fapi2-security-profile-final-happy-flow": "two clients; an access token in the query is refused" => (happy_flow);
        "fapi2-security-profile-final-user-rejects-authentication": "access_denied by redirect, for two clients" => (user_rejects);
        "fapi2-security-profile-final-ensure-authorization-request-without-state-success": "success" => (without_state);
        "fapi2-security-profile-final-ensure-authorization-request-without-nonce-success": "success" => (without_nonce);
        "fapi2-security-profile-final-ensure-authorization-request-with-64-char-nonce-success": "success, exact echo" => (nonce_of_64);
        "fapi2-security-profile-final-ensure-other-scope-order-succeeds": "success" => (other_scope_order);
        "fapi2-security-profile-final-test-claims-parameter-identity-claims": "claims are told or left out" => (apart SIGNED, but claims_parameter);
        "fapi2-security-profile-final-access-token-type-header-case-sensitivity": "the scheme's case does not matter" => (scheme_case);
        "fapi2-security-profile-final-check-dpop-proof-nbf-exp": "nbf and exp in a proof are borne" => (proof_with_nbf_and_exp);
        "fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-before-succeeds": "success" => (proof_10_seconds_old);
        "fapi2-security-profile-final-ensure-dpopproof-with-iat-10seconds-after-succeeds": "success" => (proof_10_seconds_ahead);
        "fapi2-security-profile-final-ensure-mismatched-dpop-jkt-fails": "dpop_jkt and the proof at PAR disagree: refused" => (mismatched_at_par);
        "fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt": "another key than that of the proof at PAR: refused" => (other_key_than_proof);
        "fapi2-security-profile-final-ensure-token-endpoint-fails-with-mismatched-dpop-jkt": "another key than dpop_jkt: refused" => (other_key_than_jkt);
        "fapi2-security-profile-final-ensure-dpopproof-at-par-endpoint-binding-success": "the key of the proof at PAR: success" => (key_of_proof);
        "fapi2-security-profile-final-ensure-dpop-auth-code-binding-success": "the key of dpop_jkt: success" => (key_of_jkt);
        "fapi2-security-profile-final-ensure-different-nonce-inside-and-outside-request-object": "the pushed nonce counts" => (nonce_outside);
        "fapi2-security-profile-final-ensure-different-state-inside-and-outside-request-object": "the pushed state counts" => (state_differs_outside);
        "fapi2-security-profile-final-ensure-authorization-request-with-long-nonce": "384 characters: exact echo or a clean error" => (long_nonce);
        "fapi2-security-profile-final-ensure-authorization-request-with-long-state": "exact echo or a clean error" => (long_state);
        "fapi2-security-profile-final-state-only-outside-request-object-not-used": "the outer state is ignored" => (state_outside);
        "fapi2-security-profile-final-ensure-request-object-without-redirect-uri-fails": "refused at PAR" => (push_without_redirect_uri);
        "fapi2-security-profile-final-ensure-registered-redirect-uri": "an unregistered redirect_uri is refused" => (unregistered_redirect_uri);
        "fapi2-security-profile-final-plain-fapi-tolerate-unregistered-redirect-uri": "refused, or allowed by RFC 9126 §2.4" => (unregistered_redirect_uri);
        "fapi2-security-profile-final-ensure-unsigned-authorization-request-without-using-par-fails": "refused" => (without_par);
        "fapi2-security-profile-final-ensure-redirect-uri-in-authorization-request": "refused at PAR" => (push_without_redirect_uri);
        "fapi2-security-profile-final-ensure-response-type-code-idtoken-fails": "refused" => (code_id_token);
        "fapi2-security-profile-final-ensure-response-type-token-fails": "refused" => (token_response);
    ]
}

fn tokens() -> Vec<Row> {
    rows![
        "fapi2-security-profile-final-ensure-client-id-in-token-endpoint": "another client's client_id: invalid_client" => (other_client_id);
        "fapi2-security-profile-final-ensure-holder-of-key-required": "no proof, no token" => (proof_required);
        "fapi2-security-profile-final-ensure-authorization-code-is-bound-to-client": "invalid_grant" => (code_of_other_client);
        "fapi2-security-profile-final-attempt-reuse-authorization-code-after-one-second": "invalid_grant, and the token is revoked" => (waits code_reuse);
        "fapi2-security-profile-final-ensure-token-endpoint-fails-with-expired-auth-code": "refused after 60 s" => (waits expired_code);
        "fapi2-security-profile-final-ensure-signed-client-assertion-with-RS256-fails": "invalid_client" => (assertion_rs256);
        "fapi2-security-profile-final-ensure-client-assertion-in-token-endpoint": "no assertion: refused" => (no_assertion);
        "fapi2-security-profile-final-ensure-client-assertion-with-exp-is-5-minutes-in-past-fails": "refused" => (assertion_expired);
        "fapi2-security-profile-final-ensure-client-assertion-with-wrong-aud-fails": "refused" => (assertion_wrong_audience);
        "fapi2-security-profile-final-ensure-client-assertion-with-no-sub-fails": "refused" => (assertion_without_sub);
        "fapi2-security-profile-final-dpop-negative-tests": "every wrong proof is refused, every right spelling is not" => (proofs);
        "fapi2-security-profile-final-refresh-token": "bound to client and key; no refresh without client authentication" => (refresh_token);
        "fapi2-security-profile-final-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": "a second visit before the sign-in works" => (second_visit);
        "fapi2-security-profile-final-par-attempt-reuse-request_uri": "once (a warning where it works twice)" => (request_uri_twice);
        "fapi2-security-profile-final-par-attempt-to-use-expired-request_uri": "refused" => (waits expired_request_uri);
        "fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted": "accepted" => (assertion_8_seconds_ahead);
        "fapi2-security-profile-final-par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails": "refused" => (assertion_far_ahead);
        "fapi2-security-profile-final-par-attempt-to-use-request_uri-for-different-client": "refused" => (request_uri_of_other_client);
        "fapi2-security-profile-final-par-authorization-request-containing-request_uri-form-param": "refused" => (request_uri_inside_par);
        "fapi2-security-profile-final-par-attempt-invalid-http-method": "GET and PUT are refused" => (par_methods);
        "fapi2-security-profile-final-par-ensure-pkce-required": "refused" => (push_without_pkce);
        "fapi2-security-profile-final-ensure-pkce-code-verifier-required": "invalid_grant" => (no_verifier);
        "fapi2-security-profile-final-incorrect-pkce-code-verifier-rejected": "invalid_grant" => (wrong_verifier);
        "fapi2-security-profile-final-par-plain-pkce-rejected": "refused" => (plain_pkce);
        "fapi2-security-profile-final-par-without-duplicate-parameters": "client_id and request_uri are enough" => (happy_flow);
        "fapi2-security-profile-final-par-test-array-as-audience-fails": "aud as a list: invalid_client" => (audience_list);
        "fapi2-security-profile-final-par-test-par-endpoint-url-as-audience-fails": "invalid_client" => (audience_par);
        "fapi2-security-profile-final-par-test-token-endpoint-url-as-audience-fails": "invalid_client" => (audience_token);
        "fapi2-security-profile-final-grant-management-*": "eight tests of grant management" => (apart "grant management is not offered");
        "fapi2-security-profile-final-cdr-*": "five tests of the Australian Consumer Data Right" => (apart "another ecosystem's own rules");
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fapi2_security_profile() {
    let name = "fapi2-security-profile-final-test-plan (private_key_jwt, DPoP, unsigned, plain response)";
    let plan = Plan {
        name,
        test: "oidc::conformance::fapi::fapi2_security_profile",
        rows: requests().into_iter().chain(tokens()).collect(),
    };
    let vendors = vec![
        Made::new("fapi-one", Auth::Key).fapi(),
        Made::new("fapi-two", Auth::Key).fapi().key("PS256"),
        Made::new("fapi-refresh", Auth::Key).fapi().with("refresh_tokens = true"),
        Made::new("fapi-refresh-two", Auth::Key).fapi().key("EdDSA").with("refresh_tokens = true"),
    ];
    plan.run(Scene::open(vendors, None).await).await;
}

/// The relying party of most tests, and a request of it.
fn one(scene: &Scene) -> (Arc<Rp>, Asked) {
    let rp = scene.rp("fapi-one");
    let asked = rp.ask(scene);
    (rp, asked)
}
