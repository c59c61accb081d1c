use super::connection::{Connection, Lost};
use crate::frames::{kind, FieldWriter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const LISTENING: &str = "0A";

/// The TCP ports that something in the sandbox listens on.
pub fn ports(connection: &Connection) -> Result<(), Lost> {
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read(table).unwrap_or_default();
        for (address, port) in listening(&String::from_utf8_lossy(&text)) {
            connection.send(kind::ENTRY, &FieldWriter::new().text(1, port).text(2, address).done())?;
        }
    }
    connection.send(kind::END, &[])
}

fn listening(table: &str) -> Vec<(IpAddr, u16)> {
    let rows = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<&str>>());
    rows.filter(|row| row.get(3) == Some(&LISTENING)).filter_map(|row| parse_address(row.get(1)?)).collect()
}

/// `0100007F:1F90`: 32-bit words in the machine's byte order, then the port.
fn parse_address(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let digits = address.get(index * 8..index * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for index in 0..4 {
                bytes.get_mut(index * 4..index * 4 + 4)?.copy_from_slice(&word(index)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_rows_are_found() {
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A x\n   1: 0100007F:1F91 0100007F:1F90 01 x\nbroken\n";
        assert_eq!(listening(table), vec![(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080)]);
    }

    #[test]
    fn addresses_of_both_families() {
        assert_eq!(parse_address("00000000000000000000000001000000:0050"), Some((IpAddr::V6(Ipv6Addr::LOCALHOST), 80)));
        assert_eq!(parse_address("zz:1"), None);
        assert_eq!(parse_address("\u{e9}00007F:1F90"), None);
    }
}
