use std::{collections::HashSet, sync::Arc, time::Duration};

use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};
use publish::summary::Outcome;
use results_day::release::{Manifest, ReleaseStore, Spared};

use super::{
    exam::{Exam, content},
    inspection::{kept_and_whole, kept_and_whole_but_for},
};
use crate::{
    faulty_store::{Done, FaultyStore},
    ticking_store::TickingStore,
};

/// Of all releases the current one is kept.
const EVERYTHING_OLD: Spared = Spared { releases: 1, grace: Duration::ZERO };

/// What is done to the store.
#[derive(Debug, Clone, Copy)]
enum Operation {
    Publish,
    RollBack(u64),
    Collect,
}

/// An operation, the store that it finds, and what listings may still show of that store's past.
pub(crate) struct Scene {
    pub(crate) what: &'static str,
    operation: Operation,
    store: Arc<TickingStore>,
    pub(crate) past: Vec<Vec<ObjectMeta>>,
    /// What a new release consists of.
    new: Manifest,
}

/// The same exam for all: stores that were left behind at different times, and the results as they are now.
pub(crate) struct Stage {
    exam: Exam,
    whole: Manifest,
    pub(crate) scenes: Vec<Scene>,
}

fn below(store: &Arc<TickingStore>) -> ReleaseStore {
    ReleaseStore::new(store.clone(), "memory".to_owned())
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let exam = Exam::of(1_100).await;
        let empty = TickingStore::new();
        let many = empty.fork();
        exam.publish(&below(&many)).await.unwrap();
        exam.edit("UPDATE students SET name = name || '+' WHERE id % 3 = 0");
        let few = many.fork();
        exam.publish(&below(&few)).await.unwrap();
        exam.edit(
            "UPDATE students SET name = name || '+' WHERE id % 50 = 0; DELETE FROM students WHERE id = 7",
        );
        // Who died on the way has left something behind.
        few.put(&"shards/0/litter.json.zst".into(), "litter".into()).await.unwrap();
        exam.publish(&below(&few)).await.unwrap();
        exam.edit(
            "UPDATE students SET name = name || '-' WHERE id % 25 = 0; DELETE FROM students WHERE id = 1049",
        );
        let current = async |store: &Arc<TickingStore>| below(store).current().await.unwrap().unwrap();
        let (whole, newest, oldest) = (exam.whole().await, current(&few).await, current(&many).await);
        let past = Self::past(&[&empty, &many, &few]).await;
        let scene = |what, operation, store: &Arc<TickingStore>, new: &Manifest| Scene {
            what,
            operation,
            store: store.fork(),
            past: past.clone(),
            new: new.clone(),
        };
        let scenes = vec![
            Scene { past: Vec::new(), ..scene("the first publication", Operation::Publish, &empty, &whole) },
            Scene {
                past: Self::past(&[&empty, &many]).await,
                ..scene("a publication of many changes", Operation::Publish, &many, &whole)
            },
            scene("a publication of few changes", Operation::Publish, &few, &whole),
            scene("a rollback", Operation::RollBack(1), &few, &oldest),
            scene("a collection", Operation::Collect, &few, &newest),
        ];
        for scene in &scenes {
            kept_and_whole(&below(&scene.store), scene.what).await;
        }
        Self { exam, whole, scenes }
    }

    /// What these stores list, and what the last of them would if it still showed what has been deleted since.
    async fn past(stores: &[&Arc<TickingStore>]) -> Vec<Vec<ObjectMeta>> {
        let mut past = Vec::new();
        for store in stores {
            past.push(store.objects().await);
        }
        let mut ghosts = past.last().cloned().unwrap_or_default();
        for ghost in past.last().into_iter().flatten() {
            let name = ghost.location.as_ref().replace("shards/", "shards/9");
            ghosts.push(ObjectMeta { location: name.into(), ..ghost.clone() });
        }
        past.push(ghosts);
        past
    }

    async fn run(&self, operation: Operation, store: Arc<dyn ObjectStore>) -> anyhow::Result<()> {
        let store = ReleaseStore::new(store, "faulty".to_owned());
        match operation {
            Operation::Publish => {
                self.exam.publish(&store).await?;
            }
            Operation::RollBack(number) => {
                store.roll_back(number.to_string().parse()?).await?;
            }
            Operation::Collect => {
                store.collect(EVERYTHING_OLD).await?;
            }
        }
        Ok(())
    }

    /// What an operation asks of a store in which nothing goes wrong.
    pub(crate) async fn count(&self, scene: &Scene) -> Done {
        let store = FaultyStore::new(scene.store.fork(), []);
        self.run(scene.operation, store.clone()).await.unwrap();
        store.done()
    }

    /// Runs the operation of a scene over a store that goes wrong, and looks at what it leaves. Whether it succeeded.
    pub(crate) async fn survives(
        &self,
        scene: &Scene,
        what: &str,
        faulty: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<FaultyStore>,
    ) -> bool {
        let what = format!("{}, {what}", scene.what);
        let before = below(&scene.store).current().await.unwrap();
        let objects = scene.store.fork();
        let faulty = faulty(objects.clone());
        let ended = self.run(scene.operation, faulty.clone()).await;
        let old = number(before.as_ref());
        loop {
            let current = scene.kept_and_whole(&objects, &what).await.pop();
            let now = number(current.as_ref());
            assert!(now == old || now == old + 1, "{what}: release {old} became {now}");
            match &current {
                Some(current) if now > old => assert_eq!(content(current), content(&scene.new), "{what}"),
                // A collection finds nothing where a listing shows nothing.
                _ => assert!(ended.is_err() || matches!(scene.operation, Operation::Collect), "{what}"),
            }
            if !faulty.settle().await {
                break;
            }
        }
        let store = below(&objects);
        let old = number(store.current().await.unwrap().as_ref());
        let outcome =
            self.exam.publish(&store).await.unwrap_or_else(|error| panic!("{what}, then: {error:#}"));
        let current = scene.kept_and_whole(&objects, &what).await.pop().unwrap();
        assert_eq!(content(&current), content(&self.whole), "{what}, then: {outcome}");
        let published = matches!(outcome, Outcome::Published { .. });
        assert_eq!(current.number.get(), old + u64::from(published), "{what}, then: {outcome}");
        if matches!(scene.operation, Operation::Collect) {
            Self::is_collected_by_the_next_one(&objects, &what).await;
        }
        ended.is_ok()
    }
}

impl Stage {
    /// What a collection left that was cut off, the next one takes away; the one after it has nothing to do.
    async fn is_collected_by_the_next_one(objects: &Arc<TickingStore>, what: &str) {
        let (store, spared) = (below(objects), EVERYTHING_OLD);
        objects.pass(Duration::from_secs(7_200));
        store.collect(spared).await.unwrap_or_else(|error| panic!("{what}, then: {error}"));
        let kept = kept_and_whole(&store, what).await;
        let again = store.collect(spared).await.unwrap();
        assert_eq!((again.fence, again.objects), (None, 0), "{what}");
        let named: HashSet<Path> =
            kept.iter().flat_map(|manifest| manifest.shards.iter().map(|shard| shard.key.path())).collect();
        let unnamed = |object: &ObjectMeta| {
            !object.location.as_ref().starts_with("releases/") && !named.contains(&object.location)
        };
        assert_eq!(objects.objects().await.iter().filter(|object| unnamed(object)).count(), 0, "{what}");
    }
}

impl Scene {
    /// Reads everything that is kept, but for what lies there untouched since the scene was set.
    async fn kept_and_whole(&self, objects: &Arc<TickingStore>, what: &str) -> Vec<Manifest> {
        let there = |objects: Vec<ObjectMeta>| -> HashSet<_> {
            objects.into_iter().map(|object| (object.location, object.e_tag)).collect()
        };
        let (before, now) = (there(self.store.objects().await), there(objects.objects().await));
        let untouched: HashSet<&Path> = before.intersection(&now).map(|(path, _)| path).collect();
        let is_known =
            |manifest: &Manifest| manifest.shards.iter().all(|shard| untouched.contains(&shard.key.path()));
        kept_and_whole_but_for(&below(objects), what, is_known).await
    }
}

fn number(release: Option<&Manifest>) -> u64 {
    release.map_or(0, |release| release.number.get())
}
