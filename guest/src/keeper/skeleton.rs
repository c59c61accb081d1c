use crate::tree_copy::{change_tree, copy_tree, give_tree, Owner};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const OWNERS: &str = ".owners";

/// Copies the skeleton into a fresh root. Owners are those of the file `.owners` (root where it is silent), shifted by
/// `uid_base` into the sandbox's range.
pub fn fill(skeleton: &Path, root: &Path, uid_base: u32) -> Result<(), String> {
    let owners = Owners::read(skeleton, uid_base)?;
    let shifted = |path: &Path, _| (path != Path::new(OWNERS)).then(|| owners.of(path));
    copy_tree(skeleton, root, &shifted).map_err(|error| format!("cannot copy {}: {}", skeleton.display(), error))
}

/// Gives a root that holds the skeleton already to the owners that `fill` would give it to.
pub fn take_over(root: &Path, skeleton: Option<&Path>, uid_base: u32) -> Result<(), String> {
    let owners = match skeleton {
        Some(skeleton) => Owners::read(skeleton, uid_base)?,
        None => Owners { listed: HashMap::new(), uid_base },
    };
    let _ = std::fs::remove_file(root.join(OWNERS));
    give_tree(root, &|path| owners.of(path)).map_err(|error| format!("cannot take over {}: {}", root.display(), error))
}

/// Most users and groups of one sandbox.
const IDS: u32 = 65_536;

/// Moves the owners of all files from the range of one sandbox to that of another. Others, which only a forged disk has,
/// become its root.
pub fn shift_owners(root: &Path, from: u32, to: u32) -> Result<(), String> {
    let inside = |id: u32, base: u32| id.checked_sub(base).filter(|inside| *inside < IDS);
    let moved = |id: u32| match inside(id, from) {
        // Met before by another name, or by an earlier attempt.
        _ if inside(id, to).is_some() => id,
        Some(inside) => to.saturating_add(inside),
        None => to,
    };
    change_tree(root, &|(uid, gid)| (moved(uid), moved(gid)))
        .map_err(|error| format!("cannot shift the owners of {}: {}", root.display(), error))
}

struct Owners {
    listed: HashMap<PathBuf, Owner>,
    uid_base: u32,
}

impl Owners {
    fn read(skeleton: &Path, uid_base: u32) -> Result<Owners, String> {
        let text = std::fs::read_to_string(skeleton.join(OWNERS)).unwrap_or_default();
        Ok(Owners { listed: parse_owners(&text)?, uid_base })
    }

    fn of(&self, path: &Path) -> Owner {
        let (uid, gid) = self.listed.get(path).copied().unwrap_or((0, 0));
        (self.uid_base.saturating_add(uid), self.uid_base.saturating_add(gid))
    }
}

/// Lines `path uid gid`; the path may contain spaces and may start with a slash.
fn parse_owners(text: &str) -> Result<HashMap<PathBuf, Owner>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let mut words = line.rsplitn(3, ' ');
            let (gid, uid, path) = (words.next(), words.next(), words.next());
            let number = |word: Option<&str>| word.and_then(|word| word.parse::<u32>().ok());
            match (path, number(uid), number(gid)) {
                (Some(path), Some(uid), Some(gid)) => Ok((PathBuf::from(path.trim_matches('/')), (uid, gid))),
                _ => Err(format!("{}: a line is `path uid gid`, not {}", OWNERS, line)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_lines() {
        let owners = parse_owners("home/user 1000 1000\n/var/my files 5 6\n\n").unwrap();
        assert_eq!(owners.get(Path::new("home/user")), Some(&(1000, 1000)));
        assert_eq!(owners.get(Path::new("var/my files")), Some(&(5, 6)));
        assert!(parse_owners("home/user 1000").is_err());
        assert!(parse_owners("home/user x y").is_err());
    }
}
