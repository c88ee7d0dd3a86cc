//! Three processes behind the proxy that `compose.yaml` puts in front of them.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use patron_testkit::http::{Call, Connection};
use patron_testkit::server::SANDBOX_KEY;
use patron_testkit::wait::soon;

use super::Processes;

/// The configuration that is handed out.
const CONFIGURATION: &str = "../../deploy/haproxy.cfg";

/// A proxy in front of three processes. Dropped, it is killed.
struct Proxy {
    process: Child,
    address: std::net::SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Proxy {
    /// Starts it and waits until a process answers through it.
    fn before(processes: &Processes) -> Self {
        // Whoever takes the port in between makes the proxy fail, which shows.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(CONFIGURATION);
        // Debian keeps it where not everybody's PATH leads.
        let mut command = Command::new("sh");
        command.args(["-c", "PATH=$PATH:/usr/sbin exec haproxy \"$@\"", "sh"]);
        command.arg("-q").arg("-db").arg("-f").arg(file);
        command.env("LISTEN", format!("127.0.0.1:{port}"));
        for number in 0..3 {
            let address = processes.server(number).address().to_string();
            command.env(format!("PATRON_{}", number + 1), address);
        }
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        let proxy = Self { process, address: ([127, 0, 0, 1], port).into() };
        soon("a process answers through the proxy", || {
            let call = Call::get("/customers").basic(SANDBOX_KEY);
            let reply = Connection::try_open(proxy.address)?.try_send(&call)?;
            (reply.status == 200).then_some(())
        });
        proxy
    }
}

/// Ends a process in good order, and starts it again where it was.
fn restart(processes: &mut Processes, number: usize) {
    let server = &mut processes.servers[number];
    let address = server.address().to_string();
    let status = server.terminate();
    assert!(status.success(), "{status}: {}", server.stderr());
    *server = server.launch().clone().listening_on(address).start();
}

/// Behind a proxy on this machine.
fn behind_a_proxy() -> Processes {
    Processes::three_with(|_, _, launch| {
        launch.with_variable("PATRON_BEHIND_PROXY", "127.0.0.1/32")
    })
}

#[test]
fn a_process_that_ends_is_missed_by_nobody() {
    let mut processes = behind_a_proxy();
    let proxy = Proxy::before(&processes);
    let is_over = AtomicBool::new(false);
    let created = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let (is_over, address) = (&is_over, proxy.address);
                scope.spawn(move || {
                    let mut created = 0;
                    let mut connection = Connection::open(address);
                    while !is_over.load(Ordering::Relaxed) {
                        let form =
                            format!("object_reference_id=c{client}-{created}&mobile_number=1");
                        let call = Call::post("/customers").basic(SANDBOX_KEY).form(form);
                        connection.send(&call).expect(200);
                        created += 1;
                    }
                    created
                })
            })
            .collect();
        // Each ends while the others serve, and comes back before the next.
        for number in 0..3 {
            restart(&mut processes, number);
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).sum::<u64>()
    });
    assert!(created > 100, "only {created} customers were created meanwhile");
    let listed = Call::get("/customers").basic(SANDBOX_KEY).send(proxy.address).expect(200);
    assert_eq!(listed["total"], created);
    processes.verify();
}

#[test]
fn who_asks_is_what_the_proxy_sees() {
    let processes = behind_a_proxy();
    let proxy = Proxy::before(&processes);
    processes.manage(&["merchant", "set", "testaccount", "--allow-ip", "203.0.113.7"]).ok();
    let ask = || {
        let call = Call::get("/customers").basic(SANDBOX_KEY);
        call.header("X-Forwarded-For", "203.0.113.7").send(proxy.address).status
    };
    // Until it is in force everywhere; a client that names an address of the list gains nothing by it.
    soon("the allow-list is in force", || ((0..9).all(|_| ask() == 403)).then_some(()));
    processes.manage(&["merchant", "set", "testaccount", "--no-allow-ip"]).ok();
    soon("the allow-list is off", || ((0..9).all(|_| ask() == 200)).then_some(()));
}

#[test]
fn what_is_for_the_platform_is_not_for_clients() {
    let processes = behind_a_proxy();
    let proxy = Proxy::before(&processes);
    for path in ["/metrics", "/readyz", "/healthz"] {
        assert_eq!(Call::get(path).send(proxy.address).status, 404, "{path}");
        assert_eq!(processes.get(0, path).status, 200, "{path}");
    }
}
