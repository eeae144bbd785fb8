//! The peers, each in its fastest form for the same work: TLS 1.3 and keep-alive on both sides, no access log, one
//! worker on one processor.
use crate::Outcome;
use crate::ground::{Ground, HOST};
use crate::stage::process::{MEASURED, Server, free_port, pause};
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

/// Sessions that a proxy knows while it is measured.
pub(crate) const SESSIONS: usize = 1_000;

/// A proxy under measurement.
pub(crate) struct Proxy {
    /// Its name in the tables.
    pub(crate) name: &'static str,
    /// What it does in a request.
    pub(crate) what: &'static str,
    /// Where it listens for TLS.
    pub(crate) port: u16,
    /// The cookie of a browser that is signed in, as `name=value`.
    pub(crate) cookie: String,
    /// Whether it tells the origin an assertion.
    pub(crate) asserts: bool,
    servers: Vec<Server>,
}

impl Proxy {
    /// A proxy made of these processes.
    pub(crate) const fn new((name, what): (&'static str, &'static str), port: u16, servers: Vec<Server>) -> Self {
        Self { name, what, port, cookie: String::new(), asserts: true, servers }
    }

    /// Seconds of processor time that it has used.
    pub(crate) fn cpu(&self) -> f64 {
        self.servers.iter().map(Server::cpu).sum()
    }

    /// The most memory that it ever had, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        self.servers.iter().map(Server::peak).sum()
    }

    /// The memory that it has now, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        self.servers.iter().map(Server::resident).sum()
    }

    /// The files that the first process has open, sockets among them.
    pub(crate) fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    /// The same, once they are as few as `base` or the patience is over.
    pub(crate) fn files_settled(&self, base: usize, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        while self.files() > base && Instant::now() < until {
            pause(Duration::from_millis(200));
        }
        self.files()
    }

    /// The first process's id.
    pub(crate) fn id(&self) -> u32 {
        self.servers.first().map_or(0, Server::id)
    }

    /// `HOST:PORT` as a browser asks for it.
    pub(crate) fn authority(&self) -> String {
        format!("{HOST}:{}", self.port)
    }
}

/// As long as an assertion with ES256 is.
fn assertion() -> String {
    "a".repeat(560)
}

/// Buffers of nginx: its own for small answers, 64 KiB for large ones; each is the faster where it is used.
fn locations(inside: &str) -> String {
    let pass = format!("{inside} proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\";");
    format!(
        "location / {{ {pass} }}
         location = /100k {{ {pass} proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k; }}"
    )
}

fn upstream(name: &str, port: u16) -> String {
    format!(
        "upstream {name} {{
             server 127.0.0.1:{port};
             keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s;
         }}"
    )
}

/// A reverse proxy that asks nobody.
pub(crate) fn bare_nginx(ground: &Ground) -> Outcome<Proxy> {
    let port = free_port()?;
    let http = format!(
        "{}
         server {{ listen 127.0.0.1:{port} ssl http2 backlog=4096; {} }}",
        upstream("origin", ground.origin),
        locations("")
    );
    let server = ground.nginx("nginx", MEASURED, &http, port)?;
    let about = ("nginx", "`proxy_pass`, no session check, no header");
    Ok(Proxy { asserts: false, ..Proxy::new(about, port, vec![server]) })
}

/// A reverse proxy that asks a service beside it about every request; the service answers 204 at once.
pub(crate) fn nginx_auth_request(ground: &Ground) -> Outcome<Proxy> {
    let (port, asked) = (free_port()?, free_port()?);
    let told = assertion();
    let service = format!(
        "server {{
             listen 127.0.0.1:{asked} backlog=4096;
             location / {{ add_header Library-Assertion {told}; return 204; }}
         }}"
    );
    let service = ground.nginx("auth-service", MEASURED, &service, asked)?;
    let inside = "auth_request /auth; auth_request_set $told $upstream_http_library_assertion;
                  proxy_set_header Library-Assertion $told; proxy_set_header Cookie \"\";";
    let http = format!(
        "{}
         {}
         server {{
             listen 127.0.0.1:{port} ssl http2 backlog=4096;
             location = /auth {{
                 internal;
                 proxy_pass http://asked;
                 proxy_http_version 1.1;
                 proxy_set_header Connection \"\";
                 proxy_pass_request_body off;
                 proxy_set_header Content-Length \"\";
             }}
             {}
         }}",
        upstream("origin", ground.origin),
        upstream("asked", asked),
        locations(inside)
    );
    let server = ground.nginx("nginx-auth", MEASURED, &http, port)?;
    let about = ("nginx auth_request", "each request is asked of a second nginx that answers 204; header set");
    let proxy = Proxy::new(about, port, vec![server, service]);
    Ok(Proxy { cookie: "__Host-visit=0000000000000000000000000000000000000000000".to_owned(), ..proxy })
}

/// A load balancer that looks a cookie up in a map of sessions.
pub(crate) fn haproxy(ground: &Ground) -> Outcome<Proxy> {
    let port = free_port()?;
    let told = assertion();
    let mut map = String::new();
    for number in 0..SESSIONS {
        writeln!(map, "{number:043} {told}")?;
    }
    fs::write(ground.site.at("sessions.map"), map)?;
    let configuration = format!(
        "global
    nbthread 1
    maxconn 8192
    ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
    mode http
    timeout connect 10s
    timeout client 600s
    timeout server 600s
    option http-keep-alive
    http-reuse always
frontend front
    bind 127.0.0.1:{port} ssl crt {pem} alpn h2,http/1.1
    http-request set-var(txn.told) req.cook(__Host-visit),map({map})
    http-request deny unless {{ var(txn.told) -m found }}
    http-request del-header Cookie
    http-request set-header Library-Assertion %[var(txn.told)]
    default_backend origin
backend origin
    server origin 127.0.0.1:{origin}
",
        pem = ground.site.at("both.pem").display(),
        map = ground.site.at("sessions.map").display(),
        origin = ground.origin,
    );
    let file = ground.site.at("haproxy.cfg");
    fs::write(&file, configuration)?;
    let file = file.display().to_string();
    let command = ["haproxy", "-db", "-f", &file];
    let server = Server::start("haproxy", MEASURED, &command, port, &ground.site.at("haproxy.log"))?;
    let about = ("haproxy map", "looks the cookie up in a map of 1,000 sessions; header set");
    Ok(Proxy { cookie: format!("__Host-visit={:043}", 7), ..Proxy::new(about, port, vec![server]) })
}
