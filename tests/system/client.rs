use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// A connection on which HTTP/1.1 is spoken byte by byte.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    /// What has arrived and was not asked for yet.
    arrived: Vec<u8>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A response as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In the order of the wire, the names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Longer than any answer may take, so that a server that hangs fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

impl Client {
    pub(crate) fn tcp(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Box::new(stream), arrived: Vec::new() })
    }

    pub(crate) fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: Box::new(stream), arrived: Vec::new() })
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Asks and waits for the answer; the connection stays open.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request(method, target, headers).as_bytes()).unwrap();
        self.receive(method).unwrap().unwrap_or_else(|| panic!("{method} {target} was not answered"))
    }

    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[])
    }

    /// The next answer, to a request of this method; `None` where the server has closed the connection
    /// between two answers. One that is cut in its middle is an error.
    pub(crate) fn receive(&mut self, method: &str) -> io::Result<Option<Answer>> {
        let head_end = loop {
            if let Some(end) = self.arrived.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if self.read_more()? == 0 {
                return if self.arrived.is_empty() { Ok(None) } else { Err(cut()) };
            }
        };
        let head =
            String::from_utf8(self.arrived.drain(..head_end + 4).collect()).map_err(io::Error::other)?;
        let mut answer = parse_head(&head).ok_or_else(|| io::Error::other(format!("no HTTP: {head:?}")))?;
        let bodiless = method == "HEAD" || answer.status == 304 || answer.status < 200;
        let length = match answer.header("content-length") {
            _ if bodiless => 0,
            Some(length) => length.parse().map_err(io::Error::other)?,
            None => return Err(io::Error::other(format!("an answer of unknown length: {head:?}"))),
        };
        while self.arrived.len() < length {
            if self.read_more()? == 0 {
                return Err(cut());
            }
        }
        answer.body = self.arrived.drain(..length).collect();
        Ok(Some(answer))
    }

    /// Whether the server closes the connection now, with nothing more to say.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.arrived.is_empty() && matches!(self.read_more(), Ok(0))
    }

    fn read_more(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 << 10];
        let read = self.stream.read(&mut buffer)?;
        self.arrived.extend(&buffer[..read]);
        Ok(read)
    }
}

impl Answer {
    /// The one header of this name. Several are a mistake of the server's.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(there, _)| there == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} comes twice in {:?}", self.headers);
        value
    }

    /// The headers but for the date, which is never the same.
    pub(crate) fn lasting_headers(&self) -> Vec<(String, String)> {
        self.headers.iter().filter(|(name, _)| name != "date").cloned().collect()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The name of the problem that the body tells of, given that it is one in the right form.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(self.header("access-control-allow-origin"), Some("*"), "{self:?}");
        assert_eq!(self.header("etag"), None, "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{body}");
        assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{body}");
        let name = body["type"].as_str().and_then(|name| name.strip_prefix("urn:results-day:problem:"));
        name.unwrap_or_else(|| panic!("no type in {body}")).to_owned()
    }

    /// Whether the server says that this was the connection's last answer.
    pub(crate) fn is_last(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

pub(crate) fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nhost: results.example\r\n{headers}\r\n")
}

fn parse_head(head: &str) -> Option<Answer> {
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines.take_while(|line| !line.is_empty()).map(header).collect::<Option<_>>()?;
    Some(Answer { status, headers, body: Vec::new() })
}

fn cut() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "an answer was cut")
}
