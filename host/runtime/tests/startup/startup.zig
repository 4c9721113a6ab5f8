// What Zig's own runtime looks for: see startup.c.

const std = @import("std");
const wasi = std.os.wasi;

fn now() u64 {
    var at: wasi.timestamp_t = 0;
    _ = wasi.clock_time_get(.MONOTONIC, 1, &at);
    return at;
}

pub fn main() u8 {
    const began = now();
    if (began == 0) return 1;
    const sleep = wasi.subscription_t{
        .userdata = 0,
        .u = .{ .tag = .CLOCK, .u = .{ .clock = .{ .id = .MONOTONIC, .timeout = 1_000_000_000, .precision = 0, .flags = 0 } } },
    };
    var event: wasi.event_t = undefined;
    var count: usize = 0;
    if (wasi.poll_oneoff(&sleep, &event, 1, &count) != .SUCCESS or count != 1) return 2;
    if (now() < began + 1_000_000_000) return 3;
    std.debug.print("started\n", .{});
    return 0;
}
