//! The portal in front of the counting library system, and those who come to its door: from any address of loopback, many
//! at once on one connection.
use super::ils::{CountingIls, Pace};
use crate::support::World;
use crate::support::browser::trusting;
use crate::support::served::Served;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::SendRequest;
use hyper::header::{CONTENT_TYPE, COOKIE, DATE, ORIGIN, SET_COOKIE};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

/// The portal, with a library system that counts.
pub struct Door {
    pub world: World,
    pub served: Served,
    pub ils: CountingIls,
    more: &'static str,
}

impl Door {
    /// Opens with the demo's configuration and some more of it.
    pub async fn open(pace: Pace, more: &'static str) -> Arc<Self> {
        let world = World::start();
        let ils = CountingIls::start(pace).await;
        let served = serve(&world, &ils, more).await;
        Arc::new(Self { world, served, ils, more })
    }

    /// Kills the portal and starts it again with what is on its disk.
    pub async fn restarted(self: Arc<Self>) -> Arc<Self> {
        let mut door = Arc::into_inner(self).unwrap();
        door.served.signal("KILL");
        door.served.ended().await;
        door.served = serve(&door.world, &door.ils, door.more).await;
        Arc::new(door)
    }

    /// Comes from an address, with a form.
    pub async fn visitor(self: &Arc<Self>, from: [u8; 4]) -> Visitor {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], self.served.port))).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("login.vestibule.localhost").unwrap();
        let tls = TlsConnector::from(trusting(&self.world.path("ca"), &[b"h2"]));
        let stream = tls.connect(name, stream).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut visitor =
            Visitor { sender, portal: self.served.portal.clone(), cookie: String::new(), token: String::new() };
        let page = visitor.send(Request::get(visitor.login()).body(Full::default()).unwrap()).await;
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        let token = text.split("name=\"token\" value=\"").nth(1).expect("a form").split('"').next().unwrap();
        token.clone_into(&mut visitor.token);
        visitor.cookie = page.cookie("__Host-vestibule-form").expect("the form's cookie");
        visitor
    }
}

/// The demo's libraries with the counting system, and counters that outlive the process.
async fn serve(world: &World, ils: &CountingIls, more: &'static str) -> Served {
    let (old, new) = (world.text("ils").to_owned(), ils.address.to_string());
    Served::beside(world, |text| {
        let text = text.replace(&format!("address = \"{old}\""), &format!("address = \"{new}\""));
        let text = text.replace("preset = \"evergreen\"", "preset = \"koha\"");
        let text = text.replace("state_dir = \"state\"", "state_dir = \"state-of-guesses\"");
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("branches = ")).collect();
        format!("{}\n{more}\n", lines.join("\n"))
    })
    .await
}

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// A cookie that it sets, as `name=value`.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers.get_all(SET_COOKIE).iter().map(|field| field.to_str().unwrap());
        cookies.filter_map(|field| field.split(';').next()).find(|c| c.starts_with(&format!("{name}="))).map(Into::into)
    }

    pub fn is_signed_in(&self) -> bool {
        self.status == StatusCode::SEE_OTHER && self.cookie("__Host-vestibule").is_some()
    }

    /// All that there is to see, but for what differs between any two answers.
    pub fn seen(&self, visitor: &Visitor) -> (StatusCode, Vec<(String, String)>, String) {
        let fields = self.headers.iter().filter(|(name, _)| **name != DATE);
        let fields = fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (self.status, fields.collect(), String::from_utf8_lossy(&self.body).replace(&visitor.token, "TOKEN"))
    }
}

/// Somebody with a form open.
#[derive(Clone)]
pub struct Visitor {
    sender: SendRequest<Full<Bytes>>,
    portal: String,
    pub cookie: String,
    token: String,
}

impl Visitor {
    fn login(&self) -> String {
        format!("{}/login", self.portal)
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        self.sender.ready().await.unwrap();
        let (parts, body) = self.sender.send_request(request).await.map(Response::into_parts).unwrap();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Fills the form.
    pub async fn sign_in(&self, card: &str, pin: &str) -> Answer {
        let fields = [("token", &*self.token), ("library", "elmwood"), ("card", card), ("pin", pin)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(self.login())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ORIGIN, &self.portal)
            .header("sec-fetch-site", "same-origin")
            .header(COOKIE, &self.cookie);
        self.clone().send(request.body(Full::from(body)).unwrap()).await
    }

    /// With another cookie beside the form's.
    pub fn holding(&self, cookie: &str) -> Self {
        Self { cookie: format!("{}; {cookie}", self.cookie), ..self.clone() }
    }
}
