        ;; Calls of WASI, by the first letter of the value; what comes back takes the place of its first eight bytes.
        ;; r: a random number.
        (if (i32.eq (local.get $letter) (i32.const 114)) (then (i64.store (local.get $data) (call $random))))
        ;; b: random bytes, as many as there are in eight bytes from the second on.
        (if (i32.eq (local.get $letter) (i32.const 98)) (then
          (call $bytes (i64.load offset=1 (local.get $data)) (i32.const 700))
          (i64.store (local.get $data) (i64.load32_u (i32.const 704)))))
        ;; c: the time; m: the other clock.
        (if (i32.eq (local.get $letter) (i32.const 99)) (then
          (call $wall (i32.const 704)) (i64.store (local.get $data) (i64.load (i32.const 704)))))
        (if (i32.eq (local.get $letter) (i32.const 109)) (then (i64.store (local.get $data) (call $monotonic))))
        ;; s: sleeps for a century.
        (if (i32.eq (local.get $letter) (i32.const 115)) (then
          (call $block (call $sleep (i64.const 3155760000000000000)))))
        ;; v: how many variables, arguments and directories there are.
        (if (i32.eq (local.get $letter) (i32.const 118)) (then
          (call $environment (i32.const 704)) (call $arguments (i32.const 712)) (call $directories (i32.const 720))
          (i64.store (local.get $data) (i64.extend_i32_u (i32.add (i32.add
            (i32.load (i32.const 708)) (i32.load (i32.const 716))) (i32.load (i32.const 724)))))))
        ;; i: what reading the standard input comes to: 1, and then 1 for closed.
        (if (i32.eq (local.get $letter) (i32.const 105)) (then
          (call $read (call $stdin) (i64.const 10) (i32.const 704))
          (i64.store (local.get $data) (i64.load (i32.const 704)))))
        ;; p: prints the value; q: the same as an error; u: as an error, and traps; f: floods.
        (if (i32.eq (local.get $letter) (i32.const 112)) (then
          (call $write (call $stdout) (local.get $data) (local.get $bytes) (i32.const 704))))
        (if (i32.eq (local.get $letter) (i32.const 113)) (then
          (call $write (call $stderr) (local.get $data) (local.get $bytes) (i32.const 704))))
        (if (i32.eq (local.get $letter) (i32.const 117)) (then
          (call $write (call $stderr) (local.get $data) (local.get $bytes) (i32.const 704)) unreachable))
        (if (i32.eq (local.get $letter) (i32.const 102)) (then
          (i32.store (i32.const 512) (i32.const 1000))
          (i32.store (i32.const 516) (call $stdout))
          (loop $flood
            (call $write (i32.load (i32.const 516)) (i32.const 65536) (i32.const 4096) (i32.const 704))
            (i32.store (i32.const 512) (i32.sub (i32.load (i32.const 512)) (i32.const 1)))
            (br_if $flood (i32.load (i32.const 512))))))
        ;; x: exits.
        (if (i32.eq (local.get $letter) (i32.const 120)) (then (call $exit (i32.const 1))))
        ;; h: takes handles and never gives one back.
        (if (i32.eq (local.get $letter) (i32.const 104)) (then (loop $more (drop (call $stdout)) (br $more))))
        ;; w: uses HTTP.
        (if (i32.eq (local.get $letter) (i32.const 119)) (then (drop (call $send))))
