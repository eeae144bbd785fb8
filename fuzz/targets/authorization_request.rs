//! What a vendor's client asks by way of a browser: the text of a query or a form.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use url::{Url, form_urlencoded};
use vestibule::protocol::Onward;
use vestibule::protocol::oidc::fuzzing::{Desk, Outcome};
use vestibule_fuzz::{FileSecret, oidc_vendors};

const ISSUER: &str = "https://login.example.org";
const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    Desk::new(&oidc_vendors(), &FileSecret(KEYS.as_bytes().to_vec())).expect("clients")
});

fuzz_target!(|data: &[u8]| {
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(data).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let of = |name: &str| pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect::<Vec<_>>();
    match DESK.hear(data, ISSUER) {
        Outcome::Refused(why) => assert!(["malformed", "client", "redirect_uri"].contains(&why), "{why}"),
        Outcome::Back(onward) => {
            let fields = fields(&onward, &of);
            assert!(fields.iter().any(|(name, _)| name == "error"), "an error that is none");
            assert!(fields.iter().all(|(name, _)| name != "code"));
            // A state that is there once and not too long comes back; else none does.
            let state: Vec<_> = fields.iter().filter(|(name, _)| name == "state").map(|(_, v)| v.as_str()).collect();
            assert!(state.is_empty() || state == of("state"));
        }
        Outcome::Waits(carried, onward) => {
            let fields = fields(&onward, &of);
            good(&of);
            assert!(pairs.iter().all(|(name, _)| of(name).len() == 1), "a parameter twice");
            let state: Vec<_> = of("state").into_iter().filter(|state| !state.is_empty()).collect();
            let back: Vec<_> = fields.iter().filter(|(name, _)| name == "state").map(|(_, v)| v.as_str()).collect();
            assert_eq!(back, state);
            assert!(carried.len() < 16 * 1024);
        }
    }
});

/// The fields of an answer, which goes to the very address that was asked for and is one of the client's.
fn fields<'p>(onward: &Onward, of: &impl Fn(&str) -> Vec<&'p str>) -> Vec<(String, String)> {
    let given = of("redirect_uri");
    let client = of("client_id");
    assert!(given.len() == 1 && client.len() == 1);
    let host = match client[0] {
        "b+sic%100" => "basic",
        other => other,
    };
    assert_eq!(given[0], format!("https://{host}.example/callback"));
    let fields: Vec<(String, String)> = match onward {
        Onward::Redirect(to) => {
            assert!(of("response_mode") != ["form_post"]);
            assert!(to.bytes().all(|b| b.is_ascii_graphic()), "what no header may hold");
            let query = to.strip_prefix(given[0]).and_then(|rest| rest.strip_prefix('?')).expect("the address itself");
            assert!(Url::parse(to).is_ok());
            form_urlencoded::parse(query.as_bytes()).into_owned().collect()
        }
        Onward::Form { action, fields, .. } => {
            assert_eq!(action, given[0]);
            fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        }
    };
    let issuers: Vec<_> = fields.iter().filter(|(name, _)| name == "iss").map(|(_, value)| value.as_str()).collect();
    assert_eq!(issuers, [ISSUER]);
    for (name, value) in &fields {
        assert!(name != "error" && name != "error_description" || value.bytes().all(|b| matches!(b, 0x20..=0x7e)));
    }
    fields
}

/// The plain reading of a request that is good.
fn good<'p>(of: &impl Fn(&str) -> Vec<&'p str>) {
    assert_eq!(of("response_type"), ["code"]);
    assert!(of("scope").iter().any(|scope| scope.split(' ').any(|word| word == "openid")));
    assert_eq!(of("code_challenge_method"), ["S256"]);
    assert!(of("code_challenge").iter().all(|challenge| challenge.len() == 43));
    for never in ["request", "request_uri", "registration", "id_token_hint"] {
        assert!(of(never).iter().all(|value| value.is_empty()), "{never}");
    }
}
