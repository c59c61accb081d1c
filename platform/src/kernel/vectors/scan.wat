;; What is too slow in JavaScript about finding near vectors: arithmetic on 128 bits at once. `node scripts/compile-kernels.mjs` makes scan.wasm of it.
(module
  (import "index" "memory" (memory 1))

  ;; For each of $rows codes of 512 bits at $codes: how many bits differ from the code at $query, as 16 bits at $distances,
  ;; and how many codes are at each distance, added to the 513 counts of 32 bits at $histogram.
  (func (export "distances") (param $codes i32) (param $rows i32) (param $query i32) (param $distances i32) (param $histogram i32)
    (local $q0 v128) (local $q1 v128) (local $q2 v128) (local $q3 v128) (local $sum v128) (local $end i32) (local $distance i32) (local $count i32)
    (local.set $q0 (v128.load offset=0 (local.get $query)))
    (local.set $q1 (v128.load offset=16 (local.get $query)))
    (local.set $q2 (v128.load offset=32 (local.get $query)))
    (local.set $q3 (v128.load offset=48 (local.get $query)))
    (local.set $end (i32.add (local.get $codes) (i32.shl (local.get $rows) (i32.const 6))))
    (block $done
      (loop $row
        (br_if $done (i32.ge_u (local.get $codes) (local.get $end)))
        ;; Each byte holds at most 8, so that four of them added are at most 32.
        (local.set $sum
          (i8x16.add
            (i8x16.add
              (i8x16.popcnt (v128.xor (v128.load offset=0 (local.get $codes)) (local.get $q0)))
              (i8x16.popcnt (v128.xor (v128.load offset=16 (local.get $codes)) (local.get $q1))))
            (i8x16.add
              (i8x16.popcnt (v128.xor (v128.load offset=32 (local.get $codes)) (local.get $q2)))
              (i8x16.popcnt (v128.xor (v128.load offset=48 (local.get $codes)) (local.get $q3))))))
        (local.set $sum (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (local.get $sum))))
        (local.set $distance
          (i32.add
            (i32.add (i32x4.extract_lane 0 (local.get $sum)) (i32x4.extract_lane 1 (local.get $sum)))
            (i32.add (i32x4.extract_lane 2 (local.get $sum)) (i32x4.extract_lane 3 (local.get $sum)))))
        (i32.store16 (local.get $distances) (local.get $distance))
        (local.set $count (i32.add (local.get $histogram) (i32.shl (local.get $distance) (i32.const 2))))
        (i32.store (local.get $count) (i32.add (i32.load (local.get $count)) (i32.const 1)))
        (local.set $distances (i32.add (local.get $distances) (i32.const 2)))
        (local.set $codes (i32.add (local.get $codes) (i32.const 64)))
        (br $row))))

  ;; Writes the numbers of the rows whose distance is at most $most to $into, 32 bits each, and answers how many these are.
  ;; Looks at eight rows at once; $rows is a multiple of eight.
  (func (export "nearest") (param $distances i32) (param $rows i32) (param $most i32) (param $into i32) (result i32)
    (local $limit v128) (local $row i32) (local $found i32) (local $mask i32)
    (local.set $limit (i16x8.splat (local.get $most)))
    (block $done
      (loop $eight
        (br_if $done (i32.ge_u (local.get $row) (local.get $rows)))
        (local.set $mask
          (i16x8.bitmask
            (i16x8.le_u
              (v128.load (i32.add (local.get $distances) (i32.shl (local.get $row) (i32.const 1))))
              (local.get $limit))))
        (block $none
          (loop $one
            (br_if $none (i32.eqz (local.get $mask)))
            (i32.store
              (i32.add (local.get $into) (i32.shl (local.get $found) (i32.const 2)))
              (i32.add (local.get $row) (i32.ctz (local.get $mask))))
            (local.set $found (i32.add (local.get $found) (i32.const 1)))
            (local.set $mask (i32.and (local.get $mask) (i32.sub (local.get $mask) (i32.const 1))))
            (br $one)))
        (local.set $row (i32.add (local.get $row) (i32.const 8)))
        (br $eight)))
    (local.get $found))

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
