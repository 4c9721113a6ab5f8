;; What Go's runtime needs of WASI, with nothing behind it: no host function is
;; called but the contract's log.
;;
;; The usual adapter asks the host for the time, which a component may not do
;; while the host allocates memory in it, and Go reads the clock whenever it
;; collects garbage: such a call traps. Here the clock is a number that grows
;; by a microsecond each time it is read, and by what a sleep wants. Random
;; numbers are the same each time. So the same requests get the same answers.
;;
;; What is written to stdout and stderr goes to the operator's log, line by
;; line, with a question mark for each byte that is not UTF-8. There is one argument, and no environment, file, socket or input.

(module
    (import "ipam:driver/log@0.1.0" "log" (func $log (param i32 i32 i32)))
    (import "env" "memory" (memory 0))

    ;; Go's linker keeps 8 KiB from here on for arguments and environment in
    ;; browsers, and nothing else. A line that is not complete waits here.
    (global $line i32 (i32.const 4096))
    (global $line_size i32 (i32.const 8192))
    (global $line_length (mut i32) (i32.const 0))

    (global $now (mut i64) (i64.const 1000000000)) ;; Go does not start at zero
    (global $random (mut i64) (i64.const 0x9e3779b97f4a7c15))

    ;; Errors, by their numbers in WASI.
    (global $success i32 (i32.const 0))
    (global $badf i32 (i32.const 8))
    (global $nosys i32 (i32.const 52))

    ;; --- clock and sleep ---

    (func (export "clock_time_get") (param $id i32) (param $precision i64) (param $at i32) (result i32)
        (global.set $now (i64.add (global.get $now) (i64.const 1000)))
        (i64.store (local.get $at) (global.get $now))
        (global.get $success))

    (func (export "adapter_monotonic_clock_set_paused") (param i32))

    (func (export "sched_yield") (result i32) (global.get $success))

    ;; Everything has happened already. A subscription has 48 bytes, an event 32.
    (func (export "poll_oneoff") (param $subscription i32) (param $event i32) (param $count i32) (param $happened i32)
        (result i32)
        (local $until i64)
        (i32.store (local.get $happened) (local.get $count))
        (block $done
            (loop $next
                (br_if $done (i32.eqz (local.get $count)))
                (i64.store (local.get $event) (i64.load (local.get $subscription)))
                (i64.store offset=8 (local.get $event) (i64.const 0))
                (i64.store offset=16 (local.get $event) (i64.const 0))
                (i64.store offset=24 (local.get $event) (i64.const 0))
                (i32.store8 offset=10 (local.get $event) (i32.load8_u offset=8 (local.get $subscription)))
                (if (i32.eqz (i32.load8_u offset=8 (local.get $subscription)))
                    (then
                        (local.set $until (i64.load offset=24 (local.get $subscription)))
                        (if (i32.eqz (i32.load16_u offset=40 (local.get $subscription))) ;; from now on
                            (then (local.set $until (i64.add (local.get $until) (global.get $now)))))
                        (if (i64.gt_u (local.get $until) (global.get $now))
                            (then (global.set $now (local.get $until))))))
                (local.set $subscription (i32.add (local.get $subscription) (i32.const 48)))
                (local.set $event (i32.add (local.get $event) (i32.const 32)))
                (local.set $count (i32.sub (local.get $count) (i32.const 1)))
                (br $next)))
        (global.get $success))

    ;; --- random numbers: xorshift64 ---

    (func (export "random_get") (param $at i32) (param $length i32) (result i32)
        (local $x i64)
        (local.set $x (global.get $random))
        (block $done
            (loop $next
                (br_if $done (i32.eqz (local.get $length)))
                (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
                (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
                (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
                (i64.store8 (local.get $at) (local.get $x))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (local.set $length (i32.sub (local.get $length) (i32.const 1)))
                (br $next)))
        (global.set $random (local.get $x))
        (global.get $success))

    ;; --- stdout and stderr ---

    ;; How many bytes the character there has; none if it is not UTF-8.
    (func $character (param $at i32) (param $end i32) (result i32)
        (local $byte i32) (local $size i32) (local $read i32) (local $code i32)
        (local.set $byte (i32.load8_u (local.get $at)))
        (if (i32.lt_u (local.get $byte) (i32.const 0x80)) (then (return (i32.const 1))))
        ;; As many as its first byte begins with ones.
        (local.set $size (i32.clz (i32.xor (i32.shl (local.get $byte) (i32.const 24)) (i32.const -1))))
        (if (i32.gt_u (i32.sub (local.get $size) (i32.const 2)) (i32.const 2)) (then (return (i32.const 0))))
        (if (i32.gt_u (local.get $size) (i32.sub (local.get $end) (local.get $at))) (then (return (i32.const 0))))
        (local.set $code (i32.and (local.get $byte) (i32.shr_u (i32.const 0x7f) (local.get $size))))
        (local.set $read (i32.const 1))
        (loop $next
            (local.set $byte (i32.load8_u (i32.add (local.get $at) (local.get $read))))
            (if (i32.eqz (call $continues (local.get $byte))) (then (return (i32.const 0))))
            (local.set $code
                (i32.or (i32.shl (local.get $code) (i32.const 6)) (i32.and (local.get $byte) (i32.const 0x3f))))
            (local.set $read (i32.add (local.get $read) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $read) (local.get $size))))
        ;; None that fits into fewer bytes, half of a pair of UTF-16, or too large.
        (if (i32.lt_u (local.get $code)
                (i32.shl (i32.const 1)
                    (i32.add
                        (i32.sub (i32.mul (local.get $size) (i32.const 5)) (i32.const 4))
                        (i32.eq (local.get $size) (i32.const 2)))))
            (then (return (i32.const 0))))
        (if (i32.eq (i32.shr_u (local.get $code) (i32.const 11)) (i32.const 0x1b)) (then (return (i32.const 0))))
        (if (i32.gt_u (local.get $code) (i32.const 0x10ffff)) (then (return (i32.const 0))))
        (local.get $size))

    ;; Whether a byte is one of a character that began before it.
    (func $continues (param $byte i32) (result i32)
        (i32.eq (i32.and (local.get $byte) (i32.const 0xc0)) (i32.const 0x80)))

    (func $say (param $level i32)
        (local $at i32) (local $end i32) (local $size i32)
        (if (global.get $line_length)
            (then
                ;; The host traps on text that is not UTF-8.
                (local.set $at (global.get $line))
                (local.set $end (i32.add (global.get $line) (global.get $line_length)))
                (loop $next
                    (local.set $size (call $character (local.get $at) (local.get $end)))
                    (if (i32.eqz (local.get $size))
                        (then
                            (i32.store8 (local.get $at) (i32.const 63)) ;; ?
                            (local.set $size (i32.const 1))))
                    (local.set $at (i32.add (local.get $at) (local.get $size)))
                    (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
                (call $log (local.get $level) (global.get $line) (global.get $line_length))
                (global.set $line_length (i32.const 0)))))

    (func (export "fd_write") (param $fd i32) (param $pieces i32) (param $count i32) (param $written i32) (result i32)
        (local $level i32) (local $at i32) (local $length i32) (local $total i32) (local $byte i32)
        (if (i32.or (i32.lt_u (local.get $fd) (i32.const 1)) (i32.gt_u (local.get $fd) (i32.const 2)))
            (then (return (global.get $badf))))
        (local.set $level (i32.sub (i32.const 3) (local.get $fd))) ;; 1: info, 2: warn
        (block $done
            (loop $piece
                (br_if $done (i32.eqz (local.get $count)))
                (local.set $at (i32.load (local.get $pieces)))
                (local.set $length (i32.load offset=4 (local.get $pieces)))
                (local.set $total (i32.add (local.get $total) (local.get $length)))
                (block $end
                    (loop $next
                        (br_if $end (i32.eqz (local.get $length)))
                        (local.set $byte (i32.load8_u (local.get $at)))
                        (if (i32.eq (local.get $byte) (i32.const 10))
                            (then (call $say (local.get $level)))
                            (else
                                ;; A line that is too long ends before a character.
                                (if (i32.and
                                        (i32.gt_u (global.get $line_length)
                                            (i32.sub (global.get $line_size) (i32.const 4)))
                                        (i32.eqz (call $continues (local.get $byte))))
                                    (then (call $say (local.get $level))))
                                (i32.store8
                                    (i32.add (global.get $line) (global.get $line_length))
                                    (local.get $byte))
                                (global.set $line_length (i32.add (global.get $line_length) (i32.const 1)))
                                (if (i32.eq (global.get $line_length) (global.get $line_size))
                                    (then (call $say (local.get $level))))))
                        (local.set $at (i32.add (local.get $at) (i32.const 1)))
                        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
                        (br $next)))
                (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
                (local.set $count (i32.sub (local.get $count) (i32.const 1)))
                (br $piece)))
        (i32.store (local.get $written) (local.get $total))
        (global.get $success))

    ;; A driver does not exit: Go does after a panic, and then this is a trap.
    (func (export "proc_exit") (param $code i32)
        (call $say (i32.const 1))
        (unreachable))

    ;; --- one argument, "driver", and no environment ---

    (func (export "args_sizes_get") (param $count i32) (param $size i32) (result i32)
        (i32.store (local.get $count) (i32.const 1))
        (i32.store (local.get $size) (i32.const 7))
        (global.get $success))
    (func (export "args_get") (param $list i32) (param $text i32) (result i32)
        (i32.store (local.get $list) (local.get $text))
        (i32.store (local.get $text) (i32.const 0x76697264)) ;; "driv"
        (i32.store offset=3 (local.get $text) (i32.const 0x00726576)) ;; "ver"
        (global.get $success))
    (func (export "environ_sizes_get") (param $count i32) (param $size i32) (result i32)
        (i32.store (local.get $count) (i32.const 0))
        (i32.store (local.get $size) (i32.const 0))
        (global.get $success))
    (func (export "environ_get") (param i32 i32) (result i32) (global.get $success))

    ;; --- three descriptors, and nothing to open ---

    (func (export "fd_fdstat_get") (param $fd i32) (param $at i32) (result i32)
        (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (global.get $badf))))
        (i64.store (local.get $at) (i64.const 2)) ;; a character device
        (i64.store offset=8 (local.get $at) (i64.const -1))
        (i64.store offset=16 (local.get $at) (i64.const -1))
        (global.get $success))
    (func (export "fd_read") (param $fd i32) (param $pieces i32) (param $count i32) (param $read i32) (result i32)
        (if (local.get $fd) (then (return (global.get $badf))))
        (i32.store (local.get $read) (i32.const 0)) ;; the end of the input
        (global.get $success))
    (func (export "fd_close") (param i32) (result i32) (global.get $success))
    (func (export "fd_prestat_get") (param i32 i32) (result i32) (global.get $badf))
    (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (global.get $badf))
    (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (global.get $badf))
    (func (export "fd_filestat_get") (param i32 i32) (result i32) (global.get $badf))
    (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (global.get $badf))
    (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (global.get $badf))
    (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (global.get $badf))
    (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (global.get $badf))
    (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (global.get $badf))
    (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (global.get $badf))
    (func (export "fd_sync") (param i32) (result i32) (global.get $badf))
    (func (export "path_create_directory") (param i32 i32 i32) (result i32) (global.get $nosys))
    (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (global.get $nosys))
    (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (global.get $nosys))
    (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (global.get $nosys))
    (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (global.get $nosys))
    (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (global.get $nosys))
    (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (global.get $nosys))
    (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (global.get $nosys))
    (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (global.get $nosys))
    (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (global.get $nosys))
    (func (export "sock_accept") (param i32 i32 i32) (result i32) (global.get $nosys))
    (func (export "sock_shutdown") (param i32 i32) (result i32) (global.get $nosys)))
