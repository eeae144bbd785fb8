//! Names in a tree that two readers could take for different things: namespaces, prefixes, IDs.
use super::super::names::{DS, MD, SAML, SAMLP, XENC};
use super::{Malformed, XML, is_id};
use uppsala::Element;

/// Prefixes that mean one thing to whoever looks at names with their prefix.
const WELL_KNOWN: &[(&str, &str)] = &[
    ("ds", DS),
    ("dsig", DS),
    ("xenc", XENC),
    ("saml", SAML),
    ("saml2", SAML),
    ("samlp", SAMLP),
    ("saml2p", SAMLP),
    ("md", MD),
];

/// What one reader or another takes for an ID.
const IDS: &[&str] = &["ID", "Id", "id", "AssertionID"];

/// In a message, prefixes mean what they always mean, and there are no IDs but those of the schemas: `ID`, and `Id` of
/// signatures and encrypted things.
pub(super) fn of_message(element: &Element<'_>) -> Result<(), Malformed> {
    of_any(element)?;
    let odd = |(prefix, uri): &(_, _)| WELL_KNOWN.iter().any(|(known, means)| known == prefix && means != uri);
    if element.namespace_declarations.iter().any(|(prefix, uri)| odd(&(&**prefix, &**uri))) {
        return Err(Malformed::Namespace);
    }
    let signature = element.name.namespace_uri.as_deref().is_some_and(|uri| uri == DS || uri.starts_with(XENC));
    for attribute in &element.attributes {
        let name = &*attribute.name.local_name;
        let plain = attribute.name.namespace_uri.is_none();
        let schema = plain && (name == "ID" && !signature || name == "Id" && signature);
        if name.eq_ignore_ascii_case("id") && !(schema && is_id(&attribute.value)) {
            return Err(Malformed::Id);
        }
    }
    Ok(())
}

/// In metadata, extensions may have attributes of their own called `id`.
pub(super) fn of_metadata(element: &Element<'_>) -> Result<(), Malformed> {
    of_any(element)?;
    let ids = element.attributes.iter().filter(|attribute| attribute.name.namespace_uri.is_none());
    let wrong = |name: &str, value: &str| matches!(name, "ID" | "Id") && !is_id(value);
    if ids.into_iter().any(|attribute| wrong(&attribute.name.local_name, &attribute.value)) {
        return Err(Malformed::Id);
    }
    Ok(())
}

fn of_any(element: &Element<'_>) -> Result<(), Malformed> {
    for (prefix, uri) in &element.namespace_declarations {
        let absolute = is_absolute(uri) || uri.is_empty() && prefix.is_empty();
        let reserved = prefix == "xmlns" || (prefix == "xml") != (uri == XML) || uri == "http://www.w3.org/2000/xmlns/";
        if !absolute || reserved {
            return Err(Malformed::Namespace);
        }
    }
    let named = element.attributes.iter().filter(|attribute| attribute.name.namespace_uri.is_some());
    for (at, attribute) in named.clone().enumerate() {
        let same = |other: &uppsala::Attribute<'_>| {
            other.name.local_name == attribute.name.local_name
                && other.name.namespace_uri == attribute.name.namespace_uri
        };
        if named.clone().skip(at + 1).any(same) {
            return Err(Malformed::Syntax);
        }
    }
    Ok(())
}

/// Every value of an element that some reader takes for an ID.
pub(super) fn ids<'e>(element: &'e Element<'_>) -> impl Iterator<Item = &'e str> {
    let ids = element.attributes.iter().filter(|attribute| match attribute.name.namespace_uri.as_deref() {
        None => IDS.contains(&&*attribute.name.local_name),
        Some(XML) => attribute.name.local_name == "id",
        Some(_) => false,
    });
    ids.map(|attribute| &*attribute.value)
}

/// Whether a URI has a scheme (RFC 3986 §3.1). Canonicalisation of a relative one is not defined (Exclusive XML
/// Canonicalization 1.0 §1.3), and readers differ.
fn is_absolute(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(sound)
        && !rest.is_empty()
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Letters of names beyond ASCII (XML 1.0 §2.3, fifth edition).
pub(super) const fn is_far_letter(c: char) -> bool {
    matches!(c,
        '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
        | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}
