//! Pages from templates: the built-in ones, or the library's own where its folder holds one of that name. What a
//! library's template gets wrong costs its look, never the page.
use super::answer::{FORM_POST, secure, source_of};
use super::assets::Assets;
use super::language::{Chosen, Languages};
use super::problem::{Correlation, ProblemPage};
use crate::telemetry::{Event, Telemetry};
use fluent_bundle::{FluentArgs, FluentValue};
use http::header::{CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};
use minijinja::value::Kwargs;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, context, escape_formatter,
};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The built-in templates.
const BUILT_IN: [(&str, &str); 12] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("confirm.html", include_str!("templates/confirm.html")),
    ("form-post.html", include_str!("templates/form-post.html")),
    ("signing-out.html", include_str!("templates/signing-out.html")),
    ("told.html", include_str!("templates/told.html")),
    ("learned.html", include_str!("templates/learned.html")),
    ("login.html", include_str!("templates/login.html")),
    ("logout.html", include_str!("templates/logout.html")),
    ("privacy.html", include_str!("templates/privacy.html")),
    ("problem.html", include_str!("templates/problem.html")),
    ("resources.html", include_str!("templates/resources.html")),
    ("signed-out.html", include_str!("templates/signed-out.html")),
];

/// Templates, messages and files of one configuration.
pub struct Pages {
    built_in: Environment<'static>,
    own: Option<Environment<'static>>,
    /// Pages whose own template failed once; they stay with the built-in one.
    failed: Mutex<BTreeSet<&'static str>>,
    languages: Arc<Languages>,
    assets: Arc<Assets>,
    portal: String,
    style: String,
    standalone_policy: String,
    telemetry: Arc<Telemetry>,
}

impl Pages {
    /// Loads pages for the portal at the origin `portal`, with a library's own `*.html`, `messages/*.ftl` and `static/*`
    /// from `folder`. What cannot be used there is told as an event, and the built-in page, text or file stays.
    #[must_use]
    pub fn load(folder: Option<&Path>, portal: &str, telemetry: &Arc<Telemetry>) -> Self {
        let tell = |name: &str, problem: &str| telemetry.emit(&Event::Template { name, problem });
        let (mut languages, mut assets) = (Languages::built_in(), Assets::built_in());
        let mut sources = BTreeMap::new();
        if let Some(folder) = folder {
            if !folder.is_dir() {
                tell("pages", "expected a folder; the built-in pages are used");
            }
            sources = read_texts(folder, "html", &tell);
            for (name, text) in read_texts(&folder.join("messages"), "ftl", &tell) {
                if let Err(problem) = languages.add(name.trim_end_matches(".ftl"), &text) {
                    tell(&name, &problem);
                }
            }
            for (name, problem) in assets.add_folder(&folder.join("static")) {
                tell(&name, problem);
            }
        }
        sources.retain(|name, text| sound(name, text, &tell));
        let style = assets.text("portal.css").filter(|text| !text.contains("</")).map(str::to_owned);
        let style = style.unwrap_or_else(|| include_str!("static/portal.css").to_owned());
        let (languages, assets) = (Arc::new(languages), Arc::new(assets));
        let own = (!sources.is_empty()).then(|| environment(sources, &languages, &assets));
        Self {
            built_in: environment(BTreeMap::new(), &languages, &assets),
            own,
            failed: Mutex::new(BTreeSet::new()),
            standalone_policy: standalone_policy(&style),
            languages,
            assets,
            portal: portal.to_owned(),
            style,
            telemetry: Arc::clone(telemetry),
        }
    }

    /// The codes of the languages that the pages speak.
    #[must_use]
    pub fn language_codes(&self) -> Vec<String> {
        self.languages.names().map(|(code, _)| code.to_owned()).collect()
    }

    pub(super) fn languages(&self) -> &Languages {
        &self.languages
    }

    pub(super) fn assets(&self) -> &Assets {
        &self.assets
    }

    /// Renders the template `name`.
    pub(super) fn render(&self, name: &'static str, language: Chosen, more: Value) -> String {
        let all = context! {
            lang => self.languages.code(language),
            dir => self.languages.direction(language),
            ..more
        };
        if let Some(own) = self.own.as_ref().filter(|_| !self.failed.lock().contains(name)) {
            match own.get_template(name).and_then(|t| t.render(all.clone())) {
                Ok(text) => return text,
                Err(error) => self.give_up(name, &error),
            }
        }
        // The built-in templates are rendered by tests; should one fail all the same, the reader still gets a page.
        let text = self.built_in.get_template(name).and_then(|t| t.render(all));
        text.unwrap_or_else(|_| {
            "<!DOCTYPE html><html lang=\"en\"><title>Problem</title><h1>Problem</h1></html>".to_owned()
        })
    }

    /// A page without the portal's frame.
    pub(super) fn bare(&self, name: &'static str, language: Chosen, more: Value) -> String {
        self.render(name, language, context! { submit => Value::from_safe_string(FORM_POST.to_owned()), ..more })
    }

    /// Tells once that a library's template failed. The error's own text could hold a value from the page.
    fn give_up(&self, name: &'static str, error: &Error) {
        if self.failed.lock().insert(name) {
            let place = error.name().unwrap_or(name);
            let problem = format!("{} (line {})", error.kind(), error.line().unwrap_or(0));
            self.telemetry.emit(&Event::Template { name: place, problem: &problem });
        }
    }

    /// A problem page that stands alone: it needs no other file, so it can be shown on any host. The response carries
    /// the page's code as the extension [`Correlation`].
    #[must_use]
    pub fn problem(&self, problem: ProblemPage, accept_language: Option<&str>) -> http::Response<String> {
        let language = self.languages.choose(None, accept_language);
        let nameless = problem == ProblemPage::UnknownHost;
        let site = if nameless { "problem-unknown-host-title" } else { "site-name" };
        let code = Correlation::new();
        let text = self.render(
            "problem.html",
            language,
            context! {
                style => self.style.as_str(),
                here => "",
                site => self.languages.text(self.languages.code(language), site, None),
                portal => if nameless { Value::UNDEFINED } else { Value::from(self.portal.as_str()) },
                ..problem_context(problem, &code)
            },
        );
        let mut response = http::Response::new(text);
        *response.status_mut() = problem.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        if let Ok(tag) = HeaderValue::from_str(self.languages.code(language)) {
            headers.insert(CONTENT_LANGUAGE, tag);
        }
        problem_headers(headers, problem);
        secure(headers, &self.standalone_policy);
        response.extensions_mut().insert(code);
        response
    }
}

/// What `problem.html` needs to know of a problem.
pub(super) fn problem_context(problem: ProblemPage, code: &Correlation) -> Value {
    context! {
        problem => problem.messages(),
        reason => problem.reason(),
        sign_in => problem.asks_to_sign_in(),
        code => code.0.as_str(),
    }
}

/// Fields that a problem's status calls for.
pub(super) fn problem_headers(headers: &mut HeaderMap, problem: ProblemPage) {
    if let Some(seconds) = problem.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem == ProblemPage::SignInAgain {
        headers.insert(WWW_AUTHENTICATE, FORM_CHALLENGE);
    }
}

/// RFC 9110 §15.5.2 wants a challenge with every 401; browsers pass over schemes that they do not know.
pub(super) const FORM_CHALLENGE: HeaderValue = HeaderValue::from_static("Form realm=\"library\"");

fn standalone_policy(style: &str) -> String {
    let style = source_of(style);
    format!("default-src 'none'; style-src {style}; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
}

/// The texts of a folder's files with this extension, by file name.
fn read_texts(folder: &Path, extension: &str, tell: &impl Fn(&str, &str)) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != extension) {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        match std::fs::read_to_string(&path) {
            Ok(text) => drop(texts.insert(name, text)),
            Err(_) => tell(&name, "expected a readable file in UTF-8"),
        }
    }
    texts
}

/// Whether a template can be read at all; tells when not.
fn sound(name: &str, text: &str, tell: &impl Fn(&str, &str)) -> bool {
    let problem = Environment::new().template_from_named_str(name, text).err();
    if let Some(problem) = &problem {
        tell(name, &problem.to_string());
    }
    problem.is_none()
}

/// Own templates first, then the built-in ones, which are also there as `builtin/NAME` for own ones to extend.
fn environment(
    own: BTreeMap<String, String>,
    languages: &Arc<Languages>,
    assets: &Arc<Assets>,
) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_formatter(escape);
    environment.set_loader(move |name| {
        let built_in = |name: &str| BUILT_IN.into_iter().find(|(n, _)| *n == name).map(|(_, text)| text.to_owned());
        Ok(match name.strip_prefix("builtin/") {
            Some(name) => built_in(name),
            None => own.get(name).cloned().or_else(|| built_in(name)),
        })
    });
    let languages = Arc::clone(languages);
    environment.add_function("t", move |state: &State<'_, '_>, id: &str, args: Kwargs| {
        translate(&languages, state, id, &args)
    });
    let assets = Arc::clone(assets);
    environment.add_function("asset", move |name: &str| {
        let path = assets.path(name).map(str::to_owned);
        path.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "there is no such file"))
    });
    environment
}

/// Escapes as the engine does, but leaves `/` as it is: attributes here are always quoted, and addresses stay legible.
fn escape(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let plain = value.as_str().filter(|_| !value.is_safe() && *state.auto_escape() == AutoEscape::Html);
    let Some(mut rest) = plain else { return escape_formatter(out, state, value) };
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (clean, special) = rest.split_at(at);
        let entity = match special.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'"') => "&quot;",
            _ => "&#39;",
        };
        out.write_str(clean)?;
        out.write_str(entity)?;
        rest = special.get(1..).unwrap_or("");
    }
    out.write_str(rest)?;
    Ok(())
}

fn translate(languages: &Languages, state: &State<'_, '_>, id: &str, given: &Kwargs) -> Result<String, Error> {
    let mut args = FluentArgs::new();
    for name in given.args() {
        let value: Value = given.get(name)?;
        args.set(name.to_owned(), FluentValue::from(value.to_string()));
    }
    let lang = state.lookup("lang");
    let lang = lang.as_ref().and_then(Value::as_str).unwrap_or("en");
    let text = languages.text(lang, id, Some(&args));
    text.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "there is no such message, or a value is missing in it"))
}

/// The built-in templates, for tests.
#[cfg(test)]
pub(super) fn templates() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN.into_iter()
}
