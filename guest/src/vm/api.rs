use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A monitor whose socket does not appear by then hangs.
const APPEARS: Duration = Duration::from_secs(10);
/// Writing the memory of a large machine to a slow disk is the longest that is asked for.
const ANSWER: Duration = Duration::from_secs(150);
const LARGEST_ANSWER: usize = 256 * 1024;

/// Firecracker's control channel: HTTP over a unix socket, one request after the other on one connection.
pub struct Api {
    path: String,
    stream: UnixStream,
}

impl Api {
    /// Waits for the socket. `is_gone` tells that nobody will make it any more.
    pub fn open(path: &str, mut is_gone: impl FnMut() -> bool) -> Result<Api, String> {
        let late = Instant::now() + APPEARS;
        loop {
            if let Ok(stream) = connect(path) {
                return Ok(Api { path: path.to_string(), stream });
            }
            if is_gone() {
                return Err("the machine monitor has ended".to_string());
            }
            if Instant::now() > late {
                return Err("the machine monitor does not listen".to_string());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// `METHOD PATH BODY`; without a body nothing is sent along. Answers with what came back; what is refused is an error.
    pub fn request(&mut self, request: &str) -> Result<String, String> {
        let mut words = request.splitn(3, ' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let body = words.next().unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let text = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n{}Content-Length: {}\r\n\r\n{}",
            method,
            path,
            kind,
            body.len(),
            body
        );
        let sent = self.stream.write_all(text.as_bytes()).or_else(|_| {
            // It may close a connection that was not used for long.
            self.stream = connect(&self.path)?;
            self.stream.write_all(text.as_bytes())
        });
        sent.map_err(|error| format!("the machine monitor does not listen: {}", error))?;
        match self.answer()? {
            (200..=299, said) => Ok(said),
            (status, said) => Err(format!("the machine monitor refused {} {}: {} {}", method, path, status, said.trim())),
        }
    }

    fn answer(&mut self) -> Result<(u16, String), String> {
        let mut received = Vec::new();
        loop {
            if let Some(answer) = whole_answer(&received)? {
                return Ok(answer);
            }
            if received.len() > LARGEST_ANSWER {
                return Err("the machine monitor says too much".to_string());
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err("the machine monitor has ended".to_string()),
                Ok(count) => received.extend_from_slice(&piece[..count]),
                Err(error) => return Err(format!("the machine monitor does not answer: {}", error)),
            }
        }
    }
}

fn connect(path: &str) -> Result<UnixStream, std::io::Error> {
    let stream = UnixStream::connect(Path::new(path))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    Ok(stream)
}

/// Status and body, once both are there.
fn whole_answer(received: &[u8]) -> Result<Option<(u16, String)>, String> {
    let end = match received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
        Some(end) => end,
        None => return Ok(None),
    };
    let head = String::from_utf8_lossy(&received[..end]);
    let not_http = || "the machine monitor does not speak HTTP".to_string();
    let status = head.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok()).ok_or_else(not_http)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
    });
    // Only a 204 has no length: it has no body either.
    let body = received.get(end + 4..end + 4 + length.unwrap_or(0));
    Ok(body.map(|body| (status, String::from_utf8_lossy(body).into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn answered(answers: &'static [&'static str]) -> (Api, std::thread::JoinHandle<Vec<String>>) {
        let path = std::env::temp_dir().join(format!("warren-api-{}-{:p}", std::process::id(), answers.as_ptr()));
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut taken = Vec::new();
            for answer in answers {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).unwrap();
                taken.push(String::from_utf8_lossy(&piece[..count]).into_owned());
                // In two pieces.
                let (start, end) = answer.split_at(9);
                stream.write_all(start.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_millis(2));
                stream.write_all(end.as_bytes()).unwrap();
            }
            taken
        });
        let api = Api::open(path.to_str().unwrap(), || false).unwrap();
        std::fs::remove_file(&path).unwrap();
        (api, server)
    }

    #[test]
    fn requests_go_one_after_the_other_and_refusals_are_told_with_its_words() {
        let (mut api, server) = answered(&[
            "HTTP/1.1 204 \r\nServer: it\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody",
            "HTTP/1.1 400 \r\nContent-Length: 7\r\n\r\nnot now",
        ]);
        assert_eq!(api.request(r#"PATCH /vm {"state":"Paused"}"#).unwrap(), "");
        assert_eq!(api.request("GET /").unwrap(), "body");
        let refused = api.request(r#"PUT /x {"a": "b c"}"#).unwrap_err();
        assert!(refused.contains("PUT /x: 400 not now"), "{}", refused);
        let taken = server.join().unwrap();
        assert!(taken[0].starts_with("PATCH /vm HTTP/1.1\r\n") && taken[0].ends_with(r#"{"state":"Paused"}"#));
        assert!(taken[1].contains("Content-Length: 0") && !taken[1].contains("Content-Type"));
        assert!(taken[2].ends_with("\r\n\r\n{\"a\": \"b c\"}"));
        assert!(api.request("GET /").is_err());
    }

    #[test]
    fn one_that_has_ended_is_not_waited_for() {
        assert!(Api::open("/nowhere/api.sock", || true).is_err());
    }
}
