// The system calls that a cage does without, as a filter that the kernel runs before each call
// (seccomp(2), classic BPF). Bubblewrap loads it for everything in the cage; the library's own
// filter, for local sockets and namespaces, comes on top of it.
//
// What no namespace divides is here: the keyrings are the session's and the kernel log is the
// computer's, inside of a cage as outside. So is what opens much of the kernel to a program that
// holds no privilege. What needs a capability of the host is not: no cage has one.

/** Calls that are answered as a kernel without them answers, so that programs use another way. */
const refused = [
  // A cage inherits the worker's session keyring: passwords of mounts, Kerberos tickets, tokens.
  "add_key",
  "request_key",
  "keyctl",
  // The kernel's log names what the computer does, and addresses in the kernel.
  "syslog",
  // Each was the way into the kernel more than once. Node and libuv do without io_uring.
  "bpf",
  "perf_event_open",
  "userfaultfd",
  "io_uring_setup",
  "io_uring_enter",
  "io_uring_register",
] as const;

type Call = (typeof refused)[number];

interface Machine {
  /** As Node names it. */
  readonly name: string;
  /** AUDIT_ARCH_* of linux/audit.h. */
  readonly arch: number;
  /** Numbers from here on belong to a second table, whose calls are refused whole. */
  readonly end: number | null;
  /** Numbers from the kernel's tables (arch/…/syscall*.tbl, asm-generic/unistd.h). */
  readonly numbers: Readonly<Record<Call, number>>;
}

const uring = { io_uring_setup: 425, io_uring_enter: 426, io_uring_register: 427 } as const;

// A 64-bit kernel runs programs of its 32-bit sibling as well, which have numbers of their own.
const machines: readonly Machine[] = [
  {
    name: "x64",
    arch: 0xc000_003e,
    // The calls of x32, which nothing uses.
    end: 0x4000_0000,
    numbers: {
      ...uring,
      add_key: 248,
      request_key: 249,
      keyctl: 250,
      syslog: 103,
      bpf: 321,
      perf_event_open: 298,
      userfaultfd: 323,
    },
  },
  {
    name: "arm64",
    arch: 0xc000_00b7,
    end: null,
    numbers: {
      ...uring,
      add_key: 217,
      request_key: 218,
      keyctl: 219,
      syslog: 116,
      bpf: 280,
      perf_event_open: 241,
      userfaultfd: 282,
    },
  },
  {
    name: "ia32",
    arch: 0x4000_0003,
    end: null,
    numbers: {
      ...uring,
      add_key: 286,
      request_key: 287,
      keyctl: 288,
      syslog: 103,
      bpf: 357,
      perf_event_open: 336,
      userfaultfd: 374,
    },
  },
  {
    name: "arm",
    arch: 0x4000_0028,
    end: null,
    numbers: {
      ...uring,
      add_key: 309,
      request_key: 310,
      keyctl: 311,
      syslog: 103,
      bpf: 386,
      perf_event_open: 364,
      userfaultfd: 388,
    },
  },
];

/** One instruction of classic BPF (struct sock_filter of linux/filter.h). */
interface Instruction {
  readonly code: number;
  /** How many instructions are skipped when the comparison holds, and when it does not. */
  readonly yes?: number;
  readonly no?: number;
  readonly value: number;
}

const codes = {
  /** BPF_LD | BPF_W | BPF_ABS: loads a word of struct seccomp_data. */
  load: 0x20,
  /** BPF_JMP | BPF_JEQ | BPF_K, and BPF_JGE. */
  ifEqual: 0x15,
  ifAtLeast: 0x35,
  /** BPF_RET | BPF_K */
  answer: 0x06,
} as const;

/** Offsets in struct seccomp_data of linux/seccomp.h. */
const offsets = { number: 0, arch: 4 } as const;

const answers = {
  /** SECCOMP_RET_ALLOW */
  allow: 0x7fff_0000,
  /** SECCOMP_RET_ERRNO with ENOSYS */
  refuse: 0x0005_0026,
  /** SECCOMP_RET_KILL_PROCESS */
  kill: 0x8000_0000,
} as const;

/**
 * The filter as bytes: an array of struct sock_filter, little-endian as every machine that it knows.
 * The same on all of them. A program of a machine that it does not know is killed by its first call.
 */
export function systemCallFilter(): Buffer {
  const program: readonly Instruction[] = [
    { code: codes.load, value: offsets.arch },
    ...machines.flatMap(instructionsFor),
    { code: codes.answer, value: answers.kill },
  ];
  return Buffer.concat(program.map(bytesOf));
}

/** Answers each call of this machine; leaves all others to what follows, with `arch` still loaded. */
function instructionsFor({ arch, end, numbers }: Machine): readonly Instruction[] {
  const tests: readonly Instruction[] = [
    ...(end === null ? [] : [{ code: codes.ifAtLeast, value: end }]),
    ...refused.map((call) => ({ code: codes.ifEqual, value: numbers[call] })),
  ];
  const body: readonly Instruction[] = [
    { code: codes.load, value: offsets.number },
    // The refusal stands behind the tests and the permission.
    ...tests.map((test, at) => ({ ...test, yes: tests.length - at })),
    { code: codes.answer, value: answers.allow },
    { code: codes.answer, value: answers.refuse },
  ];
  return [{ code: codes.ifEqual, value: arch, no: body.length }, ...body];
}

function bytesOf({ code, yes = 0, no = 0, value }: Instruction): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(yes, 2);
  bytes.writeUInt8(no, 3);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}

/** The number of keyctl(2) on a machine as Node names it, or null: for the self-test. */
export function keyctlNumber(arch: string): number | null {
  return machines.find(({ name }) => name === arch)?.numbers.keyctl ?? null;
}
