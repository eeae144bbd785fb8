//! The pages of a make-believe vendor. They work without scripts, and fetch nothing from anywhere.
use super::claims::Claims;
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = "\
body{font:1.0625rem/1.6 system-ui,sans-serif;color:#1d1b26;background:#fbfaf7;margin:0;overflow-wrap:break-word}\
header p,main,footer{max-width:48rem;margin:0 auto;padding:.75rem 1rem}\
header{background:#4a2a80;color:#fff}header p{font-weight:600}main{padding-block:1.5rem}\
footer{color:#55505f;font-size:.95rem}\
h1{font-size:1.75rem;line-height:1.25;margin:0 0 1rem}h2{font-size:1.25rem;margin:2.25rem 0 .5rem}\
a{color:#4a2a80}a:focus-visible{outline:.2rem solid #b35900;outline-offset:.1rem}\
nav ul{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.75rem}\
nav a{display:block;padding:.4rem 1rem;border:1px solid #8a8594;border-radius:6px;background:#fff}\
table{border-collapse:collapse;width:100%}\
caption{text-align:left;font-weight:600;padding:.5rem 0}\
th,td{text-align:left;vertical-align:top;border-bottom:1px solid #d5d0de;padding:.45rem .6rem;overflow-wrap:anywhere}\
thead th{background:#efecf5}tbody th{font-weight:400;width:38%}\
code,td,pre{font-family:ui-monospace,monospace;font-size:.95em;overflow-wrap:anywhere}\
pre{white-space:pre-wrap;background:#fff;padding:1rem;border:1px solid #d5d0de;border-left:.3rem solid #4a2a80;border-radius:4px}\
.told{font-size:1.2rem;background:#efecf5;border-radius:8px;padding:1rem 1.25rem}";

/// The first page, for somebody entitled.
pub(super) fn welcome(name: &str, claims: &Claims, received: &[u8]) -> String {
    let content = format!(
        "<h1>Welcome to {name}</h1>\
         <p>This is a make-believe vendor. It has checked your library's word and lets you in.</p>\
         <p class=\"told\">{sentence}</p>{reading}{table}{received}",
        name = escape(name),
        sentence = sentence(claims),
        reading = links(1..=3),
        table = table("The assertion", "Every claim, after the signature was checked", claims),
        received = told("Every byte of your request, as it came", received),
    );
    layout(&format!("Welcome to {name}"), name, &content)
}

/// An article, for somebody entitled.
pub(super) fn article(name: &str, claims: &Claims, number: u32) -> String {
    let next = number.saturating_add(1);
    let content = format!(
        "<h1>Article {number}</h1>\
         <p>Here would stand what the library pays for. It is shown to {who}.</p>\
         {more}<p><a href=\"/\">What this vendor was told about you</a></p>",
        who = holder(claims),
        more = links(next..=next.saturating_add(2)),
    );
    layout(&format!("Article {number}"), name, &content)
}

/// The page for somebody without a valid assertion.
pub(super) fn stranger(name: &str, why: &str, received: &[u8]) -> String {
    let content = format!(
        "<h1>{name} does not know your library</h1>\
         <p>There was no valid assertion with your request: {why}. Please come in through your library.</p>{received}",
        name = escape(name),
        why = escape(why),
        received = told("Every byte of your request, as it came", received),
    );
    layout("No valid assertion", name, &content)
}

/// The first page, for somebody who is not signed in.
pub(super) fn not_signed_in(name: &str, issuer: &str) -> String {
    let content = format!(
        "<h1>{name} does not know you</h1>\
         <p><a href=\"/login\">Sign in with your library</a>, which is {issuer}.</p>",
        name = escape(name),
        issuer = escape(issuer),
    );
    layout("Not signed in", name, &content)
}

/// The page for an address that does not exist.
pub(super) fn nowhere(name: &str) -> String {
    layout("No such page", name, "<h1>No such page</h1><p><a href=\"/\">Go to the first page</a></p>")
}

/// A page around its content.
pub(super) fn layout(title: &str, name: &str, content: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\
         <body><header><p>{name}, a make-believe vendor</p></header><main>{content}</main>\
         <footer><p>Part of the Vestibule demo. Nobody here exists.</p></footer></body></html>\n",
        title = escape(title),
        name = escape(name),
    )
}

/// Links to articles.
pub(super) fn links(numbers: impl Iterator<Item = u32>) -> String {
    let mut list = String::from("<nav aria-label=\"Articles\"><ul>");
    for number in numbers {
        // Writing to a string cannot fail.
        let _ = write!(list, "<li><a href=\"/article/{number}\">Article {number}</a></li>");
    }
    list + "</ul></nav>"
}

/// Who the vendor thinks is reading, in one sentence.
pub(super) fn sentence(claims: &Claims) -> String {
    let issuer = escape(claims.text("iss").unwrap_or("Somebody"));
    match claims.text("sub") {
        Some(subject) => format!(
            "{issuer} tells me that you are {}, whom I know only as <code>{}</code>.",
            holder(claims),
            escape(subject)
        ),
        None => format!("{issuer} tells me that you are {}. I know nothing else of you.", holder(claims)),
    }
}

/// What kind of reader, in a few words.
pub(super) fn holder(claims: &Claims) -> String {
    let entitled = if claims.texts("eduperson_entitlement").is_empty() { "a" } else { "an entitled" };
    let scoped = claims.text("eduperson_scoped_affiliation").and_then(|a| a.split_once('@'));
    match scoped {
        Some((affiliation, scope)) => format!("{entitled} {} of {}", escape(affiliation), escape(scope)),
        None => format!("{entitled} reader of an unnamed library"),
    }
}

/// All claims.
pub(super) fn table(heading: &str, caption: &str, claims: &Claims) -> String {
    let mut rows = String::new();
    for (claim, value) in claims.all() {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // Writing to a string cannot fail.
        let _ = write!(rows, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(claim), escape(&value));
    }
    format!(
        "<h2>{heading}</h2><table><caption>{caption}</caption>\
         <thead><tr><th scope=\"col\">Claim</th><th scope=\"col\">Value</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

/// What came, byte by byte.
pub(super) fn told(what: &str, received: &[u8]) -> String {
    format!("<h2>What this vendor was told about you</h2>{}", bytes(what, received))
}

/// Bytes with a line that says what they are.
pub(super) fn bytes(what: &str, received: &[u8]) -> String {
    format!("<p>{what} ({} bytes):</p><pre>{}</pre>", received.len(), escape(&String::from_utf8_lossy(received)))
}

/// Text as it may stand in a page.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\r' => {}
            c => safe.push(c),
        }
    }
    safe
}
