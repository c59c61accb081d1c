//! Who a request acts as: the sandbox's own /etc/passwd and /etc/group, read each time because the sandbox may change them.

use crate::failure::{Failure, Outcome};
use crate::libc;
use crate::syscalls::{check, Errno};
use std::fs::{Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Once;

const DEFAULT_USER: &str = "user";
const MAX_DATABASE: u64 = 4 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
    pub groups: Vec<u32>,
}

impl User {
    /// `path` made absolute: relative ones and `~` start at the user's home.
    pub fn path(&self, path: &[u8]) -> Vec<u8> {
        let home = self.home.trim_end_matches('/').as_bytes();
        match path {
            [b'/', ..] => path.to_vec(),
            [b'~'] | [] => self.home.clone().into_bytes(),
            [b'~', b'/', rest @ ..] | rest => [home, b"/", rest].concat(),
        }
    }
}

/// The user called `asked` (a name or a number). Without a name: `user`, or whoever the agent is where there is no such account.
pub fn find_user(asked: Option<&[u8]>) -> Outcome<User> {
    let passwd = database("/etc/passwd");
    let name = match asked {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => DEFAULT_USER.to_string(),
    };
    let found = match parse_passwd(&passwd).find(|user| user.name == name) {
        Some(user) => Some(user),
        None => match (name.parse::<u32>(), asked) {
            (Ok(uid), _) => Some(user_numbered(&passwd, uid)),
            (_, None) => Some(user_numbered(&passwd, own_uid())),
            _ => None,
        },
    };
    let mut user = found.ok_or_else(|| Failure::new("not_found", format!("no such user: {}", name)))?;
    if asked.is_none() && own_uid() != 0 {
        user = user_numbered(&passwd, own_uid());
    }
    if own_uid() != 0 && user.uid != own_uid() {
        let rule = "the sandbox's agent runs unprivileged and acts only as itself";
        return Err(Failure::new("permission_denied", format!("cannot act as user {}: {}", user.name, rule)));
    }
    user.groups = groups_of(&database("/etc/group"), &user);
    Ok(user)
}

/// Makes the calling thread act as `user` for everything that touches files. For good: the thread ends with its request.
pub fn act_as(user: &User) -> Outcome<()> {
    if own_uid() != 0 {
        return Ok(());
    }
    let refused = |errno| Failure::from_errno(errno, format!("cannot act as user {}", user.name));
    // The C library's setgroups() would change every thread of the agent.
    if may_set_groups() {
        set_thread_groups(&user.groups).map_err(refused)?;
    }
    unsafe {
        libc::setfsgid(user.gid);
        libc::setfsuid(user.uid);
        // setfs*id report no errors; asking for an impossible id returns the current one.
        if libc::setfsgid(u32::MAX) as u32 == user.gid && libc::setfsuid(u32::MAX) as u32 == user.uid {
            return Ok(());
        }
    }
    // gVisor's kernel has no setfsuid.
    become_user(user).map_err(refused)
}

/// Changes all ids of the calling thread alone; the C library would change those of every thread.
pub fn become_user(user: &User) -> Result<(), Errno> {
    let (gid, uid) = (user.gid as i64, user.uid as i64);
    check(unsafe { libc::syscall(libc::SYS_SETRESGID, gid, gid, gid) } as i32)?;
    check(unsafe { libc::syscall(libc::SYS_SETRESUID, uid, uid, uid) } as i32).map(drop)
}

/// Sets the groups of the calling thread alone.
pub fn set_thread_groups(groups: &[u32]) -> Result<(), Errno> {
    check(unsafe { libc::syscall(libc::SYS_SETGROUPS, groups.len(), groups.as_ptr()) } as i32).map(drop)
}

/// A user namespace made without privileges denies setgroups; there are no other groups to be had in it.
pub fn may_set_groups() -> bool {
    static DENIED: AtomicBool = AtomicBool::new(false);
    static ASKED: Once = Once::new();
    ASKED.call_once(|| {
        let setting = std::fs::read("/proc/self/setgroups").unwrap_or_default();
        DENIED.store(setting.starts_with(b"deny"), Ordering::Relaxed);
    });
    !DENIED.load(Ordering::Relaxed)
}

pub fn own_uid() -> u32 {
    unsafe { libc::geteuid() }
}

/// Names of user and group ids, for many look-ups against one reading of the databases.
pub struct Names {
    users: Vec<(u32, String)>,
    groups: Vec<(u32, String)>,
}

impl Names {
    pub fn read() -> Names {
        let users = parse_passwd(&database("/etc/passwd")).map(|user| (user.uid, user.name)).collect();
        let groups = parse_group(&database("/etc/group")).map(|group| (group.gid, group.name)).collect();
        Names { users, groups }
    }

    pub fn user(&self, uid: u32) -> String {
        name_of(&self.users, uid)
    }

    pub fn group(&self, gid: u32) -> String {
        name_of(&self.groups, gid)
    }
}

/// The number of the group called `name`, which may itself be a number.
pub fn find_group(name: &str) -> Outcome<u32> {
    let found = parse_group(&database("/etc/group")).find(|group| group.name == name).map(|group| group.gid);
    found.or_else(|| name.parse().ok()).ok_or_else(|| Failure::new("not_found", format!("no such group: {}", name)))
}

fn name_of(names: &[(u32, String)], id: u32) -> String {
    names.iter().find(|(found, _)| *found == id).map_or_else(|| id.to_string(), |(_, name)| name.clone())
}

fn user_numbered(passwd: &str, uid: u32) -> User {
    let nameless = || User { name: uid.to_string(), uid, gid: uid, home: "/".to_string(), groups: Vec::new() };
    parse_passwd(passwd).find(|user| user.uid == uid).unwrap_or_else(nameless)
}

fn groups_of(group: &str, user: &User) -> Vec<u32> {
    let mut groups = vec![user.gid];
    for entry in parse_group(group) {
        if entry.members.split(',').any(|member| member == user.name) && !groups.contains(&entry.gid) {
            groups.push(entry.gid);
        }
    }
    groups
}

fn parse_passwd(text: &str) -> impl Iterator<Item = User> + '_ {
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[..] {
            [name, _, uid, gid, _, home, ..] if !name.is_empty() => Some(User {
                name: name.to_string(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                home: if home.starts_with('/') { home } else { "/" }.to_string(),
                groups: Vec::new(),
            }),
            _ => None,
        }
    })
}

struct Group<'a> {
    name: String,
    gid: u32,
    members: &'a str,
}

fn parse_group(text: &str) -> impl Iterator<Item = Group<'_>> {
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[..] {
            [name, _, gid, members] if !name.is_empty() => {
                Some(Group { name: name.to_string(), gid: gid.parse().ok()?, members })
            }
            _ => None,
        }
    })
}

/// The sandbox's root may have put anything there: a FIFO must not hang us, nor a huge file fill memory.
fn database(path: &str) -> String {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let mut bytes = Vec::new();
    if let Ok(file) = file {
        if let Some(metadata) = file.metadata().ok().filter(Metadata::is_file) {
            bytes.reserve(metadata.len().min(MAX_DATABASE) as usize + 1);
            let _ = file.take(MAX_DATABASE).read_to_end(&mut bytes);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_lines_become_users() {
        let users: Vec<User> = parse_passwd("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1001::/home/user:\n").collect();
        assert_eq!(users.len(), 2);
        assert_eq!((users[1].name.as_str(), users[1].uid, users[1].gid), ("user", 1000, 1001));
        assert_eq!(users[1].home, "/home/user");
    }

    #[test]
    fn broken_passwd_lines_are_passed_over() {
        let text = "\n:::::::\nnot a line\na:x:-1:0::/:\nb:x:99999999999:0::/:\nc:x:5:6::relative:/bin/sh\n\u{fffd}";
        let users: Vec<User> = parse_passwd(text).collect();
        assert_eq!(users.len(), 1);
        assert_eq!((users[0].name.as_str(), users[0].home.as_str()), ("c", "/"));
    }

    #[test]
    fn groups_are_the_primary_and_those_that_name_the_member() {
        let user = parse_passwd("user:x:1000:1000::/:").next().unwrap();
        let group = "root:x:0:\naudio:x:29:someone,user\nuser:x:1000:user\nusers:x:100:user2\nbroken\n";
        assert_eq!(groups_of(group, &user), vec![1000, 29]);
    }

    #[test]
    fn paths_start_at_the_home_of_the_user() {
        let user = parse_passwd("user:x:1:1::/home/user:").next().unwrap();
        for (given, absolute) in
            [("/etc", "/etc"), ("~", "/home/user"), ("~/a", "/home/user/a"), ("a/b", "/home/user/a/b")]
        {
            assert_eq!(user.path(given.as_bytes()), absolute.as_bytes());
        }
    }

    #[test]
    fn an_unknown_number_is_a_nameless_user() {
        assert_eq!(user_numbered("", 4242).name, "4242");
        assert_eq!(user_numbered("u:x:7:8::/h:", 7).gid, 8);
    }
}
