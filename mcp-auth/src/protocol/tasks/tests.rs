use super::*;
use crate::clock::ManualClock;
use crate::identity::test_support::block_on;

const END: u64 = 10_000;

fn store(per_owner: usize) -> (Arc<ManualClock>, TasksInMemory) {
    let clock = Arc::new(ManualClock::at(1));
    let store = TasksInMemory::new(Arc::clone(&clock) as _, per_owner);
    (clock, store)
}

fn task(id: &str, owner: &str, length: usize) -> StoredTask {
    StoredTask {
        id: id.to_owned(),
        subject: format!("subject of {owner}"),
        owner: owner.to_owned(),
        revision: 0,
        expires_at: END,
        content: "x".repeat(length),
    }
}

fn create(store: &TasksInMemory, task: StoredTask) -> bool {
    block_on(store.create(task)).unwrap()
}

fn load(store: &TasksInMemory, id: &str) -> Option<StoredTask> {
    block_on(store.load(id)).unwrap()
}

#[test]
fn a_task_is_replaced_only_by_its_next_revision() {
    let (_, store) = store(10);
    assert!(create(&store, task("a", "ada", 1)));
    assert!(!create(&store, task("a", "ada", 1)), "the id is taken");
    let next = |revision| StoredTask {
        revision,
        ..task("a", "ada", 2)
    };
    let replace = |task| block_on(store.replace(task)).unwrap();
    assert!(!replace(next(2)));
    assert!(replace(next(1)));
    assert!(!replace(next(1)));
    assert!(!replace(StoredTask {
        id: "b".to_owned(),
        ..next(1)
    }));
    assert_eq!(load(&store, "a"), Some(next(1)));
}

#[test]
fn expired_tasks_are_forgotten_and_leave_nothing() {
    let (clock, store) = store(1);
    assert!(create(&store, task("a", "ada", 1)));
    assert!(!create(&store, task("b", "ada", 1)));
    clock.advance(std::time::Duration::from_millis(END - 2));
    assert!(load(&store, "a").is_some());
    clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(load(&store, "a"), None);
    let state = store.state.lock().unwrap();
    let kept = (state.tasks.len(), state.by_end.len(), state.owners.len());
    assert_eq!((kept, state.bytes), ((0, 0, 0), 0));
    assert!(state.subjects.is_empty());
}

#[test]
fn an_owner_gets_a_share_of_the_room_and_all_owners_get_the_room() {
    let (_, store) = store(1_000);
    let half_share = MOST_BYTES / 16 - 512;
    assert!(create(&store, task("a1", "ada", half_share)));
    assert!(create(&store, task("a2", "ada", half_share)));
    assert!(!create(&store, task("a3", "ada", 0)));
    for owner in 0..7 {
        for one in ["1", "2"] {
            let id = format!("{owner} {one}");
            assert!(create(&store, task(&id, &owner.to_string(), half_share)));
        }
    }
    assert!(!create(&store, task("last", "grace", 0)));
    let longer = StoredTask {
        revision: 1,
        ..task("a1", "ada", half_share + 1)
    };
    assert!(block_on(store.replace(longer.clone())).is_err());
    let shorter = StoredTask {
        content: String::new(),
        ..longer
    };
    assert!(block_on(store.replace(shorter)).unwrap());
    assert!(create(&store, task("last", "grace", 0)));
}

#[test]
fn one_user_with_many_clients_leaves_room_for_others() {
    let (_, store) = store(100);
    let of_ada = |number: usize, length| StoredTask {
        subject: "ada".to_owned(),
        ..task(&number.to_string(), &format!("client {number}"), length)
    };
    let made = (0..MOST_TASKS).filter(|number| create(&store, of_ada(*number, 0)));
    assert_eq!(made.count(), MOST_TASKS / 16);
    assert!(create(&store, task("other", "grace", 1)));
    let (clock, store) = self::store(100);
    let mebibyte = 1024 * 1024 - 512;
    let made = (0..100).filter(|number| create(&store, of_ada(*number, mebibyte)));
    assert_eq!(made.count(), 8);
    assert!(create(&store, task("other", "grace", mebibyte)));
    clock.advance(std::time::Duration::from_millis(END));
    assert!(create(&store, of_ada(0, mebibyte)));
}

#[test]
fn a_debug_text_shows_neither_the_id_nor_the_content() {
    let mut secret = task("secret-id", "secret-owner", 0);
    secret.content = "secret-content".to_owned();
    assert_eq!(
        format!("{secret:?}"),
        "StoredTask { revision: 0, expires_at: 10000, .. }"
    );
}
