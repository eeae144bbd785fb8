//! A document as it was parsed, once. Without a DTD, comments and processing instructions: a message has no use for them, and
//! two readers may read past them in two ways.
use uppsala::{Document, NodeId, NodeKind, Parser};

/// A document.
pub(super) struct Tree<'t>(Document<'t>);

impl<'t> Tree<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, &'static str> {
        let document = Parser::new().with_forbid_dtd(true).parse(text).map_err(|_| "the message is not XML")?;
        let odd = |node: &NodeId| {
            matches!(document.node_kind(*node), Some(NodeKind::Comment(_) | NodeKind::ProcessingInstruction(_)))
        };
        if document.descendants(document.root()).iter().any(odd) {
            return Err("the message has comments");
        }
        Ok(Self(document))
    }

    pub(super) const fn document(&self) -> &Document<'t> {
        &self.0
    }

    /// The document element, if it has this name.
    pub(super) fn root(&self, namespace: &str, name: &str) -> Option<NodeId> {
        let root = self.0.document_element()?;
        self.0.element(root).is_some_and(|element| element.matches_name_ns(namespace, name)).then_some(root)
    }

    pub(super) fn children(&self, node: NodeId, namespace: &str, name: &str) -> Vec<NodeId> {
        self.0.child_elements_by_name_ns(node, namespace, name)
    }

    /// The one child of this name; nothing where there is none or more than one.
    pub(super) fn only(&self, node: NodeId, namespace: &str, name: &str) -> Option<NodeId> {
        match self.children(node, namespace, name)[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// All elements of this name, wherever they are.
    pub(super) fn all(&self, namespace: &str, name: &str) -> Vec<NodeId> {
        self.0.get_elements_by_tag_name_ns(namespace, name)
    }

    pub(super) fn attribute(&self, node: NodeId, name: &str) -> Option<&str> {
        let attributes = &self.0.element(node)?.attributes;
        let one =
            attributes.iter().find(|known| known.name.namespace_uri.is_none() && known.name.local_name == name)?;
        Some(&one.value)
    }

    /// All text inside.
    pub(super) fn text(&self, node: NodeId) -> String {
        self.0.text_content_deep(node).trim().to_owned()
    }

    /// The text of the one child of this name.
    pub(super) fn text_of(&self, node: NodeId, namespace: &str, name: &str) -> Option<String> {
        self.only(node, namespace, name).map(|child| self.text(child))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_has_no_use_for_is_refused() {
        let tree = Tree::parse("<a xmlns='urn:a'><b>x</b><b y='1'/></a>").unwrap();
        let root = tree.root("urn:a", "a").unwrap();
        assert_eq!((tree.children(root, "urn:a", "b").len(), tree.only(root, "urn:a", "b")), (2, None));
        assert!(tree.root("urn:b", "a").is_none());
        for odd in ["<a><!-- --></a>", "<a><?x y?></a>", "<!DOCTYPE a><a/>", "<a>", ""] {
            assert!(Tree::parse(odd).is_err(), "{odd}");
        }
    }
}
