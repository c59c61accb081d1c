mod agent;
mod boot_id;
mod descendants;
mod directory;
mod failure;
mod frames;
mod gateway;
mod init;
mod keeper;
mod kvm_probe;
mod launcher;
mod layer;
mod layer_marks;
mod libc;
mod memory_holder;
mod mux;
mod network_holder;
mod sha256;
mod signals;
mod sparse_copy;
mod sudo;
mod syscalls;
mod tree_copy;
mod vm;

fn main() {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let code = match arguments.split_first() {
        _ if called_sudo() => sudo::main(&arguments),
        Some((command, rest)) if command == "agent" => agent::main(rest),
        Some((command, rest)) if command == "boot-id" => boot_id::main(rest),
        Some((command, rest)) if command == "hold" => memory_holder::main(rest),
        Some((command, rest)) if command == "hold-network" => network_holder::main(rest),
        Some((command, _)) if command == "init" => init::main(),
        Some((command, rest)) if command == "keep" => keeper::main(rest),
        Some((command, rest)) if command == "gateway" => gateway::main(rest),
        Some((command, _)) if command == "probe-kvm" => kvm_probe::main(),
        Some((command, rest)) if command == "layer" => layer::main(rest),
        Some((command, rest)) if command == "vm" => vm::main(rest),
        Some((command, _)) if command == "launch" => launcher::main(),
        Some((command, rest)) if command == "layer-marks" => layer_marks::main(rest),
        Some((command, _)) if command == "version" => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            0
        }
        _ => {
            eprintln!(
                "usage: warren-guest agent | boot-id | gateway | hold | hold-network | init | keep | launch | layer | layer-marks \
                 | probe-kvm | version | vm"
            );
            2
        }
    };
    std::process::exit(code);
}

/// In a sandbox this program has a second name.
fn called_sudo() -> bool {
    std::env::args_os().next().map_or(false, |name| std::path::Path::new(&name).file_name() == Some("sudo".as_ref()))
}
