//! How the example servers run: with the feature `signals` until Ctrl-C, and without it until they are killed.

use std::io;

use waterwheel::Server;

/// Prints where the server listens, and serves. At Ctrl-C the clients have three seconds to finish, and how they ended
/// is printed; a second Ctrl-C ends the program at once.
#[cfg(feature = "signals")]
pub(crate) async fn serve(server: &Server) -> io::Result<()> {
    // As soon as the address is printed, a user may press Ctrl-C. So this listens for the signal first.
    let mut interrupts = waterwheel::signals(&[waterwheel::signal_hook::consts::SIGINT])?;
    say_where(server);
    let interrupted = async move { interrupts.next().await };
    let report = server.serve_until(interrupted, std::time::Duration::from_secs(3)).await?;
    println!("{} finished, {} closed, {} aborted", report.finished, report.closed, report.aborted);
    Ok(())
}

#[cfg(not(feature = "signals"))]
pub(crate) async fn serve(server: &Server) -> io::Result<()> {
    say_where(server);
    server.serve_forever().await
}

fn say_where(server: &Server) {
    for address in server.local_addrs() {
        println!("Serving on {address}");
    }
}
