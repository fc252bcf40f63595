use super::*;

fn door() -> Arc<Door> {
    let limits = Limits {
        request_bytes: 1 << 20,
        in_flight_bytes: 1 << 20,
        untaken_spans: 1,
        connections: 1,
        read_s: 1.0,
        idle_s: 1.0,
    };
    Arc::new(Door::new(limits, Vec::new()))
}

fn submit(door: &Arc<Door>) -> oneshot::Receiver<Answer> {
    let (answer, told) = oneshot::channel();
    door.submit(Waiting {
        signal: Signal::Traces,
        body: Bytes::new(),
        json: false,
        received_ns: 0,
        peer: "".into(),
        seen: None,
        answer,
        held: door.hold(),
    });
    told
}

#[test]
fn nobody_who_comes_at_any_moment_is_left_waiting() {
    for clients in [1, 2, 5] {
        let door = door();
        let at = Arc::clone(&door);
        let committer = std::thread::spawn(move || {
            let (mut group, mut sizes) = (Vec::new(), Vec::new());
            while at.next(&mut group, 4) {
                sizes.push(group.len());
                group.drain(..).for_each(|waiting: Waiting| drop(waiting.answer.send(Ok(()))));
            }
            sizes
        });
        std::thread::scope(|scope| {
            for client in 0..clients {
                let door = &door;
                scope.spawn(move || {
                    for number in 0..200 {
                        assert_eq!(submit(door).blocking_recv(), Ok(Ok(())));
                        if (number + client) % 7 == 0 {
                            std::thread::sleep(GATHER * (number % 3));
                        }
                    }
                });
            }
        });
        door.close();
        let sizes = committer.join().expect("no panic");
        assert_eq!(sizes.iter().sum::<usize>(), 200 * clients as usize);
        assert!(sizes.iter().all(|&size| (1..=4).contains(&size)));
    }
}

#[test]
fn what_waits_is_worked_off_after_the_close_and_nothing_new_comes_in() {
    let door = door();
    let waiting: Vec<_> = (0..3).map(|_| submit(&door)).collect();
    door.close();
    assert!(matches!(submit(&door).blocking_recv(), Ok(Err(Refusal::Unavailable { .. }))));
    let mut group = Vec::new();
    assert!(door.next(&mut group, 2) && group.len() == 2);
    assert!(door.next(&mut group, 2) && group.len() == 3);
    assert!(!door.next(&mut group, 2));
    drop((group, waiting));
}
