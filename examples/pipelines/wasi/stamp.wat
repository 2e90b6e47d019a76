;; A command of WASI (preview 1) that writes the file which its first argument names: `stamp /made/by/wasi`.
;;
;; stamp.wasm is this text as a binary: `wasm-tools parse stamp.wat -o stamp.wasm` makes it.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "made by a WebAssembly module\n")

  ;; A command that fails ends with the error number.
  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))

  (func $length (param $text i32) (result i32) (local $end i32)
    (local.set $end (local.get $text))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (i32.load8_u (local.get $end))))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $next)))
    (i32.sub (local.get $end) (local.get $text)))

  ;; Writes the text at 1024 to a descriptor; 16 and 20 tell where it is and how long.
  (func $tell (param $fd i32)
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const 29))
    (call $check (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 8))))

  (func (export "_start") (local $path i32)
    ;; Places of the arguments from 2048 on, their texts from 4096 on.
    (call $check (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (if (i32.ne (i32.load (i32.const 0)) (i32.const 2)) (then (call $proc_exit (i32.const 64))))
    (call $check (call $args_get (i32.const 2048) (i32.const 4096)))
    (local.set $path (i32.load (i32.const 2052)))
    ;; Descriptor 3 is a directory that is open from the beginning; 9 is create and truncate, 0x40 the right to write.
    (call $check (call $path_open
      (i32.const 3) (i32.const 1) (local.get $path) (call $length (local.get $path))
      (i32.const 9) (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 12)))
    (call $tell (i32.load (i32.const 12)))
    (call $tell (i32.const 1))))
