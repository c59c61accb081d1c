use super::connection::{Connection, Lost};
use super::files::kept_attributes;
use super::host_socket::break_off_all_but;
use super::listen::listen_at;
use super::workers::{self, Source};
use super::Agent;
use crate::failure::{Failure, Outcome};
use crate::frames::Fields;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A folder that the host shows us and only it can write.
const HOST_FOLDER: &str = "/.warren/host";
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Longest time until all who serve have noticed that their connection is gone.
const BREAK_OFF_LIMIT: Duration = Duration::from_secs(3);
/// Without a word of the host by then, it has given up. Only time in which the sandbox runs counts.
const WAIT_LIMIT: Duration = Duration::from_secs(20);

/// Lets go of every socket of the host, as a checkpoint needs it, and listens again once the file `listen-TOKEN` is in the
/// host's folder: in this sandbox, or in one that was made from the checkpoint. The request's own connection closes
/// last; that it does is the answer.
pub fn suspend(agent: &'static Agent, connection: Connection, fields: &Fields) -> Result<(), Lost> {
    let (token, path) = match wanted(agent, fields) {
        Ok(wanted) => wanted,
        Err(failure) => return connection.fail(&failure),
    };
    connection.ok(&[])?;
    agent.workers.stop_listening();
    let since = Instant::now();
    while (break_off_all_but(connection.fd()) > 0 || agent.workers.wait()) && since.elapsed() < BREAK_OFF_LIMIT {
        sleep(LOOK_EVERY);
    }
    let _ = std::fs::remove_file(path);
    kept_attributes::before_new_numbers();
    drop(connection);

    let call = Path::new(HOST_FOLDER).join(format!("listen-{}", token));
    let since = Instant::now();
    while !call.exists() && since.elapsed() < WAIT_LIMIT {
        sleep(LOOK_EVERY);
    }
    // Nobody serves now who could start a program.
    while listen(agent, path).is_err() {
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn wanted<'a>(agent: &'static Agent, fields: &'a Fields) -> Outcome<(&'a str, &'static str)> {
    let path = match &agent.listens_at {
        Some(path) => path.as_str(),
        None => return Err(Failure::new("unsupported", "this agent inherited its socket and cannot make it anew")),
    };
    match fields.text(1) {
        Some(token) if token.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok((token, path)),
        _ => Err(Failure::new("invalid", "a token is made of letters and digits")),
    }
}

fn listen(agent: &'static Agent, path: &str) -> Result<(), std::io::Error> {
    workers::start(agent, Source::Socket(listen_at(path)?))
}
