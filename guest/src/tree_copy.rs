use crate::libc;
use crate::syscalls::{c_string, check};
use std::fs::{copy, create_dir, read_link, set_permissions, Metadata, Permissions};
use std::io::Error;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::path::Path;

/// What a copy belongs to, as user and group.
pub type Owner = (u32, u32);

/// Copies directories, regular files and links from `from` to `to`, which may exist if it is a directory.
///
/// `owner` is asked for each, by its path below `from`: who owns the copy, or `None` to leave it out with all below it.
/// Modes are kept; where ownership may not be given, copies belong to whoever copies.
pub fn copy_tree(from: &Path, to: &Path, owner: &dyn Fn(&Path, Owner) -> Option<Owner>) -> Result<(), Error> {
    let mut below = vec![Path::new("").to_path_buf()];
    while let Some(relative) = below.pop() {
        let (source, target) = (join(from, &relative), join(to, &relative));
        let metadata = source.symlink_metadata()?;
        let owner = match owner(&relative, (metadata.uid(), metadata.gid())) {
            Some(owner) => owner,
            None => continue,
        };
        if metadata.is_dir() {
            make_directory(&target)?;
            for entry in source.read_dir()? {
                below.push(relative.join(entry?.file_name()));
            }
        } else if metadata.is_file() {
            copy(&source, &target)?;
        } else if metadata.file_type().is_symlink() {
            symlink(read_link(&source)?, &target)?;
        } else {
            continue;
        }
        give(&target, owner, &metadata)?;
    }
    Ok(())
}

/// Gives `root` and everything below it to the owners that `owner` answers for their paths below `root`.
pub fn give_tree(root: &Path, owner: &dyn Fn(&Path) -> Owner) -> Result<(), Error> {
    change_owner(root, owner(Path::new("")))?;
    let mut below = vec![Path::new("").to_path_buf()];
    while let Some(relative) = below.pop() {
        for entry in join(root, &relative).read_dir()? {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            let kind = entry.file_type()?;
            change_owner(&entry.path(), owner(&path))?;
            if kind.is_dir() {
                below.push(path);
            }
        }
    }
    Ok(())
}

/// Gives `root` and everything below it to the owner that `owner` answers for the one it has, with its mode.
pub fn change_tree(root: &Path, owner: &dyn Fn(Owner) -> Owner) -> Result<(), Error> {
    let mut below = vec![root.to_path_buf()];
    while let Some(path) = below.pop() {
        let metadata = path.symlink_metadata()?;
        change_owner(&path, owner((metadata.uid(), metadata.gid())))?;
        // Changing the owner clears these.
        if metadata.is_file() && metadata.mode() & 0o6000 != 0 {
            set_permissions(&path, Permissions::from_mode(metadata.mode() & 0o7777))?;
        }
        if metadata.is_dir() {
            for entry in path.read_dir()? {
                below.push(entry?.path());
            }
        }
    }
    Ok(())
}

/// `join("")` would add a slash, and a file with a slash behind it is not found.
fn join(base: &Path, relative: &Path) -> std::path::PathBuf {
    if relative.as_os_str().is_empty() {
        base.to_path_buf()
    } else {
        base.join(relative)
    }
}

fn make_directory(path: &Path) -> Result<(), Error> {
    match create_dir(path) {
        Err(_) if path.symlink_metadata().map_or(false, |existing| existing.is_dir()) => Ok(()),
        made => made,
    }
}

fn give(path: &Path, owner: Owner, metadata: &Metadata) -> Result<(), Error> {
    match change_owner(path, owner) {
        Err(error) if error.raw_os_error() != Some(libc::EPERM) => return Err(error),
        _ => {}
    }
    if metadata.file_type().is_symlink() {
        return Ok(());
    }
    // After the owner: changing it clears the set-user-id bit.
    set_permissions(path, Permissions::from_mode(metadata.mode() & 0o7777))
}

fn change_owner(path: &Path, (uid, gid): Owner) -> Result<(), Error> {
    let name = c_string(path.as_os_str().as_bytes()).map_err(Error::from_raw_os_error)?;
    check(unsafe { libc::lchown(name.as_ptr(), uid, gid) }).map(drop).map_err(Error::from_raw_os_error)
}
