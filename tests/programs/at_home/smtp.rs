//! The STARTTLS client with a mail server written in Python.

use std::path::Path;
use std::process::Command;

use crate::common::certificates::Authority;
use crate::common::files::Files;
use crate::servers::Server;
use crate::starttls_client::client;

fn mail_server(arguments: &[&str]) -> Server {
    let mut command = Command::new("python3");
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/smtp_server.py"));
    Server::start(command.args(arguments))
}

#[test]
#[ignore = "needs Python's aiosmtpd: .ci/run installs it"]
fn aiosmtpd_is_spoken_to_in_secret_and_not_at_all_without_starttls() {
    let (files, authority) = (Files::new("at-home-smtp"), Authority::new());
    let identity = authority.sign(&["127.0.0.1"]);
    let (cert, key) = (files.put("cert.pem", &identity.chain), files.put("key.pem", &identity.key));
    let ca = files.put("ca.pem", &authority.pem);

    let server = mail_server(&[&cert, &key]);
    let (success, lines, errors) = client(&server.address.to_string(), &ca);
    assert_eq!((success, errors.as_str()), (true, ""), "{lines:?}");
    let secured = lines.iter().position(|line| line == "Secured by TLSv1_3").expect("TLS begins");
    let (plain, secret) = lines.split_at(secured);
    let offers = |lines: &[String]| lines.iter().any(|line| line == "  STARTTLS");
    assert!(offers(plain) && !offers(secret), "{lines:?}");
    assert!(secret.contains(&"  mail.example".to_owned()), "{lines:?}");
    assert_eq!(secret[secret.len() - 2..], ["QUIT", "  Bye"]);

    let server = mail_server(&[]);
    let (success, lines, errors) = client(&server.address.to_string(), &ca);
    assert_eq!((success, errors.as_str()), (false, "the server does not offer STARTTLS\n"));
    assert!(!lines.contains(&"STARTTLS".to_owned()), "{lines:?}");
}
