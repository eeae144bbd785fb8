//! What is refused, by which word, and at what cost.
use super::super::verified::testing::cost;
use super::{Bounds, Malformed, Parsed, is_id};
use std::fmt::Write as _;

fn word(text: &[u8]) -> &'static str {
    match Parsed::message(text) {
        Ok(_) => "read",
        Err(malformed) => malformed.as_str(),
    }
}

const P: &str = "xmlns:p=\"urn:p\"";

#[test]
fn what_is_read_is_what_is_there() {
    let text = "<?xml version='1.0' encoding='utf-8'?>\n<p:a xmlns:p=\"urn:p\" ID=\"_1\" p:b=\"x &lt; y&#10;\">\
        <p:b> one &amp; <p:c/></p:b><p:b>two</p:b><b xmlns=\"urn:q\">\u{fc}</b></p:a>";
    let parsed = Parsed::message(text.as_bytes()).expect("a document").into_owned();
    let root = parsed.root();
    assert!(root.is("urn:p", "a") && !root.is("urn:q", "a") && !root.is("", "a"));
    assert_eq!(root.attribute("ID"), Some("_1"));
    assert_eq!(root.attribute("b"), None);
    assert!(root.attributes().any(|attribute| attribute == ("urn:p", "b", "x < y\n")));
    assert_eq!(root.elements().count(), 3);
    let texts: Vec<_> = root.children("urn:p", "b").map(super::Node::text).collect();
    assert_eq!(texts, [None, Some("two".to_owned())]);
    assert_eq!(root.child("urn:q", "b").and_then(super::Node::word).as_deref(), Some("\u{fc}"));
    assert!(root.has_elements_only() && !root.child("urn:p", "b").expect("b").has_elements_only());
}

#[test]
fn markup_that_hides_things_is_refused() {
    for text in [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        "<!DOCTYPE a [<!ENTITY % e SYSTEM \"http://127.0.0.1:9/\">%e;]><a/>",
        "<!doctype a><a/>",
        "<a><!ENTITY e \"x\"></a>",
        "<a>https://sp<!---->.evil</a>",
        "<a>https://sp<?x?>.evil</a>",
        "<a>https://sp<![CDATA[]]>.evil</a>",
        "<a><![CDATA[<b>]]]]><![CDATA[>]]></a>",
        "<!-- x --><a/>",
        "<a/><!-- x -->",
        "<a/><?x?>",
        "<?xml-stylesheet href=\"x\"?><a/>",
        " <?xml version=\"1.0\"?><a/>",
        "<a/><?xml version=\"1.0\"?>",
    ] {
        assert_eq!(word(text.as_bytes()), "markup", "{text}");
    }
}

#[test]
fn bytes_are_utf_8_and_nothing_else() {
    let utf16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf16.iter().copied()).collect();
    for text in [
        b"\xef\xbb\xbf<a/>".as_slice(),
        b"<a>\xff</a>",
        b"<a>\xc0\x80</a>",
        b"<a>\0</a>",
        &utf16,
        &marked,
        b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>",
        b"<?xml version=\"1.0\" encoding=\"UTF-7\"?><a/>",
        b"<?xml version=\"1.0\" encoding = 'utf-16' ?><a/>",
    ] {
        assert_eq!(word(text), "encoding", "{text:?}");
    }
}

#[test]
fn names_mean_one_thing() {
    for (text, expected) in [
        (format!("<p:a {P} p:b=\"1\" p:b=\"2\"/>"), "syntax"),
        (format!("<p:a {P} xmlns:q=\"urn:p\" p:b=\"1\" q:b=\"2\"/>"), "syntax"),
        ("<p:a/>".to_owned(), "syntax"),
        ("<a p:b=\"1\"/>".to_owned(), "syntax"),
        ("<a>]]></a>".to_owned(), "syntax"),
        ("<a b=\"<\"/>".to_owned(), "syntax"),
        ("<a>&e;</a>".to_owned(), "syntax"),
        ("<a>&#0;</a>".to_owned(), "syntax"),
        ("<a>&#xFFFE;</a>".to_owned(), "syntax"),
        ("<a>\u{1}</a>".to_owned(), "syntax"),
        ("<a/><b/>".to_owned(), "syntax"),
        ("<a/>x".to_owned(), "syntax"),
        ("<a></b>".to_owned(), "syntax"),
        ("<a".to_owned(), "syntax"),
        (String::new(), "syntax"),
        ("<a xmlns:x=\"1\"/>".to_owned(), "namespace"),
        ("<a xmlns=\"relative/x\"/>".to_owned(), "namespace"),
        ("<a xmlns:ds=\"urn:odd\"/>".to_owned(), "namespace"),
        ("<a xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:assertion\"/>".to_owned(), "namespace"),
        ("<a ID=\"_1\"><b ID=\"_1\"/></a>".to_owned(), "id"),
        ("<a ID=\"_1\" xml:id=\"_2\"/>".to_owned(), "id"),
        ("<a id=\"_1\"/>".to_owned(), "id"),
        (format!("<a {P} p:ID=\"_1\"/>"), "id"),
        ("<a ID=\"1\"/>".to_owned(), "id"),
        ("<a ID=\"\"/>".to_owned(), "id"),
        ("<a ID=\"_a&quot; x=&quot;\"/>".to_owned(), "id"),
        (format!("<a ID=\"_{}\"/>", "x".repeat(256)), "id"),
        (format!("<a ID=\"_{}\"/>", "x".repeat(255)), "read"),
    ] {
        assert_eq!(word(text.as_bytes()), expected, "{text}");
    }
    for text in [
        "<a xmlns:xml=\"urn:odd\"/>",
        "<a xmlns:xmlns=\"urn:odd\"/>",
        "<a xmlns:x=\"http://www.w3.org/XML/1998/namespace\"/>",
        "<a xmlns:x=\"\"/>",
    ] {
        assert!(matches!(word(text.as_bytes()), "namespace" | "syntax"), "{text}");
    }
    for id in ["_1", "a-b.c", "\u{e4}", "ONELOGIN_5fe9"] {
        assert!(is_id(id), "{id}");
    }
    for id in ["", "1", "-a", "a b", "a:b", "a\n", "\"", "a\u{d7}"] {
        assert!(!is_id(id), "{id}");
    }
}

/// What tries to cost more than its length: name, text, word.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let many = |count: usize, one: &dyn Fn(usize) -> String| {
        (0..count).fold(String::new(), |mut text, at| {
            let _ = write!(text, "{}", one(at));
            text
        })
    };
    let deep = |count: usize| format!("{}{}", "<a>".repeat(count), "</a>".repeat(count));
    let attributes = many(100_000, &|at| format!(" a{at}=\"\""));
    let prefixes = many(20_000, &|at| format!(" xmlns:a{at}=\"u:\""));
    let few = many(33, &|at| format!(" a{at}=\"\""));
    let declared = many(30, &|at| format!(" xmlns:a{at}=\"u:\""));
    vec![
        ("100,000 deep", deep(100_000).into_bytes(), "size"),
        ("9,000 deep", deep(9000).into_bytes(), "depth"),
        ("33 deep", deep(33).into_bytes(), "depth"),
        ("100,000 attributes", format!("<a{attributes}/>").into_bytes(), "size"),
        ("6,000 attributes", format!("<a{}/>", &many(6000, &|at| format!(" a{at}=\"\""))).into_bytes(), "attributes"),
        ("33 attributes", format!("<a{few}/>").into_bytes(), "attributes"),
        ("20,000 prefixes", format!("<a{prefixes}/>").into_bytes(), "size"),
        (
            "3,000 prefixes",
            format!("<a{}/>", &many(3000, &|at| format!(" xmlns:a{at}=\"u:\""))).into_bytes(),
            "attributes",
        ),
        ("90 prefixes", format!("<a{declared}><b{declared}><c{declared}/></b></a>").into_bytes(), "prefixes"),
        ("2,001 elements", format!("<a>{}</a>", "<b/>".repeat(2000)).into_bytes(), "elements"),
        ("a name of 60,000 letters", format!("<{0}/>", "a".repeat(60_000)).into_bytes(), "read"),
        ("10,000 references", format!("<a>{}</a>", "&amp;".repeat(10_000)).into_bytes(), "read"),
        ("60,000 ampersands", format!("<a>{}</a>", "&".repeat(60_000)).into_bytes(), "syntax"),
        ("60,000 quotes", format!("<a b={}/>", "\"".repeat(60_000)).into_bytes(), "syntax"),
        ("60,000 brackets", "<".repeat(60_000).into_bytes(), "syntax"),
        ("60,000 line ends", format!("<a b='{}'/>", "\r".repeat(60_000)).into_bytes(), "read"),
        ("one byte too many", format!("<a>{}</a>", "x".repeat(64 * 1024 - 6)).into_bytes(), "size"),
    ]
}

#[test]
fn no_document_costs_more_than_fifty_milliseconds() {
    for (name, text, expected) in bombs() {
        let cost = cost(|| assert_eq!(word(&text), expected, "{name}"));
        assert!(cost < 50.0, "{name}: {cost} ms");
    }
}

#[test]
fn metadata_has_bounds_of_its_own() {
    let read =
        |text: &str, bounds| Parsed::metadata(text.as_bytes(), bounds).map(|parsed| parsed.root().elements().count());
    let bounds = Bounds::metadata(1 << 20);
    assert_eq!(read("\u{feff}<!-- > < --><a><!-- --><b id=\"1\"/><b id=\"2\"/></a>", bounds), Ok(2));
    assert_eq!(read(&format!("<a>{}</a>", "<b/>".repeat(9000)), bounds), Ok(9000));
    assert_eq!(read("<a id=\"1\"><b id=\"1\"/></a>", bounds), Err(Malformed::Id));
    assert_eq!(read("<!DOCTYPE a><a/>", bounds), Err(Malformed::Markup));
    assert_eq!(read("<a/>", Bounds::metadata(3)), Err(Malformed::Size));
    assert_eq!(read(&format!("{}{}", "<a>".repeat(65), "</a>".repeat(65)), bounds), Err(Malformed::Depth));
    let comment = Parsed::metadata(b"<a>https://sp<!-- -->.example</a>", bounds).expect("metadata");
    assert_eq!(comment.root().text().as_deref(), Some("https://sp.example"));
}
