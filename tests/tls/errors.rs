//! Errors with certificates and keys say what to do: for PEM texts that are something else, and for errors that end a
//! program. The certificates are made with OpenSSL, as users make theirs.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::common::certificates::Authority;
use crate::common::files::Files;
use crate::common::free_address::free_address;
use crate::common::processes::{Process, output_of};
use waterwheel::{ConnectionError, TlsClient, TlsError, TlsErrorKind, TlsServer, open_connection, timeout};

/// Runs `openssl` with these arguments, in which `@name` stands for the path of a file, and returns its output.
fn openssl(files: &Files, words: &str) -> Vec<u8> {
    let paths = words.split(' ').map(|word| match word.strip_prefix('@') {
        Some(name) => files.path(name),
        None => word.to_owned(),
    });
    output_of(Command::new("openssl").args(paths), None)
}

fn read(files: &Files, name: &str) -> String {
    std::fs::read_to_string(files.path(name)).unwrap()
}

/// A certificate and its key, in `cert.pem` and `key.pem`, as `openssl req -x509` makes them.
fn self_signed_by_openssl(files: &Files, more: &str) {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout @key.pem -out @cert.pem \
                 -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost";
    openssl(files, &format!("{words}{more}"));
}

#[track_caller]
fn assert_bad<T>(outcome: io::Result<T>, words: &[&str]) {
    let error = outcome.err().unwrap_or_else(|| panic!("it was taken; expected {words:?}"));
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text:?} does not say {words:?}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_pem_text() {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost"]);
    let marked = |text: &str| format!("\u{feff}{text}");
    TlsClient::with_roots(marked(&authority.pem)).unwrap();
    TlsServer::new(marked(&identity.chain), marked(&identity.key)).unwrap();
    // Concatenated files have marks in the middle too, and each certificate counts.
    let other = Authority::new();
    let both = marked(&authority.pem) + &marked(&other.pem);
    let server = other.sign(&["127.0.0.1"]);
    waterwheel::run(async {
        let tls = TlsServer::new(&server.chain, &server.key).unwrap();
        let serving = waterwheel::start_server(|_, _| {}, "127.0.0.1:0").tls(tls).await.unwrap();
        let client = TlsClient::with_roots(both).unwrap();
        open_connection(serving.local_addrs()[0]).tls(client).await.unwrap();
    });
}

#[test]
fn an_encrypted_private_key_is_named_as_what_it_is() {
    let files = Files::new("tls-encrypted-key");
    self_signed_by_openssl(&files, "");
    let chain = read(&files, "cert.pem");
    openssl(&files, "pkcs8 -topk8 -in @key.pem -out @pkcs8.pem -passout pass:secret");
    openssl(&files, "ec -in @key.pem -out @ec.pem -aes128 -passout pass:secret");
    for name in ["pkcs8.pem", "ec.pem"] {
        let key = read(&files, name);
        assert!(key.contains("ENCRYPTED"), "OpenSSL has encrypted it: {key}");
        assert_bad(TlsServer::new(&chain, &key), &["private key", "encrypted", "openssl pkey"]);
        let client = TlsClient::with_roots(&chain).unwrap();
        assert_bad(client.client_certificate(&chain, &key), &["private key", "encrypted", "openssl pkey"]);
    }
    // The advice in the error message works.
    openssl(&files, "pkey -in @pkcs8.pem -out @plain.pem -passin pass:secret");
    TlsServer::new(&chain, read(&files, "plain.pem")).unwrap();
}

#[test]
fn a_path_is_named_as_what_it_is() {
    let identity = Authority::new().sign(&["localhost"]);
    for path in ["cert.pem", "/etc/ssl/cert.pem", "./secrets/server.key", "../chain", "~/ca.crt", "C:\\ca.cer\n"] {
        let words = &["path", "std::fs::read"];
        assert_bad(TlsClient::with_roots(path), words);
        assert_bad(TlsServer::new(path, &identity.key), words);
        assert_bad(TlsServer::new(&identity.chain, path), words);
        assert_bad(TlsServer::requiring_client_certificates(&identity.chain, &identity.key, path), words);
    }
}

#[test]
fn a_pem_text_without_what_is_wanted_says_what_it_has() {
    let files = Files::new("tls-other-pem");
    self_signed_by_openssl(&files, "");
    let (chain, key) = (read(&files, "cert.pem"), read(&files, "key.pem"));
    assert_bad(TlsServer::new(&key, &chain), &["no certificate", "PRIVATE KEY"]);
    assert_bad(TlsServer::new(&chain, &chain), &["no private key", "CERTIFICATE"]);
    assert_bad(TlsClient::with_roots(&key), &["no certificate", "PRIVATE KEY"]);
    assert_bad(TlsClient::with_roots(""), &["no certificate", "empty"]);
    assert_bad(TlsClient::with_roots(" \n"), &["no certificate", "empty"]);
    assert_bad(TlsClient::with_roots("nothing of the kind"), &["no certificate"]);

    let certificate = openssl(&files, "x509 -in @cert.pem -outform der");
    assert_bad(TlsClient::with_roots(&certificate), &["no certificate", "DER"]);
    let binary_key = openssl(&files, "ec -in @key.pem -outform der");
    assert_bad(TlsServer::new(&chain, binary_key), &["no private key", "DER"]);
    let utf_16: Vec<u8> = "\u{feff}".encode_utf16().chain(chain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_bad(TlsClient::with_roots(utf_16), &["no certificate", "UTF-16"]);

    let other = Authority::new().sign(&["localhost"]);
    assert_bad(TlsServer::new(&chain, &other.key), &["private key", "first certificate"]);

    // A cut chain is refused, since using only a part of it is not what the user meant.
    let cut = format!("{chain}{}", chain.trim_end().trim_end_matches("-----END CERTIFICATE-----"));
    assert_bad(TlsClient::with_roots(cut), &["certificate"]);
}

/// OpenSSL's server with the certificate in `cert.pem`.
fn openssl_server(files: &Files) -> (Process, SocketAddr) {
    let address = free_address();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-cert", &files.path("cert.pem"), "-key", &files.path("key.pem")]);
    command.args(["-accept", &address.to_string()]);
    (Process::start(&mut command), address)
}

fn refusal_of(address: SocketAddr, client: &TlsClient) -> io::Error {
    let connecting = async {
        loop {
            let error = open_connection(address).tls(client).server_hostname("localhost").await.unwrap_err();
            // OpenSSL needs a moment until it listens.
            if error.kind() != io::ErrorKind::ConnectionRefused {
                return error;
            }
            waterwheel::sleep(Duration::from_millis(5)).await;
        }
    };
    waterwheel::run(async { timeout(Duration::from_secs(60), connecting).await.expect("the test hangs") })
}

#[test]
fn a_self_signed_certificate_that_may_sign_others_gets_the_text_that_fits() {
    let files = Files::new("tls-ca-true");
    self_signed_by_openssl(&files, "");
    let (_server, address) = openssl_server(&files);
    // It makes no difference whether the certificate is trusted.
    for roots in [read(&files, "cert.pem"), Authority::new().pem] {
        let error = refusal_of(address, &TlsClient::with_roots(roots).unwrap());
        assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::BadCertificate), "{error}");
        let text = error.to_string();
        assert!(["CA:TRUE", "CA:FALSE", "self-signed"].iter().all(|words| text.contains(words)), "{text}");
    }
}

#[test]
fn a_certificate_of_the_first_version_gets_the_text_that_fits() {
    let files = Files::new("tls-version-1");
    openssl(&files, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out @key.pem");
    openssl(&files, "req -new -key @key.pem -out @request.pem -subj /CN=localhost");
    // As in many instructions on the web: without an extension file.
    openssl(&files, "x509 -req -in @request.pem -signkey @key.pem -out @cert.pem -days 30");
    let printed = String::from_utf8(openssl(&files, "x509 -in @cert.pem -noout -text")).unwrap();
    assert!(printed.contains("Version: 1"), "{printed}");
    let (_server, address) = openssl_server(&files);
    let error = refusal_of(address, &TlsClient::with_roots(Authority::new().pem).unwrap());
    assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::BadCertificate), "{error}");
    assert!(error.to_string().contains("version 3 with a subjectAltName"), "{error}");
}

#[test]
fn a_self_signed_certificate_with_what_the_text_advises_works_where_it_is_trusted() {
    let files = Files::new("tls-ca-false");
    self_signed_by_openssl(&files, " -addext basicConstraints=critical,CA:FALSE");
    let (_server, address) = openssl_server(&files);
    let error = refusal_of(address, &TlsClient::with_roots(Authority::new().pem).unwrap());
    assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::UnknownIssuer), "{error}");
    let client = TlsClient::with_roots(read(&files, "cert.pem")).unwrap();
    waterwheel::run(async { open_connection(address).tls(client).server_hostname("localhost").await.unwrap() });
}

#[test]
fn an_error_out_of_main_can_be_read() {
    let error = TlsError::of(&refused_by_name()).unwrap().clone();
    let text = error.to_string();
    assert!(format!("{error:?}").contains(&text), "{error:?}");
    assert!(format!("{error:?}").contains("WrongName"), "{error:?}");

    // The same applies to an error that `main` returns, whatever its type there.
    let inside = refused_by_name();
    assert!(format!("{inside:?}").contains("the TLS certificate is for another name"), "{inside:?}");
    let shared = ConnectionError::from(inside);
    assert!(format!("{shared:?}").contains("the TLS certificate is for another name"), "{shared:?}");
}

fn refused_by_name() -> io::Error {
    let files = Files::new("tls-debug");
    let authority = Authority::new();
    let identity = authority.sign(&["elsewhere.test"]);
    files.put("cert.pem", &identity.chain);
    files.put("key.pem", &identity.key);
    let (_server, address) = openssl_server(&files);
    refusal_of(address, &TlsClient::with_roots(&authority.pem).unwrap())
}
