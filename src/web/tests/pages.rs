//! Pages as such: problems, messages, and a library's own templates.
use super::*;
use crate::web::language::{BUILT_IN, Languages};
use crate::web::pages::templates;
use crate::web::problem::denial_message;
use base64::Engine;

#[test]
fn every_problem_has_its_page_in_every_language() {
    let telemetry = Arc::new(Telemetry::new());
    let pages = Pages::load(None, ORIGIN, &telemetry);
    let mut codes = BTreeSet::new();
    for problem in all_problems() {
        for language in ["en", "es"] {
            let response = pages.problem(problem, Some(language));
            let (parts, text) = response.into_parts();
            assert_eq!(parts.status, problem.status());
            let code = parts.extensions.get::<Correlation>().unwrap().0.clone();
            assert!(text.contains(&code) && codes.insert(code));
            let page = Page { status: parts.status, headers: parts.headers, text, code: None };
            check_dress(&page, "problem");
            let style = page.text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
            let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
            let sum = base64::engine::general_purpose::STANDARD.encode(sum);
            assert!(page.headers[CONTENT_SECURITY_POLICY].to_str().unwrap().contains(&format!("'sha256-{sum}'")));
            assert!(page.has(&format!("<html lang=\"{language}\"")) && !page.has("<link"));
            assert_eq!(page.headers.contains_key(RETRY_AFTER), problem.status() == 503);
            assert_eq!(page.headers.contains_key("www-authenticate"), problem.status() == 401);
            let nameless = problem == ProblemPage::UnknownHost;
            assert_eq!(page.has("login.example.org"), !nameless);
            assert!(
                !nameless || (!page.has("ibrar") && !page.has("ibliotec") && !page.has("href=\"http")),
                "{}",
                page.text
            );
            check_page(&page, "problem");
        }
    }
}

fn all_problems() -> Vec<ProblemPage> {
    use ProblemPage::*;
    let denials =
        [Denial::NoLicence, Denial::OutOfTerm, Denial::BorrowerClass, Denial::Branch, Denial::Age, Denial::Standing];
    let mut all = vec![
        UnknownHost,
        BadRequest,
        AskedWrongly,
        AskedTooLate,
        ForeignForm,
        SignInAgain,
        CardExpired,
        CardBlocked,
        OtherLibrary,
        NotAResource,
        NotFound,
        WrongMethod,
        TooLarge,
        WrongType,
        OurFault,
        VendorDown,
        StoreDown,
        VendorSlow,
        LibraryDown { retry_after: Duration::ZERO },
    ];
    all.extend(denials.map(NotEntitled));
    all
}

#[test]
fn every_message_that_a_page_uses_is_there() {
    let languages = Languages::built_in();
    let mut ids: BTreeSet<String> = BTreeSet::new();
    for (_, text) in templates() {
        ids.extend(
            text.replace("asset(", "").split("t(\"").skip(1).map(|piece| piece.split('"').next().unwrap().to_owned()),
        );
    }
    for source in [include_str!("../signin.rs"), include_str!("../pages.rs"), include_str!("../visit.rs")] {
        ids.extend(source.split("\"error-").skip(1).map(|p| format!("error-{}", p.split('"').next().unwrap())));
    }
    for problem in all_problems() {
        ids.extend(["title", "next"].map(|part| format!("{}-{part}", problem.messages())));
        ids.insert(problem.reason().map_or_else(|| format!("{}-text", problem.messages()), str::to_owned));
    }
    ids.insert(denial_message(Denial::Age).to_owned());
    assert!(ids.len() > 90, "{}", ids.len());
    for (code, text) in BUILT_IN {
        for id in &ids {
            assert!(text.lines().any(|line| line.starts_with(&format!("{id} = "))), "{code}: {id}");
        }
        // Nothing is written for nobody.
        for line in text.lines().filter(|l| l.contains(" = ") && !l.starts_with('#')) {
            let id = line.split(" = ").next().unwrap();
            let elsewhere = ["language-name", "site-name", "problem-not-a-resource-host"].contains(&id);
            assert!(ids.contains(id) || elsewhere, "{code}: {id} is not used");
        }
        assert!(languages.by_code(code).is_some());
    }
}

#[tokio::test]
async fn a_library_has_its_own_pages() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("layout.html", "{% extends \"builtin/layout.html\" %}{% block content %}{% endblock %}<p>own foot</p>");
    write(
        "login.html",
        "<!DOCTYPE html><p>{{ token }} own {{ t(\"signin-title\") }}<img src=\"{{ asset(\"logo.png\") }}\">",
    );
    write("privacy.html", "{% if %}");
    write("resources.html", "own {{ no.such.value }}");
    write("messages/en.ftl", "signin-title = Step inside\n");
    write("messages/broken.ftl", "x");
    write("static/logo.png", "png");
    write("static/evil.html", "<script>");
    write("static/portal.css", "body { color: red }");
    let portal = portal_of(house(&["east"], Some(folder.path())));
    let page = portal.get("/login", "").await;
    assert!(page.has("own Step inside<img src=\"/static/logo."), "{}", page.text);
    check_dress(&page, "own");
    let logo = portal.front.house.load().pages.assets().path("logo.png").unwrap().to_owned();
    assert_eq!(portal.get(&logo, "").await.text, "png");
    assert!(portal.front.house.load().pages.assets().path("evil.html").is_none());
    assert!(portal.get("/privacy", "").await.has("What vendors see"), "an unreadable template falls back");
    let reader = portal.reader().await;
    for _ in 0..2 {
        let page = portal.get("/resources", &reader).await;
        assert!(page.has("/go/atlas") && !page.has("own "), "a failing template falls back");
    }
    let problem = portal.front.house.load().pages.problem(ProblemPage::VendorDown, None);
    assert!(problem.body().contains("body { color: red }"));
    let nowhere = portal_of(house(&["east"], Some(&folder.path().join("nowhere"))));
    assert_eq!(nowhere.get("/login", "").await.status, StatusCode::OK);
}
