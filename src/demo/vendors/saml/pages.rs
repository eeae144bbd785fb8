//! The pages of a vendor that signs readers in over SAML.
use super::super::pages::{bytes, escape, layout, links, sentence, table, told};
use super::desk::Reader;

/// The first page, for somebody who is signed in.
pub(super) fn welcome(name: &str, reader: &Reader, received: &[u8]) -> String {
    let content = format!(
        "<h1>Welcome to {name}</h1>\
         <p>This is a make-believe vendor. Your library has signed you in here.</p>\
         <p class=\"told\">{sentence}</p>{reading}\
         <nav aria-label=\"You\"><ul><li><a href=\"/login?force=true\">Sign in anew</a></li>\
         <li><a href=\"/logout\">Sign out</a></li></ul></nav>{table}{told}{came}{assertion}",
        name = escape(name),
        sentence = sentence(&reader.known),
        reading = links(1..=3),
        table = table("The assertion", "All that it says, after its signatures were checked", &reader.told),
        told = told("Every byte of your request just now, as it came", received),
        came = bytes("Your browser brought this from your library", &reader.came),
        assertion = bytes("The assertion in it, decrypted if need be", reader.assertion.as_bytes()),
    );
    layout(&format!("Welcome to {name}"), name, &content)
}

/// A page that carries a request to the portal by itself, or at a push where there are no scripts.
pub(super) fn onward(name: &str, action: &str, fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().fold(String::new(), |inputs, (field, value)| {
        format!("{inputs}<input type=\"hidden\" name=\"{field}\" value=\"{}\">", escape(value))
    });
    let content = format!(
        "<h1>On to your library</h1><p>Your library signs you in.</p>\
         <form method=\"post\" action=\"{action}\">{fields}<button>Go on</button></form>\
         <script>document.forms[0].submit()</script>",
        action = escape(action),
    );
    layout("On to your library", name, &content)
}

/// The page after signing out by way of the portal.
pub(super) fn goodbye(name: &str, whole: bool) -> String {
    let how = if whole {
        "Your library has brought you back, and has ended your session everywhere."
    } else {
        "Your library has brought you back. It could not end your session everywhere."
    };
    let content =
        format!("<h1>You have signed out</h1><p>{how}</p><p><a href=\"/\">The first page of {}</a></p>", escape(name));
    layout("Signed out", name, &content)
}
