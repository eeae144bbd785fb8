//! A request that leaves comes only from an inbound one, by allow-list: nobody reaches its header map.
use vestibule::egress::OutboundRequest;

fn add(request: &mut OutboundRequest) {
    request.headers.insert("x-patron", http::HeaderValue::from_static("x"));
}

fn main() {}
