//! The vendors whose sites run on what others wrote: what the portal's configuration says of each, and what its program is
//! told. `@ORIGIN@` is the vendor's own site.
use super::program::Kind;

/// A vendor.
#[derive(Clone, Copy)]
pub(super) struct Vendor {
    /// Its id, which is the first label of its host as well.
    pub(super) id: &'static str,
    pub(super) kind: Kind,
    /// Whether its metadata has a key for encryption.
    pub(super) encrypted: bool,
    /// Lines of `[[vendor]]`.
    pub(super) top: &'static str,
    /// More lines of `[vendor.saml]`.
    pub(super) lines: &'static str,
    /// What the program is told as well, in JSON.
    pub(super) told: &'static str,
    /// What it gets beside an affiliation and an organization.
    pub(super) gets: &'static [&'static str],
}

/// `mod_shib`, encrypted, as its own metadata says.
pub(super) const CHAPEL: Vendor = Vendor {
    id: "chapel",
    kind: Kind::Shibboleth,
    encrypted: true,
    top: "",
    lines: "unsolicited = true\ntargets = [\"@ORIGIN@/books/\", \"@ORIGIN@/index.html\"]\n",
    told: "{}",
    gets: &[super::super::PAIRWISE],
};

/// `mod_shib` whose metadata has a key for signatures alone, and to which nobody has a name.
pub(super) const VESTRY: Vendor = Vendor {
    id: "vestry",
    kind: Kind::Shibboleth,
    encrypted: false,
    top: "",
    lines: "release = \"anonymous\"\nencryption = \"never\"\nsign = \"assertion\"\nstart_url = \"@ORIGIN@/books/7\"\n",
    told: "{}",
    gets: &[],
};

/// `mod_auth_mellon`, encrypted.
pub(super) const LOUPE: Vendor = Vendor {
    id: "loupe",
    kind: Kind::Mellon,
    encrypted: true,
    top: "",
    lines: "release = \"library\"\nencryption = \"required\"\n",
    told: "{}",
    gets: &[super::super::PAIRWISE, super::super::ENTITLEMENT],
};

/// `mod_auth_mellon` without a key for encryption.
pub(super) const PRISM: Vendor = Vendor {
    id: "prism",
    kind: Kind::Mellon,
    encrypted: false,
    top: "anonymous = true\n",
    lines: "release = \"anonymous\"\nentitlements = true\nsign = \"response\"\n",
    told: "{}",
    gets: &[super::super::ENTITLEMENT],
};

/// pysaml2, by Redirect, encrypted.
pub(super) const CHART: Vendor = Vendor {
    id: "chart",
    kind: Kind::Pysaml2,
    encrypted: true,
    top: "",
    lines: "release = \"library\"\n",
    told: r#"{ "binding": "redirect", "encrypted": true }"#,
    gets: &[super::super::PAIRWISE, super::super::ENTITLEMENT],
};

/// pysaml2, by POST both ways, not encrypted.
pub(super) const GALLERY: Vendor = Vendor {
    id: "gallery",
    kind: Kind::Pysaml2,
    encrypted: false,
    top: "",
    lines: "algorithm = \"ES256\"\n",
    told: r#"{ "binding": "post", "logout_binding": "post" }"#,
    gets: &[super::super::PAIRWISE],
};

/// python3-saml, by Redirect, not encrypted, with the old identifier.
pub(super) const FOLIO: Vendor = Vendor {
    id: "folio",
    kind: Kind::Python3Saml,
    encrypted: false,
    top: "",
    lines: "targeted_id = true\n",
    told: r#"{ "binding": "redirect" }"#,
    gets: &[super::super::PAIRWISE, super::super::TARGETED],
};

/// python3-saml, by POST, encrypted, with a name that lasts.
pub(super) const QUARTO: Vendor = Vendor {
    id: "quarto",
    kind: Kind::Python3Saml,
    encrypted: true,
    top: "",
    lines: "persistent_name_id = true\nrelease = \"library\"\n",
    told: r#"{ "binding": "post", "encrypted": true, "format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" }"#,
    gets: &[super::super::PAIRWISE, super::super::ENTITLEMENT],
};
