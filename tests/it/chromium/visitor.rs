//! What a reader does with a browser: look, type, press keys, go on. Nothing here waits for a time; it waits for what
//! ought to appear.
use super::driver::{Chromium, Scripts};
use crate::support::World;
use fantoccini::Locator;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use serde_json::Value;
use std::time::Duration;

/// A reader at a browser.
pub(crate) struct Visitor<'w> {
    pub(crate) world: &'w World,
    pub(crate) chromium: Chromium,
}

impl<'w> Visitor<'w> {
    pub(super) async fn new(world: &'w World, scripts: Scripts) -> Self {
        Self { world, chromium: Chromium::start(world, scripts).await }
    }

    pub(crate) async fn open(&self, url: &str) {
        // On a busy machine the browser gives up on a connection that would have been taken a moment later.
        for _ in 0..20 {
            match self.chromium.client.goto(url).await {
                Err(error) if error.to_string().contains("ERR_CONNECTION_REFUSED") => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                opened => return opened.unwrap(),
            }
        }
        panic!("nobody answers at {url}");
    }

    /// Opens a page of the portal.
    pub(crate) async fn portal(&self, path: &str) {
        self.open(&format!("{}{path}", self.world.portal())).await;
    }

    pub(crate) async fn address(&self) -> url::Url {
        self.chromium.client.current_url().await.unwrap()
    }

    /// Waits for what a selector names.
    pub(crate) async fn see(&self, css: &str) -> Element {
        let wait = self.chromium.client.wait().at_most(Duration::from_secs(20));
        match wait.for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => {
                let (at, page) = (self.address().await, self.text().await);
                panic!("no `{css}` at {at} ({error}): {page}")
            }
        }
    }

    /// Waits for a page with this heading.
    pub(crate) async fn see_heading(&self, heading: &str) {
        let path = format!("//h1[normalize-space()='{heading}']");
        let wait = self.chromium.client.wait().at_most(Duration::from_secs(20));
        let found = wait.for_element(Locator::XPath(&path)).await.is_ok();
        let page = if found { String::new() } else { format!("{}: {}", self.address().await, self.text().await) };
        assert!(found, "no heading `{heading}` at {page}");
    }

    /// What the page says.
    pub(crate) async fn text(&self) -> String {
        // A page may go on by itself between the two questions.
        for _ in 0..20 {
            let body = self.chromium.client.find(Locator::Css("body")).await.unwrap();
            match body.text().await {
                Err(error) if error.is_stale_element_reference() => {}
                said => return said.unwrap(),
            }
        }
        panic!("no page stays long enough to be read");
    }

    pub(crate) async fn text_of(&self, css: &str) -> String {
        for _ in 0..20 {
            match self.see(css).await.text().await {
                Err(error) if error.is_stale_element_reference() => {}
                said => return said.unwrap(),
            }
        }
        panic!("`{css}` does not stay long enough to be read");
    }

    /// Clicks what a selector names. The browser may still be on its way to the page that has it: what it saw on the page
    /// before is gone then, and was not clicked.
    pub(crate) async fn click(&self, css: &str) {
        for _ in 0..20 {
            match self.see(css).await.click().await {
                Err(error) if error.is_stale_element_reference() => {}
                clicked => return clicked.unwrap(),
            }
        }
        panic!("`{css}` does not stay long enough to be clicked");
    }

    /// Presses keys on the keyboard, one after the other.
    pub(super) async fn press(&self, keys: impl IntoIterator<Item = char>) {
        let strokes = keys.into_iter().flat_map(|value| [KeyAction::Down { value }, KeyAction::Up { value }]);
        let actions = strokes.fold(KeyActions::new("keyboard".to_owned()), InputSource::then);
        self.chromium.client.perform_actions(actions).await.unwrap();
    }

    pub(super) async fn enter(&self) {
        self.press([Key::Enter.into()]).await;
    }

    /// Presses Tab until the focus is on what a selector names, and sees that the focus shows.
    pub(super) async fn tab_to(&self, css: &str) {
        let wanted = self.see(css).await.element_id();
        for _ in 0..30 {
            let active = self.chromium.client.active_element().await.unwrap();
            if active.element_id() == wanted {
                let outline = active.css_value("outline-style").await.unwrap();
                assert_ne!(outline, "none", "the focus on `{css}` shows");
                return;
            }
            self.press([Key::Tab.into()]).await;
        }
        panic!("the keyboard does not reach `{css}` at {}", self.address().await);
    }

    /// Fills the sign-in form and sends it.
    pub(crate) async fn submit_card(&self, (library, card, pin): (&str, &str, &str)) {
        self.see("#library").await.select_by_value(library).await.unwrap();
        for (field, value) in [("#card", card), ("#pin", pin)] {
            let field = self.see(field).await;
            field.clear().await.unwrap();
            field.send_keys(value).await.unwrap();
        }
        self.click("main button[type=submit]").await;
    }

    /// Fills the sign-in form for one of the world's patrons and sends it.
    pub(crate) async fn submit(&self, patron: &Value) {
        self.submit_card((text(patron, "library"), text(patron, "card"), text(patron, "pin"))).await;
    }

    /// Signs out, from wherever the reader is.
    pub(crate) async fn sign_out(&self) {
        self.portal("/logout").await;
        self.click("main button[type=submit]").await;
        self.see_heading("Signed out").await;
    }
}

/// A string of a JSON object.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap()
}
