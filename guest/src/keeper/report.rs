//! What launcher and keepers tell the platform: lines of JSON on a stdout that they share, each written at once.

use super::options::Disk;
use super::StartFailure;
use crate::syscalls::write;

/// Of the runtime's last words, so that a line with all of it escaped still goes out in one piece.
const MOST_WORDS: usize = 600;

pub fn prepared(id: &str) {
    tell(&format!(r#"{{"id":{},"ok":true,"prepared":true}}"#, quoted(id)));
}

pub fn success(id: &str, pid: i32, start_time: u64, disk: Disk) {
    let (id, disk) = (quoted(id), disk.name());
    tell(&format!(r#"{{"id":{},"ok":true,"pid":{},"startTime":"{}","disk":"{}"}}"#, id, pid, start_time, disk));
}

pub fn failure(id: &str, failure: &StartFailure) {
    let (error, stderr) = (quoted(head(&failure.error)), quoted(tail(&failure.stderr)));
    tell(&format!(r#"{{"id":{},"ok":false,"error":{},"stderr":{}}}"#, quoted(id), error, stderr));
}

pub fn ended(id: &str) {
    tell(&format!(r#"{{"id":{},"ok":false,"error":"the keeper ended without a word","stderr":""}}"#, quoted(id)));
}

/// The answer to those who asked for a copy of the disk.
pub fn copied(copied: Result<(), String>) -> String {
    match copied {
        Ok(()) => r#"{"copied":true}"#.to_string(),
        Err(error) => format!(r#"{{"copied":false,"error":{}}}"#, quoted(head(&error))),
    }
}

fn tell(line: &str) {
    let _ = write(1, format!("{}\n", line).as_bytes());
}

fn head(text: &str) -> &str {
    let end = (0..=text.len().min(MOST_WORDS)).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

fn tail(text: &str) -> &str {
    let start = (text.len().saturating_sub(MOST_WORDS)..=text.len()).find(|at| text.is_char_boundary(*at));
    &text[start.unwrap_or(0)..]
}

fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\t' => json.push_str("\\t"),
            control if control < ' ' => json.push_str(&format!("\\u{:04x}", control as u32)),
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(quoted("a\"b\\c\nd\u{1}é"), r#""a\"b\\c\nd\u0001é""#);
    }

    #[test]
    fn long_words_are_cut_at_a_character() {
        let text = "é".repeat(MOST_WORDS);
        assert_eq!(head(&text).len(), MOST_WORDS);
        assert_eq!(tail(&format!("{}x", text)).chars().last(), Some('x'));
        assert!(tail(&format!("{}x", text)).len() <= MOST_WORDS);
    }
}
