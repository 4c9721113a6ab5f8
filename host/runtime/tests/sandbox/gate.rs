//! What a component may be made of: refused before anything is compiled, with
//! the limit's key or the proposal's name.

use crate::{
    guest::guest,
    lab::{any_pool, reason, start, started},
};
use ipam_runtime::{InstanceLimits, Limits, inspect, refusal};

/// Why it is refused, whatever it was granted; nothing is compiled.
fn refused(component: &[u8], limits: &Limits) -> Option<String> {
    let inspection = inspect(component).unwrap();
    refusal(&inspection, component, limits).map(|why| why.to_string())
}

fn parse(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}: {text:.2000}"))
}

/// A component of one module, which is instantiated, and more beside it.
fn component(in_module: &str, beside: &str) -> Vec<u8> {
    parse(&format!(
        "(component (core module $m (type (func)) (func $f (type 0)) {in_module})
         (core instance $i (instantiate $m)) {beside})"
    ))
}

/// Sets one limit.
type Set = fn(&mut Limits, usize);

/// The least that the limit must be for it.
fn least(component: &[u8], set: Set, key: &str) -> usize {
    let refused = |most: usize| {
        let mut limits = Limits::default();
        set(&mut limits, most);
        refused(component, &limits)
    };
    let (mut small, mut large) = (0, 1 << 30);
    while small < large {
        let middle = (small + large) / 2;
        match refused(middle) {
            None => large = middle,
            Some(why) => {
                let words = format!("limits.{key} allows {middle}");
                assert!(why.ends_with(&words), "{why} does not end with {words}");
                small = middle + 1;
            }
        }
    }
    large
}

/// With one more of it, the limit must be higher by so much.
#[track_caller]
fn counts(key: &str, set: Set, more: (&str, &str), by: usize) {
    let one = least(&component("", ""), set, key);
    let other = least(&component(more.0, more.1), set, key);
    assert_eq!(other - one, by, "{key}: {one} and {other} with {more:?}");
}

#[test]
fn each_limit_counts_what_it_is_called_by() {
    let nested = "(component $c (core module $n) (core instance (instantiate $n)))";
    counts("compile.functions", |it, most| it.compile.functions = most, ("(func)", ""), 1);
    counts(
        "compile.types",
        |it, most| it.compile.types = most,
        ("(type (func (param i64)))", ""),
        1,
    );
    counts("compile.types", |it, most| it.compile.types = most, ("", "(type (list u8))"), 1);
    counts(
        "compile.type-size",
        |it, most| it.compile.type_bytes = most,
        ("(type (func (param i64)))", ""),
        4,
    );
    counts(
        "instance.globals",
        |it, most| it.instance.globals = most,
        ("(global i32 (i32.const 1))", ""),
        1,
    );
    counts(
        "compile.imports",
        |it, most| it.compile.imports = most,
        ("", "(import \"x\" (func))"),
        1,
    );
    let alias = "(component $c (alias outer 1 $m (core module)))";
    counts("compile.imports", |it, most| it.compile.imports = most, ("", alias), 1);
    counts(
        "compile.exports",
        |it, most| it.compile.exports = most,
        ("(export \"x\" (func $f))", ""),
        1,
    );
    let segments = "(table 1 funcref) (elem (i32.const 0) $f)";
    counts("compile.segments", |it, most| it.compile.segments = most, (segments, ""), 1);
    let data = "(memory 1) (data (i32.const 0) \"x\") (data \"y\")";
    counts("compile.segments", |it, most| it.compile.segments = most, (data, ""), 2);
    counts("compile.modules", |it, most| it.compile.modules = most, ("", "(core module)"), 1);
    counts("compile.modules", |it, most| it.compile.modules = most, ("", nested), 2);
    counts(
        "instance.instances-max",
        |it, most| it.instance.instances_max = most,
        ("", "(core instance (instantiate $m))"),
        1,
    );
    counts(
        "instance.instances-max",
        |it, most| it.instance.instances_max = most,
        ("(memory 1) (memory 1) (memory 1)", ""),
        2,
    );
    counts("instance.instances-max", |it, most| it.instance.instances_max = most, ("", nested), 0);
    let name = "a".repeat(40);
    let long = format!("(export \"{name}\" (func $f))");
    assert_eq!(
        least(&component(&long, ""), |it, most| it.compile.symbol_bytes = most, "compile.symbol"),
        40
    );
    let long = format!("(func ${name})");
    assert_eq!(
        least(&component(&long, ""), |it, most| it.compile.symbol_bytes = most, "compile.symbol"),
        40
    );
    counts(
        "compile.symbol-total",
        |it, most| it.compile.symbol_total_bytes = most,
        (&long, ""),
        42,
    );
    let set: Set = |it, most| it.instance.memory_bytes = most;
    counts("instance.memory", set, ("(global i32 (i32.const 1))", ""), 16);
}

/// Counted by how often they are instantiated, wherever that is said: in
/// nested components, by an alias, or after an export.
#[test]
fn a_module_counts_as_often_as_it_is_instantiated() {
    let module = "(core module $m (global i32 (i32.const 1)) (global i32 (i32.const 1)))";
    let globals: Set = |it, most| it.instance.globals = most;
    let check = |text: &str, want: usize| {
        let component = parse(&format!("(component {module} {text})"));
        assert_eq!(least(&component, globals, "instance.globals"), want, "{text}");
    };
    let twice = "(core instance (instantiate $m)) (core instance (instantiate $m))";
    // A module that nobody instantiates has at most what one may have.
    check("", 2);
    check(twice, 4);
    let nested = format!("(component $c (alias outer 1 $m (core module $m)) {twice})");
    check(&nested, 2);
    check(&format!("{nested} (instance (instantiate $c)) (instance (instantiate $c))"), 8);
    let deeper = format!(
        "(component $d (alias outer 1 $m (core module $m)) {nested}
         (instance (instantiate $c)) (instance (instantiate $c)))
         (instance (instantiate $d)) (instance (instantiate $d))"
    );
    check(&deeper, 16);
    check("(export $n \"m\" (core module $m)) (core instance (instantiate $n))", 2);
}

/// Each level doubles: 2^40 instances of a file of 2 KB.
#[test]
fn what_doubles_is_refused_before_it_is_unfolded() {
    let mut text =
        "(component (component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..=40 {
        let before = level - 1;
        text += &format!(
            "(component $c{level} (alias outer 1 $c{before} (component $c))
             (instance (instantiate $c)) (instance (instantiate $c)))"
        );
    }
    let component = parse(&(text + "(instance (instantiate $c40)))"));
    let why = refused(&component, &Limits::default()).unwrap();
    assert_eq!(why, "it has 1099511627776 core instances; limits.instance.instances-max allows 64");
}

#[test]
fn a_module_that_comes_from_elsewhere_is_not_instantiated() {
    let component = parse(
        "(component (component $c
            (import \"m\" (core module $m)) (core instance (instantiate $m))))",
    );
    let why = refused(&component, &Limits::default()).unwrap();
    assert_eq!(why, "it instantiates a module that it does not contain, which no driver needs");
}

/// 885 MB of the host's memory, once, under a limit of 64 MiB.
#[test]
fn globals_cost_what_the_host_keeps_for_them() {
    let globals = "(global i32 (i32.const 1))".repeat(1_000);
    let instances = "(core instance (instantiate $m))".repeat(49);
    let many = component(&globals, &instances);
    let why = refused(&many, &Limits::default()).unwrap();
    assert_eq!(why, "it has 50000 globals; limits.instance.globals allows 20000");
    let limits = Limits {
        instance: InstanceLimits {
            globals: 1 << 20,
            memory_bytes: 512 << 10,
            ..InstanceLimits::default()
        },
        ..Limits::default()
    };
    let why = refused(&many, &limits).unwrap();
    assert!(
        why.ends_with("bytes of the host's memory; limits.instance.memory allows 524288"),
        "{why}"
    );
}

#[test]
fn a_proposal_that_is_off_is_called_by_its_name() {
    for (in_module, words) in [
        ("(memory 1 1 shared)", "threads"),
        ("(memory 1) (func (drop (i32.atomic.load (i32.const 0))))", "threads"),
        ("(global (shared i32) (i32.const 0))", "threads that share everything"),
        ("(tag $t) (func (throw $t))", "exceptions"),
        ("(func (block (try_table (catch_all 0))))", "exceptions"),
        ("(type $t (func)) (func (param (ref null $t)))", "typed function references"),
        ("(type (struct (field i32)))", "garbage collection"),
        ("(func (param i31ref))", "garbage-collected references"),
        ("(func (param externref))", "garbage-collected references"),
        ("(func $t (return_call $t))", "tail calls"),
        ("(memory i64 1)", "64-bit memories"),
        ("(memory 1 (pagesize 1))", "pages of other sizes"),
        ("(type $t (func)) (type (cont $t))", "stack switching"),
        (
            "(func (param i64 i64) (result i64 i64)
                (i64.mul_wide_u (local.get 0) (local.get 1)))",
            "wide arithmetic",
        ),
    ] {
        is_off(&component(in_module, ""), words, in_module);
    }
    for (beside, words) in [
        ("(type (future u32))", "asynchronous functions"),
        ("(type (stream u8))", "asynchronous functions"),
        ("(type (func async (param \"a\" u32)))", "asynchronous functions"),
        ("(core func (canon task.cancel))", "asynchronous functions"),
        ("(type error-context)", "error contexts"),
        ("(type (list u8 4))", "lists of fixed length"),
        ("(type (map string u32))", "maps"),
    ] {
        is_off(&component("", beside), words, beside);
    }
}

#[track_caller]
fn is_off(component: &[u8], words: &str, text: &str) {
    let why = refused(component, &Limits::default()).expect(text);
    let way_out = if words.starts_with("asynchronous") { "async" } else { words };
    let told =
        format!("it needs {words}, which drivers do not get here: build it without {way_out}: ");
    assert!(why.starts_with(&told), "{text}: {why}");
}

/// What the templates' toolchains emit is compiled and runs; that several
/// memories may be is wasmtime's own need, for compositions.
#[test]
fn what_toolchains_emit_is_on() {
    let more = r#"
        (global $g (mut i64) (i64.const 1))
        (global i32 (i32.add (i32.const 1) (i32.const 2)))
        (memory $two 1)
        (table $t 1 funcref) (elem $e func $pair) (data $d "x")
        (func $pair (result i32 i64) (i32.const 1) (i64.const 2))
        (func $all (result i32) (local $v v128) (local $r funcref)
            (local.set $v (i32x4.relaxed_trunc_f32x4_s (f32x4.splat (f32.const 1))))
            (local.set $v (i8x16.relaxed_swizzle (local.get $v) (local.get $v)))
            (local.set $r (table.get $t (i32.const 0)))
            (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))
            (memory.init $two $d (i32.const 0) (i32.const 0) (i32.const 1))
            (memory.copy $two $two (i32.const 0) (i32.const 1) (i32.const 2))
            (memory.fill (i32.const 8192) (i32.const 0) (i32.const 2))
            (global.set $g (i64.extend8_s (i64.trunc_sat_f64_u (f64.const 3))))
            (drop (call $pair))
            drop
            (i32.const 3072))"#;
    let component = guest("", &[("request-pool", "(call $all)"), ("", more)]);
    assert_eq!(refused(&component, &Limits::default()), None);
    started(&component, Limits::default()).request_pool(&any_pool()).unwrap();
}

/// The bits that a machine makes of 0/0, its sign among them, are no part of an
/// answer: the prefix's length is the highest bits of one. On x86 a sum of
/// infinities has the sign set.
#[test]
fn a_number_that_is_none_has_the_same_bits_everywhere() {
    let bits = "
        (i32.store8 (i32.const 3102) (i32.shr_u
            (i32.reinterpret_f32 (f32.add (call $inf) (f32.neg (call $inf)))) (i32.const 27)))
        (i32.const 3072)";
    let inf = "(func $inf (result f32) (f32.load (i32.const 4000)))
        (data (i32.const 4000) \"\\00\\00\\80\\7f\")";
    let component = guest("", &[("request-pool", bits), ("", inf)]);
    let pool = started(&component, Limits::default()).request_pool(&any_pool()).unwrap().pool;
    // 0x7fc00000, shifted: 15. With the sign it is 31.
    assert_eq!(pool.prefix_len(), 15);
}

/// Two instances share what one may have, and the second gets what the first
/// gives back.
#[test]
fn the_limits_are_those_of_a_component_and_not_of_an_instance() {
    let component = guest("", &[("", "(memory 6)")]);
    let limits = Limits {
        instance: InstanceLimits {
            memory_bytes: 12 << 16,
            handles: 1,
            ..InstanceLimits::default()
        },
        ..Limits::default()
    };
    let loaded = crate::lab::load(&component, limits.clone());
    let first = crate::lab::make(&loaded).unwrap();
    let taken = first.memory_bytes().unwrap();
    assert!((7 << 16..8 << 16).contains(&taken), "seven pages, and what the host keeps: {taken}");
    let why = reason(crate::lab::make(&loaded).map(drop));
    assert!(why.contains("memory minimum size"), "{why}");
    assert!(crate::lab::make(&loaded.apart()).is_ok());
    drop(first);
    assert!(crate::lab::make(&loaded).is_ok());
    let few = Limits {
        instance: InstanceLimits { memory_bytes: 600 << 10, ..limits.instance },
        ..limits
    };
    let why = reason(
        start(
            &component,
            Limits { instance: InstanceLimits { handles: 1_200, ..few.instance }, ..few },
        )
        .map(drop),
    );
    assert!(why.contains("which limits.instance.memory allows"), "{why}");
}
