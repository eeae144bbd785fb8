//! The builder against a canonicaliser of others: what is written is what canonicalising the parsed text gives.
use super::*;
use bergshamra::c14n::{C14nMode, canonicalize};
use proptest::prelude::*;

/// The text as exclusive canonicalisation of the parsed document has it.
pub(in crate::protocol::saml) fn canonicalised(text: &str) -> String {
    let nothing: [&str; 0] = [];
    String::from_utf8(canonicalize(text, C14nMode::Exclusive, None, &nothing).unwrap()).unwrap()
}

/// Any text, with what matters to XML far more often than chance would have it.
pub(in crate::protocol::saml) fn hostile_text() -> impl Strategy<Value = String> {
    let markup = prop::sample::select(vec![
        "<",
        ">",
        "&",
        "\"",
        "'",
        "\r",
        "\n",
        "\t",
        "\r\n",
        "]]>",
        "<![CDATA[",
        "<!--",
        "-->",
        "<?x?>",
        "&lt;",
        "&#13;",
        "</saml:Issuer>",
        "<saml:Assertion>",
        "\" ID=\"_a",
        "é",
        "e\u{301}",
        "\u{85}",
        "\u{2028}",
        "\u{FEFF}",
        "\u{7F}",
        "\u{FFFD}",
        "\u{1F4DA}",
        " ",
        "  ",
        "_a",
    ]);
    let piece = prop_oneof![3 => markup.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Characters of XML 1.0 (2.2).
fn is_writable(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..))
}

fn contact(name: &str, language: &str, kind: &str) -> Result<Xml, Unwritable> {
    let display = Element::new("mdui:DisplayName")
        .attribute("xml:lang", language)
        .declare("mdui", names::MDUI)
        .text(name)
        .finish()?;
    Element::new("md:ContactPerson")
        .attribute("remd:contactType", kind)
        .attribute("contactType", name)
        .attribute("a", language)
        .declare("remd", names::REMD)
        .declare("md", names::MD)
        .child(display)
        .leaf("md:GivenName", kind)
        .finish()
}

proptest! {
    /// Names, texts and attributes of any kind: either XML cannot carry them, or they are read again as they were.
    #[test]
    fn what_is_written_is_canonical(name in hostile_text(), language in hostile_text(), kind in hostile_text()) {
        let written = contact(&name, &language, &kind);
        let writable = [&name, &language, &kind].into_iter().all(|text| is_writable(text));
        prop_assert_eq!(written.is_ok(), writable);
        let Ok(written) = written else { return Ok(()) };
        prop_assert_eq!(canonicalised(written.as_str()), written.as_str());
        let read = uppsala::parse(written.as_str()).unwrap();
        let root = read.document_element().unwrap();
        prop_assert_eq!(read.element(root).unwrap().get_attribute("contactType"), Some(name.as_str()));
        prop_assert_eq!(read.text_content_deep(root), [name.as_str(), &kind].concat());
    }
}

#[test]
fn characters_that_xml_does_not_have_are_refused() {
    for wrong in ["\0", "\u{1}", "\u{8}", "\u{B}", "\u{C}", "\u{E}", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
        assert_eq!(Element::new("saml:Issuer").text(wrong).finish().err(), Some(Unwritable::Character), "{wrong:?}");
        assert_eq!(
            Element::new("saml:Issuer").attribute("ID", wrong).finish().err(),
            Some(Unwritable::Character),
            "{wrong:?}"
        );
        assert_eq!(
            Element::new("saml:Issuer").leaf("saml:Issuer", wrong).finish().err(),
            Some(Unwritable::Character),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_prefix_is_declared_once_and_where_it_is_used() {
    let inner = || Element::new("saml:Issuer").declare("saml", names::SAML).finish().unwrap();
    let outer = || Element::new("saml:Assertion").declare("saml", names::SAML);
    assert_eq!(outer().child(inner()).finish().err(), Some(Unwritable::Prefix), "declared twice");
    let between = Element::new("samlp:Status").declare("samlp", names::SAMLP).child(inner()).finish().unwrap();
    assert_eq!(outer().child(between).finish().err(), Some(Unwritable::Prefix), "declared twice, further down");
    assert_eq!(
        Element::new("samlp:Response")
            .declare("samlp", names::SAMLP)
            .declare("saml", names::SAML)
            .child(Element::new("saml:Issuer").finish().unwrap())
            .finish()
            .err(),
        Some(Unwritable::Prefix),
        "declared above where it is used"
    );
    assert_eq!(Element::new("saml:Issuer").declare("saml", names::MD).finish().err(), Some(Unwritable::Prefix));
    assert_eq!(Element::new("Issuer").finish().err(), Some(Unwritable::Prefix));
    assert_eq!(Element::new("xsi:Issuer").finish().err(), Some(Unwritable::Prefix));
    assert_eq!(Element::new("saml:Issuer").attribute("xsi:type", "a").finish().err(), Some(Unwritable::Prefix));
    assert!(inner().is_whole());
    assert!(!Element::new("saml:Issuer").finish().unwrap().is_whole());
}

#[test]
fn attributes_are_different_and_come_first() {
    let twice = Element::new("saml:Issuer").attribute("b", "").attribute("a", "").attribute("b", "");
    assert_eq!(twice.finish().err(), Some(Unwritable::Attribute));
    let late = Element::new("saml:Issuer").text("").attribute("a", "");
    assert_eq!(late.finish().err(), Some(Unwritable::Attribute));
    let late = Element::new("saml:Issuer").signature_here().declare("saml", names::SAML);
    assert_eq!(late.finish().err(), Some(Unwritable::Attribute));
}

#[test]
fn what_is_to_be_signed_stands_alone_and_has_a_plain_id_and_a_place() {
    let element = || Element::new("saml:Assertion").declare("saml", names::SAML);
    assert!(element().attribute("ID", "_a").signature_here().to_sign().is_ok());
    assert_eq!(element().attribute("ID", "_a").to_sign().err(), Some(Unwritable::Unsignable));
    assert_eq!(element().signature_here().to_sign().err(), Some(Unwritable::Unsignable));
    for id in ["", "1", "_a b", "_\u{e9}", "_a\"", "a:b", "_a)"] {
        let element = element().attribute("ID", id).signature_here();
        assert_eq!(element.to_sign().err(), Some(Unwritable::Unsignable), "{id}");
    }
    let bare = Element::new("saml:Assertion").attribute("ID", "_a").signature_here();
    assert_eq!(bare.to_sign().err(), Some(Unwritable::Prefix));
}

#[test]
fn identifiers_are_128_random_bits() {
    let (one, other) = (Identifier::random(), Identifier::random());
    assert_ne!(one, other);
    assert!(one.as_str().len() == 33 && is_plain_name(one.as_str()));
    assert!(one.as_str().bytes().skip(1).all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
}

#[test]
fn an_element_stands_alone_as_its_canonical_form_has_it() {
    let inner = || Element::new("ds:SignedInfo").leaf("ds:DigestValue", "a>b").finish().unwrap();
    let around = Element::new("ds:Signature").declare("ds", names::DS).child(inner()).finish().unwrap();
    let alone = inner().alone("ds").unwrap();
    assert_eq!(canonicalised(&alone), alone);
    assert_eq!(alone.replace(&format!(" xmlns:ds=\"{}\"", names::DS), ""), inner().as_str());
    assert!(around.as_str().contains(inner().as_str()));
    assert_eq!(inner().alone("saml").err(), Some(Unwritable::Prefix));
    assert_eq!(around.alone("ds").err(), Some(Unwritable::Prefix));
}
