//! Socket files.

use crate::support::{Lab, Setup, server};
use ipam_api::Subscriber;
use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
    time::Duration,
};

/// What the operator reads when `lab` cannot be served.
fn refusal(prepare: impl FnOnce(&Path)) -> String {
    let (server, directory) = server(|_| {});
    prepare(directory.path());
    let error = server.registered(Lab::named("lab")).expect_err("refused");
    error.to_string().replace(directory.path().to_str().unwrap(), "DIR")
}

#[tokio::test]
async fn the_built_ins_have_other_names_for_docker() {
    let (server, directory) = server(|_| {});
    for (name, file) in [("default", "wipam"), ("null", "wipam-null"), ("lab", "lab")] {
        server.registered(Lab::named(name)).unwrap();
        assert!(directory.path().join(format!("{file}.sock")).exists(), "{name}");
    }
}

#[tokio::test]
async fn owner_and_group_may_write_and_nobody_else() {
    let setup = Setup::new();
    let mode = fs::metadata(setup.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[tokio::test(start_paused = true)]
async fn the_socket_of_a_dead_process_is_replaced() {
    let (server, directory) = server(|_| {});
    let path = directory.path().join("lab.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let lab = Lab::named("lab");
    server.registered(lab.clone()).unwrap();
    let setup = Setup { server, lab, directory };
    assert_eq!(setup.connect().await.call("/Plugin.Activate", "").await.status, 200);
}

#[tokio::test]
async fn the_socket_of_a_living_process_is_left_alone() {
    let mut other = None;
    let text = refusal(|directory| {
        other = Some(UnixListener::bind(directory.join("lab.sock")).unwrap());
    });
    assert_eq!(text, "DIR/lab.sock: another process is listening on this socket");
}

#[tokio::test]
async fn two_drivers_are_not_one_plugin() {
    let (server, directory) = server(|_| {});
    server.registered(Lab::named("default")).unwrap();
    let error = server.registered(Lab::named("wipam")).expect_err("default has its name");
    let text = error.to_string().replace(directory.path().to_str().unwrap(), "DIR");
    assert_eq!(
        text,
        "DIR/wipam.sock: another driver has this socket: give one of them another name for Docker"
    );
}

#[tokio::test]
async fn a_file_in_the_way_is_left_alone() {
    let text = refusal(|directory| {
        fs::File::create(directory.join("lab.sock")).unwrap();
    });
    assert_eq!(text, "DIR/lab.sock: a file that is not a socket is in the way");
    let text = refusal(|directory| {
        std::os::unix::fs::symlink("/nowhere", directory.join("lab.sock")).unwrap();
    });
    assert_eq!(text, "DIR/lab.sock: a file that is not a socket is in the way");
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let text = refusal(|directory| fs::remove_dir(directory).unwrap());
    assert_eq!(text, "DIR/lab.sock: cannot bind: No such file or directory (os error 2)");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_named() {
    let (server, _directory) = server(|config| {
        config.plugin_dir.push("x".repeat(108));
    });
    let error = server.registered(Lab::named("lab")).expect_err("too long").to_string();
    assert!(error.contains("cannot use a path of this length"), "{error}");
}

#[tokio::test]
async fn a_configured_name_cannot_leave_the_directory() {
    let (server, _directory) = server(|config| {
        config.names.insert("lab".parse().unwrap(), "../lab".into());
    });
    let error = server.registered(Lab::named("lab")).expect_err("not a name");
    assert_eq!(error.to_string(), r#""../lab" cannot be the name of a plugin"#);
}

#[tokio::test]
async fn two_drivers_cannot_have_one_socket() {
    let (server, directory) = server(|config| {
        config.names.insert("two".parse().unwrap(), "lab".into());
    });
    server.registered(Lab::named("lab")).unwrap();
    server.registered(Lab::named("two")).expect_err("taken");
    server.unregistered(&"two".parse().unwrap());
    assert!(directory.path().join("lab.sock").exists());
    server.unregistered(&"lab".parse().unwrap());
    assert!(!directory.path().join("lab.sock").exists());
    server.registered(Lab::named("two")).unwrap();
}

#[tokio::test]
async fn a_successors_socket_is_not_removed() {
    let setup = Setup::new();
    fs::remove_file(setup.path()).unwrap();
    let _successor = UnixListener::bind(setup.path()).unwrap();
    setup.server.unregistered(&"lab".parse().unwrap());
    assert!(setup.path().exists());
}

#[tokio::test]
async fn a_server_that_shuts_down_takes_no_more_drivers() {
    let setup = Setup::new();
    setup.server.shutdown(Duration::from_secs(1)).await;
    assert!(!setup.path().exists());
    let error = setup.server.registered(Lab::named("lab")).expect_err("refused");
    assert_eq!(error.to_string(), "shutting down");
}
