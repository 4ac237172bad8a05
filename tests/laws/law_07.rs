//! Law 7: one door for threads. Only the mailbox and its wrappers are `Send`, and what is sent through it runs on the
//! loop's thread.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::task::{Poll, Waker};
use std::thread;

use waterwheel::{
    Address, BufferedProtocol, Builder, ClientConnected, Clock, CreateConnection, CreateServer, EventLoop, ExtraInfo,
    Handle, LoopHandle, Promise, Protocol, RemoteHandle, Selector, Server, Sleep, StartServer, StreamFeeder,
    StreamReader, StreamWriter, Task, TimerHandle, Transport, get_running_loop, spawn,
};

use crate::paths::{Named, paths_of};
use crate::source_tree::{SourceFile, sources};
use crate::tools::{guarded, run_clean};

/// The names of primitives by which threads share data.
const SHARED: [&str; 8] = ["Mutex", "RwLock", "AtomicBool", "AtomicPtr", "AtomicUsize", "AtomicU64", "mpsc", "Condvar"];

/// The files that the models cover, in addition to those of the executor.
const MODELLED: [&str; 3] = ["event_loop/running.rs", "task/remote_task.rs", "threads.rs"];

/// Tells whether a type is `Send`: the inherent method exists only if it is, and then takes precedence.
struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: ?Sized + Send> Probe<T> {
    fn is_send(&self) -> bool {
        true
    }
}

trait NotSend {
    fn is_send(&self) -> bool {
        false
    }
}

impl<T: ?Sized> NotSend for Probe<T> {}

macro_rules! sendable {
    ($($type:ty),* $(,)?) => {
        [$((stringify!($type), Probe::<$type>(PhantomData).is_send())),*]
    };
}

struct Nothing;
impl Protocol for Nothing {}

fn is_send_and_sync<T: Send + Sync + Clone>() {}

fn the_door_is_open() {
    is_send_and_sync::<RemoteHandle>();
    is_send_and_sync::<Waker>();
}

/// Everything that belongs to a loop must not be `Send`. Plain settings for making such things may be.
fn everything_else_stays_at_home() {
    let types = sendable![
        EventLoop,
        Builder,
        LoopHandle,
        Handle,
        TimerHandle,
        Task<()>,
        Promise<()>,
        Server,
        StreamReader,
        StreamWriter,
        StreamFeeder,
        CreateConnection<'static, Nothing>,
        CreateServer,
        StartServer,
        ExtraInfo,
        Address,
        Rc<dyn Transport>,
        Rc<dyn Protocol>,
        Rc<dyn BufferedProtocol>,
        Rc<dyn Clock>,
        Box<dyn Selector>,
        Rc<dyn ClientConnected<waterwheel::Plain>>,
    ];
    let at_large: Vec<&str> = types.iter().filter(|(_, is_send)| *is_send).map(|(name, _)| *name).collect();
    assert_eq!(at_large, Vec::<&str>::new());
    // The probe tells the difference: one type is `Send`, and the other is not.
    assert_eq!(sendable![Waker, Rc<()>], [("Waker", true), ("Rc<()>", false)]);
}

/// A sleep that has been polled holds a timer of its loop.
fn an_armed_sleep_stays_at_home() {
    assert_eq!(sendable![Sleep], [("Sleep", false)]);
}

fn what_comes_through_the_door_runs_at_home() {
    run_clean(async {
        let home = thread::current().id();
        let handle = get_running_loop();
        let (ran, ran_on) = channel();
        let (give, wakers) = channel::<Waker>();
        let remote = handle.remote();
        let other = thread::spawn(move || {
            let waker = wakers.recv().unwrap();
            let ran_too = ran.clone();
            assert!(remote.call_soon(move || ran.send(thread::current().id()).unwrap()));
            assert!(ran_too.send(thread::current().id()).is_ok(), "to tell it from the loop's");
            waker.wake();
        });
        let polled_on = spawn(async move {
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                if polls == 1 {
                    give.send(cx.waker().clone()).unwrap();
                    return Poll::Pending;
                }
                Poll::Ready(thread::current().id())
            })
            .await
        });
        assert_eq!(polled_on.await.unwrap(), home);
        waterwheel::yield_now().await;
        let other_id = other.thread().id();
        other.join().unwrap();
        let mut threads: Vec<_> = ran_on.iter().collect();
        threads.retain(|id| *id != other_id);
        assert_eq!(threads, [home]);
    });
}

/// Primitives that threads share, and the only files that may use them.
fn only_the_mailbox_shares() {
    // An error goes wherever its program takes it, even with the payload of a panic in it. A remote task goes through
    // the mailbox, and its output comes back past it. So do a dump for another thread, and the step that holds up such
    // a dump, whose line in the source is passed as a number. A simulated loop is woken by its worker threads, like a
    // real one. hyper wants sleeps that are `Send`. Children that outlive their loop go to a thread.
    let may_share = [
        "adapters/hyper_timer.rs",
        "errors.rs",
        "executor/mailbox.rs",
        "executor/polled.rs",
        "executor/waker.rs",
        "event_loop/last_step.rs",
        "introspection/remote.rs",
        "net/process/orphans.rs",
        "net/process/running.rs",
        "place.rs",
        "signals",
        "sim/bell.rs",
        "sync.rs",
        "task/remote_task.rs",
        "threads",
        "tls/",
    ];
    for word in SHARED {
        let places: Vec<String> = sources()
            .iter()
            .filter(|file| !may_share.iter().any(|allowed| file.path.starts_with(allowed)))
            .flat_map(|file| file.places(word))
            .collect();
        assert_eq!(places, Vec::<String>::new(), "{word}");
    }
    assert!(!SourceFile::new("x.rs", "use std::sync::Mutex;").places("Mutex").is_empty());
}

/// The model checker of `tests/loom` replaces the primitives in `sync`, so modelled files must not import them from
/// std.
fn what_is_modelled_takes_its_primitives_from_one_place() {
    let is_modelled = |file: &&SourceFile| file.path.starts_with("executor/") || MODELLED.contains(&file.path.as_str());
    let past_it: Vec<String> = sources().iter().filter(is_modelled).flat_map(primitives_of_std).collect();
    assert_eq!(past_it, Vec::<String>::new());
    for bad in [
        "use std::sync::Mutex;",
        "use std::sync::{Arc, Condvar};",
        "use std::sync::atomic::{AtomicBool, Ordering};",
        "use std::{rc::Rc, sync::{Arc, Mutex}};",
        "use std::thread;",
    ] {
        assert!(!primitives_of_std(&SourceFile::new("threads.rs", bad)).is_empty(), "{bad}");
    }
    let good = "use std::sync::{Arc, PoisonError, Weak};\nuse crate::sync::{Mutex, thread};";
    assert_eq!(primitives_of_std(&SourceFile::new("threads.rs", good)), Vec::<String>::new());
}

/// Each import of such a primitive from std in a file.
fn primitives_of_std(file: &SourceFile) -> Vec<String> {
    let is_past = |named: &&Named| {
        let replaced = |part: &String| [&SHARED[..], &["atomic", "thread"]].concat().contains(&part.as_str());
        named.segments.iter().any(|part| part == "std") && named.segments.iter().any(replaced)
    };
    let place = |named: &Named| format!("{}:{}: {}", file.path, named.line, named.segments.join("::"));
    paths_of(file).iter().filter(is_past).map(place).collect()
}

fn the_documentation_shows_it() {
    let files = sources();
    let file = files.iter().find(|file| file.path == "event_loop/mod.rs").expect("it is there");
    assert_eq!(file.text.matches("/// ```compile_fail\n").count(), 2, "of the loop and of its handle");
}

#[test]
fn law_07_one_door_for_threads() {
    the_door_is_open();
    everything_else_stays_at_home();
    an_armed_sleep_stays_at_home();
    guarded(what_comes_through_the_door_runs_at_home);
    guarded(only_the_mailbox_shares);
    guarded(what_is_modelled_takes_its_primitives_from_one_place);
    guarded(the_documentation_shows_it);
}
