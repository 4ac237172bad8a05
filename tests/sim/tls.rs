//! TLS on a simulated network.

use std::io;

use waterwheel::sim::{Faults, Sim};
use waterwheel::{TlsClient, TlsServer, open_connection, start_server};

use crate::common::certificates::Authority;
use crate::hosts::{a_moment, echo, pattern};

#[test]
fn tls_runs_on_a_network_that_cuts_everything_into_pieces() {
    let authority = Authority::new();
    let identity = authority.sign(&["server"]);
    let server = TlsServer::new(&identity.chain, &identity.key).unwrap();
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    for seed in 0..5 {
        let mut sim = Sim::new(seed);
        sim.set_faults(Faults::benign());
        let server = server.clone();
        sim.host("server", move || {
            let server = server.clone();
            async move { start_server(echo, "0.0.0.0:7").tls(server).await?.serve_forever().await }
        });
        let client = client.clone();
        sim.client("client", async move {
            a_moment().await;
            let (mut reader, writer) = open_connection(("server", 7)).tls(client).await?;
            let sent = pattern(100_000);
            writer.write(&sent);
            let came = reader.readexactly(sent.len()).await?;
            assert!(came == sent);
            io::Result::Ok(())
        });
        sim.run().unwrap();
    }
}
