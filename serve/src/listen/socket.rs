use std::{
    fs,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use anyhow::{Context, bail};
use socket2::{Domain, Socket, Type};

use super::ListenAddress;

/// The sockets of one worker.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Vec<UnixListener>,
}

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

impl Sockets {
    /// Binds every address once for each worker, and says where: a port of 0 becomes a real one.
    pub(crate) fn bind(
        addresses: &[ListenAddress],
        workers: usize,
    ) -> anyhow::Result<(Vec<Self>, Vec<ListenAddress>)> {
        let mut all: Vec<Self> = (0..workers).map(|_| Self::default()).collect();
        let mut bound = Vec::new();
        for address in addresses {
            let listening = || format!("listening on {address}");
            match address {
                ListenAddress::Tcp(address) => {
                    let address = free_port(*address).with_context(listening)?;
                    for sockets in &mut all {
                        sockets.tcp.push(tcp(address, true).with_context(listening)?);
                    }
                    bound.push(ListenAddress::Tcp(address));
                }
                ListenAddress::Unix(path) => {
                    let listener = unix(path).with_context(listening)?;
                    for sockets in &mut all {
                        sockets.unix.push(listener.try_clone()?);
                    }
                    bound.push(ListenAddress::Unix(path.clone()));
                }
            }
        }
        Ok((all, bound))
    }
}

/// Removes the files of Unix sockets.
pub(super) fn remove(addresses: &[ListenAddress]) {
    let paths = addresses.iter().filter_map(|address| match address {
        ListenAddress::Unix(path) => Some(path),
        ListenAddress::Tcp(_) => None,
    });
    for path in paths {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "a socket's file was left behind");
        }
    }
}

/// The address, with a free port in the place of 0. A port that another program listens on is refused here:
/// with `SO_REUSEPORT` alone two servers would silently share it.
fn free_port(address: SocketAddr) -> io::Result<SocketAddr> {
    tcp(address, false)?.local_addr()
}

fn tcp(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if shared {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

fn unix(path: &Path) -> anyhow::Result<UnixListener> {
    make_room(path)?;
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    // What is served is public, and the front that connects is mostly another user.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Removes the socket of a server that died. One that is listened on stays, and so does any other file.
fn make_room(path: &Path) -> anyhow::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        there => there?,
    };
    if !there.file_type().is_socket() {
        bail!("there is a file that is no socket");
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("another server listens there"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_listened_on_is_refused_and_not_shared() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (_sockets, bound) = Sockets::bind(&[ListenAddress::Tcp(any)], 2).unwrap();
        let error = Sockets::bind(&bound, 2).unwrap_err();
        assert!(format!("{error:#}").contains("Address already in use"), "{error:#}");
    }

    #[test]
    fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let address = [ListenAddress::Unix(path.clone())];
        let living = Sockets::bind(&address, 1).unwrap();
        let error = Sockets::bind(&address, 1).unwrap_err();
        assert!(format!("{error:#}").contains("another server listens there"), "{error:#}");
        drop(living);
        Sockets::bind(&address, 1).unwrap();

        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(Sockets::bind(&address, 1).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
