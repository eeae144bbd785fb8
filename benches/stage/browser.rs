//! A small blocking HTTP/1.1 client on one connection, with or without TLS. It follows nothing and keeps no cookies.
use super::Outcome;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first field of a name, given in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value of a cookie that the answer sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let mut cookies = self.fields.iter().filter(|(n, _)| n == "set-cookie");
        cookies.find_map(|(_, value)| value.strip_prefix(name)?.strip_prefix('=')?.split(';').next())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// One connection.
pub(crate) struct Browser {
    stream: BufReader<Box<dyn Stream>>,
}

/// Trust in one certificate, for connections.
pub(crate) fn trusting(certificate: &Path) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).map_err(|e| e.to_string())?)?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl Browser {
    /// Connects to a port of loopback; with TLS when there is a name to ask for.
    pub(crate) fn connect(port: u16, tls: Option<(&Arc<ClientConfig>, &str)>) -> Outcome<Self> {
        Self::connect_from(Ipv4Addr::LOCALHOST, port, tls)
    }

    /// As [`Browser::connect`], from an address of loopback.
    pub(crate) fn connect_from(from: Ipv4Addr, port: u16, tls: Option<(&Arc<ClientConfig>, &str)>) -> Outcome<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some((config, name)) => {
                let name = ServerName::try_from(name.to_owned())?;
                let session = ClientConnection::new(Arc::clone(config), name)?;
                Box::new(StreamOwned::new(session, stream))
            }
        };
        Ok(Self { stream: BufReader::with_capacity(128 * 1024, stream) })
    }

    /// Sends a request, given as it goes over the wire, and reads the answer.
    pub(crate) fn send(&mut self, request: &str) -> Outcome<Answer> {
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.stream.get_mut().flush()?;
        self.answer()
    }

    fn answer(&mut self) -> Outcome<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or("expected a status line")?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, fields, body: Vec::new() };
        let length = answer.field("content-length").map_or(Ok(0), str::parse)?;
        if answer.field("transfer-encoding").is_some() {
            return Err("expected a body of known length, found chunks".into());
        }
        answer.body.resize(length, 0);
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        if !line.ends_with("\r\n") {
            return Err("the connection was closed within an answer's head".into());
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }
}
