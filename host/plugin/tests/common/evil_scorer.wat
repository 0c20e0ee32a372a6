;; A plugin that keeps to the contract until a pair's first value of the duplicate tells it not to, by its first letter.
;;
;; Of an honest pair it says what shows that every list came to it whole: the similarity is the length of the first value
;; of the original, the property similarity that of the first pointer, in 64ths; the verdict of a row is the duplicate's
;; kind less the original's. A pair without rows is 1 and 1.
(module
  (import "dedup:plugin/log@1.0.0" "write" (func $log (param i32 i32 i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "evil1.0/xno thanks")
  ;; Where fields is: the pointer "/x" as a list of one string.
  (data (i32.const 64) "\17\00\00\00\02\00\00\00")
  ;; info: name, version, key-version 1.
  (data (i32.const 96) "\10\00\00\00\04\00\00\00\14\00\00\00\03\00\00\00\01\00\00\00")
  ;; result<input, failure>: ok(fields([..])).
  (data (i32.const 128) "\00\00\00\00\01\00\00\00\40\00\00\00\01\00\00\00")
  ;; Answers are made from 256 on, similarities from 8192 on, property similarities from 24576 on, verdicts from 40960 on,
  ;; arguments from 65536 on.
  (global $next (mut i32) (i32.const 65536))

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func (export "dedup:plugin/similarity-scorer@1.0.0#describe") (result i32) (i32.const 96))
  (func (export "dedup:plugin/similarity-scorer@1.0.0#configure") (param i32 i32) (result i32) (i32.const 128))

  ;; Where value $index starts, by a list of ends.
  (func $start (param $ends i32) (param $index i32) (result i32)
    (if (result i32) (local.get $index)
      (then (i32.load (i32.add (local.get $ends) (i32.shl (i32.sub (local.get $index) (i32.const 1)) (i32.const 2)))))
      (else (i32.const 0))))

  ;; Its length in 64ths.
  (func $length (param $ends i32) (param $index i32) (result f64)
    (f64.div
      (f64.convert_i32_u (i32.sub
        (call $start (local.get $ends) (i32.add (local.get $index) (i32.const 1)))
        (call $start (local.get $ends) (local.get $index))))
      (f64.const 64)))

  (func $deeper (param i32) (result i32)
    (i32.add (call $deeper (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))

  ;; $pairs: ends at 0, paths at 8 and 16, original-kinds at 24, originals at 32 and 40, duplicate-kinds at 48, duplicates
  ;; at 56 and 64; each an address and a count.
  (func (export "dedup:plugin/similarity-scorer@1.0.0#compare") (param $pairs i32) (result i32)
    (local $count i32) (local $pair i32) (local $row i32) (local $rows i32) (local $letter i32) (local $at i32)
    (local.set $count (i32.load offset=4 (local.get $pairs)))
    (local.set $rows (call $start (i32.load (local.get $pairs)) (local.get $count)))
    (memory.fill (i32.const 256) (i32.const 0) (i32.const 64))
    (i32.store (i32.const 260) (i32.const 8192))
    (i32.store (i32.const 264) (local.get $count))
    (i32.store (i32.const 268) (i32.const 24576))
    (i32.store (i32.const 272) (local.get $count))
    (i32.store (i32.const 276) (i32.const 40960))
    (i32.store (i32.const 280) (local.get $rows))
    (block $no_rows
      (loop $each
        (br_if $no_rows (i32.ge_u (local.get $row) (local.get $rows)))
        (i32.store8 (i32.add (i32.const 40960) (local.get $row)) (i32.sub
          (i32.load8_u (i32.add (i32.load offset=48 (local.get $pairs)) (local.get $row)))
          (i32.load8_u (i32.add (i32.load offset=24 (local.get $pairs)) (local.get $row)))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $each)))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $pair) (local.get $count)))
        (local.set $row (call $start (i32.load (local.get $pairs)) (local.get $pair)))
        (local.set $at (i32.shl (local.get $pair) (i32.const 3)))
        (if (i32.eq (local.get $row)
            (call $start (i32.load (local.get $pairs)) (i32.add (local.get $pair) (i32.const 1))))
          (then
            (f64.store (i32.add (i32.const 8192) (local.get $at)) (f64.const 1))
            (f64.store (i32.add (i32.const 24576) (local.get $at)) (f64.const 1))
            (local.set $letter (i32.const 0)))
          (else
            (f64.store (i32.add (i32.const 8192) (local.get $at))
              (call $length (i32.load offset=40 (local.get $pairs)) (local.get $row)))
            (f64.store (i32.add (i32.const 24576) (local.get $at))
              (call $length (i32.load offset=16 (local.get $pairs)) (local.get $row)))
            (local.set $letter (i32.load8_u (i32.add (i32.load offset=56 (local.get $pairs))
              (call $start (i32.load offset=64 (local.get $pairs)) (local.get $row)))))))
        ;; T: traps.
        (if (i32.eq (local.get $letter) (i32.const 84)) (then unreachable))
        ;; L: loops for ever.
        (if (i32.eq (local.get $letter) (i32.const 76)) (then (loop $ever (br $ever))))
        ;; M: wants all memory there is.
        (if (i32.eq (local.get $letter) (i32.const 77)) (then (loop $more (drop (memory.grow (i32.const 16))) (br $more))))
        ;; S: runs out of stack.
        (if (i32.eq (local.get $letter) (i32.const 83)) (then (drop (call $deeper (i32.const 0)))))
        ;; W: traps with last words.
        (if (i32.eq (local.get $letter) (i32.const 87))
          (then (call $log (i32.const 4) (i32.const 25) (i32.const 9)) unreachable))
        ;; E: fails as a whole, with words.
        (if (i32.eq (local.get $letter) (i32.const 69)) (then
          (i32.store (i32.const 256) (i32.const 1))
          (i32.store (i32.const 260) (i32.const 25))
          (i32.store (i32.const 264) (i32.const 9))))
        ;; 0: a similarity too many; 1: a property similarity too few; 2: a verdict too many.
        (if (i32.eq (local.get $letter) (i32.const 48))
          (then (i32.store (i32.const 264) (i32.add (local.get $count) (i32.const 1)))))
        (if (i32.eq (local.get $letter) (i32.const 49))
          (then (i32.store (i32.const 272) (i32.sub (local.get $count) (i32.const 1)))))
        (if (i32.eq (local.get $letter) (i32.const 50))
          (then (i32.store (i32.const 280) (i32.add (local.get $rows) (i32.const 1)))))
        ;; 3: a verdict that does not exist.
        (if (i32.eq (local.get $letter) (i32.const 51))
          (then (i32.store8 (i32.add (i32.const 40960) (local.get $row)) (i32.const 7))))
        ;; 4 to 7: scores that are none; Z: 0 with the sign of a negative number, which is 0.
        (if (i32.eq (local.get $letter) (i32.const 52))
          (then (f64.store (i32.add (i32.const 8192) (local.get $at)) (f64.const nan))))
        (if (i32.eq (local.get $letter) (i32.const 53))
          (then (f64.store (i32.add (i32.const 24576) (local.get $at)) (f64.const -0.5))))
        (if (i32.eq (local.get $letter) (i32.const 54))
          (then (f64.store (i32.add (i32.const 8192) (local.get $at)) (f64.const 1.0000001))))
        (if (i32.eq (local.get $letter) (i32.const 55))
          (then (f64.store (i32.add (i32.const 24576) (local.get $at)) (f64.const inf))))
        (if (i32.eq (local.get $letter) (i32.const 90))
          (then (f64.store (i32.add (i32.const 8192) (local.get $at)) (f64.const -0))))
        ;; 8: more verdicts than anyone asked for; 9: verdicts out of its memory.
        (if (i32.eq (local.get $letter) (i32.const 56)) (then
          (i32.store (i32.const 276) (i32.const 0))
          (i32.store (i32.const 280) (i32.const 200000))))
        (if (i32.eq (local.get $letter) (i32.const 57)) (then (i32.store (i32.const 276) (i32.const 0xfffffff0))))
        (local.set $pair (i32.add (local.get $pair) (i32.const 1)))
        (br $each)))
    (i32.const 256))

  (func (export "cabi_post_dedup:plugin/similarity-scorer@1.0.0#compare") (param i32)
    (global.set $next (i32.const 65536))))
