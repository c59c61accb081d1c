use super::loop_device::LOOP_MAJOR;

/// The most that may be written to a disk in a second: one that fills its disk keeps the kernel so busy that its neighbours
/// feel it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteLimit {
    /// `io.max` of the sandbox's control group, or the file of version 1, which limits by device whoever writes: there the
    /// kernel does not know whose pages it writes out.
    pub file: String,
    pub bytes_per_second: u64,
}

impl WriteLimit {
    /// Where the kernel cannot, the disk is as fast as it is.
    pub fn set(&self, loop_number: i32) {
        let _ = std::fs::write(&self.file, self.line(loop_number, Some(self.bytes_per_second)));
    }

    /// Version 1 would keep it for whoever is given the device next.
    pub fn lift(&self, loop_number: i32) {
        let _ = std::fs::write(&self.file, self.line(loop_number, None));
    }

    fn line(&self, loop_number: i32, limit: Option<u64>) -> String {
        let device = format!("{}:{}", LOOP_MAJOR, loop_number);
        match (self.file.ends_with("/io.max"), limit) {
            (true, Some(limit)) => format!("{} wbps={}", device, limit),
            (true, None) => format!("{} wbps=max", device),
            (false, limit) => format!("{} {}", device, limit.unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_way_to_say_it() {
        let v1 = WriteLimit { file: "/cg/blkio.throttle.write_bps_device".to_string(), bytes_per_second: 5000 };
        assert_eq!((v1.line(3, Some(5000)), v1.line(3, None)), ("7:3 5000".to_string(), "7:3 0".to_string()));
        let v2 = WriteLimit { file: "/cg/a/io.max".to_string(), bytes_per_second: 5000 };
        assert_eq!(
            (v2.line(3, Some(5000)), v2.line(3, None)),
            ("7:3 wbps=5000".to_string(), "7:3 wbps=max".to_string())
        );
    }
}
