//! Attempts one thing that a sandbox must not be able to do, stops before any damage, and prints what came of it as one
//! line of JSON: `{"open":true,"saw":"…"}`. The battery of `warren verify --adversarial` runs it inside every kind of
//! sandbox, and unconfined beside it to see that the attempt would succeed where nothing forbids it.

mod answer;
mod calls;
mod identity;
mod memory_sharing;
mod mounts;
mod namespaces;
mod old_calls;
mod paths;
mod processes;
mod resources;
mod sockets;
mod system;

use answer::{Answer, Attempt};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match attempt(&words) {
        Some(Ok(answer)) => println!("{}", answer.json()),
        Some(Err(errno)) => println!("{}", Answer::of(Err(errno)).json()),
        None => {
            eprintln!("warren-probe: no such attempt: {}", arguments.join(" "));
            std::process::exit(2);
        }
    }
}

fn attempt(words: &[&str]) -> Option<Attempt> {
    Some(match *words {
        ["call", name] => calls::call(name)?,
        ["old-call", abi] => old_calls::old_call(abi)?,
        ["read", path, ref rest @ ..] => paths::read(path, rest.first().copied()),
        ["read-addresses", path] => paths::read_addresses(path),
        ["write", path] => paths::open_to_write(path),
        ["make-device", folder, kind, major, minor] => {
            paths::make_device(folder, kind == "block", number(major)?, number(minor)?)
        }
        ["mount", kind, place, host] => mounts::mount(kind, place, host),
        ["mount-as-new-user", place] => mounts::mount_as_new_user(place),
        ["bind", place, host] => mounts::bind(place, host),
        ["remount", path, host] => mounts::remount(path, host),
        ["unmount", path, host] => mounts::unmount(path, host),
        ["unshare", kind] => namespaces::unshare(kind)?,
        ["clone", kind] => namespaces::clone(kind)?,
        ["clone3", kind] => namespaces::clone3(kind)?,
        ["setns", path] => namespaces::setns(path),
        ["capability", capability] => identity::capability(number(capability)?),
        ["become-root"] => identity::become_root(),
        ["raised-by-file"] => identity::raised_by_file(),
        ["no-new-privileges"] => identity::lacks_no_new_privileges(),
        ["unfiltered-threads"] => identity::unfiltered_threads(),
        ["give-capability", path] => identity::give_capability(path),
        ["descriptors"] => processes::descriptors(),
        ["environment", mark] => processes::environment(mark),
        ["find", mark] => processes::find(mark),
        ["signal", pid, mark] => processes::signal(number(pid)?, mark),
        ["trace", pid, mark] => processes::trace(number(pid)?, mark),
        ["lower-limit", pid, mark] => processes::lower_limit(number(pid)?, mark),
        ["kill-all", host] => processes::kill_all(host),
        ["signal-agent", signal, host] => processes::signal_agent(number(signal)?, host),
        ["type-into-terminal"] => processes::type_into_terminal(),
        ["socket", family, kind, protocol] => sockets::socket(number(family)?, number(kind)?, number(protocol)?),
        ["connect", address, port, token] => sockets::connect(address, number(port)? as u16, token),
        ["connect-unix", name, token] => sockets::connect_unix(name, token),
        ["ask-agent", path] => sockets::ask_agent(path),
        ["listen", port, token, seconds] => sockets::listen(number(port)? as u16, token, number(seconds)? as u64),
        ["show-request", port, seconds] => sockets::show_request(number(port)? as u16, number(seconds)? as u64),
        ["listen-unix", name, token, seconds] => sockets::listen_unix(name, token, number(seconds)? as u64),
        ["shm-find", key] => memory_sharing::find_segment(number(key)?),
        ["shm-hold", key, seconds] => memory_sharing::hold_segment(number(key)?, number(seconds)? as u64),
        ["queue-find", name] => memory_sharing::find_queue(name),
        ["queue-hold", name, seconds] => memory_sharing::hold_queue(name, number(seconds)? as u64),
        ["fork", count] => resources::fork(number(count)? as usize),
        ["threads", count] => resources::threads(number(count)? as usize),
        ["memory", mebibytes] => resources::memory(number(mebibytes)? as usize),
        ["lock-memory", mebibytes] => resources::lock_memory(number(mebibytes)? as usize),
        ["fill", path, mebibytes] => resources::fill(path, number(mebibytes)? as usize),
        ["fill-names", folder, count] => resources::fill_names(folder, number(count)? as usize),
        ["deep", folder, depth] => resources::deep(folder, number(depth)? as usize),
        ["files", count] => resources::files(number(count)? as usize),
        ["dead-children", count] => resources::dead_children(number(count)? as usize),
        ["spin", threads, milliseconds, percent] => {
            resources::spin(number(threads)? as usize, number(milliseconds)? as u64, number(percent)? as u64)
        }
        ["priority"] => resources::priority(),
        ["dump-core", folder] => resources::dump_core(folder),
        ["hold", seconds] => {
            std::thread::sleep(std::time::Duration::from_secs(number(seconds)? as u64));
            Ok(Answer::closed("held"))
        }
        _ => return None,
    })
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}
