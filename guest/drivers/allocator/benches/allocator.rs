//! A request and a release, in every state that should not matter. `ratios` says
//! whether it does.

mod rows;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn request_and_release(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request and release");
    for mut row in rows::all() {
        let id = BenchmarkId::new(row.empty, row.name);
        group.bench_function(id, |bencher| bencher.iter(|| row.run()));
    }
    group.finish();
}

criterion_group!(benches, request_and_release);
criterion_main!(benches);
