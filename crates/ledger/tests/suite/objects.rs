//! What create-only objects promise, wherever they lie.

use ledger::{Created, Objects, Storage};

async fn names(objects: &Objects, prefix: &str) -> Vec<String> {
    objects.list(prefix).await.unwrap().into_iter().map(|entry| entry.name).collect()
}

pub(crate) async fn the_first_to_create_a_name_has_it(storage: Storage) {
    let objects = Objects::of(&storage, "jobs");
    assert_eq!(objects.read("a/1/claim-1").await.unwrap(), None);
    assert_eq!(objects.create("a/1/claim-1", "mine".into()).await.unwrap(), Created::New);
    assert_eq!(objects.create("a/1/claim-1", "theirs".into()).await.unwrap(), Created::Exists);
    let found = objects.read("a/1/claim-1").await.unwrap().unwrap();
    assert_eq!(found.content, "mine");
    let [entry] = &objects.list("").await.unwrap()[..] else { panic!("one object") };
    assert_eq!((entry.name.as_str(), entry.stored_at, entry.size_bytes), ("a/1/claim-1", found.stored_at, 4));
}

pub(crate) async fn of_many_creators_at_once_one_wins(storage: Storage) {
    let objects = Objects::of(&storage, "jobs");
    let racers = (0..16).map(|n| {
        let objects = objects.clone();
        async move { objects.create("claim", format!("by {n}").into()).await.unwrap() }
    });
    let outcomes = futures::future::join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Created::New).count(), 1, "{outcomes:?}");
}

pub(crate) async fn lists_by_prefix_in_order_and_deletes(storage: Storage) {
    let objects = Objects::of(&storage, "default/inbox");
    assert_eq!(names(&objects, "").await, [""; 0]);
    for name in ["b/2", "a-2", "a-10", "b/1/x", "c"] {
        objects.create(name, name.into()).await.unwrap();
    }
    assert_eq!(names(&objects, "").await, ["a-10", "a-2", "b/1/x", "b/2", "c"]);
    assert_eq!(names(&objects, "a").await, ["a-10", "a-2"]);
    assert_eq!(names(&objects, "b/").await, ["b/1/x", "b/2"]);
    assert_eq!(names(&objects, "b/1").await, ["b/1/x"]);
    assert_eq!(names(&objects, "d/").await, [""; 0]);
    objects.delete("b/2").await.unwrap();
    objects.delete("b/2").await.unwrap();
    assert_eq!(names(&objects, "b/").await, ["b/1/x"]);
    assert_eq!(objects.create("b/2", "again".into()).await.unwrap(), Created::New);
}

pub(crate) async fn folders_do_not_see_each_other(storage: Storage) {
    let jobs = Objects::of(&storage, "jobs");
    jobs.create("one", "1".into()).await.unwrap();
    for other in ["job", "jobs-2", "default/jobs"] {
        assert_eq!(names(&Objects::of(&storage, other), "").await, [""; 0], "{other}");
    }
    assert_eq!(Objects::of(&storage, "jobs").read("one").await.unwrap().unwrap().content, "1");
}
