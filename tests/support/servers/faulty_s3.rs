use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// The way to an S3 store that goes wrong now and then, at random and repeatably: requests are lost, answers are lost,
/// requests arrive twice, late, or late and twice.
#[derive(Debug)]
pub(crate) struct FaultyS3 {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    target: u16,
    random: AtomicU64,
    well: AtomicBool,
    faults: AtomicU64,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The store is too busy to look at it.
    SlowDown,
    /// It is done, and the connection ends without an answer.
    AnswerIsLost,
    /// It is done, and the answer is an error.
    FailsAfterwards,
    /// The answer is an error, and it is done a while later.
    IsDoneLater,
    /// It is done twice; the answer is the second one.
    ArrivesTwice,
    /// It is done, and done again a while later.
    ArrivesAgainLater,
    /// It takes a while.
    IsSlow,
}

const FAULTS: [Fault; 7] = [
    Fault::SlowDown,
    Fault::AnswerIsLost,
    Fault::FailsAfterwards,
    Fault::IsDoneLater,
    Fault::ArrivesTwice,
    Fault::ArrivesAgainLater,
    Fault::IsSlow,
];

/// One request in so many goes wrong.
const ONE_IN: u64 = 8;

impl FaultyS3 {
    /// A way to the store on this port of this machine. The same seed meets the same requests with the same faults.
    pub(crate) fn to(target: u16, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            target,
            random: AtomicU64::new(seed),
            well: AtomicBool::new(false),
            faults: AtomicU64::new(0),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = shared.clone();
                // A client that goes away in the middle has had its fault.
                thread::spawn(move || state.answer_one(client).unwrap_or_default());
            }
        });
        Self { port, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many requests went wrong so far.
    pub(crate) fn faults(&self) -> u64 {
        self.state.faults.load(Ordering::SeqCst)
    }
}

impl State {
    fn answer_one(&self, mut client: TcpStream) -> io::Result<()> {
        let Some(request) = read_request(&mut client)? else { return Ok(()) };
        let changes = !(request.starts_with(b"GET ") || request.starts_with(b"HEAD "));
        let answer = match self.fault() {
            None => self.ask(&request)?,
            Some(Fault::SlowDown) => error("503 Slow Down", "SlowDown"),
            Some(Fault::AnswerIsLost) => return self.ask(&request).map(drop),
            Some(Fault::FailsAfterwards) => {
                self.ask(&request)?;
                error("500 Internal Server Error", "InternalError")
            }
            Some(Fault::IsDoneLater) if changes => {
                self.ask_later(request);
                error("500 Internal Server Error", "InternalError")
            }
            Some(Fault::ArrivesTwice) => {
                self.ask(&request)?;
                self.ask(&request)?
            }
            Some(Fault::ArrivesAgainLater) if changes => {
                let answer = self.ask(&request)?;
                self.ask_later(request);
                answer
            }
            Some(Fault::IsSlow | Fault::IsDoneLater | Fault::ArrivesAgainLater) => {
                thread::sleep(self.a_while());
                self.ask(&request)?
            }
        };
        // Its body ends with the connection.
        client.write_all(&answer)
    }

    fn fault(&self) -> Option<Fault> {
        let drawn = self.next();
        if !drawn.is_multiple_of(ONE_IN) {
            return None;
        }
        self.faults.fetch_add(1, Ordering::SeqCst);
        let place = usize::try_from(drawn / ONE_IN % FAULTS.len() as u64).unwrap();
        Some(FAULTS[place])
    }

    fn a_while(&self) -> Duration {
        Duration::from_millis(50 + self.next() % 700)
    }

    /// The next of a sequence of numbers that look random (splitmix64).
    fn next(&self) -> u64 {
        let mut z = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn ask_later(&self, request: Vec<u8>) {
        let (target, pause) = (self.target, self.a_while());
        thread::spawn(move || {
            thread::sleep(pause);
            // The store may have gone, with the test.
            let _answer = ask(target, &request);
        });
    }

    fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        ask(self.target, request)
    }
}

fn ask(target: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", target))?;
    let mut writer = server.try_clone()?;
    let mut answer = Vec::new();
    // A store that refuses a request may answer before it has read it, and then close.
    thread::scope(|scope| {
        scope.spawn(move || writer.write_all(request));
        server.read_to_end(&mut answer)
    })?;
    Ok(answer)
}

/// One request, with its body, told to be the last on its connection. The signature does not cover that header.
fn read_request(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 64 << 10];
    loop {
        if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if bytes.len() >= head + 4 + length {
                let (head, body) = bytes.split_at(head);
                return Ok(Some([head, b"\r\nconnection: close", body].concat()));
            }
        }
        match client.read(&mut buffer)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn error(status: &str, code: &str) -> Vec<u8> {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>");
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
