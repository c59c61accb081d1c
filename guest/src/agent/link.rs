use super::connection::{Connection, Lost};
use super::host_socket::HostSocket;
use crate::failure::{Failure, Outcome};
use crate::frames::Fields;
use crate::libc;
use crate::syscalls::errno;
use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Mutex;

/// More than that wait for no process; the oldest goes.
const MOST: usize = 16;

/// Connections that are to become descriptors of processes, by the name that the host gave them.
#[derive(Default)]
pub struct Links(Mutex<Vec<(Vec<u8>, HostSocket)>>);

impl Links {
    /// Keeps the connection for the process that is started with its name. Says so first: nothing of ours follows.
    pub fn keep(&self, connection: Connection, fields: &Fields) -> Result<(), Lost> {
        let name = match fields.get(1) {
            Some(name) if !name.is_empty() && name.len() <= 64 => name.to_vec(),
            _ => return connection.fail(&Failure::new("invalid", "a link has a name of 1 to 64 bytes")),
        };
        // Whoever asks for it next waits until it is there.
        let mut links = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        connection.ok(&[])?;
        let (socket, _) = connection.into_raw();
        if links.len() >= MOST {
            links.remove(0);
        }
        links.push((name, socket));
        Ok(())
    }

    /// The connection of that name, which nobody gets a second time.
    pub fn take(&self, name: &[u8]) -> Outcome<OwnedFd> {
        let mut links = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let place = links.iter().position(|(known, _)| known == name);
        let (_, socket) = match place {
            Some(place) => links.remove(place),
            None => return Err(Failure::new("not_found", "there is no such link")),
        };
        let copy = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 4) };
        if copy < 0 {
            return Err(Failure::from_errno(errno(), "cannot hand on a link"));
        }
        Ok(unsafe { OwnedFd::from_raw_fd(copy) })
    }
}
