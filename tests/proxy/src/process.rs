//! What the operating system knows about a process: its memory and its CPU time.

use std::fs;
use std::time::Duration;

/// Linux counts a process's time in ticks of 10 ms, whatever the kernel's own clock (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// The resident memory of a process, in bytes; `None` when it has ended.
pub fn resident_bytes(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The CPU time that a process has used in all its threads; `None` when it has ended.
pub fn cpu_time(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold blanks.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_time_and_memory() {
        let own = std::process::id();
        let before = cpu_time(own).expect("this process is running");
        let worked = crate::deadline::Deadline::after(crate::deadline::PATIENCE);
        let mut sum = 0_u64;
        while worked.left().is_some() && cpu_time(own) == Some(before) {
            sum = (0..100_000).fold(sum, u64::wrapping_add);
        }
        assert!(cpu_time(own) > Some(before), "no time was counted ({sum})");
        assert!(resident_bytes(own) > Some(1 << 20));
    }

    #[test]
    fn a_process_that_has_ended_has_neither() {
        let beyond_every_id = u32::MAX;
        assert_eq!((resident_bytes(beyond_every_id), cpu_time(beyond_every_id)), (None, None));
    }
}
