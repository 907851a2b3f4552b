// What tasks and the host used in the last minutes: as many samples as a curve has places.

export const length = 60;

const push = (list, value) => {
  list.push(value);
  if (list.length > length) list.shift();
};

const stalled = (now, before, span) =>
  now && before ? Math.min(100, Math.max(0, (now.some.total - before.some.total) / span / 10)) : undefined;

class Series {
  cpu = [];
  memory = [];
  read = [];
  written = [];
  pressure = { cpu: [], memory: [], io: [] };
  #before = null;

  // `usage.at` is in milliseconds, totals of pressure in microseconds.
  add(usage, cpu, memory) {
    const before = this.#before;
    if (before && usage.at <= before.at) return;
    const span = before ? usage.at - before.at : 0;
    push(this.cpu, cpu);
    push(this.memory, memory);
    const rate = (now, then) => (span && now !== undefined && then !== undefined && now >= then ? ((now - then) * 1000) / span : undefined);
    push(this.read, rate(usage.io?.readBytes, before?.io?.readBytes));
    push(this.written, rate(usage.io?.writtenBytes, before?.io?.writtenBytes));
    for (const kind of ["cpu", "memory", "io"]) {
      push(this.pressure[kind], span ? stalled(usage.pressure[kind], before.pressure[kind], span) : undefined);
    }
    this.#before = usage;
  }

  // Bytes a second, both ways.
  get io() {
    return this.read.map((read, index) => (read === undefined ? undefined : read + (this.written[index] ?? 0)));
  }

  // The worst of the three.
  get stall() {
    return this.pressure.cpu.map((_, index) => {
      const all = ["cpu", "memory", "io"].map((kind) => this.pressure[kind][index]).filter((value) => value !== undefined);
      return all.length ? Math.max(...all) : undefined;
    });
  }
}

export const host = new Series();
const tasks = new Map();

export const ofTask = (id) => tasks.get(id) ?? tasks.set(id, new Series()).get(id);

export function record(stats) {
  const { host: all } = stats;
  host.add(all, all.cpu.used, all.memory.used);
  const alive = new Set();
  for (const usage of stats.tasks) {
    alive.add(usage.id);
    ofTask(usage.id).add(usage, usage.cpu?.percent, usage.memory?.current);
  }
  for (const id of tasks.keys()) if (!alive.has(id)) tasks.delete(id);
}

export const last = (list) => list[list.length - 1];
