;; What is too slow in JavaScript about finding near vectors: arithmetic on 128 bits at once. `node scripts/compile-kernels.mjs` makes scan.wasm of it.
(module
  (import "index" "memory" (memory 1))

  ;; How far each row of $count groups of 64 rows is from the query, roughly, as one byte a row at $distances. A group is the first
  ;; 24 bytes of its 64 codes, those that are first of all 64 together, then the second ones. The table says of each half of these
  ;; bytes, lower half first, how much each of its 16 values adds.
  (func (export "scan") (param $groups i32) (param $count i32) (param $table i32) (param $distances i32)
    (local $byte i32) (local $low v128) (local $high v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $x v128) (local $half v128) (local $end i32)
    (local.set $half (v128.const i8x16 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15 15))
    (local.set $end (i32.add (local.get $groups) (i32.mul (local.get $count) (i32.const 1536))))
    (block $done
      (loop $group
        (br_if $done (i32.ge_u (local.get $groups) (local.get $end)))
        (local.set $a (v128.const i64x2 0 0))
        (local.set $b (v128.const i64x2 0 0))
        (local.set $c (v128.const i64x2 0 0))
        (local.set $d (v128.const i64x2 0 0))
        (local.set $byte (i32.const 0))
        (loop $plane
          (local.set $low (v128.load offset=0 (i32.add (local.get $table) (local.get $byte))))
          (local.set $high (v128.load offset=16 (i32.add (local.get $table) (local.get $byte))))
          (local.set $x (v128.load offset=0 (local.get $groups)))
          (local.set $a
            (i8x16.add_sat_u
              (i8x16.add_sat_u (local.get $a) (i8x16.swizzle (local.get $low) (v128.and (local.get $x) (local.get $half))))
              (i8x16.swizzle (local.get $high) (i8x16.shr_u (local.get $x) (i32.const 4)))))
          (local.set $x (v128.load offset=16 (local.get $groups)))
          (local.set $b
            (i8x16.add_sat_u
              (i8x16.add_sat_u (local.get $b) (i8x16.swizzle (local.get $low) (v128.and (local.get $x) (local.get $half))))
              (i8x16.swizzle (local.get $high) (i8x16.shr_u (local.get $x) (i32.const 4)))))
          (local.set $x (v128.load offset=32 (local.get $groups)))
          (local.set $c
            (i8x16.add_sat_u
              (i8x16.add_sat_u (local.get $c) (i8x16.swizzle (local.get $low) (v128.and (local.get $x) (local.get $half))))
              (i8x16.swizzle (local.get $high) (i8x16.shr_u (local.get $x) (i32.const 4)))))
          (local.set $x (v128.load offset=48 (local.get $groups)))
          (local.set $d
            (i8x16.add_sat_u
              (i8x16.add_sat_u (local.get $d) (i8x16.swizzle (local.get $low) (v128.and (local.get $x) (local.get $half))))
              (i8x16.swizzle (local.get $high) (i8x16.shr_u (local.get $x) (i32.const 4)))))
          (local.set $groups (i32.add (local.get $groups) (i32.const 64)))
          (local.set $byte (i32.add (local.get $byte) (i32.const 32)))
          (br_if $plane (i32.lt_u (local.get $byte) (i32.const 768))))
        (v128.store offset=0 (local.get $distances) (local.get $a))
        (v128.store offset=16 (local.get $distances) (local.get $b))
        (v128.store offset=32 (local.get $distances) (local.get $c))
        (v128.store offset=48 (local.get $distances) (local.get $d))
        (local.set $distances (i32.add (local.get $distances) (i32.const 64)))
        (br $group))))

  ;; Puts the first 24 bytes of the code at $code to where their row is in its group: each 64 bytes after the one before.
  (func (export "spread") (param $code i32) (param $into i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $code) (i32.const 24)))
    (loop $byte
      (i32.store8 (local.get $into) (i32.load8_u (local.get $code)))
      (local.set $into (i32.add (local.get $into) (i32.const 64)))
      (local.set $code (i32.add (local.get $code) (i32.const 1)))
      (br_if $byte (i32.lt_u (local.get $code) (local.get $end)))))

  ;; Of every $step of the $rows bytes at $distances: how many are each value, added to the 256 counts of 32 bits at $histogram.
  (func (export "sample") (param $distances i32) (param $rows i32) (param $step i32) (param $histogram i32)
    (local $end i32) (local $count i32)
    (local.set $end (i32.add (local.get $distances) (local.get $rows)))
    (block $done
      (loop $row
        (br_if $done (i32.ge_u (local.get $distances) (local.get $end)))
        (local.set $count
          (i32.add (local.get $histogram) (i32.shl (i32.load8_u (local.get $distances)) (i32.const 2))))
        (i32.store (local.get $count) (i32.add (i32.load (local.get $count)) (i32.const 1)))
        (local.set $distances (i32.add (local.get $distances) (local.get $step)))
        (br $row))))

  ;; Writes the numbers of the first $rows rows whose byte at $distances is at most $most to $into, 32 bits each, and answers how
  ;; many these are. Looks at 16 rows at once, and so into the bytes behind the last one.
  (func (export "nearest") (param $distances i32) (param $rows i32) (param $most i32) (param $into i32) (result i32)
    (local $limit v128) (local $row i32) (local $start i32) (local $mask i32)
    (local.set $limit (i8x16.splat (local.get $most)))
    (local.set $start (local.get $into))
    (block $done
      (loop $some
        (br_if $done (i32.ge_u (local.get $row) (local.get $rows)))
        (local.set $mask
          (i8x16.bitmask
            (i8x16.le_u (v128.load (i32.add (local.get $distances) (local.get $row))) (local.get $limit))))
        (if (i32.lt_u (i32.sub (local.get $rows) (local.get $row)) (i32.const 16))
          (then
            (local.set $mask
              (i32.and
                (local.get $mask)
                (i32.sub (i32.shl (i32.const 1) (i32.sub (local.get $rows) (local.get $row))) (i32.const 1))))))
        (block $none
          (loop $one
            (br_if $none (i32.eqz (local.get $mask)))
            (i32.store (local.get $into) (i32.add (local.get $row) (i32.ctz (local.get $mask))))
            (local.set $into (i32.add (local.get $into) (i32.const 4)))
            (local.set $mask (i32.and (local.get $mask) (i32.sub (local.get $mask) (i32.const 1))))
            (br $one)))
        (local.set $row (i32.add (local.get $row) (i32.const 16)))
        (br $some)))
    (i32.shr_u (i32.sub (local.get $into) (local.get $start)) (i32.const 2)))

  ;; Of each of the $count rows whose numbers are at $rows: how far its code of 512 bits (the code of row 0 is at $codes) is from
  ;; the query, as 16 bits at $distances; and how many are at each 64th of a distance, added to the 1024 counts of 32 bits at
  ;; $histogram. $table has 256 numbers of 16 bits for each byte of a code: what each of its values adds.
  (func (export "compare") (param $codes i32) (param $rows i32) (param $count i32) (param $table i32) (param $distances i32) (param $histogram i32)
    (local $end i32) (local $code i32) (local $last i32) (local $distance i32) (local $of i32)
    (local.set $end (i32.add (local.get $rows) (i32.shl (local.get $count) (i32.const 2))))
    ;; They lie far apart, and memory brings many at once if nothing waits for the one before.
    (local.set $code (local.get $rows))
    (block $brought
      (loop $bring
        (br_if $brought (i32.ge_u (local.get $code) (local.get $end)))
        (local.set $distance
          (i32.add
            (local.get $distance)
            (i32.load (i32.add (local.get $codes) (i32.shl (i32.load (local.get $code)) (i32.const 6))))))
        (local.set $code (i32.add (local.get $code) (i32.const 4)))
        (br $bring)))
    (i32.store (local.get $distances) (local.get $distance))
    (block $done
      (loop $row
        (br_if $done (i32.ge_u (local.get $rows) (local.get $end)))
        (local.set $code (i32.add (local.get $codes) (i32.shl (i32.load (local.get $rows)) (i32.const 6))))
        (local.set $last (i32.add (local.get $code) (i32.const 64)))
        (local.set $distance (i32.const 0))
        (local.set $of (local.get $table))
        (loop $bytes
          (local.set $distance
            (i32.add
              (local.get $distance)
              (i32.add
                (i32.add
                  (i32.add
                    (i32.load16_u offset=0 (i32.add (local.get $of) (i32.shl (i32.load8_u offset=0 (local.get $code)) (i32.const 1))))
                    (i32.load16_u offset=512 (i32.add (local.get $of) (i32.shl (i32.load8_u offset=1 (local.get $code)) (i32.const 1)))))
                  (i32.add
                    (i32.load16_u offset=1024 (i32.add (local.get $of) (i32.shl (i32.load8_u offset=2 (local.get $code)) (i32.const 1))))
                    (i32.load16_u offset=1536 (i32.add (local.get $of) (i32.shl (i32.load8_u offset=3 (local.get $code)) (i32.const 1))))))
                (i32.add
                  (i32.add
                    (i32.load16_u offset=2048 (i32.add (local.get $of) (i32.shl (i32.load8_u offset=4 (local.get $code)) (i32.const 1))))
                    (i32.load16_u offset=2560 (i32.add (local.get $of) (i32.shl (i32.load8_u offset=5 (local.get $code)) (i32.const 1)))))
                  (i32.add
                    (i32.load16_u offset=3072 (i32.add (local.get $of) (i32.shl (i32.load8_u offset=6 (local.get $code)) (i32.const 1))))
                    (i32.load16_u offset=3584 (i32.add (local.get $of) (i32.shl (i32.load8_u offset=7 (local.get $code)) (i32.const 1)))))))))
          (local.set $code (i32.add (local.get $code) (i32.const 8)))
          (local.set $of (i32.add (local.get $of) (i32.const 4096)))
          (br_if $bytes (i32.lt_u (local.get $code) (local.get $last))))
        (i32.store16 (local.get $distances) (local.get $distance))
        (local.set $code
          (i32.add (local.get $histogram) (i32.shl (i32.shr_u (local.get $distance) (i32.const 6)) (i32.const 2))))
        (i32.store (local.get $code) (i32.add (i32.load (local.get $code)) (i32.const 1)))
        (local.set $rows (i32.add (local.get $rows) (i32.const 4)))
        (local.set $distances (i32.add (local.get $distances) (i32.const 2)))
        (br $row))))

  ;; The table of compare, at $table, of the numbers for half bytes that are at $halves: 16 of 16 bits for each, lower half first.
  (func (export "combine") (param $halves i32) (param $table i32)
    (local $end i32) (local $high i32) (local $a v128) (local $b v128) (local $x v128)
    (local.set $end (i32.add (local.get $halves) (i32.const 4096)))
    (loop $byte
      (local.set $a (v128.load offset=0 (local.get $halves)))
      (local.set $b (v128.load offset=16 (local.get $halves)))
      (local.set $high (i32.const 0))
      (loop $value
        (local.set $x (i16x8.splat (i32.load16_u offset=32 (i32.add (local.get $halves) (local.get $high)))))
        (v128.store offset=0 (local.get $table) (i16x8.add (local.get $a) (local.get $x)))
        (v128.store offset=16 (local.get $table) (i16x8.add (local.get $b) (local.get $x)))
        (local.set $table (i32.add (local.get $table) (i32.const 32)))
        (local.set $high (i32.add (local.get $high) (i32.const 2)))
        (br_if $value (i32.lt_u (local.get $high) (i32.const 32))))
      (local.set $halves (i32.add (local.get $halves) (i32.const 64)))
      (br_if $byte (i32.lt_u (local.get $halves) (local.get $end)))))

  ;; The inner product of the vectors of $bytes bytes at $one and $other; $bytes is a multiple of 16.
  (func (export "dot") (param $one i32) (param $other i32) (param $bytes i32) (result f32)
    (local $sum v128) (local $at i32)
    (block $done
      (loop $four
        (br_if $done (i32.ge_u (local.get $at) (local.get $bytes)))
        (local.set $sum
          (f32x4.add
            (local.get $sum)
            (f32x4.mul
              (v128.load (i32.add (local.get $one) (local.get $at)))
              (v128.load (i32.add (local.get $other) (local.get $at))))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $four)))
    (f32.add
      (f32.add (f32x4.extract_lane 0 (local.get $sum)) (f32x4.extract_lane 1 (local.get $sum)))
      (f32.add (f32x4.extract_lane 2 (local.get $sum)) (f32x4.extract_lane 3 (local.get $sum)))))

  ;; The Walsh-Hadamard transform of the $bytes bytes of numbers at $at, in place, without its factor. $bytes is a power of two
  ;; and at least 16.
  (func $transform (param $at i32) (param $bytes i32)
    (local $half i32) (local $from i32) (local $one i32) (local $end i32) (local $a v128) (local $b v128)
    ;; The first two steps are within four numbers: a+b a-b c+d c-d, and of these the sums and differences across.
    (block $done
      (loop $four
        (br_if $done (i32.ge_u (local.get $from) (local.get $bytes)))
        (local.set $one (i32.add (local.get $at) (local.get $from)))
        (local.set $a (v128.load (local.get $one)))
        (local.set $a
          (f32x4.add
            (i8x16.shuffle 4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11 (local.get $a) (local.get $a))
            (f32x4.mul (local.get $a) (v128.const f32x4 1 -1 1 -1))))
        (v128.store (local.get $one)
          (f32x4.add
            (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $a) (local.get $a))
            (f32x4.mul (local.get $a) (v128.const f32x4 1 1 -1 -1))))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (br $four)))
    (local.set $half (i32.const 16))
    (block $whole
      (loop $step
        (br_if $whole (i32.ge_u (local.get $half) (local.get $bytes)))
        (local.set $from (i32.const 0))
        (block $last
          (loop $pair
            (br_if $last (i32.ge_u (local.get $from) (local.get $bytes)))
            (local.set $one (i32.add (local.get $at) (local.get $from)))
            (local.set $end (i32.add (local.get $one) (local.get $half)))
            (loop $within
              (local.set $a (v128.load (local.get $one)))
              (local.set $b (v128.load (i32.add (local.get $one) (local.get $half))))
              (v128.store (local.get $one) (f32x4.add (local.get $a) (local.get $b)))
              (v128.store (i32.add (local.get $one) (local.get $half)) (f32x4.sub (local.get $a) (local.get $b)))
              (local.set $one (i32.add (local.get $one) (i32.const 16)))
              (br_if $within (i32.lt_u (local.get $one) (local.get $end))))
            (local.set $from (i32.add (local.get $from) (i32.shl (local.get $half) (i32.const 1))))
            (br $pair)))
        (local.set $half (i32.shl (local.get $half) (i32.const 1)))
        (br $step))))

  ;; Multiplies the $bytes bytes of numbers at $at by those at $by.
  (func $multiply (param $at i32) (param $by i32) (param $bytes i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (loop $four
      (v128.store (local.get $at) (f32x4.mul (v128.load (local.get $at)) (v128.load (local.get $by))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (local.set $by (i32.add (local.get $by) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $end)))))

  ;; The code of a vector: its $bytes bytes at $vector less those at $mean, filled up with zeros to the $size bytes of $work,
  ;; turned twice with the signs at $signs (2 x $size bytes), and of the first 512 numbers whether they are above zero.
  (func (export "encode") (param $vector i32) (param $mean i32) (param $bytes i32) (param $signs i32) (param $work i32) (param $size i32) (param $into i32)
    (local $at i32)
    (memory.fill (i32.add (local.get $work) (local.get $bytes)) (i32.const 0) (i32.sub (local.get $size) (local.get $bytes)))
    (loop $four
      (v128.store (i32.add (local.get $work) (local.get $at))
        (f32x4.sub
          (v128.load (i32.add (local.get $vector) (local.get $at)))
          (v128.load (i32.add (local.get $mean) (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $four (i32.lt_u (local.get $at) (local.get $bytes))))
    (call $multiply (local.get $work) (local.get $signs) (local.get $size))
    (call $transform (local.get $work) (local.get $size))
    (call $multiply (local.get $work) (i32.add (local.get $signs) (local.get $size)) (local.get $size))
    (call $transform (local.get $work) (local.get $size))
    (local.set $at (i32.const 0))
    (loop $byte
      (i32.store8 (i32.add (local.get $into) (local.get $at))
        (i32.or
          (i32x4.bitmask (f32x4.gt (v128.load offset=0 (local.get $work)) (v128.const f32x4 0 0 0 0)))
          (i32.shl
            (i32x4.bitmask (f32x4.gt (v128.load offset=16 (local.get $work)) (v128.const f32x4 0 0 0 0)))
            (i32.const 4))))
      (local.set $work (i32.add (local.get $work) (i32.const 32)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $byte (i32.lt_u (local.get $at) (i32.const 64))))))
