//! The pages of a vendor that signs readers in.
use super::super::pages::{bytes, escape, layout, links, sentence, table, told};
use super::desk::Reader;

/// The first page, for somebody who is signed in.
pub(super) fn welcome(name: &str, reader: &Reader, received: &[u8]) -> String {
    let came: String = reader.came.iter().map(|(what, raw)| bytes(&escape(what), raw)).collect();
    let content = format!(
        "<h1>Welcome to {name}</h1>\
         <p>This is a make-believe vendor. Your library has signed you in here.</p>\
         <p class=\"told\">{sentence}</p>{reading}\
         <nav aria-label=\"You\"><ul><li><a href=\"/login?prompt=login\">Sign in anew</a></li>\
         <li><a href=\"/logout\">Sign out</a></li></ul></nav>\
         {id_token}{userinfo}{told}{came}",
        name = escape(name),
        sentence = sentence(&reader.claims),
        reading = links(1..=3),
        id_token = table("The ID token", "Every claim, after the signature was checked", &reader.claims),
        userinfo = table("The user information", "Every claim that your library gave when asked", &reader.userinfo),
        told = told("Every byte of your request just now, as it came", received),
    );
    layout(&format!("Welcome to {name}"), name, &content)
}

/// The page after signing out by way of the portal.
pub(super) fn goodbye(name: &str, known: bool) -> String {
    let how =
        if known { "Your library has brought you back." } else { "Nobody here was expected back from signing out." };
    let content =
        format!("<h1>You have signed out</h1><p>{how}</p><p><a href=\"/\">The first page of {}</a></p>", escape(name));
    layout("Signed out", name, &content)
}
