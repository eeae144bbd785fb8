//! Languages: message files in Fluent, and which language a reader gets. English and Spanish are built in; a library may
//! change single messages or add languages in `messages/LANGUAGE.ftl` of its folder.
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use fluent_langneg::{NegotiationStrategy, negotiate_languages};
use std::sync::Arc;
use unic_langid::{CharacterDirection, LanguageIdentifier};

/// The languages that are built in; the first is what everything falls back to.
pub(super) const BUILT_IN: [(&str, &str); 2] =
    [("en", include_str!("messages/en.ftl")), ("es", include_str!("messages/es.ftl"))];

/// One language.
struct Language {
    id: LanguageIdentifier,
    code: String,
    bundle: FluentBundle<Arc<FluentResource>>,
}

/// Which language; good for the [`Languages`] that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen(usize);

/// All languages of one configuration.
pub(super) struct Languages {
    all: Vec<Language>,
    ids: Vec<LanguageIdentifier>,
}

impl Languages {
    /// The built-in languages.
    pub(super) fn built_in() -> Self {
        let mut languages = Self { all: Vec::new(), ids: Vec::new() };
        for (code, text) in BUILT_IN {
            // A test reads both files without a problem.
            languages.add(code, text).unwrap_or(());
        }
        languages
    }

    /// Adds messages in the language `code`; they win over those that are there already.
    pub(super) fn add(&mut self, code: &str, text: &str) -> Result<(), String> {
        let id: LanguageIdentifier = code.parse().map_err(|_| "expected a name such as `fr.ftl`".to_owned())?;
        let resource = FluentResource::try_new(text.to_owned())
            .map_err(|(_, problems)| problems.first().map_or_else(String::new, ToString::to_string))?;
        if !self.ids.contains(&id) {
            let mut bundle = FluentBundle::new_concurrent(vec![id.clone()]);
            // Isolation marks matter where directions mix; elsewhere they are only noise in titles and addresses.
            bundle.set_use_isolating(id.character_direction() == CharacterDirection::RTL);
            self.all.push(Language { code: id.to_string(), id: id.clone(), bundle });
            self.ids.push(id.clone());
        }
        if let Some(language) = self.all.iter_mut().find(|l| l.id == id) {
            language.bundle.add_resource_overriding(Arc::new(resource));
        }
        Ok(())
    }

    /// The language for a reader: the one chosen by hand, else the best of `Accept-Language` (RFC 9110 §12.5.4).
    pub(super) fn choose(&self, by_hand: Option<&str>, accept: Option<&str>) -> Chosen {
        if let Some(chosen) = by_hand.and_then(|code| self.by_code(code)) {
            return chosen;
        }
        let wanted = accept.map(preferences).unwrap_or_default();
        let best = negotiate_languages(&wanted, &self.ids, None, NegotiationStrategy::Lookup);
        let index = best.first().and_then(|id| self.ids.iter().position(|known| known == *id));
        Chosen(index.unwrap_or(0))
    }

    /// The language `code`, when there is one.
    pub(super) fn by_code(&self, code: &str) -> Option<Chosen> {
        self.all.iter().position(|l| l.code == code).map(Chosen)
    }

    /// The language's tag for `lang` and `Content-Language`.
    pub(super) fn code(&self, chosen: Chosen) -> &str {
        self.all.get(chosen.0).map_or("en", |l| l.code.as_str())
    }

    /// `ltr` or `rtl`.
    pub(super) fn direction(&self, chosen: Chosen) -> &'static str {
        let rtl = self.ids.get(chosen.0).is_some_and(|id| id.character_direction() == CharacterDirection::RTL);
        if rtl { "rtl" } else { "ltr" }
    }

    /// Every language's code and its own name for itself.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, String)> {
        self.all.iter().map(|l| {
            let name = format(l, "language-name", None);
            (l.code.as_str(), name.unwrap_or_else(|| l.code.clone()))
        })
    }

    /// The message `id`, in English where the language lacks it; `None` when there is no such message.
    pub(super) fn text(&self, code: &str, id: &str, args: Option<&FluentArgs<'_>>) -> Option<String> {
        let own = self.all.iter().find(|l| l.code == code).and_then(|l| format(l, id, args));
        own.or_else(|| self.all.first().and_then(|l| format(l, id, args)))
    }
}

fn format(language: &Language, id: &str, args: Option<&FluentArgs<'_>>) -> Option<String> {
    let pattern = language.bundle.get_message(id)?.value()?;
    let mut problems = Vec::new();
    let text = language.bundle.format_pattern(pattern, args, &mut problems);
    problems.is_empty().then(|| text.into_owned())
}

/// The tags of an `Accept-Language` field, best first. The negotiation takes the order and ignores weights, so the
/// weights are applied here.
fn preferences(field: &str) -> Vec<LanguageIdentifier> {
    let mut weighed: Vec<(u16, LanguageIdentifier)> = field.split(',').take(20).filter_map(weigh).collect();
    weighed.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    weighed.into_iter().map(|(_, id)| id).collect()
}

/// One range with its weight in thousandths; `None` when it is malformed, refused (`q=0`) or `*`.
fn weigh(part: &str) -> Option<(u16, LanguageIdentifier)> {
    let mut pieces = part.split(';').map(str::trim);
    let id = pieces.next()?.parse().ok()?;
    let weight = match pieces.next() {
        None => 1000,
        Some(q) => thousandths(q.strip_prefix("q=").or_else(|| q.strip_prefix("Q="))?)?,
    };
    (weight > 0).then_some((weight, id))
}

/// Reads a qvalue (RFC 9110 §12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match (whole, part) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn chosen(accept: &str) -> String {
        let languages = Languages::built_in();
        languages.code(languages.choose(None, Some(accept))).to_owned()
    }

    #[test]
    fn the_best_language_by_weight_is_chosen() {
        for (accept, code) in [
            ("", "en"),
            ("es", "es"),
            ("es-MX,es;q=0.9,en;q=0.8", "es"),
            ("en;q=0.1, es;q=0.2", "es"),
            ("es;q=0, en;q=0.001", "en"),
            ("fr, es;q=0.5", "es"),
            ("fr", "en"),
            ("ES", "es"),
            ("*", "en"),
            ("es;q=2, nonsense;;;,\u{7f}", "en"),
            ("en-GB, es", "en"),
        ] {
            assert_eq!(chosen(accept), code, "{accept}");
        }
    }

    #[test]
    fn a_choice_by_hand_wins_when_it_exists() {
        let languages = Languages::built_in();
        assert_eq!(languages.code(languages.choose(Some("es"), Some("en"))), "es");
        assert_eq!(languages.code(languages.choose(Some("xx"), Some("es"))), "es");
    }

    /// Every message with the variables that it uses.
    fn messages(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut found = BTreeMap::<String, BTreeSet<String>>::new();
        let mut current = String::new();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            if let Some((id, _)) = line.split_once(" =").filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
            {
                current = id.to_owned();
                found.entry(current.clone()).or_default();
            }
            for piece in line.split('$').skip(1) {
                let name = piece.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
                found.get_mut(&current).unwrap().insert(name.to_owned());
            }
        }
        found
    }

    #[test]
    fn every_language_has_every_message_with_the_same_variables() {
        let [(_, english), rest @ ..] = BUILT_IN;
        for (code, text) in rest {
            assert_eq!(messages(english), messages(text), "{code}");
        }
        for (code, text) in BUILT_IN {
            assert!(Languages { all: vec![], ids: vec![] }.add(code, text).is_ok(), "{code}");
            assert_eq!(
                text.lines().filter(|l| l.contains(" = ") && !l.starts_with([' ', '#'])).count(),
                messages(text).len()
            );
        }
    }

    #[test]
    fn a_library_changes_a_message_and_adds_a_language() {
        let mut languages = Languages::built_in();
        languages.add("en", "signin-title = Come in\n").unwrap();
        languages.add("ar", "signin-title = تسجيل الدخول\n").unwrap();
        assert_eq!(languages.text("en", "signin-title", None).unwrap(), "Come in");
        let arabic = languages.choose(None, Some("ar"));
        assert_eq!(languages.direction(arabic), "rtl");
        assert!(languages.text("ar", "signin-title", None).unwrap().starts_with('ت'));
        assert_eq!(languages.text("ar", "signin-card", None), languages.text("en", "signin-card", None));
        assert!(languages.add("en", "signin-title").is_err());
        assert!(languages.add("not a language", "").is_err());
        assert!(languages.text("en", "no-such-message", None).is_none());
    }
}
