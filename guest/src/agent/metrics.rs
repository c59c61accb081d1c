use super::Agent;
use crate::descendants::stat_field;
use crate::frames::FieldWriter;
use crate::libc;

/// What the sandbox uses, as seen from inside: sums over the processes that can be seen, best effort.
pub fn metrics(agent: &Agent) -> Vec<u8> {
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(0) as u64;
    let tick_usec = 1_000_000 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as u64;
    let mut processes = 0u64;
    let mut memory_pages = 0u64;
    let mut cpu_ticks = 0u64;
    for pid in pids() {
        processes += 1;
        memory_pages += private_pages(pid).unwrap_or(0);
        cpu_ticks += own_ticks(pid).unwrap_or(0);
    }
    let cpu_usec = cpu_ticks * tick_usec + reaped_usec();
    let disk = disk();
    FieldWriter::new()
        .text(1, processes)
        .text(2, memory_pages * page)
        .text(3, disk.f_blocks.saturating_sub(disk.f_bfree).saturating_mul(disk.f_frsize as u64))
        .text(4, disk.f_blocks.saturating_mul(disk.f_frsize as u64))
        .text(5, disk.f_files.saturating_sub(disk.f_ffree))
        .text(6, cpu_usec)
        .optional(7, load())
        .optional(8, agent.limits.as_ref().map(|limits| limits.oom_kills()))
        .done()
}

fn pids() -> Vec<i32> {
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok());
    pids.filter(|pid| !is_of_the_kernel(*pid)).collect()
}

/// A kernel of our own shows its threads as processes.
fn is_of_the_kernel(pid: i32) -> bool {
    const FLAGS: usize = 9;
    const PF_KTHREAD: u64 = 0x0020_0000;
    stat_field(pid, FLAGS).map_or(false, |flags| flags & PF_KTHREAD != 0)
}

fn numbers(path: String) -> Option<Vec<u64>> {
    let text = String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned();
    let after_name = text.rsplit_once(')').map_or(text.as_str(), |(_, rest)| rest);
    Some(after_name.split_ascii_whitespace().map(|number| number.parse().unwrap_or(0)).collect())
}

fn private_pages(pid: i32) -> Option<u64> {
    let statm = numbers(format!("/proc/{}/statm", pid))?;
    Some(statm.get(1)?.saturating_sub(*statm.get(2)?))
}

/// utime and stime, fields 14 and 15 of proc(5), of which the first two are cut off.
fn own_ticks(pid: i32) -> Option<u64> {
    let stat = numbers(format!("/proc/{}/stat", pid))?;
    Some(stat.get(11)? + stat.get(12)?)
}

/// Processor time of everything that has ended and was reaped by the agent, with their own reaped children.
fn reaped_usec() -> u64 {
    let mut usage = libc::rusage::default();
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    let usec = |time: &libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    usec(&usage.ru_utime) + usec(&usage.ru_stime)
}

fn disk() -> libc::statvfs64 {
    let mut disk = libc::statvfs64::default();
    unsafe { libc::statvfs64(b"/\0".as_ptr().cast(), &mut disk) };
    disk
}

fn load() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next().map(str::to_string)
}
