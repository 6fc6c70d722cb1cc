use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A network that breaks: it passes everything on to a server and back, until it is told to cut.
#[derive(Debug)]
pub(crate) struct CuttingProxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// How many bytes of answers a connection carries before it is cut.
    allowance: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl CuttingProxy {
    /// Starts to pass on connections to a port of this machine.
    pub(crate) fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { allowance: AtomicU64::new(u64::MAX), open: Mutex::default() });
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is away refuses, and so does the network.
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                shared.pass_on(client, server);
            }
        });
        Self { port, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, and each new one after so many bytes of answers.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.state.allowance.store(bytes, Ordering::SeqCst);
        for stream in self.state.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have ended by itself.
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    /// From here on nothing is cut any more.
    pub(crate) fn heal(&self) {
        self.cut_after(u64::MAX);
    }
}

impl State {
    fn pass_on(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let copies = |stream: &TcpStream| (stream.try_clone().unwrap(), stream.try_clone().unwrap());
        let ((client_in, client_kept), (server_in, server_kept)) = (copies(&client), copies(&server));
        self.open.lock().unwrap_or_else(PoisonError::into_inner).extend([client_kept, server_kept]);
        let allowance = self.allowance.load(Ordering::SeqCst);
        thread::spawn(move || copy(client_in, server, u64::MAX));
        thread::spawn(move || copy(server_in, client, allowance));
    }
}

/// Copies up to so many bytes, and then closes both ends.
fn copy(mut from: TcpStream, mut to: TcpStream, mut allowance: u64) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read) = from.read(&mut buffer) {
        let passed = allowance.min(read as u64) as usize;
        if read == 0 || to.write_all(&buffer[..passed]).is_err() || passed < read {
            break;
        }
        allowance -= passed as u64;
    }
    let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
