//! Forms that lead to another site. A script posts them where there is one; here the browser is told to.
use super::browser::{Browser, Page};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, ORIGIN};
use url::Url;

/// A form: its address, and its hidden fields.
pub struct Form {
    pub action: Url,
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// The first of a page.
    pub fn of(page: &Page) -> Option<Self> {
        Self::all(page).into_iter().next()
    }

    /// All of a page.
    pub fn all(page: &Page) -> Vec<Self> {
        let text = page.text();
        let forms = text.split("<form").skip(1);
        let form = |form: &str| {
            let (head, rest) = form.split_once('>')?;
            let inside = rest.split("</form>").next()?;
            let action = page.url.join(&attribute(head, "action").unwrap_or_default()).ok()?;
            let inputs = inside.split("<input").skip(1).filter_map(|input| input.split('>').next());
            let hidden = inputs.filter(|input| attribute(input, "type").as_deref() == Some("hidden"));
            let fields = hidden.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)));
            Some(Self { action, fields: fields.collect() })
        };
        forms.filter_map(form).collect()
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The value of an attribute in a tag.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let wanted = format!("{name}=\"");
    let mut starts = tag.match_indices(&wanted).map(|(at, _)| at);
    let at = starts.find(|at| tag[..*at].ends_with(char::is_whitespace))?;
    let value = tag[at..].split('"').nth(1)?;
    Some(unescaped(value))
}

/// Text of HTML or XML as it was meant.
pub fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, later) = after.split_once(';').unwrap_or_else(|| panic!("no reference: {text}"));
        plain.push_str(before);
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "colon" => ':',
            number => {
                let number = number.strip_prefix('#').unwrap_or_else(|| panic!("`{number}` in {text}"));
                let code = number
                    .strip_prefix(['x', 'X'])
                    .map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
                code.and_then(char::from_u32).unwrap()
            }
        });
        rest = later;
    }
    plain + rest
}

impl Page {
    /// The form that leads to another site.
    pub fn outward_form(&self) -> Option<Form> {
        Form::all(self).into_iter().find(|form| form.action.origin() != self.url.origin())
    }
}

impl Form {
    /// Sends it as it is.
    pub async fn send(&self, browser: &mut Browser) -> Page {
        let fields: Vec<_> = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post(self.action.as_str(), &fields).await
    }
}

impl Browser {
    /// Posts a form as a page of another site does, and goes where that leads.
    pub async fn post_outward(&mut self, form: &Form) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        let request = Request::post(form.action.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ORIGIN, "null")
            .header("sec-fetch-site", "cross-site");
        let page = self.send(request.body(Bytes::from(body)).unwrap()).await;
        self.follow(page).await
    }

    /// Posts forms that lead to another site, until there are no more.
    pub async fn go_on(&mut self, mut page: Page) -> Page {
        for _ in 0..4 {
            let Some(form) = page.outward_form() else { return page };
            page = self.post_outward(&form).await;
        }
        panic!("one form after the other, at last at {}", page.url);
    }

    /// Follows redirects and posts forms.
    pub async fn visit_by_forms(&mut self, url: &str) -> Page {
        let page = self.visit(url).await;
        self.go_on(page).await
    }
}
