/// What stands between `before` and the next quote.
pub fn word_after(text: &str, before: &str) -> Option<String> {
    let (_, after) = text.split_once(before)?;
    after.split_once('"').map(|(word, _)| word.to_string())
}
