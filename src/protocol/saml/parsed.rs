//! One parse of a document of others, within bounds: the only door to the XML parser. What costs more than its length is
//! refused from the bytes, before they are parsed; what two readers could read in two ways is refused in the tree. There is
//! one tree, and everything that is believed is read from it.
mod names;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use uppsala::{Document, NodeId, NodeKind, Parser};

/// An ID of more characters is none.
const LONGEST_ID: usize = 256;

/// The namespace of the prefix `xml`.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Why a document or what carried it is not read: closed words, and never what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// It is larger than allowed.
    Size,
    /// It is not UTF-8, begins with a byte order mark, or names another encoding.
    Encoding,
    /// It has a document type, a processing instruction, a CDATA section, or a comment where none may be.
    Markup,
    /// Its elements are nested too deep.
    Depth,
    /// An element has too many attributes.
    Attributes,
    /// It has too many elements.
    Elements,
    /// Too many prefixes are declared at once.
    Prefixes,
    /// It is not well-formed XML with namespaces.
    Syntax,
    /// A namespace is relative, or a well-known prefix means another.
    Namespace,
    /// An ID is no name, or two are the same.
    Id,
    /// The parameters of the binding are not those of one message, each once.
    Parameters,
    /// A value is not in base64, or not deflated, to its last byte.
    Coding,
    /// What travels along for the asker is too long.
    RelayState,
    /// It is signed, but not as its binding signs.
    SignedOtherwise,
    /// It is no message that anybody sends us.
    Unknown,
    /// A message of another version than 2.0.
    Version,
    /// A message lacks what its schema demands, or has what it does not allow.
    Schema,
}

impl Malformed {
    /// The word for events.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Encoding => "encoding",
            Self::Markup => "markup",
            Self::Depth => "depth",
            Self::Attributes => "attributes",
            Self::Elements => "elements",
            Self::Prefixes => "prefixes",
            Self::Syntax => "syntax",
            Self::Namespace => "namespace",
            Self::Id => "id",
            Self::Parameters => "parameters",
            Self::Coding => "coding",
            Self::RelayState => "relay_state",
            Self::SignedOtherwise => "signed_otherwise",
            Self::Unknown => "unknown",
            Self::Version => "version",
            Self::Schema => "schema",
        }
    }
}

/// What a document may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Bytes.
    pub(super) bytes: usize,
    /// Elements within elements.
    pub(super) depth: usize,
    /// Attributes of one element, declarations of prefixes included.
    pub(super) attributes: usize,
    /// Elements.
    pub(super) elements: usize,
    /// Declarations of prefixes on one element and all around it.
    pub(super) prefixes: usize,
    /// Whether comments may be there.
    pub(super) comments: bool,
}

impl Bounds {
    /// Of a message.
    pub(super) const MESSAGE: Self =
        Self { bytes: 64 * 1024, depth: 32, attributes: 32, elements: 2000, prefixes: 64, comments: false };

    /// Of metadata of at most so many bytes.
    pub(super) const fn metadata(bytes: usize) -> Self {
        Self { bytes, depth: 64, attributes: 128, elements: usize::MAX, prefixes: 256, comments: true }
    }
}

/// A document that was parsed within bounds.
pub(super) struct Parsed<'t> {
    document: Document<'t>,
    root: NodeId,
}

impl<'t> Parsed<'t> {
    /// Parses a message.
    pub(super) fn message(text: &'t [u8]) -> Result<Self, Malformed> {
        let parsed = Self::within(text, Bounds::MESSAGE)?;
        parsed.check_names(names::of_message)?;
        Ok(parsed)
    }

    /// Parses metadata. It may begin with a byte order mark, as files that an editor saved do.
    pub(super) fn metadata(text: &'t [u8], bounds: Bounds) -> Result<Self, Malformed> {
        let parsed = Self::within(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text), bounds)?;
        parsed.check_names(names::of_metadata)?;
        Ok(parsed)
    }

    fn within(text: &'t [u8], bounds: Bounds) -> Result<Self, Malformed> {
        let text = scan::scan(text, bounds)?;
        let depth = u32::try_from(bounds.depth).unwrap_or(u32::MAX);
        let parser = Parser::new().with_forbid_dtd(true).with_forbid_entities(true).with_max_depth(depth);
        let document = parser.parse(text).map_err(|_| Malformed::Syntax)?;
        let root = document.document_element().ok_or(Malformed::Syntax)?;
        Ok(Self { document, root })
    }

    /// The same without the text that it was parsed from.
    pub(super) fn into_owned(self) -> Parsed<'static> {
        Parsed { document: self.document.into_static(), root: self.root }
    }

    /// The document element.
    pub(super) const fn root(&self) -> Node<'_> {
        Node { document: &self.document, id: self.root }
    }

    /// The tree, for the verifier alone.
    pub(super) const fn document(&self) -> &Document<'t> {
        &self.document
    }

    /// Looks at every element: its prefixes, and the IDs, of which no two may be the same by whatever attribute.
    fn check_names(&self, check: impl Fn(&uppsala::Element<'_>) -> Result<(), Malformed>) -> Result<(), Malformed> {
        let mut ids = HashSet::new();
        let mut next = Some(self.root);
        while let Some(id) = next {
            if let Some(element) = self.document.element(id) {
                check(element)?;
                for id in names::ids(element) {
                    if !ids.insert(id) {
                        return Err(Malformed::Id);
                    }
                }
            }
            next = self.following(id);
        }
        Ok(())
    }

    /// The next node in the order of the document.
    fn following(&self, id: NodeId) -> Option<NodeId> {
        if let Some(child) = self.document.first_child(id) {
            return Some(child);
        }
        let mut at = id;
        while at != self.root {
            if let Some(sibling) = self.document.next_sibling(at) {
                return Some(sibling);
            }
            at = self.document.parent(at)?;
        }
        None
    }
}

/// An element, to be read.
#[derive(Clone, Copy)]
pub(super) struct Node<'p> {
    document: &'p Document<'p>,
    id: NodeId,
}

impl<'p> Node<'p> {
    fn element(self) -> Option<&'p uppsala::Element<'p>> {
        self.document.element(self.id)
    }

    /// Its place in the tree, for the verifier alone.
    pub(super) const fn id(self) -> NodeId {
        self.id
    }

    /// Its namespace; empty without one.
    pub(super) fn namespace(self) -> &'p str {
        self.element().and_then(|element| element.name.namespace_uri.as_deref()).unwrap_or_default()
    }

    /// Its name without prefix.
    pub(super) fn name(self) -> &'p str {
        self.element().map(|element| &*element.name.local_name).unwrap_or_default()
    }

    /// Whether it is this element.
    pub(super) fn is(self, namespace: &str, name: &str) -> bool {
        self.name() == name && self.namespace() == namespace
    }

    /// The value of an attribute without prefix.
    pub(super) fn attribute(self, name: &str) -> Option<&'p str> {
        self.attributes().find(|(namespace, n, _)| namespace.is_empty() && *n == name).map(|(_, _, value)| value)
    }

    /// Its attributes: namespace, name, value.
    pub(super) fn attributes(self) -> impl Iterator<Item = (&'p str, &'p str, &'p str)> {
        self.element().map(|element| element.attributes.as_slice()).unwrap_or_default().iter().map(|attribute| {
            let namespace = attribute.name.namespace_uri.as_deref().unwrap_or_default();
            (namespace, &*attribute.name.local_name, &*attribute.value)
        })
    }

    /// The elements directly in it.
    pub(super) fn elements(self) -> impl Iterator<Item = Self> {
        let document = self.document;
        let is_element = move |id: &NodeId| matches!(document.node_kind(*id), Some(NodeKind::Element(_)));
        document.children_iter(self.id).filter(is_element).map(move |id| Self { document, id })
    }

    /// The elements of this name directly in it.
    pub(super) fn children(self, namespace: &'p str, name: &'p str) -> impl Iterator<Item = Self> {
        self.elements().filter(move |node| node.is(namespace, name))
    }

    /// The first of them.
    pub(super) fn child(self, namespace: &str, name: &str) -> Option<Self> {
        self.elements().find(|node| node.is(namespace, name))
    }

    /// Its whole text, to the letter; `None` where there are elements in it. Comments, where they may be, part nothing.
    pub(super) fn text(self) -> Option<String> {
        let mut whole = String::new();
        for child in self.document.children_iter(self.id) {
            match self.document.node_kind(child) {
                Some(NodeKind::Text(text) | NodeKind::CData(text)) => whole.push_str(text),
                Some(NodeKind::Element(_)) => return None,
                _ => {}
            }
        }
        Some(whole)
    }

    /// The same without white space around it, which addresses and names of things never have.
    pub(super) fn word(self) -> Option<String> {
        self.text().map(|text| trimmed(&text).to_owned())
    }

    /// Whether there is nothing in it but elements and white space.
    pub(super) fn has_elements_only(self) -> bool {
        self.document.children_iter(self.id).all(|child| match self.document.node_kind(child) {
            Some(NodeKind::Element(_)) => true,
            Some(NodeKind::Text(text)) => trimmed(text).is_empty(),
            _ => false,
        })
    }

    /// Whether there is nothing in it but one text, in one piece.
    pub(super) fn has_one_text(self) -> bool {
        let mut children = self.document.children_iter(self.id);
        let text = children.next().is_some_and(|id| matches!(self.document.node_kind(id), Some(NodeKind::Text(_))));
        text && children.next().is_none()
    }
}

/// Without the white space of XML around it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// Whether a text is an ID: a name without colon (Namespaces in XML 3), in letters that all parsers agree on.
pub(super) fn is_id(text: &str) -> bool {
    let starts = |c: char| c == '_' || c.is_ascii_alphabetic() || names::is_far_letter(c);
    let follows = |c: char| starts(c) || c.is_ascii_digit() || matches!(c, '-' | '.' | '\u{b7}');
    text.chars().count() <= LONGEST_ID && text.starts_with(starts) && text.chars().all(follows)
}
