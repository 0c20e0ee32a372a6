;; A plugin that keeps to the contract until a value's first letter tells it not to.
(module
  (import "dedup:plugin/log@1.0.0" "write" (func $log (param i32 i32 i32)))
  (memory (export "memory") 4)
  (table $table 1 funcref)
  (data (i32.const 16) "evil1.0/xno thanks")
  ;; Where fields is: the pointer "/x" as a list of one string.
  (data (i32.const 64) "\17\00\00\00\02\00\00\00")
  ;; info: name, version, key-version 3.
  (data (i32.const 96) "\10\00\00\00\04\00\00\00\14\00\00\00\03\00\00\00\03\00\00\00")
  ;; result<input, failure>: ok(fields([..])).
  (data (i32.const 128) "\00\00\00\00\01\00\00\00\40\00\00\00\01\00\00\00")
  ;; result<input, failure>: error("no thanks").
  (data (i32.const 160) "\01\00\00\00\19\00\00\00\09\00\00\00")
  ;; What a terminal would obey.
  (data (i32.const 224) "\1b[31mred\0anext\e2\80\ae")
  ;; Answers are made from 256 on, owners from 1024 on, statuses from 16384 on, arguments from 65536 on.
  (global $next (mut i32) (i32.const 65536))

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func (export "dedup:plugin/key-extractor@1.0.0#describe") (result i32)
    ;; DESCRIBE
    (i32.const 96))

  (func (export "dedup:plugin/key-extractor@1.0.0#configure") (param i32 i32) (result i32)
    ;; CONFIGURE
    (i32.const 128))

  (func $deeper (param i32) (result i32)
    (i32.add (call $deeper (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))

  (func (export "dedup:plugin/key-extractor@1.0.0#extract")
    (param $width i32) (param $data i32) (param $bytes i32) (param $ends i32) (param $events i32)
    (param $kinds i32) (param $kinds_len i32) (result i32)
    (local $event i32) (local $letter i32)
    ;; ok({keys: the values, owners: [], status: [0, ..], notes: []})
    (memory.fill (i32.const 256) (i32.const 0) (i32.const 64))
    (memory.fill (i32.const 16384) (i32.const 0) (i32.const 32768))
    (i32.store (i32.const 260) (local.get $data))
    (i32.store (i32.const 264) (local.get $bytes))
    (i32.store (i32.const 268) (local.get $ends))
    (i32.store (i32.const 272) (local.get $events))
    (i32.store (i32.const 284) (i32.const 16384))
    (i32.store (i32.const 288) (local.get $events))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $event) (local.get $events)))
        (local.set $letter (i32.load8_u (i32.add (local.get $data)
          (if (result i32) (local.get $event)
            (then (i32.load (i32.add (local.get $ends) (i32.shl (i32.sub (local.get $event) (i32.const 1)) (i32.const 2)))))
            (else (i32.const 0))))))
        ;; T: traps.
        (if (i32.eq (local.get $letter) (i32.const 84)) (then unreachable))
        ;; L: loops for ever.
        (if (i32.eq (local.get $letter) (i32.const 76)) (then (loop $ever (br $ever))))
        ;; M: wants all memory there is.
        (if (i32.eq (local.get $letter) (i32.const 77)) (then (loop $more (drop (memory.grow (i32.const 16))) (br $more))))
        ;; B: wants a table without end.
        (if (i32.eq (local.get $letter) (i32.const 66))
          (then (loop $more (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $more))))
        ;; K: takes a MiB more for good, and goes on.
        (if (i32.eq (local.get $letter) (i32.const 75)) (then (drop (memory.grow (i32.const 16)))))
        ;; S: runs out of stack.
        (if (i32.eq (local.get $letter) (i32.const 83)) (then (drop (call $deeper (i32.const 0)))))
        ;; W: says "no thanks" and traps.
        (if (i32.eq (local.get $letter) (i32.const 87))
          (then (call $log (i32.const 4) (i32.const 25) (i32.const 9)) unreachable))
        ;; F: floods the log, about 200 MB of it, and goes on.
        (if (i32.eq (local.get $letter) (i32.const 70)) (then
          (i32.store (i32.const 512) (i32.const 0))
          (loop $flood
            (call $log (i32.const 2) (i32.const 65536) (i32.const 2000))
            (i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
            (br_if $flood (i32.lt_u (i32.load (i32.const 512)) (i32.const 100000))))))
        ;; Q: floods the log with 100,000 lines of one byte, and goes on.
        (if (i32.eq (local.get $letter) (i32.const 81)) (then
          (i32.store (i32.const 512) (i32.const 0))
          (loop $flood
            (call $log (i32.const 2) (i32.const 16) (i32.const 1))
            (i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
            (br_if $flood (i32.lt_u (i32.load (i32.const 512)) (i32.const 100000))))))
        ;; G: more data than a host takes, which it has the memory for.
        (if (i32.eq (local.get $letter) (i32.const 71)) (then
          (drop (memory.grow (i32.const 1200)))
          (i32.store (i32.const 260) (i32.const 0))
          (i32.store (i32.const 264) (i32.const 70000000))))
        ;; E: fails as a whole, with words.
        (if (i32.eq (local.get $letter) (i32.const 69)) (then
          (i32.store (i32.const 256) (i32.const 1))
          (i32.store (i32.const 260) (i32.const 25))
          (i32.store (i32.const 264) (i32.const 9))))
        ;; n: has no key, and its key in the column is empty only if the value is the letter alone; see the suite.
        (if (i32.eq (local.get $letter) (i32.const 110))
          (then (i32.store8 (i32.add (i32.const 16384) (local.get $event)) (i32.const 1))))
        ;; 0: one status too many.
        (if (i32.eq (local.get $letter) (i32.const 48))
          (then (i32.store (i32.const 288) (i32.add (local.get $events) (i32.const 1)))))
        ;; 1: a status that does not exist.
        (if (i32.eq (local.get $letter) (i32.const 49))
          (then (i32.store8 (i32.add (i32.const 16384) (local.get $event)) (i32.const 7))))
        ;; 2: an end beyond the data.
        (if (i32.eq (local.get $letter) (i32.const 50))
          (then (i32.store (i32.add (local.get $ends) (i32.shl (local.get $event) (i32.const 2))) (i32.const 0xffff))))
        ;; 3: data that belongs to no key.
        (if (i32.eq (local.get $letter) (i32.const 51))
          (then (i32.store (i32.const 264) (i32.add (local.get $bytes) (i32.const 1)))))
        ;; 4: one owner too many; 5: as many as keys, all of them an event that does not exist.
        (if (i32.or (i32.eq (local.get $letter) (i32.const 52)) (i32.eq (local.get $letter) (i32.const 53))) (then
          (memory.fill (i32.const 1024) (i32.const 0x7f) (i32.const 8192))
          (i32.store (i32.const 276) (i32.const 1024))
          (i32.store (i32.const 280) (i32.add (local.get $events) (i32.eq (local.get $letter) (i32.const 52))))))
        ;; 6: a note for an event that does not exist.
        (if (i32.eq (local.get $letter) (i32.const 54)) (then
          (i32.store (i32.const 600) (local.get $events))
          (i32.store (i32.const 604) (i32.const 25))
          (i32.store (i32.const 608) (i32.const 9))
          (i32.store (i32.const 292) (i32.const 600))
          (i32.store (i32.const 296) (i32.const 1))))
        ;; 7: data out of its memory.
        (if (i32.eq (local.get $letter) (i32.const 55)) (then (i32.store (i32.const 260) (i32.const 0xfffffff0))))
        ;; 8: more data than anyone asked for.
        (if (i32.eq (local.get $letter) (i32.const 56)) (then
          (i32.store (i32.const 260) (i32.const 0))
          (i32.store (i32.const 264) (i32.const 200000))))
        ;; 9: as many ends and statuses as events, and one end missing.
        (if (i32.eq (local.get $letter) (i32.const 57))
          (then (i32.store (i32.const 272) (i32.sub (local.get $events) (i32.const 1)))))
        ;; Y: 300 keys for one event, where it is alone; among others, nonsense.
        (if (i32.eq (local.get $letter) (i32.const 89)) (then
          (memory.fill (i32.const 1024) (i32.const 0) (i32.const 8192))
          (i32.store (i32.const 264) (i32.const 0))
          (i32.store (i32.const 268) (i32.const 1024))
          (i32.store (i32.const 272) (i32.const 300))
          (i32.store (i32.const 276) (i32.const 1024))
          (i32.store (i32.const 280) (i32.const 300))))
        ;; V: a key of 70,000 bytes, where it is alone; among others, nonsense.
        (if (i32.eq (local.get $letter) (i32.const 86)) (then
          (i32.store (i32.const 260) (i32.const 65536))
          (i32.store (i32.const 264) (i32.const 70000))
          (i32.store (i32.const 268) (i32.const 1024))
          (i32.store (i32.const 1024) (i32.const 70000))))
        ;; N: is invalid, with a note that a terminal would obey, where it is alone; among others, nonsense.
        (if (i32.eq (local.get $letter) (i32.const 78)) (then
          (memory.fill (i32.const 1024) (i32.const 0) (i32.const 8192))
          (i32.store (i32.const 264) (i32.const 0))
          (i32.store (i32.const 268) (i32.const 1024))
          (i32.store8 (i32.add (i32.const 16384) (local.get $event)) (i32.const 2))
          (i32.store (i32.const 600) (local.get $event))
          (i32.store (i32.const 604) (i32.const 224))
          (i32.store (i32.const 608) (i32.const 16))
          (i32.store (i32.const 292) (i32.const 600))
          (i32.store (i32.const 296) (i32.const 1))))
        (local.set $event (i32.add (local.get $event) (i32.const 1)))
        (br $each)))
    (i32.const 256))

  (func (export "cabi_post_dedup:plugin/key-extractor@1.0.0#extract") (param i32)
    (global.set $next (i32.const 65536))))
