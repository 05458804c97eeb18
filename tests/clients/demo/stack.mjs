// Runs `mayfly` as a user would: commands that answer with one JSON document, and
// processes that keep running. Whatever was started here is stopped here, by pid.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import path from 'node:path';

const STOP_GRACE_MS = 30_000;

/** Prints progress on stderr. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Waits until `check` returns something truthy, or fails after `seconds`. */
export async function until(what, seconds, check) {
  const deadline = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < deadline) {
    try {
      const found = await check();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${what}: not within ${seconds} s${last ? ` (${last.shortMessage ?? last.message})` : ''}`);
}

/** A running child whose stdout is JSON documents, one a line. */
class Child {
  constructor(name, process, log) {
    this.name = name;
    this.process = process;
    this.log = log;
    this.documents = [];
    this.exited = false;
    let rest = '';
    process.stdout.setEncoding('utf8');
    process.stdout.on('data', (chunk) => {
      rest += chunk;
      const lines = rest.split('\n');
      rest = lines.pop();
      for (const line of lines) if (line.trim()) this.documents.push(JSON.parse(line));
    });
    this.ended = new Promise((done) => {
      process.on('exit', (code, signal) => {
        this.exited = true;
        done({ code, signal });
      });
    });
  }

  get pid() {
    return this.process.pid;
  }

  /** The newest document of a kind (its `event` field), or the first of all. */
  last(event) {
    return this.documents.findLast((document) => document.event === event);
  }

  /** The first document: what a long-running command prints when it is ready. */
  async ready(seconds = 120) {
    return until(`${this.name} is ready`, seconds, () => {
      if (this.exited) throw new Error(`${this.name} has ended, see ${this.log}`);
      return this.documents[0];
    });
  }

  /** Ctrl-C, then patience, then kill -9. */
  async stop() {
    if (this.exited) return this.ended;
    this.process.kill('SIGINT');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_GRACE_MS);
    const result = await this.ended;
    clearTimeout(timer);
    return result;
  }

  /** kill -9. */
  async kill() {
    if (!this.exited) this.process.kill('SIGKILL');
    return this.ended;
  }
}

/** The `mayfly` binary with a place for logs. */
export class Mayfly {
  constructor(binary, logDir) {
    this.binary = binary;
    this.logDir = logDir;
    this.children = [];
    mkdirSync(logDir, { recursive: true });
  }

  /** Starts a command that keeps running. */
  start(name, args, env = {}) {
    const log = path.join(this.logDir, `${name}.log`);
    const stream = createWriteStream(log, { flags: 'a' });
    const child = spawn(this.binary, [...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      // A group of its own: Ctrl-C on the terminal reaches the driver alone.
      detached: true,
    });
    child.stderr.pipe(stream);
    const started = new Child(name, child, log);
    this.children.push(started);
    return started;
  }

  /** Runs a command to its end and returns its document. */
  async run(args, env = {}) {
    const child = spawn(this.binary, [...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (err += chunk));
    const code = await new Promise((done, fail) => {
      child.on('error', fail);
      child.on('close', done);
    });
    if (code !== 0) throw new Error(`mayfly ${args.join(' ')}: exit ${code}: ${err.trim().slice(-2000)}`);
    return JSON.parse(out);
  }

  /** Stops everything that still runs, the last started first. */
  async stop() {
    for (const child of this.children.toReversed()) await child.stop();
  }
}
