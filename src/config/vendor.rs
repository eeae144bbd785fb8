//! `[[vendor]]` tables.
use super::library::{AN_ADDRESS_RANGE, id, name};
use super::parse::{Context, Ids, Top};
use super::{ProtocolSettings, VendorSettings, certificate, names};
use crate::domain::settings::{Place, Reader, Table, join};
use crate::domain::{AddressRule, Licence, Vendor, VendorId, VendorOrigin, is_public};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an origin looks like.
const AN_ORIGIN: &str = "an origin such as `https://www.example.com`, without user, path or query";

/// All vendors.
#[derive(Default)]
pub(super) struct Vendors {
    pub(super) ids: Ids,
    pub(super) all: Vec<VendorSettings>,
    pub(super) protocols: Vec<ProtocolSettings>,
    tables: Vec<Table>,
}

pub(super) fn read(root: &Reader<'_>, context: &Context<'_>, top: &Top) -> Vendors {
    let mut found = Vendors::default();
    let mut origins: Vec<(VendorOrigin, Place)> = Vec::new();
    let tables = root.tables("vendor");
    if tables.is_empty() {
        context.warn(root, "vendor", "there is no `[[vendor]]` table: readers will find an empty page");
    }
    for table in tables {
        let protocol = protocol(&table);
        let authorities = authorities(&table, context);
        let read = vendor(&table, context, (top, &mut found.ids));
        if let Some((vendor, _)) = &read {
            warn_of_shared_origin(&table, context, vendor, &mut origins);
        }
        let whole = table.table_read();
        table.finish();
        let Some((protocol, settings)) = protocol else { continue };
        let (vendor, host) = read.map(|(vendor, host)| (Arc::new(vendor), host)).unzip();
        found.protocols.push(ProtocolSettings {
            vendor: vendor.clone(),
            table: whole.clone(),
            protocol: protocol.clone(),
            settings: settings.clone().unwrap_or_else(|| Table {
                path: join(&whole.path, &protocol),
                place: whole.place.clone(),
                entries: BTreeMap::new(),
            }),
        });
        let Some((vendor, host)) = vendor.zip(host) else { continue };
        found.all.push(VendorSettings { vendor, host, protocol, settings, authorities });
        found.tables.push(whole.clone());
    }
    found
}

/// The protocol's word and its table, which `protocol` reads.
fn protocol(table: &Reader<'_>) -> Option<(String, Option<Table>)> {
    let word = |text: &str| VendorId::parse(text).ok().map(|_| text.to_owned());
    let given = table.parsed("protocol", "the name of a protocol, such as `gateway`", word);
    let protocol = match given {
        Some(protocol) => protocol,
        None if table.has("protocol") => return None,
        None => "gateway".to_owned(),
    };
    let settings = table.table(&protocol).map(|inner| inner.table_read().clone());
    Some((protocol, settings))
}

fn vendor(table: &Reader<'_>, context: &Context<'_>, (top, ids): (&Top, &mut Ids)) -> Option<(Vendor, String)> {
    let id = id(table).inspect(|id| ids.take(table, id));
    let name = name(table);
    let description = table.parsed("description", "at most 1000 printable characters", |text| {
        let fine = text.chars().count() <= 1000 && !text.chars().any(char::is_control);
        fine.then(|| text.to_owned())
    });
    let origin = table.required("origin", AN_ORIGIN, names::origin);
    let aliases = table.list("aliases", AN_ORIGIN, names::origin);
    let private = table.list("private_addresses", AN_ADDRESS_RANGE, AddressRule::parse).unwrap_or_default();
    let epoch = table.parsed("epoch", "1 to 64 printable ASCII characters without spaces", |text| {
        let fine = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fine.then(|| text.to_owned())
    });
    let anonymous = table.flag("anonymous").unwrap_or_default();
    let full_user_agent = table.word("user_agent", &[("reduced", false), ("full", true)]).unwrap_or_default();
    let pass_headers = table.list("pass_headers", A_HEADER, pass_header).unwrap_or_default();
    if let Some(origin) = &origin {
        check_origin(table, context, (origin, &private, top));
    }
    let host = host(table, id.as_deref(), top);
    let vendor = Vendor {
        id: VendorId::parse(&id?).ok()?,
        name: name?,
        description: description.unwrap_or_default(),
        origin: origin?,
        aliases: aliases.unwrap_or_default(),
        private_addresses: private,
        anonymous,
        epoch: epoch.unwrap_or_else(|| "1".to_owned()),
        full_user_agent,
        pass_headers,
    };
    Some((vendor, host?))
}

fn host(table: &Reader<'_>, id: Option<&str>, top: &Top) -> Option<String> {
    let host = format!("{}.{}", id?, top.proxy_domain.as_deref()?);
    let fine = names::dns_name(&host);
    if fine.is_none() {
        table.problem("id", "expected an id that makes a host of at most 253 characters, found a longer one");
    }
    fine
}

fn check_origin(table: &Reader<'_>, context: &Context<'_>, parts: (&VendorOrigin, &[AddressRule], &Top)) {
    let (origin, private, top) = parts;
    let ours = top.public.as_ref().is_some_and(|public| public.host == origin.host)
        || top.proxy_domain.as_deref().is_some_and(|domain| names::is_under(&origin.host, domain));
    if ours {
        table.problem("origin", "expected the vendor's own host, found one of `public_url` or `proxy_domain`");
    }
    if let Some(address) = names::address(origin)
        && !is_public(address)
        && !private.iter().any(|rule| rule.contains(address))
    {
        table.problem("origin", "expected a public address or one in `private_addresses`, found another");
    }
    if !origin.tls && private.is_empty() {
        context.warn(table, "origin", "requests and assertions travel in the clear; use `https:` where there is one");
    }
}

fn warn_of_shared_origin(
    table: &Reader<'_>,
    context: &Context<'_>,
    vendor: &Vendor,
    origins: &mut Vec<(VendorOrigin, Place)>,
) {
    for origin in std::iter::once(&vendor.origin).chain(&vendor.aliases) {
        if let Some((_, first)) = origins.iter().find(|(known, _)| known == origin) {
            let text =
                format!("has an origin of the vendor at {}:{}; its deep links lead there", first.file, first.line);
            context.warn(table, "origin", &text);
        }
        origins.push((origin.clone(), table.table_read().place.clone()));
    }
}

fn authorities(table: &Reader<'_>, context: &Context<'_>) -> Option<Arc<[u8]>> {
    let path = context.path(&table.text("ca_file")?);
    certificate::authorities(&path).map(Arc::from).map_err(|why| table.problem("ca_file", why)).ok()
}

const A_HEADER: &str = "the name of a request header that tells nothing of the reader or the connection";

/// Headers that name a person or an address, carry our cookie, or steer the connection never pass.
fn pass_header(text: &str) -> Option<String> {
    const NEVER: [&str; 26] = [
        "authorization",
        "cookie",
        "cookie2",
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "from",
        "host",
        "http2-settings",
        "keep-alive",
        "origin",
        "referer",
        "te",
        "trailer",
        "transfer-encoding",
        "true-client-ip",
        "upgrade",
        "user-agent",
        "via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-real-ip",
        "traceparent",
        "tracestate",
        "baggage",
    ];
    const NEVER_BEGINS: [&str; 5] = ["x-forwarded", "proxy-", "sec-", "cf-", "x-b3-"];
    let name = http::HeaderName::from_bytes(text.as_bytes()).ok()?;
    let name = name.as_str();
    let never = NEVER.contains(&name) || NEVER_BEGINS.iter().any(|start| name.starts_with(start));
    (!never).then(|| name.to_owned())
}

impl Vendors {
    /// Warns of vendors that nobody may use.
    pub(super) fn warn_of_unlicensed(&self, context: &Context<'_>, licences: &[Licence]) {
        for (vendor, table) in self.all.iter().zip(&self.tables) {
            if !licences.iter().any(|licence| licence.vendor == vendor.vendor.id) {
                context.warn_at(table, "id", "no licence names this vendor: nobody can use it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_persons_and_connections_never_pass() {
        assert_eq!(pass_header("X-Requested-With").as_deref(), Some("x-requested-with"));
        for bad in ["Cookie", "x-forwarded-for", "X-Forwarded", "Authorization", "sec-fetch-site", "a b", ""] {
            assert_eq!(pass_header(bad), None, "{bad}");
        }
    }
}
